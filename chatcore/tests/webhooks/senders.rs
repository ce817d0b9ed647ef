//! Senders of the host, which do with each attempt as a test tells them, and the connections of the sender over HTTP.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use chatcore::{
    model::{SessionType, WebhookId},
    webhooks::{
        FailureReason, HttpSender, Sent, UpdateWebhook, WebhookOptions, WebhookRequest, WebhookSender, WebhookState,
    },
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

use super::{
    World,
    kit::{session, user},
    options,
    receiver::until,
    to,
};

pub(super) const DELIVERED: Sent = Sent::Answered { status: 200, retry_after: None };

/// The attempts that a sender was asked for.
#[derive(Clone, Default)]
pub(super) struct Attempts(Arc<Mutex<Vec<WebhookRequest>>>);

impl Attempts {
    pub(super) fn all(&self) -> Vec<WebhookRequest> {
        self.0.lock().unwrap().clone()
    }

    /// The positions of the events that were sent to an address, in the order of the attempts.
    pub(super) fn seqs(&self, url: &str) -> Vec<u64> {
        self.all().iter().filter(|request| request.url == url).map(seq).collect()
    }
}

fn seq(request: &WebhookRequest) -> u64 {
    let event: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
    event["seq"].as_u64().unwrap()
}

/// Notes each attempt, and does this with the address and the number of attempts before it.
pub(super) struct Told<F> {
    pub(super) attempts: Attempts,
    pub(super) answer: F,
}

#[async_trait]
impl<F, A> WebhookSender for Told<F>
where
    F: Fn(String, usize) -> A + Send + Sync + 'static,
    A: Future<Output = Sent> + Send + 'static,
{
    async fn send(&self, request: WebhookRequest) -> Sent {
        let url = request.url.clone();
        let before = {
            let mut attempts = self.attempts.0.lock().unwrap();
            attempts.push(request);
            attempts.len() - 1
        };
        (self.answer)(url, before).await
    }
}

const URL: &str = "https://example.com/hook";

impl World {
    async fn hook_at(&self, url: &str) -> WebhookId {
        self.webhooks.create(&self.owner, self.session, to(url)).await.unwrap().webhook.id
    }
}

#[tokio::test]
async fn an_attempt_of_a_sender_without_a_limit_is_given_up_in_time() {
    let world = World::with(WebhookOptions { timeout: Duration::from_millis(50), ..options() }).await;
    let id = world.hook_at(URL).await;
    let attempts = Attempts::default();
    let answer = |_: String, before: usize| async move {
        if before == 0 {
            std::future::pending::<()>().await;
        }
        DELIVERED
    };
    let worker = world.webhooks.start(Told { attempts: attempts.clone(), answer });
    let seq = world.say("Hello").await;
    world.drained(id).await;
    worker.stop().await;
    assert_eq!(attempts.seqs(URL), [seq - 1, seq - 1, seq]);
    assert_eq!(world.shown(id).await.queue.last_failure.unwrap().reason, FailureReason::Timeout);
}

#[tokio::test]
async fn receivers_of_one_user_that_hang_leave_attempts_to_the_webhooks_of_others() {
    const OTHER: &str = "https://example.com/other";
    let hour = Duration::from_secs(3_600);
    let world =
        World::with(WebhookOptions { concurrency: 12, timeout: hour, server_concurrency: 1, ..options() }).await;
    for _ in 0..20 {
        let id = session(&world.chat, &world.owner, SessionType::Public).await;
        world.webhooks.create(&world.owner, id, to(URL)).await.unwrap();
    }
    let attempts = Attempts::default();
    let answer = |url: String, _: usize| async move {
        if url == URL {
            std::future::pending::<()>().await;
        }
        DELIVERED
    };
    let worker = world.webhooks.start(Told { attempts: attempts.clone(), answer });
    until("attempts that hang", || attempts.seqs(URL).len() >= 8).await;
    let other = user("other");
    let id = session(&world.chat, &other, SessionType::Public).await;
    world.webhooks.create(&other, id, to(OTHER)).await.unwrap();
    until("delivery beside them", || !attempts.seqs(OTHER).is_empty()).await;
    assert_eq!(attempts.seqs(URL).len(), 8);
    drop(worker);
}

