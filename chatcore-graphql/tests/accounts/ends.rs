//! What ends a login ends its sockets and its event streams, and its tokens are refused.

use std::{net::SocketAddr, time::Duration};

use cases::{ENDINGS, Twofold};
use chatcore_http::{ServeOptions, serve};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::{net::TcpListener, time::timeout};
use tokio_tungstenite::{
    connect_async,
    tungstenite::{Message, client::IntoClientRequest as _},
};

use super::*;

/// A server that hangs is noticed, also on a slow machine.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) async fn served(world: &World) -> SocketAddr {
    let schema = schema_with_accounts(world.accounts.clone(), SchemaOptions::default());
    let sockets = Sockets::new(Options::default());
    let app = GraphqlFrontend::new(schema, world.authenticator(), sockets, WireOptions::default()).mount(Route::new());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(serve(listener, app, ServeOptions::default(), std::future::pending()));
    address
}

#[tokio::test]
async fn whatever_ends_a_login_closes_its_sockets_and_ends_its_event_streams() {
    let world = World::new();
    let (graph, address) = (graph(&world), served(&world).await);
    for (how, code) in ENDINGS {
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
        let events = reqwest::Client::new().post(format!("http://{address}/graphql")).bearer_auth(&token).json(&query);
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
    }
}

#[tokio::test]
async fn an_attack_on_an_account_from_one_address_locks_nobody_out_elsewhere() {
    let world = World::new();
    let graph = graph(&world);
    register(&graph, "ada").await;
    let log_in = async |peer: &str, password: &str| {
        let query =
            format!("mutation {{ logIn(input: {{username: \"ada\", password: \"{password}\"}}) {{ accessToken }} }}");
        let (_, _, answer) = graph.ask_from(peer, None, &query, json!({})).await;
        answer["errors"][0]["extensions"]["code"].as_str().map(str::to_owned)
    };
    for _ in 0..5 {
        assert_eq!(log_in("192.0.2.1:1", "wrong").await.as_deref(), Some("AUTH_INVALID_CREDENTIALS"));
    }
    assert_eq!(log_in("192.0.2.1:9", PASSWORD).await.as_deref(), Some("RATE_LIMIT_EXCEEDED"));
    for peer in ["192.0.2.2:1", "[2001:db8::1]:1"] {
        assert_eq!(log_in(peer, PASSWORD).await, None, "{peer}");
    }
}
