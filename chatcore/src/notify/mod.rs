//! Telling other readers, here or in other processes, that something was committed.

#[cfg(feature = "conformance")]
pub mod conformance;
mod in_process;

use std::sync::Arc;

use async_trait::async_trait;
use futures_util::stream::BoxStream;

pub use in_process::InProcessNotifier;

use crate::model::{Event, Seq, SessionId, Signal};

/// What readers of a session are told.
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
}

impl Hint {
    /// The session whose readers are meant.
    #[must_use]
    pub const fn session_id(&self) -> SessionId {
        match self {
            Self::Committed { session_id, .. } => *session_id,
            Self::Signal(signal) => signal.session_id(),
        }
    }
}

/// Carries hints.
///
/// # Contract
/// **A hint comes back.** A stream that [`listen`](Self::listen) gave gets each hint of its session that is published
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
/// `conformance` (feature `conformance`) has a test of the first two.
#[async_trait]
pub trait Notifier: Send + Sync + 'static {
    /// Hands a hint to every stream of its session, in this process and in others.
    async fn publish(&self, hint: Hint);

    /// The hints of one session that are published from now on, by this process or by another one.
    async fn listen(&self, session_id: SessionId) -> BoxStream<'static, Hint>;
}

#[async_trait]
impl<N: Notifier + ?Sized> Notifier for Arc<N> {
    async fn publish(&self, hint: Hint) {
        (**self).publish(hint).await;
    }

    async fn listen(&self, session_id: SessionId) -> BoxStream<'static, Hint> {
        (**self).listen(session_id).await
    }
}
