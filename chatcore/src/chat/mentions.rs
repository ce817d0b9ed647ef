//! Mentions: the users whom a message names, and the list of a user's own mentions.
//!
//! The names in a text are compared with those of the session's participants when the message is sent, and once more when it is edited. Who
//! is mentioned is part of the message; the list of a user's mentions is a table that is written in the same change. It may hold stale
//! entries, which readers skip and remove.

use std::{
    cmp::Reverse,
    collections::{BTreeSet, HashMap, HashSet},
};

use chrono::{DateTime, Utc};

use super::{
    Chat,
    decide::{govern::Known, history::Sight, policy::Operation},
    messages::is_deleted,
    read::{
        lists::{Seated, Slice},
        profiles,
    },
    spans::Named,
};
use crate::{
    error::{Error, Result},
    identity::Principal,
    model::{
        Content, Event, EventKind, Mention, MessageBody, MessageEvent, Seq, SessionId, Standing, UnreadMentions, UserId,
    },
    permission::Action,
    store::{
        ChatStoreExt as _, Expect, Found, Key, KeyPart as _, Listed, LogRange, Mentions, Newest, Part,
        ParticipantRecord, Participants, TypedKey, Value, Write, WriteKind,
    },
};

/// Maximum number of mentions in one message, and of mentioned users beside the text.
pub const MAX_MENTIONS: usize = 50;

/// Maximum number of participants of a session in which a message can mention everybody.
pub const MAX_EVERYBODY: u32 = 500;

/// Number of participants whose names a text can mention: the first participants of a session. A sender can mention other participants
/// beside the text.
pub const MAX_NAMED: u64 = 1_000;

/// What mentions everybody.
const EVERYBODY: &str = "all";

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

/// A message that is changed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Changed {
    pub(super) seq: Seq,
    /// Whether the mention of everybody beside the text is that of the message, and the change does not name it.
    pub(super) keeps_everybody: bool,
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

impl Chat {
    /// The mentions of a message, as of facts that its commit checks. A text without a name reads nothing. A message that is changed has its
    /// position already, and does not name users who do not see it. It loses a mention of everybody that it keeps and its author may no
    /// longer make.
    ///
    /// # Errors
    /// [`LimitExceeded`](Error::LimitExceeded) where the caller names everybody beside the text of a message in a session with more than
    /// [`MAX_EVERYBODY`] participants; the policy's refusal of that.
    pub(super) async fn addressed(
        &self,
        principal: &Principal,
        known: &Known,
        content: &Content,
        beside: &Beside,
        changed: Option<Changed>,
    ) -> Result<Addressed> {
        let text = Named::of(content);
        if text.is_none() && *beside == Beside::default() {
            return Ok(Addressed::default());
        }
        let session = known.session()?;
        let (id, is_small) = (session.id, session.participant_count <= MAX_EVERYBODY);
        let is_asked = beside.everybody && changed.is_none_or(|changed| !changed.keeps_everybody);
        if is_asked && !is_small {
            let what = "the number of participants of a session in which a message mentions everybody";
            return Err(Error::LimitExceeded { what, limit: MAX_EVERYBODY.into() });
        }
        let all: Vec<char> = EVERYBODY.chars().collect();
        let says_all = text.as_ref().is_some_and(|text| !text.find(std::slice::from_ref(&all)).is_empty());
        let everybody = if is_small && (beside.everybody || says_all) {
            match self.may_mention_everybody(principal, known).await {
                Ok(()) => true,
                // The word is text then, and the kept mention ends.
                Err(Error::Denied(_) | Error::RefusedByHost(_)) if !is_asked => false,
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
        let everywhere = (beside.everybody && everybody).then_some(None).into_iter().chain(users.into_iter().map(Some));
        for user in everywhere {
            if found.len() < 2 * MAX_MENTIONS && !found.iter().any(|mention| mention.user == user) {
                found.push(Mention { user, span: None });
            }
        }
        let mut everybody = if mentions_everybody(&found) { present } else { Vec::new() };
        // A name of a user whom a block keeps apart from the author is text.
        let mut unnamed = self.apart_from(&principal.user_id, named(&found).into_iter().chain(&everybody)).await?;
        if let Some(Changed { seq, keeps_everybody: _ }) = changed {
            unnamed.extend(self.blind(session, seq, named(&found).into_iter().chain(&everybody)).await?);
        }
        if !unnamed.is_empty() {
            found.retain(|mention| mention.user.as_ref().is_none_or(|user| !unnamed.contains(user)));
            everybody.retain(|user| !unnamed.contains(user));
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
}

/// Whether a row is a message of another user that is there and mentions the user.
pub(super) fn does_mention(row: &Event, user: &UserId) -> bool {
    let EventKind::Message(MessageEvent::Sent { body, .. }) = &row.kind else { return false };
    let is_named = body.mentions.iter().any(|mention| mention.user.as_ref().is_none_or(|named| named == user));
    is_named && !is_deleted(row) && row.actor != *user
}
