//! The tables of the suite. They have every kind of owner, of key part and of value.

use serde_json::Map;

use crate::{
    model::{ParticipantId, SessionId},
    store::{Json, KeyPart, Newest, Part, StoredValue},
    tables,
};

tables! {
    /// Records that decide what a user may do.
    session governed Laws = "suite_law" [
        /// The session.
        session: SessionId,
        /// The name.
        name: Word,
    ] -> Law = 2;

    /// Records of a session that decide nothing.
    session plain Notes = "suite_note" [
        /// The session.
        session: SessionId,
        /// The name.
        name: Word,
    ] -> Sheet = 1;

    /// Records at positions.
    session plain Marks = "suite_mark" [
        /// The session.
        session: SessionId,
        /// The position.
        at: u64,
        /// The name.
        name: Word,
    ] -> Sheet = 1;

    /// Records at positions, the newest first.
    session plain Latest = "suite_latest" [
        /// The session.
        session: SessionId,
        /// The position.
        at: Newest<u64>,
    ] -> Sheet = 1;

    /// Counters of a session.
    session plain Tallies = "suite_tally" [
        /// The session.
        session: SessionId,
        /// The name.
        name: Word,
    ] -> Tally = 1;

    /// Shared records.
    shared plain Names = "suite_name" [
        /// The name.
        name: Word,
    ] -> Sheet = 1;

    /// Shared records with a key part of each kind.
    shared plain Mixed = "suite_mixed" [
        /// A text.
        word: Word,
        /// A number.
        number: u64,
        /// A UUID.
        id: ParticipantId,
        /// A UUID, the newest first.
        newest: Newest<SessionId>,
    ] -> Sheet = 1;

    /// Shared counters.
    shared plain Totals = "suite_total" [
        /// The name.
        name: Word,
    ] -> Tally = 1;
}

/// A key part that takes each text.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Word(pub String);

impl KeyPart for Word {
    fn part(&self) -> Part {
        Part::Text(self.0.clone())
    }

    fn from_part(part: &Part) -> Option<Self> {
        if let Part::Text(text) = part { Some(Self(text.clone())) } else { None }
    }
}

/// A value that takes each JSON object.
#[derive(Debug, Clone, PartialEq)]
pub struct Sheet(pub Map<String, Json>);

impl StoredValue for Sheet {
    fn encode(&self) -> Json {
        Json::Object(self.0.clone())
    }

    fn decode(_: u32, _: &[Part], stored: Json) -> Result<Self, String> {
        if let Json::Object(fields) = stored { Ok(Self(fields)) } else { Err(format!("no object: {stored}")) }
    }
}

/// A counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tally(pub i64);

impl StoredValue for Tally {
    fn encode(&self) -> Json {
        self.0.into()
    }

    fn decode(_: u32, _: &[Part], stored: Json) -> Result<Self, String> {
        stored.as_i64().map(Self).ok_or_else(|| format!("no number: {stored}"))
    }
}

/// A value of which the key tells a part, in the second version of its format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Law {
    /// What the key tells.
    pub key: Vec<Part>,
    /// What the stored form tells.
    pub says: i64,
}

impl StoredValue for Law {
    fn encode(&self) -> Json {
        serde_json::json!({ "says": self.says })
    }

    fn decode(format: u32, key: &[Part], stored: Json) -> Result<Self, String> {
        match (format, stored.get("says").and_then(Json::as_i64)) {
            (2, Some(says)) => Ok(Self { key: key.to_vec(), says }),
            _ => Err(format!("no law of format 2, but of format {format}: {stored}")),
        }
    }
}
