//! A place in a log from which a reader continues.

use std::{fmt, str::FromStr};

use chrono::{DateTime, Utc};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, Visitor},
};

use super::{InvalidId, Seq};

/// Identifies the history that put an event at its position.
///
/// A database can be replaced by an older copy of itself. Its logs then continue from an earlier position, and the same position
/// holds another event than before. The two events have different epochs, so a cursor of the lost history is noticed.
///
/// The epoch is opaque to clients: at most 16 characters, `0` to `9` and `a` to `f`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Epoch(u64);

impl Epoch {
    /// The epoch of an event that was accepted at this time.
    ///
    /// The times of a log never decrease, and an older copy continues after the times of the lost events. So the time in microseconds
    /// distinguishes the histories at each position. The epoch needs no storage, and is equal in every process. While a clock is set back,
    /// the time of a log stands still until the clock catches up: histories that diverge within that span are not distinguished.
    #[must_use]
    pub fn of(created_at: DateTime<Utc>) -> Self {
        Self(created_at.timestamp_micros().cast_unsigned())
    }

    /// The time of the event, in microseconds since the Unix epoch.
    pub(crate) const fn micros(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}", self.0)
    }
}

impl FromStr for Epoch {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let invalid = || InvalidId { kind: "epoch", expected: "an epoch as the server gave it out" };
        let epoch = u64::from_str_radix(text, 16).map(Self).map_err(|_| invalid())?;
        // One spelling only, as for every id.
        if epoch.to_string() == text { Ok(epoch) } else { Err(invalid()) }
    }
}

impl Serialize for Epoch {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Epoch {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// A position in a log, with the epoch of the event there.
///
/// The text form is `seq` or `seq-epoch`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Cursor {
    /// The position; 0 stands before the first event.
    pub seq: Seq,
    /// The epoch of the event at that position. Without one, the position alone is checked. Position 0 has none.
    pub epoch: Option<Epoch>,
}

impl Cursor {
    /// The position of an event that was accepted at this time. Position 0 has no event and no epoch.
    #[must_use]
    pub fn at(seq: Seq, created_at: DateTime<Utc>) -> Self {
        Self { seq, epoch: (seq > 0).then(|| Epoch::of(created_at)) }
    }

    /// Whether both cursors can name the same event: the positions are equal, and so are the epochs where both cursors have an epoch.
    #[must_use]
    pub fn agrees_with(self, other: Self) -> bool {
        self.seq == other.seq && self.epoch.zip(other.epoch).is_none_or(|(own, other)| own == other)
    }
}

/// A position alone.
impl From<Seq> for Cursor {
    fn from(seq: Seq) -> Self {
        Self { seq, epoch: None }
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.epoch {
            Some(epoch) => write!(f, "{}-{epoch}", self.seq),
            None => write!(f, "{}", self.seq),
        }
    }
}

impl FromStr for Cursor {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let (seq, epoch) = text.split_once('-').map_or((text, None), |(seq, epoch)| (seq, Some(epoch)));
        let invalid = || InvalidId { kind: "cursor", expected: "a position in the log, as a number" };
        // The parser of numbers takes a sign, too.
        if !seq.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(invalid());
        }
        Ok(Self { seq: seq.parse().map_err(|_| invalid())?, epoch: epoch.map(str::parse).transpose()? })
    }
}

impl Serialize for Cursor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Reads the text form, and a position as a number.
impl<'de> Deserialize<'de> for Cursor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NumberOrText;

        impl Visitor<'_> for NumberOrText {
            type Value = Cursor;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a position in the log, or a cursor")
            }

            fn visit_u64<E: de::Error>(self, seq: u64) -> Result<Cursor, E> {
                Ok(seq.into())
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Cursor, E> {
                text.parse().map_err(E::custom)
            }
        }

        deserializer.deserialize_any(NumberOrText)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_has_one_spelling() {
        let time: DateTime<Utc> = "2026-01-01T00:00:00.000001Z".parse().unwrap();
        let cursor = Cursor::at(7, time);
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
        assert_eq!("12".parse(), Ok(Cursor::from(12)));
        assert_eq!(Cursor::at(0, time), Cursor::from(0));
        for bad in
            ["", "-", "7-", "-7", "+7", "7-g", "7-A", "7-0a", "7-+a", "7-a-b", " 7", "7.0", "99999999999999999999"]
        {
            assert!(bad.parse::<Cursor>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn cursors_of_two_histories_disagree() {
        let at = |micros| DateTime::from_timestamp_micros(micros).unwrap();
        assert!(Cursor::at(3, at(1)).agrees_with(Cursor::at(3, at(1))));
        assert!(Cursor::at(3, at(1)).agrees_with(Cursor::from(3)));
        assert!(!Cursor::at(3, at(1)).agrees_with(Cursor::at(3, at(2))));
        assert!(!Cursor::from(3).agrees_with(Cursor::from(4)));
    }
}
