//! Older and newer forms of events and values.

use super::*;

/// What older forms of events mean.
fn older_events() -> Vec<(&'static str, EventKind)> {
    let sent = |body, status| EventKind::Message(MessageEvent::Sent { body, client_id: None, status });
    let (participant_id, role) = (stay(), ParticipantRole::Member);
    vec![
        ("a message before messages could be edited", sent(text("Hello"), MessageStatus::AsSent)),
        ("a field that is not known", sent(text("Hello"), MessageStatus::Edited { at: at(2) })),
        (
            "a session before it had needs",
            EventKind::Session(SessionEvent::Created { session: session(), participant_id }),
        ),
        (
            "a user id that is refused today",
            EventKind::Participant(ParticipantEvent::Removed {
                user_id: user(" a/../b "),
                reason: RemovalReason::ByManager,
            }),
        ),
        ("a join with a newer role", EventKind::Unknown),
        ("an addition with a newer role", EventKind::Unknown),
        ("a change from a newer role", EventKind::Unknown),
        ("a change to a newer role", EventKind::Unknown),
        ("a message with a newer speaker", EventKind::Unknown),
        ("a message of a newer type", EventKind::Unknown),
        ("a message with newer contents", EventKind::Unknown),
        ("a session of a newer type", EventKind::Unknown),
        ("a session that gets a newer type", EventKind::Unknown),
        ("a session that gets a newer visibility", EventKind::Unknown),
        ("an unknown kind", EventKind::Unknown),
        ("an unknown kind without fields", EventKind::Unknown),
        ("a unit kind with a field", EventKind::Participant(ParticipantEvent::Left)),
        ("a join with a field", EventKind::Participant(ParticipantEvent::Joined { participant_id, role })),
    ]
}

#[test]
fn older_and_newer_forms_of_events_are_read() {
    let golden = golden("older_events.json");
    let names: BTreeSet<&str> = older_events().iter().map(|(case, _)| *case).collect();
    assert_eq!(names, golden.keys().map(String::as_str).collect());
    for (case, expected) in older_events() {
        assert_eq!(decode_event(&golden[case].to_string()).expect(case), expected, "{case}");
    }
    for bad in ["", "{}", "[]", "null", r#"{"kind":"message_edited"}"#, r#"{"kind":7}"#, LEFT, NUMBERED] {
        assert!(decode_event(bad).is_err(), "{bad}");
    }
}

/// A change of a role without the new one.
const LEFT: &str = r#"{"kind":"participant_role_changed","user_id":"bob","previous":"GUEST"}"#;

/// A message whose speaker is a number.
const NUMBERED: &str = r#"{"kind":"message_sent","role":7,"message_type":"text","content":"Hello"}"#;

/// What older forms of values mean.
fn older_values() -> Vec<(&'static str, Key, Value)> {
    let user_id = user("bob");
    let participants = Participants { session: session_id(), user: user_id.clone() };
    let client =
        ClientIds { session: session_id(), user: user_id.clone(), client_id: ClientId::new("once").expect("an id") };
    let profiles = Profiles { user: user_id.clone() };
    let unknown = ProfileRecord::unknown(user_id);
    let part = |text: &str, second| Some(ProfilePart { text: text.into(), as_of: at(second) });
    let used = ClientIdUse { seq: Some(7), fingerprint: Some("0123abcd".into()) };
    let member = participant(Standing::Active(ParticipantRole::Member), false);
    let sessions = Sessions { session: session_id() };
    let handle = ProfileRecord { username: part("bobby", 5), ..unknown.clone() };
    let both = ProfileRecord { name: part("Bob", 5), email: part("b@x.org", 5), ..handle.clone() };
    let mixed = ProfileRecord { username: part("bobby", 1), name: part("Bob", 5), ..unknown.clone() };
    let named_alike = ProfileRecord { username: part("bob", 1), name: part("bob", 2), ..unknown.clone() };
    // No version understands what it needs.
    let newer = Session { session_type: SessionType::Private, needs: u32::MAX, ..session() };
    let unseen = Session { needs: u32::MAX, ..session() };
    let of = |case, key: Key, value: Value| (case, key, value);
    vec![
        of("a session before it had needs", sessions.key(), Value::of::<Sessions>(session())),
        of("a participant without is_engaged", participants.key(), Value::of::<Participants>(member.clone())),
        of("a participant whose is_engaged is null", participants.key(), Value::of::<Participants>(member)),
        of("a client id with its position", client.key(), Value::of::<ClientIds>(used)),
        of("the oldest profile of an unknown user", profiles.key(), Value::of::<Profiles>(unknown.clone())),
        of("the oldest profile with a handle", profiles.key(), Value::of::<Profiles>(handle)),
        of("the oldest profile with a name", profiles.key(), Value::of::<Profiles>(both)),
        of("the oldest profile with a part of its own age", profiles.key(), Value::of::<Profiles>(mixed)),
        of("a later profile whose handle is the id", profiles.key(), Value::of::<Profiles>(named_alike)),
        of("a profile without fields", profiles.key(), Value::of::<Profiles>(unknown)),
        of("a field that is not known", sessions.key(), Value::of::<Sessions>(session())),
        of("a session of a newer type", sessions.key(), Value::of::<Sessions>(newer)),
        of("a session of a newer visibility", sessions.key(), Value::of::<Sessions>(unseen)),
    ]
}

#[test]
fn older_and_newer_forms_of_values_are_read() {
    let golden = golden("older_values.json");
    let names: BTreeSet<&str> = older_values().iter().map(|(case, ..)| *case).collect();
    assert_eq!(names, golden.keys().map(String::as_str).collect());
    for (case, key, expected) in older_values() {
        let decoded = Value::decode(&key, 1, golden[case].clone()).expect(case);
        assert_eq!(decoded, expected, "{case}");
        // Written again, it has the form of today, and means the same.
        let again = Value::decode(&key, key.table.format, decoded.encode()).expect(case);
        assert_eq!(again, expected, "{case}, written again");
    }
}
