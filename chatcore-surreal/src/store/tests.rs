use std::sync::Arc;

use chatcore::{
    model::{Content, EventKind, MessageBody, MessageEvent, MessageStatus, NewEvent, ParticipantId, SessionId, UserId},
    store::{
        ChatStoreExt as _, ClientIdUse, ClientIds, Conflicting, Directory, Found, KeyPart as _, ParticipantRecord,
        Participants, ProfilePart, ProfileRecord, Profiles, Seats, TypedKey as _, Version, Write,
    },
};
use chrono::{SubsecRound, Utc};
use surrealdb::types::{RecordId, Value, Variables};
use uuid::Uuid;

use super::*;
use crate::{engine::bind, faults::Fault, keys};

mod corrupt;
mod current;
mod disk;

/// A message; the log does not ask for a session's record.
fn message(id: SessionId, said: &str) -> Change {
    let content = Content::Text(said.to_owned());
    let body = MessageBody::new(content);
    let kind = EventKind::Message(MessageEvent::Sent { body, client_id: None, status: MessageStatus::AsSent });
    let event = NewEvent { actor: UserId::new("ana").expect("a user id"), created_at: Utc::now(), kind };
    Change::of(id, 0, vec![event], Vec::new())
}

/// The same with these writes.
fn with(change: Change, writes: impl Into<Vec<Write>>) -> Change {
    Change { writes: writes.into(), ..change }
}

/// The same with other events.
fn of_events(mut change: Change, events: Vec<NewEvent>) -> Change {
    change.append.as_mut().expect("a change of a session").events = events;
    change
}

/// The same, decided later.
fn decided_at(mut change: Change, seq: u64) -> Change {
    change.append.as_mut().expect("a change of a session").decided_at = seq;
    change
}

fn event_of(change: Change) -> NewEvent {
    change.append.expect("a change of a session").events.remove(0)
}

fn new_id() -> SessionId {
    SessionId(Uuid::now_v7())
}

async fn in_memory() -> SurrealStore {
    SurrealStore::connect("mem://").await.expect("a database in memory")
}

fn asked(session_id: SessionId) -> FactsQuery<'static> {
    FactsQuery { session_id, records: &[] }
}

async fn positions(store: &SurrealStore, session_id: SessionId) -> Vec<u64> {
    let range = LogRange { session_id, from: 1, to: 10_000 };
    store.log(&[range]).await.expect("a log").remove(0).iter().map(|event| event.seq).collect()
}

fn fail(store: &SurrealStore, faults: &[Fault]) {
    store.engine.faults.extend(faults);
}

#[tokio::test]
async fn the_end_of_a_log_is_found_far_beyond_its_checkpoint() {
    let store = in_memory().await;
    let id = new_id();
    for _ in 0..13 {
        let part = of_events(message(id, ""), vec![event_of(message(id, "a message")); 100]);
        store.commit(part).await.expect("messages");
    }
    store.engine.write("DELETE $id", bind("id", keys::checkpoint(id))).await.expect("the checkpoint is lost");
    let other = store.beside();
    let facts = other.facts(&[asked(id)], Freshness::Fresh).await.expect("facts").remove(0);
    assert_eq!((facts.head.seq, facts.head.number), (1300, 1300));
    let third = store.beside();
    assert_eq!(third.commit(message(id, "the next")).await.expect("a message").events[0].seq, 1301);
    assert_eq!(positions(&store, id).await, (1..=1301).collect::<Vec<_>>());
}

#[tokio::test]
async fn the_end_of_a_log_is_found_once_however_often_it_is_asked_for() {
    let store = in_memory().await;
    let id = new_id();
    for said in ["one", "two"] {
        store.commit(message(id, said)).await.expect("a message");
    }
    // Who knows nothing of it yet follows the log from its checkpoint.
    let found = store.beside().facts(&[asked(id), asked(new_id()), asked(id)], Freshness::Fresh).await.expect("facts");
    assert_eq!(found.iter().map(|facts| facts.head.seq).collect::<Vec<_>>(), [2, 0, 2]);
}

