//! Work that waits for its time: a record in the order of the times, which any process claims by its version.
//!
//! A process that ends while it works keeps the work from others until its lease is over.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::{StreamExt as _, stream};

use crate::chat::{
    Chat, SendMessage,
    later::client_id_of,
    send::{Right, Saying},
};
use crate::{
    error::{Error, Result},
    identity::Principal,
    model::{MessageId, ScheduledId, SessionId, UserId},
    store::{
        Change, ChatStoreExt as _, Due, DueTask, Dues, Found, KeyPart as _, Scheduled, ScheduledMessages,
        TypedKey as _, Version,
    },
};

/// How long a process has the work for itself.
pub(in crate::chat) const LEASE: TimeDelta = TimeDelta::seconds(30);

/// The longest pause before the next attempt to send a message that waits.
const TRY_AGAIN: TimeDelta = TimeDelta::seconds(30);

/// Records that are read at once.
const PAGE: u64 = 100;

/// Lanes of work that are done at once. The host's message policy may take seconds for each message.
const AT_ONCE: usize = 16;

/// Work that is done one after the other. The lanes are done side by side, so work that takes long delays only its own lane.
#[derive(Debug, PartialEq, Eq, Hash)]
enum Lane {
    /// The messages of a user, so that they are sent in the order of their times.
    Sender(UserId),
    /// The deletions in a session. Two at once would only make each other fail.
    Session(SessionId),
    /// The end of a message.
    Stream(ScheduledId),
}

/// A sender and a session. The sender's messages come there in the order of their times.
type Place = (UserId, SessionId);

/// A piece of due work.
struct Work {
    key: Dues,
    due: Found<Due>,
    /// The message that is to be sent.
    scheduled: Option<Found<Scheduled>>,
}

impl Work {
    fn lane(&self) -> Lane {
        match &self.due.value.task {
            DueTask::Send { user, .. } => Lane::Sender(user.clone()),
            DueTask::Purge { session, user: _ } | DueTask::Expire { session } => Lane::Session(*session),
            DueTask::EndStream { session: _ } => Lane::Stream(self.key.id),
        }
    }

    /// Whether no process does the work, and it does not wait.
    fn is_free(&self, now: DateTime<Utc>) -> bool {
        let Due { task, leased_until } = &*self.due.value;
        let not_before = match task {
            DueTask::Send { not_before, .. } => *not_before,
            DueTask::Purge { .. } | DueTask::Expire { .. } | DueTask::EndStream { .. } => None,
        };
        [*leased_until, not_before].into_iter().flatten().all(|until| until <= now)
    }

    /// The sender and the session of a scheduled message; `None` for other work.
    fn place(&self) -> Option<Place> {
        match &self.due.value.task {
            DueTask::Send { user, .. } => self.scheduled.as_ref().map(|found| (user.clone(), found.value.session)),
            DueTask::Purge { .. } | DueTask::Expire { .. } | DueTask::EndStream { .. } => None,
        }
    }
}

/// What came of the work of a lane.
#[derive(Default)]
struct Outcome {
    done: u64,
    /// Where messages wait.
    waiting: HashSet<Place>,
    /// The first failure.
    error: Option<Error>,
}

/// A time as a part of a key. Times before 1970 have the key of its beginning.
pub(in crate::chat) fn microseconds(time: DateTime<Utc>) -> u64 {
    u64::try_from(time.timestamp_micros()).unwrap_or(0)
}

