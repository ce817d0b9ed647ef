//! Handshakes: behind a proxy, without TLS, slow, and too many.

use std::time::Duration;

use chatcore_http::{ServeOptions, TrustedProxies};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::rustls::version::TLS13;

use crate::{Folder, PATIENCE, Pair, REQUEST, ask, client, connect, open, options, served};

/// The beginning of a handshake, of which the rest never comes.
const BEGUN: &[u8] = &[22, 3, 1];

/// A header of version 2 of the PROXY protocol, of a client at 198.51.100.`host`.
fn proxied(host: u8) -> Vec<u8> {
    let addresses = [198, 51, 100, host, 127, 0, 0, 1, 0x12, 0x34, 0, 80];
    [b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c", &addresses[..]].concat()
}

/// What comes back until the connection ends.
async fn rest(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    // A reset is an end as well.
    let _ = timeout(PATIENCE, stream.read_to_end(&mut text)).await.expect("the connection did not end in a minute");
    String::from_utf8_lossy(&text).into_owned()
}

async fn raw(address: &str, bytes: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    stream
}

#[tokio::test]
async fn the_header_of_a_proxy_comes_before_the_handshake() {
    let pair = Pair::new();
    let tls = Folder::with(&pair).load();
    let trusted_proxies = TrustedProxies::listed(&["127.0.0.0/8"]).unwrap();
    let behind = ServeOptions { proxy_protocol: true, trusted_proxies, connections_per_address: 1, ..options(&tls) };
    let address = served(behind).await;
    let connector = client(&pair, &[&TLS13], &[]);
    let mut first = open(&connector, &address, &proxied(1)).await.unwrap();
    assert_eq!(ask(&mut first).await, "198.51.100.1 https");
    // Clients are counted by their own addresses, and one too many has no handshake.
    assert!(open(&connector, &address, &proxied(1)).await.is_err());
    let mut other = open(&connector, &address, &proxied(2)).await.unwrap();
    assert_eq!(ask(&mut other).await, "198.51.100.2 https");
    // Without the header, and with the header within TLS, there is no connection.
    assert!(open(&connector, &address, b"").await.is_err());
}

#[tokio::test]
async fn a_request_without_tls_is_told_so_and_noise_is_not_answered() {
    let pair = Pair::new();
    let address = served(options(&Folder::with(&pair).load())).await;
    let answer = rest(&mut raw(&address, REQUEST.as_bytes()).await).await;
    assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("https://"), "{answer}");
    let long = [REQUEST.as_bytes(), &[b'x'; 60_000]].concat();
    let answer = rest(&mut raw(&address, &long).await).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400 "), "{answer}");
    for noise in [&b"\0\0\0\0"[..], b"\r\n\r\n", &[0x80; 100], &[22; 40_000]] {
        let answer = rest(&mut raw(&address, noise).await).await;
        assert!(!answer.contains("HTTP/1.1"), "{answer}");
    }
    assert_eq!(ask(&mut connect(&pair, &address).await.unwrap()).await, "127.0.0.1 https");
}

#[tokio::test]
async fn a_thousand_half_open_handshakes_leave_room_for_others() {
    let pair = Pair::new();
    let address = served(options(&Folder::with(&pair).load())).await;
    let mut slow = Vec::new();
    for number in 0..1_000 {
        slow.push(raw(&address, if number % 2 == 0 { b"" } else { BEGUN }).await);
    }
    for _ in 0..20 {
        assert_eq!(ask(&mut connect(&pair, &address).await.unwrap()).await, "127.0.0.1 https");
    }
    drop(slow);
}

#[tokio::test]
async fn a_handshake_that_does_not_end_ends_the_connection() {
    let pair = Pair::new();
    let tls = Folder::with(&pair).load();
    let address = served(ServeOptions { handshake_time: Duration::from_millis(50), ..options(&tls) }).await;
    for begun in [b"", BEGUN] {
        assert_eq!(rest(&mut raw(&address, begun).await).await, "");
    }
}

#[tokio::test]
async fn a_handshake_has_its_place_among_the_connections() {
    let pair = Pair::new();
    let tls = Folder::with(&pair).load();
    let address = served(ServeOptions { connections_per_address: 1, ..options(&tls) }).await;
    let half_open = raw(&address, BEGUN).await;
    // No answer without TLS either.
    assert_eq!(rest(&mut raw(&address, b"").await).await, "");
    assert!(connect(&pair, &address).await.is_err());
    drop(half_open);
    let stream = loop {
        // Its place is free once the server has seen its end.
        if let Ok(stream) = connect(&pair, &address).await {
            break stream;
        }
    };
    drop(stream);

    // In all, further ones wait until a handshake is given up.
    let tight = ServeOptions { connections: 1, handshake_time: Duration::from_millis(50), ..options(&tls) };
    let address = served(tight).await;
    let mut half_open = raw(&address, BEGUN).await;
    let mut next = connect(&pair, &address).await.unwrap();
    assert_eq!(rest(&mut half_open).await, "");
    assert_eq!(ask(&mut next).await, "127.0.0.1 https");
}
