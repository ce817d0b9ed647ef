//! The REST operations, over real HTTP: the documented flow, shapes and statuses.

mod lists;

use std::time::Duration;

use chatcore::{Limits, Rate};
use chatcore_tests::{Backend, Client, Reply, Server, on_every_store, patient};
use serde_json::{Value, json};

/// The fields of an object.
fn keys(object: &Value) -> Vec<&str> {
    object.as_object().unwrap().keys().map(String::as_str).collect()
}

/// The query to which a link of this relation leads.
fn link(reply: &Reply, rel: &str) -> Option<String> {
    let links = reply.headers.get("link")?.to_str().unwrap();
    let link = links.split(", ").find(|link| link.ends_with(&format!("; rel=\"{rel}\"")))?;
    let (target, _) = link.strip_prefix('<').unwrap().split_once('>').unwrap();
    Some(target.to_owned())
}

/// The parameters of a query, sorted.
fn parameters(query: &str) -> Vec<(String, String)> {
    let url = reqwest::Url::parse(&format!("http://localhost/{query}")).unwrap();
    let mut parameters: Vec<_> = url.query_pairs().into_owned().collect();
    parameters.sort();
    parameters
}

/// The ids on the pages of a list, of which each `next` leads to the next. The list is changed after each page.
async fn pages(client: &Client, path: &str, query: &str, between: impl AsyncFn(usize)) -> Vec<Vec<String>> {
    let (mut pages, mut query) = (Vec::new(), query.to_owned());
    loop {
        let reply = client.get(&format!("{path}{query}")).await;
        let next = link(&reply, "next");
        let body = reply.expect(200);
        let entries = if body.is_array() { &body } else { &body["sessions"] };
        let id = |entry: &Value| entry["id"].as_str().unwrap().to_owned();
        pages.push(entries.as_array().unwrap().iter().map(id).collect());
        match next {
            None => return pages,
            Some(next) => query = next,
        }
        assert!(pages.len() < 20, "the list does not end: {pages:?}");
        between(pages.len()).await;
    }
}

