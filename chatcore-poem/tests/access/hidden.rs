//! A session that the caller may not know of is like one that never was.

use super::*;

/// A session that never was.
const NEVER: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

/// Sessions of `a` that `b` may not know of, each with why.
async fn hidden(world: &World) -> Vec<(&'static str, SessionId)> {
    let (a, b) = (user("a"), user("b"));
    world.chat.me(&b).await.unwrap();
    let add = || chatcore::chat::AddParticipant { user_id: b.user_id.clone(), role: None };
    let private = world.session("a", SessionType::Private).await;
    let invite_only = world.session("a", SessionType::InviteOnly).await;
    let deleted = world.session("a", SessionType::Public).await;
    world.chat.join(&b, deleted).await.unwrap();
    world.chat.delete_session(&a, deleted).await.unwrap();
    let removed = world.session("a", SessionType::InviteOnly).await;
    world.chat.add_participant(&a, removed, add()).await.unwrap();
    world.chat.remove_participant(&a, removed, &b.user_id).await.unwrap();
    let left = world.session("a", SessionType::InviteOnly).await;
    world.chat.add_participant(&a, left, add()).await.unwrap();
    world.chat.leave(&b, left).await.unwrap();
    vec![
        ("private", private),
        ("invite only", invite_only),
        ("deleted", deleted),
        ("removed from", removed),
        ("left", left),
    ]
}

/// The text with one name for each id.
fn same(text: &str, id: SessionId) -> String {
    let message = MessageId { session_id: id, seq: 2 }.to_string();
    let mut text = text.replace(&message, "MESSAGE").replace(&id.to_string(), "SESSION");
    if let Ok(mut problem) = serde_json::from_str::<Value>(&text)
        && let Some(fields) = problem.as_object_mut()
    {
        fields.remove("request_id");
        fields.remove("timestamp");
        text = problem.to_string();
    }
    text
}

#[tokio::test]
async fn every_operation_on_a_hidden_session_answers_as_if_it_never_was() {
    let world = World::new();
    let app = world.app();
    let hidden = hidden(&world).await;
    let heads = async || {
        let mut heads = Vec::new();
        for (_, id) in hidden.iter().filter(|(why, _)| *why != "deleted") {
            heads.push(world.chat.session(&user("a"), *id).await.unwrap().summary.cursor);
        }
        heads
    };
    let before = heads().await;
    let mut operations = 0;
    for operation in world.operations().iter().filter(|operation| operation.path.contains("{session_id}")) {
        operations += 1;
        let ways: &[(&str, &str)] = match operation.id.as_str() {
            "listEvents" => &[
                ("", "application/json"),
                ("?wait=60", "application/json"),
                ("?after=999", "application/json"),
                ("", "text/event-stream"),
            ],
            "listMessages" => &[("", "*/*"), ("?before=5", "*/*"), ("?after=5", "*/*"), ("?skip=9", "*/*")],
            "listParticipants" => &[("", "*/*"), ("?include_email=true", "*/*"), ("?skip=9", "*/*")],
            _ => &[("", "*/*")],
        };
        let body = operation.body();
        for (query, accept) in ways {
            let asked = async |id: SessionId| {
                let body = operation.has_body.then_some(&body);
                let path = operation.at(id, "a") + query;
                let (status, headers, text) = ask(&app, "b", &operation.method, &path, accept, body).await;
                (status, headers, same(&text, id))
            };
            let never = asked(NEVER.parse().unwrap()).await;
            assert_eq!(never.0, 404, "{} {query}: {}", operation.id, never.2);
            for (why, id) in &hidden {
                assert_eq!(asked(*id).await, never, "{} {query}: {why}", operation.id);
            }
        }
    }
    assert!(operations >= 18, "{operations}");
    assert_eq!(heads().await, before, "something was done");
}

#[tokio::test]
async fn every_frame_about_a_hidden_session_is_answered_as_if_it_never_was() {
    let world = World::new();
    let address = world.serve().await;
    let hidden = hidden(&world).await;
    let mut socket = Socket::open(address, "b").await;
    for frame in frames() {
        let mut asked = async |id: SessionId| {
            let answer = socket.ask(frame, &data(frame, id)).await;
            same(&answer.to_string(), id)
        };
        let never = asked(NEVER.parse().unwrap()).await;
        // To leave what is not followed is no error; a mark of all sessions, and the caller's own presence and settings, name none.
        let is_fine = ["leave_session", "mark_all_read", "set_presence", "set_user_settings"].contains(&frame);
        assert!(never.contains("NOT_FOUND") || is_fine, "{frame}: {never}");
        for (why, id) in &hidden {
            assert_eq!(asked(*id).await, never, "{frame}: {why}");
        }
        let with_start = json!({ "session_id": hidden[0].1, "after": 999 });
        if frame == "join_session" {
            let answer = socket.ask(frame, &with_start).await;
            assert_eq!(answer["data"]["code"], "SESSION_NOT_FOUND", "{answer}");
        }
    }
}
