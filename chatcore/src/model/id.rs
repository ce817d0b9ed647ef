//! Typed identifiers. Each identifier prints as the string of every transport, and parses from that string.

use std::{fmt, str::FromStr, sync::Arc};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::{Uuid, Version};

use super::{Seq, visible::is_visible};

/// A string that is not an identifier of the wanted kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a valid {kind}: {expected}")]
pub struct InvalidId {
    /// The expected kind of identifier, for example `session id`.
    pub kind: &'static str,
    /// The form of a valid identifier.
    pub expected: &'static str,
}

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident, $kind:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
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
                // Only the canonical form is an address. The parser also reads braces, URNs and capitals, and two
                // spellings of one id would be two keys for a client's cache.
                let id = Uuid::try_parse(text).map_err(|_| invalid.clone())?;
                let mut canonical = Uuid::encode_buffer();
                if id.hyphenated().encode_lower(&mut canonical) == text { Ok(Self(id)) } else { Err(invalid) }
            }
        }

        /// Text has the same one form as for [`FromStr`]. Formats that people do not read have the 16 bytes.
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                if deserializer.is_human_readable() {
                    String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
                } else {
                    Uuid::deserialize(deserializer).map(Self)
                }
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
    /// Names one stay of a user in a session. A UUIDv7 made at the join, so participants sort by the time of the join.
    ParticipantId,
    "participant id"
);

uuid_id!(
    /// Names an invite. A UUIDv7 (RFC 9562), so invites sort by creation. The id alone does not let a user join: a join needs the code.
    InviteId,
    "invite id"
);

uuid_id!(
    /// Names a webhook. A UUIDv7 (RFC 9562), so webhooks sort by creation.
    WebhookId,
    "webhook id"
);

uuid_id!(
    /// Names one login of a user: all tokens that descend from one authentication have it. A UUIDv7 (RFC 9562) made at the
    /// login, so an id says when the login began. OpenID Connect names it in the claim `sid` (OpenID Connect Front-Channel
    /// Logout 1.0, section 3).
    LoginId,
    "login id"
);

uuid_id!(
    /// Names an entry of the audit log. A UUIDv7 (RFC 9562), so ids sort by time.
    AuditId,
    "audit entry id"
);

uuid_id!(
    /// Names a notice to all users. A UUIDv7 (RFC 9562).
    NoticeId,
    "notice id"
);

uuid_id!(
    /// Names a scheduled message. A UUIDv7 (RFC 9562).
    ScheduledId,
    "id of a scheduled message"
);

uuid_id!(
    /// Names a held message. A UUIDv7 (RFC 9562), so ids sort by time.
    HeldId,
    "id of a held message"
);

uuid_id!(
    /// Names a report of a message or a user. A UUIDv7 (RFC 9562), so ids sort by time.
    ReportId,
    "report id"
);

uuid_id!(
    /// Names an entry of a session's moderation log. A UUIDv7 (RFC 9562), so ids sort by time.
    ModerationId,
    "moderation entry id"
);

impl LoginId {
    /// When the login began, in milliseconds; `None` for an id that is no UUIDv7, as other issuers may choose.
    #[must_use]
    pub fn began_at(self) -> Option<DateTime<Utc>> {
        if self.0.get_version() != Some(Version::SortRand) {
            return None;
        }
        let (seconds, nanos) = self.0.get_timestamp()?.to_unix();
        DateTime::from_timestamp(i64::try_from(seconds).ok()?, nanos)
    }
}

/// Names a user: an opaque string of 1 to 128 characters, chosen by the host (a token's `sub`, a row id, an e-mail
/// address).
///
/// A user id is a segment of paths, so [`new`](Self::new) refuses ids that are unsafe in a path: `.` and `..`, ids with `/` or `\`, the
/// percent-encoded forms of these, and ids with white space at an end. A URL library, a browser or a proxy turns `DELETE …/participants/..`
/// into a request for another resource. An id is also the name of a user without another name, so an id needs a visible character. Control
/// characters are refused, too, and the ids of the [authors](WebhookId::author) of incoming webhooks, which no user has.
///
/// [`from_stored`](Self::from_stored) reads ids that earlier versions accepted.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UserId(Arc<str>);

