//! Use cases about sessions.

use std::{collections::HashMap, sync::Arc};

use super::{
    Chat,
    decide::{
        govern::{Plan, answer},
        policy::Operation,
        validate::Faults,
    },
    expiring::expiry,
    read::{
        batch::only,
        lists::{put_participant, put_session},
        profiles,
    },
    reading::SessionOrder,
};
use crate::{
    error::{Error, Result},
    identity::Principal,
    limits::Use,
    model::{
        ClientId, Cursor, EventKind, HistoryVisibility, ListPage, Metadata, NewEvent, Page, ParticipantRole,
        Preferences, Profile, ReadState, Session, SessionChanges, SessionDeletion, SessionDetails, SessionEvent,
        SessionId, SessionSettings, SessionSummary, SessionType, Stay, Unread, UnreadMentions, UserId,
    },
    permission::Action,
    store::{Change, Freshness, Head, ParticipantRecord, StoreError},
    trace::use_case,
};

/// Maximum number of tags of a session.
pub const MAX_TAGS: usize = 10;

/// Maximum length of a tag, in characters.
pub const MAX_TAG_CHARS: usize = 32;

/// Maximum length of a reference to a session's picture, in characters.
pub const MAX_AVATAR_URL_CHARS: usize = 2_048;

/// The settings of a new session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateSession {
    /// The title: 1 to [`title_chars`](crate::Limits::title_chars) characters.
    pub title: String,
    /// The description: at most [`description_chars`](crate::Limits::description_chars) characters.
    pub description: Option<String>,
    /// The type.
    pub session_type: SessionType,
    /// The maximum number of participants, including the owner; [`default_participants`](crate::Limits::default_participants) where not
    /// given.
    pub max_participants: Option<u32>,
    /// The part of the history that participants see.
    pub history_visibility: HistoryVisibility,
    /// Custom data of the host or the client: at most [`MAX_METADATA_BYTES`](super::MAX_METADATA_BYTES) bytes with at most
    /// [`MAX_METADATA_DEPTH`](super::MAX_METADATA_DEPTH) levels.
    pub metadata: Option<Metadata>,
    /// Whether the users of the session see each other's receipts.
    pub receipts: bool,
}

impl CreateSession {
    /// A private session with this title and default settings.
    pub fn titled(title: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            description: None,
            session_type: SessionType::Private,
            max_participants: None,
            history_visibility: HistoryVisibility::All,
            metadata: None,
            receipts: true,
        }
    }

    /// Sets the type.
    #[must_use]
    pub fn of_type(mut self, session_type: SessionType) -> Self {
        self.session_type = session_type;
        self
    }
}

/// New settings. A setting with `None` does not change.
pub type UpdateSession = SessionChanges;

/// A page of the public list.
#[derive(Debug, Clone, PartialEq)]
pub struct PublicSessionPage {
    /// The sessions of the page, newest first.
    pub sessions: Vec<SessionSummary>,
    /// The id of the last session, for [`Page::after`]; `None` where no session comes after it.
    pub next: Option<SessionId>,
    /// The total number of sessions. Changes by other processes in the last two seconds may be missing.
    pub total: u64,
}

impl Chat {
    /// Creates a session. The caller becomes the owner and first participant. A retry creates a second session; see
    /// [`create_session_once`](Self::create_session_once).
    ///
    /// # Errors
    /// [`Error::Invalid`] for settings outside of the limits.
    pub async fn create_session(&self, principal: &Principal, new: CreateSession) -> Result<SessionDetails> {
        use_case!("create_session", self.create(principal, new, None))
    }

    /// Creates a session with a client id: the caller's idempotency key, unique among the sessions that the caller creates. A retry with
    /// the same client id and the same settings returns the current state of the first session.
    ///
    /// # Errors
    /// As [`create_session`](Self::create_session); [`ClientIdReused`](Error::ClientIdReused) when the client id stands for
    /// a session that was made with other settings, [`Denied`](Error::Denied) when that session was deleted.
    pub async fn create_session_once(
        &self,
        principal: &Principal,
        client_id: &ClientId,
        new: CreateSession,
    ) -> Result<SessionDetails> {
        use_case!("create_session_once", self.create(principal, new, Some(client_id)))
    }

