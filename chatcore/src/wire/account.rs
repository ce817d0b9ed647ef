//! Accounts on the wire.

use std::{fmt, net::IpAddr};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use serde_json::Value;

use super::{named, present};
use crate::{
    accounts::{self, Account, Client, LoggedIn, Login, Tokens, User},
    model::{LoginId, UserId},
};

/// The type of access tokens (RFC 6750).
const BEARER: &str = "Bearer";

/// A text that no error and no log repeats: a password, a token or a code.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The text.
    #[must_use]
    pub fn into_inner(self) -> String {
        self.0
    }
}

impl AsRef<str> for Secret {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // An error of serde about a wrong type contains the value.
        match Value::deserialize(deserializer)? {
            Value::String(text) => Ok(Self(text)),
            _ => Err(D::Error::custom("a string is needed")),
        }
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Secret {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Secret".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "format": "password" })
    }
}

/// A new account.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Register {
    /// 3 to 32 characters by default: letters and digits, and between them `_`, `-` and `.`. Must be unique, also among names that look
    /// alike.
    username: String,
    /// The e-mail address, which must be unique.
    email: String,
    /// 8 to 256 characters by default, and hard to guess.
    password: Secret,
    /// The name to show: 1 to 100 characters by default; the user name where not given.
    display_name: Option<String>,
    /// A public key for encrypted messages: at most 8,192 characters by default. The server stores it and does not read it.
    public_key: Option<String>,
    /// The name of the device, for the list of logins: the first 100 characters; the header `User-Agent` where not given.
    device: Option<String>,
}

impl Register {
    /// The new account, and the client with the name of its device.
    #[must_use]
    pub fn command(self, client: Client) -> (Client, accounts::Register) {
        let Self { username, email, password, display_name, public_key, device } = self;
        let password = password.into_inner();
        (client.named(device), accounts::Register { username, email, password, display_name, public_key })
    }
}

/// A user name or an e-mail address, with the password.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct LogIn {
    /// The user name or the e-mail address. The name `username_or_email` is accepted for this field, too.
    #[serde(alias = "username_or_email")]
    username: String,
    password: Secret,
    /// The name of the device, for the list of logins: the first 100 characters; the header `User-Agent` where not given.
    device: Option<String>,
}

impl LogIn {
    /// The credentials, and the client with the name of its device.
    #[must_use]
    pub fn command(self, client: Client) -> (Client, accounts::LogIn) {
        let Self { username, password, device } = self;
        let log_in = accounts::LogIn { username_or_email: username, password: password.into_inner() };
        (client.named(device), log_in)
    }
}

/// A refresh token, which can be used once.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Refresh {
    /// The refresh token of a login.
    pub refresh_token: Secret,
}

/// A new password.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ChangePassword {
    /// The current password. A wrong password counts as a guess.
    pub old_password: Secret,
    /// 8 to 256 characters by default, and hard to guess.
    pub new_password: Secret,
}

/// A new e-mail address.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ChangeEmail {
    /// The current password. A wrong password counts as a guess.
    pub password: Secret,
    /// The new address. Must be unique.
    pub email: String,
}

/// The code that was sent to an e-mail address.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct VerifyEmail {
    /// The code of the mail.
    pub code: Secret,
}

/// The e-mail address of an account whose password is forgotten.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RequestPasswordReset {
    /// The address of the account.
    pub email: String,
}

/// A new password, with the code that was sent by mail.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ResetPassword {
    /// The code of the mail.
    pub code: Secret,
    /// 8 to 256 characters by default, and hard to guess.
    pub new_password: Secret,
}

/// The proof that the caller may delete the account.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct DeleteAccount {
    /// The current password. A wrong password counts as a guess.
    pub password: Secret,
}

/// New values of the caller's profile. An omitted field does not change.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct UpdateAccount {
    /// The name to show: 1 to 100 characters by default.
    #[serde(default, deserialize_with = "present")]
    display_name: Option<String>,
    /// At most 500 characters by default; `null` removes it.
    #[serde(default, deserialize_with = "named")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>", extend("nullable" = true)))]
    bio: Option<Option<String>>,
    /// The address of a picture, `http` or `https`; `null` removes it.
    #[serde(default, deserialize_with = "named")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>", extend("nullable" = true)))]
    avatar_url: Option<Option<String>>,
    /// A public key for encrypted messages; `null` removes it.
    #[serde(default, deserialize_with = "named")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>", extend("nullable" = true)))]
    public_key: Option<Option<String>>,
}

impl UpdateAccount {
    /// The changes.
    #[must_use]
    pub fn command(self) -> accounts::UpdateAccount {
        let Self { display_name, bio, avatar_url, public_key } = self;
        accounts::UpdateAccount { display_name, bio, avatar_url, public_key }
    }
}

