//! The WebSocket: real sockets, frames, ends.
#![allow(missing_docs, reason = "tests")]

use std::time::Duration;

use chatcore::{Limits, identity::Claims};
use chatcore_poem::{Options, Origins};
use chatcore_tests::{Backend, Server, Socket, on_every_store, patient, token, token_with};
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
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
        let person = json!({ "id": "b", "username": "b", "display_name": "Name of b", "avatar_url": null });
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
async fn frames_that_are_not_acceptable() {
    let server = Server::start(Backend::Memory).await;
    let a = server.client("a").await;
    let id = a.session("PRIVATE").await;
    let mut socket = server.socket("a").await;
    for (text, code) in [
        ("", "VALIDATION_INVALID_FORMAT"),
        ("{", "VALIDATION_INVALID_FORMAT"),
        ("hello", "VALIDATION_INVALID_FORMAT"),
        ("[]", "VALIDATION_INVALID_VALUE"),
        ("[\"leave_session\", {}, 9]", "VALIDATION_INVALID_VALUE"),
        ("{}", "VALIDATION_REQUIRED_FIELD"),
        ("{\"event\":5}", "VALIDATION_INVALID_VALUE"),
        ("{\"event\":\"dance\"}", "VALIDATION_INVALID_VALUE"),
        ("{\"event\":\"join_session\"}", "VALIDATION_REQUIRED_FIELD"),
        ("{\"event\":\"join_session\",\"data\":5}", "VALIDATION_INVALID_VALUE"),
        ("{\"event\":\"join_session\",\"data\":{\"session_id\":\"1\"}}", "VALIDATION_INVALID_FORMAT"),
        ("{\"event\":\"join_session\",\"data\":{},\"id\":{}}", "VALIDATION_INVALID_VALUE"),
        ("{\"event\":\"leave_session\",\"data\":{},\"more\":1}", "VALIDATION_INVALID_VALUE"),
    ] {
        socket.raw(Message::text(text)).await;
        let frame = socket.expect("error").await;
        assert_eq!(frame["data"]["code"], code, "{text} {frame}");
    }
    let never = "01890a5d-ac96-774b-bcce-b302099a8057";
    for (event, data, code) in [
        ("join_session", json!({ "session_id": never }), "SESSION_NOT_FOUND"),
        ("join_session", json!({ "session_id": id, "after": 99 }), "RESYNC"),
        ("join_session", json!({ "session_id": id, "after": -1 }), "VALIDATION_INVALID_VALUE"),
        ("send_message", json!({ "session_id": never, "content": "x" }), "SESSION_NOT_FOUND"),
        ("send_message", json!({ "session_id": id }), "VALIDATION_REQUIRED_FIELD"),
        ("send_message", json!({ "session_id": id, "content": "" }), "VALIDATION_REQUIRED_FIELD"),
        ("send_message", json!({ "session_id": id, "content": "x".repeat(8_001) }), "MESSAGE_TOO_LONG"),
        ("send_message", json!({ "session_id": id, "content": "x", "role": 5 }), "VALIDATION_INVALID_VALUE"),
        ("send_message", json!({ "session_id": id, "content": "x", "user_id": "b" }), "VALIDATION_INVALID_VALUE"),
        ("typing_start", json!({ "session_id": never }), "SESSION_NOT_FOUND"),
    ] {
        let frame = socket.ask(event, data.clone()).await;
        assert_eq!((&frame["event"], &frame["data"]["code"]), (&json!("error"), &json!(code)), "{data}");
    }
    socket.raw(Message::binary(vec![0, 159, 146, 150])).await;
    assert_eq!(socket.expect("error").await["data"]["code"], "VALIDATION_INVALID_FORMAT");
    assert_eq!(a.get(&format!("/sessions/{id}")).await.expect(200)["message_count"], 0);

    // A message in fragments is a message.
    let text =
        json!({ "event": "send_message", "id": 7, "data": { "session_id": id, "content": "whole" } }).to_string();
    let (head, tail) = text.split_at(20);
    let frame = |text: &str, data, end| Message::Frame(Frame::message(text.to_owned(), OpCode::Data(data), end));
    socket.raw(frame(head, Data::Text, false)).await;
    socket.raw(frame(tail, Data::Continue, true)).await;
    let ack = socket.expect("ack").await;
    assert_eq!((&ack["id"], &ack["data"]["message"]["content"]), (&json!(7), &json!("whole")));
}

