//! `chat-server check`.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpListener,
    os::unix::fs::PermissionsExt as _,
    path::Path,
};

use chrono::{DateTime, Datelike as _, TimeDelta, Utc};
use nix::sys::signal::Signal;
use rcgen::{CertificateParams, KeyPair};
use serde_json::json;

use crate::{
    kit::{Server, command, folder, run},
    parties::tokens,
};

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
    let bus = ["--bus", "nats://127.0.0.1:1"];
    fails(&[&bus[..], &["--bus-credentials-file", "none.creds"]].concat(), "bus", &["none.creds"]);
    fails(&[&bus[..], &["--bus-required", "true"]].concat(), "bus", &["127.0.0.1:1"]);
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

    let (status, text) = check(data, &[&ANY_PORT[..], &bus].concat());
    assert!(status == 0 && line(&text, "ok", "bus").contains("127.0.0.1:1"), "{text}");

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

const PAIR: [&str; 4] = ["--tls-cert", "chain.pem", "--tls-key", "key.pem"];

/// A certificate that is good from and to so many days from now.
fn of_days(from: i64, to: i64) -> CertificateParams {
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let day = |days| Utc::now() + TimeDelta::days(days);
    let date = |day: DateTime<Utc>| rcgen::date_time_ymd(day.year(), day.month() as u8, day.day() as u8);
    (params.not_before, params.not_after) = (date(day(from)), date(day(to)));
    params
}

/// Writes a chain of these, the first one with its key; each is signed by itself.
fn write_chain(data: &Path, chain: &[CertificateParams]) {
    let mut text = String::new();
    for (place, params) in chain.iter().enumerate() {
        let key = KeyPair::generate().unwrap();
        text.push_str(&params.self_signed(&key).unwrap().pem());
        if place == 0 {
            fs::write(data.join("key.pem"), key.serialize_pem()).unwrap();
            fs::set_permissions(data.join("key.pem"), fs::Permissions::from_mode(0o600)).unwrap();
        }
    }
    fs::write(data.join("chain.pem"), text).unwrap();
}

#[test]
fn the_time_of_a_certificate_and_of_its_chain_is_checked() {
    let folder = folder();
    let data = folder.path();
    let long = || of_days(-1, 300);
    for (chain, verdict, words) in [
        (vec![long()], "ok", "is good until"),
        (vec![of_days(-1, 20)], "ok", "is good until"),
        (vec![of_days(-1, 10)], "WARN", "renew it"),
        (vec![long(), of_days(-1, 10)], "WARN", "renew it"),
        (vec![of_days(-1, 10), long()], "WARN", "renew it"),
        (vec![of_days(-20, -1)], "FAIL", "ended at"),
        (vec![long(), of_days(-20, -1)], "FAIL", "ended at"),
        (vec![of_days(2, 300)], "FAIL", "begins at"),
    ] {
        write_chain(data, &chain);
        let (_, text) = check(data, &[&ANY_PORT[..], &PAIR].concat());
        let told = line(&text, verdict, "certificate");
        assert!(told.contains(words) && told.contains("chain.pem"), "{text}");
        line(&text, "ok", "tls");
    }
    // One that ended does not stop a start, and the log says so.
    write_chain(data, &[of_days(-20, -1)]);
    let server = Server::start_with(data, &[&PAIR[..], &["--database", "mem://"]].concat());
    assert!(server.log().contains("chain.pem ended at"), "{}", server.log());
    server.kill();

    fs::write(data.join("key.pem"), KeyPair::generate().unwrap().serialize_pem()).unwrap();
    let (_, text) = check(data, &[&ANY_PORT[..], &PAIR].concat());
    assert!(line(&text, "FAIL", "tls").contains("does not belong to the certificate"), "{text}");
}

/// Answers one request after the other with these; gives the address of the keys.
fn keys_at(answers: Vec<(u16, String)>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for (status, body) in answers {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                request.extend(byte);
            }
            let length = body.len();
            write!(stream, "HTTP/1.1 {status} X\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}")
                .unwrap();
        }
    });
    format!("http://{address}/keys")
}

#[test]
fn the_keys_of_other_parties_are_read() {
    let folder = folder();
    let data = folder.path();
    let keys = ["rsa", "ec", "ed"].map(|name| tokens::key(name)["jwk"].clone());
    let keys = json!({ "keys": keys }).to_string();
    let party = |iss: &str, jwks: &str| {
        format!("[[issuers]]\niss = \"{iss}\"\naudience = \"chat\"\njwks = \"{jwks}\"\nuser_prefix = \"{iss}:\"\n")
    };
    fs::write(data.join("keys.json"), &keys).unwrap();
    let url = keys_at(vec![(200, keys.clone()), (404, "nothing".into()), (200, "{\"keys\": []}".into())]);
    fs::write(data.join("chat-server.toml"), party("a", "keys.json") + &party("b", &url)).unwrap();
    let (status, text) = check(data, &ANY_PORT);
    assert_eq!(status, 0, "{text}");
    let told: Vec<_> = text.lines().filter(|line| line.starts_with("ok   keys: ")).collect();
    assert!(told[0].contains("\"a\" has 3 keys") && told[1].contains("\"b\" has 3 keys"), "{text}");

    let away = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    fs::write(data.join("long.json"), format!("{keys}{}", " ".repeat(300_000))).unwrap();
    for (jwks, words) in [
        (url.clone(), "404"),
        (url, "no key that could be used"),
        (format!("http://{away}/keys"), "error sending request"),
        ("long.json".to_owned(), "too long"),
    ] {
        fs::write(data.join("chat-server.toml"), party("a", "keys.json") + &party("b", &jwks)).unwrap();
        let (status, text) = check(data, &ANY_PORT);
        let told = line(&text, "FAIL", "keys");
        assert!(status == 1 && told.contains(words) && told.contains(&jwks), "{text}");
        // The other one is looked at all the same.
        assert!(line(&text, "ok", "keys").contains("\"a\""), "{text}");
    }
}
