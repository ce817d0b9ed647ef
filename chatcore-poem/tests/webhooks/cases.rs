//! What every frontend answers about webhooks: one list of calls, which each frontend and the core run in a world of their own.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use chatcore::{
    Administration, Authenticator, Chat, Error, MemoryStore, Principal, RateLimits, TestClock, Webhooks,
    admin::AuditOrigin,
    async_trait,
    chat::{AddParticipant, CreateSession, SendMessage},
    identity::SystemRole,
    model::{ListPage, ParticipantRole, SessionId, SessionType, UserId, WebhookId},
    webhooks::{CreateWebhook, DeadLetterPlace, Sent, WebhookOptions, WebhookRequest, WebhookSender},
    wire,
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

/// What a face answered: the code of the error, or the data without nulls and secrets.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Answer(pub(crate) Result<Value, String>);

/// The core or a frontend.
pub(crate) trait Face {
    /// Calls an operation with the fields of its input, ids and parameters among them, in the words of REST.
    async fn call(&self, operation: &str, user: &str, input: Value) -> Answer;
}

/// Tokens are user ids.
pub(crate) struct Names;

/// The user `root` is an administrator.
pub(crate) fn principal(name: &str) -> Principal {
    let system_role = if name == "root" { SystemRole::Admin } else { SystemRole::User };
    Principal { system_role, ..Principal::new(UserId::new(name).unwrap()) }
}

#[async_trait]
impl Authenticator for Names {
    async fn authenticate(&self, token: &str) -> chatcore::Result<Principal> {
        Ok(principal(token))
    }
}

/// A receiver that refuses everything.
struct Refusing;

#[async_trait]
impl WebhookSender for Refusing {
    async fn send(&self, _: WebhookRequest) -> Sent {
        Sent::Answered { status: 500, retry_after: None }
    }
}

/// A chat with two sessions, a webhook of the first one and a webhook of the server that could not be delivered three events each: those of the
/// server are of the second session. Each world is the same.
pub(crate) struct World {
    pub(crate) chat: Chat,
    pub(crate) webhooks: Webhooks,
    pub(crate) admin: Administration,
    pub(crate) session: SessionId,
    pub(crate) other: SessionId,
    pub(crate) webhook: WebhookId,
    pub(crate) of_server: WebhookId,
    /// The position of the first event that could not be delivered.
    pub(crate) first: u64,
}

