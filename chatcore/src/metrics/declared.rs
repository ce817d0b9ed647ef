//! The metrics: what each is called, and what it means. Descriptions, `docs/metrics.md` and tests come from here.

use std::marker::PhantomData;

use ::metrics::{
    Counter, Gauge, Histogram, Key, Level, Metadata, SharedString, Unit, describe_counter, describe_gauge,
    describe_histogram, with_recorder,
};

/// Where a metric comes from, for recorders that filter.
const METADATA: Metadata<'_> = Metadata::new("chatcore", Level::INFO, None);

/// What a metric counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A number that only grows.
    Counter,
    /// A number that goes up and down.
    Gauge,
    /// Numbers, by the buckets that they fall into.
    Histogram,
}

impl Kind {
    /// The name in the Prometheus exposition format.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// A metric as it is declared.
#[derive(Debug, Clone, Copy)]
pub struct Description {
    /// The name.
    pub name: &'static str,
    /// What it counts.
    pub kind: Kind,
    /// The unit of its value.
    pub unit: Unit,
    /// The names of its labels.
    pub labels: &'static [&'static str],
    /// The meaning.
    pub help: &'static str,
    /// The upper ends of the buckets of a histogram.
    pub buckets: &'static [f64],
}

/// A declared metric, whose handles are of the type `K` and have `L` labels.
#[derive(Debug)]
pub struct Metric<K, const L: usize> {
    name: &'static str,
    labels: [&'static str; L],
    kind: PhantomData<fn() -> K>,
}

impl<K, const L: usize> Metric<K, L> {
    const fn new(name: &'static str, labels: [&'static str; L]) -> Self {
        Self { name, labels, kind: PhantomData }
    }

    /// The values stand in the order of the labels, and are of a set that no caller can make grow.
    fn key<V: Into<SharedString>>(&self, values: [V; L]) -> Key {
        let labels = self.labels.iter().zip(values).map(|(label, value)| ::metrics::Label::new(*label, value));
        Key::from_parts(self.name, labels.collect::<Vec<_>>())
    }

    /// The name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }
}

impl Metric<Counter, 0> {
    /// The handle, of the recorder that there is now.
    pub fn handle(&self) -> Counter {
        self.with::<&str>([])
    }
}

impl Metric<Gauge, 0> {
    /// The handle, of the recorder that there is now.
    pub fn handle(&self) -> Gauge {
        self.with::<&str>([])
    }
}

impl Metric<Histogram, 0> {
    /// The handle, of the recorder that there is now.
    pub fn handle(&self) -> Histogram {
        self.with::<&str>([])
    }
}

impl<const L: usize> Metric<Counter, L> {
    /// The handle with these labels, of the recorder that there is now.
    pub fn with<V: Into<SharedString>>(&self, values: [V; L]) -> Counter {
        with_recorder(|recorder| recorder.register_counter(&self.key(values), &METADATA))
    }
}

impl<const L: usize> Metric<Gauge, L> {
    /// The handle with these labels, of the recorder that there is now.
    pub fn with<V: Into<SharedString>>(&self, values: [V; L]) -> Gauge {
        with_recorder(|recorder| recorder.register_gauge(&self.key(values), &METADATA))
    }
}

impl<const L: usize> Metric<Histogram, L> {
    /// The handle with these labels, of the recorder that there is now.
    pub fn with<V: Into<SharedString>>(&self, values: [V; L]) -> Histogram {
        with_recorder(|recorder| recorder.register_histogram(&self.key(values), &METADATA))
    }
}

