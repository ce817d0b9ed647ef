use chatcore::{
    model::{ParticipantId, ParticipantRole, Session, SessionType, Standing, UserId},
    store::{Head, ParticipantRecord, Participants, Sessions, TypedKey, Value, Version},
};
use chrono::DateTime;
use uuid::Uuid;

use super::*;

fn ana() -> UserId {
    UserId::new("ana").expect("a user id")
}

const ID: SessionId = SessionId(Uuid::nil());

fn known(seq: u64, governance: u64) -> Known {
    Known { head: Head { seq, number: 0, at: DateTime::UNIX_EPOCH }, governance }
}

fn session(title: &str) -> Session {
    Session {
        id: ID,
        title: title.to_owned(),
        description: None,
        session_type: SessionType::Public,
        max_participants: 2,
        participant_count: 1,
        owner: ana(),
        is_active: true,
        created_at: DateTime::UNIX_EPOCH,
        updated_at: DateTime::UNIX_EPOCH,
        settings: chatcore::model::SessionSettings::default(),
        archived_at: None,
        deletion: None,
        needs: 0,
    }
}

fn record(role: ParticipantRole) -> ParticipantRecord {
    ParticipantRecord::new(ParticipantId(Uuid::nil()), ID, ana(), Standing::Active(role), DateTime::UNIX_EPOCH)
}

fn kept<K: TypedKey>(key: &K, value: K::Value) -> (Key, Option<Record>) {
    (key.key(), Some(Record { value: Value::of::<K>(value), version: Version(1), at: 1 }))
}

fn titled(title: &str) -> Records {
    Records::from([kept(&Sessions { session: ID }, session(title))])
}

fn in_role(role: ParticipantRole) -> Records {
    Records::from([kept(&Participants { session: ID, user: ana() }, record(role))])
}

fn both(title: &str, role: ParticipantRole) -> Records {
    titled(title).into_iter().chain(in_role(role)).collect()
}

/// What is kept: the position, the title and ana's role.
fn facts(cache: &Cache) -> Option<(u64, String, Option<ParticipantRole>)> {
    let keys = [Sessions { session: ID }.key(), Participants { session: ID, user: ana() }.key()];
    let facts = cache.facts(ID, &keys, false)?;
    let title = facts.records[0].as_ref()?.value.get::<Session>()?.title.clone();
    let role = facts.records[1].as_ref()?.value.get::<ParticipantRecord>()?.standing.role();
    Some((facts.head.seq, title, role))
}

fn learned(seq: u64, governance: u64) -> Cache {
    let cache = Cache::new(100, 100);
    cache.learn(ID, cache.moment(ID), known(seq, governance), &both("a", ParticipantRole::Member));
    cache
}

#[test]
fn what_was_read_is_kept_as_of_its_head() {
    let cache = learned(5, 3);
    assert_eq!(facts(&cache), Some((5, "a".into(), Some(ParticipantRole::Member))));
    assert!(
        cache
            .facts(ID, &[Participants { session: ID, user: UserId::new("bob").expect("a user id") }.key()], false)
            .is_none()
    );
    assert!(cache.facts(SessionId(Uuid::max()), &[], false).is_none());
}

#[test]
fn own_messages_move_the_head_and_keep_the_facts() {
    let cache = learned(5, 3);
    cache.committed(ID, cache.generation(), (known(5, 3), known(9, 3)), &Records::new());
    assert_eq!(facts(&cache), Some((9, "a".into(), Some(ParticipantRole::Member))));
}

#[test]
fn own_governance_updates_what_it_wrote_and_keeps_the_rest() {
    let cache = learned(5, 3);
    cache.committed(ID, cache.generation(), (known(5, 3), known(6, 6)), &titled("b"));
    assert_eq!(facts(&cache), Some((6, "b".into(), Some(ParticipantRole::Member))));
    cache.committed(ID, cache.generation(), (known(6, 6), known(7, 7)), &in_role(ParticipantRole::Admin));
    assert_eq!(facts(&cache), Some((7, "b".into(), Some(ParticipantRole::Admin))));
}

