//! What ends a login ends its sockets and its event streams, and its tokens are refused.

use std::{net::SocketAddr, time::Duration};

use cases::{ENDINGS, Twofold, log_in};
use chatcore_poem::ServeOptions;
use cuts::{CUTS, Reading};
use futures_util::{FutureExt as _, SinkExt as _, StreamExt as _};
use tokio::{net::TcpListener, time::timeout};
use tokio_tungstenite::{connect_async, tungstenite::Message};

use super::*;

/// A server that hangs is noticed, also on a slow machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// An open connection gets pings and heartbeats, so a limit for each wait alone ends no test.
async fn in_time(how: &str, ending: impl Future<Output = ()>) {
    assert!(timeout(PATIENCE, ending).await.is_ok(), "{how}: something stays open");
}

async fn serve(world: &World) -> SocketAddr {
    let frontend = frontend(world);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, app) = (listener.local_addr().unwrap(), frontend.mount(Route::new()));
    tokio::spawn(async move { frontend.serve(listener, app, ServeOptions::default(), std::future::pending()).await });
    address
}

#[tokio::test]
async fn whatever_ends_a_login_closes_its_sockets_and_ends_its_event_streams() {
    let world = World::new();
    let (rest, address) = (rest(&world), serve(&world).await);
    for (how, code) in ENDINGS {
        let ending = async {
            let user = Twofold::new(&rest, &world, &format!("u-{}", how.to_lowercase())).await;
            let (token, session) = (user.token(), &user.session);
            let url = format!("ws://{address}/ws?token={token}&session_id={session}");
            let mut socket = connect_async(url).await.unwrap().0;
            let first = timeout(PATIENCE, socket.next()).await.unwrap().unwrap().unwrap();
            assert!(first.to_text().unwrap().contains("\"ack\""), "{how}: {first:?}");
            let events = Request::builder().uri(format!("/api/v1/chat/sessions/{session}/events").parse().unwrap());
            let events =
                events.header("accept", "text/event-stream").header("authorization", format!("Bearer {token}"));
            let events = rest.app.get_response(events.finish()).await;
            assert_eq!(events.status(), 200, "{how}");
            let wait = Request::builder()
                .uri(format!("/api/v1/chat/sessions/{session}/events?after=1&wait=60").parse().unwrap());
            let wait = rest.app.get_response(wait.header("authorization", format!("Bearer {token}")).finish());
            let mut wait = std::pin::pin!(wait);
            for _ in 0..100 {
                assert!(wait.as_mut().now_or_never().is_none(), "{how}");
                tokio::task::yield_now().await;
            }

            user.end(&rest, &world, how).await;

            let close = loop {
                match timeout(PATIENCE, socket.next()).await.unwrap().unwrap().unwrap() {
                    Message::Close(frame) => break u16::from(frame.unwrap().code),
                    // The event that removed the user may come first.
                    Message::Text(_) | Message::Ping(_) => {}
                    other => panic!("{how}: {other:?}"),
                }
            };
            assert_eq!(close, if code == "AUTH_TOKEN_INVALID" { 4401 } else { 4403 }, "{how}");
            let events = timeout(PATIENCE, events.into_body().into_string()).await.unwrap().unwrap();
            assert!(events.contains(code) || events.contains("participant_removed"), "{how}: {events}");
            let news = timeout(PATIENCE, wait).await.unwrap().into_body().into_string().await.unwrap();
            assert!(news.contains(code) || news.contains("participant_removed"), "{how}: {news}");
            rest.call("listSessions", Some(&token), json!({})).await.refused(code);
        };
        in_time(how, ending).await;
    }
}

/// An event or a frame, with its reason.
fn told(frame: &Value) -> (String, Value) {
    (text(frame, "event"), frame["data"]["reason"].clone())
}

