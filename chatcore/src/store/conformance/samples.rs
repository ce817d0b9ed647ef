//! What is easily lost or changed on its way into a store and back.

use std::collections::BTreeSet;

use super::kit::{new_id, user};
use crate::model::{
    ClientId, Content, EventKind, MessageBody, MessageEvent, MessageType, ParticipantEvent, ParticipantId,
    ParticipantRole, Session, SessionChanges, SessionEvent, SessionType, SpeakerRole,
};

/// Every kind of event at least once, with everything optional both there and not there. `made` is the session that
/// creations tell of.
pub(super) fn every_kind(made: &Session) -> Vec<EventKind> {
    let (id, somebody) = (ParticipantId(new_id()), user("somebody"));
    let changes = SessionChanges {
        title: Some("Title".into()),
        description: Some(Some("Description".into())),
        session_type: Some(SessionType::Direct),
        max_participants: Some(u32::MAX),
    };
    let message = |role, message_type, client_id| {
        let content = Content::Text("Text".into());
        EventKind::Message(MessageEvent::Sent { body: MessageBody { role, message_type, content }, client_id })
    };
    let mut kinds = vec![
        EventKind::Session(SessionEvent::Created { session: made.clone(), participant_id: id }),
        EventKind::Session(SessionEvent::Updated { changes: changes.clone() }),
        EventKind::Session(SessionEvent::Updated { changes: SessionChanges::default() }),
        // Taken away is not the same as not changed.
        EventKind::Session(SessionEvent::Updated {
            changes: SessionChanges { description: Some(None), ..SessionChanges::default() },
        }),
        EventKind::Participant(ParticipantEvent::Left),
        EventKind::Participant(ParticipantEvent::Removed { user_id: somebody.clone() }),
        EventKind::Session(SessionEvent::Deleted),
        message(SpeakerRole::User, MessageType::Text, ClientId::new("client id").ok()),
        message(SpeakerRole::Assistant, MessageType::Image, None),
        message(SpeakerRole::System, MessageType::File, None),
        message(SpeakerRole::User, MessageType::System, None),
    ];
    for session_type in SessionType::ALL {
        let described = Session { session_type, description: Some("Description".into()), ..made.clone() };
        kinds.push(EventKind::Session(SessionEvent::Created { session: described, participant_id: id }));
        let changes = SessionChanges { session_type: Some(session_type), ..SessionChanges::default() };
        kinds.push(EventKind::Session(SessionEvent::Updated { changes }));
    }
    for role in ParticipantRole::ALL {
        kinds.push(EventKind::Participant(ParticipantEvent::Joined { participant_id: id, role }));
        kinds.push(EventKind::Participant(ParticipantEvent::Added {
            user_id: somebody.clone(),
            participant_id: id,
            role,
        }));
        for previous in ParticipantRole::ALL {
            kinds.push(EventKind::Participant(ParticipantEvent::RoleChanged {
                user_id: somebody.clone(),
                previous,
                role,
            }));
        }
    }
    // A new kind does not compile until it has a place here, and fails until it is in the list above.
    let place = |kind: &EventKind| match kind {
        EventKind::Session(SessionEvent::Created { .. }) => 0,
        EventKind::Session(SessionEvent::Updated { .. }) => 1,
        EventKind::Session(SessionEvent::Deleted) => 2,
        EventKind::Participant(ParticipantEvent::Joined { .. }) => 3,
        EventKind::Participant(ParticipantEvent::Added { .. }) => 4,
        EventKind::Participant(ParticipantEvent::Left) => 5,
        EventKind::Participant(ParticipantEvent::Removed { .. }) => 6,
        EventKind::Participant(ParticipantEvent::RoleChanged { .. }) => 7,
        EventKind::Message(MessageEvent::Sent { .. }) => 8,
    };
    let places: BTreeSet<i32> = kinds.iter().map(place).collect();
    assert_eq!(places, (0..9).collect(), "some kind is missing from the suite");
    kinds
}

/// Texts that are easily changed on their way, without control characters so that they are ids as well.
pub(super) fn tricky_texts() -> Vec<String> {
    let texts = [
        " ",
        "  both ends  ",
        "\u{a0}\u{2003}",
        "a",
        "A",
        "a ",
        "ä",
        "a\u{308}",
        "ß",
        "SS",
        "İ",
        "1",
        "01",
        "1.0",
        "-0",
        "1e999",
        "null",
        "NULL",
        "NONE",
        "none",
        "true",
        "undefined",
        "2024-01-01T00:00:00Z",
        "d'2024-01-01T00:00:00Z'",
        "1h30m",
        "session:1",
        "session:⟨1⟩",
        "event:['a', 1]",
        "018f2f5e-7c1a-7000-8000-000000000000",
        "u'018f'",
        "$value",
        "{}",
        "[]",
        "{\"encrypted_data\":\"x\",\"iv\":\"y\",\"key_version\":1}",
        "\"double\"",
        "'single'",
        "`back`",
        "⟨angle⟩",
        "\\",
        "\\\\",
        "\\n",
        "\\u0041",
        "\\'",
        "'; REMOVE TABLE event; --",
        "/* comment */",
        "-- comment",
        "# comment",
        "<b>&amp;</b>",
        "%41+%20",
        "a/b",
        "a:b",
        "a|b",
        "a,b",
        ".",
        "..",
        "../..",
        "日本語",
        "עברית",
        "العربية",
        "\u{202e}turned\u{202c}",
        "👩\u{200d}👩\u{200d}👧",
        "👩👩👧",
        "🏳\u{fe0f}",
        "\u{feff}mark",
        "mark",
        "\u{fffd}",
        "\u{e000}",
        "\u{10ffff}",
        "e\u{301}\u{327}",
        "e\u{327}\u{301}",
        "\u{1f600}",
    ];
    let long = ["x".repeat(127) + "y", "x".repeat(127) + "z", "😀".repeat(128)];
    texts.into_iter().map(str::to_owned).chain(long).collect()
}