impl World {
    pub(crate) async fn new() -> Self {
        let store = Arc::new(MemoryStore::new());
        let chat = Chat::builder(store).clock(TestClock::default()).rates(RateLimits::off()).build();
        let options = WebhookOptions {
            retry_delays: Vec::new(),
            sweep_interval: Duration::from_millis(50),
            ..WebhookOptions::default()
        };
        let webhooks = Webhooks::new(chat.clone(), options);
        let ann = principal("ann");
        let new = CreateSession::titled("Pets").of_type(SessionType::Public);
        let session = chat.create_session(&ann, new).await.unwrap().summary.session.id;
        for (name, role) in
            [("adam", ParticipantRole::Admin), ("bob", ParticipantRole::Member), ("vic", ParticipantRole::Viewer)]
        {
            let user = principal(name);
            chat.me(&user).await.unwrap();
            let added = AddParticipant { user_id: user.user_id, role: Some(role) };
            chat.add_participant(&ann, session, added).await.unwrap();
        }
        let new = CreateWebhook { url: "https://example.com/hook".into(), ..CreateWebhook::default() };
        let webhook = webhooks.create(&ann, session, new).await.unwrap().webhook;
        webhooks.rotate_secret(&ann, session, webhook.id).await.unwrap();
        webhooks.rotate_secret(&ann, session, webhook.id).await.unwrap();
        let root = principal("root");
        let new = CreateWebhook { url: "https://example.com/all".into(), ..CreateWebhook::default() };
        let of_server = webhooks.create_for_server(&root, &AuditOrigin::default(), new).await.unwrap().webhook.id;
        let other = chat.create_session(&ann, CreateSession::titled("Cats")).await.unwrap().summary.session.id;
        for text in ["one", "two"] {
            chat.send(&ann, other, SendMessage::text(text)).await.unwrap();
        }
        let worker = webhooks.start(Refusing);
        while webhooks.get(&ann, session, webhook.id).await.unwrap().queue.dead_letters < 3
            || webhooks.get_for_server(&root, of_server).await.unwrap().queue.lag > 0
        {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        worker.stop().await;
        let (admin, first) = (Administration::new(chat.clone()), webhook.queue.delivered_upto.unwrap() + 1);
        Self { chat, webhooks, admin, session, other, webhook: webhook.id, of_server, first }
    }
}

/// The calls, in their order.
fn calls(world: &World) -> Vec<(&'static str, &'static str, Value)> {
    let unknown = "0190c0de-0000-7000-8000-000000000000";
    let (session, first) = (world.session, world.first);
    let of_session = |more: Value| with(json!({ "session_id": session }), more);
    let of_webhook = |more: Value| with(json!({ "session_id": session, "webhook_id": world.webhook }), more);
    let missing = json!({ "session_id": session, "webhook_id": unknown });
    let url = "https://example.com/other";
    let mut calls = vec![
        ("listWebhooks", "ann", of_session(json!({}))),
        ("listWebhooks", "adam", of_session(json!({}))),
        ("listWebhooks", "ann", json!({ "session_id": unknown })),
        ("listWebhooks", "ann", json!({ "session_id": "x" })),
        ("getWebhook", "adam", of_webhook(json!({}))),
        ("getWebhook", "ann", missing.clone()),
        ("getWebhook", "ann", of_session(json!({ "webhook_id": "x" }))),
        ("createWebhook", "ann", of_session(json!({ "url": url }))),
        ("createWebhook", "adam", of_session(json!({ "url": url, "events": ["user_left"], "is_active": false }))),
        ("createWebhook", "ann", of_session(json!({ "url": "http://example.com/" }))),
        ("createWebhook", "ann", of_session(json!({ "url": "https://127.0.0.1/" }))),
        ("createWebhook", "ann", of_session(json!({ "url": "" }))),
        ("createWebhook", "ann", of_session(json!({ "url": "x".repeat(2_001) }))),
        ("createWebhook", "ann", of_session(json!({ "url": url, "events": ["nothing"] }))),
        ("createWebhook", "ann", json!({ "session_id": unknown, "url": url })),
        ("updateWebhook", "ann", of_webhook(json!({}))),
        ("updateWebhook", "adam", of_webhook(json!({ "url": url, "events": ["user_left"], "is_active": false }))),
        ("updateWebhook", "ann", of_webhook(json!({ "events": [], "is_active": true }))),
        ("updateWebhook", "ann", of_webhook(json!({ "url": "https://[::1]/" }))),
        ("updateWebhook", "ann", missing.clone()),
        ("rotateWebhookSecret", "adam", of_webhook(json!({}))),
        ("rotateWebhookSecret", "ann", missing.clone()),
        ("listDeadLetters", "ann", of_webhook(json!({}))),
        ("listDeadLetters", "adam", of_webhook(json!({ "limit": 2 }))),
        ("listDeadLetters", "ann", of_webhook(json!({ "limit": 2, "after": first + 1 }))),
        ("listDeadLetters", "ann", of_webhook(json!({ "limit": 0 }))),
        ("listDeadLetters", "ann", missing.clone()),
        ("retryDeadLetter", "ann", of_webhook(json!({ "seq": first }))),
        ("retryDeadLetter", "adam", of_webhook(json!({ "seq": first }))),
        ("retryDeadLetter", "ann", of_webhook(json!({ "seq": 1 }))),
        ("retryDeadLetter", "ann", with(missing.clone(), json!({ "seq": first }))),
        ("listDeadLetters", "ann", of_webhook(json!({}))),
    ];
    for user in ["bob", "vic", "eve"] {
        calls.extend([
            ("listWebhooks", user, of_session(json!({}))),
            ("getWebhook", user, of_webhook(json!({}))),
            ("createWebhook", user, of_session(json!({ "url": url }))),
            ("updateWebhook", user, of_webhook(json!({ "is_active": false }))),
            ("rotateWebhookSecret", user, of_webhook(json!({}))),
            ("listDeadLetters", user, of_webhook(json!({}))),
            ("retryDeadLetter", user, of_webhook(json!({ "seq": first }))),
            ("deleteWebhook", user, of_webhook(json!({}))),
        ]);
    }
    calls.extend((0..8).map(|_| ("createWebhook", "ann", of_session(json!({ "url": url })))));
    calls.extend([
        ("deleteWebhook", "ann", missing),
        ("deleteWebhook", "adam", of_webhook(json!({}))),
        ("deleteWebhook", "ann", of_webhook(json!({}))),
        ("listWebhooks", "ann", of_session(json!({}))),
    ]);
    calls
}

/// The calls of administrators and of others, in their order.
fn calls_of_administrators(world: &World) -> Vec<(&'static str, &'static str, Value)> {
    let unknown = "0190c0de-0000-7000-8000-000000000000";
    let (other, url) = (world.other, "https://example.com/other");
    let one = |more: Value| with(json!({ "webhook_id": world.of_server }), more);
    let missing = json!({ "webhook_id": unknown });
    let mut calls = vec![
        ("adminListWebhooks", "root", json!({})),
        ("adminGetWebhook", "root", one(json!({}))),
        ("adminGetWebhook", "root", missing.clone()),
        ("adminGetWebhook", "root", json!({ "webhook_id": "x" })),
        // That of a session is another one.
        ("adminGetWebhook", "root", json!({ "webhook_id": world.webhook })),
        ("adminCreateWebhook", "root", json!({ "url": url })),
        ("adminCreateWebhook", "root", json!({ "url": url, "events": ["user_left"], "is_active": false })),
        ("adminCreateWebhook", "root", json!({ "url": "https://127.0.0.1/" })),
        ("adminCreateWebhook", "root", json!({ "url": url, "events": ["nothing"] })),
        ("adminUpdateWebhook", "root", one(json!({}))),
        ("adminUpdateWebhook", "root", one(json!({ "url": url, "events": ["user_left"], "is_active": false }))),
        ("adminUpdateWebhook", "root", one(json!({ "events": [], "is_active": true }))),
        ("adminUpdateWebhook", "root", one(json!({ "url": "" }))),
        ("adminUpdateWebhook", "root", missing.clone()),
        ("adminRotateWebhookSecret", "root", one(json!({}))),
        ("adminRotateWebhookSecret", "root", missing.clone()),
        ("adminListDeadLetters", "root", one(json!({}))),
        ("adminListDeadLetters", "root", one(json!({ "limit": 2 }))),
        ("adminListDeadLetters", "root", one(json!({ "limit": 2, "after": format!("{other}:2") }))),
        ("adminListDeadLetters", "root", one(json!({ "after": "2" }))),
        ("adminListDeadLetters", "root", one(json!({ "limit": 101 }))),
        ("adminListDeadLetters", "root", missing.clone()),
        ("adminRetryDeadLetter", "root", one(json!({ "session_id": other, "seq": 2 }))),
        ("adminRetryDeadLetter", "root", one(json!({ "session_id": other, "seq": 2 }))),
        ("adminRetryDeadLetter", "root", one(json!({ "session_id": other, "seq": 9 }))),
        ("adminRetryDeadLetter", "root", one(json!({ "session_id": world.session, "seq": 2 }))),
        ("adminRetryDeadLetter", "root", with(missing.clone(), json!({ "session_id": other, "seq": 2 }))),
        ("adminListDeadLetters", "root", one(json!({}))),
    ];
    for user in ["ann", "eve"] {
        calls.extend([
            ("adminListWebhooks", user, json!({})),
            ("adminGetWebhook", user, one(json!({}))),
            ("adminCreateWebhook", user, json!({ "url": url })),
            ("adminUpdateWebhook", user, one(json!({ "is_active": false }))),
            ("adminRotateWebhookSecret", user, one(json!({}))),
            ("adminListDeadLetters", user, one(json!({}))),
            ("adminRetryDeadLetter", user, one(json!({ "session_id": other, "seq": 2 }))),
            ("adminDeleteWebhook", user, one(json!({}))),
        ]);
    }
    calls.extend((0..8).map(|_| ("adminCreateWebhook", "root", json!({ "url": url }))));
    calls.extend([
        ("adminDeleteWebhook", "root", missing),
        ("adminDeleteWebhook", "root", one(json!({}))),
        ("adminDeleteWebhook", "root", one(json!({}))),
        ("adminListWebhooks", "root", json!({})),
    ]);
    calls
}

fn with(mut value: Value, more: Value) -> Value {
    value.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    value
}

/// Runs the calls through a face and through the core, and compares what both answer. Gives the operations that were called, and worked.
pub(crate) async fn all(face: &impl Face, world: &World) -> BTreeSet<&'static str> {
    let own = World::new().await;
    assert_eq!((own.session, own.webhook), (world.session, world.webhook));
    let (mut done, mut refused) = (0, 0);
    let mut worked = BTreeSet::new();
    for (operation, user, input) in calls(world).into_iter().chain(calls_of_administrators(world)) {
        let shown = format!("{operation} by {user} with {input}");
        let mut expected = own.call(operation, user, input.clone()).await;
        let mut answer = face.call(operation, user, input).await;
        if operation.starts_with("admin") {
            // The queues of all sessions of two worlds are not read at the same moment of their deliveries.
            expected.0.iter_mut().chain(&mut answer.0).for_each(without_queues);
        }
        assert_eq!(answer, expected, "{shown}");
        assert!(!format!("{answer:?}").contains("whsec_"), "{shown}");
        if answer.0.is_ok() {
            worked.insert(operation);
            done += 1;
        } else {
            refused += 1;
        }
    }
    assert!(done >= 40 && refused >= 60, "{done} done, {refused} refused");
    worked
}

