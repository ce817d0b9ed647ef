//! Fresh facts from memory, where no other process writes to the database.

use super::*;

/// Removes the rows of a log, unseen by the store: facts that are found afterwards come from memory.
async fn lose(store: &SurrealStore, id: SessionId) {
    let range = keys::log_range(id, 1, 10_000);
    store.engine.write("DELETE $range", bind("range", range)).await.expect("rows are removed");
}

async fn head(store: &SurrealStore, id: SessionId) -> u64 {
    store.facts(&[asked(id)], Freshness::Fresh).await.expect("facts").remove(0).head.seq
}

#[tokio::test]
async fn fresh_facts_of_a_store_that_is_alone_come_from_memory() {
    let store = in_memory().await;
    let id = new_id();
    store.commit(message(id, "one")).await.expect("a message");
    store.commit(message(id, "two")).await.expect("a message");
    lose(&store, id).await;
    assert_eq!(head(&store, id).await, 2);
    // Another session that is asked about is read, and this one is not.
    let other = new_id();
    let found = store.facts(&[asked(other), asked(id)], Freshness::Fresh).await.expect("facts");
    assert_eq!(found.iter().map(|facts| facts.head.seq).collect::<Vec<_>>(), [0, 2]);
}

#[tokio::test]
async fn fresh_facts_of_a_shared_database_are_read() {
    let store = in_memory().await;
    let id = new_id();
    store.commit(message(id, "one")).await.expect("a message");
    let other = store.beside();
    assert_eq!(head(&store, id).await, 1);
    other.commit(message(id, "two")).await.expect("a message");
    assert_eq!(head(&store, id).await, 2);
}

#[tokio::test]
async fn a_commit_with_an_unknown_outcome_ends_the_reliance_on_memory() {
    let store = in_memory().await;
    let (id, other) = (new_id(), new_id());
    store.commit(message(other, "one")).await.expect("a message");
    fail(&store, &[Fault::Unclear]);
    let outcome = store.commit(message(id, "one")).await;
    assert!(matches!(outcome, Err(StoreError::OutcomeUnknown)), "{outcome:?}");
    assert!(store.engine.is_shared());
}

#[tokio::test]
async fn fresh_facts_know_each_commit_that_was_acknowledged() {
    // Two entries at the most, so entries are evicted between a commit and a read.
    let options = SurrealOptions { cached_sessions: 2, cached_participants: 2, ..SurrealOptions::default() };
    let store = Arc::new(SurrealStore::connect_with("mem://", options).await.expect("a database in memory"));
    let sessions: Vec<SessionId> = (0..6).map(|_| new_id()).collect();
    let writers = (0..12).map(|turn| {
        let (store, sessions) = (Arc::clone(&store), sessions.clone());
        tokio::spawn(async move {
            for n in 0..40 {
                let id = sessions[(turn + n) % sessions.len()];
                let acknowledged = store.commit(message(id, "a message")).await.expect("a message").events[0].seq;
                let queries: Vec<_> = sessions.iter().map(|id| asked(*id)).collect();
                let found = store.facts(&queries, Freshness::Fresh).await.expect("facts");
                let head = found[(turn + n) % sessions.len()].head.seq;
                assert!(head >= acknowledged, "{head} after {acknowledged} was acknowledged");
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.expect("a writer");
    }
}
