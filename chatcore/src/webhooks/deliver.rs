//! The deliveries of one webhook in one session: claimed, carried out one after the other, and released.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use chrono::{DateTime, SubsecRound as _, TimeDelta, Utc};
use tokio::{sync::watch, time::timeout};

use super::{
    DeadLetterRecord, DeadLetters, Delivery, DeliveryState, Failure, FailureReason, Replays, Sent, ServerWebhooks,
    SessionWebhooks, WebhookOptions, WebhookRecord, WebhookRequest, WebhookSender, Webhooks, delta,
    secret::{delivery_id, signatures},
    target::{Owner, Target},
};
use crate::{
    chat::EventView,
    error::{Error, Result},
    model::Seq,
    store::{Change, ChatStoreExt as _, KeyPart as _, StoreError, TypedKey as _, Version, Write, typed},
    wire::event_name,
};

/// Rows of the log that are read at once.
const BATCH: Seq = 50;

/// After so many deliveries, or after so long, the position is written. A process that ends before repeats them.
const SAVED_AFTER: u32 = 20;
const SAVED_WITHIN: Duration = Duration::from_secs(1);

/// How long one webhook is worked on before another one that waits has its turn.
const TURN: Duration = Duration::from_secs(10);

/// When to look again at deliveries that another process has.
const LOOK_AGAIN: TimeDelta = TimeDelta::seconds(1);

/// Records that are removed at once.
const REMOVED: u64 = 200;

/// Dead letters that are tried again in one turn.
const REPLAYED: u64 = 20;

/// When the deliveries are to be worked on again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum After {
    /// When something happens.
    News,
    /// As soon as there is room.
    Now,
    /// At this time.
    At(DateTime<Utc>),
}

/// Why the work ends early.
pub(super) enum Ended {
    /// Another process has the deliveries, or a user changed the webhook.
    Lost,
    /// The webhook is a server's, and waits for all sessions.
    Waits(After),
    Failed(Error),
}

impl From<Error> for Ended {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl From<StoreError> for Ended {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict { .. } => Self::Lost,
            StoreError::Stale
            | StoreError::OutcomeUnknown
            | StoreError::Unavailable(_)
            | StoreError::Corrupt(_)
            | StoreError::Backend(_) => Self::Failed(error.into()),
        }
    }
}

/// What came of one event.
pub(super) enum Tried {
    Delivered,
    Gone(Failure),
    Failed(Failure, Option<Duration>),
}

/// How the work goes on after one event.
enum Step {
    Next,
    Stop(After),
}

/// Deliveries that this process has for itself.
struct Run<'a> {
    webhooks: &'a Webhooks,
    sender: &'a dyn WebhookSender,
    stop: &'a watch::Receiver<bool>,
    key: &'a Target,
    delivery: Delivery,
    version: Version,
    saved_at: Instant,
    unsaved: u32,
    /// Events that were left out and are not yet counted for a webhook of the server.
    skipped: u64,
}

impl Webhooks {
    /// Delivers what is due to one webhook.
    pub(super) async fn deliver(
        &self,
        sender: &dyn WebhookSender,
        stop: &watch::Receiver<bool>,
        key: &Target,
    ) -> Result<After> {
        if key.owner == Owner::Server
            && let Some(after) = self.waits_for(key.webhook).await?
        {
            return Ok(after);
        }
        let found = match typed::<Delivery>(self.store().records(&[key.key()]).await?.pop().flatten())? {
            Some(found) => found,
            None if key.owner == Owner::Session => return Ok(After::News),
            None => match self.begun(key).await? {
                Some(found) => found,
                None => return Ok(After::News),
            },
        };
        let now = self.now();
        if let Some(until) = found.value.leased_until.filter(|until| *until > now) {
            return Ok(After::At(until.min(now + LOOK_AGAIN)));
        }
        if !self.has_work(key, &found.value, now).await? {
            if key.owner == Owner::Server {
                self.unmark(key.session).await?;
            }
            let waits = found.value.next_attempt_at.filter(|at| *at > now);
            return Ok(waits.map_or(After::News, After::At));
        }
        let mut run = Run {
            webhooks: self,
            sender,
            stop,
            key,
            delivery: (*found.value).clone(),
            version: found.version,
            saved_at: Instant::now(),
            unsaved: 0,
            skipped: 0,
        };
        let ended = match run.work().await {
            Err(Ended::Waits(after)) => run.release(after).await,
            ended => ended,
        };
        match ended {
            Ok(after) => {
                if after == After::News && key.owner == Owner::Server {
                    self.unmark(key.session).await?;
                }
                Ok(after)
            }
            Err(Ended::Waits(after)) => Ok(after),
            // Another process has the deliveries, or a user changed the webhook. The next look tells which.
            Err(Ended::Lost) => Ok(After::Now),
            Err(Ended::Failed(error)) => Err(error),
        }
    }

