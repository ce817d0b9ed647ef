//! One webhook in one session: what the worker works on.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use super::{Deliveries, Delivery, ServerDeliveries, Unsent, UnsentMark};
use crate::{
    model::{SessionId, WebhookId},
    store::{Change, Key, Part, TypedKey as _, Write},
};

/// The owner of a webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Owner {
    /// The session whose events it gets.
    Session,
    /// The server: it gets the events of all sessions.
    Server,
}

/// One webhook in one session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Target {
    pub(super) owner: Owner,
    pub(super) webhook: WebhookId,
    pub(super) session: SessionId,
}

impl Target {
    pub(super) fn of_session(webhook: WebhookId, session: SessionId) -> Self {
        Self { owner: Owner::Session, webhook, session }
    }

    pub(super) fn of_server(webhook: WebhookId, session: SessionId) -> Self {
        Self { owner: Owner::Server, webhook, session }
    }

    /// The key of the record that says how far the events were delivered.
    pub(super) fn key(&self) -> Key {
        let Self { owner, webhook, session } = *self;
        match owner {
            Owner::Session => Deliveries { webhook, session }.key(),
            Owner::Server => ServerDeliveries { webhook, session }.key(),
        }
    }

    /// What the keys of the dead letters begin with.
    pub(super) fn parts(&self) -> Vec<Part> {
        self.key().parts
    }

    pub(super) fn put(&self, delivery: Delivery) -> Write {
        let Self { owner, webhook, session } = *self;
        match owner {
            Owner::Session => Deliveries { webhook, session }.put(delivery),
            Owner::Server => ServerDeliveries { webhook, session }.put(delivery),
        }
    }

    pub(super) fn remove(&self) -> Write {
        let Self { owner, webhook, session } = *self;
        match owner {
            Owner::Session => Deliveries { webhook, session }.remove(),
            Owner::Server => ServerDeliveries { webhook, session }.remove(),
        }
    }
}

/// Marks the sessions in which something is committed, while there is a webhook of the server. So a worker finds them after a crash without a
/// look at each session.
#[derive(Debug, Clone, Default)]
pub(crate) struct Marker(Arc<AtomicBool>);

impl Marker {
    pub(crate) fn is_on(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    /// Says whether the store has a webhook of the server. Gives what was said before.
    pub(crate) fn switch(&self, is_on: bool) -> bool {
        self.0.swap(is_on, Ordering::AcqRel)
    }

    /// The change with its mark.
    pub(crate) fn mark(&self, mut change: Change) -> Change {
        if self.is_on()
            && let Some(session) = change.session()
        {
            change.writes.push(Unsent { session }.put(UnsentMark {}));
        }
        change
    }
}
