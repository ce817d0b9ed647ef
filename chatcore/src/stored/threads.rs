//! Threads: the replies to a message.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Deserializer, Serialize};

use super::{from_json, to_json};
use crate::{
    model::{Seq, UserId},
    store::{Json, Part, StoredValue},
};

/// The replies to a message, counted. Its version guards the number.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ThreadRecord {
    /// The number of replies that are not deleted.
    pub replies: u64,
    /// The number of replies, with those that were deleted.
    pub total: u64,
    /// The last reply that is not deleted; `None` where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<LastReplyRecord>,
    /// The user who sent the message that began the thread as `user`; `None` where nobody did, and in records of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "stored_user")]
    pub by: Option<UserId>,
}

/// The last reply of a thread.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastReplyRecord {
    /// The position of the reply; `None` for the one in whose change this was written, which has the position in
    /// [`Record::at`](crate::store::Record::at).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seq: Option<Seq>,
    /// When it was sent.
    pub at: DateTime<Utc>,
}

/// An entry of the list of a session's threads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ThreadEntry {
    /// The position of the message that began the thread.
    pub root: Seq,
    /// As [`ThreadRecord::by`].
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "stored_user")]
    pub by: Option<UserId>,
}

/// A reply in the list of a thread's replies.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ReplyEntry {
    /// Who sent it as `user`; `None` in entries of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub said_by: Option<Speaker>,
}

/// Who sent a reply as `user`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Speaker {
    /// A user.
    User(#[serde(deserialize_with = "UserId::deserialize_stored")] UserId),
    /// Nobody: the message has another role.
    Nobody,
}

/// Whether a user follows a thread. Without a record, the user who began the thread follows it, and nobody else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FollowRecord {
    /// `false` where the user chose not to.
    pub follows: bool,
    /// The first position that can be unread: the user followed the thread from here on. 0 where every reply can be unread.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub since: Seq,
    /// At least so many replies stand before `since`.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub number: u64,
}

/// How far a user has read a thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ThreadMarker {
    /// The position in the session's log.
    pub seq: Seq,
    /// At least so many replies stand up to the position.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub number: u64,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
const fn is_zero(number: &u64) -> bool {
    *number == 0
}

fn stored_user<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<UserId>, D::Error> {
    UserId::deserialize_stored(deserializer).map(Some)
}

impl StoredValue for ThreadRecord {
    fn encode(&self) -> Json {
        to_json(self)
    }

    fn decode(_: u32, _: &[Part], stored: Json) -> Result<Self, String> {
        from_json(stored)
    }
}

impl StoredValue for ThreadEntry {
    fn encode(&self) -> Json {
        to_json(self)
    }

    fn decode(_: u32, _: &[Part], stored: Json) -> Result<Self, String> {
        from_json(stored)
    }
}

impl StoredValue for ReplyEntry {
    fn encode(&self) -> Json {
        to_json(self)
    }

    fn decode(_: u32, _: &[Part], stored: Json) -> Result<Self, String> {
        from_json(stored)
    }
}

impl StoredValue for FollowRecord {
    fn encode(&self) -> Json {
        to_json(self)
    }

    fn decode(_: u32, _: &[Part], stored: Json) -> Result<Self, String> {
        from_json(stored)
    }
}

impl StoredValue for ThreadMarker {
    fn encode(&self) -> Json {
        to_json(self)
    }

    fn decode(_: u32, _: &[Part], stored: Json) -> Result<Self, String> {
        from_json(stored)
    }
}
