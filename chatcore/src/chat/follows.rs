//! Followed threads: who follows a thread, and how far a user has read the threads that the user follows.
//!
//! Both are records under the user. A send that is no reply writes neither. A reply writes the record of its author where the author does not
//! follow the thread yet, and one for each user whom it names and who has no record. The user who began a thread needs no record: the thread
//! names the user.

use std::collections::HashMap;

use super::{
    Chat,
    decide::{history::Sight, target::Target, validate::reached},
    read::{ends::WINDOW, lists::Slice},
    threads::within,
};
use crate::{
    error::{Error, Result},
    identity::Principal,
    limits::Use,
    model::{
        FollowedThread, ListPage, Message, MessageId, MessageStatus, Page, Seq, SessionId, Signal, ThreadState, Unread,
        UserId,
    },
    notify::Hint,
    permission::Action,
    store::{
        ActiveThreads, Been, Change, ChatStoreExt as _, FollowRecord, Follows, Found, Freshness, Key, KeyPart as _,
        Listed, Newest, Replies, ReplyEntry, Scan, Speaker, ThreadEntry, ThreadMarker, ThreadMarkers, ThreadRecord,
        Threads, TypedKey as _, typed,
    },
    trace::use_case,
};

/// Threads of a session that are looked at for one page.
const LOOKED: u64 = 1_000;

/// Threads of a session that are read at once.
const CHUNK: u64 = 200;

/// Whether a user follows a thread that `by` began.
pub(super) fn is_following(record: Option<&FollowRecord>, by: Option<&UserId>, user: &UserId) -> bool {
    record.map_or(by == Some(user), |record| record.follows)
}

/// What is stored about a user and a thread.
struct Reading {
    root: MessageId,
    thread: Option<Found<ThreadRecord>>,
    follow: Option<Found<FollowRecord>>,
    marker: Option<Found<ThreadMarker>>,
    /// The position with which the user came into the session.
    joined: Seq,
}

impl Reading {
    /// The keys of the records, in the order in which [`read`](Self::read) takes them.
    fn keys(user: &UserId, MessageId { session_id: session, seq: root }: MessageId) -> [Key; 4] {
        let user = || user.clone();
        [
            Threads { session, root }.key(),
            Follows { user: user(), session, root }.key(),
            ThreadMarkers { user: user(), session, root }.key(),
            Been { user: user(), session }.key(),
        ]
    }

    fn read(root: MessageId, records: &mut impl Iterator<Item = Option<crate::store::Record>>) -> Result<Self> {
        let mut next = || records.next().flatten();
        let (thread, follow, marker) = (typed(next())?, typed(next())?, typed(next())?);
        let been: Option<Found<Listed>> = typed(next())?;
        Ok(Self { root, thread, follow, marker, joined: been.map_or(0, |been| been.at) })
    }

    /// The same for a user who sees the log from a position on: what the user does not see is not unread.
    fn seen(self, sight: Sight) -> Self {
        Self { joined: self.joined.max(sight.start()), ..self }
    }

    fn by(&self) -> Option<&UserId> {
        self.thread.as_ref().and_then(|thread| thread.value.by.as_ref())
    }

    /// The position up to which the user has read: the highest of the marker, the position from which the user follows, and the position
    /// with which the user came into the session.
    fn upto(&self) -> Seq {
        let marked = self.marker.as_ref().map_or(0, |marker| marker.value.seq);
        let followed = self.follow.as_ref().map_or(0, |follow| follow.value.since.saturating_sub(1));
        marked.max(followed).max(self.joined).max(self.root.seq)
    }

    /// At least so many replies stand up to there.
    fn number(&self) -> u64 {
        let marked = self.marker.as_ref().map_or(0, |marker| marker.value.number);
        marked.max(self.follow.as_ref().map_or(0, |follow| follow.value.number))
    }

    /// Finds the replies after a position, one more than are counted exactly.
    fn scan(&self, after: Seq) -> Scan {
        let MessageId { session_id, seq } = self.root;
        Replies::under(vec![session_id.part(), seq.part()]).after(Some(vec![after.part()])).limit(WINDOW + 1)
    }

