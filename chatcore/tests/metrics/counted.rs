//! A recorder hears what the chat does.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use chatcore::{
    Chat, Error, Limits, MemoryStore, Principal, Rate, RateLimits,
    chat::{AddParticipant, AllDelivery, CreateSession, Delivery, EventView, Outlet, SendMessage, SignalView},
    metrics,
    model::{SessionId, SessionType, UserId},
};
use futures_util::StreamExt as _;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle, PrometheusRecorder};

use crate::kit;

pub(crate) struct Measured {
    recorder: PrometheusRecorder,
    handle: PrometheusHandle,
}

impl Measured {
    pub(crate) fn new() -> Self {
        let recorder = PrometheusBuilder::new().set_buckets(&[1.0]).unwrap().build_recorder();
        Self { handle: recorder.handle(), recorder }
    }

    pub(crate) fn make<T>(&self, make: impl FnOnce() -> T) -> T {
        ::metrics::with_local_recorder(&self.recorder, make)
    }

    fn chat(&self, limits: Limits) -> Chat {
        self.make(|| Chat::builder(MemoryStore::new()).limits(limits).build())
    }

    /// The value of a series, as it is written in the exposition format.
    pub(crate) fn value(&self, series: &str) -> f64 {
        let text = self.handle.render();
        let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no {series} in {text}")).parse().unwrap()
    }
}

fn user(name: &str) -> Principal {
    Principal::new(UserId::new(name).unwrap())
}

async fn room(chat: &Chat, owner: &Principal) -> SessionId {
    let room = chat.create_session(owner, CreateSession::titled("Room").of_type(SessionType::Public)).await.unwrap();
    room.summary.session.id
}

struct TakesAll;

impl Outlet for TakesAll {
    fn take_events(&self, events: &[Arc<EventView>]) -> usize {
        events.len()
    }

    fn take_signal(&self, _: &Arc<SignalView>) -> bool {
        true
    }
}

const DIRECT: &str = r#"chatcore_deliveries_total{way="direct"}"#;
const TASK: &str = r#"chatcore_deliveries_total{way="task"}"#;
const PAGE: &str = r#"chatcore_deliveries_total{way="page"}"#;

/// Waits until a series has a value. What hands out events works beside the test.
pub(crate) async fn reaches(measured: &Measured, series: &str, value: f64) {
    let reached = async {
        while measured.value(series) < value {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), reached)
        .await
        .unwrap_or_else(|_| panic!("{series} stays below {value}"));
    assert_eq!(measured.value(series), value, "{series}");
}

#[tokio::test]
async fn each_send_and_each_delivery_is_counted_once() {
    let measured = Measured::new();
    let (chat, a) = (measured.chat(Limits::default()), user("a"));
    let id = room(&chat, &a).await;
    assert_eq!([DIRECT, TASK, PAGE].map(|way| measured.value(way)), [0.0; 3]);
    let mut by_task = chat.subscribe(&a, id, Some(1)).await.unwrap();
    let mut all = chat.subscribe_all(&a, &[]).await.unwrap();
    let AllDelivery::Subscribed(_) = all.next().await.unwrap().unwrap() else { panic!("not subscribed") };
    let mut in_step = chat.subscribe(&a, id, Some(1)).await.unwrap();
    in_step.deliver_to(Arc::new(TakesAll));
    // From now on its events go to the outlet.
    assert!(futures_util::poll!(in_step.next()).is_pending());
    assert!(futures_util::poll!(all.next()).is_pending());
    for _ in 0..5 {
        chat.send(&a, id, SendMessage::text("Hello")).await.unwrap();
    }
    for _ in 0..5 {
        by_task.next_event().await.unwrap().unwrap();
        let AllDelivery::Delivered(Delivery::Event(_)) = all.next().await.unwrap().unwrap() else { panic!("no event") };
    }
    assert_eq!(measured.value("chatcore_sends_total"), 5.0);
    assert_eq!(measured.value(TASK), 10.0);
    reaches(&measured, DIRECT, 5.0).await;
    chat.events(&a, id, Some(2), Some(3)).await.unwrap();
    assert_eq!(measured.value(PAGE), 3.0);
    chat.may_follow(&a, id, 2.into()).await.unwrap();
    assert_eq!(measured.value(PAGE), 3.0);
    // Each of the five to each of the two tasks, and once or more to those in step.
    assert!(measured.value("chatcore_delivery_lag_seconds_count") >= 15.0);
    let before = measured.value("chatcore_delivery_lag_seconds_count");

    // History says nothing of a lag.
    let mut replay = chat.subscribe(&a, id, Some(0)).await.unwrap();
    for _ in 0..6 {
        replay.next_event().await.unwrap().unwrap();
    }
    assert_eq!(measured.value(TASK), 16.0);
    assert_eq!(measured.value("chatcore_delivery_lag_seconds_count"), before);
}

#[tokio::test]
async fn tails_readers_and_tasks_go_up_and_down() {
    let measured = Measured::new();
    let (chat, a) = (measured.chat(Limits::default()), user("a"));
    let (first, second) = (room(&chat, &a).await, room(&chat, &a).await);
    let gauges = || ["chatcore_tails", "chatcore_readers"].map(|name| measured.value(name));
    assert_eq!(gauges(), [0.0, 0.0]);
    let readers = [first, first, second];
    let mut open = Vec::new();
    for id in readers {
        open.push(chat.subscribe(&a, id, None).await.unwrap());
    }
    assert_eq!(gauges(), [2.0, 3.0]);
    let fan_outs = r#"chatcore_tasks{task="fan-out"}"#;
    assert_eq!(measured.value(fan_outs), 2.0);
    open.truncate(1);
    assert_eq!(gauges(), [1.0, 1.0]);
    open.clear();
    assert_eq!(gauges(), [0.0, 0.0]);
    let ended = async {
        while measured.value(fan_outs) > 0.0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), ended).await.expect("a task goes on");
}

