//! Use cases about bans and mutes: what those who manage a session decide against a user.

use chrono::{DateTime, SubsecRound as _, Utc};

use super::{
    Chat,
    decide::{
        govern::{Known, Plan, Tried},
        validate::Faults,
    },
    moderation::Done,
    read::{
        lists::{CHUNK, Slice, put_participant, put_session},
        profiles,
    },
};
use crate::{
    error::{Code, Error, Result},
    identity::Principal,
    limits::Use,
    model::{
        EventKind, ListPage, ModerationAction, Page, ParticipantEvent, ParticipantId, Sanction, Seq, Session,
        SessionBan, SessionId, Standing, UserId,
    },
    permission::Action,
    store::{Bans, ChatStoreExt as _, Freshness, KeyPart as _, ParticipantRecord, Participants, TypedKey as _},
    trace::use_case,
};

/// Maximum length of the reason of a ban or a mute, in characters.
pub const MAX_REASON_CHARS: usize = 500;

/// About how many entries of the list of bans a page looks at. A ban that is over stays in the list until its user comes back.
const LOOKED: u64 = 500;

/// A ban or a mute of a user.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SanctionUser {
    /// The reason: at most [`MAX_REASON_CHARS`] characters. Users who manage the session see the reason.
    pub reason: Option<String>,
    /// The end; no end where not given.
    pub until: Option<DateTime<Utc>>,
}

impl SanctionUser {
    /// A ban or a mute without an end.
    pub const ENDLESS: Self = Self { reason: None, until: None };

    /// A ban or a mute until a time.
    #[must_use]
    pub const fn until(end: DateTime<Utc>) -> Self {
        Self { reason: None, until: Some(end) }
    }

    /// The same with times as exact as everywhere on the wire.
    fn checked(self, now: DateTime<Utc>) -> Result<Self> {
        let until = self.until.map(|until| until.trunc_subsecs(6));
        let mut faults = Faults::default();
        if let Some(reason) = &self.reason {
            faults.text("reason", reason, MAX_REASON_CHARS, true);
        }
        if until.is_some_and(|until| until <= now) {
            faults.add("until", Code::ValidationInvalidValue, "a time that is not over yet".to_owned());
        }
        faults.finish()?;
        Ok(Self { until, ..self })
    }

    /// Whether it is what holds already, so that a retry changes nothing.
    fn is(&self, holding: Option<&Sanction>, now: DateTime<Utc>) -> bool {
        let holds = |found: &&Sanction| found.term_at(now).is_some();
        holding.filter(holds).is_some_and(|found| found.reason == self.reason && found.until == self.until)
    }

    fn by(&self, by: &UserId, at: DateTime<Utc>) -> Sanction {
        Sanction { by: by.clone(), reason: self.reason.clone(), at, until: self.until }
    }
}

/// The session's record after a sanction: a process that knows no sanctions must not decide about the session.
fn sanctioned(session: &Session) -> Session {
    Session { needs: session.needs.max(Session::NEEDS_SANCTIONS), ..session.clone() }
}

fn nothing() -> Plan {
    Plan { events: Vec::new(), writes: Vec::new() }
}

fn change(event: ParticipantEvent, record: ParticipantRecord, known: &Known) -> Plan {
    let writes = put_participant(known.target.as_deref(), record);
    Plan { events: vec![EventKind::Participant(event)], writes }
}

/// Bans of a session that hold.
struct Banned {
    bans: Vec<(UserId, Sanction)>,
    /// The last position at which one of them was written.
    upto: Seq,
    /// The last user whose ban was looked at, where the list goes on.
    next: Option<UserId>,
}

