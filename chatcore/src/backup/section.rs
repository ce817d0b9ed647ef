//! Reading and checking a file.

use std::io::{Read, Seek};

use super::{
    Backup, BackupError, Contents, OnProgress, Progress, Stage,
    block::{BlockReader, damaged},
    form::{Block, LeftOut, RecordForm, Row},
};
use crate::{
    model::{EventKind, Seq, SessionId},
    store::{ChatStore, Key, Owner, Record, Table},
};

/// How many of the records that are left out have a name in [`Contents`].
const LISTED: usize = 1_000;

impl<S: ChatStore + ?Sized> Backup<'_, S> {
    /// Reads a whole backup and checks everything in it. The store is not asked.
    ///
    /// # Errors
    /// [`BackupError::Damaged`], [`BackupError::NoBackup`], [`BackupError::Format`], or [`BackupError::File`].
    pub fn verify<R: Read + Seek>(&self, file: R, on_progress: OnProgress<'_>) -> Result<Contents, BackupError> {
        let mut parts = Parts::open(file, self.tables, Stage::Verifying, on_progress)?;
        while parts.next()?.is_some() {}
        Ok(parts.contents())
    }
}

/// A part of a backup that can be restored by itself.
pub(super) enum FilePart {
    Shared(Vec<(Key, Record)>),
    Session(Section),
}

/// The places of a session's blocks in the file.
pub(super) struct Section {
    pub(super) session: SessionId,
    pub(super) position: Seq,
    pub(super) logs: Vec<u64>,
    pub(super) rewritten: Vec<u64>,
    /// Of the last attempt.
    pub(super) records: Vec<u64>,
    end: u64,
}

/// Reads a backup from its start to its end, and checks all of it.
pub(super) struct Parts<'a, R> {
    pub(super) reader: BlockReader<R>,
    tables: &'a [&'static Table],
    contents: Contents,
    last: Option<SessionId>,
    on_progress: OnProgress<'a>,
}

/// What is known of a section that is being read.
struct Reading {
    section: Section,
    number: u64,
    attempt: u32,
    kept: u64,
    latest: Seq,
}

impl<'a, R: Read + Seek> Parts<'a, R> {
    pub(super) fn open(
        file: R,
        tables: &'a [&'static Table],
        stage: Stage,
        on_progress: OnProgress<'a>,
    ) -> Result<Self, BackupError> {
        let mut reader = BlockReader::open(file)?;
        let at = reader.position();
        let Block::Start { taken_at } = reader.next()? else { return Err(misplaced(at)) };
        let holds = Progress { stage, ..Progress::default() };
        let contents = Contents { taken_at, holds, left_out: Vec::new() };
        Ok(Self { reader, tables, contents, last: None, on_progress })
    }

    pub(super) fn contents(self) -> Contents {
        self.contents
    }

    /// The next part; `None` at the end of the file.
    pub(super) fn next(&mut self) -> Result<Option<FilePart>, BackupError> {
        let at = self.reader.position();
        let part = match self.reader.next()? {
            Block::Shared(records) if self.last.is_none() => Some(FilePart::Shared(self.shared(records, at)?)),
            Block::Session(id) if self.last.is_none_or(|last| last < id) => {
                self.last = Some(id);
                Some(FilePart::Session(self.section(id)?))
            }
            Block::LeftOut(record) if self.last.is_none() => {
                self.left_out(record);
                Some(FilePart::Shared(Vec::new()))
            }
            Block::End { sessions, events, records, left_out } => {
                let Progress { sessions: s, events: e, records: r, left_out: l, .. } = self.contents.holds;
                if (sessions, events, records, left_out) != (s, e, r, l) {
                    return Err(damaged(at, "the file holds more or less than it states"));
                }
                self.reader.at_end()?;
                None
            }
            Block::Start { .. }
            | Block::Shared(_)
            | Block::Session(_)
            | Block::Log { .. }
            | Block::Rewritten(_)
            | Block::Records { .. }
            | Block::LeftOut(_)
            | Block::SessionEnd { .. } => return Err(misplaced(at)),
            Block::Failed(why) => return Err(BackupError::Failed(why)),
        };
        self.report();
        Ok(part)
    }

    fn report(&mut self) {
        self.contents.holds.bytes = self.reader.position();
        (self.on_progress)(self.contents.holds);
    }

    fn left_out(&mut self, record: LeftOut) {
        self.contents.holds.left_out += 1;
        if self.contents.left_out.len() < LISTED {
            self.contents.left_out.push(record);
        }
    }

    fn shared(&mut self, records: Vec<RecordForm>, at: u64) -> Result<Vec<(Key, Record)>, BackupError> {
        self.contents.holds.records += records.len() as u64;
        let read = |record: RecordForm| match record.record(self.tables) {
            Ok((key, _)) if key.table.owner != Owner::Shared => Err(misplaced(at)),
            Ok(record) => Ok(record),
            Err(fault) => Err(damaged(at, &fault)),
        };
        records.into_iter().map(read).collect()
    }

    /// Reads up to the end of a section.
    fn section(&mut self, session: SessionId) -> Result<Section, BackupError> {
        let section =
            Section { session, position: 0, logs: Vec::new(), rewritten: Vec::new(), records: Vec::new(), end: 0 };
        let mut reading = Reading { section, number: 0, attempt: 0, kept: 0, latest: 0 };
        loop {
            let at = self.reader.position();
            match self.reader.next()? {
                Block::Log { from, rows } => reading.log(from, &rows, at)?,
                Block::Rewritten(rows) => reading.rewritten(&rows, at)?,
                Block::Records { attempt, records } => reading.records(attempt, records, self.tables, at)?,
                Block::LeftOut(record) => self.left_out(record),
                Block::SessionEnd { position, attempt, records } => {
                    if attempt != reading.attempt {
                        (reading.kept, reading.section.records) = (0, Vec::new());
                    }
                    let is_whole = position == reading.section.position && records == reading.kept;
                    if !is_whole || attempt < reading.attempt || reading.latest > position {
                        return Err(damaged(at, "a session holds more or less than it states"));
                    }
                    self.contents.holds.sessions += 1;
                    self.contents.holds.events += position;
                    self.contents.holds.records += records;
                    reading.section.end = self.reader.position();
                    return Ok(reading.section);
                }
                Block::Failed(why) => return Err(BackupError::Failed(why)),
                Block::Start { .. } | Block::Shared(_) | Block::Session(_) | Block::End { .. } => {
                    return Err(misplaced(at));
                }
            }
            self.report();
        }
    }

    /// Goes on after a section, wherever the reader is.
    pub(super) fn after(&mut self, section: &Section) -> Result<(), BackupError> {
        self.reader.go_to(section.end)
    }
}

