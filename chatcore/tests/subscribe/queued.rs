//! What waits in a stream of all sessions: it comes once and in order, and shows nothing that was deleted meanwhile.

use std::{
    collections::HashMap,
    sync::{Arc, atomic::Ordering},
};

use async_trait::async_trait;
use chatcore::{
    Chat, Error, InProcessNotifier, Limits, MemoryStore, Notifier, Principal,
    chat::{AllDelivery, AllSubscription, Delivery, EditMessage, Subscription},
    model::{Content, Seq, SessionId, SessionType},
    notify::{Hint, Topic},
    permission::Denial,
};
use futures_util::{FutureExt as _, StreamExt as _, stream::BoxStream};
use tokio::sync::watch;

use super::{
    direct::{Scripted, poll_once, reader},
    kit::{Breakable, in_time, room, say, session, uncounted, user},
};

/// A reader in step whose outlet says what was handed out: readers that began before it were offered that before.
pub(super) struct Witness {
    outlet: Arc<Scripted>,
    _events: Subscription,
}

impl Witness {
    pub(super) async fn of(chat: &Chat, who: &Principal, id: SessionId) -> Self {
        let outlet = Scripted::open();
        let mut events = reader(chat, who, id, None, &outlet).await;
        assert!(poll_once(&mut events, &Arc::default()).is_pending());
        Self { outlet, _events: events }
    }

    pub(super) async fn until_seq(&self, seq: Seq) {
        self.outlet.until_seq(seq).await;
    }
}

/// What an event of the stream shows.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Shown {
    Text(String),
    Deleted,
    Other,
}

fn text(text: &str) -> Shown {
    Shown::Text(text.to_owned())
}

/// The next event of the stream of all sessions, with its position. Announcements are left out.
async fn event(all: &mut AllSubscription) -> Result<(Seq, Shown), Error> {
    loop {
        match in_time(all.next()).await.expect("the stream ended")? {
            AllDelivery::Delivered(Delivery::Event(view)) => {
                let shown = match view.message().map(|message| message.body.content) {
                    Some(Content::Text(text)) => Shown::Text(text),
                    Some(Content::Deleted) => Shown::Deleted,
                    Some(Content::Encrypted(_)) | None => Shown::Other,
                };
                return Ok((view.event.seq, shown));
            }
            AllDelivery::Ended { session_id: _, error } => return Err(error),
            AllDelivery::Delivered(Delivery::Signal(_)) | AllDelivery::Subscribed(_) | AllDelivery::LeftOut { .. } => {}
        }
    }
}

async fn events(all: &mut AllSubscription, count: usize) -> Vec<(Seq, Shown)> {
    let mut events = Vec::new();
    for _ in 0..count {
        events.push(event(all).await.unwrap());
    }
    events
}

/// A stream whose readers wait in step: the announcements are taken, and it was polled since.
async fn in_step(chat: &Chat, who: &Principal, sessions: usize) -> AllSubscription {
    let mut all = chat.subscribe_all(who, &[]).await.unwrap();
    for _ in 0..sessions {
        assert!(matches!(in_time(all.next()).await, Some(Ok(AllDelivery::Subscribed(_)))));
    }
    assert!(all.next().now_or_never().is_none());
    all
}

