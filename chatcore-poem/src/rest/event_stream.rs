//! A subscription as server-sent events (WHATWG HTML, section 9.2).

use std::sync::Arc;

use bytes::Bytes;
use chatcore::{
    Chat, Principal, Result,
    chat::{Delivery, Encoding, EventView, Notices, Outlet, SignalView, Start},
    model::{Notice, SessionId},
    trace::RequestSpan,
    wire::{NoticeFrame, event_name, signal_name},
};
use chatcore_http::{EventQueue, Expiry, Sockets, Transport};
use futures_util::{StreamExt as _, stream};
use poem::{Body, Response, web::sse::Event};

use crate::frame::{Outgoing, encode, encoded};

/// How long a client may wait before it comes back, in milliseconds.
const RETRY: u64 = 2_000;

/// The kinds of deliveries that a stream brings.
pub(super) struct Asked {
    pub(super) id: SessionId,
    pub(super) start: Start,
    pub(super) shows_presence: bool,
}

/// Subscribes. The stream ends with the subscription, or when the server does.
pub(super) async fn open(
    chat: &Chat,
    sockets: &Sockets,
    (notices, span): (Option<Notices>, Option<RequestSpan>),
    principal: &Principal,
    Asked { id, start, shows_presence }: Asked,
) -> Result<Response> {
    let mut subscription = chat.subscribe(principal, id, start).await?;
    let own_signals = chat.own_signals(principal).await;
    let places = (sockets.take_for(&principal.user_id)?, sockets.take(Transport::EventStream)?, chat.device(principal));
    if shows_presence {
        subscription.show_presence().await;
    }
    // The position is told before anything happens, so that who loses the connection until then does not miss it.
    let position = Event::message("").id(subscription.after().to_string());
    let start = format!("{}{position}", Event::retry(RETRY));
    let queue = sockets.event_queue(principal.expires_at.map(|end| Expiry::new(end, chat.clock())));
    subscription.expires_elsewhere();
    subscription.deliver_to(Arc::new(Direct(queue.clone())));
    let sockets = sockets.clone();
    if let Some(span) = &span {
        span.transport("events");
    }
    let stopping = Box::pin(async move { sockets.stopping().await });
    let events = own_signals.beside(subscription.map(move |delivery| bytes_of(id, delivery)), |view| of_signal(&view));
    let events = Box::pin(events);
    let events = match notices {
        Some(notices) => notices.beside(events, |notice| of_notice(&notice)).boxed(),
        None => events.boxed(),
    };
    let mut events = stream::iter([Bytes::from(start)]).chain(events).take_until(stopping);
    let events = stream::poll_fn(move |context| {
        // Given back when the stream is dropped.
        let _ = &places;
        match &span {
            Some(span) => span.poll(|| events.poll_next_unpin(context)),
            None => events.poll_next_unpin(context),
        }
    });
    let body = queue.body(events).map(Ok::<_, std::io::Error>);
    Ok(Response::builder()
        .content_type("text/event-stream")
        .header("X-Accel-Buffering", "no")
        .body(Body::from_bytes_stream(body)))
}

/// Queues what comes to a reader that is in step.
struct Direct(EventQueue);

impl Outlet for Direct {
    fn take_events(&self, events: &[Arc<EventView>]) -> usize {
        self.0.try_send(events.iter().map(|view| view.encoded::<StreamEvent>()))
    }

    fn take_signal(&self, signal: &Arc<SignalView>) -> bool {
        self.0.try_send([signal].map(|signal| of_signal(signal))) == 1
    }
}

/// The encoding of events for event streams. Its data is the WebSocket's frame.
struct StreamEvent;

impl Encoding for StreamEvent {
    type Output = Bytes;

    fn encode(view: &EventView) -> Bytes {
        let id = view.event.cursor().to_string();
        bytes(&Event::message(encoded(view).as_str()).event_type(event_name(&view.event.kind)).id(id))
    }
}

fn bytes(event: &Event) -> Bytes {
    event.to_string().into()
}

/// Signals have no id: they cannot be gone on from.
fn of_signal(view: &SignalView) -> Bytes {
    bytes(&Event::message(encode(view)).event_type(signal_name(&view.signal)))
}

fn of_notice(notice: &Notice) -> Bytes {
    bytes(&Event::message(encode(&NoticeFrame::from(notice))).event_type(NoticeFrame::NAME))
}

fn bytes_of(session_id: SessionId, delivery: Result<Delivery>) -> Bytes {
    match delivery {
        Ok(Delivery::Event(view)) => view.encoded::<StreamEvent>(),
        Ok(Delivery::Signal(view)) => of_signal(&view),
        Err(error) => {
            let frame = Outgoing::ended(session_id, &error);
            bytes(&Event::message(encode(&frame)).event_type(frame.name()))
        }
    }
}