impl Chat {
    /// Does the due work, and returns the number of completed items: sends due scheduled messages, deletes expired messages, ends streamed
    /// messages without an author, and continues deletions of all messages of a user. The chat does this work automatically every
    /// [`due_interval`](crate::Limits::due_interval), from the first use case or from
    /// [`start_background_tasks`](Self::start_background_tasks) on.
    ///
    /// # Errors
    /// [`Unavailable`](Error::Unavailable) when the store is unavailable. Work that fails stays due, and delays no other work.
    pub async fn run_due(&self) -> Result<u64> {
        self.record_streams().await;
        // Work that is put again meanwhile is for the next run: otherwise, a run might never end.
        let now = self.inner.clock.now();
        let (mut after, mut done, mut waiting, mut failed) = (None, 0, HashSet::new(), None);
        loop {
            let scan = Dues::under(Vec::new()).after(after.take()).limit(PAGE);
            let found = self.inner.store.list::<Dues>(scan).await?;
            let is_last = (found.len() as u64) < PAGE;
            after = found.last().map(|(key, _)| vec![key.at.part(), key.id.part()]);
            let (due, later): (Vec<_>, Vec<_>) = found.into_iter().partition(|(key, _)| key.at <= microseconds(now));
            let mut lanes: HashMap<Lane, Vec<Work>> = HashMap::new();
            for work in self.works(due).await? {
                lanes.entry(work.lane()).or_default().push(work);
            }
            let before = &waiting;
            let works = lanes.into_values().map(|works| self.do_all(works, before, now));
            let outcomes: Vec<Outcome> = stream::iter(works).buffer_unordered(AT_ONCE).collect().await;
            for outcome in outcomes {
                done += outcome.done;
                waiting.extend(outcome.waiting);
                failed = failed.or(outcome.error);
            }
            if is_last || !later.is_empty() {
                return failed.map_or(Ok(done), Err);
            }
        }
    }

    /// The work with the messages that are to be sent.
    async fn works(&self, due: Vec<(Dues, Found<Due>)>) -> Result<Vec<Work>> {
        let message = |(_, found): &(Dues, Found<Due>)| match &found.value.task {
            DueTask::Send { user, id, .. } => Some(ScheduledMessages { user: user.clone(), id: *id }),
            DueTask::Purge { .. } | DueTask::Expire { .. } | DueTask::EndStream { .. } => None,
        };
        let keys: Vec<_> = due.iter().filter_map(message).collect();
        let found = if keys.is_empty() { Vec::new() } else { self.inner.store.get_all(&keys).await? };
        let mut messages: HashMap<_, _> = keys.into_iter().zip(found).collect();
        let work = |entry: (Dues, Found<Due>)| {
            let scheduled = message(&entry).and_then(|key| messages.remove(&key)).flatten();
            let (key, due) = entry;
            Work { key, due, scheduled }
        };
        Ok(due.into_iter().map(work).collect())
    }

    /// Does the work of a lane, one after the other. A message that waits, or that another process sends, holds back the later messages of its
    /// sender to the session. `before` says where earlier messages wait.
    async fn do_all(&self, works: Vec<Work>, before: &HashSet<Place>, now: DateTime<Utc>) -> Outcome {
        let mut outcome = Outcome::default();
        for work in works {
            let place = work.place();
            if place.as_ref().is_some_and(|place| before.contains(place) || outcome.waiting.contains(place)) {
                continue;
            }
            match self.do_one(&work, now).await {
                Ok(Some(more)) => outcome.done += more,
                Ok(None) => outcome.waiting.extend(place),
                Err(error) => {
                    tracing::warn!(%error, "due work is left for later");
                    outcome.waiting.extend(place);
                    outcome.error = outcome.error.or(Some(error));
                }
            }
        }
        outcome
    }

    /// Does a piece of work, and returns how much was done; `None` where it waits, or another process does it.
    async fn do_one(&self, work: &Work, now: DateTime<Utc>) -> Result<Option<u64>> {
        let Work { key, due, scheduled } = work;
        if !work.is_free(now) {
            return Ok(None);
        }
        let Some(claim) = self.claim(key, &due.value.task, due.version).await? else { return Ok(None) };
        Ok(match &due.value.task {
            DueTask::Send { user, id, .. } => {
                let message = ScheduledMessages { user: user.clone(), id: *id };
                self.send_due(key, claim, &message, scheduled.as_ref()).await?
            }
            DueTask::Purge { session, user } => Some(self.purge_due(key, claim, *session, user).await),
            DueTask::Expire { session } => Some(self.expire_due(key, claim, *session).await),
            DueTask::EndStream { session } => Some(self.end_due(key, claim, *session).await),
        })
    }

