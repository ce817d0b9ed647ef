//! A folder whose disk is slow, or fails.

use super::*;

async fn open(folder: &tempfile::TempDir) -> SurrealStore {
    let url = format!("surrealkv://{}", folder.path().display());
    SurrealStore::connect(&url).await.expect("a database on disk")
}

fn ana() -> UserId {
    UserId::new("ana").expect("a user id")
}

async fn put_profile(store: &SurrealStore) -> Result<Committed, StoreError> {
    let put = Profiles { user: ana() }.put(ProfileRecord::unknown(ana()));
    store.commit(Change::of_records(vec![put])).await
}

/// Asks a store in every way that there is, and gives how many of the answers were refused as unavailable.
async fn ask_everything(store: &SurrealStore, session_id: SessionId) -> (usize, usize) {
    let range = LogRange { session_id, from: 1, to: 100 };
    let key = Participants { session: session_id, user: ana() }.key();
    let facts = FactsQuery { session_id, records: std::slice::from_ref(&key) };
    let list = Seats::under(vec![session_id.part()]).limit(100);
    let prefix = Prefix { table: Seats::TABLE, parts: vec![session_id.part()] };
    let outcomes: [Result<(), StoreError>; 9] = [
        store.log(&[range]).await.map(drop),
        store.log(&[range; 10]).await.map(drop),
        store.facts(&[facts], Freshness::Fresh).await.map(drop),
        store.facts(&[facts], Freshness::Cached).await.map(drop),
        store.scan(std::slice::from_ref(&list)).await.map(drop),
        store.scan(&[list.clone(), list]).await.map(drop),
        store.count(&[prefix]).await.map(drop),
        store.records(std::slice::from_ref(&key)).await.map(drop),
        put_profile(store).await.map(drop),
    ];
    let refused = outcomes.iter().filter(|outcome| matches!(outcome, Err(StoreError::Unavailable(_)))).count();
    (refused, outcomes.len())
}

#[tokio::test]
async fn nothing_is_written_or_read_after_a_write_that_the_disk_did_not_take() {
    for (fault, kept) in [
        // The statement did nothing.
        (Fault::Broke, 1),
        (Fault::Unclear, 1),
        // It can be read, and did reach the disk here.
        (Fault::AfterDone, 2),
        (Fault::CutAfterDone, 2),
        (Fault::PanicAfterDone, 2),
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        let store = open(&folder).await;
        let id = new_id();
        store.commit(message(id, "one")).await.expect("a message");
        let broken = store.broken();
        fail(&store, &[fault]);
        let outcome = store.commit(message(id, "two")).await;
        assert!(matches!(outcome, Err(StoreError::OutcomeUnknown)), "{fault:?}: {outcome:?}");
        broken.await;
        for session in [id, id, new_id()] {
            let outcome = store.commit(message(session, "three")).await;
            assert!(matches!(outcome, Err(StoreError::Unavailable(_))), "{fault:?}: {outcome:?}");
        }
        for store in [&store, &store.beside()] {
            let (refused, all) = ask_everything(store, id).await;
            assert_eq!(refused, all, "{fault:?}");
        }
        store.close().await;
        drop(store);
        assert_eq!(positions(&open(&folder).await, id).await, (1..=kept).collect::<Vec<_>>(), "{fault:?}");
    }
}

/// The names of those who wait must be held back just as what they wait for.
#[tokio::test]
async fn a_profile_that_the_disk_did_not_take_ends_everything_too() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(&folder).await;
    fail(&store, &[Fault::Broke]);
    let outcome = put_profile(&store).await;
    assert!(matches!(outcome, Err(StoreError::OutcomeUnknown)), "{outcome:?}");
    store.broken().await;
    let (refused, all) = ask_everything(&store, new_id()).await;
    assert_eq!(refused, all);
}

/// Begins a read while a commit can be read and has not reached the disk, and gives what becomes of both.
async fn read_meanwhile(
    store: &Arc<SurrealStore>,
    id: SessionId,
    fault: Fault,
) -> (Result<Committed, StoreError>, Result<Vec<Arc<Event>>, StoreError>) {
    fail(store, &[fault]);
    let writer = Arc::clone(store);
    let commit = tokio::spawn(async move { writer.commit(message(id, "two")).await });
    store.engine.faults.visible.acquire().await.expect("a permit").forget();
    let reader = Arc::clone(store);
    let read = tokio::spawn(async move { reader.log(&[LogRange { session_id: id, from: 1, to: 100 }]).await });
    while !store.engine.disk.holds_back() && !read.is_finished() {
        tokio::task::yield_now().await;
    }
    assert!(!read.is_finished(), "rows were served that have not reached the disk");
    store.engine.faults.synced.add_permits(1);
    let committed = commit.await.expect("a commit");
    (committed, read.await.expect("a read").map(|mut found| found.remove(0)))
}

#[tokio::test]
async fn a_read_waits_for_the_write_that_it_may_have_seen() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Arc::new(open(&folder).await);
    let id = new_id();
    store.commit(message(id, "one")).await.expect("a message");
    let (committed, read) = read_meanwhile(&store, id, Fault::SlowDisk).await;
    assert_eq!(committed.expect("it reached the disk").events[0].seq, 2);
    assert_eq!(read.expect("a log").len(), 2);
    // Nothing is left that would hold anybody up.
    assert_eq!(ask_everything(&store, id).await.0, 0);
}

#[tokio::test]
async fn a_read_is_refused_when_the_write_that_it_may_have_seen_fails() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Arc::new(open(&folder).await);
    let id = new_id();
    store.commit(message(id, "one")).await.expect("a message");
    let (committed, read) = read_meanwhile(&store, id, Fault::SlowDiskBroke).await;
    assert!(matches!(committed, Err(StoreError::OutcomeUnknown)), "{committed:?}");
    assert!(matches!(read, Err(StoreError::Unavailable(_))), "{read:?}");
}
