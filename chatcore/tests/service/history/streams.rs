//! Streams of events, and races of the setting with reads.

use super::*;

#[tokio::test]
async fn a_cursor_from_before_asks_for_a_resync_at_the_first_position() {
    let past = past().await;
    let Past { chat, alice, bob, id, first, .. } = &past;
    let head = head(chat, bob, *id).await;
    let resync = Error::Resync { oldest: first - 1, head };
    let root = chat.events(alice, *id, past.root.seq - 1, Some(1)).await.unwrap().next();
    for after in [Cursor::from(0), Cursor::from(1), Cursor::from(first - 2), root, Cursor::from(head + 1)] {
        assert_eq!(chat.subscribe(bob, *id, Start::After(after)).await.unwrap_err(), resync, "{after}");
        assert_eq!(chat.events(bob, *id, Start::After(after), None).await.unwrap_err(), resync, "{after}");
        assert_eq!(chat.may_follow(bob, *id, Start::After(after)).await.unwrap_err(), resync, "{after}");
        let mut all = chat.subscribe_all(bob, &[Position::new(*id, after)]).await.unwrap();
        match in_time(all.next()).await.unwrap().unwrap() {
            AllDelivery::Ended { session_id, error } => assert_eq!((session_id, error), (*id, resync.clone())),
            other => panic!("{other:?}"),
        }
    }
    for start in [Start::Beginning, Start::from(first - 1)] {
        let mut events = chat.subscribe(bob, *id, start).await.unwrap();
        assert_eq!((events.after().seq, next(&mut events).await.event.seq), (first - 1, *first));
        let page = chat.events(bob, *id, start, None).await.unwrap();
        assert_eq!((page.after.seq, page.events[0].event.seq), (first - 1, *first));
    }
    // Who comes in while a stream of all sessions is open gets the event that brought them in.
    let carol = user("carol");
    let mut all = chat.subscribe_all(&carol, &[]).await.unwrap();
    let joined = chat.join(&carol, *id).await.unwrap().cursor;
    let mut came = Vec::new();
    while came.len() < 2 {
        came.push(in_time(all.next()).await.unwrap().unwrap());
    }
    match &came[..] {
        [AllDelivery::Subscribed(at), AllDelivery::Delivered(Delivery::Event(view))] => {
            assert_eq!((at.session_id, at.cursor.seq, view.event.seq), (*id, joined.seq - 1, joined.seq));
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_edit_of_what_is_not_seen_comes_without_its_text_to_a_reader_in_step() {
    let past = past().await;
    let Past { chat, alice, bob, id, root, since, .. } = &past;
    let [mut newcomer, mut maker] =
        [chat.subscribe(bob, *id, None).await.unwrap(), chat.subscribe(alice, *id, None).await.unwrap()];
    let edit = |message, text: &str| chat.edit_message(alice, message, EditMessage::text(text));
    edit(*root, "secret again").await.unwrap();
    let (bare, whole) = (next(&mut newcomer).await, next(&mut maker).await);
    assert_eq!(bare.event, whole.event, "it is the same event at the same place");
    assert!(bare.message().is_none() && !told(&bare).contains(SECRET));
    assert_eq!(text_of(&whole.message().unwrap()), "secret again");
    edit(since[0].id, "open again").await.unwrap();
    assert_eq!(text_of(&next(&mut newcomer).await.message().unwrap()), "open again");
    // The setting counts from its own position on, for a stream that is open, too.
    chat.update_session(alice, *id, seeing(HistoryVisibility::All)).await.unwrap();
    edit(*root, "open to all").await.unwrap();
    let came = kit::take(&mut newcomer, 2).await;
    assert_eq!(text_of(&came[1].message().unwrap()), "open to all");
    chat.update_session(alice, *id, seeing(SinceJoining)).await.unwrap();
    edit(*root, "secret at last").await.unwrap();
    let came = kit::take(&mut newcomer, 2).await;
    assert!(came[1].message().is_none());
    // An edit from while all was shown does not show what was written into the message since then.
    chat.update_session(alice, *id, seeing(HistoryVisibility::All)).await.unwrap();
    edit(*root, "open once more").await.unwrap();
    chat.update_session(alice, *id, seeing(SinceJoining)).await.unwrap();
    edit(*root, "secret for good").await.unwrap();
    for view in kit::take(&mut newcomer, 4).await {
        assert!(!told(&view).contains(SECRET), "{view:?}");
    }
}

#[tokio::test]
async fn the_setting_counts_at_once_for_reads_and_replays() {
    let store = MemoryStore::new();
    let [chat, other] = [uncounted(store.clone()), uncounted(store)];
    let [alice, bob] = ["alice", "bob"].map(user);
    let id = session(&chat, &alice, SessionType::Public).await;
    for n in 0..200 {
        say(&chat, &alice, id, &format!("secret {n}")).await;
    }
    let first = chat.join(&bob, id).await.unwrap().cursor.seq;
    say(&chat, &alice, id, "open").await;
    let mut replay = chat.subscribe(&bob, id, Start::Beginning).await.unwrap();
    let mut in_step = chat.subscribe(&bob, id, None).await.unwrap();
    let mut of_maker = chat.subscribe(&alice, id, Start::Beginning).await.unwrap();
    for seq in 1..=5 {
        assert_eq!(next(&mut replay).await.event.seq, seq);
        assert_eq!(next(&mut of_maker).await.event.seq, seq);
    }
    chat.update_session(&alice, id, seeing(SinceJoining)).await.unwrap();
    let head = first + 2;
    // What was read for the replay before is not shown any more.
    let ended = in_time(replay.next_event()).await.unwrap().unwrap_err();
    assert_eq!(ended, Error::Resync { oldest: first - 1, head });
    assert!(in_time(replay.next_event()).await.is_none());
    assert_eq!(next(&mut in_step).await.event.seq, head, "a reader in step goes on");
    for seq in 6..=head {
        assert_eq!(next(&mut of_maker).await.event.seq, seq, "who sees all goes on");
    }
    for chat in [&chat, &other] {
        assert_eq!(texts(chat, &bob, id, MessageWindow::Newest).await, ["open"]);
    }
    // What a cursor from before the change names is not seen any more, until it is.
    assert!(chat.events(&bob, id, 5, None).await.is_err());
    other.update_session(&alice, id, seeing(HistoryVisibility::All)).await.unwrap();
    for chat in [&chat, &other] {
        assert_eq!(texts(chat, &bob, id, MessageWindow::Newest).await.len(), 50);
        assert_eq!(chat.events(&bob, id, 5, Some(1)).await.unwrap().events[0].event.seq, 6);
    }
    assert_eq!(next(&mut in_step).await.event.seq, head + 1);
}

#[tokio::test]
async fn a_text_that_is_written_into_the_past_while_it_is_hidden_reaches_no_reader() {
    let store = Hooked::default();
    let (chat, elsewhere) = (uncounted(store.clone()), uncounted(store.intact()));
    let [alice, bob] = ["alice", "bob"].map(user);
    let id = session(&chat, &alice, SessionType::Public).await;
    let old = say(&chat, &alice, id, "before").await.id;
    chat.join(&bob, id).await.unwrap();
    // Between the decision and the read of the row, the past is hidden, and the message gets another text.
    let hide = |elsewhere: Chat, alice: Principal, text: &'static str| async move {
        elsewhere.update_session(&alice, id, seeing(SinceJoining)).await.unwrap();
        elsewhere.edit_message(&alice, old, EditMessage::text(text)).await.unwrap();
    };
    let show = async || elsewhere.update_session(&alice, id, seeing(HistoryVisibility::All)).await.unwrap();
    store.before_log.once(hide(elsewhere.clone(), alice.clone(), "secret 1"));
    assert_eq!(chat.message(&bob, old).await.unwrap_err(), Error::Unavailable);
    assert_eq!(chat.message(&bob, old).await.unwrap_err(), Error::MessageNotFound, "the next attempt says it");
    show().await;
    store.before_log.once(hide(elsewhere.clone(), alice.clone(), "secret 2"));
    assert_eq!(chat.messages(&bob, id, MessageWindow::Skip(0), None).await.unwrap_err(), Error::Unavailable);
    show().await;
    store.before_log.once(hide(elsewhere.clone(), alice.clone(), "secret 3"));
    assert!(chat.events(&bob, id, Start::from(1), None).await.is_err());
    show().await;
    store.before_log.once(hide(elsewhere.clone(), alice.clone(), "secret 4"));
    assert_eq!(chat.thread(&bob, old, Page::FIRST).await.unwrap_err(), Error::Unavailable);
    assert!(store.before_log.is_done());
    // An edit or a pin that was decided on before is decided again.
    show().await;
    chat.add_reaction(&bob, old, &thumb()).await.unwrap();
    store.before_commit.once({
        let (elsewhere, alice) = (elsewhere.clone(), alice.clone());
        async move { drop(elsewhere.update_session(&alice, id, seeing(SinceJoining)).await.unwrap()) }
    });
    assert_eq!(chat.remove_reaction(&bob, old, &thumb()).await.unwrap_err(), Error::MessageNotFound);
}

#[tokio::test]
async fn a_newcomer_is_told_no_part_of_a_message_that_began_before() {
    let (chat, [alice, bob]) = (uncounted(MemoryStore::new()), ["alice", "bob"].map(user));
    let id = id_of(&chat.create_session(&alice, hiding("Parts")).await.unwrap());
    let begin = async || {
        let begin = chatcore::chat::StartMessage::of_assistant();
        chat.start_streamed_message(&alice, id, begin).await.unwrap().id
    };
    let old = begin().await;
    chat.append_to_message(&alice, old, 0, "secret 1").await.unwrap();
    chat.join(&bob, id).await.unwrap();
    let mut events = chat.subscribe(&bob, id, None).await.unwrap();
    chat.append_to_message(&alice, old, 8, "secret 2").await.unwrap();
    let new = begin().await;
    chat.append_to_message(&alice, new, 0, "open words").await.unwrap();
    // A signal that comes after the parts.
    chat.typing(&alice, id, true).await.unwrap();
    let mut came = Vec::new();
    loop {
        match in_time(events.next()).await.unwrap().unwrap() {
            Delivery::Event(view) => came.push(told(&view)),
            Delivery::Signal(view) if matches!(view.signal, chatcore::model::Signal::Typing { .. }) => break,
            Delivery::Signal(view) => came.push(format!("{:?}", view.signal)),
        }
    }
    assert!(came.iter().any(|text| text.contains("open words")), "{came:?}");
    assert!(came.iter().all(|text| !text.contains(SECRET)), "{came:?}");
}

#[tokio::test]
async fn a_retry_shows_no_message_of_an_earlier_stay_that_is_hidden_meanwhile() {
    for hides in [true, false] {
        let store = Hooked::default();
        let (chat, elsewhere) = (uncounted(store.clone()), uncounted(store.intact()));
        let [alice, bob] = ["alice", "bob"].map(user);
        let id = room(&elsewhere, &alice, &[&bob]).await;
        let own = elsewhere.send(&bob, id, old_message()).await.unwrap().id;
        elsewhere.leave(&bob, id).await.unwrap();
        elsewhere.join(&bob, id).await.unwrap();
        // Between the decision about the sender and the read of the message.
        store.before_log.once(async move {
            if hides {
                elsewhere.update_session(&alice, id, seeing(SinceJoining)).await.unwrap();
            }
            elsewhere.add_reaction(&alice, own, &thumb()).await.unwrap();
        });
        let retry = chat.send(&bob, id, old_message()).await;
        assert!(store.before_log.is_done());
        assert_eq!(retry.map(|message| message.id), if hides { Err(Error::MessageNotFound) } else { Ok(own) });
    }
}
