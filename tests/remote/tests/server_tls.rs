//! A database server within TLS.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test reports by panicking"
)]

use std::{
    fs,
    path::{Path, PathBuf},
};

use chatcore::{
    Chat, Principal,
    chat::{CreateSession, SendMessage},
    model::UserId,
};
use chatcore_surreal::{ConnectError, Inspection, SurrealOptions, SurrealStore};
use chatcore_tests::Surreal;
use rcgen::generate_simple_self_signed;

const SURREAL: &str = env!("CARGO_BIN_EXE_surreal");

/// A certificate for a host with its key, as files.
fn certificate(folder: &Path, name: &str, host: &str) -> [PathBuf; 2] {
    let made = generate_simple_self_signed(vec![host.to_owned()]).unwrap();
    let files = ["pem", "key"].map(|ending| folder.join(format!("{name}.{ending}")));
    fs::write(&files[0], made.cert.pem()).unwrap();
    fs::write(&files[1], made.signing_key.serialize_pem()).unwrap();
    files
}

/// An error with its causes.
fn told(error: &ConnectError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_a_server_with_the_right_certificate_is_used() {
    let folder = tempfile::tempdir().unwrap();
    let [own, key] = certificate(folder.path(), "own", "127.0.0.1");
    let [other, _] = certificate(folder.path(), "other", "127.0.0.1");
    let server = Surreal::start_secure(SURREAL, "memory", &own, &key).await;
    let options = server.database().await;
    let trusting =
        |authorities: Option<&Path>| SurrealOptions { authorities: authorities.map(Path::to_owned), ..options.clone() };
    let port = server.url().rsplit(':').next().unwrap().to_owned();

    let inspected = SurrealStore::inspect(&server.url(), &trusting(Some(&own))).await.unwrap();
    assert!(matches!(inspected, Inspection::Usable { schema: 0, .. }), "{inspected:?}");
    let store = SurrealStore::connect_with(&server.url(), trusting(Some(&own))).await.unwrap();
    let chat = Chat::new(store);
    let ana = Principal::new(UserId::new("ana").unwrap());
    let id = chat.create_session(&ana, CreateSession::titled("Within TLS")).await.unwrap().summary.session.id;
    chat.send(&ana, id, SendMessage::text("hush")).await.unwrap();
    let inspected = SurrealStore::inspect(&server.url(), &trusting(Some(&own))).await.unwrap();
    assert!(
        matches!(inspected, Inspection::Usable { schema, known } if schema == known && schema > 0),
        "{inspected:?}"
    );

    let refused = async |url: String, authorities: Option<&Path>| {
        let error = SurrealStore::connect_with(&url, trusting(authorities)).await.expect_err("it was let in");
        let text = told(&error);
        (error, text)
    };
    // The authority is none that browsers trust, and not the one that was given.
    for authorities in [None, Some(other.as_path())] {
        let (error, text) = refused(server.url(), authorities).await;
        assert!(
            matches!(error, ConnectError::Certificate { .. }) && text.contains("invalid peer certificate"),
            "{text}"
        );
    }
    // The certificate is of another host.
    let (error, text) = refused(format!("wss://localhost:{port}"), Some(&own)).await;
    assert!(matches!(error, ConnectError::Certificate { .. }) && text.contains("localhost"), "{text}");
    // Without TLS, the server is not reached.
    let (error, text) = refused(format!("ws://127.0.0.1:{port}"), None).await;
    assert!(matches!(error, ConnectError::Unreachable { .. }), "{text}");
    // Files that hold no authority.
    for file in [folder.path().join("nowhere"), key] {
        let (error, text) = refused(server.url(), Some(&file)).await;
        assert!(matches!(error, ConnectError::Authorities { .. }), "{text}");
        assert!(text.contains(file.to_str().unwrap()), "{text}");
    }
}
