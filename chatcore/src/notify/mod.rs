//! Telling other readers, here or in other processes, that something was committed.

#[cfg(feature = "conformance")]
pub mod conformance;
mod in_process;

use std::sync::Arc;

use async_trait::async_trait;
use futures_util::stream::BoxStream;

pub use in_process::InProcessNotifier;

use crate::model::{Event, Notice, Seq, SessionId, Signal, UserId};

/// For which readers a hint is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Topic {
    /// The readers of a session.
    Session(SessionId),
    /// The streams of a user, in all sessions.
    User(UserId),
    /// The processes that have streams of users, for changes of standings, and for signals to all connections of a user.
    Standings,
    /// The connections of all users.
    Everybody,
    /// The processes that have readers of presence.
    Presence,
}

impl From<SessionId> for Topic {
    fn from(session_id: SessionId) -> Self {
        Self::Session(session_id)
    }
}

/// What readers are told.
#[derive(Debug, Clone, PartialEq)]
pub enum Hint {
    /// The log grew.
    Committed {
        /// Whose log.
        session_id: SessionId,
        /// Its end after that commit.
        head: Seq,
        /// What was committed, if the notifier carries it. Used only where it goes on without a gap.
        events: Vec<Arc<Event>>,
    },
    /// A signal. It exists only as a hint.
    Signal(Signal),
    /// A user came into a session. The streams of all sessions of that user follow it at once. A hint that is lost costs them
    /// up to [`Limits::membership_interval`](crate::Limits::membership_interval).
    Arrived {
        /// Who came.
        user_id: UserId,
        /// Into which session.
        session_id: SessionId,
        /// Whether the user made or joined it. Otherwise somebody else added the user.
        is_own: bool,
    },
    /// A user's standing in the whole system changed: a login ended, tokens were revoked, the account was banned, unbanned or
    /// deleted. Processes read the standing at once. A hint that is lost costs them up to
    /// [`Limits::standing_age`](crate::Limits::standing_age).
    Revoked {
        /// The user.
        user_id: UserId,
    },
    /// A notice to all users. It exists only as a hint.
    Notice(Notice),
    /// The presence of users changed. Processes with readers of presence read it. A hint that is lost costs them up to
    /// [`Limits::presence_interval`](crate::Limits::presence_interval).
    Presence {
        /// The process that recorded the changes.
        process: String,
        /// The number of times that this process recorded changes, this one included. So what was heard is not looked for once more.
        turn: u64,
        /// The users who came or went, at most some hundred.
        moved: Vec<UserId>,
        /// The users who chose something else, at most some hundred.
        chose: Vec<UserId>,
    },
}

impl Hint {
    /// For which readers it is.
    #[must_use]
    pub fn topic(&self) -> Topic {
        match self {
            Self::Committed { session_id, .. } => Topic::Session(*session_id),
            Self::Signal(signal) if signal.is_for_connections() => Topic::Standings,
            Self::Signal(signal) => Topic::Session(signal.session_id()),
            Self::Arrived { user_id, .. } => Topic::User(user_id.clone()),
            Self::Revoked { .. } => Topic::Standings,
            Self::Notice(_) => Topic::Everybody,
            Self::Presence { .. } => Topic::Presence,
        }
    }
}

/// Carries hints.
///
/// # Contract
/// **A hint comes back.** A stream that [`listen`](Self::listen) gave gets each hint of its [topic](Hint::topic) that is published
/// after the stream was made: a hint that this same notifier publishes, and a hint from another process that the
/// notifier reaches. That holds for events and for signals. Readers in the same process have no other source: without
/// their own process' hints they wait for the next poll ([`Limits::poll_interval`](crate::Limits::poll_interval)), and
/// they never see a signal. A bus that does not return a process' own messages hands them over within the process;
/// [`InProcessNotifier`] does that part.
///
/// **Each hint comes once.** A bus that returns a process' own messages does not hand them over within the process as
/// well: a doubled hint of events costs little, and a doubled signal is shown twice.
///
/// **Best effort.** A hint may be lost, doubled, late and out of order when something fails: that costs latency and never
/// correctness, because the log is the truth and is looked at from time to time in any case. A signal that is lost is
/// gone. Events within a hint are believed where they go on without a gap, so a notifier carries only what was
/// committed, and lets only processes of the chat publish.
///
/// **No waiting.** Publishing must not wait for readers, and its failure is the notifier's own business: the notifier
/// logs the failure and goes on. A stream may end, and the chat then asks for another one.
///
/// `notifier_conformance!` (feature `conformance`) tests all of it but other processes.
#[async_trait]
pub trait Notifier: Send + Sync + 'static {
    /// Hands a hint to every stream of its topic, in this process and in others.
    async fn publish(&self, hint: Hint);

    /// The hints of one topic that are published from now on, by this process or by another one.
    async fn listen(&self, topic: Topic) -> BoxStream<'static, Hint>;
}

#[async_trait]
impl<N: Notifier + ?Sized> Notifier for Arc<N> {
    async fn publish(&self, hint: Hint) {
        (**self).publish(hint).await;
    }

    async fn listen(&self, topic: Topic) -> BoxStream<'static, Hint> {
        (**self).listen(topic).await
    }
}
