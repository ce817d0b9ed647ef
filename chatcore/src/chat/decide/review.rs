//! The host's review of messages: it lets a message pass, changes it, holds it for approval, or refuses it.

use std::{fmt, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use async_trait::async_trait;
use futures_util::FutureExt as _;
use tokio::sync::Semaphore;

use crate::chat::Chat;
use crate::{
    error::{Error, Refusal, Result},
    identity::Principal,
    model::{Content, MessageBody, Session},
};

/// The host's review of each message before it is sent or edited: word lists, spam filters, a moderation service.
///
/// The chat asks it after the permission table and the [`Policy`](crate::chat::Policy) allow the message, and before the links and mentions of the
/// text are computed. So a changed text has its own links and mentions.
///
/// ```
/// use chatcore::chat::{MessageDraft, MessagePolicy, SendMessage, CreateSession, Verdict};
/// use chatcore::model::{Content, UserId};
/// use chatcore::{Chat, MemoryStore, Principal};
///
/// struct Shouting;
///
/// #[chatcore::async_trait]
/// impl MessagePolicy for Shouting {
///     async fn review(&self, draft: &MessageDraft) -> Verdict {
///         match &draft.body.content {
///             Content::Text(text) if text.chars().all(|c| !c.is_lowercase()) => Verdict::Change(Content::Text(text.to_lowercase())),
///             _ => Verdict::Allow,
///         }
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let chat = Chat::builder(MemoryStore::new()).message_policy(Shouting).build();
/// let alice = Principal::new(UserId::new("alice")?);
/// let id = chat.create_session(&alice, CreateSession::titled("Lobby")).await?.summary.session.id;
/// let sent = chat.send(&alice, id, SendMessage::text("HELLO")).await?;
/// assert_eq!(sent.body.content, Content::Text("hello".to_owned()));
/// # Ok(())
/// # }
/// ```
///
/// # Contract
/// **It sees each message that a user sends**: sends on all transports, scheduled messages at the time at which they are sent, copies of
/// forwarded messages, and edits; and each message that an incoming webhook posts, whose author is
/// [`WebhookId::author`](crate::model::WebhookId::author). It does not see what the host posts by [`Chat::post_system`], and a held message that was approved.
///
/// **It sees a streamed message up to three times.** Where the message has metadata, it sees them at the beginning, with an empty text: a held
/// one is refused. At the end it sees the whole text. Readers have seen the parts by then: a text that is held or refused is taken away with the
/// metadata, and the message ends as failed. Words about a failure ([`FailMessage`](crate::chat::FailMessage)) are a draft of their own, with these words
/// as the text: they are left out where they are held or refused. [`Policy`](crate::chat::Policy) sees each part.
///
/// **Its failure has a stated outcome.** A review that takes longer than [`Limits::policy_timeout`](crate::Limits::policy_timeout), or panics,
/// has the outcome of [`OnFailure`]. The chat drops the future of a review that is late.
///
/// **It delays its own message only.** No other message of the session waits for it, and no other session. A [`BlockingPolicy`] has a limit of calls
/// at once; a message beyond the limit waits.
///
/// **A retry may be reviewed again.** A retry of a message that was sent gets the first result, whatever the verdict is then.
#[async_trait]
pub trait MessagePolicy: Send + Sync + 'static {
    /// Decides what becomes of a message.
    async fn review(&self, draft: &MessageDraft) -> Verdict;
}

#[async_trait]
impl<P: MessagePolicy + ?Sized> MessagePolicy for Arc<P> {
    async fn review(&self, draft: &MessageDraft) -> Verdict {
        (**self).review(draft).await
    }
}

/// Most calls of a [`BlockingPolicy`] that run at once, unless [`at_once`](BlockingPolicy::at_once) says otherwise.
pub const BLOCKING_REVIEWS: usize = 64;

/// A policy that is a plain function. It runs on a thread for blocking work, so a function that takes long delays no other work, and the time
/// limit holds for it. The function itself cannot be stopped: it goes on in the background until it returns.
///
/// A bounded number of calls runs at once, so that calls that hang leave threads for other blocking work. Beyond that, a review waits, and the
/// time of the wait counts. While all of these calls hang, each review has the outcome of [`OnFailure`].
///
/// ```
/// use chatcore::chat::{BlockingPolicy, MessageDraft, Verdict};
///
/// let review = |draft: &MessageDraft| if draft.is_edit { Verdict::Allow } else { Verdict::Hold(None) };
/// let policy = BlockingPolicy::new(review);
/// # let _ = chatcore::Chat::builder(chatcore::MemoryStore::new()).message_policy(policy).build();
/// ```
#[derive(Clone, Debug)]
pub struct BlockingPolicy<F> {
    review: F,
    turns: Arc<Semaphore>,
}

