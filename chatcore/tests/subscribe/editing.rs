//! Edits and deletions in streams: a reader gets what may be seen now, and no deleted text.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use chatcore::{
    Chat, Error, InProcessNotifier, Limits, MemoryStore, Notifier, Principal,
    chat::{AllDelivery, AllSubscription, Delivery, EditMessage, Encoding, EventView, Position, Subscription},
    model::{
        Content, EventKind, Message, MessageEvent, MessageId, NewEvent, ParticipantRole, Seq, SessionId, Standing,
    },
    notify::{Hint, Topic},
    permission::Denial,
    store::{Change, ChatStore, ChatStoreExt, ParticipantRecord, Participants, TypedKey},
};
use futures_util::{StreamExt as _, stream::BoxStream};

use super::{
    hooked::Hooked,
    kit::{in_time, next, room, say, take, text_of, told, user},
};

fn to(text: &str) -> EditMessage {
    EditMessage::text(text)
}

/// The text that a view shows; `-` where it shows none, `deleted` where it is gone.
fn shown(view: &EventView) -> String {
    match view.message().map(|message| message.body.content) {
        None => "-".to_owned(),
        Some(Content::Deleted) => "deleted".to_owned(),
        Some(Content::Text(text)) => text,
        Some(Content::Encrypted(content)) => content.encrypted_data,
    }
}

async fn texts(events: &mut Subscription, count: usize) -> Vec<String> {
    take(events, count).await.iter().map(|view| shown(view)).collect()
}

/// What ends a stream, after what it still brings.
async fn ending(events: &mut Subscription) -> (Vec<String>, Option<Error>) {
    let mut texts = Vec::new();
    loop {
        match in_time(events.next_event()).await {
            None => return (texts, None),
            Some(Ok(view)) => texts.push(shown(&view)),
            Some(Err(error)) => return (texts, Some(error)),
        }
    }
}