#[tokio::test]
async fn a_checkpoint_is_never_far_behind() {
    let store = in_memory().await;
    let id = new_id();
    for n in 1..=600_u64 {
        store.commit(message(id, "a message")).await.expect("a message");
        if n % 50 == 0 {
            let seqs: Vec<i64> = store
                .engine
                .rows("SELECT VALUE seq FROM $id", bind("id", keys::checkpoint(id)))
                .await
                .expect("a checkpoint");
            assert!(seqs[0].unsigned_abs() + 256 > n, "at {n} it stands at {seqs:?}");
        }
    }
}

#[tokio::test]
async fn a_newer_schema_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let url = format!("surrealkv://{}", folder.path().display());
    let store = SurrealStore::connect(&url).await.expect("a database on disk");
    let id = bind("id", RecordId::new("schema_version", "current"));
    store.engine.write("UPDATE $id SET version = 99", id).await.expect("another version");
    store.close().await;
    match SurrealStore::connect(&url).await {
        Err(ConnectError::NewerSchema { found: 99, known: 6 }) => {}
        other => panic!("a newer schema gave {other:?}"),
    }
}

#[test]
fn a_database_of_the_first_schema_is_brought_up_to_date() {
    const OLD: &str = "DEFINE TABLE schema_version SCHEMAFULL; DEFINE FIELD version ON schema_version TYPE int; \
        CREATE schema_version:current SET version = 1; \
        CREATE $id SET number = 1, at = time::now(), actor = 'ana', governance = false, data = $data; \
        CREATE $person SET stay = rand::uuid::v7(), is_active = true, role = 'MEMBER', joined_at = time::now(), \
        created_at = time::now(); \
        CREATE profile:ana SET username = 'ana', name = 'Ana', email = 'ana@example.org', updated_at = d'+57000-01-01T00:00:00Z'; \
        CREATE profile:bob SET username = 'bobby', name = 'bobby', updated_at = d'2026-01-01T00:00:00Z'; \
        CREATE profile:`..` SET username = '..', name = '..', updated_at = d'1970-01-01T00:00:00Z'";
    const DATA: &str = r#"{"kind":"message_sent","role":"user","message_type":"text","content":"of old"}"#;

    let folder = tempfile::tempdir().expect("a folder");
    let url = format!("surrealkv://{}", folder.path().display());
    let (id, ana) = (new_id(), UserId::new("ana").expect("a user id"));
    let person = keys::record(&Participants { session: id, user: ana.clone() }.key());
    // As the first version wrote it, on threads as deep as the database needs.
    let runtime = crate::link::runtime("old", 1).expect("a runtime");
    let writing = url.clone();
    let written = runtime.spawn(async move {
        let old = surrealdb::engine::any::connect(&writing).await?;
        old.use_ns("chatcore").use_db("chatcore").await?;
        old.query(include_str!("../../schema/0001_chat.surql")).await?.check()?;
        old.query(OLD)
            .bind(("id", keys::log(id, 1)))
            .bind(("data", DATA))
            .bind(("person", person))
            .await?
            .check()
            .map(drop)
    });
    runtime.block_on(written).expect("a task").expect("a row");
    while runtime.metrics().num_alive_tasks() > 0 {
        std::thread::yield_now();
    }
    runtime.block_on(async {
        let store = SurrealStore::connect(&url).await.expect("a database on disk");
        assert_eq!(store.commit(message(id, "of now")).await.expect("a message").events[0].seq, 2);
        assert_eq!(positions(&store, id).await, [1, 2]);
        // Its rows are somebody else's, whoever asks.
        assert_eq!(crate::read::batch(&store.engine, id, 1).await.expect("a row"), Some(None));
        // It is not known whether a participant of then was added only; from now on that is kept.
        let key = Participants { session: id, user: ana };
        let old = store.get(&key).await.expect("a record").expect("a participant");
        assert_eq!((old.version, old.at, old.value.is_engaged), (Version(0), 0, false));
        let engaged = ParticipantRecord { is_engaged: true, ..(*old.value).clone() };
        let first = with(message(id, "engaged"), [key.put(engaged.clone()).at(Version(0))]);
        let version = first.id;
        assert_eq!(store.commit(first).await.expect("a message").events[0].seq, 3);
        let new = store.get(&key).await.expect("a record").expect("a participant");
        assert_eq!((new.version, new.at, &*new.value), (version, 3, &engaged));
        profiles_of_the_first_schema_are_read_and_replaced(&store).await;
        store.close().await;
    });
}

