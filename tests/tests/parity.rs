//! The same answer everywhere: one table of attempts through every transport.
#![allow(missing_docs, reason = "tests")]

use std::{
    fs,
    hash::{BuildHasher as _, Hasher as _, RandomState},
    path::Path,
    sync::Arc,
    time::Instant,
};

use chatcore_tests::{
    Backend,
    parity::{
        Coverage, World, declined_everywhere, follow_all_sessions, presence_everywhere, resume_everywhere, run_lists,
        run_table, walk,
    },
};

/// What no attempt reaches, one to a line.
fn exceptions() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("parity-exceptions.txt")).unwrap()
}

/// How many exceptions there may be. To be lowered, never to be raised.
const EXCEPTIONS: usize = 0;

/// Drives every `step`th attempt, in turns over actors and stages; `PARITY_STEP=1` in the environment drives them all.
async fn everything_agrees(backend: Backend, step: usize) {
    let step = std::env::var("PARITY_STEP").map_or(step, |step| step.parse().expect("PARITY_STEP is a number"));
    let coverage = Arc::new(Coverage::default());
    let start = Instant::now();
    let (mut report, lists) = tokio::join!(run_table(backend, &coverage, step), run_lists(backend, &coverage));
    report.add(lists);
    println!("{backend:?}: {} allowed, {} refused, {:?}", report.allowed, report.refused, start.elapsed());
    report.check();
    follow_all_sessions(backend, &coverage).await;
    presence_everywhere(backend, &coverage).await;
    declined_everywhere(backend, &coverage).await;
    // What is tried on a database is too little to use everything.
    if backend == Backend::Memory {
        let world = World::start(backend, &coverage).await;
        let list = Path::new(env!("CARGO_TARGET_TMPDIR")).join("parity-coverage.txt");
        fs::write(&list, coverage.list()).unwrap();
        println!("what covers what: {}", list.display());
        // This version writes no event that it does not know; `newer.rs` has one written.
        // Notices come from the administration, which these worlds do without; the tests of the administration have one broadcast.
        // The holders of tokens of webhooks and of bots are no actors here; the tests of the frontends use both.
        let others = [
            "GraphQL UnknownEvent.",
            "GraphQL Notice.",
            "GraphQL BotToken.lastUsedAt",
            "GraphQL IncomingWebhook.lastUsedAt",
            "GraphQL Mutation.postToIncomingWebhook",
            "GraphQL PostToIncomingWebhook",
            "REST postToIncomingWebhook",
        ];
        let is_written = |what: &String| !others.iter().any(|of| what.starts_with(of));
        let there_is = world.there_is().into_iter().filter(is_written).collect();
        coverage.check(&there_is, &exceptions(), EXCEPTIONS);
    }
    assert!(report.allowed > 2_000 / step && report.refused > 10_000 / step, "{} {}", report.allowed, report.refused);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_transport_agrees_in_memory() {
    everything_agrees(Backend::Memory, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_transport_agrees_on_surreal() {
    // What the store adds to a difference between transports is little, and a session takes long to make.
    everything_agrees(Backend::SurrealMemory, 6).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_goes_from_one_transport_to_another_in_memory() {
    resume_everywhere(Backend::Memory).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_goes_from_one_transport_to_another_on_surreal() {
    resume_everywhere(Backend::SurrealMemory).await;
}

/// `PARITY_STEPS` in the environment walks further, and `PARITY_SEED` the way of a failure, whose message has its seed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_have_what_there_is_after_a_walk_at_random() {
    let given = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().expect("a number"));
    let seed = given("PARITY_SEED").unwrap_or_else(|| RandomState::new().build_hasher().finish());
    let steps = given("PARITY_STEPS").unwrap_or(1_000);
    walk(seed, usize::try_from(steps).unwrap()).await;
}
