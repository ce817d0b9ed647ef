//! Sending: the hot path. With cached facts it reads nothing and writes one row. The first message of a user who was added by
//! somebody else also replaces the user's record: from then on the user counts as engaged.

use sha2::{Digest, Sha256};

use super::{
    Chat,
    decide::{
        govern::{Known, Tried},
        validate::Faults,
    },
    read::{extras::Extras, view},
};
use crate::{
    error::{Error, Result},
    identity::Principal,
    limits::Use,
    model::{
        ClientId, Content, EventKind, Message, MessageBody, MessageEvent, MessageStatus, MessageType, NewEvent,
        SessionId, SpeakerRole,
    },
    store::{
        Change, ClientIdUse, ClientIds, Conflicting, Freshness, LastSends, LogRange, ParticipantRecord, Participants, Record,
        StoreError, TypedKey, Write, typed,
    },
    trace::use_case,
};

/// What to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SendMessage {
    /// What.
    pub body: MessageBody,
    /// The sender's own name for it, unique per user and session. A retry with the same one and the same body gives the
    /// first result again; without one, a retry is a second message.
    pub client_id: Option<ClientId>,
}

impl SendMessage {
    /// A text by a person.
    pub fn text(text: impl Into<String>) -> Self {
        let content = Content::Text(text.into());
        Self {
            body: MessageBody { role: SpeakerRole::User, message_type: MessageType::Text, content },
            client_id: None,
        }
    }

    /// The same with a client id.
    #[must_use]
    pub fn with_client_id(mut self, client_id: ClientId) -> Self {
        self.client_id = Some(client_id);
        self
    }
}

/// What the host says in a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostSystem {
    /// What.
    pub content: Content,
    /// The host's own name for it, unique per principal and session, as for [`SendMessage::client_id`].
    pub client_id: Option<ClientId>,
}

impl PostSystem {
    /// A text.
    pub fn text(text: impl Into<String>) -> Self {
        Self { content: Content::Text(text.into()), client_id: None }
    }

    /// The same with a client id.
    #[must_use]
    pub fn with_client_id(mut self, client_id: ClientId) -> Self {
        self.client_id = Some(client_id);
        self
    }
}

/// By what right a message is sent.
#[derive(Debug, Clone, Copy)]
enum Right {
    /// The sender may send.
    Participant,
    /// The host may post anywhere.
    Host,
}

/// Tells whether two uses of a client id mean the same message.
fn fingerprint(body: &MessageBody) -> Result<String> {
    let bytes = serde_json::to_vec(body).map_err(|_| Error::Internal)?;
    Ok(Sha256::digest(bytes).iter().take(16).map(|byte| format!("{byte:02x}")).collect())
}

/// The write that makes the sender engaged; `None` where the sender is already.
fn engagement(known: &Known, right: Right) -> Option<Write> {
    match right {
        Right::Participant => {
            let record = known.actor.as_deref().filter(|record| !record.is_engaged)?.clone();
            let key = Participants { session: record.session_id, user: record.user_id.clone() };
            Some(key.put(ParticipantRecord { is_engaged: true, ..record }))
        }
        Right::Host => None,
    }
}

impl Chat {
    /// Says something. When this returns, the message is as durable as the store, and readers are being told.
    ///
    /// # Errors
    /// [`Error::Invalid`] for content outside of the limits, [`Denied`](Error::Denied) when the caller may not send,
    /// [`ClientIdReused`](Error::ClientIdReused) when the client id stands for a different message, [`RateLimited`](Error::RateLimited) when
    /// the session has slow mode and the caller has to wait.
    pub async fn send(&self, principal: &Principal, id: SessionId, message: SendMessage) -> Result<Message> {
        use_case!("send", id, async move {
            self.enter(principal, Use::Message).await?;
            let SendMessage { body, client_id } = message;
            let mut faults = Faults::default();
            faults.message(&body, &self.inner.limits);
            faults.finish()?;
            self.say(principal, id, body, client_id, Right::Participant).await
        })
    }

    /// Posts a message of the type [`System`](MessageType::System), in a session that exists and is not deleted. This is for
    /// the host alone: no frontend offers it, and it asks neither the permission table nor the [`Policy`](super::Policy).
    ///
    /// The principal is the account in whose name the message stands. It need not be in the session. A host takes one with an
    /// id that no user can have, like `Principal::new(UserId::new("system")?).with_name("System")`.
    ///
    /// # Errors
    /// [`Error::Invalid`] for content outside of the limits, [`Denied`](Error::Denied) with
    /// [`Hidden`](crate::permission::Denial::Hidden) when there is no such session, or it was deleted,
    /// [`ClientIdReused`](Error::ClientIdReused) when the client id stands for a different message.
    pub async fn post_system(&self, principal: &Principal, id: SessionId, post: PostSystem) -> Result<Message> {
        use_case!("post_system", id, async move {
            self.enter(principal, Use::Free).await?;
            let PostSystem { content, client_id } = post;
            let mut faults = Faults::default();
            faults.content(&content, &self.inner.limits);
            faults.finish()?;
            let body = MessageBody { role: SpeakerRole::System, message_type: MessageType::System, content };
            self.say(principal, id, body, client_id, Right::Host).await
        })
    }

