//! Restoring a backup.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    io::{Read, Seek},
};

use chrono::{DateTime, Utc};
use futures_util::{StreamExt as _, future::BoxFuture, stream::FuturesOrdered};
use uuid::Uuid;

use super::{
    Backup, BackupError, Contents, OnProgress, Stage,
    block::BlockReader,
    form::{Block, Row},
    section::{FilePart, Parts, Section},
};
use crate::{
    model::{NewEvent, Seq, SessionId, UserId},
    store::{
        Append, Change, ChatStore, Committed, Expect, Key, LogRange, Participants, Record, Rewrite, Scan, StoreError,
        Table, TypedKey as _, Version, Write, WriteKind,
    },
};

/// Events in one change, and shared records.
const CHANGE: usize = 200;
/// Changes under way.
const UNDER_WAY: usize = 64;
/// Text in one change, in bytes; a change has an event at least.
const CHANGE_BYTES: usize = 1 << 20;
/// Text in all changes under way, in bytes. A store may commit them together, and an engine has little room for one commit.
const UNDER_WAY_BYTES: usize = 8 << 20;
/// The events whose records are held in memory at once.
const WINDOW: Seq = 100_000;

impl<S: ChatStore + ?Sized> Backup<'_, S> {
    /// Writes a backup into a store that is empty and that nothing else uses.
    ///
    /// # Errors
    /// Those of [`Self::verify`], [`BackupError::NotEmpty`] and [`BackupError::Unfinished`]: nothing was written. [`BackupError::Store`] and
    /// [`BackupError::Differs`]: a part was written, and the store stays marked as unfinished.
    pub async fn restore<R: Read + Seek + Send>(
        &self,
        mut file: R,
        on_progress: OnProgress<'_>,
    ) -> Result<Contents, BackupError> {
        self.verify(&mut file, &mut *on_progress)?;
        self.is_whole().await?;
        self.is_empty().await?;
        let mark = self.begin().await?;
        let mut parts = Parts::open(file, self.tables, Stage::Restoring, on_progress)?;
        let mut commits =
            Commits { store: self.store, under_way: FuturesOrdered::new(), expected: VecDeque::new(), bytes: 0 };
        while let Some(part) = parts.next()? {
            match part {
                FilePart::Shared(records) => {
                    let writes: Vec<Write> = records.into_iter().map(|(key, record)| put(key, &record)).collect();
                    for some in writes.chunks(CHANGE) {
                        commits.commit(Change::of_records(some.to_vec()), Vec::new(), 0).await?;
                    }
                }
                FilePart::Session(section) => {
                    let mut log = Log::of(&section, self.tables, &mut parts.reader)?;
                    log.restore(&mut commits).await?;
                    parts.after(&section)?;
                }
            }
        }
        commits.all().await?;
        self.finish(mark).await?;
        Ok(parts.contents())
    }

    async fn is_empty(&self) -> Result<(), BackupError> {
        let scan = |table: &&'static Table| Scan {
            table,
            prefix: Vec::new(),
            after: None,
            skip: 0,
            limit: 1,
            shows_unreadable: true,
        };
        let scans: Vec<Scan> = self.tables.iter().map(scan).collect();
        let found = self.store.scan(&scans).await?;
        match self.tables.iter().zip(found).find(|(_, found)| !found.is_empty()) {
            Some((table, _)) => Err(BackupError::NotEmpty { table: table.name }),
            None => Ok(()),
        }
    }
}

fn put(key: Key, record: &Record) -> Write {
    Write { key, expect: Expect::Anything, kind: WriteKind::Put(record.value.clone()) }
}

/// An event as the store must number it.
struct Expected {
    session: SessionId,
    seq: Seq,
    number: u64,
    created_at: DateTime<Utc>,
    governs: bool,
}

/// Commits in order, several at once.
struct Commits<'a, S: ?Sized> {
    store: &'a S,
    under_way: FuturesOrdered<BoxFuture<'a, Result<Committed, StoreError>>>,
    /// What is expected of each change under way, and the bytes of its text.
    expected: VecDeque<(Vec<Expected>, usize)>,
    bytes: usize,
}

