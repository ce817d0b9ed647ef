//! Queries and mutations.

use chatcore::{
    MemoryStore, RateLimits,
    chat::{ReadUpto, SendMessage},
};

use super::*;

#[tokio::test]
async fn everything_that_can_be_done_and_seen() {
    let (chat, schema) = graph();
    let (alice, bob) = (user("alice").with_name("Alice"), user("bob").with_name("Bob"));
    let id = make(&schema, &alice, "PUBLIC").await;
    let listed =
        data(&schema, &bob, "{ publicSessions { totalCount nodes { id owner { id name } } } }", json!({})).await;
    assert_eq!(listed["publicSessions"]["totalCount"], 1);
    assert_eq!(listed["publicSessions"]["nodes"][0]["owner"], json!({ "id": "alice", "name": "Alice" }));
    join(&schema, &bob, &id).await;
    let message = say(&schema, &bob, &id, "hello").await;
    assert_eq!((&message["seq"], &message["content"]), (&json!(3), &json!("hello")));

    let change = "mutation($id: ID!) {
        changeRole(input: {sessionId: $id, userId: \"bob\", role: VIEWER}) { participant { role isOwner user { name } } }
        updateSession(input: {sessionId: $id, title: \"New\", description: \"About\"}) { session { title description seq } }
    }";
    let changed = data(&schema, &alice, change, json!({ "id": id })).await;
    assert_eq!(
        changed["changeRole"]["participant"],
        json!({"role": "VIEWER", "isOwner": false, "user": {"name": "Bob"}})
    );
    assert_eq!(changed["updateSession"]["session"], json!({"title": "New", "description": "About", "seq": 5}));
    let clear =
        "mutation($id: ID!) { updateSession(input: {sessionId: $id, description: null}) { session { description } } }";
    assert_eq!(
        data(&schema, &alice, clear, json!({ "id": id })).await["updateSession"]["session"]["description"],
        Value::Null
    );

    let whole = "query($id: ID!) { session(id: $id) { seq messageCount participantCount maxParticipants isActive
        participants { edges { cursor node { id user { id } role } } pageInfo { hasNextPage } }
        messages(last: 50) { totalCount nodes { id content sender { id } session { title } } pageInfo { hasPreviousPage } } } }";
    let session = data(&schema, &bob, whole, json!({ "id": id })).await["session"].clone();
    assert_eq!((&session["seq"], &session["participantCount"]), (&json!(6), &json!(2)));
    assert_eq!(session["participants"]["edges"][1]["node"]["role"], "VIEWER");
    assert_eq!(session["messages"]["nodes"][0]["session"]["title"], "New");

    let nodes = "query($ids: [ID!]!) { nodes(ids: $ids) { __typename id ... on Message { content } } }";
    let answer = ask(&schema, &bob, nodes, json!({ "ids": [id, message["id"], uuid()] })).await;
    assert_eq!(answer["data"]["nodes"][0]["__typename"], "Session");
    assert_eq!(answer["data"]["nodes"][1]["content"], "hello");
    assert_eq!(answer["data"]["nodes"][2], Value::Null);
    assert_eq!((codes(&answer), &answer["errors"][0]["path"]), (vec!["SESSION_NOT_FOUND"], &json!(["nodes", 2])));

    let events =
        "query($id: ID!) { events(sessionId: $id, first: 4, after: \"1\") { head pageInfo { hasNextPage endCursor }
        edges { cursor node { __typename seq actor { id } ... on MessageSent { message { content } } } } } }";
    let events = data(&schema, &bob, events, json!({ "id": id })).await["events"].clone();
    assert_eq!((&events["head"], &events["pageInfo"]["hasNextPage"]), (&json!(6), &json!(true)));
    assert_eq!(events["edges"][1]["node"]["message"]["content"], "hello");
    assert_eq!(events["edges"][2]["node"]["__typename"], "ParticipantRoleChanged");

    for (gone, who) in [("leaveSession", &bob), ("deleteSession", &alice)] {
        let query = format!("mutation($id: ID!) {{ {gone}(input: {{sessionId: $id}}) {{ sessionId }} }}");
        assert_eq!(data(&schema, who, &query, json!({ "id": id })).await[gone]["sessionId"], id.as_str());
    }
    assert_eq!(codes(&ask(&schema, &alice, whole, json!({ "id": id })).await), ["SESSION_NOT_FOUND"]);
    assert_eq!(chat.sessions(&alice, chatcore::model::Page::FIRST).await.unwrap().len(), 0);
}

