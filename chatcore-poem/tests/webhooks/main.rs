//! Webhooks over REST.
#![allow(missing_docs, reason = "tests")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail by panicking")]

mod cases;

use std::collections::BTreeSet;

use cases::{Answer, Face, Names, World, paged, plain, principal};
use chatcore_poem::ChatFrontend;
use poem::{Endpoint, EndpointExt as _, Request, Response, Route, http::Method};
use serde_json::{Value, json};

/// A frontend in an app, and its OpenAPI document.
struct Rest<E> {
    app: E,
    document: Value,
}

fn rest(world: &World) -> Rest<impl Endpoint> {
    let frontend = ChatFrontend::new(world.chat.clone(), Names).with_webhooks(world.webhooks.clone());
    let frontend = frontend.with_admin(world.admin.clone());
    let app = frontend.mount(Route::new()).with(frontend.problems());
    Rest { app, document: frontend.openapi().clone() }
}

impl<E: Endpoint> Rest<E> {
    async fn ask(&self, method: &str, path: &str, user: Option<&str>, body: Option<String>) -> Response {
        let method: Method = method.to_uppercase().parse().unwrap();
        let mut request = Request::builder().method(method).uri(path.parse().unwrap());
        if let Some(user) = user {
            request = request.header("authorization", format!("Bearer {user}"));
        }
        let request = match body {
            Some(body) => request.header("content-type", "application/json").body(body),
            None => request.finish(),
        };
        self.app.get_response(request).await
    }

    /// The operations on webhooks: the id, the method, the path, and what the document says of it.
    fn operations(&self) -> Vec<(&str, &str, String, &Value)> {
        let mut all = Vec::new();
        for (path, item) in self.document["paths"].as_object().unwrap() {
            if !path.contains("/webhooks") {
                continue;
            }
            let servers = if item["servers"].is_null() { &self.document["servers"] } else { &item["servers"] };
            let path = format!("{}{path}", servers[0]["url"].as_str().unwrap());
            for (method, operation) in item.as_object().unwrap().iter().filter(|(method, _)| *method != "servers") {
                all.push((operation["operationId"].as_str().unwrap(), method.as_str(), path.clone(), operation));
            }
        }
        all
    }
}

impl<E: Endpoint> Face for Rest<E> {
    async fn call(&self, id: &str, user: &str, mut input: Value) -> Answer {
        let found = self.operations().into_iter().find(|(found, ..)| *found == id);
        let (_, method, mut path, operation) = found.unwrap();
        let fields = input.as_object_mut().unwrap();
        let mut query = form_urlencoded::Serializer::new(String::new());
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            let name = parameter["name"].as_str().unwrap();
            let Some(value) = fields.remove(name) else { continue };
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            match parameter["in"].as_str().unwrap() {
                "path" => path = path.replace(&format!("{{{name}}}"), &value),
                _ => drop(query.append_pair(name, &value)),
            }
        }
        let path = format!("{path}?{}", query.finish());
        let body = operation.get("requestBody").map(|_| input.to_string());
        let response = self.ask(method, path.trim_end_matches('?'), Some(user), body).await;
        let status = response.status().as_u16();
        assert!(!operation["responses"][status.to_string()].is_null(), "{id} does not declare {status}");
        assert_eq!(response.headers()["cache-control"], "no-store");
        let link = response.headers().get("link").map(|link| link.to_str().unwrap().to_owned());
        let body: Value = serde_json::from_str(&response.into_body().into_string().await.unwrap()).unwrap_or_default();
        if status >= 300 {
            assert_eq!(body["status"], status);
            return Answer(Err(body["code"].as_str().unwrap().to_owned()));
        }
        let expected = match id {
            "createWebhook" | "adminCreateWebhook" => 201,
            "retryDeadLetter" | "adminRetryDeadLetter" => 202,
            "deleteWebhook" | "adminDeleteWebhook" => 204,
            _ => 200,
        };
        assert_eq!(status, expected, "{id}");
        let after = |link: String| {
            link.strip_prefix("<?")
                .unwrap()
                .split(['&', '>'])
                .find_map(|pair| pair.strip_prefix("after=").map(|after| after.replace("%3A", ":")))
        };
        Answer(Ok(match body {
            entries @ Value::Array(_) if id.ends_with("istDeadLetters") => paged(entries, link.and_then(after)),
            body => plain(body),
        }))
    }
}

#[tokio::test]
async fn the_operations_answer_as_the_core_does() {
    let world = World::new().await;
    let rest = rest(&world);
    let worked = cases::all(&rest, &world).await;
    // An operation that is new gets its calls.
    assert_eq!(worked, rest.operations().into_iter().map(|(id, ..)| id).collect::<BTreeSet<_>>());
}

