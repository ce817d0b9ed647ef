//! What holds whoever else is at it at the same time.

use std::{
    collections::BTreeMap,
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{sync::Barrier, task::yield_now};

use super::kit::{
    Dice, Room, Running, Store, assert_dense, assert_stale, change, claim, conflict, creation, everything, facts_of,
    go, head_of, session, stay, text, text_of, user, users,
};
use crate::{
    model::{Event, EventKind, ParticipantEvent, ParticipantRole, Session, SessionType, Standing, UserId},
    store::{Change, Committed, Freshness, Head, SessionFacts, StoreError, Write},
};

/// Runs these at once and gives what they gave, in their order.
async fn all<T, F>(tasks: impl IntoIterator<Item = F>) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let tasks: Vec<F> = tasks.into_iter().collect();
    let start = Arc::new(Barrier::new(tasks.len()));
    let begin = |task: F| {
        let start = Arc::clone(&start);
        go(async move {
            start.wait().await;
            task.await
        })
    };
    let running: Vec<Running<T>> = tasks.into_iter().map(begin).collect();
    let mut results = Vec::new();
    for task in running {
        results.push(task.result().await);
    }
    results
}

pub(super) async fn joins_never_pass_the_cap(store: Store) {
    for _ in 0..12 {
        let room = Room::open(&store, SessionType::Public, 3).await;
        let join = |n| {
            let room = room.clone();
            async move { room.join(&user(format!("user {n}"))).await }
        };
        let seated = all((0..6).map(join)).await.into_iter().filter(|seated| *seated).count();
        assert_eq!(seated, 2, "as many came in as there were seats");
        assert_eq!((room.session().await.participant_count, room.participants().await.len()), (3, 3));
        let log = room.log().await;
        assert_dense(room.id, &log);
        assert_eq!(log.len(), 3);
    }
}

/// Says things, decided on cached facts as long as these allow it, until fresh ones forbid it.
async fn say_until_removed(room: Room, who: UserId) {
    let mut freshness = Freshness::Cached;
    for n in 0..300 {
        yield_now().await;
        let facts = facts_of(&room.store, room.id, std::slice::from_ref(&who), freshness).await;
        let is_in = facts.participants[0].as_ref().is_some_and(|record| record.standing.role().is_some());
        match (is_in, freshness) {
            (true, _) => {}
            (false, Freshness::Cached) => {
                freshness = Freshness::Fresh;
                continue;
            }
            (false, Freshness::Fresh) => return,
        }
        freshness = match room.store.commit(room.message(facts.head.seq, &who, &format!("{n}"))).await {
            Ok(_) => Freshness::Cached,
            Err(StoreError::Stale) => Freshness::Fresh,
            Err(error) => panic!("a message failed: {error:?}"),
        };
    }
}

pub(super) async fn no_message_is_numbered_after_the_removal_that_forbids_it(store: Store) {
    let ana = user("ana");
    for round in 0..16 {
        let room = Room::public(&store).await;
        room.join(&ana).await;
        let senders: Vec<_> = (0..4).map(|_| go(say_until_removed(room.clone(), ana.clone()))).collect();
        while room.head().await.number < round && !senders.iter().all(Running::is_finished) {
            yield_now().await;
        }
        let removal = room.remove(&ana).await.seq;
        for sender in senders {
            sender.result().await;
        }
        let log = room.log().await;
        assert_dense(room.id, &log);
        let late: Vec<_> = log.iter().filter(|event| event.seq > removal).collect();
        assert!(late.is_empty(), "removed at {removal}, and then came {late:?}");
    }
}

