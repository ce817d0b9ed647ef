//! A client of event streams.

use std::time::Duration;

use eventsource_stream::{Event, Eventsource as _};
use futures_util::{StreamExt as _, stream::BoxStream};
use reqwest::{Method, RequestBuilder};
use serde_json::Value;
use tokio::time::timeout;

use crate::Client;

/// How long anything that must come may take, on a slow machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// An open event stream.
pub struct Events {
    stream: BoxStream<'static, Result<Event, String>>,
    /// What `EventSource` would send as `Last-Event-ID`; the position at the beginning counts once something has come.
    pub last_id: String,
}

impl Client {
    /// A request for a session's events as a stream; `query` goes behind the path.
    pub fn stream_of(&self, session: &str, query: &str) -> RequestBuilder {
        let path = format!("/sessions/{session}/events{query}");
        self.request(Method::GET, &path).header("Accept", "text/event-stream")
    }
}

impl Events {
    /// Opens one; gives the status where that is refused.
    pub async fn open(request: RequestBuilder) -> Result<Self, u16> {
        let response = request.send().await.unwrap();
        if response.status() != 200 {
            return Err(response.status().as_u16());
        }
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        let stream = response.bytes_stream().eventsource().map(|event| event.map_err(|error| error.to_string()));
        Ok(Self { stream: stream.boxed(), last_id: String::new() })
    }

    /// The next event, as the frame in its data, whose name and position must be the event's own.
    pub async fn next(&mut self) -> Value {
        let event = timeout(PATIENCE, self.stream.next()).await.expect("nothing came").expect("it ended").unwrap();
        let frame: Value = serde_json::from_str(&event.data).unwrap();
        assert_eq!(frame["event"], event.event, "{frame}");
        if let Some(seq) = frame["seq"].as_u64() {
            assert_eq!(event.id, frame["cursor"].as_str().unwrap());
            assert!(event.id.starts_with(&format!("{seq}-")), "{frame}");
        } else if !self.last_id.is_empty() {
            assert_eq!(event.id, self.last_id, "{frame} is not in the log and must not move the position");
        }
        self.last_id = event.id;
        frame
    }

    /// The next event, which must have this name.
    pub async fn expect(&mut self, event: &str) -> Value {
        let frame = self.next().await;
        assert_eq!(frame["event"], event, "{frame}");
        frame
    }

    /// Passes over what still comes, and shows that the stream then ends, whole and not cut.
    pub async fn drained(mut self) {
        while let Some(event) = timeout(PATIENCE, self.stream.next()).await.expect("it did not end") {
            event.unwrap();
        }
    }

    /// Shows that the stream ends here, whole and not cut.
    pub async fn ended(mut self) {
        let end = timeout(PATIENCE, self.stream.next()).await.expect("it did not end");
        assert_eq!(end, None);
    }
}
