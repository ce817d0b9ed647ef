//! Use cases about reports: participants report messages and users, and those who moderate answer.
//!
//! No event tells of a report, since the reported user reads the log. So reports are shared records, which no log guards: the record of what a
//! user has open, and the version of a report, decide races.

use chrono::{DateTime, Utc};

use super::{
    Chat,
    decide::{govern::Tried, turns::behind, validate::Faults},
    moderation::Done,
    sanctions::MAX_REASON_CHARS,
};
use crate::{
    error::{Code, Error, Result},
    identity::Principal,
    limits::Use,
    model::{
        FiledReport, MessageId, MessageStatus, MessageType, ModerationAction, Report, ReportId, ReportReason,
        ReportState, Seq, SessionId, Signal, UserId,
    },
    notify::Hint,
    permission::Action,
    store::{
        AllReports, Change, ChatStoreExt as _, Found, Freshness, Handled, Listed, Newest, OpenReport, OpenReportList,
        OpenReports, ReportPlace, ReportRecord, Reports, ReportsIn, TypedKey as _, Write,
    },
    trace::use_case,
};

/// Maximum number of open reports of one user in one session.
pub const MAX_OPEN_REPORTS: usize = 50;

/// A report to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileReport {
    /// The reason.
    pub reason: ReportReason,
    /// The explanation: at most [`MAX_REASON_CHARS`] characters.
    pub text: Option<String>,
}

/// A new state for a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolveReport {
    /// The state. A closed report does not change.
    pub state: ReportState,
    /// A note for the moderators: at most [`MAX_REASON_CHARS`] characters.
    pub note: Option<String>,
    /// The expected revision of the report; `None` for any revision.
    pub revision: Option<u64>,
}

/// What is reported.
struct Reported {
    session: SessionId,
    subject: UserId,
    message: Option<Seq>,
}

/// A report with its place.
#[derive(Debug, Clone)]
pub(in crate::chat) struct Placed {
    pub(in crate::chat) session: SessionId,
    pub(in crate::chat) id: ReportId,
    pub(in crate::chat) record: ReportRecord,
}

impl Placed {
    /// What the user sees who made it.
    fn filed(self) -> FiledReport {
        let Self { session: session_id, id, record } = self;
        let ReportRecord { subject, message, reason, text, at, reporter: _, state: _, revision: _, handled: _ } =
            record;
        let message_id = message.map(|seq| MessageId { session_id, seq });
        FiledReport { id, session_id, user_id: subject, message_id, reason, text, created_at: at }
    }

    /// The writes of a report that takes the place of one with another state.
    fn writes(&self, before: Option<ReportState>) -> Vec<Write> {
        let Self { session, id, record } = self;
        let (session, report, state) = (*session, Newest(*id), record.state);
        let listed = |state: ReportState| ReportsIn { session, state: state.as_str().to_owned(), report };
        let mut writes: Vec<Write> = before.into_iter().map(|before| listed(before).remove()).collect();
        writes.push(listed(state).put(Listed));
        writes.push(AllReports { report }.put(ReportPlace { session, state }));
        writes
    }
}

/// The report after a change; `None` where the same moderator has made the same change already.
fn handled(
    record: &ReportRecord,
    by: &UserId,
    change: &ResolveReport,
    at: DateTime<Utc>,
) -> Result<Option<ReportRecord>> {
    let ResolveReport { state, note, revision } = change;
    let is_mine = record.handled.as_ref().is_some_and(|last| last.by == *by && last.note == *note);
    let is_untouched = record.handled.is_none() && note.is_none();
    if record.state == *state && (is_mine || is_untouched) {
        return Ok(None);
    }
    let is_other = revision.is_some_and(|revision| revision != record.revision);
    let is_taken = record.state == *state && record.handled.as_ref().is_some_and(|last| last.by != *by);
    if is_other || is_taken || record.state.is_closed() {
        return Err(Error::ReportConflict { state: record.state, revision: record.revision });
    }
    let handled = Some(Handled { by: by.clone(), note: note.clone(), at });
    Ok(Some(ReportRecord { state: *state, revision: record.revision.saturating_add(1), handled, ..record.clone() }))
}

/// Writes of the administration that go with a change of a state: what makes the change fail without authority, and the entry of the audit
/// log, of the states before and after.
#[cfg(feature = "admin")]
pub(crate) struct Attested<'a> {
    pub(crate) authority: super::decide::govern::Authority<'a>,
    pub(crate) entry: &'a (dyn Fn(ReportState, ReportState) -> Write + Send + Sync),
}

/// The right by which the state of a report is changed.
enum By<'a> {
    /// The permission table and the host's policy decide.
    Moderator(&'a Principal),
    /// The administration has decided.
    #[cfg(feature = "admin")]
    Administrator(&'a UserId, &'a Attested<'a>),
}

impl By<'_> {
    const fn user(&self) -> &UserId {
        match self {
            Self::Moderator(principal) => &principal.user_id,
            #[cfg(feature = "admin")]
            Self::Administrator(user, _) => user,
        }
    }
}

