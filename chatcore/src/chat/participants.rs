//! Use cases about participants.

use std::{collections::HashMap, sync::Arc};

use chrono::{DateTime, Utc};

use super::{
    Chat, Inner, ParticipantsOf,
    decide::{
        govern::{Known, Plan, Tried, answer},
        validate::Faults,
    },
    moderation::Done,
    read::{
        batch::only,
        lists::{put_participant, put_session},
        profiles,
    },
};
use crate::{
    error::{Error, Result},
    identity::Principal,
    limits::Use,
    model::{
        Cursor, EventKind, ListPage, Metadata, ModerationAction, Page, Participant, ParticipantEvent, ParticipantId,
        ParticipantRole, Profile, RemovalReason, Session, SessionId, Standing, UserId,
    },
    permission::{Action, AddressFacts, Denial, may_see_address},
    store::{Committed, Freshness, ParticipantRecord},
    trace::use_case,
};

/// A user to add to a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddParticipant {
    /// A user who was seen before.
    pub user_id: UserId,
    /// The role; a member where not given.
    pub role: Option<ParticipantRole>,
}

/// The result of a join or an add.
#[derive(Debug, Clone, PartialEq)]
pub struct Admission {
    /// The user as a participant.
    pub participant: Participant,
    /// The position of the event of the join: a [`Chat::subscribe`] after this position misses no event.
    pub cursor: Cursor,
}

impl Chat {
    /// Joins a public session as a member. A user who comes back gets the previous role where that role is lower.
    ///
    /// # Errors
    /// [`Denied`](Error::Denied) when the session is not public, is full, or the caller is already in the session.
    pub async fn join(&self, principal: &Principal, id: SessionId) -> Result<Admission> {
        use_case!("join", id, async move {
            self.enter(principal, Use::Request).await?;
            let user = &principal.user_id;
            let join = self.govern(id, principal, Action::Join, |known, now| {
                let role = match known.actor.as_deref().map(|record| record.standing) {
                    Some(Standing::Former(last)) => last.min(ParticipantRole::Member),
                    Some(Standing::Active(_) | Standing::Stranger | Standing::Banned(_)) | None => {
                        ParticipantRole::Member
                    }
                };
                let record = self.seat(known.actor.as_deref(), id, user, role, now);
                let record = ParticipantRecord { is_engaged: true, ..record };
                let joined = EventKind::Participant(ParticipantEvent::Joined { participant_id: record.id, role });
                admit(known, known.actor.as_deref(), joined, record)
            });
            self.admission(join.await?, id, user).await
        })
    }

    /// Leaves a session.
    ///
    /// # Errors
    /// [`Denied`](Error::Denied) when the caller is not in the session, or is its owner.
    pub async fn leave(&self, principal: &Principal, id: SessionId) -> Result<()> {
        use_case!("leave", id, async move {
            self.enter(principal, Use::Request).await?;
            self.govern(id, principal, Action::Leave, |known, _| {
                dismiss(known, known.actor.as_deref(), EventKind::Participant(ParticipantEvent::Left))
            })
            .await?;
            Ok(())
        })
    }

