//! Stores that break one promise each, around the one that keeps them all.

mod faults;
mod lists;
mod values;

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering},
    },
};

use async_trait::async_trait;
use chatcore::{
    model::{
        ClientId, Content, EncryptedContent, Event, EventKind, ParticipantEvent, ParticipantId, Session, SessionId,
        Standing, UserId,
    },
    store::{
        Change, ChatStore, Committed, Conflicting, FactsQuery, Freshness, Head, LogRange, MemoryStore,
        ParticipantRecord, ParticipantsQuery, ProfileRecord, PublicSessions, SessionFacts, Slice, StoreError, Write,
    },
};
use chrono::{DateTime, SubsecRound, Utc};
use tokio::task::yield_now;

pub(crate) use faults::{FAULTS, Fault};

/// A store with one fault.
pub(crate) struct Faulty {
    inner: MemoryStore,
    fault: Fault,
    notes: Mutex<Notes>,
    is_busy: AtomicBool,
}

/// What a fault needs to remember of what went by.
#[derive(Default)]
struct Notes {
    commits: u64,
    /// The session of the last governance event.
    governed: Option<SessionId>,
    /// The times that callers gave.
    times: BTreeMap<(SessionId, u64), DateTime<Utc>>,
    claims: BTreeMap<(SessionId, UserId, ClientId), (u64, String)>,
    /// Every session and every record that was ever put, as it was last.
    sessions: BTreeMap<SessionId, Session>,
    records: BTreeMap<(SessionId, UserId), ParticipantRecord>,
    first_stays: BTreeMap<(SessionId, UserId), ParticipantId>,
    /// What was written by changes that were refused.
    refused: Vec<Write>,
    facts: BTreeMap<(SessionId, Vec<UserId>), SessionFacts>,
    profiles: BTreeMap<UserId, ProfileRecord>,
}

impl Faulty {
    pub(crate) fn new(fault: Fault) -> Self {
        Self { inner: MemoryStore::new(), fault, notes: Mutex::default(), is_busy: AtomicBool::new(false) }
    }

