//! The list of users, bans, and the ends of bans.

use chrono::{DateTime, Utc};
use futures_util::FutureExt as _;

use super::{
    Administration, AdministratorList, AuditAction, AuditOrigin, AuditState, BanUser, ManagedUser, UserFilter,
    UserStatus, audit::Deed, contains, picker::Picker, wanted,
};
use crate::{
    chat::{BanAccount, Recorded},
    error::{Code, Error, Result},
    identity::{Principal, SystemRole},
    model::{Ban, ListPage, Profile, UserId, UserStanding},
    store::{ChatStoreExt as _, Profiles, Standings},
    trace::use_case,
};

/// The part of a standing that a ban changes.
fn banned(standing: &UserStanding, now: DateTime<Utc>) -> AuditState {
    let ban = standing.banned_at(now);
    AuditState {
        is_banned: Some(ban.is_some()),
        ban_reason: ban.map(|ban| ban.reason.clone()),
        banned_until: ban.and_then(|ban| ban.until),
        ..AuditState::default()
    }
}

/// A user with everything that an administrator sees.
fn managed(
    profile: Profile,
    standing: &UserStanding,
    administrators: &AdministratorList,
    now: DateTime<Utc>,
) -> ManagedUser {
    let ban: Option<Ban> = standing.banned_at(now).cloned();
    let status = match (standing.deleted_at, &ban) {
        (Some(_), _) => UserStatus::Deleted,
        (None, Some(_)) => UserStatus::Banned,
        (None, None) => UserStatus::Active,
    };
    let system_role = if administrators.holds(&profile.user_id) { SystemRole::Admin } else { SystemRole::User };
    ManagedUser { profile, status, ban, deleted_at: standing.deleted_at, system_role }
}

impl UserFilter {
    fn takes(&self, wanted: Option<&str>, user: &ManagedUser) -> bool {
        let Profile { user_id, username, name, email, .. } = &user.profile;
        let texts = [user_id.as_str(), username, name].into_iter().chain(email.as_deref());
        self.status.is_none_or(|status| status == user.status)
            && self.role.is_none_or(|role| role == user.system_role)
            && contains(wanted, texts)
    }
}

impl Administration {
    /// Users who were ever seen, sorted by their ids. A page reads at most 2,000 users, also if few users match the filter, and names the
    /// user after whom the next page begins.
    ///
    /// # Errors
    /// [`AdminRequired`](Error::AdminRequired); [`Invalid`](Error::Invalid) for a search or a page outside of the limits.
    pub async fn users(
        &self,
        principal: &Principal,
        filter: &UserFilter,
        after: Option<UserId>,
        limit: Option<u64>,
    ) -> Result<ListPage<ManagedUser, UserId>> {
        use_case!("admin.users", async move {
            self.enter(principal).await?;
            let limit = self.inner.chat.limits().page_limit(limit)?;
            let search = wanted(filter.search.as_deref())?;
            let administrators = self.administrators().await?.value;
            let now = self.inner.chat.now();
            let mut picker = Picker::new(after.map(|user| Profiles { user }), limit);
            while let Some(scan) = picker.scan() {
                let found = self.store().list::<Profiles>(scan).await?;
                picker.note(&found);
                let keys: Vec<_> = found.iter().map(|(key, _)| Standings { user: key.user.clone() }).collect();
                let standings = self.store().get_all(&keys).await?;
                picker.take(found.into_iter().zip(standings).map(|((key, found), standing)| {
                    let standing = standing.map(|found| found.value).unwrap_or_default();
                    let user = managed(found.value.profile(), &standing, &administrators, now);
                    (key, Some(user).filter(|user| filter.takes(search.as_deref(), user)))
                }));
            }
            Ok(picker.page(|key| key.user))
        })
    }

    /// A user.
    ///
    /// # Errors
    /// [`AdminRequired`](Error::AdminRequired); [`UserNotFound`](Error::UserNotFound) for a user who was never seen.
    pub async fn user(&self, principal: &Principal, user: &UserId) -> Result<ManagedUser> {
        use_case!("admin.user", async move {
            self.enter(principal).await?;
            self.seen(user).await?;
            self.managed(user).await
        })
    }