/// A handle and a name that only stood for the id are not known, and what is known is as old as the whole was.
async fn profiles_of_the_first_schema_are_read_and_replaced(store: &SurrealStore) {
    let keys = ["ana", "bob", "..", "eve"].map(|id| Profiles { user: UserId::from_stored(id).expect("a user id") });
    let found = store.get_all(&keys).await.expect("profiles");
    let [Some(ana), Some(bob), Some(dots), None] = &found[..] else { panic!("{found:?}") };
    let texts = |found: &Found<ProfileRecord>| {
        let ProfileRecord { user_id: _, username, name, email, picture, is_bot: _ } = (*found.value).clone();
        ([username, name, email, picture].map(|part| part.map(|part| part.text)), found.version)
    };
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(texts(ana), ([None, some("Ana"), some("ana@example.org"), None], Version(0)));
    assert_eq!(texts(bob), ([some("bobby"), None, None, None], Version(0)));
    assert_eq!(texts(dots), ([None, None, None, None], Version(0)));
    assert_eq!(bob.value.username.as_ref().map(|part| part.as_of.timestamp()), Some(1_767_225_600));

    let name = Some(ProfilePart { text: "Anna".to_owned(), as_of: Utc::now().trunc_subsecs(6) });
    let next = ProfileRecord { name, ..(*ana.value).clone() };
    let put = |write| store.commit(Change::of_records(vec![write]));
    assert!(matches!(put(keys[0].put(next.clone()).absent()).await, Err(StoreError::Conflict { .. })));
    put(keys[0].put(next.clone()).at(ana.version)).await.expect("a profile");
    assert!(matches!(put(keys[0].put(next.clone()).at(ana.version)).await, Err(StoreError::Conflict { .. })));
    assert_eq!(*store.get(&keys[0]).await.expect("a profile").expect("a profile").value, next);
}

/// The plan of a statement, as text.
async fn explained(store: &SurrealStore, text: &'static str, binds: Variables) -> String {
    let plan: Value = store.engine.value(text, binds).await.expect("a plan");
    format!("{plan:?}")
}

#[tokio::test]
async fn scans_stop_when_they_have_enough() {
    let store = in_memory().await;
    let under = Seats::under(vec![new_id().part()]).skip(3).limit(10);
    let after = under.clone().after(Some(vec![ParticipantId(Uuid::now_v7()).part()]));
    let all = Directory::under(Vec::new()).limit(10);
    for scan in [under, after, all] {
        let text: &'static str = Box::leak(format!("EXPLAIN {}", records::SCAN).into_boxed_str());
        let plan = explained(&store, text, bind("scan", records::Part::of(&scan))).await;
        assert!(plan.contains("DynamicScan"), "{plan}");
    }
}

#[tokio::test]
async fn a_commit_that_fails_after_it_happened_is_found() {
    let store = in_memory().await;
    let id = new_id();
    fail(&store, &[Fault::AfterDone]);
    assert_eq!(store.commit(message(id, "one")).await.expect("it happened").events[0].seq, 1);
    store.commit(message(id, "two")).await.expect("a message");
    assert_eq!(positions(&store, id).await, [1, 2]);
}

#[tokio::test]
async fn a_commit_that_did_not_happen_is_tried_again_alone() {
    let store = in_memory().await;
    let id = new_id();
    fail(&store, &[Fault::NotDone, Fault::NotDone]);
    assert_eq!(store.commit(message(id, "one")).await.expect("the third time").events[0].seq, 1);
    fail(&store, &[Fault::NotDone, Fault::NotDone, Fault::NotDone]);
    let outcome = store.commit(message(id, "two")).await;
    assert!(matches!(outcome, Err(StoreError::Backend(_))), "{outcome:?}");
    store.commit(message(id, "three")).await.expect("a message");
    assert_eq!(positions(&store, id).await, [1, 2]);
}

