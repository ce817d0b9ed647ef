//! A store that keeps everything in this process and nothing beyond it: for tests, demonstrations and chats that may
//! be forgotten.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, HashMap},
    ops::Bound,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;

use super::{
    Change, ChatStore, Committed, Conflicting, FactsQuery, Freshness, Head, LogRange, ParticipantRecord,
    ParticipantsQuery, ProfileRecord, PublicSessions, SessionFacts, Slice, StoreError, Write,
};
use crate::model::{ClientId, Event, ParticipantId, Seq, Session, SessionId, SessionType, Standing, UserId};

/// The in-memory store. Nothing survives the process; clones share their contents.
#[derive(Debug, Clone, Default)]
pub struct MemoryStore {
    // A change or a read touches a few map entries, so one lock that is never held across an await is enough.
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    sessions: HashMap<SessionId, Stored>,
    /// Sessions by user, newest first.
    memberships: HashMap<UserId, BTreeSet<Reverse<SessionId>>>,
    /// Public sessions that are not deleted, newest first.
    public: BTreeSet<Reverse<SessionId>>,
    profiles: HashMap<UserId, ProfileRecord>,
}

#[derive(Debug, Default)]
struct Stored {
    record: Option<Session>,
    log: Vec<Arc<Event>>,
    last_governance: Seq,
    participants: HashMap<UserId, ParticipantRecord>,
    seats: BTreeMap<ParticipantId, UserId>,
    claims: HashMap<(UserId, ClientId), (Seq, String)>,
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while the lock is held, and if it did the maps would still be whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Stored {
    fn head(&self) -> Head {
        self.log.last().map_or_else(Head::default, |event| Head {
            seq: event.seq,
            number: event.number,
            at: event.created_at,
        })
    }

    fn check(&self, change: &Change) -> Result<(), StoreError> {
        if self.last_governance > change.decided_at {
            return Err(StoreError::Stale);
        }
        let Some(claim) = &change.claim else { return Ok(()) };
        match self.claims.get(&(claim.user_id.clone(), claim.client_id.clone())) {
            None => Ok(()),
            Some((seq, fingerprint)) => Err(StoreError::Conflict {
                which: Conflicting::ClientId { seq: *seq, fingerprint: fingerprint.clone() },
            }),
        }
    }

    fn append(&mut self, change: &mut Change) -> Committed {
        let mut events = Vec::with_capacity(change.events.len());
        let governs: Vec<bool> = (0..change.events.len()).map(|place| change.governs_at(place)).collect();
        for (new, governs) in change.events.drain(..).zip(governs) {
            let head = self.head();
            let event = Arc::new(Event {
                session_id: change.session_id,
                seq: head.seq + 1,
                number: head.number + u64::from(new.kind.is_message()),
                created_at: new.created_at.max(head.at),
                actor: new.actor,
                kind: new.kind,
            });
            if governs {
                self.last_governance = event.seq;
            }
            self.log.push(Arc::clone(&event));
            events.push(event);
        }
        if let (Some(claim), Some(first)) = (change.claim.take(), events.first()) {
            self.claims.insert((claim.user_id, claim.client_id), (first.seq, claim.fingerprint));
        }
        Committed { events }
    }
}

impl State {
    fn write(&mut self, id: SessionId, write: Write) {
        let stored = self.sessions.entry(id).or_default();
        match write {
            Write::Session(session) => {
                if session.session_type == SessionType::Public && session.is_active {
                    self.public.insert(Reverse(id));
                } else {
                    self.public.remove(&Reverse(id));
                }
                stored.record = Some(session);
            }
            Write::Participant(record) => {
                if let Some(previous) = stored.participants.get(&record.user_id) {
                    stored.seats.remove(&previous.id);
                }
                let sessions = self.memberships.entry(record.user_id.clone()).or_default();
                match record.standing {
                    Standing::Active(_) => {
                        stored.seats.insert(record.id, record.user_id.clone());
                        sessions.insert(Reverse(id));
                    }
                    Standing::Former(_) | Standing::Stranger => {
                        sessions.remove(&Reverse(id));
                    }
                }
                stored.participants.insert(record.user_id.clone(), record);
            }
        }
    }

    fn active(&self, Reverse(id): &Reverse<SessionId>) -> Option<(Session, Head)> {
        let stored = self.sessions.get(id)?;
        let session = stored.record.as_ref().filter(|session| session.is_active)?;
        Some((session.clone(), stored.head()))
    }

