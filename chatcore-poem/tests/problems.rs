//! The frontend within an app: its middleware before other endpoints, its paths beside the app's own, and what it tells web
//! pages.
#![allow(missing_docs, reason = "tests")]
#![allow(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use chatcore::{Chat, JwtAuthenticator, JwtIssuer, identity::Claims};
use chatcore_poem::{ChatFrontend, MountOptions, Options, Origins};
use poem::{
    Endpoint, EndpointExt as _, Middleware as _, Request, Response, Route,
    endpoint::make_sync,
    get,
    http::{Method, StatusCode},
};
use serde_json::Value;

const SECRET: &[u8] = &[7; 32];

fn frontend(options: Options) -> ChatFrontend {
    ChatFrontend::with_options(Chat::in_memory(), JwtAuthenticator::hs256(SECRET).unwrap(), options)
}

fn token() -> String {
    let claims = Claims { sub: "alice".to_owned(), ..Claims::default() };
    JwtIssuer::hs256(SECRET).unwrap().issue(claims, Duration::from_secs(3_600)).unwrap()
}

/// What an app answers to a request with these headers.
async fn ask(app: &impl Endpoint, method: Method, path: &str, headers: &[(&str, &str)], body: &str) -> Response {
    let mut request = Request::builder().method(method).uri(path.parse().unwrap());
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    app.get_response(request.body(body.to_owned())).await
}

async fn text(response: Response) -> String {
    response.into_body().into_string().await.unwrap()
}

/// What an error that an endpoint tells with this content type becomes.
async fn told(content_type: &str) -> (String, String) {
    let frontend = frontend(Options::default());
    let content_type = content_type.to_owned();
    let endpoint = make_sync(move |_| {
        Response::builder().status(StatusCode::BAD_REQUEST).content_type(&content_type).body("{\"errors\":[]}")
    });
    let response = frontend.problems().transform(endpoint).call(Request::default()).await.unwrap();
    assert_eq!(response.status(), 400);
    assert!(response.headers().contains_key("x-request-id"));
    let content_type = response.content_type().unwrap().to_owned();
    (content_type, response.into_body().into_string().await.unwrap())
}

#[tokio::test]
async fn errors_that_are_json_of_their_own_stay_what_they_are() {
    for kind in ["application/json", "application/graphql-response+json; charset=utf-8", "application/problem+json"] {
        assert_eq!(told(kind).await, (kind.to_owned(), "{\"errors\":[]}".to_owned()));
    }
    for kind in ["text/plain", "text/html; charset=utf-8", "application/jsonp"] {
        let (content_type, body) = told(kind).await;
        assert_eq!(content_type, "application/problem+json");
        assert!(body.contains("VALIDATION_INVALID_FORMAT"), "{body}");
    }
}

const API: &str = "/api/v1/chat";
const PAGE: &str = "https://chat.example";

/// A request as method, path, headers and body, and the status of its answer.
type Case<'a> = (Method, &'a str, &'a [(&'a str, &'a str)], &'a str, u16);

