//! Operations about messages.

use chatcore::{
    Code, Error, Result,
    model::{InvalidId, Message, MessageWindow},
    wire::SendMessage,
};
use poem::Request;
use poem_openapi::{
    OpenApi,
    param::{Header, Path, Query},
};

use super::{Api, Group, Links, idempotency_key, natural};
use crate::{
    extract::{Caller, PlaceParam, SessionParam, StrictJson},
    reply::{Answer, Body, Conflict, Kept, OfSession, Paged, Params, Reply},
};

pub(crate) struct Messages(pub(super) Api);

#[OpenApi(tag = "Group::Messages")]
impl Messages {
    /// Send a message
    ///
    /// For everybody in the session but viewers. A retry with the same client id and body gives the first result again.
    #[oai(path = "/sessions/:session_id/messages", method = "post", operation_id = "sendMessage")]
    async fn send(
        &self,
        request: &Request,
        caller: Caller,
        session_id: Path<SessionParam>,
        /// The client id, where the body has none.
        #[oai(name = "Idempotency-Key")]
        _idempotency_key: Header<Option<String>>,
        body: StrictJson<SendMessage>,
    ) -> Answer<Reply<Message, 201>, (OfSession, Body, Conflict)> {
        let key = idempotency_key(request)?;
        let message = body.0.command(key)?;
        Ok(Reply::new(self.0.chat.send(&caller.0, session_id.0.0, message).await?))
    }

    /// List a session's messages
    ///
    /// Oldest first. One of `skip`, `before` and `after` says where to begin: `skip` counts from the oldest, `before`
    /// gives the last ones before a place, `after` the first ones after it. A place is a position (`seq`) of the session's
    /// log, or an RFC 3339 time. The header `Link` tells the neighbours.
    #[oai(path = "/sessions/:session_id/messages", method = "get", operation_id = "listMessages")]
    #[expect(clippy::too_many_arguments, reason = "one for each parameter of the request")]
    async fn list(
        &self,
        request: &Request,
        caller: Caller,
        session_id: Path<SessionParam>,
        /// How many to leave out; 0 where not given.
        skip: Query<Option<i64>>,
        /// How many at the most: 1 to 100; 50 where not given.
        limit: Query<Option<i64>>,
        /// The place before which to end.
        before: Query<Option<PlaceParam>>,
        /// The place after which to begin.
        after: Query<Option<PlaceParam>>,
    ) -> Answer<Paged<Vec<Message>>, (OfSession, Params, Kept)> {
        let limit = natural("limit", limit.0)?;
        let window = window(natural("skip", skip.0)?, before.0, after.0)?;
        let page = self.0.chat.messages(&caller.0, session_id.0.0, window, limit).await?;
        let links = Links::of(request).with("prev", "before", page.previous).with("next", "after", page.next);
        Ok(Paged::linked(page.messages, links.value()))
    }
}

fn window(skip: Option<u64>, before: Option<PlaceParam>, after: Option<PlaceParam>) -> Result<MessageWindow> {
    match (skip, before, after) {
        (skip, None, None) => Ok(MessageWindow::Skip(skip.unwrap_or(0))),
        (None, Some(PlaceParam(place)), None) => place.map(MessageWindow::Before).map_err(no_place("before")),
        (None, None, Some(PlaceParam(place))) => place.map(MessageWindow::After).map_err(no_place("after")),
        _ => {
            let message = "give only one of skip, before and after";
            Err(Error::invalid("skip", Code::ValidationInvalidValue, message))
        }
    }
}

fn no_place(name: &'static str) -> impl Fn(InvalidId) -> Error {
    move |error| Error::malformed(name, error.expected)
}
