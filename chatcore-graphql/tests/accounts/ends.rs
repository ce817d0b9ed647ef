//! What ends a login ends its sockets and its event streams, and its tokens are refused.

use std::{net::SocketAddr, time::Duration};

use cases::{ENDINGS, Twofold};
use chatcore_http::{ServeOptions, serve};
use cuts::{CUTS, Reading};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::{net::TcpListener, time::timeout};
use tokio_tungstenite::{
    connect_async,
    tungstenite::{Message, client::IntoClientRequest as _},
};

use super::*;

/// A server that hangs is noticed, also on a slow machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// An open connection gets pings and heartbeats, so a limit for each wait alone ends no test.
async fn in_time(how: &str, ending: impl Future<Output = ()>) {
    assert!(timeout(PATIENCE, ending).await.is_ok(), "{how}: something stays open");
}

pub(crate) async fn served(world: &World) -> SocketAddr {
    let schema = schema_with_accounts(world.accounts.clone(), SchemaOptions::default());
    served_with(world, schema, ServeOptions::default()).await
}

pub(crate) async fn served_with(
    world: &World,
    schema: chatcore_graphql::ChatSchema,
    options: ServeOptions,
) -> SocketAddr {
    let sockets = Sockets::new(Options { sockets_per_user: 10_000, ..Options::default() });
    let app = GraphqlFrontend::new(schema, world.authenticator(), sockets, WireOptions::default()).mount(Route::new());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(serve(listener, app, options, std::future::pending()));
    address
}

#[tokio::test]
async fn whatever_ends_a_login_closes_its_sockets_and_ends_its_event_streams() {
    let world = World::new();
    let (graph, address) = (graph(&world), served(&world).await);
    for (how, code) in ENDINGS {
        let ending = async {
            let user = Twofold::new(&graph, &world, &format!("u-{}", how.to_lowercase())).await;
            let (token, session) = (user.token(), &user.session);
            let query = json!({
                "query": format!("subscription {{ sessionEvents(sessionId: \"{session}\") {{ __typename }} }}")
            });
            let mut request = format!("ws://{address}/graphql").into_client_request().unwrap();
            request.headers_mut().append("Sec-WebSocket-Protocol", "graphql-transport-ws".parse().unwrap());
            let mut socket = connect_async(request).await.unwrap().0;
            let init = json!({ "type": "connection_init", "payload": { "token": token } });
            let subscribe = json!({ "type": "subscribe", "id": "1", "payload": query });
            for (sent, answered) in [(init, "connection_ack"), (subscribe, "Subscribed")] {
                socket.send(Message::text(sent.to_string())).await.unwrap();
                let answer = timeout(PATIENCE, socket.next()).await.unwrap().unwrap().unwrap();
                assert!(answer.to_text().unwrap().contains(answered), "{how}: {answer:?}");
            }
            let events =
                reqwest::Client::new().post(format!("http://{address}/graphql")).bearer_auth(&token).json(&query);
            let mut events = events.header("accept", "text/event-stream").send().await.unwrap();
            let first = timeout(PATIENCE, events.chunk()).await.unwrap().unwrap().unwrap();
            assert!(String::from_utf8_lossy(&first).contains("Subscribed"), "{how}: {first:?}");

            user.end(&graph, &world, how).await;

            let close = loop {
                match timeout(PATIENCE, socket.next()).await.unwrap().unwrap().unwrap() {
                    Message::Close(frame) => break frame.unwrap(),
                    // The event that removed the user may come first, and complete the subscription.
                    Message::Text(_) | Message::Ping(_) => {}
                    other => panic!("{how}: {other:?}"),
                }
            };
            assert_eq!((u16::from(close.code), close.reason.as_str()), (4403, code), "{how}");
            while timeout(PATIENCE, events.chunk()).await.unwrap().unwrap().is_some() {}
            graph.call("listSessions", Some(&token), json!({})).await.refused(code);
        };
        in_time(how, ending).await;
    }
}

/// An event in the words of REST, with its reason.
fn told(event: &Value) -> (String, Value) {
    let name = match event["__typename"].as_str().unwrap() {
        "ParticipantLeft" => "user_left".to_owned(),
        name => snake(name).trim_start_matches('_').to_owned(),
    };
    (name, event["reason"].clone())
}

