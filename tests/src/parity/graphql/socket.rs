//! A subscription on a socket of its own.

use std::sync::Arc;

use async_trait::async_trait;
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Error, Message, client::IntoClientRequest as _, http::HeaderValue},
};

use super::{
    super::{
        PATIENCE,
        canon::{Fault, tidy},
        coverage::Coverage,
        transport::Deliveries,
    },
    forms::{delivery, fault},
    subscription,
};

/// One subscription over graphql-transport-ws, on a socket of its own.
pub struct GraphQlSocket {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
    field: String,
    query: String,
    variables: Value,
    coverage: Arc<Coverage>,
    name: String,
}

impl GraphQlSocket {
    /// Subscribes.
    ///
    /// # Errors
    /// Why it was refused before the first delivery.
    pub async fn open(
        address: &str,
        token: Option<&str>,
        field: &str,
        arguments: &[(&str, Value)],
        coverage: (Arc<Coverage>, &str),
    ) -> Result<Self, Fault> {
        let mut request = format!("ws://{address}/graphql").into_client_request().unwrap();
        request.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static("graphql-transport-ws"));
        if let Some(token) = token {
            request.headers_mut().insert("authorization", HeaderValue::from_str(&format!("Bearer {token}")).unwrap());
        }
        let stream = match connect_async(request).await {
            Ok((stream, _)) => stream,
            Err(Error::Http(response)) => {
                let body: Value = serde_json::from_slice(response.body().as_deref().unwrap_or_default()).unwrap();
                // Before the upgrade it is an answer like any other over HTTP.
                let error = body["errors"].get(0);
                return Err(error.map_or_else(|| super::super::rest::fault(response.status().as_u16(), &body), fault));
            }
            Err(error) => panic!("{error}"),
        };
        let (coverage, name) = (coverage.0, coverage.1.to_owned());
        let (query, variables) = subscription(field, arguments);
        let payload = json!({ "query": query, "variables": variables });
        let mut socket = Self { stream, field: field.to_owned(), query, variables, coverage, name };
        socket.send(json!({ "type": "connection_init" })).await;
        match socket.message().await {
            Ok(ack) => assert_eq!(ack["type"], "connection_ack", "{ack}"),
            // Without a token there is no code to be told, only that of the end.
            Err(4403) if token.is_none() => {
                return Err(Fault { code: "AUTH_REQUIRED".to_owned(), details: json!({}) });
            }
            Err(code) => panic!("closed with {code}"),
        }
        socket.send(json!({ "id": "1", "type": "subscribe", "payload": payload })).await;
        Ok(socket)
    }

    async fn send(&mut self, message: Value) {
        self.stream.send(Message::text(message.to_string())).await.unwrap();
    }

    /// The next message, or the code with which the socket was closed.
    async fn message(&mut self) -> Result<Value, u16> {
        loop {
            match timeout(PATIENCE, self.stream.next()).await.expect("nothing came") {
                Some(Ok(Message::Text(text))) => {
                    let message: Value = serde_json::from_str(&text).unwrap();
                    match message["type"].as_str() {
                        Some("ping") => self.send(json!({ "type": "pong" })).await,
                        Some("pong") => {}
                        _ => return Ok(message),
                    }
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(Message::Close(Some(frame)))) => return Err(frame.code.into()),
                other => panic!("{other:?}"),
            }
        }
    }

    /// The next delivery, or the error that ended the subscription, or its end.
    pub async fn delivery(&mut self) -> Option<Result<Value, Fault>> {
        let message = self.message().await.unwrap_or_else(|code| panic!("closed with {code}"));
        match message["type"].as_str() {
            Some("next") => {
                let payload = tidy(message["payload"].clone());
                if let Some(error) = payload["errors"].get(0) {
                    return Some(Err(fault(error)));
                }
                self.coverage.answered(&self.query, &self.variables, &payload["data"], &self.name);
                Some(Ok(payload["data"][&self.field].clone()))
            }
            Some("error") => Some(Err(fault(&message["payload"][0]))),
            Some("complete") => None,
            _ => panic!("{message}"),
        }
    }

    /// Cuts the connection without a word.
    pub fn cut(self) {
        drop(self.stream);
    }
}

#[async_trait]
impl Deliveries for GraphQlSocket {
    async fn next(&mut self) -> Value {
        tidy(delivery(&self.delivery().await.expect("it ended").unwrap()))
    }

    async fn end(mut self: Box<Self>) {
        let next = self.delivery().await;
        assert!(next.is_none(), "{next:?}");
    }
}
