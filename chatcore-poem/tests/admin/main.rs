//! The administration over REST.
#![allow(missing_docs, reason = "tests")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail by panicking")]

mod cases;

use cases::{Answer, Face, Names, World, paged, plain, short};
use chatcore_poem::ChatFrontend;
use futures_util::StreamExt as _;
use poem::{Endpoint, EndpointExt as _, Request, Response, Route, http::Method};
use serde_json::{Map, Value, json};

/// A frontend in an app, and its OpenAPI document.
struct Rest<E> {
    app: E,
    document: Value,
}

fn rest(world: &World) -> Rest<impl Endpoint> {
    let frontend = ChatFrontend::new(world.chat.clone(), Names).with_admin(world.admin.clone());
    let app = frontend.mount(Route::new()).with(frontend.problems());
    Rest { app, document: frontend.openapi().clone() }
}

impl<E: Endpoint> Rest<E> {
    async fn ask(&self, method: &str, path: &str, user: Option<&str>, body: Option<String>) -> Response {
        let method: Method = method.to_uppercase().parse().unwrap();
        let mut request = Request::builder().method(method).uri(path.parse().unwrap()).header("x-request-id", "r-7");
        if let Some(user) = user {
            request = request.header("authorization", format!("Bearer {user}"));
        }
        let request = match body {
            Some(body) => request.header("content-type", "application/json").body(body),
            None => request.finish(),
        };
        self.app.get_response(request).await
    }

    /// Each operation: its id, its method, its path with its server, and what the document says of it.
    fn operations(&self) -> Vec<(&str, &str, String, &Value)> {
        let mut all = Vec::new();
        for (path, item) in self.document["paths"].as_object().unwrap() {
            let servers = if item["servers"].is_null() { &self.document["servers"] } else { &item["servers"] };
            let path = format!("{}{path}", servers[0]["url"].as_str().unwrap());
            for (method, operation) in item.as_object().unwrap().iter().filter(|(method, _)| *method != "servers") {
                all.push((operation["operationId"].as_str().unwrap(), method.as_str(), path.clone(), operation));
            }
        }
        all
    }

    /// A value that a schema takes.
    fn sample(&self, schema: &Value) -> Value {
        if let Some(name) = schema["$ref"].as_str() {
            return self.sample(&self.document["components"]["schemas"][name.rsplit('/').next().unwrap()]);
        }
        if let Some(part) = schema["allOf"].get(0) {
            return self.sample(part);
        }
        if let Some(value) = schema["enum"].get(0) {
            return value.clone();
        }
        match schema["type"].as_str().unwrap() {
            "object" => {
                let required = schema["required"].as_array().into_iter().flatten();
                let field = |name: &Value| {
                    let name = name.as_str().unwrap();
                    (name.to_owned(), self.sample(&schema["properties"][name]))
                };
                required.map(field).collect::<Map<_, _>>().into()
            }
            "string" => json!("some text"),
            other => panic!("no sample of {other}"),
        }
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
        // A body that may be left out is left out where it says nothing.
        let body = operation.get("requestBody").map(|_| input.to_string()).filter(|body| body != "{}");
        let response = self.ask(method, path.trim_end_matches('?'), Some(user), body).await;
        let status = response.status().as_u16();
        assert!(!operation["responses"][status.to_string()].is_null(), "{id} does not declare {status}");
        assert_eq!(response.headers()["cache-control"], "no-store");
        let link = response.headers().get("link").map(|link| link.to_str().unwrap().to_owned());
        let body: Value = serde_json::from_str(&response.into_body().into_string().await.unwrap()).unwrap();
        if status >= 300 {
            assert_eq!(body["status"], status);
            return Answer(Err(body["code"].as_str().unwrap().to_owned()));
        }
        let after = |link: String| link.strip_prefix("<?after=").unwrap().split(['&', '>']).next().unwrap().to_owned();
        Answer(Ok(match body {
            Value::Array(entries) if id == "adminListParticipants" => {
                entries.iter().map(|entry| plain(json!([entry["user_id"], entry["email"], entry["role"]]))).collect()
            }
            Value::Array(entries) if id == "adminListReports" => {
                paged(entries.iter().map(short).collect(), link.map(after))
            }
            body if id == "adminResolveReport" => short(&body),
            entries @ Value::Array(_) => paged(entries, link.map(after)),
            body => plain(body),
        }))
    }
}

#[tokio::test]
async fn the_operations_answer_as_the_core_does() {
    let world = World::new().await;
    cases::all(&rest(&world), &world).await;
}

#[tokio::test]
async fn every_operation_below_admin_refuses_everybody_else() {
    let world = World::new().await;
    let rest = rest(&world);
    let mut count = 0;
    for (id, method, path, operation) in rest.operations() {
        assert_eq!(id.starts_with("admin"), path.starts_with("/api/v1/admin/"), "{id} at {path}");
        if !path.starts_with("/api/v1/admin/") {
            continue;
        }
        count += 1;
        let path = path.replace("{user_id}", "ann").replace("{session_id}", &world.session.to_string());
        let path = path.replace("{report_id}", &world.report.to_string());
        let body = operation.get("requestBody").map(|body| rest.sample(&body["content"]["application/json"]["schema"]));
        for user in ["ann", "bob", "stranger"] {
            let response = rest.ask(method, &path, Some(user), body.as_ref().map(Value::to_string)).await;
            assert_eq!(response.status(), 403, "{id} by {user}");
            let problem: Value = serde_json::from_str(&response.into_body().into_string().await.unwrap()).unwrap();
            assert_eq!(problem["code"], "ADMIN_REQUIRED", "{id} by {user}");
        }
        let unknown = rest.ask(method, &path, None, body.as_ref().map(Value::to_string)).await;
        assert_eq!(unknown.status(), 401, "{id} without a token");
    }
    assert!(count >= 12, "{count} operations");
}

