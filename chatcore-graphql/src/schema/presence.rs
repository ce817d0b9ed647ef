//! Presence, with its queries and mutations.

use async_graphql::{Context, Enum, ID, InputObject, MaybeUndefined, Object, Result, SimpleObject};
use chatcore::{
    Code, Error,
    model::{self, InvalidId, StatusText, UserId},
    wire,
};

use super::{
    Fallible as _, Use,
    connection::{List, PresenceConnection, listed},
    mutation::present,
    scalar::{DateTime, session_id},
    user::User,
};

/// The availability that a user chooses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "model::Availability")]
enum Availability {
    /// Available.
    Online,
    /// Away for a while.
    Away,
    /// Not to be disturbed.
    DoNotDisturb,
}

/// The status of a user that others see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "model::PresenceStatus")]
enum PresenceStatus {
    /// A device of the user is connected.
    Online,
    /// A device is connected, and the user is away for a while.
    Away,
    /// A device is connected, and the user is not to be disturbed.
    DoNotDisturb,
    /// No device is connected, or the user is hidden.
    Offline,
}

/// The presence of a user.
#[derive(Debug, Clone)]
pub(super) struct Presence(pub(super) model::Presence);

/// The presence of a user.
#[Object]
impl Presence {
    /// The user.
    async fn user(&self) -> User {
        User(self.0.user.clone())
    }

    /// The presence status of the user.
    async fn status(&self) -> PresenceStatus {
        self.0.state.status.into()
    }

    /// The time at which the last device of the user disconnected; null while the user is online, for an unknown time, and for a hidden
    /// user.
    async fn last_seen(&self) -> Option<DateTime> {
        self.0.state.last_seen.map(DateTime)
    }

    /// The status text of the user.
    async fn text(&self) -> Option<&str> {
        self.0.state.text.as_ref().map(|text| text.text.as_str())
    }

    /// The end of the status text; null for no end.
    async fn text_until(&self) -> Option<DateTime> {
        until(self.0.state.text.as_ref())
    }
}

fn until(text: Option<&StatusText>) -> Option<DateTime> {
    text.and_then(|text| text.until).map(DateTime)
}

/// The caller's own presence.
#[derive(Debug, Clone)]
struct OwnPresence(model::OwnPresence);

/// The caller's own presence.
#[Object]
impl OwnPresence {
    /// The caller.
    async fn user(&self) -> User {
        User(self.0.user.clone())
    }

    /// The status that others see, unless the caller is hidden.
    async fn status(&self) -> PresenceStatus {
        self.0.state.status.into()
    }

    /// The time at which the last device of the caller disconnected; null while the caller is online, and for an unknown time.
    async fn last_seen(&self) -> Option<DateTime> {
        self.0.state.last_seen.map(DateTime)
    }

    /// The status text of the caller.
    async fn text(&self) -> Option<&str> {
        self.0.state.text.as_ref().map(|text| text.text.as_str())
    }

    /// The end of the status text; null for no end.
    async fn text_until(&self) -> Option<DateTime> {
        until(self.0.state.text.as_ref())
    }

    /// The status that others see while a device of the caller is connected.
    async fn availability(&self) -> Availability {
        self.0.availability.into()
    }

    /// Whether the caller appears offline to everybody.
    async fn is_hidden(&self) -> bool {
        self.0.is_hidden
    }
}

/// Changes of the caller's presence. An omitted field does not change.
#[derive(InputObject)]
struct SetPresenceInput {
    /// The status that others see while a device of the caller is connected.
    availability: MaybeUndefined<Availability>,
    /// The status text: 1 to 100 characters in one line; null removes the text.
    text: MaybeUndefined<String>,
    /// The end of the status text; no end where not given. Requires `text`.
    text_until: Option<DateTime>,
    /// Whether the caller appears offline to everybody, without a last-seen time and a status text. The caller still sees others.
    is_hidden: MaybeUndefined<bool>,
}

/// The caller's choice.
#[derive(SimpleObject)]
struct SetPresencePayload {
    /// The caller's presence.
    own_presence: OwnPresence,
}

/// Mutations of presence.
#[derive(Default)]
pub(super) struct PresenceMutation;

/// Mutations of presence.
#[Object]
impl PresenceMutation {
    /// Change the caller's own presence. The presence applies to all devices of the caller, also to later devices.
    async fn set_presence(&self, context: &Context<'_>, input: SetPresenceInput) -> Result<Option<SetPresencePayload>> {
        let call = Use::of(context)?;
        let SetPresenceInput { availability, text, text_until, is_hidden } = input;
        let availability = present("availability", availability).or_field_error()?.map(Into::into);
        let is_hidden = present("is_hidden", is_hidden).or_field_error()?;
        let text = match text {
            MaybeUndefined::Undefined => None,
            MaybeUndefined::Null => Some(None),
            MaybeUndefined::Value(text) => Some(Some(text)),
        };
        let set = wire::SetPresence::new(availability, text, text_until.map(|DateTime(until)| until), is_hidden);
        let set = set.command().or_field_error()?;
        let own = call.chat.set_presence(call.principal, set).await.or_field_error()?;
        Ok(Some(SetPresencePayload { own_presence: OwnPresence(own) }))
    }
}

/// Queries of presence.
#[derive(Default)]
pub(super) struct PresenceQuery;

/// Queries of presence.
#[Object]
impl PresenceQuery {
    /// The presence of a session's participants, in the order of joining, online or not. At most 100 at a time, 50 by default.
    #[graphql(complexity = "listed(first, None, child_complexity)")]
    async fn presence(
        &self,
        context: &Context<'_>,
        #[graphql(name = "sessionId", desc = "The session.")] session: ID,
        #[graphql(desc = "The maximum number of entries.")] first: Option<i32>,
        #[graphql(desc = "The cursor of the entry after which to begin.")] after: Option<String>,
    ) -> Result<Option<PresenceConnection>> {
        let call = Use::of(context)?;
        let id = session_id(&session).or_field_error()?;
        let list = List::presence(id);
        let page = list.page(first, after.as_deref()).or_field_error()?;
        let found = call.chat.presence(call.principal, id, page).await.or_field_error()?;
        Ok(Some(list.of_presence(&page, found)))
    }

    /// The presence of users, in the order of the argument, at most 100. The answer leaves out unknown users, and users who share no
    /// session with the caller.
    #[graphql(complexity = "user_ids.len().saturating_mul(child_complexity).saturating_add(1)")]
    async fn user_presence(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The users.")] user_ids: Vec<ID>,
    ) -> Result<Option<Vec<Presence>>> {
        let call = Use::of(context)?;
        let unknown = |error: InvalidId| Error::invalid("user_ids", Code::ValidationInvalidValue, error.expected);
        let users: chatcore::Result<Vec<_>> =
            user_ids.iter().map(|id| UserId::new(id.as_str()).map_err(unknown)).collect();
        let found = call.chat.presence_of(call.principal, &users.or_field_error()?).await.or_field_error()?;
        Ok(Some(found.into_iter().map(Presence).collect()))
    }

    /// The caller's own presence, with what the caller chose.
    async fn own_presence(&self, context: &Context<'_>) -> Result<Option<OwnPresence>> {
        let call = Use::of(context)?;
        Ok(Some(OwnPresence(call.chat.own_presence(call.principal).await.or_field_error()?)))
    }
}