    async fn create(
        &self,
        principal: &Principal,
        new: CreateSession,
        client_id: Option<&ClientId>,
    ) -> Result<SessionDetails> {
        self.enter(principal, Use::Request).await?;
        let CreateSession {
            title,
            description,
            session_type,
            max_participants,
            history_visibility,
            metadata,
            receipts,
        } = new.clone();
        let limits = &self.inner.limits;
        let cap = max_participants.unwrap_or(limits.default_participants);
        let settings = SessionChanges {
            title: Some(title.clone()),
            description: Some(description.clone()),
            session_type: Some(session_type),
            max_participants: Some(cap),
            history_visibility: Some(history_visibility),
            metadata: Some(metadata.clone()),
            receipts: Some(receipts),
            ..SessionChanges::default()
        };
        let mut faults = Faults::default();
        faults.settings(&settings, limits);
        faults.finish()?;
        self.permit(principal, Operation::CreateSession(&new)).await?;

        let now = self.inner.clock.now();
        let id = match client_id {
            None => SessionId(self.inner.clock.new_id()),
            Some(client_id) => self.reserved(&principal.user_id, client_id).await?,
        };
        let seat = self.seat(None, id, &principal.user_id, ParticipantRole::Owner, now);
        let owner = ParticipantRecord { is_engaged: true, is_creator: true, ..seat };
        let settings = SessionSettings { history_visibility, metadata, receipts, ..SessionSettings::default() };
        let session = Session {
            id,
            title,
            description,
            session_type,
            max_participants: cap,
            participant_count: 1,
            owner: principal.user_id.clone(),
            is_active: true,
            created_at: now,
            updated_at: now,
            needs: settings.needs(),
            settings,
            archived_at: None,
            deletion: None,
        };
        let created = EventKind::Session(SessionEvent::Created { session: session.clone(), participant_id: owner.id });
        let event = NewEvent { actor: principal.user_id.clone(), created_at: now, kind: created };
        let writes = [Vec::from(put_session(session.clone())), put_participant(None, owner.clone())].concat();
        // Before the commit, because an error after it would say that nothing was changed.
        let profile = profiles::public(self.inner.profiles.one(&principal.user_id).await?);
        let mut attempt = 0;
        let committed = loop {
            attempt += 1;
            let admitting = self.admitting(principal, &principal.user_id, id, attempt > 1).await?;
            let change = Change::of(id, 0, vec![event.clone()], [writes.clone(), admitting].concat());
            let committed = self.inner.store.commit(change).await;
            if session.is_joinable() {
                self.inner.listings.changed();
            }
            match committed {
                Err(StoreError::Stale) if client_id.is_some() => {
                    return self.made_before(principal, id, &session).await;
                }
                // The caller's standing has changed.
                Err(StoreError::Conflict { .. }) if attempt < limits.commit_attempts => {}
                committed => break committed?,
            }
        };
        self.tell(id, &committed.events).await;
        let cursor = committed.events.last().map_or(Cursor::from(0), |event| event.cursor());
        let seq = cursor.seq;
        Ok(SessionDetails {
            summary: SessionSummary { session, owner: profile.clone(), message_count: 0, seq, cursor, overview: None },
            reading: ReadState { session_id: id, read_upto: seq, unread: Unread { count: 0, is_exact: true } },
            unread_mentions: UnreadMentions::NONE,
            preferences: Preferences::default(),
            stay: Stay { role: ParticipantRole::Owner, joined_at: owner.joined_at },
            participants: vec![super::participants::shown(&owner, profile, false, now)],
            messages: Vec::new(),
            unseen_messages: 0,
            seq,
        })
    }

