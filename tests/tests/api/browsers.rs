//! What a server tells browsers: which pages may read its answers, and what they may do with them. Over real HTTP, on every protocol.

use chatcore::{Limits, Rate, RateLimits};
use chatcore_poem::{Options, Origins};
use chatcore_tests::{Backend, Client, Reply, Server, crowded, patient, token};
use reqwest::{Method, header::HeaderMap};
use serde_json::json;

const PAGE: &str = "https://app.example";
const OTHER: &str = "https://app.example.evil.example";

fn listed() -> Options {
    Options { origins: Origins::Listed(vec![PAGE.to_owned()]), ..patient() }
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).map(|value| value.to_str().unwrap())
}

/// Whether caches are told that the answer is for one origin.
fn varies(headers: &HeaderMap) -> bool {
    headers.get_all("vary").iter().any(|names| names.to_str().unwrap().to_lowercase().contains("origin"))
}

/// An answer that a page of the list can read, and everything in it.
fn is_open(headers: &HeaderMap, what: &str) {
    assert_eq!(header(headers, "access-control-allow-origin"), Some(PAGE), "{what}");
    assert!(varies(headers), "{what}");
    let exposed = header(headers, "access-control-expose-headers").unwrap().to_lowercase();
    for name in [
        "x-request-id",
        "x-ratelimit-limit",
        "x-ratelimit-remaining",
        "x-ratelimit-reset",
        "link",
        "location",
        "retry-after",
        "www-authenticate",
    ] {
        assert!(exposed.split(", ").any(|exposed| exposed == name), "{what}: {name} is not in {exposed}");
    }
    // Who calls is said by a token, and never by what a browser sends by itself.
    assert_eq!(header(headers, "access-control-allow-credentials"), None, "{what}");
}

fn is_closed(headers: &HeaderMap, what: &str) {
    let is_cors = |name: &str| name.starts_with("access-control");
    assert!(!headers.keys().any(|name| is_cors(name.as_str())), "{what}: {headers:?}");
    assert!(varies(headers), "{what}");
}

