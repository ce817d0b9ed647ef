//! Operations about messages.

use chatcore::{
    Code, Error, Result,
    chat::PinnedMessage,
    model::{InvalidId, Message, MessageRevision, MessageWindow},
    wire::{EditMessage, SendMessage},
};
use poem::Request;
use poem_openapi::{
    OpenApi,
    param::{Header, Path, Query},
};

use super::{Api, Group, Links, idempotency_key, natural, no_idempotency_key};
use crate::{
    extract::{Bodyless, Caller, Editor, MessageParam, NoBody, PlaceParam, SessionParam, StrictJson},
    reply::{Answer, Body, Conflict, Done, Kept, OfSession, Paged, Params, Reply, Tagged},
};

pub(crate) struct Messages(pub(super) Api);

#[OpenApi(tag = "Group::Messages")]
impl Messages {
    /// Send a message
    ///
    /// For everybody in the session but viewers. A retry with the same client id and body returns the first result.
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
    ) -> Answer<Tagged<201>, (OfSession, Body, Conflict)> {
        let key = idempotency_key(request)?;
        let message = body.0.command(key)?;
        Ok(Tagged::new(self.0.chat.send(&caller.0, session_id.0.0, message).await?))
    }

    /// List a session's messages
    ///
    /// Oldest first. One of `skip`, `before` and `after` selects the page: `skip` counts from the oldest message, `before` gives the last
    /// messages before a place, `after` gives the first messages after a place. A place is a position (`seq`) of the session's log, or an
    /// RFC 3339 time. The header `Link` names the previous and the next page.
    #[oai(path = "/sessions/:session_id/messages", method = "get", operation_id = "listMessages")]
    #[expect(clippy::too_many_arguments, reason = "one for each parameter of the request")]
    async fn list(
        &self,
        request: &Request,
        caller: Caller,
        session_id: Path<SessionParam>,
        /// Number of messages to skip; 0 where not given.
        skip: Query<Option<i64>>,
        /// Maximum number of entries: 1 to 100; 50 where not given.
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

    /// Show a message
    ///
    /// The current message; without its content after a deletion. `ETag` is the revision of the message, which an edit or a deletion takes
    /// as `If-Match`.
    #[oai(path = "/sessions/:session_id/messages/:message_id", method = "get", operation_id = "getMessage")]
    async fn show(
        &self,
        caller: Caller,
        session_id: Path<SessionParam>,
        message_id: Path<MessageParam>,
    ) -> Answer<Tagged, (OfSession, Params)> {
        Ok(Tagged::new(self.0.chat.message(&caller.0, message_id.within(&session_id)?).await?))
    }

    /// Edit a message
    ///
    /// For its author, while the author may send. The message keeps its place; owners and admins can read the earlier contents. An edit to
    /// the current content changes nothing, so a retry is safe. `revision` in the body or `If-Match: "<revision>"` names the expected
    /// revision: for another current revision, the answer is 409 `REVISION_CONFLICT`.
    #[oai(path = "/sessions/:session_id/messages/:message_id", method = "put", operation_id = "editMessage")]
    async fn edit(
        &self,
        request: &Request,
        editor: Editor,
        session_id: Path<SessionParam>,
        message_id: Path<MessageParam>,
        /// The revision that the edit replaces, in double quotes; `*` for any.
        #[oai(name = "If-Match")]
        _if_match: Header<Option<String>>,
        body: StrictJson<EditMessage>,
    ) -> Answer<Tagged, (OfSession, Body, Conflict)> {
        no_idempotency_key(request)?;
        let Editor { principal, revision } = editor;
        let edit = body.0.command(revision)?;
        Ok(Tagged::new(self.0.chat.edit_message(&principal, message_id.within(&session_id)?, edit).await?))
    }

    /// Delete a message
    ///
    /// For its author, while the author may send, and for owners and admins. The message stays in its place without its content, and names
    /// the deleting user and the time. The earlier contents are deleted, too. A repeated call changes nothing.
    #[oai(path = "/sessions/:session_id/messages/:message_id", method = "delete", operation_id = "deleteMessage")]
    async fn delete(
        &self,
        request: &Request,
        editor: Editor,
        session_id: Path<SessionParam>,
        message_id: Path<MessageParam>,
        /// The revision to delete, in double quotes; `*` for any.
        #[oai(name = "If-Match")]
        _if_match: Header<Option<String>>,
        _body: Bodyless,
    ) -> Answer<Tagged, (OfSession, Body, Conflict)> {
        no_idempotency_key(request)?;
        let Editor { principal, revision } = editor;
        Ok(Tagged::new(self.0.chat.delete_message(&principal, message_id.within(&session_id)?, revision).await?))
    }

    /// List the earlier contents of a message
    ///
    /// For owners and admins. Oldest first, without the current content; empty for a message that was never edited, or was deleted.
    #[oai(
        path = "/sessions/:session_id/messages/:message_id/revisions",
        method = "get",
        operation_id = "listMessageRevisions"
    )]
    async fn revisions(
        &self,
        caller: Caller,
        session_id: Path<SessionParam>,
        message_id: Path<MessageParam>,
    ) -> Answer<Reply<Vec<MessageRevision>>, (OfSession, Params)> {
        Ok(Reply::new(self.0.chat.message_revisions(&caller.0, message_id.within(&session_id)?).await?))
    }

    /// Pin a message
    ///
    /// For owners and admins. A session has at most 50 pinned messages; deleted messages do not count. Pinning a pinned message
    /// changes nothing.
    #[oai(path = "/sessions/:session_id/messages/:message_id/pin", method = "put", operation_id = "pinMessage")]
    async fn pin(
        &self,
        request: &Request,
        caller: Caller,
        session_id: Path<SessionParam>,
        message_id: Path<MessageParam>,
        _body: NoBody,
    ) -> Answer<Done, (OfSession, Body, Conflict)> {
        no_idempotency_key(request)?;
        self.0.chat.pin_message(&caller.0, message_id.within(&session_id)?).await?;
        Ok(Done)
    }

    /// Unpin a message
    ///
    /// For owners and admins. Unpinning a message that is not pinned changes nothing.
    #[oai(path = "/sessions/:session_id/messages/:message_id/pin", method = "delete", operation_id = "unpinMessage")]
    async fn unpin(
        &self,
        request: &Request,
        caller: Caller,
        session_id: Path<SessionParam>,
        message_id: Path<MessageParam>,
        _body: Bodyless,
    ) -> Answer<Done, (OfSession, Body)> {
        no_idempotency_key(request)?;
        self.0.chat.unpin_message(&caller.0, message_id.within(&session_id)?).await?;
        Ok(Done)
    }

    /// List a session's pinned messages
    ///
    /// The newest pin first. Deleted messages are left out.
    #[oai(path = "/sessions/:session_id/pins", method = "get", operation_id = "listPins")]
    async fn pins(
        &self,
        caller: Caller,
        session_id: Path<SessionParam>,
    ) -> Answer<Reply<Vec<PinnedMessage>>, (OfSession, Params)> {
        Ok(Reply::new(self.0.chat.pins(&caller.0, session_id.0.0).await?))
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