pub(super) async fn one_of_two_uses_of_a_client_id_wins(store: Store) {
    let room = Room::public(&store).await;
    for round in 0..25 {
        let decided_at = room.head().await.seq;
        let send = |fingerprint: &'static str| {
            let room = room.clone();
            let claim = Some(claim(&room.owner, &format!("{round}"), fingerprint));
            let change = Change { claim, ..room.message(decided_at, &room.owner, fingerprint) };
            async move { room.store.commit(change).await }
        };
        let (won, lost): (Vec<_>, Vec<_>) = all(["one", "other"].map(send)).await.into_iter().partition(Result::is_ok);
        assert_eq!((won.len(), lost.len()), (1, 1), "{won:?} {lost:?}");
        let winner = won.into_iter().flatten().next().expect("one won").events.remove(0);
        for outcome in lost {
            assert_eq!(conflict(outcome), (winner.seq, text_of(&winner).to_owned()));
        }
        assert_eq!(room.head().await, head_of(&[winner]), "nothing of the other one is kept");
    }
    assert_dense(room.id, &room.log().await);
}

pub(super) async fn one_of_two_creations_of_a_session_wins(store: Store) {
    for _ in 0..25 {
        let [ana, bob] = users(["ana", "bob"]);
        let first = session(&ana, SessionType::Public, 10);
        let second = Session { owner: bob, title: "Another".into(), ..first.clone() };
        let create = |session: Session| {
            let store = Arc::clone(&store);
            async move { (store.commit(creation(&session)).await, session) }
        };
        let (won, lost): (Vec<_>, Vec<_>) =
            all([first, second].map(create)).await.into_iter().partition(|(outcome, _)| outcome.is_ok());
        assert_eq!((won.len(), lost.len()), (1, 1), "{won:?} {lost:?}");
        for (outcome, _) in lost {
            assert_stale(outcome);
        }
        let (_, winner) = &won[0];
        let room = Room { store: Arc::clone(&store), id: winner.id, owner: winner.owner.clone() };
        assert_eq!(room.session().await, *winner);
        assert_eq!(room.participants().await, std::slice::from_ref(&winner.owner));
        assert_eq!(room.log().await.len(), 1);
    }
}

/// Sends so many one after the other.
async fn send_in_order(room: Room, sender: usize, count: usize) -> Vec<(u64, String)> {
    let mut sent = Vec::new();
    for n in 0..count {
        let said = format!("{sender}:{n}");
        let committed = room.store.commit(room.message(1, &room.owner, &said)).await.expect("a message");
        sent.push((committed.events[0].seq, said));
    }
    sent
}

/// Looks whether a log holds the creation of its session, and then what these tasks sent, each in its order.
fn assert_holds(room: &Room, log: &[Arc<Event>], sent: &[Vec<(u64, String)>]) {
    assert_dense(room.id, log);
    for sent in sent {
        assert!(sent.iter().is_sorted(), "a task's messages left their order: {sent:?}");
    }
    let mut answered: Vec<_> = sent.iter().flatten().map(|(seq, said)| (*seq, said.as_str())).collect();
    answered.sort_unstable();
    let kept: Vec<_> = log.iter().skip(1).map(|event| (event.seq, text_of(event))).collect();
    assert_eq!(answered, kept, "each position was given once, and holds what it was given for");
}

pub(super) async fn a_hundred_sends_at_once_are_numbered_densely_in_each_tasks_order(store: Store) {
    for (tasks, each) in [(10, 10), (100, 1), (3, 34)] {
        let room = Room::public(&store).await;
        let sent = all((0..tasks).map(|sender| send_in_order(room.clone(), sender, each))).await;
        assert_holds(&room, &room.log().await, &sent);
        assert_eq!(room.head().await.number, (tasks * each) as u64);
    }
}

