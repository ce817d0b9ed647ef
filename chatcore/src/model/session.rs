//! A session: a conversation with its settings.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{
    ListPage, Message, MessagePage, Metadata, Overview, Participant, ParticipantId, Preferences, Profile, ReadState,
    SessionId, Stay, UnreadMentions, UserId,
};

/// Who may come into a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum SessionType {
    /// Only the owner is in it.
    #[default]
    Private,
    /// Anyone may join; it is in the public list.
    Public,
    /// Only who was invited is in it; others cannot know that it exists.
    InviteOnly,
    /// Two users, both members. It is found by its users; its owner is the user who started it, with no more rights than the other one.
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
    /// The messages and events from the event on that brought the participant in, the last time. The user who made the session sees all.
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

/// A session as it is stored: what decides and what is shown, without what is counted from the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Its id.
    pub id: SessionId,
    /// What it is called.
    pub title: String,
    /// What it is about.
    pub description: Option<String>,
    /// Who may come in.
    pub session_type: SessionType,
    /// How many active participants it may have, the owner included.
    pub max_participants: u32,
    /// How many active participants it has, the owner included.
    pub participant_count: u32,
    /// Who owns it.
    pub owner: UserId,
    /// `false` once it was deleted.
    pub is_active: bool,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When its settings last changed.
    pub updated_at: DateTime<Utc>,
    /// What few sessions have.
    pub settings: SessionSettings,
    /// When it was archived; `None` where it is not.
    pub archived_at: Option<DateTime<Utc>>,
    /// Its deletion by its owner, who may restore it for a while; `None` where it is not deleted, or somebody else deleted it.
    pub deletion: Option<SessionDeletion>,
    /// What a process must understand to decide about this session: a process that understands less answers that the session is
    /// unavailable. 0 for what each version understands.
    pub needs: u32,
}

impl Session {
    /// The highest [`needs`](Self::needs) that this version understands.
    pub const UNDERSTOOD: u32 = 1;

    /// What a direct session needs: a process that keeps users apart who blocked each other.
    pub const NEEDS_BLOCKS: u32 = 1;

    /// The [`needs`](Self::needs) of a session with bans or mutes.
    pub const NEEDS_SANCTIONS: u32 = 1;

    /// The [`needs`](Self::needs) of a session with metadata of participants: a process that does not know them drops them where it writes
    /// a participant's record.
    pub const NEEDS_METADATA: u32 = 1;

    /// The [`needs`](Self::needs) of a session that was archived once.
    pub const NEEDS_ARCHIVE: u32 = 1;

    /// The [`needs`](Self::needs) of a session with settings that decide what a user may do or sees, or how long messages are kept.
    pub const NEEDS_SETTINGS: u32 = 1;

    /// Whether users who are not in it may join it now: it is public, not deleted, not archived, and not full. The public list has
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
    /// When.
    pub at: DateTime<Utc>,
}

/// The settings that a session is made without.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionSettings {
    /// How many seconds lie between two messages of one sender at the least; 0 for slow mode that is off. Those who may change the setting
    /// need not wait.
    pub slow_mode_seconds: u32,
    /// How many seconds a message is kept after it was sent; `None` for ever.
    pub message_lifetime: Option<u32>,
    /// Which part of the history participants see. It counts for every participant, whatever the role.
    pub history_visibility: HistoryVisibility,
    /// Words under which the session is found.
    pub tags: Vec<String>,
    /// The address of a picture, or another reference to one that clients understand.
    pub avatar_url: Option<String>,
    /// Data of the host's or the client's own.
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
    /// What a process must understand of them to decide about the session.
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

/// A session as a list shows it.
#[derive(Debug, Clone, PartialEq)]
pub struct SessionSummary {
    /// The session.
    pub session: Session,
    /// The owner's profile.
    pub owner: Profile,
    /// How many messages were ever sent to it.
    pub message_count: u64,
    /// The last position of its log.
    pub seq: super::Seq,
    /// The last position of its log, with its epoch: subscribe after it and nothing is missed.
    pub cursor: super::Cursor,
    /// What the caller's own lists show of it; `None` elsewhere, and where the caller may not view it.
    pub overview: Option<Box<Overview>>,
}

/// A session with what a client shows first: the newest messages and the first participants.
#[derive(Debug, Clone, PartialEq)]
pub struct SessionDetails {
    /// The session with its counts.
    pub summary: SessionSummary,
    /// The first active participants in the order in which they came, at most a page.
    pub participants: Vec<Participant>,
    /// The newest messages, oldest of them first, at most a page.
    pub messages: Vec<Message>,
    /// The position of the log at which all of this held: subscribe after it and nothing is missed.
    pub seq: super::Seq,
    /// How many of its messages the caller does not see, because they were sent before the caller came in.
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
    /// Its participants as the page that they are.
    #[must_use]
    pub fn first_participants(&self) -> ListPage<Participant, ParticipantId> {
        let has_next = u64::from(self.summary.session.participant_count) > self.participants.len() as u64;
        let last = self.participants.last().filter(|_| has_next);
        ListPage { entries: self.participants.clone(), next: last.map(|participant| participant.id) }
    }

    /// Its messages as the page that they are.
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
