//! What presence costs: counted in reads and writes, not in time.

use super::*;

/// Counts what is written.
#[derive(Clone, Default)]
struct Counting {
    store: Breakable,
    commits: Arc<AtomicU64>,
    writes: Arc<AtomicU64>,
}

#[chatcore::async_trait]
impl ChatStore for Counting {
    async fn commit(&self, change: Change) -> Result<chatcore::store::Committed, StoreError> {
        self.commits.fetch_add(1, AtomicOrdering::SeqCst);
        self.writes.fetch_add(change.writes.len() as u64, AtomicOrdering::SeqCst);
        self.store.commit(change).await
    }

    async fn facts(
        &self,
        queries: &[FactsQuery<'_>],
        freshness: Freshness,
    ) -> Result<Vec<chatcore::store::SessionFacts>, StoreError> {
        self.store.facts(queries, freshness).await
    }

    async fn log(
        &self,
        ranges: &[chatcore::store::LogRange],
    ) -> Result<Vec<Vec<Arc<chatcore::model::Event>>>, StoreError> {
        self.store.log(ranges).await
    }

    async fn records(&self, keys: &[chatcore::store::Key]) -> Result<Vec<Option<chatcore::store::Record>>, StoreError> {
        self.store.records(keys).await
    }

    async fn scan(
        &self,
        scans: &[chatcore::store::Scan],
    ) -> Result<Vec<Vec<(chatcore::store::Key, chatcore::store::Record)>>, StoreError> {
        self.store.scan(scans).await
    }

    async fn count(&self, prefixes: &[chatcore::store::Prefix]) -> Result<Vec<u64>, StoreError> {
        self.store.count(prefixes).await
    }
}

#[tokio::test(start_paused = true)]
async fn a_thousand_users_cost_one_record_for_each_beat() {
    let (store, clock) = (Counting::default(), TestClock::default());
    let chat = Chat::builder(store.clone()).clock(clock.clone()).rates(RateLimits::off()).build();
    let owner = user("owner");
    let id = session(&chat, &owner, SessionType::Public).await;
    chat.update_session(&owner, id, to_cap(2_000)).await.unwrap();
    let users: Vec<_> = (0..1_000).map(|n| user(&format!("user{n}"))).collect();
    let mut readers = Vec::new();
    for user in &users {
        chat.join(user, id).await.unwrap();
    }
    for user in &users {
        readers.push(following(&chat, user, id).await);
    }
    let reads = || store.store.reads.load(Ordering::SeqCst);
    let count = |of: &AtomicU64| of.load(AtomicOrdering::SeqCst);
    let (commits, writes) = (count(&store.commits), count(&store.writes));
    let _devices: Vec<_> = users.iter().map(|user| chat.device(user)).collect();
    for _ in 0..10 {
        settle().await;
        clock.advance(TimeDelta::seconds(1));
    }
    settle().await;
    // A record for each user, one for the process with each commit, and some hundred users in each commit.
    let (commits, writes) = (count(&store.commits) - commits, count(&store.writes) - writes);
    assert!(commits <= 4 && writes == 1_000 + commits, "{commits} commits with {writes} writes");

    // The readers are told of so many at once.
    for _ in 0..60 {
        settle().await;
        clock.advance(TimeDelta::seconds(1));
    }
    settle().await;
    // The poll of the tail goes by the runtime's clock, which stands still while something runs.
    let (commits, writes, before) = (count(&store.commits), count(&store.writes), reads());
    for _ in 0..30 {
        clock.advance(TimeDelta::seconds(20));
        settle().await;
    }
    let (commits, writes) = (count(&store.commits) - commits, count(&store.writes) - writes);
    assert_eq!((commits, writes), (30, 30), "a beat is one record");
    assert!(reads() - before <= 31, "{} reads in ten minutes", reads() - before);
}

#[tokio::test]
async fn nobody_who_listens_costs_nothing() {
    let (store, clock) = (Counting::default(), TestClock::default());
    let chat = Chat::builder(store.clone()).clock(clock.clone()).rates(RateLimits::off()).build();
    let (alice, bob) = (user("alice"), user("bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    let device = chat.device(&bob);
    until_seen(&chat, &alice, &bob, Online).await;
    settle().await;
    let before = store.store.reads.load(Ordering::SeqCst);
    // Without a reader nobody looks up who is told.
    chat.set_presence(&bob, choose(Availability::Away)).await.unwrap();
    let own = store.store.reads.load(Ordering::SeqCst) - before;
    clock.advance(TimeDelta::seconds(5));
    settle().await;
    assert_eq!(store.store.reads.load(Ordering::SeqCst) - before, own);
    drop(device);
    clock.advance(TimeDelta::seconds(10));
    settle().await;
    // And without a user nothing is written.
    let commits = store.commits.load(AtomicOrdering::SeqCst);
    for _ in 0..10 {
        clock.advance(TimeDelta::seconds(60));
        settle().await;
    }
    assert_eq!(store.commits.load(AtomicOrdering::SeqCst), commits);
    assert_eq!(status(&chat, &alice, &bob).await, Offline);
    drop(chat.subscribe(&alice, id, None).await.unwrap());
}
