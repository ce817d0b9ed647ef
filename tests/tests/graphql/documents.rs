//! Documents and values that are refused.

use super::*;

/// Documents that cannot be executed, with variables, and the code of the error.
fn bad_documents() -> Vec<(String, Value, &'static str)> {
    const LIMIT: &str = "RESOURCE_LIMIT_EXCEEDED";
    const FORMAT: &str = "VALIDATION_INVALID_FORMAT";
    const VALUE: &str = "VALIDATION_INVALID_VALUE";
    let many = |count: usize, each: &dyn Fn(usize) -> String| (0..count).map(each).collect::<String>();
    let session = format!("{{session(id:\"{NOWHERE}\")");
    let plain = [
        // Not to be parsed.
        ("", FORMAT),
        ("{", FORMAT),
        ("}", FORMAT),
        ("{}", FORMAT),
        ("query", FORMAT),
        ("{ me { id } } \0", FORMAT),
        ("{ me\0 { id } }", FORMAT),
        ("{ me { id } } \u{7}", FORMAT),
        ("\u{202e}{ me }", FORMAT),
        ("{ session(id: \"\u{0}", FORMAT),
        ("{ session(id: \"x) { id } }", FORMAT),
        ("{ session(id: \"\\q\") { id } }", FORMAT),
        ("{ session(id: \"\"\"x) { id } }", FORMAT),
        ("{ me { id } } { me { id } }", FORMAT),
        ("query a { me { id } } query a { me { id } }", FORMAT),
        ("schema { query: Query }", FORMAT),
        // Not to be executed.
        ("{ nothing }", VALUE),
        ("{ me }", VALUE),
        ("{ me { id { id } } }", VALUE),
        ("{ session { id } }", VALUE),
        ("{ session(id: {}) { id } }", VALUE),
        ("{ session(id: [\"x\"]) { id } }", VALUE),
        ("{ session(id: null) { id } }", VALUE),
        ("{ session(id: $id) { id } }", VALUE),
        ("{ sessions(first: 99999999999999999999) { nodes { id } } }", VALUE),
        ("{ me { ... on Session { id } } }", VALUE),
        ("{ me { ...nowhere } }", VALUE),
        ("{ me @nothing { id } }", VALUE),
        ("{ me { x: id x: name } }", VALUE),
        ("mutation { createSession(input: { title: \"x\", owner: \"y\" }) { session { id } } }", VALUE),
        ("mutation { createSession(input: {}) { session { id } } }", VALUE),
        ("mutation { createSession(input: { title: \"x\", sessionType: SECRET }) { session { id } } }", VALUE),
        ("query a { me { id } } query b { me { id } }", VALUE),
        ("fragment a on Query { me { id } }", FORMAT),
        ("subscription { nothing }", VALUE),
        ("subscription { a: allSessionEvents { __typename } b: allSessionEvents { __typename } }", VALUE),
        ("subscription { allSessionEvents { __typename } ...a } fragment a on Subscription { __typename }", VALUE),
        ("subscription { allSessionEvents { __typename } sessionEvents(sessionId: \"x\") { __typename } }", VALUE),
        // Circles.
        ("{ ...a } fragment a on Query { ...a }", FORMAT),
        ("{ ...a } fragment a on Query { ...b } fragment b on Query { ...a }", FORMAT),
        ("{ me { id } } fragment a on Query { ...b } fragment b on Query { ...a }", FORMAT),
    ];
    let mut documents: Vec<(String, Value, &str)> =
        plain.into_iter().map(|(text, code)| (text.to_owned(), json!({}), code)).collect();
    let chain = |n| format!("fragment f{n} on Query{{...f{}}}", n + 1);
    let double = |n| format!("fragment f{n} on Query{{...f{0} ...f{0}}}", n + 1);
    let bombs = [
        // Deep.
        (around("{a", "", "}", 100), LIMIT),
        (around("{a", "", "}", 20_000), LIMIT),
        (format!("{session}{}{{id}}{}}}", "{messages{nodes{session".repeat(33), "}".repeat(99)), LIMIT),
        (format!("{session}{}{{id}}{}}}", "{messages{nodes{session".repeat(6), "}".repeat(18)), LIMIT),
        ("{a".repeat(20_000), LIMIT),
        ("{a ".repeat(190), LIMIT),
        (around("{a(x:[", "", "])}", 6_000), LIMIT),
        (format!("{{a(x:{})}}", around("[", "", "]", 20_000)), LIMIT),
        (format!("{{a(x:{})}}", around("{a:", "1", "}", 15_000)), LIMIT),
        (format!("query($a:{}){{me{{id}}}}", around("[", "Int", "]", 20_000)), LIMIT),
        (around("{...on Query", "{me{id}}", "}", 3_000), LIMIT),
        // Wide.
        (format!("{{{}}}", many(4_900, &|n| format!("a{n}:me{{id}}"))), LIMIT),
        (format!("{{{}}}", many(51, &|n| format!("a{n}:me{{id}}"))), LIMIT),
        (
            format!(
                "mutation{{{}}}",
                many(51, &|n| format!("a{n}:leaveSession(input:{{sessionId:\"x\"}}){{sessionId}}"))
            ),
            LIMIT,
        ),
        (format!("{{me{{{}}}}}", many(101, &|n| format!("a{n}:id "))), LIMIT),
        (format!("{{me{{{}}}}}", "id ".repeat(2_000)), LIMIT),
        (format!("{{me{}{{id}}}}", "@skip(if:false)".repeat(100)), LIMIT),
        (format!("{{nodes(ids:[{}]){{id}}}}", "\"x\"".repeat(10_000)), LIMIT),
        (format!("query({}){{me{{id}}}}", many(4_000, &|n| format!("$a{n}:Int"))), LIMIT),
        (many(2_000, &|n| format!("query a{n}{{me{{id}}}}")), LIMIT),
        // Multiplying.
        (format!("{{...f0}}{}fragment f30 on Query{{me{{id}}}}", many(30, &double)), LIMIT),
        (format!("{{me{{id}}}}{}fragment f30 on Query{{me{{id}}}}", many(30, &double)), VALUE),
        (format!("{{...f0}}{}fragment f500 on Query{{me{{id}}}}", many(500, &chain)), LIMIT),
        (format!("{{me{{id}}}}{}fragment f500 on Query{{me{{id}}}}", many(500, &chain)), LIMIT),
        (
            format!(
                "{session}{{messages(first:100){{nodes{{session{{messages(first:100){{nodes{{id seq number content}}}}}}}}}}}}}}"
            ),
            LIMIT,
        ),
        ("{__schema{types{fields{type{fields{type{fields{type{fields{name}}}}}}}}}}".to_owned(), LIMIT),
    ];
    documents.extend(bombs.into_iter().map(|(text, code)| (text, json!({}), code)));

    // Variables.
    const REQUIRED: &str = "VALIDATION_REQUIRED_FIELD";
    let create = "mutation($x: CreateSessionInput!) { createSession(input: $x) { session { id } } }";
    for (text, variables, code) in [
        (SEND, json!({}), REQUIRED),
        (SEND, json!({ "id": null }), REQUIRED),
        (SEND, json!({ "id": "x", "text": 5 }), VALUE),
        (SEND, json!({ "id": "x", "text": { "x": 1 } }), VALUE),
        (create, json!({ "x": { "title": "x", "more": 1 } }), VALUE),
        (create, json!({ "x": { "title": null } }), VALUE),
        (create, json!({ "x": { "title": ["x"] } }), VALUE),
        (create, json!({ "x": { "title": "x", "sessionType": "private" } }), VALUE),
        ("query($x: Nothing) { me { id } }", json!({ "x": 1 }), VALUE),
        ("query($x: Int, $x: Int) { sessions(first: $x) { nodes { id } } }", json!({ "x": 1 }), VALUE),
    ] {
        documents.push((text.to_owned(), variables, code));
    }
    documents
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_that_cannot_be_executed() {
    let server = Server::start(Backend::Memory).await;
    let mut witness = Witness::of(&server).await;
    let client = server.graphql("mallory");
    let mut socket = server.graphql_socket("mallory").await;
    for (document, variables, code) in bad_documents() {
        let parameters = json!({ "query": document, "variables": variables });
        // Shown where it fails.
        eprintln!("{document:.200} {variables:.100}");
        // What has events is not looked at where there can be none.
        let (status, told) = if document.starts_with("subscription") { (406, "NOT_ACCEPTABLE") } else { (400, code) };
        client.send(client.post(&parameters)).await.refused(status, told);
        // Clients from before there was a type of its own take a status for one of HTTP alone.
        client.send(client.post(&parameters).header("accept", "application/json")).await.refused(200, told);
        let mut events = GraphqlEvents::open(client.stream(&document, variables.clone())).await.unwrap();
        let told = events.next().await.unwrap();
        assert!(codes(&told["errors"]).contains(&code) && told.get("data").is_none(), "{told}");
        assert_eq!(events.next().await, None);
        events.ended().await;
        // The same id each time: it is free again.
        socket.subscribe("1", &document, variables).await;
        let failed = socket.failed("1").await;
        assert!(failed.iter().any(|failed| failed == code), "{failed:?}");
        socket.silent().await;
    }
    let unknown = json!({ "query": "query a { me { id } }", "operationName": "b" });
    client.send(client.post(&unknown)).await.refused(400, "VALIDATION_INVALID_VALUE");
    socket.send(json!({ "type": "subscribe", "id": "1", "payload": unknown })).await;
    assert_eq!(socket.failed("1").await, ["VALIDATION_INVALID_VALUE"]);
    // Long, and nothing to be said against it.
    for document in [
        format!("{{ me {{ id }} }} #{}", "{".repeat(60_000)),
        format!("{}{{ me {{ id }} }}", " ".repeat(60_000)),
        format!("{{ me {{ {} }} }}", "id ".repeat(1_900)),
        format!(
            "{{ ...f0 }} {} fragment f20 on Query {{ me {{ id }} }}",
            (0..20).map(|n| format!("fragment f{n} on Query {{ ...f{} }} ", n + 1)).collect::<String>()
        ),
    ] {
        assert_eq!(client.data(&document, json!({})).await, json!({ "me": { "id": "mallory" } }));
    }
    witness.untouched().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn values_that_are_not_acceptable_fail_their_field() {
    let server = Server::start(Backend::Memory).await;
    let mut witness = Witness::of(&server).await;
    let client = server.graphql("mallory");
    let fails = async |field: &str, query: &str, variables: Value, code: &str| {
        let answer = client.ask(query, variables).await;
        assert_eq!((answer.status, &answer.body["data"]), (200, &json!({ field: null })), "{:.300}", answer.text);
        assert_eq!(codes(&answer.body["errors"]), [code]);
        assert!(answer.text.len() < 1_000, "{:.1000}", answer.text);
    };
    let id = &witness.id;
    for (text, code) in [
        ("a\0b", "VALIDATION_INVALID_VALUE"),
        ("\u{7}", "VALIDATION_INVALID_VALUE"),
        ("", "VALIDATION_REQUIRED_FIELD"),
        (&"x".repeat(60_000), "MESSAGE_TOO_LONG"),
    ] {
        fails("sendMessage", SEND, json!({ "id": id, "text": text }), code).await;
    }
    let create = "mutation($x: CreateSessionInput!) { createSession(input: $x) { session { id } } }";
    let cap = json!({ "x": { "title": "x", "maxParticipants": -1 } });
    fails("createSession", create, cap, "VALIDATION_INVALID_VALUE").await;
    // What cannot be what it must be fails the request.
    let refused = async |query: &str, variables: Value| {
        let answer = client.ask(query, variables).await;
        assert_eq!((answer.status, &answer.body["data"]), (400, &Value::Null), "{:.300}", answer.text);
        assert!(
            codes(&answer.body["errors"]).iter().all(|code| *code == "VALIDATION_INVALID_VALUE"),
            "{}",
            answer.text
        );
        assert!(answer.text.len() < 1_000, "{:.1000}", answer.text);
    };
    let long = "query($x: Long) { messages(sessionId: \"x\", skip: $x) { nodes { id } } }";
    for number in [json!(-1), json!(1.5), json!("1"), json!(9_007_199_254_740_992_u64), json!({}), json!([1])] {
        refused(long, json!({ "x": number })).await;
    }
    for bad in [json!({}), json!(["x"]), json!(true)] {
        refused(SEND, json!({ "id": bad })).await;
    }
    for bad in [json!("x"), json!(vec![json!({}); 100]), json!({ "title": "x", "maxParticipants": 4_294_967_296_i64 })]
    {
        refused(create, json!({ "x": bad })).await;
    }
    let session = "query($id: ID!) { session(id: $id) { id } }";
    let node = "query($id: ID!) { node(id: $id) { id } }";
    let message = "query($id: ID!) { message(id: $id) { id } }";
    fails("session", session, json!({ "id": id.replace('-', "") }), "VALIDATION_INVALID_FORMAT").await;
    for bad in ["", "x", "\0", "..", &format!("{id}\0"), &"x".repeat(60_000)] {
        fails("session", session, json!({ "id": bad }), "VALIDATION_INVALID_FORMAT").await;
        fails("message", message, json!({ "id": bad }), "VALIDATION_INVALID_FORMAT").await;
        fails("node", node, json!({ "id": bad }), "VALIDATION_INVALID_FORMAT").await;
    }
    let nodes = "query($ids: [ID!]!) { nodes(ids: $ids) { id } }";
    fails("nodes", nodes, json!({ "ids": vec![id; 101] }), "RESOURCE_LIMIT_EXCEEDED").await;
    let page = "query($first: Int, $after: String) { sessions(first: $first, after: $after) { nodes { id } } }";
    for first in [0, -1, 101, i32::MIN] {
        fails("sessions", page, json!({ "first": first }), "VALIDATION_INVALID_VALUE").await;
    }
    // "offset:18446744073709551615" is among them, and "1:sessions:x".
    let bad = ["", "\0", "x", "b2Zmc2V0OjE4NDQ2NzQ0MDczNzA5NTUxNjE1", "MTpzZXNzaW9uczp4", &"x".repeat(60_000)];
    for after in bad {
        fails("sessions", page, json!({ "after": after }), "VALIDATION_INVALID_FORMAT").await;
    }
    witness.untouched().await;
}
