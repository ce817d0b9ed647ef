//! What decides whether users see each other's receipts, kept for a moment: a session's readers are asked about once, and not for each signal.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use chrono::{DateTime, TimeDelta, Utc};
use moka::sync::Cache;

use crate::{
    chat::{MAX_BLOCKS, receipts::Sight},
    model::{UserId, UserSettings},
    store::{Blocks, ChatStore, ChatStoreExt as _, KeyPart as _, Scan, SettingsOfUsers, StoreError, TypedKey as _},
};

/// How old what is known of a user may be: a block or a setting through another process counts so much later.
const AGE: TimeDelta = TimeDelta::seconds(2);

/// Blocked users, and users themselves, that are kept in memory.
const KEPT: u64 = 200_000;

/// Blocks of a user that are read. Other processes may let in a few more than [`MAX_BLOCKS`].
const READ: u64 = MAX_BLOCKS + 100;

/// What one user chose.
pub(super) struct Choice {
    settings: UserSettings,
    blocked: HashSet<UserId>,
    read_at: DateTime<Utc>,
}

impl Choice {
    /// How this user, as a reader, sees the receipts of another one, in a session that shows receipts.
    pub(super) fn sight_of(&self, reader: &UserId, sender: &UserId, sent: &Self) -> Sight {
        Sight {
            session: true,
            sender: sent.settings.receipts,
            reader: self.settings.receipts,
            is_blocked: self.blocked.contains(sender) || sent.blocked.contains(reader),
        }
    }
}

/// The choices of users.
pub(super) struct Choices(Cache<UserId, Arc<Choice>>);

impl Default for Choices {
    fn default() -> Self {
        let weight = |_: &UserId, choice: &Arc<Choice>| u32::try_from(choice.blocked.len() + 1).unwrap_or(u32::MAX);
        Self(Cache::builder().weigher(weight).max_capacity(KEPT).build())
    }
}

impl Choices {
    /// Forgets what is known of a user, who chose something else.
    pub(super) fn forget(&self, user: &UserId) {
        self.0.invalidate(user);
    }

    /// The choices of these users.
    pub(super) async fn of(
        &self,
        store: &dyn ChatStore,
        users: HashSet<UserId>,
        now: DateTime<Utc>,
    ) -> Result<HashMap<UserId, Arc<Choice>>, StoreError> {
        let is_young = |choice: &Arc<Choice>| choice.read_at <= now && now < choice.read_at + AGE;
        let (mut found, mut missing) = (HashMap::with_capacity(users.len()), Vec::new());
        for user in users {
            match self.0.get(&user).filter(is_young) {
                Some(choice) => drop(found.insert(user, choice)),
                None => missing.push(user),
            }
        }
        if missing.is_empty() {
            return Ok(found);
        }
        let keys: Vec<_> = missing.iter().map(|user| SettingsOfUsers { user: user.clone() }).collect();
        let settings = store.get_all(&keys).await?;
        let blocks = |user: &UserId| Blocks::under(vec![user.part()]).limit(READ);
        let scans: Vec<Scan> = missing.iter().map(blocks).collect();
        let blocked = store.scan(&scans).await?;
        for ((user, settings), blocked) in missing.into_iter().zip(settings).zip(blocked) {
            let settings = settings.map(|found| (*found.value).into()).unwrap_or_default();
            let blocked = blocked.iter().filter_map(|(key, _)| Some(Blocks::from_parts(&key.parts)?.blocked)).collect();
            let choice = Arc::new(Choice { settings, blocked, read_at: now });
            self.0.insert(user.clone(), Arc::clone(&choice));
            found.insert(user, choice);
        }
        Ok(found)
    }
}
