//! No field of a body or a frame makes its sender anything.

use super::*;

/// Fields that a client may hope to be believed.
const FIELDS: [&str; 15] = [
    "role",
    "user_id",
    "owner_id",
    "sender_id",
    "actor",
    "system_role",
    "is_owner",
    "is_admin",
    "is_active",
    "id",
    "seq",
    "number",
    "created_at",
    "session_type",
    "message_type",
];

/// Values that only the server gives, in operations that a participant may call.
fn of_the_server() -> [(&'static str, Value); 3] {
    [
        ("sendMessage", json!({ "content": "x", "message_type": "system" })),
        ("createSession", json!({ "title": "x", "session_type": "DIRECT" })),
        ("updateSession", json!({ "session_type": "DIRECT" })),
    ]
}

#[tokio::test]
async fn no_field_of_a_body_raises_its_sender() {
    let world = World::new();
    let app = world.app();
    let id = world.session("a", SessionType::Public).await;
    world.chat.join(&user("b"), id).await.unwrap();
    let mut refused = 0;
    // The body of a post is read after its token: who has none learns nothing of the body.
    let is_of_caller =
        |operation: &&Operation| operation.has_body && !operation.id.starts_with("postToIncomingWebhook");
    for operation in world.operations().iter().filter(is_of_caller) {
        // The caller who starts a direct session names the other user.
        let fields =
            FIELDS.iter().copied().filter(|field| (operation.id.as_str(), *field) != ("startDirect", "user_id"));
        for field in fields {
            let mut body = operation.body();
            // These name another user, or the speaker of a message.
            let is_known = matches!(
                (operation.id.as_str(), field),
                ("inviteUser" | "addParticipant", "user_id" | "role")
                    | (
                        "changeRole" | "sendMessage" | "createInvite" | "approveJoinRequest" | "startStreamedMessage",
                        "role"
                    )
                    | ("createSession" | "updateSession", "session_type")
                    | ("sendMessage", "message_type")
            );
            body[field] = json!(if is_known && field == "user_id" { "b" } else { "OWNER" });
            for (caller, user) in [("b", "b"), ("a", "b")] {
                let path = operation.at(id, user);
                let (status, _, text) = ask(&app, caller, &operation.method, &path, "*/*", Some(&body)).await;
                let problem: Value = serde_json::from_str(&text).unwrap();
                assert!((400..500).contains(&status), "{} {field} by {caller}: {text}", operation.id);
                if !is_known {
                    assert_eq!((status, &problem["details"]["fields"][0]["field"]), (422, &json!(field)), "{text}");
                }
                refused += 1;
            }
        }
    }
    assert!(refused > 100, "{refused}");
    for (id_of_operation, body) in of_the_server() {
        let operations = world.operations();
        let operation = operations.iter().find(|operation| operation.id == id_of_operation).unwrap();
        let (status, _, text) = ask(&app, "a", &operation.method, &operation.at(id, "a"), "*/*", Some(&body)).await;
        let problem: Value = serde_json::from_str(&text).unwrap();
        let told = (status, &problem["details"]["fields"][0]["code"]);
        assert_eq!(told, (422, &json!("VALIDATION_INVALID_VALUE")), "{id_of_operation}: {text}");
    }
    assert_eq!(world.chat.sessions(&user("a"), chatcore::model::Page::FIRST).await.unwrap().len(), 1);
    let participants = world.chat.session(&user("a"), id).await.unwrap().participants;
    let roles: Vec<_> = participants.iter().map(|one| (one.profile.user_id.as_str(), one.role.as_str())).collect();
    assert_eq!(roles, [("a", "OWNER"), ("b", "MEMBER")]);
}

#[tokio::test]
async fn no_field_of_a_frame_raises_its_sender() {
    let world = World::new();
    let address = world.serve().await;
    let id = world.session("a", SessionType::Public).await;
    world.chat.join(&user("b"), id).await.unwrap();
    let head = world.chat.session(&user("a"), id).await.unwrap().summary.cursor;
    let mut socket = Socket::open(address, "b").await;
    for frame in frames() {
        // These name a user, or the speaker of a message.
        let is_known = |field: &str| {
            matches!(
                (frame, field),
                ("set_participant_metadata" | "report_participant", "user_id") | ("start_streamed_message", "role")
            )
        };
        let fields = FIELDS.iter().copied().filter(|field| !is_known(field));
        for field in fields {
            let mut data = data(frame, id);
            data[field] = json!("OWNER");
            let answer = socket.ask(frame, &data).await;
            assert_eq!(answer["event"], "error", "{frame} {field}: {answer}");
            let told = &answer["data"]["details"]["fields"][0]["field"];
            assert_eq!(told, &json!(format!("data.{field}")), "{frame}: {answer}");
        }
    }
    for caller in ["a", "b"] {
        let mut socket = Socket::open(address, caller).await;
        let data = json!({ "session_id": id, "content": "x", "message_type": "system" });
        let answer = socket.ask("send_message", &data).await;
        let told = &answer["data"]["details"]["fields"][0];
        assert_eq!((&told["field"], &told["code"]), (&json!("message_type"), &json!("VALIDATION_INVALID_VALUE")));
    }
    assert_eq!(world.chat.session(&user("a"), id).await.unwrap().summary.cursor, head);
}
