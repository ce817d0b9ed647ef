//! The parts of messages that stand in records beside the log. One read fetches them for all messages of an answer.

use std::{collections::HashSet, sync::Arc};

use futures_util::try_join;

use crate::chat::{Chat, reactions::Reactions};
use crate::{
    error::Result,
    model::{Event, Message, Seq, UserId},
};

/// The extras of the messages of an answer, as its reader sees them.
#[derive(Default)]
pub(in crate::chat) struct Extras {
    reactions: Reactions,
    /// The senders whom the reader has blocked.
    blocked: HashSet<UserId>,
}

impl Extras {
    /// The last position at which the extras of one of the rows were written.
    pub(in crate::chat) fn written<'a>(&self, rows: impl IntoIterator<Item = &'a Event>) -> Seq {
        let Self { reactions, blocked: _ } = self;
        rows.into_iter().map(|row| reactions.written(row)).max().unwrap_or(0)
    }

    /// The same for messages that were deleted.
    pub(in crate::chat) fn without_reactions(self) -> Self {
        Self { reactions: Reactions::default(), ..self }
    }

    /// A message with its extras.
    pub(in crate::chat) fn shown_in(&self, message: Message) -> Message {
        let Self { reactions, blocked } = self;
        let reactions = Some(reactions.of(&message));
        let sender_blocked = Some(blocked.contains(&message.sender.user_id));
        Message { reactions, sender_blocked, ..message }
    }
}

impl Chat {
    /// The extras of the messages of pages, as a user sees them. Each page is of one session, in ascending order.
    pub(in crate::chat) async fn extras(&self, user: &UserId, pages: &[&[Arc<Event>]]) -> Result<Extras> {
        let senders = pages.iter().flat_map(|page| page.iter()).map(|row| &row.actor);
        let (reactions, blocked) = try_join!(self.reactions(user, pages), self.blocked_among(user, senders))?;
        Ok(Extras { reactions, blocked })
    }
}
