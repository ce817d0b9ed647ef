//! The login of a reader that is in step with its log.

use chrono::{DateTime, Utc};
use tokio::sync::watch;

use super::standings::Seen;
use crate::{
    chat::decide::caller::{LoginClaims, check},
    model::UserId,
};

/// Knows whether the login of a reader is over.
pub(in crate::chat) struct Login {
    seen: watch::Receiver<Seen>,
    login: LoginClaims,
}

impl Login {
    pub(super) const fn new(seen: watch::Receiver<Seen>, login: LoginClaims) -> Self {
        Self { seen, login }
    }

    /// When the user of the login blocked another user; `None` where that is not so.
    pub(in crate::chat) fn blocked_at(&self, user: &UserId) -> Option<DateTime<Utc>> {
        self.seen.borrow().blocked.as_ref()?.at.get(user).copied()
    }

    /// Whether the login is over. A reader asks before each delivery, so this takes no lock while there is no news.
    pub(in crate::chat) fn is_over(&mut self, now: DateTime<Utc>) -> bool {
        if !self.seen.has_changed().unwrap_or(false) {
            return false;
        }
        let is_over = check(&self.seen.borrow_and_update().standing, self.login, now).is_err();
        if is_over {
            // It is over the next time, too.
            self.seen.mark_changed();
        }
        is_over
    }
}
