//! An answer has the form of its document: an object for each object, and its fields in the order in which they are asked for.

use chatcore_graphql::async_graphql::Response;

use super::*;

/// An answer as it is written, in which the order of the fields shows.
fn text(response: &Response) -> String {
    serde_json::to_string(&response.data).unwrap()
}

async fn answer(schema: &ChatSchema, query: &str, variables: Value) -> String {
    let response = schema.execute(request(&user("alice"), query, variables)).await;
    assert!(response.is_ok(), "{query} {:?}", response.errors);
    text(&response)
}

#[tokio::test]
async fn what_selects_nothing_of_an_object_is_an_empty_object() {
    let (_, schema) = graph();
    let alice = user("alice");
    let id = make(&schema, &alice, "PUBLIC").await;
    let message = say(&schema, &alice, &id, "hello").await;
    let variables = json!({ "id": id, "m": message["id"], "no": false, "yes": true, "ids": [id, message["id"]] });
    let declared = [
        ("$id: ID!", "$id"),
        ("$m: ID!", "$m"),
        ("$no: Boolean!", "$no"),
        ("$yes: Boolean!", "$yes"),
        ("$ids: [ID!]!", "$ids"),
    ];
    for (query, expected) in [
        ("node(id: $id) { ... on Message { id } }", r#"{"node":{}}"#),
        ("node(id: $m) { ... on Session { id } ... on Message { content } }", r#"{"node":{"content":"hello"}}"#),
        ("node(id: $m) { ...S } } fragment S on Session { id", r#"{"node":{}}"#),
        ("nodes(ids: $ids) { ... on Message { seq } }", r#"{"nodes":[{},{"seq":2}]}"#),
        ("nodes(ids: $ids) { ... on Node { ... on Session { title } } }", r#"{"nodes":[{"title":"A room"},{}]}"#),
        ("nodes(ids: $ids) { id @include(if: $no) }", r#"{"nodes":[{},{}]}"#),
        ("me { id @skip(if: $yes) }", r#"{"me":{}}"#),
        ("me { ... @include(if: $no) { id } }", r#"{"me":{}}"#),
        ("me { ...U @skip(if: $yes) } } fragment U on User { id", r#"{"me":{}}"#),
        ("me @skip(if: $yes) { id }", "{}"),
        ("... @include(if: $no) { me { id } }", "{}"),
        ("__schema { queryType { name @skip(if: $yes) } }", r#"{"__schema":{"queryType":{}}}"#),
        ("__type(name: \"Query\") { name @skip(if: $yes) }", r#"{"__type":{}}"#),
        ("__type(name: \"Nothing\") { name @skip(if: $yes) }", r#"{"__type":null}"#),
        (
            "session(id: $id) { owner { id @skip(if: $yes) } messages { nodes { sender { id @skip(if: $yes) } } } }",
            r#"{"session":{"owner":{},"messages":{"nodes":[{"sender":{}}]}}}"#,
        ),
        (
            "session(id: $id) { messages { edges { node { encryptedContent { iv @skip(if: $yes) } } } pageInfo { hasNextPage @skip(if: $yes) } } }",
            r#"{"session":{"messages":{"edges":[{"node":{"encryptedContent":null}}],"pageInfo":{}}}}"#,
        ),
        (
            "events(sessionId: $id) { nodes { ... on MessageSent { seq } } edges { node { ... on SessionCreated { seq } } } }",
            r#"{"events":{"nodes":[{},{"seq":2}],"edges":[{"node":{"seq":1}},{"node":{}}]}}"#,
        ),
    ] {
        let used = declared.iter().filter(|(_, used)| {
            query
                .match_indices(used)
                .any(|(at, _)| !query[at + used.len()..].starts_with(|next: char| next.is_alphanumeric()))
        });
        let declarations: Vec<_> = used.map(|(declaration, _)| *declaration).collect();
        let declarations =
            if declarations.is_empty() { String::new() } else { format!("({})", declarations.join(", ")) };
        let query = format!("query{declarations} {{ {query} }}");
        assert_eq!(answer(&schema, &query, variables.clone()).await, expected, "{query}");
    }
    let nothing = "mutation { createSession(input: {title: \"x\"}) @skip(if: true) { session { id } } }";
    assert_eq!(answer(&schema, nothing, json!({})).await, "{}");
    let nothing = "mutation { createSession(input: {title: \"x\"}) { session { id @skip(if: true) } } }";
    assert_eq!(answer(&schema, nothing, json!({})).await, r#"{"createSession":{"session":{}}}"#);

    let variables = json!({ "id": id, "after": 0 });
    let follow = async |selection: &str| {
        let query = format!(
            "subscription($id: ID!, $after: Long) {{ e: sessionEvents(sessionId: $id, after: $after) {{ {selection} }} }}"
        );
        let mut events = follow(&schema, &alice, &query, variables.clone());
        let mut told = Vec::new();
        for _ in 0..3 {
            let response = events.next().await.unwrap();
            assert!(response.is_ok(), "{selection} {:?}", response.errors);
            told.push(text(&response));
        }
        told
    };
    let empty = r#"{"e":{}}"#;
    assert_eq!(follow("... on Typing { isTyping }").await, [empty, empty, empty]);
    assert_eq!(follow("... on SessionEvent { seq }").await, [empty, r#"{"e":{"seq":1}}"#, r#"{"e":{"seq":2}}"#]);
    assert_eq!(follow("__typename @skip(if: true)").await, [empty, empty, empty]);
    assert_eq!(
        follow("... on MessageSent { message { ... @include(if: false) { id } } actor { id @skip(if: true) } }").await,
        [empty, empty, r#"{"e":{"message":{},"actor":{}}}"#]
    );
}

#[tokio::test]
async fn fields_come_in_the_order_in_which_they_are_asked_for() {
    let (_, schema) = graph();
    let alice = user("alice");
    let id = make(&schema, &alice, "PUBLIC").await;
    say(&schema, &alice, &id, "hello").await;
    // Those that have to be loaded stand before those that have not.
    let query = "query($id: ID!) {
        b: session(id: $id) { messages { totalCount } title ...F owner { name id } ... on Session { id owner { username } } }
        __typename
        a: me { name id }
        b: session(id: $id) { seq title }
    }
    fragment F on Session { participants { pageInfo { hasNextPage } nodes { role isOwner user { name id } } } seq id ...G }
    fragment G on Session { messages { nodes { session { title id } content } } isActive }";
    let expected = concat!(
        r#"{"b":{"messages":{"totalCount":1,"nodes":[{"session":{"title":"A room","id":"ID"},"content":"hello"}]},"#,
        r#""title":"A room","participants":{"pageInfo":{"hasNextPage":false},"nodes":[{"role":"OWNER","isOwner":true,"#,
        r#""user":{"name":"alice","id":"alice"}}]},"seq":2,"id":"ID","isActive":true,"#,
        r#""owner":{"name":"alice","id":"alice","username":"alice"}},"__typename":"Query","a":{"name":"alice","id":"alice"}}"#
    );
    assert_eq!(answer(&schema, query, json!({ "id": id })).await, expected.replace("ID", &id));
    // A fragment on an interface and one on its type.
    let node = "query($id: ID!) { node(id: $id) { ... on Session { title } id ... on Node { __typename } ... on Session { seq title } } }";
    assert_eq!(
        answer(&schema, node, json!({ "id": id })).await,
        format!(r#"{{"node":{{"title":"A room","id":"{id}","__typename":"Session","seq":2}}}}"#)
    );
    // With a field that fails among them.
    let failing = "query($id: ID!) { x: session(id: \"x\") { id } me { id } session(id: $id) { participants(first: 0) { nodes { id } } title } y: message(id: \"x\") { id } }";
    let response = schema.execute(request(&alice, failing, json!({ "id": id }))).await;
    assert_eq!(response.errors.len(), 3);
    assert_eq!(
        text(&response),
        r#"{"x":null,"me":{"id":"alice"},"session":{"participants":null,"title":"A room"},"y":null}"#
    );
    // Where everything of an object fails, the object is there.
    let failing = "query($id: ID!) { session(id: $id) { participants(first: 0) { nodes { id } } messages(first: 0) { nodes { id } } } }";
    let response = schema.execute(request(&alice, failing, json!({ "id": id }))).await;
    assert_eq!(text(&response), r#"{"session":{"participants":null,"messages":null}}"#);
    let mutation = "mutation { b: createSession(input: {title: \"B\"}) { session { seq messages { totalCount } title } }
        x: createSession(input: {title: \"\"}) { session { id } } a: createSession(input: {title: \"A\"}) { session { title } } }";
    let response = schema.execute(request(&alice, mutation, json!({}))).await;
    assert_eq!(
        text(&response),
        r#"{"b":{"session":{"seq":1,"messages":{"totalCount":0},"title":"B"}},"x":null,"a":{"session":{"title":"A"}}}"#
    );
    let events = "subscription($id: ID!) { sessionEvents(sessionId: $id, after: 1) {
        ... on MessageSent { message { session { title id } content seq } clientId } ...E ... on Subscribed { sessionId after } __typename } }
        fragment E on SessionEvent { seq actor { name id } }";
    let mut events = follow(&schema, &alice, events, json!({ "id": id }));
    let first = format!(r#"{{"sessionEvents":{{"sessionId":"{id}","after":1,"__typename":"Subscribed"}}}}"#);
    assert_eq!(text(&events.next().await.unwrap()), first);
    let second = concat!(
        r#"{"sessionEvents":{"message":{"session":{"title":"A room","id":"ID"},"content":"hello","seq":2},"#,
        r#""clientId":null,"seq":2,"actor":{"name":"alice","id":"alice"},"__typename":"MessageSent"}}"#
    );
    assert_eq!(text(&events.next().await.unwrap()), second.replace("ID", &id));
}

#[tokio::test]
async fn what_cannot_be_one_field_is_refused_wherever_it_stands() {
    let (_, schema) = graph();
    let alice = user("alice");
    for query in [
        "{ me { x: id x: name } }",
        "{ me { x: id ... on User { x: name } } }",
        "{ me { x: id ...F } } fragment F on User { x: name }",
        "{ me { id } ... on Query { me: session(id: \"x\") { id } } }",
        "{ s: sessions(first: 1) { nodes { id } } ...F } fragment F on Query { s: sessions(first: 2) { nodes { id } } }",
        "{ s: sessions(first: 1) { nodes { id } } ... { s: sessions { nodes { id } } } }",
        "query($n: Int = 1) { sessions(first: $n) { nodes { id } } sessions(first: 1) { nodes { id } } }",
        "{ node(id: \"x\") { ... on Session { x: title } ... on Node { x: id } } }",
        "{ node(id: \"x\") { ... on User { id } } }",
    ] {
        let answer = ask(&schema, &alice, query, json!({})).await;
        assert_eq!(answer["data"], Value::Null, "{query} {answer}");
        assert!(codes(&answer).contains(&"VALIDATION_INVALID_VALUE"), "{query} {answer}");
    }
    // The order of arguments says nothing.
    let same = "{ s: sessions(first: 1, after: null) { nodes { id } } ... { s: sessions(after: null, first: 1) { nodes { seq } } } }";
    assert_eq!(data(&schema, &alice, same, json!({})).await, json!({ "s": { "nodes": [] } }));
}

#[tokio::test]
async fn introspection_has_the_form_of_its_document() {
    let (_, schema) = graph();
    let query = include_str!("introspection.graphql");
    let whole = schema.execute(request(&user("alice"), query, json!({}))).await;
    let text = text(&whole);
    assert!(text.starts_with(r#"{"__schema":{"#), "{}", &text[..200]);
    // Every field of every type of introspection.
    let types = "{ __schema { types { name fields(includeDeprecated: true) { name type { name kind ofType { name kind
        ofType { name kind ofType { name kind } } } } } } } }";
    let found = data(&schema, &user("alice"), types, json!({})).await;
    let fields_of = |name: &str| {
        let types = found["__schema"]["types"].as_array().unwrap();
        let of = types.iter().find(|of| of["name"] == name).unwrap();
        let selected = |field: &Value| {
            let mut of = &field["type"];
            while of["name"].is_null() {
                of = &of["ofType"];
            }
            let inner = if of["kind"] == "OBJECT" { "{ __typename }" } else { "" };
            format!("{} {inner} ", field["name"].as_str().unwrap())
        };
        of["fields"].as_array().unwrap().iter().map(selected).collect::<String>()
    };
    for (path, name) in [
        ("PART", "__Schema"),
        ("types { PART }", "__Type"),
        ("types { fields { PART } }", "__Field"),
        ("types { fields { args { PART } } }", "__InputValue"),
        ("types { enumValues { PART } }", "__EnumValue"),
        ("directives { PART }", "__Directive"),
    ] {
        let query = format!("{{ __schema {{ {} }} }}", path.replace("PART", &fields_of(name)));
        answer(&schema, &query, json!({})).await;
    }
}
