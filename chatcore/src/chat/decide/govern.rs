//! Changes of what somebody may do: decided on fresh facts, committed where these still hold, else decided again.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher as _},
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use chrono::{DateTime, Utc};
use futures_util::{
    FutureExt as _,
    future::{BoxFuture, join_all},
};
use tokio::{
    runtime::Handle,
    sync::{OwnedMutexGuard, Semaphore},
};

use super::{history::Sight, policy::Operation};
use crate::chat::{Chat, read::directory::relists, stream::inbox::arrivals};
use crate::{
    error::{Error, Result},
    identity::Principal,
    model::{Event, EventKind, MessageBody, NewEvent, Seq, Session, SessionId, Standing, Stay, UserId},
    notify::Hint,
    permission::{Action, Denial, Facts, SessionState},
    store::{
        Change, Committed, FactsQuery, Freshness, Head, Key, ParticipantRecord, Participants, Record, SessionFacts,
        Sessions, StoreError, TypedKey, Write, typed,
    },
};

/// What is known of a session when something is decided.
#[derive(Debug)]
pub(in crate::chat) struct Known {
    pub(in crate::chat) head: Head,
    /// The position of the last event that governs.
    governance: Seq,
    pub(in crate::chat) session: Option<Arc<Session>>,
    pub(in crate::chat) actor: Option<Arc<ParticipantRecord>>,
    pub(in crate::chat) target: Option<Arc<ParticipantRecord>>,
    has_target: bool,
    /// The time of the decision.
    now: DateTime<Utc>,
}

fn standing(record: Option<&ParticipantRecord>, now: DateTime<Utc>) -> Standing {
    record.map_or(Standing::Stranger, |record| record.standing_at(now))
}

impl Known {
    /// Facts whose records are the session's, the actor's and the target's.
    pub(in crate::chat) fn of(facts: SessionFacts, has_target: bool, now: DateTime<Utc>) -> Result<Self> {
        let SessionFacts { head, governance, records } = facts;
        let mut records = records.into_iter();
        let session = understood(records.next().flatten())?;
        let (actor, target) = (participant(records.next().flatten())?, participant(records.next().flatten())?);
        Ok(Self { head, governance, session, actor, target, has_target, now })
    }

    pub(in crate::chat) fn facts(&self) -> Facts {
        Facts {
            session: self.session.as_deref().map(SessionState::from),
            actor: Some(standing(self.actor.as_deref(), self.now)),
            target: self.has_target.then(|| standing(self.target.as_deref(), self.now)),
            muted: self.actor.as_deref().and_then(|record| record.muted_at(self.now)),
        }
    }

    /// The same for an action. Where the action is about what the target did in the session, a ban of the target says nothing: also a user
    /// who never was there can be banned, and an answer must not tell.
    fn facts_for(&self, action: Action) -> Facts {
        let facts = self.facts();
        if !matches!(action, Action::ReportParticipant { .. } | Action::DeleteMessagesOf) {
            return facts;
        }
        let apart_from_a_ban = || self.target.as_ref().map_or(Standing::Stranger, |record| record.standing);
        Facts { target: self.has_target.then(apart_from_a_ban), ..facts }
    }

    /// Whether there is a session that was not deleted.
    pub(in crate::chat) fn is_active(&self) -> bool {
        self.session.as_ref().is_some_and(|session| session.is_active)
    }

    /// Whether the target is in the session.
    pub(in crate::chat) fn has_active_target(&self) -> bool {
        standing(self.target.as_deref(), self.now).role().is_some()
    }

    /// The session; a decision that allowed something has seen it.
    pub(in crate::chat) fn session(&self) -> Result<&Session> {
        self.session.as_deref().ok_or(Error::Denied(Denial::Hidden))
    }
}

/// What is tried in a session.
#[derive(Debug, Clone, Copy)]
pub(in crate::chat) struct Tried<'a> {
    action: Action,
    /// The target of the action.
    target: Option<&'a UserId>,
    /// The message that is sent.
    body: Option<&'a MessageBody>,
}

impl<'a> Tried<'a> {
    /// An action about a user.
    pub(in crate::chat) const fn upon(target: &'a UserId, action: Action) -> Self {
        Self { action, target: Some(target), body: None }
    }

