//! What a host adds to the permission engine: a check of its own.

use std::{fmt, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use async_trait::async_trait;
use futures_util::FutureExt as _;

use super::scope::{is_scoped, within};
use crate::chat::{Chat, sessions::CreateSession};
use crate::{
    error::{Error, Refusal, Result},
    identity::Principal,
    model::{MessageBody, Session, UserId},
    permission::Action,
    store::ParticipantRecord,
};

/// The host's own check of every use case: quotas, moderation, bans, read-only hours.
///
/// A policy can only forbid. The chat calls the policy after the permission table and the [scope](crate::identity::Scope) of the caller's
/// token allow the use case, and before a commit or an answer.
///
/// ```
/// use chatcore::chat::{Attempt, CreateSession, Operation, Policy, SendMessage};
/// use chatcore::error::Refusal;
/// use chatcore::model::{Content, UserId};
/// use chatcore::permission::Action;
/// use chatcore::{Chat, Error, MemoryStore, Principal};
///
/// struct NoLinks;
///
/// #[chatcore::async_trait]
/// impl Policy for NoLinks {
///     async fn check(&self, attempt: &Attempt<'_>) -> Result<(), Refusal> {
///         match attempt.operation {
///             Operation::InSession { action: Action::Send, body: Some(body), .. } => match &body.content {
///                 Content::Text(text) if text.contains("://") => Err(Refusal::new("LINKS_FORBIDDEN", "leave the link out")),
///                 _ => Ok(()),
///             },
///             _ => Ok(()),
///         }
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let chat = Chat::builder(MemoryStore::new()).policy(NoLinks).build();
/// let alice = Principal::new(UserId::new("alice")?);
/// let id = chat.create_session(&alice, CreateSession::titled("Lobby")).await?.summary.session.id;
/// let refused = chat.send(&alice, id, SendMessage::text("look: https://example.com")).await.unwrap_err();
/// assert_eq!((refused.name(), refused.code().status()), ("LINKS_FORBIDDEN", 403));
/// # Ok(())
/// # }
/// ```
///
/// # Contract
/// **One use case may ask several times**: a change that loses a race is decided again, and a batch calls the policy concurrently, once for
/// each session. So a check must not count calls; a check compares with known state.
///
/// **It fails closed.** A check that takes longer than [`Limits::policy_timeout`](crate::Limits::policy_timeout), or panics,
/// refuses with [`Error::Unavailable`](crate::Error::Unavailable), and nothing was changed. The chat then drops the future of
/// the check.
///
/// **Every use case waits for the check.** Other changes of the same session wait during the check of a change, so a check must be fast. A
/// check must not call a use case of the same chat, since the policy would check that use case in turn.
///
/// **A stream is checked at its start.** To end an open stream, the host removes the participant.
///
/// **An incoming webhook is checked like a participant who sends a message**, with the author of the webhook as the principal
/// ([`WebhookId::author`](crate::model::WebhookId::author)) and without a participant.
///
/// **A list is checked as a whole**, and not for each of its sessions. Posts of the host by [`Chat::post_system`] are not checked.
#[async_trait]
pub trait Policy: Send + Sync + 'static {
    /// Allows or refuses an attempt.
    async fn check(&self, attempt: &Attempt<'_>) -> Result<(), Refusal>;
}

#[async_trait]
impl<P: Policy + ?Sized> Policy for Arc<P> {
    async fn check(&self, attempt: &Attempt<'_>) -> Result<(), Refusal> {
        (**self).check(attempt).await
    }
}

/// A caller and the requested operation.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Attempt<'a> {
    /// The caller.
    pub principal: &'a Principal,
    /// The operation.
    pub operation: Operation<'a>,
}

impl<'a> Attempt<'a> {
    /// An attempt, for a host that tests its policy.
    #[must_use]
    pub const fn new(principal: &'a Principal, operation: Operation<'a>) -> Self {
        Self { principal, operation }
    }
}

/// The operation of a caller. The permission engine has allowed the operation.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Operation<'a> {
    /// Read the caller's own profile.
    ReadOwnProfile,
    /// Create a session.
    CreateSession(&'a CreateSession),
    /// List the sessions that the caller is in.
    ListSessions,
    /// List the public sessions that the caller could join.
    ListPublicSessions,
    /// Block users, or see and end the caller's blocks.
    ManageBlocks,
    /// See, create or delete the caller's bots, or their tokens.
    ManageBots,
    /// Change the commands that the caller, a bot, offers.
    SetCommands,
    /// List the caller's own requests to join sessions.
    ListOwnJoinRequests,
    /// List the messages that mention the caller. The policy also checks each of these sessions, as [`Action::View`].
    ListMentions,
    /// Follow all sessions that the caller is in. The policy also checks each session, as [`Action::View`].
    FollowSessions,
    /// See the presence of the caller, or of users who share a session with the caller. The presence in one session is checked as
    /// [`Action::View`].
    SeePresence,
    /// Choose the caller's own presence.
    SetPresence,
    /// See or change the caller's own settings.
    ManageSettings,
    /// Administer the system, in any way.
    Administer,
    /// Act in a session.
    InSession {
        /// The session, as the decision knows it.
        session: &'a Session,
        /// The caller's record in the session; `None` for a user who never was in the session.
        participant: Option<&'a ParticipantRecord>,
        /// The action.
        action: Action,
        /// The target of the action, where the action has one.
        target: Option<&'a UserId>,
        /// The message, where the action sends one. A typing signal is [`Action::Send`] without a message.
        body: Option<&'a MessageBody>,
    },
}

/// A policy with its time limit.
pub(in crate::chat) struct Guard {
    policy: Arc<dyn Policy>,
    timeout: Duration,
}

impl Guard {
    pub(in crate::chat) fn new(policy: Arc<dyn Policy>, timeout: Duration) -> Self {
        Self { policy, timeout }
    }

    async fn check(&self, attempt: &Attempt<'_>) -> Result<()> {
        let check = AssertUnwindSafe(async { self.policy.check(attempt).await }).catch_unwind();
        match tokio::time::timeout(self.timeout, check).await {
            Ok(Ok(Ok(()))) => Ok(()),
            Ok(Ok(Err(refusal))) => Err(Error::RefusedByHost(refusal)),
            Ok(Err(_)) => {
                tracing::error!("the policy panicked; the attempt is refused");
                Err(Error::Unavailable)
            }
            Err(_) => {
                tracing::warn!(timeout = ?self.timeout, "the policy took too long; the attempt is refused");
                Err(Error::Unavailable)
            }
        }
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard").field("timeout", &self.timeout).finish_non_exhaustive()
    }
}

impl Chat {
    /// Asks the scope of the caller's token, and then the host's policy, where there are such.
    pub(in crate::chat) async fn permit(&self, principal: &Principal, operation: Operation<'_>) -> Result<()> {
        within(principal, &operation)?;
        match &self.inner.guard {
            Some(guard) => guard.check(&Attempt { principal, operation }).await,
            None => Ok(()),
        }
    }

    /// Whether [`permit`](Self::permit) asks anything.
    pub(in crate::chat) fn must_permit(&self, principal: &Principal) -> bool {
        self.inner.guard.is_some() || is_scoped(principal)
    }
}
