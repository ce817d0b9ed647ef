//! Use cases that read of many sessions at once, so that a list with its contents costs no more calls than one session.

use futures_util::future::join_all;

use super::Chat;
use crate::{
    error::{Error, Result},
    identity::Principal,
    model::{MessagePage, MessageWindow, Page, Participant, SessionDetails, SessionId, SessionSummary},
};

/// A page of a session's messages, as [`Chat::messages`] gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessagesOf {
    /// Whose.
    pub session_id: SessionId,
    /// Which.
    pub window: MessageWindow,
    /// How many at the most; `None` for the default.
    pub limit: Option<u64>,
}

/// A page of a session's participants, as [`Chat::participants`] gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParticipantsOf {
    /// Whose.
    pub session_id: SessionId,
    /// Which.
    pub page: Page,
    /// Whether e-mail addresses are asked for.
    pub with_email: bool,
}

impl Chat {
    /// Sessions, each as a list shows it, in the order of the ids. An id may stand there more than once.
    ///
    /// The outer error concerns all of it, an inner one its own session only: [`Denied`](Error::Denied) when the caller
    /// may not view it.
    ///
    /// # Errors
    /// [`LimitExceeded`](Error::LimitExceeded) for more than [`batch_max`](crate::Limits::batch_max) ids.
    pub async fn sessions_by_id(
        &self,
        principal: &Principal,
        ids: &[SessionId],
    ) -> Result<Vec<Result<SessionSummary>>> {
        let details = self.details_by_id(principal, ids).await?;
        Ok(details.into_iter().map(|found| found.map(|details| details.summary)).collect())
    }

    /// Sessions with their first participants and newest messages, each as [`session`](Self::session) gives it, in the
    /// order of the ids. An id may stand there more than once.
    ///
    /// # Errors
    /// As [`sessions_by_id`](Self::sessions_by_id).
    pub async fn details_by_id(&self, principal: &Principal, ids: &[SessionId]) -> Result<Vec<Result<SessionDetails>>> {
        self.bounded(ids)?;
        self.enter(principal).await?;
        Ok(join_all(ids.iter().map(|id| self.session(principal, *id))).await)
    }

    /// Pages of messages, each as [`messages`](Self::messages) gives it, in the order asked for. A session may stand
    /// there more than once.
    ///
    /// # Errors
    /// As [`sessions_by_id`](Self::sessions_by_id); a page outside of the limits is an inner error.
    pub async fn messages_of(&self, principal: &Principal, asked: &[MessagesOf]) -> Result<Vec<Result<MessagePage>>> {
        self.bounded(asked)?;
        self.enter(principal).await?;
        let one = |asked: &MessagesOf| self.messages(principal, asked.session_id, asked.window, asked.limit);
        Ok(join_all(asked.iter().map(one)).await)
    }

    /// Pages of participants, each as [`participants`](Self::participants) gives it, in the order asked for. A session may
    /// stand there more than once.
    ///
    /// # Errors
    /// As [`sessions_by_id`](Self::sessions_by_id); a page outside of the limits is an inner error.
    pub async fn participants_of(
        &self,
        principal: &Principal,
        asked: &[ParticipantsOf],
    ) -> Result<Vec<Result<Vec<Participant>>>> {
        self.bounded(asked)?;
        self.enter(principal).await?;
        let one = |asked: &ParticipantsOf| self.participants(principal, asked.session_id, asked.page, asked.with_email);
        Ok(join_all(asked.iter().map(one)).await)
    }

    fn bounded<T>(&self, asked: &[T]) -> Result<()> {
        let max = self.inner.limits.batch_max;
        if asked.len() > max {
            return Err(Error::LimitExceeded { what: "the number of sessions asked for at once", limit: max as u64 });
        }
        Ok(())
    }
}
