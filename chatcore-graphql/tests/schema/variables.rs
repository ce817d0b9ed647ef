//! A variable that is not given is absent, and absent is not null (GraphQL, sections 3.10 and 6.4.1).

use super::*;

/// The title and the description of a session.
async fn texts(schema: &ChatSchema, who: &Principal, id: &str) -> Value {
    let query = "query($id: ID!) { session(id: $id) { title description sessionType maxParticipants } }";
    data(schema, who, query, json!({ "id": id })).await["session"].clone()
}

const UPDATE: &str = "mutation($id: ID!, $title: String, $description: String, $type: SessionType, $most: Int) {
    updateSession(input: {sessionId: $id, title: $title, description: $description, sessionType: $type,
        maxParticipants: $most}) { session { id } }
}";

#[tokio::test]
async fn a_field_of_an_input_object_whose_variable_is_not_given_is_absent() {
    let (_, schema) = graph();
    let alice = user("alice");
    let create = "mutation($input: CreateSessionInput!) { createSession(input: $input) { session { id } } }";
    let input = json!({ "title": "A room", "description": "About", "sessionType": "PUBLIC", "maxParticipants": 7 });
    let made = data(&schema, &alice, create, json!({ "input": input })).await;
    let id = made["createSession"]["session"]["id"].as_str().unwrap();
    assert_eq!(texts(&schema, &alice, id).await, input);

    data(&schema, &alice, UPDATE, json!({ "id": id })).await;
    assert_eq!(texts(&schema, &alice, id).await, input, "nothing was given, so nothing changes");
    data(&schema, &alice, UPDATE, json!({ "id": id, "title": "New" })).await;
    let mut renamed = input.clone();
    renamed["title"] = json!("New");
    assert_eq!(texts(&schema, &alice, id).await, renamed, "the description stays");
    // The same in a fragment, and in an operation that is chosen by its name.
    let chosen = "query Q { me { id } } mutation M($id: ID!, $description: String) { ...F }
        fragment F on Mutation { updateSession(input: {sessionId: $id, description: $description}) { session { id } } }";
    let named = request(&alice, chosen, json!({ "id": id })).operation_name("M");
    assert!(schema.execute(named).await.is_ok());
    assert_eq!(texts(&schema, &alice, id).await, renamed);
    // A default counts as given, and so does null.
    let default = "mutation($id: ID!, $description: String = \"Default\") {
        updateSession(input: {sessionId: $id, description: $description}) { session { description } }
    }";
    let changed = data(&schema, &alice, default, json!({ "id": id })).await;
    assert_eq!(changed["updateSession"]["session"]["description"], "Default");
    let cleared = data(&schema, &alice, default, json!({ "id": id, "description": null })).await;
    assert_eq!(cleared["updateSession"]["session"]["description"], Value::Null);
    let null = ask(&schema, &alice, UPDATE, json!({ "id": id, "title": null })).await;
    assert_eq!(codes(&null), ["VALIDATION_INVALID_VALUE"], "null is no title");
    let null = default.replace("= \"Default\"", "= null");
    data(&schema, &alice, default, json!({ "id": id })).await;
    let cleared = data(&schema, &alice, &null, json!({ "id": id })).await;
    assert_eq!(cleared["updateSession"]["session"]["description"], Value::Null, "a default of null is null");
}

