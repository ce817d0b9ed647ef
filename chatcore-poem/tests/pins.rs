//! Pinning messages over REST.
#![allow(missing_docs, reason = "tests")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::time::Duration;

use chatcore::{Chat, JwtAuthenticator, JwtIssuer, identity::Claims};
use chatcore_poem::{ChatFrontend, Options};
use poem::{Endpoint, EndpointExt as _, Request, Route, http::Method};
use serde_json::{Value, json};

const SECRET: &[u8] = &[7; 32];
const API: &str = "/api/v1/chat";

async fn ask(app: &impl Endpoint, name: &str, method: Method, path: &str, body: Option<Value>) -> (u16, Value) {
    let claims = Claims { sub: name.to_owned(), ..Claims::default() };
    let token = JwtIssuer::hs256(SECRET).unwrap().issue(claims, Duration::from_secs(3_600)).unwrap();
    let request = Request::builder().method(method).uri(format!("{API}{path}").parse().unwrap());
    let request = request.header("Authorization", format!("Bearer {token}"));
    let request = match body {
        Some(body) => request.header("Content-Type", "application/json").body(body.to_string()),
        None => request.finish(),
    };
    let response = app.get_response(request).await;
    let status = response.status().as_u16();
    let body = response.into_body().into_string().await.unwrap();
    (status, serde_json::from_str(&body).unwrap_or_default())
}

#[tokio::test]
async fn a_message_is_pinned_and_unpinned() {
    let frontend =
        ChatFrontend::with_options(Chat::in_memory(), JwtAuthenticator::hs256(SECRET).unwrap(), Options::default());
    let app = frontend.mount(Route::new()).with(frontend.problems());
    let public = json!({ "title": "A room", "session_type": "PUBLIC" });
    let (_, room) = ask(&app, "alice", Method::POST, "/sessions", Some(public)).await;
    let session = format!("/sessions/{}", room["id"].as_str().unwrap());
    ask(&app, "bob", Method::POST, &format!("{session}/join"), Some(json!({}))).await;
    let (_, sent) =
        ask(&app, "bob", Method::POST, &format!("{session}/messages"), Some(json!({ "content": "one" }))).await;
    let id = sent["id"].as_str().unwrap();
    let (pin, pins) = (format!("{session}/messages/{id}/pin"), format!("{session}/pins"));

    let refused = ask(&app, "bob", Method::PUT, &pin, None).await;
    assert_eq!((refused.0, &refused.1["code"]), (403, &json!("RESOURCE_ACCESS_DENIED")));
    for _ in 0..2 {
        assert_eq!(ask(&app, "alice", Method::PUT, &pin, None).await, (204, Value::Null));
    }
    let (status, listed) = ask(&app, "bob", Method::GET, &pins, None).await;
    let pinned_at = &listed[0]["pinned_at"];
    assert!(pinned_at.is_string());
    let expected = json!([{
        "message": sent, "pinned_by": "alice", "pinned_by_username": "alice", "pinned_by_name": "alice",
        "pinned_by_is_bot": false, "pinned_by_avatar_url": null, "pinned_at": pinned_at,
    }]);
    assert_eq!((status, &listed), (200, &expected));
    assert_eq!(ask(&app, "bob", Method::DELETE, &pin, None).await.0, 403);
    for _ in 0..2 {
        assert_eq!(ask(&app, "alice", Method::DELETE, &pin, None).await, (204, Value::Null));
    }
    assert_eq!(ask(&app, "bob", Method::GET, &pins, None).await, (200, json!([])));

    let other = format!("/sessions/00000000-0000-7000-8000-000000000000/messages/{id}/pin");
    assert_eq!(ask(&app, "alice", Method::PUT, &other, None).await.1["code"], "MESSAGE_NOT_FOUND");
    assert_eq!(ask(&app, "alice", Method::PUT, &format!("{session}/messages/x/pin"), None).await.0, 400);
    assert_eq!(ask(&app, "carol", Method::GET, &pins, None).await.0, 403);
    ask(&app, "alice", Method::DELETE, &format!("{session}/messages/{id}"), None).await;
    assert_eq!(ask(&app, "alice", Method::PUT, &pin, None).await.1["code"], "MESSAGE_DELETED");
}

#[tokio::test]
async fn a_body_that_would_have_no_effect_is_refused() {
    let frontend =
        ChatFrontend::with_options(Chat::in_memory(), JwtAuthenticator::hs256(SECRET).unwrap(), Options::default());
    let app = frontend.mount(Route::new()).with(frontend.problems());
    let public = json!({ "title": "A room", "session_type": "PUBLIC" });
    let (_, room) = ask(&app, "alice", Method::POST, "/sessions", Some(public)).await;
    let session = format!("/sessions/{}", room["id"].as_str().unwrap());
    let (_, sent) =
        ask(&app, "alice", Method::POST, &format!("{session}/messages"), Some(json!({ "content": "one" }))).await;
    let message = format!("{session}/messages/{}", sent["id"].as_str().unwrap());
    let operations = [
        ("bob", Method::POST, format!("{session}/join"), 200),
        ("bob", Method::POST, format!("{session}/leave"), 200),
        ("bob", Method::POST, format!("{session}/join"), 200),
        ("alice", Method::PUT, format!("{message}/pin"), 204),
        ("alice", Method::DELETE, format!("{message}/pin"), 204),
        ("alice", Method::DELETE, message, 200),
        ("alice", Method::DELETE, format!("{session}/participants/bob"), 200),
        ("alice", Method::DELETE, session, 204),
    ];
    for (name, method, path, status) in operations {
        let refused = ask(&app, name, method.clone(), &path, Some(json!({ "revision": 1 }))).await;
        assert_eq!(refused.0, 422, "{method} {path}");
        assert_eq!(ask(&app, name, method.clone(), &path, Some(json!([]))).await.0, 422, "{method} {path}");
        // An empty object says nothing.
        assert_eq!(ask(&app, name, method.clone(), &path, Some(json!({}))).await.0, status, "{method} {path}");
    }
    let document = frontend.openapi();
    for (path, methods) in document["paths"].as_object().unwrap() {
        let names_a_body = methods["delete"].get("requestBody").is_some();
        assert!(!names_a_body, "{path}");
    }
}
