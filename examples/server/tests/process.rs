//! The server as a process of its own, on a database on disk: started, used, stopped, killed, started again.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

#[path = "process/accounts.rs"]
mod accounts;
#[path = "process/admin.rs"]
mod admin;
#[path = "process/aliases.rs"]
mod aliases;
#[path = "process/backup.rs"]
mod backup;
#[path = "process/backup_online.rs"]
mod backup_online;
#[path = "process/checking.rs"]
mod checking;
#[path = "process/compact.rs"]
mod compact;
#[allow(dead_code, reason = "each test file uses a part of it")]
#[path = "kit/composed.rs"]
mod composed;
#[path = "process/configuration.rs"]
mod configuration;
#[path = "process/deploying.rs"]
mod deploying;
#[path = "process/drain.rs"]
mod drain;
#[path = "process/erasure.rs"]
mod erasure;
#[path = "process/export.rs"]
mod export;
#[allow(dead_code, reason = "each test file uses a part of it")]
mod kit;
#[path = "process/later.rs"]
mod later;
#[path = "process/lists.rs"]
mod lists;
#[path = "process/logs.rs"]
mod logs;
#[path = "process/outputs.rs"]
mod outputs;
#[path = "process/parties.rs"]
mod parties;
#[path = "process/refreshing.rs"]
mod refreshing;
#[path = "process/same.rs"]
mod same;
#[path = "process/settings.rs"]
mod settings;
#[path = "process/signals.rs"]
mod signals;
#[path = "process/storm.rs"]
mod storm;
#[path = "process/streamed_killed.rs"]
mod streamed_killed;
#[path = "process/tls.rs"]
mod tls;
#[path = "process/webhooks.rs"]
mod webhooks;
#[path = "process/webhooks_killed.rs"]
mod webhooks_killed;

use std::{io::Read as _, os::unix::fs::PermissionsExt, process::Command};