fn uuid() -> String {
    "01890000-0000-7000-8000-000000000000".to_owned()
}

#[tokio::test]
async fn an_error_makes_its_field_null_and_has_code_and_details() {
    let (_, schema) = graph();
    let alice = user("alice");
    let query = "mutation {
        good: createSession(input: {title: \"A\"}) { session { title } }
        bad: createSession(input: {title: \"\"}) { session { title } }
    }";
    let answer = ask(&schema, &alice, query, json!({})).await;
    assert_eq!(answer["data"], json!({ "good": { "session": { "title": "A" } }, "bad": null }));
    let error = &answer["errors"][0];
    assert_eq!(error["path"], json!(["bad"]));
    assert_eq!(error["extensions"]["code"], "VALIDATION_REQUIRED_FIELD", "{error:#}");
    assert_eq!(error["extensions"]["details"]["fields"][0]["field"], "title");

    let nobody = Request::new("{ me { id } }");
    let answer = serde_json::to_value(schema.execute(nobody).await).unwrap();
    assert_eq!((codes(&answer), &answer["data"]), (vec!["AUTH_REQUIRED"], &json!({ "me": null })));

    // Further down, too.
    let query = "mutation($id: ID!) { sendMessage(input: {sessionId: $id, content: \"x\"}) { message { session { participants(first: 0) { nodes { id } } title } } } }";
    let id = make(&schema, &alice, "PRIVATE").await;
    let answer = ask(&schema, &alice, query, json!({ "id": id })).await;
    assert_eq!(codes(&answer), ["VALIDATION_INVALID_VALUE"]);
    let session = &answer["data"]["sendMessage"]["message"]["session"];
    assert_eq!(session, &json!({ "participants": null, "title": "A room" }));
}

#[tokio::test]
async fn messages_are_paged_from_both_ends_by_number_position_and_time() {
    let (_, schema) = graph();
    let alice = user("alice");
    let id = make(&schema, &alice, "PRIVATE").await;
    for n in 1..=5 {
        say(&schema, &alice, &id, &n.to_string()).await;
    }
    let texts = async |arguments: &str| {
        let query = format!(
            "{{ messages(sessionId: \"{id}\", {arguments}) {{ nodes {{ content }} totalCount
            pageInfo {{ hasNextPage hasPreviousPage startCursor endCursor }} }} }}"
        );
        let page = data(&schema, &alice, &query, json!({})).await["messages"].clone();
        let texts: Vec<String> =
            page["nodes"].as_array().unwrap().iter().map(|node| node["content"].as_str().unwrap().to_owned()).collect();
        (texts.concat(), page["pageInfo"].clone())
    };
    let (first, info) = texts("first: 2").await;
    assert_eq!((first.as_str(), &info["hasPreviousPage"], &info["hasNextPage"]), ("12", &json!(false), &json!(true)));
    let after = info["endCursor"].as_str().unwrap();
    assert_eq!(texts(&format!("first: 2, after: \"{after}\"")).await.0, "34");
    let (last, info) = texts("last: 2").await;
    assert_eq!((last.as_str(), &info["hasPreviousPage"], &info["hasNextPage"]), ("45", &json!(true), &json!(false)));
    let before = info["startCursor"].as_str().unwrap();
    assert_eq!(texts(&format!("last: 2, before: \"{before}\"")).await.0, "23");
    assert_eq!(texts("skip: 1, first: 3").await.0, "234");
    assert_eq!(texts("after: \"2020-01-01T00:00:00Z\"").await.0, "12345");
    assert_eq!(texts("before: \"2020-01-01T00:00:00Z\"").await.0, "");
    for (bad, code) in [
        ("first: 0", "VALIDATION_INVALID_VALUE"),
        ("first: 101", "VALIDATION_INVALID_VALUE"),
        ("first: -1", "VALIDATION_INVALID_VALUE"),
        ("first: 1, last: 1", "VALIDATION_INVALID_VALUE"),
        ("last: 1, skip: 1", "VALIDATION_INVALID_VALUE"),
        ("after: \"x\"", "VALIDATION_INVALID_FORMAT"),
        ("skip: -1", "VALIDATION_INVALID_VALUE"),
        ("first: \"x\"", "VALIDATION_INVALID_VALUE"),
        ("first: 99999999999", "VALIDATION_INVALID_VALUE"),
    ] {
        let query = format!("{{ messages(sessionId: \"{id}\", {bad}) {{ nodes {{ content }} }} }}");
        let answer = ask(&schema, &alice, &query, json!({})).await;
        let codes = codes(&answer);
        assert!(!codes.is_empty() && codes.iter().all(|found| *found == code), "{bad}: {answer:#}");
    }
}