    fn has(&self, fault: Fault) -> bool {
        self.fault == fault
    }

    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().expect("nothing panics with it")
    }

    async fn whole_log(&self, session_id: SessionId) -> Result<Vec<Arc<Event>>, StoreError> {
        let mut found = self.inner.log(&[LogRange { session_id, from: 1, to: u64::MAX }]).await?;
        Ok(found.remove(0))
    }

    /// A position as it is shown.
    fn seq(&self, seq: u64) -> u64 {
        match (self.fault, seq) {
            (Fault::LeavesAHole, 5..) => seq + 1,
            (Fault::DoublesAPosition, 5..) => seq - 1,
            (Fault::SwapsPositions, 6) => 7,
            (Fault::SwapsPositions, 7) => 6,
            _ => seq,
        }
    }

    /// The position of the log that is meant by one that was shown.
    fn meant(&self, seq: u64) -> u64 {
        match (self.fault, seq) {
            (Fault::LeavesAHole, 6..) => seq - 1,
            (Fault::DoublesAPosition, 4..) => seq + 1,
            (Fault::SwapsPositions, 6) => 7,
            _ => seq,
        }
    }

    fn time(&self, session_id: SessionId, seq: u64, time: DateTime<Utc>) -> DateTime<Utc> {
        match self.fault {
            Fault::FallsBackInTime => self.notes().times.get(&(session_id, seq)).copied().unwrap_or(time),
            Fault::KeepsMilliseconds => time.trunc_subsecs(3),
            _ => time,
        }
    }

    fn shown(&self, event: &Event) -> Arc<Event> {
        let number = if self.has(Fault::NumbersEveryEvent) { event.seq } else { event.number };
        let created_at = self.time(event.session_id, event.seq, event.created_at);
        Arc::new(Event { seq: self.seq(event.seq), number, created_at, ..event.clone() })
    }

    fn head(&self, session_id: SessionId, head: Head) -> Head {
        let number = if self.has(Fault::NumbersEveryEvent) { head.seq } else { head.number };
        Head { seq: self.seq(head.seq), number, at: self.time(session_id, head.seq, head.at) }
    }

    /// Refuses what must not be refused, and forgets reasons to refuse.
    async fn judge(&self, change: &mut Change) -> Result<(), StoreError> {
        change.decided_at = self.meant(change.decided_at);
        let log = self.whole_log(change.session_id).await?;
        let decided_at = change.decided_at;
        let later = || log.iter().filter(|event| event.seq > decided_at);
        match self.fault {
            Fault::ForgetsStaleness => change.decided_at = u64::MAX,
            Fault::LooksAFewEventsBack => change.decided_at = decided_at.max((log.len() as u64).saturating_sub(64)),
            Fault::CallsMessagesGovernance if later().next().is_some() => return Err(StoreError::Stale),
            Fault::LetsRoleChangesPass => {
                let role_change =
                    |kind: &EventKind| matches!(kind, EventKind::Participant(ParticipantEvent::RoleChanged { .. }));
                if !later().any(|event| event.kind.is_governance() && !role_change(&event.kind)) {
                    change.decided_at = log.len() as u64;
                }
            }
            Fault::LetsRecordsOfMessagesPass if !later().any(|event| event.kind.is_governance()) => {
                change.decided_at = log.len() as u64;
            }
            Fault::CreatesSessionsAgain if decided_at == 0 => change.decided_at = log.len() as u64,
            Fault::MakesOtherSessionsStale => {
                let elsewhere = self.notes().governed.is_some_and(|id| id != change.session_id);
                if elsewhere && decided_at > 0 {
                    return Err(StoreError::Stale);
                }
            }
            Fault::IsStaleAtTheEventItself => change.decided_at = decided_at.saturating_sub(1),
            Fault::ChecksAndThenAppends => {
                if later().any(|event| event.kind.is_governance()) {
                    return Err(StoreError::Stale);
                }
                change.decided_at = u64::MAX;
                pause().await;
            }
            _ => {}
        }
        let is_stale = later().any(|event| event.kind.is_governance());
        if is_stale && !self.has(Fault::ConflictsBeforeItIsStale) {
            return Ok(());
        }
        self.judge_claim(change).await
    }

    async fn judge_claim(&self, change: &mut Change) -> Result<(), StoreError> {
        let Some(claim) = &mut change.claim else { return Ok(()) };
        let key = (change.session_id, claim.user_id.clone(), claim.client_id.clone());
        let found = |same: &dyn Fn(&(SessionId, UserId, ClientId)) -> bool| {
            let notes = self.notes();
            let found = notes.claims.iter().find(|(used, _)| same(used));
            found.map_or(Ok(()), |(_, (seq, fingerprint))| Err(conflict(*seq, fingerprint.clone())))
        };
        match self.fault {
            Fault::ForgetsClaims => change.claim = None,
            Fault::SharesClaimsBetweenSessions => found(&|used| (&used.1, &used.2) == (&key.1, &key.2))?,
            Fault::SharesClaimsBetweenUsers => found(&|used| (&used.0, &used.2) == (&key.0, &key.2))?,
            Fault::UsesClaimsUpInVain | Fault::ConflictsBeforeItIsStale => found(&|used| *used == key)?,
            Fault::FoldsClientIds => {
                let folded = claim.client_id.as_str().trim().to_lowercase();
                claim.client_id = ClientId::new(folded).unwrap_or_else(|_| claim.client_id.clone());
            }
            Fault::ClaimsAndThenAppends => {
                found(&|used| *used == key)?;
                pause().await;
                // It may have been used meanwhile, and that is not looked at again.
                change.claim = None;
            }
            _ => {}
        }
        Ok(())
    }

    /// Commits, in one step or not.
    async fn append(&self, mut change: Change) -> Result<Committed, StoreError> {
        match self.fault {
            Fault::CommitsInTwoSteps if change.events.len() > 1 => {
                let rest = change.events.split_off(1);
                let writes = std::mem::take(&mut change.writes);
                let second = Change { decided_at: u64::MAX, events: rest, writes, claim: None, ..change.clone() };
                let mut committed = self.inner.commit(change).await?;
                pause().await;
                committed.events.extend(self.inner.commit(second).await?.events);
                Ok(committed)
            }
            Fault::StaysLockedWhenDropped => {
                let mut turns = 0;
                while self.is_busy.swap(true, Ordering::SeqCst) {
                    turns += 1;
                    if turns > 10_000 {
                        return Err(StoreError::Unavailable("locked".into()));
                    }
                    yield_now().await;
                }
                yield_now().await;
                let committed = self.inner.commit(change).await;
                self.is_busy.store(false, Ordering::SeqCst);
                committed
            }
            Fault::AcknowledgesWithoutKeeping if self.notes().commits % 8 == 7 => {
                let scratch = MemoryStore::new();
                let session_id = change.session_id;
                let Head { seq, number, at } = self.kept_facts(session_id, &[], Freshness::Fresh).await?.head;
                let raised = |event: &Arc<Event>| {
                    let (seq, number) = (event.seq + seq, event.number + number);
                    Arc::new(Event { seq, number, created_at: event.created_at.max(at), ..(**event).clone() })
                };
                let committed = scratch.commit(change).await?;
                Ok(Committed { events: committed.events.iter().map(raised).collect() })
            }
            _ => self.inner.commit(change).await,
        }
    }

    fn note(&self, change: &Change, committed: &Committed) {
        let mut notes = self.notes();
        for (event, new) in committed.events.iter().zip(&change.events) {
            notes.times.insert((event.session_id, event.seq), new.created_at);
        }
        if let (Some(claim), Some(event)) = (&change.claim, committed.events.first()) {
            let key = (change.session_id, claim.user_id.clone(), claim.client_id.clone());
            notes.claims.entry(key).or_insert((event.seq, claim.fingerprint.clone()));
        }
        for write in &change.writes {
            match write {
                Write::Session(session) => {
                    notes.sessions.insert(session.id, session.clone());
                }
                Write::Participant(record) => {
                    let key = (record.session_id, record.user_id.clone());
                    notes.first_stays.entry(key.clone()).or_insert(record.id);
                    notes.records.insert(key, record.clone());
                }
            }
        }
        let governs = committed.events.iter().any(|event| event.kind.is_governance());
        if governs {
            notes.governed = Some(change.session_id);
        }
        if governs && self.has(Fault::MissesMessagesInFreshFacts) {
            notes.facts.retain(|(id, _), _| *id != change.session_id);
        }
    }

    async fn refuse(&self, given: Change, error: StoreError) -> StoreError {
        match error {
            StoreError::Stale => {
                let mut notes = self.notes();
                if self.has(Fault::WritesWhenStale) {
                    notes.refused.extend(given.writes);
                } else if let Some(claim) = given.claim.filter(|_| self.has(Fault::UsesClaimsUpInVain)) {
                    let key = (given.session_id, claim.user_id, claim.client_id);
                    notes.claims.entry(key).or_insert((1, claim.fingerprint));
                }
                StoreError::Stale
            }
            StoreError::Conflict { which: Conflicting::ClientId { seq, fingerprint } } => match self.fault {
                Fault::AppendsWhenItConflicts => {
                    let _ = self.inner.commit(Change { claim: None, ..given }).await;
                    conflict(seq, fingerprint)
                }
                Fault::TellsTheWrongPosition => conflict(seq + 1, fingerprint),
                Fault::TellsTheNewFingerprint => {
                    conflict(seq, given.claim.map_or(fingerprint, |claim| claim.fingerprint))
                }
                _ => conflict(self.seq(seq), fingerprint),
            },
            StoreError::OutcomeUnknown => StoreError::OutcomeUnknown,
            StoreError::Unavailable(reason) => StoreError::Unavailable(reason),
            StoreError::Corrupt(reason) => StoreError::Corrupt(reason),
            StoreError::Backend(source) => StoreError::Backend(source),
        }
    }
}

