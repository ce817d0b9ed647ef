//! A test of what [`Notifier`] promises to the readers of the same process. It panics where a notifier breaks a promise.
//!
//! Its parts need no other process. Whether hints reach other processes is for the notifier's own tests.

#![allow(clippy::panic, clippy::expect_used, reason = "a test reports by panicking")]

use std::{sync::Arc, time::Duration};

use chrono::Utc;
use futures_util::{StreamExt, stream::BoxStream};
use uuid::Uuid;

use super::{Hint, Notifier};
use crate::model::{
    Content, Event, EventKind, MessageBody, MessageEvent, MessageStatus, MessageType, Seq, SessionId, Signal,
    SpeakerRole, UserId,
};

/// Gives up on what would otherwise hang for ever. Says nothing about how fast a notifier is.
const PATIENCE: Duration = Duration::from_secs(30);

fn message(session_id: SessionId, seq: Seq) -> Hint {
    let content = Content::Text("hello".to_owned());
    let body = MessageBody { role: SpeakerRole::User, message_type: MessageType::Text, content };
    let kind = EventKind::Message(MessageEvent::Sent { body, client_id: None, status: MessageStatus::AsSent });
    let (governs, revision, revised) = (false, 1, 0);
    let (created_at, actor) = (Utc::now(), somebody());
    let event = Event { session_id, seq, number: seq, created_at, actor, kind, governs, revision, revised };
    Hint::Committed { session_id, head: seq, events: vec![Arc::new(event)] }
}

fn somebody() -> UserId {
    UserId::new("somebody").expect("a user id")
}

fn typing(session_id: SessionId, is_typing: bool) -> Hint {
    Hint::Signal(Signal::Typing { session_id, user_id: somebody(), is_typing })
}

/// What is the same in a hint when a notifier leaves its events out.
fn essence(hint: Hint) -> Hint {
    match hint {
        Hint::Committed { session_id, head, events: _ } => Hint::Committed { session_id, head, events: Vec::new() },
        Hint::Signal(signal) => Hint::Signal(signal),
    }
}

async fn heard(stream: &mut BoxStream<'static, Hint>, what: &str) -> Hint {
    match tokio::time::timeout(PATIENCE, stream.next()).await {
        Ok(Some(hint)) => essence(hint),
        Ok(None) => panic!("the stream ended before {what} came back"),
        Err(_) => panic!("{what} did not come back to the process that published it"),
    }
}

/// Checks that what a notifier publishes comes back to each of its own streams of that session, once, and to no stream
/// of another session.
///
/// # Panics
/// Where it does not.
pub async fn published_hints_come_back_once(notifier: &impl Notifier) {
    let [here, there] = [Uuid::now_v7(), Uuid::now_v7()].map(SessionId);
    let mut streams = vec![notifier.listen(here).await, notifier.listen(here).await];
    let mut elsewhere = notifier.listen(there).await;
    let hints = [typing(here, true), message(here, 1), typing(here, false), message(here, 2), typing(here, true)];
    for hint in &hints {
        notifier.publish(hint.clone()).await;
    }
    notifier.publish(typing(there, false)).await;
    for stream in &mut streams {
        // A hint that comes twice stands in place of the next one.
        for hint in &hints {
            assert_eq!(heard(stream, &format!("{hint:?}")).await, essence(hint.clone()), "in order, and once");
        }
    }
    assert_eq!(heard(&mut elsewhere, "the hint of the other session").await, typing(there, false));
    // Also the last hint comes once: what comes after it is what is published after it.
    notifier.publish(typing(here, false)).await;
    for stream in &mut streams {
        assert_eq!(heard(stream, "the last hint").await, typing(here, false), "once");
    }
}
