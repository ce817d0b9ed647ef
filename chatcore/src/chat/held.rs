//! Use cases about messages that the host's policy holds until a moderator has looked at them.
//!
//! A held message is a record with its text. One small record for each session lists them, and is written with each of them. So the limits are
//! exact in any number of processes, and neither a limit nor a list reads texts.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use super::{
    Chat,
    decide::{govern::Known, turns::behind},
    moderation::Done,
    read::{
        lists::{CHUNK, Seated, Slice},
        profiles,
    },
    send::Saying,
};
use crate::{
    error::{Error, Result},
    identity::Principal,
    limits::Use,
    model::{
        HeldId, HeldMessage, ListPage, Message, MessageCommand, MessageId, ModerationAction, Origin, Page,
        ParticipantId, SessionId, UserId,
    },
    permission::{Action, Denial, Facts, SessionState},
    store::{
        Change, ChatStoreExt as _, Conflicting, Found, Freshness, Held, HeldEntry, HeldList, HeldLists, HeldMessages,
        KeyPart as _, ParticipantRecord, Participants, StoreError, TypedKey as _, Write,
    },
    trace::use_case,
};

/// Maximum number of held messages of one session.
pub const MAX_HELD: u64 = 500;

/// Maximum number of held messages of one user in one session.
pub const MAX_HELD_BY_USER: u64 = 20;

/// The longest reason of a policy that is kept.
const REASON_CHARS: usize = 500;

/// Participants among whom a reviewer is looked for, the first ones of the session. The owner is looked at in any case.
const CANDIDATES: u64 = 1_000;

/// Held texts that are read at once where old ones are removed.
const OLD: u64 = 20;

impl Chat {
    /// The held messages of a session, the oldest first. The caller's own messages are left out, since other users review these messages.
    ///
    /// # Errors
    /// [`Denied`](Error::Denied) when the caller may not; [`Invalid`](Error::Invalid) for a page outside of the limits.
    pub async fn held_messages(
        &self,
        principal: &Principal,
        session: SessionId,
        page: Page<HeldId>,
    ) -> Result<ListPage<HeldMessage, HeldId>> {
        use_case!("held_messages", session, async move {
            self.enter(principal, Use::Request).await?;
            let (limit, slice) = self.inner.limits.slice(page)?;
            self.allowed(session, principal, Action::ReviewMessages, Freshness::Fresh).await?;
            for _ in self.turns() {
                let keys = self.others_held(&principal.user_id, session, slice).await?;
                let found = self.inner.store.get_all(&keys).await?;
                let (there, gone): (Vec<_>, Vec<_>) =
                    keys.into_iter().zip(found).partition(|(_, found)| found.is_some());
                if !gone.is_empty() {
                    // Answered during the read, or lost by a backup. Without them the page would be too short.
                    let gone: Vec<HeldId> = gone.into_iter().map(|(key, _)| key.id).collect();
                    self.without(session, Vec::new(), |entry| gone.contains(&entry.id)).await?;
                    continue;
                }
                let found = there.into_iter().filter_map(|(key, found)| Some((key, found?))).collect();
                let page = ListPage::cut(found, limit, |(key, _): &(HeldMessages, _)| key.id);
                let shown = self.shown_held(principal, &page).await?;
                // A moderator who was removed during the read sees nothing of it.
                self.allowed(session, principal, Action::ReviewMessages, Freshness::Fresh).await?;
                return Ok(page.map(|_| shown));
            }
            Err(behind(session, "a list of held messages"))
        })
    }

    /// The held messages of others in a slice of the list.
    async fn others_held(
        &self,
        user: &UserId,
        session: SessionId,
        Slice { after, skip, limit }: Slice<HeldId>,
    ) -> Result<Vec<HeldMessages>> {
        let (list, _) = self.held_list(session).await?;
        let (skip, limit) = (usize::try_from(skip).unwrap_or(usize::MAX), usize::try_from(limit).unwrap_or(usize::MAX));
        let is_wanted = |entry: &&HeldEntry| entry.author != *user && after.is_none_or(|after| entry.id > after);
        let wanted = list.entries.iter().filter(is_wanted).skip(skip).take(limit);
        Ok(wanted.map(|entry| HeldMessages { session, id: entry.id }).collect())
    }