    /// The session that a client id stood for before, where it was made with the same settings.
    async fn made_before(&self, principal: &Principal, id: SessionId, asked: &Session) -> Result<SessionDetails> {
        let settings = |session: &Session| {
            let Session { title, description, session_type, max_participants, settings, .. } = session.clone();
            (
                title,
                description,
                session_type,
                max_participants,
                settings.history_visibility,
                settings.metadata,
                settings.receipts,
            )
        };
        let made = self.created(id).await?;
        if settings(&made) != settings(asked) {
            return Err(Error::ClientIdReused);
        }
        self.details(principal, id).await
    }

    /// The sessions of the caller, newest first, without archived sessions, each with its last message and the number of unread messages.
    /// A page reads at most [`MAX_SEARCHED`](super::MAX_SEARCHED) sessions, and may have fewer entries than requested before further pages.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a page outside of the limits, and for a [`skip`](Page::skip) beyond the sessions that a page reads.
    pub async fn sessions(
        &self,
        principal: &Principal,
        page: Page<SessionId>,
    ) -> Result<ListPage<SessionSummary, SessionId>> {
        use_case!("sessions", self.list_sessions(principal, page, SessionOrder::Newest))
    }

    /// The sessions of the caller in an order, like [`sessions`](Self::sessions). By activity, a page after a session begins at the current
    /// place of that session; for a session that is not in the list, the page is the first page.
    ///
    /// # Errors
    /// As [`sessions`](Self::sessions); [`LimitExceeded`](Error::LimitExceeded) for the order by activity when the caller is in more than
    /// [`MAX_SORTED`](super::MAX_SORTED) sessions.
    pub async fn sessions_in(
        &self,
        principal: &Principal,
        page: Page<SessionId>,
        order: SessionOrder,
    ) -> Result<ListPage<SessionSummary, SessionId>> {
        use_case!("sessions_in", self.list_sessions(principal, page, order))
    }

    async fn list_sessions(
        &self,
        principal: &Principal,
        page: Page<SessionId>,
        order: SessionOrder,
    ) -> Result<ListPage<SessionSummary, SessionId>> {
        self.enter(principal, Use::Request).await?;
        let (limit, slice) = self.inner.limits.slice(page)?;
        self.permit(principal, Operation::ListSessions).await?;
        let is_open = |session: &Session| session.is_active && session.archived_at.is_none();
        self.own_sessions(principal, limit, slice, order, is_open).await
    }

    /// The sessions that the caller could join: public sessions with a free seat, without the sessions of the caller, newest first.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a page outside of the limits.
    pub async fn public_sessions(&self, principal: &Principal, page: Page<SessionId>) -> Result<PublicSessionPage> {
        use_case!("public_sessions", async move {
            self.enter(principal, Use::Request).await?;
            let (limit, slice) = self.inner.limits.slice(page)?;
            self.permit(principal, Operation::ListPublicSessions).await?;
            let public = self.joinable(&principal.user_id, slice).await?;
            let ListPage { entries, next } = ListPage::cut(public.sessions, limit, |(session, _)| session.id);
            Ok(PublicSessionPage { sessions: self.summaries(entries).await?, next, total: public.total })
        })
    }

    /// A session with its first participants and newest messages, a page of each.
    ///
    /// # Errors
    /// [`Denied`](Error::Denied) when the caller may not view the session.
    pub async fn session(&self, principal: &Principal, id: SessionId) -> Result<SessionDetails> {
        use_case!("session", id, async move {
            self.enter(principal, Use::Request).await?;
            self.details(principal, id).await
        })
    }

    /// A session, for a use case that has begun.
    pub(super) async fn details(&self, principal: &Principal, id: SessionId) -> Result<SessionDetails> {
        only(self.each_details(principal, &[id]).await?)
    }

