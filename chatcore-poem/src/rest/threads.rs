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
    /// its place without its content. The header `Link` tells the next page.
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
        /// How many to leave out, where `after` is not given; 0 where not given.
        skip: Query<Option<i64>>,
        /// How many at the most: 1 to 100; 50 where not given.
        limit: Query<Option<i64>>,
    ) -> Answer<Paged<Vec<Message>>, (OfSession, Params)> {
        let page = page(after.0.map(|MessageParam(id)| id), skip.0, limit.0)?;
        let id = message_id.within(&session_id)?;
        Ok(listed(self.0.chat.thread(&caller.0, id, page).await?, request))
    }

    /// List the threads of a session
    ///
    /// Each by the message that began it, the one with the newest reply first. Threads whose replies are all deleted are left out. The
    /// header `Link` tells the next page.
    #[oai(path = "/sessions/:session_id/threads", method = "get", operation_id = "listThreads")]
    async fn list(
        &self,
        request: &Request,
        caller: Caller,
        session_id: Path<SessionParam>,
        /// The id of the last reply of the thread after which to begin.
        after: Query<Option<MessageParam>>,
        /// How many to leave out, where `after` is not given; 0 where not given.
        skip: Query<Option<i64>>,
        /// How many at the most: 1 to 100; 50 where not given.
        limit: Query<Option<i64>>,
    ) -> Answer<Paged<Vec<Message>>, (OfSession, Params)> {
        let page = page(after.0.map(|MessageParam(id)| id), skip.0, limit.0)?;
        Ok(listed(self.0.chat.threads(&caller.0, session_id.0.0, page).await?, request))
    }

    /// List the threads of a session that the caller follows
    ///
    /// Each with the message that began it, how far the caller has read it, and the number of unread replies; the one with the newest reply
    /// first. Threads whose replies are all deleted are left out. A page may be shorter than asked for where others follow it. The header
    /// `Link` tells the next page.
    #[oai(path = "/sessions/:session_id/threads/followed", method = "get", operation_id = "listFollowedThreads")]
    async fn followed(
        &self,
        request: &Request,
        caller: Caller,
        session_id: Path<SessionParam>,
        /// The id of the last reply of the thread after which to begin.
        after: Query<Option<MessageParam>>,
        /// How many to leave out, where `after` is not given; 0 where not given.
        skip: Query<Option<i64>>,
        /// How many at the most: 1 to 100; 50 where not given.
        limit: Query<Option<i64>>,
    ) -> Answer<Paged<Vec<FollowedThread>>, (OfSession, Params)> {
        let page = page(after.0.map(|MessageParam(id)| id), skip.0, limit.0)?;
        Ok(listed(self.0.chat.followed_threads(&caller.0, session_id.0.0, page).await?, request))
    }

    /// Follow a thread
    ///
    /// The thread that the message belongs to. Replies from then on are unread. A user also follows a thread by writing in it, by being named
    /// in it, and by having begun it. The caller's other devices are told.
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

    /// Cease to follow a thread
    ///
    /// The thread that the message belongs to. The caller follows it again by writing in it, or by choice. The caller's other devices are
    /// told.
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
    /// The thread that the message belongs to. A marker moves forward only: to mark what stands before it changes nothing. The read marker
    /// of the session stays. The caller's other devices are told.
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
