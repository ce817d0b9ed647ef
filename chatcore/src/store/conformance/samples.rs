//! What is easily lost or changed on its way into a store and back.

use std::collections::BTreeSet;

use serde_json::json;
use uuid::Uuid;

use super::kit::{at, content, new_session_id, user};
use crate::{
    model::{
        ClientId, Content, EncryptedContent, EventKind, HistoryVisibility, MessageBody, MessageEvent, MessageStatus,
        MessageType, ParticipantEvent, ParticipantId, ParticipantRole, RemovalReason, Session, SessionChanges,
        SessionEvent, SessionSettings, SessionType, SpeakerRole,
    },
    store::Json,
};

/// Events of every group, with everything optional both there and not there. The suite knows no feature: a store keeps all kinds of a
/// group in the same way, and golden files pin the form of each kind.
pub(super) fn every_group() -> Vec<EventKind> {
    let kinds = [sessions(), participants(), messages(), vec![EventKind::Unknown]].concat();
    // A new group does not compile until it has a place here, and fails until it is in one of the lists.
    let place = |kind: &EventKind| match kind {
        EventKind::Session(_) => 0,
        EventKind::Participant(_) => 1,
        EventKind::Message(_) => 2,
        EventKind::Unknown => 3,
    };
    let places: BTreeSet<i32> = kinds.iter().map(place).collect();
    assert_eq!(places, (0..4).collect(), "some group is missing from the suite");
    kinds
}

fn sessions() -> Vec<EventKind> {
    let made = Session {
        id: new_session_id(),
        title: "A session".to_owned(),
        description: None,
        session_type: SessionType::Public,
        max_participants: u32::MAX,
        participant_count: 0,
        owner: user("owner"),
        is_active: true,
        created_at: at(-1),
        updated_at: at(0),
        settings: SessionSettings::default(),
        archived_at: None,
        deletion: None,
        needs: 0,
    };
    let participant_id = ParticipantId(Uuid::from_u128(u128::MAX));
    let created = |session| EventKind::Session(SessionEvent::Created { session, participant_id });
    let updated = |changes| EventKind::Session(SessionEvent::Updated { changes });
    let all = SessionChanges {
        title: Some("Title".into()),
        description: Some(Some("Description".into())),
        session_type: Some(SessionType::Direct),
        slow_mode_seconds: Some(30),
        message_lifetime: Some(None),
        history_visibility: Some(HistoryVisibility::SinceJoining),
        tags: Some(vec!["rust".into()]),
        avatar_url: Some(None),
        metadata: Some(None),
        receipts: Some(false),
        max_participants: Some(u32::MAX),
    };
    let mut kinds = vec![
        created(made.clone()),
        created(Session { is_active: false, needs: u32::MAX, ..made.clone() }),
        updated(all),
        updated(SessionChanges::default()),
        // Taken away is not the same as not changed.
        updated(SessionChanges { description: Some(None), ..SessionChanges::default() }),
        EventKind::Session(SessionEvent::Deleted),
    ];
    for session_type in SessionType::ALL {
        kinds.push(created(Session { session_type, description: Some("Description".into()), ..made.clone() }));
        kinds.push(updated(SessionChanges { session_type: Some(session_type), ..SessionChanges::default() }));
    }
    kinds
}

fn participants() -> Vec<EventKind> {
    let (participant_id, user_id) = (ParticipantId(Uuid::from_u128(1)), user("somebody"));
    let removed = |reason| ParticipantEvent::Removed { user_id: user_id.clone(), reason };
    let mut kinds =
        vec![ParticipantEvent::Left, removed(RemovalReason::ByManager), removed(RemovalReason::AccountBanned)];
    for role in ParticipantRole::ALL {
        kinds.push(ParticipantEvent::Joined { participant_id, role });
        kinds.push(ParticipantEvent::Added { user_id: user_id.clone(), participant_id, role });
        let changed = |previous| ParticipantEvent::RoleChanged { user_id: user_id.clone(), previous, role };
        kinds.extend(ParticipantRole::ALL.map(changed));
    }
    kinds.into_iter().map(EventKind::Participant).collect()
}

fn messages() -> Vec<EventKind> {
    let message = |role, message_type, client_id, status| {
        let body = MessageBody { role, message_type, ..MessageBody::new(Content::Text("Text".into())) };
        EventKind::Message(MessageEvent::Sent { body, client_id, status })
    };
    let deleted = MessageBody { role: SpeakerRole::Assistant, ..MessageBody::new(Content::Deleted) };
    let status = MessageStatus::Deleted { by: Some(user("somebody")), at: at(1) };
    vec![
        message(SpeakerRole::User, MessageType::Text, ClientId::new("client id").ok(), MessageStatus::AsSent),
        message(SpeakerRole::Assistant, MessageType::Image, None, MessageStatus::Edited { at: at(0) }),
        message(SpeakerRole::System, MessageType::File, None, MessageStatus::AsSent),
        message(SpeakerRole::User, MessageType::System, None, MessageStatus::AsSent),
        EventKind::Message(MessageEvent::Sent { body: deleted, client_id: ClientId::new("a").ok(), status }),
        EventKind::Message(MessageEvent::Edited { message: 1, revision: 2 }),
        EventKind::Message(MessageEvent::Deleted { messages: vec![], expired: true }),
        EventKind::Message(MessageEvent::Deleted { messages: (1..400).collect(), expired: false }),
    ]
}

