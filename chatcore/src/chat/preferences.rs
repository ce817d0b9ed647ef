//! A user's settings for sessions.

use chrono::{DateTime, SubsecRound as _, Utc};

use super::Chat;
use crate::{
    error::{Code, Error, Result},
    identity::Principal,
    limits::Use,
    model::{Preferences, SessionId, Signal},
    notify::Hint,
    permission::Action,
    store::{Change, ChatStoreExt as _, Freshness, SessionPreferences, TypedKey as _},
    trace::use_case,
};

/// New settings of a user for a session. A setting with `None` does not change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SetPreferences {
    /// Whether the user wants no notifications.
    pub is_muted: Option<bool>,
    /// The end of the mute; no end where not given. Only with `is_muted: true`.
    pub muted_until: Option<DateTime<Utc>>,
    /// Whether the session is one of the user's favourites.
    pub is_favourite: Option<bool>,
}

impl SetPreferences {
    fn check(&self, now: DateTime<Utc>) -> Result<()> {
        let refused = |message| Err(Error::invalid("muted_until", Code::ValidationInvalidValue, message));
        match self.muted_until {
            Some(_) if self.is_muted != Some(true) => refused("give it together with is_muted: true"),
            Some(until) if until <= now => refused("must be in the future"),
            Some(_) | None => Ok(()),
        }
    }

    fn applied(self, to: Preferences) -> Preferences {
        let Self { is_muted, muted_until, is_favourite } = self;
        let (is_muted, muted_until) = match is_muted {
            // As exact as all times on the wire.
            Some(is_muted) => (is_muted, muted_until.map(|until| until.trunc_subsecs(6))),
            None => (to.is_muted, to.muted_until),
        };
        Preferences { is_muted, muted_until, is_favourite: is_favourite.unwrap_or(to.is_favourite) }
    }
}

impl Chat {
    /// Changes the caller's settings for a session, and returns the settings. A retry is safe. The caller's other devices receive a
    /// [signal](Signal::Preferences).
    ///
    /// # Errors
    /// [`Denied`](Error::Denied) when the caller may not view the session; [`Invalid`](Error::Invalid) for an end of the mute in the past,
    /// and for an end without a mute.
    pub async fn set_preferences(
        &self,
        principal: &Principal,
        id: SessionId,
        changes: SetPreferences,
    ) -> Result<Preferences> {
        use_case!("set_preferences", id, async move {
            self.enter(principal, Use::Request).await?;
            let now = self.inner.clock.now();
            changes.check(now)?;
            self.allowed(id, principal, Action::View, Freshness::Fresh).await?;
            let user = &principal.user_id;
            let key = SessionPreferences { user: user.clone(), session: id };
            for _ in 0..self.inner.limits.commit_attempts {
                let found = self.inner.store.get(&key).await?;
                let before = found.as_ref().map(|found| Preferences::from(*found.value)).unwrap_or_default();
                let preferences = changes.applied(before.at(now));
                if preferences == before {
                    return Ok(preferences);
                }
                let write = if preferences == Preferences::default() {
                    key.clone().remove()
                } else {
                    key.clone().put(preferences.into())
                };
                let write = match &found {
                    Some(found) => write.at(found.version),
                    None => write.absent(),
                };
                if self.try_commit(Change::of_records(vec![write])).await?.is_some() {
                    let signal = Signal::Preferences { user_id: user.clone(), session_id: id, preferences };
                    self.publish(Hint::Signal(signal)).await;
                    return Ok(preferences);
                }
            }
            Err(Error::Unavailable)
        })
    }
}
