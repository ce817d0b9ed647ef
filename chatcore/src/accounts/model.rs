//! What callers give, and what they get.

use std::{fmt, net::IpAddr};

use chrono::{DateTime, Utc};

use crate::{
    limits::Origin,
    model::{LoginId, UserId},
};

/// The program that calls, as its frontend sees it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Client {
    /// Its address. Limits per address count all callers without an address as one, and a network of IPv6 (64 bits) as one address.
    pub address: Option<IpAddr>,
    /// The name of the device, for the list of logins: what the client says, cut to 100 characters.
    pub device: Option<String>,
}

impl Client {
    /// Its address in the form in which limits count it.
    pub(super) fn origin(&self) -> Origin {
        self.address.into()
    }

    /// The same with this name of the device, where there is one.
    #[must_use]
    pub fn named(self, device: Option<String>) -> Self {
        Self { device: device.or(self.device), ..self }
    }
}

/// A new account.
#[derive(Clone, PartialEq, Eq)]
pub struct Register {
    /// The user name: 3 to 32 characters by default, unique, also among names that look alike.
    pub username: String,
    /// The e-mail address, unique.
    pub email: String,
    /// The password: 8 to 256 characters by default.
    pub password: String,
    /// The name to show: 1 to 100 characters by default. The user name where not given.
    pub display_name: Option<String>,
    /// A public key for encrypted messages, which the server stores as it is.
    pub public_key: Option<String>,
}

impl Register {
    /// An account with what is required.
    pub fn new(username: impl Into<String>, email: impl Into<String>, password: impl Into<String>) -> Self {
        let (username, email, password) = (username.into(), email.into(), password.into());
        Self { username, email, password, display_name: None, public_key: None }
    }
}

impl fmt::Debug for Register {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Passwords stay out of logs.
        f.debug_struct("Register").field("username", &self.username).finish_non_exhaustive()
    }
}

/// An account of another system.
#[derive(Clone, PartialEq, Eq)]
pub struct ImportAccount {
    /// The id that the user has; a new one where not given.
    pub user_id: Option<UserId>,
    /// The user name, as for [`Register`].
    pub username: String,
    /// The e-mail address.
    pub email: String,
    /// The hash of the password: of bcrypt (`$2b$…`) up to cost 16, or a PHC string of Argon2 with up to 256 MiB.
    pub password_hash: String,
    /// The name to show; the user name where not given.
    pub display_name: Option<String>,
    /// Whether the other system has verified the address.
    pub is_verified: bool,
    /// When the account was made; now where not given.
    pub created_at: Option<DateTime<Utc>>,
}

impl fmt::Debug for ImportAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ImportAccount").field("username", &self.username).finish_non_exhaustive()
    }
}

/// A user name or an e-mail address, with the password.
#[derive(Clone, PartialEq, Eq)]
pub struct LogIn {
    /// The user name or the e-mail address.
    pub username_or_email: String,
    /// The password.
    pub password: String,
}

impl fmt::Debug for LogIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogIn").finish_non_exhaustive()
    }
}

/// The account of the caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The user.
    pub user_id: UserId,
    /// The user name.
    pub username: String,
    /// The e-mail address.
    pub email: String,
    /// Whether the user has shown that the address is theirs.
    pub is_verified: bool,
    /// The name to show.
    pub display_name: String,
    /// What the user says about themselves.
    pub bio: Option<String>,
    /// The address of a picture.
    pub avatar_url: Option<String>,
    /// A public key for encrypted messages.
    pub public_key: Option<String>,
    /// When the account was made.
    pub created_at: DateTime<Utc>,
    /// When it was changed last.
    pub updated_at: DateTime<Utc>,
    /// When the user logged in last. A refresh is no login.
    pub last_login: Option<DateTime<Utc>>,
}

/// A user as every other user may see them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The user.
    pub user_id: UserId,
    /// The user name.
    pub username: String,
    /// The name to show.
    pub display_name: String,
    /// What the user says about themselves.
    pub bio: Option<String>,
    /// The address of a picture.
    pub avatar_url: Option<String>,
    /// A public key for encrypted messages.
    pub public_key: Option<String>,
    /// When the account was made.
    pub created_at: DateTime<Utc>,
}

/// A page of users, sorted by their names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserPage {
    /// The page.
    pub users: Vec<User>,
    /// The name to continue after; `None` where nobody comes after the page.
    pub next: Option<String>,
}

/// New values of one's own profile. `None` leaves a field as it is, and an inner `None` takes its value away.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UpdateAccount {
    /// The name to show: 1 to 100 characters by default.
    pub display_name: Option<String>,
    /// What the user says about themselves: at most 500 characters by default.
    pub bio: Option<Option<String>>,
    /// The address of a picture: `http` or `https`, at most 2,048 characters by default.
    pub avatar_url: Option<Option<String>>,
    /// A public key for encrypted messages: at most 8,192 characters by default.
    pub public_key: Option<Option<String>>,
}

/// Tokens of one login.
#[derive(Clone, PartialEq, Eq)]
pub struct Tokens {
    /// A JSON Web Token (RFC 9068) for the header `Authorization`.
    pub access_token: String,
    /// An opaque token that [`Accounts::refresh`](super::Accounts::refresh) takes once.
    pub refresh_token: String,
    /// Seconds until the access token ends.
    pub expires_in: u64,
    /// When the refresh token ends.
    pub refresh_expires_at: DateTime<Utc>,
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Tokens stay out of logs.
        f.debug_struct("Tokens").field("expires_in", &self.expires_in).finish_non_exhaustive()
    }
}

/// Somebody who has just logged in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedIn {
    /// The account.
    pub account: Account,
    /// The login.
    pub login_id: LoginId,
    /// Its tokens.
    pub tokens: Tokens,
}

/// One of the caller's logins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// Its id.
    pub id: LoginId,
    /// The device that the client named.
    pub device: Option<String>,
    /// The address from which it was used last.
    pub address: Option<IpAddr>,
    /// When it began.
    pub created_at: DateTime<Utc>,
    /// When it was used last: the login, or a refresh.
    pub last_used_at: DateTime<Utc>,
    /// When it ends unless it is used.
    pub expires_at: DateTime<Utc>,
    /// Whether the caller's token belongs to it.
    pub is_current: bool,
}
