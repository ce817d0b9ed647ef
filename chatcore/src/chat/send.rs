//! Sending: the hot path. With cached facts it reads nothing and writes one row. The first message of a user who was added by
//! somebody else also replaces the user's record: from then on the user counts as engaged. A reply reads its thread, and writes it, too.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::{
    Chat,
    decide::{
        govern::{Known, Tried},
        review::Verdict,
        turns::OVERTAKEN,
        validate::Faults,
    },
    forwarding::Origins,
    mentions::{Addressed, Beside},
    read::{extras::Extras, view},
    spans::links,
    streamed::live::Live,
    threads::Placed,
};
use crate::{
    error::{Code, Error, Refusal, Result},
    identity::Principal,
    limits::Use,
    model::{
        ClientId, CommandName, Content, EventKind, HeldId, Message, MessageBody, MessageCommand, MessageEvent,
        MessageId, MessageStatus, MessageType, NewEvent, ParticipantId, Seq, SessionId, SpeakerRole, StreamState,
        UserId, WebhookId,
    },
    permission::Denial,
    store::{
        Change, ChatStoreExt as _, ClientIdUse, ClientIds, Conflicting, Found, Freshness, Held, LastSends, LogRange,
        OpenStreams, ParticipantRecord, Participants, StoreError, TypedKey, Write, typed,
    },
    trace::use_case,
};

/// A message to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SendMessage {
    /// The content.
    pub body: MessageBody,
    /// The sender's idempotency key, unique per user and session. A retry with the same key and the same body returns the first result; a
    /// retry without a key sends a second message.
    pub client_id: Option<ClientId>,
    /// The message that this message answers, in the same session.
    pub reply_to: Option<MessageId>,
    /// Further mentioned users, besides the users in the text: at most [`MAX_MENTIONS`](super::MAX_MENTIONS). The chat leaves out users who
    /// are not in the session.
    pub mentions: Vec<UserId>,
    /// Whether the message mentions everybody in the session.
    pub mentions_everybody: bool,
}

impl SendMessage {
    /// A message.
    #[must_use]
    pub const fn new(body: MessageBody) -> Self {
        Self { body, client_id: None, reply_to: None, mentions: Vec::new(), mentions_everybody: false }
    }

    /// A text by a person.
    pub fn text(text: impl Into<String>) -> Self {
        Self::new(MessageBody::new(Content::Text(text.into())))
    }

    /// Adds mentions of these users.
    #[must_use]
    pub fn mentioning(mut self, users: impl IntoIterator<Item = UserId>) -> Self {
        self.mentions.extend(users);
        self
    }

    /// Sets the answered message.
    #[must_use]
    pub const fn in_reply_to(mut self, message: MessageId) -> Self {
        self.reply_to = Some(message);
        self
    }

    /// Sets the client id.
    #[must_use]
    pub fn with_client_id(mut self, client_id: ClientId) -> Self {
        self.client_id = Some(client_id);
        self
    }
}

/// A message of the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostSystem {
    /// The content.
    pub content: Content,
    /// The host's idempotency key, unique per principal and session, as for [`SendMessage::client_id`].
    pub client_id: Option<ClientId>,
}

impl PostSystem {
    /// A text.
    pub fn text(text: impl Into<String>) -> Self {
        Self { content: Content::Text(text.into()), client_id: None }
    }

    /// Sets the client id.
    #[must_use]
    pub fn with_client_id(mut self, client_id: ClientId) -> Self {
        self.client_id = Some(client_id);
        self
    }
}

/// By what right a message is sent.
#[derive(Debug, Clone, Copy)]
pub(in crate::chat) enum Right {
    /// The sender may send.
    Participant,
    /// The sender may send, and is in the session by this stay.
    Stay(ParticipantId),
    /// The webhook posts into its session until it is deleted. Its author is in no session.
    Webhook(WebhookId),
    /// The host may post anywhere.
    Host,
}

/// A message that is being sent.
pub(in crate::chat) struct Saying {
    /// As the sender gave it, or the copy of a message.
    body: MessageBody,
    reply_to: Option<MessageId>,
    beside: Beside,
    right: Right,
    client_id: Option<ClientId>,
    fingerprint: Option<String>,
    /// Whether the host's message policy has seen it, or does not see it now.
    is_reviewed: bool,
}

