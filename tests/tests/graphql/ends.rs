//! What is open ends when it must.

use super::*;

/// A token that is good for so many seconds.
fn brief(seconds: u64) -> String {
    token_with(Claims { sub: "mallory".into(), ..Claims::default() }, seconds)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_open_ends_with_its_token_and_not_before() {
    let server = Server::start(Backend::Memory).await;
    let mut witness = Witness::of(&server).await;
    let brief = brief(15);
    let mut socket = GraphqlSocket::admitted(&server.address, &brief).await;
    for n in 0..20 {
        socket.subscribe(&n.to_string(), EVENTS, json!({ "id": witness.id })).await;
        socket.next(&n.to_string()).await;
    }
    socket.subscribe("all", ALL_EVENTS, json!({})).await;
    socket.next("all").await;
    let client = Graphql::new(&server.address, Some(brief.clone()));
    let mut streams = Vec::new();
    for query in [EVENTS, ALL_EVENTS] {
        let mut stream = GraphqlEvents::open(client.stream(query, json!({ "id": witness.id }))).await.unwrap();
        assert_eq!(stream.next().await.unwrap().get("errors"), None);
        streams.push(stream);
    }
    witness.untouched().await;
    for _ in 0..21 {
        assert_eq!(socket.message().await["payload"].get("errors"), None);
    }
    for stream in &mut streams {
        assert_eq!(stream.next().await.unwrap().get("errors"), None);
    }
    // No operation ends before the connection does: a client that goes on with a new token finds them all to go on with.
    assert_eq!(socket.ended().await, (4403, "AUTH_TOKEN_EXPIRED".to_owned()));
    for stream in streams {
        stream.ended().await;
    }
    until_open(&server, 1).await;
    witness.untouched().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_open_ends_promptly_with_the_server() {
    let options = Options { write_time: Duration::from_secs(120), ..patient() };
    let mut server = Server::start_with(Backend::Memory, Limits::default(), options).await;
    let witness = Witness::of(&server).await;
    let variables = json!({ "id": witness.id });
    let mut sockets = vec![witness.socket, server.graphql_socket("mallory").await];
    sockets.push(GraphqlSocket::open(&server.address, "", &[PROTOCOL]).await.unwrap());
    let client = server.graphql("mallory");
    let mut stream = GraphqlEvents::open(client.stream(EVENTS, variables)).await.unwrap();
    stream.next().await.unwrap();
    // Those who do not read what they are told are not waited for.
    let deaf = server.graphql_socket("mallory").await;
    let begun = Instant::now();
    server.stop().await;
    // Less than any limit of time by which it would end anyway.
    assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
    for socket in &mut sockets {
        assert_eq!(socket.ended().await, (1001, "the server ends".to_owned()));
    }
    stream.ended().await;
    drop(deaf);
}

// The event stream.

#[tokio::test(flavor = "multi_thread")]
async fn an_event_stream_gives_its_place_back_and_misses_nothing_when_slow() {
    let options = Options { sockets_per_user: 1, ..patient() };
    let server = Server::start_with(Backend::Memory, Limits::default(), options).await;
    let mut witness = Witness::of(&server).await;
    let variables = json!({ "id": witness.id, "after": 2 });
    let client = server.graphql("mallory");
    let mut slow = GraphqlEvents::open(client.stream(EVENTS, variables.clone())).await.unwrap();
    let text = "ä".repeat(8_000);
    // More than the buffers of both ends of a connection hold, and than the log's tail in memory.
    for _ in 0..600 {
        witness.owner.say(&witness.id, &text).await;
        witness.seq += 1;
        assert_eq!(witness.socket.next("w").await["data"]["sessionEvents"]["seq"], witness.seq);
    }
    assert_eq!(slow.next().await.unwrap()["data"]["sessionEvents"]["after"], 2);
    for seq in 3..=witness.seq {
        assert_eq!(slow.next().await.unwrap()["data"]["sessionEvents"]["seq"], seq);
    }
    witness.untouched().await;
    assert_eq!(slow.next().await.unwrap()["data"]["sessionEvents"]["seq"], witness.seq);

    let refused = GraphqlEvents::open(client.stream(EVENTS, variables.clone())).await.err().unwrap();
    refused.refused(429, "CONNECTION_LIMIT_EXCEEDED");
    drop(slow);
    until_open(&server, 1).await;
    // What has one result gives its place back by itself.
    for _ in 0..10 {
        let mut stream = GraphqlEvents::open(client.stream("{ me { id } }", json!({}))).await.unwrap();
        assert_eq!(stream.next().await, Some(json!({ "data": { "me": { "id": "mallory" } } })));
        assert_eq!(stream.next().await, None);
        stream.ended().await;
        until_open(&server, 1).await;
    }
    // HEAD has no body to stream.
    let variables = variables.to_string();
    let head = client.in_url(Method::HEAD, &[("query", EVENTS), ("variables", &variables)]);
    assert_eq!(client.send(head.header("accept", "text/event-stream")).await.status, 200);
    until_open(&server, 1).await;
    witness.untouched().await;
}
