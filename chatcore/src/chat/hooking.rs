//! What the webhooks use of sessions: the right to manage them, the log with names, and a bell that rings at each commit.

use std::{
    collections::HashSet,
    mem,
    sync::{Arc, Mutex, PoisonError, RwLock},
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
    webhooks::{Deliveries, Delivery, SessionWebhooks, WebhookList},
};

/// Tells the worker of this process in which sessions something was committed. A session that is not watched costs one look-up.
#[derive(Default)]
pub(crate) struct Bell {
    watched: RwLock<HashSet<SessionId>>,
    rung: Mutex<HashSet<SessionId>>,
    notify: Notify,
}

impl Bell {
    /// Rings for this session from now on.
    pub(crate) fn watch(&self, session: SessionId) {
        self.watched.write().unwrap_or_else(PoisonError::into_inner).insert(session);
    }

    pub(crate) fn ring(&self, session: SessionId) {
        if self.watched.read().unwrap_or_else(PoisonError::into_inner).contains(&session) {
            self.rung.lock().unwrap_or_else(PoisonError::into_inner).insert(session);
            self.notify.notify_one();
        }
    }

    /// Waits until it rings, and gives the sessions for which it rang since the last call.
    pub(crate) async fn heard(&self) -> Vec<SessionId> {
        loop {
            let rung = mem::take(&mut *self.rung.lock().unwrap_or_else(PoisonError::into_inner));
            if !rung.is_empty() {
                return rung.into_iter().collect();
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
