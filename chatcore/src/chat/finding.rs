//! Use cases that search sessions, and sort the public list.
//!
//! A search compares the words of sessions as they are read, and nothing else is kept for it. So it looks at a bounded number of sessions, and a
//! page of it says where to go on.

use std::{collections::HashMap, str::FromStr, sync::Arc};

use super::{
    Chat,
    decide::{govern::Known, policy::Operation, scope::sees},
    read::{
        lists::{self, Slice, scan},
        profiles,
    },
    reading::{MAX_SORTED, SessionOrder, by_activity},
};
use crate::{
    error::{Code, Error, Result},
    identity::Principal,
    limits::Use,
    model::{
        Cursor, Epoch, InvalidId, ListPage, Page, PublicCursor, Session, SessionId, SessionSummary, SessionType,
        UserId, search::Words, visible::is_visible,
    },
    store::{ChatStoreExt as _, Head, KeyPart as _, Memberships, Newest},
    trace::use_case,
};

/// Maximum length of a search, in characters.
pub const MAX_SEARCH_CHARS: usize = 100;

/// Maximum number of sessions that one page of a search or of the caller's own sessions reads, and maximum number of public sessions in a
/// sorted list.
pub const MAX_SEARCHED: u64 = 2_000;

/// Sessions that are read at once.
const CHUNK: u64 = 200;

/// The order of the public list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PublicOrder {
    /// The newest session first.
    #[default]
    Newest,
    /// Alphabetical order of the titles, character by character, without a distinction of case. Of sessions with equal titles, the newest
    /// comes first.
    Title,
    /// The session with the most participants first. Of sessions with equal numbers, the newest comes first.
    Participants,
    /// The session with the latest event first. Of sessions with equal times, the newest comes first.
    Activity,
}

impl PublicOrder {
    /// Every order.
    pub const ALL: [Self; 4] = [Self::Newest, Self::Title, Self::Participants, Self::Activity];

    /// The name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Newest => "newest",
            Self::Title => "title",
            Self::Participants => "participants",
            Self::Activity => "activity",
        }
    }

    /// The place of a session in this order. `head` is the last position of its log.
    #[must_use]
    pub fn place(self, session: &Session, head: Cursor) -> PublicCursor {
        match self {
            Self::Newest => PublicCursor::Newest(session.id),
            Self::Title => PublicCursor::titled(&session.title, session.id),
            Self::Participants => PublicCursor::Participants { number: session.participant_count, session: session.id },
            Self::Activity => PublicCursor::Activity { at: head.epoch.map_or(0, Epoch::micros), session: session.id },
        }
    }

    /// Whether a place is one in this order.
    const fn has(self, place: &PublicCursor) -> bool {
        match place {
            PublicCursor::Newest(_) => matches!(self, Self::Newest),
            PublicCursor::Title { .. } => matches!(self, Self::Title),
            PublicCursor::Participants { .. } => matches!(self, Self::Participants),
            PublicCursor::Activity { .. } => matches!(self, Self::Activity),
        }
    }
}

impl FromStr for PublicOrder {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let invalid = InvalidId { kind: "order", expected: "newest, title, participants or activity" };
        Self::ALL.into_iter().find(|order| order.as_str() == text).ok_or(invalid)
    }
}

/// A search of the public list.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FindPublicSessions {
    /// Words that white space parts, together 1 to [`MAX_SEARCH_CHARS`] characters. Each word is a part of the title, of the description, or of a
    /// tag. The case of letters and their form (NFKC) make no difference. `None` for each session.
    pub search: Option<String>,
    /// The order.
    pub order: PublicOrder,
}

/// A search of the caller's sessions.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FindSessions {
    /// Words that white space parts, together 1 to [`MAX_SEARCH_CHARS`] characters. Each word is a part of the title, or in a direct session of
    /// the other user's name or user name. The case of letters and their form (NFKC) make no difference. `None` for each session.
    pub search: Option<String>,
    /// The order.
    pub order: SessionOrder,
    /// Whether to list only the archived sessions; otherwise only the other sessions.
    pub archived: bool,
}