    /// A message. The target is the bot whose command it invokes.
    pub(in crate::chat) fn sending(body: &'a MessageBody) -> Self {
        let target = body.command.as_ref().map(|command| &command.bot_id);
        Self { action: Action::Send, target, body: Some(body) }
    }
}

impl From<Action> for Tried<'_> {
    fn from(action: Action) -> Self {
        Self { action, target: None, body: None }
    }
}

/// The writes that make an administrator's change fail where the administrator loses the authority before the commit. Each change of the
/// administrator's standing or of the list of administrators outdates them, so each attempt asks for them anew.
pub(crate) type Authority<'a> = &'a (dyn Fn() -> BoxFuture<'a, Result<Vec<Write>>> + Send + Sync);

/// The right by which a session is changed.
#[derive(Clone, Copy)]
enum By<'a> {
    /// The permission table and the host's policy decide.
    User(&'a Principal, Tried<'a>),
    /// The administration has decided. The session has to exist.
    #[cfg_attr(not(feature = "admin"), allow(dead_code, reason = "the administration changes sessions"))]
    Administrator(&'a UserId, Authority<'a>),
}

/// A session that somebody may view.
#[derive(Debug)]
pub(in crate::chat) struct Viewable {
    /// What the reader sees of its log.
    pub(in crate::chat) sight: Sight,
    /// The position of the last event that governs the session.
    pub(in crate::chat) governance: Seq,
    pub(in crate::chat) session: Arc<Session>,
    /// How the reader stands to it.
    pub(in crate::chat) reader: Option<Arc<ParticipantRecord>>,
}

impl Viewable {
    /// The reader's stay. Only participants may view a session.
    pub(in crate::chat) fn stay(&self) -> Result<Stay> {
        let stay =
            |record: &ParticipantRecord| Some(Stay { role: record.standing.role()?, joined_at: record.joined_at });
        self.reader.as_deref().and_then(stay).ok_or(Error::Denied(Denial::Hidden))
    }
}

/// A session's record, which a session of a newer version may forbid to use.
pub(in crate::chat) fn understood(record: Option<Record>) -> Result<Option<Arc<Session>>> {
    let session = typed::<Session>(record)?.map(|found| found.value);
    if let Some(session) = session.as_ref().filter(|session| session.needs > Session::UNDERSTOOD) {
        tracing::warn!(session = %session.id, needs = session.needs, "a newer version has changed a session; update this process");
        return Err(Error::Unavailable);
    }
    Ok(session)
}

/// A participant's record. A role of a newer version may forbid what this process would allow.
pub(in crate::chat) fn participant(record: Option<Record>) -> Result<Option<Arc<ParticipantRecord>>> {
    let participant = typed::<ParticipantRecord>(record)?.map(ParticipantRecord::placed);
    if let Some(record) = participant.as_ref().filter(|record| record.is_newer) {
        tracing::warn!(session = %record.session_id, user = %record.user_id, "a newer version has given a role; update this process");
        return Err(Error::Unavailable);
    }
    Ok(participant)
}

/// The keys of the records that decide about users in a session.
pub(in crate::chat) fn keys<'a>(session: SessionId, users: impl IntoIterator<Item = &'a UserId>) -> Vec<Key> {
    let participant = |user: &UserId| Participants { session, user: user.clone() }.key();
    std::iter::once(Sessions { session }.key()).chain(users.into_iter().map(participant)).collect()
}

/// What was read for the answer to a change. Should that have failed, the error must not say that nothing was changed.
pub(in crate::chat) fn answer<T>(done: Option<&Committed>, read: Result<T>) -> Result<T> {
    match done {
        Some(_) => read.map_err(|_| Error::OutcomeUnknown),
        None => read,
    }
}

/// What an allowed action does.
pub(in crate::chat) struct Plan {
    pub(in crate::chat) events: Vec<EventKind>,
    pub(in crate::chat) writes: Vec<Write>,
}

/// Hints that a slow notifier may be busy with at once. Further ones are lost until it has taken some, and the poll stands in.
const PUBLISHING: usize = 1024;

/// A user in a gate's key. Two users with one hash wait for each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::chat) struct UserHash(u64);

impl UserHash {
    pub(in crate::chat) fn of(user: &UserId) -> Self {
        let mut hasher = DefaultHasher::new();
        user.hash(&mut hasher);
        Self(hasher.finish())
    }
}