    /// Changes the given settings.
    ///
    /// # Errors
    /// [`Error::Invalid`] for settings outside of the limits; [`Denied`](Error::Denied) when the caller may not, when the new maximum is
    /// below the number of participants, or when a session with other participants would become private.
    pub async fn update_session(
        &self,
        principal: &Principal,
        id: SessionId,
        changes: UpdateSession,
    ) -> Result<SessionDetails> {
        use_case!("update_session", id, async move {
            self.enter(principal, Use::Request).await?;
            let mut faults = Faults::default();
            faults.settings(&changes, &self.inner.limits);
            faults.finish()?;
            let action =
                Action::Update { session_type: changes.session_type, max_participants: changes.max_participants };
            if self.must_permit(principal) {
                // The answer shows the session. Once the change is made it is too late to refuse that.
                self.allowed(id, principal, Action::View, Freshness::Fresh).await?;
            }
            let update = self.govern(id, principal, action, |known, now| {
                let mut session = known.session()?.clone();
                let changes = news(&changes, &session);
                if changes.is_empty() {
                    return Ok(Plan { events: Vec::new(), writes: Vec::new() });
                }
                changes.apply(&mut session);
                session.updated_at = now;
                let mut writes = Vec::from(put_session(session));
                if let Some(Some(_)) = changes.message_lifetime {
                    writes.push(expiry(id, now));
                }
                Ok(Plan { events: vec![EventKind::Session(SessionEvent::Updated { changes })], writes })
            });
            let done = update.await?;
            if let Some(done) = &done {
                // No replay of this process shows after the answer what it hides from the reader.
                self.inner.tails.evict(id, &done.events);
            }
            answer(done.as_ref(), self.details(principal, id).await)
        })
    }

    /// Deletes a session. The log stays in the store, and no user sees the session, unless the owner restores the session within
    /// [`restore_sessions_for`](crate::Limits::restore_sessions_for).
    ///
    /// # Errors
    /// [`Denied`](Error::Denied) when the caller may not.
    pub async fn delete_session(&self, principal: &Principal, id: SessionId) -> Result<()> {
        use_case!("delete_session", id, async move {
            self.enter(principal, Use::Request).await?;
            self.govern(id, principal, Action::Delete, |known, now| {
                let deletion = Some(SessionDeletion { by: principal.user_id.clone(), at: now });
                let session = Session { is_active: false, deletion, updated_at: now, ..known.session()?.clone() };
                Ok(Plan {
                    events: vec![EventKind::Session(SessionEvent::Deleted)],
                    writes: put_session(session).into(),
                })
            })
            .await?;
            Ok(())
        })
    }

    pub(super) async fn summaries(&self, found: Vec<(Arc<Session>, Head)>) -> Result<Vec<SessionSummary>> {
        let owners = self.inner.profiles.find(found.iter().map(|(session, _)| &session.owner).collect()).await?;
        let shown = |(session, head): (Arc<Session>, _)| summary(Arc::unwrap_or_clone(session), head, &owners);
        Ok(found.into_iter().map(shown).collect())
    }
}

/// A session as a list shows it.
pub(super) fn summary(session: Session, head: Head, profiles: &HashMap<UserId, Profile>) -> SessionSummary {
    let owner = profiles::public(profiles::of(profiles, &session.owner));
    SessionSummary { session, owner, message_count: head.number, seq: head.seq, cursor: head.cursor(), overview: None }
}

/// The part of the changes that would change something.
fn news(changes: &SessionChanges, session: &Session) -> SessionChanges {
    let SessionChanges {
        title,
        description,
        session_type,
        max_participants,
        slow_mode_seconds,
        message_lifetime,
        history_visibility,
        tags,
        avatar_url,
        metadata,
        receipts,
    } = changes.clone();
    let now = &session.settings;
    SessionChanges {
        title: title.filter(|title| *title != session.title),
        description: description.filter(|description| *description != session.description),
        session_type: session_type.filter(|session_type| *session_type != session.session_type),
        max_participants: max_participants.filter(|cap| *cap != session.max_participants),
        slow_mode_seconds: slow_mode_seconds.filter(|seconds| *seconds != now.slow_mode_seconds),
        message_lifetime: message_lifetime.filter(|lifetime| *lifetime != now.message_lifetime),
        history_visibility: history_visibility.filter(|visibility| *visibility != now.history_visibility),
        tags: tags.filter(|tags| *tags != now.tags),
        avatar_url: avatar_url.filter(|avatar_url| *avatar_url != now.avatar_url),
        metadata: metadata.filter(|metadata| *metadata != now.metadata),
        receipts: receipts.filter(|receipts| *receipts != now.receipts),
    }
}
