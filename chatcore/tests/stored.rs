//! Golden files pin the forms in which events and values are stored. With `UPDATE_GOLDEN=1` in the environment, the forms of this version are
//! written; the older ones are written by hand, and stay.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "the helpers of a test fail as the test does, by panicking"
)]

#[path = "stored/events.rs"]
mod events;
#[path = "stored/older.rs"]
mod older;
#[path = "stored/samples.rs"]
mod samples;

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
        ReportRecord, Reports, ReportsIn, Revision, Revisions, Scheduled, ScheduledClientIds, ScheduledMessages,
        ScheduledPlace, Seat, Seats, SessionBots, SessionPreferences, Sessions, SettingsOfUsers, Speaker, Standings,
        StreamedText, StreamedTexts, TABLES, ThreadEntry, ThreadMarker, ThreadMarkers, ThreadRecord, Threads, TypedKey,
        UserSettingsRecord, Value, WebhookAuthor, WebhookAuthors, decode_event, encode_event,
    },
};
use chrono::{DateTime, Utc};
use samples::*;
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
    let sending = |not_before| DueTask::Send { user: user("bob"), id: scheduled_id, not_before };
    let due = |leased_until| Due { task: sending(None), leased_until };
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
        value(
            "",
            &ScheduledClientIds { user: user("bob"), stay: stay(), client_id: ClientId::new("later").expect("an id") },
            ScheduledPlace { id: scheduled_id, fingerprint: "c0294991cdd1cdd362ace8ce2364b0f2".into() },
        ),
        value("", &HeldMessages { session: session_key, id: held_id }, held),
        value("", &HeldLists { session: session_key }, HeldList { entries: vec![held_entry] }),
        value("", &Dues { at: 1_767_225_600_000_000, id: scheduled_id }, due(None)),
        value("leased", &Dues { at: 1_767_225_600_000_000, id: scheduled_id }, due(Some(at(4)))),
        value(
            "waiting",
            &Dues { at: 1_767_225_600_000_000, id: scheduled_id },
            Due { task: sending(Some(at(4))), leased_until: None },
        ),
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
