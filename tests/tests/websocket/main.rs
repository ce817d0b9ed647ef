//! The WebSocket: real sockets, frames, ends.
#![allow(missing_docs, reason = "tests")]

mod callers;
mod frames;
mod limits;

use chatcore::{Limits, identity::Claims};
use chatcore_poem::{Options, Origins};
use chatcore_tests::{Backend, Server, Socket, on_every_store, patient, token, token_with};
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::tungstenite::{
    Message,
    client::IntoClientRequest as _,
    protocol::frame::{
        Frame,
        coding::{Data, OpCode},
    },
};
use tokio_tungstenite::{WebSocketStream, client_async, tungstenite::Error};

fn content(frame: &Value) -> &str {
    frame["data"]["message"]["content"].as_str().unwrap()
}

on_every_store! {
    async fn two_clients_talk(server) {
        let (a, b) = (server.client("a").await, server.client("b").await);
        let id = a.session("PUBLIC").await;
        b.post(&format!("/sessions/{id}/join"), json!({})).await.expect(200);
        let (mut sa, mut sb) = (server.socket("a").await, server.socket("b").await);
        assert_eq!(sa.join(&id, None).await["seq"], 2);
        sb.join(&id, None).await;

        // Each send is acknowledged, and received once by both, in one order.
        for n in 0..10 {
            let (socket, text) = if n % 2 == 0 { (&mut sa, format!("a{n}")) } else { (&mut sb, format!("b{n}")) };
            let ack = socket.ask("send_message", json!({ "session_id": id, "content": text })).await;
            assert_eq!((&ack["event"], &ack["seq"]), (&json!("ack"), &json!(3 + n)));
            assert_eq!(ack["data"]["message"]["content"], text);
        }
        for socket in [&mut sa, &mut sb] {
            for n in 0..10 {
                let frame = socket.expect("message_received").await;
                assert_eq!(frame["seq"], 3 + n);
                assert_eq!(content(&frame), if n % 2 == 0 { format!("a{n}") } else { format!("b{n}") });
            }
            socket.silent().await;
        }

        // One is cut, misses some, and comes back: exactly what it missed, then the live ones.
        sb.cut();
        for n in 0..5 {
            a.say(&id, &format!("missed{n}")).await;
        }
        let mut sb = server.socket("b").await;
        sb.join(&id, Some(12)).await;
        a.say(&id, "live").await;
        for (n, text) in ["missed0", "missed1", "missed2", "missed3", "missed4", "live"].iter().enumerate() {
            let frame = sb.expect("message_received").await;
            assert_eq!((frame["seq"].as_u64().unwrap(), content(&frame)), (13 + n as u64, *text));
        }

        // One is removed: told so, then silence, and the socket stays.
        a.delete(&format!("/sessions/{id}/participants/b")).await.expect(200);
        a.say(&id, "without b").await;
        let removed = sb.expect("participant_removed").await;
        assert_eq!((&removed["data"]["user_id"], &removed["data"]["removed_by"]), (&json!("b"), &json!("a")));
        sb.silent().await;
        let answer = sb.ask("join_session", json!({ "session_id": id })).await;
        assert_eq!(answer["data"]["code"], "SESSION_ACCESS_DENIED");
        let answer = sb.ask("send_message", json!({ "session_id": id, "content": "x" })).await;
        assert_eq!(answer["data"]["code"], "SESSION_ACCESS_DENIED");
    }

    async fn every_change_has_its_event(server) {
        let (a, b, c) = (server.client("a").await, server.client("b").await, server.client("c").await);
        let id = a.session("PUBLIC").await;
        let path = format!("/sessions/{id}");
        let mut socket = server.socket("a").await;
        assert_eq!(socket.join(&id, Some(0)).await["seq"], 0);
        b.post(&format!("{path}/join"), json!({})).await.expect(200);
        a.post(&format!("{path}/invite"), json!({ "user_id": "c", "role": "VIEWER" })).await.expect(201);
        a.put(&format!("{path}/participants/b/role"), json!({ "role": "ADMIN" })).await.expect(200);
        a.put(&path, json!({ "title": "New", "description": null })).await.expect(200);
        b.post(&format!("{path}/messages"), json!({ "content": "hello", "client_id": "k" })).await.expect(201);
        c.post(&format!("{path}/leave"), json!({})).await.expect(200);
        b.delete(&format!("{path}/participants/b")).await.expect(200);
        a.delete(&path).await.expect(204);

        let mut seq = 0;
        let mut next = async |event: &str| {
            seq += 1;
            let frame = socket.expect(event).await;
            assert_eq!((&frame["seq"], &frame["data"]["session_id"]), (&json!(seq), &json!(id)), "{frame}");
            frame["data"].clone()
        };
        assert_eq!(next("session_created").await["title"], "A room");
        let joined = next("user_joined").await;
        let person = json!({ "id": "b", "username": "b", "display_name": "Name of b", "avatar_url": null, "is_bot": false });
        assert_eq!((&joined["user"], &joined["role"], &joined["added_by"]), (&person, &json!("MEMBER"), &Value::Null));
        let added = next("user_joined").await;
        assert_eq!((&added["user"]["id"], &added["role"], &added["added_by"]), (&json!("c"), &json!("VIEWER"), &json!("a")));
        let changed = next("participant_role_changed").await;
        assert_eq!((&changed["role"], &changed["previous_role"]), (&json!("ADMIN"), &json!("MEMBER")));
        // The description was null already, so that is no change.
        assert_eq!(next("session_updated").await["changes"], json!({ "title": "New" }));
        let message = next("message_received").await;
        assert_eq!((&message["message"]["number"], &message["client_id"]), (&json!(1), &json!("k")));
        assert_eq!(next("user_left").await["user_id"], "c");
        assert_eq!(next("participant_removed").await["user_id"], "b");
        assert_eq!(next("session_deleted").await["deleted_by"], "a");
        socket.silent().await;
    }

    async fn everything_is_there_after_a_reconnect_storm(server) {
        let a = server.client("a").await;
        let id = a.session("PUBLIC").await;
        let reader = tokio::spawn({
            let (address, id) = (server.address.clone(), id.clone());
            async move {
                let mut seen = 0;
                while seen < 101 {
                    // The server may take a moment to notice that the ones before are gone.
                    let mut socket = loop {
                        if let Ok(socket) = Socket::try_open(&address, "", Some(&token("a")), None).await {
                            break socket;
                        }
                    };
                    socket.join(&id, Some(seen)).await;
                    for _ in 0..7 {
                        let frame = socket.event().await;
                        seen += 1;
                        assert_eq!(frame["seq"], seen);
                        if seen == 101 {
                            break;
                        }
                    }
                    socket.cut();
                }
            }
        });
        for n in 0..100 {
            a.say(&id, &n.to_string()).await;
        }
        reader.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn typing_is_told_to_the_others() {
    let server = Server::start(Backend::Memory).await;
    let (a, b) = (server.client("a").await, server.client("b").await);
    let id = a.session("PUBLIC").await;
    b.post(&format!("/sessions/{id}/join"), json!({})).await.expect(200);
    let (mut sa, mut sb) = (server.socket("a").await, server.socket("b").await);
    sa.join(&id, None).await;
    sb.join(&id, None).await;
    assert_eq!(sb.ask("typing_start", json!({ "session_id": id })).await["event"], "ack");
    let mut typing = sa.expect("typing_indicator").await;
    assert!(typing["data"]["until"].take().is_string(), "{typing}");
    let data = json!({ "session_id": id, "user_id": "b", "username": "b", "is_typing": true, "until": null });
    assert_eq!((&typing["data"], &typing["seq"]), (&data, &Value::Null));
    sb.silent().await;
    a.put(&format!("/sessions/{id}/participants/b/role"), json!({ "role": "VIEWER" })).await.expect(200);
    let refused = sb.ask("typing_stop", json!({ "session_id": id })).await;
    assert_eq!(refused["data"]["code"], "RESOURCE_ACCESS_DENIED");
}

#[tokio::test(flavor = "multi_thread")]
async fn leaving_a_session_on_a_socket_changes_no_membership() {
    let server = Server::start(Backend::Memory).await;
    let a = server.client("a").await;
    let id = a.session("PRIVATE").await;
    let mut socket = server.socket("a").await;
    socket.join(&id, None).await;
    socket.ask("leave_session", json!({ "session_id": id })).await;
    a.say(&id, "unheard").await;
    socket.silent().await;
    socket.join(&id, Some(1)).await;
    assert_eq!(content(&socket.expect("message_received").await), "unheard");
}
