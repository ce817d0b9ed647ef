//! Sessions on the wire.

use chatcore::{
    Result,
    chat::{CreateSession, PublicSessionPage, UpdateSession},
    model::{ClientId, Session, SessionDetails, SessionSummary, SessionType},
};
use chrono::{DateTime, Utc};
use poem_openapi::{Enum, Object, types::MaybeUndefined};
use serde::{Deserialize, Serialize};

use super::{MessageResponse, ParticipantResponse, client_id, present};

/// Who may come into a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Enum)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[oai(rename = "SessionType", rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum WireSessionType {
    /// Only the owner.
    Private,
    /// Anyone.
    Public,
    /// Who was invited.
    InviteOnly,
    /// Two people. Reserved: cannot be created yet.
    Direct,
}

impl From<WireSessionType> for SessionType {
    fn from(wire: WireSessionType) -> Self {
        match wire {
            WireSessionType::Private => Self::Private,
            WireSessionType::Public => Self::Public,
            WireSessionType::InviteOnly => Self::InviteOnly,
            WireSessionType::Direct => Self::Direct,
        }
    }
}

impl From<SessionType> for WireSessionType {
    fn from(model: SessionType) -> Self {
        match model {
            SessionType::Private => Self::Private,
            SessionType::Public => Self::Public,
            SessionType::InviteOnly => Self::InviteOnly,
            SessionType::Direct => Self::Direct,
        }
    }
}

/// What a session is made with.
#[derive(Debug, Deserialize, Object)]
#[serde(deny_unknown_fields)]
#[oai(rename = "CreateSession")]
pub(crate) struct CreateSessionRequest {
    /// What it is called: 1 to 100 characters.
    title: String,
    /// What it is about: at most 500 characters.
    description: Option<String>,
    /// Who may come in; `PRIVATE` where not given.
    session_type: Option<WireSessionType>,
    /// How many may be in it, the owner included: 1 to 10,000 by default; 100 where not given.
    max_participants: Option<u32>,
    /// The caller's own name for the session, which makes a retry safe: 1 to 128 characters, unique among the sessions that
    /// the caller makes. The header `Idempotency-Key` means the same.
    client_id: Option<String>,
}

impl CreateSessionRequest {
    /// The session, and the client id: the header's where the body has none.
    ///
    /// # Errors
    /// As [`client_id`].
    pub(crate) fn translate(self, key: Option<String>) -> Result<(CreateSession, Option<ClientId>)> {
        let Self { title, description, session_type, max_participants, client_id: given } = self;
        let session_type = session_type.map(SessionType::from).unwrap_or_default();
        Ok((CreateSession { title, description, session_type, max_participants }, client_id(given, key)?))
    }
}

/// New settings; what is left out stays.
#[derive(Debug, Deserialize, Object)]
#[serde(deny_unknown_fields)]
#[oai(rename = "UpdateSession")]
pub(crate) struct UpdateSessionRequest {
    /// The new title: 1 to 100 characters.
    #[serde(default, deserialize_with = "present")]
    title: Option<String>,
    /// The new description, at most 500 characters; `null` takes it away.
    #[serde(default)]
    #[oai(nullable)]
    description: MaybeUndefined<String>,
    /// The new type.
    #[serde(default, deserialize_with = "present")]
    session_type: Option<WireSessionType>,
    /// The new cap, not below the number of those in the session.
    #[serde(default, deserialize_with = "present")]
    max_participants: Option<u32>,
}

impl From<UpdateSessionRequest> for UpdateSession {
    fn from(request: UpdateSessionRequest) -> Self {
        let UpdateSessionRequest { title, description, session_type, max_participants } = request;
        let description = match description {
            MaybeUndefined::Undefined => None,
            MaybeUndefined::Null => Some(None),
            MaybeUndefined::Value(text) => Some(Some(text)),
        };
        Self { title, description, session_type: session_type.map(Into::into), max_participants }
    }
}

/// A session as a list shows it.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "SessionSummary")]
pub(crate) struct SessionSummaryResponse {
    id: String,
    title: String,
    #[oai(nullable)]
    description: Option<String>,
    session_type: WireSessionType,
    max_participants: u32,
    /// The owner.
    user_id: String,
    owner_username: String,
    created_at: DateTime<Utc>,
    /// When the settings last changed.
    updated_at: DateTime<Utc>,
    message_count: u64,
    participant_count: u32,
}

impl From<SessionSummary> for SessionSummaryResponse {
    fn from(summary: SessionSummary) -> Self {
        let SessionSummary { session, owner, message_count, seq: _, cursor: _ } = summary;
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
            needs: _,
        } = session;
        Self {
            id: id.to_string(),
            title,
            description,
            session_type: session_type.into(),
            max_participants,
            user_id: user_id.to_string(),
            owner_username: owner.username,
            created_at,
            updated_at,
            message_count,
            participant_count,
        }
    }
}

/// Sessions that can be joined.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "PublicSessions")]
pub(crate) struct PublicSessionsResponse {
    /// The page, newest first.
    sessions: Vec<SessionSummaryResponse>,
    /// How many there are in all.
    total: u64,
}

impl From<PublicSessionPage> for PublicSessionsResponse {
    fn from(page: PublicSessionPage) -> Self {
        let PublicSessionPage { sessions, next: _, total } = page;
        Self { sessions: sessions.into_iter().map(Into::into).collect(), total }
    }
}

/// A session with its first participants and its newest messages.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "Session")]
pub(crate) struct SessionResponse {
    id: String,
    title: String,
    #[oai(nullable)]
    description: Option<String>,
    session_type: WireSessionType,
    max_participants: u32,
    /// The owner.
    user_id: String,
    owner_username: String,
    is_active: bool,
    created_at: DateTime<Utc>,
    /// When the settings last changed.
    updated_at: DateTime<Utc>,
    /// The first 50, in the order in which they came. For more: `GET …/participants`, `after` the id of the last one.
    participants: Vec<ParticipantResponse>,
    /// The newest 50, oldest of them first.
    messages: Vec<MessageResponse>,
    participant_count: u32,
    message_count: u64,
    /// The position of the session's log at which all of this held: subscribe with it as `after` and miss nothing.
    seq: u64,
    /// The same position with its epoch, which `after` takes, too: it is refused when the log no longer has that event.
    cursor: String,
}

impl From<SessionDetails> for SessionResponse {
    fn from(details: SessionDetails) -> Self {
        let SessionDetails { summary, participants, messages, seq } = details;
        let (is_active, cursor) = (summary.session.is_active, summary.cursor.to_string());
        let SessionSummaryResponse {
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
        } = summary.into();
        Self {
            id,
            title,
            description,
            session_type,
            max_participants,
            user_id,
            owner_username,
            is_active,
            created_at,
            updated_at,
            participants: participants.into_iter().map(Into::into).collect(),
            messages: messages.into_iter().map(Into::into).collect(),
            participant_count,
            message_count,
            seq,
            cursor,
        }
    }
}
