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
/// The chat calls the policy after the permission table and the [`Policy`](crate::chat::Policy) allow the message, and before the links and
/// mentions of the text are computed. So a changed text has its own links and mentions.
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
/// **The policy reviews each message of a user**: sends on all transports, scheduled messages at the send time, copies of forwarded
/// messages, and edits; and each message of an incoming webhook, whose author is [`WebhookId::author`](crate::model::WebhookId::author).
/// The policy does not review posts of the host by [`Chat::post_system`], and approved held messages.
///
/// **The policy reviews a streamed message up to three times.** For a message with metadata, the policy reviews the metadata at the start,
/// with an empty text: a held message is refused. At the end the policy reviews the complete text. Readers have already seen the parts: for
/// a held or refused text, the chat removes the text and the metadata, and the message ends as failed. The explanation of a failure
/// ([`FailMessage`](crate::chat::FailMessage)) is a separate draft with the explanation as the text: a held or refused explanation is left
/// out. [`Policy`](crate::chat::Policy) checks each part.
///
/// **A failure of the review has a stated outcome.** A review that takes longer than
/// [`Limits::policy_timeout`](crate::Limits::policy_timeout), or panics, has the outcome of [`OnFailure`]. The chat drops the future of a
/// late review.
///
/// **A review delays only its own message.** No other message and no other session waits for the review. A [`BlockingPolicy`] has a limit
/// of concurrent calls; a message beyond the limit waits.
///
/// **A retry may be reviewed again.** A retry of a message that was sent returns the first result, whatever the second verdict is.
#[async_trait]
pub trait MessagePolicy: Send + Sync + 'static {
    /// Decides the verdict on a message.
    async fn review(&self, draft: &MessageDraft) -> Verdict;
}

#[async_trait]
impl<P: MessagePolicy + ?Sized> MessagePolicy for Arc<P> {
    async fn review(&self, draft: &MessageDraft) -> Verdict {
        (**self).review(draft).await
    }
}

/// Default maximum number of concurrent calls of a [`BlockingPolicy`]; see [`at_once`](BlockingPolicy::at_once).
pub const BLOCKING_REVIEWS: usize = 64;

/// A policy that is a plain function. The function runs on a thread for blocking work, so a slow function delays no other work, and the
/// timeout applies. The function itself cannot be cancelled: the function continues in the background until its return.
///
/// The number of concurrent calls is bounded, so that blocked calls leave threads for other blocking work. Beyond the bound, a review
/// waits, and the wait counts towards the timeout. While all of these calls are blocked, each review has the outcome of [`OnFailure`].
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
    /// A policy that calls this function, with at most [`BLOCKING_REVIEWS`] concurrent calls.
    pub fn new(review: F) -> Self {
        Self { review, turns: Arc::new(Semaphore::new(BLOCKING_REVIEWS)) }
    }

    /// Sets the maximum number of concurrent calls, at least 1.
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
    /// The message after the send or the edit.
    pub body: MessageBody,
    /// Whether the draft is an edit of an existing message.
    pub is_edit: bool,
}

/// The verdict on a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The message passes without a change.
    Allow,
    /// The message passes with another content. A content outside of the limits is refused.
    Change(Content),
    /// The message waits until another user who may review messages, such as an owner or admin of the session, approves or rejects the
    /// message. The text is a reason for that user, truncated to 500 characters. An edit cannot wait, and is refused. A message in a
    /// session without another reviewer, such as a direct session, is also refused.
    Hold(Option<String>),
    /// The message is refused with the host's code and text.
    Refuse(Refusal),
}

/// The outcome for a message whose review fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnFailure {
    /// The message is refused with [`Error::Unavailable`](crate::Error::Unavailable). A retry is reviewed again.
    #[default]
    Refuse,
    /// The message passes.
    Allow,
    /// The message waits for approval. An edit is refused, and so is a message without another reviewer.
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
