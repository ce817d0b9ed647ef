//! Replay and live, without a seam.

use super::*;

#[tokio::test]
async fn a_stream_replays_from_a_position_and_goes_on_live() {
    let (chat, alice, bob) = (Chat::in_memory(), user("alice"), user("bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    for n in 0..5 {
        say(&chat, &alice, id, &n.to_string()).await;
    }
    for after in 0..=7 {
        let mut events = chat.subscribe(&bob, id, Some(after)).await.unwrap();
        assert_eq!(events.after().seq, after);
        let before = take(&mut events, 7 - usize::try_from(after).unwrap()).await;
        assert_eq!(seqs(&before), (after + 1..=7).collect::<Vec<_>>());
    }
    let mut events = chat.subscribe(&bob, id, Some(3)).await.unwrap();
    for n in 5..8 {
        say(&chat, &alice, id, &n.to_string()).await;
    }
    chat.update_session(&alice, id, UpdateSession { title: Some("New".to_owned()), ..UpdateSession::default() })
        .await
        .unwrap();
    let all = take(&mut events, 8).await;
    assert_eq!(seqs(&all), (4..=11).collect::<Vec<_>>());
    let texts: Vec<_> =
        all.iter().filter_map(|view| view.message()).map(|message| text_of(&message).to_owned()).collect();
    assert_eq!(texts, ["1", "2", "3", "4", "5", "6", "7"]);
    assert!(matches!(all[7].event.kind, EventKind::Session(SessionEvent::Updated { .. })));
}

#[tokio::test]
async fn a_stream_without_a_position_begins_now() {
    let (chat, alice) = (Chat::in_memory(), user("alice"));
    let id = room(&chat, &alice, &[]).await;
    say(&chat, &alice, id, "before").await;
    let mut events = chat.subscribe(&alice, id, None).await.unwrap();
    assert_eq!(events.after().seq, 2);
    say(&chat, &alice, id, "after").await;
    assert_eq!(next(&mut events).await.event.seq, 3);
}

#[tokio::test]
async fn a_position_beyond_the_head_asks_for_a_resync() {
    let (chat, alice) = (Chat::in_memory(), user("alice"));
    let id = room(&chat, &alice, &[]).await;
    for after in [2, 3, Seq::MAX] {
        let refused = chat.subscribe(&alice, id, Some(after)).await.unwrap_err();
        assert_eq!(refused, Error::Resync { oldest: 0, head: 1 });
        assert_eq!(chat.events(&alice, id, after, None).await.unwrap_err(), refused);
    }
    assert!(chat.subscribe(&alice, id, Some(1)).await.is_ok());
}

#[tokio::test]
async fn a_position_before_the_kept_log_asks_for_a_resync() {
    let store = Breakable::default();
    let limits = Limits { tail_events: 4, ..Limits::default() };
    let chat = Chat::builder(store.clone()).limits(limits).build();
    let alice = user("alice");
    let id = room(&chat, &alice, &[]).await;
    for n in 0..300 {
        say(&chat, &alice, id, &n.to_string()).await;
    }
    let mut slow = chat.subscribe(&alice, id, Some(0)).await.unwrap();
    assert_eq!(next(&mut slow).await.event.seq, 1);
    for trimmed in [1, 2, 150, 299, 300] {
        store.trimmed.store(trimmed, Ordering::SeqCst);
        let expected = Error::Resync { oldest: trimmed, head: 301 };
        for after in [0, trimmed - 1] {
            assert_eq!(chat.subscribe(&alice, id, Some(after)).await.unwrap_err(), expected);
            assert_eq!(chat.events(&alice, id, after, None).await.unwrap_err(), expected);
        }
        assert_eq!(chat.subscribe(&alice, id, Some(400)).await.unwrap_err(), expected);
        // What the error names is good to go on from.
        let mut events = chat.subscribe(&alice, id, Some(trimmed)).await.unwrap();
        assert_eq!(next(&mut events).await.event.seq, trimmed + 1);
        assert_eq!(chat.events(&alice, id, trimmed, None).await.unwrap().events[0].event.seq, trimmed + 1);
        assert!(chat.events(&alice, id, 301, None).await.unwrap().events.is_empty());
    }
    // A reader who was so slow that the log was trimmed under them is told so, too, and nothing is left out silently.
    let mut seen = 1;
    loop {
        match in_time(slow.next_event()).await.unwrap() {
            Ok(view) => {
                seen += 1;
                assert_eq!(view.event.seq, seen);
            }
            Err(error) => break assert_eq!(error, Error::Resync { oldest: 300, head: 301 }),
        }
    }
    assert!(seen < 300, "the rest was gone");
}

#[tokio::test]
async fn only_who_may_view_can_subscribe() {
    let (chat, alice, bob) = (Chat::in_memory(), user("alice"), user("bob"));
    let public = session(&chat, &alice, SessionType::Public).await;
    assert_denied(chat.subscribe(&bob, public, None).await, Denial::NotParticipant);
    for session_type in [SessionType::Private, SessionType::InviteOnly] {
        let id = session(&chat, &alice, session_type).await;
        assert_denied(chat.subscribe(&bob, id, Some(0)).await, Denial::Hidden);
        // Not even how long the log is can be found out.
        assert_denied(chat.subscribe(&bob, id, Some(1_000)).await, Denial::Hidden);
    }
}

#[tokio::test]
async fn a_stream_can_be_gone_on_with_where_another_stopped() {
    let (chat, alice) = (Chat::in_memory(), user("alice"));
    let id = room(&chat, &alice, &[]).await;
    let mut last = 0;
    for round in 0..10 {
        let mut events = chat.subscribe(&alice, id, Some(last)).await.unwrap();
        say(&chat, &alice, id, &round.to_string()).await;
        while last < round + 2 {
            let event = next(&mut events).await;
            assert_eq!(event.event.seq, last + 1);
            last = event.event.seq;
        }
    }
}

#[tokio::test]
async fn two_readers_see_the_same_in_the_same_order() {
    let (chat, alice, bob) = (Chat::in_memory(), user("alice"), user("bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    let mut early = chat.subscribe(&alice, id, Some(0)).await.unwrap();
    join_all((0..40).map(|n| {
        let (chat, who) = (chat.clone(), if n % 2 == 0 { alice.clone() } else { bob.clone() });
        async move { say(&chat, &who, id, &n.to_string()).await }
    }))
    .await;
    let mut late = chat.subscribe(&bob, id, Some(0)).await.unwrap();
    let (early, late) = (take(&mut early, 42).await, take(&mut late, 42).await);
    assert_eq!(seqs(&early), (1..=42).collect::<Vec<_>>());
    assert!(early.iter().zip(&late).all(|(one, other)| one.event == other.event));
}

#[tokio::test]
async fn what_is_told_carries_names_and_no_addresses() {
    let chat = Chat::in_memory();
    let mut alice = user("alice").with_name("Alice");
    alice.email = Some("alice@example.com".to_owned());
    let mut bob = user("bob").with_name("Bob");
    bob.email = Some("bob@example.com".to_owned());
    chat.me(&bob).await.unwrap();
    let id = room(&chat, &alice, &[]).await;
    chat.add_participant(&alice, id, chatcore::chat::AddParticipant { user_id: user_id("bob"), role: None })
        .await
        .unwrap();
    say(&chat, &alice, id, "hello").await;
    let mut events = chat.subscribe(&alice, id, Some(0)).await.unwrap();
    let all = take(&mut events, 3).await;
    let subject = all[1].subject.clone().unwrap();
    assert_eq!((all[1].actor.name.as_str(), subject.name.as_str()), ("Alice", "Bob"));
    assert!(all.iter().all(|view| view.actor.email.is_none()) && subject.email.is_none());
    assert_eq!(all[2].message().unwrap().sender.email, None);
}
