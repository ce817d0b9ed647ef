//! Taking a backup.

use std::{collections::BTreeSet, io::Write, sync::Arc};

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{
    Backup, BackupError, OnProgress, Progress, Stage,
    block::Blocks,
    form::{Block, LeftOut, RecordForm, Row},
    out::{Out, Plain},
};
use crate::{
    model::{Event, Seq, SessionId, UserId},
    store::{
        Been, ChatStore, ClientIdUse, ClientIds, Directory, FactsQuery, Freshness, Key, KeyPart as _, LogRange,
        Memberships, Newest, Owner, Part, Participants, Record, Revisions, Scan, SessionFacts, StoreError, Table,
        TypedKey, Version,
    },
};

/// Records in one read.
const PAGE: u64 = 500;
/// Rows in one read: the store wants a few hundred.
const ROWS: u64 = 300;
/// Rows that are copied again at once.
const AGAIN: usize = 1_000;
/// A block ends after this much text.
const BLOCK_BYTES: usize = 1 << 20;
/// How often a session is read again that changes its participants or settings meanwhile.
const ATTEMPTS: u32 = 100;

impl<S: ChatStore + ?Sized> Backup<'_, S> {
    /// Writes everything that the store holds, while the store is in use. `taken_at` is the time that the file names.
    ///
    /// # Errors
    /// [`BackupError`]: the store or the file failed, something in the store cannot be read, an event is of a newer version, or a session did not
    /// rest. The file is of no use then.
    pub async fn take<W: Write + Send>(
        &self,
        file: W,
        taken_at: DateTime<Utc>,
        on_progress: OnProgress<'_>,
    ) -> Result<Progress, BackupError> {
        self.write(Plain(file), taken_at, on_progress).await
    }

    pub(super) async fn write<W: Out>(
        &self,
        file: W,
        taken_at: DateTime<Utc>,
        on_progress: OnProgress<'_>,
    ) -> Result<Progress, BackupError> {
        let progress = Progress { stage: Stage::Copying, ..Progress::default() };
        let file = Blocks::create(file).await?;
        let (skips, left) = (self.skips_unreadable, BTreeSet::new());
        let mut taking = Taking { store: self.store, file, progress, kept: 0, skips, left, on_progress };
        let copied = self.copy(&mut taking, taken_at).await;
        match copied {
            Ok(()) => taking.end().await,
            Err(error @ BackupError::File(_)) => Err(error),
            Err(error) => {
                // For whoever has nothing but the file. The error is the answer in any case.
                let _ = taking.put(&Block::Failed(error.to_string())).await;
                Err(error)
            }
        }
    }

    async fn copy<W: Out>(&self, taking: &mut Taking<'_, S, W>, taken_at: DateTime<Utc>) -> Result<(), BackupError> {
        self.is_whole().await?;
        taking.put(&Block::Start { taken_at }).await?;
        // Before the sessions: what a session needs of other records was written before its own.
        for table in self.tables.iter().filter(|table| table.owner == Owner::Shared && !lists_sessions(table)) {
            taking.shared(table).await?;
        }
        let owned: Vec<_> = self.tables.iter().copied().filter(|table| table.owner == Owner::Session).collect();
        let mut last = None;
        while let Some(id) = taking.session_after(&owned, last).await? {
            taking.session(&owned, id).await?;
            last = Some(id);
        }
        Ok(())
    }
}

/// Whether a table's records are entries of lists of sessions, written in the changes of the sessions. They are copied with their session.
fn lists_sessions(table: &Table) -> bool {
    [Memberships::TABLE, Been::TABLE, Directory::TABLE].iter().any(|list| list.is(table))
}

/// Whether a table has as many records as a session has messages. A session changes many times while such a table is read, but the records of
/// messages up to a position do not.
fn is_of_messages(table: &Table) -> bool {
    table.is(ClientIds::TABLE) || table.is(Revisions::TABLE)
}

struct Taking<'a, S: ?Sized, W> {
    store: &'a S,
    file: Blocks<W>,
    progress: Progress,
    /// The records of complete sections, and the shared ones.
    kept: u64,
    /// Whether a record that cannot be read is left out.
    skips: bool,
    /// Those that are not in the file yet.
    left: BTreeSet<LeftOut>,
    on_progress: OnProgress<'a>,
}

/// The part of a log that is in the file.
struct Copied {
    session: SessionId,
    /// The last position in the file.
    upto: Seq,
    /// Each row in the file has what the events up to here did to it.
    seen: Seq,
    /// The rows that later events name.
    named: BTreeSet<Seq>,
    /// The last event that rewrote a row in the file.
    revised: Seq,
}