on_every_store! {
    async fn the_documented_flow(server) {
        let (a, b) = (server.client("a").await, server.client("b").await);
        let made = a
            .post("/sessions", json!({
                "title": "General Discussion",
                "description": "Open chat for everyone",
                "session_type": "PUBLIC",
                "max_participants": 50,
            }))
            .await
            .expect(201);
        assert_eq!(
            keys(&made),
            [
"archived_at", "avatar_url", "created_at", "cursor", "deleted_at", "description", "history_visibility", "id", "is_active", "joined_at", "max_participants", "message_count", "message_lifetime", "messages", "metadata", "owner_username", "participant_count", "participants", "preferences", "read_upto", "receipts", "role", "seq", "session_type", "slow_mode_seconds", "tags", "title", "unread", "unread_mentions", "updated_at", "user_id",
            ]
        );
        assert_eq!(made["title"], "General Discussion");
        assert_eq!(made["description"], "Open chat for everyone");
        assert_eq!(made["session_type"], "PUBLIC");
        assert_eq!(made["max_participants"], 50);
        assert_eq!((&made["user_id"], &made["owner_username"]), (&json!("a"), &json!("a")));
        assert_eq!((&made["is_active"], &made["participant_count"]), (&json!(true), &json!(1)));
        assert_eq!(made["messages"], json!([]));
        assert_eq!(
            keys(&made["participants"][0]),
            [
                "avatar_url", "created_at", "id", "is_active", "is_bot", "is_muted", "is_owner", "joined_at", "metadata", "muted_until", "name", "role",
                "session_id", "user_id", "username",
            ]
        );
        assert_eq!(made["participants"][0]["role"], "OWNER");
        let id = made["id"].as_str().unwrap();

        let public = b.get("/sessions/public?skip=0&limit=100").await.expect(200);
        assert_eq!(public["total"], 1);
        assert_eq!(public["sessions"][0]["id"], id);

        let joined = b.post(&format!("/sessions/{id}/join"), json!({})).await.expect(200);
        assert_eq!(joined["message"], "Successfully joined the chat session");
        let participants = a.get(&format!("/sessions/{id}/participants")).await.expect(200);
        assert_eq!(participants[1]["id"], joined["participant_id"]);
        assert_eq!(participants[1]["role"], "MEMBER");
        assert_eq!(participants[1]["name"], "Name of b");

        let sent = b
            .post(&format!("/sessions/{id}/messages"), json!({ "role": "user", "content": "Hi everyone! Just joined." }))
            .await
            .expect(201);
        assert_eq!(
            keys(&sent),
            [
"attachments", "avatar_url", "command", "content", "created_at", "deleted_at", "deleted_by", "edited_at", "forwarded_from", "id", "is_bot", "links", "mentions", "message_type", "metadata", "name", "number", "reactions", "reply_to", "revision", "role", "sender_blocked", "seq", "session_id", "stream", "thread", "thread_root", "user_id", "username",
            ]
        );
        assert_eq!((&sent["content"], &sent["role"]), (&json!("Hi everyone! Just joined."), &json!("user")));
        assert_eq!((&sent["user_id"], &sent["username"]), (&json!("b"), &json!("b")));

        let promoted = a.put(&format!("/sessions/{id}/participants/b/role"), json!({ "role": "ADMIN" })).await.expect(200);
        assert_eq!(promoted["role"], "ADMIN");

        let messages = a.get(&format!("/sessions/{id}/messages?skip=0&limit=100")).await.expect(200);
        assert_eq!(messages, json!([sent]));
        let shown = a.get(&format!("/sessions/{id}")).await.expect(200);
        assert_eq!(shown["messages"], messages);
        assert_eq!((&shown["message_count"], &shown["participant_count"]), (&json!(1), &json!(2)));
        let listed = b.get("/sessions").await.expect(200);
        assert_eq!((&listed[0]["id"], &listed[0]["message_count"]), (&json!(id), &json!(1)));
        // Who is in it is not offered to join.
        assert_eq!(b.get("/sessions/public").await.expect(200)["total"], 0);

        // The same API answers below the other base.
        assert_eq!(a.get(&format!("//api/chat/sessions/{id}/messages")).await.expect(200), messages);
    }

    async fn managing_a_session(server) {
        let (a, b, c) = (server.client("a").await, server.client("b").await, server.client("c").await);
        let id = a.session("INVITE_ONLY").await;
        let path = format!("/sessions/{id}");

        let added = a.post(&format!("{path}/participants"), json!({ "user_id": "b" })).await.expect(201);
        assert_eq!((&added["role"], &added["is_owner"], &added["is_active"]), (&json!("MEMBER"), &json!(false), &json!(true)));
        a.post(&format!("{path}/invite"), json!({ "user_id": "c", "role": "VIEWER" })).await.expect(201);
        c.post(&format!("{path}/messages"), json!({ "content": "x" })).await.problem(403, "RESOURCE_ACCESS_DENIED");

        let updated = a
            .put(&path, json!({ "title": "Updated", "description": "New", "max_participants": 15 }))
            .await
            .expect(200);
        assert_eq!((&updated["title"], &updated["max_participants"]), (&json!("Updated"), &json!(15)));
        assert_eq!(updated["session_type"], "INVITE_ONLY");
        // What is not named stays; null takes a description away.
        let updated = a.put(&path, json!({ "description": null })).await.expect(200);
        assert_eq!((&updated["title"], &updated["description"]), (&json!("Updated"), &Value::Null));

        let left = c.post(&format!("{path}/leave"), json!({})).await.expect(200);
        assert_eq!(left["message"], "Successfully left the chat session");
        c.get(&path).await.problem(404, "SESSION_NOT_FOUND");
        let removed = a.delete(&format!("{path}/participants/b")).await.expect(200);
        assert_eq!(removed["message"], "Participant removed successfully");
        assert_eq!(a.get(&format!("{path}/participants")).await.expect(200).as_array().unwrap().len(), 1);
        assert_eq!(b.get("/sessions").await.expect(200), json!([]));

        let gone = a.delete(&path).await;
        assert_eq!((gone.status, gone.body), (204, Value::Null));
        a.get(&path).await.problem(404, "SESSION_NOT_FOUND");
        assert_eq!(a.get("/sessions").await.expect(200), json!([]));
    }

    async fn pages_of_messages(server) {
        let a = server.client("a").await;
        let id = a.session("PRIVATE").await;
        for n in 1..=7 {
            a.say(&id, &format!("m{n}")).await;
        }
        let page = async |query: &str| {
            let reply = a.get(&format!("/sessions/{id}/messages?{query}")).await;
            let link = reply.headers.get("link").map(|link| link.to_str().unwrap().to_owned()).unwrap_or_default();
            // A link has cursors: each is a position, a hyphen and an epoch.
            let mut parts = link.split('-');
            let positions = parts.next().unwrap_or_default().to_owned();
            let link = parts.fold(positions, |link, part| link + part.trim_start_matches(|c: char| c.is_ascii_hexdigit()));
            let texts: Vec<String> =
                reply.expect(200).as_array().unwrap().iter().map(|m| m["content"].as_str().unwrap().to_owned()).collect();
            (texts.join(" "), link)
        };
        assert_eq!(page("skip=1&limit=2").await.0, "m2 m3");
        let (texts, link) = page("limit=3").await;
        assert_eq!((texts.as_str(), link.as_str()), ("m1 m2 m3", "<?after=4&limit=3>; rel=\"next\""));
        let (texts, link) = page("after=4&limit=3").await;
        assert_eq!(texts, "m4 m5 m6");
        assert_eq!(link, "<?before=5&limit=3>; rel=\"prev\", <?after=7&limit=3>; rel=\"next\"");
        let (texts, link) = page("before=5&limit=3").await;
        assert_eq!((texts.as_str(), link.as_str()), ("m1 m2 m3", "<?after=4&limit=3>; rel=\"next\""));
        assert_eq!(page("after=8").await, (String::new(), String::new()));
        assert_eq!(page("skip=100").await.0, "");
        // The newest: before a time that is still to come.
        assert_eq!(page("before=2999-01-01T00:00:00Z&limit=2").await.0, "m6 m7");
        assert_eq!(page("after=2000-01-01T00:00:00Z&limit=2").await.0, "m1 m2");
        // A plus sign that is not escaped stands for a space.
        for offset in ["+02:00", "%2B02:00", "%2b02:00", "-02:00"] {
            assert_eq!(page(&format!("after=2000-01-01T00:00:00{offset}&limit=2")).await.0, "m1 m2");
            assert_eq!(page(&format!("before=2999-01-01T00:00:00{offset}&limit=2")).await.0, "m6 m7");
        }
        assert_eq!(page("before=9&limit=2").await.0, "m6 m7");
        // No position of this log, but seconds or milliseconds since 1970.
        for place in ["after=9", "before=10", "after=1767225600", "before=1767225600", "after=1767225600000"] {
            let problem = a.get(&format!("/sessions/{id}/messages?{place}")).await.problem(410, "RESYNC");
            assert_eq!(problem["details"], json!({ "oldest": 0, "head": 8 }));
            assert!(problem["detail"].as_str().unwrap().contains("2026-01-01T00:00:00Z"), "{problem}");
        }
        for (field, text) in [("after", "2026-01-01T00:00"), ("before", "2026-01-01T00:00:00 2:00"), ("after", "1.5")] {
            let problem = a.get(&format!("/sessions/{id}/messages?{field}={text}")).await;
            let problem = problem.problem(400, "VALIDATION_INVALID_FORMAT");
            let fault = &problem["details"]["fields"][0];
            assert_eq!(fault["field"], field);
            assert!(fault["message"].as_str().unwrap().contains("%2B"), "{fault}");
        }
    }

    async fn a_retried_send_is_one_message(server) {
        let a = server.client("a").await;
        let id = a.session("PRIVATE").await;
        let path = format!("/sessions/{id}/messages");
        let body = json!({ "content": "once", "client_id": "k1" });
        let first = a.post(&path, body.clone()).await.expect(201);
        assert_eq!(a.post(&path, body).await.expect(201), first);
        let by_header = a.request(reqwest::Method::POST, &path).header("Idempotency-Key", "k1").json(&json!({ "content": "once" }));
        assert_eq!(a.send(by_header).await.expect(201), first);
        a.post(&path, json!({ "content": "other", "client_id": "k1" })).await.problem(409, "CLIENT_ID_REUSED");
        assert_eq!(a.get(&path).await.expect(200), json!([first]));
        // Encrypted content passes through as it is.
        let content = json!({ "encrypted_data": "c2VjcmV0", "iv": "aXY=", "key_version": 3 });
        let sent = a.post(&path, json!({ "content": content, "message_type": "file" })).await.expect(201);
        assert_eq!((&sent["content"], &sent["message_type"]), (&content, &json!("file")));
    }

    async fn a_retried_creation_is_one_session(server) {
        let (a, b) = (server.client("a").await, server.client("b").await);
        let body = json!({ "title": "Once", "session_type": "PUBLIC" });
        let create = async |client: &chatcore_tests::Client, key: &str, body: &Value| {
            let request = client.request(reqwest::Method::POST, "/sessions").header("Idempotency-Key", key);
            client.send(request.json(body)).await
        };
        let first = create(&a, "k1", &body).await.expect(201);
        assert_eq!(create(&a, "k1", &body).await.expect(201), first);
        let in_body = json!({ "title": "Once", "session_type": "PUBLIC", "client_id": "k1" });
        assert_eq!(a.post("/sessions", in_body.clone()).await.expect(201), first);
        create(&a, "k1", &json!({ "title": "Other" })).await.problem(409, "CLIENT_ID_REUSED");
        create(&a, "k2", &in_body).await.problem(422, "VALIDATION_INVALID_VALUE");
        create(&a, "", &body).await.problem(422, "VALIDATION_INVALID_VALUE");
        assert_ne!(create(&b, "k1", &body).await.expect(201)["id"], first["id"], "another user's key");
        // GraphQL knows the same key.
        let graphql = server.graphql("a");
        let query = "mutation { createSession(input: {title: \"Once\", sessionType: PUBLIC, clientId: \"k1\"}) { session { id } } }";
        let answer = graphql.send(graphql.post(&json!({ "query": query }))).await.body;
        assert_eq!(answer["data"]["createSession"]["session"]["id"], first["id"], "{answer}");
        // Of many at once, one makes the session.
        let body = json!({ "title": "At once" });
        let made = futures_util::future::join_all((0..8).map(|_| create(&a, "race", &body))).await;
        let ids: std::collections::BTreeSet<_> =
            made.into_iter().map(|made| made.expect(201)["id"].as_str().unwrap().to_owned()).collect();
        assert_eq!(ids.len(), 1);
        let listed = a.get("/sessions").await.expect(200);
        let titles: Vec<_> = listed.as_array().unwrap().iter().map(|session| session["title"].as_str().unwrap()).collect();
        assert_eq!(titles, ["At once", "Once"]);
        // What takes no key says so, and does nothing.
        let id = first["id"].as_str().unwrap();
        let c = server.client("c").await;
        let [post, put, delete] = [reqwest::Method::POST, reqwest::Method::PUT, reqwest::Method::DELETE];
        for (client, method, path, body) in [
            (&c, &post, "/join", json!({})),
            (&c, &post, "/leave", json!({})),
            (&a, &post, "/participants", json!({ "user_id": "b" })),
            (&a, &post, "/invite", json!({ "user_id": "b" })),
            (&a, &put, "", json!({ "title": "Twice" })),
            (&a, &put, "/participants/b/role", json!({ "role": "ADMIN" })),
            (&a, &delete, "/participants/b", json!({})),
            (&a, &delete, "", json!({})),
        ] {
            let request = client.request(method.clone(), &format!("/sessions/{id}{path}"));
            let reply = client.send(request.header("Idempotency-Key", "k").json(&body)).await;
            let problem = reply.problem(422, "VALIDATION_INVALID_VALUE");
            assert_eq!(problem["details"]["fields"][0]["field"], "Idempotency-Key");
        }
        assert_eq!(a.get(&format!("/sessions/{id}")).await.expect(200), first);
        a.delete(&format!("/sessions/{id}")).await.expect(204);
        create(&a, "k1", &json!({ "title": "Once", "session_type": "PUBLIC" })).await.problem(404, "SESSION_NOT_FOUND");
    }

    async fn emails_are_for_those_who_may_see_them(server) {
        use chatcore::identity::Claims;
        let mail = |user: &str| {
            let claims = Claims { sub: user.into(), email: Some(format!("{user}@example.org")), ..Claims::default() };
            server.stranger().with_token(chatcore_tests::token_with(claims, 60))
        };
        let (a, b) = (mail("a"), mail("b"));
        let id = a.session("PUBLIC").await;
        b.post(&format!("/sessions/{id}/join"), json!({})).await.expect(200);
        let path = format!("/sessions/{id}/participants");
        let emails = |list: Value| -> Vec<Value> { list.as_array().unwrap().iter().map(|p| p["email"].clone()).collect() };
        let asked = format!("{path}?include_email=true");
        assert_eq!(emails(a.get(&path).await.expect(200)), [Value::Null, Value::Null]);
        assert_eq!(emails(a.get(&asked).await.expect(200)), [json!("a@example.org"), json!("b@example.org")]);
        assert_eq!(emails(b.get(&asked).await.expect(200)), [Value::Null, json!("b@example.org")]);
    }

    // A stranger takes a user's id from the public list and adds the user to a session of the stranger's own.
    async fn who_adds_a_user_learns_no_address(server) {
        use chatcore::identity::Claims;
        let token = |user: &str| {
            let claims = Claims { sub: user.into(), email: Some(format!("{user}@example.org")), ..Claims::default() };
            chatcore_tests::token_with(claims, 60)
        };
        let [owner, stranger] = ["owner", "stranger"].map(|user| server.stranger().with_token(token(user)));
        let graphql = chatcore_tests::Graphql::new(&server.address, Some(token("stranger")));
        owner.session("PUBLIC").await;
        let listed = stranger.get("/sessions/public").await.expect(200);
        let user_id = listed["sessions"][0]["user_id"].as_str().unwrap().to_owned();
        let id = stranger.session("INVITE_ONLY").await;
        let path = format!("/sessions/{id}");
        let mut answers = vec![stranger.post(&format!("{path}/invite"), json!({ "user_id": user_id })).await.expect(201)];
        answers.push(stranger.put(&format!("{path}/participants/{user_id}/role"), json!({ "role": "ADMIN" })).await.expect(200));

        let person = "user { id email }";
        let connection = format!("participants(includeEmail: true) {{ nodes {{ {person} }} }}");
        let list = format!("query($id: ID!) {{ participants(sessionId: $id, includeEmail: true) {{ nodes {{ {person} }} }}
            session(id: $id) {{ {connection} }} sessions {{ nodes {{ owner {{ id email }} {connection} }} }}
            events(sessionId: $id, after: \"0\") {{ nodes {{ actor {{ id email }} ... on ParticipantAdded {{ user {{ id email }} }} }} }} }}");
        let asked = json!({ "id": id, "user": user_id });
        answers.push(stranger.get(&format!("{path}/participants?include_email=true")).await.expect(200));
        answers.push(graphql.data(&list, asked.clone()).await);
        answers.push(stranger.get(&path).await.expect(200));
        answers.push(stranger.get(&format!("{path}/events?after=0")).await.expect(200));
        // The answers to changes, and what hangs on them.
        stranger.delete(&format!("{path}/participants/{user_id}")).await.expect(200);
        let added = format!("mutation($id: ID!, $user: ID!) {{ addParticipant(input: {{ sessionId: $id, userId: $user }}) {{
            participant {{ {person} }} session {{ {connection} }} }} }}");
        answers.push(graphql.data(&added, asked.clone()).await);
        let changed = format!("mutation($id: ID!, $user: ID!) {{ changeRole(input: {{ sessionId: $id, userId: $user, role: ADMIN }}) {{
            participant {{ {person} }} }} updateSession(input: {{ sessionId: $id, title: \"x\" }}) {{ session {{ {connection} }} }} }}");
        answers.push(graphql.data(&changed, asked.clone()).await);
        for answer in answers {
            assert!(!answer.to_string().contains("owner@example.org"), "{answer}");
        }
        // The user's own post is what shows the address, on each transport.
        let messages = format!("{path}/messages");
        let post = json!({ "content": "no, thanks", "client_id": "c" });
        let posted = owner.post(&messages, post.clone()).await.expect(201);
        assert_eq!(owner.post(&messages, post).await.expect(201), posted);
        let shown = stranger.get(&format!("{path}/participants?include_email=true")).await.expect(200);
        assert_eq!(shown[1]["email"], "owner@example.org");
        let shown = graphql.data(&list, asked).await;
        assert_eq!(shown["participants"]["nodes"][1]["user"]["email"], "owner@example.org");
        assert_eq!(shown["session"]["participants"]["nodes"][1]["user"]["email"], "owner@example.org");
        assert_eq!(shown["events"]["nodes"][0]["actor"]["email"], Value::Null);
    }
}

