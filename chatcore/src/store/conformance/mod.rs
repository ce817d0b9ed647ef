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
//! A program can run them by name: see [`CASES`].

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a suite reports by panicking"
)]

mod claims;
mod commit;
mod facts;
mod kit;
mod lists;
mod log;
mod model;
mod profiles;
mod races;
mod samples;
mod values;

use std::{fmt, sync::Arc, time::Duration};

use futures_util::future::BoxFuture;

use super::ChatStore;

/// How long a case may take; one that takes longer waits for something that never comes.
const PATIENCE: Duration = Duration::from_secs(600);

/// One promise of the contract, as a program that a store passes or not.
#[derive(Clone, Copy)]
pub struct Case {
    /// What a store does that passes.
    pub name: &'static str,
    run: fn(Arc<dyn ChatStore>) -> BoxFuture<'static, ()>,
}

impl Case {
    /// Runs the case on an empty store, on a tokio runtime of at least two threads: with one, races do not show.
    ///
    /// # Panics
    /// Panics when the store does not keep the promise, or takes more than two minutes.
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
/// Panics as [`Case::run`] does, and when there is no such case.
pub async fn run(name: &str, store: Arc<dyn ChatStore>) {
    let case = CASES.iter().find(|case| case.name == name);
    case.unwrap_or_else(|| panic!("there is no case `{name}`")).run(store).await;
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
            commit::every_kind_of_governance_event_makes_older_decisions_stale
            commit::no_message_makes_a_decision_stale
            commit::a_message_that_replaces_a_record_makes_older_decisions_stale
            commit::a_decision_taken_at_the_governance_event_is_not_stale
            commit::a_governance_event_is_noticed_behind_many_messages
            commit::a_session_is_created_once
            commit::sessions_do_not_make_each_other_stale
            commit::staleness_is_looked_for_before_conflicts
            commit::a_stale_change_leaves_no_trace
            commit::a_conflicting_change_leaves_no_trace
            commit::a_record_is_replaced_as_a_whole
            claims::a_client_id_used_again_tells_where_and_for_what
            claims::a_client_id_belongs_to_one_user_in_one_session
            claims::a_rejected_attempt_uses_no_client_id_up
            claims::client_ids_are_told_apart_by_every_character
            facts::an_unknown_session_has_head_zero_and_nobody
            facts::users_are_answered_in_the_order_asked_for
            facts::facts_of_many_sessions_are_answered_one_by_one_in_their_order
            facts::fresh_facts_include_everything_committed
            facts::facts_remember_who_was_in_it
            facts::cached_facts_held_at_their_head
            facts::a_change_decided_on_outdated_cached_facts_is_stale
            facts::user_ids_are_told_apart_by_every_character
            log::ranges_are_answered_one_by_one_in_their_order
            log::a_range_gives_what_there_is_of_it
            log::a_log_is_read_at_any_depth
            lists::participants_come_in_the_order_of_their_stays
            lists::only_who_is_in_it_is_a_participant
            lists::who_comes_back_takes_a_new_place
            lists::participants_are_paged
            lists::participants_come_and_go_between_pages
            lists::participants_of_many_sessions_are_answered_one_by_one_in_their_order
            lists::the_sessions_of_a_user_come_newest_first
            lists::left_and_deleted_sessions_are_not_listed
            lists::the_sessions_of_a_user_are_paged
            lists::the_sessions_of_a_user_come_and_go_between_pages
            lists::public_sessions_are_those_that_can_be_joined
            lists::public_sessions_come_and_go_with_their_settings
            lists::public_sessions_are_paged_and_counted
            lists::public_sessions_come_and_go_between_pages
            profiles::profiles_come_in_the_order_asked_for
            profiles::a_profile_is_replaced_as_a_whole
            profiles::a_profile_of_another_version_changes_nothing
            profiles::one_of_many_writers_of_a_profile_wins
            values::every_kind_of_event_comes_back_as_it_was_put
            values::texts_survive_to_the_character
            values::encrypted_content_stays_encrypted_content
            values::times_keep_their_microseconds
            values::records_come_back_as_they_were_put
            races::joins_never_pass_the_cap
            races::no_message_is_numbered_after_the_removal_that_forbids_it
            races::one_of_two_uses_of_a_client_id_wins
            races::one_of_two_creations_of_a_session_wins
            races::a_hundred_sends_at_once_are_numbered_densely_in_each_tasks_order
            races::many_sessions_are_written_at_once
            races::readers_see_whole_changes_only
            races::a_dropped_commit_happened_wholly_or_not_at_all
            model::a_random_history_reads_as_a_naive_model_does
        }
    };
}
