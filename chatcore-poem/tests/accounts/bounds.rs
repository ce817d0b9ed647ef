//! Every operation of the document, those of the accounts and of the administration among them: whatever its parameters are, and whatever
//! fails behind it, the answer is a typed one.

use chatcore::{Administration, Principal, RateLimits, admin::AuditOrigin, identity::SystemRole, model::UserId};

use super::{
    yielding::{CAUSE, Fault},
    *,
};

/// Values that a parameter does not take, by what the document says of it. The last ones, free texts, may be taken.
fn nonsense(parameter: &Value) -> (&'static [&'static str], bool) {
    let schema = &parameter["schema"];
    let name = parameter["name"].as_str().unwrap();
    match (name, schema["type"].as_str().unwrap_or_default(), schema["format"].as_str().unwrap_or_default()) {
        ("limit", ..) => {
            (&["", "0", "-1", "101", "1.5", "1e1", "x", "%20", "9223372036854775807", "99999999999999999999999"], true)
        }
        (_, "integer", _) => (&["", "-1", "1.5", "x", "%20", "99999999999999999999999"], true),
        (_, "boolean", _) => (&["", "maybe", "2", "TRUE%00"], true),
        (_, _, "uuid") => (&["", "x", "-1", "0190c0de", "%FF", "%00", "0190c0de-0000-7000-8000-00000000000g"], true),
        _ => (
            &[
                "",
                "%00",
                "%FF",
                "%F0%9F%91%8D",
                "0190c0de-0000-7000-8000-000000000000",
                "-1",
                "99999999999999999999999-1",
            ],
            false,
        ),
    }
}

/// A frontend with everything, called by an administrator who has a session with a message.
struct Whole<E> {
    rest: Rest<E>,
    token: String,
    /// The id, the method, the path and the description of each operation.
    operations: Vec<(String, String, String, Value)>,
}

async fn whole(world: &World) -> Whole<impl Endpoint> {
    let admin = Administration::new(world.chat.clone());
    let frontend = frontend(world).with_admin(admin.clone());
    let document = frontend.openapi().clone();
    let rest = Rest { app: frontend.mount(Route::new()).with(frontend.problems()), document, peer: PEER };
    let ada = register(&rest, "ada").await;
    let (id, token) = (UserId::new(text(&ada["user"], "id")).unwrap(), text(&ada, "access_token"));
    let root = Principal { system_role: SystemRole::Admin, ..Principal::new(UserId::new("root").unwrap()) };
    admin.set_role(&root, &AuditOrigin::default(), &id, SystemRole::Admin, None).await.unwrap();
    let make = async |path: &str, body: Value| {
        let made = rest.ask("POST", path, Some(&token), Some(body.to_string())).await;
        text(&serde_json::from_str(&made.into_body().into_string().await.unwrap()).unwrap(), "id")
    };
    let session = make("/api/v1/chat/sessions", json!({ "title": "A room" })).await;
    let message = format!("/api/v1/chat/sessions/{session}/messages");
    let message = make(&message, json!({ "content": "Hi" })).await;
    let mut operations = Vec::new();
    for (path, item) in rest.document["paths"].as_object().unwrap() {
        let servers = if item["servers"].is_null() { &rest.document["servers"] } else { &item["servers"] };
        let path = format!("{}{path}", servers[0]["url"].as_str().unwrap().trim_end_matches('/'));
        let path = path.replace("{session_id}", &session).replace("{message_id}", &message);
        let path = path.replace("{user_id}", id.as_str()).replace("{emoji}", "%F0%9F%91%8D");
        let path = path.replace("{login_id}", &text(&ada, "login_id")).replace("{avatar_id}", &session);
        let path = path.replace("{report_id}", &session).replace("{webhook_id}", &session).replace("{bot_id}", "a");
        for (method, operation) in item.as_object().unwrap().iter().filter(|(method, _)| *method != "servers") {
            operations.push((text(operation, "operationId"), method.clone(), path.clone(), operation.clone()));
        }
    }
    Whole { rest, token, operations }
}