    /// Held messages as a moderator sees them.
    async fn shown_held(
        &self,
        principal: &Principal,
        found: &[(HeldMessages, Found<Held>)],
    ) -> Result<Vec<HeldMessage>> {
        let users = self.inner.profiles.find(found.iter().map(|(_, found)| &found.value.author).collect()).await?;
        let place = |(_, found): &(HeldMessages, Found<Held>)| found.value.body.origin.as_ref()?.message;
        let seen = self.seen_places(principal, found.iter().filter_map(place).collect()).await?;
        let shown = |(key, found): &(HeldMessages, Found<Held>)| {
            let Held {
                author,
                stay: _,
                mut body,
                reply_to,
                mentions,
                mentions_everybody,
                client_id: _,
                fingerprint: _,
                reason,
                held_at,
                is_approved: _,
            } = (*found.value).clone();
            body.origin = body.origin.map(|origin| within(origin, |place| seen.contains(place)));
            let HeldMessages { session: session_id, id } = *key;
            let reply_to = reply_to.map(|seq| MessageId { session_id, seq });
            let author = profiles::public(profiles::of(&users, &author));
            HeldMessage { id, session_id, author, body, reply_to, mentions, mentions_everybody, reason, held_at }
        };
        Ok(found.iter().map(shown).collect())
    }

    /// Sends a held message in the name of its author, and returns the message. The time of the message is the time of the approval. The
    /// policy does not review the message again. The author needs the right to send, in the same stay in the session; an incoming webhook
    /// must still exist, and the account of its creator must not be banned.
    ///
    /// # Errors
    /// [`Denied`](Error::Denied) when the caller may not; [`HeldMessageNotFound`](Error::HeldMessageNotFound) for a message that was
    /// approved or rejected, and for the caller's own; [`AuthorCannotSend`](Error::AuthorCannotSend) when the author may not send any more;
    /// those of [`send`](Self::send) for the message; [`CommandNotFound`](Error::CommandNotFound) when the bot of the message's command has
    /// left, or no longer offers the command. A message that cannot be sent stays held, and can be rejected.
    /// [`OutcomeUnknown`](Error::OutcomeUnknown) when the message may be sent: another approval continues.
    pub async fn approve_message(&self, principal: &Principal, session: SessionId, id: HeldId) -> Result<Message> {
        use_case!("approve_message", session, async move {
            self.enter(principal, Use::Request).await?;
            let (key, held) = self.held_message(principal, session, id).await?;
            // From here on the message cannot be rejected. After a crash, another approval sends it.
            let approved = Held { is_approved: true, ..(*held.value).clone() };
            let version = if held.value.is_approved {
                held.version
            } else {
                let change = Change::of_records(vec![key.put(approved.clone()).at(held.version)]);
                let version = change.id;
                match self.inner.store.commit(change).await {
                    Ok(_) => version,
                    // Another answer was faster. The caller sees which one when the caller looks again.
                    Err(StoreError::Conflict { .. }) => return Err(Error::HeldMessageNotFound),
                    Err(error) => return Err(error.into()),
                }
            };
            let author = Principal::new(approved.author.clone());
            let saying = Saying::approved(session, id, approved.clone())?;
            let claim = saying.claim(session, &author.user_id);
            let fingerprint = saying.fingerprint().map(str::to_owned);
            let answer = match self.say_approved(&author, session, saying).await {
                Ok(sent) => self.seen_in(principal, sent).await,
                // The message may be sent. Another approval finds out. Until then the message cannot be rejected.
                Err(Error::OutcomeUnknown | Error::Unavailable) => return Err(Error::OutcomeUnknown),
                Err(error) => {
                    let used = match claim {
                        Some(claim) => self.inner.store.get(&claim).await.map_err(|_| Error::OutcomeUnknown)?,
                        None => None,
                    };
                    if used.is_none_or(|used| used.value.fingerprint != fingerprint) {
                        let waiting = key.put(Held { is_approved: false, ..approved }).at(version);
                        let waits = self.try_commit(Change::of_records(vec![waiting])).await;
                        waits.map_err(|_| Error::OutcomeUnknown)?;
                        return Err(match error {
                            Error::Denied(_) | Error::DirectRefused | Error::WebhookNotFound => Error::AuthorCannotSend,
                            error => error,
                        });
                    }
                    // An earlier approval has sent it.
                    Err(Error::HeldMessageNotFound)
                }
            };
            let done = self.review_done(principal, ModerationAction::MessageApproved, &author.user_id);
            let mut writes = vec![key.remove().at(version)];
            writes.extend(answer.as_ref().ok().map(|sent| self.noting(session, done.of_message(sent.seq))));
            let removed = self.without(session, writes, |entry| entry.id == id).await;
            // The message is sent: an error must not say that nothing was changed.
            removed.map_err(|error| if answer.is_ok() { Error::OutcomeUnknown } else { error })?;
            answer
        })
    }

