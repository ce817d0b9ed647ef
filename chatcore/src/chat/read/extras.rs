//! The parts of messages that stand in records beside the log. One read fetches them for all messages of an answer.

use std::sync::Arc;

use crate::chat::{Chat, forwarding::Origins, reactions::Reactions, threads::ThreadsOf};
use crate::{
    error::Result,
    identity::Principal,
    model::{Event, Message, MessageBody, Seq},
    store::{MessageReactions, Scan, TypedKey as _},
};

/// The extras of the messages of an answer, as its reader sees them.
#[derive(Default)]
pub(in crate::chat) struct Extras {
    pub(in crate::chat) reactions: Reactions,
    pub(in crate::chat) threads: ThreadsOf,
    pub(in crate::chat) origins: Origins,
}

impl Extras {
    /// The last position at which the extras of one of the rows were written.
    pub(in crate::chat) fn written<'a>(&self, rows: impl IntoIterator<Item = &'a Event>) -> Seq {
        let Self { reactions, threads, origins: _ } = self;
        rows.into_iter().map(|row| reactions.written(row).max(threads.written(row))).max().unwrap_or(0)
    }

    /// A message with its extras.
    pub(in crate::chat) fn shown_in(&self, message: Message) -> Message {
        let Self { reactions, threads, origins } = self;
        let origin = origins.of(&message);
        let (reactions, thread) = (Some(reactions.of(&message)), Some(threads.of(&message)));
        let body = MessageBody { origin, ..message.body };
        Message { body, reactions, thread, ..message }
    }

    /// The extras of a message that was just deleted: the replies to it stay, and nothing else.
    pub(in crate::chat) fn of_deleted(self) -> Self {
        Self { threads: self.threads, ..Self::default() }
    }
}

impl Chat {
    /// The extras of the messages of pages, as a reader sees them. Each page is of one session, in ascending order, and has every
    /// message between its first and its last one.
    pub(in crate::chat) async fn extras(&self, principal: &Principal, pages: &[&[Arc<Event>]]) -> Result<Extras> {
        let scans = pages.iter().flat_map(|page| [Reactions::scan(page), ThreadsOf::scan(page)]);
        let scans: Vec<Scan> = scans.flatten().collect();
        if scans.is_empty() {
            return Ok(Extras::default());
        }
        let found = self.inner.store.scan(&scans).await?.into_iter().flatten();
        let (reactions, threads) = found.partition(|(key, _)| key.table == MessageReactions::TABLE);
        Ok(Extras {
            reactions: self.reactions(&principal.user_id, pages, reactions).await?,
            threads: ThreadsOf::read(pages, threads),
            origins: self.origins(principal, pages).await?,
        })
    }
}
