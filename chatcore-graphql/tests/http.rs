//! GraphQL over HTTP, case by case.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests report by panicking"
)]

mod toy;

use std::sync::{Arc, atomic::Ordering};

use chatcore::Error;
use chatcore_graphql::{HttpBody, HttpHead, HttpReply, WireOptions};
use futures_util::StreamExt;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use toy::{Seen, caller, toy};

const GRAPHQL: &str = "application/graphql-response+json; charset=utf-8";
const JSON: &str = "application/json; charset=utf-8";
const EVENTS: &str = "text/event-stream; charset=utf-8";

/// A request, as a client sends it.
#[derive(Clone, Copy)]
struct Sent<'a> {
    method: &'a str,
    content_type: Option<&'a str>,
    accept: Option<&'a str>,
    url_query: Option<&'a str>,
    body: &'a str,
}

const POST: Sent<'_> =
    Sent { method: "POST", content_type: Some("application/json"), accept: None, url_query: None, body: "" };
const GET: Sent<'_> = Sent { method: "GET", content_type: None, accept: None, url_query: None, body: "" };

/// An answer, as the client sees it.
#[derive(Debug)]
struct Answer {
    status: u16,
    content_type: String,
    headers: Vec<(String, String)>,
    text: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("{self:?}"))
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
    }

    fn codes(&self) -> Vec<Value> {
        let body = self.json();
        body["errors"].as_array().unwrap().iter().map(|error| error["extensions"]["code"].clone()).collect()
    }
}

async fn ask(sent: Sent<'_>, options: &WireOptions, seen: &Arc<Seen>) -> Answer {
    let Sent { method, content_type, accept, url_query, body } = sent;
    let reply = match HttpHead::read(method, content_type, accept, options) {
        Ok(head) if head.wants_page() => {
            return Answer { status: 200, content_type: "page".into(), headers: vec![], text: String::new() };
        }
        Ok(head) => {
            let never = CancellationToken::new().cancelled_owned();
            head.answer(&toy(seen), url_query, body.as_bytes(), caller(seen, None), options, never).await
        }
        Err(reply) => reply,
    };
    let HttpReply { status, headers, body } = reply;
    let text = match body {
        HttpBody::Full(text) => String::from_utf8(text.to_vec()).unwrap(),
        HttpBody::Events(events) => {
            let chunks: Vec<_> = events.collect().await;
            String::from_utf8(chunks.concat()).unwrap()
        }
    };
    let types: Vec<_> = headers.iter().filter(|(name, _)| name == "Content-Type").map(|(_, value)| value).collect();
    assert_eq!(types.len(), 1);
    Answer { status, content_type: types[0].clone(), headers, text }
}

async fn plain(sent: Sent<'_>) -> Answer {
    ask(sent, &WireOptions::default(), &Arc::new(Seen::default())).await
}

fn body(query: &str) -> String {
    json!({ "query": query }).to_string()
}

