//! Reports of all sessions, and the deletion of the messages of users.

use futures_util::FutureExt as _;

use super::{Administration, AuditAction, AuditOrigin, AuditState, ReportFilter, audit::Deed, picker::Picker};
use crate::{
    chat::{Attested, ResolveReport},
    error::Result,
    identity::Principal,
    model::{ListPage, MessageDeletion, Report, ReportId, ReportState, SessionId, UserId},
    store::{AllReports, ChatStoreExt as _, Newest, ReportPlace},
    trace::use_case,
};

impl ReportFilter {
    fn takes(&self, place: &ReportPlace) -> bool {
        let Self { session, state } = self;
        session.is_none_or(|session| session == place.session) && state.is_none_or(|state| state == place.state)
    }
}

impl Administration {
    /// Reports of all sessions, the newest first. A page reads at most 2,000 reports, also if few reports match the filter, and names the
    /// report after which the next page begins. Reports about the caller are left out.
    ///
    /// # Errors
    /// [`AdminRequired`](crate::Error::AdminRequired); [`Invalid`](crate::Error::Invalid) for a page outside of the limits.
    pub async fn reports(
        &self,
        principal: &Principal,
        filter: &ReportFilter,
        after: Option<ReportId>,
        limit: Option<u64>,
    ) -> Result<ListPage<Report, ReportId>> {
        use_case!("admin.reports", async move {
            self.enter(principal).await?;
            let limit = self.inner.chat.limits().page_limit(limit)?;
            let mut picker = Picker::new(after.map(|report| AllReports { report: Newest(report) }), limit);
            while let Some(scan) = picker.scan() {
                let found = self.store().list::<AllReports>(scan).await?;
                picker.note(&found);
                picker.take(found.into_iter().map(|(key, found)| {
                    let place = filter.takes(&found.value).then_some((found.value.session, key.report.0));
                    (key, place)
                }));
            }
            let ListPage { entries, next } = picker.page(|key| key.report.0);
            let entries = self.inner.chat.reports_at(principal, &entries, filter.state).await?;
            Ok(ListPage { entries, next })
        })
    }

    /// Changes the state of a report, as [`Chat::resolve_report`](crate::Chat::resolve_report) does, also of a report about a moderator of
    /// the session. A report about the caller is hidden from the caller.
    ///
    /// # Errors
    /// [`AdminRequired`](crate::Error::AdminRequired); [`ReportNotFound`](crate::Error::ReportNotFound);
    /// [`ReportConflict`](crate::Error::ReportConflict) as in that use case; [`Invalid`](crate::Error::Invalid) for a note that is too
    /// long.
    pub async fn resolve_report(
        &self,
        principal: &Principal,
        origin: &AuditOrigin,
        session: SessionId,
        report: ReportId,
        change: ResolveReport,
    ) -> Result<Report> {
        use_case!("admin.resolve_report", session, async move {
            self.enter(principal).await?;
            let (action, target) = (AuditAction::ReportHandled, Some(report.to_string()));
            // The note is in the report, and goes with it.
            let deed = Deed { principal, origin, action, target, session: Some(session), reason: None };
            let state = |state| AuditState { report_state: Some(state), ..AuditState::default() };
            let authority = || self.authority(principal).boxed();
            let entry = |before: ReportState, after: ReportState| self.record(&deed, state(before), state(after));
            let attested = Attested { authority: &authority, entry: &entry };
            self.inner.chat.resolve_attested(principal, session, report, &change, &attested).await
        })
    }

    /// Deletes all messages of a user in a session, as [`Chat::delete_messages_of`](crate::Chat::delete_messages_of) does. The events name the
    /// caller as their actor.
    ///
    /// # Errors
    /// [`AdminRequired`](crate::Error::AdminRequired); [`Denied`](crate::Error::Denied) for an unknown session, and for a user who never
    /// was in the session; [`Invalid`](crate::Error::Invalid) for a reason that is not acceptable.
    pub async fn delete_messages_of(
        &self,
        principal: &Principal,
        origin: &AuditOrigin,
        session: SessionId,
        user: &UserId,
        reason: Option<String>,
    ) -> Result<MessageDeletion> {
        use_case!("admin.delete_messages_of", session, async move {
            self.enter(principal).await?;
            let (action, target) = (AuditAction::MessagesDeleted, Some(user.to_string()));
            let deed = Deed { principal, origin, action, target, session: Some(session), reason: self.reason(reason)? };
            let authority = || self.authority(principal).boxed();
            let entry = || self.record(&deed, AuditState::default(), AuditState::default());
            self.inner.chat.purge_attested(&principal.user_id, session, user, &authority, entry).await
        })
    }
}
