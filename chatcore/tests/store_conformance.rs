//! The in-memory store keeps the contract.

use std::sync::Arc;

use chatcore::store::{ChatStore, MemoryStore};

async fn empty() -> (Arc<dyn ChatStore>, ()) {
    (Arc::new(MemoryStore::new()), ())
}

chatcore::store_conformance!(empty);
