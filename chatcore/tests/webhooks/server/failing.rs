//! Receivers that fail: which session asks again, and which sessions wait.

use chatcore::webhooks::Sent;

use super::*;
use crate::{
    receiver::until,
    senders::{Attempts, Told},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_that_fails_again_makes_no_other_session_wait_longer() {
    let delays = vec![Duration::from_millis(1), Duration::from_secs(3_600)];
    let world = World::with(WebhookOptions { retry_delays: delays, ..options() }).await;
    let receiver = Receiver::answering(|got| {
        let is_poison = String::from_utf8_lossy(&got.body).contains("poison");
        (if is_poison { 500 } else { 200 }, String::new())
    })
    .await;
    let webhook = world.hook(&receiver).await.webhook.id;
    let worker = start(&world.webhooks);
    let poison = world.say(0, "poison").await;
    world.rests(webhook, 0, |delivery| delivery.attempts == 2).await;
    let other = world.say(1, "elsewhere").await;
    let got = receiver.has(3).await;
    assert_eq!((seqs(&got, world.sessions[0]), seqs(&got, world.sessions[1])), (vec![poison; 2], vec![other]));
    worker.stop().await;
}

#[tokio::test]
async fn sessions_take_turns_in_asking_whether_a_receiver_is_back() {
    // The pauses are longer than the interval of the sweeps, so the sweeps choose who asks.
    let (pause, sweep_interval) = (Duration::from_millis(20), Duration::from_millis(10));
    let world = World::with(WebhookOptions { retry_delays: vec![pause; 100], sweep_interval, ..options() }).await;
    let third = session(&world.chat, &world.owner, SessionType::Public).await;
    world.created(to("https://example.com/hook")).await;
    for id in [world.sessions[0], world.sessions[1], third] {
        say(&world.chat, &world.owner, id, "waits").await;
    }
    let attempts = Attempts::default();
    let failed = Sent::Answered { status: 500, retry_after: None };
    let answer = move |_: String, _: usize| std::future::ready(failed);
    let worker = world.webhooks.start(Told { attempts: attempts.clone(), answer });
    until("attempts", || attempts.all().len() >= 30).await;
    worker.stop().await;
    let mut tried: BTreeMap<String, usize> = BTreeMap::new();
    for request in attempts.all() {
        let event: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
        *tried.entry(event["data"]["session_id"].to_string()).or_default() += 1;
    }
    assert_eq!(tried.len(), 3, "{tried:?}");
    let (least, most) = (tried.values().min().unwrap(), tried.values().max().unwrap());
    assert!(*most <= 2 * least, "{tried:?}");
}
