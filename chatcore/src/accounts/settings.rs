//! The settings of the accounts, with their defaults, in one place.

use std::time::Duration;

use crate::limits::Rate;

/// The cost of a hash by Argon2id (RFC 9106).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Argon2Cost {
    /// Memory in KiB.
    pub memory_kib: u32,
    /// Passes over the memory.
    pub passes: u32,
    /// Lanes.
    pub lanes: u32,
}

impl Default for Argon2Cost {
    /// 19 MiB, 2 passes, 1 lane: the least that OWASP's Password Storage Cheat Sheet recommends.
    fn default() -> Self {
        Self { memory_kib: 19 * 1024, passes: 2, lanes: 1 }
    }
}

/// Invalid settings.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the settings of the accounts cannot be used: {0}")]
pub struct InvalidSettings(pub String);

/// The settings of the accounts.
///
/// Each process counts the rates for itself: `n` processes together allow `n` times as much. A rate of `None` is no limit. Registrations
/// and uploads are counted by the [`RateLimits`](crate::RateLimits) of the chat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountSettings {
    /// Lifetime of an access token.
    pub access_lifetime: Duration,
    /// Lifetime of a refresh token. Each refresh gives a new token with the full lifetime.
    pub refresh_lifetime: Duration,
    /// Grace period after the rotation of a refresh token: a reuse within this period counts as a race of two clients, and not as theft.
    pub refresh_grace: Duration,
    /// The claim `iss` of access tokens.
    pub issuer: Option<String>,
    /// The claim `aud` of access tokens.
    pub audience: Option<String>,
    /// Maximum number of concurrent logins of one account, up to 1,000. A further login evicts the login that was unused for the longest
    /// time.
    pub logins: usize,
    /// The cost of hashes. The next login replaces a hash of another cost.
    pub argon2: Argon2Cost,
    /// Maximum number of concurrent hashes of passwords. Each hash uses [`Argon2Cost::memory_kib`].
    pub hashes: usize,
    /// Maximum wait of a call for a free hash, before the call fails as unavailable.
    pub hash_wait: Duration,
    /// Shortest password, in characters.
    pub password_min_chars: usize,
    /// Longest password, in characters.
    pub password_max_chars: usize,
    /// Minimum strength of a password by zxcvbn, 0 to 4. 0 accepts every password.
    pub password_score: u8,
    /// Names that users cannot register, including names that look like one of these names.
    pub reserved_names: Vec<String>,
    /// Shortest user name, in characters.
    pub username_min_chars: usize,
    /// Longest user name, in characters.
    pub username_max_chars: usize,
    /// Longest name to show, in characters.
    pub display_name_chars: usize,
    /// Longest text about a user, in characters.
    pub bio_chars: usize,
    /// Longest public key, in characters.
    pub public_key_chars: usize,
    /// Longest address of a picture, in characters.
    pub avatar_url_chars: usize,
    /// Rate of password attempts for one user name or one e-mail address from one network address. Only wrong passwords count, with or
    /// without such an account. For a logged-in caller, wrong passwords count for the account.
    pub guesses: Option<Rate>,
    /// Rate of password attempts from one network address, for all accounts. Only wrong passwords count.
    pub guesses_per_address: Option<Rate>,
    /// Rate of requests for mail from one network address, and for one account.
    pub mails: Option<Rate>,
    /// Whether the messages of a user become tombstones at the deletion of the account. Otherwise the messages stay, under
    /// [`removed_name`](Self::removed_name).
    pub erases_messages: bool,
    /// The name that is shown for a user whose account was deleted.
    pub removed_name: String,
    /// Maximum number of concurrent exports in a process. A user has one export at a time.
    pub exports: usize,
    /// Maximum wait of an export for a reader that reads nothing, before the export ends as unavailable.
    pub export_wait: Duration,
    /// How long an export surely keeps its place. An older one ends as unavailable when another user's export finds no place.
    pub export_time: Duration,
    /// Maximum size of an uploaded picture, in bytes.
    pub avatar_bytes: usize,
    /// Maximum number of pixels of an uploaded picture.
    pub avatar_pixels: u64,
    /// Lifetime of a code to verify an address.
    pub verification_lifetime: Duration,
    /// Lifetime of a code to set a new password.
    pub reset_lifetime: Duration,
}

impl Default for AccountSettings {
    fn default() -> Self {
        const MINUTE: u64 = 60;
        const DAY: u64 = 24 * 60 * MINUTE;
        let reserved = [
            "admin",
            "administrator",
            "anonymous",
            "chat",
            "deleted",
            "everyone",
            "guest",
            "help",
            "here",
            "me",
            "moderator",
            "nobody",
            "null",
            "official",
            "root",
            "security",
            "server",
            "staff",
            "support",
            "system",
            "undefined",
            "user",
            "webmaster",
        ];
        Self {
            access_lifetime: Duration::from_secs(30 * MINUTE),
            refresh_lifetime: Duration::from_secs(7 * DAY),
            refresh_grace: Duration::from_secs(10),
            issuer: None,
            audience: None,
            logins: 100,
            argon2: Argon2Cost::default(),
            hashes: std::thread::available_parallelism().map_or(2, usize::from),
            hash_wait: Duration::from_secs(10),
            password_min_chars: 8,
            password_max_chars: 256,
            password_score: 2,
            reserved_names: reserved.map(str::to_owned).to_vec(),
            username_min_chars: 3,
            username_max_chars: 32,
            display_name_chars: 100,
            bio_chars: 500,
            public_key_chars: 8_192,
            avatar_url_chars: 2_048,
            guesses: Some(Rate::new(5, Duration::from_secs(3 * MINUTE))),
            guesses_per_address: Some(Rate::new(50, Duration::from_secs(18))),
            mails: Some(Rate::new(5, Duration::from_secs(3 * MINUTE))),
            erases_messages: true,
            removed_name: "Deleted user".to_owned(),
            exports: 4,
            export_wait: Duration::from_secs(MINUTE),
            export_time: Duration::from_secs(10 * MINUTE),
            avatar_bytes: 5 * 1024 * 1024,
            avatar_pixels: 25_000_000,
            verification_lifetime: Duration::from_secs(DAY),
            reset_lifetime: Duration::from_secs(60 * MINUTE),
        }
    }
}
