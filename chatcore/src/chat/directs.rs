//! Use cases about sessions that are found by their users: direct sessions of two users, and groups.
//!
//! The users of such a session name a *place*: a log of its own in which the id of the session is reserved, as for a client id. Of any
//! number of attempts, in any number of processes, one reserves the id, and one makes the session at position 1 of its log. A process that
//! ends between the two leaves a reserved id, which the next attempt uses. Where the session at a place cannot be used again, because
//! it was deleted or its users are others by now, the next *generation* of the place counts.

use std::{collections::BTreeSet, sync::Arc};

use chrono::{DateTime, Utc};

use super::{
    Chat, CreateSession,
    decide::{
        govern::{answer, participant, understood},
        policy::Operation,
        reserve::place_of,
        turns::behind,
    },
    read::lists::{put_participant, put_session},
};
use crate::{
    error::{Code, Error, Result},
    identity::Principal,
    limits::{Limits, Use},
    model::{
        EventKind, NewEvent, ParticipantEvent, ParticipantRole, Session, SessionDetails, SessionEvent, SessionId,
        SessionSettings, SessionType, UserId,
    },
    store::{
        Change, Committed, FactsQuery, Freshness, Head, Key, ParticipantRecord, Participants, Sessions, TypedKey as _,
    },
    trace::use_case,
};

/// Minimum number of users of a group, including the caller.
pub const GROUP_USERS_MIN: usize = 3;

/// Maximum number of users of a group, including the caller.
pub const GROUP_USERS_MAX: usize = 20;

/// Most sessions that were ever found by the same users.
const GENERATIONS: u64 = 100;

/// A session that was found by its users, or created for these users.
#[derive(Debug, Clone, PartialEq)]
pub struct Started {
    /// The session, as [`Chat::session`] gives it.
    pub session: SessionDetails,
    /// Whether this call created the session.
    pub is_new: bool,
}

/// The users of a session that is found by them.
struct Circle<'a> {
    principal: &'a Principal,
    /// All of them, the caller included.
    users: BTreeSet<&'a UserId>,
    session_type: SessionType,
}

/// A session as it was found at a place, with the records of the users in the order of the circle.
struct Place {
    head: Head,
    session: Option<Arc<Session>>,
    records: Vec<Option<Arc<ParticipantRecord>>>,
}

impl Circle<'_> {
    /// Where the id of the session is reserved.
    fn place(&self, generation: u64) -> SessionId {
        let kind = if self.session_type == SessionType::Direct { "direct" } else { "group" };
        // With the length of each part, no two circles have one text.
        let users = self.users.iter().map(|user| format!(" {} {user}", user.as_str().len()));
        place_of(&format!("{kind} {generation}{}", users.collect::<String>()))
    }

    /// The role of a user in a new session.
    fn role(&self, user: &UserId) -> ParticipantRole {
        if self.session_type == SessionType::Direct || *user != self.principal.user_id {
            ParticipantRole::Member
        } else {
            ParticipantRole::Owner
        }
    }

    /// What the session is made with. A new group has room for all of its users.
    fn new_session(&self, limits: &Limits) -> CreateSession {
        let users = u32::try_from(self.users.len()).unwrap_or(u32::MAX);
        let is_direct = self.session_type == SessionType::Direct;
        let max_participants = Some(if is_direct { 2 } else { limits.default_participants.max(users) });
        let session_type = self.session_type;
        CreateSession { session_type, max_participants, ..CreateSession::titled("") }
    }
}

impl Chat {
    /// Finds or creates the direct session of the caller and another user. A pair of users has one direct session, whichever user starts
    /// the session. Both users are members, no other user can join, and no user can change the settings. A user who left is in the session
    /// again.
    ///
    /// # Errors
    /// [`Invalid`](Error::Invalid) for the caller's own id; [`UserNotFound`](Error::UserNotFound) for an unknown id;
    /// [`UserBanned`](Error::UserBanned) when the other account is banned or deleted; [`RateLimited`](Error::RateLimited) as for
    /// [`add_participant`](Self::add_participant); [`DirectRefused`](Error::DirectRefused) when the other user takes no direct messages
    /// from the caller.
    pub async fn start_direct(&self, principal: &Principal, other: &UserId) -> Result<Started> {
        use_case!("start_direct", async move {
            self.enter(principal, Use::Request).await?;
            if *other == principal.user_id {
                let message = "a user other than the caller";
                return Err(Error::invalid("user_id", Code::ValidationInvalidValue, message));
            }
            let users = BTreeSet::from([&principal.user_id, other]);
            self.start(&Circle { principal, users, session_type: SessionType::Direct }).await
        })
    }

