//! The list of a user's own mentions.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    str::FromStr,
    sync::Arc,
};

use super::{
    Chat,
    decide::{history::Sight, policy::Operation, validate::reached},
    mentions::does_mention,
    read::{batch::go_on, lists::Slice, profiles, view},
};
use crate::{
    error::Result,
    identity::Principal,
    limits::Use,
    model::{
        Event, InvalidId, ListPage, MentionCursor, MentionSection, MentionedMessage, MessageId, Page, Seq, SessionId,
    },
    store::{Change, ChatStoreExt as _, Found, KeyPart as _, Listed, LogRange, Mentions, Newest, TypedKey, Write},
    trace::use_case,
};

/// Entries of a list that are looked at for one page.
const LOOKED: u64 = 500;

/// Entries that are read at once where few of them may be in the section.
const CHUNK: u64 = 250;

/// The order of a list of mentions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MentionOrder {
    /// The unread messages first, and the newest first among the unread ones and among the others.
    #[default]
    UnreadFirst,
    /// The newest message first.
    Newest,
}

impl MentionOrder {
    /// Every order.
    pub const ALL: [Self; 2] = [Self::UnreadFirst, Self::Newest];

    /// The name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UnreadFirst => "unread_first",
            Self::Newest => "newest",
        }
    }
}

impl FromStr for MentionOrder {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let invalid = InvalidId { kind: "order", expected: "unread_first or newest" };
        Self::ALL.into_iter().find(|order| order.as_str() == text).ok_or(invalid)
    }
}

/// A query of the caller's mentions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ListMentions {
    /// Whether the messages that the caller has read are left out.
    pub unread_only: bool,
    /// The order.
    pub order: MentionOrder,
}

/// What a walk through a list of mentions has come to.
struct Walk {
    /// How many messages end the walk.
    wanted: u64,
    /// How many messages are still to be left out.
    skip: u64,
    shown: Vec<MentionedMessage>,
    stale: Vec<Write>,
    seen: HashSet<MessageId>,
}

impl Walk {
    fn is_full(&self) -> bool {
        self.shown.len() as u64 >= self.wanted
    }
}

impl Chat {
    /// The messages that mention the caller, of all sessions that the caller may view. Deleted messages and the caller's own messages are
    /// left out. An edit that adds a mention does not change the place of the message. A page before further pages may be shorter than
    /// requested.
    ///
    /// In the order [`UnreadFirst`](MentionOrder::UnreadFirst), the unread messages among the newest 500 mentions come first. The list is
    /// not a snapshot: a message that the caller reads between two pages can appear twice.
    ///
    /// # Errors
    /// [`Invalid`](crate::Error::Invalid) for a page outside of the limits, and for a [`skip`](Page::skip) beyond the entries that a page
    /// reads: 500 of a list of unread messages, and 500 of either part of a list with the unread messages first.
    pub async fn mentions(
        &self,
        principal: &Principal,
        page: Page<MentionCursor>,
        list: ListMentions,
    ) -> Result<ListPage<MentionedMessage, MentionCursor>> {
        use_case!("mentions", async move {
            self.enter(principal, Use::Request).await?;
            let (limit, Slice { after, skip, limit: wanted }) = self.inner.limits.slice(page)?;
            self.permit(principal, Operation::ListMentions).await?;
            let mut walk = Walk { wanted, skip, shown: Vec::new(), stale: Vec::new(), seen: HashSet::new() };
            let next = self.walk_list(principal, list, after, &mut walk).await?;
            let Walk { shown, stale, wanted: _, skip: rest, seen: _ } = walk;
            if !stale.is_empty() {
                // Another reader may do the same; what fails is tried again by the next one.
                drop(self.inner.store.commit(Change::of_records(stale)).await);
            }
            if next.is_some() {
                reached(rest, LOOKED)?;
            }
            let is_full = shown.len() as u64 > limit;
            let page = ListPage::cut(shown, limit, |mentioned: &MentionedMessage| mentioned.cursor);
            let next = if is_full { page.next } else { next };
            Ok(ListPage { next, ..page })
        })
    }

    /// Goes on through a list. Gives the place after which the list goes on, where it does.
    async fn walk_list(
        &self,
        principal: &Principal,
        ListMentions { unread_only, order }: ListMentions,
        after: Option<MentionCursor>,
        walk: &mut Walk,
    ) -> Result<Option<MentionCursor>> {
        use MentionSection::{All, Rest, Unread};
        let passed = match after.map(|after| after.section) {
            Some(Unread { passed }) => passed,
            Some(All | Rest { .. }) | None => 0,
        };
        match (unread_only, order) {
            (true, _) => self.walk(principal, Unread { passed }, (after, LOOKED), walk).await,
            (false, MentionOrder::Newest) => self.walk(principal, All, (after, LOOKED), walk).await,
            (false, MentionOrder::UnreadFirst) => {
                if let Some(section @ Rest { .. }) = after.map(|after| after.section) {
                    return self.walk(principal, section, (after, LOOKED), walk).await;
                }
                let left = LOOKED.saturating_sub(passed);
                let last =
                    if left > 0 { self.walk(principal, Unread { passed }, (after, left), walk).await? } else { after };
                if walk.is_full() {
                    return Ok(last);
                }
                let section = Rest { until: last.map_or(0, |last| last.at) };
                self.walk(principal, section, (None, LOOKED), walk).await
            }
        }
    }