impl Faulty {
    /// The facts of one session, without a fault.
    async fn kept_facts(
        &self,
        session_id: SessionId,
        users: &[UserId],
        freshness: Freshness,
    ) -> Result<SessionFacts, StoreError> {
        Ok(self.inner.facts(&[FactsQuery { session_id, users }], freshness).await?.remove(0))
    }

    /// The facts of one session.
    async fn facts_of(
        &self,
        id: SessionId,
        users: &[UserId],
        freshness: Freshness,
    ) -> Result<SessionFacts, StoreError> {
        let mut asked = users.to_vec();
        match self.fault {
            Fault::AnswersEachUserOnce => {
                asked.sort();
                asked.dedup();
                asked.sort_by_key(|user| users.iter().position(|first| first == user));
            }
            Fault::SortsUsers => asked.sort(),
            Fault::TrimsUserIds => asked.iter_mut().for_each(|user| *user = alike(user, |id| id.trim().to_owned())),
            Fault::FoldsUserIds => asked.iter_mut().for_each(|user| *user = alike(user, str::to_lowercase)),
            _ => {}
        }
        let mut facts = self.kept_facts(id, &asked, freshness).await?;
        let key = (id, asked.clone());
        match self.fault {
            Fault::IsAheadOfTheLog => facts.head.seq += 1,
            Fault::CachesFactsUnderANewHead if freshness == Freshness::Cached => {
                let kept = self.notes().facts.entry(key).or_insert_with(|| facts.clone()).clone();
                facts = SessionFacts { head: facts.head, ..kept };
            }
            Fault::MissesMessagesInFreshFacts => {
                facts = self.notes().facts.entry(key).or_insert(facts).clone();
            }
            Fault::ForgetsWhoWasInIt => {
                for record in &mut facts.participants {
                    *record = record.take().filter(|record| record.standing.role().is_some());
                }
            }
            Fault::ReadsFactsInTwoSteps => {
                pause().await;
                facts.participants = self.kept_facts(id, &asked, freshness).await?.participants;
            }
            Fault::WritesWhenStale => {
                for write in &self.notes().refused {
                    match write {
                        Write::Session(session) if session.id == id => facts.session = Some(session.clone()),
                        Write::Session(_) => {}
                        Write::Participant(record) => {
                            for (user, found) in asked.iter().zip(&mut facts.participants) {
                                if *user == record.user_id && record.session_id == id {
                                    *found = Some(record.clone());
                                }
                            }
                        }
                    }
                }
            }
            _ => {}
        }
        Ok(SessionFacts { head: self.head(id, facts.head), ..facts })
    }
}

