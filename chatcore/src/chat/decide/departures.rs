//! Takes a user out of all sessions, and gives sessions their owner back: one guarded commit in each session. Ends the tokens of the bots of a
//! banned user, and deletes the bots of a deleted user.
//!
//! The work is a record that is written together with the user's standing. The process that wrote it works at once; where it ends
//! before it is done, any other process continues.

use std::{
    pin::pin,
    sync::{Arc, Weak},
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use tokio::{
    runtime::Handle,
    time::{Instant, sleep, timeout},
};

use super::govern::{Known, Plan};
use crate::chat::{
    Chat, Inner,
    participants::{admit, dismiss},
    read::lists::put_participant,
    stream::task::Task,
};
use crate::{
    error::{Error, Result},
    model::{
        EventKind, NewEvent, ParticipantEvent, ParticipantId, ParticipantRole, RemovalReason, SessionId, Standing,
        UserId,
    },
    store::{
        Change, ChatStoreExt as _, Departure, DepartureTask, Departures, Expect, Freshness, KeyPart as _, Listed,
        Memberships, Newest, Orphans, ParticipantRecord, Standings, StoreError, TypedKey as _, Version, Write,
        WriteKind,
    },
};

/// How long a process has such work for itself. It is renewed with each page of sessions and after each bot.
const LEASE: TimeDelta = TimeDelta::seconds(30);

/// Sessions that are listed at once.
const PAGE: u64 = 100;

/// The pause between two looks at work of another process.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// How often work is looked for that a process left behind.
const RESUME_EVERY: Duration = Duration::from_secs(30);

/// What came of the work on a user's sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::chat) enum Departed {
    Done,
    /// Another process still works on it.
    Elsewhere,
}

/// What came of the work in one session.
enum Step {
    Done,
    /// The standing that asked for the work changed.
    Outdated,
}

impl Chat {
    /// The write of work on a user's sessions, to be committed with the standing that asks for it. The process that commits it has
    /// it for itself, under the version of that change.
    pub(in crate::chat) fn departure(&self, user: &UserId, task: DepartureTask) -> Write {
        let leased_until = self.inner.clock.now() + LEASE;
        Departures { user: user.clone() }.put(Departure { task, leased_until })
    }

    /// Does the work on a user's sessions, or waits for so long until another process has done it. `claim` is the version of the
    /// record where this process has written it.
    pub(in crate::chat) async fn depart(
        &self,
        user: &UserId,
        mut claim: Option<Version>,
        patience: Duration,
    ) -> Result<Departed> {
        let (key, mut waited) = (Departures { user: user.clone() }, Duration::ZERO);
        loop {
            let Some(found) = self.inner.store.get(&key).await? else { return Ok(Departed::Done) };
            let Departure { task, leased_until } = &*found.value;
            if claim != Some(found.version) {
                if *leased_until > self.inner.clock.now() {
                    if waited >= patience {
                        return Ok(Departed::Elsewhere);
                    }
                    sleep(LOOK_AGAIN).await;
                    waited += LOOK_AGAIN;
                    continue;
                }
                claim = self.lease(&key, task, found.version).await?;
                continue;
            }
            claim = self.work(user, task, found.version).await?;
        }
    }

