//! Opening a socket: what is checked before the upgrade.

use std::{collections::HashMap, sync::Arc};

use chatcore::{Error, Origin, Principal, Result, chat::Start, model::SessionId, trace::ConnectionSpans};
use chatcore_http::{ClientAddress, Handshake, UnknownPlace, UserPlace, caller_or_query, origin, span_of};
use poem::{Endpoint, Request, Response};

use super::socket;
use crate::{
    extract::{check_parameters, cursor_after},
    problem::ApiError,
    state::State,
};

/// The query parameters that a socket takes.
const PARAMETERS: [&str; 4] = ["token", "session_id", "after", "presence"];

/// The endpoint at `/ws`.
pub(crate) struct WsEndpoint;

/// What is known of a socket when it opens.
pub(super) struct Opening {
    pub(super) who: Option<(Principal, UserPlace)>,
    /// From where it comes.
    pub(super) origin: Origin,
    /// The session to subscribe to at once.
    pub(super) session: Option<Joining>,
    /// The place of a socket whose user is not known yet.
    pub(super) unknown: Option<UnknownPlace>,
    /// The spans of its frames.
    pub(super) spans: ConnectionSpans,
}

/// The subscription with which a socket opens.
pub(super) struct Joining {
    pub(super) session_id: SessionId,
    /// From where on.
    pub(super) start: Start,
    pub(super) shows_presence: bool,
}

impl Endpoint for WsEndpoint {
    type Output = Response;

    async fn call(&self, request: Request) -> poem::Result<Response> {
        let state = Arc::clone(State::of(&request).map_err(ApiError)?);
        Ok(open(state, &request).await.map_err(ApiError)?)
    }
}

async fn open(state: Arc<State>, request: &Request) -> Result<Response> {
    let sockets = state.sockets.clone();
    let handshake = Handshake::of(request, sockets.options(), None)?;
    let opening = Box::new(check(&state, request).await?);
    handshake.open(request, &sockets, |socket| socket::run(socket, state, opening))
}

async fn check(state: &State, request: &Request) -> Result<Opening> {
    if let Some(span) = span_of(request) {
        span.transport("websocket");
    }
    check_parameters(request, PARAMETERS.into_iter())?;
    let query: HashMap<String, String> = request.params().map_err(|_| Error::malformed("query", "cannot be parsed"))?;
    let session_id = match query.get("session_id") {
        Some(text) => Some(text.parse().map_err(|_| Error::malformed("session_id", "a session's id is a UUID"))?),
        None => None,
    };
    let after = match query.get("after") {
        Some(text) => Some(cursor_after(text)?),
        None => None,
    };
    let start = Start::or_now(after);
    let shows_presence = match query.get("presence") {
        Some(text) => text.parse().map_err(|_| Error::malformed("presence", "true or false"))?,
        None => false,
    };
    let origin = origin(request);
    // The token of a socket without one comes with its first message; until then the request is a stranger's.
    let who = match caller_or_query(request, &*state.authenticator).await {
        Ok(None) => match state.chat.admit(origin, Ok(None)).await {
            Err(Error::AuthRequired) => None,
            refused => return Err(refused.err().unwrap_or(Error::Internal)),
        },
        caller => {
            let principal = state.chat.admit(origin, caller).await?;
            // Makes the profile, and tells at once of a right that is missing: later there is only a close code.
            state.chat.me(&principal).await?;
            if let Some(id) = session_id {
                state.chat.may_follow(&principal, id, start).await?;
            }
            let place = state.sockets.take_for(&principal.user_id)?;
            Some((principal, place))
        }
    };
    let unknown = if who.is_none() { Some(state.sockets.take_unknown(ClientAddress::of(request))?) } else { None };
    let spans = span_of(request).ok_or(Error::Internal)?.connection();
    let session = session_id.map(|session_id| Joining { session_id, start, shows_presence });
    Ok(Opening { who, origin, session, unknown, spans })
}
