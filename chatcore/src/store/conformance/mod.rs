//! The test suite of [`ChatStore`]: the promises of its contract, each as a case that a store passes or not.
//!
//! An implementor writes one test file, with tokio's `macros` and `rt-multi-thread` features among the dev-dependencies:
//!
//! ```
//! use std::sync::Arc;
//! use chatcore::store::{ChatStore, MemoryStore};
//!
//! /// An empty store, and what must be kept alive as long as it, such as the directory it writes to.
//! async fn empty() -> (Arc<dyn ChatStore>, ()) {
//!     (Arc::new(MemoryStore::new()), ())
//! }
//!
//! chatcore::store_conformance!(empty);
//! # fn main() {}
//! ```
//!
//! A program can run the cases by name: see [`CASES`]. A durable store also passes [`survives_reopening`].
//!
//! The suite has its own tables, [`TABLES`], for a store that must know its tables in advance.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a suite reports by panicking"
)]

mod commit;
mod durable;
mod expectations;
mod facts;
mod kit;
mod log;
mod model;
mod races;
mod records;
mod rewrites;
mod samples;
mod scans;
mod stale;
mod tables;
mod values;

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use futures_util::future::BoxFuture;

use super::ChatStore;
pub use tables::{Latest, Law, Laws, Marks, Mixed, Names, Notes, Sheet, TABLES, Tallies, Tally, Totals, Word};

/// How long a case may take; one that takes longer waits for something that never comes.
const PATIENCE: Duration = Duration::from_secs(600);

/// A test case of one promise of the contract.
#[derive(Clone, Copy)]
pub struct Case {
    /// The promise of a store that passes.
    pub name: &'static str,
    run: fn(Arc<dyn ChatStore>) -> BoxFuture<'static, ()>,
}

impl Case {
    /// Runs the case on an empty store, on a tokio runtime of at least two threads: one thread hides races.
    ///
    /// # Panics
    /// Panics when the store does not keep the promise, or takes more than ten minutes.
    pub async fn run(&self, store: Arc<dyn ChatStore>) {
        let done = tokio::time::timeout(PATIENCE, (self.run)(store)).await;
        assert!(done.is_ok(), "`{}` did not end within {PATIENCE:?}", self.name);
    }
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Case").field(&self.name).finish()
    }
}

/// Every case, in the order of the contract.
pub const CASES: &[Case] = crate::__store_conformance!(list);

/// Runs the case of this name as [`Case::run`] does.
///
/// # Panics
/// Panics as [`Case::run`] does, and for an unknown case.
pub async fn run(name: &str, store: Arc<dyn ChatStore>) {
    let case = CASES.iter().find(|case| case.name == name);
    case.unwrap_or_else(|| panic!("there is no case `{name}`")).run(store).await;
}

/// A store that can be opened again.
#[async_trait]
pub trait Reopen: Send + Sync {
    /// An empty store.
    async fn open(&self) -> Arc<dyn ChatStore>;

    /// The same store, opened again after the program that used it ended.
    async fn reopen(&self, store: Arc<dyn ChatStore>) -> Arc<dyn ChatStore>;
}

/// Checks that all acknowledged data exist after the store is opened again. This case is not in [`CASES`], since a store may keep its
/// contents in the process alone.
///
/// # Panics
/// Panics if data are missing or changed.
pub async fn survives_reopening(store: &dyn Reopen) {
    durable::survives_reopening(store).await;
}

/// Makes a test of every case of the [store conformance suite](crate::store::conformance).
///
/// Takes an async function or closure that gives `(Arc<dyn ChatStore>, guard)`: an empty store, and anything that is
/// dropped after the case, such as a temporary directory. It is called once for each case. The tests use
/// `#[tokio::test]`, so the invoking crate needs tokio. Invoke it in a module of its own for each configuration.
#[macro_export]
macro_rules! store_conformance {
    ($factory:expr $(,)?) => {
        $crate::__store_conformance! { tests [$factory] }
    };
}

/// The one list of the cases, as a slice or as tests.
#[doc(hidden)]
#[macro_export]
macro_rules! __store_conformance {
    (list @ $($group:ident::$name:ident)*) => {
        &[$(Case { name: stringify!($name), run: |store| Box::pin($group::$name(store)) }),*]
    };
    (tests [$factory:expr] @ $($group:ident::$name:ident)*) => {
        $(
            #[::tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                let (store, guard) = ($factory)().await;
                $crate::store::conformance::run(stringify!($name), store).await;
                ::std::mem::drop(guard);
            }
        )*
    };
    ($($mode:tt)+) => {
        $crate::__store_conformance! { $($mode)+ @
            commit::a_log_is_numbered_from_one_without_holes
            commit::only_messages_take_a_number
            commit::the_time_of_an_event_is_never_below_the_one_before
            commit::the_events_of_a_change_stand_together_in_their_order
            commit::sessions_do_not_disturb_each_other
            commit::a_malformed_change_is_refused
            commit::a_refused_change_leaves_no_trace
            stale::each_event_that_governs_makes_older_decisions_stale
            stale::an_event_that_does_not_govern_makes_nothing_stale
            stale::the_last_event_of_a_change_of_governed_records_governs
            stale::a_decision_taken_at_the_event_that_governs_is_not_stale
            stale::an_event_that_governs_is_noticed_behind_many_messages
            stale::a_session_begins_once
            stale::staleness_is_checked_before_conflicts
            expectations::a_write_happens_only_where_its_expectation_holds
            expectations::the_first_expectation_that_does_not_hold_is_reported
            expectations::each_write_sees_the_ones_before_it
            expectations::a_held_record_stays_as_it_is
            records::a_record_is_replaced_as_a_whole
            records::a_record_carries_its_version_and_position
            records::a_key_can_be_the_position_of_an_event
            records::counters_add_up
            records::records_are_answered_in_the_order_asked_for
            records::keys_are_told_apart_by_every_character
            rewrites::a_rewritten_event_keeps_its_envelope
            rewrites::a_rewrite_expects_the_revision
            rewrites::a_rewritten_event_that_governs_still_governs
            facts::an_unknown_session_is_empty
            facts::facts_are_answered_one_by_one_in_their_order
            facts::fresh_facts_include_everything_committed
            facts::cached_facts_held_at_their_head
            facts::a_change_decided_on_outdated_cached_facts_is_stale
            log::ranges_are_answered_one_by_one_in_their_order
            log::a_range_gives_what_there_is_of_it
            log::a_log_is_read_at_any_depth
            scans::records_come_in_the_order_of_their_keys
            scans::scans_are_paged
            scans::records_come_and_go_between_pages
            values::events_come_back_as_they_were_put
            values::texts_survive_to_the_character
            values::values_come_back_as_they_were_put
            values::times_keep_their_microseconds
            races::of_changes_that_exclude_each_other_one_wins
            races::no_update_of_a_counter_is_lost
            races::two_changes_that_hold_what_the_other_one_writes_do_not_both_succeed
            races::decisions_never_pass_a_limit
            races::nothing_is_numbered_after_the_event_that_forbids_it
            races::a_hundred_changes_at_once_are_numbered_densely_in_each_tasks_order
            races::many_sessions_are_written_at_once
            races::readers_see_whole_changes_only
            races::a_dropped_commit_happened_wholly_or_not_at_all
            model::a_random_history_reads_as_a_naive_model_does
        }
    };
}
