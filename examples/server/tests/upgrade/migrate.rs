//! `chat-server migrate`, and what it says before.

use std::{collections::BTreeMap, fs, path::Path, process::Output};

use chatcore_surreal::{Credentials, SurrealOptions};
use chatcore_tests::Surreal;
use nix::sys::signal::Signal;
use serde_json::Value;

use super::{
    assert_answers, copy, expected, fixture,
    kit::{Server, command, folder, run},
};

/// Every file below a folder, and what is in it.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.insert(path.to_str().unwrap().to_owned(), fs::read(&path).unwrap());
        }
    }
    found
}

/// What a successful command says on stdout.
fn said(output: Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn assert_tells_of_version_4(plan: &str) {
    let parts = [
        "has schema version 4, and this program brings it to 6",
        "- version 5 ",
        "touches definitions only; older servers must be stopped",
        "- version 6 ",
        " rows of seat and ",
        " rows of listing",
        "Stop every server of the old version first.",
        "Nothing was changed.",
    ];
    let mut rest = plan;
    for part in parts {
        rest = rest.split_once(part).unwrap_or_else(|| panic!("`{part}` is missing or elsewhere in {plan}")).1;
    }
    // The seats of the fixture, as its answers count them.
    let seats = plan.split("about ").nth(1).and_then(|rest| rest.split(' ').next()).unwrap();
    assert!(seats.parse::<u32>().unwrap() > 0, "{plan}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_is_migrated_after_a_dry_run_that_changes_nothing() {
    let folder = folder();
    let data = folder.path();
    let database = data.join("data/db");
    copy(&fixture().join("db"), &database);
    let before = files(data);
    let plan = said(run(data, &["migrate", "--dry-run"]));
    assert_tells_of_version_4(&plan);
    assert_eq!(files(data), before, "a dry run changed something");

    let done = said(run(data, &["migrate"]));
    assert_eq!(done, "migrated the database from schema version 4 to 6\n");
    let plan = said(run(data, &["migrate", "--dry-run"]));
    assert!(plan.contains("schema version 6, as this program has: nothing to do"), "{plan}");
    assert_eq!(said(run(data, &["migrate"])), "the database has schema version 6 already: nothing was to do\n");

    let server = Server::start(data);
    assert_answers(&server, data, &expected()["answers"]).await;
    // While it runs, nobody else may look or write.
    for args in [&["migrate", "--dry-run"][..], &["migrate"]] {
        let output = run(data, args);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && output.stdout.is_empty(), "{output:?}");
        assert!(stderr.contains("in use by another process"), "{stderr}");
    }
    let now: Value = server.client(data, "ana").get("/sessions").await.expect(200);
    assert!(!now.as_array().unwrap().is_empty());
    assert_eq!(server.stop(Signal::SIGTERM), 0);
    assert!(!data.join("data/db.looking").exists());
}

#[test]
fn where_there_is_no_database_nothing_is_made() {
    let folder = folder();
    for args in [&["migrate", "--dry-run"][..], &["migrate"]] {
        let output = run(folder.path(), args);
        assert!(!output.status.success() && output.stdout.is_empty(), "{output:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("there is no database in"), "{output:?}");
    }
    let url = format!("surrealkv://{}", folder.path().join("elsewhere").display());
    let plan = said(run(folder.path(), &["migrate", "--dry-run", "--database", &url]));
    assert!(plan.contains("has schema version 0") && plan.contains("nothing in the database yet"), "{plan}");
    assert!(files(folder.path()).is_empty() && !folder.path().join("elsewhere").exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_database_of_a_server_is_migrated_after_a_dry_run() {
    let folder = folder();
    let data = folder.path();
    copy(&fixture().join("db"), &data.join("remote"));
    let program = Path::new(env!("CARGO_BIN_EXE_chat-server")).with_file_name("surreal");
    let surreal = Surreal::start(program, &format!("surrealkv://{}", data.join("remote").display())).await;
    let credentials = Credentials { username: "chat".to_owned(), password: "a password".to_owned() };
    let options = SurrealOptions { credentials: Some(credentials), ..SurrealOptions::default() };
    surreal.define(&options).await;
    let url = surreal.url();
    let migrate = |more: &[&str]| {
        let mut command = command(data);
        command.env("CHAT_DATABASE_PASSWORD", "a password");
        command.args(["migrate", "--database", &url, "--database-user", "chat"]).args(more);
        said(command.output().unwrap())
    };
    for _ in 0..2 {
        // The second time it is as it was.
        assert_tells_of_version_4(&migrate(&["--dry-run"]));
    }
    assert_eq!(migrate(&[]), "migrated the database from schema version 4 to 6\n");
    assert!(migrate(&["--dry-run"]).contains("nothing to do"));

    let mut command = command(data);
    command.env("CHAT_DATABASE_PASSWORD", "a password");
    let server = Server::start_by(command, data, &["--database", &url, "--database-user", "chat"]);
    assert_answers(&server, data, &expected()["answers"]).await;
}
