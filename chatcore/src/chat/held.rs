//! Use cases about messages that the host's policy holds until a moderator has looked at them.

use std::sync::Arc;

use super::{
    Chat, SendMessage,
    decide::govern::Known,
    read::{lists::Slice, profiles},
    send::{Right, Saying},
};
use crate::{
    error::{Error, Result},
    identity::Principal,
    limits::Use,
    model::{ClientId, HeldId, HeldMessage, ListPage, Message, MessageId, Page, SessionId, UserId},
    permission::Action,
    store::{
        Change, ChatStoreExt as _, Found, Freshness, Held, HeldMessages, KeyPart as _, StoreError, TypedKey as _, Write,
    },
    trace::use_case,
};

/// Most messages of one session that wait for approval.
pub const MAX_HELD: u64 = 500;

/// Most messages of one user in one session that wait for approval.
pub const MAX_HELD_BY_USER: u64 = 20;

/// The longest reason of a policy that is kept.
const REASON_CHARS: usize = 500;

impl Chat {
    /// The messages of a session that wait for approval, the oldest first.
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
            let (limit, Slice { after, skip, limit: wanted }) = self.inner.limits.slice(page)?;
            self.allowed(session, principal, Action::ReviewMessages, Freshness::Fresh).await?;
            let after = after.map(|after: HeldId| vec![after.part()]);
            let scan = HeldMessages::under(vec![session.part()]).after(after).skip(skip).limit(wanted);
            let found = self.inner.store.list::<HeldMessages>(scan).await?;
            // A moderator who was removed during the read sees nothing of it.
            self.allowed(session, principal, Action::ReviewMessages, Freshness::Fresh).await?;
            let page = ListPage::cut(found, limit, |(key, _)| key.id);
            let users = self.inner.profiles.find(page.iter().map(|(_, found)| &found.value.author).collect()).await?;
            let shown = |(key, found): (HeldMessages, Found<Held>)| {
                let Held { author, stay: _, body, reply_to, client_id: _, reason, held_at, .. } =
                    (*found.value).clone();
                let reply_to = reply_to.map(|seq| MessageId { session_id: key.session, seq });
                let author = profiles::public(profiles::of(&users, &author));
                HeldMessage { id: key.id, session_id: key.session, author, body, reply_to, reason, held_at }
            };
            Ok(page.map(|found| found.into_iter().map(shown).collect()))
        })
    }

    /// Sends a held message in the name of its author, and returns the message. Its time is the time of the approval. The policy does not
    /// review the message again. The author needs the right to send, in the same stay in the session.
    ///
    /// # Errors
    /// [`Denied`](Error::Denied) when the caller may not; [`HeldMessageNotFound`](Error::HeldMessageNotFound) for a message that was approved or
    /// rejected; [`AuthorCannotSend`](Error::AuthorCannotSend) when the author may not send any more; those of [`send`](Self::send) for the
    /// message that it answers. The message stays held where it cannot be sent.
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
            let sent = match self.say_held(&key, &approved).await {
                Err(Error::Denied(_) | Error::DirectRefused) => {
                    let waiting = key.put(Held { is_approved: false, ..approved }).at(version);
                    self.try_commit(Change::of_records(vec![waiting])).await?;
                    return Err(Error::AuthorCannotSend);
                }
                sent => sent?,
            };
            self.inner.store.commit(Change::of_records(vec![key.remove()])).await?;
            Ok(sent)
        })
    }

    async fn say_held(&self, key: &HeldMessages, held: &Held) -> Result<Message> {
        let Held { author, stay, body, reply_to, client_id, mentions, mentions_everybody, .. } = held.clone();
        let reply_to = reply_to.map(|seq| MessageId { session_id: key.session, seq });
        // A second approval, at the same time or after a crash, finds the message of the first one.
        let client_id = Some(match client_id {
            Some(client_id) => client_id,
            None => ClientId::new(format!("held:{}", key.id)).map_err(|_| Error::Internal)?,
        });
        let message = SendMessage { client_id, reply_to, mentions, mentions_everybody, ..SendMessage::new(body) };
        let saying = Saying::new(message, Right::Stay(stay))?.reviewed();
        self.say(&Principal::new(author), key.session, saying).await
    }

    /// Removes a held message, which is never sent.
    ///
    /// # Errors
    /// [`Denied`](Error::Denied) when the caller may not; [`HeldMessageNotFound`](Error::HeldMessageNotFound) for a message that was approved or
    /// rejected.
    pub async fn reject_message(&self, principal: &Principal, session: SessionId, id: HeldId) -> Result<()> {
        use_case!("reject_message", session, async move {
            self.enter(principal, Use::Request).await?;
            let (key, held) = self.held_message(principal, session, id).await?;
            if held.value.is_approved {
                return Err(Error::HeldMessageNotFound);
            }
            match self.inner.store.commit(Change::of_records(vec![key.remove().at(held.version)])).await {
                Ok(_) => Ok(()),
                Err(StoreError::Conflict { .. }) => Err(Error::HeldMessageNotFound),
                Err(error) => Err(error.into()),
            }
        })
    }

    async fn held_message(
        &self,
        principal: &Principal,
        session: SessionId,
        id: HeldId,
    ) -> Result<(HeldMessages, Found<Held>)> {
        self.allowed(session, principal, Action::ReviewMessages, Freshness::Fresh).await?;
        let key = HeldMessages { session, id };
        let held = self.inner.store.get(&key).await?.ok_or(Error::HeldMessageNotFound)?;
        Ok((key, held))
    }

    /// Keeps a message for approval. A retry with the same client id keeps no second message.
    pub(super) async fn keep_held(
        &self,
        known: &Known,
        author: &UserId,
        saying: &Saying,
        reason: Option<String>,
    ) -> Result<()> {
        let (session, stay) = (known.session()?.id, known.actor.as_deref().ok_or(Error::Internal)?.id);
        // Messages that are held in one session wait for each other, so that a process lets none pass the limits.
        let _gate = self.inner.held_gates.pass(session).await;
        let all = HeldMessages::under(vec![session.part()]).limit(MAX_HELD);
        let found = self.inner.store.list::<HeldMessages>(all).await?;
        let own = || found.iter().map(|(_, found)| &found.value).filter(|held| held.author == *author);
        let client_id = saying.client_id();
        if client_id.is_some() && own().any(|held| held.client_id.as_ref() == client_id) {
            return Ok(());
        }
        if own().count() as u64 >= MAX_HELD_BY_USER {
            let what = "the number of your messages that wait for approval in this session";
            return Err(Error::LimitExceeded { what, limit: MAX_HELD_BY_USER });
        }
        if found.len() as u64 >= MAX_HELD {
            let what = "the number of messages that wait for approval in this session";
            return Err(Error::LimitExceeded { what, limit: MAX_HELD });
        }
        let reason = reason.map(|reason| reason.chars().take(REASON_CHARS).collect());
        let held = Held { reason, ..saying.held(author.clone(), stay, self.inner.clock.now()) };
        let write = HeldMessages { session, id: HeldId(self.inner.clock.new_id()) }.put(held).absent();
        self.inner.store.commit(Change::of_records(vec![write])).await?;
        Ok(())
    }

    /// Removes the held messages of a user from a session, in which the user's messages are erased.
    #[cfg(feature = "accounts")]
    pub(crate) async fn forget_held(&self, user: &UserId, session: SessionId) -> Result<()> {
        let all = HeldMessages::under(vec![session.part()]).limit(MAX_HELD);
        let found = self.inner.store.list::<HeldMessages>(all).await?;
        let own = |(key, found): (HeldMessages, Found<Held>)| (found.value.author == *user).then(|| key.remove());
        let writes: Vec<Write> = found.into_iter().filter_map(own).collect();
        if !writes.is_empty() {
            self.inner.store.commit(Change::of_records(writes)).await?;
        }
        Ok(())
    }

    /// The held messages of a user in a session, for the export of the user's data.
    #[cfg(feature = "accounts")]
    pub(crate) async fn held_by(&self, user: &UserId, session: SessionId) -> Result<Vec<Arc<Held>>> {
        let all = HeldMessages::under(vec![session.part()]).limit(MAX_HELD);
        let found = self.inner.store.list::<HeldMessages>(all).await?;
        Ok(found.into_iter().map(|(_, found)| found.value).filter(|held| held.author == *user).collect())
    }
}
