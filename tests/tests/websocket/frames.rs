//! Frames that are refused, and the largest ones that are not.

use super::*;

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
