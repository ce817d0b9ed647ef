//! Use cases about reactions to messages.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use super::{
    Chat,
    decide::turns::behind,
    emojis::OwnEmojis,
    messages::{is_deleted, no_deletion_since},
    read::{lists::Slice, profiles},
};
use crate::{
    error::{Error, Result},
    identity::Principal,
    limits::Use,
    model::{
        Emoji, Event, EventKind, ListPage, Message, MessageEvent, MessageId, NewEvent, Page, Reaction, Reactor, Seq,
        SessionId, UserId,
    },
    permission::Action,
    store::{
        Change, ChatStoreExt as _, Deletions, Emojis, Found, Freshness, Key, KeyPart as _, LogRange, MessageReactions,
        Reacted, ReactionTotal, ReactionTotals, Reactors, Record, Scan, TypedKey, Version, typed,
    },
    trace::use_case,
};

/// Maximum number of kinds of reactions to one message.
pub const MAX_REACTION_KINDS: usize = 20;

/// What is to become of a reaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Intent {
    React,
    Unreact,
}

/// The reactions to a message, as they were found.
struct Reacting {
    totals: Option<Found<ReactionTotals>>,
    own: Option<Version>,
    /// The version of the number of deletions; `None` where nothing was deleted.
    deletions: Option<Version>,
    /// Whether the message was deleted, as of those deletions.
    is_deleted: bool,
    /// Whether it is an emoji of Unicode, or the session has it.
    is_known: bool,
    /// The last position of which they tell anything.
    upto: Seq,
}

impl Reacting {
    /// The totals after a change, and the number of reactions with the emoji; `None` where nothing is to be changed.
    fn plan(&self, intent: Intent, emoji: &Emoji) -> Result<Option<(ReactionTotals, u64)>> {
        match intent {
            Intent::React if self.is_deleted => return Err(Error::MessageDeleted),
            Intent::React if self.own.is_some() => return Ok(None),
            Intent::React if !self.is_known => return Err(Error::malformed("emoji", Emoji::EXPECTED)),
            Intent::Unreact if self.is_deleted || self.own.is_none() => return Ok(None),
            Intent::React | Intent::Unreact => {}
        }
        let mut kinds = self.totals.as_ref().map_or_else(Vec::new, |found| found.value.kinds.clone());
        let before = kinds.iter().find(|kind| kind.emoji == *emoji).map_or(0, |kind| kind.count);
        let count = match intent {
            Intent::React if before == 0 && kinds.len() >= MAX_REACTION_KINDS => {
                let limit = MAX_REACTION_KINDS as u64;
                return Err(Error::LimitExceeded { what: "the number of kinds of reactions to one message", limit });
            }
            Intent::React => before.saturating_add(1),
            Intent::Unreact => before.saturating_sub(1),
        };
        match kinds.iter_mut().find(|kind| kind.emoji == *emoji) {
            Some(kind) => kind.count = count,
            None => kinds.push(ReactionTotal { emoji: emoji.clone(), count }),
        }
        kinds.retain(|kind| kind.count > 0);
        Ok(Some((ReactionTotals { kinds }, count)))
    }
}

/// The reactions to messages, as a reader sees them.
#[derive(Default)]
pub(in crate::chat) struct Reactions(HashMap<(SessionId, Seq), (Vec<Reaction>, Seq)>);

impl Reactions {
    /// Finds the records of the reactions to the rows of a page.
    pub(in crate::chat) fn scan(page: &[Arc<Event>]) -> Option<Scan> {
        let first = page.first()?;
        let after = Some(vec![first.seq.saturating_sub(1).part()]);
        Some(MessageReactions::under(vec![first.session_id.part()]).after(after).limit(page.len() as u64))
    }

    /// The last position at which a row got or lost a reaction.
    pub(in crate::chat) fn written(&self, row: &Event) -> Seq {
        self.0.get(&(row.session_id, row.seq)).map_or(0, |(_, at)| *at)
    }

    /// The reactions to a message.
    pub(in crate::chat) fn of(&self, message: &Message) -> Vec<Reaction> {
        let found = self.0.get(&(message.session_id, message.seq));
        found.map_or_else(Vec::new, |(reactions, _)| reactions.clone())
    }
}

