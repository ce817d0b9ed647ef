//! Tokens that are not valid, over GraphQL's transports.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests report by panicking")]
#![cfg(feature = "poem")]

#[path = "../../chatcore/tests/kit/tokens.rs"]
#[allow(unreachable_pub, dead_code, reason = "shared with other tests")]
mod tokens;

use std::time::Duration;

use chatcore::Chat;
use chatcore_graphql::{GraphqlFrontend, SchemaOptions, WireOptions, schema};
use chatcore_http::{Options, ServeOptions, Sockets, serve, tungstenite};
use futures_util::{SinkExt as _, StreamExt as _};
use poem::Route;
use serde_json::{Value, json};
use tokio::{net::TcpListener, time::timeout};
use tokio_tungstenite::connect_async;
use tungstenite::{Message, client::IntoClientRequest as _};

#[tokio::test]
async fn tokens_that_are_not_valid_are_refused_whatever_is_wrong_with_them() {
    let options = Options { unknown_sockets_per_address: 1_000, ..Options::default() };
    let schema = schema(Chat::in_memory(), SchemaOptions::default());
    let frontend = GraphqlFrontend::new(schema, tokens::authenticator(), Sockets::new(options), WireOptions::default());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = frontend.mount(Route::new());
    tokio::spawn(async move { serve(listener, app, ServeOptions::default(), std::future::pending()).await });
    let client = reqwest::Client::new();
    let post = async |token: &str, accept: &str, query: &str| {
        let request = client.post(format!("http://{address}/graphql")).bearer_auth(token).header("Accept", accept);
        let response = request.json(&json!({ "query": query })).send().await.unwrap();
        let status = response.status().as_u16();
        (status, response.json::<Value>().await.unwrap())
    };
    let (me, events) = ("{ me { id } }", "subscription { allSessionEvents { __typename } }");
    let (status, answer) = post(&tokens::token(json!({}), json!({})), "application/json", me).await;
    assert_eq!((status, &answer["data"]["me"]["id"]), (200, &json!("alice")));
    for (wrong, token) in tokens::bad() {
        for (accept, query) in [("application/json", me), ("text/event-stream", events)] {
            let (status, answer) = post(&token, accept, query).await;
            let code = &answer["errors"][0]["extensions"]["code"];
            assert_eq!((status, code), (401, &json!("AUTH_TOKEN_INVALID")), "{wrong}: {accept}");
        }

        let mut request = format!("ws://{address}/graphql").into_client_request().unwrap();
        request.headers_mut().append("Sec-WebSocket-Protocol", "graphql-transport-ws".parse().unwrap());
        let mut socket = connect_async(request).await.unwrap().0;
        let init = json!({ "type": "connection_init", "payload": { "token": token } });
        socket.send(Message::text(init.to_string())).await.unwrap();
        let last = timeout(Duration::from_secs(60), socket.next()).await.unwrap().unwrap().unwrap();
        let Message::Close(Some(close)) = last else { panic!("{wrong}: {last:?}") };
        assert_eq!((u16::from(close.code), close.reason.as_str()), (4403, "AUTH_TOKEN_INVALID"), "{wrong}");

        // A token in the head of the handshake is looked at before there is a socket.
        let mut in_head = format!("ws://{address}/graphql").into_client_request().unwrap();
        in_head.headers_mut().append("Authorization", format!("Bearer {token}").parse().unwrap());
        let in_query = format!("ws://{address}/graphql?token={token}").into_client_request().unwrap();
        for mut request in [in_head, in_query] {
            request.headers_mut().append("Sec-WebSocket-Protocol", "graphql-transport-ws".parse().unwrap());
            match connect_async(request).await {
                Err(tungstenite::Error::Http(refused)) => assert_eq!(refused.status(), 401, "{wrong}"),
                other => panic!("{wrong}: {other:?}"),
            }
        }
    }
}

#[tokio::test]
async fn both_secrets_of_a_rotation_are_accepted_and_the_new_one_after_it() {
    let client = reqwest::Client::new();
    for (when, authenticator, shown) in tokens::rotation() {
        let schema = schema(Chat::in_memory(), SchemaOptions::default());
        let sockets = Sockets::new(Options::default());
        let frontend = GraphqlFrontend::new(schema, authenticator, sockets, WireOptions::default());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let app = frontend.mount(Route::new());
        tokio::spawn(async move { serve(listener, app, ServeOptions::default(), std::future::pending()).await });
        for (token, is_accepted) in shown {
            for accept in ["application/json", "text/event-stream"] {
                let request = client.post(format!("http://{address}/graphql")).bearer_auth(&token);
                let request = request.header("Accept", accept).json(&json!({ "query": "{ me { id } }" }));
                let response = request.send().await.unwrap();
                assert_eq!(response.status(), if is_accepted { 200 } else { 401 }, "{when}: {accept}");
                let text = response.text().await.unwrap();
                let expected = if is_accepted { "\"me\":{\"id\"" } else { "\"AUTH_TOKEN_INVALID\"" };
                assert!(text.contains(expected), "{when}: {accept}: {text}");
            }
            let open = async |in_head: bool| {
                let mut request = format!("ws://{address}/graphql").into_client_request().unwrap();
                request.headers_mut().append("Sec-WebSocket-Protocol", "graphql-transport-ws".parse().unwrap());
                if in_head {
                    request.headers_mut().append("Authorization", format!("Bearer {token}").parse().unwrap());
                }
                connect_async(request).await
            };
            assert_eq!(open(true).await.is_ok(), is_accepted, "{when}");
            let mut socket = open(false).await.unwrap().0;
            let init = json!({ "type": "connection_init", "payload": { "token": token } });
            socket.send(Message::text(init.to_string())).await.unwrap();
            match timeout(Duration::from_secs(60), socket.next()).await.unwrap().unwrap().unwrap() {
                Message::Text(ack) => assert!(is_accepted && ack.contains("connection_ack"), "{when}: {ack}"),
                Message::Close(Some(close)) => {
                    let end = (u16::from(close.code), close.reason.as_str(), is_accepted);
                    assert_eq!(end, (4403, "AUTH_TOKEN_INVALID", false), "{when}");
                }
                other => panic!("{when}: {other:?}"),
            }
        }
    }
}
