//! The bus as a setting of the server.

use std::{fs, path::Path, process::Command, time::Duration};

use chatcore_tests::{Client, Socket, token};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::{
    certificates::Certificates,
    kit::{self, PATIENCE, Server, errors, folder},
    nats, start_by, surreal,
};

const PASSWORD: &str = "open sesame";

fn command(folder: &Path, password: &str) -> Command {
    let mut command = kit::command(folder);
    command.env("CHAT_BUS_PASSWORD", password);
    command
}

async fn ready(server: &Server) -> Value {
    Client::new(&server.address, None).get("//ready").await.expect(200)
}

/// Signals cross from one server to the other, in both directions: the bus alone carries them. The first ones may be too early.
pub(crate) async fn hear_each_other(one: &Server, other: &Server, users: [&str; 2], session: &str) {
    let mut sockets = Vec::new();
    for (server, user) in [one, other].into_iter().zip(users) {
        let mut socket = Socket::open(&server.address, "", Some(&token(user))).await;
        socket.join(session, None).await;
        sockets.push(socket);
    }
    for user in users {
        let heard = async {
            loop {
                sockets[0].send("typing_start", json!({ "session_id": session })).await;
                let hearing = async { while !is_typing(&sockets[1].event().await, user) {} };
                if timeout(Duration::from_millis(100), hearing).await.is_ok() {
                    return;
                }
            }
        };
        timeout(PATIENCE, heard).await.expect("nothing crosses the bus");
        sockets.reverse();
    }
}

/// Somebody types. A socket may hear its own user as well, and answers to its frames.
fn is_typing(frame: &Value, user: &str) -> bool {
    frame["event"] == "typing_indicator" && frame["data"]["user_id"] == user
}

