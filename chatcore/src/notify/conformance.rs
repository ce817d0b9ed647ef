//! The test suite of [`Notifier`]: what it promises to the readers of the same process, each promise as a case.
//!
//! An implementor writes one test file, with tokio's `macros` and `rt-multi-thread` features among the dev-dependencies:
//!
//! ```
//! use std::sync::Arc;
//! use chatcore::{InProcessNotifier, Notifier};
//!
//! /// A notifier, and what must be kept alive as long as it, such as a server. `None` leaves the case out, where what the
//! /// notifier needs is not there.
//! async fn notifier() -> Option<(Arc<dyn Notifier>, ())> {
//!     Some((Arc::new(InProcessNotifier::new()), ()))
//! }
//!
//! chatcore::notifier_conformance!(notifier);
//! # fn main() {}
//! ```
//!
//! The cases need no other process. Whether hints reach other processes is for the notifier's own tests.

#![allow(clippy::panic, clippy::expect_used, reason = "a suite reports by panicking")]

use std::{fmt, sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use futures_util::{
    StreamExt,
    future::BoxFuture,
    stream::{self, BoxStream},
};
use uuid::Uuid;

use super::{Hint, Notifier, Topic};
use crate::model::{
    Content, Event, EventKind, MessageBody, MessageEvent, MessageStatus, Notice, NoticeId, Seq, SessionId, Signal,
    UserId,
};

/// Gives up on what would otherwise hang for ever. Says nothing about how fast a notifier is.
const PATIENCE: Duration = Duration::from_secs(30);

/// One promise of the contract, as a program that a notifier passes or not.
#[derive(Clone, Copy)]
pub struct Case {
    /// What a notifier does that passes.
    pub name: &'static str,
    run: fn(Arc<dyn Notifier>) -> BoxFuture<'static, ()>,
}

impl Case {
    /// Runs the case.
    ///
    /// # Panics
    /// Where the notifier does not keep the promise.
    pub async fn run(&self, notifier: Arc<dyn Notifier>) {
        (self.run)(notifier).await;
    }
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Case").field(&self.name).finish()
    }
}

/// Every case.
pub const CASES: &[Case] = crate::__notifier_conformance!(list);

/// Runs the case of this name.
///
/// # Panics
/// As [`Case::run`] does, and when there is no such case.
pub async fn run(name: &str, notifier: Arc<dyn Notifier>) {
    let case = CASES.iter().find(|case| case.name == name);
    case.unwrap_or_else(|| panic!("there is no case `{name}`")).run(notifier).await;
}

/// Makes a test of every case of the [notifier conformance suite](crate::notify::conformance).
///
/// Takes an async function or closure that gives `Option<(Arc<dyn Notifier>, guard)>`: a notifier, and anything that is dropped
/// after the case, such as a server. It is called once for each case; `None` leaves the case out. The tests use
/// `#[tokio::test]`, so the invoking crate needs tokio.
#[macro_export]
macro_rules! notifier_conformance {
    ($factory:expr $(,)?) => {
        $crate::__notifier_conformance! { tests [$factory] }
    };
}

/// The one list of the cases, as a slice or as tests.
#[doc(hidden)]
#[macro_export]
macro_rules! __notifier_conformance {
    (list @ $($name:ident)*) => {
        &[$(Case { name: stringify!($name), run: |notifier| Box::pin($name(notifier)) }),*]
    };
    (tests [$factory:expr] @ $($name:ident)*) => {
        $(
            #[::tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                if let ::std::option::Option::Some((notifier, guard)) = ($factory)().await {
                    $crate::notify::conformance::run(stringify!($name), notifier).await;
                    ::std::mem::drop(guard);
                }
            }
        )*
    };
    ($($mode:tt)+) => {
        $crate::__notifier_conformance! { $($mode)+ @
            hints_come_back_once_and_in_order
            hints_reach_no_stream_of_another_topic
            hints_about_a_user_reach_the_streams_of_that_user
            user_ids_are_told_apart_by_every_character
            a_stream_that_is_dropped_stops_no_other
            publishing_waits_for_no_reader
        }
    };
}

