//! What is delivered, in which order, and how often.

use std::{collections::BTreeMap, time::Duration};

use chatcore::{
    chat::{AddParticipant, EditMessage, UpdateSession},
    model::{HistoryVisibility, ParticipantRole},
    webhooks::{CreateWebhook, UpdateWebhook},
};

use super::{
    World,
    receiver::{Got, Receiver, until},
    start, to,
};

/// Each event came, under one id of its own, and in the order of the log.
fn assert_complete(got: &[Got], from: u64, upto: u64) {
    let mut ids: BTreeMap<u64, &str> = BTreeMap::new();
    let mut first_accepted = Vec::new();
    for one in got {
        let seq = one.seq();
        assert_eq!(*ids.entry(seq).or_insert(&one.id), one.id, "the id of {seq} has changed");
        if one.is_accepted() && !first_accepted.contains(&seq) {
            first_accepted.push(seq);
        }
    }
    assert_eq!(first_accepted, (from..=upto).collect::<Vec<_>>(), "each event in its order");
    let mut distinct: Vec<&str> = ids.into_values().collect();
    distinct.sort_unstable();
    distinct.dedup();
    assert_eq!(distinct.len() as u64, upto - from + 1, "each event has an id of its own");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousands_of_events_reach_a_receiver_that_fails_every_third_time_while_workers_come_and_go() {
    const MESSAGES: u64 = 3_000;
    let world = World::new().await;
    let mut count = 0;
    let receiver = Receiver::answering(move |_| {
        count += 1;
        (if count % 3 == 0 { 500 } else { 204 }, String::new())
    })
    .await;
    let created = world.hook(&receiver).await;
    let first = world.shown(created.webhook.id).await.queue.delivered_upto.unwrap() + 1;
    let mut worker = start(&world.webhooks);
    let mut last = 0;
    for number in 0..MESSAGES {
        last = world.say(&format!("message {number}")).await;
        if number % 1_000 == 500 {
            until("deliveries", || receiver.accepted().len() as u64 > number / 2).await;
            // As a process that is killed: whatever it does is not done.
            drop(worker);
            worker = start(&world.webhooks);
        }
    }
    world.drained(created.webhook.id).await;
    worker.stop().await;
    let got = receiver.got();
    assert_complete(&got, first, last);
    assert!(got.iter().all(|one| one.is_signed_by(created.secret.as_str())), "a signature is wrong");
    assert!(got.iter().filter(|one| !one.is_accepted()).count() as u64 >= MESSAGES / 3);
    // What a worker had not noted is repeated, and no more: 20 deliveries for each of the three that were dropped, and the one on its way.
    assert!(receiver.accepted().len() as u64 <= last - first + 1 + 3 * 21, "{}", receiver.accepted().len());
}

#[tokio::test]
async fn the_body_is_the_event_as_readers_see_it_with_its_session_and_position() {
    let world = World::new().await;
    let receiver = Receiver::with(&[200]).await;
    let created = world.hook(&receiver).await;
    let worker = start(&world.webhooks);
    let seq = world.say("Hello").await;
    let got = receiver.has(2).await;
    let event = got.iter().find(|one| one.seq() == seq).unwrap();
    let page = world.chat.events(&world.owner, world.session, Some(seq - 1), None).await.unwrap();
    assert_eq!(event.json(), serde_json::to_value(&*page.events[0]).unwrap());
    assert_eq!(event.json()["event"], "message_received");
    assert_eq!(event.json()["data"]["message"]["session_id"], world.session.to_string());
    assert_eq!(event.json()["data"]["session_id"], world.session.to_string());
    assert!(event.head.starts_with("POST /hook HTTP/1.1\r\n"), "{}", event.head);
    assert!(event.head.to_lowercase().contains("content-type: application/json"));
    assert!(event.is_signed_by(created.secret.as_str()));
    let age = chrono::Utc::now().timestamp() - event.timestamp;
    assert!((0..60).contains(&age), "the timestamp is that of the attempt: {age}");
    // The first one tells that it was created.
    assert_eq!(got[0].json()["event"], "webhook_changed");
    assert_eq!(got[0].json()["data"]["webhook_id"], created.webhook.id.to_string());
    worker.stop().await;
}

#[tokio::test]
async fn only_events_that_were_asked_for_are_sent() {
    let world = World::new().await;
    let receiver = Receiver::with(&[200]).await;
    let mut new = to(receiver.url());
    new.events = vec!["session_updated".to_owned(), "message_received".to_owned(), "session_updated".to_owned()];
    let webhook = world.webhooks.create(&world.owner, world.session, new).await.unwrap().webhook;
    assert_eq!(webhook.events, ["session_updated", "message_received"]);
    let worker = start(&world.webhooks);
    world.say("Hello").await;
    world.chat.archive_session(&world.owner, world.session).await.unwrap();
    world.chat.unarchive_session(&world.owner, world.session).await.unwrap();
    world.say("again").await;
    world.drained(webhook.id).await;
    let names: Vec<_> = receiver.got().iter().map(|one| one.json()["event"].clone()).collect();
    assert_eq!(names, ["message_received", "message_received"]);
    worker.stop().await;
}

#[tokio::test]
async fn a_text_that_was_deleted_meanwhile_is_not_sent() {
    let world = World::new().await;
    let receiver = Receiver::with(&[200]).await;
    let webhook = world.hook(&receiver).await.webhook;
    let message = super::kit::say(&world.chat, &world.owner, world.session, "a secret of mine").await;
    world.chat.delete_message(&world.owner, message.id, None).await.unwrap();
    let worker = start(&world.webhooks);
    world.drained(webhook.id).await;
    let got = receiver.got();
    assert!(got.iter().any(|one| one.seq() == message.seq));
    assert!(got.iter().all(|one| !String::from_utf8_lossy(&one.body).contains("a secret of mine")));
    worker.stop().await;
}

/// A receiver that takes long gets the next event as it is by then.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_text_that_is_deleted_while_an_earlier_event_is_sent_is_not_sent() {
    let world = World::new().await;
    let receiver = Receiver::with(&[503]).await;
    let webhook = world.hook(&receiver).await.webhook;
    let first = super::kit::say(&world.chat, &world.owner, world.session, "first").await;
    let message = super::kit::say(&world.chat, &world.owner, world.session, "a secret of mine").await;
    let (chat, owner, id) = (world.chat.clone(), world.owner.clone(), message.id);
    let runtime = tokio::runtime::Handle::current();
    let slow = Receiver::answering(move |got| {
        if got.seq() == first.seq {
            // The other event of the batch is deleted while this one is on its way.
            let (chat, owner, runtime) = (chat.clone(), owner.clone(), runtime.clone());
            let deleting = move || runtime.block_on(async move { chat.delete_message(&owner, id, None).await.is_ok() });
            assert!(std::thread::spawn(deleting).join().unwrap());
        }
        (200, String::new())
    })
    .await;
    let moved = UpdateWebhook { url: Some(slow.url()), ..UpdateWebhook::default() };
    world.webhooks.update(&world.owner, world.session, webhook.id, moved).await.unwrap();
    let worker = start(&world.webhooks);
    world.drained(webhook.id).await;
    let got = slow.got();
    assert!(got.iter().any(|one| one.seq() == message.seq));
    assert!(got.iter().all(|one| !String::from_utf8_lossy(&one.body).contains("a secret of mine")));
    worker.stop().await;
}

