//! A WebSocket client.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Error, Message, client::IntoClientRequest, http::HeaderValue},
};

/// How long anything that must come may take, on a slow machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a socket goes over: a connection, with TLS or without.
pub trait Connection: AsyncRead + AsyncWrite + Send + Sync + Unpin {}

impl<C: AsyncRead + AsyncWrite + Send + Sync + Unpin> Connection for C {}

/// An open socket.
pub struct Socket {
    stream: WebSocketStream<Box<dyn Connection>>,
    next_id: u64,
    /// Events that came while an answer was waited for.
    early: std::collections::VecDeque<Value>,
}

impl Socket {
    /// Opens one; `query` goes behind `/ws`.
    pub async fn open(address: &str, query: &str, token: Option<&str>) -> Self {
        Self::try_open(address, query, token, None).await.unwrap()
    }

    /// Opens one, or gives the HTTP status and the problem's code with which that was refused.
    pub async fn try_open(
        address: &str,
        query: &str,
        token: Option<&str>,
        origin: Option<&str>,
    ) -> Result<Self, (u16, String)> {
        let mut request = format!("ws://{address}/ws{query}").into_client_request().unwrap();
        if let Some(token) = token {
            let value = HeaderValue::from_str(&format!("Bearer {token}")).unwrap();
            request.headers_mut().insert("authorization", value);
        }
        if let Some(origin) = origin {
            request.headers_mut().insert("origin", HeaderValue::from_str(origin).unwrap());
        }
        let connection = TcpStream::connect(address).await.unwrap();
        match Self::over(connection, request).await {
            Ok(socket) => Ok(socket),
            Err(Error::Http(response)) => {
                let body: Value = serde_json::from_slice(response.body().as_deref().unwrap_or_default()).unwrap();
                Err((response.status().as_u16(), body["code"].as_str().unwrap().to_owned()))
            }
            Err(error) => panic!("{error}"),
        }
    }

    /// Opens one over a connection that there is already.
    pub async fn over(
        connection: impl Connection + 'static,
        request: impl IntoClientRequest + Unpin,
    ) -> Result<Self, Error> {
        let connection: Box<dyn Connection> = Box::new(connection);
        let (stream, _) = client_async(request, connection).await?;
        Ok(Self { stream, next_id: 0, early: Default::default() })
    }

    /// Opens one to a server that may be gone; `None` where nobody answers as a server does that serves.
    pub async fn reach(address: &str, query: &str, token: &str) -> Option<Self> {
        let mut request = format!("ws://{address}/ws{query}").into_client_request().unwrap();
        request.headers_mut().insert("authorization", HeaderValue::from_str(&format!("Bearer {token}")).unwrap());
        Self::over(TcpStream::connect(address).await.ok()?, request).await.ok()
    }

    /// The next frame from a server that may go away; `None` once it has.
    pub async fn received(&mut self) -> Option<Value> {
        loop {
            match self.stream.next().await {
                Some(Ok(Message::Text(text))) => return Some(serde_json::from_str(&text).unwrap()),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(Message::Close(_)) | Err(_)) | None => return None,
                other => panic!("{other:?}"),
            }
        }
    }

    /// Sends anything.
    pub async fn raw(&mut self, message: Message) {
        self.stream.send(message).await.unwrap();
    }

    /// Sends a frame and gives its id.
    pub async fn send(&mut self, event: &str, data: Value) -> String {
        self.next_id += 1;
        let id = format!("f{}", self.next_id);
        self.raw(Message::text(json!({ "event": event, "id": id, "data": data }).to_string())).await;
        id
    }

    /// Sends a frame and gives its answer, an `ack` or an `error`; events that come before it are kept for [`Self::event`].
    pub async fn ask(&mut self, event: &str, data: Value) -> Value {
        let id = self.send(event, data).await;
        loop {
            let frame = self.frame().await;
            if frame["id"] == id.as_str() {
                return frame;
            }
            self.early.push_back(frame);
        }
    }

    /// Subscribes, from a position or from now.
    pub async fn join(&mut self, session: &str, after: Option<u64>) -> Value {
        let answer = self.ask("join_session", json!({ "session_id": session, "after": after })).await;
        assert_eq!(answer["event"], "ack", "{answer}");
        answer
    }

    /// The next event or error.
    pub async fn event(&mut self) -> Value {
        match self.early.pop_front() {
            Some(frame) => frame,
            None => self.frame().await,
        }
    }

    /// The next event, which must have this name.
    pub async fn expect(&mut self, event: &str) -> Value {
        let frame = self.event().await;
        assert_eq!(frame["event"], event, "{frame}");
        frame
    }

    async fn frame(&mut self) -> Value {
        loop {
            match timeout(PATIENCE, self.stream.next()).await.expect("nothing came") {
                Some(Ok(Message::Text(text))) => return serde_json::from_str(&text).unwrap(),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// The code with which the server ends the socket; what comes before is passed over.
    pub async fn closed(&mut self) -> u16 {
        loop {
            match timeout(PATIENCE, self.stream.next()).await.expect("it was not closed") {
                Some(Ok(Message::Close(Some(frame)))) => return frame.code.into(),
                Some(Ok(Message::Close(None))) | None => return 1005,
                Some(Ok(_)) => {}
                Some(Err(error)) => panic!("{error}"),
            }
        }
    }

    /// Shows that nothing but this comes: the answer to a frame sent now is the next thing.
    pub async fn silent(&mut self) {
        let id = self.send("nothing", json!({})).await;
        let frame = self.event().await;
        assert_eq!(frame["id"], id.as_str(), "{frame}");
    }

    /// Cuts the connection without a word.
    pub fn cut(self) {
        drop(self.stream);
    }
}
