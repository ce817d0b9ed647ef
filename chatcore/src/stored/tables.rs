//! The tables of this crate.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{
    BannedUntil, BlockRecord, BotCursor, BotLease, BotRecord, BotTokenPlace, BotTokenUse, ClientIdUse, CommandList,
    Connection, DeliveryMarker, Departure, DraftText, Due, Expiry, FollowRecord, Held, HeldList, IncomingPlace,
    IncomingRecord, InvitePlace, InviteRecord, JoinRequestRecord, LastSeen, LastSend, Listed, ModerationRecord,
    OpenReportList, OpenStreamList, OwnedBotList, ParticipantRecord, PreferenceRecord, PresenceChoice, ProcessBeat,
    ProfileRecord, Purge, Reacted, ReactionTotals, ReadMarker, ReplyEntry, ReportPlace, ReportRecord, Revision,
    Scheduled, ScheduledPlace, Seat, StreamedText, ThreadEntry, ThreadMarker, ThreadRecord, UserSettingsRecord,
    WebhookAuthor, from_json, to_json,
};
use crate::{
    model::{
        ClientId, Emoji, EmojiName, HeldId, InviteId, LoginId, ModerationId, ParticipantId, ReportId, ScheduledId, Seq,
        Session, SessionEmoji, SessionId, UserId, UserStanding, WebhookId,
    },
    store::{Json, Newest, Part, StoredValue},
    tables,
};

