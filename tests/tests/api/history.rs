//! The part of the history that participants see, over REST, WebSockets, event streams and GraphQL.

use chatcore_tests::{Client, Events, on_every_store};
use reqwest::Method;
use serde_json::{Value, json};

async fn updated(owner: &Client, id: &str, history_visibility: &str) {
    let body = json!({ "history_visibility": history_visibility });
    let shown = owner.put(&format!("/sessions/{id}"), body).await.expect(200);
    assert_eq!(shown["history_visibility"], history_visibility);
}

/// What a problem says of itself, without the request that had it.
fn problem(mut body: Value) -> Value {
    let fields = body.as_object_mut().unwrap();
    fields.retain(|name, _| name != "request_id" && name != "timestamp" && name != "instance");
    body
}

on_every_store! {
    async fn newcomers_see_what_came_since(server) {
        let (a, b) = (server.client("a").await, server.client("b").await);
        let new = json!({ "title": "Since", "session_type": "PUBLIC", "history_visibility": "SINCE_JOINING" });
        let made = a.post("/sessions", new).await.expect(201);
        assert_eq!(made["history_visibility"], "SINCE_JOINING");
        let id = made["id"].as_str().unwrap();
        let old = a.say(id, "secret").await["id"].as_str().unwrap().to_owned();
        b.post(&format!("/sessions/{id}/join"), json!({})).await.expect(200);
        a.say(id, "open").await;

        // Pages, lists and events.
        for path in [
            format!("/sessions/{id}"),
            "/sessions".to_owned(),
            format!("/sessions/{id}/messages"),
            format!("/sessions/{id}/messages?before=5"),
            format!("/sessions/{id}/messages?after=1"),
            format!("/sessions/{id}/messages?skip=0"),
            format!("/sessions/{id}/events"),
            format!("/sessions/{id}/events?after=2"),
            format!("/sessions/{id}/pins"),
            format!("/sessions/{id}/threads"),
        ] {
            let body = b.get(&path).await.expect(200).to_string();
            assert!(!body.contains("secret"), "{path}: {body}");
            assert!(body.contains("open") || path.ends_with("pins") || path.ends_with("threads"), "{path}: {body}");
        }
        let page = b.get(&format!("/sessions/{id}/messages")).await.expect(200);
        assert_eq!(page.as_array().unwrap().len(), 1);
        let listed = b.get("/sessions").await.expect(200);
        let listed = listed.as_array().unwrap_or_else(|| panic!("{listed}"));
        assert_eq!((&listed[0]["last_message"]["content"], &listed[0]["unread"]["count"]), (&json!("open"), &json!(1)));

        // A message from before is one that is not there.
        let nothing = format!("/sessions/{id}/messages/{}", nothing_after(&a, id).await);
        for (method, tail, body) in [
            (Method::GET, "", None),
            (Method::PUT, "", Some(json!({ "content": "mine" }))),
            (Method::DELETE, "", None),
            (Method::GET, "/thread", None),
            (Method::GET, "/reactions/%F0%9F%91%8D", None),
            (Method::PUT, "/reactions/%F0%9F%91%8D", None),
            (Method::POST, "/unread", None),
        ] {
            let ask = async |path: String| {
                let request = b.request(method.clone(), &path);
                let request = match &body {
                    Some(body) => request.json(body),
                    None => request,
                };
                problem(b.send(request).await.problem(404, "MESSAGE_NOT_FOUND"))
            };
            let (hidden, none) = (ask(format!("/sessions/{id}/messages/{old}{tail}")).await, ask(format!("{nothing}{tail}")).await);
            assert_eq!(hidden, none, "{method} {tail}");
        }
        let answer = json!({ "content": "to you", "reply_to": old });
        b.post(&format!("/sessions/{id}/messages"), answer).await.problem(404, "MESSAGE_NOT_FOUND");

        // A cursor from before, on each transport.
        let gone = b.get(&format!("/sessions/{id}/events?after=1")).await.problem(410, "RESYNC");
        assert_eq!((&gone["details"]["oldest"], &gone["details"]["head"]), (&json!(2), &json!(4)), "{gone}");
        b.send(b.stream_of(id, "?after=1")).await.problem(410, "RESYNC");
        let mut socket = server.socket("b").await;
        let refused = socket.ask("join_session", json!({ "session_id": id, "after": 1 })).await;
        assert_eq!((&refused["event"], &refused["data"]["code"]), (&json!("error"), &json!("RESYNC")), "{refused}");
        let follow = "subscription($id: ID!, $after: Long) { sessionEvents(sessionId: $id, after: $after) { __typename } }";
        let mut graphql = server.graphql_socket("b").await;
        graphql.subscribe("1", follow, json!({ "id": id, "after": 1 })).await;
        let told = graphql.message().await;
        assert!(told.to_string().contains("RESYNC"), "{told}");

        // An edit of it comes without it, and the same on each transport.
        socket.join(id, Some(4)).await;
        let mut stream = Events::open(b.stream_of(id, "?after=4")).await.unwrap();
        let mut of_maker = Events::open(a.stream_of(id, "?after=4")).await.unwrap();
        a.put(&format!("/sessions/{id}/messages/{old}"), json!({ "content": "secret again" })).await.expect(200);
        let (framed, streamed) = (socket.event().await, stream.next().await);
        assert_eq!(framed, streamed);
        assert_eq!((&framed["event"], &framed["data"]["message"]), (&json!("message_edited"), &Value::Null));
        assert_eq!(framed["data"]["message_id"], old);
        assert_eq!(of_maker.next().await["data"]["message"]["content"], "secret again");
        let paged = b.get(&format!("/sessions/{id}/events?after=4")).await.expect(200);
        assert_eq!(paged["events"], json!([framed]));

        // The setting counts at once.
        updated(&a, id, "ALL").await;
        assert_eq!(b.get(&format!("/sessions/{id}/messages/{old}")).await.expect(200)["content"], "secret again");
        assert_eq!(b.get(&format!("/sessions/{id}/messages")).await.expect(200).as_array().unwrap().len(), 2);
        b.get(&format!("/sessions/{id}/events?after=1")).await.expect(200);
        updated(&a, id, "SINCE_JOINING").await;
        b.get(&format!("/sessions/{id}/messages/{old}")).await.problem(404, "MESSAGE_NOT_FOUND");
        let mine = json!({ "history_visibility": "ALL" });
        b.put(&format!("/sessions/{id}"), mine).await.problem(403, "RESOURCE_ACCESS_DENIED");
        for bad in [json!("all"), json!(null), json!(1), json!(["ALL"])] {
            let reply = a.put(&format!("/sessions/{id}"), json!({ "history_visibility": bad })).await;
            assert!([400, 422].contains(&reply.status), "{bad}: {}", reply.status);
        }
    }
}

/// The id of a message that there is not, in the session.
async fn nothing_after(owner: &Client, id: &str) -> String {
    let head = owner.get(&format!("/sessions/{id}")).await.expect(200)["seq"].as_u64().unwrap();
    let id = chatcore::model::MessageId { session_id: id.parse().unwrap(), seq: head + 100 };
    id.to_string()
}
