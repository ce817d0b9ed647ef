//! The end of a server that is in use.

use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use chatcore_tests::{Events, GraphqlSocket, Socket};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use tokio::{sync::Barrier, time::timeout};

use crate::kit::{PATIENCE, Server, errors, folder, token};

/// Sockets of each protocol.
const SOCKETS: usize = 50;

/// The status with which a path answers; `None` where nothing answers.
async fn status(address: &str, path: &str) -> Option<u16> {
    let http = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).build().unwrap();
    http.get(format!("http://{address}{path}")).send().await.ok().map(|answer| answer.status().as_u16())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_socket_gets_1001_and_what_was_acknowledged_is_there_after_a_restart() {
    let folder = folder();
    let data = folder.path();
    let server = Server::start_with(data, &["--sockets-per-user", "200"]);
    let a = server.client(data, "a");
    let id = a.session("PUBLIC").await;
    let token = token(data, "a");
    let acknowledged = Arc::new(Mutex::new(Vec::<String>::new()));
    let mut sending = Vec::new();
    let is_busy = Arc::new(AtomicBool::new(false));

    let mut chat = Vec::new();
    for number in 0..SOCKETS {
        let mut socket = Socket::open(&server.address, "", Some(&token)).await;
        socket.join(&id, None).await;
        chat.push((number, socket));
    }
    let mut graphql = Vec::new();
    for number in 0..SOCKETS {
        let mut socket = GraphqlSocket::admitted(&server.address, &token).await;
        let subscription = "subscription($id: ID!) { sessionEvents(sessionId: $id) { __typename } }";
        socket.subscribe(&number.to_string(), subscription, json!({ "id": id })).await;
        graphql.push(socket);
    }
    let mut streams = Vec::new();
    for _ in 0..SOCKETS {
        streams.push(Events::open(a.stream_of(&id, "")).await.unwrap());
    }
    // Requests come in all the time, too.
    for sender in 0..8 {
        let (a, id, acknowledged, is_busy) =
            (server.client(data, "a"), id.clone(), Arc::clone(&acknowledged), Arc::clone(&is_busy));
        sending.push(tokio::spawn(async move {
            for number in 0.. {
                let body = json!({ "content": format!("{sender} {number}") });
                let request = a.request(reqwest::Method::POST, &format!("/sessions/{id}/messages")).json(&body);
                // The end of the server ends it.
                let Ok(answer) = request.send().await else { return };
                let status = answer.status().as_u16();
                let Ok(body) = answer.json::<Value>().await else { return };
                if status != 201 {
                    assert_eq!(status, 503, "{body}");
                    return;
                }
                acknowledged.lock().unwrap().push(body["id"].as_str().unwrap().to_owned());
                is_busy.store(true, Ordering::Release);
            }
        }));
    }
    // Half of the sockets send, and leave something unanswered at the end.
    let (mut closing, ready) = (Vec::new(), Arc::new(Barrier::new(SOCKETS + 1)));
    for (number, mut socket) in chat {
        let (id, acknowledged, ready) = (id.clone(), Arc::clone(&acknowledged), Arc::clone(&ready));
        closing.push(tokio::spawn(async move {
            let message = |text| json!({ "session_id": id, "content": format!("{number} {text}") });
            if number % 2 == 0 {
                for text in ["one", "two", "three"] {
                    let answer = socket.ask("send_message", message(text)).await;
                    assert_eq!(answer["event"], "ack", "{answer}");
                    acknowledged.lock().unwrap().push(answer["data"]["message"]["id"].as_str().unwrap().to_owned());
                }
                socket.send("send_message", message("four")).await;
            }
            ready.wait().await;
            socket.closed().await
        }));
    }
    let graphql: Vec<_> =
        graphql.into_iter().map(|mut socket| tokio::spawn(async move { socket.closed().await.0 })).collect();
    let busy = async {
        while !is_busy.load(Ordering::Acquire) {
            tokio::task::yield_now().await
        }
    };
    timeout(PATIENCE, busy).await.unwrap();
    timeout(PATIENCE, ready.wait()).await.unwrap();
    let mut server = server;
    server.signal(Signal::SIGTERM);

    for closed in closing.into_iter().chain(graphql) {
        assert_eq!(timeout(PATIENCE, closed).await.unwrap().unwrap(), 1001);
    }
    for stream in streams {
        stream.drained().await;
    }
    for sender in sending {
        timeout(PATIENCE, sender).await.unwrap().unwrap();
    }
    assert_eq!(server.ended().code(), Some(0));
    let log = server.log();
    assert!(errors(&log).is_empty() && !log.contains("cut at the end"), "{log}");

    let server = Server::start(data);
    let a = server.client(data, "a");
    let acknowledged = acknowledged.lock().unwrap().clone();
    assert!(!acknowledged.is_empty());
    let (mut kept, mut after) = (HashSet::new(), 0);
    loop {
        let page = a.get(&format!("/sessions/{id}/messages?limit=100&after={after}")).await.expect(200);
        let page = page.as_array().unwrap();
        let Some(last) = page.last() else { break };
        after = last["seq"].as_u64().unwrap();
        kept.extend(page.iter().map(|message| message["id"].as_str().unwrap().to_owned()));
    }
    let lost: Vec<_> = acknowledged.iter().filter(|message| !kept.contains(*message)).collect();
    assert!(lost.is_empty(), "{} of {}: {lost:?}", lost.len(), acknowledged.len());
    assert_eq!(server.stop(Signal::SIGTERM), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_it_drains_it_serves_and_is_not_ready_and_a_second_signal_ends_it() {
    let folder = folder();
    let data = folder.path();
    let mut server = Server::start_with(data, &["--drain-delay", "10m"]);
    let address = server.address.clone();
    let a = server.client(data, "a");
    let id = a.session("PUBLIC").await;
    let mut socket = Socket::open(&address, "", Some(&token(data, "a"))).await;
    socket.join(&id, None).await;
    assert_eq!(status(&address, "/ready").await, Some(200));
    server.signal(Signal::SIGTERM);
    let drained = async {
        loop {
            match status(&address, "/ready").await {
                Some(200) => tokio::task::yield_now().await,
                other => return other,
            }
        }
    };
    assert_eq!(timeout(PATIENCE, drained).await.unwrap(), Some(503));
    // New connections are served, and what is open goes on.
    assert_eq!(status(&address, "/health").await, Some(200));
    let sent = a.say(&id, "still here").await;
    assert_eq!(socket.expect("message_received").await["data"]["message"]["id"], sent["id"]);
    assert!(!server.has_ended());
    server.signal(Signal::SIGHUP);
    assert_eq!(status(&address, "/health").await, Some(200));

    server.signal(Signal::SIGINT);
    assert_eq!(server.ended().code(), Some(1));
    assert!(server.log().contains("a second signal"), "{}", server.log());
    assert_eq!(status(&address, "/health").await, None);
    // What was acknowledged is there.
    let server = Server::start(data);
    let path = format!("/sessions/{id}/messages");
    assert_eq!(server.client(data, "a").get(&path).await.expect(200)[0]["id"], sent["id"]);
    assert_eq!(server.stop(Signal::SIGTERM), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_the_delay_it_ends_in_order() {
    let folder = folder();
    let data = folder.path();
    let server = Server::start_with(data, &["--database", "mem://", "--drain-delay", "200ms"]);
    let mut socket = Socket::open(&server.address, "", Some(&token(data, "a"))).await;
    assert_eq!(server.stop(Signal::SIGTERM), 0);
    assert_eq!(socket.closed().await, 1001);
}
