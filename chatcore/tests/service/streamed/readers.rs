//! What readers are told of messages that are written in parts.

use chatcore::{
    InProcessNotifier,
    chat::{AllDelivery, Delivery, Start, Subscription},
    model::Signal,
};
use futures_util::StreamExt as _;

use super::*;
use crate::kit::in_time;

/// A message as a client keeps it, by what a stream tells.
#[derive(Debug, Default)]
struct Kept {
    text: String,
    stream: Option<StreamState>,
    has_missed: bool,
}

impl Kept {
    fn take(&mut self, delivery: &Delivery, message: MessageId) {
        match delivery {
            Delivery::Event(view) => {
                if let Some(shown) = view.message().filter(|shown| shown.id == message) {
                    (self.text, self.stream) = (text_of(&shown).to_owned(), shown.body.stream);
                    self.has_missed = false;
                }
            }
            Delivery::Signal(view) => {
                let Signal::MessagePart { session_id, message: seq, offset, text, .. } = &view.signal else { return };
                let of = MessageId { session_id: *session_id, seq: *seq };
                if of != message || self.has_missed || self.stream != Some(StreamState::Streaming) {
                    return;
                }
                let offset = usize::try_from(*offset).unwrap();
                let known: Vec<char> = self.text.chars().collect();
                let part: Vec<char> = text.chars().collect();
                if offset > known.len() {
                    self.has_missed = true;
                } else if !known[offset..].starts_with(&part) {
                    self.text = known[..offset].iter().chain(&part).collect();
                }
            }
        }
    }

    const fn is_open(&self) -> bool {
        matches!(self.stream, None | Some(StreamState::Streaming))
    }
}

async fn next(events: &mut Subscription) -> Delivery {
    in_time(events.next()).await.expect("it ended").expect("it failed")
}

async fn until(events: &mut Subscription, message: MessageId, kept: &mut Kept, text: &str) {
    while kept.text != text {
        let delivery = next(events).await;
        kept.take(&delivery, message);
        assert!(!kept.has_missed, "{delivery:?}");
    }
}

