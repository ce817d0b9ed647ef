//! Read markers on the wire.

use serde::Deserialize;

use super::present;
use crate::{
    chat::ReadUpto,
    error::{Code, Error, Result},
    model::{InvalidId, Seq, SessionId},
};

/// The position or the message up to which a session is read.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct MarkRead {
    /// A position of the session's log, from 1 on.
    #[serde(default, deserialize_with = "present")]
    seq: Option<Seq>,
    /// The id of a message of the session.
    #[serde(default, deserialize_with = "present")]
    message_id: Option<String>,
}

impl MarkRead {
    /// Up to a position, or up to a message.
    #[must_use]
    pub const fn of(seq: Option<Seq>, message_id: Option<String>) -> Self {
        Self { seq, message_id }
    }

    /// The position or the message.
    ///
    /// # Errors
    /// [`Invalid`](Error::Invalid) when neither or both are given; [`Malformed`](Error::Malformed) for a text that is no message id.
    pub fn command(self) -> Result<ReadUpto> {
        match (self.seq, self.message_id) {
            (Some(seq), None) => Ok(ReadUpto::Seq(seq)),
            (None, Some(id)) => {
                let malformed = |error: InvalidId| Error::malformed("message_id", error.expected);
                Ok(ReadUpto::Message(id.parse().map_err(malformed)?))
            }
            (None, None) => Err(Error::invalid("seq", Code::ValidationRequiredField, "give a position or a message")),
            (Some(_), Some(_)) => {
                let message = "give a position or a message, not both";
                Err(Error::invalid("message_id", Code::ValidationInvalidValue, message))
            }
        }
    }
}

/// The session after which to continue to mark all sessions as read.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct MarkAllRead {
    /// The `last` of the previous answer; absent in the first call.
    #[serde(default, deserialize_with = "present")]
    after: Option<String>,
}

impl MarkAllRead {
    /// From the first session, or after one.
    #[must_use]
    pub const fn after(after: Option<String>) -> Self {
        Self { after }
    }

    /// The session after which to continue.
    ///
    /// # Errors
    /// [`Malformed`](Error::Malformed) for a text that is no session id.
    pub fn command(self) -> Result<Option<SessionId>> {
        let malformed = |error: InvalidId| Error::malformed("after", error.expected);
        self.after.map(|id| id.parse()).transpose().map_err(malformed)
    }
}
