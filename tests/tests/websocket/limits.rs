//! How many sockets there may be, and what ends them.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn sockets_are_counted() {
    let options = Options { sockets_per_user: 2, sockets: 3, sessions_per_socket: 1, ..Options::default() };
    let server = Server::start_with(Backend::Memory, Limits::default(), options).await;
    let a = server.client("a").await;
    let (one, two) = (a.session("PRIVATE").await, a.session("PRIVATE").await);
    let open = async |user: &str| Socket::try_open(&server.address, "", Some(&token(user)), None).await;
    let mut first = open("a").await.unwrap();
    first.join(&one, None).await;
    let answer = first.ask("join_session", json!({ "session_id": two })).await;
    assert_eq!(answer["data"]["code"], "RESOURCE_LIMIT_EXCEEDED");
    let second = open("a").await.unwrap();
    assert_eq!(open("a").await.err().unwrap(), (429, "CONNECTION_LIMIT_EXCEEDED".to_owned()));
    let _third = open("b").await.unwrap();
    assert_eq!(open("c").await.err().unwrap(), (429, "CONNECTION_LIMIT_EXCEEDED".to_owned()));
    // A place is free again once a socket has gone.
    second.cut();
    while open("a").await.is_err() {
        tokio::task::yield_now().await;
    }
}

/// Opens a socket from this address of the machine, and says nothing; gives the status with which that was refused.
async fn silent(server: &Server, from: &str, path: &str) -> Result<WebSocketStream<TcpStream>, u16> {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(format!("{from}:0").parse().unwrap()).unwrap();
    let stream = socket.connect(server.address.parse().unwrap()).await.unwrap();
    let mut request = format!("ws://{}{path}", server.address).into_client_request().unwrap();
    if path == "/graphql" {
        request.headers_mut().insert("sec-websocket-protocol", "graphql-transport-ws".parse().unwrap());
    }
    match client_async(request, stream).await {
        Ok((socket, _)) => Ok(socket),
        Err(Error::Http(response)) => Err(response.status().as_u16()),
        Err(error) => panic!("{error}"),
    }
}

// Linux gives a machine all of 127.0.0.0/8.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn silent_sockets_of_one_address_leave_room_for_others() {
    let server = Server::start(Backend::Memory).await;
    server.client("a").await;
    let (one, other, paths) = ("127.0.0.1", "127.0.0.2", ["/ws", "/graphql"]);
    let mut known = Socket::open(&server.address, "", None).await;
    let mut open = Vec::new();
    for n in 0..1_000 {
        match silent(&server, one, paths[n % 2]).await {
            Ok(socket) => open.push(socket),
            Err(status) => assert_eq!(status, 429),
        }
    }
    // Both protocols share the limit, and a client at another address has a limit of its own.
    for path in paths {
        assert!(silent(&server, other, path).await.is_ok(), "no room for another address at {path}");
    }
    assert_eq!(open.len() + 1, Options::default().unknown_sockets_per_address);
    for path in paths {
        assert_eq!(silent(&server, one, path).await.err(), Some(429));
    }
    // A client that says who it is needs no such place, and gives it back.
    let _by_header = server.socket("a").await;
    assert_eq!(known.ask("authenticate", json!({ "token": token("a") })).await["event"], "ack");
    let again = silent(&server, one, "/graphql").await.unwrap();
    assert_eq!(silent(&server, one, "/ws").await.err(), Some(429));
    // So does a socket that ends.
    drop(again);
    while silent(&server, one, "/ws").await.is_err() {
        tokio::task::yield_now().await;
    }
}

// The connection of a client that was refused lasts until the client ends it, too, or a time has passed.
#[tokio::test(flavor = "multi_thread")]
async fn refused_sockets_of_one_address_count_until_they_have_ended() {
    let options = Options { unknown_sockets_per_address: 1, ..patient() };
    let server = Server::start_with(Backend::Memory, Limits::default(), options).await;
    let mut refused = Socket::open(&server.address, "", None).await;
    refused.raw(Message::binary(vec![0])).await;
    assert_eq!(refused.event().await["data"]["code"], "AUTH_REQUIRED");
    assert_eq!(silent(&server, "127.0.0.1", "/ws").await.err(), Some(429));
    refused.cut();
    while silent(&server, "127.0.0.1", "/ws").await.is_err() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_that_answers_no_ping_is_closed() {
    let options =
        Options { ping_interval: Duration::from_millis(100), pong_time: Duration::from_secs(10), ..Options::default() };
    let server = Server::start_with(Backend::Memory, Limits::default(), options).await;
    // A client that reads nothing answers nothing; one that reads answers by itself, and stays.
    let mut deaf = server.socket("a").await;
    let mut alive = server.socket("b").await;
    let listening = tokio::spawn(async move { alive.closed().await });
    while server.open_sockets() == 2 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(!listening.is_finished(), "the living socket was closed");
    listening.abort();
    assert_eq!(deaf.closed().await, 4408);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_takes_nothing_is_closed_and_nobody_else_notices() {
    let options = Options { write_time: Duration::from_millis(300), ..Options::default() };
    let server = Server::start_with(Backend::Memory, Limits::default(), options).await;
    let a = server.client("a").await;
    let id = a.session("PUBLIC").await;
    server.client("b").await.post(&format!("/sessions/{id}/join"), json!({})).await.expect(200);
    let (mut stalled, mut lively) = (server.socket("b").await, server.socket("a").await);
    stalled.join(&id, None).await;
    let mut seq = lively.join(&id, None).await["seq"].as_u64().unwrap();
    // More than the buffers of both ends of a connection hold.
    let text = "ä".repeat(8_000);
    while server.open_sockets() == 2 {
        a.say(&id, &text).await;
        seq += 1;
        assert_eq!(lively.expect("message_received").await["seq"], seq);
    }
    a.say(&id, "after it").await;
    assert_eq!(content(&lively.expect("message_received").await), "after it");
}

#[tokio::test(flavor = "multi_thread")]
async fn sockets_are_told_when_the_server_ends() {
    let mut server = Server::start(Backend::Memory).await;
    let mut sockets =
        [server.socket("a").await, server.socket("b").await, Socket::open(&server.address, "", None).await];
    server.stop().await;
    for socket in &mut sockets {
        assert_eq!(socket.closed().await, 1001);
    }
}
