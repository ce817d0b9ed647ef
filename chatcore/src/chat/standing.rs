//! What the host and its administration do about a user's standing in the whole system.

use std::{sync::atomic::Ordering, time::Duration};

use chrono::{DateTime, SubsecRound as _, TimeDelta, Utc};

use super::{
    Chat,
    decide::{caller::check, departures::Departed, govern::Authority},
    stream::standings::{Seen, counted},
};
use crate::{
    error::{Code, Error, FieldError, Result},
    identity::{LEEWAY, Principal},
    model::{Ban, EndedLogin, LoginId, RemovalReason, SessionId, UserId, UserStanding, visible::is_visible},
    notify::Hint,
    store::{Change, DepartureTask, Listed, SessionBots, Standings, StoreError, TypedKey, Version, Write},
};

/// Ended logins that are remembered of one user. Beyond that, the one that began first ends all logins that began before it.
const MOST_ENDED: usize = 1_000;

/// How long a call waits for another process that works on the sessions of the same user.
const PATIENCE: Duration = Duration::from_secs(5);

/// A ban to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BanAccount {
    /// The reason, for the banned user: 1 to [`description_chars`](crate::Limits::description_chars) characters.
    pub reason: String,
    /// The user who bans. The events that remove the user from sessions name this user as their actor.
    pub by: UserId,
    /// The end of the ban; `None` for no end.
    pub until: Option<DateTime<Utc>>,
}

/// What the administration commits together with the change of a standing.
#[cfg_attr(not(feature = "admin"), allow(dead_code, reason = "the administration makes it"))]
#[derive(Clone, Copy)]
pub(crate) struct Recorded<'a> {
    pub(crate) authority: Authority<'a>,
    /// The entry of the audit log, made from the standings before and after.
    pub(crate) entry: &'a (dyn Fn(&UserStanding, &UserStanding) -> Write + Send + Sync),
}

/// A standing to be changed, in a commit of its own or in another one. The write expects the version that was read.
#[derive(Debug, Clone)]
pub(crate) struct StandingDraft {
    user: UserId,
    version: Option<Version>,
    standing: UserStanding,
    now: DateTime<Utc>,
}

impl StandingDraft {
    fn of(user: &UserId, seen: Seen, now: DateTime<Utc>) -> Self {
        let Seen { standing, version, .. } = seen;
        let mut standing = UserStanding::clone(&standing);
        standing.ended_logins.retain(|ended| ended.lives_until.checked_add_signed(LEEWAY).is_none_or(|end| end > now));
        Self { user: user.clone(), version, standing, now }
    }

    /// The tokens of this login are refused. The last one expires at `lives_until`.
    pub(crate) fn end_login(mut self, login: LoginId, lives_until: DateTime<Utc>) -> Self {
        let standing = &mut self.standing;
        if standing.kept_login == Some(login) {
            standing.kept_login = None;
        }
        let ended = &mut standing.ended_logins;
        // Of two times, the later one holds.
        let known = ended.iter().find(|ended| ended.login == login).map(|ended| ended.lives_until);
        let lives_until = known.map_or(lives_until, |known| known.max(lives_until));
        ended.retain(|ended| ended.login != login);
        ended.push(EndedLogin { login, lives_until });
        if ended.len() > MOST_ENDED { self.forget_first() } else { self }
    }

    /// Makes room among the ended logins, so that none of them works again and no login that began after them is concerned.
    fn forget_first(mut self) -> Self {
        let standing = &mut self.standing;
        let dated = standing.ended_logins.iter().map(|ended| ended.login).filter(|login| login.began_at().is_some());
        let Some(first) = dated.min() else {
            // Nothing says when these logins began. Their tokens were issued before now.
            let mut draft = self.end_all_logins(None);
            draft.standing.ended_logins.clear();
            return draft;
        };
        standing.ended_upto = standing.ended_upto.max(Some(first));
        standing.ended_logins.retain(|ended| ended.login != first);
        self
    }

