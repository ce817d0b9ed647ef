//! What can be measured of a chat, recorded through the [`metrics`](https://docs.rs/metrics) crate. The names, their labels and their meanings stand in one
//! declaration, [`ALL`].
//!
//! A host brings a recorder, and installs it before it makes the [`Chat`](crate::Chat), its store and its frontends: each of them looks its
//! handles up once. Without a recorder, nothing is recorded.
//!
//! No label holds what a client chooses. The values of each label are of a set that is known when the host starts.

mod declared;
mod requests;

pub use ::metrics::{Counter, Gauge, Histogram};
pub use declared::*;
pub use requests::Requests;

/// Raises a gauge for as long as it lives.
#[derive(Debug)]
pub struct Raised {
    gauge: Gauge,
    by: f64,
}

impl Raised {
    /// Raises the gauge by one.
    #[must_use]
    pub fn by_one(gauge: &Gauge) -> Self {
        Self::by(gauge, 1)
    }

    /// Raises the gauge.
    #[must_use]
    pub fn by(gauge: &Gauge, by: usize) -> Self {
        // Exact up to 2⁵³.
        let (gauge, by) = (gauge.clone(), by as f64);
        gauge.increment(by);
        Self { gauge, by }
    }
}

impl Drop for Raised {
    fn drop(&mut self) {
        self.gauge.decrement(self.by);
    }
}
