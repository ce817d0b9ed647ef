//! Reading the exposition format.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use crate::kit::{PATIENCE, Server};

/// What a scrape found: the value of each series.
#[derive(Debug, Clone)]
pub(crate) struct Scraped {
    pub(crate) text: String,
    /// By name and labels, as they are written, with the labels sorted.
    pub(crate) series: BTreeMap<String, f64>,
}

/// A series with its labels in order.
fn sorted(series: &str) -> String {
    let Some((name, labels)) = series.strip_suffix('}').and_then(|series| series.split_once('{')) else {
        return series.to_owned();
    };
    let mut labels: Vec<&str> = labels.split("\",").map(|label| label.trim_end_matches('"')).collect();
    labels.sort_unstable();
    format!("{name}{{{}}}", labels.iter().map(|label| format!("{label}\"")).collect::<Vec<_>>().join(","))
}

impl Scraped {
    pub(crate) fn read(text: &str) -> Self {
        let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        let sample = |line: &str| {
            let (series, value) = line.rsplit_once(' ').unwrap();
            (sorted(series), value.parse().unwrap())
        };
        Self { text: text.to_owned(), series: lines.map(sample).collect() }
    }

    /// The names of all series.
    pub(crate) fn names(&self) -> BTreeSet<&str> {
        self.series.keys().map(String::as_str).collect()
    }

    #[track_caller]
    pub(crate) fn value(&self, series: &str) -> f64 {
        *self.series.get(series).unwrap_or_else(|| panic!("no {series}"))
    }

    /// The sum of all series of a metric.
    pub(crate) fn sum(&self, metric: &str) -> f64 {
        let of_metric = |series: &&String| series.split('{').next() == Some(metric);
        self.series.iter().filter(|(series, _)| of_metric(series)).map(|(_, value)| value).sum()
    }
}

/// Scrapes a server.
pub(crate) struct Scraper {
    address: String,
    http: reqwest::Client,
}

impl Scraper {
    /// The listener that a server says it has.
    pub(crate) fn of(server: &Server) -> Self {
        let until = Instant::now() + PATIENCE;
        let said = || {
            let log = server.log();
            let line = log.lines().find(|line| line.contains("metrics for everybody"))?;
            Some(line.split("address=").nth(1)?.trim().to_owned())
        };
        loop {
            if let Some(address) = said() {
                return Self { address, http: reqwest::Client::builder().no_proxy().build().unwrap() };
            }
            assert!(Instant::now() < until, "no listener: {}", server.log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// What the server tells, as it is at some moment after the call. None where the server does not answer.
    pub(crate) async fn scrape(&self) -> Option<Scraped> {
        // An answer holds for half a second.
        tokio::time::sleep(Duration::from_millis(510)).await;
        let response = self.http.get(format!("http://{}/metrics", self.address)).send().await.ok()?;
        assert_eq!(response.status(), 200);
        Some(Scraped::read(&response.text().await.ok()?))
    }

    /// Scrapes until this holds.
    pub(crate) async fn until(&self, what: &str, holds: impl Fn(&Scraped) -> bool) -> Scraped {
        let until = Instant::now() + PATIENCE;
        loop {
            let scraped = self.scrape().await.unwrap();
            if holds(&scraped) {
                return scraped;
            }
            assert!(Instant::now() < until, "never: {what}\n{}", scraped.text);
        }
    }
}
