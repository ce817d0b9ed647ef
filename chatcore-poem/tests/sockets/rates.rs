//! How often a user may send frames.

use chatcore::{Error, Origin, Rate, RateLimits, wire::Command};

use super::*;

/// A rate of so many, of which none comes back within a test.
fn only(number: u32) -> Option<Rate> {
    Some(Rate::new(number, Duration::from_secs(3_600)))
}

async fn server(rates: RateLimits) -> Server {
    Server::start_with(Limits { rates, ..Limits::default() }, patient()).await
}

fn typing(id: SessionId, number: usize) -> Value {
    json!({ "event": "typing_start", "id": number, "data": { "session_id": id } })
}

#[tokio::test]
async fn one_frame_too_many_is_an_error_and_the_socket_stays_until_it_goes_on_and_on() {
    // The handshake looks for the user's profile, which is a use; the session is one, too.
    let server = server(RateLimits { requests: only(5), ..RateLimits::off() }).await;
    let id = server.session().await;
    let mut alice = server.connect(&format!("token={}", token("alice", PATIENCE * 10))).await;
    for number in 0..3 {
        alice.ask(typing(id, number)).await;
    }
    for number in 0..100 {
        alice.send(&typing(id, number)).await;
        let error = alice.next().await;
        assert_eq!((&error["event"], &error["id"]), (&json!("error"), &json!(number)), "{error}");
        assert_eq!(error["data"]["code"], "RATE_LIMIT_EXCEEDED");
        assert_eq!(error["data"]["details"], json!({ "retry_after": 3_600 }));
    }
    // The same user everywhere, and nobody else.
    let refused = server.chat.me(&user("alice")).await.unwrap_err();
    assert_eq!(refused, Error::RateLimited { retry_after: 3_600 });
    let mut bob = server.connect(&format!("token={}", token("bob", PATIENCE * 10))).await;
    bob.ask(json!({ "event": "leave_session", "id": 1, "data": { "session_id": id } })).await;
    alice.send(&typing(id, 100)).await;
    assert_eq!(alice.next().await["data"]["code"], "RATE_LIMIT_EXCEEDED");
    let close = alice.next_or_close().await.unwrap_err().unwrap();
    assert_eq!(u16::from(close.code), 4429);
}

#[tokio::test]
async fn each_command_is_one_use() {
    let server = server(RateLimits { requests: only(1_000), ..RateLimits::off() }).await;
    let id = server.session().await;
    let mut alice = server.connect(&format!("token={}", token("alice", PATIENCE * 10))).await;
    // The handshake is over once there is an answer.
    alice.ask(json!({ "event": "leave_session", "id": 1, "data": { "session_id": id } })).await;
    let left = async || {
        let known = server.chat.admit(Origin::UNKNOWN, Ok(Some(user("alice"))));
        server.chat.metered(Origin::UNKNOWN, false, known).await.left.unwrap().remaining
    };
    let mut before = left().await;
    for name in Command::FRAMES {
        alice.send(&json!({ "event": name, "id": name, "data": { "session_id": id } })).await;
        while alice.next().await["id"] != **name {}
        let after = left().await;
        // The look is a use, too.
        assert_eq!(before - after, 2, "{name}");
        before = after;
    }
}

#[tokio::test]
async fn frames_that_are_none_count_as_well() {
    let server = server(RateLimits { frames: only(3), ..RateLimits::off() }).await;
    let mut alice = server.connect(&format!("token={}", token("alice", PATIENCE * 10))).await;
    for code in
        ["VALIDATION_INVALID_FORMAT", "VALIDATION_INVALID_FORMAT", "VALIDATION_INVALID_FORMAT", "RATE_LIMIT_EXCEEDED"]
    {
        alice.0.send(Message::text("{")).await.unwrap();
        assert_eq!(alice.next().await["data"]["code"], code);
    }
    // What is not a frame is not counted as one.
    server.chat.me(&user("alice")).await.unwrap();
}

#[tokio::test]
async fn first_messages_without_a_valid_token_count_against_the_address() {
    // Each handshake without a token is one of them, too.
    let server = server(RateLimits { unknown: only(3), ..RateLimits::off() }).await;
    let first = async |token: &str| {
        let mut socket = server.connect("").await;
        socket.send(&json!({ "event": "authenticate", "data": { "token": token } })).await;
        let answer = socket.next().await;
        (answer["event"].clone(), answer["data"]["code"].clone(), socket)
    };
    let (event, _, _socket) = first(&token("alice", PATIENCE * 10)).await;
    assert_eq!(event, "ack");
    let (event, code, _socket) = first("no token").await;
    assert_eq!((event, code), (json!("error"), json!("AUTH_TOKEN_INVALID")));
    let stream = TcpStream::connect(server.address).await.unwrap();
    let request = format!("ws://{}/ws", server.address).into_client_request().unwrap();
    match in_time(client_async(request, stream)).await {
        Err(tokio_tungstenite::tungstenite::Error::Http(response)) => assert_eq!(response.status(), 429),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn one_socket_too_many_of_a_user_is_closed_with_its_own_code() {
    let options = Options { sockets_per_user: 2, ..patient() };
    let server = Server::start_with(Limits::default(), options).await;
    let mut open = Vec::new();
    for _ in 0..2 {
        open.push(server.connect(&format!("token={}", token("alice", PATIENCE * 10))).await);
    }
    let mut third = server.connect("").await;
    third.send(&json!({ "event": "authenticate", "data": { "token": token("alice", PATIENCE * 10) } })).await;
    assert_eq!(third.next().await["data"]["code"], "CONNECTION_LIMIT_EXCEEDED");
    assert_eq!(u16::from(third.next_or_close().await.unwrap_err().unwrap().code), 4429);
    let mut bob = server.connect("").await;
    bob.ask(json!({ "event": "authenticate", "id": 1, "data": { "token": token("bob", PATIENCE * 10) } })).await;
}
