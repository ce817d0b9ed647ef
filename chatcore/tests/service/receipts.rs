//! Receipts: what was delivered and read, as others see it, and what it costs.

mod rules;

use std::time::Duration;

use chatcore::{
    InProcessNotifier,
    chat::{Delivery, MAX_COUNTED, SetUserSettings, Subscription},
    model::{DeliveryStatus, MessageDelivery, ReceiptKind, Signal, Unread, UserSettings},
    store::{ChatStoreExt as _, DeliveryMarker, DeliveryMarkers, Found},
};
use futures_util::StreamExt as _;
use tokio::task::yield_now;

use super::*;
use crate::kit::in_time;
use ReceiptKind::{Delivered, Read};

const SENT: DeliveryStatus = DeliveryStatus::Sent;

/// What several processes have in common.
#[derive(Clone, Default)]
struct World {
    store: Breakable,
    clock: TestClock,
    notifier: InProcessNotifier,
}

impl World {
    fn process(&self) -> Chat {
        let builder = Chat::builder(self.store.clone()).clock(self.clock.clone()).notifier(self.notifier.clone());
        builder.rates(RateLimits::off()).build()
    }

    fn pass(&self, seconds: i64) {
        self.clock.advance(TimeDelta::seconds(seconds));
    }

    /// The marker of a user, as it is stored.
    async fn marker(&self, who: &Principal, session: SessionId) -> Option<Found<DeliveryMarker>> {
        self.store.intact().get(&DeliveryMarkers { user: who.user_id.clone(), session }).await.unwrap()
    }

    async fn until_stored(&self, who: &Principal, session: SessionId, seq: u64) {
        in_time(async {
            while self.marker(who, session).await.is_none_or(|found| found.value.seq != seq) {
                yield_now().await;
            }
        })
        .await;
    }
}

/// Of each participant: whether addressed, delivered, read.
async fn receipts(chat: &Chat, who: &Principal, id: MessageId) -> Vec<(String, bool, bool, bool)> {
    let page = chat.message_receipts(who, id, Page::FIRST).await.unwrap();
    let one = |one: chatcore::model::MessageReceipt| {
        (one.user.user_id.to_string(), one.is_addressee, one.delivered, one.read)
    };
    page.into_iter().map(one).collect()
}

async fn of(chat: &Chat, by: &Principal, id: MessageId, whom: &Principal) -> (bool, bool) {
    let all = receipts(chat, by, id).await;
    let (_, _, delivered, read) = all.into_iter().find(|(user, ..)| user == whom.user_id.as_str()).unwrap();
    (delivered, read)
}

async fn counted(chat: &Chat, who: &Principal, id: MessageId) -> (DeliveryStatus, u64, u64, u64) {
    let delivery = chat.message_delivery(who, id).await.unwrap();
    let MessageDelivery { message_id, status, addressees, delivered, read, is_exact } = delivery;
    assert_eq!((message_id, is_exact), (id, true));
    (status, addressees, delivered, read)
}

async fn switch(chat: &Chat, who: &Principal, receipts: bool) {
    let set = SetUserSettings { receipts: Some(receipts) };
    assert_eq!(chat.set_user_settings(who, set).await.unwrap(), UserSettings { receipts });
}

fn shown(receipts: bool) -> UpdateSession {
    UpdateSession { receipts: Some(receipts), ..UpdateSession::default() }
}

/// The receipts that wait for a reader. Where the time of the runtime is paused, it ends when nothing is left to do.
async fn waiting(events: &mut Subscription) -> Vec<(String, ReceiptKind, u64)> {
    let mut found = Vec::new();
    while let Ok(Some(next)) = tokio::time::timeout(Duration::from_millis(20), events.next()).await {
        if let Delivery::Signal(view) = next.unwrap()
            && let Signal::Receipt { user_id, kind, seq, .. } = &view.signal
        {
            assert_eq!(view.actor.user_id, *user_id);
            found.push((user_id.to_string(), *kind, *seq));
        }
    }
    found.sort();
    found
}

