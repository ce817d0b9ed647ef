//! Connection strings, and what they mean.

use super::*;

fn url(text: &str) -> String {
    Target::parse(text).expect("a valid connection string").url().to_owned()
}

#[test]
fn every_commit_is_durable_unless_asked_otherwise() {
    assert_eq!(url("mem://"), "mem://");
    assert_eq!(url("surrealkv:///var/lib/chat"), "surrealkv:///var/lib/chat?sync=every");
    assert_eq!(url("surrealkv://data/chat?"), "surrealkv://data/chat?sync=every");
    assert_eq!(url("surrealkv://data?sync=every"), "surrealkv://data?sync=every");
    assert_eq!(url("surrealkv://data?sync=200ms"), "surrealkv://data?sync=200ms");
}

#[test]
fn a_server_is_named_by_host_and_port() {
    assert_eq!(url("ws://localhost:8000"), "ws://localhost:8000");
    assert_eq!(url("ws://[::1]:8000/"), "ws://[::1]:8000");
    assert_eq!(url("wss://db.example:443/"), "wss://db.example:443");
}

#[test]
fn a_password_is_not_shown() {
    let credentials = Credentials { username: "ana".to_owned(), password: "very secret".to_owned() };
    let options = SurrealOptions { credentials: Some(credentials), ..SurrealOptions::default() };
    let shown = format!("{options:?}");
    assert!(shown.contains("ana") && !shown.contains("secret"), "{shown}");
    match Target::parse("ws://ana:very-secret@host:1") {
        Err(error) => assert!(!format!("{error} {error:?}").contains("secret")),
        Ok(target) => panic!("{target:?}"),
    }
}

#[test]
fn what_is_not_understood_is_refused() {
    for bad in [
        "ws://",
        "ws:///",
        "ws://u:p@host:1",
        "ws://host:1/ns",
        "ws://host:1?x",
        "wss://",
        "wss://u:p@host:1",
        "wss://host:1?x",
        "surrealkv://~",
        "surrealkv://~/chat",
        "surrealkv://~/chat?sync=every",
        "surrealkv://",
        "surrealkv://?sync=every",
        "mem://x",
        "surrealkv://d?sync=foo",
        "surrealkv://d?x=1",
        "surrealkv://d?sync=never&sync=every",
        "surrealkv://d?sync=0s",
        "surrealkv://d?sync=s",
    ] {
        assert!(matches!(Target::parse(bad), Err(ConnectError::InvalidUrl(_))), "{bad}");
    }
    for (bad, expected) in [("http://user:pw@host", "http"), ("", ""), ("memory", "memory"), ("MEM://", "MEM")] {
        match Target::parse(bad) {
            Err(ConnectError::UnknownScheme { scheme }) => assert_eq!(scheme, expected),
            other => panic!("{bad} gave {other:?}"),
        }
    }
}
