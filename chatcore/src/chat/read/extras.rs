//! The parts of messages that stand in records beside the log. One read fetches them for all messages of an answer.

use std::sync::Arc;

use crate::chat::{Chat, reactions::Reactions};
use crate::{
    error::Result,
    model::{Event, Message, Seq, UserId},
};

/// The extras of the messages of an answer, as its reader sees them.
#[derive(Default)]
pub(in crate::chat) struct Extras {
    reactions: Reactions,
}

impl Extras {
    /// The last position at which the extras of one of the rows were written.
    pub(in crate::chat) fn written<'a>(&self, rows: impl IntoIterator<Item = &'a Event>) -> Seq {
        let Self { reactions } = self;
        rows.into_iter().map(|row| reactions.written(row)).max().unwrap_or(0)
    }

    /// A message with its extras.
    pub(in crate::chat) fn shown_in(&self, message: Message) -> Message {
        let Self { reactions } = self;
        let reactions = Some(reactions.of(&message));
        Message { reactions, ..message }
    }
}

impl Chat {
    /// The extras of the messages of pages, as a user sees them. Each page is of one session, in ascending order.
    pub(in crate::chat) async fn extras(&self, user: &UserId, pages: &[&[Arc<Event>]]) -> Result<Extras> {
        Ok(Extras { reactions: self.reactions(user, pages).await? })
    }
}