#[tokio::test]
async fn a_commit_that_broke_off_at_a_server_is_written_again_at_its_own_place() {
    let store = in_memory().await;
    store.engine.pretend_remote.store(true, std::sync::atomic::Ordering::Relaxed);
    let id = new_id();
    store.commit(message(id, "zero")).await.expect("a message");
    let cases: [&[Fault]; 5] = [
        &[Fault::CutAfterDone],
        &[Fault::Cut],
        &[Fault::Cut, Fault::Cut, Fault::CutAfterDone],
        &[Fault::Cut, Fault::AfterDone],
        &[Fault::Cut, Fault::NotDone],
    ];
    for (faults, seq) in cases.into_iter().zip(2..) {
        fail(&store, faults);
        let committed = store.commit(message(id, &format!("{faults:?}"))).await.expect("a message");
        assert_eq!(committed.events[0].seq, seq, "{faults:?}");
    }
    assert_eq!(positions(&store, id).await, [1, 2, 3, 4, 5, 6]);
}

#[tokio::test]
async fn an_older_copy_of_the_database_is_gone_on_with_where_it_ends() {
    let store = in_memory().await;
    store.engine.pretend_remote.store(true, std::sync::atomic::Ordering::Relaxed);
    for reads_first in [false, true] {
        let id = new_id();
        for n in 0..5 {
            store.commit(message(id, &n.to_string())).await.expect("a message");
        }
        let lost: Vec<_> = (3..=5).map(|seq| keys::log(id, seq)).collect();
        store.engine.write("DELETE $ids", bind("ids", lost)).await.expect("they are lost");
        if reads_first {
            let facts = store.facts(&[asked(id)], Freshness::Fresh).await.expect("facts").remove(0);
            assert_eq!((facts.head.seq, facts.head.number), (2, 2));
        } else {
            let outcome = store.commit(message(id, "behind a hole")).await;
            assert!(matches!(outcome, Err(StoreError::Stale)), "{outcome:?}");
        }
        let committed = store.commit(message(id, "anew")).await.expect("a message");
        assert_eq!((committed.events[0].seq, committed.events[0].number), (3, 3));
        assert_eq!(positions(&store, id).await, [1, 2, 3]);
    }
}

/// An event that is alike in everything is somebody else's all the same.
#[tokio::test]
async fn the_rows_of_another_process_are_not_taken_for_ones_own() {
    let store = in_memory().await;
    let other = store.beside();
    let id = new_id();
    store.commit(message(id, "zero")).await.expect("a message");
    other.commit(message(id, "one")).await.expect("a message");
    // This one still takes the second place for free, and says the very same.
    let same = of_events(message(id, ""), vec![the_event(&other, id, 2).await]);
    fail(&store, &[Fault::NotDone]);
    let committed = store.commit(same).await.expect("a message");
    assert_eq!(committed.events[0].seq, 3);
    assert_eq!(positions(&store, id).await, [1, 2, 3]);
}

async fn the_event(store: &SurrealStore, session_id: SessionId, seq: u64) -> chatcore::model::NewEvent {
    let found = store.log(&[LogRange { session_id, from: seq, to: seq }]).await.expect("a log");
    let event = found[0][0].as_ref().clone();
    chatcore::model::NewEvent { actor: event.actor, created_at: event.created_at, kind: event.kind }
}

