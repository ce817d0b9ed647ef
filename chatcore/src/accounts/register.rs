//! Registration, and accounts that other systems had.

use chrono::{DateTime, Utc};

use super::{
    AccountEmails, AccountLooks, AccountNames, AccountRecord, AccountRecords, AccountSettings, Accounts, Client,
    Holder, ImportAccount, LoggedIn, Register, names, passwords,
};
use crate::{
    error::{Code, Error, FieldError, Result},
    model::UserId,
    store::{Change, Conflicting, StoreError, TypedKey, Write},
    trace::use_case,
};

/// Collects what is wrong, so that a caller learns of everything at once.
pub(super) struct Checks(Vec<FieldError>);

impl Checks {
    pub(super) const fn new() -> Self {
        Self(Vec::new())
    }

    /// The value of a check, or a note of its fault.
    pub(super) fn take<T>(&mut self, checked: Result<T, FieldError>) -> Option<T> {
        checked.map_err(|fault| self.0.push(fault)).ok()
    }

    /// What was wrong. A fault without a field is one of ours.
    pub(super) fn fail<T>(self) -> Result<T> {
        if self.0.is_empty() { Err(Error::Internal) } else { Err(Error::Invalid(self.0)) }
    }

    pub(super) fn is_clean(&self) -> bool {
        self.0.is_empty()
    }
}

/// The error of a key that somebody else has.
pub(super) fn taken(found: &Conflicting) -> Error {
    match found {
        Conflicting::Record { key, .. } if key.table == AccountEmails::TABLE => Error::EmailTaken,
        Conflicting::Record { key, .. } if key.table == AccountNames::TABLE || key.table == AccountLooks::TABLE => {
            Error::UsernameTaken
        }
        Conflicting::Record { .. } | Conflicting::Row { .. } => Error::Unavailable,
    }
}

/// The name to show: the user name where none is given.
fn shown(given: Option<&str>, name: Option<&names::Name>, settings: &AccountSettings) -> Result<String, FieldError> {
    match (given, name) {
        (Some(given), _) => names::display_name(given, settings),
        (None, name) => Ok(name.map(|name| name.shown.clone()).unwrap_or_default()),
    }
}

impl Accounts {
    /// Registers an account, and logs in.
    ///
    /// # Errors
    /// [`Invalid`](Error::Invalid) with every field that is not acceptable; [`UsernameTaken`](Error::UsernameTaken), also for a name that
    /// looks like another name; [`EmailTaken`](Error::EmailTaken); [`RateLimited`](Error::RateLimited) after too many registrations from
    /// one address.
    pub async fn register(&self, client: &Client, new: Register) -> Result<LoggedIn> {
        use_case!("accounts.register", async move {
            self.inner.chat.enter_open(client.origin()).await?;
            let Register { username, email, password, display_name, public_key } = new;
            let settings = &self.inner.settings;
            let mut checks = Checks::new();
            let name = checks.take(names::name(&username, settings));
            let address = checks.take(names::email(&email));
            let shown = checks.take(shown(display_name.as_deref(), name.as_ref(), settings));
            let key = public_key.as_deref().unwrap_or_default();
            let public_key = checks.take(names::text("public_key", key, settings.public_key_chars, true));
            checks.take(self.inner.passwords.length("password", &password));
            let (Some(name), Some(address), Some(display_name), Some(public_key)) = (name, address, shown, public_key)
            else {
                return checks.fail();
            };
            if !checks.is_clean() {
                return checks.fail();
            }
            self.inner.chat.charge_registration(client.origin()).await?;
            // Before the password is hashed, which costs most. The commit decides.
            self.free(&name, &address).await?;
            let known = [name.shown.as_str(), address.shown.as_str(), display_name.as_str()];
            let password = self.inner.passwords.accept("password", &password, &known).await?;

            let (now, user) = (self.now(), UserId::new(self.inner.chat.clock().new_id().to_string())?);
            let account = AccountRecord {
                username: name.shown.clone(),
                email: address.shown.clone(),
                is_verified: false,
                display_name,
                bio: None,
                avatar_url: None,
                avatar: None,
                public_key,
                password,
                created_at: now,
                updated_at: now,
                last_login: Some(now),
                verification: Vec::new(),
                reset: Vec::new(),
            };
            let login = self.new_login(client, &user, now);
            let mut writes = self.claiming(&user, &name, &address, &account, now);
            writes.extend(login.writes.iter().cloned());
            self.store().commit(Change::of_records(writes)).await.map_err(|error| match error {
                StoreError::Conflict { found } => taken(&found),
                error => error.into(),
            })?;
            self.inner.chat.profile_changed(&user);
            #[cfg(feature = "admin")]
            self.inner.chat.count_user();
            let answer = self.logged_in(&user, &account, login)?;
            self.send_verification_later(user);
            Ok(answer)
        })
    }

