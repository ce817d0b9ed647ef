//! Batches and streams of all sessions, of which the policy refuses some or fails for some.

use super::*;

/// Forbids to view some sessions, and takes a while for each of the others.
#[derive(Clone, Default)]
struct Shut(Arc<Mutex<Vec<SessionId>>>);

#[chatcore::async_trait]
impl Policy for Shut {
    async fn check(&self, attempt: &Attempt<'_>) -> Result<(), Refusal> {
        match attempt.operation {
            Operation::InSession { session, action: Action::View, .. } => {
                tokio::time::sleep(Duration::from_secs(1)).await;
                if self.0.lock().unwrap().contains(&session.id) { Err(closed()) } else { Ok(()) }
            }
            _ => Ok(()),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_batch_asks_about_each_session_and_all_at_once() {
    let (shut, alice) = (Shut::default(), user("alice"));
    let chat = Chat::builder(MemoryStore::new()).policy(Arc::new(shut.clone())).build();
    let mut ids = Vec::new();
    for _ in 0..20 {
        ids.push(session(&chat, &alice, SessionType::Private).await);
    }
    shut.0.lock().unwrap().push(ids[7]);
    let begun = tokio::time::Instant::now();
    let found = chat.details_by_id(&alice, &ids).await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    let refused: Vec<_> = (0..20).filter(|n| found[*n].is_err()).collect();
    assert_eq!(refused, [7]);
    assert_eq!(found[7].as_ref().unwrap_err(), &Error::RefusedByHost(closed()));
}

#[tokio::test(start_paused = true)]
async fn a_stream_of_all_sessions_leaves_a_refused_one_out_until_it_is_allowed() {
    let (shut, alice) = (Shut::default(), user("alice"));
    let chat = Chat::builder(MemoryStore::new()).policy(shut.clone()).build();
    let (open, locked) = (room(&chat, &alice, &[]).await, room(&chat, &alice, &[]).await);
    shut.0.lock().unwrap().push(locked);
    let mut all = chat.subscribe_all(&alice, &[]).await.unwrap();
    let mut told = Vec::new();
    for _ in 0..2 {
        match in_time(all.next()).await.unwrap().unwrap() {
            AllDelivery::Subscribed(position) => told.push((position.session_id, None)),
            AllDelivery::Ended { session_id, error } => told.push((session_id, Some(error))),
            other => panic!("{other:?}"),
        }
    }
    told.sort_by_key(|(id, _)| *id);
    assert_eq!(told, [(open, None), (locked, Some(Error::RefusedByHost(closed())))]);
    // It says so once, however often it looks again.
    assert!(tokio::time::timeout(Duration::from_secs(600), all.next()).await.is_err());
    shut.0.lock().unwrap().clear();
    let allowed = in_time(all.next()).await.unwrap().unwrap();
    assert!(matches!(allowed, AllDelivery::Subscribed(position) if position.session_id == locked), "{allowed:?}");
}

/// Does not answer, or panics, when it is asked about some sessions.
#[derive(Clone, Default)]
struct Faulty {
    hangs: Arc<Mutex<Vec<SessionId>>>,
    panics: Arc<Mutex<Vec<SessionId>>>,
}

#[chatcore::async_trait]
impl Policy for Faulty {
    async fn check(&self, attempt: &Attempt<'_>) -> Result<(), Refusal> {
        if let Operation::InSession { session, action: Action::View, .. } = attempt.operation {
            assert!(!self.panics.lock().unwrap().contains(&session.id), "the policy fails");
            if self.hangs.lock().unwrap().contains(&session.id) {
                std::future::pending::<()>().await;
            }
        }
        Ok(())
    }
}

fn is_about(delivery: &AllDelivery, id: SessionId) -> bool {
    match delivery {
        AllDelivery::Subscribed(position) => position.session_id == id,
        AllDelivery::Delivered(Delivery::Event(view)) => view.event.session_id == id,
        AllDelivery::Ended { session_id, .. } => *session_id == id,
        AllDelivery::Delivered(Delivery::Signal(_)) | AllDelivery::LeftOut { .. } => false,
    }
}

async fn part(all: &mut AllSubscription) -> AllDelivery {
    in_time(all.next()).await.expect("the stream ended").expect("the stream failed")
}

#[tokio::test(start_paused = true)]
async fn a_policy_that_fails_for_one_session_ends_that_one_alone() {
    let (faulty, alice) = (Faulty::default(), user("alice"));
    let chat = Chat::builder(MemoryStore::new()).policy(faulty.clone()).build();
    let (good, hung, broken) =
        (room(&chat, &alice, &[]).await, room(&chat, &alice, &[]).await, room(&chat, &alice, &[]).await);
    faulty.hangs.lock().unwrap().push(hung);
    faulty.panics.lock().unwrap().push(broken);
    let named = [Position::new(hung, 1), Position::new(good, 0), Position::new(broken, 1)];
    for named in [&named[..], &[]] {
        let mut all = chat.subscribe_all(&alice, named).await.unwrap();
        let mut begun = Vec::new();
        for _ in 0..3 {
            match part(&mut all).await {
                AllDelivery::Subscribed(position) => begun.push((position.session_id, None)),
                AllDelivery::Ended { session_id, error } => begun.push((session_id, Some(error))),
                other => panic!("{other:?}"),
            }
        }
        begun.sort_by_key(|(id, _)| *id);
        let mut expected = [(good, None), (hung, Some(Error::Unavailable)), (broken, Some(Error::Unavailable))];
        expected.sort_by_key(|(id, _)| *id);
        assert_eq!(begun, expected);
        if !named.is_empty() {
            assert!(is_about(&part(&mut all).await, good), "the first event");
        }
        say(&chat, &alice, good, "goes on").await;
        assert!(matches!(part(&mut all).await, AllDelivery::Delivered(Delivery::Event(_))));
        // It is looked at again.
        faulty.panics.lock().unwrap().clear();
        let again = part(&mut all).await;
        assert!(matches!(again, AllDelivery::Subscribed(_)) && is_about(&again, broken), "{again:?}");
        faulty.panics.lock().unwrap().push(broken);
    }
}

#[tokio::test]
async fn a_policy_that_is_late_for_one_session_holds_up_no_other() {
    let (faulty, alice, bob) = (Faulty::default(), user("alice"), user("bob"));
    // Longer than the test takes.
    let limits = Limits { policy_timeout: Duration::from_secs(3_600), ..Limits::default() };
    let chat = Chat::builder(MemoryStore::new()).policy(faulty.clone()).limits(limits).build();
    let good = room(&chat, &alice, &[&bob]).await;
    let late = room(&chat, &alice, &[]).await;
    let mut all = chat.subscribe_all(&bob, &[]).await.unwrap();
    assert!(is_about(&part(&mut all).await, good));
    faulty.hangs.lock().unwrap().push(late);
    chat.join(&bob, late).await.unwrap();
    for text in ["one", "two", "three"] {
        say(&chat, &alice, good, text).await;
        let delivery = part(&mut all).await;
        assert!(is_about(&delivery, good), "{delivery:?}");
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn sessions_that_are_allowed_again_take_no_more_room_than_there_is() {
    let (shut, alice, bob) = (Shut::default(), user("alice"), user("bob"));
    let limits = Limits { stream_sessions: 2, ..Limits::default() };
    let chat = Chat::builder(MemoryStore::new()).policy(shut.clone()).limits(limits).build();
    let (first, second) = (room(&chat, &alice, &[&bob]).await, room(&chat, &alice, &[&bob]).await);
    shut.0.lock().unwrap().extend([first, second]);
    let mut all = chat.subscribe_all(&bob, &[]).await.unwrap();
    for _ in 0..2 {
        assert!(matches!(part(&mut all).await, AllDelivery::Ended { error: Error::RefusedByHost(_), .. }));
    }
    let third = room(&chat, &alice, &[&bob]).await;
    assert!(is_about(&part(&mut all).await, third));
    assert!(is_about(&part(&mut all).await, third), "the event that brought bob in");
    // There is room for one of the two.
    shut.0.lock().unwrap().clear();
    let again = part(&mut all).await;
    assert!(matches!(again, AllDelivery::Subscribed(_)), "{again:?}");
    assert!(tokio::time::timeout(Duration::from_secs(600), all.next()).await.is_err());
    // The other one gets the room of a session that ends.
    chat.leave(&bob, third).await.unwrap();
    assert!(is_about(&part(&mut all).await, third));
    let other = if is_about(&again, first) { second } else { first };
    let last = part(&mut all).await;
    assert!(matches!(last, AllDelivery::Subscribed(_)) && is_about(&last, other), "{last:?}");
}
