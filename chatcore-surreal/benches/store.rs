//! What the database costs, through `Chat` as clients use it: `cargo bench -p chatcore-surreal`.
//! `docs/performance.md` says what is measured against which limit.

#![allow(missing_docs, reason = "criterion's macros make public functions without any")]
#![allow(clippy::expect_used, reason = "a bench that cannot be set up has nothing to say")]

mod kit;

use std::{cell::LazyCell, env, time::Duration};

use chatcore::{
    chat::SessionOrder,
    model::{Bound, MessageWindow, Page},
};
use chatcore_surreal::SurrealOptions;
use criterion::{BenchmarkId, Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use kit::{Load, Place, Sender, World, people, replay, session, talk, user};
use tokio::runtime::{Builder, Runtime};

/// How many messages the large session has, where somebody wants less or more than a million.
const MESSAGES: &str = "CHATCORE_BENCH_MESSAGES";

fn runtime() -> Runtime {
    Builder::new_multi_thread().enable_all().build().expect("a runtime")
}

/// Every commit alone.
fn ungrouped() -> SurrealOptions {
    SurrealOptions { max_batch: 1, ..SurrealOptions::default() }
}

/// A world with people in it.
struct Talk {
    world: World,
    people: Vec<Sender>,
}

impl Talk {
    fn open(runtime: &Runtime, place: &Place, options: SurrealOptions, senders: usize, sessions: usize) -> Self {
        let world = World::open(runtime, place, options).expect("a database");
        let people = runtime.block_on(people(&world.chat, senders, sessions)).expect("people");
        Self { world, people }
    }
}

fn sending(c: &mut Criterion) {
    let runtime = runtime();
    let mut group = c.benchmark_group("send");
    group.sample_size(10).sampling_mode(SamplingMode::Flat).throughput(Throughput::Elements(1));
    group.warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(3));
    for (place, engine) in [(Place::Disk, "disk"), (Place::Memory, "mem")] {
        for (options, grouping) in [(SurrealOptions::default(), "grouped"), (ungrouped(), "alone")] {
            for (senders, sessions) in [(1, 1), (16, 4), (64, 16)] {
                let load = format!("{senders} senders in {sessions} sessions");
                let talking = LazyCell::new(|| Talk::open(&runtime, &place, options.clone(), senders, sessions));
                for (client_ids, suffix) in [(false, ""), (true, ", client ids")] {
                    let id = BenchmarkId::new(format!("{engine} {grouping}"), format!("{load}{suffix}"));
                    group.bench_function(id, |b| {
                        let Talk { world, people } = &*talking;
                        b.to_async(&runtime).iter_custom(async |messages| {
                            let load = Load { messages, at_once: senders, client_ids };
                            talk(&world.chat, people, load).await.expect("messages")
                        });
                    });
                }
            }
        }
    }
    group.finish();
}

/// As the largest of the above, with somebody in every session who is told of every message.
fn sending_to_readers(c: &mut Criterion) {
    let runtime = runtime();
    let mut group = c.benchmark_group("send");
    group.sample_size(10).sampling_mode(SamplingMode::Flat).throughput(Throughput::Elements(1));
    group.warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(3));
    let talking = LazyCell::new(|| {
        let talk = Talk::open(&runtime, &Place::Disk, SurrealOptions::default(), 64, 16);
        for Sender { who, session } in talk.people.iter().take(16) {
            let mut events = runtime.block_on(talk.world.chat.subscribe(who, *session, None)).expect("a reader");
            runtime.spawn(async move { while let Some(Ok(_)) = events.next_event().await {} });
        }
        talk
    });
    group.bench_function(BenchmarkId::new("disk grouped", "64 senders in 16 sessions, 16 readers"), |b| {
        let Talk { world, people } = &*talking;
        b.to_async(&runtime).iter_custom(async |messages| {
            let load = Load { messages, at_once: 64, client_ids: false };
            talk(&world.chat, people, load).await.expect("messages")
        });
    });
    group.finish();
}

/// A session on disk that was written to for long.
struct Deep {
    world: World,
    owner: Sender,
}

impl Deep {
    fn write(runtime: &Runtime, messages: u64) -> Self {
        const PART: u64 = 100_000;
        let Talk { world, people } = Talk::open(runtime, &Place::Disk, SurrealOptions::default(), 64, 1);
        let mut done = 0;
        while done < messages {
            let part = PART.min(messages - done);
            let load = Load { messages: part, at_once: people.len(), client_ids: false };
            let taken = runtime.block_on(talk(&world.chat, &people, load)).expect("messages");
            done += part;
            eprintln!("  wrote {done} of {messages} messages, {:.0}/s", part as f64 / taken.as_secs_f64());
        }
        Self { world, owner: people.into_iter().next().expect("the owner") }
    }
}