impl Reading {
    fn log(&mut self, from: Seq, rows: &[Row], at: u64) -> Result<(), BackupError> {
        if from != self.section.position + 1 {
            return Err(damaged(at, "a log has a hole"));
        }
        for (row, seq) in rows.iter().zip(from..) {
            let is_message = self.row(row, seq, at)?;
            self.number += u64::from(is_message);
            if row.number != self.number {
                return Err(damaged(at, "messages are counted wrongly"));
            }
        }
        self.section.position += rows.len() as u64;
        self.section.logs.push(at);
        Ok(())
    }

    fn rewritten(&mut self, rows: &[(Seq, Row)], at: u64) -> Result<(), BackupError> {
        for (seq, row) in rows {
            self.row(row, *seq, at)?;
            if *seq > self.section.position {
                return Err(misplaced(at));
            }
        }
        self.section.rewritten.push(at);
        Ok(())
    }

    /// Whether the row is a message.
    fn row(&mut self, row: &Row, seq: Seq, at: u64) -> Result<bool, BackupError> {
        let event = row.event().map_err(|fault| damaged(at, &fault))?;
        let was_rewritten = row.revision > 1 && row.revised > seq;
        if !was_rewritten && (row.revision, row.revised) != (1, 0) {
            return Err(damaged(at, "an event has a revision that it cannot have"));
        }
        self.latest = self.latest.max(row.revised);
        Ok(EventKind::is_message(&event.kind))
    }

    fn records(
        &mut self,
        attempt: u32,
        records: Vec<RecordForm>,
        tables: &[&'static Table],
        at: u64,
    ) -> Result<(), BackupError> {
        if attempt < self.attempt {
            return Err(misplaced(at));
        }
        if attempt > self.attempt {
            (self.attempt, self.kept, self.section.records) = (attempt, 0, Vec::new());
        }
        for record in records {
            let (key, record) = record.record(tables).map_err(|fault| damaged(at, &fault))?;
            if key.table.owner == Owner::Session && key.session() != Some(self.section.session) {
                return Err(misplaced(at));
            }
            if record.at > self.section.position {
                return Err(damaged(at, "a record is newer than its session"));
            }
            self.kept += 1;
        }
        self.section.records.push(at);
        Ok(())
    }
}

fn misplaced(at: u64) -> BackupError {
    damaged(at, "something stands where it does not belong")
}
