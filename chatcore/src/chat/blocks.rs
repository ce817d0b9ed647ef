//! Use cases about users whom a user has blocked, and what a block forbids.
//!
//! A block belongs to the blocking user, and to no session. The chat notifies no other user of a block.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use moka::sync::Cache;

use super::{
    Chat,
    decide::{govern::Known, policy::Operation},
    read::{lists::Slice, profiles},
};
use crate::{
    error::{Code, Error, Result},
    identity::Principal,
    limits::Use,
    model::{
        BlockedUser, Event, EventKind, ListPage, Page, ParticipantEvent, SessionEvent, SessionId, SessionType, UserId,
    },
    store::{
        BlockRecord, Blocks, Change, ChatStore, ChatStoreExt as _, Found, Key, KeyPart as _, LogRange, Prefix, Record,
        Scan, StoreError, TypedKey as _,
    },
    trace::use_case,
};

/// Maximum number of users whom a user can block.
pub const MAX_BLOCKS: u64 = 1_000;

/// The users whom a user has blocked, each with the time of the block.
pub(in crate::chat) type BlockedAt = HashMap<UserId, DateTime<Utc>>;

/// The users whom users have blocked, in the order of the users.
pub(in crate::chat) async fn blocks_of(store: &dyn ChatStore, users: &[UserId]) -> Result<Vec<BlockedAt>, StoreError> {
    // Several processes together may have let in more than the limit.
    let scan = |user: &UserId| Blocks::under(vec![user.part()]).limit(2 * MAX_BLOCKS);
    let scans: Vec<Scan> = users.iter().map(scan).collect();
    let found = if scans.is_empty() { Vec::new() } else { store.scan(&scans).await? };
    let block = |(key, record): (Key, Record)| {
        Some((Blocks::from_parts(&key.parts)?.blocked, record.value.get::<BlockRecord>()?.at))
    };
    Ok(found.into_iter().map(|blocks| blocks.into_iter().filter_map(block).collect()).collect())
}

/// The users of direct sessions, which never change.
pub(in crate::chat) struct Pairs(Cache<SessionId, [UserId; 2]>);

impl Default for Pairs {
    fn default() -> Self {
        Self(Cache::new(10_000))
    }
}

impl Chat {
    /// Blocks a user: the user can neither start a direct session with the caller, nor write in an existing direct session. In other
    /// sessions the caller sees which messages are of the user. The two users see no presence, no typing and no receipts of each other, and
    /// cannot mention each other. A repeated call changes nothing, so a retry is safe.
    ///
    /// # Errors
    /// [`Invalid`](Error::Invalid) for the caller's own id; [`UserNotFound`](Error::UserNotFound) for an unknown id;
    /// [`LimitExceeded`](Error::LimitExceeded) for one more than [`MAX_BLOCKS`] (concurrent calls in other processes can exceed the limit
    /// by a few); [`RateLimited`](Error::RateLimited) after too many unknown ids.
    pub async fn block_user(&self, principal: &Principal, other: &UserId) -> Result<()> {
        use_case!("block_user", async move {
            self.enter(principal, Use::Request).await?;
            let (user, now) = (&principal.user_id, self.inner.clock.now());
            if other == user {
                let message = "a user other than the caller";
                return Err(Error::invalid("user_id", Code::ValidationInvalidValue, message));
            }
            self.permit(principal, Operation::ManageBlocks).await?;
            // Before the user is looked up, so that a caller without allowance cannot try further ids.
            self.inner.allowances.look(user, now)?;
            if !self.inner.profiles.knows(other).await? {
                self.inner.allowances.charge_inviter(user, now)?;
                return Err(Error::UserNotFound);
            }
            if self.is_blocked(user, other).await? {
                return Ok(());
            }
            let all = Prefix { table: Blocks::TABLE, parts: vec![user.part()] };
            if self.inner.store.count(&[all]).await?.first().is_some_and(|count| *count >= MAX_BLOCKS) {
                return Err(Error::LimitExceeded { what: "the number of blocked users", limit: MAX_BLOCKS });
            }
            // Where another call is faster, the block is there already.
            let block = Blocks { user: user.clone(), blocked: other.clone() }.put(BlockRecord { at: now });
            self.commit_block(user, &block).await?;
            self.inner.presences.parted(user, other);
            self.inner.receipts.chose(user);
            Ok(())
        })
    }