#[tokio::test]
async fn a_reading_that_ends_in_the_middle_says_why_and_nothing_comes_after_it() {
    let world = World::new();
    let (rest, address) = (rest(&world), serve(&world).await);
    for cut in &CUTS {
        let how = cut.how;
        let ending = async {
            let reading = Reading::new(&rest, &world, cut).await;
            let (token, session) = (&reading.token, reading.session);
            let url = format!("ws://{address}/ws?token={token}&session_id={session}");
            let mut socket = connect_async(url).await.unwrap().0;
            // The next frame, or the code with which the socket is closed.
            let mut next = async || loop {
                match timeout(PATIENCE, socket.next()).await.unwrap() {
                    Some(Ok(Message::Text(text))) => break Ok(serde_json::from_str::<Value>(&text).unwrap()),
                    Some(Ok(Message::Close(frame))) => break Err(frame.map(|frame| u16::from(frame.code))),
                    Some(Ok(Message::Ping(_))) => {}
                    None => break Err(None),
                    other => panic!("{how}: {other:?}"),
                }
            };
            assert_eq!(next().await.unwrap()["event"], "ack", "{how}");
            let get = |query: &str, accept: &str| {
                let path = format!("/api/v1/chat/sessions/{session}/events{query}");
                let request = Request::builder().uri(path.parse().unwrap()).header("accept", accept);
                request.header("authorization", format!("Bearer {token}")).finish()
            };
            let events = rest.app.get_response(get("", "text/event-stream")).await;
            assert_eq!(events.status(), 200, "{how}");
            reading.say(&world, "seen").await;
            assert_eq!(next().await.unwrap()["event"], "message_received", "{how}");
            let (mut events, mut streamed) = (events.into_body().into_bytes_stream(), String::new());
            while !streamed.contains("\"seen\"") {
                let part = timeout(PATIENCE, events.next()).await.unwrap().unwrap().unwrap();
                streamed += std::str::from_utf8(&part).unwrap();
            }
            let mut wait = std::pin::pin!(rest.app.get_response(get("?after=3&wait=60", "application/json")));
            for _ in 0..100 {
                assert!(wait.as_mut().now_or_never().is_none(), "{how}");
                tokio::task::yield_now().await;
            }

            reading.end(&rest, &world, cut).await;

            let mut frames = Vec::new();
            if let Some(code) = cut.ends {
                let close = loop {
                    match next().await {
                        Ok(frame) => frames.push(told(&frame)),
                        Err(close) => break close,
                    }
                };
                assert_eq!(close, Some(if code.starts_with("AUTH_") { 4401 } else { 4403 }), "{how}");
                assert_eq!(next().await, Err(None), "{how}");
                cut.told("/ws", &frames, Some(code));
            } else {
                frames.push(told(&next().await.unwrap()));
                let leave = json!({ "event": "leave_session", "id": 1, "data": { "session_id": session } });
                socket.send(Message::text(leave.to_string())).await.unwrap();
                let after = timeout(PATIENCE, socket.next()).await.unwrap().unwrap().unwrap();
                assert!(after.to_text().unwrap().contains("\"ack\""), "{how}: {after:?}");
                cut.told("/ws", &frames, None);
            }
            while let Some(part) = timeout(PATIENCE, events.next()).await.unwrap() {
                streamed += std::str::from_utf8(&part.unwrap()).unwrap();
            }
            let events = streamed.lines().filter_map(|line| line.strip_prefix("data: "));
            let events = events.filter(|data| !data.is_empty());
            let mut events: Vec<Value> = events.map(|data| serde_json::from_str(data).unwrap()).collect();
            assert_eq!(events.remove(0)["data"]["message"]["content"], "seen", "{how}");
            let error = events.pop_if(|event| event["event"] == "error");
            let error = error.as_ref().map(|error| error["data"]["code"].as_str().unwrap());
            cut.told("event stream", &events.iter().map(told).collect::<Vec<_>>(), error);
            let news = timeout(PATIENCE, wait).await.unwrap().into_body().into_string().await.unwrap();
            let news: Value = serde_json::from_str(&news).unwrap();
            let events: Vec<_> = news["events"].as_array().into_iter().flatten().map(told).collect();
            cut.told("long poll", &events, news["code"].as_str());
            reading.is_over(&rest, cut).await;
        };
        in_time(how, ending).await;
    }
}

#[tokio::test]
async fn an_attack_on_an_account_from_one_address_locks_nobody_out_elsewhere() {
    for peer in ["192.0.2.2:1", "[2001:db8::1]:1"] {
        let world = World::new();
        attacks::elsewhere(&rest(&world), &Rest { peer, ..rest(&world) }).await;
    }
    // The port is no part of the address.
    let world = World::new();
    let rest = rest(&world);
    register(&rest, "ada").await;
    let log_in = |password: &str| Some(json!({ "username": "ada", "password": password }).to_string());
    for (peer, status) in (1..=6).map(|port| (format!("192.0.2.1:{port}"), if port == 6 { 429 } else { 401 })) {
        let guess = rest.ask_from(&peer, "POST", "/api/v1/auth/login", None, log_in("wrong")).await;
        assert_eq!(guess.status(), status);
    }
}

#[tokio::test]
async fn a_refresh_token_opens_no_socket_and_no_event_stream() {
    let world = World::new();
    let (rest, address) = (rest(&world), serve(&world).await);
    let user = Twofold::new(&rest, &world, "ada").await;
    let tokens = log_in(&rest, "ada", PASSWORD).await.ok();
    for (token, is_accepted) in [(&tokens["access_token"], true), (&tokens["refresh_token"], false)] {
        let token = token.as_str().unwrap();
        let in_url = connect_async(format!("ws://{address}/ws?token={token}")).await;
        assert_eq!(in_url.is_ok(), is_accepted, "{in_url:?}");
        let mut socket = connect_async(format!("ws://{address}/ws")).await.unwrap().0;
        let first = json!({ "event": "authenticate", "id": 1, "data": { "token": token } });
        socket.send(Message::text(first.to_string())).await.unwrap();
        let answer = timeout(PATIENCE, socket.next()).await.unwrap().unwrap().unwrap();
        let answer: Value = serde_json::from_str(answer.to_text().unwrap()).unwrap();
        assert_eq!(answer["event"], if is_accepted { "ack" } else { "error" }, "{answer}");
        let events = format!("/api/v1/chat/sessions/{}/events", user.session);
        for (path, accept) in [(events.clone(), "text/event-stream"), (format!("{events}?after=0&wait=60"), "*/*")] {
            let request = Request::builder().uri(path.parse().unwrap()).header("accept", accept);
            let request = request.header("authorization", format!("Bearer {token}")).finish();
            let status = rest.app.get_response(request).await.status();
            assert_eq!(status, if is_accepted { 200 } else { 401 }, "{path}");
        }
    }
}
