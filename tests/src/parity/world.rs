//! A server with a look behind it.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use chatcore::{
    Chat, Clock, Limits, Refusal, SystemClock,
    chat::{BlockingPolicy, MessageDraft, Verdict},
    model::{Content, MessageBody},
    store::ChatStore,
};
use chatcore_poem::Options;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::OnceCell;
use uuid::Uuid;

use super::{
    core::Core,
    coverage::{self, Coverage},
    fields,
    graphql::GraphQl,
    rest::{Operations, Rest},
    room::Template,
    stage::Stage,
    transport::Transport,
    websocket::WebSocket,
};
use crate::{Backend, Server, http::http, server::crowded};

/// Never tells the same time twice, so that a time says of which event it is.
#[derive(Debug, Clone, Default)]
pub struct Ticking(Arc<Mutex<DateTime<Utc>>>);

impl Clock for Ticking {
    fn now(&self) -> DateTime<Utc> {
        let mut last = self.0.lock().unwrap();
        *last = SystemClock.now().max(*last + TimeDelta::microseconds(1));
        *last
    }

    fn new_id(&self) -> Uuid {
        SystemClock.new_id()
    }
}

/// A server, its store, and what was used of it.
pub struct World {
    /// The server.
    pub server: Server,
    /// What it keeps everything in.
    pub store: Arc<dyn ChatStore>,
    /// Its clock.
    pub clock: Ticking,
    /// What was used.
    pub coverage: Arc<Coverage>,
    /// Its OpenAPI document.
    pub document: Value,
    operations: Arc<Operations>,
    templates: [OnceCell<Template>; 16],
    _folder: Option<TempDir>,
}

/// The text of messages that wait for approval.
pub const HELD: &str = "hold this";
/// The text of messages that the policy refuses.
pub const REFUSED: &str = "refuse this";

/// The text of messages whose copies wait for approval.
pub const HELD_COPY: &str = "hold this copy";
/// The data of encrypted messages that wait for approval.
pub const HELD_DATA: &str = "aG9sZCB0aGlz";

/// Whether a message that is sent with this input, or a copy of it, waits for approval.
#[must_use]
pub fn may_be_held(input: &Value) -> bool {
    let text = input.to_string();
    text.contains(HELD) || text.contains(HELD_DATA)
}

fn reviewed(draft: &MessageDraft) -> Verdict {
    let MessageBody { content, origin, command, .. } = &draft.body;
    let is_held = match content {
        Content::Text(text) if text == HELD_COPY => origin.is_some(),
        Content::Text(text) => text == HELD || (command.is_some() && text.ends_with(HELD)),
        Content::Encrypted(encrypted) => encrypted.encrypted_data == HELD_DATA,
        Content::Deleted => false,
    };
    if is_held {
        return Verdict::Hold(Some("it says so".to_owned()));
    }
    match content {
        Content::Text(text) if text == REFUSED => Verdict::Refuse(Refusal::new("SAID_SO", "say something else")),
        Content::Text(_) | Content::Encrypted(_) | Content::Deleted => Verdict::Allow,
    }
}

impl World {
    /// Starts one.
    pub async fn start(backend: Backend, coverage: &Arc<Coverage>) -> Self {
        Self::start_with(backend, crowded(), coverage).await
    }

    /// Starts one with these limits.
    pub async fn start_with(backend: Backend, limits: Limits, coverage: &Arc<Coverage>) -> Self {
        let (store, folder) = backend.open().await;
        let clock = Ticking::default();
        let chat = Chat::builder(Arc::clone(&store)).clock(clock.clone()).limits(limits);
        let chat = chat.message_policy(BlockingPolicy::new(reviewed)).build();
        // Who follows a session reads nothing while others act, and somebody reads it on many connections.
        let options = Options { ping_interval: Duration::from_secs(3600), sockets_per_user: 100, ..Options::default() };
        let server = Server::over_with(chat, options).await;
        let document = http().get(format!("http://{}/openapi.json", server.address)).send().await.unwrap();
        let document = document.json().await.unwrap();
        let operations = Arc::new(Operations::of(&document));
        let coverage = Arc::clone(coverage);
        Self { server, store, clock, coverage, document, operations, templates: Default::default(), _folder: folder }
    }

    /// The session of a stage, to be copied.
    pub async fn template(&self, stage: Stage) -> &Template {
        let kept = &self.templates[stage.session_type as usize * 4 + stage.state as usize];
        kept.get_or_init(|| Template::make(&self.server.chat, &*self.store, stage)).await
    }

    /// A driver for each transport, the yardstick first.
    #[must_use]
    pub fn transports(&self) -> Vec<Box<dyn Transport>> {
        let (address, coverage) = (&self.server.address, || Arc::clone(&self.coverage));
        vec![
            Box::new(Core::new(self.server.chat.clone())),
            Box::new(Rest::new(address, Arc::clone(&self.operations), coverage())),
            Box::new(WebSocket::new(address, coverage())),
            Box::new(GraphQl::new(address, coverage())),
        ]
    }

    /// Everything that there is to cover.
    #[must_use]
    pub fn there_is(&self) -> BTreeSet<String> {
        let mut there_is = coverage::operations(&self.document);
        there_is.extend(coverage::frames());
        there_is.extend(fields::there_is());
        there_is
    }
}
