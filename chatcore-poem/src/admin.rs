//! The administration within an app.

use std::sync::Arc;

use chatcore::{Administration, Error, admin::AuditOrigin};
use chatcore_http::{ClientIp, RequestId};
use poem::{
    Endpoint, IntoResponse as _, Request, Response, Route,
    endpoint::{BoxEndpoint, make},
    get,
};
use serde_json::Value;

#[cfg(feature = "backup")]
use crate::rest::Backups;
#[cfg(feature = "webhooks")]
use crate::rest::ServerHooks;
use crate::{
    ChatFrontend, MountError, SERVER, described, document, problem::ApiError, rest::Admin, routes::Routes, separate,
    state::State,
};

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
    /// Adds the administration: the operations below `/api/v1/admin`, also in the OpenAPI document. Without the administration these paths
    /// do not exist. WebSockets and event streams show the notices. The administration must be of the same chat.
    #[must_use]
    pub fn with_admin(self, admin: Administration) -> Self {
        let sockets = self.state.sockets.clone();
        admin.count_connections(move || sockets.open());
        let State { chat, authenticator, sockets, .. } = &*self.state;
        let (chat, authenticator, sockets) = (chat.clone(), Arc::clone(authenticator), sockets.clone());
        let state = Arc::new(State {
            chat,
            authenticator,
            sockets,
            shows_notices: true,
            #[cfg(feature = "metrics")]
            frames: self.state.frames.clone(),
        });
        Self { admin: Some(admin), state, ..self }.documented()
    }

    /// An endpoint of the host that answers GET to administrators alone, by the same rules and with the same errors as the operations of
    /// the administration. Without an administration the endpoint refuses every request. `name` stands for the endpoint in the log.
    pub fn for_administrators(
        &self,
        name: &'static str,
        endpoint: impl Endpoint + 'static,
    ) -> impl Endpoint<Output = Response> + 'static {
        let (admin, state, endpoint) = (self.admin.clone(), Arc::clone(&self.state), Arc::new(endpoint));
        let guarded = make(move |request| {
            let (admin, state, endpoint) = (admin.clone(), Arc::clone(&state), Arc::clone(&endpoint));
            async move {
                let principal = state.principal(&request).await.map_err(ApiError)?;
                admin.ok_or(Error::AdminRequired).map_err(ApiError)?.admit(&principal).await.map_err(ApiError)?;
                Ok::<_, poem::Error>(endpoint.call(request).await?.into_response())
            }
        });
        self.wrap_get(name, get(guarded), true)
    }

    /// Adds the operations of the administration, where there is one.
    pub(crate) fn admin_operations(&self, app: Route) -> Result<Route, MountError> {
        let Some(admin) = &self.admin else { return Ok(app) };
        app.try_nest(BASE, self.wrap(BASE, self.administering(admin).1))
    }

    /// The description of the operations of the administration, and what carries them out.
    fn administering(&self, admin: &Administration) -> (String, BoxEndpoint<'static>) {
        #[cfg(feature = "webhooks")]
        if let Some(webhooks) = &self.webhooks {
            return described(separate((operations(admin), ServerHooks(webhooks.clone()))));
        }
        described(separate(operations(admin)))
    }

    /// The document and the routes with the operations of the administration, where there is one.
    pub(crate) fn with_administration(&self, document: Value, routes: &mut Routes) -> Value {
        let Some(admin) = &self.admin else { return document };
        let own = serde_json::from_str(&self.administering(admin).0).unwrap_or_default();
        routes.add(&own, &[BASE]);
        document::joined(document, own, SERVER, PLACE)
    }
}

/// What the audit log says of a request.
pub(crate) fn origin_of(request: &Request) -> AuditOrigin {
    let RequestId(id) = RequestId::of(request);
    AuditOrigin { address: ClientIp::of(request).map(|ClientIp(address)| address), request_id: Some(id) }
}
