//! The backup by an administrator.

use chatcore::Administration;
use poem::Request;
use poem_openapi::{OpenApi, param::Query};

use super::AdminGroup;
use crate::{
    admin::origin_of,
    extract::Caller,
    reply::{Administering, Answer, Conflict, File, Params},
};

pub(crate) struct Backups(pub(crate) Administration);

#[OpenApi(tag = "AdminGroup::Administration")]
impl Backups {
    /// Take a backup
    ///
    /// A file with all data that were acknowledged before the request: messages of every session, and hashes of passwords. Users can use
    /// the server during a backup. The server streams the file. Each process takes one backup at a time: the answer to a second request is
    /// `BACKUP_RUNNING`. The audit log has an entry. A truncated file has no end mark, and a restore refuses the file.
    #[oai(path = "/backup", method = "get", operation_id = "adminTakeBackup")]
    async fn back_up(
        &self,
        request: &Request,
        caller: Caller,
        /// Whether to skip records that the database cannot read. The file names the skipped records. Otherwise such a record ends the
        /// backup.
        skip_unreadable: Query<Option<bool>>,
    ) -> Answer<File, (Administering, Params, Conflict)> {
        let skips = skip_unreadable.0.unwrap_or(false);
        Ok(File(self.0.back_up(&caller.0, &origin_of(request), skips).await?))
    }
}
