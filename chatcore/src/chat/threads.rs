//! Use cases about threads, and the places of replies in them.
//!
//! A thread is a message, its root, with all replies to it and to its replies. The number of replies and the last reply are one record for
//! each thread, so its version guards them.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use chrono::{DateTime, Utc};

use super::{
    Chat,
    decide::{govern::Pass, history::Sight, validate::reached},
    follows::is_following,
    messages::{is_deleted, no_deletion_since},
    read::{lists::Slice, profiles, view},
};
use crate::{
    error::{Code, Error, Result},
    identity::Principal,
    limits::Use,
    model::{
        Event, EventKind, LastReply, ListPage, Message, MessageBody, MessageEvent, MessageId, Page, Reply, Seq,
        SessionId, SpeakerRole, ThreadSummary, UserId,
    },
    permission::{Action, Denial},
    store::{
        ActiveThreads, ChatStoreExt as _, Deletions, Expect, FollowRecord, Follows, Found, Freshness, Key,
        KeyPart as _, LastReplyRecord, LogRange, Newest, Part, Record, Replies, ReplyEntry, Scan, Speaker, ThreadEntry,
        ThreadRecord, Threads, TypedKey, Value, Version, Write, WriteKind, typed,
    },
    trace::use_case,
};

/// Replies that are looked at together in the search for the last one.
const CHUNK: u64 = 100;

/// Entries of the list of threads that are looked at for one page of a reader who does not see all of the session.
const LOOKED: u64 = 1_000;

/// What became of the search for the place of a reply.
pub(super) enum Placed {
    /// The reply has a place, unless the commit fails.
    At(Box<Place>),
    /// The message that it answers cannot be judged on these facts.
    Unknown,
    /// There is none.
    Refused(Error),
}

/// The place of a reply.
pub(super) struct Place {
    pub(super) reply: Reply,
    /// The writes that go with it.
    pub(super) writes: Vec<Write>,
    /// The users who follow the thread from this reply on.
    pub(super) followers: Vec<UserId>,
    /// What a follower's record says who begins with this reply.
    pub(super) begins: FollowRecord,
    /// Who sent the message that began the thread.
    pub(super) by: Option<UserId>,
    /// The message that began the thread, where this is the first reply.
    pub(super) began: Option<MessageBody>,
    /// Two replies in one thread would only make each other fail.
    _gate: Pass<MessageId>,
}

impl Place {
    /// The users who follow the thread from the reply on, each with the message that began the thread. The gate opens.
    pub(super) fn followers(self, session_id: SessionId) -> Vec<(UserId, MessageId)> {
        let Self { reply: Reply { root, .. }, followers, .. } = self;
        followers.into_iter().map(|user| (user, id(session_id, root))).collect()
    }
}

/// Who sent a message as `user`.
fn said_by<'a>(actor: &'a UserId, body: &MessageBody) -> Option<&'a UserId> {
    match body.role {
        SpeakerRole::User => Some(actor),
        SpeakerRole::Assistant | SpeakerRole::System => None,
    }
}

/// The threads that messages began.
#[derive(Default)]
pub(in crate::chat) struct ThreadsOf(HashMap<(SessionId, Seq), (ThreadSummary, Seq)>);

impl ThreadsOf {
    /// The records of threads that the rows began.
    pub(in crate::chat) fn read(rows: &[&[Arc<Event>]], records: Vec<(Key, Record)>) -> Self {
        let rows: HashSet<_> = rows.iter().flat_map(|page| page.iter()).map(|row| (row.session_id, row.seq)).collect();
        let read = |(key, record): (Key, Record)| {
            let Threads { session, root } = Threads::from_parts(&key.parts)?;
            let found = record.typed::<ThreadRecord>()?;
            let last = found.value.last.as_ref();
            let last = last.map(|last| LastReply { id: id(session, last.seq.unwrap_or(found.at)), at: last.at });
            let summary = ThreadSummary { replies: found.value.replies, last, is_followed: None };
            Some(((session, root), (summary, found.at)))
        };
        Self(records.into_iter().filter_map(read).filter(|(root, _)| rows.contains(root)).collect())
    }

    /// Finds the records of the threads that the rows of a page began.
    pub(in crate::chat) fn scan(page: &[Arc<Event>]) -> Option<Scan> {
        let first = page.first()?;
        let after = Some(vec![first.seq.saturating_sub(1).part()]);
        Some(Threads::under(vec![first.session_id.part()]).after(after).limit(page.len() as u64))
    }

