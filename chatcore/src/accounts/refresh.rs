//! Refresh tokens: opaque, kept as digests, and good for one use each.
//!
//! All tokens of a login are a family: each has the family's secret, its number, and a secret of its own. The login keeps the digests of the
//! family's secret and of the token that counts. So an older token is known for one of the family without a record of each. Its use soon
//! after its rotation is a race of two clients, for instance of two tabs of a browser, and is refused without a consequence. Its use later
//! means that somebody else has it, too, and ends the login (RFC 9700, section 4.14.2).

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::{
    Accounts, Client, LoginRecord, Logins, RefreshRecord, RefreshTokens, Tokens,
    logins::{Ending, after, digest},
};
use crate::{
    error::{Error, Result},
    identity::Principal,
    limits::Use,
    model::{LoginId, UserId},
    store::{Change, ChatStoreExt as _, StoreError, TypedKey as _},
    trace::use_case,
};

/// Random bytes of a family, and of a token.
const SECRET_BYTES: usize = 32;

/// Rotations whose times are kept. More of them within the grace count as misuse.
const ROTATIONS: usize = 32;

/// The secret of all tokens of a login.
type Family = [u8; SECRET_BYTES];

/// A new token, and its digest. The token names its login, so that it is found without an index.
fn new_token(login: LoginId, number: u64, family: &Family) -> (String, String) {
    let secret: [u8; SECRET_BYTES] = rand::random();
    let bytes = [&login.0.as_bytes()[..], &number.to_be_bytes(), family, &secret].concat();
    (URL_SAFE_NO_PAD.encode(&bytes), digest(&bytes))
}

/// The first token of a login, and its record.
pub(super) fn first_token(login: LoginId, user: UserId, expires_at: DateTime<Utc>) -> (String, RefreshRecord) {
    let family: Family = rand::random();
    let (token, digest) = new_token(login, 1, &family);
    let family = super::logins::digest(&family);
    (token, RefreshRecord { user, family, number: 1, digest, expires_at, rotated_at: Vec::new() })
}

/// A token that a client presents.
struct Presented {
    login: LoginId,
    number: u64,
    family: Family,
    digest: String,
}

/// What a token says.
fn read(token: &str) -> Option<Presented> {
    const BYTES: usize = 16 + 8 + 2 * SECRET_BYTES;
    // Longer texts are not decoded.
    if token.len() > 2 * BYTES {
        return None;
    }
    let bytes = URL_SAFE_NO_PAD.decode(token).ok().filter(|bytes| bytes.len() == BYTES)?;
    let (login, rest) = bytes.split_at_checked(16)?;
    let (number, rest) = rest.split_first_chunk::<8>()?;
    let (login, number) = (LoginId(Uuid::from_slice(login).ok()?), u64::from_be_bytes(*number));
    Some(Presented { login, number, family: *rest.first_chunk()?, digest: digest(&bytes) })
}

impl Accounts {
    /// New tokens for a refresh token, which is valid for one use. Of concurrent calls with one token, one call succeeds.
    ///
    /// # Errors
    /// [`RefreshTokenInvalid`](Error::RefreshTokenInvalid) for an unknown, expired or used token, and for a token of an ended login, also
    /// by [`Chat::end_login`](crate::Chat::end_login), [`end_all_logins`](crate::Chat::end_all_logins) or
    /// [`revoke_before`](crate::Chat::revoke_before). The reuse of a token later than
    /// [`refresh_grace`](super::AccountSettings::refresh_grace) after its first use ends the login.
    pub async fn refresh(&self, client: &Client, refresh_token: &str) -> Result<Tokens> {
        use_case!("accounts.refresh", async move {
            self.inner.chat.enter_open(client.origin()).await?;
            let Presented { login, number, family, digest } = read(refresh_token).ok_or(Error::RefreshTokenInvalid)?;
            let (key, family_digest) = (RefreshTokens { login }, super::logins::digest(&family));
            for attempt in 0..self.inner.chat.limits().commit_attempts {
                let found = self.store().get(&key).await?.filter(|found| found.value.family == family_digest);
                let found = found.ok_or(Error::RefreshTokenInvalid)?;
                let record = RefreshRecord::clone(&found.value);
                let (user, now) = (record.user.clone(), self.now());
                let grace = TimeDelta::from_std(self.inner.settings.refresh_grace).unwrap_or(TimeDelta::MAX);
                let is_young = |at: &DateTime<Utc>| now - *at <= grace;
                if number < record.number {
                    let back = usize::try_from(record.number - number - 1).unwrap_or(usize::MAX);
                    if !record.rotated_at.get(back).is_some_and(is_young) {
                        tracing::warn!(%user, %login, "a refresh token was used twice; its login ends");
                        self.end(&user, Ending::One(login)).await?;
                    }
                    return Err(Error::RefreshTokenInvalid);
                }
                if number > record.number || record.digest != digest || record.expires_at <= now {
                    return Err(Error::RefreshTokenInvalid);
                }
                let login_key = Logins { user: user.clone(), login };
                let login_found = self.store().get(&login_key).await?.ok_or(Error::RefreshTokenInvalid)?;
                // As old as the login: a refresh makes no login younger that has ended.
                let issued_at = login_found.value.created_at;
                let caller = Principal { login_id: Some(login), issued_at, ..Principal::new(user.clone()) };
                let refused = |error| match error {
                    Error::TokenInvalid => Error::RefreshTokenInvalid,
                    error => error,
                };
                self.inner.chat.enter(&caller, Use::Free).await.map_err(refused)?;
                let hold = self.inner.chat.hold(&caller, &user, attempt > 0).await.map_err(refused)?;
                let next = number.checked_add(1).ok_or(Error::Internal)?;
                let (token, digest) = new_token(login, next, &family);
                let expires_at = after(now, self.inner.settings.refresh_lifetime);
                let mut rotated_at = record.rotated_at;
                rotated_at.insert(0, now);
                rotated_at.retain(is_young);
                rotated_at.truncate(ROTATIONS);
                let issued = RefreshRecord {
                    user: user.clone(),
                    family: record.family,
                    number: next,
                    digest,
                    expires_at,
                    rotated_at,
                };
                let address = client.address.or(login_found.value.address);
                let used =
                    LoginRecord { address, last_used_at: now, expires_at, ..LoginRecord::clone(&login_found.value) };
                let writes = vec![
                    key.put(issued).at(found.version),
                    login_key.put(used).at(login_found.version),
                    // No token is issued after the end of its login.
                    hold,
                ];
                match self.store().commit(Change::of_records(writes)).await {
                    Ok(_) => return self.tokens(&user, login, token, expires_at),
                    Err(StoreError::Conflict { .. }) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            Err(Error::Unavailable)
        })
    }
}