fn conflict(seq: u64, fingerprint: String) -> StoreError {
    StoreError::Conflict { which: Conflicting::ClientId { seq, fingerprint } }
}

/// The user whom such a store takes somebody for.
fn alike(user: &UserId, change: impl Fn(&str) -> String) -> UserId {
    UserId::new(change(user.as_str())).unwrap_or_else(|_| user.clone())
}

/// Lets others go first.
async fn pause() {
    for _ in 0..3 {
        yield_now().await;
    }
}

#[async_trait]
impl ChatStore for Faulty {
    async fn commit(&self, given: Change) -> Result<Committed, StoreError> {
        let mut change = given.clone();
        let judged = self.judge(&mut change).await;
        self.bend(&mut change);
        let outcome = match judged {
            Ok(()) => self.append(change).await,
            Err(error) => Err(error),
        };
        self.notes().commits += 1;
        match outcome {
            Ok(mut committed) => {
                self.note(&given, &committed);
                committed.events = committed.events.iter().map(|event| self.shown(event)).collect();
                if self.has(Fault::AnswersTheCallersTime) {
                    for (event, new) in committed.events.iter_mut().zip(&given.events) {
                        *event = Arc::new(Event { created_at: new.created_at, ..(**event).clone() });
                    }
                }
                Ok(committed)
            }
            Err(error) => Err(self.refuse(given, error).await),
        }
    }

