//! A subscription as server-sent events (WHATWG HTML, section 9.2).

use chatcore::{
    Chat, Principal, Result,
    chat::{Delivery, Start},
    model::SessionId,
    wire::{event_name, signal_name},
};
use chatcore_http::Sockets;
use futures_util::{StreamExt as _, stream};
use poem::web::sse::{Event, SSE};

use crate::frame::{Outgoing, encode, encoded};

/// How long a client may wait before it comes back, in milliseconds.
const RETRY: u64 = 2_000;

/// Subscribes. The stream ends with the subscription, or when the server does.
pub(super) async fn open(
    chat: &Chat,
    sockets: &Sockets,
    principal: &Principal,
    id: SessionId,
    start: Start,
) -> Result<SSE> {
    let subscription = chat.subscribe(principal, id, start).await?;
    let places = (sockets.take_for(&principal.user_id)?, sockets.take()?);
    // The position is told before anything happens, so that who loses the connection until then does not miss it.
    let start = [Event::retry(RETRY), Event::message("").id(subscription.after().to_string())];
    let sockets = sockets.clone();
    let heartbeat = sockets.options().heartbeat;
    let stopping = async move { sockets.stopping().await };
    let events = stream::iter(start)
        .chain(subscription.map(move |delivery| event_of(id, delivery)))
        .take_until(stopping)
        .map(move |event| {
            // Given back when the stream is dropped.
            let _ = &places;
            event
        });
    Ok(SSE::new(events).keep_alive(heartbeat))
}

/// Its data is the WebSocket's frame. Signals have no id: they cannot be gone on from.
fn event_of(session_id: SessionId, delivery: Result<Delivery>) -> Event {
    match delivery {
        Ok(Delivery::Event(view)) => {
            let id = view.event.cursor().to_string();
            Event::message(encoded(&view).as_str()).event_type(event_name(&view.event.kind)).id(id)
        }
        Ok(Delivery::Signal(view)) => Event::message(encode(&*view)).event_type(signal_name(&view.signal)),
        Err(error) => message(&Outgoing::ended(session_id, &error)),
    }
}

fn message(frame: &Outgoing) -> Event {
    Event::message(encode(frame)).event_type(frame.name())
}
