//! Statistics.

use std::sync::{Arc, atomic::Ordering};

use chatcore::{
    Administration, Chat, Clock as _, Error, MemoryStore, RateLimits, TestClock,
    admin::{DayStatistics, Statistics},
    model::SessionType,
    store::{ChatStoreExt as _, Counters},
};
use chrono::TimeDelta;

use super::{kit, origin, root};
use kit::{Breakable, room, say, session, user};

fn chat(store: &Arc<MemoryStore>, clock: &TestClock) -> Chat {
    Chat::builder(Arc::clone(store)).clock(clock.clone()).rates(RateLimits::off()).build()
}

async fn statistics(admin: &Administration) -> Statistics {
    admin.statistics(&root()).await.unwrap()
}

fn counts(day: &DayStatistics) -> (u64, u64, u64) {
    (day.users, day.sessions, day.messages)
}

#[tokio::test]
async fn totals_and_days_are_counted_in_each_process() {
    let (store, clock) = (Arc::new(MemoryStore::new()), TestClock::default());
    let (one, other) = (chat(&store, &clock), chat(&store, &clock));
    let (admin, elsewhere) = (Administration::new(one.clone()), Administration::new(other.clone()));
    admin.count_connections(|| 7);
    let (ann, bob) = (user("ann"), user("bob"));
    let id = room(&one, &ann, &[&bob]).await;
    say(&one, &ann, id, "Yesterday").await;
    clock.advance(TimeDelta::days(1));
    let gone = session(&other, &bob, SessionType::Private).await;
    for text in ["Today", "Today again"] {
        say(&other, &bob, id, text).await;
    }
    other.delete_session(&bob, gone).await.unwrap();
    // A session that is restored is one deletion less.
    other.restore_session(&bob, gone).await.unwrap();
    other.delete_session(&bob, gone).await.unwrap();
    // A session that is deleted and then closed is one deletion.
    admin.close_session(&root(), &origin(), gone, None).await.unwrap();
    elsewhere.flush().await.unwrap();
    let found = statistics(&admin).await;
    let Statistics { users, sessions, messages, connections, days } = &found;
    // The administrator is seen, too.
    assert_eq!((*users, *sessions, *messages, *connections), (3, 1, 3, 7));
    assert_eq!((days.len(), days[29].date), (30, clock.now().date_naive()));
    assert!(days.windows(2).all(|pair| pair[0].date.succ_opt() == Some(pair[1].date)));
    assert_eq!((counts(&days[29]), counts(&days[28]), counts(&days[0])), ((1, 1, 2), (2, 1, 1), (0, 0, 0)));
    admin.close_session(&root(), &origin(), id, None).await.unwrap();
    admin.flush().await.unwrap();
    clock.advance(TimeDelta::days(29));
    let found = statistics(&elsewhere).await;
    assert_eq!((found.sessions, found.messages, counts(&found.days[0])), (0, 3, (1, 1, 2)));
}

#[tokio::test]
async fn what_could_not_be_written_is_kept() {
    let store = Breakable::default();
    let chat = kit::uncounted(store.clone());
    let admin = Administration::new(chat.clone());
    let id = room(&chat, &user("ann"), &[]).await;
    say(&chat, &user("ann"), id, "Hello").await;
    store.commits_fail.store(true, Ordering::SeqCst);
    assert_eq!(admin.flush().await, Err(Error::Unavailable));
    store.commits_fail.store(false, Ordering::SeqCst);
    admin.flush().await.unwrap();
    admin.flush().await.unwrap();
    let counter = Counters { name: "messages".into(), day: 0 };
    assert_eq!(store.get(&counter).await.unwrap().unwrap().value.0, 1);
}

#[tokio::test(start_paused = true)]
async fn a_process_writes_its_counts_by_itself_and_not_with_each_message() {
    let store = Arc::new(MemoryStore::new());
    let chat = chat(&store, &TestClock::default());
    let _admin = Administration::new(chat.clone());
    let id = room(&chat, &user("ann"), &[]).await;
    for _ in 0..5 {
        say(&chat, &user("ann"), id, "Hello").await;
    }
    let counter = Counters { name: "messages".into(), day: 0 };
    assert_eq!(store.get(&counter).await.unwrap(), None);
    // The runtime's clock goes on by itself while everything waits.
    tokio::time::sleep(std::time::Duration::from_secs(6)).await;
    assert_eq!(store.get(&counter).await.unwrap().unwrap().value.0, 5);
}

#[tokio::test(start_paused = true)]
async fn without_an_administration_nothing_is_counted() {
    let store = Arc::new(MemoryStore::new());
    let chat = chat(&store, &TestClock::default());
    let id = room(&chat, &user("ann"), &[]).await;
    say(&chat, &user("ann"), id, "Hello").await;
    tokio::time::sleep(std::time::Duration::from_secs(6)).await;
    assert_eq!(store.get(&Counters { name: "messages".into(), day: 0 }).await.unwrap(), None);
}
