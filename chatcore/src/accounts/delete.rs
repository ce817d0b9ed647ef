//! The deletion of an account, and the erasure of what it left.
//!
//! One commit deletes the account: nobody can log in, its tokens are refused, and its name is gone from everything that is shown. What the
//! user left in sessions is erased by a job, which any process can go on with: its record says how far it has come.

use chrono::{DateTime, TimeDelta, Utc};

use super::{
    AccountEmails, AccountLooks, AccountNames, AccountRecord, AccountRecords, Accounts, Client, ErasureRecord,
    Erasures,
    logins::Ending,
    names::{fold, looks},
};
use crate::{
    error::{Error, Result},
    identity::Principal,
    limits::Use,
    model::{SessionId, UserId},
    store::{
        Been, BotCursors, BotLeases, Change, ChatStoreExt as _, DeliveryMarkers, Found, KeyPart as _, LastSeenTimes,
        Listed, Memberships, Newest, PresenceChoices, ProfilePart, ProfileRecord, Profiles, ReadMarkers,
        SessionPreferences, SettingsOfUsers, StoreError, TypedKey as _, Version, Write,
    },
    trace::use_case,
};

/// How long a process has to do the next part of an erasure before another one may go on.
const LEASE: TimeDelta = TimeDelta::seconds(60);

/// Entries of lists that are read at once.
const CHUNK: u64 = 200;

/// Sessions of one erasure that may be left for later.
const MOST_LEFT: usize = 1_000;

/// How often the pause before the next attempt of an erasure doubles.
const MOST_DOUBLINGS: u32 = 6;

/// An erasure that this process has for itself.
struct Claim<'a> {
    user: &'a UserId,
    erasure: ErasureRecord,
    version: Version,
}

/// What came of the erasure of one session.
enum Erased {
    Done,
    /// Something failed that concerns this session.
    Failed,
    /// Another process has taken the erasure over.
    Lost,
}

/// Whether an erasure is nobody's turn: a process works on it, or it waits after a failure.
fn is_claimed(erasure: &ErasureRecord, now: DateTime<Utc>) -> bool {
    erasure.claimed_until.is_some_and(|until| until > now)
}

impl Accounts {
    /// Deletes the caller's account. All logins of the account end at once, and the name and the address are free again. In the background,
    /// the chat removes the user from all sessions, and with [`erases_messages`](super::AccountSettings::erases_messages) replaces the
    /// messages by tombstones. A session that the user owned stays, without an owner.
    ///
    /// # Errors
    /// [`InvalidCredentials`](Error::InvalidCredentials) for a wrong password, [`RateLimited`](Error::RateLimited) after too many,
    /// [`LastAdministrator`](Error::LastAdministrator) where the caller is the last active account with the system role.
    pub async fn delete_account(&self, principal: &Principal, client: &Client, password: &str) -> Result<()> {
        use_case!("accounts.delete_account", async move {
            self.inner.chat.enter_unscoped(principal, Use::Request).await?;
            let user = &principal.user_id;
            let mut found = self.prove(client, user, password).await?;
            let proved = found.value.password.clone();
            self.note_sessions(user).await?;
            for _ in 0..self.inner.chat.limits().commit_attempts {
                let mut writes = self.deleting(user, &found);
                #[cfg(feature = "admin")]
                writes.extend(crate::admin::resignation(&self.inner.chat, principal, client.address).await?);
                writes.extend(self.ending(user, Ending::Deletion).await?);
                let change = Change::of_records(writes);
                let claim = change.id;
                match self.store().commit(change).await {
                    Ok(_) => {
                        self.inner.chat.profile_changed(user);
                        self.inner.chat.standing_changed(user).await;
                        let (accounts, user) = (self.clone(), user.clone());
                        tokio::spawn(async move {
                            // Not before the answer, which goes over a connection that the deletion ends.
                            if let Err(error) = accounts.erase(&user, Some(claim)).await {
                                tracing::warn!(%user, %error, "an erasure stopped; it goes on later");
                            }
                        });
                        return Ok(());
                    }
                    Err(StoreError::Conflict { .. }) => found = self.proved(user, &proved).await?,
                    Err(error) => return Err(error.into()),
                }
            }
            Err(Error::Unavailable)
        })
    }

    /// Continues unfinished erasures of other processes, and returns the number of completed erasures. A host calls this function at the
    /// start and periodically.
    ///
    /// A failed erasure blocks no other erasure. The failure is logged, and a later call retries the erasure. A failed session is retried
    /// later, with a backoff that doubles from one minute to about one hour.
    ///
    /// # Errors
    /// The error of the list of erasures; the erasures continue with the next call.
    pub async fn resume_erasures(&self) -> Result<u64> {
        let (mut done, mut after) = (0, None);
        loop {
            let scan = Erasures::under(Vec::new()).after(after.take()).limit(CHUNK);
            let found = self.store().list::<Erasures>(scan).await?;
            let Some((last, _)) = found.last() else { return Ok(done) };
            after = Some(vec![last.user.part()]);
            let now = self.now();
            for (key, _) in found.into_iter().filter(|(_, found)| !is_claimed(&found.value, now)) {
                match self.erase(&key.user, None).await {
                    Ok(is_done) => done += u64::from(is_done),
                    Err(error) => tracing::warn!(%error, "an erasure stopped; trying again later"),
                }
            }
        }
    }

