//! How often callers may ask: the headers of every answer, and 429 in its place.
#![allow(missing_docs, reason = "tests")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail by panicking")]

use std::time::Duration;

use chatcore::{Chat, JwtAuthenticator, JwtIssuer, Limits, MemoryStore, Rate, RateLimits, TestClock, identity::Claims};
use chatcore_poem::{ChatFrontend, Options, Origins};
use chrono::TimeDelta;
use poem::{
    Body, Endpoint, EndpointExt as _, Request, RequestParts, Response, Route,
    endpoint::make_sync,
    get,
    http::{Method, request, uri::Scheme},
    web::{LocalAddr, RemoteAddr},
};
use serde_json::Value;

const SECRET: &[u8] = &[7; 32];
const SESSIONS: &str = "/api/v1/chat/sessions";
const PAGE: (&str, &str) = ("Origin", "https://chat.example");

/// A rate of so many, of which one comes back after each ten seconds.
fn slow(number: u32) -> Option<Rate> {
    Some(Rate::new(number, Duration::from_secs(10)))
}

struct App<E> {
    app: E,
    clock: TestClock,
}

/// An app that has a path of its own beside the frontend's, with these rates.
fn app(rates: RateLimits) -> App<impl Endpoint<Output = Response>> {
    let clock = TestClock::default();
    let limits = Limits { rates, ..Limits::default() };
    let chat = Chat::builder(MemoryStore::new()).clock(clock.clone()).limits(limits).build();
    let authenticator = JwtAuthenticator::hs256(SECRET).unwrap().clock(clock.clone());
    let options = Options { origins: Origins::Any, ..Options::default() };
    let frontend = ChatFrontend::with_options(chat, authenticator, options);
    let app = frontend.mount(Route::new().at("/own", get(make_sync(|_| "own")))).with(frontend.problems());
    App { app, clock }
}

fn bearer(user: &str, clock: &TestClock) -> String {
    let claims = Claims { sub: user.to_owned(), ..Claims::default() };
    let issuer = JwtIssuer::hs256(SECRET).unwrap().clock(clock.clone());
    format!("Bearer {}", issuer.issue(claims, Duration::from_secs(36_000)).unwrap())
}

/// The headers of the limit: the limit, the remaining requests, and the seconds until all requests are available again.
type Told = Option<(u64, u64, i64)>;

impl<E: Endpoint<Output = Response>> App<E> {
    /// The status, what is left, and the answer.
    async fn ask(&self, method: Method, path: &str, headers: &[(&str, &str)], body: &str) -> (u16, Told, Response) {
        self.ask_from("192.0.2.1:1", method, path, headers, body).await
    }