    /// Finds or creates the group of the caller and other users: an `INVITE_ONLY` session that has exactly these users, and that this use
    /// case created. The caller is the owner of a new group. After a join or a leave, the session is no longer the group of these users.
    ///
    /// # Errors
    /// [`Invalid`](Error::Invalid) for fewer than [`GROUP_USERS_MIN`], or for more than [`GROUP_USERS_MAX`] or
    /// [`max_participants`](Limits::max_participants) users; otherwise as [`start_direct`](Self::start_direct).
    pub async fn start_group(&self, principal: &Principal, others: &[UserId]) -> Result<Started> {
        use_case!("start_group", async move {
            self.enter(principal, Use::Request).await?;
            let users: BTreeSet<_> = others.iter().chain([&principal.user_id]).collect();
            let most = usize::try_from(self.inner.limits.max_participants).unwrap_or(usize::MAX).min(GROUP_USERS_MAX);
            if !(GROUP_USERS_MIN..=most).contains(&users.len()) {
                let message = format!("{} to {} other users", GROUP_USERS_MIN - 1, most.saturating_sub(1));
                return Err(Error::invalid("user_ids", Code::ValidationInvalidValue, message));
            }
            self.start(&Circle { principal, users, session_type: SessionType::InviteOnly }).await
        })
    }

    async fn start(&self, circle: &Circle<'_>) -> Result<Started> {
        let Circle { principal, users, session_type: _ } = circle;
        let (user, now) = (&principal.user_id, self.inner.clock.now());
        let new = circle.new_session(&self.inner.limits);
        self.permit(principal, Operation::CreateSession(&new)).await?;
        // Before the users are looked up, so that who has used the allowance up cannot go on trying ids.
        self.inner.allowances.look(user, now)?;
        for other in users.iter().copied().filter(|other| *other != user) {
            if !self.inner.profiles.knows(other).await? {
                self.inner.allowances.charge_inviter(user, now)?;
                return Err(Error::UserNotFound);
            }
        }
        if self.blocked_by(users.iter().copied(), user).await? {
            return Err(Error::DirectRefused);
        }
        for generation in 0..GENERATIONS {
            let id = self.reserved_at(circle.place(generation), user).await?;
            let Some(done) = self.bring_together(id, circle).await? else { continue };
            let is_new = done.as_ref().is_some_and(|done| done.events.first().is_some_and(|event| event.seq == 1));
            let session = answer(done.as_ref(), self.details(principal, id).await)?;
            return Ok(Started { session, is_new });
        }
        Err(Error::LimitExceeded { what: "the number of earlier sessions of these users", limit: GENERATIONS })
    }