    /// The tokens of all logins but one are refused.
    pub(crate) fn end_all_logins(mut self, except: Option<LoginId>) -> Self {
        let standing = &mut self.standing;
        let end = standing.revoked_before.map_or(self.now, |known| known.max(self.now));
        // A login that has ended cannot be kept.
        let has_ended = |login: &LoginId| standing.ended_logins.iter().any(|ended| ended.login == *login);
        let kept = except.filter(|login| !has_ended(login));
        (standing.revoked_before, standing.kept_login) = (Some(end), kept);
        // What began before is refused without being listed. A process whose clock is ahead may have begun the others.
        let is_before = |login: LoginId| login.began_at().is_some_and(|began| began < end.trunc_subsecs(3));
        standing.ended_logins.retain(|ended| !is_before(ended.login));
        self
    }

    /// Tokens issued before a time are refused.
    pub(crate) fn revoke_before(mut self, time: DateTime<Utc>) -> Self {
        let standing = &mut self.standing;
        if standing.revoked_before.is_none_or(|known| known < time) {
            (standing.revoked_before, standing.kept_login) = (Some(time), None);
        }
        self
    }

    /// The user has blocked or unblocked somebody.
    const fn change_blocks(mut self) -> Self {
        self.standing.blocks_changed = self.standing.blocks_changed.wrapping_add(1);
        self
    }

    fn ban(mut self, ban: Ban) -> Self {
        self.standing.ban = Some(ban);
        self
    }

    /// Whether a ban is in force.
    fn is_banned(&self) -> bool {
        self.standing.banned_at(self.now).is_some()
    }

    /// The user is a bot.
    pub(in crate::chat) const fn of_a_bot(mut self) -> Self {
        self.standing.is_bot = true;
        self
    }

    /// `None` where there is no ban.
    fn unban(mut self) -> Option<Self> {
        self.standing.ban.take()?;
        Some(self)
    }

    /// The account is deleted.
    pub(crate) fn delete(mut self) -> Self {
        self.standing.deleted_at = self.standing.deleted_at.or(Some(self.now));
        self
    }

    /// The writes for a commit. After the commit, [`Chat::standing_changed`] tells of it.
    pub(crate) fn writes(self) -> [Write; 2] {
        let write = Standings { user: self.user }.put(self.standing);
        let write = match self.version {
            Some(version) => write.at(version),
            None => write.absent(),
        };
        [write, counted()]
    }
}

/// # The standing of users
/// These use cases are the host's: they take no [`Principal`] and ask no permission. An embedder decides who may call them.
impl Chat {
    /// A user's standing in the whole system; the default for an unknown user.
    ///
    /// # Errors
    /// [`Unavailable`](Error::Unavailable) when the store is unavailable.
    pub async fn standing(&self, user: &UserId) -> Result<UserStanding> {
        Ok(UserStanding::clone(&self.inner.standings.fresh(user).await?.standing))
    }

    /// Ends a login: the chat refuses the tokens of the login from now on, and ends its streams and sockets, in this process at once and in
    /// other processes within [`standing_age`](crate::Limits::standing_age). `lives_until` is the expiry of the last token of the login;
    /// until then the chat remembers the ended login. With accounts in this process, the chat remembers the ended login at least for the
    /// lifetime of a refresh token.
    ///
    /// The chat remembers 1,000 ended logins of a user. Beyond that, all logins of the user that began before the first remembered login
    /// end.
    ///
    /// # Errors
    /// [`Unavailable`](Error::Unavailable) when the store is unavailable.
    pub async fn end_login(&self, user: &UserId, login: LoginId, lives_until: DateTime<Utc>) -> Result<()> {
        let refreshed = TimeDelta::seconds(self.inner.login_seconds.load(Ordering::Relaxed));
        let refreshed_until = self.inner.clock.now().checked_add_signed(refreshed);
        let lives_until = refreshed_until.map_or(DateTime::<Utc>::MAX_UTC, |until| until.max(lives_until));
        self.change_standing(user, |draft| draft.end_login(login, lives_until)).await
    }

