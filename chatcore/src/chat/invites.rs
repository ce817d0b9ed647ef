//! Use cases about invites. An invite has a code, and whoever has the code can join by it.
//!
//! A code is random, and kept as its digest. The digest is a key that must be absent, so no two invites have one code, and one read finds the
//! invite of a code. The invite itself belongs to its session: each join by it writes it at the version that was read, so its uses are counted
//! exactly.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, TimeDelta, Utc};
use rand::{TryRng as _, rngs::SysRng};
use sha2::{Digest as _, Sha256};

use super::{
    Chat,
    decide::{
        govern::{Known, Plan},
        policy::Operation,
        turns::behind,
        validate::Faults,
    },
    participants::{Admission, admit},
    read::{lists::Slice, profiles},
};
use crate::{
    error::{Error, Result},
    identity::Principal,
    limits::Use,
    model::{
        CreatedInvite, EventKind, Invite, InviteCode, InviteId, InvitePreview, ListPage, NewEvent, Page,
        ParticipantEvent, ParticipantRole, Profile, Session, SessionEvent, SessionId, UserId,
    },
    permission::{Action, Denial},
    store::{
        Change, ChatStoreExt as _, Found, Freshness, InviteCodes, InvitePlace, InviteRecord, Invites, KeyPart as _,
        ParticipantRecord, TypedKey as _,
    },
    trace::use_case,
};

/// Maximum number of invites of a session. Expired and used-up invites make room for new invites.
pub const MAX_INVITES: usize = 100;

/// Default lifetime of an invite in seconds: 7 days.
pub const INVITE_SECONDS: u32 = 7 * 24 * 60 * 60;

/// Maximum lifetime of an invite in seconds: 365 days.
pub const INVITE_SECONDS_MAX: u32 = 365 * 24 * 60 * 60;

/// Maximum number of uses of an invite with a limit of uses.
pub const INVITE_USES_MAX: u32 = 100_000;

/// Random bytes of a code.
const CODE_BYTES: usize = 16;

/// The settings of a new invite.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CreateInvite {
    /// The role of users who join by the invite; a member where not given; never the owner.
    pub role: Option<ParticipantRole>,
    /// Maximum number of users who join by the invite: 1 to [`INVITE_USES_MAX`]; no limit where not given.
    pub max_uses: Option<u32>,
    /// The lifetime in seconds: 1 to [`INVITE_SECONDS_MAX`]; [`INVITE_SECONDS`] where not given.
    pub expires_in: Option<u32>,
    /// Whether a holder of the code must call [`Chat::request_to_join`]: a user who manages the session approves each request.
    pub needs_approval: bool,
}

/// A new code.
fn new_code() -> Result<InviteCode> {
    let mut bytes = [0; CODE_BYTES];
    SysRng.try_fill_bytes(&mut bytes).map_err(|error| {
        tracing::error!(%error, "the operating system gives no random bytes");
        Error::Internal
    })?;
    Ok(InviteCode::new(URL_SAFE_NO_PAD.encode(bytes)))
}

fn digest(code: &InviteCode) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(code.as_str()))
}

/// An invite by which somebody can still join, with the facts of its session for the holder of its code.
pub(super) struct Held {
    pub(super) known: Known,
    pub(super) key: Invites,
    pub(super) found: Found<InviteRecord>,
    pub(super) now: DateTime<Utc>,
}

impl Chat {
    /// Creates an invite. Only this answer contains the code: the chat stores the digest of the code.
    ///
    /// # Errors
    /// [`Denied`](Error::Denied) when the caller may not, the session is private, or the role is owner; [`Invalid`](Error::Invalid) for a
    /// number outside of its limits; [`LimitExceeded`](Error::LimitExceeded) for one more than [`MAX_INVITES`].
    pub async fn create_invite(
        &self,
        principal: &Principal,
        session: SessionId,
        new: CreateInvite,
    ) -> Result<CreatedInvite> {
        use_case!("create_invite", session, async move {
            self.enter(principal, Use::Request).await?;
            let mut faults = Faults::default();
            faults.invite(&new);
            faults.finish()?;
            let CreateInvite { role, max_uses, expires_in, needs_approval } = new;
            let (role, by) = (role.unwrap_or(ParticipantRole::Member), &principal.user_id);
            let code = new_code()?;
            let invite = InviteId(self.inner.clock.new_id());
            let gate = self.inner.gates.pass(session).await;
            for freshness in self.turns() {
                let known = self.allowed(session, principal, Action::CreateInvite { role }, freshness).await?;
                let now = self.inner.clock.now().max(known.head.at);
                let mut writes = Vec::new();
                // The event governs, so no other invite is created between this read and the commit.
                let limit = (MAX_INVITES as u64).saturating_add(1);
                let found = self.inner.store.list::<Invites>(Invites::under(vec![session.part()]).limit(limit)).await?;
                if found.len() >= MAX_INVITES {
                    let over: Vec<_> = found.iter().filter(|(_, found)| !found.value.is_open(now)).collect();
                    match (over.is_empty(), freshness) {
                        (true, Freshness::Cached) => continue,
                        (true, Freshness::Fresh) => {
                            let limit = MAX_INVITES as u64;
                            return Err(Error::LimitExceeded { what: "the number of invites of one session", limit });
                        }
                        (false, _) => writes.extend(over.into_iter().flat_map(|(key, found)| {
                            let code = InviteCodes { digest: found.value.digest.clone() };
                            [key.remove().at(found.version), code.remove()]
                        })),
                    }
                }
                let record = InviteRecord {
                    digest: digest(&code),
                    by: by.clone(),
                    role,
                    created_at: now,
                    expires_at: now + TimeDelta::seconds(expires_in.unwrap_or(INVITE_SECONDS).into()),
                    max_uses,
                    uses: 0,
                    needs_approval,
                };
                // Before the commit, because an error after it would say that nothing was changed.
                let creator = self.inner.profiles.one(by).await?;
                let place = InviteCodes { digest: record.digest.clone() };
                writes.push(place.put(InvitePlace { session, invite }).absent());
                writes.push(Invites { session, invite }.put(record.clone()).absent());
                let kind = EventKind::Session(SessionEvent::InviteCreated { invite_id: invite, role });
                let event = NewEvent { actor: by.clone(), created_at: now, kind };
                let change = Change::of(session, known.head.seq, vec![event], writes);
                let Some(committed) = self.try_commit(change).await? else { continue };
                drop(gate);
                self.tell(session, &committed.events).await;
                return Ok(CreatedInvite { invite: shown(&Invites { session, invite }, &record, creator), code });
            }
            Err(behind(session, "a new invite"))
        })
    }