impl Chat {
    /// Bans a user from a session until the end of the ban, or until a user lifts the ban. The ban removes a participant at once. Another
    /// ban replaces the previous ban. The user may be unknown.
    ///
    /// # Errors
    /// [`Denied`](Error::Denied) when the caller may not, or the user is the owner; [`Error::Invalid`] for an end in the past or a reason
    /// that is too long.
    pub async fn ban_participant(
        &self,
        principal: &Principal,
        id: SessionId,
        user_id: &UserId,
        ban: SanctionUser,
    ) -> Result<()> {
        use_case!("ban_participant", id, async move {
            self.enter(principal, Use::Request).await?;
            let ban = ban.checked(self.inner.clock.now())?;
            self.govern(id, principal, Tried::upon(user_id, Action::Ban), |known, now| {
                let before = known.target.as_deref();
                if ban.is(before.and_then(|record| record.ban.as_ref()), now) {
                    return Ok(nothing());
                }
                let role = before.and_then(|record| record.standing.role());
                let session = known.session()?;
                let left = u32::from(role.is_some());
                let count = session.participant_count.saturating_sub(left);
                let session = Session { participant_count: count, ..sanctioned(session) };
                let record = match before {
                    Some(before) => before.clone(),
                    None => {
                        let stay = ParticipantId(self.inner.clock.new_id());
                        ParticipantRecord::new(stay, id, user_id.clone(), Standing::Stranger, now)
                    }
                };
                let record = role.map_or_else(|| record.clone(), |role| record.ended(role));
                let record = ParticipantRecord { ban: Some(ban.by(&principal.user_id, now)), ..record };
                let term = ban.until.into();
                let banned = ParticipantEvent::Banned { user_id: user_id.clone(), term, was_active: role.is_some() };
                let mut plan = change(banned, record, known);
                plan.writes.extend(put_session(session));
                let done = Done::upon(&principal.user_id, ModerationAction::UserBanned, user_id, now).until(ban.until);
                plan.writes.push(self.noting(id, done));
                Ok(plan)
            })
            .await?;
            Ok(())
        })
    }

    /// Lifts a user's ban from a session. Without a ban, nothing changes, so a retry is safe. The user does not rejoin automatically.
    ///
    /// # Errors
    /// [`Denied`](Error::Denied) when the caller may not.
    pub async fn unban_participant(&self, principal: &Principal, id: SessionId, user_id: &UserId) -> Result<()> {
        use_case!("unban_participant", id, async move {
            self.enter(principal, Use::Request).await?;
            self.govern(id, principal, Tried::upon(user_id, Action::ManageBans), |known, now| {
                let is_banned = |record: &&ParticipantRecord| matches!(record.standing_at(now), Standing::Banned(_));
                let Some(before) = known.target.as_deref().filter(is_banned) else { return Ok(nothing()) };
                let record = ParticipantRecord { ban: None, ..before.clone() };
                let mut plan = change(ParticipantEvent::Unbanned { user_id: user_id.clone() }, record, known);
                let done = Done::upon(&principal.user_id, ModerationAction::UserUnbanned, user_id, now);
                plan.writes.push(self.noting(id, done));
                Ok(plan)
            })
            .await?;
            Ok(())
        })
    }

    /// The active bans of a session, in the order of the users' ids. A page looks at a bounded number of bans that are over, so a page
    /// before further pages may be shorter than requested.
    ///
    /// # Errors
    /// [`Denied`](Error::Denied) when the caller may not; [`Error::Invalid`] for a page outside of the limits.
    pub async fn bans(
        &self,
        principal: &Principal,
        id: SessionId,
        page: Page<UserId>,
    ) -> Result<ListPage<SessionBan, UserId>> {
        use_case!("bans", id, async move {
            self.enter(principal, Use::Request).await?;
            let (limit, slice) = self.inner.limits.slice(page)?;
            let known = self.allowed(id, principal, Action::ManageBans, Freshness::Fresh).await?;
            let Banned { bans, upto, next } = self.banned(id, slice).await?;
            self.allowed_upto(&known, principal, Action::ManageBans, upto).await?;
            let is_full = bans.len() as u64 > limit;
            let page = ListPage::cut(bans, limit, |(user, _)| user.clone());
            let page = if is_full { page } else { ListPage { next, ..page } };
            let users = page.iter().flat_map(|(user, ban)| [user, &ban.by]).collect();
            let users = self.inner.profiles.find(users).await?;
            let shown = |(user, ban): (UserId, Sanction)| SessionBan {
                user: profiles::public(profiles::of(&users, &user)),
                banned_by: profiles::public(profiles::of(&users, &ban.by)),
                reason: ban.reason,
                banned_at: ban.at,
                until: ban.until,
            };
            Ok(page.map(|found| found.into_iter().map(shown).collect()))
        })
    }

