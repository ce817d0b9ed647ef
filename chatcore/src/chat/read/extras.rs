//! The parts of messages that stand in records beside the log. One read fetches them for all messages of an answer.

use std::{collections::HashSet, sync::Arc};

use futures_util::try_join;

use crate::chat::{Chat, forwarding::Origins, reactions::Reactions, streamed::Texts, threads::ThreadsOf};
use crate::{
    error::Result,
    identity::Principal,
    model::{Event, Message, MessageBody, Seq, UserId},
    store::{MessageReactions, Scan, TypedKey as _},
};

/// The extras of the messages of an answer, as its reader sees them.
#[derive(Default)]
pub(in crate::chat) struct Extras {
    pub(in crate::chat) reactions: Reactions,
    pub(in crate::chat) threads: ThreadsOf,
    /// The senders whom the reader has blocked.
    pub(in crate::chat) blocked: HashSet<UserId>,
    pub(in crate::chat) origins: Origins,
    /// The texts so far of messages that are being written.
    pub(in crate::chat) texts: Texts,
}

impl Extras {
    /// The last position at which the extras of one of the rows were written.
    pub(in crate::chat) fn written<'a>(&self, rows: impl IntoIterator<Item = &'a Event>) -> Seq {
        let Self { reactions, threads, origins: _, blocked: _, texts: _ } = self;
        rows.into_iter().map(|row| reactions.written(row).max(threads.written(row))).max().unwrap_or(0)
    }

    /// A message with its extras.
    pub(in crate::chat) fn shown_in(&self, message: Message) -> Message {
        let (reactions, thread) = (Some(self.reactions.of(&message)), Some(self.threads.of(&message)));
        Message { reactions, thread, ..self.shown_last(message) }
    }

    /// A message as a list of sessions shows it: without its reactions and its thread.
    pub(in crate::chat) fn shown_last(&self, message: Message) -> Message {
        let Self { reactions: _, threads: _, origins, blocked, texts } = self;
        let origin = origins.of(&message);
        let sender_blocked = Some(blocked.contains(&message.sender.user_id));
        let body = texts.shown_in(message.id, MessageBody { origin, ..message.body });
        Message { body, sender_blocked, ..message }
    }

    /// The extras of a message that was just deleted: the reactions go.
    pub(in crate::chat) fn of_deleted(self) -> Self {
        Self { reactions: Reactions::default(), ..self }
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
        let senders = pages.iter().flat_map(|page| page.iter()).map(|row| &row.actor);
        let found = async { Ok(self.inner.store.scan(&scans).await?) };
        let (found, blocked) = try_join!(found, self.blocked_among(&principal.user_id, senders))?;
        let (reactions, threads) =
            found.into_iter().flatten().partition(|(key, _)| key.table == MessageReactions::TABLE);
        let rows = pages.iter().flat_map(|page| page.iter()).map(|row| &**row);
        Ok(Extras {
            reactions: self.reactions(&principal.user_id, pages, reactions).await?,
            threads: ThreadsOf::read(pages, threads),
            blocked,
            origins: self.origins(principal, pages).await?,
            texts: self.texts_so_far(&principal.user_id, rows).await?,
        })
    }

    /// The extras of the last messages of sessions in a list, without reactions and threads. One read finds the blocks of all senders; messages
    /// that are no copies and have their texts read nothing more.
    pub(in crate::chat) async fn extras_of_last(&self, principal: &Principal, rows: &[Arc<Event>]) -> Result<Extras> {
        let user = &principal.user_id;
        Ok(Extras {
            blocked: self.blocked_among(user, rows.iter().map(|row| &row.actor)).await?,
            origins: self.origins(principal, &[rows]).await?,
            texts: self.texts_so_far(user, rows.iter().map(|row| &**row)).await?,
            ..Extras::default()
        })
    }
}
