//! Messages that are kept for a time.

use chatcore::{MemoryStore, TestClock};
use chrono::TimeDelta;

use super::*;

const UPDATE: &str =
    "mutation($input: UpdateSessionInput!) { updateSession(input: $input) { session { messageLifetime } } }";
const MESSAGE: &str = "query($id: ID!) { message(id: $id) { content deletedAt deletedBy } }";
const EVENTS: &str = "query($id: ID!) { events(sessionId: $id) { nodes {
    __typename ... on MessageDeleted { messages deletedBy }
    ... on SessionUpdated { changed changes { messageLifetime } }
} } }";

#[tokio::test]
async fn a_deleted_message_names_nobody_where_its_lifetime_had_ended() {
    let clock = TestClock::default();
    let chat = Chat::builder(MemoryStore::new()).clock(clock.clone()).build();
    let schema = schema(chat.clone(), SchemaOptions::default());
    let alice = user("alice");
    let id = make(&schema, &alice, "PUBLIC").await;
    let message = say(&schema, &alice, &id, "one").await["id"].clone();
    let set = |lifetime: Value| json!({ "input": { "sessionId": id, "messageLifetime": lifetime } });
    let shown = data(&schema, &alice, UPDATE, set(json!(60))).await;
    assert_eq!(shown, json!({ "updateSession": { "session": { "messageLifetime": 60 } } }));
    assert_eq!(codes(&ask(&schema, &alice, UPDATE, set(json!(59))).await), ["VALIDATION_INVALID_VALUE"]);
    clock.advance(TimeDelta::seconds(60));
    // The chat may have done so by itself.
    while chat.run_due().await.unwrap() > 0 {}
    let shown = data(&schema, &alice, MESSAGE, json!({ "id": message })).await;
    let shown = &shown["message"];
    assert_eq!((&shown["content"], &shown["deletedBy"]), (&Value::Null, &Value::Null));
    assert!(shown["deletedAt"].is_string());
    let shown = data(&schema, &alice, UPDATE, set(Value::Null)).await;
    assert_eq!(shown, json!({ "updateSession": { "session": { "messageLifetime": null } } }));
    let told = data(&schema, &alice, EVENTS, json!({ "id": id })).await;
    let told = told["events"]["nodes"].as_array().unwrap();
    let updated = |lifetime: Value| {
        let changes = json!({ "messageLifetime": lifetime });
        json!({ "__typename": "SessionUpdated", "changed": ["MESSAGE_LIFETIME"], "changes": changes })
    };
    let deleted = json!({ "__typename": "MessageDeleted", "messages": [message], "deletedBy": null });
    assert_eq!(told[told.len() - 3..], [updated(json!(60)), deleted, updated(Value::Null)]);
}