#[tokio::test]
async fn two_webhooks_of_a_session_get_an_event_under_two_ids() {
    const URLS: [&str; 2] = ["https://example.com/one", "https://example.com/two"];
    let world = World::new().await;
    let hooks = [world.hook_at(URLS[0]).await, world.hook_at(URLS[1]).await];
    let attempts = Attempts::default();
    let worker = world
        .webhooks
        .start(Told { attempts: attempts.clone(), answer: |_: String, _: usize| std::future::ready(DELIVERED) });
    let last = world.say("Hello").await;
    for id in hooks {
        world.drained(id).await;
    }
    worker.stop().await;
    let ids = URLS.map(|url| {
        let all = attempts.all().into_iter().filter(|request| request.url == url);
        all.map(|request| (seq(&request), request.id)).collect::<BTreeMap<_, _>>()
    });
    // The first one also has the event of its own creation.
    assert_eq!(ids[1].keys().copied().collect::<Vec<_>>(), [last - 1, last]);
    for (seq, id) in &ids[1] {
        assert_ne!(ids[0][seq], *id);
    }
}

#[tokio::test]
async fn a_webhook_that_is_paused_in_the_middle_of_its_queue_gets_no_more_until_it_is_active() {
    let world = World::with(WebhookOptions { timeout: Duration::from_secs(20), ..options() }).await;
    let id = world.hook_at(URL).await;
    let mut last = 0;
    for text in ["one", "two", "three"] {
        last = world.say(text).await;
    }
    let change = |is_active| UpdateWebhook { is_active: Some(is_active), ..UpdateWebhook::default() };
    let attempts = Attempts::default();
    let (webhooks, owner, session) = (world.webhooks.clone(), world.owner.clone(), world.session);
    let answer = move |_: String, before: usize| {
        let (webhooks, owner) = (webhooks.clone(), owner.clone());
        async move {
            if before == 0 {
                webhooks.update(&owner, session, id, change(false)).await.unwrap();
            }
            DELIVERED
        }
    };
    let worker = world.webhooks.start(Told { attempts: attempts.clone(), answer });
    until("attempt", || !attempts.all().is_empty()).await;
    // Time for what must not happen.
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!((attempts.all().len(), world.shown(id).await.state), (1, WebhookState::Paused));
    world.webhooks.update(&world.owner, world.session, id, change(true)).await.unwrap();
    world.drained(id).await;
    worker.stop().await;
    // Nobody noted the one that was on its way, so it may come again. Then the pause, and its end.
    let mut seqs = attempts.seqs(URL);
    seqs.dedup();
    assert_eq!(seqs, (last - 3..=last + 2).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_connection_without_a_request_is_closed_soon() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let (id, signature) = ("evt_1".to_owned(), "v1,".to_owned());
    let request = WebhookRequest { url, id, timestamp: 0, signature, body: b"{}".to_vec() };
    let sender = HttpSender::new(&WebhookOptions { timeout: Duration::from_secs(20), ..options() }).unwrap();
    let answered = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        // The request may come in parts, and ends with its body.
        let mut read = Vec::new();
        while !read.ends_with(b"{}") {
            assert!(stream.read_buf(&mut read).await.unwrap() > 0);
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
        stream
    };
    let (sent, mut stream) = tokio::join!(sender.send(request), answered);
    assert_eq!(sent, DELIVERED);
    // Half of what clients usually take, and many times the second that it is.
    let closed = tokio::time::timeout(Duration::from_secs(15), stream.read_to_end(&mut Vec::new())).await;
    assert!(closed.is_ok(), "the connection is open");
    drop(sender);
}