/// A sender's idempotency key for a message: 1 to 128 characters without control characters, unique per user and session.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClientId(Arc<str>);

/// What stands before the id of a webhook in the id of its author.
const WEBHOOK_AUTHOR: &str = "webhook:";

/// Why a text is no id, as the words that say what a valid one looks like.
type Refusal = &'static str;

/// What every id that is text keeps to.
fn bounded(text: &str, max_chars: usize) -> Result<(), Refusal> {
    let fits = !text.is_empty() && text.chars().take(max_chars + 1).count() <= max_chars;
    if fits && !text.chars().any(char::is_control) {
        Ok(())
    } else {
        Err("1 to 128 characters, none of them a control character")
    }
}

/// What an id keeps to that stands in paths and is shown as a name.
fn path_safe(text: &str) -> Result<(), Refusal> {
    // The URL Standard reads `%2e` in a path as a dot, and some proxies decode a path once more than they should.
    let decoded = text.to_ascii_lowercase().replace("%2e", ".").replace("%2f", "/").replace("%5c", "\\");
    if matches!(decoded.as_str(), "." | "..") {
        return Err("an id other than `.` and `..`, which the path of a URL cannot carry");
    }
    if decoded.contains(['/', '\\']) {
        return Err("no `/` and no `\\`, which the path of a URL cannot carry within a segment");
    }
    // URL parsers cut white space off the ends of their input.
    if text.starts_with(char::is_whitespace) || text.ends_with(char::is_whitespace) {
        return Err("no white space at the ends");
    }
    if !is_visible(text) {
        return Err("at least 1 character that can be seen");
    }
    if webhook_of(text).is_some() {
        return Err("an id that is not the author of a webhook");
    }
    Ok(())
}

/// The webhook whose author has this id.
fn webhook_of(author: &str) -> Option<WebhookId> {
    author.strip_prefix(WEBHOOK_AUTHOR)?.parse().ok()
}