/// One gate for each session, message or user that is being changed: two changes of one would only make each other fail. Correctness
/// does not depend on the gates: across processes the log decides.
pub(in crate::chat) struct Gates<K>(Arc<Mutex<HashMap<K, Weak<Gate>>>>);

impl<K> Clone for Gates<K> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<K> Default for Gates<K> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

type Gate = tokio::sync::Mutex<()>;

/// A change on its way through a gate.
pub(in crate::chat) struct Pass<K: Copy + Eq + Hash> {
    gates: Gates<K>,
    id: K,
    gate: Option<Arc<Gate>>,
    guard: Option<OwnedMutexGuard<()>>,
}

impl<K: Copy + Eq + Hash> Gates<K> {
    fn open(&self) -> MutexGuard<'_, HashMap<K, Weak<Gate>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(in crate::chat) async fn pass(&self, id: K) -> Pass<K> {
        let gate = {
            let mut gates = self.open();
            gates.get(&id).and_then(Weak::upgrade).unwrap_or_else(|| {
                let gate = Arc::new(Gate::default());
                gates.insert(id, Arc::downgrade(&gate));
                gate
            })
        };
        let mut pass = Pass { gates: self.clone(), id, gate: Some(Arc::clone(&gate)), guard: None };
        pass.guard = Some(gate.lock_owned().await);
        pass
    }
}

impl<K: Copy + Eq + Hash> Drop for Pass<K> {
    fn drop(&mut self) {
        self.guard = None;
        let mut gates = self.gates.open();
        self.gate = None;
        if gates.get(&self.id).is_some_and(|gate| gate.strong_count() == 0) {
            gates.remove(&self.id);
        }
    }
}

/// Room for hints that a slow notifier is busy with.
pub(in crate::chat) fn publishing() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(PUBLISHING))
}

impl Chat {
    pub(in crate::chat) async fn known(
        &self,
        id: SessionId,
        actor: &UserId,
        target: Option<&UserId>,
        freshness: Freshness,
    ) -> Result<Known> {
        let records = keys(id, std::iter::once(actor).chain(target));
        let facts = self.inner.store.facts(&[FactsQuery { session_id: id, records: &records }], freshness).await?;
        Known::of(facts.into_iter().next().ok_or(Error::Internal)?, target.is_some(), self.inner.clock.now())
    }

    /// Sessions as they are now, each where somebody may view it.
    pub(in crate::chat) async fn viewable(
        &self,
        principal: &Principal,
        ids: impl Iterator<Item = SessionId>,
    ) -> Result<Vec<Result<Viewable>>> {
        let viewed = self.still_viewable(&principal.user_id, ids).await?;
        self.permitted(principal, viewed).await
    }

    /// Asks the host's policy about sessions that the permission table lets somebody view.
    pub(in crate::chat) async fn permitted(
        &self,
        principal: &Principal,
        viewed: Vec<Result<Viewable>>,
    ) -> Result<Vec<Result<Viewable>>> {
        if !self.must_permit(principal) {
            return Ok(viewed);
        }
        let permit = async |viewed: Result<Viewable>| {
            let viewed = viewed?;
            let Viewable { sight: _, governance: _, session, reader } = &viewed;
            let (participant, action) = (reader.as_deref(), Action::View);
            let view = Operation::InSession { session, participant, action, target: None, body: None };
            self.permit(principal, view).await?;
            Ok(viewed)
        };
        Ok(join_all(viewed.into_iter().map(permit)).await)
    }

    /// The same for sessions that the host's policy let the user view before.
    pub(in crate::chat) async fn still_viewable(
        &self,
        user: &UserId,
        ids: impl Iterator<Item = SessionId>,
    ) -> Result<Vec<Result<Viewable>>> {
        let known = self.each_known(user, ids, Freshness::Fresh).await?;
        Ok(known.into_iter().map(|known| self.view(known?)).collect())
    }

    /// A session that its actor may view.
    pub(in crate::chat) fn view(&self, known: Known) -> Result<Viewable> {
        self.inner.permissions.decide(&known.facts(), Action::View)?;
        let sight = known.sight()?;
        let Known { head: _, governance, session, actor, target: _, has_target: _, now: _ } = known;
        Ok(Viewable { sight, governance, session: session.ok_or(Error::Denied(Denial::Hidden))?, reader: actor })
    }