    fn is_in(&self, user: &UserId, id: SessionId) -> bool {
        self.memberships.get(user).is_some_and(|sessions| sessions.contains(&Reverse(id)))
    }
}

/// The keys after one in the order of a list; all of them where none is given.
fn keys_after<K>(after: Option<K>) -> (Bound<K>, Bound<K>) {
    (after.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded)
}

fn cut<T, K>(items: impl Iterator<Item = T>, slice: Slice<K>) -> Vec<T> {
    let skip = usize::try_from(slice.skip).unwrap_or(usize::MAX);
    let limit = usize::try_from(slice.limit).unwrap_or(usize::MAX);
    items.skip(skip).take(limit).collect()
}

#[async_trait]
impl ChatStore for MemoryStore {
    async fn commit(&self, mut change: Change) -> Result<Committed, StoreError> {
        let mut state = self.state();
        let id = change.session_id;
        match state.sessions.get(&id) {
            Some(stored) => stored.check(&change)?,
            None => Stored::default().check(&change)?,
        }
        let committed = state.sessions.entry(id).or_default().append(&mut change);
        for write in change.writes {
            state.write(id, write);
        }
        Ok(committed)
    }

    async fn facts(&self, queries: &[FactsQuery<'_>], _: Freshness) -> Result<Vec<SessionFacts>, StoreError> {
        let state = self.state();
        let facts = |FactsQuery { session_id, users }: &FactsQuery<'_>| match state.sessions.get(session_id) {
            None => SessionFacts { head: Head::default(), session: None, participants: vec![None; users.len()] },
            Some(stored) => SessionFacts {
                head: stored.head(),
                session: stored.record.clone(),
                participants: users.iter().map(|user| stored.participants.get(user).cloned()).collect(),
            },
        };
        Ok(queries.iter().map(facts).collect())
    }

    async fn log(&self, ranges: &[LogRange]) -> Result<Vec<Vec<Arc<Event>>>, StoreError> {
        let state = self.state();
        let part = |range: &LogRange| {
            let log = state.sessions.get(&range.session_id).map_or(&[][..], |stored| stored.log.as_slice());
            let from = usize::try_from(range.from.max(1) - 1).unwrap_or(usize::MAX).min(log.len());
            let to = usize::try_from(range.to).unwrap_or(usize::MAX).min(log.len());
            log.get(from..to).unwrap_or_default().to_vec()
        };
        Ok(ranges.iter().map(part).collect())
    }

    async fn participants(&self, queries: &[ParticipantsQuery]) -> Result<Vec<Vec<ParticipantRecord>>, StoreError> {
        let state = self.state();
        let list = |ParticipantsQuery { session_id, slice }: &ParticipantsQuery| {
            let Some(stored) = state.sessions.get(session_id) else { return Vec::new() };
            let seats = stored.seats.range(keys_after(slice.after));
            cut(seats.filter_map(|(_, user)| stored.participants.get(user).cloned()), *slice)
        };
        Ok(queries.iter().map(list).collect())
    }

    async fn sessions_of(&self, user: &UserId, slice: Slice<SessionId>) -> Result<Vec<(Session, Head)>, StoreError> {
        let state = self.state();
        let Some(sessions) = state.memberships.get(user) else { return Ok(Vec::new()) };
        let sessions = sessions.range(keys_after(slice.after.map(Reverse)));
        Ok(cut(sessions.filter_map(|id| state.active(id)), slice))
    }

    async fn public_sessions(&self, user: &UserId, slice: Slice<SessionId>) -> Result<PublicSessions, StoreError> {
        let state = self.state();
        let open = |(session, _): &(Session, Head)| {
            session.participant_count < session.max_participants && !state.is_in(user, session.id)
        };
        let total = state.public.iter().filter_map(|id| state.active(id)).filter(open).count() as u64;
        let part = state.public.range(keys_after(slice.after.map(Reverse)));
        Ok(PublicSessions { sessions: cut(part.filter_map(|id| state.active(id)).filter(open), slice), total })
    }

    async fn profiles(&self, users: &[UserId]) -> Result<Vec<Option<ProfileRecord>>, StoreError> {
        let state = self.state();
        Ok(users.iter().map(|user| state.profiles.get(user).cloned()).collect())
    }

    async fn put_profile(&self, profile: ProfileRecord) -> Result<bool, StoreError> {
        let mut state = self.state();
        let stored = state.profiles.get(&profile.user_id).map_or(0, |stored| stored.version);
        if stored.checked_add(1) != Some(profile.version) {
            return Ok(false);
        }
        state.profiles.insert(profile.user_id.clone(), profile);
        Ok(true)
    }
}
