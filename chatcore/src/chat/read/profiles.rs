//! Profiles: made on first sight, looked up when something is shown.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use chrono::{DateTime, TimeDelta, Utc};
use moka::sync::Cache;

use super::user_directory::{self, Directory};
#[cfg(feature = "admin")]
use crate::chat::counting::{Counted, Counts};
use crate::chat::{
    Chat,
    decide::{caller::check, policy::Operation},
    stream::{standings::KnownStandings, task::apart},
};
use crate::{
    clock::Clock,
    error::{Error, Result},
    identity::{LEEWAY, Principal, Said},
    limits::{Use, Uses},
    model::{Profile, UserId, UserStanding},
    store::{
        self as stored, Change, ChatStore, ChatStoreExt as _, ProfilePart, ProfileRecord, StoreError, TypedKey as _,
        WebhookAuthor,
    },
    trace::use_case,
};

/// Profiles kept in memory.
const KEPT: u64 = 20_000;

/// How long another process' rename may stay unseen.
pub(in crate::chat) const FRESH_FOR: TimeDelta = TimeDelta::seconds(5);

/// After how long a caller's profile is read again: another process may have written it meanwhile.
const READ_AGAIN: TimeDelta = TimeDelta::seconds(600);

/// How often a profile is read again when somebody else has written it in between.
const ATTEMPTS: usize = 100;

/// Looks profiles up, keeping those of late.
#[derive(Clone)]
pub(in crate::chat) struct Profiles {
    store: Arc<dyn ChatStore>,
    clock: Arc<dyn Clock>,
    standings: KnownStandings,
    directory: Directory,
    #[cfg(feature = "admin")]
    counts: Counts,
    /// The longest text of a profile.
    max_chars: usize,
    /// Each with the time at which it was read.
    recent: Cache<UserId, (Profile, DateTime<Utc>)>,
    /// What the claims of each caller led to, so that a caller costs the store something once and not at every call.
    callers: Cache<UserId, Arc<Caller>>,
}

/// The profile of a caller.
struct Caller {
    /// As it is stored. A part that newer claims have confirmed since is as old as these.
    record: ProfileRecord,
    read_at: DateTime<Utc>,
}

/// Which part the newest claims make of a stored one; `None` where it stays as it is.
///
/// For each part, the claim that is present and newest counts. Claims of unknown age count as of now where they say
/// something else than is stored, and confirm nothing: they would otherwise make the part newer each time they are shown,
/// and shut out every token that tells its age.
fn news(stored: Option<&ProfilePart>, said: Option<&String>, of: &Said) -> Option<ProfilePart> {
    let text = said?;
    let part = |as_of| Some(ProfilePart { text: text.clone(), as_of });
    let Some(stored) = stored else { return part(of.as_of.unwrap_or(of.now)) };
    match of.as_of {
        // Earlier versions took a time in the future as it was. Such a part has no age that counts.
        Some(as_of) if as_of > stored.as_of || stored.as_of > of.now + LEEWAY => part(as_of),
        None if *text != stored.text => part(of.now),
        Some(_) | None => None,
    }
}

/// A record with what claims make of it; `None` where it stays as it is.
fn updated(record: &ProfileRecord, said: &Said) -> Option<ProfileRecord> {
    let ProfileRecord { user_id, username, name, email, picture, is_bot } = record;
    let news = |stored: &Option<ProfilePart>, claim: &Option<String>| news(stored.as_ref(), claim.as_ref(), said);
    let (new_username, new_name) = (news(username, &said.username), news(name, &said.name));
    let (new_email, new_picture) = (news(email, &said.email), news(picture, &said.picture));
    if [&new_username, &new_name, &new_email, &new_picture].into_iter().all(Option::is_none) {
        return None;
    }
    Some(ProfileRecord {
        user_id: user_id.clone(),
        username: new_username.or_else(|| username.clone()),
        name: new_name.or_else(|| name.clone()),
        email: new_email.or_else(|| email.clone()),
        picture: new_picture.or_else(|| picture.clone()),
        is_bot: *is_bot,
    })
}

