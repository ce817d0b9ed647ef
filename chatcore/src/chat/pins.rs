//! Use cases about pins.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::{
    Chat,
    decide::turns::behind,
    messages::{is_deleted, no_deletion_since},
    read::{batch::only, profiles, view},
};
use crate::{
    error::{Error, Result},
    identity::Principal,
    limits::Use,
    model::{Event, EventKind, Message, MessageEvent, MessageId, NewEvent, Profile, Seq, SessionId},
    permission::Action,
    store::{Change, Deletions, Freshness, LogRange, Pin, PinList, Pins, TypedKey, Version, typed},
    trace::use_case,
};

/// Maximum number of pinned messages in one session. Deleted messages do not count.
pub const MAX_PINS: usize = 50;

/// A message that is pinned in its session.
#[derive(Debug, Clone, PartialEq)]
pub struct PinnedMessage {
    /// The message.
    pub message: Message,
    /// The user who pinned the message.
    pub pinned_by: Profile,
    /// The time of the pin.
    pub pinned_at: DateTime<Utc>,
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

impl Chat {
    /// The messages that are pinned in a session, the newest pin first. Deleted messages, and messages that the caller does not see, are
    /// left out.
    ///
    /// # Errors
    /// [`Denied`](Error::Denied) when the caller may not view the session.
    pub async fn pins(&self, principal: &Principal, id: SessionId) -> Result<Vec<PinnedMessage>> {
        use_case!("pins", id, async move {
            self.enter(principal, Use::Request).await?;
            let known = self.allowed(id, principal, Action::View, Freshness::Fresh).await?;
            let sight = known.sight()?;
            let Pinned { mut pins, upto, .. } = self.pinned(id, None).await?;
            pins.retain(|(pin, _)| pin.message >= sight.first);
            let pages: Vec<_> = pins.iter().flat_map(|(_, row)| row).map(std::slice::from_ref).collect();
            let extras = self.extras(principal, &pages).await?;
            let upto = upto.max(extras.written(pins.iter().filter_map(|(_, row)| row.as_deref())));
            only(self.decided_upto(&principal.user_id, [(sight, upto)]).await?)?;
            let users =
                pins.iter().flat_map(|(pin, row)| std::iter::once(&pin.by).chain(row.as_deref().map(|row| &row.actor)));
            let users = users.collect();
            let profiles = self.inner.profiles.find(users).await?;
            // A message that cannot be read, or that only a newer version knows, is left out, and stays pinned.
            let shown = |(pin, row): (Pin, Option<Arc<Event>>)| {
                let row = row?;
                let message = view::message(&row, profiles::of(&profiles, &row.actor))?;
                let message = extras.shown_in(message);
                let pinned_by = profiles::public(profiles::of(&profiles, &pin.by));
                Some(PinnedMessage { message, pinned_by, pinned_at: pin.at })
            };
            Ok(pins.into_iter().filter_map(shown).collect())
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
        for freshness in self.turns() {
            let target = self.target(principal, id, freshness, |_| Action::PinMessage).await?;
            self.permit_on(principal, &target, Action::PinMessage, None).await?;
            let found = self.pinned(session, Some(message)).await?;
            let head = target.known.head;
            let (actor, now) = (principal.user_id.clone(), self.inner.clock.now().max(head.at));
            let (pins, event) = match found.plan(pinning, Pin { message, by: actor.clone(), at: now }) {
                Ok(Some(planned)) => planned,
                settled if target.may_be_shown() && found.upto <= head.seq => return settled.map(drop),
                Ok(None) | Err(_) => continue,
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
            let change = Change::of(session, head.seq, vec![event], writes);
            let Some(committed) = self.try_commit(change).await? else { continue };
            drop(gate);
            self.tell(session, &committed.events).await;
            return Ok(());
        }
        Err(behind(session, "a change of a pin"))
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
