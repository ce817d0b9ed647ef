//! What is wrong gets a typed problem, and changes nothing.

use std::time::Duration;

use chatcore::{JwtIssuer, identity::Claims};
use chatcore_tests::{Backend, SECRET, Server, on_every_store, token_with};
use futures_util::stream;
use reqwest::Method;
use serde_json::{Value, json};

/// A session that never was.
const NOWHERE: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

on_every_store! {
    async fn sessions_say_no(server) {
        let (a, b) = (server.client("a").await, server.client("b").await);
        let join = |id: &str| format!("/sessions/{id}/join");
        let public = a.session("PUBLIC").await;
        b.post(&join(&public), json!({})).await.expect(200);
        b.post(&join(&public), json!({})).await.problem(409, "PARTICIPANT_ALREADY_EXISTS");

        let full = a.post("/sessions", json!({ "title": "x", "session_type": "PUBLIC", "max_participants": 1 })).await;
        let full = full.expect(201)["id"].as_str().unwrap().to_owned();
        b.post(&join(&full), json!({})).await.problem(409, "SESSION_FULL");
        a.post(&format!("/sessions/{full}/invite"), json!({ "user_id": "b" })).await.problem(409, "SESSION_FULL");

        let private = a.session("PRIVATE").await;
        b.post(&join(&private), json!({})).await.problem(404, "SESSION_NOT_FOUND");
        let invite = |id: &str| format!("/sessions/{id}/invite");
        a.post(&invite(&private), json!({ "user_id": "b" })).await.problem(409, "SESSION_PRIVATE");
        a.post(&invite(&public), json!({ "user_id": "nobody" })).await.problem(404, "USER_NOT_FOUND");
        a.post(&invite(&public), json!({ "user_id": "b" })).await.problem(409, "PARTICIPANT_ALREADY_EXISTS");
        a.post(&invite(&public), json!({ "user_id": "b", "role": "OWNER" })).await.problem(403, "SESSION_OWNER_PROTECTED");

        let path = format!("/sessions/{public}");
        a.put(&format!("{path}/participants/b/role"), json!({ "role": "ADMIN" })).await.expect(200);
        b.put(&format!("{path}/participants/a/role"), json!({ "role": "MEMBER" })).await.problem(403, "SESSION_OWNER_PROTECTED");
        b.put(&format!("{path}/participants/b/role"), json!({ "role": "OWNER" })).await.problem(403, "SESSION_OWNER_PROTECTED");
        b.delete(&format!("{path}/participants/a")).await.problem(403, "SESSION_OWNER_PROTECTED");
        b.delete(&path).await.problem(403, "SESSION_OWNER_REQUIRED");
        a.post(&format!("{path}/leave"), json!({})).await.problem(409, "SESSION_OWNER_CANNOT_LEAVE");
        a.delete(&format!("{path}/participants/nobody")).await.problem(404, "PARTICIPANT_NOT_FOUND");
        a.put(&path, json!({ "session_type": "PRIVATE" })).await.problem(409, "SESSION_NOT_EMPTY");
        a.put(&path, json!({ "max_participants": 1 })).await.problem(409, "SESSION_CAP_TOO_LOW");

        b.post(&format!("{path}/leave"), json!({})).await.expect(200);
        b.post(&format!("{path}/messages"), json!({ "content": "x" })).await.problem(403, "SESSION_ACCESS_DENIED");
        b.get(&path).await.problem(403, "SESSION_ACCESS_DENIED");
        a.delete(&path).await.expect(204);
        b.post(&join(&public), json!({})).await.problem(404, "SESSION_NOT_FOUND");
        a.post(&format!("{path}/messages"), json!({ "content": "x" })).await.problem(404, "SESSION_NOT_FOUND");
    }

    async fn a_hidden_session_is_like_one_that_never_was(server) {
        let (a, b) = (server.client("a").await, server.client("b").await);
        let hidden = [a.session("PRIVATE").await, a.session("INVITE_ONLY").await, {
            let id = a.session("PUBLIC").await;
            a.delete(&format!("/sessions/{id}")).await.expect(204);
            id
        }];
        let ways: [(Method, &str, Value); 12] = [
            (Method::GET, "", Value::Null),
            (Method::PUT, "", json!({ "title": "x" })),
            (Method::DELETE, "", Value::Null),
            (Method::POST, "/join", json!({})),
            (Method::POST, "/leave", json!({})),
            (Method::POST, "/invite", json!({ "user_id": "nobody" })),
            (Method::POST, "/participants", json!({ "user_id": "a" })),
            (Method::PUT, "/participants/a/role", json!({ "role": "MEMBER" })),
            (Method::GET, "/participants", Value::Null),
            (Method::POST, "/messages", json!({ "content": "x" })),
            (Method::GET, "/messages?after=5", Value::Null),
            (Method::GET, "/pins", Value::Null),
        ];
        for (method, path, body) in ways {
            let ask = async |id: &str| {
                let mut request = b.request(method.clone(), &format!("/sessions/{id}{path}"));
                if !body.is_null() {
                    request = request.json(&body);
                }
                let mut problem = b.send(request).await.problem(404, "SESSION_NOT_FOUND");
                let fields = problem.as_object_mut().unwrap();
                fields.remove("request_id");
                fields.remove("timestamp");
                problem
            };
            let never = ask(NOWHERE).await;
            for id in &hidden {
                assert_eq!(ask(id).await, never, "{method} {path}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_that_are_not_acceptable() {
    let server = Server::start(Backend::Memory).await;
    let stranger = server.stranger();
    stranger.get("/sessions").await.problem(401, "AUTH_REQUIRED");
    let basic = stranger.request(Method::GET, "/sessions").header("authorization", "Basic YTpi");
    stranger.send(basic).await.problem(401, "AUTH_REQUIRED");
    let twice = server.client("a").await.request(Method::GET, "/sessions").header("authorization", "Bearer x");
    stranger.send(twice).await.problem(401, "AUTH_TOKEN_INVALID");

    let claims = || Claims { sub: "a".into(), ..Claims::default() };
    let other = JwtIssuer::hs256(b"another secret, also long enough for it").unwrap();
    let other = other.issue(claims(), Duration::from_secs(60)).unwrap();
    // {"alg":"none"} with the claims of a good token.
    let good = token_with(claims(), 60);
    let payload = good.split('.').nth(1).unwrap();
    let none = format!("eyJhbGciOiJub25lIn0.{payload}.");
    for bad in [other.as_str(), none.as_str(), "x", "a.b.c", &good[..good.len() - 2]] {
        stranger.with_token(bad).get("/sessions").await.problem(401, "AUTH_TOKEN_INVALID");
    }
    let expired = Claims { exp: 1, ..claims() };
    let expired = JwtIssuer::hs256(SECRET).unwrap().sign(&expired).unwrap();
    stranger.with_token(expired).get("/sessions").await.problem(401, "AUTH_TOKEN_EXPIRED");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_id_that_a_path_cannot_carry_is_refused_where_it_comes_in() {
    let server = Server::start(Backend::Memory).await;
    let a = server.client("a").await;
    let id = a.session("PUBLIC").await;
    let participants = format!("/sessions/{id}/participants");
    let graphql = server.graphql("a");
    let fields = [
        ("addParticipant", "participant { role }"),
        ("removeParticipant", "userId"),
        ("changeRole", "participant { role }"),
    ];
    for (user, in_path) in [
        ("..", "%2e%2E"),
        (".", "%2e"),
        ("%2e%2e", "%252e%252e"),
        ("a/b", "a%2Fb"),
        ("../b", "..%2fb"),
        ("a\\b", "a%5Cb"),
        ("%2f", "%252f"),
        ("b ", "b%20"),
        ("\u{200b}", "%E2%80%8B"),
    ] {
        let claims = Claims { sub: user.to_owned(), ..Claims::default() };
        server.stranger().with_token(token_with(claims, 60)).get("/sessions").await.problem(401, "AUTH_TOKEN_INVALID");
        for path in [&participants, &format!("/sessions/{id}/invite")] {
            let problem = a.post(path, json!({ "user_id": user })).await.problem(422, "VALIDATION_INVALID_VALUE");
            assert_eq!(problem["details"]["fields"][0]["field"], "user_id", "{problem}");
        }
        for (field, selection) in fields {
            let role = if field == "changeRole" { ", role: VIEWER" } else { "" };
            let query = format!(
                "mutation($id: ID!, $user: ID!) {{ {field}(input: {{ sessionId: $id, userId: $user{role} }}) {{ {selection} }} }}"
            );
            let parameters = json!({ "query": query, "variables": { "id": id, "user": user } });
            let answer = graphql.send(graphql.post(&parameters)).await;
            let fields = &answer.body["errors"][0]["extensions"]["details"]["fields"];
            assert_eq!(fields[0]["field"], "user_id", "{}", answer.text);
        }
        // As it stands: no library of the test's own cleans the path up.
        for (method, path) in
            [("DELETE", format!("{participants}/{in_path}")), ("PUT", format!("{participants}/{in_path}/role"))]
        {
            let reply = as_it_stands(&server.address, method, &path).await;
            assert!(reply.starts_with("HTTP/1.1 400 "), "{method} {path}: {reply}");
            assert!(reply.contains("\"field\":\"user_id\""), "{method} {path}: {reply}");
        }
    }
    let reply = as_it_stands(&server.address, "DELETE", &format!("{participants}/..")).await;
    assert!(reply.starts_with("HTTP/1.1 400 "), "{reply}");
    assert_eq!(a.get(&format!("/sessions/{id}")).await.expect(200)["participant_count"], 1, "nothing was changed");
}

/// The answer to a request by user `a` whose path no library has touched.
async fn as_it_stands(address: &str, method: &str, path: &str) -> String {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let token = chatcore_tests::token("a");
    let head = format!(
        "{method} /api/v1/chat{path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\
        Content-Type: application/json\r\nContent-Length: 17\r\n\r\n{{\"role\":\"VIEWER\"}}"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).await.unwrap();
    reply
}

#[tokio::test(flavor = "multi_thread")]
async fn claims_of_any_issuer_update_a_profile_and_never_empty_it() {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    let server = Server::start(Backend::Memory).await;
    // A token as another library writes it, with its fractions and types.
    let signed = |claims: &Value| {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let head = json!({ "alg": "HS256", "typ": "application/at+jwt", "kid": "their key" });
        let message = format!("{}.{}", part(&head), part(claims));
        let key = jsonwebtoken::EncodingKey::from_secret(SECRET);
        let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key, jsonwebtoken::Algorithm::HS256).unwrap();
        format!("{message}.{signature}")
    };
    let now = chrono::Utc::now().timestamp();
    let of = |iat: Value, more: Value| {
        let mut claims = json!({ "sub": "alice", "exp": now as f64 + 600.5, "iat": iat });
        claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        if iat.is_null() {
            claims.as_object_mut().unwrap().remove("iat");
        }
        signed(&claims)
    };
    let a = server.stranger().with_token(of(json!(now), json!({})));
    let id = a.session("PUBLIC").await;
    let shown = async |token: String| {
        let alice = server.stranger().with_token(token);
        let list = alice.get(&format!("/sessions/{id}/participants?include_email=true")).await.expect(200);
        [&list[0]["name"], &list[0]["email"]].map(|text| text.as_str().unwrap_or_default().to_owned())
    };
    for (iat, said, name, email) in [
        (json!(now as f64 - 300.25), json!({ "name": 42, "email": "a@example.org" }), "42", "a@example.org"),
        (json!(now - 200), json!({ "name": "Alice" }), "Alice", "a@example.org"),
        (json!(now - 100), json!({}), "Alice", "a@example.org"),
        (json!(now - 100), json!({ "name": "", "email": " " }), "Alice", "a@example.org"),
        (json!(now - 100), json!({ "name": "\u{3164}", "email": {} }), "Alice", "a@example.org"),
        (json!(now - 250), json!({ "name": "Stale", "email": "new@example.org" }), "Alice", "new@example.org"),
        (json!(now * 1000), json!({ "name": "Milliseconds" }), "Milliseconds", "new@example.org"),
        (json!(null), json!({ "name": "No time" }), "No time", "new@example.org"),
        (json!(now - 100), json!({ "name": "Stale" }), "No time", "new@example.org"),
        (json!(now * 1000), json!({ "name": "Milliseconds" }), "Milliseconds", "new@example.org"),
    ] {
        let found = shown(of(iat.clone(), said.clone())).await;
        assert_eq!(found, [name, email], "{iat}: {said}");
    }
    let later = chrono::Utc::now();
    let later = later.timestamp() as f64 + f64::from(later.timestamp_subsec_micros()) / 1e6;
    assert_eq!(shown(of(json!(later), json!({ "name": "Last" }))).await[0], "Last", "nothing froze it");
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_are_not_acceptable() {
    let server = Server::start(Backend::Memory).await;
    let a = server.client("a").await;
    let raw = async |method: Method, path: &str, content_type: Option<&str>, body: &str| {
        let mut request = a.request(method, path).body(body.to_owned());
        if let Some(content_type) = content_type {
            request = request.header("content-type", content_type);
        }
        a.send(request).await
    };
    let json_type = Some("application/json");
    for malformed in ["", "{", "{\"title\":", "{\"title\": 5, oops", "[1,]", "\u{feff}{}", "{} {}", "nul"] {
        raw(Method::POST, "/sessions", json_type, malformed).await.problem(400, "VALIDATION_INVALID_FORMAT");
    }
    for content_type in [None, Some("text/plain"), Some("application/xml"), Some("application/json; charset=latin1")] {
        raw(Method::POST, "/sessions", content_type, "{}").await.problem(415, "UNSUPPORTED_MEDIA_TYPE");
    }
    let fields = |problem: &Value| -> Vec<String> {
        let fields = problem["details"]["fields"].as_array().unwrap();
        fields.iter().map(|field| field["field"].as_str().unwrap().to_owned()).collect()
    };
    let long = "x".repeat(101);
    let cases: [(Value, &str, &str); 17] = [
        (json!({}), "title", "VALIDATION_REQUIRED_FIELD"),
        (json!([]), "", "VALIDATION_INVALID_VALUE"),
        (json!("x"), "", "VALIDATION_INVALID_VALUE"),
        (json!({ "title": null }), "title", "VALIDATION_INVALID_VALUE"),
        (json!({ "title": 5 }), "title", "VALIDATION_INVALID_VALUE"),
        (json!({ "title": "" }), "title", "VALIDATION_REQUIRED_FIELD"),
        (json!({ "title": "  " }), "title", "VALIDATION_REQUIRED_FIELD"),
        (json!({ "title": long }), "title", "VALIDATION_LENGTH_EXCEEDED"),
        (json!({ "title": "a\nb" }), "title", "VALIDATION_INVALID_VALUE"),
        (json!({ "title": "x", "owner": "b" }), "owner", "VALIDATION_INVALID_VALUE"),
        (json!({ "title": "x", "description": "x".repeat(501) }), "description", "VALIDATION_LENGTH_EXCEEDED"),
        (json!({ "title": "x", "session_type": "SECRET" }), "session_type", "VALIDATION_INVALID_VALUE"),
        (json!({ "title": "x", "session_type": "public" }), "session_type", "VALIDATION_INVALID_VALUE"),
        (json!({ "title": "x", "session_type": "DIRECT" }), "session_type", "VALIDATION_INVALID_VALUE"),
        (json!({ "title": "x", "max_participants": 0 }), "max_participants", "VALIDATION_INVALID_VALUE"),
        (json!({ "title": "x", "max_participants": -1 }), "max_participants", "VALIDATION_INVALID_VALUE"),
        (
            json!({ "title": "x", "max_participants": 10_000_000_000_u64 }),
            "max_participants",
            "VALIDATION_INVALID_VALUE",
        ),
    ];
    for (body, field, code) in cases {
        let problem = a.post("/sessions", body.clone()).await.problem(422, code);
        assert_eq!(fields(&problem), [field], "{body}");
    }
    assert_eq!(a.get("/sessions").await.expect(200), json!([]));

    let id = a.session("PRIVATE").await;
    let path = format!("/sessions/{id}");
    for body in [json!({ "title": null }), json!({ "session_type": null }), json!({ "max_participants": null })] {
        a.put(&path, body).await.problem(422, "VALIDATION_INVALID_VALUE");
    }
    for body in [json!({ "role": "OVERLORD" }), json!({ "role": 1 }), json!({ "role": null })] {
        a.put(&format!("{path}/participants/a/role"), body).await.problem(422, "VALIDATION_INVALID_VALUE");
    }
    a.put(&format!("{path}/participants/a/role"), json!({})).await.problem(422, "VALIDATION_REQUIRED_FIELD");
    for user in [json!(""), json!(5), json!("x".repeat(129)), json!("a\u{0}b")] {
        a.post(&format!("{path}/invite"), json!({ "user_id": user })).await.problem(422, "VALIDATION_INVALID_VALUE");
    }
    a.post(&format!("{path}/join"), json!({ "role": "OWNER" })).await.problem(422, "VALIDATION_INVALID_VALUE");

    let send = async |body: Value| a.post(&format!("{path}/messages"), body).await;
    send(json!({})).await.problem(422, "VALIDATION_REQUIRED_FIELD");
    send(json!({ "content": "" })).await.problem(422, "VALIDATION_REQUIRED_FIELD");
    send(json!({ "content": "x".repeat(8_001) })).await.problem(422, "MESSAGE_TOO_LONG");
    send(json!({ "content": "ä".repeat(8_000) })).await.expect(201);
    send(json!({ "content": "a\u{7}" })).await.problem(422, "VALIDATION_INVALID_VALUE");
    for body in [
        json!({ "content": null }),
        json!({ "content": ["x"] }),
        json!({ "content": { "encrypted_data": "x" } }),
        json!({ "content": "x", "role": "root" }),
        json!({ "content": "x", "message_type": "system" }),
        json!({ "content": "x", "user_id": "b" }),
        json!({ "content": "x", "client_id": "" }),
        json!({ "content": "x", "client_id": "x".repeat(129) }),
    ] {
        let problem = send(body.clone()).await;
        assert_eq!(problem.status, 422, "{body} {:?}", problem.body);
    }
    assert_eq!(a.get(&path).await.expect(200)["message_count"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_array_is_no_object() {
    let server = Server::start(Backend::Memory).await;
    let a = server.client("a").await;
    let id = a.session("PUBLIC").await;
    for (path, body) in [
        ("/sessions".to_owned(), json!(["x", null, "PUBLIC", 5])),
        (format!("/sessions/{id}/messages"), json!(["user", "text", "x", null])),
        (format!("/sessions/{id}/invite"), json!(["a", "MEMBER"])),
        (format!("/sessions/{id}/join"), json!([])),
    ] {
        a.post(&path, body).await.problem(422, "VALIDATION_INVALID_VALUE");
    }
    let role = format!("/sessions/{id}/participants/a/role");
    a.put(&role, json!(["VIEWER"])).await.problem(422, "VALIDATION_INVALID_VALUE");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idempotency_key_that_cannot_be_used_is_refused() {
    let server = Server::start(Backend::Memory).await;
    let a = server.client("a").await;
    let path = format!("/sessions/{}/messages", a.session("PRIVATE").await);
    let send = |keys: &[&[u8]], body: Value| {
        let mut request = a.request(Method::POST, &path).json(&body);
        for key in keys {
            request = request.header("Idempotency-Key", reqwest::header::HeaderValue::from_bytes(key).unwrap());
        }
        a.send(request)
    };
    let body = || json!({ "content": "x" });
    send(&[b"k\xe4"], body()).await.problem(400, "VALIDATION_INVALID_FORMAT");
    send(&[b"one", b"two"], body()).await.problem(400, "VALIDATION_INVALID_FORMAT");
    send(&[b""], body()).await.problem(422, "VALIDATION_INVALID_VALUE");
    send(&[b"one"], json!({ "content": "x", "client_id": "two" })).await.problem(422, "VALIDATION_INVALID_VALUE");
    assert_eq!(a.get(&path).await.expect(200), json!([]));
    send(&[b"one"], json!({ "content": "x", "client_id": "one" })).await.expect(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn parameters_that_are_not_acceptable() {
    let server = Server::start(Backend::Memory).await;
    let a = server.client("a").await;
    let id = a.session("PRIVATE").await;
    for list in
        ["/sessions", "/sessions/public", &format!("/sessions/{id}/messages"), &format!("/sessions/{id}/participants")]
    {
        for (query, status) in [
            ("limit=0", 422),
            ("limit=-1", 422),
            ("limit=101", 422),
            ("limit=1000000000", 422),
            ("skip=-1", 422),
            ("limit=abc", 400),
            ("limit=", 400),
            ("limit=1.5", 400),
            ("limit=99999999999999999999", 400),
            ("skip=x", 400),
        ] {
            let code = if status == 400 { "VALIDATION_INVALID_FORMAT" } else { "VALIDATION_INVALID_VALUE" };
            let problem = a.get(&format!("{list}?{query}")).await.problem(status, code);
            let field = query.split('=').next().unwrap();
            assert_eq!(problem["details"]["fields"][0]["field"], field);
        }
    }
    let messages = format!("/sessions/{id}/messages");
    a.get(&format!("{messages}?before=yesterday")).await.problem(400, "VALIDATION_INVALID_FORMAT");
    a.get(&format!("{messages}?before=-1")).await.problem(400, "VALIDATION_INVALID_FORMAT");
    a.get(&format!("{messages}?before=5&after=1")).await.problem(422, "VALIDATION_INVALID_VALUE");
    for bad in ["1", "x", "%00", "%ff", "..%2f", &"a".repeat(5000), &id.replace('-', "")] {
        let reply = a.get(&format!("/sessions/{bad}")).await;
        reply.problem(400, "VALIDATION_INVALID_FORMAT");
    }
    a.delete(&format!("/sessions/{id}/participants/{}", "x".repeat(129)))
        .await
        .problem(400, "VALIDATION_INVALID_FORMAT");
    a.get(&format!("/sessions/{NOWHERE}")).await.problem(404, "SESSION_NOT_FOUND");
    a.get("/nowhere").await.problem(404, "RESOURCE_NOT_FOUND");
    a.get("//nowhere").await.problem(404, "RESOURCE_NOT_FOUND");
    let reply = a.send(a.request(Method::PATCH, &format!("/sessions/{id}"))).await;
    assert_eq!(reply.headers["allow"], "DELETE, GET, HEAD, OPTIONS, PUT");
    reply.problem(405, "METHOD_NOT_ALLOWED");
    let reply = a.send(a.request(Method::POST, "/sessions/public")).await;
    assert_eq!(reply.headers["allow"], "GET, HEAD, OPTIONS");
    reply.problem(405, "METHOD_NOT_ALLOWED");
    let options = a.send(a.request(Method::OPTIONS, "/sessions")).await;
    assert_eq!((options.status, options.headers["allow"].to_str().unwrap()), (204, "GET, HEAD, OPTIONS, POST"));
    a.get("//ws").await.problem(426, "UPGRADE_REQUIRED");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_of_10_mb_is_refused_whether_or_not_its_length_is_announced() {
    let server = Server::start(Backend::Memory).await;
    let a = server.client("a").await;
    let id = a.session("PUBLIC").await;
    for path in ["/sessions".to_owned(), format!("/sessions/{id}/messages"), format!("/sessions/{id}/join")] {
        let request = || a.request(Method::POST, &path).header("content-type", "application/json");
        a.send(request().body(vec![b'x'; 10_000_000])).await.problem(413, "PAYLOAD_TOO_LARGE");
        let chunks = stream::iter((0..10_000).map(|_| Ok::<_, std::io::Error>(vec![b'x'; 1_000])));
        a.send(request().body(reqwest::Body::wrap_stream(chunks))).await.problem(413, "PAYLOAD_TOO_LARGE");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_id_is_taken_over_where_it_is_plain() {
    let server = Server::start(Backend::Memory).await;
    let a = server.client("a").await;
    let ask = async |id: &str| {
        let reply = a.send(a.request(Method::GET, "/nowhere").header("x-request-id", id)).await;
        reply.problem(404, "RESOURCE_NOT_FOUND")["request_id"].as_str().unwrap().to_owned()
    };
    assert_eq!(ask("abc-1.2_3:4").await, "abc-1.2_3:4");
    assert_ne!(ask("<script>").await, "<script>");
    assert_ne!(ask(&"x".repeat(129)).await, "x".repeat(129));
}