    /// Ends all logins of a user that began before now, except one. A token without the time of its login is refused if the token was
    /// issued before now.
    ///
    /// # Errors
    /// As [`end_login`](Self::end_login).
    pub async fn end_all_logins(&self, user: &UserId, except: Option<LoginId>) -> Result<()> {
        self.change_standing(user, |draft| draft.end_all_logins(except)).await
    }

    /// Ends the logins of a user that began before a time: the chat refuses their tokens, including tokens of a later refresh. The
    /// [`LoginId`] of a login contains the time of the login. For other ids, and for tokens without a login, the token's time of issue
    /// counts. Most tokens have a time of issue in whole seconds: a token from the same second as `time` counts as issued before, and so
    /// does a token without a time of issue. A time earlier than the previous time changes nothing.
    ///
    /// # Errors
    /// As [`end_login`](Self::end_login).
    pub async fn revoke_before(&self, user: &UserId, time: DateTime<Utc>) -> Result<()> {
        self.change_standing(user, |draft| draft.revoke_before(time)).await
    }

    /// Bans an account. The user is refused from now on with [`AccountBanned`](Error::AccountBanned), also on open streams and sockets, and
    /// no user can add the user to a session. The ban removes the user from every session by one event for each session, and no message of
    /// the user follows that event. After the return, the removal is complete in all sessions. If the process ends earlier, another process
    /// continues.
    ///
    /// A session that the user owns has no owner until the ban ends. All tokens of the user's bots end, as a part of the same work. A ban of a
    /// banned user replaces the ban.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a reason that is empty or longer than [`description_chars`](crate::Limits::description_chars), or an end in
    /// the past; [`OutcomeUnknown`](Error::OutcomeUnknown) when the ban is in force and the removals are not complete.
    pub async fn ban_account(&self, user: &UserId, ban: BanAccount) -> Result<()> {
        self.ban_recorded(user, ban, None).await
    }

    /// [`ban_account`](Self::ban_account) by the administration, or by the host.
    pub(crate) async fn ban_recorded(&self, user: &UserId, ban: BanAccount, by: Option<Recorded<'_>>) -> Result<()> {
        let BanAccount { reason, by: actor, until } = ban;
        let (now, max) = (self.inner.clock.now(), self.inner.limits.description_chars);
        let mut faults = Vec::new();
        if !is_visible(&reason) || reason.chars().take(max + 1).count() > max {
            let message = format!("1 to {max} characters");
            faults.push(FieldError::new("reason", Code::ValidationInvalidValue, message));
        }
        if until.is_some_and(|until| until <= now) {
            faults.push(FieldError::new("until", Code::ValidationInvalidValue, "a time in the future"));
        }
        if !faults.is_empty() {
            return Err(Error::Invalid(faults));
        }
        let ban = Ban { reason, by: actor.clone(), at: now, until: until.map(|until| until.trunc_subsecs(6)) };
        let task = DepartureTask::Remove { by: actor, reason: RemovalReason::AccountBanned };
        self.change_and_depart(user, &task, |draft| Some(draft.ban(ban.clone())), by).await
    }

    /// Ends the ban of an account. The user becomes the owner again of the sessions that the ban left without an owner, also if a session
    /// is full meanwhile, or if the user is in the session again with another role. The user must join other sessions again. For a user who
    /// is not banned, nothing changes.
    ///
    /// A ban with an end needs no call of this function: the user's next call after the end restores the ownerships.
    ///
    /// # Errors
    /// [`OutcomeUnknown`](Error::OutcomeUnknown) when the ban has ended and not all ownerships are restored.
    pub async fn unban_account(&self, user: &UserId) -> Result<()> {
        self.unban_recorded(user, None).await
    }

