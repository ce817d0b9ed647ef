//! Subscriptions.

use super::*;

const EVENTS: &str = "subscription($id: ID!, $after: Long) { sessionEvents(sessionId: $id, after: $after) {
    __typename
    ... on Subscribed { after }
    ... on SessionEvent { seq actor { id } }
    ... on MessageSent { message { content session { title } } }
    ... on Typing { user { id } isTyping }
    ... on ParticipantRemoved { user { id } }
} }";

#[tokio::test]
async fn a_session_is_followed_from_where_one_left_off_until_one_is_removed() {
    let (chat, schema) = graph();
    let (alice, bob) = (user("alice"), user("bob"));
    let id = make(&schema, &alice, "PUBLIC").await;
    join(&schema, &bob, &id).await;
    say(&schema, &alice, &id, "missed").await;
    let mut events = follow(&schema, &bob, EVENTS, json!({ "id": id, "after": 2 }));
    assert_eq!(next(&mut events).await["data"]["sessionEvents"], json!({ "__typename": "Subscribed", "after": 2 }));
    let missed = next(&mut events).await["data"]["sessionEvents"].clone();
    assert_eq!((&missed["seq"], &missed["message"]["content"]), (&json!(3), &json!("missed")));
    assert_eq!(missed["message"]["session"]["title"], "A room");

    chat.typing(&alice, id.parse().unwrap(), true).await.unwrap();
    let typing = next(&mut events).await["data"]["sessionEvents"].clone();
    assert_eq!(typing, json!({ "__typename": "Typing", "user": { "id": "alice" }, "isTyping": true }));

    // What an event's session is loaded as is not older than the event.
    let rename = "mutation($id: ID!) { updateSession(input: {sessionId: $id, title: \"New\"}) { session { id } } }";
    data(&schema, &alice, rename, json!({ "id": id })).await;
    assert_eq!(next(&mut events).await["data"]["sessionEvents"]["__typename"], "SessionUpdated");
    say(&schema, &alice, &id, "renamed").await;
    assert_eq!(next(&mut events).await["data"]["sessionEvents"]["message"]["session"]["title"], "New");
    // The message ends the typing.
    assert_eq!(next(&mut events).await["data"]["sessionEvents"]["isTyping"], false);

    let remove = "mutation($id: ID!) { removeParticipant(input: {sessionId: $id, userId: \"bob\"}) { userId } }";
    data(&schema, &alice, remove, json!({ "id": id })).await;
    let removed = next(&mut events).await["data"]["sessionEvents"].clone();
    assert_eq!((&removed["__typename"], &removed["user"]["id"]), (&json!("ParticipantRemoved"), &json!("bob")));
    assert!(events.next().await.is_none());
}

#[tokio::test]
async fn all_sessions_are_followed_and_new_ones_announced() {
    let (_, schema) = graph();
    let (alice, bob) = (user("alice"), user("bob"));
    let first = make(&schema, &alice, "PUBLIC").await;
    join(&schema, &bob, &first).await;
    let query = "subscription($after: [PositionInput!]) { allSessionEvents(after: $after) {
        __typename ... on Subscribed { sessionId after } ... on SubscriptionEnded { sessionId code }
        ... on SessionEvent { sessionId seq } } }";
    let second = make(&schema, &alice, "PUBLIC").await;
    let after = json!([{ "sessionId": first, "seq": 1 }, { "sessionId": second, "seq": 1 }]);
    let mut events = follow(&schema, &bob, query, json!({ "after": after }));
    let mut told = Vec::new();
    for _ in 0..3 {
        told.push(next(&mut events).await["data"]["allSessionEvents"].clone());
    }
    assert_eq!(told[0], json!({ "__typename": "Subscribed", "sessionId": first, "after": 1 }));
    let ended = json!({ "__typename": "SubscriptionEnded", "sessionId": second, "code": "SESSION_ACCESS_DENIED" });
    assert_eq!(told[1], ended);
    assert_eq!(told[2], json!({ "__typename": "ParticipantJoined", "sessionId": first, "seq": 2 }));
    join(&schema, &bob, &second).await;
    let announced = next(&mut events).await["data"]["allSessionEvents"].clone();
    assert_eq!(announced, json!({ "__typename": "Subscribed", "sessionId": second, "after": 1 }));
    assert_eq!(next(&mut events).await["data"]["allSessionEvents"]["seq"], 2);
}

#[tokio::test]
async fn what_may_not_be_followed_is_one_error_and_the_end() {
    let (_, schema) = graph();
    let (alice, bob) = (user("alice"), user("bob"));
    for (session_type, code) in [("PRIVATE", "SESSION_NOT_FOUND"), ("PUBLIC", "SESSION_ACCESS_DENIED")] {
        let id = make(&schema, &alice, session_type).await;
        let mut events = follow(&schema, &bob, EVENTS, json!({ "id": id }));
        assert_eq!(codes(&next(&mut events).await), [code]);
        assert!(events.next().await.is_none());
    }
    let id = make(&schema, &alice, "PRIVATE").await;
    let mut events = follow(&schema, &alice, EVENTS, json!({ "id": id, "after": 2 }));
    let refused = next(&mut events).await;
    assert_eq!(codes(&refused), ["RESYNC"]);
    assert_eq!(refused["errors"][0]["extensions"]["details"], json!({ "oldest": 0, "head": 1 }));
}
