//! Many readers of one session, in step and not.

use futures_util::future::join_all;

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_thousand_readers_get_every_event_once_and_in_order() {
    const MESSAGES: u64 = 20;
    let server = Server::start(patient()).await;
    let id = server.session().await;
    let mut readers = join_all((0..1_000).map(|n| {
        let server = &server;
        async move { server.reader(&format!("u{n}"), id).await }
    }))
    .await;
    for n in 0..MESSAGES {
        server.say(id, &format!("m{n}")).await;
    }
    join_all(readers.iter_mut().map(|reader| async move {
        // Others came in after this one did.
        let mut frame = reader.next().await;
        while frame["event"] == "user_joined" {
            let seq = frame["seq"].as_u64().unwrap();
            frame = reader.next().await;
            assert_eq!(frame["seq"], seq + 1);
        }
        for seq in 1_002..1_002 + MESSAGES {
            assert_eq!(frame["seq"], seq);
            assert_eq!(frame["event"], "message_received");
            if seq + 1 < 1_002 + MESSAGES {
                frame = reader.next().await;
            }
        }
        reader.silent(id).await;
    }))
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn readers_in_step_are_served_while_others_read_nothing() {
    const MESSAGES: u64 = 1_500;
    let server = Server::start(patient()).await;
    let id = server.session().await;
    let mut slow = server.reader("alice", id).await;
    let mut stuck = server.reader("alice", id).await;
    let mut fast = Vec::new();
    for _ in 0..5 {
        fast.push(server.reader("alice", id).await);
    }
    let text = "x".repeat(7_000);
    // Ten megabytes: more than the kernel takes of a socket that nobody reads.
    for n in 0..MESSAGES {
        server.say(id, &text).await;
        join_all(fast.iter_mut().map(|reader| reader.expect([n + 2]))).await;
    }
    // One catches up: partly what waits at the socket, partly what the log has.
    slow.expect(2..MESSAGES + 2).await;
    server.say(id, "all in step").await;
    slow.expect([MESSAGES + 2]).await;
    join_all(fast.iter_mut().map(|reader| reader.expect([MESSAGES + 2]))).await;
    slow.silent(id).await;
    // The other one is cut in the middle of a frame, and goes on elsewhere.
    stuck.expect(2..10).await;
    drop(stuck);
    let mut again = server.connect(&format!("token={}&session_id={id}&after=9", token("alice", PATIENCE * 10))).await;
    assert_eq!(again.next().await["event"], "ack");
    again.expect(10..MESSAGES + 3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_stands_before_what_it_announces() {
    let server = Server::start(patient()).await;
    let id = server.session().await;
    let talking = tokio::spawn({
        let chat = server.chat.clone();
        async move {
            loop {
                chat.send(&user("alice"), id, SendMessage::text("x")).await.unwrap();
                tokio::task::yield_now().await;
            }
        }
    });
    for _ in 0..100 {
        let mut client = server.connect(&format!("token={}", token("alice", PATIENCE * 10))).await;
        // Pipelined, also with pings: each answer in its place, and the events from the announced position on.
        let join = json!({ "event": "join_session", "id": 1, "data": { "session_id": id } });
        client.send(&join).await;
        client.0.send(Message::Ping(vec![1].into())).await.unwrap();
        let ack = client.next().await;
        assert_eq!((&ack["event"], &ack["id"]), (&json!("ack"), &json!(1)));
        let seq = ack["seq"].as_u64().unwrap();
        client.expect(seq + 1..seq + 4).await;
        client.send(&json!({ "event": "leave_session", "id": 2, "data": { "session_id": id } })).await;
        let mut next = seq + 4;
        loop {
            let frame = client.next().await;
            if frame["id"] == 2 {
                break;
            }
            assert_eq!(frame["seq"], next);
            next += 1;
        }
        client.silent(id).await;
    }
    talking.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_the_task_of_a_socket_holds_stands_before_what_comes_directly() {
    const SESSIONS: usize = 4;
    let server = Server::start(patient()).await;
    let mut ids = Vec::new();
    for _ in 0..SESSIONS {
        ids.push(server.session().await);
    }
    let talking: Vec<_> = ids
        .iter()
        .map(|id| {
            let (chat, id) = (server.chat.clone(), *id);
            tokio::spawn(async move {
                loop {
                    chat.send(&user("alice"), id, SendMessage::text("x")).await.unwrap();
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    for _ in 0..60 {
        // Each session has a backlog, which goes over into what comes directly while the others still have theirs.
        let mut client = server.connect(&format!("token={}", token("alice", PATIENCE * 10))).await;
        let mut next = std::collections::HashMap::new();
        for id in &ids {
            let head = server.chat.events(&user("alice"), *id, 0, Some(1)).await.unwrap().head.seq;
            let after = head.saturating_sub(20);
            next.insert(id.to_string(), after + 1);
            client
                .send(&json!({ "event": "join_session", "data": { "session_id": id, "after": after.to_string() } }))
                .await;
        }
        for _ in 0..400 {
            let frame = client.next().await;
            if frame["event"] == "ack" {
                continue;
            }
            let of = |data: &serde_json::Value| data["session_id"].as_str().map(str::to_owned);
            let id = of(&frame["data"]["message"]).or_else(|| of(&frame["data"])).unwrap_or_else(|| panic!("{frame}"));
            let expected = next.get_mut(&id).unwrap();
            assert_eq!(frame["seq"], *expected);
            *expected += 1;
        }
    }
    talking.iter().for_each(|talking| talking.abort());
}

#[tokio::test(flavor = "multi_thread")]
async fn signals_come_after_the_events_before_them_and_not_to_who_gives_them() {
    let server = Server::start(patient()).await;
    let id = server.session().await;
    let (mut alice, mut bob) = (server.reader("alice", id).await, server.reader("bob", id).await);
    assert_eq!(alice.next().await["event"], "user_joined");
    for n in 0..50 {
        server.say(id, "x").await;
        server.chat.typing(&user("alice"), id, n % 2 == 0).await.unwrap();
        bob.expect([3 + n]).await;
        let frame = bob.next().await;
        assert_eq!((&frame["event"], &frame["data"]["is_typing"]), (&json!("typing_indicator"), &json!(n % 2 == 0)));
    }
    alice.expect(3..53).await;
    alice.silent(id).await;
}
