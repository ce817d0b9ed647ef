//! Presence by connections: who is connected by any transport is there for the others, and who is cut off is not.

use std::time::Duration;

use chatcore::{
    Limits, Principal,
    chat::{Delivery, Subscription},
    model::{PresenceState, PresenceStatus, SessionId, Signal, UserId},
};
use chatcore_poem::Options;
use chatcore_tests::{Backend, Events, Graphql, GraphqlEvents, GraphqlSocket, Server, Socket, crowded, patient, token};
use futures_util::StreamExt as _;
use serde_json::json;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(60);

const EVENTS: &str = "subscription($id: ID!) { sessionEvents(sessionId: $id) { __typename } }";

/// A connection, on a transport.
enum Connection {
    Socket(Box<Socket>),
    Events(Box<Events>),
    GraphqlSocket(Box<GraphqlSocket>),
    GraphqlEvents(Box<GraphqlEvents>),
}

const TRANSPORTS: [&str; 4] = ["WebSocket", "event stream", "GraphQL socket", "GraphQL event stream"];

impl Connection {
    async fn open(transport: &str, server: &Server, session: &str) -> Self {
        let (address, token, variables) = (&*server.address, token("b"), json!({ "id": session }));
        match transport {
            "WebSocket" => Self::Socket(Socket::open(address, "", Some(&token)).await.into()),
            "event stream" => {
                let client = server.stranger().with_token(token);
                Self::Events(Events::open(client.stream_of(session, "")).await.unwrap().into())
            }
            "GraphQL socket" => {
                let mut socket = GraphqlSocket::admitted(address, &token).await;
                socket.subscribe("one", EVENTS, variables).await;
                socket.next("one").await;
                Self::GraphqlSocket(socket.into())
            }
            _ => {
                let stream = Graphql::new(address, Some(token)).stream(EVENTS, variables);
                let mut events = GraphqlEvents::open(stream).await.unwrap_or_else(|answer| panic!("{answer:?}"));
                events.next().await.unwrap();
                Self::GraphqlEvents(events.into())
            }
        }
    }

    /// Cuts it without a word.
    fn cut(self) {
        match self {
            Self::Socket(socket) => socket.cut(),
            Self::Events(events) => drop(events),
            Self::GraphqlSocket(socket) => socket.cut(),
            Self::GraphqlEvents(events) => drop(events),
        }
    }
}

async fn told(heard: &mut Subscription, status: PresenceStatus, transport: &str) -> PresenceState {
    let next = timeout(PATIENCE, heard.next()).await;
    let next = next.unwrap_or_else(|_| panic!("nobody tells that b is {status:?} by {transport}"));
    let Delivery::Signal(view) = next.unwrap().unwrap() else { panic!("no signal by {transport}") };
    let Signal::Presence { user_id, state, .. } = &view.signal else { panic!("{:?}", view.signal) };
    assert_eq!((user_id.as_str(), state.status), ("b", status), "by {transport}");
    state.clone()
}

/// A server with a session of `a` and `b`, and what `a` hears of presence in it.
struct World {
    server: Server,
    session: String,
    reader: Principal,
    heard: Subscription,
}

impl World {
    async fn new(options: Options) -> Self {
        let limits = Limits { presence_linger: Duration::from_millis(1), ..crowded() };
        let server = Server::start_with(Backend::Memory, limits, options).await;
        let (a, b) = (server.client("a").await, server.client("b").await);
        let session = a.session("PUBLIC").await;
        b.post(&format!("/sessions/{session}/join"), json!({})).await.expect(200);
        let reader = Principal::new(UserId::new("a").unwrap());
        let id: SessionId = session.parse().unwrap();
        let mut heard = server.chat.subscribe(&reader, id, None).await.unwrap();
        heard.show_presence().await;
        Self { server, session, reader, heard }
    }

    /// Opens a connection of `b`, and returns it with the state of `b` in the next signal. The reader listens meanwhile: of two waiting signals, only the later one is
    /// delivered.
    async fn connected(&mut self, transport: &str) -> (Connection, PresenceState) {
        let Self { server, session, heard, reader: _ } = self;
        tokio::join!(Connection::open(transport, server, session), told(heard, PresenceStatus::Online, transport))
    }

    /// What is told of `b` next, which must be this.
    async fn expect(&mut self, status: PresenceStatus, transport: &str) -> PresenceState {
        told(&mut self.heard, status, transport).await
    }

    /// Shows that a list says so, too.
    async fn listed(&self, status: PresenceStatus, transport: &str) {
        let user = UserId::new("b").unwrap();
        let listed = self.server.chat.presence_of(&self.reader, &[user]).await.unwrap();
        assert_eq!(listed[0].state.status, status, "by {transport}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_connected_is_online_and_who_is_cut_off_is_offline() {
    // Nobody is asked for a sign of life, so only the end of the connection tells. A stream notices it when it writes.
    let mut world = World::new(Options { heartbeat: Duration::from_millis(100), ..patient() }).await;
    for transport in TRANSPORTS {
        let (connection, online) = world.connected(transport).await;
        assert_eq!(online.last_seen, None);
        world.listed(PresenceStatus::Online, transport).await;
        connection.cut();
        let offline = world.expect(PresenceStatus::Offline, transport).await;
        assert!(offline.last_seen.is_some(), "{offline:?} by {transport}");
        world.listed(PresenceStatus::Offline, transport).await;
    }
}

/// The connection is still there, and nobody answers at its other end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whose_machine_says_nothing_any_more_is_offline() {
    // Longer than the interval of presence signals. In a shorter time, the signal for online would be replaced by the signal for offline.
    let (ping_interval, pong_time) = (Duration::from_secs(2), Duration::from_secs(2));
    let mut world = World::new(Options { ping_interval, pong_time, ..patient() }).await;
    for transport in ["WebSocket", "GraphQL socket"] {
        // A client that is not polled answers no ping.
        let (connection, _) = world.connected(transport).await;
        world.expect(PresenceStatus::Offline, transport).await;
        connection.cut();
    }
}
