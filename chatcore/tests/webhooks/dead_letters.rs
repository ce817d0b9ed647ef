//! Events that could not be delivered.

use std::time::Duration;

use chatcore::{
    Error,
    store::{ChatStore as _, Scan, TypedKey as _},
    webhooks::{DeadLetters, Deliveries, Replays, WebhookOptions},
};

use super::{
    World, options,
    receiver::{Receiver, until},
    start,
};

fn few(attempts: usize) -> WebhookOptions {
    WebhookOptions { retry_delays: vec![Duration::from_millis(1); attempts - 1], ..options() }
}

#[tokio::test]
async fn an_event_is_given_up_after_its_last_attempt_and_the_queue_goes_on() {
    let world = World::with(few(3)).await;
    // The event of the creation fails for good.
    let receiver = Receiver::with(&[500, 502, 503, 200]).await;
    let webhook = world.hook(&receiver).await.webhook;
    let worker = start(&world.webhooks);
    let seq = world.say("Hello").await;
    world.drained(webhook.id).await;
    let got = receiver.got();
    assert_eq!(got.iter().map(super::receiver::Got::seq).collect::<Vec<_>>(), [seq - 1, seq - 1, seq - 1, seq]);
    let page = world.webhooks.dead_letters(&world.owner, world.session, webhook.id, None, None).await.unwrap();
    assert_eq!((page.entries.len(), page.next), (1, None));
    let letter = &page.entries[0];
    assert_eq!((letter.seq, letter.attempts, letter.is_requested), (seq - 1, 3, false));
    assert_eq!(letter.failure.status, Some(503));
    assert_eq!(letter.delivery_id, got[0].id);
    assert_eq!(world.shown(webhook.id).await.queue.dead_letters, 1);
    worker.stop().await;
}

#[tokio::test]
async fn a_retry_sends_the_event_once_more_with_its_id() {
    let world = World::with(few(1)).await;
    let receiver = Receiver::with(&[500, 501, 200]).await;
    let created = world.hook(&receiver).await;
    let (id, seq) = (created.webhook.id, created.webhook.queue.delivered_upto.unwrap() + 1);
    let worker = start(&world.webhooks);
    let retry = || world.webhooks.retry_dead_letter(&world.owner, world.session, id, seq);
    receiver.has(1).await;
    world.drained(id).await;
    assert!(retry().await.unwrap().is_requested);
    receiver.has(2).await;
    let letters = || world.webhooks.dead_letters(&world.owner, world.session, id, None, None);
    loop {
        let found = letters().await.unwrap().entries;
        if found[0].failure.status == Some(501) {
            assert_eq!((found[0].attempts, found[0].is_requested), (2, false));
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    // Asking twice asks for one attempt.
    let (first, second) = tokio::join!(retry(), retry());
    assert!(first.is_ok() && (second.is_ok() || second == Err(Error::DeadLetterNotFound)));
    let got = receiver.has(3).await;
    while !letters().await.unwrap().entries.is_empty() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(got.iter().all(|one| one.id == got[0].id && one.is_signed_by(created.secret.as_str())));
    assert_eq!(world.shown(id).await.queue.dead_letters, 0);
    assert_eq!(retry().await.unwrap_err(), Error::DeadLetterNotFound);
    worker.stop().await;
}

#[tokio::test]
async fn dead_letters_are_bounded_and_come_in_pages() {
    let world = World::with(WebhookOptions { dead_letters_max: 3, ..few(1) }).await;
    let receiver = Receiver::with(&[500]).await;
    let webhook = world.hook(&receiver).await.webhook;
    let mut last = 0;
    for number in 0..6 {
        last = world.say(&format!("message {number}")).await;
    }
    let worker = start(&world.webhooks);
    world.drained(webhook.id).await;
    let page = |after, limit| world.webhooks.dead_letters(&world.owner, world.session, webhook.id, after, limit);
    let all = page(None, None).await.unwrap();
    assert_eq!(all.entries.iter().map(|letter| letter.seq).collect::<Vec<_>>(), [last - 2, last - 1, last]);
    assert_eq!(world.shown(webhook.id).await.queue.dead_letters, 3);
    let first = page(None, Some(2)).await.unwrap();
    assert_eq!((first.entries.len(), first.next), (2, Some(last - 1)));
    let second = page(first.next, Some(2)).await.unwrap();
    assert_eq!((second.entries[0].seq, second.next), (last, None));
    assert!(matches!(page(None, Some(0)).await, Err(Error::Invalid(_))));
    assert!(matches!(page(None, Some(101)).await, Err(Error::Invalid(_))));
    worker.stop().await;
}

#[tokio::test]
async fn a_deleted_webhook_leaves_nothing_and_gets_nothing() {
    let store = chatcore::MemoryStore::new();
    let chat = super::kit::uncounted(store.clone());
    let owner = super::kit::user("owner");
    let session = super::kit::session(&chat, &owner, chatcore::model::SessionType::Public).await;
    let world = World { webhooks: chatcore::Webhooks::new(chat.clone(), few(1)), chat, owner, session };
    let receiver = Receiver::with(&[500]).await;
    let webhook = world.hook(&receiver).await.webhook;
    let worker = start(&world.webhooks);
    for number in 0..5 {
        world.say(&format!("message {number}")).await;
    }
    world.drained(webhook.id).await;
    let delete = || world.webhooks.delete(&world.owner, world.session, webhook.id);
    delete().await.unwrap();
    let before = receiver.got().len();
    world.say("nobody hears this").await;
    for table in [Deliveries::TABLE, DeadLetters::TABLE, Replays::TABLE] {
        let scan = Scan { table, ..Deliveries::under(Vec::new()) };
        for _ in 0..1_000 {
            if store.scan(std::slice::from_ref(&scan)).await.unwrap()[0].is_empty() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert!(store.scan(&[scan]).await.unwrap()[0].is_empty(), "{} has records", table.name);
    }
    assert_eq!(receiver.got().len(), before);
    assert_eq!(delete().await.unwrap_err(), Error::WebhookNotFound);
    assert!(world.webhooks.list(&world.owner, world.session).await.unwrap().is_empty());
    until("end", || true).await;
    worker.stop().await;
}
