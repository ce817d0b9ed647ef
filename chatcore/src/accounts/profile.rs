//! The caller's account, and other users.

use chrono::{DateTime, Utc};

use super::{
    Account, AccountEmails, AccountNames, AccountRecord, AccountRecords, Accounts, Client, Holder, UpdateAccount, User,
    UserPage,
    logins::Ending,
    names::{self, fold},
    register::{Checks, taken},
};
use crate::{
    error::{Code, Error, Result},
    identity::Principal,
    limits::Use,
    model::UserId,
    store::{
        Change, ChatStoreExt as _, Found, KeyPart as _, ProfilePart, ProfileRecord, Profiles, StoreError,
        TypedKey as _, Write,
    },
    trace::use_case,
};

/// Names that a search reads at once.
const CHUNK: u64 = 100;

impl AccountRecord {
    /// The write of the profile that the chat shows of a user.
    pub(super) fn profile(&self, user: &UserId, now: DateTime<Utc>) -> Write {
        let part = |text: &str| Some(ProfilePart { text: text.to_owned(), as_of: now });
        let record = ProfileRecord {
            user_id: user.clone(),
            username: part(&self.username),
            name: part(&self.display_name),
            email: part(&self.email),
            picture: self.avatar_url.as_deref().and_then(part),
            is_bot: false,
        };
        Profiles { user: user.clone() }.put(record)
    }

    /// The texts that a guess of the password would try first.
    pub(super) fn known(&self) -> [String; 3] {
        [self.username.clone(), self.email.clone(), self.display_name.clone()]
    }

    fn user(&self, user_id: UserId) -> User {
        let Account { user_id, username, display_name, bio, avatar_url, public_key, created_at, .. } =
            self.account(user_id);
        User { user_id, username, display_name, bio, avatar_url, public_key, created_at }
    }
}

impl Accounts {
    /// The caller's account.
    ///
    /// # Errors
    /// [`AccountNotFound`](Error::AccountNotFound) for a user with an account of another system; the errors of a token.
    pub async fn me(&self, principal: &Principal) -> Result<Account> {
        use_case!("accounts.me", async move {
            self.inner.chat.enter_unscoped(principal, Use::Request).await?;
            Ok(self.own(&principal.user_id).await?.value.account(principal.user_id.clone()))
        })
    }

    /// Changes the caller's profile, and returns the account.
    ///
    /// # Errors
    /// [`Invalid`](Error::Invalid) with every field that is not acceptable.
    pub async fn update_me(&self, principal: &Principal, update: UpdateAccount) -> Result<Account> {
        use_case!("accounts.update_me", async move {
            self.inner.chat.enter_unscoped(principal, Use::Request).await?;
            let UpdateAccount { display_name, bio, avatar_url, public_key } = update;
            let settings = &self.inner.settings;
            let mut checks = Checks::new();
            let display_name = display_name.and_then(|name| checks.take(names::display_name(&name, settings)));
            let mut text = |field, text: Option<Option<String>>, max| {
                text.map(|text| {
                    checks.take(names::text(field, text.as_deref().unwrap_or_default(), max, true)).flatten()
                })
            };
            let bio = text("bio", bio, settings.bio_chars);
            let public_key = text("public_key", public_key, settings.public_key_chars);
            let avatar_url = avatar_url
                .map(|url| checks.take(names::avatar_url(url.as_deref().unwrap_or_default(), settings)).flatten());
            if !checks.is_clean() {
                return checks.fail();
            }
            self.change(&principal.user_id, |account| {
                account.display_name = display_name.clone().unwrap_or_else(|| account.display_name.clone());
                account.bio = bio.clone().unwrap_or_else(|| account.bio.clone());
                account.public_key = public_key.clone().unwrap_or_else(|| account.public_key.clone());
                if let Some(url) = avatar_url.clone().filter(|url| *url != account.avatar_url) {
                    (account.avatar, account.avatar_url) = (None, url);
                }
            })
            .await
        })
    }