    /// Ends a block. Without a block, nothing changes.
    ///
    /// # Errors
    /// [`Unavailable`](Error::Unavailable) when the store is unavailable.
    pub async fn unblock_user(&self, principal: &Principal, other: &UserId) -> Result<()> {
        use_case!("unblock_user", async move {
            self.enter(principal, Use::Request).await?;
            self.permit(principal, Operation::ManageBlocks).await?;
            let user = &principal.user_id;
            if self.is_blocked(user, other).await? {
                let block = Blocks { user: user.clone(), blocked: other.clone() }.remove();
                self.commit_block(user, &block).await?;
                self.inner.presences.parted(user, other);
            }
            self.inner.receipts.chose(&principal.user_id);
            Ok(())
        })
    }

    /// The users that the caller has blocked, in the order of their ids.
    ///
    /// # Errors
    /// [`Invalid`](Error::Invalid) for a page outside of the limits.
    pub async fn blocks(&self, principal: &Principal, page: Page<UserId>) -> Result<ListPage<BlockedUser, UserId>> {
        use_case!("blocks", async move {
            self.enter(principal, Use::Request).await?;
            let (limit, Slice { after, skip, limit: wanted }) = self.inner.limits.slice(page)?;
            self.permit(principal, Operation::ManageBlocks).await?;
            let after = after.map(|after| vec![after.part()]);
            let scan = Blocks::under(vec![principal.user_id.part()]).after(after).skip(skip).limit(wanted);
            let found = self.inner.store.list::<Blocks>(scan).await?;
            let page = ListPage::cut(found, limit, |(key, _)| key.blocked.clone());
            let users = self.inner.profiles.find(page.iter().map(|(key, _)| &key.blocked).collect()).await?;
            let shown = |(key, found): (Blocks, Found<BlockRecord>)| BlockedUser {
                user: profiles::public(profiles::of(&users, &key.blocked)),
                blocked_at: found.value.at,
            };
            Ok(page.map(|found| found.into_iter().map(shown).collect()))
        })
    }

    /// Removes the blocks that a user made, whose account is deleted.
    #[cfg(feature = "accounts")]
    pub(crate) async fn forget_blocks(&self, user: &UserId) -> Result<()> {
        // Several processes together may have let in more than the limit.
        loop {
            let some = Blocks::under(vec![user.part()]).limit(MAX_BLOCKS);
            let found = self.inner.store.list::<Blocks>(some).await?;
            if found.is_empty() {
                return Ok(());
            }
            let writes = found.into_iter().map(|(key, _)| key.remove()).collect();
            self.inner.store.commit(Change::of_records(writes)).await?;
        }
    }

    /// Whether one user has blocked another one, as of now.
    pub(in crate::chat) async fn is_blocked(&self, by: &UserId, user: &UserId) -> Result<bool> {
        Ok(!self.blocked_among(by, [user]).await?.is_empty())
    }

