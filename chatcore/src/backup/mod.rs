//! Backup and restore of a whole store, in a portable format.
//!
//! [`Backup::take`] writes everything that a store holds to one file while the chat is in use; [`Backup::restore`] writes such a file into
//! an empty store of any kind. So a backup also moves a chat from one database to another. [`Backup::verify`] checks a file and writes nothing.
//!
//! # What a backup contains
//! Everything that was acknowledged before [`Backup::take`] was called, each thing once. Of what is acknowledged meanwhile:
//! - **A session** is as of one position, which the file states and which is not before the end of the log when the backup began. The log is
//!   dense up to there, and a message has the text, or the tombstone, that it had there: no later edit and no later deletion is in the file.
//!   Governed records (the session, its participants) and the entries by which lists name the session are as of that position.
//! - **Other records of a session** are as of that position, but a record that was replaced or removed while the session was copied: it is in
//!   the file as it was later, or missing. A client id whose message comes after the position is left out, so its retry is accepted as a
//!   new message. An earlier text of a message that comes after the position is left out, too.
//! - **Shared records** (accounts, profiles, standings, the audit log) are each as of a moment after the start and before the first session is
//!   copied. Where one change writes several of them meanwhile, the file can have one of these records as it was before and another one as it
//!   was after.
//!
//! A record or an event that the store cannot read is an error that names it. [`Backup::skipping_unreadable`] goes on without such records, and
//! the file says which ones are missing.
//!
//! The program that takes a backup must be as new as the newest program that wrote to the store: what it does not know would be lost. So an
//! event of a later version is an error ([`BackupError::Newer`]). It must know every table, also those of optional services and of the
//! host: [`Backup::tables`] has the tables of all services that this crate was compiled with.
//!
//! # What a restore does
//! It reads the whole file first, and refuses it with the position of the first damage before anything is written. Then it writes through
//! [`ChatStore::commit`], and compares each event that the store returns with the file. A restored session has the same positions, times,
//! numbers, revisions and records; the versions of shared records are new, and their position is 0 unless they list a session. Cursors of the
//! old store stay valid up to the restored position.
//!
//! A restore marks the store before it writes, and removes the mark at its end. A host asks [`Backup::unfinished`] before it serves a store. A
//! restore that was interrupted leaves the mark. No other restore and no backup takes such a store: empty it and restore again.
//!
//! # Memory
//! A backup holds what it reads at once: 300 rows, or 500 records of each table of a session. A restore holds the rows of one session that were
//! rewritten during its backup, a few bytes for each rewritten message, the records of 100,000 events, and 8 MiB of text under way. Neither
//! takes a block of more than [`MAX_BLOCK_BYTES`], so a forged file takes no more memory. Files are read and written on the calling task. The checksums protect against damage, and not against a forger: restore only files that you trust.

mod block;
mod form;
mod mark;
mod out;
mod restore;
mod section;
mod stream;
mod take;

use chrono::{DateTime, Utc};

use crate::{
    model::{Seq, SessionId},
    store::{ChatStore, StoreError, Table},
};

pub use block::{FORMAT, MAX_BLOCK_BYTES};
pub use form::LeftOut;
pub use mark::{RestoreMark, RestoreMarks, TABLES as MARK_TABLES};
pub use stream::{BackupOptions, BackupStream, stream};

/// Takes and restores backups of one store.
#[derive(Clone, Copy)]
pub struct Backup<'a, S: ?Sized> {
    store: &'a S,
    tables: &'a [&'static Table],
    skips_unreadable: bool,
}

/// How far a backup or a restore has come; at the end, what it did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// The part of the work; a restore begins with [`Stage::Verifying`] and counts anew for [`Stage::Restoring`].
    pub stage: Stage,
    /// Bytes of the file that were written or read.
    pub bytes: u64,
    /// Logs of sessions that are complete. A reserved id of a session counts, too.
    pub sessions: u64,
    /// Events.
    pub events: u64,
    /// Records. While a backup runs, records of a session that had to be read again count again; the last report has the number in the file.
    pub records: u64,
    /// Records that are missing in the file, since the store could not read them: see [`Backup::skipping_unreadable`].
    pub left_out: u64,
}

/// A part of the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Stage {
    /// The file is written.
    #[default]
    Copying,
    /// The file is checked.
    Verifying,
    /// The store is written.
    Restoring,
}

/// Is called after each block of the file.
pub type OnProgress<'a> = &'a mut (dyn FnMut(Progress) + Send);