    /// Sends an approved message. The bot of its command may have changed its list since the command was invoked.
    async fn say_approved(&self, author: &Principal, session: SessionId, saying: Saying) -> Result<Message> {
        if let Some(MessageCommand { name, bot_id }) = saying.body().command.clone()
            && let Err(error) = self.bot_with(session, &name, Some(bot_id)).await
        {
            // An earlier approval may have sent it.
            return self.sent_or(author, session, &saying, error).await;
        }
        self.say(author, session, saying).await
    }

    /// A message as the moderator sees it who approved it: the place of its origin only where the moderator may view it.
    async fn seen_in(&self, principal: &Principal, mut sent: Message) -> Result<Message> {
        if let Some(origin) = sent.body.origin.take() {
            let seen = self.seen_places(principal, origin.message.into_iter().collect()).await;
            // An error would say that nothing was sent.
            let seen = seen.unwrap_or_default();
            sent.body.origin = Some(within(origin, |place| seen.contains(place)));
        }
        Ok(sent)
    }

    /// Removes a held message, which is never sent.
    ///
    /// # Errors
    /// [`Denied`](Error::Denied) when the caller may not; [`HeldMessageNotFound`](Error::HeldMessageNotFound) for a message that was approved or
    /// rejected, and for the caller's own.
    pub async fn reject_message(&self, principal: &Principal, session: SessionId, id: HeldId) -> Result<()> {
        use_case!("reject_message", session, async move {
            self.enter(principal, Use::Request).await?;
            let (key, held) = self.held_message(principal, session, id).await?;
            if held.value.is_approved {
                return Err(Error::HeldMessageNotFound);
            }
            let done = self.review_done(principal, ModerationAction::MessageRejected, &held.value.author);
            let writes = vec![key.remove().at(held.version), self.noting(session, done)];
            let is_removed = self.without(session, writes, |entry| entry.id == id).await?;
            if is_removed { Ok(()) } else { Err(Error::HeldMessageNotFound) }
        })
    }

    fn review_done(&self, principal: &Principal, action: ModerationAction, author: &UserId) -> Done {
        Done::upon(&principal.user_id, action, author, self.inner.clock.now())
    }

    async fn held_message(
        &self,
        principal: &Principal,
        session: SessionId,
        id: HeldId,
    ) -> Result<(HeldMessages, Found<Held>)> {
        self.allowed(session, principal, Action::ReviewMessages, Freshness::Fresh).await?;
        let key = HeldMessages { session, id };
        let held = self.inner.store.get(&key).await?;
        // The author must not answer the own message.
        let held = held.filter(|held| held.value.author != principal.user_id).ok_or(Error::HeldMessageNotFound)?;
        Ok((key, held))
    }

    /// Whether anybody but the author can answer a held message: the owner, or one of the first participants.
    pub(super) async fn has_reviewer(&self, known: &Known, author: &UserId) -> Result<bool> {
        let (session, now) = (known.session()?, self.inner.clock.now());
        let state = Some(SessionState::from(session));
        let may = |record: &ParticipantRecord| {
            let facts = Facts { session: state, actor: Some(record.standing_at(now)), target: None, muted: None };
            record.user_id != *author && self.inner.permissions.decide(&facts, Action::ReviewMessages).is_ok()
        };
        let owner = Participants { session: session.id, user: session.owner.clone() };
        if self.inner.store.get(&owner).await?.is_some_and(|owner| may(&owner.value)) {
            return Ok(true);
        }
        let mut slice = Slice::first(CHUNK);
        for _ in 0..CANDIDATES.div_ceil(CHUNK) {
            let found = self.seats_of(&[Seated { session_id: session.id, slice }]).await?;
            let found: Vec<_> = found.into_iter().flatten().collect();
            if found.iter().any(|record| may(record)) {
                return Ok(true);
            }
            let Some(last) = found.last().filter(|_| found.len() as u64 >= CHUNK) else { break };
            slice.after = Some(last.id);
        }
        Ok(false)
    }

