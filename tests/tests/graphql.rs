//! GraphQL under attack, on every transport: what is refused gets its documented answer, changes nothing, and somebody else's
//! subscription goes on.
#![allow(missing_docs, reason = "tests")]

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use chatcore::{
    JwtIssuer, Limits,
    identity::Claims,
    model::{MessageId, SessionId},
};
use chatcore_poem::Options;
use chatcore_tests::{
    Backend, Client, Graphql, GraphqlEvents, GraphqlSocket, SECRET, Server, Socket,
    graphql::{PROTOCOL, codes, subscribe},
    on_every_store, patient, token, token_with,
};
use futures_util::stream;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tokio_tungstenite::tungstenite::{
    Message,
    protocol::frame::{
        Frame,
        coding::{Data, OpCode},
    },
};

/// A session that never was.
const NOWHERE: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

const EVENTS: &str = "subscription($id: ID!, $after: Long) { sessionEvents(sessionId: $id, after: $after) { __typename
    ... on Subscribed { after } ... on SessionEvent { seq } ... on MessageSent { message { content } } } }";

const ALL_EVENTS: &str = "subscription($after: [PositionInput!]) { allSessionEvents(after: $after) { __typename
    ... on Subscribed { sessionId after } ... on SubscriptionEnded { sessionId code detail }
    ... on SessionEvent { sessionId seq } ... on MessageSent { message { content } } } }";

const SEND: &str = "mutation($id: ID!, $text: String = \"attack\") { sendMessage(input: { sessionId: $id, content: $text }) { message { seq } } }";

/// Somebody with a session that they read while others attack: what comes there is all that happens.
struct Witness {
    owner: Client,
    id: String,
    socket: GraphqlSocket,
    seq: u64,
}

impl Witness {
    /// The attacker, `mallory`, may write there, so that it shows when what was refused has been done.
    async fn of(server: &Server) -> Self {
        let owner = server.client("witness").await;
        let id = owner.session("PUBLIC").await;
        server.client("mallory").await.post(&format!("/sessions/{id}/join"), json!({})).await.expect(200);
        let mut socket = server.graphql_socket("witness").await;
        socket.subscribe("w", EVENTS, json!({ "id": id })).await;
        assert_eq!(socket.next("w").await["data"]["sessionEvents"], json!({ "__typename": "Subscribed", "after": 2 }));
        Self { owner, id, socket, seq: 2 }
    }

    /// Shows that nothing was written, and that what is written now comes.
    async fn untouched(&mut self) {
        self.owner.say(&self.id, "still here").await;
        self.seq += 1;
        let event = json!({ "__typename": "MessageSent", "seq": self.seq, "message": { "content": "still here" } });
        assert_eq!(self.socket.next("w").await, json!({ "data": { "sessionEvents": event } }));
    }
}

