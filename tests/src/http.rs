//! A REST client.

use std::{
    net::IpAddr,
    sync::{Arc, LazyLock},
    time::Duration,
};

use reqwest::{Method, header::HeaderMap};
use serde_json::Value;
use tokio::sync::OnceCell;

use crate::Document;

/// The client under all clients. To make one reads the certificates of the system, which takes longer than many requests.
pub(crate) fn http() -> reqwest::Client {
    static HTTP: LazyLock<reqwest::Client> = LazyLock::new(|| unpooled().build().unwrap());
    HTTP.clone()
}

/// Pools would hold connections across a server's end, and across the runtimes of tests.
pub(crate) fn unpooled() -> reqwest::ClientBuilder {
    reqwest::Client::builder().pool_max_idle_per_host(0).no_proxy()
}

/// A client that keeps its connections, for a test that asks one server of its own again and again. It gives up an idle one before
/// the server does, and speaks no TLS.
pub(crate) fn pooled() -> reqwest::Client {
    let builder = reqwest::Client::builder().no_proxy().pool_idle_timeout(Duration::from_secs(30));
    builder.tls_certs_only([]).build().unwrap()
}

/// A caller of the REST operations.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    address: String,
    token: Option<String>,
    /// The server's document, by which each of its answers is checked.
    document: Arc<OnceCell<Document>>,
}

/// What came back.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body; `null` where it is empty or no JSON.
    pub body: Value,
}

impl Reply {
    /// The body, of an answer that must have this status.
    #[track_caller]
    pub fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{:#}", self.body);
        self.body
    }

    /// Checks that it is a whole problem document with this status and code.
    #[track_caller]
    pub fn problem(self, status: u16, code: &str) -> Value {
        let Self { status: got, headers, body } = self;
        assert_eq!((got, body["code"].as_str()), (status, Some(code)), "{body:#}");
        assert_eq!(headers["content-type"], "application/problem+json");
        assert_eq!(body["status"], status);
        assert_eq!(headers["x-request-id"].to_str().unwrap(), body["request_id"]);
        for field in ["type", "title", "detail", "timestamp"] {
            assert!(body[field].as_str().is_some_and(|text| !text.is_empty()), "{field}: {body:#}");
        }
        assert!(body["details"].is_object(), "{body:#}");
        // Microseconds, as in every other time.
        assert!(body["timestamp"].as_str().is_some_and(|time| time.len() <= 27 && time.ends_with('Z')), "{body:#}");
        if got == 401 {
            assert!(headers["www-authenticate"].to_str().unwrap().starts_with("Bearer"));
        }
        if got == 405 {
            assert!(!headers["allow"].is_empty());
        }
        if got == 429 || got == 503 {
            assert!(headers.contains_key("retry-after"));
        }
        body
    }
}

impl Client {
    /// A client of the server at this address.
    pub fn new(address: &str, token: Option<String>) -> Self {
        Self { http: http(), address: address.to_owned(), token, document: Arc::default() }
    }

    /// The same client with another token.
    pub fn with_token(&self, token: impl Into<String>) -> Self {
        Self { token: Some(token.into()), ..self.clone() }
    }

    /// The same client without a token.
    pub fn without_token(&self) -> Self {
        Self { token: None, ..self.clone() }
    }

    /// The same client with connections that it keeps.
    pub(crate) fn pooled(&self) -> Self {
        Self { http: pooled(), ..self.clone() }
    }

    /// The same client of the same program that has another address now.
    pub fn at(&self, address: &str) -> Self {
        Self { address: address.to_owned(), ..self.clone() }
    }

    /// The same client at another address of this machine, from which it calls.
    pub fn calling_from(&self, address: impl Into<IpAddr>) -> Self {
        Self { http: unpooled().local_address(address.into()).build().unwrap(), ..self.clone() }
    }

    /// `127.0.0.1:port` of its server.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The token that it sends.
    pub fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    /// A request to a path below `/api/v1/chat`, or to a whole path where it begins with `//`.
    pub fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let path = path
            .strip_prefix('/')
            .filter(|path| path.starts_with('/'))
            .map_or_else(|| format!("/api/v1/chat{path}"), str::to_owned);
        let request = self.http.request(method, format!("http://{}{path}", self.address));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// Sends a request.
    pub async fn send(&self, request: reqwest::RequestBuilder) -> Reply {
        let request = request.build().unwrap();
        let (method, path) = (request.method().clone(), request.url().path().to_owned());
        let response = self.http.execute(request).await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let bytes = response.bytes().await.unwrap();
        let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        let document = self.document.get_or_init(|| Document::of(&self.http, &self.address)).await;
        document.check(method.as_str(), &path, status, &body);
        Reply { status, headers, body }
    }

    /// GET.
    pub async fn get(&self, path: &str) -> Reply {
        self.send(self.request(Method::GET, path)).await
    }

    /// POST of a body.
    pub async fn post(&self, path: &str, body: Value) -> Reply {
        self.send(self.request(Method::POST, path).json(&body)).await
    }

    /// PUT of a body.
    pub async fn put(&self, path: &str, body: Value) -> Reply {
        self.send(self.request(Method::PUT, path).json(&body)).await
    }

    /// DELETE.
    pub async fn delete(&self, path: &str) -> Reply {
        self.send(self.request(Method::DELETE, path)).await
    }

    /// Makes a session and gives its id.
    pub async fn session(&self, session_type: &str) -> String {
        let body = serde_json::json!({ "title": "A room", "session_type": session_type });
        id(&self.post("/sessions", body).await.expect(201))
    }

    /// Says something and gives the message.
    pub async fn say(&self, session: &str, text: &str) -> Value {
        let path = format!("/sessions/{session}/messages");
        self.post(&path, serde_json::json!({ "content": text })).await.expect(201)
    }
}

fn id(body: &Value) -> String {
    body["id"].as_str().unwrap().to_owned()
}
