//! Golden files pin the forms in which the administration stores its values.

use std::{collections::BTreeMap, path::Path};

use chatcore::{
    admin::{AdministratorList, Administrators, AuditAction, AuditEntries, AuditRecord, AuditState, Grant, TABLES},
    identity::SystemRole,
    model::{AuditId, ReportState, SessionId},
    store::{Json, Key, Newest, TypedKey, Value},
};
use chrono::{DateTime, Utc};

use super::kit::user_id;

fn at(second: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_750_000_000 + second, 654_321_000).unwrap()
}

fn values() -> Vec<(&'static str, Key, Value)> {
    fn value<K: TypedKey>(case: &'static str, key: &K, value: K::Value) -> (&'static str, Key, Value) {
        (case, key.key(), Value::of::<K>(value))
    }
    let entry = AuditEntries { entry: Newest(AuditId(uuid::Uuid::from_u128(1))) };
    let record = |is_full: bool| AuditRecord {
        actor: user_id("root"),
        action: AuditAction::UserBanned,
        target: is_full.then(|| "bob".to_owned()),
        session: is_full.then(|| SessionId(uuid::Uuid::from_u128(2))),
        before: AuditState::default(),
        after: AuditState {
            is_banned: is_full.then_some(true),
            ban_reason: is_full.then(|| "Spam".to_owned()),
            banned_until: is_full.then(|| at(1)),
            system_role: is_full.then_some(SystemRole::Admin),
            is_active: is_full.then_some(false),
            report_state: is_full.then_some(ReportState::Resolved),
        },
        reason: is_full.then(|| "Spam".to_owned()),
        address: is_full.then(|| "2001:db8::1".parse().unwrap()),
        request_id: is_full.then(|| "r-1".to_owned()),
        at: at(0),
    };
    let grant = Grant { user: user_id("ann"), by: user_id("root"), at: at(0) };
    vec![
        value("entry", &entry, record(false)),
        value("entry full", &entry, record(true)),
        value("administrators", &Administrators::all(), AdministratorList { grants: vec![grant] }),
    ]
}

#[test]
fn values_are_stored_in_the_forms_of_the_golden_file() {
    let forms: BTreeMap<&str, Json> = values().into_iter().map(|(case, _, value)| (case, value.encode())).collect();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/admin.json");
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
fn an_action_of_a_newer_version_is_read_as_unknown() {
    let (_, key, value) = values().remove(0);
    let mut stored = value.encode();
    stored["action"] = "SOMETHING_NEWER".into();
    let read = Value::decode(&key, key.table.format, stored).unwrap();
    assert_eq!(read.get::<AuditRecord>().unwrap().action, AuditAction::Unknown);
}
