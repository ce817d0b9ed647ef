//! Threads, and what may be asked about them.

use std::sync::Arc;

use async_graphql::{Context, ID, Object, Result};
use chatcore::model;

use super::{
    Fallible as _, Use,
    connection::{List, ThreadConnection, listed},
    message::Message,
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

    /// The last reply; null where there is none.
    async fn last_reply(&self) -> Option<LastReply> {
        self.0.last.map(LastReply)
    }
}

/// The last reply of a thread.
#[derive(Debug, Clone, Copy)]
pub(super) struct LastReply(model::LastReply);

/// The last reply of a thread.
#[Object]
impl LastReply {
    /// Its id.
    async fn id(&self) -> ID {
        ID(self.0.id.to_string())
    }

    /// Its position in the session's log.
    async fn seq(&self) -> Long {
        Long(self.0.id.seq)
    }

    /// When it was sent.
    async fn created_at(&self) -> DateTime {
        DateTime(self.0.at)
    }
}

/// What may be asked about threads.
#[derive(Default)]
pub(super) struct ThreadQuery;

/// What may be asked about threads.
#[Object]
impl ThreadQuery {
    /// The thread that a message belongs to: the message that began it, and then the replies, oldest first. A deleted message stays in
    /// its place without its content. At most 100 at a time, 50 by default.
    #[graphql(complexity = "listed(first, None, child_complexity)")]
    async fn thread(
        &self,
        context: &Context<'_>,
        #[graphql(name = "messageId", desc = "A message of the thread.")] message: ID,
        #[graphql(desc = "How many at the most.")] first: Option<i32>,
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

    /// The threads of a session, each by the message that began it, the one with the newest reply first. Threads whose replies are all
    /// deleted are left out. At most 100 at a time, 50 by default.
    #[graphql(complexity = "listed(first, None, child_complexity)")]
    async fn threads(
        &self,
        context: &Context<'_>,
        #[graphql(name = "sessionId", desc = "The session.")] session: ID,
        #[graphql(desc = "How many at the most.")] first: Option<i32>,
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
}
