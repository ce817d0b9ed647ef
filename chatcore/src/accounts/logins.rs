//! Logging in and out, and the list of one's own logins.

use std::{sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, TimeDelta, Utc};
use sha2::{Digest as _, Sha256};

use super::{
    Account, AccountEmails, AccountNames, AccountRecord, AccountRecords, Accounts, Client, LogIn, LoggedIn, Login,
    LoginRecord, Logins, RefreshTokens, Tokens, guesses::Guessed, names::fold, passwords::Verdict,
};
#[cfg(feature = "metrics")]
use crate::metrics::{self, Counter};
use crate::{
    error::{Error, Result},
    identity::{Claims, Principal},
    limits::Use,
    model::{LoginId, UserId},
    store::{Change, ChatStoreExt as _, Found, KeyPart as _, StoreError, TypedKey as _, Write},
    trace::use_case,
};

/// Most logins of one account, whatever the settings say.
const LOGINS: usize = 1_000;

/// Longest text that is looked for as a name or an e-mail address, in characters.
const NAME_CHARS: usize = 512;

/// Longest name of a device, in characters.
const DEVICE_CHARS: usize = 100;

/// Which logins of a user end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    One(LoginId),
    AllBut(Option<LoginId>),
    /// All, with the account.
    Deletion,
}

/// The digest under which a secret is kept.
pub(super) fn digest(secret: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(secret))
}

/// The time after a while, or the last one.
pub(super) fn after(now: DateTime<Utc>, lifetime: Duration) -> DateTime<Utc> {
    let lifetime = TimeDelta::from_std(lifetime).unwrap_or(TimeDelta::MAX);
    now.checked_add_signed(lifetime).unwrap_or(DateTime::<Utc>::MAX_UTC)
}

