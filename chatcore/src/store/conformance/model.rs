//! A random history, read from the store and from a model of it that is too simple to be wrong.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use chrono::{DateTime, Utc};

use super::kit::{Dice, Store, at, new_session_id, session, stay, text, user};
use crate::{
    model::{
        ClientId, Event, EventKind, NewEvent, ParticipantEvent, ParticipantId, ParticipantRole, Seq, Session,
        SessionChanges, SessionEvent, SessionId, SessionType, Standing, UserId,
    },
    store::{
        Change, ClientIdClaim, Conflicting, FactsQuery, Freshness, Head, LogRange, ParticipantRecord,
        ParticipantsQuery, ProfilePart, ProfileRecord, PublicSessions, SessionFacts, Slice, StoreError, Write,
    },
};

const STEPS: u64 = 500;
const SESSIONS: u64 = 8;
const USERS: u64 = 6;

/// What was committed, in plain maps.
#[derive(Default)]
struct Model {
    sessions: BTreeMap<SessionId, Session>,
    log: BTreeMap<(SessionId, Seq), Event>,
    records: BTreeMap<(SessionId, UserId), ParticipantRecord>,
    claims: BTreeMap<(SessionId, UserId, ClientId), (Seq, String)>,
    /// The position of the last event that governs.
    governed: BTreeMap<SessionId, Seq>,
    profiles: BTreeMap<UserId, ProfileRecord>,
    /// The session and its records at every position at which its log ended.
    past: BTreeMap<(SessionId, Seq), (Session, Vec<ParticipantRecord>)>,
}

/// How a commit ends.
#[derive(Debug, PartialEq)]
enum Outcome {
    Committed(Vec<Event>),
    Stale,
    Used(Seq, String),
}

impl Model {
    fn events(&self, id: SessionId) -> impl DoubleEndedIterator<Item = &Event> {
        self.log.range((id, 0)..=(id, Seq::MAX)).map(|(_, event)| event)
    }

    fn head(&self, id: SessionId) -> Head {
        let head = |event: &Event| Head { seq: event.seq, number: event.number, at: event.created_at };
        self.events(id).next_back().map_or_else(Head::default, head)
    }

    fn records(&self, id: SessionId) -> Vec<ParticipantRecord> {
        self.records.values().filter(|record| record.session_id == id).cloned().collect()
    }

    fn is_in(&self, id: SessionId, user: &UserId) -> bool {
        let record = self.records.get(&(id, user.clone()));
        record.is_some_and(|record| matches!(record.standing, Standing::Active(_)))
    }

    fn commit(&mut self, change: Change) -> Outcome {
        let Change { session_id: id, decided_at, events, writes, claim } = change;
        if self.governed.get(&id).is_some_and(|last| *last > decided_at) {
            return Outcome::Stale;
        }
        let first = self.head(id).seq + 1;
        if let Some(ClientIdClaim { user_id, client_id, fingerprint }) = claim {
            let key = (id, user_id, client_id);
            if let Some((seq, fingerprint)) = self.claims.get(&key) {
                return Outcome::Used(*seq, fingerprint.clone());
            }
            self.claims.insert(key, (first, fingerprint));
        }
        for NewEvent { actor, created_at, kind } in events {
            let Head { seq, number, at } = self.head(id);
            let number = if kind.is_message() { number + 1 } else { number };
            let event = Event { session_id: id, seq: seq + 1, number, created_at: created_at.max(at), actor, kind };
            if event.kind.is_governance() || !writes.is_empty() {
                self.governed.insert(id, seq + 1);
            }
            self.log.insert((id, seq + 1), event);
        }
        for write in writes {
            match write {
                Write::Session(session) => {
                    self.sessions.insert(id, session);
                }
                Write::Participant(record) => {
                    self.records.insert((id, record.user_id.clone()), record);
                }
            }
        }
        self.past.insert((id, self.head(id).seq), (self.sessions[&id].clone(), self.records(id)));
        Outcome::Committed(self.events(id).filter(|event| event.seq >= first).cloned().collect())
    }

    fn put_profile(&mut self, profile: ProfileRecord) -> bool {
        let fits = self.profiles.get(&profile.user_id).map_or(0, |kept| kept.version) + 1 == profile.version;
        if fits {
            self.profiles.insert(profile.user_id.clone(), profile);
        }
        fits
    }

    fn facts(&self, id: SessionId, users: &[UserId]) -> SessionFacts {
        let record = |user: &UserId| self.records.get(&(id, user.clone())).cloned();
        let participants = users.iter().map(record).collect();
        SessionFacts { head: self.head(id), session: self.sessions.get(&id).cloned(), participants }
    }

