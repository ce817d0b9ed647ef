//! The receiver of a webhook of the server: one record for all sessions says whether it is asked, and when.

use chrono::{DateTime, SubsecRound as _, TimeDelta, Utc};

use super::{
    DeadLetters, Delivery, DeliveryState, Endpoint, Endpoints, ServerDeliveries, ServerWebhooks, Unsent, WebhookRecord,
    Webhooks,
    deliver::{After, Ended, Tried},
    delta,
    target::Target,
};
use crate::{
    error::{Error, Result},
    model::{SessionId, WebhookId},
    store::{Change, ChatStoreExt as _, Found, KeyPart as _, Prefix, StoreError, TypedKey as _, typed},
};

/// How often a change of the record is tried again that another session's attempt made fail.
const TURNS: u32 = 5;

/// How exact the time of the last delivery is. Each delivery of each session would write it otherwise.
const EXACT: TimeDelta = TimeDelta::seconds(10);

/// The leave to make an attempt.
pub(super) struct Pass {
    before: Endpoint,
    /// Whether the event was not tried before.
    is_first: bool,
    /// Until when no other session makes one, where this one asks whether the receiver is back.
    probe: Option<DateTime<Utc>>,
}

/// When a receiver is to be asked again; `None` for now.
fn waits(endpoint: &Endpoint, now: DateTime<Utc>) -> Option<After> {
    match endpoint.state {
        DeliveryState::Active => endpoint.next_attempt_at.filter(|at| *at > now).map(After::At),
        DeliveryState::Paused | DeliveryState::Gone | DeliveryState::Removed | DeliveryState::Unknown => {
            Some(After::News)
        }
    }
}

impl Endpoint {
    /// Whether events are sent now.
    pub(super) fn is_due(&self, now: DateTime<Utc>) -> bool {
        waits(self, now).is_none()
    }
}

impl Webhooks {
    /// When the receiver of a webhook of the server is to be asked again; `None` for now.
    pub(super) async fn waits_for(&self, webhook: WebhookId) -> Result<Option<After>> {
        let found = self.store().get(&Endpoints { webhook }).await?;
        Ok(found.map_or(Some(After::News), |found| waits(&found.value, self.now())))
    }

    /// Lets an attempt begin. Of a receiver that failed, one session at a time asks whether it is back.
    pub(super) async fn pass(&self, webhook: WebhookId, is_first: bool) -> Result<Pass, Ended> {
        let key = Endpoints { webhook };
        let Some(found) = self.store().get(&key).await? else { return Err(Ended::Waits(After::News)) };
        let before = Endpoint::clone(&found.value);
        if let Some(after) = waits(&before, self.now()) {
            return Err(Ended::Waits(after));
        }
        if before.failures == 0 {
            return Ok(Pass { before, is_first, probe: None });
        }
        let probe = (self.now() + delta(self.options().timeout.saturating_mul(2))).trunc_subsecs(6);
        let probing = Endpoint { next_attempt_at: Some(probe), ..before.clone() };
        match self.store().commit(Change::of_records(vec![key.put(probing).at(found.version)])).await {
            Ok(_) => Ok(Pass { before, is_first, probe: Some(probe) }),
            Err(StoreError::Conflict { .. }) => Err(Ended::Waits(After::Now)),
            Err(error) => Err(Error::from(error).into()),
        }
    }

    /// Notes what came of an attempt by these settings. Of attempts that fail at once, one counts. After a change by an administrator during
    /// the attempt, its failure says nothing about the webhook as it is then.
    pub(super) async fn came_of(&self, settings: &WebhookRecord, pass: &Pass, tried: &Tried) -> Result<()> {
        let webhook = settings.id;
        let now = self.now().trunc_subsecs(6);
        match tried {
            Tried::Delivered => {
                let is_known = |endpoint: &Endpoint| {
                    endpoint.failures == 0 && endpoint.last_delivery_at.is_some_and(|at| now - at <= EXACT)
                };
                if is_known(&pass.before) {
                    return Ok(());
                }
                let change = |endpoint: &mut Endpoint| {
                    if is_known(endpoint) {
                        return false;
                    }
                    (endpoint.failures, endpoint.next_attempt_at) = (0, None);
                    endpoint.last_delivery_at = Some(now);
                    true
                };
                self.amend(webhook, None, change).await
            }
            Tried::Gone(failure) => {
                let change = |endpoint: &mut Endpoint| {
                    (endpoint.state, endpoint.last_failure) = (DeliveryState::Gone, Some(*failure));
                    true
                };
                self.amend(webhook, Some(settings), change).await
            }
            Tried::Failed(failure, retry_after) => {
                let change = |endpoint: &mut Endpoint| {
                    let is_counted = endpoint.next_attempt_at.is_some_and(|at| at > now && Some(at) != pass.probe);
                    if is_counted {
                        return false;
                    }
                    // An event that failed before may itself be the reason, so it makes the other sessions wait no longer.
                    endpoint.failures = endpoint.failures.saturating_add(pass.is_first.into());
                    endpoint.last_failure = Some(*failure);
                    endpoint.next_attempt_at = endpoint.failures.checked_sub(1).map(|turn| {
                        let delays = &self.options().retry_delays;
                        let turn = usize::try_from(turn).unwrap_or(usize::MAX);
                        let pause = delays.get(turn).or(delays.last()).copied().unwrap_or_default();
                        now + self.options().pause(pause, *retry_after)
                    });
                    true
                };
                self.amend(webhook, Some(settings), change).await
            }
        }
    }