macro_rules! text_id {
    ($name:ident, $kind:literal, $check:expr) => {
        impl $name {
            /// The maximum length in characters.
            pub const MAX_CHARS: usize = 128;

            /// Checks a text that comes from outside.
            ///
            /// # Errors
            /// [`InvalidId`] when the text is empty, longer than [`Self::MAX_CHARS`] characters, holds a control
            /// character, or breaks another rule of this type. Its `expected` names the rule.
            pub fn new(text: impl AsRef<str>) -> Result<Self, InvalidId> {
                let text = text.as_ref();
                let check: fn(&str) -> Result<(), Refusal> = $check;
                match bounded(text, Self::MAX_CHARS).and_then(|()| check(text)) {
                    Ok(()) => Ok(Self(text.into())),
                    Err(expected) => Err(InvalidId { kind: $kind, expected }),
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

text_id!(UserId, "user id", path_safe);
text_id!(ClientId, "client id", |_| Ok(()));

impl WebhookId {
    /// The user id of the author of the webhook's messages: `webhook:` and the webhook's id. No user has this id, since [`UserId::new`]
    /// refuses the id.
    #[must_use]
    pub fn author(self) -> UserId {
        UserId(format!("{WEBHOOK_AUTHOR}{self}").into())
    }
}

impl UserId {
    /// The incoming webhook whose [author](WebhookId::author) has this id; `None` for the id of a user.
    #[must_use]
    pub fn webhook(&self) -> Option<WebhookId> {
        webhook_of(&self.0)
    }

    /// Reads an id from a store or a notifier. Earlier versions accepted ids that [`new`](Self::new) refuses, and the sessions of their
    /// users stay readable. An id from a client or a host goes through [`new`](Self::new).
    ///
    /// # Errors
    /// [`InvalidId`] when no version accepted the text: it is empty, longer than [`Self::MAX_CHARS`] characters, or holds
    /// a control character.
    pub fn from_stored(text: impl AsRef<str>) -> Result<Self, InvalidId> {
        let text = text.as_ref();
        match bounded(text, Self::MAX_CHARS) {
            Ok(()) => Ok(Self(text.into())),
            Err(expected) => Err(InvalidId { kind: "user id", expected }),
        }
    }

    /// [`from_stored`](Self::from_stored) for a field of a stored type: `#[serde(deserialize_with = "…")]`.
    ///
    /// # Errors
    /// The format's own when there is no such text.
    pub fn deserialize_stored<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::from_stored(String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

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
        let id = Self { session_id: SessionId(session), seq };
        // One spelling for one id, whatever else the decoder may read.
        if id.to_string() == text { Ok(id) } else { Err(invalid()) }
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
            assert!(UserId::new(&bad).is_err() && UserId::from_stored(&bad).is_err(), "{bad:?}");
            assert!(ClientId::new(&bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_user_id_that_a_path_cannot_carry_is_refused_and_still_read_from_a_store() {
        let dots = [".", "..", "%2e", "%2E%2e", ".%2e", "%2e."];
        let slashes = ["/", "a/b", "../x", "\\", "..\\", "a%2Fb", "a%2fb", "%5c", "%5C.."];
        let spaces = [" a", "a ", " ", "\u{a0}a", "a\u{3000}"];
        let unseen = ["\u{200b}", "\u{3164}\u{2800}", "\u{ad}"];
        let bad = [(&dots[..], "`..`"), (&slashes, "`/`"), (&spaces, "white space"), (&unseen, "can be seen")];
        for (texts, reason) in bad {
            for text in texts {
                let error = UserId::new(text).expect_err(text).to_string();
                assert!(error.starts_with("not a valid user id: ") && error.contains(reason), "{text:?}: {error}");
                assert!(text.parse::<UserId>().is_err(), "{text:?}");
                let json = serde_json::to_string(text).expect("JSON");
                assert!(serde_json::from_str::<UserId>(&json).is_err(), "{text:?}");

                let stored = UserId::from_stored(text).expect("an id of old");
                assert_eq!(stored.as_str(), *text);
                // It never stands in a path.
                assert!(ClientId::new(text).is_ok());
            }
        }
        let good = [
            "...",
            "a.",
            ".a",
            "a..b",
            "..a",
            "%",
            "50%",
            "%2",
            "%20",
            "a b",
            "auth0|1",
            "a@b.c",
            "a:b",
            "~",
            "a\u{200b}",
            "ü",
        ];
        for text in good {
            assert!(UserId::new(text).is_ok(), "{text:?}");
        }
    }

    #[test]
    fn only_one_spelling_of_an_id_is_accepted_however_it_is_read() {
        fn check<T>(text: &str, others: &[String])
        where
            T: FromStr + fmt::Display + serde::de::DeserializeOwned + PartialEq + fmt::Debug,
        {
            let id = text.parse::<T>().ok().expect("an id");
            assert_eq!(id.to_string(), text);
            let read = |text: &str| serde_json::from_value::<T>(serde_json::Value::from(text));
            assert_eq!(read(text).expect("an id"), id);
            let around =
                [format!(" {text}"), format!("{text} "), format!("{text}\n"), format!("{text}="), String::new()];
            for other in around.iter().chain(others) {
                assert!(other.parse::<T>().is_err(), "{other:?}");
                assert!(read(other).is_err(), "{other:?}");
            }
            for other in [serde_json::json!(1), serde_json::json!(null), serde_json::json!([1]), serde_json::json!({})]
            {
                assert!(serde_json::from_value::<T>(other).is_err());
            }
        }
        let uuid = "018f2f5e-7c1a-7abc-8def-0123456789ab";
        let others =
            [format!("{{{uuid}}}"), format!("urn:uuid:{uuid}"), uuid.replace('-', ""), uuid.to_uppercase(), "1".into()];
        check::<SessionId>(uuid, &others);
        check::<ParticipantId>(uuid, &others);
        let message = MessageId { session_id: SessionId(Uuid::from_u128(u128::MAX)), seq: 7 }.to_string();
        let others =
            [message.replace('_', "/"), message.replace('_', "+"), message[..31].into(), format!("{message}A")];
        check::<MessageId>(&message, &others);
    }
}
