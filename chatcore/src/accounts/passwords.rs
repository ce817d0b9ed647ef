//! Passwords: their strength, and their hashes, which are computed off the async threads.

use std::{sync::Arc, time::Duration};

use argon2::{
    Algorithm, Argon2, Params, Version,
    password_hash::{PasswordHash, PasswordHasher as _, PasswordVerifier as _, SaltString},
};
use tokio::sync::Semaphore;

use super::{AccountSettings, Argon2Cost, InvalidSettings};
use crate::error::{Code, Error, FieldError, Result};

/// The most expensive hash of bcrypt that can be imported: 16 takes some seconds.
const BCRYPT_COST: u32 = 16;

/// The bytes of a password that bcrypt reads.
const BCRYPT_BYTES: usize = 71;

/// The most passes of an imported hash of Argon2.
const ARGON2_PASSES: u32 = 16;

/// The most lanes of an imported hash of Argon2.
const ARGON2_LANES: u32 = 16;

/// The most memory that an imported hash of Argon2 may take, in KiB.
const ARGON2_KIB: u32 = 256 * 1024;

/// How a password compares with a hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is another one.
    Wrong,
    /// It is the one.
    Right,
    /// It is the one, and its hash is of another kind or cost than those that are made now.
    Outdated,
}

/// Hashes passwords.
#[derive(Clone)]
pub(super) struct Passwords {
    shared: Arc<Shared>,
}

struct Shared {
    argon2: Argon2<'static>,
    /// The hash with which the password of an unknown user is compared, so that the answer takes as long.
    dummy: String,
    turns: Arc<Semaphore>,
    wait: Duration,
    min_chars: usize,
    max_chars: usize,
    score: u8,
}

/// Whether a text is a hash of bcrypt.
fn is_bcrypt(hash: &str) -> bool {
    ["$2a$", "$2b$", "$2x$", "$2y$"].iter().any(|prefix| hash.starts_with(prefix))
}

/// Checks a hash that another system made.
pub(super) fn importable(hash: &str) -> Result<(), &'static str> {
    if is_bcrypt(hash) {
        let parts: bcrypt::HashParts = hash.parse().map_err(|_| "a hash of bcrypt of another form")?;
        return if parts.get_cost() <= BCRYPT_COST { Ok(()) } else { Err("a hash of bcrypt of a cost above 16") };
    }
    let parsed = PasswordHash::new(hash).map_err(|_| "neither a hash of bcrypt nor a PHC string of Argon2")?;
    let params = Algorithm::try_from(parsed.algorithm).and_then(|_| Params::try_from(&parsed));
    let params = params.map_err(|_| "neither a hash of bcrypt nor a PHC string of Argon2")?;
    if parsed.hash.is_some()
        && params.m_cost() <= ARGON2_KIB
        && params.t_cost() <= ARGON2_PASSES
        && params.p_cost() <= ARGON2_LANES
    {
        Ok(())
    } else {
        Err("a PHC string without a hash, or with more than 256 MiB of memory, 16 passes or 16 lanes")
    }
}

