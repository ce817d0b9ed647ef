//! Each administrative use case gives the same verdict, code and entry of the audit log through REST, GraphQL and the command line.

use std::path::Path;

use chatcore_tests::Client;
use reqwest::Method;
use serde_json::{Map, Value, json};

use super::{
    Signal,
    kit::{Server, command, folder},
};

const PASSWORD: &str = "correct horse battery staple";

/// A way to the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Rest,
    Graphql,
    Command,
}

/// A use case, in the words of each way: the method and path of REST with its body, the mutation or query, and the arguments of the command.
struct Case {
    rest: (Method, String, Value),
    graphql: (String, Value),
    command: Vec<String>,
}

/// The cases, in their order, about a user and a session of their own. `unknown` is an id that nobody has.
fn cases(user: &str, session: &str) -> Vec<(&'static str, Case)> {
    let unknown = "0190c0de-0000-7000-8000-000000000000";
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let mutation = |name: &str, fields: &str| {
        let input = format!("{}{}Input", name[..1].to_uppercase(), &name[1..]);
        format!("mutation ($input: {input}!) {{ {name}(input: $input) {{ {fields} }} }}")
    };
    let upon = |name: &'static str, user: &str, operation: &str, body: Value, command: &[&str]| {
        let path = format!("users/{user}/{operation}");
        let method = if operation == "role" { Method::PUT } else { Method::POST };
        let mut input = body.clone();
        input["userId"] = user.into();
        Case {
            rest: (method, path, body),
            graphql: (mutation(name, "id"), json!({ "input": input })),
            command: words(command),
        }
    };
    let close = |id: &str| Case {
        rest: (Method::POST, format!("sessions/{id}/close"), json!({ "reason": "Illegal" })),
        graphql: (mutation("adminCloseSession", "id"), json!({ "input": { "sessionId": id, "reason": "Illegal" } })),
        command: words(&["close", id, "--reason", "Illegal"]),
    };
    let notice = |text: &str| Case {
        rest: (Method::POST, "broadcast".to_owned(), json!({ "text": text, "reason": "Planned" })),
        graphql: (mutation("adminBroadcast", "id"), json!({ "input": { "text": text, "reason": "Planned" } })),
        command: words(&["notice", text, "--reason", "Planned"]),
    };
    let list = |path: &str, query: &str, command: &[&str]| Case {
        rest: (Method::GET, path.to_owned(), Value::Null),
        graphql: (format!("{{ {query} }}"), json!({})),
        command: words(command),
    };
    let spam = json!({ "reason": "Spam" });
    let role = |role: &str| json!({ "role": role, "reason": "Duty" });
    vec![
        (
            "list users",
            list(
                "users?search=person",
                "adminListUsers(search: \"person\") { next }",
                &["users", "--search", "person"],
            ),
        ),
        (
            "search for nothing",
            list("users?search=%20", "adminListUsers(search: \" \") { next }", &["users", "--search", " "]),
        ),
        ("list sessions", list("sessions", "adminListSessions { next }", &["sessions"])),
        (
            "participants",
            list(
                &format!("sessions/{session}/participants"),
                &format!("adminListParticipants(sessionId: \"{session}\") {{ pageInfo {{ hasNextPage }} }}"),
                &["participants", session],
            ),
        ),
        (
            "participants of nothing",
            list(
                &format!("sessions/{unknown}/participants"),
                &format!("adminListParticipants(sessionId: \"{unknown}\") {{ pageInfo {{ hasNextPage }} }}"),
                &["participants", unknown],
            ),
        ),
        ("statistics", list("dashboard/stats", "adminGetStatistics { users }", &["stats"])),
        ("ban", upon("adminBanUser", user, "ban", spam, &["ban", user, "--reason", "Spam"])),
        (
            "ban without a reason",
            upon("adminBanUser", user, "ban", json!({ "reason": "" }), &["ban", user, "--reason", ""]),
        ),
        (
            "unban",
            upon(
                "adminUnbanUser",
                user,
                "unban",
                json!({ "reason": "A mistake" }),
                &["unban", user, "--reason", "A mistake"],
            ),
        ),
        ("unban again", upon("adminUnbanUser", user, "unban", json!({}), &["unban", user])),
        ("grant", upon("adminSetRole", user, "role", role("ADMIN"), &["grant", user, "--reason", "Duty"])),
        ("revoke", upon("adminSetRole", user, "role", role("USER"), &["revoke", user, "--reason", "Duty"])),
        (
            "the operator",
            upon(
                "adminBanUser",
                "chat-server",
                "ban",
                json!({ "reason": "x" }),
                &["ban", "chat-server", "--reason", "x"],
            ),
        ),
        ("close", close(session)),
        ("close again", close(session)),
        ("close nothing", close(unknown)),
        ("notice", notice("Maintenance")),
        ("notice of nothing", notice(" ")),
    ]
}

/// The code of an error that the command prints in parentheses; `OK` without an error.
fn code_of(output: &std::process::Output) -> String {
    if output.status.success() {
        return "OK".to_owned();
    }
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let code = text
        .split(['(', ')'])
        .find(|word| word.contains('_') && word.chars().all(|c| c.is_ascii_uppercase() || c == '_'));
    code.unwrap_or_else(|| panic!("no code: {text}")).to_owned()
}

