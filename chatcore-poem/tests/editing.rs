//! Editing and deleting messages over REST.
#![allow(missing_docs, reason = "tests")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::time::Duration;

use chatcore::{Chat, JwtAuthenticator, JwtIssuer, identity::Claims};
use chatcore_poem::{ChatFrontend, Options};
use poem::{
    Endpoint, EndpointExt as _, Request, Route,
    http::{Method, header::ETAG},
};
use serde_json::{Value, json};

const SECRET: &[u8] = &[7; 32];
const API: &str = "/api/v1/chat";

/// A user's requests.
struct User<E> {
    app: E,
    bearer: String,
}

/// An answer: its status, its entity tag, its body.
type Answer = (u16, Option<String>, Value);

impl<E: Endpoint> User<E> {
    fn new(name: &str, app: E) -> Self {
        let claims = Claims { sub: name.to_owned(), ..Claims::default() };
        let token = JwtIssuer::hs256(SECRET).unwrap().issue(claims, Duration::from_secs(3_600)).unwrap();
        Self { app, bearer: format!("Bearer {token}") }
    }

    async fn ask(&self, method: Method, path: &str, condition: Option<&str>, body: Option<Value>) -> Answer {
        let request = Request::builder().method(method).uri(format!("{API}{path}").parse().unwrap());
        let mut request = request.header("Authorization", &self.bearer);
        if let Some(condition) = condition {
            request = request.header("If-Match", condition);
        }
        let request = match body {
            Some(body) => request.header("Content-Type", "application/json").body(body.to_string()),
            None => request.finish(),
        };
        let response = self.app.get_response(request).await;
        let (status, tag) = (response.status().as_u16(), response.headers().get(ETAG).cloned());
        let body = response.into_body().into_string().await.unwrap();
        (status, tag.map(|tag| tag.to_str().unwrap().to_owned()), serde_json::from_str(&body).unwrap_or_default())
    }

    async fn edit(&self, path: &str, condition: Option<&str>, body: Value) -> Answer {
        self.ask(Method::PUT, path, condition, Some(body)).await
    }
}

fn tag(text: &str) -> Option<String> {
    Some(text.to_owned())
}

