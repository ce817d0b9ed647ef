//! The reports that a user leaves behind whose account is deleted: the words of the user go, and words about the user.

use super::{Chat, read::lists::CHUNK};
use crate::{
    error::Result,
    model::{SessionId, UserId},
    store::{
        Change, ChatStoreExt as _, Found, Handled, KeyPart as _, OpenReports, ReportRecord, Reports, TypedKey as _,
        Write,
    },
};

/// The record without these words; `None` where it has none.
fn without_words(record: &ReportRecord, user: &UserId) -> Option<ReportRecord> {
    let is_about = record.reporter == *user || record.subject == *user;
    let text = record.text.clone().filter(|_| !is_about);
    let bare = |handled: &Handled| {
        let note = handled.note.clone().filter(|_| !is_about && handled.by != *user);
        Handled { note, ..handled.clone() }
    };
    let handled = record.handled.as_ref().map(bare);
    let after = ReportRecord { text, handled, ..record.clone() };
    (after != *record).then_some(after)
}

impl Chat {
    /// Removes what a deleted user wrote in reports of a session, and what others wrote in reports of the user. The reports themselves stay,
    /// with ids only, for those who moderate.
    pub(crate) async fn erase_reports(&self, user: &UserId, session: SessionId) -> Result<()> {
        let mut after = None;
        loop {
            let scan = Reports::under(vec![session.part()]).after(after.take()).limit(CHUNK);
            let found = self.inner.store.list::<Reports>(scan).await?;
            let Some((last, _)) = found.last() else { break };
            after = Some(vec![last.report.part()]);
            for (key, found) in found {
                self.erase_words(user, key, found).await?;
            }
        }
        let open = OpenReports { session, user: user.clone() }.remove();
        self.inner.store.commit(Change::of_records(vec![open])).await?;
        Ok(())
    }

    async fn erase_words(&self, user: &UserId, key: Reports, found: Found<ReportRecord>) -> Result<()> {
        let mut found = Some(found);
        for _ in 0..self.inner.limits.commit_attempts {
            let Some(now) = found else { return Ok(()) };
            let Some(after) = without_words(&now.value, user) else { return Ok(()) };
            let write: Write = key.clone().put(after).at(now.version);
            if self.try_commit(Change::of_records(vec![write])).await?.is_some() {
                return Ok(());
            }
            found = self.inner.store.get(&key).await?;
        }
        Err(super::decide::turns::behind(key.session, "the erasure of a report"))
    }
}
