//! What a hint looks like on its way: one JSON object per message.

use std::{borrow::Cow, sync::Arc};

use chatcore::{
    model::{Event, Notice, Seq, SessionId, Signal, UserId},
    notify::{Hint, Topic},
    store::{decode_event, encode_event},
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};

/// The version of this form. A process takes hints of its own version only, and finds by polling what the other ones tell.
const VERSION: u16 = 1;

/// The longest message that is read. A NATS server takes 1 MiB unless told otherwise.
const LONGEST: usize = 8 << 20;

#[derive(Serialize, Deserialize)]
struct Envelope<'a> {
    v: u16,
    hint: WireHint<'a>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum WireHint<'a> {
    Committed {
        session_id: SessionId,
        head: Seq,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        events: Vec<WireEvent<'a>>,
    },
    Signal(Cow<'a, Signal>),
    Arrived {
        user_id: Cow<'a, UserId>,
        session_id: SessionId,
        is_own: bool,
    },
    Revoked {
        user_id: Cow<'a, UserId>,
    },
    Notice(Cow<'a, Notice>),
    Presence {
        process: Cow<'a, str>,
        turn: u64,
        #[serde(default, deserialize_with = "users", skip_serializing_if = "<[UserId]>::is_empty")]
        moved: Cow<'a, [UserId]>,
        #[serde(default, deserialize_with = "users", skip_serializing_if = "<[UserId]>::is_empty")]
        chose: Cow<'a, [UserId]>,
    },
}

/// An event of the hint's session.
#[derive(Serialize, Deserialize)]
struct WireEvent<'a> {
    seq: Seq,
    number: u64,
    created_at: DateTime<Utc>,
    #[serde(deserialize_with = "actor")]
    actor: Cow<'a, UserId>,
    governs: bool,
    revision: u64,
    #[serde(default)]
    revised: Seq,
    /// What happened, in the form in which stores keep it.
    stored: String,
}

/// Reads an actor as a store does: an event of an older version may name one whom nobody can bring in any more.
fn actor<'de, 'a, D: Deserializer<'de>>(deserializer: D) -> Result<Cow<'a, UserId>, D::Error> {
    UserId::deserialize_stored(deserializer).map(Cow::Owned)
}

/// Reads users as a store does.
fn users<'de, 'a, D: Deserializer<'de>>(deserializer: D) -> Result<Cow<'a, [UserId]>, D::Error> {
    let texts = Vec::<String>::deserialize(deserializer)?;
    texts
        .iter()
        .map(|text| UserId::from_stored(text).map_err(D::Error::custom))
        .collect::<Result<_, _>>()
        .map(Cow::Owned)
}

/// Writes a hint down, without its events if it were longer than `most` bytes with them.
pub(crate) fn encode(hint: &Hint, most: usize) -> Result<Vec<u8>, serde_json::Error> {
    match hint {
        Hint::Arrived { user_id, session_id, is_own } => {
            let user_id = Cow::Borrowed(user_id);
            written(WireHint::Arrived { user_id, session_id: *session_id, is_own: *is_own })
        }
        Hint::Revoked { user_id } => written(WireHint::Revoked { user_id: Cow::Borrowed(user_id) }),
        Hint::Signal(signal) => written(WireHint::Signal(Cow::Borrowed(signal))),
        Hint::Notice(notice) => written(WireHint::Notice(Cow::Borrowed(notice))),
        Hint::Presence { process, turn, moved, chose } => {
            let (moved, chose) = (Cow::Borrowed(&**moved), Cow::Borrowed(&**chose));
            written(WireHint::Presence { process: Cow::Borrowed(process), turn: *turn, moved, chose })
        }
        Hint::Committed { session_id, head, events } => {
            let committed = |events| WireHint::Committed { session_id: *session_id, head: *head, events };
            let whole = written(committed(events.iter().map(|event| wire_event(event)).collect()))?;
            if whole.len() <= most.min(LONGEST) { Ok(whole) } else { written(committed(Vec::new())) }
        }
    }
}

fn written(hint: WireHint<'_>) -> Result<Vec<u8>, serde_json::Error> {
    serde_json::to_vec(&Envelope { v: VERSION, hint })
}

/// Reads a hint that came on a topic's subject.
///
/// # Errors
/// When it is no hint, or one of another version or topic.
pub(crate) fn decode(topic: &Topic, payload: &[u8]) -> Result<Hint, serde_json::Error> {
    if payload.len() > LONGEST {
        return Err(serde_json::Error::custom("longer than any hint"));
    }
    let Envelope { v, hint } = serde_json::from_slice(payload)?;
    if v != VERSION {
        return Err(serde_json::Error::custom(format_args!("a hint of version {v}")));
    }
    let hint = match hint {
        WireHint::Signal(signal) => Hint::Signal(signal.into_owned()),
        WireHint::Notice(notice) => Hint::Notice(notice.into_owned()),
        WireHint::Presence { process, turn, moved, chose } => {
            let (moved, chose) = (moved.into_owned(), chose.into_owned());
            Hint::Presence { process: process.into_owned(), turn, moved, chose }
        }
        WireHint::Arrived { user_id, session_id, is_own } => {
            Hint::Arrived { user_id: user_id.into_owned(), session_id, is_own }
        }
        WireHint::Revoked { user_id } => Hint::Revoked { user_id: user_id.into_owned() },
        WireHint::Committed { session_id, head, events } => {
            let event = |event| Ok(Arc::new(model_event(session_id, event).map_err(serde_json::Error::custom)?));
            let events = events.into_iter().map(event).collect::<Result<_, serde_json::Error>>()?;
            Hint::Committed { session_id, head, events }
        }
    };
    if hint.topic() == *topic { Ok(hint) } else { Err(serde_json::Error::custom("a hint of another topic")) }
}

fn wire_event(event: &Event) -> WireEvent<'_> {
    // A hint's events are of its session, whose id stands once in the hint.
    let Event { session_id: _, seq, number, created_at, actor, kind, governs, revision, revised } = event;
    WireEvent {
        seq: *seq,
        number: *number,
        created_at: *created_at,
        actor: Cow::Borrowed(actor),
        governs: *governs,
        revision: *revision,
        revised: *revised,
        stored: encode_event(kind),
    }
}