    /// Goes on through a section of the list, through so many entries at the most. Gives the last one's place, where more may follow.
    async fn walk(
        &self,
        principal: &Principal,
        mut section: MentionSection,
        (mut after, most): (Option<MentionCursor>, u64),
        walk: &mut Walk,
    ) -> Result<Option<MentionCursor>> {
        let user = &principal.user_id;
        let mut looked = 0;
        loop {
            let position = |MentionCursor { at, message: MessageId { session_id, seq }, section: _ }| {
                vec![Newest(at).part(), session_id.part(), seq.part()]
            };
            // Where each entry counts, the store skips.
            let is_whole = section == MentionSection::All;
            let skipped = if is_whole { std::mem::take(&mut walk.skip) } else { 0 };
            let part = if is_whole { walk.wanted } else { walk.wanted.max(CHUNK) }.min(most - looked);
            let scan = Mentions::under(vec![user.part()]).after(after.map(position)).skip(skipped).limit(part);
            let entries = self.inner.store.list::<Mentions>(scan).await?;
            let count = entries.len() as u64;
            looked += count;
            let last = entries.last().map(|(key, _)| key.clone());
            let (mut shown, mut stale) = self.mentioning(principal, entries, section).await?;
            section = on(section, count);
            after = last.map(|key| cursor(&key, section)).or(after);
            // Of two entries of one message the newer one counts.
            shown.retain(|mentioned| walk.seen.insert(mentioned.message.id));
            let skipped = shown.len().min(usize::try_from(walk.skip).unwrap_or(usize::MAX));
            shown.drain(..skipped);
            walk.skip -= skipped as u64;
            walk.shown.append(&mut shown);
            walk.stale.append(&mut stale);
            if count < part {
                return Ok(None);
            }
            if walk.is_full() || looked >= most {
                return Ok(after);
            }
        }
    }

    /// The messages of entries, where they mention the caller and the caller may see them.
    async fn mentioning(
        &self,
        principal: &Principal,
        entries: Vec<(Mentions, Found<Listed>)>,
        section: MentionSection,
    ) -> Result<(Vec<MentionedMessage>, Vec<Write>)> {
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
        let is_open = |(_, (key, _)): &(MentionCursor, (Mentions, _))| {
            let is_seen = sights.get(&key.session).is_some_and(|sight| sight.sees(key.message));
            is_seen && has(section, key.at.0, || is_unread(&key.session, key.message))
        };
        let placed = entries.into_iter().zip(1..).map(|(entry, n)| (cursor(&entry.0, on(section, n)), entry));
        let open: Vec<_> = placed.filter(is_open).collect();
        if open.is_empty() {
            return Ok((Vec::new(), Vec::new()));
        }
        let range = |(_, (key, _)): &(_, (Mentions, _))| LogRange {
            session_id: key.session,
            from: key.message,
            to: key.message,
        };
        let ranges: Vec<_> = open.iter().map(range).collect();
        let rows = self.inner.store.log(&ranges).await?;
        let (mut kept, mut stale) = (Vec::new(), Vec::new());
        for ((cursor, (key, found)), rows) in open.into_iter().zip(rows) {
            let Some(row) = rows.into_iter().next() else { continue };
            if !row.kind.is_message() {
                continue;
            }
            if does_mention(&row, user) {
                kept.push((cursor, row));
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
        Ok((kept.into_iter().filter_map(shown).collect(), stale))
    }
}

fn cursor(key: &Mentions, section: MentionSection) -> MentionCursor {
    let message = MessageId { session_id: key.session, seq: key.message };
    MentionCursor { at: key.at.0, message, section }
}

/// A section after so many entries more.
const fn on(section: MentionSection, entries: u64) -> MentionSection {
    match section {
        MentionSection::Unread { passed } => MentionSection::Unread { passed: passed.saturating_add(entries) },
        MentionSection::All | MentionSection::Rest { .. } => section,
    }
}

/// Whether a section has a message of a time.
fn has(section: MentionSection, at: u64, is_unread: impl FnOnce() -> bool) -> bool {
    match section {
        MentionSection::All => true,
        MentionSection::Unread { passed: _ } => is_unread(),
        MentionSection::Rest { until } => at <= until || !is_unread(),
    }
}