#[tokio::test]
async fn an_absent_variable_is_absent_in_every_place() {
    let (_, schema) = graph();
    let alice = user("alice");
    let id = make(&schema, &alice, "PRIVATE").await;
    let (one, two) = (say(&schema, &alice, &id, "1").await, say(&schema, &alice, &id, "2").await);
    // Arguments.
    let lists =
        "query($id: ID!, $first: Int, $after: String, $last: Int, $before: String, $skip: Long, $mail: Boolean) {
        messages(sessionId: $id, first: $first, after: $after, last: $last, before: $before, skip: $skip) { totalCount }
        participants(sessionId: $id, first: $first, after: $after, includeEmail: $mail) { nodes { isOwner } }
        sessions(first: $first, after: $after) { nodes { id } }
    }";
    let found = data(&schema, &alice, lists, json!({ "id": id })).await;
    assert_eq!(found["messages"]["totalCount"], 2);
    // Objects within objects, and everything beside them.
    let send = "mutation($id: ID!, $content: String, $encrypted: EncryptedContentInput, $client: String,
        $role: SpeakerRole, $type: MessageType) { sendMessage(input: {sessionId: $id, content: $content,
        encryptedContent: $encrypted, clientId: $client, role: $role, messageType: $type}) { message { content role } } }";
    let sent = data(&schema, &alice, send, json!({ "id": id, "content": "x" })).await;
    assert_eq!(sent["sendMessage"]["message"], json!({ "content": "x", "role": "USER" }));
    let none = ask(&schema, &alice, send, json!({ "id": id })).await;
    assert_eq!(codes(&none), ["VALIDATION_REQUIRED_FIELD"]);
    // What must be there is missed before anything is carried out.
    for (query, variables) in [
        ("mutation($t: String) { createSession(input: {title: $t}) { session { id } } }", json!({})),
        ("mutation($s: Int) { createSession(input: {maxParticipants: $s}) { session { id } } }", json!({ "s": 5 })),
        ("mutation { createSession(input: {title: null}) { session { id } } }", json!({})),
        (
            "mutation($i: ID!, $d: String) { sendMessage(input: {sessionId: $i,
                encryptedContent: {encryptedData: $d, iv: \"x\", keyVersion: 1}}) { message { id } } }",
            json!({ "i": id }),
        ),
        ("query($a: ID!, $b: ID) { nodes(ids: [$a, $b]) { id } }", json!({ "a": id })),
        ("query($a: ID) { nodes(ids: [$a]) { id } }", json!({})),
        ("query($a: ID = null) { nodes(ids: [$a]) { id } }", json!({})),
        ("query($a: [ID!]) { nodes(ids: $a) { id } }", json!({})),
        ("query($a: ID) { session(id: $a) { id } }", json!({})),
        ("query($a: ID = \"x\") { session(id: $a) { id } }", json!({ "a": null })),
        ("query($x: Boolean) { me @include(if: $x) { id } }", json!({})),
        ("query($x: Boolean!) { me @include(if: $x) { id } }", json!({})),
        ("query($x: Boolean!) { me @skip(if: $x) { id } }", json!({ "x": null })),
        ("query($x: Boolean!) { me @skip(if: $x) { id } }", json!({ "x": "true" })),
        ("query($x: Boolean!) { me @skip(if: $x) { id } }", json!({ "x": 1 })),
        ("query($x: Boolean) { __typename @skip(if: $x) }", json!({ "x": true })),
        ("{ __typename @skip(if: $x) }", json!({ "x": true })),
        ("{ __typename @unknown }", json!({})),
        ("{ __typename(x: 1) }", json!({})),
        ("{ __typename { x } }", json!({})),
    ] {
        let answer = ask(&schema, &alice, query, variables).await;
        assert_eq!(answer["data"], Value::Null, "{query} {answer}");
        assert!(codes(&answer).contains(&"VALIDATION_INVALID_VALUE"), "{query} {answer}");
    }
    for query in [
        "subscription($x: ID) { allSessionEvents(after: {sessionId: $x, seq: 1}) { __typename } }",
        "subscription($p: PositionInput) { allSessionEvents(after: [$p]) { __typename } }",
    ] {
        let answer = next(&mut follow(&schema, &alice, query, json!({ "s": id }))).await;
        assert!(answer["data"].is_null() && codes(&answer).contains(&"VALIDATION_INVALID_VALUE"), "{query} {answer}");
    }
    let neither =
        "subscription($s: ID!, $q: Long) { allSessionEvents(after: [{sessionId: $s, seq: $q}]) { __typename } }";
    let answer = next(&mut follow(&schema, &alice, neither, json!({ "s": id }))).await;
    assert_eq!(codes(&answer), ["VALIDATION_REQUIRED_FIELD"], "{answer}");
    // What is given beside it is used.
    let ids = "query($a: ID!, $b: ID = \"nothing\") { nodes(ids: [$a, $b]) { id } }";
    let found = data(&schema, &alice, ids, json!({ "a": one["id"], "b": two["id"] })).await;
    assert_eq!(found["nodes"], json!([{ "id": one["id"] }, { "id": two["id"] }]));
    let listed = "subscription($s: ID!, $q: Long! = 0, $p: [PositionInput!]) { allSessionEvents(after: [{sessionId: $s,
        seq: $q}]) { ... on Subscribed { after } } }";
    let unused = next(&mut follow(&schema, &alice, listed, json!({ "s": id }))).await;
    assert_eq!(codes(&unused), ["VALIDATION_INVALID_VALUE"], "a variable that is never used");
    let listed = listed.replace(", $p: [PositionInput!]", "");
    let first = next(&mut follow(&schema, &alice, &listed, json!({ "s": id }))).await;
    assert_eq!(first["data"]["allSessionEvents"], json!({ "after": 0 }));
    // No positions at all is not a list without any.
    let absent =
        "subscription($s: ID!, $a: Long) { sessionEvents(sessionId: $s, after: $a) { ... on Subscribed { after } } }";
    let first = next(&mut follow(&schema, &alice, absent, json!({ "s": id }))).await;
    assert_eq!(first["data"]["sessionEvents"], json!({ "after": 4 }));
}

