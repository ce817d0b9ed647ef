//! Key sets that are read from elsewhere, kept, and read again when their keys rotate.

use std::{
    fmt,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use tokio::time::{Instant, timeout};
use tracing::Instrument as _;

use super::keys::KeySet;
use crate::{
    error::{Error, Result},
    trace::TraceContext,
};

/// The longest JWK Set that is read, in bytes.
pub const MAX_JWKS_BYTES: usize = 256 * 1024;

/// Where a JWK Set is read from.
///
/// # Contract
/// One call is one attempt. It is given up after [`JwksOptions::fetch_timeout`]; dropping the future ends it. At most one call runs at
/// once. A text longer than [`MAX_JWKS_BYTES`] is not read to its end.
#[async_trait]
pub trait JwksSource: Send + Sync + 'static {
    /// The text of the set as it is now.
    ///
    /// # Errors
    /// A description for the log. Clients never see it.
    async fn fetch(&self) -> Result<String, String>;
}

/// When a key set is read again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JwksOptions {
    /// The age at which it is read again; 15 minutes by default. For so long, a key that was taken out may still be accepted.
    pub max_age: Duration,
    /// The shortest time between two attempts; 60 seconds by default. A token whose `kid` is not known asks for the set anew, and so
    /// do attackers' tokens.
    pub min_interval: Duration,
    /// How long an attempt may take; 5 seconds by default.
    pub fetch_timeout: Duration,
}

impl Default for JwksOptions {
    fn default() -> Self {
        Self {
            max_age: Duration::from_secs(900),
            min_interval: Duration::from_secs(60),
            fetch_timeout: Duration::from_secs(5),
        }
    }
}

/// A key set that is kept, and read again when it is old or lacks the key of a token. All callers that need it at once share one
/// attempt. An attempt that fails changes nothing: the keys that are known stay.
#[derive(Clone)]
pub struct Jwks(Arc<Shared>);

struct Shared {
    source: Box<dyn JwksSource>,
    options: JwksOptions,
    state: Mutex<State>,
    gate: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Default)]
struct State {
    keys: Option<Arc<KeySet>>,
    read_at: Option<Instant>,
    tried_at: Option<Instant>,
}

impl fmt::Debug for Jwks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Jwks").field("options", &self.0.options).finish_non_exhaustive()
    }
}

impl Jwks {
    /// A key set of this source, which is read with the first token.
    pub fn new(source: impl JwksSource) -> Self {
        Self::with_options(source, JwksOptions::default())
    }

    /// The same with options.
    pub fn with_options(source: impl JwksSource, options: JwksOptions) -> Self {
        let (source, state, gate) = (Box::new(source), Mutex::default(), Arc::default());
        Self(Arc::new(Shared { source, options, state, gate }))
    }

    /// A key set of a file.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self::new(JwksFile(path.into()))
    }

    /// Reads the set once, as the next token would, and gives the number of its keys. It changes nothing: a program that checks its settings
    /// asks, and no token.
    ///
    /// # Errors
    /// Why the set cannot be read, in words for the operator.
    pub async fn probe(&self) -> Result<usize, String> {
        self.0.fetch().await.map(|keys| keys.len())
    }

    /// The keys for a token with this `kid`.
    ///
    /// # Errors
    /// [`Unavailable`](Error::Unavailable) where no set could be read yet.
    pub(super) async fn keys(&self, kid: Option<&str>) -> Result<Arc<KeySet>> {
        let shared = &self.0;
        if let Some(keys) = shared.settled(kid) {
            return keys;
        }
        let known = shared.known();
        let gate = match (Arc::clone(&shared.gate).try_lock_owned(), &known) {
            (Ok(gate), _) => gate,
            // It is being read, and what is known is only a little old.
            (Err(_), Some(keys)) if keys.has(kid) => return Ok(Arc::clone(keys)),
            (Err(_), _) => Arc::clone(&shared.gate).lock_owned().await,
        };
        // Another caller may have read it meanwhile.
        if let Some(keys) = shared.settled(kid) {
            return keys;
        }
        // A caller that goes away must not make the next one begin anew.
        let reading = {
            let (shared, trace) = (Arc::clone(shared), TraceContext::current());
            TraceContext::within(trace, async move {
                let _gate = gate;
                shared.read().await;
            })
        };
        let reading = tokio::spawn(reading.instrument(tracing::debug_span!("read_key_set")));
        if reading.await.is_err() {
            tracing::error!("reading a key set panicked");
        }
        shared.known().ok_or(Error::Unavailable)
    }
}

impl Shared {
    fn known(&self) -> Option<Arc<KeySet>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).keys.clone()
    }

    /// What a token with this `kid` gets without an attempt to read the set; `None` where an attempt is due.
    fn settled(&self, kid: Option<&str>) -> Option<Result<Arc<KeySet>>> {
        let State { keys, read_at, tried_at } = &*self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let is_within = |since: &Option<Instant>, time| since.is_some_and(|since| since.elapsed() < time);
        let is_good = is_within(read_at, self.options.max_age) && keys.as_ref().is_some_and(|keys| keys.has(kid));
        if is_good || is_within(tried_at, self.options.min_interval) {
            return Some(keys.clone().ok_or(Error::Unavailable));
        }
        None
    }

    /// The set as it is now, by one attempt.
    async fn fetch(&self) -> Result<KeySet, String> {
        let fetched = timeout(self.options.fetch_timeout, self.source.fetch()).await;
        match fetched {
            Ok(Ok(text)) if text.len() > MAX_JWKS_BYTES => Err("it is too long".to_owned()),
            Ok(Ok(text)) => KeySet::from_jwks(&text).map_err(|error| error.to_string()),
            Ok(Err(error)) => Err(error),
            Err(_) => Err("it took too long".to_owned()),
        }
    }

    /// One attempt, whose set is kept.
    async fn read(&self) {
        let read = self.fetch().await;
        let now = Instant::now();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.tried_at = Some(now);
        match read {
            Ok(keys) => (state.keys, state.read_at) = (Some(Arc::new(keys)), Some(now)),
            Err(error) => tracing::warn!(error, "a key set could not be read; the keys that are known stay"),
        }
    }
}

/// A JWK Set in a file.
struct JwksFile(PathBuf);

#[async_trait]
impl JwksSource for JwksFile {
    async fn fetch(&self) -> Result<String, String> {
        let path = self.0.clone();
        let read = move || {
            use std::io::Read as _;
            let mut text = String::new();
            let most = u64::try_from(MAX_JWKS_BYTES + 1).unwrap_or(u64::MAX);
            std::fs::File::open(path)?.take(most).read_to_string(&mut text)?;
            std::io::Result::Ok(text)
        };
        let read = tokio::task::spawn_blocking(read).await.map_err(|error| error.to_string())?;
        read.map_err(|error| error.to_string())
    }
}