#[tokio::test]
async fn lists_are_paged_by_cursors() {
    let (_, schema) = graph();
    let alice = user("alice");
    let mut made = Vec::new();
    for _ in 0..5 {
        made.push(make(&schema, &alice, "PRIVATE").await);
    }
    made.reverse();
    let query = "query($after: String) { sessions(first: 2, after: $after) { nodes { id } pageInfo { hasNextPage endCursor } } }";
    let (mut seen, mut after) = (Vec::new(), Value::Null);
    loop {
        let page = data(&schema, &alice, query, json!({ "after": after })).await["sessions"].clone();
        seen.extend(page["nodes"].as_array().unwrap().iter().map(|node| node["id"].as_str().unwrap().to_owned()));
        if page["pageInfo"]["hasNextPage"] == false {
            break;
        }
        after = page["pageInfo"]["endCursor"].clone();
    }
    assert_eq!(seen, made);
    let bad = ask(&schema, &alice, query, json!({ "after": "nonsense" })).await;
    assert_eq!(codes(&bad), ["VALIDATION_INVALID_FORMAT"]);
}

/// The ids of a page, the cursor of its last entry, and whether there is a next one.
fn page_of(connection: &Value) -> (Vec<String>, Value, bool) {
    let edges = connection["edges"].as_array().unwrap();
    let ids = edges.iter().map(|edge| edge["node"]["id"].as_str().unwrap().to_owned()).collect();
    let (last, info) = (edges.last().map_or(&Value::Null, |edge| &edge["cursor"]), &connection["pageInfo"]);
    assert_eq!(*last, info["endCursor"]);
    (ids, last.clone(), info["hasNextPage"].as_bool().unwrap())
}

const PAGE: &str = "edges { cursor node { id } } pageInfo { hasNextPage endCursor }";

#[tokio::test]
async fn a_list_that_changes_between_two_pages_shows_each_entry_once() {
    let (chat, schema) = graph();
    let (alice, bob) = (user("alice"), user("bob"));
    for (who, list) in [(&alice, "sessions"), (&bob, "publicSessions")] {
        let mut made = Vec::new();
        for _ in 0..6 {
            made.insert(0, make(&schema, &alice, "PUBLIC").await);
        }
        let query = format!("query($after: String) {{ {list}(first: 2, after: $after) {{ {PAGE} }} }}");
        let page = async |after: &Value| page_of(&data(&schema, who, &query, json!({ "after": after })).await[list]);
        let (first, cursor, more) = page(&Value::Null).await;
        assert_eq!((&first[..], more), (&made[..2], true), "{list}");
        for _ in 0..3 {
            make(&schema, &alice, "PUBLIC").await;
        }
        let (second, cursor, more) = {
            let (second, again, more) = page(&cursor).await;
            assert_eq!((&second[..], more), (&made[2..4], true), "{list}");
            // The entry of a cursor may be gone.
            for id in &made[..4] {
                chat.delete_session(&alice, id.parse().unwrap()).await.unwrap();
            }
            assert_eq!(page(&cursor).await.0, made[4..], "{list}");
            (second, again, more)
        };
        assert!(second.len() == 2 && more);
        let (last, _, more) = page(&cursor).await;
        assert_eq!((&last[..], more), (&made[4..], false), "a full page is known to be the last one of {list}");
        for summary in chat.sessions(&alice, chatcore::model::Page::FIRST).await.unwrap().iter() {
            chat.delete_session(&alice, summary.session.id).await.unwrap();
        }
    }
}

