//! The endpoint of a model: `POST {base}/chat/completions` with `stream: true`, answered by server-sent events.

use std::{fmt, time::Duration};

use eventsource_stream::Eventsource as _;
use futures_util::{StreamExt as _, stream::BoxStream};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::time::{Instant, timeout, timeout_at};

/// What the model is told of itself.
const INSTRUCTIONS: &str =
    "You are an assistant in a chat of several people. Each message of a person begins with the name of the person.";

/// An endpoint that is compatible with OpenAI's.
#[derive(Clone)]
pub struct Endpoint {
    client: reqwest::Client,
    url: String,
    model: String,
    key: Option<String>,
    silence: Duration,
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint").field("url", &self.url).field("model", &self.model).finish_non_exhaustive()
    }
}

/// Why a model gave no whole answer. Readers of the chat see the words.
#[derive(Debug)]
pub enum ModelError {
    /// Nobody answers at the address.
    Unreachable,
    /// The endpoint answered with an error.
    Status(u16),
    /// Nothing came for too long.
    Silent,
    /// The answer ended before it was complete.
    Broken,
    /// The answer has no text.
    Empty,
    /// The chat did not take the text.
    Refused(String),
}

impl fmt::Display for ModelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable => f.write_str("the model cannot be reached"),
            Self::Status(status) => write!(f, "the model answered with the status {status}"),
            Self::Silent => f.write_str("the model said nothing for too long"),
            Self::Broken => f.write_str("the answer of the model broke off"),
            Self::Empty => f.write_str("the model gave no text"),
            Self::Refused(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for ModelError {}

/// Who said something, for the model.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Said {
    User,
    Assistant,
}

/// A message, for the model.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Turn {
    pub(crate) role: Said,
    pub(crate) content: String,
}

/// An event of an answer. What is not needed is skipped.
#[derive(Deserialize)]
struct Chunk {
    #[serde(default)]
    choices: Vec<Choice>,
    error: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct Choice {
    #[serde(default)]
    delta: Delta,
    finish_reason: Option<String>,
}

#[derive(Deserialize, Default)]
struct Delta {
    content: Option<String>,
}

impl Endpoint {
    /// An endpoint. A model that says nothing for as long as `silence` has failed.
    ///
    /// # Errors
    /// Where TLS cannot be set up.
    pub fn new(base: &str, model: &str, key: Option<String>, silence: Duration) -> Result<Self, reqwest::Error> {
        let client = reqwest::Client::builder().build()?;
        let url = format!("{}/chat/completions", base.trim_end_matches('/'));
        Ok(Self { client, url, model: model.to_owned(), key, silence })
    }

    pub(crate) async fn ask(&self, turns: &[Turn]) -> Result<Parts, ModelError> {
        let instructions = json!({ "role": "system", "content": INSTRUCTIONS });
        let turns = turns.iter().map(|turn| json!(turn));
        let messages: Vec<_> = std::iter::once(instructions).chain(turns).collect();
        let quiet_since = Instant::now();
        let asking =
            self.client.post(&self.url).json(&json!({ "model": self.model, "stream": true, "messages": messages }));
        let asking = match &self.key {
            Some(key) => asking.bearer_auth(key),
            None => asking,
        };
        let answered = timeout(self.silence, asking.send()).await.map_err(|_| ModelError::Silent)?;
        let answer = answered.map_err(|_| ModelError::Unreachable)?;
        if !answer.status().is_success() {
            return Err(ModelError::Status(answer.status().as_u16()));
        }
        let events = answer.bytes_stream().eventsource();
        let events = events.map(|event| event.map(|event| event.data).map_err(|_| ModelError::Broken)).boxed();
        Ok(Parts { events, silence: self.silence, quiet_since, is_complete: false })
    }
}

/// The parts of an answer.
pub(crate) struct Parts {
    events: BoxStream<'static, Result<String, ModelError>>,
    silence: Duration,
    /// The time of the question, or of the last text. Events without text end no silence: the chat hears nothing of them.
    quiet_since: Instant,
    is_complete: bool,
}

impl Parts {
    /// The next part; `None` at the end of an answer that is complete.
    pub(crate) async fn next(&mut self) -> Result<Option<String>, ModelError> {
        loop {
            let event = timeout_at(self.quiet_since + self.silence, self.events.next()).await;
            let event = event.map_err(|_| ModelError::Silent)?;
            let data = match event {
                Some(Ok(data)) => data,
                // Some endpoints end without the last event.
                Some(Err(_)) | None if self.is_complete => return Ok(None),
                Some(Err(error)) => return Err(error),
                None => return Err(ModelError::Broken),
            };
            if data == "[DONE]" {
                return Ok(None);
            }
            let chunk: Chunk = serde_json::from_str(&data).map_err(|_| ModelError::Broken)?;
            if chunk.error.is_some() {
                return Err(ModelError::Broken);
            }
            let Some(choice) = chunk.choices.into_iter().next() else { continue };
            self.is_complete |= choice.finish_reason.is_some();
            let text = choice.delta.content.unwrap_or_default();
            // The chat takes no other control characters.
            let text: String = text.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\r' | '\t')).collect();
            if !text.is_empty() {
                self.quiet_since = Instant::now();
                return Ok(Some(text));
            }
        }
    }
}
