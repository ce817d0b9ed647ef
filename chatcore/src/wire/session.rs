//! Sessions on the wire.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Person, event::events, named, present};
use crate::{
    chat::{self, EventView, FoundSessions},
    error::Result,
    model::{
        ClientId, Cursor, EmojiName, HistoryVisibility, InviteId, Message, Metadata, Participant, ParticipantId,
        ParticipantRole, Preferences, Seq, Session, SessionChanges, SessionDetails, SessionEmoji, SessionEvent,
        SessionId, SessionSettings, SessionSummary, SessionType, Stay, Unread, UnreadMentions, UserId, WebhookId,
    },
};

/// The optional settings of a session.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
struct SettingsView<'a> {
    /// The minimum number of seconds between two messages of one sender; 0 for no minimum.
    slow_mode_seconds: u32,
    /// The lifetime of a message in seconds; `null` for no limit.
    #[cfg_attr(feature = "schema", schemars(extend("nullable" = true)))]
    message_lifetime: Option<u32>,
    /// The part of the history that participants see: `ALL`, or `SINCE_JOINING` for the events from the participant's last join on.
    history_visibility: HistoryVisibility,
    /// The tags: words by which a search finds the session.
    tags: &'a [String],
    /// The address of a picture, or another reference to one.
    #[cfg_attr(feature = "schema", schemars(extend("nullable" = true)))]
    avatar_url: Option<&'a str>,
    /// Custom data of the host or the client.
    #[cfg_attr(feature = "schema", schemars(extend("nullable" = true)))]
    metadata: Option<&'a Metadata>,
    /// Whether the users of the session see each other's receipts.
    receipts: bool,
}

impl<'a> From<&'a SessionSettings> for SettingsView<'a> {
    fn from(settings: &'a SessionSettings) -> Self {
        let SessionSettings {
            slow_mode_seconds,
            message_lifetime,
            history_visibility,
            tags,
            avatar_url,
            metadata,
            receipts,
        } = settings;
        Self {
            slow_mode_seconds: *slow_mode_seconds,
            message_lifetime: *message_lifetime,
            history_visibility: *history_visibility,
            tags,
            avatar_url: avatar_url.as_deref(),
            metadata: metadata.as_ref(),
            receipts: *receipts,
        }
    }
}

/// A session as a list shows it.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "SessionSummary"))]
struct SummaryView<'a> {
    id: SessionId,
    title: &'a str,
    #[cfg_attr(feature = "schema", schemars(extend("nullable" = true)))]
    description: Option<&'a str>,
    session_type: SessionType,
    max_participants: u32,
    /// The owner.
    user_id: &'a UserId,
    owner_username: &'a str,
    created_at: DateTime<Utc>,
    /// The time of the last change of the settings.
    updated_at: DateTime<Utc>,
    message_count: u64,
    participant_count: u32,
    /// In lists of the caller's own sessions: the newest message, whose `reactions` are left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<Message>", extend("nullable" = true)))]
    last_message: Option<Option<&'a Message>>,
    /// In lists of the caller's own sessions: the position up to which the caller has read.
    #[serde(skip_serializing_if = "Option::is_none")]
    read_upto: Option<Seq>,
    /// In lists of the caller's own sessions: the messages that the caller has not read.
    #[serde(skip_serializing_if = "Option::is_none")]
    unread: Option<Unread>,
    /// In lists of the caller's own sessions: the unread messages that mention the caller.
    #[serde(skip_serializing_if = "Option::is_none")]
    unread_mentions: Option<UnreadMentions>,
    #[serde(flatten)]
    settings: SettingsView<'a>,
    /// The time of archiving; `null` for a session that is not archived.
    #[cfg_attr(feature = "schema", schemars(extend("nullable" = true)))]
    archived_at: Option<DateTime<Utc>>,
    /// The time of the deletion by the owner; `null` for a session that is not deleted.
    #[cfg_attr(feature = "schema", schemars(extend("nullable" = true)))]
    deleted_at: Option<DateTime<Utc>>,
    /// In lists of the caller's own sessions: the caller's settings for the session.
    #[serde(skip_serializing_if = "Option::is_none")]
    preferences: Option<Preferences>,
    /// In lists of the caller's own sessions: the caller's role.
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<ParticipantRole>,
    /// In lists of the caller's own sessions: the time of the caller's last join.
    #[serde(skip_serializing_if = "Option::is_none")]
    joined_at: Option<DateTime<Utc>>,
}