    /// Of the replies that a scan found, those that the thread's record counts.
    fn counted(&self, found: Vec<(Replies, Found<ReplyEntry>)>) -> Vec<Found<ReplyEntry>> {
        let upto = self.thread.as_ref().map_or(0, |thread| thread.at);
        found.into_iter().filter(|(key, _)| key.reply <= upto).map(|(_, entry)| entry).collect()
    }

    /// How many replies of the thread are unread by the user.
    fn unread(&self, user: &UserId, found: Vec<(Replies, Found<ReplyEntry>)>) -> Unread {
        let found = self.counted(found);
        let is_own = |entry: &&Found<ReplyEntry>| entry.value.said_by == Some(Speaker::User(user.clone()));
        let own = found.iter().filter(is_own).count() as u64;
        let after = found.len() as u64;
        if after <= WINDOW {
            // Entries of earlier versions do not say whose they are.
            let is_exact = found.iter().all(|entry| entry.value.said_by.is_some());
            return Unread { count: after - own, is_exact: is_exact || after == own };
        }
        let total = self.thread.as_ref().map_or(0, |thread| thread.value.total);
        Unread { count: total.saturating_sub(self.number()).saturating_sub(own), is_exact: false }
    }

    fn state(&self, user: &UserId, found: Vec<(Replies, Found<ReplyEntry>)>) -> ThreadState {
        ThreadState {
            session_id: self.root.session_id,
            thread_root: self.root,
            is_followed: is_following(self.follow.as_ref().map(|follow| &*follow.value), self.by(), user),
            read_upto: self.upto(),
            unread: self.unread(user, found),
        }
    }

    /// The record of a user who follows from now on, as of the end of the log.
    fn beginning_at(&self, head: Seq) -> FollowRecord {
        let (at, total) = self.thread.as_ref().map_or((0, 0), |thread| (thread.at, thread.value.total));
        FollowRecord { follows: true, since: head.max(at).saturating_add(1), number: total }
    }
}

impl Target {
    /// The message that began the thread.
    fn root(&self) -> MessageId {
        let seq = self.body.reply.map_or(self.event.seq, |reply| reply.root);
        MessageId { session_id: self.event.session_id, seq }
    }
}

impl Chat {
    /// Follows the thread that a message belongs to: later replies are unread. A repeated call changes nothing, so a retry is safe. The
    /// caller can also follow a thread without replies. The caller's other devices receive a [signal](Signal::Thread).
    ///
    /// Without this call, a user follows a thread from the user's own first reply on, from the first reply or edit on that names the user, and a
    /// thread that the user began from its first reply on. A mention of everybody makes nobody follow.
    ///
    /// # Errors
    /// [`MessageNotFound`](Error::MessageNotFound) as for [`message`](Self::message); [`Denied`](Error::Denied) when the caller may not
    /// view the session; [`MessageDeleted`](Error::MessageDeleted) for a deleted message that began no thread.
    pub async fn follow_thread(&self, principal: &Principal, id: MessageId) -> Result<ThreadState> {
        use_case!("follow_thread", id.session_id, self.change_following(principal, id, true))
    }

    /// Unfollows the thread that a message belongs to. Mentions and replies of others no longer make the caller follow the thread; a reply
    /// of the caller and [`follow_thread`](Self::follow_thread) do. The marker stays. A retry is safe. The caller's other devices receive a
    /// [signal](Signal::Thread).
    ///
    /// # Errors
    /// [`MessageNotFound`](Error::MessageNotFound) as for [`message`](Self::message); [`Denied`](Error::Denied) when the caller may not
    /// view the session; [`MessageDeleted`](Error::MessageDeleted) for a deleted message that began no thread.
    pub async fn unfollow_thread(&self, principal: &Principal, id: MessageId) -> Result<ThreadState> {
        use_case!("unfollow_thread", id.session_id, self.change_following(principal, id, false))
    }

