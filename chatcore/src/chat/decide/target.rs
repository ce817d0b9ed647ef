//! A message that something is to be done to, with the facts on which it is allowed.

use std::sync::Arc;

use super::{
    govern::Known,
    policy::Operation,
    scope::{may, reaches},
};
use crate::chat::{
    Chat,
    read::batch::{go_on, hidden_message, only},
};
use crate::{
    error::{Error, Result},
    identity::Principal,
    model::{
        ClientId, Event, EventKind, MessageBody, MessageEvent, MessageId, MessageStatus, MessageType, Seq, UserId,
    },
    permission::{Action, Denial},
    store::{Freshness, LogRange},
};

/// A message with the facts on which something was allowed.
pub(in crate::chat) struct Target {
    pub(in crate::chat) known: Known,
    pub(in crate::chat) freshness: Freshness,
    pub(in crate::chat) event: Arc<Event>,
    pub(in crate::chat) body: MessageBody,
    pub(in crate::chat) client_id: Option<ClientId>,
    pub(in crate::chat) status: MessageStatus,
}

impl Target {
    pub(in crate::chat) fn id(&self) -> MessageId {
        MessageId { session_id: self.event.session_id, seq: self.event.seq }
    }

    /// Whether the user is the author. The server is the author of system messages.
    pub(in crate::chat) fn is_of(&self, user: &UserId) -> bool {
        self.event.actor == *user && self.body.message_type != MessageType::System
    }

    /// Whether the row may be shown: the facts include the change that wrote it.
    pub(in crate::chat) fn may_be_shown(&self) -> bool {
        match self.freshness {
            Freshness::Fresh => self.event.revised <= self.known.head.seq,
            Freshness::Cached => false,
        }
    }
}

impl Chat {
    /// Asks the host's policy about an action on a message, whose sender is the target. `body` is the message as it would be.
    pub(in crate::chat) async fn permit_on(
        &self,
        principal: &Principal,
        target: &Target,
        action: Action,
        body: Option<&MessageBody>,
    ) -> Result<()> {
        if !self.must_permit(principal) {
            return Ok(());
        }
        let (session, participant) = (target.known.session()?, target.known.actor.as_deref());
        let target = Some(&target.event.actor);
        self.permit(principal, Operation::InSession { session, participant, action, target, body }).await
    }

    /// Decides again whether the caller views a message that was rewritten after the first decision. `upto` is the last position of all else
    /// that was read of the message.
    pub(in crate::chat) async fn still_shows(&self, principal: &Principal, target: &Target, upto: Seq) -> Result<()> {
        let read = (target.known.sight()?, target.event.revised.max(upto));
        only(self.decided_upto(&principal.user_id, [read]).await?).map_err(hidden_message)
    }

    /// A message with facts on which the action is allowed, given whether the caller is the author. What cached facts deny is
    /// decided again on fresh ones.
    pub(in crate::chat) async fn target(
        &self,
        principal: &Principal,
        id: MessageId,
        freshness: Freshness,
        action: impl Fn(bool) -> Action,
    ) -> Result<Target> {
        match (self.target_as_of(principal, id, freshness, &action).await, freshness) {
            (Err(Error::Denied(_) | Error::MessageNotFound), Freshness::Cached) => {
                self.target_as_of(principal, id, Freshness::Fresh, &action).await
            }
            (found, Freshness::Cached | Freshness::Fresh) => found,
        }
    }

    async fn target_as_of(
        &self,
        principal: &Principal,
        id: MessageId,
        freshness: Freshness,
        action: &impl Fn(bool) -> Action,
    ) -> Result<Target> {
        only(self.targets(principal, &[id], freshness, action).await?)
    }

    /// Messages with facts on which the action is allowed, in the order of the ids. An id may stand there more than once.
    pub(in crate::chat) async fn targets(
        &self,
        principal: &Principal,
        ids: &[MessageId],
        freshness: Freshness,
        action: &impl Fn(bool) -> Action,
    ) -> Result<Vec<Result<Target>>> {
        let (user, permissions) = (&principal.user_id, &self.inner.permissions);
        let known = self.each_known(user, ids.iter().map(|id| id.session_id), freshness).await?;
        let there = |(MessageId { session_id, seq }, known): (&MessageId, Result<Known>)| {
            let known = known?;
            match permissions.decide(&known.facts(), Action::View) {
                Ok(()) => {}
                // An id must not tell whether there is such a session.
                Err(Denial::Hidden) => return Err(Error::MessageNotFound),
                Err(denial) => return Err(denial.into()),
            }
            reaches(principal, *session_id)?;
            if !known.sight()?.sees(*seq) {
                return Err(Error::MessageNotFound);
            }
            Ok((LogRange { session_id: *session_id, from: *seq, to: *seq }, known))
        };
        let there: Vec<_> = ids.iter().zip(known).map(there).collect();
        let ranges: Vec<LogRange> = there.iter().flatten().map(|(range, _)| *range).collect();
        let rows = if ranges.is_empty() { Vec::new() } else { self.inner.store.log(&ranges).await? };
        Ok(go_on(there, rows, |(_, known), rows| {
            let event = rows.into_iter().next().ok_or(Error::MessageNotFound)?;
            let EventKind::Message(MessageEvent::Sent { body, client_id, status }) = &event.kind else {
                return Err(Error::MessageNotFound);
            };
            let (body, client_id, status) = (body.clone(), client_id.clone(), status.clone());
            let target = Target { known, freshness, event, body, client_id, status };
            let action = action(target.is_of(user));
            permissions.decide(&target.known.facts(), action)?;
            may(principal, target.event.session_id, action)?;
            Ok(target)
        }))
    }
}
