//! Editing and deleting messages.

use super::*;

const EDIT: &str = "mutation($input: EditMessageInput!) {
    editMessage(input: $input) { message { id content revision editedAt deletedAt } }
}";
const DELETE: &str = "mutation($input: DeleteMessageInput!) {
    deleteMessage(input: $input) { message { id content revision editedAt deletedAt deletedBy } }
}";
const REVISIONS: &str = "query($id: ID!) { message(id: $id) { content revisions { revision content since } } }";

#[tokio::test]
async fn a_message_is_edited_and_deleted() {
    let (_, schema) = graph();
    let (alice, bob) = (user("alice"), user("bob"));
    let id = make(&schema, &alice, "PUBLIC").await;
    join(&schema, &bob, &id).await;
    let message = say(&schema, &bob, &id, "one").await["id"].clone();

    let edited = data(&schema, &bob, EDIT, json!({ "input": { "messageId": message, "content": "two" } })).await;
    let edited = &edited["editMessage"]["message"];
    assert_eq!(
        (&edited["content"], &edited["revision"], &edited["deletedAt"]),
        (&json!("two"), &json!(2), &Value::Null)
    );
    assert!(edited["editedAt"].is_string());
    let earlier = data(&schema, &alice, REVISIONS, json!({ "id": message })).await;
    let revisions = earlier["message"]["revisions"].as_array().unwrap();
    assert_eq!((revisions.len(), &revisions[0]["revision"], &revisions[0]["content"]), (1, &json!(1), &json!("one")));
    let refused = ask(&schema, &bob, REVISIONS, json!({ "id": message })).await;
    assert_eq!(codes(&refused), ["RESOURCE_ACCESS_DENIED"]);
    assert_eq!(refused["data"]["message"], json!({ "content": "two", "revisions": null }));

    let stale = json!({ "input": { "messageId": message, "content": "three", "revision": 1 } });
    let refused = ask(&schema, &bob, EDIT, stale).await;
    assert_eq!(codes(&refused), ["REVISION_CONFLICT"]);
    assert_eq!(refused["errors"][0]["extensions"]["details"]["current_revision"], 2);
    let by_alice = json!({ "input": { "messageId": message, "content": "three" } });
    assert_eq!(codes(&ask(&schema, &alice, EDIT, by_alice).await), ["MESSAGE_EDIT_DENIED"]);
    let none = json!({ "input": { "messageId": message } });
    assert_eq!(codes(&ask(&schema, &bob, EDIT, none).await), ["VALIDATION_REQUIRED_FIELD"]);
    let nowhere = json!({ "input": { "messageId": "x", "content": "three" } });
    assert_eq!(codes(&ask(&schema, &bob, EDIT, nowhere).await), ["VALIDATION_INVALID_FORMAT"]);

    let which = json!({ "input": { "messageId": message, "revision": 2 } });
    let gone = data(&schema, &alice, DELETE, which.clone()).await;
    let shown = &gone["deleteMessage"]["message"];
    assert_eq!(
        (&shown["content"], &shown["revision"], &shown["deletedBy"]),
        (&Value::Null, &json!(3), &json!("alice"))
    );
    assert_eq!((shown["deletedAt"].is_string(), &shown["editedAt"]), (true, &Value::Null));
    assert_eq!(data(&schema, &bob, DELETE, which).await, gone, "a retry changes nothing");
    let late = json!({ "input": { "messageId": message, "content": "three" } });
    assert_eq!(codes(&ask(&schema, &bob, EDIT, late).await), ["MESSAGE_DELETED"]);
    let earlier = data(&schema, &alice, REVISIONS, json!({ "id": message })).await;
    assert_eq!(earlier["message"], json!({ "content": null, "revisions": [] }));
}