#[tokio::test]
async fn bad_requests_get_clear_answers_and_change_nothing() {
    let world = World::new().await;
    let rest = rest(&world);
    let head = world.chat.session(&principal("ann"), world.session).await.unwrap().summary.cursor;
    let hooks = format!("/api/v1/chat/sessions/{}/webhooks", world.session);
    let one = format!("{hooks}/{}", world.webhook);
    let of_server = "/api/v1/admin/webhooks".to_owned();
    for (method, path, body, status, code) in [
        ("POST", hooks.clone(), Some("{}"), 422, "VALIDATION_REQUIRED_FIELD"),
        ("POST", hooks.clone(), Some(r#"{"url":1}"#), 422, "VALIDATION_INVALID_VALUE"),
        ("POST", hooks.clone(), Some(r#"{"url":"https://example.com","secret":"x"}"#), 422, "VALIDATION_INVALID_VALUE"),
        (
            "POST",
            hooks.clone(),
            Some(r#"{"url":"https://example.com","events":"all"}"#),
            422,
            "VALIDATION_INVALID_VALUE",
        ),
        ("POST", hooks.clone(), Some("{"), 400, "VALIDATION_INVALID_FORMAT"),
        ("POST", hooks.clone(), None, 415, "UNSUPPORTED_MEDIA_TYPE"),
        ("PUT", one.clone(), Some(r#"{"url":null}"#), 422, "VALIDATION_INVALID_VALUE"),
        ("PUT", one.clone(), Some(r#"{"is_active":"yes"}"#), 422, "VALIDATION_INVALID_VALUE"),
        ("POST", format!("{one}/dead-letters/-1/retry"), None, 422, "VALIDATION_INVALID_VALUE"),
        ("POST", format!("{one}/dead-letters/x/retry"), None, 400, "VALIDATION_INVALID_FORMAT"),
        ("POST", format!("{one}/dead-letters/99999999999999999999/retry"), None, 400, "VALIDATION_INVALID_FORMAT"),
        ("GET", format!("{one}/dead-letters?limit=101"), None, 422, "VALIDATION_INVALID_VALUE"),
        ("GET", format!("{one}/dead-letters?skip=1"), None, 422, "VALIDATION_INVALID_VALUE"),
        ("PATCH", one.clone(), None, 405, "METHOD_NOT_ALLOWED"),
        ("POST", of_server.clone(), Some("{}"), 422, "VALIDATION_REQUIRED_FIELD"),
        (
            "POST",
            of_server.clone(),
            Some(r#"{"url":"https://example.com","session_id":"x"}"#),
            422,
            "VALIDATION_INVALID_VALUE",
        ),
        ("GET", format!("{of_server}/x"), None, 400, "VALIDATION_INVALID_FORMAT"),
        ("POST", of_server.clone(), Some(r#"{"url":"https://example.com"}"#), 403, "ADMIN_REQUIRED"),
        ("GET", format!("{hooks}/x"), None, 400, "VALIDATION_INVALID_FORMAT"),
        ("DELETE", one.clone(), Some(r#"{"x":1}"#), 422, "VALIDATION_INVALID_VALUE"),
    ] {
        let response = rest.ask(method, &path, Some("ann"), body.map(str::to_owned)).await;
        let got = response.status().as_u16();
        let text = response.into_body().into_string().await.unwrap();
        let problem: Value = serde_json::from_str(&text).unwrap();
        assert_eq!((got, problem["code"].as_str().unwrap()), (status, code), "{method} {path} {body:?}: {text}");
    }
    for (id, method, path, _) in rest.operations() {
        let path = path.replace("{session_id}", &world.session.to_string()).replace("{seq}", "1");
        let path = path.replace("{webhook_id}", &world.webhook.to_string());
        assert_eq!(rest.ask(method, &path, None, None).await.status(), 401, "{id} without a token");
    }
    let after = world.chat.session(&principal("ann"), world.session).await.unwrap().summary.cursor;
    assert_eq!(after, head);
}

#[tokio::test]
async fn a_frontend_without_webhooks_has_none_of_their_paths() {
    let world = World::new().await;
    let frontend = ChatFrontend::new(world.chat.clone(), Names);
    let document = frontend.openapi().clone();
    let rest = Rest { app: frontend.mount(Route::new()).with(frontend.problems()), document };
    assert!(rest.operations().is_empty());
    let path = format!("/api/v1/chat/sessions/{}/webhooks", world.session);
    assert_eq!(rest.ask("GET", &path, Some("ann"), None).await.status(), 404);
}

#[tokio::test]
async fn webhooks_of_the_server_need_the_administration_and_webhooks() {
    let world = World::new().await;
    let frontend = || ChatFrontend::new(world.chat.clone(), Names);
    for frontend in [frontend().with_webhooks(world.webhooks.clone()), frontend().with_admin(world.admin.clone())] {
        let document = frontend.openapi().clone();
        let rest = Rest { app: frontend.mount(Route::new()).with(frontend.problems()), document };
        assert!(!rest.operations().iter().any(|(id, ..)| id.starts_with("admin")));
        assert_eq!(rest.ask("GET", "/api/v1/admin/webhooks", Some("root"), None).await.status(), 404);
    }
}

#[tokio::test]
async fn the_event_of_a_change_has_its_frame() {
    let world = World::new().await;
    let page = world.chat.events(&principal("bob"), world.session, Some(world.first - 1), Some(1)).await.unwrap();
    let frame = serde_json::to_value(&*page.events[0]).unwrap();
    assert_eq!(frame["event"], "webhook_changed");
    let created_at = frame["data"]["created_at"].clone();
    let data = json!({
        "webhook_id": world.webhook, "changed_by": "ann", "session_id": world.session, "created_at": created_at,
    });
    assert_eq!(frame["data"], data);
}