pub(super) async fn many_sessions_are_written_at_once(store: Store) {
    let mut rooms = Vec::new();
    for _ in 0..16 {
        rooms.push(Room::public(&store).await);
    }
    // Each task writes several sessions, and each session is written by several tasks.
    let task = |task: usize| {
        let rooms: Vec<_> = (0..4).map(|n| rooms[(task + 4 * n) % 16].clone()).collect();
        async move {
            let mut sent = Vec::new();
            for room in rooms {
                let id = room.id;
                sent.push((id, send_in_order(room, task, 5).await));
            }
            sent
        }
    };
    let mut sent = BTreeMap::<_, Vec<_>>::new();
    for (id, messages) in all((0..32).map(task)).await.into_iter().flatten() {
        sent.entry(id).or_default().push(messages);
    }
    for room in &rooms {
        assert_holds(room, &room.log().await, &sent[&room.id]);
    }
}

/// One more participant and two messages, in one change.
async fn bring_in(room: &Room, newcomer: &UserId) {
    let record = stay(room.id, newcomer, ParticipantRole::Member);
    let plan = |facts: &SessionFacts| {
        let session = facts.session.clone()?;
        let session = Session { participant_count: session.participant_count + 1, ..session };
        let (participant_id, role) = (record.id, ParticipantRole::Member);
        let kinds =
            vec![text("a"), EventKind::Participant(ParticipantEvent::Joined { participant_id, role }), text("b")];
        Some((newcomer.clone(), kinds, vec![Write::Session(session), Write::Participant(record.clone())]))
    };
    room.govern(&[], plan).await;
}

/// Whether a session's record and its log's end are of one state, where only [`bring_in`] changes it.
#[track_caller]
fn assert_whole(count: u32, head: Head) {
    let joins = u64::from(count) - 1;
    assert_eq!((head.seq, head.number), (1 + 3 * joins, 2 * joins), "with {count} participants");
}

pub(super) async fn readers_see_whole_changes_only(store: Store) {
    let newcomers: Vec<UserId> = (0..30).map(|n| user(format!("user {n}"))).collect();
    let room = Room::public(&store).await;
    let done = Arc::new(AtomicBool::new(false));
    let read = |_| {
        let (room, newcomers, done) = (room.clone(), newcomers.clone(), Arc::clone(&done));
        go(async move {
            let mut seen = 0;
            while !done.load(Ordering::Acquire) {
                let facts = room.facts(&newcomers).await;
                let count = facts.session.expect("it was made").participant_count;
                assert_whole(count, facts.head);
                assert_eq!(facts.participants.iter().flatten().count() + 1, count as usize);
                assert!(facts.head.seq >= seen, "fresh facts went back from {seen} to {}", facts.head.seq);
                seen = facts.head.seq;

                let log = room.log().await;
                assert_dense(room.id, &log);
                assert!(log.len() as u64 >= seen, "the log is shorter than it was");
                assert_eq!(log.len() % 3, 1, "the log ends within a change");
                assert_eq!(log[usize::try_from(seen).expect("a position") - 1].number, facts.head.number);
                assert!(room.participants().await.len() >= count as usize);

                let cached = facts_of(&room.store, room.id, &newcomers, Freshness::Cached).await;
                if let Some(session) = cached.session {
                    assert_whole(session.participant_count, cached.head);
                    let found = cached.participants.iter().flatten().count();
                    assert_eq!(found + 1, session.participant_count as usize);
                }
                let own = room.store.sessions_of(&room.owner, everything()).await.expect("sessions");
                assert_whole(own[0].0.participant_count, own[0].1);
                let public =
                    room.store.public_sessions(&user("stranger"), everything()).await.expect("sessions").sessions;
                assert_whole(public[0].0.participant_count, public[0].1);
                yield_now().await;
            }
        })
    };
    let readers: Vec<Running<()>> = (0..3).map(read).collect();
    for newcomer in &newcomers {
        bring_in(&room, newcomer).await;
        yield_now().await;
    }
    done.store(true, Ordering::Release);
    for reader in readers {
        reader.result().await;
    }
    assert_whole(31, room.head().await);
}

