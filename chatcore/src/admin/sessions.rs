//! The list of sessions, the users in sessions, and the deletion of sessions.

use futures_util::FutureExt as _;

use super::{
    Administration, AuditAction, AuditOrigin, AuditState, ManagedSession, SessionFilter, SessionStatus, audit::Deed,
    contains, picker::Picker, wanted,
};
use crate::{
    error::{Error, Result},
    identity::Principal,
    model::{ListPage, Page, Participant, ParticipantId, Session, SessionId},
    permission::Denial,
    store::{ChatStoreExt as _, Head, Sessions},
    trace::use_case,
};

fn managed((session, head): (Session, Head)) -> ManagedSession {
    ManagedSession { session, message_count: head.number, last_event_at: head.at }
}

impl SessionFilter {
    fn takes(&self, wanted: Option<&str>, session: &Session) -> bool {
        let status = if session.is_active { SessionStatus::Active } else { SessionStatus::Deleted };
        let id = session.id.to_string();
        let texts = [id.as_str(), &session.title, session.owner.as_str()];
        self.status.is_none_or(|wanted| wanted == status)
            && self.session_type.is_none_or(|wanted| wanted == session.session_type)
            && contains(wanted, texts.into_iter().chain(session.description.as_deref()))
    }
}

impl Administration {
    /// Sessions of every type, deleted ones too, the oldest first. A page reads at most 2,000 sessions, also if few sessions match the
    /// filter, and names the session after which the next page begins.
    ///
    /// # Errors
    /// [`AdminRequired`](Error::AdminRequired); [`Invalid`](Error::Invalid) for a search or a page outside of the limits.
    pub async fn sessions(
        &self,
        principal: &Principal,
        filter: &SessionFilter,
        after: Option<SessionId>,
        limit: Option<u64>,
    ) -> Result<ListPage<ManagedSession, SessionId>> {
        use_case!("admin.sessions", async move {
            self.enter(principal).await?;
            let limit = self.inner.chat.limits().page_limit(limit)?;
            let search = wanted(filter.search.as_deref())?;
            let mut picker = Picker::new(after.map(|session| Sessions { session }), limit);
            while let Some(scan) = picker.scan() {
                let found = self.store().list::<Sessions>(scan).await?;
                picker.note(&found);
                picker.take(found.into_iter().map(|(key, found)| {
                    let is_wanted = filter.takes(search.as_deref(), &found.value);
                    let id = is_wanted.then_some(key.session);
                    (key, id)
                }));
            }
            let ListPage { entries, next } = picker.page(|key| key.session);
            let found = self.inner.chat.sessions_with_ends(&entries).await?;
            Ok(ListPage { entries: found.into_iter().flatten().map(managed).collect(), next })
        })
    }

    /// A session, whatever its type, without its messages.
    ///
    /// # Errors
    /// [`AdminRequired`](Error::AdminRequired); [`Denied`](Error::Denied) with [`Hidden`](Denial::Hidden) for an unknown session.
    pub async fn session(&self, principal: &Principal, id: SessionId) -> Result<ManagedSession> {
        use_case!("admin.session", id, async move {
            self.enter(principal).await?;
            self.managed_session(id).await
        })
    }

    /// The users in a session, with their e-mail addresses, in the order of joining.
    ///
    /// # Errors
    /// As [`session`](Self::session); [`Invalid`](Error::Invalid) for a page outside of the limits.
    pub async fn participants(
        &self,
        principal: &Principal,
        id: SessionId,
        page: Page<ParticipantId>,
    ) -> Result<ListPage<Participant, ParticipantId>> {
        use_case!("admin.participants", id, async move {
            self.enter(principal).await?;
            self.managed_session(id).await?;
            self.inner.chat.seated_in(id, page).await
        })
    }

    /// Deletes a session. The event names the caller as its actor, and the streams of all readers end with it. The owner of a session that
    /// the owner deleted can then no longer restore the session. For a session that an administrator deleted, nothing changes.
    ///
    /// # Errors
    /// As [`session`](Self::session); [`Invalid`](Error::Invalid) for a reason that is not acceptable.
    pub async fn close_session(
        &self,
        principal: &Principal,
        origin: &AuditOrigin,
        id: SessionId,
        reason: Option<String>,
    ) -> Result<ManagedSession> {
        use_case!("admin.close_session", id, async move {
            self.enter(principal).await?;
            self.managed_session(id).await?;
            let (action, target) = (AuditAction::SessionClosed, Some(id.to_string()));
            let deed = Deed { principal, origin, action, target, session: None, reason: self.reason(reason)? };
            let state = |is_active| AuditState { is_active: Some(is_active), ..AuditState::default() };
            let authority = || self.authority(principal).boxed();
            let entry = |was_active| self.record(&deed, state(was_active), state(false));
            self.inner.chat.close(id, &principal.user_id, &authority, entry).await?;
            self.managed_session(id).await.map_err(|_| Error::OutcomeUnknown)
        })
    }

    async fn managed_session(&self, id: SessionId) -> Result<ManagedSession> {
        let found = self.inner.chat.sessions_with_ends(&[id]).await?.pop().flatten();
        found.map(managed).ok_or(Error::Denied(Denial::Hidden))
    }
}
