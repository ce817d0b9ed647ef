//! Forwarding: a message that the caller may read is said again in another session, with its origin.
//!
//! The row of a copy names the session that it comes from. Who may not view that session must not learn of it, so the place is added for each
//! reader, and no event has it.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use super::{Chat, decide::history::Sight, messages::is_deleted, send::Saying};
use crate::{
    error::{Code, Error, Result},
    identity::Principal,
    limits::Use,
    model::{
        ClientId, Content, Event, EventKind, Message, MessageBody, MessageEvent, MessageId, MessageType, Origin, Seq,
        SessionId,
    },
    permission::Action,
    store::Freshness,
    trace::use_case,
};

/// The places that messages were forwarded from, as far as a reader may know them.
#[derive(Default)]
pub(in crate::chat) struct Origins(HashMap<(SessionId, Seq), MessageId>);

impl Origins {
    /// The place that a copy was forwarded from.
    pub(in crate::chat) fn of_copy(row: &Event) -> Self {
        Self(place(row).map(|place| ((row.session_id, row.seq), place)).into_iter().collect())
    }

    /// The origin of a message with its place, where the reader may know it.
    pub(in crate::chat) fn of(&self, message: &Message) -> Option<Origin> {
        let place = self.0.get(&(message.session_id, message.seq)).copied();
        message.body.origin.clone().map(|origin| Origin { message: place, ..origin })
    }
}

/// The place that a row was forwarded from.
fn place(row: &Event) -> Option<MessageId> {
    let EventKind::Message(MessageEvent::Sent { body, .. }) = &row.kind else { return None };
    body.origin.as_ref()?.message
}

impl Chat {
    /// The places that the rows of pages were forwarded from, where the reader sees them. Rows that are no copies read nothing.
    pub(in crate::chat) async fn origins(&self, principal: &Principal, pages: &[&[Arc<Event>]]) -> Result<Origins> {
        let placed = |row: &Arc<Event>| Some(((row.session_id, row.seq), place(row)?));
        let placed: HashMap<_, _> = pages.iter().flat_map(|page| page.iter()).filter_map(placed).collect();
        if placed.is_empty() {
            return Ok(Origins::default());
        }
        let seen = self.seen_places(principal, placed.values().copied().collect()).await?;
        Ok(Origins(placed.into_iter().filter(|(_, place)| seen.contains(place)).collect()))
    }

    /// Those of the places that a reader sees.
    pub(in crate::chat) async fn seen_places(
        &self,
        principal: &Principal,
        places: HashSet<MessageId>,
    ) -> Result<HashSet<MessageId>> {
        let ids: BTreeSet<SessionId> = places.iter().map(|place| place.session_id).collect();
        if ids.is_empty() {
            return Ok(places);
        }
        let viewed = self.viewable(principal, ids.iter().copied()).await?;
        let sights: HashMap<SessionId, Sight> =
            ids.into_iter().zip(viewed).filter_map(|(id, viewed)| Some((id, viewed.ok()?.sight))).collect();
        let sees = |place: &MessageId| sights.get(&place.session_id).is_some_and(|sight| sight.sees(place.seq));
        Ok(places.into_iter().filter(sees).collect())
    }

    /// Forwards a message into a session in which the caller may send, and returns the copy, which names the origin. The copy has the
    /// speaker, the content and the attachments, mentions nobody, and cannot be edited. A copy of a copy names the first message.
    ///
    /// # Errors
    /// [`MessageNotFound`](Error::MessageNotFound) as for [`message`](Self::message); [`Denied`](Error::Denied) when the caller may not view
    /// the message or may not send in the session; [`MessageDeleted`](Error::MessageDeleted);
    /// [`MessageStreaming`](Error::MessageStreaming) before the end of a streamed message; [`Invalid`](Error::Invalid) for encrypted
    /// content, whose key belongs to its session; [`ClientIdReused`](Error::ClientIdReused) when the client id stands for a different
    /// message.
    pub async fn forward_message(
        &self,
        principal: &Principal,
        id: MessageId,
        to: SessionId,
        client_id: Option<ClientId>,
    ) -> Result<Message> {
        use_case!("forward_message", to, async move {
            self.enter(principal, Use::Message).await?;
            let target = self.target(principal, id, Freshness::Fresh, |_| Action::View).await?;
            self.permit_on(principal, &target, Action::View, None).await?;
            self.still_shows(principal, &target, 0).await?;
            let body = copy(&target.event, &target.body, id);
            let saying = Saying::forwarding(body, id, client_id.clone())?;
            let refusal = match &target.body.content {
                _ if is_deleted(&target.event) => Some(Error::MessageDeleted),
                _ if target.body.is_streaming() => Some(Error::MessageStreaming),
                Content::Encrypted(_) => {
                    let message = "encrypted content can be read in its own session only; decrypt it and send it";
                    Some(Error::invalid("message_id", Code::ValidationInvalidValue, message))
                }
                Content::Text(_) | Content::Deleted => None,
            };
            match refusal {
                Some(error) => self.sent_or(principal, to, &saying, error).await,
                None => self.say(principal, to, saying).await,
            }
        })
    }
}

/// The copy of a message.
fn copy(event: &Event, body: &MessageBody, id: MessageId) -> MessageBody {
    let first = || Origin { message: Some(id), author: event.actor.clone(), sent_at: event.created_at };
    let origin = Some(body.origin.clone().unwrap_or_else(first));
    // Only the server says what is of the system.
    let message_type = if body.message_type == MessageType::System { MessageType::Text } else { body.message_type };
    let MessageBody { role, content, attachments, .. } = body.clone();
    MessageBody { role, message_type, attachments, origin, ..MessageBody::new(content) }
}
