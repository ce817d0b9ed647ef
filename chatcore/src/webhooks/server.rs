//! Use cases about the webhooks of the server: for administrators.

use std::sync::Arc;

use chrono::{DateTime, SubsecRound as _, Utc};

use super::{
    CreateWebhook, CreatedWebhook, DeadLetter, DeadLetterPlace, DeadLetters, DeliveryState, Endpoint, Endpoints,
    MAX_SERVER_WEBHOOKS, PreviousSecret, Queue, ServerDeliveries, ServerWebhooks, Unsent, UpdateWebhook, Webhook,
    WebhookList, WebhookRecord, WebhookSecret, Webhooks, delta,
    endpoints::{known_events, replaced},
};
use crate::{
    admin::{self, AuditAction, AuditOrigin, AuditState, Deed},
    error::{Error, Result},
    identity::Principal,
    model::{ListPage, Seq, SessionId, WebhookId},
    store::{Change, ChatStoreExt as _, KeyPart as _, StoreError, TypedKey as _},
    trace::use_case,
};

/// Sessions with events that wait in which positions are counted.
const COUNTED: u64 = 1_000;

/// What a change of a webhook of the server is planned on.
struct Turn {
    now: DateTime<Utc>,
    list: Arc<WebhookList>,
    endpoint: Endpoint,
}

impl Turn {
    fn record(&self, id: WebhookId) -> Result<&WebhookRecord> {
        self.list.find(id).ok_or(Error::WebhookNotFound)
    }
}

/// What a change does. It gives the webhook as it is then.
struct Plan {
    list: WebhookList,
    record: WebhookRecord,
    endpoint: Endpoint,
}

/// Who changes which webhook, and how the audit log calls it.
struct Deedful<'a> {
    principal: &'a Principal,
    origin: &'a AuditOrigin,
    action: AuditAction,
    id: WebhookId,
}

impl Webhooks {
    /// Creates a webhook of the server, which receives the events of all sessions, including private and direct sessions, each as the
    /// session's owner sees the event. Only this answer contains the secret. The webhook receives events from this time on.
    ///
    /// # Errors
    /// [`AdminRequired`](Error::AdminRequired); [`Invalid`](Error::Invalid) for an address or an event that is not acceptable;
    /// [`LimitExceeded`](Error::LimitExceeded) for one more than [`MAX_SERVER_WEBHOOKS`].
    pub async fn create_for_server(
        &self,
        principal: &Principal,
        origin: &AuditOrigin,
        new: CreateWebhook,
    ) -> Result<CreatedWebhook> {
        use_case!("webhooks.create_for_server", async move {
            admin::enter(self.chat(), principal).await?;
            let CreateWebhook { url, events, is_paused } = new;
            let (url, events) = (self.url(&url)?, known_events(events)?);
            let (id, secret) = (WebhookId(self.chat().clock().new_id()), WebhookSecret::random()?);
            let state = if is_paused { DeliveryState::Paused } else { DeliveryState::Active };
            let deed = Deedful { principal, origin, action: AuditAction::WebhookCreated, id };
            // Before the time of the creation is taken: each event from then on has its mark.
            self.chat().bell().marker().switch(true);
            let plan = |turn: &Turn| {
                if turn.list.webhooks.len() >= MAX_SERVER_WEBHOOKS {
                    let limit = MAX_SERVER_WEBHOOKS as u64;
                    return Err(Error::LimitExceeded { what: "the number of webhooks of the server", limit });
                }
                let record = WebhookRecord {
                    id,
                    url: url.clone(),
                    events: events.clone(),
                    secret: secret.clone(),
                    previous: None,
                    by: principal.user_id.clone(),
                    // An administrator sees all of the history.
                    first: 0,
                    created_at: turn.now,
                    updated_at: turn.now,
                };
                let mut list = WebhookList::clone(&turn.list);
                list.webhooks.push(record.clone());
                Ok(Plan { list, record, endpoint: Endpoint { state, ..Endpoint::default() } })
            };
            let webhook = self.change_for_server(&deed, plan).await?;
            Ok(CreatedWebhook { webhook, secret: secret.clone() })
        })
    }

