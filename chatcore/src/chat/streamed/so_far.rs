//! The texts of messages that are being written, for readers that come in the middle.
//!
//! The row of such a message has no text, so what a reader is shown is added for the reader. It may be younger than the facts on which the
//! reader was let in, so the reader is decided on again after the text was read.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use super::text_of;
use crate::{
    chat::{
        Chat,
        read::view::{self, EventView, SignalView},
    },
    error::Result,
    model::{Content, Event, EventKind, MessageBody, MessageEvent, MessageId, Signal, UserId},
    permission::Action,
    store::{ChatStoreExt as _, Freshness, LogRange, StreamedTexts},
};

/// The texts so far of messages that are being written.
#[derive(Default)]
pub(in crate::chat) struct Texts(HashMap<MessageId, String>);

impl Texts {
    /// The body of a message with its text so far.
    pub(in crate::chat) fn shown_in(&self, id: MessageId, body: MessageBody) -> MessageBody {
        match self.0.get(&id) {
            Some(text) if body.is_streaming() => MessageBody { content: Content::Text(text.clone()), ..body },
            Some(_) | None => body,
        }
    }
}

/// The message that an event is, where it is being written.
pub(in crate::chat) fn streaming(row: &Event) -> Option<MessageId> {
    let EventKind::Message(MessageEvent::Sent { body, .. }) = &row.kind else { return None };
    body.is_streaming().then_some(MessageId { session_id: row.session_id, seq: row.seq })
}

impl Chat {
    /// The texts so far of those of the rows that are being written, where the user may still view their sessions. Other rows read nothing.
    pub(in crate::chat) async fn texts_so_far<'a>(
        &self,
        user: &UserId,
        rows: impl Iterator<Item = &'a Event>,
    ) -> Result<Texts> {
        let ids: HashSet<MessageId> = rows.filter_map(streaming).collect();
        if ids.is_empty() {
            return Ok(Texts::default());
        }
        let mut texts = HashMap::with_capacity(ids.len());
        let mut elsewhere: Vec<StreamedTexts> = Vec::new();
        for id in ids {
            match self.inner.streams.text(id) {
                Some(text) => drop(texts.insert(id, text)),
                None => elsewhere.push(text_of(id)),
            }
        }
        let found = if elsewhere.is_empty() { Vec::new() } else { self.inner.store.get_all(&elsewhere).await? };
        for (StreamedTexts { session: session_id, message: seq }, found) in elsewhere.into_iter().zip(found) {
            texts.extend(found.map(|found| (MessageId { session_id, seq }, found.value.text.clone())));
        }
        let sessions: BTreeSet<_> = texts.keys().map(|id| id.session_id).collect();
        let viewed = self.still_viewable(user, sessions.iter().copied()).await?;
        let viewed: HashSet<_> =
            sessions.into_iter().zip(viewed).filter(|(_, viewed)| viewed.is_ok()).map(|(id, _)| id).collect();
        texts.retain(|id, _| viewed.contains(&id.session_id));
        Ok(Texts(texts))
    }

    /// Events with the texts so far of the messages among them that are being written.
    pub(in crate::chat) async fn with_texts(
        &self,
        user: &UserId,
        views: Vec<Arc<EventView>>,
    ) -> Result<Vec<Arc<EventView>>> {
        let texts = self.texts_so_far(user, views.iter().map(|view| &*view.event)).await?;
        let shown = |view: Arc<EventView>| match streaming(&view.event) {
            Some(id) => Arc::new(view.with_body(|body| texts.shown_in(id, body))),
            None => view,
        };
        Ok(views.into_iter().map(shown).collect())
    }

    /// The text so far of a message of which a reader may have missed parts, as one part; `None` where there is none.
    pub(in crate::chat) async fn part_so_far(
        &self,
        user: &UserId,
        author: Option<UserId>,
        id: MessageId,
    ) -> Result<Option<Arc<SignalView>>> {
        let MessageId { session_id, seq: message } = id;
        let text = match self.inner.streams.text(id) {
            Some(text) => Some(text),
            None => self.inner.store.get(&text_of(id)).await?.map(|found| found.value.text.clone()),
        };
        let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(None) };
        let known = self.known(session_id, user, None, Freshness::Fresh).await?;
        let may_view = self.inner.permissions.decide(&known.facts(), Action::View).is_ok();
        if !may_view || !known.sight()?.sees(message) {
            return Ok(None);
        }
        let author = match author {
            Some(author) => author,
            None => {
                let range = LogRange { session_id, from: message, to: message };
                let rows = self.inner.store.log(&[range]).await?;
                let Some(row) = rows.into_iter().flatten().find(|row| streaming(row).is_some()) else {
                    return Ok(None);
                };
                row.actor.clone()
            }
        };
        let signal = Signal::MessagePart { session_id, message, user_id: author, offset: 0, text };
        Ok(Some(Arc::new(view::signal_view(&*self.inner.store, &self.inner.profiles, signal).await?)))
    }
}
