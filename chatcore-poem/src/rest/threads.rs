//! Operations about threads.

use chatcore::model::Message;
use poem::Request;
use poem_openapi::{
    OpenApi,
    param::{Path, Query},
};

use super::{Api, Group, listed, page};
use crate::{
    extract::{Caller, MessageParam, SessionParam},
    reply::{Answer, OfSession, Paged, Params},
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
}
