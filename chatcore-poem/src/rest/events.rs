//! A session's log: in pages, by long polling, or as a stream.

use std::time::Duration;

use chatcore::{
    Code, Error, Principal, Result,
    chat::{EventPage, Start},
    model::{Cursor, SessionId},
};
use chatcore_http::{Transport, span_of};
use futures_util::FutureExt as _;
use poem::Request;
use poem_openapi::{
    OpenApi,
    param::{Header, Path, Query},
};
use tokio::time::sleep;

use super::{Api, Group, Links, event_stream, natural, one_header};
use crate::{
    extract::{CursorParam, Form, Listener, SessionParam},
    frame::event_page,
    reply::{Answer, Events as EventsReply, OfSession, Params, Streams},
    state::State,
};

pub(crate) struct Events(pub(super) Api);

/// What of a log is asked for.
struct Asked {
    start: Start,
    limit: Option<u64>,
    wait: Option<u64>,
}

#[OpenApi(tag = "Group::Events")]
impl Events {
    /// Follow a session's events
    ///
    /// As a page, oldest first; with `wait`, an empty page waits for new events. The header `Link` always names the next page. With
    /// `Accept: text/event-stream`, the answer is a live stream of server-sent events. Each event is the same object as a frame of the
    /// WebSocket.
    #[oai(path = "/sessions/:session_id/events", method = "get", operation_id = "listEvents")]
    #[expect(clippy::too_many_arguments, reason = "one for each parameter of the request")]
    async fn list(
        &self,
        request: &Request,
        listener: Listener,
        session_id: Path<SessionParam>,
        /// The position or the cursor after which to begin; where not given, a page begins with the first event, and a stream begins now.
        after: Query<Option<CursorParam>>,
        /// Maximum number of events in a page: 1 to 100; 50 where not given.
        limit: Query<Option<i64>>,
        /// Number of seconds for which an empty page waits for new events: 0 to 60; 0 where not given.
        wait: Query<Option<i64>>,
        /// Whether a stream has presence signals; `false` where not given.
        presence: Query<Option<bool>>,
        /// The cursor after which a stream continues, with precedence over `after`.
        #[oai(name = "Last-Event-ID")]
        _last_event_id: Header<Option<String>>,
        /// The token of a stream whose client cannot send the header `Authorization`.
        #[oai(name = "token")]
        _token: Query<Option<String>>,
    ) -> Answer<EventsReply, (OfSession, Params, Streams)> {
        let Listener { principal, form } = listener;
        let (id, after) = (session_id.0.0, after.0.map(|CursorParam(cursor)| cursor).transpose()?);
        let asked = Asked {
            start: Start::or_beginning(after),
            limit: natural("limit", limit.0)?,
            wait: self.wait(natural("wait", wait.0)?)?,
        };
        match form {
            Form::Page => {
                let (body, next) = self.page(&principal, id, asked).await?;
                let link = Links::of(request).with("next", "after", Some(next)).value();
                Ok(EventsReply::Page { body, link })
            }
            Form::Stream => {
                let start = Start::or_now(last_event_id(request)?.or(after));
                let notices = State::of(request)?.notices().await;
                let span = span_of(request).cloned();
                let of = event_stream::Asked { id, start, shows_presence: presence.0.unwrap_or_default() };
                let stream = event_stream::open(&self.0.chat, &self.0.sockets, (notices, span), &principal, of).await?;
                Ok(EventsReply::Stream(stream))
            }
        }
    }
}

impl Events {
    fn wait(&self, wait: Option<u64>) -> Result<Option<u64>> {
        let longest = self.0.sockets.options().longest_wait.as_secs();
        if wait.is_some_and(|wait| wait > longest) {
            let message = format!("at most {longest} seconds");
            return Err(Error::invalid("wait", Code::ValidationInvalidValue, message));
        }
        Ok(wait)
    }

    /// A page as its body, and the cursor after which to continue.
    async fn page(&self, principal: &Principal, id: SessionId, asked: Asked) -> Result<(String, Cursor)> {
        let Asked { start, limit, wait } = asked;
        let mut page = self.0.chat.events(principal, id, start, limit).await?;
        if page.events.is_empty()
            && let Some(seconds @ 1..) = wait
        {
            let most = limit.unwrap_or(u64::from(self.0.chat.limits().page_default));
            page = self.news(principal, id, page.next(), most, Duration::from_secs(seconds)).await?;
        }
        let next = page.next();
        Ok((event_page(&page), next))
    }

    /// The first events after the end of the log, as soon as there are some; none when the time is up or the server ends.
    async fn news(
        &self,
        principal: &Principal,
        id: SessionId,
        after: Cursor,
        most: u64,
        wait: Duration,
    ) -> Result<EventPage> {
        let mut subscription = self.0.chat.subscribe(principal, id, after).await?;
        let _places = (self.0.sockets.take_for(&principal.user_id)?, self.0.sockets.take(Transport::LongPoll)?);
        let _device = self.0.chat.device(principal);
        let first = tokio::select! {
            first = subscription.next_event() => first.transpose()?,
            () = sleep(wait) => None,
            () = self.0.sockets.stopping() => None,
        };
        let mut events: Vec<_> = first.into_iter().collect();
        // What came with it goes along; an error comes again with the next request.
        while (1..most).contains(&(events.len() as u64))
            && let Some(Some(Ok(event))) = subscription.next_event().now_or_never()
        {
            events.push(event);
        }
        let head = events.last().map_or(after, |view| view.event.cursor());
        Ok(EventPage { after, events, head })
    }
}

/// Where a stream that broke off is to go on. It is read here and not by the extractor, to which a header that is no number is as
/// good as none: what came meanwhile would be lost.
fn last_event_id(request: &Request) -> Result<Option<Cursor>> {
    let no_position = |_| Error::malformed("Last-Event-ID", "a cursor, or a position in the session's log");
    match one_header(request, "Last-Event-ID")? {
        None | Some("") => Ok(None),
        Some(text) => text.parse().map(Some).map_err(no_position),
    }
}