/// A page of the public list.
#[derive(Debug, Clone, PartialEq)]
pub struct FoundSessions {
    /// The sessions of the page. A page of a search may have fewer sessions than requested before further pages.
    pub sessions: Vec<SessionSummary>,
    /// The place after which the next page begins, for [`Page::after`]; `None` at the end of the list.
    pub next: Option<PublicCursor>,
    /// The total number of sessions; changes by other processes in the last two seconds may be missing. `None` for a search in the order
    /// [`Newest`](PublicOrder::Newest), which does not read all sessions.
    pub total: Option<u64>,
}

/// The words of a search.
///
/// # Errors
/// [`Invalid`](Error::Invalid) for a text outside of the limits.
fn words(search: Option<&str>) -> Result<Option<Words>> {
    let Some(search) = search else { return Ok(None) };
    if !is_visible(search) || search.chars().nth(MAX_SEARCH_CHARS).is_some() {
        let message = format!("1 to {MAX_SEARCH_CHARS} characters");
        return Err(Error::invalid("search", Code::ValidationInvalidValue, message));
    }
    Ok(Some(Words::of(search)))
}

/// Refuses to leave out entries at the start of a search: a page of it has no known place in the list.
fn no_skip(skip: u64) -> Result<()> {
    if skip > 0 {
        let message = "not together with search; go on with after";
        return Err(Error::invalid("skip", Code::ValidationInvalidValue, message));
    }
    Ok(())
}

impl Words {
    fn are_of(&self, session: &Session) -> bool {
        let texts = [Some(&session.title), session.description.as_ref()].into_iter().flatten();
        self.are_in(texts.chain(&session.settings.tags).map(String::as_str))
    }
}

impl Chat {
    /// The sessions that the caller could join and that meet a search, in an order. A walk by [`next`](FoundSessions::next) shows a session
    /// exactly once if the session stays in the list and its sort key (title, number of participants, or last event) does not change.
    ///
    /// A page of a search reads at most [`MAX_SEARCHED`] sessions.
    ///
    /// # Errors
    /// [`Invalid`](Error::Invalid) for a search or a page outside of the limits, for a place of another order, and for a
    /// [`skip`](Page::skip) with a search; [`LimitExceeded`](Error::LimitExceeded) for an order other than [`Newest`](PublicOrder::Newest)
    /// where the public list has more than [`MAX_SEARCHED`] sessions.
    pub async fn find_public_sessions(
        &self,
        principal: &Principal,
        wanted: &FindPublicSessions,
        page: Page<PublicCursor>,
    ) -> Result<FoundSessions> {
        let FindPublicSessions { search, order } = wanted;
        let is_whole = search.is_none() && *order == PublicOrder::Newest;
        use_case!("find_public_sessions", async move {
            self.enter(principal, if is_whole { Use::Request } else { Use::Search }).await?;
            let words = words(search.as_deref())?;
            let (limit, slice) = self.inner.limits.slice(page)?;
            if words.is_some() {
                no_skip(slice.skip)?;
            }
            if slice.after.as_ref().is_some_and(|place| !order.has(place)) {
                let message = format!("a place in the order {}", order.as_str());
                return Err(Error::invalid("after", Code::ValidationInvalidValue, message));
            }
            self.permit(principal, Operation::ListPublicSessions).await?;
            let is_wanted = |session: &Session| words.as_ref().is_none_or(|words| words.are_of(session));
            match (order, slice.after) {
                (PublicOrder::Newest, after) => {
                    let after = after.as_ref().map(PublicCursor::session);
                    let slice = Slice { after, skip: slice.skip, limit: slice.limit };
                    if is_whole {
                        let public = self.joinable(&principal.user_id, slice).await?;
                        let page = ListPage::cut(public.sessions, limit, |(session, _)| session.id);
                        let next = page.next.map(PublicCursor::Newest);
                        let sessions = self.summaries(page.entries).await?;
                        return Ok(FoundSessions { sessions, next, total: Some(public.total) });
                    }
                    self.find_newest(principal, limit, after, is_wanted).await
                }
                (PublicOrder::Title | PublicOrder::Participants | PublicOrder::Activity, after) => {
                    let slice = Slice { after, skip: slice.skip, limit: slice.limit };
                    self.find_sorted(principal, limit, slice, *order, is_wanted).await
                }
            }
        })
    }

