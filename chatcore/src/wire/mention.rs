//! Mentions and links on the wire.

use serde::Serialize;

use crate::model::{Mention, MentionedMessage, Message, Span, UserId};

/// A mention of a user, or of everybody.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "Mention"))]
pub(super) struct MentionView<'a> {
    /// The user; `null` where everybody is mentioned.
    #[cfg_attr(feature = "schema", schemars(extend("nullable" = true)))]
    user_id: Option<&'a UserId>,
    /// The number of characters (Unicode scalar values) of `content` before the mention; `null` for a mention outside of the text.
    #[cfg_attr(feature = "schema", schemars(extend("nullable" = true)))]
    start: Option<u32>,
    /// The number of characters before the end.
    #[cfg_attr(feature = "schema", schemars(extend("nullable" = true)))]
    end: Option<u32>,
}

impl<'a> From<&'a Mention> for MentionView<'a> {
    fn from(mention: &'a Mention) -> Self {
        let Mention { user, span } = mention;
        Self { user_id: user.as_ref(), start: span.map(|span| span.start), end: span.map(|span| span.end) }
    }
}

/// A link to a web page.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "Link"))]
pub(super) struct LinkView {
    /// The number of characters (Unicode scalar values) of `content` before the link.
    start: u32,
    /// The number of characters before the end.
    end: u32,
}

impl From<&Span> for LinkView {
    fn from(Span { start, end }: &Span) -> Self {
        Self { start: *start, end: *end }
    }
}

/// A message that mentions the caller.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "MentionedMessage"))]
struct MentionedView<'a> {
    message: &'a Message,
    /// The cursor of the entry, after which the list continues; opaque.
    cursor: String,
    /// Whether the message is unread: the position of the message is after the session's `read_upto`.
    is_unread: bool,
}

impl<'a> From<&'a MentionedMessage> for MentionedView<'a> {
    fn from(mentioned: &'a MentionedMessage) -> Self {
        let MentionedMessage { cursor, message, is_unread } = mentioned;
        Self { message, cursor: cursor.to_string(), is_unread: *is_unread }
    }
}

shown_as! {
    MentionedMessage => MentionedView;
}
