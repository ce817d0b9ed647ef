//! Pinned messages.

use std::sync::atomic::Ordering;

use chatcore::{
    Chat, Error, MemoryStore, Principal, RateLimits,
    chat::{MAX_PINS, PinnedMessage, SendMessage},
    model::{EventKind, Message, MessageEvent, MessageId, ParticipantRole, Seq, SessionId, SessionType},
    permission::{Action, ActionKind, Denial, PermissionTable},
    store::{ChatStoreExt, Pins},
    wire::Command,
};
use serde_json::json;

use super::{
    hooked::Hooked,
    kit::{assert_denied, room, say, session, text_of, user, user_id},
};

async fn pinned(chat: &Chat, reader: &Principal, id: SessionId) -> Vec<String> {
    chat.pins(reader, id).await.unwrap().iter().map(|pin| text_of(&pin.message).to_owned()).collect()
}

async fn kinds(chat: &Chat, reader: &Principal, id: SessionId, after: Seq) -> Vec<EventKind> {
    let page = chat.events(reader, id, after, None).await.unwrap();
    page.events.iter().map(|view| view.event.kind.clone()).collect()
}

fn pin_of(message: &Message) -> EventKind {
    EventKind::Message(MessageEvent::Pinned { message: message.seq })
}

fn unpin_of(message: &Message) -> EventKind {
    EventKind::Message(MessageEvent::Unpinned { message: message.seq })
}

async fn full(chat: &Chat, owner: &Principal, id: SessionId) -> Vec<Message> {
    let mut messages = Vec::new();
    for n in 0..MAX_PINS {
        let message = say(chat, owner, id, &n.to_string()).await;
        chat.pin_message(owner, message.id).await.unwrap();
        messages.push(message);
    }
    messages
}

const TOO_MANY: Error = Error::LimitExceeded { what: "the number of pinned messages", limit: 50 };

