//! The store keeps the contract, on every engine.

#![allow(clippy::expect_used, reason = "a test reports by panicking")]

use std::sync::Arc;

use chatcore::store::ChatStore;
use chatcore_surreal::SurrealStore;

mod in_memory {
    use super::*;

    async fn empty() -> (Arc<dyn ChatStore>, ()) {
        (Arc::new(SurrealStore::connect("mem://").await.expect("a database in memory")), ())
    }

    chatcore::store_conformance!(empty);
}

mod on_disk {
    use super::*;

    async fn empty() -> (Arc<dyn ChatStore>, tempfile::TempDir) {
        let folder = tempfile::tempdir().expect("a folder");
        let url = format!("surrealkv://{}", folder.path().join("chat").display());
        (Arc::new(SurrealStore::connect(&url).await.expect("a database on disk")), folder)
    }

    chatcore::store_conformance!(empty);
}
