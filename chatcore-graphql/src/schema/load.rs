//! Batched loading: what the fields of one answer ask for at the same time is read together.
//!
//! The loads hang on the answer of one use of the chat, and live as long as it. So what they keep is never older than the
//! answer, in a subscription too.

use std::{
    collections::HashMap,
    fmt,
    hash::Hash,
    sync::{Arc, OnceLock},
};

use async_graphql::dataloader::{DataLoader, HashMapCache, Loader};
use chatcore::{
    Chat, Error, Principal, Result,
    chat::{MessagesOf, ParticipantsOf},
    model::{MessagePage, Participant, SessionDetails, SessionId, SessionSummary},
};

/// Reads for one caller.
pub(super) struct Reads {
    pub(super) chat: Chat,
    pub(super) principal: Principal,
}

/// What one answer has read and is reading. Most answers need nothing more, so the loader is made at first use.
pub(super) struct Loads {
    reads: Arc<Reads>,
    loader: OnceLock<DataLoader<Batches, HashMapCache>>,
}

/// Reads in batches.
struct Batches(Arc<Reads>);

impl fmt::Debug for Loads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loads").finish_non_exhaustive()
    }
}

/// A session as lists have it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Summary(SessionId);

/// A session with its contents.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Details(SessionId);

impl Loads {
    pub(super) const fn new(reads: Arc<Reads>) -> Self {
        Self { reads, loader: OnceLock::new() }
    }

    fn loader(&self) -> &DataLoader<Batches, HashMapCache> {
        self.loader.get_or_init(|| {
            let most = self.reads.chat.limits().batch_max;
            let batches = Batches(Arc::clone(&self.reads));
            DataLoader::with_cache(batches, tokio::spawn, HashMapCache::default()).max_batch_size(most)
        })
    }

    async fn one<K, V>(&self, key: K) -> Result<V>
    where
        K: Send + Sync + Hash + Eq + Clone + 'static,
        V: Send + Sync + Clone + 'static,
        Batches: Loader<K, Value = Result<V>, Error = Error>,
    {
        self.loader().load_one(key).await?.unwrap_or(Err(Error::Internal))
    }

    pub(super) async fn session(&self, id: SessionId) -> Result<SessionSummary> {
        self.one(Summary(id)).await
    }

    pub(super) async fn details(&self, id: SessionId) -> Result<SessionDetails> {
        self.one(Details(id)).await
    }

    pub(super) async fn messages(&self, asked: MessagesOf) -> Result<MessagePage> {
        self.one(asked).await
    }

    pub(super) async fn participants(&self, asked: ParticipantsOf) -> Result<Vec<Participant>> {
        self.one(asked).await
    }
}

fn found<K: Copy + Eq + Hash, V>(keys: &[K], values: Vec<Result<V>>) -> HashMap<K, Result<V>> {
    keys.iter().copied().zip(values).collect()
}

impl Loader<Summary> for Batches {
    type Value = Result<SessionSummary>;
    type Error = Error;

    async fn load(&self, keys: &[Summary]) -> Result<HashMap<Summary, Self::Value>> {
        let ids: Vec<SessionId> = keys.iter().map(|Summary(id)| *id).collect();
        Ok(found(keys, self.0.chat.sessions_by_id(&self.0.principal, &ids).await?))
    }
}

impl Loader<Details> for Batches {
    type Value = Result<SessionDetails>;
    type Error = Error;

    async fn load(&self, keys: &[Details]) -> Result<HashMap<Details, Self::Value>> {
        let ids: Vec<SessionId> = keys.iter().map(|Details(id)| *id).collect();
        Ok(found(keys, self.0.chat.details_by_id(&self.0.principal, &ids).await?))
    }
}

impl Loader<MessagesOf> for Batches {
    type Value = Result<MessagePage>;
    type Error = Error;

    async fn load(&self, keys: &[MessagesOf]) -> Result<HashMap<MessagesOf, Self::Value>> {
        Ok(found(keys, self.0.chat.messages_of(&self.0.principal, keys).await?))
    }
}

impl Loader<ParticipantsOf> for Batches {
    type Value = Result<Vec<Participant>>;
    type Error = Error;

    async fn load(&self, keys: &[ParticipantsOf]) -> Result<HashMap<ParticipantsOf, Self::Value>> {
        Ok(found(keys, self.0.chat.participants_of(&self.0.principal, keys).await?))
    }
}
