//! A folder that an earlier version wrote is opened: it answers as it did, and goes on.
//!
//! `from_schema_4` holds a database of schema 4, which the server of that version wrote through its API, and the answers of that server.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

#[path = "../kit/mod.rs"]
#[allow(dead_code, reason = "each test file uses a part of it")]
mod kit;
mod migrate;

use std::{
    fs,
    path::{Path, PathBuf},
};

use chatcore_tests::Client;
use kit::{Server, errors, folder, run};
use reqwest::Method;
use serde_json::{Value, json};

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

/// A client whose token says nothing but the id, so that what is known of the user stays.
fn client(server: &Server, data: &Path, user: &str) -> Client {
    let output = run(data, &["token", "--user", user]);
    assert!(output.status.success(), "{output:?}");
    Client::new(&server.address, Some(String::from_utf8(output.stdout).unwrap().trim().to_owned()))
}

/// Everything that the old answer says, the new answer says as well: fields may be added, and nothing else.
fn assert_includes(new: &Value, old: &Value, path: &str) {
    match (new, old) {
        (Value::Object(new), Value::Object(old)) => {
            for (name, old) in old {
                let new = new.get(name).unwrap_or_else(|| panic!("{path}.{name} is missing"));
                assert_includes(new, old, &format!("{path}.{name}"));
            }
        }
        (Value::Array(new), Value::Array(old)) => {
            assert_eq!(new.len(), old.len(), "{path}: {new:?}");
            for (place, (new, old)) in new.iter().zip(old).enumerate() {
                assert_includes(new, old, &format!("{path}[{place}]"));
            }
        }
        (new, old) => assert_eq!(new, old, "{path}"),
    }
}

async fn assert_answers(server: &Server, data: &Path, answers: &Value) {
    for (asked, old) in answers.as_object().unwrap() {
        let (user, path) = asked.split_once(' ').unwrap();
        let new = client(server, data, user).get(path).await.expect(200);
        assert_includes(&new, old, asked);
    }
}

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/upgrade/from_schema_4")
}

/// The answers of the server that wrote the fixture.
fn expected() -> Value {
    serde_json::from_slice(&fs::read(fixture().join("answers.json")).unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_of_schema_4_answers_as_it_did_and_goes_on() {
    let expected = expected();
    let folder = folder();
    let data = folder.path();
    // The server keeps its data in `data`, below its working directory.
    copy(&fixture().join("db"), &data.join("data/db"));
    let answers = &expected["answers"];
    let session = |name: &str| format!("/sessions/{}", expected["sessions"][name].as_str().unwrap());

    let server = Server::start(data);
    assert_answers(&server, data, answers).await;
    // What was remembered to make retries safe still does.
    let (ana, ben) = (client(&server, data, "ana"), client(&server, data, "ben"));
    let messages = format!("{}/messages", session("invite"));
    let retry = json!({ "content": "with id 1", "role": "user", "client_id": "id-1" });
    let first = &answers[&format!("ana {messages}?limit=100")][1];
    assert_includes(&ben.post(&messages, retry).await.expect(201), first, "a retried message");
    let other = json!({ "content": "another text", "role": "user", "client_id": "id-1" });
    ben.post(&messages, other).await.problem(409, "CLIENT_ID_REUSED");
    let again = ana.request(Method::POST, "/sessions").header("Idempotency-Key", "creation-1");
    let again = ana.send(again.json(&json!({ "title": "Once", "session_type": "PRIVATE" }))).await.expect(201);
    assert_eq!(again["id"], expected["sessions"]["once"]);
    assert_answers(&server, data, answers).await;

    // Everything goes on where it was: roles, seats, lists, numbers.
    let public = session("public");
    let messages = format!("{public}/messages");
    let sent = client(&server, data, "cleo").post(&messages, json!({ "content": "after", "role": "user" })).await;
    let sent = sent.expect(201);
    let last = answers[&format!("ana {public}")]["messages"].as_array().unwrap().last().unwrap();
    assert_eq!(sent["number"].as_u64(), last["number"].as_u64().map(|number| number + 1));
    let stranger = client(&server, data, "stranger");
    stranger.get(&public).await.problem(403, "SESSION_ACCESS_DENIED");
    stranger.post(&format!("{public}/join"), json!({})).await.expect(200);
    let before = answers[&format!("ana {public}/participants?limit=100")].as_array().unwrap().len();
    let participants = ana.get(&format!("{public}/participants?limit=100")).await.expect(200);
    assert_eq!(participants.as_array().unwrap().len(), before + 1);
    assert_eq!(stranger.get("/sessions").await.expect(200).as_array().unwrap().len(), 1);
    client(&server, data, "cleo").post(&format!("{public}/leave"), json!({})).await.expect(200);
    client(&server, data, "cleo").get(&public).await.problem(403, "SESSION_ACCESS_DENIED");
    ana.delete(&session("private")).await.expect(204);
    let log = server.log();
    assert_eq!(errors(&log), Vec::<&str>::new(), "{log}");
    server.kill();

    let server = Server::start(data);
    let ana = client(&server, data, "ana");
    let skip = sent["number"].as_u64().unwrap() - 1;
    let page = ana.get(&format!("{messages}?skip={}&limit=10", skip - 1)).await.expect(200);
    assert_eq!(page.as_array().unwrap().len(), 2);
    assert_eq!(page[0]["content"], last["content"]);
    assert_eq!(page[1]["number"], sent["number"]);
    ana.get(&session("private")).await.problem(404, "SESSION_NOT_FOUND");
}