#[tokio::test]
async fn a_stream_that_is_in_step_reads_no_log() {
    let store = Breakable::default();
    // The tail alone would not do.
    let limits = Limits { tail_events: 1, ..Limits::default() };
    let chat = Chat::builder(store.clone()).limits(limits).build();
    let (alice, bob) = (user("alice"), user("bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    let mut all = in_step(&chat, &bob, 1).await;
    let witness = Witness::of(&chat, &alice, id).await;
    let mut expected = Vec::new();
    for seq in 3..8 {
        say(&chat, &alice, id, &seq.to_string()).await;
        witness.until_seq(seq).await;
        expected.push((seq, text(&seq.to_string())));
    }
    store.reads_fail.store(true, Ordering::SeqCst);
    assert_eq!(events(&mut all, 5).await, expected);
}

#[tokio::test]
async fn a_text_that_is_deleted_while_it_waits_is_not_shown() {
    // Before the first poll, what waits is in one place; after it, in another one.
    for taken in [0, 1, 2] {
        let (chat, alice, bob) = (Chat::in_memory(), user("alice"), user("bob"));
        let id = room(&chat, &alice, &[&bob]).await;
        let mut all = in_step(&chat, &bob, 1).await;
        let witness = Witness::of(&chat, &alice, id).await;
        let mut messages = Vec::new();
        for seq in 3..7 {
            messages.push(say(&chat, &alice, id, &seq.to_string()).await);
        }
        witness.until_seq(6).await;
        let seen = events(&mut all, taken).await;
        assert_eq!(seen, [(3, text("3")), (4, text("4"))][..taken]);
        // The reader is still in step.
        say(&chat, &alice, id, "7").await;
        witness.until_seq(7).await;
        chat.delete_message(&alice, messages[2].id, None).await.unwrap();
        witness.until_seq(8).await;
        let mut expected = vec![(3, text("3")), (4, text("4")), (5, Shown::Deleted), (6, text("6")), (7, text("7"))];
        expected.push((8, Shown::Other));
        assert_eq!(events(&mut all, 6 - taken).await, expected.split_off(taken));
        say(&chat, &alice, id, "goes on").await;
        assert_eq!(events(&mut all, 1).await, [(9, text("goes on"))]);
    }
}

#[tokio::test]
async fn more_than_there_is_room_for_comes_once_in_order_and_without_deleted_texts() {
    const MESSAGES: usize = 600;
    const GONE: [usize; 5] = [3, 255, 256, 300, 590];
    for taken in [0, 4, 256, 258, 599] {
        let (chat, alice, bob) = (uncounted(MemoryStore::new()), user("alice"), user("bob"));
        let id = room(&chat, &alice, &[&bob]).await;
        let mut all = in_step(&chat, &bob, 1).await;
        let witness = Witness::of(&chat, &alice, id).await;
        let mut messages = Vec::new();
        for n in 0..MESSAGES {
            messages.push(say(&chat, &alice, id, &n.to_string()).await);
            // The tail is not left behind, so that the queue is filled.
            if n % 50 == 49 {
                witness.until_seq(n as Seq + 3).await;
            }
        }
        let mut shown = events(&mut all, taken).await;
        for gone in GONE {
            chat.delete_message(&alice, messages[gone].id, None).await.unwrap();
        }
        shown.extend(events(&mut all, MESSAGES + GONE.len() - taken).await);
        for (n, (seq, shown)) in shown.into_iter().enumerate() {
            assert_eq!(seq, n as Seq + 3, "after {taken}");
            let expected = match n {
                n if n >= MESSAGES => Shown::Other,
                n if n >= taken && GONE.contains(&n) => Shown::Deleted,
                n => text(&n.to_string()),
            };
            assert_eq!(shown, expected, "after {taken}");
        }
    }
}

#[tokio::test]
async fn a_text_that_is_edited_in_after_the_reader_was_removed_is_not_shown() {
    let (chat, alice, bob) = (Chat::in_memory(), user("alice"), user("bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    let mut all = in_step(&chat, &bob, 1).await;
    let witness = Witness::of(&chat, &alice, id).await;
    let (first, second) = (say(&chat, &alice, id, "one").await, say(&chat, &alice, id, "two").await);
    witness.until_seq(4).await;
    chat.remove_participant(&alice, id, &bob.user_id).await.unwrap();
    chat.edit_message(&alice, second.id, EditMessage::text("secret")).await.unwrap();
    // So the stream looks at the log again, which has the secret in the place of the second message.
    chat.delete_message(&alice, first.id, None).await.unwrap();
    assert_eq!(event(&mut all).await, Err(Error::Denied(Denial::NotParticipant)));
    assert!(all.next().now_or_never().is_none());
}

#[tokio::test]
async fn what_waits_in_other_sessions_comes_all_the_same() {
    let (chat, alice, bob) = (Chat::in_memory(), user("alice"), user("bob"));
    let (one, other) = (room(&chat, &alice, &[&bob]).await, room(&chat, &alice, &[&bob]).await);
    let mut all = in_step(&chat, &bob, 2).await;
    let witnesses = [Witness::of(&chat, &alice, one).await, Witness::of(&chat, &alice, other).await];
    let gone = say(&chat, &alice, one, "gone").await;
    witnesses[0].until_seq(3).await;
    say(&chat, &alice, other, "there").await;
    witnesses[1].until_seq(3).await;
    chat.delete_message(&alice, gone.id, None).await.unwrap();
    let mut shown = events(&mut all, 3).await;
    shown.sort_by_key(|(seq, shown)| (*seq, *shown == Shown::Deleted));
    assert_eq!(shown, [(3, text("there")), (3, Shown::Deleted), (4, Shown::Other)]);
}

/// Counts the streams of hints that are open, of which each tail has one.
#[derive(Clone, Default)]
struct Counting {
    notifier: InProcessNotifier,
    open: Arc<watch::Sender<HashMap<Topic, i32>>>,
}

impl Counting {
    async fn until(&self, topic: Topic, open: i32) {
        in_time(self.open.subscribe().wait_for(|all| all.get(&topic).copied().unwrap_or_default() == open))
            .await
            .unwrap();
    }
}

struct Open(Counting, Topic);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.send_modify(|all| *all.entry(self.1.clone()).or_default() -= 1);
    }
}

#[async_trait]
impl Notifier for Counting {
    async fn publish(&self, hint: Hint) {
        self.notifier.publish(hint).await;
    }

    async fn listen(&self, topic: Topic) -> BoxStream<'static, Hint> {
        self.open.send_modify(|all| *all.entry(topic.clone()).or_default() += 1);
        let open = Open(self.clone(), topic.clone());
        let hints = self.notifier.listen(topic).await;
        hints
            .inspect(move |_| {
                let _ = &open;
            })
            .boxed()
    }
}

#[tokio::test]
async fn nothing_is_left_of_a_session_that_gave_its_place_to_another_one() {
    let (limits, notifier) = (Limits { stream_sessions: 1, ..Limits::default() }, Counting::default());
    let chat = Chat::builder(MemoryStore::new()).limits(limits).notifier(notifier.clone()).build();
    let (alice, bob) = (user("alice"), user("bob"));
    let quiet = room(&chat, &alice, &[&bob]).await;
    let mut all = in_step(&chat, &bob, 1).await;
    notifier.until(quiet.into(), 1).await;
    let own = session(&chat, &bob, SessionType::Private).await;
    let told = in_time(all.next()).await.unwrap().unwrap();
    assert!(matches!(told, AllDelivery::Ended { session_id, .. } if session_id == quiet), "{told:?}");
    // Whoever follows the stream gets what comes next; in the quiet session nothing happens.
    let following = tokio::spawn(async move {
        let mut count = 0;
        while count < 2 {
            all.next().await.unwrap().unwrap();
            count += 1;
        }
        all.next().await
    });
    notifier.until(own.into(), 1).await;
    notifier.until(quiet.into(), 0).await;
    following.abort();
}
