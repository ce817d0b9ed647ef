//! The spans of use cases and of the store.
#![allow(missing_docs, reason = "tests")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail by panicking"
)]

#[path = "kit/mod.rs"]
mod kit;
#[path = "kit/spans.rs"]
#[allow(unreachable_pub, dead_code, reason = "shared with other tests")]
mod spans;

use std::{fs, path::Path, sync::atomic::Ordering};

use chatcore::{
    Chat, Error, MemoryStore, Origin, Principal,
    chat::{CreateIncomingWebhook, CreateInvite, CreateSession, PostToWebhook, SendMessage},
    model::{IncomingToken, InviteCode, SessionType, UserId},
    trace::{RequestSpan, TraceContext},
};
use spans::Spans;
use tracing::level_filters::LevelFilter;

const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

fn user(name: &str) -> Principal {
    Principal::new(UserId::new(name).unwrap()).with_name("Somebody with a name")
}

#[tokio::test]
async fn a_use_case_is_a_span_of_its_request_and_the_store_a_span_of_the_use_case() {
    let (spans, _guard) = Spans::collect(LevelFilter::DEBUG);
    let (chat, a) = (Chat::in_memory(), user("a"));
    let id = chat.create_session(&a, CreateSession::titled("A title")).await.unwrap().summary.session.id;
    let request = RequestSpan::begin("an-id", Some("POST"), Some(PARENT.parse().unwrap()));
    request.operation("sendMessage");
    request.within(chat.send(&a, id, SendMessage::text("A text"))).await.unwrap();
    request.end(201);

    let (request, send) = (spans.only("request"), spans.only("send"));
    assert_eq!((request.parent, send.parent), (None, Some(request.id)));
    for (field, value) in [
        ("request_id", "an-id"),
        ("trace_id", "0af7651916cd43dd8448eb211c80319c"),
        ("method", "POST"),
        ("operation", "sendMessage"),
        ("transport", "http"),
        ("status", "201"),
    ] {
        assert_eq!(request.field(field), Some(value), "{request:?}");
    }
    assert!(request.field("elapsed_us").is_some());
    assert_eq!(send.field("session"), Some(id.to_string().as_str()));
    assert_eq!(send.field("code"), None);
    assert!(spans.within(&send).contains(&"store.commit".to_owned()), "{:#?}", spans.all());
    let commit = spans.named("store.commit").into_iter().find(|span| span.parent == Some(send.id)).unwrap();
    assert_eq!((commit.field("events"), commit.field("session")), (Some("1"), send.field("session")));
    for text in ["A title", "A text", "Somebody"] {
        assert!(!format!("{:?}", spans.all()).contains(text), "{text}");
    }
}

#[tokio::test]
async fn a_failure_is_noted_by_its_code() {
    let (spans, _guard) = Spans::collect(LevelFilter::DEBUG);
    let (chat, a) = (Chat::in_memory(), user("a"));
    let id = chat.create_session(&a, CreateSession::titled("x")).await.unwrap().summary.session.id;
    let error = chat.send(&user("b"), id, SendMessage::text("x")).await.unwrap_err();
    assert_eq!(spans.only("send").field("code"), Some(error.name()));
}

#[tokio::test]
async fn a_call_of_the_store_that_fails_says_how() {
    let (spans, _guard) = Spans::collect(LevelFilter::DEBUG);
    let store = kit::Breakable::over(MemoryStore::new());
    let (chat, a) = (kit::uncounted(store.clone()), user("a"));
    let id = chat.create_session(&a, CreateSession::titled("x")).await.unwrap().summary.session.id;
    store.commits_fail.store(true, Ordering::SeqCst);
    chat.send(&a, id, SendMessage::text("x")).await.unwrap_err();
    let send = spans.only("send");
    let commits = spans.named("store.commit");
    let failed: Vec<_> = commits.iter().filter(|commit| commit.field("failed").is_some()).collect();
    assert_eq!(failed.len(), 1, "{commits:#?}");
    assert_eq!((failed[0].parent, failed[0].field("failed")), (Some(send.id), Some("unavailable")));
}

#[tokio::test]
async fn by_default_there_are_spans_of_requests_alone() {
    let (spans, _guard) = Spans::collect(LevelFilter::INFO);
    let (chat, a) = (Chat::in_memory(), user("a"));
    let request = RequestSpan::begin("an-id", None, None);
    request.within(chat.create_session(&a, CreateSession::titled("x"))).await.unwrap();
    request.end(200);
    drop(request);
    let all = spans.all();
    assert_eq!(all.iter().map(|span| span.name.as_str()).collect::<Vec<_>>(), ["request"]);
    assert!(all.iter().all(|span| span.is_closed && span.field("trace_id").is_none()));
}

