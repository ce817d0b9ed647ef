//! A client of the server's own API.

use std::{
    fs,
    io::Write,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::Path,
};

use reqwest::{Method, Response, StatusCode, Url, header};
use serde_json::Value;

use crate::config::Failure;

pub(crate) struct Client {
    http: reqwest::Client,
    server: String,
    token: String,
}

/// The address of a server that listens here. One that listens on all addresses is reached on this machine's own.
pub(crate) fn address(listen: SocketAddr) -> String {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    format!("http://{}", SocketAddr::new(ip, listen.port()))
}

/// A text as a segment of a path (RFC 3986, section 3.3).
pub(super) fn segment(text: &str) -> String {
    let escaped = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'~' => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    text.bytes().map(escaped).collect()
}

/// Prints a text.
pub(super) fn print(to: &mut impl Write, text: &str) -> Result<(), Failure> {
    to.write_all(text.as_bytes()).and_then(|()| to.flush()).map_err(|error| format!("cannot print: {error}").into())
}

impl Client {
    /// The server's own certificate, where it is in a file here, is trusted beside those that the machine trusts.
    pub(crate) fn new(server: String, token: String, certificate: Option<&Path>) -> Result<Self, Failure> {
        let url = Url::parse(&server).map_err(|error| format!("--server {server}: {error}"))?;
        let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
        let is_here = host == "localhost" || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
        if url.scheme() != "https" && !is_here {
            return Err(format!("--server {server}: a token goes to another machine over https only").into());
        }
        // A proxy of the environment must not see the token.
        let mut http = reqwest::Client::builder().no_proxy();
        if let Some(file) = certificate {
            let text = fs::read(file).map_err(|error| format!("--tls-cert: {}: {error}", file.display()))?;
            http = http.tls_certs_merge(reqwest::Certificate::from_pem_bundle(&text)?);
        }
        let http = http.build()?;
        Ok(Self { http, server: server.trim_end_matches('/').to_owned(), token })
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, String)],
        body: Option<&Value>,
    ) -> Result<Response, Failure> {
        let mut url =
            Url::parse(&format!("{}{path}", self.server)).map_err(|error| format!("{}: {error}", self.server))?;
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let mut request = self.http.request(method, url).bearer_auth(&self.token);
        if let Some(body) = body {
            request = request.header(header::CONTENT_TYPE, "application/json").body(body.to_string());
        }
        request.send().await.map_err(|error| {
            let why = if error.is_connect() { "no server runs there" } else { "the server does not answer" };
            format!("{}: {why}; start chat-server first, or name another server with --server", self.server).into()
        })
    }

    /// What an answer says; an error where it is a problem (RFC 9457).
    async fn read(&self, answer: Response) -> Result<Value, Failure> {
        let status = answer.status();
        let text = answer.text().await?;
        let body: Value = serde_json::from_str(&text).unwrap_or_default();
        if status.is_success() {
            return Ok(body);
        }
        let told = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (code, detail) = (told("code"), told("detail"));
        if status == StatusCode::UNAUTHORIZED {
            return Err(format!(
                "{} has another secret: give the same --data, --secret-file or CHAT_SECRET",
                self.server
            )
            .into());
        }
        if code.is_empty() {
            return Err(format!("{} answered {status}; it is no chat-server with this operation", self.server).into());
        }
        let fields = body.pointer("/details/fields").and_then(Value::as_array).into_iter().flatten();
        let field = |field: &Value| {
            let text = |name: &str| field.get(name).and_then(Value::as_str).unwrap_or_default();
            format!("; {}: {}", text("field"), text("message"))
        };
        let fields: String = fields.map(field).collect();
        Err(format!("{detail} ({code}){fields}").into())
    }

    pub(super) async fn get(&self, path: &str, query: &[(&str, String)]) -> Result<Value, Failure> {
        let answer = self.ask(Method::GET, path, query, None).await?;
        self.read(answer).await
    }

    /// What is at a path; `None` where there is nothing.
    pub(super) async fn find(&self, path: &str) -> Result<Option<Value>, Failure> {
        let answer = self.ask(Method::GET, path, &[], None).await?;
        // An id that cannot be one is a user name at the most.
        if [StatusCode::NOT_FOUND, StatusCode::BAD_REQUEST].contains(&answer.status()) {
            return Ok(None);
        }
        self.read(answer).await.map(Some)
    }

    /// A page of a list, with the place after which the next one begins.
    pub(super) async fn page(
        &self,
        path: &str,
        query: &[(&str, String)],
    ) -> Result<(Vec<Value>, Option<String>), Failure> {
        let answer = self.ask(Method::GET, path, query, None).await?;
        let link = answer.headers().get(header::LINK).and_then(|link| link.to_str().ok());
        let link = link.and_then(|link| link.strip_prefix('<')?.split('>').next()).map(str::to_owned);
        let next = link.and_then(|link| {
            let url = Url::parse(&self.server).ok()?.join(&link).ok()?;
            url.query_pairs().find(|(name, _)| name == "after").map(|(_, value)| value.into_owned())
        });
        match self.read(answer).await? {
            Value::Array(entries) => Ok((entries, next)),
            _ => Err("the server answered without a list".into()),
        }
    }

    pub(super) async fn send(&self, method: &str, path: &str, body: &Value) -> Result<Value, Failure> {
        let answer = self.ask(Method::from_bytes(method.as_bytes())?, path, &[], Some(body)).await?;
        self.read(answer).await
    }

    /// Copies an answer while it comes.
    pub(crate) async fn copy(
        &self,
        path: &str,
        query: &[(&str, String)],
        to: &mut impl Write,
        mut on_part: impl FnMut(usize),
    ) -> Result<(), Failure> {
        let mut answer = self.ask(Method::GET, path, query, None).await?;
        if !answer.status().is_success() {
            return self.read(answer).await.map(|_| ());
        }
        let mut bytes = 0;
        while let Some(part) = answer
            .chunk()
            .await
            .map_err(|error| format!("{} sent {bytes} bytes and no end: {error}; its log may say why", self.server))?
        {
            to.write_all(&part).map_err(|error| format!("cannot write: {error}"))?;
            bytes += part.len();
            on_part(part.len());
        }
        to.flush().map_err(|error| format!("cannot write: {error}").into())
    }
}
