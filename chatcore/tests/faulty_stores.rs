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

/// Of these cases, those that a store with this fault does not pass.
fn failing(runtime: &Runtime, fault: Fault, cases: &BTreeSet<&str>) -> BTreeSet<&'static str> {
    let start = |case: &'static Case| {
        let store = Arc::new(Faulty::new(fault));
        (case.name, runtime.spawn(case.run(store)))
    };
    let started: Vec<_> = CASES.iter().filter(|case| cases.contains(case.name)).map(start).collect();
    let failed = started.into_iter().filter_map(|(name, run)| runtime.block_on(run).is_err().then_some(name));
    failed.collect()
}

#[test]
fn a_store_without_a_fault_passes_every_case() {
    let all = CASES.iter().map(|case| case.name).collect();
    assert_eq!(failing(&runtime(), Fault::Nothing, &all), BTreeSet::new());
}

#[test]
fn every_case_must_notice_some_fault() {
    let named: BTreeSet<&str> = FAULTS.iter().flat_map(|(_, cases)| cases.iter().copied()).collect();
    let all: BTreeSet<&str> = CASES.iter().map(|case| case.name).collect();
    assert_eq!(named, all);
}

#[test]
fn every_fault_is_noticed() {
    let runtime = runtime();
    let mut passed = Vec::new();
    for (fault, expected) in FAULTS {
        let mut missed: BTreeSet<&str> = expected.iter().copied().collect();
        // Some faults show only when two things happen at the same time, which they do sooner or later.
        for _ in 0..25 {
            let noticed = failing(&runtime, *fault, &missed);
            missed.retain(|case| !noticed.contains(case));
            if missed.is_empty() {
                break;
            }
        }
        passed.extend((!missed.is_empty()).then(|| format!("{fault:?} passes {missed:?}")));
    }
    assert!(passed.is_empty(), "{passed:#?}");
}
