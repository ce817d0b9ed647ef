//! What is counted under load is what happened.

use chatcore_tests::{Client, Events, Graphql, GraphqlEvents, GraphqlSocket, Socket};
use futures_util::{
    FutureExt as _,
    future::{BoxFuture, join_all},
};
use serde_json::{Value, json};

use crate::{
    kit::{Server, folder, token},
    scrape::Scraper,
};

/// What each sender sends.
const MESSAGES: usize = 40;

const SUBSCRIPTION: &str = "subscription ($id: ID!) { sessionEvents(sessionId: $id) { __typename } }";
const ALL: &str = "subscription { allSessionEvents { __typename } }";

/// Reads so many messages.
type Reader = BoxFuture<'static, ()>;

async fn by_socket(server: &Server, token: String, session: &str) -> Reader {
    let mut socket = Socket::open(&server.address, "", Some(&token)).await;
    socket.join(session, None).await;
    async move {
        for _ in 0..3 * MESSAGES {
            socket.expect("message_received").await;
        }
        keep(socket)
    }
    .boxed()
}

/// Leaves something open until the test ends.
fn keep<T: Send + 'static>(open: T) {
    Box::leak(Box::new(open));
}

async fn by_stream(client: Client, session: &str) -> Reader {
    let mut events = Events::open(client.stream_of(session, "")).await.unwrap();
    async move {
        let mut came = 0;
        while came < 3 * MESSAGES {
            came += usize::from(events.next().await["event"] == "message_received");
        }
        keep(events)
    }
    .boxed()
}

/// Asks for a page after another one, each of which waits for news.
fn by_polls(client: Client, session: &str, after: u64) -> Reader {
    let path = format!("/sessions/{session}/events");
    async move {
        let (mut came, mut after) = (0, after);
        while came < 3 * MESSAGES {
            let page = client.get(&format!("{path}?after={after}&wait=20")).await.expect(200);
            let events = page["events"].as_array().unwrap_or_else(|| panic!("{page}"));
            came += events.len();
            after = events.last().map_or(after, |last| last["seq"].as_u64().unwrap());
        }
    }
    .boxed()
}

async fn by_graphql_socket(
    server: &Server,
    token: &str,
    query: &'static str,
    variables: Value,
    field: &'static str,
) -> Reader {
    let mut socket = GraphqlSocket::admitted(&server.address, token).await;
    socket.subscribe("s", query, variables).await;
    assert_eq!(socket.next("s").await["data"][field]["__typename"], "Subscribed");
    async move {
        for _ in 0..3 * MESSAGES {
            assert_eq!(socket.next("s").await["data"][field]["__typename"], "MessageSent");
        }
        keep(socket)
    }
    .boxed()
}

