//! Telling other readers, here or in other processes, that something was committed.

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
/// Hints are best effort. They may be lost, doubled, late and out of order: that costs latency and never correctness,
/// because the log is the truth and is looked at from time to time in any case. Signals are carried as far as
/// the notifier reaches. Events within a hint are believed where they go on without a gap, so a notifier carries only
/// what was committed, and lets only processes of the chat publish.
///
/// Publishing must not wait for readers, and its failure is the notifier's own business: it logs it and goes on.
/// A stream gives the hints of one session that are published after it was made; it may end, and is then asked
/// for again.
#[async_trait]
pub trait Notifier: Send + Sync + 'static {
    /// Tells whoever listens to the hint's session.
    async fn publish(&self, hint: Hint);

    /// The hints of one session from now on.
    async fn listen(&self, session_id: SessionId) -> BoxStream<'static, Hint>;
}