/// The event. A kind that a newer version wrote arrives as `Unknown`, with what it governs.
///
/// # Errors
/// A description of the fault in what happened.
fn model_event(session_id: SessionId, event: WireEvent<'_>) -> Result<Event, String> {
    let WireEvent { seq, number, created_at, actor, governs, revision, revised, stored } = event;
    let (actor, kind) = (actor.into_owned(), decode_event(&stored)?);
    Ok(Event { session_id, seq, number, created_at, actor, kind, governs, revision, revised })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test reports by panicking")]

    use chatcore::model::{
        ClientId, Content, EventKind, MessageBody, MessageEvent, MessageStatus, ParticipantEvent, ParticipantRole,
        SessionChanges, SessionEvent,
    };

    use super::*;

    fn here() -> SessionId {
        "01890000-0000-7000-8000-000000000001".parse().unwrap()
    }

    fn there() -> SessionId {
        "01890000-0000-7000-8000-000000000002".parse().unwrap()
    }

    fn committed(kinds: Vec<EventKind>) -> Hint {
        let event = |(n, kind): (u64, EventKind)| {
            let created_at = "2026-01-01T00:00:00.123456789Z".parse().unwrap();
            Arc::new(Event {
                session_id: here(),
                seq: n,
                number: n / 2,
                created_at,
                actor: UserId::new("zoë").unwrap(),
                governs: kind.is_governance(),
                kind,
                revision: 1,
                revised: 0,
            })
        };
        let events: Vec<_> = (1..).zip(kinds).map(event).collect();
        Hint::Committed { session_id: here(), head: events.len() as Seq, events }
    }

    fn message(text: &str) -> EventKind {
        let content = Content::Text(text.to_owned());
        let body = MessageBody::new(content);
        let client_id = Some(ClientId::new("mine").unwrap());
        EventKind::Message(MessageEvent::Sent { body, client_id, status: MessageStatus::AsSent })
    }

    fn typing(session_id: SessionId) -> Hint {
        Hint::Signal(Signal::Typing { session_id, user_id: UserId::new("u").unwrap(), is_typing: true, until: None })
    }

    fn arrived(user: &str) -> Hint {
        Hint::Arrived { user_id: UserId::new(user).unwrap(), session_id: here(), is_own: true }
    }

    fn presence() -> Hint {
        let users = |names: &[&str]| names.iter().map(|name| UserId::from_stored(name).unwrap()).collect();
        Hint::Presence { process: "p".to_owned(), turn: 1, moved: users(&["u", "..", "zoë .*>"]), chose: users(&[]) }
    }

    #[test]
    fn what_is_told_is_what_is_heard() {
        let user_id = UserId::new("u").unwrap();
        let kinds = vec![
            message("\"quoted\" \u{1F600}\n"),
            EventKind::Session(SessionEvent::Updated {
                changes: SessionChanges { description: Some(None), ..SessionChanges::default() },
            }),
            EventKind::Participant(ParticipantEvent::RoleChanged {
                user_id,
                previous: ParticipantRole::Member,
                role: ParticipantRole::Admin,
            }),
            EventKind::Participant(ParticipantEvent::Left),
            EventKind::Message(MessageEvent::Edited { message: 1, revision: 2 }),
            EventKind::Message(MessageEvent::Deleted { messages: vec![1], expired: false }),
            EventKind::Session(SessionEvent::Deleted),
            EventKind::Unknown,
        ];
        // An event by a user whom an older version let in.
        let mut of_old = committed(vec![message("of old")]);
        if let Hint::Committed { events, .. } = &mut of_old {
            let event = Event { actor: UserId::from_stored("..").unwrap(), ..Event::clone(&events[0]) };
            *events = vec![Arc::new(event)];
        }
        for hint in [committed(kinds), committed(Vec::new()), typing(here()), of_old, arrived("zoë .*>"), presence()] {
            assert_eq!(decode(&hint.topic(), &encode(&hint, usize::MAX).unwrap()).unwrap(), hint);
        }
    }

    #[test]
    fn events_are_left_out_where_they_do_not_fit() {
        let hint = committed(vec![message("long enough")]);
        let whole = encode(&hint, usize::MAX).unwrap().len();
        assert_eq!(decode(&here().into(), &encode(&hint, whole).unwrap()).unwrap(), hint);
        let cut = encode(&hint, whole - 1).unwrap();
        assert!(cut.len() < whole);
        let without = Hint::Committed { session_id: here(), head: 1, events: Vec::new() };
        assert_eq!(decode(&here().into(), &cut).unwrap(), without);
    }

    #[test]
    fn what_is_no_hint_of_the_topic_is_not_taken_for_one() {
        decode(&arrived("v").topic(), &encode(&arrived("u"), usize::MAX).unwrap()).unwrap_err();
        let foreign = [committed(vec![message("a")]), typing(here()), arrived("u")];
        for hint in foreign {
            decode(&there().into(), &encode(&hint, usize::MAX).unwrap()).unwrap_err();
        }
        let deep = "[".repeat(100_000);
        let garbage = ["", "\u{0}", "null", "{}", "[]", "{\"v\":1}", "{\"v\":1,\"hint\":{\"committed\":{}}}", &deep];
        for garbage in garbage {
            decode(&here().into(), garbage.as_bytes()).unwrap_err();
            decode(&arrived("u").topic(), garbage.as_bytes()).unwrap_err();
        }
        // Another version may mean something else by the same words.
        let hint = String::from_utf8(encode(&typing(here()), usize::MAX).unwrap()).unwrap();
        decode(&here().into(), hint.as_bytes()).unwrap();
        for version in ["2", "0", "-1", "65536", "\"1\"", "null"] {
            let other = hint.replace("{\"v\":1,", &format!("{{\"v\":{version},"));
            assert_ne!(other, hint);
            decode(&here().into(), other.as_bytes()).unwrap_err();
        }
        // Not even white space makes one of what is too long.
        let long = format!("{hint}{}", " ".repeat(LONGEST));
        decode(&here().into(), long.as_bytes()).unwrap_err();
    }
}