impl Chat {
    /// Reacts to a message. A repeated reaction with the same emoji changes nothing, so a retry is safe. The commit checks whether the
    /// session has a custom emoji of the name: a concurrent change of the session's emojis causes a retry of the reaction.
    ///
    /// # Errors
    /// [`MessageNotFound`](Error::MessageNotFound) as for [`message`](Self::message); [`Denied`](Error::Denied) when the caller may not
    /// react; [`MessageDeleted`](Error::MessageDeleted); [`Malformed`](Error::Malformed) for an unknown name of a custom emoji;
    /// [`LimitExceeded`](Error::LimitExceeded) for one kind more than [`MAX_REACTION_KINDS`].
    pub async fn add_reaction(&self, principal: &Principal, id: MessageId, emoji: &Emoji) -> Result<()> {
        use_case!("add_reaction", id.session_id, self.change_reaction(principal, id, emoji, Intent::React))
    }

    /// Removes a reaction of the caller. Without a reaction, nothing changes, so a retry is safe.
    ///
    /// # Errors
    /// [`MessageNotFound`](Error::MessageNotFound) as for [`message`](Self::message); [`Denied`](Error::Denied) when the
    /// caller may not react.
    pub async fn remove_reaction(&self, principal: &Principal, id: MessageId, emoji: &Emoji) -> Result<()> {
        use_case!("remove_reaction", id.session_id, self.change_reaction(principal, id, emoji, Intent::Unreact))
    }

    /// The users who reacted to a message with an emoji, in the order of their ids; empty for a deleted message.
    ///
    /// # Errors
    /// [`MessageNotFound`](Error::MessageNotFound) as for [`message`](Self::message); [`Denied`](Error::Denied) when the
    /// caller may not view the session; [`Invalid`](Error::Invalid) for a page outside of the limits.
    pub async fn reactors(
        &self,
        principal: &Principal,
        id: MessageId,
        emoji: &Emoji,
        page: Page<UserId>,
    ) -> Result<ListPage<Reactor, UserId>> {
        use_case!("reactors", id.session_id, async move {
            self.enter(principal, Use::Request).await?;
            let (limit, Slice { after, skip, limit: wanted }) = self.inner.limits.slice(page)?;
            let MessageId { session_id: session, seq: message } = id;
            let target = self.target(principal, id, Freshness::Fresh, |_| Action::View).await?;
            self.permit_on(principal, &target, Action::View, None).await?;
            let reacting = self.reacting(&principal.user_id, id, emoji, None).await?;
            let prefix = vec![session.part(), message.part(), emoji.part()];
            let after = after.as_ref().map(|user: &UserId| vec![user.part()]);
            let scan = Reactors::under(prefix).after(after).skip(skip).limit(wanted);
            let found = self.inner.store.list::<Reactors>(scan).await?;
            let upto = found.iter().map(|(_, found)| found.at).fold(reacting.upto, Seq::max);
            self.still_shows(principal, &target, upto).await?;
            let found = if reacting.is_deleted { Vec::new() } else { found };
            let page = ListPage::cut(found, limit, |(key, _)| key.user.clone());
            let users = self.inner.profiles.find(page.iter().map(|(key, _)| &key.user).collect()).await?;
            let shown = |(key, found): (Reactors, Found<Reacted>)| Reactor {
                user: profiles::public(profiles::of(&users, &key.user)),
                reacted_at: found.value.at,
            };
            Ok(page.map(|found| found.into_iter().map(shown).collect()))
        })
    }

    async fn change_reaction(&self, principal: &Principal, id: MessageId, emoji: &Emoji, intent: Intent) -> Result<()> {
        self.enter(principal, Use::Request).await?;
        let MessageId { session_id: session, seq: message } = id;
        // All kinds of reactions to a message are one record, so two changes at once would only make each other fail.
        let mut turns = self.turns_of(id);
        while let Some(freshness) = turns.next().await {
            let target = self.target(principal, id, freshness, |_| Action::React).await?;
            self.permit_on(principal, &target, Action::React, None).await?;
            if intent == Intent::React {
                self.may_write_to(principal, &target.known).await?;
            }
            let found = self.reacting(&principal.user_id, id, emoji, Some(intent)).await?;
            let head = target.known.head;
            let (totals, count) = match found.plan(intent, emoji) {
                Ok(Some(planned)) => planned,
                settled if target.may_be_shown() && found.upto <= head.seq => return settled.map(drop),
                Ok(None) | Err(_) => continue,
            };
            let (actor, now) = (principal.user_id.clone(), self.inner.clock.now().max(head.at));
            let key = MessageReactions { session, message };
            let write = if totals.kinds.is_empty() { key.remove() } else { key.put(totals) };
            let write = match &found.totals {
                Some(found) => write.at(found.version),
                None => write.absent(),
            };
            let own = Reactors { session, message, emoji: emoji.clone(), user: actor.clone() };
            let emoji = emoji.clone();
            let (own, event) = match intent {
                Intent::React => (own.put(Reacted { at: now }), MessageEvent::Reacted { message, emoji, count }),
                Intent::Unreact => (own.remove(), MessageEvent::Unreacted { message, emoji, count }),
            };
            let own = match found.own {
                Some(version) => own.at(version),
                None => own.absent(),
            };
            let writes = vec![write, own, no_deletion_since(session, found.deletions)];
            let event = NewEvent { actor, created_at: now, kind: EventKind::Message(event) };
            let change = Change::of(session, head.seq, vec![event], writes);
            let Some(committed) = self.try_commit(change).await? else { continue };
            drop(turns);
            self.tell(session, &committed.events).await;
            return Ok(());
        }
        Err(behind(session, "a change of a reaction"))
    }