#[tokio::test]
async fn readers_are_told_of_edits_and_deletions() {
    let (chat, alice, bob) = (Chat::in_memory(), user("alice"), user("bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    let message = say(&chat, &bob, id, "one").await;
    let mut events = chat.subscribe(&alice, id, None).await.unwrap();
    let edited = chat.edit_message(&bob, message.id, to("two")).await.unwrap();
    let view = next(&mut events).await;
    assert_eq!(view.event.kind, EventKind::Message(MessageEvent::Edited { message: message.seq, revision: 2 }));
    assert_eq!((view.message(), &view.actor.user_id), (Some(told(edited)), &bob.user_id));

    let gone = chat.delete_message(&alice, message.id, None).await.unwrap();
    let view = next(&mut events).await;
    assert_eq!(
        view.event.kind,
        EventKind::Message(MessageEvent::Deleted { messages: vec![message.seq], expired: false })
    );
    assert_eq!((view.message(), &view.actor.user_id), (None, &alice.user_id));
    let mut replay = chat.subscribe(&bob, id, Some(2)).await.unwrap();
    let all = take(&mut replay, 3).await;
    assert_eq!(all[0].message(), Some(told(gone.clone())));
    assert_eq!(all[1].message(), Some(told(gone)));
}

struct AsText;

impl Encoding for AsText {
    type Output = String;

    fn encode(view: &EventView) -> String {
        shown(view)
    }
}

#[tokio::test]
async fn memory_keeps_no_text_that_was_replaced() {
    let (chat, alice) = (Chat::in_memory(), user("alice"));
    let id = room(&chat, &alice, &[]).await;
    // Somebody listens the whole time, so that the tail stays.
    let mut events = chat.subscribe(&alice, id, Some(0)).await.unwrap();
    let (first, second) = (say(&chat, &alice, id, "one").await, say(&chat, &alice, id, "other").await);
    for view in take(&mut events, 3).await {
        assert_eq!(view.encoded::<AsText>(), shown(&view));
    }
    let replay = async |expected: &[&str]| {
        let mut events = chat.subscribe(&alice, id, Some(1)).await.unwrap();
        let views = take(&mut events, expected.len()).await;
        let encoded: Vec<_> = views.iter().map(|view| view.encoded::<AsText>()).collect();
        assert_eq!(encoded, expected);
    };
    chat.edit_message(&alice, first.id, to("two")).await.unwrap();
    replay(&["two", "other", "two"]).await;
    assert_eq!(texts(&mut events, 1).await, ["two"]);
    chat.edit_message(&alice, first.id, to("three")).await.unwrap();
    replay(&["three", "other", "three", "three"]).await;
    assert_eq!(texts(&mut events, 1).await, ["three"]);
    chat.delete_message(&alice, first.id, None).await.unwrap();
    replay(&["deleted", "other", "deleted", "deleted", "-"]).await;
    chat.delete_message(&alice, second.id, None).await.unwrap();
    replay(&["deleted", "deleted", "deleted", "deleted", "-", "-"]).await;
}

#[tokio::test]
async fn a_reader_that_is_behind_never_sees_a_deleted_text() {
    for kept in [1, 4, 256] {
        let limits = Limits { tail_events: kept, ..Limits::default() };
        let chat = Chat::builder(MemoryStore::new()).limits(limits).build();
        let alice = user("alice");
        let id = room(&chat, &alice, &[]).await;
        let mut slow = chat.subscribe(&alice, id, Some(0)).await.unwrap();
        let mut messages = Vec::new();
        for n in 0..10 {
            messages.push(say(&chat, &alice, id, &n.to_string()).await);
        }
        // From here on it has taken what comes next already.
        assert_eq!(texts(&mut slow, 2).await, ["-", "0"]);
        let edited = chat.edit_message(&alice, messages[5].id, to("five")).await.unwrap();
        for gone in [1, 3, 5] {
            chat.delete_message(&alice, messages[gone].id, None).await.unwrap();
        }
        let expected = ["deleted", "2", "deleted", "4", "deleted", "6", "7", "8", "9", "deleted", "-", "-", "-"];
        assert_eq!(texts(&mut slow, 13).await, expected);
        assert_eq!(edited.revision, 2);
    }
}

#[tokio::test]
async fn what_was_read_before_a_deletion_is_not_delivered_after_it() {
    let (store, alice) = (Hooked::default(), user("alice"));
    let limits = Limits { tail_events: 1, ..Limits::default() };
    let chat = Chat::builder(store.clone()).limits(limits).build();
    let id = room(&chat, &alice, &[]).await;
    let messages = [say(&chat, &alice, id, "0").await, say(&chat, &alice, id, "1").await];
    let mut events = chat.subscribe(&alice, id, Some(1)).await.unwrap();
    store.after_log.once({
        let (chat, alice, message) = (chat.clone(), alice.clone(), messages[0].id);
        async move {
            chat.delete_message(&alice, message, None).await.unwrap();
        }
    });
    assert_eq!(texts(&mut events, 3).await, ["deleted", "1", "-"]);
    assert!(store.after_log.is_done());
}

#[tokio::test]
async fn a_read_under_way_is_compared_with_all_deletions_since_it_began() {
    let (store, alice) = (Hooked::default(), user("alice"));
    let limits = Limits { tail_events: 1, ..Limits::default() };
    let chat = Chat::builder(store.clone()).limits(limits).build();
    let id = room(&chat, &alice, &[]).await;
    let messages = [say(&chat, &alice, id, "0").await, say(&chat, &alice, id, "1").await];
    let mut events = chat.subscribe(&alice, id, Some(1)).await.unwrap();
    store.after_log.once({
        let (chat, alice, message) = (chat.clone(), alice.clone(), messages[0].id);
        async move {
            chat.delete_message(&alice, message, None).await.unwrap();
            // The reader is polled while it still reads.
            for _ in 0..16 {
                tokio::task::yield_now().await;
            }
        }
    });
    assert_eq!(texts(&mut events, 3).await, ["deleted", "1", "-"]);
    assert!(store.after_log.is_done());
}

/// Hints without events, so that the log is read for each; after the first ones, hints are lost.
struct Terse {
    notifier: InProcessNotifier,
    left: AtomicUsize,
}

#[async_trait]
impl Notifier for Terse {
    async fn publish(&self, hint: Hint) {
        let Hint::Committed { session_id, head, events: _ } = hint else { return };
        if self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok() {
            self.notifier.publish(Hint::Committed { session_id, head, events: Vec::new() }).await;
        }
    }

    async fn listen(&self, topic: Topic) -> BoxStream<'static, Hint> {
        self.notifier.listen(topic).await
    }
}

#[tokio::test(start_paused = true)]
async fn a_tail_that_reads_while_a_message_is_deleted_keeps_no_text() {
    let (store, alice) = (Hooked::default(), user("alice"));
    // The room and the message are told of, the deletion is not.
    let terse = Terse { notifier: InProcessNotifier::new(), left: AtomicUsize::new(2) };
    let limits = Limits { poll_interval: Duration::from_secs(3_600), ..Limits::default() };
    let chat = Chat::builder(store.clone()).limits(limits).notifier(terse).build();
    let id = room(&chat, &alice, &[]).await;
    let mut events = chat.subscribe(&alice, id, Some(1)).await.unwrap();
    let gone = Arc::new(Mutex::new(None::<Message>));
    store.after_log.once({
        let (store, chat, alice, gone) = (store.clone(), chat.clone(), alice.clone(), Arc::clone(&gone));
        async move {
            let message = MessageId { session_id: id, seq: 2 };
            *gone.lock().unwrap() = Some(chat.delete_message(&alice, message, None).await.unwrap());
            // Readers run between this read and the next one.
            store.after_log.once(async {
                for _ in 0..16 {
                    tokio::task::yield_now().await;
                }
            });
        }
    });
    say(&chat, &alice, id, "one").await;
    let views = take(&mut events, 2).await;
    assert!(store.after_log.is_done());
    assert_eq!(views[0].message(), gone.lock().unwrap().take().map(told));
    assert_eq!(shown(&views[1]), "-");
}

/// Keeps hints back until they are let go.
#[derive(Clone)]
struct Late {
    notifier: InProcessNotifier,
    kept: Arc<Mutex<Option<Vec<Hint>>>>,
}

#[async_trait]
impl Notifier for Late {
    async fn publish(&self, hint: Hint) {
        let kept = self.kept.lock().unwrap().as_mut().map(|kept| kept.push(hint.clone()));
        if kept.is_none() {
            self.notifier.publish(hint).await;
        }
    }

    async fn listen(&self, topic: Topic) -> BoxStream<'static, Hint> {
        self.notifier.listen(topic).await
    }
}

