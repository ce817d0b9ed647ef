//! Keys of records: typed parts in order, which sort alike in each store.

use std::fmt;

use uuid::Uuid;

use super::Table;
use crate::model::{
    AuditId, ClientId, Emoji, HeldId, InviteId, LoginId, ModerationId, ParticipantId, ReportId, ScheduledId, Seq,
    SessionId, UserId, WebhookId,
};

/// A part of a key. Parts at one place of a table's keys are of one kind. Numbers sort by value, texts and UUIDs by their bytes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// A number, at most [`Part::MAX_NUMBER`].
    Number(u64),
    /// A text.
    Text(String),
    /// A UUID.
    Uuid(Uuid),
    /// The position of the change's event at this place, counted from 0: a number once the change is committed.
    Here(usize),
    /// The same for a key that sorts the newest position first.
    NewestHere(usize),
}

impl Part {
    /// The largest number: the maximum of a signed 64-bit integer.
    pub const MAX_NUMBER: u64 = i64::MAX.unsigned_abs();

    /// The part once the change's first event has its position.
    #[must_use]
    pub fn resolved(&self, first: Seq) -> Self {
        let at = |place: &usize| first.saturating_add(*place as u64);
        match self {
            Self::Here(place) => Self::Number(at(place)),
            Self::NewestHere(place) => Newest(at(place)).part(),
            Self::Number(_) | Self::Text(_) | Self::Uuid(_) => self.clone(),
        }
    }
}

/// The key of a record: the table, and the parts that the table declares.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// The table.
    pub table: &'static Table,
    /// The parts.
    pub parts: Vec<Part>,
}

impl Key {
    /// The session that owns the record; `None` for a shared table.
    #[must_use]
    pub fn session(&self) -> Option<SessionId> {
        match (self.table.owner, self.parts.first()) {
            (super::Owner::Session, Some(Part::Uuid(session))) => Some(SessionId(*session)),
            _ => None,
        }
    }

    /// The key once the change's first event has its position.
    #[must_use]
    pub fn resolved(&self, first: Seq) -> Self {
        Self { table: self.table, parts: self.parts.iter().map(|part| part.resolved(first)).collect() }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{:?}", self.table.name, self.parts)
    }
}

/// Sorts the highest value first, since scans go upwards only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Newest<T>(pub T);

/// A type that can be a part of a key.
pub trait KeyPart: Sized {
    /// The part.
    fn part(&self) -> Part;

    /// The value that makes this part; `None` for a part of another kind.
    fn from_part(part: &Part) -> Option<Self>;
}

impl KeyPart for SessionId {
    fn part(&self) -> Part {
        Part::Uuid(self.0)
    }

    fn from_part(part: &Part) -> Option<Self> {
        if let Part::Uuid(id) = part { Some(Self(*id)) } else { None }
    }
}

impl KeyPart for ParticipantId {
    fn part(&self) -> Part {
        Part::Uuid(self.0)
    }

    fn from_part(part: &Part) -> Option<Self> {
        if let Part::Uuid(id) = part { Some(Self(*id)) } else { None }
    }
}

impl KeyPart for ScheduledId {
    fn part(&self) -> Part {
        Part::Uuid(self.0)
    }

    fn from_part(part: &Part) -> Option<Self> {
        if let Part::Uuid(id) = part { Some(Self(*id)) } else { None }
    }
}

impl KeyPart for HeldId {
    fn part(&self) -> Part {
        Part::Uuid(self.0)
    }

    fn from_part(part: &Part) -> Option<Self> {
        if let Part::Uuid(id) = part { Some(Self(*id)) } else { None }
    }
}

impl KeyPart for InviteId {
    fn part(&self) -> Part {
        Part::Uuid(self.0)
    }

    fn from_part(part: &Part) -> Option<Self> {
        if let Part::Uuid(id) = part { Some(Self(*id)) } else { None }
    }
}

impl KeyPart for WebhookId {
    fn part(&self) -> Part {
        Part::Uuid(self.0)
    }

    fn from_part(part: &Part) -> Option<Self> {
        if let Part::Uuid(id) = part { Some(Self(*id)) } else { None }
    }
}

impl KeyPart for LoginId {
    fn part(&self) -> Part {
        Part::Uuid(self.0)
    }

    fn from_part(part: &Part) -> Option<Self> {
        if let Part::Uuid(id) = part { Some(Self(*id)) } else { None }
    }
}

impl KeyPart for Newest<SessionId> {
    fn part(&self) -> Part {
        Part::Uuid(Uuid::from_u128(!self.0.0.as_u128()))
    }

    fn from_part(part: &Part) -> Option<Self> {
        if let Part::Uuid(id) = part { Some(Self(SessionId(Uuid::from_u128(!id.as_u128())))) } else { None }
    }
}

impl KeyPart for Newest<AuditId> {
    fn part(&self) -> Part {
        Part::Uuid(Uuid::from_u128(!self.0.0.as_u128()))
    }

    fn from_part(part: &Part) -> Option<Self> {
        if let Part::Uuid(id) = part { Some(Self(AuditId(Uuid::from_u128(!id.as_u128())))) } else { None }
    }
}

impl KeyPart for Newest<ReportId> {
    fn part(&self) -> Part {
        Part::Uuid(Uuid::from_u128(!self.0.0.as_u128()))
    }

    fn from_part(part: &Part) -> Option<Self> {
        if let Part::Uuid(id) = part { Some(Self(ReportId(Uuid::from_u128(!id.as_u128())))) } else { None }
    }
}

impl KeyPart for Newest<ModerationId> {
    fn part(&self) -> Part {
        Part::Uuid(Uuid::from_u128(!self.0.0.as_u128()))
    }

    fn from_part(part: &Part) -> Option<Self> {
        if let Part::Uuid(id) = part { Some(Self(ModerationId(Uuid::from_u128(!id.as_u128())))) } else { None }
    }
}

impl KeyPart for u64 {
    fn part(&self) -> Part {
        Part::Number((*self).min(Part::MAX_NUMBER))
    }

    fn from_part(part: &Part) -> Option<Self> {
        if let Part::Number(number) = part { Some(*number) } else { None }
    }
}

impl KeyPart for Newest<u64> {
    fn part(&self) -> Part {
        Part::Number(Part::MAX_NUMBER - self.0.min(Part::MAX_NUMBER))
    }

    fn from_part(part: &Part) -> Option<Self> {
        if let Part::Number(number) = part { Some(Self(Part::MAX_NUMBER.checked_sub(*number)?)) } else { None }
    }
}

impl KeyPart for UserId {
    fn part(&self) -> Part {
        Part::Text(self.as_str().to_owned())
    }

    fn from_part(part: &Part) -> Option<Self> {
        if let Part::Text(text) = part { Self::from_stored(text).ok() } else { None }
    }
}

impl KeyPart for String {
    fn part(&self) -> Part {
        Part::Text(self.clone())
    }

    fn from_part(part: &Part) -> Option<Self> {
        if let Part::Text(text) = part { Some(text.clone()) } else { None }
    }
}

impl KeyPart for Emoji {
    fn part(&self) -> Part {
        Part::Text(self.as_str().to_owned())
    }

    fn from_part(part: &Part) -> Option<Self> {
        if let Part::Text(text) = part { Some(Self::from_stored(text)) } else { None }
    }
}

impl KeyPart for ClientId {
    fn part(&self) -> Part {
        Part::Text(self.as_str().to_owned())
    }

    fn from_part(part: &Part) -> Option<Self> {
        if let Part::Text(text) = part { Self::new(text).ok() } else { None }
    }
}
