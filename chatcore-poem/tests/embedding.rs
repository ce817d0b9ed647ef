//! The frontend in a program that knows its users itself, has rules of its own, and chooses the paths.
#![allow(missing_docs, reason = "tests")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::net::TcpStream;

use chatcore::{
    Chat, MemoryStore, Policy, Principal, Refusal,
    chat::{Attempt, CreateSession, Operation},
    identity::NoTokens,
    model::UserId,
};
use chatcore_http::tungstenite::{Message, client, client::IntoClientRequest as _};
use chatcore_poem::{ChatFrontend, MountOptions, ServeOptions};
use poem::{
    Endpoint, EndpointExt as _, Request, Response, Route,
    endpoint::make_sync,
    get,
    http::{Method, StatusCode},
};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

const SESSIONS: &str = "/api/v1/chat/sessions";

/// What the host recognises its users by.
const OWN: &str = "x-signed-in-as";

/// An app whose middleware says who calls.
fn app(frontend: &ChatFrontend) -> impl Endpoint<Output = Response> + 'static {
    frontend.mount(Route::new()).before(|mut request: Request| async move {
        if let Some(name) = request.header(OWN).map(str::to_owned) {
            request.extensions_mut().insert(Principal::new(UserId::new(name).unwrap()));
        }
        Ok(request)
    })
}

async fn ask(app: &impl Endpoint, method: Method, path: &str, headers: &[(&str, &str)], body: &str) -> (u16, Response) {
    let mut request = Request::builder().method(method).uri(path.parse().unwrap());
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = app.get_response(request.body(body.to_owned())).await;
    (response.status().as_u16(), response)
}

async fn json(response: Response) -> Value {
    serde_json::from_str(&response.into_body().into_string().await.unwrap()).unwrap()
}