    async fn change_following(&self, principal: &Principal, id: MessageId, follows: bool) -> Result<ThreadState> {
        self.enter(principal, Use::Request).await?;
        let user = &principal.user_id;
        for _ in 0..self.inner.limits.commit_attempts {
            let (target, reading) = self.reading(principal, id).await?;
            let sight = target.known.sight()?;
            if reading.thread.is_none() && matches!(target.status, MessageStatus::Deleted { .. }) {
                if target.may_be_shown() {
                    return Err(Error::MessageDeleted);
                }
                continue;
            }
            let found = reading.follow.as_ref();
            let is_settled = match found {
                Some(found) => found.value.follows == follows,
                None => follows && reading.by() == Some(user),
            };
            if is_settled {
                return self.thread_state(user, reading.root, sight).await;
            }
            let record = match (follows, found) {
                (true, _) => reading.beginning_at(sight.head.seq),
                (false, Some(found)) => FollowRecord { follows: false, ..*found.value },
                (false, None) => FollowRecord { follows: false, since: 0, number: 0 },
            };
            let MessageId { session_id: session, seq: root } = reading.root;
            let write = Follows { user: user.clone(), session, root }.put(record);
            let write = match found {
                Some(found) => write.at(found.version),
                None => write.absent(),
            };
            if self.try_commit(Change::of_records(vec![write])).await?.is_some() {
                return self.tell_thread(user, reading.root, sight).await;
            }
        }
        Err(Error::Unavailable)
    }

    /// Marks the thread that a message belongs to as read up to the message, and returns the caller's new state of the thread. A marker
    /// only moves forward: an earlier position changes nothing, so a retry is safe. The read marker of the session stays. The caller need
    /// not follow the thread. The caller's other devices receive a [signal](Signal::Thread).
    ///
    /// # Errors
    /// [`MessageNotFound`](Error::MessageNotFound) as for [`message`](Self::message), also beyond the end of the log;
    /// [`Denied`](Error::Denied) when the caller may not view the session.
    pub async fn mark_thread_read(&self, principal: &Principal, id: MessageId) -> Result<ThreadState> {
        use_case!("mark_thread_read", id.session_id, async move {
            self.enter(principal, Use::Request).await?;
            let user = &principal.user_id;
            for _ in 0..self.inner.limits.commit_attempts {
                let (target, reading) = self.reading(principal, id).await?;
                let sight = target.known.sight()?;
                let Some(thread) = reading.thread.as_ref().filter(|_| id.seq > reading.upto()) else {
                    return self.thread_state(user, reading.root, sight).await;
                };
                let rest = reading.counted(self.inner.store.list::<Replies>(reading.scan(id.seq)).await?).len() as u64;
                let number = if rest > WINDOW { reading.number() } else { thread.value.total.saturating_sub(rest) };
                let MessageId { session_id: session, seq: root } = reading.root;
                let key = ThreadMarkers { user: user.clone(), session, root };
                let write = key.put(ThreadMarker { seq: id.seq, number });
                let write = match &reading.marker {
                    Some(found) => write.at(found.version),
                    None => write.absent(),
                };
                if self.try_commit(Change::of_records(vec![write])).await?.is_some() {
                    return self.tell_thread(user, reading.root, sight).await;
                }
            }
            Err(Error::Unavailable)
        })
    }

    /// The threads of a session that the caller follows, each with the message that began the thread, the thread with the newest reply
    /// first. The id of an entry, for [`Page::after`], is the id of its [last reply](crate::model::ThreadSummary::last). Threads whose
    /// replies are all deleted are left out. A page reads at most 1,000 threads of the session, so a page before further pages may be
    /// shorter than requested.
    ///
    /// # Errors
    /// [`Denied`](Error::Denied) when the caller may not view the session; [`Invalid`](Error::Invalid) for a page outside of the limits,
    /// or after a message of another session, and for a [`skip`](Page::skip) beyond the threads that a page reads.
    pub async fn followed_threads(
        &self,
        principal: &Principal,
        id: SessionId,
        page: Page<MessageId>,
    ) -> Result<ListPage<FollowedThread, MessageId>> {
        use_case!("followed_threads", id, async move {
            self.enter(principal, Use::Request).await?;
            let (limit, Slice { after, skip, limit: wanted }) = self.inner.limits.slice(page)?;
            let after = within(id, after)?;
            let sight = self.allowed(id, principal, Action::View, Freshness::Fresh).await?.sight()?;
            let user = &principal.user_id;
            let walked = self.walk_followed(user, sight, Slice { after, skip, limit: wanted }).await?;
            let Walked { found, written, next } = walked;
            let is_full = found.len() as u64 > limit;
            let page = ListPage::cut(found, limit, |(last, _)| MessageId { session_id: id, seq: *last });
            let of = |(_, root): &(Seq, Seq)| (user, MessageId { session_id: id, seq: *root });
            let states = self.thread_states(&page.iter().map(of).collect::<Vec<_>>(), Some(sight)).await?;
            let written = states.iter().map(|(_, written)| *written).fold(written, Seq::max);
            let states: HashMap<Seq, ThreadState> =
                states.into_iter().map(|(state, _)| (state.thread_root.seq, state)).collect();
            let roots: Vec<Seq> = page.iter().map(|(_, root)| *root).collect();
            let shown = self.messages_at(principal, &roots, (sight, written)).await?;
            let one = |mut root: Message| {
                let state = *states.get(&root.seq)?;
                let thread = root.thread.as_mut().filter(|thread| thread.last.is_some())?;
                thread.is_followed = Some(state.is_followed);
                Some(FollowedThread { root, state })
            };
            let page = page.map(|_| shown.into_iter().filter_map(one).collect());
            let next = if is_full { page.next } else { next.map(|seq| MessageId { session_id: id, seq }) };
            Ok(ListPage { next, ..page })
        })
    }

