//! Use cases that read messages and events.

use std::sync::Arc;

use super::{
    Chat, MessagesOf,
    batch::only,
    read::{oldest, resync},
    ring::continues,
    subscribe::Start,
    view::{self, EventView},
};
use crate::{
    error::Result,
    identity::Principal,
    model::{Cursor, Message, MessageId, MessagePage, MessageWindow, SessionId},
    permission::Action,
    store::Freshness,
};

/// A part of a session's log.
#[derive(Debug, Clone)]
pub struct EventPage {
    /// The position after which the page begins.
    pub after: Cursor,
    /// The events, in order.
    pub events: Vec<Arc<EventView>>,
    /// The log's end: with the last event at this position there are no more.
    pub head: Cursor,
}

impl EventPage {
    /// The position after which the next page begins.
    #[must_use]
    pub fn next(&self) -> Cursor {
        self.events.last().map_or(self.after, |view| view.event.cursor())
    }
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

    /// A session's events from a position on, oldest first.
    ///
    /// # Errors
    /// [`Denied`](crate::Error::Denied) when the caller may not view the session; [`Resync`](crate::Error::Resync) when the position
    /// lies outside of the kept log, or belongs to a history that the log no longer has; [`Invalid`](crate::Error::Invalid) for a
    /// page outside of the limits.
    pub async fn events(
        &self,
        principal: &Principal,
        id: SessionId,
        start: impl Into<Start> + Send,
        limit: Option<u64>,
    ) -> Result<EventPage> {
        let start = start.into();
        let limit = self.inner.limits.page_limit(limit)?;
        self.enter(principal).await?;
        let known = self.allowed(id, principal, Action::View, Freshness::Fresh).await?;
        let store = &*self.inner.store;
        let head = known.head.cursor();
        let after = match start {
            Start::Now => head,
            Start::Beginning => Cursor::from(oldest(store, id, head.seq).await?),
            Start::After(after) if after.seq > head.seq => return Err(resync(store, id, head.seq).await),
            Start::After(after) => after,
        };
        // The event at the position is read, too: it tells whether the log is still the one that the caller knows.
        let to = head.seq.min(after.seq.saturating_add(limit));
        let mut events = if head.seq > 0 { self.rows(id, after.seq.max(1), to).await? } else { Vec::new() };
        if head.seq > 0 && !continues(after, &events) {
            return Err(resync(store, id, head.seq).await);
        }
        let after = events.first().map(|event| event.cursor()).filter(|first| first.seq == after.seq).unwrap_or(after);
        events.retain(|event| event.seq > after.seq);
        let events = view::views(store, &self.inner.profiles, events).await?;
        let revised = events.iter().map(|view| view.revised()).max().unwrap_or(0);
        self.decided_upto(&principal.user_id, [(id, head.seq, revised)]).await?.pop().unwrap_or(Ok(()))?;
        Ok(EventPage { after, events, head })
    }
}
