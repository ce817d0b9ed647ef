//! The WebSocket over real connections: readers in step beside slow, removed and expired ones, and frames byte by byte.
#![allow(missing_docs, reason = "tests")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail by panicking")]

mod direct;
mod ends;
mod notices;
mod rates;
mod raw;
mod streams;
#[path = "../../../chatcore/tests/kit/tokens.rs"]
#[allow(unreachable_pub, dead_code, reason = "shared with other tests")]
mod tokens;

use std::{net::SocketAddr, time::Duration};

use chatcore::{
    Authenticator, Chat, Clock, JwtAuthenticator, JwtIssuer, Limits, MemoryStore, Principal, RateLimits, SystemClock,
    chat::{BanAccount, CreateSession, SendMessage},
    identity::Claims,
    model::{LoginId, SessionId, SessionType, UserId},
};
use chatcore_poem::{ChatFrontend, Options, ServeOptions, Sockets};
use futures_util::{SinkExt as _, StreamExt as _};
use poem::Route;
use serde_json::{Value, json};
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    time::timeout,
};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Message, client::IntoClientRequest as _, protocol::CloseFrame},
};

const SECRET: &[u8] = &[7; 32];

/// A server that hangs is noticed, also on a slow machine.
const PATIENCE: Duration = Duration::from_secs(60);

async fn in_time<T>(future: impl Future<Output = T>) -> T {
    timeout(PATIENCE, future).await.unwrap()
}

fn token(user: &str, lifetime: Duration) -> String {
    let claims = Claims { sub: user.to_owned(), ..Claims::default() };
    JwtIssuer::hs256(SECRET).unwrap().issue(claims, lifetime).unwrap()
}

fn user(name: &str) -> Principal {
    Principal::new(UserId::new(name).unwrap())
}

struct Server {
    chat: Chat,
    sockets: Sockets,
    address: SocketAddr,
}

/// Options under which no test is ended by a limit or a slow machine.
fn patient() -> Options {
    Options {
        sockets_per_user: 10_000,
        unknown_sockets_per_address: 10_000,
        pong_time: PATIENCE,
        write_time: PATIENCE,
        ..Options::default()
    }
}

impl Server {
    async fn start(options: Options) -> Self {
        Self::start_at(options, SystemClock).await
    }

    async fn start_at(options: Options, clock: impl Clock) -> Self {
        let rates = RateLimits::off();
        let limits = Limits { max_participants: 10_000, message_chars: 100_000, rates, ..Limits::default() };
        let chat = Chat::builder(MemoryStore::default()).limits(limits).clock(clock).build();
        Self::with(chat, JwtAuthenticator::hs256(SECRET).unwrap(), options).await
    }

    async fn start_with(limits: Limits, options: Options) -> Self {
        let chat = Chat::builder(MemoryStore::default()).limits(limits).build();
        Self::with(chat, JwtAuthenticator::hs256(SECRET).unwrap(), options).await
    }

    async fn with(chat: Chat, authenticator: impl Authenticator, options: Options) -> Self {
        let frontend = ChatFrontend::with_options(chat.clone(), authenticator, options);
        Self::serving(chat, frontend).await
    }

    async fn serving(chat: Chat, frontend: ChatFrontend) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, sockets) = (listener.local_addr().unwrap(), frontend.sockets().clone());
        let app = frontend.mount(Route::new());
        tokio::spawn(
            async move { frontend.serve(listener, app, ServeOptions::default(), std::future::pending()).await },
        );
        Self { chat, sockets, address }
    }

    /// A public session of alice.
    async fn session(&self) -> SessionId {
        let new = CreateSession {
            session_type: SessionType::Public,
            max_participants: Some(10_000),
            ..CreateSession::titled("t")
        };
        self.chat.create_session(&user("alice"), new).await.unwrap().summary.session.id
    }

    async fn say(&self, id: SessionId, text: &str) {
        self.chat.send(&user("alice"), id, SendMessage::text(text)).await.unwrap();
    }

    async fn connect(&self, query: &str) -> Client {
        let socket = TcpSocket::new_v4().unwrap();
        // A small window, so that what is not read soon waits at the server.
        socket.set_recv_buffer_size(16 << 10).unwrap();
        let stream = socket.connect(self.address).await.unwrap();
        let request = format!("ws://{}/ws?{query}", self.address).into_client_request().unwrap();
        Client(in_time(client_async(request, stream)).await.unwrap().0)
    }

    /// A socket of a user who is in the session, subscribed to it.
    async fn reader(&self, name: &str, id: SessionId) -> Client {
        let _ = self.chat.join(&user(name), id).await;
        let mut client = self.connect(&format!("token={}", token(name, PATIENCE * 10))).await;
        client.ask(json!({ "event": "join_session", "id": 1, "data": { "session_id": id } })).await;
        client
    }
}

struct Client(WebSocketStream<TcpStream>);

impl Client {
    async fn send(&mut self, frame: &Value) {
        self.0.send(Message::text(frame.to_string())).await.unwrap();
    }

    /// Sends a command that is acknowledged before anything else comes.
    async fn ask(&mut self, frame: Value) -> Value {
        self.send(&frame).await;
        let answer = self.next().await;
        assert_eq!((&answer["event"], &answer["id"]), (&json!("ack"), &frame["id"]), "{answer}");
        answer
    }

    /// The next frame, or how the server closed the socket.
    async fn next_or_close(&mut self) -> Result<Value, Option<CloseFrame>> {
        // Pings come for ever.
        in_time(async {
            loop {
                match self.0.next().await {
                    Some(Ok(Message::Text(text))) => return Ok(serde_json::from_str(&text).unwrap()),
                    Some(Ok(Message::Close(frame))) => return Err(frame),
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                    Some(Ok(Message::Binary(_) | Message::Frame(_))) => panic!("the server sends text"),
                    Some(Err(_)) | None => return Err(None),
                }
            }
        })
        .await
    }

    async fn next(&mut self) -> Value {
        self.next_or_close().await.unwrap()
    }

    /// Expects the events at these positions, and nothing between.
    async fn expect(&mut self, seqs: impl IntoIterator<Item = u64>) {
        for seq in seqs {
            let frame = self.next().await;
            assert_eq!(frame["seq"], seq, "{frame}");
        }
    }

    /// Asserts that nothing came before the answer to a command that is sent now.
    async fn silent(&mut self, id: SessionId) {
        self.ask(json!({ "event": "leave_session", "id": "silent", "data": { "session_id": id } })).await;
    }
}
