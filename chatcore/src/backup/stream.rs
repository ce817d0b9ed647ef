//! A backup as a stream of bytes.

use std::{fmt, sync::Arc};

use chrono::{DateTime, Utc};
use futures_util::{
    StreamExt as _, future,
    stream::{self, BoxStream},
};
use tokio::sync::mpsc;

use super::{Backup, BackupError};
use crate::store::{ChatStore, Table};

/// Blocks that wait for the reader.
const WAITING: usize = 1;

/// What a backup holds.
#[derive(Clone, Copy, Default)]
pub struct BackupOptions {
    /// The tables; `None` for those of this crate.
    pub tables: Option<&'static [&'static Table]>,
    /// Whether to go on without records that the store cannot read: see [`Backup::skipping_unreadable`].
    pub skips_unreadable: bool,
}

impl fmt::Debug for BackupOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tables: Option<Vec<_>> = self.tables.map(|tables| tables.iter().map(|table| table.name).collect());
        f.debug_struct("BackupOptions")
            .field("tables", &tables)
            .field("skips_unreadable", &self.skips_unreadable)
            .finish()
    }
}

/// Blocks of a backup.
pub type BackupStream = BoxStream<'static, Result<Vec<u8>, BackupError>>;

/// The file of a backup, block by block, as [`Backup::take`] writes it. Nothing is read before the reader asks for it, so it takes bounded memory.
/// An error is the last item. A stream without one that ends is complete, and [`Backup::verify`] says so of what was received.
pub fn stream(store: Arc<dyn ChatStore>, options: BackupOptions, taken_at: DateTime<Utc>) -> BackupStream {
    let (out, blocks) = mpsc::channel(WAITING);
    let taking = async move {
        let BackupOptions { tables, skips_unreadable } = options;
        let mut backup = Backup { skips_unreadable, ..Backup::of(&*store) };
        if let Some(tables) = tables {
            backup = backup.with_tables(tables);
        }
        // The error comes behind the blocks.
        if let Err(error) = backup.write(out.clone(), taken_at, &mut |_| ()).await {
            let _ = out.send(Err(error)).await;
        }
    };
    let blocks = stream::unfold(blocks, |mut blocks| async move { Some((blocks.recv().await?, blocks)) });
    // It brings no item, and runs while the reader waits for one.
    let taking = stream::once(taking).filter_map(|()| future::ready(None));
    stream::select(blocks, taking).boxed()
}