    /// The facts when the log ended there; `None` where it never did.
    fn facts_at(&self, id: SessionId, seq: Seq, users: &[UserId]) -> Option<SessionFacts> {
        if seq == 0 {
            let participants = vec![None; users.len()];
            return Some(SessionFacts { head: Head::default(), session: None, participants });
        }
        let event = self.log.get(&(id, seq))?;
        let (session, records) = self.past.get(&(id, seq))?;
        let record = |user: &UserId| records.iter().find(|record| record.user_id == *user).cloned();
        let participants = users.iter().map(record).collect();
        let head = Head { seq, number: event.number, at: event.created_at };
        Some(SessionFacts { head, session: Some(session.clone()), participants })
    }

    fn range(&self, range: &LogRange) -> Vec<Event> {
        let wanted = |event: &&Event| event.seq >= range.from && event.seq <= range.to;
        self.events(range.session_id).filter(wanted).cloned().collect()
    }

    fn participants(&self, id: SessionId, slice: Slice<ParticipantId>) -> Vec<ParticipantRecord> {
        let mut found = self.records(id);
        found.retain(|record| self.is_in(id, &record.user_id));
        found.sort_by_key(|record| record.id);
        found.retain(|record| slice.after.is_none_or(|after| record.id > after));
        page(&found, slice)
    }

    fn newest_first(&self, wanted: impl Fn(&Session) -> bool) -> Vec<(Session, Head)> {
        let sessions = self.sessions.values().rev().filter(|session| session.is_active && wanted(session));
        sessions.map(|session| (session.clone(), self.head(session.id))).collect()
    }

    fn sessions_of(&self, user: &UserId, slice: Slice<SessionId>) -> Vec<(Session, Head)> {
        older(self.newest_first(|session| self.is_in(session.id, user)), slice)
    }

    fn public_sessions(&self, user: &UserId, slice: Slice<SessionId>) -> PublicSessions {
        let all = self.newest_first(|session| {
            session.session_type == SessionType::Public
                && session.participant_count < session.max_participants
                && !self.is_in(session.id, user)
        });
        PublicSessions { total: all.len() as u64, sessions: older(all, slice) }
    }
}

fn older(mut all: Vec<(Session, Head)>, slice: Slice<SessionId>) -> Vec<(Session, Head)> {
    all.retain(|(session, _)| slice.after.is_none_or(|after| session.id < after));
    page(&all, slice)
}

fn page<T: Clone, K>(all: &[T], Slice { after: _, skip, limit }: Slice<K>) -> Vec<T> {
    let (from, to) = (skip.min(all.len() as u64), skip.saturating_add(limit).min(all.len() as u64));
    let place = |place| usize::try_from(place).expect("a place in a list");
    all[place(from)..place(to)].to_vec()
}

/// What happens at random, and to whom.
struct History {
    dice: Dice,
    ids: Vec<SessionId>,
    users: Vec<UserId>,
}

impl History {
    fn id(&mut self) -> SessionId {
        *self.dice.one_of(&self.ids)
    }

    fn user(&mut self) -> UserId {
        self.dice.one_of(&self.users).clone()
    }

    fn some_users(&mut self) -> Vec<UserId> {
        (0..self.dice.below(5)).map(|_| self.user()).collect()
    }

    /// After an entry of the list, one that is gone, or one that there never was; or from its start.
    fn slice<K: Copy>(&mut self, ids: &[K]) -> Slice<K> {
        let after = (!ids.is_empty() && self.dice.below(2) == 0).then(|| *self.dice.one_of(ids));
        Slice { after, skip: self.dice.below(4), limit: self.dice.below(8) }
    }

    /// Of the sessions or of others.
    fn slice_of_sessions(&mut self) -> Slice<SessionId> {
        let ids = self.ids.clone();
        self.slice(&ids)
    }

    /// Mostly a little later each time, and sometimes earlier: clocks differ.
    fn time(&mut self, step: u64) -> DateTime<Utc> {
        let micros = 1000 * step + self.dice.below(5000);
        at(i64::try_from(micros).expect("a small number"))
    }

