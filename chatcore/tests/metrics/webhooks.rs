//! A recorder hears what came of the deliveries of webhooks.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use chatcore::{
    Chat, Principal, Webhooks,
    chat::{CreateSession, SendMessage},
    model::UserId,
    webhooks::{CreateWebhook, Sent, WebhookOptions, WebhookRequest, WebhookSender},
};

use crate::counted::{Measured, reaches};

/// What the receiver answers, one after the other.
const ANSWERS: [u16; 4] = [204, 500, 200, 410];

struct Receiver(Arc<AtomicUsize>);

#[chatcore::async_trait]
impl WebhookSender for Receiver {
    async fn send(&self, _: WebhookRequest) -> Sent {
        let status = ANSWERS[self.0.fetch_add(1, Ordering::SeqCst)];
        Sent::Answered { status, retry_after: None }
    }
}

fn attempts(result: &str) -> String {
    format!("chatcore_webhook_attempts_total{{result=\"{result}\"}}")
}

#[tokio::test]
async fn each_attempt_is_counted_by_its_result_and_each_event_that_is_given_up() {
    let measured = Measured::new();
    let (chat, alice) = (Chat::in_memory(), Principal::new(UserId::new("alice").unwrap()));
    let id = chat.create_session(&alice, CreateSession::titled("Room")).await.unwrap().summary.session.id;
    let options = WebhookOptions { retry_delays: Vec::new(), ..WebhookOptions::default() };
    let webhooks = measured.make(|| Webhooks::new(chat.clone(), options));
    for series in ["delivered", "failed", "gone"].map(attempts) {
        assert_eq!(measured.value(&series), 0.0, "{series}");
    }
    let (url, events) = ("https://example.com/chat".to_owned(), vec!["message_received".to_owned()]);
    webhooks.create(&alice, id, CreateWebhook { url, events, is_paused: false }).await.unwrap();
    let tried = Arc::new(AtomicUsize::new(0));
    let worker = webhooks.start(Receiver(Arc::clone(&tried)));
    for _ in ANSWERS {
        chat.send(&alice, id, SendMessage::text("Hello")).await.unwrap();
    }
    reaches(&measured, &attempts("gone"), 1.0).await;
    worker.stop().await;
    assert_eq!(measured.value(&attempts("delivered")), 2.0);
    assert_eq!(measured.value(&attempts("failed")), 1.0);
    assert_eq!(measured.value("chatcore_webhook_dead_letters_total"), 1.0);
    assert_eq!(measured.value("chatcore_webhook_lag_seconds_count"), 2.0);
    assert_eq!(tried.load(Ordering::SeqCst), ANSWERS.len());
}