    /// The last position at which the thread of a row was written.
    pub(in crate::chat) fn written(&self, row: &Event) -> Seq {
        self.0.get(&(row.session_id, row.seq)).map_or(0, |(_, at)| *at)
    }

    /// The replies to a message.
    pub(in crate::chat) fn of(&self, message: &Message) -> ThreadSummary {
        let found = self.0.get(&(message.session_id, message.seq));
        found.map_or_else(ThreadSummary::default, |(summary, _)| summary.clone())
    }
}

const fn id(session_id: SessionId, seq: Seq) -> MessageId {
    MessageId { session_id, seq }
}

/// The position of a message in the session whose list is read.
pub(super) fn within(session: SessionId, after: Option<MessageId>) -> Result<Option<Seq>> {
    match after {
        Some(after) if after.session_id != session => {
            Err(Error::invalid("after", Code::ValidationInvalidValue, "a message of this session"))
        }
        after => Ok(after.map(|after| after.seq)),
    }
}

/// The entry of a thread in the list of its session's threads.
fn entry(session: SessionId, last: Part, write: WriteKind) -> Write {
    let key = Key { table: ActiveThreads::TABLE, parts: vec![session.part(), last] };
    Write { key, expect: Expect::Anything, kind: write }
}

/// The entry of a reply in the list of its thread's replies.
fn member(session: SessionId, root: Seq, said_by: Option<&UserId>) -> Write {
    let said_by = said_by.map_or(Speaker::Nobody, |user| Speaker::User(user.clone()));
    let key = Key { table: Replies::TABLE, parts: vec![session.part(), root.part(), Part::Here(0)] };
    let value = Value::of::<Replies>(ReplyEntry { said_by: Some(said_by) });
    Write { key, expect: Expect::Anything, kind: WriteKind::Put(value) }
}

impl ThreadRecord {
    /// The entry of the thread in the list, where there is one.
    fn listed(found: &Found<Self>) -> Option<Part> {
        found.value.last.as_ref().map(|last| Newest(last.seq.unwrap_or(found.at)).part())
    }
}

impl Chat {
    /// A page of the thread that a message belongs to: the message that began it, and then the replies, oldest first, as far as the caller
    /// sees the messages. A deleted message stays in its place without its content. A message without replies is a thread by itself.
    ///
    /// # Errors
    /// [`MessageNotFound`](Error::MessageNotFound) as for [`message`](Self::message); [`Denied`](Error::Denied) when the caller may not
    /// view the session; [`Invalid`](Error::Invalid) for a page outside of the limits, or after a message of another session.
    pub async fn thread(
        &self,
        principal: &Principal,
        id: MessageId,
        page: Page<MessageId>,
    ) -> Result<ListPage<Message, MessageId>> {
        use_case!("thread", id.session_id, async move {
            self.enter(principal, Use::Request).await?;
            let session = id.session_id;
            let (limit, Slice { after, skip, limit: wanted }) = self.inner.limits.slice(page)?;
            let after = within(session, after)?;
            let target = self.target(principal, id, Freshness::Fresh, |_| Action::View).await?;
            self.permit_on(principal, &target, Action::View, None).await?;
            let sight = target.known.sight()?;
            let root = target.body.reply.map_or(id.seq, |reply| reply.root);
            let has_root = sight.sees(root);
            let begins = has_root && skip == 0 && after.is_none_or(|after| after < root);
            let start = after.unwrap_or(0).max(sight.start());
            let scan = Replies::under(vec![session.part(), root.part()])
                .after(Some(vec![start.part()]))
                .skip(skip.saturating_sub(u64::from(has_root)))
                .limit(wanted.saturating_sub(u64::from(begins)));
            let replies = self.inner.store.list::<Replies>(scan).await?;
            let replies = replies.into_iter().map(|(key, _)| key.reply);
            // Nothing beyond the head of the decision is shown.
            let seqs = begins.then_some(root).into_iter().chain(replies).filter(|seq| sight.sees(*seq)).collect();
            let page = ListPage::cut(seqs, limit, |seq| self::id(session, *seq));
            let shown = self.messages_at(principal, &page, (sight, 0)).await;
            // An id must not tell whether there is such a session.
            let hidden = |error| if error == Error::Denied(Denial::Hidden) { Error::MessageNotFound } else { error };
            let mut shown = shown.map_err(hidden)?;
            let roots = shown.iter_mut().filter(|message| message.seq == root).collect();
            self.show_following(&principal.user_id, roots).await?;
            Ok(page.map(|_| shown))
        })
    }

