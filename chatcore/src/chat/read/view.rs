//! Events as readers see them: with the names of whom they are about.

use std::{
    any::{Any, TypeId},
    collections::{BTreeSet, HashMap, HashSet},
    sync::{Arc, OnceLock},
};

use chrono::{DateTime, TimeDelta, Utc};

use super::profiles::{self, Profiles};
use crate::{
    chat::{
        MAX_METADATA_BYTES,
        blocks::{BlockedAt, blocks_of},
    },
    error::Result,
    model::{
        Content, Event, EventKind, Message, MessageBody, MessageEvent, MessageId, Metadata, Origin, ParticipantEvent,
        Profile, Seq, SessionId, Signal, UserId,
    },
    store::{ChatStore, ChatStoreExt as _, Found, LogRange, ParticipantRecord, Participants},
};

/// Encodings of one event that are kept; more of them are worked out each time.
const KEPT_ENCODINGS: usize = 4;

/// An encoding with what it made.
type Kept = OnceLock<(TypeId, Box<dyn Any + Send + Sync>)>;

/// An encoding of events for a transport. The type identifies the encoding: two encodings with the same output are distinct.
pub trait Encoding: 'static {
    /// The output of the encoding.
    type Output: Clone + Send + Sync + 'static;

    /// Encodes an event. The same event always gives the same output.
    fn encode(view: &EventView) -> Self::Output;
}

/// An event with the profiles of the users in it. All readers of a process share one view, which depends on no reader, so a frontend can
/// encode the view once for all its connections.
#[derive(Debug)]
pub struct EventView {
    /// The event.
    pub event: Arc<Event>,
    /// The user who caused the event.
    pub actor: Profile,
    /// The affected user, where the affected user is not the actor.
    pub subject: Option<Profile>,
    /// The message that it edited or finished, with its sender.
    edited: Option<(Arc<Event>, Profile)>,
    /// The record of the participant whose metadata it changed.
    changed: Option<Found<ParticipantRecord>>,
    made: DateTime<Utc>,
    encoded: [Kept; KEPT_ENCODINGS],
    /// The same event without the message that it edited, for readers who do not see that message.
    bare: OnceLock<Arc<Self>>,
}

impl EventView {
    /// This event in an encoding. The event is encoded once for all connections, and the view caches the outputs of the first four
    /// encodings. Concurrent first calls may each encode the event. An encoding may use another encoding.
    #[must_use]
    pub fn encoded<E: Encoding>(&self) -> E::Output {
        let wanted = TypeId::of::<E>();
        let kept = |slot: &Kept| {
            let (encoding, output) = slot.get()?;
            output.downcast_ref::<E::Output>().filter(|_| *encoding == wanted).cloned()
        };
        if let Some(output) = self.encoded.iter().find_map(kept) {
            return output;
        }
        // No slot is held meanwhile, so that another encoding can be asked for.
        let output = E::encode(self);
        for slot in &self.encoded {
            if slot.set((wanted, Box::new(output.clone()))).is_ok() {
                break;
            }
            if let Some(earlier) = kept(slot) {
                return earlier;
            }
        }
        output
    }

    /// Whether the names in it are as fresh as any that are looked up.
    pub(in crate::chat) fn is_fresh(&self, now: DateTime<Utc>) -> bool {
        profiles::is_younger(self.made, now, profiles::FRESH_FOR)
    }

    /// Roughly how many bytes it takes, with its encoding.
    pub(in crate::chat) fn weight(&self) -> usize {
        let content = |row: &Event| {
            let EventKind::Message(MessageEvent::Sent { body, .. }) = &row.kind else { return 0 };
            let said = match &body.content {
                Content::Deleted => 0,
                Content::Text(text) => text.len(),
                Content::Encrypted(content) => content.encrypted_data.len() + content.iv.len(),
            };
            let metadata = if body.metadata.is_some() { MAX_METADATA_BYTES } else { 0 };
            said + metadata + 64 * (body.mentions.len() + body.links.len()) + 512 * body.attachments.len()
        };
        let metadata = if self.metadata().is_some() { MAX_METADATA_BYTES } else { 0 };
        1024 + 2 * metadata + 2 * self.rows().map(content).sum::<usize>()
    }

    /// Whether a reader who sees the log from a position on gets all of it.
    pub(in crate::chat) fn is_whole_from(&self, first: Seq) -> bool {
        self.edited.as_ref().is_none_or(|(row, _)| row.seq >= first)
    }

