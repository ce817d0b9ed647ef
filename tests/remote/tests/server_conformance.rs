//! The store keeps the contract on a SurrealDB server, over a network connection, as a user with no more rights than needed.

#![allow(clippy::unwrap_used, reason = "a test reports by panicking")]

use std::sync::{Arc, Weak};

use chatcore::store::ChatStore;
use chatcore_tests::Surreal;
use tokio::sync::Mutex;

/// One server for the cases that run at the same time; each has a database of its own.
static SERVER: Mutex<Weak<Surreal>> = Mutex::const_new(Weak::new());

async fn empty() -> (Arc<dyn ChatStore>, Arc<Surreal>) {
    let mut running = SERVER.lock().await;
    let server = match running.upgrade() {
        Some(server) => server,
        None => Arc::new(Surreal::start(env!("CARGO_BIN_EXE_surreal"), "memory").await),
    };
    *running = Arc::downgrade(&server);
    (Arc::new(server.store(&server.database().await).await), server)
}

chatcore::store_conformance!(empty);