#[tokio::test]
async fn participants_who_come_and_go_between_two_pages_are_shown_once() {
    let (chat, schema) = graph();
    let alice = user("alice");
    let id = make(&schema, &alice, "PUBLIC").await;
    let session = id.parse().unwrap();
    let names: Vec<_> = (0..7).map(|n| user(&format!("user {n}"))).collect();
    for name in &names {
        chat.join(name, session).await.unwrap();
    }
    let list = format!("participants(first: 2, after: $after) {{ {PAGE} }}");
    let nested = format!("query($id: ID!, $after: String) {{ session(id: $id) {{ {list} }} }}");
    let root =
        nested.replace("session(id: $id) { participants(", "participants(sessionId: $id, ").replace("} } }", "} }");
    let page = async |after: &Value| {
        let variables = json!({ "id": id, "after": after });
        let found = data(&schema, &alice, &nested, variables.clone()).await["session"]["participants"].clone();
        assert_eq!(found, data(&schema, &alice, &root, variables).await["participants"]);
        page_of(&found)
    };
    let all = "query($id: ID!) { participants(sessionId: $id) { nodes { id } } }";
    let all = data(&schema, &alice, all, json!({ "id": id })).await["participants"]["nodes"].clone();
    let all: Vec<&str> = all.as_array().unwrap().iter().map(|node| node["id"].as_str().unwrap()).collect();

    let (first, cursor, _) = page(&Value::Null).await;
    assert_eq!(first, all[..2]);
    for n in [0, 5] {
        chat.leave(&names[n], session).await.unwrap();
    }
    let (second, cursor, _) = page(&cursor).await;
    assert_eq!(second, all[2..4]);
    chat.join(&names[0], session).await.unwrap();
    let (third, cursor, _) = page(&cursor).await;
    assert_eq!(third, all[4..6]);
    let (last, _, more) = page(&cursor).await;
    assert_eq!((last.len(), last[0].as_str(), more), (2, all[7], false), "who came back is another entry");
    assert!(!all.contains(&last[1].as_str()));
}

#[tokio::test]
async fn a_cursor_of_another_list_is_refused() {
    let (chat, schema) = graph();
    let (alice, bob) = (user("alice"), user("bob"));
    let mut ids = Vec::new();
    for _ in 0..2 {
        let id = make(&schema, &alice, "PUBLIC").await;
        chat.join(&bob, id.parse().unwrap()).await.unwrap();
        say(&schema, &alice, &id, "x").await;
        make(&schema, &bob, "PUBLIC").await;
        ids.push(id);
    }
    let list = |field: &str| format!("{field}(first: 1, after: $after) {{ {PAGE} }}");
    let of = |id: &str, field: &str| list(field).replace('(', &format!("(sessionId: \"{id}\", "));
    let lists = [
        list("sessions"),
        list("publicSessions"),
        of(&ids[0], "participants"),
        of(&ids[1], "participants"),
        format!("session(id: \"{}\") {{ {} }}", ids[0], list("participants")),
    ];
    let ask_for = async |list: &str, after: &Value| {
        let query = format!("query($after: String) {{ found: {list} }}");
        ask(&schema, &alice, &query, json!({ "after": after })).await
    };
    let mut cursors = vec![
        // What this server gave out before cursors named entries: `offset:0`.
        (9, json!("b2Zmc2V0OjA")),
        (9, json!("1")),
        (9, json!("2020-01-01T00:00:00Z")),
        (9, json!(ids[0])),
        (9, json!("")),
        (9, json!("\u{0}")),
        (9, json!("x".repeat(10_000))),
    ];
    for (place, list) in lists.iter().enumerate() {
        let answer = ask_for(list, &Value::Null).await;
        assert_eq!(answer["errors"], Value::Null, "{answer:#}");
        let found = &answer["data"]["found"];
        let found = if found["edges"].is_array() { found } else { &found["participants"] };
        // The same list, on the two ways to it.
        let place = if place == 4 { 2 } else { place };
        cursors.push((place, found["edges"][0]["cursor"].clone()));
    }
    for (of, cursor) in &cursors {
        for (place, list) in lists.iter().enumerate() {
            let answer = ask_for(list, cursor).await;
            let place = if place == 4 { 2 } else { place };
            let expected: &[&str] = if *of == place { &[] } else { &["VALIDATION_INVALID_FORMAT"] };
            assert_eq!(codes(&answer), expected, "{list} after {cursor}: {answer:#}");
        }
    }
}

