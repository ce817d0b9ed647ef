//! Everything that a user wrote and that is known about the user, as a stream of lines.

use std::{
    collections::HashSet,
    sync::{Arc, MutexGuard, OnceLock, PoisonError},
    task::{Poll, ready},
    time::Duration,
};

use chrono::TimeDelta;
use futures_util::stream::{BoxStream, StreamExt as _};
use serde_json::{Value, json};
use tokio::sync::{
    OwnedSemaphorePermit,
    mpsc::{self, error::SendTimeoutError},
};

use super::{Accounts, LoginRecord};
use crate::{
    error::{Error, Result},
    identity::Principal,
    limits::Use,
    model::{
        Content, Event, EventKind, MessageBody, MessageEvent, MessageStatus, MessageType, ParticipantRole, Preferences,
        Seq, SessionId, Standing, UserId,
    },
    store::{
        AskedToJoin, Been, Blocks, BotCursors, ChatStoreExt as _, DeliveryMarkers, DraftText, Drafts, FactsQuery,
        Follows, Freshness, IncomingRecord, IncomingWebhooks, JoinRequests, KeyPart as _, LastSeenTimes, LogRange,
        ParticipantRecord, Participants, Prefix, PresenceChoice, PresenceChoices, Profiles, ReadMarkers, ReportRecord,
        Reports, Revisions, Scheduled, ScheduledMessages, SessionPreferences, Sessions, SettingsOfUsers, StoreError,
        StreamedTexts, ThreadMarkers, TypedKey as _, UserSettingsRecord, typed,
    },
    trace::use_case,
};

/// Lines that wait for their reader.
const WAITING: usize = 64;

/// Rows of a log, and entries of a list, that are read at once.
const CHUNK: u64 = 200;

/// Lines of JSON (`application/x-ndjson`), each with its line break.
pub type Export = BoxStream<'static, Result<String>>;

/// Writes the lines.
struct Writer {
    lines: mpsc::Sender<String>,
    /// How long a line waits for the reader.
    wait: Duration,
    messages: u64,
    done: u64,
    sessions: u64,
}

/// A place among the exports that run.
struct Place {
    accounts: Accounts,
    user: UserId,
    _running: OwnedSemaphorePermit,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.accounts.exporting().remove(&self.user);
    }
}

/// Why an export stopped.
enum Stopped {
    /// The reader is gone.
    Gone,
    Failed(Error),
}

impl From<Error> for Stopped {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl From<StoreError> for Stopped {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.into())
    }
}

impl Writer {
    async fn line(&self, line: Value) -> Result<(), Stopped> {
        match self.lines.send_timeout(format!("{line}\n"), self.wait).await {
            Ok(()) => Ok(()),
            Err(SendTimeoutError::Closed(_)) => Err(Stopped::Gone),
            // The place is for somebody who reads.
            Err(SendTimeoutError::Timeout(_)) => Err(Stopped::Failed(Error::Unavailable)),
        }
    }

    async fn progress(&self) -> Result<(), Stopped> {
        let Self { messages, done, sessions, .. } = self;
        self.line(json!({ "type": "progress", "sessions_done": done, "sessions": sessions, "messages": messages }))
            .await
    }
}

