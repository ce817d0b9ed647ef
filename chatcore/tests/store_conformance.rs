//! The in-memory store keeps the contract.

use std::sync::Arc;

use async_trait::async_trait;
use chatcore::store::{
    ChatStore, MemoryStore,
    conformance::{Reopen, survives_reopening},
};

async fn empty() -> (Arc<dyn ChatStore>, ()) {
    (Arc::new(MemoryStore::new()), ())
}

chatcore::store_conformance!(empty);

/// The in-memory store, which an owner keeps alive, or does not.
struct Kept(bool);

#[async_trait]
impl Reopen for Kept {
    async fn open(&self) -> Arc<dyn ChatStore> {
        Arc::new(MemoryStore::new())
    }

    async fn reopen(&self, store: Arc<dyn ChatStore>) -> Arc<dyn ChatStore> {
        if self.0 { store } else { Arc::new(MemoryStore::new()) }
    }
}

#[tokio::test]
async fn a_store_that_keeps_its_contents_survives_reopening() {
    survives_reopening(&Kept(true)).await;
}

#[tokio::test]
#[should_panic(expected = "after it was opened again")]
async fn a_store_that_forgets_its_contents_does_not_survive_reopening() {
    survives_reopening(&Kept(false)).await;
}
