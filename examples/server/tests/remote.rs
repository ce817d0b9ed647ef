//! Two servers, each a process of its own, on one database server.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

#[path = "remote/bans.rs"]
mod bans;
#[path = "remote/bus.rs"]
mod bus;
#[path = "../../../chatcore-nats/tests/nats/certificates.rs"]
#[allow(dead_code, reason = "each test file uses a part of it")]
mod certificates;
#[allow(dead_code, reason = "each test file uses a part of it")]
#[path = "kit/composed.rs"]
mod composed;
#[path = "remote/composing.rs"]
mod composing;
#[path = "remote/delays.rs"]
mod delays;
#[path = "remote/ends.rs"]
mod ends;
#[allow(dead_code, reason = "each test file uses a part of it")]
mod kit;
#[path = "remote/moving.rs"]
mod moving;
#[path = "../../../chatcore-nats/tests/nats/server.rs"]
#[allow(dead_code, reason = "each test file uses a part of it")]
mod nats;
#[path = "remote/previous.rs"]
mod previous;
#[path = "remote/rolling.rs"]
mod rolling;
#[path = "remote/traffic.rs"]
mod traffic;

use std::{path::Path, process::Command, sync::Arc};

use chatcore_surreal::{Credentials, SurrealOptions};
use chatcore_tests::{
    Client, SECRET, Socket, Surreal,
    races::{Process, Race, Remote, rounds},
    token,
};
use kit::Server;

/// A server on this database.
fn start(folder: &Path, database: &str, options: &SurrealOptions) -> Server {
    start_with(folder, database, options, &[])
}

fn start_with(folder: &Path, database: &str, options: &SurrealOptions, more: &[&str]) -> Server {
    start_by(kit::command(folder), folder, database, options, more)
}

/// The same by a command of the test's own, with more flags. The folder keeps the log.
fn start_by(mut command: Command, folder: &Path, database: &str, options: &SurrealOptions, more: &[&str]) -> Server {
    let Credentials { username, password } = options.credentials.clone().unwrap();
    command.env("CHAT_SECRET", std::str::from_utf8(SECRET).unwrap()).env("CHAT_DATABASE_PASSWORD", password);
    let (namespace, name) = (options.namespace.as_str(), options.database.as_str());
    let of = ["--database", database, "--database-user", &username, "--database-namespace", namespace];
    let flags: Vec<&str> = of.into_iter().chain(["--database-name", name]).chain(more.iter().copied()).collect();
    Server::start_by(command, folder, &flags)
}

/// The database server's program is built beside this one's.
async fn surreal(storage: &str) -> Surreal {
    let program = Path::new(env!("CARGO_BIN_EXE_chat-server")).with_file_name("surreal");
    Surreal::start(program, storage).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_servers_on_one_database_race() {
    let (database, folder) = (surreal("memory").await, tempfile::tempdir().unwrap());
    let options = database.database().await;
    let servers = [(); 2].map(|()| start(folder.path(), &database.url(), &options));
    let processes = servers.iter().map(|server| Arc::new(Remote::of_tests(&server.address)) as Arc<dyn Process>);
    let looks = Arc::new(database.store(&options).await);
    Race::new(processes.collect(), looks).run(rounds(6)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_server_writes_the_readers_of_the_other_see() {
    let (database, folder) = (surreal("memory").await, tempfile::tempdir().unwrap());
    let options = database.database().await;
    let servers = [(); 2].map(|()| start(folder.path(), &database.url(), &options));
    let a = Client::new(&servers[0].address, Some(token("a")));
    let b = Client::new(&servers[1].address, Some(token("b")));
    let session = a.session("PUBLIC").await;
    b.post(&format!("/sessions/{session}/join"), serde_json::json!({})).await.expect(200);
    let mut socket = Socket::open(&servers[1].address, "", Some(&token("b"))).await;
    assert_eq!(socket.join(&session, None).await["seq"], 2);
    // Nothing tells the second server: it looks.
    for n in 0..20 {
        a.say(&session, &n.to_string()).await;
    }
    for n in 0..20 {
        let frame = socket.expect("message_received").await;
        assert_eq!((&frame["seq"], &frame["data"]["message"]["content"]), (&(n + 3).into(), &n.to_string().into()));
    }
    // What takes the right to read away arrives as well, and is the last.
    a.delete(&format!("/sessions/{session}/participants/b")).await.expect(200);
    socket.expect("participant_removed").await;
    a.say(&session, "not for b").await;
    assert!(b.get(&format!("/sessions/{session}")).await.status == 403);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_reaches_its_database_within_tls() {
    let folder = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    let [certificate, key] = ["ca.pem", "key.pem"].map(|name| folder.path().join(name));
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_chat-server")).with_file_name("surreal");
    let database = Surreal::start_secure(program, "memory", &certificate, &key).await;
    let options = database.database().await;
    let check = |authority: &[&str]| {
        let Credentials { username, password } = options.credentials.clone().unwrap();
        let mut command = kit::command(folder.path());
        command.env("CHAT_SECRET", std::str::from_utf8(SECRET).unwrap()).env("CHAT_DATABASE_PASSWORD", password);
        command.args(["--listen", "127.0.0.1:0", "--database", &database.url(), "--database-user", &username]);
        command.args(["--database-namespace", &options.namespace, "--database-name", &options.database]);
        let output = command.args(authority).arg("check").output().unwrap();
        (output.status.success(), String::from_utf8(output.stdout).unwrap())
    };
    let (is_good, text) = check(&[]);
    assert!(!is_good && text.contains("certificate") && text.contains("--database-ca"), "{text}");
    let (is_good, text) = check(&["--database-ca", "ca.pem"]);
    assert!(is_good && text.contains("is empty, and can be written"), "{text}");

    let flags = ["--database-ca", "ca.pem"];
    let server = start_with(folder.path(), &database.url(), &options, &flags);
    let a = Client::new(&server.address, Some(token("a")));
    let session = a.session("PUBLIC").await;
    a.say(&session, "hush").await;
    let (is_good, text) = check(&flags);
    assert!(is_good && text.contains("has schema version"), "{text}");
}
