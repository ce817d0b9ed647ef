//! A server beside one of a newer version, on one database: it passes on events that it does not know, obeys what they govern, and
//! does not decide about a session that asks for more than it understands.

use std::sync::Arc;

use chatcore::{
    Chat,
    model::{EventKind, NewEvent, Session, SessionId, Standing, UserId},
    store::{
        Change, ChatStore, ChatStoreExt as _, FactsQuery, Freshness, ParticipantRecord, Participants, Sessions,
        TypedKey as _, Write,
    },
};
use chatcore_tests::{Backend, Events, Server};
use serde_json::json;

/// Commits what only a newer version knows: an event of an unknown kind, with these writes.
async fn commit(store: &Arc<dyn ChatStore>, session_id: SessionId, writes: Vec<Write>) -> u64 {
    let asked = FactsQuery { session_id, records: &[] };
    let head = store.facts(&[asked], Freshness::Fresh).await.unwrap()[0].head;
    let event = NewEvent { actor: UserId::new("newer").unwrap(), created_at: head.at, kind: EventKind::Unknown };
    let committed = store.commit(Change::of(session_id, head.seq, vec![event], writes)).await.unwrap();
    committed.events[0].seq
}

/// Takes a user's right to read away, in a way that only the newer version knows.
async fn ban(store: &Arc<dyn ChatStore>, session: SessionId, user: &str) -> Write {
    let key = Participants { session, user: UserId::new(user).unwrap() };
    let record = ParticipantRecord::clone(&store.get(&key).await.unwrap().unwrap().value);
    let standing = Standing::Former(record.standing.role().unwrap());
    key.put(ParticipantRecord { standing, ..record })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_beside_a_newer_one_passes_its_events_on_and_obeys_them() {
    for backend in [Backend::Memory, Backend::SurrealMemory] {
        let (store, _folder) = backend.open().await;
        let server = Server::over(Chat::builder(Arc::clone(&store)).build()).await;
        let (a, b) = (server.client("a").await, server.client("b").await);
        let id = a.session("INVITE_ONLY").await;
        let session: SessionId = id.parse().unwrap();
        let path = format!("/sessions/{id}");
        a.post(&format!("{path}/participants"), json!({ "user_id": "b" })).await.expect(201);
        b.say(&id, "engaged").await;
        let (mut of_a, mut of_b) = (server.socket("a").await, server.socket("b").await);
        of_a.join(&id, None).await;
        of_b.join(&id, None).await;
        let mut stream = Events::open(b.stream_of(&id, "?after=0")).await.unwrap();
        for event in ["session_created", "user_joined", "message_received"] {
            stream.expect(event).await;
        }

        // An event that governs nothing changes nothing, and has its position.
        let seq = commit(&store, session, Vec::new()).await;
        for reader in [&mut of_a, &mut of_b] {
            let frame = reader.expect("unknown").await;
            assert_eq!((&frame["seq"], &frame["data"]["session_id"]), (&json!(seq), &json!(id)));
        }
        assert_eq!(stream.expect("unknown").await["seq"], seq);
        assert_eq!(b.say(&id, "still here").await["seq"], seq + 1);
        let message = of_b.expect("message_received").await;
        assert_eq!(message["data"]["message"]["number"], 2);
        of_a.expect("message_received").await;

        // An event that governs is obeyed, whatever it is: it is the last one that the user gets.
        let ban = ban(&store, session, "b").await;
        let seq = commit(&store, session, vec![ban]).await;
        assert_eq!(of_b.expect("unknown").await["seq"], seq);
        assert_eq!(of_a.expect("unknown").await["seq"], seq);
        stream.expect("message_received").await;
        assert_eq!(stream.expect("unknown").await["seq"], seq);
        stream.ended().await;
        b.post(&format!("{path}/messages"), json!({ "content": "no" })).await.problem(404, "SESSION_NOT_FOUND");
        let joined = of_b.ask("join_session", json!({ "session_id": id, "after": 0 })).await;
        assert_eq!(joined["data"]["code"], "SESSION_NOT_FOUND");
        let witness = a.say(&id, "goes on").await["seq"].as_u64().unwrap();
        assert_eq!(of_a.expect("message_received").await["seq"], witness);
        of_b.silent().await;

        // REST and GraphQL show the positions of what they do not know.
        let query = "query($id: ID!, $after: String) { events(sessionId: $id, after: $after) { nodes { __typename sessionId seq \
            cursor createdAt actor { id } } } }";
        let shown = server.graphql("a").data(query, json!({ "id": id, "after": (seq - 1).to_string() })).await;
        let event = &shown["events"]["nodes"][0];
        assert_eq!(
            (&event["__typename"], &event["seq"], &event["sessionId"]),
            (&json!("UnknownEvent"), &json!(seq), &json!(id))
        );
        assert_eq!(event["actor"]["id"], "newer");
        assert!(event["cursor"].is_string() && event["createdAt"].is_string(), "{event}");
        let page = a.get(&format!("{path}/events?after={}", seq - 1)).await.expect(200);
        assert_eq!((&page["events"][0]["event"], &page["events"][0]["seq"]), (&json!("unknown"), &json!(seq)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_needs_a_newer_version_is_unavailable_and_spoils_no_other() {
    for backend in [Backend::Memory, Backend::SurrealMemory] {
        let (store, _folder) = backend.open().await;
        let server = Server::over(Chat::builder(Arc::clone(&store)).build()).await;
        let a = server.client("a").await;
        let (newer, other) = (a.session("PUBLIC").await, a.session("PUBLIC").await);
        let session: SessionId = newer.parse().unwrap();
        let key = Sessions { session };
        let record = Session::clone(&store.get(&key).await.unwrap().unwrap().value);
        commit(&store, session, vec![key.put(Session { needs: Session::UNDERSTOOD + 1, ..record })]).await;

        let path = format!("/sessions/{newer}");
        // What was decided on facts from before is stale, and decided again.
        a.post(&format!("{path}/messages"), json!({ "content": "no" })).await.problem(503, "SERVICE_UNAVAILABLE");
        a.get(&path).await.problem(503, "SERVICE_UNAVAILABLE");
        a.put(&path, json!({ "title": "no" })).await.problem(503, "SERVICE_UNAVAILABLE");
        let mut socket = server.socket("a").await;
        let joined = socket.ask("join_session", json!({ "session_id": newer })).await;
        assert_eq!(joined["data"]["code"], "SERVICE_UNAVAILABLE");
        let listed = a.get("/sessions").await.expect(200);
        let listed: Vec<_> = listed.as_array().unwrap().iter().map(|session| &session["id"]).collect();
        assert_eq!(listed, [&json!(other)]);
        a.say(&other, "works").await;
    }
}
