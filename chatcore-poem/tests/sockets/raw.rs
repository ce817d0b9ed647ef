//! Frames byte by byte. Which frames are legal is tested where both WebSockets are.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;

const TEXT: u8 = 0x81;
const CLOSE: u8 = 0x88;
const PING: u8 = 0x89;

/// A frame of a client.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mask = [1, 2, 3, 4];
    let mut bytes = vec![first];
    match u16::try_from(payload.len()) {
        Ok(length @ 0..126) => bytes.push(0x80 | length.to_be_bytes()[1]),
        Ok(length) => {
            bytes.push(0xfe);
            bytes.extend_from_slice(&length.to_be_bytes());
        }
        Err(_) => {
            bytes.push(0xff);
            bytes.extend_from_slice(&(payload.len() as u64).to_be_bytes());
        }
    }
    bytes.extend_from_slice(&mask);
    bytes.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    bytes
}

/// What comes back for these bytes until the server ends the connection; they are written so many at a time.
async fn exchange(server: &Server, bytes: &[u8], at_a_time: usize) -> Vec<u8> {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let head = format!(
        "GET /ws HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        token("alice", PATIENCE * 10)
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut come = Vec::new();
    while !come.ends_with(b"\r\n\r\n") {
        come.push(in_time(stream.read_u8()).await.unwrap());
    }
    for some in bytes.chunks(at_a_time) {
        stream.write_all(some).await.unwrap();
        tokio::task::yield_now().await;
    }
    let mut come = Vec::new();
    in_time(stream.read_to_end(&mut come)).await.unwrap();
    come
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_may_come_in_any_pieces() {
    let server = Server::start(patient()).await;
    server.session().await;
    let text =
        |id: &str, more: usize| json!({ "event": "none", "id": id, "data": { "x": "é".repeat(more) } }).to_string();
    // The heads of frames have three lengths.
    for (more, sizes) in [(1, [1, 2, 3]), (100, [5, 6, 7]), (33_000, [1_000, 4_096, 4_097])] {
        let (short, long) = (text("é", 1), text("long", more));
        let (one, two) = short.as_bytes().split_at(short.find('é').unwrap() + 1);
        let bytes = [
            frame(TEXT, short.as_bytes()),
            frame(PING, b"a"),
            frame(0x01, one),
            frame(PING, &[0xff; 125]),
            frame(0x00, b""),
            frame(0x80, two),
            frame(TEXT, long.as_bytes()),
            frame(PING, b"the last"),
            frame(CLOSE, &[0x03, 0xe8]),
        ]
        .concat();
        let whole = exchange(&server, &bytes, usize::MAX).await;
        assert!(whole.ends_with(&[&[0x8a, 8][..], b"the last", &[CLOSE, 2, 0x03, 0xe8]].concat()), "{whole:x?}");
        for size in sizes {
            assert_eq!(exchange(&server, &bytes, size).await, whole, "{size} at a time");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_of_all_lengths_arrive() {
    let server = Server::start(patient()).await;
    let id = server.session().await;
    let mut reader = server.reader("alice", id).await;
    // The heads of frames have three lengths.
    for length in [1, 100, 7_999, 60_000, 65_000, 65_500, 65_536, 90_000] {
        let text = "x".repeat(length);
        server.say(id, &text).await;
        assert_eq!(reader.next().await["data"]["message"]["content"], text);
    }
    reader.silent(id).await;
}