#[tokio::test(flavor = "multi_thread")]
async fn illegal_and_oversized_frames_end_the_socket() {
    let server = Server::start(Backend::Memory).await;
    let bound = 4 * Limits::default().request_bytes();
    let mut socket = server.socket("a").await;
    socket.raw(Message::text("x".repeat(bound + 1))).await;
    assert_eq!(socket.closed().await, 1009);
    let mut socket = server.socket("a").await;
    let part = |data| Message::Frame(Frame::message("x".repeat(bound / 2 + 1), OpCode::Data(data), false));
    socket.raw(part(Data::Text)).await;
    socket.raw(part(Data::Continue)).await;
    assert_eq!(socket.closed().await, 1009);
    let mut socket = server.socket("a").await;
    socket.raw(Message::Frame(Frame::message("x", OpCode::Data(Data::Continue), true))).await;
    assert_eq!(socket.closed().await, 1002);
    let mut socket = server.socket("a").await;
    socket.raw(Message::Frame(Frame::message(vec![0xff, 0xfe], OpCode::Data(Data::Text), true))).await;
    assert_eq!(socket.closed().await, 1007);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frame_over_its_limit_is_refused_and_the_socket_stays() {
    let server = Server::start(Backend::Memory).await;
    let a = server.client("a").await;
    let id = a.session("PRIVATE").await;
    let mut socket = server.socket("a").await;
    let limit = Limits::default().request_bytes();
    let frame = |start: &str, bytes: usize| format!("{{{start}\"data\":\"{}\"}}", "x".repeat(bytes));
    for (text, named) in [
        (frame("\"event\":\"send_message\",\"id\":\"big\",", limit), json!("big")),
        (frame("\"id\":7,", 3 * limit), json!(7)),
        (frame("\"id\":7,\"id\":8,", limit), Value::Null),
        (frame("\"id\":[],", limit), Value::Null),
        (format!("[\"{}\"]", "x".repeat(limit)), Value::Null),
        ("x".repeat(limit + 1), Value::Null),
    ] {
        socket.raw(Message::text(text)).await;
        let error = socket.expect("error").await;
        assert_eq!((&error["id"], &error["data"]["code"]), (&named, &json!("PAYLOAD_TOO_LARGE")));
    }
    socket.join(&id, None).await;
    // Before it is known who it is, little is read.
    for bytes in [limit, 70_000] {
        let mut socket = Socket::open(&server.address, "", None).await;
        socket.raw(Message::text(frame("\"id\":7,", bytes))).await;
        assert_eq!(socket.closed().await, 1009);
    }
}

/// A text of emoji, each as an escaped surrogate pair, as Python writes them.
fn escaped(count: usize) -> String {
    "\\ud83d\\ude00".repeat(count)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_longest_message_passes_in_its_longest_encoding() {
    for chars in [8_000, 20_000] {
        let limits = Limits { message_chars: chars, ..Limits::default() };
        let server = Server::start_with(Backend::Memory, limits, chatcore_tests::patient()).await;
        let a = server.client("a").await;
        let id = a.session("PRIVATE").await;
        let mut socket = server.socket("a").await;
        let mut seq = 1;
        for (count, refused) in [(chars, None), (chars + 1, Some("MESSAGE_TOO_LONG"))] {
            let text = escaped(count);
            let encrypted = format!(
                "{{\"encrypted_data\":\"{}\",\"iv\":\"{}\",\"key_version\":1}}",
                escaped(2 * count),
                escaped(256)
            );
            let of_graphql = "mutation($i: SendMessageInput!) { sendMessage(input: $i) { message { seq } } }";
            let inline = format!(
                "mutation {{ sendMessage(input: {{sessionId: \\\"{id}\\\", content: \\\"{text}\\\"}}) {{ message {{ seq }} }} }}"
            );
            for content in [format!("\"{text}\""), encrypted] {
                let request = a.request(reqwest::Method::POST, &format!("/sessions/{id}/messages"));
                let request = request.header("content-type", "application/json");
                let reply = a.send(request.body(format!("{{\"content\":{content}}}"))).await;
                match refused {
                    None => drop(reply.expect(201)),
                    Some(code) => drop(reply.problem(422, code)),
                }
                let frame = format!(
                    "{{\"event\":\"send_message\",\"id\":1,\"data\":{{\"session_id\":\"{id}\",\"content\":{content}}}}}"
                );
                socket.raw(Message::text(frame)).await;
                let answer = socket.event().await;
                assert_eq!(answer["data"]["code"].as_str(), refused, "{:.200}", answer.to_string());
                seq += 2 * u64::from(refused.is_none());
            }
            for body in [
                format!(
                    "{{\"query\":\"{of_graphql}\",\"variables\":{{\"i\":{{\"sessionId\":\"{id}\",\"content\":\"{text}\"}}}}}}"
                ),
                format!("{{\"query\":\"{inline}\"}}"),
            ] {
                let request = a.request(reqwest::Method::POST, "//graphql").header("content-type", "application/json");
                let answer = a.send(request.body(body)).await.expect(200);
                assert_eq!(answer["errors"][0]["extensions"]["code"].as_str(), refused, "{:.300}", answer.to_string());
                seq += u64::from(refused.is_none());
            }
            assert_eq!(a.get(&format!("/sessions/{id}")).await.expect(200)["seq"], seq);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_given_twice_is_refused_in_frames() {
    let server = Server::start(Backend::Memory).await;
    let a = server.client("a").await;
    let id = a.session("PRIVATE").await;
    let mut socket = server.socket("a").await;
    let content = r#"{"encrypted_data":"x","iv":"y","iv":"z","key_version":1}"#;
    for (text, field, named) in [
        (r#"{"event":"typing_start","event":"typing_stop","id":1}"#.to_owned(), "event", json!(1)),
        (format!(r#"{{"event":"leave_session","id":1,"data":{{}},"data":{{"session_id":"{id}"}}}}"#), "data", json!(1)),
        (r#"{"event":"leave_session","id":1,"id":2}"#.to_owned(), "id", Value::Null),
        (
            format!(r#"{{"event":"send_message","id":1,"data":{{"session_id":"{id}","content":"a","content":"b"}}}}"#),
            "data.content",
            json!(1),
        ),
        (
            format!(r#"{{"event":"leave_session","id":1,"data":{{"session_id":"x","session_id":"{id}"}}}}"#),
            "data.session_id",
            json!(1),
        ),
        (
            format!(r#"{{"event":"send_message","id":1,"data":{{"session_id":"{id}","content":{content}}}}}"#),
            "data.content.iv",
            json!(1),
        ),
    ] {
        socket.raw(Message::text(text.clone())).await;
        let error = socket.expect("error").await;
        assert_eq!((&error["id"], &error["data"]["code"]), (&named, &json!("VALIDATION_INVALID_VALUE")), "{text}");
        assert_eq!(error["data"]["details"]["fields"][0]["field"], field, "{error}");
    }
    // The same over REST.
    for (path, body, field) in [
        ("/sessions".to_owned(), r#"{"title":"a","title":"b"}"#, "title"),
        (format!("/sessions/{id}/messages"), r#"{"content":"a","content":"b"}"#, "content"),
        (format!("/sessions/{id}/messages"), format!("{{\"content\":{content}}}").as_str(), "content.iv"),
        (format!("/sessions/{id}/join"), r#"{"x":1,"x":1}"#, "x"),
    ] {
        let request = a.request(reqwest::Method::POST, &path).header("content-type", "application/json");
        let problem = a.send(request.body(body.to_owned())).await.problem(422, "VALIDATION_INVALID_VALUE");
        assert_eq!(problem["details"]["fields"][0]["field"], field);
    }
    assert_eq!(a.get(&format!("/sessions/{id}")).await.expect(200)["seq"], 1);
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
async fn typing_is_told_to_the_others() {
    let server = Server::start(Backend::Memory).await;
    let (a, b) = (server.client("a").await, server.client("b").await);
    let id = a.session("PUBLIC").await;
    b.post(&format!("/sessions/{id}/join"), json!({})).await.expect(200);
    let (mut sa, mut sb) = (server.socket("a").await, server.socket("b").await);
    sa.join(&id, None).await;
    sb.join(&id, None).await;
    assert_eq!(sb.ask("typing_start", json!({ "session_id": id })).await["event"], "ack");
    let typing = sa.expect("typing_indicator").await;
    let data = json!({ "session_id": id, "user_id": "b", "username": "b", "is_typing": true });
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
async fn closing_before_saying_who_one_is_is_answered() {
    let server = Server::start(Backend::Memory).await;
    let mut socket = Socket::open(&server.address, "", None).await;
    socket.raw(Message::Close(None)).await;
    assert_eq!(socket.closed().await, 1005);
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
