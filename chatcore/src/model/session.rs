//! A session: a conversation with its settings.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{
    ListPage, Message, MessagePage, Metadata, Overview, Participant, ParticipantId, Preferences, Profile, ReadState,
    SessionId, Stay, UnreadMentions, UserId,
};

/// The type of a session, which decides the access of users.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum SessionType {
    /// Only the owner is in it.
    #[default]
    Private,
    /// Every user may join. The public list has the session.
    Public,
    /// Only invited users are in the session. The session is hidden from other users.
    InviteOnly,
    /// Two users, both members. The chat finds the session by its two users. The owner is the user who started the session, and has no
    /// additional rights.
    Direct,
}

impl SessionType {
    /// Every type.
    pub const ALL: [Self; 4] = [Self::Private, Self::Public, Self::InviteOnly, Self::Direct];

    /// The name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Private => "PRIVATE",
            Self::Public => "PUBLIC",
            Self::InviteOnly => "INVITE_ONLY",
            Self::Direct => "DIRECT",
        }
    }
}

impl fmt::Display for SessionType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The part of a session's history that its participants see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum HistoryVisibility {
    /// All of it.
    #[default]
    All,
    /// The messages and events from the participant's last join on. The user who created the session sees all.
    SinceJoining,
}

impl HistoryVisibility {
    /// Every value.
    pub const ALL: [Self; 2] = [Self::All, Self::SinceJoining];

    /// The name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::All => "ALL",
            Self::SinceJoining => "SINCE_JOINING",
        }
    }
}

/// The stored part of a session, without the counts from the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// The id.
    pub id: SessionId,
    /// The title.
    pub title: String,
    /// The description.
    pub description: Option<String>,
    /// The type.
    pub session_type: SessionType,
    /// The maximum number of active participants, including the owner.
    pub max_participants: u32,
    /// The number of active participants, including the owner.
    pub participant_count: u32,
    /// The owner.
    pub owner: UserId,
    /// `false` after the deletion of the session.
    pub is_active: bool,
    /// The time of creation.
    pub created_at: DateTime<Utc>,
    /// The time of the last change of the settings.
    pub updated_at: DateTime<Utc>,
    /// The optional settings.
    pub settings: SessionSettings,
    /// The time of archiving; `None` for a session that is not archived.
    pub archived_at: Option<DateTime<Utc>>,
    /// The deletion by the owner, who may restore the session for a while; `None` for a session that is not deleted, or that another user
    /// deleted.
    pub deletion: Option<SessionDeletion>,
    /// The format version that a process must support to decide about this session: a process without support answers that the session is
    /// unavailable. 0 for the format that each version supports.
    pub needs: u32,
}

impl Session {
    /// The highest [`needs`](Self::needs) that this version supports.
    pub const UNDERSTOOD: u32 = 1;

    /// The [`needs`](Self::needs) of a direct session: a process that enforces blocks between users.
    pub const NEEDS_BLOCKS: u32 = 1;

    /// The [`needs`](Self::needs) of a session with bans or mutes.
    pub const NEEDS_SANCTIONS: u32 = 1;

    /// The [`needs`](Self::needs) of a session with metadata of participants: a process without support drops the metadata on a write of a
    /// participant's record.
    pub const NEEDS_METADATA: u32 = 1;

    /// The [`needs`](Self::needs) of a session that was ever archived.
    pub const NEEDS_ARCHIVE: u32 = 1;

    /// The [`needs`](Self::needs) of a session with settings for permissions, for visibility, or for the lifetime of messages.
    pub const NEEDS_SETTINGS: u32 = 1;

    /// Whether other users may join the session now: the session is public, not deleted, not archived, and not full. The public list has
    /// these sessions.
    #[must_use]
    pub fn is_joinable(&self) -> bool {
        self.session_type == SessionType::Public
            && self.is_active
            && self.archived_at.is_none()
            && self.participant_count < self.max_participants
    }
}

/// The deletion of a session by its owner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionDeletion {
    /// The owner.
    #[serde(deserialize_with = "UserId::deserialize_stored")]
    pub by: UserId,
    /// The time of the deletion.
    pub at: DateTime<Utc>,
}

