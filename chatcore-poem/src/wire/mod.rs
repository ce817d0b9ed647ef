//! The shapes on the wire: one struct for each, with conversions that name every field.

mod error;
mod event;
mod message;
mod participant;
mod session;

pub(crate) use error::Problem;
pub(crate) use event::{EventsResponse, Outgoing, encoded, event_frame, event_name, event_page, signal_frame};
pub(crate) use message::{MessageRequest, MessageResponse};
pub(crate) use participant::{
    AddParticipantRequest, JoinResponse, MessageOnly, ParticipantResponse, RoleRequest, WireRole,
};
pub(crate) use session::{
    CreateSessionRequest, PublicSessionsResponse, SessionResponse, SessionSummaryResponse, UpdateSessionRequest,
    WireSessionType,
};

use chatcore::{Code, Error, Result, model::ClientId};
use serde::{Deserialize, Deserializer};

/// The client id of a request: the body's, or the one of the header `Idempotency-Key`.
///
/// # Errors
/// [`Error::Invalid`] when it is none, or the two are not the same.
pub(crate) fn client_id(given: Option<String>, key: Option<String>) -> Result<Option<ClientId>> {
    let unacceptable = |message: &str| Error::invalid("client_id", Code::ValidationInvalidValue, message);
    if key.is_some() && given.is_some() && key != given {
        return Err(unacceptable("the header Idempotency-Key names another one"));
    }
    given.or(key).map(ClientId::new).transpose().map_err(|error| unacceptable(error.expected))
}

/// A field that may be left out but, where it is there, must have a value: `null` is an error.
pub(crate) fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}