/// Makes each part of a stored record as old as the claims that confirmed it, where they are known.
fn confirm(stored: &mut ProfileRecord, known: &ProfileRecord) {
    let parts = |record: &ProfileRecord| {
        let ProfileRecord { user_id: _, username, name, email, picture, is_bot: _ } = record.clone();
        [username, name, email, picture]
    };
    let ProfileRecord { user_id: _, username, name, email, picture, is_bot: _ } = stored;
    for (stored, known) in [username, name, email, picture].into_iter().zip(parts(known)) {
        if let (Some(stored), Some(known)) = (stored, known)
            && stored.text == known.text
        {
            stored.as_of = stored.as_of.max(known.as_of);
        }
    }
}

/// Whether two records show the same.
fn show_the_same(one: &ProfileRecord, other: &ProfileRecord) -> bool {
    let texts = |record: &ProfileRecord| {
        let ProfileRecord { user_id: _, username, name, email, picture, is_bot: _ } = record.clone();
        [username, name, email, picture].map(|part| part.map(|part| part.text))
    };
    texts(one) == texts(other)
}

impl Profiles {
    pub(in crate::chat) fn new(
        store: Arc<dyn ChatStore>,
        clock: Arc<dyn Clock>,
        standings: KnownStandings,
        directory: Directory,
        max_chars: usize,
    ) -> Self {
        let (recent, callers) = (Cache::new(KEPT), Cache::new(KEPT));
        #[cfg(feature = "admin")]
        let counts = Counts::new(Arc::clone(&store), Arc::clone(&clock));
        Self {
            store,
            clock,
            standings,
            directory,
            #[cfg(feature = "admin")]
            counts,
            max_chars,
            recent,
            callers,
        }
    }

    /// The same, where these count the users.
    #[cfg(feature = "admin")]
    pub(in crate::chat) fn counted_by(self, counts: Counts) -> Self {
        Self { counts, ..self }
    }

    pub(in crate::chat) fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// A profile that was read a short while ago.
    fn recent(&self, user: &UserId) -> Option<Profile> {
        let (profile, read_at) = self.recent.get(user)?;
        is_younger(read_at, self.now(), FRESH_FOR).then_some(profile)
    }

