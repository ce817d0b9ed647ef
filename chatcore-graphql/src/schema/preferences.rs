//! The caller's settings for sessions.

use async_graphql::{Context, ID, InputObject, MaybeUndefined, Object, Result, SimpleObject};
use chatcore::{chat, model};

use super::{
    Fallible as _, Use,
    mutation::present,
    scalar::{DateTime, session_id},
};

/// The caller's settings for a session. Nobody else sees them.
#[derive(Debug, Clone, SimpleObject)]
pub(super) struct Preferences {
    /// Whether the caller wants no notifications of the session.
    is_muted: bool,
    /// The end of the mute; null for no end.
    muted_until: Option<DateTime>,
    /// Whether the session is one of the caller's favourites.
    is_favourite: bool,
}

impl From<model::Preferences> for Preferences {
    fn from(model::Preferences { is_muted, muted_until, is_favourite }: model::Preferences) -> Self {
        Self { is_muted, muted_until: muted_until.map(DateTime), is_favourite }
    }
}

/// The caller's settings for a session changed, on this device or on another one. This signal is not in the log.
#[derive(Debug, Clone, SimpleObject)]
pub(super) struct PreferencesChanged {
    /// The session.
    pub(super) session_id: ID,
    /// The settings now.
    pub(super) preferences: Preferences,
}

/// New settings of the caller for a session. An omitted setting does not change.
#[derive(InputObject)]
struct SetPreferencesInput {
    /// The session.
    session_id: ID,
    /// Whether the caller wants no notifications of the session.
    is_muted: MaybeUndefined<bool>,
    /// The end of the mute; no end where not given. Only with `isMuted: true`.
    muted_until: MaybeUndefined<DateTime>,
    /// Whether the session is one of the caller's favourites.
    is_favourite: MaybeUndefined<bool>,
}

/// The settings now.
#[derive(SimpleObject)]
struct SetPreferencesPayload {
    /// The settings.
    preferences: Preferences,
}

/// Mutations of the caller's settings for sessions.
#[derive(Default)]
pub(super) struct PreferencesMutation;

/// Mutations of the caller's settings for sessions.
#[Object]
impl PreferencesMutation {
    /// Change the caller's settings for a session. An omitted setting does not change.
    async fn set_preferences(
        &self,
        context: &Context<'_>,
        input: SetPreferencesInput,
    ) -> Result<Option<SetPreferencesPayload>> {
        let call = Use::of(context)?;
        let SetPreferencesInput { session_id: id, is_muted, muted_until, is_favourite } = input;
        let id = session_id(&id).or_field_error()?;
        let changes = chat::SetPreferences {
            is_muted: present("is_muted", is_muted).or_field_error()?,
            muted_until: present("muted_until", muted_until).or_field_error()?.map(|DateTime(until)| until),
            is_favourite: present("is_favourite", is_favourite).or_field_error()?,
        };
        let preferences = call.chat.set_preferences(call.principal, id, changes).await.or_field_error()?;
        Ok(Some(SetPreferencesPayload { preferences: preferences.into() }))
    }
}
