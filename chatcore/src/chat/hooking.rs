//! What the webhooks use of sessions: the right to manage them, the log with names, and a bell that rings at each commit.

use std::{
    collections::HashSet,
    mem,
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicUsize, Ordering},
    },
};

use chrono::{DateTime, SubsecRound as _, Utc};
use tokio::sync::Notify;

use super::{
    Chat,
    decide::{history::shown_from, turns::behind},
    read::view::{EventView, views},
};
use crate::{
    error::{Error, Result},
    identity::Principal,
    model::{EventKind, NewEvent, Seq, SessionEvent, SessionId, WebhookId},
    permission::Action,
    store::{Change, ChatStoreExt as _, FactsQuery, Found, Freshness, LogRange, TypedKey as _, Write},
    webhooks::{Deliveries, Delivery, Marker, SessionWebhooks, WebhookList},
};

/// Tells the worker of this process in which sessions something was committed. A session that is not watched costs one look-up.
#[derive(Default)]
pub(crate) struct Bell {
    watched: RwLock<HashSet<SessionId>>,
    rung: Mutex<Heard>,
    notify: Notify,
    marker: Marker,
    workers: AtomicUsize,
    unmarked: Mutex<Unmarked>,
}

/// For what the bell rang.
#[derive(Default)]
pub(crate) struct Heard {
    pub(crate) sessions: HashSet<SessionId>,
    /// Whether everything is to be looked at.
    pub(crate) is_all: bool,
}

/// The sessions in which something was committed lately without a mark.
#[derive(Default)]
struct Unmarked {
    since: HashSet<SessionId>,
    before: HashSet<SessionId>,
}

impl Bell {
    /// What marks the changes of the chat, while there is a webhook of the server.
    pub(crate) fn marker(&self) -> Marker {
        self.marker.clone()
    }

    /// From now on there is a worker, which learns of the first webhook of the server.
    pub(crate) fn worker_begins(&self) {
        self.workers.fetch_add(1, Ordering::Relaxed);
    }

    /// A worker is gone. Without any, nothing is noted.
    pub(crate) fn worker_ends(&self) {
        if self.workers.fetch_sub(1, Ordering::Relaxed) == 1 {
            *self.unmarked.lock().unwrap_or_else(PoisonError::into_inner) = Unmarked::default();
        }
    }

    /// Rings for this session from now on.
    pub(crate) fn watch(&self, session: SessionId) {
        self.watched.write().unwrap_or_else(PoisonError::into_inner).insert(session);
    }

    pub(crate) fn ring(&self, session: SessionId) {
        let (is_marked, has_worker) = (self.marker.is_on(), self.workers.load(Ordering::Relaxed) > 0);
        if (is_marked && has_worker) || self.watched.read().unwrap_or_else(PoisonError::into_inner).contains(&session) {
            self.rung.lock().unwrap_or_else(PoisonError::into_inner).sessions.insert(session);
            self.notify.notify_one();
        }
        if has_worker && !is_marked {
            self.unmarked.lock().unwrap_or_else(PoisonError::into_inner).since.insert(session);
        }
    }

    /// Has the worker look at everything.
    #[cfg(feature = "admin")]
    pub(crate) fn ring_all(&self) {
        self.rung.lock().unwrap_or_else(PoisonError::into_inner).is_all = true;
        self.notify.notify_one();
    }

    /// Gives the sessions in which something was committed without a mark since the call before the last one.
    pub(crate) fn unmarked(&self) -> Vec<SessionId> {
        let mut unmarked = self.unmarked.lock().unwrap_or_else(PoisonError::into_inner);
        let since = mem::take(&mut unmarked.since);
        let before = mem::replace(&mut unmarked.before, since);
        before.union(&unmarked.before).copied().collect()
    }

    /// Waits until it rings, and gives what it rang for since the last call.
    pub(crate) async fn heard(&self) -> Heard {
        loop {
            let rung = mem::take(&mut *self.rung.lock().unwrap_or_else(PoisonError::into_inner));
            if rung.is_all || !rung.sessions.is_empty() {
                return rung;
            }
            self.notify.notified().await;
        }
    }
}

/// What a change of a webhook is planned on.
pub(crate) struct Turn {
    /// The end of the session's log.
    pub(crate) head: Seq,
    /// The first position that the caller sees.
    pub(crate) first_visible: Seq,
    pub(crate) now: DateTime<Utc>,
    pub(crate) list: Arc<WebhookList>,
    pub(crate) delivery: Option<Found<Delivery>>,
}

/// What a change does to the webhooks of a session.
pub(crate) struct WebhookPlan<T> {
    pub(crate) list: WebhookList,
    pub(crate) writes: Vec<Write>,
    pub(crate) answer: T,
}

impl Chat {
    pub(crate) fn bell(&self) -> &Bell {
        &self.inner.bell
    }

