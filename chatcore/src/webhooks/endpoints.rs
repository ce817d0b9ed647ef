//! Use cases about the webhooks of a session.

use std::collections::BTreeSet;

use url::Url;

use super::{
    CreateWebhook, CreatedWebhook, Deliveries, Delivery, DeliveryState, MAX_URL_CHARS, MAX_WEBHOOKS, PreviousSecret,
    Queue, UpdateWebhook, Webhook, WebhookList, WebhookRecord, WebhookSecret, Webhooks, delta,
};
use crate::{
    chat::{Turn, WebhookPlan},
    error::{Code, Error, Result},
    identity::Principal,
    limits::Use,
    model::{Seq, SessionId, WebhookId},
    store::{ChatStoreExt as _, Found, TypedKey as _, Write},
    trace::use_case,
    wire::event_names,
};

/// A webhook without its secret, with its deliveries as of a position of the log.
fn shown(record: &WebhookRecord, session_id: SessionId, delivery: &Delivery, head: Seq) -> Webhook {
    let WebhookRecord { id, url, events, secret: _, previous: _, by, first: _, created_at, updated_at } =
        record.clone();
    let queue = Queue {
        delivered_upto: Some(delivery.upto),
        lag: head.saturating_sub(delivery.upto),
        attempts: delivery.attempts,
        next_attempt_at: delivery.next_attempt_at,
        last_failure: delivery.last_failure,
        last_delivery_at: delivery.last_delivery_at,
        dead_letters: delivery.dead_letters,
        skipped: delivery.skipped,
    };
    let state = delivery.state.into();
    Webhook { id, session_id: Some(session_id), url, events, created_by: by, created_at, updated_at, state, queue }
}

/// The names without repetitions, in their order.
pub(super) fn known_events(events: Vec<String>) -> Result<Vec<String>> {
    let known: BTreeSet<&str> = event_names().collect();
    if let Some(unknown) = events.iter().find(|name| !known.contains(name.as_str())) {
        let shown: String = unknown.chars().take(64).collect();
        let message = format!("names of events; there is no {shown:?}");
        return Err(Error::invalid("events", Code::ValidationInvalidValue, message));
    }
    let mut seen = BTreeSet::new();
    Ok(events.into_iter().filter(|name| seen.insert(name.clone())).collect())
}

/// The list with another record in the place of one.
pub(super) fn replaced(list: &WebhookList, record: WebhookRecord) -> WebhookList {
    let webhooks = list.webhooks.iter().map(|old| if old.id == record.id { record.clone() } else { old.clone() });
    WebhookList { webhooks: webhooks.collect() }
}

/// The write that gives a webhook another state. It takes the deliveries from a process that works on them: that process stops.
fn restated(turn: &Turn, key: &Deliveries, delivery: Delivery) -> Write {
    let delivery = Delivery { leased_until: None, ..delivery };
    match &turn.delivery {
        Some(found) => key.put(delivery).at(found.version),
        None => key.put(delivery).absent(),
    }
}

impl Turn {
    fn record(&self, webhook: WebhookId) -> Result<&WebhookRecord> {
        self.list.find(webhook).ok_or(Error::WebhookNotFound)
    }

    fn delivery(&self) -> Delivery {
        self.delivery.as_ref().map(|found| (*found.value).clone()).unwrap_or_default()
    }
}

impl Webhooks {
    pub(super) fn url(&self, text: &str) -> Result<String> {
        let invalid = |message: String| Error::invalid("url", Code::ValidationInvalidValue, message);
        if text.chars().nth(MAX_URL_CHARS).is_some() {
            let message = format!("at most {MAX_URL_CHARS} characters");
            return Err(Error::invalid("url", Code::ValidationLengthExceeded, message));
        }
        let url = Url::parse(text).map_err(|_| invalid("an address like https://example.com/path".to_owned()))?;
        self.inner.options.rules().check(&url).map_err(|message| invalid(message.to_owned()))?;
        Ok(url.into())
    }