    /// The webhooks of the server, the oldest first.
    ///
    /// # Errors
    /// [`AdminRequired`](Error::AdminRequired).
    pub async fn list_for_server(&self, principal: &Principal) -> Result<Vec<Webhook>> {
        use_case!("webhooks.list_for_server", async move {
            admin::enter(self.chat(), principal).await?;
            let (list, _) = self.of_server().await?;
            let mut shown = Vec::new();
            for record in &list.webhooks {
                let endpoint = self.store().get(&Endpoints { webhook: record.id }).await?;
                let endpoint = endpoint.map(|found| Endpoint::clone(&found.value)).unwrap_or_default();
                shown.push(self.shown_for_server(record, &endpoint).await?);
            }
            Ok(shown)
        })
    }

    /// A webhook of the server.
    ///
    /// # Errors
    /// [`AdminRequired`](Error::AdminRequired); [`WebhookNotFound`](Error::WebhookNotFound) where the server has no such webhook.
    pub async fn get_for_server(&self, principal: &Principal, id: WebhookId) -> Result<Webhook> {
        use_case!("webhooks.get_for_server", async move {
            admin::enter(self.chat(), principal).await?;
            let (list, _) = self.of_server().await?;
            let record = list.find(id).ok_or(Error::WebhookNotFound)?;
            let endpoint = self.store().get(&Endpoints { webhook: id }).await?;
            let endpoint = endpoint.map(|found| Endpoint::clone(&found.value)).unwrap_or_default();
            self.shown_for_server(record, &endpoint).await
        })
    }

    /// Changes a webhook of the server.
    ///
    /// # Errors
    /// As [`get_for_server`](Self::get_for_server); [`Invalid`](Error::Invalid) for an address or an event that is not acceptable.
    pub async fn update_for_server(
        &self,
        principal: &Principal,
        origin: &AuditOrigin,
        id: WebhookId,
        changes: UpdateWebhook,
    ) -> Result<Webhook> {
        use_case!("webhooks.update_for_server", async move {
            admin::enter(self.chat(), principal).await?;
            let UpdateWebhook { url, events, is_active } = changes;
            let url = url.map(|url| self.url(&url)).transpose()?;
            let events = events.map(known_events).transpose()?;
            let deed = Deedful { principal, origin, action: AuditAction::WebhookChanged, id };
            let plan = |turn: &Turn| {
                let mut record = turn.record(id)?.clone();
                record.url = url.clone().unwrap_or(record.url);
                record.events = events.clone().unwrap_or(record.events);
                record.updated_at = turn.now;
                let before = turn.endpoint.clone();
                let endpoint = match is_active {
                    Some(true) => {
                        Endpoint { state: DeliveryState::Active, failures: 0, next_attempt_at: None, ..before }
                    }
                    Some(false) => Endpoint { state: DeliveryState::Paused, ..before },
                    None => before,
                };
                Ok(Plan { list: replaced(&turn.list, record.clone()), record, endpoint })
            };
            self.change_for_server(&deed, plan).await
        })
    }

    /// Rotates the secret of a webhook of the server. Only this answer contains the new secret. The previous secret signs beside the new
    /// secret for [`rotation_overlap`](super::WebhookOptions::rotation_overlap); older secrets no longer sign.
    ///
    /// # Errors
    /// As [`get_for_server`](Self::get_for_server).
    pub async fn rotate_server_secret(
        &self,
        principal: &Principal,
        origin: &AuditOrigin,
        id: WebhookId,
    ) -> Result<CreatedWebhook> {
        use_case!("webhooks.rotate_server_secret", async move {
            admin::enter(self.chat(), principal).await?;
            let secret = WebhookSecret::random()?;
            let overlap = delta(self.options().rotation_overlap);
            let deed = Deedful { principal, origin, action: AuditAction::WebhookChanged, id };
            let plan = |turn: &Turn| {
                let before = turn.record(id)?.clone();
                let previous = PreviousSecret { secret: before.secret.clone(), until: turn.now + overlap };
                let (secret, previous) = (secret.clone(), Some(previous));
                let record = WebhookRecord { secret, previous, updated_at: turn.now, ..before };
                let list = replaced(&turn.list, record.clone());
                Ok(Plan { list, record, endpoint: turn.endpoint.clone() })
            };
            let webhook = self.change_for_server(&deed, plan).await?;
            Ok(CreatedWebhook { webhook, secret: secret.clone() })
        })
    }

