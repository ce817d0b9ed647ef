//! Use cases that read messages and events.

use std::sync::Arc;

use super::{
    Chat, MessagesOf,
    decide::history::{Sight, shown_from},
    read::{
        batch::only,
        pages::oldest,
        view::{self, EventView},
    },
    stream::{ring::continues, subscribe::Start},
};
use crate::{
    error::Result,
    identity::Principal,
    limits::Use,
    model::{
        Cursor, Event, EventKind, Message, MessageEvent, MessageId, MessagePage, MessageStatus, MessageWindow,
        SessionId,
    },
    permission::Action,
    store::{DeletionCount, Deletions, Expect, Freshness, TypedKey, Version, Write, WriteKind},
    trace::use_case,
};

/// A part of a session's log.
#[derive(Debug, Clone)]
pub struct EventPage {
    /// The position after which the page begins.
    pub after: Cursor,
    /// The events, in order.
    pub events: Vec<Arc<EventView>>,
    /// The end of the log. No event follows the event at this position.
    pub head: Cursor,
}

impl EventPage {
    /// The position after which the next page begins.
    #[must_use]
    pub fn next(&self) -> Cursor {
        self.events.last().map_or(self.after, |view| view.event.cursor())
    }
}

pub(super) fn is_deleted(row: &Event) -> bool {
    matches!(&row.kind, EventKind::Message(MessageEvent::Sent { status: MessageStatus::Deleted { .. }, .. }))
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
        use_case!("messages", id, async move {
            let asked = MessagesOf { session_id: id, window, limit };
            self.enter(principal, Use::Request).await?;
            only(self.each_messages(principal, &[asked]).await?)
        })
    }

    /// One message.
    ///
    /// # Errors
    /// [`MessageNotFound`](crate::Error::MessageNotFound) for an unknown message, and for a session that is hidden from the caller;
    /// [`Denied`](crate::Error::Denied) for a session that the caller knows but may not view.
    pub async fn message(&self, principal: &Principal, id: MessageId) -> Result<Message> {
        use_case!("message", id.session_id, async move {
            self.enter(principal, Use::Request).await?;
            only(self.each_message(principal, &[id]).await?)
        })
    }

    /// A session's events from a position on, oldest first.
    ///
    /// # Errors
    /// [`Denied`](crate::Error::Denied) when the caller may not view the session; [`Resync`](crate::Error::Resync) when the position lies
    /// outside of the kept log, before the history that the caller sees, or in a history that the log no longer has;
    /// [`Invalid`](crate::Error::Invalid) for a page outside of the limits.
    pub async fn events(
        &self,
        principal: &Principal,
        id: SessionId,
        start: impl Into<Start> + Send,
        limit: Option<u64>,
    ) -> Result<EventPage> {
        let page = use_case!("events", id, self.page_of_events(principal, id, start.into(), limit))?;
        #[cfg(feature = "metrics")]
        self.inner.tails.measures().paged(page.events.len());
        Ok(page)
    }

    /// Checks whether the caller may follow a session from a position.
    ///
    /// # Errors
    /// As [`events`](Self::events).
    pub async fn may_follow(&self, principal: &Principal, id: SessionId, start: Start) -> Result<()> {
        use_case!("may_follow", id, self.page_of_events(principal, id, start, Some(1))).map(|_| ())
    }

    async fn page_of_events(
        &self,
        principal: &Principal,
        id: SessionId,
        start: Start,
        limit: Option<u64>,
    ) -> Result<EventPage> {
        self.enter(principal, Use::Request).await?;
        let limit = self.inner.limits.page_limit(limit)?;
        let known = self.allowed(id, principal, Action::View, Freshness::Fresh).await?;
        self.page_from(principal, known.sight()?, start, limit).await
    }

    /// A page of the events that a reader sees, as a decision says.
    pub(in crate::chat) async fn page_from(
        &self,
        principal: &Principal,
        sight: Sight,
        start: Start,
        limit: u64,
    ) -> Result<EventPage> {
        let (id, store) = (sight.session_id, &*self.inner.store);
        let head = sight.head.cursor();
        let after = match start {
            Start::Now => head,
            Start::Beginning => Cursor::from(oldest(store, id, head.seq).await?.max(sight.start())),
            Start::After(after) => self.within(sight, after).await?,
        };
        // The event at the position is read, too: it tells whether the log is still the one that the caller knows.
        let to = head.seq.min(after.seq.saturating_add(limit));
        let mut events = if head.seq > 0 { self.rows(id, after.seq.max(1), to).await? } else { Vec::new() };
        if head.seq > 0 && !continues(after, &events) {
            return Err(self.resync(sight).await);
        }
        let after = events.first().map(|event| event.cursor()).filter(|first| first.seq == after.seq).unwrap_or(after);
        events.retain(|event| event.seq > after.seq);
        let events = view::views(store, &self.inner.profiles, events).await?;
        let revised = events.iter().map(|view| view.revised()).max().unwrap_or(0);
        self.decided_upto(&principal.user_id, [(sight, revised)]).await?.pop().unwrap_or(Ok(()))?;
        let events = shown_from(sight.first, &events).into_owned();
        let events = self.with_texts(&principal.user_id, events).await?;
        Ok(EventPage { after, events, head })
    }
}

/// Counts a deletion in a session.
pub(super) fn a_deletion(session: SessionId) -> Write {
    Write { key: Deletions { session }.key(), expect: Expect::Anything, kind: WriteKind::Add(1) }
}

/// Makes a change fail where a message was deleted since then.
pub(super) fn no_deletion_since(session: SessionId, version: Option<Version>) -> Write {
    let deletions = Deletions { session };
    match version {
        Some(version) => deletions.hold(version),
        None => deletions.put(DeletionCount::default()).absent(),
    }
}
