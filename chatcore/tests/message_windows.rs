//! Pages of messages, compared with a filter over the whole log: every window over logs in which messages, governance
//! events and equal times are mixed at random.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail by panicking"
)]

mod kit;

use chatcore::{
    Chat, Clock, Error, MemoryStore, Principal, RateLimits, TestClock,
    chat::UpdateSession,
    model::{Bound, Cursor, Message, MessagePage, MessageWindow, Seq, SessionId, SessionType},
};
use chrono::{DateTime, TimeDelta, Utc};
use kit::{say, session, user};
use proptest::prelude::*;

/// One more event, so many seconds after the one before.
#[derive(Debug, Clone, Copy)]
struct Step {
    is_message: bool,
    seconds: i64,
}

struct Made {
    chat: Chat,
    alice: Principal,
    id: SessionId,
    messages: Vec<Message>,
    /// When each event was accepted, from position 1 on.
    times: Vec<DateTime<Utc>>,
    /// Where messages give way to other events or the other way round: the position, and how many messages there are.
    turns: Vec<(Seq, u64)>,
}

async fn make(steps: &[Step]) -> Made {
    let clock = TestClock::default();
    let chat = Chat::builder(MemoryStore::new()).clock(clock.clone()).rates(RateLimits::off()).build();
    let alice = user("alice");
    let id = session(&chat, &alice, SessionType::Public).await;
    let (mut messages, mut times, mut turns) = (Vec::new(), vec![clock.now()], Vec::new());
    for (n, step) in steps.iter().enumerate() {
        clock.advance(TimeDelta::seconds(step.seconds));
        if n > 0 && steps[n - 1].is_message != step.is_message {
            turns.push((times.len() as Seq, messages.len() as u64));
        }
        times.push(clock.now());
        if step.is_message {
            messages.push(say(&chat, &alice, id, &n.to_string()).await);
        } else {
            let update = UpdateSession { title: Some(n.to_string()), ..UpdateSession::default() };
            chat.update_session(&alice, id, update).await.unwrap();
        }
    }
    Made { chat, alice, id, messages, times, turns }
}

/// The page that a filter over all messages gives.
fn filtered(all: &[Message], window: MessageWindow, limit: usize) -> MessagePage {
    let is_before = |message: &&Message, bound: Bound| match bound {
        Bound::Seq(seq) | Bound::Cursor(Cursor { seq, .. }) => message.seq < seq,
        Bound::Time(time) => message.created_at < time,
    };
    let is_after = |message: &&Message, bound: Bound| match bound {
        Bound::Seq(seq) | Bound::Cursor(Cursor { seq, .. }) => message.seq > seq,
        Bound::Time(time) => message.created_at > time,
    };
    let last = |messages: Vec<&Message>| messages.len().saturating_sub(limit);
    let messages: Vec<Message> = match window {
        MessageWindow::Skip(skip) => all.iter().skip(usize::try_from(skip).unwrap()).take(limit).cloned().collect(),
        MessageWindow::Newest => all.iter().skip(all.len().saturating_sub(limit)).cloned().collect(),
        MessageWindow::Before(bound) => {
            let before: Vec<&Message> = all.iter().filter(|message| is_before(message, bound)).collect();
            before.iter().skip(last(before.clone())).copied().cloned().collect()
        }
        MessageWindow::After(bound) => {
            all.iter().filter(|message| is_after(message, bound)).take(limit).cloned().collect()
        }
    };
    let seq_where = |edge: Option<&Message>, more: Option<&Message>| {
        edge.filter(|edge| more.is_some_and(|more| more.seq != edge.seq)).map(Message::cursor)
    };
    MessagePage {
        previous: seq_where(messages.first(), all.first()),
        next: seq_where(messages.last(), all.last()),
        messages,
        total: all.len() as u64,
    }
}

/// Every kind of window, at every place that matters.
fn windows(made: &Made, places: &[usize]) -> Vec<MessageWindow> {
    let head = made.times.len();
    let mut windows = vec![MessageWindow::Newest, MessageWindow::Skip(0), MessageWindow::Skip(1_000_000)];
    let mut bounds = vec![Bound::Seq(0), Bound::Seq(1), Bound::Seq(Seq::MAX)];
    bounds.extend([DateTime::<Utc>::MIN_UTC, DateTime::<Utc>::MAX_UTC].map(Bound::Time));
    for place in places.iter().map(|place| place % head) {
        bounds.push(Bound::Cursor(Cursor::at(place as u64 + 1, made.times[place])));
    }
    for place in places.iter().map(|place| place % (head + 2)) {
        windows.push(MessageWindow::Skip(place as u64));
        bounds.push(Bound::Seq(place as u64));
        let time = made.times.get(place).copied().unwrap_or_else(|| *made.times.last().unwrap());
        bounds.extend([-1, 0, 1].map(|off| Bound::Time(time + TimeDelta::milliseconds(off))));
    }
    for (seq, count) in &made.turns {
        windows.extend([count.saturating_sub(2), count.saturating_sub(1), *count, count + 1].map(MessageWindow::Skip));
        bounds.extend([seq - 1, *seq, seq + 1].map(Bound::Seq));
    }
    windows.extend(bounds.iter().copied().map(MessageWindow::Before));
    windows.extend(bounds.iter().copied().map(MessageWindow::After));
    windows
}

