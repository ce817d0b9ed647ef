//! Golden files pin the forms in which events and values are stored. With `UPDATE_GOLDEN=1` in the environment, the forms of this version are
//! written; the older ones are written by hand, and stay.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "the helpers of a test fail as the test does, by panicking"
)]

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use chatcore::{
    model::{
        Attachment, Availability, Ban, BotCommand, ClientId, CommandName, Content, Emoji, EmojiName, EncryptedContent,
        EndedLogin, EventKind, HeldId, HistoryVisibility, InviteId, LoginId, Mention, MessageBody, MessageCommand,
        MessageEvent, MessageId, MessageStatus, MessageType, Metadata, ModerationAction, ModerationId, Origin,
        ParticipantEvent, ParticipantId, ParticipantRole, RemovalReason, Reply, ReportId, ReportReason, ReportState,
        Sanction, ScheduledId, Session, SessionChanges, SessionDeletion, SessionEmoji, SessionEvent, SessionId,
        SessionSettings, SessionType, Span, SpeakerRole, Standing, StatusText, StreamFailure, StreamState, Term,
        UserId, UserStanding, WebhookId,
    },
    store::{
        ActiveThreads, AllReports, AskedToJoin, BannedFrom, BannedUntil, Bans, Been, BlockRecord, Blocks, BotCommands,
        BotCursor, BotCursors, BotLease, BotLeases, BotRecord, BotTokenPlace, BotTokenRecord, BotTokenUse,
        BotTokenUses, BotTokens, Bots, ClientIdUse, ClientIds, CommandList, Connection, Connections, Count, Counters,
        DeletionCount, Deletions, DeliveryMarker, DeliveryMarkers, Departure, DepartureTask, Departures, Directory,
        DraftText, Drafts, Due, DueTask, Dues, EmojiList, Emojis, Expiries, Expiry, FollowRecord, Follows, Handled,
        Held, HeldEntry, HeldList, HeldLists, HeldMessages, IncomingPlace, IncomingRecord, IncomingTokens,
        IncomingWebhooks, InviteCodes, InvitePlace, InviteRecord, Invites, JoinRequestRecord, JoinRequests, Json, Key,
        LastReplyRecord, LastSeen, LastSeenTimes, LastSend, LastSends, Listed, Memberships, Mentions, MessageReactions,
        ModerationEntries, ModerationRecord, Newest, OpenReport, OpenReportList, OpenReports, OpenStream,
        OpenStreamList, OpenStreams, Orphans, OwnedBot, OwnedBotList, OwnedBots, Owner, ParticipantRecord,
        Participants, Pin, PinList, Pins, PreferenceRecord, PresenceChanges, PresenceChoice, PresenceChoices,
        PresenceProcesses, ProcessBeat, ProfilePart, ProfileRecord, Profiles, Purge, PurgeWork, Purges, Reacted,
        ReactionTotal, ReactionTotals, Reactors, ReadMarker, ReadMarkers, Replies, ReplyEntry, ReportPlace,
        ReportRecord, Reports, ReportsIn, Revision, Revisions, Scheduled, ScheduledMessages, Seat, Seats, SessionBots,
        SessionPreferences, Sessions, SettingsOfUsers, Speaker, Standings, StreamedText, StreamedTexts, TABLES,
        ThreadEntry, ThreadMarker, ThreadMarkers, ThreadRecord, Threads, TypedKey, UserSettingsRecord, Value,
        WebhookAuthor, WebhookAuthors, decode_event, encode_event,
    },
};
use chrono::{DateTime, Utc};
use serde_json::json;
use uuid::Uuid;

type Forms = BTreeMap<String, Json>;

fn golden(name: &str) -> Forms {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    serde_json::from_str(&std::fs::read_to_string(path).expect("a golden file")).expect("JSON")
}

/// Compares the forms of this version with a golden file.
fn assert_golden(name: &str, forms: &Forms) {
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
        std::fs::write(path, serde_json::to_string_pretty(forms).expect("JSON") + "\n").expect("a golden file");
    }
    let golden = golden(name);
    assert_eq!(forms.keys().collect::<Vec<_>>(), golden.keys().collect::<Vec<_>>());
    for (case, form) in forms {
        assert_eq!(form, &golden[case], "{case}");
    }
}

fn at(second: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_750_000_000 + second, 654_321_000).expect("a time")
}

fn user(name: &str) -> UserId {
    UserId::from_stored(name).expect("a user id")
}

fn report_id() -> ReportId {
    ReportId(Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0009))
}

fn session_id() -> SessionId {
    SessionId(Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0001))
}

fn stay() -> ParticipantId {
    ParticipantId(Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0002))
}

fn invite() -> InviteId {
    InviteId(Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0004))
}

fn invite_record(max_uses: Option<u32>) -> InviteRecord {
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

fn webhook() -> WebhookId {
    WebhookId(Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0006))
}

fn picture() -> Option<String> {
    Some("https://example.com/a.png".into())
}