#[tokio::test]
async fn the_context_of_the_caller_is_there_within_its_request_and_nowhere_else() {
    assert_eq!(TraceContext::current(), None);
    let parent: TraceContext = PARENT.parse().unwrap();
    let request = RequestSpan::begin("an-id", None, Some(parent.clone().with_state("a=1")));
    let seen = request.within(async { TraceContext::current() }).await.unwrap();
    assert_eq!((seen.to_string().as_str(), seen.state()), (PARENT, Some("a=1")));
    assert_eq!(request.within(tokio::spawn(async { TraceContext::current() })).await.unwrap(), None);
    let next = request.connection().begin("websocket", None);
    assert_eq!(next.within(async { TraceContext::current() }).await.unwrap().to_string(), PARENT);
    assert_eq!(TraceContext::current(), None);
}

#[tokio::test]
async fn what_is_said_first_counts_and_an_address_is_no_id_for_a_log() {
    let (spans, _guard) = Spans::collect(LevelFilter::INFO);
    let request = RequestSpan::begin("an-id", None, None);
    request.operation("first");
    request.operation("second");
    request.failed(Error::AuthRequired.name());
    request.failed(Error::Internal.name());
    request.caller(&user("somebody@example.org"));
    request.transport("events");
    request.end(401);
    let request = spans.only("request");
    for (field, value) in [("operation", "first"), ("code", "AUTH_REQUIRED"), ("transport", "events")] {
        assert_eq!(request.field(field), Some(value), "{request:?}");
    }
    assert_eq!(request.field("user"), None);
}

/// Methods that are called for a principal, and are no use cases.
const NO_USE_CASES: [&str; 4] = ["admit", "begin_frame", "login_ended", "own_signals"];

#[test]
fn every_use_case_has_a_span() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (mut folders, mut found) =
        (["chat", "admin", "accounts", "webhooks"].map(|folder| source.join(folder)).to_vec(), 0);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = fs::read_to_string(&path).unwrap();
            for method in text.split("\n    pub async fn ").skip(1) {
                let (method, _) = method.split_once("\n    }\n").unwrap();
                let name = method.split(['(', '<']).next().unwrap();
                let (signature, body) = method.split_once(" {\n").unwrap();
                let is_use_case = signature.contains("Principal") || signature.contains("&Client");
                if is_use_case && !NO_USE_CASES.contains(&name) {
                    found += 1;
                    let is_named = body.contains(&format!("{name}\""));
                    assert!(body.contains("use_case!(") && is_named, "{}: {name} has no span", path.display());
                }
            }
        }
    }
    assert!(found > 60, "{found}");
}

#[tokio::test]
async fn no_span_has_the_token_of_a_webhook() {
    let (spans, _guard) = Spans::collect(LevelFilter::TRACE);
    let (chat, a) = (Chat::in_memory(), user("a"));
    let id = chat.create_session(&a, CreateSession::titled("x")).await.unwrap().summary.session.id;
    let new = CreateIncomingWebhook { name: "Builds".to_owned(), avatar_url: None };
    let token = chat.create_incoming_webhook(&a, id, new).await.unwrap().token;
    let wrong = IncomingToken::new(format!("chook_{}", "A".repeat(43)));
    for token in [&wrong, &token] {
        let request = RequestSpan::begin("an-id", Some("POST"), None);
        let tried = async {
            let caller = chat.admit_webhook(Origin::UNKNOWN, token).await.ok()?;
            chat.post_to_webhook(caller, PostToWebhook::text("hello")).await.ok()
        };
        assert_eq!(request.within(tried).await.is_some(), token != &wrong);
        request.end(200);
    }
    assert_eq!((spans.named("admit_webhook").len(), spans.named("post_to_webhook").len()), (2, 1));
    let all = format!("{:?}", spans.all());
    assert!(!all.contains(token.as_str()) && !all.contains(wrong.as_str()), "{all}");
}

#[tokio::test]
async fn no_span_has_the_code_of_an_invite() {
    let (spans, _guard) = Spans::collect(LevelFilter::TRACE);
    let (chat, a, b) = (Chat::in_memory(), user("a"), user("b"));
    let new = CreateSession::titled("x").of_type(SessionType::InviteOnly);
    let id = chat.create_session(&a, new).await.unwrap().summary.session.id;
    let code = chat.create_invite(&a, id, CreateInvite::default()).await.unwrap().code;
    let wrong = InviteCode::new("a-wrong-code");
    for code in [&wrong, &code] {
        let request = RequestSpan::begin("an-id", Some("POST"), None);
        let tried =
            async { (chat.preview_invite(&b, code).await.is_ok(), chat.join_by_invite(&b, code).await.is_ok()) };
        assert_eq!(request.within(tried).await, (code != &wrong, code != &wrong));
        request.end(200);
    }
    assert_eq!(spans.named("join_by_invite").len(), 2);
    let all = format!("{:?}", spans.all());
    assert!(!all.contains(code.as_str()) && !all.contains("a-wrong-code"), "{all}");
}
