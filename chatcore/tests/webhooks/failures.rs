//! Receivers that fail.

use std::time::{Duration, Instant};

use chatcore::webhooks::{FailureReason, UpdateWebhook, WebhookOptions, WebhookState};

use super::{World, options, receiver::Receiver, start, to};

#[tokio::test]
async fn a_receiver_that_hangs_holds_no_other_one_up() {
    let world = World::with(WebhookOptions { timeout: Duration::from_secs(20), ..options() }).await;
    let (slow, fast) = (Receiver::with(&[0]).await, Receiver::with(&[200]).await);
    let hanging = world.hook(&slow).await.webhook;
    let webhook = world.hook(&fast).await.webhook;
    let worker = start(&world.webhooks);
    slow.has(1).await;
    let begin = Instant::now();
    for number in 0..100 {
        world.say(&format!("message {number}")).await;
    }
    world.drained(webhook.id).await;
    assert!(begin.elapsed() < Duration::from_secs(15), "it waits for the other one: {:?}", begin.elapsed());
    assert!(fast.accepted().len() > 100);
    assert_eq!(slow.got().len(), 1);
    assert!(world.shown(hanging.id).await.queue.lag > 100);
    drop(worker);
}

#[tokio::test]
async fn no_answer_in_time_is_a_failure_and_the_event_is_sent_again() {
    let world = World::new().await;
    let receiver = Receiver::with(&[0, 200]).await;
    let webhook = world.hook(&receiver).await.webhook;
    let worker = start(&world.webhooks);
    let got = receiver.has(2).await;
    assert_eq!(got[0].id, got[1].id);
    assert!(got[1].at - got[0].at >= Duration::from_millis(400));
    world.drained(webhook.id).await;
    let queue = world.shown(webhook.id).await.queue;
    assert_eq!(queue.last_failure.unwrap().reason, FailureReason::Timeout);
    assert!(queue.last_delivery_at.is_some());
    worker.stop().await;
}

#[tokio::test]
async fn a_receiver_that_is_away_is_seen_in_the_queue() {
    let world = World::with(WebhookOptions { retry_delays: vec![Duration::from_secs(60)], ..options() }).await;
    let receiver = Receiver::with(&[200]).await;
    let url = receiver.url();
    drop(receiver);
    let webhook = world.webhooks.create(&world.owner, world.session, to(url)).await.unwrap().webhook;
    let worker = start(&world.webhooks);
    let mut queue = webhook.queue;
    while queue.last_failure.is_none() {
        tokio::time::sleep(Duration::from_millis(10)).await;
        queue = world.shown(webhook.id).await.queue;
    }
    let failure = queue.last_failure.unwrap();
    assert_eq!((failure.reason, failure.status), (FailureReason::ConnectionFailed, None));
    assert_eq!((queue.attempts, queue.lag), (1, 1));
    // A fifth more or less than a minute.
    let pause = queue.next_attempt_at.unwrap() - failure.at;
    assert!((47..=73).contains(&pause.num_seconds()), "{pause}");
    worker.stop().await;
}

#[tokio::test]
async fn a_receiver_gets_the_pause_that_it_asks_for_within_bounds() {
    let asked = |answer: &'static str, max| async move {
        let options = WebhookOptions { retry_after_max: max, ..options() };
        let world = World::with(options).await;
        let mut is_first = true;
        let receiver = Receiver::answering(move |_| {
            let lines =
                if std::mem::take(&mut is_first) { format!("retry-after: {answer}\r\n") } else { String::new() };
            (if lines.is_empty() { 200 } else { 503 }, lines)
        })
        .await;
        world.hook(&receiver).await;
        let worker = start(&world.webhooks);
        let got = receiver.has(2).await;
        worker.stop().await;
        got[1].at - got[0].at
    };
    assert!(asked("2", Duration::from_secs(60)).await >= Duration::from_millis(1_900));
    let bounded = asked("100000", Duration::from_secs(1)).await;
    assert!((Duration::from_millis(900)..Duration::from_secs(30)).contains(&bounded), "{bounded:?}");
    // One that says nothing useful.
    assert!(asked("soon", Duration::from_secs(60)).await < Duration::from_secs(30));
}

#[tokio::test]
async fn a_receiver_that_is_gone_gets_nothing_until_somebody_activates_the_webhook() {
    let world = World::new().await;
    let receiver = Receiver::with(&[410, 200]).await;
    let webhook = world.hook(&receiver).await.webhook;
    let worker = start(&world.webhooks);
    receiver.has(1).await;
    while world.shown(webhook.id).await.state != WebhookState::Gone {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let queue = world.shown(webhook.id).await.queue;
    assert_eq!(queue.last_failure.unwrap().status, Some(410));
    world.say("Hello").await;
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert_eq!(receiver.got().len(), 1);
    let change = UpdateWebhook { is_active: Some(true), ..UpdateWebhook::default() };
    let changed = world.webhooks.update(&world.owner, world.session, webhook.id, change).await.unwrap();
    assert_eq!(changed.state, WebhookState::Active);
    world.drained(webhook.id).await;
    // What it refused, the message, and the activation.
    assert_eq!(receiver.accepted().len(), 3);
    worker.stop().await;
}

#[tokio::test]
async fn a_queue_that_is_too_long_loses_its_beginning_and_says_so() {
    let world = World::with(WebhookOptions { queue_max: 5, ..options() }).await;
    let receiver = Receiver::with(&[200]).await;
    let webhook = world.hook(&receiver).await.webhook;
    let mut last = 0;
    for number in 0..20 {
        last = world.say(&format!("message {number}")).await;
    }
    let worker = start(&world.webhooks);
    world.drained(webhook.id).await;
    let seqs: Vec<_> = receiver.got().iter().map(super::receiver::Got::seq).collect();
    assert_eq!(seqs, (last - 4..=last).collect::<Vec<_>>());
    assert_eq!(world.shown(webhook.id).await.queue.skipped, 16);
    worker.stop().await;
}