impl Accounts {
    /// All messages and data of the caller, one JSON object in each line. The `type` is `account`, `profile`, `presence` (the caller's
    /// choices, and the last-seen time), `settings` (after a change by the caller), `login`, `draft`, `scheduled_message`, `block` (a user
    /// whom the caller has blocked), `join_request` (an open request), `session` (a session that the caller is or was in),
    /// `thread_following` and `thread_marker` (the threads that the caller follows or chose not to follow, and the caller's read
    /// positions), `incoming_webhook` (a webhook that the caller created), `report` (a report that the caller made), `message` (with its
    /// earlier texts), `progress`, and at the end `end`. An export without an `end` is not complete. The stream uses bounded memory, at the
    /// pace of its reader.
    ///
    /// The stream ends with an error, its last item, when the caller's login or token ends, and when its reader reads nothing for
    /// [`export_wait`](super::AccountSettings::export_wait). It also ends when it is older than
    /// [`export_time`](super::AccountSettings::export_time) and another user's export finds no place, so slow readers cannot keep all places.
    /// The other user's next call finds one.
    ///
    /// # Errors
    /// [`Unavailable`](Error::Unavailable) while the maximum number of exports runs, or another export of the caller.
    pub async fn export(&self, principal: &Principal) -> Result<Export> {
        use_case!("accounts.export", async move {
            self.inner.chat.enter_unscoped(principal, Use::Request).await?;
            let place = self.take_place(&principal.user_id)?;
            let (lines, mut reader) = mpsc::channel(WAITING);
            let end = Arc::new(OnceLock::new());
            let (principal, why) = (principal.clone(), Arc::clone(&end));
            tokio::spawn(async move {
                let (accounts, chat) = (&place.accounts, &place.accounts.inner.chat);
                let mut writer =
                    Writer { lines, wait: accounts.inner.settings.export_wait, messages: 0, done: 0, sessions: 0 };
                let clock = chat.clock();
                let expired = async {
                    match principal.expires_at {
                        Some(end) => clock.reaches(end).await,
                        None => std::future::pending().await,
                    }
                };
                let since = clock.now();
                let overstayed = async {
                    // A time that cannot be represented never comes.
                    let time = TimeDelta::from_std(accounts.inner.settings.export_time).ok();
                    match time.and_then(|time| since.checked_add_signed(time)) {
                        Some(time) => clock.reaches(time).await,
                        None => std::future::pending().await,
                    }
                    accounts.inner.export_wanted.notified().await;
                };
                let stopped = tokio::select! {
                    biased;
                    error = chat.login_ended(&principal) => Err(Stopped::Failed(error)),
                    () = expired => Err(Stopped::Failed(Error::TokenExpired)),
                    () = overstayed => Err(Stopped::Failed(Error::Unavailable)),
                    written = accounts.write(&place.user, &mut writer) => written,
                };
                if let Err(Stopped::Failed(error)) = stopped {
                    // Before the sender of the lines is dropped, and the reader woken by that.
                    let _ = why.set(error);
                }
                drop(writer);
            });
            let mut is_over = false;
            Ok(futures_util::stream::poll_fn(move |context| {
                if is_over {
                    return Poll::Ready(None);
                }
                let line = match end.get() {
                    Some(_) => None,
                    None => ready!(reader.poll_recv(context)),
                };
                // The end may have come meanwhile: what waits for its reader is not told any more.
                match end.get().cloned() {
                    Some(error) => {
                        is_over = true;
                        reader.close();
                        Poll::Ready(Some(Err(error)))
                    }
                    None => Poll::Ready(line.map(Ok)),
                }
            })
            .boxed())
        })
    }

    /// The users who have exports that run.
    fn exporting(&self) -> MutexGuard<'_, HashSet<UserId>> {
        self.inner.exporting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for one more export of a user.
    fn take_place(&self, user: &UserId) -> Result<Place> {
        // A user who has an export gets no other one, and so asks nobody to make room.
        if self.exporting().contains(user) {
            return Err(Error::Unavailable);
        }
        let Ok(running) = Arc::clone(&self.inner.exports).try_acquire_owned() else {
            self.inner.export_wanted.notify_waiters();
            return Err(Error::Unavailable);
        };
        if !self.exporting().insert(user.clone()) {
            return Err(Error::Unavailable);
        }
        Ok(Place { accounts: self.clone(), user: user.clone(), _running: running })
    }

