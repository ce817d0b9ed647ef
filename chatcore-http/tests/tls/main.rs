//! The server within TLS, over real sockets, with certificates that the tests make.
#![allow(missing_docs, reason = "tests")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod files;
mod handshakes;

use std::{fs, path::PathBuf, sync::Arc, time::Duration};

use chatcore_http::{ClientIp, ServeOptions, Tls, serve};
use poem::{Request, Route, endpoint::make_sync, get};
use rcgen::{Certificate, KeyPair, generate_simple_self_signed};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    time::timeout,
};
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{
        ClientConfig, ProtocolVersion, RootCertStore, SupportedProtocolVersion,
        crypto::aws_lc_rs,
        version::{TLS12, TLS13},
    },
};

/// Long enough for a loaded machine; no test waits for its end.
const PATIENCE: Duration = Duration::from_secs(60);

const REQUEST: &str = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";

/// A certificate for `localhost`, with its key.
struct Pair {
    certificate: Certificate,
    key: KeyPair,
}

impl Pair {
    fn new() -> Self {
        let made = generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        Self { certificate: made.cert, key: made.signing_key }
    }
}

/// The two files of a server.
struct Folder {
    folder: TempDir,
}

impl Folder {
    fn with(pair: &Pair) -> Self {
        let files = Self { folder: tempfile::tempdir().unwrap() };
        files.write(pair);
        files
    }

    fn write(&self, Pair { certificate, key }: &Pair) {
        fs::write(self.certificate(), certificate.pem()).unwrap();
        fs::write(self.key(), key.serialize_pem()).unwrap();
    }

    fn certificate(&self) -> PathBuf {
        self.folder.path().join("chain.pem")
    }

    fn key(&self) -> PathBuf {
        self.folder.path().join("key.pem")
    }

    fn load(&self) -> Tls {
        Tls::load(self.certificate(), self.key()).unwrap()
    }
}

fn options(tls: &Tls) -> ServeOptions {
    ServeOptions { tls: Some(tls.clone()), ..ServeOptions::default() }
}

/// Serves an app that answers with the client's address and with the scheme; gives the address.
async fn served(options: ServeOptions) -> String {
    let app = make_sync(|request: Request| format!("{} {}", ClientIp::of(&request).unwrap().0, request.scheme()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(serve(listener, Route::new().at("/", get(app)), options, std::future::pending()));
    address
}

/// A client that trusts this certificate, and knows these versions and protocols.
fn client(pair: &Pair, versions: &[&'static SupportedProtocolVersion], protocols: &[&str]) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    roots.add(pair.certificate.der().clone()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
    let config = config.with_protocol_versions(versions).unwrap();
    let mut config = config.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    TlsConnector::from(Arc::new(config))
}

/// Opens a connection, which sends these bytes before its handshake.
async fn open(connector: &TlsConnector, address: &str, first: &[u8]) -> std::io::Result<TlsStream<TcpStream>> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(first).await?;
    let handshake = connector.connect("localhost".try_into().unwrap(), stream);
    timeout(PATIENCE, handshake).await.expect("no handshake in a minute")
}

async fn connect(pair: &Pair, address: &str) -> std::io::Result<TlsStream<TcpStream>> {
    open(&client(pair, &[&TLS13, &TLS12], &[]), address, b"").await
}

/// Asks on an open connection; gives the body of a good answer.
async fn ask(stream: &mut TlsStream<TcpStream>) -> String {
    stream.write_all(REQUEST.as_bytes()).await.unwrap();
    let mut text = Vec::new();
    let mut buffer = [0; 1024];
    loop {
        let read = timeout(PATIENCE, stream.read(&mut buffer)).await.expect("no answer in a minute").unwrap();
        assert!(read > 0, "the connection ended: {}", String::from_utf8_lossy(&text));
        text.extend_from_slice(&buffer[..read]);
        let text = String::from_utf8(text.clone()).unwrap();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        assert!(head.starts_with("HTTP/1.1 200"), "{text}");
        let length = head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
        if body.len() == length.unwrap_or(0_usize) {
            return body.to_owned();
        }
    }
}

#[tokio::test]
async fn both_versions_are_spoken_and_the_app_knows_of_it() {
    let pair = Pair::new();
    let address = served(options(&Folder::with(&pair).load())).await;
    for (version, name) in [(&TLS12, ProtocolVersion::TLSv1_2), (&TLS13, ProtocolVersion::TLSv1_3)] {
        let connector = client(&pair, &[version], &["h2", "http/1.1"]);
        let mut stream = open(&connector, &address, b"").await.unwrap();
        let (_, session) = stream.get_ref();
        assert_eq!((session.protocol_version(), session.alpn_protocol()), (Some(name), Some(&b"http/1.1"[..])));
        // On one connection, more than once.
        for _ in 0..2 {
            assert_eq!(ask(&mut stream).await, "127.0.0.1 https");
        }
    }
    let only_2 = open(&client(&pair, &[&TLS13], &["h2"]), &address, b"").await;
    assert!(only_2.is_err(), "HTTP/2 was agreed on, and nobody speaks it");
}