#[tokio::test]
async fn an_entry_of_the_audit_log_names_the_request_and_an_export_ends_with_an_end() {
    let world = World::new().await;
    let rest = rest(&world);
    let ban = Some(json!({ "reason": "Spam" }).to_string());
    assert_eq!(rest.ask("POST", "/api/v1/admin/users/bob/ban", Some("root"), ban).await.status(), 200);
    let export = rest.ask("GET", "/api/v1/admin/audit/export?actor=root", Some("root"), None).await;
    assert_eq!(export.content_type(), Some("application/x-ndjson"));
    let lines = export.into_body().into_string().await.unwrap();
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((&lines[0]["action"], &lines[0]["request_id"]), (&json!("USER_BANNED"), &json!("r-7")));
    assert_eq!(lines[1], json!({ "type": "end", "entries": 1 }));
    for query in ["action=NOTHING", "action=UNKNOWN"] {
        let path = format!("/api/v1/admin/audit?{query}");
        assert_eq!(rest.ask("GET", &path, Some("root"), None).await.status(), 422, "{query}");
    }
    for query in ["status_filter=banned", "role_filter=x", "limit=101", "skip=1"] {
        let path = format!("/api/v1/admin/users?{query}");
        assert_eq!(rest.ask("GET", &path, Some("root"), None).await.status(), 422, "{query}");
    }
}

#[tokio::test]
async fn an_event_stream_shows_notices() {
    let world = World::new().await;
    let rest = rest(&world);
    let path = format!("/api/v1/chat/sessions/{}/events", world.session);
    let request = Request::builder().uri(path.parse().unwrap()).header("accept", "text/event-stream");
    let response = rest.app.get_response(request.header("authorization", "Bearer ann").finish()).await;
    assert_eq!(response.status(), 200);
    let mut stream = response.into_body().into_bytes_stream();
    let body = Some(json!({ "text": "Maintenance" }).to_string());
    assert_eq!(rest.ask("POST", "/api/v1/admin/broadcast", Some("root"), body).await.status(), 200);
    let mut text = String::new();
    while !text.contains("Maintenance") {
        let part = tokio::time::timeout(std::time::Duration::from_secs(30), stream.next()).await.unwrap();
        text.push_str(std::str::from_utf8(&part.unwrap().unwrap()).unwrap());
    }
    assert!(text.contains("event: notice\n") && !text.contains("A secret"), "{text}");
}

#[tokio::test]
async fn a_frontend_without_an_administration_has_none_of_its_paths() {
    let world = World::new().await;
    let frontend = ChatFrontend::new(world.chat.clone(), Names);
    assert!(!frontend.openapi().to_string().contains("/admin"));
    let document = frontend.openapi().clone();
    let rest = Rest { app: frontend.mount(Route::new()).with(frontend.problems()), document };
    assert_eq!(rest.ask("GET", "/api/v1/admin/users", Some("root"), None).await.status(), 404);
}

#[cfg(feature = "backup")]
#[tokio::test]
async fn a_backup_is_sent_while_it_is_read_and_there_is_one_at_a_time() {
    use chatcore::{MemoryStore, backup::Backup};

    let world = World::new().await;
    let rest = rest(&world);
    let first = rest.ask("GET", "/api/v1/admin/backup", Some("root"), None).await;
    assert_eq!((first.status().as_u16(), first.content_type()), (200, Some("application/octet-stream")));
    assert_eq!(first.header("cache-control"), Some("no-store"));
    let second = rest.ask("GET", "/api/v1/admin/backup", Some("root"), None).await;
    assert_eq!(second.status(), 409);
    let problem: Value = serde_json::from_str(&second.into_body().into_string().await.unwrap()).unwrap();
    assert_eq!(problem["code"], "BACKUP_RUNNING");
    let file = first.into_body().into_bytes().await.unwrap();
    let contents = Backup::of(&MemoryStore::new()).verify(std::io::Cursor::new(file), &mut |_| ()).unwrap();
    assert_eq!(contents.holds.sessions, 1);
    // A reader who goes away makes room.
    drop(rest.ask("GET", "/api/v1/admin/backup?skip_unreadable=true", Some("root"), None).await);
    let wrong = rest.ask("GET", "/api/v1/admin/backup?skip_unreadable=some", Some("root"), None).await;
    assert_eq!(wrong.status(), 400);
    let log = rest.ask("GET", "/api/v1/admin/audit?action=BACKUP_TAKEN", Some("root"), None).await;
    let log: Value = serde_json::from_str(&log.into_body().into_string().await.unwrap()).unwrap();
    assert_eq!((log.as_array().unwrap().len(), &log[0]["request_id"]), (2, &json!("r-7")));
}
