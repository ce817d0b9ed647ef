//! Tokens of bots.
//!
//! A token is random, and kept as its digest. Its id is the login of its callers, so a revocation ends it as the end of a login does: in each
//! process, and with its open streams and sockets.

use std::collections::HashSet;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, SubsecRound as _, TimeDelta, Utc};
use rand::{TryRng as _, rngs::SysRng};
use sha2::{Digest as _, Sha256};

use super::owned::forgotten;
use crate::{
    chat::{Chat, decide::validate::Faults},
    error::{Code, Error, Result},
    identity::Principal,
    model::{BotSecret, BotToken, CreatedBotToken, LoginId, SessionId, UserId},
    permission::ActionKind,
    store::{
        BotRecord, BotTokenPlace, BotTokenRecord, BotTokenUses, BotTokens, Bots, Change, ChatStoreExt as _, Found,
        TypedKey as _,
    },
    trace::use_case,
};

/// Maximum number of tokens of one bot. Expired tokens make room for new tokens.
pub const MAX_BOT_TOKENS: usize = 10;

/// Maximum number of sessions in the scope of a token.
pub const MAX_TOKEN_SESSIONS: usize = 100;

/// Maximum length of the name of a token, in characters.
pub const MAX_TOKEN_NAME_CHARS: usize = 100;

/// Random bytes of a token.
const TOKEN_BYTES: usize = 32;

/// For how long the standing of a bot remembers a token that was revoked. Nothing knows the token for longer without asking for it again.
const REMEMBERED: TimeDelta = TimeDelta::days(1);

/// A token to be created.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CreateBotToken {
    /// The name of the token: one line of 1 to [`MAX_TOKEN_NAME_CHARS`] characters.
    pub name: String,
    /// The sessions in the scope of the token, 1 to [`MAX_TOKEN_SESSIONS`]; `None` for all sessions of the bot.
    pub sessions: Option<Vec<SessionId>>,
    /// The [names](ActionKind::name) of the actions in the scope of the token, at least 1; `None` for all actions.
    pub actions: Option<Vec<String>>,
    /// The end of the token; `None` for no end.
    pub expires_at: Option<DateTime<Utc>>,
}

impl CreateBotToken {
    /// A token for everything that the bot may do.
    pub fn named(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }

    /// Limits the scope to these sessions.
    #[must_use]
    pub fn for_sessions(mut self, sessions: impl IntoIterator<Item = SessionId>) -> Self {
        self.sessions = Some(sessions.into_iter().collect());
        self
    }

    /// Limits the scope to these actions.
    #[must_use]
    pub fn for_actions(mut self, actions: impl IntoIterator<Item = ActionKind>) -> Self {
        self.actions = Some(actions.into_iter().map(ActionKind::name).collect());
        self
    }
}

/// The digest by which a token is known.
pub(super) fn digest(secret: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(secret))
}

fn new_secret() -> Result<BotSecret> {
    let mut bytes = [0; TOKEN_BYTES];
    SysRng.try_fill_bytes(&mut bytes).map_err(|error| {
        tracing::error!(%error, "the operating system gives no random bytes");
        Error::Internal
    })?;
    Ok(BotSecret::new(format!("{}{}", BotSecret::PREFIX, URL_SAFE_NO_PAD.encode(bytes))))
}

pub(super) fn is_over(token: &BotTokenRecord, now: DateTime<Utc>) -> bool {
    token.expires_at.is_some_and(|end| end <= now)
}

impl Faults {
    fn token(&mut self, token: &CreateBotToken, now: DateTime<Utc>) {
        let CreateBotToken { name, sessions, actions, expires_at } = token;
        self.line("name", name, MAX_TOKEN_NAME_CHARS);
        if let Some(sessions) = sessions {
            self.each_once("sessions", sessions, MAX_TOKEN_SESSIONS);
        }
        if let Some(actions) = actions {
            self.each_once("actions", actions, ActionKind::ALL.len());
            if actions.iter().take(ActionKind::ALL.len()).any(|name| ActionKind::named(name).is_none()) {
                self.add("actions", Code::ValidationInvalidValue, "names of actions, as SEND or VIEW".to_owned());
            }
        }
        if expires_at.is_some_and(|end| end <= now) {
            self.past("expires_at");
        }
    }

    fn each_once<T: Eq + std::hash::Hash>(&mut self, field: &str, entries: &[T], max: usize) {
        if entries.is_empty() {
            self.add(field, Code::ValidationRequiredField, "at least 1; left out for all".to_owned());
        }
        if entries.len() > max {
            self.add(field, Code::ResourceLimitExceeded, format!("at most {max}"));
        }
        let mut seen = HashSet::new();
        if !entries.iter().all(|entry| seen.insert(entry)) {
            self.add(field, Code::ValidationInvalidValue, "each once".to_owned());
        }
    }
}

fn shown(bot: &UserId, token: &BotTokenRecord, last_used_at: Option<DateTime<Utc>>) -> BotToken {
    let BotTokenRecord { id, digest: _, name, sessions, actions, created_at, expires_at } = token.clone();
    BotToken { id, bot_id: bot.clone(), name, sessions, actions, created_at, expires_at, last_used_at }
}

