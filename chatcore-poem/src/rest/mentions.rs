//! Operations about mentions.

use chatcore::{
    chat::{ListMentions, MentionOrder},
    model::MentionedMessage,
};
use poem::Request;
use poem_openapi::{OpenApi, param::Query};

use super::{Api, Group, listed, page};
use crate::{
    extract::{Caller, MentionParam, MentionSortParam},
    reply::{Answer, Paged, Params},
};

pub(crate) struct Mentions(pub(super) Api);

#[OpenApi(tag = "Group::Messages")]
impl Mentions {
    /// List the messages that mention the caller
    ///
    /// Of all sessions that the caller may view, unread messages first. Deleted messages are left out, and with `unread` read messages,
    /// too. In the order `unread_first`, a message that the caller reads between two pages can appear twice. In that order, the unread
    /// messages are the unread messages among the newest 500 mentions. A page before other pages may be shorter than requested. The header
    /// `Link` names the next page. A `skip` beyond the mentions that a page reads, 500 unread ones and 500 others, is refused; the order
    /// `newest` without `unread` has no such bound.
    #[oai(path = "/mentions", method = "get", operation_id = "listMentions")]
    #[expect(clippy::too_many_arguments, reason = "one for each parameter of the request")]
    async fn list(
        &self,
        request: &Request,
        caller: Caller,
        /// The `cursor` of the entry after which to begin.
        after: Query<Option<MentionParam>>,
        /// Number of entries to skip where `after` is not given; 0 where not given.
        skip: Query<Option<i64>>,
        /// Maximum number of entries: 1 to 100; 50 where not given.
        limit: Query<Option<i64>>,
        /// Whether only unread messages are listed; `false` where not given.
        unread: Query<Option<bool>>,
        /// The order: unread messages first, or the newest messages first; `unread_first` where not given.
        sort: Query<Option<MentionSortParam>>,
    ) -> Answer<Paged<Vec<MentionedMessage>>, Params> {
        let page = page(after.0.map(|MentionParam(cursor)| cursor), skip.0, limit.0)?;
        let order = sort.0.map_or_else(MentionOrder::default, |MentionSortParam(order)| order);
        let list = ListMentions { unread_only: unread.0.unwrap_or(false), order };
        Ok(listed(self.0.chat.mentions(&caller.0, page, list).await?, request))
    }
}