#[tokio::test]
async fn messages_are_pinned_and_unpinned() {
    let (chat, alice, bob) = (Chat::in_memory(), user("alice"), user("bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    let (first, second) = (say(&chat, &bob, id, "first").await, say(&chat, &alice, id, "second").await);
    assert!(chat.pins(&bob, id).await.unwrap().is_empty());
    chat.pin_message(&alice, second.id).await.unwrap();
    chat.pin_message(&alice, first.id).await.unwrap();
    let pins = chat.pins(&bob, id).await.unwrap();
    let PinnedMessage { message, pinned_by, pinned_at } = &pins[0];
    assert_eq!((message, &pinned_by.user_id), (&first, &alice.user_id));
    let page = chat.events(&bob, id, second.seq, None).await.unwrap();
    assert_eq!(page.events[1].event.created_at, *pinned_at);
    assert_eq!(pins[1].message, second);
    assert_eq!(kinds(&chat, &bob, id, second.seq).await, [pin_of(&second), pin_of(&first)]);

    chat.unpin_message(&alice, second.id).await.unwrap();
    assert_eq!(pinned(&chat, &bob, id).await, ["first"]);
    chat.pin_message(&alice, second.id).await.unwrap();
    assert_eq!(pinned(&chat, &bob, id).await, ["second", "first"]);
    assert_eq!(kinds(&chat, &bob, id, second.seq + 2).await, [unpin_of(&second), pin_of(&second)]);
    let details = chat.session(&bob, id).await.unwrap();
    assert_eq!((details.summary.message_count, details.messages), (2, vec![first, second]));
}

#[tokio::test]
async fn a_pin_shows_the_message_as_it_is_now() {
    let (chat, alice) = (Chat::in_memory(), user("alice"));
    let id = room(&chat, &alice, &[]).await;
    let message = say(&chat, &alice, id, "one").await;
    chat.pin_message(&alice, message.id).await.unwrap();
    let edited = chat.edit_message(&alice, message.id, chatcore::chat::EditMessage::text("two")).await.unwrap();
    assert_eq!(chat.pins(&alice, id).await.unwrap()[0].message, edited);
}

#[tokio::test]
async fn a_retry_changes_nothing() {
    let (chat, alice) = (Chat::in_memory(), user("alice"));
    let id = room(&chat, &alice, &[]).await;
    let message = say(&chat, &alice, id, "one").await;
    chat.unpin_message(&alice, message.id).await.unwrap();
    assert_eq!(kinds(&chat, &alice, id, message.seq).await, []);
    chat.pin_message(&alice, message.id).await.unwrap();
    let pins = chat.pins(&alice, id).await.unwrap();
    chat.pin_message(&alice, message.id).await.unwrap();
    assert_eq!(chat.pins(&alice, id).await.unwrap(), pins);
    chat.unpin_message(&alice, message.id).await.unwrap();
    chat.unpin_message(&alice, message.id).await.unwrap();
    assert_eq!(kinds(&chat, &alice, id, message.seq).await, [pin_of(&message), unpin_of(&message)]);
}

#[tokio::test]
async fn owner_and_admins_pin_and_all_participants_see_it() {
    let (chat, alice, bob, carol, dave) = (Chat::in_memory(), user("alice"), user("bob"), user("carol"), user("dave"));
    let id = room(&chat, &alice, &[&bob, &carol]).await;
    let message = say(&chat, &carol, id, "one").await;
    chat.change_role(&alice, id, &user_id("bob"), ParticipantRole::Admin).await.unwrap();
    let denied = async |who: &Principal, denial: Denial| {
        let before = (pinned(&chat, &alice, id).await, chat.session(&alice, id).await.unwrap().seq);
        assert_denied(chat.pin_message(who, message.id).await, denial);
        assert_denied(chat.unpin_message(who, message.id).await, denial);
        assert_eq!((pinned(&chat, &alice, id).await, chat.session(&alice, id).await.unwrap().seq), before);
    };
    denied(&carol, Denial::RoleInsufficient).await;
    denied(&dave, Denial::NotParticipant).await;
    chat.pin_message(&bob, message.id).await.unwrap();
    denied(&carol, Denial::RoleInsufficient).await;
    denied(&dave, Denial::NotParticipant).await;
    chat.change_role(&alice, id, &user_id("carol"), ParticipantRole::Viewer).await.unwrap();
    denied(&carol, Denial::RoleInsufficient).await;
    assert_eq!(pinned(&chat, &carol, id).await, ["one"]);
    assert_denied(chat.pins(&dave, id).await, Denial::NotParticipant);
    chat.unpin_message(&alice, message.id).await.unwrap();
    assert_eq!(pinned(&chat, &carol, id).await, [""; 0]);
}

#[tokio::test]
async fn the_table_decides_and_so_does_the_policy() {
    let table = PermissionTable::default().with(ParticipantRole::Member, ActionKind::PinMessage, true);
    let (alice, bob) = (user("alice"), user("bob"));
    let chat = Chat::builder(MemoryStore::new()).permissions(table).policy(Shut).build();
    let id = room(&chat, &alice, &[&bob]).await;
    let (open, shut) = (say(&chat, &alice, id, "open").await, say(&chat, &bob, id, "shut").await);
    chat.pin_message(&bob, open.id).await.unwrap();
    for refused in [chat.pin_message(&alice, shut.id).await, chat.unpin_message(&alice, shut.id).await] {
        assert_eq!(refused.unwrap_err().name(), "SHUT");
    }
    assert_eq!(pinned(&chat, &alice, id).await, ["open"]);
}

/// Refuses to pin what `bob` said.
struct Shut;

#[chatcore::async_trait]
impl chatcore::Policy for Shut {
    async fn check(&self, attempt: &chatcore::chat::Attempt<'_>) -> Result<(), chatcore::Refusal> {
        match attempt.operation {
            chatcore::chat::Operation::InSession { action: Action::PinMessage, target: Some(target), .. }
                if *target == user_id("bob") =>
            {
                Err(chatcore::Refusal::new("SHUT", "not this one"))
            }
            _ => Ok(()),
        }
    }
}

#[tokio::test]
async fn what_is_hidden_or_is_no_message_is_not_found() {
    let (chat, alice, bob) = (Chat::in_memory(), user("alice"), user("bob"));
    let id = session(&chat, &alice, SessionType::InviteOnly).await;
    let message = say(&chat, &alice, id, "secret").await;
    let nowhere = [
        (&bob, message.id),
        (&alice, MessageId { seq: 1, ..message.id }),
        (&alice, MessageId { seq: 9, ..message.id }),
    ];
    for (who, id) in nowhere {
        assert_eq!(chat.pin_message(who, id).await.unwrap_err(), Error::MessageNotFound);
        assert_eq!(chat.unpin_message(who, id).await.unwrap_err(), Error::MessageNotFound);
    }
    assert_denied(chat.pins(&bob, id).await, Denial::Hidden);
    chat.pin_message(&alice, message.id).await.unwrap();
    chat.delete_session(&alice, id).await.unwrap();
    assert_eq!(chat.unpin_message(&alice, message.id).await.unwrap_err(), Error::MessageNotFound);
    assert_denied(chat.pins(&alice, id).await, Denial::Hidden);
}

#[tokio::test]
async fn a_deleted_message_loses_its_pin_and_gets_no_other() {
    let store = MemoryStore::new();
    let (chat, alice) = (Chat::new(store.clone()), user("alice"));
    let id = room(&chat, &alice, &[]).await;
    let (kept, gone) = (say(&chat, &alice, id, "kept").await, say(&chat, &alice, id, "gone").await);
    chat.pin_message(&alice, gone.id).await.unwrap();
    chat.delete_message(&alice, gone.id, None).await.unwrap();
    assert_eq!(pinned(&chat, &alice, id).await, [""; 0]);
    let before = chat.session(&alice, id).await.unwrap().seq;
    assert_eq!(chat.pin_message(&alice, gone.id).await.unwrap_err(), Error::MessageDeleted);
    chat.unpin_message(&alice, gone.id).await.unwrap();
    assert_eq!(chat.session(&alice, id).await.unwrap().seq, before);
    chat.pin_message(&alice, kept.id).await.unwrap();
    let stored = store.get(&Pins { session: id }).await.unwrap().unwrap();
    let stored: Vec<Seq> = stored.value.pins.iter().map(|pin| pin.message).collect();
    assert_eq!(stored, [kept.seq], "a write keeps no pin of a deleted message");
}

#[tokio::test]
async fn a_session_has_at_most_fifty_pins() {
    let (chat, alice) = (Chat::in_memory(), user("alice"));
    let id = room(&chat, &alice, &[]).await;
    let messages = full(&chat, &alice, id).await;
    let more = say(&chat, &alice, id, "more").await;
    assert_eq!(chat.pin_message(&alice, more.id).await.unwrap_err(), TOO_MANY);
    // A retry of what succeeded still succeeds.
    chat.pin_message(&alice, messages[7].id).await.unwrap();
    chat.unpin_message(&alice, messages[7].id).await.unwrap();
    chat.pin_message(&alice, more.id).await.unwrap();
    assert_eq!(chat.pin_message(&alice, messages[7].id).await.unwrap_err(), TOO_MANY);
    chat.delete_message(&alice, messages[8].id, None).await.unwrap();
    chat.pin_message(&alice, messages[7].id).await.unwrap();
    assert_eq!(chat.pins(&alice, id).await.unwrap().len(), MAX_PINS);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sixty_pins_race_for_fifty_places() {
    let store = MemoryStore::new();
    let chats = [Chat::new(store.clone()), Chat::new(store)];
    let (chat, alice) = (&chats[0], user("alice"));
    let id = room(chat, &alice, &[]).await;
    let mut racers = Vec::new();
    for n in 0..60 {
        let message = say(chat, &alice, id, &n.to_string()).await;
        racers.push((chats[n % 2].clone(), message));
    }
    let racers = racers.into_iter().map(|(chat, message)| {
        let alice = alice.clone();
        tokio::spawn(async move {
            loop {
                match chat.pin_message(&alice, message.id).await {
                    // Two processes may pass each other too often; nothing was changed.
                    Err(Error::Unavailable) => {}
                    Ok(()) => return Some(message),
                    Err(error) => {
                        assert_eq!(error, TOO_MANY);
                        return None;
                    }
                }
            }
        })
    });
    let mut won = Vec::new();
    for racer in racers.collect::<Vec<_>>() {
        won.extend(racer.await.unwrap());
    }
    assert_eq!(won.len(), MAX_PINS);
    let mut listed: Vec<Message> = chat.pins(&alice, id).await.unwrap().into_iter().map(|pin| pin.message).collect();
    listed.sort_by_key(|message| message.seq);
    assert_eq!(listed, won);
    assert_eq!(kinds(chat, &alice, id, 61).await.len(), MAX_PINS);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn racing_pins_and_unpins_leave_what_the_log_tells() {
    for _ in 0..20 {
        let store = MemoryStore::new();
        let chats = [Chat::new(store.clone()), Chat::new(store)];
        let alice = user("alice");
        let id = room(&chats[0], &alice, &[]).await;
        let messages = [say(&chats[0], &alice, id, "a").await, say(&chats[0], &alice, id, "b").await];
        let racers = (0..16).map(|n| {
            let (chat, alice, message) = (chats[n % 2].clone(), alice.clone(), messages[n / 2 % 2].id);
            tokio::spawn(async move {
                if n / 4 % 2 == 0 {
                    chat.pin_message(&alice, message).await
                } else {
                    chat.unpin_message(&alice, message).await
                }
            })
        });
        for racer in racers.collect::<Vec<_>>() {
            racer.await.unwrap().unwrap();
        }
        let mut told: Vec<Seq> = Vec::new();
        for kind in kinds(&chats[1], &alice, id, messages[1].seq).await {
            match kind {
                EventKind::Message(MessageEvent::Pinned { message }) => {
                    assert!(!told.contains(&message), "pinned twice");
                    told.insert(0, message);
                }
                EventKind::Message(MessageEvent::Unpinned { message }) => {
                    let place = told.iter().position(|seq| *seq == message).expect("it was pinned");
                    told.remove(place);
                }
                other => panic!("{other:?}"),
            }
        }
        let listed: Vec<Seq> = chats[0].pins(&alice, id).await.unwrap().iter().map(|pin| pin.message.seq).collect();
        assert_eq!(listed, told);
    }
}

#[tokio::test]
async fn a_change_of_another_process_meanwhile_is_seen() {
    let (store, alice) = (Hooked::default(), user("alice"));
    let (chat, elsewhere) = (Chat::new(store.clone()), Chat::new(store.intact()));
    let id = room(&chat, &alice, &[]).await;
    let (first, second) = (say(&chat, &alice, id, "first").await, say(&chat, &alice, id, "second").await);
    let by = alice.clone();
    store.before_commit.once(async move { elsewhere.pin_message(&by, first.id).await.unwrap() });
    chat.pin_message(&alice, second.id).await.unwrap();
    assert!(store.before_commit.is_done());
    assert_eq!(pinned(&chat, &alice, id).await, ["second", "first"]);
}

#[tokio::test]
async fn a_message_that_is_deleted_meanwhile_is_not_pinned() {
    for deleted_before in [false, true] {
        let (store, alice) = (Hooked::default(), user("alice"));
        let (chat, elsewhere) = (Chat::new(store.clone()), Chat::new(store.intact()));
        let id = room(&chat, &alice, &[]).await;
        let (first, second) = (say(&chat, &alice, id, "first").await, say(&chat, &alice, id, "second").await);
        if deleted_before {
            elsewhere.delete_message(&alice, first.id, None).await.unwrap();
        }
        // The first try reads the message, and the deletion comes before its commit.
        let by = alice.clone();
        store.before_commit.once(async move { drop(elsewhere.delete_message(&by, second.id, None).await.unwrap()) });
        assert_eq!(chat.pin_message(&alice, second.id).await, Err(Error::MessageDeleted));
        assert!(store.before_commit.is_done());
        let told = kinds(&chat, &alice, id, second.seq).await;
        assert!(!told.contains(&pin_of(&second)), "{told:?}");
        assert!(chat.pins(&alice, id).await.unwrap().is_empty());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_a_pin_and_a_deletion_one_is_first() {
    let (store, alice) = (MemoryStore::new(), user("alice"));
    // Two processes.
    let [chat, elsewhere] = [&store, &store].map(|store| Chat::builder(store.clone()).rates(RateLimits::off()).build());
    let id = room(&chat, &alice, &[]).await;
    for n in 0..200 {
        let message = say(&chat, &alice, id, &n.to_string()).await;
        let (one, by) = (chat.clone(), alice.clone());
        let pin = tokio::spawn(async move { one.pin_message(&by, message.id).await });
        let (other, by) = (elsewhere.clone(), alice.clone());
        let deletion = tokio::spawn(async move { other.delete_message(&by, message.id, None).await });
        let (pin, deletion) = (pin.await.unwrap(), deletion.await.unwrap());
        deletion.unwrap();
        let deleted = EventKind::Message(MessageEvent::Deleted { messages: vec![message.seq], expired: false });
        let expected = match pin {
            Ok(()) => vec![pin_of(&message), deleted],
            Err(error) => {
                assert_eq!(error, Error::MessageDeleted);
                vec![deleted]
            }
        };
        assert_eq!(kinds(&chat, &alice, id, message.seq).await, expected);
        assert!(chat.pins(&alice, id).await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn cached_rights_that_no_longer_hold_allow_and_tell_nothing() {
    let (store, alice, bob) = (Hooked::default(), user("alice"), user("bob"));
    let (chat, elsewhere) = (Chat::new(store.clone()), Chat::new(store.intact()));
    let id = room(&elsewhere, &alice, &[&bob]).await;
    elsewhere.change_role(&alice, id, &bob.user_id, ParticipantRole::Admin).await.unwrap();
    let messages = full(&elsewhere, &alice, id).await;
    let more = say(&elsewhere, &alice, id, "more").await;
    store.remembers.store(true, Ordering::SeqCst);
    chat.send(&bob, id, SendMessage::text("so that facts are cached")).await.unwrap();
    elsewhere.change_role(&alice, id, &bob.user_id, ParticipantRole::Member).await.unwrap();
    elsewhere.delete_message(&alice, messages[0].id, None).await.unwrap();
    let denial = Denial::RoleInsufficient;
    // Changes, and what would change nothing.
    for message in [messages[0].id, messages[1].id, more.id] {
        assert_denied(chat.pin_message(&bob, message).await, denial);
        assert_denied(chat.unpin_message(&bob, message).await, denial);
    }
    assert_eq!(elsewhere.pins(&alice, id).await.unwrap().len(), MAX_PINS - 1);
}

#[tokio::test]
async fn a_pin_of_after_the_decision_is_decided_on_again() {
    let (store, alice, bob) = (Hooked::default(), user("alice"), user("bob"));
    let (chat, elsewhere) = (Chat::new(store.clone()), Chat::new(store.intact()));
    let id = room(&chat, &alice, &[&bob]).await;
    chat.change_role(&alice, id, &bob.user_id, ParticipantRole::Admin).await.unwrap();
    let message = say(&chat, &alice, id, "one").await;
    chat.pin_message(&alice, message.id).await.unwrap();
    // The first turn, on cached facts, reads the message and the pins. The second turn has fresh facts before this.
    store.before_log.once(async {});
    store.before_log.once(async {});
    let (owner, admin) = (alice.clone(), bob.clone());
    store.before_log.once(async move {
        elsewhere.change_role(&owner, id, &admin.user_id, ParticipantRole::Member).await.unwrap();
        elsewhere.unpin_message(&owner, message.id).await.unwrap();
        elsewhere.pin_message(&owner, message.id).await.unwrap();
    });
    assert_denied(chat.pin_message(&bob, message.id).await, Denial::RoleInsufficient);
    assert!(store.before_log.is_done());
}

#[tokio::test]
async fn a_list_shows_nothing_that_was_written_after_its_reader_was_removed() {
    for removes in [true, false] {
        let (store, alice, bob) = (Hooked::default(), user("alice"), user("bob"));
        let (chat, elsewhere) = (Chat::new(store.clone()), Chat::new(store.intact()));
        let id = room(&chat, &alice, &[&bob]).await;
        let message = say(&chat, &alice, id, "harmless").await;
        chat.pin_message(&alice, message.id).await.unwrap();
        let (owner, reader) = (alice.clone(), bob.clone());
        store.before_log.once(async move {
            if removes {
                elsewhere.remove_participant(&owner, id, &reader.user_id).await.unwrap();
            }
            let edit = chatcore::chat::EditMessage::text("secret");
            elsewhere.edit_message(&owner, message.id, edit).await.unwrap();
        });
        let shown = chat.pins(&bob, id).await;
        assert!(store.before_log.is_done());
        if removes {
            assert_denied(shown, Denial::NotParticipant);
        } else {
            assert_eq!(text_of(&shown.unwrap()[0].message), "secret");
        }
    }
}

#[tokio::test]
async fn pins_are_commands_and_frames() {
    let (chat, alice) = (Chat::in_memory(), user("alice"));
    let id = room(&chat, &alice, &[]).await;
    let message = say(&chat, &alice, id, "one").await;
    for (name, pins) in [("pin_message", 1), ("unpin_message", 0)] {
        assert!(Command::FRAMES.contains(&name));
        let data = json!({ "message_id": message.id }).as_object().unwrap().clone();
        let answer = Command::read(name, data).unwrap().unwrap().perform(&chat, &alice).await.unwrap();
        assert_eq!(serde_json::to_value(&answer).unwrap(), json!({ "session_id": id }));
        assert_eq!(answer.cursor(), None);
        assert_eq!(chat.pins(&alice, id).await.unwrap().len(), pins);
    }
    let extra = json!({ "message_id": message.id, "colour": "red" }).as_object().unwrap().clone();
    assert!(Command::read("pin_message", extra).unwrap().is_err());
    let page = chat.events(&alice, id, message.seq, None).await.unwrap();
    let shown: Vec<_> = page.events.iter().map(|view| serde_json::to_value(&**view).unwrap()).collect();
    for (view, name, by) in [(&shown[0], "message_pinned", "pinned_by"), (&shown[1], "message_unpinned", "unpinned_by")]
    {
        assert_eq!(view["event"], name);
        let data = json!({
            "seq": view["seq"], "message_id": message.id, by: "alice", "session_id": id,
            "created_at": view["data"]["created_at"],
        });
        assert_eq!(view["data"], data);
    }
}

#[tokio::test]
async fn a_pin_of_a_message_that_cannot_be_read_stays() {
    let store = Hooked::default();
    let (chat, alice) = (Chat::new(store.clone()), user("alice"));
    let id = room(&chat, &alice, &[]).await;
    let (first, second) = (say(&chat, &alice, id, "first").await, say(&chat, &alice, id, "second").await);
    chat.pin_message(&alice, first.id).await.unwrap();
    store.unreadable.lock().unwrap().push(first.seq);
    chat.pin_message(&alice, second.id).await.unwrap();
    assert_eq!(pinned(&chat, &alice, id).await, ["second"]);
    store.unreadable.lock().unwrap().clear();
    assert_eq!(pinned(&chat, &alice, id).await, ["second", "first"]);
}