fn incoming_record(avatar_url: Option<String>) -> IncomingRecord {
    let (digest, name) = ("0123abcd".into(), "Builds".into());
    IncomingRecord { digest, name, avatar_url, by: user("ana"), created_at: at(1) }
}

fn incoming_place(used_at: Option<DateTime<Utc>>) -> IncomingPlace {
    IncomingPlace { session: session_id(), webhook: webhook(), used_at }
}

fn webhook_author(avatar_url: Option<String>) -> WebhookAuthor {
    WebhookAuthor { name: "Builds".into(), avatar_url, updated_at: at(1) }
}

fn request(text: Option<&str>) -> JoinRequestRecord {
    JoinRequestRecord { text: text.map(str::to_owned), role: ParticipantRole::Viewer, at: at(2) }
}

fn session() -> Session {
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

fn metadata() -> Metadata {
    Metadata([("key".to_owned(), json!([1, null, { "a": "b" }]))].into())
}

fn settings() -> SessionSettings {
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

fn text(text: &str) -> MessageBody {
    let content = Content::Text(text.into());
    MessageBody::new(content)
}

fn emoji() -> Emoji {
    Emoji::new("\u{1f44d}").expect("an emoji")
}

fn own_emoji(url: Option<&str>) -> SessionEmoji {
    SessionEmoji { name: EmojiName::new("party_parrot").expect("a name"), url: url.map(str::to_owned) }
}

fn participant(standing: Standing, is_engaged: bool) -> ParticipantRecord {
    let record = ParticipantRecord::new(stay(), session_id(), user("bob"), standing, at(0));
    ParticipantRecord { joined_at: at(1), is_engaged, ..record }
}

/// The name of an event in the golden file, up to a hyphen. A new kind does not compile until it is named here.
const fn name(kind: &EventKind) -> &'static str {
    match kind {
        EventKind::Session(SessionEvent::Created { .. }) => "session_created",
        EventKind::Session(SessionEvent::Updated { .. }) => "session_updated",
        EventKind::Session(SessionEvent::InviteCreated { .. }) => "invite_created",
        EventKind::Session(SessionEvent::InviteRevoked { .. }) => "invite_revoked",
        EventKind::Session(SessionEvent::EmojiAdded { .. }) => "emoji_added",
        EventKind::Session(SessionEvent::EmojiRemoved { .. }) => "emoji_removed",
        EventKind::Session(SessionEvent::JoinRequested) => "join_requested",
        EventKind::Session(SessionEvent::JoinRequestClosed { .. }) => "join_request_closed",
        EventKind::Session(SessionEvent::WebhookChanged { .. }) => "webhook_changed",
        EventKind::Session(SessionEvent::Deleted) => "session_deleted",
        EventKind::Session(SessionEvent::Archived) => "session_archived",
        EventKind::Session(SessionEvent::Unarchived) => "session_unarchived",
        EventKind::Session(SessionEvent::Restored) => "session_restored",
        EventKind::Participant(ParticipantEvent::Joined { .. }) => "participant_joined",
        EventKind::Participant(ParticipantEvent::Added { .. }) => "participant_added",
        EventKind::Participant(ParticipantEvent::Left) => "participant_left",
        EventKind::Participant(ParticipantEvent::Removed { .. }) => "participant_removed",
        EventKind::Participant(ParticipantEvent::RoleChanged { .. }) => "participant_role_changed",
        EventKind::Participant(ParticipantEvent::Banned { .. }) => "participant_banned",
        EventKind::Participant(ParticipantEvent::Unbanned { .. }) => "participant_unbanned",
        EventKind::Participant(ParticipantEvent::Muted { .. }) => "participant_muted",
        EventKind::Participant(ParticipantEvent::Unmuted { .. }) => "participant_unmuted",
        EventKind::Participant(ParticipantEvent::MetadataChanged { .. }) => "participant_metadata_changed",
        EventKind::Participant(ParticipantEvent::OwnerChanged { .. }) => "owner_changed",
        EventKind::Message(MessageEvent::Sent { .. }) => "message_sent",
        EventKind::Message(MessageEvent::Edited { .. }) => "message_edited",
        EventKind::Message(MessageEvent::Finished { .. }) => "message_finished",
        EventKind::Message(MessageEvent::Deleted { .. }) => "message_deleted",
        EventKind::Message(MessageEvent::Pinned { .. }) => "message_pinned",
        EventKind::Message(MessageEvent::Unpinned { .. }) => "message_unpinned",
        EventKind::Message(MessageEvent::Reacted { .. }) => "message_reacted",
        EventKind::Message(MessageEvent::Unreacted { .. }) => "message_unreacted",
        EventKind::Unknown => "unknown",
    }
}

fn command_name() -> CommandName {
    CommandName::new("deploy").expect("a name")
}

fn bot_token(sessions: Option<Vec<SessionId>>) -> BotTokenRecord {
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

fn bots() -> Vec<(String, Key, Value)> {
    let bot = || user("bot-1");
    let record = |tokens| BotRecord { owner: user("ana"), created_at: at(0), tokens };
    let tokens = vec![bot_token(None), bot_token(Some(vec![session_id()]))];
    let commands = vec![BotCommand { name: command_name(), description: "Deploys".into() }];
    vec![
        value("", &SessionBots { session: session_id(), bot: bot() }, Listed),
        value("", &BotCommands { bot: bot() }, CommandList { commands }),
        value("", &Bots { bot: bot() }, record(Vec::new())),
        value("full", &Bots { bot: bot() }, record(tokens)),
        value("", &OwnedBots { owner: user("ana") }, OwnedBotList { bots: vec![OwnedBot { id: bot() }] }),
        value("", &BotTokens { digest: "0123abcd".into() }, BotTokenPlace { bot: bot() }),
        value("", &BotTokenUses { bot: bot(), token: bot_token(None).id }, BotTokenUse { at: at(2) }),
        value(
            "bot",
            &Profiles { user: user("bob") },
            ProfileRecord { is_bot: true, ..ProfileRecord::unknown(user("bob")) },
        ),
        value("bot", &Standings { user: bot() }, UserStanding { is_bot: true, ..UserStanding::default() }),
    ]
}

fn messages() -> Vec<(&'static str, EventKind)> {
    let sent = |body, client_id, status| EventKind::Message(MessageEvent::Sent { body, client_id, status });
    let body = |role, message_type, content| MessageBody { role, message_type, ..MessageBody::new(content) };
    let ciphertext = EncryptedContent { encrypted_data: "abc".into(), iv: "def".into(), key_version: 7 };
    let span = |start, end| Span { start, end };
    let mention = |user, span| Mention { user, span };
    let mentions = vec![
        mention(Some(user("bob")), Some(span(0, 4))),
        mention(None, Some(span(5, 9))),
        mention(Some(user(" old/id ")), None),
        mention(None, None),
    ];
    let mentioning = MessageBody { mentions, links: vec![span(10, 20)], ..text("@bob @all http://x.y") };
    let attachment =
        Attachment { id: "7".into(), name: "a.png".into(), media_type: "image/png".into(), size: (1 << 53) - 1 };
    let carrying = MessageBody { attachments: vec![attachment], metadata: Some(metadata()), ..text("") };
    let origin =
        Origin { message: Some(MessageId { session_id: session_id(), seq: 3 }), author: user("bob"), sent_at: at(1) };
    let forwarded = MessageBody { origin: Some(origin), ..text("Hello") };
    let streamed = |said: &str, stream| MessageBody { stream: Some(stream), ..text(said) };
    let failed = |detail: Option<&str>| StreamState::Failed {
        reason: if detail.is_some() { StreamFailure::Aborted } else { StreamFailure::TimedOut },
        detail: detail.map(str::to_owned),
    };
    let command = MessageCommand { name: command_name(), bot_id: user("bot-1") };
    let commanding = MessageBody { command: Some(command), ..text("/deploy api") };
    let [deleted, expired] = [Some(user("ana")), None].map(|by| MessageStatus::Deleted { by, at: at(2) });
    let [file, image] =
        [MessageType::File, MessageType::Image].map(|kind| body(SpeakerRole::System, kind, Content::Text("x".into())));
    vec![
        ("", sent(text("Hello"), None, MessageStatus::AsSent)),
        ("client id", sent(text("Hello"), ClientId::new("once").ok(), MessageStatus::AsSent)),
        (
            "reply",
            sent(MessageBody { reply: Some(Reply { to: 5, root: 3 }), ..text("Hello") }, None, MessageStatus::AsSent),
        ),
        ("mentions", sent(mentioning, None, MessageStatus::AsSent)),
        ("attachments", sent(carrying, None, MessageStatus::AsSent)),
        ("forwarded", sent(forwarded, None, MessageStatus::AsSent)),
        ("edited", sent(text("Hello again"), None, MessageStatus::Edited { at: at(2) })),
        ("deleted", sent(MessageBody { content: Content::Deleted, ..text("") }, None, deleted)),
        ("expired", sent(MessageBody { content: Content::Deleted, ..text("") }, None, expired)),
        (
            "encrypted",
            sent(
                body(SpeakerRole::Assistant, MessageType::System, Content::Encrypted(ciphertext)),
                None,
                MessageStatus::AsSent,
            ),
        ),
        ("file", sent(file, None, MessageStatus::AsSent)),
        ("image", sent(image, None, MessageStatus::AsSent)),
        ("streaming", sent(streamed("", StreamState::Streaming), None, MessageStatus::AsSent)),
        ("complete", sent(streamed("Hello", StreamState::Complete), None, MessageStatus::AsSent)),
        ("failed", sent(streamed("Hel", failed(Some("Away"))), None, MessageStatus::AsSent)),
        ("failed silently", sent(streamed("", failed(None)), None, MessageStatus::AsSent)),
        ("command", sent(commanding, None, MessageStatus::AsSent)),
        ("", EventKind::Message(MessageEvent::Finished { message: 3, revision: 2 })),
        ("", EventKind::Message(MessageEvent::Edited { message: 3, revision: 2 })),
        ("", EventKind::Message(MessageEvent::Deleted { messages: vec![3, 5], expired: false })),
        ("expired", EventKind::Message(MessageEvent::Deleted { messages: vec![3, 5], expired: true })),
        ("", EventKind::Message(MessageEvent::Pinned { message: 3 })),
        ("", EventKind::Message(MessageEvent::Unpinned { message: 3 })),
        ("", EventKind::Message(MessageEvent::Reacted { message: 3, emoji: emoji(), count: 2 })),
        ("", EventKind::Message(MessageEvent::Unreacted { message: 3, emoji: emoji(), count: 0 })),
    ]
}

/// Events with the rest of their names.
fn events() -> Vec<(&'static str, EventKind)> {
    let (participant_id, user_id) = (stay(), user("bob"));
    let created = |session| EventKind::Session(SessionEvent::Created { session, participant_id });
    let updated = |changes| EventKind::Session(SessionEvent::Updated { changes });
    let full = Session { description: Some("About".into()), settings: settings(), needs: 3, ..session() };
    let all = SessionChanges {
        title: Some("New".into()),
        description: Some(Some("About".into())),
        session_type: Some(SessionType::Public),
        max_participants: Some(5),
        slow_mode_seconds: Some(30),
        message_lifetime: Some(Some(3_600)),
        history_visibility: Some(HistoryVisibility::SinceJoining),
        tags: Some(vec!["rust".into()]),
        avatar_url: Some(Some("https://example.com/a.png".into())),
        metadata: Some(Some(metadata())),
        receipts: Some(false),
    };
    let removed = |reason| ParticipantEvent::Removed { user_id: user_id.clone(), reason };
    let [banned, deleted] = [RemovalReason::AccountBanned, RemovalReason::AccountDeleted].map(removed);
    let participants = [
        ParticipantEvent::Joined { participant_id, role: ParticipantRole::Member },
        ParticipantEvent::Added { user_id: user_id.clone(), participant_id, role: ParticipantRole::Viewer },
        ParticipantEvent::Left,
        removed(RemovalReason::ByManager),
        ParticipantEvent::RoleChanged {
            user_id: user_id.clone(),
            previous: ParticipantRole::Owner,
            role: ParticipantRole::Admin,
        },
        ParticipantEvent::Banned { user_id: user_id.clone(), term: Term::Endless, was_active: true },
        ParticipantEvent::Unbanned { user_id: user_id.clone() },
        ParticipantEvent::Muted { user_id: user_id.clone(), term: Term::Until(at(9)) },
        ParticipantEvent::Unmuted { user_id: user_id.clone() },
        ParticipantEvent::MetadataChanged { user_id: user_id.clone() },
        ParticipantEvent::OwnerChanged { user_id: user_id.clone(), previous: ParticipantRole::Viewer },
    ];
    let mut events = vec![
        ("", created(session())),
        ("full", created(full)),
        ("", updated(SessionChanges::default())),
        ("full", updated(all)),
        ("description removed", updated(SessionChanges { description: Some(None), ..SessionChanges::default() })),
        ("", EventKind::Session(SessionEvent::InviteCreated { invite_id: invite(), role: ParticipantRole::Viewer })),
        ("", EventKind::Session(SessionEvent::InviteRevoked { invite_id: invite() })),
        ("", EventKind::Session(SessionEvent::EmojiAdded { emoji: own_emoji(None) })),
        ("shown", EventKind::Session(SessionEvent::EmojiAdded { emoji: own_emoji(Some("https://example.com/a.png")) })),
        ("", EventKind::Session(SessionEvent::EmojiRemoved { name: own_emoji(None).name })),
        ("", EventKind::Session(SessionEvent::JoinRequested)),
        ("", EventKind::Session(SessionEvent::JoinRequestClosed { user_id: user_id.clone() })),
        ("", EventKind::Session(SessionEvent::WebhookChanged { webhook_id: WebhookId(invite().0) })),
        ("", EventKind::Session(SessionEvent::Deleted)),
        ("", EventKind::Session(SessionEvent::Archived)),
        ("", EventKind::Session(SessionEvent::Unarchived)),
        ("", EventKind::Session(SessionEvent::Restored)),
        ("", EventKind::Unknown),
    ];
    events.extend(participants.map(|event| ("", EventKind::Participant(event))));
    events.push(("banned", EventKind::Participant(banned)));
    events.push(("deleted", EventKind::Participant(deleted)));
    let until = ParticipantEvent::Banned { user_id: user_id.clone(), term: Term::Until(at(9)), was_active: false };
    events.push(("until", EventKind::Participant(until)));
    events.extend(messages());
    events
}

#[test]
fn events_are_stored_in_the_forms_of_the_golden_file() {
    let title = |case: &str, kind: &EventKind| format!("{}-{case}", name(kind)).trim_end_matches('-').to_owned();
    let form = |kind: &EventKind| serde_json::from_str(&encode_event(kind)).expect("JSON");
    let forms: Forms = events().iter().map(|(case, kind)| (title(case, kind), form(kind))).collect();
    assert_eq!(forms.len(), events().len(), "each event has a name of its own");
    assert_golden("events.json", &forms);
    let names: BTreeSet<&str> = events().iter().map(|(_, kind)| name(kind)).collect();
    assert_eq!(names.len(), 33, "some kind is missing");
    for (case, kind) in events() {
        let golden = golden("events.json")[&title(case, &kind)].to_string();
        assert_eq!(decode_event(&golden).expect("an event"), kind, "{golden}");
    }
}

/// A value of a table, under a name.
fn value<K: TypedKey>(case: &str, key: &K, value: K::Value) -> (String, Key, Value) {
    (format!("{}-{case}", K::TABLE.name).trim_end_matches('-').to_owned(), key.key(), Value::of::<K>(value))
}

fn values() -> Vec<(String, Key, Value)> {
    [other_values(), bots()].concat()
}

fn other_values() -> Vec<(String, Key, Value)> {
    let (session_key, user_id) = (session_id(), user("bob"));
    let participants = Participants { session: session_key, user: user_id.clone() };
    let client =
        ClientIds { session: session_key, user: user_id.clone(), client_id: ClientId::new("once").expect("an id") };
    let profiles = Profiles { user: user_id.clone() };
    let part = |text: &str, second| Some(ProfilePart { text: text.into(), as_of: at(second) });
    let profile = ProfileRecord {
        username: part("bobby", 0),
        name: part("Bob", 1),
        email: part("bob@example.com", 2),
        picture: part("https://example.com/bob.png", 3),
        ..ProfileRecord::unknown(user_id.clone())
    };
    let standings = Standings { user: user_id.clone() };
    let departures = Departures { user: user_id.clone() };
    let departure = |task| Departure { task, leased_until: at(4) };
    let remove = DepartureTask::Remove { by: user("ana"), reason: RemovalReason::AccountBanned };
    let login = LoginId(Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0003));
    let standing = UserStanding {
        ban: Some(Ban { reason: "Spam".into(), by: user("ana"), at: at(2), until: Some(at(9)) }),
        deleted_at: Some(at(3)),
        revoked_before: Some(at(1)),
        kept_login: Some(login),
        ended_upto: Some(LoginId(Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0002))),
        ended_logins: vec![EndedLogin { login, lives_until: at(5) }],
        blocks_changed: 2,
        is_bot: false,
    };
    let sessions = Sessions { session: session_key };
    let full =
        Session { description: Some("About".into()), settings: settings(), needs: 3, is_active: false, ..session() };
    let deletion = Some(SessionDeletion { by: user("ana"), at: at(2) });
    let away = Session { archived_at: Some(at(1)), deletion, is_active: false, ..session() };
    let used = |fingerprint: Option<&str>| ClientIdUse { seq: None, fingerprint: fingerprint.map(str::to_owned) };
    let threads = Threads { session: session_key, root: 3 };
    let reply = |seq| Some(LastReplyRecord { seq, at: at(2) });
    let seat = Seat { user: user_id.clone() };
    let said = |speaker| ReplyEntry { said_by: Some(speaker) };
    let begun = ThreadEntry { root: 3, by: Some(user("ana")) };
    let followed = Follows { user: user("bob"), session: session_key, root: 3 };
    let marked = ThreadMarkers { user: user("bob"), session: session_key, root: 3 };
    let revision = Revision { body: text("Earlier"), since: at(1) };
    let pins = PinList { pins: vec![Pin { message: 3, by: user("ana"), at: at(2) }] };
    let reactions = ReactionTotals { kinds: vec![ReactionTotal { emoji: emoji(), count: 2 }] };
    let reacted = Reacted { at: at(2) };
    let newest = Newest(session_key);
    let scheduled_id = ScheduledId(Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0004));
    let held_id = HeldId(Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0005));
    let held_entry =
        HeldEntry { id: held_id, author: user("bob"), client_id: Some(ClientId::new("c-9").expect("a client id")) };
    let held = Held {
        author: user("bob"),
        stay: ParticipantId(Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0002)),
        body: MessageBody::new(Content::Text("Buy now".into())),
        reply_to: Some(2),
        mentions: vec![user("ana")],
        mentions_everybody: true,
        client_id: Some(ClientId::new("c-9").expect("a client id")),
        fingerprint: Some("c0294991cdd1cdd362ace8ce2364b0f2".into()),
        reason: Some("an advertisement".into()),
        held_at: at(2),
        is_approved: true,
    };
    let scheduled = Scheduled {
        session: session_key,
        stay: stay(),
        body: text("Later"),
        reply_to: Some(3),
        mentions: vec![user("ana")],
        mentions_everybody: true,
        client_id: ClientId::new("later").expect("an id"),
        send_at: at(9),
        created_at: at(1),
        bot_token: Some(LoginId(Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_000a))),
    };
    let written = |is_shared| StreamedText {
        id: scheduled_id,
        text: "Hel".into(),
        started_at: at(1),
        ends_at: at(4),
        due: 1_767_225_600_000_000,
        is_shared,
    };
    let due = |leased_until| Due { task: DueTask::Send { user: user("bob"), id: scheduled_id }, leased_until };
    let sanction =
        |reason: Option<&str>, until| Sanction { by: user("ana"), reason: reason.map(str::to_owned), at: at(2), until };
    let former = participant(Standing::Former(ParticipantRole::Member), true);
    let (ban, mute) = (Some(sanction(Some("Spam"), Some(at(9)))), Some(sanction(None, None)));
    let sanctioned = ParticipantRecord { ban, mute, ..former };
    let described = participant(Standing::Active(ParticipantRole::Member), true);
    let described = ParticipantRecord { metadata: Some(metadata()), ..described };
    let stranger = ParticipantRecord { ban: Some(sanction(None, None)), ..participant(Standing::Stranger, false) };
    let creator = ParticipantRecord {
        since: Some(1),
        is_creator: true,
        ..participant(Standing::Active(ParticipantRole::Owner), true)
    };
    let reports = Reports { session: session_key, report: Newest(report_id()) };
    let report = |message: Option<u64>, note: Option<Option<&str>>| ReportRecord {
        reporter: user("ana"),
        subject: user("bob"),
        message,
        reason: ReportReason::Spam,
        text: message.map(|_| "Again".to_owned()),
        at: at(2),
        state: if note.is_some() { ReportState::Resolved } else { ReportState::Open },
        revision: 1 + u64::from(note.is_some()),
        handled: note.map(|note| Handled { by: user("eve"), note: note.map(str::to_owned), at: at(3) }),
    };
    let open = |message| OpenReport { report: report_id(), subject: user("bob"), message };
    let open_reports = vec![open(None), open(Some(3))];
    let moderation = ModerationEntries { session: session_key, entry: Newest(ModerationId(Uuid::from_u128(7))) };
    let moderated = |is_full: bool| ModerationRecord {
        actor: user("ana"),
        action: if is_full { ModerationAction::ReportHandled } else { ModerationAction::UserRemoved },
        user: user("bob"),
        message: is_full.then_some(3),
        count: is_full.then_some(2),
        report: is_full.then(report_id),
        state: is_full.then_some(ReportState::Dismissed),
        until: is_full.then(|| at(9)),
        at: at(2),
    };
    let purge = |is_full: bool| Purge {
        by: user("ana"),
        administrator: is_full,
        done: 3,
        upto: 9,
        deleted: 2,
        noted: 1,
        work: is_full.then_some(PurgeWork { at: 1_767_225_600_000_000, id: scheduled_id }),
    };
    let preferences = |muted_until| PreferenceRecord { is_muted: true, muted_until, is_favourite: false };
    let marker = |own_upto| ReadMarker { seq: 7, number: 4, own_upto, seen_upto: 0, at: at(2) };
    let choices = PresenceChoices { user: user("bob") };
    let choice = PresenceChoice {
        availability: Availability::DoNotDisturb,
        text: Some(StatusText { text: "Lunch".into(), until: Some(at(9)) }),
        is_hidden: true,
    };
    let changes = PresenceChanges { turn: 3, at: at(1), moved: vec![user("bob")], chose: vec![user("ana")] };
    let beat = ProcessBeat { at: at(2), until: at(4), turn: 3, recent: vec![changes] };
    vec![
        value("", &sessions, session()),
        value("full", &sessions, full),
        value("put away", &sessions, away),
        value("active", &participants, participant(Standing::Active(ParticipantRole::Admin), true)),
        value("described", &participants, described),
        value("former", &participants, participant(Standing::Former(ParticipantRole::Member), false)),
        value("", &Expiries { session: session_key }, Expiry { upto: 3, due: Some(1_767_225_600_000_000) }),
        value("ended", &Expiries { session: session_key }, Expiry { upto: 3, due: None }),
        value("", &LastSends { session: session_key, user: user_id.clone() }, LastSend { at: at(2) }),
        value("creator", &participants, creator),
        value("sanctioned", &participants, sanctioned),
        value("stranger", &participants, stranger),
        value("", &Bans { session: session_key, user: user_id.clone() }, Listed),
        value(
            "",
            &BannedFrom { user: user_id.clone(), session: Newest(session_key) },
            BannedUntil { until: Some(at(9)) },
        ),
        value(
            "endless",
            &BannedFrom { user: user_id.clone(), session: Newest(session_key) },
            BannedUntil { until: None },
        ),
        value(
            "",
            &Emojis { session: session_key },
            EmojiList { emojis: [None, Some("https://example.com/a.png")].map(own_emoji).to_vec() },
        ),
        value("", &client, used(Some("0123abcd"))),
        value("deleted", &client, used(None)),
        value("", &threads, ThreadRecord { replies: 2, total: 3, last: reply(None), by: None }),
        value("begun", &threads, ThreadRecord { replies: 2, total: 3, last: reply(None), by: Some(user("ana")) }),
        value("deleted", &threads, ThreadRecord { replies: 1, total: 3, last: reply(Some(5)), by: None }),
        value("empty", &threads, ThreadRecord { replies: 0, total: 3, last: None, by: None }),
        value("", &Replies { session: session_key, root: 3, reply: 5 }, ReplyEntry { said_by: None }),
        value("said", &Replies { session: session_key, root: 3, reply: 5 }, said(Speaker::User(user("bob")))),
        value("relayed", &Replies { session: session_key, root: 3, reply: 5 }, said(Speaker::Nobody)),
        value("", &ActiveThreads { session: session_key, last: Newest(5) }, ThreadEntry { root: 3, by: None }),
        value("begun", &ActiveThreads { session: session_key, last: Newest(5) }, begun),
        value("", &Seats { session: session_key, stay: stay() }, seat),
        value("", &Invites { session: session_key, invite: invite() }, invite_record(None)),
        value("limited", &Invites { session: session_key, invite: invite() }, invite_record(Some(3))),
        value("", &IncomingWebhooks { session: session_key, webhook: webhook() }, incoming_record(None)),
        value("pictured", &IncomingWebhooks { session: session_key, webhook: webhook() }, incoming_record(picture())),
        value("", &IncomingTokens { digest: "0123abcd".into() }, incoming_place(None)),
        value("used", &IncomingTokens { digest: "0123abcd".into() }, incoming_place(Some(at(3)))),
        value("", &WebhookAuthors { webhook: webhook() }, webhook_author(None)),
        value("pictured", &WebhookAuthors { webhook: webhook() }, webhook_author(picture())),
        value("", &JoinRequests { session: session_key, user: user_id.clone() }, request(Some("Hello"))),
        value("silent", &JoinRequests { session: session_key, user: user_id.clone() }, request(None)),
        value("", &AskedToJoin { user: user_id.clone(), session: session_key }, Listed),
        value("", &Blocks { user: user("ana"), blocked: user_id.clone() }, BlockRecord { at: at(2) }),
        value("", &InviteCodes { digest: "0123abcd".into() }, InvitePlace { session: session_key, invite: invite() }),
        value("", &Revisions { session: session_key, message: 3, revision: 1 }, revision),
        value("", &Pins { session: session_key }, pins),
        value("", &MessageReactions { session: session_key, message: 3 }, reactions),
        value("", &Reactors { session: session_key, message: 3, emoji: emoji(), user: user("bob") }, reacted),
        value("", &Deletions { session: session_key }, DeletionCount(2)),
        value(
            "",
            &Drafts { user: user("bob"), session: session_key },
            DraftText { content: Content::Text("Not yet".into()), updated_at: at(2) },
        ),
        value("", &ScheduledMessages { user: user("bob"), id: scheduled_id }, scheduled),
        value("", &HeldMessages { session: session_key, id: held_id }, held),
        value("", &HeldLists { session: session_key }, HeldList { entries: vec![held_entry] }),
        value("", &Dues { at: 1_767_225_600_000_000, id: scheduled_id }, due(None)),
        value("leased", &Dues { at: 1_767_225_600_000_000, id: scheduled_id }, due(Some(at(4)))),
        value(
            "expiry",
            &Dues { at: 1_767_225_600_000_000, id: scheduled_id },
            Due { task: DueTask::Expire { session: session_key }, leased_until: None },
        ),
        value(
            "stream",
            &Dues { at: 1_767_225_600_000_000, id: scheduled_id },
            Due { task: DueTask::EndStream { session: session_key }, leased_until: None },
        ),
        value("", &StreamedTexts { session: session_key, message: 3 }, written(false)),
        value("shared", &StreamedTexts { session: session_key, message: 3 }, written(true)),
        value(
            "",
            &OpenStreams { session: session_key },
            OpenStreamList { open: vec![OpenStream { id: scheduled_id, by: user("bob") }] },
        ),
        value(
            "purge",
            &Dues { at: 1_767_225_600_000_000, id: scheduled_id },
            Due { task: DueTask::Purge { session: session_key, user: user("bob") }, leased_until: None },
        ),
        value("", &reports, report(None, None)),
        value("full", &reports, report(Some(3), Some(Some("Warned")))),
        value("handled", &reports, report(Some(3), Some(None))),
        value("", &ReportsIn { session: session_key, state: "IN_REVIEW".into(), report: Newest(report_id()) }, Listed),
        value(
            "",
            &AllReports { report: Newest(report_id()) },
            ReportPlace { session: session_key, state: ReportState::Open },
        ),
        value("", &OpenReports { session: session_key, user: user("ana") }, OpenReportList { reports: open_reports }),
        value("", &moderation, moderated(false)),
        value("full", &moderation, moderated(true)),
        value("", &Purges { session: session_key, user: user("bob") }, purge(false)),
        value("full", &Purges { session: session_key, user: user("bob") }, purge(true)),
        value("", &Counters { name: "messages".into(), day: 20_000 }, Count(7)),
        value("", &Been { user: user_id.clone(), session: session_key }, Listed),
        value("", &Mentions { user: user("bob"), at: Newest(7), session: session_key, message: 3 }, Listed),
        value("", &Memberships { user: user_id, session: newest }, Listed),
        value("", &ReadMarkers { user: user("bob"), session: session_key }, marker(0)),
        value("", &DeliveryMarkers { user: user("bob"), session: session_key }, DeliveryMarker { seq: 7, at: at(2) }),
        value("", &BotCursors { user: user("bob"), session: session_key }, BotCursor { seq: 7 }),
        value("", &BotLeases { user: user("bob") }, BotLease { holder: scheduled_id.0, until: at(2) }),
        value("", &SettingsOfUsers { user: user("bob") }, UserSettingsRecord { receipts: true }),
        value("silent", &SettingsOfUsers { user: user("bob") }, UserSettingsRecord { receipts: false }),
        value("", &SessionPreferences { user: user("bob"), session: session_key }, preferences(None)),
        value("muted", &SessionPreferences { user: user("bob"), session: session_key }, preferences(Some(at(9)))),
        value("", &followed, FollowRecord { follows: true, since: 6, number: 2 }),
        value("not", &followed, FollowRecord { follows: false, since: 0, number: 0 }),
        value("", &marked, ThreadMarker { seq: 7, number: 3 }),
        value("unmarked", &ReadMarkers { user: user("bob"), session: session_key }, marker(9)),
        value(
            "seen",
            &ReadMarkers { user: user("bob"), session: session_key },
            ReadMarker { seen_upto: 8, ..marker(9) },
        ),
        value("", &Directory { session: newest }, Listed),
        value("", &profiles, profile),
        value("unknown", &profiles, ProfileRecord::unknown(user("bob"))),
        value("", &standings, UserStanding::default()),
        value("full", &standings, standing),
        value("", &choices, PresenceChoice::default()),
        value("full", &choices, choice),
        value("", &LastSeenTimes { user: user("bob") }, LastSeen { at: at(2) }),
        value("", &PresenceProcesses { process: "p".into() }, beat),
        value("", &Connections { process: "p".into(), user: user("bob") }, Connection { since: at(1) }),
        value("remove", &departures, departure(remove)),
        value("restore", &departures, departure(DepartureTask::Restore)),
        value("", &Orphans { user: user("bob"), session: session_key }, Listed),
    ]
}