    /// Takes the work; `None` where another process was faster.
    async fn claim(&self, key: &Dues, task: &DueTask, version: Version) -> Result<Option<Version>> {
        let due = Due { task: task.clone(), leased_until: Some(self.inner.clock.now() + LEASE) };
        let change = Change::of_records(vec![key.put(due).at(version)]);
        let mine = change.id;
        Ok(self.try_commit(change).await?.map(|_| mine))
    }

    /// Sends a scheduled message, or cancels it where its sender may not send it. How many were sent; `None` where the message waits.
    async fn send_due(
        &self,
        due: &Dues,
        claim: Version,
        key: &ScheduledMessages,
        found: Option<&Found<Scheduled>>,
    ) -> Result<Option<u64>> {
        let mut writes = vec![due.remove().at(claim)];
        let mut count = 0;
        if let Some(found) = found {
            let (user, scheduled) = (&key.user, &found.value);
            writes.extend([key.remove().at(found.version), client_id_of(user, scheduled).remove()]);
            let sender = match scheduled.bot_token {
                Some(token) => self.bot_of_login(user, token).await,
                None => Ok(Principal::new(user.clone())),
            };
            // The client id makes a second attempt safe: of a process that ended between the message and the removal of the record.
            let reply_to = scheduled.reply_to.map(|seq| MessageId { session_id: scheduled.session, seq });
            let client_id = Some(scheduled.client_id.clone());
            let (mentions, mentions_everybody) = (scheduled.mentions.clone(), scheduled.mentions_everybody);
            let message = SendMessage {
                client_id,
                reply_to,
                mentions,
                mentions_everybody,
                ..SendMessage::new(scheduled.body.clone())
            };
            let saying = Saying::new(message, Right::Stay(scheduled.stay))?;
            let sent = match sender {
                Ok(sender) => self.say(&sender, scheduled.session, saying).await.map(drop),
                Err(error) => Err(error),
            };
            match sent {
                Ok(()) => count = 1,
                Err(error) if is_transient(&error) => {
                    tracing::warn!(session = %scheduled.session, %error, "a scheduled message is left for later");
                    self.postpone(due, claim, key, &error).await?;
                    return Ok(None);
                }
                Err(error) => {
                    tracing::info!(session = %scheduled.session, %error, "a scheduled message is cancelled");
                }
            }
        }
        self.try_commit(Change::of_records(writes)).await?;
        Ok(Some(count))
    }

    /// Gives back the lease of a message that waits, so that its sender can cancel it meanwhile. The record keeps its place in the order of the
    /// times.
    async fn postpone(&self, due: &Dues, claim: Version, message: &ScheduledMessages, error: &Error) -> Result<()> {
        let wait = match error {
            // The message may have been sent. Until the lease is over, nobody can cancel it.
            Error::OutcomeUnknown => return Ok(()),
            Error::RateLimited { retry_after } => i64::try_from(*retry_after).ok().and_then(TimeDelta::try_seconds),
            _ => None,
        };
        let wait = wait.map_or(TRY_AGAIN, |wait| wait.min(TRY_AGAIN));
        let not_before = Some(self.inner.clock.now() + wait);
        let task = DueTask::Send { user: message.user.clone(), id: message.id, not_before };
        self.try_commit(Change::of_records(vec![due.put(Due { task, leased_until: None }).at(claim)])).await?;
        Ok(())
    }
}

/// Whether another attempt may succeed.
fn is_transient(error: &Error) -> bool {
    let status = error.code().status();
    status >= 500 || status == 429
}
