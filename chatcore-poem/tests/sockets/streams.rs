//! Event streams over real connections.

use chatcore::TestClock;
use chrono::{TimeDelta, Utc};
use poem::listener::TcpAcceptor;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;

/// An event stream as bytes. HTTP/1.0 has no chunks.
struct Events {
    stream: TcpStream,
    text: String,
}

impl Events {
    async fn open(server: &Server, id: SessionId, after: &str) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(16 << 10).unwrap();
        let mut stream = socket.connect(server.address).await.unwrap();
        let head = format!(
            "GET /api/v1/chat/sessions/{id}/events{after} HTTP/1.0\r\nHost: x\r\nAuthorization: Bearer {}\r\n\
             Accept: text/event-stream\r\n\r\n",
            token("alice", PATIENCE * 10)
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut events = Self { stream, text: String::new() };
        let head = events.until("\r\n\r\n").await;
        assert!(head.starts_with("HTTP/1.0 200"), "{head}");
        assert!(head.to_lowercase().contains("content-type: text/event-stream"), "{head}");
        assert_eq!(events.next().await, "retry: 2000");
        events
    }

    async fn read(&mut self) -> usize {
        let mut bytes = vec![0; 64 << 10];
        let read = in_time(self.stream.read(&mut bytes)).await.unwrap();
        self.text += std::str::from_utf8(&bytes[..read]).unwrap();
        read
    }

    async fn until(&mut self, end: &str) -> String {
        loop {
            if let Some((before, after)) = self.text.split_once(end) {
                let before = before.to_owned();
                self.text = after.to_owned();
                return before;
            }
            assert!(self.read().await > 0, "the stream ended: {}", self.text);
        }
    }

    async fn next(&mut self) -> String {
        self.until("\n\n").await
    }

    /// Expects the messages at these positions, and nothing between.
    async fn expect(&mut self, seqs: impl IntoIterator<Item = u64>) {
        for seq in seqs {
            let event = self.next().await;
            let lines: Vec<&str> = event.lines().collect();
            assert!(lines[0].starts_with(&format!("id: {seq}-")), "{event}");
            assert_eq!(lines[1], "event: message_received");
            let data: Value = serde_json::from_str(lines[2].strip_prefix("data: ").unwrap()).unwrap();
            assert_eq!((lines.len(), &data["seq"], &data["event"]), (3, &json!(seq), &json!("message_received")));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_brings_what_is_replayed_and_what_comes_in_order() {
    let server = Server::start(patient()).await;
    let id = server.session().await;
    for _ in 0..100 {
        server.say(id, "x").await;
    }
    let mut events = Events::open(&server, id, "?after=1").await;
    assert!(events.next().await.starts_with("id: 1-"));
    events.expect(2..102).await;
    for seq in 102..152 {
        server.say(id, "line\nbreak").await;
        events.expect([seq]).await;
    }
    for _ in 0..300 {
        server.say(id, "x").await;
    }
    events.expect(152..452).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_is_not_read_goes_on_from_the_log() {
    let server = Server::start(patient()).await;
    let id = server.session().await;
    let (mut slow, mut fast) = (Events::open(&server, id, "").await, Events::open(&server, id, "").await);
    for events in [&mut slow, &mut fast] {
        assert!(events.next().await.starts_with("id: 1-"));
    }
    let text = "x".repeat(7_000);
    // Ten megabytes: more than the kernel and the queue take.
    for seq in 2..1_502 {
        server.say(id, &text).await;
        fast.expect([seq]).await;
    }
    slow.expect(2..1_502).await;
    server.say(id, "in step").await;
    slow.expect([1_502]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_ends_with_its_token_by_the_clock_of_the_chat() {
    let clock = TestClock::at(Utc::now());
    let server = Server::start_at(patient(), clock.clone()).await;
    let id = server.session().await;
    let mut events = Events::open(&server, id, "").await;
    assert!(events.next().await.starts_with("id: 1-"));
    // A slow machine has issued the token later than the clock says.
    clock.advance(TimeDelta::seconds(660));
    let end = events.next().await;
    assert!(end.starts_with("event: error\ndata: ") && end.contains("AUTH_TOKEN_EXPIRED"), "{end}");
    assert_eq!(events.read().await, 0, "nothing follows");
    in_time(async {
        while server.sockets.open() > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// A server of a host, which waits for ever for a client that takes nothing.
async fn patient_host(options: Options) -> Server {
    let chat = Chat::builder(MemoryStore::default()).rates(RateLimits::off()).build();
    let frontend = ChatFrontend::with_options(chat.clone(), JwtAuthenticator::hs256(SECRET).unwrap(), options);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, sockets) = (listener.local_addr().unwrap(), frontend.sockets().clone());
    let acceptor = TcpAcceptor::from_tokio(listener).unwrap();
    tokio::spawn(poem::Server::new_with_acceptor(acceptor).run(frontend.mount(Route::new())));
    Server { chat, sockets, address }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_is_not_read_ends_by_its_own_time() {
    let options = Options { write_time: Duration::from_millis(300), ..patient() };
    let server = patient_host(options).await;
    let id = server.session().await;
    let (mut live, text) = (Events::open(&server, id, "").await, "x".repeat(7_000));
    let mut said = 0;
    in_time(async {
        while server.sockets.open() > 0 {
            server.say(id, &text).await;
            said += 1;
        }
    })
    .await;
    // What the host had taken comes, and then the end.
    while live.read().await > 0 {}
    assert!(live.text.matches("data:").count() < said);
    // One that is behind, and has nothing that waits.
    let behind = Events::open(&server, id, "?after=0").await;
    in_time(async {
        while server.sockets.open() > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    drop(behind);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_shows_that_it_is_there() {
    let server = Server::start(Options { heartbeat: Duration::from_millis(20), ..patient() }).await;
    let id = server.session().await;
    let mut events = Events::open(&server, id, "").await;
    assert!(events.next().await.starts_with("id: 1-"));
    assert_eq!((events.next().await, events.next().await), (":".to_owned(), ":".to_owned()));
    server.say(id, "x").await;
    let mut next = events.next().await;
    while next == ":" {
        next = events.next().await;
    }
    assert!(next.starts_with("id: 2-"), "{next}");
}