    /// The writes that delete an account, but for its logins.
    fn deleting(&self, user: &UserId, found: &Found<AccountRecord>) -> Vec<Write> {
        let now = self.now();
        let mut account = AccountRecord::clone(&found.value);
        let mut writes = account.without_codes();
        let (name, email) = (fold(&account.username), fold(&account.email));
        let part = |text: &str| Some(ProfilePart { text: text.to_owned(), as_of: now });
        let removed = ProfileRecord {
            user_id: user.clone(),
            username: part("deleted"),
            name: part(&self.inner.settings.removed_name),
            email: None,
            picture: None,
            is_bot: false,
        };
        let erasure = ErasureRecord {
            since: now,
            messages: self.inner.settings.erases_messages,
            done: None,
            after: 0,
            claimed_until: None,
            left: Vec::new(),
            failures: 0,
        };
        writes.extend([
            AccountRecords { user: user.clone() }.remove().at(found.version),
            AccountNames { name }.remove(),
            AccountEmails { email }.remove(),
            Profiles { user: user.clone() }.put(removed),
            PresenceChoices { user: user.clone() }.remove(),
            SettingsOfUsers { user: user.clone() }.remove(),
            LastSeenTimes { user: user.clone() }.remove(),
            BotLeases { user: user.clone() }.remove(),
            Erasures { user: user.clone() }.put(erasure),
            self.inner.chat.deletion(user),
        ]);
        writes.extend(looks(&account.username).into_iter().map(|skeleton| AccountLooks { skeleton }.remove()));
        writes
    }