/// The caller's account.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "Account"))]
struct AccountView<'a> {
    id: &'a UserId,
    username: &'a str,
    email: &'a str,
    /// Whether the user has used a code that was sent to the address.
    is_verified: bool,
    display_name: &'a str,
    #[cfg_attr(feature = "schema", schemars(extend("nullable" = true)))]
    bio: Option<&'a str>,
    #[cfg_attr(feature = "schema", schemars(extend("nullable" = true)))]
    avatar_url: Option<&'a str>,
    #[cfg_attr(feature = "schema", schemars(extend("nullable" = true)))]
    public_key: Option<&'a str>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    /// The time of the last login. A refresh is not a login.
    #[cfg_attr(feature = "schema", schemars(extend("nullable" = true)))]
    last_login: Option<DateTime<Utc>>,
}

impl<'a> From<&'a Account> for AccountView<'a> {
    fn from(account: &'a Account) -> Self {
        let Account { user_id, username, email, is_verified, display_name, bio, avatar_url, public_key, .. } = account;
        let Account { created_at, updated_at, last_login, .. } = *account;
        Self {
            id: user_id,
            username,
            email,
            is_verified: *is_verified,
            display_name,
            bio: bio.as_deref(),
            avatar_url: avatar_url.as_deref(),
            public_key: public_key.as_deref(),
            created_at,
            updated_at,
            last_login,
        }
    }
}

/// The public profile of a user.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "User"))]
struct UserView<'a> {
    id: &'a UserId,
    username: &'a str,
    display_name: &'a str,
    #[cfg_attr(feature = "schema", schemars(extend("nullable" = true)))]
    bio: Option<&'a str>,
    #[cfg_attr(feature = "schema", schemars(extend("nullable" = true)))]
    avatar_url: Option<&'a str>,
    #[cfg_attr(feature = "schema", schemars(extend("nullable" = true)))]
    public_key: Option<&'a str>,
    created_at: DateTime<Utc>,
}

impl<'a> From<&'a User> for UserView<'a> {
    fn from(user: &'a User) -> Self {
        let User { user_id, username, display_name, bio, avatar_url, public_key, created_at } = user;
        Self {
            id: user_id,
            username,
            display_name,
            bio: bio.as_deref(),
            avatar_url: avatar_url.as_deref(),
            public_key: public_key.as_deref(),
            created_at: *created_at,
        }
    }
}

/// New tokens.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "Tokens"))]
struct TokensView<'a> {
    /// The access token for the header `Authorization: Bearer`.
    access_token: &'a str,
    /// Always `Bearer`.
    token_type: &'static str,
    /// Seconds until the access token expires.
    expires_in: u64,
    /// The refresh token, which is valid for one use.
    refresh_token: &'a str,
    refresh_expires_at: DateTime<Utc>,
}

impl<'a> From<&'a Tokens> for TokensView<'a> {
    fn from(tokens: &'a Tokens) -> Self {
        let Tokens { access_token, refresh_token, expires_in, refresh_expires_at } = tokens;
        Self {
            access_token,
            token_type: BEARER,
            expires_in: *expires_in,
            refresh_token,
            refresh_expires_at: *refresh_expires_at,
        }
    }
}

/// The account of a user who has just logged in, with the tokens of the login.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "LoggedIn"))]
struct LoggedInView<'a> {
    user: &'a Account,
    login_id: LoginId,
    /// The access token for the header `Authorization: Bearer`.
    access_token: &'a str,
    /// Always `Bearer`.
    token_type: &'static str,
    /// Seconds until the access token expires.
    expires_in: u64,
    /// The refresh token, which is valid for one use.
    refresh_token: &'a str,
    refresh_expires_at: DateTime<Utc>,
}

impl<'a> From<&'a LoggedIn> for LoggedInView<'a> {
    fn from(logged_in: &'a LoggedIn) -> Self {
        let LoggedIn { account, login_id, tokens } = logged_in;
        let TokensView { access_token, token_type, expires_in, refresh_token, refresh_expires_at } = tokens.into();
        Self {
            user: account,
            login_id: *login_id,
            access_token,
            token_type,
            expires_in,
            refresh_token,
            refresh_expires_at,
        }
    }
}

/// One of the caller's logins.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "Login"))]
struct LoginView<'a> {
    id: LoginId,
    #[cfg_attr(feature = "schema", schemars(extend("nullable" = true)))]
    device: Option<&'a str>,
    /// The network address of the last use; for IPv6, the first 64 bits.
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>", extend("nullable" = true)))]
    address: Option<IpAddr>,
    created_at: DateTime<Utc>,
    /// The time of the login or of the last refresh.
    last_used_at: DateTime<Utc>,
    /// The time at which an unused login ends.
    expires_at: DateTime<Utc>,
    /// Whether the caller's token belongs to this login.
    is_current: bool,
}

impl<'a> From<&'a Login> for LoginView<'a> {
    fn from(login: &'a Login) -> Self {
        let Login { id, ref device, address, created_at, last_used_at, expires_at, is_current } = *login;
        Self { id, device: device.as_deref(), address, created_at, last_used_at, expires_at, is_current }
    }
}

shown_as! {
    Account => AccountView;
    LoggedIn => LoggedInView;
    Login => LoginView;
    Tokens => TokensView;
    User => UserView;
}
