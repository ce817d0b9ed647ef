//! Refresh tokens: opaque, kept as digests, and good for one use each.
//!
//! All tokens of a login are a family. A token that was used once is kept with the time of its rotation. Its use soon after that is a race
//! of two clients, for instance of two tabs of a browser, and is refused without a consequence. Its use later means that somebody else has
//! it, too, and ends the login (RFC 9700, section 4.14.2).

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::TimeDelta;
use uuid::Uuid;

use super::{
    Accounts, Client, LoginRecord, Logins, RefreshRecord, RefreshTokens, Tokens,
    logins::{Ending, after, digest},
};
use crate::{
    error::{Error, Result},
    identity::Principal,
    limits::Use,
    model::LoginId,
    store::{Change, ChatStoreExt as _, KeyPart as _, StoreError, TypedKey as _},
};

/// Random bytes of a token.
const SECRET_BYTES: usize = 32;

/// Old tokens of a login that one refresh removes.
const REMOVED: u64 = 4;

/// A new token, and its digest. The token names its place, so that it is found without an index.
pub(super) fn new_token(login: LoginId, number: u64) -> (String, String) {
    let secret: [u8; SECRET_BYTES] = rand::random();
    let bytes = [&login.0.as_bytes()[..], &number.to_be_bytes(), &secret].concat();
    (URL_SAFE_NO_PAD.encode(&bytes), digest(&bytes))
}

/// The place that a token names, and its digest.
fn read(token: &str) -> Option<(LoginId, u64, String)> {
    const BYTES: usize = 16 + 8 + SECRET_BYTES;
    // Longer texts are not decoded.
    if token.len() > 2 * BYTES {
        return None;
    }
    let bytes = URL_SAFE_NO_PAD.decode(token).ok().filter(|bytes| bytes.len() == BYTES)?;
    let (login, rest) = bytes.split_at_checked(16)?;
    let number = rest.first_chunk::<8>()?;
    Some((LoginId(Uuid::from_slice(login).ok()?), u64::from_be_bytes(*number), digest(&bytes)))
}

impl Accounts {
    /// New tokens for a refresh token, which can be used once. Of several calls at once with one token, one succeeds.
    ///
    /// # Errors
    /// [`RefreshTokenInvalid`](Error::RefreshTokenInvalid) for a token that is unknown, over, or used. A token that was used longer ago
    /// than [`refresh_grace`](super::AccountSettings::refresh_grace) ends its login.
    pub async fn refresh(&self, client: &Client, refresh_token: &str) -> Result<Tokens> {
        self.inner.chat.enter_open(client.origin()).await?;
        let (login, number, digest) = read(refresh_token).ok_or(Error::RefreshTokenInvalid)?;
        let key = RefreshTokens { login, number };
        for _ in 0..self.inner.chat.limits().commit_attempts {
            let found = self.store().get(&key).await?.filter(|found| found.value.digest == digest);
            let found = found.ok_or(Error::RefreshTokenInvalid)?;
            let RefreshRecord { user, digest: _, expires_at, rotated_at } = RefreshRecord::clone(&found.value);
            let now = self.now();
            if expires_at <= now {
                return Err(Error::RefreshTokenInvalid);
            }
            if let Some(rotated_at) = rotated_at {
                let grace = TimeDelta::from_std(self.inner.settings.refresh_grace).unwrap_or(TimeDelta::MAX);
                if now - rotated_at > grace {
                    tracing::warn!(%user, %login, "a refresh token was used twice; its login ends");
                    self.end(&user, Ending::One(login)).await?;
                }
                return Err(Error::RefreshTokenInvalid);
            }
            let login_key = Logins { user: user.clone(), login };
            let login_found = self.store().get(&login_key).await?.ok_or(Error::RefreshTokenInvalid)?;
            let caller = Principal { login_id: Some(login), issued_at: now, ..Principal::new(user.clone()) };
            self.inner.chat.enter(&caller, Use::Free).await.map_err(|error| match error {
                Error::TokenInvalid => Error::RefreshTokenInvalid,
                error => error,
            })?;
            let next = number.checked_add(1).ok_or(Error::Internal)?;
            let (token, digest) = new_token(login, next);
            let expires_at = after(now, self.inner.settings.refresh_lifetime);
            let rotated = RefreshRecord { rotated_at: Some(now), ..RefreshRecord::clone(&found.value) };
            let issued = RefreshRecord { user: user.clone(), digest, expires_at, rotated_at: None };
            let address = client.address.or(login_found.value.address);
            let used = LoginRecord { address, last_used_at: now, expires_at, ..LoginRecord::clone(&login_found.value) };
            let mut writes = vec![
                key.put(rotated).at(found.version),
                RefreshTokens { login, number: next }.put(issued).absent(),
                login_key.put(used).at(login_found.version),
            ];
            let oldest = RefreshTokens::under(vec![login.part()]).limit(REMOVED);
            for (old, token) in self.store().list::<RefreshTokens>(oldest).await? {
                if old.number < number && token.value.expires_at <= now {
                    writes.push(old.remove());
                }
            }
            match self.store().commit(Change::of_records(writes)).await {
                Ok(_) => return self.tokens(&user, login, token, expires_at),
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Error::Unavailable)
    }
}