    /// Imports an account of another system, with its hash of bcrypt or of Argon2, and returns the user id. The next login replaces the
    /// hash, except for a password longer than 71 bytes, of which bcrypt reads only a part. The function is for hosts, without a rate limit
    /// and a mail. Until that login, a check of a wrong password takes the time of the imported hash.
    ///
    /// # Errors
    /// As [`register`](Self::register), except the rate limit; [`Invalid`](Error::Invalid) for an unsupported hash;
    /// [`AccountDeleted`](Error::AccountDeleted) for the id of a user who was deleted.
    pub async fn import(&self, import: ImportAccount) -> Result<UserId> {
        let ImportAccount { user_id, username, email, password_hash, display_name, is_verified, created_at } = import;
        let settings = &self.inner.settings;
        let mut checks = Checks::new();
        let name = checks.take(names::name(&username, settings));
        let address = checks.take(names::email(&email));
        let shown = checks.take(shown(display_name.as_deref(), name.as_ref(), settings));
        let refused = |message| FieldError::new("password_hash", Code::ValidationInvalidValue, message);
        let hash = checks.take(passwords::importable(&password_hash).map_err(refused));
        let (Some(name), Some(address), Some(display_name), Some(())) = (name, address, shown, hash) else {
            return checks.fail();
        };
        let now = self.now();
        let user = match user_id {
            // An account of a deleted user would let nobody in, and keep its name for good.
            Some(user) if self.inner.chat.standing(&user).await?.deleted_at.is_some() => {
                return Err(Error::AccountDeleted);
            }
            Some(user) => user,
            None => UserId::new(self.inner.chat.clock().new_id().to_string())?,
        };
        let account = AccountRecord {
            username: name.shown.clone(),
            email: address.shown.clone(),
            is_verified,
            display_name,
            bio: None,
            avatar_url: None,
            avatar: None,
            public_key: None,
            password: password_hash,
            created_at: created_at.unwrap_or(now),
            updated_at: now,
            last_login: None,
            verification: Vec::new(),
            reset: Vec::new(),
        };
        let writes = self.claiming(&user, &name, &address, &account, now);
        self.store().commit(Change::of_records(writes)).await.map_err(|error| match error {
            StoreError::Conflict { found } => taken(&found),
            error => error.into(),
        })?;
        self.inner.chat.profile_changed(&user);
        #[cfg(feature = "admin")]
        self.inner.chat.count_user();
        Ok(user)
    }

    /// Whether a name and an address are free.
    async fn free(&self, name: &names::Name, address: &names::Email) -> Result<()> {
        let (named, mailed) =
            (AccountNames { name: name.folded.clone() }, AccountEmails { email: address.folded.clone() });
        let looks = name.looks.iter().map(|look| AccountLooks { skeleton: look.clone() }.key());
        let keys: Vec<_> = [mailed.key(), named.key()].into_iter().chain(looks).collect();
        let found = self.store().records(&keys).await?;
        match found.iter().rposition(Option::is_some) {
            Some(0) => Err(Error::EmailTaken),
            Some(_) => Err(Error::UsernameTaken),
            None => Ok(()),
        }
    }

    /// The writes of a new account.
    fn claiming(
        &self,
        user: &UserId,
        name: &names::Name,
        address: &names::Email,
        account: &AccountRecord,
        now: DateTime<Utc>,
    ) -> Vec<Write> {
        let holder = || Holder { user: user.clone() };
        let looks = name.looks.iter().map(|look| AccountLooks { skeleton: look.clone() }.put(holder()).absent());
        let mut writes = vec![
            AccountNames { name: name.folded.clone() }.put(holder()).absent(),
            AccountEmails { email: address.folded.clone() }.put(holder()).absent(),
            AccountRecords { user: user.clone() }.put(account.clone()).absent(),
            account.profile(user, now),
        ];
        writes.extend(looks);
        writes
    }
}
