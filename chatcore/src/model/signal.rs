//! A signal: a transient notification to readers, which is not stored.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{
    MessageId, Preferences, PresenceState, ReadState, ReceiptKind, ReportId, ReportState, Seq, SessionId, ThreadState,
    UserId,
};

/// A transient notification to the connected readers. A signal is not in the log, has no position, and has no replay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "signal", rename_all = "snake_case")]
pub enum Signal {
    /// A user started or stopped typing.
    Typing {
        /// The session.
        session_id: SessionId,
        /// The user.
        #[serde(deserialize_with = "UserId::deserialize_stored")]
        user_id: UserId,
        /// `true` for started.
        is_typing: bool,
        /// The end of the typing without a further signal; `None` for stopped. The end also covers a client that crashed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<DateTime<Utc>>,
    },
    /// A user's presence changed.
    Presence {
        /// A session that the user is in.
        session_id: SessionId,
        /// The user.
        #[serde(deserialize_with = "UserId::deserialize_stored")]
        user_id: UserId,
        /// The presence as others see it.
        state: PresenceState,
    },
    /// A user's read marker moved. Only the user's own devices receive the signal.
    ReadMarker {
        /// The user.
        #[serde(deserialize_with = "UserId::deserialize_stored")]
        user_id: UserId,
        /// How far the user has read now.
        state: ReadState,
    },
    /// A user's settings for the session changed. Only the user's own devices receive the signal.
    Preferences {
        /// The user.
        #[serde(deserialize_with = "UserId::deserialize_stored")]
        user_id: UserId,
        /// The session.
        session_id: SessionId,
        /// The settings now.
        preferences: Preferences,
    },
    /// A user began or ceased to follow a thread, or the user's marker in the thread moved. Only the user's own devices receive the signal.
    Thread {
        /// The user.
        #[serde(deserialize_with = "UserId::deserialize_stored")]
        user_id: UserId,
        /// The current state.
        state: ThreadState,
    },
    /// A user's request to join a session was declined. Only the connections of the user receive the signal, which does not name the user
    /// who declined.
    JoinRequestDeclined {
        /// The user of the request.
        #[serde(deserialize_with = "UserId::deserialize_stored")]
        user_id: UserId,
        /// The session.
        session_id: SessionId,
    },
    /// A user received or read further messages of a session.
    Receipt {
        /// The session.
        session_id: SessionId,
        /// The user.
        #[serde(deserialize_with = "UserId::deserialize_stored")]
        user_id: UserId,
        /// Whether a device of the user has received the messages, or the user has read the messages.
        kind: ReceiptKind,
        /// The position up to which the receipt holds.
        seq: Seq,
    },
    /// A streamed message has grown by a part.
    MessagePart {
        /// The session.
        session_id: SessionId,
        /// The position of the message.
        message: Seq,
        /// The author.
        #[serde(deserialize_with = "UserId::deserialize_stored")]
        user_id: UserId,
        /// The offset of the part in the text, in characters (Unicode scalar values).
        offset: u64,
        /// The part.
        text: String,
    },
    /// A report was made, or its state changed. Only users who see the session's reports receive the signal, and never the reported user.
    Report {
        /// The session.
        session_id: SessionId,
        /// The reported user.
        #[serde(deserialize_with = "UserId::deserialize_stored")]
        user_id: UserId,
        /// The report.
        report_id: ReportId,
        /// The state of the report.
        state: ReportState,
    },
}

/// A part of a message, in a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShownPart {
    /// The message.
    pub message: MessageId,
    /// The end of the part in the text, in characters.
    pub end: u64,
}

impl Signal {
    /// The session of the signal.
    #[must_use]
    pub const fn session_id(&self) -> SessionId {
        match self {
            Self::Typing { session_id, .. }
            | Self::Presence { session_id, .. }
            | Self::JoinRequestDeclined { session_id, .. }
            | Self::Preferences { session_id, .. }
            | Self::Receipt { session_id, .. }
            | Self::MessagePart { session_id, .. }
            | Self::Report { session_id, .. } => *session_id,
            Self::ReadMarker { state, .. } => state.session_id,
            Self::Thread { state, .. } => state.session_id,
        }
    }

