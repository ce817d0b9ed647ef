//! The context of a handler.

use std::{
    fmt,
    future::Future,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use tokio::sync::watch;

use super::{StreamedAnswer, runner::Shared};
use crate::{
    Chat, Principal,
    chat::{FailMessage, SendMessage, StartMessage},
    error::{Error, Result},
    model::{ClientId, Content, Message, MessageId, Seq, SessionId, StreamState},
};

/// How often a streamed answer to one event is begun, where the earlier ones failed.
const BEGINNINGS: u32 = 20;

/// The reason that readers see for a streamed answer whose handler ended before the answer was complete.
const INTERRUPTED: &str = "interrupted";

/// The event of a handler call, and the functions to answer the event. Cheap to clone.
#[derive(Clone)]
pub struct Context {
    inner: Arc<Inner>,
}

struct Inner {
    shared: Arc<Shared>,
    session_id: SessionId,
    seq: Seq,
    attempt: u32,
    /// The message that the handler is called for.
    message: Option<MessageId>,
    /// How many answers the handler has given.
    answers: AtomicU32,
    /// Streamed answers that have not ended.
    open: Mutex<Vec<MessageId>>,
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { session_id, seq, attempt, .. } = &*self.inner;
        let mut shown = f.debug_struct("Context");
        shown.field("session_id", session_id).field("seq", seq).field("attempt", attempt).finish_non_exhaustive()
    }
}

impl Context {
    pub(super) fn new(
        shared: &Arc<Shared>,
        (session_id, seq): (SessionId, Seq),
        message: Option<MessageId>,
        attempt: u32,
    ) -> Self {
        let (shared, answers, open) = (Arc::clone(shared), AtomicU32::new(0), Mutex::default());
        Self { inner: Arc::new(Inner { shared, session_id, seq, attempt, message, answers, open }) }
    }

    /// The chat.
    #[must_use]
    pub fn chat(&self) -> &Chat {
        &self.inner.shared.chat
    }

    /// The bot's user.
    #[must_use]
    pub fn principal(&self) -> &Principal {
        &self.inner.shared.principal
    }

    /// The session of the event.
    #[must_use]
    pub fn session_id(&self) -> SessionId {
        self.inner.session_id
    }

    /// The position of the event.
    #[must_use]
    pub fn seq(&self) -> Seq {
        self.inner.seq
    }

