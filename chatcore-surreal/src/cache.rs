//! What is kept in memory of sessions: where their logs end, and governed records as of then.
//!
//! INVARIANT: what is kept was true in the database when the log ended at the kept head, and never ahead of it. It
//! may be behind, which a commit notices: its place in the log is taken.
//!
//! INVARIANT: an entry that is *current* is not behind any commit of this process that a caller knows of. Where no other process writes, its
//! facts are as good as fresh ones. An entry becomes current by a commit, or by a read during which nothing was committed to the session.
//!
//! A database can be replaced by an older copy of itself, and then what was true of a log need not be true of what follows in its place.
//! So each [`forget`](Cache::forget) begins a generation: what was read or written before it is never kept after it.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use chatcore::{
    model::{Seq, SessionId},
    store::{Key, Record, SessionFacts},
};

use crate::rows::Known;

/// Records by their keys, or that there is none.
pub(crate) type Records = HashMap<Key, Option<Record>>;

/// A bounded number of sessions and records; what is used is kept longer.
#[derive(Debug)]
pub(crate) struct Cache {
    sessions: moka::sync::Cache<SessionId, Arc<Mutex<Entry>>>,
    records: moka::sync::Cache<Key, Arc<Kept>>,
    /// How often something was forgotten.
    generation: AtomicU64,
    /// How many commits there were, by the last bits of the session's id. The entry of a session can be evicted, and a count cannot.
    commits: Box<[AtomicU64]>,
}

/// The number of counts of commits. Sessions with one count cost each other a read now and then.
const COUNTS: usize = 4_096;

/// When something was read or planned: taken before, and given to the cache with what was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Generation(u64);

/// When a session was read: taken before the read, and given to the cache with what was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moment {
    generation: Generation,
    commits: u64,
}

#[derive(Debug)]
struct Entry {
    known: Option<Known>,
    is_current: bool,
    /// Every event after this one that governs was our own, so what it wrote is in `records`. Records kept before are void.
    base: Seq,
    /// Records of other generations are void.
    generation: Generation,
}

#[derive(Debug)]
struct Kept {
    generation: Generation,
    /// The last position that governs when this held.
    at: Seq,
    record: Option<Record>,
}

impl Cache {
    pub(crate) fn new(sessions: u64, participants: u64) -> Self {
        let records = moka::sync::Cache::new(sessions.saturating_add(participants));
        let commits = (0..COUNTS).map(|_| AtomicU64::new(0)).collect();
        Self { sessions: moka::sync::Cache::new(sessions), records, generation: AtomicU64::new(0), commits }
    }

    /// Now, for a session that is about to be read.
    pub(crate) fn moment(&self, id: SessionId) -> Moment {
        Moment { generation: self.generation(), commits: self.commits(id).load(Ordering::SeqCst) }
    }

    fn commits(&self, id: SessionId) -> &AtomicU64 {
        // The last bits of an id are random ones.
        let place = usize::try_from(id.0.as_u128() % COUNTS as u128).unwrap_or_default();
        self.commits.get(place).unwrap_or(&self.generation)
    }

    /// Now, for what is about to be read.
    pub(crate) fn generation(&self) -> Generation {
        Generation(self.generation.load(Ordering::SeqCst))
    }

    /// Where the log ended when it was last looked at, if that is known.
    pub(crate) fn known(&self, id: SessionId) -> Option<Known> {
        let entry = self.sessions.get(&id)?;
        locked(&entry).known
    }

    /// The facts as of the kept head; `None` where something is not known, or where the entry must be current and is not.
    pub(crate) fn facts(&self, id: SessionId, wanted: &[Key], must_be_current: bool) -> Option<SessionFacts> {
        let entry = self.sessions.get(&id)?;
        let entry = locked(&entry);
        let known = entry.known.filter(|_| entry.is_current || !must_be_current)?;
        let mut records = Vec::with_capacity(wanted.len());
        for key in wanted {
            let kept = self.records.get(key)?;
            // Another entry for the same session may have been here meanwhile, and known more.
            if kept.generation != entry.generation || kept.at < entry.base || kept.at > known.governance {
                return None;
            }
            records.push(kept.record.clone());
        }
        Some(SessionFacts { head: known.head, governance: known.governance, records })
    }

    /// Keeps what one consistent read found of a session: the end of its log, and governed records of it.
    pub(crate) fn learn(&self, id: SessionId, when: Moment, found: Known, records: &Records) {
        let entry = self.entry(id);
        let mut entry = locked(&entry);
        if when.generation != self.generation() {
            return;
        }
        // A commit during the read may be missing in what was found, and the entry that it wrote may have been evicted since.
        if when.commits == self.commits(id).load(Ordering::SeqCst)
            && entry.known.is_none_or(|kept| kept.head.seq <= found.head.seq)
        {
            entry.is_current = true;
        }
        if entry.known.is_none_or(|kept| kept.head.seq < found.head.seq) {
            // Whatever happened in between was not our own, or not yet reported: what it wrote is not known.
            if entry.known.is_none_or(|kept| kept.governance != found.governance) {
                entry.base = found.governance;
            }
            entry.known = Some(found);
        }
        // Records may only be kept if nothing was decided between the read and now.
        if entry.known.is_some_and(|kept| kept.governance == found.governance) {
            self.keep(id, entry.generation, found.governance, records);
        }
    }

    /// Keeps what a commit of ours wrote, once it is durable: it was planned from `start`, and the log ends at `end` now.
    pub(crate) fn committed(&self, id: SessionId, when: Generation, (start, end): (Known, Known), records: &Records) {
        // Before the entry is looked at: a read that ends later does not take what it found for current.
        self.commits(id).fetch_add(1, Ordering::SeqCst);
        let entry = self.entry(id);
        let mut entry = locked(&entry);
        if when != self.generation() {
            // What the commit was planned on is void, and the entry is behind the commit.
            *entry = self.empty();
            return;
        }
        // One task commits, so nothing is newer.
        entry.is_current = true;
        if entry.known.is_none_or(|kept| kept.head.seq < end.head.seq) {
            // The entry may be one that was made meanwhile, from an older read.
            if entry.known.is_none_or(|kept| kept.governance != start.governance) {
                entry.base = end.governance;
            }
            entry.known = Some(end);
        }
        if entry.known.is_some_and(|kept| kept.governance == end.governance) {
            self.keep(id, entry.generation, end.governance, records);
        }
    }

    fn keep(&self, id: SessionId, generation: Generation, at: Seq, records: &Records) {
        let own = |key: &Key| key.table.governed && key.session() == Some(id);
        for (key, record) in records.iter().filter(|(key, _)| own(key)) {
            self.records.insert(key.clone(), Arc::new(Kept { generation, at, record: record.clone() }));
        }
    }

    /// Forgets a session of which it is no longer known what was written.
    pub(crate) fn forget(&self, id: SessionId) {
        // Before the entry is looked at: who has it now may still fill it, and finds it empty afterwards.
        self.generation.fetch_add(1, Ordering::SeqCst);
        if let Some(entry) = self.sessions.get(&id) {
            *locked(&entry) = self.empty();
        }
        self.sessions.invalidate(&id);
    }

    fn entry(&self, id: SessionId) -> Arc<Mutex<Entry>> {
        self.sessions.get_with(id, || Arc::new(Mutex::new(self.empty())))
    }

    fn empty(&self) -> Entry {
        Entry { known: None, is_current: false, base: 0, generation: self.generation() }
    }
}

fn locked(entry: &Mutex<Entry>) -> MutexGuard<'_, Entry> {
    // Nothing panics while it is held.
    entry.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
