//! Backups of a running server, and a server on a part of a backup.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, process::Output};

use chatcore::{
    backup::{Backup, RestoreMark, RestoreMarks},
    store::{Change, ChatStore as _, TypedKey as _},
};
use chatcore_surreal::{SurrealOptions, SurrealStore};
use chrono::Utc;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

use super::{
    Signal,
    kit::{Server, command, folder, run},
};

/// Parts of files that commands left.
fn parts(folder: &Path) -> usize {
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
    names.filter(|name| name.to_string_lossy().ends_with(".partial")).count()
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_finds_a_running_server_by_itself() {
    let (folder, other) = (folder(), folder());
    let (data, copy) = (folder.path(), other.path());
    let server = Server::start(data);
    let ana = server.client(data, "ana");
    let made = ana.post("/sessions", json!({ "title": "A room" })).await.expect(201);
    let path = format!("/sessions/{}", made["id"].as_str().unwrap());
    ana.post(&format!("{path}/messages"), json!({ "content": "hello" })).await.expect(201);
    let before = ana.get(&path).await.expect(200);
    let file = data.join("chat.backup");
    let name = file.to_str().unwrap();
    let taken = run(data, &["backup", name]);
    assert!(taken.status.success(), "{taken:?}");
    assert!(!told(&taken).contains("opening the database"), "{taken:?}");
    assert!(told(&taken).contains("copying from the server at") && told(&taken).contains("copying: "), "{taken:?}");
    assert!(String::from_utf8_lossy(&taken.stdout).contains("1 sessions, 2 events"), "{taken:?}");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    // The server in the data folder may have another database than the command.
    let of = |folder: &str, file: &str| {
        let (database, file) = (format!("surrealkv://{}", data.join(folder).display()), data.join(file));
        run(data, &["--database", &database, "backup", file.to_str().unwrap()])
    };
    let missing = of("data/elsewhere", "missing.backup");
    assert!(!missing.status.success() && told(&missing).contains("there is no database at"), "{missing:?}");
    let same = of("data/db", "same.backup");
    assert!(same.status.success() && told(&same).contains("copying from the server at"), "{same:?}");
    let again = run(data, &["backup", name, "--url", &format!("http://{}", server.address)]);
    assert!(told(&again).contains("replaces no file"), "{again:?}");
    let log = run(data, &["admin", "audit", "--action", "BACKUP_TAKEN"]);
    let log = String::from_utf8_lossy(&log.stdout).into_owned();
    assert!(log.lines().next().unwrap().contains("\"actor\":\"chat-server\""), "{log}");
    assert_eq!(server.stop(Signal::SIGTERM), 0);
    assert!(!data.join("data/address").exists());

    let restored = run(copy, &["restore", name]);
    assert!(restored.status.success(), "{restored:?}");
    let server = Server::start(copy);
    assert_eq!(server.client(copy, "ana").get(&path).await.expect(200), before);
    // A server that was killed leaves its note; the database is read directly.
    server.kill();
    assert!(copy.join("data/address").exists());
    let file = copy.join("later.backup");
    let taken = run(copy, &["backup", file.to_str().unwrap()]);
    assert!(taken.status.success() && file.exists(), "{taken:?}");
    assert_eq!(parts(data) + parts(copy), 0);
}

/// A server that answers a request with these bytes, and closes the connection.
async fn answering(answer: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut connection, _) = listener.accept().await.unwrap();
        let mut request = [0; 4096];
        let _ = connection.read(&mut request).await.unwrap();
        connection.write_all(answer).await.unwrap();
        let _ = connection.shutdown().await;
    });
    url
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_does_not_come_whole_is_no_backup() {
    const CUT: &[u8] = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nchatc\r\n";
    const SHORT: &[u8] = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nchatc\r\n0\r\n\r\n";
    const BUSY: &[u8] = b"HTTP/1.1 409 Conflict\r\ncontent-type: application/problem+json\r\nconnection: close\r\n\r\n\
        {\"code\":\"BACKUP_RUNNING\",\"detail\":\"a backup is being taken\"}";

    let folder = folder();
    let data = folder.path();
    let file = data.join("chat.backup");
    for (answer, why) in [(CUT, "sent 5 bytes and no end"), (SHORT, "damaged at byte 5"), (BUSY, "BACKUP_RUNNING")] {
        let url = answering(answer).await;
        let mut command = command(data);
        command.env("CHAT_SECRET", "a secret of thirty-two characters");
        command.args(["backup", file.to_str().unwrap(), "--url", &url]);
        let refused = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        assert!(!refused.status.success() && told(&refused).contains(why), "{refused:?}");
        assert!(!file.exists());
        assert_eq!(parts(data), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_does_not_start_on_a_part_of_a_backup() {
    let folder = folder();
    let data = folder.path();
    let database = data.join("data/db");
    fs::create_dir_all(&database).unwrap();
    let store = SurrealStore::open(&database, SurrealOptions::default()).await.unwrap();
    let mark = RestoreMarks { scope: RestoreMarks::ALL.to_owned() }.put(RestoreMark { since: Utc::now() });
    store.commit(Change::of_records(vec![mark])).await.unwrap();
    assert!(Backup::of(&store).unfinished().await.unwrap().is_some());
    store.close().await;
    drop(store);
    for args in [&["serve", "--listen", "127.0.0.1:0"][..], &["backup", "chat.backup"]] {
        let refused = run(data, args);
        assert!(
            !refused.status.success() && told(&refused).contains("a restore into the store began at"),
            "{refused:?}"
        );
    }
    assert!(!data.join("chat.backup").exists());
}