    /// The threads of a session, each with the message that began the thread, the thread with the newest reply first. The id of an entry,
    /// for [`Page::after`], is the id of its [last reply](ThreadSummary::last). Threads whose replies are all deleted, and threads that
    /// began before the history that the caller sees, are left out. A page before further pages may be shorter than requested.
    ///
    /// # Errors
    /// [`Denied`](Error::Denied) when the caller may not view the session; [`Invalid`](Error::Invalid) for a page outside of the limits,
    /// or after a message of another session. Also for a [`skip`](Page::skip) beyond the 1,000 threads that a page reads where the caller
    /// does not see all of the session.
    pub async fn threads(
        &self,
        principal: &Principal,
        id: SessionId,
        page: Page<MessageId>,
    ) -> Result<ListPage<Message, MessageId>> {
        use_case!("threads", id, async move {
            self.enter(principal, Use::Request).await?;
            let (limit, Slice { after, skip, limit: wanted }) = self.inner.limits.slice(page)?;
            let after = within(id, after)?;
            let known = self.allowed(id, principal, Action::View, Freshness::Fresh).await?;
            let sight = known.sight()?;
            let (found, written, rest) = self.active_threads(sight, Slice { after, skip, limit: wanted }).await?;
            let page = ListPage::cut(found, limit, |(last, _)| self::id(id, *last));
            let page = ListPage { next: page.next.or(rest.map(|last| self::id(id, last))), ..page };
            let roots: Vec<Seq> = page.iter().map(|(_, root)| *root).collect();
            let mut shown = self.messages_at(principal, &roots, (sight, written)).await?;
            self.show_following(&principal.user_id, shown.iter_mut().collect()).await?;
            let has_replies = |root: &Message| root.thread.as_ref().is_some_and(|thread| thread.last.is_some());
            Ok(page.map(|_| shown.into_iter().filter(has_replies).collect()))
        })
    }

    /// The threads of a part of the list, as far as a reader sees their roots: the last reply and the root of each, with the last position
    /// at which the list was written. Where the search ends before the list does, the last one says after which last reply to go on.
    async fn active_threads(&self, sight: Sight, slice: Slice<Seq>) -> Result<(Vec<(Seq, Seq)>, Seq, Option<Seq>)> {
        let Slice { mut after, mut skip, limit } = slice;
        let (mut found, mut written, mut looked) = (Vec::new(), 0, 0);
        loop {
            // Where all threads are seen, the store leaves out and counts.
            let is_whole = sight.first <= 1;
            let wanted = if is_whole { limit } else { limit.max(CHUNK) };
            let scan = ActiveThreads::under(vec![sight.session_id.part()])
                .after(after.map(|after| vec![Newest(after).part()]))
                .skip(if is_whole { skip } else { 0 })
                .limit(wanted);
            let entries = self.inner.store.list::<ActiveThreads>(scan).await?;
            let is_last = (entries.len() as u64) < wanted;
            looked += entries.len() as u64;
            written = entries.iter().map(|(_, found)| found.at).fold(written, Seq::max);
            for (ActiveThreads { last: Newest(last), .. }, entry) in entries {
                after = Some(last);
                // All that follow are older still.
                if last < sight.first {
                    return Ok((found, written, None));
                }
                if entry.value.root < sight.first {
                    continue;
                }
                if is_whole || skip == 0 {
                    found.push((last, entry.value.root));
                } else {
                    skip -= 1;
                }
                if found.len() as u64 == limit {
                    return Ok((found, written, None));
                }
            }
            if is_last || is_whole {
                return Ok((found, written, None));
            }
            if looked >= LOOKED {
                reached(skip, LOOKED)?;
                return Ok((found, written, after));
            }
        }
    }

