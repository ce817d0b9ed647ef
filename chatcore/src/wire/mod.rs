//! The wire format: the JSON forms of the chat's data, and the inputs of clients.
//!
//! REST, WebSockets and streams of events share these forms. Output types implement [`Serialize`] here: messages, participants, sessions,
//! events, signals. Inputs of clients are owned commands: [`SendMessage`], [`CreateSession`], … The commands refuse fields that they do not
//! know. [`Command`] is the table of the commands that a client can send by name. A time in an input is RFC 3339, in the years 0000 to 9999
//! ([`parse_time`](crate::model::parse_time)).
//!
//! With the feature `schema`, each form has a JSON Schema (`schemars`), in which the comments on its fields are the descriptions.
//! A field that may be null has `nullable: true` in it.

/// Gives a type of the model the form of a view that borrows from it.
macro_rules! shown_as {
    ($($model:ty => $view:ident;)*) => {$(
        impl ::serde::Serialize for $model {
            fn serialize<S: ::serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                $view::from(self).serialize(serializer)
            }
        }

        #[cfg(feature = "schema")]
        impl ::schemars::JsonSchema for $model {
            fn schema_name() -> ::std::borrow::Cow<'static, str> {
                <$view<'static> as ::schemars::JsonSchema>::schema_name()
            }

            fn json_schema(generator: &mut ::schemars::SchemaGenerator) -> ::schemars::Schema {
                <$view<'static> as ::schemars::JsonSchema>::json_schema(generator)
            }
        }
    )*};
}

#[cfg(feature = "accounts")]
mod account;
#[cfg(feature = "admin")]
mod admin;
mod attachment;
mod block;
mod bot;
mod command;
mod event;
mod forward;
mod held;
mod id;
mod incoming;
mod invite;
mod later;
mod mention;
mod message;
mod participant;
mod preferences;
mod presence;
mod problem;
mod reading;
mod receipt;
mod report;
mod sanction;
mod session;
mod streamed;
mod thread;
mod time;
#[cfg(feature = "webhooks")]
mod webhook;

#[cfg(feature = "accounts")]
pub use account::{
    ChangeEmail, ChangePassword, DeleteAccount, LogIn, Refresh, Register, RequestPasswordReset, ResetPassword, Secret,
    UpdateAccount, VerifyEmail,
};
#[cfg(feature = "admin")]
pub use admin::{BanUser, BroadcastNotice, NoticeFrame, Reason, SetRole};
pub use bot::{CommandForm, CommandsView, CreateBot, CreateBotToken, InvokeCommand, SetCommands};
pub use command::{Answer, Command, Nothing, SetTyping};
pub use event::{event_name, event_names, signal_name};
pub use forward::ForwardMessage;
pub use incoming::{CreateIncomingWebhook, PostToIncomingWebhook, UpdateIncomingWebhook};
pub use invite::{ApproveJoinRequest, CreateInvite, RequestToJoin, UseInvite};
pub use later::{ScheduleMessage, SetDraft};
pub use message::{DeleteMessage, EditMessage, SendMessage};
pub use participant::{AddParticipant, ChangeRole, Confirmation, Joined, SetParticipantMetadata};
pub use preferences::SetPreferences;
pub use presence::{QueryPresence, SetPresence};
pub use problem::{ErrorData, Problem};
pub use reading::{MarkAllRead, MarkRead};
pub use receipt::{AcknowledgeDelivery, SetUserSettings};
pub use report::{FileReport, ResolveReport};
pub use sanction::Sanction;
pub use session::{AddEmoji, CreateSession, StartDirect, StartGroup, UpdateSession};
pub use streamed::{AppendToMessage, FailMessage, FinishMessage, StartStreamedMessage};
#[cfg(feature = "webhooks")]
pub use webhook::{CreateWebhook, UpdateWebhook};

use serde::{Deserialize, Deserializer, Serialize};

use crate::{
    error::{Code, Error, Result},
    model::{ClientId, Profile, UserId},
};

/// A user in an event.
#[derive(Debug, Serialize)]
struct Person<'a> {
    id: &'a UserId,
    username: &'a str,
    display_name: &'a str,
    avatar_url: Option<&'a str>,
    is_bot: bool,
}

impl<'a> From<&'a Profile> for Person<'a> {
    fn from(profile: &'a Profile) -> Self {
        let Profile { user_id, username, name, email: _, picture, updated_at: _, is_bot } = profile;
        Self { id: user_id, username, display_name: name, avatar_url: picture.as_deref(), is_bot: *is_bot }
    }
}

/// The id of a user in a body. It is text, as it must be: the request can be parsed.
///
/// # Errors
/// [`Error::Invalid`] when it is not valid.
fn user_id(field: &str, text: String) -> Result<UserId> {
    UserId::new(text).map_err(|error| Error::invalid(field, Code::ValidationInvalidValue, error.expected))
}

/// The client id of a request: the one in its body, or the one that stands beside the body.
///
/// # Errors
/// [`Error::Invalid`] when it is not valid, or when the two are not the same.
fn client_id(given: Option<String>, key: Option<String>) -> Result<Option<ClientId>> {
    let unacceptable = |message: &str| Error::invalid("client_id", Code::ValidationInvalidValue, message);
    if key.is_some() && given.is_some() && key != given {
        return Err(unacceptable("the header Idempotency-Key names another one"));
    }
    given.or(key).map(ClientId::new).transpose().map_err(|error| unacceptable(error.expected))
}

/// A field that may be left out but must have a value where it is given: `null` is an error.
fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// Keeps "not named" and "named as null" apart: a plain nested option reads both as `None`.
#[allow(clippy::option_option, reason = "the two levels mean different things")]
fn named<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<T>>, D::Error> {
    Option::<T>::deserialize(deserializer).map(Some)
}
