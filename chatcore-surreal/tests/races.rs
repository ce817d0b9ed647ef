//! Two stores on one database, that know nothing of each other: what two processes would be.

#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test reports by panicking")]

#[allow(dead_code, reason = "each test file uses a part of it")]
mod kit;

use std::sync::Arc;

use chatcore::{
    StoreError,
    model::{EventKind, MessageEvent, SessionId, UserId},
    store::{
        Change, ChatStore, ClientIdUse, Committed, Conflicting, Directory, Freshness, KeyPart as _, Prefix, Seats,
        TypedKey as _,
    },
};
use chatcore_surreal::SurrealStore;
use kit::{
    assert_dense, claiming, creation, facts, govern, joining, log, message, participant_of, removing, session,
    session_of, user,
};
use tempfile::TempDir;

/// So many stores on one database, in memory and on disk, each with what must be kept as long.
async fn both(count: usize) -> [(Vec<Arc<SurrealStore>>, TempDir); 2] {
    let folders = [(); 2].map(|()| tempfile::tempdir().expect("a folder"));
    let on_disk = format!("surrealkv://{}", folders[1].path().display());
    let firsts = [SurrealStore::connect("mem://").await, SurrealStore::connect(&on_disk).await];
    let stores = firsts.map(|first| {
        let first = first.expect("a database");
        let mut stores: Vec<_> = (1..count).map(|_| Arc::new(first.beside())).collect();
        stores.push(Arc::new(first));
        stores
    });
    let [one, other] = stores;
    let [folder, another] = folders;
    [(one, folder), (other, another)]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sends_of_several_processes_are_numbered_densely() {
    for (stores, _folder) in both(3).await {
        let sessions = [session(10), session(10)];
        for session in &sessions {
            stores[0].commit(creation(session)).await.expect("a session");
        }
        let mut senders = Vec::new();
        for (n, store) in stores.iter().cycle().take(12).enumerate() {
            let (store, id) = (Arc::clone(store), sessions[n % 2].id);
            senders.push(tokio::spawn(async move {
                let mut sent = Vec::new();
                for m in 0..25 {
                    let message = message(id, 1, &user("owner"), &format!("{n}:{m}"));
                    sent.push(commit(&store, message).await.expect("a message").events[0].seq);
                }
                assert!(sent.is_sorted(), "{sent:?}");
            }));
        }
        for sender in senders {
            sender.await.expect("a sender");
        }
        for session in &sessions {
            for store in &stores {
                let log = log(&**store, session.id).await;
                assert_dense(&log);
                assert_eq!(log.len(), 1 + 6 * 25);
                let facts = facts(store, session.id, &[], Freshness::Fresh).await;
                assert_eq!(facts.head.seq, 151);
            }
        }
    }
}

/// Commits, however often others are faster for seconds.
async fn commit(store: &SurrealStore, change: Change) -> Result<Committed, StoreError> {
    loop {
        match store.commit(change.clone()).await {
            Err(StoreError::Unavailable(_)) => {}
            done => return done,
        }
    }
}

/// Sends as the service does: on cached facts while these allow it.
async fn say_until_removed(store: Arc<SurrealStore>, id: SessionId, who: UserId) -> usize {
    let (mut freshness, mut sent) = (Freshness::Cached, 0);
    loop {
        let facts = facts(&*store, id, std::slice::from_ref(&who), freshness).await;
        let is_in = participant_of(&facts, 0).is_some_and(|record| record.standing.role().is_some());
        freshness = match (is_in, freshness) {
            (false, Freshness::Fresh) => return sent,
            (false, Freshness::Cached) => Freshness::Fresh,
            (true, _) => match store.commit(message(id, facts.head.seq, &who, "still here")).await {
                Ok(_) => {
                    sent += 1;
                    Freshness::Cached
                }
                // Others may be faster for seconds.
                Err(StoreError::Stale | StoreError::Unavailable(_)) => Freshness::Fresh,
                Err(error) => panic!("a message failed: {error:?}"),
            },
        };
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_message_stands_after_a_removal_in_another_process() {
    for (stores, _folder) in both(2).await {
        let ana = user("ana");
        let mut sent = 0;
        for round in 0..12 {
            let session = session(10);
            stores[0].commit(creation(&session)).await.expect("a session");
            govern(&*stores[1], session.id, &ana, joining).await.expect("a seat");
            let senders: Vec<_> = (0..4)
                .map(|n| tokio::spawn(say_until_removed(Arc::clone(&stores[n % 2]), session.id, ana.clone())))
                .collect();
            while log(&*stores[0], session.id).await.len() < round {
                tokio::task::yield_now().await;
            }
            let removal = govern(&*stores[round % 2], session.id, &ana, removing).await.expect("ana was in it");
            for sender in senders {
                sent += sender.await.expect("a sender");
            }
            let log = log(&*stores[0], session.id).await;
            assert_dense(&log);
            assert_eq!(log.last().map(|event| event.seq), Some(removal.events[0].seq), "the removal is the last event");
        }
        assert!(sent > 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_seat_is_given_once() {
    for (stores, _folder) in both(2).await {
        for _ in 0..10 {
            let session = session(3);
            stores[0].commit(creation(&session)).await.expect("a session");
            let joins: Vec<_> = (0..6)
                .map(|n| {
                    let (store, id, who) = (Arc::clone(&stores[n % 2]), session.id, user(&format!("user {n}")));
                    tokio::spawn(async move { govern(&*store, id, &who, joining).await.is_some() })
                })
                .collect();
            let mut seated = 0;
            for join in joins {
                seated += usize::from(join.await.expect("a join"));
            }
            assert_eq!(seated, 2);
            for store in &stores {
                let facts = facts(store, session.id, &[], Freshness::Fresh).await;
                assert_eq!(session_of(&facts).expect("a session").participant_count, 3);
                let seats = Prefix { table: Seats::TABLE, parts: vec![session.id.part()] };
                assert_eq!(store.count(&[seats]).await.expect("a count"), [3]);
                assert_dense(&log(&**store, session.id).await);
            }
            let listed = Prefix { table: Directory::TABLE, parts: Vec::new() };
            assert_eq!(stores[0].count(&[listed]).await.expect("a count"), [0], "all of them are full");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_use_of_a_client_id_wins_in_all_processes() {
    for (stores, _folder) in both(2).await {
        let session = session(3);
        stores[0].commit(creation(&session)).await.expect("a session");
        for round in 0..20 {
            let sends: Vec<_> = (0..4)
                .map(|n| {
                    let change = message(session.id, 1, &user("owner"), &format!("{round}:{n}"));
                    let change = claiming(change, &format!("{round}"), &format!("{n}"));
                    let store = Arc::clone(&stores[n % 2]);
                    // What goes with them is not affected.
                    let other = message(session.id, 1, &user("owner"), "by the way");
                    tokio::spawn(async move {
                        let (outcome, other) = tokio::join!(commit(&store, change), commit(&store, other));
                        other.expect("a message");
                        (n, outcome)
                    })
                })
                .collect();
            let (mut won, mut lost) = (Vec::new(), Vec::new());
            for send in sends {
                match send.await.expect("a send") {
                    (n, Ok(committed)) => won.push((committed.events[0].seq, n.to_string())),
                    (_, Err(StoreError::Conflict { found: Conflicting::Record { record, .. } })) => {
                        let used = record.expect("a record").typed::<ClientIdUse>().expect("a client id");
                        lost.push((used.at, used.value.fingerprint.clone().expect("a fingerprint")));
                    }
                    (_, Err(error)) => panic!("{error:?}"),
                }
            }
            assert_eq!((won.len(), lost.len()), (1, 3));
            assert!(lost.iter().all(|found| *found == won[0]), "{won:?} {lost:?}");
        }
        let log = log(&*stores[0], session.id).await;
        assert_dense(&log);
        assert_eq!(log.len(), 1 + 20 * 5);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cached_facts_notice_what_another_process_did() {
    for (stores, _folder) in both(2).await {
        let session = session(10);
        let ana = user("ana");
        let asked = std::slice::from_ref(&ana);
        stores[0].commit(creation(&session)).await.expect("a session");
        govern(&*stores[0], session.id, &ana, joining).await.expect("a seat");
        for _ in 0..5 {
            let before = facts(&*stores[0], session.id, asked, Freshness::Cached).await;
            govern(&*stores[1], session.id, &ana, removing).await.expect("ana was in it");
            // Nobody told this one: its facts are as old as their head, and a change that is decided on them is stale.
            let cached = facts(&*stores[0], session.id, asked, Freshness::Cached).await;
            assert_eq!(cached, before);
            let outcome = stores[0].commit(message(session.id, cached.head.seq, &ana, "no")).await;
            assert!(matches!(outcome, Err(StoreError::Stale)), "{outcome:?}");
            let cached = facts(&*stores[0], session.id, asked, Freshness::Cached).await;
            assert!(participant_of(&cached, 0).is_some_and(|record| record.standing.role().is_none()));
            govern(&*stores[1], session.id, &ana, joining).await.expect("a seat");
            facts(&*stores[0], session.id, asked, Freshness::Fresh).await;
        }
        let log = log(&*stores[0], session.id).await;
        assert_eq!(
            log.iter().filter(|event| matches!(event.kind, EventKind::Message(MessageEvent::Sent { .. }))).count(),
            0
        );
    }
}