    async fn find_newest(
        &self,
        principal: &Principal,
        limit: u64,
        after: Option<SessionId>,
        is_wanted: impl Fn(&Session) -> bool,
    ) -> Result<FoundSessions> {
        let one_more = usize::try_from(limit).unwrap_or(usize::MAX).saturating_add(1);
        let chosen = self.choose_joinable(&principal.user_id, after, one_more, MAX_SEARCHED, is_wanted).await?;
        let page = ListPage::cut(chosen.sessions, limit, |(session, _)| session.id);
        let next = page.next.or(chosen.cut_at).map(PublicCursor::Newest);
        Ok(FoundSessions { sessions: self.summaries(page.entries).await?, next, total: None })
    }

    async fn find_sorted(
        &self,
        principal: &Principal,
        limit: u64,
        slice: Slice<PublicCursor>,
        order: PublicOrder,
        is_wanted: impl Fn(&Session) -> bool,
    ) -> Result<FoundSessions> {
        let user = &principal.user_id;
        let chosen = self.choose_joinable(user, None, usize::MAX, MAX_SEARCHED.saturating_add(1), is_wanted).await?;
        if chosen.cut_at.is_some() {
            let what = "the number of public sessions that are sorted";
            return Err(Error::LimitExceeded { what, limit: MAX_SEARCHED });
        }
        let total = chosen.sessions.len() as u64;
        let placed = |found: (Arc<Session>, Head)| (order.place(&found.0, found.1.cursor()), found);
        let mut all: Vec<_> = chosen.sessions.into_iter().map(placed).collect();
        all.sort_unstable_by(|(one, _), (other, _)| one.rank().cmp(&other.rank()));
        let Slice { after, skip, limit: wanted } = slice;
        let is_after = |(place, _): &(PublicCursor, _)| after.as_ref().is_none_or(|after| place.rank() > after.rank());
        let size = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        let rest: Vec<_> = all.into_iter().filter(is_after).skip(size(skip)).take(size(wanted)).collect();
        let page = ListPage::cut(rest, limit, |(place, _)| place.clone());
        let found = page.entries.into_iter().map(|(_, found)| found).collect();
        Ok(FoundSessions { sessions: self.summaries(found).await?, next: page.next, total: Some(total) })
    }

    /// The sessions of the caller that match a search, in an order. Without a search, the result is that of
    /// [`sessions_in`](Self::sessions_in) or of [`archived_sessions`](Self::archived_sessions).
    ///
    /// In the order [`Newest`](SessionOrder::Newest), a page reads at most [`MAX_SEARCHED`] sessions, and may have fewer entries than
    /// requested before further pages.
    ///
    /// # Errors
    /// As [`sessions_in`](Self::sessions_in); [`Invalid`](Error::Invalid) for a search outside of the limits, and for a
    /// [`skip`](Page::skip) with a search.
    pub async fn find_sessions(
        &self,
        principal: &Principal,
        wanted: &FindSessions,
        page: Page<SessionId>,
    ) -> Result<ListPage<SessionSummary, SessionId>> {
        let FindSessions { search, order, archived } = wanted;
        use_case!("find_sessions", async move {
            self.enter(principal, if search.is_some() { Use::Search } else { Use::Request }).await?;
            let words = words(search.as_deref())?;
            let (limit, slice) = self.inner.limits.slice(page)?;
            self.permit(principal, Operation::ListSessions).await?;
            let is_wanted = |session: &Session| {
                sees(principal, session.id) && session.is_active && session.archived_at.is_some() == *archived
            };
            let Some(words) = words else {
                return self.own_sessions(principal, limit, slice, *order, is_wanted).await;
            };
            no_skip(slice.skip)?;
            let found = match order {
                SessionOrder::Newest => self.named_newest(principal, &words, limit, slice.after, is_wanted).await?,
                SessionOrder::Activity => self.named_active(principal, &words, limit, slice.after, is_wanted).await?,
            };
            self.shown_own(principal, found).await
        })
    }

