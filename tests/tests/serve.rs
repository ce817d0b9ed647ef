//! The server against clients that are slow on purpose, and against unusual and wrong requests and frames.
#![allow(missing_docs, reason = "tests")]

#[path = "serve/http.rs"]
mod http;
#[path = "serve/raw.rs"]
mod raw;
#[path = "serve/websocket.rs"]
mod websocket;

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use chatcore::{
    Chat, JwtAuthenticator, MemoryStore, Principal, RateLimits,
    chat::{CreateSession, SendMessage},
    model::UserId,
};
use chatcore_poem::{ChatFrontend, Options, ServeOptions};
use chatcore_tests::{SECRET, token};
use poem::{Route, endpoint::make_sync, get};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

struct Served {
    address: String,
    chat: Chat,
    frontend: Arc<ChatFrontend>,
    stopping: CancellationToken,
    task: tokio::task::JoinHandle<std::io::Result<()>>,
}

async fn serve(options: ServeOptions) -> Served {
    let body_time = Duration::from_secs(1);
    let options_of_frontend = Options { body_time, ..Options::default() };
    let authenticator = JwtAuthenticator::hs256(SECRET).unwrap();
    let chat = Chat::builder(MemoryStore::new()).rates(RateLimits::off()).build();
    let frontend = Arc::new(ChatFrontend::with_options(chat.clone(), authenticator, options_of_frontend));
    let large = Bytes::from(vec![b'x'; 64 << 20]);
    let app = frontend.mount(Route::new().at("/large", get(make_sync(move |_| large.clone()))));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let stopping = CancellationToken::new();
    let stop = stopping.clone().cancelled_owned();
    let serving = Arc::clone(&frontend);
    let task = tokio::spawn(async move { serving.serve(listener, app, options, stop).await });
    Served { address, chat, frontend, stopping, task }
}