    async fn write(&self, user: &UserId, to: &mut Writer) -> Result<(), Stopped> {
        self.note_sessions(user).await?;
        if let Some(found) = self.account(user).await? {
            let account = found.value.account(user.clone());
            to.line(json!({
                "type": "account", "id": user, "username": account.username, "email": account.email,
                "is_verified": account.is_verified, "display_name": account.display_name, "bio": account.bio,
                "avatar_url": account.avatar_url, "public_key": account.public_key, "created_at": account.created_at,
                "updated_at": account.updated_at, "last_login": account.last_login,
            }))
            .await?;
        }
        if let Some(found) = self.store().get(&Profiles { user: user.clone() }).await? {
            let profile = found.value.profile();
            to.line(json!({
                "type": "profile", "id": user, "username": profile.username, "name": profile.name,
                "email": profile.email, "picture": profile.picture, "updated_at": profile.updated_at,
            }))
            .await?;
        }
        let (choice, seen) = (PresenceChoices { user: user.clone() }, LastSeenTimes { user: user.clone() });
        let (choice, seen) = (self.store().get(&choice).await?, self.store().get(&seen).await?);
        if choice.is_some() || seen.is_some() {
            let choice = choice.map(|found| PresenceChoice::clone(&found.value)).unwrap_or_default();
            let (text, text_until) = choice.text.map(|text| (text.text, text.until)).unzip();
            to.line(json!({
                "type": "presence", "availability": choice.availability, "text": text, "text_until": text_until.flatten(),
                "is_hidden": choice.is_hidden, "last_seen": seen.map(|found| found.value.at),
            }))
            .await?;
        }
        if let Some(found) = self.store().get(&SettingsOfUsers { user: user.clone() }).await? {
            let UserSettingsRecord { receipts } = *found.value;
            to.line(json!({ "type": "settings", "receipts": receipts })).await?;
        }
        for (key, found) in self.logins_of(user).await? {
            let LoginRecord { device, address, created_at, last_used_at, expires_at } = &*found.value;
            to.line(json!({
                "type": "login", "id": key.login, "device": device, "address": address, "created_at": created_at,
                "last_used_at": last_used_at, "expires_at": expires_at,
            }))
            .await?;
        }
        self.write_waiting(user, to).await?;
        self.write_threads(user, to).await?;
        self.write_blocks(user, to).await?;
        for (id, bot) in self.inner.chat.bots_for_export(user).await? {
            to.line(json!({ "type": "bot", "id": id, "created_at": bot.created_at })).await?;
        }
        self.write_join_requests(user, to).await?;
        let prefix = Prefix { table: Been::TABLE, parts: vec![user.part()] };
        to.sessions = self.store().count(&[prefix]).await?.first().copied().unwrap_or_default();
        to.progress().await?;
        let mut after: Option<SessionId> = None;
        loop {
            let scan = Been::under(vec![user.part()]).after(after.map(|after| vec![after.part()])).limit(CHUNK);
            let found = self.store().list::<Been>(scan).await?;
            let Some((last, _)) = found.last() else { break };
            after = Some(last.session);
            for (Been { session, .. }, _) in found {
                self.write_session(user, session, to).await?;
                to.done += 1;
                to.progress().await?;
            }
        }
        to.line(json!({ "type": "end", "sessions": to.done, "messages": to.messages })).await?;
        Ok(())
    }

    /// Drafts, and messages that wait for their time.
    async fn write_waiting(&self, user: &UserId, to: &mut Writer) -> Result<(), Stopped> {
        let mut after = None;
        loop {
            let scan = Drafts::under(vec![user.part()]).after(after.take()).limit(CHUNK);
            let found = self.store().list::<Drafts>(scan).await?;
            let Some((last, _)) = found.last() else { break };
            after = Some(vec![last.session.part()]);
            for (key, found) in found {
                let DraftText { content, updated_at } = &*found.value;
                to.line(json!({
                    "type": "draft", "session_id": key.session, "content": content, "updated_at": updated_at,
                }))
                .await?;
            }
        }
        let mut after = None;
        loop {
            let scan = ScheduledMessages::under(vec![user.part()]).after(after.take()).limit(CHUNK);
            let found = self.store().list::<ScheduledMessages>(scan).await?;
            let Some((last, _)) = found.last() else { return Ok(()) };
            after = Some(vec![last.id.part()]);
            for (key, found) in found {
                let Scheduled { session, body, reply_to, client_id, send_at, created_at, .. } = &*found.value;
                to.line(json!({
                    "type": "scheduled_message", "id": key.id, "session_id": session, "role": body.role,
                    "message_type": body.message_type, "content": body.content, "reply_to": reply_to.map(|seq| crate::model::MessageId { session_id: *session, seq }), "client_id": client_id,
                    "send_at": send_at, "created_at": created_at,
                }))
                .await?;
            }
        }
    }

    /// The threads that the user follows or chose not to follow, and how far the user has read threads.
    async fn write_threads(&self, user: &UserId, to: &mut Writer) -> Result<(), Stopped> {
        let mut after = None;
        loop {
            let scan = Follows::under(vec![user.part()]).after(after.take()).limit(CHUNK);
            let found = self.store().list::<Follows>(scan).await?;
            let Some((last, _)) = found.last() else { break };
            after = Some(vec![last.session.part(), last.root.part()]);
            for (Follows { session, root, .. }, found) in found {
                let thread = crate::model::MessageId { session_id: session, seq: root };
                let is_followed = found.value.follows;
                to.line(json!({
                    "type": "thread_following", "session_id": session, "thread_root": thread, "is_followed": is_followed,
                }))
                .await?;
            }
        }
        let mut after = None;
        loop {
            let scan = ThreadMarkers::under(vec![user.part()]).after(after.take()).limit(CHUNK);
            let found = self.store().list::<ThreadMarkers>(scan).await?;
            let Some((last, _)) = found.last() else { return Ok(()) };
            after = Some(vec![last.session.part(), last.root.part()]);
            for (ThreadMarkers { session, root, .. }, found) in found {
                let thread = crate::model::MessageId { session_id: session, seq: root };
                let read_upto = found.value.seq;
                to.line(json!({
                    "type": "thread_marker", "session_id": session, "thread_root": thread, "read_upto": read_upto,
                }))
                .await?;
            }
        }
    }

