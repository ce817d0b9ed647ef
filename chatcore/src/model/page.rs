//! Pages: the requested part of a list, and the result.

use std::{ops::Deref, str::FromStr};

use chrono::{DateTime, Utc};

use super::{Cursor, InvalidId, Message, Seq, parse_time};

/// A part of a list whose entries have ids of the type `K`.
///
/// A page after an entry stays correct while the list changes: a walk that begins each page after the last entry of the previous page
/// ([`ListPage::next`]) shows each permanent entry exactly once. A number of entries to skip leads to another place after an insertion or a
/// removal before that place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Page<K> {
    /// The id of the entry after which the page begins; `None` for the start of the list. The entry itself may no longer exist: the place
    /// in the order of the list remains.
    pub after: Option<K>,
    /// The number of entries to skip at the start of the list; 0 where `after` is given.
    pub skip: u64,
    /// The maximum number of entries; `None` for the default. The bounds are in [`crate::Limits`].
    pub limit: Option<u64>,
}

impl<K> Page<K> {
    /// The first page of the default size.
    pub const FIRST: Self = Self { after: None, skip: 0, limit: None };

    /// The page of the default size after the entry with this id.
    pub const fn after(id: K) -> Self {
        Self { after: Some(id), skip: 0, limit: None }
    }
}

/// A page of a list, with the place where the list continues. A page dereferences to the slice of its entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListPage<T, K> {
    /// The entries, in the order of the list.
    pub entries: Vec<T>,
    /// The id of the last entry, for [`Page::after`]; `None` for the last page.
    pub next: Option<K>,
}

impl<T, K> ListPage<T, K> {
    /// A page of at most `limit` entries, out of what was found when one entry more was asked for: that entry shows that
    /// there is a next page, and is not part of this one.
    pub(crate) fn cut(mut found: Vec<T>, limit: u64, id: impl Fn(&T) -> K) -> Self {
        let has_next = found.len() as u64 > limit;
        found.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        let next = found.last().filter(|_| has_next).map(id);
        Self { entries: found, next }
    }

    /// The same page of what `show` makes of all of the entries.
    pub(crate) fn map<U>(self, show: impl FnOnce(Vec<T>) -> Vec<U>) -> ListPage<U, K> {
        ListPage { entries: show(self.entries), next: self.next }
    }
}

impl<T, K> Deref for ListPage<T, K> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.entries
    }
}

impl<T, K> IntoIterator for ListPage<T, K> {
    type Item = T;
    type IntoIter = std::vec::IntoIter<T>;

    fn into_iter(self) -> Self::IntoIter {
        self.entries.into_iter()
    }
}

/// A place in a log: a position, or a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Bound {
    /// A position.
    Seq(Seq),
    /// A position with the epoch of its event: the server detects another history of the log.
    Cursor(Cursor),
    /// A time. An event at exactly that time is neither before nor after the time.
    Time(DateTime<Utc>),
}

/// From a number, which is a position, from a cursor, or from an RFC 3339 time.
///
/// In the query of a URL a plus sign stands for a space, so a client that writes the offset `+02:00` as it is sends a space in its place.
/// That space has no other meaning, so the parser reads the space as the plus sign.
impl FromStr for Bound {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        if let Ok(cursor) = text.parse::<Cursor>() {
            return Ok(if cursor.epoch.is_some() { Self::Cursor(cursor) } else { Self::Seq(cursor.seq) });
        }
        let offset = |start: usize| Some(format!("{}+{}", text.get(..start)?, text.get(start..)?.strip_prefix(' ')?));
        let repaired = text.len().checked_sub("+hh:mm".len()).and_then(offset);
        parse_time(repaired.as_deref().unwrap_or(text)).map(Self::Time).map_err(|_| InvalidId {
            kind: "place in a log",
            expected: "a position, a cursor, or an RFC 3339 time like 2026-01-01T00:00:00Z; in a URL write the plus sign of an \
                offset as %2B",
        })
    }
}

/// The requested messages. The messages of a page ascend for every kind of window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MessageWindow {
    /// The oldest messages, after this number of messages.
    Skip(u64),
    /// The newest messages.
    Newest,
    /// The last messages before a place.
    Before(Bound),
    /// The first messages after a place.
    After(Bound),
}

impl MessageWindow {
    /// The same window with a position alone, and the cursor that it named.
    pub(crate) fn parted(self) -> (Self, Option<Cursor>) {
        match self {
            Self::Before(Bound::Cursor(cursor)) => (Self::Before(Bound::Seq(cursor.seq)), Some(cursor)),
            Self::After(Bound::Cursor(cursor)) => (Self::After(Bound::Seq(cursor.seq)), Some(cursor)),
            Self::Before(_) | Self::After(_) | Self::Skip(_) | Self::Newest => (self, None),
        }
    }

    /// Whether it begins or ends at a position that no client can know of a log with this head.
    pub(crate) const fn is_beyond(self, head: Seq) -> bool {
        match self {
            Self::After(Bound::Seq(seq) | Bound::Cursor(Cursor { seq, .. }))
            | Self::Before(Bound::Cursor(Cursor { seq, .. })) => seq > head,
            // The position after the head is the one before which everything stands.
            Self::Before(Bound::Seq(seq)) => seq > head.saturating_add(1),
            Self::After(Bound::Time(_)) | Self::Before(Bound::Time(_)) | Self::Skip(_) | Self::Newest => false,
        }
    }
}

/// A page of messages with its cursors.
#[derive(Debug, Clone, PartialEq)]
pub struct MessagePage {
    /// The messages, oldest first.
    pub messages: Vec<Message>,
    /// The cursor before which to ask for older messages; `None` without older messages.
    pub previous: Option<Cursor>,
    /// The cursor after which to ask for newer messages; `None` without newer messages.
    pub next: Option<Cursor>,
    /// The number of messages of the session that the caller sees.
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
            ("7-5e0be100", "7-5e0be100".parse().ok().map(Bound::Cursor)),
            ("7-5E0BE100", None),
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