    /// Keeps what the claims of a caller say, where that is news.
    async fn see(&self, user: &UserId, said: Said) -> Result<()> {
        let known = self.callers.get(user).filter(|caller| is_younger(caller.read_at, said.now, READ_AGAIN));
        if let Some(known) = &known {
            let Some(record) = updated(&known.record, &said) else { return Ok(()) };
            if show_the_same(&record, &known.record) {
                // Newer claims that confirm what is stored need no write, and are the ones that older claims must not
                // replace.
                self.callers.insert(user.clone(), Arc::new(Caller { record, read_at: known.read_at }));
                return Ok(());
            }
        }
        for _ in 0..ATTEMPTS {
            let read_at = self.now();
            let key = stored::Profiles { user: user.clone() };
            let standing = stored::Standings { user: user.clone() };
            let mut found = self.store.records(&[key.key(), standing.key()]).await?.into_iter();
            let profile = stored::typed::<ProfileRecord>(found.next().flatten())?;
            let known_standing = stored::typed::<UserStanding>(found.next().flatten())?;
            let has_standing = known_standing.is_some();
            if known_standing.is_some_and(|found| found.value.deleted_at.is_some()) {
                // This process has not heard of the deletion yet. No claim brings the name back.
                return Ok(());
            }
            let version = profile.as_ref().map(|found| found.version);
            let mut stored =
                profile.map_or_else(|| ProfileRecord::unknown(user.clone()), |found| (*found.value).clone());
            if let Some(known) = &known {
                confirm(&mut stored, &known.record);
            }
            let record = updated(&stored, &said).unwrap_or_else(|| stored.clone());
            let mut writes = Vec::new();
            if version.is_none() || !show_the_same(&record, &stored) {
                let write = key.put(record.clone());
                writes.push(version.map_or_else(|| write.clone().absent(), |version| write.clone().at(version)));
            }
            if !has_standing {
                writes.push(standing.put(UserStanding::default()).absent());
            }
            if !writes.is_empty() {
                match self.store.commit(Change::of_records(writes)).await {
                    Ok(_) => {
                        #[cfg(feature = "admin")]
                        self.counts.add(Counted::Users, i64::from(version.is_none()));
                        if !has_standing {
                            self.standings.forget(user);
                        }
                    }
                    // Another process has written it. What it knows and what these claims say both belong in it.
                    Err(StoreError::Conflict { .. }) => continue,
                    // It is there and cannot be read.
                    Err(StoreError::Corrupt(_)) => break,
                    Err(error) => return Err(error.into()),
                }
            }
            self.recent.insert(user.clone(), (record.profile(), read_at));
            self.callers.insert(user.clone(), Arc::new(Caller { record, read_at }));
            return Ok(());
        }
        // It is written by others each time, or it is there and cannot be read. What is only shown must refuse no use case.
        tracing::warn!(%user, "a profile could not be written; it is tried again later");
        let record = updated(&ProfileRecord::unknown(user.clone()), &said);
        let record = record.unwrap_or_else(|| ProfileRecord::unknown(user.clone()));
        self.callers.insert(user.clone(), Arc::new(Caller { record, read_at: self.now() }));
        Ok(())
    }

    /// The profiles of these users; of whom nothing is known, the id stands for the name.
    pub(in crate::chat) async fn find(&self, users: Vec<&UserId>) -> Result<HashMap<UserId, Profile>> {
        let mut found = HashMap::new();
        let mut missing = HashSet::new();
        for user in users {
            if found.contains_key(user) || missing.contains(user) {
                continue;
            }
            match self.recent(user) {
                Some(profile) => {
                    found.insert(user.clone(), profile);
                }
                None => drop(missing.insert(user.clone())),
            }
        }
        if missing.is_empty() {
            return Ok(found);
        }
        let (missing, read_at) = (Vec::from_iter(missing), self.now());
        let stored = self.stored(&missing).await?;
        // No directory knows the author of a webhook.
        let is_unseen = |(user, stored): &(&UserId, &Option<Profile>)| stored.is_none() && user.webhook().is_none();
        let unseen = missing.iter().zip(&stored).filter(is_unseen);
        let unseen: Vec<UserId> = unseen.map(|(user, _)| user.clone()).collect();
        let mut told = if unseen.is_empty() { Vec::new() } else { self.directory.names(&unseen).await }.into_iter();
        for (user, profile) in missing.into_iter().zip(stored) {
            let profile = match profile {
                Some(profile) => profile,
                None if user.webhook().is_some() => Profile::unknown(user.clone()),
                None => told.next().flatten().map_or_else(
                    || Profile::unknown(user.clone()),
                    |found| {
                        let said = user_directory::principal(&user, &found).said(self.max_chars, read_at);
                        let unknown = ProfileRecord::unknown(user.clone());
                        updated(&unknown, &said).unwrap_or(unknown).profile()
                    },
                ),
            };
            self.recent.insert(user.clone(), (profile.clone(), read_at));
            found.insert(user, profile);
        }
        Ok(found)
    }