#[tokio::test]
async fn the_principal_in_a_request_is_its_caller_and_no_token_is_looked_for() {
    let frontend = ChatFrontend::new(Chat::in_memory(), NoTokens);
    let app = app(&frontend);
    let alice = (OWN, "alice");
    let new = [alice, ("content-type", "application/json"), ("authorization", "Bearer no good")];
    let (status, made) = ask(&app, Method::POST, SESSIONS, &new, "{\"title\": \"Lobby\"}").await;
    assert_eq!(status, 201);
    let made = json(made).await;
    assert_eq!(made["participants"][0]["user_id"], "alice");
    let events = format!("{SESSIONS}/{}/events", made["id"].as_str().unwrap());

    let stream = ("accept", "text/event-stream");
    let twice = ("authorization", "Bearer");
    for (path, headers, expected) in [
        (SESSIONS, vec![alice], 200),
        (&*events, vec![alice], 200),
        (&*events, vec![alice, stream, twice], 200),
        (&*format!("{events}?token=bad"), vec![alice, stream], 200),
        (&*events, vec![(OWN, "bob")], 404),
        (SESSIONS, vec![], 401),
        (SESSIONS, vec![("authorization", "Bearer any")], 401),
        (&*format!("{events}?token=any"), vec![stream], 401),
    ] {
        assert_eq!(ask(&app, Method::GET, path, &headers, "").await.0, expected, "{path} {headers:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_principal_in_a_handshake_is_the_caller_of_the_socket() {
    let chat = Chat::in_memory();
    let alice = Principal::new(UserId::new("alice").unwrap());
    let id = chat.create_session(&alice, CreateSession::titled("Lobby")).await.unwrap().summary.session.id;
    let frontend = ChatFrontend::new(chat, NoTokens);
    let app = app(&frontend);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let stopped = stop.clone().cancelled_owned();
    let server = tokio::spawn(async move { frontend.serve(listener, app, ServeOptions::default(), stopped).await });
    let open = move |name: Option<&'static str>| {
        let mut request = format!("ws://{address}/ws?session_id={id}").into_client_request().unwrap();
        if let Some(name) = name {
            request.headers_mut().insert(OWN, name.parse().unwrap());
        }
        request.headers_mut().insert("authorization", "Bearer bad".parse().unwrap());
        client(request, TcpStream::connect(address).unwrap()).ok()
    };
    tokio::task::spawn_blocking(move || {
        let (mut socket, _) = open(Some("alice")).unwrap();
        let Message::Text(first) = socket.read().unwrap() else { unreachable!("a frame is text") };
        let first: Value = serde_json::from_str(&first).unwrap();
        assert_eq!(
            (first["event"].as_str(), first["data"]["session_id"].as_str()),
            (Some("ack"), Some(&*id.to_string()))
        );
        assert!(open(Some("bob")).is_none(), "bob is not in the session");
        assert!(open(None).is_none(), "the token is not good");
    })
    .await
    .unwrap();
    stop.cancel();
    server.await.unwrap().unwrap();
}

/// Takes no new sessions.
struct Closed;

#[chatcore::async_trait]
impl Policy for Closed {
    async fn check(&self, attempt: &Attempt<'_>) -> Result<(), Refusal> {
        match attempt.operation {
            Operation::CreateSession(_) => Err(Refusal::new("OFFICE_CLOSED", "come back at nine")),
            _ => Ok(()),
        }
    }
}

#[tokio::test]
async fn a_refusal_of_the_host_is_a_problem_with_its_own_code() {
    let frontend = ChatFrontend::new(Chat::builder(MemoryStore::new()).policy(Closed).build(), NoTokens);
    let headers = [(OWN, "alice"), ("content-type", "application/json")];
    let (status, refused) = ask(&app(&frontend), Method::POST, SESSIONS, &headers, "{\"title\": \"Lobby\"}").await;
    let problem = json(refused).await;
    assert_eq!((status, &problem["status"]), (403, &Value::from(403)));
    for (field, expected) in [
        ("code", "OFFICE_CLOSED"),
        ("type", "urn:chatcore:error:OFFICE_CLOSED"),
        ("title", "Refused by the host"),
        ("detail", "come back at nine"),
    ] {
        assert_eq!(problem[field], expected, "{field}");
    }
    assert!(frontend.openapi()["paths"]["/sessions"]["post"]["responses"]["403"].is_object());
}

#[tokio::test]
async fn mount_options_choose_prefix_and_title_and_leave_documents_out() {
    let frontend = ChatFrontend::new(Chat::in_memory(), NoTokens);
    let own = || Route::new().at("/docs", get(make_sync(|_| "own")));
    let options = MountOptions::default().below("/support/").titled("Support");
    let app = frontend.mount_with(own(), &options).unwrap();
    let status = async |app: &Route, path: &str| ask(app, Method::GET, path, &[], "").await.0;
    for (path, expected) in [
        ("/support/api/v1/chat/sessions", 401),
        ("/support/ws", 426),
        ("/support/docs", 200),
        ("/docs", 200),
        (SESSIONS, 404),
        ("/ws", 404),
        ("/openapi.json", 404),
    ] {
        assert_eq!(status(&app, path).await, expected, "{path}");
    }
    let (_, document) = ask(&app, Method::GET, "/support/openapi.json", &[], "").await;
    let document = json(document).await;
    assert_eq!(document["info"]["title"], "Support");
    // Relative to the document, so that the prefix need not be repeated.
    assert_eq!(document["servers"][0]["url"], "api/v1/chat");
    let (_, page) = ask(&app, Method::GET, "/support/docs", &[], "").await;
    assert!(page.into_body().into_string().await.unwrap().contains("Support"));

    let bare = frontend.mount_with(own(), &MountOptions::default().without_documents()).unwrap();
    assert_eq!(status(&bare, "/openapi.json").await, StatusCode::NOT_FOUND.as_u16());
    assert_eq!(ask(&bare, Method::GET, "/docs", &[], "").await.1.into_body().into_string().await.unwrap(), "own");
    assert_eq!(status(&bare, SESSIONS).await, 401);
}
