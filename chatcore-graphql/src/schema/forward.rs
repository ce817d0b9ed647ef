//! Forwarding.

use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};
use chatcore::{
    Code, Error,
    model::{self, InvalidId, SessionId},
};

use super::{
    Fallible as _, Use,
    message::Message,
    scalar::{self, DateTime, message_id},
};

/// The origin of a forwarded message.
#[derive(Debug, Clone)]
pub(super) struct Origin(pub(super) model::Origin);

/// The origin of a forwarded message.
#[Object]
impl Origin {
    /// The id of the session; null for readers who may not view it, and in events.
    async fn session_id(&self) -> Option<ID> {
        self.0.message.map(|message| ID(message.session_id.to_string()))
    }

    /// The id of the message; null for readers who may not view its session, and in events.
    async fn message_id(&self) -> Option<ID> {
        self.0.message.map(|message| ID(message.to_string()))
    }

    /// The id of the author.
    async fn user_id(&self) -> ID {
        ID(self.0.author.to_string())
    }

    /// The time at which the original message was sent.
    async fn created_at(&self) -> DateTime {
        DateTime(self.0.sent_at)
    }
}

/// A message to forward.
#[derive(InputObject)]
struct ForwardMessageInput {
    /// The message.
    message_id: ID,
    /// The session into which the message is forwarded.
    to: ID,
    /// The sender's idempotency key for the copy, as for a message that is sent.
    client_id: Option<String>,
}

/// The copy of the message, created by this call or by an earlier attempt.
#[derive(SimpleObject)]
struct ForwardMessagePayload {
    /// The copy.
    message: Message,
}

/// The mutation of forwarding.
#[derive(Default)]
pub(super) struct ForwardMutation;

/// The mutation of forwarding.
#[Object]
impl ForwardMutation {
    /// Forward a message into a session. For everybody who may view the message and send in the session. The copy names the author and the
    /// time of the message, mentions nobody, and cannot be edited.
    async fn forward_message(
        &self,
        context: &Context<'_>,
        input: ForwardMessageInput,
    ) -> Result<Option<ForwardMessagePayload>> {
        let call = Use::of(context)?;
        let ForwardMessageInput { message_id: id, to, client_id } = input;
        let id = message_id(&id).or_field_error()?;
        let refused = |error: InvalidId| Error::invalid("to", Code::ValidationInvalidValue, error.expected);
        let to = to.parse::<SessionId>().map_err(refused).or_field_error()?;
        let client_id = scalar::client_id(client_id).or_field_error()?;
        let message = call.chat.forward_message(call.principal, id, to, client_id).await.or_field_error()?;
        Ok(Some(ForwardMessagePayload { message: Message { message, loads: call.loads() } }))
    }
}