impl<F> BlockingPolicy<F> {
    /// A policy that calls this function, [`BLOCKING_REVIEWS`] times at once at most.
    pub fn new(review: F) -> Self {
        Self { review, turns: Arc::new(Semaphore::new(BLOCKING_REVIEWS)) }
    }

    /// The same with another number of calls at once, 1 at least.
    #[must_use]
    pub fn at_once(self, calls: usize) -> Self {
        Self { turns: Arc::new(Semaphore::new(calls.clamp(1, Semaphore::MAX_PERMITS))), ..self }
    }
}

#[async_trait]
impl<F> MessagePolicy for BlockingPolicy<F>
where
    F: Fn(&MessageDraft) -> Verdict + Clone + Send + Sync + 'static,
{
    async fn review(&self, draft: &MessageDraft) -> Verdict {
        // Nobody closes the semaphore.
        let Ok(turn) = Arc::clone(&self.turns).acquire_owned().await else { return std::future::pending().await };
        let (review, draft) = (self.review.clone(), draft.clone());
        // The turn ends with the call, also where nobody waits for it any more.
        let call = move || {
            let verdict = review(&draft);
            drop(turn);
            verdict
        };
        match tokio::task::spawn_blocking(call).await {
            Ok(verdict) => verdict,
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            // The runtime ends. No verdict comes any more.
            Err(_) => std::future::pending().await,
        }
    }
}

/// A message that is about to be sent or edited.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct MessageDraft {
    /// The author.
    pub principal: Principal,
    /// The session, as the decision knows it.
    pub session: Arc<Session>,
    /// The message as it would be.
    pub body: MessageBody,
    /// Whether the message exists, and would get this content.
    pub is_edit: bool,
}

/// What becomes of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It passes as it is.
    Allow,
    /// It passes with another content. A content that is outside of the limits is refused.
    Change(Content),
    /// It waits until another user who may review messages, such as an owner or admin of the session, approves or rejects it. The text is a
    /// reason for that user, of which the first 500 characters count. An edit cannot wait, and is refused. So is a message in a session where
    /// nobody else can review messages, such as a direct one.
    Hold(Option<String>),
    /// It is refused with the host's code and text.
    Refuse(Refusal),
}

/// What becomes of a message whose review fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnFailure {
    /// It is refused with [`Error::Unavailable`](crate::Error::Unavailable), and a retry is reviewed again.
    #[default]
    Refuse,
    /// It passes.
    Allow,
    /// It waits for approval. An edit is refused, and so is a message that nobody else can approve.
    Hold,
}

/// A message policy with its time limit and its failure mode.
pub(in crate::chat) struct Reviewer {
    pub(in crate::chat) policy: Arc<dyn MessagePolicy>,
    pub(in crate::chat) on_failure: OnFailure,
    pub(in crate::chat) timeout: Duration,
}

impl Reviewer {
    async fn review(&self, draft: &MessageDraft) -> Result<Verdict> {
        let review = AssertUnwindSafe(async { self.policy.review(draft).await }).catch_unwind();
        let failure = match tokio::time::timeout(self.timeout, review).await {
            Ok(Ok(verdict)) => return Ok(verdict),
            Ok(Err(_)) => "it panicked",
            Err(_) => "it took too long",
        };
        tracing::error!(failure, on_failure = ?self.on_failure, "the review of a message failed");
        match self.on_failure {
            OnFailure::Refuse => Err(Error::Unavailable),
            OnFailure::Allow => Ok(Verdict::Allow),
            OnFailure::Hold => Ok(Verdict::Hold(None)),
        }
    }
}

impl fmt::Debug for Reviewer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { policy: _, on_failure, timeout } = self;
        f.debug_struct("Reviewer").field("on_failure", on_failure).field("timeout", timeout).finish_non_exhaustive()
    }
}

impl Chat {
    /// The verdict of the host's message policy; [`Verdict::Allow`] where there is none.
    pub(in crate::chat) async fn review(
        &self,
        principal: &Principal,
        session: &Arc<Session>,
        body: &MessageBody,
        is_edit: bool,
    ) -> Result<Verdict> {
        let Some(reviewer) = &self.inner.reviewer else { return Ok(Verdict::Allow) };
        let (principal, session, body) = (principal.clone(), Arc::clone(session), body.clone());
        reviewer.review(&MessageDraft { principal, session, body, is_edit }).await
    }

    /// Whether a message policy was set.
    pub(in crate::chat) fn has_message_policy(&self) -> bool {
        self.inner.reviewer.is_some()
    }
}
