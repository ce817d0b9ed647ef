//! Profiles.

use std::collections::HashMap;

use chatcore::{StoreError, model::UserId, store::ProfileRecord};
use surrealdb::types::Variables;

use crate::{
    engine::{Engine, bind},
    failure::Failure,
    keys,
    rows::{self, ProfileRow},
};

const FIND: &str = "SELECT * FROM $ids";

/// Whoever is slower of two finds the record written by the other. A row of an earlier version has no version, and counts
/// as the first one.
const PUT: &str = "{\
    LET $stored = (SELECT VALUE version ?? 1 FROM ONLY $id) ?? 0;\
    IF $stored + 1 != $row.version { RETURN false };\
    UPSERT $id CONTENT $row RETURN NONE;\
    RETURN true }";

/// How often to look again. Each time another profile of the same user was put.
const ATTEMPTS: usize = 100;

pub(crate) async fn find(engine: &Engine, users: &[UserId]) -> Result<Vec<Option<ProfileRecord>>, StoreError> {
    if users.is_empty() {
        return Ok(Vec::new());
    }
    let binds = bind("ids", users.iter().map(keys::profile).collect::<Vec<_>>());
    let record = |row| rows::row::<ProfileRow>(row)?.record();
    let records = rows::readable(engine.rows(FIND, binds).await?, record);
    let found: HashMap<_, _> = records.into_iter().map(|record| (record.user_id.clone(), record)).collect();
    Ok(users.iter().map(|user| found.get(user).cloned()).collect())
}

pub(crate) async fn put(engine: &Engine, profile: ProfileRecord) -> Result<bool, StoreError> {
    let mut binds = Variables::new();
    binds.insert("id", keys::profile(&profile.user_id));
    binds.insert("row", ProfileRow::of(profile));
    for _ in 0..ATTEMPTS {
        match engine.write_and_tell(PUT, binds.clone()).await {
            Ok(was_put) => return Ok(was_put),
            Err(Failure::Lost) => tokio::task::yield_now().await,
            Err(Failure::Unclear(error) | Failure::Broke(error)) => {
                tracing::error!(%error, "it is not known whether a profile was kept");
                return Err(StoreError::OutcomeUnknown);
            }
            // Where it broke off it may have been kept, which is what the caller's next use case asks for in any case.
            Err(
                failure @ (Failure::Silent
                | Failure::Away
                | Failure::Cut(_)
                | Failure::Behind
                | Failure::Closed
                | Failure::Unwritable
                | Failure::Failed(_)),
            ) => {
                return Err(failure.into());
            }
        }
    }
    Err(Failure::Lost.into())
}
