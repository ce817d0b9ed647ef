//! Lists for moderators: the queue of reports, and the moderation log.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::{
    Chat,
    read::{
        lists::{CHUNK, Slice},
        profiles, view,
    },
    reports::Placed,
};
use crate::{
    error::{Error, Result},
    identity::Principal,
    limits::Use,
    model::{
        Event, Handling, ListPage, MessageId, ModerationAction, ModerationEntry, ModerationId, Page, Report, ReportId,
        ReportState, Seq, SessionId, UserId,
    },
    permission::Action,
    store::{
        ChatStoreExt as _, Freshness, KeyPart as _, LogRange, ModerationEntries, ModerationRecord, Newest, Reports,
        ReportsIn, TypedKey as _, Write,
    },
    trace::use_case,
};

/// What a moderator did, for the moderation log.
#[derive(Debug, Clone)]
pub(in crate::chat) struct Done(ModerationRecord);

impl Done {
    /// An action upon a user.
    pub(in crate::chat) fn upon(actor: &UserId, action: ModerationAction, user: &UserId, at: DateTime<Utc>) -> Self {
        Self(ModerationRecord {
            actor: actor.clone(),
            action,
            user: user.clone(),
            message: None,
            count: None,
            report: None,
            state: None,
            until: None,
            at,
        })
    }

    /// The same upon a message of the user.
    pub(in crate::chat) fn of_message(self, message: Seq) -> Self {
        Self(ModerationRecord { message: Some(message), ..self.0 })
    }

    /// The same upon so many messages of the user.
    pub(in crate::chat) fn of_messages(self, count: u64) -> Self {
        Self(ModerationRecord { count: Some(count), ..self.0 })
    }

    /// The same upon a report, which has a new state.
    pub(in crate::chat) fn of_report(self, report: ReportId, state: ReportState, message: Option<Seq>) -> Self {
        Self(ModerationRecord { report: Some(report), state: Some(state), message, ..self.0 })
    }

    /// The same until a time.
    pub(in crate::chat) fn until(self, until: Option<DateTime<Utc>>) -> Self {
        Self(ModerationRecord { until, ..self.0 })
    }
}

impl Chat {
    /// The write of an entry of the moderation log, for the change that it records.
    pub(in crate::chat) fn noting(&self, session: SessionId, Done(record): Done) -> Write {
        ModerationEntries { session, entry: Newest(ModerationId(self.inner.clock.new_id())) }.put(record)
    }

    /// The reports of a session, the newest first, of one state or of all states. A reported message has its current content. Reports about
    /// the caller are left out.
    ///
    /// # Errors
    /// [`Denied`](Error::Denied) when the caller may not; [`Invalid`](Error::Invalid) for a page outside of the limits.
    pub async fn reports(
        &self,
        principal: &Principal,
        session: SessionId,
        state: Option<ReportState>,
        page: Page<ReportId>,
    ) -> Result<ListPage<Report, ReportId>> {
        use_case!("reports", session, async move {
            self.enter(principal, Use::Request).await?;
            let (limit, slice) = self.inner.limits.slice(page)?;
            // A caller without the right is refused before anything is read.
            self.allowed(session, principal, Action::ManageReports, Freshness::Fresh).await?;
            let found = self.reported_in(session, state, &principal.user_id, slice).await?;
            let ListPage { entries, next } = ListPage::cut(found, limit, |placed| placed.id);
            let entries = self.moderated(principal, session, &entries).await?;
            Ok(ListPage { entries, next })
        })
    }

