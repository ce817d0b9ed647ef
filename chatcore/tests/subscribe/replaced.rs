//! A database that is replaced by an older copy of itself under its readers.

use chatcore::{
    chat::{AllDelivery, Position, Start},
    model::{Cursor, MessageId},
};

use super::{copied::Copied, notifiers::Bent, *};

/// How many events both histories have, how many of the old one are lost, and how many the new one has instead.
#[derive(Debug, Clone, Copy)]
struct Histories {
    lost: usize,
    instead: usize,
}

fn silent() -> Bent {
    Bent::new(|_, _| Vec::new())
}

/// A log of six events in both histories, of which `lost` more are lost.
async fn before(chat: &Chat, store: &Copied, lost: usize) -> (Principal, Principal, SessionId, MemoryStore) {
    let (alice, bob) = (user("alice"), user("bob"));
    let id = room(chat, &alice, &[&bob]).await;
    for n in 3..=6 {
        say(chat, &alice, id, &format!("{n} in both")).await;
    }
    let copy = store.freeze();
    for n in 0..lost {
        say(chat, &alice, id, &format!("{n} is lost")).await;
    }
    (alice, bob, id, copy)
}

/// Each of its readers sees one history: events of the old one and then `RESYNC`, or, where it has seen nothing that is lost, the new
/// one. None waits for ever.
async fn readers_see_one_history(notifier: impl Notifier, Histories { lost, instead }: Histories) {
    let store = Copied::new();
    let limits = Limits { tail_events: 3, poll_interval: Duration::from_millis(100), ..Limits::default() };
    let chat = Chat::builder(store.clone()).limits(limits).notifier(notifier).build();
    let (alice, bob, id, copy) = before(&chat, &store, lost).await;
    let end = 6 + lost as Seq;
    let old = chat.events(&bob, id, 0, Some(100)).await.unwrap().events;

    let mut readers = Vec::new();
    for read in 0..=usize::try_from(end).unwrap() {
        let mut events = chat.subscribe(&bob, id, Start::Beginning).await.unwrap();
        let seen = take(&mut events, read).await;
        readers.push((events, seen));
    }
    store.replace(copy);
    for n in 0..instead {
        say(&chat, &alice, id, &format!("{n} instead")).await;
    }
    let new = chat.events(&alice, id, 0, Some(100)).await.unwrap().events;
    let contents = |events: &[Arc<EventView>]| events.iter().map(|view| Arc::clone(&view.event)).collect::<Vec<_>>();
    let (old, new) = (contents(&old), contents(&new));

    for (mut events, mut seen) in readers {
        let already = seen.len();
        let ended = loop {
            if contents(&seen) == new {
                break None;
            }
            match in_time(events.next_event()).await {
                Some(Ok(event)) => seen.push(event),
                other => break other,
            }
        };
        let seen = contents(&seen);
        match ended {
            None => assert!(already <= 6, "{already} events seen, of which some are lost, and no RESYNC"),
            Some(Err(Error::Resync { oldest: 0, head })) => {
                assert_eq!(head, new.len() as Seq);
                assert!(old.starts_with(&seen) || new.starts_with(&seen), "mixed after {already}");
            }
            other => panic!("{other:?} after {already}"),
        }
    }

    // Cursors: those that both histories have are good, those that were lost are not, on pages and streams.
    for event in &old {
        let page = chat.events(&bob, id, event.cursor(), None).await;
        let stream = chat.subscribe(&bob, id, event.cursor()).await;
        if event.seq <= 6 {
            assert_eq!(contents(&page.unwrap().events), new[usize::try_from(event.seq).unwrap()..]);
            assert_eq!(stream.unwrap().after(), event.cursor());
        } else {
            let resync = Error::Resync { oldest: 0, head: new.len() as Seq };
            assert_eq!((page.unwrap_err(), stream.unwrap_err()), (resync.clone(), resync), "{}", event.seq);
        }
    }
    // Who comes now has the new history, and is out when they are removed.
    let mut events = chat.subscribe(&bob, id, Start::Beginning).await.unwrap();
    assert_eq!(contents(&take(&mut events, new.len()).await), new);
    chat.remove_participant(&alice, id, &bob.user_id).await.unwrap();
    assert!(matches!(next(&mut events).await.event.kind, EventKind::Participant(ParticipantEvent::Removed { .. })));
    assert!(in_time(events.next_event()).await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_text_that_is_deleted_in_the_copy_is_not_shown_from_memory() {
    let store = Copied::new();
    let chat = Chat::new(store.clone());
    let (alice, bob, id, copy) = before(&chat, &store, 2).await;
    let mut events = chat.subscribe(&bob, id, 2).await.unwrap();
    let mut idle = chat.subscribe(&bob, id, None).await.unwrap();
    // It has taken the others already.
    assert_eq!(text_of(&next(&mut events).await.message().unwrap()), "3 in both");
    store.replace(copy);
    say(&chat, &alice, id, "instead").await;
    assert!(matches!(in_time(idle.next_event()).await, Some(Err(Error::Resync { .. }))));
    chat.delete_message(&alice, MessageId { session_id: id, seq: 4 }, None).await.unwrap();
    assert!(matches!(in_time(events.next_event()).await, Some(Err(Error::Resync { .. }))));
}

#[tokio::test(start_paused = true)]
async fn a_reader_of_a_replaced_log_starts_again() {
    for lost in [1, 2, 5] {
        for instead in [0, 1, 2, 4, 5, 6, 9] {
            readers_see_one_history(InProcessNotifier::new(), Histories { lost, instead }).await;
            readers_see_one_history(silent(), Histories { lost, instead }).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_kick_in_a_replaced_log_ends_the_stream() {
    for notifier in [Bent::new(|_, hint| vec![hint]), silent()] {
        let store = Copied::new();
        let chat = Chat::builder(store.clone()).notifier(notifier).build();
        let (alice, bob, id, copy) = before(&chat, &store, 5).await;
        let mut events = chat.subscribe(&bob, id, None).await.unwrap();
        store.replace(copy);
        chat.remove_participant(&alice, id, &bob.user_id).await.unwrap();
        let ended = in_time(events.next_event()).await.unwrap().unwrap_err();
        assert_eq!(ended, Error::Resync { oldest: 0, head: 7 });
        assert!(in_time(events.next_event()).await.is_none());
        assert_denied(chat.subscribe(&bob, id, events.after()).await, Denial::NotParticipant);
    }
}

#[tokio::test(start_paused = true)]
async fn a_replaced_log_concerns_one_session_of_the_stream_of_all() {
    let store = Copied::new();
    let chat = Chat::builder(store.clone()).build();
    let (alice, bob) = (user("alice"), user("bob"));
    let whole = room(&chat, &alice, &[&bob]).await;
    let (_, _, id, copy) = before(&chat, &store, 2).await;
    let lost = chat.events(&bob, id, 7, None).await.unwrap().next();
    let mut all = chat.subscribe_all(&bob, &[]).await.unwrap();
    for _ in 0..2 {
        assert!(matches!(in_time(all.next()).await.unwrap().unwrap(), AllDelivery::Subscribed(_)));
    }
    store.replace(copy);
    match in_time(all.next()).await.unwrap().unwrap() {
        AllDelivery::Ended { session_id, error: Error::Resync { oldest: 0, head: 6 } } => assert_eq!(session_id, id),
        other => panic!("{other:?}"),
    }
    say(&chat, &alice, whole, "goes on").await;
    assert!(matches!(in_time(all.next()).await.unwrap().unwrap(), AllDelivery::Delivered(_)));

    for n in 0..4 {
        say(&chat, &alice, id, &n.to_string()).await;
    }
    let at = |cursor: Cursor| [Position::new(id, cursor)];
    let mut all = chat.subscribe_all(&bob, &at(lost)).await.unwrap();
    let told = in_time(all.next()).await.unwrap().unwrap();
    assert!(matches!(told, AllDelivery::Ended { error: Error::Resync { .. }, .. }), "{told:?}");
    let mut all = chat.subscribe_all(&bob, &at(lost.seq.into())).await.unwrap();
    let told = in_time(all.next()).await.unwrap().unwrap();
    assert!(matches!(told, AllDelivery::Subscribed(_)), "a position alone says nothing of a history: {told:?}");
}