impl<S: ChatStore + ?Sized, W: Out> Taking<'_, S, W> {
    async fn put(&mut self, block: &Block) -> Result<(), BackupError> {
        self.progress.bytes = self.file.put(block).await?;
        (self.on_progress)(self.progress);
        Ok(())
    }

    async fn end(mut self) -> Result<Progress, BackupError> {
        self.progress.records = self.kept;
        let Progress { sessions, events, records, left_out, .. } = self.progress;
        self.put(&Block::End { sessions, events, records, left_out }).await?;
        self.file.finish()?;
        Ok(self.progress)
    }

    async fn shared(&mut self, table: &'static Table) -> Result<(), BackupError> {
        let mut after = None;
        loop {
            let after_last = after.take();
            let scan =
                Scan { table, prefix: Vec::new(), after: after_last, skip: 0, limit: PAGE, shows_unreadable: true };
            let found = self.store.scan(&[scan]).await?.pop().unwrap_or_default();
            let is_last = (found.len() as u64) < PAGE;
            after = found.last().map(|(key, _)| key.parts.clone());
            let mut records = Vec::with_capacity(found.len());
            for (key, record) in &found {
                match LeftOut::of(key, record) {
                    Some(left_out) => self.leave_out(left_out)?,
                    None => records.extend(RecordForm::of(key, record)),
                }
            }
            self.progress.records += records.len() as u64;
            self.kept += records.len() as u64;
            for some in blocks(records, RecordForm::bytes) {
                self.put(&Block::Shared(some)).await?;
            }
            self.put_left().await?;
            if is_last {
                return Ok(());
            }
        }
    }

    /// Leaves a record out that cannot be read.
    fn leave_out(&mut self, left_out: LeftOut) -> Result<(), BackupError> {
        if !self.skips {
            return Err(BackupError::Unreadable(left_out));
        }
        let LeftOut { record, fault } = &left_out;
        tracing::error!(record, fault, "the backup goes without a record that cannot be read");
        self.left.insert(left_out);
        Ok(())
    }

    async fn put_left(&mut self) -> Result<(), BackupError> {
        for left_out in std::mem::take(&mut self.left) {
            self.progress.left_out += 1;
            self.put(&Block::LeftOut(left_out)).await?;
        }
        Ok(())
    }

    /// The next session that owns records.
    async fn session_after(
        &mut self,
        tables: &[&'static Table],
        last: Option<SessionId>,
    ) -> Result<Option<SessionId>, BackupError> {
        let scan = |table: &&'static Table| {
            let after = match (last, table.parts.len()) {
                (None, _) => None,
                (Some(id), 1) => Some(vec![id.part()]),
                // A key sorts after the parts with which it begins, so these are the keys of all later sessions.
                (Some(id), _) => Some(vec![Part::Uuid(Uuid::from_u128(id.0.as_u128().checked_add(1)?))]),
            };
            Some(Scan { table, prefix: Vec::new(), after, skip: 0, limit: 1, shows_unreadable: true })
        };
        let scans: Vec<_> = tables.iter().filter_map(scan).collect();
        let found = self.store.scan(&scans).await?;
        Ok(found.iter().flatten().filter_map(|(key, _)| key.session()).min())
    }

    async fn facts(&mut self, session_id: SessionId) -> Result<SessionFacts, BackupError> {
        let query = FactsQuery { session_id, records: &[] };
        let found = self.store.facts(&[query], Freshness::Fresh).await?.pop();
        found.ok_or(BackupError::Differs { session: session_id, seq: 0 })
    }

    async fn session(&mut self, tables: &[&'static Table], id: SessionId) -> Result<(), BackupError> {
        self.put(&Block::Session(id)).await?;
        let mut before = self.facts(id).await?;
        let mut log = Copied { session: id, upto: 0, seen: before.head.seq, named: BTreeSet::new(), revised: 0 };
        let (of_messages, others): (Vec<_>, Vec<_>) = tables.iter().copied().partition(|table| is_of_messages(table));
        for attempt in 1..=ATTEMPTS {
            self.left.clear();
            self.log(&mut log, before.head.seq).await?;
            let mut records = self.listed(&others, id, log.upto, attempt).await?;
            records += self.records(&others, id, log.upto, attempt).await?;
            let after = self.facts(id).await?;
            // Nothing governed since, so what was read meanwhile holds at the position.
            if after.governance <= before.head.seq {
                records += self.records(&of_messages, id, log.upto, attempt).await?;
                self.put_left().await?;
                self.put(&Block::SessionEnd { position: log.upto, attempt, records }).await?;
                self.progress.sessions += 1;
                self.kept += records;
                return Ok(());
            }
            before = after;
        }
        Err(BackupError::Restless { session: id })
    }

    /// Copies the log up to a position, and further where a row was rewritten later.
    async fn log(&mut self, log: &mut Copied, upto: Seq) -> Result<(), BackupError> {
        let mut upto = upto;
        loop {
            while log.upto < upto {
                let (session_id, from) = (log.session, log.upto + 1);
                let range = LogRange { session_id, from, to: upto.min(log.upto + ROWS) };
                let rows = self.readable(range).await?;
                let is_dense = rows.iter().zip(from..).all(|(event, seq)| event.seq == seq);
                if rows.is_empty() || !is_dense {
                    return Err(BackupError::Differs { session: session_id, seq: from });
                }
                self.rows(log, from, &rows).await?;
                if log.named.len() >= AGAIN {
                    self.again(log).await?;
                }
            }
            self.again(log).await?;
            if log.revised <= log.upto {
                return Ok(());
            }
            upto = log.revised;
        }
    }

    /// A part of a log. Where it cannot be read, the error names the first event that cannot.
    async fn readable(&mut self, range: LogRange) -> Result<Vec<Arc<Event>>, BackupError> {
        let fault = match self.store.log(&[range]).await {
            Err(StoreError::Corrupt(fault)) => fault,
            found => return Ok(found?.pop().unwrap_or_default()),
        };
        let LogRange { session_id: session, from, to } = range;
        for seq in from..=to {
            let one = LogRange { session_id: session, from: seq, to: seq };
            if let Err(StoreError::Corrupt(fault)) = self.store.log(&[one]).await {
                return Err(BackupError::UnreadableEvent { session, seq, fault });
            }
        }
        Err(StoreError::Corrupt(fault).into())
    }

    async fn rows(&mut self, log: &mut Copied, from: Seq, events: &[Arc<Event>]) -> Result<(), BackupError> {
        for event in events {
            if event.seq > log.seen {
                log.named.extend(event.kind.rewritten());
            }
            log.revised = log.revised.max(event.revised);
        }
        log.upto += events.len() as u64;
        log.seen = log.seen.max(log.upto);
        self.progress.events += events.len() as u64;
        let rows = events.iter().map(|event| Row::of(event)).collect::<Result<Vec<_>, _>>()?;
        let mut from = from;
        for rows in blocks(rows, Row::bytes) {
            let next = from + rows.len() as u64;
            self.put(&Block::Log { from, rows }).await?;
            from = next;
        }
        Ok(())
    }

    /// Copies the rows again that were rewritten after they were copied, or may have been.
    async fn again(&mut self, log: &mut Copied) -> Result<(), BackupError> {
        let named: Vec<Seq> = std::mem::take(&mut log.named).into_iter().collect();
        for some in named.chunks(ROWS as usize) {
            let session_id = log.session;
            let ranges: Vec<_> = some.iter().map(|seq| LogRange { session_id, from: *seq, to: *seq }).collect();
            let found = self.store.log(&ranges).await?;
            let mut rows = Vec::with_capacity(found.len());
            for (range, found) in ranges.into_iter().zip(found) {
                // Of several parts, the store leaves out the one that cannot be read.
                let found = if found.is_empty() { self.readable(range).await? } else { found };
                let event = found.first().ok_or(BackupError::Differs { session: session_id, seq: range.from })?;
                log.revised = log.revised.max(event.revised);
                rows.push((event.seq, Row::of(event)?));
            }
            for some in blocks(rows, |(_, row): &(Seq, Row)| row.bytes()) {
                self.put(&Block::Rewritten(some)).await?;
            }
        }
        Ok(())
    }

    /// Copies the records of which a session has one, and its entry in the list of all sessions.
    async fn listed(
        &mut self,
        tables: &[&'static Table],
        id: SessionId,
        upto: Seq,
        attempt: u32,
    ) -> Result<u64, BackupError> {
        let single = tables.iter().filter(|table| table.parts.len() == 1);
        let mut keys: Vec<Key> = single.map(|table| Key { table, parts: vec![id.part()] }).collect();
        keys.push(Directory { session: Newest(id) }.key());
        self.keyed(&keys, upto, attempt).await
    }

    /// Copies the records of which a session has many, and the entries by which users find it.
    async fn records(
        &mut self,
        tables: &[&'static Table],
        id: SessionId,
        upto: Seq,
        attempt: u32,
    ) -> Result<u64, BackupError> {
        let mut number = 0;
        let prefix = vec![id.part()];
        let scan =
            |table| Scan { table, prefix: prefix.clone(), after: None, skip: 0, limit: PAGE, shows_unreadable: true };
        let mut scans: Vec<Scan> = tables.iter().copied().filter(|table| table.parts.len() > 1).map(scan).collect();
        while !scans.is_empty() {
            let found = self.store.scan(&scans).await?;
            let mut rest = Vec::new();
            for (scan, found) in scans.into_iter().zip(found) {
                if scan.table.is(Participants::TABLE) {
                    let users = found.iter().filter_map(|(key, _)| Participants::from_parts(&key.parts));
                    let keys: Vec<Key> = users.flat_map(|key| entries(id, key.user)).collect();
                    number += self.keyed(&keys, upto, attempt).await?;
                }
                let is_last = (found.len() as u64) < PAGE;
                let after = found.last().and_then(|(key, _)| Some(key.parts.get(1..)?.to_vec()));
                number += self.put_records(found, upto, attempt).await?;
                if !is_last {
                    rest.push(scan.after(after));
                }
            }
            scans = rest;
        }
        Ok(number)
    }

    async fn keyed(&mut self, keys: &[Key], upto: Seq, attempt: u32) -> Result<u64, BackupError> {
        let found = self.store.records(keys).await?;
        let (mut there, mut missing) = (Vec::with_capacity(keys.len()), Vec::new());
        for (key, record) in keys.iter().cloned().zip(found) {
            match record {
                Some(record) => there.push((key, record)),
                // A record that cannot be read is none here, and a scan shows it.
                None => missing.push(Scan {
                    table: key.table,
                    prefix: key.parts,
                    after: None,
                    skip: 0,
                    limit: 1,
                    shows_unreadable: true,
                }),
            }
        }
        if !missing.is_empty() {
            there.extend(self.store.scan(&missing).await?.into_iter().flatten());
        }
        self.put_records(there, upto, attempt).await
    }

    async fn put_records(&mut self, found: Vec<(Key, Record)>, upto: Seq, attempt: u32) -> Result<u64, BackupError> {
        let mut records = Vec::with_capacity(found.len());
        for (key, mut record) in found {
            if let Some(left_out) = LeftOut::of(&key, &record) {
                self.leave_out(left_out)?;
                continue;
            }
            if record.at > upto {
                if is_of_later_message(&key, &record, upto) {
                    continue;
                }
                // The change that wrote it is not in the file.
                (record.at, record.version) = (upto, Version::default());
            }
            records.extend(RecordForm::of(&key, &record));
        }
        let number = records.len() as u64;
        self.progress.records += number;
        for records in blocks(records, RecordForm::bytes) {
            self.put(&Block::Records { attempt, records }).await?;
        }
        Ok(number)
    }
}

/// Entries in the parts that one block takes each. A part has an entry at least, however long the entry is.
fn blocks<T>(entries: Vec<T>, bytes: impl Fn(&T) -> usize) -> Vec<Vec<T>> {
    let mut parts = Vec::new();
    let (mut part, mut size) = (Vec::new(), 0_usize);
    for entry in entries {
        size += bytes(&entry);
        part.push(entry);
        if size >= BLOCK_BYTES {
            parts.push(std::mem::take(&mut part));
            size = 0;
        }
    }
    if !part.is_empty() {
        parts.push(part);
    }
    parts
}

/// The entries of lists by which a user finds a session.
fn entries(session: SessionId, user: UserId) -> [Key; 2] {
    let been = Been { user: user.clone(), session }.key();
    [Memberships { user, session: Newest(session) }.key(), been]
}

/// Whether a record that was written after a position belongs to a message after it.
fn is_of_later_message(key: &Key, record: &Record, upto: Seq) -> bool {
    if key.table.is(ClientIds::TABLE) {
        // The deletion of a message writes its position into the record of its client id.
        let at = record.value.get::<ClientIdUse>().and_then(|used| used.seq);
        return at.is_none_or(|at| at > upto);
    }
    key.table.is(Revisions::TABLE) && Revisions::from_parts(&key.parts).is_some_and(|key| key.message > upto)
}
