//! Unusual and wrong handshakes and frames, by the sections of RFC 6455, on both WebSockets.

use chatcore_tests::{Backend, Server, token};
use futures_util::future::join_all;

use super::raw::{Last, exchange, responses};

/// A handshake that is right. The accept value of its key stands in RFC 6455, section 1.3.
const GOOD: &str = "GET <P> HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n<N><A>\r\n";

/// The paths, each with the subprotocol that a client must offer, and a message that is answered by one message; for
/// GraphQL, the first message.
const PATHS: [(&str, &str, &str); 2] = [
    ("/ws", "", r#"{"event":"leave_session","data":{"session_id":"01890a5d-ac96-774b-bcce-b302099a8057"}}"#),
    ("/graphql", "Sec-WebSocket-Protocol: graphql-transport-ws\r\n", r#"{"type":"connection_init"}"#),
];

/// Section; what it is about; what to replace in the good handshake, and by what; the status, or that of `/ws` and that
/// of `/graphql`; parts of the head of the answer, with `!` before those that it does not have.
type Handshake = (&'static str, &'static str, &'static str, &'static str, &'static str, &'static [&'static str]);

const REQUIRED: &[&str] = &["upgrade: websocket", "sec-websocket-version: 13"];

#[rustfmt::skip] // A row is a line.
const HANDSHAKES: &[Handshake] = &[
    ("4.2.2", "one that is right", "", "", "101",
        &["upgrade: websocket", "connection: upgrade", "sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo="]),
    ("4.1", "POST", "GET", "POST", "405 426", &[]),
    ("4.1", "HEAD", "GET", "HEAD", "426", REQUIRED),
    ("4.1", "HTTP/1.0", "HTTP/1.1", "HTTP/1.0", "426", REQUIRED),
    ("4.1", "no Host", "Host: x\r\n", "", "400", &[]),
    ("4.1", "two Hosts", "Host: x\r\n", "Host: x\r\nHost: x\r\n", "400", &[]),
    ("4.1", "an absolute target", "GET ", "GET http://x", "101", &[]),
    ("4.2.1", "Upgrade in another case", "Upgrade: websocket", "upgrade: WebSocket", "101", &[]),
    ("4.2.1", "Upgrade among others", "Upgrade: websocket", "Upgrade: h2c, websocket", "101", &["upgrade: websocket"]),
    ("4.2.1", "Upgrade on two lines", "Upgrade: websocket", "Upgrade: h2c\r\nUpgrade: websocket", "101", &[]),
    ("4.2.1", "Upgrade with a version", "Upgrade: websocket", "Upgrade: websocket/13", "426 400", &[]),
    ("4.2.1", "another Upgrade", "Upgrade: websocket", "Upgrade: h2c", "426 400", &[]),
    ("4.2.1", "no Upgrade", "Upgrade: websocket\r\n", "", "426 400", &[]),
    ("4.2.1", "Connection in another case", "Connection: Upgrade", "connection: UPGRADE", "101", &[]),
    ("4.2.1", "Connection among others", "Connection: Upgrade", "Connection: keep-alive, Upgrade", "101", &[]),
    ("4.2.1", "Connection on two lines", "Connection: Upgrade",
        "Connection: keep-alive\r\nConnection: upgrade", "101", &[]),
    ("4.2.1", "another Connection", "Connection: Upgrade", "Connection: keep-alive", "426", REQUIRED),
    ("4.2.1", "no Connection", "Connection: Upgrade\r\n", "", "426", REQUIRED),
    ("4.2.1", "a key without padding", "ZQ==", "ZQ", "400", &[]),
    ("4.2.1", "a key of 15 bytes", "dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25j", "400", &[]),
    ("4.2.1", "a key of 17 bytes", "dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZWU=", "400", &[]),
    ("4.2.1", "a key of 18 bytes, as long in base64", "dGhlIHNhbXBsZSBub25jZQ==",
        "dGhlIHNhbXBsZSBub25jZWVl", "400", &[]),
    ("4.2.1", "a key that is not base64", "dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25j!!==", "400", &[]),
    ("4.2.1", "a key of any letters", "ZQ==", "ZR==", "101", &[]),
    ("4.2.1", "an empty key", "dGhlIHNhbXBsZSBub25jZQ==", "", "400", &[]),
    ("4.2.1", "no key", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", "", "426", REQUIRED),
    ("11.3.1", "two keys", "Sec-WebSocket-Key: ",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Key: ", "400", &[]),
    ("4.4", "an older version", "Version: 13", "Version: 8", "426", REQUIRED),
    ("4.4", "a later version", "Version: 13", "Version: 14", "426", REQUIRED),
    ("4.4", "a version that is none", "Version: 13", "Version: 013", "426", REQUIRED),
    ("4.4", "several versions", "Version: 13", "Version: 13, 8", "426", REQUIRED),
    ("4.4", "no version", "Sec-WebSocket-Version: 13\r\n", "", "426", REQUIRED),
    ("4.2.1", "a body", "Host: x\r\n", "Host: x\r\nContent-Length: 5\r\n", "400", &[]),
    ("4.2.1", "a body in chunks", "Host: x\r\n", "Host: x\r\nTransfer-Encoding: chunked\r\n", "400", &[]),
    ("4.2.1", "an empty body", "Host: x\r\n", "Host: x\r\nContent-Length: 0\r\n", "101", &[]),
    ("4.2.2", "extensions are not taken", "Host: x\r\n", "Host: x\r\n\
        Sec-WebSocket-Extensions: permessage-deflate; a=\"b\"\r\n", "101",
        &["!sec-websocket-extensions"]),
    ("4.2.2", "the subprotocol among others", "<N>",
        "Sec-WebSocket-Protocol: chat, graphql-transport-ws\r\n", "101", &[]),
    ("4.2.2", "another subprotocol", "<N>",
        "Sec-WebSocket-Protocol: chat\r\n", "101 426", &["!sec-websocket-protocol"]),
    ("4.2.2", "the subprotocol in another case", "<N>",
        "Sec-WebSocket-Protocol: GraphQL-transport-WS\r\n", "101 426", &["!sec-websocket-protocol"]),
    ("4.2.2", "the page of another host", "Host: x\r\n", "Host: x\r\nOrigin: https://y\r\n", "403", &[]),
    ("9112 3.2.2", "the page of the host in an absolute target", "GET <P> HTTP/1.1\r\n",
        "GET http://y<P> HTTP/1.1\r\nOrigin: http://y\r\n", "101", &[]),
    ("9112 3.2.2", "the page of the host beside an absolute target", "GET <P> HTTP/1.1\r\n",
        "GET http://y<P> HTTP/1.1\r\nOrigin: http://x\r\n", "403", &[]),
    ("4.2.2", "no token", "<A>", "", "101", &[]),
    ("4.2.2", "a token that is not valid", "<A>", "Authorization: Bearer x\r\n", "401", &["www-authenticate: Bearer"]),
];

/// What a client sends on an open socket.
#[derive(Clone, Copy)]
enum Sent {
    /// A masked frame: the first byte, and what it holds.
    Frame(u8, &'static [u8]),
    /// A masked frame with a long payload.
    Long(u8, usize),
    /// A message that is answered by one message.
    Ask,
    /// Bytes.
    Raw(&'static [u8]),
}
use Sent::{Ask, Frame, Long, Raw};

const TEXT: u8 = 0x81;
const BINARY: u8 = 0x82;
const CLOSE: u8 = 0x88;
const PING: u8 = 0x89;
const PONG: u8 = 0x8a;

/// Section; what it is about; what the client sends; what comes back: `text` for a message, `ping` and `pong` with what
/// they hold, `close` with its code, and `end` where the server ends the connection without a close frame. Two answers
/// are those of `/ws` and of `/graphql`. Behind each row the client closes with 1000.
type Talk = (&'static str, &'static str, &'static [Sent], &'static [&'static str]);

#[rustfmt::skip] // A row is a line.
const TALKS: &[Talk] = &[
    ("5.6", "a message", &[Ask], &["text close 1000"]),
    ("5.1", "a frame without a mask", &[Raw(&[TEXT, 2, b'{', b'}'])], &["close 1002"]),
    ("5.1", "a ping without a mask", &[Raw(&[PING, 0])], &["close 1002"]),
    ("5.2", "the first reserved bit", &[Frame(TEXT | 0x40, b"{}")], &["close 1002"]),
    ("5.2", "the second reserved bit", &[Frame(TEXT | 0x20, b"{}")], &["close 1002"]),
    ("5.2", "the third reserved bit", &[Frame(PING | 0x10, b"")], &["close 1002"]),
    ("5.2", "a reserved opcode of data", &[Frame(0x83, b"")], &["close 1002"]),
    ("5.2", "the last reserved opcode of data", &[Frame(0x87, b"")], &["close 1002"]),
    ("5.2", "a reserved opcode of control", &[Frame(0x8b, b"")], &["close 1002"]),
    ("5.2", "the last reserved opcode of control", &[Frame(0x8f, b"")], &["close 1002"]),
    // The top bit must be zero. The library looks at the size first: nothing so long is read.
    ("5.2", "a length with the top bit", &[Raw(&[TEXT, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0])], &["close 1009"]),
    ("5.2", "the longest length", &[Raw(&[TEXT, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0])],
        &["close 1009"]),
    // A length must be as short as possible. The library takes longer forms, which mean the same.
    ("5.2", "a length of two bytes for none", &[Raw(&[PING, 0xfe, 0, 0, 0, 0, 0, 0])], &["pong close 1000"]),
    ("5.2", "a length of eight bytes for none", &[Raw(&[PING, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])],
        &["pong close 1000"]),
    ("5.4", "a message in fragments", &[Frame(0x01, b"\""), Frame(0x00, b"a"), Frame(0x80, b"\"")],
        &["text close 1000", "close 4400"]),
    ("5.4", "an empty fragment", &[Frame(0x01, b""), Frame(0x00, b""), Frame(0x80, b"\"\"")],
        &["text close 1000", "close 4400"]),
    ("5.4", "a ping between fragments", &[Frame(0x01, b"\""), Frame(PING, b"hi"), Frame(0x80, b"\"")],
        &["pong hi text close 1000", "pong hi close 4400"]),
    ("5.4", "a close between fragments", &[Frame(0x01, b"\""), Frame(CLOSE, &[0x03, 0xe8])], &["close 1000"]),
    ("5.4", "a continuation of nothing", &[Frame(0x80, b"x")], &["close 1002"]),
    ("5.4", "a first continuation of nothing", &[Frame(0x00, b"x")], &["close 1002"]),
    ("5.4", "a message within another", &[Frame(0x01, b"x"), Frame(TEXT, b"x")], &["close 1002"]),
    ("5.4", "a fragment within another", &[Frame(0x01, b"x"), Frame(0x02, b"x")], &["close 1002"]),
    ("5.5", "a ping in fragments", &[Frame(0x09, b"x"), Frame(0x80, b"x")], &["close 1002"]),
    ("5.5", "a close in fragments", &[Frame(0x08, &[0x03, 0xe8])], &["close 1002"]),
    ("5.5", "a long ping", &[Long(PING, 125)], &["pong 125 close 1000"]),
    ("5.5", "a ping that is too long", &[Long(PING, 126)], &["close 1002"]),
    ("5.5", "a pong that is too long", &[Long(PONG, 70_000)], &["close 1002"]),
    ("5.5", "a close that is too long", &[Long(CLOSE, 126)], &["close 1002"]),
    ("5.5.2", "a ping", &[Frame(PING, b"hi")], &["pong hi close 1000"]),
    ("5.5.2", "pings in order", &[Frame(PING, b"a"), Frame(PING, b"b")], &["pong a pong b close 1000"]),
    ("5.5.2", "a ping that is not text", &[Frame(PING, &[0xff])], &["pong \u{fffd} close 1000"]),
    ("5.5.3", "a pong that nobody asked for", &[Frame(PONG, b"hi")], &["close 1000"]),
    ("5.6", "a binary message", &[Frame(BINARY, &[0xff, 0])], &["text close 1000", "close 4400"]),
    ("8.1", "text that is not UTF-8", &[Frame(TEXT, &[0xff])], &["close 1007"]),
    ("8.1", "text that ends within a letter", &[Frame(TEXT, &[b'"', 0xc3])], &["close 1007"]),
    ("8.1", "text that is longer than it need be", &[Frame(TEXT, &[0xc0, 0x80])], &["close 1007"]),
    ("8.1", "a surrogate", &[Frame(TEXT, &[0xed, 0xa0, 0x80])], &["close 1007"]),
    ("8.1", "a letter in two fragments", &[Frame(0x01, &[b'"', 0xc3]), Frame(0x80, &[0xa4, b'"'])],
        &["text close 1000", "close 4400"]),
    ("8.1", "a fragment that is not UTF-8", &[Frame(0x01, &[0xff]), Frame(0x00, b"")], &["close 1007"]),
    ("8.1", "fragments that end within a letter", &[Frame(0x01, b"\""), Frame(0x80, &[0xc3])], &["close 1007"]),
    ("10.4", "a message that is too long", &[Long(TEXT, 1_300_000)], &["close 1009"]),
    ("10.4", "fragments that are too long", &[Long(0x01, 700_000), Long(0x80, 700_000)], &["close 1009"]),
    ("5.5.1", "a close without a code", &[Frame(CLOSE, b"")], &["close 1005"]),
    ("5.5.1", "a close of one byte", &[Frame(CLOSE, &[3])], &["close 1002"]),
    ("5.5.1", "a close with a reason", &[Frame(CLOSE, b"\x03\xe8bye")], &["close 1000"]),
    ("5.5.1", "a close with a reason that is not UTF-8", &[Frame(CLOSE, &[0x03, 0xe8, 0xff])], &["close 1007"]),
    ("5.5.1", "frames after a close", &[Frame(CLOSE, &[0x03, 0xe8]), Frame(PING, b"x"), Ask], &["close 1000"]),
    ("7.4.1", "going away", &[Frame(CLOSE, &1001_u16.to_be_bytes())], &["close 1001"]),
    ("7.4.1", "1004", &[Frame(CLOSE, &1004_u16.to_be_bytes())], &["close 1002"]),
    ("7.4.1", "1005", &[Frame(CLOSE, &1005_u16.to_be_bytes())], &["close 1002"]),
    ("7.4.1", "1006", &[Frame(CLOSE, &1006_u16.to_be_bytes())], &["close 1002"]),
    ("7.4.1", "1015", &[Frame(CLOSE, &1015_u16.to_be_bytes())], &["close 1002"]),
    ("7.4.2", "0", &[Frame(CLOSE, &0_u16.to_be_bytes())], &["close 1002"]),
    ("7.4.2", "999", &[Frame(CLOSE, &999_u16.to_be_bytes())], &["close 1002"]),
    ("7.4.2", "1016", &[Frame(CLOSE, &1016_u16.to_be_bytes())], &["close 1002"]),
    ("7.4.2", "2999", &[Frame(CLOSE, &2999_u16.to_be_bytes())], &["close 1002"]),
    ("7.4.2", "3000", &[Frame(CLOSE, &3000_u16.to_be_bytes())], &["close 3000"]),
    ("7.4.2", "4999", &[Frame(CLOSE, &4999_u16.to_be_bytes())], &["close 4999"]),
    ("7.4.2", "5000", &[Frame(CLOSE, &5000_u16.to_be_bytes())], &["close 1002"]),
    ("7.4.2", "65535", &[Frame(CLOSE, &[0xff, 0xff])], &["close 1002"]),
];

/// Ends of the client's side, without a close frame. There is nobody to tell of it.
#[rustfmt::skip] // A row is a line.
const ENDS: &[Talk] = &[
    ("7.1.1", "no close frame", &[], &["end"]),
    ("7.1.1", "no close frame after a message", &[Ask], &["text end"]),
    ("7.1.1", "the end within the head of a frame", &[Raw(&[TEXT])], &["end"]),
    ("7.1.1", "the end within a frame", &[Raw(&[TEXT, 0x85, 0, 0, 0, 0, b'x'])], &["end"]),
    ("7.1.1", "the end between fragments", &[Frame(0x01, b"x")], &["end"]),
    ("7.1.1", "the end after a close", &[Frame(CLOSE, &[0x03, 0xe8])], &["close 1000"]),
];

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

fn bytes_of(send: Sent, first: &str) -> Vec<u8> {
    match send {
        Frame(first, payload) => frame(first, payload),
        Long(first, length) => frame(first, &vec![b'x'; length]),
        Ask => frame(TEXT, first.as_bytes()),
        Raw(bytes) => bytes.to_vec(),
    }
}

/// The whole frames of a server, which have no masks, and whether there is more behind them.
fn frames(mut bytes: &[u8]) -> (Vec<String>, bool) {
    let mut told = Vec::new();
    while let Some((first, payload, rest)) = whole(bytes) {
        bytes = rest;
        told.push(match first {
            TEXT => "text".to_owned(),
            PING | PONG => {
                let name = if first == PING { "ping" } else { "pong" };
                let text = String::from_utf8_lossy(payload).into_owned();
                let held = if payload.len() > 9 { payload.len().to_string() } else { text };
                format!("{name} {held}").trim_end().to_owned()
            }
            CLOSE => format!("close {}", payload.first_chunk().map_or(1005, |code| u16::from_be_bytes(*code))),
            other => format!("{other:#x}"),
        });
    }
    (told, !bytes.is_empty())
}

/// The first frame, if all of it is there: its first byte, its payload, and what follows.
fn whole(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[first, length], rest) = bytes.split_first_chunk()?;
    let (length, rest) = match length {
        126 => rest.split_first_chunk().map(|(length, rest)| (usize::from(u16::from_be_bytes(*length)), rest))?,
        length => (usize::from(length), rest),
    };
    Some((first, rest.get(..length)?, &rest[length..]))
}

fn handshake(path: &str, protocol: &str, from: &str, to: &str) -> Vec<u8> {
    let text = GOOD.replacen(from, to, usize::from(!from.is_empty()));
    let token = format!("Authorization: Bearer {}\r\n", token("a"));
    text.replace("<P>", path).replace("<N>", protocol).replace("<A>", &token).into_bytes()
}

#[tokio::test(flavor = "multi_thread")]
async fn unusual_and_wrong_handshakes_are_answered_as_the_rfc_asks() {
    let options = chatcore_poem::Options { sockets_per_user: 1_000, ..chatcore_tests::patient() };
    let server = Server::start_with(Backend::Memory, chatcore::Limits::default(), options).await;
    server.client("a").await;
    let address = &server.address;
    let outcomes = PATHS.iter().enumerate().flat_map(|(at, (path, protocol, _))| {
        HANDSHAKES.iter().map(move |(section, name, from, to, want, parts)| async move {
            let bytes = handshake(path, protocol, from, to);
            let come = exchange(address, &bytes, Last::Half, |_| true).await;
            let (answers, _) = responses(&come, *to == "HEAD");
            let want = want.split(' ').nth(at).unwrap_or_else(|| want.split(' ').next().unwrap());
            let [answer] = &answers[..] else { return Some(format!("{path} {section} {name}: {come:?}")) };
            let has = |part: &&str| match part.strip_prefix('!') {
                Some(part) => !answer.head.contains(part),
                None => answer.head.contains(part),
            };
            let is_document = answer.status == 101 || *to == "HEAD" || answer.body.starts_with(b"{");
            let fits = answer.status.to_string() == want && parts.iter().all(has) && is_document;
            let body = String::from_utf8_lossy(&answer.body);
            (!fits).then(|| {
                format!("{path} RFC 6455 {section}, {name}: {} and not {want}; {}{body}", answer.status, answer.head)
            })
        })
    });
    let faults: Vec<_> = join_all(outcomes).await.into_iter().flatten().collect();
    assert!(faults.is_empty(), "{} rows fail:\n{}", faults.len(), faults.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn unusual_and_wrong_frames_are_answered_as_the_rfc_asks() {
    let options = chatcore_poem::Options { sockets_per_user: 1_000, ..chatcore_tests::patient() };
    let server = Server::start_with(Backend::Memory, chatcore::Limits::default(), options).await;
    server.client("a").await;
    let address = &server.address;
    let rows = TALKS.iter().map(|row| (row, false)).chain(ENDS.iter().map(|row| (row, true)));
    let outcomes = rows.flat_map(|((section, name, sends, wants), half)| {
        PATHS.iter().enumerate().map(move |(at, (path, protocol, first))| async move {
            let mut bytes = handshake(path, protocol, "", "");
            let is_graphql = at == 1;
            if is_graphql {
                bytes.extend(frame(TEXT, first.as_bytes()));
            }
            let ask = if is_graphql { r#"{"type":"ping"}"# } else { first };
            bytes.extend(sends.iter().flat_map(|send| bytes_of(*send, ask)));
            let want = wants.get(at).unwrap_or(&wants[0]);
            // The client ends when what it asked for has come, and not earlier: a close overtakes answers.
            let asked = want.matches("text").count() + usize::from(is_graphql);
            let enough = |come: &[u8]| {
                let (_, come) = responses(come, false);
                frames(come).0.iter().filter(|frame| *frame == "text").count() >= asked
            };
            let close = frame(CLOSE, &[0x03, 0xe8]);
            let last = if half { Last::Half } else { Last::Bytes(&close) };
            let come = exchange(address, &bytes, last, enough).await;
            let (_, come) = responses(&come, false);
            let (mut got, more) = frames(come);
            if is_graphql && !got.is_empty() {
                // The answer to the first message.
                got.remove(0);
            }
            if more || !got.last().is_some_and(|last| last.starts_with("close")) {
                got.push(if more { "more" } else { "end" }.to_owned());
            }
            let got = got.join(" ");
            (got != *want).then(|| format!("{path} RFC 6455 {section}, {name}: {got} and not {want}"))
        })
    });
    let faults: Vec<_> = join_all(outcomes).await.into_iter().flatten().collect();
    assert!(faults.is_empty(), "{} rows fail:\n{}", faults.len(), faults.join("\n"));
}
