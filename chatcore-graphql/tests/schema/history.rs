//! The part of the history that participants see.

use chatcore::MemoryStore;

use super::*;

const CREATE: &str =
    "mutation($input: CreateSessionInput!) { createSession(input: $input) { session { id historyVisibility } } }";
const UPDATE: &str =
    "mutation($input: UpdateSessionInput!) { updateSession(input: $input) { session { historyVisibility } } }";
const EDIT: &str = "mutation($input: EditMessageInput!) { editMessage(input: $input) { message { content } } }";
const READ: &str = "query($id: ID!, $message: ID!) {
    session(id: $id) { messages(last: 50) { totalCount nodes { content } } unread { count } lastMessage { content } }
    sessions { nodes { lastMessage { content } } }
    events(sessionId: $id) { nodes {
        __typename ... on MessageSent { message { content } } ... on MessageEdited { messageId message { content } }
        ... on SessionUpdated { changed changes { historyVisibility } }
    } }
    message(id: $message) { content }
}";

#[tokio::test]
async fn a_newcomer_reads_what_came_since() {
    let schema = schema(Chat::new(MemoryStore::new()), SchemaOptions::default());
    let [alice, bob] = ["alice", "bob"].map(user);
    let new = json!({ "title": "Since", "sessionType": "PUBLIC", "historyVisibility": "SINCE_JOINING" });
    let made = data(&schema, &alice, CREATE, json!({ "input": new })).await["createSession"]["session"].clone();
    let id = made["id"].as_str().unwrap();
    assert_eq!(made["historyVisibility"], "SINCE_JOINING");
    let old = say(&schema, &alice, id, "secret").await["id"].clone();
    join(&schema, &bob, id).await;
    let read = async || {
        let answer = ask(&schema, &bob, READ, json!({ "id": id, "message": old })).await;
        assert_eq!(codes(&answer), ["MESSAGE_NOT_FOUND"]);
        let answer = answer["data"].clone();
        assert!(!answer.to_string().contains("secret"), "{answer}");
        answer
    };
    let none = read().await;
    assert_eq!(none["session"]["messages"], json!({ "totalCount": 0, "nodes": [] }));
    assert_eq!(none["sessions"]["nodes"], json!([{ "lastMessage": null }]));
    say(&schema, &alice, id, "open").await;
    data(&schema, &alice, EDIT, json!({ "input": { "messageId": old, "content": "secret again" } })).await;
    let since = read().await;
    assert_eq!(since["session"]["messages"], json!({ "totalCount": 1, "nodes": [{ "content": "open" }] }));
    assert_eq!(since["session"]["unread"]["count"], 1);
    let told = &since["events"]["nodes"];
    let edited = json!({ "__typename": "MessageEdited", "messageId": old, "message": null });
    assert_eq!(
        (&told[0]["__typename"], &told[2], told.as_array().unwrap().len()),
        (&json!("ParticipantJoined"), &edited, 3)
    );
    let all = json!({ "input": { "sessionId": id, "historyVisibility": "ALL" } });
    let shown = data(&schema, &alice, UPDATE, all).await;
    assert_eq!(shown, json!({ "updateSession": { "session": { "historyVisibility": "ALL" } } }));
    let shown = data(&schema, &bob, READ, json!({ "id": id, "message": old })).await;
    assert_eq!(shown["session"]["messages"]["totalCount"], 2);
    assert_eq!(shown["message"]["content"], "secret again");
    let told = shown["events"]["nodes"].as_array().unwrap();
    let changed = json!({
        "__typename": "SessionUpdated", "changed": ["HISTORY_VISIBILITY"], "changes": { "historyVisibility": "ALL" },
    });
    assert_eq!(told.last(), Some(&changed));
    let null = json!({ "input": { "sessionId": id, "historyVisibility": null } });
    assert_eq!(codes(&ask(&schema, &alice, UPDATE, null).await).len(), 1);
}