#[tokio::test]
async fn encrypted_content_and_client_ids() {
    let (_, schema) = graph();
    let alice = user("alice");
    let id = make(&schema, &alice, "PRIVATE").await;
    let send = "mutation($input: SendMessageInput!) {
        sendMessage(input: $input) { message { id content encryptedContent { encryptedData iv keyVersion } role } }
    }";
    let encrypted = json!({ "encryptedData": "c2VjcmV0", "iv": "aXY=", "keyVersion": 7 });
    let input = json!({ "sessionId": id, "encryptedContent": encrypted, "clientId": "c1", "role": "ASSISTANT" });
    let first = data(&schema, &alice, send, json!({ "input": input })).await;
    let message = &first["sendMessage"]["message"];
    assert_eq!((&message["content"], &message["encryptedContent"]), (&Value::Null, &encrypted));
    assert_eq!(data(&schema, &alice, send, json!({ "input": input })).await, first, "a retry is the same message");
    let other = json!({ "sessionId": id, "content": "other", "clientId": "c1" });
    assert_eq!(codes(&ask(&schema, &alice, send, json!({ "input": other })).await), ["CLIENT_ID_REUSED"]);
    let none = json!({ "sessionId": id });
    assert_eq!(codes(&ask(&schema, &alice, send, json!({ "input": none })).await), ["VALIDATION_REQUIRED_FIELD"]);
    let both = json!({ "sessionId": id, "content": "x", "encryptedContent": encrypted });
    assert_eq!(codes(&ask(&schema, &alice, send, json!({ "input": both })).await), ["VALIDATION_INVALID_VALUE"]);
}

/// A page without entries says where the list goes on.
#[tokio::test]
async fn a_list_of_unread_mentions_goes_on_after_many_read_ones() {
    let chat = Chat::builder(MemoryStore::new()).rates(RateLimits::off()).build();
    let schema = schema(chat.clone(), SchemaOptions::default());
    let (alice, bob) = (user("alice"), user("bob"));
    let mut last = Value::Null;
    for (number, is_read) in [(1, false), (500, true)] {
        let id = make(&schema, &alice, "PUBLIC").await;
        join(&schema, &bob, &id).await;
        for n in 0..number {
            let sent = SendMessage { mentions: vec![bob.user_id.clone()], ..SendMessage::text(format!("{n}")) };
            chat.send(&alice, id.parse().unwrap(), sent).await.unwrap();
        }
        if is_read {
            chat.mark_read(&bob, id.parse().unwrap(), ReadUpto::Seq(2 + number)).await.unwrap();
        } else {
            last = json!(id);
        }
    }
    let query = "query($after: String) { mentions(unread: true, after: $after) {
        edges { cursor isUnread node { session { id } } } pageInfo { hasPreviousPage hasNextPage startCursor endCursor } } }";
    let first = data(&schema, &bob, query, json!({})).await["mentions"].clone();
    let page = &first["pageInfo"];
    assert_eq!((&first["edges"], &page["startCursor"], &page["hasNextPage"]), (&json!([]), &Value::Null, &json!(true)));
    let rest = data(&schema, &bob, query, json!({ "after": page["endCursor"] })).await["mentions"].clone();
    let (edge, page) = (&rest["edges"][0], &rest["pageInfo"]);
    assert_eq!((&edge["isUnread"], &edge["node"]["session"]["id"]), (&json!(true), &last));
    assert_eq!((&page["hasPreviousPage"], &page["hasNextPage"]), (&json!(true), &json!(false)));
    assert_eq!(page["endCursor"], edge["cursor"]);
}
