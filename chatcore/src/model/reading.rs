//! How far a user has read.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Message, ParticipantRole, Preferences, Seq, SessionId};

/// The number of messages of a session that a user has not read. Messages that the user sent as `user` do not count; deleted messages
/// count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Unread {
    /// The number of messages. An inexact number is an upper bound.
    pub count: u64,
    /// Whether `count` is exact: the read marker is among the last 100 events of the session. A client shows a count that is not exact as,
    /// for instance, `99+`.
    pub is_exact: bool,
}

/// How far a user has read a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ReadState {
    /// The session.
    pub session_id: SessionId,
    /// The position up to which the user has read. A page of messages `after` this position begins with the first unread message.
    pub read_upto: Seq,
    /// The messages that are unread.
    pub unread: Unread,
}

/// The number of messages of a session that mention a user and that the user has not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct UnreadMentions {
    /// The number of messages among the user's 100 newest mentions. An inexact number is a lower bound.
    pub count: u64,
    /// Whether `count` is exact: the user has no unread message in the session, or at most 99 mentions in all sessions.
    pub is_exact: bool,
}

impl UnreadMentions {
    /// None.
    pub const NONE: Self = Self { count: 0, is_exact: true };
}

/// A user's own stay in a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stay {
    /// The user's role.
    pub role: ParticipantRole,
    /// The time of the user's last join.
    pub joined_at: DateTime<Utc>,
}

/// The parts of a session that a list of a user's own sessions shows.
#[derive(Debug, Clone, PartialEq)]
pub struct Overview {
    /// The newest message, without its reactions and its thread; `None` where the session has no message.
    pub last_message: Option<Message>,
    /// How far the user has read.
    pub reading: ReadState,
    /// The unread messages that mention the user.
    pub unread_mentions: UnreadMentions,
    /// The user's settings for the session.
    pub preferences: Preferences,
    /// The user's stay.
    pub stay: Stay,
}

/// The result of marking all sessions as read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AllRead {
    /// The number of sessions whose marker moved.
    pub marked: u64,
    /// The last processed session, after which the next call continues; `null` without a session.
    #[cfg_attr(feature = "schema", schemars(extend("nullable" = true)))]
    pub last: Option<SessionId>,
    /// Whether no session is left.
    pub is_done: bool,
}
