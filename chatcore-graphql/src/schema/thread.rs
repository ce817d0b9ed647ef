//! Threads, with their queries and mutations.

use std::sync::Arc;

use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};
use chatcore::model;

use super::{
    Fallible as _, Use,
    connection::{FollowedThreadConnection, List, ThreadConnection, listed},
    message::Message,
    reading::Unread,
    scalar::{DateTime, Long, message_id, session_id},
};

/// The replies in the thread that a message began.
#[derive(Debug, Clone)]
pub(super) struct Thread(pub(super) model::ThreadSummary);

/// The replies in the thread that a message began. Deleted replies do not count.
#[Object]
impl Thread {
    /// The number of replies.
    async fn reply_count(&self) -> Long {
        Long(self.0.replies)
    }

    /// The last reply; null without replies.
    async fn last_reply(&self) -> Option<LastReply> {
        self.0.last.map(LastReply)
    }

    /// Whether the caller follows the thread. Only `threads`, `followedThreads` and `thread` have this value; null elsewhere.
    async fn is_followed(&self) -> Option<bool> {
        self.0.is_followed
    }
}

/// Whether the caller follows a thread, and how far the caller has read it. In a subscription, this signal reports a change on this device
/// or on another one, and is not in the log.
#[derive(Debug, Clone, SimpleObject)]
pub(super) struct ThreadState {
    /// The session.
    session_id: ID,
    /// The id of the message that began the thread.
    thread_root: ID,
    /// Whether the caller follows the thread.
    is_followed: bool,
    /// The position in the session's log up to which the caller has read the thread.
    read_upto: Long,
    /// The replies after this position that the caller did not send as `USER`, including deleted replies. The number is exact where at most
    /// 100 replies stand after the position.
    unread: Unread,
}

impl From<model::ThreadState> for ThreadState {
    fn from(state: model::ThreadState) -> Self {
        let model::ThreadState { session_id, thread_root, is_followed, read_upto, unread } = state;
        Self {
            session_id: ID(session_id.to_string()),
            thread_root: ID(thread_root.to_string()),
            is_followed,
            read_upto: Long(read_upto),
            unread: unread.into(),
        }
    }
}

/// A thread that the caller follows.
#[derive(SimpleObject)]
pub(super) struct FollowedThread {
    /// The message that began the thread. The `thread` of the message has the number of replies and the last reply.
    message: Message,
    /// The position in the session's log up to which the caller has read the thread.
    read_upto: Long,
    /// The replies after this position that the caller did not send.
    unread: Unread,
}

impl FollowedThread {
    /// With what the message can be loaded by.
    pub(super) fn new(thread: model::FollowedThread, message: impl Fn(model::Message) -> Message) -> Self {
        let model::FollowedThread { root, state } = thread;
        let model::ThreadState { session_id: _, thread_root: _, is_followed: _, read_upto, unread } = state;
        Self { message: message(root), read_upto: Long(read_upto), unread: unread.into() }
    }
}

/// The last reply of a thread.
#[derive(Debug, Clone, Copy)]
pub(super) struct LastReply(model::LastReply);

/// The last reply of a thread.
#[Object]
impl LastReply {
    /// The id of the reply.
    async fn id(&self) -> ID {
        ID(self.0.id.to_string())
    }

    /// The position of the reply in the session's log.
    async fn seq(&self) -> Long {
        Long(self.0.id.seq)
    }

    /// The time at which the reply was sent.
    async fn created_at(&self) -> DateTime {
        DateTime(self.0.at)
    }
}

/// Queries of threads.
#[derive(Default)]
pub(super) struct ThreadQuery;

/// Queries of threads.
#[Object]
impl ThreadQuery {
    /// The thread that a message belongs to: the message that began it, and then the replies, oldest first. A deleted message stays in
    /// its place without its content. At most 100 at a time, 50 by default.
    #[graphql(complexity = "listed(first, None, child_complexity)")]
    async fn thread(
        &self,
        context: &Context<'_>,
        #[graphql(name = "messageId", desc = "A message of the thread.")] message: ID,
        #[graphql(desc = "The maximum number of entries.")] first: Option<i32>,
        #[graphql(desc = "The cursor of the entry after which to begin.")] after: Option<String>,
    ) -> Result<Option<ThreadConnection>> {
        let call = Use::of(context)?;
        let id = message_id(&message).or_field_error()?;
        let list = List::thread(id);
        let page = list.page(first, after.as_deref()).or_field_error()?;
        let found = call.chat.thread(call.principal, id, page).await.or_field_error()?;
        let loads = call.loads();
        let node = |message| Message { message, loads: Arc::clone(&loads) };
        Ok(Some(list.of_messages(&page, found, |message| message.id, node)))
    }

