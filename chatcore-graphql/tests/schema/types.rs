//! A value that cannot be what it must be fails the request, before anything of it is carried out.

use super::*;

/// Refused as a whole: there is no data.
async fn refused(schema: &ChatSchema, who: &Principal, query: &str, variables: Value) {
    let answer = ask(schema, who, query, variables.clone()).await;
    assert_eq!(codes(&answer), ["VALIDATION_INVALID_VALUE"], "{query} {variables} {answer}");
    assert_eq!(answer["data"], Value::Null, "{query} {variables} {answer}");
}

#[tokio::test]
async fn nothing_is_carried_out_before_a_bad_value_is_noticed() {
    let (chat, schema) = graph();
    let alice = user("alice");
    let id = make(&schema, &alice, "PRIVATE").await;
    let first = format!("a: sendMessage(input: {{sessionId: \"{id}\", content: \"x\"}}) {{ message {{ id }} }}");
    let send =
        format!("mutation ($i: SendMessageInput!) {{ {first} b: sendMessage(input: $i) {{ message {{ id }} }} }}");
    let create = format!(
        "mutation ($i: CreateSessionInput!) {{ ...F }} fragment F on Mutation {{ {first} ... {{ createSession(input: $i) {{ session {{ id }} }} }} }}"
    );
    let content = |content: Value| json!({ "i": { "sessionId": id, "encryptedContent": content } });
    let most = |most: Value| json!({ "i": { "title": "x", "maxParticipants": most } });
    let cases = [
        (&send, json!({ "i": 5 })),
        (&send, json!({ "i": "x" })),
        (&send, json!({ "i": [] })),
        (&send, json!({ "i": { "sessionId": id, "content": 5 } })),
        (&send, content(json!("x"))),
        (&send, content(json!({ "encryptedData": "x", "iv": "x", "keyVersion": 1_u64 << 31 }))),
        (&create, most(json!(1_u64 << 31))),
        (&create, most(json!(-1_i64 << 32))),
        (&create, most(json!(u64::MAX))),
        (&create, most(json!(1.5))),
    ];
    for (query, variables) in cases {
        refused(&schema, &alice, query, variables).await;
    }
    // A variable beside it that is not given, and its type as good as any.
    let beside = |argument: &str| {
        format!(
            "mutation ($i: ID!, $t: String, $m: MessageType, $c: String, $r: SpeakerRole, $e: EncryptedContentInput) {{
            {first} b: sendMessage(input: {{sessionId: $i, content: $t, messageType: $m, clientId: $c, role: $r,
            encryptedContent: $e {argument}}}) {{ message {{ id }} }} }}"
        )
    };
    for (name, bad) in [
        ("i", json!({})),
        ("i", json!(["x"])),
        ("i", json!(1.5)),
        ("t", json!(5)),
        ("m", json!("NOPE")),
        ("m", json!(true)),
        ("c", json!(false)),
        ("e", json!({ "encryptedData": "x", "iv": "x" })),
        ("e", json!({ "encryptedData": "x", "iv": null, "keyVersion": 1 })),
        ("e", json!({ "encryptedData": "x", "iv": "x", "keyVersion": 1, "more": 1 })),
    ] {
        let mut variables = json!({ "i": id });
        variables[name] = bad;
        refused(&schema, &alice, &beside(""), variables).await;
    }
    refused(&schema, &alice, &beside(", more: 1"), json!({ "i": id })).await;
    // As literals, as defaults and as parts of an object.
    for (variable, value) in [
        ("", "5"),
        ("($i: SendMessageInput! = 5)", "$i"),
        ("($c: EncryptedContentInput! = \"x\")", "{sessionId: \"\", encryptedContent: $c}"),
        ("", "{sessionId: \"\", encryptedContent: {encryptedData: \"\", iv: \"\", keyVersion: 3000000000}}"),
    ] {
        let query = format!("mutation {variable} {{ {first} b: sendMessage(input: {value}) {{ message {{ id }} }} }}");
        refused(&schema, &alice, &query, json!({})).await;
    }
    assert_eq!(chat.sessions(&alice, chatcore::model::Page::FIRST).await.unwrap()[0].message_count, 0);
    // And what is as it must be is carried out.
    let good = json!({ "i": id, "t": "x", "m": "IMAGE", "c": "c", "r": "ASSISTANT" });
    data(&schema, &alice, &beside(""), good).await;
    data(&schema, &alice, &beside(""), json!({ "i": id, "e": { "encryptedData": "x", "iv": "x", "keyVersion": 1 } }))
        .await;
    assert_eq!(chat.sessions(&alice, chatcore::model::Page::FIRST).await.unwrap()[0].message_count, 4);
}

#[tokio::test]
async fn values_are_looked_at_wherever_they_stand() {
    let (_, schema) = graph();
    let alice = user("alice");
    let id = make(&schema, &alice, "PRIVATE").await;
    // It may be null, so that a fault within would leave the rest of the data.
    let session = format!("node(id: \"{id}\")");
    for (query, variables) in [
        (
            format!(
                "query ($n: Int) {{ {session} {{ ... on Session {{ messages(last: $n) {{ edges {{ cursor }} }} }} }} }}"
            ),
            json!({ "n": 1_i64 << 40 }),
        ),
        (
            format!(
                "{{ {session} {{ ...F }} }} fragment F on Session {{ participants(first: 3000000000) {{ edges {{ cursor }} }} }}"
            ),
            json!({}),
        ),
        ("{ ... on Query { sessions(first: -3000000000) { edges { cursor } } } }".to_owned(), json!({})),
    ] {
        refused(&schema, &alice, &query, variables).await;
    }
    for (query, variables) in [
        ("subscription ($p: [PositionInput!]) { allSessionEvents(after: $p) { __typename } }", json!({ "p": [5] })),
        ("subscription ($p: [PositionInput!]) { allSessionEvents(after: $p) { __typename } }", json!({ "p": "x" })),
        (
            "subscription ($p: [PositionInput!]) { allSessionEvents(after: $p) { __typename } }",
            json!({ "p": [{ "sessionId": id, "seq": -1 }] }),
        ),
        (
            "subscription ($s: Long!) { allSessionEvents(after: [{sessionId: \"x\", seq: $s}]) { __typename } }",
            json!({ "s": "1" }),
        ),
    ] {
        let answer = next(&mut follow(&schema, &alice, query, variables.clone())).await;
        assert!(codes(&answer).iter().all(|code| *code == "VALIDATION_INVALID_VALUE"), "{answer}");
        assert!(!codes(&answer).is_empty() && answer["data"].is_null(), "{variables} {answer}");
    }
    // Lists would be read again for each event.
    let lists = format!(
        "subscription {{ sessionEvents(sessionId: \"{id}\") {{ ... on MessageSent {{ message {{ ...M }} }} }} }}
        fragment M on Message {{ session {{ title messages {{ nodes {{ id }} }} }} }}"
    );
    let answer = next(&mut follow(&schema, &alice, &lists, json!({}))).await;
    assert_eq!((codes(&answer), &answer["data"]), (vec!["VALIDATION_INVALID_VALUE"], &Value::Null));
    // One position stands for a list of one.
    let one = "subscription ($p: [PositionInput!]) { allSessionEvents(after: $p) { __typename } }";
    let answer = next(&mut follow(&schema, &alice, one, json!({ "p": { "sessionId": id, "seq": 0 } }))).await;
    assert_eq!(answer["errors"], Value::Null, "{answer}");
}