    /// The event for a reader who sees the log from a position on. One is shared by all readers who do not see the edited message.
    pub(in crate::chat) fn seen_from(self: &Arc<Self>, first: Seq) -> Arc<Self> {
        if self.is_whole_from(first) {
            return Arc::clone(self);
        }
        let bare = || {
            let (event, actor, subject) = (Arc::clone(&self.event), self.actor.clone(), self.subject.clone());
            Arc::new(Self::new(event, (actor, subject), None, self.changed.clone(), self.made))
        };
        Arc::clone(self.bare.get_or_init(bare))
    }

    fn new(
        event: Arc<Event>,
        (actor, subject): (Profile, Option<Profile>),
        edited: Option<(Arc<Event>, Profile)>,
        changed: Option<Found<ParticipantRecord>>,
        made: DateTime<Utc>,
    ) -> Self {
        Self { event, actor, subject, edited, changed, made, encoded: Default::default(), bare: OnceLock::new() }
    }

    /// The message of a message event or of an edit. An edited message has its content at the creation of this view. `None` for an edit of
    /// a message that the reader does not see, or that the log no longer has.
    #[must_use]
    pub fn message(&self) -> Option<Message> {
        match &self.edited {
            Some((row, sender)) => message(row, sender.clone()),
            None => message(&self.event, self.actor.clone()),
        }
    }

    /// The same event with another body, where it is a message. No encoding is kept.
    pub(in crate::chat) fn with_body(&self, change: impl FnOnce(MessageBody) -> MessageBody) -> Self {
        let Self { event, actor, subject, edited, changed, made, encoded: _, bare: _ } = self;
        let event = match &event.kind {
            EventKind::Message(MessageEvent::Sent { body, client_id, status }) => {
                let (body, client_id, status) = (change(body.clone()), client_id.clone(), status.clone());
                let kind = EventKind::Message(MessageEvent::Sent { body, client_id, status });
                Arc::new(Event { kind, ..Event::clone(event) })
            }
            EventKind::Message(_) | EventKind::Session(_) | EventKind::Participant(_) | EventKind::Unknown => {
                Arc::clone(event)
            }
        };
        Self::new(event, (actor.clone(), subject.clone()), edited.clone(), changed.clone(), *made)
    }

    /// The metadata of the participant whose metadata the event changed, at the creation of this view: the chat looks up metadata like
    /// names.
    #[must_use]
    pub fn metadata(&self) -> Option<&Metadata> {
        self.changed.as_ref()?.value.metadata.as_ref()
    }

    /// The rows of the log that it shows.
    pub(in crate::chat) fn rows(&self) -> impl Iterator<Item = &Event> {
        std::iter::once(&*self.event).chain(self.edited.as_ref().map(|(row, _)| &**row))
    }

    /// The position of the last event that changed what it shows: a row, or a participant's record.
    pub(in crate::chat) fn revised(&self) -> Seq {
        let changed = self.changed.as_ref().map(|found| found.at);
        self.rows().map(|row| row.revised).chain(changed).max().unwrap_or(0)
    }
}

/// A signal with the profile of its user.
#[derive(Debug, Clone, PartialEq)]
pub struct SignalView {
    /// The signal.
    pub signal: Signal,
    /// The user of the signal.
    pub actor: Profile,
    /// The users whom blocks keep apart from that user, each with the time of the block. A reader's own blocks are not among them.
    pub(in crate::chat) apart: BlockedAt,
    /// What such a reader is told instead where the block is new.
    pub(in crate::chat) instead: Option<Arc<SignalView>>,
    /// The only readers who are told; `None` where the signal itself says for whom it is.
    pub(in crate::chat) audience: Option<Arc<HashSet<UserId>>>,
}

/// For how long a block is new. Readers are told within that time.
const NEW: TimeDelta = TimeDelta::seconds(10);

impl SignalView {
    /// What a reader is told, who has blocked the user at a time, or has not.
    pub(in crate::chat) fn told<'a>(
        self: &'a Arc<Self>,
        reader: &UserId,
        blocked_at: Option<DateTime<Utc>>,
        now: DateTime<Utc>,
    ) -> Option<&'a Arc<Self>> {
        match self.apart.get(reader).copied().max(blocked_at) {
            None => Some(self),
            Some(at) => self.instead.as_ref().filter(|_| now - at < NEW),
        }
    }
}