/// Lets some time go by: so many turns of the scheduler, or, for many, some milliseconds.
async fn a_while(length: u64) {
    for _ in 0..length.min(20) {
        yield_now().await;
    }
    if length > 20 {
        tokio::time::sleep(Duration::from_millis(length - 20)).await;
    }
}

/// Starts a commit and drops it after a while, unless it was faster.
async fn drop_after(store: Store, change: Change, length: u64) -> Option<Result<Committed, StoreError>> {
    tokio::select! {
        biased;
        () = a_while(length) => None,
        outcome = store.commit(change) => Some(outcome),
    }
}

/// A message with a client id, and with it a join.
fn entry(room: &Room, facts: &SessionFacts, newcomer: &UserId, fingerprint: &str) -> Change {
    let record = stay(room.id, newcomer, ParticipantRole::Member);
    let session = facts.session.clone().expect("it was made");
    let session = Session { participant_count: session.participant_count + 1, ..session };
    let joined =
        EventKind::Participant(ParticipantEvent::Joined { participant_id: record.id, role: ParticipantRole::Member });
    let kinds = vec![text(fingerprint), joined, text("in")];
    let writes = vec![Write::Session(session), Write::Participant(record)];
    let claim = Some(claim(newcomer, "id", fingerprint));
    Change { claim, ..change(room.id, facts.head.seq, newcomer, kinds, writes) }
}

pub(super) async fn a_dropped_commit_happened_wholly_or_not_at_all(store: Store) {
    let room = Room::public(&store).await;
    let newcomers: Vec<UserId> = (0..48).map(|n| user(format!("user {n}"))).collect();
    let mut dice = Dice(5);
    for (newcomer, n) in newcomers.iter().zip(0_u64..) {
        // Others write at the same time, so that something waits with it and something comes after it.
        let other = room.clone();
        let other = go(async move {
            other.say(&other.owner, "before it, or after it").await;
            other.say(&other.owner, "one more").await;
        });
        let change = entry(&room, &room.facts(&[]).await, newcomer, "dropped");
        let length = if n < 24 { n } else { dice.below(25) };
        let outcome = drop_after(Arc::clone(&store), change, length).await;
        other.result().await;
        assert!(matches!(outcome, None | Some(Ok(_))), "nobody else governs: {outcome:?}");
        // Its client id tells whether it happened: then it is in use, else it is free. It may happen until then.
        let happened = loop {
            let facts = room.facts(&[]).await;
            let again = match store.commit(entry(&room, &facts, newcomer, "again")).await {
                Ok(_) => None,
                Err(StoreError::Stale) => continue,
                outcome => Some(conflict(outcome)),
            };
            break again;
        };
        assert!(outcome.is_none() || happened.is_some(), "an acknowledged commit got lost");
        if let Some((seq, fingerprint)) = happened {
            assert_eq!((text_of(&room.range(seq, seq).await[0]), fingerprint.as_str()), ("dropped", "dropped"));
        }
        room.say(&room.owner, "the log goes on").await;
    }
    // Everybody came in once, by the first attempt or by the second one, with all that belongs to it.
    let log = room.log().await;
    assert_dense(room.id, &log);
    assert_eq!(log.len(), 1 + 6 * newcomers.len());
    for newcomer in &newcomers {
        let events: Vec<_> = log.iter().filter(|event| event.actor == *newcomer).collect();
        assert_eq!(events.iter().filter(|event| event.kind.is_governance()).count(), 1);
        assert_eq!(events.len(), 3, "{events:?}");
        assert_eq!(events[2].seq, events[0].seq + 2, "the events of a change stand together");
        let record = room.record(newcomer).await.expect("they came in");
        assert_eq!(record.standing, Standing::Active(ParticipantRole::Member));
        assert_eq!(store.sessions_of(newcomer, everything()).await.expect("sessions").len(), 1);
    }
    assert_eq!(room.session().await.participant_count as usize, 1 + newcomers.len());
    assert_eq!(room.participants().await.len(), 1 + newcomers.len());
}