    /// Keeps a message for approval. A retry with the same client id keeps no second message.
    pub(super) async fn keep_held(
        &self,
        known: &Known,
        principal: &Principal,
        saying: &Saying,
        reason: Option<String>,
    ) -> Result<()> {
        let author = &principal.user_id;
        let session = known.session()?.id;
        let stay = match author.webhook() {
            // No participant has this id, so no version sends the message by the right of a stay.
            Some(webhook) => ParticipantId(webhook.0),
            None => known.actor.as_deref().ok_or(Error::Internal)?.id,
        };
        let reason = reason.map(|reason| reason.chars().take(REASON_CHARS).collect());
        let held = Held { reason, ..saying.held(author.clone(), stay, self.inner.clock.now()) };
        // Messages that are held at once in one session would only make each other fail.
        let gate = self.inner.held_gates.pass(session).await;
        for _ in self.turns() {
            let (mut list, write) = self.held_list(session).await?;
            if let Some(entry) = before(&list, &held) {
                let key = HeldMessages { session, id: entry.id };
                match self.inner.store.get(&key).await? {
                    Some(found) if found.value.fingerprint != held.fingerprint => return Err(Error::ClientIdReused),
                    Some(_) => return Ok(()),
                    // It was answered during the read, or a backup has lost it.
                    None => list.entries.retain(|entry| entry.id != key.id),
                }
            }
            within_limits(&list, author)?;
            let key = HeldMessages { session, id: HeldId(self.inner.clock.new_id()) };
            let entry = HeldEntry { id: key.id, author: author.clone(), client_id: held.client_id.clone() };
            list.entries.push(entry);
            list.entries.sort_by_key(|entry| entry.id);
            let writes = vec![key.put(held.clone()).absent(), write(list)];
            if self.try_commit(Change::of_records(writes)).await?.is_some() {
                drop(gate);
                return self.keep_while_sendable(key, principal, saying, stay).await;
            }
        }
        Err(behind(session, "a message that is held"))
    }

    /// Removes a held message again where it could not be sent any more. What removes the texts of an author who is out may have run before,
    /// since no log guards held messages.
    async fn keep_while_sendable(
        &self,
        key: HeldMessages,
        principal: &Principal,
        saying: &Saying,
        stay: ParticipantId,
    ) -> Result<()> {
        let is_of = |known: &Known| known.actor.as_deref().is_some_and(|record| record.id == stay);
        let error = match self.sendable(key.session, principal, saying, Freshness::Fresh).await {
            Ok(known) if principal.user_id.webhook().is_some() || is_of(&known) => return Ok(()),
            Ok(_) => Denial::NotParticipant.into(),
            Err(error) => error,
        };
        let removed = self.without(key.session, vec![key.remove()], |entry| entry.id == key.id).await;
        // The message is kept: an error must not say that nothing was changed.
        removed.map_err(|_| Error::OutcomeUnknown)?;
        Err(error)
    }

    /// The list of the held messages of a session, and the write that replaces it.
    async fn held_list(&self, session: SessionId) -> Result<(HeldList, impl Fn(HeldList) -> Write)> {
        let key = HeldLists { session };
        let found = self.inner.store.get(&key).await?;
        let version = found.as_ref().map(|found| found.version);
        let list = found.map(|found| HeldList::clone(&found.value)).unwrap_or_default();
        let write = move |list: HeldList| {
            let write = if list.entries.is_empty() { key.remove() } else { key.put(list) };
            match version {
                Some(version) => write.at(version),
                None => write.absent(),
            }
        };
        Ok((list, write))
    }

