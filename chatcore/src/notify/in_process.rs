//! The notifier of a chat that lives in one process.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use futures_util::{StreamExt, stream, stream::BoxStream};
use tokio::sync::broadcast;

use super::{Hint, Notifier, Topic};

/// Hints that wait for a listener of a topic; one who is further behind misses some and reads the log instead.
///
/// A channel has room for all of them from the start, some 80 bytes for each. A user has one, and hears seldom of anything; so what
/// a user who is connected costs depends on this number.
const fn waiting(topic: &Topic) -> usize {
    match topic {
        Topic::Session(_) | Topic::Standings | Topic::Everybody | Topic::Presence => 256,
        Topic::User(_) => 8,
    }
}

/// Carries hints within this process. Clones share their listeners.
#[derive(Debug, Clone, Default)]
pub struct InProcessNotifier {
    listeners: Arc<Mutex<HashMap<Topic, broadcast::Sender<Hint>>>>,
}

impl InProcessNotifier {
    /// A notifier without listeners.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn listeners(&self) -> MutexGuard<'_, HashMap<Topic, broadcast::Sender<Hint>>> {
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes the topic's channel away when its last listener goes.
struct Listening {
    notifier: InProcessNotifier,
    topic: Topic,
    hints: Option<broadcast::Receiver<Hint>>,
}

impl Drop for Listening {
    fn drop(&mut self) {
        let mut listeners = self.notifier.listeners();
        self.hints = None;
        if listeners.get(&self.topic).is_some_and(|sender| sender.receiver_count() == 0) {
            listeners.remove(&self.topic);
        }
    }
}

#[async_trait]
impl Notifier for InProcessNotifier {
    async fn publish(&self, hint: Hint) {
        let sender = self.listeners().get(&hint.topic()).cloned();
        if let Some(sender) = sender {
            // An error means that the last listener has just gone.
            let _ = sender.send(hint);
        }
    }

    async fn listen(&self, topic: Topic) -> BoxStream<'static, Hint> {
        let hints = {
            let mut listeners = self.listeners();
            let room = waiting(&topic);
            listeners.entry(topic.clone()).or_insert_with(|| broadcast::channel(room).0).subscribe()
        };
        let listening = Listening { notifier: self.clone(), topic, hints: Some(hints) };
        stream::unfold(listening, |mut listening| async move {
            let hints = listening.hints.as_mut()?;
            loop {
                match hints.recv().await {
                    Ok(hint) => return Some((hint, listening)),
                    Err(broadcast::error::RecvError::Lagged(_)) => {}
                    Err(broadcast::error::RecvError::Closed) => return None,
                }
            }
        })
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{SessionId, Signal, UserId};

    #[tokio::test]
    async fn listeners_hear_their_topic_and_leave_nothing_behind() {
        let notifier = InProcessNotifier::new();
        let (here, there) = (SessionId(uuid::Uuid::from_u128(1)), SessionId(uuid::Uuid::from_u128(2)));
        let hint = |session_id| {
            let user_id = UserId::new("u").unwrap();
            Hint::Signal(Signal::Typing { session_id, user_id, is_typing: true, until: None })
        };
        let mut hints = notifier.listen(here.into()).await;
        notifier.publish(hint(there)).await;
        notifier.publish(hint(here)).await;
        assert_eq!(hints.next().await, Some(hint(here)));
        drop(hints);
        assert!(notifier.listeners().is_empty());
    }

    #[tokio::test]
    async fn a_listener_that_is_behind_hears_the_latest_hints() {
        let notifier = InProcessNotifier::new();
        let user = UserId::new("u").unwrap();
        let hint =
            |n| Hint::Arrived { user_id: user.clone(), session_id: SessionId(uuid::Uuid::from_u128(n)), is_own: false };
        let mut hints = notifier.listen(Topic::User(user.clone())).await;
        for n in 0..100 {
            notifier.publish(hint(n)).await;
        }
        for n in 92..100 {
            assert_eq!(hints.next().await, Some(hint(n)));
        }
    }
}
