//! What the database underneath brings with it: folders, locks, restarts, threads.

#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test reports by panicking")]

#[allow(dead_code, reason = "each test file uses a part of it")]
mod kit;

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use chatcore::{
    StoreError,
    model::SessionId,
    store::{
        ChatStore, ChatStoreExt as _, FactsQuery, Freshness, KeyPart as _, LogRange, Memberships, Prefix, Seats,
        TypedKey as _,
    },
};
use chatcore_surreal::{ConnectError, SurrealOptions, SurrealStore};
use kit::{assert_dense, creation, facts, keys, log, message, profile, session, session_of, user};

fn url(folder: &Path) -> String {
    format!("surrealkv://{}/not/there/yet", folder.display())
}

async fn open(folder: &Path) -> SurrealStore {
    // One that was dropped is closed in the background.
    let options = SurrealOptions { lock_patience: Duration::from_secs(60), ..SurrealOptions::default() };
    SurrealStore::connect_with(&url(folder), options).await.expect("a database on disk")
}

async fn say(store: &SurrealStore, id: SessionId, count: usize) {
    for n in 0..count {
        store.commit(message(id, u64::MAX, &user("owner"), &n.to_string())).await.expect("a message");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_opened_again_holds_everything_and_goes_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let session = session(10);
    let mut expected = 0;
    for round in 0..4 {
        let store = open(folder.path()).await;
        if round == 0 {
            store.commit(creation(&session)).await.expect("a session");
            expected += 1;
        }
        let facts = facts(&store, session.id, &[user("owner")], Freshness::Cached).await;
        assert_eq!((facts.head.seq, session_of(&facts).as_ref()), (expected, Some(&session)));
        assert!(facts.records[1].is_some());
        // Also past the places at which the end of the log is written down.
        say(&store, session.id, 150).await;
        expected += 150;
        assert_dense(&log(&store, session.id).await);
        assert_eq!(log(&store, session.id).await.len() as u64, expected);
        let listed = store.list::<Memberships>(Memberships::under(vec![user("owner").part()])).await.expect("sessions");
        assert_eq!(listed[0].0.session.0, session.id);
        if round % 2 == 0 {
            store.close().await;
        } else {
            // In the background: the next one waits for it.
            drop(store);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_is_in_use_is_refused_and_says_so() {
    let folder = tempfile::tempdir().expect("a folder");
    let first = open(folder.path()).await;
    let options = SurrealOptions { lock_patience: Duration::from_millis(200), ..SurrealOptions::default() };
    let begun = Instant::now();
    match SurrealStore::connect_with(&url(folder.path()), options.clone()).await {
        Err(ConnectError::Locked { path }) => assert!(path.ends_with("not/there/yet")),
        other => panic!("the folder is in use, and opening it gave {other:?}"),
    }
    assert!(begun.elapsed() >= options.lock_patience);
    // Whoever gives up in between leaves nothing locked.
    let options = SurrealOptions { lock_patience: Duration::from_secs(60), ..options };
    for millis in [0, 1, 5, 50] {
        let url = url(folder.path());
        let opening = SurrealStore::connect_with(&url, options.clone());
        assert!(tokio::time::timeout(Duration::from_millis(millis), opening).await.is_err());
    }
    first.close().await;
    open(folder.path()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_opening_that_is_given_up_leaves_nothing_locked() {
    let folder = tempfile::tempdir().expect("a folder");
    for millis in [0, 1, 2, 5, 10, 20, 40, 80] {
        let url = url(folder.path());
        let opening = SurrealStore::connect(&url);
        drop(tokio::time::timeout(Duration::from_millis(millis), opening).await);
    }
    open(folder.path()).await;
}

#[tokio::test]
async fn a_folder_that_cannot_be_written_to_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("file"), "").expect("a file");
    let url = format!("surrealkv://{}/file/below", folder.path().display());
    assert!(matches!(SurrealStore::connect(&url).await, Err(ConnectError::Folder { .. })));
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn the_path_of_a_folder_is_taken_as_it_is() {
    use std::{ffi::OsStr, os::unix::ffi::OsStrExt as _};

    let top = tempfile::tempdir().expect("a folder");
    let top = top.path();
    std::fs::create_dir_all(top.join("one/two")).expect("a folder");
    std::os::unix::fs::symlink("one/two", top.join("link")).expect("a link");
    let session = session(10);
    for (given, is_at) in [
        (OsStr::new("what?sync=never"), OsStr::new("what?sync=never")),
        (OsStr::from_bytes(b"not \xff UTF-8"), OsStr::from_bytes(b"not \xff UTF-8")),
        (OsStr::new("100% #1"), OsStr::new("100% #1")),
        (OsStr::new("~/home"), OsStr::new("~/home")),
        (OsStr::new("link/../up"), OsStr::new("one/up")),
    ] {
        for round in 0..2 {
            let options = SurrealOptions { lock_patience: Duration::from_secs(60), ..SurrealOptions::default() };
            let store = SurrealStore::open(&top.join(given), options).await.expect("a database on disk");
            if round == 0 {
                store.commit(creation(&session)).await.expect("a session");
            }
            let facts = facts(&store, session.id, &[user("owner")], Freshness::Cached).await;
            assert_eq!(session_of(&facts).as_ref(), Some(&session), "{given:?}");
            store.close().await;
        }
        assert!(top.join(is_at).join("wal").is_dir(), "{given:?}");
    }
    let mut made: Vec<_> =
        std::fs::read_dir(top).expect("a folder").map(|entry| entry.expect("an entry").file_name()).collect();
    made.sort();
    assert_eq!(made.len(), 6, "nothing is made elsewhere: {made:?}");
    assert!(!std::env::current_dir().expect("a folder").join("~").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_store_refuses() {
    let store = Arc::new(SurrealStore::connect("mem://").await.expect("a database in memory"));
    let session = session(10);
    store.commit(creation(&session)).await.expect("a session");
    let senders: Vec<_> = (0..50)
        .map(|n| {
            let (store, change) = (Arc::clone(&store), message(session.id, 1, &user("owner"), &n.to_string()));
            tokio::spawn(async move { store.commit(change).await })
        })
        .collect();
    tokio::task::yield_now().await;
    store.close().await;
    for sender in senders {
        let outcome = sender.await.expect("a sender");
        assert!(matches!(outcome, Ok(_) | Err(StoreError::Unavailable(_))), "{outcome:?}");
    }
    let refused = store.commit(message(session.id, 1, &user("owner"), "late")).await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    let refused = store.facts(&[FactsQuery { session_id: session.id, records: &[] }], Freshness::Fresh).await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_at_once_are_refused_and_change_nothing() {
    let options = SurrealOptions { max_queue: 4, max_batch: 2, ..SurrealOptions::default() };
    let store = Arc::new(SurrealStore::connect_with("mem://", options).await.expect("a database in memory"));
    let session = session(10);
    store.commit(creation(&session)).await.expect("a session");
    let senders: Vec<_> = (0..200)
        .map(|n| {
            let (store, change) = (Arc::clone(&store), message(session.id, 1, &user("owner"), &n.to_string()));
            tokio::spawn(async move { store.commit(change).await })
        })
        .collect();
    let (mut kept, mut refused) = (0, 0);
    for sender in senders {
        match sender.await.expect("a sender") {
            Ok(_) => kept += 1,
            Err(StoreError::Unavailable(_)) => refused += 1,
            Err(error) => panic!("{error:?}"),
        }
    }
    assert!(kept > 0 && refused > 0, "{kept} kept, {refused} refused");
    let log = log(&*store, session.id).await;
    assert_dense(&log);
    assert_eq!(log.len(), 1 + kept);
}

/// The database recurses deeply in a debug build; a program's own threads need not know.
#[test]
fn a_program_with_the_usual_stacks_can_use_it() {
    const USUAL: usize = 2 << 20;
    let program = || {
        let runtime = tokio::runtime::Builder::new_multi_thread().thread_stack_size(USUAL).enable_all().build();
        runtime.expect("a runtime").block_on(async {
            let folder = tempfile::tempdir().expect("a folder");
            for url in ["mem://".to_owned(), url(folder.path())] {
                let store = Arc::new(SurrealStore::connect(&url).await.expect("a database"));
                let own = Arc::clone(&store);
                let task = async move {
                    let session = session(10);
                    own.commit(creation(&session)).await.expect("a session");
                    say(&own, session.id, 5).await;
                    assert_eq!(log(&*own, session.id).await.len(), 6);
                    facts(&*own, session.id, &[user("owner")], Freshness::Fresh).await;
                    own.scan(&[Memberships::under(Vec::new()).limit(100)]).await.expect("sessions");
                };
                tokio::spawn(task).await.expect("a task");
                store.close().await;
            }
        });
    };
    let program = std::thread::Builder::new().stack_size(USUAL).spawn(program).expect("a thread");
    program.join().expect("the program ends well");
}

const CHILD: &str = "CHATCORE_TEST_FOLDER";

/// Not a test of its own: the program that the next one kills.
#[tokio::test(flavor = "multi_thread")]
async fn say_until_killed() {
    let Ok(folder) = std::env::var(CHILD) else { return };
    let store = open(Path::new(&folder)).await;
    let session = session(10);
    store.commit(creation(&session)).await.expect("a session");
    println!("session {}", session.id);
    for n in 0.. {
        let committed = store.commit(message(session.id, 1, &user("owner"), &n.to_string())).await.expect("a message");
        println!("acknowledged {}", committed.events[0].seq);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_survives_a_kill() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut child = Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "say_until_killed", "--nocapture"])
        .env(CHILD, folder.path())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a process");
    let output = BufReader::new(child.stdout.take().expect("its output"));
    let (mut id, mut acknowledged) = (None, 0);
    for line in output.lines() {
        let line = line.expect("a line");
        // The test harness writes before it on the same line.
        if let Some((_, rest)) = line.split_once("session ") {
            id = Some(rest.parse::<SessionId>().expect("a session id"));
        } else if let Some((_, rest)) = line.split_once("acknowledged ") {
            acknowledged = rest.parse::<u64>().expect("a position");
        }
        if acknowledged >= 300 {
            break;
        }
    }
    child.kill().expect("it can be killed");
    child.wait().expect("it ended");
    let (id, store) = (id.expect("it made a session"), open(folder.path()).await);
    let kept = log(&store, id).await;
    assert_dense(&kept);
    assert!(kept.len() as u64 >= acknowledged, "{acknowledged} were acknowledged, {} are there", kept.len());
    say(&store, id, 3).await;
    assert_eq!(log(&store, id).await.len(), kept.len() + 3);
}

const FAILING: &str = "CHATCORE_TEST_FAILING_FOLDER";

/// Reads everything that the store can be asked for, and gives what failed for each.
async fn read_everything(store: &SurrealStore, session_id: SessionId) -> Vec<(&'static str, Option<StoreError>)> {
    let owner = user("owner");
    let records = keys(session_id, std::slice::from_ref(&owner));
    let range = LogRange { session_id, from: 1, to: 1_000_000 };
    let asked = FactsQuery { session_id, records: &records };
    let seats = Prefix { table: Seats::TABLE, parts: vec![session_id.part()] };
    vec![
        ("log", store.log(&[range]).await.err()),
        ("logs", store.log(&[range; 10]).await.err()),
        ("fresh facts", store.facts(&[asked], Freshness::Fresh).await.err()),
        ("cached facts", store.facts(&[asked], Freshness::Cached).await.err()),
        ("a scan", store.scan(&[Memberships::under(Vec::new()).limit(100)]).await.err()),
        ("a count", store.count(&[seats]).await.err()),
        ("records", store.records(&records).await.err()),
        ("a profile", store.commit(profile(&owner)).await.err()),
    ]
}

/// Not a test of its own: the program whose disk takes no more at some point. It prints how far its readers got.
#[tokio::test(flavor = "multi_thread")]
async fn say_until_the_disk_fails() {
    let Ok(folder) = std::env::var(FAILING) else { return };
    let store = Arc::new(open(Path::new(&folder)).await);
    let session = session(10);
    store.commit(creation(&session)).await.expect("a session");
    println!("session {}", session.id);
    let broken = store.broken();
    let reader = tokio::spawn({
        let (store, id, broken) = (Arc::clone(&store), session.id, store.broken());
        async move {
            tokio::pin!(broken);
            let mut served = 0;
            while futures_util::poll!(&mut broken).is_pending() {
                let range = LogRange { session_id: id, from: 1, to: 1_000_000 };
                if let Ok(found) = store.log(&[range]).await {
                    served = served.max(found[0].len());
                }
                if let Ok(found) = store.facts(&[FactsQuery { session_id: id, records: &[] }], Freshness::Fresh).await {
                    served = served.max(usize::try_from(found[0].head.seq).expect("a number"));
                }
            }
            served
        }
    });
    let long = "x".repeat(7_000);
    let outcome = loop {
        if let Err(error) = store.commit(message(session.id, 1, &user("owner"), &long)).await {
            break error;
        }
    };
    assert!(matches!(outcome, StoreError::OutcomeUnknown), "{outcome:?}");
    broken.await;
    println!("served {}", reader.await.expect("a reader"));
    for (what, failure) in read_everything(&store, session.id).await {
        assert!(matches!(failure, Some(StoreError::Unavailable(_))), "{what}: {failure:?}");
    }
}

/// The system refuses to let any file grow beyond a limit, so the database really cannot write.
#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_served_that_a_failed_disk_did_not_take() {
    let folder = tempfile::tempdir().expect("a folder");
    let output = Command::new("sh")
        .args(["-c", "ulimit -f 2048; trap '' XFSZ; exec \"$0\" \"$@\""])
        .arg(std::env::current_exe().expect("this program"))
        .args(["--exact", "say_until_the_disk_fails", "--nocapture"])
        .env(FAILING, folder.path())
        .output()
        .expect("a process");
    let (said, complained) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}{complained}");
    let value = |name: &str| said.lines().find_map(|line| Some(line.split_once(name)?.1.to_owned())).expect(name);
    let id = value("session ").parse::<SessionId>().expect("a session id");
    let served = value("served ").parse::<usize>().expect("a number");
    let kept = log(&open(folder.path()).await, id).await;
    assert_dense(&kept);
    assert!(served > 10 && kept.len() >= served, "{served} were served, {} are there", kept.len());
}
