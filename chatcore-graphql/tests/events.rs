//! graphql-sse, distinct connections mode. Time is the tests' own.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests report by panicking"
)]

mod toy;

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use bytes::Bytes;
use chatcore_graphql::{HttpBody, HttpHead, HttpReply, WireOptions};
use chrono::Utc;
use futures_util::{StreamExt, stream::BoxStream};
use serde_json::{Value, json};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use toy::{Seen, caller, toy};

struct Events {
    chunks: BoxStream<'static, Bytes>,
    text: String,
    seen: Arc<Seen>,
    stop: CancellationToken,
}

/// One thing in the stream.
#[derive(Debug, PartialEq)]
enum Got {
    Next(Value),
    Complete,
    Comment,
    End,
}

impl Events {
    async fn open(query: &str, expires: Option<i64>) -> Self {
        let (seen, stop) = (Arc::new(Seen::default()), CancellationToken::new());
        let options = WireOptions::default();
        let head = HttpHead::read("POST", Some("application/json"), Some("text/event-stream"), &options).unwrap();
        let body = json!({ "query": query }).to_string();
        let caller = caller(&seen, expires.map(|seconds| Utc::now() + chrono::Duration::seconds(seconds)));
        let stopped = stop.clone().cancelled_owned();
        let reply = head.answer(&toy(&seen), None, body.as_bytes(), caller, &options, stopped).await;
        let HttpReply { status: 200, headers, body: HttpBody::Events(chunks) } = reply else { panic!("{reply:?}") };
        assert!(headers.contains(&("Content-Type".into(), "text/event-stream; charset=utf-8".into())));
        assert!(headers.contains(&("Cache-Control".into(), "no-store".into())));
        Self { chunks, text: String::new(), seen, stop }
    }

    async fn next(&mut self) -> Got {
        let block = loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.text = rest;
                break block;
            }
            match self.chunks.next().await {
                Some(chunk) => self.text.push_str(std::str::from_utf8(&chunk).unwrap()),
                None => {
                    assert_eq!(self.text, "");
                    return Got::End;
                }
            }
        };
        match block.split('\n').collect::<Vec<_>>()[..] {
            ["event: next", data] => Got::Next(serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap()),
            ["event: complete", "data:"] => Got::Complete,
            [":"] => Got::Comment,
            ref other => panic!("{other:?}"),
        }
    }

    async fn all(mut self) -> Vec<Got> {
        let mut all = Vec::new();
        loop {
            match self.next().await {
                Got::End => return all,
                got => all.push(got),
            }
        }
    }
}

fn next(data: Value) -> Got {
    Got::Next(json!({ "data": data }))
}

#[tokio::test(start_paused = true)]
async fn operations_of_every_kind_give_events() {
    let events = Events::open("subscription { count(to: 200) }", None).await.all().await;
    let wanted = (1..=200).map(|n| next(json!({ "count": n }))).chain([Got::Complete]).collect::<Vec<_>>();
    assert_eq!(events, wanted);
    let events = Events::open("{ echo(text: \"a\\n\\nb\\r\") }", None).await.all().await;
    assert_eq!(events, [next(json!({ "echo": "a\n\nb\r" })), Got::Complete]);
    let events = Events::open("mutation { bump }", None).await.all().await;
    assert_eq!(events, [next(json!({ "bump": 1 })), Got::Complete]);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_executed_is_told_in_the_stream() {
    for (query, code) in [
        ("{", "VALIDATION_INVALID_FORMAT"),
        ("{ nothing }", "VALIDATION_INVALID_VALUE"),
        ("query($x: Int!) { number(value: $x) }", "VALIDATION_REQUIRED_FIELD"),
        ("subscription { sourceless }", "SESSION_FULL"),
        ("{ boom }", "INTERNAL_ERROR"),
    ] {
        let events = Events::open(query, None).await.all().await;
        let [Got::Next(body), Got::Complete] = &events[..] else { panic!("{events:?}") };
        assert_eq!(body["errors"][0]["extensions"]["code"], code);
        assert!(body.get("data").is_none());
    }
    let events = Events::open("{ needed }", None).await.all().await;
    let [Got::Next(body), Got::Complete] = &events[..] else { panic!("{events:?}") };
    assert_eq!(body.get("data"), Some(&Value::Null));
}

#[tokio::test(start_paused = true)]
async fn a_quiet_stream_says_that_it_is_there() {
    let mut events = Events::open("subscription { quiet }", None).await;
    assert_eq!(events.next().await, next(json!({ "quiet": 1 })));
    let began = Instant::now();
    for number in 1..=3 {
        assert_eq!(events.next().await, Got::Comment);
        assert_eq!(began.elapsed().as_secs(), 15 * number);
    }
    // Who goes away ends the source.
    let seen = Arc::clone(&events.seen);
    assert_eq!(seen.sources.load(Ordering::SeqCst), 1);
    drop(events);
    assert_eq!(seen.sources.load(Ordering::SeqCst), 0);
}

#[tokio::test(start_paused = true)]
async fn the_stream_ends_with_the_server() {
    for query in ["subscription { quiet }", "subscription { flood }", "{ slow }"] {
        let mut events = Events::open(query, None).await;
        // Far enough to have begun.
        let _ = timeout(Duration::from_secs(1), events.next()).await;
        events.stop.cancel();
        let rest = events.all().await;
        assert!(!rest.contains(&Got::Complete), "the client is to come back");
    }
}

#[tokio::test(start_paused = true)]
async fn the_stream_ends_with_the_token() {
    let began = Instant::now();
    let rest = Events::open("subscription { quiet }", Some(40)).await.all().await;
    assert_eq!(rest, [next(json!({ "quiet": 1 })), Got::Comment, Got::Comment]);
    assert!((30..=40).contains(&began.elapsed().as_secs()));
}
