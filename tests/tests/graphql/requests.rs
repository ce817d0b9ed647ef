//! Requests over HTTP: tokens, bodies, methods, types of answers.

use super::*;

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
    // A request without a token is read, since it may post to a webhook. It is read up to the same limit.
    let stranger = Graphql::new(&server.address, None);
    let body = " ".repeat(10_000_000);
    stranger.send(raw(&stranger, Some("application/json"), body)).await.refused(413, "PAYLOAD_TOO_LARGE");
    stranger.send(raw(&stranger, Some("application/json"), text.clone())).await.refused(401, "AUTH_REQUIRED");
    witness.untouched().await;
    // At the limit it is executed.
    let whole = format!("{text}{}", " ".repeat(limit - text.len()));
    let answer = client.send(raw(&client, Some("application/json"), whole)).await;
    assert_eq!(answer.body, json!({ "data": { "sendMessage": { "message": { "seq": witness.seq + 1 } } } }));
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