tables! {
    /// Sessions.
    session governed Sessions = "session" [
        /// The session.
        session: SessionId,
    ] -> Session = 1;

    /// Users who are or were in a session.
    session governed Participants = "participant" [
        /// The session.
        session: SessionId,
        /// The user.
        user: UserId,
    ] -> ParticipantRecord = 1;

    /// The users who are banned from a session. The ban itself is a part of the participant's record. A ban that is over stays listed.
    session plain Bans = "ban" [
        /// The session.
        session: SessionId,
        /// The banned user.
        user: UserId,
    ] -> Listed = 1;

    /// The sessions that a user is banned from, newest first. A ban that is over stays listed until the user looks at the public list.
    shared plain BannedFrom = "banned" [
        /// The banned user.
        user: UserId,
        /// The session.
        session: Newest<SessionId>,
    ] -> BannedUntil = 1;

    /// How far messages with a lifetime were deleted. Shared, since the work also goes on without an event.
    shared plain Expiries = "expiry" [
        /// The session.
        session: SessionId,
    ] -> Expiry = 1;

    /// The texts of messages that are being written, as far as they were recorded. Shared, since parts come without an event.
    shared plain StreamedTexts = "streamed_text" [
        /// The session.
        session: SessionId,
        /// The position of the message.
        message: Seq,
    ] -> StreamedText = 1;

    /// The messages that are being written in a session. One record holds them all, so that its version guards their number.
    shared plain OpenStreams = "open_streams" [
        /// The session.
        session: SessionId,
    ] -> OpenStreamList = 1;

    /// When users sent last, in sessions with slow mode. Its version makes a user's sends one after the other.
    session plain LastSends = "last_send" [
        /// The session.
        session: SessionId,
        /// The user.
        user: UserId,
    ] -> LastSend = 1;

    /// Client ids that were used, each with the position of its message.
    session plain ClientIds = "client" [
        /// The session.
        session: SessionId,
        /// The user who used it.
        user: UserId,
        /// The client id.
        client_id: ClientId,
    ] -> ClientIdUse = 1;

    /// The replies to messages, counted. The message may have been deleted.
    session plain Threads = "thread" [
        /// The session.
        session: SessionId,
        /// The position of the message that began the thread.
        root: Seq,
    ] -> ThreadRecord = 1;

    /// The replies of threads, also those that were deleted.
    session plain Replies = "reply" [
        /// The session.
        session: SessionId,
        /// The position of the message that began the thread.
        root: Seq,
        /// The position of the reply.
        reply: Seq,
    ] -> ReplyEntry = 1;

    /// The threads of a session, the one with the newest reply first.
    session plain ActiveThreads = "active_thread" [
        /// The session.
        session: SessionId,
        /// The position of the last reply that is not deleted.
        last: Newest<Seq>,
    ] -> ThreadEntry = 1;

    /// The users who are in a session, in the order in which they came.
    session plain Seats = "seat" [
        /// The session.
        session: SessionId,
        /// The stay.
        stay: ParticipantId,
    ] -> Seat = 1;

    /// The invites into a session, in the order in which they were created. A revoked invite has no record.
    session plain Invites = "invite" [
        /// The session.
        session: SessionId,
        /// The invite.
        invite: InviteId,
    ] -> InviteRecord = 1;

    /// The incoming webhooks of a session, in the order in which they were created. A deleted webhook has no record.
    session plain IncomingWebhooks = "incoming_webhook" [
        /// The session.
        session: SessionId,
        /// The webhook.
        webhook: WebhookId,
    ] -> IncomingRecord = 1;

    /// Open requests to join a session. Each change that brings the user in removes the request.
    session plain JoinRequests = "join_request" [
        /// The session.
        session: SessionId,
        /// The user who asks.
        user: UserId,
    ] -> JoinRequestRecord = 1;

    /// The sessions into which a user has asked to be let. An entry may be stale: the request tells whether it is open.
    shared plain AskedToJoin = "asked_to_join" [
        /// The user who asks.
        user: UserId,
        /// The session.
        session: SessionId,
    ] -> Listed = 1;

    /// Earlier texts of messages that were edited.
    session plain Revisions = "revision" [
        /// The session.
        session: SessionId,
        /// The position of the message.
        message: Seq,
        /// The revision that had this text.
        revision: u64,
    ] -> Revision = 1;

    /// The messages that are pinned in a session. One record holds them all, so that its version guards their number.
    session plain Pins = "pins" [
        /// The session.
        session: SessionId,
    ] -> PinList = 1;

    /// The emojis of sessions' own. One record holds all of a session, so that its version guards their number.
    session plain Emojis = "emojis" [
        /// The session.
        session: SessionId,
    ] -> EmojiList = 1;

    /// The kinds of reactions to messages.
    session plain MessageReactions = "reactions" [
        /// The session.
        session: SessionId,
        /// The position of the message.
        message: Seq,
    ] -> ReactionTotals = 1;

    /// The users who reacted to messages. A deleted message leaves them behind; nothing shows them.
    session plain Reactors = "reactor" [
        /// The session.
        session: SessionId,
        /// The position of the message.
        message: Seq,
        /// The emoji.
        emoji: Emoji,
        /// The user.
        user: UserId,
    ] -> Reacted = 1;

    /// How many messages were deleted in a session. A deletion adds to it, and a pin holds it, so a message that was deleted is not pinned.
    session plain Deletions = "deletions" [
        /// The session.
        session: SessionId,
    ] -> DeletionCount = 1;

    /// The sessions that a user is in, newest first. Deleted sessions stay listed.
    shared plain Memberships = "membership" [
        /// The user.
        user: UserId,
        /// The session.
        session: Newest<SessionId>,
    ] -> Listed = 1;

    /// How far users have read, where they said so.
    shared plain ReadMarkers = "read_marker" [
        /// The user.
        user: UserId,
        /// The session.
        session: SessionId,
    ] -> ReadMarker = 1;

    /// The threads that users follow, or chose not to follow.
    shared plain Follows = "follow" [
        /// The user.
        user: UserId,
        /// The session.
        session: SessionId,
        /// The position of the message that began the thread.
        root: Seq,
    ] -> FollowRecord = 1;

    /// How far users have read threads, where they said so.
    shared plain ThreadMarkers = "thread_marker" [
        /// The user.
        user: UserId,
        /// The session.
        session: SessionId,
        /// The position of the message that began the thread.
        root: Seq,
    ] -> ThreadMarker = 1;

    /// How far devices of users have received sessions.
    shared plain DeliveryMarkers = "delivery" [
        /// The user.
        user: UserId,
        /// The session.
        session: SessionId,
    ] -> DeliveryMarker = 1;

    /// How far bots have handled the events of sessions.
    shared plain BotCursors = "bot_cursor" [
        /// The bot's user.
        user: UserId,
        /// The session.
        session: SessionId,
    ] -> BotCursor = 1;

    /// The processes that run bots. Its version lets one process at a time run a bot.
    shared plain BotLeases = "bot_lease" [
        /// The bot's user.
        user: UserId,
    ] -> BotLease = 1;

    /// Settings of users. A user who changed none has no record.
    shared plain SettingsOfUsers = "user_settings" [
        /// The user.
        user: UserId,
    ] -> UserSettingsRecord = 1;

    /// Settings of users for sessions.
    shared plain SessionPreferences = "preferences" [
        /// The user.
        user: UserId,
        /// The session.
        session: SessionId,
    ] -> PreferenceRecord = 1;

    /// The sessions that a user could join, newest first.
    shared plain Directory = "directory" [
        /// The session.
        session: Newest<SessionId>,
    ] -> Listed = 1;

    /// Texts that users have not sent yet.
    shared plain Drafts = "draft" [
        /// The user.
        user: UserId,
        /// The session.
        session: SessionId,
    ] -> DraftText = 1;

    /// Messages that are sent later.
    shared plain ScheduledMessages = "scheduled" [
        /// The sender.
        user: UserId,
        /// The scheduled message.
        id: ScheduledId,
    ] -> Scheduled = 1;

    /// The client ids of messages that are sent later.
    shared plain ScheduledClientIds = "scheduled_client" [
        /// The sender.
        user: UserId,
        /// The stay of the sender at the time of the call.
        stay: ParticipantId,
        /// The client id.
        client_id: ClientId,
    ] -> ScheduledPlace = 1;

    /// Messages that wait for the approval of a moderator, the oldest first.
    shared plain HeldMessages = "held" [
        /// The session.
        session: SessionId,
        /// The held message.
        id: HeldId,
    ] -> Held = 1;

    /// The messages of a session that wait for approval. One record lists them all, so that its version guards their number.
    shared plain HeldLists = "held_list" [
        /// The session.
        session: SessionId,
    ] -> HeldList = 1;

    /// Work that is done at a time, the earliest first. A process claims it by its version.
    shared plain Dues = "due" [
        /// The time, in microseconds since the Unix epoch.
        at: u64,
        /// The thing that it is done to.
        id: ScheduledId,
    ] -> Due = 1;

    /// The invites that codes stand for. A code itself is kept nowhere.
    shared plain InviteCodes = "invite_code" [
        /// The SHA-256 digest of the code.
        digest: String,
    ] -> InvitePlace = 1;

    /// The incoming webhooks that tokens stand for. A token itself is kept nowhere.
    shared plain IncomingTokens = "incoming_token" [
        /// The SHA-256 digest of the token.
        digest: String,
    ] -> IncomingPlace = 1;

    /// The authors of the messages of incoming webhooks, also of those that were deleted.
    shared plain WebhookAuthors = "webhook_author" [
        /// The webhook.
        webhook: WebhookId,
    ] -> WebhookAuthor = 1;

    /// The users whom a user has blocked.
    shared plain Blocks = "block" [
        /// The user.
        user: UserId,
        /// The blocked user.
        blocked: UserId,
    ] -> BlockRecord = 1;

    /// The messages that mention a user, the newest first. An entry may be stale: the message tells whether it still mentions the user.
    shared plain Mentions = "mention" [
        /// The user.
        user: UserId,
        /// The time of the message, in microseconds since the Unix epoch.
        at: Newest<u64>,
        /// The session.
        session: SessionId,
        /// The position of the message.
        message: Seq,
    ] -> Listed = 1;

    /// The reports of a session, the newest first. No event tells of a report, so no log guards it, and the table is shared.
    shared plain Reports = "report" [
        /// The session.
        session: SessionId,
        /// The report.
        report: Newest<ReportId>,
    ] -> ReportRecord = 1;

    /// The reports of a session by their states, the newest first.
    shared plain ReportsIn = "report_in" [
        /// The session.
        session: SessionId,
        /// The state, as it is named on the wire.
        state: String,
        /// The report.
        report: Newest<ReportId>,
    ] -> Listed = 1;

    /// The reports of all sessions, the newest first.
    shared plain AllReports = "report_place" [
        /// The report.
        report: Newest<ReportId>,
    ] -> ReportPlace = 1;

    /// The reports of users that are not closed.
    shared plain OpenReports = "open_report" [
        /// The session.
        session: SessionId,
        /// The user who made them.
        user: UserId,
    ] -> OpenReportList = 1;

    /// What moderators did in a session, the newest first.
    shared plain ModerationEntries = "moderation" [
        /// The session.
        session: SessionId,
        /// The entry.
        entry: Newest<ModerationId>,
    ] -> ModerationRecord = 1;

    /// Deletions of all messages of users. Shared, since the work also goes on without an event.
    shared plain Purges = "purge" [
        /// The session.
        session: SessionId,
        /// The user whose messages are deleted.
        user: UserId,
    ] -> Purge = 1;

    /// The bots that are in a session. An entry may be stale: the participant's record tells whether the bot is in the session.
    shared plain SessionBots = "session_bot" [
        /// The session.
        session: SessionId,
        /// The bot.
        bot: UserId,
    ] -> Listed = 1;

    /// The commands of bots. One record holds all of a bot, so that a change replaces them at once.
    shared plain BotCommands = "bot_commands" [
        /// The bot.
        bot: UserId,
    ] -> CommandList = 1;

    /// Bots, with their tokens: the version of the record guards the number of tokens.
    shared plain Bots = "bot" [
        /// The bot.
        bot: UserId,
    ] -> BotRecord = 1;

    /// The bots of users. One record holds all of a user, so that its version guards their number.
    shared plain OwnedBots = "owned_bots" [
        /// The owner.
        owner: UserId,
    ] -> OwnedBotList = 1;

    /// The bots to which tokens belong. A token itself is kept nowhere.
    shared plain BotTokens = "bot_token" [
        /// The SHA-256 digest of the token.
        digest: String,
    ] -> BotTokenPlace = 1;

    /// When tokens of bots were last used.
    shared plain BotTokenUses = "bot_token_use" [
        /// The bot.
        bot: UserId,
        /// The token.
        token: LoginId,
    ] -> BotTokenUse = 1;

    /// Profiles of users who were seen.
    shared plain Profiles = "profile" [
        /// The user.
        user: UserId,
    ] -> ProfileRecord = 1;

    /// The standing of users who were seen, in the whole system. Each change that brings a user into a session holds the record.
    shared plain Standings = "standing" [
        /// The user.
        user: UserId,
    ] -> UserStanding = 1;

    /// What users chose about their presence.
    shared plain PresenceChoices = "presence_choice" [
        /// The user.
        user: UserId,
    ] -> PresenceChoice = 1;

    /// When users were seen last. It is written when the last device of a user in a process is gone.
    shared plain LastSeenTimes = "last_seen" [
        /// The user.
        user: UserId,
    ] -> LastSeen = 1;

    /// The processes that users are connected to. A process that does not renew its record in time has crashed.
    shared plain PresenceProcesses = "presence_process" [
        /// The process.
        process: String,
    ] -> ProcessBeat = 1;

    /// The users who are connected to a process. The records count while the record of the process does.
    shared plain Connections = "connection" [
        /// The process.
        process: String,
        /// The user.
        user: UserId,
    ] -> Connection = 1;

    /// Work on the sessions of users that is not done yet. It is written in the same change as the standing that asks for it.
    shared plain Departures = "departure" [
        /// The user.
        user: UserId,
    ] -> Departure = 1;

    /// The sessions that the removal of a user left without their owner.
    shared plain Orphans = "orphan" [
        /// The owner.
        user: UserId,
        /// The session.
        session: SessionId,
    ] -> Listed = 1;

    /// What was counted for statistics.
    shared plain Counters = "counter" [
        /// What is counted.
        name: String,
        /// The day, in days since the Unix epoch in UTC; 0 for the total of all days.
        day: u64,
    ] -> Count = 1;
}