    /// What is known of sessions, without a target.
    pub(in crate::chat) async fn each_known(
        &self,
        user: &UserId,
        ids: impl Iterator<Item = SessionId>,
        freshness: Freshness,
    ) -> Result<Vec<Result<Known>>> {
        let keys: Vec<_> = ids.map(|session_id| (session_id, keys(session_id, [user]))).collect();
        let queries: Vec<_> = keys.iter().map(|(id, records)| FactsQuery { session_id: *id, records }).collect();
        let facts = self.inner.store.facts(&queries, freshness).await?;
        let now = self.inner.clock.now();
        Ok(facts.into_iter().map(|facts| Known::of(facts, false, now)).collect())
    }

    /// Decides again about sessions of which a row was read that was rewritten after the end of the log at which the reader's rights
    /// were decided: the reader may have lost them in between, or may see less of the log. Takes and gives one entry for each session:
    /// what the reader saw of the log at that end, and the last position at which a row was rewritten.
    pub(in crate::chat) async fn decided_upto(
        &self,
        user: &UserId,
        read: impl IntoIterator<Item = (Sight, Seq)>,
    ) -> Result<Vec<Result<()>>> {
        let read: Vec<_> = read.into_iter().collect();
        let is_late = |(sight, revised): &&(Sight, Seq)| *revised > sight.head.seq;
        let late: Vec<SessionId> = read.iter().filter(is_late).map(|(sight, _)| sight.session_id).collect();
        let again = if late.is_empty() { Vec::new() } else { self.still_viewable(user, late.into_iter()).await? };
        let mut again = again.into_iter();
        let mut decided = |entry: &(Sight, Seq)| {
            if !is_late(&entry) {
                return Ok(());
            }
            let viewed = again.next().unwrap_or(Err(Error::Internal))?;
            // The next attempt reads what the reader sees now.
            if viewed.sight.first <= entry.0.first { Ok(()) } else { Err(Error::Unavailable) }
        };
        Ok(read.iter().map(&mut decided).collect())
    }

    /// Decides an attempt again where something was read that was written after the first decision. `upto` is the last position that was read.
    pub(in crate::chat) async fn allowed_upto(
        &self,
        known: &Known,
        principal: &Principal,
        action: Action,
        upto: Seq,
    ) -> Result<()> {
        if upto > known.head.seq {
            self.allowed(known.session()?.id, principal, action, Freshness::Fresh).await?;
        }
        Ok(())
    }

    /// Facts on which an attempt is allowed, by the permission table and then by the host's policy. What cached facts deny is
    /// decided again on fresh ones.
    pub(in crate::chat) async fn allowed(
        &self,
        id: SessionId,
        principal: &Principal,
        tried: impl Into<Tried<'_>>,
        freshness: Freshness,
    ) -> Result<Known> {
        let Tried { action, target, body } = tried.into();
        let user = &principal.user_id;
        let mut known = self.known(id, user, target, freshness).await?;
        match (self.inner.permissions.decide(&known.facts_for(action), action), freshness) {
            (Ok(()), _) => {}
            (Err(denial), Freshness::Fresh) => return Err(denial.into()),
            (Err(_), Freshness::Cached) => {
                known = self.known(id, user, target, Freshness::Fresh).await?;
                self.inner.permissions.decide(&known.facts_for(action), action)?;
            }
        }
        if self.must_permit(principal) {
            let (session, participant) = (known.session()?, known.actor.as_deref());
            self.permit(principal, Operation::InSession { session, participant, action, target, body }).await?;
        }
        Ok(known)
    }

    /// Facts on which the host may post in a session: there is one, and it is active.
    pub(in crate::chat) async fn active(&self, id: SessionId, user: &UserId, freshness: Freshness) -> Result<Known> {
        let known = self.known(id, user, None, freshness).await?;
        if known.is_active() {
            return Ok(known);
        }
        let known = self.known(id, user, None, Freshness::Fresh).await?;
        if known.is_active() { Ok(known) } else { Err(Error::Denied(Denial::Hidden)) }
    }

    /// Decides an attempt and does what `plan` makes of it. A plan without events changes nothing and commits nothing.
    pub(in crate::chat) async fn govern<P>(
        &self,
        id: SessionId,
        principal: &Principal,
        tried: impl Into<Tried<'_>>,
        plan: P,
    ) -> Result<Option<Committed>>
    where
        P: Fn(&Known, DateTime<Utc>) -> Result<Plan>,
    {
        self.govern_by(id, By::User(principal, tried.into()), plan).await
    }