    /// Commits writes together with the removal of entries from the list; `false` where an expectation of the writes does not hold.
    async fn without(
        &self,
        session: SessionId,
        writes: Vec<Write>,
        is_gone: impl Fn(&HeldEntry) -> bool,
    ) -> Result<bool> {
        // All changes of the list in one session would only make each other fail.
        let _gate = self.inner.held_gates.pass(session).await;
        for _ in self.turns() {
            let (mut list, write) = self.held_list(session).await?;
            let before = list.entries.len();
            list.entries.retain(|entry| !is_gone(entry));
            let mut writes = writes.clone();
            writes.extend((list.entries.len() < before).then(|| write(list)));
            if writes.is_empty() {
                return Ok(true);
            }
            match self.inner.store.commit(Change::of_records(writes)).await {
                Ok(_) => return Ok(true),
                Err(StoreError::Conflict { found: Conflicting::Record { key, record: _ } })
                    if key.table == HeldLists::TABLE => {}
                Err(StoreError::Conflict { found: _ }) => return Ok(false),
                Err(error) => return Err(error.into()),
            }
        }
        Err(behind(session, "the list of held messages"))
    }

    /// Removes the held messages of a user from a session: the user's messages there go, or the user's account does.
    pub(crate) async fn forget_held(&self, user: &UserId, session: SessionId) -> Result<()> {
        let own = self.held_of(user, session).await?;
        self.without(session, own.iter().map(|(key, _)| key.remove()).collect(), |entry| entry.author == *user).await?;
        Ok(())
    }

    /// Removes the held messages of a session that are older than the lifetime of its messages. Gives when the next one is too old.
    pub(super) async fn expire_held(
        &self,
        session: SessionId,
        lifetime: TimeDelta,
        now: DateTime<Utc>,
    ) -> Result<Option<DateTime<Utc>>> {
        loop {
            // The key begins with the time.
            let oldest = HeldMessages::under(vec![session.part()]).limit(OLD);
            let found = self.inner.store.list::<HeldMessages>(oldest).await?;
            let over = |(_, found): &(HeldMessages, Found<Held>)| found.value.held_at + lifetime <= now;
            let (old, left): (Vec<_>, Vec<_>) = found.into_iter().partition(over);
            if !old.is_empty() {
                let ids: Vec<HeldId> = old.iter().map(|(key, _)| key.id).collect();
                let writes = old.iter().map(|(key, _)| key.remove()).collect();
                self.without(session, writes, |entry| ids.contains(&entry.id)).await?;
            }
            if !left.is_empty() || (old.len() as u64) < OLD {
                return Ok(left.iter().map(|(_, found)| found.value.held_at + lifetime).min());
            }
        }
    }

    /// The held messages of a user in a session, for the export of the user's data.
    #[cfg(feature = "accounts")]
    pub(crate) async fn held_by(&self, user: &UserId, session: SessionId) -> Result<Vec<Arc<Held>>> {
        Ok(self.held_of(user, session).await?.into_iter().map(|(_, found)| found.value).collect())
    }

    /// The held messages of a user in a session. The list is not asked: after a restored backup it may lack entries.
    async fn held_of(&self, user: &UserId, session: SessionId) -> Result<Vec<(HeldMessages, Found<Held>)>> {
        let all = HeldMessages::under(vec![session.part()]);
        let found = self.inner.store.list::<HeldMessages>(all).await?;
        Ok(found.into_iter().filter(|(_, found)| found.value.author == *user).collect())
    }
}

/// An origin, with its place where the reader sees that.
fn within(origin: Origin, sees: impl Fn(&MessageId) -> bool) -> Origin {
    Origin { message: origin.message.filter(sees), ..origin }
}

/// The entry of a held message with the same client id.
fn before<'a>(list: &'a HeldList, held: &Held) -> Option<&'a HeldEntry> {
    let is_its = |entry: &&HeldEntry| entry.author == held.author && entry.client_id == held.client_id;
    list.entries.iter().filter(|_| held.client_id.is_some()).find(is_its)
}

/// Whether there is room for one message more.
///
/// # Errors
/// [`LimitExceeded`](Error::LimitExceeded) where there is none.
fn within_limits(list: &HeldList, author: &UserId) -> Result<()> {
    let own = list.entries.iter().filter(|entry| entry.author == *author).count() as u64;
    if own >= MAX_HELD_BY_USER {
        let what = "the number of your messages that wait for approval in this session";
        return Err(Error::LimitExceeded { what, limit: MAX_HELD_BY_USER });
    }
    if list.entries.len() as u64 >= MAX_HELD {
        let what = "the number of messages that wait for approval in this session";
        return Err(Error::LimitExceeded { what, limit: MAX_HELD });
    }
    Ok(())
}
