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
    // A slow machine has issued the token later than the clock says.
    clock.advance(TimeDelta::seconds(660));
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

/// A token of a login.
fn token_of_login(user: &str, login: LoginId) -> String {
    let claims = Claims { sub: user.to_owned(), sid: Some(login.to_string()), ..Claims::default() };
    JwtIssuer::hs256(SECRET).unwrap().issue(claims, PATIENCE * 10).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_logout_closes_the_sockets_of_that_login_and_no_other() {
    let server = Server::start(patient()).await;
    let id = server.session().await;
    let [phone, laptop] = ["a", "b"].map(|end| format!("018f2f5e-7c1a-7abc-8def-0123456789a{end}").parse().unwrap());
    let [ended, kept] = [phone, laptop].map(|login| token_of_login("alice", login));
    let mut idle = server.connect(&format!("token={ended}")).await;
    let mut reading = server.connect(&format!("token={ended}&session_id={id}")).await;
    assert_eq!(reading.next().await["event"], "ack");
    let mut kept = server.connect(&format!("token={kept}&session_id={id}")).await;
    assert_eq!(kept.next().await["event"], "ack");
    // The idle socket is known once it has answered.
    idle.ask(json!({ "event": "leave_session", "id": 1, "data": { "session_id": id } })).await;
    server.chat.end_login(&UserId::new("alice").unwrap(), phone, server.chat.now() + PATIENCE).await.unwrap();
    for socket in [&mut idle, &mut reading] {
        let close = socket.next_or_close().await.unwrap_err().unwrap();
        assert_eq!((u16::from(close.code), close.reason.as_str()), (4401, "Token not valid"));
    }
    server.say(id, "after").await;
    kept.expect([2]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ban_closes_every_socket_of_the_user_and_lets_in_no_other() {
    let server = Server::start(patient()).await;
    let id = server.session().await;
    let mut alice = server.reader("alice", id).await;
    let mut bob = server.reader("bob", id).await;
    alice.expect([2]).await;
    let by = UserId::new("alice").unwrap();
    let ban = BanAccount { reason: "Spam".to_owned(), by, until: None };
    server.chat.ban_account(&UserId::new("bob").unwrap(), ban).await.unwrap();
    let close = loop {
        match bob.next_or_close().await {
            // The event that removed the user may come first.
            Ok(frame) => assert_ne!(frame["event"], "message_received"),
            Err(close) => break close.unwrap(),
        }
    };
    assert_eq!((u16::from(close.code), close.reason.as_str()), (4403, "Account banned"));
    let removed = alice.next().await;
    assert_eq!(
        (&removed["event"], &removed["data"]["reason"]),
        (&json!("participant_removed"), &json!("ACCOUNT_BANNED"))
    );
    let mut again = server.connect("").await;
    again.send(&json!({ "event": "authenticate", "data": { "token": token("bob", PATIENCE) } })).await;
    let refused = again.next().await;
    assert_eq!(refused["data"]["code"], "ACCOUNT_BANNED", "{refused}");
    assert_eq!(refused["data"]["details"], json!({ "reason": "Spam", "until": null }));
    assert_eq!(u16::from(again.next_or_close().await.unwrap_err().unwrap().code), 4403);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_with_a_token_that_is_not_valid_is_closed_whatever_is_wrong_with_it() {
    let server = Server::with(Chat::in_memory(), tokens::authenticator(), patient()).await;
    let mut good = server.connect("").await;
    let good_token = tokens::token(json!({}), json!({}));
    good.ask(json!({ "event": "authenticate", "id": 1, "data": { "token": good_token } })).await;
    for (wrong, token) in tokens::bad() {
        let mut socket = server.connect("").await;
        socket.send(&json!({ "event": "authenticate", "data": { "token": token } })).await;
        let refused = socket.next().await;
        assert_eq!(refused["data"]["code"], "AUTH_TOKEN_INVALID", "{wrong}: {refused}");
        assert_eq!(u16::from(socket.next_or_close().await.unwrap_err().unwrap().code), 4401, "{wrong}");
        // A token in the head of the handshake is looked at before there is a socket.
        let mut in_head = format!("ws://{}/ws", server.address).into_client_request().unwrap();
        in_head.headers_mut().append("Authorization", format!("Bearer {token}").parse().unwrap());
        let in_query = format!("ws://{}/ws?token={token}", server.address).into_client_request().unwrap();
        for request in [in_head, in_query] {
            match in_time(client_async(request, TcpStream::connect(server.address).await.unwrap())).await {
                Err(tokio_tungstenite::tungstenite::Error::Http(refused)) => {
                    assert_eq!(refused.status(), 401, "{wrong}");
                }
                other => panic!("{wrong}: {other:?}"),
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn both_secrets_of_a_rotation_open_a_socket_and_the_new_one_after_it() {
    for (when, authenticator, shown) in tokens::rotation() {
        let server = Server::with(Chat::in_memory(), authenticator, patient()).await;
        for (token, is_accepted) in shown {
            let mut socket = server.connect("").await;
            socket.send(&json!({ "event": "authenticate", "id": 1, "data": { "token": token } })).await;
            let answer = socket.next().await;
            if is_accepted {
                assert_eq!(answer["event"], "ack", "{when}: {answer}");
            } else {
                assert_eq!(answer["data"]["code"], "AUTH_TOKEN_INVALID", "{when}: {answer}");
                assert_eq!(u16::from(socket.next_or_close().await.unwrap_err().unwrap().code), 4401, "{when}");
            }
            let mut in_head = format!("ws://{}/ws", server.address).into_client_request().unwrap();
            in_head.headers_mut().append("Authorization", format!("Bearer {token}").parse().unwrap());
            let in_query = format!("ws://{}/ws?token={token}", server.address).into_client_request().unwrap();
            for request in [in_head, in_query] {
                let opened = in_time(client_async(request, TcpStream::connect(server.address).await.unwrap())).await;
                assert_eq!(opened.is_ok(), is_accepted, "{when}: {opened:?}");
            }
        }
    }
}
