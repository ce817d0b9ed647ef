//! Telling readers of changes: those of sessions that the user is in, who asked for presence.

use std::{collections::HashMap, sync::Arc};

use chrono::{DateTime, Utc};

use super::{PAUSE, Shared, is_over, locked};
use crate::chat::{
    blocks::{BlockedAt, blocks_of},
    read::{lists::sessions_with, profiles, view::SignalView},
    stream::tail::Tail,
};
use crate::{
    error::Result,
    model::{PresenceState, SessionId, Signal, UserId},
};

/// Users whose change is shown at once.
const SHOWN: usize = 500;

/// Changes that the readers of a session are told at once. A reader who takes nothing keeps 64 signals.
const AT_ONCE: usize = 32;

impl Shared {
    /// Tells the readers of this process what it heard, where it is time.
    pub(super) async fn show(&self, now: DateTime<Utc>) {
        let heard: HashMap<UserId, bool> = {
            let mut state = locked(&self.state);
            if state.readers == 0 || state.heard.is_empty() || !is_over(state.shown_at, PAUSE, now) {
                return;
            }
            state.shown_at = Some(now);
            let users: Vec<UserId> = state.heard.keys().take(SHOWN).cloned().collect();
            users.into_iter().filter_map(|user| state.heard.remove_entry(&user)).collect()
        };
        let left = match self.signal(&heard, now).await {
            Ok(left) => left,
            Err(error) => {
                tracing::warn!(%error, "could not tell readers who is there; trying again");
                heard.keys().cloned().collect()
            }
        };
        let mut state = locked(&self.state);
        for user in left {
            let is_chosen = heard.get(&user).copied().unwrap_or_default();
            *state.heard.entry(user).or_default() |= is_chosen;
        }
    }

    /// Hands out signals, and returns the users for whom there was no room in some session.
    async fn signal(&self, heard: &HashMap<UserId, bool>, now: DateTime<Utc>) -> Result<Vec<UserId>> {
        let tails: HashMap<SessionId, Arc<Tail>> =
            self.tails.all().into_iter().map(|tail| (tail.session_id, tail)).collect();
        if tails.is_empty() {
            return Ok(Vec::new());
        }
        let users: Vec<UserId> = heard.keys().cloned().collect();
        let sessions = sessions_with(&*self.store, &users, |id| tails.contains_key(id)).await?;
        let read: Vec<(UserId, Vec<SessionId>)> =
            users.into_iter().zip(sessions).filter(|(_, sessions)| !sessions.is_empty()).collect();
        let users: Vec<UserId> = read.iter().map(|(user, _)| user.clone()).collect();
        let seen = self.seen(&users).await?;
        let known = self.profiles.find(users.iter().collect()).await?;
        let mut apart = apart(&users, blocks_of(&*self.store, &users).await?);
        let (mut told, mut left): (HashMap<SessionId, usize>, Vec<UserId>) = Default::default();
        for ((user, sessions), seen) in read.into_iter().zip(seen) {
            // That a user hides is told once. After that, nothing tells that the user came or went.
            let is_chosen = heard.get(&user).copied().unwrap_or_default();
            if seen.choice.is_hidden && !is_chosen {
                continue;
            }
            let apart = apart.remove(&user).unwrap_or_default();
            let (state, actor) = (seen.shown(now), profiles::public(profiles::of(&known, &user)));
            let mut is_left = false;
            for session_id in sessions {
                let Some(tail) = tails.get(&session_id) else { continue };
                let count = told.entry(session_id).or_default();
                *count += 1;
                if *count > AT_ONCE {
                    is_left = true;
                    continue;
                }
                let view = |state, apart, instead| {
                    let signal = Signal::Presence { session_id, user_id: user.clone(), state };
                    Arc::new(SignalView { signal, actor: actor.clone(), apart, instead, audience: None })
                };
                // Whom a new block keeps apart, for them the user is gone. After that, nothing tells that the user came or went.
                let gone = is_chosen.then(|| view(PresenceState::NOTHING, BlockedAt::new(), None));
                tail.fan_out.signal(tail.head(), view(state.clone(), apart.clone(), gone));
            }
            if is_left {
                left.push(user);
            }
        }
        Ok(left)
    }
}

/// The users whom blocks keep apart from users, by the blocks of all of them.
fn apart(users: &[UserId], blocks: Vec<BlockedAt>) -> HashMap<UserId, BlockedAt> {
    let mut apart: HashMap<UserId, BlockedAt> = users.iter().cloned().zip(blocks.iter().cloned()).collect();
    for (user, blocked) in users.iter().zip(blocks) {
        for (other, at) in blocked {
            if let Some(by_other) = apart.get_mut(&other) {
                let known = by_other.entry(user.clone()).or_insert(at);
                *known = at.max(*known);
            }
        }
    }
    apart
}