/// Ciphertexts, and a text that looks like one.
pub(super) fn ciphertexts() -> Vec<EventKind> {
    let mut kinds = Vec::new();
    for (data, key_version) in long_texts().into_iter().zip([0, 1, u32::MAX].into_iter().cycle()) {
        let iv = data.chars().rev().take(256).collect();
        kinds.push(content(Content::Encrypted(EncryptedContent { encrypted_data: data, iv, key_version })));
    }
    kinds.push(content(Content::Text(r#"{"encrypted_data":"x","iv":"y","key_version":1}"#.to_owned())));
    kinds
}

/// Values that are easily changed on their way.
pub(super) fn tricky_values() -> Vec<Json> {
    let mut values = vec![
        json!(null),
        json!(true),
        json!(false),
        json!(0),
        json!(-1),
        json!(i64::MAX),
        json!(i64::MIN),
        json!((1_i64 << 53) + 1),
        json!(0.5),
        json!(1.0),
        json!(-2.0),
        json!(1e300),
        json!(0.1),
        json!(f64::MIN_POSITIVE),
        json!([]),
        json!({}),
        json!([[], {}, null, [null]]),
        json!([1, "1", 1.5, true, null, { "a": [] }]),
        json!({ "a": { "b": { "c": { "d": [{ "e": null }] } } } }),
        json!({ "here": null }),
        // Names that a database may keep for itself, and names that no identifier has.
        json!({ "id": 1, "in": 2, "out": 3, "type": 4, "value": 5, "version": 6, "at": 7, "format": 8, "key": 9 }),
        json!({ "": 1, " ": 2, "a.b": 3, "a b": 4, "$a": 5, "a\"b": 6, "ä": 7, "`": 8, "⟨⟩": 9, "0": 10, "__": 11 }),
        json!({ "A": 1, "a": 2 }),
    ];
    let wide: serde_json::Map<String, Json> = (0..200).map(|n| (format!("field {n}"), json!(n))).collect();
    values.push(Json::Object(wide));
    values.extend(tricky_texts().into_iter().chain(long_texts()).map(Json::String));
    values
}

/// Texts for places where lines break, and long ones.
pub(super) fn long_texts() -> Vec<String> {
    let texts = [
        "",
        "\n",
        "two\nlines",
        "two\r\nlines",
        "\ta tab",
        "ends with one\n",
        "`SELECT` \"a\\nb\"\n-- 'c'",
        "\u{1}\u{7f}",
    ];
    let long = ["long ".repeat(1_600), "😀".repeat(8_000), "\\\"'\n".repeat(2_000), "x".repeat(200_000)];
    texts.into_iter().map(str::to_owned).chain(long).collect()
}

/// Texts for keys, in the order of their bytes.
pub(super) fn sorted_texts() -> Vec<String> {
    let mut texts = tricky_texts();
    let more = [
        "",
        "\0",
        "\0\0",
        "\0a",
        "a\0",
        "a\0b",
        "a\u{1}",
        "ab",
        "abc",
        "b",
        "Z",
        "z",
        "\u{7f}",
        "\u{80}",
        "\u{7ff}",
        "\u{800}",
        "\u{d7ff}",
        "\u{ffff}",
        "\u{10000}",
    ];
    texts.extend(more.map(str::to_owned));
    texts.sort_by(|one, other| one.as_bytes().cmp(other.as_bytes()));
    texts.dedup();
    texts
}

/// Texts that are easily changed on their way, without control characters so that they are ids as well.
pub(super) fn tricky_texts() -> Vec<String> {
    let texts = "\
        a¦A¦a ¦ ¦  both ends  ¦\u{a0}\u{2003}¦ä¦a\u{308}¦ß¦SS¦İ¦1¦01¦1.0¦-0¦1e999¦null¦NULL¦NONE¦none¦true¦\
        undefined¦2024-01-01T00:00:00Z¦d'2024-01-01T00:00:00Z'¦1h30m¦session:1¦session:⟨1⟩¦event:['a', 1]¦\
        018f2f5e-7c1a-7000-8000-000000000000¦u'018f'¦$value¦{}¦[]¦\
        {\"encrypted_data\":\"x\",\"iv\":\"y\",\"key_version\":1}¦\"double\"¦'single'¦`back`¦⟨angle⟩¦\\¦\\\\¦\\n¦\
        \\u0041¦\\'¦'; REMOVE TABLE event; --¦/* comment */¦-- comment¦# comment¦<b>&amp;</b>¦%41+%20¦a/b¦a:b¦\
        a|b¦a,b¦.¦..¦../..¦日本語¦עברית¦العربية¦\u{202e}turned\u{202c}¦👩\u{200d}👩\u{200d}👧¦👩👩👧¦🏳\u{fe0f}¦\
        \u{feff}mark¦mark¦\u{fffd}¦\u{e000}¦\u{10ffff}¦e\u{301}\u{327}¦e\u{327}\u{301}¦\u{1f600}";
    let long = ["x".repeat(127) + "y", "x".repeat(127) + "z", "😀".repeat(128)];
    texts.split('¦').map(str::to_owned).chain(long).collect()
}
