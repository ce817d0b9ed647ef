//! Operations about receipts, and about the caller's own settings.

use chatcore::{
    model::{DeliveryState, MessageDelivery, MessageReceipt, UserSettings},
    wire::{AcknowledgeDelivery, SetUserSettings},
};
use poem::Request;
use poem_openapi::{
    OpenApi,
    param::{Path, Query},
};

use super::{Api, Group, listed, no_idempotency_key, page};
use crate::{
    extract::{Caller, MessageParam, ParticipantParam, SessionParam, StrictJson},
    reply::{Answer, Body, Conflict, Kept, OfSession, Paged, Params, Reply},
};

pub(crate) struct Receipts(pub(super) Api);

#[OpenApi(tag = "Group::Messages")]
impl Receipts {
    /// Acknowledge the delivery of a session
    ///
    /// A device of the caller has received everything up to a position of the session's log. The position only moves forward: an earlier
    /// position changes nothing. A client may acknowledge each message. The call marks nothing as read.
    #[oai(path = "/sessions/:session_id/delivery", method = "put", operation_id = "acknowledgeDelivery")]
    async fn acknowledge(
        &self,
        request: &Request,
        caller: Caller,
        session_id: Path<SessionParam>,
        body: StrictJson<AcknowledgeDelivery>,
    ) -> Answer<Reply<DeliveryState>, (OfSession, Body, Kept)> {
        no_idempotency_key(request)?;
        Ok(Reply::new(self.0.chat.acknowledge_delivery(&caller.0, session_id.0.0, body.0.seq).await?))
    }

    /// List the receipts for a message
    ///
    /// One for each participant of the session, in the order of joining. Values that the caller may not see are `false`: for a participant
    /// who sends no receipts, in a session without receipts, and with a block between the caller and the participant. `read` is also
    /// `false` for a caller who sends no receipts. The header `Link` names the next page.
    #[oai(
        path = "/sessions/:session_id/messages/:message_id/receipts",
        method = "get",
        operation_id = "listMessageReceipts"
    )]
    #[expect(clippy::too_many_arguments, reason = "one for each parameter of the request")]
    async fn list(
        &self,
        request: &Request,
        caller: Caller,
        session_id: Path<SessionParam>,
        message_id: Path<MessageParam>,
        /// The id of the participant (not of the user) after which the list begins. The participant may have left.
        after: Query<Option<ParticipantParam>>,
        /// Number of entries to skip where `after` is not given; 0 where not given.
        skip: Query<Option<i64>>,
        /// Maximum number of entries: 1 to 100; 50 where not given.
        limit: Query<Option<i64>>,
    ) -> Answer<Paged<Vec<MessageReceipt>>, (OfSession, Params, Conflict)> {
        let page = page(after.0.map(|ParticipantParam(id)| id), skip.0, limit.0)?;
        let id = message_id.within(&session_id)?;
        Ok(listed(self.0.chat.message_receipts(&caller.0, id, page).await?, request))
    }

    /// Show the delivery status of a message
    ///
    /// `SENT`; `DELIVERED` where a device of an addressee has received the message; `READ` where an addressee has read the message. With
    /// the numbers of the addressees, as the caller may see them. In a session with more than 500 participants, the first 500 are counted,
    /// and `is_exact` is `false`.
    #[oai(
        path = "/sessions/:session_id/messages/:message_id/delivery",
        method = "get",
        operation_id = "getMessageDelivery"
    )]
    async fn delivery(
        &self,
        caller: Caller,
        session_id: Path<SessionParam>,
        message_id: Path<MessageParam>,
    ) -> Answer<Reply<MessageDelivery>, (OfSession, Conflict)> {
        Ok(Reply::new(self.0.chat.message_delivery(&caller.0, message_id.within(&session_id)?).await?))
    }

    /// Show the caller's own settings
    ///
    /// The settings apply to all sessions of the caller. No other user sees these settings.
    #[oai(path = "/settings", method = "get", operation_id = "getUserSettings")]
    async fn settings(&self, caller: Caller) -> Answer<Reply<UserSettings>, Params> {
        Ok(Reply::new(self.0.chat.user_settings(&caller.0).await?))
    }

    /// Change the caller's own settings
    ///
    /// An omitted setting does not change. Open streams apply the change within 2 seconds.
    #[oai(path = "/settings", method = "put", operation_id = "setUserSettings")]
    async fn set(
        &self,
        request: &Request,
        caller: Caller,
        body: StrictJson<SetUserSettings>,
    ) -> Answer<Reply<UserSettings>, (Params, Body)> {
        no_idempotency_key(request)?;
        Ok(Reply::new(self.0.chat.set_user_settings(&caller.0, body.0.command()).await?))
    }
}
