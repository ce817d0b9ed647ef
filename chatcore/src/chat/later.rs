//! Use cases about drafts and scheduled messages.

use chrono::{DateTime, SubsecRound as _, Utc};

use super::{
    Chat, SendMessage,
    decide::{
        due::microseconds,
        govern::{Tried, UserHash},
        turns::behind,
        validate::Faults,
    },
    read::lists::Slice,
    send::{Right, Saying},
};
use crate::{
    error::{Error, Result},
    identity::Principal,
    limits::Use,
    model::{ClientId, Content, Draft, ListPage, MessageId, Page, ScheduledId, ScheduledMessage, SessionId, UserId},
    permission::Action,
    store::{
        Change, ChatStoreExt as _, DraftText, Drafts, Due, DueTask, Dues, Found, Freshness, KeyPart as _, Prefix,
        Scheduled, ScheduledClientIds, ScheduledMessages, ScheduledPlace, Table, TypedKey as _,
    },
    trace::use_case,
};

/// A message and its send time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScheduleMessage {
    /// The message. A message without a client id gets a client id from the id of the scheduled message.
    pub message: SendMessage,
    /// The send time, truncated to microseconds.
    pub send_at: DateTime<Utc>,
}

fn shown(id: ScheduledId, scheduled: &Scheduled) -> ScheduledMessage {
    let Scheduled {
        session: session_id,
        stay: _,
        body,
        reply_to,
        mentions,
        mentions_everybody,
        client_id,
        send_at,
        created_at,
        bot_token: _,
    } = scheduled.clone();
    let reply_to = reply_to.map(|seq| MessageId { session_id, seq });
    ScheduledMessage { id, session_id, body, reply_to, mentions, mentions_everybody, client_id, send_at, created_at }
}

/// The record that a client id belongs to a scheduled message. It goes with the message.
pub(in crate::chat) fn client_id_of(user: &UserId, scheduled: &Scheduled) -> ScheduledClientIds {
    ScheduledClientIds { user: user.clone(), stay: scheduled.stay, client_id: scheduled.client_id.clone() }
}

fn draft(session_id: SessionId, text: &DraftText) -> Draft {
    let DraftText { content, updated_at } = text.clone();
    Draft { session_id, content, updated_at }
}

impl Chat {
    /// Schedules a message. The store keeps the message, so any process sends the message exactly once, also after a restart. The chat
    /// checks the sender's rights at the send time: the chat cancels the message if the sender may not send, or has left the session
    /// meanwhile, also after a rejoin, or if a bot scheduled the message with a token that is no longer valid. The message can be late by
    /// [`due_interval`](crate::Limits::due_interval), and by the time without a running process. A message that has to wait, for example in
    /// slow mode, is tried again every 30 seconds or earlier. Until then, the sender's later messages to the session wait, too.
    ///
    /// A retry with the same client id returns the scheduled message of the first call, while the message is scheduled. At the send time, the
    /// chat does not send a message whose client id the sender has already used.
    ///
    /// # Errors
    /// Those of [`send`](Self::send), except the error for the answered message, which the chat checks at the send time.
    /// [`ClientIdReused`](Error::ClientIdReused) when the client id stands for a different message, or for another time, among the caller's
    /// scheduled messages to the session. [`OutOfScope`](Error::OutOfScope) for a caller with a scope; [`Error::Invalid`] for a time in the
    /// past, or later than [`schedule_ahead`](crate::Limits::schedule_ahead); [`LimitExceeded`](Error::LimitExceeded) beyond
    /// [`scheduled_messages`](crate::Limits::scheduled_messages).
    pub async fn schedule_message(
        &self,
        principal: &Principal,
        id: SessionId,
        schedule: ScheduleMessage,
    ) -> Result<ScheduledMessage> {
        use_case!("schedule_message", id, async move {
            // With a scope, the caller could neither see the message in the list nor cancel it.
            self.enter_unscoped(principal, Use::Message).await?;
            let ScheduleMessage { message, send_at } = schedule;
            let message = SendMessage { body: message.body.given(), ..message };
            let (now, send_at) = (self.inner.clock.now(), send_at.trunc_subsecs(6));
            let mut faults = Faults::default();
            faults.message(&message.body, &self.inner.limits);
            faults.reply(message.reply_to, id);
            faults.mentions(&message.mentions);
            faults.future("send_at", send_at, now, self.inner.limits.schedule_ahead);
            faults.finish()?;
            let known = self.allowed(id, principal, Tried::sending(&message.body), Freshness::Fresh).await?;
            let stay = known.actor.as_deref().ok_or(Error::Internal)?.id;
            let saying = Saying::new(message.clone(), Right::Stay(stay))?;
            let SendMessage { body, client_id, reply_to, mentions, mentions_everybody } = message;
            let scheduled_id = ScheduledId(self.inner.clock.new_id());
            let client_id = match client_id {
                Some(client_id) => client_id,
                None => ClientId::new(format!("scheduled:{scheduled_id}")).map_err(|_| Error::Internal)?,
            };
            let reply_to = reply_to.map(|message| message.seq);
            let bot_token = match principal.login_id {
                Some(token) if self.is_bot(&principal.user_id).await? => Some(token),
                Some(_) | None => None,
            };
            let scheduled = Scheduled {
                session: id,
                stay,
                body,
                reply_to,
                mentions,
                mentions_everybody,
                client_id,
                send_at,
                created_at: now,
                bot_token,
            };
            self.keep_scheduled(&principal.user_id, scheduled_id, scheduled, saying.fingerprint()).await
        })
    }

