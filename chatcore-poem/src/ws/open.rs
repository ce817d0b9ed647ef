//! Opening a socket: what is checked before the upgrade, and the handshake (RFC 6455, section 4.2).

use std::{collections::HashMap, sync::Arc, time::Duration};

use chatcore::{
    Code, Error, Principal, Result,
    model::{Seq, SessionId},
};
use poem::{
    Endpoint, Request, Response,
    http::{HeaderName, StatusCode, Uri, header},
};
use tokio::time::timeout;
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        handshake::derive_accept_key,
        protocol::{Role, WebSocketConfig},
    },
};

use tokio_util::task::task_tracker::TaskTrackerToken;

use super::{UserSlot, socket};
use crate::{
    Options, Origins,
    problem::ApiError,
    state::{State, bearer},
};

/// How long the client may take to take the answer to its upgrade.
const UPGRADE_TIME: Duration = Duration::from_secs(10);

/// The endpoint at `/ws`. The upgrade is made here and not by poem's extractor, which reports what ended a socket as text
/// only, and sets sizes per socket that are meant for few of them.
pub(crate) struct WsEndpoint;

/// What is known of a socket when it opens.
pub(super) struct Opening {
    pub(super) who: Option<(Principal, UserSlot)>,
    /// The session to subscribe to at once, and from where on.
    pub(super) session: Option<(SessionId, Option<Seq>)>,
    /// The place among those who have not said who they are.
    pub(super) unknown: Option<TaskTrackerToken>,
}

impl Endpoint for WsEndpoint {
    type Output = Response;

    async fn call(&self, request: Request) -> poem::Result<Response> {
        let state = Arc::clone(State::of(&request).map_err(ApiError)?);
        let (mut opening, accept) = check(&state, &request).await.map_err(ApiError)?;
        let token = state.sockets.take(state.options.sockets).map_err(ApiError)?;
        if opening.who.is_none() {
            opening.unknown = Some(state.sockets.take_unknown(state.options.unknown_sockets).map_err(ApiError)?);
        }
        let upgrade = request.take_upgrade().map_err(|_| ApiError(not_a_handshake()))?;
        tokio::spawn(async move {
            // Done once the answer below has been written.
            if let Ok(Ok(io)) = timeout(UPGRADE_TIME, upgrade).await {
                let config = config(&state.options, state.chat.limits().message_chars);
                let stream = WebSocketStream::from_raw_socket(io, Role::Server, Some(config)).await;
                socket::run(stream, state, opening).await;
            }
            drop(token);
        });
        let response = Response::builder()
            .status(StatusCode::SWITCHING_PROTOCOLS)
            .header(header::CONNECTION, "upgrade")
            .header(header::UPGRADE, "websocket")
            .header(header::SEC_WEBSOCKET_ACCEPT, accept);
        Ok(response.finish())
    }
}

fn config(options: &Options, message_chars: usize) -> WebSocketConfig {
    WebSocketConfig::default()
        .max_message_size(Some(options.frame_bytes))
        .max_frame_size(Some(options.frame_bytes))
        .read_buffer_size(4 << 10)
        .write_buffer_size(4 << 10)
        // Room for the longest message in its longest encoding, and then some.
        .max_write_buffer_size((1 << 20) + 64 * message_chars)
}

fn not_a_handshake() -> Error {
    Error::Refused { code: Code::UpgradeRequired, detail: "open a WebSocket here (RFC 6455, version 13)" }
}

async fn check(state: &State, request: &Request) -> Result<(Opening, String)> {
    let accept = handshake(request).ok_or_else(not_a_handshake)?;
    if !origin_allowed(&state.options.origins, request) {
        return Err(Error::Refused { code: Code::OriginNotAllowed, detail: "this origin may not open a WebSocket" });
    }
    let query: HashMap<String, String> = request.params().map_err(|_| Error::malformed("query", "cannot be parsed"))?;
    let parameter = |name: &str, message: &str| Error::malformed(name, message);
    let session_id = match query.get("session_id") {
        Some(text) => Some(text.parse().map_err(|_| parameter("session_id", "a session's id is a UUID"))?),
        None => None,
    };
    let after = match query.get("after") {
        Some(text) => Some(text.parse().map_err(|_| parameter("after", "a position in the session's log"))?),
        None => None,
    };
    let token = match bearer(request)? {
        Some(token) => Some(token),
        None => query.get("token").map(String::as_str),
    };
    let who = match token {
        Some(token) => {
            let principal = state.authenticator.authenticate(token).await?;
            // Makes the profile, and tells at once of a right that is missing: later there is only a close code.
            state.chat.me(&principal).await?;
            if let Some(id) = session_id {
                state.chat.events(&principal, id, after.unwrap_or(0), Some(1)).await?;
            }
            let slot = state.sockets.take_for(&principal.user_id, state.options.sockets_per_user)?;
            Some((principal, slot))
        }
        None => None,
    };
    Ok((Opening { who, session: session_id.map(|id| (id, after)), unknown: None }, accept))
}

/// The answer to the client's key, where the request is a handshake.
fn handshake(request: &Request) -> Option<String> {
    let value = |name: HeaderName| request.headers().get(name)?.to_str().ok();
    let names = |name: HeaderName, wanted: &str| {
        value(name).is_some_and(|list| list.split(',').any(|item| item.trim().eq_ignore_ascii_case(wanted)))
    };
    let key = value(header::SEC_WEBSOCKET_KEY).filter(|key| key.len() == 24)?;
    let fits = names(header::UPGRADE, "websocket")
        && names(header::CONNECTION, "upgrade")
        && value(header::SEC_WEBSOCKET_VERSION) == Some("13");
    fits.then(|| derive_accept_key(key.as_bytes()))
}

/// Browsers name the page's origin (RFC 6454) and cannot be made to lie about it.
fn origin_allowed(origins: &Origins, request: &Request) -> bool {
    let Some(origin) = request.headers().get(header::ORIGIN) else { return true };
    let Ok(origin) = origin.to_str() else { return false };
    match origins {
        Origins::Any => true,
        Origins::Listed(listed) => listed.iter().any(|allowed| allowed.eq_ignore_ascii_case(origin)),
        Origins::SameHost => {
            let page = origin.parse::<Uri>().ok().and_then(|origin| origin.authority().cloned());
            let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
            page.zip(host).is_some_and(|(page, host)| page.as_str().eq_ignore_ascii_case(host))
        }
    }
}