async fn ask(client: &Client, method: Method, path: &str, origin: &str) -> Reply {
    client.send(client.request(method, path).header("origin", origin)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_a_listed_origin_read_every_answer_and_others_none() {
    let server = Server::start_with(Backend::Memory, crowded(), listed()).await;
    let (a, stranger) = (server.client("a").await, server.stranger());
    let id = a.session("PUBLIC").await;
    let graphql = "//graphql?query=%7Bme%7Bid%7D%7D";
    for (client, method, path, status) in [
        (&a, Method::GET, "/sessions".to_owned(), 200),
        (&a, Method::GET, format!("/sessions/{id}/messages"), 200),
        (&a, Method::GET, format!("/sessions/{id}/events"), 200),
        (&a, Method::GET, "/nowhere".to_owned(), 404),
        (&a, Method::PATCH, "/sessions".to_owned(), 405),
        (&a, Method::GET, "/sessions?x=1".to_owned(), 422),
        (&stranger, Method::GET, "/sessions".to_owned(), 401),
        (&stranger, Method::GET, "//openapi.json".to_owned(), 200),
        (&stranger, Method::GET, "//ws".to_owned(), 426),
        (&a, Method::GET, graphql.to_owned(), 200),
        (&stranger, Method::GET, graphql.to_owned(), 401),
    ] {
        for (origin, opens) in [(PAGE, true), (OTHER, false), ("null", false)] {
            let reply = ask(client, method.clone(), &path, origin).await;
            let what = format!("{method} {path} from {origin}");
            assert_eq!(reply.status, status, "{what}");
            if opens {
                is_open(&reply.headers, &what)
            } else {
                is_closed(&reply.headers, &what)
            }
            assert_eq!(header(&reply.headers, "x-content-type-options"), Some("nosniff"), "{what}");
            assert_eq!(header(&reply.headers, "referrer-policy"), Some("no-referrer"), "{what}");
            assert!(reply.headers.contains_key("x-request-id"), "{what}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn event_streams_are_read_by_listed_pages_and_kept_by_no_cache() {
    let server = Server::start_with(Backend::Memory, crowded(), listed()).await;
    let a = server.client("a").await;
    let id = a.session("PUBLIC").await;
    let subscription = format!("//graphql?query=subscription%7BsessionEvents(sessionId:%22{id}%22)%7B__typename%7D%7D");
    for path in [format!("/sessions/{id}/events"), subscription] {
        let request = a.request(Method::GET, &path).header("origin", PAGE).header("accept", "text/event-stream");
        let stream = request.send().await.unwrap();
        assert_eq!(header(stream.headers(), "content-type").unwrap().split(';').next(), Some("text/event-stream"));
        is_open(stream.headers(), &path);
        assert_eq!(header(stream.headers(), "cache-control"), Some("no-store"), "{path}");
        assert_eq!(header(stream.headers(), "x-content-type-options"), Some("nosniff"), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preflight_allows_what_clients_send() {
    let server = Server::start_with(Backend::Memory, crowded(), listed()).await;
    let client = server.stranger();
    let preflight = async |path: &str, origin: &str| {
        let request = client.request(Method::OPTIONS, path).header("origin", origin);
        let request = request.header("access-control-request-method", "DELETE");
        client.send(request.header("access-control-request-headers", "authorization,traceparent")).await
    };
    for path in ["/sessions", "/sessions/x/messages/y", "//graphql", "//openapi.json", "//nowhere"] {
        let allowed = preflight(path, PAGE).await;
        assert_eq!(
            (allowed.status, header(&allowed.headers, "access-control-allow-origin")),
            (204, Some(PAGE)),
            "{path}"
        );
        let methods = header(&allowed.headers, "access-control-allow-methods").unwrap();
        assert!(["GET", "POST", "PUT", "DELETE"].iter().all(|method| methods.contains(method)), "{path}: {methods}");
        let names = header(&allowed.headers, "access-control-allow-headers").unwrap().to_lowercase();
        for name in ["authorization", "content-type", "idempotency-key", "traceparent", "tracestate", "x-request-id"] {
            assert!(names.split(", ").any(|allowed| allowed == name), "{path}: {name}");
        }
        assert_eq!(header(&allowed.headers, "access-control-allow-credentials"), None, "{path}");
        assert_eq!(header(&allowed.headers, "x-content-type-options"), Some("nosniff"), "{path}");
        let refused = preflight(path, OTHER).await;
        is_closed(&refused.headers, path);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_of_too_many_requests_is_read_by_the_page_as_well() {
    let rate = Some(Rate::new(1, std::time::Duration::from_secs(3_600)));
    let limits = Limits { rates: RateLimits { requests: rate, ..RateLimits::off() }, ..Limits::default() };
    let server = Server::start_with(Backend::Memory, limits, listed()).await;
    let a = Client::new(&server.address, Some(token("a")));
    let path = "/sessions/public";
    assert_eq!(ask(&a, Method::GET, path, PAGE).await.status, 200);
    let refused = ask(&a, Method::GET, path, PAGE).await;
    assert_eq!(refused.status, 429);
    is_open(&refused.headers, "429");
    for name in ["retry-after", "x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"] {
        assert!(refused.headers.contains_key(name), "{name}");
    }
    assert_eq!(header(&refused.headers, "cache-control"), Some("no-store"));
    // A body that is too large is refused before it is read, also for a page.
    let b = Client::new(&server.address, Some(token("b")));
    let large = json!({ "title": "x".repeat(2_000_000) });
    let large = b.send(b.request(Method::POST, "/sessions").header("origin", PAGE).json(&large)).await;
    assert_eq!(large.status, 413);
    is_open(&large.headers, "413");
}
