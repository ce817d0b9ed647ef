//! What no public face shows: which users are kept.

use std::sync::Barrier;

use crate::{InProcessNotifier, MemoryStore};

use super::*;

type Work = Box<dyn FnOnce() + Send>;

/// Inboxes without a search.
fn inboxes() -> Inboxes {
    let limits = Limits { membership_interval: Duration::from_secs(86_400), ..Limits::default() };
    Inboxes::new(Arc::new(MemoryStore::new()), Arc::new(InProcessNotifier::new()), &limits)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_whose_stream_ends_while_others_look_at_the_user_is_not_kept() {
    const THREADS: usize = 4;
    const USERS: usize = 8_000;
    let inboxes = inboxes();
    // One thread ends the streams. The others give back what they look at, as the search and the listeners do.
    let mut work: Vec<Vec<Work>> = (0..THREADS).map(|_| Vec::with_capacity(USERS)).collect();
    for number in 0..USERS {
        let inbox = inboxes.open(&UserId::new(format!("user-{number}")).unwrap(), 1).unwrap();
        for looks in &mut work[1..] {
            let (shared, bell) = (Arc::clone(&inboxes.0), inbox.bell.clone().unwrap());
            looks.push(Box::new(move || shared.forget(bell)));
        }
        work[0].push(Box::new(move || drop(inbox)));
    }
    assert_eq!(locked(&inboxes.0.users).len(), USERS);
    let barrier = Arc::new(Barrier::new(THREADS));
    let threads: Vec<_> = work
        .into_iter()
        .map(|work| {
            let barrier = Arc::clone(&barrier);
            std::thread::spawn(move || {
                for one in work {
                    barrier.wait();
                    one();
                }
            })
        })
        .collect();
    tokio::task::spawn_blocking(move || threads.into_iter().for_each(|thread| thread.join().unwrap())).await.unwrap();
    assert_eq!(locked(&inboxes.0.users).len(), 0);
}

#[tokio::test]
async fn a_user_who_may_have_no_stream_is_not_kept() {
    let (inboxes, user) = (inboxes(), UserId::new("alice").unwrap());
    assert!(inboxes.open(&user, 0).is_err());
    assert_eq!(locked(&inboxes.0.users).len(), 0);
    let first = inboxes.open(&user, 1).ok();
    assert!(first.is_some() && inboxes.open(&user, 1).is_err());
    drop(first);
    assert_eq!(locked(&inboxes.0.users).len(), 0);
}