    /// Revokes an invite: the code allows no further join. Without such an invite, nothing changes, so a retry is safe.
    ///
    /// # Errors
    /// [`Denied`](Error::Denied) when the caller may not.
    pub async fn revoke_invite(&self, principal: &Principal, session: SessionId, invite: InviteId) -> Result<()> {
        use_case!("revoke_invite", session, async move {
            self.enter(principal, Use::Request).await?;
            let key = Invites { session, invite };
            let gate = self.inner.gates.pass(session).await;
            for freshness in self.turns() {
                let known = self.allowed(session, principal, Action::ManageInvites, freshness).await?;
                let Some(found) = self.inner.store.get(&key).await? else {
                    if freshness == Freshness::Fresh {
                        return Ok(());
                    }
                    continue;
                };
                let code = InviteCodes { digest: found.value.digest.clone() };
                let writes = vec![key.remove().at(found.version), code.remove()];
                let kind = EventKind::Session(SessionEvent::InviteRevoked { invite_id: invite });
                let created_at = self.inner.clock.now().max(known.head.at);
                let event = NewEvent { actor: principal.user_id.clone(), created_at, kind };
                let change = Change::of(session, known.head.seq, vec![event], writes);
                let Some(committed) = self.try_commit(change).await? else { continue };
                drop(gate);
                self.tell(session, &committed.events).await;
                return Ok(());
            }
            Err(behind(session, "the end of an invite"))
        })
    }

    /// The invites of a session in the order of creation, including expired and used-up invites, without revoked invites. The answer
    /// contains no code.
    ///
    /// # Errors
    /// [`Denied`](Error::Denied) when the caller may not; [`Invalid`](Error::Invalid) for a page outside of the limits.
    pub async fn invites(
        &self,
        principal: &Principal,
        session: SessionId,
        page: Page<InviteId>,
    ) -> Result<ListPage<Invite, InviteId>> {
        use_case!("invites", session, async move {
            self.enter(principal, Use::Request).await?;
            let (limit, Slice { after, skip, limit: wanted }) = self.inner.limits.slice(page)?;
            let known = self.allowed(session, principal, Action::ManageInvites, Freshness::Fresh).await?;
            let after = after.map(|after| vec![after.part()]);
            let scan = Invites::under(vec![session.part()]).after(after).skip(skip).limit(wanted);
            let found = self.inner.store.list::<Invites>(scan).await?;
            let upto = found.iter().map(|(_, found)| found.at).max().unwrap_or(0);
            self.allowed_upto(&known, principal, Action::ManageInvites, upto).await?;
            let page = ListPage::cut(found, limit, |(key, _)| key.invite);
            let users = self.inner.profiles.find(page.iter().map(|(_, found)| &found.value.by).collect()).await?;
            let shown = |(key, found): (Invites, Found<InviteRecord>)| {
                shown(&key, &found.value, profiles::of(&users, &found.value.by))
            };
            Ok(page.map(|found| found.into_iter().map(shown).collect()))
        })
    }

