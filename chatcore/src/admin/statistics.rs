//! Statistics of the whole system.

use std::collections::BTreeMap;

use chrono::NaiveDate;

use super::Administration;
use crate::{chat::Counted, error::Result, identity::Principal, trace::use_case};

/// Number of days with statistics of their own.
const DAYS: u64 = 30;

/// Statistics of the whole system, counted since the system first had an administration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statistics {
    /// Users who were ever seen.
    pub users: u64,
    /// Sessions that are not deleted.
    pub sessions: u64,
    /// Messages that were ever sent.
    pub messages: u64,
    /// WebSockets and event streams that are open in this process.
    pub connections: u64,
    /// The last 30 days in UTC, the oldest first. Today is the last one.
    pub days: Vec<DayStatistics>,
}

/// Statistics of a day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DayStatistics {
    /// The day, in UTC.
    pub date: NaiveDate,
    /// Users who were seen for the first time.
    pub users: u64,
    /// Sessions that were made.
    pub sessions: u64,
    /// Messages that were sent.
    pub messages: u64,
}

fn count(counts: &BTreeMap<Counted, u64>, counted: Counted) -> u64 {
    counts.get(&counted).copied().unwrap_or_default()
}

impl Administration {
    /// Sets the function that counts the open connections, for the statistics. A frontend with an administration calls this function.
    pub fn count_connections(&self, open: impl Fn() -> usize + Send + Sync + 'static) {
        // Another frontend of the same server has done it.
        let _ = self.inner.connections.set(Box::new(open));
    }

    /// Writes the counts of this process since the last write; the chat writes the counts every 5 seconds. A host calls this function
    /// before its end. A killed process loses a few seconds of statistics, and no other data.
    ///
    /// # Errors
    /// [`Unavailable`](crate::Error::Unavailable) when the store is unavailable.
    pub async fn flush(&self) -> Result<()> {
        self.inner.chat.flush_counts().await
    }

    /// Statistics of the whole system. Counts of other processes in the last 5 seconds may be missing.
    ///
    /// # Errors
    /// [`AdminRequired`](crate::Error::AdminRequired).
    pub async fn statistics(&self, principal: &Principal) -> Result<Statistics> {
        use_case!("admin.statistics", async move {
            self.enter(principal).await?;
            self.flush().await?;
            let mut counts = self.inner.chat.counts(DAYS).await?.into_iter();
            let (_, totals) = counts.next().unwrap_or_default();
            let day = |(date, counts): (Option<NaiveDate>, BTreeMap<Counted, u64>)| {
                let (users, sessions) = (count(&counts, Counted::Users), count(&counts, Counted::Sessions));
                Some(DayStatistics { date: date?, users, sessions, messages: count(&counts, Counted::Messages) })
            };
            let mut days: Vec<DayStatistics> = counts.filter_map(day).collect();
            days.reverse();
            let deleted = count(&totals, Counted::SessionsDeleted);
            let open = self.inner.connections.get().map_or(0, |open| open());
            Ok(Statistics {
                users: count(&totals, Counted::Users),
                sessions: count(&totals, Counted::Sessions).saturating_sub(deleted),
                messages: count(&totals, Counted::Messages),
                connections: open as u64,
                days,
            })
        })
    }
}