#[tokio::test]
async fn refusals_are_counted_by_bucket() {
    let measured = Measured::new();
    let rates = RateLimits { messages: Some(Rate::new(2, Duration::from_secs(3_600))), ..RateLimits::default() };
    let limits =
        Limits { rates, adds_per_inviter: Some(Rate::new(1, Duration::from_secs(3_600))), ..Limits::default() };
    let (chat, a) = (measured.chat(limits), user("a"));
    let id = room(&chat, &a).await;
    let mut refused = 0;
    for _ in 0..5 {
        let sent = chat.send(&a, id, SendMessage::text("Hello")).await;
        refused += u32::from(matches!(sent, Err(Error::RateLimited { .. })));
    }
    assert_eq!(refused, 3);
    assert_eq!(measured.value(r#"chatcore_limiter_refusals_total{bucket="messages"}"#), 3.0);
    assert_eq!(measured.value(r#"chatcore_limiter_refusals_total{bucket="requests"}"#), 0.0);
    assert_eq!(measured.value(r#"chatcore_limiter_refusals_total{bucket="adds"}"#), 0.0);
    assert_eq!(measured.value("chatcore_sends_total"), 2.0);
}

#[tokio::test]
async fn refused_adds_are_counted_and_allowed_ones_are_not() {
    let measured = Measured::new();
    let limits = Limits { adds_per_inviter: Some(Rate::new(1, Duration::from_secs(3_600))), ..Limits::default() };
    let (chat, a) = (measured.chat(limits), user("a"));
    let id = room(&chat, &a).await;
    let mut refused = 0;
    for name in ["b", "c", "d"] {
        chat.me(&user(name)).await.unwrap();
        let add = AddParticipant { user_id: user(name).user_id, role: None };
        let added = chat.add_participant(&a, id, add).await;
        refused += u32::from(matches!(added, Err(Error::RateLimited { .. })));
    }
    assert_eq!(refused, 2);
    assert_eq!(measured.value(r#"chatcore_limiter_refusals_total{bucket="adds"}"#), 2.0);
}

#[tokio::test]
async fn the_store_is_up_or_not() {
    let measured = Measured::new();
    let store = kit::Breakable::over(MemoryStore::new());
    let chat = measured.make(|| Chat::builder(store.clone()).build());
    let up = || measured.value("chatcore_store_up");
    assert_eq!(up(), 1.0);
    for (fails, expected) in [(false, 1.0), (true, 0.0), (false, 1.0)] {
        store.reads_fail.store(fails, Ordering::SeqCst);
        assert_eq!(chat.ready(Duration::from_secs(60)).await.is_ok(), !fails);
        assert_eq!(up(), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_task_that_panics_is_counted_and_runs_again() {
    let measured = Measured::new();
    let store = kit::Breakable::over(MemoryStore::new());
    let chat = measured.make(|| Chat::builder(store.clone()).build());
    let a = user("a");
    let id = room(&chat, &a).await;
    let reader = chat.subscribe(&a, id, None).await.unwrap();
    let (panics, runs) = (r#"chatcore_task_panics_total{task="poller"}"#, r#"chatcore_tasks{task="poller"}"#);
    for times in [0.0, 1.0, 2.0] {
        assert_eq!((measured.value(panics), measured.value(runs)), (times, 1.0));
        store.panics.store(true, Ordering::SeqCst);
        tokio::time::sleep(chat.limits().poll_interval * 2).await;
        assert!(!store.panics.load(Ordering::SeqCst), "it was read");
    }
    let pause = chat.limits().poll_interval * 2;
    drop((reader, chat));
    tokio::time::sleep(pause).await;
    assert_eq!(measured.value(runs), 0.0);
}

#[test]
fn a_name_that_a_client_chooses_makes_no_series() {
    let measured = Measured::new();
    let requests = measured.make(|| metrics::Requests::new("http", ["sendMessage"]));
    let series = |text: &str| text.lines().filter(|line| line.starts_with("chatcore_requests_total{")).count();
    let before = series(&measured.handle.render());
    for name in ["", "sendMessage\"", "019ad5a0-0000-7000-8000-000000000000", "alice", "other"] {
        requests.count(Some(name), 404);
    }
    requests.count(None, 0);
    requests.count(None, u16::MAX);
    requests.count(Some("sendMessage"), 201);
    let text = measured.handle.render();
    assert_eq!(series(&text), before, "{text}");
    let value = |operation: &str, code: &str| {
        let mut lines = text.lines().filter(|line| line.contains(operation) && line.contains(code));
        lines.next().unwrap().rsplit_once(' ').unwrap().1.to_owned()
    };
    assert_eq!(value(r#"operation="other""#, r#"code="4xx""#), "5");
    assert_eq!(value(r#"operation="other""#, r#"code="5xx""#), "2");
    assert_eq!(value(r#"operation="sendMessage""#, r#"code="2xx""#), "1");
}

#[test]
fn every_metric_is_described() {
    let measured = Measured::new();
    measured.make(metrics::describe);
    let _counter = measured.make(|| metrics::SENDS.handle());
    assert!(measured.handle.render().contains("# HELP chatcore_sends_total Messages that were committed.\n"));
}
