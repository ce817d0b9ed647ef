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

use serde::{Deserialize, Deserializer};

/// A field that may be left out but, where it is there, must have a value: `null` is an error.
pub(crate) fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}
