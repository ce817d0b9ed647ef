//! Use cases that read messages and events, and pin messages.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::{
    Chat, MessagesOf,
    read::{
        batch::only,
        pages::{oldest, resync},
        profiles,
        view::{self, EventView},
    },
    stream::{ring::continues, subscribe::Start},
};
use crate::{
    error::{Error, Result},
    identity::Principal,
    limits::Use,
    model::{
        Cursor, Event, EventKind, Message, MessageEvent, MessageId, MessagePage, MessageStatus, MessageWindow,
        NewEvent, Profile, Seq, SessionId,
    },
    permission::Action,
    store::{
        Change, Conflicting, DeletionCount, Deletions, Freshness, LogRange, Pin, PinList, Pins, StoreError, TypedKey,
        Version, Write, typed,
    },
    trace::use_case,
};

/// Most messages that are pinned in one session at the same time. Deleted messages do not count.
pub const MAX_PINS: usize = 50;

/// A message that is pinned in its session.
#[derive(Debug, Clone, PartialEq)]
pub struct PinnedMessage {
    /// The message.
    pub message: Message,
    /// The user who pinned it.
    pub pinned_by: Profile,
    /// When the user pinned it.
    pub pinned_at: DateTime<Utc>,
}

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

/// What is to become of a message's pin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pinning {
    Pin,
    Unpin,
}

/// The pins of a session, as they were found.
struct Pinned {
    /// The version of their record; `None` where there is no record.
    version: Option<Version>,
    /// The pins whose messages are not deleted, each with its message; without it where its row cannot be read.
    pins: Vec<(Pin, Option<Arc<Event>>)>,
    /// The last position of which they tell anything.
    upto: Seq,
    /// The version of the number of deletions; `None` where nothing was deleted.
    deletions: Option<Version>,
    /// Whether the message that is to be pinned was deleted, as of those deletions.
    is_deleted: bool,
}

impl Pinned {
    /// The pins after a change, and the event that tells of it; `None` where nothing is to be changed.
    fn plan(&self, pinning: Pinning, pin: Pin) -> Result<Option<(PinList, MessageEvent)>> {
        let (message, is_deleted) = (pin.message, self.is_deleted);
        let is_pinned = self.pins.iter().any(|(pin, _)| pin.message == message);
        let others = self.pins.iter().map(|(pin, _)| pin).filter(|pin| pin.message != message).cloned();
        let (pins, event) = match pinning {
            Pinning::Pin if is_deleted => return Err(Error::MessageDeleted),
            Pinning::Pin if is_pinned => return Ok(None),
            Pinning::Pin if self.pins.len() >= MAX_PINS => {
                let limit = MAX_PINS as u64;
                return Err(Error::LimitExceeded { what: "the number of pinned messages", limit });
            }
            Pinning::Pin => (std::iter::once(pin).chain(others).collect(), MessageEvent::Pinned { message }),
            Pinning::Unpin if is_deleted || !is_pinned => return Ok(None),
            Pinning::Unpin => (others.collect(), MessageEvent::Unpinned { message }),
        };
        Ok(Some((PinList { pins }, event)))
    }
}

pub(super) fn is_deleted(row: &Event) -> bool {
    matches!(&row.kind, EventKind::Message(MessageEvent::Sent { status: MessageStatus::Deleted { .. }, .. }))
}

impl Chat {
    /// A page of a session's messages, oldest first.
    ///
    /// # Errors
    /// [`Denied`](Error::Denied) when the caller may not view the session; [`Invalid`](Error::Invalid) for a page outside of
    /// the limits; [`Resync`](Error::Resync) for the messages after a position beyond the log's end, or before one
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
    /// [`MessageNotFound`](Error::MessageNotFound) when there is none, or the caller may not know its session;
    /// [`Denied`](Error::Denied) when they may know of it but not view it.
    pub async fn message(&self, principal: &Principal, id: MessageId) -> Result<Message> {
        use_case!("message", id.session_id, async move {
            self.enter(principal, Use::Request).await?;
            only(self.each_message(principal, &[id]).await?)
        })
    }

    /// A session's events from a position on, oldest first.
    ///
    /// # Errors
    /// [`Denied`](Error::Denied) when the caller may not view the session; [`Resync`](Error::Resync) when the position
    /// lies outside of the kept log, or belongs to a history that the log no longer has; [`Invalid`](Error::Invalid) for a
    /// page outside of the limits.
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

    /// Whether the caller may follow a session from there on.
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

    /// The messages that are pinned in a session, the newest pin first. Deleted messages are left out.
    ///
    /// # Errors
    /// [`Denied`](Error::Denied) when the caller may not view the session.
    pub async fn pins(&self, principal: &Principal, id: SessionId) -> Result<Vec<PinnedMessage>> {
        use_case!("pins", id, async move {
            self.enter(principal, Use::Request).await?;
            for _ in 0..self.inner.limits.commit_attempts {
                let known = self.allowed(id, principal, Action::View, Freshness::Fresh).await?;
                let Pinned { pins, upto, .. } = self.pinned(id, None).await?;
                let pages: Vec<_> = pins.iter().flat_map(|(_, row)| row).map(std::slice::from_ref).collect();
                let reactions = self.reactions(&principal.user_id, &pages).await?;
                let upto = upto.max(reactions.written(pins.iter().filter_map(|(_, row)| row.as_deref())));
                // What was written after the decision is for readers who are decided on after it.
                if upto > known.head.seq {
                    continue;
                }
                let users = pins
                    .iter()
                    .flat_map(|(pin, row)| std::iter::once(&pin.by).chain(row.as_deref().map(|row| &row.actor)));
                let users = users.collect();
                let profiles = self.inner.profiles.find(users).await?;
                // A message that cannot be read, or that only a newer version knows, is left out, and stays pinned.
                let shown = |(pin, row): (Pin, Option<Arc<Event>>)| {
                    let row = row?;
                    let message = view::message(&row, profiles::of(&profiles, &row.actor))?;
                    let message = reactions.shown_in(message);
                    let pinned_by = profiles::public(profiles::of(&profiles, &pin.by));
                    Some(PinnedMessage { message, pinned_by, pinned_at: pin.at })
                };
                return Ok(pins.into_iter().filter_map(shown).collect());
            }
            Err(Error::Unavailable)
        })
    }