#[tokio::test]
async fn defaults_count_wherever_a_variable_stands() {
    let (_, schema) = graph();
    let alice = user("alice");
    for (query, variables, expected) in [
        ("query($x: Boolean = true) { a: __typename @include(if: $x) }", json!({}), json!({ "a": "Query" })),
        (
            "query($x: Boolean! = true) { a: __typename @skip(if: $x) b: __typename }",
            json!({}),
            json!({ "b": "Query" }),
        ),
        ("query($x: Boolean = true) { a: __typename @skip(if: $x) }", json!({ "x": false }), json!({ "a": "Query" })),
        (
            "query($x: Boolean = true) { ...F @skip(if: $x) ... @include(if: $x) { b: __typename } }
                fragment F on Query { a: __typename }",
            json!({}),
            json!({ "b": "Query" }),
        ),
        (
            "query($x: Boolean = false) { me { ...F } } fragment F on User { id name @include(if: $x) }",
            json!({}),
            json!({ "me": { "id": "alice" } }),
        ),
    ] {
        assert_eq!(data(&schema, &alice, query, variables).await, expected, "{query}");
    }
    let made = data(
        &schema,
        &alice,
        "mutation($i: CreateSessionInput! = {title: \"T\", sessionType: PUBLIC}, $t: SessionType = INVITE_ONLY) {
            a: createSession(input: $i) { session { title sessionType description } }
            b: createSession(input: {title: \"U\", sessionType: $t}) { session { sessionType } }
        }",
        json!({}),
    )
    .await;
    assert_eq!(
        made,
        json!({
            "a": { "session": { "title": "T", "sessionType": "PUBLIC", "description": null } },
            "b": { "session": { "sessionType": "INVITE_ONLY" } },
        })
    );
}

#[tokio::test]
async fn literals_and_variables_are_read_as_their_grammars_have_it() {
    let (_, schema) = graph();
    let alice = user("alice");
    let id = make(&schema, &alice, "PRIVATE").await;
    // A name is no string in a document, and a string no name; JSON has only strings.
    for query in [
        "mutation { createSession(input: {title: \"x\", sessionType: \"PUBLIC\"}) { session { id } } }",
        "mutation($t: SessionType = \"PUBLIC\") { createSession(input: {title: \"x\", sessionType: $t}) { session { id } } }",
        "mutation { createSession(input: {title: PUBLIC}) { session { id } } }",
        "mutation { createSession(input: {title: 5}) { session { id } } }",
        "mutation { createSession(input: {title: [\"x\"]}) { session { id } } }",
        "mutation { createSession(input: [{title: \"x\"}]) { session { id } } }",
        "{ sessions(first: 1.0) { nodes { id } } }",
        "{ sessions(first: 1e1) { nodes { id } } }",
        "{ sessions(first: \"1\") { nodes { id } } }",
        "{ sessions(first: -0.0) { nodes { id } } }",
        "{ session(id: true) { id } }",
        "{ me @include(if: \"true\") { id } }",
        "{ me @include(if: 1) { id } }",
        "{ me @include { id } }",
    ] {
        let answer = ask(&schema, &alice, query, json!({})).await;
        assert_eq!(answer["data"], Value::Null, "{query} {answer}");
        assert!(codes(&answer).iter().all(|code| *code == "VALIDATION_INVALID_VALUE"), "{query} {answer}");
    }
    for (query, variables) in [
        ("{ messages(sessionId: \"ID\", skip: -0) { totalCount } }", json!({})),
        ("{ messages(sessionId: \"ID\", after: \"0\", first: 2) { totalCount } }", json!({})),
        ("query($s: Long) { messages(sessionId: \"ID\", skip: $s) { totalCount } }", json!({ "s": -0.0 })),
        ("query($n: Int) { messages(sessionId: \"ID\", first: $n) { totalCount } }", json!({ "n": 100 })),
    ] {
        let found = data(&schema, &alice, &query.replace("ID\"", &format!("{id}\"")), variables).await;
        assert_eq!(found["messages"]["totalCount"], 0, "{query}");
    }
    // A number is an id in both, and names nothing here.
    for (query, variables) in
        [("{ session(id: 7) { id } }", json!({})), ("query($i: ID!) { session(id: $i) { id } }", json!({ "i": 7 }))]
    {
        assert_eq!(codes(&ask(&schema, &alice, query, variables).await), ["VALIDATION_INVALID_FORMAT"], "{query}");
    }
}