#[tokio::test]
async fn a_message_is_edited_and_deleted() {
    let frontend =
        ChatFrontend::with_options(Chat::in_memory(), JwtAuthenticator::hs256(SECRET).unwrap(), Options::default());
    let app = frontend.mount(Route::new()).with(frontend.problems());
    let (alice, bob) = (User::new("alice", &app), User::new("bob", &app));
    let public = json!({ "title": "A room", "session_type": "PUBLIC" });
    let (_, _, room) = alice.ask(Method::POST, "/sessions", None, Some(public)).await;
    let session = format!("/sessions/{}", room["id"].as_str().unwrap());
    bob.ask(Method::POST, &format!("{session}/join"), None, Some(json!({}))).await;
    let sent = bob.ask(Method::POST, &format!("{session}/messages"), None, Some(json!({ "content": "one" }))).await;
    assert_eq!((sent.0, &sent.1), (201, &tag("\"1\"")));
    let path = format!("{session}/messages/{}", sent.2["id"].as_str().unwrap());

    let (status, etag, edited) = bob.edit(&path, Some("\"1\""), json!({ "content": "two" })).await;
    assert_eq!((status, etag), (200, tag("\"2\"")));
    assert_eq!((&edited["content"], &edited["revision"], &edited["seq"]), (&json!("two"), &json!(2), &sent.2["seq"]));
    let shown = alice.ask(Method::GET, &path, None, None).await;
    assert_eq!(shown, (200, tag("\"2\""), edited.clone()));
    let (status, _, problem) = bob.edit(&path, Some("\"1\""), json!({ "content": "three" })).await;
    assert_eq!((status, &problem["code"]), (409, &json!("REVISION_CONFLICT")));
    assert_eq!(problem["details"], json!({ "current_revision": 2 }));
    let named = json!({ "content": "three", "revision": 1 });
    assert_eq!(bob.edit(&path, None, named.clone()).await.2["code"], "REVISION_CONFLICT");
    for (condition, body, status) in [
        (Some("2"), json!({ "content": "three" }), 400),
        (Some("\"2\", \"3\""), json!({ "content": "three" }), 400),
        (Some("W/\"2\""), json!({ "content": "three" }), 412),
        (Some("\"x\""), json!({ "content": "three" }), 412),
        (Some("\"2\""), named, 422),
        (None, json!({}), 422),
        (None, json!({ "content": null }), 422),
        (None, json!({ "content": "three", "role": "user" }), 422),
    ] {
        assert_eq!(bob.edit(&path, condition, body.clone()).await.0, status, "{condition:?} {body}");
    }
    let other = format!("/sessions/00000000-0000-7000-8000-000000000000/messages/{}", sent.2["id"].as_str().unwrap());
    assert_eq!(bob.edit(&other, None, json!({ "content": "x" })).await.2["code"], "MESSAGE_NOT_FOUND");
    assert_eq!(bob.edit(&format!("{session}/messages/x"), None, json!({ "content": "x" })).await.0, 400);
    assert_eq!(alice.edit(&path, None, json!({ "content": "x" })).await.2["code"], "MESSAGE_EDIT_DENIED");
    assert_eq!(bob.edit(&path, Some("*"), json!({ "content": "three" })).await.1, tag("\"3\""));

    let revisions = format!("{path}/revisions");
    let (status, _, earlier) = alice.ask(Method::GET, &revisions, None, None).await;
    let contents: Vec<_> = earlier.as_array().unwrap().iter().map(|one| one["content"].clone()).collect();
    assert_eq!((status, contents), (200, vec![json!("one"), json!("two")]));
    assert_eq!(bob.ask(Method::GET, &revisions, None, None).await.0, 403);

    assert_eq!(alice.ask(Method::DELETE, &path, Some("\"2\""), None).await.0, 409);
    let gone = alice.ask(Method::DELETE, &path, Some("\"3\""), None).await;
    assert_eq!((gone.0, &gone.1), (200, &tag("\"4\"")));
    assert_eq!((&gone.2["content"], &gone.2["deleted_by"]), (&Value::Null, &json!("alice")));
    assert_eq!(bob.ask(Method::DELETE, &path, None, None).await, gone, "a retry changes nothing");
    assert_eq!(bob.edit(&path, None, json!({ "content": "x" })).await.2["code"], "MESSAGE_DELETED");
    assert_eq!(alice.ask(Method::GET, &revisions, None, None).await.2, json!([]));
}

#[tokio::test]
async fn a_message_is_shown_to_those_who_may_view_its_session() {
    let frontend =
        ChatFrontend::with_options(Chat::in_memory(), JwtAuthenticator::hs256(SECRET).unwrap(), Options::default());
    let app = frontend.mount(Route::new()).with(frontend.problems());
    let (alice, bob) = (User::new("alice", &app), User::new("bob", &app));
    let (_, _, other) = alice.ask(Method::POST, "/sessions", None, Some(json!({ "title": "Another room" }))).await;
    for (session_type, refused) in [("PRIVATE", 404), ("PUBLIC", 403)] {
        let room = json!({ "title": "A room", "session_type": session_type });
        let (_, _, room) = alice.ask(Method::POST, "/sessions", None, Some(room)).await;
        let session = format!("/sessions/{}", room["id"].as_str().unwrap());
        let (_, _, sent) =
            alice.ask(Method::POST, &format!("{session}/messages"), None, Some(json!({ "content": "one" }))).await;
        let id = sent["id"].as_str().unwrap();
        let path = format!("{session}/messages/{id}");
        assert_eq!(alice.ask(Method::GET, &path, None, None).await, (200, tag("\"1\""), sent.clone()));
        assert_eq!(bob.ask(Method::GET, &path, None, None).await.0, refused);
        let elsewhere = format!("/sessions/{}/messages/{id}", other["id"].as_str().unwrap());
        assert_eq!(alice.ask(Method::GET, &elsewhere, None, None).await.2["code"], "MESSAGE_NOT_FOUND");
        assert_eq!(alice.ask(Method::GET, &format!("{session}/messages/x"), None, None).await.0, 400);
        alice.ask(Method::DELETE, &path, None, None).await;
        let (status, etag, gone) = alice.ask(Method::GET, &path, None, None).await;
        assert_eq!((status, etag, &gone["content"]), (200, tag("\"2\""), &Value::Null));
    }
}
