//! A backup while the chat is in use.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use futures_util::stream::{self, BoxStream, StreamExt as _};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};

use super::{Administration, AuditAction, AuditOrigin, audit::Deed};
use crate::{
    backup::{self, BackupOptions, BackupStream},
    error::{Error, Result},
    identity::Principal,
    store::Table,
    trace::use_case,
};

/// How often the authority of the caller is looked at while the file is sent.
const LOOK: Duration = Duration::from_secs(5);

/// The file of a backup, in parts. After an error the file is incomplete and unusable.
pub type BackupFile = BoxStream<'static, Result<Vec<u8>>>;

/// What is known of backups.
pub(super) struct Backups {
    /// A backup reads everything, so two at once would slow each other and the chat down.
    one: Arc<Semaphore>,
    tables: OnceLock<&'static [&'static Table]>,
}

impl Default for Backups {
    fn default() -> Self {
        Self { one: Arc::new(Semaphore::new(1)), tables: OnceLock::new() }
    }
}

/// How far a backup has come.
struct Sending {
    admin: Administration,
    principal: Principal,
    blocks: BackupStream,
    looked: Instant,
    has_ended: bool,
    _one: OwnedSemaphorePermit,
}

impl Administration {
    /// Sets the tables of a backup: the tables of [`Backup::tables`](crate::backup::Backup::tables), and the host's own tables. Without
    /// this call a backup does not contain the host's own tables. Only the first call has an effect.
    pub fn back_up_tables(&self, tables: &'static [&'static Table]) {
        let _ = self.inner.backups.tables.set(tables);
    }

    /// Takes a backup of everything in the store: messages of every session, and hashes of passwords. The result is a stream that uses
    /// bounded memory, at the pace of its reader, and ends early if the reader drops the stream. The end mark of the file shows that the
    /// file is complete: [`Backup::verify`](crate::backup::Backup::verify) checks the end mark.
    ///
    /// With `skips_unreadable`, unreadable records are left out, and the file names these records. The audit log has an entry before the
    /// first part is sent.
    ///
    /// # Errors
    /// [`AdminRequired`](Error::AdminRequired); [`BackupRunning`](Error::BackupRunning) while this process takes another backup. An error
    /// within the stream is its last item: also when the caller loses the role, is banned, or the login ends meanwhile. The expiry of the
    /// token does not end the backup, since the backup of a large store takes longer than the lifetime of tokens.
    pub async fn back_up(
        &self,
        principal: &Principal,
        origin: &AuditOrigin,
        skips_unreadable: bool,
    ) -> Result<BackupFile> {
        use_case!("admin.back_up", async move {
            self.enter(principal).await?;
            let one = Arc::clone(&self.inner.backups.one).try_acquire_owned().map_err(|_| Error::BackupRunning)?;
            let action = AuditAction::BackupTaken;
            self.note(&Deed { principal, origin, action, target: None, session: None, reason: None }).await?;
            // Otherwise the file would lack the counts of the last seconds.
            self.flush().await?;
            let chat = &self.inner.chat;
            let options = BackupOptions { tables: self.inner.backups.tables.get().copied(), skips_unreadable };
            let blocks = backup::stream(Arc::clone(chat.store()), options, chat.now());
            let (admin, principal) = (self.clone(), principal.clone());
            let start = Sending { admin, principal, blocks, looked: Instant::now(), has_ended: false, _one: one };
            Ok(stream::unfold(start, Sending::next).boxed())
        })
    }
}

impl Sending {
    async fn next(mut self) -> Option<(Result<Vec<u8>>, Self)> {
        if self.has_ended {
            return None;
        }
        let part = self.part().await.transpose()?;
        self.has_ended = part.is_err();
        Some((part, self))
    }

    async fn part(&mut self) -> Result<Option<Vec<u8>>> {
        if self.looked.elapsed() >= LOOK {
            self.looked = Instant::now();
            self.admin.authority(&self.principal).await?;
        }
        self.blocks.next().await.transpose().map_err(|error| {
            tracing::error!(%error, cause = std::error::Error::source(&error).map(tracing::field::display), "a backup failed");
            Error::Internal
        })
    }
}