    /// Makes a session under a reserved id, or brings the users of a direct session back who left it. The inner `None` is for a session
    /// in which nothing was to be done, the outer one for a session that these users cannot use again.
    #[allow(clippy::option_option, reason = "the two levels mean different things")]
    async fn bring_together(&self, id: SessionId, circle: &Circle<'_>) -> Result<Option<Option<Committed>>> {
        let Circle { principal, users, session_type } = circle;
        let gate = self.inner.gates.pass(id).await;
        for turn in 0..self.inner.limits.commit_attempts {
            let Place { head, session, records } = self.found_at(id, users).await?;
            let absent: Vec<_> = users
                .iter()
                .copied()
                .zip(records)
                .filter(|(_, record)| record.as_ref().is_none_or(|record| record.standing.role().is_none()))
                .collect();
            match session.as_deref() {
                Some(session) if !session.is_active => return Ok(None),
                Some(_) if *session_type == SessionType::Direct && absent.is_empty() => return Ok(Some(None)),
                Some(session) if *session_type != SessionType::Direct => {
                    let is_same = absent.is_empty() && session.participant_count as usize == users.len();
                    return Ok(is_same.then_some(None));
                }
                Some(_) | None => {}
            }
            let now = self.inner.clock.now().max(head.at);
            let absent_ids: Vec<&UserId> = absent.iter().map(|(user, _)| *user).collect();
            let (mut events, mut writes) = (Vec::new(), Vec::new());
            for (user, before) in absent {
                let role = circle.role(user);
                let record = self.seat(before.as_deref(), id, user, role, now);
                let is_own = *user == principal.user_id;
                let is_creator = record.is_creator || (is_own && session.is_none());
                let is_engaged = record.is_engaged || is_own;
                let record = ParticipantRecord { is_engaged, is_creator, ..record };
                let participant_id = record.id;
                let event = match (is_own, &session) {
                    (true, None) => {
                        let session = self.made_for(id, circle, now, 1);
                        EventKind::Session(SessionEvent::Created { session, participant_id })
                    }
                    (true, Some(_)) => EventKind::Participant(ParticipantEvent::Joined { participant_id, role }),
                    (false, _) => {
                        let user_id = user.clone();
                        EventKind::Participant(ParticipantEvent::Added { user_id, participant_id, role })
                    }
                };
                // The caller's event is the first one: a log begins with the creation of its session.
                let place = if is_own { 0 } else { events.len() };
                events.insert(place, event);
                writes.extend(put_participant(before.as_deref(), record));
                writes.extend(self.admitting(principal, user, id, turn > 0).await?);
            }
            // A block changes the standing of its user: one that is not seen here makes the commit fail.
            if self.blocked_by(users.iter().copied(), &principal.user_id).await? {
                return Err(Error::DirectRefused);
            }
            let count = u32::try_from(absent_ids.len()).unwrap_or(u32::MAX);
            let session = match session.as_deref() {
                Some(session) => {
                    Session { participant_count: session.participant_count.saturating_add(count), ..session.clone() }
                }
                None => self.made_for(id, circle, now, count),
            };
            writes.extend(put_session(session));
            let event = |kind| NewEvent { actor: principal.user_id.clone(), created_at: now, kind };
            let change = Change::of(id, head.seq, events.into_iter().map(event).collect(), writes);
            let charged: Vec<_> = absent_ids
                .iter()
                .filter(|user| ***user != principal.user_id)
                .map(|user| self.inner.allowances.add(&principal.user_id, user))
                .collect();
            let charge = charged.iter().try_for_each(|add| add.charge(self.inner.clock.now()));
            let committed = match charge {
                Ok(()) => self.try_commit(change).await,
                Err(error) => Err(error),
            };
            match committed {
                Ok(Some(committed)) => {
                    drop(gate);
                    self.tell(id, &committed.events).await;
                    return Ok(Some(Some(committed)));
                }
                // It may have happened.
                Err(Error::OutcomeUnknown) => return Err(Error::OutcomeUnknown),
                Ok(None) | Err(_) => charged.into_iter().for_each(|add| add.give_back()),
            }
            committed?;
        }
        Err(behind(id, "the start of a session"))
    }

    /// A session that is made for its users, with so many of them in it.
    fn made_for(&self, id: SessionId, circle: &Circle<'_>, now: DateTime<Utc>, participant_count: u32) -> Session {
        let CreateSession {
            title,
            description,
            session_type,
            max_participants,
            history_visibility,
            metadata,
            receipts,
        } = circle.new_session(&self.inner.limits);
        Session {
            id,
            title,
            description,
            session_type,
            max_participants: max_participants.unwrap_or(self.inner.limits.default_participants),
            participant_count,
            owner: circle.principal.user_id.clone(),
            is_active: true,
            created_at: now,
            updated_at: now,
            settings: SessionSettings { history_visibility, metadata, receipts, ..SessionSettings::default() },
            archived_at: None,
            deletion: None,
            needs: if session_type == SessionType::Direct { Session::NEEDS_BLOCKS } else { 0 },
        }
    }

    async fn found_at(&self, id: SessionId, users: &BTreeSet<&UserId>) -> Result<Place> {
        let key = |user: &&UserId| Participants { session: id, user: (*user).clone() }.key();
        let keys: Vec<Key> = std::iter::once(Sessions { session: id }.key()).chain(users.iter().map(key)).collect();
        let query = FactsQuery { session_id: id, records: &keys };
        let facts = self.inner.store.facts(&[query], Freshness::Fresh).await?;
        let facts = facts.into_iter().next().ok_or(Error::Internal)?;
        let mut records = facts.records.into_iter();
        let session = understood(records.next().flatten())?;
        let records = records.map(participant).collect::<Result<_>>()?;
        Ok(Place { head: facts.head, session, records })
    }
}
