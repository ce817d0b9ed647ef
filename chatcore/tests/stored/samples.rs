//! Values of which samples consist.

use super::*;

pub(super) fn at(second: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_750_000_000 + second, 654_321_000).expect("a time")
}

pub(super) fn user(name: &str) -> UserId {
    UserId::from_stored(name).expect("a user id")
}

pub(super) fn report_id() -> ReportId {
    ReportId(Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0009))
}

pub(super) fn session_id() -> SessionId {
    SessionId(Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0001))
}

pub(super) fn stay() -> ParticipantId {
    ParticipantId(Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0002))
}

pub(super) fn invite() -> InviteId {
    InviteId(Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0004))
}

pub(super) fn invite_record(max_uses: Option<u32>) -> InviteRecord {
    let (digest, by, role) = ("0123abcd".into(), user("ana"), ParticipantRole::Member);
    InviteRecord {
        digest,
        by,
        role,
        created_at: at(0),
        expires_at: at(9),
        max_uses,
        uses: 1,
        needs_approval: max_uses.is_some(),
    }
}

pub(super) fn webhook() -> WebhookId {
    WebhookId(Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0006))
}

pub(super) fn picture() -> Option<String> {
    Some("https://example.com/a.png".into())
}

pub(super) fn incoming_record(avatar_url: Option<String>) -> IncomingRecord {
    let (digest, name) = ("0123abcd".into(), "Builds".into());
    IncomingRecord { digest, name, avatar_url, by: user("ana"), created_at: at(1) }
}

pub(super) fn incoming_place(used_at: Option<DateTime<Utc>>) -> IncomingPlace {
    IncomingPlace { session: session_id(), webhook: webhook(), used_at }
}

pub(super) fn webhook_author(avatar_url: Option<String>) -> WebhookAuthor {
    WebhookAuthor { name: "Builds".into(), avatar_url, updated_at: at(1) }
}

pub(super) fn request(text: Option<&str>) -> JoinRequestRecord {
    JoinRequestRecord { text: text.map(str::to_owned), role: ParticipantRole::Viewer, at: at(2) }
}

pub(super) fn session() -> Session {
    Session {
        id: session_id(),
        title: "A session".into(),
        description: None,
        session_type: SessionType::InviteOnly,
        max_participants: 100,
        participant_count: 2,
        owner: user("ana"),
        is_active: true,
        created_at: at(0),
        updated_at: at(1),
        settings: SessionSettings::default(),
        archived_at: None,
        deletion: None,
        needs: 0,
    }
}

pub(super) fn metadata() -> Metadata {
    Metadata([("key".to_owned(), json!([1, null, { "a": "b" }]))].into())
}

pub(super) fn settings() -> SessionSettings {
    let avatar_url = Some("https://example.com/a.png".into());
    SessionSettings {
        slow_mode_seconds: 30,
        message_lifetime: Some(3_600),
        history_visibility: HistoryVisibility::SinceJoining,
        tags: vec!["rust".into(), "chat".into()],
        avatar_url,
        metadata: Some(metadata()),
        receipts: false,
    }
}

pub(super) fn text(text: &str) -> MessageBody {
    let content = Content::Text(text.into());
    MessageBody::new(content)
}

pub(super) fn emoji() -> Emoji {
    Emoji::new("\u{1f44d}").expect("an emoji")
}

pub(super) fn own_emoji(url: Option<&str>) -> SessionEmoji {
    SessionEmoji { name: EmojiName::new("party_parrot").expect("a name"), url: url.map(str::to_owned) }
}

pub(super) fn participant(standing: Standing, is_engaged: bool) -> ParticipantRecord {
    let record = ParticipantRecord::new(stay(), session_id(), user("bob"), standing, at(0));
    ParticipantRecord { joined_at: at(1), is_engaged, ..record }
}

pub(super) fn command_name() -> CommandName {
    CommandName::new("deploy").expect("a name")
}

pub(super) fn bot_token(sessions: Option<Vec<SessionId>>) -> BotTokenRecord {
    let is_scoped = sessions.is_some();
    BotTokenRecord {
        id: LoginId(Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_000a)),
        digest: "0123abcd".into(),
        name: "a server".into(),
        sessions,
        actions: is_scoped.then(|| vec!["SEND".into()]),
        created_at: at(1),
        expires_at: is_scoped.then(|| at(9)),
    }
}
