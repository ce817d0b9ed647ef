//! What users learn and become who have no right to: each operation of the document and each frame is asked.
#![allow(missing_docs, reason = "tests")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail by panicking")]

mod bounds;
mod causes;
mod hidden;
mod raising;
#[path = "../accounts/yielding.rs"]
mod yielding;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use chatcore::{
    Chat, JwtAuthenticator, JwtIssuer, Principal, RateLimits,
    chat::{CreateSession, SendMessage},
    identity::Claims,
    model::{MessageId, SessionId, SessionType, UserId},
    wire::Command,
};
use chatcore_poem::{ChatFrontend, Options, ServeOptions};
use futures_util::{SinkExt as _, StreamExt as _};
use poem::{
    Endpoint, EndpointExt as _, Request, Response, Route,
    http::{HeaderMap, Method},
};
use serde_json::{Value, json};
use tokio::{
    net::{TcpListener, TcpStream},
    time::timeout,
};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Message, client::IntoClientRequest as _},
};
use yielding::Yielding;

const SECRET: &[u8] = &[7; 32];
const API: &str = "/api/v1/chat";

/// A server that hangs is noticed, also on a slow machine.
const PATIENCE: Duration = Duration::from_secs(60);

fn user(name: &str) -> Principal {
    Principal::new(UserId::new(name).unwrap())
}

fn token(name: &str) -> String {
    let claims = Claims { sub: name.to_owned(), ..Claims::default() };
    JwtIssuer::hs256(SECRET).unwrap().issue(claims, Duration::from_secs(3_600)).unwrap()
}

/// An operation of the document.
struct Operation {
    id: String,
    method: Method,
    path: String,
    /// Whether the operation takes a JSON body.
    has_body: bool,
    described: Value,
}

impl Operation {
    /// The path with these ids.
    fn at(&self, session: SessionId, user: &str) -> String {
        let message = MessageId { session_id: session, seq: 2 }.to_string();
        let path = self.path.replace("{session_id}", &session.to_string());
        let of_session = ["{invite_id}", "{held_id}", "{report_id}"];
        let path = of_session.iter().fold(path, |path, id| path.replace(id, &session.to_string()));
        let path = path.replace("{webhook_id}", &session.to_string()).replace("{token}", "chook_");
        let path = path.replace("{bot_id}", user).replace("{token_id}", &session.to_string());
        let path = path.replace("{message_id}", &message).replace("{emoji}", "%F0%9F%91%8D").replace("{name}", "party");
        format!("{API}{}", path.replace("{user_id}", user))
    }

    /// A body that is acceptable.
    fn body(&self) -> Value {
        match self.id.as_str() {
            "createBot" | "createBotToken" => json!({ "name": "x" }),
            "setCommands" => json!({ "commands": [] }),
            "invokeCommand" => json!({ "name": "deploy" }),
            "createSession" | "updateSession" => json!({ "title": "x" }),
            "inviteUser" | "addParticipant" => json!({ "user_id": "a" }),
            "previewInvite" | "joinByInvite" | "requestToJoin" => json!({ "code": "x" }),
            "createIncomingWebhook" => json!({ "name": "x" }),
            "postToIncomingWebhook" | "postToIncomingWebhookByPath" => json!({ "content": "x" }),
            "startDirect" => json!({ "user_id": "b" }),
            "startGroup" => json!({ "user_ids": ["b", "c"] }),
            "changeRole" => json!({ "role": "MEMBER" }),
            "setParticipantMetadata" => json!({ "metadata": { "a": 1 } }),
            "markRead" | "acknowledgeDelivery" => json!({ "seq": 1 }),
            "sendMessage" | "editMessage" | "setDraft" => json!({ "content": "x" }),
            "scheduleMessage" => json!({ "content": "x", "send_at": chrono::Utc::now() + chrono::TimeDelta::days(1) }),
            "appendToMessage" => json!({ "offset": 0, "text": "x" }),
            "finishMessage" => json!({ "length": 1 }),
            "reportMessage" | "reportParticipant" => json!({ "reason": "SPAM" }),
            "resolveReport" => json!({ "state": "RESOLVED" }),
            "listUserPresence" => json!({ "user_ids": ["a"] }),
            "forwardMessage" => json!({ "to": "00000000-0000-0000-0000-000000000000" }),
            _ => json!({}),
        }
    }
}