#[tokio::test]
async fn a_reading_that_ends_in_the_middle_says_why_and_nothing_comes_after_it() {
    let world = World::new();
    let (graph, address) = (graph(&world), served(&world).await);
    for cut in &CUTS {
        let how = cut.how;
        let ending = async {
            let reading = Reading::new(&graph, &world, cut).await;
            let fields = "__typename ... on ParticipantRemoved { reason } ... on MessageSent { message { content } }";
            let one = format!("subscription {{ sessionEvents(sessionId: \"{}\") {{ {fields} }} }}", reading.session);
            let all = format!("subscription {{ allSessionEvents {{ {fields} }} }}");
            let mut request = format!("ws://{address}/graphql").into_client_request().unwrap();
            request.headers_mut().append("Sec-WebSocket-Protocol", "graphql-transport-ws".parse().unwrap());
            let mut socket = connect_async(request).await.unwrap().0;
            for sent in [
                json!({ "type": "connection_init", "payload": { "token": reading.token } }),
                json!({ "type": "subscribe", "id": "one", "payload": { "query": one } }),
                json!({ "type": "subscribe", "id": "all", "payload": { "query": all } }),
            ] {
                socket.send(Message::text(sent.to_string())).await.unwrap();
                let answer = timeout(PATIENCE, socket.next()).await.unwrap().unwrap().unwrap();
                let answer = answer.to_text().unwrap();
                assert!(answer.contains("connection_ack") || answer.contains("Subscribed"), "{how}: {answer}");
            }
            let events = reqwest::Client::new().post(format!("http://{address}/graphql")).bearer_auth(&reading.token);
            let events = events.header("accept", "text/event-stream").json(&json!({ "query": one }));
            let mut events = events.send().await.unwrap();
            let mut told_by_events = String::new();
            while !told_by_events.contains("Subscribed") {
                let chunk = timeout(PATIENCE, events.chunk()).await.unwrap().unwrap().unwrap();
                told_by_events += std::str::from_utf8(&chunk).unwrap();
            }
            reading.say(&world, "seen").await;

            reading.end(&graph, &world, cut).await;

            // The frames of each operation up to the close, or to the answer to a ping behind the end of the reading.
            let (mut frames, mut is_asked, mut close) = (BTreeMap::<String, Vec<Value>>::new(), false, None);
            while close.is_none() {
                match timeout(PATIENCE, socket.next()).await.unwrap().unwrap().unwrap() {
                    Message::Close(frame) => {
                        close = frame.map(|frame| (u16::from(frame.code), frame.reason.to_string()))
                    }
                    Message::Text(text) => {
                        let frame: Value = serde_json::from_str(&text).unwrap();
                        if frame["type"] == "pong" {
                            break;
                        }
                        frames.entry(self::text(&frame, "id")).or_default().push(frame);
                        let came = |id: &str, count: usize| frames.get(id).is_some_and(|frames| frames.len() == count);
                        // Each has seen a message and the last event, and the one of the session is complete.
                        if cut.ends.is_none() && !is_asked && came("one", 3) && came("all", 2) {
                            is_asked = true;
                            socket.send(Message::text(json!({ "type": "ping" }).to_string())).await.unwrap();
                        }
                    }
                    _ => {}
                }
            }
            assert_eq!(close, cut.ends.map(|code| (4403, code.to_owned())), "{how}");
            if cut.ends.is_some() {
                assert!(timeout(PATIENCE, socket.next()).await.unwrap().is_none(), "{how}");
            }
            for (id, field) in [("one", "sessionEvents"), ("all", "allSessionEvents")] {
                let mut frames = frames.remove(id).unwrap_or_default();
                let completed = frames.pop_if(|frame| frame["type"] == "complete").is_some();
                let events: Vec<_> = frames.iter().map(|frame| &frame["payload"]["data"][field]).collect();
                assert_eq!(events[0]["message"]["content"], "seen", "{how}: {events:?}");
                let events: Vec<_> = events[1..].iter().map(|event| told(event)).collect();
                // Only the event that takes the right to read away completes the reading of its session.
                assert_eq!(completed, id == "one" && !events.is_empty(), "{how}");
                cut.told(id, &events, cut.ends);
            }
            while let Some(chunk) = timeout(PATIENCE, events.chunk()).await.unwrap().unwrap() {
                told_by_events += std::str::from_utf8(&chunk).unwrap();
            }
            let data = told_by_events.lines().filter_map(|line| line.strip_prefix("data: {"));
            let data: Vec<Value> = data.map(|data| serde_json::from_str(&format!("{{{data}")).unwrap()).collect();
            let events: Vec<_> = data.iter().map(|data| &data["data"]["sessionEvents"]).collect();
            assert_eq!(events[1]["message"]["content"], "seen", "{how}: {told_by_events}");
            let events: Vec<_> = events[2..].iter().map(|event| told(event)).collect();
            assert_eq!(told_by_events.contains("event: complete"), !events.is_empty(), "{how}: {told_by_events}");
            cut.told("event stream", &events, cut.ends);
            reading.is_over(&graph, cut).await;
        };
        in_time(how, ending).await;
    }
}

#[tokio::test]
async fn an_attack_on_an_account_from_one_address_locks_nobody_out_elsewhere() {
    for peer in ["192.0.2.2:1", "[2001:db8::1]:1"] {
        let world = World::new();
        attacks::elsewhere(&graph(&world), &Graph(graph(&world).0, peer)).await;
    }
}
