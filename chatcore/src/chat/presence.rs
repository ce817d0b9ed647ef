//! Use cases about presence.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use futures_util::future::try_join;

use super::{
    Chat, ParticipantsOf,
    decide::{policy::Operation, validate::Faults},
    read::{
        batch::only,
        lists::{sessions, sessions_with},
        profiles,
    },
    stream::presence::Seen,
};
use crate::{
    error::{Error, Result},
    identity::Principal,
    limits::Use,
    model::{
        Availability, ListPage, OwnPresence, Page, ParticipantId, ParticipantPresence, Presence, PresenceState,
        Profile, SessionId, StatusText, UserId,
    },
    store::{Change, ChatStoreExt as _, PresenceChoice, PresenceChoices, StoreError, TypedKey as _},
    trace::use_case,
};

/// Sessions of which it is read at once whether they were deleted.
const SESSIONS: usize = 500;

/// Changes of the caller's own presence. A field with `None` does not change.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SetPresence {
    /// The status that others see while a device of the caller is connected.
    pub availability: Option<Availability>,
    /// The caller's status text; `Some(None)` removes the text.
    pub text: Option<Option<StatusText>>,
    /// Whether the caller appears offline to everybody, without a last-seen time and a status text. The caller still sees others.
    pub is_hidden: Option<bool>,
}

impl SetPresence {
    fn apply(self, before: &PresenceChoice) -> PresenceChoice {
        PresenceChoice {
            availability: self.availability.unwrap_or(before.availability),
            text: self.text.unwrap_or_else(|| before.text.clone()),
            is_hidden: self.is_hidden.unwrap_or(before.is_hidden),
        }
    }
}

