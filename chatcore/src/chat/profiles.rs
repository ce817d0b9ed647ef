//! Profiles: made on first sight, looked up when something is shown.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use moka::sync::Cache;

use super::Chat;
use crate::{
    error::{Error, Result},
    identity::Principal,
    model::{Profile, UserId},
    store::ChatStore,
};

/// Profiles kept in memory.
const KEPT: u64 = 20_000;

/// How long another process' rename may stay unseen.
pub(super) const FRESH_FOR: Duration = Duration::from_secs(5);

/// After how long claims that say nothing new are put all the same: another process may have put others meanwhile.
const PUT_AGAIN: Duration = Duration::from_secs(600);

/// Looks profiles up, keeping those of late.
#[derive(Clone)]
pub(super) struct Profiles {
    store: Arc<dyn ChatStore>,
    recent: Cache<UserId, Profile>,
    /// The newest claims of each caller, so that a caller costs a write once and not at every call.
    put: Cache<UserId, Profile>,
}

impl Profiles {
    pub(super) fn new(store: Arc<dyn ChatStore>) -> Self {
        let recent = Cache::builder().max_capacity(KEPT).time_to_live(FRESH_FOR).build();
        let put = Cache::builder().max_capacity(KEPT).time_to_live(PUT_AGAIN).build();
        Self { store, recent, put }
    }

    /// Keeps what the claims say, where that is news.
    async fn see(&self, profile: Profile) -> Result<()> {
        if let Some(known) = self.put.get(&profile.user_id) {
            if known.updated_at >= profile.updated_at {
                return Ok(());
            }
            let same = Profile { updated_at: profile.updated_at, ..known } == profile;
            if same {
                // Newer claims that say the same need no write, and are the ones that older claims must not replace.
                self.put.insert(profile.user_id.clone(), profile);
                return Ok(());
            }
        }
        self.store.put_profile(profile.clone()).await?;
        self.recent.invalidate(&profile.user_id);
        self.put.insert(profile.user_id.clone(), profile);
        Ok(())
    }

    /// The profiles of these users; of whom nothing is known, the id stands for the name.
    pub(super) async fn find(&self, users: Vec<&UserId>) -> Result<HashMap<UserId, Profile>> {
        let mut found = HashMap::new();
        let mut missing = HashSet::new();
        for user in users {
            if found.contains_key(user) || missing.contains(user) {
                continue;
            }
            match self.recent.get(user) {
                Some(profile) => {
                    found.insert(user.clone(), profile);
                }
                None => drop(missing.insert(user.clone())),
            }
        }
        if missing.is_empty() {
            return Ok(found);
        }
        let missing = Vec::from_iter(missing);
        let stored = self.store.profiles(&missing).await?;
        for (user, profile) in missing.into_iter().zip(stored) {
            let profile = profile.unwrap_or_else(|| Profile::unknown(user.clone()));
            self.recent.insert(user.clone(), profile.clone());
            found.insert(user, profile);
        }
        Ok(found)
    }

    pub(super) async fn one(&self, user: &UserId) -> Result<Profile> {
        if let Some(profile) = self.recent.get(user) {
            return Ok(profile);
        }
        let mut found = self.find(vec![user]).await?;
        Ok(found.remove(user).unwrap_or_else(|| Profile::unknown(user.clone())))
    }

    /// Whether the user was ever seen, by any process.
    pub(super) async fn knows(&self, user: &UserId) -> Result<bool> {
        Ok(self.store.profiles(std::slice::from_ref(user)).await?.iter().any(Option::is_some))
    }
}

/// A profile as everybody may see it.
pub(super) fn public(profile: Profile) -> Profile {
    Profile { email: None, ..profile }
}

/// Takes a profile out of what [`Profiles::find`] gave.
pub(super) fn of(profiles: &HashMap<UserId, Profile>, user: &UserId) -> Profile {
    profiles.get(user).cloned().unwrap_or_else(|| Profile::unknown(user.clone()))
}

impl Chat {
    /// The caller's own profile; makes it on first sight.
    ///
    /// # Errors
    /// [`TokenExpired`](Error::TokenExpired) when the principal's time is over.
    pub async fn me(&self, principal: &Principal) -> Result<Profile> {
        self.enter(principal).await?;
        self.inner.profiles.one(&principal.user_id).await
    }

    /// Every use case begins here: refuses who has expired, and remembers who was seen.
    pub(super) async fn enter(&self, principal: &Principal) -> Result<()> {
        if principal.expires_at.is_some_and(|end| end <= self.inner.clock.now()) {
            return Err(Error::TokenExpired);
        }
        self.inner.profiles.see(principal.profile(self.inner.limits.profile_chars)).await
    }
}
