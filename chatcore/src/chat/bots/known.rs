//! Callers that authenticate with a token of a bot.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use moka::sync::Cache;

use super::tokens::{digest, is_over};
use crate::{
    chat::{Chat, decide::caller::check, read::profiles::is_younger},
    error::{Error, Result},
    identity::{Principal, Scope},
    model::{BotSecret, LoginId, UserId},
    permission::ActionKind,
    store::{BotTokenRecord, BotTokenUse, BotTokenUses, BotTokens, Bots, Change, ChatStoreExt as _, TypedKey as _},
};

/// Tokens kept in memory.
const KEPT: u64 = 10_000;

/// After how long a token is looked up again. A revocation counts before: it ends the login.
const READ_AGAIN: TimeDelta = TimeDelta::seconds(60);

/// The longest text that is taken for a token of a bot, in bytes.
const MAX_BYTES: usize = 100;

/// The callers whom tokens stood for a moment ago, by their digests. Nothing that a token says changes.
pub(in crate::chat) struct KnownTokens(Cache<String, Arc<KnownToken>>);

struct KnownToken {
    principal: Principal,
    owner: UserId,
    read_at: DateTime<Utc>,
}

impl Default for KnownTokens {
    fn default() -> Self {
        Self(Cache::new(KEPT))
    }
}

impl KnownTokens {
    /// Forgets a token that was revoked.
    pub(super) fn forget(&self, digest: &str) {
        self.0.invalidate(digest);
    }
}

/// The caller whom a token stands for.
fn caller(bot: UserId, token: &BotTokenRecord) -> Principal {
    let sessions = token.sessions.as_ref().map(|sessions| sessions.iter().copied().collect());
    // An action that a newer version knows allows nothing here.
    let actions = token.actions.as_ref();
    let actions = actions.map(|names| names.iter().filter_map(|name| ActionKind::named(name)).collect());
    let scope = Scope { sessions, actions };
    Principal {
        issued_at: token.created_at,
        login_id: Some(token.id),
        expires_at: token.expires_at,
        scope: scope.is_restricted().then(|| Arc::new(scope)),
        ..Principal::new(bot)
    }
}

impl Chat {
    /// The bot that shows a token. A token that is wrong, over or revoked gets one answer.
    pub(crate) async fn bot_of_token(&self, token: &str) -> Result<Principal> {
        if token.len() > MAX_BYTES || !token.starts_with(BotSecret::PREFIX) {
            return Err(Error::TokenInvalid);
        }
        let now = self.inner.clock.now();
        let known = self.known_token(&digest(token), now).await?;
        let KnownToken { principal, owner, read_at: _ } = &*known;
        if principal.expires_at.is_some_and(|end| end <= now) {
            return Err(Error::TokenInvalid);
        }
        self.check_bot(principal, owner, now).await?;
        Ok(principal.clone())
    }

    /// The bot that used a token before. It gets the same answer where the token is wrong, over or revoked by now.
    pub(in crate::chat) async fn bot_of_login(&self, bot: &UserId, login: LoginId) -> Result<Principal> {
        let now = self.inner.clock.now();
        let record = self.inner.store.get(&Bots { bot: bot.clone() }).await?.ok_or(Error::TokenInvalid)?.value;
        let found = record.tokens.iter().find(|token| token.id == login && !is_over(token, now));
        let principal = caller(bot.clone(), found.ok_or(Error::TokenInvalid)?);
        self.check_bot(&principal, &record.owner, now).await?;
        Ok(principal)
    }

    /// Refuses a token whose bot may not act, or whose bot has an owner that may not.
    async fn check_bot(&self, principal: &Principal, owner: &UserId, now: DateTime<Utc>) -> Result<()> {
        let standing = self.inner.standings.get(&principal.user_id).await?.standing;
        let of_owner = self.inner.standings.get(owner).await?.standing;
        // Whatever ended the bot or its owner, the token is not valid.
        if check(&standing, principal, now).is_err() || !of_owner.may_enter(now) {
            return Err(Error::TokenInvalid);
        }
        Ok(())
    }

    async fn known_token(&self, digest: &str, now: DateTime<Utc>) -> Result<Arc<KnownToken>> {
        let known = self.inner.bot_tokens.0.get(digest);
        if let Some(known) = known.filter(|known| is_younger(known.read_at, now, READ_AGAIN)) {
            return Ok(known);
        }
        let place = self.inner.store.get(&BotTokens { digest: digest.to_owned() }).await?;
        let bot = place.ok_or(Error::TokenInvalid)?.value.bot.clone();
        let record = self.inner.store.get(&Bots { bot: bot.clone() }).await?.ok_or(Error::TokenInvalid)?.value;
        let found = record.tokens.iter().find(|token| token.digest == digest && !is_over(token, now));
        let token = found.ok_or(Error::TokenInvalid)?;
        let principal = caller(bot.clone(), token);
        let known = Arc::new(KnownToken { principal, owner: record.owner.clone(), read_at: now });
        self.inner.bot_tokens.0.insert(digest.to_owned(), Arc::clone(&known));
        let used = BotTokenUses { bot, token: token.id }.put(BotTokenUse { at: now });
        if let Err(error) = self.inner.store.commit(Change::of_records(vec![used])).await {
            // The owner sees an older time.
            tracing::debug!(%error, "the use of a token could not be noted");
        }
        Ok(known)
    }
}
