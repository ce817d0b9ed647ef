//! One process at a time runs a bot: a record that the process renews, and that expires where the process crashed.
//!
//! Positions are written with the lease and at its version. So a process that was asleep while another one took the lease writes none.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::runner::Shared;
use crate::{
    error::{Error, Result},
    limits::Use,
    model::{Seq, SessionId},
    store::{
        BotCursor, BotCursors, BotLease, BotLeases, Change, ChatStoreExt as _, Conflicting, Expect, StoreError,
        TypedKey as _, Version, Write,
    },
};

/// Positions that are written at once.
const CHUNK: usize = 100;

/// The right of this process to run the bot.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lease {
    holder: Uuid,
    version: Version,
}

/// What became of a lease that was renewed.
pub(super) enum Renewed {
    Kept(Lease),
    /// Another process runs the bot.
    Lost,
}

/// When a lease ends that is taken now. One without an end is a century long.
fn end(now: DateTime<Utc>, lease: Duration) -> DateTime<Utc> {
    const CENTURY: TimeDelta = TimeDelta::days(36_525);
    let lease = TimeDelta::from_std(lease).unwrap_or(CENTURY).min(CENTURY);
    now.checked_add_signed(lease).unwrap_or(DateTime::<Utc>::MAX_UTC)
}

impl Shared {
    fn lease_key(&self) -> BotLeases {
        BotLeases { user: self.principal.user_id.clone() }
    }

    /// Takes the lease; `None` while another process has it.
    ///
    /// # Errors
    /// An error that ends the login where the bot's user may not act any more; otherwise that of the store.
    pub(super) async fn take_lease(&self) -> Result<Option<Lease>> {
        // A user who was deleted gets no new record.
        self.chat.enter(&self.principal, Use::Free).await?;
        let (key, now) = (self.lease_key(), self.chat.now());
        let found = self.chat.store().get(&key).await?;
        if found.as_ref().is_some_and(|found| found.value.until > now) {
            return Ok(None);
        }
        let holder = self.chat.clock().new_id();
        let write = key.put(BotLease { holder, until: end(now, self.options.lease) });
        let write = match found {
            Some(found) => write.at(found.version),
            None => write.absent(),
        };
        let change = Change::of_records(vec![write]);
        let version = change.id;
        match self.chat.store().commit(change).await {
            Ok(_) => Ok(Some(Lease { holder, version })),
            Err(StoreError::Conflict { found: _ }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Renews the lease and writes positions.
    pub(super) async fn renew(&self, mut lease: Lease, positions: &[(SessionId, Seq)]) -> Result<Renewed> {
        let mut chunks = positions.chunks(CHUNK);
        // Without a position the lease is renewed alone.
        let mut chunk = chunks.next().unwrap_or_default();
        loop {
            let until = end(self.chat.now(), self.options.lease);
            let renewal = self.lease_key().put(BotLease { holder: lease.holder, until });
            match self.write_with(lease, renewal, chunk).await? {
                Renewed::Kept(kept) => lease = kept,
                Renewed::Lost => return Ok(Renewed::Lost),
            }
            match chunks.next() {
                Some(next) => chunk = next,
                None => return Ok(Renewed::Kept(lease)),
            }
        }
    }

    /// Writes the last positions and gives the lease back, so that another process goes on at once.
    pub(super) async fn release(&self, lease: Lease, positions: &[(SessionId, Seq)]) -> Result<()> {
        if let Renewed::Kept(lease) = self.renew(lease, positions).await? {
            self.write_with(lease, self.lease_key().remove(), &[]).await?;
        }
        Ok(())
    }

    /// Gives the lease of a user back who is no more, and writes no position.
    pub(super) async fn abandon(&self, lease: Lease) -> Result<()> {
        self.write_with(lease, self.lease_key().remove(), &[]).await.map(|_| ())
    }

    async fn write_with(&self, mut lease: Lease, write: Write, positions: &[(SessionId, Seq)]) -> Result<Renewed> {
        let user = &self.principal.user_id;
        let cursor = |(session, seq): &(SessionId, Seq)| {
            BotCursors { user: user.clone(), session: *session }.put(BotCursor { seq: *seq })
        };
        for _ in 0..self.chat.limits().commit_attempts.max(1) {
            let own = Write { expect: Expect::Version(lease.version), ..write.clone() };
            let change = Change::of_records(std::iter::once(own).chain(positions.iter().map(cursor)).collect());
            let version = change.id;
            let found = match self.chat.store().commit(change).await {
                Ok(_) => return Ok(Renewed::Kept(Lease { version, ..lease })),
                Err(StoreError::Conflict { found: Conflicting::Record { .. } }) => {
                    self.chat.store().get(&self.lease_key()).await?
                }
                Err(error) => return Err(error.into()),
            };
            // An earlier renewal may have happened although its answer was lost.
            match found.filter(|found| found.value.holder == lease.holder) {
                Some(found) => lease.version = found.version,
                None => return Ok(Renewed::Lost),
            }
        }
        Err(Error::Unavailable)
    }
}
