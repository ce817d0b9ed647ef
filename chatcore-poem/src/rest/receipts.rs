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
    /// Some device of the caller has received everything up to a position of the session's log. The position goes forward only: to
    /// acknowledge what stands before it changes nothing. A client may do so for each message. It marks nothing as read.
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
    /// One for each participant of the session, in the order in which they came. What the caller may not see of a participant is `false`: of
    /// a participant who sends no receipts, in a session without receipts, and where one of the two has blocked the other. `read` is also
    /// `false` for a caller who sends no receipts. The header `Link` tells the next page.
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
        /// How many to leave out, where `after` is not given; 0 where not given.
        skip: Query<Option<i64>>,
        /// How many at the most: 1 to 100; 50 where not given.
        limit: Query<Option<i64>>,
    ) -> Answer<Paged<Vec<MessageReceipt>>, (OfSession, Params, Conflict)> {
        let page = page(after.0.map(|ParticipantParam(id)| id), skip.0, limit.0)?;
        let id = message_id.within(&session_id)?;
        Ok(listed(self.0.chat.message_receipts(&caller.0, id, page).await?, request))
    }

    /// Show how far a message came
    ///
    /// `SENT`; `DELIVERED` where a device of an addressee has received it; `READ` where an addressee has read it. With the numbers of the
    /// addressees, as the caller may see them. In a session with more than 500 participants, the first 500 are counted, and `is_exact` is
    /// `false`.
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
    /// They hold for everything that the caller does. Nobody else sees them.
    #[oai(path = "/settings", method = "get", operation_id = "getUserSettings")]
    async fn settings(&self, caller: Caller) -> Answer<Reply<UserSettings>, Params> {
        Ok(Reply::new(self.0.chat.user_settings(&caller.0).await?))
    }

    /// Change the caller's own settings
    ///
    /// What is left out stays. Streams that are open follow within 2 seconds.
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