    /// Messages of a session that the caller sees. `decided` is what the caller sees, and the last position at which the list was written.
    pub(super) async fn messages_at(
        &self,
        principal: &Principal,
        seqs: &[Seq],
        (sight, written): (Sight, Seq),
    ) -> Result<Vec<Message>> {
        if seqs.is_empty() {
            return Ok(Vec::new());
        }
        let (user, session_id) = (&principal.user_id, sight.session_id);
        let ranges: Vec<_> = seqs.iter().map(|seq| LogRange { session_id, from: *seq, to: *seq }).collect();
        let rows: Vec<Arc<Event>> = self.inner.store.log(&ranges).await?.into_iter().flatten().collect();
        let pages: Vec<_> = rows.iter().map(std::slice::from_ref).collect();
        let extras = self.extras(principal, &pages).await?;
        let revised = rows.iter().map(|row| row.revised).fold(written, Seq::max);
        let revised = revised.max(extras.written(rows.iter().map(|row| &**row)));
        self.decided_upto(user, [(sight, revised)]).await?.pop().unwrap_or(Ok(()))?;
        let profiles = self.inner.profiles.find(rows.iter().map(|row| &row.actor).collect()).await?;
        let shown = |row: &Arc<Event>| {
            let message = view::message(row, profiles::of(&profiles, &row.actor))?;
            Some(extras.shown_in(message))
        };
        Ok(rows.iter().filter_map(shown).collect())
    }

    /// The place of a reply to a message that the sender sees. `author` has the account that sends it, and what it sends.
    pub(super) async fn place(
        &self,
        to: MessageId,
        (author, said): (&UserId, &MessageBody),
        (sight, freshness): (Sight, Freshness),
        now: DateTime<Utc>,
    ) -> Result<Placed> {
        let head = sight.head;
        let MessageId { session_id: session, seq } = to;
        let (row, body, deletions) = match self.answered(to, sight, freshness).await? {
            Ok(answered) => answered,
            Err(placed) => return Ok(placed),
        };
        let root = body.reply.map_or(seq, |reply| reply.root);
        let gate = self.inner.message_gates.pass(id(session, root)).await;
        let (key, follow) = (Threads { session, root }, Follows { user: author.clone(), session, root });
        let mut records = self.inner.store.records(&[key.key(), follow.key()]).await?.into_iter();
        let found = typed::<ThreadRecord>(records.next().flatten())?;
        let following = typed::<FollowRecord>(records.next().flatten())?;
        let before = found.as_ref().map(|found| &*found.value);
        let total = before.map_or(0, |before| before.total);
        let by =
            before.and_then(|before| before.by.as_ref()).or_else(|| said_by(&row.actor, &body).filter(|_| root == seq));
        let record = ThreadRecord {
            replies: before.map_or(0, |before| before.replies).saturating_add(1),
            total: total.saturating_add(1),
            last: Some(LastReplyRecord { seq: None, at: now.max(head.at) }),
            by: by.cloned(),
        };
        let write = key.put(record);
        let write = match &found {
            Some(found) => write.at(found.version),
            None => write.absent(),
        };
        let mut writes = vec![write, member(session, root, said_by(author, said))];
        let listed = WriteKind::Put(Value::of::<ActiveThreads>(ThreadEntry { root, by: by.cloned() }));
        writes.push(entry(session, Part::NewestHere(0), listed));
        writes
            .extend(found.as_ref().and_then(ThreadRecord::listed).map(|last| entry(session, last, WriteKind::Remove)));
        writes.push(no_deletion_since(session, deletions));
        // No reply stands between the last change of the thread and this one, or the commit fails.
        let since = found.as_ref().map_or(root, |found| found.at).saturating_add(1);
        let begins = FollowRecord { follows: true, since, number: total };
        let mut followers = Vec::new();
        let following = following.map(|found| found.value);
        if said_by(author, said).is_some() && !is_following(following.as_deref(), by, author) {
            writes.push(follow.put(begins));
            followers.push(author.clone());
        }
        let began = before.is_none().then_some(body);
        // The user who began the thread follows it from its first reply on.
        followers.extend(by.filter(|by| began.is_some() && *by != author).cloned());
        let reply = Reply { to: seq, root };
        let by = by.cloned();
        Ok(Placed::At(Box::new(Place { reply, writes, followers, begins, by, began, _gate: gate })))
    }