#[test]
fn governance_of_others_drops_the_facts() {
    let cache = learned(5, 3);
    cache.learn(ID, cache.moment(ID), known(8, 7), &Records::new());
    assert_eq!(facts(&cache), None);
    assert_eq!(cache.known(ID), Some(known(8, 7)));
    // Messages of others do not.
    let cache = learned(5, 3);
    cache.learn(ID, cache.moment(ID), known(8, 3), &Records::new());
    assert_eq!(facts(&cache), Some((8, "a".into(), Some(ParticipantRole::Member))));
}

#[test]
fn a_slow_read_does_not_bring_old_facts_back() {
    let cache = learned(5, 3);
    let changed = both("b", ParticipantRole::Admin);
    cache.committed(ID, cache.generation(), (known(5, 3), known(6, 6)), &changed);
    cache.learn(ID, cache.moment(ID), known(5, 3), &both("a", ParticipantRole::Member));
    assert_eq!(facts(&cache), Some((6, "b".into(), Some(ParticipantRole::Admin))));
    // Nor does a read that has seen more than the commit that is reported after it.
    cache.learn(ID, cache.moment(ID), known(8, 8), &both("c", ParticipantRole::Viewer));
    cache.committed(ID, cache.generation(), (known(6, 6), known(7, 7)), &changed);
    assert_eq!(facts(&cache), Some((8, "c".into(), Some(ParticipantRole::Viewer))));
}

#[test]
fn an_entry_made_from_an_older_read_is_not_taken_for_what_a_commit_built_on() {
    let cache = learned(5, 3);
    // Planned from 7, after a governance event of somebody else at 6.
    cache.committed(ID, cache.generation(), (known(7, 6), known(8, 6)), &Records::new());
    assert_eq!(facts(&cache), None);
}

#[test]
fn what_is_forgotten_is_not_known() {
    let cache = learned(5, 3);
    cache.forget(ID);
    assert_eq!((cache.known(ID), facts(&cache)), (None, None));
}

#[test]
fn a_lost_history_does_not_come_back() {
    let cache = learned(5, 3);
    let (before, moment) = (cache.generation(), cache.moment(ID));
    cache.forget(ID);
    // A read and a commit that began before the history was lost.
    cache.learn(ID, moment, known(5, 3), &both("a", ParticipantRole::Owner));
    cache.committed(ID, before, (known(5, 3), known(6, 3)), &Records::new());
    assert_eq!((cache.known(ID), facts(&cache)), (None, None));
    // The new history decides at the same position, and the records of the old one are not taken for the new ones.
    cache.learn(ID, cache.moment(ID), known(4, 3), &titled("b"));
    assert_eq!((cache.known(ID), facts(&cache)), (Some(known(4, 3)), None));
    cache.learn(ID, cache.moment(ID), known(4, 3), &in_role(ParticipantRole::Viewer));
    assert_eq!(facts(&cache), Some((4, "b".into(), Some(ParticipantRole::Viewer))));
}

/// Whether the entry is current.
fn is_current(cache: &Cache) -> bool {
    cache.facts(ID, &[], true).is_some()
}

#[test]
fn a_read_without_a_commit_beside_it_is_current() {
    let cache = learned(5, 3);
    assert!(is_current(&cache));
    // A read of an older state changes nothing.
    cache.learn(ID, cache.moment(ID), known(4, 3), &Records::new());
    assert_eq!((is_current(&cache), cache.known(ID)), (true, Some(known(5, 3))));
}

#[test]
fn a_read_that_a_commit_overtook_is_not_current_when_the_entry_of_the_commit_is_evicted() {
    let cache = Cache::new(100, 100);
    let began = cache.moment(ID);
    cache.committed(ID, cache.generation(), (known(5, 3), known(6, 3)), &Records::new());
    assert!(is_current(&cache));
    cache.sessions.invalidate(&ID);
    cache.learn(ID, began, known(5, 3), &both("a", ParticipantRole::Member));
    assert_eq!((is_current(&cache), cache.known(ID)), (false, Some(known(5, 3))));
    // The next read, or the next commit, makes it current.
    cache.learn(ID, cache.moment(ID), known(6, 3), &Records::new());
    assert!(is_current(&cache));
}

#[test]
fn an_entry_that_missed_a_commit_is_dropped() {
    let cache = learned(5, 3);
    let planned = cache.generation();
    cache.forget(SessionId(Uuid::max()));
    cache.committed(ID, planned, (known(5, 3), known(6, 3)), &Records::new());
    assert_eq!((is_current(&cache), cache.known(ID)), (false, None));
}
