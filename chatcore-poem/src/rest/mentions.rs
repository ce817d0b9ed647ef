//! Operations about mentions.

use chatcore::model::MentionedMessage;
use poem::Request;
use poem_openapi::{OpenApi, param::Query};

use super::{Api, Group, listed, page};
use crate::{
    extract::{Caller, MentionParam},
    reply::{Answer, Paged, Params},
};

pub(crate) struct Mentions(pub(super) Api);

#[OpenApi(tag = "Group::Messages")]
impl Mentions {
    /// List the messages that mention the caller
    ///
    /// Of all sessions that the caller may view, newest first. Deleted messages are left out, and with `unread` those that the caller has read.
    /// A page may be shorter than asked for where others follow it. The header `Link` tells the next page.
    #[oai(path = "/mentions", method = "get", operation_id = "listMentions")]
    async fn list(
        &self,
        request: &Request,
        caller: Caller,
        /// The `cursor` of the entry after which to begin.
        after: Query<Option<MentionParam>>,
        /// How many to leave out, where `after` is not given; 0 where not given.
        skip: Query<Option<i64>>,
        /// How many at the most: 1 to 100; 50 where not given.
        limit: Query<Option<i64>>,
        /// Whether only unread messages are listed; `false` where not given.
        unread: Query<Option<bool>>,
    ) -> Answer<Paged<Vec<MentionedMessage>>, Params> {
        let page = page(after.0.map(|MentionParam(cursor)| cursor), skip.0, limit.0)?;
        Ok(listed(self.0.chat.mentions(&caller.0, page, unread.0.unwrap_or(false)).await?, request))
    }
}
