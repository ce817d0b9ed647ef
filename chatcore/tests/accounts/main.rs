//! The use cases of the accounts, through their public face, on the in-memory store.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail by panicking"
)]

#[cfg(feature = "admin")]
mod administrators;
#[cfg(feature = "avatars")]
mod avatars;
mod erasing;
mod exporting;
mod forms;
mod guessing;
#[cfg(feature = "admin")]
#[allow(dead_code, reason = "shared with other tests")]
#[path = "../kit/hooked.rs"]
mod hooked;
#[path = "../kit/mod.rs"]
mod kit;
mod logins;
mod mails;
mod model;
mod passwords;
mod profiles;
mod refreshing;
mod registering;
#[cfg(feature = "backup")]
mod restoring;
#[cfg(feature = "smtp")]
mod smtp;

use std::{net::IpAddr, sync::Arc};

use async_trait::async_trait;
use chatcore::{
    Accounts, Authenticator, Chat, Code, Error, JwtAuthenticator, JwtIssuer, MemoryStore, Principal, RateLimits,
    TestClock,
    accounts::{
        AccountRecords, AccountSettings, Argon2Cost, Client, LogIn, LoggedIn, Mail, MailError, Mailer, Register,
    },
    model::UserId,
    store::ChatStoreExt as _,
};
use chrono::TimeDelta;
use tokio::sync::mpsc;

const SECRET: &[u8] = b"a secret that is only for the tests of accounts";
const PASSWORD: &str = "correct horse battery staple";

/// Hashes cost next to nothing.
fn settings() -> AccountSettings {
    AccountSettings { argon2: Argon2Cost { memory_kib: 8, passes: 1, lanes: 1 }, ..AccountSettings::default() }
}

/// Keeps mails for the test.
struct Inbox(mpsc::UnboundedSender<Mail>);

#[async_trait]
impl Mailer for Inbox {
    async fn send(&self, mail: Mail) -> Result<(), MailError> {
        let _ = self.0.send(mail);
        Ok(())
    }
}

/// Accounts with all around them.
struct World {
    clock: TestClock,
    store: Arc<MemoryStore>,
    chat: Chat,
    accounts: Accounts,
    tokens: JwtAuthenticator,
    mails: mpsc::UnboundedReceiver<Mail>,
}

impl World {
    fn new() -> Self {
        Self::with(settings())
    }

    fn with(settings: AccountSettings) -> Self {
        Self::with_rates(settings, RateLimits::off())
    }

    fn with_rates(settings: AccountSettings, rates: RateLimits) -> Self {
        let clock = TestClock::default();
        let store = Arc::new(MemoryStore::new());
        let chat = Chat::builder(Arc::clone(&store)).clock(clock.clone()).rates(rates).build();
        let (sender, mails) = mpsc::unbounded_channel();
        let issuer = JwtIssuer::hs256(SECRET).unwrap();
        let accounts = Accounts::builder(chat.clone(), issuer).settings(settings).mailer(Inbox(sender)).build();
        let tokens = JwtAuthenticator::hs256(SECRET).unwrap().clock(clock.clone());
        Self { clock, store, chat, accounts: accounts.unwrap(), tokens, mails }
    }

    /// Accounts of another process on the same store.
    fn restarted(&self, settings: AccountSettings) -> Accounts {
        let chat = Chat::builder(Arc::clone(&self.store)).clock(self.clock.clone()).rates(RateLimits::off()).build();
        Accounts::builder(chat, JwtIssuer::hs256(SECRET).unwrap()).settings(settings).build().unwrap()
    }

    /// Accounts of another process on the same data, whose store a test can make fail.
    fn breakable(&self, settings: AccountSettings) -> (kit::Breakable, Accounts) {
        let store = kit::Breakable::over(MemoryStore::clone(&self.store));
        let chat = Chat::builder(store.clone()).clock(self.clock.clone()).rates(RateLimits::off()).build();
        let accounts = Accounts::builder(chat, JwtIssuer::hs256(SECRET).unwrap()).settings(settings).build().unwrap();
        (store, accounts)
    }

    async fn register(&self, name: &str) -> LoggedIn {
        self.accounts.register(&here(), new(name)).await.unwrap()
    }

    async fn log_in(&self, name: &str, password: &str) -> Result<LoggedIn, Error> {
        self.accounts.log_in(&here(), credentials(name, password)).await
    }

    async fn caller(&self, who: &LoggedIn) -> Principal {
        self.tokens.authenticate(&who.tokens.access_token).await.unwrap()
    }

    /// The hash of a user's password as it is stored.
    async fn hash_of(&self, user: &UserId) -> String {
        let found = self.store.get(&AccountRecords { user: user.clone() }).await.unwrap();
        found.unwrap().value.password.clone()
    }

    async fn mail(&mut self) -> Mail {
        kit::in_time(self.mails.recv()).await.unwrap()
    }

    fn later(&self, seconds: i64) {
        self.clock.advance(TimeDelta::seconds(seconds));
    }
}

fn new(name: &str) -> Register {
    Register::new(name, format!("{name}@example.org"), PASSWORD)
}

fn credentials(name: &str, password: &str) -> LogIn {
    LogIn { username_or_email: name.to_owned(), password: password.to_owned() }
}

fn client(address: &str) -> Client {
    Client { address: Some(address.parse::<IpAddr>().unwrap()), device: Some("A test".to_owned()) }
}

fn here() -> Client {
    client("192.0.2.1")
}

/// The codes of the fields that an error names.
fn faults(error: &Error) -> Vec<(&str, Code)> {
    error.fields().iter().map(|field| (field.field.as_str(), field.code)).collect()
}
