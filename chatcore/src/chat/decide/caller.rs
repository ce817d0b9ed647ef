//! Whether a caller's token counts, by the standing of its user.

use chrono::{DateTime, Utc};

use crate::chat::Chat;
use crate::{
    error::{Error, Result},
    identity::Principal,
    limits::{Payer, Uses},
    model::{LoginId, UserStanding},
};

/// The claims of a token by which a standing can end the token.
#[derive(Debug, Clone, Copy)]
pub(in crate::chat) struct LoginClaims {
    login_id: Option<LoginId>,
    issued_at: DateTime<Utc>,
}

impl From<&Principal> for LoginClaims {
    fn from(&Principal { login_id, issued_at, .. }: &Principal) -> Self {
        Self { login_id, issued_at }
    }
}

/// Refuses a caller whose account is banned or deleted, or whose token no longer counts.
pub(in crate::chat) fn check(standing: &UserStanding, login: impl Into<LoginClaims>, now: DateTime<Utc>) -> Result<()> {
    let LoginClaims { login_id, issued_at } = login.into();
    if standing.deleted_at.is_some() {
        return Err(Error::AccountDeleted);
    }
    if let Some(ban) = standing.banned_at(now) {
        return Err(Error::AccountBanned(Box::new(ban.clone())));
    }
    if standing.lets_in(login_id, issued_at) { Ok(()) } else { Err(Error::TokenInvalid) }
}

impl Chat {
    /// Counts uses of a caller whose token may have ended.
    ///
    /// Somebody else may have a token that has ended, so its user does not pay for it. A standing that is kept tells, however old it is,
    /// since an ended login never begins again. So a use that is refused costs no read of the store. Where no standing is kept, the user
    /// pays for one use, and the check after it reads the standing.
    ///
    /// # Errors
    /// [`TokenInvalid`](Error::TokenInvalid) for a token that is known to have ended; [`RateLimited`](Error::RateLimited) for one use too
    /// many.
    pub(in crate::chat) async fn charge(&self, principal: &Principal, uses: Uses, now: DateTime<Utc>) -> Result<()> {
        let known = self.inner.standings.known(&principal.user_id);
        let known = known.map(|seen| check(&seen.standing, principal, now));
        if let Some(Err(Error::TokenInvalid)) = known {
            return Err(Error::TokenInvalid);
        }
        self.inner.meter.charge(Payer::User(&principal.user_id), uses, now).await
    }
}
