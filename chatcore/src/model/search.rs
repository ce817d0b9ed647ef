//! Searches: words in texts, and places in a sorted list.

use std::{cmp::Reverse, fmt, str::FromStr};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use icu_casemap::CaseMapper;
use icu_normalizer::ComposingNormalizer;

use super::{InvalidId, SessionId};

/// A text in the form in which texts that are written alike are equal: NFKC of its case folding (Unicode Standard, section 3.13).
pub(crate) fn fold(text: &str) -> String {
    let (nfkc, case) = (ComposingNormalizer::new_nfkc(), CaseMapper::new());
    let folded = case.fold_string(&nfkc.normalize(text)).into_owned();
    nfkc.normalize(&folded).into_owned()
}

/// The words that a search looks for. Every text has no word at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Words(Vec<String>);

impl Words {
    /// The words of a text, which white space parts.
    pub(crate) fn of(text: &str) -> Self {
        Self(fold(text).split_whitespace().map(str::to_owned).collect())
    }

    /// Whether each word is a part of one of the texts.
    pub(crate) fn are_in<'a>(&self, texts: impl IntoIterator<Item = &'a str>) -> bool {
        let texts: Vec<String> = texts.into_iter().map(fold).collect();
        self.0.iter().all(|word| texts.iter().any(|text| text.contains(word)))
    }
}

/// Characters of a folded title by which a list is sorted.
const SORTED_CHARS: usize = 64;

/// A place in the public list, for one order of the list. Opaque to clients.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum PublicCursor {
    /// A session in the order of creation, the newest session first.
    Newest(SessionId),
    /// A session in the alphabetical order of the titles.
    Title {
        /// The folded title, of which the first 64 characters count.
        title: String,
        /// The session.
        session: SessionId,
    },
    /// A session in the order of participants, the session with the most participants first.
    Participants {
        /// The number of participants of the session.
        number: u32,
        /// The session.
        session: SessionId,
    },
    /// A session in the order of activity, the session with the latest event first.
    Activity {
        /// The time of the last event of the session, in microseconds since the Unix epoch.
        at: u64,
        /// The session.
        session: SessionId,
    },
}

impl PublicCursor {
    /// The place of a session with this title.
    pub(crate) fn titled(title: &str, session: SessionId) -> Self {
        Self::Title { title: fold(title).chars().take(SORTED_CHARS).collect(), session }
    }

    /// The session.
    #[must_use]
    pub const fn session(&self) -> SessionId {
        match self {
            Self::Newest(session)
            | Self::Title { session, .. }
            | Self::Participants { session, .. }
            | Self::Activity { session, .. } => *session,
        }
    }

    /// By what places of one order are compared. Where that is the same, the newest session is the first one.
    pub(crate) fn rank(&self) -> (&str, Reverse<u64>, Reverse<SessionId>) {
        match self {
            Self::Newest(session) => ("", Reverse(0), Reverse(*session)),
            Self::Title { title, session } => (title, Reverse(0), Reverse(*session)),
            Self::Participants { number, session } => ("", Reverse(u64::from(*number)), Reverse(*session)),
            Self::Activity { at, session } => ("", Reverse(*at), Reverse(*session)),
        }
    }
}

impl fmt::Display for PublicCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Newest(session) => write!(f, "{session}"),
            Self::Title { title, session } => write!(f, "t.{}.{session}", URL_SAFE_NO_PAD.encode(title)),
            Self::Participants { number, session } => write!(f, "p.{number}.{session}"),
            Self::Activity { at, session } => write!(f, "a.{at}.{session}"),
        }
    }
}

impl FromStr for PublicCursor {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let invalid = || InvalidId {
            kind: "place in the public list",
            expected: "the id of a session, or a place as the server gave it out",
        };
        let mut parts = text.splitn(3, '.');
        let cursor = match (parts.next(), parts.next(), parts.next()) {
            (Some(session), None, None) => Self::Newest(session.parse().map_err(|_| invalid())?),
            (Some("t"), Some(title), Some(session)) => {
                let title = URL_SAFE_NO_PAD.decode(title).ok().and_then(|title| String::from_utf8(title).ok());
                Self::Title { title: title.ok_or_else(invalid)?, session: session.parse().map_err(|_| invalid())? }
            }
            (Some("p"), Some(number), Some(session)) => Self::Participants {
                number: number.parse().map_err(|_| invalid())?,
                session: session.parse().map_err(|_| invalid())?,
            },
            (Some("a"), Some(at), Some(session)) => Self::Activity {
                at: at.parse().map_err(|_| invalid())?,
                session: session.parse().map_err(|_| invalid())?,
            },
            _ => return Err(invalid()),
        };
        // One spelling for one place.
        if cursor.to_string() == text { Ok(cursor) } else { Err(invalid()) }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn words_are_found_whatever_their_case_and_form() {
        for (search, texts, is_found) in [
            ("rust", &["Learning RUST"][..], true),
            ("RUST learn", &["learning rust"], true),
            ("rust chess", &["Rust", "also chess"], true),
            ("rust chess", &["Rust"], false),
            ("strasse", &["Stra\u{df}e"], true),
            ("\u{fb01}n", &["FINE"], true),
            ("e\u{301}te\u{301}", &["\u{c9}T\u{c9}"], true),
            ("\u{4e2d}", &["\u{6211}\u{4e2d}\u{6587}"], true),
            ("%", &["a"], false),
            ("*", &["a"], false),
            ("c++", &["About C++"], true),
            ("i", &["\u{130}"], true),
            ("a  \n b", &["xaybz"], true),
        ] {
            assert_eq!(Words::of(search).are_in(texts.iter().copied()), is_found, "{search:?} in {texts:?}");
        }
    }

    #[test]
    fn a_place_has_one_spelling() {
        let session = SessionId(Uuid::from_u128(7));
        let places = [
            PublicCursor::Newest(session),
            PublicCursor::titled("Stra\u{df}e \u{1f389}", session),
            PublicCursor::titled("", session),
            PublicCursor::titled(&"\u{fdfa}".repeat(100), session),
            PublicCursor::Participants { number: 12, session },
            PublicCursor::Activity { at: 1_767_225_600_000_000, session },
        ];
        for place in places {
            assert_eq!(place.to_string().parse(), Ok(place));
        }
        for text in [
            "",
            "7",
            "p..",
            "p.+1.00000000-0000-0000-0000-000000000007",
            "a.01.00000000-0000-0000-0000-000000000007",
            "t.YQ==.x",
            "x.1.2",
            "\u{e4}.",
            "p.1",
        ] {
            assert!(text.parse::<PublicCursor>().is_err(), "{text}");
        }
    }
}