/// The data of a frame that are acceptable.
fn data(frame: &str, session: SessionId) -> Value {
    let message = MessageId { session_id: session, seq: 2 };
    match frame {
        "send_message" => json!({ "session_id": session, "content": "x" }),
        "invoke_command" => json!({ "session_id": session, "name": "deploy" }),
        "edit_message" => json!({ "message_id": message, "content": "x" }),
        "forward_message" => json!({ "message_id": message, "to": session }),
        "approve_message" | "reject_message" => json!({ "session_id": session, "held_id": session }),
        "append_to_message" => json!({ "message_id": message, "offset": 0, "text": "x" }),
        "finish_message" => json!({ "message_id": message, "length": 1 }),
        "start_streamed_message" => json!({ "session_id": session }),
        "report_message" => json!({ "message_id": message, "reason": "SPAM" }),
        "report_participant" => json!({ "session_id": session, "user_id": "a", "reason": "SPAM" }),
        "resolve_report" => json!({ "session_id": session, "report_id": session, "state": "RESOLVED" }),
        name if name.ends_with("_reaction") => json!({ "message_id": message, "emoji": "\u{1f44d}" }),
        name if name.ends_with("_message") => json!({ "message_id": message }),
        "mark_read" | "acknowledge_delivery" => json!({ "session_id": session, "seq": 1 }),
        "mark_unread_from" | "follow_thread" | "unfollow_thread" | "mark_thread_read" => {
            json!({ "message_id": message })
        }
        "mark_all_read" => json!({}),
        "set_presence" => json!({ "availability": "away" }),
        "set_user_settings" => json!({ "receipts": true }),
        "set_participant_metadata" => json!({ "session_id": session, "user_id": "a", "metadata": null }),
        _ => json!({ "session_id": session }),
    }
}

/// Each frame of `/ws` after the first one.
fn frames() -> Vec<&'static str> {
    let of_sockets = ["join_session", "leave_session", "typing_start", "typing_stop"];
    of_sockets.into_iter().chain(Command::FRAMES.iter().copied()).collect()
}

struct World {
    store: Arc<Yielding>,
    chat: Chat,
    frontend: Arc<ChatFrontend>,
}

impl World {
    fn new() -> Self {
        let store = Arc::new(Yielding::default());
        let chat = Chat::builder(Arc::clone(&store)).rates(RateLimits::off()).build();
        let options = Options { sockets_per_user: 1_000, ..Options::default() };
        let frontend = ChatFrontend::with_options(chat.clone(), JwtAuthenticator::hs256(SECRET).unwrap(), options);
        Self { store, chat, frontend: Arc::new(frontend) }
    }

    fn app(&self) -> impl Endpoint<Output = Response> + 'static {
        self.frontend.mount(Route::new()).with(self.frontend.problems())
    }

    /// The operations of the chat.
    fn operations(&self) -> Vec<Operation> {
        let mut operations = Vec::new();
        for (path, item) in self.frontend.openapi()["paths"].as_object().unwrap() {
            for (method, described) in item.as_object().unwrap() {
                let Some(id) = described["operationId"].as_str() else { continue };
                operations.push(Operation {
                    id: id.to_owned(),
                    method: method.to_uppercase().parse().unwrap(),
                    path: path.clone(),
                    has_body: described.get("requestBody").is_some(),
                    described: described.clone(),
                });
            }
        }
        assert!(operations.len() > 20, "the document has lost its operations");
        operations
    }

    /// A session of a user, with one message.
    async fn session(&self, owner: &str, session_type: SessionType) -> SessionId {
        let new = CreateSession::titled("A room").of_type(session_type);
        let id = self.chat.create_session(&user(owner), new).await.unwrap().summary.session.id;
        self.chat.send(&user(owner), id, SendMessage::text("hello")).await.unwrap();
        id
    }

    async fn serve(&self) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, frontend) = (listener.local_addr().unwrap(), Arc::clone(&self.frontend));
        let app = frontend.mount(Route::new());
        tokio::spawn(
            async move { frontend.serve(listener, app, ServeOptions::default(), std::future::pending()).await },
        );
        address
    }
}

/// The status, the headers but for the id of the request, and the text of an answer.
async fn ask(
    app: &impl Endpoint<Output = Response>,
    caller: &str,
    method: &Method,
    path: &str,
    accept: &str,
    body: Option<&Value>,
) -> (u16, HeaderMap, String) {
    let mut request = Request::builder().method(method.clone()).uri(path.parse().unwrap());
    request = request.header("accept", accept).header("authorization", format!("Bearer {}", token(caller)));
    let request = match body {
        Some(body) => request.header("content-type", "application/json").body(body.to_string()),
        None => request.finish(),
    };
    let response = app.get_response(request).await;
    let mut headers = response.headers().clone();
    headers.remove("x-request-id");
    let status = response.status().as_u16();
    if status == 200 && accept == "text/event-stream" {
        // The stream goes on for ever.
        return (status, headers, String::new());
    }
    (status, headers, response.into_body().into_string().await.unwrap())
}

struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    async fn open(address: SocketAddr, caller: &str) -> Self {
        let request = format!("ws://{address}/ws?token={}", token(caller)).into_client_request().unwrap();
        Self(connect_async(request).await.unwrap().0)
    }

    /// The answer to a frame.
    async fn ask(&mut self, event: &str, data: &Value) -> Value {
        let frame = json!({ "event": event, "id": 1, "data": data });
        self.0.send(Message::text(frame.to_string())).await.unwrap();
        // Pings come for ever.
        let answer = async {
            loop {
                let Message::Text(text) = self.0.next().await.unwrap().unwrap() else { continue };
                let answer: Value = serde_json::from_str(&text).unwrap();
                if answer["id"] == 1 {
                    return answer;
                }
            }
        };
        timeout(PATIENCE, answer).await.unwrap()
    }
}