/// Whether no client can know the position at which the window begins or ends.
fn is_beyond(window: MessageWindow, head: Seq) -> bool {
    match window {
        MessageWindow::After(Bound::Seq(seq)) => seq > head,
        MessageWindow::Before(Bound::Seq(seq)) => seq > head + 1,
        _ => false,
    }
}

async fn compare(made: &Made, places: &[usize], limits: &[u64]) {
    for window in windows(made, places) {
        for limit in limits {
            let page = made.chat.messages(&made.alice, made.id, window, Some(*limit)).await;
            let head = made.times.len() as Seq;
            if is_beyond(window, head) {
                assert_eq!(page, Err(Error::Resync { oldest: 0, head }), "{window:?}");
                continue;
            }
            let page = page.unwrap();
            let expected = filtered(&made.messages, window, usize::try_from(*limit).unwrap());
            assert_eq!(page, expected, "{window:?}, at most {limit}");
        }
    }
}

/// Goes through all messages page by page, both ways.
async fn walk(made: &Made, limit: u64) {
    let page = |window| made.chat.messages(&made.alice, made.id, window, Some(limit));
    let mut forward = Vec::new();
    let mut next = Some(Cursor::from(0));
    while let Some(after) = next {
        let page = page(MessageWindow::After(Bound::Cursor(after))).await.unwrap();
        forward.extend(page.messages);
        next = page.next;
    }
    assert_eq!(forward, made.messages);
    let mut backward = Vec::new();
    let mut previous = Some(Bound::Seq(made.times.len() as Seq + 1));
    while let Some(before) = previous {
        let page = page(MessageWindow::Before(before)).await.unwrap();
        backward.splice(0..0, page.messages);
        previous = page.previous.map(Bound::Cursor);
    }
    assert_eq!(backward, made.messages);
}

fn check(steps: &[Step], places: &[usize], limits: &[u64]) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let made = make(steps).await;
        compare(&made, places, limits).await;
        for limit in limits {
            walk(&made, *limit).await;
        }
    });
}

/// Runs of messages and of other events, so that long stretches of each come up.
fn logs(runs: usize, longest: usize) -> impl Strategy<Value = Vec<Step>> {
    let run = (any::<bool>(), 1..=longest, 0..3_i64);
    proptest::collection::vec(run, 0..=runs).prop_map(|runs| {
        let steps = |(is_message, length, seconds)| std::iter::repeat_n(Step { is_message, seconds }, length);
        runs.into_iter().flat_map(steps).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn short_logs_give_the_pages_of_a_filter(steps in logs(8, 4)) {
        let everywhere: Vec<usize> = (0..steps.len() + 3).collect();
        check(&steps, &everywhere, &[1, 2, 3, 5, 100]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, failure_persistence: None, ..ProptestConfig::default() })]

    // Longer than what is read at once, so that places are searched for.
    #[test]
    fn long_logs_give_the_pages_of_a_filter(
        steps in logs(6, 250),
        places in proptest::collection::vec(0_usize..2_000, 12),
        limit in 1..=100_u64,
    ) {
        check(&steps, &places, &[limit, 100]);
    }
}

#[test]
fn every_place_of_a_long_log_is_found() {
    let stretch = |is_message, length| std::iter::repeat_n(Step { is_message, seconds: 1 }, length);
    let mixed = (0..150).map(|n| Step { is_message: n % 3 == 0, seconds: n % 2 });
    // Also pages whose messages are further apart than what is read at once.
    let apart = stretch(true, 5).chain(stretch(false, 130)).chain(stretch(true, 30));
    let steps: Vec<Step> = stretch(false, 170).chain(apart).chain(mixed).chain(stretch(true, 20)).collect();
    let everywhere: Vec<usize> = (0..steps.len() + 2).collect();
    check(&steps, &everywhere, &[1, 7]);
}

#[test]
fn the_default_page_has_fifty() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let made = make(&[Step { is_message: true, seconds: 1 }; 120]).await;
        let page = made.chat.messages(&made.alice, made.id, MessageWindow::Newest, None).await.unwrap();
        assert_eq!((page.messages.len(), page.total), (50, 120));
        assert_eq!((page.previous.map(|cursor| cursor.seq), page.next), (Some(72), None));
    });
}
