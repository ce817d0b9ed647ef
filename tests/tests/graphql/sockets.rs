//! Sockets that do what they must not.

use super::*;

// The WebSocket.

#[tokio::test(flavor = "multi_thread")]
async fn sockets_that_are_refused_before_the_upgrade() {
    let server = Server::start(Backend::Memory).await;
    let mut witness = Witness::of(&server).await;
    let foreign = ("origin", "https://evil.example");
    let good = bearer(&token("mallory"));
    let refused = async |url_query: &str, headers: &[(&'static str, &str)]| {
        GraphqlSocket::open(&server.address, url_query, headers).await.err().unwrap_or_else(|| panic!("{headers:?}"))
    };
    let is = |status: u16, code: &str| (status, code.to_owned());
    for headers in [
        vec![],
        vec![("authorization", &*good)],
        vec![("sec-websocket-protocol", "graphql-ws")],
        vec![("sec-websocket-protocol", "GRAPHQL-TRANSPORT-WS")],
        vec![("sec-websocket-protocol", "graphql-transport-ws2, xgraphql-transport-ws")],
    ] {
        assert_eq!(refused("", &headers).await, is(426, "UPGRADE_REQUIRED"));
    }
    for origin in ["https://evil.example", "null", "", "http://127.0.0.1", "https://127.0.0.1.evil.example"] {
        for headers in
            [vec![PROTOCOL, ("origin", origin)], vec![PROTOCOL, ("origin", origin), ("authorization", &good)]]
        {
            assert_eq!(refused("", &headers).await, is(403, "ORIGIN_NOT_ALLOWED"));
        }
    }
    assert_eq!(
        refused(&format!("?token={}", token("mallory")), &[PROTOCOL, foreign]).await,
        is(403, "ORIGIN_NOT_ALLOWED")
    );
    for (bad, code) in bad_tokens() {
        assert_eq!(refused("", &[PROTOCOL, ("authorization", &bearer(&bad))]).await, is(401, code));
        assert_eq!(refused(&format!("?token={bad}"), &[PROTOCOL]).await, is(401, code));
        // A good one elsewhere does not heal it.
        let good = format!("?token={}", token("mallory"));
        assert_eq!(refused(&good, &[PROTOCOL, ("authorization", &bearer(&bad))]).await, is(401, code));
    }
    assert_eq!(refused("?token=", &[PROTOCOL]).await, is(401, "AUTH_TOKEN_INVALID"));
    assert_eq!(refused("", &[PROTOCOL, ("authorization", "Bearer ")]).await, is(401, "AUTH_REQUIRED"));
    let twice = [PROTOCOL, ("authorization", &*good), ("authorization", &*good)];
    assert_eq!(refused("", &twice).await, is(401, "AUTH_TOKEN_INVALID"));

    // What wants to be a handshake and is none.
    let client = server.graphql("mallory");
    for headers in [
        vec![("upgrade", "websocket")],
        vec![("upgrade", "websocket"), ("connection", "upgrade"), ("sec-websocket-version", "13")],
        vec![("upgrade", "websocket"), ("connection", "upgrade"), ("sec-websocket-key", "AAAAAAAAAAAAAAAAAAAAAA==")],
    ] {
        for method in [Method::GET, Method::POST] {
            let request = client.request(method).json(&json!({ "query": SEND, "variables": { "id": witness.id } }));
            let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
            let answer = client.send(request).await;
            answer.refused(426, "UPGRADE_REQUIRED");
            assert_eq!(answer.headers["upgrade"], "websocket");
            assert_eq!(answer.headers["sec-websocket-version"], "13");
        }
    }
    assert_eq!(server.open_sockets(), 1);
    witness.untouched().await;
    let origin = format!("http://{}", server.address);
    assert!(GraphqlSocket::open(&server.address, "", &[PROTOCOL, ("origin", &origin)]).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_says_nothing_or_the_wrong_thing_first_is_sent_away() {
    let options = Options { authentication_time: Duration::from_secs(10), ..patient() };
    let server = Server::start_with(Backend::Memory, Limits::default(), options).await;
    let mut witness = Witness::of(&server).await;
    let good = bearer(&token("mallory"));
    // Whoever it is must say so; frames that say nothing do not count.
    let mut silent = GraphqlSocket::open(&server.address, "", &[PROTOCOL]).await.unwrap();
    let mut known = GraphqlSocket::open(&server.address, "", &[PROTOCOL, ("authorization", &good)]).await.unwrap();
    let mut busy = GraphqlSocket::open(&server.address, "", &[PROTOCOL]).await.unwrap();
    for _ in 0..10 {
        busy.silent().await;
        busy.raw(Message::Ping("x".into())).await;
    }

    let is = |code: u16, reason: &str| (code, reason.to_owned());
    let with_token = |name: &str, value: Value| json!({ "type": "connection_init", "payload": { name: value } });
    let mut inits = vec![
        (json!({ "type": "connection_init" }), "AUTH_REQUIRED"),
        (json!({ "type": "connection_init", "payload": null }), "AUTH_REQUIRED"),
        (json!({ "type": "connection_init", "payload": {} }), "AUTH_REQUIRED"),
        (with_token("token", json!("")), "AUTH_REQUIRED"),
        (with_token("token", json!(5)), "AUTH_REQUIRED"),
        (with_token("token", json!({ "token": token("mallory") })), "AUTH_REQUIRED"),
        (with_token("Authorization", json!("Basic YTpi")), "AUTH_REQUIRED"),
        (with_token("Authorization", json!([good])), "AUTH_REQUIRED"),
        (with_token("other", json!(good)), "AUTH_REQUIRED"),
    ];
    for (bad, code) in bad_tokens() {
        inits.push((with_token("token", json!(bad)), code));
        inits.push((with_token("aUTHORIZATION", json!(bearer(&bad))), code));
    }
    for (init, reason) in inits {
        let mut socket = GraphqlSocket::open(&server.address, "", &[PROTOCOL]).await.unwrap();
        socket.send(init.clone()).await;
        // What is sent after it is not waited for.
        socket.feed(&subscribe("1", SEND, json!({ "id": witness.id }))).await;
        assert_eq!(socket.closed().await, is(4403, reason), "{init}");
    }
    // Before the init nothing is executed, whoever it is.
    for headers in [vec![PROTOCOL], vec![PROTOCOL, ("authorization", &good)]] {
        let mut socket = GraphqlSocket::open(&server.address, "", &headers).await.unwrap();
        socket.subscribe("1", SEND, json!({ "id": witness.id })).await;
        assert_eq!(socket.closed().await.0, 4401);
    }
    for early in [true, false] {
        let mut socket = GraphqlSocket::open(&server.address, "", &[PROTOCOL]).await.unwrap();
        let init = with_token("token", json!(token("mallory")));
        socket.send(init.clone()).await;
        if !early {
            assert_eq!(socket.message().await["type"], "connection_ack");
        }
        socket.send(init).await;
        assert_eq!(socket.closed().await.0, 4429);
    }
    for socket in [&mut silent, &mut known, &mut busy] {
        assert_eq!(socket.closed().await.0, 4408);
    }
    until_open(&server, 1).await;
    witness.untouched().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_that_are_not_acceptable_end_the_socket() {
    let server = Server::start(Backend::Memory).await;
    let mut witness = Witness::of(&server).await;
    let start = json!({ "query": "{ me { id } }" });
    let messages = [
        json!({}),
        json!([]),
        json!("connection_init"),
        json!(null),
        json!([{ "type": "ping" }]),
        json!({ "type": null }),
        json!({ "type": 5 }),
        json!({ "type": "dance" }),
        json!({ "type": "SUBSCRIBE", "id": "1", "payload": start }),
        json!({ "type": "start", "id": "1", "payload": start }),
        json!({ "type": "connection_ack" }),
        json!({ "type": "next", "id": "1", "payload": {} }),
        json!({ "type": "error", "id": "1", "payload": [] }),
        json!({ "type": "ping", "payload": 5 }),
        json!({ "type": "pong", "payload": [] }),
        json!({ "type": "complete" }),
        json!({ "type": "complete", "id": 1 }),
        json!({ "type": "complete", "id": "" }),
        json!({ "type": "subscribe", "payload": start }),
        json!({ "type": "subscribe", "id": 1, "payload": start }),
        json!({ "type": "subscribe", "id": "", "payload": start }),
        json!({ "type": "subscribe", "id": "x".repeat(257), "payload": start }),
        json!({ "type": "subscribe", "id": "1" }),
        json!({ "type": "subscribe", "id": "1", "payload": null }),
        json!({ "type": "subscribe", "id": "1", "payload": [start] }),
        json!({ "type": "subscribe", "id": "1", "payload": {} }),
        json!({ "type": "subscribe", "id": "1", "payload": { "query": 5 } }),
        json!({ "type": "subscribe", "id": "1", "payload": { "query": "{ me { id } }", "variables": [] } }),
        json!({ "type": "subscribe", "id": "1", "payload": { "query": "{ me { id } }", "operationName": {} } }),
    ];
    let texts =
        ["", "{", "\0", "hello", "{\"type\":\"ping\"} {}", "{\"type\":\"ping\",}", "\u{feff}{\"type\":\"ping\"}"];
    let deep = format!("{{\"type\":\"ping\",\"payload\":{{\"x\":{}", "[".repeat(50_000));
    let frame = |data: Vec<u8>, code, last| Message::Frame(Frame::message(data, OpCode::Data(code), last));
    let whole = |text: &str, code| vec![frame(text.into(), code, true)];
    let mut cases: Vec<(Vec<Message>, u16)> =
        messages.iter().map(|message| (vec![Message::text(message.to_string())], 4400)).collect();
    cases.extend(texts.iter().chain([&&*deep]).map(|text| (vec![Message::text(*text)], 4400)));
    cases.push((vec![Message::binary(vec![0, 159, 146, 150])], 4400));
    cases.push((vec![Message::binary(subscribe("1", SEND, json!({ "id": witness.id })).to_string())], 4400));
    let limit = Limits::default().request_bytes();
    cases.push((vec![Message::text(" ".repeat(limit + 1))], 1009));
    cases.push((vec![Message::text(" ".repeat(4 * limit + 1))], 1009));
    let part = || vec![b' '; 2 * limit + 1];
    cases.push((vec![frame(part(), Data::Text, false), frame(part(), Data::Continue, false)], 1009));
    cases.push((vec![frame(vec![0xff, 0xfe], Data::Text, true)], 1007));
    cases.push((vec![frame(b"\"\xc3".to_vec(), Data::Text, false), frame(b"\"".to_vec(), Data::Continue, true)], 1007));
    cases.push((whole("x", Data::Continue), 1002));
    cases.push((vec![frame(b"x".to_vec(), Data::Text, false), frame(b"x".to_vec(), Data::Text, true)], 1002));
    cases.push((whole("x", Data::Reserved(3)), 1002));
    for (frames, code) in cases {
        let mut socket = server.graphql_socket("mallory").await;
        // Something is under way.
        socket.subscribe("s", EVENTS, json!({ "id": witness.id })).await;
        socket.next("s").await;
        let shown = format!("{frames:.200?}");
        for frame in frames {
            socket.raw(frame).await;
        }
        let (closed, reason) = socket.closed().await;
        assert_eq!(closed, code, "{reason}: {shown}");
        assert!(reason.len() <= 123);
        drop(socket);
        until_open(&server, 1).await;
    }
    // A length that no frame has: it is not waited for.
    let mut socket = server.graphql_socket("mallory").await;
    socket
        .connection()
        .write_all(&[0x81, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 2, 3, 4])
        .await
        .unwrap();
    assert_eq!(socket.closed().await.0, 1009);
    // Not masked.
    let mut socket = server.graphql_socket("mallory").await;
    socket.connection().write_all(&[0x81, 0x02, b'{', b'}']).await.unwrap();
    assert_eq!(socket.closed().await.0, 1002);
    witness.untouched().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_names_one_operation() {
    let server = Server::start(Backend::Memory).await;
    let mut witness = Witness::of(&server).await;
    let id = witness.id.clone();
    let mut socket = server.graphql_socket("mallory").await;
    let begin = async |socket: &mut GraphqlSocket, after: u64| {
        socket.subscribe("s", EVENTS, json!({ "id": id, "after": after })).await;
        let first = socket.next("s").await;
        assert_eq!(first["data"]["sessionEvents"]["after"], after, "{first}");
    };
    // Once ended by the client it is free at once, and nothing of the first comes any more.
    for _ in 0..20 {
        begin(&mut socket, 2).await;
        socket.complete("s").await;
    }
    socket.silent().await;
    witness.untouched().await;
    socket.silent().await;
    socket.complete("s").await;
    socket.complete("never").await;
    begin(&mut socket, 2).await;
    assert_eq!(socket.next("s").await["data"]["sessionEvents"]["seq"], 3);
    socket.subscribe("s", SEND, json!({ "id": id })).await;
    assert_eq!(socket.closed().await, (4409, "Subscriber for s already exists".to_owned()));
    drop(socket);
    until_open(&server, 1).await;
    witness.untouched().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_operations_on_one_socket() {
    let server = Server::start(Backend::Memory).await;
    let mut witness = Witness::of(&server).await;
    let id = witness.id.clone();
    let mut socket = server.graphql_socket("mallory").await;
    let me = json!({ "data": { "me": { "id": "mallory" } } });
    for _ in 0..2_000 {
        assert_eq!(socket.ask("{ me { id } }", json!({})).await, me);
    }
    // Together, as fast as they can be written: each is answered, or told that there were too many, and once.
    const TOGETHER: usize = 400;
    for round in 0..20 {
        for n in 0..TOGETHER {
            assert!(socket.feed(&subscribe(&format!("{round}-{n}"), "{ me { id } }", json!({}))).await);
        }
        socket.flush().await;
        let (mut ended, mut answered) = (BTreeSet::new(), BTreeSet::new());
        while ended.len() < TOGETHER {
            let message = socket.message().await;
            let id = message["id"].as_str().unwrap().to_owned();
            match message["type"].as_str().unwrap() {
                "next" => {
                    assert_eq!(message["payload"], me);
                    assert!(answered.insert(id));
                }
                "complete" => assert!(answered.contains(&id) && ended.insert(id)),
                "error" => {
                    assert_eq!(codes(&message["payload"]), ["RESOURCE_LIMIT_EXCEEDED"]);
                    assert!(!answered.contains(&id) && ended.insert(id));
                }
                other => panic!("{other}"),
            }
        }
        socket.silent().await;
    }
    witness.untouched().await;

    // Those that stay open: a hundred, and no more; each of the others is refused alone.
    let variables = json!({ "id": id });
    for n in 0..1_000 {
        socket.subscribe(&n.to_string(), EVENTS, variables.clone()).await;
        if n < 100 {
            socket.next(&n.to_string()).await;
        } else {
            assert_eq!(socket.failed(&n.to_string()).await, ["RESOURCE_LIMIT_EXCEEDED"]);
        }
    }
    socket.subscribe("write", SEND, variables.clone()).await;
    assert_eq!(socket.failed("write").await, ["RESOURCE_LIMIT_EXCEEDED"]);
    witness.untouched().await;
    let mut told = BTreeSet::new();
    for _ in 0..100 {
        let message = socket.message().await;
        assert_eq!(message["payload"]["data"]["sessionEvents"]["seq"], witness.seq);
        told.insert(message["id"].as_str().unwrap().to_owned());
    }
    assert_eq!(told, (0..100).map(|n| n.to_string()).collect());
    socket.complete("7").await;
    assert_eq!(socket.ask("{ me { id } }", json!({})).await, me);
    socket.subscribe("7", EVENTS, variables).await;
    socket.next("7").await;
    witness.untouched().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_sockets_are_five() {
    let server = Server::start(Backend::Memory).await;
    let mut witness = Witness::of(&server).await;
    let good = bearer(&token("mallory"));
    let full = || (429, "CONNECTION_LIMIT_EXCEEDED".to_owned());
    let headers = [PROTOCOL, ("authorization", &*good)];
    let open = || GraphqlSocket::open(&server.address, "", &headers);
    let mut sockets = Vec::new();
    for n in 0..1_000 {
        match open().await {
            Ok(socket) if n < 5 => sockets.push(socket),
            Err(refused) if n >= 5 => assert_eq!(refused, full()),
            _ => panic!("{n}"),
        }
    }
    // By every other way in.
    let mut late = GraphqlSocket::open(&server.address, "", &[PROTOCOL]).await.unwrap();
    late.init(json!({ "token": token("mallory") })).await;
    assert_eq!(late.closed().await, (4403, "CONNECTION_LIMIT_EXCEEDED".to_owned()));
    assert_eq!(Socket::try_open(&server.address, "", Some(&token("mallory")), None).await.err().unwrap(), full());
    let client = server.graphql("mallory");
    let events = GraphqlEvents::open(client.stream(EVENTS, json!({ "id": witness.id }))).await;
    events.err().unwrap().refused(429, "CONNECTION_LIMIT_EXCEEDED");
    let attack = GraphqlEvents::open(client.stream(SEND, json!({ "id": witness.id }))).await;
    attack.err().unwrap().refused(429, "CONNECTION_LIMIT_EXCEEDED");
    until_open(&server, 6).await;
    // The five are of use, and so is what needs no socket.
    for socket in &mut sockets {
        socket.init(json!({})).await;
        assert_eq!(socket.message().await["type"], "connection_ack");
    }
    client.data("{ me { id } }", json!({})).await;
    witness.untouched().await;
    sockets.pop().unwrap().cut();
    until_open(&server, 5).await;
    let mut again = open().await.unwrap();
    again.init(json!({})).await;
    assert_eq!(again.message().await["type"], "connection_ack");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_is_cut_anywhere_leaves_nothing() {
    let server = Server::start(Backend::Memory).await;
    let mut witness = Witness::of(&server).await;
    let text = subscribe("1", SEND, json!({ "id": witness.id })).to_string();
    assert!(text.len() > 125);
    // A frame in a mask of zeros, which leaves the text as it is.
    let length = u16::try_from(text.len()).unwrap().to_be_bytes();
    let frame = [&[0x81, 0xfe], &length[..], &[0; 4], text.as_bytes()].concat();
    for at in [1, 2, 3, 4, 7, 8, 9, frame.len() / 2, frame.len() - 1] {
        let mut socket = server.graphql_socket("mallory").await;
        socket.subscribe("s", EVENTS, json!({ "id": witness.id })).await;
        socket.next("s").await;
        socket.connection().write_all(&frame[..at]).await.unwrap();
        socket.cut();
        until_open(&server, 1).await;
    }
    // In the middle of a message in parts, with a whole one before it.
    let mut socket = server.graphql_socket("mallory").await;
    let part = Frame::message(text.clone(), OpCode::Data(Data::Text), false);
    socket.raw(Message::Frame(part)).await;
    socket.cut();
    until_open(&server, 1).await;
    witness.untouched().await;
    // The whole frame is what it is taken for.
    let mut socket = server.graphql_socket("mallory").await;
    socket.connection().write_all(&frame).await.unwrap();
    witness.seq += 1;
    assert_eq!(socket.next("1").await["data"]["sendMessage"]["message"]["seq"], witness.seq);
    assert_eq!(witness.socket.next("w").await["data"]["sessionEvents"]["message"]["content"], "attack");
    witness.untouched().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_reads_nothing_is_closed_and_nobody_else_notices() {
    let options = Options { write_time: Duration::from_millis(300), ..patient() };
    let server = Server::start_with(Backend::Memory, Limits::default(), options).await;
    let mut witness = Witness::of(&server).await;
    let id = witness.id.clone();
    // By what it follows.
    let mut stalled = server.graphql_socket("mallory").await;
    stalled.subscribe("s", EVENTS, json!({ "id": id })).await;
    stalled.next("s").await;
    let text = "ä".repeat(8_000);
    while server.open_sockets() == 2 {
        witness.owner.say(&id, &text).await;
        witness.seq += 1;
        assert!(witness.seq < 3_000, "it is still open");
        assert_eq!(witness.socket.next("w").await["data"]["sessionEvents"]["seq"], witness.seq);
    }
    witness.untouched().await;
    // By what it asks: it may ask for ever, and gets only as far as its buffers reach.
    let mut stalled = server.graphql_socket("mallory").await;
    let ping = json!({ "type": "ping", "payload": { "x": "x".repeat(30_000) } });
    let mut asked = 0;
    while stalled.feed(&ping).await {
        asked += 1;
        assert!(asked < 10_000);
    }
    until_open(&server, 1).await;
    witness.untouched().await;
    let mut stalled = server.graphql_socket("mallory").await;
    let page = "query($id: ID!) { messages(sessionId: $id, first: 100) { nodes { content } } }";
    let mut asked = 0;
    while stalled
        .feed(&subscribe(&format!("{asked}-{}", "x".repeat(200)), page, json!({ "id": id, "x": "x".repeat(30_000) })))
        .await
    {
        asked += 1;
        assert!(asked < 10_000);
    }
    until_open(&server, 1).await;
    witness.untouched().await;
}