/// The name of a device as it is kept.
fn device(client: &Client) -> Option<String> {
    let text: String = client.device.as_deref()?.chars().filter(|c| !c.is_control()).take(DEVICE_CHARS).collect();
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

impl AccountRecord {
    pub(super) fn account(&self, user_id: UserId) -> Account {
        let Self { username, email, is_verified, display_name, bio, avatar_url, avatar: _, public_key, .. } =
            self.clone();
        let Self { created_at, updated_at, last_login, .. } = *self;
        Account {
            user_id,
            username,
            email,
            is_verified,
            display_name,
            bio,
            avatar_url,
            public_key,
            created_at,
            updated_at,
            last_login,
        }
    }
}

/// The writes that remove a login with its refresh tokens.
fn forgetting(key: &Logins, found: &Found<LoginRecord>) -> [Write; 2] {
    [key.remove().at(found.version), RefreshTokens { login: key.login }.remove()]
}

/// Counts attempts to log in.
#[cfg(feature = "metrics")]
pub(super) struct Attempts {
    ok: Counter,
    failed: Counter,
    refused: Counter,
}

#[cfg(feature = "metrics")]
impl Attempts {
    pub(super) fn new() -> Self {
        let outcome = |outcome| metrics::LOGINS.with([outcome]);
        Self { ok: outcome("ok"), failed: outcome("failed"), refused: outcome("refused") }
    }

    fn count(&self, outcome: &Result<LoggedIn>) {
        let counter = match outcome {
            Ok(_) => &self.ok,
            Err(Error::InvalidCredentials) => &self.failed,
            Err(_) => &self.refused,
        };
        counter.increment(1);
    }
}

/// A login that is about to be committed.
pub(super) struct NewLogin {
    pub(super) id: LoginId,
    pub(super) writes: Vec<Write>,
    refresh_token: String,
    expires_at: DateTime<Utc>,
}

impl Accounts {
    /// Logs in by user name or e-mail address.
    ///
    /// # Errors
    /// [`InvalidCredentials`](Error::InvalidCredentials) for an unknown user and for a wrong password; [`RateLimited`](Error::RateLimited)
    /// after too many wrong passwords from one address, for one name or e-mail address, or in total; the error of the standing for a user
    /// who is banned.
    pub async fn log_in(&self, client: &Client, log_in: LogIn) -> Result<LoggedIn> {
        let outcome = use_case!("accounts.log_in", self.try_to_log_in(client, log_in));
        #[cfg(feature = "metrics")]
        self.inner.attempts.count(&outcome);
        outcome
    }

    async fn try_to_log_in(&self, client: &Client, log_in: LogIn) -> Result<LoggedIn> {
        self.inner.chat.enter_open(client.origin()).await?;
        let LogIn { username_or_email, password } = log_in;
        // Before the account is looked for: neither a limit nor the time of a refusal depends on whether there is one.
        let text: String = username_or_email.trim().chars().take(NAME_CHARS).collect();
        let guess = self.inner.guesses.charge(Guessed::Named(fold(&text)), client, self.now())?;
        let found = self.find(&username_or_email).await.inspect_err(|_| self.inner.guesses.give_back(&guess))?;
        let hash = found.as_ref().map(|(_, account)| account.value.password.clone());
        let verdict = self.inner.passwords.verify(&password, hash.as_deref()).await;
        let verdict = verdict.inspect_err(|_| self.inner.guesses.give_back(&guess))?;
        let (user, account) = match (found, verdict) {
            (Some(found), Verdict::Right | Verdict::Outdated) => found,
            (Some(_) | None, _) => return Err(Error::InvalidCredentials),
        };
        self.inner.guesses.give_back(&guess);
        let hash = match verdict {
            Verdict::Outdated => Some(self.inner.passwords.rehash(&password).await?),
            Verdict::Right | Verdict::Wrong => None,
        };
        let caller = Principal { issued_at: self.now(), ..Principal::new(user.clone()) };
        self.inner.chat.enter(&caller, Use::Free).await?;
        self.begin(client, &user, account, hash, &password).await
    }

    /// Ends the caller's login: its access tokens, its refresh token, its streams and sockets.
    ///
    /// # Errors
    /// [`LoginNotFound`](Error::LoginNotFound) for a token that belongs to no login.
    pub async fn log_out(&self, principal: &Principal) -> Result<()> {
        use_case!("accounts.log_out", async move {
            self.inner.chat.enter_unscoped(principal, Use::Request).await?;
            let login = principal.login_id.ok_or(Error::LoginNotFound)?;
            self.end(&principal.user_id, Ending::One(login)).await
        })
    }

    /// Ends all of the caller's logins.
    ///
    /// # Errors
    /// As the use cases of the chat.
    pub async fn log_out_everywhere(&self, principal: &Principal) -> Result<()> {
        use_case!("accounts.log_out_everywhere", async move {
            self.inner.chat.enter_unscoped(principal, Use::Request).await?;
            self.end(&principal.user_id, Ending::AllBut(None)).await
        })
    }

    /// The caller's logins, the latest one first.
    ///
    /// # Errors
    /// As the use cases of the chat.
    pub async fn logins(&self, principal: &Principal) -> Result<Vec<Login>> {
        use_case!("accounts.logins", async move {
            self.inner.chat.enter_unscoped(principal, Use::Request).await?;
            let now = self.now();
            let shown = |(key, found): (Logins, Found<LoginRecord>)| {
                let LoginRecord { device, address, created_at, last_used_at, expires_at } =
                    Arc::unwrap_or_clone(found.value);
                let is_current = principal.login_id == Some(key.login);
                Login { id: key.login, device, address, created_at, last_used_at, expires_at, is_current }
            };
            let found = self.logins_of(&principal.user_id).await?;
            let standing = self.inner.chat.standing(&principal.user_id).await?;
            let counts = |login: &Login| login.expires_at > now && standing.lets_in(Some(login.id), login.created_at);
            Ok(found.into_iter().rev().map(shown).filter(counts).collect())
        })
    }

    /// Ends one of the caller's logins.
    ///
    /// # Errors
    /// [`LoginNotFound`](Error::LoginNotFound) where the caller has no such login.
    pub async fn end_login(&self, principal: &Principal, login: LoginId) -> Result<()> {
        use_case!("accounts.end_login", async move {
            self.inner.chat.enter_unscoped(principal, Use::Request).await?;
            let user = &principal.user_id;
            self.store().get(&Logins { user: user.clone(), login }).await?.ok_or(Error::LoginNotFound)?;
            self.end(user, Ending::One(login)).await
        })
    }

    /// The user of a name or an address.
    pub(super) async fn find(&self, username_or_email: &str) -> Result<Option<(UserId, Found<AccountRecord>)>> {
        let text = username_or_email.trim();
        // Nothing longer is a name or an address, and folding costs time.
        if text.chars().nth(NAME_CHARS).is_some() {
            return Ok(None);
        }
        let folded = fold(text);
        // Names have no `@`.
        let holder = if text.contains('@') {
            self.store().get(&AccountEmails { email: folded }).await?
        } else {
            self.store().get(&AccountNames { name: folded }).await?
        };
        // Where nobody has the name, an account is read all the same, so that the answer takes as long.
        let user = match &holder {
            Some(holder) => holder.value.user.clone(),
            None => UserId::new("nobody")?,
        };
        let account = self.account(&user).await?;
        Ok(account.filter(|_| holder.is_some()).map(|account| (user, account)))
    }

    pub(super) async fn logins_of(&self, user: &UserId) -> Result<Vec<(Logins, Found<LoginRecord>)>> {
        Ok(self.store().list(Logins::under(vec![user.part()]).limit(LOGINS as u64)).await?)
    }

    /// Checks the caller's password. Wrong ones are counted as guesses.
    pub(super) async fn prove(&self, client: &Client, user: &UserId, password: &str) -> Result<Found<AccountRecord>> {
        let account = self.own(user).await?;
        let guess = self.inner.guesses.charge(Guessed::User(user.clone()), client, self.now())?;
        let verdict = self.inner.passwords.verify(password, Some(&account.value.password)).await;
        let verdict = verdict.inspect_err(|_| self.inner.guesses.give_back(&guess))?;
        match verdict {
            Verdict::Wrong => Err(Error::InvalidCredentials),
            Verdict::Right | Verdict::Outdated => {
                self.inner.guesses.give_back(&guess);
                Ok(account)
            }
        }
    }

    /// A new login with its first tokens, not yet committed.
    pub(super) fn new_login(&self, client: &Client, user: &UserId, now: DateTime<Utc>) -> NewLogin {
        let id = LoginId(self.inner.chat.clock().new_id());
        let expires_at = after(now, self.inner.settings.refresh_lifetime);
        let (refresh_token, token) = super::refresh::first_token(id, user.clone(), expires_at);
        let login = LoginRecord {
            device: device(client),
            address: client.address,
            created_at: now,
            last_used_at: now,
            expires_at,
        };
        let login = Logins { user: user.clone(), login: id }.put(login).absent();
        let token = RefreshTokens { login: id }.put(token).absent();
        NewLogin { id, writes: vec![login, token], refresh_token, expires_at }
    }

    /// The answer to a login that was committed.
    pub(super) fn logged_in(&self, user: &UserId, account: &AccountRecord, login: NewLogin) -> Result<LoggedIn> {
        let NewLogin { id, writes: _, refresh_token, expires_at } = login;
        let tokens = self.tokens(user, id, refresh_token, expires_at)?;
        Ok(LoggedIn { account: account.account(user.clone()), login_id: id, tokens })
    }

    /// The tokens of a login.
    pub(super) fn tokens(
        &self,
        user: &UserId,
        login: LoginId,
        refresh_token: String,
        refresh_expires_at: DateTime<Utc>,
    ) -> Result<Tokens> {
        let settings = &self.inner.settings;
        // Display claims stay out: the profile is the account's, and a token must not bring an erased user's name back.
        let claims = Claims {
            sub: user.as_str().to_owned(),
            sid: Some(login.to_string()),
            iss: settings.issuer.clone(),
            aud: settings.audience.clone().map(crate::identity::Audience::One),
            ..Claims::default()
        };
        let access_token = self.inner.issuer.issue_access_token(claims, settings.access_lifetime)?;
        Ok(Tokens { access_token, refresh_token, expires_in: settings.access_lifetime.as_secs(), refresh_expires_at })
    }

    /// Begins a login of a user whose password was right.
    async fn begin(
        &self,
        client: &Client,
        user: &UserId,
        mut account: Found<AccountRecord>,
        mut hash: Option<String>,
        password: &str,
    ) -> Result<LoggedIn> {
        let mut verified = account.value.password.clone();
        for _ in 0..self.inner.chat.limits().commit_attempts {
            let now = self.now();
            let login = self.new_login(client, user, now);
            let stored = hash.clone().unwrap_or_else(|| account.value.password.clone());
            let record =
                AccountRecord { password: stored, last_login: Some(now), ..AccountRecord::clone(&account.value) };
            // With the version that was read: a password that is changed meanwhile lets nobody in.
            let mut writes = vec![AccountRecords { user: user.clone() }.put(record.clone()).at(account.version)];
            writes.extend(login.writes.iter().cloned());
            let (oldest, ended) = self.surplus(user).await?;
            writes.extend(oldest);
            match self.store().commit(Change::of_records(writes)).await {
                Ok(_) => {
                    if ended {
                        self.inner.chat.standing_changed(user).await;
                    }
                    return self.logged_in(user, &record, login);
                }
                Err(StoreError::Conflict { .. }) => {
                    account = self.account(user).await?.ok_or(Error::InvalidCredentials)?;
                    if account.value.password != verified {
                        // Another login at once has made the hash anew, or somebody has changed the password.
                        verified.clone_from(&account.value.password);
                        match self.inner.passwords.verify(password, Some(&verified)).await? {
                            Verdict::Right | Verdict::Outdated => hash = None,
                            Verdict::Wrong => return Err(Error::InvalidCredentials),
                        }
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(Error::Unavailable)
    }

    /// What ends the logins that are too many when one more begins, and whether there are any.
    async fn surplus(&self, user: &UserId) -> Result<(Vec<Write>, bool)> {
        let mut logins = self.logins_of(user).await?;
        let now = self.now();
        logins.sort_by_key(|(_, login)| login.value.last_used_at);
        let most = self.inner.settings.logins.clamp(1, LOGINS);
        let surplus = (logins.len() + 1).saturating_sub(most);
        let is_over = |login: &LoginRecord| login.expires_at <= now;
        let mut writes = Vec::new();
        let mut ended = Vec::new();
        for (place, (key, login)) in logins.into_iter().enumerate() {
            if is_over(&login.value) || place < surplus {
                writes.extend(forgetting(&key, &login));
                ended.extend((!is_over(&login.value)).then_some(key.login));
            }
        }
        let is_ended = !ended.is_empty();
        if is_ended {
            writes.extend(self.revoking(user, ended.into_iter().map(Ending::One)).await?);
        }
        Ok((writes, is_ended))
    }

    /// The write of the standing that refuses the access tokens of logins.
    async fn revoking(&self, user: &UserId, endings: impl IntoIterator<Item = Ending>) -> Result<Vec<Write>> {
        let mut draft = self.inner.chat.standing_draft(user).await?;
        let lives_until = after(self.now(), self.inner.settings.access_lifetime);
        for ending in endings {
            draft = match ending {
                Ending::One(login) => draft.end_login(login, lives_until),
                Ending::AllBut(kept) => draft.end_all_logins(kept),
                Ending::Deletion => draft.end_all_logins(None).delete(),
            };
        }
        Ok(draft.writes().into())
    }

    /// The writes that end logins. After their commit, [`Chat::standing_changed`](crate::Chat) tells of it.
    pub(super) async fn ending(&self, user: &UserId, ending: Ending) -> Result<Vec<Write>> {
        let mut endings = vec![ending];
        let mut writes = Vec::new();
        for (key, login) in self.logins_of(user).await? {
            let ends = match ending {
                Ending::One(login) => key.login == login,
                Ending::AllBut(kept) => Some(key.login) != kept,
                Ending::Deletion => true,
            };
            if ends {
                writes.extend(forgetting(&key, &login));
                // By its id, too: a process whose clock is ahead may have begun it later than now.
                endings.push(Ending::One(key.login));
            }
        }
        writes.extend(self.revoking(user, endings).await?);
        Ok(writes)
    }

    /// Ends logins.
    pub(super) async fn end(&self, user: &UserId, ending: Ending) -> Result<()> {
        for _ in 0..self.inner.chat.limits().commit_attempts {
            let writes = self.ending(user, ending).await?;
            match self.store().commit(Change::of_records(writes)).await {
                Ok(_) => {
                    self.inner.chat.standing_changed(user).await;
                    return Ok(());
                }
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Error::Unavailable)
    }
}
