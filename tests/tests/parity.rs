//! The same answer everywhere: one table of attempts through every transport.
#![allow(missing_docs, reason = "tests")]

use std::{fs, path::Path, sync::Arc, time::Instant};

use chatcore_tests::{
    Backend,
    parity::{Coverage, World, run_lists, run_table},
};

/// What no attempt reaches, one to a line. It may only shrink.
fn exceptions() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("parity-exceptions.txt")).unwrap()
}

async fn everything_agrees(backend: Backend) {
    let coverage = Arc::new(Coverage::default());
    let start = Instant::now();
    let mut report = run_table(backend, &coverage).await;
    println!("{backend:?}: {} allowed, {} refused, {:?}", report.allowed, report.refused, start.elapsed());
    report.add(run_lists(backend, &coverage).await);
    println!("{backend:?}: {} allowed, {} refused, {:?}", report.allowed, report.refused, start.elapsed());
    report.check();
    let world = World::start(backend, &coverage).await;
    coverage.check(&world.there_is().await, &exceptions());
    assert!(report.allowed > 2_000 && report.refused > 5_000, "{} {}", report.allowed, report.refused);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_transport_agrees_in_memory() {
    everything_agrees(Backend::Memory).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_transport_agrees_on_surreal() {
    everything_agrees(Backend::SurrealMemory).await;
}