fn message(session_id: SessionId, seq: Seq) -> Hint {
    let content = Content::Text("hello".to_owned());
    let body = MessageBody::new(content);
    let status = MessageStatus::AsSent;
    let kind = EventKind::Message(MessageEvent::Sent { body, client_id: None, status });
    let (number, created_at, actor) = (seq, Utc::now(), user("somebody"));
    let event = Event { session_id, seq, number, created_at, actor, kind, governs: false, revision: 1, revised: 0 };
    Hint::Committed { session_id, head: seq, events: vec![Arc::new(event)] }
}

fn user(id: &str) -> UserId {
    UserId::new(id).expect("a user id")
}

/// A user whom no other case speaks of.
fn anybody() -> UserId {
    user(&Uuid::now_v7().to_string())
}

fn session() -> SessionId {
    SessionId(Uuid::now_v7())
}

fn typing(session_id: SessionId, is_typing: bool) -> Hint {
    Hint::Signal(Signal::Typing { session_id, user_id: user("somebody"), is_typing, until: None })
}

fn arrived(user_id: &UserId, session_id: SessionId) -> Hint {
    Hint::Arrived { user_id: user_id.clone(), session_id, is_own: false }
}

/// What is the same in a hint when a notifier leaves its events out.
fn essence(hint: Hint) -> Hint {
    match hint {
        Hint::Committed { session_id, head, events: _ } => Hint::Committed { session_id, head, events: Vec::new() },
        hint @ (Hint::Signal(_)
        | Hint::Arrived { .. }
        | Hint::Revoked { .. }
        | Hint::Notice(_)
        | Hint::Presence { .. }) => hint,
    }
}

/// Asserts that these hints come next, in this order.
async fn assert_heard(stream: &mut BoxStream<'static, Hint>, hints: &[Hint]) {
    for hint in hints {
        match tokio::time::timeout(PATIENCE, stream.next()).await {
            // A hint that comes twice stands in place of the next one.
            Ok(Some(heard)) => assert_eq!(essence(heard), essence(hint.clone()), "in order, and once"),
            Ok(None) => panic!("the stream ended before {hint:?} came back"),
            Err(_) => panic!("{hint:?} did not come back to the process that published it"),
        }
    }
}

async fn publish(notifier: &dyn Notifier, hints: &[Hint]) {
    for hint in hints {
        notifier.publish(hint.clone()).await;
    }
}

async fn hints_come_back_once_and_in_order(notifier: Arc<dyn Notifier>) {
    let here = session();
    let mut streams = vec![notifier.listen(here.into()).await, notifier.listen(here.into()).await];
    let hints = [typing(here, true), message(here, 1), typing(here, false), message(here, 2), typing(here, true)];
    publish(&*notifier, &hints).await;
    for stream in &mut streams {
        assert_heard(stream, &hints).await;
    }
    // Also the last hint comes once: what comes after it is what is published after it.
    publish(&*notifier, &[typing(here, false)]).await;
    for stream in &mut streams {
        assert_heard(stream, &[typing(here, false)]).await;
    }
}

async fn hints_reach_no_stream_of_another_topic(notifier: Arc<dyn Notifier>) {
    let (here, there, who) = (session(), session(), anybody());
    let mut elsewhere = notifier.listen(there.into()).await;
    let mut of_user = notifier.listen(Topic::User(who.clone())).await;
    publish(&*notifier, &[typing(here, true), message(here, 1), arrived(&anybody(), there)]).await;
    publish(&*notifier, &[typing(there, true), arrived(&who, here)]).await;
    assert_heard(&mut elsewhere, &[typing(there, true)]).await;
    assert_heard(&mut of_user, &[arrived(&who, here)]).await;
}

