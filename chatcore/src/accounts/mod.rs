//! Accounts of the chat, for hosts without their own users: registration, logins, tokens, profiles, erasure and export.
//!
//! Every use case is a method of one cloneable handle, [`Accounts`]. The accounts are records of the chat's own store. A
//! [`JwtAuthenticator`](crate::JwtAuthenticator) with the same secret accepts the access tokens.
//!
//! ```
//! use chatcore::accounts::{Accounts, Client, Register};
//! use chatcore::{Authenticator, Chat, JwtAuthenticator, JwtIssuer};
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let secret = b"a secret of 32 bytes or more, random";
//!     let chat = Chat::in_memory();
//!     let accounts = Accounts::builder(chat.clone(), JwtIssuer::hs256(secret)?).build()?;
//!
//!     let new = Register::new("ada", "ada@example.org", "correct horse battery staple");
//!     let ada = accounts.register(&Client::default(), new).await?;
//!     let principal = JwtAuthenticator::hs256(secret)?.authenticate(&ada.tokens.access_token).await?;
//!     assert_eq!(accounts.me(&principal).await?.username, "ada");
//!     Ok(())
//! }
//! ```

#[cfg(feature = "avatars")]
mod avatars;
mod codes;
mod delete;
mod export;
mod guesses;
mod logins;
mod mail;
mod model;
mod names;
mod passwords;
mod profile;
mod refresh;
mod register;
mod settings;
#[cfg(feature = "smtp")]
mod smtp;
mod stored;

use std::{
    collections::HashSet,
    fmt,
    sync::{Arc, Mutex},
};

use chrono::{DateTime, Utc};
use tokio::sync::{Notify, Semaphore};

#[cfg(feature = "avatars")]
pub use avatars::AvatarSize;
pub use export::Export;
pub use mail::{LogMailer, Mail, MailError, MailKind, Mailer};
pub use model::{
    Account, Client, ImportAccount, LogIn, LoggedIn, Login, Register, Tokens, UpdateAccount, User, UserPage,
};
pub use settings::{AccountSettings, Argon2Cost, InvalidSettings};
#[cfg(feature = "smtp")]
pub use smtp::{InvalidSmtp, SmtpMailer};
pub use stored::*;

use crate::{
    Chat, JwtIssuer,
    error::{Error, Result},
    model::UserId,
    store::{ChatStore, ChatStoreExt as _, Found},
};
use codes::Outbox;
use guesses::Guesses;
use passwords::Passwords;

/// The accounts: one handle for every use case, cheap to clone.
///
/// Use cases of a logged-in user take the calling [`Principal`](crate::Principal) first; the other use cases take the calling [`Client`].
/// All use cases fail with the one [`Error`]. If the future of a method is dropped, its use case is executed completely or not at all.
#[derive(Clone)]
pub struct Accounts {
    inner: Arc<Inner>,
}

struct Inner {
    chat: Chat,
    issuer: JwtIssuer,
    settings: AccountSettings,
    passwords: Passwords,
    guesses: Guesses,
    #[cfg(feature = "metrics")]
    attempts: logins::Attempts,
    outbox: Outbox,
    exports: Arc<Semaphore>,
    exporting: Mutex<HashSet<UserId>>,
    /// Tells the exports that another one found no place.
    export_wanted: Notify,
    #[cfg(feature = "avatars")]
    avatars: Option<avatars::Avatars>,
}

impl fmt::Debug for Accounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Accounts").field("settings", &self.inner.settings).finish_non_exhaustive()
    }
}

impl Accounts {
    /// Accounts in the store of a chat. Access tokens are signed by the issuer, which takes the time from the chat's clock.
    pub fn builder(chat: Chat, issuer: JwtIssuer) -> AccountsBuilder {
        AccountsBuilder {
            chat,
            issuer,
            settings: AccountSettings::default(),
            mailer: Arc::new(LogMailer),
            #[cfg(feature = "avatars")]
            avatars: None,
        }
    }

    /// The settings.
    #[must_use]
    pub fn settings(&self) -> &AccountSettings {
        &self.inner.settings
    }

    /// The chat whose store has the accounts.
    #[must_use]
    pub fn chat(&self) -> &Chat {
        &self.inner.chat
    }

    fn now(&self) -> DateTime<Utc> {
        self.inner.chat.now()
    }

    fn store(&self) -> &Arc<dyn ChatStore> {
        self.inner.chat.store()
    }

    /// The account of a user, with its version.
    async fn account(&self, user: &UserId) -> Result<Option<Found<AccountRecord>>> {
        Ok(self.store().get(&AccountRecords { user: user.clone() }).await?)
    }

    /// The account of a user who has logged in.
    async fn own(&self, user: &UserId) -> Result<Found<AccountRecord>> {
        self.account(user).await?.ok_or(Error::AccountNotFound)
    }
}

/// A builder of [`Accounts`].
pub struct AccountsBuilder {
    chat: Chat,
    issuer: JwtIssuer,
    settings: AccountSettings,
    mailer: Arc<dyn Mailer>,
    #[cfg(feature = "avatars")]
    avatars: Option<(Arc<dyn object_store::ObjectStore>, String)>,
}

impl fmt::Debug for AccountsBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccountsBuilder").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl AccountsBuilder {
    /// Sets the settings.
    #[must_use]
    pub fn settings(mut self, settings: AccountSettings) -> Self {
        self.settings = settings;
        self
    }

    /// Sets the mailer. Default: [`LogMailer`].
    #[must_use]
    pub fn mailer(mut self, mailer: impl Mailer) -> Self {
        self.mailer = Arc::new(mailer);
        self
    }

    /// Stores uploaded pictures in this store. `address` is the prefix under which a frontend serves the pictures: the address of a picture
    /// is `address`, followed by the id for [`Accounts::avatar`].
    #[cfg(feature = "avatars")]
    #[must_use]
    pub fn avatars(mut self, store: Arc<dyn object_store::ObjectStore>, address: impl Into<String>) -> Self {
        self.avatars = Some((store, address.into()));
        self
    }

    /// Builds the accounts. The function hashes one password, which takes some tens of milliseconds.
    ///
    /// # Errors
    /// [`InvalidSettings`] for parameters that Argon2 does not have.
    pub fn build(self) -> Result<Accounts, InvalidSettings> {
        #[cfg(feature = "avatars")]
        let avatars = self.avatars.map(|(store, address)| avatars::Avatars::new(store, address));
        let Self { chat, issuer, settings, mailer, .. } = self;
        let passwords = Passwords::new(&settings)?;
        let guesses = Guesses::new(&settings);
        let outbox = Outbox::new(mailer);
        let exports = Arc::new(Semaphore::new(settings.exports.max(1)));
        let issuer = issuer.clock(chat.clock());
        chat.remember_logins(settings.refresh_lifetime);
        let inner = Inner {
            chat,
            issuer,
            settings,
            passwords,
            guesses,
            #[cfg(feature = "metrics")]
            attempts: logins::Attempts::new(),
            outbox,
            exports,
            exporting: Mutex::default(),
            export_wanted: Notify::new(),
            #[cfg(feature = "avatars")]
            avatars,
        };
        Ok(Accounts { inner: Arc::new(inner) })
    }
}
