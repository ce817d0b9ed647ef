//! Webhooks, by example, with receivers on this machine.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail by panicking"
)]

mod addresses;
#[cfg(feature = "admin")]
mod away;
mod dead_letters;
mod deliveries;
mod endpoints;
mod failures;
mod forms;
mod histories;
#[cfg(feature = "admin")]
#[allow(dead_code, reason = "shared with other tests")]
#[path = "../kit/hooked.rs"]
mod hooked;
#[path = "../kit/mod.rs"]
mod kit;
mod processes;
mod receiver;
mod senders;
#[cfg(feature = "admin")]
mod server;

use std::time::Duration;

use chatcore::{
    Chat, MemoryStore, Principal, Webhooks,
    model::{SessionId, SessionType, WebhookId},
    webhooks::{CreateWebhook, CreatedWebhook, HttpSender, Webhook, WebhookOptions, WebhookWorker},
};
use kit::{session, uncounted, user};
use receiver::Receiver;

/// Options for receivers on this machine, which try again at once.
fn options() -> WebhookOptions {
    WebhookOptions {
        allow_http: true,
        allowed_networks: vec!["127.0.0.0/8".parse().unwrap()],
        timeout: Duration::from_millis(500),
        retry_delays: vec![Duration::from_millis(1); 20],
        sweep_interval: Duration::from_millis(100),
        ..WebhookOptions::default()
    }
}

fn start(webhooks: &Webhooks) -> WebhookWorker {
    webhooks.start(HttpSender::new(webhooks.options()).unwrap())
}

fn to(url: impl Into<String>) -> CreateWebhook {
    CreateWebhook { url: url.into(), ..CreateWebhook::default() }
}

/// A session of the owner's, in a chat with webhooks.
struct World {
    chat: Chat,
    webhooks: Webhooks,
    owner: Principal,
    session: SessionId,
}

impl World {
    async fn new() -> Self {
        Self::with(options()).await
    }

    async fn with(options: WebhookOptions) -> Self {
        let chat = uncounted(MemoryStore::new());
        let owner = user("owner");
        let session = session(&chat, &owner, SessionType::Public).await;
        Self { webhooks: Webhooks::new(chat.clone(), options), chat, owner, session }
    }

    async fn hook(&self, receiver: &Receiver) -> CreatedWebhook {
        self.webhooks.create(&self.owner, self.session, to(receiver.url())).await.unwrap()
    }

    async fn say(&self, text: &str) -> u64 {
        kit::say(&self.chat, &self.owner, self.session, text).await.seq
    }

    async fn shown(&self, id: WebhookId) -> Webhook {
        self.webhooks.get(&self.owner, self.session, id).await.unwrap()
    }

    /// Waits until nothing is left to be delivered.
    async fn drained(&self, id: WebhookId) {
        for _ in 0..6_000 {
            if self.shown(id).await.queue.lag == 0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("events are left after a minute: {:?}", self.shown(id).await);
    }
}
