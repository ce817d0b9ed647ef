//! Pinning messages.

use super::*;

const PIN: &str = "mutation($input: PinMessageInput!) { pinMessage(input: $input) { messageId } }";
const UNPIN: &str = "mutation($input: UnpinMessageInput!) { unpinMessage(input: $input) { messageId } }";
const PINS: &str = "query($id: ID!) { pins(sessionId: $id) { message { id content } pinnedBy { id } pinnedAt } }";
const EVENTS: &str = "query($id: ID!) { events(sessionId: $id) { nodes {
    __typename ... on MessagePinned { messageId actor { id } } ... on MessageUnpinned { messageId actor { id } }
} } }";

#[tokio::test]
async fn a_message_is_pinned_and_unpinned() {
    let (_, schema) = graph();
    let (alice, bob) = (user("alice"), user("bob"));
    let id = make(&schema, &alice, "PUBLIC").await;
    join(&schema, &bob, &id).await;
    let message = say(&schema, &bob, &id, "one").await["id"].clone();
    let input = json!({ "input": { "messageId": message } });

    for change in [PIN, UNPIN] {
        assert_eq!(codes(&ask(&schema, &bob, change, input.clone()).await), ["RESOURCE_ACCESS_DENIED"]);
    }
    let pinned = data(&schema, &alice, PIN, input.clone()).await;
    assert_eq!(pinned, json!({ "pinMessage": { "messageId": message } }));
    assert_eq!(data(&schema, &alice, PIN, input.clone()).await, pinned, "a retry changes nothing");
    let shown = data(&schema, &bob, PINS, json!({ "id": id })).await;
    let pin = &shown["pins"][0];
    assert_eq!(pin["message"], json!({ "id": message, "content": "one" }));
    assert_eq!((&pin["pinnedBy"]["id"], pin["pinnedAt"].is_string()), (&json!("alice"), true));

    let unpinned = data(&schema, &alice, UNPIN, input.clone()).await;
    assert_eq!(unpinned, json!({ "unpinMessage": { "messageId": message } }));
    assert_eq!(data(&schema, &bob, PINS, json!({ "id": id })).await, json!({ "pins": [] }));
    let told = data(&schema, &bob, EVENTS, json!({ "id": id })).await;
    let told = told["events"]["nodes"].as_array().unwrap();
    let event = |name: &str| json!({ "__typename": name, "messageId": message, "actor": { "id": "alice" } });
    assert_eq!(told[told.len() - 2..], [event("MessagePinned"), event("MessageUnpinned")]);
    let nowhere = json!({ "input": { "messageId": "x" } });
    assert_eq!(codes(&ask(&schema, &alice, PIN, nowhere).await), ["VALIDATION_INVALID_FORMAT"]);
}
