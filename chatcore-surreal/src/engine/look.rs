//! A look at what opening a database would change.

use std::{sync::Arc, time::Instant};

use tokio::time::timeout;

use super::{AGAIN, ANSWERING, CLOSING, Engine, Open, is_worth_waiting};
use crate::{
    compact,
    connect::{ConnectError, SurrealOptions, Target},
    link::Schema,
    schema::{self, Upgrade},
    upgrade,
};

impl Engine {
    /// Opens a database, and leaves its schema as it is. What the last process left unfinished must be in order.
    pub(crate) async fn open_to_inspect(target: Target, options: &SurrealOptions) -> Result<Arc<Self>, ConnectError> {
        Self::open_once(target, options, Schema::Kept).await
    }

    /// Gives the version of the schema, and makes sure that the database can be written.
    pub(crate) async fn probe(&self) -> Result<i64, ConnectError> {
        let database = match self.opened().as_ref() {
            Some(Open { link: Some(link), .. }) => Arc::clone(&link.database),
            Some(Open { link: None, .. }) | None => return Err(ConnectError::Backend("the database was lost".into())),
        };
        let probing = self.spawn(async move { schema::probe(&database).await });
        match timeout(ANSWERING, probing).await {
            Ok(Ok(version)) => version,
            Ok(Err(error)) => Err(ConnectError::Backend(Box::new(error))),
            Err(_) => Err(ConnectError::Backend("the database did not answer in time".into())),
        }
    }

    /// Finds out what opening a database would change about it, and changes nothing.
    pub(crate) async fn look(target: Target, options: &SurrealOptions) -> Result<Upgrade, ConnectError> {
        let until = Instant::now() + options.lock_patience;
        let copy = loop {
            let copy = upgrade::copy(&target).await;
            if !is_worth_waiting(&copy, until) {
                break copy?;
            }
            tokio::time::sleep(AGAIN).await;
        };
        let target = copy.target().prepare()?;
        if let Some(folder) = target.path() {
            compact::finish(folder.to_owned()).await?;
        }
        let engine = Self::open_once(target, options, Schema::Kept).await?;
        let database = match engine.opened().as_ref() {
            Some(Open { link: Some(link), .. }) => Arc::clone(&link.database),
            _ => return Err(ConnectError::InvalidUrl("the database is closed".to_owned())),
        };
        let looking = engine.spawn(async move { schema::look(&database).await });
        let found = looking.await.map_err(|error| ConnectError::Backend(Box::new(error)))?;
        engine.close_within(CLOSING).await;
        drop(copy);
        found
    }

    /// The schema version that the database had before this engine opened it.
    pub(crate) fn found(&self) -> i64 {
        self.found.get().copied().unwrap_or_default()
    }
}
