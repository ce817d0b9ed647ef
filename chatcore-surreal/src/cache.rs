//! What is kept in memory of sessions: where their logs end, and who may do what in them as of then.
//!
//! INVARIANT: what is kept was true in the database when the log ended at the kept head, and never ahead of it. It
//! may be behind, which a commit notices: its place in the log is taken.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use chatcore::{
    model::{Seq, Session, SessionId, UserId},
    store::{ParticipantRecord, SessionFacts, Write},
};

use crate::rows::Known;

/// Participants' records, or that there is none, by session and user.
pub(crate) type People = HashMap<(SessionId, UserId), Option<ParticipantRecord>>;

/// A bounded number of sessions and participants; what is used is kept longer.
#[derive(Debug)]
pub(crate) struct Cache {
    sessions: moka::sync::Cache<SessionId, Arc<Mutex<Entry>>>,
    people: moka::sync::Cache<(SessionId, UserId), Arc<Person>>,
}

#[derive(Debug, Default)]
struct Entry {
    known: Option<Known>,
    /// Every governance event after this one was our own, so what it wrote is in `people`. Records kept before are void.
    base: Seq,
    /// The session's record, or that there is none. The outer `None` where that is not known.
    session: Option<Option<Session>>,
}

#[derive(Debug)]
struct Person {
    /// The last governance event when this held.
    at: Seq,
    record: Option<ParticipantRecord>,
}

impl Cache {
    pub(crate) fn new(sessions: u64, participants: u64) -> Self {
        Self { sessions: moka::sync::Cache::new(sessions), people: moka::sync::Cache::new(participants) }
    }

    /// Where the log ended when it was last looked at, if that is known.
    pub(crate) fn known(&self, id: SessionId) -> Option<Known> {
        let entry = self.sessions.get(&id)?;
        locked(&entry).known
    }

    /// The facts as of the kept head; `None` where something is not known.
    pub(crate) fn facts(&self, id: SessionId, users: &[UserId]) -> Option<SessionFacts> {
        let entry = self.sessions.get(&id)?;
        let entry = locked(&entry);
        let known = entry.known?;
        let session = entry.session.clone()?;
        let mut participants = Vec::with_capacity(users.len());
        for user in users {
            let person = self.people.get(&(id, user.clone()))?;
            // Another entry for the same session may have been here meanwhile, and known more.
            if person.at < entry.base || person.at > known.governance {
                return None;
            }
            participants.push(person.record.clone());
        }
        Some(SessionFacts { head: known.head, session, participants })
    }

    /// Keeps what one consistent read found. Without a record, only the end of the log was read.
    pub(crate) fn learn(&self, id: SessionId, found: Known, session: Option<&Option<Session>>, people: &People) {
        let entry = self.entry(id);
        let mut entry = locked(&entry);
        if entry.known.is_none_or(|kept| kept.head.seq < found.head.seq) {
            // Whatever happened in between was not our own, or not yet reported: what it wrote is not known.
            if entry.known.is_none_or(|kept| kept.governance != found.governance) {
                entry.base = found.governance;
                entry.session = None;
            }
            entry.known = Some(found);
        }
        // Facts may only be kept if nothing was decided between the read and now.
        if entry.known.is_some_and(|kept| kept.governance == found.governance) {
            if let Some(session) = session {
                entry.session = Some(session.clone());
            }
            for (key, record) in people.iter().filter(|((session, _), _)| *session == id) {
                self.people.insert(key.clone(), Arc::new(Person { at: found.governance, record: record.clone() }));
            }
        }
    }

    /// Keeps what a commit of ours wrote, once it is durable: it was planned from `start`, and the log ends at `end` now.
    pub(crate) fn committed(&self, id: SessionId, start: Known, end: Known, writes: Vec<&Write>) {
        let entry = self.entry(id);
        let mut entry = locked(&entry);
        if entry.known.is_none_or(|kept| kept.head.seq < end.head.seq) {
            // The entry may be one that was made meanwhile, from an older read.
            if entry.known.is_none_or(|kept| kept.governance != start.governance) {
                entry.base = end.governance;
                entry.session = None;
            }
            entry.known = Some(end);
        }
        if entry.known.is_some_and(|kept| kept.governance == end.governance) {
            for write in writes {
                match write {
                    Write::Session(session) => entry.session = Some(Some(session.clone())),
                    Write::Participant(record) => {
                        let person = Person { at: end.governance, record: Some(record.clone()) };
                        self.people.insert((id, record.user_id.clone()), Arc::new(person));
                    }
                }
            }
        }
    }

    /// Forgets a session of which it is no longer known what was written.
    pub(crate) fn forget(&self, id: SessionId) {
        if let Some(entry) = self.sessions.get(&id) {
            *locked(&entry) = Entry::default();
        }
        self.sessions.invalidate(&id);
    }

    fn entry(&self, id: SessionId) -> Arc<Mutex<Entry>> {
        self.sessions.get_with(id, Arc::default)
    }
}

fn locked(entry: &Mutex<Entry>) -> MutexGuard<'_, Entry> {
    // Nothing panics while it is held.
    entry.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
