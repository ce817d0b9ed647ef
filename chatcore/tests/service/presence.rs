//! Presence: who is there, what others see of it, and what it costs.

mod cost;
mod processes;

use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering as AtomicOrdering},
    },
    time::Duration,
};

use chatcore::{
    InProcessNotifier,
    chat::{AllDelivery, Delivery, Device, SetPresence, Subscription},
    model::{Availability, OwnPresence, Presence, PresenceState, PresenceStatus, Signal, StatusText, UserId},
};
use futures_util::StreamExt as _;
use tokio::task::{JoinSet, yield_now};

use super::*;
use crate::kit::in_time;

/// What several processes have in common.
#[derive(Clone, Default)]
struct World {
    store: Breakable,
    clock: TestClock,
}

impl World {
    /// A process.
    fn process(&self, notifier: &InProcessNotifier) -> Chat {
        let builder = Chat::builder(self.store.clone()).clock(self.clock.clone()).notifier(notifier.clone());
        builder.rates(RateLimits::off()).build()
    }

    fn alone(&self) -> Chat {
        self.process(&InProcessNotifier::new())
    }

    fn pass(&self, seconds: i64) {
        self.clock.advance(TimeDelta::seconds(seconds));
    }
}

/// Waits for something that a background task does.
async fn until<T>(mut look: impl AsyncFnMut() -> Option<T>) -> T {
    in_time(async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            yield_now().await;
        }
    })
    .await
}

async fn seen(chat: &Chat, by: &Principal, of: &Principal) -> Option<PresenceState> {
    let found = chat.presence_of(by, std::slice::from_ref(&of.user_id)).await.unwrap();
    found.into_iter().next().map(|Presence { user, state }| {
        assert_eq!(user.user_id, of.user_id);
        state
    })
}

async fn status(chat: &Chat, by: &Principal, of: &Principal) -> PresenceStatus {
    seen(chat, by, of).await.unwrap().status
}

/// Waits until a user is seen like this.
async fn until_seen(chat: &Chat, by: &Principal, of: &Principal, wanted: PresenceStatus) {
    until(async || (status(chat, by, of).await == wanted).then_some(())).await;
}

/// Lets background tasks do what they can.
async fn settle() {
    for _ in 0..200 {
        yield_now().await;
    }
}

async fn following(chat: &Chat, who: &Principal, id: SessionId) -> Subscription {
    let mut events = chat.subscribe(who, id, None).await.unwrap();
    events.show_presence().await;
    events
}

/// The next signal about presence.
async fn told(events: &mut Subscription) -> (UserId, PresenceState) {
    match in_time(events.next()).await.unwrap().unwrap() {
        Delivery::Signal(view) => match &view.signal {
            Signal::Presence { user_id, state, .. } => (user_id.clone(), state.clone()),
            Signal::Typing { .. }
            | Signal::ReadMarker { .. }
            | Signal::Preferences { .. }
            | Signal::JoinRequestDeclined { .. }
            | Signal::Thread { .. }
            | Signal::Receipt { .. }
            | Signal::MessagePart { .. }
            | Signal::Report { .. } => {
                panic!("{view:?}")
            }
        },
        Delivery::Event(view) => panic!("{view:?}"),
    }
}

/// The users of whom signals tell that wait. Where the time of the runtime is paused, it ends when nothing is left to do.
async fn waiting(events: &mut Subscription) -> Vec<(String, PresenceStatus)> {
    let mut found = Vec::new();
    while let Ok(Some(next)) = tokio::time::timeout(Duration::from_millis(20), events.next()).await {
        if let Delivery::Signal(view) = next.unwrap()
            && let Signal::Presence { user_id, state, .. } = &view.signal
        {
            found.push((user_id.to_string(), state.status));
        }
    }
    found
}

fn choose(availability: Availability) -> SetPresence {
    SetPresence { availability: Some(availability), ..SetPresence::default() }
}

fn say_of_me(text: &str, until: Option<chrono::DateTime<Utc>>) -> SetPresence {
    SetPresence { text: Some(Some(StatusText { text: text.to_owned(), until })), ..SetPresence::default() }
}

