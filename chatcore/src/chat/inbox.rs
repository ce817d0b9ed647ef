//! Waking the streams of all of a user's sessions when the user came into one.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use tokio::sync::watch;

use crate::{
    error::{Error, Result},
    model::{Event, EventKind, UserId},
};

type Bells = Arc<Mutex<HashMap<UserId, Weak<watch::Sender<()>>>>>;

/// The users of this process who have such a stream.
#[derive(Default)]
pub(super) struct Inboxes(Bells);

/// Told when its user may be in one more session.
pub(super) struct Inbox {
    user: UserId,
    bells: Bells,
    /// Shared by all of the user's streams; held for its end.
    bell: Option<Arc<watch::Sender<()>>>,
    news: watch::Receiver<()>,
}

impl Inboxes {
    /// One more for the user, of which there are only so many.
    pub(super) fn open(&self, user: &UserId, limit: usize) -> Result<Inbox> {
        let mut bells = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let bell = bells.get(user).and_then(Weak::upgrade).unwrap_or_else(|| {
            let bell = Arc::new(watch::Sender::new(()));
            bells.insert(user.clone(), Arc::downgrade(&bell));
            bell
        });
        // One for each that is open, and this one.
        if Arc::strong_count(&bell) > limit {
            return Err(Error::LimitExceeded { what: "the number of streams of all sessions", limit: limit as u64 });
        }
        Ok(Inbox { user: user.clone(), bells: Arc::clone(&self.0), news: bell.subscribe(), bell: Some(bell) })
    }

    /// Tells those whom the events brought into a session.
    pub(super) fn ring(&self, events: &[Arc<Event>]) {
        let came: Vec<&UserId> = events.iter().filter_map(|event| came(event)).collect();
        if came.is_empty() {
            return;
        }
        let bells = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for bell in came.into_iter().filter_map(|user| bells.get(user)?.upgrade()) {
            bell.send_replace(());
        }
    }
}

impl Inbox {
    /// Done when the user may be in one more session.
    pub(super) async fn news(&mut self) {
        // Its sender is held by this very inbox.
        let _ = self.news.changed().await;
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        let mut bells = self.bells.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.bell.take());
        if bells.get(&self.user).is_some_and(|bell| bell.strong_count() == 0) {
            bells.remove(&self.user);
        }
    }
}

/// Whom an event brought in.
fn came(event: &Event) -> Option<&UserId> {
    match &event.kind {
        EventKind::SessionCreated { .. } | EventKind::ParticipantJoined { .. } => Some(&event.actor),
        EventKind::ParticipantAdded { user_id, .. } => Some(user_id),
        EventKind::SessionUpdated { .. }
        | EventKind::SessionDeleted
        | EventKind::ParticipantLeft
        | EventKind::ParticipantRemoved { .. }
        | EventKind::ParticipantRoleChanged { .. }
        | EventKind::MessageSent { .. } => None,
    }
}
