//! The inputs and outputs of the accounts.

use std::{fmt, net::IpAddr};

use chrono::{DateTime, Utc};

use crate::{
    limits::Origin,
    model::{LoginId, UserId},
};

/// The calling program, for its frontend.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Client {
    /// The network address. Limits per address count all callers without an address as one address, and a network of IPv6 (64 bits) as one
    /// address.
    pub address: Option<IpAddr>,
    /// The name of the device from the client, for the list of logins, truncated to 100 characters.
    pub device: Option<String>,
}

impl Client {
    /// Its address in the form in which limits count it.
    pub(super) fn origin(&self) -> Origin {
        self.address.into()
    }

    /// Sets the name of the device, unless the name is `None`.
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
    /// A public key for encrypted messages, which the server stores without a change.
    pub public_key: Option<String>,
}

impl Register {
    /// An account with the required values.
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
    /// The existing id of the user; a new id where not given.
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
    /// The time of creation of the account; now where not given.
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
    /// Whether the user has verified the address.
    pub is_verified: bool,
    /// The name to show.
    pub display_name: String,
    /// A text about the user.
    pub bio: Option<String>,
    /// The address of a picture.
    pub avatar_url: Option<String>,
    /// A public key for encrypted messages.
    pub public_key: Option<String>,
    /// The time of creation of the account.
    pub created_at: DateTime<Utc>,
    /// The time of the last change.
    pub updated_at: DateTime<Utc>,
    /// The time of the last login. A refresh is not a login.
    pub last_login: Option<DateTime<Utc>>,
}

/// The public profile of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The user.
    pub user_id: UserId,
    /// The user name.
    pub username: String,
    /// The name to show.
    pub display_name: String,
    /// A text about the user.
    pub bio: Option<String>,
    /// The address of a picture.
    pub avatar_url: Option<String>,
    /// A public key for encrypted messages.
    pub public_key: Option<String>,
    /// The time of creation of the account.
    pub created_at: DateTime<Utc>,
}

/// A page of users, sorted by their names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserPage {
    /// The users of the page.
    pub users: Vec<User>,
    /// The name after which the next page begins; `None` for the last page.
    pub next: Option<String>,
}

/// New values of the caller's profile. The outer `None` keeps a field, and an inner `None` removes the value.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UpdateAccount {
    /// The name to show: 1 to 100 characters by default.
    pub display_name: Option<String>,
    /// A text about the user: at most 500 characters by default.
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
    /// An opaque token that [`Accounts::refresh`](super::Accounts::refresh) accepts once.
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

/// The result of a login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedIn {
    /// The account.
    pub account: Account,
    /// The login.
    pub login_id: LoginId,
    /// The tokens of the login.
    pub tokens: Tokens,
}

/// One of the caller's logins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// The id.
    pub id: LoginId,
    /// The device that the client named.
    pub device: Option<String>,
    /// The network address of the last use.
    pub address: Option<IpAddr>,
    /// The time of the login.
    pub created_at: DateTime<Utc>,
    /// The time of the login or of the last refresh.
    pub last_used_at: DateTime<Utc>,
    /// The time at which an unused login ends.
    pub expires_at: DateTime<Utc>,
    /// Whether the caller's token belongs to this login.
    pub is_current: bool,
}
