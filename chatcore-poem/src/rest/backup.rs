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
    /// A file with everything that was acknowledged before the request, while users go on: messages of every session, and hashes of passwords. It is
    /// sent while it is read. Each process takes one backup at a time: a second request is `BACKUP_RUNNING`. The audit log has an entry. A file that
    /// is cut, by the network or by a fault, has no end mark, and is refused by a restore.
    #[oai(path = "/backup", method = "get", operation_id = "adminTakeBackup")]
    async fn back_up(
        &self,
        request: &Request,
        caller: Caller,
        /// Whether to go on without records that the database cannot read. The file names them. Otherwise such a record ends the backup.
        skip_unreadable: Query<Option<bool>>,
    ) -> Answer<File, (Administering, Params, Conflict)> {
        let skips = skip_unreadable.0.unwrap_or(false);
        Ok(File(self.0.back_up(&caller.0, &origin_of(request), skips).await?))
    }
}