    /// Adds a user to a session. The user is a participant at once. Managers of the session do not see the user's e-mail address until the
    /// user joins by an own call or posts.
    ///
    /// # Errors
    /// [`Denied`](Error::Denied) when the caller may not, the session is private or full, the role is owner, or the user is already in the
    /// session; [`RateLimited`](Error::RateLimited) when [`adds_per_inviter`](crate::Limits::adds_per_inviter),
    /// [`adds_per_invited`](crate::Limits::adds_per_invited) or [`adds_per_pair`](crate::Limits::adds_per_pair) is used up;
    /// [`UserNotFound`](Error::UserNotFound) for an unknown id. A refused add changes nothing.
    pub async fn add_participant(
        &self,
        principal: &Principal,
        id: SessionId,
        add: AddParticipant,
    ) -> Result<Admission> {
        use_case!("add_participant", id, async move {
            self.enter(principal, Use::Request).await?;
            let user = &principal.user_id;
            let AddParticipant { user_id, role } = add;
            let role = role.unwrap_or(ParticipantRole::Member);
            let action = Action::Invite { role };
            // The decision comes first, so that only those who may invite learn who is known, and nobody learns from a limit that
            // a hidden session exists.
            let invite = Tried::upon(&user_id, action);
            self.allowed(id, principal, invite, Freshness::Fresh).await?;
            let Inner { allowances, clock, profiles, .. } = &*self.inner;
            // Before the user is looked up, so that a caller without allowance cannot try further ids.
            allowances.look(user, clock.now())?;
            if !profiles.knows(&user_id).await? {
                allowances.charge_inviter(user, clock.now())?;
                return Err(Error::UserNotFound);
            }
            let charged = allowances.add(user, &user_id);
            let add = self.govern(id, principal, invite, |known, now| {
                charged.charge(clock.now())?;
                let record = self.seat(known.target.as_deref(), id, &user_id, role, now);
                let added = EventKind::Participant(ParticipantEvent::Added {
                    user_id: user_id.clone(),
                    participant_id: record.id,
                    role,
                });
                admit(known, known.target.as_deref(), added, record)
            });
            let done = match add.await {
                Ok(done) => done,
                // It may have happened.
                Err(Error::OutcomeUnknown) => return Err(Error::OutcomeUnknown),
                Err(error) => {
                    charged.give_back();
                    return Err(error);
                }
            };
            self.admission(done, id, &user_id).await
        })
    }

    /// Changes the role of a participant.
    ///
    /// # Errors
    /// [`Denied`](Error::Denied) when the caller may not, the user is not in the session, the user is the owner, or the new role is owner.
    pub async fn change_role(
        &self,
        principal: &Principal,
        id: SessionId,
        user_id: &UserId,
        role: ParticipantRole,
    ) -> Result<Participant> {
        use_case!("change_role", id, async move {
            self.enter(principal, Use::Request).await?;
            let change = self.govern(id, principal, Tried::upon(user_id, Action::ChangeRole { role }), |known, _| {
                let target = known.target.as_deref().ok_or(Error::Internal)?;
                match target.standing {
                    Standing::Active(previous) if previous != role => {
                        let changed = EventKind::Participant(ParticipantEvent::RoleChanged {
                            user_id: user_id.clone(),
                            previous,
                            role,
                        });
                        let record = ParticipantRecord { standing: Standing::Active(role), ..target.clone() };
                        Ok(Plan { events: vec![changed], writes: put_participant(Some(target), record) })
                    }
                    Standing::Active(_) | Standing::Former(_) | Standing::Stranger | Standing::Banned(_) => {
                        Ok(Plan { events: Vec::new(), writes: Vec::new() })
                    }
                }
            });
            let done = change.await?;
            answer(done.as_ref(), self.seated(id, user_id).await)
        })
    }

    /// Replaces or removes the complete metadata of a participant: of the caller, or of another participant. The metadata end with the
    /// stay: a user who comes back has no metadata. Equal metadata change nothing, so a retry is safe.
    ///
    /// # Errors
    /// [`Denied`](Error::Denied) when the caller may not, or the user is not in the session; [`Error::Invalid`] for metadata beyond
    /// [`MAX_METADATA_BYTES`](super::MAX_METADATA_BYTES) or [`MAX_METADATA_DEPTH`](super::MAX_METADATA_DEPTH).
    pub async fn set_participant_metadata(
        &self,
        principal: &Principal,
        id: SessionId,
        user_id: &UserId,
        metadata: Option<Metadata>,
    ) -> Result<Participant> {
        use_case!("set_participant_metadata", id, async move {
            self.enter(principal, Use::Request).await?;
            let mut faults = Faults::default();
            if let Some(metadata) = &metadata {
                faults.metadata(metadata);
            }
            faults.finish()?;
            let is_own = *user_id == principal.user_id;
            let action = if is_own { Action::SetOwnMetadata } else { Action::SetMetadata };
            let change = self.govern(id, principal, Tried::upon(user_id, action), |known, _| {
                let target = known.target.as_deref().ok_or(Error::Internal)?;
                if target.metadata == metadata {
                    return Ok(Plan { events: Vec::new(), writes: Vec::new() });
                }
                let changed = EventKind::Participant(ParticipantEvent::MetadataChanged { user_id: user_id.clone() });
                let record = ParticipantRecord { metadata: metadata.clone(), ..target.clone() };
                let mut writes = put_participant(Some(target), record);
                let session = known.session()?;
                if session.needs < Session::NEEDS_METADATA {
                    writes.extend(put_session(Session { needs: Session::NEEDS_METADATA, ..session.clone() }));
                }
                Ok(Plan { events: vec![changed], writes })
            });
            let done = change.await?;
            answer(done.as_ref(), self.seated(id, user_id).await)
        })
    }

