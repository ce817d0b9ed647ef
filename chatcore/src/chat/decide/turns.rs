//! The turns of a change that is decided on facts and records: read, decide, plan, commit, and once more after a lost race.

use std::iter;

use super::govern::{Known, Pass};
use crate::chat::{Chat, read::directory::relists};
use crate::{
    error::{Error, Result},
    model::{MessageBody, MessageId, SessionId},
    store::{Change, Committed, Freshness, StoreError},
};

/// Number of lost races after which a change holds the gate of the session. No change of this process that governs the session
/// overtakes it then. Before that it does not hold the gate: of many messages that a change makes stale, all are committed together.
pub(in crate::chat) const OVERTAKEN: u32 = 4;

/// The turns of a change of one message. Each turn holds the gate of the message: two changes of one message would only make each other fail.
pub(in crate::chat) struct MessageTurns<'a> {
    chat: &'a Chat,
    id: MessageId,
    turn: u32,
    message: Option<Pass<MessageId>>,
    session: Option<Pass<SessionId>>,
    /// The message that was reviewed last, and the message after that review.
    reviewed: Option<(MessageBody, MessageBody)>,
}

impl MessageTurns<'_> {
    /// The freshness of the facts that the next turn is decided on; `None` after the last turn.
    pub(in crate::chat) async fn next(&mut self) -> Option<Freshness> {
        let Self { id, turn, .. } = *self;
        if turn >= self.chat.inner.limits.commit_attempts {
            return None;
        }
        if self.session.is_none() {
            // A reply passes the gate of the session before the gate of a message. The other order would be a deadlock.
            self.message = None;
            self.session = self.chat.turn_at_gate(id.session_id, turn).await;
        }
        if self.message.is_none() {
            self.message = Some(self.chat.inner.message_gates.pass(id).await);
        }
        self.turn = turn + 1;
        Some(if turn == 0 { Freshness::Cached } else { Freshness::Fresh })
    }

    /// The message after the review of an earlier turn. Without one the host's message policy has to be asked, and the turn leaves the gate of
    /// the session: a review delays no other message.
    pub(in crate::chat) fn reviewed(&mut self, asked: &MessageBody) -> Option<MessageBody> {
        let reviewed = self.reviewed.as_ref().filter(|(before, _)| before == asked).map(|(_, after)| after.clone());
        if reviewed.is_none() {
            self.session = None;
        }
        reviewed
    }

    /// Keeps the result of a review for the next turns.
    pub(in crate::chat) fn keep_review(&mut self, asked: MessageBody, after: MessageBody) {
        self.reviewed = Some((asked, after));
    }
}

impl Chat {
    /// The turns of a change of a message.
    pub(in crate::chat) fn turns_of(&self, id: MessageId) -> MessageTurns<'_> {
        MessageTurns { chat: self, id, turn: 0, message: None, session: None, reviewed: None }
    }

    /// The turn of a change of messages at the gate of the session. It lets go first those changes that hold the gate or wait at it, since it can
    /// make them fail: replies, pins and reactions expect that no message was deleted meanwhile. It holds the gate only after some lost races:
    /// many changes of messages at once are committed together.
    pub(in crate::chat) async fn turn_at_gate(&self, session: SessionId, turn: u32) -> Option<Pass<SessionId>> {
        let gate = self.inner.gates.pass(session).await;
        (turn >= OVERTAKEN).then_some(gate)
    }

    /// The turns of a change, each with the freshness of the facts that it is decided on: cached facts first, then fresh ones.
    pub(in crate::chat) fn turns(&self) -> impl Iterator<Item = Freshness> + Send + use<> {
        let turns = usize::try_from(self.inner.limits.commit_attempts).unwrap_or(usize::MAX);
        iter::once(Freshness::Cached).chain(iter::repeat(Freshness::Fresh)).take(turns)
    }

    /// Commits a change; `None` where its facts are stale or one of its expectations does not hold, so that the next turn begins.
    ///
    /// A change with an expectation whose failure is an answer (a client id that is used) commits by itself.
    pub(in crate::chat) async fn try_commit(&self, change: Change) -> Result<Option<Committed>> {
        match self.inner.store.commit(change).await {
            Ok(committed) => Ok(Some(committed)),
            Err(StoreError::Stale | StoreError::Conflict { found: _ }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The same for a change that may put its session into the public list or take it out.
    pub(in crate::chat) async fn try_commit_listed(&self, known: &Known, change: Change) -> Result<Option<Committed>> {
        let relists = relists(known.session().ok(), &change.writes);
        let committed = self.try_commit(change).await;
        if relists {
            self.inner.listings.changed();
        }
        committed
    }
}

/// The error of a change that lost the race in each of its turns.
pub(in crate::chat) fn behind(session: SessionId, change: &'static str) -> Error {
    tracing::warn!(%session, change, "a change stayed behind others");
    Error::Unavailable
}
