//! Profiles.

use std::collections::HashMap;

use chatcore::{
    StoreError,
    model::{Profile, UserId},
};
use surrealdb::types::Variables;

use crate::{
    engine::{Engine, bind},
    failure::Failure,
    keys,
    rows::{self, ProfileRow},
};

const FIND: &str = "SELECT * FROM $ids";

/// Whoever is slower of two finds the record written by the other, and looks again.
const PUT: &str = "{\
    LET $kept = (SELECT VALUE updated_at FROM ONLY $id);\
    IF $kept != NONE AND $kept >= $row.updated_at { RETURN NONE };\
    UPSERT $id CONTENT $row RETURN NONE;\
    RETURN NONE }";

/// How often to look again. Each time another profile of the same user was put.
const ATTEMPTS: usize = 100;

pub(crate) async fn find(engine: &Engine, users: &[UserId]) -> Result<Vec<Option<Profile>>, StoreError> {
    if users.is_empty() {
        return Ok(Vec::new());
    }
    let binds = bind("ids", users.iter().map(keys::profile).collect::<Vec<_>>());
    let profile = |row| rows::row::<ProfileRow>(row)?.profile();
    let profiles = rows::readable(engine.rows(FIND, binds).await?, profile);
    let found: HashMap<_, _> = profiles.into_iter().map(|profile| (profile.user_id.clone(), profile)).collect();
    Ok(users.iter().map(|user| found.get(user).cloned()).collect())
}

pub(crate) async fn put(engine: &Engine, profile: Profile) -> Result<(), StoreError> {
    let mut binds = Variables::new();
    binds.insert("id", keys::profile(&profile.user_id));
    binds.insert("row", ProfileRow::of(profile));
    for _ in 0..ATTEMPTS {
        match engine.write(PUT, binds.clone()).await {
            Ok(()) => return Ok(()),
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
