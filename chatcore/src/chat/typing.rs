//! Signals that callers give.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use chrono::{DateTime, TimeDelta, Utc};

use super::Chat;
use crate::{
    error::Result,
    identity::Principal,
    limits::Use,
    model::{SessionId, Signal, UserId},
    notify::Hint,
    permission::Action,
    store::Freshness,
    trace::use_case,
};

/// How long a user types where nothing more is heard of it.
const ENDS_AFTER: TimeDelta = TimeDelta::seconds(6);

/// The time between two signals that say the same of a user in a session.
const REPEATED_AFTER: TimeDelta = TimeDelta::seconds(3);

/// Signals about a user in a session that may follow each other at once. After that, one more comes for each second.
const AT_ONCE: u8 = 10;

/// Users of whom it is remembered that they type, before those are forgotten who do no longer.
const KEPT: usize = 1_024;

/// What the readers of sessions were told of who types. It keeps a client that types a thousand times a second from costing the readers
/// anything.
#[derive(Default)]
pub(in crate::chat) struct Typists(Mutex<HashMap<(SessionId, UserId), Told>>);

#[derive(Debug, Clone, Copy)]
struct Told {
    is_typing: bool,
    at: DateTime<Utc>,
    /// Signals that may follow at once.
    left: u8,
}

impl Told {
    /// Whether nothing follows from it any more.
    fn is_old(&self, now: DateTime<Utc>) -> bool {
        self.at > now || self.at + ENDS_AFTER.max(TimeDelta::seconds(i64::from(AT_ONCE))) <= now
    }

    /// The number of signals that may follow at once, as of now.
    fn left(&self, now: DateTime<Utc>) -> u8 {
        let seconds = u8::try_from((now - self.at).num_seconds().max(0)).unwrap_or(AT_ONCE);
        self.left.saturating_add(seconds).min(AT_ONCE)
    }
}

impl Typists {
    fn told(&self) -> MutexGuard<'_, HashMap<(SessionId, UserId), Told>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the readers are to be told that a user began or stopped typing.
    fn tell(&self, session_id: SessionId, user: &UserId, is_typing: bool, now: DateTime<Utc>) -> bool {
        let mut all = self.told();
        if all.len() >= KEPT && all.len().is_power_of_two() {
            all.retain(|_, told| !told.is_old(now));
        }
        let key = (session_id, user.clone());
        let before = all.get(&key).filter(|told| !told.is_old(now)).copied();
        let left = before.map_or(AT_ONCE, |told| told.left(now));
        let is_repeated =
            before.is_some_and(|told| told.is_typing == is_typing && (!is_typing || told.at + REPEATED_AFTER > now));
        if is_repeated || left == 0 {
            return false;
        }
        all.insert(key, Told { is_typing, at: now, left: left - 1 });
        true
    }

    /// Whether the readers are to be told that a user types no longer, who has sent a message.
    fn sent(&self, session_id: SessionId, user: &UserId, now: DateTime<Utc>) -> bool {
        let mut all = self.told();
        if all.is_empty() {
            return false;
        }
        let Some(told) = all.get_mut(&(session_id, user.clone())) else { return false };
        let types = told.is_typing && !told.is_old(now) && told.at + ENDS_AFTER > now;
        // A user may type once more for each message that the user sends.
        *told = Told { is_typing: false, at: now, left: AT_ONCE };
        types
    }
}

impl Chat {
    /// Signals to the connected readers that the caller started or stopped typing. The signal is not stored. Typing ends after 6 seconds
    /// without a repeated call, and with the caller's next message. The signal contains the time of the end, so the end needs no connected
    /// caller.
    ///
    /// A repeated call within 3 seconds causes no signal, and neither does a change faster than about once in a second.
    ///
    /// # Errors
    /// [`Denied`](crate::Error::Denied) when the caller may not send.
    pub async fn typing(&self, principal: &Principal, session_id: SessionId, is_typing: bool) -> Result<()> {
        use_case!("typing", session_id, async move {
            self.enter(principal, Use::Signal).await?;
            // Fresh, because nothing is committed that would notice an old permission.
            let known = self.allowed(session_id, principal, Action::Send, Freshness::Fresh).await?;
            self.may_write_to(principal, &known).await?;
            let now = self.inner.clock.now();
            if self.inner.typists.tell(session_id, &principal.user_id, is_typing, now) {
                self.tell_typing(session_id, &principal.user_id, is_typing, now).await;
            }
            Ok(())
        })
    }

    /// Ends the typing of a user whose message was sent.
    pub(in crate::chat) async fn end_typing(&self, session_id: SessionId, user: &UserId) {
        let now = self.inner.clock.now();
        if self.inner.typists.sent(session_id, user, now) {
            self.tell_typing(session_id, user, false, now).await;
        }
    }

    async fn tell_typing(&self, session_id: SessionId, user: &UserId, is_typing: bool, now: DateTime<Utc>) {
        let until = is_typing.then(|| now + ENDS_AFTER);
        let signal = Signal::Typing { session_id, user_id: user.clone(), is_typing, until };
        self.publish(Hint::Signal(signal)).await;
    }
}
