//! Two processes on one database server, as far as one process can be two: each has a chat, a store and a connection of its
//! own.
//!
//! `CHATCORE_RACE_ROUNDS=1000 cargo test --workspace --test server_races` runs more rounds.

#![allow(clippy::unwrap_used, reason = "a test reports by panicking")]

use std::sync::Arc;

use chatcore::{Chat, RateLimits};
use chatcore_tests::{
    Surreal,
    races::{Race, rounds},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_database_server() {
    let server = Surreal::start(env!("CARGO_BIN_EXE_surreal"), "memory").await;
    let database = server.database().await;
    // At the same moment, so that they also race for making the schema.
    let (one, other, looks) = tokio::join!(server.store(&database), server.store(&database), server.store(&database));
    let chat = |store| Arc::new(Chat::builder(store).rates(RateLimits::off()).build()) as _;
    let processes = vec![chat(one), chat(other)];
    Race::new(processes, Arc::new(looks)).run(rounds(12)).await;
}
