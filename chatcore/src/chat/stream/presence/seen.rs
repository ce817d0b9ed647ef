//! What is known of the presence of users.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::{Shared, locked};
use crate::{
    model::{PresenceState, PresenceStatus, StatusText, UserId},
    store::{
        Connection, Connections, Key, LastSeen, LastSeenTimes, PresenceChoice, PresenceChoices, StoreError,
        TypedKey as _, typed,
    },
};

/// The presence of a user, with what the user hides.
#[derive(Debug, Clone)]
pub(in crate::chat) struct Seen {
    is_there: bool,
    last_seen: Option<DateTime<Utc>>,
    pub(in crate::chat) choice: Arc<PresenceChoice>,
}

impl Seen {
    /// The presence as others see it.
    pub(in crate::chat) fn shown(&self, now: DateTime<Utc>) -> PresenceState {
        if self.choice.is_hidden { PresenceState::NOTHING } else { self.unhidden(now) }
    }

    /// The presence as others would see it if the user did not hide.
    pub(in crate::chat) fn unhidden(&self, now: DateTime<Utc>) -> PresenceState {
        let status = if self.is_there { self.choice.availability.into() } else { PresenceStatus::Offline };
        let goes_on = |text: &&StatusText| text.until.is_none_or(|until| until > now);
        PresenceState { status, last_seen: self.last_seen, text: self.choice.text.as_ref().filter(goes_on).cloned() }
    }
}

impl Shared {
    /// The presence of users, in the same order: two reads of the store, for any number of them.
    pub(super) async fn seen(&self, users: &[UserId]) -> Result<Vec<Seen>, StoreError> {
        if users.is_empty() {
            return Ok(Vec::new());
        }
        let processes = self.processes().await?;
        let now = self.clock.now();
        let own = locked(&self.state).process.id.clone();
        let others: Vec<_> = processes.iter().filter(|(id, _)| *id != own).collect();
        let keys = |user: &UserId| -> Vec<Key> {
            let user = || user.clone();
            let connection = |(id, _): &&(String, _)| Connections { process: id.clone(), user: user() }.key();
            let kept = [PresenceChoices { user: user() }.key(), LastSeenTimes { user: user() }.key()];
            kept.into_iter().chain(others.iter().map(connection)).collect()
        };
        let keys: Vec<Key> = users.iter().flat_map(keys).collect();
        let mut found = self.store.records(&keys).await?.into_iter();
        let state = locked(&self.state);
        let mut all = Vec::with_capacity(users.len());
        for user in users {
            let choice = typed::<PresenceChoice>(found.next().flatten())?.map(|found| found.value).unwrap_or_default();
            let last = typed::<LastSeen>(found.next().flatten())?.map(|found| found.value.at);
            let here = state.here.get(user);
            let mut is_there = here.is_some_and(|here| here.is_there(self.times.linger, now));
            let mut last_seen = last.max(here.and_then(|here| here.gone_at));
            for (_, process) in &others {
                if typed::<Connection>(found.next().flatten())?.is_some() {
                    is_there |= process.value.until > now;
                    last_seen = last_seen.max(Some(process.value.at));
                }
            }
            all.push(Seen { is_there, last_seen: last_seen.filter(|_| !is_there), choice });
        }
        Ok(all)
    }
}