    /// Removes a participant. The user may join a public session again: a removal is not a ban.
    ///
    /// # Errors
    /// [`Denied`](Error::Denied) when the caller may not, the user is not in the session, or the user is the owner.
    pub async fn remove_participant(&self, principal: &Principal, id: SessionId, user_id: &UserId) -> Result<()> {
        use_case!("remove_participant", id, async move {
            self.enter(principal, Use::Request).await?;
            self.govern(id, principal, Tried::upon(user_id, Action::Remove), |known, now| {
                let removed = EventKind::Participant(ParticipantEvent::Removed {
                    user_id: user_id.clone(),
                    reason: RemovalReason::ByManager,
                });
                let mut plan = dismiss(known, known.target.as_deref(), removed)?;
                let done = Done::upon(&principal.user_id, ModerationAction::UserRemoved, user_id, now);
                plan.writes.push(self.noting(id, done));
                Ok(plan)
            })
            .await?;
            Ok(())
        })
    }

    /// The active participants in the order of joining. With `with_email`, a reader sees the reader's own e-mail address; an owner or admin
    /// also sees the addresses of users who joined by themselves or have posted here; an administrator of the system sees all addresses.
    ///
    /// # Errors
    /// [`Denied`](Error::Denied) when the caller may not view the session; [`Error::Invalid`] for a page outside of
    /// the limits.
    pub async fn participants(
        &self,
        principal: &Principal,
        id: SessionId,
        page: Page<ParticipantId>,
        with_email: bool,
    ) -> Result<ListPage<Participant, ParticipantId>> {
        use_case!("participants", id, async move {
            let asked = ParticipantsOf { session_id: id, page, with_email };
            self.enter(principal, Use::Request).await?;
            only(self.each_participants(principal, &[asked]).await?)
        })
    }

    /// One participant of a session: a current participant, or a former participant with [`is_active`](Participant::is_active) `false`.
    /// E-mail addresses are visible as in [`participants`](Self::participants).
    ///
    /// # Errors
    /// [`Denied`](Error::Denied) when the caller may not view the session, and with [`TargetNotParticipant`](Denial::TargetNotParticipant)
    /// when the user never was in the session.
    pub async fn participant(
        &self,
        principal: &Principal,
        id: SessionId,
        user_id: &UserId,
        with_email: bool,
    ) -> Result<Participant> {
        use_case!("participant", id, async move {
            self.enter(principal, Use::Request).await?;
            let view = Tried::upon(user_id, Action::View);
            let known = self.allowed(id, principal, view, Freshness::Fresh).await?;
            let reader = known.actor.map_or(Standing::Stranger, |record| record.standing);
            let record = known.target.filter(|record| record.standing != Standing::Stranger);
            let record = record.ok_or(Error::Denied(Denial::TargetNotParticipant))?;
            let (is_own, is_engaged) = (*user_id == principal.user_id, record.is_engaged);
            let facts = AddressFacts { system_role: principal.system_role, reader, is_own, is_engaged };
            let profile = self.inner.profiles.one(user_id).await?;
            Ok(shown(&record, profile, with_email && may_see_address(&facts), self.inner.clock.now()))
        })
    }