impl<'a> From<&'a SessionSummary> for SummaryView<'a> {
    fn from(summary: &'a SessionSummary) -> Self {
        let SessionSummary { session, owner, message_count, seq: _, cursor: _, overview } = summary;
        let Session {
            id,
            title,
            description,
            session_type,
            max_participants,
            participant_count,
            owner: user_id,
            is_active: _,
            created_at,
            updated_at,
            settings,
            archived_at,
            deletion,
            needs: _,
        } = session;
        Self {
            id: *id,
            title,
            description: description.as_deref(),
            session_type: *session_type,
            max_participants: *max_participants,
            user_id,
            owner_username: &owner.username,
            created_at: *created_at,
            updated_at: *updated_at,
            message_count: *message_count,
            participant_count: *participant_count,
            last_message: overview.as_ref().map(|overview| overview.last_message.as_ref()),
            read_upto: overview.as_ref().map(|overview| overview.reading.read_upto),
            unread: overview.as_ref().map(|overview| overview.reading.unread),
            unread_mentions: overview.as_ref().map(|overview| overview.unread_mentions),
            settings: settings.into(),
            archived_at: *archived_at,
            deleted_at: deletion.as_ref().map(|deletion| deletion.at),
            preferences: overview.as_ref().map(|overview| overview.preferences),
            role: overview.as_ref().map(|overview| overview.stay.role),
            joined_at: overview.as_ref().map(|overview| overview.stay.joined_at),
        }
    }
}

/// A session with its first participants and its newest messages.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "Session"))]
struct DetailsView<'a> {
    id: SessionId,
    title: &'a str,
    #[cfg_attr(feature = "schema", schemars(extend("nullable" = true)))]
    description: Option<&'a str>,
    session_type: SessionType,
    max_participants: u32,
    /// The owner.
    user_id: &'a UserId,
    owner_username: &'a str,
    is_active: bool,
    created_at: DateTime<Utc>,
    /// The time of the last change of the settings.
    updated_at: DateTime<Utc>,
    /// The first 50 participants, in the order of joining. `GET …/participants` lists more, with the id of the last participant as `after`.
    participants: &'a [Participant],
    /// The newest 50 messages, oldest first.
    messages: &'a [Message],
    participant_count: u32,
    message_count: u64,
    #[serde(flatten)]
    settings: SettingsView<'a>,
    /// The time of archiving; `null` for a session that is not archived.
    #[cfg_attr(feature = "schema", schemars(extend("nullable" = true)))]
    archived_at: Option<DateTime<Utc>>,
    /// The time of the deletion by the owner; `null` for a session that is not deleted.
    #[cfg_attr(feature = "schema", schemars(extend("nullable" = true)))]
    deleted_at: Option<DateTime<Utc>>,
    /// The position of the session's log at the time of the answer. A subscription with this position as `after` misses no event.
    seq: Seq,
    /// The position with its epoch, which `after` takes, too. The server refuses the cursor when the log no longer has that event.
    cursor: Cursor,
    /// The position up to which the caller has read. A page of messages `after` this position begins with the first unread message.
    read_upto: Seq,
    /// The messages that the caller has not read.
    unread: Unread,
    /// The unread messages that mention the caller.
    unread_mentions: UnreadMentions,
    /// The caller's settings for the session.
    preferences: Preferences,
    /// The caller's role.
    role: ParticipantRole,
    /// The time of the caller's last join.
    joined_at: DateTime<Utc>,
}

impl<'a> From<&'a SessionDetails> for DetailsView<'a> {
    fn from(details: &'a SessionDetails) -> Self {
        let SessionDetails {
            summary,
            participants,
            messages,
            unseen_messages: _,
            seq,
            reading,
            unread_mentions,
            preferences,
            stay: Stay { role, joined_at },
        } = details;
        let SummaryView {
            id,
            title,
            description,
            session_type,
            max_participants,
            user_id,
            owner_username,
            created_at,
            updated_at,
            message_count,
            participant_count,
            last_message: _,
            read_upto: _,
            unread: _,
            unread_mentions: _,
            settings,
            archived_at,
            deleted_at,
            preferences: _,
            role: _,
            joined_at: _,
        } = summary.into();
        Self {
            id,
            title,
            description,
            session_type,
            max_participants,
            user_id,
            owner_username,
            is_active: summary.session.is_active,
            created_at,
            updated_at,
            participants,
            messages,
            participant_count,
            message_count,
            settings,
            archived_at,
            deleted_at,
            seq: *seq,
            cursor: summary.cursor,
            read_upto: reading.read_upto,
            unread: reading.unread,
            unread_mentions: *unread_mentions,
            preferences: *preferences,
            role: *role,
            joined_at: *joined_at,
        }
    }
}

/// Sessions that can be joined.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "PublicSessions"))]
struct PublicView<'a> {
    /// The sessions of the page.
    sessions: &'a [SessionSummary],
    /// The total number of sessions, at most two seconds old. Absent for a search in the order `newest`, which does not read all sessions.
    #[serde(skip_serializing_if = "Option::is_none")]
    total: Option<u64>,
}

