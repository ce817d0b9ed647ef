//! Use cases about requests to join. A request is made with the code of an invite, so only users who may know of a session can make one.

use chrono::{DateTime, Utc};

use super::{
    Chat,
    decide::{
        govern::{Plan, Tried},
        turns::behind,
        validate::Faults,
    },
    invites::Held,
    participants::{Admission, admit},
    read::{lists::Slice, profiles},
};
use crate::{
    error::{Error, Result},
    identity::Principal,
    limits::Use,
    model::{
        EventKind, InviteCode, JoinRequest, ListPage, NewEvent, Page, ParticipantEvent, ParticipantRole, Profile,
        SessionEvent, SessionId, UserId,
    },
    permission::Action,
    store::{
        Change, ChatStoreExt as _, Found, Freshness, InviteRecord, JoinRequestRecord, JoinRequests, KeyPart as _,
        ParticipantRecord, TypedKey as _, Write,
    },
    trace::use_case,
};

/// Most open requests to join one session.
pub const MAX_JOIN_REQUESTS: usize = 100;

impl Chat {
    /// Asks to be let into a session, by the code of an invite. It takes one of the uses of the invite. A user has one open request to a
    /// session: asking again gives that request and changes nothing, so a retry is safe.
    ///
    /// # Errors
    /// [`InviteNotFound`](Error::InviteNotFound) for a code that is wrong or over; [`Denied`](Error::Denied) when the session is private
    /// or full, or the caller is in it already; [`Invalid`](Error::Invalid) for a text that is longer than
    /// [`description_chars`](crate::Limits::description_chars); [`LimitExceeded`](Error::LimitExceeded) for one more than
    /// [`MAX_JOIN_REQUESTS`].
    pub async fn request_to_join(
        &self,
        principal: &Principal,
        code: &InviteCode,
        text: Option<String>,
    ) -> Result<JoinRequest> {
        use_case!("request_to_join", async move {
            self.enter(principal, Use::Code).await?;
            let mut faults = Faults::default();
            faults.request(text.as_deref(), &self.inner.limits);
            faults.finish()?;
            let (user, place) = (&principal.user_id, self.place_of(code).await?);
            let session = place.session;
            let key = JoinRequests { session, user: user.clone() };
            // Before the commit, because an error after it would say that nothing was changed.
            let profile = self.inner.profiles.one(user).await?;
            let gate = self.inner.gates.pass(session).await;
            for _ in 0..self.inner.limits.commit_attempts {
                let open = self.inner.store.get(&key).await?;
                let is_active = self.known(session, user, None, Freshness::Fresh).await?.is_active();
                if let Some(open) = open.filter(|_| is_active) {
                    return Ok(shown(&key, &open.value, profile));
                }
                let Held { known, key: invite, found, now } = self.held(user, place).await?;
                self.inner.permissions.decide(&known.facts(), Action::JoinByInvite)?;
                self.permit_holder(principal, &known).await?;
                // The event governs, so no other request is made between this read and the commit.
                let all = JoinRequests::under(vec![session.part()]).limit(MAX_JOIN_REQUESTS as u64);
                if self.inner.store.list::<JoinRequests>(all).await?.len() >= MAX_JOIN_REQUESTS {
                    let limit = MAX_JOIN_REQUESTS as u64;
                    return Err(Error::LimitExceeded {
                        what: "the number of open requests to join one session",
                        limit,
                    });
                }
                let record = JoinRequestRecord { text: text.clone(), role: found.value.role, at: now };
                let used = InviteRecord { uses: found.value.uses.saturating_add(1), ..(*found.value).clone() };
                let writes = vec![invite.put(used).at(found.version), key.put(record.clone()).absent()];
                let event = requested(user, now, SessionEvent::JoinRequested);
                let change = Change::of(session, known.head.seq, vec![event], writes);
                let Some(committed) = self.try_commit(change).await? else { continue };
                drop(gate);
                self.tell(session, &committed.events).await;
                return Ok(shown(&key, &record, profile));
            }
            Err(behind(session, "a request to join"))
        })
    }

    /// Takes the caller's own request back.
    ///
    /// # Errors
    /// [`JoinRequestNotFound`](Error::JoinRequestNotFound) where there is none, whether or not there is such a session.
    pub async fn withdraw_join_request(&self, principal: &Principal, session: SessionId) -> Result<()> {
        use_case!("withdraw_join_request", session, async move {
            self.enter(principal, Use::Request).await?;
            let user = &principal.user_id;
            let gate = self.inner.gates.pass(session).await;
            for _ in 0..self.inner.limits.commit_attempts {
                let known = self.known(session, user, None, Freshness::Fresh).await?;
                if !known.is_active() {
                    return Err(Error::JoinRequestNotFound);
                }
                let (key, open) = self.open_request(session, user).await?;
                self.permit_holder(principal, &known).await?;
                let now = self.inner.clock.now().max(known.head.at);
                let event = requested(user, now, SessionEvent::JoinRequestClosed { user_id: user.clone() });
                let change = Change::of(session, known.head.seq, vec![event], vec![key.remove().at(open.version)]);
                let Some(committed) = self.try_commit(change).await? else { continue };
                drop(gate);
                self.tell(session, &committed.events).await;
                return Ok(());
            }
            Err(behind(session, "the end of a request to join"))
        })
    }