    /// A change as some process might make it, on facts that may be old.
    fn change(&mut self, model: &Model, step: u64) -> Change {
        let (id, actor) = (self.id(), self.user());
        let head = model.head(id).seq;
        let mut decided_at = if self.dice.below(3) == 0 { head.saturating_sub(self.dice.below(6)) } else { head };
        let (mut kinds, writes) = match model.sessions.get(&id) {
            None => self.creation(id, &actor),
            Some(_) if self.dice.below(20) == 0 => {
                // Somebody who had not seen that it was there.
                decided_at = 0;
                self.creation(id, &actor)
            }
            Some(_) if self.dice.below(2) == 0 => {
                // Sometimes the first message of somebody who was added.
                let record = model.records.get(&(id, actor.clone())).filter(|_| self.dice.below(4) == 0).cloned();
                let engaged = |record| Write::Participant(ParticipantRecord { is_engaged: true, ..record });
                (vec![text(format!("message {step}"))], record.map(engaged).into_iter().collect())
            }
            Some(session) => self.governance(model, session, &actor),
        };
        if self.dice.below(6) == 0 {
            kinds.push(text(format!("one more {step}")));
        }
        let claim = (self.dice.below(3) == 0).then(|| ClientIdClaim {
            user_id: actor.clone(),
            client_id: ClientId::new(format!("{}", self.dice.below(5))).expect("a client id"),
            fingerprint: format!("{step}"),
        });
        let event = |kind| NewEvent { actor: actor.clone(), created_at: self.time(step), kind };
        Change { session_id: id, decided_at, events: kinds.into_iter().map(event).collect(), writes, claim }
    }

    fn creation(&mut self, id: SessionId, owner: &UserId) -> (Vec<EventKind>, Vec<Write>) {
        let session_type = *self.dice.one_of(&[SessionType::Public, SessionType::Public, SessionType::InviteOnly]);
        // The newest session is the one of the last id, whichever was committed last.
        let place = self.ids.iter().position(|known| *known == id).expect("one of the ids");
        let created_at = at(i64::try_from(place).expect("a small number"));
        let cap = 2 + u32::from(self.dice.below(2) == 0);
        let session = Session { id, created_at, ..session(owner, session_type, cap) };
        let record = stay(id, owner, ParticipantRole::Owner);
        let created = EventKind::Session(SessionEvent::Created { session: session.clone(), participant_id: record.id });
        (vec![created], vec![Write::Session(session), Write::Participant(record)])
    }

    fn governance(&mut self, model: &Model, session: &Session, actor: &UserId) -> (Vec<EventKind>, Vec<Write>) {
        let user_id = self.user();
        let record = model.records.get(&(session.id, user_id.clone()));
        let counted = |count| Write::Session(Session { participant_count: count, ..session.clone() });
        if self.dice.below(30) == 0 {
            let deleted = Session { is_active: false, ..session.clone() };
            return (vec![EventKind::Session(SessionEvent::Deleted)], vec![Write::Session(deleted)]);
        }
        if self.dice.below(4) == 0 {
            let changes = self.changes();
            let mut session = session.clone();
            changes.apply(&mut session);
            return (vec![EventKind::Session(SessionEvent::Updated { changes })], vec![Write::Session(session)]);
        }
        match record.map(|record| (record, record.standing)) {
            Some((record, Standing::Active(previous))) if self.dice.below(3) == 0 => {
                let role = *self.dice.one_of(&ParticipantRole::ALL);
                let record = ParticipantRecord { standing: Standing::Active(role), ..record.clone() };
                (
                    vec![EventKind::Participant(ParticipantEvent::RoleChanged { user_id, previous, role })],
                    vec![Write::Participant(record)],
                )
            }
            Some((record, Standing::Active(role))) => {
                let record = ParticipantRecord { standing: Standing::Former(role), ..record.clone() };
                let writes = vec![Write::Participant(record), counted(session.participant_count - 1)];
                (vec![EventKind::Participant(ParticipantEvent::Removed { user_id })], writes)
            }
            Some((_, Standing::Former(_) | Standing::Stranger)) | None => {
                let new = stay(session.id, &user_id, ParticipantRole::Member);
                let created_at = record.map_or(new.created_at, |record| record.created_at);
                let record = ParticipantRecord { created_at, is_engaged: user_id == *actor, ..new };
                let (participant_id, role) = (record.id, ParticipantRole::Member);
                let kind = if user_id == *actor {
                    EventKind::Participant(ParticipantEvent::Joined { participant_id, role })
                } else {
                    EventKind::Participant(ParticipantEvent::Added { user_id, participant_id, role })
                };
                (vec![kind], vec![counted(session.participant_count + 1), Write::Participant(record)])
            }
        }
    }

    fn changes(&mut self) -> SessionChanges {
        let mut maybe = || self.dice.below(2) == 0;
        let description = maybe().then(|| maybe().then(|| "x".to_owned()));
        let has_type = maybe();
        let session_type = has_type.then(|| *self.dice.one_of(&SessionType::ALL));
        let max_participants = Some(2 + u32::from(self.dice.below(2) == 0));
        SessionChanges { title: None, description, session_type, max_participants }
    }