    /// Does what `plan` makes of a session on behalf of an administrator.
    #[cfg(feature = "admin")]
    pub(in crate::chat) async fn govern_as_administrator<'a, P>(
        &self,
        id: SessionId,
        actor: &'a UserId,
        authority: Authority<'a>,
        plan: P,
    ) -> Result<Option<Committed>>
    where
        P: Fn(&Known, DateTime<Utc>) -> Result<Plan>,
    {
        self.govern_by(id, By::Administrator(actor, authority), plan).await
    }

    async fn govern_by<P>(&self, id: SessionId, by: By<'_>, plan: P) -> Result<Option<Committed>>
    where
        P: Fn(&Known, DateTime<Utc>) -> Result<Plan>,
    {
        let gate = self.inner.gates.pass(id).await;
        let mut is_again = false;
        for _ in 0..self.inner.limits.commit_attempts {
            let (actor, known) = match by {
                By::User(principal, tried) => {
                    (&principal.user_id, self.allowed(id, principal, tried, Freshness::Fresh).await?)
                }
                By::Administrator(actor, _) => (actor, self.known(id, actor, None, Freshness::Fresh).await?),
            };
            let now = self.inner.clock.now().max(known.head.at);
            let Plan { events, mut writes } = plan(&known, now)?;
            if events.is_empty() {
                return Ok(None);
            }
            let held = writes.len();
            match by {
                By::User(principal, _) => {
                    for user in events.iter().filter_map(|kind| kind.admitted(actor)) {
                        writes.extend(self.admitting(principal, user, id, is_again).await?);
                    }
                }
                By::Administrator(_, authority) => writes.extend(authority().await?),
            }
            let retries = writes.len() > held;
            let events =
                events.into_iter().map(|kind| NewEvent { actor: actor.clone(), created_at: now, kind }).collect();
            let relists = relists(known.session.as_deref(), &writes);
            let committed = self.inner.store.commit(Change::of(id, known.head.seq, events, writes)).await;
            if relists {
                self.inner.listings.changed();
            }
            match committed {
                Ok(committed) => {
                    // The next change need not wait until readers are told.
                    drop(gate);
                    self.tell(id, &committed.events).await;
                    return Ok(Some(committed));
                }
                Err(StoreError::Stale) => {}
                // The standing of the admitted user or the administrator's authority has changed.
                Err(StoreError::Conflict { .. }) if retries => is_again = true,
                Err(error) => return Err(error.into()),
            }
        }
        tracing::warn!(session = %id, "a change stayed stale");
        Err(Error::Unavailable)
    }

    /// Tells readers what was committed.
    pub(in crate::chat) async fn tell(&self, session_id: SessionId, events: &[Arc<Event>]) {
        #[cfg(feature = "admin")]
        self.count(events);
        if let Some(last) = events.last() {
            #[cfg(feature = "webhooks")]
            self.inner.bell.ring(session_id);
            self.inner.inboxes.ring(events);
            self.publish(Hint::Committed { session_id, head: last.seq, events: events.to_vec() }).await;
            for (user, (session_id, is_own)) in arrivals(events) {
                self.publish(Hint::Arrived { user_id: user.clone(), session_id, is_own }).await;
            }
        }
    }

    /// Hands a hint to the notifier. What is committed is committed: a notifier that panics or hangs fails no use case.
    pub(in crate::chat) async fn publish(&self, hint: Hint) {
        let notifier = Arc::clone(&self.inner.notifier);
        let mut publishing = Box::pin(async move {
            if AssertUnwindSafe(async { notifier.publish(hint).await }).catch_unwind().await.is_err() {
                tracing::error!("the notifier panicked; a hint is lost");
            }
        });
        // Most notifiers take a hint at once. The caller does not wait for the others.
        if publishing.as_mut().now_or_never().is_some() {
            return;
        }
        match (Handle::try_current(), Arc::clone(&self.inner.publishing).try_acquire_owned()) {
            (Ok(runtime), Ok(permit)) => drop(runtime.spawn(publishing.map(|()| drop(permit)))),
            (Ok(_), Err(_)) => tracing::warn!("the notifier is busy; a hint is lost"),
            (Err(_), _) => publishing.await,
        }
    }
}