#[tokio::test(start_paused = true)]
async fn a_late_hint_brings_no_deleted_text_back() {
    let late = Late { notifier: InProcessNotifier::new(), kept: Arc::default() };
    let limits = Limits { poll_interval: Duration::from_secs(3_600), ..Limits::default() };
    let chat = Chat::builder(MemoryStore::new()).limits(limits).notifier(late.clone()).build();
    let alice = user("alice");
    let id = room(&chat, &alice, &[]).await;
    let mut events = chat.subscribe(&alice, id, None).await.unwrap();
    *late.kept.lock().unwrap() = Some(Vec::new());
    let message = say(&chat, &alice, id, "one").await;
    chat.delete_message(&alice, message.id, None).await.unwrap();
    let hints = late.kept.lock().unwrap().take().unwrap();
    assert_eq!(hints.len(), 2);
    // The second one is lost.
    late.notifier.publish(hints.into_iter().next().unwrap()).await;
    assert_eq!(texts(&mut events, 2).await, ["deleted", "-"]);
}

#[tokio::test]
async fn a_text_that_came_after_the_reader_was_removed_ends_the_stream() {
    for kept in [1, 256] {
        let limits = Limits { tail_events: kept, ..Limits::default() };
        let chat = Chat::builder(MemoryStore::new()).limits(limits).build();
        let (alice, bob, carol) = (user("alice"), user("bob"), user("carol"));
        let id = room(&chat, &alice, &[&bob, &carol]).await;
        let (first, second) = (say(&chat, &alice, id, "one").await, say(&chat, &alice, id, "two").await);
        let mut removed = chat.subscribe(&bob, id, Some(3)).await.unwrap();
        let mut taken = chat.subscribe(&bob, id, Some(3)).await.unwrap();
        let mut stays = chat.subscribe(&carol, id, Some(3)).await.unwrap();
        // This one has taken the second message as it was.
        assert_eq!(texts(&mut taken, 1).await, ["one"]);
        chat.remove_participant(&alice, id, &bob.user_id).await.unwrap();
        chat.edit_message(&alice, second.id, to("secret")).await.unwrap();
        let denied = Some(Error::Denied(Denial::NotParticipant));
        assert_eq!(ending(&mut removed).await, (vec!["one".to_owned()], denied));
        let (texts_of_taken, _) = ending(&mut taken).await;
        assert!(!texts_of_taken.contains(&"secret".to_owned()), "{texts_of_taken:?}");
        assert_eq!(texts(&mut stays, 4).await, ["one", "secret", "-", "secret"]);
        assert_eq!(text_of(&first), "one");
    }
}

