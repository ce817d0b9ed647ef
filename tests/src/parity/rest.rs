//! REST, with its events as pages and as server-sent events. The calls are built from the OpenAPI document.

use std::{collections::HashMap, pin::Pin, sync::Arc};

use async_trait::async_trait;
use chatcore::Code;
use eventsource_stream::{Event, Eventsource as _};
use futures_util::{Stream, StreamExt as _};
use reqwest::Method;
use serde_json::{Map, Value, json};
use tokio::time::timeout;

use super::{
    PATIENCE,
    canon::{Fault, Outcome, tidy},
    coverage::{self, Coverage},
    room::Cast,
    stage::Actor,
    transport::{Call, Deliveries, Subscribed, Transport},
    wire,
};
use crate::{Client, Reply};

/// Two names of one operation, which are used by turns.
const TWICE: [(&str, &str); 1] = [("addParticipant", "inviteUser")];

/// An operation as the document describes it.
#[derive(Debug)]
struct Operation {
    id: String,
    method: Method,
    path: String,
    query: Vec<String>,
    body: Option<Body>,
    /// The schema of the answer; null where there is none.
    answer: Value,
}

#[derive(Debug, Clone, Copy)]
enum Body {
    Required,
    Optional,
}

/// The operations of a document, by their ids.
#[derive(Debug)]
pub struct Operations(HashMap<String, Operation>);

impl Operations {
    /// Of an OpenAPI document.
    #[must_use]
    pub fn of(document: &Value) -> Self {
        let mut operations = HashMap::new();
        for (path, methods) in document["paths"].as_object().unwrap() {
            for (method, operation) in methods.as_object().unwrap() {
                let id = operation["operationId"].as_str().unwrap().to_owned();
                let parameters = operation["parameters"].as_array().into_iter().flatten();
                let in_query = parameters.filter(|parameter| parameter["in"] == "query");
                let query = in_query.map(|parameter| parameter["name"].as_str().unwrap().to_owned()).collect();
                let responses = operation["responses"].as_object().unwrap();
                let (_, good) = responses.iter().find(|(status, _)| status.starts_with('2')).unwrap();
                let content = good["content"].as_object().and_then(|content| content.values().next());
                let answer = content.map_or(Value::Null, |content| content["schema"].clone());
                let method = method.to_uppercase().parse().unwrap();
                let body = operation.get("requestBody");
                let body = body.map(|body| if body["required"] == false { Body::Optional } else { Body::Required });
                let known = Operation { id: id.clone(), method, path: path.clone(), query, body, answer };
                operations.insert(id, known);
            }
        }
        Self(operations)
    }
}

impl Operation {
    fn takes(&self, parameter: &str) -> bool {
        self.query.iter().any(|name| name == parameter)
    }

    /// The path and the body; `None` where the operation has no place for something in the input.
    fn filled(&self, ids: &HashMap<&str, String>, input: Map<String, Value>) -> Option<(String, Option<Value>)> {
        let segment = |segment: &str| match segment.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
            Some(name) => Some(ids.get(name)?.replace(' ', "%20")),
            None => Some(segment.to_owned()),
        };
        let path: Vec<String> = self.path.split('/').map(segment).collect::<Option<_>>()?;
        let path = path.join("/");
        match self.body {
            Some(Body::Optional) if input.is_empty() => return Some((path, None)),
            Some(_) => return Some((path, Some(Value::Object(input)))),
            None => {}
        }
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let given: Vec<_> = input.iter().map(|(name, value)| format!("{name}={}", text(value))).collect();
        let query = if given.is_empty() { String::new() } else { format!("?{}", given.join("&")) };
        input.keys().all(|name| self.takes(name)).then(|| (path + &query, None))
    }
}

/// What an answer of a schema says.
fn said(schema: &Value, body: &Value) -> Value {
    match (schema["$ref"].as_str(), schema["type"].as_str()) {
        (Some(name), _) => wire::of(name.rsplit('/').next().unwrap(), body),
        (None, Some("array")) => body.as_array().unwrap().iter().map(|item| said(&schema["items"], item)).collect(),
        _ => json!({}),
    }
}

/// Calls the REST operations.
pub struct Rest {
    client: Client,
    operations: Arc<Operations>,
    coverage: Arc<Coverage>,
    name: String,
    turn: bool,
}