    /// The open requests to join a session, in the order of the ids of their users.
    ///
    /// # Errors
    /// [`Denied`](Error::Denied) when the caller may not; [`Invalid`](Error::Invalid) for a page outside of the limits.
    pub async fn join_requests(
        &self,
        principal: &Principal,
        session: SessionId,
        page: Page<UserId>,
    ) -> Result<ListPage<JoinRequest, UserId>> {
        use_case!("join_requests", session, async move {
            self.enter(principal, Use::Request).await?;
            let (limit, Slice { after, skip, limit: wanted }) = self.inner.limits.slice(page)?;
            for _ in 0..self.inner.limits.commit_attempts {
                let known = self.allowed(session, principal, Action::AnswerJoinRequests, Freshness::Fresh).await?;
                let after = after.as_ref().map(|after: &UserId| vec![after.part()]);
                let scan = JoinRequests::under(vec![session.part()]).after(after).skip(skip).limit(wanted);
                let found = self.inner.store.list::<JoinRequests>(scan).await?;
                // What was written after the decision is for readers who are decided on after it.
                if found.iter().any(|(_, found)| found.at > known.head.seq) {
                    continue;
                }
                let page = ListPage::cut(found, limit, |(key, _)| key.user.clone());
                let users = self.inner.profiles.find(page.iter().map(|(key, _)| &key.user).collect()).await?;
                let shown = |(key, found): (JoinRequests, Found<JoinRequestRecord>)| {
                    shown(&key, &found.value, profiles::of(&users, &key.user))
                };
                return Ok(page.map(|found| found.into_iter().map(shown).collect()));
            }
            Err(Error::Unavailable)
        })
    }

    /// Lets the user of a request in, in the role that is given, or else in the role of the invite by whose code the user asked.
    ///
    /// # Errors
    /// [`Denied`](Error::Denied) when the caller may not, the session is private or full, the role is owner, or the user is in already;
    /// [`JoinRequestNotFound`](Error::JoinRequestNotFound); [`UserBanned`](Error::UserBanned) when the user's account was banned
    /// meanwhile.
    pub async fn approve_join_request(
        &self,
        principal: &Principal,
        session: SessionId,
        user: &UserId,
        role: Option<ParticipantRole>,
    ) -> Result<Admission> {
        use_case!("approve_join_request", session, async move {
            self.enter(principal, Use::Request).await?;
            let gate = self.inner.gates.pass(session).await;
            for turn in 0..self.inner.limits.commit_attempts {
                // The right to answer comes first, so that only users who manage the session learn of the request.
                let answer = Tried::upon(user, Action::AnswerJoinRequests);
                self.allowed(session, principal, answer, Freshness::Fresh).await?;
                let (key, open) = self.open_request(session, user).await?;
                let role = role.unwrap_or(open.value.role);
                let invite = Tried::upon(user, Action::Invite { role });
                let known = self.allowed(session, principal, invite, Freshness::Fresh).await?;
                let (before, now) = (known.target.as_deref(), self.inner.clock.now().max(known.head.at));
                let record = self.seat(before, session, user, role, now);
                // The user asked for it.
                let record = ParticipantRecord { is_engaged: true, ..record };
                let (user_id, participant_id) = (user.clone(), record.id);
                let kind = EventKind::Participant(ParticipantEvent::Added { user_id, participant_id, role });
                let Plan { events, writes } = admit(&known, before, kind, record)?;
                let mut writes: Vec<Write> = std::iter::once(key.remove().at(open.version)).chain(writes).collect();
                writes.push(self.hold(principal, user, turn > 0).await?);
                let event = |kind| NewEvent { actor: principal.user_id.clone(), created_at: now, kind };
                let change = Change::of(session, known.head.seq, events.into_iter().map(event).collect(), writes);
                let Some(committed) = self.try_commit_listed(&known, change).await? else { continue };
                drop(gate);
                self.tell(session, &committed.events).await;
                return self.admission(Some(committed), session, user).await;
            }
            Err(behind(session, "the answer to a request to join"))
        })
    }

    /// Declines a request. The user can ask again.
    ///
    /// # Errors
    /// [`Denied`](Error::Denied) when the caller may not; [`JoinRequestNotFound`](Error::JoinRequestNotFound).
    pub async fn decline_join_request(&self, principal: &Principal, session: SessionId, user: &UserId) -> Result<()> {
        use_case!("decline_join_request", session, async move {
            self.enter(principal, Use::Request).await?;
            let gate = self.inner.gates.pass(session).await;
            for _ in 0..self.inner.limits.commit_attempts {
                let answer = Tried::upon(user, Action::AnswerJoinRequests);
                let known = self.allowed(session, principal, answer, Freshness::Fresh).await?;
                let (key, open) = self.open_request(session, user).await?;
                let now = self.inner.clock.now().max(known.head.at);
                let kind = SessionEvent::JoinRequestClosed { user_id: user.clone() };
                let event = requested(&principal.user_id, now, kind);
                let change = Change::of(session, known.head.seq, vec![event], vec![key.remove().at(open.version)]);
                let Some(committed) = self.try_commit(change).await? else { continue };
                drop(gate);
                self.tell(session, &committed.events).await;
                return Ok(());
            }
            Err(behind(session, "the answer to a request to join"))
        })
    }

    async fn open_request(
        &self,
        session: SessionId,
        user: &UserId,
    ) -> Result<(JoinRequests, Found<JoinRequestRecord>)> {
        let key = JoinRequests { session, user: user.clone() };
        let open = self.inner.store.get(&key).await?.ok_or(Error::JoinRequestNotFound)?;
        Ok((key, open))
    }
}

fn requested(actor: &UserId, created_at: DateTime<Utc>, event: SessionEvent) -> NewEvent {
    NewEvent { actor: actor.clone(), created_at, kind: EventKind::Session(event) }
}

fn shown(key: &JoinRequests, record: &JoinRequestRecord, user: Profile) -> JoinRequest {
    let JoinRequestRecord { text, role, at } = record.clone();
    JoinRequest { session_id: key.session, user: profiles::public(user), text, role, requested_at: at }
}
