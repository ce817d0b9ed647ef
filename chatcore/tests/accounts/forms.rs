//! A golden file pins the forms in which accounts are stored. With `UPDATE_GOLDEN=1` in the environment, the forms of this version are written.

use std::{collections::BTreeMap, path::Path};

use chatcore::{
    accounts::*,
    model::{LoginId, SessionId},
    store::{Json, TypedKey, Value},
};
use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::kit::user_id;

fn at(second: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_750_000_000 + second, 654_321_000).unwrap()
}

fn id(number: u128) -> Uuid {
    Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0000 + number)
}

fn account(is_full: bool) -> AccountRecord {
    let text = |text: &str| is_full.then(|| text.to_owned());
    let code = |digest: &str| Vec::from_iter(is_full.then(|| PendingCode { digest: digest.into(), expires_at: at(9) }));
    AccountRecord {
        username: "Ada".into(),
        email: "ada@example.org".into(),
        is_verified: is_full,
        display_name: "Ada L.".into(),
        bio: text("Writes programs"),
        avatar_url: text("https://example.org/ada.png"),
        avatar: text("00112233445566778899aabbccddeeff"),
        public_key: text("a key"),
        password: "$argon2id$v=19$m=8,t=1,p=1$c2FsdA$aGFzaA".into(),
        created_at: at(0),
        updated_at: at(1),
        last_login: is_full.then(|| at(2)),
        verification: code("v"),
        reset: code("r"),
    }
}

fn values() -> Vec<(&'static str, chatcore::store::Key, Value)> {
    fn value<K: TypedKey>(case: &'static str, key: &K, value: K::Value) -> (&'static str, chatcore::store::Key, Value) {
        (case, key.key(), Value::of::<K>(value))
    }
    let user = user_id("0190");
    let holder = || Holder { user: user.clone() };
    let login = LoginId(id(1));
    let logged_in = |is_full: bool| LoginRecord {
        device: is_full.then(|| "A phone".to_owned()),
        address: is_full.then(|| "2001:db8::1".parse().unwrap()),
        created_at: at(0),
        last_used_at: at(1),
        expires_at: at(2),
    };
    let refresh = |rotated_at| RefreshRecord {
        user: user.clone(),
        family: "f".into(),
        number: 2,
        digest: "d".into(),
        expires_at: at(2),
        rotated_at,
    };
    let erasure = |is_full: bool| ErasureRecord {
        since: at(0),
        messages: is_full,
        done: is_full.then(|| SessionId(id(2))),
        after: u64::from(is_full),
        claimed_until: is_full.then(|| at(1)),
        left: if is_full { vec![SessionId(id(1))] } else { Vec::new() },
        failures: u32::from(is_full),
    };
    vec![
        value("account", &AccountRecords { user: user.clone() }, account(false)),
        value("account full", &AccountRecords { user: user.clone() }, account(true)),
        value("name", &AccountNames { name: "ada".into() }, holder()),
        value("look", &AccountLooks { skeleton: "ada".into() }, holder()),
        value("email", &AccountEmails { email: "ada@example.org".into() }, holder()),
        value("login", &Logins { user: user.clone(), login }, logged_in(false)),
        value("login full", &Logins { user: user.clone(), login }, logged_in(true)),
        value("picture", &Pictures { user: user.clone(), id: "00".into() }, PictureRecord { since: at(1) }),
        value("refresh token", &RefreshTokens { login }, refresh(Vec::new())),
        value("refresh token rotated", &RefreshTokens { login }, refresh(vec![at(1)])),
        value("erasure", &Erasures { user: user.clone() }, erasure(false)),
        value("erasure full", &Erasures { user: user.clone() }, erasure(true)),
        value("code", &MailCodes { digest: "d".into() }, CodeRecord { user: user.clone() }),
    ]
}

#[test]
fn values_are_stored_in_the_forms_of_the_golden_file() {
    let forms: BTreeMap<&str, Json> = values().into_iter().map(|(case, _, value)| (case, value.encode())).collect();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/accounts.json");
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
