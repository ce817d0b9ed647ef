//! What was measured, as text.

use std::{
    fmt::{self, Write as _},
    time::Duration,
};

use crate::subscriber::Transport;

/// What a turn came to, or several.
#[derive(Debug, Clone, Default)]
pub(crate) struct Figures {
    /// Messages that should have been received, by all subscribers together.
    pub(crate) expected: u64,
    /// Of each that was, in microseconds.
    pub(crate) latencies: Vec<u32>,
    pub(crate) doubled: u64,
    /// The texts in which they came.
    pub(crate) bytes: u64,
    pub(crate) took: Duration,
    /// The processor time of the server, where it is known.
    pub(crate) server: Option<Duration>,
    /// The processor time of this program.
    pub(crate) client: Option<Duration>,
}

impl Figures {
    pub(crate) fn sum<'f>(parts: impl Iterator<Item = &'f Self>) -> Self {
        let both = |a: Option<Duration>, b: Option<Duration>| Some(a? + b?);
        let none = Self { server: Some(Duration::ZERO), client: Some(Duration::ZERO), ..Self::default() };
        parts.fold(none, |mut sum, part| {
            sum.expected += part.expected;
            sum.latencies.extend(&part.latencies);
            sum.doubled += part.doubled;
            sum.bytes += part.bytes;
            sum.took += part.took;
            sum.server = both(sum.server, part.server);
            sum.client = both(sum.client, part.client);
            sum
        })
    }

    fn got(&self) -> u64 {
        self.latencies.len() as u64
    }

    pub(crate) fn missing(&self) -> u64 {
        self.expected.saturating_sub(self.got())
    }

    /// p50, p99 and the longest, in milliseconds.
    fn latency(&self) -> [f64; 3] {
        let mut sorted = self.latencies.clone();
        sorted.sort_unstable();
        let last = sorted.len().saturating_sub(1);
        let at = |percent: usize| sorted.get(last * percent / 100).map_or(f64::NAN, |micros| f64::from(*micros) / 1e3);
        [at(50), at(99), at(100)]
    }

    /// Microseconds of processor time for each delivery.
    fn each(&self, used: Option<Duration>) -> f64 {
        used.map_or(f64::NAN, |used| used.as_secs_f64() * 1e6 / self.got() as f64)
    }

    /// How much of one processor was used.
    fn share(&self, used: Option<Duration>) -> f64 {
        used.map_or(f64::NAN, |used| used.as_secs_f64() * 100.0 / self.took.as_secs_f64())
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [p50, p99, longest] = self.latency();
        let (missing, doubled, each) = (self.missing(), self.doubled, self.each(self.server));
        write!(f, "missing {missing}, doubled {doubled}, p50 {p50:.1} ms, p99 {p99:.1} ms, ")?;
        write!(f, "longest {longest:.1} ms, {each:.1} us of the server for each delivery")
    }
}

/// A line for each transport, and for each but the first how many times it is the first.
pub(crate) fn table(sums: &[(Transport, Figures)]) -> String {
    let mut text = String::new();
    let mut line = |fields: [String; 13]| {
        let [name, rest @ ..] = fields;
        let _ = write!(text, "\n{name:<10}");
        for field in rest {
            let _ = write!(text, " {field:>9}");
        }
    };
    line(
        [
            "transport",
            "expected",
            "got",
            "missing",
            "doubled",
            "bytes",
            "p50 ms",
            "p99 ms",
            "max ms",
            "server us",
            "client us",
            "server %",
            "client %",
        ]
        .map(str::to_owned),
    );
    for (transport, figures) in sums {
        let [p50, p99, longest] = figures.latency();
        line([
            transport.to_string(),
            figures.expected.to_string(),
            figures.got().to_string(),
            figures.missing().to_string(),
            figures.doubled.to_string(),
            format!("{:.0}", figures.bytes as f64 / figures.got() as f64),
            format!("{p50:.1}"),
            format!("{p99:.1}"),
            format!("{longest:.1}"),
            format!("{:.1}", figures.each(figures.server)),
            format!("{:.1}", figures.each(figures.client)),
            format!("{:.0}", figures.share(figures.server)),
            format!("{:.0}", figures.share(figures.client)),
        ]);
    }
    text.push_str("\n(us: processor time for each delivery; %: of one processor)");
    if let [(first, base), others @ ..] = sums {
        let [p50, p99, _] = base.latency();
        for (transport, figures) in others {
            let [own_p50, own_p99, _] = figures.latency();
            let cost = figures.each(figures.server) / base.each(base.server);
            let (p50, p99) = (own_p50 / p50, own_p99 / p99);
            let _ = write!(
                text,
                "\n{transport} : {first} = {cost:.2} in the server's time, {p50:.2} in p50, {p99:.2} in p99"
            );
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_what_was_received() {
        let figures =
            Figures { expected: 101, latencies: (0..=100).map(|n| n * 1_000).collect(), ..Figures::default() };
        assert_eq!(figures.latency(), [50.0, 99.0, 100.0]);
        assert_eq!(figures.missing(), 0);
        let both = Figures::sum([&figures, &Figures { expected: 5, ..Figures::default() }].into_iter());
        assert_eq!(both.missing(), 5);
    }
}
