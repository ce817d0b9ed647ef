//! The administration within an app.

use std::sync::Arc;

use chatcore::{Administration, admin::AuditOrigin};
use chatcore_http::{ClientIp, RequestId};
use poem::{IntoEndpoint as _, Request, Route};
use serde_json::Value;

#[cfg(feature = "backup")]
use crate::rest::Backups;
use crate::{ChatFrontend, MountError, SERVER, document, rest::Admin, routes::Routes, separate, state::State};

/// The place of the operations. The app may have other paths beside them.
const PLACE: &str = "/admin";
const BASE: &str = "/api/v1/admin";

#[cfg(not(feature = "backup"))]
fn operations(admin: &Administration) -> Admin {
    Admin(admin.clone())
}

#[cfg(feature = "backup")]
fn operations(admin: &Administration) -> (Admin, Backups) {
    (Admin(admin.clone()), Backups(admin.clone()))
}

impl ChatFrontend {
    /// The same with the administration: the operations below `/api/v1/admin`, which the OpenAPI document contains, too. Without it there are
    /// no such paths. WebSockets and event streams show the notices. The administration has to be of the same chat.
    #[must_use]
    pub fn with_admin(self, admin: Administration) -> Self {
        let sockets = self.state.sockets.clone();
        admin.count_connections(move || sockets.open());
        let State { chat, authenticator, sockets, .. } = &*self.state;
        let (chat, authenticator, sockets) = (chat.clone(), Arc::clone(authenticator), sockets.clone());
        let state = Arc::new(State { chat, authenticator, sockets, shows_notices: true });
        Self { admin: Some(admin), state, ..self }.documented()
    }

    /// Adds the operations of the administration, where there is one.
    pub(crate) fn admin_operations(&self, app: Route) -> Result<Route, MountError> {
        let Some(admin) = &self.admin else { return Ok(app) };
        app.try_nest(BASE, self.wrap(BASE, separate(operations(admin)).into_endpoint()))
    }
}

/// The document and the routes with the operations of the administration.
pub(crate) fn documented(document: Value, routes: &mut Routes, admin: &Administration) -> Value {
    let own = serde_json::from_str(&separate(operations(admin)).spec()).unwrap_or_default();
    routes.add(&own, &[BASE]);
    document::joined(document, own, SERVER, PLACE)
}

/// What the audit log says of a request.
pub(crate) fn origin_of(request: &Request) -> AuditOrigin {
    let RequestId(id) = RequestId::of(request);
    AuditOrigin { address: ClientIp::of(request).map(|ClientIp(address)| address), request_id: Some(id) }
}
