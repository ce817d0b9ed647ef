//! REST, with its events as pages and as server-sent events.

use std::{pin::Pin, sync::Arc};

use async_trait::async_trait;
use chatcore::Code;
use eventsource_stream::{Event, Eventsource as _};
use futures_util::{Stream, StreamExt as _};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::{
    PATIENCE,
    action::{Action, Actor, Window},
    canon::{Fault, Outcome, tidy, wire},
    coverage::{self, Coverage},
    room::Cast,
    transport::{Call, Deliveries, Subscribed, Transport},
};
use crate::{Client, Reply};

/// Calls the REST operations.
pub struct Rest {
    client: Client,
    document: Arc<Value>,
    coverage: Arc<Coverage>,
    name: String,
    invites: bool,
}

impl Rest {
    /// To the server at this address, which has this OpenAPI document.
    #[must_use]
    pub fn new(address: &str, document: Arc<Value>, coverage: Arc<Coverage>) -> Self {
        Self { client: Client::new(address, None), document, coverage, name: String::new(), invites: false }
    }

    fn by(&self, token: Option<&str>) -> Client {
        token.map_or_else(|| self.client.clone(), |token| self.client.with_token(token))
    }

    async fn send(
        &self,
        token: Option<&str>,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Reply, Fault> {
        let client = self.by(token);
        let mut request = client.request(method.clone(), path);
        if let Some(body) = body {
            request = request.json(body);
        }
        let reply = client.send(request).await;
        if reply.status < 300 {
            if let Some(operation) = operation(&self.document, method.as_str(), path) {
                self.coverage.used(coverage::rest(&operation), &self.name);
            }
            return Ok(reply);
        }
        Err(fault(reply.status, &reply.body))
    }

    /// All pages of a list, in one, by the links from each to the next. A link keeps the place in the list; the rest of the
    /// question is the client's.
    async fn all(
        &self,
        token: Option<&str>,
        path: &str,
        rest: &str,
        limit: Option<i64>,
        one: fn(&Value) -> Value,
    ) -> Outcome {
        let mut found = Vec::new();
        let mut query = format!("?skip=0{}{rest}", limit_of(limit));
        loop {
            let reply = self.send(token, Method::GET, &format!("{path}{query}"), None).await?;
            let Value::Array(items) = wire::list(&reply.body, one) else { unreachable!() };
            found.extend(items);
            match link(&reply, "next") {
                Some(next) => query = next,
                None => return Ok(Value::Array(found)),
            }
        }
    }

    async fn act(&mut self, call: &Call<'_>) -> Option<Outcome> {
        let token = call.token();
        let path = format!("/sessions/{}", call.session());
        let send = async |method: Method, path: String, body: Option<&Value>| {
            self.send(token, method, &path, body).await.map(|reply| reply.body)
        };
        let nothing = |_: Value| json!({});
        Some(match call.action {
            Action::Me | Action::Message(_) | Action::Typing(_) | Action::Subscribe { .. } => return None,
            Action::Session => send(Method::GET, path, None).await.map(|body| wire::session(&body)),
            Action::Sessions { limit } => self.all(token, "/sessions", "", *limit, wire::summary).await,
            Action::PublicSessions { limit } => self.public(token, *limit).await,
            Action::Participants { limit, email } => {
                let email = format!("&include_email={email}");
                self.all(token, &(path + "/participants"), &email, *limit, wire::participant).await
            }
            Action::Messages { window, limit } => {
                let query = match window {
                    Window::Skip(skip) => format!("skip={skip}"),
                    Window::Before(place) => format!("before={}", call.place(*place)),
                    Window::After(place) => format!("after={}", call.place(*place)),
                    Window::Newest => return None,
                };
                let path = format!("{path}/messages?{query}{}", limit_of(*limit));
                self.send(token, Method::GET, &path, None).await.map(|reply| {
                    let seq = |rel, name: &str| {
                        let query = link(&reply, rel)?;
                        let value =
                            query.trim_start_matches('?').split('&').find_map(|part| part.strip_prefix(name))?;
                        Some(value.trim_start_matches('=').to_owned())
                    };
                    json!({
                        "messages": wire::list(&reply.body, wire::message),
                        "previous": seq("prev", "before"), "next": seq("next", "after"),
                    })
                })
            }
            Action::Events { after, limit } => {
                let path = format!("{path}/events?after={after}{}", limit_of(*limit));
                let page = send(Method::GET, path, None).await;
                page.map(|body| json!({ "events": wire::list(&body["events"], wire::frame), "head": body["head"] }))
            }
            Action::Create(input) => {
                send(Method::POST, "/sessions".to_owned(), Some(input)).await.map(|body| wire::session(&body))
            }
            Action::Update(input) => send(Method::PUT, path, Some(input)).await.map(|body| wire::session(&body)),
            Action::Delete => send(Method::DELETE, path, None).await.map(nothing),
            Action::Join => send(Method::POST, path + "/join", None)
                .await
                .map(|body| json!({ "participant_id": body["participant_id"] })),
            Action::Leave => send(Method::POST, path + "/leave", Some(&json!({}))).await.map(nothing),
            Action::Add(input) => {
                // Two names of one operation: by turns.
                let place = if self.invites { "/invite" } else { "/participants" };
                let added = send(Method::POST, path + place, Some(&call.input(input))).await;
                self.invites = !self.invites;
                added.map(|body| wire::participant(&body))
            }
            Action::ChangeRole { user, input } => {
                let path = format!("{path}/participants/{}/role", call.cast.user(user));
                send(Method::PUT, path, Some(input)).await.map(|body| wire::participant(&body))
            }
            Action::Remove(user) => {
                send(Method::DELETE, format!("{path}/participants/{}", call.cast.user(user)), None).await.map(nothing)
            }
            Action::Send(input) => {
                send(Method::POST, path + "/messages", Some(input)).await.map(|body| wire::message(&body))
            }
            Action::Edit { which, input } => {
                let path = format!("{path}/messages/{}", call.message(*which).replace(' ', "%20"));
                send(Method::PUT, path, Some(input)).await.map(|body| wire::message(&body))
            }
            // The header that names a revision has tests of its own.
            Action::DeleteMessage { which: _, revision: Some(_) } => return None,
            Action::DeleteMessage { which, revision: None } => {
                let path = format!("{path}/messages/{}", call.message(*which).replace(' ', "%20"));
                send(Method::DELETE, path, None).await.map(|body| wire::message(&body))
            }
            Action::Revisions(which) => {
                let path = format!("{path}/messages/{}/revisions", call.message(*which).replace(' ', "%20"));
                send(Method::GET, path, None).await.map(|body| wire::list(&body, wire::revision))
            }
            Action::Pin(which) => {
                let path = format!("{path}/messages/{}/pin", call.message(*which).replace(' ', "%20"));
                send(Method::PUT, path, None).await.map(nothing)
            }
            Action::Unpin(which) => {
                let path = format!("{path}/messages/{}/pin", call.message(*which).replace(' ', "%20"));
                send(Method::DELETE, path, None).await.map(nothing)
            }
            Action::Pins => send(Method::GET, path + "/pins", None).await.map(|body| wire::list(&body, wire::pinned)),
        })
    }

    /// All pages of the public list; it tells how many there are in all.
    async fn public(&self, token: Option<&str>, limit: Option<i64>) -> Outcome {
        let mut found = Vec::new();
        loop {
            let path = format!("/sessions/public?skip={}{}", found.len(), limit_of(limit));
            let body = self.send(token, Method::GET, &path, None).await?.body;
            let page = body["sessions"].as_array().unwrap();
            found.extend(page.iter().map(wire::summary));
            if page.is_empty() || found.len() as u64 == body["total"].as_u64().unwrap() {
                return Ok(json!({ "sessions": found, "total": body["total"] }));
            }
        }
    }
}

fn limit_of(limit: Option<i64>) -> String {
    limit.map_or_else(String::new, |limit| format!("&limit={limit}"))
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
    let fits = known.is_some_and(|known| known.status() == status) && body["status"] == status;
    let code = if fits { code.to_owned() } else { format!("{code} with status {status}") };
    Fault { code, details: body["details"].clone() }
}

/// The name of the operation behind a path below the API's base.
fn operation(document: &Value, method: &str, path: &str) -> Option<String> {
    let path = path.split('?').next()?;
    let given: Vec<&str> = path.split('/').collect();
    let fits = |pattern: &str| {
        let pattern: Vec<&str> = pattern.split('/').collect();
        pattern.len() == given.len() && pattern.iter().zip(&given).all(|(p, g)| p.starts_with('{') || p == g)
    };
    let paths = document["paths"].as_object()?;
    let found = paths.get(path).or_else(|| paths.iter().find(|(pattern, _)| fits(pattern)).map(|(_, found)| found))?;
    Some(found[method.to_lowercase()]["operationId"].as_str()?.to_owned())
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
        match self.send(cast.token(reader), Method::GET, &path, None).await {
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
        let mut request = client.request(Method::GET, &format!("/sessions/{session}/events{after}"));
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
