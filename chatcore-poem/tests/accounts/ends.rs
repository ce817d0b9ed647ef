//! What ends a login ends its sockets and its event streams, and its tokens are refused.

use std::{net::SocketAddr, time::Duration};

use cases::{ENDINGS, Twofold};
use chatcore_poem::ServeOptions;
use futures_util::{FutureExt as _, StreamExt as _};
use tokio::{net::TcpListener, time::timeout};
use tokio_tungstenite::{connect_async, tungstenite::Message};

use super::*;

/// A server that hangs is noticed, also on a slow machine.
const PATIENCE: Duration = Duration::from_secs(60);

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
        let user = Twofold::new(&rest, &world, &format!("u-{}", how.to_lowercase())).await;
        let (token, session) = (user.token(), &user.session);
        let url = format!("ws://{address}/ws?token={token}&session_id={session}");
        let mut socket = connect_async(url).await.unwrap().0;
        let first = timeout(PATIENCE, socket.next()).await.unwrap().unwrap().unwrap();
        assert!(first.to_text().unwrap().contains("\"ack\""), "{how}: {first:?}");
        let events = Request::builder().uri(format!("/api/v1/chat/sessions/{session}/events").parse().unwrap());
        let events = events.header("accept", "text/event-stream").header("authorization", format!("Bearer {token}"));
        let events = rest.app.get_response(events.finish()).await;
        assert_eq!(events.status(), 200, "{how}");
        let wait =
            Request::builder().uri(format!("/api/v1/chat/sessions/{session}/events?after=1&wait=60").parse().unwrap());
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
    }
}

#[tokio::test]
async fn an_attack_on_an_account_from_one_address_locks_nobody_out_elsewhere() {
    let world = World::new();
    let rest = rest(&world);
    register(&rest, "ada").await;
    let log_in = |password: &str| Some(json!({ "username": "ada", "password": password }).to_string());
    for status in [401, 401, 401, 401, 401, 429] {
        let guess = rest.ask("POST", "/api/v1/auth/login", None, log_in("wrong")).await;
        assert_eq!(guess.status(), status);
    }
    for (peer, status) in [("192.0.2.1:9", 429), ("192.0.2.2:1", 200), ("[2001:db8::1]:1", 200)] {
        let answer = rest.ask_from(peer, "POST", "/api/v1/auth/login", None, log_in(PASSWORD)).await;
        assert_eq!(answer.status(), status, "{peer}");
    }
}
