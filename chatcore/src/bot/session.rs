//! The work in one session: the next events of its log, and the handlers that they call, one after the other.

use std::{
    panic::AssertUnwindSafe,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use futures_util::FutureExt as _;
use tokio::time::timeout;

use super::{BotError, BotFailure, Context, Interrupted, handlers::Call, runner::Shared};
use crate::{
    chat::EventPage,
    error::Error,
    model::{Cursor, Seq, SessionId},
    permission::Denial,
    store::{BotCursors, ChatStoreExt as _},
};

/// Events that are taken from a log at once.
const TAKEN: u64 = 32;

/// How the work in a session ended for now.
pub(super) enum Outcome {
    /// The bot has come to the end of the log.
    Idle,
    /// There are more events. Other sessions have their turn first.
    More,
    /// The next event was tried so often, and is tried again after this time.
    Again { attempts: u32, after: Duration },
    /// The bot is not in the session.
    Gone,
}

/// What came of one run of a handler.
enum Ran {
    Done,
    /// It says nothing about the event: the chat was not available, or the bot is being stopped.
    Later(Duration),
    Failed(BotError),
}

/// Whether a handler gets this error where the bot may no longer read the session, or no longer act at all.
fn may_end_bot(error: &Error) -> bool {
    matches!(error, Error::Denied(Denial::Hidden | Denial::NotParticipant)) || error.ends_login()
}

/// Events that were taken from a log and are not done with.
struct Taken<'a> {
    shared: &'a Shared,
    left: usize,
}

impl<'a> Taken<'a> {
    fn new(shared: &'a Shared, number: usize) -> Self {
        shared.taken.fetch_add(number, Ordering::SeqCst);
        Self { shared, left: number }
    }

    fn done(&mut self) {
        self.left = self.left.saturating_sub(1);
        self.shared.taken.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        self.shared.taken.fetch_sub(self.left, Ordering::SeqCst);
    }
}

impl Shared {
    /// Handles the next events of a session. The first of them was tried `attempts` times.
    pub(super) async fn work(self: Arc<Self>, session: SessionId, mut attempts: u32) -> Outcome {
        let page = self.chat.page_for_bot(&self.principal, session, self.cursors.at(session), TAKEN).await;
        let page = match page {
            Ok(page) => page,
            Err(error) => return self.refused(session, &error, attempts).await,
        };
        let (next, head) = (page.next(), page.head);
        let EventPage { events, .. } = page;
        if events.is_empty() {
            // A session without an event yet begins here, also after a restart.
            self.cursors.reach(session, next, false);
        }
        let mut taken = Taken::new(&self, events.len());
        for view in events {
            let at = view.event.cursor();
            let Some(call) = self.handlers.call(&view, &self.principal.user_id) else {
                self.cursors.reach(session, at, false);
                taken.done();
                // The event that was tried may have been deleted meanwhile.
                attempts = 0;
                continue;
            };
            drop(view);
            if *self.stopping().borrow() {
                return Outcome::More;
            }
            match self.run(&call, (session, at.seq), attempts + 1).await {
                Ran::Done => {}
                Ran::Later(after) => return Outcome::Again { attempts, after },
                Ran::Failed(error) => {
                    attempts += 1;
                    if attempts < self.options.attempts {
                        return Outcome::Again { attempts, after: self.pause(attempts) };
                    }
                    self.give_up(BotFailure { session_id: session, seq: at.seq, attempts, error });
                }
            }
            attempts = 0;
            self.cursors.reach(session, at, true);
            taken.done();
        }
        if next.seq < head.seq { Outcome::More } else { Outcome::Idle }
    }

    /// What follows where the log cannot be read.
    async fn refused(&self, session: SessionId, error: &Error, attempts: u32) -> Outcome {
        let after = match error {
            // The stream tells when the bot may read the session again.
            Error::Denied(_) | Error::RefusedByHost(_) => return Outcome::Gone,
            Error::Resync { oldest, head } => {
                // The record is of the same history as the log, also where the database was replaced by an older copy.
                let key = BotCursors { user: self.principal.user_id.clone(), session };
                if let Ok(found) = self.chat.store().get(&key).await {
                    let seq = found.map_or(0, |found| found.value.seq).clamp(*oldest, (*head).max(*oldest));
                    tracing::warn!(%session, seq, "the log does not continue where a bot was; the bot goes on elsewhere");
                    self.cursors.reach(session, Cursor::from(seq), false);
                }
                self.options.first_pause
            }
            Error::Unavailable => self.options.first_pause,
            error => {
                tracing::warn!(%session, %error, "a bot cannot read a session; trying again");
                self.options.longest_pause
            }
        };
        Outcome::Again { attempts, after }
    }

    /// Runs a handler once.
    async fn run(self: &Arc<Self>, call: &Call, (session, seq): (SessionId, Seq), attempt: u32) -> Ran {
        let context = Context::new(self, (session, seq), call.message().map(|message| message.id), attempt);
        let handling = async { call.start(context.clone()).await };
        let limited = timeout(self.options.handler_time, AssertUnwindSafe(handling).catch_unwind());
        let error: BotError = match limited.await {
            Ok(Ok(Ok(()))) => {
                context.close().await;
                return Ran::Done;
            }
            Ok(Ok(Err(error))) => error,
            Ok(Err(_)) => Interrupted::Panicked.into(),
            Err(_) => Interrupted::TimedOut.into(),
        };
        context.close().await;
        if *self.stopping().borrow() {
            return Ran::Later(self.options.first_pause);
        }
        // The bot itself has lost the right. An error about another session or another user is a failure like any other.
        if error.downcast_ref::<Error>().is_some_and(may_end_bot) && !self.may_read(session).await {
            return Ran::Later(self.options.first_pause);
        }
        match error.downcast_ref::<Error>() {
            // The answer waits for a moderator, or nobody waits for it.
            Some(Error::MessageHeld | Error::MessageDeleted) => Ran::Done,
            Some(Error::RateLimited { retry_after }) => Ran::Later(Duration::from_secs(*retry_after)),
            Some(Error::Unavailable | Error::OutcomeUnknown) => Ran::Later(self.options.first_pause),
            Some(_) | None => {
                tracing::warn!(%session, seq, attempt, %error, "a handler of a bot failed");
                Ran::Failed(error)
            }
        }
    }

    /// Whether the bot can read a session now.
    async fn may_read(&self, session: SessionId) -> bool {
        self.chat.page_for_bot(&self.principal, session, self.cursors.at(session), 1).await.is_ok()
    }

    /// The pause after so many attempts.
    fn pause(&self, attempts: u32) -> Duration {
        let doubled = 1_u32.checked_shl(attempts.saturating_sub(1)).unwrap_or(u32::MAX);
        self.options.first_pause.saturating_mul(doubled).min(self.options.longest_pause)
    }

    fn give_up(&self, failure: BotFailure) {
        let BotFailure { session_id, seq, attempts, error } = &failure;
        tracing::error!(session = %session_id, seq, attempts, %error, "a bot gives an event up");
        let Some(hook) = &self.handlers.failure else { return };
        if std::panic::catch_unwind(AssertUnwindSafe(|| hook(&failure))).is_err() {
            tracing::error!("the hook for failures of a bot panicked");
        }
    }
}
