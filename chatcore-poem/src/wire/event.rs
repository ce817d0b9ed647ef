//! Events, signals and answers as frames, which are the same in WebSockets, event streams and pages of events.

use chatcore::{
    Error,
    chat::{Encoding, EventPage, EventView, SignalView},
    model::{Cursor, EventKind, MessageEvent, MessageId, ParticipantEvent, Profile, SessionEvent, SessionId, Signal},
};
use chatcore_http::tungstenite::Utf8Bytes;
use poem_openapi::Object;
use serde::Serialize;
use serde_json::{Value, json};

use super::{MessageResponse, WireRole, WireSessionType};

/// A frame from the server.
#[derive(Debug, Serialize)]
pub(crate) struct Outgoing {
    event: &'static str,
    /// The id of the client's frame that this answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<Value>,
    /// The position in the session's log, for events of the log and for answers that tell one.
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<u64>,
    /// The same position with its epoch: what a client gives as `after` to continue.
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<Cursor>,
    data: Value,
}

impl Outgoing {
    pub(crate) fn ack(id: Option<Value>, cursor: Option<Cursor>, data: Value) -> Self {
        Self { event: "ack", id, seq: cursor.map(|cursor| cursor.seq), cursor, data }
    }

    pub(crate) fn error(id: Option<Value>, error: &Error) -> Self {
        let data = json!({ "code": error.code().as_str(), "message": error.to_string(), "details": error.details() });
        Self { event: "error", id, seq: None, cursor: None, data }
    }

    /// A subscription ended for another reason than that the right to read did.
    pub(crate) fn ended(session_id: SessionId, error: &Error) -> Self {
        let mut frame = Self::error(None, error);
        if let Value::Object(data) = &mut frame.data {
            data.insert("session_id".to_owned(), json!(session_id));
        }
        frame
    }

    pub(crate) const fn name(&self) -> &'static str {
        self.event
    }

    pub(crate) fn encode(&self) -> String {
        // Maps with text keys, numbers and texts: there is nothing in it that could fail.
        serde_json::to_string(self).unwrap_or_default()
    }
}

fn person(profile: &Profile) -> Value {
    let Profile { user_id, username, name, email: _, picture, updated_at: _ } = profile;
    json!({ "id": user_id.as_str(), "username": username, "display_name": name, "avatar_url": picture })
}

/// What an event is called.
pub(crate) const fn event_name(kind: &EventKind) -> &'static str {
    match kind {
        EventKind::Session(SessionEvent::Created { .. }) => "session_created",
        EventKind::Session(SessionEvent::Updated { .. }) => "session_updated",
        EventKind::Session(SessionEvent::Deleted) => "session_deleted",
        EventKind::Participant(ParticipantEvent::Joined { .. })
        | EventKind::Participant(ParticipantEvent::Added { .. }) => "user_joined",
        EventKind::Participant(ParticipantEvent::Left) => "user_left",
        EventKind::Participant(ParticipantEvent::Removed { .. }) => "participant_removed",
        EventKind::Participant(ParticipantEvent::RoleChanged { .. }) => "participant_role_changed",
        EventKind::Message(MessageEvent::Sent { .. }) => "message_received",
        EventKind::Message(MessageEvent::Edited { .. }) => "message_edited",
        EventKind::Message(MessageEvent::Deleted { .. }) => "message_deleted",
        EventKind::Unknown => "unknown",
    }
}

/// The frame of an event as text. It is encoded once for all readers of the process, whichever way they read.
pub(crate) fn encoded(view: &EventView) -> Utf8Bytes {
    view.encoded::<Frame>()
}

/// The encoding of events as frames.
struct Frame;

impl Encoding for Frame {
    type Output = Utf8Bytes;

    fn encode(view: &EventView) -> Utf8Bytes {
        event_frame(view).encode().into()
    }
}