impl Chat {
    /// Creates a token of a bot that the caller owns. Only this answer contains the text of the token. [`BotAuthenticator`] accepts the
    /// token.
    ///
    /// # Errors
    /// [`BotNotFound`](Error::BotNotFound) where the caller owns no such bot; [`Invalid`](Error::Invalid) for a name, a scope or a time that is
    /// not acceptable; [`LimitExceeded`](Error::LimitExceeded) for one more than [`MAX_BOT_TOKENS`].
    ///
    /// [`BotAuthenticator`]: crate::identity::BotAuthenticator
    pub async fn create_bot_token(
        &self,
        principal: &Principal,
        bot: &UserId,
        new: CreateBotToken,
    ) -> Result<CreatedBotToken> {
        use_case!("create_bot_token", async move {
            self.enter_owner(principal).await?;
            let now = self.inner.clock.now().trunc_subsecs(6);
            let mut faults = Faults::default();
            faults.token(&new, now);
            faults.finish()?;
            let CreateBotToken { name, sessions, actions, expires_at } = new;
            let secret = new_secret()?;
            let token = BotTokenRecord {
                id: LoginId(self.inner.clock.new_id()),
                digest: digest(secret.as_str()),
                name,
                sessions,
                actions,
                created_at: now,
                expires_at: expires_at.map(|end| end.trunc_subsecs(6)),
            };
            for _ in self.turns() {
                let found = self.own_bot(principal, bot).await?;
                let (over, mut tokens): (Vec<_>, Vec<_>) =
                    found.value.tokens.iter().cloned().partition(|token| is_over(token, now));
                if tokens.len() >= MAX_BOT_TOKENS {
                    let limit = MAX_BOT_TOKENS as u64;
                    return Err(Error::LimitExceeded { what: "the number of tokens of one bot", limit });
                }
                tokens.push(token.clone());
                let record = BotRecord { tokens, ..BotRecord::clone(&found.value) };
                let place = BotTokens { digest: token.digest.clone() }.put(BotTokenPlace { bot: bot.clone() });
                let mut writes = vec![Bots { bot: bot.clone() }.put(record).at(found.version), place.absent()];
                writes.extend(over.iter().flat_map(|token| forgotten(bot, token.id, &token.digest)));
                if self.try_commit(Change::of_records(writes)).await?.is_some() {
                    return Ok(CreatedBotToken { token: shown(bot, &token, None), secret });
                }
            }
            Err(Error::Unavailable)
        })
    }

    /// The tokens of a bot that the caller owns, the oldest first, without their texts.
    ///
    /// # Errors
    /// [`BotNotFound`](Error::BotNotFound) where the caller owns no such bot.
    pub async fn bot_tokens(&self, principal: &Principal, bot: &UserId) -> Result<Vec<BotToken>> {
        use_case!("bot_tokens", async move {
            self.enter_owner(principal).await?;
            let found = self.own_bot(principal, bot).await?;
            let tokens = &found.value.tokens;
            let key = |token: &BotTokenRecord| BotTokenUses { bot: bot.clone(), token: token.id };
            let keys: Vec<_> = tokens.iter().map(key).collect();
            let uses = if keys.is_empty() { Vec::new() } else { self.inner.store.get_all(&keys).await? };
            let used = |found: Option<Found<_>>| found.map(|found: Found<crate::store::BotTokenUse>| found.value.at);
            Ok(tokens.iter().zip(uses).map(|(token, found)| shown(bot, token, used(found))).collect())
        })
    }

    /// Revokes a token of a bot that the caller owns: the chat refuses the token from now on, and ends its streams and sockets, in this
    /// process at once and in other processes within [`standing_age`](crate::Limits::standing_age).
    ///
    /// # Errors
    /// [`BotNotFound`](Error::BotNotFound) where the caller owns no such bot; [`BotTokenNotFound`](Error::BotTokenNotFound) where the bot has no
    /// such token.
    pub async fn revoke_bot_token(&self, principal: &Principal, bot: &UserId, token: LoginId) -> Result<()> {
        use_case!("revoke_bot_token", async move {
            self.enter_owner(principal).await?;
            for _ in self.turns() {
                let found = self.own_bot(principal, bot).await?;
                let mut record = BotRecord::clone(&found.value);
                let Some(place) = record.tokens.iter().position(|known| known.id == token) else {
                    return Err(Error::BotTokenNotFound);
                };
                let revoked = record.tokens.remove(place);
                let lives_until = self.inner.clock.now() + REMEMBERED;
                let draft = self.standing_draft(bot).await?.end_login(token, lives_until);
                let mut writes = vec![Bots { bot: bot.clone() }.put(record).at(found.version)];
                writes.extend(forgotten(bot, token, &revoked.digest));
                writes.extend(draft.writes());
                if self.try_commit(Change::of_records(writes)).await?.is_some() {
                    self.inner.bot_tokens.forget(&revoked.digest);
                    self.standing_changed(bot).await;
                    return Ok(());
                }
            }
            Err(Error::Unavailable)
        })
    }
}
