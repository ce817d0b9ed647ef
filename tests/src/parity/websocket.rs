//! The WebSocket. Which commands it takes as frames, the table of commands says.

use std::{collections::HashMap, sync::Arc};

use async_trait::async_trait;
use chatcore::wire::Command;
use serde_json::{Value, json};

use super::{
    action::{Action, pascal},
    canon::{Fault, Outcome, tidy},
    coverage::{self, Coverage},
    room::Cast,
    stage::Actor,
    transport::{Call, Deliveries, Subscribed, Transport},
    wire,
};
use crate::Socket;

/// Talks over sockets, one for each user, and one more for who follows everything.
pub struct WebSocket {
    address: String,
    coverage: Arc<Coverage>,
    name: String,
    sockets: HashMap<&'static str, Socket>,
    following: Option<(Socket, String)>,
}

impl WebSocket {
    /// To the server at this address.
    #[must_use]
    pub fn new(address: &str, coverage: Arc<Coverage>) -> Self {
        let (sockets, following) = (HashMap::new(), None);
        Self { address: address.to_owned(), coverage, name: String::new(), sockets, following }
    }

    /// An actor's socket; those of members say in a message who they are.
    async fn socket(&mut self, call: &Call<'_>) -> Result<Socket, Fault> {
        if let Some(socket) = call.actor.name().and_then(|name| self.sockets.remove(name)) {
            return Ok(socket);
        }
        let by_message = call.actor == Actor::Member;
        let token = call.token().filter(|_| !by_message);
        let opened = Socket::try_open(&self.address, "", token, None).await;
        let mut socket = opened.map_err(|(_, code)| Fault { code, details: json!({}) })?;
        if by_message {
            let answer = socket.ask("authenticate", json!({ "token": call.token() })).await;
            assert_eq!(answer["data"]["user_id"], call.cast.user("member"));
            self.coverage.used(coverage::client("authenticate"), call.name);
        }
        Ok(socket)
    }

    /// Sends a frame and gives its answer.
    async fn ask(&self, socket: &mut Socket, event: &str, data: Value) -> Result<Value, Fault> {
        let answer = socket.ask(event, data).await;
        self.saw(&answer);
        if answer["event"] == "ack" {
            self.coverage.used(coverage::client(event), &self.name);
            return Ok(answer);
        }
        let data = &answer["data"];
        Err(Fault { code: data["code"].as_str().unwrap().to_owned(), details: data["details"].clone() })
    }

    fn saw(&self, frame: &Value) {
        saw(&self.coverage, &self.name, frame);
    }

    async fn act(&self, socket: &mut Socket, call: &Call<'_>, frame: &str) -> Outcome {
        let mut data = call.input();
        if frame != call.action.command().unwrap_or_default() {
            // What the command says by its input, the frame says by its name.
            data.clear();
        }
        data.extend(call.ids().into_iter().map(|(id, value)| (id.to_owned(), json!(value))));
        let answer = self.ask(socket, frame, Value::Object(data)).await?;
        Ok(answered(&answer, call))
    }
}

/// What an `ack` says. Where it has a position, that is the message's.
fn answered(answer: &Value, call: &Call<'_>) -> Value {
    let (name, value) = answer["data"].as_object().unwrap().iter().next().unwrap();
    if name == "session_id" {
        assert_eq!(value, call.session(), "{answer}");
        return json!({});
    }
    assert!(answer["seq"].is_null() || answer["seq"] == value["seq"], "{answer}");
    wire::of(&pascal(name), value)
}

/// The frames that are called otherwise than the command: the command, what its input says, and the frame.
const ALIASES: [(&str, &str, bool, &str); 2] =
    [("setTyping", "is_typing", true, "typing_start"), ("setTyping", "is_typing", false, "typing_stop")];

/// The frame of an action, where sockets have one.
fn frame(action: &Action) -> Option<&'static str> {
    let alias = |(operation, field, value, _): &&(&str, &str, bool, &str)| {
        *operation == action.operation && action.input[*field] == *value
    };
    let named = action.command().filter(|command| Command::FRAMES.contains(command));
    named.or_else(|| ALIASES.iter().find(alias).map(|(.., frame)| *frame))
}