/// Everything that comes until the connection ends.
fn rest(mut stream: TcpStream) -> String {
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut text = Vec::new();
    // A reset is an end as well.
    let _ = stream.read_to_end(&mut text);
    String::from_utf8_lossy(&text).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_or_a_body_that_does_not_come_ends_the_wait() {
    let header_time = Duration::from_secs(5);
    let served = serve(ServeOptions { header_time, ..ServeOptions::default() }).await;
    let silent = TcpStream::connect(&served.address).unwrap();
    let mut half = TcpStream::connect(&served.address).unwrap();
    half.write_all(b"GET /docs HTTP/1.1\r\nHost: x\r\n").unwrap();
    let mut body = TcpStream::connect(&served.address).unwrap();
    let head = format!(
        "POST /api/v1/chat/sessions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n\
         Content-Length: 20\r\n\r\n{{\"title\":",
        token("a")
    );
    body.write_all(head.as_bytes()).unwrap();
    let ends = tokio::task::spawn_blocking(|| (rest(silent), rest(half), rest(body))).await.unwrap();
    assert_eq!((ends.0.as_str(), ends.1.as_str()), ("", ""));
    assert!(ends.2.starts_with("HTTP/1.1 408") && ends.2.contains("REQUEST_TIMEOUT"), "{}", ends.2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_takes_no_answer_gives_its_place_back() {
    let write_time = Duration::from_millis(300);
    let served = serve(ServeOptions { write_time, connections: 1, ..ServeOptions::default() }).await;
    let mut deaf = TcpStream::connect(&served.address).unwrap();
    deaf.write_all(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    // There is one place only: this is answered once the other has lost it.
    let answer = reqwest::get(format!("http://{}/openapi.json", served.address)).await.unwrap();
    assert_eq!(answer.status(), 200);
    drop(deaf);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_takes_nothing_of_its_stream_is_cut_and_nobody_else_notices() {
    let write_time = Duration::from_millis(300);
    let served = serve(ServeOptions { write_time, ..ServeOptions::default() }).await;
    let a = Principal::new(UserId::new("a").unwrap());
    let room = served.chat.create_session(&a, CreateSession::titled("x")).await.unwrap();
    let id = room.summary.session.id;
    let mut lively = served.chat.subscribe(&a, id, None).await.unwrap();
    let mut deaf = TcpStream::connect(&served.address).unwrap();
    let head = format!(
        "GET /api/chat/sessions/{id}/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\
         Accept: text/event-stream\r\n\r\n",
        token("a")
    );
    deaf.write_all(head.as_bytes()).unwrap();
    deaf.read_exact(&mut [0; 12]).unwrap();
    assert_eq!(served.frontend.open_sockets(), 1);
    // More than the buffers of both ends of a connection hold.
    while served.frontend.open_sockets() == 1 {
        let sent = served.chat.send(&a, id, SendMessage::text("ä".repeat(8_000))).await.unwrap();
        assert_eq!(lively.next_event().await.unwrap().unwrap().event.seq, sent.seq);
    }
    drop(deaf);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_end_in_time_is_cut() {
    let served = serve(ServeOptions { grace: Duration::from_millis(200), ..ServeOptions::default() }).await;
    let mut deaf = TcpStream::connect(&served.address).unwrap();
    deaf.write_all(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    deaf.read_exact(&mut [0; 12]).unwrap();
    served.stopping.cancel();
    served.task.await.unwrap().unwrap();
    let text = tokio::task::spawn_blocking(|| rest(deaf)).await.unwrap();
    assert!(text.len() < 64 << 20, "the whole answer came");
}

/// An answer, on a connection that stays open.
fn answer(stream: &mut TcpStream) -> String {
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut text = Vec::new();
    let mut byte = [0];
    while !text.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).unwrap();
        text.push(byte[0]);
    }
    let head = String::from_utf8(text).unwrap().to_lowercase();
    let (_, length) = head.split_once("content-length: ").unwrap();
    let length = length.split_once("\r\n").unwrap().0.parse().unwrap();
    stream.read_exact(&mut vec![0; length]).unwrap();
    head
}

const REQUEST: &[u8] = b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n";

/// A connection on which one request was answered.
fn used(address: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(REQUEST).unwrap();
    assert!(answer(&mut stream).starts_with("http/1.1 200"));
    stream
}

/// Whether the server ends a connection by itself, rather than that the wait for it ends.
fn is_ended(mut stream: TcpStream) -> bool {
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    match stream.read_to_end(&mut Vec::new()) {
        Ok(_) => true,
        Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_may_be_idle_for_longer_than_a_head_may_take() {
    let times = (Duration::from_millis(300), Duration::from_secs(3_600));
    let served = serve(ServeOptions { header_time: times.0, idle_time: times.1, ..ServeOptions::default() }).await;
    let address = served.address.clone();
    tokio::task::spawn_blocking(move || {
        let mut idle = used(&address);
        // An empty line is no beginning of a head.
        let mut after_an_empty_line = used(&address);
        after_an_empty_line.write_all(b"\r\n").unwrap();
        for head in [&b""[..], b"G", b"GET /docs HTTP/1.1\r\nHost: x\r\n"] {
            // They came later and have ended, so the first has been idle for longer than a head may take.
            let mut first = TcpStream::connect(&address).unwrap();
            first.write_all(head).unwrap();
            assert!(is_ended(first), "the first head was waited for: {head:?}");
            if !head.is_empty() {
                let mut further = used(&address);
                further.write_all(head).unwrap();
                assert!(is_ended(further), "a further head was waited for: {head:?}");
            }
            for stream in [&mut idle, &mut after_an_empty_line] {
                stream.write_all(REQUEST).unwrap();
                assert!(answer(stream).starts_with("http/1.1 200"));
            }
            after_an_empty_line.write_all(b"\r\n").unwrap();
        }
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_connection_ends_and_a_head_that_was_begun_is_waited_for() {
    let times = (Duration::from_secs(3_600), Duration::from_secs(1));
    let served = serve(ServeOptions { header_time: times.0, idle_time: times.1, ..ServeOptions::default() }).await;
    let address = served.address.clone();
    tokio::task::spawn_blocking(move || {
        let mut begun = used(&address);
        let (beginning, rest) = REQUEST.split_at(10);
        begun.write_all(beginning).unwrap();
        assert!(is_ended(used(&address)), "an idle connection stayed");
        begun.write_all(rest).unwrap();
        assert!(answer(&mut begun).starts_with("http/1.1 200"));
    })
    .await
    .unwrap();
}
// Linux gives a machine all of 127.0.0.0/8.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn connections_of_one_address_leave_room_for_others() {
    let served = serve(ServeOptions { connections_per_address: 1, ..ServeOptions::default() }).await;
    let ask = async |from: [u8; 4]| {
        let client = reqwest::Client::builder().local_address(std::net::IpAddr::from(from)).no_proxy().build().unwrap();
        let answer = client.get(format!("http://{}/openapi.json", served.address)).send().await;
        answer.map(|answer| answer.status().as_u16())
    };
    let silent = TcpStream::connect(&served.address).unwrap();
    // The answer to one connection too many can be lost, since the server reads nothing of it.
    if let Ok(status) = ask([127, 0, 0, 1]).await {
        assert_eq!(status, 429);
    }
    assert_eq!(ask([127, 0, 0, 2]).await.unwrap(), 200);
    drop(silent);
    while !ask([127, 0, 0, 1]).await.is_ok_and(|status| status == 200) {
        tokio::task::yield_now().await;
    }
}
