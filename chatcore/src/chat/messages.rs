//! Use cases that read messages and events.

use std::sync::Arc;

use super::{
    Chat, MessagesOf,
    batch::only,
    read::resync,
    view::{self, EventView},
};
use crate::{
    error::Result,
    identity::Principal,
    model::{Message, MessageId, MessagePage, MessageWindow, Seq, SessionId},
    permission::Action,
    store::Freshness,
};

/// A part of a session's log.
#[derive(Debug, Clone)]
pub struct EventPage {
    /// The events, in order.
    pub events: Vec<Arc<EventView>>,
    /// The log's end: with the last event at this position there are no more.
    pub head: Seq,
}

impl Chat {
    /// A page of a session's messages, oldest first.
    ///
    /// # Errors
    /// [`Denied`](crate::Error::Denied) when the caller may not view the session; [`Invalid`](crate::Error::Invalid) for a page outside of
    /// the limits; [`Resync`](crate::Error::Resync) for the messages after a position beyond the log's end, or before one
    /// beyond the position after the end.
    pub async fn messages(
        &self,
        principal: &Principal,
        id: SessionId,
        window: MessageWindow,
        limit: Option<u64>,
    ) -> Result<MessagePage> {
        let asked = MessagesOf { session_id: id, window, limit };
        only(self.each_messages(principal, &[asked]).await?)
    }

    /// One message.
    ///
    /// # Errors
    /// [`MessageNotFound`](crate::Error::MessageNotFound) when there is none, or the caller may not know its session;
    /// [`Denied`](crate::Error::Denied) when they may know of it but not view it.
    pub async fn message(&self, principal: &Principal, id: MessageId) -> Result<Message> {
        only(self.each_message(principal, &[id]).await?)
    }

    /// A session's events after a position, oldest first.
    ///
    /// # Errors
    /// [`Denied`](crate::Error::Denied) when the caller may not view the session, [`Resync`](crate::Error::Resync) when the position
    /// lies outside of the kept log, [`Invalid`](crate::Error::Invalid) for a page outside of the limits.
    pub async fn events(
        &self,
        principal: &Principal,
        id: SessionId,
        after: Seq,
        limit: Option<u64>,
    ) -> Result<EventPage> {
        let limit = self.inner.limits.page_limit(limit)?;
        self.enter(principal).await?;
        let known = self.allowed(id, &principal.user_id, Action::View, Freshness::Fresh).await?;
        let head = known.head.seq;
        let to = head.min(after.saturating_add(limit));
        let events = if to > after { self.rows(id, after + 1, to).await? } else { Vec::new() };
        // A log that was trimmed begins later.
        if after > head || events.first().map_or(after < head, |event| event.seq != after + 1) {
            return Err(resync(&*self.inner.store, id, head).await);
        }
        Ok(EventPage { events: view::views(&self.inner.profiles, events).await?, head })
    }
}
