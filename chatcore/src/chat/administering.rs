//! What the administration does to sessions. No permission of the session is asked: the administration has asked for the system role. The log
//! still decides: a change that is stale is planned again.

use std::sync::atomic::{AtomicBool, Ordering};

use super::{
    Chat,
    counting::Counted,
    decide::{
        govern::{Authority, Known, Plan},
        policy::Operation,
    },
    participants::show,
    read::lists,
    reports::Placed,
};
use crate::{
    error::Result,
    identity::Principal,
    model::{
        EventKind, ListPage, Page, Participant, ParticipantId, Profile, Report, ReportId, ReportState, Session,
        SessionEvent, SessionId, UserId,
    },
    store::{ChatStoreExt as _, Head, Newest, ReportRecord, Reports, Write},
};

impl Chat {
    /// Asks the host's policy whether somebody may administer the system.
    pub(crate) async fn permit_administration(&self, principal: &Principal) -> Result<()> {
        self.permit(principal, Operation::Administer).await
    }

    /// Whether a user was ever seen, or is in the host's directory.
    pub(crate) async fn is_known(&self, user: &UserId) -> Result<bool> {
        self.inner.profiles.knows(user).await
    }

    /// A user's profile, with the e-mail address.
    pub(crate) async fn profile_of(&self, user: &UserId) -> Result<Profile> {
        self.inner.profiles.one(user).await
    }

    /// Sessions with the ends of their logs, in the order of the ids; `None` for one that does not exist or cannot be read.
    pub(crate) async fn sessions_with_ends(&self, ids: &[SessionId]) -> Result<Vec<Option<(Session, Head)>>> {
        let found = lists::sessions(&*self.inner.store, ids).await?;
        Ok(found.into_iter().map(|found| found.map(|(session, head)| (Session::clone(&session), head))).collect())
    }

    /// The users in a session, with their e-mail addresses, in the order in which they came.
    pub(crate) async fn seated_in(
        &self,
        session_id: SessionId,
        page: Page<ParticipantId>,
    ) -> Result<ListPage<Participant, ParticipantId>> {
        let (limit, slice) = self.inner.limits.slice(page)?;
        let seats = self.seats_of(&[lists::Seated { session_id, slice }]).await?;
        let page = ListPage::cut(seats.into_iter().flatten().collect(), limit, |record| record.id);
        let profiles = self.inner.profiles.find(page.iter().map(|record| &record.user_id).collect()).await?;
        Ok(page.map(|records| show(records, &profiles, self.inner.clock.now(), |_| true)))
    }

    /// Reports as an administrator of the server sees them. One whose state is another one by now is left out.
    pub(crate) async fn reports_at(
        &self,
        principal: &Principal,
        places: &[(SessionId, ReportId)],
        state: Option<ReportState>,
    ) -> Result<Vec<Report>> {
        let key = |(session, id): &(SessionId, ReportId)| Reports { session: *session, report: Newest(*id) };
        let keys: Vec<Reports> = places.iter().map(key).collect();
        let found = if keys.is_empty() { Vec::new() } else { self.inner.store.get_all(&keys).await? };
        let placed = keys.iter().zip(found).filter_map(|(key, found)| {
            let is_shown = |report: &ReportRecord| {
                report.subject != principal.user_id && state.is_none_or(|state| state == report.state)
            };
            let found = found.filter(|found| is_shown(&found.value))?;
            let record = std::sync::Arc::unwrap_or_clone(found.value);
            Some(Placed { session: key.session, id: key.report.0, record })
        });
        Ok(self.shown(principal, &placed.collect::<Vec<_>>()).await?.0)
    }

    /// Deletes a session for good, and writes an entry beside it. `entry` takes whether the session was active. A session that its owner
    /// deleted can then no longer be restored. Does nothing where nobody can restore the session.
    pub(crate) async fn close<'a>(
        &self,
        id: SessionId,
        by: &'a UserId,
        authority: Authority<'a>,
        entry: impl Fn(bool) -> Write,
    ) -> Result<()> {
        let was_active = AtomicBool::new(true);
        let plan = |known: &Known, now| {
            let session = known.session()?;
            if !session.is_active && session.deletion.is_none() {
                return Ok(Plan { events: Vec::new(), writes: Vec::new() });
            }
            was_active.store(session.is_active, Ordering::Relaxed);
            let closed = Session { is_active: false, deletion: None, updated_at: now, ..session.clone() };
            let writes = lists::put_session(closed).into_iter().chain([entry(session.is_active)]).collect();
            Ok(Plan { events: vec![EventKind::Session(SessionEvent::Deleted)], writes })
        };
        let done = self.govern_as_administrator(id, by, authority, plan).await?;
        if done.is_some() && !was_active.load(Ordering::Relaxed) {
            // The deletion by the owner was counted, and so was this one. It is one session.
            self.inner.counts.add(Counted::SessionsDeleted, -1);
        }
        Ok(())
    }
}