    /// The moderation log of a session, the newest entry first: bans, mutes, removals, deletions of messages of others, and changes of
    /// reports. The log has no texts. Actions on reports about the caller are left out.
    ///
    /// # Errors
    /// [`Denied`](Error::Denied) when the caller may not; [`Invalid`](Error::Invalid) for a page outside of the limits.
    pub async fn moderation_log(
        &self,
        principal: &Principal,
        session: SessionId,
        page: Page<ModerationId>,
    ) -> Result<ListPage<ModerationEntry, ModerationId>> {
        use_case!("moderation_log", session, async move {
            self.enter(principal, Use::Request).await?;
            let (limit, slice) = self.inner.limits.slice(page)?;
            self.allowed(session, principal, Action::ViewModerationLog, Freshness::Fresh).await?;
            let found = self.moderated_by(session, &principal.user_id, slice).await?;
            let page = ListPage::cut(found, limit, |(id, _)| *id);
            let users = page.iter().flat_map(|(_, record)| [&record.actor, &record.user]).collect();
            let users = self.inner.profiles.find(users).await?;
            // The right may have ended while the log was read.
            self.allowed(session, principal, Action::ViewModerationLog, Freshness::Fresh).await?;
            let public = |user: &UserId| profiles::public(profiles::of(&users, user));
            let shown = |(id, record): (ModerationId, Arc<ModerationRecord>)| {
                let ModerationRecord { actor, action, user, message, count, report, state, until, at } = &*record;
                ModerationEntry {
                    id,
                    session_id: session,
                    actor: public(actor),
                    action: *action,
                    user: public(user),
                    message_id: message.map(|seq| MessageId { session_id: session, seq }),
                    count: *count,
                    report_id: *report,
                    report_state: *state,
                    until: *until,
                    created_at: *at,
                }
            };
            Ok(page.map(|found| found.into_iter().map(shown).collect()))
        })
    }

    /// The part of a session's reports that a slice names, without those of the reader.
    async fn reported_in(
        &self,
        session: SessionId,
        state: Option<ReportState>,
        reader: &UserId,
        slice: Slice<ReportId>,
    ) -> Result<Vec<Placed>> {
        let store = &*self.inner.store;
        let Slice { mut after, mut skip, limit } = slice;
        let mut found: Vec<Placed> = Vec::new();
        while (found.len() as u64) < limit {
            let wanted = limit.saturating_sub(found.len() as u64).saturating_add(skip).min(CHUNK.max(limit));
            let from = after.map(|report| vec![Newest(report).part()]);
            let ids: Vec<ReportId> = match state {
                Some(state) => {
                    let parts = vec![session.part(), state.as_str().to_owned().part()];
                    let scan = ReportsIn::under(parts).after(from).limit(wanted);
                    store.list::<ReportsIn>(scan).await?.into_iter().map(|(key, _)| key.report.0).collect()
                }
                None => {
                    let scan = Reports::under(vec![session.part()]).after(from).limit(wanted);
                    store.list::<Reports>(scan).await?.into_iter().map(|(key, _)| key.report.0).collect()
                }
            };
            let is_last = (ids.len() as u64) < wanted;
            after = ids.last().copied().or(after);
            let keys: Vec<Reports> = ids.iter().map(|id| Reports { session, report: Newest(*id) }).collect();
            let records = if keys.is_empty() { Vec::new() } else { store.get_all(&keys).await? };
            for (id, record) in ids.into_iter().zip(records) {
                // The state may have changed since the list was read.
                let is_wanted = |record: &crate::store::ReportRecord| {
                    record.subject != *reader && state.is_none_or(|state| state == record.state)
                };
                let Some(record) = record.filter(|found| is_wanted(&found.value)) else { continue };
                if skip > 0 {
                    skip -= 1;
                } else if (found.len() as u64) < limit {
                    found.push(Placed { session, id, record: Arc::unwrap_or_clone(record.value) });
                }
            }
            if is_last {
                break;
            }
        }
        Ok(found)
    }

