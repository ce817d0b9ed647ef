//! Sockets: their tokens, their number and their end.

use super::*;

#[tokio::test]
async fn tokens_of_a_socket() {
    let server = Server::plain().await;
    let authorization = ("Authorization", "Bearer user-ann");
    let empty = json!({ "type": "connection_init" });
    let with = |payload: Value| json!({ "type": "connection_init", "payload": payload });
    for (url_query, headers, init) in [
        ("", vec![PROTOCOL, authorization], empty.clone()),
        ("?token=user-ann", vec![PROTOCOL], empty.clone()),
        ("?token=user-ann", vec![PROTOCOL], with(json!({ "token": "nobody" }))),
        // What a proxy needs for itself says nothing of the caller.
        ("?token=user-ann", vec![PROTOCOL, ("Authorization", "Basic YTpi")], empty.clone()),
        ("", vec![PROTOCOL, ("Authorization", "Basic YTpi")], with(json!({ "token": "user-ann" }))),
        ("", vec![PROTOCOL, ("Authorization", "Negotiate x"), authorization], empty.clone()),
        ("", vec![PROTOCOL], with(json!({ "Authorization": "Basic YTpi", "token": "user-ann" }))),
        ("", vec![PROTOCOL], with(json!({ "token": "user-ann" }))),
        (
            "",
            vec![("Sec-WebSocket-Protocol", "other, graphql-transport-ws")],
            with(json!({ "AuthorizatioN": "Bearer user-ann" })),
        ),
    ] {
        let mut client = server.open(url_query, &headers).await.unwrap();
        client.send(init).await;
        assert_eq!(client.message().await, json!({ "type": "connection_ack" }));
        client.subscribe("{ operation }").await;
        let message = client.message().await;
        assert_eq!(message, json!({ "id": "1", "type": "next", "payload": { "data": { "operation": 3 } } }));
        assert_eq!(client.message().await, json!({ "id": "1", "type": "complete" }));
    }
    for (init, reason) in [
        (empty, "AUTH_REQUIRED"),
        (with(json!({ "token": "nobody" })), "AUTH_TOKEN_INVALID"),
        (with(json!({ "Authorization": "Bearer old-ann" })), "AUTH_TOKEN_EXPIRED"),
    ] {
        let mut client = server.open("", &[PROTOCOL]).await.unwrap();
        client.send(init).await;
        assert_eq!(client.closed().await, (4403, reason.to_owned()));
    }
}

#[tokio::test]
async fn what_is_refused_before_the_upgrade() {
    let server = Server::plain().await;
    for (url_query, headers, status, code) in [
        ("", vec![], 426, "UPGRADE_REQUIRED"),
        ("", vec![("Sec-WebSocket-Protocol", "graphql-ws")], 426, "UPGRADE_REQUIRED"),
        ("", vec![PROTOCOL, ("Origin", "https://elsewhere.example")], 403, "ORIGIN_NOT_ALLOWED"),
        ("?token=nobody", vec![PROTOCOL], 401, "AUTH_TOKEN_INVALID"),
        ("?token=user-ann", vec![PROTOCOL, ("Authorization", "Bearer old-ann")], 401, "AUTH_TOKEN_EXPIRED"),
    ] {
        let Err(tungstenite::Error::Http(response)) = server.open(url_query, &headers).await else {
            panic!("{headers:?} was let in")
        };
        let body: Value = serde_json::from_slice(response.body().as_deref().unwrap()).unwrap();
        assert_eq!((response.status().as_u16(), &body["errors"][0]["extensions"]["code"]), (status, &json!(code)));
    }
    assert_eq!(server.sockets.open(), 0);
}

