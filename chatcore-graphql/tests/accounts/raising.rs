//! No field of an input makes its sender anything.

use chatcore::{
    RateLimits,
    chat::{AddParticipant, CreateSession, SendMessage},
    model::{SessionId, SessionType},
};

use super::{
    uses::{ID, INTROSPECTION, codes, inputs, unguarded},
    *,
};

/// Fields that a client may hope to be believed.
const FIELDS: [&str; 16] = [
    "role",
    "systemRole",
    "userId",
    "ownerId",
    "senderId",
    "actor",
    "id",
    "seq",
    "number",
    "createdAt",
    "sessionType",
    "messageType",
    "isOwner",
    "isAdmin",
    "isVerified",
    "isActive",
];

/// The state that could change: the session with its participants, the other sessions, and the account.
async fn state(graph: &Graph<impl Endpoint>, world: &World, owner: &Principal, token: &str) -> String {
    let sessions = world.chat.sessions(owner, chatcore::model::Page::FIRST).await.unwrap();
    let ids: Vec<SessionId> = sessions.iter().map(|session| session.session.id).collect();
    let mut state = String::new();
    for id in ids {
        let seen = world.chat.session(owner, id).await.unwrap();
        let roles: Vec<_> = seen.participants.iter().map(|one| (&one.profile.user_id, one.role)).collect();
        state += &format!("{:?} {roles:?} {}", seen.summary.session, seen.summary.cursor);
    }
    let me = format!("{{ account {{ {ACCOUNT} }} me {{ id }} sessions {{ nodes {{ id }} }} }}");
    state + &graph.ask(Some(token), &me, json!({})).await.2.to_string()
}

