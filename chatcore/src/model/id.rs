//! Typed identifiers. Each prints as the string that travels on every transport and parses back from it.

use std::{fmt, str::FromStr, sync::Arc};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

use super::Seq;

/// A string that is not an identifier of the wanted kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a valid {kind}: {expected}")]
pub struct InvalidId {
    /// What was wanted, in words: `session id`.
    pub kind: &'static str,
    /// What a valid one looks like.
    pub expected: &'static str,
}

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident, $kind:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                let invalid = InvalidId { kind: $kind, expected: "a UUID in its hyphenated form, in small letters" };
                // Only the canonical form is an address: the parser knows braces, URNs and capitals, too, and two
                // spellings of one id would be two keys for a client's cache.
                if text.len() != 36 || text.bytes().any(|byte| byte.is_ascii_uppercase()) {
                    return Err(invalid);
                }
                Uuid::try_parse(text).map(Self).map_err(|_| invalid)
            }
        }
    };
}

uuid_id!(
    /// Names a session. A UUIDv7 (RFC 9562), so ids sort by creation.
    SessionId,
    "session id"
);
uuid_id!(
    /// Names one stay of a user in a session. A UUIDv7 made at the join, so participants sort by when they came.
    ParticipantId,
    "participant id"
);

/// Names a user: an opaque string of 1 to 128 characters without control characters, chosen by the host
/// (a token's `sub`, a row id, an e-mail address).
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UserId(Arc<str>);

/// A sender's own name for a message, which makes a retried send safe: 1 to 128 characters without control
/// characters, unique per user and session.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClientId(Arc<str>);

macro_rules! text_id {
    ($name:ident, $kind:literal) => {
        impl $name {
            /// The longest one, in characters.
            pub const MAX_CHARS: usize = 128;

            /// Checks the length and the characters.
            ///
            /// # Errors
            /// [`InvalidId`] when the text is empty, longer than [`Self::MAX_CHARS`] characters, or holds a
            /// control character.
            pub fn new(text: impl AsRef<str>) -> Result<Self, InvalidId> {
                let text = text.as_ref();
                let valid = !text.is_empty()
                    && text.chars().take(Self::MAX_CHARS + 1).count() <= Self::MAX_CHARS
                    && !text.chars().any(char::is_control);
                if valid {
                    Ok(Self(text.into()))
                } else {
                    Err(InvalidId { kind: $kind, expected: "1 to 128 characters, none of them a control character" })
                }
            }

            /// The text itself.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({:?})"), &*self.0)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                Self::new(text)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                Self::new(&text).map_err(serde::de::Error::custom)
            }
        }
    };
}

text_id!(UserId, "user id");
text_id!(ClientId, "client id");

/// Names a message: its address in the log, so finding one costs no index. Opaque to clients: 32 characters of
/// URL-safe base64.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MessageId {
    /// The session whose log holds the message.
    pub session_id: SessionId,
    /// The position in that log.
    pub seq: Seq,
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = [0_u8; 24];
        let (session, seq) = bytes.split_at_mut(16);
        session.copy_from_slice(self.session_id.0.as_bytes());
        seq.copy_from_slice(&self.seq.to_be_bytes());
        f.write_str(&URL_SAFE_NO_PAD.encode(bytes))
    }
}

impl fmt::Debug for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MessageId({}/{})", self.session_id.0, self.seq)
    }
}

impl FromStr for MessageId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let invalid = || InvalidId { kind: "message id", expected: "an id as the server gave it out" };
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| invalid())?;
        let (session, seq) = bytes.split_at_checked(16).ok_or_else(invalid)?;
        let session = Uuid::from_slice(session).map_err(|_| invalid())?;
        let seq = Seq::from_be_bytes(seq.try_into().map_err(|_| invalid())?);
        Ok(Self { session_id: SessionId(session), seq })
    }
}

impl Serialize for MessageId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for MessageId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_id_survives_the_wire() -> Result<(), InvalidId> {
        let id = MessageId { session_id: SessionId(Uuid::from_u128(7 << 90)), seq: 12_345_678_901 };
        assert_eq!(id.to_string().len(), 32);
        assert_eq!(id.to_string().parse::<MessageId>()?, id);
        for bad in ["", "x", "AAAA", &"A".repeat(31), &"A".repeat(33), &"=".repeat(32)] {
            assert!(bad.parse::<MessageId>().is_err(), "{bad:?}");
        }
        Ok(())
    }

    #[test]
    fn text_ids_are_bounded_in_characters_not_bytes() {
        assert!(UserId::new("ä".repeat(128)).is_ok());
        for bad in [String::new(), "ä".repeat(129), "a\nb".into(), "a\u{7f}".into()] {
            assert!(UserId::new(&bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn only_one_spelling_of_a_session_id_is_accepted() {
        let id = SessionId(Uuid::from_u128(42));
        assert_eq!(id.to_string().parse(), Ok(id));
        assert!(id.0.simple().to_string().parse::<SessionId>().is_err());
        let capital = SessionId(Uuid::from_u128(0xabc)).to_string().to_uppercase();
        assert!(capital.parse::<SessionId>().is_err());
        assert!("1".parse::<SessionId>().is_err());
    }
}