impl Saying {
    pub(in crate::chat) fn new(message: SendMessage, right: Right) -> Result<Self> {
        let SendMessage { body, client_id, reply_to, mentions: users, mentions_everybody: everybody } = message;
        let (body, beside) = (body.given(), Beside { users, everybody });
        let fingerprint = client_id.as_ref().map(|_| fingerprint(&body, reply_to, &beside)).transpose()?;
        // No policy reviews what the host posts.
        let is_reviewed = matches!(right, Right::Host);
        Ok(Self { body, reply_to, beside, right, client_id, fingerprint, is_reviewed })
    }

    pub(super) const fn body(&self) -> &MessageBody {
        &self.body
    }

    /// A held message that a moderator has approved. A second approval, at the same time or after a crash, finds the message of the first one.
    pub(super) fn approved(session_id: SessionId, id: HeldId, held: Held) -> Result<Self> {
        let Held {
            author,
            stay,
            body,
            reply_to,
            mentions: users,
            mentions_everybody: everybody,
            client_id,
            fingerprint: given,
            reason: _,
            held_at: _,
            is_approved: _,
        } = held;
        let (reply_to, beside) = (reply_to.map(|seq| MessageId { session_id, seq }), Beside { users, everybody });
        let (client_id, fingerprint) = match client_id {
            Some(client_id) => (client_id, given),
            None => {
                let own = ClientId::new(format!("held:{id}")).map_err(|_| Error::Internal)?;
                (own, Some(fingerprint(&body, reply_to, &beside)?))
            }
        };
        let right = author.webhook().map_or(Right::Stay(stay), Right::Webhook);
        let client_id = Some(client_id);
        Ok(Self { body, reply_to, beside, right, client_id, fingerprint, is_reviewed: true })
    }

    pub(super) fn fingerprint(&self) -> Option<&str> {
        self.fingerprint.as_deref()
    }

    /// The message as it is kept for approval, without what the session and the policy say of it.
    pub(super) fn held(&self, author: UserId, stay: ParticipantId, held_at: DateTime<Utc>) -> Held {
        let Self { body, reply_to, beside, right: _, client_id, fingerprint, is_reviewed: _ } = self;
        let Beside { users, everybody } = beside.clone();
        Held {
            author,
            stay,
            body: body.clone(),
            reply_to: reply_to.map(|message| message.seq),
            mentions: users,
            mentions_everybody: everybody,
            client_id: client_id.clone(),
            fingerprint: fingerprint.clone(),
            reason: None,
            held_at,
            is_approved: false,
        }
    }

    /// A streamed message: a message that is written in parts.
    pub(super) fn streamed(message: SendMessage) -> Result<Self> {
        let saying = Self::new(message, Right::Participant)?;
        // The text is reviewed at its end. The metadata are shown before.
        let is_reviewed = saying.body.metadata.is_none();
        let body = MessageBody { stream: Some(StreamState::Streaming), ..saying.body };
        Ok(Self { body, is_reviewed, ..saying })
    }

    /// A copy of a message. A retry names the same message, whatever it says by then.
    pub(super) fn forwarding(body: MessageBody, message: MessageId, client_id: Option<ClientId>) -> Result<Self> {
        let fingerprint = client_id.as_ref().map(|_| digest(&Forwarded { forwarded: message })).transpose()?;
        let (reply_to, beside, right) = (None, Beside::default(), Right::Participant);
        Ok(Self { body, reply_to, beside, right, client_id, fingerprint, is_reviewed: false })
    }

    /// A message that invokes a command of a bot. A retry gives the same name, arguments and bot, whatever bots the session has by then.
    pub(super) fn invoking(
        text: String,
        command: Option<MessageCommand>,
        invoked: &Invoked<'_>,
        client_id: Option<ClientId>,
    ) -> Result<Self> {
        let fingerprint = client_id.as_ref().map(|_| digest(invoked)).transpose()?;
        let body = MessageBody { command, ..MessageBody::new(Content::Text(text)) };
        let (reply_to, beside, right) = (None, Beside::default(), Right::Participant);
        Ok(Self { body, reply_to, beside, right, client_id, fingerprint, is_reviewed: false })
    }

    /// The record that a client id is used.
    pub(super) fn claim(&self, session: SessionId, user: &UserId) -> Option<ClientIds> {
        self.client_id.clone().map(|client_id| ClientIds { session, user: user.clone(), client_id })
    }
}