    /// The user of the signal.
    #[must_use]
    pub const fn user_id(&self) -> &UserId {
        match self {
            Self::Typing { user_id, .. }
            | Self::Presence { user_id, .. }
            | Self::ReadMarker { user_id, .. }
            | Self::JoinRequestDeclined { user_id, .. }
            | Self::Preferences { user_id, .. }
            | Self::Thread { user_id, .. }
            | Self::Receipt { user_id, .. }
            | Self::MessagePart { user_id, .. }
            | Self::Report { user_id, .. } => user_id,
        }
    }

    /// The part of a message in the signal.
    #[must_use]
    pub fn shown_part(&self) -> Option<ShownPart> {
        match self {
            Self::MessagePart { session_id, message, user_id: _, offset, text } => Some(ShownPart {
                message: MessageId { session_id: *session_id, seq: *message },
                end: offset.saturating_add(text.chars().count() as u64),
            }),
            Self::Typing { .. }
            | Self::Presence { .. }
            | Self::ReadMarker { .. }
            | Self::JoinRequestDeclined { .. }
            | Self::Preferences { .. }
            | Self::Thread { .. }
            | Self::Receipt { .. }
            | Self::Report { .. } => None,
        }
    }

    /// The readers that are told.
    const fn audience(&self) -> Audience {
        use Readers::{All, Connections, Others, Own};
        match self {
            Self::Typing { .. } | Self::Receipt { .. } => Audience::of(Others),
            Self::Presence { .. } => Audience { is_presence: true, ..Audience::of(Others) },
            Self::ReadMarker { .. } | Self::Preferences { .. } | Self::Thread { .. } => Audience::of(Own),
            Self::JoinRequestDeclined { .. } => Audience::of(Connections),
            // A block hides no message and no report.
            Self::MessagePart { .. } => Audience { stops_at_blocks: false, ..Audience::of(All) },
            Self::Report { .. } => Audience { stops_at_blocks: false, is_of_reports: true, ..Audience::of(Others) },
        }
    }

    /// Whether a reader of the session receives the signal. For a receipt, further conditions decide.
    #[must_use]
    pub fn is_for(&self, reader: &UserId) -> bool {
        match self.audience().readers {
            Readers::All => true,
            Readers::Others => self.user_id() != reader,
            Readers::Own | Readers::Connections => self.user_id() == reader,
        }
    }

    /// Whether all connections of the signal's user receive the signal, whichever sessions the connections follow, and no reader of the
    /// session.
    #[must_use]
    pub const fn is_for_connections(&self) -> bool {
        matches!(self.audience().readers, Readers::Connections)
    }

    /// Whether only readers that asked for presence receive the signal.
    #[must_use]
    pub const fn is_presence(&self) -> bool {
        self.audience().is_presence
    }

    /// Whether a block between the reader and the user stops the signal.
    #[must_use]
    pub const fn stops_at_blocks(&self) -> bool {
        self.audience().stops_at_blocks
    }

    /// Whether only readers that see the session's reports receive the signal.
    #[must_use]
    pub const fn is_of_reports(&self) -> bool {
        self.audience().is_of_reports
    }
}

/// The readers that are told of a signal.
struct Audience {
    readers: Readers,
    is_presence: bool,
    stops_at_blocks: bool,
    is_of_reports: bool,
}

impl Audience {
    const fn of(readers: Readers) -> Self {
        Self { readers, is_presence: false, stops_at_blocks: true, is_of_reports: false }
    }
}

enum Readers {
    /// All devices of all users: the author's other devices show the message as well.
    All,
    /// All users but its user.
    Others,
    /// The devices of its user.
    Own,
    /// All connections of its user, whichever sessions they follow.
    Connections,
}
