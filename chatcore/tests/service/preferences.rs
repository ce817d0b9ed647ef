//! A user's settings for sessions.

use std::time::Duration;

use chatcore::{
    InProcessNotifier,
    chat::Delivery,
    model::{Preferences, Signal},
};
use futures_util::StreamExt as _;

use super::*;

const MUTED: SetPreferences = SetPreferences { is_muted: Some(true), muted_until: None, is_favourite: None };
const LOUD: SetPreferences = SetPreferences { is_muted: Some(false), muted_until: None, is_favourite: None };

/// The settings as each use case that shows them shows them, which must be the same.
async fn preferences(chat: &Chat, who: &Principal, id: SessionId) -> Preferences {
    let details = chat.session(who, id).await.unwrap().preferences;
    let list = chat.sessions(who, Page::FIRST).await.unwrap();
    let listed = list.iter().find(|one| one.session.id == id).unwrap().overview.as_ref().unwrap().preferences;
    let by_id = chat.overviews_by_id(who, &[id]).await.unwrap().remove(0).unwrap().unwrap().preferences;
    assert_eq!([listed, by_id], [details; 2]);
    details
}

#[tokio::test]
async fn settings_are_kept_for_the_user_and_shown_to_nobody_else() {
    let (chat, alice, bob) = (uncounted(MemoryStore::new()), user("alice"), user("bob"));
    let (id, other) = (room(&chat, &alice, &[&bob]).await, room(&chat, &alice, &[&bob]).await);
    let favourite = SetPreferences { is_favourite: Some(true), ..SetPreferences::default() };
    let muted = Preferences { is_muted: true, ..Preferences::default() };
    assert_eq!(chat.set_preferences(&bob, id, MUTED).await, Ok(muted));
    let both = Preferences { is_favourite: true, ..muted };
    assert_eq!(chat.set_preferences(&bob, id, favourite).await, Ok(both), "what is not named stays");
    assert_eq!(preferences(&chat, &bob, id).await, both);
    for (who, id) in [(&bob, other), (&alice, id)] {
        assert_eq!(preferences(&chat, who, id).await, Preferences::default());
    }
    let loud = Preferences { is_muted: false, ..both };
    assert_eq!(chat.set_preferences(&bob, id, LOUD).await, Ok(loud));
    // They outlive a stay.
    chat.leave(&bob, id).await.unwrap();
    assert_denied(chat.set_preferences(&bob, id, MUTED).await, Denial::NotParticipant);
    chat.join(&bob, id).await.unwrap();
    assert_eq!(preferences(&chat, &bob, id).await, loud);
}

#[tokio::test]
async fn a_mute_ends_by_itself_and_its_end_is_checked() {
    let clock = TestClock::default();
    let chat = Chat::builder(MemoryStore::new()).clock(clock.clone()).rates(RateLimits::off()).build();
    let alice = user("alice");
    let id = session(&chat, &alice, SessionType::Private).await;
    let until = |minutes| Some(chat.now() + TimeDelta::minutes(minutes));
    let for_an_hour = SetPreferences { muted_until: until(60), ..MUTED };
    let muted = Preferences { is_muted: true, muted_until: for_an_hour.muted_until, is_favourite: false };
    assert_eq!(chat.set_preferences(&alice, id, for_an_hour).await, Ok(muted));
    assert_eq!(preferences(&chat, &alice, id).await, muted);
    for past in [0, -1] {
        let past = SetPreferences { muted_until: until(past), ..MUTED };
        assert_fault(chat.set_preferences(&alice, id, past).await, "muted_until", Code::ValidationInvalidValue);
    }
    for alone in [LOUD, SetPreferences::default()] {
        let alone = SetPreferences { muted_until: until(1), ..alone };
        assert_fault(chat.set_preferences(&alice, id, alone).await, "muted_until", Code::ValidationInvalidValue);
    }
    clock.advance(TimeDelta::minutes(60));
    assert_eq!(preferences(&chat, &alice, id).await, Preferences::default());
}

#[tokio::test]
async fn the_other_devices_of_the_user_are_told_once() {
    let (store, notifier) = (MemoryStore::new(), Arc::new(InProcessNotifier::new()));
    let process = || Chat::builder(store.clone()).notifier(Arc::clone(&notifier)).build();
    let (here, there, alice, bob) = (process(), process(), user("alice"), user("bob"));
    let id = room(&here, &alice, &[&bob]).await;
    let mut hers = here.subscribe(&alice, id, None).await.unwrap();
    let mut his = there.subscribe(&bob, id, None).await.unwrap();
    let set = here.set_preferences(&bob, id, MUTED).await.unwrap();
    here.set_preferences(&bob, id, MUTED).await.unwrap();
    here.typing(&alice, id, true).await.unwrap();
    here.typing(&bob, id, true).await.unwrap();
    let wait = Duration::from_secs(30);
    let told = Signal::Preferences { user_id: bob.user_id.clone(), session_id: id, preferences: set };
    let first = tokio::time::timeout(wait, his.next()).await.unwrap().unwrap().unwrap();
    assert!(matches!(first, Delivery::Signal(signal) if signal.signal == told));
    // The next that each of them hears is the typing of the other one.
    for (stream, typist) in [(&mut his, &alice), (&mut hers, &bob)] {
        let next = tokio::time::timeout(wait, stream.next()).await.unwrap().unwrap().unwrap();
        let Delivery::Signal(signal) = next else { panic!("{next:?}") };
        assert!(
            matches!(&signal.signal, Signal::Typing { user_id, is_typing: true, .. } if *user_id == typist.user_id),
            "{signal:?}"
        );
    }
}