impl<S: ChatStore + ?Sized> Commits<'_, S> {
    async fn commit(&mut self, change: Change, expected: Vec<Expected>, bytes: usize) -> Result<(), BackupError> {
        let is_full = |commits: &Self| {
            commits.under_way.len() >= UNDER_WAY
                || (commits.bytes + bytes > UNDER_WAY_BYTES && !commits.under_way.is_empty())
        };
        while is_full(self) {
            self.next().await?;
        }
        self.bytes += bytes;
        self.under_way.push_back(self.store.commit(change));
        self.expected.push_back((expected, bytes));
        Ok(())
    }

    async fn next(&mut self) -> Result<(), BackupError> {
        let (Some(committed), Some((expected, bytes))) = (self.under_way.next().await, self.expected.pop_front())
        else {
            return Ok(());
        };
        self.bytes -= bytes;
        let events = committed?.events;
        for (place, Expected { session, seq, number, created_at, governs }) in expected.into_iter().enumerate() {
            let is_same = events.get(place).is_some_and(|event| {
                let now = (event.seq, event.number, event.created_at, event.governs);
                now == (seq, number, created_at, governs)
            });
            if !is_same {
                return Err(BackupError::Differs { session, seq });
            }
        }
        Ok(())
    }

    async fn all(&mut self) -> Result<(), BackupError> {
        while !self.under_way.is_empty() {
            self.next().await?;
        }
        Ok(())
    }
}

/// A session that is being restored.
struct Log<'a, R> {
    section: &'a Section,
    tables: &'a [&'static Table],
    reader: &'a mut BlockReader<R>,
    /// Rows that were rewritten while the backup was taken.
    newer: BTreeMap<Seq, Row>,
    /// The records of the window, by the position of the change that wrote them.
    records: BTreeMap<Seq, Vec<(Key, Record)>>,
    /// Rows by the position of the change that rewrote them last.
    last: BTreeMap<Seq, Vec<Seq>>,
    /// How often rows were rewritten before that.
    earlier: HashMap<Seq, u64>,
    change: Assembled,
}

/// The change that is being put together.
#[derive(Default)]
struct Assembled {
    first: Seq,
    events: Vec<NewEvent>,
    /// Of the text of the events.
    bytes: usize,
    expected: Vec<Expected>,
    writes: Vec<Write>,
    version: u64,
    rewrites: Vec<Seq>,
    /// It writes governed records, so it ends with the next event that governs.
    is_open: bool,
}

