//! The operations of accounts over REST.
#![allow(missing_docs, reason = "tests")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail by panicking")]

mod attacks;
#[cfg(feature = "avatars")]
mod avatars;
mod bounds;
mod cases;
mod cuts;
mod ends;
mod headers;
mod uses;
mod yielding;

use cases::{Answer, Face, PASSWORD, World, register, text};
use chatcore::Authenticator as _;
use chatcore_poem::{ChatFrontend, MountOptions, Options};
use poem::{
    Body, Endpoint, EndpointExt as _, Request, RequestParts, Response, Route,
    http::{Method, request, uri::Scheme},
    web::{LocalAddr, RemoteAddr},
};
use serde_json::{Value, json};

/// A frontend in an app, and its OpenAPI document.
struct Rest<E> {
    app: E,
    document: Value,
    /// The address of the caller.
    peer: &'static str,
}

const PEER: &str = "192.0.2.1:1";

fn frontend(world: &World) -> ChatFrontend {
    let options = Options { body_bytes: 40_000, ..Options::default() };
    ChatFrontend::with_options(world.chat.clone(), world.authenticator(), options).with_accounts(world.accounts.clone())
}

fn rest(world: &World) -> Rest<impl Endpoint> {
    let frontend = frontend(world);
    let app = frontend.mount(Route::new()).with(frontend.problems());
    Rest { app, document: frontend.openapi().clone(), peer: PEER }
}

impl<E: Endpoint> Rest<E> {
    async fn ask(&self, method: &str, path: &str, token: Option<&str>, body: Option<String>) -> Response {
        self.ask_from(self.peer, method, path, token, body).await
    }

    async fn ask_from(
        &self,
        peer: &str,
        method: &str,
        path: &str,
        token: Option<&str>,
        body: Option<String>,
    ) -> Response {
        let method: Method = method.to_uppercase().parse().unwrap();
        let head = request::Builder::new().method(method).uri(path).header("host", "chat.example");
        let mut head = head.header("user-agent", "a browser");
        if let Some(token) = token {
            head = head.header("authorization", format!("Bearer {token}"));
        }
        if body.is_some() {
            head = head.header("content-type", "application/json");
        }
        let (head, ()) = head.body(()).unwrap().into_parts();
        let peer: std::net::SocketAddr = peer.parse().unwrap();
        let parts = RequestParts::from((head, LocalAddr::default(), RemoteAddr(peer.into()), Scheme::HTTP));
        self.app.get_response(Request::from_parts(parts, body.map_or_else(Body::empty, Body::from))).await
    }

    /// The method and the path of an operation, with its server.
    fn operation(&self, id: &str) -> (&str, String, &Value) {
        for (path, item) in self.document["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                if operation["operationId"] == id {
                    let servers = if item["servers"].is_null() { &self.document["servers"] } else { &item["servers"] };
                    return (method, format!("{}{path}", servers[0]["url"].as_str().unwrap()), operation);
                }
            }
        }
        panic!("no operation {id}")
    }
}

impl<E: Endpoint> Face for Rest<E> {
    async fn call(&self, id: &str, token: Option<&str>, mut input: Value) -> Answer {
        let (method, mut path, operation) = self.operation(id);
        let fields = input.as_object_mut().unwrap();
        let mut query = String::new();
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            let name = parameter["name"].as_str().unwrap();
            let Some(value) = fields.remove(name) else { continue };
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            match parameter["in"].as_str().unwrap() {
                "path" => path = path.replace(&format!("{{{name}}}"), &value),
                _ => query = format!("{query}&{name}={value}"),
            }
        }
        let path = format!("{path}?{query}").replace("?&", "?");
        let has_body = operation.get("requestBody").is_some();
        let response = self.ask(method, path.trim_end_matches('?'), token, has_body.then(|| input.to_string())).await;
        let status = response.status().as_u16();
        assert!(!operation["responses"][status.to_string()].is_null(), "{id} does not declare {status}");
        if path.starts_with("/api/v1/auth") || path.starts_with("/api/v1/users") {
            assert_eq!(response.headers()["cache-control"], "no-store");
        }
        let retry_after = response.headers().get("retry-after").map(|value| value.to_str().unwrap().parse().unwrap());
        let mut headers = response.headers().clone();
        for name in ["x-request-id", "x-ratelimit-remaining", "x-ratelimit-reset"] {
            headers.remove(name);
        }
        let text = response.into_body().into_string().await.unwrap();
        assert!(!text.contains("730411"), "{text}");
        let mut body: Value = serde_json::from_str(&text).unwrap_or_default();
        if status < 300 {
            return Answer { code: None, body, retry_after, told: String::new() };
        }
        let own = ["request_id", "timestamp"].map(|field| body[field].as_str().unwrap().to_owned());
        let told = format!("{status} {headers:?} {}", text.replace(&own[0], "ID").replace(&own[1], "TIME"));
        assert_eq!(body["status"], status);
        for field in ["request_id", "timestamp"] {
            body.as_object_mut().unwrap().remove(field).unwrap();
        }
        Answer { code: body["code"].as_str().map(str::to_owned), body, retry_after, told }
    }
}

