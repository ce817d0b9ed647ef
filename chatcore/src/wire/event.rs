//! Events and signals as frames. The frames are equal in WebSockets, streams of events and pages of events.

use chrono::{DateTime, Utc};
use serde::{Serialize, Serializer, ser::SerializeStruct as _};

use super::{message::MessageData, participant::ParticipantData, presence::PresenceView, session::SessionData};
use crate::{
    chat::{EventPage, EventView, SignalView},
    model::{
        Cursor, EventKind, MessageId, Preferences, ReadState, ReceiptKind, ReportId, ReportState, Seq, SessionId,
        Signal, ThreadState, UserId,
    },
};

/// Declares the events of a group: the name of each on the wire, and the fields of its data with their values. The data of every
/// event also have `session_id` and `created_at`.
macro_rules! events {
    (
        $(#[$doc:meta])*
        $data:ident<$life:lifetime> of $event:ident, seen as $view:ident:
        $($name:literal = $variant:ident $pattern:tt => {
            $($(#[$attribute:meta])* $field:ident: $type:ty = $value:expr,)*
        })*
    ) => {
        $(#[$doc])*
        #[derive(::serde::Serialize)]
        #[serde(untagged)]
        pub(super) enum $data<$life> {
            $($variant { $($(#[$attribute])* $field: $type,)* },)*
        }

        impl<$life> $data<$life> {
            pub(super) fn of(event: &$life $event, $view: &$life EventView) -> Self {
                match event {
                    $($event::$variant $pattern => Self::$variant { $($field: $value,)* },)*
                }
            }

            pub(super) const NAMES: &'static [&'static str] = &[$($name),*];

            pub(super) const fn name(event: &$event) -> &'static str {
                match event {
                    $($event::$variant { .. } => $name,)*
                }
            }
        }
    };
}
pub(super) use events;

/// The name of an event on the wire.
#[must_use]
pub const fn event_name(kind: &EventKind) -> &'static str {
    match kind {
        EventKind::Session(event) => SessionData::name(event),
        EventKind::Participant(event) => ParticipantData::name(event),
        EventKind::Message(event) => MessageData::name(event),
        EventKind::Unknown => "unknown",
    }
}

/// The names of all events on the wire.
pub fn event_names() -> impl Iterator<Item = &'static str> {
    [SessionData::NAMES, ParticipantData::NAMES, MessageData::NAMES].into_iter().flatten().copied()
}

/// The name of a signal on the wire.
#[must_use]
pub const fn signal_name(signal: &Signal) -> &'static str {
    match signal {
        Signal::Typing { .. } => "typing_indicator",
        Signal::ReadMarker { .. } => "read_marker",
        Signal::Presence { .. } => "presence_changed",
        Signal::Preferences { .. } => "preferences_changed",
        Signal::MessagePart { .. } => "message_part",
        Signal::Thread { .. } => "thread_state",
        Signal::JoinRequestDeclined { .. } => "join_request_declined",
        Signal::Receipt { .. } => "receipt",
        Signal::Report { .. } => "report_changed",
    }
}

#[derive(Serialize)]
#[serde(untagged)]
#[allow(clippy::large_enum_variant, reason = "it lives on the stack for one serialization")]
enum Group<'a> {
    Session(SessionData<'a>),
    Participant(ParticipantData<'a>),
    Message(MessageData<'a>),
    Unknown { seq: Seq },
}

#[derive(Serialize)]
struct EventData<'a> {
    #[serde(flatten)]
    group: Group<'a>,
    session_id: SessionId,
    created_at: DateTime<Utc>,
}

impl<'a> From<&'a EventView> for EventData<'a> {
    fn from(view: &'a EventView) -> Self {
        let event = &view.event;
        let group = match &event.kind {
            EventKind::Session(kind) => Group::Session(SessionData::of(kind, view)),
            EventKind::Participant(kind) => Group::Participant(ParticipantData::of(kind, view)),
            EventKind::Message(kind) => Group::Message(MessageData::of(kind, view)),
            EventKind::Unknown => Group::Unknown { seq: event.seq },
        };
        Self { group, session_id: event.session_id, created_at: event.created_at }
    }
}

/// The frame of the event: its name, its position, its cursor, and its data. It is the same for every reader.
impl Serialize for EventView {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut frame = serializer.serialize_struct("Event", 4)?;
        frame.serialize_field("event", event_name(&self.event.kind))?;
        frame.serialize_field("seq", &self.event.seq)?;
        frame.serialize_field("cursor", &self.event.cursor())?;
        frame.serialize_field("data", &EventData::from(self))?;
        frame.end()
    }
}

#[derive(Serialize)]
#[serde(untagged)]
enum SignalData<'a> {
    ReadMarker(&'a ReadState),
    Thread(&'a ThreadState),
    Typing {
        session_id: SessionId,
        user_id: &'a UserId,
        username: &'a str,
        is_typing: bool,
        until: Option<DateTime<Utc>>,
    },
    Presence {
        session_id: SessionId,
        #[serde(flatten)]
        presence: PresenceView<'a>,
    },
    Preferences {
        session_id: SessionId,
        preferences: Preferences,
    },
    Part {
        session_id: SessionId,
        message_id: MessageId,
        user_id: &'a UserId,
        username: &'a str,
        offset: u64,
        text: &'a str,
    },
    JoinRequestDeclined {
        session_id: SessionId,
    },
    Receipt {
        session_id: SessionId,
        user_id: &'a UserId,
        username: &'a str,
        kind: ReceiptKind,
        seq: Seq,
    },
    Report {
        session_id: SessionId,
        report_id: ReportId,
        state: ReportState,
    },
}

/// The frame of the signal. It has no position.
impl Serialize for SignalView {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let data = match &self.signal {
            Signal::Typing { session_id, user_id, is_typing, until } => SignalData::Typing {
                session_id: *session_id,
                user_id,
                username: &self.actor.username,
                is_typing: *is_typing,
                until: *until,
            },
            Signal::ReadMarker { user_id: _, state } => SignalData::ReadMarker(state),
            Signal::Thread { user_id: _, state } => SignalData::Thread(state),
            Signal::Presence { session_id, user_id: _, state } => {
                SignalData::Presence { session_id: *session_id, presence: PresenceView::of(&self.actor, state) }
            }
            Signal::Preferences { user_id: _, session_id, preferences } => {
                SignalData::Preferences { session_id: *session_id, preferences: *preferences }
            }
            Signal::MessagePart { session_id, message, user_id, offset, text } => SignalData::Part {
                session_id: *session_id,
                message_id: MessageId { session_id: *session_id, seq: *message },
                user_id,
                username: &self.actor.username,
                offset: *offset,
                text,
            },
            Signal::JoinRequestDeclined { user_id: _, session_id } => {
                SignalData::JoinRequestDeclined { session_id: *session_id }
            }
            Signal::Receipt { session_id, user_id, kind, seq } => SignalData::Receipt {
                session_id: *session_id,
                user_id,
                username: &self.actor.username,
                kind: *kind,
                seq: *seq,
            },
            Signal::Report { session_id, user_id: _, report_id, state } => {
                SignalData::Report { session_id: *session_id, report_id: *report_id, state: *state }
            }
        };
        let mut frame = serializer.serialize_struct("Signal", 2)?;
        frame.serialize_field("event", signal_name(&self.signal))?;
        frame.serialize_field("data", &data)?;
        frame.end()
    }
}

impl Serialize for EventPage {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { after: _, events, head: Cursor { seq: head, epoch: _ } } = self;
        let mut page = serializer.serialize_struct("EventPage", 2)?;
        page.serialize_field("events", events)?;
        page.serialize_field("head", head)?;
        page.end()
    }
}

#[cfg(feature = "schema")]
mod schema {
    use std::borrow::Cow;

    use schemars::{JsonSchema, Schema, SchemaGenerator};

    use crate::{
        chat::{EventPage, EventView},
        model::{Cursor, Seq},
    };

    /// An event, as the WebSocket sends it.
    #[derive(JsonSchema)]
    #[schemars(rename = "Event")]
    #[allow(dead_code, reason = "it only describes what another type serializes")]
    struct Event {
        /// The name of the event; see the frames of the WebSocket.
        event: String,
        /// The position of the event in the session's log.
        seq: Seq,
        /// The position with its epoch: the value of `after` to continue from the event.
        cursor: Cursor,
        /// The content of the event.
        data: serde_json::Value,
    }

    /// Part of a session's log, oldest first.
    #[derive(JsonSchema)]
    #[schemars(rename = "EventPage")]
    #[allow(dead_code, reason = "it only describes what another type serializes")]
    struct Page {
        /// The events.
        events: Vec<Event>,
        /// The position of the log's last event.
        head: Seq,
    }

    macro_rules! described_by {
        ($($shown:ty => $described:ty;)*) => {$(
            impl JsonSchema for $shown {
                fn schema_name() -> Cow<'static, str> {
                    <$described>::schema_name()
                }

                fn json_schema(generator: &mut SchemaGenerator) -> Schema {
                    <$described>::json_schema(generator)
                }
            }
        )*};
    }

    described_by! {
        EventView => Event;
        EventPage => Page;
    }
}
