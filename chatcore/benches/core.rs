//! What the core costs without a database: `cargo bench -p chatcore`. `docs/performance.md` says what is measured
//! against which limit.

#![allow(missing_docs, reason = "criterion's macros make public functions without any")]
#![allow(clippy::expect_used, reason = "a bench that cannot be set up has nothing to say")]

use std::{
    hint::black_box,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use chatcore::{
    Chat, Limits, MemoryStore, Principal, Rate, RateLimits,
    chat::{CreateSession, SendMessage, SessionOrder, Subscription},
    model::{Bound, MessageWindow, Page, ParticipantRole, SessionId, SessionType, Standing, UserId},
    permission::{Action, Facts, SessionState, decide},
};
use criterion::{BenchmarkId, Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use tokio::{
    runtime::{Builder, Runtime},
    sync::Notify,
};

/// A hundred bytes, as in all figures.
const TEXT: &str =
    "A message of a hundred bytes: that is as long as what people say to one another in a chat, or so...!";

fn runtime() -> Runtime {
    Builder::new_multi_thread().enable_all().build().expect("a runtime")
}

fn user(name: impl AsRef<str>) -> Principal {
    Principal::new(UserId::new(name.as_ref()).expect("a user id"))
}

/// A chat in memory, with these rates.
fn chat(rates: RateLimits) -> Chat {
    Chat::builder(MemoryStore::new()).limits(Limits { rates, ..Limits::default() }).build()
}

/// A public session in memory with that many messages.
async fn room(chat: &Chat, owner: &Principal, messages: u64) -> SessionId {
    let new = CreateSession { max_participants: Some(10_000), ..CreateSession::titled("A session") };
    let room = chat.create_session(owner, new.of_type(SessionType::Public)).await.expect("a session");
    let id = room.summary.session.id;
    for _ in 0..messages {
        chat.send(owner, id, SendMessage::text(TEXT)).await.expect("a message");
    }
    id
}

// --- decide

/// Every action, by everybody who can stand to a public session in some way.
fn cases() -> Vec<(Facts, Action)> {
    let session = SessionState {
        session_type: SessionType::Public,
        is_active: true,
        is_archived: false,
        is_restorable: false,
        participant_count: 10,
        max_participants: 100,
    };
    let target = Some(Standing::Active(ParticipantRole::Member));
    let actors = ParticipantRole::ALL
        .into_iter()
        .map(Standing::Active)
        .chain([Standing::Former(ParticipantRole::Member), Standing::Stranger]);
    let actions = [
        Action::View,
        Action::Send,
        Action::Update { session_type: Some(SessionType::InviteOnly), max_participants: Some(50) },
        Action::Delete,
        Action::Invite { role: ParticipantRole::Member },
        Action::Remove,
        Action::ChangeRole { role: ParticipantRole::Admin },
        Action::Leave,
        Action::Join,
    ];
    let facts = |actor| Facts { session: Some(session), actor: Some(actor), target, muted: None };
    actors.flat_map(|actor| actions.map(|action| (facts(actor), action))).collect()
}

fn decisions(c: &mut Criterion) {
    let mut group = c.benchmark_group("decide");
    let cases = cases();
    group.throughput(Throughput::Elements(cases.len() as u64));
    group.bench_function("role × action, all 54", |b| {
        b.iter(|| {
            for (facts, action) in &cases {
                let _ = black_box(decide(black_box(facts), black_box(*action)));
            }
        });
    });
    group.throughput(Throughput::Elements(1));
    let slowest = cases.iter().max_by_key(|(facts, action)| cost(facts, *action)).expect("a case");
    group.bench_function("the slowest of them", |b| {
        b.iter(|| decide(black_box(&slowest.0), black_box(slowest.1)));
    });
    // The way with the most conditions on it, to its end.
    let facts = Facts { target: Some(Standing::Stranger), ..cases.first().expect("a case").0 };
    let action = Action::Invite { role: ParticipantRole::Member };
    group.bench_function("an allowed invitation", |b| b.iter(|| decide(black_box(&facts), black_box(action))));
    group.finish();
}

/// How long a decision takes; the best of several tries, since all the others were disturbed.
fn cost(facts: &Facts, action: Action) -> Duration {
    let once = |_| {
        let begun = Instant::now();
        for _ in 0..1_000 {
            let _ = black_box(decide(black_box(facts), black_box(action)));
        }
        begun.elapsed()
    };
    (0..50).map(once).min().unwrap_or_default()
}

// --- fan-out

/// Subscribers in tasks of their own, as connections have them.
struct Crowd {
    chat: Chat,
    owner: Principal,
    id: SessionId,
    arrivals: Arc<Arrivals>,
}

/// Counts what is still to arrive.
#[derive(Default)]
struct Arrivals {
    missing: AtomicUsize,
    all: Notify,
}

impl Crowd {
    async fn new(subscribers: usize) -> Self {
        let (chat, owner, arrivals) = (chat(RateLimits::off()), user("owner"), Arc::new(Arrivals::default()));
        let id = room(&chat, &owner, 0).await;
        for n in 0..subscribers {
            let reader = user(format!("reader-{n}"));
            chat.join(&reader, id).await.expect("a seat");
        }
        for n in 0..subscribers {
            let events = chat.subscribe(&user(format!("reader-{n}")), id, None).await.expect("a subscription");
            tokio::spawn(listen(events, Arc::clone(&arrivals)));
        }
        Self { chat, owner, id, arrivals }
    }

    /// From the call of `send` until everybody has the events.
    async fn tell(&self, events: usize, subscribers: usize) -> Duration {
        self.arrivals.missing.store(events * subscribers, Ordering::SeqCst);
        let begun = Instant::now();
        for _ in 0..events {
            self.chat.send(&self.owner, self.id, SendMessage::text(TEXT)).await.expect("a message");
        }
        self.arrivals.all.notified().await;
        begun.elapsed()
    }
}

async fn listen(mut events: Subscription, arrivals: Arc<Arrivals>) {
    while let Some(event) = events.next_event().await {
        black_box(event.expect("an event"));
        if arrivals.missing.fetch_sub(1, Ordering::SeqCst) == 1 {
            arrivals.all.notify_one();
        }
    }
}

fn fan_out(c: &mut Criterion) {
    let runtime = runtime();
    let mut group = c.benchmark_group("fan-out");
    group.sample_size(20).sampling_mode(SamplingMode::Flat).measurement_time(Duration::from_secs(5));
    for (subscribers, events) in [(1, 1), (100, 1), (1_000, 1), (1_000, 50)] {
        let crowd = std::cell::LazyCell::new(|| runtime.block_on(Crowd::new(subscribers)));
        let deliveries = subscribers * events;
        group.throughput(Throughput::Elements(deliveries as u64));
        let id = BenchmarkId::new(format!("{subscribers} subscribers"), format!("{events} at once"));
        group.bench_function(id, |b| {
            let crowd = &*crowd;
            b.to_async(&runtime).iter_custom(async |iterations| {
                let mut taken = Duration::ZERO;
                for _ in 0..iterations {
                    taken += crowd.tell(events, subscribers).await;
                }
                taken
            });
        });
    }
    group.finish();
}

// --- reading

fn reading(c: &mut Criterion) {
    const EVENTS: u64 = 10_000;
    let runtime = runtime();
    let (chat, owner) = (chat(RateLimits::off()), user("owner"));
    let id = std::cell::LazyCell::new(|| runtime.block_on(room(&chat, &owner, EVENTS - 1)));

    let mut group = c.benchmark_group("replay");
    group.sample_size(20).throughput(Throughput::Elements(EVENTS));
    group.bench_function("10000 events", |b| {
        let id = *id;
        b.to_async(&runtime).iter(async || {
            let mut events = chat.subscribe(&owner, id, Some(0)).await.expect("a subscription");
            for _ in 0..EVENTS {
                black_box(events.next_event().await.expect("an event").expect("an event"));
            }
        });
    });
    group.finish();

    let mut group = c.benchmark_group("page");
    group.throughput(Throughput::Elements(50));
    for (name, window) in [
        ("newest", MessageWindow::Newest),
        ("before the middle", MessageWindow::Before(Bound::Seq(EVENTS / 2))),
        ("oldest", MessageWindow::Skip(0)),
    ] {
        group.bench_function(name, |b| {
            let id = *id;
            b.to_async(&runtime).iter(async || {
                let page = chat.messages(&owner, id, window, Some(50)).await.expect("a page");
                assert_eq!(page.messages.len(), 50, "a whole page");
                page
            });
        });
    }
    group.finish();
}

// --- listing

/// A list of 50 sessions with the last message and the number of unread messages of each, of a user who is in 1,000 sessions.
fn listing(c: &mut Criterion) {
    let runtime = runtime();
    let (chat, owner, reader) = (chat(RateLimits::off()), user("owner"), user("reader"));
    let made = std::cell::LazyCell::new(|| {
        runtime.block_on(async {
            for _ in 0..1_000 {
                let id = room(&chat, &owner, 1).await;
                chat.join(&reader, id).await.expect("a participant");
                for _ in 0..100 {
                    chat.send(&owner, id, SendMessage::text(TEXT)).await.expect("a message");
                }
            }
        });
    });
    let mut group = c.benchmark_group("list");
    group.sample_size(20).throughput(Throughput::Elements(50));
    for order in SessionOrder::ALL {
        group.bench_function(format!("50 of 1000 sessions, {}", order.as_str()), |b| {
            let () = *made;
            b.to_async(&runtime).iter(async || {
                let list = chat.sessions_in(&reader, Page::FIRST, order).await.expect("a list");
                assert!(list.len() == 50 && list.iter().all(|one| one.overview.is_some()), "a whole list");
                list
            });
        });
    }
    group.finish();
}

// --- sending

fn sending(c: &mut Criterion) {
    let runtime = runtime();
    let mut group = c.benchmark_group("send");
    group.throughput(Throughput::Elements(1));
    group.bench_function("to memory", |b| {
        // What was sent stays in memory: so a new one each time, and not one that grows for as long as this runs.
        b.to_async(&runtime).iter_custom(async |iterations| {
            let (chat, owner) = (chat(RateLimits::off()), user("owner"));
            let id = room(&chat, &owner, 0).await;
            let begun = Instant::now();
            for _ in 0..iterations {
                black_box(chat.send(&owner, id, SendMessage::text(TEXT)).await.expect("a message"));
            }
            begun.elapsed()
        });
    });
    group.finish();
}

// --- limits

/// The default rates, with buckets that no bench empties.
fn counted() -> RateLimits {
    RateLimits { requests: Some(Rate::new(u32::MAX, Duration::from_millis(50))), ..RateLimits::default() }
}

/// Sends to a new session.
async fn sends(rates: RateLimits, messages: u64) -> Duration {
    let (chat, owner) = (chat(rates), user("owner"));
    let id = room(&chat, &owner, 1).await;
    let begun = Instant::now();
    for _ in 0..messages {
        black_box(chat.send(&owner, id, SendMessage::text(TEXT)).await.expect("a message"));
    }
    begun.elapsed()
}

/// What counting adds to a send: both in turns, so that what disturbs the machine disturbs both. Short turns, so that most are not disturbed.
fn limiting(c: &mut Criterion) {
    const MESSAGES: u64 = 200;
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    let ratios = std::cell::RefCell::new(Vec::new());
    let mut group = c.benchmark_group("limits");
    group.sample_size(10).sampling_mode(SamplingMode::Flat).measurement_time(Duration::from_secs(10));
    group.bench_function("200 sends with and without", |b| {
        b.iter_custom(|iterations| {
            let mut taken = Duration::ZERO;
            for turn in 0..iterations {
                let measure = |rates| runtime.block_on(sends(rates, MESSAGES));
                // The second of two finds warm caches, so each is the second every other time.
                let (off, on) = if turn % 2 == 0 {
                    let off = measure(RateLimits::off());
                    (off, measure(counted()))
                } else {
                    let on = measure(counted());
                    (measure(RateLimits::off()), on)
                };
                ratios.borrow_mut().push(on.as_secs_f64() / off.as_secs_f64());
                taken += off + on;
            }
            taken
        });
    });
    group.finish();
    let mut ratios = ratios.into_inner();
    ratios.sort_by(f64::total_cmp);
    if let Some(median) = ratios.get(ratios.len() / 2) {
        println!("limits: a send takes {median:.4} of the time without, the median of {} pairs", ratios.len());
    }
}

// --- spans

/// What the spans add to a send where the log has its default level, at which use cases and the store have none: both in turns, as above.
fn spans(c: &mut Criterion) {
    const MESSAGES: u64 = 200;
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    let ratios = std::cell::RefCell::new(Vec::new());
    let mut group = c.benchmark_group("spans");
    group.sample_size(10).sampling_mode(SamplingMode::Flat).measurement_time(Duration::from_secs(10));
    group.bench_function("200 sends with and without a log", |b| {
        b.iter_custom(|iterations| {
            let mut taken = Duration::ZERO;
            for turn in 0..iterations {
                let measure = || runtime.block_on(sends(RateLimits::off(), MESSAGES));
                let logged = || {
                    let filter = tracing_subscriber::EnvFilter::new("info");
                    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::sink).finish();
                    tracing::subscriber::with_default(log, measure)
                };
                let (off, on) = if turn % 2 == 0 {
                    let off = measure();
                    (off, logged())
                } else {
                    let on = logged();
                    (measure(), on)
                };
                ratios.borrow_mut().push(on.as_secs_f64() / off.as_secs_f64());
                taken += off + on;
            }
            taken
        });
    });
    group.finish();
    let mut ratios = ratios.into_inner();
    ratios.sort_by(f64::total_cmp);
    if let Some(median) = ratios.get(ratios.len() / 2) {
        println!("spans: a send takes {median:.4} of the time without a log, the median of {} pairs", ratios.len());
    }
}

// --- metrics

/// Sends to a new session, recorded or not.
#[cfg(feature = "metrics")]
async fn recorded_sends(chat: Chat, messages: u64) -> Duration {
    let owner = user("owner");
    let id = room(&chat, &owner, 1).await;
    let begun = Instant::now();
    for _ in 0..messages {
        black_box(chat.send(&owner, id, SendMessage::text(TEXT)).await.expect("a message"));
    }
    begun.elapsed()
}

/// What a recorder adds to a send: both in turns, as with the limits.
#[cfg(feature = "metrics")]
fn measuring(c: &mut Criterion) {
    const MESSAGES: u64 = 200;
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
    let ratios = std::cell::RefCell::new(Vec::new());
    let mut group = c.benchmark_group("metrics");
    group.sample_size(10).sampling_mode(SamplingMode::Flat).measurement_time(Duration::from_secs(10));
    group.bench_function("200 sends with and without", |b| {
        b.iter_custom(|iterations| {
            let mut taken = Duration::ZERO;
            for turn in 0..iterations {
                let off = || runtime.block_on(recorded_sends(chat(RateLimits::off()), MESSAGES));
                let on = || {
                    let chat = metrics::with_local_recorder(&recorder, || chat(RateLimits::off()));
                    runtime.block_on(recorded_sends(chat, MESSAGES))
                };
                // The second of two finds warm caches, so each is the second every other time.
                let (off, on) = if turn % 2 == 0 {
                    let off = off();
                    (off, on())
                } else {
                    let on = on();
                    (off(), on)
                };
                ratios.borrow_mut().push(on.as_secs_f64() / off.as_secs_f64());
                taken += off + on;
            }
            taken
        });
    });
    group.finish();
    let mut ratios = ratios.into_inner();
    ratios.sort_by(f64::total_cmp);
    if let Some(median) = ratios.get(ratios.len() / 2) {
        println!("metrics: a send takes {median:.4} of the time without, the median of {} pairs", ratios.len());
    }
}

#[cfg(not(feature = "metrics"))]
fn measuring(_: &mut Criterion) {}

criterion_group!(benches, decisions, fan_out, reading, listing, sending, limiting, spans, measuring);
criterion_main!(benches);