    /// A page of the caller's sessions whose names have the words, newest first.
    async fn named_newest(
        &self,
        principal: &Principal,
        words: &Words,
        limit: u64,
        mut after: Option<SessionId>,
        is_wanted: impl Fn(&Session) -> bool,
    ) -> Result<ListPage<Known, SessionId>> {
        let (store, user) = (&*self.inner.store, &principal.user_id);
        let reader = Some((user, self.inner.clock.now()));
        let (mut found, mut looked) = (Vec::new(), 0);
        while (found.len() as u64) <= limit {
            if looked >= MAX_SEARCHED {
                return Ok(ListPage { entries: found, next: after });
            }
            let slice = Slice { after: after.map(Newest), skip: 0, limit: CHUNK };
            let keys = store.list::<Memberships>(scan::<Memberships, _>(vec![user.part()], slice)).await?;
            let ids: Vec<SessionId> = keys.iter().map(|(key, _)| key.session.0).collect();
            let known = lists::known_sessions(store, &ids, reader).await?;
            let known = known.into_iter().filter(|known| known.session.as_deref().is_some_and(&is_wanted)).collect();
            found.extend(self.named(user, known, words).await?);
            if (ids.len() as u64) < CHUNK {
                break;
            }
            looked += CHUNK;
            after = ids.last().copied().or(after);
        }
        Ok(cut(found, limit))
    }

    /// A page of the caller's sessions whose names have the words, the one with the latest event first.
    async fn named_active(
        &self,
        principal: &Principal,
        words: &Words,
        limit: u64,
        after: Option<SessionId>,
        is_wanted: impl Fn(&Session) -> bool,
    ) -> Result<ListPage<Known, SessionId>> {
        let (store, user) = (&*self.inner.store, &principal.user_id);
        let reader = Some((user, self.inner.clock.now()));
        let first = Slice::first(MAX_SORTED.saturating_add(1));
        let all = lists::known_sessions_of(store, user, (first, u64::MAX), reader, is_wanted).await?;
        let rest = by_activity(all.sessions, Slice { after, skip: 0, limit: u64::MAX })?;
        Ok(cut(self.named(user, rest, words).await?, limit))
    }

    /// Those of the sessions whose names have the words: the title, and in a direct session the name and the user name of the other user.
    async fn named(&self, user: &UserId, known: Vec<Known>, words: &Words) -> Result<Vec<Known>> {
        let session = |known: &Known| known.session.as_ref().map(|session| (session.id, session.session_type));
        let directs = known.iter().filter_map(session).filter(|(_, kind)| *kind == SessionType::Direct);
        let directs: Vec<SessionId> = directs.map(|(id, _)| id).collect();
        let mut others: HashMap<SessionId, UserId> = HashMap::new();
        for (id, pair) in directs.iter().zip(self.pairs(&directs).await?) {
            others.extend(pair.into_iter().flatten().find(|one| one != user).map(|other| (*id, other)));
        }
        let profiles = self.inner.profiles.find(others.values().collect()).await?;
        let is_named = |known: &Known| {
            let Some(session) = known.session.as_deref() else { return false };
            let other = others.get(&session.id).map(|other| profiles::of(&profiles, other));
            let names = other.iter().flat_map(|profile| [profile.name.as_str(), profile.username.as_str()]);
            words.are_in(std::iter::once(session.title.as_str()).chain(names))
        };
        Ok(known.into_iter().filter(is_named).collect())
    }
}

/// A page out of what was found when one entry more was looked for.
pub(super) fn cut(found: Vec<Known>, limit: u64) -> ListPage<Known, SessionId> {
    let page = ListPage::cut(found, limit, |known: &Known| known.session.as_ref().map(|session| session.id));
    ListPage { entries: page.entries, next: page.next.flatten() }
}
