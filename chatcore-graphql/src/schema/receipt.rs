//! Receipts, and the settings of the caller.

use async_graphql::{Context, Enum, ID, InputObject, MaybeUndefined, Object, Result, SimpleObject};
use chatcore::{chat, model};

use super::{
    Fallible as _, Use,
    connection::{List, ReceiptConnection, listed},
    mutation::present,
    scalar::{Long, message_id, session_id},
    user::User,
};

/// The kind of a receipt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "model::ReceiptKind")]
pub(super) enum ReceiptKind {
    /// A device of the user has received everything up to a position.
    Delivered,
    /// The user has read everything up to a position.
    Read,
}

/// A user received or read further messages of a session. This signal is not in the log.
#[derive(Debug, Clone, SimpleObject)]
pub(super) struct Receipt {
    /// The session.
    pub(super) session_id: ID,
    /// The user.
    pub(super) user: User,
    /// Whether a device of the user has received the messages, or the user has read the messages.
    pub(super) kind: ReceiptKind,
    /// The position up to which the receipt holds.
    pub(super) seq: Long,
}

/// The receipt of a participant for a message. A value that the caller may not see is false.
#[derive(Debug, Clone)]
pub(super) struct MessageReceipt(pub(super) model::MessageReceipt);

/// The receipt of a participant for a message. A value that the caller may not see is false.
#[Object]
impl MessageReceipt {
    /// The id of the participant's stay in the session.
    async fn participant_id(&self) -> ID {
        ID(self.0.participant_id.to_string())
    }

    /// The participant.
    async fn user(&self) -> User {
        User(self.0.user.clone())
    }

    /// Whether the message is addressed to the participant: the participant is not its author, and was in the session when it was sent.
    /// Only addressees have receipts.
    async fn is_addressee(&self) -> bool {
        self.0.is_addressee
    }

    /// Whether a device of the participant has received the message.
    async fn delivered(&self) -> bool {
        self.0.delivered
    }

    /// Whether the participant has read the message.
    async fn read(&self) -> bool {
        self.0.read
    }
}

/// The delivery status of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "model::DeliveryStatus")]
enum DeliveryStatus {
    /// The session has the message.
    Sent,
    /// A device of an addressee has received the message.
    Delivered,
    /// An addressee has read the message.
    Read,
}

/// The delivery status of a message and its numbers of addressees, as the caller may see them.
#[derive(SimpleObject)]
struct MessageDelivery {
    /// The message.
    message_id: ID,
    /// The furthest status of an addressee.
    status: DeliveryStatus,
    /// The number of addressees: the participants that have been in the session since the message was sent, without the author.
    addressees: Long,
    /// The number of addressees with a delivery. An addressee who has read the message counts, too.
    delivered: Long,
    /// The number of addressees who have read the message.
    read: Long,
    /// Whether all participants were counted. In a session with more than 500 participants, only the first 500 participants count.
    is_exact: bool,
}

impl From<model::MessageDelivery> for MessageDelivery {
    fn from(delivery: model::MessageDelivery) -> Self {
        let model::MessageDelivery { message_id, status, addressees, delivered, read, is_exact } = delivery;
        Self {
            message_id: ID(message_id.to_string()),
            status: status.into(),
            addressees: Long(addressees),
            delivered: Long(delivered),
            read: Long(read),
            is_exact,
        }
    }
}

/// How far the caller's devices have received a session.
#[derive(SimpleObject)]
struct DeliveryState {
    /// The session.
    session_id: ID,
    /// The position up to which some device of the caller has received everything.
    delivered_upto: Long,
}

/// The caller's own settings. Nobody else sees them.
#[derive(SimpleObject)]
struct UserSettings {
    /// Whether others see the caller's receipts. A caller without receipts sees the deliveries of messages to others, but no reads.
    receipts: bool,
}

impl From<model::UserSettings> for UserSettings {
    fn from(model::UserSettings { receipts }: model::UserSettings) -> Self {
        Self { receipts }
    }
}

/// The position up to which a device of the caller has received a session.
#[derive(InputObject)]
struct AcknowledgeDeliveryInput {
    /// The session.
    session_id: ID,
    /// A position of the session's log, from 1 on. The device has received everything up to the position.
    seq: Long,
}

