//! Sessions.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{
    from_json,
    newer::Known,
    part,
    receipts::{is_yes, yes},
    to_json,
};
use crate::{
    model::{HistoryVisibility, Metadata, Session, SessionDeletion, SessionId, SessionSettings, SessionType, UserId},
    store::{Json, Part, StoredValue},
};

#[derive(Serialize, Deserialize)]
pub(super) struct SessionForm {
    /// Only where the key does not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) id: Option<SessionId>,
    title: String,
    #[serde(default)]
    description: Option<String>,
    session_type: Known<SessionType>,
    max_participants: u32,
    participant_count: u32,
    #[serde(deserialize_with = "UserId::deserialize_stored")]
    owner: UserId,
    is_active: bool,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    #[serde(default, skip_serializing_if = "is_zero")]
    needs: u32,
    #[serde(default, skip_serializing_if = "is_zero")]
    slow_mode_seconds: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    message_lifetime: Option<u32>,
    #[serde(default = "all", skip_serializing_if = "is_all")]
    history_visibility: Known<HistoryVisibility>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    tags: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    avatar_url: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    metadata: Option<Metadata>,
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    receipts: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    archived_at: Option<DateTime<Utc>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    deletion: Option<SessionDeletion>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_zero(number: &u32) -> bool {
    *number == 0
}

const fn all() -> Known<HistoryVisibility> {
    Known(Some(HistoryVisibility::All))
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_all(visibility: &Known<HistoryVisibility>) -> bool {
    matches!(visibility, Known(Some(HistoryVisibility::All)))
}

impl SessionForm {
    /// The form, without the id.
    pub(super) fn of(session: &Session) -> Self {
        let Session {
            id: _,
            title,
            description,
            session_type,
            max_participants,
            participant_count,
            owner,
            is_active,
            created_at,
            updated_at,
            settings,
            archived_at,
            deletion,
            needs,
        } = session.clone();
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
            id: None,
            title,
            description,
            session_type: session_type.into(),
            max_participants,
            participant_count,
            owner,
            is_active,
            created_at,
            updated_at,
            needs,
            slow_mode_seconds,
            message_lifetime,
            history_visibility: history_visibility.into(),
            tags,
            avatar_url,
            metadata,
            receipts,
            archived_at,
            deletion,
        }
    }

    /// The form with the id.
    pub(super) fn named(mut self, id: SessionId) -> Self {
        self.id = Some(id);
        self
    }

    /// The session; `None` for one with a type or a visibility that this version does not know.
    pub(super) fn known(self, id: SessionId) -> Option<Session> {
        (self.session_type.0.is_some() && self.history_visibility.0.is_some()).then(|| self.session(id))
    }

    /// The session. A type or a visibility that this version does not know decides what a user may do or sees, so such a session needs a
    /// newer version.
    fn session(self, id: SessionId) -> Session {
        let Self {
            id: _,
            title,
            description,
            session_type,
            max_participants,
            participant_count,
            owner,
            is_active,
            created_at,
            updated_at,
            needs,
            slow_mode_seconds,
            message_lifetime,
            history_visibility,
            tags,
            avatar_url,
            metadata,
            receipts,
            archived_at,
            deletion,
        } = self;
        let is_known = session_type.0.is_some() && history_visibility.0.is_some();
        let (session_type, history_visibility) =
            (session_type.0.unwrap_or_default(), history_visibility.0.unwrap_or_default());
        let needs = if is_known { needs } else { u32::MAX };
        let settings = SessionSettings {
            slow_mode_seconds,
            message_lifetime,
            history_visibility,
            tags,
            avatar_url,
            metadata,
            receipts,
        };
        Session {
            id,
            title,
            description,
            session_type,
            max_participants,
            participant_count,
            owner,
            is_active,
            created_at,
            updated_at,
            settings,
            archived_at,
            deletion,
            needs,
        }
    }
}

impl StoredValue for Session {
    fn encode(&self) -> Json {
        to_json(&SessionForm::of(self))
    }

    fn decode(_: u32, key: &[Part], stored: Json) -> Result<Self, String> {
        Ok(from_json::<SessionForm>(stored)?.session(part(key, 0)?))
    }
}
