//! The system role of accounts.

use std::sync::Arc;

use chrono::SubsecRound as _;

use super::{
    Administration, AdministratorList, Administrators, AuditAction, AuditOrigin, AuditState, Grant, ManagedUser,
};
use crate::{
    error::{Error, Result},
    identity::{Principal, SystemRole},
    model::UserId,
    store::{Change, ChatStoreExt as _, StoreError, TypedKey as _, Version},
};

/// Accounts that can have the system role at once.
const MOST: usize = 1_000;

/// The list of administrators; without a version where nobody ever had the role.
pub(super) struct Known {
    pub(super) value: Arc<AdministratorList>,
    version: Option<Version>,
}

fn role(list: &AdministratorList, user: &UserId) -> SystemRole {
    if list.holds(user) { SystemRole::Admin } else { SystemRole::User }
}

impl Administration {
    pub(super) async fn administrators(&self) -> Result<Known> {
        Ok(match self.store().get(&Administrators::all()).await? {
            Some(found) => Known { value: found.value, version: Some(found.version) },
            None => Known { value: Arc::default(), version: None },
        })
    }

    /// Gives an account the system role, which counts from its next call on. An account that has the role keeps it.
    ///
    /// # Errors
    /// [`AdminRequired`](Error::AdminRequired); [`UserNotFound`](Error::UserNotFound) for a user who was never seen;
    /// [`Invalid`](Error::Invalid) for a reason that is not acceptable; [`LimitExceeded`](Error::LimitExceeded) where 1,000 accounts have it.
    pub async fn grant(
        &self,
        principal: &Principal,
        origin: &AuditOrigin,
        user: &UserId,
        reason: Option<String>,
    ) -> Result<ManagedUser> {
        self.set_role(principal, origin, user, SystemRole::Admin, reason).await
    }

    /// Takes the system role from an account, which counts from its next call on. An account without the role stays as it is.
    ///
    /// # Errors
    /// As [`grant`](Self::grant); [`LastAdministrator`](Error::LastAdministrator) where the caller is the only account that has it.
    pub async fn revoke(
        &self,
        principal: &Principal,
        origin: &AuditOrigin,
        user: &UserId,
        reason: Option<String>,
    ) -> Result<ManagedUser> {
        self.set_role(principal, origin, user, SystemRole::User, reason).await
    }

    /// [`grant`](Self::grant) or [`revoke`](Self::revoke).
    ///
    /// # Errors
    /// Those of the two.
    pub async fn set_role(
        &self,
        principal: &Principal,
        origin: &AuditOrigin,
        user: &UserId,
        to: SystemRole,
        reason: Option<String>,
    ) -> Result<ManagedUser> {
        self.enter(principal).await?;
        self.seen(user).await?;
        let action = match to {
            SystemRole::Admin => AuditAction::RoleGranted,
            SystemRole::User => AuditAction::RoleRevoked,
        };
        let deed = self.upon(principal, origin, action, user, self.reason(reason)?);
        let state = |system_role| AuditState { system_role: Some(system_role), ..AuditState::default() };
        for _ in 0..self.inner.chat.limits().commit_attempts {
            let Known { value, version } = self.administrators().await?;
            let from = role(&value, user);
            if from == to {
                return self.managed(user).await;
            }
            let mut list = AdministratorList::clone(&value);
            match to {
                SystemRole::Admin if list.grants.len() >= MOST => {
                    return Err(Error::LimitExceeded { what: "the number of administrators", limit: MOST as u64 });
                }
                SystemRole::Admin => {
                    let (by, at) = (principal.user_id.clone(), self.inner.chat.now().trunc_subsecs(6));
                    list.grants.push(Grant { user: user.clone(), by, at });
                }
                SystemRole::User => list.grants.retain(|grant| grant.user != *user),
            }
            if list.grants.is_empty() && *user == principal.user_id {
                return Err(Error::LastAdministrator);
            }
            let write = Administrators::all().put(list);
            let write = version.map_or_else(|| write.clone().absent(), |version| write.clone().at(version));
            let change = Change::of_records(vec![write, self.record(&deed, state(from), state(to))]);
            match self.store().commit(change).await {
                Ok(_) => return self.managed(user).await.map_err(|_| Error::OutcomeUnknown),
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        tracing::warn!(%user, "the list of administrators was changed by others each time");
        Err(Error::Unavailable)
    }
}
