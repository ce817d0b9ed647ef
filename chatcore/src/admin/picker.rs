//! Pages of a table whose records are chosen by a filter.

use crate::{
    model::ListPage,
    store::{Found, Scan, TypedKey},
};

/// Records that are read at once.
const CHUNK: u64 = 200;

/// Records that one page looks at. A filter that few records pass gives a short page rather than a slow one.
const EXAMINED: usize = 2_000;

/// Chooses the records of a page.
pub(super) struct Picker<K, T> {
    limit: usize,
    entries: Vec<T>,
    /// The last record that was looked at.
    after: Option<K>,
    examined: usize,
    has_ended: bool,
}

impl<K: TypedKey, T> Picker<K, T> {
    pub(super) fn new(after: Option<K>, limit: u64) -> Self {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        Self { limit, entries: Vec::new(), after, examined: 0, has_ended: false }
    }

    /// What to read next; `None` where the page is complete.
    pub(super) fn scan(&self) -> Option<Scan> {
        let is_complete = self.has_ended || self.entries.len() >= self.limit || self.examined >= EXAMINED;
        let after = self.after.as_ref().map(TypedKey::parts);
        (!is_complete).then(|| K::under(Vec::new()).after(after).limit(CHUNK))
    }

    /// Notes that the table has nothing more.
    pub(super) fn note(&mut self, found: &[(K, Found<K::Value>)]) {
        self.has_ended = found.is_empty();
    }

    /// Takes records in, each with what the page shows of it; `None` for one that the filter leaves out.
    pub(super) fn take(&mut self, shown: impl IntoIterator<Item = (K, Option<T>)>) {
        for (key, entry) in shown {
            if self.entries.len() >= self.limit {
                return;
            }
            self.after = Some(key);
            self.examined += 1;
            self.entries.extend(entry);
        }
    }

    /// The page. Where the table may go on, it names the record after which the next page begins.
    pub(super) fn page<I>(self, id: impl Fn(K) -> I) -> ListPage<T, I> {
        let next = self.after.filter(|_| !self.has_ended).map(id);
        ListPage { entries: self.entries, next }
    }
}