#[tokio::test]
async fn parameters_that_are_nonsense_are_refused_with_their_names() {
    let world = World::with_rates(RateLimits::off(), |builder| builder);
    let Whole { rest, token, operations } = whole(&world).await;
    let (mut refused, mut lists) = (0, 0);
    for (id, method, path, operation) in operations {
        // Without a webhook's token nothing of such a request is looked at.
        if id.starts_with("postToIncomingWebhook") {
            continue;
        }
        let ask = async |query: &str| {
            let body = operation.get("requestBody").map(|_| "{}".to_owned());
            let response = rest.ask(&method, &format!("{path}?{query}"), Some(&token), body).await;
            let status = response.status().as_u16();
            assert!(status < 500, "{id}?{query}: {status}");
            if status < 400 {
                // The body of a stream may go on for ever.
                return (status, Value::Null);
            }
            let body = response.into_body().into_string().await.unwrap();
            (status, serde_json::from_str(&body).unwrap_or_else(|_| panic!("{id}?{query}: {body}")))
        };
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            if parameter["in"] != "query" {
                continue;
            }
            let name = text(parameter, "name");
            lists += usize::from(name == "limit");
            // A search has no result without what is looked for.
            let others = if id == "searchUsers" && name != "q" { "q=a&" } else { "" };
            let (values, is_typed) = nonsense(parameter);
            for value in values {
                let (status, problem) = ask(&format!("{others}{name}={value}")).await;
                if is_typed || status >= 400 {
                    let code = problem["code"].as_str().unwrap_or_default();
                    let is_named = problem["details"]["fields"][0]["field"] == name.as_str();
                    let told = code.starts_with("VALIDATION_") && is_named;
                    // A token that is none is refused as one.
                    assert!(told || name == "token", "{id}?{name}={value}: {status} {problem}");
                    refused += 1;
                }
            }
            // No operation guesses which one of two values counts.
            let (status, problem) = ask(&format!("{others}{name}=1&{name}=2")).await;
            assert!([400, 401, 422].contains(&status), "{id}?{name} twice: {status} {problem}");
        }
        let (status, problem) = ask("unheard_of=1").await;
        assert!([400, 415, 422].contains(&status), "{id}: {status} {problem}");
    }
    assert!(refused > 100 && lists >= 10, "{refused} of {lists} lists");
}

/// A body that an operation takes.
fn body(id: &str) -> Value {
    let new = "purple elephants dance at midnight";
    match id {
        "adminBroadcast" => json!({ "text": "x" }),
        "adminBanUser" => json!({ "reason": "x" }),
        "adminResolveReport" => json!({ "state": "RESOLVED" }),
        "adminSetRole" => json!({ "role": "ADMIN" }),
        "changeEmail" => json!({ "password": PASSWORD, "email": "new@example.org" }),
        "changePassword" => json!({ "old_password": PASSWORD, "new_password": new }),
        "deleteAccount" => json!({ "password": PASSWORD }),
        "logIn" => json!({ "username": "ada", "password": PASSWORD }),
        "refresh" => json!({ "refresh_token": "A".repeat(118) }),
        "register" => json!({ "username": "new", "email": "new@example.org", "password": PASSWORD }),
        "requestPasswordReset" => json!({ "email": "ada@example.org" }),
        "resetPassword" => json!({ "code": "x", "new_password": new }),
        "updateMe" => json!({ "bio": "x" }),
        "verifyEmail" => json!({ "code": "x" }),
        _ => json!({}),
    }
}

#[tokio::test]
async fn no_operation_of_accounts_and_of_the_administration_tells_the_cause_of_a_failure() {
    let world = World::with_rates(RateLimits::off(), |builder| builder);
    let Whole { rest, token, operations } = whole(&world).await;
    let mut unfailing = Vec::new();
    for (id, method, path, operation) in operations {
        if path.starts_with("/api/v1/chat") {
            continue;
        }
        let path = if id == "searchUsers" { format!("{path}?q=a") } else { path };
        let mut failed = 0;
        for fault in Fault::ALL {
            let input = operation.get("requestBody").map(|_| body(&id).to_string());
            // Nothing is known from before.
            world.later(1);
            world.store.fail(Some(fault));
            let response = rest.ask(&method, &path, Some(&token), input).await;
            let (status, headers) = (response.status().as_u16(), format!("{:?}", response.headers()));
            // A stream may fail in its middle.
            let told = response.into_body().into_string().await.unwrap_or_default();
            world.store.fail(None);
            for cause in [CAUSE, "730411", "/var/lib"] {
                assert!(!told.contains(cause) && !headers.contains(cause), "{id} {fault:?}: {headers} {told}");
            }
            failed += usize::from(status >= 500);
        }
        if failed < Fault::ALL.len() {
            unfailing.push(id);
        }
    }
    // These answer before they read, read another store, or refuse the body.
    let known = ["requestPasswordReset", "getAvatar", "uploadAvatar"];
    assert!(unfailing.iter().all(|id| known.contains(&id.as_str())), "{unfailing:?}");
}