fn told(who: &str, kind: ReceiptKind, seq: u64) -> (String, ReceiptKind, u64) {
    (who.to_owned(), kind, seq)
}

#[tokio::test]
async fn a_message_is_sent_then_delivered_then_read() {
    let (chat, alice, bob, carol) = (Chat::in_memory(), user("alice"), user("bob"), user("carol"));
    let id = room(&chat, &alice, &[&bob, &carol]).await;
    let message = say(&chat, &alice, id, "one").await;
    assert_eq!(counted(&chat, &alice, message.id).await, (SENT, 2, 0, 0));
    let state = chat.acknowledge_delivery(&bob, id, message.seq).await.unwrap();
    assert_eq!((state.session_id, state.delivered_upto), (id, message.seq));
    assert_eq!(counted(&chat, &alice, message.id).await, (DeliveryStatus::Delivered, 2, 1, 0));
    chat.mark_read(&carol, id, ReadUpto::Message(message.id)).await.unwrap();
    assert_eq!(counted(&chat, &alice, message.id).await, (DeliveryStatus::Read, 2, 2, 1), "who has read has received");
    let all = [("alice", false, false, false), ("bob", true, true, false), ("carol", true, true, true)];
    let all = all.map(|(user, is_addressee, delivered, read)| (user.to_owned(), is_addressee, delivered, read));
    assert_eq!(receipts(&chat, &alice, message.id).await, all);
    assert_eq!(receipts(&chat, &bob, message.id).await, all, "each participant sees them");
    let second = say(&chat, &alice, id, "two").await;
    assert_eq!(counted(&chat, &alice, second.id).await, (SENT, 2, 0, 0), "a position says nothing of what follows");
}

#[tokio::test]
async fn a_message_is_addressed_to_those_who_were_there_and_still_are() {
    let (chat, alice, bob, carol) = (Chat::in_memory(), user("alice"), user("bob"), user("carol"));
    let id = session(&chat, &alice, SessionType::Public).await;
    chat.join(&bob, id).await.unwrap();
    let message = say(&chat, &alice, id, "one").await;
    chat.join(&carol, id).await.unwrap();
    let end = head(&chat, &carol, id).await;
    chat.mark_read(&carol, id, ReadUpto::Seq(end)).await.unwrap();
    assert_eq!(counted(&chat, &alice, message.id).await, (SENT, 1, 0, 0));
    let found = receipts(&chat, &alice, message.id).await;
    assert_eq!(found[2], ("carol".to_owned(), false, false, false), "who came later is no addressee");
    // A page is a page of participants.
    let first = chat.message_receipts(&bob, message.id, Page { limit: Some(2), ..Page::FIRST }).await.unwrap();
    assert_eq!(first.len(), 2);
    let rest = chat.message_receipts(&bob, message.id, Page::after(first.next.unwrap())).await.unwrap();
    assert_eq!((rest.len(), rest[0].user.user_id.as_str(), rest.next), (1, "carol", None));
    chat.acknowledge_delivery(&bob, id, message.seq).await.unwrap();
    chat.leave(&bob, id).await.unwrap();
    assert_eq!(counted(&chat, &alice, message.id).await, (SENT, 0, 0, 0));
}

#[tokio::test]
async fn who_answers_has_read_and_who_marks_as_unread_takes_no_receipt_back() {
    let (chat, alice, bob, carol) = (Chat::in_memory(), user("alice"), user("bob"), user("carol"));
    let id = room(&chat, &alice, &[&bob, &carol]).await;
    let message = say(&chat, &alice, id, "one").await;
    say(&chat, &bob, id, "an answer").await;
    assert_eq!(of(&chat, &alice, message.id, &bob).await, (true, true));
    let end = head(&chat, &carol, id).await;
    chat.mark_read(&carol, id, ReadUpto::Seq(end)).await.unwrap();
    let unread = chat.mark_unread_from(&carol, message.id).await.unwrap();
    assert!(unread.read_upto < message.seq);
    assert_eq!(of(&chat, &alice, message.id, &carol).await, (true, true));
    // Neither does a lower mark after it.
    chat.mark_read(&carol, id, ReadUpto::Message(message.id)).await.unwrap();
    let last = MessageId { session_id: id, seq: end };
    assert_eq!(of(&chat, &alice, last, &carol).await, (true, true));
}