/// Two servers with these flags hear each other.
async fn tell_each_other(flags: &[&str], password: Option<&str>) {
    let database = surreal("memory").await;
    let options = database.database().await;
    let folders = [folder(), folder()];
    let servers = folders.each_ref().map(|folder| {
        let command = password.map_or_else(|| kit::command(folder.path()), |word| command(folder.path(), word));
        start_by(command, folder.path(), &database.url(), &options, flags)
    });
    let a = Client::new(&servers[0].address, Some(token("a")));
    let session = a.session("PUBLIC").await;
    a.with_token(token("b")).post(&format!("/sessions/{session}/join"), json!({})).await.expect(200);
    hear_each_other(&servers[0], &servers[1], ["a", "b"], &session).await;
    for server in servers {
        assert_eq!(ready(&server).await, json!({ "status": "ready", "bus": "connected" }));
        let log = server.log();
        assert!(log.contains("connected to NATS") && !log.contains("sesame"), "{log}");
        assert_eq!(errors(&log), Vec::<&str>::new());
        assert_eq!(server.stop(Signal::SIGTERM), 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_tell_each_other_by_a_bus_with_a_password() {
    let Some(bus) = nats::Server::start_with(&["--user", "chat", "--pass", PASSWORD]) else { return };
    tell_each_other(&["--bus", &bus.url(), "--bus-user", "chat", "--bus-required", "true"], Some(PASSWORD)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_tell_each_other_by_an_encrypted_bus() {
    let folder = folder();
    let certificates = Certificates::made_in(folder.path());
    let Some(bus) = nats::Server::start_with(&certificates.mutual_flags()) else { return };
    let url = bus.url().replace("nats://", "tls://");
    // All of it in the file, but the address.
    let (certificate, key) = &certificates.client;
    let text = format!(
        "bus_ca_file = {:?}\nbus_certificate_file = {certificate:?}\nbus_key_file = {key:?}\nbus_required = true\n",
        certificates.authority
    );
    let file = folder.path().join("settings.toml");
    fs::write(&file, text).unwrap();
    tell_each_other(&["--bus", &url, "--config", file.to_str().unwrap()], None).await;
}

/// A start that fails, and what it says.
fn fails(mut command: Command, flags: &[&str], why: &[&str]) {
    let output = command.args(["--listen", "127.0.0.1:0", "--database", "mem://"]).args(flags).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && output.stdout.is_empty(), "{flags:?}: {output:?}");
    assert!(why.iter().all(|why| stderr.contains(why)) && !stderr.contains("sesame"), "{flags:?}: {stderr}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_without_its_bus_serves_and_says_so_or_does_not_start_where_it_is_required() {
    let Some(bus) = nats::Server::start_with(&["--user", "chat", "--pass", PASSWORD]) else { return };
    let dead = format!("nats://127.0.0.1:{}", nats::free_port());
    let url = bus.url();
    for (url, why) in [(&url, "refuses the login"), (&dead, "cannot be reached")] {
        let folder = folder();
        let flags = ["--bus", url, "--bus-user", "chat", "--database", "mem://"];
        let server = Server::start_by(command(folder.path(), "a wrong sesame"), folder.path(), &flags);
        assert_eq!(ready(&server).await, json!({ "status": "ready", "bus": "away" }));
        let a = server.client(folder.path(), "a");
        let session = a.session("PUBLIC").await;
        a.say(&session, "served all the same").await;
        let log = server.log();
        assert!(log.contains(why) && log.contains(url.as_str()) && !log.contains("sesame"), "{log}");
        assert_eq!(errors(&log), Vec::<&str>::new());
        let flags = ["--bus", url, "--bus-user", "chat", "--bus-required", "true"];
        fails(command(folder.path(), "a wrong sesame"), &flags, &[why, url]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_requires_its_bus_is_not_ready_while_it_is_away() {
    let Some(bus) = nats::Server::start() else { return };
    let folder = folder();
    let flags = ["--bus", &bus.url(), "--bus-required", "true", "--database", "mem://"];
    let server = Server::start_by(kit::command(folder.path()), folder.path(), &flags);
    assert_eq!(ready(&server).await["bus"], "connected");
    let client = Client::new(&server.address, None);
    let is = async |status: u16| {
        let asking = async { while client.get("//ready").await.status != status {} };
        timeout(PATIENCE, asking).await.unwrap_or_else(|_| panic!("never {status}"));
    };
    let _bus = bus.away_for(is(503)).await;
    is(200).await;
}

#[test]
fn settings_of_the_bus_that_cannot_be_used_are_refused_by_name() {
    let folder = folder();
    let data = folder.path();
    fs::write(data.join("empty"), "\n").unwrap();
    let bus = ["--bus", "nats://127.0.0.1:1"];
    let with = |more: &[&'static str]| [&bus[..], more].concat();
    for (flags, why) in [
        (vec!["--bus", "nats://chat:sesame@127.0.0.1:1"], "does not belong here"),
        (vec!["--bus", "127.0.0.1:4222"], "nats://"),
        (vec!["--bus", "redis://127.0.0.1"], "`redis`"),
        (vec!["--bus-user", "chat"], "needs --bus"),
        (vec!["--bus-required", "true"], "needs --bus"),
        (with(&["--bus-user", "chat"]), "CHAT_BUS_PASSWORD"),
        (with(&["--bus-prefix", "a.*"]), "cannot begin a subject"),
        (with(&["--bus-key-file", "empty"]), "--bus-certificate-file"),
        (with(&["--bus-ca-file", "away"]), "away"),
        (with(&["--bus-token-file", "empty"]), "empty"),
        (with(&["--bus-token-file", "empty", "--bus-nkey-file", "empty"]), "only one can let the server in"),
    ] {
        fails(kit::command(data), &flags, &[why]);
    }
    fails(command(data, "sesame"), &[], &["CHAT_BUS_PASSWORD", "--bus"]);
    fails(command(data, "sesame"), &bus, &["--bus-user"]);
    let both = with(&["--bus-user", "chat", "--bus-password-file", "empty"]);
    fails(command(data, "sesame"), &both, &["CHAT_BUS_PASSWORD", "--bus-password-file"]);
    let mut mistyped = kit::command(data);
    mistyped.env("CHAT_BUS_PASWORD", "sesame");
    fails(mistyped, &[], &["CHAT_BUS_PASSWORD"]);
    fs::write(data.join("chat-server.toml"), "bus_server = \"nats://127.0.0.1:1\"\n").unwrap();
    fails(kit::command(data), &[], &["bus_server"]);
}