    /// The part of a session's moderation log that a slice names, without what was done about reports of the reader.
    async fn moderated_by(
        &self,
        session: SessionId,
        reader: &UserId,
        slice: Slice<ModerationId>,
    ) -> Result<Vec<(ModerationId, Arc<ModerationRecord>)>> {
        let Slice { mut after, mut skip, limit } = slice;
        let mut found = Vec::new();
        while (found.len() as u64) < limit {
            let wanted = limit.saturating_sub(found.len() as u64).saturating_add(skip).min(CHUNK.max(limit));
            let from = after.map(|entry: ModerationId| vec![Newest(entry).part()]);
            let scan = ModerationEntries::under(vec![session.part()]).after(from).limit(wanted);
            let listed = self.inner.store.list::<ModerationEntries>(scan).await?;
            let is_last = (listed.len() as u64) < wanted;
            after = listed.last().map(|(key, _)| key.entry.0).or(after);
            let is_shown = |record: &ModerationRecord| record.report.is_none() || record.user != *reader;
            for (key, record) in listed.into_iter().filter(|(_, found)| is_shown(&found.value)) {
                if skip > 0 {
                    skip -= 1;
                } else if (found.len() as u64) < limit {
                    found.push((key.entry.0, record.value));
                }
            }
            if is_last {
                break;
            }
        }
        Ok(found)
    }

    /// Reports as a moderator of the session sees them, decided on facts that include what they show.
    pub(in crate::chat) async fn moderated(
        &self,
        principal: &Principal,
        session: SessionId,
        placed: &[Placed],
    ) -> Result<Vec<Report>> {
        for _ in 0..self.inner.limits.commit_attempts {
            let (mut shown, upto) = self.shown(principal, placed).await?;
            let known = self.allowed(session, principal, Action::ManageReports, Freshness::Fresh).await?;
            // What was written after the decision is for readers who are decided on after it.
            if upto <= known.head.seq {
                let sight = known.sight()?;
                let sees = |report: &Report| report.message_id.is_none_or(|message| sight.sees(message.seq));
                shown.iter_mut().filter(|report| !sees(report)).for_each(|report| report.message = None);
                return Ok(shown);
            }
        }
        Err(Error::Unavailable)
    }

    /// Reports with the messages as they are now, and the last position at which one of these was written.
    pub(in crate::chat) async fn shown(&self, principal: &Principal, placed: &[Placed]) -> Result<(Vec<Report>, Seq)> {
        let range = |placed: &Placed| {
            let seq = placed.record.message?;
            Some(LogRange { session_id: placed.session, from: seq, to: seq })
        };
        let ranges: Vec<LogRange> = placed.iter().filter_map(range).collect();
        let rows = if ranges.is_empty() { Vec::new() } else { self.inner.store.log(&ranges).await? };
        let mut rows = rows.into_iter();
        let rows: Vec<Option<Arc<Event>>> = placed
            .iter()
            .map(|placed| placed.record.message.and_then(|_| rows.next()).and_then(|found| found.into_iter().next()))
            .collect();
        let pages: Vec<&[Arc<Event>]> = rows.iter().flatten().map(std::slice::from_ref).collect();
        let extras = self.extras(principal, &pages).await?;
        let seen = rows.iter().flatten().map(|row| &**row);
        let upto = extras.written(seen.clone()).max(seen.map(|row| row.revised).max().unwrap_or(0));
        let users = placed.iter().zip(&rows).flat_map(|(placed, row)| {
            let by = placed.record.handled.as_ref().map(|handled| &handled.by);
            let sender = row.as_deref().map(|row| &row.actor);
            [&placed.record.reporter, &placed.record.subject].into_iter().chain(by).chain(sender)
        });
        let users = self.inner.profiles.find(users.collect()).await?;
        let public = |user: &UserId| profiles::public(profiles::of(&users, user));
        let shown = |(placed, row): (&Placed, Option<Arc<Event>>)| {
            let Placed { session: session_id, id, record } = placed.clone();
            let message = row.and_then(|row| view::message(&row, profiles::of(&users, &row.actor)));
            let handling =
                record.handled.map(|handled| Handling { by: public(&handled.by), note: handled.note, at: handled.at });
            Report {
                id,
                session_id,
                reporter: public(&record.reporter),
                user: public(&record.subject),
                message_id: record.message.map(|seq| MessageId { session_id, seq }),
                message: message.map(|message| extras.shown_in(message)),
                reason: record.reason,
                text: record.text,
                state: record.state,
                revision: record.revision,
                created_at: record.at,
                handling,
            }
        };
        Ok((placed.iter().zip(rows).map(shown).collect(), upto))
    }
}