impl Passwords {
    pub(super) fn new(settings: &AccountSettings) -> Result<Self, InvalidSettings> {
        let Argon2Cost { memory_kib, passes, lanes } = settings.argon2;
        let invalid = |error: argon2::Error| InvalidSettings(format!("argon2: {error}"));
        let params = Params::new(memory_kib, passes, lanes, None).map_err(invalid)?;
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let dummy = hash(&argon2, "").map_err(|_| InvalidSettings("argon2 cannot hash".to_owned()))?;
        let shared = Shared {
            argon2,
            dummy,
            turns: Arc::new(Semaphore::new(settings.hashes.clamp(1, 1_024))),
            wait: settings.hash_wait,
            min_chars: settings.password_min_chars,
            max_chars: settings.password_max_chars,
            score: settings.password_score.min(4),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Does work that takes a processor for a while, when it is its turn.
    async fn work<T: Send + 'static>(&self, work: impl FnOnce(&Shared) -> T + Send + 'static) -> Result<T> {
        let turn = tokio::time::timeout(self.shared.wait, Arc::clone(&self.shared.turns).acquire_owned());
        let turn = turn.await.map_err(|_| Error::Unavailable)?.map_err(|_| Error::Unavailable)?;
        let shared = Arc::clone(&self.shared);
        // The turn ends with the work, also where nobody waits for it any more.
        let work = tokio::task::spawn_blocking(move || {
            let done = work(&shared);
            drop(turn);
            done
        });
        work.await.map_err(|error| {
            tracing::error!(%error, "hashing a password failed");
            Error::Internal
        })
    }

    /// Whether a password is too short or too long to be anybody's.
    pub(super) fn length(&self, field: &str, password: &str) -> Result<(), FieldError> {
        let Shared { min_chars, max_chars, .. } = *self.shared;
        let count = password.chars().take(max_chars.saturating_add(1)).count();
        if count > max_chars {
            let message = format!("at most {max_chars} characters");
            return Err(FieldError::new(field, Code::ValidationLengthExceeded, message));
        }
        if count < min_chars {
            let message = format!("at least {min_chars} characters");
            return Err(FieldError::new(field, Code::PasswordTooWeak, message));
        }
        Ok(())
    }

    /// The hash of a new password, where it is strong enough. `known` are texts that a guess would try first.
    pub(super) async fn accept(&self, field: &'static str, password: &str, known: &[&str]) -> Result<String> {
        self.length(field, password).map_err(|fault| Error::Invalid(vec![fault]))?;
        let (password, known) = (password.to_owned(), known.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>());
        let hashed = self.work(move |shared| {
            if let Some(fault) = weakness(field, &password, &known, shared.score) {
                return Err(Error::Invalid(vec![fault]));
            }
            hash(&shared.argon2, &password).map_err(|error| {
                tracing::error!(%error, "hashing a password failed");
                Error::Internal
            })
        });
        hashed.await?
    }

    /// Compares a password with a hash; without a hash it takes as long, and the password is wrong.
    pub(super) async fn verify(&self, password: &str, hash: Option<&str>) -> Result<Verdict> {
        let (password, hash) = (password.to_owned(), hash.map(str::to_owned));
        // A password beyond the limit is nobody's, and costs what others cost.
        let is_long = password.chars().take(self.shared.max_chars.saturating_add(1)).count() > self.shared.max_chars;
        self.work(move |shared| match hash {
            Some(hash) if !is_long => compare(&shared.argon2, &password, &hash),
            Some(_) | None => {
                let _ = compare(&shared.argon2, if is_long { "" } else { &password }, &shared.dummy);
                Verdict::Wrong
            }
        })
        .await
    }

    /// The hash of a password that was right, by the cost of now.
    pub(super) async fn rehash(&self, password: &str) -> Result<String> {
        let password = password.to_owned();
        self.work(move |shared| hash(&shared.argon2, &password)).await?.map_err(|_| Error::Internal)
    }
}

fn hash(argon2: &Argon2<'_>, password: &str) -> Result<String, argon2::password_hash::Error> {
    let salt = SaltString::encode_b64(&rand::random::<[u8; 16]>())?;
    Ok(argon2.hash_password(password.as_bytes(), &salt)?.to_string())
}

fn compare(argon2: &Argon2<'_>, password: &str, hash: &str) -> Verdict {
    if is_bcrypt(hash) {
        return match bcrypt::verify(password, hash) {
            // What bcrypt did not read was not verified, so a new hash must not hold it.
            Ok(true) if password.len() > BCRYPT_BYTES => Verdict::Right,
            Ok(true) => Verdict::Outdated,
            Ok(false) | Err(_) => Verdict::Wrong,
        };
    }
    let Ok(parsed) = PasswordHash::new(hash) else {
        tracing::error!("a stored hash of a password cannot be read");
        return Verdict::Wrong;
    };
    if argon2.verify_password(password.as_bytes(), &parsed).is_err() {
        return Verdict::Wrong;
    }
    let cost = |params: &Params| (params.m_cost(), params.t_cost(), params.p_cost());
    let is_current = parsed.algorithm == Algorithm::Argon2id.ident()
        && Params::try_from(&parsed).is_ok_and(|params| cost(&params) == cost(argon2.params()));
    if is_current { Verdict::Right } else { Verdict::Outdated }
}

/// Why a password can be guessed too easily.
fn weakness(field: &str, password: &str, known: &[String], least: u8) -> Option<FieldError> {
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    let entropy = zxcvbn::zxcvbn(password, &known);
    if u8::from(entropy.score()) >= least {
        return None;
    }
    let mut message = "too easy to guess".to_owned();
    if let Some(feedback) = entropy.feedback() {
        if let Some(warning) = feedback.warning() {
            message = format!("{message}: {warning}");
        }
        for suggestion in feedback.suggestions() {
            message = format!("{} {suggestion}", message.trim_end_matches(' '));
        }
    }
    Some(FieldError::new(field, Code::PasswordTooWeak, message))
}
