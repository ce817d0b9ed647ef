//! Settings of a user for everything that the user does.

use super::{Chat, decide::policy::Operation};
use crate::{
    error::{Error, Result},
    identity::Principal,
    limits::Use,
    model::UserSettings,
    store::{Change, ChatStoreExt as _, SettingsOfUsers, TypedKey as _},
    trace::use_case,
};

/// New settings of a user. A setting with `None` does not change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SetUserSettings {
    /// Whether others see the user's receipts.
    pub receipts: Option<bool>,
}

impl SetUserSettings {
    fn applied(self, to: UserSettings) -> UserSettings {
        let Self { receipts } = self;
        UserSettings { receipts: receipts.unwrap_or(to.receipts) }
    }
}

impl Chat {
    /// The caller's own settings.
    ///
    /// # Errors
    /// Those of a token, and of the host's policy.
    pub async fn user_settings(&self, principal: &Principal) -> Result<UserSettings> {
        use_case!("user_settings", async move {
            self.enter(principal, Use::Request).await?;
            self.permit(principal, Operation::ManageSettings).await?;
            let key = SettingsOfUsers { user: principal.user_id.clone() };
            Ok(self.inner.store.get(&key).await?.map(|found| (*found.value).into()).unwrap_or_default())
        })
    }

    /// Changes the caller's own settings, and returns the settings. A retry is safe. Open streams apply the change within 2 seconds.
    ///
    /// # Errors
    /// Those of a token, and of the host's policy; [`Unavailable`](Error::Unavailable) when the store is unavailable.
    pub async fn set_user_settings(&self, principal: &Principal, changes: SetUserSettings) -> Result<UserSettings> {
        use_case!("set_user_settings", async move {
            self.enter(principal, Use::Request).await?;
            self.permit(principal, Operation::ManageSettings).await?;
            let key = SettingsOfUsers { user: principal.user_id.clone() };
            for _ in 0..self.inner.limits.commit_attempts {
                let found = self.inner.store.get(&key).await?;
                let before: UserSettings = found.as_ref().map(|found| (*found.value).into()).unwrap_or_default();
                let settings = changes.applied(before);
                if settings == before {
                    return Ok(settings);
                }
                let write = if settings == UserSettings::default() {
                    key.clone().remove()
                } else {
                    key.clone().put(settings.into())
                };
                let write = match &found {
                    Some(found) => write.at(found.version),
                    None => write.absent(),
                };
                if self.try_commit(Change::of_records(vec![write])).await?.is_some() {
                    self.inner.receipts.chose(&principal.user_id);
                    return Ok(settings);
                }
            }
            Err(Error::Unavailable)
        })
    }
}
