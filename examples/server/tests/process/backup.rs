//! A backup of a server's database, and a server on what is restored from it.

use std::fs;

use serde_json::{Value, json};

use super::{
    Signal,
    kit::{Server, folder, run},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_server_answers_as_before() {
    let (folder, other) = (folder(), folder());
    let (data, copy) = (folder.path(), other.path());
    let file = data.join("chat.backup");
    let name = file.to_str().unwrap();
    let nothing = run(data, &["backup", name]);
    assert!(!nothing.status.success() && !file.exists() && !data.join("data/db").exists(), "{nothing:?}");

    let server = Server::start(data);
    let ana = server.client(data, "ana");
    let made = ana.post("/sessions", json!({ "title": "A room" })).await.expect(201);
    let path = format!("/sessions/{}", made["id"].as_str().unwrap());
    ana.post(&format!("{path}/messages"), json!({ "content": "hello" })).await.expect(201);
    let before = ana.get(&path).await.expect(200);
    assert_eq!(server.stop(Signal::SIGTERM), 0);

    let taken = run(data, &["backup", name]);
    assert!(taken.status.success(), "{taken:?}");
    assert!(String::from_utf8_lossy(&taken.stdout).contains("1 sessions, 2 events"), "{taken:?}");
    let whole = fs::read(&file).unwrap();
    let again = run(data, &["backup", name]);
    assert!(!again.status.success() && fs::read(&file).unwrap() == whole, "{again:?}");
    // Nor is a link replaced that leads nowhere.
    let link = data.join("link.backup");
    std::os::unix::fs::symlink("nowhere", &link).unwrap();
    let linked = run(data, &["backup", link.to_str().unwrap()]);
    assert!(!linked.status.success() && !data.join("nowhere").exists(), "{linked:?}");
    let left = fs::read_dir(data)
        .unwrap()
        .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().ends_with(".partial"));
    assert_eq!(left.count(), 0);
    let there = run(data, &["restore", name]);
    assert!(!there.status.success(), "{there:?}");

    let cut = copy.join("cut.backup");
    fs::write(&cut, &whole[..whole.len() - 1]).unwrap();
    let refused = run(copy, &["restore", cut.to_str().unwrap()]);
    assert!(!refused.status.success() && !copy.join("data").exists(), "{refused:?}");
    let reason = format!("damaged at byte {}", whole.len() - 1);
    assert!(String::from_utf8_lossy(&refused.stderr).contains(&reason), "{refused:?}");

    let corrupt = copy.join("corrupt.backup");
    let mut damaged = whole.clone();
    damaged[whole.len() / 2] ^= 1;
    fs::write(&corrupt, &damaged).unwrap();
    let refused = run(copy, &["restore", corrupt.to_str().unwrap()]);
    assert!(!refused.status.success() && !copy.join("data").exists(), "{refused:?}");
    assert!(String::from_utf8_lossy(&refused.stderr).contains("the backup is damaged at byte "), "{refused:?}");

    // What an interrupted restore left is removed, unless the restore still runs.
    fs::create_dir_all(copy.join("data/db.restoring")).unwrap();
    let lock = fs::File::create(copy.join("data/db.restoring.lock")).unwrap();
    lock.lock().unwrap();
    let second = run(copy, &["restore", name]);
    assert!(String::from_utf8_lossy(&second.stderr).contains("another restore"), "{second:?}");
    assert!(!second.status.success() && copy.join("data/db.restoring").exists());
    drop(lock);
    let restored = run(copy, &["restore", name]);
    assert!(restored.status.success(), "{restored:?}");
    assert!(!copy.join("data/db.restoring").exists());
    let server = Server::start(copy);
    let ana = server.client(copy, "ana");
    assert_eq!(ana.get(&path).await.expect(200), before);
    ana.post(&format!("{path}/messages"), json!({ "content": "and on" })).await.expect(201);
    assert_eq!(server.stop(Signal::SIGTERM), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_tells_that_it_lives_and_is_ready() {
    let folder = folder();
    let server = Server::start(folder.path());
    for (path, status) in [("health", "alive"), ("ready", "ready")] {
        let answer = reqwest::get(format!("http://{}/{path}", server.address)).await.unwrap();
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.json::<Value>().await.unwrap(), json!({ "status": status }));
    }
    assert_eq!(server.stop(Signal::SIGTERM), 0);
}
