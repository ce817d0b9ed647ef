//! REST and WebSocket frontend of [`chatcore`] for [poem](https://docs.rs/poem).
//!
//! ```no_run
//! # async fn example(chat: chatcore::Chat, authenticator: chatcore::JwtAuthenticator) -> std::io::Result<()> {
//! use chatcore_poem::{ChatFrontend, ServeOptions};
//!
//! let frontend = ChatFrontend::new(chat, authenticator);
//! let app = frontend.mount(poem::Route::new().at("/hello", poem::get(hello)));
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:8000").await?;
//! frontend.serve(listener, app, ServeOptions::default(), std::future::pending()).await
//! # }
//! # #[poem::handler]
//! # fn hello() -> &'static str { "hello" }
//! ```
//!
//! The frontend adds only these paths to an app:
//!
//! | path | what |
//! |---|---|
//! | `/api/v1/chat/…` and `/api/chat/…` | the REST operations, the same below both |
//! | `/ws` | the WebSocket |
//! | `/api/v1/auth/…` and `/api/v1/users/…` | registration, logins and users, with `ChatFrontend::with_accounts` (feature `accounts`) |
//! | `/api/v1/admin/…` | administration of the system, with [`ChatFrontend::with_admin`] |
//! | `/api/v1/chat/sessions/…/webhooks` | webhooks, with `ChatFrontend::with_webhooks` (feature `webhooks`) |
//! | `/api/v1/admin/webhooks` | webhooks of the server, with both |
//! | `/health`, `/ready` | whether the process lives, and whether it can serve, with [`ChatFrontend::with_health`] |
//! | `/openapi.json`, `/docs` | the OpenAPI document, and Swagger UI over it |
//!
//! [`MountOptions`] set other paths, for example for an app that already has these paths. The app may be nested below a prefix.
//!
//! A host that authenticates its users itself puts a [`Principal`](chatcore::Principal) into the request's extensions, in a middleware
//! around the app. The frontend uses this caller for every REST operation, event stream and WebSocket, and reads no token.
//! [`NoTokens`](chatcore::identity::NoTokens) is the authenticator of a host that has no tokens at all. A host that authenticates its users
//! by a cookie must refuse requests of foreign pages, since browsers send cookies automatically.
//!
//! Pages of the origins in [`Options::origins`] may use all paths: every answer, also an error, has the headers of the Fetch standard's
//! CORS protocol. The caller is the user of the bearer token, so CORS does not allow credentials of the browser (cookies): a page calls
//! `fetch` and `EventSource` without credentials. [`Options::cors`] disables these headers for a host with its own CORS.
//!
//! An operation without a body refuses a body with content (422). An empty body and `{}` pass.
//!
//! Every answer has the headers `X-RateLimit-Limit`, `-Remaining` and `-Reset` with the caller's allowance under the chat's limits
//! ([`RateLimits`](chatcore::RateLimits)): the burst of requests, the remaining requests, and the second since the Unix epoch at which the
//! full burst is available again. A request beyond the limit gets 429 with `Retry-After`.
//!
//! Every error is a problem document (RFC 9457) with a stable `code`; [`frames`] describes the frames of the WebSocket, [`events`]
//! describes events over plain HTTP.

#[cfg(feature = "accounts")]
mod accounts;
mod admin;
mod document;
mod extract;
mod frame;
mod health;
mod hook;
#[cfg(feature = "metrics")]
mod measured;
mod mount;
mod problem;
mod reply;
mod rest;
mod routes;
mod shape;
mod start;
mod state;
mod ws;

pub mod events {
    #![doc = include_str!("rest/events.md")]
}

pub mod frames {
    #![doc = include_str!("ws/frames.md")]
}

use std::{fmt, sync::Arc};

