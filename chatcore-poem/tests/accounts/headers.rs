//! The headers of security, on every response.

use chatcore::{Administration, chat::CreateSession};
use chatcore_poem::{Health, StartPage};
use poem::{endpoint::make_sync, get, http::HeaderMap};

use super::*;

/// A whole server, with a page and an endpoint of the host.
fn server(world: &World, options: Options) -> Rest<impl Endpoint> {
    let frontend = ChatFrontend::with_options(world.chat.clone(), world.authenticator(), options)
        .with_accounts(world.accounts.clone())
        .with_admin(Administration::new(world.chat.clone()))
        .with_health(Health::default());
    let own = Route::new()
        .at("/own", get(make_sync(|_| Response::builder().content_type("text/html").body("<p>own</p>"))))
        .at("/broken", get(make_sync(|_| -> Response { panic!("a fault of the host") })))
        .at("/", frontend.start_page(&StartPage::default()));
    let app = frontend.mount_with(own, &MountOptions::default()).unwrap().with(frontend.problems());
    Rest { app, document: frontend.openapi().clone(), peer: PEER }
}

fn is(headers: &HeaderMap, name: &str, value: &str, what: &str) {
    assert_eq!(headers.get(name).map(|value| value.to_str().unwrap()), Some(value), "{what}: {name}");
}

/// What every response of the frontend has.
fn is_secure(headers: &HeaderMap, what: &str) {
    is(headers, "x-content-type-options", "nosniff", what);
    is(headers, "referrer-policy", "no-referrer", what);
    is(headers, "x-frame-options", "DENY", what);
    is(headers, "strict-transport-security", "max-age=86400", what);
    let policy = headers["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{what}: {policy}");
    assert!(headers.contains_key("x-request-id"), "{what}");
}

/// What every response has that is nothing for everybody.
fn is_private(headers: &HeaderMap, what: &str) {
    is_secure(headers, what);
    is(headers, "cache-control", "no-store", what);
    is(headers, "cross-origin-resource-policy", "same-origin", what);
}

fn hsts() -> Options {
    Options { hsts: Some(std::time::Duration::from_secs(86_400)), ..Options::default() }
}

#[tokio::test]
async fn every_operation_answers_with_the_headers_of_security() {
    let world = World::new();
    let rest = server(&world, hsts());
    let token = text(&register(&rest, "ada").await, "access_token");
    let user = world.authenticator().authenticate(&token).await.unwrap();
    let room = world.chat.create_session(&user, CreateSession::titled("x")).await.unwrap().summary.session.id;
    let mut asked = 0;
    for (path, item) in rest.document["paths"].as_object().unwrap() {
        let servers = if item["servers"].is_null() { &rest.document["servers"] } else { &item["servers"] };
        let path = format!("{}{path}", servers[0]["url"].as_str().unwrap().trim_end_matches('/'));
        let path = path.replace("{session_id}", &room.to_string()).replace("{user_id}", user.user_id.as_str());
        let path = path.replace("{message_id}", &format!("{room}-1")).replace(['{', '}'], "x");
        for (method, operation) in item.as_object().unwrap().iter().filter(|(method, _)| *method != "servers") {
            // The last one would end all tokens of the user.
            let ends = ["logOut", "logOutEverywhere", "deleteAccount", "deleteMe"];
            let is_open = operation["operationId"].as_str().is_some_and(|id| !ends.contains(&id));
            for (token, body) in [(None, "{}"), (Some(token.as_str()).filter(|_| is_open), "{}"), (None, "{")] {
                asked += 1;
                let body = Some(body.to_owned()).filter(|_| operation.get("requestBody").is_some());
                let response = rest.ask(method, &path, token, body).await;
                let what = format!("{method} {path} {}", response.status());
                is_private(response.headers(), &what);
            }
        }
    }
    assert!(asked > 120, "{asked}");
}

#[tokio::test]
async fn errors_and_streams_have_them_as_well() {
    let world = World::new();
    let rest = server(&world, hsts());
    let token = text(&register(&rest, "ada").await, "access_token");
    let user = world.authenticator().authenticate(&token).await.unwrap();
    let room = world.chat.create_session(&user, CreateSession::titled("x")).await.unwrap().summary.session.id;
    let sessions = "/api/v1/chat/sessions";
    let large = json!({ "title": "x".repeat(5_000_000) }).to_string();
    for (method, path, body, status) in [
        ("GET", "/nowhere", None, 404),
        ("GET", "/api/v1/chat/nowhere", None, 404),
        ("PATCH", sessions, None, 405),
        ("PATCH", "/docs", None, 405),
        ("OPTIONS", sessions, None, 204),
        ("POST", sessions, Some(large), 413),
        ("POST", sessions, Some("{}".to_owned()), 422),
        ("GET", "/broken", None, 500),
        ("GET", "/ws", None, 426),
    ] {
        let response = rest.ask(method, path, Some(&token), body).await;
        assert_eq!(response.status().as_u16(), status, "{method} {path}");
        is_private(response.headers(), &format!("{method} {path} {status}"));
    }
    let events = format!("{sessions}/{room}/events");
    let request = Request::builder().uri(events.parse().unwrap()).header("accept", "text/event-stream");
    let stream = rest.app.get_response(request.header("authorization", format!("Bearer {token}")).finish()).await;
    assert_eq!(stream.content_type(), Some("text/event-stream"));
    is_private(stream.headers(), "an event stream");

    let limited = World::with_rates(
        chatcore::RateLimits {
            unknown: Some(chatcore::Rate::new(1, std::time::Duration::from_secs(3_600))),
            ..chatcore::RateLimits::default()
        },
        |builder| builder,
    );
    let rest = server(&limited, hsts());
    assert_eq!(rest.ask("GET", sessions, None, None).await.status(), 401);
    let refused = rest.ask("GET", sessions, None, None).await;
    assert_eq!(refused.status(), 429);
    is_private(refused.headers(), "429");
}

#[tokio::test]
async fn pages_have_a_policy_of_their_own_and_a_host_keeps_its_pages() {
    let world = World::new();
    let rest = server(&world, hsts());
    for path in ["/", "/docs", "/openapi.json"] {
        let response = rest
            .app
            .get_response(Request::builder().uri(path.parse().unwrap()).header("accept", "text/html").finish())
            .await;
        is_secure(response.headers(), path);
        is(response.headers(), "cache-control", "no-cache", path);
    }
    let own = rest.ask("GET", "/own", None, None).await;
    is(own.headers(), "x-content-type-options", "nosniff", "own");
    is(own.headers(), "referrer-policy", "no-referrer", "own");
    for name in ["content-security-policy", "x-frame-options", "cache-control", "cross-origin-resource-policy"] {
        assert!(!own.headers().contains_key(name), "{name}");
    }
    // Whether there is TLS is not known here.
    let plain = server(&world, Options::default());
    assert!(!plain.ask("GET", "/health", None, None).await.headers().contains_key("strict-transport-security"));
}