    /// The webhooks of a session for a user who manages them, and the end of the session's log.
    pub(crate) async fn webhooks_of(
        &self,
        principal: &Principal,
        session: SessionId,
    ) -> Result<(Seq, Option<Found<WebhookList>>)> {
        for _ in self.turns() {
            let known = self.allowed(session, principal, Action::ManageWebhooks, Freshness::Fresh).await?;
            let found = self.inner.store.get(&SessionWebhooks { session }).await?;
            // What was written after the decision is for readers who are decided on after it.
            if found.as_ref().is_none_or(|found| found.at <= known.head.seq) {
                return Ok((known.head.seq, found));
            }
        }
        Err(Error::Unavailable)
    }

    /// Changes a webhook of a session. The event governs, so the number of webhooks is exact in any number of processes, and nothing is
    /// changed by a user who lost the right before the commit.
    pub(crate) async fn change_webhooks<T>(
        &self,
        principal: &Principal,
        session: SessionId,
        webhook_id: WebhookId,
        plan: impl Fn(&Turn) -> Result<WebhookPlan<T>> + Send + Sync,
    ) -> Result<T> {
        let key = SessionWebhooks { session };
        let gate = self.inner.gates.pass(session).await;
        for _ in self.turns() {
            let known = self.allowed(session, principal, Action::ManageWebhooks, Freshness::Fresh).await?;
            let found = self.inner.store.get(&key).await?;
            if found.as_ref().is_some_and(|found| found.at > known.head.seq) {
                continue;
            }
            let delivery = self.inner.store.get(&Deliveries { webhook: webhook_id, session }).await?;
            let now = self.inner.clock.now().max(known.head.at).trunc_subsecs(6);
            let list = found.as_ref().map(|found| Arc::clone(&found.value)).unwrap_or_default();
            let first_visible = known.history().first_visible();
            let turn = Turn { head: known.head.seq, first_visible, now, list, delivery };
            let WebhookPlan { list, mut writes, answer } = plan(&turn)?;
            let write = key.put(list);
            writes.push(match &found {
                Some(found) => write.at(found.version),
                None => write.absent(),
            });
            let kind = EventKind::Session(SessionEvent::WebhookChanged { webhook_id });
            let event = NewEvent { actor: principal.user_id.clone(), created_at: now, kind };
            let change = Change::of(session, known.head.seq, vec![event], writes);
            let Some(committed) = self.try_commit(change).await? else { continue };
            drop(gate);
            self.inner.bell.watch(session);
            self.tell(session, &committed.events).await;
            return Ok(answer);
        }
        Err(behind(session, "a change of a webhook"))
    }

    /// The ends of the logs of sessions, in the same order.
    pub(crate) async fn ends_of(&self, sessions: &[SessionId]) -> Result<Vec<Seq>> {
        let query = |session_id: &SessionId| FactsQuery { session_id: *session_id, records: &[] };
        let queries: Vec<_> = sessions.iter().map(query).collect();
        let facts = self.inner.store.facts(&queries, Freshness::Fresh).await?;
        Ok(facts.into_iter().map(|facts| facts.head.seq).collect())
    }

    /// For each session, the position of the first event that is not older than a time; one beyond the end where all are older. Costs one read
    /// for each step, however many sessions there are. What the log no longer has counts as older.
    pub(crate) async fn firsts_since(&self, sessions: &[SessionId], time: DateTime<Utc>) -> Result<Vec<Seq>> {
        let ends = self.ends_of(sessions).await?;
        // Below the first bound all are older; from the second one on none is.
        let mut bounds: Vec<(Seq, Seq)> = ends.into_iter().map(|end| (1, end.saturating_add(1))).collect();
        loop {
            let open = |(low, high): &(Seq, Seq)| (low < high).then(|| low + (high - low) / 2);
            let middles: Vec<Option<Seq>> = bounds.iter().map(open).collect();
            let asked = sessions.iter().zip(&middles).filter_map(|(session_id, middle)| {
                let seq = (*middle)?;
                Some(LogRange { session_id: *session_id, from: seq, to: seq })
            });
            let asked: Vec<LogRange> = asked.collect();
            if asked.is_empty() {
                return Ok(bounds.into_iter().map(|(low, _)| low).collect());
            }
            let mut rows = self.inner.store.log(&asked).await?.into_iter();
            for (bound, middle) in bounds.iter_mut().zip(middles) {
                let Some(middle) = middle else { continue };
                let row = rows.next().and_then(|rows| rows.first().map(Arc::clone));
                match row {
                    Some(event) if event.created_at >= time => bound.1 = middle,
                    Some(_) | None => bound.0 = middle + 1,
                }
            }
        }
    }

    /// A part of a log as a reader sees it who sees the log from the position `first` on.
    pub(crate) async fn part_of(
        &self,
        session_id: SessionId,
        first: Seq,
        (from, to): (Seq, Seq),
    ) -> Result<Vec<Arc<EventView>>> {
        let rows = self.inner.store.log(&[LogRange { session_id, from: from.max(first), to }]).await?;
        let views = views(&*self.inner.store, &self.inner.profiles, rows.into_iter().flatten().collect()).await?;
        Ok(shown_from(first, &views).into_owned())
    }
}
