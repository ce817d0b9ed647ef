//! graphql-transport-ws, rule by rule. Time is the tests' own: what never comes ends the socket, and fails.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests report by panicking"
)]

mod operations;
#[path = "../toy/mod.rs"]
mod toy;

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use chatcore_graphql::{Close, Frame, WireOptions, token_of};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};
use toy::{Client, Got};

fn subscribe(id: Value, payload: Value) -> Value {
    json!({ "id": id, "type": "subscribe", "payload": payload })
}

fn next(id: &str, data: Value) -> Value {
    json!({ "id": id, "type": "next", "payload": { "data": data } })
}

fn complete(id: &str) -> Value {
    json!({ "id": id, "type": "complete" })
}

/// The codes of an `error` message for this id.
fn codes(message: &Value, id: &str) -> Vec<Value> {
    assert_eq!((&message["id"], &message["type"]), (&json!(id), &json!("error")), "{message}");
    let errors = message["payload"].as_array().unwrap();
    errors.iter().map(|error| error["extensions"]["code"].clone()).collect()
}

#[tokio::test(start_paused = true)]
async fn without_an_init_the_socket_ends_in_time() {
    let mut client = Client::plain();
    let began = Instant::now();
    // What else comes does not put the end off.
    client.send(json!({ "type": "ping" })).await;
    assert_eq!(client.message().await, json!({ "type": "pong" }));
    sleep(Duration::from_secs(9)).await;
    client.send(json!({ "type": "pong" })).await;
    client.frame(Frame::Ping).await;
    client.complete("1").await;
    assert_eq!(client.closed().await, (4408, "Connection initialisation timeout".to_owned()));
    assert_eq!(began.elapsed().as_secs(), 10);
    let close = client.server.await.unwrap();
    assert_eq!(close, Some(Close::new(4408, "Connection initialisation timeout")));
}

