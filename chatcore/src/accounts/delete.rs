//! The deletion of an account, and the erasure of what it left.
//!
//! One commit deletes the account: nobody can log in, its tokens are refused, and its name is gone from everything that is shown. What the
//! user left in sessions is erased by a job, which any process can go on with: its record says how far it has come.

use chrono::TimeDelta;

use super::{
    AccountEmails, AccountLooks, AccountNames, AccountRecord, AccountRecords, Accounts, Client, ErasureRecord,
    Erasures,
    logins::Ending,
    names::{fold, look},
};
use crate::{
    error::{Error, Result},
    identity::Principal,
    limits::Use,
    model::{SessionId, UserId},
    store::{
        Been, Change, ChatStoreExt as _, Found, KeyPart as _, Listed, Memberships, Newest, ProfilePart, ProfileRecord,
        Profiles, StoreError, TypedKey as _, Version, Write,
    },
};

/// How long a process has to do the next part of an erasure before another one may go on.
const LEASE: TimeDelta = TimeDelta::seconds(60);

/// Entries of lists that are read at once.
const CHUNK: u64 = 200;

impl Accounts {
    /// Deletes the caller's account. All its logins end at once, and the name and the address are free again. In the background, the user is removed
    /// from all sessions, and the messages become tombstones where [`erases_messages`](super::AccountSettings::erases_messages) says so. A session
    /// that the user owned stays, without an owner.
    ///
    /// # Errors
    /// [`InvalidCredentials`](Error::InvalidCredentials) for a wrong password, [`RateLimited`](Error::RateLimited) after too many.
    pub async fn delete_account(&self, principal: &Principal, client: &Client, password: &str) -> Result<()> {
        self.inner.chat.enter(principal, Use::Request).await?;
        let user = &principal.user_id;
        let mut found = self.prove(client, user, password).await?;
        let proved = found.value.password.clone();
        self.note_sessions(user).await?;
        for _ in 0..self.inner.chat.limits().commit_attempts {
            let mut writes = self.deleting(user, &found);
            writes.extend(self.ending(user, Ending::Deletion).await?);
            let change = Change::of_records(writes);
            let claim = change.id;
            match self.store().commit(change).await {
                Ok(_) => {
                    self.inner.chat.profile_changed(user);
                    self.inner.chat.standing_changed(user).await;
                    let (accounts, user) = (self.clone(), user.clone());
                    tokio::spawn(async move {
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
    }

    /// Goes on with erasures that a process has left behind, and says how many are done now. A host calls it at the start and now and then.
    ///
    /// # Errors
    /// The first error; the erasures that are left go on with the next call.
    pub async fn resume_erasures(&self) -> Result<u64> {
        let (mut done, mut after) = (0, None);
        loop {
            let scan = Erasures::under(Vec::new()).after(after.take()).limit(CHUNK);
            let found = self.store().list::<Erasures>(scan).await?;
            let Some((last, _)) = found.last() else { return Ok(done) };
            after = Some(vec![last.user.part()]);
            for (key, _) in found {
                done += u64::from(self.erase(&key.user, None).await?);
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
        };
        let erasure = ErasureRecord {
            since: now,
            messages: self.inner.settings.erases_messages,
            avatar: account.avatar,
            done: None,
            after: 0,
            claimed_until: None,
        };
        writes.extend([
            AccountRecords { user: user.clone() }.remove().at(found.version),
            AccountLooks { skeleton: look(&name) }.remove(),
            AccountNames { name }.remove(),
            AccountEmails { email }.remove(),
            Profiles { user: user.clone() }.put(removed),
            Erasures { user: user.clone() }.put(erasure),
            self.inner.chat.deletion(user),
        ]);
        writes
    }

    /// Erases what a user left, unless another process does. Says whether it is done. `deletion` is the version of the commit that deleted the
    /// account, where this process has just made it.
    async fn erase(&self, user: &UserId, deletion: Option<Version>) -> Result<bool> {
        // No message of the user stands after the removal from its session.
        self.inner.chat.leave_all(user, deletion).await?;
        let Some((mut erasure, mut version)) = self.claim(user).await? else { return Ok(false) };
        #[cfg(feature = "avatars")]
        self.remove_avatar(erasure.avatar.as_deref()).await;
        loop {
            let after = erasure.done.map(|done| vec![done.part()]);
            let sessions = Been::under(vec![user.part()]).after(after).limit(CHUNK);
            let sessions = self.store().list::<Been>(sessions).await?;
            if sessions.is_empty() {
                let done = Erasures { user: user.clone() }.remove().at(version);
                return match self.store().commit(Change::of_records(vec![done])).await {
                    Ok(_) => Ok(true),
                    // Another process goes on.
                    Err(StoreError::Conflict { .. }) => Ok(false),
                    Err(error) => Err(error.into()),
                };
            }
            for (Been { session, .. }, _) in sessions {
                if erasure.messages {
                    while let Some(after) = self.inner.chat.erase_messages(user, session, erasure.after).await? {
                        erasure.after = after;
                        let Some(renewed) = self.renew(user, &mut erasure, version).await? else { return Ok(false) };
                        version = renewed;
                    }
                }
                (erasure.done, erasure.after) = (Some(session), 0);
                let Some(renewed) = self.renew(user, &mut erasure, version).await? else { return Ok(false) };
                version = renewed;
            }
        }
    }

    /// Claims an erasure; `None` where there is none, or where another process has it.
    async fn claim(&self, user: &UserId) -> Result<Option<(ErasureRecord, Version)>> {
        let Some(found) = self.store().get(&Erasures { user: user.clone() }).await? else { return Ok(None) };
        if found.value.claimed_until.is_some_and(|until| until > self.now()) {
            return Ok(None);
        }
        let mut erasure = ErasureRecord::clone(&found.value);
        let version = self.renew(user, &mut erasure, found.version).await?;
        Ok(version.map(|version| (erasure, version)))
    }

    /// Writes down how far an erasure has come; `None` where another process has taken it over.
    async fn renew(&self, user: &UserId, erasure: &mut ErasureRecord, version: Version) -> Result<Option<Version>> {
        erasure.claimed_until = self.now().checked_add_signed(LEASE);
        let change = Change::of_records(vec![Erasures { user: user.clone() }.put(erasure.clone()).at(version)]);
        let version = change.id;
        match self.store().commit(change).await {
            Ok(_) => Ok(Some(version)),
            Err(StoreError::Conflict { .. }) => Ok(None),
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