    /// [`unban_account`](Self::unban_account) by the administration, or by the host.
    pub(crate) async fn unban_recorded(&self, user: &UserId, by: Option<Recorded<'_>>) -> Result<()> {
        self.change_and_depart(user, &DepartureTask::Restore, StandingDraft::unban, by).await
    }

    /// Deletes an account: the chat refuses all calls of the user with [`AccountDeleted`](Error::AccountDeleted), permanently, and removes
    /// the user from every session as by [`ban_account`](Self::ban_account). The user's messages stay. The user's bots are deleted, as by
    /// [`delete_bot`](Self::delete_bot).
    ///
    /// # Errors
    /// [`OutcomeUnknown`](Error::OutcomeUnknown) when the account is deleted and the other work is not complete.
    pub async fn delete_account(&self, user: &UserId, by: &UserId) -> Result<()> {
        let task = DepartureTask::Remove { by: by.clone(), reason: RemovalReason::AccountDeleted };
        self.change_and_depart(user, &task, |draft| Some(draft.delete()), None).await
    }

    /// Does what is left to do after a ban whose time is over. A ban that was made meanwhile stays.
    ///
    /// # Errors
    /// [`Unavailable`](Error::Unavailable) where the user's sessions do not have their owner back yet: the user would be refused there.
    pub(in crate::chat) async fn end_over_ban(&self, user: &UserId) -> Result<()> {
        let unban = |draft: StandingDraft| if draft.is_banned() { None } else { draft.unban() };
        // The call itself has changed nothing, whatever became of the ban.
        self.change_and_depart(user, &DepartureTask::Restore, unban, None).await.map_err(|_| Error::Unavailable)
    }

    /// Changes a standing, and does what it asks for in the user's sessions. Does nothing where the change gives `None`.
    async fn change_and_depart(
        &self,
        user: &UserId,
        task: &DepartureTask,
        change: impl Fn(StandingDraft) -> Option<StandingDraft> + Send + Sync,
        by: Option<Recorded<'_>>,
    ) -> Result<()> {
        // A user who is deleted comes back to no session, and the removals of the deletion may be under way.
        let beside = |before: &UserStanding, after: &UserStanding| {
            let is_void = *task == DepartureTask::Restore && after.deleted_at.is_some();
            let departure = (!is_void).then(|| self.departure(user, task.clone()));
            departure.into_iter().chain(by.map(|by| (by.entry)(before, after))).collect()
        };
        let authority = by.map(|by| by.authority);
        let Some(version) = self.commit_standing(user, change, beside, authority).await? else { return Ok(()) };
        // The mark is made: an error must not say that nothing was changed.
        match self.depart(user, Some(version), PATIENCE).await {
            Ok(Departed::Done) => return Ok(()),
            Ok(Departed::Elsewhere) => tracing::info!("another process still works on the sessions of a user"),
            Err(error) => tracing::warn!(%error, "the sessions of a user are not done yet; another attempt follows"),
        }
        self.keep_resuming();
        Err(Error::OutcomeUnknown)
    }

    /// Waits until the caller's login ends before the token expires, and returns the reason: [`TokenInvalid`](Error::TokenInvalid),
    /// [`AccountBanned`](Error::AccountBanned) or [`AccountDeleted`](Error::AccountDeleted). After the return, a frontend closes the
    /// caller's socket. Streams end by themselves.
    ///
    /// Dropping the future ends the wait.
    pub async fn login_ended(&self, principal: &Principal) -> Error {
        self.inner.standings.watch(principal).ended().await
    }

    /// A user's standing as it is now, to be changed in a commit.
    pub(crate) async fn standing_draft(&self, user: &UserId) -> Result<StandingDraft> {
        let seen = self.inner.standings.fresh(user).await?;
        Ok(StandingDraft::of(user, seen, self.inner.clock.now()))
    }