    /// Creates a webhook of a session. Only this answer contains the secret. The webhook receives events from the event of the creation on.
    /// If the caller does not see the complete history of the session, the webhook does not see the complete history either.
    ///
    /// # Errors
    /// [`Denied`](Error::Denied) when the caller may not; [`Invalid`](Error::Invalid) for an address or an event that is not acceptable;
    /// [`LimitExceeded`](Error::LimitExceeded) for one more than [`MAX_WEBHOOKS`].
    pub async fn create(
        &self,
        principal: &Principal,
        session: SessionId,
        new: CreateWebhook,
    ) -> Result<CreatedWebhook> {
        use_case!("webhooks.create", session, async move {
            let chat = self.chat();
            chat.enter(principal, Use::Request).await?;
            let CreateWebhook { url, events, is_paused } = new;
            let (url, events) = (self.url(&url)?, known_events(events)?);
            let (id, secret) = (WebhookId(chat.clock().new_id()), WebhookSecret::random()?);
            let state = if is_paused { DeliveryState::Paused } else { DeliveryState::Active };
            let plan = |turn: &Turn| {
                if turn.list.webhooks.len() >= MAX_WEBHOOKS {
                    let limit = MAX_WEBHOOKS as u64;
                    return Err(Error::LimitExceeded { what: "the number of webhooks of one session", limit });
                }
                let record = WebhookRecord {
                    id,
                    url: url.clone(),
                    events: events.clone(),
                    secret: secret.clone(),
                    previous: None,
                    by: principal.user_id.clone(),
                    first: turn.first_visible,
                    created_at: turn.now,
                    updated_at: turn.now,
                };
                let delivery = Delivery { upto: turn.head, state, ..Delivery::default() };
                let webhook = shown(&record, session, &delivery, turn.head.saturating_add(1));
                let answer = CreatedWebhook { webhook, secret: secret.clone() };
                let mut list = WebhookList::clone(&turn.list);
                list.webhooks.push(record);
                let writes = vec![restated(turn, &Deliveries { webhook: id, session }, delivery)];
                Ok(WebhookPlan { list, writes, answer })
            };
            chat.change_webhooks(principal, session, id, plan).await
        })
    }

    /// The webhooks of a session, the oldest first.
    ///
    /// # Errors
    /// [`Denied`](Error::Denied) when the caller may not.
    pub async fn list(&self, principal: &Principal, session: SessionId) -> Result<Vec<Webhook>> {
        use_case!("webhooks.list", session, async move {
            self.chat().enter(principal, Use::Request).await?;
            self.found(principal, session).await
        })
    }

    /// A webhook of a session.
    ///
    /// # Errors
    /// [`Denied`](Error::Denied) when the caller may not; [`WebhookNotFound`](Error::WebhookNotFound) where the session has no such webhook.
    pub async fn get(&self, principal: &Principal, session: SessionId, id: WebhookId) -> Result<Webhook> {
        use_case!("webhooks.get", session, async move {
            self.chat().enter(principal, Use::Request).await?;
            let found = self.found(principal, session).await?;
            found.into_iter().find(|webhook| webhook.id == id).ok_or(Error::WebhookNotFound)
        })
    }

    async fn found(&self, principal: &Principal, session: SessionId) -> Result<Vec<Webhook>> {
        let (head, found) = self.chat().webhooks_of(principal, session).await?;
        let Some(found) = found else { return Ok(Vec::new()) };
        let webhooks = &found.value.webhooks;
        let key = |record: &WebhookRecord| Deliveries { webhook: record.id, session };
        let deliveries = self.store().get_all(&webhooks.iter().map(key).collect::<Vec<_>>()).await?;
        let one = |(record, delivery): (&WebhookRecord, Option<Found<Delivery>>)| {
            let delivery = delivery.map(|found| (*found.value).clone()).unwrap_or_default();
            shown(record, session, &delivery, head)
        };
        Ok(webhooks.iter().zip(deliveries).map(one).collect())
    }