#[tokio::test]
async fn pages_of_allowed_origins_read_every_answer() {
    let origins = Origins::listed([" https://Chat.example:443/ "]).unwrap();
    let frontend = frontend(Options { origins, body_bytes: 1_000, sockets: 0, ..Options::default() });
    let own = Route::new()
        .at("/own", get(make_sync(|_| "own")))
        .at("/open", make_sync(|_| Response::builder().header("Access-Control-Allow-Origin", "*").body("open")));
    let app = frontend.mount(own).with(frontend.problems());
    let bearer = format!("Bearer {}", token());
    let json = ("Content-Type", "application/json");
    let large = format!("{{\"title\": \"{}\"}}", "x".repeat(1_000));
    let never = "00000000-0000-7000-8000-000000000000";
    let stream = format!("{API}/sessions/{never}/events");
    let sessions = format!("{API}/sessions");
    let cases: [Case<'_>; 13] = [
        (Method::POST, &sessions, &[json, ("Authorization", &bearer)], "{\"title\": \"x\"}", 201),
        (Method::GET, &sessions, &[("Authorization", &bearer)], "", 200),
        (Method::GET, "/api/chat/sessions", &[("Authorization", &bearer)], "", 200),
        (Method::GET, &sessions, &[], "", 401),
        (Method::GET, &stream, &[("Authorization", &bearer), ("Accept", "text/event-stream")], "", 404),
        (Method::POST, &sessions, &[json, ("Authorization", &bearer)], "{", 400),
        (Method::POST, &sessions, &[json, ("Authorization", &bearer)], "{}", 422),
        (Method::POST, &sessions, &[json, ("Authorization", &bearer)], &large, 413),
        (Method::POST, &sessions, &[("Authorization", &bearer)], "{}", 415),
        (Method::PATCH, &sessions, &[("Authorization", &bearer)], "", 405),
        (Method::GET, "/api/v1/chat/nowhere", &[], "", 404),
        (Method::GET, "/nowhere", &[], "", 404),
        (Method::GET, "/openapi.json", &[], "", 200),
    ];
    for (method, path, headers, body, status) in cases {
        for (origin, expected) in
            [(PAGE, Some(PAGE)), ("https://elsewhere.example", None), ("null", None), ("http://chat.example", None)]
        {
            let headers: Vec<_> =
                headers.iter().copied().chain([("Origin", origin), ("Host", "api.example")]).collect();
            let response = ask(&app, method.clone(), path, &headers, body).await;
            assert_eq!(response.status(), status, "{method} {path}");
            assert_eq!(response.header("access-control-allow-origin"), expected, "{method} {path} {origin}");
            let exposed = response.header("access-control-expose-headers").unwrap_or_default();
            for name in ["Link", "X-Request-Id", "Retry-After", "X-RateLimit-Remaining", "WWW-Authenticate", "Allow"] {
                assert_eq!(exposed.contains(name), expected.is_some(), "{name}");
            }
            assert_eq!(response.header("access-control-allow-credentials"), None);
            let vary: Vec<_> = response.headers().get_all("vary").iter().collect();
            assert_eq!(vary.iter().filter(|name| **name == "Origin").count(), 1, "{method} {path}: {vary:?}");
        }
        let own = [("Origin", "https://api.example"), ("Host", "api.example:443")];
        let headers: Vec<_> = headers.iter().copied().chain(own).collect();
        let response = ask(&app, method, path, &headers, body).await;
        assert_eq!(
            response.header("access-control-allow-origin"),
            Some("https://api.example"),
            "the server's own page"
        );
    }
    // The app's own paths behind the same middleware, and one that sees to it itself.
    let response = ask(&app, Method::GET, "/own", &[("Origin", PAGE)], "").await;
    assert_eq!(response.header("access-control-allow-origin"), Some(PAGE));
    let response = ask(&app, Method::GET, "/open", &[("Origin", PAGE)], "").await;
    let values: Vec<_> = response.headers().get_all("access-control-allow-origin").iter().collect();
    assert_eq!(values, ["*"]);
}

#[tokio::test]
async fn a_browser_that_asks_first_is_answered_for_every_path() {
    let origins = Origins::listed([PAGE]).unwrap();
    let listed = frontend(Options { origins: origins.clone(), ..Options::default() });
    let listed = listed.mount(Route::new()).with(listed.problems());
    let asks = |origin| [("Origin", origin), ("Host", "api.example"), ("Access-Control-Request-Method", "POST")];
    for path in
        ["/api/v1/chat/sessions", "/api/chat/sessions/x/messages", "/api/v1/chat/nowhere", "/docs", "/ws", "/nowhere"]
    {
        let response = ask(&listed, Method::OPTIONS, path, &asks(PAGE), "").await;
        assert_eq!(
            (response.status(), response.header("access-control-allow-origin")),
            (StatusCode::NO_CONTENT, Some(PAGE))
        );
        let names = |name: &str| response.header(name).unwrap().to_lowercase();
        for method in ["get", "post", "put", "delete"] {
            assert!(names("access-control-allow-methods").contains(method), "{path} {method}");
        }
        for name in ["authorization", "content-type", "idempotency-key", "last-event-id", "traceparent", "x-request-id"]
        {
            assert!(names("access-control-allow-headers").contains(name), "{path} {name}");
        }
        assert!(names("access-control-max-age").parse::<u32>().unwrap() > 0);
        assert!(!names("x-request-id").is_empty() && names("vary").contains("origin"));
        let response = ask(&listed, Method::OPTIONS, path, &asks("https://elsewhere.example"), "").await;
        assert_eq!(response.header("access-control-allow-origin"), None);
        assert_eq!(response.header("access-control-allow-headers"), None);
    }
    // Without the question it is about the methods of the path.
    let response = ask(&listed, Method::OPTIONS, "/api/v1/chat/sessions", &[("Origin", PAGE)], "").await;
    assert_eq!(response.header("allow"), Some("GET, HEAD, OPTIONS, POST"));
    assert_eq!(response.header("access-control-allow-methods"), None);

    let any = frontend(Options { origins: Origins::Any, ..Options::default() }).mount(Route::new());
    let response = ask(&any, Method::OPTIONS, "/api/v1/chat/sessions", &asks("null"), "").await;
    assert_eq!(
        (response.status(), response.header("access-control-allow-origin")),
        (StatusCode::NO_CONTENT, Some("*"))
    );
    let off = frontend(Options { origins, cors: false, ..Options::default() }).mount(Route::new());
    let response = ask(&off, Method::OPTIONS, "/api/v1/chat/sessions", &asks(PAGE), "").await;
    assert_eq!(response.header("allow"), Some("GET, HEAD, OPTIONS, POST"));
    let is_cors = |name: &str| name.starts_with("access-control");
    assert!(response.headers().keys().all(|name| !is_cors(name.as_str()) && name != "vary"));
}

