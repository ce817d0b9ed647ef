//! What is measured of tails, readers and deliveries.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::{
    chat::read::view::EventView,
    metrics::{Counter, DELIVERIES, DELIVERY_LAG, Gauge, Histogram, READERS, TAILS},
    model::{Event, Seq},
};

/// Handles, looked up once for each chat.
pub(in crate::chat) struct Measures {
    pub(in crate::chat) tails: Gauge,
    pub(in crate::chat) readers: Gauge,
    direct: Counter,
    task: Counter,
    page: Counter,
    lag: Histogram,
}

impl Measures {
    pub(in crate::chat) fn new() -> Self {
        let way = |way| DELIVERIES.with([way]);
        Self {
            tails: TAILS.handle(),
            readers: READERS.handle(),
            direct: way("direct"),
            task: way("task"),
            page: way("page"),
            lag: DELIVERY_LAG.handle(),
        }
    }

    /// Readers in step were handed events. One value stands for all of them: a histogram keeps each value until it is read.
    pub(in crate::chat) fn handed(&self, times: usize, events: &[Arc<EventView>], now: impl FnOnce() -> DateTime<Utc>) {
        if times == 0 {
            return;
        }
        self.direct.increment(times as u64);
        let now = now();
        for view in events {
            self.late(&view.event, now);
        }
    }

    /// A reader's task took an event. One up to the head of the log at which the reader began is history, and says nothing of a lag.
    pub(in crate::chat) fn taken(&self, event: &Event, began_at: Seq, now: impl FnOnce() -> DateTime<Utc>) {
        self.task.increment(1);
        if event.seq > began_at {
            self.late(event, now());
        }
    }

    pub(in crate::chat) fn paged(&self, events: usize) {
        self.page.increment(events as u64);
    }

    fn late(&self, event: &Event, now: DateTime<Utc>) {
        // The clock of another process may be ahead.
        let lag = (now - event.created_at).to_std().unwrap_or_default();
        self.lag.record(lag.as_secs_f64());
    }
}
