//! Taking out of values what differs from run to run: ids, times and the names of the users of one run.

use std::{collections::HashMap, sync::Arc};

use chatcore::model::{Cursor, Event, MessageId, SessionId};
use serde_json::{Map, Value};

use super::canon::tidy;
use crate::template::stay;

/// Knows what the ids and times of one run stand for: the place in a log that they come from.
#[derive(Debug, Default)]
pub struct Normal {
    prefix: String,
    sessions: HashMap<SessionId, String>,
    known: HashMap<String, String>,
    unknown: HashMap<String, String>,
}

impl Normal {
    /// For users whose ids begin like this.
    #[must_use]
    pub fn new(prefix: &str) -> Self {
        Self { prefix: prefix.to_owned(), ..Self::default() }
    }

    /// Makes a session known under a name, with its log.
    pub fn add(&mut self, name: &str, session: SessionId, log: &[Arc<Event>]) {
        self.sessions.insert(session, name.to_owned());
        self.known.insert(session.to_string(), name.to_owned());
        for event in log {
            let seq = event.seq;
            let time = tidy(serde_json::to_value(event.created_at).unwrap());
            self.known.insert(time.as_str().unwrap().to_owned(), format!("time of {name}/{seq}"));
            self.known.insert(event.cursor().to_string(), format!("cursor {name}/{seq}"));
            if let Some(stay) = stay(event) {
                self.known.insert(stay, format!("stay since {name}/{seq}"));
            }
        }
    }

    /// Makes the code of an invite known, and the token of a webhook, where a value has one.
    pub fn add_code(&mut self, value: &Value) {
        for secret in ["token", "path"] {
            if let Some(text) = value[secret].as_str().filter(|text| text.contains("chook_")) {
                self.known.insert(text.to_owned(), format!("a {secret}"));
            }
        }
        if let Some(code) = value["code"].as_str() {
            self.known.insert(code.to_owned(), "a code".to_owned());
        }
    }

    /// The value, with every id and time said by where it comes from.
    pub fn apply(&mut self, value: &Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.text(text)),
            Value::Array(items) => items.iter().map(|item| self.apply(item)).collect(),
            Value::Object(fields) => {
                let field = |(name, value): (&String, &Value)| (name.replace(&self.prefix, ""), value.clone());
                let fields: Vec<_> = fields.iter().map(field).collect();
                let mut applied = Map::new();
                for (name, value) in fields {
                    applied.insert(name, self.apply(&value));
                }
                Value::Object(applied)
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
        }
    }

    fn text(&mut self, text: &str) -> String {
        if let Some(known) = self.known.get(text) {
            return known.clone();
        }
        if let Ok(MessageId { session_id, seq }) = text.parse()
            && let Some(name) = self.sessions.get(&session_id)
        {
            return format!("message {name}/{seq}");
        }
        let is_message = text.parse::<MessageId>().is_ok_and(|id| id.to_string() == text);
        let is_time = chrono::DateTime::parse_from_rfc3339(text).is_ok();
        let is_cursor = text.parse::<Cursor>().is_ok_and(|cursor| cursor.epoch.is_some());
        if text.strip_prefix("held:").is_some_and(|id| id.parse::<SessionId>().is_ok()) {
            return "the client id of a held message".to_owned();
        }
        let is_bot = text.strip_prefix("bot-").is_some_and(|id| id.parse::<SessionId>().is_ok());
        if is_bot || is_time || is_cursor || is_message || text.parse::<SessionId>().is_ok() {
            let next = format!("unknown {}", self.unknown.len());
            return self.unknown.entry(text.to_owned()).or_insert(next).clone();
        }
        text.replace(&self.prefix, "")
    }
}
