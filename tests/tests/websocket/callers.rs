//! How callers authenticate, and from where they may come.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn ways_to_say_who_one_is() {
    let server = Server::start(Backend::Memory).await;
    let a = server.client("a").await;
    let id = a.session("PRIVATE").await;

    let mut by_query = Socket::open(&server.address, &format!("?session_id={id}&token={}", token("a")), None).await;
    let ack = by_query.expect("ack").await;
    assert_eq!((&ack["data"]["session_id"], &ack["seq"]), (&json!(id), &json!(1)));
    a.say(&id, "x").await;
    by_query.expect("message_received").await;
    let mut replayed = Socket::open(&server.address, &format!("?session_id={id}&after=0"), Some(&token("a"))).await;
    replayed.expect("ack").await;
    replayed.expect("session_created").await;
    replayed.expect("message_received").await;

    let mut by_message = Socket::open(&server.address, "", None).await;
    assert_eq!(by_message.ask("authenticate", json!({ "token": token("a") })).await["data"]["user_id"], "a");
    by_message.join(&id, None).await;
    let again = by_message.ask("authenticate", json!({ "token": token("a") })).await;
    assert_eq!(again["event"], "error");

    let refused = async |query: &str, token: Option<&str>| {
        Socket::try_open(&server.address, query, token, None).await.err().unwrap()
    };
    let is = |status: u16, code: &str| (status, code.to_owned());
    assert_eq!(refused("", Some("x")).await, is(401, "AUTH_TOKEN_INVALID"));
    assert_eq!(refused("?token=x", None).await, is(401, "AUTH_TOKEN_INVALID"));
    let own = |id: &str| format!("?session_id={id}");
    assert_eq!(refused(&own(&id), Some(&token("b"))).await, is(404, "SESSION_NOT_FOUND"));
    let public = a.session("PUBLIC").await;
    assert_eq!(refused(&own(&public), Some(&token("b"))).await, is(403, "SESSION_ACCESS_DENIED"));
    assert_eq!(refused("?session_id=1", Some(&token("b"))).await, is(400, "VALIDATION_INVALID_FORMAT"));
    assert_eq!(refused("?after=-1", Some(&token("b"))).await, is(422, "VALIDATION_INVALID_VALUE"));
    assert_eq!(refused("?after=1&after=1", Some(&token("b"))).await, is(400, "VALIDATION_INVALID_FORMAT"));
    assert_eq!(refused(&format!("{}&after=99", own(&id)), Some(&token("a"))).await, is(410, "RESYNC"));

    for (event, data) in [("authenticate", json!({ "token": "x" })), ("join_session", json!({ "session_id": id }))] {
        let mut socket = Socket::open(&server.address, "", None).await;
        let answer = socket.ask(event, data).await;
        assert_eq!(answer["event"], "error");
        assert_eq!(socket.closed().await, 4401);
    }
    let mut hidden = Socket::open(&server.address, &own(&id), None).await;
    hidden.send("authenticate", json!({ "token": token("b") })).await;
    assert_eq!(hidden.closed().await, 4404);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_say_who_they_are_is_sent_away() {
    let options = Options { authentication_time: Duration::from_millis(100), ..Options::default() };
    let server = Server::start_with(Backend::Memory, Limits::default(), options).await;
    assert_eq!(Socket::open(&server.address, "", None).await.closed().await, 4401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_ends_with_its_token() {
    let server = Server::start(Backend::Memory).await;
    let short = token_with(Claims { sub: "a".into(), ..Claims::default() }, 12);
    let mut socket = Socket::open(&server.address, "", Some(&short)).await;
    assert_eq!(socket.closed().await, 4401);
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_of_a_proxy_say_nothing_about_the_caller() {
    let server = Server::start(Backend::Memory).await;
    let a = server.client("a").await;
    let id = a.session("PRIVATE").await;
    let (stranger, good) = (server.stranger(), token("a"));
    let bearer = format!("bearer \t {good} ");
    let events = format!("/sessions/{id}/events");
    for credentials in [["Basic YTpi", "Negotiate x"], ["Digest username=\"a\", realm=\"b\"", ""]] {
        let with = |path: &str| {
            let request = stranger.request(reqwest::Method::GET, path);
            credentials.iter().fold(request, |request, value| request.header("authorization", *value))
        };
        // An EventSource behind the proxy: the stream begins.
        let stream =
            with(&format!("{events}?token={good}")).header("accept", "text/event-stream").send().await.unwrap();
        assert_eq!(stream.status(), 200);
        let stream = with(&events).header("accept", "text/event-stream");
        stranger.send(stream).await.problem(401, "AUTH_REQUIRED");
        stranger.send(with("/sessions")).await.problem(401, "AUTH_REQUIRED");
        // A token in the query is for streams only.
        stranger.send(with(&format!("/sessions?token={good}"))).await.problem(401, "AUTH_REQUIRED");
        stranger.send(with("/sessions").header("authorization", &bearer)).await.expect(200);
        let twice = with("/sessions").header("authorization", &bearer).header("authorization", &bearer);
        stranger.send(twice).await.problem(401, "AUTH_TOKEN_INVALID");
        // The WebSocket, with the token in the query and in the first message.
        let open = async |query: &str| {
            let mut request = format!("ws://{}/ws{query}", server.address).into_client_request().unwrap();
            for value in credentials {
                request.headers_mut().append("authorization", value.parse().unwrap());
            }
            tokio_tungstenite::connect_async(request).await
        };
        assert!(open(&format!("?token={good}")).await.is_ok());
        assert!(open(&format!("?token={good}&token={good}")).await.is_err());
        let (mut socket, _) = open("").await.unwrap();
        let first = json!({ "event": "authenticate", "data": { "token": good } });
        socket.send(Message::text(first.to_string())).await.unwrap();
        let answer = socket.next().await.unwrap().unwrap().into_text().unwrap();
        assert!(answer.contains("\"ack\""), "{answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_other_origins_are_refused() {
    let options = Options { origins: Origins::Listed(vec!["https://chat.example".into()]), ..Options::default() };
    let listed = Server::start_with(Backend::Memory, Limits::default(), options).await;
    let same = Server::start(Backend::Memory).await;
    let open = async |server: &Server, origin: &str| {
        Socket::try_open(&server.address, "", Some(&token("a")), Some(origin)).await.map(|_| ())
    };
    assert!(open(&listed, "https://chat.example").await.is_ok());
    assert!(open(&listed, &format!("http://{}", listed.address)).await.is_ok(), "its own page");
    assert!(open(&same, &format!("http://{}", same.address)).await.is_ok());
    let refused = Err((403, "ORIGIN_NOT_ALLOWED".to_owned()));
    for origin in ["https://evil.example", "https://chat.example.evil.example", "null", ""] {
        assert_eq!(open(&listed, origin).await, refused);
        assert_eq!(open(&same, origin).await, refused);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn closing_before_saying_who_one_is_is_answered() {
    let server = Server::start(Backend::Memory).await;
    let mut socket = Socket::open(&server.address, "", None).await;
    socket.raw(Message::Close(None)).await;
    assert_eq!(socket.closed().await, 1005);
}