    /// Threads that a user follows among those of a session, by the positions of their last replies and of the messages that began them.
    async fn walk_followed(&self, user: &UserId, sight: Sight, slice: Slice<Seq>) -> Result<Walked> {
        let Slice { after, mut skip, limit } = slice;
        let session = sight.session_id;
        let mut walked = Walked { found: Vec::new(), written: 0, next: after };
        let (mut goes_on, mut looked) = (true, 0);
        while goes_on && (walked.found.len() as u64) < limit && looked < LOOKED {
            let after = walked.next.map(|after| vec![Newest(after).part()]);
            let scan = ActiveThreads::under(vec![session.part()]).after(after).limit(CHUNK);
            let entries = self.inner.store.list::<ActiveThreads>(scan).await?;
            (goes_on, looked) = (entries.len() as u64 == CHUNK, looked + entries.len() as u64);
            walked.next = entries.last().map(|(key, _)| key.last.0).or(walked.next);
            walked.written = entries.iter().map(|(_, found)| found.at).fold(walked.written, Seq::max);
            let key =
                |(_, found): &(_, Found<ThreadEntry>)| Follows { user: user.clone(), session, root: found.value.root };
            let keys: Vec<Follows> = entries.iter().map(key).collect();
            let records = self.inner.store.get_all(&keys).await?;
            for ((key, entry), record) in entries.into_iter().zip(records) {
                let record = record.map(|found| found.value);
                let is_seen = sight.sees(entry.value.root);
                if !is_seen || !is_following(record.as_deref(), entry.value.by.as_ref(), user) {
                    continue;
                }
                if skip > 0 {
                    skip -= 1;
                } else {
                    walked.found.push((key.last.0, entry.value.root));
                }
            }
        }
        if goes_on {
            reached(skip, LOOKED)?;
        }
        // What stands beyond the page is read again with the next one.
        walked.next = walked.next.filter(|_| goes_on);
        Ok(walked)
    }

    /// A message, as the caller may view it, and what is stored about the caller and its thread.
    async fn reading(&self, principal: &Principal, id: MessageId) -> Result<(Target, Reading)> {
        let target = self.target(principal, id, Freshness::Fresh, |_| Action::View).await?;
        self.permit_on(principal, &target, Action::View, None).await?;
        let root = target.root();
        let mut records = self.inner.store.records(&Reading::keys(&principal.user_id, root)).await?.into_iter();
        let reading = Reading::read(root, &mut records)?.seen(target.known.sight()?);
        Ok((target, reading))
    }

    /// The states of threads for users, in the same order, each with the last position at which the thread was written. `sight` is what the
    /// users see, where it is known; what follows their coming into the session counts otherwise.
    async fn thread_states(
        &self,
        wanted: &[(&UserId, MessageId)],
        sight: Option<Sight>,
    ) -> Result<Vec<(ThreadState, Seq)>> {
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        let keys: Vec<Key> = wanted.iter().flat_map(|(user, root)| Reading::keys(user, *root)).collect();
        let mut records = self.inner.store.records(&keys).await?.into_iter();
        let mut read = |root| -> Result<Reading> {
            let reading = Reading::read(root, &mut records)?;
            Ok(match sight {
                Some(sight) => reading.seen(sight),
                None => reading,
            })
        };
        let readings = wanted.iter().map(|(_, root)| read(*root)).collect::<Result<Vec<_>>>()?;
        let scans: Vec<Scan> = readings.iter().map(|reading| reading.scan(reading.upto())).collect();
        let found = self.inner.store.scan(&scans).await?;
        let state = |((reading, found), (user, _)): ((&Reading, Vec<_>), &(&UserId, MessageId))| {
            let entry = |(key, record): (Key, crate::store::Record)| {
                Some((Replies::from_parts(&key.parts)?, record.typed::<ReplyEntry>()?))
            };
            let found = found.into_iter().filter_map(entry).collect();
            (reading.state(user, found), reading.thread.as_ref().map_or(0, |thread| thread.at))
        };
        Ok(readings.iter().zip(found).zip(wanted).map(state).collect())
    }

