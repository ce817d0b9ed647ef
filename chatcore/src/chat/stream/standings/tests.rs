//! What no public face shows: which users are kept as watched.

use std::{sync::Barrier, time::Duration};

use tokio::time::timeout;

use crate::{InProcessNotifier, MemoryStore, SystemClock};

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn users_whose_streams_end_at_once_are_not_kept() {
    const THREADS: usize = 8;
    const USERS: usize = 8_000;
    let (store, notifier) = (Arc::new(MemoryStore::new()), Arc::new(InProcessNotifier::new()));
    let known = KnownStandings::new(store, notifier, Arc::new(SystemClock), &Limits::default());
    // Each thread has a stream of each user, and the streams of a user end at the same time, while a listener looks at the user.
    let mut streams: Vec<Vec<Watch>> = (0..THREADS).map(|_| Vec::with_capacity(USERS)).collect();
    for number in 0..USERS {
        let principal = Principal::new(UserId::new(format!("user-{number}")).unwrap());
        streams.iter_mut().for_each(|of_thread| of_thread.push(known.watch(&principal)));
    }
    assert_eq!(locked(&known.0.watched).len(), USERS);
    let barrier = Arc::new(Barrier::new(THREADS));
    let threads: Vec<_> = streams
        .into_iter()
        .map(|of_thread| {
            let barrier = Arc::clone(&barrier);
            std::thread::spawn(move || {
                for watch in of_thread {
                    barrier.wait();
                    drop(watch);
                }
            })
        })
        .collect();
    tokio::task::spawn_blocking(move || threads.into_iter().for_each(|thread| thread.join().unwrap())).await.unwrap();
    // Listeners and the poll give back what they look at.
    timeout(Duration::from_secs(30), async {
        while !known.0.users().is_empty() {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
    assert_eq!(locked(&known.0.watched).len(), 0);
}

#[tokio::test]
async fn a_user_who_comes_back_while_the_last_stream_ends_is_watched() {
    let (store, notifier) = (Arc::new(MemoryStore::new()), Arc::new(InProcessNotifier::new()));
    let known = KnownStandings::new(store, notifier, Arc::new(SystemClock), &Limits::default());
    let principal = Principal::new(UserId::new("alice").unwrap());
    let first = known.watch(&principal);
    // As a look at all users has it, when the user's stream ends and another one begins.
    let [one, other] = [known.0.users().remove(0), known.0.users().remove(0)];
    drop(first);
    known.0.let_go(one);
    let again = known.watch(&principal);
    known.0.let_go(other);
    assert_eq!(known.0.users().len(), 1);
    drop(again);
    assert_eq!(locked(&known.0.watched).len(), 0);
}