    /// Keeps a scheduled message, or finds the one that the first call of a retry has kept. There is a fingerprint where the sender gave a
    /// client id.
    async fn keep_scheduled(
        &self,
        user: &UserId,
        id: ScheduledId,
        scheduled: Scheduled,
        fingerprint: Option<&str>,
    ) -> Result<ScheduledMessage> {
        let session = scheduled.session;
        let key = ScheduledMessages { user: user.clone(), id };
        let task = DueTask::Send { user: user.clone(), id, not_before: None };
        let due = Dues { at: microseconds(scheduled.send_at), id }.put(Due { task, leased_until: None }).absent();
        // Calls of one user wait for each other, so that a process lets none pass the limit.
        let _gate = self.inner.user_gates.pass(UserHash::of(user)).await;
        for _ in self.turns() {
            let mut writes = vec![key.put(scheduled.clone()).absent(), due.clone()];
            if let Some(fingerprint) = fingerprint {
                let place = client_id_of(user, &scheduled);
                let used = self.inner.store.get(&place).await?;
                if let Some(used) = &used
                    && let Some(first) = self.scheduled_first(user, used, &scheduled, fingerprint).await?
                {
                    return Ok(first);
                }
                let record = place.put(ScheduledPlace { id, fingerprint: fingerprint.to_owned() });
                writes.push(match used {
                    Some(used) => record.at(used.version),
                    None => record.absent(),
                });
            }
            let max = self.inner.limits.scheduled_messages;
            self.room_for(ScheduledMessages::TABLE, user, "the number of scheduled messages", max).await?;
            if self.try_commit(Change::of_records(writes)).await?.is_some() {
                return Ok(shown(id, &scheduled));
            }
        }
        Err(behind(session, "a scheduled message"))
    }

    /// The scheduled message that has the client id of another one; `None` where it is no longer scheduled.
    ///
    /// # Errors
    /// [`ClientIdReused`](Error::ClientIdReused) where the two are not the same message at the same time.
    async fn scheduled_first(
        &self,
        user: &UserId,
        used: &Found<ScheduledPlace>,
        scheduled: &Scheduled,
        fingerprint: &str,
    ) -> Result<Option<ScheduledMessage>> {
        let ScheduledPlace { id, fingerprint: first } = &*used.value;
        let key = ScheduledMessages { user: user.clone(), id: *id };
        let Some(found) = self.inner.store.get(&key).await? else { return Ok(None) };
        let Scheduled { send_at, bot_token, .. } = &*found.value;
        // With another token, the message of the first call might not be sent.
        if first != fingerprint || *send_at != scheduled.send_at || *bot_token != scheduled.bot_token {
            return Err(Error::ClientIdReused);
        }
        Ok(Some(shown(*id, &found.value)))
    }

