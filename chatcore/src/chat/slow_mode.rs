//! Slow mode: the time that a sender waits between two messages.

use chrono::{DateTime, TimeDelta, Utc};

use super::{Chat, decide::govern::Known};
use crate::{
    error::{Error, Result},
    model::UserId,
    permission::Action,
    store::{ChatStoreExt as _, LastSend, LastSends, TypedKey as _, Write},
};

/// Maximum of the time between two messages of one sender, in seconds.
pub const MAX_SLOW_MODE_SECONDS: u32 = 21_600;

impl Chat {
    /// The write that notes the time of a message; `None` where its sender need not wait between messages. The write expects the version that
    /// was read, so of two sends at once, through whatever processes, one is decided again.
    ///
    /// # Errors
    /// [`RateLimited`](Error::RateLimited) where the sender has to wait.
    pub(super) async fn paced(&self, known: &Known, user: &UserId, now: DateTime<Utc>) -> Result<Option<Write>> {
        let session = known.session()?;
        let interval = TimeDelta::seconds(session.settings.slow_mode_seconds.into());
        let change = Action::Update { session_type: None, max_participants: None };
        if interval.is_zero() || self.inner.permissions.decide(&known.facts(), change).is_ok() {
            return Ok(None);
        }
        let key = LastSends { session: session.id, user: user.clone() };
        let Some(last) = self.inner.store.get(&key).await? else {
            return Ok(Some(key.put(LastSend { at: now }).absent()));
        };
        // A clock may be set back, or another process may have a clock that is ahead. A time that is further ahead than the interval counts for
        // nothing: its sender would wait until the clock is there. So nobody waits longer than two intervals.
        let is_ahead = last.value.at - now > interval;
        let wait = (last.value.at + interval - now).min(interval);
        if !is_ahead && wait > TimeDelta::zero() {
            let whole = u64::try_from(wait.num_seconds()).unwrap_or(0);
            let is_whole = wait == TimeDelta::seconds(wait.num_seconds());
            return Err(Error::RateLimited { retry_after: whole.saturating_add(u64::from(!is_whole)) });
        }
        Ok(Some(key.put(LastSend { at: now }).at(last.version)))
    }
}