#[tokio::test]
async fn methods_are_told_wherever_the_frontend_is() {
    let frontend = frontend(Options::default());
    let with = frontend.mount_with(Route::new(), &MountOptions::default()).unwrap();
    let deep = Route::new().nest("/b", frontend.mount(Route::new()));
    for (app, prefix) in [
        (frontend.mount(Route::new()), ""),
        (with, ""),
        (Route::new().nest("/chat", frontend.mount(Route::new())), "/chat"),
        (Route::new().nest("/a", deep), "/a/b"),
    ] {
        for outer in [false, true] {
            for (path, allow) in [
                ("/api/v1/chat/sessions", "GET, HEAD, OPTIONS, POST"),
                ("/api/chat/sessions", "GET, HEAD, OPTIONS, POST"),
                ("/api/v1/chat/sessions/public", "GET, HEAD, OPTIONS"),
                ("/api/v1/chat/sessions/x", "DELETE, GET, HEAD, OPTIONS, PUT"),
                ("/api/v1/chat/sessions/x/participants/y/role", "OPTIONS, PUT"),
                ("/docs", "GET, HEAD, OPTIONS"),
                ("/openapi.json", "GET, HEAD, OPTIONS"),
                ("/ws", "GET, HEAD, OPTIONS"),
            ] {
                for (method, status) in [(Method::OPTIONS, 204), (Method::PATCH, 405)] {
                    let path = format!("{prefix}{path}");
                    let response = if outer {
                        ask(&(&app).with(frontend.problems()), method.clone(), &path, &[], "").await
                    } else {
                        ask(&app, method.clone(), &path, &[], "").await
                    };
                    assert_eq!((response.status().as_u16(), response.header("allow")), (status, Some(allow)), "{path}");
                }
            }
        }
    }
}

#[tokio::test]
async fn an_app_keeps_the_documents_that_it_has_itself() {
    let frontend = frontend(Options::default());
    let own = || {
        let (index, document) = (get(make_sync(|_| "index")), get(make_sync(|_| "own document")));
        Route::new().at("/", index).at("/openapi.json", document).at("/api/v1/other", get(make_sync(|_| "other")))
    };
    let app = frontend.mount(own());
    let body = async |app: &Route, path: &str| text(ask(app, Method::GET, path, &[], "").await).await;
    assert_eq!(body(&app, "/").await, "index");
    assert_eq!(body(&app, "/openapi.json").await, "own document");
    assert_eq!(body(&app, "/api/v1/other").await, "other");
    assert!(body(&app, "/docs").await.contains("swagger"));
    assert!(body(&app, "/api/v1/chat/sessions").await.contains("AUTH_REQUIRED"));
    assert!(body(&app, "/ws").await.contains("UPGRADE_REQUIRED"));

    let refused = frontend.mount_with(own(), &MountOptions::default()).err().unwrap();
    assert!(refused.to_string().contains("/openapi.json"), "{refused}");
    let elsewhere = MountOptions {
        socket: "/chat/ws".to_owned(),
        document: Some("/chat/openapi.json".to_owned()),
        docs: None,
        ..MountOptions::default()
    };
    let app = frontend.mount_with(own(), &elsewhere).unwrap();
    assert_eq!(body(&app, "/openapi.json").await, "own document");
    assert!(body(&app, "/chat/openapi.json").await.contains("createSession"));
    assert!(body(&app, "/chat/ws").await.contains("UPGRADE_REQUIRED"));
    let missing = app.get_response(Request::builder().uri("/docs".parse().unwrap()).finish()).await;
    assert_eq!(missing.status(), 404);
}

/// The path to which a relative reference leads from a path (RFC 3986, section 5.2).
fn resolved(from: &str, reference: &str) -> String {
    if reference.starts_with('/') {
        return reference.to_owned();
    }
    let mut segments: Vec<&str> = from.split('/').collect();
    segments.pop();
    for segment in reference.split('/') {
        if segment == ".." {
            let _ = segments.pop();
        } else {
            segments.push(segment);
        }
    }
    segments.join("/")
}

