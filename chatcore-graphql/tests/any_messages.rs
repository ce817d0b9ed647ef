//! Whatever a client sends, in whatever order: nothing panics, nothing hangs, and the rules hold.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests report by panicking"
)]

mod toy;

use std::{collections::HashMap, time::Duration};

use chatcore_graphql::{Frame, WireOptions};
use proptest::prelude::*;
use serde_json::{Value, json};
use tokio::time::timeout;
use toy::{Client, Got};

/// What a client does.
#[derive(Debug, Clone)]
enum Act {
    Init,
    Ping(bool),
    Pong,
    /// An operation that ends by itself at some time, or one that does not.
    Subscribe {
        id: usize,
        operation: Operation,
    },
    Complete(usize),
    Garbage(String),
    Binary,
    FramePing,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Operation {
    Query,
    Count,
    Refused,
    Sourceless,
    Panics,
    Quiet,
    Slow,
}

impl Operation {
    fn query(self, tag: usize) -> String {
        match self {
            Self::Query => format!("{{ t{tag}: hello }}"),
            Self::Count => format!("subscription {{ t{tag}: count(to: 70) }}"),
            Self::Refused => format!("{{ t{tag}: nothing }}"),
            Self::Sourceless => format!("subscription {{ t{tag}: sourceless }}"),
            Self::Panics => format!("{{ t{tag}: boom }}"),
            Self::Quiet => format!("subscription {{ t{tag}: quiet }}"),
            Self::Slow => format!("{{ t{tag}: slow }}"),
        }
    }

