//! The messages of graphql-transport-ws.

use async_graphql::{Response, ServerError};
use chatcore::json::repeated_key;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::{
    request::{Parameters, given_twice, kind_of},
    response::{Body, json},
};

/// The longest id of an operation, in bytes: each message that goes out carries it.
const ID_BYTES: usize = 256;

/// A message from the client.
#[derive(Debug)]
pub(crate) enum Incoming {
    Init(Option<Map<String, Json>>),
    Ping(Option<Map<String, Json>>),
    Pong,
    Subscribe {
        id: String,
        parameters: Box<Parameters>,
    },
    Complete {
        id: String,
    },
    /// A `subscribe` that is larger than it may be.
    TooLarge {
        id: String,
    },
}

/// What is looked at of a message that is too large.
#[derive(Deserialize)]
struct Named {
    r#type: String,
    id: String,
}

impl Incoming {
    /// A message that is too large, where the protocol has an answer for it.
    pub(crate) fn too_large(text: &str) -> Option<Self> {
        // An array would be taken for the fields of an object.
        let message = text.trim_start().strip_prefix('{').and_then(|_| serde_json::from_str::<Named>(text).ok());
        let named = message.filter(|Named { r#type, id }| r#type == "subscribe" && (1..=ID_BYTES).contains(&id.len()));
        named.map(|Named { id, .. }| Self::TooLarge { id })
    }

    /// Reads a message.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        if let Some(key) = repeated_key(text.as_bytes()) {
            return Err(given_twice(&key));
        }
        let mut message = match serde_json::from_str(text) {
            Ok(Json::Object(message)) => message,
            Ok(other) => return Err(format!("a message is a JSON object, this is {}", kind_of(&other))),
            Err(error) => return Err(format!("a message is JSON: {error}")),
        };
        let of_type = match message.remove("type") {
            Some(Json::String(of_type)) => of_type,
            Some(other) => return Err(format!("`type` is a string, this is {}", kind_of(&other))),
            None => return Err("`type` is missing".to_owned()),
        };
        match of_type.as_str() {
            "connection_init" => payload(&mut message).map(Self::Init),
            "ping" => payload(&mut message).map(Self::Ping),
            "pong" => payload(&mut message).map(|_| Self::Pong),
            "subscribe" => {
                let id = id(&mut message)?;
                let payload = message.remove("payload").ok_or("`payload` is missing")?;
                let parameters = Parameters::from_json(payload).map_err(|error| format!("`payload`: {error}"))?;
                Ok(Self::Subscribe { id, parameters: Box::new(parameters) })
            }
            "complete" => id(&mut message).map(|id| Self::Complete { id }),
            "connection_ack" | "next" | "error" => Err(format!("`{of_type}` is for the server to send")),
            _ => Err(format!("there is no type `{of_type}`")),
        }
    }
}

fn payload(message: &mut Map<String, Json>) -> Result<Option<Map<String, Json>>, String> {
    match message.remove("payload") {
        None | Some(Json::Null) => Ok(None),
        Some(Json::Object(payload)) => Ok(Some(payload)),
        Some(other) => Err(format!("`payload` is an object, this is {}", kind_of(&other))),
    }
}

fn id(message: &mut Map<String, Json>) -> Result<String, String> {
    match message.remove("id") {
        Some(Json::String(id)) if id.is_empty() => Err("`id` is empty".to_owned()),
        Some(Json::String(id)) if id.len() > ID_BYTES => Err(format!("`id` is longer than {ID_BYTES} bytes")),
        Some(Json::String(id)) => Ok(id),
        Some(other) => Err(format!("`id` is a string, this is {}", kind_of(&other))),
        None => Err("`id` is missing".to_owned()),
    }
}

/// A message to the client.
#[derive(Serialize)]
struct Message<'a, P> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<P>,
}

fn message<P: Serialize>(of_type: &'static str, id: Option<&str>, payload: Option<P>) -> String {
    json(&Message { id, r#type: of_type, payload })
}

pub(crate) fn ack() -> String {
    message("connection_ack", None, None::<()>)
}

pub(crate) fn pong(payload: Option<&Map<String, Json>>) -> String {
    message("pong", None, payload)
}

pub(crate) fn next(id: &str, response: &Response) -> String {
    message("next", Some(id), Some(Body::executed(response)))
}

pub(crate) fn error(id: &str, errors: &[ServerError]) -> String {
    message("error", Some(id), Some(errors))
}

pub(crate) fn complete(id: &str) -> String {
    message("complete", Some(id), None::<()>)
}
