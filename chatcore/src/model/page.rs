//! Pages: which part of a list is wanted, and what came.

use std::str::FromStr;

use chrono::{DateTime, Utc};

use super::{InvalidId, Message, Seq};

/// A part of a list that is counted from its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Page {
    /// How many to leave out at the start.
    pub skip: u64,
    /// How many at the most; `None` for the default. The bounds are in [`crate::Limits`].
    pub limit: Option<u64>,
}

impl Page {
    /// The first page of the default size.
    pub const FIRST: Self = Self { skip: 0, limit: None };
}

/// A place in a log: a position, or a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Bound {
    /// A position.
    Seq(Seq),
    /// A time; an event at exactly that time is neither before nor after it.
    Time(DateTime<Utc>),
}

/// From a number, which is a position, or from an RFC 3339 time.
///
/// In the query of a URL a plus sign stands for a space, so a client that writes the offset `+02:00` as it is sends a space
/// in its place. Nothing else can be meant by that space, so it is read as the plus sign.
impl FromStr for Bound {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        if let Ok(seq) = text.parse() {
            return Ok(Self::Seq(seq));
        }
        let offset = |start: usize| Some(format!("{}+{}", text.get(..start)?, text.get(start..)?.strip_prefix(' ')?));
        let repaired = text.len().checked_sub("+hh:mm".len()).and_then(offset);
        let time = DateTime::parse_from_rfc3339(repaired.as_deref().unwrap_or(text));
        time.map(|time| Self::Time(time.to_utc())).map_err(|_| InvalidId {
            kind: "place in a log",
            expected: "a position, or an RFC 3339 time like 2026-01-01T00:00:00Z; in a URL write the plus sign of an \
                offset as %2B",
        })
    }
}

/// Which messages are wanted. A page ascends whichever way it was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MessageWindow {
    /// From the oldest on, leaving out this many.
    Skip(u64),
    /// The newest.
    Newest,
    /// The last ones before a place.
    Before(Bound),
    /// The first ones after a place.
    After(Bound),
}

impl MessageWindow {
    /// Whether it begins or ends at a position that no client can know of a log with this head.
    pub(crate) const fn is_beyond(self, head: Seq) -> bool {
        match self {
            Self::After(Bound::Seq(seq)) => seq > head,
            // The position after the head is the one before which everything stands.
            Self::Before(Bound::Seq(seq)) => seq > head.saturating_add(1),
            Self::After(Bound::Time(_)) | Self::Before(Bound::Time(_)) | Self::Skip(_) | Self::Newest => false,
        }
    }
}

/// Messages with where to go on.
#[derive(Debug, Clone, PartialEq)]
pub struct MessagePage {
    /// The messages, oldest first.
    pub messages: Vec<Message>,
    /// Ask before this position for older ones; `None` where there are none.
    pub previous: Option<Seq>,
    /// Ask after this position for newer ones; `None` where there were none.
    pub next: Option<Seq>,
    /// How many messages the session has.
    pub total: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_position_or_a_time() {
        let time = |text: &str| DateTime::parse_from_rfc3339(text).map(|time| Bound::Time(time.to_utc())).ok();
        let noon = time("2026-01-01T12:00:00Z");
        assert!(noon.is_some());
        for (text, expected) in [
            ("7", Some(Bound::Seq(7))),
            ("2026-01-01T12:00:00Z", noon),
            ("2026-01-01T14:00:00+02:00", noon),
            ("2026-01-01T14:00:00 02:00", noon),
            ("2026-01-01T14:00:00.000 02:00", noon),
            ("2026-01-01T10:00:00-02:00", noon),
            ("2026-01-01T14:00:00  2:00", None),
            ("2026-01-01T14:00 02:00", None),
            ("2026-01-01", None),
            (" 02:00", None),
            ("yesterday", None),
            ("-1", None),
            ("1.5", None),
            ("99999999999999999999", None),
            ("", None),
            ("\u{e4}\u{e4}\u{e4}1", None),
        ] {
            assert_eq!(text.parse().ok(), expected, "{text:?}");
        }
    }
}
