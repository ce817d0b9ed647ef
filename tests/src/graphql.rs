//! GraphQL clients: over HTTP, over a WebSocket (graphql-transport-ws), and of event streams (graphql-sse).

use std::time::Duration;

use eventsource_stream::{Event, Eventsource as _};
use futures_util::{SinkExt, StreamExt, stream::BoxStream};
use reqwest::{Method, RequestBuilder, header::HeaderMap};
use serde_json::{Value, json};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Error, Message, client::IntoClientRequest, http::HeaderValue},
};

use crate::http::http;

/// How long anything that must come may take, on a slow machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// A caller of GraphQL over HTTP.
#[derive(Clone)]
pub struct Graphql {
    http: reqwest::Client,
    address: String,
    token: Option<String>,
}

/// What came back.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body as it came.
    pub text: String,
    /// The body; `null` where it is empty or no JSON.
    pub body: Value,
}

impl Graphql {
    /// A client of the server at this address.
    pub fn new(address: &str, token: Option<String>) -> Self {
        Self { http: http(), address: address.to_owned(), token }
    }

    /// A request to the endpoint.
    pub fn request(&self, method: Method) -> RequestBuilder {
        let request = self.http.request(method, format!("http://{}/graphql", self.address)).timeout(PATIENCE);
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// A request with its parameters in the URL.
    pub fn in_url(&self, method: Method, parameters: &[(&str, &str)]) -> RequestBuilder {
        let url = format!("http://{}/graphql", self.address);
        let url = reqwest::Url::parse_with_params(&url, parameters).unwrap();
        let request = self.http.request(method, url).timeout(PATIENCE);
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// A POST of parameters.
    pub fn post(&self, parameters: &Value) -> RequestBuilder {
        self.request(Method::POST).json(parameters)
    }

    /// Sends a request.
    pub async fn send(&self, request: RequestBuilder) -> Answer {
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await.unwrap();
        let body = serde_json::from_str(&text).unwrap_or(Value::Null);
        Answer { status, headers, text, body }
    }

    /// Executes a document.
    pub async fn ask(&self, query: &str, variables: Value) -> Answer {
        self.send(self.post(&json!({ "query": query, "variables": variables }))).await
    }

    /// The data of what must have no errors.
    pub async fn data(&self, query: &str, variables: Value) -> Value {
        let Answer { status, body, .. } = self.ask(query, variables).await;
        assert_eq!((status, &body["errors"]), (200, &Value::Null), "{query}: {body:#}");
        body["data"].clone()
    }

    /// A request for an operation as an event stream.
    pub fn stream(&self, query: &str, variables: Value) -> RequestBuilder {
        let parameters = json!({ "query": query, "variables": variables });
        self.post(&parameters).header("Accept", "text/event-stream").timeout(PATIENCE * 10)
    }
}

impl Answer {
    /// Checks that it refuses the request as a whole: with this status, and with an error of this code.
    #[track_caller]
    pub fn refused(&self, status: u16, code: &str) {
        let Self { status: got, headers, text, body } = self;
        assert_eq!(*got, status, "{text:.500}");
        assert!(body.get("data").is_none(), "{text:.500}");
        for error in body["errors"].as_array().unwrap_or_else(|| panic!("{text:.500}")) {
            assert!(error["message"].as_str().is_some_and(|text| !text.is_empty()), "{text:.500}");
        }
        assert!(codes(&body["errors"]).contains(&code), "{text:.500}");
        let content_type = headers["content-type"].to_str().unwrap();
        let types = ["application/graphql-response+json; charset=utf-8", "application/json; charset=utf-8"];
        assert!(types.contains(&content_type), "{content_type}");
        let challenge = headers.get("www-authenticate").map(|value| value.to_str().unwrap());
        assert_eq!(challenge.is_some_and(|challenge| challenge.starts_with("Bearer")), status == 401);
        assert_eq!(headers.contains_key("allow"), status == 405);
        assert_eq!(headers.contains_key("retry-after"), status == 429 || status == 503);
    }
}

/// The codes of errors, each of which must have one.
#[track_caller]
pub fn codes(errors: &Value) -> Vec<&str> {
    let errors = errors.as_array().unwrap_or_else(|| panic!("no errors: {errors}"));
    assert!(!errors.is_empty());
    errors.iter().map(|error| error["extensions"]["code"].as_str().expect("an error without a code")).collect()
}

/// An open event stream of an operation.
pub struct GraphqlEvents {
    stream: BoxStream<'static, Result<Event, String>>,
}

impl GraphqlEvents {
    /// Opens one, or gives the answer with which that was refused.
    pub async fn open(request: RequestBuilder) -> Result<Self, Box<Answer>> {
        let response = request.send().await.unwrap();
        if response.status() != 200 {
            let (status, headers) = (response.status().as_u16(), response.headers().clone());
            let text = response.text().await.unwrap();
            let body = serde_json::from_str(&text).unwrap_or(Value::Null);
            return Err(Box::new(Answer { status, headers, text, body }));
        }
        assert_eq!(response.headers()["content-type"], "text/event-stream; charset=utf-8");
        let stream = response.bytes_stream().eventsource().map(|event| event.map_err(|error| error.to_string()));
        Ok(Self { stream: stream.boxed() })
    }

    /// The next result; `None` for the event `complete`.
    pub async fn next(&mut self) -> Option<Value> {
        let event = timeout(PATIENCE, self.stream.next()).await.expect("nothing came").expect("it ended").unwrap();
        match event.event.as_str() {
            "next" => Some(serde_json::from_str(&event.data).unwrap()),
            "complete" => None,
            other => panic!("{other}: {}", event.data),
        }
    }

    /// Shows that the stream ends here, whole and not cut.
    pub async fn ended(mut self) {
        let end = timeout(PATIENCE, self.stream.next()).await.expect("it did not end");
        assert_eq!(end, None);
    }
}

/// An open socket that speaks graphql-transport-ws.
pub struct GraphqlSocket {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

/// The header that offers the protocol.
pub const PROTOCOL: (&str, &str) = ("sec-websocket-protocol", "graphql-transport-ws");

impl GraphqlSocket {
    /// Opens one and says who it is.
    pub async fn admitted(address: &str, token: &str) -> Self {
        let mut socket = Self::open(address, "", &[PROTOCOL]).await.unwrap();
        socket.init(json!({ "Authorization": format!("Bearer {token}") })).await;
        assert_eq!(socket.message().await, json!({ "type": "connection_ack" }));
        socket
    }

    /// Opens one with these headers; `url_query` goes behind `/graphql`. Where that is refused it gives the HTTP status and the
    /// code of the error.
    pub async fn open(address: &str, url_query: &str, headers: &[(&'static str, &str)]) -> Result<Self, (u16, String)> {
        let mut request = format!("ws://{address}/graphql{url_query}").into_client_request().unwrap();
        for (name, value) in headers {
            request.headers_mut().append(*name, HeaderValue::from_str(value).unwrap());
        }
        match connect_async(request).await {
            Ok((stream, response)) => {
                assert_eq!(response.headers()[PROTOCOL.0], PROTOCOL.1);
                Ok(Self { stream })
            }
            Err(Error::Http(response)) => {
                let body: Value = serde_json::from_slice(response.body().as_deref().unwrap_or_default()).unwrap();
                let (status, again) = (response.status().as_u16(), response.headers().contains_key("retry-after"));
                assert_eq!(again, status == 429 || status == 503);
                let [code] = codes(&body["errors"])[..] else { panic!("{body}") };
                Err((status, code.to_owned()))
            }
            Err(error) => panic!("{error}"),
        }
    }

    /// Sends anything.
    pub async fn raw(&mut self, message: Message) {
        self.stream.send(message).await.unwrap();
    }

    /// Puts something into the way out without waiting until it has gone; `false` when there is no way out any more.
    pub async fn feed(&mut self, message: &Value) -> bool {
        let fed = self.stream.feed(Message::text(message.to_string()));
        timeout(PATIENCE, fed).await.expect("it is neither taken nor refused").is_ok()
    }

    /// Sends what was put there.
    pub async fn flush(&mut self) {
        self.stream.flush().await.unwrap();
    }

    /// Sends a message.
    pub async fn send(&mut self, message: Value) {
        self.raw(Message::text(message.to_string())).await;
    }

    /// Says who it is.
    pub async fn init(&mut self, payload: Value) {
        self.send(json!({ "type": "connection_init", "payload": payload })).await;
    }

    /// Begins an operation.
    pub async fn subscribe(&mut self, id: &str, query: &str, variables: Value) {
        self.send(subscribe(id, query, variables)).await;
    }

    /// Ends an operation.
    pub async fn complete(&mut self, id: &str) {
        self.send(json!({ "type": "complete", "id": id })).await;
    }

    /// The next message.
    pub async fn message(&mut self) -> Value {
        loop {
            match timeout(PATIENCE, self.stream.next()).await.expect("nothing came") {
                Some(Ok(Message::Text(text))) => return serde_json::from_str(&text).unwrap(),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// The next message, which must be a result of this operation.
    pub async fn next(&mut self, id: &str) -> Value {
        let message = self.message().await;
        assert_eq!((&message["type"], &message["id"]), (&json!("next"), &json!(id)), "{message}");
        message["payload"].clone()
    }

    /// Shows that an operation ends here without an error.
    pub async fn completed(&mut self, id: &str) {
        assert_eq!(self.message().await, json!({ "type": "complete", "id": id }));
    }

    /// The codes of the `error` that comes next, for this operation.
    pub async fn failed(&mut self, id: &str) -> Vec<String> {
        let message = self.message().await;
        assert_eq!((&message["type"], &message["id"]), (&json!("error"), &json!(id)), "{message}");
        codes(&message["payload"]).into_iter().map(str::to_owned).collect()
    }

    /// Executes a document; other operations must have nothing to tell meanwhile.
    pub async fn ask(&mut self, query: &str, variables: Value) -> Value {
        self.subscribe("asked", query, variables).await;
        let payload = self.next("asked").await;
        self.completed("asked").await;
        payload
    }

    /// Shows that nothing but this comes: the answer to a ping sent now is the next thing.
    pub async fn silent(&mut self) {
        let ping = json!({ "type": "ping", "payload": { "now": 1 } });
        self.send(ping).await;
        assert_eq!(self.message().await, json!({ "type": "pong", "payload": { "now": 1 } }));
    }

    /// The code and the reason with which the server ends the socket; what comes before is passed over.
    pub async fn closed(&mut self) -> (u16, String) {
        loop {
            match timeout(PATIENCE, self.stream.next()).await.expect("it was not closed") {
                Some(Ok(Message::Close(Some(frame)))) => return (frame.code.into(), frame.reason.to_string()),
                Some(Ok(Message::Close(None))) | None => return (1005, String::new()),
                Some(Ok(_)) => {}
                Some(Err(error)) => panic!("{error}"),
            }
        }
    }

    /// The code and the reason with which the server ends the socket, which must be the next thing.
    pub async fn ended(&mut self) -> (u16, String) {
        match timeout(PATIENCE, self.stream.next()).await.expect("it was not closed") {
            Some(Ok(Message::Close(Some(frame)))) => (frame.code.into(), frame.reason.to_string()),
            other => panic!("{other:?}"),
        }
    }

    /// The connection itself, to break it.
    pub fn connection(&mut self) -> &mut TcpStream {
        match self.stream.get_mut() {
            MaybeTlsStream::Plain(stream) => stream,
            _ => panic!("there is no TLS here"),
        }
    }

    /// Cuts the connection without a word.
    pub fn cut(self) {
        drop(self.stream);
    }
}

/// The message that begins an operation.
pub fn subscribe(id: &str, query: &str, variables: Value) -> Value {
    json!({ "type": "subscribe", "id": id, "payload": { "query": query, "variables": variables } })
}