impl Rest {
    /// To the server at this address, which has these operations.
    #[must_use]
    pub fn new(address: &str, operations: Arc<Operations>, coverage: Arc<Coverage>) -> Self {
        let client = Client::new(address, None).pooled();
        Self { client, operations, coverage, name: String::new(), turn: false }
    }

    fn by(&self, token: Option<&str>) -> Client {
        token.map_or_else(|| self.client.clone(), |token| self.client.with_token(token))
    }

    async fn send(
        &self,
        token: Option<&str>,
        operation: &Operation,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Reply, Fault> {
        let client = self.by(token);
        let mut request = client.request(operation.method.clone(), path);
        if let Some(body) = body {
            request = request.json(body);
        }
        let reply = client.send(request).await;
        if reply.status < 300 {
            self.coverage.used(coverage::rest(&operation.id), &self.name);
            return Ok(reply);
        }
        Err(fault(reply.status, &reply.body))
    }

    /// The operation of an action, by its name or by its other one.
    fn operation(&mut self, name: &str) -> Option<String> {
        let other = TWICE.iter().find(|(first, _)| *first == name);
        self.turn ^= other.is_some();
        let name = other.filter(|_| self.turn).map_or(name, |(_, second)| *second);
        self.operations.0.contains_key(name).then(|| name.to_owned())
    }

    async fn act(&mut self, call: &Call<'_>) -> Option<Outcome> {
        let name = self.operation(call.action.operation)?;
        let operations = Arc::clone(&self.operations);
        let operation = &operations.0[&name];
        let mut ids: HashMap<_, _> = call.ids().into_iter().collect();
        ids.insert("session_id", call.session().to_owned());
        let mut input = call.input();
        // A list that counts from its start is read to its end; one that has places, by the page.
        let is_list = operation.takes("skip") && !operation.takes("before");
        if is_list {
            input.insert("skip".to_owned(), json!(0));
        }
        let (path, body) = operation.filled(&ids, input)?;
        Some(if is_list {
            self.all(call, operation, &path).await
        } else {
            let reply = self.send(call.token(), operation, &path, body.as_ref()).await;
            reply.map(
                |reply| if operation.takes("before") { page(operation, &reply) } else { answer(operation, &reply) },
            )
        })
    }

    /// All pages of a list, in one, by the links from each to the next. A link keeps the place in the list; the rest of the
    /// question is the client's.
    async fn all(&self, call: &Call<'_>, operation: &Operation, first: &str) -> Outcome {
        let base = first.split('?').next().unwrap();
        let (mut found, mut path) = (Vec::new(), first.to_owned());
        loop {
            let reply = self.send(call.token(), operation, &path, None).await?;
            let mut page = answer(operation, &reply);
            let total = page.get("total").cloned();
            let items = if total.is_some() { page["sessions"].take() } else { page };
            let Value::Array(items) = items else { panic!("no list: {items}") };
            found.extend(items);
            match (link(&reply, "next"), total) {
                (Some(next), _) => path = format!("{base}{next}"),
                (None, None) => return Ok(Value::Array(found)),
                (None, Some(total)) => {
                    // A search does not always tell it.
                    assert!(total.is_null() || total == found.len(), "the list ends early");
                    return Ok(json!({ "sessions": found, "total": total }));
                }
            }
        }
    }
}

fn answer(operation: &Operation, reply: &Reply) -> Value {
    said(&operation.answer, &reply.body)
}

/// A page of messages with the places around it.
fn page(operation: &Operation, reply: &Reply) -> Value {
    let place = |rel, name: &str| {
        let query = link(reply, rel)?;
        let value = query.trim_start_matches('?').split('&').find_map(|part| part.strip_prefix(name))?;
        Some(value.trim_start_matches('=').to_owned())
    };
    let (previous, next) = (place("prev", "before"), place("next", "after"));
    json!({ "messages": answer(operation, reply), "previous": previous, "next": next })
}

/// The query to which a link leads.
fn link(reply: &Reply, rel: &str) -> Option<String> {
    let links = reply.headers.get("link")?.to_str().unwrap();
    let link = links.split(", ").find(|link| link.ends_with(&format!("rel=\"{rel}\"")))?;
    let (target, _) = link.trim_start_matches('<').split_once('>')?;
    Some(target.to_owned())
}

/// A refusal. One whose status is not that of its code is told as such.
#[must_use]
pub fn fault(status: u16, body: &Value) -> Fault {
    let code = body["code"].as_str().unwrap_or_else(|| panic!("{status}: {body}"));
    let known = Code::ALL.iter().find(|known| known.as_str() == code);
    // The host's own codes are refusals.
    let fits = known.map_or(403, |known| known.status()) == status && body["status"] == status;
    let code = if fits { code.to_owned() } else { format!("{code} with status {status}") };
    Fault { code, details: body["details"].clone() }
}

#[async_trait]
impl Transport for Rest {
    fn name(&self) -> &'static str {
        "REST"
    }