/// Commits an event of a kind that this version does not know, with new standing for a user.
async fn unknown(
    store: &MemoryStore,
    actor: &Principal,
    id: SessionId,
    head: Seq,
    whom: &Principal,
    standing: Standing,
) {
    let key = Participants { session: id, user: whom.user_id.clone() };
    let record = store.get(&key).await.unwrap().unwrap().value;
    let put = key.put(ParticipantRecord { standing, ..ParticipantRecord::clone(&record) });
    let event = NewEvent { actor: actor.user_id.clone(), created_at: chrono::Utc::now(), kind: EventKind::Unknown };
    store.commit(Change::of(id, head, vec![event], vec![put])).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn after_an_unknown_event_that_governs_a_reader_is_decided_on_again() {
    let (store, alice, bob, carol) = (MemoryStore::new(), user("alice"), user("bob"), user("carol"));
    let chat = Chat::new(store.clone());
    let id = room(&chat, &alice, &[&bob, &carol]).await;
    let mut removed = chat.subscribe(&bob, id, Some(3)).await.unwrap();
    let mut stays = chat.subscribe(&carol, id, Some(3)).await.unwrap();
    unknown(&store, &alice, id, 3, &bob, Standing::Former(ParticipantRole::Member)).await;
    say(&chat, &alice, id, "secret").await;
    // The event itself is the last one, as it is for each event that takes the right away.
    assert_eq!(ending(&mut removed).await, (vec!["-".to_owned()], None));
    assert_eq!(texts(&mut stays, 2).await, ["-", "secret"]);
}

/// The texts that the stream of all sessions brings, until it has brought these.
async fn texts_until(all: &mut AllSubscription, wanted: &[&str]) -> Vec<String> {
    let mut texts: Vec<String> = Vec::new();
    while !wanted.iter().all(|wanted| texts.iter().any(|text| text == wanted)) {
        match in_time(all.next()).await.expect("the stream ended").expect("the stream failed") {
            AllDelivery::Delivered(Delivery::Event(view)) => texts.push(shown(&view)),
            AllDelivery::Ended { session_id: _, error } => texts.push(error.code().as_str().to_owned()),
            AllDelivery::Delivered(Delivery::Signal(_)) | AllDelivery::Subscribed(_) | AllDelivery::LeftOut { .. } => {}
        }
    }
    texts
}

#[tokio::test(start_paused = true)]
async fn the_stream_of_all_sessions_goes_on_without_the_one_that_ended() {
    let (store, alice, bob) = (MemoryStore::new(), user("alice"), user("bob"));
    let chat = Chat::new(store.clone());
    let (first, second, third) =
        (room(&chat, &alice, &[&bob]).await, room(&chat, &alice, &[&bob]).await, room(&chat, &alice, &[&bob]).await);
    let message = say(&chat, &alice, second, "one").await;
    let after = [Position::new(second, 2)];
    let mut all = chat.subscribe_all(&bob, &after).await.unwrap();
    // In one session an event of an unknown kind removes the reader, in another one a text comes after the removal.
    unknown(&store, &alice, first, 2, &bob, Standing::Former(ParticipantRole::Member)).await;
    say(&chat, &alice, first, "secret").await;
    chat.remove_participant(&alice, second, &bob.user_id).await.unwrap();
    chat.edit_message(&alice, message.id, to("secret")).await.unwrap();
    let mut texts = texts_until(&mut all, &["-", "SESSION_ACCESS_DENIED"]).await;
    for live in ["live", "more"] {
        say(&chat, &alice, third, live).await;
        texts.extend(texts_until(&mut all, &[live]).await);
    }
    texts.sort();
    assert_eq!(texts, ["-", "SESSION_ACCESS_DENIED", "live", "more"]);
}
