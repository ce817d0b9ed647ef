//! Batched loading: what the fields of one answer ask for at the same time is read together.
//!
//! The loads hang on the answer of one use of the chat, and live as long as it. So what they keep is never older than the
//! answer, in a subscription too. A batch is closed when all fields of the answer that could ask have asked, and not after
//! a time: that would split it on a busy machine, and be waited for on an idle one.

use std::{
    collections::HashMap,
    fmt,
    hash::Hash,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use chatcore::{
    Chat, Error, Principal, Result,
    chat::{MessagesOf, ParticipantsOf},
    model::{
        ListPage, Message, MessageId, MessagePage, MessageRevision, Overview, Participant, ParticipantId,
        SessionDetails, SessionId, SessionSummary,
    },
};
use futures_util::{FutureExt as _, future::BoxFuture};
use tokio::sync::watch;

/// Reads for one caller.
pub(super) struct Reads {
    pub(super) chat: Chat,
    pub(super) principal: Principal,
}

/// What one answer has read and is reading.
pub(super) struct Loads {
    reads: Arc<Reads>,
    sessions: Batches<SessionId, SessionSummary>,
    details: Batches<SessionId, SessionDetails>,
    messages: Batches<MessagesOf, MessagePage>,
    participants: Batches<ParticipantsOf, ListPage<Participant, ParticipantId>>,
    each_message: Batches<MessageId, Message>,
    revisions: Batches<MessageId, Vec<MessageRevision>>,
    overviews: Batches<SessionId, Option<Overview>>,
}

impl fmt::Debug for Loads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loads").finish_non_exhaustive()
    }
}

impl Loads {
    pub(super) fn new(reads: Arc<Reads>) -> Self {
        Self {
            reads,
            sessions: Batches::default(),
            details: Batches::default(),
            messages: Batches::default(),
            participants: Batches::default(),
            each_message: Batches::default(),
            revisions: Batches::default(),
            overviews: Batches::default(),
        }
    }

    pub(super) async fn session(&self, id: SessionId) -> Result<SessionSummary> {
        let read: Read<_, _> =
            |reads, ids| async move { reads.chat.sessions_by_id(&reads.principal, &ids).await }.boxed();
        self.sessions.load(&self.reads, id, read).await
    }

    pub(super) async fn details(&self, id: SessionId) -> Result<SessionDetails> {
        let read: Read<_, _> =
            |reads, ids| async move { reads.chat.details_by_id(&reads.principal, &ids).await }.boxed();
        self.details.load(&self.reads, id, read).await
    }

    /// The last message of a session, and how far the caller has read; `None` where the log cannot be read.
    pub(super) async fn overview(&self, id: SessionId) -> Result<Option<Overview>> {
        let read: Read<_, _> =
            |reads, ids| async move { reads.chat.overviews_by_id(&reads.principal, &ids).await }.boxed();
        self.overviews.load(&self.reads, id, read).await
    }

    pub(super) async fn message(&self, id: MessageId) -> Result<Message> {
        let read: Read<_, _> =
            |reads, ids| async move { reads.chat.messages_by_id(&reads.principal, &ids).await }.boxed();
        self.each_message.load(&self.reads, id, read).await
    }

    /// The earlier contents of a message.
    pub(super) async fn revisions(&self, id: MessageId) -> Result<Vec<MessageRevision>> {
        let read: Read<_, _> =
            |reads, ids| async move { reads.chat.revisions_of(&reads.principal, &ids).await }.boxed();
        self.revisions.load(&self.reads, id, read).await
    }

    pub(super) async fn messages(&self, asked: MessagesOf) -> Result<MessagePage> {
        let read: Read<_, _> =
            |reads, asked| async move { reads.chat.messages_of(&reads.principal, &asked).await }.boxed();
        self.messages.load(&self.reads, asked, read).await
    }

    pub(super) async fn participants(&self, asked: ParticipantsOf) -> Result<ListPage<Participant, ParticipantId>> {
        let read: Read<_, _> =
            |reads, asked| async move { reads.chat.participants_of(&reads.principal, &asked).await }.boxed();
        self.participants.load(&self.reads, asked, read).await
    }
}

/// Reads many: an error for all, or a result for each.
type Read<K, V> = fn(Arc<Reads>, Vec<K>) -> BoxFuture<'static, Result<Vec<Result<V>>>>;

/// What a batch found, for all who asked; `None` until it did.
type Found<K, V> = Option<Arc<Result<HashMap<K, Result<V>>>>>;

type Batch<K, V> = watch::Receiver<Found<K, V>>;

/// What the first in a batch tells the others by.
type First<K, V> = watch::Sender<Found<K, V>>;

/// What is asked for of one kind.
struct Batches<K, V>(Mutex<State<K, V>>);

struct State<K, V> {
    /// What the batch that is still open will read.
    open: Vec<K>,
    /// The batch in which a key is, or was.
    batches: HashMap<K, Batch<K, V>>,
}

impl<K, V> Default for Batches<K, V> {
    fn default() -> Self {
        Self(Mutex::new(State { open: Vec::new(), batches: HashMap::new() }))
    }
}

impl<K: Copy + Eq + Hash, V: Clone> Batches<K, V> {
    fn state(&self) -> MutexGuard<'_, State<K, V>> {
        // Nothing panics while it is held.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn load(&self, reads: &Arc<Reads>, key: K, read: Read<K, V>) -> Result<V> {
        let (mut batch, first) = self.batch_of(key);
        if let Some(first) = first {
            // Goes on when the task has done all that it can do at the moment, which is to ask.
            tokio::task::yield_now().await;
            let keys = mem::take(&mut self.state().open);
            first.send_replace(Some(Arc::new(read_all(reads, keys, read).await)));
        }
        // All who wait are parts of one answer, and dropped together.
        let found = batch.wait_for(Option::is_some).await.map_err(|_| Error::Internal)?.clone();
        match found.as_deref() {
            Some(Ok(found)) => found.get(&key).cloned().unwrap_or(Err(Error::Internal)),
            Some(Err(error)) => Err(error.clone()),
            None => Err(Error::Internal),
        }
    }

    /// The batch of a key, and, for who is the first in it, what to tell the others by.
    fn batch_of(&self, key: K) -> (Batch<K, V>, Option<First<K, V>>) {
        let mut state = self.state();
        if let Some(batch) = state.batches.get(&key) {
            return (batch.clone(), None);
        }
        let open = state.open.first().and_then(|first| state.batches.get(first)).cloned();
        let (batch, first) = match open {
            Some(batch) => (batch, None),
            None => {
                let (sender, batch) = watch::channel(None);
                (batch, Some(sender))
            }
        };
        state.open.push(key);
        state.batches.insert(key, batch.clone());
        (batch, first)
    }
}

async fn read_all<K: Copy + Eq + Hash, V>(
    reads: &Arc<Reads>,
    keys: Vec<K>,
    read: Read<K, V>,
) -> Result<HashMap<K, Result<V>>> {
    let mut found = HashMap::with_capacity(keys.len());
    for keys in keys.chunks(reads.chat.limits().batch_max.max(1)) {
        let values = read(Arc::clone(reads), keys.to_vec()).await?;
        found.extend(keys.iter().copied().zip(values));
    }
    Ok(found)
}