fn hide(is_hidden: bool) -> SetPresence {
    SetPresence { is_hidden: Some(is_hidden), ..SetPresence::default() }
}

use PresenceStatus::{Away, DoNotDisturb, Offline, Online};

#[tokio::test]
async fn a_user_is_there_while_a_device_is_and_was_seen_when_the_last_one_went() {
    let (world, alice, bob) = (World::default(), user("alice"), user("bob"));
    let chat = world.alone();
    let id = room(&chat, &alice, &[&bob]).await;
    assert_eq!(seen(&chat, &alice, &bob).await, Some(PresenceState::NOTHING));
    // A program that follows a session appears nowhere.
    let _events = chat.subscribe(&bob, id, None).await.unwrap();
    assert_eq!(status(&chat, &alice, &bob).await, Offline);
    let (phone, desk) = (chat.device(&bob), chat.device(&bob));
    assert_eq!(status(&chat, &alice, &bob).await, Online);
    drop(phone);
    world.pass(3_600);
    settle().await;
    assert_eq!(status(&chat, &alice, &bob).await, Online);
    let gone = world.clock_now();
    drop(desk);
    world.pass(9);
    settle().await;
    let state = seen(&chat, &alice, &bob).await.unwrap();
    assert_eq!((state.status, state.last_seen), (Online, None));
    world.pass(1);
    let state = seen(&chat, &alice, &bob).await.unwrap();
    assert_eq!((state.status, state.last_seen), (Offline, Some(gone)));
    // A process that starts later knows it, too.
    until(async || seen(&world.alone(), &alice, &bob).await.filter(|state| state.last_seen == Some(gone))).await;
}

impl World {
    fn clock_now(&self) -> chrono::DateTime<Utc> {
        chatcore::Clock::now(&self.clock)
    }
}

#[tokio::test]
async fn only_who_shares_a_session_sees_more_of_a_user_than_of_nobody() {
    let (world, alice, bob, carol) = (World::default(), user("alice"), user("bob"), user("carol"));
    let chat = world.alone();
    let id = room(&chat, &alice, &[&bob]).await;
    let elsewhere = room(&chat, &carol, &[]).await;
    let _device = chat.device(&bob);
    assert_eq!(seen(&chat, &carol, &bob).await, None);
    assert_eq!(seen(&chat, &carol, &user("nobody")).await, None);
    assert_denied(chat.presence(&carol, id, Page::FIRST).await, Denial::NotParticipant);
    assert_eq!(status(&chat, &bob, &bob).await, Online);
    // In the order in which they are named, each once.
    let names = ["bob", "nobody", "alice", "carol", "bob"].map(user_id);
    let found = chat.presence_of(&alice, &names).await.unwrap();
    let found: Vec<_> = found.iter().map(|one| (one.user.user_id.as_str(), one.state.status)).collect();
    assert_eq!(found, [("bob", Online), ("alice", Offline)]);

    chat.join(&bob, elsewhere).await.unwrap();
    assert_eq!(status(&chat, &carol, &bob).await, Online);
    chat.leave(&bob, elsewhere).await.unwrap();
    assert_eq!(seen(&chat, &carol, &bob).await, None);
    // A session that was deleted is shared by nobody.
    chat.delete_session(&alice, id).await.unwrap();
    assert_eq!(seen(&chat, &alice, &bob).await, None);

    let many = vec![bob.user_id.clone(); 101];
    let too_many = Error::LimitExceeded { what: "the number of users asked for at once", limit: 100 };
    assert_eq!(chat.presence_of(&alice, &many).await.unwrap_err(), too_many);
}

#[tokio::test]
async fn the_presence_in_a_session_has_pages_in_the_order_of_the_participants() {
    let (world, alice) = (World::default(), user("alice"));
    let chat = world.alone();
    let others: Vec<_> = (0..7).map(|n| user(&format!("user{n}"))).collect();
    let id = room(&chat, &alice, &others.iter().collect::<Vec<_>>()).await;
    let _devices: Vec<_> = others.iter().step_by(2).map(|one| chat.device(one)).collect();
    let (mut found, mut page) = (Vec::new(), Page { limit: Some(3), ..Page::FIRST });
    loop {
        let part = chat.presence(&alice, id, page).await.unwrap();
        found.extend(part.iter().map(|one| (one.presence.user.user_id.to_string(), one.presence.state.status)));
        let Some(next) = part.next else { break };
        page.after = Some(next);
    }
    let status = |n: usize| if n.is_multiple_of(2) { Online } else { Offline };
    let mut expected = vec![("alice".to_owned(), Offline)];
    expected.extend((0..7).map(|n| (format!("user{n}"), status(n))));
    assert_eq!(found, expected);
}

