//! What the root of an operation selects is carried out once, however it is written.

use super::*;

#[tokio::test]
async fn a_mutation_that_is_selected_twice_is_carried_out_once() {
    let (chat, schema) = graph();
    let alice = user("alice");
    let id = make(&schema, &alice, "PRIVATE").await;
    let send = format!("sendMessage(input: {{sessionId: \"{id}\", content: \"x\"}})");
    let once = [
        format!("mutation {{ {send} {{ message {{ id }} }} {send} {{ message {{ content }} }} }}"),
        format!("mutation {{ ...A ...A }} fragment A on Mutation {{ {send} {{ message {{ id content }} }} }}"),
        format!(
            "mutation {{ ... {{ ...A }} ... on Mutation {{ {send} {{ ...B }} }} }}
            fragment A on Mutation {{ {send} {{ message {{ id }} }} }}
            fragment B on SendMessagePayload {{ message {{ content }} }}"
        ),
    ];
    for (n, query) in once.iter().enumerate() {
        let answer = data(&schema, &alice, query, json!({})).await;
        let message = &answer["sendMessage"]["message"];
        assert!(message["id"].is_string() && message["content"] == "x", "{answer:#}");
        let count = chat.sessions(&alice, chatcore::model::Page::FIRST).await.unwrap()[0].message_count;
        assert_eq!(count, n as u64 + 1, "{query}");
    }
    for query in [
        format!(
            "mutation {{ {send} {{ message {{ id }} }} sendMessage(input: {{sessionId: \"{id}\", content: \"y\"}}) {{ message {{ id }} }} }}"
        ),
        format!("mutation {{ {send} @include(if: true) {{ message {{ id }} }} {send} {{ message {{ id }} }} }}"),
        format!("mutation {{ ...A @include(if: true) }} fragment A on Mutation {{ {send} {{ message {{ id }} }} }}"),
        format!("mutation {{ ...A }} fragment A on Query {{ {send} {{ message {{ id }} }} }}"),
    ] {
        let answer = ask(&schema, &alice, &query, json!({})).await;
        assert_eq!(codes(&answer), ["VALIDATION_INVALID_VALUE"], "{query}");
    }
    let count = chat.sessions(&alice, chatcore::model::Page::FIRST).await.unwrap()[0].message_count;
    assert_eq!(count, 3);
}

#[tokio::test]
async fn a_subscription_may_stand_in_a_fragment() {
    let (_, schema) = graph();
    let alice = user("alice");
    let id = make(&schema, &alice, "PRIVATE").await;
    for query in [
        "subscription($id: ID!) { ...F } fragment F on Subscription { sessionEvents(sessionId: $id) { __typename } }",
        "subscription($id: ID!) { ... on Subscription { ... { sessionEvents(sessionId: $id) { ...D } } } }
            fragment D on Delivery { __typename }",
    ] {
        let mut events = follow(&schema, &alice, query, json!({ "id": id }));
        assert_eq!(next(&mut events).await["data"]["sessionEvents"]["__typename"], "Subscribed");
    }
}