/// How far the caller's devices have received the session.
#[derive(SimpleObject)]
struct AcknowledgeDeliveryPayload {
    /// How far the caller's devices have received the session.
    state: DeliveryState,
}

/// New settings of the caller. An omitted setting does not change.
#[derive(InputObject)]
struct SetUserSettingsInput {
    /// Whether others see the caller's receipts.
    receipts: MaybeUndefined<bool>,
}

/// The settings now.
#[derive(SimpleObject)]
struct SetUserSettingsPayload {
    /// The settings.
    settings: UserSettings,
}

/// Mutations of receipts.
#[derive(Default)]
pub(super) struct ReceiptMutation;

/// Mutations of receipts.
#[Object]
impl ReceiptMutation {
    /// Acknowledge that some device of the caller has received everything of a session up to a position. The position only moves forward:
    /// an earlier position changes nothing. The call marks nothing as read.
    async fn acknowledge_delivery(
        &self,
        context: &Context<'_>,
        input: AcknowledgeDeliveryInput,
    ) -> Result<Option<AcknowledgeDeliveryPayload>> {
        let call = Use::of(context)?;
        let id = session_id(&input.session_id).or_field_error()?;
        let state = call.chat.acknowledge_delivery(call.principal, id, input.seq.0).await.or_field_error()?;
        let model::DeliveryState { session_id, delivered_upto } = state;
        let state = DeliveryState { session_id: ID(session_id.to_string()), delivered_upto: Long(delivered_upto) };
        Ok(Some(AcknowledgeDeliveryPayload { state }))
    }

    /// Change the caller's own settings. An omitted setting does not change. Open streams apply the change within 2 seconds.
    async fn set_user_settings(
        &self,
        context: &Context<'_>,
        input: SetUserSettingsInput,
    ) -> Result<Option<SetUserSettingsPayload>> {
        let call = Use::of(context)?;
        let changes = chat::SetUserSettings { receipts: present("receipts", input.receipts).or_field_error()? };
        let settings = call.chat.set_user_settings(call.principal, changes).await.or_field_error()?;
        Ok(Some(SetUserSettingsPayload { settings: settings.into() }))
    }
}

/// Queries of receipts.
#[derive(Default)]
pub(super) struct ReceiptQuery;

/// Queries of receipts.
#[Object]
impl ReceiptQuery {
    /// The receipts for a message, one for each participant of its session, in the order of joining. At most 100 at a time, 50 by default.
    #[graphql(complexity = "listed(first, None, child_complexity)")]
    async fn message_receipts(
        &self,
        context: &Context<'_>,
        #[graphql(name = "messageId", desc = "The message.")] message: ID,
        #[graphql(desc = "The maximum number of entries.")] first: Option<i32>,
        #[graphql(desc = "The cursor of the entry after which to begin.")] after: Option<String>,
    ) -> Result<Option<ReceiptConnection>> {
        let call = Use::of(context)?;
        let id = message_id(&message).or_field_error()?;
        let list = List::receipts(id);
        let page = list.page(first, after.as_deref()).or_field_error()?;
        let found = call.chat.message_receipts(call.principal, id, page).await.or_field_error()?;
        Ok(Some(list.of_receipts(&page, found)))
    }

    /// The delivery status of a message and its numbers of addressees, as the caller may see them.
    #[graphql(complexity = "50 + child_complexity")]
    async fn message_delivery(
        &self,
        context: &Context<'_>,
        #[graphql(name = "messageId", desc = "The message.")] message: ID,
    ) -> Result<Option<MessageDelivery>> {
        let call = Use::of(context)?;
        let id = message_id(&message).or_field_error()?;
        Ok(Some(call.chat.message_delivery(call.principal, id).await.or_field_error()?.into()))
    }

    /// The caller's own settings.
    async fn user_settings(&self, context: &Context<'_>) -> Result<Option<UserSettings>> {
        let call = Use::of(context)?;
        Ok(Some(call.chat.user_settings(call.principal).await.or_field_error()?.into()))
    }
}