#[tokio::test]
async fn what_a_user_chooses_shows_while_a_device_is_connected_and_words_until_their_end() {
    let (world, alice, bob) = (World::default(), user("alice"), user("bob"));
    let chat = world.alone();
    room(&chat, &alice, &[&bob]).await;
    chat.set_presence(&bob, choose(Availability::DoNotDisturb)).await.unwrap();
    assert_eq!(status(&chat, &alice, &bob).await, Offline);
    let _device = chat.device(&bob);
    assert_eq!(status(&chat, &alice, &bob).await, DoNotDisturb);
    let until = world.clock_now() + TimeDelta::minutes(1);
    let own = chat.set_presence(&bob, say_of_me("Lunch", Some(until))).await.unwrap();
    let text = Some(StatusText { text: "Lunch".to_owned(), until: Some(until) });
    let OwnPresence { state, availability, is_hidden, .. } = own.clone();
    assert_eq!((state.text, availability, is_hidden), (text.clone(), Availability::DoNotDisturb, false));
    assert_eq!(chat.own_presence(&bob).await.unwrap(), own);
    assert_eq!(seen(&chat, &alice, &bob).await.unwrap().text, text);
    world.pass(60);
    assert_eq!(seen(&chat, &alice, &bob).await.unwrap().text, None);

    let limits: usize = chat.limits().status_chars;
    let faulty = [
        ("", None, Code::ValidationRequiredField),
        (" \u{200b}", None, Code::ValidationRequiredField),
        ("a\nb", None, Code::ValidationInvalidValue),
        (&"x".repeat(limits + 1), None, Code::ValidationLengthExceeded),
    ];
    for (text, until, code) in faulty {
        assert_fault(chat.set_presence(&bob, say_of_me(text, until)).await, "text", code);
    }
    let ended = say_of_me("x", Some(world.clock_now()));
    assert_fault(chat.set_presence(&bob, ended).await, "text_until", Code::ValidationInvalidValue);
    chat.set_presence(&bob, say_of_me(&"x".repeat(limits), None)).await.unwrap();
    let nothing = SetPresence { text: Some(None), ..choose(Availability::Away) };
    let own = chat.set_presence(&bob, nothing).await.unwrap();
    assert_eq!((own.state.status, own.state.text), (Away, None));
}

