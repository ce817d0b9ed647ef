//! Mentions and links, with the query of mentions.

use std::sync::Arc;

use async_graphql::{Context, Enum, ID, Object, Result};
use chatcore::{
    Code, Error,
    chat::{self, ListMentions},
    model::{self, UserId},
};

use super::{
    Fallible as _, Use,
    connection::{List, MentionConnection, listed},
    message::Message,
};

/// A mention of a user, or of everybody.
#[derive(Debug, Clone)]
pub(super) struct Mention(pub(super) model::Mention);

/// A mention of a user, or of everybody.
#[Object]
impl Mention {
    /// The id of the user; null where everybody is mentioned.
    async fn user_id(&self) -> Option<ID> {
        self.0.user.as_ref().map(|user| ID(user.to_string()))
    }

    /// The number of characters (Unicode scalar values) of the content before the mention; null for a mention outside of the text.
    async fn start(&self) -> Option<u32> {
        self.0.span.map(|span| span.start)
    }

    /// The number of characters before the end.
    async fn end(&self) -> Option<u32> {
        self.0.span.map(|span| span.end)
    }
}

/// A link to a web page.
#[derive(Debug, Clone, Copy)]
pub(super) struct Link(pub(super) model::Span);

/// A link to a web page.
#[Object]
impl Link {
    /// The number of characters (Unicode scalar values) of the content before the link.
    async fn start(&self) -> u32 {
        self.0.start
    }

    /// The number of characters before the end.
    async fn end(&self) -> u32 {
        self.0.end
    }
}

/// A mention in a message.
pub(super) fn users(ids: Vec<ID>) -> chatcore::Result<Vec<UserId>> {
    let user = |id: ID| {
        UserId::new(id.as_str())
            .map_err(|error| Error::invalid("mentions", Code::ValidationInvalidValue, error.expected))
    };
    ids.into_iter().map(user).collect()
}

/// The order of the caller's mentions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "chat::MentionOrder")]
pub(super) enum MentionOrder {
    /// The unread messages first, and the newest first among the unread ones and among the others.
    UnreadFirst,
    /// The newest message first.
    Newest,
}

/// Queries of mentions.
#[derive(Default)]
pub(super) struct MentionQuery;

/// Queries of mentions.
#[Object]
impl MentionQuery {
    /// The messages that mention the caller, of all sessions that the caller may view. Deleted messages are left out, and with `unread`
    /// read messages, too. A page before other pages may be shorter than requested. In the order `UNREAD_FIRST`, a message that the caller
    /// reads between two pages can appear twice. In that order, the unread messages are the unread messages among the newest 500 mentions.
    /// At most 100 at a time, 50 by default.
    #[graphql(complexity = "listed(first, None, child_complexity)")]
    async fn mentions(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The maximum number of entries.")] first: Option<i32>,
        #[graphql(desc = "The cursor of the entry after which to begin.")] after: Option<String>,
        #[graphql(desc = "Whether only unread messages are listed; `false` where not given.")] unread: Option<bool>,
        #[graphql(desc = "The order; `UNREAD_FIRST` where not given.")] sort: Option<MentionOrder>,
    ) -> Result<Option<MentionConnection>> {
        let call = Use::of(context)?;
        let list = List::mentions();
        let page = list.page(first, after.as_deref()).or_field_error()?;
        let wanted = ListMentions {
            unread_only: unread.unwrap_or(false),
            order: sort.map_or_else(chat::MentionOrder::default, Into::into),
        };
        let found = call.chat.mentions(call.principal, page, wanted).await.or_field_error()?;
        let loads = call.loads();
        Ok(Some(list.of_mentions(&page, found, |message| Message { message, loads: Arc::clone(&loads) })))
    }
}
