//! Metadata of sessions.

use chatcore::{
    chat::{MAX_METADATA_BYTES, MAX_METADATA_DEPTH},
    model::Metadata,
};
use serde_json::{Value, json};

use super::{kit::next, *};

fn data(value: Value) -> Metadata {
    serde_json::from_value(value).unwrap()
}

fn holding(metadata: Option<Metadata>) -> UpdateSession {
    UpdateSession { metadata: Some(metadata), ..UpdateSession::default() }
}

fn made_with(value: Value) -> CreateSession {
    CreateSession { metadata: Some(data(value)), ..CreateSession::titled("Held").of_type(SessionType::Public) }
}

async fn shown(chat: &Chat, who: &Principal, id: SessionId) -> Option<Metadata> {
    chat.session(who, id).await.unwrap().summary.session.settings.metadata
}

#[tokio::test]
async fn a_session_is_made_with_metadata_that_those_who_edit_it_change() {
    let store = MemoryStore::new();
    let [chat, other] = [uncounted(store.clone()), uncounted(store)];
    let [alice, bob, carol, stranger] = ["alice", "bob", "carol", "stranger"].map(user);
    let made = chat.create_session(&alice, made_with(json!({ "ticket": 7 }))).await.unwrap();
    let id = id_of(&made);
    let first = Some(data(json!({ "ticket": 7 })));
    assert_eq!(made.summary.session.settings.metadata, first);
    let listed = chat.public_sessions(&stranger, Page::FIRST).await.unwrap();
    assert_eq!(listed.sessions[0].session.settings.metadata, first, "whoever sees the session sees them");
    for who in [&bob, &carol] {
        chat.join(who, id).await.unwrap();
    }
    chat.change_role(&alice, id, &carol.user_id, ADMIN).await.unwrap();
    let mut events = chat.subscribe(&bob, id, None).await.unwrap();
    let second = Some(data(json!({ "ticket": 8, "list": [null, { "a": 1.5 }] })));
    chat.update_session(&carol, id, holding(second.clone())).await.unwrap();
    assert_eq!((shown(&other, &bob, id).await, shown(&chat, &bob, id).await), (second.clone(), second.clone()));
    let told = next(&mut events).await;
    let changes = holding(second.clone());
    assert_eq!(told.event.kind, EventKind::Session(SessionEvent::Updated { changes }));
    let before = head(&chat, &alice, id).await;
    other.update_session(&alice, id, holding(second.clone())).await.unwrap();
    assert_eq!(head(&chat, &alice, id).await, before, "the same again changes nothing");
    chat.update_session(&alice, id, titled("Other")).await.unwrap();
    assert_eq!(shown(&chat, &bob, id).await, second, "they stay where a change does not name them");
    assert_denied(chat.update_session(&bob, id, holding(None)).await, Denial::RoleInsufficient);
    assert_eq!(shown(&chat, &bob, id).await, second);
    chat.update_session(&alice, id, holding(None)).await.unwrap();
    assert_eq!((shown(&chat, &bob, id).await, shown(&other, &bob, id).await), (None, None));
}

#[tokio::test]
async fn metadata_of_a_session_have_the_limits_of_those_of_messages() {
    let (chat, alice) = (uncounted(MemoryStore::new()), user("alice"));
    let id = id_of(&chat.create_session(&alice, made_with(json!({ "kept": true }))).await.unwrap());
    let before = head(&chat, &alice, id).await;
    let nested = |levels| (1..levels).fold(json!({}), |inner, _| json!({ "a": inner }));
    let long = |bytes: usize| json!({ "a": "x".repeat(bytes - r#"{"a":""}"#.len()) });
    for bad in [long(MAX_METADATA_BYTES + 1), nested(MAX_METADATA_DEPTH + 1), json!({ "a": [1_u64 << 53] })] {
        let invalid = Code::ValidationInvalidValue;
        assert_fault(chat.create_session(&alice, made_with(bad.clone())).await, "metadata", invalid);
        assert_fault(chat.update_session(&alice, id, holding(Some(data(bad)))).await, "metadata", invalid);
    }
    assert_eq!(head(&chat, &alice, id).await, before);
    assert_eq!(shown(&chat, &alice, id).await, Some(data(json!({ "kept": true }))));
    assert_eq!(chat.sessions(&alice, Page::FIRST).await.unwrap().entries.len(), 1, "no session was made");
    for good in [long(MAX_METADATA_BYTES), nested(MAX_METADATA_DEPTH), json!({}), json!({ "a": [(1_u64 << 53) - 1] })] {
        chat.create_session(&alice, made_with(good.clone())).await.unwrap();
        chat.update_session(&alice, id, holding(Some(data(good.clone())))).await.unwrap();
        assert_eq!(shown(&chat, &alice, id).await, Some(data(good)));
    }
}

#[tokio::test]
async fn metadata_are_part_of_a_retry_and_two_changes_at_once_keep_one_of_them() {
    let store = MemoryStore::new();
    let [chat, other] = [uncounted(store.clone()), uncounted(store)];
    let (alice, once) = (user("alice"), ClientId::new("once").unwrap());
    let make = |value| chat.create_session_once(&alice, &once, made_with(value));
    let id = id_of(&make(json!({ "a": 1 })).await.unwrap());
    chat.update_session(&alice, id, holding(None)).await.unwrap();
    assert_eq!(id_of(&make(json!({ "a": 1 })).await.unwrap()), id, "a retry finds the session, as it is now");
    assert_eq!(make(json!({ "a": 2 })).await.unwrap_err(), Error::ClientIdReused);
    // Each writes the whole session: a change of another setting at the same time takes nothing away.
    for n in 0..20 {
        let (title, value) = (format!("Title {n}"), Some(data(json!({ "n": n }))));
        let (left, right) = tokio::join!(
            chat.update_session(&alice, id, titled(&title)),
            other.update_session(&alice, id, holding(value.clone())),
        );
        left.and(right).unwrap();
        let session = chat.session(&alice, id).await.unwrap().summary.session;
        assert_eq!((session.title, session.settings.metadata), (title, value));
    }
}