/// A signal with its name, and with those who are not told of it.
pub(in crate::chat) async fn signal_view(
    store: &dyn ChatStore,
    profiles: &Profiles,
    signal: Signal,
) -> Result<SignalView> {
    let user = signal.user_id();
    let actor = profiles::public(profiles.one(user).await?);
    let apart = match &signal {
        Signal::Typing { .. } => blocks_of(store, std::slice::from_ref(user)).await?.pop().unwrap_or_default(),
        // These are only for the user, and presence is no hint. Receipts name their readers.
        Signal::Presence { .. }
        | Signal::Thread { .. }
        | Signal::Receipt { .. }
        | Signal::ReadMarker { .. }
        | Signal::Preferences { .. }
        // A block hides no report from a moderator.
        | Signal::Report { .. }
        // A part is of a message, which a block hides from nobody.
        | Signal::MessagePart { .. }
        | Signal::JoinRequestDeclined { .. } => BlockedAt::new(),
    };
    Ok(SignalView { signal, actor, apart, instead: None, audience: None })
}

/// The message that an event edited.
fn edited(event: &Event) -> Option<(SessionId, Seq)> {
    event.kind.edited().map(|message| (event.session_id, message))
}

/// The messages that events edited, as they are now. A message that the log no longer has is left out.
async fn edited_rows(store: &dyn ChatStore, events: &[Arc<Event>]) -> Result<HashMap<(SessionId, Seq), Arc<Event>>> {
    let wanted: BTreeSet<_> = events.iter().filter_map(|event| edited(event)).collect();
    if wanted.is_empty() {
        return Ok(HashMap::new());
    }
    let range = |(session_id, seq)| LogRange { session_id, from: seq, to: seq };
    let ranges: Vec<_> = wanted.into_iter().map(range).collect();
    let found = store.log(&ranges).await?;
    Ok(found.into_iter().flatten().map(|row| ((row.session_id, row.seq), row)).collect())
}

/// The participant whose metadata an event changed.
fn changed(event: &Event) -> Option<Participants> {
    let EventKind::Participant(ParticipantEvent::MetadataChanged { user_id }) = &event.kind else { return None };
    Some(Participants { session: event.session_id, user: user_id.clone() })
}

/// The records of the participants whose metadata events changed, one for each of these events, as they are now.
async fn changed_records(
    store: &dyn ChatStore,
    events: &[Arc<Event>],
) -> Result<Vec<Option<Found<ParticipantRecord>>>> {
    let keys: Vec<_> = events.iter().filter_map(|event| changed(event)).collect();
    if keys.is_empty() { Ok(Vec::new()) } else { Ok(store.get_all(&keys).await?) }
}

/// Events with names. E-mail addresses stay out: what is broadcast must suit every reader.
pub(in crate::chat) async fn views(
    store: &dyn ChatStore,
    profiles: &Profiles,
    events: Vec<Arc<Event>>,
) -> Result<Vec<Arc<EventView>>> {
    let rows = edited_rows(store, &events).await?;
    let mut records = changed_records(store, &events).await?.into_iter();
    let users = events.iter().flat_map(|event| std::iter::once(&event.actor).chain(event.subject()));
    let made = profiles.now();
    let found = profiles.find(users.chain(rows.values().map(|row| &row.actor)).collect()).await?;
    let public = |user: &UserId| profiles::public(profiles::of(&found, user));
    let view = |event: Arc<Event>| {
        let (actor, subject) = (public(&event.actor), event.subject().map(public));
        let row = edited(&event).and_then(|message| rows.get(&message));
        let edited = row.map(|row| (Arc::clone(row), public(&row.actor)));
        let changed = changed(&event).and_then(|_| records.next().flatten());
        Arc::new(EventView::new(event, (actor, subject), edited, changed, made))
    };
    Ok(events.into_iter().map(view).collect())
}

/// A message without the place that it was forwarded from, which not every reader may know.
fn unlocated(body: &MessageBody) -> MessageBody {
    let origin = body.origin.clone().map(|origin| Origin { message: None, ..origin });
    MessageBody { origin, ..body.clone() }
}

/// The message that an event is, if it is one.
pub(in crate::chat) fn message(event: &Event, sender: Profile) -> Option<Message> {
    let EventKind::Message(MessageEvent::Sent { body, client_id: _, status }) = &event.kind else { return None };
    Some(Message {
        id: MessageId { session_id: event.session_id, seq: event.seq },
        session_id: event.session_id,
        seq: event.seq,
        number: event.number,
        sender: profiles::public(sender),
        body: unlocated(body),
        created_at: event.created_at,
        revision: event.revision,
        status: status.clone(),
        reactions: None,
        thread: None,
        sender_blocked: None,
    })
}
