//! Limits against guessing.
//!
//! A guess counts for the pair of account and address, so an attack from one address does not lock the owner out elsewhere, and for the
//! address alone. At a login the account is the name or the e-mail address that the caller gave, whether there is an account or not: an
//! account with one limit for both would show that both are an account's, and a limit that knows accounts would have to look for them. An attempt is charged before its password is looked at, so that attempts at once are counted, too, and gets its
//! charge back where the password was right.

use chrono::{DateTime, Utc};

use super::{AccountSettings, Client};
use crate::{
    chat::refused,
    error::Result,
    limits::{Origin, buckets::Buckets},
    model::UserId,
};

/// The account that a password is tried for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Guessed {
    /// The account of a caller who has logged in.
    User(UserId),
    /// The name or the e-mail address that a caller gave, folded.
    Named(String),
}

/// The buckets.
pub(super) struct Guesses {
    pairs: Buckets<(Guessed, Origin)>,
    addresses: Buckets<Origin>,
    mails_from: Buckets<Origin>,
    mails_to: Buckets<UserId>,
    mails_for_strangers: Buckets<(UserId, Origin)>,
}

/// A guess that was charged.
#[derive(Debug, Clone)]
pub(super) struct Guess((Guessed, Origin));

impl Guesses {
    pub(super) fn new(settings: &AccountSettings) -> Self {
        Self {
            pairs: Buckets::new(settings.guesses).named("guesses"),
            addresses: Buckets::new(settings.guesses_per_address).named("guesses"),
            mails_from: Buckets::new(settings.mails).named("mails"),
            mails_to: Buckets::new(settings.mails).named("mails"),
            mails_for_strangers: Buckets::new(settings.mails).named("mails"),
        }
    }

    /// Charges an attempt.
    ///
    /// # Errors
    /// [`RateLimited`](crate::Error::RateLimited) where nothing is left; then nothing is charged.
    pub(super) fn charge(&self, guessed: Guessed, client: &Client, now: DateTime<Utc>) -> Result<Guess> {
        let pair = (guessed, client.origin());
        self.addresses.take(&pair.1, now).map_err(refused)?;
        self.pairs.take(&pair, now).inspect_err(|_| self.addresses.give_back(&pair.1)).map_err(refused)?;
        Ok(Guess(pair))
    }

    /// Gives back what an attempt was charged: its password was right, or was not looked at.
    pub(super) fn give_back(&self, Guess(pair): &Guess) {
        self.pairs.give_back(pair);
        self.addresses.give_back(&pair.1);
    }

    /// Charges a mail that an address asks for.
    pub(super) fn mail_from(&self, client: &Client, now: DateTime<Utc>) -> Result<()> {
        self.mails_from.take(&client.origin(), now).map_err(refused)
    }

    /// Charges a mail to an account that a caller from an address asks for without a login. It leaves the mails of the user themselves alone, and
    /// those that are asked for from elsewhere.
    pub(super) fn mail_for_stranger(&self, user: &UserId, from: Origin, now: DateTime<Utc>) -> Result<()> {
        self.mails_for_strangers.take(&(user.clone(), from), now).map_err(refused)
    }

    /// Charges a mail to an account that its user asks for.
    pub(super) fn mail_to(&self, user: &UserId, now: DateTime<Utc>) -> Result<()> {
        self.mails_to.take(user, now).map_err(refused)
    }
}