async fn hints_about_a_user_reach_the_streams_of_that_user(notifier: Arc<dyn Notifier>) {
    let who = anybody();
    let mut streams =
        vec![notifier.listen(Topic::User(who.clone())).await, notifier.listen(Topic::User(who.clone())).await];
    let own = Hint::Arrived { user_id: who.clone(), session_id: session(), is_own: true };
    let hints = [arrived(&who, session()), own, arrived(&who, session())];
    publish(&*notifier, &hints).await;
    for stream in &mut streams {
        assert_heard(stream, &hints).await;
    }
    // What is for all users has a topic of its own.
    let mut of_all = notifier.listen(Topic::Everybody).await;
    let notice = Notice { id: NoticeId(Uuid::now_v7()), text: "Hello".into(), created_at: DateTime::UNIX_EPOCH };
    publish(&*notifier, &[arrived(&who, session()), Hint::Notice(notice.clone())]).await;
    assert_heard(&mut of_all, &[Hint::Notice(notice.clone())]).await;
    let mut of_standings = notifier.listen(Topic::Standings).await;
    let revoked = Hint::Revoked { user_id: who.clone() };
    publish(&*notifier, &[arrived(&who, session()), revoked.clone(), Hint::Notice(notice.clone())]).await;
    assert_heard(&mut of_standings, &[revoked]).await;
    let mut of_presence = notifier.listen(Topic::Presence).await;
    let presence =
        Hint::Presence { process: "p".to_owned(), turn: 3, moved: vec![who.clone()], chose: vec![anybody()] };
    publish(&*notifier, &[arrived(&who, session()), Hint::Notice(notice), presence.clone()]).await;
    assert_heard(&mut of_presence, &[presence]).await;
}

async fn user_ids_are_told_apart_by_every_character(notifier: Arc<dyn Notifier>) {
    let base = anybody();
    // What means something in addresses, patterns and paths, and what differs only in case or in the way of writing it.
    let endings =
        ["", "a", "A", ".", ".a", "*", ">", " ", " a", "/", "%20", "+", "#", "é", "e\u{301}", "\u{1f600}", "\"", "\\"];
    let users: Vec<UserId> = endings.iter().filter_map(|end| UserId::new(format!("{base}{end}")).ok()).collect();
    let mut streams = Vec::new();
    for who in &users {
        streams.push(notifier.listen(Topic::User(who.clone())).await);
    }
    let hints: Vec<Hint> = users.iter().map(|who| arrived(who, session())).collect();
    publish(&*notifier, &hints).await;
    publish(&*notifier, &hints).await;
    for (stream, hint) in streams.iter_mut().zip(&hints) {
        assert_heard(stream, &[hint.clone(), hint.clone()]).await;
    }
}

async fn a_stream_that_is_dropped_stops_no_other(notifier: Arc<dyn Notifier>) {
    let here = session();
    let mut kept = notifier.listen(here.into()).await;
    for n in 1..10 {
        let dropped = notifier.listen(here.into()).await;
        publish(&*notifier, &[message(here, n)]).await;
        drop(dropped);
        assert_heard(&mut kept, &[message(here, n)]).await;
    }
    drop(kept);
    let mut again = notifier.listen(here.into()).await;
    publish(&*notifier, &[message(here, 10)]).await;
    assert_heard(&mut again, &[message(here, 10)]).await;
}

async fn publishing_waits_for_no_reader(notifier: Arc<dyn Notifier>) {
    let (here, there) = (session(), session());
    // Nobody reads it.
    let _slow = notifier.listen(here.into()).await;
    let mut other = notifier.listen(there.into()).await;
    let many = stream::iter(1..=10_000).for_each(|n| notifier.publish(message(here, n)));
    assert!(tokio::time::timeout(PATIENCE, many).await.is_ok(), "publishing waits for a reader who does not read");
    publish(&*notifier, &[typing(there, true)]).await;
    assert_heard(&mut other, &[typing(there, true)]).await;
}