fn url(pairs: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

#[tokio::test]
async fn types_of_answers() {
    let page = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
    let several = "application/graphql-response+json, application/graphql+json, application/json, text/event-stream, multipart/mixed";
    let cases = [
        (None, GRAPHQL, ""),
        (Some("*/*"), GRAPHQL, ""),
        (Some("application/*"), GRAPHQL, ""),
        (Some("application/json"), JSON, ""),
        (Some("APPLICATION/JSON"), JSON, ""),
        (Some("application/json;charset=UTF-8"), JSON, ""),
        (Some("application/json ; q=0.5"), JSON, ""),
        (Some("application/graphql-response+json"), GRAPHQL, ""),
        (Some("application/graphql-response+json; charset=utf-8, application/json; charset=utf-8"), GRAPHQL, ""),
        (Some("application/json, application/graphql-response+json"), GRAPHQL, ""),
        (Some("application/json, application/graphql-response+json;q=0.9"), JSON, ""),
        (Some("application/graphql-response+json;q=0, */*"), JSON, ""),
        (Some("application/json;q=0.5, */*;q=0.1"), JSON, ""),
        (Some("text/event-stream"), EVENTS, ""),
        (Some("text/event-stream, */*;q=0.1"), EVENTS, ""),
        (Some("text/event-stream;q=0.5, application/json;q=0.6"), JSON, ""),
        (Some(several), GRAPHQL, ""),
        (Some("nonsense, application/json"), JSON, ""),
        (Some("text/plain"), "", ""),
        (Some("text/html"), "", "page"),
        (Some(page), GRAPHQL, "page"),
        (Some("application/json;charset=utf-16"), "", ""),
        (Some("application/json;q=0"), "", ""),
        (Some("application/json;q=2"), "", ""),
        (Some(""), "", ""),
    ];
    for (accept, by_post, by_get) in cases {
        let (text, query) = (body("{ hello }"), url(&[("query", "{ hello }")]));
        let post = plain(Sent { accept, body: &text, ..POST }).await;
        let get = plain(Sent { accept, url_query: Some(&query), ..GET }).await;
        let by_get = if by_get.is_empty() { by_post } else { by_get };
        for (got, wanted) in [(post, by_post), (get, by_get)] {
            if wanted.is_empty() {
                assert_eq!((got.status, got.content_type.as_str()), (406, GRAPHQL), "{accept:?}");
                assert_eq!(got.codes(), ["NOT_ACCEPTABLE"]);
            } else {
                assert_eq!((got.status, got.content_type.as_str()), (200, wanted), "{accept:?}");
            }
            if [GRAPHQL, JSON].contains(&wanted) {
                assert_eq!(got.json(), json!({ "data": { "hello": "world" } }));
            }
        }
    }
    let options = WireOptions { graphiql: false, ..WireOptions::default() };
    let off = ask(Sent { accept: Some(page), ..GET }, &options, &Arc::default()).await;
    assert_eq!((off.status, off.content_type.as_str()), (400, GRAPHQL));
}

#[tokio::test]
async fn types_of_bodies() {
    let text = body("{ hello }");
    for ok in [
        "application/json",
        "Application/JSON; Charset=\"UTF-8\"",
        "application/json;charset=utf-8",
        "application/json; charset=utf8",
        "application/json ;charset=utf-8",
        "application/json;;charset=utf-8;",
        "application/json;\tcharset=utf-8",
        "application/json; charset=\"UTF8\"",
    ] {
        assert_eq!(plain(Sent { content_type: Some(ok), body: &text, ..POST }).await.status, 200, "{ok}");
    }
    for bad in [
        None,
        Some(""),
        Some("text/plain"),
        Some("application/x-www-form-urlencoded"),
        Some("multipart/form-data; boundary=x"),
        Some("application/graphql"),
        Some("application/json; charset=latin1"),
        Some("application/json,text/plain"),
    ] {
        let got = plain(Sent { content_type: bad, body: &text, ..POST }).await;
        assert_eq!((got.status, got.codes()), (415, vec![json!("UNSUPPORTED_MEDIA_TYPE")]), "{bad:?}");
    }
}

#[tokio::test]
async fn methods() {
    for method in ["PUT", "DELETE", "PATCH", "get"] {
        let got = plain(Sent { method, ..POST }).await;
        assert_eq!((got.status, got.codes()), (405, vec![json!("METHOD_NOT_ALLOWED")]));
        assert_eq!(got.header("Allow"), Some("GET, HEAD, POST, OPTIONS"));
    }
    let query = url(&[("query", "{ hello }")]);
    assert_eq!(plain(Sent { method: "HEAD", url_query: Some(&query), ..GET }).await.status, 200);
}

#[tokio::test]
async fn get_only_reads() {
    let both = "query a { hello } mutation b { bump }";
    for accept in [None, Some("application/json"), Some("text/event-stream")] {
        let seen = Arc::new(Seen::default());
        for pairs in [
            vec![("query", "mutation { bump }")],
            vec![("query", "mutation b { bump }"), ("operationName", "b")],
            vec![("query", "mutation b { bump }"), ("operationName", "")],
            vec![("query", both), ("operationName", "b")],
        ] {
            let query = url(&pairs);
            let got = ask(Sent { url_query: Some(&query), accept, ..GET }, &WireOptions::default(), &seen).await;
            assert_eq!((got.status, got.codes()), (405, vec![json!("METHOD_NOT_ALLOWED")]), "{pairs:?}");
            assert_eq!(got.header("Allow"), Some("POST"));
        }
        assert_eq!(seen.bumps.load(Ordering::SeqCst), 0);
    }
    let query = url(&[("query", both), ("operationName", "a")]);
    assert_eq!(plain(Sent { url_query: Some(&query), ..GET }).await.json(), json!({ "data": { "hello": "world" } }));
    let (seen, text) = (Arc::default(), body("mutation { bump }"));
    let got = ask(Sent { body: &text, ..POST }, &WireOptions::default(), &seen).await;
    assert_eq!((got.status, got.json()), (200, json!({ "data": { "bump": 1 } })));
}

#[tokio::test]
async fn parameters_of_a_url() {
    let query = "query a($t: String!) { echo(text: $t) } query null { hello }";
    let variables = json!({ "t": "ü +&=" }).to_string();
    let given =
        url(&[("query", query), ("operationName", "a"), ("variables", &variables), ("extensions", "{}"), ("x", "y")]);
    let got = plain(Sent { url_query: Some(&given), ..GET }).await;
    assert_eq!((got.status, got.json()), (200, json!({ "data": { "echo": "ü +&=" } })));
    // "null" is a name like others.
    let given = url(&[("query", query), ("operationName", "null"), ("variables", "null")]);
    assert_eq!(plain(Sent { url_query: Some(&given), ..GET }).await.json(), json!({ "data": { "hello": "world" } }));
    for (pairs, message) in [
        (vec![], "`query` is missing"),
        (vec![("operationName", "a")], "`query` is missing"),
        (vec![("query", "{ hello }"), ("variables", "{")], "`variables` is not JSON"),
        (vec![("query", "{ hello }"), ("variables", "")], "`variables` is not JSON"),
        (vec![("query", "{ hello }"), ("variables", "[1]")], "`variables` is an object, this is an array"),
        (vec![("query", "{ hello }"), ("extensions", "\"\"")], "`extensions` is an object, this is a string"),
        (vec![("query", "{ hello }"), ("query", "{ hello }")], "`query` is given twice"),
        (vec![("query", "{ hello }"), ("variables", r#"{"a":{"b":1,"b":1}}"#)], "`variables.a.b` is given twice"),
        (vec![("query", "{ hello }"), ("extensions", r#"{"a":1,"a":1}"#)], "`extensions.a` is given twice"),
    ] {
        let given = url(&pairs);
        for accept in [None, Some("application/json"), Some("text/event-stream")] {
            let got = plain(Sent { url_query: Some(&given), accept, ..GET }).await;
            assert_eq!((got.status, got.codes()), (400, vec![json!("VALIDATION_INVALID_FORMAT")]), "{pairs:?}");
            assert!(got.text.contains(message), "{}", got.text);
            assert!(got.json().get("data").is_none());
        }
    }
    assert_eq!(plain(Sent { accept: Some("application/json"), ..GET }).await.status, 400);
}

#[tokio::test]
async fn parameters_of_a_body() {
    let given = json!({
        "query": "query a { hello } query b($t: String!) { echo(text: $t) }",
        "operationName": "b", "variables": { "t": "x" }, "extensions": { "e": 1 }, "more": [],
    });
    let got = plain(Sent { body: &given.to_string(), ..POST }).await;
    assert_eq!((got.status, got.json()), (200, json!({ "data": { "echo": "x" } })));
    let given = json!({ "query": "{ hello }", "operationName": null, "variables": null, "extensions": null });
    assert_eq!(plain(Sent { body: &given.to_string(), ..POST }).await.status, 200);
    let deep = format!("{{\"query\":\"{{ hello }}\",\"variables\":{}", "[".repeat(10_000));
    let not_utf8 = ["NONSENSE", "", "{\"query\":", "\u{feff}{}", &deep];
    let malformed = not_utf8.map(|text| (text.to_owned(), "the body is not JSON"));
    let wrong = [
        (json!("{ hello }"), "a request is a JSON object, this is a string"),
        (json!({ "qeury": "{ hello }" }), "`query` is missing"),
        (json!({ "query": null }), "`query` is a string, this is null"),
        (json!({ "query": "{ hello }", "variables": [7] }), "`variables` is an object, this is an array"),
        (json!({ "query": "{ hello }", "operationName": 1 }), "`operationName` is a string, this is a number"),
        (json!({ "query": "{ hello }", "extensions": 1 }), "`extensions` is an object, this is a number"),
        (json!([{ "query": "{ hello }" }]), "send each alone"),
        (json!([]), "send each alone"),
    ];
    let wrong = wrong.map(|(json, message)| (json.to_string(), message));
    for (text, message) in malformed.into_iter().chain(wrong) {
        for accept in [None, Some("application/json"), Some("text/event-stream")] {
            let got = plain(Sent { body: &text, accept, ..POST }).await;
            assert_eq!((got.status, got.codes()), (400, vec![json!("VALIDATION_INVALID_FORMAT")]), "{text:.100}");
            assert!(got.text.contains(message), "{}", got.text);
        }
    }
}

#[tokio::test]
async fn statuses_of_executions() {
    let wide = format!("{{ {} }}", (0..30).map(|n| format!("a{n}: hello ")).collect::<String>());
    let nested = "{".repeat(50_000);
    // Query, codes, whether there are data.
    let cases = [
        ("{ hello }", vec![], true),
        ("{ hello full }", vec!["SESSION_FULL"], true),
        ("{ needed }", vec!["INTERNAL_ERROR"], true),
        ("{", vec!["VALIDATION_INVALID_FORMAT"], false),
        (&nested, vec!["RESOURCE_LIMIT_EXCEEDED"], false),
        ("{ nothing }", vec!["VALIDATION_INVALID_VALUE"], false),
        ("query($x: Int!) { number(value: $x) }", vec!["VALIDATION_REQUIRED_FIELD"], false),
        ("query a { hello } query b { hello }", vec!["VALIDATION_INVALID_VALUE"], false),
        (&wide, vec!["RESOURCE_LIMIT_EXCEEDED"], false),
        ("{ nested { nested { nested { nested { nested { hello } } } } } }", vec!["RESOURCE_LIMIT_EXCEEDED"], false),
        ("{ boom }", vec!["INTERNAL_ERROR"], false),
    ];
    for (query, codes, data) in cases {
        let text = body(query);
        for (accept, refused) in [(None, 400), (Some("application/json"), 200)] {
            let got = plain(Sent { body: &text, accept, ..POST }).await;
            let label = format!("{query:.60} {accept:?} {got:?}");
            assert_eq!(got.status, if data { 200 } else { refused }, "{label}");
            assert_eq!(got.json().get("data").is_some(), data, "{label}");
            if codes.is_empty() {
                assert!(got.json().get("errors").is_none());
            } else {
                assert_eq!(got.codes(), codes, "{label}");
            }
        }
    }
}

#[tokio::test]
async fn variables_of_a_wrong_type_are_an_error_of_the_request() {
    for (query, variables) in [
        ("query($x: Int!) { number(value: $x) }", json!({ "x": "one" })),
        ("query($x: Int!) { number(value: $x) }", json!({ "x": null })),
        ("query($x: Int!) { number(value: $x) hello }", json!({})),
        ("query($x: String!) { number(value: $x) }", json!({ "x": "one" })),
    ] {
        let text = json!({ "query": query, "variables": variables }).to_string();
        let got = plain(Sent { body: &text, ..POST }).await;
        assert_eq!(got.status, 400, "{query} {variables} {got:?}");
    }
    // One with a default need not be given.
    let text = body("query($x: Int! = 3) { number(value: $x) }");
    assert_eq!(plain(Sent { body: &text, ..POST }).await.json(), json!({ "data": { "number": 3 } }));
}

#[tokio::test]
async fn headers_of_resolvers_are_kept() {
    let text = body("{ headed }");
    assert_eq!(plain(Sent { body: &text, ..POST }).await.header("x-toy"), Some("yes"));
}

#[tokio::test]
async fn subscriptions_are_told_where_to_go() {
    let (text, query) = (body("subscription { quiet }"), url(&[("query", "subscription { quiet }")]));
    for (accept, status) in [(None, 406), (Some("application/json"), 200)] {
        for sent in [Sent { body: &text, accept, ..POST }, Sent { url_query: Some(&query), accept, ..GET }] {
            let got = plain(sent).await;
            assert_eq!((got.status, got.codes()), (status, vec![json!("NOT_ACCEPTABLE")]));
            assert!(got.text.contains("graphql-transport-ws") && got.text.contains("text/event-stream"));
            assert!(got.json().get("data").is_none());
        }
    }
    // Who takes events besides gets them.
    let text = body("subscription { count(to: 1) }");
    let accept = Some("application/graphql-response+json, application/json, text/event-stream, multipart/mixed");
    let got = plain(Sent { body: &text, accept, ..POST }).await;
    assert_eq!((got.status, got.content_type.as_str()), (200, EVENTS));
}

#[tokio::test]
async fn batches_where_they_are_allowed() {
    let options = WireOptions { batch: 3, ..WireOptions::default() };
    let batch = json!([
        { "query": "{ operation }" },
        { "query": "{ nothing }" },
        { "query": "subscription { quiet }" },
    ]);
    let seen = Arc::default();
    let got = ask(Sent { body: &batch.to_string(), ..POST }, &options, &seen).await;
    assert_eq!(got.status, 200);
    let answers = got.json();
    assert_eq!(answers[0], json!({ "data": { "operation": 1 } }));
    assert_eq!(answers[1]["errors"][0]["extensions"]["code"], "VALIDATION_INVALID_VALUE");
    assert!(answers[1].get("data").is_none());
    assert_eq!(answers[2]["errors"][0]["extensions"]["code"], "NOT_ACCEPTABLE");
    let many = json!(vec![json!({ "query": "mutation { bump }" }); 4]);
    for (refused, accept) in [
        (many, None),
        (json!([]), None),
        (json!([{ "query": "mutation { bump }" }, 1]), None),
        (json!([{ "query": "mutation { bump }" }]), Some("text/event-stream")),
    ] {
        let got = ask(Sent { body: &refused.to_string(), accept, ..POST }, &options, &seen).await;
        assert_eq!((got.status, got.codes()), (400, vec![json!("VALIDATION_INVALID_FORMAT")]), "{refused}");
    }
    assert_eq!(seen.bumps.load(Ordering::SeqCst), 0);
}

#[test]
fn errors_from_before_the_request() {
    let of = |error: Error, accept| {
        let HttpReply { status, mut headers, .. } = HttpReply::of_error(&error, accept);
        for all_have in [("Cache-Control", "no-store"), ("Vary", "Accept")] {
            let at = headers.iter().position(|(name, value)| (name.as_str(), value.as_str()) == all_have);
            headers.remove(at.unwrap_or_else(|| panic!("{all_have:?} is missing")));
        }
        (status, headers)
    };
    let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let (status, headers) = of(Error::AuthRequired, None);
    assert_eq!(status, 401);
    assert_eq!(headers, [header("Content-Type", GRAPHQL), header("WWW-Authenticate", "Bearer")]);
    let (status, headers) = of(Error::TokenExpired, Some("application/json"));
    assert_eq!(status, 401);
    assert_eq!(headers, [header("Content-Type", JSON), header("WWW-Authenticate", "Bearer error=\"invalid_token\"")]);
    let (status, headers) = of(Error::TooManyConnections, Some("text/event-stream"));
    assert_eq!(status, 429);
    assert_eq!(headers, [header("Content-Type", GRAPHQL), header("Retry-After", "1")]);
}

#[tokio::test]
async fn a_key_that_is_given_twice_is_refused_at_any_depth() {
    let many = WireOptions { batch: 2, ..WireOptions::default() };
    for (body, key) in [
        (r#"{"query":"{ hello }","query":"{ hello }"}"#, "query"),
        (r#"{"query":"{ hello }","variables":{},"variables":{}}"#, "variables"),
        (r#"{"query":"{ hello }","variables":{"a":1,"\u0061":1}}"#, "variables.a"),
        (r#"{"query":"{ hello }","variables":{"a":[{"b":{"c":1,"c":2}}]}}"#, "variables.a[0].b.c"),
        (r#"{"query":"{ hello }","extensions":{"a":{},"a":{}}}"#, "extensions.a"),
        (r#"{"query":"{ hello }","unknown":{"a":1,"a":1}}"#, "unknown.a"),
        (r#"[{"query":"{ hello }"},{"query":"{ hello }","query":"{ hello }"}]"#, "[1].query"),
    ] {
        let got = ask(Sent { body, ..POST }, &many, &Arc::default()).await;
        assert_eq!((got.status, got.codes()), (400, vec![json!("VALIDATION_INVALID_FORMAT")]), "{body}");
        assert!(got.text.contains(&format!("`{key}` is given twice")), "{}", got.text);
    }
}