impl<'a> From<&'a FoundSessions> for PublicView<'a> {
    fn from(page: &'a FoundSessions) -> Self {
        let FoundSessions { sessions, next: _, total } = page;
        Self { sessions, total: *total }
    }
}

/// A custom emoji of a session.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "SessionEmoji"))]
struct EmojiView<'a> {
    /// The name, without colons. Users react with `:name:`.
    name: &'a str,
    /// The address of the picture; `null` where the server does not know the address.
    #[cfg_attr(feature = "schema", schemars(extend("nullable" = true)))]
    url: Option<&'a str>,
}

impl<'a> From<&'a SessionEmoji> for EmojiView<'a> {
    fn from(emoji: &'a SessionEmoji) -> Self {
        let SessionEmoji { name, url } = emoji;
        Self { name: name.as_str(), url: url.as_deref() }
    }
}

/// An emoji to add.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct AddEmoji {
    /// The address of the picture: at most 2,048 characters, beginning with `https://`. The server does not fetch the picture.
    #[cfg_attr(feature = "schema", schemars(extend("nullable" = true)))]
    pub url: Option<String>,
}

shown_as! {
    SessionEmoji => EmojiView;
    SessionSummary => SummaryView;
    SessionDetails => DetailsView;
    FoundSessions => PublicView;
}

events! {
    /// Changes of the session itself.
    SessionData<'a> of SessionEvent, seen as view:

    "session_created" = Created { session, participant_id } => {
        title: &'a str = &session.title,
        description: Option<&'a str> = session.description.as_deref(),
        session_type: SessionType = session.session_type,
        max_participants: u32 = session.max_participants,
        history_visibility: HistoryVisibility = session.settings.history_visibility,
        metadata: Option<&'a Metadata> = session.settings.metadata.as_ref(),
        receipts: bool = session.settings.receipts,
        user: Person<'a> = (&view.actor).into(),
        participant_id: ParticipantId = *participant_id,
    }
    "session_updated" = Updated { changes } => {
        changes: &'a SessionChanges = changes,
        updated_by: &'a UserId = &view.actor.user_id,
    }
    "invite_created" = InviteCreated { invite_id, role } => {
        invite_id: InviteId = *invite_id,
        role: ParticipantRole = *role,
        created_by: &'a UserId = &view.actor.user_id,
    }
    "invite_revoked" = InviteRevoked { invite_id } => {
        invite_id: InviteId = *invite_id,
        revoked_by: &'a UserId = &view.actor.user_id,
    }
    "emoji_added" = EmojiAdded { emoji } => {
        name: &'a EmojiName = &emoji.name,
        url: Option<&'a str> = emoji.url.as_deref(),
        added_by: &'a UserId = &view.actor.user_id,
    }
    "emoji_removed" = EmojiRemoved { name } => {
        name: &'a EmojiName = name,
        removed_by: &'a UserId = &view.actor.user_id,
    }
    "join_requested" = JoinRequested {} => {
        user: Person<'a> = (&view.actor).into(),
    }
    "join_request_closed" = JoinRequestClosed { user_id } => {
        user_id: &'a UserId = user_id,
        closed_by: &'a UserId = &view.actor.user_id,
    }
    "webhook_changed" = WebhookChanged { webhook_id } => {
        webhook_id: WebhookId = *webhook_id,
        changed_by: &'a UserId = &view.actor.user_id,
    }
    "session_deleted" = Deleted {} => {
        deleted_by: &'a UserId = &view.actor.user_id,
    }
    "session_archived" = Archived {} => {
        archived_by: &'a UserId = &view.actor.user_id,
    }
    "session_unarchived" = Unarchived {} => {
        unarchived_by: &'a UserId = &view.actor.user_id,
    }
    "session_restored" = Restored {} => {
        restored_by: &'a UserId = &view.actor.user_id,
    }
}

/// The settings of a new session.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct CreateSession {
    /// The title: 1 to 100 characters.
    title: String,
    /// The description: at most 500 characters.
    description: Option<String>,
    /// The type; `PRIVATE` where not given.
    session_type: Option<SessionType>,
    /// The maximum number of participants, including the owner: 1 to 10,000 by default; 100 where not given.
    max_participants: Option<u32>,
    /// The part of the history that participants see; `ALL` where not given. With `SINCE_JOINING`, a participant sees the messages and
    /// events from the participant's last join on; the user who created the session sees all.
    history_visibility: Option<HistoryVisibility>,
    /// Custom data of the host or the client: an object of at most 4,096 bytes of JSON with at most 8 levels.
    metadata: Option<Metadata>,
    /// Whether the users of the session see each other's receipts; `true` where not given.
    #[serde(default, deserialize_with = "present")]
    receipts: Option<bool>,
    /// The caller's idempotency key for the session: 1 to 128 characters, unique among the sessions that the caller creates. The header
    /// `Idempotency-Key` means the same.
    client_id: Option<String>,
}