    async fn ask_from(
        &self,
        peer: &str,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> (u16, Told, Response) {
        let mut request = request::Builder::new().method(method).uri(path).header("Host", "api.example");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let peer: std::net::SocketAddr = peer.parse().unwrap();
        let parts = (parts, LocalAddr::default(), RemoteAddr(peer.into()), Scheme::HTTP);
        let request = Request::from_parts(RequestParts::from(parts), Body::from(body.to_owned()));
        let response = self.app.get_response(request).await;
        let number =
            |name: &str| response.headers().get(name).map(|value| value.to_str().unwrap().parse::<u64>().unwrap());
        let names = ["x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"];
        let told = match names.map(number) {
            [Some(limit), Some(remaining), Some(reset)] => {
                let now = chatcore::Clock::now(&self.clock).timestamp();
                Some((limit, remaining, i64::try_from(reset).unwrap() - now))
            }
            [None, None, None] => None,
            some => panic!("{some:?}"),
        };
        (response.status().as_u16(), told, response)
    }
}

async fn problem(response: Response) -> Value {
    serde_json::from_str(&response.into_body().into_string().await.unwrap()).unwrap()
}

#[tokio::test]
async fn every_answer_tells_what_is_left() {
    let app = app(RateLimits { requests: slow(8), unknown: slow(10), ..RateLimits::off() });
    let alice = bearer("alice", &app.clock);
    let (alice, json) = (("Authorization", alice.as_str()), ("Content-Type", "application/json"));
    let never = format!("{SESSIONS}/00000000-0000-7000-8000-000000000000");
    type Case<'a> = (Method, &'a str, &'a [(&'a str, &'a str)], &'a str, u16, (u64, u64, i64));
    let cases: [Case<'_>; 13] = [
        (Method::POST, SESSIONS, &[alice, json], r#"{"title": "t"}"#, 201, (8, 7, 10)),
        (Method::GET, SESSIONS, &[alice], "", 200, (8, 6, 20)),
        (Method::GET, &never, &[alice], "", 404, (8, 5, 30)),
        // What is no use case is a request all the same.
        (Method::POST, SESSIONS, &[alice, json], "{", 400, (8, 4, 40)),
        (Method::POST, SESSIONS, &[alice, json], "{}", 422, (8, 3, 50)),
        (Method::POST, SESSIONS, &[alice], "{}", 415, (8, 2, 60)),
        (Method::GET, "/api/chat/sessions", &[alice], "", 200, (8, 1, 70)),
        (Method::GET, SESSIONS, &[], "", 401, (10, 9, 10)),
        (Method::GET, SESSIONS, &[("Authorization", "Bearer x")], "", 401, (10, 8, 20)),
        (Method::GET, "/api/v1/chat/nowhere", &[alice], "", 404, (10, 7, 30)),
        (Method::GET, "/ws", &[], "", 426, (10, 6, 40)),
        // What is the app's own, or a document, costs nothing.
        (Method::GET, "/openapi.json", &[], "", 200, (10, 6, 40)),
        (Method::GET, "/own", &[], "", 200, (10, 6, 40)),
    ];
    for (method, path, headers, body, status, told) in cases {
        let headers: Vec<_> = headers.iter().copied().chain([PAGE]).collect();
        let (answered, left, response) = app.ask(method.clone(), path, &headers, body).await;
        assert_eq!((answered, left), (status, Some(told)), "{method} {path}");
        let exposed = response.headers()["access-control-expose-headers"].to_str().unwrap();
        assert!(["Limit", "Remaining", "Reset"].iter().all(|name| exposed.contains(&format!("X-RateLimit-{name}"))));
    }
    // Nor does the question what may be asked, whose answer no page reads.
    let question = [PAGE, ("Access-Control-Request-Method", "GET")];
    let (status, left, _) = app.ask(Method::OPTIONS, SESSIONS, &question, "").await;
    assert_eq!((status, left), (204, None));
    assert_eq!(app.ask(Method::GET, "/own", &[], "").await.1, Some((10, 6, 40)));
}

#[tokio::test]
async fn one_too_many_is_429_before_its_body_is_read_and_concerns_nobody_else() {
    let app = app(RateLimits { requests: slow(2), ..RateLimits::off() });
    let (alice, bob) = (bearer("alice", &app.clock), bearer("bob", &app.clock));
    let (alice, bob) = (("Authorization", alice.as_str()), ("Authorization", bob.as_str()));
    for status in [200, 200, 429, 429] {
        assert_eq!(app.ask(Method::GET, SESSIONS, &[alice], "").await.0, status);
    }
    // A body that cannot be read would be 415.
    let (status, left, response) = app.ask(Method::POST, SESSIONS, &[alice], "{").await;
    assert_eq!((status, left), (429, Some((2, 0, 20))));
    assert_eq!(response.headers()["retry-after"], "10");
    assert_eq!(response.content_type(), Some("application/problem+json"));
    let problem = problem(response).await;
    assert_eq!((&problem["code"], &problem["details"]["retry_after"]), (&"RATE_LIMIT_EXCEEDED".into(), &10.into()));
    assert_eq!(app.ask(Method::GET, SESSIONS, &[bob], "").await.0, 200);
    app.clock.advance(TimeDelta::seconds(10));
    assert_eq!(app.ask(Method::GET, SESSIONS, &[alice], "").await.0, 200);
    assert_eq!(app.ask(Method::GET, SESSIONS, &[alice], "").await.0, 429);
}

#[tokio::test]
async fn callers_without_a_token_are_counted_by_their_addresses() {
    let app = app(RateLimits { unknown: slow(2), ..RateLimits::off() });
    let alice = bearer("alice", &app.clock);
    let ask = async |peer, path, headers: &[(&str, &str)]| app.ask_from(peer, Method::GET, path, headers, "").await.0;
    let nowhere = "/api/v1/chat/nowhere";
    for (status, path) in
        [(401, SESSIONS), (404, nowhere), (429, SESSIONS), (429, nowhere), (429, "/ws"), (200, "/openapi.json")]
    {
        assert_eq!(ask("192.0.2.1:1", path, &[]).await, status, "{path}");
    }
    assert_eq!(ask("192.0.2.1:2", SESSIONS, &[("Authorization", "Bearer x")]).await, 429);
    assert_eq!(ask("192.0.2.1:2", SESSIONS, &[("Authorization", &alice)]).await, 200);
    assert_eq!(ask("192.0.2.1:2", "/own", &[]).await, 200);
    assert_eq!(ask("192.0.2.2:1", SESSIONS, &[]).await, 401);
}

#[tokio::test]
async fn without_limits_no_answer_tells_of_any() {
    let app = app(RateLimits::off());
    let alice = bearer("alice", &app.clock);
    let (status, left, _) = app.ask(Method::GET, SESSIONS, &[("Authorization", &alice)], "").await;
    assert_eq!((status, left), (200, None));
}