fn saw(coverage: &Coverage, name: &str, frame: &Value) {
    coverage.used(coverage::server(frame["event"].as_str().unwrap()), name);
}

#[async_trait]
impl Transport for WebSocket {
    fn name(&self) -> &'static str {
        "WebSocket"
    }

    async fn perform(&mut self, call: &Call<'_>) -> Option<Outcome> {
        let frame = frame(call.action)?;
        call.name.clone_into(&mut self.name);
        let mut socket = match self.socket(call).await {
            Ok(socket) => socket,
            Err(fault) => return Some(Err(fault)),
        };
        let outcome = self.act(&mut socket, call, frame).await;
        if let Some(name) = call.actor.name() {
            self.sockets.insert(name, socket);
        }
        Some(outcome)
    }

    async fn subscribe(&mut self, call: &Call<'_>, after: Option<u64>) -> Option<Result<Subscribed, Fault>> {
        call.name.clone_into(&mut self.name);
        let mut socket = match self.socket(call).await {
            Ok(socket) => socket,
            Err(fault) => return Some(Err(fault)),
        };
        let mut data = json!({ "session_id": call.session() });
        if let Some(after) = after {
            data["after"] = json!(after);
        }
        let answer = self.ask(&mut socket, "join_session", data).await;
        let session = call.session().to_owned();
        Some(answer.map(|answer| {
            let coverage = Arc::clone(&self.coverage);
            let deliveries = Box::new(Frames { socket, session, coverage, name: self.name.clone() });
            Subscribed { after: answer["seq"].as_u64(), deliveries }
        }))
    }

    async fn follow(&mut self, cast: &Cast, session: &str, after: u64) {
        let (mut socket, before) = match self.following.take() {
            Some((socket, before)) => (socket, Some(before)),
            None => {
                let opened = Socket::try_open(&self.address, "", cast.token(Actor::Owner), None).await;
                (opened.unwrap(), None)
            }
        };
        if let Some(before) = before {
            self.ask(&mut socket, "leave_session", json!({ "session_id": before })).await.unwrap();
        }
        let data = json!({ "session_id": session, "after": after });
        self.ask(&mut socket, "join_session", data).await.unwrap();
        self.following = Some((socket, session.to_owned()));
    }

    async fn since(&mut self, cast: &Cast, reader: Actor, session: &str, span: (u64, u64)) -> Option<Vec<Value>> {
        let used = (&*self.coverage, self.name.as_str());
        Some(match &mut self.following {
            Some((socket, followed)) if followed == session => read(socket, session, span, used).await,
            _ => {
                let mut socket = Socket::open(&self.address, "", cast.token(reader)).await;
                socket.join(session, Some(span.0)).await;
                read(&mut socket, session, span, used).await
            }
        })
    }
}

/// Reads a session's events after one position up to another. Signals count for nothing here, nor does what is left of a
/// session that was followed before.
async fn read(
    socket: &mut Socket,
    session: &str,
    (from, to): (u64, u64),
    (coverage, name): (&Coverage, &str),
) -> Vec<Value> {
    let mut events = Vec::new();
    loop {
        let frame = socket.event().await;
        saw(coverage, name, &frame);
        if let Some(seq) = frame["seq"].as_u64().filter(|seq| *seq > from && frame["data"]["session_id"] == session) {
            events.push(wire::frame(&frame));
            if seq >= to {
                return events;
            }
        }
    }
}

struct Frames {
    socket: Socket,
    session: String,
    coverage: Arc<Coverage>,
    name: String,
}

#[async_trait]
impl Deliveries for Frames {
    async fn next(&mut self) -> Value {
        let frame = self.socket.event().await;
        saw(&self.coverage, &self.name, &frame);
        tidy(wire::frame(&frame))
    }

    async fn end(mut self: Box<Self>) {
        self.socket.silent().await;
        saw(&self.coverage, &self.name, &json!({ "event": "error" }));
        let left = self.socket.ask("leave_session", json!({ "session_id": self.session })).await;
        assert_eq!(left["event"], "ack");
    }
}