    /// The part of a session's bans that a slice names.
    async fn banned(&self, session: SessionId, slice: Slice<UserId>) -> Result<Banned> {
        let (store, now) = (&*self.inner.store, self.inner.clock.now());
        let Slice { mut after, mut skip, limit } = slice;
        let (mut found, mut upto) = (Vec::new(), 0);
        let (mut goes_on, mut looked) = (true, 0);
        while goes_on && (found.len() as u64) < limit && (looked < LOOKED || skip > 0) {
            // Where the first entries are not enough, many bans may be over.
            let wanted = if looked == 0 { limit.saturating_add(skip).min(CHUNK.max(limit)) } else { CHUNK };
            let from = after.as_ref().map(|user: &UserId| vec![user.part()]);
            let listed = store.list::<Bans>(Bans::under(vec![session.part()]).after(from).limit(wanted)).await?;
            (goes_on, looked) = (listed.len() as u64 == wanted, looked + listed.len() as u64);
            let users: Vec<UserId> = listed.into_iter().map(|(key, _)| key.user).collect();
            let keys: Vec<_> = users.iter().map(|user| Participants { session, user: user.clone() }).collect();
            let records = if keys.is_empty() { Vec::new() } else { store.get_all(&keys).await? };
            after = users.last().cloned().or(after);
            for (user, record) in users.into_iter().zip(records) {
                let Some(record) = record.filter(|found| matches!(found.value.standing_at(now), Standing::Banned(_)))
                else {
                    continue;
                };
                upto = record.at.max(upto);
                if skip > 0 {
                    skip -= 1;
                } else if (found.len() as u64) < limit {
                    found.extend(record.value.ban.clone().map(|ban| (user, ban)));
                }
            }
        }
        Ok(Banned { bans: found, upto, next: after.filter(|_| goes_on) })
    }

    /// Mutes a participant until the end of the mute, or until a user ends the mute: the participant reads, and neither sends, edits,
    /// reacts nor types. The mute survives a leave and a rejoin. Another mute replaces the previous mute.
    ///
    /// # Errors
    /// [`Denied`](Error::Denied) when the caller may not, the user is not in the session, or the user is the owner; [`Error::Invalid`] for
    /// an end in the past or a reason that is too long.
    pub async fn mute_participant(
        &self,
        principal: &Principal,
        id: SessionId,
        user_id: &UserId,
        mute: SanctionUser,
    ) -> Result<()> {
        use_case!("mute_participant", id, async move {
            self.enter(principal, Use::Request).await?;
            let mute = mute.checked(self.inner.clock.now())?;
            self.govern(id, principal, Tried::upon(user_id, Action::Mute), |known, now| {
                let before = known.target.as_deref().ok_or(Error::Internal)?;
                if mute.is(before.mute.as_ref(), now) {
                    return Ok(nothing());
                }
                let record = ParticipantRecord { mute: Some(mute.by(&principal.user_id, now)), ..before.clone() };
                let muted = ParticipantEvent::Muted { user_id: user_id.clone(), term: mute.until.into() };
                let mut plan = change(muted, record, known);
                let done = Done::upon(&principal.user_id, ModerationAction::UserMuted, user_id, now).until(mute.until);
                plan.writes.push(self.noting(id, done));
                let session = known.session()?;
                if session.needs < Session::NEEDS_SANCTIONS {
                    plan.writes.extend(put_session(sanctioned(session)));
                }
                Ok(plan)
            })
            .await?;
            Ok(())
        })
    }

    /// Ends a user's mute. Without a mute, nothing changes, so a retry is safe.
    ///
    /// # Errors
    /// [`Denied`](Error::Denied) when the caller may not, or is the user.
    pub async fn unmute_participant(&self, principal: &Principal, id: SessionId, user_id: &UserId) -> Result<()> {
        use_case!("unmute_participant", id, async move {
            self.enter(principal, Use::Request).await?;
            let action = Action::Unmute { own: *user_id == principal.user_id };
            self.govern(id, principal, Tried::upon(user_id, action), |known, now| {
                let is_muted = |record: &&ParticipantRecord| record.muted_at(now).is_some();
                let Some(before) = known.target.as_deref().filter(is_muted) else { return Ok(nothing()) };
                let record = ParticipantRecord { mute: None, ..before.clone() };
                let mut plan = change(ParticipantEvent::Unmuted { user_id: user_id.clone() }, record, known);
                let done = Done::upon(&principal.user_id, ModerationAction::UserUnmuted, user_id, now);
                plan.writes.push(self.noting(id, done));
                Ok(plan)
            })
            .await?;
            Ok(())
        })
    }
}
