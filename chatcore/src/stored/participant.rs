//! Participants.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{from_json, newer::Known, part, to_json};
use crate::{
    model::{Metadata, ParticipantId, ParticipantRole, Sanction, Seq, SessionId, Standing, Term, UserId},
    store::{Found, Json, Part, StoredValue},
};

/// A user's membership of a session as it is stored, also of a user who left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParticipantRecord {
    /// The stay; a new one at each join.
    pub id: ParticipantId,
    /// The session.
    pub session_id: SessionId,
    /// The user.
    pub user_id: UserId,
    /// How the user stands to the session, apart from a ban: [`standing_at`](Self::standing_at) knows bans. A [`Standing::Stranger`] never was
    /// in it; such a record holds a ban.
    pub standing: Standing,
    /// When the user came, the last time.
    pub joined_at: DateTime<Utc>,
    /// When the user came the first time.
    pub created_at: DateTime<Utc>,
    /// Whether the user ever created the session, joined it, or posted in it, as opposed to being added only. Once `true`, it
    /// stays `true`, whatever becomes of the stay. Records of older versions read as `false`.
    pub is_engaged: bool,
    /// The ban from the session, also one whose time is over.
    pub ban: Option<Sanction>,
    /// The mute in the session, also one whose time is over. It stays with a user who leaves and comes back.
    pub mute: Option<Sanction>,
    /// The position of the event that brought the user in, the last time; `None` where that is the position of this record itself, and
    /// in records of older versions, whose position is not before the event.
    pub since: Option<Seq>,
    /// Whether the user made the session. It stays, whatever becomes of the stay. Records of older versions read as `false`.
    pub is_creator: bool,
    /// Data of the host's or the client's own. They go with the stay.
    pub metadata: Option<Metadata>,
    /// Whether only a newer version knows the role. Such a record decides nothing, and is never written.
    pub is_newer: bool,
}

impl ParticipantRecord {
    /// The record of a user of whom the session has no record yet, from this time on.
    #[must_use]
    pub const fn new(
        id: ParticipantId,
        session_id: SessionId,
        user_id: UserId,
        standing: Standing,
        at: DateTime<Utc>,
    ) -> Self {
        Self {
            id,
            session_id,
            user_id,
            standing,
            joined_at: at,
            created_at: at,
            is_engaged: false,
            ban: None,
            mute: None,
            since: None,
            is_creator: false,
            metadata: None,
            is_newer: false,
        }
    }

    /// The record after the end of the stay in which the user had this role last.
    #[must_use]
    pub fn ended(&self, role: ParticipantRole) -> Self {
        Self { standing: Standing::Former(role), metadata: None, ..self.clone() }
    }

    /// How the user stands to the session at this time.
    #[must_use]
    pub fn standing_at(&self, now: DateTime<Utc>) -> Standing {
        let banned = self.ban.as_ref().and_then(|ban| ban.term_at(now));
        match self.standing {
            Standing::Active(role) => Standing::Active(role),
            standing @ (Standing::Stranger | Standing::Former(_) | Standing::Banned(_)) => {
                banned.map_or(standing, Standing::Banned)
            }
        }
    }

    /// The record with the position of its stay, where it was found at this position.
    pub(crate) fn placed(found: Found<Self>) -> Arc<Self> {
        match found.value.since {
            Some(_) => found.value,
            None => Arc::new(Self { since: (found.at > 0).then_some(found.at), ..Self::clone(&found.value) }),
        }
    }

    /// How long the user is muted from this time on; `None` where the user is not.
    #[must_use]
    pub fn muted_at(&self, now: DateTime<Utc>) -> Option<Term> {
        self.mute.as_ref()?.term_at(now)
    }
}

#[derive(Serialize, Deserialize)]
struct Form {
    stay: ParticipantId,
    is_active: bool,
    role: Known<ParticipantRole>,
    joined_at: DateTime<Utc>,
    created_at: DateTime<Utc>,
    #[serde(default)]
    is_engaged: Option<bool>,
    /// The user never was in the session, and the role says nothing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    is_stranger: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ban: Option<Sanction>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mute: Option<Sanction>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    since: Option<Seq>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    is_creator: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    metadata: Option<Metadata>,
}

impl StoredValue for ParticipantRecord {
    fn encode(&self) -> Json {
        let Self {
            id,
            session_id: _,
            user_id: _,
            standing,
            joined_at,
            created_at,
            is_engaged,
            ban,
            mute,
            metadata,
            since,
            is_creator,
            is_newer: _,
        } = self;
        let (is_active, role) = match *standing {
            Standing::Active(role) => (true, role),
            Standing::Former(role) => (false, role),
            // A reader that knows no bans must not take such a record for a participant's.
            Standing::Stranger | Standing::Banned(_) => (false, ParticipantRole::Viewer),
        };
        to_json(&Form {
            stay: *id,
            is_active,
            role: role.into(),
            joined_at: *joined_at,
            created_at: *created_at,
            is_engaged: Some(*is_engaged),
            is_stranger: matches!(standing, Standing::Stranger | Standing::Banned(_)),
            ban: ban.clone(),
            mute: mute.clone(),
            since: *since,
            is_creator: *is_creator,
            metadata: metadata.clone(),
        })
    }

    fn decode(_: u32, key: &[Part], stored: Json) -> Result<Self, String> {
        let Form {
            stay,
            is_active,
            role,
            joined_at,
            created_at,
            is_engaged,
            is_stranger,
            ban,
            mute,
            metadata,
            since,
            is_creator,
        } = from_json(stored)?;
        Ok(Self {
            id: stay,
            session_id: part(key, 0)?,
            user_id: part(key, 1)?,
            standing: match role {
                Known(_) if is_stranger => Standing::Stranger,
                Known(Some(role)) if is_active => Standing::Active(role),
                Known(Some(role)) => Standing::Former(role),
                Known(None) => Standing::Stranger,
            },
            joined_at,
            created_at,
            is_engaged: is_engaged.unwrap_or(false),
            ban,
            mute,
            since,
            is_creator,
            metadata,
            is_newer: role.0.is_none(),
        })
    }
}