    /// Deletes a webhook of the server. The webhook receives no further event, except attempts that have begun. The records of the webhook
    /// are removed in the background.
    ///
    /// # Errors
    /// As [`get_for_server`](Self::get_for_server).
    pub async fn delete_for_server(&self, principal: &Principal, origin: &AuditOrigin, id: WebhookId) -> Result<()> {
        use_case!("webhooks.delete_for_server", async move {
            admin::enter(self.chat(), principal).await?;
            let deed = Deedful { principal, origin, action: AuditAction::WebhookDeleted, id };
            let plan = |turn: &Turn| {
                let record = turn.record(id)?.clone();
                let webhooks = turn.list.webhooks.iter().filter(|record| record.id != id).cloned().collect();
                let endpoint = Endpoint { state: DeliveryState::Removed, ..turn.endpoint.clone() };
                Ok(Plan { list: WebhookList { webhooks }, record, endpoint })
            };
            self.commit_for_server(&deed, plan).await?;
            Ok(())
        })
    }

    /// The dead letters of a webhook of the server, by session and then in the order of their positions.
    ///
    /// # Errors
    /// As [`get_for_server`](Self::get_for_server); [`Invalid`](Error::Invalid) for a page outside of the limits.
    pub async fn server_dead_letters(
        &self,
        principal: &Principal,
        id: WebhookId,
        after: Option<DeadLetterPlace>,
        limit: Option<u64>,
    ) -> Result<ListPage<DeadLetter, DeadLetterPlace>> {
        use_case!("webhooks.server_dead_letters", async move {
            admin::enter(self.chat(), principal).await?;
            let limit = self.chat().limits().page_limit(limit)?;
            self.of_server().await?.0.find(id).ok_or(Error::WebhookNotFound)?;
            let after = after.map(|DeadLetterPlace { session_id, seq }| vec![session_id.part(), seq.part()]);
            let scan = DeadLetters::under(vec![id.part()]).after(after).limit(limit.saturating_add(1));
            let page = self.letters(scan, limit).await?;
            let next = page.next.map(|DeadLetters { session, seq, .. }| DeadLetterPlace { session_id: session, seq });
            Ok(ListPage { next, entries: page.entries })
        })
    }

    /// Requests a retry of a dead letter of a webhook of the server, beside the queue, as soon as the webhook is active. After a successful
    /// delivery, the event is no longer a dead letter. Two requests cause one attempt.
    ///
    /// # Errors
    /// As [`get_for_server`](Self::get_for_server); [`DeadLetterNotFound`](Error::DeadLetterNotFound) for an unknown dead letter.
    pub async fn retry_server_dead_letter(
        &self,
        principal: &Principal,
        id: WebhookId,
        session: SessionId,
        seq: Seq,
    ) -> Result<DeadLetter> {
        use_case!("webhooks.retry_server_dead_letter", session, async move {
            admin::enter(self.chat(), principal).await?;
            let key = DeadLetters { webhook: id, session, seq };
            for _ in 0..self.chat().limits().commit_attempts {
                self.of_server().await?.0.find(id).ok_or(Error::WebhookNotFound)?;
                let authority = admin::authority(self.chat(), principal).await?;
                if let Some(letter) = self.wish(&key, authority).await? {
                    return Ok(letter);
                }
            }
            Err(Error::Unavailable)
        })
    }

    /// Changes a webhook, and gives it as it is then.
    async fn change_for_server(
        &self,
        deed: &Deedful<'_>,
        plan: impl Fn(&Turn) -> Result<Plan> + Send + Sync,
    ) -> Result<Webhook> {
        let Plan { record, endpoint, list: _ } = self.commit_for_server(deed, plan).await?;
        self.shown_for_server(&record, &endpoint).await
    }