    async fn has_work(&self, key: &Target, delivery: &Delivery, now: DateTime<Utc>) -> Result<bool> {
        match delivery.state {
            DeliveryState::Removed => return Ok(true),
            DeliveryState::Paused | DeliveryState::Gone | DeliveryState::Unknown => return Ok(false),
            DeliveryState::Active => {}
        }
        let is_due = delivery.next_attempt_at.is_none_or(|at| at <= now);
        let end = self.chat().ends_of(&[key.session]).await?.pop().unwrap_or_default();
        if is_due && end > delivery.upto {
            return Ok(true);
        }
        Ok(!self.store().list::<Replays>(Replays::under(key.parts()).limit(1)).await?.is_empty())
    }
}

impl Run<'_> {
    fn options(&self) -> &WebhookOptions {
        self.webhooks.options()
    }

    fn now(&self) -> DateTime<Utc> {
        self.webhooks.now().trunc_subsecs(6)
    }

    /// Writes how far the deliveries have come, in one change with other records. It fails where the deliveries belong to somebody else.
    async fn save(&mut self, keeps: bool, mut writes: Vec<Write>) -> Result<(), Ended> {
        self.delivery.leased_until = keeps.then(|| self.now() + delta(self.options().lease()));
        writes.push(self.key.put(self.delivery.clone()).at(self.version));
        let change = Change::of_records(writes);
        let version = change.id;
        self.webhooks.store().commit(change).await?;
        (self.version, self.saved_at, self.unsaved) = (version, Instant::now(), 0);
        Ok(())
    }

    async fn release(&mut self, after: After) -> Result<After, Ended> {
        self.save(false, Vec::new()).await?;
        if self.key.owner == Owner::Server && self.skipped > 0 {
            self.webhooks.left_out(self.key.webhook, self.skipped).await?;
        }
        Ok(after)
    }

    fn skip(&mut self, count: u64) {
        self.delivery.skipped = self.delivery.skipped.saturating_add(count);
        self.skipped = self.skipped.saturating_add(count);
    }

    /// Goes on having the deliveries, where an attempt might outlast the lease, and gives the settings of the webhook as they are now.
    async fn settings(&mut self) -> Result<WebhookRecord, Ended> {
        let left = self.delivery.leased_until.map(|until| until - self.webhooks.now());
        if left.is_none_or(|left| left < delta(self.options().lease()) / 2) {
            self.save(true, Vec::new()).await?;
        }
        let list = match self.key.owner {
            Owner::Session => SessionWebhooks { session: self.key.session }.key(),
            Owner::Server => ServerWebhooks::all().key(),
        };
        let keys = [self.key.key(), list];
        let mut found = self.webhooks.store().records(&keys).await?.into_iter();
        // Each change of the webhook by a user ends the work by its settings of before.
        if found.next().flatten().is_none_or(|record| record.version != self.version) {
            return Err(Ended::Lost);
        }
        let list = typed::<super::WebhookList>(found.next().flatten())?;
        list.and_then(|list| list.value.find(self.key.webhook).cloned()).ok_or(Ended::Lost)
    }

    async fn work(&mut self) -> Result<After, Ended> {
        self.save(true, Vec::new()).await?;
        if self.delivery.state == DeliveryState::Removed {
            return self.clean().await;
        }
        if let Step::Stop(after) = self.replay().await? {
            return self.release(after).await;
        }
        let ends = Instant::now() + TURN;
        loop {
            if let Some(at) = self.delivery.next_attempt_at.filter(|at| *at > self.webhooks.now()) {
                return self.release(After::At(at)).await;
            }
            let head = self.webhooks.chat().ends_of(&[self.key.session]).await?.pop().unwrap_or_default();
            self.shorten(head);
            let first = self.settings().await?.first;
            self.delivery.upto = self.delivery.upto.max(first.saturating_sub(1).min(head));
            if head <= self.delivery.upto {
                return self.release(After::News).await;
            }
            let to = self.delivery.upto.saturating_add(BATCH).min(head);
            let from = self.delivery.upto.saturating_add(1);
            for view in self.webhooks.chat().part_of(self.key.session, first, (from, to)).await? {
                if let Step::Stop(after) = self.next(&view).await? {
                    return self.release(after).await;
                }
                if *self.stop.borrow() || Instant::now() > ends {
                    return self.release(After::Now).await;
                }
            }
            // Positions that the log no longer has.
            self.skip(to - self.delivery.upto.min(to));
            self.delivery.upto = self.delivery.upto.max(to);
        }
    }

    /// Gives up what is too far back.
    fn shorten(&mut self, head: Seq) {
        let start = head.saturating_sub(self.options().queue_max);
        if let Some(skipped) = start.checked_sub(self.delivery.upto).filter(|skipped| *skipped > 0) {
            tracing::warn!(webhook = %self.key.webhook, session = %self.key.session, skipped, "the queue of a webhook is too long");
            self.skip(skipped);
            self.delivery.upto = start;
        }
    }

    /// Does what is to be done with the next event of the log.
    async fn next(&mut self, view: &EventView) -> Result<Step, Ended> {
        let webhook = self.settings().await?;
        let (seq, name) = (view.event.seq, event_name(&view.event.kind));
        self.skip(seq.saturating_sub(self.delivery.upto.saturating_add(1)));
        if !webhook.events.is_empty() && !webhook.events.iter().any(|wanted| wanted == name) {
            self.delivery.upto = seq;
            return Ok(Step::Next);
        }
        // The event as it is now: earlier attempts may have taken long, and a text that was deleted meanwhile is not sent.
        let Some(view) = self.webhooks.chat().part_of(self.key.session, webhook.first, (seq, seq)).await?.pop() else {
            self.delivery.upto = seq;
            return Ok(Step::Next);
        };
        match self.attempt(&webhook, &view, self.delivery.attempts == 0).await? {
            Tried::Delivered => {
                self.advance(seq);
                (self.delivery.gave_up, self.delivery.last_delivery_at) = (false, Some(self.now()));
                self.unsaved = self.unsaved.saturating_add(1);
                if self.unsaved >= SAVED_AFTER || self.saved_at.elapsed() > SAVED_WITHIN {
                    self.save(true, Vec::new()).await?;
                }
                Ok(Step::Next)
            }
            Tried::Gone(failure) => Ok(self.gone(failure)),
            Tried::Failed(failure, retry_after) => self.failed(seq, failure, retry_after).await,
        }
    }

    fn advance(&mut self, seq: Seq) {
        (self.delivery.upto, self.delivery.attempts, self.delivery.next_attempt_at) = (seq, 0, None);
    }

    fn gone(&mut self, failure: Failure) -> Step {
        self.delivery.last_failure = Some(failure);
        match self.key.owner {
            Owner::Session => self.delivery.state = DeliveryState::Gone,
            // The record of the endpoint says it for all sessions.
            Owner::Server => {}
        }
        Step::Stop(After::News)
    }

    async fn failed(&mut self, seq: Seq, failure: Failure, retry_after: Option<Duration>) -> Result<Step, Ended> {
        let attempts = self.delivery.attempts.saturating_add(1);
        (self.delivery.attempts, self.delivery.last_failure) = (attempts, Some(failure));
        let delays = &self.options().retry_delays;
        let pause = usize::try_from(attempts).ok().and_then(|tried| delays.get(tried.saturating_sub(1)));
        let Some(pause) = pause.copied().filter(|_| !self.delivery.gave_up) else {
            return self.bury(seq, failure, attempts).await;
        };
        let at = self.now() + self.pause(pause, retry_after);
        self.delivery.next_attempt_at = Some(at);
        Ok(Step::Stop(After::At(at)))
    }

    fn pause(&self, pause: Duration, retry_after: Option<Duration>) -> TimeDelta {
        self.options().pause(pause, retry_after)
    }

    /// Makes a dead letter of an event, and goes on.
    async fn bury(&mut self, seq: Seq, failure: Failure, attempts: u32) -> Result<Step, Ended> {
        tracing::warn!(webhook = %self.key.webhook, session = %self.key.session, seq, "an event could not be delivered");
        let Target { owner, webhook, session } = *self.key;
        let mut writes = Vec::new();
        // Those of a webhook of the server are counted for all sessions.
        let (kept, prefix) = match owner {
            Owner::Session => (self.delivery.dead_letters, self.key.parts()),
            Owner::Server => (self.webhooks.letters_of(webhook).await?, vec![webhook.part()]),
        };
        if kept >= self.options().dead_letters_max {
            let first = DeadLetters::under(prefix).limit(1);
            for (key, _) in self.webhooks.store().list::<DeadLetters>(first).await? {
                writes.push(key.remove());
                writes.push(Replays { webhook, session: key.session, seq: key.seq }.remove());
                self.delivery.dead_letters = self.delivery.dead_letters.saturating_sub(1);
            }
        }
        let letter = DeadLetters { webhook, session, seq };
        if self.options().dead_letters_max > 0 {
            writes.push(letter.put(DeadLetterRecord { failure, attempts }));
            self.delivery.dead_letters = self.delivery.dead_letters.saturating_add(1);
        }
        // A receiver that is away is known by the record of the endpoint, where the webhook is the server's: no event is given up for it sooner.
        let gives_up = owner == Owner::Session;
        let was_given_up = std::mem::replace(&mut self.delivery.gave_up, gives_up);
        self.advance(seq);
        // A receiver that is away is not asked as fast as it can refuse.
        if was_given_up && let Some(pause) = self.options().retry_delays.first() {
            self.delivery.next_attempt_at = Some(self.now() + self.pause(*pause, None));
        }
        self.save(true, writes).await?;
        #[cfg(feature = "metrics")]
        self.webhooks.inner.measured.gave_up();
        Ok(self.delivery.next_attempt_at.map_or(Step::Next, |at| Step::Stop(After::At(at))))
    }

    /// Makes one attempt, where the receiver is not to be left alone.
    async fn attempt(&self, webhook: &WebhookRecord, view: &EventView, is_first: bool) -> Result<Tried, Ended> {
        match self.key.owner {
            Owner::Session => self.send(webhook, view).await,
            Owner::Server => {
                let pass = self.webhooks.pass(self.key.webhook, is_first).await?;
                let tried = self.send(webhook, view).await?;
                self.webhooks.came_of(webhook, &pass, &tried).await?;
                Ok(tried)
            }
        }
    }

    async fn send(&self, webhook: &WebhookRecord, view: &EventView) -> Result<Tried, Ended> {
        let id = delivery_id(self.key.webhook, self.key.session, view.event.seq);
        let body = serde_json::to_vec(view).map_err(|_| Error::Internal)?;
        let now = self.webhooks.now();
        let previous = webhook.previous.as_ref().filter(|previous| previous.until > now);
        let secrets = std::iter::once(&webhook.secret).chain(previous.map(|previous| &previous.secret));
        let signature = signatures(secrets, &id, now.timestamp(), &body)?;
        let request = WebhookRequest { url: webhook.url.clone(), id, timestamp: now.timestamp(), signature, body };
        let sent = timeout(self.options().timeout, self.sender.send(request)).await;
        let failure = |reason, status| Failure { reason, status, at: self.now() };
        let tried = match sent {
            Ok(Sent::Answered { status: 200..=299, .. }) => Tried::Delivered,
            Ok(Sent::Answered { status: 410, .. }) => Tried::Gone(failure(FailureReason::BadStatus, Some(410))),
            Ok(Sent::Answered { status, retry_after }) => {
                Tried::Failed(failure(FailureReason::BadStatus, Some(status)), retry_after)
            }
            Ok(Sent::Failed(reason)) => Tried::Failed(failure(reason, None), None),
            Err(_) => Tried::Failed(failure(FailureReason::Timeout, None), None),
        };
        #[cfg(feature = "metrics")]
        self.webhooks.inner.measured.attempt(&tried, view.event.created_at, self.webhooks.now());
        Ok(tried)
    }

    /// Tries the dead letters once more that somebody asked for.
    async fn replay(&mut self) -> Result<Step, Ended> {
        let asked = Replays::under(self.key.parts()).limit(REPLAYED);
        for (replay, _) in self.webhooks.store().list::<Replays>(asked).await? {
            if *self.stop.borrow() {
                return Ok(Step::Stop(After::Now));
            }
            let Replays { webhook, session, seq } = replay;
            let key = DeadLetters { webhook, session, seq };
            let settings = self.settings().await?;
            let letter = self.webhooks.store().get(&key).await?;
            let view = self.webhooks.chat().part_of(session, settings.first, (seq, seq)).await?.pop();
            let mut writes = vec![replay.remove()];
            let is_letter = letter.is_some();
            let (Some(letter), Some(view)) = (letter, view) else {
                writes.push(key.remove());
                self.delivery.dead_letters = self.delivery.dead_letters.saturating_sub(u64::from(is_letter));
                self.save(true, writes).await?;
                continue;
            };
            let tried = self.attempt(&settings, &view, false).await?;
            let again = |failure| DeadLetterRecord { failure, attempts: letter.value.attempts.saturating_add(1) };
            let mut step = Step::Next;
            match tried {
                Tried::Delivered => {
                    writes.push(key.remove());
                    self.delivery.dead_letters = self.delivery.dead_letters.saturating_sub(1);
                    self.delivery.last_delivery_at = Some(self.now());
                }
                Tried::Failed(failure, _) => writes.push(key.put(again(failure))),
                Tried::Gone(failure) => {
                    writes.push(key.put(again(failure)));
                    step = self.gone(failure);
                }
            }
            self.save(true, writes).await?;
            if matches!(step, Step::Stop(_)) {
                return Ok(step);
            }
        }
        Ok(Step::Next)
    }

    /// Removes what a deleted webhook left.
    async fn clean(&mut self) -> Result<After, Ended> {
        loop {
            let store = Arc::clone(self.webhooks.store());
            let letters = store.list::<DeadLetters>(DeadLetters::under(self.key.parts()).limit(REMOVED)).await?;
            let replays = store.list::<Replays>(Replays::under(self.key.parts()).limit(REMOVED)).await?;
            if letters.is_empty() && replays.is_empty() {
                store.commit(Change::of_records(vec![self.key.remove().at(self.version)])).await?;
                return Ok(After::News);
            }
            let letters = letters.iter().map(|(key, _)| key.remove());
            let writes = letters.chain(replays.iter().map(|(key, _)| key.remove())).collect();
            self.save(true, writes).await?;
        }
    }
}