    /// Changes the caller's password. The caller's other logins end.
    ///
    /// # Errors
    /// [`InvalidCredentials`](Error::InvalidCredentials) for a wrong old password, [`RateLimited`](Error::RateLimited) after too many wrong
    /// passwords; [`Invalid`](Error::Invalid) for a new password that is not acceptable.
    pub async fn change_password(&self, principal: &Principal, client: &Client, old: &str, new: &str) -> Result<()> {
        use_case!("accounts.change_password", async move {
            self.inner.chat.enter_unscoped(principal, Use::Request).await?;
            let user = &principal.user_id;
            self.inner.passwords.length("new_password", new).map_err(|fault| Error::Invalid(vec![fault]))?;
            let mut found = self.prove(client, user, old).await?;
            let proved = found.value.password.clone();
            let known = found.value.known();
            let known: Vec<&str> = known.iter().map(String::as_str).collect();
            let password = self.inner.passwords.accept("new_password", new, &known).await?;
            for _ in 0..self.inner.chat.limits().commit_attempts {
                let mut account = AccountRecord {
                    password: password.clone(),
                    updated_at: self.now(),
                    ..AccountRecord::clone(&found.value)
                };
                let mut writes = account.without_codes();
                writes.push(AccountRecords { user: user.clone() }.put(account).at(found.version));
                writes.extend(self.ending(user, Ending::AllBut(principal.login_id)).await?);
                match self.store().commit(Change::of_records(writes)).await {
                    Ok(_) => {
                        self.inner.chat.standing_changed(user).await;
                        return Ok(());
                    }
                    Err(StoreError::Conflict { .. }) => found = self.proved(user, &proved).await?,
                    Err(error) => return Err(error.into()),
                }
            }
            Err(Error::Unavailable)
        })
    }

    /// Changes the caller's e-mail address, and sends a code to the new address. The address is not verified until the use of the code.
    ///
    /// # Errors
    /// As [`change_password`](Self::change_password); [`EmailTaken`](Error::EmailTaken); [`RateLimited`](Error::RateLimited) after too many
    /// mails, since each change sends one.
    pub async fn change_email(
        &self,
        principal: &Principal,
        client: &Client,
        password: &str,
        email: &str,
    ) -> Result<Account> {
        use_case!("accounts.change_email", async move {
            self.inner.chat.enter_unscoped(principal, Use::Request).await?;
            let email = names::email(email).map_err(|fault| Error::Invalid(vec![fault]))?;
            let user = &principal.user_id;
            let mut found = self.prove(client, user, password).await?;
            let proved = found.value.password.clone();
            // Each change sends a mail, and tells whether an address is taken.
            self.inner.guesses.mail_from(client, self.now())?;
            self.inner.guesses.mail_to(user, self.now())?;
            for _ in 0..self.inner.chat.limits().commit_attempts {
                if found.value.email == email.shown {
                    return Ok(found.value.account(user.clone()));
                }
                let now = self.now();
                let before = fold(&found.value.email);
                let mut account = AccountRecord {
                    email: email.shown.clone(),
                    is_verified: false,
                    updated_at: now,
                    ..AccountRecord::clone(&found.value)
                };
                // A code that went to the address of before must not work for this one.
                let mut writes = account.without_codes();
                if before != email.folded {
                    let holder = Holder { user: user.clone() };
                    writes.push(AccountEmails { email: email.folded.clone() }.put(holder).absent());
                    writes.push(AccountEmails { email: before }.remove());
                }
                writes.push(account.profile(user, now));
                writes.push(AccountRecords { user: user.clone() }.put(account.clone()).at(found.version));
                match self.store().commit(Change::of_records(writes)).await {
                    Ok(_) => {
                        self.inner.chat.profile_changed(user);
                        self.send_verification_later(user.clone());
                        return Ok(account.account(user.clone()));
                    }
                    Err(StoreError::Conflict { found: conflicting }) => match taken(&conflicting) {
                        Error::Unavailable => found = self.proved(user, &proved).await?,
                        taken => return Err(taken),
                    },
                    Err(error) => return Err(error.into()),
                }
            }
            Err(Error::Unavailable)
        })
    }

    /// The public profile of a user.
    ///
    /// # Errors
    /// [`UserNotFound`](Error::UserNotFound) for an unknown account.
    pub async fn user(&self, principal: &Principal, user: &UserId) -> Result<User> {
        use_case!("accounts.user", async move {
            self.inner.chat.enter_unscoped(principal, Use::Request).await?;
            let found = self.account(user).await?.ok_or(Error::UserNotFound)?;
            Ok(found.value.user(user.clone()))
        })
    }

    /// The user with a name, without a distinction of case.
    ///
    /// # Errors
    /// As [`user`](Self::user).
    pub async fn user_named(&self, principal: &Principal, username: &str) -> Result<User> {
        use_case!("accounts.user_named", async move {
            self.inner.chat.enter_unscoped(principal, Use::Request).await?;
            let found = self.find(username).await?.filter(|_| !username.contains('@')).ok_or(Error::UserNotFound)?;
            Ok(found.1.value.user(found.0))
        })
    }

