//! Each list is bounded.

use super::*;

/// Operations that answer with a list and take no limit, each with what bounds the list.
const BOUNDED: [(&str, &str); 9] = [
    ("listPins", "50 pins of a session"),
    ("listIncomingWebhooks", "10 incoming webhooks of a session"),
    ("listEmojis", "100 emojis of a session"),
    ("listBots", "20 bots of an owner"),
    ("listBotTokens", "10 tokens of a bot"),
    ("listCommands", "500 commands in a session"),
    ("listUserPresence", "100 users that are named"),
    ("listMessageRevisions", "100 edits of a message"),
    ("getSession", "50 messages and 50 participants"),
];

#[tokio::test]
async fn each_list_is_bounded() {
    let world = World::new();
    let app = world.app();
    let id = world.session("a", SessionType::Public).await;
    let mut lists = 0;
    for operation in world.operations() {
        let parameters = operation.described["parameters"].as_array().cloned().unwrap_or_default();
        let is_limited = parameters.iter().any(|parameter| parameter["name"] == "limit");
        let success = &operation.described["responses"]["200"]["content"]["application/json"]["schema"];
        let is_list = success["type"] == "array";
        if is_list && !is_limited {
            assert!(BOUNDED.iter().any(|(id, _)| *id == operation.id), "{} has no limit", operation.id);
        }
        if !is_limited {
            continue;
        }
        lists += 1;
        for limit in ["0", "101", "18446744073709551615", "99999999999999999999", "-1", "x"] {
            let path = format!("{}?limit={limit}", operation.at(id, "a"));
            let (status, _, text) = ask(&app, "a", &operation.method, &path, "*/*", None).await;
            assert!([400, 422].contains(&status), "{} {limit}: {status} {text}", operation.id);
        }
    }
    assert!(lists >= 5, "{lists}");
}