    /// Erases what a user left, unless another process does. Says whether it is done. `deletion` is the version of the commit that deleted the
    /// account, where this process has just made it.
    async fn erase(&self, user: &UserId, deletion: Option<Version>) -> Result<bool> {
        // No message of the user stands after the removal from its session.
        match self.inner.chat.leave_all(user, deletion).await {
            Ok(true) => {}
            Ok(false) => return Ok(false),
            // The sessions that the user is out of can be erased.
            Err(error) => tracing::warn!(%error, "a deleted user is not out of all sessions yet; trying again later"),
        }
        let Some(mut claim) = self.claim(user).await? else { return Ok(false) };
        self.inner.chat.erase_waiting(user).await?;
        self.inner.chat.erase_follows(user).await?;
        let requests = self.inner.chat.erase_join_requests(user).await;
        if let Err(error) = &requests {
            tracing::warn!(%error, "a deleted user's requests to join are not taken back yet");
        }
        let bans = self.inner.chat.erase_bans(user).await;
        if let Err(error) = &bans {
            tracing::warn!(%error, "the reasons of a deleted user's bans are not erased yet");
        }
        #[cfg(feature = "avatars")]
        let pictures = self.erase_pictures(user).await;
        #[cfg(not(feature = "avatars"))]
        let pictures = Erased::Done;
        for session in claim.erasure.left.clone() {
            match self.erase_session(&mut claim, session, true).await? {
                Erased::Done => claim.erasure.left.retain(|left| *left != session),
                Erased::Failed => {}
                Erased::Lost => return Ok(false),
            }
        }
        loop {
            let after = claim.erasure.done.map(|done| vec![done.part()]);
            let sessions = Been::under(vec![user.part()]).after(after).limit(CHUNK);
            let sessions = self.store().list::<Been>(sessions).await?;
            if sessions.is_empty() {
                break;
            }
            let own = |session| {
                let marker = ReadMarkers { user: user.clone(), session }.remove();
                let delivery = DeliveryMarkers { user: user.clone(), session }.remove();
                let cursor = BotCursors { user: user.clone(), session }.remove();
                [marker, delivery, cursor, SessionPreferences { user: user.clone(), session }.remove()]
            };
            let removed = sessions.iter().flat_map(|(been, _)| own(been.session)).collect();
            self.store().commit(Change::of_records(removed)).await?;
            for (Been { session, .. }, _) in sessions {
                match self.erase_session(&mut claim, session, false).await? {
                    Erased::Done => {}
                    Erased::Failed => claim.erasure.left.push(session),
                    Erased::Lost => return Ok(false),
                }
                (claim.erasure.done, claim.erasure.after) = (Some(session), 0);
                if claim.erasure.left.len() >= MOST_LEFT {
                    // Something is wrong with more than a session.
                    return self.put_off(claim).await;
                }
                if !self.renew(&mut claim, LEASE).await? {
                    return Ok(false);
                }
            }
        }
        self.inner.chat.forget_blocks(user).await?;
        let is_left = requests.is_err() || bans.is_err() || !claim.erasure.left.is_empty();
        if is_left || matches!(pictures, Erased::Failed) {
            return self.put_off(claim).await;
        }
        let done = Erasures { user: user.clone() }.remove().at(claim.version);
        match self.store().commit(Change::of_records(vec![done])).await {
            Ok(_) => Ok(true),
            // Another process goes on.
            Err(StoreError::Conflict { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Removes every picture that a user uploaded. A process that keeps no pictures leaves them to one that does.
    #[cfg(feature = "avatars")]
    async fn erase_pictures(&self, user: &UserId) -> Erased {
        match self.remove_pictures(user, true).await {
            Ok(()) => Erased::Done,
            Err(error) => {
                tracing::warn!(%error, "a deleted user's pictures are not removed yet");
                Erased::Failed
            }
        }
    }

    /// Erases what a user left in one session: after the position that is done, or all of a session that was left before.
    async fn erase_session(&self, claim: &mut Claim<'_>, session: SessionId, was_left: bool) -> Result<Erased> {
        if let Err(error) = self.inner.chat.erase_notes(claim.user, session).await {
            tracing::warn!(%session, %error, "a deleted user's metadata and reasons in one session are not erased yet");
            return Ok(Erased::Failed);
        }
        if let Err(error) = self.inner.chat.erase_reports(claim.user, session).await {
            tracing::warn!(%session, %error, "a deleted user's reports of one session are not erased yet");
            return Ok(Erased::Failed);
        }
        // Also where the user's messages stay: these were never sent, and nobody can approve them any more.
        if let Err(error) = self.inner.chat.forget_held(claim.user, session).await {
            tracing::warn!(%session, %error, "a deleted user's held messages of one session are not removed yet");
            return Ok(Erased::Failed);
        }
        if !claim.erasure.messages {
            return Ok(Erased::Done);
        }
        let mut after = if was_left { 0 } else { claim.erasure.after };
        loop {
            match self.inner.chat.erase_messages(claim.user, session, after).await {
                Ok(Some(next)) => after = next,
                Ok(None) => return Ok(Erased::Done),
                Err(error) => {
                    tracing::warn!(%session, %error, "a deleted user's messages of one session are not erased yet");
                    return Ok(Erased::Failed);
                }
            }
            if !was_left {
                claim.erasure.after = after;
            }
            if !self.renew(claim, LEASE).await? {
                return Ok(Erased::Lost);
            }
        }
    }

    /// Leaves the sessions that failed for later: the pause doubles each time.
    async fn put_off(&self, mut claim: Claim<'_>) -> Result<bool> {
        let failures = claim.erasure.failures;
        claim.erasure.failures = failures.saturating_add(1);
        let pause = LEASE.checked_mul(1 << failures.min(MOST_DOUBLINGS)).unwrap_or(LEASE);
        let (sessions, minutes) = (claim.erasure.left.len(), pause.num_minutes());
        tracing::warn!(sessions, minutes, "an erasure is not done; what failed is tried again later");
        self.renew(&mut claim, pause).await?;
        Ok(false)
    }

    /// Claims an erasure; `None` where there is none, or where another process has it.
    async fn claim<'a>(&self, user: &'a UserId) -> Result<Option<Claim<'a>>> {
        let Some(found) = self.store().get(&Erasures { user: user.clone() }).await? else { return Ok(None) };
        if is_claimed(&found.value, self.now()) {
            return Ok(None);
        }
        let mut claim = Claim { user, erasure: ErasureRecord::clone(&found.value), version: found.version };
        Ok(self.renew(&mut claim, LEASE).await?.then_some(claim))
    }

    /// Writes down how far an erasure has come, and keeps it for so long; `false` where another process has taken it over.
    async fn renew(&self, claim: &mut Claim<'_>, lease: TimeDelta) -> Result<bool> {
        claim.erasure.claimed_until = self.now().checked_add_signed(lease);
        let write = Erasures { user: claim.user.clone() }.put(claim.erasure.clone()).at(claim.version);
        let change = Change::of_records(vec![write]);
        let version = change.id;
        match self.store().commit(change).await {
            Ok(_) => {
                claim.version = version;
                Ok(true)
            }
            Err(StoreError::Conflict { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Notes the sessions that a user came into before such notes were made.
    pub(super) async fn note_sessions(&self, user: &UserId) -> Result<()> {
        let mut after: Option<Newest<SessionId>> = None;
        loop {
            let scan = Memberships::under(vec![user.part()]).after(after.map(|after| vec![after.part()])).limit(CHUNK);
            let found = self.store().list::<Memberships>(scan).await?;
            let Some((last, _)) = found.last() else { return Ok(()) };
            after = Some(last.session);
            let keys: Vec<Been> =
                found.into_iter().map(|(key, _)| Been { user: key.user, session: key.session.0 }).collect();
            let known = self.store().get_all(&keys).await?;
            let missing = keys.into_iter().zip(known).filter(|(_, known)| known.is_none());
            let writes: Vec<Write> = missing.map(|(key, _)| key.put(Listed)).collect();
            if !writes.is_empty() {
                self.store().commit(Change::of_records(writes)).await?;
            }
        }
    }
}
