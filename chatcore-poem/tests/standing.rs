//! Revoked tokens, banned accounts and tokens of other parties, over REST and its event streams.
#![allow(missing_docs, reason = "tests")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail by panicking")]

#[path = "../../chatcore/tests/kit/tokens.rs"]
#[allow(unreachable_pub, dead_code, reason = "shared with other tests")]
mod tokens;

use std::time::Duration;

use chatcore::{
    Chat, JwtAuthenticator, JwtIssuer, Principal,
    chat::{BanAccount, CreateSession},
    identity::Claims,
    model::{LoginId, SessionId, SessionType, UserId},
};
use chatcore_poem::{ChatFrontend, Options};
use futures_util::StreamExt as _;
use poem::{Endpoint, Request, Response, Route};
use serde_json::{Value, json};

const SECRET: &[u8] = &[7; 32];

/// A server that hangs is noticed, also on a slow machine.
const PATIENCE: Duration = Duration::from_secs(60);

fn app(chat: &Chat) -> impl Endpoint {
    let authenticator = JwtAuthenticator::hs256(SECRET).unwrap();
    ChatFrontend::with_options(chat.clone(), authenticator, Options::default()).mount(Route::new())
}

fn token(user: &str, login: Option<LoginId>) -> String {
    let claims = Claims { sub: user.to_owned(), sid: login.map(|login| login.to_string()), ..Claims::default() };
    JwtIssuer::hs256(SECRET).unwrap().issue(claims, Duration::from_secs(3_600)).unwrap()
}

fn user(name: &str) -> UserId {
    UserId::new(name).unwrap()
}

async fn ask(app: &impl Endpoint, path: &str, token: &str, accept: &str) -> Response {
    let mut request = Request::builder().uri(path.parse().unwrap()).header("accept", accept);
    if !token.is_empty() {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    app.get_response(request.finish()).await
}

async fn get(app: &impl Endpoint, path: &str, token: &str) -> (u16, Value) {
    let response = ask(app, path, token, "application/json").await;
    let status = response.status().as_u16();
    (status, serde_json::from_str(&response.into_body().into_string().await.unwrap()).unwrap())
}

async fn session(chat: &Chat, with: &UserId) -> SessionId {
    let new = CreateSession::titled("t").of_type(SessionType::Public);
    let id = chat.create_session(&Principal::new(user("root")), new).await.unwrap().summary.session.id;
    chat.join(&Principal::new(with.clone()), id).await.unwrap();
    id
}

/// The rest of an event stream.
async fn rest(response: Response) -> String {
    let mut body = response.into_body().into_bytes_stream();
    let mut text = String::new();
    let read = async {
        while let Some(Ok(part)) = body.next().await {
            text.push_str(&String::from_utf8_lossy(&part));
        }
    };
    tokio::time::timeout(PATIENCE, read).await.unwrap();
    text
}

#[tokio::test]
async fn the_tokens_of_a_login_that_ended_are_401_and_its_event_stream_ends() {
    let (chat, alice) = (Chat::in_memory(), user("alice"));
    let app = app(&chat);
    let id = session(&chat, &alice).await;
    let login: LoginId = "018f2f5e-7c1a-7abc-8def-0123456789ab".parse().unwrap();
    let (ended, other) = (token("alice", Some(login)), token("alice", None));
    let events = format!("/api/v1/chat/sessions/{id}/events");
    let stream = ask(&app, &events, &ended, "text/event-stream").await;
    assert_eq!(stream.status(), 200);
    chat.end_login(&alice, login, chat.now() + PATIENCE).await.unwrap();
    let text = rest(stream).await;
    assert!(text.contains("event: error") && text.contains("AUTH_TOKEN_INVALID"), "{text}");
    let (status, problem) = get(&app, "/api/v1/chat/sessions", &ended).await;
    assert_eq!((status, &problem["code"]), (401, &Value::from("AUTH_TOKEN_INVALID")));
    assert_eq!(get(&app, "/api/v1/chat/sessions", &other).await.0, 200);
}

#[tokio::test]
async fn a_banned_account_is_403_with_the_reason() {
    let (chat, bob) = (Chat::in_memory(), user("bob"));
    let app = app(&chat);
    let id = session(&chat, &bob).await;
    let stream =
        ask(&app, &format!("/api/v1/chat/sessions/{id}/events"), &token("bob", None), "text/event-stream").await;
    let ban = BanAccount { reason: "Spam".to_owned(), by: user("root"), until: None };
    chat.ban_account(&bob, ban).await.unwrap();
    rest(stream).await;
    let (status, problem) = get(&app, "/api/v1/chat/sessions", &token("bob", None)).await;
    assert_eq!(
        (status, &problem["code"], &problem["details"]["reason"]),
        (403, &"ACCOUNT_BANNED".into(), &"Spam".into())
    );
    chat.unban_account(&bob).await.unwrap();
    assert_eq!(get(&app, "/api/v1/chat/sessions", &token("bob", None)).await.0, 200);
}

#[tokio::test]
async fn tokens_that_are_not_valid_are_401_whatever_is_wrong_with_them() {
    let app = ChatFrontend::new(Chat::in_memory(), tokens::authenticator()).mount(Route::new());
    let good = tokens::token(json!({}), json!({}));
    assert_eq!(get(&app, "/api/v1/chat/sessions", &good).await.0, 200);
    let (json, stream) = ("application/json", "text/event-stream");
    let events = "/api/v1/chat/sessions/00000000-0000-7000-8000-000000000001/events".to_owned();
    for (wrong, token) in tokens::bad() {
        let (wait, in_query) = (format!("{events}?wait=60"), format!("{events}?token={token}"));
        for (path, accept) in
            [("/api/v1/chat/sessions", json), (&events, json), (&wait, json), (&events, stream), (&in_query, stream)]
        {
            let in_header = if path.contains("token=") { "" } else { &token };
            let response = ask(&app, path, in_header, accept).await;
            assert_eq!(response.status(), 401, "{wrong}: {path} {accept}");
            assert!(response.headers().contains_key("www-authenticate"), "{wrong}");
            let problem: Value = serde_json::from_str(&response.into_body().into_string().await.unwrap()).unwrap();
            assert_eq!(problem["code"], "AUTH_TOKEN_INVALID", "{wrong}: {path} {accept}");
        }
    }
}

#[tokio::test]
async fn both_secrets_of_a_rotation_are_accepted_and_the_new_one_after_it() {
    let chat = Chat::in_memory();
    let id = session(&chat, &user("alice")).await;
    let events = format!("/api/v1/chat/sessions/{id}/events");
    for (when, authenticator, shown) in tokens::rotation() {
        let app = ChatFrontend::new(chat.clone(), authenticator).mount(Route::new());
        for (token, is_accepted) in &shown {
            let in_query = format!("{events}?token={token}");
            for (path, header, accept) in [
                ("/api/v1/chat/sessions", token.as_str(), "application/json"),
                (&events, token, "application/json"),
                (&events, token, "text/event-stream"),
                (&in_query, "", "text/event-stream"),
            ] {
                let response = ask(&app, path, header, accept).await;
                assert_eq!(response.status(), if *is_accepted { 200 } else { 401 }, "{when}: {path} {accept}");
                if !is_accepted {
                    let problem = response.into_body().into_string().await.unwrap();
                    assert!(problem.contains("\"AUTH_TOKEN_INVALID\""), "{when}: {problem}");
                }
            }
        }
    }
}
