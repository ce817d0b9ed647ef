//! What administrators change while an attempt is under way.

use chatcore::webhooks::Sent;

use super::*;
use crate::{
    receiver::until,
    senders::{Attempts, DELIVERED, Told},
};

const OLD: &str = "https://example.com/old";
const NEW: &str = "https://example.com/new";

const GONE: Sent = Sent::Answered { status: 410, retry_after: None };
const FAILED: Sent = Sent::Answered { status: 500, retry_after: None };

#[tokio::test]
async fn a_webhook_that_is_deleted_during_an_attempt_leaves_nothing_although_the_receiver_answers_410() {
    let world = World::new().await;
    let id = world.created(to(OLD)).await.webhook.id;
    let (webhooks, attempts) = (world.webhooks.clone(), Attempts::default());
    let answer = move |_: String, before: usize| {
        let webhooks = webhooks.clone();
        async move {
            if before == 0 {
                webhooks.delete_for_server(&root(), &AuditOrigin::default(), id).await.unwrap();
            }
            GONE
        }
    };
    let worker = world.webhooks.start(Told { attempts: attempts.clone(), answer });
    let seq = world.say(0, "Hello").await;
    empty::<Endpoints>(&world.store).await;
    worker.stop().await;
    assert_eq!(attempts.seqs(OLD), [seq]);
    assert_eq!(world.count::<ServerDeliveries>().await, 0);
}

#[tokio::test]
async fn a_failure_at_an_address_that_is_replaced_during_the_attempt_does_not_stop_the_webhook() {
    for failure in [GONE, FAILED] {
        let delays = vec![Duration::from_secs(3_600); 20];
        let world = World::with(WebhookOptions { retry_delays: delays, ..options() }).await;
        let id = world.created(to(OLD)).await.webhook.id;
        let (webhooks, attempts) = (world.webhooks.clone(), Attempts::default());
        let answer = move |url: String, _: usize| {
            let webhooks = webhooks.clone();
            async move {
                if url == NEW {
                    return DELIVERED;
                }
                let (url, is_active) = (Some(NEW.to_owned()), Some(true));
                let changes = UpdateWebhook { url, is_active, ..UpdateWebhook::default() };
                webhooks.update_for_server(&root(), &AuditOrigin::default(), id, changes).await.unwrap();
                failure
            }
        };
        let worker = world.webhooks.start(Told { attempts: attempts.clone(), answer });
        let seq = world.say(0, "to the old address").await;
        world.rests(id, 0, |delivery| delivery.last_failure.is_some()).await;
        let next = world.say(1, "to the new address").await;
        until("delivery to the new address", || attempts.seqs(NEW).contains(&next)).await;
        assert_eq!((attempts.seqs(OLD), world.shown(id).await.state), (vec![seq], WebhookState::Active), "{failure:?}");
        worker.stop().await;
    }
}