    /// After a commit that wrote a user's standing: what this process knows of it is read again, and others are told.
    pub(crate) async fn standing_changed(&self, user: &UserId) {
        self.inner.standings.changed(user).await;
        self.publish(Hint::Revoked { user_id: user.clone() }).await;
    }

    /// The write by which an admission holds the standing on which it was decided: where the standing changes before the commit,
    /// the commit fails with a conflict, and the admission is decided again on a `fresh` standing. A denial is always fresh.
    pub(crate) async fn hold(&self, principal: &Principal, user: &UserId, fresh: bool) -> Result<Write> {
        Ok(self.held_standing(principal, user, fresh).await?.0)
    }

    /// The same, and whether the user is a bot.
    async fn held_standing(&self, principal: &Principal, user: &UserId, fresh: bool) -> Result<(Write, bool)> {
        let standings = &self.inner.standings;
        let decide = |seen: &Seen| {
            let now = self.inner.clock.now();
            if *user == principal.user_id {
                check(&seen.standing, principal, now)
            } else if seen.standing.may_enter(now) {
                Ok(())
            } else {
                Err(Error::UserBanned)
            }
        };
        let mut seen = if fresh { standings.fresh(user).await? } else { standings.get(user).await? };
        if decide(&seen).is_err() && !fresh {
            seen = standings.fresh(user).await?;
        }
        decide(&seen)?;
        let key = Standings { user: user.clone() };
        let write = match seen.version {
            Some(version) => key.hold(version),
            // An earlier version saw the user and kept no standing.
            None => key.put(UserStanding::default()).absent(),
        };
        Ok((write, seen.standing.is_bot))
    }

    /// The writes of an admission beside those of the participant: [`hold`](Self::hold), and for a bot its entry among the bots of the session.
    pub(in crate::chat) async fn admitting(
        &self,
        principal: &Principal,
        user: &UserId,
        session: SessionId,
        fresh: bool,
    ) -> Result<Vec<Write>> {
        let (held, is_bot) = self.held_standing(principal, user, fresh).await?;
        let listed = is_bot.then(|| SessionBots { session, bot: user.clone() }.put(Listed));
        Ok([held].into_iter().chain(listed).collect())
    }

    /// Commits a change of a user's blocks. The standing counts it, so each process in which the user has streams learns of it.
    pub(in crate::chat) async fn commit_block(&self, user: &UserId, block: &Write) -> Result<()> {
        self.commit_standing(user, |draft| Some(draft.change_blocks()), |_, _| vec![block.clone()], None).await?;
        Ok(())
    }

    async fn change_standing(
        &self,
        user: &UserId,
        change: impl Fn(StandingDraft) -> StandingDraft + Send + Sync,
    ) -> Result<()> {
        self.commit_standing(user, |draft| Some(change(draft)), |_, _| Vec::new(), None).await?;
        Ok(())
    }

    /// Commits a standing together with other writes, and by an authority where one is needed; the version of all, or `None` where there is
    /// nothing to change.
    async fn commit_standing(
        &self,
        user: &UserId,
        change: impl Fn(StandingDraft) -> Option<StandingDraft> + Send + Sync,
        beside: impl Fn(&UserStanding, &UserStanding) -> Vec<Write> + Send + Sync,
        authority: Option<Authority<'_>>,
    ) -> Result<Option<Version>> {
        for _ in 0..self.inner.limits.commit_attempts {
            let draft = self.standing_draft(user).await?;
            let before = draft.standing.clone();
            let Some(draft) = change(draft) else { return Ok(None) };
            let mut writes = beside(&before, &draft.standing);
            if let Some(authority) = authority {
                writes.extend(authority().await?);
            }
            writes.splice(0..0, draft.writes());
            let change = Change::of_records(writes);
            let version = change.id;
            match self.inner.store.commit(change).await {
                Ok(_) => {
                    self.standing_changed(user).await;
                    return Ok(Some(version));
                }
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        tracing::warn!(%user, "a standing was changed by others each time");
        Err(Error::Unavailable)
    }
}