/// What a fingerprint is made of. What is not given is left out, so that a body has one fingerprint in all versions.
#[derive(Serialize)]
struct Given<'a> {
    #[serde(flatten)]
    body: &'a MessageBody,
    #[serde(skip_serializing_if = "Option::is_none")]
    reply_to: Option<Seq>,
    #[serde(skip_serializing_if = "<[UserId]>::is_empty")]
    mentioned: &'a [UserId],
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    mentions_everybody: bool,
}

/// What the fingerprint of a command is made of, as the sender gave it.
#[derive(Serialize)]
pub(super) struct Invoked<'a> {
    pub(super) invoked: &'a CommandName,
    pub(super) arguments: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) bot_id: Option<&'a UserId>,
}

/// The refusal of a message that would have to wait for approval and cannot.
pub(super) fn refusal(detail: &'static str) -> Error {
    Error::RefusedByHost(Refusal::new(Code::RefusedByHost.as_str(), detail))
}

/// What the fingerprint of a copy is made of.
#[derive(Serialize)]
struct Forwarded {
    forwarded: MessageId,
}

fn digest(given: &impl Serialize) -> Result<String> {
    let bytes = serde_json::to_vec(given).map_err(|_| Error::Internal)?;
    Ok(Sha256::digest(bytes).iter().take(16).map(|byte| format!("{byte:02x}")).collect())
}

/// Tells whether two uses of a client id mean the same message.
fn fingerprint(body: &MessageBody, reply_to: Option<MessageId>, beside: &Beside) -> Result<String> {
    let Beside { users: mentioned, everybody: mentions_everybody } = beside;
    let reply_to = reply_to.map(|message| message.seq);
    digest(&Given { body, reply_to, mentioned, mentions_everybody: *mentions_everybody })
}

/// The write that makes the sender engaged; `None` where the sender is already.
fn engagement(known: &Known, right: Right) -> Option<Write> {
    match right {
        Right::Participant | Right::Stay(_) => {
            let record = known.actor.as_deref().filter(|record| !record.is_engaged)?.clone();
            let key = Participants { session: record.session_id, user: record.user_id.clone() };
            Some(key.put(ParticipantRecord { is_engaged: true, ..record }))
        }
        Right::Webhook(_) | Right::Host => None,
    }
}

impl Chat {
    /// Sends a message. After the return, the message is as durable as the store, and the delivery to readers has begun.
    ///
    /// # Errors
    /// [`Error::Invalid`] for content outside of the limits, [`Denied`](Error::Denied) when the caller may not send,
    /// [`ClientIdReused`](Error::ClientIdReused) when the client id stands for a different message, [`RateLimited`](Error::RateLimited)
    /// when slow mode requires the caller to wait. For a reply, [`MessageNotFound`](Error::MessageNotFound) for an answered message that
    /// does not exist or that the caller does not see, and [`MessageDeleted`](Error::MessageDeleted) for a deleted message.
    /// [`LimitExceeded`](Error::LimitExceeded) for a mention of everybody in a session with more than
    /// [`MAX_EVERYBODY`](super::MAX_EVERYBODY) participants.
    pub async fn send(&self, principal: &Principal, id: SessionId, message: SendMessage) -> Result<Message> {
        use_case!("send", id, async move {
            self.enter(principal, Use::Message).await?;
            let mut faults = Faults::default();
            faults.message(&message.body, &self.inner.limits);
            faults.reply(message.reply_to, id);
            faults.mentions(&message.mentions);
            faults.finish()?;
            self.say(principal, id, Saying::new(message, Right::Participant)?).await
        })
    }

    /// Posts a message of the type [`System`](MessageType::System), in a session that exists and is not deleted. This function is for the
    /// host alone: no frontend offers the function, and neither the permission table nor the [`Policy`](super::Policy) checks the call.
    ///
    /// The principal is the author of the message. The principal need not be in the session. A host uses an id that no user can have, for
    /// example `Principal::new(UserId::new("system")?).with_name("System")`.
    ///
    /// # Errors
    /// [`Error::Invalid`] for content outside of the limits, [`Denied`](Error::Denied) with [`Hidden`](crate::permission::Denial::Hidden)
    /// for an unknown or deleted session, [`ClientIdReused`](Error::ClientIdReused) when the client id stands for a different message.
    pub async fn post_system(&self, principal: &Principal, id: SessionId, post: PostSystem) -> Result<Message> {
        use_case!("post_system", id, async move {
            self.enter(principal, Use::Free).await?;
            let PostSystem { content, client_id } = post;
            let mut faults = Faults::default();
            faults.content(&content, &self.inner.limits);
            faults.finish()?;
            let (role, message_type) = (SpeakerRole::System, MessageType::System);
            let body = MessageBody { role, message_type, ..MessageBody::new(content) };
            let message = SendMessage { client_id, ..SendMessage::new(body) };
            self.say(principal, id, Saying::new(message, Right::Host)?).await
        })
    }