    /// Takes the work, or keeps it; the version of the record, or `None` where another process was faster.
    async fn lease(&self, key: &Departures, task: &DepartureTask, version: Version) -> Result<Option<Version>> {
        let change = Change::of_records(vec![self.departure(&key.user, task.clone()).at(version)]);
        let mine = change.id;
        match self.inner.store.commit(change).await {
            Ok(_) => Ok(Some(mine)),
            Err(StoreError::Conflict { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Ends the tokens of the bots of a user who is taken out, deletes the bots of a deleted user, does the work, and removes the record. The
    /// version of the record where it is still there.
    async fn work(&self, user: &UserId, task: &DepartureTask, version: Version) -> Result<Option<Version>> {
        let key = Departures { user: user.clone() };
        let (mut version, mut after, mut left) = (version, None, None);
        let owner = match task {
            DepartureTask::Remove { .. } => Some(self.inner.standings.fresh(user).await?.standing),
            DepartureTask::Restore => None,
        };
        // Of the standing and not of the task: a ban of a deleted user replaces the task.
        let is_deleted = owner.as_ref().is_some_and(|owner| owner.deleted_at.is_some());
        // A ban stays in the standing until the user's first call after its end. So no token is newer than the ban.
        let is_out = owner.is_some_and(|owner| owner.deleted_at.is_some() || owner.ban.is_some());
        // First, so that no bot writes on while its owner's sessions are done.
        let bots = if is_out { self.bots_of(user).await? } else { Vec::new() };
        let mut left_bot = None;
        for bot in &bots {
            if let Err(error) = self.end_all_logins(bot, None).await {
                tracing::warn!(%bot, %error, "the end of the tokens of a user's bot is left for later");
                // The deletion of the bot ends them, too.
                left_bot = (!is_deleted).then_some(error);
            }
        }
        let deleted = if is_deleted { bots } else { Vec::new() };
        for bot in deleted {
            if let Err(error) = self.remove_bot(user, &bot).await {
                tracing::warn!(%bot, %error, "the deletion of a deleted user's bot is left for later");
                left_bot = Some(error);
            }
            match self.lease(&key, task, version).await? {
                Some(renewed) => version = renewed,
                None => return Ok(None),
            }
        }
        'pages: loop {
            let sessions = self.concerned(user, task, after).await?;
            for id in &sessions {
                let step = match task {
                    DepartureTask::Remove { by, reason } => self.take_out(user, *id, by, *reason).await,
                    DepartureTask::Restore => self.restore(user, *id).await,
                };
                match step {
                    Ok(Step::Done) => {}
                    Ok(Step::Outdated) => {
                        left = None;
                        break 'pages;
                    }
                    // One session that fails must not keep the others waiting, and stays to be done: what failed may work later.
                    Err(error) => {
                        tracing::warn!(session = %id, %error, "the work on one session of a user is left for later");
                        left = Some(error);
                    }
                }
            }
            after = sessions.last().copied();
            if (sessions.len() as u64) < PAGE {
                break;
            }
            match self.lease(&key, task, version).await? {
                Some(renewed) => version = renewed,
                None => return Ok(None),
            }
        }
        if let Some(error) = left.or(left_bot) {
            return Err(error);
        }
        match self.inner.store.commit(Change::of_records(vec![key.remove().at(version)])).await {
            Ok(_) | Err(StoreError::Conflict { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The sessions that the work concerns, after one of them.
    async fn concerned(&self, user: &UserId, task: &DepartureTask, after: Option<SessionId>) -> Result<Vec<SessionId>> {
        let store = &self.inner.store;
        let prefix = vec![user.part()];
        Ok(match task {
            DepartureTask::Remove { .. } => {
                let after = after.map(|id| vec![Newest(id).part()]);
                let found = store.list::<Memberships>(Memberships::under(prefix).after(after).limit(PAGE)).await?;
                found.into_iter().map(|(key, _)| key.session.0).collect()
            }
            DepartureTask::Restore => {
                let after = after.map(|id| vec![id.part()]);
                let found = store.list::<Orphans>(Orphans::under(prefix).after(after).limit(PAGE)).await?;
                found.into_iter().map(|(key, _)| key.session).collect()
            }
        })
    }

    /// Takes a user out of a session whose standing forbids it.
    async fn take_out(&self, user: &UserId, id: SessionId, by: &UserId, reason: RemovalReason) -> Result<Step> {
        let gate = self.inner.gates.pass(id).await;
        for _ in 0..self.inner.limits.commit_attempts {
            let standing = self.inner.standings.fresh(user).await?;
            let now = self.inner.clock.now();
            let Some(version) = standing.version.filter(|_| !standing.standing.may_enter(now)) else {
                return Ok(Step::Outdated);
            };
            let known = self.known(id, by, Some(user), Freshness::Fresh).await?;
            let is_active = known.session().is_ok_and(|session| session.is_active);
            let Some(role) = known.target.as_deref().and_then(|record| match record.standing {
                Standing::Active(role) if is_active => Some(role),
                Standing::Active(_) | Standing::Former(_) | Standing::Stranger | Standing::Banned(_) => None,
            }) else {
                return Ok(Step::Done);
            };
            let removed = EventKind::Participant(ParticipantEvent::Removed { user_id: user.clone(), reason });
            let mut plan = dismiss(&known, known.target.as_deref(), removed)?;
            let key = Standings { user: user.clone() };
            plan.writes.push(Write { key: key.key(), expect: Expect::Version(version), kind: WriteKind::Hold });
            if role == ParticipantRole::Owner {
                plan.writes.push(Orphans { user: user.clone(), session: id }.put(Listed));
            }
            let now = now.max(known.head.at);
            let event = |kind| NewEvent { actor: by.clone(), created_at: now, kind };
            let change = Change::of(id, known.head.seq, plan.events.into_iter().map(event).collect(), plan.writes);
            match self.inner.store.commit(change).await {
                Ok(committed) => {
                    drop(gate);
                    self.tell(id, &committed.events).await;
                    return Ok(Step::Done);
                }
                Err(StoreError::Stale | StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        tracing::warn!(session = %id, "the removal of a user stayed stale");
        Err(Error::Unavailable)
    }

    /// Makes a user the owner again of a session that a removal left without its owner.
    async fn restore(&self, user: &UserId, id: SessionId) -> Result<Step> {
        let gate = self.inner.gates.pass(id).await;
        let orphan = Orphans { user: user.clone(), session: id };
        for _ in 0..self.inner.limits.commit_attempts {
            let standing = self.inner.standings.fresh(user).await?;
            let Some(version) = standing.version.filter(|_| standing.standing.may_enter(self.inner.clock.now())) else {
                return Ok(Step::Outdated);
            };
            let known = self.known(id, user, None, Freshness::Fresh).await?;
            let now = self.inner.clock.now().max(known.head.at);
            let held = Standings { user: user.clone() }.hold(version);
            let Some(mut plan) = self.reinstate(&known, user, now)? else {
                // A ban that was made meanwhile can have left the session without its owner again.
                match self.inner.store.commit(Change::of_records(vec![held, orphan.remove()])).await {
                    Ok(_) => return Ok(Step::Done),
                    Err(StoreError::Conflict { .. }) => continue,
                    Err(error) => return Err(error.into()),
                }
            };
            plan.writes.push(held);
            plan.writes.push(orphan.remove());
            let event = |kind| NewEvent { actor: user.clone(), created_at: now, kind };
            let change = Change::of(id, known.head.seq, plan.events.into_iter().map(event).collect(), plan.writes);
            match self.inner.store.commit(change).await {
                Ok(committed) => {
                    drop(gate);
                    self.tell(id, &committed.events).await;
                    return Ok(Step::Done);
                }
                Err(StoreError::Stale | StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        tracing::warn!(session = %id, "the return of an owner stayed stale");
        Err(Error::Unavailable)
    }

    /// What makes the owner of a session its owner again; `None` where there is nothing to do. A mute and a ban of the meantime end: nobody
    /// sanctions an owner.
    fn reinstate(&self, known: &Known, user: &UserId, now: DateTime<Utc>) -> Result<Option<Plan>> {
        let is_owners = known.session().is_ok_and(|session| session.is_active && session.owner == *user);
        let Some(before) = known.actor.as_deref().filter(|_| is_owners) else { return Ok(None) };
        let role = ParticipantRole::Owner;
        let record = ParticipantRecord { standing: Standing::Active(role), ban: None, mute: None, ..before.clone() };
        match before.standing {
            Standing::Active(ParticipantRole::Owner) | Standing::Stranger | Standing::Banned(_) => Ok(None),
            Standing::Former(_) => {
                let participant_id = ParticipantId(self.inner.clock.new_id());
                let record = ParticipantRecord { id: participant_id, joined_at: now, ..record };
                let joined = EventKind::Participant(ParticipantEvent::Joined { participant_id, role });
                admit(known, Some(before), joined, record).map(Some)
            }
            // After the end of the ban, the user came in by another way first.
            Standing::Active(previous) => {
                let changed = ParticipantEvent::RoleChanged { user_id: user.clone(), previous, role };
                let unmuted = before.muted_at(now).map(|_| ParticipantEvent::Unmuted { user_id: user.clone() });
                let events = std::iter::once(changed).chain(unmuted).map(EventKind::Participant).collect();
                Ok(Some(Plan { events, writes: put_participant(Some(before), record) }))
            }
        }
    }

    /// Continues departures whose lease is over.
    async fn resume_departures(&self) {
        let mut after = None;
        loop {
            let scan = Departures::under(Vec::new()).after(after.take()).limit(PAGE);
            let found = match self.inner.store.list::<Departures>(scan).await {
                Ok(found) => found,
                Err(error) => {
                    tracing::warn!(%error, "could not look for work that was left behind; trying again");
                    return;
                }
            };
            let is_last = (found.len() as u64) < PAGE;
            after = found.last().map(|(key, _)| vec![key.user.part()]);
            for (key, found) in found {
                if found.value.leased_until <= self.inner.clock.now()
                    && let Err(error) = self.depart(&key.user, None, Duration::ZERO).await
                {
                    tracing::warn!(%error, "could not continue what a change of a standing asks for; trying again");
                }
            }
            if is_last {
                return;
            }
        }
    }

    /// Starts the background work in the current runtime: scheduled messages, and unfinished work of other processes. The first use case
    /// also starts the work, so this function is for a host without users after a start. Outside of a runtime the function does nothing.
    pub fn start_background_tasks(&self) {
        self.keep_resuming();
    }

    /// Starts the background work, where it does not run.
    pub(in crate::chat) fn keep_resuming(&self) {
        if Handle::try_current().is_err() {
            return;
        }
        // Another call that holds the lock is about to start it.
        let Ok(mut resumer) = self.inner.resumer.try_lock() else { return };
        if !resumer.as_ref().is_some_and(Task::runs) {
            let inner = Arc::downgrade(&self.inner);
            *resumer = Some(Task::spawn(&self.inner.resuming, RESUME_EVERY, move || resume(Weak::clone(&inner))));
        }
    }
}

/// Does what is due. A review by the host's message policy can take long: the parts of streamed messages are recorded meanwhile.
async fn do_due(chat: &Chat, pause: Duration) -> Result<u64> {
    let mut due = pin!(chat.run_due());
    loop {
        if let Ok(done) = timeout(pause, &mut due).await {
            return done;
        }
        let mut recording = pin!(chat.record_streams());
        // Both are polled, since one can hold the gate that the other waits for.
        let done = tokio::select! {
            done = &mut due => done,
            () = &mut recording => continue,
        };
        recording.await;
        return done;
    }
}

/// Does what is due, and continues work whose lease is over.
async fn resume(inner: Weak<Inner>) {
    let mut resumes_at = Instant::now();
    loop {
        let Some(inner) = inner.upgrade() else { return };
        let chat = Chat { inner };
        let pause = chat.inner.limits.due_interval.min(RESUME_EVERY);
        if let Err(error) = do_due(&chat, pause).await {
            tracing::warn!(%error, "could not do what is due; trying again");
        }
        if Instant::now() >= resumes_at {
            chat.resume_departures().await;
            resumes_at = Instant::now() + RESUME_EVERY;
        }
        drop(chat);
        sleep(pause).await;
    }
}