#[test]
fn values_are_stored_in_the_forms_of_the_golden_file() {
    let forms: Forms = values().into_iter().map(|(case, _, value)| (case, value.encode())).collect();
    assert_eq!(forms.len(), values().len(), "each value has a name of its own");
    assert_golden("values.json", &forms);
    let golden = golden("values.json");
    let mut missing: BTreeSet<&str> = TABLES.iter().map(|table| table.name).collect();
    for (case, key, value) in values() {
        missing.remove(key.table.name);
        let decoded = Value::decode(&key, key.table.format, golden[&case].clone()).expect("a value");
        assert_eq!(decoded, value, "{case}");
    }
    assert!(missing.is_empty(), "no value of {missing:?}");
}

#[test]
fn what_the_key_tells_is_not_stored_with_the_value() {
    for (case, key, value) in values() {
        let decoded = Value::decode(&key, key.table.format, value.encode()).expect("a value");
        if let Some(session) = decoded.get::<Session>() {
            assert_eq!(session.id, session_id(), "{case}");
        } else if let Some(record) = decoded.get::<ParticipantRecord>() {
            assert_eq!((record.session_id, &record.user_id), (session_id(), &user("bob")), "{case}");
        } else if let Some(profile) = decoded.get::<ProfileRecord>() {
            assert_eq!(profile.user_id, user("bob"), "{case}");
        }
    }
}