    /// Changes a webhook.
    ///
    /// # Errors
    /// As [`get`](Self::get); [`Invalid`](Error::Invalid) for an address or an event that is not acceptable.
    pub async fn update(
        &self,
        principal: &Principal,
        session: SessionId,
        id: WebhookId,
        changes: UpdateWebhook,
    ) -> Result<Webhook> {
        use_case!("webhooks.update", session, async move {
            self.chat().enter(principal, Use::Request).await?;
            let UpdateWebhook { url, events, is_active } = changes;
            let url = url.map(|url| self.url(&url)).transpose()?;
            let events = events.map(known_events).transpose()?;
            let plan = |turn: &Turn| {
                let mut record = turn.record(id)?.clone();
                if url.is_some() || is_active == Some(true) {
                    // The caller may be sent no more than what the caller sees.
                    record.first = record.first.max(turn.first_visible);
                }
                record.url = url.clone().unwrap_or(record.url);
                record.events = events.clone().unwrap_or(record.events);
                record.updated_at = turn.now;
                let before = turn.delivery();
                let delivery = match is_active {
                    Some(true) => {
                        Delivery { state: DeliveryState::Active, attempts: 0, next_attempt_at: None, ..before }
                    }
                    Some(false) => Delivery { state: DeliveryState::Paused, ..before },
                    None => before,
                };
                let answer = shown(&record, session, &delivery, turn.head.saturating_add(1));
                // The write also ends what a process does by the settings of before.
                let writes = vec![restated(turn, &Deliveries { webhook: id, session }, delivery)];
                Ok(WebhookPlan { list: replaced(&turn.list, record), writes, answer })
            };
            self.chat().change_webhooks(principal, session, id, plan).await
        })
    }

    /// Rotates the secret of a webhook. Only this answer contains the new secret. The previous secret signs beside the new secret for
    /// [`rotation_overlap`](super::WebhookOptions::rotation_overlap); older secrets no longer sign.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub async fn rotate_secret(
        &self,
        principal: &Principal,
        session: SessionId,
        id: WebhookId,
    ) -> Result<CreatedWebhook> {
        use_case!("webhooks.rotate_secret", session, async move {
            self.chat().enter(principal, Use::Request).await?;
            let secret = WebhookSecret::random()?;
            let overlap = delta(self.inner.options.rotation_overlap);
            let plan = |turn: &Turn| {
                let before = turn.record(id)?.clone();
                let previous = PreviousSecret { secret: before.secret, until: turn.now + overlap };
                let record = WebhookRecord {
                    secret: secret.clone(),
                    previous: Some(previous),
                    updated_at: turn.now,
                    ..turn.record(id)?.clone()
                };
                let webhook = shown(&record, session, &turn.delivery(), turn.head.saturating_add(1));
                let answer = CreatedWebhook { webhook, secret: secret.clone() };
                Ok(WebhookPlan { list: replaced(&turn.list, record), writes: Vec::new(), answer })
            };
            self.chat().change_webhooks(principal, session, id, plan).await
        })
    }

    /// Deletes a webhook. The webhook receives no further event, except an attempt that has begun. The dead letters are removed in the
    /// background.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub async fn delete(&self, principal: &Principal, session: SessionId, id: WebhookId) -> Result<()> {
        use_case!("webhooks.delete", session, async move {
            self.chat().enter(principal, Use::Request).await?;
            let plan = |turn: &Turn| {
                turn.record(id)?;
                let webhooks = turn.list.webhooks.iter().filter(|record| record.id != id).cloned().collect();
                let delivery = Delivery { state: DeliveryState::Removed, ..turn.delivery() };
                let writes = vec![restated(turn, &Deliveries { webhook: id, session }, delivery)];
                Ok(WebhookPlan { list: WebhookList { webhooks }, writes, answer: () })
            };
            self.chat().change_webhooks(principal, session, id, plan).await
        })
    }
}
