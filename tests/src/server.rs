//! A server in this process.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use chatcore::{Chat, ChatStore, JwtAuthenticator, JwtIssuer, Limits, MemoryStore, RateLimits, identity::Claims};
use chatcore_graphql::{GraphqlFrontend, SchemaOptions, WireOptions, schema};
use chatcore_poem::{ChatFrontend, Options, ServeOptions, Sockets};
use chatcore_surreal::SurrealStore;
use poem::{EndpointExt as _, Route};
use tempfile::TempDir;
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::{Client, Graphql, GraphqlSocket, Socket};

/// What the servers of these tests sign with.
pub const SECRET: &[u8] = b"a secret for tests, long enough for HS256";

/// Where a server keeps its data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    /// In the in-memory store.
    Memory,
    /// In SurrealDB in memory.
    SurrealMemory,
    /// In SurrealDB on disk, in a folder that goes with the server.
    SurrealDisk,
}

impl Backend {
    /// A new store, with the folder that it is in and that goes when dropped.
    pub async fn open(self) -> (Arc<dyn ChatStore>, Option<TempDir>) {
        match self {
            Self::Memory => (Arc::new(MemoryStore::new()), None),
            Self::SurrealMemory => (Arc::new(SurrealStore::connect("mem://").await.unwrap()), None),
            Self::SurrealDisk => {
                let folder = tempfile::tempdir().unwrap();
                let url = format!("surrealkv://{}?sync=every", folder.path().join("db").display());
                (Arc::new(SurrealStore::connect(&url).await.unwrap()), Some(folder))
            }
        }
    }
}

/// Options with which nobody is closed for having read or said nothing while a test takes its time.
#[must_use]
pub fn patient() -> Options {
    let long = Duration::from_secs(3_600);
    Options { ping_interval: long, authentication_time: long, ..Options::default() }
}

/// Limits without those on adding users and on requests, for tests that make many rooms with the same people and ask much.
#[must_use]
pub fn crowded() -> Limits {
    let rates = RateLimits::off();
    // A room waits for its next attempt for as long as the other attempts take.
    let (streamed_idle, streamed_time) = (Duration::from_secs(86_400), Duration::from_secs(86_400));
    let limits = Limits { adds_per_inviter: None, adds_per_invited: None, adds_per_pair: None, ..Limits::default() };
    Limits { rates, streamed_idle, streamed_time, ..limits }
}

/// A running server; it stops when dropped.
pub struct Server {
    /// `127.0.0.1:port`.
    pub address: String,
    /// The chat that it serves.
    pub chat: Chat,
    /// What the chat keeps everything in, where the server opened it.
    store: Option<Arc<dyn ChatStore>>,
    /// What all clients share: a client has the server's OpenAPI document read once.
    client: Client,
    known: Mutex<HashSet<String>>,
    frontend: Arc<ChatFrontend>,
    stopping: CancellationToken,
    task: Option<JoinHandle<()>>,
    _folder: Option<TempDir>,
}

impl Server {
    /// One with everything by default, but patient and without limits on adding users.
    pub async fn start(backend: Backend) -> Self {
        Self::start_with(backend, crowded(), patient()).await
    }

    /// One with these limits, and without limits on requests where those are the default ones: tests ask much at once.
    pub async fn start_with(backend: Backend, mut limits: Limits, options: Options) -> Self {
        let (store, folder) = backend.open().await;
        if limits.rates == RateLimits::default() {
            limits.rates = RateLimits::off();
        }
        let chat = Chat::builder(Arc::clone(&store)).limits(limits).build();
        let mut server = Self::serve(chat, options, folder).await;
        server.store = Some(store);
        server
    }

    /// One over a chat of the test's own, with the chat's limits.
    pub async fn over(chat: Chat) -> Self {
        Self::over_with(chat, Options::default()).await
    }

    /// The same with these options.
    pub async fn over_with(chat: Chat, options: Options) -> Self {
        Self::serve(chat, options, None).await
    }

    async fn serve(chat: Chat, options: Options, folder: Option<TempDir>) -> Self {
        let authenticator = Arc::new(JwtAuthenticator::hs256(SECRET).unwrap());
        let sockets = Sockets::new(options);
        let frontend = Arc::new(ChatFrontend::with_sockets(chat.clone(), Arc::clone(&authenticator), sockets.clone()));
        let graphql = GraphqlFrontend::new(
            schema(chat.clone(), SchemaOptions::default()),
            authenticator,
            sockets,
            WireOptions::default(),
        );
        let app = graphql.mount(frontend.mount(Route::new())).with(frontend.problems());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let stopping = CancellationToken::new();
        let (stop, serving) = (stopping.clone(), Arc::clone(&frontend));
        let task = tokio::spawn(async move {
            let options = ServeOptions { grace: Duration::from_secs(1), ..ServeOptions::default() };
            serving.serve(listener, app, options, stop.cancelled_owned()).await.unwrap();
        });
        let (client, known) = (Client::new(&address, None), Mutex::default());
        Self { address, chat, store: None, client, known, frontend, stopping, task: Some(task), _folder: folder }
    }

    /// A client of this server for a user, who is thereby known to it.
    pub async fn client(&self, user: &str) -> Client {
        let client = self.client.with_token(token(user));
        if self.known.lock().unwrap().insert(user.to_owned()) {
            client.get("/sessions").await.expect(200);
        }
        client
    }

    /// What a server that opened its store itself keeps everything in.
    pub fn store(&self) -> &dyn ChatStore {
        &**self.store.as_ref().expect("a server over a chat of the test's own")
    }

    /// A client without a token.
    pub fn stranger(&self) -> Client {
        self.client.without_token()
    }

    /// A socket of a user, authenticated by header.
    pub async fn socket(&self, user: &str) -> Socket {
        Socket::open(&self.address, "", Some(&token(user))).await
    }

    /// A client of a user for GraphQL over HTTP.
    pub fn graphql(&self, user: &str) -> Graphql {
        Graphql::new(&self.address, Some(token(user)))
    }

    /// A socket of a user for GraphQL.
    pub async fn graphql_socket(&self, user: &str) -> GraphqlSocket {
        GraphqlSocket::admitted(&self.address, &token(user)).await
    }

    /// How many WebSockets and event streams it has open.
    pub fn open_sockets(&self) -> usize {
        self.frontend.open_sockets()
    }

    /// Stops it and waits for its end.
    pub async fn stop(&mut self) {
        self.stopping.cancel();
        if let Some(task) = self.task.take() {
            task.await.unwrap();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stopping.cancel();
    }
}

/// A token for a user, good for an hour.
pub fn token(user: &str) -> String {
    token_with(Claims { sub: user.to_owned(), name: Some(format!("Name of {user}")), ..Claims::default() }, 3600)
}

/// A token with these claims, good for so many seconds.
pub fn token_with(claims: Claims, seconds: u64) -> String {
    JwtIssuer::hs256(SECRET).unwrap().issue(claims, Duration::from_secs(seconds)).unwrap()
}
