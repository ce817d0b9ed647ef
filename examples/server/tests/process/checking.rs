//! `chat-server check`.

use std::{fs, net::TcpListener, os::unix::fs::PermissionsExt as _, path::Path};

use nix::sys::signal::Signal;

use crate::kit::{Server, command, folder, run};

/// The exit status, and the lines.
fn check(data: &Path, flags: &[&str]) -> (i32, String) {
    let output = command(data).args(flags).arg("check").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    // One line for each check, with a verdict, the name and words.
    for line in text.lines() {
        let (verdict, rest) = line.split_at(4);
        assert!(["ok  ", "WARN", "FAIL"].contains(&verdict) && rest.contains(": "), "{line}");
    }
    let failed = text.lines().filter(|line| line.starts_with("FAIL")).count();
    let status = output.status.code().unwrap();
    assert_eq!(status, i32::from(failed > 0), "{text}");
    (status, text)
}

/// The line of a check.
#[track_caller]
fn line<'a>(text: &'a str, verdict: &str, name: &str) -> &'a str {
    let begins = format!("{verdict:<4} {name}: ");
    text.lines().find(|line| line.starts_with(&begins)).unwrap_or_else(|| panic!("no line `{begins}` in {text}"))
}

const ANY_PORT: [&str; 2] = ["--listen", "127.0.0.1:0"];

#[test]
fn a_folder_is_checked_before_during_and_after_a_server() {
    let folder = folder();
    let data = folder.path();
    let (status, text) = check(data, &ANY_PORT);
    assert_eq!(status, 0, "{text}");
    for name in ["settings", "secret", "tls", "data", "files", "database", "disk", "listen"] {
        line(&text, "ok", name);
    }
    assert!(line(&text, "ok", "database").contains("not there yet"), "{text}");
    assert_eq!(fs::read_dir(data).unwrap().count(), 0, "a check makes nothing");

    let server = Server::start(data);
    let address = server.address.clone();
    let (status, text) = check(data, &["--listen", &address, "--metrics-listen", &address]);
    assert_eq!(status, 0, "{text}");
    assert!(line(&text, "WARN", "database").contains("open in a server that runs"), "{text}");
    for name in ["listen", "metrics-listen"] {
        assert!(line(&text, "WARN", name).contains("by the server that runs"), "{text}");
    }
    // The server has taken no harm.
    assert_eq!(server.stop(Signal::SIGTERM), 0);

    // A busy machine can take longer to close the database than the server waits. This puts it in order, however long it takes.
    assert!(run(data, &["compact"]).status.success());
    let (status, text) = check(data, &ANY_PORT);
    assert_eq!(status, 0, "{text}");
    assert!(line(&text, "ok", "database").contains("has schema version"), "{text}");
    let again = check(data, &ANY_PORT).1;
    assert!(line(&again, "ok", "database").contains("has schema version"), "a check leaves the database open: {again}");

    Server::start(data).kill();
    let (status, text) = check(data, &ANY_PORT);
    assert_eq!(status, 0, "{text}");
    assert!(line(&text, "WARN", "database").contains("was not closed"), "{text}");
    assert_eq!(Server::start(data).stop(Signal::SIGTERM), 0);
}

#[test]
fn what_would_stop_a_start_is_found_with_what_to_do() {
    let folder = folder();
    let data = folder.path();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let fails = |flags: &[&str], name: &str, words: &[&str]| {
        let flags = if flags.contains(&"--listen") { flags.to_vec() } else { [flags, &ANY_PORT].concat() };
        let (status, text) = check(data, &flags);
        let found = line(&text, "FAIL", name);
        assert!(status == 1 && words.iter().all(|word| found.contains(word)), "{text}");
    };
    fails(&["--listen", &taken], "listen", &["--listen", "choose another"]);
    fails(&["--metrics-listen", &taken], "metrics-listen", &["--metrics-listen", "choose another"]);
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    fails(&["--listen", &free, "--metrics-listen", &free], "metrics-listen", &["--metrics-listen", "choose another"]);
    fails(&["--log", "wran"], "log", &["--log"]);
    fails(&["--allowed-origins", "nonsense"], "allowed-origins", &["nonsense"]);
    fails(&["--tls-cert", "a"], "settings", &["--tls-cert needs --tls-key"]);
    fails(&["--tls-cert", "a.pem", "--tls-key", "b.pem"], "tls", &["a.pem", "cannot be read"]);
    fails(&["--secret-file", "nowhere"], "secret", &["nowhere"]);
    fails(&["--smtp-from", "a@example.org"], "mails", &["CHAT_SMTP_URL"]);
    fails(&["--database", "oracle://x"], "database", &["oracle", "correct --database"]);
    fails(&["--database", "ws://127.0.0.1:1"], "database", &["cannot be reached", "start the database server"]);
    let secure = ["--database", "wss://127.0.0.1:1", "--database-ca", "ca.pem"];
    fails(&secure, "database", &["ca.pem", "correct --database-ca"]);
    fails(&["--database-ca", "ca.pem"], "settings", &["--database-ca", "wss://"]);
    fs::write(data.join("file"), "").unwrap();
    fails(&["--data", "file"], "data", &["file", "no folder"]);
    for (text, name, words) in [
        ("listem = \"127.0.0.1:0\"", "settings", "listem"),
        (
            "[[issuers]]\niss = \"x\"\naudience = \"y\"\njwks = \"none.json\"\nuser_prefix = \"x:\"",
            "issuers",
            "none.json",
        ),
    ] {
        fs::write(data.join("chat-server.toml"), text).unwrap();
        fails(&[], name, &[words]);
    }
    fs::remove_file(data.join("chat-server.toml")).unwrap();
    let output = command(data).args(ANY_PORT).arg("check").env("CHAT_LISTEM", "x").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(!output.status.success() && line(&text, "FAIL", "environment").contains("CHAT_LISTEN"), "{text}");
    assert!(String::from_utf8(output.stderr).unwrap().contains("checks failed"));

    // What a start would do, if not well.
    fs::create_dir(data.join("data")).unwrap();
    fs::write(data.join("data/secret"), "a secret for tests, long enough for HS256").unwrap();
    fs::set_permissions(data.join("data/secret"), fs::Permissions::from_mode(0o644)).unwrap();
    let (status, text) = check(data, &["--listen", "0.0.0.0:0"]);
    assert_eq!(status, 0, "{text}");
    assert!(line(&text, "WARN", "secret").contains("chmod 600"), "{text}");
    assert!(line(&text, "WARN", "tls").contains("--tls-cert"), "{text}");
    assert!(run(data, &["check", "--help"]).status.success());
}