    /// The users whom the user has blocked.
    async fn write_blocks(&self, user: &UserId, to: &mut Writer) -> Result<(), Stopped> {
        let mut after = None;
        loop {
            let scan = Blocks::under(vec![user.part()]).after(after.take()).limit(CHUNK);
            let found = self.store().list::<Blocks>(scan).await?;
            let Some((last, _)) = found.last() else { return Ok(()) };
            after = Some(vec![last.blocked.part()]);
            for (key, found) in found {
                to.line(json!({ "type": "block", "user_id": key.blocked, "blocked_at": found.value.at })).await?;
            }
        }
    }

    /// The user's open requests to join sessions.
    async fn write_join_requests(&self, user: &UserId, to: &mut Writer) -> Result<(), Stopped> {
        let mut after = None;
        loop {
            let scan = AskedToJoin::under(vec![user.part()]).after(after.take()).limit(CHUNK);
            let found = self.store().list::<AskedToJoin>(scan).await?;
            let Some((last, _)) = found.last() else { return Ok(()) };
            after = Some(vec![last.session.part()]);
            let key = |(key, _): (AskedToJoin, _)| JoinRequests { session: key.session, user: key.user };
            let keys: Vec<JoinRequests> = found.into_iter().map(key).collect();
            let requests = self.store().get_all(&keys).await?;
            for (key, request) in keys.into_iter().zip(requests) {
                let Some(request) = request else { continue };
                to.line(json!({
                    "type": "join_request", "session_id": key.session, "text": request.value.text,
                    "requested_at": request.value.at,
                }))
                .await?;
            }
        }
    }

    async fn write_session(&self, user: &UserId, id: SessionId, to: &mut Writer) -> Result<(), Stopped> {
        let records = [Sessions { session: id }.key(), Participants { session: id, user: user.clone() }.key()];
        let query = FactsQuery { session_id: id, records: &records };
        let Some(facts) = self.store().facts(&[query], Freshness::Fresh).await?.pop() else { return Ok(()) };
        let mut records = facts.records.into_iter();
        let session = typed::<crate::model::Session>(records.next().flatten())?;
        let participant = typed::<ParticipantRecord>(records.next().flatten())?;
        if let Some(participant) = &participant {
            let (role, is_active) = match participant.value.standing {
                Standing::Active(role) => (role, true),
                Standing::Former(role) => (role, false),
                Standing::Stranger | Standing::Banned(_) => (ParticipantRole::Viewer, false),
            };
            let preferences = self.store().get(&SessionPreferences { user: user.clone(), session: id }).await?;
            let preferences = preferences.map(|found| Preferences::from(*found.value)).unwrap_or_default();
            let marker = self.store().get(&ReadMarkers { user: user.clone(), session: id }).await?;
            let delivery = self.store().get(&DeliveryMarkers { user: user.clone(), session: id }).await?;
            let handled = self.store().get(&BotCursors { user: user.clone(), session: id }).await?;
            // A session that the user is no longer in tells nothing of itself.
            let shown = session.as_ref().filter(|session| is_active && session.value.is_active);
            to.line(json!({
                "type": "session", "id": id, "title": shown.map(|session| &session.value.title), "role": role,
                "is_active": is_active, "joined_at": participant.value.joined_at,
                "created_at": participant.value.created_at, "read_upto": marker.map(|marker| marker.value.seq),
                "delivered_upto": delivery.map(|delivery| delivery.value.seq), "preferences": preferences,
                "metadata": participant.value.metadata, "handled_upto": handled.map(|handled| handled.value.seq),
            }))
            .await?;
        }
        for held in self.inner.chat.held_by(user, id).await? {
            to.line(json!({
                "type": "held_message", "session_id": id, "role": held.body.role, "message_type": held.body.message_type,
                "content": held.body.content, "client_id": held.client_id, "held_at": held.held_at,
            }))
            .await?;
        }
        self.write_webhooks(user, id, to).await?;
        self.write_reports(user, id, to).await?;
        let mut from: Seq = 1;
        while from <= facts.head.seq {
            let upto = from.saturating_add(CHUNK - 1).min(facts.head.seq);
            let rows = self.store().log(&[LogRange { session_id: id, from, to: upto }]).await?;
            for row in rows.into_iter().flatten().filter(|row| row.actor == *user) {
                self.write_message(&row, to).await?;
            }
            from = upto + 1;
            if from <= facts.head.seq {
                to.progress().await?;
            }
        }
        Ok(())
    }

