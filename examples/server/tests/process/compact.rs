//! A deleted text leaves the disk.

use std::{fs, path::Path};

use serde_json::json;

use super::{
    Signal,
    kit::{Server, folder, run},
};

/// Whether a file below a folder contains these bytes.
fn is_in(folder: &Path, wanted: &str) -> bool {
    fs::read_dir(folder).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            return is_in(&path, wanted);
        }
        fs::read(&path).unwrap().windows(wanted.len()).any(|window| window == wanted.as_bytes())
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_text_is_in_no_file_after_the_command() {
    let folder = folder();
    let data = folder.path();
    let nothing = run(data, &["compact"]);
    assert!(!nothing.status.success() && !data.join("data/db").exists(), "{nothing:?}");

    let server = Server::start(data);
    let ana = server.client(data, "ana");
    let made = ana.post("/sessions", json!({ "title": "A room" })).await.expect(201);
    let path = format!("/sessions/{}", made["id"].as_str().unwrap());
    let say = async |text: &str| {
        let sent = ana.post(&format!("{path}/messages"), json!({ "content": text })).await;
        format!("{path}/messages/{}", sent.expect(201)["id"].as_str().unwrap())
    };
    say("a text that stays").await;
    let message = say("a text that is edited").await;
    ana.put(&message, json!({ "content": "a text that is deleted" })).await.expect(200);
    ana.delete(&message).await.expect(200);
    let before = ana.get(&path).await.expect(200);
    let busy = run(data, &["compact"]);
    assert!(!busy.status.success(), "{busy:?}");
    assert!(String::from_utf8_lossy(&busy.stderr).contains("in use by another process"), "{busy:?}");
    // What a killed server leaves is compacted as well.
    server.kill();

    let texts = ["a text that stays", "a text that is edited", "a text that is deleted"];
    let are_in = || texts.map(|text| is_in(&data.join("data/db"), text));
    assert_eq!(are_in(), [true; 3]);
    let output = run(data, &["compact"]);
    assert!(output.status.success(), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stdout).starts_with("compacted the database from "), "{output:?}");
    assert_eq!(are_in(), [true, false, false]);

    let server = Server::start(data);
    assert_eq!(server.client(data, "ana").get(&path).await.expect(200), before);
    assert_eq!(server.stop(Signal::SIGTERM), 0);
}