#[tokio::test]
async fn sockets_are_counted() {
    let options = Options { sockets_per_user: 1, unknown_sockets: 1, ..Options::default() };
    let server = Server::start(options).await;
    let mut first = server.admitted("user-ann").await;
    // Who has said who they are leaves room for others who have not.
    let mut second = server.open("", &[PROTOCOL]).await.unwrap();
    assert!(
        matches!(server.open("", &[PROTOCOL]).await, Err(tungstenite::Error::Http(response)) if response.status() == 429)
    );
    second.send(json!({ "type": "connection_init", "payload": { "token": "user-ann" } })).await;
    assert_eq!(second.closed().await, (4403, "CONNECTION_LIMIT_EXCEEDED".to_owned()));
    assert!(matches!(
        server.open("?token=user-ann", &[PROTOCOL]).await,
        Err(tungstenite::Error::Http(response)) if response.status() == 429
    ));
    let _bob = server.admitted("user-bob").await;
    // What ends gives its place back.
    first.0.close(None).await.unwrap();
    assert!(matches!(first.raw().await, Some(Message::Close(_)) | None));
    let again = async {
        while server.open("?token=user-ann", &[PROTOCOL]).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(10), again).await.unwrap();
}

#[tokio::test]
async fn a_socket_ends_with_its_token() {
    let server = Server::plain().await;
    let mut client = server.admitted("brief-ann").await;
    client.subscribe("subscription { quiet }").await;
    assert_eq!(client.message().await["type"], "next");
    assert_eq!(client.closed().await, (4403, "AUTH_TOKEN_EXPIRED".to_owned()));
}

#[tokio::test]
async fn sockets_and_event_streams_end_with_their_token_by_the_clock_of_the_chat() {
    let clock = TestClock::at(Utc::now());
    let chat = Chat::builder(MemoryStore::new()).clock(clock.clone()).build();
    let ann = Principal::new(UserId::new("ann").unwrap());
    let id = chat.create_session(&ann, CreateSession::titled("t")).await.unwrap().summary.session.id;
    let server = Server::over(schema(chat, SchemaOptions::default()), Options::default()).await;
    let query = format!("subscription {{ sessionEvents(sessionId: \"{id}\") {{ __typename }} }}");
    let (mut idle, mut reading) = (server.admitted("day-ann").await, server.admitted("day-ann").await);
    reading.subscribe(&query).await;
    assert_eq!(reading.message().await["payload"]["data"]["sessionEvents"]["__typename"], "Subscribed");
    let request = server.ask(Method::POST).header("Accept", "text/event-stream").json(&json!({ "query": query }));
    let request = request.header("Authorization", "Bearer day-ann");
    let mut request = request.build().unwrap();
    // One token, and not the one of `ask`.
    request.headers_mut().insert("Authorization", "Bearer day-ann".parse().unwrap());
    let mut events = reqwest::Client::new().execute(request).await.unwrap();
    let first = events.chunk().await.unwrap().unwrap();
    assert!(
        first.starts_with(b"event: next\ndata: {\"data\":{\"sessionEvents\":{\"__typename\":\"Subscribed\""),
        "{first:?}"
    );
    // The tokens are younger than the clock, so that they end a little after its first day.
    clock.advance(chrono::TimeDelta::days(2));
    for socket in [&mut idle, &mut reading] {
        assert_eq!(socket.closed().await, (4403, "AUTH_TOKEN_EXPIRED".to_owned()));
    }
    let rest = timeout(Duration::from_secs(20), events.chunk()).await.unwrap().unwrap();
    assert_eq!(rest, None, "it ends without `complete`");
}

#[tokio::test]
async fn an_event_stream_shows_that_it_is_there() {
    let options = Options { heartbeat: Duration::from_millis(20), ..Options::default() };
    let server = Server::start(options).await;
    let mut events = server.query("subscription { quiet }", "text/event-stream").await;
    let mut text = String::new();
    while !text.ends_with("\n:\n\n:\n\n") {
        let chunk = timeout(Duration::from_secs(20), events.chunk()).await.unwrap().unwrap().unwrap();
        text += std::str::from_utf8(&chunk).unwrap();
    }
    assert_eq!(text, "event: next\ndata: {\"data\":{\"quiet\":1}}\n\n:\n\n:\n\n");
}