    /// The message that a reply answers, with the version of the session's number of deletions.
    async fn answered(
        &self,
        MessageId { session_id: session, seq }: MessageId,
        sight: Sight,
        freshness: Freshness,
    ) -> Result<Result<(Arc<Event>, MessageBody, Option<Version>), Placed>> {
        let refused = |error, is_known: bool| match freshness {
            Freshness::Fresh if is_known => Placed::Refused(error),
            Freshness::Fresh | Freshness::Cached => Placed::Unknown,
        };
        if !sight.sees(seq) {
            return Ok(Err(refused(Error::MessageNotFound, true)));
        }
        let deletions = self.inner.store.get(&Deletions { session }).await?.map(|found| found.version);
        // The row is read after the number of deletions: a deletion that it misses is one that the commit finds.
        let rows = self.inner.store.log(&[LogRange { session_id: session, from: seq, to: seq }]).await?;
        let row = rows.into_iter().flatten().next();
        let Some((row, EventKind::Message(MessageEvent::Sent { body, .. }))) = row.as_ref().map(|row| (row, &row.kind))
        else {
            return Ok(Err(refused(Error::MessageNotFound, true)));
        };
        if is_deleted(row) {
            return Ok(Err(refused(Error::MessageDeleted, row.revised <= sight.head.seq)));
        }
        Ok(Ok((Arc::clone(row), body.clone(), deletions)))
    }

    /// The writes that take replies out of the numbers of their threads, which are deleted in the same change. `gone` has their positions
    /// by the roots of their threads.
    pub(super) async fn without_replies(
        &self,
        session: SessionId,
        gone: &HashMap<Seq, HashSet<Seq>>,
    ) -> Result<Vec<Write>> {
        if gone.is_empty() {
            return Ok(Vec::new());
        }
        let keys: Vec<_> = gone.keys().map(|root| Threads { session, root: *root }).collect();
        let found = self.inner.store.get_all(&keys).await?;
        let mut writes = Vec::new();
        for (key, found) in keys.into_iter().zip(found) {
            let (Some(found), Some(gone)) = (found, gone.get(&key.root)) else { continue };
            let ThreadRecord { replies, total, last, by } = (*found.value).clone();
            let last = last.map(|last| (last.seq.unwrap_or(found.at), last.at));
            let kept = match last {
                // All replies after it are deleted already.
                Some((seq, _)) if gone.contains(&seq) => self.last_reply(&key, seq, gone).await?,
                last => last,
            };
            if kept != last {
                writes.extend(ThreadRecord::listed(&found).map(|last| entry(session, last, WriteKind::Remove)));
                let listed = ThreadEntry { root: key.root, by: by.clone() };
                let listed = WriteKind::Put(Value::of::<ActiveThreads>(listed));
                writes.extend(kept.map(|(seq, _)| entry(session, Newest(seq).part(), listed)));
            }
            let last = kept.map(|(seq, at)| LastReplyRecord { seq: Some(seq), at });
            let replies = replies.saturating_sub(gone.len() as u64);
            writes.push(key.put(ThreadRecord { replies, total, last, by }).at(found.version));
        }
        Ok(writes)
    }

    /// The last reply of a thread before a position that is neither deleted nor one of these. A later reply makes the change fail.
    async fn last_reply(
        &self,
        thread: &Threads,
        before: Seq,
        gone: &HashSet<Seq>,
    ) -> Result<Option<(Seq, DateTime<Utc>)>> {
        let Threads { session, root } = *thread;
        // A skip over the earlier replies would cost the length of the thread. So the search goes back through positions.
        let (mut upto, mut span) = (before, CHUNK);
        while upto > root.saturating_add(1) {
            let from = upto.saturating_sub(span).max(root);
            let scan = Replies::under(vec![session.part(), root.part()]).after(Some(vec![from.part()])).limit(CHUNK);
            let found = self.inner.store.list::<Replies>(scan).await?;
            let seqs: Vec<Seq> = found.iter().map(|(key, _)| key.reply).filter(|seq| *seq < upto).collect();
            if seqs.len() as u64 >= CHUNK {
                // There may be more of them than were read. So many positions that follow each other have room for no more.
                span = (span / 2).max(CHUNK);
                continue;
            }
            let ranges: Vec<_> =
                seqs.iter().map(|seq| LogRange { session_id: session, from: *seq, to: *seq }).collect();
            let rows = if ranges.is_empty() { Vec::new() } else { self.inner.store.log(&ranges).await? };
            let last = rows.iter().flatten().rev().find(|row| !is_deleted(row) && !gone.contains(&row.seq));
            if let Some(last) = last {
                return Ok(Some((last.seq, last.created_at)));
            }
            upto = from.saturating_add(1);
            if (seqs.len() as u64) < CHUNK / 2 {
                span = span.saturating_mul(2);
            }
        }
        Ok(None)
    }
}