// Each way to add somebody draws on the same allowance.
#[tokio::test]
async fn adding_too_many_users_is_refused_on_each_transport_with_the_time_to_wait() {
    let rate = Some(Rate::new(2, Duration::from_secs(3_600)));
    let limits = Limits { adds_per_inviter: rate, ..Limits::default() };
    let server = Server::start_with(Backend::Memory, limits, patient()).await;
    let (a, graphql) = (server.client("a").await, server.graphql("a"));
    for user in ["b", "c", "d"] {
        server.client(user).await;
    }
    let id = a.session("INVITE_ONLY").await;
    let path = format!("/sessions/{id}");
    for (place, user) in [("invite", "b"), ("participants", "c")] {
        a.post(&format!("{path}/{place}"), json!({ "user_id": user })).await.expect(201);
    }
    let before = a.get(&path).await.expect(200);
    for place in ["invite", "participants"] {
        a.post(&format!("{path}/{place}"), json!({ "user_id": "b" })).await.problem(409, "PARTICIPANT_ALREADY_EXISTS");
        let refused = a.post(&format!("{path}/{place}"), json!({ "user_id": "d" })).await;
        let wait: u64 = refused.headers["retry-after"].to_str().unwrap().parse().unwrap();
        assert!((1..=3_600).contains(&wait), "{wait}");
        refused.problem(429, "RATE_LIMIT_EXCEEDED");
    }
    let add = "mutation($id: ID!) { addParticipant(input: { sessionId: $id, userId: \"d\" }) { participant { id } } }";
    let answer = graphql.ask(add, json!({ "id": id })).await;
    let error = &answer.body["errors"][0]["extensions"];
    assert_eq!(error["code"], "RATE_LIMIT_EXCEEDED");
    assert!((1..=3_600).contains(&error["retryAfter"].as_u64().unwrap()), "{error}");
    assert_eq!(a.get(&path).await.expect(200), before);
    // Nobody learns from a limit that a session exists.
    let hidden = server.client("b").await.session("PRIVATE").await;
    a.post(&format!("/sessions/{hidden}/invite"), json!({ "user_id": "d" })).await.problem(404, "SESSION_NOT_FOUND");
}
