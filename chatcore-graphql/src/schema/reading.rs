//! The caller's read state, with its mutations.

use async_graphql::{Context, Enum, ID, InputObject, Object, Result, SimpleObject};
use chatcore::{
    chat, model,
    wire::{self, MarkAllRead},
};

use super::{
    Fallible as _, Use,
    scalar::{Long, message_id, session_id},
};

/// The order of the caller's sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "chat::SessionOrder")]
pub(super) enum SessionOrder {
    /// The newest session first.
    Newest,
    /// The session with the latest event first. The caller may be in 1,000 sessions at the most.
    Activity,
}

/// The order of the public list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "chat::PublicOrder")]
pub(super) enum PublicSessionOrder {
    /// The newest session first.
    Newest,
    /// Alphabetical order of the titles, character by character, without a distinction of case.
    Title,
    /// The session with the most participants first.
    Participants,
    /// The session with the latest event first.
    Activity,
}

/// The number of messages of a session that the caller has not read. Messages that the caller sent as `USER` do not count; deleted messages
/// count.
#[derive(Debug, Clone, SimpleObject)]
pub(super) struct Unread {
    /// The number of messages. An inexact number is an upper bound.
    count: Long,
    /// Whether `count` is exact: the read marker is among the last 100 events of the session. A client shows a count that is not exact as,
    /// for instance, `99+`.
    is_exact: bool,
}

impl From<model::Unread> for Unread {
    fn from(model::Unread { count, is_exact }: model::Unread) -> Self {
        Self { count: Long(count), is_exact }
    }
}

/// The number of messages of a session that mention the caller and that the caller has not read.
#[derive(Debug, Clone, SimpleObject)]
pub(super) struct UnreadMentions {
    /// The number of messages among the caller's 100 newest mentions. An inexact number is a lower bound.
    count: Long,
    /// Whether `count` is exact: the caller has no unread message in the session, or at most 99 mentions in all sessions.
    is_exact: bool,
}

impl From<model::UnreadMentions> for UnreadMentions {
    fn from(model::UnreadMentions { count, is_exact }: model::UnreadMentions) -> Self {
        Self { count: Long(count), is_exact }
    }
}

/// How far the caller has read a session.
#[derive(Debug, Clone, SimpleObject)]
pub(super) struct ReadState {
    /// The session.
    session_id: ID,
    /// The position up to which the caller has read. `messages` with this position as `after` begins with the first unread message.
    read_upto: Long,
    /// The messages that are unread.
    unread: Unread,
}

impl From<model::ReadState> for ReadState {
    fn from(model::ReadState { session_id, read_upto, unread }: model::ReadState) -> Self {
        Self { session_id: ID(session_id.to_string()), read_upto: Long(read_upto), unread: unread.into() }
    }
}

/// The caller's read marker moved: another device of the caller has read, or marked as unread. This signal is not in the log.
#[derive(Debug, Clone, SimpleObject)]
pub(super) struct ReadMarker {
    /// The session.
    session_id: ID,
    /// The position up to which the caller has read now.
    read_upto: Long,
    /// The messages that are unread.
    unread: Unread,
}

impl From<model::ReadState> for ReadMarker {
    fn from(state: model::ReadState) -> Self {
        let ReadState { session_id, read_upto, unread } = state.into();
        Self { session_id, read_upto, unread }
    }
}

/// The result of marking all sessions as read.
#[derive(Debug, Clone, SimpleObject)]
struct AllRead {
    /// The number of sessions whose marker moved.
    marked: Long,
    /// The last processed session, after which the next call continues; null without a session.
    last: Option<ID>,
    /// Whether no session is left.
    is_done: bool,
}

/// The position up to which a session is read: `seq` or `messageId`.
#[derive(InputObject)]
struct MarkReadInput {
    /// The session.
    session_id: ID,
    /// A position of the session's log, from 1 on.
    seq: Option<Long>,
    /// A message of the session.
    message_id: Option<ID>,
}

/// The first message that is to be unread.
#[derive(InputObject)]
struct MarkUnreadFromInput {
    /// The message.
    message_id: ID,
}

/// The session after which to continue to mark all sessions as read.
#[derive(InputObject)]
struct MarkAllReadInput {
    /// The `last` of the previous answer; absent in the first call.
    after: Option<ID>,
}

/// How far the caller has read.
#[derive(SimpleObject)]
struct MarkReadPayload {
    /// How far the caller has read.
    state: ReadState,
}

/// How far the caller has read.
#[derive(SimpleObject)]
struct MarkUnreadFromPayload {
    /// How far the caller has read.
    state: ReadState,
}

/// The result of marking all sessions as read.
#[derive(SimpleObject)]
struct MarkAllReadPayload {
    /// The processed sessions.
    sessions: AllRead,
}

/// Mutations of the caller's read state.
#[derive(Default)]
pub(super) struct ReadingMutation;

/// Mutations of the caller's read state.
#[Object]
impl ReadingMutation {
    /// Mark a session as read up to a position or a message. A marker only moves forward: an earlier position changes nothing.
    async fn mark_read(&self, context: &Context<'_>, input: MarkReadInput) -> Result<Option<MarkReadPayload>> {
        let call = Use::of(context)?;
        let id = session_id(&input.session_id).or_field_error()?;
        let upto = wire::MarkRead::of(input.seq.map(|Long(seq)| seq), input.message_id.map(|ID(id)| id));
        let upto = upto.command().or_field_error()?;
        let state = call.chat.mark_read(call.principal, id, upto).await.or_field_error()?;
        Ok(Some(MarkReadPayload { state: state.into() }))
    }

    /// Mark a message and all after it as unread. Messages from before the caller's join stay read.
    async fn mark_unread_from(
        &self,
        context: &Context<'_>,
        input: MarkUnreadFromInput,
    ) -> Result<Option<MarkUnreadFromPayload>> {
        let call = Use::of(context)?;
        let id = message_id(&input.message_id).or_field_error()?;
        let state = call.chat.mark_unread_from(call.principal, id).await.or_field_error()?;
        Ok(Some(MarkUnreadFromPayload { state: state.into() }))
    }

    /// Mark the sessions in which the caller is as read, newest first, 1,000 in one call. Until `isDone`, the next call continues with `last` as
    /// `after`. A retry is safe.
    async fn mark_all_read(
        &self,
        context: &Context<'_>,
        input: MarkAllReadInput,
    ) -> Result<Option<MarkAllReadPayload>> {
        let call = Use::of(context)?;
        let after = MarkAllRead::after(input.after.map(|ID(id)| id)).command().or_field_error()?;
        let done = call.chat.mark_all_read(call.principal, after).await.or_field_error()?;
        let model::AllRead { marked, last, is_done } = done;
        let sessions = AllRead { marked: Long(marked), last: last.map(|id| ID(id.to_string())), is_done };
        Ok(Some(MarkAllReadPayload { sessions }))
    }
}
