//! The conformance suite has teeth: for every promise there is a store here that breaks it, and the suite tells.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "the helpers of a test fail as the test does, by panicking"
)]

mod faulty;

use std::{
    collections::BTreeSet,
    panic,
    sync::{Arc, Once},
    thread,
};

use chatcore::store::conformance::{CASES, Case};
use faulty::{FAULTS, Fault, Faulty};
use tokio::runtime::{Builder, Runtime};

/// The name of the threads whose panics are what is looked for, and not worth a trace.
const SUSPECT: &str = "suspect";

fn runtime() -> Runtime {
    static QUIET: Once = Once::new();
    QUIET.call_once(|| {
        let loud = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if thread::current().name() != Some(SUSPECT) {
                loud(info);
            }
        }));
    });
    Builder::new_multi_thread().worker_threads(2).thread_name(SUSPECT).enable_all().build().expect("a runtime")
}

/// The cases that a store with this fault does not pass.
fn failing(runtime: &Runtime, fault: Fault) -> BTreeSet<&'static str> {
    let start = |case: &'static Case| {
        let store = Arc::new(Faulty::new(fault));
        (case.name, runtime.spawn(case.run(store)))
    };
    let started: Vec<_> = CASES.iter().map(start).collect();
    let failed = started.into_iter().filter_map(|(name, run)| runtime.block_on(run).is_err().then_some(name));
    failed.collect()
}

#[test]
fn a_store_without_a_fault_passes_every_case() {
    assert_eq!(failing(&runtime(), Fault::Nothing), BTreeSet::new());
}

#[test]
fn every_fault_is_noticed_and_every_case_notices_one() {
    let runtime = runtime();
    let mut idle: BTreeSet<&str> = CASES.iter().map(|case| case.name).collect();
    let mut passed = Vec::new();
    for (fault, expected) in FAULTS {
        let mut missed: BTreeSet<&str> = expected.iter().copied().collect();
        // Some faults show only when two things happen at the same time, which they do sooner or later.
        for _ in 0..25 {
            let noticed = failing(&runtime, *fault);
            idle.retain(|case| !noticed.contains(case));
            missed.retain(|case| !noticed.contains(case));
            if missed.is_empty() {
                break;
            }
        }
        passed.extend((!missed.is_empty()).then(|| format!("{fault:?} passes {missed:?}")));
    }
    assert!(passed.is_empty(), "{passed:#?}");
    assert!(idle.is_empty(), "no fault fails {idle:?}");
}