    /// Bans a user, as [`Chat::ban_account`](crate::Chat::ban_account) does.
    ///
    /// # Errors
    /// [`AdminRequired`](Error::AdminRequired); [`UserNotFound`](Error::UserNotFound) for a user who was never seen;
    /// [`Invalid`](Error::Invalid) for a reason or an end that is not acceptable, and for the caller;
    /// [`OutcomeUnknown`](Error::OutcomeUnknown) when the ban is in force and the user is not yet removed from all sessions.
    pub async fn ban(
        &self,
        principal: &Principal,
        origin: &AuditOrigin,
        user: &UserId,
        ban: BanUser,
    ) -> Result<ManagedUser> {
        use_case!("admin.ban", async move {
            self.enter(principal).await?;
            self.seen(user).await?;
            if *user == principal.user_id {
                return Err(Error::invalid("user_id", Code::ValidationInvalidValue, "you cannot ban yourself"));
            }
            if self.inner.protected.get() == Some(user) {
                return Err(Error::invalid("user_id", Code::ValidationInvalidValue, "the operator cannot be banned"));
            }
            let BanUser { reason, until } = ban;
            let deed = self.upon(principal, origin, AuditAction::UserBanned, user, Some(reason.clone()));
            let now = self.inner.chat.now();
            let entry = |before: &UserStanding, after: &UserStanding| {
                self.record(&deed, banned(before, now), banned(after, now))
            };
            let by = Recorded { authority: &|| self.authority(principal).boxed(), entry: &entry };
            let ban = BanAccount { reason, by: principal.user_id.clone(), until };
            self.inner.chat.ban_recorded(user, ban, Some(by)).await?;
            self.managed(user).await.map_err(|_| Error::OutcomeUnknown)
        })
    }

    /// Ends the ban of a user, as [`Chat::unban_account`](crate::Chat::unban_account) does. For a user who is not banned, nothing changes.
    ///
    /// # Errors
    /// [`AdminRequired`](Error::AdminRequired); [`UserNotFound`](Error::UserNotFound) for a user who was never seen;
    /// [`Invalid`](Error::Invalid) for a reason that is not acceptable; [`OutcomeUnknown`](Error::OutcomeUnknown) when the ban has ended
    /// and not all ownerships are restored.
    pub async fn unban(
        &self,
        principal: &Principal,
        origin: &AuditOrigin,
        user: &UserId,
        reason: Option<String>,
    ) -> Result<ManagedUser> {
        use_case!("admin.unban", async move {
            self.enter(principal).await?;
            self.seen(user).await?;
            let deed = self.upon(principal, origin, AuditAction::UserUnbanned, user, self.reason(reason)?);
            let now = self.inner.chat.now();
            if *user == principal.user_id {
                // The caller is not banned, or has no authority.
                self.authority(principal).await?;
                return self.managed(user).await;
            }
            let entry = |before: &UserStanding, after: &UserStanding| {
                self.record(&deed, banned(before, now), banned(after, now))
            };
            let by = Recorded { authority: &|| self.authority(principal).boxed(), entry: &entry };
            self.inner.chat.unban_recorded(user, Some(by)).await?;
            self.managed(user).await.map_err(|_| Error::OutcomeUnknown)
        })
    }

    /// An action upon a user.
    pub(super) fn upon<'a>(
        &self,
        principal: &'a Principal,
        origin: &'a AuditOrigin,
        action: AuditAction,
        user: &UserId,
        reason: Option<String>,
    ) -> Deed<'a> {
        Deed { principal, origin, action, target: Some(user.to_string()), session: None, reason }
    }

    /// Refuses a user who was never seen.
    pub(super) async fn seen(&self, user: &UserId) -> Result<()> {
        if self.inner.chat.is_known(user).await? { Ok(()) } else { Err(Error::UserNotFound) }
    }

    /// A user who was seen.
    pub(super) async fn managed(&self, user: &UserId) -> Result<ManagedUser> {
        let chat = &self.inner.chat;
        let (profile, standing) = (chat.profile_of(user).await?, chat.standing(user).await?);
        Ok(managed(profile, &standing, &self.administrators().await?.value, chat.now()))
    }
}