/// The frame of an event: the same for every reader.
pub(crate) fn event_frame(view: &EventView) -> Outgoing {
    let event = &view.event;
    let session_id = event.session_id.to_string();
    let subject = view.subject.as_ref().unwrap_or(&view.actor);
    let mut data = match &event.kind {
        EventKind::Session(SessionEvent::Created { session, participant_id }) => json!({
            "title": session.title,
            "description": session.description,
            "session_type": WireSessionType::from(session.session_type),
            "max_participants": session.max_participants,
            "user": person(subject),
            "participant_id": participant_id.to_string(),
        }),
        EventKind::Session(SessionEvent::Updated { changes }) => {
            let mut changed = serde_json::Map::new();
            if let Some(title) = &changes.title {
                changed.insert("title".to_owned(), json!(title));
            }
            if let Some(description) = &changes.description {
                changed.insert("description".to_owned(), json!(description));
            }
            if let Some(session_type) = changes.session_type {
                changed.insert("session_type".to_owned(), json!(WireSessionType::from(session_type)));
            }
            if let Some(cap) = changes.max_participants {
                changed.insert("max_participants".to_owned(), json!(cap));
            }
            json!({ "changes": changed, "updated_by": view.actor.user_id })
        }
        EventKind::Session(SessionEvent::Deleted) => json!({ "deleted_by": view.actor.user_id }),
        EventKind::Participant(ParticipantEvent::Joined { participant_id, role })
        | EventKind::Participant(ParticipantEvent::Added { participant_id, role, .. }) => {
            let added_by = view.subject.as_ref().map(|_| &view.actor.user_id);
            json!({
                "user": person(subject),
                "participant_id": participant_id.to_string(),
                "role": WireRole::from(*role),
                "added_by": added_by,
            })
        }
        EventKind::Participant(ParticipantEvent::Left) => json!({ "user_id": subject.user_id }),
        EventKind::Participant(ParticipantEvent::Removed { user_id }) => {
            json!({ "user_id": user_id, "removed_by": view.actor.user_id })
        }
        EventKind::Participant(ParticipantEvent::RoleChanged { user_id, previous, role }) => json!({
            "user_id": user_id,
            "role": WireRole::from(*role),
            "previous_role": WireRole::from(*previous),
            "changed_by": view.actor.user_id,
        }),
        EventKind::Message(MessageEvent::Sent { body: _, client_id, status: _ }) => {
            let message = view.message().map(MessageResponse::from);
            json!({ "message": message, "client_id": client_id })
        }
        EventKind::Message(MessageEvent::Edited { message: seq, revision: _ }) => {
            let message = view.message().map(MessageResponse::from);
            let id = MessageId { session_id: event.session_id, seq: *seq };
            json!({ "seq": event.seq, "message_id": id.to_string(), "message": message })
        }
        EventKind::Message(MessageEvent::Deleted { messages }) => {
            let id = |seq: &u64| MessageId { session_id: event.session_id, seq: *seq }.to_string();
            let messages: Vec<String> = messages.iter().map(id).collect();
            let deleted_by = &view.actor.user_id;
            json!({ "seq": event.seq, "messages": messages, "deleted_by": deleted_by, "deleted_at": event.created_at })
        }
        EventKind::Unknown => json!({ "seq": event.seq }),
    };
    if let Value::Object(fields) = &mut data {
        fields.insert("session_id".to_owned(), json!(session_id));
        fields.insert("created_at".to_owned(), json!(event.created_at));
    }
    Outgoing { event: event_name(&event.kind), id: None, seq: Some(event.seq), cursor: Some(event.cursor()), data }
}

/// The frame of a signal.
pub(crate) fn signal_frame(view: &SignalView) -> Outgoing {
    match &view.signal {
        Signal::Typing { session_id, user_id, is_typing } => {
            let username = &view.actor.username;
            let data = json!({
                "session_id": session_id, "user_id": user_id, "username": username, "is_typing": is_typing,
            });
            Outgoing { event: "typing_indicator", id: None, seq: None, cursor: None, data }
        }
    }
}

/// Part of a session's log, oldest first.
#[derive(Debug, Object)]
#[oai(rename = "EventPage")]
pub(crate) struct EventsResponse {
    /// The events.
    events: Vec<EventFrame>,
    /// The position of the log's last event.
    head: u64,
}

/// An event, as the WebSocket sends it.
#[derive(Debug, Object)]
#[oai(rename = "Event")]
struct EventFrame {
    /// What it is; see the WebSocket's frames.
    event: String,
    /// Its position in the session's log.
    seq: u64,
    /// The same position with its epoch: what to give as `after` to continue.
    cursor: String,
    /// Its content.
    data: Value,
}

/// An [`EventsResponse`] as JSON, of events that are encoded already.
pub(crate) fn event_page(page: &EventPage) -> String {
    let events: Vec<Utf8Bytes> = page.events.iter().map(|view| encoded(view)).collect();
    let events: Vec<&str> = events.iter().map(Utf8Bytes::as_str).collect();
    format!("{{\"events\":[{}],\"head\":{}}}", events.join(","), page.head.seq)
}