    /// Facts on which a message may be sent.
    async fn sendable(
        &self,
        id: SessionId,
        principal: &Principal,
        body: &MessageBody,
        right: Right,
        freshness: Freshness,
    ) -> Result<Known> {
        match right {
            Right::Participant => self.allowed(id, principal, Tried::sending(body), freshness).await,
            Right::Host => self.active(id, &principal.user_id, freshness).await,
        }
    }

    async fn say(
        &self,
        principal: &Principal,
        id: SessionId,
        body: MessageBody,
        client_id: Option<ClientId>,
        right: Right,
    ) -> Result<Message> {
        let user = &principal.user_id;
        let fingerprint = client_id.as_ref().map(|_| fingerprint(&body)).transpose()?;
        let claim = client_id.clone().map(|client_id| {
            let used = ClientIdUse { seq: None, fingerprint: fingerprint.clone() };
            ClientIds { session: id, user: user.clone(), client_id }.put(used).absent()
        });
        // Before the commit, because an error after it would say that nothing was changed.
        let sender = self.inner.profiles.one(user).await?;
        let (mut freshness, mut gate) = (Freshness::Cached, None);
        for _ in 0..self.inner.limits.commit_attempts {
            let mut known = self.sendable(id, principal, &body, right, freshness).await?;
            if gate.is_none() && engagement(&known, right).is_some() {
                // A change of a record makes others stale. So first messages wait for each other, as joins do.
                gate = Some(self.inner.gates.pass(id).await);
                known = self.sendable(id, principal, &body, right, Freshness::Fresh).await?;
            }
            let sent =
                MessageEvent::Sent { body: body.clone(), client_id: client_id.clone(), status: MessageStatus::AsSent };
            let kind = EventKind::Message(sent);
            let now = self.inner.clock.now();
            let pace = match right {
                Right::Participant => self.paced(&known, user, now).await,
                Right::Host => Ok(None),
            };
            let pace = match (pace, &claim) {
                // A retry of a message that was sent is no second one.
                (Err(limited @ Error::RateLimited { .. }), Some(claim)) => {
                    match self.inner.store.records(std::slice::from_ref(&claim.key)).await?.pop().flatten() {
                        Some(used) => return self.sent_once(principal, id, &body, right, used, fingerprint).await,
                        None => return Err(limited),
                    }
                }
                (pace, _) => pace?,
            };
            let event = NewEvent { actor: user.clone(), created_at: now, kind };
            let writes = engagement(&known, right).into_iter().chain(claim.clone()).chain(pace).collect();
            let change = Change::of(id, known.head.seq, vec![event], writes);
            match self.inner.store.commit(change).await {
                Ok(committed) => {
                    #[cfg(feature = "metrics")]
                    self.inner.sends.increment(1);
                    drop(gate);
                    self.tell(id, &committed.events).await;
                    let event = committed.events.first().ok_or(Error::Internal)?;
                    let message = view::message(event, sender).ok_or(Error::Internal)?;
                    return Ok(Extras::default().shown_in(message));
                }
                Err(StoreError::Stale) => freshness = Freshness::Fresh,
                // The sender has sent another message meanwhile.
                Err(StoreError::Conflict { found: Conflicting::Record { key, record: _ } })
                    if key.table.name == LastSends::TABLE.name => {}
                Err(StoreError::Conflict { found: Conflicting::Record { key: _, record } }) => {
                    let used = record.ok_or(Error::Internal)?;
                    return self.sent_once(principal, id, &body, right, used, fingerprint).await;
                }
                Err(error) => return Err(error.into()),
            }
        }
        tracing::warn!(session = %id, "a message stayed stale");
        Err(Error::Unavailable)
    }

    /// The first result of a send whose client id is used, where that was the same send.
    async fn sent_once(
        &self,
        principal: &Principal,
        id: SessionId,
        body: &MessageBody,
        right: Right,
        used: Record,
        fingerprint: Option<String>,
    ) -> Result<Message> {
        let used = typed::<ClientIdUse>(Some(used))?.ok_or(Error::Internal)?;
        // A deleted message has no fingerprint, and is the result of each retry.
        if used.value.fingerprint.is_some() && used.value.fingerprint != fingerprint {
            return Err(Error::ClientIdReused);
        }
        self.sent_before(principal, id, body, right, used.value.seq.unwrap_or(used.at)).await
    }

    /// The first result of a send that was tried again.
    async fn sent_before(
        &self,
        principal: &Principal,
        session_id: SessionId,
        body: &MessageBody,
        right: Right,
        seq: u64,
    ) -> Result<Message> {
        // The retry is authorised afresh: a cached permission is good for a commit, which notices when it no longer
        // holds, and not for showing what is there.
        let known = self.sendable(session_id, principal, body, right, Freshness::Fresh).await?;
        let found = self.inner.store.log(&[LogRange { session_id, from: seq, to: seq }]).await?;
        let event = found.iter().flatten().next().ok_or(Error::Internal)?;
        let extras = self.extras(&principal.user_id, &[std::slice::from_ref(event)]).await?;
        if event.revised.max(extras.written([&**event])) > known.head.seq {
            self.sendable(session_id, principal, body, right, Freshness::Fresh).await?;
        }
        // A newer version may have given it a content that this one does not know.
        let message = view::message(event, self.inner.profiles.one(&principal.user_id).await?);
        message.map(|message| extras.shown_in(message)).ok_or(Error::Unavailable)
    }
}