use chatcore::{Authenticator, Chat, identity::BotAuthenticator};
use chatcore_http::Author;
use poem::{Endpoint, EndpointExt, IntoEndpoint as _, endpoint::BoxEndpoint};
use poem_openapi::{OpenApi, OpenApiService};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub use chatcore_http::{
    ClientAddress, ClientIp, Compression, InvalidOrigin, InvalidProxy, Options, Origins, ServeOptions, Sockets,
    TrustedProxies, serve,
};
#[cfg(feature = "tls")]
pub use chatcore_http::{Tls, TlsError};
pub use health::Health;
pub use mount::{MountError, MountOptions};
pub use problem::{Problems, ProblemsEndpoint};
pub use start::StartPage;

use routes::Routes;
use state::State;

/// The title of the OpenAPI document by default.
const TITLE: &str = "chatcore";

/// The server of the operations that are not about the chat, in the OpenAPI document.
const SERVER: &str = "/api/v1";

/// The bases below which the REST operations answer.
const BASES: [&str; 2] = ["/api/v1/chat", "/api/chat"];

/// REST and WebSocket over one chat.
pub struct ChatFrontend {
    state: Arc<State>,
    document: serde_json::Value,
    routes: Arc<Routes>,
    health: Option<Health>,
    #[cfg(feature = "metrics")]
    requests: chatcore::metrics::Requests,
    #[cfg(feature = "accounts")]
    accounts: Option<chatcore::Accounts>,
    admin: Option<chatcore::Administration>,
    #[cfg(feature = "webhooks")]
    webhooks: Option<chatcore::Webhooks>,
}

impl fmt::Debug for ChatFrontend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChatFrontend").field("sockets", &self.state.sockets).finish_non_exhaustive()
    }
}

impl ChatFrontend {
    /// A frontend with default options.
    pub fn new(chat: Chat, authenticator: impl Authenticator) -> Self {
        Self::with_options(chat, authenticator, Options::default())
    }

    /// A frontend.
    pub fn with_options(chat: Chat, authenticator: impl Authenticator, options: Options) -> Self {
        Self::with_sockets(chat, authenticator, Sockets::new(options))
    }

    /// A frontend that shares its WebSockets' registry, and with it the options, with another frontend.
    pub fn with_sockets(chat: Chat, authenticator: impl Authenticator, sockets: Sockets) -> Self {
        sockets.fit(chat.limits());
        let state = State {
            authenticator: Arc::new(BotAuthenticator::new(chat.clone(), authenticator)),
            chat,
            sockets,
            shows_notices: false,
            #[cfg(feature = "metrics")]
            frames: measured::frames(),
        };
        Self {
            state: Arc::new(state),
            document: serde_json::Value::Null,
            routes: Arc::default(),
            health: None,
            #[cfg(feature = "metrics")]
            requests: measured::requests(&serde_json::Value::Null),
            #[cfg(feature = "accounts")]
            accounts: None,
            admin: None,
            #[cfg(feature = "webhooks")]
            webhooks: None,
        }
        .documented()
    }

    /// Adds webhooks: the operations below `/api/v1/chat/sessions/…/webhooks`, also in the OpenAPI document. Without webhooks these paths
    /// do not exist. With the administration, the operations on webhooks of the server are below `/api/v1/admin/webhooks`. The webhooks
    /// must be of the same chat. The host starts the deliveries of the webhooks.
    #[cfg(feature = "webhooks")]
    #[must_use]
    pub fn with_webhooks(self, webhooks: chatcore::Webhooks) -> Self {
        Self { webhooks: Some(webhooks), ..self }.documented()
    }

    /// The description of the operations on the chat, and what carries them out.
    fn chat_operations(&self) -> (String, BoxEndpoint<'static>) {
        let operations = rest::all(&self.state.chat, &self.state.sockets);
        #[cfg(feature = "webhooks")]
        if let Some(webhooks) = &self.webhooks {
            return described(service((operations, rest::Hooks(webhooks.clone()))));
        }
        described(service(operations))
    }

    /// The same with the document and the routes of all its operations.
    fn documented(mut self) -> Self {
        let document = serde_json::from_str(&self.chat_operations().0).unwrap_or_default();
        let mut routes = Routes::default();
        routes.add(&document, &BASES);
        #[cfg(feature = "accounts")]
        let document = match &self.accounts {
            Some(accounts) => accounts::documented(document, &mut routes, accounts),
            None => document,
        };
        let document = document::finished(self.with_administration(document, &mut routes));
        let document = self.health.iter().fold(document, document::with_health);
        #[cfg(feature = "metrics")]
        {
            self.requests = measured::requests(&document);
        }
        (self.document, self.routes) = (document, Arc::new(routes));
        self
    }