impl CreateSession {
    /// The session and the client id. `key` is the client id that stands beside the body, like the header `Idempotency-Key` of
    /// HTTP.
    ///
    /// # Errors
    /// [`Invalid`](crate::Error::Invalid) when the client id is not valid, or when the body and `key` name different client ids.
    pub fn command(self, key: Option<String>) -> Result<(chat::CreateSession, Option<ClientId>)> {
        let Self {
            title,
            description,
            session_type,
            max_participants,
            history_visibility,
            metadata,
            receipts,
            client_id,
        } = self;
        let session_type = session_type.unwrap_or_default();
        let history_visibility = history_visibility.unwrap_or_default();
        let receipts = receipts.unwrap_or(true);
        let session = chat::CreateSession {
            title,
            description,
            session_type,
            max_participants,
            history_visibility,
            metadata,
            receipts,
        };
        Ok((session, super::client_id(client_id, key)?))
    }
}

/// The user with whom a direct session is started.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct StartDirect {
    /// A user other than the caller, who was seen before.
    user_id: String,
}

impl StartDirect {
    /// The user.
    ///
    /// # Errors
    /// [`Invalid`](crate::Error::Invalid) when the id is not valid.
    pub fn user(self) -> Result<UserId> {
        super::user_id("user_id", self.user_id)
    }
}

/// The users with whom a group is started.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct StartGroup {
    /// 2 to 19 users besides the caller, who were seen before.
    user_ids: Vec<String>,
}

impl StartGroup {
    /// The users.
    ///
    /// # Errors
    /// [`Invalid`](crate::Error::Invalid) when one of the ids is not valid.
    pub fn users(self) -> Result<Vec<UserId>> {
        self.user_ids.into_iter().map(|user| super::user_id("user_ids", user)).collect()
    }
}

/// New settings. An omitted setting does not change.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct UpdateSession {
    /// The new title: 1 to 100 characters.
    #[serde(default, deserialize_with = "present")]
    title: Option<String>,
    /// The new description, at most 500 characters; `null` removes the value.
    #[serde(default, deserialize_with = "named")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>", extend("nullable" = true)))]
    description: Option<Option<String>>,
    /// The new type.
    #[serde(default, deserialize_with = "present")]
    session_type: Option<SessionType>,
    /// The new maximum number of participants, not below the current number.
    #[serde(default, deserialize_with = "present")]
    max_participants: Option<u32>,
    /// The minimum number of seconds between two messages of one sender: 0 to 21,600. Owners and admins need not wait.
    #[serde(default, deserialize_with = "present")]
    slow_mode_seconds: Option<u32>,
    /// The lifetime of a message in seconds: 60 to 31,536,000 by default; `null` for no limit. The lifetime applies to all messages of the
    /// session, also to earlier messages. The server deletes an expired message. The deletion can be late by a sixtieth of the lifetime, at
    /// most an hour, plus one second.
    #[serde(default, deserialize_with = "named")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<u32>", extend("nullable" = true)))]
    message_lifetime: Option<Option<u32>>,
    /// The new part of the history that participants see, whatever their role: `ALL`, or `SINCE_JOINING` for the messages and events from
    /// the participant's last join on. The user who created the session sees all. The change applies at once.
    #[serde(default, deserialize_with = "present")]
    history_visibility: Option<HistoryVisibility>,
    /// The complete new tags: at most 10, each of 1 to 32 characters.
    #[serde(default, deserialize_with = "present")]
    tags: Option<Vec<String>>,
    /// The new address of the picture, or another reference to a picture: at most 2,048 characters; `null` removes the value.
    #[serde(default, deserialize_with = "named")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>", extend("nullable" = true)))]
    avatar_url: Option<Option<String>>,
    /// The complete new metadata: an object of at most 4,096 bytes of JSON with at most 8 levels; `null` removes the metadata.
    #[serde(default, deserialize_with = "named")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<Metadata>", extend("nullable" = true)))]
    metadata: Option<Option<Metadata>>,
    /// Whether the users of the session see each other's receipts.
    #[serde(default, deserialize_with = "present")]
    receipts: Option<bool>,
}

impl UpdateSession {
    /// The changes.
    #[must_use]
    pub fn command(self) -> chat::UpdateSession {
        let Self {
            title,
            description,
            session_type,
            max_participants,
            slow_mode_seconds,
            message_lifetime,
            history_visibility,
            tags,
            avatar_url,
            metadata,
            receipts,
        } = self;
        chat::UpdateSession {
            title,
            description,
            session_type,
            max_participants,
            slow_mode_seconds,
            message_lifetime,
            history_visibility,
            tags,
            avatar_url,
            metadata,
            receipts,
        }
    }
}
