//! How sockets and their subscriptions end.

use chatcore::TestClock;
use chrono::{TimeDelta, Utc};

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn the_removed_get_that_event_last_and_the_others_go_on() {
    let server = Server::start(patient()).await;
    let id = server.session().await;
    let (mut alice, mut bob) = (server.reader("alice", id).await, server.reader("bob", id).await);
    server.say(id, "to both").await;
    server.chat.remove_participant(&user("alice"), id, &UserId::new("bob").unwrap()).await.unwrap();
    server.say(id, "without bob").await;
    alice.expect(2..6).await;
    bob.expect([3]).await;
    assert_eq!(bob.next().await["event"], "participant_removed");
    bob.silent(id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_ends_when_its_token_does() {
    let server = Server::start(patient()).await;
    let id = server.session().await;
    let mut kept = server.reader("alice", id).await;
    let token = token("alice", Duration::from_secs(2));
    let mut idle = server.connect(&format!("token={token}")).await;
    let mut reading = server.connect(&format!("token={token}&session_id={id}")).await;
    assert_eq!(reading.next().await["event"], "ack");
    server.say(id, "before").await;
    reading.expect([2]).await;
    for socket in [&mut idle, &mut reading] {
        let close = socket.next_or_close().await.unwrap_err().unwrap();
        assert_eq!(u16::from(close.code), chatcore::Error::TokenExpired.code().close());
    }
    server.say(id, "after").await;
    kept.expect([2, 3]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_clock_of_the_chat_says_when_a_token_ends() {
    let clock = TestClock::at(Utc::now());
    let server = Server::start_at(patient(), clock.clone()).await;
    let id = server.session().await;
    let token = token("alice", PATIENCE * 10);
    let mut idle = server.connect(&format!("token={token}")).await;
    let mut reading = server.connect(&format!("token={token}&session_id={id}")).await;
    assert_eq!(reading.next().await["event"], "ack");
    clock.advance(TimeDelta::seconds(601));
    for socket in [&mut idle, &mut reading] {
        let close = socket.next_or_close().await.unwrap_err().unwrap();
        assert_eq!(u16::from(close.code), chatcore::Error::TokenExpired.code().close());
    }
}

/// Clients that close in the middle of what they do not take. How much the kernel takes of a connection is not known, so many
/// amounts are tried: of some clients the server has read the close frame, and the answer waits.
#[tokio::test(flavor = "multi_thread")]
async fn a_socket_that_is_closing_and_takes_nothing_ends() {
    let options = Options { write_time: Duration::from_millis(300), ..patient() };
    let server = Server::start(options).await;
    let text = "x".repeat(7_000);
    let mut clients = Vec::new();
    for amount in 0..40 {
        let id = server.session().await;
        let mut client = server.reader("alice", id).await;
        for _ in 0..amount * 8 {
            server.say(id, &text).await;
        }
        client.0.send(Message::Close(None)).await.unwrap();
        clients.push(client);
    }
    in_time(async {
        while server.sockets.open() > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    drop(clients);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_that_takes_nothing_is_ended_and_the_others_go_on() {
    let options = Options { write_time: Duration::from_millis(300), ..patient() };
    let server = Server::start(options).await;
    let id = server.session().await;
    let mut stuck = server.reader("alice", id).await;
    let mut fast = server.reader("alice", id).await;
    let text = "x".repeat(7_000);
    let mut seq = 1;
    while server.sockets.open() > 1 {
        server.say(id, &text).await;
        seq += 1;
        fast.expect([seq]).await;
    }
    server.say(id, "after").await;
    fast.expect([seq + 1]).await;
    // What had been written is whole frames in order, up to the cut.
    let mut last = 1;
    while let Ok(frame) = stuck.next_or_close().await {
        last += 1;
        assert_eq!(frame["seq"], last);
    }
    assert!(last <= seq);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_that_answers_no_ping_is_ended() {
    let quick = Duration::from_millis(100);
    let options = Options { ping_interval: quick, pong_time: quick, ..patient() };
    let server = Server::start(options).await;
    let id = server.session().await;
    // The library answers pings only while it is polled.
    let mut answering = server.reader("alice", id).await;
    let silent = server.reader("alice", id).await;
    let reading = tokio::spawn(async move {
        loop {
            let frame = answering.next().await;
            if frame["seq"] == 2 {
                break;
            }
        }
        answering
    });
    while server.sockets.open() > 1 {
        tokio::task::yield_now().await;
    }
    server.say(id, "x").await;
    in_time(reading).await.unwrap();
    drop(silent);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_ends_closes_its_sockets() {
    let server = Server::start(patient()).await;
    let id = server.session().await;
    let mut readers = Vec::new();
    for _ in 0..20 {
        readers.push(server.reader("alice", id).await);
    }
    server.say(id, "the last").await;
    let closed = tokio::spawn({
        let sockets = server.sockets.clone();
        async move { sockets.close().await }
    });
    for reader in &mut readers {
        let mut frame = reader.next_or_close().await;
        if frame.as_ref().is_ok_and(|frame| frame["seq"] == 2) {
            frame = reader.next_or_close().await;
        }
        assert_eq!(u16::from(frame.unwrap_err().unwrap().code), 1001);
    }
    drop(readers);
    in_time(closed).await.unwrap();
    assert_eq!(server.sockets.open(), 0);
}
