//! Those who listen: each a connection of its own, on one of the transports.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use clap::ValueEnum;
use futures_util::{SinkExt as _, StreamExt as _, stream::BoxStream};
use reqwest::{
    Client,
    header::{self, HeaderValue},
};
use serde_json::json;
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    WebSocketStream, client_async_with_config,
    tungstenite::{Bytes, Message, Utf8Bytes, client::IntoClientRequest as _, protocol::WebSocketConfig},
};

use crate::Failure;

/// How long a subscription may take to begin.
const PATIENCE: Duration = Duration::from_secs(30);

/// Asks for what a frame of the WebSocket holds.
const SUBSCRIPTION: &str = "subscription ($id: ID!) { sessionEvents(sessionId: $id) { __typename \
    ... on Subscribed { after } ... on SessionEvent { seq createdAt } ... on MessageSent { clientId message { \
    id sessionId seq number content role messageType createdAt sender { id username name } } } } }";

/// A way to get events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Transport {
    /// The WebSocket at /ws
    Websocket,
    /// A GraphQL subscription over graphql-transport-ws
    Graphql,
    /// Server-sent events of the REST API
    Sse,
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Websocket => "websocket",
            Self::Graphql => "graphql",
            Self::Sse => "sse",
        })
    }
}

/// What all subscribers of a turn have got.
#[derive(Debug, Default)]
pub(crate) struct Received {
    /// From the sending to the receipt, in microseconds, of each message that came the first time and in order.
    pub(crate) latencies: Vec<u32>,
    /// Messages that came again, or late.
    pub(crate) doubled: u64,
    /// The texts in which messages came, in bytes.
    pub(crate) bytes: u64,
    /// Why a subscription ended by itself.
    pub(crate) ended: Option<String>,
}

/// What a turn has got, shared by its subscribers.
#[derive(Debug, Clone)]
pub(crate) struct Tally {
    /// The beginning of all times in messages.
    pub(crate) epoch: Instant,
    received: Arc<Mutex<Received>>,
}

impl Tally {
    pub(crate) fn new(epoch: Instant) -> Self {
        Self { epoch, received: Arc::default() }
    }