    /// The state of one thread, for a user who sees a part of the session's log.
    async fn thread_state(&self, user: &UserId, root: MessageId, sight: Sight) -> Result<ThreadState> {
        let (state, written) = self.thread_states(&[(user, root)], Some(sight)).await?.pop().ok_or(Error::Internal)?;
        self.decided_upto(user, [(sight, written)]).await?.pop().unwrap_or(Ok(()))?;
        Ok(state)
    }

    /// Tells a user's devices how a thread is for the user now.
    async fn tell_thread(&self, user: &UserId, root: MessageId, sight: Sight) -> Result<ThreadState> {
        // The record was written: an error here must not say that it was not.
        let state = self.thread_state(user, root, sight).await.map_err(|_| Error::OutcomeUnknown)?;
        self.publish(Hint::Signal(Signal::Thread { user_id: user.clone(), state })).await;
        Ok(state)
    }

    /// Tells users that they follow a thread now. A user who is not told finds the thread in the list.
    pub(super) async fn tell_followers(&self, followers: &[(UserId, MessageId)]) {
        let wanted: Vec<_> = followers.iter().map(|(user, root)| (user, *root)).collect();
        let Ok(states) = self.thread_states(&wanted, None).await else { return };
        let told = followers.iter().zip(states).filter(|(_, (state, _))| state.is_followed);
        for ((user, _), (state, _)) in told {
            self.publish(Hint::Signal(Signal::Thread { user_id: user.clone(), state })).await;
        }
    }

    /// Says of messages that began threads whether a user follows the threads.
    pub(super) async fn show_following(&self, user: &UserId, roots: Vec<&mut Message>) -> Result<()> {
        let keys = |root: &&mut Message| {
            let (session, root) = (root.session_id, root.seq);
            [Threads { session, root }.key(), Follows { user: user.clone(), session, root }.key()]
        };
        let keys: Vec<Key> = roots.iter().flat_map(keys).collect();
        if keys.is_empty() {
            return Ok(());
        }
        let mut records = self.inner.store.records(&keys).await?.into_iter();
        for root in roots {
            let thread = typed::<ThreadRecord>(records.next().flatten())?;
            let follow = typed::<FollowRecord>(records.next().flatten())?.map(|found| found.value);
            let by = thread.as_ref().and_then(|thread| thread.value.by.as_ref());
            if let Some(summary) = root.thread.as_mut() {
                summary.is_followed = Some(is_following(follow.as_deref(), by, user));
            }
        }
        Ok(())
    }

    /// Forgets what is stored about the threads of a user whose account is deleted.
    #[cfg(feature = "accounts")]
    pub(crate) async fn erase_follows(&self, user: &UserId) -> Result<()> {
        loop {
            let prefix = || vec![user.part()];
            let follows = self.inner.store.list::<Follows>(Follows::under(prefix()).limit(CHUNK)).await?;
            let markers = self.inner.store.list::<ThreadMarkers>(ThreadMarkers::under(prefix()).limit(CHUNK)).await?;
            let follows = follows.iter().map(|(key, _)| key.remove());
            let writes: Vec<_> = follows.chain(markers.iter().map(|(key, _)| key.remove())).collect();
            if writes.is_empty() {
                return Ok(());
            }
            self.inner.store.commit(Change::of_records(writes)).await?;
        }
    }
}

/// Threads that a user follows, as far as a list was looked at.
struct Walked {
    /// The positions of the last reply and of the message that began the thread.
    found: Vec<(Seq, Seq)>,
    /// The last position at which an entry was written.
    written: Seq,
    /// Where the list goes on; `None` at its end.
    next: Option<Seq>,
}