fn reading_deep(c: &mut Criterion) {
    let large = env::var(MESSAGES).map_or(1_000_000, |text| text.parse().expect("a number of messages"));
    let runtime = runtime();
    let mut group = c.benchmark_group("page");
    group.sample_size(50).sampling_mode(SamplingMode::Flat);
    group.warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(3));
    for messages in [100_000, large] {
        // Only written where the filter lets one of these through.
        let deep = LazyCell::new(|| Deep::write(&runtime, messages));
        let middle = messages / 2;
        for (name, window) in [
            ("newest", MessageWindow::Newest),
            ("before the middle", MessageWindow::Before(Bound::Seq(middle))),
            ("after the middle", MessageWindow::After(Bound::Seq(middle))),
            ("skipping to the middle", MessageWindow::Skip(middle)),
            ("oldest", MessageWindow::Skip(0)),
        ] {
            group.bench_function(BenchmarkId::new(format!("{messages} messages"), name), |b| {
                let Deep { world, owner } = &*deep;
                b.to_async(&runtime).iter(async || {
                    let page = world.chat.messages(&owner.who, owner.session, window, Some(50)).await.expect("a page");
                    assert_eq!(page.messages.len(), 50, "a whole page");
                    page
                });
            });
        }
        group.bench_function(BenchmarkId::new(format!("{messages} messages"), "one send"), |b| {
            let Deep { world, owner } = &*deep;
            b.to_async(&runtime).iter_custom(async |messages| {
                let load = Load { messages, at_once: 1, client_ids: false };
                talk(&world.chat, std::slice::from_ref(owner), load).await.expect("messages")
            });
        });
    }
    group.finish();
}

fn replaying(c: &mut Criterion) {
    const EVENTS: u64 = 10_000;
    let runtime = runtime();
    let written = LazyCell::new(|| {
        let world = World::open(&runtime, &Place::Disk, SurrealOptions::default()).expect("a database");
        let owner = runtime.block_on(session(&world.chat, "owner")).expect("a session");
        let load = Load { messages: EVENTS - 1, at_once: 64, client_ids: false };
        runtime.block_on(talk(&world.chat, std::slice::from_ref(&owner), load)).expect("messages");
        (world, owner)
    });
    let mut group = c.benchmark_group("replay");
    group.sample_size(20).throughput(Throughput::Elements(EVENTS));
    group.bench_function("disk, 10000 events", |b| {
        let (world, owner) = &*written;
        b.to_async(&runtime).iter(async || replay(&world.chat, owner, EVENTS).await.expect("events"));
    });
    group.finish();
}

/// A list of 50 sessions with the last message and the number of unread messages of each, of a user who is in 1,000 sessions of 1,000 messages.
fn listing(c: &mut Criterion) {
    const SESSIONS: usize = 1_000;
    let runtime = runtime();
    let written = LazyCell::new(|| {
        let world = World::open(&runtime, &Place::Disk, SurrealOptions::default()).expect("a database");
        let reader = user("reader").expect("a user");
        let senders = runtime.block_on(people(&world.chat, SESSIONS, SESSIONS)).expect("sessions");
        runtime.block_on(async {
            for sender in &senders {
                world.chat.join(&reader, sender.session).await.expect("a participant");
            }
        });
        let load = Load { messages: 1_000 * SESSIONS as u64, at_once: 64, client_ids: false };
        runtime.block_on(talk(&world.chat, &senders, load)).expect("messages");
        (world, reader)
    });
    let mut group = c.benchmark_group("list");
    group.sample_size(20).sampling_mode(SamplingMode::Flat);
    for order in SessionOrder::ALL {
        group.bench_function(BenchmarkId::new("disk, 50 of 1000 sessions of 1000 messages", order.as_str()), |b| {
            let (world, reader) = &*written;
            b.to_async(&runtime).iter(async || {
                let list = world.chat.sessions_in(reader, Page::FIRST, order).await.expect("a list");
                assert!(list.len() == 50 && list.iter().all(|one| one.overview.is_some()), "a whole list");
                list
            });
        });
    }
    group.finish();
}

criterion_group!(benches, sending, sending_to_readers, replaying, reading_deep, listing);
criterion_main!(benches);
