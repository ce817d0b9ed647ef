//! The server: the address of a client, and service to other clients while many connections are idle.
#![allow(missing_docs, reason = "tests")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod compressed;
mod flood;
mod proxied;

use std::time::Duration;

use chatcore_http::{ClientIp, ServeOptions, TrustedProxies, serve};
use poem::{Request, Route, endpoint::make_sync, get};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

/// Long enough for a loaded machine; no test waits for its end.
const PATIENCE: Duration = Duration::from_secs(60);

const REQUEST: &str = "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

/// An app that answers with the client's address.
fn app() -> Route {
    Route::new().at("/", get(make_sync(|request: Request| ClientIp::of(&request).unwrap().0.to_string())))
}

/// Serves it; gives the address.
async fn served(options: ServeOptions) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(serve(listener, app(), options, std::future::pending()));
    address
}

fn trusting(proxies: &[&str]) -> ServeOptions {
    ServeOptions { trusted_proxies: TrustedProxies::listed(proxies).unwrap(), ..ServeOptions::default() }
}

/// All that comes back for these bytes until the connection ends.
async fn answer(address: &str, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // The server may end the connection before it has read all.
    let _ = stream.write_all(bytes).await;
    rest(&mut stream).await
}

async fn rest(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    // A reset is an end as well.
    let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut text)).await.unwrap();
    String::from_utf8_lossy(&text).into_owned()
}

/// The body of a good answer; the whole text of any other.
fn body(answer: &str) -> &str {
    match answer.split_once("\r\n\r\n") {
        Some((head, body)) if head.starts_with("HTTP/1.1 200") => body,
        _ => answer,
    }
}

#[tokio::test]
async fn headers_count_from_trusted_proxies_only() {
    let request = REQUEST.replace("Host: x", "Host: x\r\nX-Forwarded-For: 198.51.100.1");
    let trusting_server = served(trusting(&["127.0.0.0/8"])).await;
    assert_eq!(body(&answer(&trusting_server, request.as_bytes()).await), "198.51.100.1");
    let other = served(trusting(&["10.0.0.0/8"])).await;
    assert_eq!(body(&answer(&other, request.as_bytes()).await), "127.0.0.1");
}

#[tokio::test]
async fn connections_of_a_trusted_proxy_are_of_many_clients() {
    for (proxies, expected) in [(&["127.0.0.1"][..], "HTTP/1.1 200"), (&[], "HTTP/1.1 429")] {
        let address = served(ServeOptions { connections_per_address: 1, ..trusting(proxies) }).await;
        let mut first = TcpStream::connect(&address).await.unwrap();
        // Its answer shows that the first connection has its place.
        first.write_all(REQUEST.replace("Connection: close\r\n", "").as_bytes()).await.unwrap();
        first.read_exact(&mut [0; 12]).await.unwrap();
        let second = answer(&address, REQUEST.as_bytes()).await;
        assert!(second.starts_with(expected), "{second}");
    }
}