    pub(crate) fn with<T>(&self, look: impl FnOnce(&mut Received) -> T) -> T {
        look(&mut self.received.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The mark before a message's number and time.
const MARK: &str = "stamp=";

/// A text of a given length that carries its number and when it was sent.
pub(crate) fn stamped(number: u64, sent: Duration, bytes: usize) -> String {
    format!("{:.<bytes$}", format!("{MARK}{number}:{};", sent.as_micros()))
}

/// The number and the time, in microseconds, in a text that holds a stamped one.
fn stamp(text: &str) -> Option<(u64, u64)> {
    let (_, after) = text.split_once(MARK)?;
    let (stamp, _) = after.split_once(';')?;
    let (number, sent) = stamp.split_once(':')?;
    Some((number.parse().ok()?, sent.parse().ok()?))
}

/// One subscriber's place in what it must get.
struct Follower {
    next: u64,
    tally: Tally,
}

impl Follower {
    fn take(&mut self, text: &str) {
        let Some((number, sent)) = stamp(text) else { return };
        let now = self.tally.epoch.elapsed().as_micros();
        self.tally.with(|received| {
            if number < self.next {
                received.doubled += 1;
                return;
            }
            self.next = number + 1;
            received.bytes += text.len() as u64;
            let latency = now.saturating_sub(sent.into());
            received.latencies.push(u32::try_from(latency).unwrap_or(u32::MAX));
        });
    }
}

/// Subscribes, and returns when that is confirmed; the future then follows until it is dropped.
pub(crate) async fn subscribe(
    transport: Transport,
    address: &str,
    session: &str,
    token: &str,
    tally: Tally,
) -> Result<impl Future<Output = ()> + Send + 'static, Failure> {
    let begun = timeout(PATIENCE, Connection::begin(transport, address, session, token)).await;
    let mut connection = begun.map_err(|_| "a subscription did not begin in time")??;
    Ok(async move {
        let mut follower = Follower { next: 0, tally };
        let why = loop {
            match connection.next().await {
                Ok(text) => follower.take(&text),
                Err(error) => break error.to_string(),
            }
        };
        follower.tally.with(|received| received.ended = Some(why));
    })
}

/// A connection on which texts come.
enum Connection {
    Socket(Box<WebSocketStream<TcpStream>>),
    Events {
        body: BoxStream<'static, reqwest::Result<Bytes>>,
        /// The beginning of an event whose end has not come yet.
        begun: String,
    },
}

impl Connection {
    async fn begin(transport: Transport, address: &str, session: &str, token: &str) -> Result<Self, Failure> {
        match transport {
            Transport::Websocket => {
                let mut socket = websocket(address, "/ws", token, None).await?;
                let join = json!({ "event": "join_session", "id": 1, "data": { "session_id": session } });
                socket.send(Message::text(join.to_string())).await?;
                Self::Socket(Box::new(socket)).expecting(r#"{"event":"ack""#).await
            }
            Transport::Graphql => {
                let mut socket = websocket(address, "/graphql", token, Some("graphql-transport-ws")).await?;
                socket.send(Message::text(json!({ "type": "connection_init" }).to_string())).await?;
                let payload = json!({ "query": SUBSCRIPTION, "variables": { "id": session } });
                let subscribe = json!({ "type": "subscribe", "id": "1", "payload": payload });
                socket.send(Message::text(subscribe.to_string())).await?;
                let connection = Self::Socket(Box::new(socket)).expecting(r#""type":"connection_ack""#).await?;
                connection.expecting(r#""__typename":"Subscribed""#).await
            }
            Transport::Sse => {
                let url = format!("http://{address}/api/v1/chat/sessions/{session}/events");
                let request = Client::new().get(url).bearer_auth(token).header(header::ACCEPT, "text/event-stream");
                let answer = request.send().await?.error_for_status()?;
                let connection = Self::Events { body: answer.bytes_stream().boxed(), begun: String::new() };
                connection.expecting("retry:").await?.expecting("id:").await
            }
        }
    }

    /// Waits for a text that holds this.
    async fn expecting(mut self, what: &str) -> Result<Self, Failure> {
        let text = self.next().await?;
        if text.contains(what) { Ok(self) } else { Err(format!("expected {what}, not {}", &*text).into()) }
    }

    async fn next(&mut self) -> Result<Text, Failure> {
        loop {
            match self {
                Self::Socket(socket) => match socket.next().await.ok_or("a connection ended")?? {
                    Message::Text(frame) => return Ok(Text::Frame(frame)),
                    Message::Close(close) => return Err(format!("a connection was closed: {close:?}").into()),
                    // Pings are answered by the library.
                    Message::Binary(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
                },
                Self::Events { body, begun } => {
                    if let Some(end) = begun.find("\n\n") {
                        let rest = begun.split_off(end + 2);
                        return Ok(Text::Event(std::mem::replace(begun, rest)));
                    }
                    // All that is sent here is ASCII, so nothing is cut within a character.
                    let part = body.next().await.ok_or("an event stream ended")??;
                    begun.push_str(std::str::from_utf8(&part)?);
                }
            }
        }
    }
}

/// A text from the server.
enum Text {
    Frame(Utf8Bytes),
    Event(String),
}

impl std::ops::Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        match self {
            Self::Frame(text) => text,
            Self::Event(text) => text,
        }
    }
}

/// Opens a WebSocket.
pub(crate) async fn websocket(
    address: &str,
    path: &str,
    token: &str,
    protocol: Option<&'static str>,
) -> Result<WebSocketStream<TcpStream>, Failure> {
    let mut request = format!("ws://{address}{path}").into_client_request()?;
    let headers = request.headers_mut();
    headers.insert(header::AUTHORIZATION, format!("Bearer {token}").parse()?);
    if let Some(protocol) = protocol {
        headers.insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(protocol));
    }
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let config = WebSocketConfig::default().read_buffer_size(4 * 1024);
    Ok(client_async_with_config(request, stream, Some(config)).await?.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_found_in_what_is_around_it() {
        let text = stamped(7, Duration::from_micros(1_234_567), 100);
        assert_eq!(text.len(), 100);
        let frame = json!({ "data": { "content": text, "seq": 3 } }).to_string();
        assert_eq!(stamp(&frame), Some((7, 1_234_567)));
        assert_eq!(stamp("nothing"), None);
    }

    #[test]
    fn messages_are_counted_once() {
        let tally = Tally::new(Instant::now());
        let mut follower = Follower { next: 0, tally: tally.clone() };
        for number in [0, 1, 1, 3, 2] {
            follower.take(&stamped(number, Duration::ZERO, 50));
        }
        tally.with(|received| assert_eq!((received.latencies.len(), received.doubled), (3, 2)));
    }
}
