//! TLS: the same server, with a certificate.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, sync::Arc};

use chatcore_tests::{Client, Events, GraphqlSocket, Socket};
use nix::sys::signal::Signal;
use rcgen::generate_simple_self_signed;
use rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs, pki_types::CertificateDer};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional},
    net::{TcpListener, TcpStream},
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::{
    kit::{PATIENCE, Server, folder, run, token},
    settings::refuses,
};

const FLAGS: [&str; 6] = ["--tls-cert", "chain.pem", "--tls-key", "key.pem", "--database", "mem://"];

/// Writes a certificate for this machine with its key, and gives the certificate.
fn certificate(data: &Path) -> CertificateDer<'static> {
    let made = generate_simple_self_signed(vec!["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
    fs::write(data.join("chain.pem"), made.cert.pem()).unwrap();
    write_key(data, &made.signing_key.serialize_pem());
    made.cert.der().clone()
}

fn write_key(data: &Path, text: &str) {
    fs::write(data.join("key.pem"), text).unwrap();
    fs::set_permissions(data.join("key.pem"), fs::Permissions::from_mode(0o600)).unwrap();
}

/// Opens a connection that trusts this certificate alone.
async fn connect(server: &str, trusted: &CertificateDer<'static>) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
    let config = config.with_safe_default_protocol_versions().unwrap();
    let config = config.with_root_certificates(roots).with_no_client_auth();
    let stream = TcpStream::connect(server).await?;
    TlsConnector::from(Arc::new(config)).connect("localhost".try_into().unwrap(), stream).await
}

/// A way to the server for clients that do not speak TLS: what they send goes on within TLS. Gives its address.
async fn tunnel(server: &str, trusted: CertificateDer<'static>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let server = server.to_owned();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let (server, trusted) = (server.clone(), trusted.clone());
            tokio::spawn(async move {
                let Ok(mut stream) = connect(&server, &trusted).await else { return };
                let _ = copy_bidirectional(&mut client, &mut stream).await;
            });
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_transport_works_within_tls() {
    let folder = folder();
    let data = folder.path();
    let trusted = certificate(data);
    let server = Server::start_with(data, &FLAGS);
    // A client that speaks TLS itself.
    let http = reqwest::Client::builder().no_proxy();
    let http = http.tls_certs_only([reqwest::Certificate::from_der(&trusted).unwrap()]).build().unwrap();
    let port = server.address.rsplit(':').next().unwrap();
    let url = format!("https://localhost:{port}/api/v1/chat/sessions");
    let token = token(data, "a");
    let made = http.post(&url).bearer_auth(&token).json(&json!({ "title": "T", "session_type": "PUBLIC" }));
    let made = made.send().await.unwrap();
    assert_eq!(made.status().as_u16(), 201);
    let made: Value = made.json().await.unwrap();
    let id = made["id"].as_str().unwrap();

    // Each of these has a connection of its own.
    let address = tunnel(&server.address, trusted).await;
    let a = Client::new(&address, Some(token.clone()));
    let mut socket = Socket::open(&address, "", Some(&token)).await;
    socket.join(id, None).await;
    let mut events = Events::open(a.stream_of(id, "")).await.unwrap();
    let mut graphql = GraphqlSocket::admitted(&address, &token).await;
    let subscription = "subscription($id: ID!) { sessionEvents(sessionId: $id, after: 0) { __typename } }";
    graphql.subscribe("1", subscription, json!({ "id": id })).await;
    graphql.next("1").await;
    // Half of what a record of TLS holds, and more than a record in all.
    let text = "x".repeat(7_000);
    for _ in 0..3 {
        let sent = a.say(id, &text).await;
        assert_eq!(socket.expect("message_received").await["data"]["message"]["id"], sent["id"]);
        assert_eq!(events.expect("message_received").await["data"]["message"]["content"], text);
        graphql.next("1").await;
    }

    // A request without TLS.
    let mut plain = TcpStream::connect(&server.address).await.unwrap();
    plain.write_all(b"GET /ready HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    timeout(PATIENCE, plain.read_to_string(&mut answer)).await.unwrap().unwrap();
    assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("https://"), "{answer}");

    // The command line, which trusts the server's own certificate.
    let by_name = format!("https://localhost:{port}");
    let flags = ["--tls-cert", "chain.pem", "--tls-key", "key.pem"];
    let stats = run(data, &[&flags[..], &["admin", "--server", &by_name, "stats"]].concat());
    assert!(stats.status.success(), "{stats:?}");
    let unnamed = run(data, &[&flags[..], &["admin", "stats"]].concat());
    assert!(String::from_utf8_lossy(&unnamed.stderr).contains("--server https://"), "{unnamed:?}");

    assert_eq!(server.stop(Signal::SIGTERM), 0);
    assert_eq!(socket.closed().await, 1001);
    assert_eq!(graphql.closed().await.0, 1001);
    events.ended().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hangup_makes_it_read_the_certificate_again() {
    let folder = folder();
    let data = folder.path();
    let old = certificate(data);
    let mut server = Server::start_with(data, &FLAGS);
    let log = data.join("log");
    let told = |what: &str| {
        let (log, what) = (log.clone(), what.to_owned());
        let told = async move {
            while !fs::read_to_string(&log).unwrap().contains(&what) {
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
        };
        timeout(PATIENCE, told)
    };
    let address = tunnel(&server.address, old.clone()).await;
    let mut socket = Socket::open(&address, "", Some(&token(data, "a"))).await;

    // The key is of another certificate, so the old pair stays.
    fs::write(data.join("chain.pem"), generate_simple_self_signed(vec!["x".to_owned()]).unwrap().cert.pem()).unwrap();
    server.signal(Signal::SIGHUP);
    told("does not belong to the certificate").await.unwrap();
    connect(&server.address, &old).await.unwrap();

    let new = certificate(data);
    server.signal(Signal::SIGHUP);
    let taken = async { while connect(&server.address, &new).await.is_err() {} };
    timeout(PATIENCE, taken).await.expect("the new certificate was not taken");
    assert!(connect(&server.address, &old).await.is_err());
    // What was open goes on, and the server too.
    socket.silent().await;
    assert!(!server.has_ended());
    assert_eq!(server.stop(Signal::SIGTERM), 0);
}

/// A client of `wss://` that trusts this certificate alone.
async fn secure_socket(server: &str, trusted: &CertificateDer<'static>, token: &str) -> Socket {
    let connection = connect(server, trusted).await.unwrap();
    let port = server.rsplit(':').next().unwrap();
    Socket::over(connection, format!("wss://localhost:{port}/ws?token={token}")).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_of_wss_go_on_while_the_certificate_changes_and_new_ones_come() {
    let folder = folder();
    let data = folder.path();
    let old = certificate(data);
    let server = Server::start_with(data, &FLAGS);
    let (a, b) = (token(data, "a"), token(data, "b"));
    let client = Client::new(&tunnel(&server.address, old.clone()).await, Some(a.clone()));
    let id = client.session("PUBLIC").await;
    client.with_token(&b).post(&format!("/sessions/{id}/join"), json!({})).await.expect(200);
    let said = |text: &str| json!({ "session_id": id, "content": text });
    let mut first = secure_socket(&server.address, &old, &a).await;
    first.join(&id, None).await;
    assert_eq!(first.ask("send_message", said("before")).await["event"], "ack");
    assert_eq!(first.expect("message_received").await["data"]["message"]["content"], "before");

    let new = certificate(data);
    server.signal(Signal::SIGHUP);
    let taken = async { while connect(&server.address, &new).await.is_err() {} };
    timeout(PATIENCE, taken).await.expect("the new certificate was not taken");
    assert!(connect(&server.address, &old).await.is_err());
    let mut second = secure_socket(&server.address, &new, &b).await;
    second.join(&id, None).await;
    // Larger than a record of TLS.
    let long = "\u{1F600}".repeat(5_000);
    assert_eq!(second.ask("send_message", said(&long)).await["event"], "ack");
    assert_eq!(first.ask("send_message", said("after")).await["event"], "ack");
    for socket in [&mut first, &mut second] {
        for text in [long.as_str(), "after"] {
            assert_eq!(socket.expect("message_received").await["data"]["message"]["content"], text);
        }
    }
    assert_eq!(server.stop(Signal::SIGTERM), 0);
    for mut socket in [first, second] {
        assert_eq!(socket.closed().await, 1001);
    }
}

#[test]
fn a_certificate_that_cannot_be_used_is_named_at_the_start() {
    let folder = folder();
    let data = folder.path();
    certificate(data);
    let listen = ["--listen", "127.0.0.1:0"];
    let flags = [&listen[..], &FLAGS].concat();
    refuses(data, &[], &[&listen[..], &FLAGS[..2]].concat(), &["--tls-cert needs --tls-key"]);
    refuses(data, &[], &[&listen[..], &FLAGS[2..4]].concat(), &["--tls-key needs --tls-cert"]);
    let key = fs::read_to_string(data.join("key.pem")).unwrap();
    write_key(data, "nonsense");
    refuses(data, &[], &flags, &["--tls-key", "key.pem", "private key"]);
    write_key(data, &rcgen::KeyPair::generate().unwrap().serialize_pem());
    refuses(data, &[], &flags, &["key.pem", "does not belong to the certificate in chain.pem"]);
    write_key(data, &key);
    fs::write(data.join("chain.pem"), "").unwrap();
    refuses(data, &[], &flags, &["chain.pem", "BEGIN CERTIFICATE"]);
    fs::remove_file(data.join("chain.pem")).unwrap();
    refuses(data, &[], &flags, &["chain.pem", "cannot be read"]);
}

#[test]
fn a_key_that_everybody_can_read_is_told_of() {
    let folder = folder();
    let data = folder.path();
    certificate(data);
    for (mode, is_told) in [(0o600, false), (0o640, false), (0o644, true)] {
        fs::set_permissions(data.join("key.pem"), fs::Permissions::from_mode(mode)).unwrap();
        let server = Server::start_with(data, &FLAGS);
        let log = server.log();
        assert_eq!(log.contains("may use the private key at key.pem"), is_told, "{mode:o}: {log}");
        server.kill();
    }
}
