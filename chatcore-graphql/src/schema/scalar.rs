//! Scalars.

use async_graphql::{ID, InputValueError, InputValueResult, Number, Scalar, ScalarType, Value};
use chatcore::{
    Code, Error, Result,
    model::{ClientId, InvalidId, InviteId, MessageId, Metadata, ReportId, SessionId, UserId, WebhookId, parse_time},
};
use chrono::{SecondsFormat, Utc};

/// A whole number from 0 to 2^53 - 1, as a JSON number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Long(pub(super) u64);

/// The largest whole number that every client can tell from its neighbours (RFC 8259, section 6).
const LARGEST: u64 = (1 << 53) - 1;

/// A whole number from 0 to 2^53 - 1, as a JSON number.
#[Scalar]
impl ScalarType for Long {
    fn parse(value: Value) -> InputValueResult<Self> {
        let number = match &value {
            Value::Number(number) => number.as_u64().filter(|number| *number <= LARGEST),
            _ => None,
        };
        number.map(Self).ok_or_else(|| InputValueError::custom("a whole number from 0 to 2^53 - 1"))
    }

    fn is_valid(value: &Value) -> bool {
        Self::parse(value.clone()).is_ok()
    }

    fn to_value(&self) -> Value {
        Value::Number(Number::from(self.0))
    }
}

/// A JSON object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct JsonObject(pub(super) Metadata);

/// A JSON object.
#[Scalar(name = "JSONObject")]
impl ScalarType for JsonObject {
    fn parse(value: Value) -> InputValueResult<Self> {
        let Value::Object(_) = &value else { return Err(InputValueError::expected_type(value)) };
        let json = value.into_json().map_err(InputValueError::custom)?;
        serde_json::from_value(json).map(Self).map_err(InputValueError::custom)
    }

    fn is_valid(value: &Value) -> bool {
        matches!(value, Value::Object(_))
    }

    fn to_value(&self) -> Value {
        serde_json::to_value(&self.0).ok().and_then(|json| Value::from_json(json).ok()).unwrap_or_default()
    }
}

/// A time (RFC 3339), in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct DateTime(pub(super) chrono::DateTime<Utc>);

/// A time (RFC 3339), in UTC.
#[Scalar]
impl ScalarType for DateTime {
    fn parse(value: Value) -> InputValueResult<Self> {
        let Value::String(text) = &value else { return Err(InputValueError::expected_type(value)) };
        parse_time(text).map(Self).map_err(|error| InputValueError::custom(error.expected))
    }

    fn is_valid(value: &Value) -> bool {
        Self::parse(value.clone()).is_ok()
    }

    fn to_value(&self) -> Value {
        // As the other transports write it.
        Value::String(self.0.to_rfc3339_opts(SecondsFormat::AutoSi, true))
    }
}

/// A session's id, which is written like an address: one that cannot be parsed is malformed.
pub(super) fn session_id(id: &ID) -> Result<SessionId> {
    id.parse().map_err(|_| Error::malformed("session_id", "a session's id is a UUID"))
}

/// An invite's id, which is an address, too.
pub(super) fn invite_id(id: &ID) -> Result<InviteId> {
    id.parse().map_err(|_| Error::malformed("invite_id", "an invite's id is a UUID"))
}

/// A webhook's id, which is an address, too.
pub(super) fn webhook_id(id: &ID) -> Result<WebhookId> {
    id.parse().map_err(|_| Error::malformed("webhook_id", "a webhook's id is a UUID"))
}

/// A report's id, which is an address, too.
pub(super) fn report_id(id: &ID) -> Result<ReportId> {
    id.parse().map_err(|_| Error::malformed("report_id", "a report's id is a UUID"))
}

/// A message's id, which is an address, too.
pub(super) fn message_id(id: &ID) -> Result<MessageId> {
    id.parse().map_err(|_| Error::malformed("message_id", "an id as the server gave it out"))
}

/// A user's id where it is an address.
pub(super) fn user_id(id: &ID) -> Result<UserId> {
    UserId::new(id.as_str()).map_err(|error| Error::malformed("user_id", error.expected))
}

/// A user's id where it is content.
pub(super) fn named_user(id: &ID) -> Result<UserId> {
    UserId::new(id.as_str()).map_err(|error| Error::invalid("user_id", Code::ValidationInvalidValue, error.expected))
}

/// Ids of users where they are content.
pub(super) fn named_users(field: &str, ids: &[ID]) -> Result<Vec<UserId>> {
    let named = |id: &ID| {
        UserId::new(id.as_str()).map_err(|error| Error::invalid(field, Code::ValidationInvalidValue, error.expected))
    };
    ids.iter().map(named).collect()
}

/// A number that must not be negative.
pub(super) fn natural(name: &str, value: Option<i32>) -> Result<Option<u64>> {
    let negative = |_| Error::invalid(name, Code::ValidationInvalidValue, "must not be negative");
    value.map(u64::try_from).transpose().map_err(negative)
}

/// A client id that a caller gives.
pub(super) fn client_id(id: Option<String>) -> Result<Option<ClientId>> {
    let unacceptable = |error: InvalidId| Error::invalid("client_id", Code::ValidationInvalidValue, error.expected);
    id.map(ClientId::new).transpose().map_err(unacceptable)
}