    /// Facts on which a message may be sent.
    pub(super) async fn sendable(
        &self,
        id: SessionId,
        principal: &Principal,
        saying: &Saying,
        freshness: Freshness,
    ) -> Result<Known> {
        let stay = match saying.right {
            Right::Host => return self.active(id, &principal.user_id, freshness).await,
            Right::Webhook(webhook) => {
                return Box::pin(self.postable((id, webhook), principal, &saying.body, freshness)).await;
            }
            Right::Participant => None,
            Right::Stay(stay) => Some(stay),
        };
        let tried = || Tried::sending(&saying.body);
        let is_of =
            |known: &Known| stay.is_none_or(|stay| known.actor.as_deref().is_some_and(|record| record.id == stay));
        // The bot of a command is a part of the decision, so that no command follows the removal of its bot.
        let is_heard = |known: &Known| saying.body.command.is_none() || known.has_active_target();
        let mut known = self.allowed(id, principal, tried(), freshness).await?;
        if freshness == Freshness::Cached && !(is_of(&known) && is_heard(&known)) {
            // Cached facts may be of before the stay, or before the bot came.
            known = self.allowed(id, principal, tried(), Freshness::Fresh).await?;
        }
        if !is_of(&known) {
            return Err(Error::Denied(Denial::NotParticipant));
        }
        if !is_heard(&known) {
            return Err(Error::CommandNotFound);
        }
        self.may_write_to(principal, &known).await?;
        Ok(known)
    }