    /// The incoming webhooks that the user created.
    async fn write_webhooks(&self, user: &UserId, id: SessionId, to: &mut Writer) -> Result<(), Stopped> {
        let found =
            self.store().list::<IncomingWebhooks>(IncomingWebhooks::under(vec![id.part()]).limit(CHUNK)).await?;
        for (key, found) in found.into_iter().filter(|(_, found)| found.value.by == *user) {
            let IncomingRecord { digest: _, name, avatar_url, by: _, created_at } = &*found.value;
            to.line(json!({
                "type": "incoming_webhook", "id": key.webhook, "session_id": id, "name": name, "avatar_url": avatar_url,
                "created_at": created_at,
            }))
            .await?;
        }
        Ok(())
    }

    /// The reports that the user made. Those of the user are the words of others, who are not to be known.
    async fn write_reports(&self, user: &UserId, id: SessionId, to: &mut Writer) -> Result<(), Stopped> {
        let mut after = None;
        loop {
            let scan = Reports::under(vec![id.part()]).after(after.take()).limit(CHUNK);
            let found = self.store().list::<Reports>(scan).await?;
            let Some((last, _)) = found.last() else { return Ok(()) };
            after = Some(vec![last.report.part()]);
            for (key, found) in found.into_iter().filter(|(_, found)| found.value.reporter == *user) {
                let ReportRecord { subject, message, reason, text, at, .. } = &*found.value;
                let message = message.map(|seq| crate::model::MessageId { session_id: id, seq });
                to.line(json!({
                    "type": "report", "id": key.report.0, "session_id": id, "user_id": subject, "message_id": message,
                    "reason": reason, "text": text, "created_at": at,
                }))
                .await?;
            }
        }
    }

    async fn write_message(&self, row: &Event, to: &mut Writer) -> Result<(), Stopped> {
        let EventKind::Message(MessageEvent::Sent { body, client_id, status }) = &row.kind else { return Ok(()) };
        let MessageBody {
            role,
            message_type,
            content,
            reply,
            mentions,
            links: _,
            attachments,
            metadata,
            origin: _,
            stream,
            command,
        } = body;
        if *message_type == MessageType::System {
            return Ok(());
        }
        let key = StreamedTexts { session: row.session_id, message: row.seq };
        // The row of a message that is being written has no text yet.
        let so_far = if body.is_streaming() { self.store().get(&key).await? } else { None };
        let content = so_far.map_or_else(|| content.clone(), |found| Content::Text(found.value.text.clone()));
        let mut earlier = Vec::new();
        if row.revision > 1 {
            let scan = Revisions::under(vec![row.session_id.part(), row.seq.part()]);
            for (key, found) in self.store().list::<Revisions>(scan).await? {
                let content = &found.value.body.content;
                earlier.push(json!({ "revision": key.revision, "content": content, "since": found.value.since }));
            }
        }
        let (edited_at, deleted_at) = match status {
            MessageStatus::AsSent => (None, None),
            MessageStatus::Edited { at } => (Some(at), None),
            MessageStatus::Deleted { by: _, at } => (None, Some(at)),
        };
        let id = crate::model::MessageId { session_id: row.session_id, seq: row.seq };
        let reply_to = reply.map(|reply| crate::model::MessageId { session_id: row.session_id, seq: reply.to });
        to.messages += 1;
        to.line(json!({
            "type": "message", "id": id, "session_id": row.session_id, "created_at": row.created_at, "role": role,
            "message_type": message_type, "content": content, "client_id": client_id, "revision": row.revision,
            "edited_at": edited_at, "deleted_at": deleted_at, "earlier": earlier, "reply_to": reply_to,
            "mentions": mentions, "attachments": attachments, "metadata": metadata, "stream": stream,
            "command": command,
        }))
        .await?;
        Ok(())
    }
}
