//! Frames from clients.

use chatcore::{
    Code, Error, Result,
    json::{parse, typed},
    model::{Cursor, SessionId},
    wire,
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value};

/// A frame with the id under which it is answered.
pub(super) struct Incoming {
    pub(super) id: Option<Value>,
    /// The event, where there is one of this name.
    #[cfg(feature = "metrics")]
    pub(super) event: Option<&'static str>,
    pub(super) command: Result<Command>,
}

/// What a client wants.
pub(super) enum Command {
    Authenticate {
        token: String,
    },
    Join {
        session_id: SessionId,
        after: Option<Cursor>,
        shows_presence: bool,
    },
    Leave {
        session_id: SessionId,
    },
    /// A command that is the same on every transport.
    Perform(wire::Command),
}

impl Command {
    /// The name for the log.
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::Authenticate { .. } => "authenticate",
            Self::Join { .. } => "join_session",
            Self::Leave { .. } => "leave_session",
            Self::Perform(command) => command.name(),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope {
    event: String,
    #[serde(default)]
    data: Option<Map<String, Value>>,
    #[serde(default)]
    id: Option<Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Authenticate {
    token: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Join {
    session_id: String,
    after: Option<Cursor>,
    #[serde(default)]
    presence: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Session {
    session_id: String,
}

/// The longest id of a frame, in characters.
const ID_CHARS: usize = 128;

impl Incoming {
    /// Reads a frame of at most so many bytes. A larger one is only searched for its id.
    pub(super) fn read(text: &str, most: usize) -> Self {
        if text.len() > most {
            let detail = "the frame is too large; nothing of it was done";
            return Self { id: id_of(text), ..Self::refused(Error::Refused { code: Code::PayloadTooLarge, detail }) };
        }
        match parse::<Envelope>(text.as_bytes()) {
            Ok(Envelope { event, data, id }) => match checked_id(id) {
                Ok(id) => Self {
                    id,
                    #[cfg(feature = "metrics")]
                    event: events().find(|known| *known == event),
                    command: command(&event, data.unwrap_or_default()),
                },
                Err(error) => Self::refused(error),
            },
            Err(error) => Self { id: id_of(text), ..Self::refused(error) },
        }
    }

    pub(super) fn refused(error: Error) -> Self {
        Self {
            id: None,
            #[cfg(feature = "metrics")]
            event: None,
            command: Err(error),
        }
    }
}

fn checked_id(id: Option<Value>) -> Result<Option<Value>> {
    match id {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Number(number)) => Ok(Some(Value::Number(number))),
        Some(Value::String(text)) if text.chars().take(ID_CHARS + 1).count() <= ID_CHARS => {
            Ok(Some(Value::String(text)))
        }
        Some(Value::String(_) | Value::Bool(_) | Value::Array(_) | Value::Object(_)) => {
            let message = format!("a number, or a string of at most {ID_CHARS} characters");
            Err(Error::invalid("id", Code::ValidationInvalidValue, message))
        }
    }
}

/// The id of a frame that has something else wrong with it; `None` where it has more than one.
fn id_of(text: &str) -> Option<Value> {
    #[derive(Deserialize)]
    struct Named {
        id: Option<Value>,
    }
    // An array would be taken for the fields of an object.
    let object = text.trim_start().starts_with('{');
    let Ok(Named { id }) = serde_json::from_str(if object { text } else { "" }) else { return None };
    checked_id(id).ok().flatten()
}

fn command(event: &str, data: Map<String, Value>) -> Result<Command> {
    match event {
        "authenticate" => {
            let Authenticate { token } = shaped(data)?;
            Ok(Command::Authenticate { token })
        }
        "join_session" => {
            let Join { session_id, after, presence } = shaped(data)?;
            Ok(Command::Join { session_id: session(&session_id)?, after, shows_presence: presence })
        }
        "leave_session" => Ok(Command::Leave { session_id: only_session(data)? }),
        "typing_start" => typing(data, true),
        "typing_stop" => typing(data, false),
        _ => match wire::Command::read(event, accepted(event, data)) {
            Some(command) if wire::Command::FRAMES.contains(&event) => {
                command.map(Command::Perform).map_err(within_data)
            }
            Some(_) | None => Err(unknown()),
        },
    }
}

/// The events that there are.
pub(crate) fn events() -> impl Iterator<Item = &'static str> {
    let known: [&[&str]; 3] =
        [&["authenticate", "join_session", "leave_session"], wire::Command::FRAMES, &["typing_start", "typing_stop"]];
    known.into_iter().flatten().copied()
}

fn unknown() -> Error {
    let known: Vec<_> = events().collect();
    Error::invalid("event", Code::ValidationInvalidValue, format!("one of {}", known.join(", ")))
}

fn typing(data: Map<String, Value>, is_typing: bool) -> Result<Command> {
    let session_id = only_session(data)?;
    Ok(Command::Perform(wire::Command::SetTyping { session_id, typing: wire::SetTyping { is_typing } }))
}

/// The data that a command takes. Replies are not there yet; clients that name none are welcome.
fn accepted(event: &str, mut data: Map<String, Value>) -> Map<String, Value> {
    if event == "send_message" && data.get("reply_to").is_some_and(Value::is_null) {
        data.remove("reply_to");
    }
    data
}

/// Data of one shape. Taken through text once more, so that an error names the field as everywhere else.
fn shaped<T: DeserializeOwned>(data: Map<String, Value>) -> Result<T> {
    let bytes = serde_json::to_vec(&data).map_err(|_| Error::Internal)?;
    typed(&bytes).map_err(within_data)
}

/// The same error of fields that stand in the frame's data.
fn within_data(mut error: Error) -> Error {
    if let Error::Invalid(fields) | Error::Malformed(fields) = &mut error {
        for field in fields {
            field.field.insert_str(0, "data.");
        }
    }
    error
}

fn only_session(data: Map<String, Value>) -> Result<SessionId> {
    let Session { session_id } = shaped(data)?;
    session(&session_id)
}

fn session(text: &str) -> Result<SessionId> {
    text.parse().map_err(|_| Error::malformed("data.session_id", "a session's id is a UUID"))
}