async fn by_graphql_stream(graphql: Graphql, session: &str) -> Reader {
    let mut events = GraphqlEvents::open(graphql.stream(SUBSCRIPTION, json!({ "id": session })))
        .await
        .unwrap_or_else(|_| panic!("refused"));
    assert_eq!(events.next().await.unwrap()["data"]["sessionEvents"]["__typename"], "Subscribed");
    async move {
        for _ in 0..3 * MESSAGES {
            assert_eq!(events.next().await.unwrap()["data"]["sessionEvents"]["__typename"], "MessageSent");
        }
        keep(events)
    }
    .boxed()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_send_and_each_delivery_is_counted_on_every_transport() {
    let folder = folder();
    let data = folder.path();
    let flags = ["--database", "mem://", "--metrics-listen", "127.0.0.1:0", "--sockets", "100"];
    let server = Server::start_with(data, &flags);
    let scraper = Scraper::of(&server);
    let owner = server.client(data, "owner");
    let session = owner.session("PUBLIC").await;
    let names = ["s0", "s1", "s2", "r0", "r1", "r2", "r3", "r4", "r5"];
    for name in names {
        server.client(data, name).post(&format!("/sessions/{session}/join"), json!({})).await.expect(200);
    }
    let head = u64::try_from(names.len()).unwrap() + 1;
    let of = |name: &str| token(data, name);
    let readers: Vec<Reader> = vec![
        by_socket(&server, of("r0"), &session).await,
        by_socket(&server, of("r1"), &session).await,
        by_stream(server.client(data, "r2"), &session).await,
        by_polls(server.client(data, "r3"), &session, head),
        by_graphql_socket(&server, &of("r4"), SUBSCRIPTION, json!({ "id": session }), "sessionEvents").await,
        by_graphql_socket(&server, &of("r4"), ALL, json!({}), "allSessionEvents").await,
        by_graphql_stream(Graphql::new(&server.address, Some(of("r5"))), &session).await,
    ];
    let many = readers.len();
    let mut sending = Socket::open(&server.address, "", Some(&of("s1"))).await;
    let before = scraper.scrape().await.unwrap();
    let connections = |transport: &str| format!("chatcore_connections{{transport=\"{transport}\"}}");
    for (transport, open) in
        [("websocket", 3.0), ("event_stream", 1.0), ("graphql_socket", 2.0), ("graphql_stream", 1.0)]
    {
        assert_eq!(before.value(&connections(transport)), open, "{transport}");
    }
    assert_eq!(before.value("chatcore_connections_limit"), 100.0);
    assert_eq!((before.value("chatcore_tails"), before.value("chatcore_readers")), (1.0, (many - 1) as f64));
    let readers: Vec<_> = readers.into_iter().map(tokio::spawn).collect();
    scraper.until("the long poll waits", |scraped| scraped.value(&connections("long_poll")) == 1.0).await;

    let by_rest = async {
        let client = server.client(data, "s0");
        for n in 0..MESSAGES {
            client.say(&session, &n.to_string()).await;
        }
    };
    let by_frames = async {
        for n in 0..MESSAGES {
            let data = json!({ "session_id": session, "content": n.to_string() });
            assert_eq!(sending.ask("send_message", data).await["event"], "ack");
        }
    };
    let by_mutations = async {
        let graphql = Graphql::new(&server.address, Some(of("s2")));
        let mutation = "mutation ($id: ID!, $text: String!) { sendMessage(input: { sessionId: $id, content: $text }) { __typename } }";
        for n in 0..MESSAGES {
            graphql.data(mutation, json!({ "id": session, "text": n.to_string() })).await;
        }
    };
    tokio::join!(by_rest, by_frames, by_mutations);
    join_all(readers).await.into_iter().for_each(|read| read.unwrap());

    let sent = (3 * MESSAGES) as f64;
    // A frame can be with its reader before it is counted.
    let delivered = sent * many as f64;
    let counted = |scraped: &crate::Scraped, metric: &str| scraped.sum(metric) - before.sum(metric);
    let after =
        scraper.until("all are counted", |scraped| counted(scraped, "chatcore_deliveries_total") >= delivered).await;
    assert_eq!(counted(&after, "chatcore_deliveries_total"), delivered);
    assert_eq!(counted(&after, "chatcore_sends_total"), sent);
    for (transport, operation) in [("http", "sendMessage"), ("websocket", "send_message"), ("graphql", "sendMessage")] {
        let series =
            format!("chatcore_requests_total{{code=\"2xx\",operation=\"{operation}\",transport=\"{transport}\"}}");
        assert_eq!(after.value(&series) - before.value(&series), MESSAGES as f64, "{series}");
    }
    assert_eq!(after.value(&connections("long_poll")), 0.0);
    // Each is in one commit, and none waits any more.
    assert!(counted(&after, "chatcore_commit_batch_size_sum") >= sent);
    assert_eq!(after.value("chatcore_writer_queue"), 0.0);
    assert!(counted(&after, "chatcore_delivery_lag_seconds_count") >= sent);
}
