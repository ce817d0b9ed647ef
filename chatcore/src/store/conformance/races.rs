//! What holds whatever else is committed at the same time.

use std::{
    collections::BTreeMap,
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use serde_json::json;
use tokio::{sync::Barrier, task::yield_now};

use super::{
    kit::{
        Dice, Outcome, Room, Running, Store, add, assert_dense, assert_stale, conflict, found_record, get, go,
        governing, hold, name, new_session_id, only, put, put_at, record, said, same, sheet, text_of, total,
    },
    tables::{Law, Marks, Notes, Tally},
};
use crate::{
    model::Event,
    store::{
        Change, Conflicting, Freshness, KeyPart, Part, Record, Rewrite, SessionFacts, StoreError, TypedKey, Write,
    },
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

async fn commit_all(store: &Store, changes: Vec<Change>) -> Vec<Outcome> {
    let commit = |change| {
        let store = Arc::clone(store);
        async move { store.commit(change).await }
    };
    all(changes.into_iter().map(commit)).await
}

/// The number that a law says, or a sheet holds; 0 for no record.
fn number(record: Option<&Record>) -> i64 {
    let value = record.map_or(json!(0), |record| record.value.encode());
    value.get("says").or_else(|| value.get("n")).unwrap_or(&value).as_i64().expect("a number")
}

pub(super) async fn of_changes_that_exclude_each_other_one_wins(store: Store) {
    const MODES: u32 = 7;
    let room = Room::open(&store).await;
    room.commit(1, vec![said("a row")], vec![]).await.expect("it is not stale");
    let (note, shared) = (room.note("a"), name("a"));
    let mut revision = 1;
    for round in 0..6 * MODES {
        let mode = round % MODES;
        room.write(vec![note.put(sheet(0)), shared.put(sheet(0))]).await.expect("nothing is expected");
        let (note_version, version) = (get(&store, &note).await.version, get(&store, &shared).await.version);
        let new = Room { id: new_session_id(), ..room.clone() };
        let (free_note, free_name) = (room.note(format!("free {round}")), name(format!("free {round}")));
        let change = |n: i64| {
            let message = |writes: Vec<Write>| room.change(1, vec![said(format!("{n}"))], writes);
            match mode {
                0 => new.change(0, vec![governing()], vec![new.note("a").put(sheet(n))]),
                1 => message(vec![free_note.put(sheet(n)).absent()]),
                2 => message(vec![free_name.put(sheet(n)).absent()]),
                3 => Change::of_records(vec![free_name.put(sheet(n)).absent()]),
                4 => message(vec![note.put(sheet(n)).at(note_version)]),
                5 => Change::of_records(vec![shared.put(sheet(n)).at(version)]),
                _ => message(vec![]).rewriting(vec![Rewrite { seq: 2, revision, kind: said(format!("{n}")) }]),
            }
        };
        let outcomes = commit_all(&store, (1..4).map(change).collect()).await;
        let won: Vec<i64> = (1..4).zip(&outcomes).filter(|(_, outcome)| outcome.is_ok()).map(|(n, _)| n).collect();
        same(format!("the winners of kind {mode} among {outcomes:?}"), won.len(), 1);
        revision += u64::from(mode == 6);
        for outcome in outcomes.into_iter().filter(Result::is_err) {
            match mode {
                0 => assert_stale(outcome),
                6 => same("the row", conflict(outcome), Conflicting::Row { seq: 2, revision }),
                _ => same("what was found", number(found_record(outcome).1.as_ref()), won[0]),
            }
        }
        let kept = match mode {
            0 => new.note("a").key(),
            1 => free_note.key(),
            2 | 3 => free_name.key(),
            4 => note.key(),
            5 => shared.key(),
            _ => {
                same("the row", text_of(&room.range(2, 2).await[0]), format!("{}", won[0]));
                continue;
            }
        };
        same("what is kept", number(record(&store, &kept).await.as_ref()), won[0]);
    }
    assert_dense(room.id, &room.log().await);
}

pub(super) async fn no_update_of_a_counter_is_lost(store: Store) {
    const TASKS: i64 = 8;
    const EACH: i64 = 6;
    let room = Room::open(&store).await;
    let (by_version, added, own) = (name("a"), total("a"), room.tally("a"));
    put(&store, vec![by_version.put(sheet(0))]).await.expect("nothing is expected");
    let task = |_| {
        let (room, by_version, added, own) = (room.clone(), by_version.clone(), added.clone(), own.clone());
        async move {
            for n in 0..EACH {
                let writes = vec![add(&own, 2), add(&added, 3)];
                room.commit(1, vec![said("a")], writes).await.expect("nothing is expected");
                // Some are of a session and some of none.
                put(&room.store, vec![add(&added, 1)]).await.expect("nothing is expected");
                let mut found = record(&room.store, &by_version.key()).await;
                loop {
                    let before = found.expect("it is never removed");
                    let writes = vec![by_version.put(sheet(number(Some(&before)) + 1)).at(before.version)];
                    let outcome = if n % 2 == 0 {
                        put(&room.store, writes).await
                    } else {
                        room.commit(1, vec![said("b")], writes).await
                    };
                    if outcome.is_ok() {
                        break;
                    }
                    found = found_record(outcome).1;
                }
            }
        }
    };
    all((0..TASKS).map(task)).await;
    same("the counter by version", number(record(&store, &by_version.key()).await.as_ref()), TASKS * EACH);
    same("the shared counter", *get(&store, &added).await.value, Tally(4 * TASKS * EACH));
    same("the session's counter", *get(&store, &own).await.value, Tally(2 * TASKS * EACH));
    assert_dense(room.id, &room.log().await);
}

pub(super) async fn two_changes_that_hold_what_the_other_one_writes_do_not_both_succeed(store: Store) {
    let rooms = [Room::open(&store).await, Room::open(&store).await];
    let [a, b] = [name("a"), name("b")];
    for round in 0..24_i64 {
        put(&store, vec![a.put(sheet(0)), b.put(sheet(0))]).await.expect("nothing is expected");
        let versions = [get(&store, &a).await.version, get(&store, &b).await.version];
        let writes = [vec![hold(&a, versions[0]), b.put(sheet(1))], vec![hold(&b, versions[1]), a.put(sheet(1))]];
        // Of two sessions, of one session, of none, and of one and none.
        let change = |room: Option<&Room>, writes: &Vec<Write>| match room {
            Some(room) => room.change(1, vec![said("a")], writes.clone()),
            None => Change::of_records(writes.clone()),
        };
        let [one, other] = match round % 4 {
            0 => [Some(&rooms[0]), Some(&rooms[1])],
            1 => [Some(&rooms[0]), Some(&rooms[0])],
            2 => [None, None],
            _ => [Some(&rooms[0]), None],
        };
        let outcomes = commit_all(&store, vec![change(one, &writes[0]), change(other, &writes[1])]).await;
        same(format!("the winners of {outcomes:?}"), outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
        for lost in outcomes.into_iter().filter(Result::is_err) {
            same("what was found", number(found_record(lost).1.as_ref()), 1);
        }
        // Two that hold one record and write others do not exclude each other.
        let version = get(&store, &a).await.version;
        let holders = (0..3).map(|n| vec![hold(&a, version), name(format!("{n}")).put(sheet(round))]);
        let outcomes = commit_all(&store, holders.map(|writes| change(one, &writes)).collect()).await;
        assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
    }
}

pub(super) async fn decisions_never_pass_a_limit(store: Store) {
    for _ in 0..8 {
        let room = Room::open(&store).await;
        let enter = |n: i64| {
            let room = room.clone();
            async move {
                let keys = [room.law("count").key()];
                let plan = |facts: &SessionFacts| {
                    let count = number(facts.records[0].as_ref());
                    let writes = vec![room.decree("count", count + 1), room.note(format!("{n}")).put(sheet(n))];
                    (count < 2).then(|| (vec![governing()], writes))
                };
                room.decide(&keys, plan).await.is_some()
            }
        };
        let entered = all((0..6).map(enter)).await.into_iter().filter(|entered| *entered).count();
        let picture = room.picture().await;
        let notes = picture.records.keys().filter(|key| key.table == Notes::TABLE).count();
        same("who entered, and what is kept of it", (entered, notes, picture.log.len()), (2, 2, 3));
        same("the count", number(picture.records.get(&room.law("count").key())), 2);
        assert_dense(room.id, &picture.log);
    }
}

/// Sends messages, decided on cached facts as long as these allow it, until fresh ones forbid it.
async fn send_until_forbidden(room: Room) {
    let mut freshness = Freshness::Cached;
    for n in 0..300 {
        yield_now().await;
        let facts = room.facts(&[room.law("may send").key()], freshness).await;
        match (number(facts.records[0].as_ref()) == 1, freshness) {
            (true, _) => {}
            (false, Freshness::Cached) => {
                freshness = Freshness::Fresh;
                continue;
            }
            (false, Freshness::Fresh) => return,
        }
        freshness = match room.commit(facts.head.seq, vec![said(format!("{n}"))], vec![]).await {
            Ok(_) => Freshness::Cached,
            Err(StoreError::Stale) => Freshness::Fresh,
            Err(error) => panic!("a message failed: {error:?}"),
        };
    }
}

pub(super) async fn nothing_is_numbered_after_the_event_that_forbids_it(store: Store) {
    for round in 0..12 {
        let room = Room::open(&store).await;
        room.put(vec![governing()], vec![room.decree("may send", 1)]).await;
        let senders: Vec<_> = (0..4).map(|_| go(send_until_forbidden(room.clone()))).collect();
        while room.head().await.number < round && !senders.iter().all(Running::is_finished) {
            yield_now().await;
        }
        let forbidden = room.put(vec![governing()], vec![room.decree("may send", 0)]).await[0].seq;
        for sender in senders {
            sender.result().await;
        }
        let log = room.log().await;
        assert_dense(room.id, &log);
        let late: Vec<_> = log.iter().filter(|event| event.seq > forbidden).collect();
        assert!(late.is_empty(), "forbidden at {forbidden}, and then came {late:?}");
    }
}

/// Sends so many one after the other.
async fn send_in_order(room: Room, sender: usize, count: usize) -> Vec<(u64, String)> {
    let mut sent = Vec::new();
    for n in 0..count {
        let text = format!("{sender}:{n}");
        let committed = room.commit(1, vec![said(&text)], vec![]).await.expect("a message");
        sent.push((committed.events[0].seq, text));
    }
    sent
}

/// Looks whether a log holds its first event, and then what these tasks sent, each in its order.
fn assert_holds(room: &Room, log: &[Arc<Event>], sent: &[Vec<(u64, String)>]) {
    assert_dense(room.id, log);
    for sent in sent {
        assert!(sent.iter().is_sorted_by_key(|(seq, _)| seq), "a task's messages left their order: {sent:?}");
    }
    let mut answered: Vec<_> = sent.iter().flatten().map(|(seq, text)| (*seq, text.as_str())).collect();
    answered.sort_unstable();
    let kept: Vec<_> = log.iter().skip(1).map(|event| (event.seq, text_of(event))).collect();
    same("what is kept of what was answered", kept, answered);
}

pub(super) async fn a_hundred_changes_at_once_are_numbered_densely_in_each_tasks_order(store: Store) {
    for (tasks, each) in [(10, 10), (100, 1), (3, 34)] {
        let room = Room::open(&store).await;
        let sent = all((0..tasks).map(|sender| send_in_order(room.clone(), sender, each))).await;
        assert_holds(&room, &room.log().await, &sent);
        same("the number of messages", room.head().await.number, (tasks * each) as u64);
    }
}

pub(super) async fn many_sessions_are_written_at_once(store: Store) {
    let mut rooms = Vec::new();
    for _ in 0..16 {
        rooms.push(Room::open(&store).await);
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

/// What one step of [`readers_see_whole_changes_only`] commits.
fn step(room: &Room, n: i64) -> (Vec<crate::model::EventKind>, Vec<Write>) {
    let writes = vec![room.decree("a", n), room.decree("b", n), room.note("a").put(sheet(n)), name("a").put(sheet(n))];
    (vec![said("a"), governing(), said("b")], writes)
}

/// Reads everything until the end, and looks whether it fits together.
async fn read_until(room: Room, done: Arc<AtomicBool>) {
    let laws = [room.law("a").key(), room.law("b").key()];
    let plain = [room.note("a").key(), name("a").key()];
    let whole = |facts: &SessionFacts| {
        let n = number(facts.records[0].as_ref());
        let seq = 1 + 3 * n.unsigned_abs();
        same("the second record", number(facts.records[1].as_ref()), n);
        same("the head", (facts.head.seq, facts.head.number, facts.governance), (seq, seq * 2 / 3, seq));
        n
    };
    let mut seen = 0;
    while !done.load(Ordering::Acquire) {
        let n = whole(&room.facts(&laws, Freshness::Fresh).await);
        assert!(n >= seen, "fresh facts went back from {seen} to {n}");
        seen = n;
        let log = room.log().await;
        assert_dense(room.id, &log);
        same("the place within a change at which the log ends", log.len() % 3, 1);
        assert!(log.len() as i64 > 3 * n, "the log is shorter than it was");
        for found in room.store.records(&plain).await.expect("records") {
            let later = number(found.as_ref());
            assert!(later >= n, "a record is older than the facts: {later} and {n}");
        }
        let scanned = only(room.store.scan(&[Notes::under(vec![room.id.part()])]).await);
        assert!(scanned.iter().all(|(_, record)| number(Some(record)) >= n), "a scan is older than the facts");
        whole(&room.facts(&laws, Freshness::Cached).await);
        yield_now().await;
    }
}

pub(super) async fn readers_see_whole_changes_only(store: Store) {
    let room = Room::open(&store).await;
    let done = Arc::new(AtomicBool::new(false));
    let readers: Vec<Running<()>> = (0..3).map(|_| go(read_until(room.clone(), Arc::clone(&done)))).collect();
    for n in 1..31 {
        let (kinds, writes) = step(&room, n);
        let law = [room.law("a").key()];
        room.decide(&law, |_| Some((kinds.clone(), writes.clone()))).await;
        yield_now().await;
    }
    done.store(true, Ordering::Release);
    for reader in readers {
        reader.result().await;
    }
    same("the end", room.head().await.seq, 91);
}

/// Starts a commit and drops it after so many turns of the scheduler, unless it was faster.
async fn drop_after(store: Store, change: Change, turns: u64) -> Option<Outcome> {
    let a_while = async {
        for _ in 0..turns {
            yield_now().await;
        }
    };
    tokio::select! {
        biased;
        () = a_while => None,
        outcome = store.commit(change) => Some(outcome),
    }
}

/// A change of everything. A key that must be absent lets it happen once.
fn entry(room: &Room, facts: &SessionFacts, n: i64, text: &str) -> Change {
    let own = name(format!("entry {n}"));
    let mark = put_at::<Marks>(vec![room.id.part(), Part::Here(2), Part::Text(text.to_owned())], sheet(n));
    let count = number(facts.records[0].as_ref());
    let writes = vec![own.put(sheet(n)).absent(), room.decree("count", count + 1), mark, add(&room.tally("a"), 1)];
    room.change(facts.head.seq, vec![said(text), governing(), said(text)], writes)
}

pub(super) async fn a_dropped_commit_happened_wholly_or_not_at_all(store: Store) {
    const ENTRIES: i64 = 40;
    let room = Room::open(&store).await;
    let law = [room.law("count").key()];
    let mut dice = Dice(5);
    for n in 0..ENTRIES {
        // Another task writes at the same time, so that something waits with it and something comes after it.
        let other = room.clone();
        let other = go(async move { other.put(vec![said("before it, or after it")], vec![]).await });
        let change = entry(&room, &room.facts(&law, Freshness::Fresh).await, n, "dropped");
        let turns = if n < 24 { n.unsigned_abs() } else { dice.below(2000) };
        let outcome = drop_after(Arc::clone(&store), change, turns).await;
        other.result().await;
        assert!(matches!(outcome, None | Some(Ok(_))), "nothing else governs: {outcome:?}");
        // A second attempt tells whether it happened. It may happen until then.
        let happened = loop {
            let facts = room.facts(&law, Freshness::Fresh).await;
            match store.commit(entry(&room, &facts, n, "again")).await {
                Ok(_) => break None,
                Err(StoreError::Stale) => {}
                outcome => break Some(found_record(outcome).1.expect("it was put").at),
            }
        };
        assert!(outcome.is_none() || happened.is_some(), "an acknowledged commit got lost");
        if let Some(seq) = happened {
            same("the event of the entry", text_of(&room.range(seq, seq).await[0]), "dropped");
        }
    }
    // Each entry happened once, by the first attempt or by the second one, with all that belongs to it.
    let picture = room.picture().await;
    assert_dense(room.id, &picture.log);
    same("the number of events", picture.log.len() as i64, 1 + 4 * ENTRIES);
    let count: Law = (*get(&store, &room.law("count")).await.value).clone();
    same("the count", (count.says, *get(&store, &room.tally("a")).await.value), (ENTRIES, Tally(ENTRIES)));
    let marks = picture.records.iter().filter(|(key, _)| key.table == Marks::TABLE);
    let mut number_of_marks = 0;
    for (key, record) in marks {
        let mark = Marks::from_parts(&key.parts).expect("a mark");
        same("the place of a mark", mark.at, record.at + 2);
        let event = &picture.log[usize::try_from(mark.at).expect("a position") - 1];
        same("the event of a mark", text_of(event), &mark.name.0);
        number_of_marks += 1;
    }
    same("the number of marks", number_of_marks, ENTRIES);
}