fn without_queues(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.remove("queue");
            fields.values_mut().for_each(without_queues);
        }
        Value::Array(items) => items.iter_mut().for_each(without_queues),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// A value without nulls, with the kind of a secret in its place.
pub(crate) fn plain(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let fields = fields.into_iter().filter(|(_, value)| !value.is_null());
            let shown = |(name, value): (String, Value)| match value.as_str().filter(|_| name == "secret") {
                Some(secret) => (name, json!(secret.starts_with("whsec_") && secret.len() == 50)),
                None => (name, plain(value)),
            };
            fields.map(shown).collect::<serde_json::Map<_, _>>().into()
        }
        Value::Array(items) => items.into_iter().map(plain).collect(),
        value => value,
    }
}

fn answer(result: Result<impl Serialize, Error>) -> Answer {
    let code = |error: Error| error.code().as_str().to_owned();
    Answer(result.map(|value| plain(serde_json::to_value(value).unwrap())).map_err(code))
}

/// A page, with the place after which the next one begins.
pub(crate) fn paged(entries: Value, next: Option<String>) -> Value {
    plain(json!({ "entries": entries, "next": next }))
}

fn page_of<T: Serialize, K: ToString>(page: ListPage<T, K>) -> Value {
    paged(serde_json::to_value(page.entries).unwrap(), page.next.map(|next| next.to_string()))
}