/// Waits until so many WebSockets and event streams are open.
async fn until_open(server: &Server, count: usize) {
    let end = Instant::now() + Duration::from_secs(20);
    while server.open_sockets() != count {
        assert!(Instant::now() < end, "{} are open", server.open_sockets());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

/// Tokens that are not acceptable, with the codes of their errors.
fn bad_tokens() -> Vec<(String, &'static str)> {
    let claims = || Claims { sub: "mallory".into(), ..Claims::default() };
    let other = JwtIssuer::hs256(b"another secret, also long enough for it").unwrap();
    let other = other.issue(claims(), Duration::from_secs(60)).unwrap();
    let good = token_with(claims(), 60);
    // {"alg":"none"} with the claims of a good token.
    let none = format!("eyJhbGciOiJub25lIn0.{}.", good.split('.').nth(1).unwrap());
    let expired = JwtIssuer::hs256(SECRET).unwrap().sign(&Claims { exp: 1, ..claims() }).unwrap();
    let invalid = ["x".to_owned(), other, none, good[..good.len() - 2].to_owned(), "x".repeat(5_000)];
    let mut tokens: Vec<_> = invalid.into_iter().map(|token| (token, "AUTH_TOKEN_INVALID")).collect();
    tokens.push((expired, "AUTH_TOKEN_EXPIRED"));
    tokens
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_that_are_not_acceptable() {
    let server = Server::start(Backend::Memory).await;
    let mut witness = Witness::of(&server).await;
    let stranger = Graphql::new(&server.address, None);
    let parameters = json!({ "query": SEND, "variables": { "id": witness.id } });
    let mut cases: Vec<(Vec<String>, &str)> = ["Basic YTpi", "Bearer", "Bearer ", "Bearer\t", "x"]
        .map(|header| (vec![header.to_owned()], "AUTH_REQUIRED"))
        .into();
    cases.push((vec![], "AUTH_REQUIRED"));
    cases.push((vec![bearer(&token("mallory")), bearer(&token("mallory"))], "AUTH_TOKEN_INVALID"));
    cases.push((vec!["Basic YTpi".into(), bearer(&token("mallory")), bearer(&token("mallory"))], "AUTH_TOKEN_INVALID"));
    cases.push((vec!["Basic YTpi".into(), "Bearer".into()], "AUTH_REQUIRED"));
    cases.extend(bad_tokens().into_iter().map(|(token, code)| (vec![bearer(&token)], code)));
    for (headers, code) in cases {
        let with = |request: RequestBuilder| {
            headers.iter().fold(request, |request, header| request.header("authorization", header))
        };
        for accept in ["*/*", "application/json", "application/graphql-response+json", "text/event-stream"] {
            let answer = stranger.send(with(stranger.post(&parameters)).header("accept", accept)).await;
            answer.refused(401, code);
            let challenge = if code == "AUTH_REQUIRED" { "Bearer" } else { "Bearer error=\"invalid_token\"" };
            assert_eq!(answer.headers["www-authenticate"], challenge);
        }
        let asked = stranger.in_url(Method::GET, &[("query", "{ me { id } }")]);
        stranger.send(with(asked)).await.refused(401, code);
    }
    // A token in the URL is for WebSockets.
    let in_url = [("query", "{ me { id } }"), ("token", &token("mallory"))];
    stranger.send(stranger.in_url(Method::GET, &in_url)).await.refused(401, "AUTH_REQUIRED");
    witness.untouched().await;
}

/// A POST of this body as it is.
fn raw(client: &Graphql, content_type: Option<&str>, body: impl Into<reqwest::Body>) -> RequestBuilder {
    let request = client.request(Method::POST).body(body);
    match content_type {
        Some(content_type) => request.header("content-type", content_type),
        None => request,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_request_is_refused_and_not_executed() {
    let server = Server::start(Backend::Memory).await;
    let mut witness = Witness::of(&server).await;
    let client = server.graphql("mallory");
    let attack = json!({ "query": SEND, "variables": { "id": witness.id } });
    let json_type = Some("application/json");

    // What a form or a script of another page could send without being asked for leave, and what is something else.
    for content_type in [
        None,
        Some("text/plain"),
        Some("text/plain;charset=UTF-8"),
        Some("application/x-www-form-urlencoded"),
        Some("multipart/form-data; boundary=x"),
        Some("application/graphql"),
        Some("application/graphql-response+json"),
        Some("application/jsonp"),
        Some("application/json; charset=latin1"),
        Some("text/plain, application/json"),
        Some(""),
    ] {
        let answer = client.send(raw(&client, content_type, attack.to_string())).await;
        answer.refused(415, "UNSUPPORTED_MEDIA_TYPE");
    }
    witness.untouched().await;

    let text = attack.to_string();
    let many = json!([attack, attack]).to_string();
    let with = |name: &str, value: Value| {
        let mut attack = attack.clone();
        attack[name] = value;
        attack.to_string()
    };
    let deep = |variables: String| format!("{{\"query\":\"{{me{{id}}}}\",\"variables\":{variables}}}");
    let bodies: Vec<Vec<u8>> = vec![
        b"".into(),
        b"{".into(),
        b"nul".into(),
        b"\0".into(),
        b"5".into(),
        b"\"x\"".into(),
        b"null".into(),
        b"{}".into(),
        b"[]".into(),
        text[..text.len() - 1].into(),
        format!("{text} {text}").into(),
        format!("{text},").into(),
        format!("\u{feff}{text}").into(),
        format!("{text}\0").into(),
        many.into(),
        json!([attack]).to_string().into(),
        with("query", Value::Null).into(),
        with("query", json!(5)).into(),
        with("query", json!([SEND])).into(),
        with("variables", json!([])).into(),
        with("variables", json!("{}")).into(),
        with("operationName", json!(5)).into(),
        with("extensions", json!([])).into(),
        deep(around("[", "", "]", 20_000)).into(),
        deep(around("{\"a\":", "1", "}", 8_000)).into(),
        deep("[".repeat(20_000)).into(),
        // No UTF-8; half of a surrogate pair; a number that is none.
        text.replace("attack", "\u{1}")
            .into_bytes()
            .into_iter()
            .map(|byte| if byte == 1 { 0xff } else { byte })
            .collect(),
        text.replace("attack", "\\ud800").into(),
        text.replace("\"variables\":{", "\"variables\":{\"x\":1e999,").into(),
    ];
    for body in bodies {
        // Shown where it fails.
        eprintln!("{:.100}", String::from_utf8_lossy(&body));
        for accept in ["application/graphql-response+json", "application/json"] {
            let answer = client.send(raw(&client, json_type, body.clone()).header("accept", accept)).await;
            answer.refused(400, "VALIDATION_INVALID_FORMAT");
        }
        let answer = client.send(raw(&client, json_type, body).header("accept", "text/event-stream")).await;
        answer.refused(400, "VALIDATION_INVALID_FORMAT");
    }
    witness.untouched().await;

    // A body that is not all there.
    let mut half = TcpStream::connect(&server.address).await.unwrap();
    let head = format!(
        "POST /graphql HTTP/1.1\r\nHost: x\r\nAuthorization: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        bearer(&token("mallory")),
        text.len() + 1
    );
    half.write_all(format!("{head}{text}").as_bytes()).await.unwrap();
    half.shutdown().await.unwrap();
    let mut answer = String::new();
    half.read_to_string(&mut answer).await.unwrap_or_default();
    assert!(!answer.starts_with("HTTP/1.1 2"), "{answer}");
    witness.untouched().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_of_10_mb_is_refused_whether_or_not_its_length_is_announced() {
    let server = Server::start(Backend::Memory).await;
    let mut witness = Witness::of(&server).await;
    let client = server.graphql("mallory");
    let text = json!({ "query": SEND, "variables": { "id": witness.id } }).to_string();
    let limit = Limits::default().request_bytes();
    for accept in ["*/*", "text/event-stream"] {
        let send =
            |body: reqwest::Body| client.send(raw(&client, Some("application/json"), body).header("accept", accept));
        send(format!("{text}{}", " ".repeat(10_000_000)).into()).await.refused(413, "PAYLOAD_TOO_LARGE");
        let chunks = [text.clone()].into_iter().chain((0..10_000).map(|_| " ".repeat(1_000)));
        let chunks = reqwest::Body::wrap_stream(stream::iter(chunks.map(Ok::<_, std::io::Error>)));
        send(chunks).await.refused(413, "PAYLOAD_TOO_LARGE");
        send(format!("{text}{}", " ".repeat(limit + 1 - text.len())).into()).await.refused(413, "PAYLOAD_TOO_LARGE");
    }
    // Who is not known is told that, however large it is.
    let stranger = Graphql::new(&server.address, None);
    let body = " ".repeat(10_000_000);
    stranger.send(raw(&stranger, Some("application/json"), body)).await.refused(401, "AUTH_REQUIRED");
    witness.untouched().await;
    // At the limit it is executed.
    let whole = format!("{text}{}", " ".repeat(limit - text.len()));
    let answer = client.send(raw(&client, Some("application/json"), whole)).await;
    assert_eq!(answer.body, json!({ "data": { "sendMessage": { "message": { "seq": witness.seq + 1 } } } }));
}

fn around(open: &str, middle: &str, close: &str, depth: usize) -> String {
    format!("{}{middle}{}", open.repeat(depth), close.repeat(depth))
}

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
                "{session}{{messages(first:100){{nodes{{session{{messages(first:100){{nodes{{id seq number}}}}}}}}}}}}}}"
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

#[tokio::test(flavor = "multi_thread")]
async fn types_of_answers_and_methods() {
    let server = Server::start(Backend::Memory).await;
    let mut witness = Witness::of(&server).await;
    let client = server.graphql("mallory");
    let new = Some("application/graphql-response+json; charset=utf-8");
    let old = Some("application/json; charset=utf-8");
    let me = json!({ "query": "{ me { id } }" });
    for (accept, given) in [
        ("*/*", new),
        ("application/*", new),
        ("application/graphql-response+json", new),
        ("application/graphql-response+json; charset=utf-8, application/json; charset=utf-8", new),
        ("application/json", old),
        ("application/json; charset=utf-8", old),
        ("application/json, application/graphql-response+json;q=0.5", old),
        ("application/xml, */*;q=0.1", new),
        ("text/event-stream, application/json", old),
        ("text/html, application/json", old),
        ("application/xml", None),
        ("text/plain", None),
        ("application/json;q=0", None),
        ("application/json; charset=utf-16", None),
        ("text/html", None),
        ("nonsense", None),
        ("", None),
    ] {
        let answer = client.send(client.post(&me).header("accept", accept)).await;
        match given {
            Some(given) => {
                assert_eq!((answer.status, answer.headers["content-type"].to_str().unwrap()), (200, given), "{accept}");
                assert_eq!(answer.body, json!({ "data": { "me": { "id": "mallory" } } }));
            }
            None => {
                answer.refused(406, "NOT_ACCEPTABLE");
                let attack = json!({ "query": SEND, "variables": { "id": witness.id } });
                client.send(client.post(&attack).header("accept", accept)).await.refused(406, "NOT_ACCEPTABLE");
            }
        }
    }
    let all = "GET, HEAD, POST, OPTIONS";
    for method in ["PUT", "DELETE", "PATCH", "TRACE", "QUERY"] {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let attack = json!({ "query": SEND, "variables": { "id": witness.id } });
        let answer = client.send(client.request(method).json(&attack)).await;
        answer.refused(405, "METHOD_NOT_ALLOWED");
        assert_eq!(answer.headers["allow"], all);
    }
    let options = client.send(client.request(Method::OPTIONS)).await;
    assert_eq!((options.status, options.headers["allow"].to_str().unwrap(), &*options.text), (204, all, ""));
    witness.untouched().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_url_only_reads() {
    let server = Server::start(Backend::Memory).await;
    let mut witness = Witness::of(&server).await;
    let client = server.graphql("mallory");
    let id = json!({ "id": witness.id }).to_string();
    let get = async |method: Method, parameters: &[(&str, &str)], accept: &str| {
        client.send(client.in_url(method, parameters).header("accept", accept)).await
    };
    let me = get(Method::GET, &[("query", "{ me { id } }")], "*/*").await;
    assert_eq!((me.status, me.body), (200, json!({ "data": { "me": { "id": "mallory" } } })));
    let head = get(Method::HEAD, &[("query", "{ me { id } }")], "*/*").await;
    assert_eq!((head.status, &*head.text), (200, ""));

    let both = format!("{SEND} query other {{ me {{ id }} }}").replace("mutation(", "mutation write(");
    let attacks: [&[(&str, &str)]; 3] = [
        &[("query", SEND), ("variables", &id)],
        &[("query", &both), ("variables", &id), ("operationName", "write")],
        &[("query", SEND), ("variables", &id), ("operationName", "")],
    ];
    for attack in attacks {
        for accept in ["*/*", "application/json", "text/event-stream"] {
            let answer = get(Method::GET, attack, accept).await;
            answer.refused(405, "METHOD_NOT_ALLOWED");
            assert_eq!(answer.headers["allow"], "POST");
            assert_eq!(get(Method::HEAD, attack, accept).await.status, 405);
        }
        // A body changes nothing about it.
        let parameters = json!({ "query": SEND, "variables": { "id": witness.id } });
        let answer = client.send(client.in_url(Method::GET, attack).json(&parameters)).await;
        answer.refused(405, "METHOD_NOT_ALLOWED");
    }
    let follow: &[(&str, &str)] = &[("query", EVENTS), ("variables", &id)];
    get(Method::GET, follow, "*/*").await.refused(406, "NOT_ACCEPTABLE");
    get(Method::GET, follow, "application/json").await.refused(200, "NOT_ACCEPTABLE");
    let bad: [&[(&str, &str)]; 8] = [
        &[],
        &[("query", "")],
        &[("query", "{ me { id } }"), ("query", "{ me { id } }")],
        &[("query", "{ me { id } }"), ("variables", "{}"), ("variables", "{}")],
        &[("query", "{ me { id } }"), ("variables", "{")],
        &[("query", "{ me { id } }"), ("variables", "[]")],
        &[("query", "{ me { id } }"), ("extensions", "5")],
        &[("query", "{ me { id } }\0")],
    ];
    for parameters in bad {
        get(Method::GET, parameters, "*/*").await.refused(400, "VALIDATION_INVALID_FORMAT");
    }
    // A POST has its request in the body and nowhere else.
    let attack = client.in_url(Method::POST, attacks[0]).json(&json!({ "query": "{ me { id } }" }));
    assert_eq!(client.send(attack).await.body, json!({ "data": { "me": { "id": "mallory" } } }));
    witness.untouched().await;
}

// The WebSocket.

#[tokio::test(flavor = "multi_thread")]
async fn sockets_that_are_refused_before_the_upgrade() {
    let server = Server::start(Backend::Memory).await;
    let mut witness = Witness::of(&server).await;
    let foreign = ("origin", "https://evil.example");
    let good = bearer(&token("mallory"));
    let refused = async |url_query: &str, headers: &[(&'static str, &str)]| {
        GraphqlSocket::open(&server.address, url_query, headers).await.err().unwrap_or_else(|| panic!("{headers:?}"))
    };
    let is = |status: u16, code: &str| (status, code.to_owned());
    for headers in [
        vec![],
        vec![("authorization", &*good)],
        vec![("sec-websocket-protocol", "graphql-ws")],
        vec![("sec-websocket-protocol", "GRAPHQL-TRANSPORT-WS")],
        vec![("sec-websocket-protocol", "graphql-transport-ws2, xgraphql-transport-ws")],
    ] {
        assert_eq!(refused("", &headers).await, is(426, "UPGRADE_REQUIRED"));
    }
    for origin in ["https://evil.example", "null", "", "http://127.0.0.1", "https://127.0.0.1.evil.example"] {
        for headers in
            [vec![PROTOCOL, ("origin", origin)], vec![PROTOCOL, ("origin", origin), ("authorization", &good)]]
        {
            assert_eq!(refused("", &headers).await, is(403, "ORIGIN_NOT_ALLOWED"));
        }
    }
    assert_eq!(
        refused(&format!("?token={}", token("mallory")), &[PROTOCOL, foreign]).await,
        is(403, "ORIGIN_NOT_ALLOWED")
    );
    for (bad, code) in bad_tokens() {
        assert_eq!(refused("", &[PROTOCOL, ("authorization", &bearer(&bad))]).await, is(401, code));
        assert_eq!(refused(&format!("?token={bad}"), &[PROTOCOL]).await, is(401, code));
        // A good one elsewhere does not heal it.
        let good = format!("?token={}", token("mallory"));
        assert_eq!(refused(&good, &[PROTOCOL, ("authorization", &bearer(&bad))]).await, is(401, code));
    }
    assert_eq!(refused("?token=", &[PROTOCOL]).await, is(401, "AUTH_TOKEN_INVALID"));
    assert_eq!(refused("", &[PROTOCOL, ("authorization", "Bearer ")]).await, is(401, "AUTH_REQUIRED"));
    let twice = [PROTOCOL, ("authorization", &*good), ("authorization", &*good)];
    assert_eq!(refused("", &twice).await, is(401, "AUTH_TOKEN_INVALID"));

    // What wants to be a handshake and is none.
    let client = server.graphql("mallory");
    for headers in [
        vec![("upgrade", "websocket")],
        vec![("upgrade", "websocket"), ("connection", "upgrade"), ("sec-websocket-version", "13")],
        vec![("upgrade", "websocket"), ("connection", "upgrade"), ("sec-websocket-key", "AAAAAAAAAAAAAAAAAAAAAA==")],
    ] {
        for method in [Method::GET, Method::POST] {
            let request = client.request(method).json(&json!({ "query": SEND, "variables": { "id": witness.id } }));
            let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
            let answer = client.send(request).await;
            answer.refused(426, "UPGRADE_REQUIRED");
            assert_eq!(answer.headers["upgrade"], "websocket");
            assert_eq!(answer.headers["sec-websocket-version"], "13");
        }
    }
    assert_eq!(server.open_sockets(), 1);
    witness.untouched().await;
    let origin = format!("http://{}", server.address);
    assert!(GraphqlSocket::open(&server.address, "", &[PROTOCOL, ("origin", &origin)]).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_says_nothing_or_the_wrong_thing_first_is_sent_away() {
    let options = Options { authentication_time: Duration::from_secs(10), ..patient() };
    let server = Server::start_with(Backend::Memory, Limits::default(), options).await;
    let mut witness = Witness::of(&server).await;
    let good = bearer(&token("mallory"));
    // Whoever it is must say so; frames that say nothing do not count.
    let mut silent = GraphqlSocket::open(&server.address, "", &[PROTOCOL]).await.unwrap();
    let mut known = GraphqlSocket::open(&server.address, "", &[PROTOCOL, ("authorization", &good)]).await.unwrap();
    let mut busy = GraphqlSocket::open(&server.address, "", &[PROTOCOL]).await.unwrap();
    for _ in 0..10 {
        busy.silent().await;
        busy.raw(Message::Ping("x".into())).await;
    }

    let is = |code: u16, reason: &str| (code, reason.to_owned());
    let with_token = |name: &str, value: Value| json!({ "type": "connection_init", "payload": { name: value } });
    let mut inits = vec![
        (json!({ "type": "connection_init" }), "AUTH_REQUIRED"),
        (json!({ "type": "connection_init", "payload": null }), "AUTH_REQUIRED"),
        (json!({ "type": "connection_init", "payload": {} }), "AUTH_REQUIRED"),
        (with_token("token", json!("")), "AUTH_REQUIRED"),
        (with_token("token", json!(5)), "AUTH_REQUIRED"),
        (with_token("token", json!({ "token": token("mallory") })), "AUTH_REQUIRED"),
        (with_token("Authorization", json!("Basic YTpi")), "AUTH_REQUIRED"),
        (with_token("Authorization", json!([good])), "AUTH_REQUIRED"),
        (with_token("other", json!(good)), "AUTH_REQUIRED"),
    ];
    for (bad, code) in bad_tokens() {
        inits.push((with_token("token", json!(bad)), code));
        inits.push((with_token("aUTHORIZATION", json!(bearer(&bad))), code));
    }
    for (init, reason) in inits {
        let mut socket = GraphqlSocket::open(&server.address, "", &[PROTOCOL]).await.unwrap();
        socket.send(init.clone()).await;
        // What is sent after it is not waited for.
        socket.feed(&subscribe("1", SEND, json!({ "id": witness.id }))).await;
        assert_eq!(socket.closed().await, is(4403, reason), "{init}");
    }
    // Before the init nothing is executed, whoever it is.
    for headers in [vec![PROTOCOL], vec![PROTOCOL, ("authorization", &good)]] {
        let mut socket = GraphqlSocket::open(&server.address, "", &headers).await.unwrap();
        socket.subscribe("1", SEND, json!({ "id": witness.id })).await;
        assert_eq!(socket.closed().await.0, 4401);
    }
    for early in [true, false] {
        let mut socket = GraphqlSocket::open(&server.address, "", &[PROTOCOL]).await.unwrap();
        let init = with_token("token", json!(token("mallory")));
        socket.send(init.clone()).await;
        if !early {
            assert_eq!(socket.message().await["type"], "connection_ack");
        }
        socket.send(init).await;
        assert_eq!(socket.closed().await.0, 4429);
    }
    for socket in [&mut silent, &mut known, &mut busy] {
        assert_eq!(socket.closed().await.0, 4408);
    }
    until_open(&server, 1).await;
    witness.untouched().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_that_are_not_acceptable_end_the_socket() {
    let server = Server::start(Backend::Memory).await;
    let mut witness = Witness::of(&server).await;
    let start = json!({ "query": "{ me { id } }" });
    let messages = [
        json!({}),
        json!([]),
        json!("connection_init"),
        json!(null),
        json!([{ "type": "ping" }]),
        json!({ "type": null }),
        json!({ "type": 5 }),
        json!({ "type": "dance" }),
        json!({ "type": "SUBSCRIBE", "id": "1", "payload": start }),
        json!({ "type": "start", "id": "1", "payload": start }),
        json!({ "type": "connection_ack" }),
        json!({ "type": "next", "id": "1", "payload": {} }),
        json!({ "type": "error", "id": "1", "payload": [] }),
        json!({ "type": "ping", "payload": 5 }),
        json!({ "type": "pong", "payload": [] }),
        json!({ "type": "complete" }),
        json!({ "type": "complete", "id": 1 }),
        json!({ "type": "complete", "id": "" }),
        json!({ "type": "subscribe", "payload": start }),
        json!({ "type": "subscribe", "id": 1, "payload": start }),
        json!({ "type": "subscribe", "id": "", "payload": start }),
        json!({ "type": "subscribe", "id": "x".repeat(257), "payload": start }),
        json!({ "type": "subscribe", "id": "1" }),
        json!({ "type": "subscribe", "id": "1", "payload": null }),
        json!({ "type": "subscribe", "id": "1", "payload": [start] }),
        json!({ "type": "subscribe", "id": "1", "payload": {} }),
        json!({ "type": "subscribe", "id": "1", "payload": { "query": 5 } }),
        json!({ "type": "subscribe", "id": "1", "payload": { "query": "{ me { id } }", "variables": [] } }),
        json!({ "type": "subscribe", "id": "1", "payload": { "query": "{ me { id } }", "operationName": {} } }),
    ];
    let texts =
        ["", "{", "\0", "hello", "{\"type\":\"ping\"} {}", "{\"type\":\"ping\",}", "\u{feff}{\"type\":\"ping\"}"];
    let deep = format!("{{\"type\":\"ping\",\"payload\":{{\"x\":{}", "[".repeat(50_000));
    let frame = |data: Vec<u8>, code, last| Message::Frame(Frame::message(data, OpCode::Data(code), last));
    let whole = |text: &str, code| vec![frame(text.into(), code, true)];
    let mut cases: Vec<(Vec<Message>, u16)> =
        messages.iter().map(|message| (vec![Message::text(message.to_string())], 4400)).collect();
    cases.extend(texts.iter().chain([&&*deep]).map(|text| (vec![Message::text(*text)], 4400)));
    cases.push((vec![Message::binary(vec![0, 159, 146, 150])], 4400));
    cases.push((vec![Message::binary(subscribe("1", SEND, json!({ "id": witness.id })).to_string())], 4400));
    let limit = Limits::default().request_bytes();
    cases.push((vec![Message::text(" ".repeat(limit + 1))], 1009));
    cases.push((vec![Message::text(" ".repeat(4 * limit + 1))], 1009));
    let part = || vec![b' '; 2 * limit + 1];
    cases.push((vec![frame(part(), Data::Text, false), frame(part(), Data::Continue, false)], 1009));
    cases.push((vec![frame(vec![0xff, 0xfe], Data::Text, true)], 1007));
    cases.push((vec![frame(b"\"\xc3".to_vec(), Data::Text, false), frame(b"\"".to_vec(), Data::Continue, true)], 1007));
    cases.push((whole("x", Data::Continue), 1002));
    cases.push((vec![frame(b"x".to_vec(), Data::Text, false), frame(b"x".to_vec(), Data::Text, true)], 1002));
    cases.push((whole("x", Data::Reserved(3)), 1002));
    for (frames, code) in cases {
        let mut socket = server.graphql_socket("mallory").await;
        // Something is under way.
        socket.subscribe("s", EVENTS, json!({ "id": witness.id })).await;
        socket.next("s").await;
        let shown = format!("{frames:.200?}");
        for frame in frames {
            socket.raw(frame).await;
        }
        let (closed, reason) = socket.closed().await;
        assert_eq!(closed, code, "{reason}: {shown}");
        assert!(reason.len() <= 123);
        drop(socket);
        until_open(&server, 1).await;
    }
    // A length that no frame has: it is not waited for.
    let mut socket = server.graphql_socket("mallory").await;
    socket
        .connection()
        .write_all(&[0x81, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 2, 3, 4])
        .await
        .unwrap();
    assert_eq!(socket.closed().await.0, 1009);
    // Not masked.
    let mut socket = server.graphql_socket("mallory").await;
    socket.connection().write_all(&[0x81, 0x02, b'{', b'}']).await.unwrap();
    assert_eq!(socket.closed().await.0, 1002);
    witness.untouched().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_names_one_operation() {
    let server = Server::start(Backend::Memory).await;
    let mut witness = Witness::of(&server).await;
    let id = witness.id.clone();
    let mut socket = server.graphql_socket("mallory").await;
    let begin = async |socket: &mut GraphqlSocket, after: u64| {
        socket.subscribe("s", EVENTS, json!({ "id": id, "after": after })).await;
        let first = socket.next("s").await;
        assert_eq!(first["data"]["sessionEvents"]["after"], after, "{first}");
    };
    // Once ended by the client it is free at once, and nothing of the first comes any more.
    for _ in 0..20 {
        begin(&mut socket, 2).await;
        socket.complete("s").await;
    }
    socket.silent().await;
    witness.untouched().await;
    socket.silent().await;
    socket.complete("s").await;
    socket.complete("never").await;
    begin(&mut socket, 2).await;
    assert_eq!(socket.next("s").await["data"]["sessionEvents"]["seq"], 3);
    socket.subscribe("s", SEND, json!({ "id": id })).await;
    assert_eq!(socket.closed().await, (4409, "Subscriber for s already exists".to_owned()));
    drop(socket);
    until_open(&server, 1).await;
    witness.untouched().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_operations_on_one_socket() {
    let server = Server::start(Backend::Memory).await;
    let mut witness = Witness::of(&server).await;
    let id = witness.id.clone();
    let mut socket = server.graphql_socket("mallory").await;
    let me = json!({ "data": { "me": { "id": "mallory" } } });
    for _ in 0..2_000 {
        assert_eq!(socket.ask("{ me { id } }", json!({})).await, me);
    }
    // Together, as fast as they can be written: each is answered, or told that there were too many, and once.
    const TOGETHER: usize = 400;
    for round in 0..20 {
        for n in 0..TOGETHER {
            assert!(socket.feed(&subscribe(&format!("{round}-{n}"), "{ me { id } }", json!({}))).await);
        }
        socket.flush().await;
        let (mut ended, mut answered) = (BTreeSet::new(), BTreeSet::new());
        while ended.len() < TOGETHER {
            let message = socket.message().await;
            let id = message["id"].as_str().unwrap().to_owned();
            match message["type"].as_str().unwrap() {
                "next" => {
                    assert_eq!(message["payload"], me);
                    assert!(answered.insert(id));
                }
                "complete" => assert!(answered.contains(&id) && ended.insert(id)),
                "error" => {
                    assert_eq!(codes(&message["payload"]), ["RESOURCE_LIMIT_EXCEEDED"]);
                    assert!(!answered.contains(&id) && ended.insert(id));
                }
                other => panic!("{other}"),
            }
        }
        socket.silent().await;
    }
    witness.untouched().await;

    // Those that stay open: a hundred, and no more; each of the others is refused alone.
    let variables = json!({ "id": id });
    for n in 0..1_000 {
        socket.subscribe(&n.to_string(), EVENTS, variables.clone()).await;
        if n < 100 {
            socket.next(&n.to_string()).await;
        } else {
            assert_eq!(socket.failed(&n.to_string()).await, ["RESOURCE_LIMIT_EXCEEDED"]);
        }
    }
    socket.subscribe("write", SEND, variables.clone()).await;
    assert_eq!(socket.failed("write").await, ["RESOURCE_LIMIT_EXCEEDED"]);
    witness.untouched().await;
    let mut told = BTreeSet::new();
    for _ in 0..100 {
        let message = socket.message().await;
        assert_eq!(message["payload"]["data"]["sessionEvents"]["seq"], witness.seq);
        told.insert(message["id"].as_str().unwrap().to_owned());
    }
    assert_eq!(told, (0..100).map(|n| n.to_string()).collect());
    socket.complete("7").await;
    assert_eq!(socket.ask("{ me { id } }", json!({})).await, me);
    socket.subscribe("7", EVENTS, variables).await;
    socket.next("7").await;
    witness.untouched().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_sockets_are_five() {
    let server = Server::start(Backend::Memory).await;
    let mut witness = Witness::of(&server).await;
    let good = bearer(&token("mallory"));
    let full = || (429, "CONNECTION_LIMIT_EXCEEDED".to_owned());
    let headers = [PROTOCOL, ("authorization", &*good)];
    let open = || GraphqlSocket::open(&server.address, "", &headers);
    let mut sockets = Vec::new();
    for n in 0..1_000 {
        match open().await {
            Ok(socket) if n < 5 => sockets.push(socket),
            Err(refused) if n >= 5 => assert_eq!(refused, full()),
            _ => panic!("{n}"),
        }
    }
    // By every other way in.
    let mut late = GraphqlSocket::open(&server.address, "", &[PROTOCOL]).await.unwrap();
    late.init(json!({ "token": token("mallory") })).await;
    assert_eq!(late.closed().await, (4403, "CONNECTION_LIMIT_EXCEEDED".to_owned()));
    assert_eq!(Socket::try_open(&server.address, "", Some(&token("mallory")), None).await.err().unwrap(), full());
    let client = server.graphql("mallory");
    let events = GraphqlEvents::open(client.stream(EVENTS, json!({ "id": witness.id }))).await;
    events.err().unwrap().refused(429, "CONNECTION_LIMIT_EXCEEDED");
    let attack = GraphqlEvents::open(client.stream(SEND, json!({ "id": witness.id }))).await;
    attack.err().unwrap().refused(429, "CONNECTION_LIMIT_EXCEEDED");
    until_open(&server, 6).await;
    // The five are of use, and so is what needs no socket.
    for socket in &mut sockets {
        socket.init(json!({})).await;
        assert_eq!(socket.message().await["type"], "connection_ack");
    }
    client.data("{ me { id } }", json!({})).await;
    witness.untouched().await;
    sockets.pop().unwrap().cut();
    until_open(&server, 5).await;
    let mut again = open().await.unwrap();
    again.init(json!({})).await;
    assert_eq!(again.message().await["type"], "connection_ack");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_is_cut_anywhere_leaves_nothing() {
    let server = Server::start(Backend::Memory).await;
    let mut witness = Witness::of(&server).await;
    let text = subscribe("1", SEND, json!({ "id": witness.id })).to_string();
    assert!(text.len() > 125);
    // A frame in a mask of zeros, which leaves the text as it is.
    let length = u16::try_from(text.len()).unwrap().to_be_bytes();
    let frame = [&[0x81, 0xfe], &length[..], &[0; 4], text.as_bytes()].concat();
    for at in [1, 2, 3, 4, 7, 8, 9, frame.len() / 2, frame.len() - 1] {
        let mut socket = server.graphql_socket("mallory").await;
        socket.subscribe("s", EVENTS, json!({ "id": witness.id })).await;
        socket.next("s").await;
        socket.connection().write_all(&frame[..at]).await.unwrap();
        socket.cut();
        until_open(&server, 1).await;
    }
    // In the middle of a message in parts, with a whole one before it.
    let mut socket = server.graphql_socket("mallory").await;
    let part = Frame::message(text.clone(), OpCode::Data(Data::Text), false);
    socket.raw(Message::Frame(part)).await;
    socket.cut();
    until_open(&server, 1).await;
    witness.untouched().await;
    // The whole frame is what it is taken for.
    let mut socket = server.graphql_socket("mallory").await;
    socket.connection().write_all(&frame).await.unwrap();
    witness.seq += 1;
    assert_eq!(socket.next("1").await["data"]["sendMessage"]["message"]["seq"], witness.seq);
    assert_eq!(witness.socket.next("w").await["data"]["sessionEvents"]["message"]["content"], "attack");
    witness.untouched().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_reads_nothing_is_closed_and_nobody_else_notices() {
    let options = Options { write_time: Duration::from_millis(300), ..patient() };
    let server = Server::start_with(Backend::Memory, Limits::default(), options).await;
    let mut witness = Witness::of(&server).await;
    let id = witness.id.clone();
    // By what it follows.
    let mut stalled = server.graphql_socket("mallory").await;
    stalled.subscribe("s", EVENTS, json!({ "id": id })).await;
    stalled.next("s").await;
    let text = "ä".repeat(8_000);
    while server.open_sockets() == 2 {
        witness.owner.say(&id, &text).await;
        witness.seq += 1;
        assert!(witness.seq < 3_000, "it is still open");
        assert_eq!(witness.socket.next("w").await["data"]["sessionEvents"]["seq"], witness.seq);
    }
    witness.untouched().await;
    // By what it asks: it may ask for ever, and gets only as far as its buffers reach.
    let mut stalled = server.graphql_socket("mallory").await;
    let ping = json!({ "type": "ping", "payload": { "x": "x".repeat(30_000) } });
    let mut asked = 0;
    while stalled.feed(&ping).await {
        asked += 1;
        assert!(asked < 10_000);
    }
    until_open(&server, 1).await;
    witness.untouched().await;
    let mut stalled = server.graphql_socket("mallory").await;
    let page = "query($id: ID!) { messages(sessionId: $id, first: 100) { nodes { content } } }";
    let mut asked = 0;
    while stalled
        .feed(&subscribe(&format!("{asked}-{}", "x".repeat(200)), page, json!({ "id": id, "x": "x".repeat(30_000) })))
        .await
    {
        asked += 1;
        assert!(asked < 10_000);
    }
    until_open(&server, 1).await;
    witness.untouched().await;
}

/// A token that is good for so many seconds.
fn brief(seconds: u64) -> String {
    token_with(Claims { sub: "mallory".into(), ..Claims::default() }, seconds)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_open_ends_with_its_token_and_not_before() {
    let server = Server::start(Backend::Memory).await;
    let mut witness = Witness::of(&server).await;
    let brief = brief(15);
    let mut socket = GraphqlSocket::admitted(&server.address, &brief).await;
    for n in 0..20 {
        socket.subscribe(&n.to_string(), EVENTS, json!({ "id": witness.id })).await;
        socket.next(&n.to_string()).await;
    }
    socket.subscribe("all", ALL_EVENTS, json!({})).await;
    socket.next("all").await;
    let client = Graphql::new(&server.address, Some(brief.clone()));
    let mut streams = Vec::new();
    for query in [EVENTS, ALL_EVENTS] {
        let mut stream = GraphqlEvents::open(client.stream(query, json!({ "id": witness.id }))).await.unwrap();
        assert_eq!(stream.next().await.unwrap().get("errors"), None);
        streams.push(stream);
    }
    witness.untouched().await;
    for _ in 0..21 {
        assert_eq!(socket.message().await["payload"].get("errors"), None);
    }
    for stream in &mut streams {
        assert_eq!(stream.next().await.unwrap().get("errors"), None);
    }
    // No operation ends before the connection does: a client that goes on with a new token finds them all to go on with.
    assert_eq!(socket.ended().await, (4403, "AUTH_TOKEN_EXPIRED".to_owned()));
    for stream in streams {
        stream.ended().await;
    }
    until_open(&server, 1).await;
    witness.untouched().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_open_ends_promptly_with_the_server() {
    let options = Options { write_time: Duration::from_secs(120), ..patient() };
    let mut server = Server::start_with(Backend::Memory, Limits::default(), options).await;
    let witness = Witness::of(&server).await;
    let variables = json!({ "id": witness.id });
    let mut sockets = vec![witness.socket, server.graphql_socket("mallory").await];
    sockets.push(GraphqlSocket::open(&server.address, "", &[PROTOCOL]).await.unwrap());
    let client = server.graphql("mallory");
    let mut stream = GraphqlEvents::open(client.stream(EVENTS, variables)).await.unwrap();
    stream.next().await.unwrap();
    // Those who do not read what they are told are not waited for.
    let deaf = server.graphql_socket("mallory").await;
    let begun = Instant::now();
    server.stop().await;
    // Less than any limit of time by which it would end anyway.
    assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
    for socket in &mut sockets {
        assert_eq!(socket.ended().await, (1001, "the server ends".to_owned()));
    }
    stream.ended().await;
    drop(deaf);
}

// The event stream.

#[tokio::test(flavor = "multi_thread")]
async fn an_event_stream_gives_its_place_back_and_misses_nothing_when_slow() {
    let options = Options { sockets_per_user: 1, ..patient() };
    let server = Server::start_with(Backend::Memory, Limits::default(), options).await;
    let mut witness = Witness::of(&server).await;
    let variables = json!({ "id": witness.id, "after": 2 });
    let client = server.graphql("mallory");
    let mut slow = GraphqlEvents::open(client.stream(EVENTS, variables.clone())).await.unwrap();
    let text = "ä".repeat(8_000);
    // More than the buffers of both ends of a connection hold, and than the log's tail in memory.
    for _ in 0..600 {
        witness.owner.say(&witness.id, &text).await;
        witness.seq += 1;
        assert_eq!(witness.socket.next("w").await["data"]["sessionEvents"]["seq"], witness.seq);
    }
    assert_eq!(slow.next().await.unwrap()["data"]["sessionEvents"]["after"], 2);
    for seq in 3..=witness.seq {
        assert_eq!(slow.next().await.unwrap()["data"]["sessionEvents"]["seq"], seq);
    }
    witness.untouched().await;
    assert_eq!(slow.next().await.unwrap()["data"]["sessionEvents"]["seq"], witness.seq);

    let refused = GraphqlEvents::open(client.stream(EVENTS, variables.clone())).await.err().unwrap();
    refused.refused(429, "CONNECTION_LIMIT_EXCEEDED");
    drop(slow);
    until_open(&server, 1).await;
    // What has one result gives its place back by itself.
    for _ in 0..10 {
        let mut stream = GraphqlEvents::open(client.stream("{ me { id } }", json!({}))).await.unwrap();
        assert_eq!(stream.next().await, Some(json!({ "data": { "me": { "id": "mallory" } } })));
        assert_eq!(stream.next().await, None);
        stream.ended().await;
        until_open(&server, 1).await;
    }
    // HEAD has no body to stream.
    let variables = variables.to_string();
    let head = client.in_url(Method::HEAD, &[("query", EVENTS), ("variables", &variables)]);
    assert_eq!(client.send(head.header("accept", "text/event-stream")).await.status, 200);
    until_open(&server, 1).await;
    witness.untouched().await;
}

// Access.

async fn is_told_of_removal(stream: &mut GraphqlEvents, field: &str) {
    let removed = stream.next().await.unwrap();
    assert_eq!(removed["data"][field]["__typename"], "ParticipantRemoved", "{removed}");
}

on_every_store! {
    async fn who_is_removed_is_told_that_and_no_more(server) {
        let a = server.graphql("a");
        let (rest, _) = (server.client("a").await, server.client("b").await);
        let (id, other) = (rest.session("INVITE_ONLY").await, rest.session("INVITE_ONLY").await);
        let add = "mutation($id: ID!) { addParticipant(input: { sessionId: $id, userId: \"b\" }) { participant { role } } }";
        for id in [&id, &other] {
            a.data(add, json!({ "id": id })).await;
        }
        let mut socket = server.graphql_socket("b").await;
        socket.subscribe("one", EVENTS, json!({ "id": id })).await;
        assert_eq!(socket.next("one").await["data"]["sessionEvents"]["after"], 2);
        socket.subscribe("other", EVENTS, json!({ "id": other })).await;
        socket.next("other").await;
        let b = server.graphql("b");
        let mut one = GraphqlEvents::open(b.stream(EVENTS, json!({ "id": id }))).await.unwrap();
        one.next().await.unwrap();
        let mut all = GraphqlEvents::open(b.stream(ALL_EVENTS, json!({}))).await.unwrap();
        for _ in 0..2 {
            assert_eq!(all.next().await.unwrap()["data"]["allSessionEvents"]["__typename"], "Subscribed");
        }

        let remove = "mutation($id: ID!) { removeParticipant(input: { sessionId: $id, userId: \"b\" }) { userId } }";
        a.data(remove, json!({ "id": id })).await;
        a.data(SEND, json!({ "id": id, "text": "without b" })).await;
        let removed = json!({ "data": { "sessionEvents": { "__typename": "ParticipantRemoved", "seq": 3 } } });
        assert_eq!(socket.next("one").await, removed);
        socket.completed("one").await;
        assert_eq!(one.next().await, Some(removed));
        assert_eq!(one.next().await, None);
        one.ended().await;
        is_told_of_removal(&mut all, "allSessionEvents").await;

        // The socket and the other subscriptions stay.
        a.data(SEND, json!({ "id": other, "text": "with b" })).await;
        assert_eq!(socket.next("other").await["data"]["sessionEvents"]["message"]["content"], "with b");
        let told = all.next().await.unwrap();
        assert_eq!(told["data"]["allSessionEvents"]["message"]["content"], "with b");
        socket.subscribe("one", EVENTS, json!({ "id": id })).await;
        assert_eq!(socket.failed("one").await, ["SESSION_NOT_FOUND"]);
        let written = socket.ask(SEND, json!({ "id": id })).await;
        assert_eq!(codes(&written["errors"]), ["SESSION_NOT_FOUND"]);
        let head = "query($id: ID!) { events(sessionId: $id) { head } }";
        assert_eq!(a.data(head, json!({ "id": id })).await["events"]["head"], 4);
    }

    async fn a_hidden_session_is_like_one_that_never_was(server) {
        let a = server.client("a").await;
        let hidden = [a.session("PRIVATE").await, a.session("INVITE_ONLY").await, {
            let id = a.session("PUBLIC").await;
            a.say(&id, "hidden").await;
            a.delete(&format!("/sessions/{id}")).await.expect(204);
            id
        }];
        for id in &hidden[..2] {
            a.say(id, "hidden").await;
        }
        let b = server.graphql("b");
        let mut socket = server.graphql_socket("b").await;
        let fields = fields_that_name_a_session();
        let named: BTreeSet<&str> = fields.iter().map(|(field, _)| *field).collect();
        assert_eq!(named, every_field(&b).await, "a field is not looked at here");
        for (_, query) in fields {
            let ask = async |id: &str| {
                let session_id: SessionId = id.parse().unwrap();
                let message = MessageId { session_id, seq: 2 }.to_string();
                let variables = json!({ "id": id, "message": message });
                let same = |text: &str| text.replace(id, "ID").replace(&message, "MESSAGE");
                let answer = b.ask(query, variables.clone()).await;
                assert_eq!(answer.status, if query.starts_with("subscription") { 406 } else { 200 }, "{}", answer.text);
                same(&answer.text)
            };
            let never = ask(NOWHERE).await;
            if !query.starts_with("subscription") {
                let answer: Value = serde_json::from_str(&never).unwrap();
                let known = ["SESSION_NOT_FOUND", "MESSAGE_NOT_FOUND"];
                assert!(codes(&answer["errors"]).iter().all(|code| known.contains(code)), "{query}: {answer}");
                assert!(answer["errors"].as_array().unwrap().iter().all(|error| error["extensions"]["details"] == json!({})));
            }
            for id in &hidden {
                assert_eq!(ask(id).await, never, "{query}");
            }
            // As subscriptions are meant, and what else is asked so.
            let mut follow = async |id: &str| {
                let session_id: SessionId = id.parse().unwrap();
                let message = MessageId { session_id, seq: 2 }.to_string();
                let variables = json!({ "id": id, "message": message });
                let same = |text: &str| text.replace(id, "ID").replace(&message, "MESSAGE");
                socket.subscribe("s", query, variables.clone()).await;
                let told = same(&socket.message().await.to_string());
                socket.complete("s").await;
                socket.send(json!({ "type": "ping" })).await;
                while socket.message().await["type"] != "pong" {}
                let mut events = GraphqlEvents::open(b.stream(query, variables)).await.unwrap();
                told + &same(&events.next().await.unwrap().to_string())
            };
            let never = follow(NOWHERE).await;
            assert!(never.contains("NOT_FOUND"), "{query}: {never}");
            for id in &hidden {
                assert_eq!(follow(id).await, never, "{query}");
            }
            until_open(&server, 1).await;
        }
        let lists = "{ sessions { nodes { id } } publicSessions { totalCount nodes { id } } }";
        let none = json!({ "sessions": { "nodes": [] }, "publicSessions": { "totalCount": 0, "nodes": [] } });
        assert_eq!(b.data(lists, json!({})).await, none);
        // Nothing was done.
        for id in &hidden[..2] {
            let session = a.get(&format!("/sessions/{id}")).await.expect(200);
            assert_eq!((&session["seq"], &session["title"]), (&json!(2), &json!("A room")));
        }
    }
}

/// Each field that takes the id of a session or of a message, in every way that could make a difference.
fn fields_that_name_a_session() -> Vec<(&'static str, &'static str)> {
    vec![
        ("session", "query($id: ID!) { session(id: $id) { id title owner { id } messages { totalCount } } }"),
        ("node", "query($id: ID!) { node(id: $id) { __typename id } }"),
        ("node", "query($message: ID!) { node(id: $message) { __typename id } }"),
        ("nodes", "query($id: ID!, $message: ID!) { nodes(ids: [$id, $message, $id]) { id } }"),
        ("participants", "query($id: ID!) { participants(sessionId: $id) { nodes { id } } }"),
        (
            "participants",
            "query($id: ID!) { participants(sessionId: $id, first: 1, includeEmail: true) { nodes { user { email } } } }",
        ),
        ("messages", "query($id: ID!) { messages(sessionId: $id) { totalCount nodes { content } } }"),
        ("messages", "query($id: ID!) { messages(sessionId: $id, last: 1) { totalCount } }"),
        ("messages", "query($id: ID!) { messages(sessionId: $id, after: \"999\") { totalCount } }"),
        ("messages", "query($id: ID!) { messages(sessionId: $id, before: \"2020-01-01T00:00:00Z\") { totalCount } }"),
        ("messages", "query($id: ID!) { messages(sessionId: $id, skip: 99) { totalCount } }"),
        ("message", "query($message: ID!) { message(id: $message) { content session { title } } }"),
        ("pins", "query($id: ID!) { pins(sessionId: $id) { message { content } } }"),
        (
            "editMessage",
            "mutation($message: ID!) { editMessage(input: { messageId: $message, content: \"x\" }) { message { content } } }",
        ),
        (
            "editMessage",
            "mutation($message: ID!) { editMessage(input: { messageId: $message, content: \"x\", revision: 9 }) { message { id } } }",
        ),
        (
            "deleteMessage",
            "mutation($message: ID!) { deleteMessage(input: { messageId: $message }) { message { content } } }",
        ),
        ("pinMessage", "mutation($message: ID!) { pinMessage(input: { messageId: $message }) { messageId } }"),
        ("unpinMessage", "mutation($message: ID!) { unpinMessage(input: { messageId: $message }) { messageId } }"),
        ("events", "query($id: ID!) { events(sessionId: $id) { head } }"),
        ("events", "query($id: ID!) { events(sessionId: $id, after: \"1\") { head } }"),
        ("events", "query($id: ID!) { events(sessionId: $id, after: \"999\") { head } }"),
        (
            "updateSession",
            "mutation($id: ID!) { updateSession(input: { sessionId: $id, title: \"x\" }) { session { id } } }",
        ),
        (
            "updateSession",
            "mutation($id: ID!) { updateSession(input: { sessionId: $id, maxParticipants: 1, sessionType: PUBLIC }) { session { id } } }",
        ),
        ("deleteSession", "mutation($id: ID!) { deleteSession(input: { sessionId: $id }) { sessionId } }"),
        ("joinSession", "mutation($id: ID!) { joinSession(input: { sessionId: $id }) { session { title } } }"),
        ("leaveSession", "mutation($id: ID!) { leaveSession(input: { sessionId: $id }) { sessionId } }"),
        (
            "addParticipant",
            "mutation($id: ID!) { addParticipant(input: { sessionId: $id, userId: \"b\" }) { session { title } } }",
        ),
        (
            "addParticipant",
            "mutation($id: ID!) { addParticipant(input: { sessionId: $id, userId: \"a\", role: OWNER }) { session { title } } }",
        ),
        (
            "addParticipant",
            "mutation($id: ID!) { addParticipant(input: { sessionId: $id, userId: \"nobody\" }) { session { title } } }",
        ),
        (
            "changeRole",
            "mutation($id: ID!) { changeRole(input: { sessionId: $id, userId: \"a\", role: MEMBER }) { participant { id } } }",
        ),
        (
            "changeRole",
            "mutation($id: ID!) { changeRole(input: { sessionId: $id, userId: \"nobody\", role: OWNER }) { participant { id } } }",
        ),
        (
            "removeParticipant",
            "mutation($id: ID!) { removeParticipant(input: { sessionId: $id, userId: \"a\" }) { userId } }",
        ),
        (
            "removeParticipant",
            "mutation($id: ID!) { removeParticipant(input: { sessionId: $id, userId: \"nobody\" }) { userId } }",
        ),
        (
            "sendMessage",
            "mutation($id: ID!) { sendMessage(input: { sessionId: $id, content: \"x\" }) { message { session { title } } } }",
        ),
        (
            "sendMessage",
            "mutation($id: ID!) { sendMessage(input: { sessionId: $id, content: \"x\", clientId: \"k\" }) { message { id } } }",
        ),
        ("setTyping", "mutation($id: ID!) { setTyping(input: { sessionId: $id, isTyping: true }) { isTyping } }"),
        ("sessionEvents", "subscription($id: ID!) { sessionEvents(sessionId: $id) { __typename } }"),
        ("sessionEvents", "subscription($id: ID!) { sessionEvents(sessionId: $id, after: 0) { __typename } }"),
        ("sessionEvents", "subscription($id: ID!) { sessionEvents(sessionId: $id, after: 999) { __typename } }"),
        (
            "allSessionEvents",
            "subscription($id: ID!) { allSessionEvents(after: [{ sessionId: $id, seq: 1 }]) {
                __typename ... on SubscriptionEnded { sessionId code detail } } }",
        ),
        (
            "allSessionEvents",
            "subscription($id: ID!) { allSessionEvents(after: [{ sessionId: $id, seq: 999 }]) {
                __typename ... on SubscriptionEnded { sessionId code detail } } }",
        ),
    ]
}

/// The root fields of the schema, but for those that name nothing.
async fn every_field(client: &Graphql) -> BTreeSet<&'static str> {
    let roots = "{ __schema { queryType { fields { name } } mutationType { fields { name } } subscriptionType { fields { name } } } }";
    let schema = client.data(roots, json!({})).await;
    let names = ["queryType", "mutationType", "subscriptionType"].into_iter().flat_map(|root| {
        let fields = schema["__schema"][root]["fields"].as_array().unwrap().clone();
        fields.into_iter().map(|field| field["name"].as_str().unwrap().to_owned())
    });
    let plain = ["me", "sessions", "publicSessions", "createSession"];
    names.filter(|name| !plain.contains(&&**name)).map(|name| &*name.leak()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_to_a_public_session_is_told_that_and_nothing_of_it() {
    let server = Server::start(Backend::Memory).await;
    let mut witness = Witness::of(&server).await;
    let b = server.graphql("b");
    let session_id: SessionId = witness.id.parse().unwrap();
    let message = MessageId { session_id, seq: 3 }.to_string();
    witness.untouched().await;
    for (field, query) in fields_that_name_a_session() {
        if ["joinSession", "sessionEvents", "allSessionEvents"].contains(&field) {
            continue;
        }
        let answer = b.ask(query, json!({ "id": witness.id, "message": message })).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert!(!answer.text.contains("A room") && !answer.text.contains("still here"), "{query}: {}", answer.text);
        for error in answer.body["errors"].as_array().unwrap() {
            assert_eq!(error["extensions"]["code"], "SESSION_ACCESS_DENIED", "{query}: {}", answer.text);
            assert_eq!(error["extensions"]["details"], json!({}));
        }
    }
    witness.untouched().await;
}
