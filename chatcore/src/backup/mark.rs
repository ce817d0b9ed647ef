//! The mark of a store into which a backup is being restored.

use chrono::{DateTime, SubsecRound as _, Utc};
use serde::{Deserialize, Serialize};

use super::{Backup, BackupError};
use crate::{
    store::{Change, ChatStore, Json, Part, StoreError, StoredValue, TypedKey as _, Version, typed},
    stored::{from_json, to_json},
    tables,
};

tables! {
    /// The mark. It is in no backup.
    shared plain RestoreMarks = "restoring" [
        /// Always [`ALL`](RestoreMarks::ALL).
        scope: String,
    ] -> RestoreMark = 1;
}

impl RestoreMarks {
    /// The scope of the one record.
    pub const ALL: &'static str = "all";

    fn all() -> Self {
        Self { scope: Self::ALL.to_owned() }
    }
}

/// A restore that has begun.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoreMark {
    /// When it began.
    pub since: DateTime<Utc>,
}

impl StoredValue for RestoreMark {
    fn encode(&self) -> Json {
        to_json(self)
    }

    fn decode(_: u32, _: &[Part], stored: Json) -> Result<Self, String> {
        from_json(stored)
    }
}

impl<S: ChatStore + ?Sized> Backup<'_, S> {
    /// When a restore into the store began that has not ended; `None` for a store that can be served.
    ///
    /// # Errors
    /// The error of the store.
    pub async fn unfinished(&self) -> Result<Option<DateTime<Utc>>, StoreError> {
        let record = self.store.records(&[RestoreMarks::all().key()]).await?.pop().flatten();
        Ok(typed::<RestoreMark>(record)?.map(|found| found.value.since))
    }

    /// Refuses a store into which a restore has not ended.
    pub(super) async fn is_whole(&self) -> Result<(), BackupError> {
        self.unfinished().await?.map_or(Ok(()), |since| Err(BackupError::Unfinished { since }))
    }

    /// Marks the store. Of two restores that begin at once, one fails.
    pub(super) async fn begin(&self) -> Result<Version, BackupError> {
        let mark = RestoreMark { since: Utc::now().trunc_subsecs(6) };
        let change = Change::of_records(vec![RestoreMarks::all().put(mark).absent()]);
        let version = change.id;
        match self.store.commit(change).await {
            Ok(_) => Ok(version),
            Err(error @ StoreError::Conflict { .. }) => {
                self.is_whole().await?;
                Err(error.into())
            }
            Err(error) => Err(error.into()),
        }
    }

    pub(super) async fn finish(&self, mark: Version) -> Result<(), BackupError> {
        self.store.commit(Change::of_records(vec![RestoreMarks::all().remove().at(mark)])).await?;
        Ok(())
    }
}
