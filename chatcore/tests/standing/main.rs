//! The standing of users in the whole system: logins end, accounts are banned and deleted, in this process and in others.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail by panicking"
)]

mod bans;
mod departures;
#[path = "../kit/hooked.rs"]
mod hooked;
#[path = "../kit/mod.rs"]
mod kit;
mod logins;
mod races;

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use chatcore::{
    Chat, ChatStore, Clock, Error, InProcessNotifier, Limits, MemoryStore, Principal, TestClock,
    chat::{AddParticipant, BanAccount, CreateSession, SendMessage},
    model::{
        Event, EventKind, LoginId, Page, ParticipantEvent, ParticipantRole, RemovalReason, SessionId, SessionType,
        UserId,
    },
    store::LogRange,
};
use chrono::TimeDelta;
use futures_util::{StreamExt, future::join_all};
use kit::{Breakable, in_time, next, room, say, session, user, user_id};

/// Limits under which nothing is found by looking: only hints and the process' own changes tell.
fn by_hints_alone() -> Limits {
    let never = Duration::from_secs(80_000);
    Limits { poll_interval: never, standing_age: never, membership_interval: never, ..Limits::default() }
}

/// A principal with a login of its own.
fn logged_in(name: &str, clock: &TestClock) -> Principal {
    Principal { login_id: Some(LoginId(clock.new_id())), issued_at: clock.now(), ..user(name) }
}

fn ban() -> BanAccount {
    BanAccount { reason: "Spam".to_owned(), by: user_id("root"), until: None }
}

/// Two chats on one store that hear of each other by nothing but the store.
fn two_processes(clock: &TestClock) -> [Chat; 2] {
    let store = MemoryStore::new();
    [(), ()].map(|()| Chat::builder(store.clone()).clock(clock.clone()).build())
}

async fn log(store: &impl ChatStore, id: SessionId) -> Vec<Arc<Event>> {
    store.log(&[LogRange { session_id: id, from: 1, to: 1_000_000 }]).await.unwrap().remove(0)
}

fn is_banned(error: &Error) -> bool {
    matches!(error, Error::AccountBanned(_))
}
