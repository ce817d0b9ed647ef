//! Parameters of every operation, those of the accounts and of the administration among them: whatever they are, the answer is a typed one.

use chatcore::{Administration, Principal, RateLimits, admin::AuditOrigin, identity::SystemRole, model::UserId};

use super::*;

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

#[tokio::test]
async fn parameters_that_are_nonsense_are_refused_with_their_names() {
    let world = World::with_rates(RateLimits::off(), |builder| builder);
    let admin = Administration::new(world.chat.clone());
    let frontend = frontend(&world).with_admin(admin.clone());
    let rest = Rest {
        app: frontend.mount(Route::new()).with(frontend.problems()),
        document: frontend.openapi().clone(),
        peer: PEER,
    };
    let ada = register(&rest, "ada").await;
    let (id, token) = (UserId::new(text(&ada["user"], "id")).unwrap(), text(&ada, "access_token"));
    let root = Principal { system_role: SystemRole::Admin, ..Principal::new(UserId::new("root").unwrap()) };
    let origin = AuditOrigin::default();
    admin.set_role(&root, &origin, &id, SystemRole::Admin, None).await.unwrap();
    let session = json!({ "title": "A room" }).to_string();
    let session = rest.ask("POST", "/api/v1/chat/sessions", Some(&token), Some(session)).await;
    let session: Value = serde_json::from_str(&session.into_body().into_string().await.unwrap()).unwrap();

    let message = format!("/api/v1/chat/sessions/{}/messages", text(&session, "id"));
    let message = rest.ask("POST", &message, Some(&token), Some(json!({ "content": "Hi" }).to_string())).await;
    let message: Value = serde_json::from_str(&message.into_body().into_string().await.unwrap()).unwrap();
    let message = text(&message, "id");

    let (mut refused, mut lists) = (0, 0);
    for (path, item) in rest.document["paths"].as_object().unwrap() {
        let servers = if item["servers"].is_null() { &rest.document["servers"] } else { &item["servers"] };
        let path = format!("{}{path}", servers[0]["url"].as_str().unwrap().trim_end_matches('/'));
        let path = path.replace("{session_id}", &text(&session, "id")).replace("{user_id}", id.as_str());
        let path = path.replace("{message_id}", &message).replace("{emoji}", "%F0%9F%91%8D");
        for (method, operation) in item.as_object().unwrap().iter().filter(|(method, _)| *method != "servers") {
            let ask = async |query: &str| {
                let body = operation.get("requestBody").map(|_| "{}".to_owned());
                let response = rest.ask(method, &format!("{path}?{query}"), Some(&token), body).await;
                let status = response.status().as_u16();
                assert!(status < 500, "{method} {path}?{query}: {status}");
                if status < 400 {
                    // The body of a stream may go on for ever.
                    return (status, Value::Null);
                }
                let body = response.into_body().into_string().await.unwrap();
                (status, serde_json::from_str(&body).unwrap_or_else(|_| panic!("{method} {path}?{query}: {body}")))
            };
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                if parameter["in"] != "query" {
                    continue;
                }
                let name = text(parameter, "name");
                lists += usize::from(name == "limit");
                // A search has no result without what is looked for.
                let others =
                    if path.ends_with("/users") && name != "q" && !path.contains("admin") { "q=a&" } else { "" };
                let (values, is_typed) = nonsense(parameter);
                for value in values {
                    let (status, problem) = ask(&format!("{others}{name}={value}")).await;
                    if is_typed || status >= 400 {
                        let code = problem["code"].as_str().unwrap_or_default();
                        let is_named = problem["details"]["fields"][0]["field"] == name.as_str();
                        let told = code.starts_with("VALIDATION_") && is_named;
                        // A token that is none is refused as one.
                        assert!(told || name == "token", "{method} {path}?{name}={value}: {status} {problem}");
                        refused += 1;
                    }
                }
                // Which one of two counts is not guessed.
                let (status, problem) = ask(&format!("{others}{name}=1&{name}=2")).await;
                assert!([400, 401, 422].contains(&status), "{method} {path}?{name} twice: {status} {problem}");
            }
            let (status, problem) = ask("unheard_of=1").await;
            assert!([400, 415, 422].contains(&status), "{method} {path}: {status} {problem}");
        }
    }
    assert!(refused > 100 && lists >= 10, "{refused} of {lists} lists");
}