    /// The reactions to a message, and the user's own with an emoji. Only who is to react with a name needs the session's emojis.
    async fn reacting(&self, user: &UserId, id: MessageId, emoji: &Emoji, intent: Option<Intent>) -> Result<Reacting> {
        let MessageId { session_id: session, seq: message } = id;
        let name = emoji.name().filter(|_| intent == Some(Intent::React));
        let mut keys = vec![
            MessageReactions { session, message }.key(),
            Reactors { session, message, emoji: emoji.clone(), user: user.clone() }.key(),
            Deletions { session }.key(),
        ];
        keys.extend(name.as_ref().map(|_| Emojis { session }.key()));
        let mut records = self.inner.store.records(&keys).await?.into_iter();
        let totals = typed::<ReactionTotals>(records.next().flatten())?;
        let own = records.next().flatten();
        let deletions = records.next().flatten().map(|found| found.version);
        let named = OwnEmojis::of(records.next().flatten())?;
        // The row is read after the number of deletions: a deletion that it misses is one that the commit finds.
        let range = LogRange { session_id: session, from: message, to: message };
        let rows = self.inner.store.log(&[range]).await?;
        let written = [totals.as_ref().map_or(0, |found| found.at), own.as_ref().map_or(0, |found| found.at)];
        let upto = rows.iter().flatten().map(|row| row.revised).chain(written).max().unwrap_or(0).max(named.at);
        let is_deleted = rows.iter().flatten().any(|row| is_deleted(row));
        let is_known = name.is_none_or(|name| named.has(&name));
        Ok(Reacting { totals, own: own.map(|found| found.version), deletions, is_deleted, is_known, upto })
    }

    /// The reactions to the messages of pages, as a user sees them, of the records that were found.
    pub(in crate::chat) async fn reactions(
        &self,
        user: &UserId,
        pages: &[&[Arc<Event>]],
        records: Vec<(Key, Record)>,
    ) -> Result<Reactions> {
        let rows = pages.iter().flat_map(|page| page.iter()).filter(|row| !is_deleted(row));
        let rows: HashSet<_> = rows.map(|row| (row.session_id, row.seq)).collect();
        let read = |(key, record): (Key, Record)| Some((MessageReactions::from_parts(&key.parts)?, record.typed()?));
        let mut found: Vec<(MessageReactions, Found<ReactionTotals>)> = records.into_iter().filter_map(read).collect();
        found.retain(|(key, _)| rows.contains(&(key.session, key.message)));
        let own = |(key, found): &(MessageReactions, Found<ReactionTotals>)| {
            let MessageReactions { session, message } = *key;
            let own =
                |kind: &ReactionTotal| Reactors { session, message, emoji: kind.emoji.clone(), user: user.clone() };
            found.value.kinds.iter().map(own).collect::<Vec<_>>()
        };
        let keys: Vec<_> = found.iter().flat_map(own).collect();
        let mut own = if keys.is_empty() { Vec::new() } else { self.inner.store.get_all(&keys).await? }.into_iter();
        let mut reactions = HashMap::with_capacity(found.len());
        for (key, totals) in found {
            let mut at = totals.at;
            let mut shown = |kind: &ReactionTotal| {
                let mine = own.next().flatten();
                at = at.max(mine.as_ref().map_or(0, |found| found.at));
                Reaction { emoji: kind.emoji.clone(), count: kind.count, mine: mine.is_some() }
            };
            let kinds = totals.value.kinds.iter().map(&mut shown).collect();
            reactions.insert((key.session, key.message), (kinds, at));
        }
        Ok(Reactions(reactions))
    }
}
