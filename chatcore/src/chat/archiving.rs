//! Use cases about sessions that are put away: archived ones, and deleted ones that come back.

use chrono::{DateTime, TimeDelta, Utc};

use super::{
    Chat, SessionOrder,
    decide::{
        govern::{Known, Plan},
        policy::Operation,
        scope::sees,
    },
    expiring::expiry,
    finding::MAX_SEARCHED,
    read::lists::{known_sessions_of, put_session},
};
use crate::{
    error::{Error, Result},
    identity::Principal,
    limits::Use,
    model::{EventKind, ListPage, Page, Session, SessionEvent, SessionId, SessionSummary},
    permission::{Action, Denial},
    trace::use_case,
};

fn nothing() -> Plan {
    Plan { events: Vec::new(), writes: Vec::new() }
}

fn change(event: SessionEvent, session: Session) -> Plan {
    Plan { events: vec![EventKind::Session(event)], writes: put_session(session).into() }
}

impl Chat {
    /// Archives a session: users can read, leave and delete an archived session, and nothing in the session changes. A repeated call
    /// changes nothing, so a retry is safe.
    ///
    /// # Errors
    /// [`Denied`](Error::Denied) when the caller may not.
    pub async fn archive_session(&self, principal: &Principal, id: SessionId) -> Result<()> {
        use_case!("archive_session", id, async move {
            self.enter(principal, Use::Request).await?;
            self.govern(id, principal, Action::Archive, |known, now| {
                let session = known.session()?;
                if session.archived_at.is_some() {
                    return Ok(nothing());
                }
                let needs = session.needs.max(Session::NEEDS_ARCHIVE);
                Ok(change(SessionEvent::Archived, Session { archived_at: Some(now), needs, ..session.clone() }))
            })
            .await?;
            Ok(())
        })
    }

    /// Unarchives a session. For a session that is not archived, nothing changes, so a retry is safe.
    ///
    /// # Errors
    /// [`Denied`](Error::Denied) when the caller may not.
    pub async fn unarchive_session(&self, principal: &Principal, id: SessionId) -> Result<()> {
        use_case!("unarchive_session", id, async move {
            self.enter(principal, Use::Request).await?;
            self.govern(id, principal, Action::Archive, |known, _| {
                let session = known.session()?;
                if session.archived_at.is_none() {
                    return Ok(nothing());
                }
                Ok(change(SessionEvent::Unarchived, Session { archived_at: None, ..session.clone() }))
            })
            .await?;
            Ok(())
        })
    }

    /// Restores a session that its owner deleted, with all its contents. A repeated call changes nothing, so a retry is safe.
    ///
    /// # Errors
    /// [`Denied`](Error::Denied) when the caller is not its owner, an administrator deleted it, or
    /// [`restore_sessions_for`](crate::Limits::restore_sessions_for) is over.
    pub async fn restore_session(&self, principal: &Principal, id: SessionId) -> Result<()> {
        use_case!("restore_session", id, async move {
            self.enter(principal, Use::Request).await?;
            self.govern(id, principal, Action::Restore, |known, now| {
                let session = known.session()?;
                if session.is_active {
                    return Ok(nothing());
                }
                if !self.is_restorable(session, now) {
                    return Err(Error::Denied(Denial::Hidden));
                }
                let session = Session { is_active: true, deletion: None, updated_at: now, ..session.clone() };
                let expires = session.settings.message_lifetime.map(|_| expiry(id, now));
                let Plan { events, mut writes } = change(SessionEvent::Restored, session);
                writes.extend(expires);
                Ok(Plan { events, writes })
            })
            .await?;
            Ok(())
        })
    }

    /// Whether the time in which the owner of a deleted session may restore it goes on.
    fn is_restorable(&self, session: &Session, now: DateTime<Utc>) -> bool {
        let within = TimeDelta::from_std(self.inner.limits.restore_sessions_for).unwrap_or(TimeDelta::MAX);
        session.deletion.as_ref().is_some_and(|deletion| now.signed_duration_since(deletion.at) < within)
    }

    /// The archived sessions of the caller, in an order, in pages as [`sessions_in`](Self::sessions_in) has them.
    ///
    /// # Errors
    /// As [`sessions_in`](Self::sessions_in).
    pub async fn archived_sessions(
        &self,
        principal: &Principal,
        page: Page<SessionId>,
        order: SessionOrder,
    ) -> Result<ListPage<SessionSummary, SessionId>> {
        use_case!("archived_sessions", async move {
            self.enter(principal, Use::Request).await?;
            let (limit, slice) = self.inner.limits.slice(page)?;
            self.permit(principal, Operation::ListSessions).await?;
            let is_archived = |session: &Session| session.is_active && session.archived_at.is_some();
            self.own_sessions(principal, limit, slice, order, is_archived).await
        })
    }

    /// The deleted sessions that the caller may restore, newest first, in pages as [`sessions`](Self::sessions) has them.
    ///
    /// # Errors
    /// As [`sessions`](Self::sessions).
    pub async fn deleted_sessions(
        &self,
        principal: &Principal,
        page: Page<SessionId>,
    ) -> Result<ListPage<SessionSummary, SessionId>> {
        use_case!("deleted_sessions", async move {
            let now = self.inner.clock.now();
            let is_own = |session: &Session| {
                let is_owner = session.owner == principal.user_id && sees(principal, session.id);
                !session.is_active && is_owner && self.is_restorable(session, now)
            };
            self.enter(principal, Use::Request).await?;
            let (limit, slice) = self.inner.limits.slice(page)?;
            self.permit(principal, Operation::ListSessions).await?;
            let most = (slice, MAX_SEARCHED);
            let found = known_sessions_of(&*self.inner.store, &principal.user_id, most, None, is_own).await?;
            let page = found.page(limit)?;
            let session = |known: Known| Some((known.session?, known.head));
            let sessions = page.entries.into_iter().filter_map(session).collect();
            Ok(ListPage { entries: self.summaries(sessions).await?, next: page.next })
        })
    }
}
