//! Metadata of participants.

use chatcore::{
    chat::{EventView, MAX_METADATA_BYTES, MAX_METADATA_DEPTH, SanctionUser},
    model::{Metadata, Participant},
};
use serde_json::{Value, json};

use super::{kit::next, *};

fn data(value: Value) -> Metadata {
    serde_json::from_value(value).unwrap()
}

async fn set(chat: &Chat, by: &Principal, id: SessionId, whom: &Principal, value: Value) -> Result<Participant, Error> {
    chat.set_participant_metadata(by, id, &whom.user_id, (!value.is_null()).then(|| data(value))).await
}

async fn shown(chat: &Chat, by: &Principal, id: SessionId, whom: &Principal) -> Value {
    let found = chat.participant(by, id, &whom.user_id, false).await.unwrap().metadata;
    let listed = chat.participants(by, id, Page::FIRST, false).await.unwrap();
    let listed = listed.iter().find(|one| one.profile.user_id == whom.user_id).and_then(|one| one.metadata.clone());
    assert_eq!(found, listed, "the list and the participant alone tell the same");
    json!(found)
}

fn changes(views: &[Arc<EventView>]) -> Vec<(String, Value)> {
    let change = |view: &Arc<EventView>| match &view.event.kind {
        EventKind::Participant(ParticipantEvent::MetadataChanged { user_id }) => {
            Some((user_id.to_string(), json!(view.metadata())))
        }
        _ => None,
    };
    views.iter().filter_map(change).collect()
}

#[tokio::test]
async fn managers_set_anybodys_and_each_participant_their_own() {
    let store = MemoryStore::new();
    let [chat, other] = [uncounted(store.clone()), uncounted(store)];
    let [alice, bob, carol, dave, eve] = ["alice", "bob", "carol", "dave", "eve"].map(user);
    let id = room(&chat, &alice, &[&bob, &carol, &dave]).await;
    chat.change_role(&alice, id, &bob.user_id, ADMIN).await.unwrap();
    chat.change_role(&alice, id, &dave.user_id, VIEWER).await.unwrap();
    let mut n = 0;
    for (by, whom) in [(&alice, &carol), (&bob, &alice), (&bob, &dave), (&carol, &carol), (&dave, &dave)] {
        n += 1;
        let changed = set(&chat, by, id, whom, json!({ "n": n })).await.unwrap();
        assert_eq!((json!(changed.metadata), &changed.profile.user_id), (json!({ "n": n }), &whom.user_id));
        assert_eq!(shown(&other, &alice, id, whom).await, json!({ "n": n }));
    }
    let before = head(&chat, &alice, id).await;
    for by in [&carol, &dave] {
        assert_denied(set(&chat, by, id, &bob, json!({})).await, Denial::RoleInsufficient);
        assert_denied(set(&chat, by, id, &alice, Value::Null).await, Denial::RoleInsufficient);
    }
    assert_denied(set(&chat, &eve, id, &eve, json!({})).await, Denial::NotParticipant);
    assert_denied(set(&chat, &eve, id, &alice, json!({})).await, Denial::NotParticipant);
    assert_denied(set(&chat, &alice, id, &eve, json!({})).await, Denial::TargetNotParticipant);
    assert_eq!(head(&chat, &alice, id).await, before);
    // A mute takes away what is said to others. Who may not even send sets their own.
    chat.mute_participant(&alice, id, &carol.user_id, SanctionUser::ENDLESS).await.unwrap();
    set(&chat, &carol, id, &carol, json!({ "muted": true })).await.unwrap();
    chat.archive_session(&alice, id).await.unwrap();
    assert_denied(set(&chat, &alice, id, &carol, json!({})).await, Denial::Archived);
    assert_denied(set(&chat, &carol, id, &carol, Value::Null).await, Denial::Archived);
}

#[tokio::test]
async fn a_change_is_told_once_and_a_replay_shows_what_is_now() {
    let chat = uncounted(MemoryStore::new());
    let [alice, bob] = ["alice", "bob"].map(user);
    let id = room(&chat, &alice, &[&bob]).await;
    let mut events = chat.subscribe(&bob, id, None).await.unwrap();
    set(&chat, &alice, id, &bob, json!({ "a": [1, null] })).await.unwrap();
    let view = next(&mut events).await;
    assert!(view.event.governs);
    assert_eq!(view.subject.as_ref().map(|user| &user.user_id), Some(&bob.user_id));
    assert_eq!(changes(&[view]), [("bob".to_owned(), json!({ "a": [1, null] }))]);
    let before = head(&chat, &alice, id).await;
    set(&chat, &bob, id, &bob, json!({ "a": [1, null] })).await.unwrap();
    set(&chat, &bob, id, &alice, Value::Null).await.unwrap_err();
    set(&chat, &alice, id, &alice, Value::Null).await.unwrap();
    assert_eq!(head(&chat, &alice, id).await, before, "the same again changes nothing");
    set(&chat, &bob, id, &bob, json!({})).await.unwrap();
    assert_eq!(changes(&[next(&mut events).await]), [("bob".to_owned(), json!({}))], "an empty object is one");
    let replay = |page: chatcore::chat::EventPage| changes(&page.events);
    let twice = |value: Value| vec![("bob".to_owned(), value.clone()), ("bob".to_owned(), value)];
    assert_eq!(replay(chat.events(&alice, id, 0, None).await.unwrap()), twice(json!({})));
    // The metadata go with the stay, also from what was told before.
    for leaves in [true, false] {
        if leaves {
            chat.leave(&bob, id).await.unwrap();
        } else {
            chat.ban_participant(&alice, id, &bob.user_id, SanctionUser::ENDLESS).await.unwrap();
            chat.unban_participant(&alice, id, &bob.user_id).await.unwrap();
        }
        let gone = chat.participant(&alice, id, &bob.user_id, false).await.unwrap();
        assert_eq!((gone.is_active, gone.metadata), (false, None));
        let told = replay(chat.events(&alice, id, 0, None).await.unwrap());
        assert!(told.len() >= 2 && told.iter().all(|(_, value)| value.is_null()), "{told:?}");
        assert_denied(set(&chat, &alice, id, &bob, json!({})).await, Denial::TargetNotParticipant);
        chat.join(&bob, id).await.unwrap();
        assert_eq!(shown(&chat, &alice, id, &bob).await, Value::Null, "whoever comes back begins without");
        set(&chat, &bob, id, &bob, json!({ "again": true })).await.unwrap();
    }
}

