//! Subscriptions: everything, once, in order, whatever the notifier does, and nothing after the right to read is gone.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail by panicking"
)]

mod all;
#[path = "../kit/copied.rs"]
#[allow(unreachable_pub, reason = "shared with other tests")]
mod copied;
mod direct;
mod editing;
mod endings;
#[path = "../kit/hooked.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod hooked;
#[path = "../kit/mod.rs"]
mod kit;
mod load;
mod notifiers;
mod queued;
mod replaced;
mod replay;
mod signals;
mod survives;
mod unpolled;

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use chatcore::{
    Chat, Clock, Error, InProcessNotifier, Limits, MemoryStore, Notifier, Principal, RateLimits, TestClock,
    chat::{AllDelivery, Delivery, Encoding, EventView, ReadUpto, SendMessage, Subscription, UpdateSession},
    model::{Event, EventKind, ParticipantEvent, ParticipantRole, Seq, SessionEvent, SessionId, SessionType, Signal},
    notify::{Hint, Topic},
    permission::{ActionKind, Denial, PermissionTable},
};
use chrono::{TimeDelta, Utc};
use futures_util::{FutureExt, StreamExt, future::join_all, stream, stream::BoxStream};
use kit::{
    Breakable, assert_denied, in_time, next, removed, room, say, seqs, session, take, text_of, told, uncounted, user,
    user_id,
};

/// Asserts that nothing more comes. Only for tests with paused time, where waiting costs nothing and ends when there is
/// nothing else left to do.
async fn assert_silent(events: &mut Subscription) {
    if let Ok(delivery) = tokio::time::timeout(Duration::from_secs(3_600), events.next()).await {
        panic!("{delivery:?}");
    }
}

/// The rest of a stream that ends by itself.
async fn rest(events: &mut Subscription) -> Vec<EventKind> {
    let mut kinds = Vec::new();
    while let Some(event) = in_time(events.next_event()).await {
        kinds.push(event.unwrap().event.kind.clone());
    }
    kinds
}

async fn delivery(events: &mut Subscription) -> Delivery {
    in_time(events.next()).await.expect("the stream ended").expect("the stream failed")
}
