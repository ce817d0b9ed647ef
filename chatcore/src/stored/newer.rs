//! Values that only a newer version knows.

use serde::{Deserialize, Deserializer, Serialize, de::Error as _};

use crate::{
    model::{
        Content, HistoryVisibility, MessageType, ParticipantRole, RemovalReason, SessionChanges, SessionType,
        SpeakerRole, StreamState,
    },
    store::Json,
};

/// A value in a stored form; `None` for one that a newer version wrote and this one does not know.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(transparent)]
pub(super) struct Known<T>(pub(super) Option<T>);

impl<T> From<T> for Known<T> {
    fn from(value: T) -> Self {
        Self(Some(value))
    }
}

/// A type that newer versions may add values to.
pub(super) trait Grows: for<'de> Deserialize<'de> {
    /// Whether a form that this version cannot read may be one of a newer version. Anything else is damaged.
    fn may_be_newer(form: &Json) -> bool;
}

impl<'de, T: Grows> Deserialize<'de> for Known<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let form = Json::deserialize(deserializer)?;
        match T::deserialize(&form) {
            Ok(value) => Ok(Self(Some(value))),
            Err(_) if T::may_be_newer(&form) => Ok(Self(None)),
            Err(error) => Err(D::Error::custom(error)),
        }
    }
}

/// Types whose values are names.
macro_rules! names {
    ($($name:ty),+) => {
        $(impl Grows for $name {
            fn may_be_newer(form: &Json) -> bool {
                form.is_string()
            }
        })+
    };
}

names!(HistoryVisibility, MessageType, ParticipantRole, RemovalReason, SessionType, SpeakerRole);

impl Grows for Content {
    fn may_be_newer(form: &Json) -> bool {
        form.is_object()
    }
}

impl Grows for StreamState {
    fn may_be_newer(form: &Json) -> bool {
        form.get("state").is_some_and(Json::is_string)
    }
}

impl Grows for SessionChanges {
    fn may_be_newer(form: &Json) -> bool {
        fn is_newer<T: Grows>(form: &Json, name: &str) -> bool {
            form.get(name).is_some_and(|value| T::may_be_newer(value) && T::deserialize(value).is_err())
        }
        is_newer::<SessionType>(form, "session_type") || is_newer::<HistoryVisibility>(form, "history_visibility")
    }
}
