//! Several processes on one database, as far as one process can be several: each has a chat and a store of its own.
//!
//! `CHATCORE_RACE_ROUNDS=1000 cargo test --workspace --test api races` runs more rounds.

use std::sync::Arc;

use chatcore::{Chat, MemoryStore, RateLimits, store::ChatStore};
use chatcore_surreal::SurrealStore;
use chatcore_tests::races::{Process, Race, rounds};

async fn race(stores: [Arc<dyn ChatStore>; 3], usual: usize) {
    let [one, other, looks] = stores;
    let chat = |store| Arc::new(Chat::builder(store).rates(RateLimits::off()).build()) as Arc<dyn Process>;
    Race::new(vec![chat(one), chat(other)], looks).run(rounds(usual)).await;
}

async fn on_surreal(url: &str) {
    let store = SurrealStore::connect(url).await.unwrap();
    let others = [store.beside(), store.beside()].map(|store| Arc::new(store) as Arc<dyn ChatStore>);
    let [other, looks] = others;
    race([Arc::new(store), other, looks], 12).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_the_memory_store() {
    let store: Arc<dyn ChatStore> = Arc::new(MemoryStore::new());
    race([Arc::clone(&store), Arc::clone(&store), store], 100).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_surreal_in_memory() {
    on_surreal("mem://").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_surreal_on_disk() {
    let folder = tempfile::tempdir().unwrap();
    on_surreal(&format!("surrealkv://{}", folder.path().display())).await;
}
