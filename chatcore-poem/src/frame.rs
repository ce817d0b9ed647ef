//! Frames from the server, which are the same in WebSockets, event streams and pages of events.

use chatcore::{
    Error,
    chat::{Encoding, EventPage, EventView},
    model::{Cursor, SessionId},
    wire::ErrorData,
};
use chatcore_http::tungstenite::Utf8Bytes;
use serde::Serialize;
use serde_json::Value;

/// A frame that answers a client, or tells the end of a subscription.
#[derive(Debug, Serialize)]
pub(crate) struct Outgoing<D> {
    event: &'static str,
    /// The id of the client's frame that this answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<Value>,
    /// The position in the session's log, for answers that tell one.
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<u64>,
    /// The same position with its epoch: what a client gives as `after` to continue.
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<Cursor>,
    data: D,
}

/// The data of an error that ends a subscription.
#[derive(Debug, Serialize)]
pub(crate) struct EndData<'a> {
    #[serde(flatten)]
    error: ErrorData<'a>,
    session_id: SessionId,
}

impl<D> Outgoing<D> {
    pub(crate) fn ack(id: Option<Value>, cursor: Option<Cursor>, data: D) -> Self {
        Self { event: "ack", id, seq: cursor.map(|cursor| cursor.seq), cursor, data }
    }

    pub(crate) const fn name(&self) -> &'static str {
        self.event
    }
}

impl<'a> Outgoing<ErrorData<'a>> {
    pub(crate) fn error(id: Option<Value>, error: &'a Error) -> Self {
        Self { event: "error", id, seq: None, cursor: None, data: ErrorData::from(error) }
    }
}

impl<'a> Outgoing<EndData<'a>> {
    /// A subscription ended for another reason than that the right to read did.
    pub(crate) fn ended(session_id: SessionId, error: &'a Error) -> Self {
        let data = EndData { error: ErrorData::from(error), session_id };
        Self { event: "error", id: None, seq: None, cursor: None, data }
    }
}

/// A frame as text.
pub(crate) fn encode(frame: &impl Serialize) -> String {
    // Frames have texts for keys and no numbers that JSON lacks: there is nothing in them that could fail.
    serde_json::to_string(frame).unwrap_or_default()
}

/// The frame of an event as text. It is encoded once for all readers of the process, whichever way they read.
pub(crate) fn encoded(view: &EventView) -> Utf8Bytes {
    view.encoded::<Frame>()
}

/// The encoding of events as frames.
struct Frame;

impl Encoding for Frame {
    type Output = Utf8Bytes;

    fn encode(view: &EventView) -> Utf8Bytes {
        encode(view).into()
    }
}

/// A page of events as JSON, of events that are encoded already.
pub(crate) fn event_page(page: &EventPage) -> String {
    let events: Vec<Utf8Bytes> = page.events.iter().map(|view| encoded(view)).collect();
    let events: Vec<&str> = events.iter().map(Utf8Bytes::as_str).collect();
    format!("{{\"events\":[{}],\"head\":{}}}", events.join(","), page.head.seq)
}
