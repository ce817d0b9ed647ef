//! Client ids of sessions.
//!
//! A client id that makes a retried send safe is claimed in the log of its session. A session that is yet to be made has no
//! log. So the id of the session is *reserved* first, in a log of its own that belongs to the user and the client id, and
//! whose one event names the reserved id. The event is inserted at position 1, so of any number of attempts, in any number of
//! processes, one reserves an id and all others read it. The session is then made under the reserved id, at position 1 of its
//! own log, so one attempt makes it and the others find it.
//!
//! The users of a direct session or of a group name a place in the same way.
//!
//! Ids of sessions sort by time, so an id cannot be computed from the client id itself. The log of a reservation has an id
//! that no session can have (UUIDv8), and no records: to all other use cases there is nothing at that id.

use sha2::{Digest as _, Sha256};
use uuid::Builder;

use crate::chat::Chat;
use crate::{
    error::{Error, Result},
    model::{
        ClientId, EventKind, NewEvent, ParticipantId, Session, SessionEvent, SessionId, SessionSettings, SessionType,
        UserId,
    },
    store::{Change, LogRange, StoreError},
};

/// Where the reservation of a user's client id is.
fn place(user: &UserId, client_id: &ClientId) -> SessionId {
    let user = user.as_str();
    // With the length of the first part, no two pairs have one text.
    place_of(&format!("session {} {user} {}", user.len(), client_id.as_str()))
}

/// The place that a text names.
pub(in crate::chat) fn place_of(text: &str) -> SessionId {
    let mut bytes = [0; 16];
    for (to, from) in bytes.iter_mut().zip(Sha256::digest(text)) {
        *to = from;
    }
    SessionId(Builder::from_custom_bytes(bytes).into_uuid())
}

impl Chat {
    /// The id of the session that a client id of a user stands for, whether or not that session was made.
    pub(in crate::chat) async fn reserved(&self, user: &UserId, client_id: &ClientId) -> Result<SessionId> {
        self.reserve(place(user, client_id), user).await
    }

    /// The id that is reserved at a place, which is read first: most of the time it is there.
    pub(in crate::chat) async fn reserved_at(&self, place: SessionId, user: &UserId) -> Result<SessionId> {
        let found = self.inner.store.log(&[LogRange { session_id: place, from: 1, to: 1 }]).await?;
        let is_reserved = found.iter().any(|rows| !rows.is_empty());
        if is_reserved { Ok(self.created(place).await?.id) } else { self.reserve(place, user).await }
    }

    async fn reserve(&self, place: SessionId, user: &UserId) -> Result<SessionId> {
        let now = self.inner.clock.now();
        let id = SessionId(self.inner.clock.new_id());
        // Only its id matters. Texts of the session stand in its own log, where they can be erased.
        let session = Session {
            id,
            title: String::new(),
            description: None,
            session_type: SessionType::Private,
            max_participants: 0,
            participant_count: 0,
            owner: user.clone(),
            is_active: false,
            created_at: now,
            updated_at: now,
            settings: SessionSettings::default(),
            archived_at: None,
            deletion: None,
            needs: 0,
        };
        let kind = EventKind::Session(SessionEvent::Created { session, participant_id: ParticipantId(id.0) });
        let event = NewEvent { actor: user.clone(), created_at: now, kind };
        let change = Change::of(place, 0, vec![event], Vec::new());
        match self.inner.store.commit(change).await {
            Ok(_) => Ok(id),
            Err(StoreError::Stale) => Ok(self.created(place).await?.id),
            Err(error) => Err(error.into()),
        }
    }

    /// The session with which a log begins.
    pub(in crate::chat) async fn created(&self, id: SessionId) -> Result<Session> {
        let found = self.inner.store.log(&[LogRange { session_id: id, from: 1, to: 1 }]).await?;
        match found.into_iter().flatten().next().map(|event| event.kind.clone()) {
            Some(EventKind::Session(SessionEvent::Created { session, .. })) => Ok(session),
            // A newer version made it.
            Some(EventKind::Unknown) => Err(Error::Unavailable),
            Some(_) => Err(StoreError::Corrupt(format!("{id} does not begin with its creation")).into()),
            // The log was there when the commit looked, so the database was replaced since then.
            None => Err(Error::Unavailable),
        }
    }
}
