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

/// The in-memory store with an owner that keeps it alive.
struct Kept;

#[async_trait]
impl Reopen for Kept {
    async fn open(&self) -> Arc<dyn ChatStore> {
        Arc::new(MemoryStore::new())
    }

    async fn reopen(&self, store: Arc<dyn ChatStore>) -> Arc<dyn ChatStore> {
        store
    }
}

#[tokio::test]
async fn what_keeps_its_contents_survives_reopening() {
    survives_reopening(&Kept).await;
}