    async fn perform(&mut self, call: &Call<'_>) -> Option<Outcome> {
        call.name.clone_into(&mut self.name);
        self.act(call).await
    }

    async fn subscribe(&mut self, call: &Call<'_>, after: Option<u64>) -> Option<Result<Subscribed, Fault>> {
        let client = self.by(call.token());
        let opened = EventStream::open(&client, call.session(), after, None).await;
        Some(opened.map(|stream| Subscribed { after: None, deliveries: Box::new(stream) }))
    }

    async fn since(&mut self, cast: &Cast, reader: Actor, session: &str, span: (u64, u64)) -> Option<Vec<Value>> {
        let path = format!("/sessions/{session}/events?after={}&limit=100", span.0);
        match self.send(cast.token(reader), &self.operations.0["listEvents"], &path, None).await {
            Ok(reply) => Some(reply.body["events"].as_array().unwrap().iter().map(wire::frame).collect()),
            Err(fault) if fault.code == "SESSION_NOT_FOUND" => None,
            Err(fault) => panic!("{fault:?}"),
        }
    }
}

/// A stream of server-sent events.
pub struct EventStream(Pin<Box<dyn Stream<Item = Event> + Send>>);

impl EventStream {
    /// Opens the one of a session, after a position, or after an event that was the last.
    ///
    /// # Errors
    /// The problem with which it was refused.
    pub async fn open(client: &Client, session: &str, after: Option<u64>, last: Option<u64>) -> Result<Self, Fault> {
        let after = after.map_or_else(String::new, |after| format!("?after={after}"));
        Self::open_at(client, session, &after, last).await
    }

    /// Opens the one of a session from now on, with presence.
    ///
    /// # Errors
    /// The problem with which it was refused.
    pub async fn with_presence(client: &Client, session: &str) -> Result<Self, Fault> {
        Self::open_at(client, session, "?presence=true", None).await
    }

    async fn open_at(client: &Client, session: &str, query: &str, last: Option<u64>) -> Result<Self, Fault> {
        let mut request = client.request(Method::GET, &format!("/sessions/{session}/events{query}"));
        request = request.header("accept", "text/event-stream");
        if let Some(last) = last {
            request = request.header("last-event-id", last.to_string());
        }
        let response = timeout(PATIENCE, request.send()).await.expect("no answer").unwrap();
        let status = response.status().as_u16();
        if status != 200 {
            return Err(fault(status, &response.json().await.unwrap()));
        }
        let kind = response.headers()["content-type"].to_str().unwrap().to_owned();
        assert!(kind.starts_with("text/event-stream"), "{kind}");
        Ok(Self(Box::pin(response.bytes_stream().eventsource().map(|event| event.unwrap()))))
    }

    /// The next event as the WebSocket has it, or the end.
    pub async fn frame(&mut self) -> Option<Value> {
        let Event { event, data, id, .. } = timeout(PATIENCE, self.0.next()).await.expect("nothing came")?;
        let frame: Value = serde_json::from_str(&data).unwrap();
        assert_eq!(frame["event"], event, "{frame}");
        if !frame["seq"].is_null() {
            assert_eq!(frame["cursor"], id, "{frame}");
        }
        Some(frame)
    }
}

#[async_trait]
impl Deliveries for EventStream {
    async fn next(&mut self) -> Value {
        tidy(wire::frame(&self.frame().await.expect("it ended")))
    }

    async fn end(mut self: Box<Self>) {
        let next = self.frame().await;
        assert!(next.is_none(), "{next:?}");
    }
}
