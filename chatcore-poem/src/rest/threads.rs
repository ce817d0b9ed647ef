//! Operations about threads.

use chatcore::model::{FollowedThread, Message, ThreadState};
use poem::Request;
use poem_openapi::{
    OpenApi,
    param::{Path, Query},
};

use super::{Api, Group, listed, no_idempotency_key, page};
use crate::{
    extract::{Bodyless, Caller, MessageParam, NoBody, SessionParam},
    reply::{Answer, Body, OfSession, Paged, Params, Reply},
};

pub(crate) struct Threads(pub(super) Api);

#[OpenApi(tag = "Group::Messages")]
impl Threads {
    /// Show a thread
    ///
    /// The thread that the message belongs to: the message that began it, and then the replies, oldest first. A deleted message stays in
    /// its place without its content. The header `Link` names the next page.
    #[oai(path = "/sessions/:session_id/messages/:message_id/thread", method = "get", operation_id = "getThread")]
    #[expect(clippy::too_many_arguments, reason = "one for each parameter of the request")]
    async fn show(
        &self,
        request: &Request,
        caller: Caller,
        session_id: Path<SessionParam>,
        message_id: Path<MessageParam>,
        /// The id of the message after which to begin.
        after: Query<Option<MessageParam>>,
        /// Number of entries to skip where `after` is not given; 0 where not given.
        skip: Query<Option<i64>>,
        /// Maximum number of entries: 1 to 100; 50 where not given.
        limit: Query<Option<i64>>,
    ) -> Answer<Paged<Vec<Message>>, (OfSession, Params)> {
        let page = page(after.0.map(|MessageParam(id)| id), skip.0, limit.0)?;
        let id = message_id.within(&session_id)?;
        Ok(listed(self.0.chat.thread(&caller.0, id, page).await?, request))
    }

    /// List the threads of a session
    ///
    /// Each thread with the message that began the thread, the thread with the newest reply first. Threads whose replies are all deleted
    /// are left out. The header `Link` names the next page. For a caller who does not see all of the session, a page reads at most 1,000
    /// threads, and a `skip` beyond these threads is refused.
    #[oai(path = "/sessions/:session_id/threads", method = "get", operation_id = "listThreads")]
    async fn list(
        &self,
        request: &Request,
        caller: Caller,
        session_id: Path<SessionParam>,
        /// The id of the last reply of the thread after which to begin.
        after: Query<Option<MessageParam>>,
        /// Number of entries to skip where `after` is not given; 0 where not given.
        skip: Query<Option<i64>>,
        /// Maximum number of entries: 1 to 100; 50 where not given.
        limit: Query<Option<i64>>,
    ) -> Answer<Paged<Vec<Message>>, (OfSession, Params)> {
        let page = page(after.0.map(|MessageParam(id)| id), skip.0, limit.0)?;
        Ok(listed(self.0.chat.threads(&caller.0, session_id.0.0, page).await?, request))
    }

    /// List the threads of a session that the caller follows
    ///
    /// Each thread with the message that began the thread, the caller's read position, and the number of unread replies; the thread with
    /// the newest reply first. Threads whose replies are all deleted are left out. A page before other pages may be shorter than requested.
    /// The header `Link` names the next page. A page reads at most 1,000 threads of the session, and a `skip` beyond these threads is refused.
    #[oai(path = "/sessions/:session_id/threads/followed", method = "get", operation_id = "listFollowedThreads")]
    async fn followed(
        &self,
        request: &Request,
        caller: Caller,
        session_id: Path<SessionParam>,
        /// The id of the last reply of the thread after which to begin.
        after: Query<Option<MessageParam>>,
        /// Number of entries to skip where `after` is not given; 0 where not given.
        skip: Query<Option<i64>>,
        /// Maximum number of entries: 1 to 100; 50 where not given.
        limit: Query<Option<i64>>,
    ) -> Answer<Paged<Vec<FollowedThread>>, (OfSession, Params)> {
        let page = page(after.0.map(|MessageParam(id)| id), skip.0, limit.0)?;
        Ok(listed(self.0.chat.followed_threads(&caller.0, session_id.0.0, page).await?, request))
    }

    /// Follow a thread
    ///
    /// The thread that the message belongs to. Later replies are unread. A user also follows a thread that the user began or wrote in, and
    /// a thread that mentions the user. The caller's other devices receive a signal.
    #[oai(
        path = "/sessions/:session_id/messages/:message_id/thread/following",
        method = "put",
        operation_id = "followThread"
    )]
    async fn follow(
        &self,
        request: &Request,
        caller: Caller,
        session_id: Path<SessionParam>,
        message_id: Path<MessageParam>,
        _body: NoBody,
    ) -> Answer<Reply<ThreadState>, (OfSession, Body)> {
        no_idempotency_key(request)?;
        Ok(Reply::new(self.0.chat.follow_thread(&caller.0, message_id.within(&session_id)?).await?))
    }

    /// Unfollow a thread
    ///
    /// The thread that the message belongs to. The caller follows the thread again after a reply of the caller, or by choice. The caller's
    /// other devices receive a signal.
    #[oai(
        path = "/sessions/:session_id/messages/:message_id/thread/following",
        method = "delete",
        operation_id = "unfollowThread"
    )]
    async fn unfollow(
        &self,
        request: &Request,
        caller: Caller,
        session_id: Path<SessionParam>,
        message_id: Path<MessageParam>,
        _body: Bodyless,
    ) -> Answer<Reply<ThreadState>, (OfSession, Body)> {
        no_idempotency_key(request)?;
        Ok(Reply::new(self.0.chat.unfollow_thread(&caller.0, message_id.within(&session_id)?).await?))
    }

    /// Mark a thread as read up to a message
    ///
    /// The thread that the message belongs to. A marker only moves forward: an earlier position changes nothing. The read marker of the
    /// session stays. The caller's other devices receive a signal.
    #[oai(
        path = "/sessions/:session_id/messages/:message_id/thread/read",
        method = "put",
        operation_id = "markThreadRead"
    )]
    async fn mark(
        &self,
        request: &Request,
        caller: Caller,
        session_id: Path<SessionParam>,
        message_id: Path<MessageParam>,
        _body: NoBody,
    ) -> Answer<Reply<ThreadState>, (OfSession, Body)> {
        no_idempotency_key(request)?;
        Ok(Reply::new(self.0.chat.mark_thread_read(&caller.0, message_id.within(&session_id)?).await?))
    }
}