fn checked(report: &FileReport) -> Result<()> {
    let mut faults = Faults::default();
    if let Some(text) = &report.text {
        faults.text("text", text, MAX_REASON_CHARS, true);
    }
    faults.finish()
}

impl Chat {
    /// Reports a message to the moderators of the session, and to the administrators of the server. The chat does not notify the sender. A
    /// user has one open report of a message: a repeated call returns that report and changes nothing, so a retry is safe.
    ///
    /// # Errors
    /// [`MessageNotFound`](Error::MessageNotFound) as for [`message`](Self::message); [`Denied`](Error::Denied) for a message of the caller;
    /// [`MessageDeleted`](Error::MessageDeleted); [`Invalid`](Error::Invalid) for a text that is too long, and for a message of the server;
    /// [`LimitExceeded`](Error::LimitExceeded) for one more than [`MAX_OPEN_REPORTS`].
    pub async fn report_message(
        &self,
        principal: &Principal,
        id: MessageId,
        report: FileReport,
    ) -> Result<FiledReport> {
        use_case!("report_message", id.session_id, async move {
            self.enter(principal, Use::Report).await?;
            checked(&report)?;
            let action = |own| Action::ReportMessage { own };
            let target = self.target(principal, id, Freshness::Fresh, action).await?;
            self.permit_on(principal, &target, action(false), None).await?;
            match target.status {
                MessageStatus::Deleted { .. } => return Err(Error::MessageDeleted),
                MessageStatus::AsSent | MessageStatus::Edited { .. } => {}
            }
            if target.body.message_type == MessageType::System {
                let message = "a message of a user";
                return Err(Error::invalid("message_id", Code::ValidationInvalidValue, message));
            }
            let subject = target.event.actor.clone();
            let reported = Reported { session: id.session_id, subject, message: Some(id.seq) };
            self.file(&principal.user_id, reported, report).await
        })
    }

    /// Reports a user who is or was in the session, as [`report_message`](Self::report_message) reports a message.
    ///
    /// # Errors
    /// [`Denied`](Error::Denied) when the caller may not view the session, is the user, or the user never was in the session;
    /// [`Invalid`](Error::Invalid) for a text that is too long; [`LimitExceeded`](Error::LimitExceeded) for one more than
    /// [`MAX_OPEN_REPORTS`].
    pub async fn report_participant(
        &self,
        principal: &Principal,
        session: SessionId,
        user_id: &UserId,
        report: FileReport,
    ) -> Result<FiledReport> {
        use_case!("report_participant", session, async move {
            self.enter(principal, Use::Report).await?;
            checked(&report)?;
            let action = Action::ReportParticipant { own: *user_id == principal.user_id };
            self.allowed(session, principal, Tried::upon(user_id, action), Freshness::Fresh).await?;
            let reported = Reported { session, subject: user_id.clone(), message: None };
            self.file(&principal.user_id, reported, report).await
        })
    }

    /// Changes the state of a report, and returns the report. A repeated change by the same caller changes nothing, so a retry is safe. Of
    /// two concurrent changes of one report, the first change succeeds.
    ///
    /// A report about the caller is hidden from the caller: another moderator or an administrator of the server handles the report.
    ///
    /// # Errors
    /// [`Denied`](Error::Denied) when the caller may not; [`ReportNotFound`](Error::ReportNotFound);
    /// [`ReportConflict`](Error::ReportConflict) with the current state, when the report is closed, has another revision than the expected
    /// revision, or has the new state from another user; [`Invalid`](Error::Invalid) for a note that is too long.
    pub async fn resolve_report(
        &self,
        principal: &Principal,
        session: SessionId,
        id: ReportId,
        change: ResolveReport,
    ) -> Result<Report> {
        use_case!("resolve_report", session, async move {
            self.enter(principal, Use::Request).await?;
            let (placed, is_changed) = self.settle(&By::Moderator(principal), session, id, &change).await?;
            only(self.moderated(principal, session, &[placed]).await, is_changed)
        })
    }

