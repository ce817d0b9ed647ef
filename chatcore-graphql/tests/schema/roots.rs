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
    // Conditions say what is selected, and not how often it is carried out.
    let conditional = [
        (format!("mutation {{ {send} @include(if: true) {{ message {{ id }} }} {send} {{ message {{ id }} }} }}"), 1),
        (
            format!(
                "mutation {{ ...A @include(if: true) }} fragment A on Mutation {{ {send} {{ message {{ id }} }} }}"
            ),
            1,
        ),
        (format!("mutation {{ ... @skip(if: true) {{ {send} {{ message {{ id }} }} }} __typename }}"), 0),
        (format!("mutation($no: Boolean! = false) {{ {send} @include(if: $no) {{ message {{ id }} }} }}"), 0),
    ];
    let count = async || chat.sessions(&alice, chatcore::model::Page::FIRST).await.unwrap()[0].message_count;
    for (query, times) in conditional {
        let before = count().await;
        data(&schema, &alice, &query, json!({})).await;
        assert_eq!(count().await, before + times, "{query}");
    }
    let before = count().await;
    let other = format!("sendMessage(input: {{sessionId: \"{id}\", content: \"y\"}})");
    for query in [
        format!("mutation {{ {send} {{ message {{ id }} }} {other} {{ message {{ id }} }} }}"),
        format!("mutation {{ {send} {{ message {{ id }} }} ... {{ {other} {{ message {{ id }} }} }} }}"),
        format!("mutation {{ ...A }} fragment A on Query {{ {send} {{ message {{ id }} }} }}"),
    ] {
        let answer = ask(&schema, &alice, &query, json!({})).await;
        assert_eq!(answer["data"], Value::Null, "{query} {answer}");
        assert!(codes(&answer).iter().all(|code| *code == "VALIDATION_INVALID_VALUE"), "{query} {answer}");
    }
    assert_eq!(count().await, before);
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

#[tokio::test]
async fn a_subscription_has_one_root_field_whatever_its_variables_are() {
    let (_, schema) = graph();
    let alice = user("alice");
    let id = make(&schema, &alice, "PRIVATE").await;
    // Twice the same is one (section 6.3.2).
    let twice = "subscription($id: ID!) { sessionEvents(sessionId: $id) { __typename } ...F }
        fragment F on Subscription { sessionEvents(sessionId: $id) { ... on Subscribed { after } } }";
    let mut events = follow(&schema, &alice, twice, json!({ "id": id }));
    let first = json!({ "__typename": "Subscribed", "after": 1 });
    assert_eq!(next(&mut events).await["data"]["sessionEvents"], first);
    say(&schema, &alice, &id, "once").await;
    assert_eq!(next(&mut events).await["data"]["sessionEvents"], json!({ "__typename": "MessageSent" }));

    let all = "allSessionEvents { __typename }";
    for query in [
        format!("subscription {{ a: {all} b: {all} }}"),
        format!("subscription {{ {all} __typename }}"),
        "subscription { __typename }".to_owned(),
        "subscription { __schema { queryType { name } } }".to_owned(),
        format!("subscription {{ {all} ...F }} fragment F on Subscription {{ b: {all} }}"),
        format!("subscription {{ {all} b: allSessionEvents @skip(if: true) {{ __typename }} }}"),
        "subscription { allSessionEvents @skip(if: true) { __typename } }".to_owned(),
        "subscription($yes: Boolean!) { allSessionEvents @include(if: $yes) { __typename } }".to_owned(),
        format!("subscription {{ ... @include(if: true) {{ {all} }} }}"),
        format!("subscription {{ ...F @skip(if: false) }} fragment F on Subscription {{ {all} }}"),
    ] {
        let mut events = follow(&schema, &alice, &query, json!({ "yes": true }));
        let answer = next(&mut events).await;
        assert_eq!(answer["data"], Value::Null, "{query} {answer}");
        assert!(codes(&answer).contains(&"VALIDATION_INVALID_VALUE"), "{query} {answer}");
        assert!(events.next().await.is_none(), "{query}");
    }
}