    /// Those of the users whom one user has blocked, as of now.
    pub(in crate::chat) async fn blocked_among<'a>(
        &self,
        by: &UserId,
        users: impl IntoIterator<Item = &'a UserId>,
    ) -> Result<HashSet<UserId>> {
        let others: HashSet<&UserId> = users.into_iter().filter(|user| *user != by).collect();
        if others.is_empty() {
            return Ok(HashSet::new());
        }
        let keys: Vec<Blocks> =
            others.into_iter().map(|user| Blocks { user: by.clone(), blocked: user.clone() }).collect();
        let found = self.inner.store.get_all(&keys).await?;
        Ok(keys.into_iter().zip(found).filter(|(_, found)| found.is_some()).map(|(key, _)| key.blocked).collect())
    }

    /// Those of the users whom a block keeps apart from one user, whichever of the two has blocked the other, as of now.
    pub(in crate::chat) async fn apart_from<'a>(
        &self,
        one: &UserId,
        users: impl IntoIterator<Item = &'a UserId>,
    ) -> Result<HashSet<UserId>> {
        let others: HashSet<&UserId> = users.into_iter().filter(|user| *user != one).collect();
        if others.is_empty() {
            return Ok(HashSet::new());
        }
        let block = |user: &UserId, blocked: &UserId| Blocks { user: user.clone(), blocked: blocked.clone() };
        let keys: Vec<Blocks> = others.into_iter().flat_map(|other| [block(one, other), block(other, one)]).collect();
        let found = self.inner.store.get_all(&keys).await?;
        let other = |key: Blocks| if key.user == *one { key.blocked } else { key.user };
        Ok(keys.into_iter().zip(found).filter(|(_, found)| found.is_some()).map(|(key, _)| other(key)).collect())
    }

    /// Whether one of the users has blocked one user, as of now.
    pub(in crate::chat) async fn blocked_by<'a>(
        &self,
        users: impl IntoIterator<Item = &'a UserId>,
        blocked: &UserId,
    ) -> Result<bool> {
        let key = |user: &UserId| Blocks { user: user.clone(), blocked: blocked.clone() };
        let keys: Vec<Blocks> = users.into_iter().filter(|user| *user != blocked).map(key).collect();
        Ok(self.inner.store.get_all(&keys).await?.iter().any(Option::is_some))
    }

    /// The users of direct sessions, in the order of the ids. `None` for a session whose log does not tell them.
    pub(in crate::chat) async fn pairs(&self, ids: &[SessionId]) -> Result<Vec<Option<[UserId; 2]>>> {
        let known: Vec<Option<[UserId; 2]>> = ids.iter().map(|id| self.inner.pairs.0.get(id)).collect();
        let missing = ids.iter().zip(&known).filter(|(_, pair)| pair.is_none());
        let ranges: Vec<_> = missing.map(|(id, _)| LogRange { session_id: *id, from: 1, to: 2 }).collect();
        if ranges.is_empty() {
            return Ok(known);
        }
        let mut read = self.inner.store.log(&ranges).await?.into_iter();
        let pair_of = |(id, known): (&SessionId, Option<_>)| {
            known.or_else(|| {
                let pair = pair(read.next()?.iter().map(|row| &**row))?;
                self.inner.pairs.0.insert(*id, pair.clone());
                Some(pair)
            })
        };
        Ok(ids.iter().zip(known).map(pair_of).collect())
    }

    /// Refuses to write in a direct session whose other user has blocked the caller.
    ///
    /// # Errors
    /// [`DirectRefused`](Error::DirectRefused) where that is so.
    pub(in crate::chat) async fn may_write_to(&self, principal: &Principal, known: &Known) -> Result<()> {
        let session = known.session()?;
        if session.session_type != SessionType::Direct {
            return Ok(());
        }
        let pair = self.pairs(&[session.id]).await?.pop().flatten().ok_or(Error::Unavailable)?;
        if self.blocked_by(&pair, &principal.user_id).await? { Err(Error::DirectRefused) } else { Ok(()) }
    }
}

/// The users of a direct session, by the events with which its log begins.
fn pair<'a>(mut rows: impl Iterator<Item = &'a Event>) -> Option<[UserId; 2]> {
    let (created, added) = (rows.next()?, rows.next()?);
    match (&created.kind, &added.kind) {
        (
            EventKind::Session(SessionEvent::Created { .. }),
            EventKind::Participant(ParticipantEvent::Added { user_id, .. }),
        ) => Some([created.actor.clone(), user_id.clone()]),
        _ => None,
    }
}
