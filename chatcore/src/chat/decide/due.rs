//! Work that waits for its time: a record in the order of the times, which any process claims by its version.
//!
//! A process that ends while it works keeps the work from others until its lease is over.

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::{StreamExt as _, stream};

use crate::chat::{
    Chat, SendMessage,
    send::{Right, Saying},
};
use crate::{
    error::{Error, Result},
    identity::Principal,
    model::{MessageId, ScheduledId, SessionId, UserId},
    store::{
        Change, ChatStoreExt as _, Due, DueTask, Dues, Found, KeyPart as _, ScheduledMessages, TypedKey as _, Version,
    },
};

/// How long a process has the work for itself.
pub(in crate::chat) const LEASE: TimeDelta = TimeDelta::seconds(30);

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

impl Lane {
    fn of(key: &Dues, task: &DueTask) -> Self {
        match task {
            DueTask::Send { user, id: _ } => Self::Sender(user.clone()),
            DueTask::Purge { session, user: _ } | DueTask::Expire { session } => Self::Session(*session),
            DueTask::EndStream { session: _ } => Self::Stream(key.id),
        }
    }
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
        let (mut after, mut done, mut failed) = (None, 0, None);
        loop {
            let scan = Dues::under(Vec::new()).after(after.take()).limit(PAGE);
            let found = self.inner.store.list::<Dues>(scan).await?;
            let is_last = (found.len() as u64) < PAGE;
            after = found.last().map(|(key, _)| vec![key.at.part(), key.id.part()]);
            let (due, later): (Vec<_>, Vec<_>) = found.into_iter().partition(|(key, _)| key.at <= microseconds(now));
            let is_free = |found: &Found<Due>| found.value.leased_until.is_none_or(|until| until <= now);
            let mut lanes: HashMap<Lane, Vec<(Dues, Found<Due>)>> = HashMap::new();
            for (key, found) in due.into_iter().filter(|(_, found)| is_free(found)) {
                lanes.entry(Lane::of(&key, &found.value.task)).or_default().push((key, found));
            }
            let mut works = stream::iter(lanes.into_values().map(|works| self.do_all(works))).buffer_unordered(AT_ONCE);
            while let Some((more, error)) = works.next().await {
                done += more;
                failed = failed.or(error);
            }
            if is_last || !later.is_empty() {
                return failed.map_or(Ok(done), Err);
            }
        }
    }

    /// Does the work of a lane, one after the other, up to the first failure. Gives how much was done, and the failure.
    async fn do_all(&self, works: Vec<(Dues, Found<Due>)>) -> (u64, Option<Error>) {
        let mut done = 0;
        for (key, found) in works {
            match self.do_one(&key, &found).await {
                Ok(more) => done += more,
                Err(error) => {
                    tracing::warn!(%error, "due work is left for later");
                    return (done, Some(error));
                }
            }
        }
        (done, None)
    }

    /// Does a piece of work where no other process does it, and returns how much was done.
    async fn do_one(&self, key: &Dues, found: &Found<Due>) -> Result<u64> {
        let Some(version) = self.claim(key, &found.value.task, found.version).await? else { return Ok(0) };
        Ok(match &found.value.task {
            DueTask::Send { user, id } => u64::from(self.send_due(key, version, user, *id).await?),
            DueTask::Purge { session, user } => self.purge_due(key, version, *session, user).await,
            DueTask::Expire { session } => self.expire_due(key, version, *session).await,
            DueTask::EndStream { session } => self.end_due(key, version, *session).await,
        })
    }

    /// Takes the work; `None` where another process was faster.
    async fn claim(&self, key: &Dues, task: &DueTask, version: Version) -> Result<Option<Version>> {
        let due = Due { task: task.clone(), leased_until: Some(self.inner.clock.now() + LEASE) };
        let change = Change::of_records(vec![key.put(due).at(version)]);
        let mine = change.id;
        Ok(self.try_commit(change).await?.map(|_| mine))
    }

    /// Sends a scheduled message, or cancels it where its sender may not send it. Whether it was sent.
    async fn send_due(&self, due: &Dues, version: Version, user: &UserId, id: ScheduledId) -> Result<bool> {
        let key = ScheduledMessages { user: user.clone(), id };
        let mut writes = vec![due.remove().at(version)];
        let mut is_sent = false;
        if let Some(found) = self.inner.store.get(&key).await? {
            writes.push(key.remove().at(found.version));
            let scheduled = &found.value;
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
                Ok(()) => is_sent = true,
                Err(error) if is_transient(&error) => {
                    tracing::warn!(session = %scheduled.session, %error, "a scheduled message is left for later");
                    return Ok(false);
                }
                Err(error) => {
                    tracing::info!(session = %scheduled.session, %error, "a scheduled message is cancelled");
                }
            }
        }
        self.try_commit(Change::of_records(writes)).await?;
        Ok(is_sent)
    }
}

/// Whether another attempt may succeed.
fn is_transient(error: &Error) -> bool {
    let status = error.code().status();
    status >= 500 || status == 429
}