#[tokio::test]
async fn the_operations_of_accounts_answer_as_on_every_transport() {
    let world = World::new();
    cases::all(&rest(&world), &world).await;
}

#[tokio::test]
async fn attacks_on_accounts_fail_as_on_every_transport() {
    let world = World::new();
    attacks::all(&rest(&world), &world).await;
}

#[tokio::test]
async fn the_login_of_an_unknown_user_takes_the_turn_of_a_hash() {
    let world = World::with(|builder| builder.settings(attacks::one_hash_at_once()));
    attacks::turns(&rest(&world), &world).await;
}

#[tokio::test]
async fn an_unknown_user_and_a_wrong_password_get_the_same_answer_to_the_byte() {
    let world = World::new();
    let rest = rest(&world);
    let new = json!({ "username": "ada", "email": "ada@example.org", "password": PASSWORD }).to_string();
    rest.ask_from("192.0.2.9:1", "POST", "/api/v1/auth/register", None, Some(new)).await;
    let mut answers = Vec::new();
    for (name, peer) in [("ada", "192.0.2.1:1"), ("eve", "192.0.2.2:1"), ("eve@example.org", "192.0.2.3:1")] {
        let guess = json!({ "username": name, "password": "wrong" }).to_string();
        let response = rest.ask_from(peer, "POST", "/api/v1/auth/login", None, Some(guess)).await;
        let mut headers = response.headers().clone();
        headers.remove("x-request-id");
        let status = response.status();
        let mut body: Value = serde_json::from_str(&response.into_body().into_string().await.unwrap()).unwrap();
        for field in ["request_id", "timestamp"] {
            body.as_object_mut().unwrap().remove(field).unwrap();
        }
        answers.push((status, headers, body));
    }
    assert_eq!(answers[0].0, 401);
    assert_eq!(answers[0], answers[1]);
    assert_eq!(answers[0], answers[2]);
}

#[tokio::test]
async fn statuses_and_headers_are_those_of_the_table() {
    let world = World::new();
    let rest = rest(&world);
    let body = |name: &str, password: &str| {
        json!({ "username": name, "email": format!("{name}@example.org"), "password": password }).to_string()
    };
    let (register, login) = ("/api/v1/auth/register", "/api/v1/auth/login");
    let made = rest.ask("POST", register, None, Some(body("ada", PASSWORD))).await;
    assert_eq!(made.status(), 201);
    for (given, status) in [
        (body("ada", PASSWORD), 409),
        (body("eve", "password1"), 422),
        ("{".to_owned(), 400),
        (format!("{{\"username\":\"{}\"}}", "x".repeat(50_000)), 413),
    ] {
        let response = rest.ask("POST", register, None, Some(given)).await;
        assert_eq!(response.status(), status);
        assert_eq!(response.headers()["cache-control"], "no-store");
    }
    // The other name of the field, and both at once.
    let named = json!({ "username_or_email": "ada", "password": PASSWORD });
    let response = rest.ask("POST", login, None, Some(named.to_string())).await;
    assert_eq!(response.status(), 200);
    let logged_in: Value = serde_json::from_str(&response.into_body().into_string().await.unwrap()).unwrap();
    let both = json!({ "username": "ada", "username_or_email": "ada", "password": PASSWORD });
    assert_eq!(rest.ask("POST", login, None, Some(both.to_string())).await.status(), 422);
    let token = text(&logged_in, "access_token");
    let logins = rest.ask("GET", "/api/v1/auth/logins", Some(&token), None).await;
    let logins: Value = serde_json::from_str(&logins.into_body().into_string().await.unwrap()).unwrap();
    assert_eq!(logins[0]["device"], "a browser");
    let wrong = rest.ask("POST", login, None, Some(json!({ "username": "ada", "password": "x" }).to_string())).await;
    assert_eq!(wrong.status(), 401);
    assert!(wrong.headers().contains_key("www-authenticate"));
    // A token that is no longer good is no hindrance.
    let again = rest.ask("POST", login, Some("stale"), Some(named.to_string())).await;
    assert_eq!(again.status(), 200);
    let refused = rest.ask("GET", register, None, None).await;
    assert_eq!((refused.status().as_u16(), &refused.headers()["allow"]), (405, &"OPTIONS, POST".parse().unwrap()));
    for path in ["/api/v1/auth/nothing", "/api/v1/chat/auth/login", "/api/v1/nothing", "/auth/login"] {
        assert_eq!(rest.ask("POST", path, None, Some("{}".to_owned())).await.status(), 404, "{path}");
    }
    let unknown = format!("{login}?x=1");
    assert_eq!(rest.ask("POST", &unknown, None, Some(named.to_string())).await.status(), 422);
}