#[tokio::test]
async fn no_field_of_an_input_raises_its_sender() {
    let world = World::with_rates(RateLimits::off(), unguarded);
    let graph = mounted(&world, managed(&world));
    let ada = text(&register(&graph, "ada").await, "access_token");
    let bob = register(&graph, "bob").await;
    let (bob, bob_id) = (text(&bob, "access_token"), text(&bob["user"], "id"));
    let owner = world.authenticator().authenticate(&ada).await.unwrap();
    let member = world.authenticator().authenticate(&bob).await.unwrap();
    let new = CreateSession::titled("A room").of_type(SessionType::InviteOnly);
    let session = world.chat.create_session(&owner, new).await.unwrap().summary.session.id;
    let add = AddParticipant { user_id: member.user_id.clone(), role: None };
    world.chat.add_participant(&owner, session, add).await.unwrap();
    let message = world.chat.send(&owner, session, SendMessage::text("hello")).await.unwrap().id.to_string();
    let before = state(&graph, &world, &owner, &bob).await;

    let (_, _, answer) = graph.ask(Some(&bob), INTROSPECTION, json!({})).await;
    let schema = &answer["data"]["__schema"];
    let types = &schema["types"];
    let session = session.to_string();
    let own = |arguments: String| {
        let arguments = arguments.replace(&format!("sessionId: \"{ID}\""), &format!("sessionId: \"{session}\""));
        let arguments = arguments.replace(&format!("messageId: \"{ID}\""), &format!("messageId: \"{message}\""));
        arguments.replace(&format!("userId: \"{ID}\""), &format!("userId: \"{bob_id}\""))
    };
    let mut refused = 0;
    for mutation in schema["mutationType"]["fields"].as_array().unwrap() {
        let (name, arguments) = (text(mutation, "name"), own(inputs(types, &mutation["args"])));
        let Some(arguments) = arguments.trim_end().strip_suffix('}') else { continue };
        let input = mutation["args"][0]["type"]["ofType"]["name"].as_str().unwrap();
        let described = types.as_array().unwrap().iter().find(|found| found["name"] == input).unwrap();
        let fields = described["inputFields"].as_array().unwrap();
        for field in FIELDS.iter().filter(|field| !fields.iter().any(|known| known["name"] == **field)) {
            for value in ["OWNER", "\"OWNER\"", "null"] {
                let query = format!("mutation {{ {name}({arguments} {field}: {value} }}) {{ __typename }} }}");
                for caller in [&bob, &ada] {
                    let (_, _, answer) = graph.ask(Some(caller), &query, json!({})).await;
                    assert_eq!(answer["data"], Value::Null, "{query}");
                    assert!(codes(&answer).iter().all(|code| code.starts_with("VALIDATION_")), "{query}: {answer}");
                    refused += 1;
                }
            }
        }
    }
    assert!(refused > 1_000, "{refused}");
    // The same in variables, of which the document says nothing.
    for (name, input) in [
        ("sendMessage", json!({ "sessionId": session, "content": "x", "userId": "root" })),
        ("sendMessage", json!({ "sessionId": session, "content": "x", "seq": 1 })),
        ("createSession", json!({ "title": "x", "ownerId": "root" })),
        ("updateSession", json!({ "sessionId": session, "title": "x", "isActive": false })),
        ("updateMe", json!({ "bio": "x", "isVerified": true })),
        ("updateMe", json!({ "bio": "x", "role": "ADMIN" })),
        ("changePassword", json!({ "oldPassword": PASSWORD, "newPassword": PASSWORD, "userId": "root" })),
    ] {
        let of = format!("{}{}Input", name[..1].to_uppercase(), &name[1..]);
        let query = format!("mutation ($input: {of}!) {{ {name}(input: $input) {{ __typename }} }}");
        let (_, _, answer) = graph.ask(Some(&bob), &query, json!({ "input": input })).await;
        assert!(codes(&answer).iter().all(|code| code.starts_with("VALIDATION_")), "{name} {input}: {answer}");
        assert!(!codes(&answer).is_empty() && answer["data"].is_null(), "{name} {input}: {answer}");
    }
    // Fields that there are, by callers who may not, or with values that nobody may give.
    let (id, other) = (format!("sessionId: \"{session}\""), format!("userId: \"{}\"", owner.user_id));
    let own = format!("userId: \"{bob_id}\"");
    for (caller, mutation, code) in [
        (&bob, format!("changeRole(input: {{ {id} {own} role: OWNER }})"), "RESOURCE_ACCESS_DENIED"),
        (&bob, format!("changeRole(input: {{ {id} {own} role: ADMIN }})"), "RESOURCE_ACCESS_DENIED"),
        (&bob, format!("changeRole(input: {{ {id} {other} role: VIEWER }})"), "RESOURCE_ACCESS_DENIED"),
        (&ada, format!("changeRole(input: {{ {id} {own} role: OWNER }})"), "SESSION_OWNER_PROTECTED"),
        (&bob, format!("addParticipant(input: {{ {id} {own} role: OWNER }})"), "RESOURCE_ACCESS_DENIED"),
        (&ada, format!("addParticipant(input: {{ {id} {own} role: OWNER }})"), "SESSION_OWNER_PROTECTED"),
        (&bob, format!("removeParticipant(input: {{ {id} {other} }})"), "RESOURCE_ACCESS_DENIED"),
        (&bob, format!("updateSession(input: {{ {id} sessionType: PUBLIC }})"), "RESOURCE_ACCESS_DENIED"),
        (&ada, format!("updateSession(input: {{ {id} sessionType: DIRECT }})"), "VALIDATION_INVALID_VALUE"),
        (&bob, "createSession(input: { title: \"x\" sessionType: DIRECT })".to_owned(), "VALIDATION_INVALID_VALUE"),
        (
            &bob,
            format!("sendMessage(input: {{ {id} content: \"x\" messageType: SYSTEM }})"),
            "VALIDATION_INVALID_VALUE",
        ),
        (
            &ada,
            format!("sendMessage(input: {{ {id} content: \"x\" messageType: SYSTEM }})"),
            "VALIDATION_INVALID_VALUE",
        ),
        (&bob, format!("adminSetRole(input: {{ {own} role: ADMIN }})"), "ADMIN_REQUIRED"),
        (&ada, format!("adminBanUser(input: {{ {own} reason: \"x\" }})"), "ADMIN_REQUIRED"),
    ] {
        let query = format!("mutation {{ {mutation} {{ __typename }} }}");
        let (_, _, answer) = graph.ask(Some(caller), &query, json!({})).await;
        assert_eq!(codes(&answer), [code], "{query}: {answer}");
    }
    assert_eq!(state(&graph, &world, &owner, &bob).await, before, "something was changed");
}