    /// The threads of a session, each with the message that began the thread, the thread with the newest reply first. Threads whose replies
    /// are all deleted are left out. At most 100 at a time, 50 by default.
    #[graphql(complexity = "listed(first, None, child_complexity)")]
    async fn threads(
        &self,
        context: &Context<'_>,
        #[graphql(name = "sessionId", desc = "The session.")] session: ID,
        #[graphql(desc = "The maximum number of entries.")] first: Option<i32>,
        #[graphql(desc = "The cursor of the entry after which to begin.")] after: Option<String>,
    ) -> Result<Option<ThreadConnection>> {
        let call = Use::of(context)?;
        let id = session_id(&session).or_field_error()?;
        let list = List::threads(id);
        let page = list.page(first, after.as_deref()).or_field_error()?;
        let found = call.chat.threads(call.principal, id, page).await.or_field_error()?;
        let last =
            |root: &model::Message| root.thread.as_ref().and_then(|thread| thread.last).map_or(root.id, |last| last.id);
        let loads = call.loads();
        let node = |message| Message { message, loads: Arc::clone(&loads) };
        Ok(Some(list.of_messages(&page, found, last, node)))
    }

    /// The threads of a session that the caller follows, each with the caller's read position, the thread with the newest reply first.
    /// Threads whose replies are all deleted are left out. A page before other pages may be shorter than requested. At most 100 at a time,
    /// 50 by default.
    #[graphql(complexity = "listed(first, None, child_complexity)")]
    async fn followed_threads(
        &self,
        context: &Context<'_>,
        #[graphql(name = "sessionId", desc = "The session.")] session: ID,
        #[graphql(desc = "The maximum number of entries.")] first: Option<i32>,
        #[graphql(desc = "The cursor of the entry after which to begin.")] after: Option<String>,
    ) -> Result<Option<FollowedThreadConnection>> {
        let call = Use::of(context)?;
        let id = session_id(&session).or_field_error()?;
        let list = List::followed_threads(id);
        let page = list.page(first, after.as_deref()).or_field_error()?;
        let found = call.chat.followed_threads(call.principal, id, page).await.or_field_error()?;
        let loads = call.loads();
        Ok(Some(list.of_followed_threads(&page, found, |message| Message { message, loads: Arc::clone(&loads) })))
    }
}

/// A message of the thread that the caller wants to follow.
#[derive(InputObject)]
struct FollowThreadInput {
    /// The message.
    message_id: ID,
}

/// A message of the thread that the caller no longer wants to follow.
#[derive(InputObject)]
struct UnfollowThreadInput {
    /// The message.
    message_id: ID,
}

/// The message up to which its thread is read.
#[derive(InputObject)]
struct MarkThreadReadInput {
    /// The message.
    message_id: ID,
}

/// The caller's current state of the thread.
#[derive(SimpleObject)]
struct FollowThreadPayload {
    /// The thread.
    thread: ThreadState,
}

/// The caller's current state of the thread.
#[derive(SimpleObject)]
struct UnfollowThreadPayload {
    /// The thread.
    thread: ThreadState,
}

/// The caller's current state of the thread.
#[derive(SimpleObject)]
struct MarkThreadReadPayload {
    /// The thread.
    thread: ThreadState,
}

/// Mutations of threads.
#[derive(Default)]
pub(super) struct ThreadMutation;

/// Mutations of threads.
#[Object]
impl ThreadMutation {
    /// Follow the thread that a message belongs to. Later replies are unread. A user also follows a thread that the user began or wrote in,
    /// and a thread that mentions the user.
    async fn follow_thread(
        &self,
        context: &Context<'_>,
        input: FollowThreadInput,
    ) -> Result<Option<FollowThreadPayload>> {
        let call = Use::of(context)?;
        let id = message_id(&input.message_id).or_field_error()?;
        let state = call.chat.follow_thread(call.principal, id).await.or_field_error()?;
        Ok(Some(FollowThreadPayload { thread: state.into() }))
    }

    /// Unfollow the thread that a message belongs to. The caller follows the thread again after a reply of the caller, or by choice.
    async fn unfollow_thread(
        &self,
        context: &Context<'_>,
        input: UnfollowThreadInput,
    ) -> Result<Option<UnfollowThreadPayload>> {
        let call = Use::of(context)?;
        let id = message_id(&input.message_id).or_field_error()?;
        let state = call.chat.unfollow_thread(call.principal, id).await.or_field_error()?;
        Ok(Some(UnfollowThreadPayload { thread: state.into() }))
    }

    /// Mark the thread that a message belongs to as read up to the message. A marker only moves forward: an earlier position changes
    /// nothing. The read marker of the session stays.
    async fn mark_thread_read(
        &self,
        context: &Context<'_>,
        input: MarkThreadReadInput,
    ) -> Result<Option<MarkThreadReadPayload>> {
        let call = Use::of(context)?;
        let id = message_id(&input.message_id).or_field_error()?;
        let state = call.chat.mark_thread_read(call.principal, id).await.or_field_error()?;
        Ok(Some(MarkThreadReadPayload { thread: state.into() }))
    }
}
