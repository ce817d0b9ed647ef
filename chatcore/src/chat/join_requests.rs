//! Use cases about requests to join. A request is made with the code of an invite, so only users who may know of a session can make one.

use chrono::{DateTime, Utc};

use super::{
    Chat,
    decide::{
        govern::{Plan, Tried},
        policy::Operation,
        turns::behind,
        validate::Faults,
    },
    invites::Held,
    participants::{Admission, admit},
    read::{
        lists::{Slice, sessions},
        profiles,
    },
};
use crate::{
    error::{Error, Result},
    identity::Principal,
    limits::Use,
    model::{
        EventKind, InviteCode, JoinRequest, ListPage, NewEvent, Page, ParticipantEvent, ParticipantRole, Profile,
        SessionEvent, SessionId, Signal, UserId,
    },
    notify::Hint,
    permission::{Action, Denial},
    store::{
        AskedToJoin, Change, ChatStoreExt as _, Found, Freshness, InviteRecord, JoinRequestRecord, JoinRequests,
        KeyPart as _, Listed, ParticipantRecord, TypedKey as _, Write,
    },
    trace::use_case,
};

/// Entries of a list that are looked at for one page.
const LOOKED: u64 = 500;

/// Maximum number of open requests to join one session.
pub const MAX_JOIN_REQUESTS: usize = 100;

impl Chat {
    /// Requests to join a session, by the code of an invite. The request consumes one use of the invite. A user has one open request to a
    /// session: a repeated call returns that request and changes nothing, so a retry is safe. A caller who may no longer request to join gets
    /// the denial.
    ///
    /// # Errors
    /// As [`preview_invite`](Self::preview_invite); [`Denied`](Error::Denied) also when the session is full, or the caller is already in
    /// the session; [`Invalid`](Error::Invalid) for a text that is longer than [`description_chars`](crate::Limits::description_chars);
    /// [`LimitExceeded`](Error::LimitExceeded) for one more than [`MAX_JOIN_REQUESTS`].
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
                let known = self.known(session, user, None, Freshness::Fresh).await?;
                if let Some(open) = open.filter(|_| known.is_active()) {
                    // A request waits while the session is full.
                    self.allow_holder(principal, &known, &[Denial::Full]).await?;
                    return Ok(shown(&key, &open.value, profile));
                }
                let Held { known, key: invite, found, now } = self.held(user, place).await?;
                self.allow_holder(principal, &known, &[]).await?;
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
                let asked = AskedToJoin { user: user.clone(), session }.put(Listed);
                let writes = vec![invite.put(used).at(found.version), key.put(record.clone()).absent(), asked];
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

