//! Administration from the command line.

use std::{io::Write as _, path::Path, process::Output, process::Stdio};

use serde_json::{Value, json};

use super::{
    Signal,
    kit::{Server, command, folder, run},
};

/// Runs a command against a server, with this text on stdin.
fn admin(server: &Server, data: &Path, args: &[&str], stdin: &str) -> Output {
    let url = format!("http://{}", server.address);
    let mut child = command(data)
        .args(["admin", "--server", &url])
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(stdin.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_administers_a_running_server() {
    let folder = folder();
    let data = folder.path();
    let server = Server::start(data);
    let done = |args: &[&str], stdin: &str| -> Value {
        let output = admin(&server, data, args, stdin);
        assert!(output.status.success(), "{args:?}: {output:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let refused = |args: &[&str], told: &str| {
        let output = admin(&server, data, args, "");
        assert!(!output.status.success(), "{args:?}: {output:?}");
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(text.contains(told), "{args:?}: {text}");
    };
    let password = "correct horse battery staple\n";
    let ada = done(&["create-user", "Ada", "--email", "ada@example.org", "--admin"], password);
    assert_eq!((&ada["username"], &ada["role"]), (&json!("Ada"), &json!("ADMIN")));
    done(&["create-user", "bob", "--email", "bob@example.org"], password);
    refused(&["create-user", "cid", "--email", "cid@example.org"], "first line of stdin");
    // A user name, however its letters are written, or an id.
    let banned = done(&["ban", "BOB", "--reason", "Spam", "--for", "7days"], "");
    assert_eq!((&banned["status"], &banned["ban"]["reason"]), (&json!("BANNED"), &json!("Spam")));
    assert!(banned["ban"]["until"].is_string());
    assert_eq!(done(&["unban", banned["id"].as_str().unwrap()], "")["status"], "ACTIVE");
    assert_eq!(done(&["grant", "bob"], "")["role"], "ADMIN");
    assert_eq!(done(&["grant", "bob", "--revoke"], "")["role"], "USER");
    refused(&["ban", "nobody", "--reason", "Spam"], "there is no user with the id or the user name nobody");
    refused(&["ban", "bob", "--reason", ""], "VALIDATION_INVALID_VALUE");
    refused(&["ban", "bob", "--reason", "Spam", "--for", "9000years"], "at most 100 years");
    // A token is no secret on a network that others read.
    let abroad = run(data, &["admin", "--server", "http://192.0.2.1:1", "stats"]);
    assert!(String::from_utf8_lossy(&abroad.stderr).contains("over https only"), "{abroad:?}");
    assert_eq!(done(&["stats"], "")["days"].as_array().unwrap().len(), 30);
    let log = admin(&server, data, &["audit"], "");
    let log = String::from_utf8(log.stdout).unwrap();
    let actions: Vec<Value> =
        log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["action"].clone()).collect();
    let expected = ["ROLE_REVOKED", "ROLE_GRANTED", "USER_UNBANNED", "USER_BANNED", "ROLE_GRANTED"];
    assert_eq!(actions[..5], expected.map(Value::from));
    assert_eq!(actions[5], Value::Null);
    let actor: Value = serde_json::from_str(log.lines().next().unwrap()).unwrap();
    assert_eq!(actor["actor"], "chat-server");
    let one = admin(&server, data, &["audit", "--action", "USER_BANNED"], "");
    assert_eq!(String::from_utf8(one.stdout).unwrap().lines().count(), 2);
    // An administrator who has logged in, on the database on disk.
    let api = format!("http://{}/api/v1", server.address);
    let ask = async |request: reqwest::RequestBuilder| -> Value {
        let answer = request.header("content-type", "application/json").send().await.unwrap();
        assert!(answer.status().is_success(), "{answer:?}");
        answer.json().await.unwrap()
    };
    let http = reqwest::Client::new();
    let credentials = json!({ "username": "ada", "password": password.trim() }).to_string();
    let login = ask(http.post(format!("{api}/auth/login")).body(credentials)).await;
    let token = login["access_token"].as_str().unwrap();
    let made = server.client(data, "owner").post("/sessions", json!({ "title": "A room" })).await.expect(201);
    let session = format!("{api}/admin/sessions/{}", made["id"].as_str().unwrap());
    let listed = ask(http.get(format!("{api}/admin/sessions?search=room")).bearer_auth(token)).await;
    assert_eq!((&listed[0]["id"], listed.as_array().unwrap().len()), (&made["id"], 1));
    let inside = ask(http.get(format!("{session}/participants")).bearer_auth(token)).await;
    assert_eq!(inside[0]["user_id"], "owner");
    let closed = ask(http.post(format!("{session}/close")).bearer_auth(token)).await;
    assert_eq!(closed["is_active"], false);
    let log = ask(http.get(format!("{api}/admin/audit?limit=1")).bearer_auth(token)).await;
    assert_eq!((&log[0]["action"], &log[0]["target"]), (&json!("SESSION_CLOSED"), &made["id"]));
    // An access token of the same user has no role.
    let client = server.client(data, "chat-server");
    client.get("/sessions").await.expect(200);
    let url = format!("http://{}/api/v1/admin/users", server.address);
    let token = super::token(data, "chat-server");
    let answer = reqwest::Client::new().get(url).bearer_auth(token).send().await.unwrap();
    assert_eq!(answer.status(), 403);
    assert_eq!(server.stop(Signal::SIGTERM), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_server_or_with_another_secret_the_command_says_so() {
    let (one, other) = (folder(), folder());
    let nothing = run(one.path(), &["admin", "stats"]);
    assert!(String::from_utf8_lossy(&nothing.stderr).contains("there is no secret at"), "{nothing:?}");
    let server = Server::start(one.path());
    let started = Server::start(other.path());
    let foreign = admin(&server, other.path(), &["stats"], "");
    assert!(String::from_utf8_lossy(&foreign.stderr).contains("has another secret"), "{foreign:?}");
    let url = format!("http://{}", server.address);
    assert_eq!(server.stop(Signal::SIGTERM), 0);
    let away = run(one.path(), &["admin", "--server", &url, "stats"]);
    assert!(!away.status.success());
    assert!(String::from_utf8_lossy(&away.stderr).contains("no server runs there"), "{away:?}");
    started.kill();
}
