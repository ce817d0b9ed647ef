//! The faults, each with cases of the suite that must notice it.

macro_rules! faults {
    ($($fault:ident: $($case:ident)+,)+) => {
        /// What a store does wrong. Where it matters, only the faults that bite there are named: the others do nothing
        /// there by their nature.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Fault {
            /// Nothing.
            Nothing,
            $($fault,)+
        }

        /// Every fault with the cases that must fail for it; others may as well.
        pub(crate) const FAULTS: &[(Fault, &[&str])] = &[$((Fault::$fault, &[$(stringify!($case)),+])),+];
    };
}

faults! {
    ForgetsStaleness: each_event_that_governs_makes_older_decisions_stale
        a_change_decided_on_outdated_cached_facts_is_stale
        a_session_begins_once,
    LooksAFewEventsBack: an_event_that_governs_is_noticed_behind_many_messages,
    CallsMessagesGovernance: an_event_that_does_not_govern_makes_nothing_stale
        a_hundred_changes_at_once_are_numbered_densely_in_each_tasks_order,
    LetsGovernedRecordsOfMessagesPass: the_last_event_of_a_change_of_governed_records_governs,
    IsStaleAtTheEventItself: a_decision_taken_at_the_event_that_governs_is_not_stale,
    MakesOtherSessionsStale: sessions_do_not_disturb_each_other,
    BeginsSessionsAgain: a_session_begins_once
        of_changes_that_exclude_each_other_one_wins,
    ChecksAndThenAppends: decisions_never_pass_a_limit
        nothing_is_numbered_after_the_event_that_forbids_it,
    ConflictsBeforeItIsStale: staleness_is_checked_before_conflicts,
    AcceptsTheMalformed: a_malformed_change_is_refused,
    WritesWhenItRefuses: a_refused_change_leaves_no_trace,
    LeavesAHole: a_log_is_numbered_from_one_without_holes
        many_sessions_are_written_at_once,
    SwapsPositions: a_hundred_changes_at_once_are_numbered_densely_in_each_tasks_order
        many_sessions_are_written_at_once,
    ReversesChanges: the_events_of_a_change_stand_together_in_their_order,
    NumbersEveryEvent: only_messages_take_a_number,
    AnswersTheCallersTime: the_time_of_an_event_is_never_below_the_one_before,
    AcknowledgesWithoutKeeping: a_log_is_numbered_from_one_without_holes
        many_sessions_are_written_at_once,
    CommitsInTwoSteps: a_dropped_commit_happened_wholly_or_not_at_all
        readers_see_whole_changes_only,
    StaysLockedWhenDropped: a_dropped_commit_happened_wholly_or_not_at_all,
    ForgetsAbsences: a_write_happens_only_where_its_expectation_holds
        a_refused_change_leaves_no_trace,
    ForgetsVersions: a_write_happens_only_where_its_expectation_holds
        of_changes_that_exclude_each_other_one_wins,
    ExpectsAndThenWrites: of_changes_that_exclude_each_other_one_wins
        no_update_of_a_counter_is_lost
        two_changes_that_hold_what_the_other_one_writes_do_not_both_succeed
        each_write_sees_the_ones_before_it,
    WritesBackwards: the_first_expectation_that_does_not_hold_is_reported
        each_write_sees_the_ones_before_it,
    IgnoresHolds: two_changes_that_hold_what_the_other_one_writes_do_not_both_succeed
        a_write_happens_only_where_its_expectation_holds
        a_held_record_stays_as_it_is,
    WritesWhatItHolds: a_held_record_stays_as_it_is,
    MergesRecords: a_record_is_replaced_as_a_whole,
    ForgetsPositionsOfRecords: a_record_carries_its_version_and_position,
    KeepsTheFirstVersion: a_record_carries_its_version_and_position
        a_write_happens_only_where_its_expectation_holds,
    ForgetsTheLastWrite: a_record_is_replaced_as_a_whole,
    WritesAtTheHead: a_key_can_be_the_position_of_an_event,
    ReplacesCounters: counters_add_up
        no_update_of_a_counter_is_lost,
    ReadsAndThenAdds: no_update_of_a_counter_is_lost,
    SortsKeys: records_are_answered_in_the_order_asked_for,
    AnswersEachKeyOnce: records_are_answered_in_the_order_asked_for,
    FoldsKeys: keys_are_told_apart_by_every_character,
    TrimsKeys: keys_are_told_apart_by_every_character,
    RenumbersRewrittenEvents: a_rewritten_event_keeps_its_envelope,
    DatesRewrittenEvents: a_rewritten_event_keeps_its_envelope,
    ForgetsWhoRewrote: a_rewritten_event_keeps_its_envelope,
    RewritesAnyRevision: a_rewrite_expects_the_revision
        of_changes_that_exclude_each_other_one_wins,
    RewritesOneRowOnly: a_rewritten_event_keeps_its_envelope,
    GovernsByTheNewKind: a_rewritten_event_that_governs_still_governs,
    IsAheadOfTheLog: an_unknown_session_is_empty
        fresh_facts_include_everything_committed,
    CachesFactsUnderANewHead: cached_facts_held_at_their_head
        a_change_decided_on_outdated_cached_facts_is_stale
        nothing_is_numbered_after_the_event_that_forbids_it,
    MissesMessagesInFreshFacts: fresh_facts_include_everything_committed,
    ReadsFactsInTwoSteps: readers_see_whole_changes_only,
    ForgetsGovernance: facts_are_answered_one_by_one_in_their_order,
    SortsFactsQueries: facts_are_answered_one_by_one_in_their_order,
    AnswersEachLawOnce: facts_are_answered_one_by_one_in_their_order,
    ReadsOneTooMany: a_range_gives_what_there_is_of_it
        a_log_is_read_at_any_depth,
    ReadsAHundredAtMost: a_log_is_read_at_any_depth,
    SortsRanges: ranges_are_answered_one_by_one_in_their_order,
    ScansByAge: records_come_in_the_order_of_their_keys,
    ScansNumbersAsTexts: records_come_in_the_order_of_their_keys,
    ScansLongTextsFirst: records_come_in_the_order_of_their_keys,
    ScansParts: records_come_in_the_order_of_their_keys,
    IgnoresAfter: scans_are_paged
        records_come_and_go_between_pages,
    ShowsTheRecordOfACursorAgain: scans_are_paged,
    LooksForTheRecordOfACursor: records_come_and_go_between_pages
        scans_are_paged,
    IgnoresSkip: scans_are_paged,
    LimitsBeforeItSkips: scans_are_paged,
    AnswersTheFirstScan: scans_are_paged,
    CountsAPage: records_come_in_the_order_of_their_keys,
    CountsAllSessions: records_come_in_the_order_of_their_keys
        scans_are_paged,
    TrimsTexts: texts_survive_to_the_character,
    ForgetsTheSendersName: events_come_back_as_they_were_put
        texts_survive_to_the_character,
    TakesTextForCiphertext: events_come_back_as_they_were_put,
    ForgetsNulls: values_come_back_as_they_were_put,
    KeepsNumbersAsFloats: values_come_back_as_they_were_put,
    KeepsMilliseconds: times_keep_their_microseconds,
    ForgetsUnknownEvents: events_come_back_as_they_were_put
        a_random_history_reads_as_a_naive_model_does,
}
