//! What a stream of all sessions asks of the chat. The feed does it beside its deliveries: an answer that is late, of the store
//! or of the host's policy, holds up no other session.

use std::{cmp::Reverse, collections::HashSet};

use futures_util::{StreamExt as _, future, stream};

use super::{
    inbox::memberships,
    subscribe::{Start, Subscription},
};
use crate::chat::{Chat, decide::scope::sees};
use crate::{
    error::{Error, Result},
    identity::Principal,
    model::SessionId,
    permission::{Action, Denial},
    store::Freshness,
};

/// Sessions that are opened at once.
const OPENED_AT_ONCE: usize = 16;

/// Asks on behalf of one caller.
#[derive(Clone)]
pub(super) struct Finder {
    pub(super) chat: Chat,
    pub(super) principal: Principal,
}

/// Why a session cannot be followed.
pub(super) enum Failure {
    /// The session is not available, and the store is: the host's policy was late or panicked, for example.
    Alone,
    Other(Error),
}

pub(super) type Opened = Result<Box<Subscription>, Failure>;

/// The answer to a question.
pub(super) enum Found {
    Nothing,
    /// The caller is not in this session.
    Gone(SessionId),
    /// There is no room for one more session.
    NoRoom(SessionId),
    /// A session that the caller came into.
    Arrived {
        id: SessionId,
        opened: Opened,
        /// It takes the place of another session.
        is_one_too_many: bool,
    },
    /// The sessions of the caller, and those that have been opened of them.
    Listed {
        all: Vec<SessionId>,
        opened: Vec<(SessionId, Opened)>,
        left_out: u64,
    },
    /// Sessions that were refused: those that may be viewed again, and those that the caller is not in.
    Allowed {
        opened: Vec<(SessionId, Opened)>,
        gone: Vec<SessionId>,
    },
}

const fn is_gone(error: &Error) -> bool {
    matches!(error, Error::Denied(Denial::Hidden | Denial::NotParticipant))
}

impl Failure {
    /// Whether the session may be viewed later, without a step of the caller.
    pub(super) const fn is_refusal(&self) -> bool {
        matches!(self, Self::Alone | Self::Other(Error::Denied(_) | Error::RefusedByHost(_)))
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Other(error)
    }
}

impl Finder {
    async fn opened(&self, id: SessionId, start: Start) -> Opened {
        match self.chat.follow(&self.principal, id, start).await {
            Ok(subscription) => Ok(Box::new(subscription)),
            Err(error) => Err(self.failure(id, error).await),
        }
    }

    async fn failure(&self, id: SessionId, error: Error) -> Failure {
        let is_alone = error == Error::Unavailable
            && self.chat.still_viewable(&self.principal.user_id, std::iter::once(id)).await.is_ok();
        if is_alone { Failure::Alone } else { Failure::Other(error) }
    }

    /// Opens sessions.
    pub(super) async fn open(&self, wanted: Vec<(SessionId, Start)>) -> Vec<(SessionId, Opened)> {
        let open = |(id, start)| async move { (id, self.opened(id, start).await) };
        stream::iter(wanted).map(open).buffered(OPENED_AT_ONCE).collect().await
    }

    /// Opens the most recently active sessions of the caller, as many as there is room for, beside those that are `known`.
    pub(super) async fn list(&self, known: &HashSet<SessionId>, room: usize) -> Result<Found> {
        let mut memberships = memberships(&*self.chat.inner.store, &self.principal.user_id).await?;
        memberships.retain(|(id, _)| sees(&self.principal, *id));
        let all = memberships.iter().map(|(id, _)| *id).collect();
        let mut wanted = memberships;
        wanted.retain(|(id, _)| !known.contains(id));
        wanted.sort_unstable_by_key(|(id, head)| Reverse((head.at, *id)));
        let left_out = wanted.len().saturating_sub(room) as u64;
        wanted.truncate(room);
        let opened = self.open(wanted.into_iter().map(|(id, _)| (id, Start::Now)).collect()).await;
        Ok(Found::Listed { all, opened, left_out })
    }

    /// Opens a session that the caller came into, from the event on that brought them in. `full` names the sessions that are
    /// followed, where they are as many as a stream may have.
    pub(super) async fn arrive(&self, id: SessionId, is_own: bool, full: Option<Vec<SessionId>>) -> Result<Found> {
        if !sees(&self.principal, id) {
            return Ok(Found::Gone(id));
        }
        // The right is looked at first: it costs less than the search for the event.
        match self.chat.allowed(id, &self.principal, Action::View, Freshness::Fresh).await {
            Ok(_) => {}
            // Gone again meanwhile.
            Err(error) if is_gone(&error) => return Ok(Found::Gone(id)),
            Err(error) => {
                let opened = Err(self.failure(id, error).await);
                return Ok(Found::Arrived { id, opened, is_one_too_many: false });
            }
        }
        let is_one_too_many = match full {
            Some(followed) => !self.has_room(followed).await?,
            None => false,
        };
        if is_one_too_many && !is_own {
            return Ok(Found::NoRoom(id));
        }
        let opened = match self.chat.arrival(&self.principal, id).await {
            Ok(Some(seq)) => self.opened(id, Start::from(seq - 1)).await,
            Ok(None) => self.opened(id, Start::Now).await,
            Err(error) => Err(self.failure(id, error).await),
        };
        match opened {
            Err(Failure::Other(error)) if is_gone(&error) => Ok(Found::Gone(id)),
            opened => Ok(Found::Arrived { id, opened, is_one_too_many }),
        }
    }

    /// Whether one more session can be followed, beside as many as a stream may have.
    async fn has_room(&self, followed: Vec<SessionId>) -> Result<bool> {
        let most = followed.len();
        // Sessions that the caller is out of are about to end: their last events take no room.
        let viewed = self.chat.still_viewable(&self.principal.user_id, followed.into_iter()).await?;
        Ok(viewed.iter().filter(|viewed| viewed.is_ok()).count() < most)
    }

    /// Opens sessions that were refused and may be viewed again, as many as there is room for.
    pub(super) async fn look_again(&self, refused: Vec<SessionId>, room: usize) -> Result<Found> {
        let viewed = self.chat.still_viewable(&self.principal.user_id, refused.iter().copied()).await?;
        let (mut wanted, mut gone) = (Vec::new(), Vec::new());
        for (id, viewed) in refused.into_iter().zip(viewed) {
            match viewed {
                Ok(_) => wanted.push(id),
                Err(error) if is_gone(&error) => gone.push(id),
                Err(_) => {}
            }
        }
        let is_allowed = |(_, opened): &(SessionId, Opened)| {
            future::ready(!opened.as_ref().is_err_and(|failure| failure.is_refusal()))
        };
        let open = |id| async move { (id, self.opened(id, Start::Now).await) };
        let asked = stream::iter(wanted).map(open).buffered(OPENED_AT_ONCE.min(room.max(1)));
        let opened = asked.filter(is_allowed).take(room).collect().await;
        Ok(Found::Allowed { opened, gone })
    }
}
