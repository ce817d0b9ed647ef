//! Reactions to messages.

use std::collections::{BTreeMap, BTreeSet};

use chatcore::{
    Chat, Error, MemoryStore, Principal, RateLimits,
    chat::MAX_REACTION_KINDS,
    model::{
        Emoji, EventKind, Message, MessageEvent, MessageId, MessageWindow, Page, ParticipantRole, SessionId,
        SessionType, UserId,
    },
    permission::Denial,
};

use super::{
    hooked::Hooked,
    kit::{assert_denied, room, say, session, user, user_id},
};

const KINDS: [&str; 21] = [
    "😀", "😃", "😄", "😁", "😆", "😅", "🤣", "😂", "🙂", "🙃", "😉", "😊", "😇", "🥰", "😍", "🤩", "😘", "😗", "😚",
    "😙", "😋",
];
const TOO_MANY: Error = Error::LimitExceeded { what: "the number of kinds of reactions to one message", limit: 20 };

fn emoji(text: &str) -> Emoji {
    Emoji::new(text).unwrap()
}

fn chat() -> Chat {
    Chat::builder(MemoryStore::new()).rates(RateLimits::off()).build()
}

type Shown = Vec<(String, u64, bool)>;

fn shown(message: Message) -> Shown {
    let reactions = message.reactions.expect("reactions are there");
    reactions.into_iter().map(|one| (one.emoji.to_string(), one.count, one.mine)).collect()
}

/// The reactions as each use case that shows messages shows them, which must be the same.
async fn reactions(chat: &Chat, who: &Principal, id: MessageId) -> Shown {
    let one = shown(chat.message(who, id).await.unwrap());
    let page = chat.messages(who, id.session_id, MessageWindow::Skip(0), None).await.unwrap().messages;
    let details = chat.session(who, id.session_id).await.unwrap().messages;
    let pins = chat.pins(who, id.session_id).await.unwrap().into_iter().map(|pin| pin.message).collect();
    for messages in [page, details, pins] {
        for message in messages.into_iter().filter(|message| message.id == id) {
            assert_eq!(shown(message), one);
        }
    }
    one
}

async fn reactors(chat: &Chat, who: &Principal, id: MessageId, kind: &str) -> Vec<String> {
    let page = chat.reactors(who, id, &emoji(kind), Page::FIRST).await.unwrap();
    page.iter().map(|reactor| reactor.user.user_id.to_string()).collect()
}

/// What the log tells of reactions.
async fn told(chat: &Chat, who: &Principal, id: SessionId) -> Vec<(MessageId, UserId, Emoji, bool, u64)> {
    let mut told = Vec::new();
    let mut after = 0.into();
    loop {
        let page = chat.events(who, id, after, Some(100)).await.unwrap();
        for view in &page.events {
            let of = |seq: &u64| MessageId { session_id: id, seq: *seq };
            let actor = view.event.actor.clone();
            match &view.event.kind {
                EventKind::Message(MessageEvent::Reacted { message, emoji, count }) => {
                    told.push((of(message), actor, emoji.clone(), true, *count));
                }
                EventKind::Message(MessageEvent::Unreacted { message, emoji, count }) => {
                    told.push((of(message), actor, emoji.clone(), false, *count));
                }
                _ => {}
            }
        }
        if page.next().seq == page.head.seq {
            return told;
        }
        after = chatcore::chat::Start::After(page.next());
    }
}