    async fn facts(&self, queries: &[FactsQuery<'_>], freshness: Freshness) -> Result<Vec<SessionFacts>, StoreError> {
        let mut asked = queries.to_vec();
        if self.has(Fault::SortsFactsQueries) {
            asked.sort_by_key(|query| query.session_id);
        }
        let mut answers = Vec::new();
        for FactsQuery { session_id, users } in &asked {
            let users = match asked.iter().find(|first| first.session_id == *session_id) {
                Some(first) if self.has(Fault::AnswersTheFirstQueryOfASession) => first.users,
                Some(_) | None => users,
            };
            answers.push(self.facts_of(*session_id, users, freshness).await?);
        }
        Ok(answers)
    }

    async fn log(&self, ranges: &[LogRange]) -> Result<Vec<Vec<Arc<Event>>>, StoreError> {
        let mut asked = ranges.to_vec();
        match self.fault {
            Fault::SortsRanges => asked.sort_by_key(|range| (range.session_id, range.from)),
            Fault::ReadsOneTooMany => asked.iter_mut().for_each(|range| range.to = range.to.saturating_add(1)),
            Fault::CountsPositionsFromZero => {
                for range in asked.iter_mut().filter(|range| range.from == 0) {
                    range.to = range.to.saturating_add(1);
                }
            }
            _ => {}
        }
        let mut parts: Vec<Vec<Arc<Event>>> = Vec::new();
        for (place, range) in asked.iter().enumerate() {
            let mut whole: Vec<_> =
                self.whole_log(range.session_id).await?.iter().map(|event| self.shown(event)).collect();
            whole.sort_by_key(|event| event.seq);
            whole.retain(|event| (range.from..=range.to).contains(&event.seq));
            if self.has(Fault::ReadsAHundredAtMost) {
                whole.truncate(100);
            }
            let again = asked.iter().take(place).any(|earlier| earlier.session_id == range.session_id);
            if again && self.has(Fault::AnswersEachSessionOnce) {
                whole.clear();
            }
            parts.push(whole);
        }
        Ok(parts)
    }

    async fn participants(&self, queries: &[ParticipantsQuery]) -> Result<Vec<Vec<ParticipantRecord>>, StoreError> {
        let mut asked = queries.to_vec();
        if self.has(Fault::SortsParticipantsQueries) {
            asked.sort_by_key(|query| query.session_id);
        }
        let mut answers = Vec::new();
        for ParticipantsQuery { session_id, slice } in &asked {
            let slice = match asked.iter().find(|first| first.session_id == *session_id) {
                Some(first) if self.has(Fault::ListsTheFirstPartOfASession) => first.slice,
                Some(_) | None => *slice,
            };
            answers.push(self.listed_participants(*session_id, slice).await?);
        }
        Ok(answers)
    }

    async fn sessions_of(&self, user: &UserId, slice: Slice<SessionId>) -> Result<Vec<(Session, Head)>, StoreError> {
        self.listed_sessions_of(user, slice).await
    }

    async fn public_sessions(&self, user: &UserId, slice: Slice<SessionId>) -> Result<PublicSessions, StoreError> {
        self.listed_public_sessions(user, slice).await
    }

    async fn profiles(&self, users: &[UserId]) -> Result<Vec<Option<ProfileRecord>>, StoreError> {
        let mut asked = users.to_vec();
        if self.has(Fault::SortsProfiles) {
            asked.sort();
        }
        let mut found = self.inner.profiles(&asked).await?;
        for (user, found) in asked.iter().zip(&mut found) {
            if let Some(kept) = self.notes().profiles.get(user) {
                *found = Some(kept.clone());
            }
        }
        Ok(found)
    }

    async fn put_profile(&self, mut profile: ProfileRecord) -> Result<bool, StoreError> {
        let kept = self.inner.profiles(std::slice::from_ref(&profile.user_id)).await?.remove(0);
        match self.fault {
            Fault::KeepsTheLastProfilePut => {
                self.notes().profiles.insert(profile.user_id.clone(), profile);
                return Ok(true);
            }
            Fault::SaysThatAProfileWasPut => return self.inner.put_profile(profile).await.map(|_| true),
            Fault::ReplacesProfilesOfAnyEarlierVersion => {
                if let Some(kept) = kept.filter(|kept| kept.version < profile.version) {
                    profile.version = kept.version + 1;
                }
            }
            Fault::ReadsAndThenPutsProfiles => {
                let kept = self.profiles(std::slice::from_ref(&profile.user_id)).await?.remove(0);
                tokio::task::yield_now().await;
                let fits = kept.map_or(0, |kept| kept.version) + 1 == profile.version;
                if fits {
                    self.notes().profiles.insert(profile.user_id.clone(), profile);
                }
                return Ok(fits);
            }
            Fault::MergesProfiles => profile.email = profile.email.or(kept.and_then(|kept| kept.email)),
            Fault::KeepsOneTimeForAProfile => {
                let ProfileRecord { user_id: _, username, name, email, picture, version: _ } = &mut profile;
                let parts: Vec<_> = [username, name, email, picture].into_iter().flatten().collect();
                let newest = parts.iter().map(|part| part.as_of).max();
                parts.into_iter().for_each(|part| part.as_of = newest.unwrap_or_default());
            }
            _ => {}
        }
        self.inner.put_profile(profile).await
    }
}