    fn stays(self) -> bool {
        match self {
            Self::Quiet | Self::Slow => true,
            Self::Query | Self::Count | Self::Refused | Self::Sourceless | Self::Panics => false,
        }
    }
}

fn act() -> impl Strategy<Value = Act> {
    let operation = prop_oneof![
        4 => Just(Operation::Query),
        2 => Just(Operation::Count),
        1 => Just(Operation::Refused),
        1 => Just(Operation::Sourceless),
        1 => Just(Operation::Panics),
        2 => Just(Operation::Quiet),
        1 => Just(Operation::Slow),
    ];
    prop_oneof![
        1 => Just(Act::Init),
        10 => any::<bool>().prop_map(Act::Ping),
        5 => Just(Act::Pong),
        30 => (0..8_usize, operation).prop_map(|(id, operation)| Act::Subscribe { id, operation }),
        30 => (0..8_usize).prop_map(Act::Complete),
        1 => garbage().prop_map(Act::Garbage),
        1 => Just(Act::Binary),
        5 => Just(Act::FramePing),
    ]
}

/// What is no message of the protocol, however near to one.
fn garbage() -> impl Strategy<Value = String> {
    prop_oneof![
        ".*",
        r#"\{"type":"(next|subscribe|\w{0,3})"(,"(id|payload)":("\w*"|\d|null|\{\}|\[\]))*\}"#,
        // The last of equal names counts.
        r#"\{"type":"(ping|pong|connection_init)"(,"payload":\{\})?,"payload":("\w*"|\d|\[\])\}"#,
        r#"\{"type":"complete"(,"id":("x"|\d|null|\{\}|\[\]))*,"id":(""|\d|null|\{\}|\[\])\}"#,
    ]
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    // Most begin as they should.
    let tail = prop::collection::vec(act(), 0..60);
    (prop::bool::weighted(0.9), tail).prop_map(|(init, mut acts)| {
        if init {
            acts.insert(0, Act::Init);
        }
        acts
    })
}

/// What may come of it, by the rules.
#[derive(Debug, Default)]
struct Expected {
    /// The codes with which the socket may end.
    codes: Vec<u16>,
    /// Whether it must end.
    ends: bool,
}

fn expected(acts: &[Act]) -> Expected {
    let (mut expected, mut acked) = (Expected::default(), false);
    // Whether the operation of an id stays.
    let mut open: HashMap<usize, bool> = HashMap::new();
    for act in acts {
        let end = match act {
            Act::Init if acked => Some(4429),
            Act::Init => {
                acked = true;
                None
            }
            Act::Subscribe { .. } if !acked => Some(4401),
            Act::Subscribe { id, operation } => match open.insert(*id, operation.stays()) {
                Some(stays) => {
                    // The reading half may be further already, and end it for another reason.
                    expected.codes.push(4409);
                    expected.ends |= stays;
                    None
                }
                None => None,
            },
            Act::Complete(id) => {
                open.remove(id);
                None
            }
            Act::Binary | Act::Garbage(_) => Some(4400),
            Act::Ping(_) | Act::Pong | Act::FramePing => None,
        };
        if let Some(code) = end {
            expected.codes.push(code);
            expected.ends = true;
            break;
        }
    }
    expected
}

/// The subscription that a message is of, by the name of its field.
fn tag(message: &Value) -> Option<usize> {
    let field = message["payload"]["data"].as_object()?.keys().next()?;
    field.strip_prefix('t')?.parse().ok()
}

async fn run(acts: Vec<Act>, room: usize) {
    let mut client = Client::open(WireOptions::default(), room);
    let out = client.out.clone();
    let sending = acts.clone();
    // Sent without waiting for answers.
    tokio::spawn(async move {
        for (tag, act) in sending.into_iter().enumerate() {
            let json = match act {
                Act::Init => json!({ "type": "connection_init" }),
                Act::Ping(true) => json!({ "type": "ping", "payload": { "n": tag } }),
                Act::Ping(false) => json!({ "type": "ping" }),
                Act::Pong => json!({ "type": "pong" }),
                Act::Subscribe { id, operation } => {
                    let payload = json!({ "query": operation.query(tag) });
                    json!({ "type": "subscribe", "id": id.to_string(), "payload": payload })
                }
                Act::Complete(id) => json!({ "type": "complete", "id": id.to_string() }),
                Act::Garbage(text) => {
                    let _ = out.send(Ok(Frame::Text(text))).await;
                    continue;
                }
                Act::Binary => {
                    let _ = out.send(Ok(Frame::Binary)).await;
                    continue;
                }
                Act::FramePing => {
                    let _ = out.send(Ok(Frame::Ping)).await;
                    continue;
                }
            };
            let _ = out.send(Ok(Frame::Text(json.to_string()))).await;
        }
        let mark = json!({ "type": "ping", "payload": { "mark": true } });
        let _ = out.send(Ok(Frame::Text(mark.to_string()))).await;
    });

    let expected = expected(&acts);
    let (mut acks, mut pongs) = (0, 0);
    let mut ended: HashMap<String, usize> = HashMap::new();
    let mut newest: HashMap<String, usize> = HashMap::new();
    let mut closed_by: HashMap<String, usize> = HashMap::new();
    let end = loop {
        match client.next().await {
            Got::Message(message) => {
                let id = message["id"].as_str().unwrap_or_default().to_owned();
                match message["type"].as_str() {
                    Some("connection_ack") => acks += 1,
                    Some("pong") if message["payload"]["mark"] == true => break None,
                    Some("pong") => pongs += 1,
                    Some("next") => {
                        assert_eq!(acks, 1);
                        let tag = tag(&message).unwrap_or_else(|| panic!("{message}"));
                        let wanted = |act: &Act| matches!(act, Act::Subscribe { id: of, .. } if of.to_string() == id);
                        assert!(acts.get(tag).is_some_and(wanted), "{message}");
                        // Never of an operation before the newest one of this id, nor after the end of its own.
                        assert!(newest.get(&id).is_none_or(|newest| *newest <= tag), "{message}");
                        assert!(closed_by.get(&id).is_none_or(|closed| *closed < tag), "{message}");
                        newest.insert(id, tag);
                    }
                    Some("error") => {
                        assert_eq!(acks, 1);
                        assert!(message["payload"].as_array().is_some_and(|errors| !errors.is_empty()), "{message}");
                        *ended.entry(id).or_default() += 1;
                    }
                    Some("complete") => {
                        assert_eq!(acks, 1);
                        let tag = newest.get(&id).copied().unwrap_or_else(|| panic!("complete of nothing: {message}"));
                        closed_by.insert(id.clone(), tag);
                        *ended.entry(id).or_default() += 1;
                    }
                    _ => panic!("{message}"),
                }
            }
            Got::Closed(code, reason) => break Some((code, reason)),
            other => panic!("{other:?}"),
        }
    };
    for (id, ended) in ended {
        let subscribed = |act: &&Act| matches!(act, Act::Subscribe { id: of, .. } if of.to_string() == id);
        assert!(ended <= acts.iter().filter(subscribed).count(), "{id} ended too often");
    }
    match end {
        Some((code, reason)) => {
            assert!(expected.codes.contains(&code), "{code} {reason} instead of {expected:?}");
            timeout(Duration::from_secs(5), client.server).await.unwrap().unwrap();
        }
        None => {
            assert!(!expected.ends, "still open, {expected:?}");
            assert_eq!(pongs, acts.iter().filter(|act| matches!(act, Act::Ping(_))).count());
            client.frame(Frame::Close(None)).await;
            let seen = client.seen.clone();
            assert_eq!(timeout(Duration::from_secs(5), client.server).await.unwrap().unwrap(), None);
            assert_eq!(seen.sources.load(std::sync::atomic::Ordering::SeqCst), 0);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn the_rules_hold(acts in acts(), room in 1_usize..20) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(async {
            timeout(Duration::from_secs(3_600), run(acts, room)).await.expect("it hangs");
        });
    }
}