/// A sum of what was counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Count(pub i64);

impl StoredValue for Count {
    fn encode(&self) -> Json {
        self.0.into()
    }

    fn decode(_: u32, _: &[Part], stored: Json) -> Result<Self, String> {
        stored.as_i64().map(Self).ok_or_else(|| format!("no number: {stored}"))
    }
}

/// The pins of a session.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PinList {
    /// The pins, the newest first. The message of a pin may have been deleted since.
    pub pins: Vec<Pin>,
}

/// A pinned message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pin {
    /// The position of the message.
    pub message: Seq,
    /// The user who pinned it.
    #[serde(deserialize_with = "UserId::deserialize_stored")]
    pub by: UserId,
    /// When the user pinned it.
    pub at: DateTime<Utc>,
}

impl StoredValue for PinList {
    fn encode(&self) -> Json {
        to_json(self)
    }

    fn decode(_: u32, _: &[Part], stored: Json) -> Result<Self, String> {
        from_json(stored)
    }
}

/// The emojis of a session's own.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EmojiList {
    /// The emojis, in the order of their names.
    pub emojis: Vec<SessionEmoji>,
}

#[derive(Serialize, Deserialize)]
struct EmojiListForm {
    emojis: Vec<EmojiForm>,
}

#[derive(Serialize, Deserialize)]
struct EmojiForm {
    name: EmojiName,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    url: Option<String>,
}

impl StoredValue for EmojiList {
    fn encode(&self) -> Json {
        let form = |SessionEmoji { name, url }: &SessionEmoji| EmojiForm { name: name.clone(), url: url.clone() };
        to_json(&EmojiListForm { emojis: self.emojis.iter().map(form).collect() })
    }

    fn decode(_: u32, _: &[Part], stored: Json) -> Result<Self, String> {
        let EmojiListForm { emojis } = from_json(stored)?;
        Ok(Self { emojis: emojis.into_iter().map(|EmojiForm { name, url }| SessionEmoji { name, url }).collect() })
    }
}

/// A number of deletions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DeletionCount(pub i64);

impl StoredValue for DeletionCount {
    fn encode(&self) -> Json {
        self.0.into()
    }

    fn decode(_: u32, _: &[Part], stored: Json) -> Result<Self, String> {
        stored.as_i64().map(Self).ok_or_else(|| format!("no number: {stored}"))
    }
}