#[tokio::test(start_paused = true)]
async fn who_hides_appears_offline_and_sees_the_others() {
    let (world, alice, bob) = (World::default(), user("alice"), user("bob"));
    let chat = world.alone();
    let id = room(&chat, &alice, &[&bob]).await;
    let _hers = chat.device(&alice);
    let mut events = following(&chat, &alice, id).await;
    settle().await;
    world.pass(1);
    let his = chat.device(&bob);
    assert_eq!(told(&mut events).await.1.status, Online);
    world.pass(3);
    let own =
        chat.set_presence(&bob, SetPresence { is_hidden: Some(true), ..say_of_me("secret", None) }).await.unwrap();
    assert_eq!((own.state.status, own.is_hidden), (Online, true));
    assert_eq!(told(&mut events).await.1, PresenceState::NOTHING);
    assert_eq!(seen(&chat, &alice, &bob).await, Some(PresenceState::NOTHING));
    assert_eq!(chat.presence(&bob, id, Page::FIRST).await.unwrap()[1].presence.state, PresenceState::NOTHING);
    assert_eq!(status(&chat, &bob, &alice).await, Online);

    // Nothing tells that the user comes, goes or says something.
    drop(his);
    world.pass(60);
    settle().await;
    assert_eq!(seen(&chat, &alice, &bob).await, Some(PresenceState::NOTHING));
    let _his = chat.device(&bob);
    chat.set_presence(&bob, say_of_me("another secret", None)).await.unwrap();
    world.pass(60);
    assert_eq!(waiting(&mut events).await, []);
    world.pass(3);
    chat.set_presence(&bob, hide(false)).await.unwrap();
    let (who, state) = told(&mut events).await;
    assert_eq!((who.as_str(), state.status, state.text.unwrap().text), ("bob", Online, "another secret".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn readers_who_ask_are_told_and_nobody_else() {
    let (world, alice, bob, carol) = (World::default(), user("alice"), user("bob"), user("carol"));
    let chat = world.alone();
    let id = room(&chat, &alice, &[&bob]).await;
    let elsewhere = room(&chat, &carol, &[&alice]).await;
    let mut asked = following(&chat, &alice, id).await;
    let mut silent = chat.subscribe(&alice, id, None).await.unwrap();
    let mut own = following(&chat, &bob, id).await;
    let mut other = following(&chat, &carol, elsewhere).await;
    let device = chat.device(&bob);
    assert_eq!(told(&mut asked).await, (user_id("bob"), PresenceState { status: Online, ..PresenceState::NOTHING }));
    let gone = world.clock_now();
    drop(device);
    world.pass(10);
    let (who, state) = told(&mut asked).await;
    assert_eq!((who.as_str(), state.status, state.last_seen), ("bob", Offline, Some(gone)));
    for events in [&mut silent, &mut own, &mut other] {
        assert_eq!(waiting(events).await, []);
    }
    // A user who left is nobody's business any more.
    chat.leave(&bob, id).await.unwrap();
    world.pass(10);
    let _device = chat.device(&bob);
    assert_eq!(waiting(&mut asked).await, []);
}

#[tokio::test]
async fn the_stream_of_all_sessions_tells_of_all_who_share_one() {
    let (world, alice, bob) = (World::default(), user("alice"), user("bob"));
    let chat = world.alone();
    let first = room(&chat, &alice, &[&bob]).await;
    let mut all = chat.subscribe_all(&alice, &[]).await.unwrap();
    all.show_presence().await;
    let second = room(&chat, &bob, &[&alice]).await;
    let is_followed = |next: &AllDelivery| matches!(next, AllDelivery::Subscribed(from) if from.session_id == second);
    while !is_followed(&in_time(all.next()).await.unwrap().unwrap()) {}
    let _device = chat.device(&bob);
    let mut sessions = Vec::new();
    while sessions.len() < 2 {
        let next = in_time(all.next()).await.unwrap().unwrap();
        if let AllDelivery::Delivered(Delivery::Signal(view)) = next {
            sessions.push(view.signal.session_id());
        } else {
            continue;
        }
    }
    sessions.sort();
    assert_eq!(sessions, [first.min(second), first.max(second)]);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_flaps_costs_the_readers_next_to_nothing() {
    let (world, alice, bob) = (World::default(), user("alice"), user("bob"));
    let chat = world.alone();
    let id = room(&chat, &alice, &[&bob]).await;
    let mut events = following(&chat, &alice, id).await;
    let mut signals = Vec::new();
    for _ in 0..60 {
        for _ in 0..20 {
            drop(chat.device(&bob));
            settle().await;
        }
        world.pass(1);
        signals.extend(waiting(&mut events).await);
    }
    assert_eq!(signals, [("bob".to_owned(), Online)]);
    signals.clear();
    // It is gone for good, and comes back.
    world.pass(10);
    signals.extend(waiting(&mut events).await);
    assert_eq!(signals, [("bob".to_owned(), Offline)]);
    signals.clear();
    for turn in 0..60 {
        for _ in 0..20 {
            chat.set_presence(&bob, hide(true)).await.unwrap();
            chat.set_presence(&bob, choose(Availability::Away)).await.unwrap();
            chat.set_presence(&bob, hide(turn == 30)).await.unwrap();
        }
        world.pass(1);
        signals.extend(waiting(&mut events).await);
    }
    assert!((10..=21).contains(&signals.len()), "{}: {signals:?}", signals.len());
}
