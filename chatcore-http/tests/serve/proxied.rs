//! The PROXY protocol.

use std::time::Duration;

use chatcore_http::ServeOptions;
use tokio::{io::AsyncWriteExt as _, net::TcpStream};

use crate::{REQUEST, answer, body, rest, served, trusting};

const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

fn proxied() -> ServeOptions {
    ServeOptions { proxy_protocol: true, ..trusting(&["127.0.0.0/8"]) }
}

/// A header of version 2: the byte of the command, the byte of the family, and what follows.
fn header(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
    [SIGNATURE, &[command, family], &length, rest].concat()
}

fn v4(source: [u8; 4]) -> Vec<u8> {
    header(0x21, 0x11, &[&source[..], &[127, 0, 0, 1], &[0x12, 0x34], &[0, 80]].concat())
}

async fn client(header: &[u8]) -> String {
    let address = served(proxied()).await;
    body(&answer(&address, &[header, REQUEST.as_bytes()].concat()).await).to_owned()
}

#[tokio::test]
async fn the_header_names_the_client() {
    assert_eq!(client(&v4([198, 51, 100, 1])).await, "198.51.100.1");
    let source: std::net::Ipv6Addr = "2001:db8::1".parse().unwrap();
    let addresses = [&source.octets()[..], &[0; 15], &[1], &[0x12, 0x34], &[0, 80]].concat();
    assert_eq!(client(&header(0x21, 0x21, &addresses)).await, "2001:db8::1");
    // With an extension behind the addresses (PP2_TYPE_NOOP).
    let longer = [&[198, 51, 100, 2, 127, 0, 0, 1, 0, 1, 0, 80][..], &[4, 0, 2, 0, 0]].concat();
    assert_eq!(client(&header(0x21, 0x11, &longer)).await, "198.51.100.2");
    // A health check of the proxy, and a client whose address the proxy does not know.
    assert_eq!(client(&header(0x20, 0x00, &[])).await, "127.0.0.1");
    assert_eq!(client(&header(0x21, 0x00, &[])).await, "127.0.0.1");
}

#[tokio::test]
async fn a_connection_without_a_good_header_ends_without_an_answer() {
    let wrong_version = header(0x31, 0x11, &[0; 12]);
    let datagram = header(0x21, 0x12, &[0; 12]);
    let short = header(0x21, 0x11, &[0; 4]);
    let long = header(0x21, 0x11, &[0; 5_000]);
    let version_1 = b"PROXY TCP4 198.51.100.1 127.0.0.1 4711 80\r\n";
    for bad in [&b""[..], version_1, &wrong_version, &datagram, &short, &long] {
        assert_eq!(client(bad).await, "", "{bad:?}");
    }
}

#[tokio::test]
async fn a_header_that_does_not_come_ends_the_wait() {
    let address = served(ServeOptions { header_time: Duration::from_millis(50), ..proxied() }).await;
    let mut stream = TcpStream::connect(&address).await.unwrap();
    stream.write_all(SIGNATURE).await.unwrap();
    assert_eq!(rest(&mut stream).await, "");
}

#[tokio::test]
async fn a_peer_that_is_no_trusted_proxy_has_no_header() {
    let address = served(ServeOptions { proxy_protocol: true, ..trusting(&["10.0.0.0/8"]) }).await;
    assert_eq!(body(&answer(&address, REQUEST.as_bytes()).await), "127.0.0.1");
    let forged = answer(&address, &[&v4([198, 51, 100, 1]), REQUEST.as_bytes()].concat()).await;
    assert!(forged.starts_with("HTTP/1.1 400"), "{forged}");
}

#[tokio::test]
async fn clients_behind_the_proxy_are_counted_by_their_own_addresses() {
    let address = served(ServeOptions { connections_per_address: 1, ..proxied() }).await;
    let open = |source| {
        let address = address.clone();
        async move {
            let mut stream = TcpStream::connect(&address).await.unwrap();
            let request = REQUEST.replace("Connection: close\r\n", "");
            stream.write_all(&[&v4(source), request.as_bytes()].concat()).await.unwrap();
            let mut status = [0; 12];
            tokio::io::AsyncReadExt::read_exact(&mut stream, &mut status).await.unwrap();
            (stream, String::from_utf8(status.to_vec()).unwrap())
        }
    };
    let (_first, status) = open([198, 51, 100, 1]).await;
    assert_eq!(status, "HTTP/1.1 200");
    let (_second, status) = open([198, 51, 100, 1]).await;
    assert_eq!(status, "HTTP/1.1 429");
    let (_third, status) = open([198, 51, 100, 2]).await;
    assert_eq!(status, "HTTP/1.1 200");
}
