//! The system role of accounts.

use std::sync::Arc;

use chrono::SubsecRound as _;

#[cfg(feature = "accounts")]
use super::audit::{Deed, entry};
use super::{
    Administration, AdministratorList, Administrators, AuditAction, AuditOrigin, AuditState, Grant, ManagedUser,
};
use crate::{
    Chat,
    error::{Error, Result},
    identity::{Principal, SystemRole},
    model::UserId,
    store::{Change, ChatStoreExt as _, StoreError, TypedKey as _, Version},
    trace::use_case,
};

/// Accounts that can have the system role at once.
const MOST: usize = 1_000;

/// The list of administrators; without a version where nobody ever had the role.
pub(super) struct Known {
    pub(super) value: Arc<AdministratorList>,
    pub(super) version: Option<Version>,
}

/// The state of a role, for the audit log.
fn state(system_role: SystemRole) -> AuditState {
    AuditState { system_role: Some(system_role), ..AuditState::default() }
}

pub(super) async fn administrators(chat: &Chat) -> Result<Known> {
    Ok(match chat.store().get(&Administrators::all()).await? {
        Some(found) => Known { value: found.value, version: Some(found.version) },
        None => Known { value: Arc::default(), version: None },
    })
}

/// Whether an account of the list is neither banned nor deleted.
async fn any_can_act(chat: &Chat, list: &AdministratorList) -> Result<bool> {
    let now = chat.now();
    for Grant { user, .. } in &list.grants {
        if chat.standing(user).await?.may_enter(now) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The writes by which a user who deletes the own account gives up the system role; none for a user without it. Two administrators who go at once
/// write one record, so one of them is decided again.
///
/// # Errors
/// [`LastAdministrator`](Error::LastAdministrator) where no other account that has the role can act.
#[cfg(feature = "accounts")]
pub(crate) async fn resignation(
    chat: &Chat,
    principal: &Principal,
    address: Option<std::net::IpAddr>,
) -> Result<Vec<crate::store::Write>> {
    let user = &principal.user_id;
    let Known { value, version } = administrators(chat).await?;
    let Some(version) = version.filter(|_| value.holds(user)) else { return Ok(Vec::new()) };
    let mut list = AdministratorList::clone(&value);
    list.grants.retain(|grant| grant.user != *user);
    if !any_can_act(chat, &list).await? {
        return Err(Error::LastAdministrator);
    }
    let origin = AuditOrigin { address, request_id: None };
    let (action, target) = (AuditAction::RoleRevoked, Some(user.to_string()));
    let deed = Deed { principal, origin: &origin, action, target, session: None, reason: None };
    let entry = entry(chat, &deed, state(SystemRole::Admin), state(SystemRole::User));
    Ok(vec![Administrators::all().put(list).at(version), entry])
}

fn role(list: &AdministratorList, user: &UserId) -> SystemRole {
    if list.holds(user) { SystemRole::Admin } else { SystemRole::User }
}

impl Administration {
    pub(super) async fn administrators(&self) -> Result<Known> {
        administrators(&self.inner.chat).await
    }

    /// Grants or revokes the system role of an account. The change applies from the account's next call on. If the account already has the
    /// new role, nothing changes.
    ///
    /// # Errors
    /// [`AdminRequired`](Error::AdminRequired); [`UserNotFound`](Error::UserNotFound) for a user who was never seen;
    /// [`Invalid`](Error::Invalid) for a reason that is not acceptable; [`LimitExceeded`](Error::LimitExceeded) where 1,000 accounts have
    /// the role; [`LastAdministrator`](Error::LastAdministrator) where the caller is the last active account with the role.
    pub async fn set_role(
        &self,
        principal: &Principal,
        origin: &AuditOrigin,
        user: &UserId,
        to: SystemRole,
        reason: Option<String>,
    ) -> Result<ManagedUser> {
        use_case!("admin.set_role", async move {
            self.enter(principal).await?;
            self.seen(user).await?;
            let action = match to {
                SystemRole::Admin => AuditAction::RoleGranted,
                SystemRole::User => AuditAction::RoleRevoked,
            };
            let deed = self.upon(principal, origin, action, user, self.reason(reason)?);
            for _ in 0..self.inner.chat.limits().commit_attempts {
                let Known { value, version } = self.administrators().await?;
                // The role may have ended since the call began. The write below expects this version of the list.
                if principal.system_role == SystemRole::User && !value.holds(&principal.user_id) {
                    return Err(Error::AdminRequired);
                }
                let hold = self.inner.chat.hold(principal, &principal.user_id, true).await?;
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
                if to == SystemRole::User && *user == principal.user_id && !any_can_act(&self.inner.chat, &list).await?
                {
                    return Err(Error::LastAdministrator);
                }
                let write = Administrators::all().put(list);
                let write = version.map_or_else(|| write.clone().absent(), |version| write.clone().at(version));
                let change = Change::of_records(vec![write, hold, self.record(&deed, state(from), state(to))]);
                match self.store().commit(change).await {
                    Ok(_) => return self.managed(user).await.map_err(|_| Error::OutcomeUnknown),
                    Err(StoreError::Conflict { .. }) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            tracing::warn!(%user, "the list of administrators was changed by others each time");
            Err(Error::Unavailable)
        })
    }
}