#[tokio::test]
async fn an_acknowledgement_changes_no_log_and_no_unread_count() {
    let (chat, alice, bob) = (Chat::in_memory(), user("alice"), user("bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    let message = say(&chat, &alice, id, "one").await;
    let before = chat.session(&bob, id).await.unwrap();
    chat.acknowledge_delivery(&bob, id, message.seq).await.unwrap();
    let after = chat.session(&bob, id).await.unwrap();
    assert_eq!(after, before);
    assert_eq!(after.reading.unread, Unread { count: 1, is_exact: true });
}

#[tokio::test]
async fn bad_acknowledgements_and_questions_are_refused_and_change_nothing() {
    let (world, alice, bob, carol) = (World::default(), user("alice"), user("bob"), user("carol"));
    let chat = world.process();
    let id = room(&chat, &alice, &[&bob]).await;
    let message = say(&chat, &alice, id, "one").await;
    assert_fault(chat.acknowledge_delivery(&bob, id, 0).await, "seq", Code::ValidationInvalidValue);
    for beyond in [message.seq + 1, 999, u64::MAX] {
        let refused = chat.acknowledge_delivery(&bob, id, beyond).await;
        assert!(matches!(refused, Err(Error::Resync { .. })), "{refused:?}");
    }
    assert!(world.marker(&bob, id).await.is_none());
    chat.acknowledge_delivery(&bob, id, message.seq).await.unwrap();
    let stored = world.marker(&bob, id).await.unwrap();
    // Backwards changes nothing, and says how far it is.
    assert_eq!(chat.acknowledge_delivery(&bob, id, 1).await.unwrap().delivered_upto, message.seq);
    assert_eq!(world.marker(&bob, id).await.unwrap().version, stored.version);
    assert!(matches!(chat.acknowledge_delivery(&bob, id, message.seq + 1).await, Err(Error::Resync { .. })));

    let hidden = session(&chat, &alice, SessionType::Private).await;
    assert_denied(chat.acknowledge_delivery(&bob, hidden, 1).await, Denial::Hidden);
    assert_denied(chat.acknowledge_delivery(&carol, id, message.seq).await, Denial::NotParticipant);
    let first = MessageId { session_id: hidden, seq: 1 };
    let nowhere = [first, MessageId { session_id: id, seq: 1 }, MessageId { session_id: id, seq: 999 }];
    for no_message in nowhere {
        assert_eq!(chat.message_receipts(&bob, no_message, Page::FIRST).await, Err(Error::MessageNotFound));
        assert_eq!(chat.message_delivery(&bob, no_message).await, Err(Error::MessageNotFound));
    }
    assert_denied(chat.message_delivery(&carol, message.id).await, Denial::NotParticipant);
    let huge = Page { limit: Some(101), ..Page::FIRST };
    assert_fault(chat.message_receipts(&bob, message.id, huge).await, "limit", Code::ValidationInvalidValue);

    chat.leave(&bob, id).await.unwrap();
    assert_denied(chat.acknowledge_delivery(&bob, id, message.seq).await, Denial::NotParticipant);
    assert_denied(chat.message_receipts(&bob, message.id, Page::FIRST).await, Denial::NotParticipant);
    chat.delete_message(&alice, message.id, None).await.unwrap();
    assert_eq!(chat.message_receipts(&alice, message.id, Page::FIRST).await, Err(Error::MessageDeleted));
    assert_eq!(chat.message_delivery(&alice, message.id).await, Err(Error::MessageDeleted));
    chat.delete_session(&alice, id).await.unwrap();
    assert_denied(chat.acknowledge_delivery(&alice, id, 1).await, Denial::Hidden);
}

#[tokio::test(start_paused = true)]
async fn a_thousand_acknowledgements_are_two_writes() {
    let (world, alice, bob) = (World::default(), user("alice"), user("bob"));
    let (chat, other) = (world.process(), world.process());
    let id = room(&chat, &alice, &[&bob]).await;
    let mut last = say(&chat, &alice, id, "0").await;
    chat.acknowledge_delivery(&bob, id, last.seq).await.unwrap();
    let first = world.marker(&bob, id).await.unwrap();
    assert_eq!(first.value.seq, last.seq, "the first one is written at once");
    for n in 0..1_000 {
        last = say(&chat, &alice, id, &n.to_string()).await;
        assert_eq!(chat.acknowledge_delivery(&bob, id, last.seq).await.unwrap().delivered_upto, last.seq);
    }
    assert_eq!(world.marker(&bob, id).await.unwrap().version, first.version);
    assert_eq!(of(&chat, &alice, last.id, &bob).await, (true, false), "this process knows more than is written");
    world.pass(1);
    world.until_stored(&bob, id, last.seq).await;
    assert_eq!(of(&other, &alice, last.id, &bob).await, (true, false));
    // What is known needs no read but that of the caller's standing.
    let reads = world.store.reads.load(Ordering::SeqCst);
    for _ in 0..100 {
        chat.acknowledge_delivery(&bob, id, last.seq - 1).await.unwrap();
    }
    let reads = world.store.reads.load(Ordering::SeqCst) - reads;
    assert!(reads <= 102, "{reads} reads");
}

#[tokio::test]
async fn an_acknowledgement_that_could_not_be_written_is_an_error_and_may_be_tried_again() {
    let (world, alice, bob) = (World::default(), user("alice"), user("bob"));
    let chat = world.process();
    let id = room(&chat, &alice, &[&bob]).await;
    let message = say(&chat, &alice, id, "one").await;
    world.store.commits_fail.store(true, Ordering::SeqCst);
    assert_eq!(chat.acknowledge_delivery(&bob, id, message.seq).await, Err(Error::Unavailable));
    assert_eq!(of(&chat, &alice, message.id, &bob).await, (false, false));
    world.store.commits_fail.store(false, Ordering::SeqCst);
    chat.acknowledge_delivery(&bob, id, message.seq).await.unwrap();
    assert_eq!(world.marker(&bob, id).await.unwrap().value.seq, message.seq);
    // A write that fails later is tried again.
    let second = say(&chat, &alice, id, "two").await;
    chat.acknowledge_delivery(&bob, id, second.seq).await.unwrap();
    world.store.commits_fail.store(true, Ordering::SeqCst);
    world.pass(1);
    for _ in 0..100 {
        yield_now().await;
    }
    world.store.commits_fail.store(false, Ordering::SeqCst);
    world.pass(1);
    world.until_stored(&bob, id, second.seq).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_acknowledgements_at_the_same_time_the_furthest_stays() {
    let (world, alice, bob) = (World::default(), user("alice"), user("bob"));
    let (here, there) = (world.process(), world.process());
    let id = room(&here, &alice, &[&bob]).await;
    let mut last = say(&here, &alice, id, "x").await;
    for _ in 0..39 {
        last = say(&here, &alice, id, "x").await;
    }
    let acknowledge = |chat: &Chat, seq| {
        let (chat, bob) = (chat.clone(), bob.clone());
        tokio::spawn(async move { chat.acknowledge_delivery(&bob, id, seq).await })
    };
    let turns = (1..=last.seq).rev().map(|seq| acknowledge(if seq % 2 == 0 { &here } else { &there }, seq));
    for turn in turns.collect::<Vec<_>>() {
        turn.await.unwrap().unwrap();
    }
    world.pass(1);
    world.until_stored(&bob, id, last.seq).await;
    // One that comes late to the other process takes nothing back.
    world.pass(100);
    there.acknowledge_delivery(&bob, id, 1).await.unwrap();
    world.pass(1);
    for chat in [&here, &there] {
        assert_eq!(of(chat, &alice, last.id, &bob).await, (true, false));
    }
    assert_eq!(world.marker(&bob, id).await.unwrap().value.seq, last.seq);
}

#[tokio::test(start_paused = true)]
async fn readers_of_each_process_are_told_once_in_a_second_and_the_last_position_counts() {
    let (world, alice, bob) = (World::default(), user("alice"), user("bob"));
    let (here, there) = (world.process(), world.process());
    let id = room(&here, &alice, &[&bob]).await;
    let mut hers = there.subscribe(&alice, id, None).await.unwrap();
    let mut his = there.subscribe(&bob, id, None).await.unwrap();
    let mut all = there.subscribe_all(&alice, &[]).await.unwrap();
    all.next().await.unwrap().unwrap();
    let first = say(&here, &alice, id, "one").await;
    here.acknowledge_delivery(&bob, id, first.seq).await.unwrap();
    assert_eq!(waiting(&mut hers).await, [told("bob", Delivered, first.seq)]);
    let second = say(&here, &alice, id, "two").await;
    here.mark_read(&bob, id, ReadUpto::Seq(second.seq)).await.unwrap();
    assert_eq!(waiting(&mut hers).await, [told("bob", Read, second.seq)], "one kind does not wait for the other");
    let mut last = first.clone();
    for _ in 0..9 {
        last = say(&here, &alice, id, "more").await;
        here.acknowledge_delivery(&bob, id, last.seq).await.unwrap();
        here.mark_read(&bob, id, ReadUpto::Seq(last.seq)).await.unwrap();
    }
    assert_eq!(waiting(&mut hers).await, []);
    world.pass(1);
    assert_eq!(waiting(&mut hers).await, [told("bob", Delivered, last.seq), told("bob", Read, last.seq)]);
    // What is known, and what stands before it, is told to nobody.
    for _ in 0..3 {
        world.pass(1);
        here.acknowledge_delivery(&bob, id, first.seq).await.unwrap();
        here.mark_read(&bob, id, ReadUpto::Seq(first.seq)).await.unwrap();
        here.mark_unread_from(&bob, first.id).await.unwrap();
        assert_eq!(waiting(&mut hers).await, []);
    }
    assert_eq!(waiting(&mut his).await, [], "nobody is told of the own receipts");
    let told_of_all = in_time(async {
        loop {
            if let chatcore::chat::AllDelivery::Delivered(Delivery::Signal(view)) = all.next().await.unwrap().unwrap() {
                return view.signal.clone();
            }
        }
    });
    assert!(matches!(told_of_all.await, Signal::Receipt { session_id, .. } if session_id == id));
}

#[tokio::test(start_paused = true)]
async fn readers_of_a_session_are_told_32_receipts_in_a_second() {
    let (world, alice) = (World::default(), user("alice"));
    let chat = world.process();
    let id = session(&chat, &alice, SessionType::Public).await;
    let others: Vec<_> = (0..40).map(|n| user(&format!("user-{n:02}"))).collect();
    for other in &others {
        chat.join(other, id).await.unwrap();
    }
    let message = say(&chat, &alice, id, "one").await;
    let mut hers = chat.subscribe(&alice, id, None).await.unwrap();
    for other in &others {
        chat.acknowledge_delivery(other, id, message.seq).await.unwrap();
    }
    let mut heard = waiting(&mut hers).await;
    assert_eq!(heard.len(), 32);
    world.pass(1);
    heard.extend(waiting(&mut hers).await);
    heard.sort();
    let all: Vec<_> = others.iter().map(|other| told(other.user_id.as_str(), Delivered, message.seq)).collect();
    assert_eq!(heard, all);
}

#[tokio::test(start_paused = true)]
async fn to_mark_all_as_read_tells_each_session() {
    let (world, alice, bob) = (World::default(), user("alice"), user("bob"));
    let chat = world.process();
    let (one, other) = (room(&chat, &alice, &[&bob]).await, room(&chat, &alice, &[&bob]).await);
    chat.update_session(&alice, other, shown(false)).await.unwrap();
    let message = say(&chat, &alice, one, "one").await;
    say(&chat, &alice, other, "two").await;
    let mut of_one = chat.subscribe(&alice, one, None).await.unwrap();
    let mut of_other = chat.subscribe(&alice, other, None).await.unwrap();
    assert_eq!(chat.mark_all_read(&bob, None).await.unwrap().marked, 2);
    assert_eq!(waiting(&mut of_one).await, [told("bob", Read, message.seq)]);
    assert_eq!(waiting(&mut of_other).await, []);
}

#[tokio::test(start_paused = true)]
async fn who_sends_no_receipts_sees_what_was_delivered_and_not_what_was_read() {
    let (world, alice, bob, carol) = (World::default(), user("alice"), user("bob"), user("carol"));
    let chat = world.process();
    let id = room(&chat, &alice, &[&bob, &carol]).await;
    let message = say(&chat, &alice, id, "one").await;
    let (mut hers, mut his) =
        (chat.subscribe(&alice, id, None).await.unwrap(), chat.subscribe(&bob, id, None).await.unwrap());
    assert_eq!(chat.user_settings(&bob).await.unwrap(), UserSettings { receipts: true });
    switch(&chat, &bob, false).await;
    assert_eq!(chat.user_settings(&bob).await.unwrap(), UserSettings { receipts: false });
    for who in [&bob, &carol] {
        chat.acknowledge_delivery(who, id, message.seq).await.unwrap();
        chat.mark_read(who, id, ReadUpto::Seq(message.seq)).await.unwrap();
    }
    assert_eq!(of(&chat, &alice, message.id, &bob).await, (false, false));
    assert_eq!(of(&chat, &alice, message.id, &carol).await, (true, true));
    assert_eq!(of(&chat, &bob, message.id, &carol).await, (true, false));
    assert_eq!(counted(&chat, &alice, message.id).await, (DeliveryStatus::Read, 2, 1, 1));
    assert_eq!(counted(&chat, &bob, message.id).await, (DeliveryStatus::Delivered, 2, 1, 0));
    let (mut to_alice, mut to_bob) = (waiting(&mut hers).await, waiting(&mut his).await);
    world.pass(1);
    to_alice.extend(waiting(&mut hers).await);
    to_bob.extend(waiting(&mut his).await);
    to_alice.sort();
    assert_eq!(to_alice, [told("carol", Delivered, message.seq), told("carol", Read, message.seq)]);
    assert_eq!(to_bob, [told("carol", Delivered, message.seq)]);
    // The switch hides positions, and forgets none.
    switch(&chat, &bob, true).await;
    assert_eq!(of(&chat, &alice, message.id, &bob).await, (true, true));
    let nothing = chat.set_user_settings(&bob, SetUserSettings::default()).await.unwrap();
    assert_eq!(nothing, UserSettings { receipts: true });
}

#[tokio::test(start_paused = true)]
async fn a_session_without_receipts_shows_and_tells_none() {
    let (world, alice, bob) = (World::default(), user("alice"), user("bob"));
    let chat = world.process();
    let new = CreateSession { receipts: false, ..CreateSession::titled("Quiet").of_type(SessionType::InviteOnly) };
    let made = chat.create_session(&alice, new).await.unwrap();
    assert!(!made.summary.session.settings.receipts);
    let id = id_of(&made);
    chat.add_participant(&alice, id, add("bob", None)).await.map(drop).unwrap_err();
    chat.me(&bob).await.unwrap();
    chat.add_participant(&alice, id, add("bob", None)).await.unwrap();
    let message = say(&chat, &alice, id, "one").await;
    let mut hers = chat.subscribe(&alice, id, None).await.unwrap();
    chat.acknowledge_delivery(&bob, id, message.seq).await.unwrap();
    chat.mark_read(&bob, id, ReadUpto::Seq(message.seq)).await.unwrap();
    assert_eq!(counted(&chat, &alice, message.id).await, (SENT, 1, 0, 0));
    assert_eq!(of(&chat, &alice, message.id, &bob).await, (false, false));
    world.pass(1);
    assert_eq!(waiting(&mut hers).await, []);
    assert_denied(chat.update_session(&bob, id, shown(true)).await, Denial::RoleInsufficient);
    let seq = head(&chat, &alice, id).await;
    assert!(chat.update_session(&alice, id, shown(true)).await.unwrap().summary.session.settings.receipts);
    assert_eq!(chat.update_session(&alice, id, shown(true)).await.unwrap().seq, seq + 1, "the same is no change");
    assert_eq!(counted(&chat, &alice, message.id).await, (DeliveryStatus::Read, 1, 1, 1));
}

#[tokio::test(start_paused = true)]
async fn users_of_whom_one_has_blocked_the_other_see_no_receipts_of_each_other() {
    let (world, alice, bob, carol) = (World::default(), user("alice"), user("bob"), user("carol"));
    let chat = world.process();
    let id = room(&chat, &alice, &[&bob, &carol]).await;
    let mut streams = Vec::new();
    for who in [&alice, &bob, &carol] {
        streams.push(chat.subscribe(who, id, None).await.unwrap());
    }
    chat.block_user(&alice, &bob.user_id).await.unwrap();
    let message = say(&chat, &carol, id, "one").await;
    for who in [&alice, &bob] {
        chat.mark_read(who, id, ReadUpto::Seq(message.seq)).await.unwrap();
    }
    assert_eq!(of(&chat, &alice, message.id, &bob).await, (false, false));
    assert_eq!(of(&chat, &bob, message.id, &alice).await, (false, false));
    assert_eq!(counted(&chat, &carol, message.id).await, (DeliveryStatus::Read, 2, 2, 2));
    let mut heard = Vec::new();
    for stream in &mut streams {
        heard.push(waiting(stream).await);
    }
    world.pass(1);
    for (heard, stream) in heard.iter_mut().zip(&mut streams) {
        heard.extend(waiting(stream).await);
        heard.sort();
    }
    let both = vec![told("alice", Read, message.seq), told("bob", Read, message.seq)];
    assert_eq!(heard, [Vec::new(), Vec::new(), both]);
    chat.unblock_user(&alice, &bob.user_id).await.unwrap();
    assert_eq!(of(&chat, &alice, message.id, &bob).await, (true, true));
    world.pass(1);
    let second = say(&chat, &carol, id, "two").await;
    chat.mark_read(&bob, id, ReadUpto::Seq(second.seq)).await.unwrap();
    assert_eq!(waiting(&mut streams[0]).await, [told("bob", Read, second.seq)]);
}

#[tokio::test]
async fn of_a_large_session_the_first_participants_are_counted_and_nobody_is_told() {
    let (world, alice) = (World::default(), user("alice"));
    let chat = world.process();
    let new =
        CreateSession { max_participants: Some(600), ..CreateSession::titled("Large").of_type(SessionType::Public) };
    let id = id_of(&chat.create_session(&alice, new).await.unwrap());
    let others: Vec<_> = (0..MAX_COUNTED).map(|n| user(&format!("user-{n:03}"))).collect();
    for other in &others {
        chat.join(other, id).await.unwrap();
        world.clock.advance(TimeDelta::milliseconds(1));
    }
    let message = say(&chat, &alice, id, "one").await;
    let mut hers = chat.subscribe(&alice, id, None).await.unwrap();
    for other in [&others[0], others.last().unwrap()] {
        chat.mark_read(other, id, ReadUpto::Seq(message.seq)).await.unwrap();
    }
    let found = chat.message_delivery(&alice, message.id).await.unwrap();
    let counts = (found.status, found.addressees, found.delivered, found.read, found.is_exact);
    assert_eq!(counts, (DeliveryStatus::Read, MAX_COUNTED - 1, 1, 1, false));
    world.pass(1);
    assert_eq!(waiting(&mut hers).await, []);
    chat.leave(others.last().unwrap(), id).await.unwrap();
    assert_eq!(counted(&chat, &alice, message.id).await, (DeliveryStatus::Read, MAX_COUNTED - 1, 1, 1));
}