#[tokio::test]
async fn reactions_are_counted_once_and_shown_to_each_reader() {
    let (chat, alice, bob) = (chat(), user("alice"), user("bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    let message = say(&chat, &alice, id, "hello").await;
    chat.pin_message(&alice, message.id).await.unwrap();
    for _ in 0..2 {
        chat.add_reaction(&bob, message.id, &emoji("👍")).await.unwrap();
        chat.add_reaction(&alice, message.id, &emoji("❤")).await.unwrap();
        chat.add_reaction(&alice, message.id, &emoji("👍")).await.unwrap();
    }
    let thumb = |count, mine| ("👍".to_owned(), count, mine);
    let heart = |mine| ("❤️".to_owned(), 1, mine);
    assert_eq!(reactions(&chat, &alice, message.id).await, [thumb(2, true), heart(true)]);
    assert_eq!(reactions(&chat, &bob, message.id).await, [thumb(2, true), heart(false)]);
    assert_eq!(reactors(&chat, &bob, message.id, "👍").await, ["alice", "bob"]);
    assert_eq!(reactors(&chat, &bob, message.id, "❤️").await, ["alice"]);
    for _ in 0..2 {
        chat.remove_reaction(&bob, message.id, &emoji("👍")).await.unwrap();
        chat.remove_reaction(&alice, message.id, &emoji("❤️")).await.unwrap();
    }
    assert_eq!(reactions(&chat, &bob, message.id).await, [thumb(1, false)]);
    let counts: Vec<_> = told(&chat, &alice, id).await.into_iter().map(|(.., added, count)| (added, count)).collect();
    assert_eq!(counts, [(true, 1), (true, 1), (true, 2), (false, 1), (false, 0)]);
    // Other messages have none, and a message in an event says nothing of them.
    let other = say(&chat, &alice, id, "other").await;
    assert_eq!(reactions(&chat, &bob, other.id).await, []);
    let events = chat.events(&bob, id, 0, None).await.unwrap().events;
    assert!(events.iter().filter_map(|view| view.message()).all(|message| message.reactions.is_none()));
}

#[tokio::test]
async fn who_may_send_may_react() {
    let (chat, alice, bob, carol, dave) = (chat(), user("alice"), user("bob"), user("carol"), user("dave"));
    let id = room(&chat, &alice, &[&bob, &carol]).await;
    let message = say(&chat, &alice, id, "hello").await;
    chat.add_reaction(&bob, message.id, &emoji("👍")).await.unwrap();
    chat.change_role(&alice, id, &user_id("bob"), ParticipantRole::Viewer).await.unwrap();
    let before = (told(&chat, &alice, id).await, chat.session(&alice, id).await.unwrap().seq);
    for kind in ["👍", "👎"] {
        assert_denied(chat.add_reaction(&bob, message.id, &emoji(kind)).await, Denial::RoleInsufficient);
        assert_denied(chat.remove_reaction(&bob, message.id, &emoji(kind)).await, Denial::RoleInsufficient);
        assert_denied(chat.add_reaction(&dave, message.id, &emoji(kind)).await, Denial::NotParticipant);
        assert_denied(chat.reactors(&dave, message.id, &emoji(kind), Page::FIRST).await, Denial::NotParticipant);
    }
    assert_eq!(reactors(&chat, &bob, message.id, "👍").await, ["bob"]);
    let hidden = session(&chat, &alice, SessionType::InviteOnly).await;
    let secret = say(&chat, &alice, hidden, "secret").await;
    let nowhere = [
        (&bob, secret.id),
        (&alice, MessageId { seq: 1, ..message.id }),
        (&alice, MessageId { seq: 99, ..message.id }),
    ];
    for (who, id) in nowhere {
        assert_eq!(chat.add_reaction(who, id, &emoji("👍")).await, Err(Error::MessageNotFound));
        assert_eq!(chat.remove_reaction(who, id, &emoji("👍")).await, Err(Error::MessageNotFound));
        assert_eq!(chat.reactors(who, id, &emoji("👍"), Page::FIRST).await.unwrap_err(), Error::MessageNotFound);
    }
    assert_eq!((told(&chat, &alice, id).await, chat.session(&alice, id).await.unwrap().seq), before);
}

#[tokio::test]
async fn a_message_has_at_most_twenty_kinds() {
    let (chat, alice, bob) = (chat(), user("alice"), user("bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    let message = say(&chat, &alice, id, "hello").await;
    for kind in &KINDS[..MAX_REACTION_KINDS] {
        chat.add_reaction(&alice, message.id, &emoji(kind)).await.unwrap();
    }
    assert_eq!(chat.add_reaction(&bob, message.id, &emoji(KINDS[20])).await, Err(TOO_MANY));
    chat.add_reaction(&bob, message.id, &emoji(KINDS[3])).await.unwrap();
    chat.remove_reaction(&alice, message.id, &emoji(KINDS[3])).await.unwrap();
    assert_eq!(chat.add_reaction(&bob, message.id, &emoji(KINDS[20])).await, Err(TOO_MANY));
    chat.remove_reaction(&bob, message.id, &emoji(KINDS[3])).await.unwrap();
    chat.add_reaction(&bob, message.id, &emoji(KINDS[20])).await.unwrap();
    assert_eq!(reactions(&chat, &bob, message.id).await.len(), MAX_REACTION_KINDS);
}

#[tokio::test]
async fn a_deleted_message_has_no_reactions_and_gets_none() {
    let (chat, alice) = (chat(), user("alice"));
    let id = room(&chat, &alice, &[]).await;
    let message = say(&chat, &alice, id, "hello").await;
    chat.add_reaction(&alice, message.id, &emoji("👍")).await.unwrap();
    chat.delete_message(&alice, message.id, None).await.unwrap();
    let before = chat.session(&alice, id).await.unwrap().seq;
    assert_eq!(chat.add_reaction(&alice, message.id, &emoji("👎")).await, Err(Error::MessageDeleted));
    assert_eq!(chat.add_reaction(&alice, message.id, &emoji("👍")).await, Err(Error::MessageDeleted));
    chat.remove_reaction(&alice, message.id, &emoji("👍")).await.unwrap();
    assert_eq!(reactions(&chat, &alice, message.id).await, []);
    assert_eq!(reactors(&chat, &alice, message.id, "👍").await, [""; 0]);
    assert_eq!(chat.session(&alice, id).await.unwrap().seq, before);
}

#[tokio::test]
async fn a_deletion_between_reading_and_writing_wins() {
    let (store, alice) = (Hooked::default(), user("alice"));
    let (chat, elsewhere) = (Chat::new(store.clone()), Chat::new(store.intact()));
    let id = room(&chat, &alice, &[]).await;
    let message = say(&chat, &alice, id, "hello").await;
    let by = alice.clone();
    store.before_commit.once(async move { drop(elsewhere.delete_message(&by, message.id, None).await.unwrap()) });
    assert_eq!(chat.add_reaction(&alice, message.id, &emoji("👍")).await, Err(Error::MessageDeleted));
    assert!(store.before_commit.is_done());
    assert_eq!(told(&chat, &alice, id).await, []);
}

#[tokio::test]
async fn a_reaction_of_after_the_removal_of_the_reader_is_not_shown() {
    let (store, alice, bob) = (Hooked::default(), user("alice"), user("bob"));
    let (chat, elsewhere) = (Chat::new(store.clone()), Chat::new(store.intact()));
    let id = room(&chat, &alice, &[&bob]).await;
    let message = say(&chat, &alice, id, "hello").await;
    // After the decision about the reader, before the reactions are read.
    for _ in 0..2 {
        let (by, other) = (alice.clone(), elsewhere.clone());
        store.after_log.once(async move {
            other.remove_participant(&by, id, &user_id("bob")).await.unwrap();
            other.add_reaction(&by, message.id, &emoji("👍")).await.unwrap();
        });
        let shown = chat.message(&bob, message.id).await;
        assert!(store.after_log.is_done());
        assert_denied(shown, Denial::NotParticipant);
        elsewhere.add_participant(&alice, id, super::add("bob", None)).await.unwrap();
        elsewhere.remove_reaction(&alice, message.id, &emoji("👍")).await.unwrap();
    }
}

#[tokio::test]
async fn reactors_come_in_pages() {
    let (chat, alice) = (chat(), user("alice"));
    let others: Vec<Principal> = (0..7).map(|n| user(&format!("u{n}"))).collect();
    let id = room(&chat, &alice, &others.iter().collect::<Vec<_>>()).await;
    let message = say(&chat, &alice, id, "hello").await;
    for other in &others {
        chat.add_reaction(other, message.id, &emoji("👍")).await.unwrap();
        chat.add_reaction(other, message.id, &emoji("👎")).await.unwrap();
    }
    let (mut found, mut page) = (Vec::new(), Page { limit: Some(3), ..Page::FIRST });
    loop {
        let part = chat.reactors(&alice, message.id, &emoji("👍"), page.clone()).await.unwrap();
        found.extend(part.iter().map(|reactor| reactor.user.user_id.clone()));
        let Some(next) = part.next else { break };
        page = Page { after: Some(next), ..page };
    }
    assert_eq!(found, others.iter().map(|other| other.user_id.clone()).collect::<Vec<_>>());
    for limit in [0, 101] {
        let page = Page { limit: Some(limit), ..Page::FIRST };
        assert!(matches!(chat.reactors(&alice, message.id, &emoji("👍"), page).await, Err(Error::Invalid(_))));
    }
}

/// Two processes, eight users, three messages: what is shown is what the log tells, and no event changes nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn racing_reactions_leave_what_the_log_tells() {
    for round in 0..10_usize {
        let store = MemoryStore::new();
        let chats = [&store, &store].map(|store| Chat::builder(store.clone()).rates(RateLimits::off()).build());
        let users: Vec<Principal> = (0..8).map(|n| user(&format!("u{n}"))).collect();
        let id = room(&chats[0], &users[0], &users[1..].iter().collect::<Vec<_>>()).await;
        let mut messages = Vec::new();
        for n in 0..3 {
            messages.push(say(&chats[0], &users[0], id, &n.to_string()).await.id);
        }
        let racers = users.iter().enumerate().map(|(n, user)| {
            let (chat, user, messages) = (chats[n % 2].clone(), user.clone(), messages.clone());
            tokio::spawn(async move {
                for step in 0..12 {
                    let at = (n * 7 + step * 5 + round * 3) % 11;
                    let (message, kind) = (messages[at % 3], emoji(KINDS[at % 2]));
                    loop {
                        let done = if at < 7 {
                            chat.add_reaction(&user, message, &kind).await
                        } else {
                            chat.remove_reaction(&user, message, &kind).await
                        };
                        match done {
                            // Two processes may pass each other too often; nothing was changed.
                            Err(Error::Unavailable) => {}
                            done => break done.unwrap(),
                        }
                    }
                }
            })
        });
        for racer in racers.collect::<Vec<_>>() {
            racer.await.unwrap();
        }
        let mut model: BTreeMap<(MessageId, Emoji), BTreeSet<UserId>> = BTreeMap::new();
        for (message, user, kind, added, count) in told(&chats[0], &users[0], id).await {
            let reacted = model.entry((message, kind)).or_default();
            let changed = if added { reacted.insert(user) } else { reacted.remove(&user) };
            assert!(changed, "an event that changes nothing");
            assert_eq!(count, reacted.len() as u64);
        }
        model.retain(|_, users| !users.is_empty());
        for (reader, chat) in [(&users[0], &chats[0]), (&users[5], &chats[1])] {
            let mut found = BTreeMap::new();
            for message in &messages {
                for (kind, count, mine) in reactions(chat, reader, *message).await {
                    let who = reactors(chat, reader, *message, &kind).await;
                    assert_eq!((who.len() as u64, who.contains(&reader.user_id.to_string())), (count, mine));
                    found.insert((*message, emoji(&kind)), who.iter().map(|name| user_id(name)).collect());
                }
            }
            assert_eq!(found, model);
        }
    }
}
