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
    ForgetsStaleness: every_kind_of_governance_event_makes_older_decisions_stale
        a_stale_change_leaves_no_trace
        a_change_decided_on_outdated_cached_facts_is_stale,
    LooksAFewEventsBack: a_governance_event_is_noticed_behind_many_messages,
    CallsMessagesGovernance: no_message_makes_a_decision_stale
        a_hundred_sends_at_once_are_numbered_densely_in_each_tasks_order,
    LetsRoleChangesPass: every_kind_of_governance_event_makes_older_decisions_stale,
    LetsRecordsOfMessagesPass: a_message_that_replaces_a_record_makes_older_decisions_stale,
    IsStaleAtTheEventItself: a_decision_taken_at_the_governance_event_is_not_stale,
    MakesOtherSessionsStale: sessions_do_not_make_each_other_stale,
    CreatesSessionsAgain: a_session_is_created_once
        one_of_two_creations_of_a_session_wins,
    ChecksAndThenAppends: joins_never_pass_the_cap
        no_message_is_numbered_after_the_removal_that_forbids_it
        one_of_two_creations_of_a_session_wins,
    ConflictsBeforeItIsStale: staleness_is_looked_for_before_conflicts,
    ForgetsClaims: a_client_id_used_again_tells_where_and_for_what,
    ClaimsAndThenAppends: one_of_two_uses_of_a_client_id_wins,
    UsesClaimsUpInVain: a_rejected_attempt_uses_no_client_id_up
        a_stale_change_leaves_no_trace,
    SharesClaimsBetweenSessions: a_client_id_belongs_to_one_user_in_one_session,
    SharesClaimsBetweenUsers: a_client_id_belongs_to_one_user_in_one_session,
    FoldsClientIds: client_ids_are_told_apart_by_every_character,
    TellsTheWrongPosition: a_client_id_used_again_tells_where_and_for_what
        one_of_two_uses_of_a_client_id_wins,
    TellsTheNewFingerprint: a_client_id_used_again_tells_where_and_for_what,
    LeavesAHole: a_log_is_numbered_from_one_without_holes
        many_sessions_are_written_at_once,
    DoublesAPosition: a_log_is_numbered_from_one_without_holes
        many_sessions_are_written_at_once,
    SwapsPositions: a_hundred_sends_at_once_are_numbered_densely_in_each_tasks_order
        many_sessions_are_written_at_once,
    ReversesChanges: the_events_of_a_change_stand_together_in_their_order,
    NumbersEveryEvent: only_messages_take_a_number,
    FallsBackInTime: the_time_of_an_event_is_never_below_the_one_before,
    AnswersTheCallersTime: the_time_of_an_event_is_never_below_the_one_before,
    WritesWhenStale: a_stale_change_leaves_no_trace,
    AppendsWhenItConflicts: a_conflicting_change_leaves_no_trace,
    ForgetsTheLastWrite: a_record_is_replaced_as_a_whole
        fresh_facts_include_everything_committed,
    MergesRecords: a_record_is_replaced_as_a_whole,
    ForgetsEngagement: records_come_back_as_they_were_put,
    KeepsSignedNumbers: records_come_back_as_they_were_put,
    CommitsInTwoSteps: a_dropped_commit_happened_wholly_or_not_at_all
        readers_see_whole_changes_only,
    AcknowledgesWithoutKeeping: a_log_is_numbered_from_one_without_holes
        many_sessions_are_written_at_once,
    StaysLockedWhenDropped: a_dropped_commit_happened_wholly_or_not_at_all,
    IsAheadOfTheLog: fresh_facts_include_everything_committed
        an_unknown_session_has_head_zero_and_nobody,
    CachesFactsUnderANewHead: cached_facts_held_at_their_head
        a_change_decided_on_outdated_cached_facts_is_stale
        no_message_is_numbered_after_the_removal_that_forbids_it,
    MissesMessagesInFreshFacts: fresh_facts_include_everything_committed,
    ReadsFactsInTwoSteps: readers_see_whole_changes_only,
    ReadsListsInTwoSteps: readers_see_whole_changes_only,
    AnswersEachUserOnce: users_are_answered_in_the_order_asked_for,
    SortsUsers: users_are_answered_in_the_order_asked_for,
    SortsFactsQueries: facts_of_many_sessions_are_answered_one_by_one_in_their_order,
    AnswersTheFirstQueryOfASession: facts_of_many_sessions_are_answered_one_by_one_in_their_order,
    TrimsUserIds: user_ids_are_told_apart_by_every_character,
    FoldsUserIds: user_ids_are_told_apart_by_every_character,
    ForgetsWhoWasInIt: facts_remember_who_was_in_it,
    ReadsOneTooMany: a_range_gives_what_there_is_of_it
        a_log_is_read_at_any_depth,
    CountsPositionsFromZero: a_range_gives_what_there_is_of_it,
    ReadsAHundredAtMost: a_log_is_read_at_any_depth,
    SortsRanges: ranges_are_answered_one_by_one_in_their_order,
    AnswersEachSessionOnce: ranges_are_answered_one_by_one_in_their_order,
    ListsWhoLeft: only_who_is_in_it_is_a_participant
        participants_are_paged,
    KeepsPlacesForWhoComesBack: who_comes_back_takes_a_new_place,
    SortsParticipantsByName: participants_come_in_the_order_of_their_stays,
    SortsParticipantsQueries: participants_of_many_sessions_are_answered_one_by_one_in_their_order,
    ListsTheFirstPartOfASession: participants_of_many_sessions_are_answered_one_by_one_in_their_order,
    IgnoresSkipOfParticipants: participants_are_paged,
    IgnoresCursors: participants_are_paged
        participants_come_and_go_between_pages
        the_sessions_of_a_user_are_paged
        public_sessions_are_paged_and_counted,
    ShowsTheEntryOfACursorAgain: participants_are_paged
        the_sessions_of_a_user_are_paged
        public_sessions_are_paged_and_counted,
    LooksForTheEntryOfACursor: participants_come_and_go_between_pages
        the_sessions_of_a_user_come_and_go_between_pages
        public_sessions_come_and_go_between_pages,
    StartsOverWithoutTheEntryOfACursor: participants_come_and_go_between_pages
        the_sessions_of_a_user_come_and_go_between_pages
        public_sessions_come_and_go_between_pages,
    CountsWhatIsAfterACursor: public_sessions_are_paged_and_counted,
    ListsDeletedSessions: left_and_deleted_sessions_are_not_listed
        the_sessions_of_a_user_are_paged,
    ListsSessionsLeft: left_and_deleted_sessions_are_not_listed
        the_sessions_of_a_user_are_paged,
    ListsOldestFirst: the_sessions_of_a_user_come_newest_first,
    ListsByActivity: the_sessions_of_a_user_come_newest_first,
    ListsWithoutHeads: the_sessions_of_a_user_come_newest_first,
    IgnoresSkipOfSessions: the_sessions_of_a_user_are_paged,
    OffersSessionsJoined: public_sessions_are_those_that_can_be_joined,
    OffersFullSessions: public_sessions_are_those_that_can_be_joined
        public_sessions_come_and_go_with_their_settings,
    OffersDeletedSessions: public_sessions_are_those_that_can_be_joined
        public_sessions_are_paged_and_counted,
    OffersHiddenSessions: public_sessions_are_those_that_can_be_joined
        public_sessions_come_and_go_with_their_settings,
    OffersNothingToWhoLeft: public_sessions_are_those_that_can_be_joined,
    CountsThePage: public_sessions_are_paged_and_counted,
    IgnoresSkipOfPublicSessions: public_sessions_are_paged_and_counted,
    SortsProfiles: profiles_come_in_the_order_asked_for,
    KeepsTheLastProfilePut: a_profile_of_another_version_changes_nothing,
    SaysThatAProfileWasPut: a_profile_of_another_version_changes_nothing,
    ReplacesProfilesOfAnyEarlierVersion: a_profile_of_another_version_changes_nothing,
    ReadsAndThenPutsProfiles: one_of_many_writers_of_a_profile_wins,
    MergesProfiles: a_profile_is_replaced_as_a_whole,
    KeepsOneTimeForAProfile: a_profile_is_replaced_as_a_whole
        times_keep_their_microseconds,
    KeepsMilliseconds: times_keep_their_microseconds,
    TrimsTexts: texts_survive_to_the_character,
    TakesTextForCiphertext: encrypted_content_stays_encrypted_content
        texts_survive_to_the_character,
    TakesCiphertextForText: encrypted_content_stays_encrypted_content,
    ForgetsTheSendersName: every_kind_of_event_comes_back_as_it_was_put
        texts_survive_to_the_character,
    ForgetsWhatWasTakenAway: every_kind_of_event_comes_back_as_it_was_put,
}