macro_rules! labels {
    ($($(#[doc = $help:literal])+ $label:ident;)*) => {
        /// The labels, each with its values.
        pub const LABELS: &[(&str, &str)] = &[$((stringify!($label), concat!($($help),+).trim_ascii())),*];
    };
}

/// Declares the metrics. The comment of each is its description for recorders and documents, too.
macro_rules! metrics {
    ($($(#[doc = $help:literal])+ $constant:ident = $kind:ident $name:literal [$($label:ident),*] $unit:ident $(by $buckets:ident)?;)*) => {
        $(
            $(#[doc = $help])+
            pub const $constant: Metric<$kind, { <[&str]>::len(&[$(stringify!($label)),*]) }> =
                Metric::new($name, [$(stringify!($label)),*]);
        )*

        /// All metrics, sorted by what they are about.
        pub const ALL: &[Description] = &[$(Description {
            name: $name,
            kind: Kind::$kind,
            unit: Unit::$unit,
            labels: &[$(stringify!($label)),*],
            help: concat!($($help),+).trim_ascii(),
            buckets: metrics!(@buckets $($buckets)?),
        }),*];
    };
    (@buckets) => { &[] };
    (@buckets $buckets:ident) => { $buckets };
}

labels! {
    /// a bucket of the rates of the chat (`requests`, `messages`, …), or `adds`, `guesses` or `mails`
    bucket;
    /// the class of the status of the answer, as HTTP has it: `1xx` to `5xx`
    code;
    /// the `operationId` of the OpenAPI document, the field of a root type of GraphQL, or the event of a frame; `other` for what is none of these
    operation;
    /// `ok`; `failed` for wrong credentials; `refused` for too many attempts, a ban, and what is not available
    outcome;
    /// `delivered`; `failed`, after which the event is tried again or given up; `gone`, the status 410, after which the webhook stops
    result;
    /// the name of a kind of task
    task;
    /// `http`, `websocket` or `graphql` for requests; `websocket`, `event_stream`, `long_poll`, `graphql_socket` or `graphql_stream` for connections
    transport;
    /// `direct`, written at once to a reader in step; `task`, by the reader's own task; `page`, in a page of a log
    way;
}

/// From a quarter of a millisecond to ten seconds.
const TIMES: &[f64] =
    &[0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// From a tenth of a second to three days, after which an event is given up.
const AGES: &[f64] = &[0.1, 1.0, 10.0, 60.0, 600.0, 3_600.0, 21_600.0, 86_400.0, 259_200.0];

const SIZES: &[f64] = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1_024.0];

metrics! {
    /// Requests that were answered. A GraphQL request over HTTP counts once as a request of `http` and once for each of its root fields.
    REQUESTS = Counter "chatcore_requests_total" [transport, operation, code] Count;
    /// WebSockets, event streams and long polls that are open.
    CONNECTIONS = Gauge "chatcore_connections" [transport] Count;
    /// How many WebSockets, event streams and long polls may be open.
    CONNECTIONS_LIMIT = Gauge "chatcore_connections_limit" [] Count;
    /// Connections over HTTP that are open, with those that became WebSockets and event streams.
    HTTP_CONNECTIONS = Gauge "chatcore_http_connections" [] Count;
    /// How many connections over HTTP may be open.
    HTTP_CONNECTIONS_LIMIT = Gauge "chatcore_http_connections_limit" [] Count;
    /// Messages that were committed.
    SENDS = Counter "chatcore_sends_total" [] Count;
    /// Events that were handed to readers.
    DELIVERIES = Counter "chatcore_deliveries_total" [way] Count;
    /// How long after its time, which is taken right before its commit, a new event was handed to readers. Up to 64 readers that are served together count once.
    DELIVERY_LAG = Histogram "chatcore_delivery_lag_seconds" [] Seconds by TIMES;
    /// Changes that one transaction of the store committed.
    COMMIT_BATCH = Histogram "chatcore_commit_batch_size" [] Count by SIZES;
    /// How long a transaction of the store took.
    COMMIT_TIME = Histogram "chatcore_commit_seconds" [] Seconds by TIMES;
    /// Changes that wait for a transaction.
    WRITER_QUEUE = Gauge "chatcore_writer_queue" [] Count;
    /// How many changes may wait for a transaction.
    WRITER_QUEUE_LIMIT = Gauge "chatcore_writer_queue_limit" [] Count;
    /// Uses that a limit refused.
    LIMITER_REFUSALS = Counter "chatcore_limiter_refusals_total" [bucket] Count;
    /// Sessions whose last events are in memory, since they have readers.
    TAILS = Gauge "chatcore_tails" [] Count;
    /// Readers of these sessions.
    READERS = Gauge "chatcore_readers" [] Count;
    /// Background tasks that run.
    TASKS = Gauge "chatcore_tasks" [task] Count;
    /// Panics of background tasks, after which they start again.
    TASK_PANICS = Counter "chatcore_task_panics_total" [task] Count;
    /// Attempts to log in.
    LOGINS = Counter "chatcore_logins_total" [outcome] Count;
    /// Attempts to deliver an event to the receiver of a webhook.
    WEBHOOK_ATTEMPTS = Counter "chatcore_webhook_attempts_total" [result] Count;
    /// Events that were given up for a webhook after their last attempt.
    WEBHOOK_DEAD_LETTERS = Counter "chatcore_webhook_dead_letters_total" [] Count;
    /// How long after its time an event was delivered to the receiver of a webhook.
    WEBHOOK_LAG = Histogram "chatcore_webhook_lag_seconds" [] Seconds by AGES;
    /// Whether the store could be read when it was asked last: 1 or 0; 1 before that.
    STORE_UP = Gauge "chatcore_store_up" [] Count;
    /// Whether the server can serve: 1 or 0. Recorded by `chat-server`, at each scrape.
    READY = Gauge "chatcore_ready" [] Count;
    /// How long the server has been running. Recorded by `chat-server`, at each scrape.
    UPTIME = Gauge "chatcore_uptime_seconds" [] Seconds;
    /// What is free on the disk of the data folder. Recorded by `chat-server`, at each scrape.
    DISK_FREE = Gauge "chatcore_disk_free_bytes" [] Bytes;
    /// With less than this on the disk of the data folder, the server is not ready. Recorded by `chat-server`.
    DISK_LEAST = Gauge "chatcore_disk_least_bytes" [] Bytes;
}

/// Tells the recorder that there is now what each metric means.
pub fn describe() {
    for Description { name, kind, unit, help, .. } in ALL {
        match kind {
            Kind::Counter => describe_counter!(*name, *unit, *help),
            Kind::Gauge => describe_gauge!(*name, *unit, *help),
            Kind::Histogram => describe_histogram!(*name, *unit, *help),
        }
    }
}