    /// The OpenAPI document of an app with the frontend at its root. The served document names its servers relative to the document itself,
    /// so that the document is correct at any place of the app.
    #[must_use]
    pub const fn openapi(&self) -> &serde_json::Value {
        &self.document
    }

    /// The middleware of these paths. An app that wants the same errors everywhere puts all of its paths behind this middleware.
    #[must_use]
    pub fn problems(&self) -> Problems {
        Problems { counts_strangers: false, author: Author::Host, ..self.problems_below("") }
    }

    /// Ends all WebSockets with close code 1001, and all event streams, and waits for at most a few seconds until the connections are
    /// closed. The frontend refuses new connections from then on.
    pub async fn close_sockets(&self) {
        self.state.sockets.close().await;
    }

    /// Serves an app in which this frontend is mounted until `stop` is done. Then ends the WebSockets, and lets running requests continue
    /// for the grace period.
    ///
    /// # Errors
    /// None at the moment: the server logs a failed accept, and retries.
    pub async fn serve(
        &self,
        listener: TcpListener,
        app: impl Endpoint + 'static,
        options: ServeOptions,
        stop: impl Future<Output = ()>,
    ) -> std::io::Result<()> {
        let stopping = CancellationToken::new();
        let stop = async {
            stop.await;
            stopping.cancel();
        };
        let sockets = async {
            stopping.cancelled().await;
            self.close_sockets().await;
        };
        tokio::join!(serve(listener, app, options, stop), sockets).0
    }

    /// The registry of the WebSockets and event streams, for another frontend of the same server to share.
    #[must_use]
    pub fn sockets(&self) -> &Sockets {
        &self.state.sockets
    }

    /// The number of open WebSockets and event streams.
    #[must_use]
    pub fn open_sockets(&self) -> usize {
        self.state.sockets.open()
    }

    /// The middleware before an endpoint from whose paths this base is stripped.
    fn problems_below(&self, base: &'static str) -> Problems {
        let (routes, sockets, chat) = (Arc::clone(&self.routes), self.state.sockets.clone(), self.state.chat.clone());
        Problems {
            routes,
            base,
            sockets,
            chat,
            #[cfg(feature = "metrics")]
            requests: self.requests.clone(),
            counts_strangers: true,
            author: Author::Frontend,
            name: None,
            is_routine: false,
        }
    }

    fn wrap<E: Endpoint + 'static>(&self, base: &'static str, endpoint: E) -> impl Endpoint + 'static {
        endpoint.data(Arc::clone(&self.state)).with(self.problems_below(base))
    }
}

/// The WebSocket frame of an event; public for its bench.
#[doc(hidden)]
#[must_use]
pub fn encode_event(view: &chatcore::chat::EventView) -> String {
    serde_json::to_string(view).unwrap_or_default()
}

/// Operations on the chat.
fn service<A: OpenApi>(operations: A) -> OpenApiService<A, ()> {
    let description = "Real-time, multi-user chat. Every error is a problem document (RFC 9457) with a stable `code`. \
        The same operations answer below both servers. Live events come over the WebSocket at `/ws`, or below each \
        session's `/events`.";
    let [v1, plain] = BASES;
    OpenApiService::new(operations, TITLE, env!("CARGO_PKG_VERSION")).description(description).server(v1).server(plain)
}

fn described<A: OpenApi + 'static>(service: OpenApiService<A, ()>) -> (String, BoxEndpoint<'static>) {
    (service.spec(), service.into_endpoint().map_to_response().boxed())
}

/// Operations beside those on the chat.
fn separate<A: OpenApi>(operations: A) -> OpenApiService<A, ()> {
    OpenApiService::new(operations, TITLE, env!("CARGO_PKG_VERSION"))
}