struct World<'a> {
    server: &'a Server,
    data: &'a Path,
    http: reqwest::Client,
    token: String,
}

impl World<'_> {
    async fn ask(&self, method: Method, path: &str, body: &Value) -> Value {
        let url = format!("http://{}{path}", self.server.address);
        let mut request = self.http.request(method, url).bearer_auth(&self.token);
        if !body.is_null() {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        request.send().await.unwrap().json().await.unwrap()
    }

    async fn verdict(&self, way: Way, case: Case) -> String {
        let text = |code: &Value| code.as_str().unwrap_or("OK").to_owned();
        match way {
            Way::Rest => {
                let (method, path, body) = case.rest;
                text(&self.ask(method, &format!("/api/v1/admin/{path}"), &body).await["code"])
            }
            Way::Graphql => {
                let (query, variables) = case.graphql;
                let body = json!({ "query": query, "variables": variables });
                let answer = self.ask(Method::POST, "/graphql", &body).await;
                assert!(
                    answer["errors"].is_null() || answer["errors"][0]["extensions"]["code"].is_string(),
                    "{answer}"
                );
                text(&answer["errors"][0]["extensions"]["code"])
            }
            Way::Command => {
                let mut command = command(self.data);
                command.arg("admin").args(case.command);
                code_of(&tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap())
            }
        }
    }

    /// The newest entries of the audit log, the oldest first, without what is of one call only.
    async fn entries(&self, actor: &str, user: &str, session: &str) -> Vec<Value> {
        let all = self.ask(Method::GET, "/api/v1/admin/audit?limit=100", &Value::Null).await;
        let shown = |entry: &Value| {
            let mut kept = Map::new();
            for name in ["action", "before", "after", "reason", "address"] {
                kept.insert(name.to_owned(), entry[name].clone());
            }
            assert!(entry["request_id"].is_string(), "{entry}");
            let target = entry["target"].as_str().unwrap();
            let target = if target == user {
                "user"
            } else if target == session {
                "session"
            } else {
                "notice"
            };
            kept.insert("target".to_owned(), target.into());
            Value::Object(kept)
        };
        let own = all.as_array().unwrap().iter().rev().filter(|entry| entry["actor"] == actor);
        own.map(shown).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_use_case_is_the_same_through_every_way() {
    let folder = folder();
    let data = folder.path();
    let server = Server::start(data);
    let mut results = Vec::new();
    for (way, user, admin) in [
        (Way::Rest, "person-rest", "ada"),
        (Way::Graphql, "person-graphql", "eva"),
        (Way::Command, "person-command", "ida"),
    ] {
        let address = format!("{admin}@example.org");
        let mut made = command(data);
        made.args(["admin", "create-user", admin, "--email", &address, "--admin"]);
        made.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
        let mut child = made.spawn().unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), PASSWORD.as_bytes()).unwrap();
        let made: Value = serde_json::from_slice(&child.wait_with_output().unwrap().stdout).unwrap();
        let http = reqwest::Client::new();
        let mut world = World { server: &server, data, http, token: String::new() };
        let login = json!({ "username": admin, "password": PASSWORD });
        let login = world.ask(Method::POST, "/api/v1/auth/login", &login).await;
        login["access_token"].as_str().unwrap().clone_into(&mut world.token);
        let owner: Client = server.client(data, user);
        let session = owner.post("/sessions", json!({ "title": "A room" })).await.expect(201);
        let session = session["id"].as_str().unwrap().to_owned();
        // The command line acts as the server's own user, and made the account of the administrator before.
        let actor = if way == Way::Command { "chat-server" } else { made["id"].as_str().unwrap() };
        let before = world.entries(actor, user, &session).await.len();
        let mut verdicts = Vec::new();
        for (name, case) in cases(user, &session) {
            verdicts.push((name, world.verdict(way, case).await));
        }
        let entries = world.entries(actor, user, &session).await.split_off(before);
        results.push((way, verdicts, entries));
    }
    let (_, verdicts, entries) = &results[0];
    for (way, other, found) in &results[1..] {
        assert_eq!(other, verdicts, "{way:?}");
        assert_eq!(found, entries, "{way:?}");
    }
    let actions: Vec<&str> = entries.iter().map(|entry| entry["action"].as_str().unwrap()).collect();
    let expected =
        ["USER_BANNED", "USER_UNBANNED", "ROLE_GRANTED", "ROLE_REVOKED", "SESSION_CLOSED", "NOTICE_BROADCAST"];
    assert_eq!(actions, expected);
    assert!(entries.iter().all(|entry| entry["address"] == "127.0.0.1" && entry["reason"].is_string()), "{entries:?}");
    let failed: Vec<_> =
        verdicts.iter().filter(|(_, code)| code != "OK").map(|(name, code)| (*name, code.as_str())).collect();
    let invalid = "VALIDATION_INVALID_VALUE";
    let expected = [
        ("search for nothing", invalid),
        ("participants of nothing", "SESSION_NOT_FOUND"),
        ("ban without a reason", invalid),
        ("the operator", invalid),
        ("close nothing", "SESSION_NOT_FOUND"),
        ("notice of nothing", invalid),
    ];
    assert_eq!(failed, expected);
    assert_eq!(server.stop(Signal::SIGTERM), 0);
}