#[tokio::test]
async fn a_search_links_its_next_page_and_an_export_ends_with_an_end() {
    let world = World::new();
    let rest = rest(&world);
    let ada = register(&rest, "ada").await;
    register(&rest, "adam").await;
    let token = text(&ada, "access_token");
    let page = rest.ask("GET", "/api/v1/users?q=ad&limit=1", Some(&token), None).await;
    assert_eq!(page.headers()["link"], "<?after=ada&q=ad&limit=1>; rel=\"next\"");
    let room = json!({ "title": "A room" }).to_string();
    let room = rest.ask("POST", "/api/v1/chat/sessions", Some(&token), Some(room)).await;
    let room: Value = serde_json::from_str(&room.into_body().into_string().await.unwrap()).unwrap();
    let messages = format!("/api/v1/chat/sessions/{}/messages", text(&room, "id"));
    let sent = rest.ask("POST", &messages, Some(&token), Some(json!({ "content": "Hi" }).to_string())).await;
    assert_eq!(sent.status(), 201);
    let export = rest.ask("GET", "/api/v1/users/me/export", Some(&token), None).await;
    assert_eq!(export.content_type(), Some("application/x-ndjson"));
    let lines = export.into_body().into_string().await.unwrap();
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines.iter().any(|line| line["type"] == "message" && line["content"] == "Hi"), "{lines:?}");
    assert_eq!(lines.last().unwrap()["type"], "end");
    assert!(!lines.iter().any(|line| line.to_string().contains("argon2")));
}

#[tokio::test]
async fn a_host_without_accounts_has_none_of_their_paths_and_schemas() {
    let world = World::new();
    let without = ChatFrontend::new(world.chat.clone(), world.authenticator());
    let document = without.openapi().clone();
    for place in ["paths", "components", "tags"] {
        let text = document[place].to_string();
        assert!(!text.contains("/auth") && !text.contains("LoggedIn") && !text.contains("Accounts"), "{place}");
    }
    let rest = Rest { app: without.mount(Route::new()).with(without.problems()), document, peer: PEER };
    for path in ["/api/v1/auth/login", "/api/v1/users/me", "/api/v1/users"] {
        assert_eq!(rest.ask("GET", path, None, None).await.status(), 404, "{path}");
    }
}

#[tokio::test]
async fn the_document_and_swagger_name_the_servers_of_the_accounts_relative_to_themselves() {
    let world = World::new();
    let frontend = frontend(&world);
    let options = MountOptions { document: Some("/about/api.json".to_owned()), ..MountOptions::default() };
    let app = frontend.mount_with(Route::new(), &options.below("/support")).unwrap();
    let get = async |path: &str| {
        let response = app.get_response(Request::builder().uri(path.parse().unwrap()).finish()).await;
        response.into_body().into_string().await.unwrap()
    };
    let document: Value = serde_json::from_str(&get("/support/about/api.json").await).unwrap();
    assert_eq!(document["servers"], json!([{ "url": "../api/v1/chat" }, { "url": "../api/chat" }]));
    assert_eq!(document["paths"]["/auth/login"]["servers"], json!([{ "url": "../api/v1" }]));
    assert!(document["paths"]["/sessions"]["servers"].is_null());
    let login = &document["paths"]["/auth/login"]["post"];
    assert!(login["security"].is_null() && document["paths"]["/users/me"]["get"]["security"].is_array(), "{login}");
    for name in ["LoggedIn", "Account", "Message", "Problem"] {
        assert_eq!(document["components"]["schemas"][name]["type"], "object", "{name}");
    }
    assert!(document["tags"].to_string().contains("\"Accounts\""));
    let page = get("/support/docs").await;
    assert!(page.contains("SwaggerUIBundle") && page.contains("{\"url\":\"api/v1\"}"));
    let status = app.get_response(
        Request::builder().method(Method::POST).uri("/support/api/v1/auth/login".parse().unwrap()).finish(),
    );
    assert_eq!(status.await.status(), 415);
}
