//! A backup of a running server moves from a folder into memory, and from there into a database server.

use std::{
    collections::BTreeMap,
    io::Cursor,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use chatcore::{
    ChatStore, MemoryStore,
    backup::Backup,
    model::{Event, EventKind, MessageEvent, SessionId},
    store::LogRange,
};
use chatcore_surreal::{Credentials, SurrealOptions};
use chatcore_tests::SECRET;
use chrono::Utc;
use serde_json::json;
use tokio::task::JoinSet;

use super::{
    kit::{Server, command, folder, run, token},
    surreal,
};

const SENDERS: usize = 16;

/// Sends until it is stopped. Gives the positions of what was acknowledged by client id.
async fn send(
    client: chatcore_tests::Client,
    path: String,
    sender: usize,
    stop: Arc<AtomicBool>,
) -> BTreeMap<String, u64> {
    let mut sent = BTreeMap::new();
    while !stop.load(Ordering::SeqCst) {
        let id = format!("{sender}-{}", sent.len());
        let message = json!({ "content": "again", "client_id": id });
        let made = client.post(&format!("{path}/messages"), message).await.expect(201);
        sent.insert(id, made["seq"].as_u64().unwrap());
    }
    sent
}

async fn log(store: &impl ChatStore, session_id: SessionId) -> Vec<Arc<Event>> {
    store.log(&[LogRange { session_id, from: 1, to: 1_000_000 }]).await.unwrap().remove(0)
}

/// The positions of the messages by their client ids. No client id stands there twice.
fn messages(log: &[Arc<Event>]) -> BTreeMap<String, u64> {
    let mut found = BTreeMap::new();
    for event in log {
        if let EventKind::Message(MessageEvent::Sent { client_id: Some(id), .. }) = &event.kind {
            assert!(found.insert(id.to_string(), event.seq).is_none(), "{id} is there twice");
        }
    }
    found
}

/// Restores a file into a database server by the command.
fn restore(data: &Path, file: &Path, url: &str, options: &SurrealOptions) -> std::process::Output {
    let Credentials { username, password } = options.credentials.clone().unwrap();
    let mut command = command(data);
    command.env("CHAT_SECRET", std::str::from_utf8(SECRET).unwrap()).env("CHAT_DATABASE_PASSWORD", password);
    command.args(["restore", file.to_str().unwrap(), "--database", url, "--database-user", &username]);
    command.args(["--database-namespace", &options.namespace, "--database-name", &options.database]);
    command.output().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_during_sixteen_senders_moves_through_three_engines() {
    let folder = folder();
    let data = folder.path();
    let server = Server::start(data);
    let owner = server.client(data, "owner");
    let made = owner.post("/sessions", json!({ "title": "Busy", "session_type": "PUBLIC" })).await.expect(201);
    let id: SessionId = made["id"].as_str().unwrap().parse().unwrap();
    let path = format!("/sessions/{id}");
    let stop = Arc::new(AtomicBool::new(false));
    let mut senders = JoinSet::new();
    for number in 0..SENDERS {
        let client = owner.with_token(token(data, &format!("user-{number}")));
        client.post(&format!("{path}/join"), json!({})).await.expect(200);
        senders.spawn(send(client, path.clone(), number, Arc::clone(&stop)));
    }
    // Some of it is acknowledged before.
    while owner.get(&path).await.expect(200)["seq"].as_u64().unwrap() < 200 {}
    let before = owner.get(&path).await.expect(200)["seq"].as_u64().unwrap();
    let file = data.join("busy.backup");
    let (folder_of, name) = (data.to_owned(), file.clone());
    let taken = tokio::task::spawn_blocking(move || run(&folder_of, &["backup", name.to_str().unwrap()]));
    let taken = taken.await.unwrap();
    assert!(taken.status.success(), "{taken:?}");
    let told = String::from_utf8_lossy(&taken.stderr).into_owned();
    assert!(told.contains("copying from the server at") && told.contains("copying: 0 sessions"), "{told}");
    stop.store(true, Ordering::SeqCst);
    let mut acknowledged = BTreeMap::new();
    while let Some(sent) = senders.join_next().await {
        acknowledged.extend(sent.unwrap());
    }
    assert_eq!(server.stop(nix::sys::signal::Signal::SIGTERM), 0);

    let memory = MemoryStore::new();
    let contents = Backup::of(&memory).restore(Cursor::new(std::fs::read(&file).unwrap()), &mut |_| ()).await.unwrap();
    let copied = log(&memory, id).await;
    let position = copied.len() as u64;
    assert!(position >= before && contents.holds.events >= position);
    let expected: BTreeMap<_, _> = acknowledged.into_iter().filter(|(_, seq)| *seq <= position).collect();
    assert_eq!(messages(&copied), expected);

    // And on into a database server, by a backup of the copy.
    let again = data.join("again.backup");
    Backup::of(&memory).take(std::fs::File::create(&again).unwrap(), Utc::now(), &mut |_| ()).await.unwrap();
    let database = surreal("memory").await;
    let options = database.database().await;
    let restored = restore(data, &again, &database.url(), &options);
    assert!(restored.status.success(), "{restored:?}");
    let store = database.store(&options).await;
    assert_eq!(log(&store, id).await, copied);
    // A second restore finds a database that is not empty.
    let refused = restore(data, &again, &database.url(), &options);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("not empty"), "{refused:?}");
}