    /// Withdraws the caller's own request.
    ///
    /// # Errors
    /// [`JoinRequestNotFound`](Error::JoinRequestNotFound) without a request, also for an unknown session.
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
                let change = Change::of(session, known.head.seq, vec![event], closing(&key, &open).into());
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
            let known = self.allowed(session, principal, Action::AnswerJoinRequests, Freshness::Fresh).await?;
            let after = after.as_ref().map(|after: &UserId| vec![after.part()]);
            let scan = JoinRequests::under(vec![session.part()]).after(after).skip(skip).limit(wanted);
            let found = self.inner.store.list::<JoinRequests>(scan).await?;
            let upto = found.iter().map(|(_, found)| found.at).max().unwrap_or(0);
            self.allowed_upto(&known, principal, Action::AnswerJoinRequests, upto).await?;
            let page = ListPage::cut(found, limit, |(key, _)| key.user.clone());
            let users = self.inner.profiles.find(page.iter().map(|(key, _)| &key.user).collect()).await?;
            let shown = |(key, found): (JoinRequests, Found<JoinRequestRecord>)| {
                shown(&key, &found.value, profiles::of(&users, &key.user))
            };
            Ok(page.map(|found| found.into_iter().map(shown).collect()))
        })
    }

    /// Approves a request to join, with the given role, or else with the role of the invite of the request.
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
                let mut writes: Vec<Write> = closing(&key, &open).into_iter().chain(writes).collect();
                writes.extend(self.admitting(principal, user, session, turn > 0).await?);
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

    /// Declines a request. The user can repeat the request. The user's connections receive a [signal](Signal::JoinRequestDeclined).
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
                let change = Change::of(session, known.head.seq, vec![event], closing(&key, &open).into());
                let Some(committed) = self.try_commit(change).await? else { continue };
                drop(gate);
                self.tell(session, &committed.events).await;
                let declined = Signal::JoinRequestDeclined { user_id: user.clone(), session_id: session };
                self.publish(Hint::Signal(declined)).await;
                return Ok(());
            }
            Err(behind(session, "the answer to a request to join"))
        })
    }

    /// The caller's own open requests, in the order of the ids of their sessions. A page before further pages may be shorter than
    /// requested.
    ///
    /// # Errors
    /// [`Invalid`](Error::Invalid) for a page outside of the limits.
    pub async fn own_join_requests(
        &self,
        principal: &Principal,
        page: Page<SessionId>,
    ) -> Result<ListPage<JoinRequest, SessionId>> {
        use_case!("own_join_requests", async move {
            self.enter(principal, Use::Request).await?;
            let (limit, Slice { mut after, mut skip, limit: wanted }) = self.inner.limits.slice(page)?;
            self.permit(principal, Operation::ListOwnJoinRequests).await?;
            let (store, user) = (&*self.inner.store, &principal.user_id);
            let profile = self.inner.profiles.one(user).await?;
            let (mut found, mut stale, mut looked) = (Vec::new(), Vec::new(), 0);
            let mut goes_on = true;
            while goes_on && (found.len() as u64) < wanted && looked < LOOKED {
                let place = after.map(|after: SessionId| vec![after.part()]);
                let scan = AskedToJoin::under(vec![user.part()]).after(place).skip(skip).limit(wanted);
                let entries = store.list::<AskedToJoin>(scan).await?;
                goes_on = entries.len() as u64 == wanted;
                (skip, looked) = (0, looked + entries.len() as u64);
                after = entries.last().map(|(key, _)| key.session).or(after);
                let ids: Vec<SessionId> = entries.iter().map(|(key, _)| key.session).collect();
                let key = |session: &SessionId| JoinRequests { session: *session, user: user.clone() };
                let keys: Vec<JoinRequests> = ids.iter().map(key).collect();
                let requests = if keys.is_empty() { Vec::new() } else { store.get_all(&keys).await? };
                let sessions = sessions(store, &ids).await?;
                for (((entry, listed), key), (request, session)) in
                    entries.into_iter().zip(keys).zip(requests.into_iter().zip(sessions))
                {
                    match request {
                        // A deleted session may be restored.
                        Some(request) if session.is_some_and(|(session, _)| session.is_active) => {
                            found.push(shown(&key, &request.value, profile.clone()));
                        }
                        Some(_) => {}
                        None => stale.push(entry.remove().at(listed.version)),
                    }
                }
            }
            if !stale.is_empty() {
                // Another reader may do the same; what fails is tried again by the next one.
                drop(store.commit(Change::of_records(stale)).await);
            }
            let is_full = found.len() as u64 > limit;
            let page = ListPage::cut(found, limit, |request: &JoinRequest| request.session_id);
            let next = if is_full { page.next } else { after.filter(|_| goes_on) };
            Ok(ListPage { next, ..page })
        })
    }

    /// Takes back the open requests of a user whose account is deleted. One that fails keeps no other one waiting.
    #[cfg(feature = "accounts")]
    pub(crate) async fn erase_join_requests(&self, user: &UserId) -> Result<()> {
        let (mut after, mut done) = (None, Ok(()));
        loop {
            let scan = AskedToJoin::under(vec![user.part()]).after(after.take()).limit(LOOKED);
            let entries = self.inner.store.list::<AskedToJoin>(scan).await?;
            let Some((last, _)) = entries.last() else { return done };
            after = Some(vec![last.session.part()]);
            for (entry, _) in entries {
                let erased = self.erase_join_request(user, entry.session).await;
                done = done.and(erased);
            }
        }
    }

    /// Takes back an open request of a user whose account is deleted, also where the session is deleted.
    #[cfg(feature = "accounts")]
    async fn erase_join_request(&self, user: &UserId, session: SessionId) -> Result<()> {
        let gate = self.inner.gates.pass(session).await;
        for _ in self.turns() {
            let known = self.known(session, user, None, Freshness::Fresh).await?;
            let key = JoinRequests { session, user: user.clone() };
            let entry = AskedToJoin { user: user.clone(), session };
            let Some(open) = self.inner.store.get(&key).await? else {
                self.inner.store.commit(Change::of_records(vec![entry.remove()])).await?;
                return Ok(());
            };
            let now = self.inner.clock.now().max(known.head.at);
            let event = requested(user, now, SessionEvent::JoinRequestClosed { user_id: user.clone() });
            let change = Change::of(session, known.head.seq, vec![event], closing(&key, &open).into());
            let Some(committed) = self.try_commit(change).await? else { continue };
            drop(gate);
            self.tell(session, &committed.events).await;
            return Ok(());
        }
        Err(behind(session, "the end of a request to join"))
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

/// The writes that close a request.
fn closing(key: &JoinRequests, open: &Found<JoinRequestRecord>) -> [Write; 2] {
    let JoinRequests { session, user } = key.clone();
    [key.remove().at(open.version), AskedToJoin { user, session }.remove()]
}

fn requested(actor: &UserId, created_at: DateTime<Utc>, event: SessionEvent) -> NewEvent {
    NewEvent { actor: actor.clone(), created_at, kind: EventKind::Session(event) }
}

fn shown(key: &JoinRequests, record: &JoinRequestRecord, user: Profile) -> JoinRequest {
    let JoinRequestRecord { text, role, at } = record.clone();
    JoinRequest { session_id: key.session, user: profiles::public(user), text, role, requested_at: at }
}