#[tokio::test]
async fn a_socket_ends_with_its_login_or_its_account() {
    let chat = Chat::in_memory();
    let server = Server::over(schema(chat.clone(), SchemaOptions::default()), Options::default()).await;
    let [ann, bob] = ["ann", "bob"].map(|name| UserId::new(name).unwrap());
    let room = CreateSession::titled("t").of_type(SessionType::Public);
    let id = chat.create_session(&Principal::new(ann.clone()), room).await.unwrap().summary.session.id;
    chat.join(&Principal::new(bob.clone()), id).await.unwrap();
    let subscription = format!("subscription {{ sessionEvents(sessionId: \"{id}\") {{ __typename }} }}");
    let [mut idle, mut reading] = [server.admitted("user-ann").await, server.admitted("user-ann").await];
    let mut other = server.admitted("user-bob").await;
    for client in [&mut reading, &mut other] {
        client.subscribe(&subscription).await;
        let first = client.message().await;
        assert_eq!(first["payload"]["data"]["sessionEvents"]["__typename"], "Subscribed", "{first}");
    }
    // An idle socket is known once it has answered.
    idle.send(json!({ "type": "ping" })).await;
    assert_eq!(idle.message().await["type"], "pong");
    chat.end_all_logins(&ann, None).await.unwrap();
    for client in [&mut idle, &mut reading] {
        assert_eq!(client.closed().await, (4403, "AUTH_TOKEN_INVALID".to_owned()));
    }
    let ban = BanAccount { reason: "Spam".to_owned(), by: ann, until: None };
    chat.ban_account(&bob, ban).await.unwrap();
    // The event that removed the user may come first, and complete the subscription.
    let close = loop {
        match other.raw().await {
            Some(Message::Text(_)) => {}
            Some(Message::Close(Some(frame))) => break (u16::from(frame.code), frame.reason.to_string()),
            last => panic!("{last:?}"),
        }
    };
    assert_eq!(close, (4403, "ACCOUNT_BANNED".to_owned()));
    let refused = reqwest::Client::new().post(server.url()).bearer_auth("user-bob");
    let refused = refused.json(&json!({ "query": "{ me { id } }" })).send().await.unwrap();
    let refused: Value = refused.json().await.unwrap();
    let extensions = &refused["errors"][0]["extensions"];
    assert_eq!(extensions["code"], "ACCOUNT_BANNED", "{refused}");
    assert_eq!(extensions["details"], json!({ "reason": "Spam", "until": null }));
}

#[tokio::test]
async fn frames_that_are_none() {
    let server = Server::start(Options { frame_bytes: 1_000, ..Options::default() }).await;
    let mut client = server.admitted("user-ann").await;
    client.0.send(Message::text("x".repeat(1_001))).await.unwrap();
    assert_eq!(client.closed().await, (1009, "message too large".to_owned()));
    // An operation is refused alone, up to a bound.
    let mut client = server.admitted("user-eve").await;
    let large = |len: usize| format!("{{ hello }} #{}", "x".repeat(len));
    client.subscribe(&large(3_000)).await;
    let message = client.message().await;
    assert_eq!(message["payload"][0]["extensions"]["code"], "PAYLOAD_TOO_LARGE", "{message}");
    client.subscribe("{ hello }").await;
    assert_eq!(client.message().await["payload"], json!({ "data": { "hello": "world" } }));
    assert_eq!(client.message().await["type"], "complete");
    client.subscribe(&large(4_000)).await;
    assert_eq!(client.closed().await.0, 1009);
    let mut client = server.admitted("user-bob").await;
    client.0.send(Message::binary(vec![1])).await.unwrap();
    assert_eq!(client.closed().await.0, 4400);
}

#[tokio::test]
async fn sockets_end_with_the_server() {
    let server = Server::plain().await;
    let mut client = server.admitted("user-ann").await;
    client.subscribe("subscription { quiet }").await;
    assert_eq!(client.message().await["type"], "next");
    let Server { sockets, stop, task, .. } = server;
    let ended = tokio::spawn(async move {
        sockets.close().await;
        sockets.open()
    });
    assert_eq!(client.closed().await, (1001, "the server ends".to_owned()));
    drop(client);
    assert_eq!(ended.await.unwrap(), 0);
    stop.cancel();
    task.await.unwrap().unwrap();
}