#[tokio::test]
async fn readers_are_told_of_each_part_with_its_offset() {
    let (chat, alice, bob) = (Chat::in_memory(), user("alice"), user("bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    let mut his = chat.subscribe(&bob, id, Start::Now).await.unwrap();
    let mut hers = chat.subscribe(&alice, id, Start::Now).await.unwrap();
    let mut all = chat.subscribe_all(&bob, &[]).await.unwrap();
    assert!(matches!(in_time(all.next()).await, Some(Ok(AllDelivery::Subscribed(_)))));
    let message = start(&chat, &alice, id).await.id;
    for (offset, part) in [(0, "äb"), (2, "c"), (3, "d")] {
        add_part(&chat, &alice, message, offset, part).await.unwrap();
        // A retry tells nobody anything.
        add_part(&chat, &alice, message, offset, part).await.unwrap();
    }
    chat.finish_message(&alice, message, 4).await.unwrap();
    let mut told: Vec<Vec<(u64, String)>> = Vec::new();
    let part = |delivery: Delivery| match delivery {
        Delivery::Signal(view) => match &view.signal {
            Signal::MessagePart { offset, text, .. } => (*offset, text.clone()),
            other => panic!("{other:?}"),
        },
        Delivery::Event(view) => (u64::MAX, text_of(&view.message().unwrap()).to_owned()),
    };
    let is_ended = |told: &[(u64, String)]| told.iter().filter(|(offset, _)| *offset == u64::MAX).count() == 2;
    for events in [&mut his, &mut hers] {
        let mut parts = Vec::new();
        while !is_ended(&parts) {
            parts.push(part(next(events).await));
        }
        told.push(parts);
    }
    let mut parts = Vec::new();
    while !is_ended(&parts) {
        let Some(Ok(AllDelivery::Delivered(delivery))) = in_time(all.next()).await else { panic!() };
        parts.push(part(delivery));
    }
    told.push(parts);
    for told in told {
        let (events, parts): (Vec<_>, Vec<_>) = told.into_iter().partition(|(offset, _)| *offset == u64::MAX);
        // A reader that is behind gets the events first, each row as it is now.
        assert!(["", "äbcd"].contains(&events[0].1.as_str()) && events[1].1 == "äbcd", "{events:?}");
        // Parts that the end overtakes are left out.
        let expected = [(0, "äb"), (2, "c"), (3, "d")].map(|(at, text)| (at, text.to_owned()));
        assert!(expected.starts_with(&parts), "{parts:?}");
    }
}

#[tokio::test]
async fn a_reader_that_joins_in_the_middle_has_the_parts_so_far() {
    let (chat, alice, bob) = (Chat::in_memory(), user("alice"), user("bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    let begun = start(&chat, &alice, id).await;
    let message = begun.id;
    add_part(&chat, &alice, message, 0, "so far").await.unwrap();
    let mut from_start = chat.subscribe(&bob, id, Start::Beginning).await.unwrap();
    let mut resumed = chat.subscribe(&bob, id, Start::Now).await.unwrap();
    let (mut one, mut two) = (Kept::default(), Kept { stream: begun.body.stream, ..Kept::default() });
    until(&mut from_start, message, &mut one, "so far").await;
    until(&mut resumed, message, &mut two, "so far").await;
    add_part(&chat, &alice, message, 6, ", and on").await.unwrap();
    chat.finish_message(&alice, message, 14).await.unwrap();
    for (events, kept) in [(&mut from_start, &mut one), (&mut resumed, &mut two)] {
        while kept.is_open() {
            let delivery = next(events).await;
            kept.take(&delivery, message);
            assert!(!kept.has_missed && "so far, and on".starts_with(&kept.text), "{kept:?}");
        }
        assert_eq!(kept.text, "so far, and on");
    }
}

#[tokio::test]
async fn readers_of_other_processes_hear_the_parts_by_a_shared_notifier_and_the_end_without_one() {
    let store = MemoryStore::new();
    let shared = InProcessNotifier::new();
    let process = |notifier: InProcessNotifier| {
        let limits = Limits { poll_interval: Duration::from_millis(20), ..quiet() };
        Chat::builder(store.clone()).notifier(notifier).limits(limits).build()
    };
    let (here, there, apart) = (process(shared.clone()), process(shared.clone()), process(InProcessNotifier::new()));
    let (alice, bob) = (user("alice"), user("bob"));
    let id = room(&here, &alice, &[&bob]).await;
    let mut his = there.subscribe(&bob, id, Start::Now).await.unwrap();
    let mut late = apart.subscribe(&bob, id, Start::Now).await.unwrap();
    let message = start(&here, &alice, id).await.id;
    for (offset, part) in [(0, "a"), (1, "b")] {
        add_part(&here, &alice, message, offset, part).await.unwrap();
    }
    let mut kept = Kept::default();
    until(&mut his, message, &mut kept, "ab").await;
    assert_eq!(kept.stream, Some(StreamState::Streaming));
    here.finish_message(&alice, message, 2).await.unwrap();
    let mut kept = Kept::default();
    while kept.is_open() {
        kept.take(&next(&mut late).await, message);
    }
    assert_eq!((kept.text.as_str(), kept.stream), ("ab", Some(StreamState::Complete)));
}

#[tokio::test]
async fn a_reader_who_was_removed_is_not_shown_what_was_written_since() {
    let store = crate::hooked::Hooked::default();
    let (chat, alice, bob) = (Chat::builder(store.clone()).limits(quiet()).build(), user("alice"), user("bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    let message = start(&chat, &alice, id).await.id;
    add_part(&chat, &alice, message, 0, "before ").await.unwrap();
    let (then, owner, removed) = (chat.clone(), alice.clone(), bob.user_id.clone());
    // Between the decision on the reader and the text.
    store.before_log.once(async move {
        then.remove_participant(&owner, id, &removed).await.unwrap();
        add_part(&then, &owner, message, 7, "after").await.unwrap();
    });
    let page = chat.message(&bob, message).await;
    assert!(store.before_log.is_done());
    if let Ok(page) = page {
        assert_eq!(text_of(&page), "", "{page:?}");
    }
}

#[tokio::test]
async fn a_part_that_waits_for_a_slow_reader_goes_with_its_message() {
    let (chat, alice, bob) = (Chat::in_memory(), user("alice"), user("bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    let mut his = chat.subscribe(&bob, id, Start::Now).await.unwrap();
    let message = start(&chat, &alice, id).await.id;
    let first = next(&mut his).await;
    assert!(matches!(first, Delivery::Event(_)));
    for offset in 0..5 {
        add_part(&chat, &alice, message, offset, "x").await.unwrap();
    }
    // The parts are on their way to the reader, who takes none of them.
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
    chat.delete_message(&alice, message, None).await.unwrap();
    let Delivery::Event(view) = next(&mut his).await else { panic!("a part of a deleted message") };
    assert!(view.event.kind.is_deletion());
}

#[tokio::test]
async fn a_part_that_waits_for_a_slow_reader_does_not_come_after_the_end() {
    let (chat, alice, bob) = (Chat::in_memory(), user("alice"), user("bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    let mut his = chat.subscribe(&bob, id, Start::Now).await.unwrap();
    let message = start(&chat, &alice, id).await.id;
    let mut after = say(&chat, &alice, id, "first").await.seq;
    // The reader takes nothing, so the parts wait behind the events before them.
    for offset in 0..5 {
        add_part(&chat, &alice, message, offset, "x").await.unwrap();
        after = say(&chat, &alice, id, "between").await.seq;
    }
    chat.finish_message(&alice, message, 5).await.unwrap();
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
    let end = say(&chat, &alice, id, "end").await.seq;
    assert!(after < end);
    let mut has_ended = false;
    loop {
        match next(&mut his).await {
            Delivery::Event(view) => {
                has_ended |= matches!(view.event.kind, EventKind::Message(MessageEvent::Finished { .. }));
                if view.event.seq == end {
                    break;
                }
            }
            Delivery::Signal(view) => assert!(!has_ended, "{view:?}"),
        }
    }
    assert!(has_ended);
    // Nothing waits any more.
    let signal = tokio::time::timeout(std::time::Duration::from_millis(200), his.next()).await;
    assert!(signal.is_err(), "{signal:?}");
}

/// A hundred messages at once in one session, each with readers that come at any time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_messages_at_once_are_shown_as_they_are_stored() {
    let store = MemoryStore::new();
    let limits = Limits { streamed_per_user: 100, ..quiet() };
    let chat = Chat::builder(store.clone()).limits(limits).build();
    let (alice, bob) = (user("alice"), user("bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    let writers = (0..100).map(|n| {
        let (chat, alice) = (chat.clone(), alice.clone());
        tokio::spawn(async move {
            let message = start(&chat, &alice, id).await.id;
            let mut length = 0;
            for part in 0..5 {
                length = add_part(&chat, &alice, message, length, &format!("{n}.{part} ")).await.unwrap();
                tokio::task::yield_now().await;
            }
            chat.finish_message(&alice, message, length).await.unwrap();
            (message, (0..5).map(|part| format!("{n}.{part} ")).collect::<String>())
        })
    });
    let writers: Vec<_> = writers.collect();
    let readers = (0..10).map(|n| {
        let (chat, bob) = (chat.clone(), bob.clone());
        tokio::spawn(async move {
            for _ in 0..n * 3 {
                tokio::task::yield_now().await;
            }
            let mut events = chat.subscribe(&bob, id, Start::Beginning).await.unwrap();
            let (mut kept, mut ends) = (std::collections::HashMap::<MessageId, Kept>::new(), 0);
            while ends < 100 {
                let delivery = next(&mut events).await;
                let about = match &delivery {
                    Delivery::Event(view) => view.message().map(|message| message.id),
                    Delivery::Signal(view) => view.signal.shown_part().map(|part| part.message),
                };
                if let Some(about) = about {
                    kept.entry(about).or_default().take(&delivery, about);
                }
                let is_end = |view: &chatcore::chat::EventView| {
                    matches!(view.event.kind, EventKind::Message(MessageEvent::Finished { .. }))
                };
                ends += usize::from(matches!(&delivery, Delivery::Event(view) if is_end(view)));
            }
            kept
        })
    });
    let readers: Vec<_> = readers.collect();
    let mut written = Vec::new();
    for writer in writers {
        written.push(writer.await.unwrap());
    }
    for reader in readers {
        let kept = reader.await.unwrap();
        for (message, text) in &written {
            assert_eq!((&kept[message].text, &kept[message].stream), (text, &Some(StreamState::Complete)));
        }
    }
    for (message, text) in &written {
        assert_eq!(shown(&chat, &bob, *message).await, (text.clone(), Some(StreamState::Complete)));
    }
    assert_eq!(left(&store).await, [0, 0, 0]);
}