    pub(in crate::chat) async fn say(
        &self,
        principal: &Principal,
        id: SessionId,
        mut saying: Saying,
    ) -> Result<Message> {
        let user = &principal.user_id;
        let claim = saying.claim(id, user).map(|claim| {
            let used = ClientIdUse { seq: None, fingerprint: saying.fingerprint.clone() };
            claim.put(used).absent()
        });
        // Before the commit, because an error after it would say that nothing was changed.
        let sender = self.inner.profiles.one(user).await?;
        let (mut freshness, mut gate) = (Freshness::Cached, None);
        for turn in 0..self.inner.limits.commit_attempts {
            let mut known = self.sendable(id, principal, &saying, freshness).await?;
            // Before the gate, since no other message waits for a review.
            if self.has_message_policy()
                && !saying.is_reviewed
                && let Some(sent) = Box::pin(self.reviewed(principal, &known, &mut saying)).await?
            {
                return Ok(sent);
            }
            if gate.is_none() && (turn >= OVERTAKEN || engagement(&known, saying.right).is_some()) {
                // A change of a record makes others stale. So first messages wait for each other, as joins do.
                gate = Some(self.inner.gates.pass(id).await);
                known = self.sendable(id, principal, &saying, Freshness::Fresh).await?;
            }
            if gate.is_none() && saying.reply_to.is_some() {
                // It changes the record of its thread, as a deletion does.
                gate = self.turn_at_gate(id, turn).await;
            }
            let now = self.inner.clock.now();
            let place = match saying.reply_to {
                None => None,
                Some(to) => {
                    match Box::pin(self.place(to, (user, &saying.body), (known.sight()?, freshness), now)).await? {
                        Placed::At(place) => Some(*place),
                        Placed::Unknown => {
                            freshness = Freshness::Fresh;
                            continue;
                        }
                        // A retry gets its first result, whatever became of the message that it answers.
                        Placed::Refused(error) => return Box::pin(self.sent_or(principal, id, &saying, error)).await,
                    }
                }
            };
            let addressed = match saying.right {
                Right::Webhook(_) | Right::Host => Addressed::default(),
                // A copy mentions nobody.
                Right::Participant | Right::Stay(_) if saying.body.origin.is_some() => Addressed::default(),
                Right::Participant | Right::Stay(_) => {
                    match self.addressed(principal, &known, &saying.body.content, &saying.beside, None).await {
                        // A denial is never given from cached facts.
                        Err(Error::Denied(_)) if freshness == Freshness::Cached => {
                            freshness = Freshness::Fresh;
                            continue;
                        }
                        addressed => addressed?,
                    }
                }
            };
            let place = match place {
                Some(place) => Some(Box::pin(self.with_named(place, id, user, &addressed)).await?),
                None => None,
            };
            let entries = addressed.entries(user, now.max(known.head.at), id);
            let links = links(&saying.body.content);
            let reply = place.as_ref().map(|place| place.reply);
            let body = MessageBody { reply, mentions: addressed.mentions, links, ..saying.body.clone() };
            let sent = MessageEvent::Sent { body, client_id: saying.client_id.clone(), status: MessageStatus::AsSent };
            let kind = EventKind::Message(sent);
            let pace = match saying.right {
                Right::Participant | Right::Stay(_) => self.paced(&known, user, now).await,
                // A webhook has a rate of its own.
                Right::Webhook(_) | Right::Host => Ok(None),
            };
            let pace = match pace {
                // A retry of a message that was sent is no second one.
                Err(limited @ Error::RateLimited { .. }) => {
                    return Box::pin(self.sent_or(principal, id, &saying, limited)).await;
                }
                pace => pace?,
            };
            let opening = if saying.body.is_streaming() {
                // Two beginnings at once would only make each other fail. After the gate of a thread, as at the end of a message.
                let gate = self.inner.stream_gates.pass(id).await;
                match Box::pin(self.opening(id, user, now, gate)).await {
                    Err(limit @ Error::LimitExceeded { .. }) => {
                        return Box::pin(self.sent_or(principal, id, &saying, limit)).await;
                    }
                    opening => Some(opening?),
                }
            } else {
                None
            };
            let event = NewEvent { actor: user.clone(), created_at: now, kind };
            let thread = place.iter().flat_map(|place| place.writes.clone());
            let writes = engagement(&known, saying.right)
                .into_iter()
                .chain(claim.clone())
                .chain(thread)
                .chain(entries)
                .chain(pace)
                .chain(opening.iter().flat_map(|opening| opening.writes.clone()))
                .collect();
            let change = Change::of(id, known.head.seq, vec![event], writes);
            let version = change.id;
            match self.inner.store.commit(change).await {
                Ok(committed) => {
                    #[cfg(feature = "metrics")]
                    self.inner.sends.increment(1);
                    let begun = committed.events.first().map(|event| MessageId { session_id: id, seq: event.seq });
                    if let (Some(opening), Some(begun)) = (opening, begun) {
                        self.inner.streams.keep(begun, Live::begun(opening.record, version));
                    }
                    let followers = place.map_or_else(Vec::new, |place| place.followers(id));
                    drop(gate);
                    self.tell(id, &committed.events).await;
                    self.tell_followers(&followers).await;
                    self.end_typing(id, user).await;
                    let event = committed.events.first().ok_or(Error::Internal)?;
                    let message = view::message(event, sender).ok_or(Error::Internal)?;
                    // The sender has just seen where a copy comes from.
                    return Ok(Extras { origins: Origins::of_copy(event), ..Extras::default() }.shown_in(message));
                }
                Err(StoreError::Stale) => freshness = Freshness::Fresh,
                // The sender has sent another message meanwhile, or another message began or ended that is written in parts.
                Err(StoreError::Conflict { found: Conflicting::Record { key, record: _ } })
                    if key.table == LastSends::TABLE || key.table == OpenStreams::TABLE => {}
                Err(StoreError::Conflict { found: Conflicting::Record { key, record } })
                    if key.table == ClientIds::TABLE =>
                {
                    let used = typed::<ClientIdUse>(record)?.ok_or(Error::Internal)?;
                    return Box::pin(self.sent_before(principal, id, &saying, &used)).await;
                }
                // The thread was changed, or a message was deleted.
                Err(StoreError::Conflict { found: _ }) if place.is_some() => freshness = Freshness::Fresh,
                Err(error) => return Err(error.into()),
            }
        }
        tracing::warn!(session = %id, "a message stayed stale");
        Err(Error::Unavailable)
    }

