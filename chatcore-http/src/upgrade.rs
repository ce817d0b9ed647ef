//! The opening of a WebSocket: the checks before the upgrade, and the handshake (RFC 6455, section 4.2).

use std::time::Duration;

use base64::{
    Engine as _, alphabet,
    engine::{GeneralPurpose, GeneralPurposeConfig},
};
use chatcore::{Code, Error, Result};
use poem::{
    Request, Response,
    http::{HeaderName, Method, StatusCode, Version, header},
};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use crate::{Connection, Options, Socket, Sockets, Transport};

/// How long the client may take to take the answer to its upgrade.
const UPGRADE_TIME: Duration = Duration::from_secs(10);

/// Some clients take 22 random letters for a key, so that its last bits, which mean nothing, are not zero.
const BASE64: GeneralPurpose =
    GeneralPurpose::new(&alphabet::STANDARD, GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true));

/// A request to open a WebSocket. This type makes the upgrade instead of poem's extractor: the extractor reports the end of a socket only
/// as text, and sets buffer sizes for few sockets.
#[derive(Debug)]
pub struct Handshake {
    accept: String,
    protocol: Option<&'static str>,
}

impl Handshake {
    /// Checks that a request is a handshake, from a page that may open WebSockets. If `protocol` names a subprotocol, the client must offer
    /// the subprotocol; without `protocol`, offers of the client are ignored.
    ///
    /// # Errors
    /// [`Refused`](Error::Refused): `UPGRADE_REQUIRED` or `ORIGIN_NOT_ALLOWED`. [`Malformed`](Error::Malformed) for a
    /// handshake with a wrong key or with a body.
    pub fn of(request: &Request, options: &Options, protocol: Option<&'static str>) -> Result<Self> {
        let required = |detail| Error::Refused { code: Code::UpgradeRequired, detail };
        let accept = accept(request)?.ok_or_else(|| required("open a WebSocket here (RFC 6455, version 13)"))?;
        if !options.origins.allow(request) {
            return Err(Error::Refused {
                code: Code::OriginNotAllowed,
                detail: "this origin may not open a WebSocket",
            });
        }
        // Names of subprotocols are compared as they are, unlike those of upgrades.
        let offers = |wanted| items(request, header::SEC_WEBSOCKET_PROTOCOL).any(|offered| offered == wanted);
        if protocol.is_some_and(|protocol| !offers(protocol)) {
            return Err(required("offer the subprotocol of this WebSocket in Sec-WebSocket-Protocol"));
        }
        Ok(Self { accept, protocol })
    }

    /// Takes a place and answers the request. After the write of the answer, `run` gets the socket. The place is released when `run` is
    /// done. After the authentication, `run` marks the caller in the socket's [`Known`](crate::Known): the data limit of an unknown caller
    /// is small.
    ///
    /// # Errors
    /// As [`Sockets::take`]; [`Refused`](Error::Refused) for a connection that cannot be upgraded.
    pub fn open<F>(
        self,
        request: &Request,
        sockets: &Sockets,
        run: impl FnOnce(Socket) -> F + Send + 'static,
    ) -> Result<Response>
    where
        F: Future<Output = ()> + Send,
    {
        let Self { accept, protocol } = self;
        let transport = if protocol.is_some() { Transport::GraphqlSocket } else { Transport::WebSocket };
        let place = sockets.take(transport)?;
        let refused = Error::Refused { code: Code::UpgradeRequired, detail: "this connection cannot be upgraded" };
        let upgrade = request.take_upgrade().map_err(|_| refused)?;
        let most = sockets.frame_bytes().saturating_mul(ANSWERED);
        tokio::spawn(async move {
            if let Ok(Ok(io)) = timeout(UPGRADE_TIME, upgrade).await {
                run(Socket::new(Connection::new(io), most)).await;
            }
            drop(place);
        });
        let mut response = Response::builder()
            .status(StatusCode::SWITCHING_PROTOCOLS)
            .header(header::CONNECTION, "upgrade")
            .header(header::UPGRADE, "websocket")
            .header(header::SEC_WEBSOCKET_ACCEPT, accept);
        if let Some(protocol) = protocol {
            response = response.header(header::SEC_WEBSOCKET_PROTOCOL, protocol);
        }
        Ok(response.finish())
    }
}

/// How many times larger than it may be a message is read, so that it can be answered.
const ANSWERED: usize = 4;

/// The items of a header that is a list, on however many lines.
fn items(request: &Request, name: HeaderName) -> impl Iterator<Item = &str> {
    let lines = request.headers().get_all(name).into_iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',').map(str::trim))
}

/// The only value of a header; `None` where there is none, or more than one.
fn only(request: &Request, name: HeaderName) -> Option<&str> {
    let mut values = request.headers().get_all(name).iter();
    let (first, second) = (values.next(), values.next());
    first.filter(|_| second.is_none())?.to_str().ok()
}

/// The answer to the client's key; `None` where the request asks for no WebSocket of version 13 (RFC 6455, section 4.2.1).
///
/// HTTP/1.0 has no upgrades (RFC 9110, section 7.8), and whether a body belongs to the request or to the WebSocket is a
/// question on which two servers in a row can differ.
fn accept(request: &Request) -> Result<Option<String>> {
    let names = |name, wanted| items(request, name).any(|item: &str| item.eq_ignore_ascii_case(wanted));
    let wanted = request.method() == Method::GET
        && request.version() >= Version::HTTP_11
        && names(header::UPGRADE, "websocket")
        && names(header::CONNECTION, "upgrade")
        && only(request, header::SEC_WEBSOCKET_VERSION) == Some("13");
    if !wanted {
        return Ok(None);
    }
    if !request.headers().contains_key(header::SEC_WEBSOCKET_KEY) {
        return Ok(None);
    }
    let sixteen_bytes = |key: &&str| BASE64.decode(key).is_ok_and(|bytes| bytes.len() == 16);
    let wrong = || Error::malformed("Sec-WebSocket-Key", "send this header once, with 16 random bytes in base64");
    let key = only(request, header::SEC_WEBSOCKET_KEY).filter(sixteen_bytes).ok_or_else(wrong)?;
    let has_body = request.headers().contains_key(header::TRANSFER_ENCODING)
        || only(request, header::CONTENT_LENGTH).is_some_and(|length| length != "0");
    if has_body {
        return Err(Error::malformed("", "a WebSocket's handshake has no body"));
    }
    Ok(Some(derive_accept_key(key.as_bytes())))
}