    /// Users whose names begin with a text of at least 1 character, sorted by their names: for invitations. At most `limit` users, after
    /// the name `after`.
    ///
    /// # Errors
    /// [`Invalid`](Error::Invalid) for an empty text, and for a page outside of [`page_max`](crate::Limits::page_max).
    pub async fn search_users(
        &self,
        principal: &Principal,
        prefix: &str,
        after: Option<&str>,
        limit: Option<u32>,
    ) -> Result<UserPage> {
        use_case!("accounts.search_users", async move {
            self.inner.chat.enter_unscoped(principal, Use::Search).await?;
            let limits = self.inner.chat.limits();
            let limit = limit.unwrap_or(limits.page_default);
            if limit == 0 || limit > limits.page_max {
                let message = format!("1 to {}", limits.page_max);
                return Err(Error::invalid("limit", Code::ValidationInvalidValue, message));
            }
            let is_long = |text: &str| text.chars().nth(self.inner.settings.username_max_chars).is_some();
            if prefix.trim().is_empty() || is_long(prefix) {
                let message = format!("1 to {} characters", self.inner.settings.username_max_chars);
                return Err(Error::invalid("q", Code::ValidationInvalidValue, message));
            }
            let prefix = fold(prefix.trim());
            if after.is_some_and(is_long) {
                return Err(Error::invalid("after", Code::ValidationInvalidValue, "the `next` of a page"));
            }
            let after = after.map(|after| fold(after.trim()));
            let limit = usize::try_from(limit).unwrap_or(usize::MAX);
            let named = self.names_with(&prefix, after, limit.saturating_add(1)).await?;
            let has_more = named.len() > limit;
            let named: Vec<(AccountNames, Found<Holder>)> = named.into_iter().take(limit).collect();
            let next = named.last().map(|(key, _)| key.name.clone()).filter(|_| has_more);
            let keys: Vec<_> =
                named.iter().map(|(_, holder)| AccountRecords { user: holder.value.user.clone() }).collect();
            let found = self.store().get_all(&keys).await?;
            let shown =
                |(key, found): (AccountRecords, Option<Found<AccountRecord>>)| Some(found?.value.user(key.user));
            Ok(UserPage { users: keys.into_iter().zip(found).filter_map(shown).collect(), next })
        })
    }

    /// Names that begin with a text, after a name.
    async fn names_with(
        &self,
        prefix: &str,
        after: Option<String>,
        limit: usize,
    ) -> Result<Vec<(AccountNames, Found<Holder>)>> {
        let mut named = Vec::new();
        let mut after = match after.filter(|after| after.as_str() >= prefix) {
            Some(after) => after,
            None => {
                // A scan goes on after a key, so the name that is the prefix itself is read apart.
                let whole = AccountNames { name: prefix.to_owned() };
                named.extend(self.store().get(&whole).await?.map(|holder| (whole, holder)));
                prefix.to_owned()
            }
        };
        while named.len() < limit {
            let missing = u64::try_from(limit.saturating_sub(named.len())).unwrap_or(CHUNK).min(CHUNK);
            let scan = AccountNames::under(Vec::new()).after(Some(vec![after.part()])).limit(missing);
            let found = self.store().list::<AccountNames>(scan).await?;
            let Some((last, _)) = found.last() else { break };
            after.clone_from(&last.name);
            let count = found.len();
            let before = named.len();
            named.extend(found.into_iter().take_while(|(key, _)| key.name.starts_with(prefix)));
            if named.len() - before < count {
                break;
            }
        }
        Ok(named)
    }

    /// The account again, where its password is still the one that the caller has shown.
    pub(super) async fn proved(&self, user: &UserId, hash: &str) -> Result<Found<AccountRecord>> {
        let found = self.own(user).await?;
        if found.value.password == hash { Ok(found) } else { Err(Error::InvalidCredentials) }
    }

    /// Changes the account together with the profile that the chat shows.
    pub(super) async fn change(
        &self,
        user: &UserId,
        change: impl Fn(&mut AccountRecord) + Send + Sync,
    ) -> Result<Account> {
        for _ in 0..self.inner.chat.limits().commit_attempts {
            let found = self.own(user).await?;
            let mut account = AccountRecord::clone(&found.value);
            change(&mut account);
            if account == *found.value {
                return Ok(account.account(user.clone()));
            }
            let now = self.now();
            account.updated_at = now;
            let writes = vec![
                AccountRecords { user: user.clone() }.put(account.clone()).at(found.version),
                account.profile(user, now),
            ];
            match self.store().commit(Change::of_records(writes)).await {
                Ok(_) => {
                    self.inner.chat.profile_changed(user);
                    #[cfg(feature = "avatars")]
                    if let Some(former) = found.value.avatar.as_ref().filter(|_| found.value.avatar != account.avatar)
                        && let Err(error) = self.remove_picture(user, former).await
                    {
                        tracing::warn!(%error, "the former picture of a user is not removed yet");
                    }
                    return Ok(account.account(user.clone()));
                }
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Error::Unavailable)
    }
}