    /// Has the host's message policy review a message, and changes the message as the policy says. `None` where the message goes on; a message
    /// for a retry of one that was sent; an error where the message does not pass.
    async fn reviewed(&self, principal: &Principal, known: &Known, saying: &mut Saying) -> Result<Option<Message>> {
        saying.is_reviewed = true;
        let session = known.session.as_ref().ok_or(Error::Internal)?;
        let error = match self.review(principal, session, &saying.body, false).await? {
            Verdict::Allow => return Ok(None),
            // A streamed message has no text yet, and nobody sees it before it begins.
            Verdict::Change(_) if saying.body.is_streaming() => return Ok(None),
            Verdict::Hold(_) if saying.body.is_streaming() => {
                refusal("a moderator would have to approve this message; a message in parts cannot wait")
            }
            Verdict::Change(content) => {
                let mut faults = Faults::default();
                faults.content_beside(&content, !saying.body.attachments.is_empty(), &self.inner.limits);
                faults.finish()?;
                saying.body.content = content;
                return Ok(None);
            }
            Verdict::Hold(reason) => {
                match self.sent_or(principal, session.id, saying, Error::MessageHeld).await {
                    Err(Error::MessageHeld) => {}
                    sent => return sent.map(Some),
                }
                if !self.has_reviewer(known, &principal.user_id).await? {
                    return Err(refusal("this message needs an approval, and nobody else can approve messages here"));
                }
                self.keep_held(known, principal, saying, reason).await?;
                return Err(Error::MessageHeld);
            }
            Verdict::Refuse(refusal) => Error::RefusedByHost(refusal),
        };
        self.sent_or(principal, session.id, saying, error).await.map(Some)
    }

    /// The first result of a send that was tried again; an error where it is tried for the first time.
    pub(super) async fn sent_or(
        &self,
        principal: &Principal,
        id: SessionId,
        saying: &Saying,
        error: Error,
    ) -> Result<Message> {
        let claim = saying.claim(id, &principal.user_id);
        let used = if let Some(claim) = claim { self.inner.store.get(&claim).await? } else { None };
        match used {
            Some(used) => self.sent_before(principal, id, saying, &used).await,
            None => Err(error),
        }
    }

    /// The first result of a send that was tried again.
    async fn sent_before(
        &self,
        principal: &Principal,
        session_id: SessionId,
        saying: &Saying,
        used: &Found<ClientIdUse>,
    ) -> Result<Message> {
        // A deleted message has no fingerprint, and is the result of each retry.
        if used.value.fingerprint.is_some() && used.value.fingerprint != saying.fingerprint {
            return Err(Error::ClientIdReused);
        }
        let seq = used.value.seq.unwrap_or(used.at);
        let is_seen = |known: &Known| match saying.right {
            Right::Participant | Right::Stay(_) => known.sight().is_ok_and(|sight| sight.sees(seq)),
            // They are in no session, and see what they posted.
            Right::Webhook(_) | Right::Host => true,
        };
        // The retry is authorised afresh: a cached permission is good for a commit, which notices when it no longer
        // holds, and not for showing what is there.
        let known = self.sendable(session_id, principal, saying, Freshness::Fresh).await?;
        if !is_seen(&known) {
            return Err(Error::MessageNotFound);
        }
        let found = self.inner.store.log(&[LogRange { session_id, from: seq, to: seq }]).await?;
        let event = found.iter().flatten().next().ok_or(Error::Internal)?;
        let extras = self.extras(principal, &[std::slice::from_ref(event)]).await?;
        if event.revised.max(extras.written([&**event])) > known.head.seq {
            let known = self.sendable(session_id, principal, saying, Freshness::Fresh).await?;
            if !is_seen(&known) {
                return Err(Error::MessageNotFound);
            }
        }
        // A newer version may have given it a content that this one does not know.
        let message = view::message(event, self.inner.profiles.one(&principal.user_id).await?);
        message.map(|message| extras.shown_in(message)).ok_or(Error::Unavailable)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_has_the_fingerprint_that_earlier_versions_gave_it() -> Result<()> {
        let body = MessageBody::new(Content::Text("hello".to_owned()));
        // Of the text {"role":"user","message_type":"text","content":"hello"}.
        let nobody = Beside::default();
        assert_eq!(fingerprint(&body, None, &nobody)?, "c0294991cdd1cdd362ace8ce2364b0f2");
        let message = MessageId { session_id: SessionId(uuid::Uuid::nil()), seq: 7 };
        assert_ne!(fingerprint(&body, Some(message), &nobody)?, fingerprint(&body, None, &nobody)?);
        let bob = Beside { users: vec![UserId::from_stored("bob")?], everybody: false };
        let all = Beside { users: Vec::new(), everybody: true };
        for other in [bob, all] {
            assert_ne!(fingerprint(&body, None, &other)?, fingerprint(&body, None, &nobody)?);
        }
        Ok(())
    }
}