impl World {
    async fn call_as_administrator(&self, operation: &str, user: &str, input: Value) -> Answer {
        let (hooks, caller, origin) = (&self.webhooks, &principal(user), &AuditOrigin::default());
        let malformed = || Answer(Err("VALIDATION_INVALID_FORMAT".to_owned()));
        let text = |name: &str| input[name].as_str().unwrap_or_default().to_owned();
        let webhook = match (&input["webhook_id"], text("webhook_id").parse::<WebhookId>()) {
            (Value::Null, _) => self.of_server,
            (_, Ok(webhook)) => webhook,
            (_, Err(_)) => return malformed(),
        };
        let number = |name: &str| input[name].as_u64();
        match operation {
            "adminCreateWebhook" => {
                let new: wire::CreateWebhook = body(&input);
                answer(hooks.create_for_server(caller, origin, new.command()).await)
            }
            "adminUpdateWebhook" => {
                let changes: wire::UpdateWebhook = body(&input);
                answer(hooks.update_for_server(caller, origin, webhook, changes.command()).await)
            }
            "adminListWebhooks" => answer(hooks.list_for_server(caller).await),
            "adminGetWebhook" => answer(hooks.get_for_server(caller, webhook).await),
            "adminRotateWebhookSecret" => answer(hooks.rotate_server_secret(caller, origin, webhook).await),
            "adminDeleteWebhook" => answer(hooks.delete_for_server(caller, origin, webhook).await),
            "adminListDeadLetters" => {
                let after = match (&input["after"], text("after").parse::<DeadLetterPlace>()) {
                    (Value::Null, _) => None,
                    (_, Ok(place)) => Some(place),
                    (_, Err(_)) => return malformed(),
                };
                answer(hooks.server_dead_letters(caller, webhook, after, number("limit")).await.map(page_of))
            }
            "adminRetryDeadLetter" => {
                let session = text("session_id").parse().unwrap();
                answer(hooks.retry_server_dead_letter(caller, webhook, session, number("seq").unwrap()).await)
            }
            operation => panic!("no operation {operation}"),
        }
    }
}

