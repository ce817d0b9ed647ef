//! What the server counted, beside what this program did.

use std::fmt;

use crate::Failure;

/// Messages and deliveries, by the server's metrics.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Counted {
    sends: f64,
    deliveries: f64,
}

impl Counted {
    /// What the server has counted since it started.
    pub(crate) async fn read(url: &str) -> Result<Self, Failure> {
        let text = reqwest::get(url).await?.error_for_status()?.text().await?;
        let sum = |metric: &str| {
            let values = text.lines().filter_map(|line| {
                let (series, value) = line.rsplit_once(' ')?;
                let is_of_metric = series.split('{').next() == Some(metric);
                is_of_metric.then(|| value.parse::<f64>().ok()).flatten()
            });
            values.reduce(|sum, value| sum + value).ok_or_else(|| format!("{url} tells nothing of {metric}"))
        };
        Ok(Self { sends: sum("chatcore_sends_total")?, deliveries: sum("chatcore_deliveries_total")? })
    }

    /// What was counted since.
    pub(crate) fn since(self, before: Self) -> Self {
        Self { sends: self.sends - before.sends, deliveries: self.deliveries - before.deliveries }
    }

    /// What this program caused: so many messages to so many subscribers.
    pub(crate) fn caused(messages: u64, subscribers: u32) -> Self {
        // Exact up to 2⁵³.
        let sends = messages as f64;
        Self { sends, deliveries: sends * f64::from(subscribers) }
    }
}

impl fmt::Display for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} messages sent and {} events delivered", self.sends, self.deliveries)
    }
}
