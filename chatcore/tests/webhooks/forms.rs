//! Golden files pin the forms in which webhooks are stored.

use std::{collections::BTreeMap, path::Path};

use chatcore::{
    model::{SessionId, WebhookId},
    store::{Json, Key, TypedKey, Value},
    webhooks::{
        DeadLetterRecord, DeadLetters, Deliveries, Delivery, DeliveryState, Endpoint, Endpoints, Failure,
        FailureReason, PreviousSecret, Replay, Replays, ServerDeliveries, ServerWebhooks, SessionWebhooks, TABLES,
        Unsent, UnsentMark, WebhookList, WebhookRecord, WebhookSecret,
    },
};
use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::kit::user_id;

fn at(second: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_750_000_000 + second, 654_321_000).unwrap()
}

fn secret(text: &str) -> WebhookSecret {
    serde_json::from_value(text.into()).unwrap()
}

fn values() -> Vec<(&'static str, Key, Value)> {
    fn value<K: TypedKey>(case: &'static str, key: &K, value: K::Value) -> (&'static str, Key, Value) {
        (case, key.key(), Value::of::<K>(value))
    }
    let (webhook, session) = (WebhookId(Uuid::from_u128(1)), SessionId(Uuid::from_u128(2)));
    let failure = Failure { reason: FailureReason::BadStatus, status: Some(503), at: at(1) };
    let record = |is_full: bool| WebhookRecord {
        id: webhook,
        url: "https://example.com/hook".to_owned(),
        events: if is_full { vec!["message_received".to_owned()] } else { Vec::new() },
        secret: secret("whsec_bmV3"),
        previous: is_full.then(|| PreviousSecret { secret: secret("whsec_b2xk"), until: at(2) }),
        by: user_id("alice"),
        first: if is_full { 3 } else { 0 },
        created_at: at(0),
        updated_at: at(1),
    };
    let full = Delivery {
        upto: 7,
        state: DeliveryState::Gone,
        attempts: 2,
        gave_up: true,
        next_attempt_at: Some(at(3)),
        last_failure: Some(failure),
        last_delivery_at: Some(at(0)),
        dead_letters: 4,
        skipped: 5,
        leased_until: Some(at(4)),
    };
    let endpoint = Endpoint {
        state: DeliveryState::Paused,
        failures: 3,
        next_attempt_at: Some(at(3)),
        last_failure: Some(failure),
        last_delivery_at: Some(at(0)),
        skipped: 5,
    };
    let deliveries = Deliveries { webhook, session };
    let letter = DeadLetters { webhook, session, seq: 3 };
    let timeout = Failure { reason: FailureReason::Timeout, status: None, at: at(1) };
    vec![
        value("webhooks", &SessionWebhooks { session }, WebhookList { webhooks: vec![record(false)] }),
        value("webhooks full", &SessionWebhooks { session }, WebhookList { webhooks: vec![record(true)] }),
        value("delivery", &deliveries, Delivery { upto: 7, ..Delivery::default() }),
        value("delivery full", &deliveries, full),
        value("dead letter", &letter, DeadLetterRecord { failure, attempts: 10 }),
        value("dead letter without a status", &letter, DeadLetterRecord { failure: timeout, attempts: 1 }),
        value("replay", &Replays { webhook, session, seq: 3 }, Replay { at: at(0) }),
        value("server webhooks", &ServerWebhooks::all(), WebhookList { webhooks: vec![record(true)] }),
        value("endpoint", &Endpoints { webhook }, Endpoint::default()),
        value("endpoint full", &Endpoints { webhook }, endpoint),
        value(
            "server delivery",
            &ServerDeliveries { webhook, session },
            Delivery { upto: 7, attempts: 2, ..Delivery::default() },
        ),
        value("unsent", &Unsent { session }, UnsentMark {}),
    ]
}

#[test]
fn values_are_stored_in_the_forms_of_the_golden_file() {
    let forms: BTreeMap<&str, Json> = values().into_iter().map(|(case, _, value)| (case, value.encode())).collect();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/webhooks.json");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, serde_json::to_string_pretty(&forms).unwrap() + "\n").unwrap();
    }
    let golden: BTreeMap<String, Json> = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    assert_eq!(forms.len(), golden.len());
    let mut missing: Vec<&str> = TABLES.iter().map(|table| table.name).collect();
    for (case, key, value) in values() {
        missing.retain(|name| *name != key.table.name);
        assert_eq!(value.encode(), golden[case], "{case}");
        assert_eq!(Value::decode(&key, key.table.format, golden[case].clone()).unwrap(), value, "{case}");
    }
    assert!(missing.is_empty(), "no value of {missing:?}");
}

#[test]
fn what_a_newer_version_wrote_is_read_and_sends_nothing() {
    let (_, key, value) = values().remove(3);
    let mut stored = value.encode();
    stored["state"] = "something_newer".into();
    stored["last_failure"]["reason"] = "SOMETHING_NEWER".into();
    let read = Value::decode(&key, key.table.format, stored).unwrap();
    let delivery = read.get::<Delivery>().unwrap();
    assert_eq!(delivery.state, DeliveryState::Unknown);
    assert_eq!(delivery.last_failure.unwrap().reason, FailureReason::Unknown);
}