impl<'a, R: Read + Seek + Send> Log<'a, R> {
    fn of(
        section: &'a Section,
        tables: &'a [&'static Table],
        reader: &'a mut BlockReader<R>,
    ) -> Result<Self, BackupError> {
        let mut newer = BTreeMap::new();
        for at in &section.rewritten {
            reader.go_to(*at)?;
            if let Block::Rewritten(rows) = reader.next()? {
                newer.extend(rows);
            }
        }
        let (records, last, earlier) = (BTreeMap::new(), BTreeMap::new(), HashMap::new());
        Ok(Self { section, tables, reader, newer, records, last, earlier, change: Assembled::default() })
    }

    async fn restore<S: ChatStore + ?Sized>(&mut self, commits: &mut Commits<'_, S>) -> Result<(), BackupError> {
        for at in &self.section.logs {
            self.reader.go_to(*at)?;
            let Block::Log { from, rows } = self.reader.next()? else { continue };
            for (row, seq) in rows.into_iter().zip(from..) {
                if (seq - 1).is_multiple_of(WINDOW) {
                    self.read_records(seq)?;
                }
                let row = self.newer.remove(&seq).unwrap_or(row);
                self.row(seq, row, commits).await?;
            }
        }
        self.flush(commits).await?;
        let left = self.last.keys().next().or_else(|| self.records.keys().next());
        match left.or_else(|| self.earlier.keys().next()) {
            Some(seq) => Err(self.differs(*seq)),
            None => Ok(()),
        }
    }

    const fn differs(&self, seq: Seq) -> BackupError {
        BackupError::Differs { session: self.section.session, seq }
    }

    /// Reads the records that belong to the events from a position on.
    fn read_records(&mut self, from: Seq) -> Result<(), BackupError> {
        let window = from..from.saturating_add(WINDOW);
        for at in &self.section.records {
            self.reader.go_to(*at)?;
            let Block::Records { records, .. } = self.reader.next()? else { continue };
            for form in records {
                // A record from before positions were kept belongs to the start of the log. Nobody can tell: a record's position is compared with
                // the end of a log, which is 1 at least, and a client id of that time has the position of its message in its value.
                let written = form.at.max(1);
                if window.contains(&written) {
                    let record = form.record(self.tables).map_err(|fault| super::block::damaged(*at, &fault))?;
                    self.records.entry(written).or_default().push(record);
                }
            }
        }
        Ok(())
    }

    async fn row<S: ChatStore + ?Sized>(
        &mut self,
        seq: Seq,
        row: Row,
        commits: &mut Commits<'_, S>,
    ) -> Result<(), BackupError> {
        let event = row.event().map_err(|_| self.differs(seq))?;
        let rewrites = self.rewrites(seq, &event);
        let records = self.records.remove(&seq).unwrap_or_default();
        let starts = !records.is_empty() || !rewrites.is_empty();
        if starts && self.change.is_open {
            return Err(self.differs(seq));
        }
        if !self.change.is_open && (starts || self.change.events.len() >= CHANGE || self.change.bytes >= CHANGE_BYTES) {
            self.flush(commits).await?;
        }
        if row.revision > 1 {
            self.last.entry(row.revised).or_default().push(seq);
            if row.revision > 2 {
                self.earlier.insert(seq, row.revision - 2);
            }
        }
        let change = &mut self.change;
        if change.events.is_empty() {
            change.first = seq;
        }
        change.rewrites.extend(rewrites);
        for (key, record) in records {
            change.is_open |= key.table.governed;
            change.version = change.version.max(record.version.0);
            change.writes.push(put(key, &record));
        }
        if row.governs && !change.is_open && !event.kind.is_governance() {
            // The governed record that it wrote was written again later. A change that removes a governed record governs as well.
            change.writes.extend(nobody(self.section.session));
            change.is_open = true;
        }
        let is_end = change.is_open && row.governs;
        change.events.push(event);
        change.bytes += row.bytes();
        let Row { number, created_at, governs, .. } = row;
        change.expected.push(Expected { session: self.section.session, seq, number, created_at, governs });
        if is_end { self.flush(commits).await } else { Ok(()) }
    }

    /// The rows that the change at this position rewrites.
    fn rewrites(&mut self, seq: Seq, event: &NewEvent) -> Vec<Seq> {
        let mut rows = self.last.remove(&seq).unwrap_or_default();
        for row in event.kind.rewritten() {
            if let Some(times) = self.earlier.get_mut(row).filter(|_| !rows.contains(row)) {
                *times -= 1;
                if *times == 0 {
                    self.earlier.remove(row);
                }
                rows.push(*row);
            }
        }
        rows
    }

    async fn flush<S: ChatStore + ?Sized>(&mut self, commits: &mut Commits<'_, S>) -> Result<(), BackupError> {
        let Assembled { first, events, bytes, expected, writes, version, rewrites, is_open: _ } =
            std::mem::take(&mut self.change);
        if events.is_empty() {
            return Ok(());
        }
        let session_id = self.section.session;
        let mut rows = Vec::with_capacity(rewrites.len());
        if !rewrites.is_empty() {
            // They stand in the store as the file has them, and only become newer.
            commits.all().await?;
            for some in rewrites.chunks(CHANGE) {
                let ranges: Vec<_> = some.iter().map(|seq| LogRange { session_id, from: *seq, to: *seq }).collect();
                for event in commits.store.log(&ranges).await?.into_iter().flatten() {
                    rows.push(Rewrite { seq: event.seq, revision: event.revision, kind: event.kind.clone() });
                }
            }
        }
        let id = if version == 0 { Version::new() } else { Version(version) };
        let append = Append { session_id, decided_at: first - 1, events, rewrites: rows };
        commits.commit(Change { id, append: Some(append), writes }, expected, bytes).await
    }
}

/// Removes the record of a participant that no session has.
fn nobody(session: SessionId) -> Option<Write> {
    let user = UserId::new(Uuid::now_v7().to_string()).ok()?;
    Some(Participants { session, user }.remove())
}