/// Why a backup or a restore did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] StoreError),
    /// The file could not be read or written.
    #[error("the file could not be read or written")]
    File(#[from] std::io::Error),
    /// The file is no backup.
    #[error("the file is no backup of a chat")]
    NoBackup,
    /// The file has another version of the format.
    #[error("the backup has format {found}, and this program reads format {FORMAT}")]
    Format {
        /// The version of the file.
        found: u32,
    },
    /// The file is damaged or incomplete.
    #[error("the backup is damaged at byte {at}: {fault}")]
    Damaged {
        /// The start of the damaged block; the end of the file where the file is cut.
        at: u64,
        /// What is wrong there.
        fault: String,
    },
    /// The store has a record that it cannot read.
    #[error("the record {} cannot be read: {}", .0.record, .0.fault)]
    Unreadable(LeftOut),
    /// The store has an event that it cannot read.
    #[error("the event at position {seq} of session {session} cannot be read: {fault}")]
    UnreadableEvent {
        /// The session.
        session: SessionId,
        /// The position.
        seq: Seq,
        /// Why it cannot be read.
        fault: String,
    },
    /// One event or record is larger than a backup can hold.
    #[error("{what} has {bytes} bytes, and a backup holds at most {MAX_BLOCK_BYTES}")]
    TooLarge {
        /// The event or record.
        what: String,
        /// Its size.
        bytes: u64,
    },
    /// A restore into the store has begun and not ended: it runs now, or it was interrupted.
    #[error(
        "a restore into the store began at {since} and has not ended; if it does not run any more, empty the store and restore again"
    )]
    Unfinished {
        /// When it began.
        since: DateTime<Utc>,
    },
    /// The file ends where the backup failed.
    #[error("the backup failed while it was taken, and is not complete: {0}")]
    Failed(String),
    /// The store holds something already.
    #[error("the store is not empty: it has records of the table {table}")]
    NotEmpty {
        /// A table that has records.
        table: &'static str,
    },
    /// A newer version wrote this event, and this version would lose it.
    #[error(
        "a newer version wrote the event at position {seq} of session {session}; take the backup with that version"
    )]
    Newer {
        /// The session.
        session: SessionId,
        /// The position.
        seq: Seq,
    },
    /// The session changed its participants or settings again and again while it was copied.
    #[error("session {session} changed too often while it was copied")]
    Restless {
        /// The session.
        session: SessionId,
    },
    /// The store gave an event another position, number or time, or the file contradicts itself.
    #[error("the event at position {seq} of session {session} cannot be restored as it was")]
    Differs {
        /// The session.
        session: SessionId,
        /// The position.
        seq: Seq,
    },
}

/// The tables of this crate and of its services.
fn own_tables() -> &'static [&'static Table] {
    static ALL: std::sync::LazyLock<Vec<&'static Table>> = std::sync::LazyLock::new(|| {
        let mut all = [crate::stored::TABLES, crate::stored::been::TABLES].concat();
        #[cfg(feature = "admin")]
        all.extend_from_slice(crate::admin::TABLES);
        #[cfg(feature = "accounts")]
        all.extend_from_slice(crate::accounts::TABLES);
        #[cfg(feature = "webhooks")]
        all.extend_from_slice(crate::webhooks::TABLES);
        all
    });
    &ALL
}

impl<'a, S: ChatStore + ?Sized> Backup<'a, S> {
    /// Backups of this store, with the tables of this crate.
    #[must_use]
    pub fn of(store: &'a S) -> Self {
        Self { store, tables: own_tables(), skips_unreadable: false }
    }

    /// The tables that are copied. A restore knows no others.
    #[must_use]
    pub const fn tables(&self) -> &'a [&'static Table] {
        self.tables
    }

    /// The same, only that a record that the store cannot read does not fail the backup. It is missing in the file, which names it
    /// ([`Contents::left_out`]). An event that cannot be read is an error all the same, since a log has no holes.
    #[must_use]
    pub const fn skipping_unreadable(mut self) -> Self {
        self.skips_unreadable = true;
        self
    }

    /// The same with other tables: those of [`Self::tables`] and the host's own.
    #[must_use]
    pub const fn with_tables(mut self, tables: &'a [&'static Table]) -> Self {
        self.tables = tables;
        self
    }
}

/// The description of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contents {
    /// When the backup began.
    pub taken_at: DateTime<Utc>,
    /// What it holds.
    pub holds: Progress,
    /// Records that are missing, since the store could not read them: the first 1,000 of [`Progress::left_out`].
    pub left_out: Vec<LeftOut>,
}
