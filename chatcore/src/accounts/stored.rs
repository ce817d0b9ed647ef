//! The tables of the accounts, and the forms of their values. A form only grows.

use std::net::IpAddr;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    model::{LoginId, Seq, SessionId, UserId},
    store::{Json, Part, StoredValue},
    tables,
};

tables! {
    /// Accounts.
    shared plain AccountRecords = "account" [
        /// The user.
        user: UserId,
    ] -> AccountRecord = 1;

    /// User names, folded, so that lists of users are sorted by them. A name is unique by its key.
    shared plain AccountNames = "account_name" [
        /// The name, folded.
        name: String,
    ] -> Holder = 1;

    /// The looks of user names, so that no two names look alike.
    shared plain AccountLooks = "account_look" [
        /// The skeleton of the name.
        skeleton: String,
    ] -> Holder = 1;

    /// E-mail addresses, folded.
    shared plain AccountEmails = "account_email" [
        /// The address, folded.
        email: String,
    ] -> Holder = 1;

    /// Logins that have not ended, by user.
    shared plain Logins = "login" [
        /// The user.
        user: UserId,
        /// The login.
        login: LoginId,
    ] -> LoginRecord = 1;

    /// The refresh tokens of a login.
    shared plain RefreshTokens = "refresh" [
        /// The login, which is the family of the tokens.
        login: LoginId,
    ] -> RefreshRecord = 1;

    /// Pictures that users uploaded. A picture has a record before it is put and until it is removed, so none is forgotten.
    shared plain Pictures = "picture" [
        /// The user.
        user: UserId,
        /// The id of the picture.
        id: String,
    ] -> PictureRecord = 1;

    /// Accounts that were deleted and whose traces are being erased.
    shared plain Erasures = "erasure" [
        /// The user.
        user: UserId,
    ] -> ErasureRecord = 1;

    /// Codes that were sent by mail, by their digest.
    shared plain MailCodes = "mail_code" [
        /// The digest of the code.
        digest: String,
    ] -> CodeRecord = 1;
}

macro_rules! json_values {
    ($($value:ty),+ $(,)?) => {$(
        impl StoredValue for $value {
            fn encode(&self) -> Json {
                // The forms have texts for keys and no numbers that JSON lacks.
                serde_json::to_value(self).unwrap_or_default()
            }

            fn decode(_: u32, _: &[Part], stored: Json) -> Result<Self, String> {
                serde_json::from_value(stored).map_err(|error| error.to_string())
            }
        }
    )+};
}

json_values!(AccountRecord, Holder, LoginRecord, RefreshRecord, PictureRecord, CodeRecord, ErasureRecord);

/// An account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountRecord {
    /// The user name, as the user wrote it.
    pub username: String,
    /// The e-mail address, as the user wrote it.
    pub email: String,
    /// Whether the user has verified the address.
    #[serde(default)]
    pub is_verified: bool,
    /// The name to show.
    pub display_name: String,
    /// A text about the user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bio: Option<String>,
    /// The address of a picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub avatar_url: Option<String>,
    /// The id of an uploaded picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub avatar: Option<String>,
    /// A public key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_key: Option<String>,
    /// The hash of the password: a PHC string of Argon2id, or an imported hash of bcrypt.
    pub password: String,
    /// When the account was made.
    pub created_at: DateTime<Utc>,
    /// When the user changed it last.
    pub updated_at: DateTime<Utc>,
    /// When the user logged in last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_login: Option<DateTime<Utc>>,
    /// The codes with which the user can verify the address, the latest code first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub verification: Vec<PendingCode>,
    /// The codes with which the user can set a new password, the latest one first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reset: Vec<PendingCode>,
}

/// The user who has a name or an address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The user.
    #[serde(deserialize_with = "UserId::deserialize_stored")]
    pub user: UserId,
}

/// A login.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoginRecord {
    /// The device that the client named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// The address from which it was used last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
    /// When it began.
    pub created_at: DateTime<Utc>,
    /// When it was used last.
    pub last_used_at: DateTime<Utc>,
    /// When its refresh token ends.
    pub expires_at: DateTime<Utc>,
}

/// The refresh tokens of a login: digests of the one that counts and of the secret that all have, so that the reuse of an older one can be
/// noticed without a record of each.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefreshRecord {
    /// The user.
    #[serde(deserialize_with = "UserId::deserialize_stored")]
    pub user: UserId,
    /// The digest of the secret of all tokens of the login.
    pub family: String,
    /// The number of the token that counts.
    pub number: u64,
    /// The digest of the token that counts.
    pub digest: String,
    /// When it ends.
    pub expires_at: DateTime<Utc>,
    /// When the tokens before it were replaced, the latest one first; as many as can be young.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rotated_at: Vec<DateTime<Utc>>,
}

/// A picture that a user uploaded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PictureRecord {
    /// When the upload began.
    pub since: DateTime<Utc>,
}

/// The digest of a code that was sent by mail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingCode {
    /// The digest.
    pub digest: String,
    /// When the code ends.
    pub expires_at: DateTime<Utc>,
}

/// A code that was sent by mail. It counts while the account names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CodeRecord {
    /// The user.
    #[serde(deserialize_with = "UserId::deserialize_stored")]
    pub user: UserId,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it like this")]
const fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// The progress of the erasure of a user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErasureRecord {
    /// When the account was deleted.
    pub since: DateTime<Utc>,
    /// Whether the user's messages become tombstones.
    pub messages: bool,
    /// The last session that is done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub done: Option<SessionId>,
    /// The last position that is done in the session after it.
    #[serde(default)]
    pub after: Seq,
    /// The end of the lease of a process, or of the backoff after a failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claimed_until: Option<DateTime<Utc>>,
    /// The sessions up to `done` that failed, and are tried again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left: Vec<SessionId>,
    /// The number of runs that left failed sessions.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub failures: u32,
}