    /// The caller's scheduled messages, in the order of scheduling.
    ///
    /// # Errors
    /// [`Invalid`](Error::Invalid) for a page outside of the limits.
    pub async fn scheduled_messages(
        &self,
        principal: &Principal,
        page: Page<ScheduledId>,
    ) -> Result<ListPage<ScheduledMessage, ScheduledId>> {
        use_case!("scheduled_messages", async move {
            self.enter_unscoped(principal, Use::Request).await?;
            let (limit, Slice { after, skip, limit: wanted }) = self.inner.limits.slice(page)?;
            let after = after.map(|id: ScheduledId| vec![id.part()]);
            let scan = ScheduledMessages::under(vec![principal.user_id.part()]).after(after).skip(skip).limit(wanted);
            let found = self.inner.store.list::<ScheduledMessages>(scan).await?;
            let page = ListPage::cut(found, limit, |(key, _)| key.id);
            let one = |(key, found): (ScheduledMessages, Found<Scheduled>)| shown(key.id, &found.value);
            Ok(page.map(|found| found.into_iter().map(one).collect()))
        })
    }

    /// Cancels a scheduled message before the chat sends the message.
    ///
    /// # Errors
    /// [`ScheduledMessageNotFound`](Error::ScheduledMessageNotFound) where the caller has no such message, or the message was sent;
    /// [`Unavailable`](Error::Unavailable) while the chat sends the message.
    pub async fn cancel_scheduled_message(&self, principal: &Principal, id: ScheduledId) -> Result<()> {
        use_case!("cancel_scheduled_message", async move {
            self.enter_unscoped(principal, Use::Request).await?;
            let key = ScheduledMessages { user: principal.user_id.clone(), id };
            for _ in self.turns() {
                let Some(found) = self.inner.store.get(&key).await? else {
                    return Err(Error::ScheduledMessageNotFound);
                };
                let due_key = Dues { at: microseconds(found.value.send_at), id };
                let due = self.inner.store.get(&due_key).await?;
                let now = self.inner.clock.now();
                if due.as_ref().and_then(|due| due.value.leased_until).is_some_and(|until| until > now) {
                    return Err(Error::Unavailable);
                }
                let due = match due {
                    Some(due) => due_key.remove().at(due.version),
                    None => due_key.remove().absent(),
                };
                let client_id = client_id_of(&principal.user_id, &found.value).remove();
                let writes = vec![key.remove().at(found.version), due, client_id];
                if self.try_commit(Change::of_records(writes)).await?.is_some() {
                    return Ok(());
                }
            }
            Err(Error::Unavailable)
        })
    }

    /// Saves the caller's draft in a session, in place of an earlier draft. The last call wins.
    ///
    /// # Errors
    /// [`Invalid`](Error::Invalid) for content outside of the limits; [`Denied`](Error::Denied) when the caller may not view the session;
    /// [`LimitExceeded`](Error::LimitExceeded) beyond [`drafts`](crate::Limits::drafts).
    pub async fn set_draft(&self, principal: &Principal, id: SessionId, content: Content) -> Result<Draft> {
        use_case!("set_draft", id, async move {
            self.enter_unscoped(principal, Use::Request).await?;
            let mut faults = Faults::default();
            faults.content(&content, &self.inner.limits);
            faults.finish()?;
            self.allowed(id, principal, Action::View, Freshness::Fresh).await?;
            let _gate = self.inner.user_gates.pass(UserHash::of(&principal.user_id)).await;
            let key = Drafts { user: principal.user_id.clone(), session: id };
            if self.inner.store.get(&key).await?.is_none() {
                let max = self.inner.limits.drafts;
                self.room_for(Drafts::TABLE, &principal.user_id, "the number of drafts", max).await?;
            }
            let text = DraftText { content, updated_at: self.inner.clock.now() };
            self.inner.store.commit(Change::of_records(vec![key.put(text.clone())])).await?;
            Ok(draft(id, &text))
        })
    }

