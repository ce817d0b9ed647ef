//! What of its session's history a webhook is sent: what its last editor sees.

use std::time::Duration;

use chatcore::{
    Principal,
    chat::{AddParticipant, UpdateSession},
    model::{HistoryVisibility, ParticipantRole},
    webhooks::{CreateWebhook, UpdateWebhook, WebhookOptions},
};

use super::{
    World,
    kit::{in_time, user},
    options,
    receiver::{Got, Receiver},
    start, to,
};

impl World {
    /// A session that shows nobody what was said before they came.
    async fn since_joining(options: WebhookOptions) -> Self {
        let world = Self::with(options).await;
        let settings =
            UpdateSession { history_visibility: Some(HistoryVisibility::SinceJoining), ..UpdateSession::default() };
        world.chat.update_session(&world.owner, world.session, settings).await.unwrap();
        world
    }

    /// Another user who manages the session from now on, and the position of the first event that the user sees.
    async fn carol(&self) -> (Principal, u64) {
        let carol = user("carol");
        self.chat.me(&carol).await.unwrap();
        let add = AddParticipant { user_id: carol.user_id.clone(), role: Some(ParticipantRole::Admin) };
        let admitted = self.chat.add_participant(&self.owner, self.session, add).await.unwrap().cursor.seq;
        (carol, admitted)
    }
}

fn assert_since(got: &[Got], admitted: u64) {
    assert!(!got.is_empty() && got.iter().all(|one| one.seq() >= admitted), "{admitted}: {got:?}");
    assert!(got.iter().all(|one| !String::from_utf8_lossy(&one.body).contains("before carol")));
}

#[tokio::test]
async fn a_webhook_has_the_history_of_the_user_who_activates_it() {
    let world = World::since_joining(options()).await;
    let receiver = Receiver::with(&[200]).await;
    let paused = CreateWebhook { is_paused: true, ..to(receiver.url()) };
    let id = world.webhooks.create(&world.owner, world.session, paused).await.unwrap().webhook.id;
    world.say("before carol").await;
    let (carol, admitted) = world.carol().await;
    let active = UpdateWebhook { is_active: Some(true), ..UpdateWebhook::default() };
    world.webhooks.update(&carol, world.session, id, active).await.unwrap();
    let worker = start(&world.webhooks);
    world.drained(id).await;
    worker.stop().await;
    assert_since(&receiver.got(), admitted);
}

#[tokio::test]
async fn a_dead_letter_from_before_the_history_of_a_new_editor_is_not_sent_to_the_new_address() {
    let world = World::since_joining(WebhookOptions { retry_delays: Vec::new(), ..options() }).await;
    let (failing, receiver) = (Receiver::with(&[500]).await, Receiver::with(&[200]).await);
    let id = world.hook(&failing).await.webhook.id;
    let worker = start(&world.webhooks);
    let old = world.say("before carol").await;
    world.drained(id).await;
    let (carol, admitted) = world.carol().await;
    let moved = UpdateWebhook { url: Some(receiver.url()), ..UpdateWebhook::default() };
    world.webhooks.update(&carol, world.session, id, moved).await.unwrap();
    world.webhooks.retry_dead_letter(&world.owner, world.session, id, old).await.unwrap();
    let is_left = async || {
        let letters = world.webhooks.dead_letters(&world.owner, world.session, id, None, None).await.unwrap();
        letters.iter().any(|letter| letter.seq == old)
    };
    in_time(async {
        while is_left().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    world.drained(id).await;
    worker.stop().await;
    assert_since(&receiver.got(), admitted);
}