impl Face for World {
    async fn call(&self, operation: &str, user: &str, input: Value) -> Answer {
        if operation.starts_with("admin") {
            return self.call_as_administrator(operation, user, input).await;
        }
        let (hooks, caller) = (&self.webhooks, &principal(user));
        let id = |name: &str| input[name].as_str().map(str::to_owned).unwrap_or_default();
        let malformed = || Answer(Err("VALIDATION_INVALID_FORMAT".to_owned()));
        let Ok(session) = id("session_id").parse::<SessionId>() else { return malformed() };
        let webhook = match (&input["webhook_id"], id("webhook_id").parse::<WebhookId>()) {
            (Value::Null, _) => self.webhook,
            (_, Ok(webhook)) => webhook,
            (_, Err(_)) => return malformed(),
        };
        let number = |name: &str| input[name].as_u64();
        match operation {
            "createWebhook" => {
                let new: wire::CreateWebhook = body(&input);
                answer(hooks.create(caller, session, new.command()).await)
            }
            "updateWebhook" => {
                let changes: wire::UpdateWebhook = body(&input);
                answer(hooks.update(caller, session, webhook, changes.command()).await)
            }
            "listWebhooks" => answer(hooks.list(caller, session).await),
            "getWebhook" => answer(hooks.get(caller, session, webhook).await),
            "rotateWebhookSecret" => answer(hooks.rotate_secret(caller, session, webhook).await),
            "deleteWebhook" => answer(hooks.delete(caller, session, webhook).await),
            "listDeadLetters" => {
                let found = hooks.dead_letters(caller, session, webhook, number("after"), number("limit")).await;
                answer(found.map(page_of))
            }
            "retryDeadLetter" => {
                answer(hooks.retry_dead_letter(caller, session, webhook, number("seq").unwrap()).await)
            }
            operation => panic!("no operation {operation}"),
        }
    }
}

/// What is left of an input for the body.
fn body<T: DeserializeOwned>(input: &Value) -> T {
    let mut fields = input.as_object().unwrap().clone();
    fields.retain(|name, _| !["session_id", "webhook_id"].contains(&name.as_str()));
    serde_json::from_value(fields.into()).unwrap()
}
