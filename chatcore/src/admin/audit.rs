//! The audit log.

use chrono::SubsecRound as _;
use futures_util::stream::{self, BoxStream, StreamExt as _};
use serde_json::{Value, json};

use super::{
    Administration, AuditAction, AuditEntries, AuditEntry, AuditFilter, AuditOrigin, AuditRecord, AuditState,
    picker::Picker,
};
use crate::{
    Chat,
    error::{Error, Result},
    identity::Principal,
    model::{AuditId, ListPage, SessionId},
    store::{Change, ChatStoreExt as _, Newest, StoreError, TypedKey as _, Write},
    trace::use_case,
};

/// Entries that an export reads at once.
const CHUNK: u64 = 200;

/// Lines of JSON (`application/x-ndjson`), each with its line break.
pub type AuditExport = BoxStream<'static, Result<String>>;

/// An action that is about to be carried out.
pub(crate) struct Deed<'a> {
    pub(crate) principal: &'a Principal,
    pub(crate) origin: &'a AuditOrigin,
    pub(crate) action: AuditAction,
    pub(crate) target: Option<String>,
    /// The session, where the target is something in one.
    pub(crate) session: Option<SessionId>,
    pub(crate) reason: Option<String>,
}

/// The write of an entry, for the change that it records.
pub(crate) fn entry(chat: &Chat, deed: &Deed<'_>, before: AuditState, after: AuditState) -> Write {
    let Deed { principal, origin, action, target, session, reason } = deed;
    let AuditOrigin { address, request_id } = (*origin).clone();
    let clock = chat.clock();
    let record = AuditRecord {
        actor: principal.user_id.clone(),
        action: *action,
        target: target.clone(),
        session: *session,
        before,
        after,
        reason: reason.clone(),
        address,
        request_id,
        at: clock.now().trunc_subsecs(6),
    };
    AuditEntries { entry: Newest(AuditId(clock.new_id())) }.put(record)
}

/// How far an export has come.
struct Exporting {
    admin: Administration,
    principal: Principal,
    filter: AuditFilter,
    after: Option<AuditEntries>,
    count: u64,
    has_ended: bool,
}

impl Administration {
    /// The write of an entry, for the change that it records.
    pub(super) fn record(&self, deed: &Deed<'_>, before: AuditState, after: AuditState) -> Write {
        entry(&self.inner.chat, deed, before, after)
    }

    /// Writes the entry of an action that changes no record.
    pub(super) async fn note(&self, deed: &Deed<'_>) -> Result<()> {
        for _ in 0..self.inner.chat.limits().commit_attempts {
            let mut writes = self.authority(deed.principal).await?;
            writes.push(self.record(deed, AuditState::default(), AuditState::default()));
            match self.store().commit(Change::of_records(writes)).await {
                Ok(_) => return Ok(()),
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        tracing::warn!(user = %deed.principal.user_id, "an administrator's authority was changed by others each time");
        Err(Error::Unavailable)
    }

    /// The audit log, the newest entry first. An action that changes nothing has no entry. A page reads at most 2,000 entries, also if few
    /// entries match the filter, and names the entry after which the next page begins.
    ///
    /// # Errors
    /// [`AdminRequired`](Error::AdminRequired); [`Invalid`](Error::Invalid) for a page outside of the limits.
    pub async fn audit(
        &self,
        principal: &Principal,
        filter: &AuditFilter,
        after: Option<AuditId>,
        limit: Option<u64>,
    ) -> Result<ListPage<AuditEntry, AuditId>> {
        use_case!("admin.audit", async move {
            self.enter(principal).await?;
            let limit = self.inner.chat.limits().page_limit(limit)?;
            let mut picker = Picker::new(after.map(|entry| AuditEntries { entry: Newest(entry) }), limit);
            while let Some(scan) = picker.scan() {
                let found = self.store().list::<AuditEntries>(scan).await?;
                picker.note(&found);
                picker.take(found.into_iter().map(|(key, found)| {
                    let is_wanted = filter.takes(&found.value);
                    let entry = is_wanted.then_some(AuditEntry { id: key.entry.0, record: found.value });
                    (key, entry)
                }));
            }
            Ok(picker.page(|key| key.entry.0))
        })
    }

    /// The audit log as lines, the newest entry first: one JSON object in each line. The `type` is `entry`, and `end` with the number of
    /// entries in the last line. An export without an `end` is not complete. The stream uses bounded memory, at the pace of its reader.
    ///
    /// # Errors
    /// [`AdminRequired`](Error::AdminRequired). An error within the stream is its last item: also when the caller loses the role, or the
    /// token ends during the export.
    pub async fn export_audit(&self, principal: &Principal, filter: AuditFilter) -> Result<AuditExport> {
        use_case!("admin.export_audit", async move {
            self.enter(principal).await?;
            let (admin, principal) = (self.clone(), principal.clone());
            let start = Exporting { admin, principal, filter, after: None, count: 0, has_ended: false };
            Ok(stream::try_unfold(start, Exporting::next).boxed())
        })
    }
}

impl Exporting {
    /// The next lines.
    async fn next(mut self) -> Result<Option<(String, Self)>> {
        while !self.has_ended {
            // A slow reader takes long, and loses the lines with the role.
            if self.principal.expires_at.is_some_and(|end| end <= self.admin.inner.chat.now()) {
                return Err(Error::TokenExpired);
            }
            self.admin.authority(&self.principal).await?;
            let after = self.after.as_ref().map(AuditEntries::parts);
            let scan = AuditEntries::under(Vec::new()).after(after).limit(CHUNK);
            let found = self.admin.store().list::<AuditEntries>(scan).await?;
            let Some((last, _)) = found.last() else {
                self.has_ended = true;
                return Ok(Some((format!("{}\n", json!({ "type": "end", "entries": self.count })), self)));
            };
            self.after = Some(last.clone());
            let mut lines = String::new();
            for (key, found) in found.into_iter().filter(|(_, found)| self.filter.takes(&found.value)) {
                let entry = AuditEntry { id: key.entry.0, record: found.value };
                lines.push_str(&line(&entry)?);
                self.count += 1;
            }
            if !lines.is_empty() {
                return Ok(Some((lines, self)));
            }
        }
        Ok(None)
    }
}

fn line(entry: &AuditEntry) -> Result<String> {
    let Ok(Value::Object(mut fields)) = serde_json::to_value(entry) else { return Err(Error::Internal) };
    fields.insert("type".to_owned(), "entry".into());
    Ok(format!("{}\n", Value::Object(fields)))
}