    /// A preview of the session for the holder of a code.
    ///
    /// # Errors
    /// [`InviteNotFound`](Error::InviteNotFound) for a wrong, expired, revoked or used-up code, and for a caller who is banned from a
    /// session that is not public; [`Denied`](Error::Denied) when the session is private.
    pub async fn preview_invite(&self, principal: &Principal, code: &InviteCode) -> Result<InvitePreview> {
        use_case!("preview_invite", async move {
            self.enter(principal, Use::Code).await?;
            let place = self.place_of(code).await?;
            let Held { known, found, .. } = self.held(&principal.user_id, place).await?;
            self.allow_holder(principal, &known, &[Denial::Full, Denial::AlreadyParticipant]).await?;
            let Session { id, title, description, session_type, participant_count, .. } = known.session()?.clone();
            let InviteRecord { by, role, expires_at, needs_approval, .. } = &*found.value;
            let invited_by = profiles::public(self.inner.profiles.one(by).await?);
            let (session_id, role, expires_at, needs_approval) = (id, *role, *expires_at, *needs_approval);
            Ok(InvitePreview {
                session_id,
                title,
                description,
                session_type,
                participant_count,
                invited_by,
                role,
                expires_at,
                needs_approval,
            })
        })
    }

    /// Joins a session by the code of an invite, in the role that the invite grants. The join consumes one use of the invite.
    ///
    /// # Errors
    /// As [`preview_invite`](Self::preview_invite); [`Denied`](Error::Denied) also when the session is full, or the caller is already in
    /// the session; [`ApprovalRequired`](Error::ApprovalRequired) when the caller must request to join.
    pub async fn join_by_invite(&self, principal: &Principal, code: &InviteCode) -> Result<Admission> {
        use_case!("join_by_invite", async move {
            self.enter(principal, Use::Code).await?;
            let (user, place) = (&principal.user_id, self.place_of(code).await?);
            let session = place.session;
            let gate = self.inner.gates.pass(session).await;
            for turn in 0..self.inner.limits.commit_attempts {
                let Held { known, key, found, now } = self.held(user, place).await?;
                self.allow_holder(principal, &known, &[]).await?;
                if found.value.needs_approval {
                    return Err(Error::ApprovalRequired);
                }
                let (before, role) = (known.actor.as_deref(), found.value.role);
                let record = self.seat(before, session, user, role, now);
                let record = ParticipantRecord { is_engaged: true, ..record };
                let kind = EventKind::Participant(ParticipantEvent::Joined { participant_id: record.id, role });
                let Plan { events, mut writes } = admit(&known, before, kind, record)?;
                let used = InviteRecord { uses: found.value.uses.saturating_add(1), ..(*found.value).clone() };
                writes.push(key.put(used).at(found.version));
                writes.extend(self.admitting(principal, user, session, turn > 0).await?);
                let event = |kind| NewEvent { actor: user.clone(), created_at: now, kind };
                let change = Change::of(session, known.head.seq, events.into_iter().map(event).collect(), writes);
                let Some(committed) = self.try_commit_listed(&known, change).await? else { continue };
                // The next change need not wait until readers are told.
                drop(gate);
                self.tell(session, &committed.events).await;
                return self.admission(Some(committed), session, user).await;
            }
            Err(behind(session, "a join by an invite"))
        })
    }

    /// Where the invite of a code is.
    pub(super) async fn place_of(&self, code: &InviteCode) -> Result<InvitePlace> {
        let found = self.inner.store.get(&InviteCodes { digest: digest(code) }).await?;
        found.map(|found| *found.value).ok_or(Error::InviteNotFound)
    }

    /// An invite by which somebody can still join, as it is now.
    pub(super) async fn held(&self, user: &UserId, InvitePlace { session, invite }: InvitePlace) -> Result<Held> {
        let known = self.known(session, user, None, Freshness::Fresh).await?;
        let (key, now) = (Invites { session, invite }, self.inner.clock.now().max(known.head.at));
        let found = self.inner.store.get(&key).await?;
        let found = found.filter(|found| known.is_active() && found.value.is_open(now)).ok_or(Error::InviteNotFound)?;
        Ok(Held { known, key, found, now })
    }

    /// Decides whether the holder of a code may use the code, by the permission table and then by the host's policy. The tolerated denials
    /// say nothing against this use. To a user who may not know of the session, the answer must not tell whether the code is valid.
    pub(super) async fn allow_holder(&self, principal: &Principal, known: &Known, tolerated: &[Denial]) -> Result<()> {
        let denied = self.inner.permissions.decide(&known.facts(), Action::JoinByInvite).err();
        if let Some(denial) = denied.filter(|denial| !tolerated.contains(denial)) {
            return Err(if denial == Denial::Hidden { Error::InviteNotFound } else { denial.into() });
        }
        self.permit_holder(principal, known).await
    }

    /// Asks the host's policy about the holder of a code.
    pub(super) async fn permit_holder(&self, principal: &Principal, known: &Known) -> Result<()> {
        if !self.must_permit(principal) {
            return Ok(());
        }
        let (session, participant, action) = (known.session()?, known.actor.as_deref(), Action::JoinByInvite);
        self.permit(principal, Operation::InSession { session, participant, action, target: None, body: None }).await
    }
}

fn shown(key: &Invites, record: &InviteRecord, creator: Profile) -> Invite {
    let Invites { session, invite } = *key;
    let InviteRecord { digest: _, by: _, role, created_at, expires_at, max_uses, uses, needs_approval } = *record;
    let created_by = profiles::public(creator);
    Invite { id: invite, session_id: session, role, created_by, created_at, expires_at, max_uses, uses, needs_approval }
}