    /// Pins a message. Pinning a pinned message changes nothing, so a retry is safe.
    ///
    /// # Errors
    /// [`MessageNotFound`](Error::MessageNotFound) as for [`message`](Self::message); [`Denied`](Error::Denied) when the
    /// caller may not pin; [`MessageDeleted`](Error::MessageDeleted); [`LimitExceeded`](Error::LimitExceeded) when
    /// [`MAX_PINS`] messages are pinned.
    pub async fn pin_message(&self, principal: &Principal, id: MessageId) -> Result<()> {
        use_case!("pin_message", id.session_id, self.change_pin(principal, id, Pinning::Pin))
    }

    /// Unpins a message. Unpinning a message that is not pinned changes nothing, so a retry is safe.
    ///
    /// # Errors
    /// [`MessageNotFound`](Error::MessageNotFound) as for [`message`](Self::message); [`Denied`](Error::Denied) when the
    /// caller may not pin.
    pub async fn unpin_message(&self, principal: &Principal, id: MessageId) -> Result<()> {
        use_case!("unpin_message", id.session_id, self.change_pin(principal, id, Pinning::Unpin))
    }

    async fn change_pin(&self, principal: &Principal, id: MessageId, pinning: Pinning) -> Result<()> {
        self.enter(principal, Use::Request).await?;
        let MessageId { session_id: session, seq: message } = id;
        // All pins of a session are one record, so two changes at once would only make each other fail.
        let gate = self.inner.gates.pass(session).await;
        let mut freshness = Freshness::Cached;
        for _ in 0..self.inner.limits.commit_attempts {
            let target = self.target(principal, id, freshness, |_| Action::PinMessage).await?;
            self.permit_on(principal, &target, Action::PinMessage, None).await?;
            let found = self.pinned(session, Some(message)).await?;
            let head = target.known.head;
            let (actor, now) = (principal.user_id.clone(), self.inner.clock.now().max(head.at));
            let (pins, event) = match found.plan(pinning, Pin { message, by: actor.clone(), at: now }) {
                Ok(Some(planned)) => planned,
                settled if target.may_be_shown() && found.upto <= head.seq => return settled.map(drop),
                Ok(None) | Err(_) => {
                    freshness = Freshness::Fresh;
                    continue;
                }
            };
            let write = Pins { session }.put(pins);
            let write = match found.version {
                Some(version) => write.at(version),
                None => write.absent(),
            };
            let mut writes = vec![write];
            if pinning == Pinning::Pin {
                writes.push(no_deletion_since(session, found.deletions));
            }
            let event = NewEvent { actor, created_at: now, kind: EventKind::Message(event) };
            match self.inner.store.commit(Change::of(session, head.seq, vec![event], writes)).await {
                Ok(committed) => {
                    drop(gate);
                    self.tell(session, &committed.events).await;
                    return Ok(());
                }
                Err(StoreError::Stale | StoreError::Conflict { found: Conflicting::Record { .. } }) => {
                    freshness = Freshness::Fresh;
                }
                Err(error) => return Err(error.into()),
            }
        }
        tracing::warn!(%session, "a change of a pin stayed behind others");
        Err(Error::Unavailable)
    }

    /// The pins of a session, and whether a message of it was deleted.
    async fn pinned(&self, session_id: SessionId, message: Option<Seq>) -> Result<Pinned> {
        let keys = [Pins { session: session_id }.key(), Deletions { session: session_id }.key()];
        let mut records = self.inner.store.records(&keys).await?.into_iter();
        let list = typed::<PinList>(records.next().flatten())?;
        let deletions = records.next().flatten().map(|found| found.version);
        let version = list.as_ref().map(|found| found.version);
        let at = list.as_ref().map_or(0, |found| found.at);
        let pins = list.map_or_else(Vec::new, |found| Arc::unwrap_or_clone(found.value).pins);
        // The rows are read after the number of deletions: a deletion that they miss is one that the commit finds.
        let range = |seq| LogRange { session_id, from: seq, to: seq };
        let ranges: Vec<_> = pins.iter().map(|pin| pin.message).chain(message).map(range).collect();
        let mut rows = if ranges.is_empty() { Vec::new() } else { self.inner.store.log(&ranges).await? };
        let upto = rows.iter().flatten().map(|row| row.revised).fold(at, Seq::max);
        let target = if message.is_some() { rows.pop() } else { None };
        let is_deleted = target.iter().flatten().any(|row| is_deleted(row));
        let with_row = |(pin, rows): (Pin, Vec<Arc<Event>>)| (pin, rows.into_iter().next());
        let mut pins: Vec<_> = pins.into_iter().zip(rows).map(with_row).collect();
        pins.retain(|(_, row)| !row.as_deref().is_some_and(self::is_deleted));
        Ok(Pinned { version, pins, upto, deletions, is_deleted })
    }
}

/// Makes a change fail where a message was deleted since then.
pub(super) fn no_deletion_since(session: SessionId, version: Option<Version>) -> Write {
    let deletions = Deletions { session };
    match version {
        Some(version) => deletions.hold(version),
        None => deletions.put(DeletionCount::default()).absent(),
    }
}
