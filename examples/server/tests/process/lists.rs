//! Lists of words and links that messages may not have.

use std::fs;

use nix::sys::signal::Signal;
use serde_json::json;

use crate::{
    kit::{Server, folder, run},
    settings::refuses,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_with_a_listed_word_is_refused_and_one_with_another_link_waits() {
    let folder = folder();
    let data = folder.path();
    fs::write(data.join("words.txt"), "\u{feff}# Advertisements\nspam\n\nCasino # in small letters, too\n").unwrap();
    fs::write(data.join("domains.txt"), "example.com\n").unwrap();
    let lists = ["--blocked-words", "words.txt", "--allowed-links", "domains.txt", "--on-blocked-link", "hold"];
    let server = Server::start_with(data, &[&["--database", "mem://"][..], &lists].concat());
    let (alice, bob) = (server.client(data, "alice"), server.client(data, "bob"));
    let id = alice.session("PUBLIC").await;
    bob.post(&format!("/sessions/{id}/join"), json!({})).await.expect(200);
    let messages = format!("/sessions/{id}/messages");
    for (text, code) in [
        ("a CASINO", "WORD_NOT_ALLOWED"),
        ("sp\u{e1}m!", "WORD_NOT_ALLOWED"),
        ("see https://evil.example/x", "MESSAGE_HELD"),
    ] {
        bob.post(&messages, json!({ "content": text })).await.problem(403, code);
    }
    bob.say(&id, "no spammer, see https://www.example.com/x").await;
    let held = alice.get(&format!("/sessions/{id}/held-messages")).await.expect(200);
    assert_eq!((held[0]["content"].as_str(), &held[1]), (Some("see https://evil.example/x"), &json!(null)), "{held}");
    let approve = format!("/sessions/{id}/held-messages/{}/approve", held[0]["id"].as_str().unwrap());
    alice.post(&approve, json!({})).await.expect(201);
    let texts = bob.get(&messages).await.expect(200).to_string();
    assert!(texts.contains("evil.example") && !texts.contains("CASINO"), "{texts}");
    assert_eq!(server.stop(Signal::SIGTERM), 0);
}

#[test]
fn lists_that_cannot_be_used_are_refused_with_the_line() {
    let folder = folder();
    let data = folder.path();
    fs::write(data.join("words.txt"), "# Words\nspam\ntwo words\n").unwrap();
    fs::write(data.join("domains.txt"), "example.com\nhttps://example.com\n").unwrap();
    fs::write(data.join("good.txt"), "example\n").unwrap();
    fs::write(data.join("bytes.txt"), b"\xff\n").unwrap();
    for (args, why) in [
        (&["--blocked-words", "words.txt"][..], &["--blocked-words", "line 3 of words.txt", "two words"][..]),
        (&["--blocked-links", "domains.txt"], &["--blocked-links", "line 2 of domains.txt"]),
        (&["--allowed-links", "domains.txt"], &["--allowed-links", "line 2 of domains.txt"]),
        (&["--blocked-words", "none.txt"], &["--blocked-words", "cannot read none.txt"]),
        (&["--blocked-words", "bytes.txt"], &["--blocked-words", "UTF-8"]),
        (&["--blocked-words", ""], &["--blocked-words"]),
        (&["--on-blocked-word", "hold"], &["--on-blocked-word", "--blocked-words"]),
        (&["--blocked-words", "good.txt", "--on-blocked-link", "mask"], &["--on-blocked-link", "--allowed-links"]),
        (&["--blocked-words", "good.txt", "--on-blocked-word", "burn"], &["--on-blocked-word", "mask"]),
        (&["--blocked-links", "good.txt", "--allowed-links", "good.txt"], &["--blocked-links", "exclude"]),
    ] {
        refuses(data, &[], args, why);
    }
    let check =
        |list: &str| run(data, &["check", "--listen", "127.0.0.1:0", "--database", "mem://", "--blocked-words", list]);
    let (bad, good) = (check("words.txt"), check("good.txt"));
    let told = String::from_utf8(bad.stdout).unwrap();
    assert!(!bad.status.success() && told.contains("FAIL lists: --blocked-words: line 3 of words.txt"), "{told}");
    let told = String::from_utf8(good.stdout).unwrap();
    assert!(good.status.success() && told.contains("ok   lists: "), "{told}");
}