    /// The caller's draft in a session.
    ///
    /// # Errors
    /// [`Denied`](Error::Denied) when the caller may not view the session; [`DraftNotFound`](Error::DraftNotFound).
    pub async fn draft(&self, principal: &Principal, id: SessionId) -> Result<Draft> {
        use_case!("draft", id, async move {
            self.enter_unscoped(principal, Use::Request).await?;
            self.allowed(id, principal, Action::View, Freshness::Fresh).await?;
            let key = Drafts { user: principal.user_id.clone(), session: id };
            let found = self.inner.store.get(&key).await?.ok_or(Error::DraftNotFound)?;
            Ok(draft(id, &found.value))
        })
    }

    /// Deletes the caller's draft in a session. Without a draft, nothing changes, so a retry is safe.
    ///
    /// # Errors
    /// [`Denied`](Error::Denied) when the caller may not view the session.
    pub async fn delete_draft(&self, principal: &Principal, id: SessionId) -> Result<()> {
        use_case!("delete_draft", id, async move {
            self.enter_unscoped(principal, Use::Request).await?;
            self.allowed(id, principal, Action::View, Freshness::Fresh).await?;
            let key = Drafts { user: principal.user_id.clone(), session: id };
            self.inner.store.commit(Change::of_records(vec![key.remove()])).await?;
            Ok(())
        })
    }

    /// The caller's drafts, in the order of the sessions' ids. The list includes drafts in sessions that the caller may no longer view.
    ///
    /// # Errors
    /// [`Invalid`](Error::Invalid) for a page outside of the limits.
    pub async fn drafts(&self, principal: &Principal, page: Page<SessionId>) -> Result<ListPage<Draft, SessionId>> {
        use_case!("drafts", async move {
            self.enter_unscoped(principal, Use::Request).await?;
            let (limit, Slice { after, skip, limit: wanted }) = self.inner.limits.slice(page)?;
            let after = after.map(|id: SessionId| vec![id.part()]);
            let scan = Drafts::under(vec![principal.user_id.part()]).after(after).skip(skip).limit(wanted);
            let found = self.inner.store.list::<Drafts>(scan).await?;
            let page = ListPage::cut(found, limit, |(key, _)| key.session);
            let one = |(key, found): (Drafts, Found<DraftText>)| draft(key.session, &found.value);
            Ok(page.map(|found| found.into_iter().map(one).collect()))
        })
    }

    /// Refuses one record more where a user has `max` of them.
    async fn room_for(&self, table: &'static Table, user: &UserId, what: &'static str, max: u64) -> Result<()> {
        let prefix = Prefix { table, parts: vec![user.part()] };
        let records = self.inner.store.count(&[prefix]).await?.first().copied().unwrap_or_default();
        if records >= max { Err(Error::LimitExceeded { what, limit: max }) } else { Ok(()) }
    }

    /// Forgets the drafts and the scheduled messages of a user whose account is deleted.
    #[cfg(feature = "accounts")]
    pub(crate) async fn erase_waiting(&self, user: &UserId) -> Result<()> {
        const PAGE: u64 = 100;
        loop {
            let prefix = || vec![user.part()];
            let drafts = self.inner.store.list::<Drafts>(Drafts::under(prefix()).limit(PAGE)).await?;
            let scheduled =
                self.inner.store.list::<ScheduledMessages>(ScheduledMessages::under(prefix()).limit(PAGE)).await?;
            let due = |(key, found): &(ScheduledMessages, Found<Scheduled>)| {
                let due = Dues { at: microseconds(found.value.send_at), id: key.id };
                [key.remove(), due.remove(), client_id_of(user, &found.value).remove()]
            };
            let writes: Vec<_> =
                drafts.iter().map(|(key, _)| key.remove()).chain(scheduled.iter().flat_map(due)).collect();
            if writes.is_empty() {
                return Ok(());
            }
            self.inner.store.commit(Change::of_records(writes)).await?;
        }
    }
}