    /// Counts events that are never tried.
    pub(super) async fn left_out(&self, webhook: WebhookId, count: u64) -> Result<()> {
        let change = |endpoint: &mut Endpoint| {
            endpoint.skipped = endpoint.skipped.saturating_add(count);
            true
        };
        self.amend(webhook, None, change).await
    }

    /// Changes the record, unless the change says that there is nothing to change, or the webhook is no longer active with the given settings.
    /// A change that loses against others each time is left out: it says what the next attempt says again.
    async fn amend(
        &self,
        webhook: WebhookId,
        settings: Option<&WebhookRecord>,
        change: impl Fn(&mut Endpoint) -> bool + Send + Sync,
    ) -> Result<()> {
        let key = Endpoints { webhook };
        for _ in 0..TURNS {
            let Some(found) = self.store().get(&key).await? else { return Ok(()) };
            if let Some(settings) = settings {
                // After the record of the endpoint: a later change of the settings also writes that record, and so fails this one.
                let list = self.store().get(&ServerWebhooks::all()).await?;
                let is_same = list.is_some_and(|list| list.value.find(webhook) == Some(settings));
                if found.value.state != DeliveryState::Active || !is_same {
                    return Ok(());
                }
            }
            let mut endpoint = Endpoint::clone(&found.value);
            if !change(&mut endpoint) {
                return Ok(());
            }
            match self.store().commit(Change::of_records(vec![key.put(endpoint).at(found.version)])).await {
                Ok(_) => return Ok(()),
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Begins the deliveries of a session: with the first event that is not older than the webhook. `None` where the webhook is deleted, or
    /// somebody else changes it at this moment.
    pub(super) async fn begun(&self, target: &Target) -> Result<Option<Found<Delivery>>> {
        let Target { webhook, session, owner: _ } = *target;
        let Some(list) = self.store().get(&ServerWebhooks::all()).await? else { return Ok(None) };
        let Some(record) = list.value.find(webhook) else { return Ok(None) };
        let key = Endpoints { webhook };
        let Some(endpoint) = self.store().get(&key).await? else { return Ok(None) };
        if endpoint.value.state == DeliveryState::Removed {
            return Ok(None);
        }
        let first = self.chat().firsts_since(&[session], record.created_at).await?.pop().unwrap_or_default();
        let delivery = Delivery { upto: first.saturating_sub(1), ..Delivery::default() };
        // Held, so that nothing is left of a webhook that is deleted meanwhile.
        let writes = vec![target.put(delivery).absent(), key.hold(endpoint.version)];
        match self.store().commit(Change::of_records(writes)).await {
            Ok(_) | Err(StoreError::Conflict { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(typed(self.store().records(&[target.key()]).await?.pop().flatten())?)
    }

    /// Removes the mark of a session whose events each webhook of the server has got. An event that comes meanwhile writes the mark anew, so the
    /// mark stays.
    pub(super) async fn unmark(&self, session: SessionId) -> Result<()> {
        let key = Unsent { session };
        let Some(mark) = self.store().get(&key).await? else { return Ok(()) };
        let list = self.store().get(&ServerWebhooks::all()).await?.map(|found| found.value).unwrap_or_default();
        let keys = list.webhooks.iter().map(|webhook| ServerDeliveries { webhook: webhook.id, session });
        let deliveries = self.store().get_all(&keys.collect::<Vec<_>>()).await?;
        // After the mark: whatever stands beyond this end has written the mark again.
        let end = self.chat().ends_of(&[session]).await?.pop().unwrap_or_default();
        if deliveries.iter().all(|found| found.as_ref().is_some_and(|found| found.value.upto >= end)) {
            match self.store().commit(Change::of_records(vec![key.remove().at(mark.version)])).await {
                Ok(_) | Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// The number of dead letters of a webhook in all sessions.
    pub(super) async fn letters_of(&self, webhook: WebhookId) -> Result<u64> {
        let prefix = Prefix { table: DeadLetters::TABLE, parts: vec![webhook.part()] };
        Ok(self.store().count(&[prefix]).await?.pop().unwrap_or_default())
    }
}