#[tokio::test]
async fn the_document_leads_to_the_operations_wherever_it_is() {
    let frontend = frontend(Options::default());
    let nested = Route::new().nest("/chat", frontend.mount(Route::new()));
    let deep = MountOptions { document: Some("/v/1/openapi.json".to_owned()), ..MountOptions::default() };
    for (app, document, operation) in [
        (frontend.mount(Route::new()), "/openapi.json", "/api/v1/chat"),
        (nested, "/chat/openapi.json", "/chat/api/v1/chat"),
        (frontend.mount_with(Route::new(), &deep).unwrap(), "/v/1/openapi.json", "/api/v1/chat"),
    ] {
        let served: Value = serde_json::from_str(&text(ask(&app, Method::GET, document, &[], "").await).await).unwrap();
        let server = served["servers"][0]["url"].as_str().unwrap();
        assert_eq!(resolved(document, server), operation);
        // Behind a proxy that strips a prefix the document is further down than the server knows.
        let behind = format!("/stripped{document}");
        assert_eq!(resolved(&behind, server), format!("/stripped{operation}"));
        assert_eq!(served["paths"], frontend.openapi()["paths"]);
        let response = ask(&app, Method::GET, &format!("{operation}/sessions"), &[], "").await;
        assert_eq!(response.status(), 401, "there is an operation");
    }
    let page = text(ask(&frontend.mount(Route::new()), Method::GET, "/docs", &[], "").await).await;
    assert!(page.contains(r#""url":"api/v1/chat""#) || page.contains(r#""url": "api/v1/chat""#));
}

#[tokio::test]
async fn utf_8_has_two_names() {
    let app = frontend(Options::default()).mount(Route::new());
    let bearer = format!("Bearer {}", token());
    let made = async |content_type: &str| {
        let headers = [("Authorization", bearer.as_str()), ("Content-Type", content_type)];
        let response = ask(&app, Method::POST, "/api/v1/chat/sessions", &headers, "{\"title\": \"x\"}").await;
        response.status().as_u16()
    };
    for charset in ["utf8", "UTF8", "utf-8", "Utf-8", "\"utf-8\"", "\"UTF8\"", " utf-8 "] {
        assert_eq!(made(&format!("application/json; charset={charset}")).await, 201, "{charset}");
    }
    for charset in ["latin1", "utf-16", "utf", "\"utf-8", "utf-8\"", "", "utf-8; charset=latin1"] {
        assert_eq!(made(&format!("application/json; charset={charset}")).await, 415, "{charset}");
    }
}

#[tokio::test]
async fn every_operation_takes_the_query_parameters_of_the_document_and_no_others() {
    let frontend = frontend(Options::default());
    let app = frontend.mount(Route::new());
    let bearer = format!("Bearer {}", token());
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    let mut operations = 0;
    // Without the token of a webhook, nothing of a post is looked at.
    let document = frontend.openapi();
    let paths = document["paths"].as_object().unwrap().iter().filter(|(path, _)| !path.starts_with("/hooks"));
    for (path, methods) in paths {
        let ids = [("{session_id}", "0190a000-0000-7000-8000-000000000000"), ("{user_id}", "bob")];
        let path = ids.iter().fold(path.clone(), |path, (name, id)| path.replace(name, id));
        let path = path.replace("{message_id}", "0190a000-0000-7000-8000-000000000000-1");
        for (method, operation) in methods.as_object().unwrap() {
            operations += 1;
            let method: Method = method.to_uppercase().parse().unwrap();
            let asked = async |query: &str| {
                let response = ask(&app, method.clone(), &format!("{API}{path}?{query}"), &headers, "{}").await;
                let status = response.status().as_u16();
                (status, serde_json::from_str::<Value>(&text(response).await).unwrap_or_default())
            };
            let (status, problem) = asked("x-unknown=1").await;
            assert_eq!(
                (status, &problem["code"]),
                (422, &"VALIDATION_INVALID_VALUE".into()),
                "{method} {path} {problem}"
            );
            assert_eq!(problem["details"]["fields"][0]["field"], "x-unknown", "{problem}");
            for parameter in operation["parameters"].as_array().into_iter().flatten().filter(|one| one["in"] == "query")
            {
                let name = parameter["name"].as_str().unwrap();
                let (_, problem) = asked(&format!("{name}=1")).await;
                let is_refused = problem["details"]["fields"][0]["message"] == "there is no such query parameter";
                assert!(!is_refused, "{method} {path} {name} {problem}");
                let (status, problem) = asked(&format!("{name}=1&{name}=1")).await;
                assert_eq!(
                    (status, &problem["details"]["fields"][0]["field"]),
                    (400, &name.into()),
                    "{method} {path} {problem}"
                );
            }
        }
    }
    assert!(operations > 20, "{operations}");
}
