//! Presence, and what may be asked and changed about it.

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
    /// Nothing special.
    Online,
    /// Away for a while.
    Away,
    /// Not to be disturbed.
    DoNotDisturb,
}

/// Whether a user is there, as others see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "model::PresenceStatus")]
enum PresenceStatus {
    /// A device of the user is connected.
    Online,
    /// A device is connected, and the user is away for a while.
    Away,
    /// A device is connected, and the user is not to be disturbed.
    DoNotDisturb,
    /// No device is connected, or the user hides it.
    Offline,
}

/// Whether a user is there.
#[derive(Debug, Clone)]
pub(super) struct Presence(pub(super) model::Presence);

/// Whether a user is there.
#[Object]
impl Presence {
    /// The user.
    async fn user(&self) -> User {
        User(self.0.user.clone())
    }

    /// Whether the user is there.
    async fn status(&self) -> PresenceStatus {
        self.0.state.status.into()
    }

    /// When the last device of the user was gone; null while the user is there, where it is not known, and where the user hides it.
    async fn last_seen(&self) -> Option<DateTime> {
        self.0.state.last_seen.map(DateTime)
    }

    /// What the user says.
    async fn text(&self) -> Option<&str> {
        self.0.state.text.as_ref().map(|text| text.text.as_str())
    }

    /// When the text ends; null where it does not.
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

    /// What others see, unless the caller hides.
    async fn status(&self) -> PresenceStatus {
        self.0.state.status.into()
    }

    /// When the last device of the caller was gone; null while the caller is there, and where it is not known.
    async fn last_seen(&self) -> Option<DateTime> {
        self.0.state.last_seen.map(DateTime)
    }

    /// What the caller says.
    async fn text(&self) -> Option<&str> {
        self.0.state.text.as_ref().map(|text| text.text.as_str())
    }

    /// When the text ends; null where it does not.
    async fn text_until(&self) -> Option<DateTime> {
        until(self.0.state.text.as_ref())
    }

    /// What others see while a device of the caller is connected.
    async fn availability(&self) -> Availability {
        self.0.availability.into()
    }

    /// Whether the caller appears offline to everybody.
    async fn is_hidden(&self) -> bool {
        self.0.is_hidden
    }
}

/// Changes of the caller's presence. A field that is not named stays.
#[derive(InputObject)]
struct SetPresenceInput {
    /// What others see while a device of the caller is connected.
    availability: MaybeUndefined<Availability>,
    /// The caller's own words, 1 to 100 characters in one line; null takes them back.
    text: MaybeUndefined<String>,
    /// When the words end; they do not where it is not named. It is named with `text`.
    text_until: Option<DateTime>,
    /// Whether the caller appears offline to everybody, without a time and without words. The caller goes on seeing others.
    is_hidden: MaybeUndefined<bool>,
}

/// The caller's choice.
#[derive(SimpleObject)]
struct SetPresencePayload {
    /// The caller's presence.
    own_presence: OwnPresence,
}

/// What may be changed about presence.
#[derive(Default)]
pub(super) struct PresenceMutation;

/// What may be changed about presence.
#[Object]
impl PresenceMutation {
    /// Change the caller's own presence. It holds for all devices of the caller, and for the next ones.
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

/// What may be asked about presence.
#[derive(Default)]
pub(super) struct PresenceQuery;

/// What may be asked about presence.
#[Object]
impl PresenceQuery {
    /// The presence of a session's participants, in the order in which they came, present or not. At most 100 at a time, 50 by default.
    #[graphql(complexity = "listed(first, None, child_complexity)")]
    async fn presence(
        &self,
        context: &Context<'_>,
        #[graphql(name = "sessionId", desc = "The session.")] session: ID,
        #[graphql(desc = "How many at the most.")] first: Option<i32>,
        #[graphql(desc = "The cursor of the entry after which to begin.")] after: Option<String>,
    ) -> Result<Option<PresenceConnection>> {
        let call = Use::of(context)?;
        let id = session_id(&session).or_field_error()?;
        let list = List::presence(id);
        let page = list.page(first, after.as_deref()).or_field_error()?;
        let found = call.chat.presence(call.principal, id, page).await.or_field_error()?;
        Ok(Some(list.of_presence(&page, found)))
    }

    /// The presence of users, in the order in which they are named, at most 100. A user who shares no session with the caller is left out,
    /// as a user who does not exist is.
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