impl Chat {
    /// Changes the caller's own presence. The presence applies to all devices of the caller, also to later devices.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a status text outside of the limits, or with an end in the past.
    pub async fn set_presence(&self, principal: &Principal, set: SetPresence) -> Result<OwnPresence> {
        use_case!("set_presence", async move {
            self.enter(principal, Use::Signal).await?;
            let mut faults = Faults::default();
            if let Some(Some(text)) = &set.text {
                faults.status(text, self.inner.clock.now(), &self.inner.limits);
            }
            faults.finish()?;
            self.permit(principal, Operation::SetPresence).await?;
            let user = &principal.user_id;
            let key = PresenceChoices { user: user.clone() };
            for _ in 0..self.inner.limits.commit_attempts {
                let found = self.inner.store.get(&key).await?;
                let before = found.as_ref().map(|found| PresenceChoice::clone(&found.value)).unwrap_or_default();
                let after = set.clone().apply(&before);
                if after == before {
                    return self.own(user).await;
                }
                let was_seen = !before.is_hidden || !after.is_hidden;
                let write = key.put(after);
                let write = match found {
                    Some(found) => write.at(found.version),
                    None => write.absent(),
                };
                match self.inner.store.commit(Change::of_records(vec![write])).await {
                    Ok(_) => {
                        if was_seen {
                            self.inner.presences.chose(user);
                        }
                        return self.own(user).await.map_err(|_| Error::OutcomeUnknown);
                    }
                    // Another device was faster.
                    Err(StoreError::Conflict { .. }) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            Err(Error::Unavailable)
        })
    }

    /// The caller's own presence, with the caller's choices.
    ///
    /// # Errors
    /// Those of a token.
    pub async fn own_presence(&self, principal: &Principal) -> Result<OwnPresence> {
        use_case!("own_presence", async move {
            self.enter(principal, Use::Request).await?;
            self.permit(principal, Operation::SeePresence).await?;
            self.own(&principal.user_id).await
        })
    }

    /// The presence of the participants of a session, in the order of joining.
    ///
    /// # Errors
    /// [`Denied`](Error::Denied) when the caller may not view the session; [`Error::Invalid`] for a page outside of the limits.
    pub async fn presence(
        &self,
        principal: &Principal,
        id: SessionId,
        page: Page<ParticipantId>,
    ) -> Result<ListPage<ParticipantPresence, ParticipantId>> {
        use_case!("presence", id, async move {
            self.enter(principal, Use::Request).await?;
            let asked = ParticipantsOf { session_id: id, page, with_email: false };
            let ListPage { entries, next } = only(self.each_participants(principal, &[asked]).await?)?;
            let ids: Vec<ParticipantId> = entries.iter().map(|participant| participant.id).collect();
            let users = entries.into_iter().map(|participant| profiles::public(participant.profile)).collect();
            let of = |(participant_id, presence)| ParticipantPresence { participant_id, presence };
            Ok(ListPage {
                entries: ids.into_iter().zip(self.seen_by(&principal.user_id, users).await?).map(of).collect(),
                next,
            })
        })
    }

    /// The presence of users, in the order of `users`. The answer leaves out unknown users, and users who share no session with the caller.
    ///
    /// # Errors
    /// [`LimitExceeded`](Error::LimitExceeded) for more users than [`batch_max`](crate::Limits::batch_max).
    pub async fn presence_of(&self, principal: &Principal, users: &[UserId]) -> Result<Vec<Presence>> {
        use_case!("presence_of", async move {
            let max = self.inner.limits.batch_max;
            let is_long = users.len() > max;
            self.enter(principal, Use::Request.times(if is_long { 1 } else { users.len() })).await?;
            if is_long {
                return Err(Error::LimitExceeded { what: "the number of users asked for at once", limit: max as u64 });
            }
            self.permit(principal, Operation::SeePresence).await?;
            let visible = self.visible_to(&principal.user_id, users).await?;
            let mut named = HashSet::new();
            let users: Vec<&UserId> =
                users.iter().filter(|user| visible.contains(*user) && named.insert(*user)).collect();
            let known = self.inner.profiles.find(users.clone()).await?;
            let users = users.into_iter().map(|user| profiles::public(profiles::of(&known, user))).collect();
            self.seen_by(&principal.user_id, users).await
        })
    }

    /// Of these users, those whose presence a user may see: the user, and those who share a session with the user.
    async fn visible_to(&self, reader: &UserId, users: &[UserId]) -> Result<HashSet<UserId>> {
        let mut visible: HashSet<UserId> = users.iter().filter(|user| *user == reader).cloned().collect();
        let others: Vec<UserId> = users.iter().filter(|user| *user != reader).cloned().collect();
        if others.is_empty() {
            return Ok(visible);
        }
        let store = &*self.inner.store;
        let own = sessions_with(store, std::slice::from_ref(reader), |_| true).await?;
        let own: HashSet<SessionId> = own.into_iter().flatten().collect();
        let mut shared: Vec<(UserId, Vec<SessionId>)> =
            others.iter().cloned().zip(sessions_with(store, &others, |id| own.contains(id)).await?).collect();
        // A deleted session stays in the lists.
        let ids: HashSet<SessionId> = shared.iter().flat_map(|(_, ids)| ids).copied().collect();
        let ids: Vec<SessionId> = ids.into_iter().collect();
        let mut active: HashSet<SessionId> = HashSet::new();
        for ids in ids.chunks(SESSIONS) {
            let found = sessions(store, ids).await?.into_iter().flatten();
            active.extend(found.filter(|(session, _)| session.is_active).map(|(session, _)| session.id));
        }
        shared.retain(|(_, ids)| ids.iter().any(|id| active.contains(id)));
        visible.extend(shared.into_iter().map(|(user, _)| user));
        Ok(visible)
    }

    /// The presence of users as a reader sees it. Users whom a block keeps apart from the reader appear as users who were never there.
    async fn seen_by(&self, reader: &UserId, users: Vec<Profile>) -> Result<Vec<Presence>> {
        let ids: Vec<UserId> = users.iter().map(|user| user.user_id.clone()).collect();
        let (seen, apart) = try_join(self.inner.presences.of(&ids), self.apart_from(reader, &ids)).await?;
        let now = self.inner.clock.now();
        let shown = |(user, seen): (Profile, Seen)| {
            let state = if apart.contains(&user.user_id) { PresenceState::NOTHING } else { seen.shown(now) };
            Presence { user, state }
        };
        Ok(users.into_iter().zip(seen).map(shown).collect())
    }

    /// A user's own presence.
    async fn own(&self, user: &UserId) -> Result<OwnPresence> {
        let seen = self.inner.presences.of(std::slice::from_ref(user)).await?.pop().ok_or(Error::Internal)?;
        let (state, choice) = (seen.unhidden(self.inner.clock.now()), &seen.choice);
        let user = profiles::public(self.inner.profiles.one(user).await?);
        Ok(OwnPresence { user, state, availability: choice.availability, is_hidden: choice.is_hidden })
    }
}

impl Faults {
    /// The words of a user about the user.
    fn status(&mut self, text: &StatusText, now: DateTime<Utc>, limits: &crate::Limits) {
        self.line("text", &text.text, limits.status_chars);
        if text.until.is_some_and(|until| until <= now) {
            self.past("text_until");
        }
    }
}