    /// Changes the state of a report in the name of an administrator of the server.
    #[cfg(feature = "admin")]
    pub(crate) async fn resolve_attested<'a>(
        &self,
        principal: &'a Principal,
        session: SessionId,
        id: ReportId,
        change: &ResolveReport,
        attested: &'a Attested<'a>,
    ) -> Result<Report> {
        let by = By::Administrator(&principal.user_id, attested);
        let (placed, is_changed) = self.settle(&by, session, id, change).await?;
        only(self.shown(principal, &[placed]).await.map(|(shown, _)| shown), is_changed)
    }

    async fn file(&self, user: &UserId, reported: Reported, report: FileReport) -> Result<FiledReport> {
        let Reported { session, subject, message } = reported;
        let key = OpenReports { session, user: user.clone() };
        for _ in 0..self.inner.limits.commit_attempts {
            let found = self.inner.store.get(&key).await?;
            let mut list = found.as_ref().map(|found| OpenReportList::clone(&found.value)).unwrap_or_default();
            let is_it = |open: &OpenReport| open.subject == subject && open.message == message;
            if let Some(open) = list.reports.iter().find(|open| is_it(open)) {
                let id = open.report;
                let place = Reports { session, report: Newest(id) };
                if let Some(open) = self.inner.store.get(&place).await? {
                    // A closed one was closed since the list was read, or a backup was restored. The version of the list decides.
                    if !open.value.state.is_closed() {
                        let record = ReportRecord::clone(&open.value);
                        return Ok(Placed { session, id, record }.filed());
                    }
                }
                list.reports.retain(|open| !is_it(open));
            }
            if list.reports.len() >= MAX_OPEN_REPORTS {
                let limit = MAX_OPEN_REPORTS as u64;
                return Err(Error::LimitExceeded { what: "the number of your open reports in one session", limit });
            }
            let (id, state) = (ReportId(self.inner.clock.new_id()), ReportState::Open);
            let (reporter, at, FileReport { reason, text }) = (user.clone(), self.inner.clock.now(), report.clone());
            let subject = subject.clone();
            let record =
                ReportRecord { reporter, subject, message, reason, text, at, state, revision: 1, handled: None };
            list.reports.push(OpenReport { report: id, subject: record.subject.clone(), message });
            let placed = Placed { session, id, record };
            let mut writes = placed.writes(None);
            writes.push(Reports { session, report: Newest(id) }.put(placed.record.clone()).absent());
            let open = key.clone().put(list);
            writes.push(match &found {
                Some(found) => open.at(found.version),
                None => open.absent(),
            });
            if self.try_commit(Change::of_records(writes)).await?.is_some() {
                self.tell_of_report(&placed).await;
                return Ok(placed.filed());
            }
        }
        Err(behind(session, "a report"))
    }

    /// Changes the state of a report. Gives the report, and whether it was changed.
    async fn settle(
        &self,
        by: &By<'_>,
        session: SessionId,
        id: ReportId,
        change: &ResolveReport,
    ) -> Result<(Placed, bool)> {
        let mut faults = Faults::default();
        if let Some(note) = &change.note {
            faults.text("note", note, MAX_REASON_CHARS, true);
        }
        faults.finish()?;
        let key = Reports { session, report: Newest(id) };
        for _ in 0..self.inner.limits.commit_attempts {
            if let By::Moderator(principal) = by {
                self.allowed(session, principal, Action::ManageReports, Freshness::Fresh).await?;
            }
            let found = self.inner.store.get(&key).await?.ok_or(Error::ReportNotFound)?;
            if found.value.subject == *by.user() {
                return Err(Error::ReportNotFound);
            }
            let at = self.inner.clock.now();
            let Some(record) = handled(&found.value, by.user(), change, at)? else {
                return Ok((Placed { session, id, record: ReportRecord::clone(&found.value) }, false));
            };
            let placed = Placed { session, id, record };
            let writes = self.settling(by, &placed, &found).await?;
            if self.try_commit(Change::of_records(writes)).await?.is_some() {
                self.tell_of_report(&placed).await;
                return Ok((placed, true));
            }
        }
        Err(behind(session, "a change of a report"))
    }

    /// The writes that change the state of a report.
    async fn settling(&self, by: &By<'_>, placed: &Placed, found: &Found<ReportRecord>) -> Result<Vec<Write>> {
        let Placed { session, id, record } = placed;
        let (session, before) = (*session, found.value.state);
        let mut writes = placed.writes(Some(before));
        writes.push(Reports { session, report: Newest(*id) }.put(record.clone()).at(found.version));
        if record.state.is_closed() {
            let key = OpenReports { session, user: record.reporter.clone() };
            if let Some(open) = self.inner.store.get(&key).await? {
                let mut list = OpenReportList::clone(&open.value);
                list.reports.retain(|open| open.report != *id);
                let write = if list.reports.is_empty() { key.remove() } else { key.put(list) };
                writes.push(write.at(open.version));
            }
        }
        let at = record.handled.as_ref().map_or(record.at, |handled| handled.at);
        let done = Done::upon(by.user(), ModerationAction::ReportHandled, &record.subject, at);
        writes.push(self.noting(session, done.of_report(*id, record.state, record.message)));
        #[cfg(feature = "admin")]
        if let By::Administrator(_, attested) = by {
            writes.extend((attested.authority)().await?);
            writes.push((attested.entry)(before, record.state));
        }
        Ok(writes)
    }

    /// Tells those who moderate at the moment of a report.
    async fn tell_of_report(&self, placed: &Placed) {
        let Placed { session, id, record } = placed;
        let (session_id, user_id) = (*session, record.subject.clone());
        let signal = Signal::Report { session_id, user_id, report_id: *id, state: record.state };
        self.publish(Hint::Signal(signal)).await;
    }
}

/// The one report that was read for the answer. After a change, an error must not say that nothing was changed.
fn only(read: Result<Vec<Report>>, is_changed: bool) -> Result<Report> {
    let one = read.and_then(|mut shown| shown.pop().ok_or(Error::Internal));
    if is_changed { one.map_err(|_| Error::OutcomeUnknown) } else { one }
}