    /// Commits a change of the webhooks of the server, with its entry of the audit log. The version of the one record guards their number.
    async fn commit_for_server(
        &self,
        deed: &Deedful<'_>,
        plan: impl Fn(&Turn) -> Result<Plan> + Send + Sync,
    ) -> Result<Plan> {
        let Deedful { principal, origin, action, id } = *deed;
        let (all, key) = (ServerWebhooks::all(), Endpoints { webhook: id });
        for _ in 0..self.chat().limits().commit_attempts {
            let mut writes = admin::authority(self.chat(), principal).await?;
            let list = self.store().get(&all).await?;
            let endpoint = self.store().get(&key).await?;
            let turn = Turn {
                now: self.now().trunc_subsecs(6),
                list: list.as_ref().map(|found| Arc::clone(&found.value)).unwrap_or_default(),
                endpoint: endpoint.as_ref().map(|found| Endpoint::clone(&found.value)).unwrap_or_default(),
            };
            let planned = plan(&turn)?;
            let write = all.put(planned.list.clone());
            writes.push(match &list {
                Some(found) => write.at(found.version),
                None => write.absent(),
            });
            let write = key.put(planned.endpoint.clone());
            writes.push(match &endpoint {
                Some(found) => write.at(found.version),
                None => write.absent(),
            });
            let target = Some(id.to_string());
            let entry = Deed { principal, origin, action, target, session: None, reason: None };
            writes.push(admin::entry(self.chat(), &entry, AuditState::default(), AuditState::default()));
            match self.store().commit(Change::of_records(writes)).await {
                Ok(_) => {
                    self.chat().bell().ring_all();
                    return Ok(planned);
                }
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        tracing::warn!(webhook = %id, "a webhook of the server was changed by others each time");
        Err(Error::Unavailable)
    }

    /// A webhook without its secret, with its deliveries.
    async fn shown_for_server(&self, record: &WebhookRecord, endpoint: &Endpoint) -> Result<Webhook> {
        let WebhookRecord { id, url, events, secret: _, previous: _, by, first: _, created_at, updated_at } =
            record.clone();
        let Endpoint { state, failures, next_attempt_at, last_failure, last_delivery_at, skipped } = endpoint.clone();
        let queue = Queue {
            delivered_upto: None,
            lag: self.lag_of(id, created_at).await?,
            attempts: failures,
            next_attempt_at,
            last_failure,
            last_delivery_at,
            dead_letters: self.letters_of(id).await?,
            skipped,
        };
        let state = state.into();
        Ok(Webhook { id, session_id: None, url, events, created_by: by, created_at, updated_at, state, queue })
    }

    /// The number of positions that are left in the first sessions with marks.
    async fn lag_of(&self, webhook: WebhookId, created_at: DateTime<Utc>) -> Result<u64> {
        let marks = self.store().list::<Unsent>(Unsent::under(Vec::new()).limit(COUNTED)).await?;
        let sessions: Vec<SessionId> = marks.into_iter().map(|(Unsent { session }, _)| session).collect();
        if sessions.is_empty() {
            return Ok(0);
        }
        let keys = sessions.iter().map(|session| ServerDeliveries { webhook, session: *session });
        let found = self.store().get_all(&keys.collect::<Vec<_>>()).await?;
        let ends = self.chat().ends_of(&sessions).await?;
        // Those that are yet to begin.
        let fresh = sessions.iter().zip(&found).filter(|(_, found)| found.is_none()).map(|(session, _)| *session);
        let fresh: Vec<SessionId> = fresh.collect();
        let mut firsts = self.chat().firsts_since(&fresh, created_at).await?.into_iter();
        let left = found.into_iter().zip(ends).map(|(found, end)| {
            let upto = match found {
                Some(found) => found.value.upto,
                None => firsts.next().unwrap_or_default().saturating_sub(1),
            };
            end.saturating_sub(upto)
        });
        Ok(left.sum())
    }
}