    /// Mostly of the version that comes next.
    fn profile(&mut self, model: &Model) -> ProfileRecord {
        let user_id = self.user();
        let next = model.profiles.get(&user_id).map_or(0, |kept| kept.version) + 1;
        let version = (next + self.dice.below(3)).saturating_sub(1);
        let text = format!("{}", self.dice.below(1000));
        let part = ProfilePart { text, as_of: at(i64::try_from(self.dice.below(1000)).expect("a small number")) };
        ProfileRecord { name: Some(part), version, ..ProfileRecord::unknown(user_id) }
    }

    /// Reads something of everything.
    async fn compare(&mut self, store: &Store, model: &Model, step: u64) {
        let asked: Vec<_> = (0..=self.dice.below(3)).map(|_| (self.id(), self.some_users())).collect();
        let queries: Vec<_> = asked.iter().map(|(id, users)| FactsQuery { session_id: *id, users }).collect();
        let fresh = store.facts(&queries, Freshness::Fresh).await.expect("fresh facts");
        let expected: Vec<_> = asked.iter().map(|(id, users)| model.facts(*id, users)).collect();
        assert_eq!(fresh, expected, "after step {step}");
        let cached = store.facts(&queries, Freshness::Cached).await.expect("cached facts");
        assert_eq!(cached.len(), asked.len(), "after step {step}");
        for ((id, users), cached) in asked.iter().zip(&cached) {
            assert_eq!(Some(cached), model.facts_at(*id, cached.head.seq, users).as_ref(), "after step {step}");
        }

        let mut range = || {
            let session_id = self.id();
            let from = self.dice.below(model.head(session_id).seq + 3);
            LogRange { session_id, from, to: (from + self.dice.below(12)).saturating_sub(1) }
        };
        let ranges = [range(), range(), range()];
        let found = store.log(&ranges).await.expect("parts of logs");
        let found: Vec<Vec<Event>> =
            found.iter().map(|part| part.iter().map(|event| (**event).clone()).collect()).collect();
        assert_eq!(found, ranges.each_ref().map(|range| model.range(range)), "after step {step}: {ranges:?}");

        // Stays that ended are among them, and those of other sessions.
        let stays: Vec<_> = model.past.values().flat_map(|(_, records)| records).map(|record| record.id).collect();
        let mut list = || ParticipantsQuery { session_id: self.id(), slice: self.slice(&stays) };
        let lists = [list(), list(), list()];
        let found = store.participants(&lists).await.expect("participants");
        let expected = lists.map(|list| model.participants(list.session_id, list.slice));
        assert_eq!(found, expected, "after step {step}: {lists:?}");
        let (user, slice, asked) = (self.user(), self.slice_of_sessions(), self.some_users());
        let found = store.sessions_of(&user, slice).await.expect("sessions of a user");
        assert_eq!(found, model.sessions_of(&user, slice), "after step {step}: {slice:?}");
        let found = store.public_sessions(&user, slice).await.expect("public sessions");
        assert_eq!(found, model.public_sessions(&user, slice), "after step {step}: {slice:?}");
        let found = store.profiles(&asked).await.expect("profiles");
        let expected: Vec<_> = asked.iter().map(|user| model.profiles.get(user).cloned()).collect();
        assert_eq!(found, expected, "after step {step}");
    }
}

pub(super) async fn a_random_history_reads_as_a_naive_model_does(store: Store) {
    let ids: BTreeSet<SessionId> = (0..SESSIONS).map(|_| new_session_id()).collect();
    let users = (0..USERS).map(|n| user(format!("user {n}"))).collect();
    let mut history = History { dice: Dice(20), ids: ids.into_iter().collect(), users };
    let mut model = Model::default();
    for step in 0..STEPS {
        let change = history.change(&model, step);
        let outcome = match store.commit(change.clone()).await {
            Ok(committed) => Outcome::Committed(committed.events.into_iter().map(Arc::unwrap_or_clone).collect()),
            Err(StoreError::Stale) => Outcome::Stale,
            Err(StoreError::Conflict { which: Conflicting::ClientId { seq, fingerprint } }) => {
                Outcome::Used(seq, fingerprint)
            }
            Err(
                error @ (StoreError::OutcomeUnknown
                | StoreError::Unavailable(_)
                | StoreError::Corrupt(_)
                | StoreError::Backend(_)),
            ) => panic!("step {step} failed with {error:?}: {change:?}"),
        };
        assert_eq!(outcome, model.commit(change.clone()), "step {step}: {change:?}");
        if history.dice.below(4) == 0 {
            let profile = history.profile(&model);
            let was_put = store.put_profile(profile.clone()).await.expect("kept, or not");
            assert_eq!(was_put, model.put_profile(profile), "step {step}");
        }
        history.compare(&store, &model, step).await;
    }
    assert!(model.sessions.len() > 5 && model.log.len() > 200, "the history must be worth the name");
}