/// A webhook is sent no more than its last editor sees.
#[tokio::test]
async fn a_webhook_has_the_history_of_the_user_who_set_its_address() {
    let world = World::new().await;
    let receiver = Receiver::with(&[200]).await;
    let settings =
        UpdateSession { history_visibility: Some(HistoryVisibility::SinceJoining), ..UpdateSession::default() };
    world.chat.update_session(&world.owner, world.session, settings).await.unwrap();
    let paused = CreateWebhook { is_paused: true, ..to("https://example.com/hook") };
    let webhook = world.webhooks.create(&world.owner, world.session, paused).await.unwrap().webhook;
    let old = super::kit::say(&world.chat, &world.owner, world.session, "before carol").await;
    let carol = super::kit::user("carol");
    world.chat.me(&carol).await.unwrap();
    let role = Some(ParticipantRole::Admin);
    let add = AddParticipant { user_id: carol.user_id.clone(), role };
    let admitted = world.chat.add_participant(&world.owner, world.session, add).await.unwrap().cursor.seq;
    let edit = EditMessage::text("before carol, edited");
    world.chat.edit_message(&world.owner, old.id, edit).await.unwrap();
    let hers = UpdateWebhook { url: Some(receiver.url()), is_active: Some(true), ..UpdateWebhook::default() };
    world.webhooks.update(&carol, world.session, webhook.id, hers).await.unwrap();
    let worker = start(&world.webhooks);
    world.drained(webhook.id).await;
    let got = receiver.got();
    assert!(!got.is_empty() && got.iter().all(|one| one.seq() >= admitted), "{admitted}");
    assert!(got.iter().all(|one| !String::from_utf8_lossy(&one.body).contains("before carol")));
    assert_eq!(world.shown(webhook.id).await.queue.skipped, 0);
    worker.stop().await;
}

#[tokio::test]
async fn a_paused_webhook_keeps_its_queue_and_goes_on_where_it_stopped() {
    let world = World::new().await;
    let receiver = Receiver::with(&[200]).await;
    let webhook = world.hook(&receiver).await.webhook;
    let worker = start(&world.webhooks);
    world.drained(webhook.id).await;
    let change = |is_active| UpdateWebhook { is_active: Some(is_active), ..UpdateWebhook::default() };
    world.webhooks.update(&world.owner, world.session, webhook.id, change(false)).await.unwrap();
    let before = receiver.got().len();
    let first = world.say("one").await;
    let second = world.say("two").await;
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert_eq!(receiver.got().len(), before, "a paused webhook gets nothing");
    // The pause itself, and two messages.
    assert_eq!(world.shown(webhook.id).await.queue.lag, 3);
    world.webhooks.update(&world.owner, world.session, webhook.id, change(true)).await.unwrap();
    world.drained(webhook.id).await;
    let seqs: Vec<_> = receiver.got()[before..].iter().map(Got::seq).collect();
    assert_eq!(seqs, [first - 1, first, second, second + 1]);
    worker.stop().await;
}

#[tokio::test]
async fn the_secret_before_signs_after_a_rotation_for_a_while() {
    for (overlap, expected) in [(3_600, [false, true, true]), (0, [false, false, true])] {
        let mut options = super::options();
        options.rotation_overlap = Duration::from_secs(overlap);
        let world = World::with(options).await;
        let receiver = Receiver::with(&[200]).await;
        let created = world.hook(&receiver).await;
        let (id, old) = (created.webhook.id, created.secret);
        let new = world.webhooks.rotate_secret(&world.owner, world.session, id).await.unwrap().secret;
        let newest = world.webhooks.rotate_secret(&world.owner, world.session, id).await.unwrap().secret;
        let worker = start(&world.webhooks);
        world.drained(id).await;
        for one in receiver.got() {
            let signed = [&old, &new, &newest].map(|secret| one.is_signed_by(secret.as_str()));
            assert_eq!(signed, expected, "{overlap}");
        }
        worker.stop().await;
    }
}
