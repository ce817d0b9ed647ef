//! Mentions: the users whom a message names, and the list of a user's own mentions.
//!
//! The names in a text are compared with those of the session's participants when the message is sent, and once more when it is edited. Who
//! is mentioned is part of the message; the list of a user's mentions is a table that is written in the same change. It may hold stale
//! entries, which readers skip and remove.

use std::{
    cmp::Reverse,
    collections::{BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use chrono::{DateTime, Utc};

use super::{
    Chat,
    decide::{govern::Known, history::Sight, policy::Operation},
    messages::is_deleted,
    read::{
        batch::go_on,
        lists::{Seated, Slice},
        profiles, view,
    },
    spans::Named,
};
use crate::{
    error::{Error, Result},
    identity::Principal,
    limits::Use,
    model::{
        Content, Event, EventKind, ListPage, Mention, MentionCursor, MentionedMessage, MessageBody, MessageEvent,
        MessageId, Page, Seq, SessionId, Standing, UnreadMentions, UserId,
    },
    permission::Action,
    store::{
        Change, ChatStoreExt as _, Expect, Found, Key, KeyPart as _, Listed, LogRange, Mentions, Newest, Part,
        ParticipantRecord, Participants, TypedKey, Value, Write, WriteKind,
    },
    trace::use_case,
};

/// Most mentions in one message, and most users whom a sender names beside the text.
pub const MAX_MENTIONS: usize = 50;

/// Most participants of a session in which a message can mention everybody.
pub const MAX_EVERYBODY: u32 = 500;

/// Participants whose names are looked for in a text: the first ones of a session. Others can be named beside the text.
pub const MAX_NAMED: u64 = 1_000;

/// What mentions everybody.
const EVERYBODY: &str = "all";

/// Entries of a list that are looked at for one page.
const LOOKED: u64 = 500;

/// Entries of a list among which unread mentions are counted.
const COUNTED: u64 = 100;

/// Whom a sender names beside the text.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Beside {
    pub(super) users: Vec<UserId>,
    pub(super) everybody: bool,
}

impl Beside {
    /// Whom a message names beside its text.
    pub(super) fn by(body: &MessageBody) -> Self {
        let beside = body.mentions.iter().filter(|mention| mention.span.is_none());
        let everybody = beside.clone().any(|mention| mention.user.is_none());
        Self { users: beside.filter_map(|mention| mention.user.clone()).collect(), everybody }
    }
}

/// The mentions of a message.
#[derive(Debug, Default)]
pub(super) struct Addressed {
    pub(super) mentions: Vec<Mention>,
    /// The participants, where everybody is mentioned.
    everybody: Vec<UserId>,
}

/// The users whom mentions name.
fn named(mentions: &[Mention]) -> HashSet<&UserId> {
    mentions.iter().filter_map(|mention| mention.user.as_ref()).collect()
}

fn mentions_everybody(mentions: &[Mention]) -> bool {
    mentions.iter().any(|mention| mention.user.is_none())
}

/// A time as the keys of the list have it.
fn micros(at: DateTime<Utc>) -> u64 {
    u64::try_from(at.timestamp_micros()).unwrap_or(0)
}

/// An entry of the list of a user's mentions.
fn entry(user: &UserId, at: DateTime<Utc>, session: SessionId, message: Part, kind: WriteKind) -> Write {
    let parts = vec![user.part(), Newest(micros(at)).part(), session.part(), message];
    Write { key: Key { table: Mentions::TABLE, parts }, expect: Expect::Anything, kind }
}

fn listed() -> WriteKind {
    WriteKind::Put(Value::of::<Mentions>(Listed))
}

impl Addressed {
    /// The users whom the mentions name.
    pub(super) fn named(&self) -> impl Iterator<Item = &UserId> {
        self.mentions.iter().filter_map(|mention| mention.user.as_ref())
    }

    /// The entries of a message that is being sent.
    pub(super) fn entries(&self, author: &UserId, at: DateTime<Utc>, session: SessionId) -> Vec<Write> {
        let users: BTreeSet<_> = named(&self.mentions).into_iter().chain(&self.everybody).collect();
        let entry = |user: &UserId| entry(user, at, session, Part::Here(0), listed());
        users.into_iter().filter(|user| *user != author).map(entry).collect()
    }

    /// The changes of the entries of a message that is being edited.
    pub(super) fn changes(&self, message: &Event, before: &[Mention]) -> Vec<Write> {
        let Event { session_id, seq, created_at, .. } = *message;
        let (old, new) = (named(before), named(&self.mentions));
        let gone: BTreeSet<_> = old.difference(&new).copied().collect();
        let mut came: BTreeSet<_> = new.difference(&old).copied().collect();
        if !mentions_everybody(before) {
            came.extend(&self.everybody);
        }
        let entry = |user: &UserId, kind| entry(user, created_at, session_id, seq.part(), kind);
        let gone = gone.into_iter().filter(|user| !self.everybody.contains(user));
        let writes = gone.map(|user| entry(user, WriteKind::Remove));
        writes
            .chain(came.into_iter().filter(|user| **user != message.actor).map(|user| entry(user, listed())))
            .collect()
    }
}

/// The entries of a message that is being deleted. Those of everybody stay behind; nothing shows them.
pub(super) fn removed(message: &Event, body: &MessageBody) -> Vec<Write> {
    let Event { session_id, seq, created_at, .. } = *message;
    let users: BTreeSet<_> = named(&body.mentions).into_iter().collect();
    users.into_iter().map(|user| entry(user, created_at, session_id, seq.part(), WriteKind::Remove)).collect()
}

/// The part of a session that a user has not read.
#[derive(Debug, Clone, Copy)]
pub(in crate::chat) struct UnreadPart {
    pub(in crate::chat) sight: Sight,
    pub(in crate::chat) read_upto: Seq,
    pub(in crate::chat) has_unread: bool,
}

/// A part of the list of a user's mentions, with the messages that still mention the user.
struct Walked {
    shown: Vec<MentionedMessage>,
    stale: Vec<Write>,
}

impl Chat {
    /// The mentions of a message, as of facts that its commit checks. A text without a name reads nothing.
    ///
    /// # Errors
    /// [`LimitExceeded`](Error::LimitExceeded) where everybody is named beside the text of a message in a session with more than
    /// [`MAX_EVERYBODY`] participants; the policy's refusal of that.
    pub(super) async fn addressed(
        &self,
        principal: &Principal,
        known: &Known,
        content: &Content,
        beside: &Beside,
    ) -> Result<Addressed> {
        let text = Named::of(content);
        if text.is_none() && *beside == Beside::default() {
            return Ok(Addressed::default());
        }
        let session = known.session()?;
        let (id, is_small) = (session.id, session.participant_count <= MAX_EVERYBODY);
        if beside.everybody && !is_small {
            let what = "the number of participants of a session in which a message mentions everybody";
            return Err(Error::LimitExceeded { what, limit: MAX_EVERYBODY.into() });
        }
        let all: Vec<char> = EVERYBODY.chars().collect();
        let says_all = text.as_ref().is_some_and(|text| !text.find(std::slice::from_ref(&all)).is_empty());
        let everybody = if beside.everybody || (says_all && is_small) {
            match self.may_mention_everybody(principal, known).await {
                Ok(()) => true,
                // The word is text then.
                Err(Error::Denied(_) | Error::RefusedByHost(_)) if !beside.everybody => false,
                Err(error) => return Err(error),
            }
        } else {
            false
        };
        let present = if text.is_some() || everybody { self.present(id).await? } else { Vec::new() };
        let mut found: Vec<Mention> = Vec::new();
        if let Some(text) = &text {
            let profiles = self.inner.profiles.find(present.iter().collect()).await?;
            let mut names: Vec<(Vec<char>, Option<&UserId>)> = present
                .iter()
                .map(|user| (profiles::of(&profiles, user).username.chars().collect(), Some(user)))
                .collect();
            if everybody {
                // The word means everybody, also where it is somebody's name.
                names.retain(|(name, _)| !name.iter().collect::<String>().eq_ignore_ascii_case(EVERYBODY));
                names.push((all, None));
            }
            names.sort_by_key(|(name, _)| Reverse(name.len()));
            let (names, users): (Vec<_>, Vec<_>) = names.into_iter().unzip();
            let mention =
                |(span, place): (_, usize)| Some(Mention { user: users.get(place)?.cloned(), span: Some(span) });
            found.extend(text.find(&names).into_iter().filter_map(mention).take(MAX_MENTIONS));
        }
        let users = self.participating(id, &beside.users).await?;
        let everywhere = beside.everybody.then_some(None).into_iter().chain(users.into_iter().map(Some));
        for user in everywhere {
            if found.len() < 2 * MAX_MENTIONS && !found.iter().any(|mention| mention.user == user) {
                found.push(Mention { user, span: None });
            }
        }
        let mut everybody = if mentions_everybody(&found) { present } else { Vec::new() };
        // A name of a user whom a block keeps apart from the author is text.
        let apart = self.apart_from(&principal.user_id, named(&found).into_iter().chain(&everybody)).await?;
        if !apart.is_empty() {
            found.retain(|mention| mention.user.as_ref().is_none_or(|user| !apart.contains(user)));
            everybody.retain(|user| !apart.contains(user));
        }
        Ok(Addressed { mentions: found, everybody })
    }

    /// Whether the caller may mention everybody, by facts that the commit checks.
    async fn may_mention_everybody(&self, principal: &Principal, known: &Known) -> Result<()> {
        let action = Action::MentionEverybody;
        self.inner.permissions.decide(&known.facts(), action)?;
        let (session, participant) = (known.session()?, known.actor.as_deref());
        self.permit(principal, Operation::InSession { session, participant, action, target: None, body: None }).await
    }

    /// The first participants of a session.
    async fn present(&self, session_id: SessionId) -> Result<Vec<UserId>> {
        let seats = self.seats_of(&[Seated { session_id, slice: Slice::first(MAX_NAMED) }]).await?;
        Ok(seats.into_iter().flatten().map(|record| record.user_id.clone()).collect())
    }

    /// Those of the users who are in a session, each once.
    pub(super) async fn participating(&self, session: SessionId, users: &[UserId]) -> Result<Vec<UserId>> {
        if users.is_empty() {
            return Ok(Vec::new());
        }
        let keys: Vec<_> = users.iter().map(|user| Participants { session, user: user.clone() }).collect();
        let found = self.inner.store.get_all(&keys).await?;
        let mut seen = HashSet::new();
        let is_in = |found: Option<Found<ParticipantRecord>>| {
            let record = found?.value;
            (matches!(record.standing, Standing::Active(_)) && seen.insert(record.user_id.clone()))
                .then(|| record.user_id.clone())
        };
        Ok(found.into_iter().filter_map(is_in).collect())
    }

    /// The messages that mention the caller, of all sessions that the caller may view, newest first. Deleted messages are left out, and so
    /// are those of the caller's own. An edit that adds a mention does not change the place of the message. `unread_only` leaves out the
    /// messages that the caller has read. A page may be shorter than asked for where others follow it.
    ///
    /// # Errors
    /// [`Invalid`](Error::Invalid) for a page outside of the limits.
    pub async fn mentions(
        &self,
        principal: &Principal,
        page: Page<MentionCursor>,
        unread_only: bool,
    ) -> Result<ListPage<MentionedMessage, MentionCursor>> {
        use_case!("mentions", async move {
            self.enter(principal, Use::Request).await?;
            let (limit, Slice { mut after, mut skip, limit: wanted }) = self.inner.limits.slice(page)?;
            self.permit(principal, Operation::ListMentions).await?;
            let user = &principal.user_id;
            let (mut found, mut stale, mut looked, mut seen) = (Vec::new(), Vec::new(), 0, HashSet::new());
            let mut goes_on = true;
            while goes_on && (found.len() as u64) < wanted && looked < LOOKED {
                let position = |MentionCursor { at, message: MessageId { session_id, seq } }| {
                    vec![Newest(at).part(), session_id.part(), seq.part()]
                };
                let scan = Mentions::under(vec![user.part()]).after(after.map(position)).skip(skip).limit(wanted);
                let entries = self.inner.store.list::<Mentions>(scan).await?;
                goes_on = entries.len() as u64 == wanted;
                (skip, looked) = (0, looked + entries.len() as u64);
                after = entries.last().map(|(key, _)| cursor(key)).or(after);
                let mut part = self.mentioning(principal, entries, unread_only).await?;
                // Of two entries of one message the newer one counts.
                part.shown.retain(|mentioned| seen.insert(mentioned.message.id));
                found.append(&mut part.shown);
                stale.append(&mut part.stale);
            }
            if !stale.is_empty() {
                // Another reader may do the same; what fails is tried again by the next one.
                drop(self.inner.store.commit(Change::of_records(stale)).await);
            }
            let is_full = found.len() as u64 > limit;
            let page = ListPage::cut(found, limit, |mentioned: &MentionedMessage| mentioned.cursor);
            let next = if is_full { page.next } else { after.filter(|_| goes_on) };
            Ok(ListPage { next, ..page })
        })
    }

    /// The unread messages that mention a user in sessions that the user may view, each session with the last position of which the count
    /// tells. `wanted` says of each session what the user sees, up to where it is read, and whether it has an unread message. Where none has one,
    /// nothing is read.
    pub(in crate::chat) async fn unread_mentions(
        &self,
        user: &UserId,
        wanted: &[UnreadPart],
    ) -> Result<HashMap<SessionId, (UnreadMentions, Seq)>> {
        let open: HashMap<SessionId, UnreadPart> =
            wanted.iter().filter(|part| part.has_unread).map(|part| (part.sight.session_id, *part)).collect();
        if open.is_empty() {
            return Ok(HashMap::new());
        }
        let entries = self.inner.store.list::<Mentions>(Mentions::under(vec![user.part()]).limit(COUNTED)).await?;
        let is_exact = (entries.len() as u64) < COUNTED;
        let mut found: HashMap<_, _> =
            open.keys().map(|id| (*id, (UnreadMentions { count: 0, is_exact }, 0))).collect();
        let is_open = |key: &Mentions| {
            open.get(&key.session).is_some_and(|part| key.message > part.read_upto && part.sight.sees(key.message))
        };
        // Two entries of one message are one message.
        let messages: BTreeSet<(SessionId, Seq)> =
            entries.iter().filter(|(key, _)| is_open(key)).map(|(key, _)| (key.session, key.message)).collect();
        let range = |(session_id, seq): &(SessionId, Seq)| LogRange { session_id: *session_id, from: *seq, to: *seq };
        let ranges: Vec<_> = messages.iter().map(range).collect();
        let rows = if ranges.is_empty() { Vec::new() } else { self.inner.store.log(&ranges).await? };
        for row in rows.into_iter().flatten() {
            let Some((mentions, written)) = found.get_mut(&row.session_id) else { continue };
            *written = row.revised.max(*written);
            mentions.count += u64::from(does_mention(&row, user));
        }
        Ok(found)
    }

    /// The messages of entries, where they mention the caller and the caller may see them.
    async fn mentioning(
        &self,
        principal: &Principal,
        entries: Vec<(Mentions, Found<Listed>)>,
        unread_only: bool,
    ) -> Result<Walked> {
        let user = &principal.user_id;
        let ids: BTreeSet<SessionId> = entries.iter().map(|(key, _)| key.session).collect();
        let viewed = self.viewable(principal, ids.iter().copied()).await?;
        let sights: HashMap<SessionId, Sight> =
            ids.into_iter().zip(viewed).filter_map(|(id, viewed)| Some((id, viewed.ok()?.sight))).collect();
        let seen: Vec<Sight> = sights.values().copied().collect();
        let states = self.read_states(user, &seen).await?;
        // A log that cannot be read has no message to show.
        let read =
            seen.iter().zip(states).filter_map(|(sight, state)| Some((sight.session_id, state.ok()?.0.read_upto)));
        let read: HashMap<SessionId, Seq> = read.collect();
        let is_unread = |session: &SessionId, message: Seq| read.get(session).is_some_and(|upto| message > *upto);
        let is_open = |(key, _): &(Mentions, _)| {
            let is_seen = sights.get(&key.session).is_some_and(|sight| sight.sees(key.message));
            is_seen && (!unread_only || is_unread(&key.session, key.message))
        };
        let open: Vec<_> = entries.into_iter().filter(is_open).collect();
        if open.is_empty() {
            return Ok(Walked { shown: Vec::new(), stale: Vec::new() });
        }
        let range = |(key, _): &(Mentions, _)| LogRange { session_id: key.session, from: key.message, to: key.message };
        let ranges: Vec<_> = open.iter().map(range).collect();
        let rows = self.inner.store.log(&ranges).await?;
        let (mut kept, mut stale) = (Vec::new(), Vec::new());
        for ((key, found), rows) in open.into_iter().zip(rows) {
            let Some(row) = rows.into_iter().next() else { continue };
            if !row.kind.is_message() {
                continue;
            }
            if does_mention(&row, user) {
                kept.push((cursor(&key), row));
            } else {
                stale.push(key.remove().at(found.version));
            }
        }
        let pages: Vec<_> = kept.iter().map(|(_, row)| std::slice::from_ref(row)).collect();
        let extras = self.extras(principal, &pages).await?;
        let read = kept.iter().filter_map(|(_, row)| {
            let sight = sights.get(&row.session_id).copied()?;
            Some((sight, row.revised.max(extras.written([&**row]))))
        });
        let decided = self.decided_upto(user, read).await?;
        let kept = go_on(kept.into_iter().map(Ok).collect(), decided, |kept, decided| decided.map(|()| kept));
        let kept: Vec<_> = kept.into_iter().flatten().collect();
        let senders = kept.iter().map(|(_, row)| &row.actor).collect();
        let profiles = self.inner.profiles.find(senders).await?;
        let shown = |(cursor, row): (MentionCursor, Arc<Event>)| {
            let message = view::message(&row, profiles::of(&profiles, &row.actor))?;
            let is_unread = is_unread(&message.session_id, message.seq);
            Some(MentionedMessage { cursor, message: extras.shown_in(message), is_unread })
        };
        Ok(Walked { shown: kept.into_iter().filter_map(shown).collect(), stale })
    }
}

/// Whether a row is a message of another user that is there and mentions the user.
fn does_mention(row: &Event, user: &UserId) -> bool {
    let EventKind::Message(MessageEvent::Sent { body, .. }) = &row.kind else { return false };
    let is_named = body.mentions.iter().any(|mention| mention.user.as_ref().is_none_or(|named| named == user));
    is_named && !is_deleted(row) && row.actor != *user
}

fn cursor(key: &Mentions) -> MentionCursor {
    MentionCursor { at: key.at.0, message: MessageId { session_id: key.session, seq: key.message } }
}