/// The optional settings of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionSettings {
    /// The minimum number of seconds between two messages of one sender; 0 for disabled slow mode. Users who may change the setting need
    /// not wait.
    pub slow_mode_seconds: u32,
    /// The lifetime of a message in seconds; `None` for no limit.
    pub message_lifetime: Option<u32>,
    /// The part of the history that participants see. The setting applies to every participant, whatever the role.
    pub history_visibility: HistoryVisibility,
    /// The tags: words by which a search finds the session.
    pub tags: Vec<String>,
    /// The address of a picture, or another reference to a picture that clients understand.
    pub avatar_url: Option<String>,
    /// Custom data of the host or the client.
    pub metadata: Option<Metadata>,
    /// Whether the users of the session see each other's receipts.
    pub receipts: bool,
}

impl Default for SessionSettings {
    fn default() -> Self {
        Self {
            slow_mode_seconds: 0,
            message_lifetime: None,
            history_visibility: HistoryVisibility::All,
            tags: Vec::new(),
            avatar_url: None,
            metadata: None,
            receipts: true,
        }
    }
}

impl SessionSettings {
    /// The [`needs`](Session::needs) of a session with these settings.
    #[must_use]
    pub const fn needs(&self) -> u32 {
        let Self {
            slow_mode_seconds,
            message_lifetime,
            history_visibility,
            tags: _,
            avatar_url: _,
            metadata: _,
            receipts: _,
        } = self;
        let hides = matches!(history_visibility, HistoryVisibility::SinceJoining);
        if *slow_mode_seconds > 0 || message_lifetime.is_some() || hides { Session::NEEDS_SETTINGS } else { 0 }
    }
}

/// A session in a list.
#[derive(Debug, Clone, PartialEq)]
pub struct SessionSummary {
    /// The session.
    pub session: Session,
    /// The owner's profile.
    pub owner: Profile,
    /// The number of messages ever sent to the session.
    pub message_count: u64,
    /// The last position of the session's log.
    pub seq: super::Seq,
    /// The last position of the session's log, with its epoch: a subscription after this cursor misses no event.
    pub cursor: super::Cursor,
    /// The additional values in the caller's own lists; `None` elsewhere, and where the caller may not view the session.
    pub overview: Option<Box<Overview>>,
}

/// A session with the newest messages and the first participants.
#[derive(Debug, Clone, PartialEq)]
pub struct SessionDetails {
    /// The session with its counts.
    pub summary: SessionSummary,
    /// The first active participants in the order of joining, at most a page.
    pub participants: Vec<Participant>,
    /// The newest messages, oldest first, at most a page.
    pub messages: Vec<Message>,
    /// The position of the log at the time of the read: a subscription after this position misses no event.
    pub seq: super::Seq,
    /// The number of messages that the caller does not see, because the messages are older than the caller's join.
    pub unseen_messages: u64,
    /// How far the caller has read.
    pub reading: ReadState,
    /// The unread messages that mention the caller.
    pub unread_mentions: UnreadMentions,
    /// The caller's settings for the session.
    pub preferences: Preferences,
    /// The caller's stay.
    pub stay: Stay,
}

impl SessionDetails {
    /// The participants as a page.
    #[must_use]
    pub fn first_participants(&self) -> ListPage<Participant, ParticipantId> {
        let has_next = u64::from(self.summary.session.participant_count) > self.participants.len() as u64;
        let last = self.participants.last().filter(|_| has_next);
        ListPage { entries: self.participants.clone(), next: last.map(|participant| participant.id) }
    }

    /// The messages as a page.
    #[must_use]
    pub fn newest(&self) -> MessagePage {
        let first = self.messages.first();
        MessagePage {
            messages: self.messages.clone(),
            previous: first.filter(|message| message.number > self.unseen_messages + 1).map(Message::cursor),
            next: None,
            total: self.summary.message_count.saturating_sub(self.unseen_messages),
        }
    }
}