use chatcore_tests::{Graphql, GraphqlSocket, Socket, graphql::PROTOCOL};
use kit::{Server, folder, run, token};
use nix::sys::signal::Signal;
use reqwest::Method;
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_there_after_a_restart() {
    let folder = folder();
    let data = folder.path();
    let server = Server::start(data);
    let secret = data.join("data/secret");
    assert_eq!(std::fs::metadata(&secret).unwrap().permissions().mode() & 0o777, 0o600);
    let (a, b) = (server.client(data, "a"), server.client(data, "b"));
    let made = a
        .post("/sessions", json!({ "title": "General", "session_type": "PUBLIC", "max_participants": 50 }))
        .await
        .expect(201);
    let path = format!("/sessions/{}", made["id"].as_str().unwrap());
    b.post(&format!("{path}/join"), json!({})).await.expect(200);
    let message = b.post(&format!("{path}/messages"), json!({ "content": "Hi!", "client_id": "k" })).await.expect(201);
    a.put(&format!("{path}/participants/b/role"), json!({ "role": "ADMIN" })).await.expect(200);
    let before = a.get(&path).await.expect(200);
    assert_eq!(before["seq"], 4);
    assert_eq!(server.stop(Signal::SIGTERM), 0);

    let server = Server::start(data);
    // The same tokens are good: the secret stayed.
    let (a, b) = (server.client(data, "a"), server.client(data, "b"));
    assert_eq!(a.get(&path).await.expect(200), before);
    let again = b.post(&format!("{path}/messages"), json!({ "content": "Hi!", "client_id": "k" })).await.expect(201);
    assert_eq!(again, message);
    let next = b.post(&format!("{path}/messages"), json!({ "content": "more" })).await.expect(201);
    assert_eq!((&next["seq"], &next["number"]), (&json!(5), &json!(2)));
    let mut socket = Socket::open(&server.address, "", Some(&token(data, "a"))).await;
    socket.join(made["id"].as_str().unwrap(), Some(2)).await;
    for (event, seq) in [("message_received", 3), ("participant_role_changed", 4), ("message_received", 5)] {
        assert_eq!(socket.expect(event).await["seq"], seq);
    }
    assert_eq!(server.stop(Signal::SIGINT), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_graphql_schema_can_be_kept_to_oneself() {
    let folder = folder();
    let data = folder.path();
    for (is_told, page) in [("true", 200), ("false", 406)] {
        let flags = ["--database", "mem://", "--introspection", is_told, "--graphiql", is_told];
        let server = Server::start_with(data, &flags);
        let a = Graphql::new(&server.address, Some(token(data, "a")));
        let told = a.ask("{ __schema { queryType { name } } }", json!({})).await;
        let misspelt = a.ask("{ sessionz { nodes { id } } }", json!({})).await;
        let is_told = is_told == "true";
        assert_eq!(told.body["data"].is_object(), is_told, "{}", told.text);
        assert_eq!(misspelt.text.contains("Did you mean"), is_told, "{}", misspelt.text);
        let url = format!("http://{}/graphql", server.address);
        let shown = reqwest::Client::new().get(url).header("accept", "text/html").send().await.unwrap();
        assert_eq!(shown.status().as_u16(), page);
        server.kill();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn open_sockets_and_streams_do_not_hold_the_end_up() {
    let folder = folder();
    let data = folder.path();
    let server = Server::start_with(data, &["--database", "mem://"]);
    let a = server.client(data, "a");
    let id = a.session("PUBLIC").await;
    let mut socket = Socket::open(&server.address, "", Some(&token(data, "a"))).await;
    socket.join(&id, None).await;
    let mut silent = std::net::TcpStream::connect(&server.address).unwrap();
    assert_eq!(server.stop(Signal::SIGTERM), 0);
    assert_eq!(socket.closed().await, 1001);
    assert_eq!(silent.read(&mut [0]).unwrap_or(0), 0);
}

#[test]
fn what_cannot_be_started_says_why() {
    let folder = folder();
    let data = folder.path();
    let fails = |args: &[&str], why: &str| {
        let output = run(data, args);
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && stderr.contains(why), "{args:?}: {stderr}");
    };
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    fails(&["--listen", &address], "choose another place with --listen");
    fails(&["--listen", "here"], "--listen");
    fails(&["--config", "nowhere.toml"], "there is no configuration file at nowhere.toml");
    fails(&["--listen", "127.0.0.1:0", "--database", "oracle://x"], "oracle");
    fails(&["--no-such-flag"], "--no-such-flag");
    for entry in
        ["", "nonsense", "chat.example", "https://chat.example/app", "https://a.example https://b.example", "null"]
    {
        fails(&["--allowed-origins", &format!("https://good.example,{entry}")], &format!("`{entry}`"));
    }
    fails(&["token"], "--user");
    fails(&["token", "--user", ""], "user id");
    std::fs::write(data.join("short"), "too short").unwrap();
    std::fs::set_permissions(data.join("short"), std::fs::Permissions::from_mode(0o600)).unwrap();
    fails(&["token", "--user", "a", "--secret-file", "short"], "at least 32");
    std::fs::write(data.join("chat-server.toml"), "listem = \"127.0.0.1:0\"\n").unwrap();
    fails(&[], "listem");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_server_on_the_same_data_says_so() {
    let folder = folder();
    let data = folder.path();
    let first = Server::start(data);
    let a = first.client(data, "a");
    let id = a.session("PUBLIC").await;
    let before = a.say(&id, "before").await;
    let output = run(data, &["--listen", "127.0.0.1:0"]);
    assert!(!output.status.success());
    assert!(output.stdout.is_empty(), "it said that it listens: {output:?}");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("another process"), "{stderr}");
    // The first one has taken no harm: it reads and writes, and what it wrote is there after its end.
    let after = a.say(&id, "after").await;
    let path = format!("/sessions/{id}/messages");
    assert_eq!(a.get(&path).await.expect(200), json!([before, after]));
    assert_eq!(first.stop(Signal::SIGTERM), 0);
    let again = Server::start(data);
    assert_eq!(again.client(data, "a").get(&path).await.expect(200), json!([before, after]));
    assert_eq!(again.stop(Signal::SIGTERM), 0);
}

#[test]
fn help_is_complete() {
    let folder = folder();
    let output = run(folder.path(), &["--help"]);
    // Lines may break anywhere.
    let help = String::from_utf8(output.stdout).unwrap().split_whitespace().collect::<Vec<_>>().join(" ");
    for word in [
        "--listen",
        "--data",
        "--database",
        "--secret-file",
        "--allowed-origins",
        "--body-bytes",
        "--message-chars",
        "--accounts",
        "--files",
        "--smtp-from",
        "CHAT_SMTP_URL",
        "--erase-messages",
        "--access-lifetime",
        "--refresh-lifetime",
        "[[issuers]]",
        "--rate-limits",
        "--request-rate",
        "--sockets-per-user",
        "--sockets <",
        "--unknown-sockets-per-address",
        "[default: 50]",
        "--connections-per-address",
        "[default: 15000]",
        "--connections <",
        "--trusted-proxies",
        "--proxy-protocol",
        "--requests-per-user",
        "CHAT_CONNECTIONS_PER_ADDRESS",
        "--blocked-words",
        "--on-blocked-word",
        "--blocked-links",
        "--allowed-links",
        "--on-blocked-link",
        "--log",
        "--log-format",
        "--config",
        "CHAT_LISTEN",
        "127.0.0.1:8000",
        "token",
        "serve",
        "compact",
    ] {
        assert!(help.contains(word), "{word}");
    }
}

/// The commands of the README, as they are pasted; only the address and the way to the program are others.
/// Runs what README.md has between two comments, against a server of its own, and gives what the commands answered.
fn readme(mark: &str) -> Option<Vec<Value>> {
    if Command::new("curl").arg("--version").output().is_err()
        || Command::new("sh").arg("-c").arg(":").output().is_err()
    {
        eprintln!("SKIPPED: the README's flow needs sh and curl, which are not here");
        return None;
    }
    let readme = include_str!("../../../README.md");
    let (_, flow) = readme.split_once(&format!("<!-- {mark} -->")).unwrap();
    let (flow, _) = flow.split_once(&format!("<!-- /{mark} -->")).unwrap();
    let flow = flow.trim().trim_start_matches("```sh").trim_end_matches("```");
    assert!(flow.contains("127.0.0.1:8000"));

    let folder = folder();
    let server = Server::start(folder.path());
    let script = flow
        .replace("cargo run -q -p chat-server --", env!("CARGO_BIN_EXE_chat-server"))
        .replace("127.0.0.1:8000", &server.address);
    let output = Command::new("sh").args(["-euc", &script]).current_dir(folder.path()).output().unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(server.stop(Signal::SIGTERM), 0);
    Some(serde_json::Deserializer::from_str(&stdout).into_iter().collect::<Result<_, _>>().unwrap())
}

#[test]
fn the_readme_flow_works_as_pasted() {
    let Some(answers) = readme("flow") else { return };
    let [joined, sent, promoted, shown] = answers.as_slice() else { panic!("{answers:?}") };
    assert_eq!(joined["message"], "Successfully joined the chat session");
    assert_eq!(sent["content"], "Hi everyone! Just joined.");
    assert_eq!(promoted["role"], "ADMIN");
    assert_eq!((&shown["message_count"], &shown["participant_count"]), (&json!(1), &json!(2)));
}

#[test]
fn the_accounts_of_the_readme_work_as_pasted() {
    let Some(answers) = readme("accounts") else { return };
    let [registered, room, me, left, refused] = answers.as_slice() else { panic!("{answers:?}") };
    assert_eq!(registered["user"]["username"], "ada");
    assert_eq!(room["title"], "Ada's room");
    assert_eq!(me["email"], "ada@example.org");
    assert_eq!(left["message"], "Logged out successfully");
    assert_eq!(refused["code"], "AUTH_TOKEN_INVALID");
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_hold_no_tokens_no_passwords_and_no_messages() {
    let folder = folder();
    let data = folder.path();
    // Everything but what the database says of itself.
    let flags = ["--database", "mem://", "--log", "trace,surrealdb=warn,surrealkv=error"];
    let server = Server::start_with(data, &flags);
    let good = token(data, "a");
    let bad = good.replacen('.', ".e30", 1);
    let signature = good.rsplit('.').next().unwrap();
    let a = server.client(data, "a");
    let id = a.session("PUBLIC").await;
    let said = "a-text-for-nobody-else";
    a.say(&id, said).await;
    for token in [&good, &bad] {
        a.with_token(token.as_str()).get("/sessions").await;
        let rest = Socket::try_open(&server.address, &format!("?token={token}"), None, None).await;
        if let Ok(mut socket) = rest {
            socket.ask("send_message", json!({ "session_id": id, "content": said })).await;
        }
        let graphql = Graphql::new(&server.address, Some(token.clone()));
        let send = "mutation($id: ID!, $text: String!) { sendMessage(input: { sessionId: $id, content: $text }) { message { id } } }";
        graphql.ask(send, json!({ "id": id, "text": said })).await;
        let parameters = [("query", "{ me { id } }"), ("token", token.as_str())];
        graphql.send(graphql.in_url(Method::GET, &parameters)).await;
        let _ = GraphqlSocket::open(&server.address, &format!("?token={token}"), &[PROTOCOL]).await;
        let mut socket = GraphqlSocket::open(&server.address, "", &[PROTOCOL]).await.unwrap();
        socket.init(json!({ "Authorization": format!("Bearer {token}") })).await;
        socket.subscribe("1", send, json!({ "id": id, "text": said })).await;
        if *token == good {
            assert_eq!(socket.message().await["type"], "connection_ack");
            socket.next("1").await;
        } else {
            assert_eq!(socket.closed().await.0, 4403);
        }
    }
    let (password, wrong) = ("correct horse battery of nobody else", "a wrong one of nobody else");
    let (http, auth) = (reqwest::Client::new(), |path: &str| format!("http://{}/api/v1/auth/{path}", server.address));
    let new = json!({ "username": "ada", "email": "ada@example.org", "password": password });
    let registered: Value = http.post(auth("register")).json(&new).send().await.unwrap().json().await.unwrap();
    let [access, refresh] = ["access_token", "refresh_token"].map(|name| registered[name].as_str().unwrap());
    for password in [password, wrong] {
        let log_in = json!({ "username": "ada", "password": password });
        http.post(auth("login")).json(&log_in).send().await.unwrap();
        let log_in = "mutation($p: String!) { logIn(input: { username: \"ada\", password: $p }) { accessToken } }";
        Graphql::new(&server.address, None).ask(log_in, json!({ "p": password })).await;
        let change = json!({ "old_password": wrong, "new_password": password });
        http.put(auth("password")).bearer_auth(access).json(&change).send().await.unwrap();
    }
    for _ in 0..2 {
        http.post(auth("refresh")).json(&json!({ "refresh_token": refresh })).send().await.unwrap();
    }
    let of_access = access.rsplit('.').next().unwrap();
    let log = server.log();
    assert_eq!(server.stop(Signal::SIGTERM), 0);
    assert!(log.contains("DEBUG request"), "it says too little for this to mean anything: {log}");
    for secret in [signature, said, password, wrong, of_access, refresh] {
        let found = log.lines().find(|line| line.contains(secret));
        assert_eq!(found, None);
    }
}