    /// What the answer to an admission just made shows.
    pub(super) async fn admission(&self, done: Option<Committed>, id: SessionId, user: &UserId) -> Result<Admission> {
        let event = done.as_ref().and_then(|done| done.events.last()).ok_or(Error::Internal)?;
        let cursor = event.cursor();
        let participant = answer(done.as_ref(), self.seated(id, user).await)?;
        Ok(Admission { participant, cursor })
    }

    /// A participant as they are now, for the answer to a change just made.
    pub(super) async fn seated(&self, id: SessionId, user: &UserId) -> Result<Participant> {
        let known = self.known(id, user, None, Freshness::Fresh).await?;
        let profile = self.inner.profiles.one(user).await?;
        Ok(shown(&*known.actor.ok_or(Error::Internal)?, profile, false, self.inner.clock.now()))
    }

    /// A new stay of a user, who is as engaged as before.
    pub(super) fn seat(
        &self,
        before: Option<&ParticipantRecord>,
        session_id: SessionId,
        user_id: &UserId,
        role: ParticipantRole,
        now: DateTime<Utc>,
    ) -> ParticipantRecord {
        let stay = ParticipantId(self.inner.clock.new_id());
        // A ban whose time is over is forgotten.
        ParticipantRecord {
            created_at: before
                .filter(|record| record.standing != Standing::Stranger)
                .map_or(now, |record| record.created_at),
            is_engaged: before.is_some_and(|record| record.is_engaged),
            mute: before.and_then(|record| record.mute.clone()),
            since: None,
            is_creator: before.is_some_and(|record| record.is_creator),
            ..ParticipantRecord::new(stay, session_id, user_id.clone(), Standing::Active(role), now)
        }
    }
}

/// Gives somebody a seat.
pub(super) fn admit(
    known: &Known,
    before: Option<&ParticipantRecord>,
    event: EventKind,
    record: ParticipantRecord,
) -> Result<Plan> {
    let session = known.session()?;
    let session = Session { participant_count: session.participant_count.saturating_add(1), ..session.clone() };
    let writes = [Vec::from(put_session(session)), put_participant(before, record)].concat();
    Ok(Plan { events: vec![event], writes })
}

/// Takes somebody's seat.
pub(super) fn dismiss(known: &Known, record: Option<&ParticipantRecord>, event: EventKind) -> Result<Plan> {
    let before = record.ok_or(Error::Internal)?;
    let role = before.standing.role().ok_or(Error::Internal)?;
    let record = before.ended(role);
    let session = known.session()?;
    let session = Session { participant_count: session.participant_count.saturating_sub(1), ..session.clone() };
    let writes = [Vec::from(put_session(session)), put_participant(Some(before), record)].concat();
    Ok(Plan { events: vec![event], writes })
}

/// Participants with their profiles.
pub(super) fn show(
    records: Vec<Arc<ParticipantRecord>>,
    profiles: &HashMap<UserId, Profile>,
    now: DateTime<Utc>,
    with_email: impl Fn(&ParticipantRecord) -> bool,
) -> Vec<Participant> {
    let show = |record: Arc<ParticipantRecord>| {
        let (profile, email) = (profiles::of(profiles, &record.user_id), with_email(&record));
        shown(&record, profile, email, now)
    };
    records.into_iter().map(show).collect()
}

pub(super) fn shown(record: &ParticipantRecord, profile: Profile, with_email: bool, now: DateTime<Utc>) -> Participant {
    let ParticipantRecord { id, session_id, standing, joined_at, created_at, .. } = *record;
    let (muted, metadata) = (record.muted_at(now), record.metadata.clone());
    let email = profile.email.clone().filter(|_| with_email);
    let (role, is_active) = match standing {
        Standing::Active(role) => (role, true),
        Standing::Former(role) => (role, false),
        Standing::Stranger | Standing::Banned(_) => (ParticipantRole::Viewer, false),
    };
    let profile = Profile { email, ..profile };
    Participant { id, session_id, profile, role, is_active, joined_at, created_at, muted, metadata }
}
