//! What all endpoints share.

use std::sync::Arc;

use chatcore::{Authenticator, Chat, Error, Principal, Result, chat::Notices};
use chatcore_http::{HeldRequest, Sockets, caller, origin};
use poem::Request;

pub(crate) struct State {
    pub(crate) chat: Chat,
    pub(crate) authenticator: Arc<dyn Authenticator>,
    pub(crate) sockets: Sockets,
    /// Whether connections show the notices of the administration.
    pub(crate) shows_notices: bool,
    #[cfg(feature = "metrics")]
    pub(crate) frames: chatcore::metrics::Requests,
}

impl State {
    /// The notices for a connection; `None` where there are none.
    pub(crate) async fn notices(&self) -> Option<Notices> {
        if self.shows_notices { Some(self.chat.notices().await) } else { None }
    }
}

impl State {
    /// What the frontend put into the request.
    pub(crate) fn of(request: &Request) -> Result<&Arc<Self>> {
        request.data::<Arc<Self>>().ok_or(Error::Internal)
    }

    /// Who calls, as the host says, or by the one `Authorization: Bearer` header (RFC 6750).
    pub(crate) async fn principal(&self, request: &Request) -> Result<Principal> {
        let principal = self.chat.admit(origin(request), caller(request, &*self.authenticator).await).await?;
        HeldRequest::take(request, &self.sockets, &principal.user_id)?;
        Ok(principal)
    }

    /// Lets in a request that needs no token. It counts against its address, before anything of it is carried out.
    #[cfg(feature = "accounts")]
    pub(crate) async fn visitor(&self, request: &Request) -> Result<()> {
        match self.chat.admit(origin(request), Ok(None)).await {
            Ok(_) | Err(Error::AuthRequired) => Ok(()),
            Err(refused) => Err(refused),
        }
    }
}
