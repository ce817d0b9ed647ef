//! What webhooks of the server may not do: outlast the role of their administrator, and take all attempts of a process.

use chatcore::Administration;

use super::*;
use crate::{
    hooked::Hooked,
    receiver::until,
    senders::{Attempts, DELIVERED, Told},
};

const URL: &str = "https://example.com/hook";

#[tokio::test]
async fn a_change_whose_administrator_loses_the_role_before_the_commit_is_not_made() {
    let store = Hooked::default();
    let (webhooks, there) =
        (Webhooks::new(uncounted(store.clone()), options()), Administration::new(uncounted(store.intact())));
    let (ann, origin) = (user("ann"), AuditOrigin::default());
    there.chat().me(&ann).await.unwrap();
    let webhook = webhooks.create_for_server(&root(), &origin, to(URL)).await.unwrap().webhook;
    *store.commits_of.lock().unwrap() = Some(chatcore::webhooks::ServerWebhooks::TABLE.name);
    for deed in ["create", "update", "rotate", "delete"] {
        there.set_role(&root(), &origin, &ann.user_id, SystemRole::Admin, None).await.unwrap();
        let (there, user) = (there.clone(), ann.user_id.clone());
        store.before_commit.once(async move {
            there.set_role(&root(), &AuditOrigin::default(), &user, SystemRole::User, None).await.unwrap();
        });
        let paused = UpdateWebhook { is_active: Some(false), ..UpdateWebhook::default() };
        let made = match deed {
            "create" => webhooks.create_for_server(&ann, &origin, to(URL)).await.map(drop),
            "update" => webhooks.update_for_server(&ann, &origin, webhook.id, paused).await.map(drop),
            "rotate" => webhooks.rotate_server_secret(&ann, &origin, webhook.id).await.map(drop),
            _ => webhooks.delete_for_server(&ann, &origin, webhook.id).await,
        };
        assert_eq!(made, Err(Error::AdminRequired), "{deed}");
        assert!(store.before_commit.is_done(), "{deed}");
        assert_eq!(webhooks.list_for_server(&root()).await.unwrap(), std::slice::from_ref(&webhook), "{deed}");
    }
}

#[tokio::test]
async fn a_webhook_of_the_server_whose_receiver_hangs_leaves_attempts_to_webhooks_of_sessions() {
    const OTHER: &str = "https://example.com/other";
    let hour = Duration::from_secs(3_600);
    let world = World::with(WebhookOptions { concurrency: 2, server_concurrency: 1, timeout: hour, ..options() }).await;
    world.created(to(URL)).await;
    let third = session(&world.chat, &world.owner, SessionType::Public).await;
    world.webhooks.create(&world.owner, third, to(OTHER)).await.unwrap();
    for place in 0..2 {
        world.say(place, "waits").await;
    }
    let attempts = Attempts::default();
    let answer = |url: String, _: usize| async move {
        if url == URL {
            std::future::pending::<()>().await;
        }
        DELIVERED
    };
    let worker = world.webhooks.start(Told { attempts: attempts.clone(), answer });
    until("attempt that hangs", || !attempts.seqs(URL).is_empty()).await;
    for _ in 0..5 {
        let seq = say(&world.chat, &world.owner, third, "news").await.seq;
        until("delivery beside it", || attempts.seqs(OTHER).contains(&seq)).await;
    }
    assert_eq!(attempts.seqs(URL).len(), 1);
    drop(worker);
}

#[tokio::test]
async fn webhooks_of_sessions_whose_receivers_hang_leave_attempts_to_a_webhook_of_the_server() {
    const OTHER: &str = "https://example.com/other";
    let hour = Duration::from_secs(3_600);
    let world = World::with(WebhookOptions { concurrency: 2, server_concurrency: 1, timeout: hour, ..options() }).await;
    for session in world.sessions {
        world.webhooks.create(&world.owner, session, to(OTHER)).await.unwrap();
    }
    let attempts = Attempts::default();
    let answer = |url: String, _: usize| async move {
        if url == OTHER {
            std::future::pending::<()>().await;
        }
        DELIVERED
    };
    let worker = world.webhooks.start(Told { attempts: attempts.clone(), answer });
    until("attempt that hangs", || !attempts.seqs(OTHER).is_empty()).await;
    world.created(to(URL)).await;
    let seq = world.say(0, "news").await;
    until("delivery beside it", || attempts.seqs(URL).contains(&seq)).await;
    assert_eq!(attempts.seqs(OTHER).len(), 1);
    drop(worker);
}