    /// The number of this attempt: 1 for the first attempt. Attempts of an ended process do not count.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.inner.attempt
    }

    /// Completes at the stop of the bot. A slow handler can then end with an error: the bot handles the event again after the next start.
    pub async fn stopping(&self) {
        stopped(self.inner.shared.stopping()).await;
    }

    /// Answers the message of the event with a text. For another event, the function sends a message that answers none.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub async fn reply(&self, text: impl Into<String> + Send) -> Result<Message> {
        let message = SendMessage::text(text);
        self.send(SendMessage { reply_to: self.inner.message, ..message }).await
    }

    /// Sends a message into the session of the event. The context replaces the client id of the message. If an earlier run of the handler
    /// already sent this answer, the result is the earlier message.
    ///
    /// # Errors
    /// As [`Chat::send`]. The call waits while the rate limits refuse the call.
    pub async fn send(&self, message: SendMessage) -> Result<Message> {
        let client_id = self.client_id(self.number(), 0)?;
        let message = message.with_client_id(client_id.clone());
        let sent = self.patiently(|| self.chat().send(self.principal(), self.session_id(), message.clone())).await;
        self.first(sent, client_id).await
    }

    /// Starts a streamed message of an assistant that answers the message of the event. `None` if an earlier run of the handler completed
    /// the answer. An incomplete message of an earlier run is ended as failed, and a new message is started.
    ///
    /// # Errors
    /// As [`Chat::start_streamed_message`]. The call waits while the rate limits refuse the call.
    pub async fn stream(&self) -> Result<Option<StreamedAnswer>> {
        self.stream_as(StartMessage { reply_to: self.inner.message, ..StartMessage::of_assistant() }).await
    }

    /// Starts a streamed message, as [`stream`](Self::stream) does. The context replaces the client id of the message.
    ///
    /// # Errors
    /// As [`stream`](Self::stream); [`LimitExceeded`](Error::LimitExceeded) after 20 messages that failed.
    pub async fn stream_as(&self, start: StartMessage) -> Result<Option<StreamedAnswer>> {
        let number = self.number();
        for beginning in 0..BEGINNINGS {
            let client_id = self.client_id(number, beginning)?;
            let start = start.clone().with_client_id(client_id.clone());
            let begin = || self.chat().start_streamed_message(self.principal(), self.session_id(), start.clone());
            let begun = self.patiently(begin).await;
            let message = self.first(begun, client_id).await?;
            match (&message.body.stream, &message.body.content) {
                (Some(StreamState::Streaming), Content::Text(text)) if text.is_empty() => {
                    self.open().push(message.id);
                    return Ok(Some(StreamedAnswer::new(self.clone(), message.id)));
                }
                (Some(StreamState::Streaming), _) => self.interrupt(message.id).await,
                (Some(StreamState::Failed { .. }), _) => {}
                // A message that was deleted is no longer streamed.
                (Some(StreamState::Complete) | None, _) => return Ok(None),
            }
        }
        let what = "the number of failed answers to one event";
        Err(Error::LimitExceeded { what, limit: BEGINNINGS.into() })
    }

    /// Ends the streamed answers that the handler has left open.
    pub(super) async fn close(&self) {
        let left = std::mem::take(&mut *self.open());
        for id in left {
            self.interrupt(id).await;
        }
    }

    /// A streamed answer has ended.
    pub(super) fn ended(&self, id: MessageId) {
        self.open().retain(|open| *open != id);
    }

    async fn interrupt(&self, id: MessageId) {
        let fail = FailMessage { detail: Some(INTERRUPTED.to_owned()) };
        if let Err(error) = self.chat().fail_message(self.principal(), id, fail).await {
            tracing::debug!(session = %id.session_id, %error, "an interrupted answer was not ended; the server ends it later");
        }
    }

    fn open(&self) -> std::sync::MutexGuard<'_, Vec<MessageId>> {
        self.inner.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of the next answer.
    fn number(&self) -> u32 {
        self.inner.answers.fetch_add(1, Ordering::SeqCst)
    }

    /// The same in each run of the handler. A client id belongs to its user and its session.
    fn client_id(&self, answer: u32, beginning: u32) -> Result<ClientId> {
        let text = match beginning {
            0 => format!("chatcore-bot:{}:{answer}", self.seq()),
            beginning => format!("chatcore-bot:{}:{answer}:{beginning}", self.seq()),
        };
        ClientId::new(text).map_err(|_| Error::Internal)
    }

    /// A message, or the one that an earlier run sent in its place with another text.
    async fn first(&self, sent: Result<Message>, client_id: ClientId) -> Result<Message> {
        match sent {
            Err(Error::ClientIdReused) => {
                let user = &self.principal().user_id;
                let id = self.chat().sent_with(user, self.session_id(), client_id).await?;
                let id = id.ok_or(Error::ClientIdReused)?;
                self.patiently(|| self.chat().message(self.principal(), id)).await
            }
            sent => sent,
        }
    }

    /// Tries again as soon as the limits on use allow it, unless the bot is being stopped.
    pub(super) async fn patiently<T, F: Future<Output = Result<T>>>(&self, attempt: impl Fn() -> F) -> Result<T> {
        loop {
            let limited = match attempt().await {
                Err(limited @ Error::RateLimited { .. }) => limited,
                outcome => return outcome,
            };
            let Error::RateLimited { retry_after } = limited else { return Err(limited) };
            tokio::select! {
                () = tokio::time::sleep(Duration::from_secs(retry_after)) => {}
                () = self.stopping() => return Err(limited),
            }
        }
    }
}

/// Done when the flag is set, or nobody can set it any more.
pub(super) async fn stopped(mut stopping: watch::Receiver<bool>) {
    let _ = stopping.wait_for(|stops| *stops).await;
}