    /// The profiles that are stored, in the order of the ids. Webhooks have authors in place of profiles.
    async fn stored(&self, users: &[UserId]) -> Result<Vec<Option<Profile>>> {
        let key = |user: &UserId| match user.webhook() {
            Some(webhook) => stored::WebhookAuthors { webhook }.key(),
            None => stored::Profiles { user: user.clone() }.key(),
        };
        let records = self.store.records(&users.iter().map(key).collect::<Vec<_>>()).await?;
        let profile = |(user, record): (&UserId, Option<stored::Record>)| {
            Ok(match user.webhook() {
                Some(_) => stored::typed::<WebhookAuthor>(record)?.map(|found| found.value.profile(user)),
                None => stored::typed::<ProfileRecord>(record)?.map(|found| found.value.profile()),
            })
        };
        users.iter().zip(records).map(profile).collect()
    }

    pub(in crate::chat) async fn one(&self, user: &UserId) -> Result<Profile> {
        if let Some(profile) = self.recent(user) {
            return Ok(profile);
        }
        let mut found = self.find(vec![user]).await?;
        Ok(found.remove(user).unwrap_or_else(|| Profile::unknown(user.clone())))
    }

    /// Forgets what was kept of a user or an author, whose profile was written.
    pub(in crate::chat) fn forget(&self, user: &UserId) {
        self.recent.invalidate(user);
        self.callers.invalidate(user);
    }

    /// Whether the user was ever seen, by any process, or is in the host's directory; then the user counts as seen from now on.
    ///
    /// # Errors
    /// [`Unavailable`](Error::Unavailable) where the directory does not answer.
    pub(in crate::chat) async fn knows(&self, user: &UserId) -> Result<bool> {
        if self.store.get(&stored::Profiles { user: user.clone() }).await?.is_some() {
            return Ok(true);
        }
        let Some(found) = self.directory.one(user).await? else { return Ok(false) };
        self.see(user, user_directory::principal(user, &found).said(self.max_chars, self.now())).await?;
        Ok(true)
    }
}

/// Whether something of that time is younger than an age. The clock may have been set back since; then it is not.
pub(in crate::chat) fn is_younger(made: DateTime<Utc>, now: DateTime<Utc>, age: TimeDelta) -> bool {
    (TimeDelta::zero()..age).contains(&(now - made))
}

/// A profile as everybody may see it.
pub(in crate::chat) fn public(profile: Profile) -> Profile {
    Profile { email: None, ..profile }
}

/// Takes a profile out of what [`Profiles::find`] gave.
pub(in crate::chat) fn of(profiles: &HashMap<UserId, Profile>, user: &UserId) -> Profile {
    profiles.get(user).cloned().unwrap_or_else(|| Profile::unknown(user.clone()))
}

impl Chat {
    /// The caller's own profile. The first call of a user creates the profile.
    ///
    /// # Errors
    /// [`TokenExpired`](Error::TokenExpired) for an expired principal.
    pub async fn me(&self, principal: &Principal) -> Result<Profile> {
        use_case!("me", async move {
            self.enter(principal, Use::Request).await?;
            self.permit(principal, Operation::ReadOwnProfile).await?;
            self.inner.profiles.one(&principal.user_id).await
        })
    }

    /// Every use case begins here, with what it is counted as: refuses a caller whose time is over, whose standing forbids it, or who is
    /// too fast, and remembers the others. [`Unavailable`](Error::Unavailable) where a ban is over and the user's sessions are not yet
    /// given back. A use case that is called by another one does not begin here again.
    pub(crate) async fn enter(&self, principal: &Principal, uses: impl Into<Uses>) -> Result<()> {
        let now = self.inner.clock.now();
        if principal.expires_at.is_some_and(|end| end <= now) {
            return Err(Error::TokenExpired);
        }
        self.charge(principal, uses.into(), now).await?;
        let known = self.inner.standings.get(&principal.user_id).await?;
        check(&known.standing, principal, now)?;
        if known.standing.ban.is_some() {
            let (chat, user) = (self.clone(), principal.user_id.clone());
            apart(async move { chat.end_over_ban(&user).await }).await??;
        }
        self.keep_resuming();
        let said = principal.said(self.inner.limits.profile_chars, now);
        self.inner.profiles.see(&principal.user_id, said).await
    }
}