#[test]
fn tables_are_declared_as_in_the_golden_file() {
    let owner = |owner| match owner {
        Owner::Session => "session",
        Owner::Shared => "shared",
    };
    let form = |table: &&chatcore::store::Table| {
        let form = json!({ "owner": owner(table.owner), "governed": table.governed, "format": table.format });
        (table.name.to_owned(), form)
    };
    let forms: Forms = TABLES.iter().map(form).collect();
    assert_eq!(forms.len(), TABLES.len(), "each table has a name of its own");
    assert_golden("tables.json", &forms);
}

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

#[test]
fn a_value_without_a_field_that_it_needs_is_not_read() {
    const SESSION: &[&str] = &["title", "session_type", "max_participants", "participant_count", "owner", "is_active"];
    let needed = |table: &str| match table {
        "session" => [SESSION, &["created_at", "updated_at"]].concat(),
        "participant" => vec!["stay", "is_active", "role", "joined_at", "created_at"],
        "seat" => vec!["user"],
        "revision" => vec!["body", "since"],
        _ => vec![],
    };
    for (case, key, value) in values() {
        for field in needed(key.table.name) {
            let mut stored = value.encode();
            stored[field].take();
            assert!(Value::decode(&key, key.table.format, stored.clone()).is_err(), "{case}: {field} is null");
            stored.as_object_mut().expect("an object").remove(field).expect(field);
            assert!(Value::decode(&key, key.table.format, stored).is_err(), "{case} without {field}");
        }
    }
}