#[tokio::test]
async fn an_unclear_outcome_is_said_and_nothing_builds_on_it() {
    let store = in_memory().await;
    let id = new_id();
    store.commit(message(id, "one")).await.expect("a message");
    fail(&store, &[Fault::Unclear]);
    let outcome = store.commit(message(id, "two")).await;
    assert!(matches!(outcome, Err(StoreError::OutcomeUnknown)), "{outcome:?}");
    assert_eq!(store.commit(message(id, "three")).await.expect("a message").events[0].seq, 2);
    assert_eq!(positions(&store, id).await, [1, 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_never_be_committed_is_refused_alone() {
    let store = Arc::new(in_memory().await);
    let id = new_id();
    let empty = of_events(message(id, ""), Vec::new());
    let outcome = store.commit(empty).await;
    assert!(matches!(outcome, Err(StoreError::Backend(_))), "{outcome:?}");
    assert_eq!(positions(&store, id).await, Vec::<u64>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_second_of_two_uses_of_a_client_id_in_one_batch_conflicts() {
    let store = Arc::new(in_memory().await);
    let id = new_id();
    let key = ClientIds {
        session: id,
        user: UserId::new("ana").expect("a user id"),
        client_id: chatcore::model::ClientId::new("once").expect("a client id"),
    };
    let claim = |n: usize| key.put(ClientIdUse { seq: None, fingerprint: Some(n.to_string()) }).absent();
    let sends: Vec<_> = (0..30)
        .map(|n| {
            let (store, change) = (Arc::clone(&store), with(message(id, &n.to_string()), [claim(n)]));
            tokio::spawn(async move { (n, store.commit(change).await) })
        })
        .collect();
    let (mut won, mut lost) = (Vec::new(), Vec::new());
    for send in sends {
        match send.await.expect("a send") {
            (n, Ok(committed)) => won.push((committed.events[0].seq, n.to_string())),
            (_, Err(StoreError::Conflict { found: Conflicting::Record { record, .. } })) => {
                let used = record.expect("a record").typed::<ClientIdUse>().expect("a client id");
                lost.push((used.at, used.value.fingerprint.clone().expect("a fingerprint")));
            }
            (_, Err(error)) => panic!("{error:?}"),
        }
    }
    assert_eq!((won.len(), lost.len()), (1, 29));
    assert!(lost.iter().all(|found| *found == won[0]));
}

#[tokio::test]
async fn a_batch_that_panics_does_not_end_committing() {
    let store = in_memory().await;
    let id = new_id();
    store.commit(message(id, "one")).await.expect("a message");
    fail(&store, &[Fault::PanicInCaller]);
    let outcome = store.commit(message(id, "two")).await;
    assert!(matches!(outcome, Err(StoreError::OutcomeUnknown)), "{outcome:?}");
    assert_eq!(store.commit(message(id, "three")).await.expect("a message").events[0].seq, 2);
    assert_eq!(positions(&store, id).await, [1, 2]);
}

#[tokio::test]
async fn closing_does_not_wait_for_ever_for_a_write_that_hangs() {
    let store = Arc::new(in_memory().await);
    fail(&store, &[Fault::SlowDisk]);
    let writer = Arc::clone(&store);
    let commit = tokio::spawn(async move { writer.commit(message(new_id(), "one")).await });
    store.engine.faults.visible.acquire().await.expect("a permit").forget();
    // The write ends only after the committer was given up.
    let told = async {
        let outcome = commit.await.expect("a commit");
        store.engine.faults.synced.add_permits(1);
        outcome
    };
    let ((), outcome) = tokio::join!(store.close_within(std::time::Duration::from_millis(100)), told);
    assert!(matches!(outcome, Err(StoreError::OutcomeUnknown)), "{outcome:?}");
}

/// Tables of a host, with names that are taken.
mod taken {
    use super::{ProfileRecord, UserId};

    chatcore::tables! {
        /// As the core declares it, and yet another table.
        shared plain Others = "profile" [
            /// The user.
            user: UserId,
        ] -> ProfileRecord = 1;

        /// A table of the store.
        shared plain Logs = "log" [
            /// The user.
            user: UserId,
        ] -> ProfileRecord = 1;
    }
}

#[tokio::test]
async fn a_table_cannot_have_the_name_of_another_one() {
    let store = in_memory().await;
    let user = UserId::new("ana").expect("a user id");
    let (others, logs) = (taken::Others { user: user.clone() }, taken::Logs { user: user.clone() });
    store
        .commit(Change::of_records(vec![Profiles { user: user.clone() }.put(ProfileRecord::unknown(user.clone()))]))
        .await
        .expect("a profile");
    for (key, write) in [
        (others.key(), others.put(ProfileRecord::unknown(user.clone()))),
        (logs.key(), logs.put(ProfileRecord::unknown(user.clone()))),
    ] {
        let outcome = store.commit(Change::of_records(vec![write])).await;
        assert!(matches!(outcome, Err(StoreError::Backend(_))), "{outcome:?}");
        let outcome = store.records(std::slice::from_ref(&key)).await;
        assert!(matches!(outcome, Err(StoreError::Backend(_))), "{outcome:?}");
        let scan = Scan { table: key.table, prefix: vec![], after: None, skip: 0, limit: 10, shows_unreadable: false };
        let outcome = store.scan(&[scan]).await;
        assert!(matches!(outcome, Err(StoreError::Backend(_))), "{outcome:?}");
    }
}