#[tokio::test(start_paused = true)]
async fn there_is_one_init() {
    for payload in [json!({}), json!({ "wait": true })] {
        let mut client = Client::plain();
        client.send(json!({ "type": "connection_init", "payload": payload.clone() })).await;
        if payload == json!({}) {
            assert_eq!(client.message().await, json!({ "type": "connection_ack" }));
        }
        client.send(json!({ "type": "connection_init" })).await;
        assert_eq!(client.closed().await, (4429, "Too many initialisation requests".to_owned()));
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_executed_before_the_ack() {
    for init in [false, true] {
        let mut client = Client::plain();
        if init {
            client.send(json!({ "type": "connection_init", "payload": { "wait": true } })).await;
        }
        client.subscribe("1", "mutation { bump }").await;
        assert_eq!(client.closed().await, (4401, "Unauthorized".to_owned()));
        assert_eq!(client.seen.bumps.load(Ordering::SeqCst), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_refused_init_ends_the_socket() {
    let mut client = Client::plain();
    client.send(json!({ "type": "connection_init", "payload": { "refuse": true } })).await;
    assert_eq!(client.closed().await, (4403, "AUTH_TOKEN_INVALID".to_owned()));

    // So does one that is not answered.
    let mut client = Client::plain();
    let began = Instant::now();
    client.send(json!({ "type": "connection_init", "payload": { "wait": true } })).await;
    assert_eq!(client.closed().await, (4403, "SERVICE_UNAVAILABLE".to_owned()));
    assert_eq!(began.elapsed().as_secs(), 10);
}

#[tokio::test(start_paused = true)]
async fn pings_are_answered_at_any_time() {
    let payload = json!({ "at": [1, null, "ü"] });
    let (ping, pong) = (json!({ "type": "ping", "payload": payload }), json!({ "type": "pong", "payload": payload }));
    let mut client = Client::plain();
    client.send(ping.clone()).await;
    assert_eq!(client.message().await, pong);
    // While it is found out who it is, too.
    client.send(json!({ "type": "connection_init", "payload": { "wait": true } })).await;
    client.send(ping.clone()).await;
    assert_eq!(client.message().await, pong);
    client.seen.gate.notify_one();
    assert_eq!(client.message().await, json!({ "type": "connection_ack" }));
    client.send(ping).await;
    assert_eq!(client.message().await, pong);
    client.send(json!({ "type": "ping", "payload": null })).await;
    assert_eq!(client.message().await, json!({ "type": "pong" }));
    client.send(json!({ "type": "pong", "payload": { "a": 1 } })).await;
    client.send(json!({ "type": "pong" })).await;
    assert_eq!(client.settled().await, Vec::<Value>::new());
}

#[tokio::test(start_paused = true)]
async fn what_is_no_message_ends_the_socket_and_says_what() {
    let query = json!({ "query": "{ hello }" });
    let long = "é".repeat(200);
    let cases = [
        ("NONSENSE".to_owned(), "JSON"),
        ("{\"type\":\"ping\"".to_owned(), "JSON"),
        ("[]".to_owned(), "an array"),
        ("null".to_owned(), "null"),
        (json!({}).to_string(), "`type` is missing"),
        (json!({ "type": 1 }).to_string(), "`type` is a string, this is a number"),
        (json!({ "type": "start" }).to_string(), "there is no type `start`"),
        (json!({ "type": long }).to_string(), "there is no type `é"),
        (json!({ "type": "connection_ack" }).to_string(), "for the server to send"),
        (json!({ "type": "next", "id": "1", "payload": {} }).to_string(), "for the server to send"),
        (json!({ "type": "error", "id": "1", "payload": [] }).to_string(), "for the server to send"),
        (json!({ "type": "connection_init", "payload": [] }).to_string(), "`payload` is an object, this is an array"),
        (json!({ "type": "ping", "payload": "x" }).to_string(), "`payload` is an object, this is a string"),
        (json!({ "type": "pong", "payload": 1 }).to_string(), "`payload` is an object, this is a number"),
        (json!({ "type": "complete" }).to_string(), "`id` is missing"),
        (json!({ "type": "complete", "id": 7 }).to_string(), "`id` is a string, this is a number"),
        (json!({ "type": "subscribe", "payload": query }).to_string(), "`id` is missing"),
        (subscribe(json!(1), query.clone()).to_string(), "`id` is a string, this is a number"),
        (subscribe(json!(""), query.clone()).to_string(), "`id` is empty"),
        (subscribe(json!("x".repeat(257)), query.clone()).to_string(), "`id` is longer than 256 bytes"),
        (json!({ "id": "1", "type": "subscribe" }).to_string(), "`payload` is missing"),
        (subscribe(json!("1"), json!("{ hello }")).to_string(), "this is a string"),
        (subscribe(json!("1"), json!({})).to_string(), "`query` is missing"),
        (subscribe(json!("1"), json!({ "query": 1 })).to_string(), "`query` is a string, this is a number"),
        (
            subscribe(json!("1"), json!({ "query": "{ hello }", "operationName": {} })).to_string(),
            "`operationName` is a string, this is an object",
        ),
        (
            subscribe(json!("1"), json!({ "query": "{ hello }", "variables": [] })).to_string(),
            "`variables` is an object, this is an array",
        ),
        (
            subscribe(json!("1"), json!({ "query": "{ hello }", "extensions": "" })).to_string(),
            "`extensions` is an object, this is a string",
        ),
        (r#"{"type":"ping","type":"ping"}"#.to_owned(), "`type` is given twice"),
        (
            r#"{"type":"connection_init","payload":{"token":"a","token":"b"}}"#.to_owned(),
            "`payload.token` is given twice",
        ),
        (
            r#"{"id":"1","type":"subscribe","payload":{"query":"{ hello }","variables":{"a":1,"a":1}}}"#.to_owned(),
            "`payload.variables.a` is given twice",
        ),
    ];
    for (text, reason) in cases {
        for init in [false, true] {
            let mut client = if init { Client::admitted(WireOptions::default(), 64).await } else { Client::plain() };
            client.text(text.clone()).await;
            let (code, given) = client.closed().await;
            assert_eq!(code, 4400, "{text}");
            assert!(given.contains(reason), "{text}: {given}");
        }
    }
    let mut client = Client::admitted(WireOptions::default(), 64).await;
    client.frame(Frame::Binary).await;
    let (code, reason) = client.closed().await;
    assert_eq!((code, reason.contains("binary")), (4400, true));
}

#[tokio::test(start_paused = true)]
async fn an_operation_that_is_too_large_is_refused_alone() {
    let options = || WireOptions { message_bytes: 200, ..WireOptions::default() };
    let large = |id: &str| subscribe(json!(id), json!({ "query": format!("{{ hello }} #{}", "x".repeat(200)) }));
    let mut client = Client::admitted(options(), 64).await;
    client.send(large("1")).await;
    assert_eq!(codes(&client.message().await, "1"), ["PAYLOAD_TOO_LARGE"]);
    client.subscribe("1", "{ hello }").await;
    assert_eq!(client.message().await, next("1", json!({ "hello": "world" })));
    assert_eq!(client.message().await, complete("1"));
    // The id of an open operation is taken, whatever the size of the next one.
    client.subscribe("2", "subscription { quiet }").await;
    assert_eq!(client.message().await["type"], "next");
    client.send(large("2")).await;
    assert_eq!(client.closed().await.0, 4409);
    // The protocol has no answer to these.
    for (admitted, message, code) in [
        (true, json!({ "type": "ping", "payload": { "x": "x".repeat(200) } }).to_string(), 1009),
        (true, "x".repeat(201), 1009),
        (true, large(&"x".repeat(300)).to_string(), 1009),
        (true, large("").to_string(), 1009),
        (true, large("1").to_string().replacen('{', r#"{"id":"2","#, 1), 1009),
        (false, json!({ "type": "connection_init", "payload": { "token": "x".repeat(200) } }).to_string(), 1009),
        (false, large("1").to_string(), 4401),
    ] {
        let mut client = if admitted { Client::admitted(options(), 64).await } else { Client::open(options(), 64) };
        client.text(message.clone()).await;
        assert_eq!(client.closed().await.0, code, "{message}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_not_known_of_a_message_is_ignored() {
    let mut client = Client::admitted(WireOptions::default(), 64).await;
    let payload = json!({
        "query": "{ hello }", "operationName": null, "variables": null, "extensions": null, "more": [1],
    });
    client.send(json!({ "id": "1", "type": "subscribe", "payload": payload, "more": true })).await;
    assert_eq!(client.message().await, next("1", json!({ "hello": "world" })));
    assert_eq!(client.message().await, complete("1"));
}

#[tokio::test(start_paused = true)]
async fn who_answers_pings_stays_and_who_does_not_goes() {
    let mut client = Client::admitted(WireOptions::default(), 64).await;
    let began = Instant::now();
    for number in 1..=4 {
        assert_eq!(client.raw().await, Got::Ping);
        assert_eq!(began.elapsed().as_secs(), 25 * number);
        // Anything that is said will do.
        match number {
            1 => client.frame(Frame::Pong).await,
            2 => client.send(json!({ "type": "pong" })).await,
            3 => client.frame(Frame::Ping).await,
            _ => client.complete("nothing").await,
        }
    }
    assert_eq!(client.raw().await, Got::Ping);
    assert_eq!(client.raw().await, Got::Closed(4408, "no answer to a ping".to_owned()));
    assert_eq!(began.elapsed().as_secs(), 135);
}

#[tokio::test(start_paused = true)]
async fn the_socket_ends_with_the_token() {
    for query in ["{ slow }", "subscription { quiet }", "subscription { flood }"] {
        let mut client = Client::open(WireOptions::default(), 64);
        client.send(json!({ "type": "connection_init", "payload": { "expires": 60 } })).await;
        assert_eq!(client.message().await, json!({ "type": "connection_ack" }));
        client.subscribe("1", query).await;
        let began = Instant::now();
        if query == "subscription { flood }" {
            // Who takes nothing is not put off either, but for the last word.
            let close = (&mut client.server).await.unwrap();
            assert_eq!(close.map(|close| close.code), Some(4408), "it was not taken in time");
            continue;
        }
        let end = loop {
            match client.next().await {
                Got::Message(_) => {}
                end => break end,
            }
        };
        assert_eq!(end, Got::Closed(4403, "AUTH_TOKEN_EXPIRED".to_owned()));
        let elapsed = began.elapsed();
        assert!((50..=60).contains(&elapsed.as_secs()), "{elapsed:?}");
        assert_eq!(client.seen.sources.load(Ordering::SeqCst), 0);
    }
    // One that has expired already gets to nothing.
    let mut client = Client::plain();
    client.send(json!({ "type": "connection_init", "payload": { "expires": 0 } })).await;
    assert_eq!(client.message().await, json!({ "type": "connection_ack" }));
    assert_eq!(client.closed().await, (4403, "AUTH_TOKEN_EXPIRED".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn the_socket_ends_with_the_server() {
    for admitted in [false, true] {
        let mut client = if admitted { Client::admitted(WireOptions::default(), 64).await } else { Client::plain() };
        client.stop.cancel();
        assert_eq!(client.closed().await, (1001, "the server ends".to_owned()));
    }
}

#[tokio::test(start_paused = true)]
async fn who_takes_nothing_is_closed_in_time() {
    let client = Client::admitted(WireOptions::default(), 4).await;
    let began = Instant::now();
    client.subscribe("1", "subscription { flood }").await;
    let seen = Arc::clone(&client.seen);
    let close = client.server.await.unwrap();
    assert_eq!(close, Some(Close::new(4408, "what was written was not taken")));
    assert_eq!(began.elapsed().as_secs(), 11, "ten to write, one for the last word");
    assert_eq!(seen.sources.load(Ordering::SeqCst), 0);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_taken_is_not_read_for() {
    let client = Client::admitted(WireOptions::default(), 4).await;
    let mut sent = 0;
    let flood = async {
        loop {
            client.send(json!({ "type": "ping" })).await;
            sent += 1;
        }
    };
    tokio::select! {
        () = flood => {}
        () = sleep(Duration::from_secs(5)) => {}
    }
    assert!((8..64).contains(&sent), "{sent}");
}

#[tokio::test(start_paused = true)]
async fn the_socket_ends_when_the_client_ends() {
    let client = Client::admitted(WireOptions::default(), 64).await;
    client.subscribe("1", "subscription { quiet }").await;
    let seen = Arc::clone(&client.seen);
    client.frame(Frame::Close(Some(Close::new(1000, "")))).await;
    assert_eq!(client.server.await.unwrap(), None);
    assert_eq!(seen.sources.load(Ordering::SeqCst), 0);

    let mut client = Client::admitted(WireOptions::default(), 64).await;
    client.out = tokio::sync::mpsc::channel(1).0;
    assert_eq!(client.server.await.unwrap(), None);

    // What broke the protocol below is told as the library says.
    let mut client = Client::admitted(WireOptions::default(), 64).await;
    client.out.send(Err(Some(Close::new(1009, "message too large")))).await.unwrap();
    assert_eq!(client.closed().await, (1009, "message too large".to_owned()));
}

#[test]
fn tokens_in_payloads() {
    let of = |payload: Value| token_of(payload.as_object()).map(str::to_owned);
    for payload in [
        json!({ "Authorization": "Bearer abc" }),
        json!({ "authorization": "bearer abc", "token": "other" }),
        json!({ "AUTHORIZATION": "BEARER  abc " }),
        json!({ "token": "abc" }),
        json!({ "Authorization": "bearer\t abc" }),
        json!({ "Authorization": "Basic YTpi", "token": "abc" }),
        json!({ "Authorization": "Negotiate", "authorization": "Bearer abc", "token": "other" }),
        json!({ "Authorization": null, "token": "abc" }),
        json!({ "Authorization": "", "token": " abc " }),
    ] {
        assert_eq!(of(payload.clone()).as_deref(), Some("abc"), "{payload}");
    }
    for payload in [
        json!(null),
        json!({}),
        json!({ "Authorization": "abc" }),
        json!({ "Authorization": "Basic abc" }),
        json!({ "Authorization": "Bearer " }),
        json!({ "Authorization": "Bearer", "token": "abc" }),
        json!({ "Authorization": "Bearer abc", "authorization": "Bearer abc" }),
        json!({ "Authorization": 1, "token": "abc" }),
        json!({ "token": "" }),
        json!({ "token": ["abc"] }),
    ] {
        assert_eq!(of(payload.clone()), None, "{payload}");
    }
}

#[test]
fn reasons_fit() {
    assert_eq!(Close::new(4400, "ä".repeat(100)).reason.len(), 122);
    assert_eq!(Close::new(4400, "a".repeat(123)).reason.len(), 123);
}