#[tokio::test]
async fn metadata_of_a_participant_have_the_limits_of_those_of_sessions() {
    let (chat, alice) = (uncounted(MemoryStore::new()), user("alice"));
    let id = room(&chat, &alice, &[]).await;
    set(&chat, &alice, id, &alice, json!({ "kept": true })).await.unwrap();
    let before = head(&chat, &alice, id).await;
    let nested = |levels| (1..levels).fold(json!({}), |inner, _| json!({ "a": inner }));
    let long = |bytes: usize| json!({ "a": "x".repeat(bytes - r#"{"a":""}"#.len()) });
    for bad in [long(MAX_METADATA_BYTES + 1), nested(MAX_METADATA_DEPTH + 1), json!({ "a": [1_u64 << 53] })] {
        let refused = set(&chat, &alice, id, &alice, bad).await;
        assert_fault(refused, "metadata", Code::ValidationInvalidValue);
    }
    assert_eq!(head(&chat, &alice, id).await, before);
    assert_eq!(shown(&chat, &alice, id, &alice).await, json!({ "kept": true }));
    for good in [long(MAX_METADATA_BYTES), nested(MAX_METADATA_DEPTH), json!({ "a": [(1_u64 << 53) - 1] })] {
        set(&chat, &alice, id, &alice, good.clone()).await.unwrap();
        assert_eq!(shown(&chat, &alice, id, &alice).await, good);
    }
}

#[tokio::test]
async fn changes_of_one_record_at_once_lose_nothing() {
    let store = MemoryStore::new();
    let [chat, other] = [uncounted(store.clone()), uncounted(store)];
    let [alice, bob] = ["alice", "bob"].map(user);
    let id = room(&chat, &alice, &[&bob]).await;
    for n in 0..20 {
        let role = if n % 2 == 0 { VIEWER } else { MEMBER };
        let (role_changed, described) = tokio::join!(
            chat.change_role(&alice, id, &bob.user_id, role),
            set(&other, &bob, id, &bob, json!({ "n": n })),
        );
        role_changed.and(described).unwrap();
        let found = chat.participant(&alice, id, &bob.user_id, false).await.unwrap();
        assert_eq!((found.role, json!(found.metadata)), (role, json!({ "n": n })));
    }
    // What the user set before the end of the stay goes with it, whichever came first.
    for _ in 0..20 {
        let (left, described) =
            tokio::join!(chat.leave(&bob, id), set(&other, &alice, id, &bob, json!({ "late": true })));
        left.unwrap();
        assert!(matches!(described.err(), None | Some(Error::Denied(Denial::TargetNotParticipant))));
        assert_eq!(chat.participant(&alice, id, &bob.user_id, false).await.unwrap().metadata, None);
        chat.join(&bob, id).await.unwrap();
    }
}

#[tokio::test]
async fn an_old_event_shows_a_removed_reader_nothing_of_later() {
    let store = hooked::Hooked::default();
    let (chat, elsewhere) = (uncounted(store.clone()), uncounted(store.intact()));
    let [alice, bob] = ["alice", "bob"].map(user);
    let id = room(&chat, &alice, &[&bob]).await;
    set(&chat, &alice, id, &alice, json!({ "secret": false })).await.unwrap();
    let whom = bob.user_id.clone();
    // Between the decision about the reader and the read of the metadata.
    store.after_log.once(async move {
        elsewhere.remove_participant(&alice, id, &whom).await.unwrap();
        set(&elsewhere, &alice, id, &alice, json!({ "secret": true })).await.unwrap();
    });
    assert_denied(chat.events(&bob, id, 0, None).await, Denial::NotParticipant);
}

#[tokio::test]
async fn other_changes_of_a_stay_keep_the_metadata() {
    let chat = uncounted(MemoryStore::new());
    let [alice, bob] = ["alice", "bob"].map(user);
    let id = room(&chat, &alice, &[&bob]).await;
    let data_of = |whom: &Principal| json!({ "id": whom.user_id.as_str() });
    for whom in [&alice, &bob] {
        set(&chat, &alice, id, whom, data_of(whom)).await.unwrap();
    }
    for step in ["mute", "unmute", "role", "message", "transfer"] {
        match step {
            "mute" => chat.mute_participant(&alice, id, &bob.user_id, SanctionUser::ENDLESS).await.unwrap(),
            "unmute" => chat.unmute_participant(&alice, id, &bob.user_id).await.unwrap(),
            "role" => drop(chat.change_role(&alice, id, &bob.user_id, ADMIN).await.unwrap()),
            "message" => drop(say(&chat, &bob, id, "hello").await),
            _ => drop(chat.transfer_ownership(&alice, id, &bob.user_id).await.unwrap()),
        }
        for whom in [&alice, &bob] {
            assert_eq!(shown(&chat, &alice, id, whom).await, data_of(whom), "{step}");
        }
    }
}
