//! To which addresses events are sent.

use chatcore::{
    Code, Error,
    webhooks::{FailureReason, HttpSender, Sent, WebhookOptions, WebhookRequest, WebhookSender as _},
};

use super::{World, options, receiver::Receiver, start, to};

/// Addresses that only the server can reach, in all the ways to write them.
const REFUSED: [&str; 66] = [
    "https://127.0.0.1/",
    "https://127.1/",
    "https://127.255.255.254/",
    "https://0x7f000001/",
    "https://0x7f.1/",
    "https://2130706433/",
    "https://0177.0.0.1/",
    "https://127。0。0。1/",
    "https://%31%32%37.0.0.1/",
    "https://0.0.0.0/",
    "https://0.1.2.3/",
    "https://0/",
    "https://10.0.0.1/",
    "https://10.255.255.255/",
    "https://172.16.0.1/",
    "https://172.31.255.255/",
    "https://192.168.0.1/",
    "https://192.168.255.255/",
    "https://100.64.0.1/",
    "https://100.127.255.255/",
    "https://169.254.169.254/latest/meta-data/",
    "https://169.254.0.1/",
    "https://192.0.0.1/",
    "https://192.0.2.1/",
    "https://192.88.99.1/",
    "https://198.18.0.1/",
    "https://198.19.255.255/",
    "https://198.51.100.1/",
    "https://203.0.113.1/",
    "https://224.0.0.1/",
    "https://239.255.255.255/",
    "https://240.0.0.1/",
    "https://255.255.255.255/",
    "https://[::]/",
    "https://[::1]/",
    "https://[::127.0.0.1]/",
    "https://[::8.8.8.8]/",
    "https://[::ffff:127.0.0.1]/",
    "https://[::ffff:10.0.0.1]/",
    "https://[::ffff:a9fe:a9fe]/",
    "https://[::ffff:0:127.0.0.1]/",
    "https://[64:ff9b::127.0.0.1]/",
    "https://[64:ff9b::10.0.0.1]/",
    "https://[64:ff9b:1::8.8.8.8]/",
    "https://[2002:7f00:1::]/",
    "https://[2002:a00:1::1]/",
    "https://[2001::1]/",
    "https://[2001:0:4136:e378:8000:63bf:3fff:fdd2]/",
    "https://[2001:db8::1]/",
    "https://[3fff::1]/",
    "https://[100::1]/",
    "https://[5f00::1]/",
    "https://[fc00::1]/",
    "https://[fd12:3456:789a::1]/",
    "https://[fe80::1]/",
    "https://[fec0::1]/",
    "https://[ff02::1]/",
    "http://example.com/",
    "ftp://example.com/",
    "file:///etc/passwd",
    "gopher://example.com/",
    "https://user@example.com/",
    "https://user:password@example.com/",
    "https://example.com/#fragment",
    "https://example.com:0/",
    "example.com",
];

const ACCEPTED: [&str; 10] = [
    "https://example.com/",
    "https://example.com:8443/hook?key=value",
    "https://8.8.8.8/",
    "https://172.15.0.1/",
    "https://172.32.0.1/",
    "https://100.63.0.1/",
    "https://192.0.1.1/",
    "https://[2606:4700::1111]/",
    "https://[::ffff:8.8.8.8]/",
    "https://[64:ff9b::8.8.8.8]/",
];

fn request(url: &str) -> WebhookRequest {
    let (id, signature) = ("evt_1".to_owned(), "v1,x".to_owned());
    WebhookRequest { url: url.to_owned(), id, timestamp: 0, signature, body: b"{}".to_vec() }
}

#[tokio::test]
async fn addresses_that_only_the_server_can_reach_are_refused() {
    let world = World::with(WebhookOptions::default()).await;
    let sender = HttpSender::new(world.webhooks.options()).unwrap();
    for url in REFUSED {
        let refused = world.webhooks.create(&world.owner, world.session, to(url)).await.unwrap_err();
        assert!(matches!(&refused, Error::Invalid(fields) if fields[0].field == "url"), "{url}: {refused:?}");
        // However the address came into the store.
        let sent = sender.send(request(url)).await;
        let is_refused = [FailureReason::AddressRefused, FailureReason::ConnectionFailed].map(Sent::Failed);
        assert!(is_refused.contains(&sent), "{url}: {sent:?}");
    }
    assert!(world.webhooks.list(&world.owner, world.session).await.unwrap().is_empty());
    for url in ACCEPTED {
        world
            .webhooks
            .create(&world.owner, world.session, to(url))
            .await
            .unwrap_or_else(|error| panic!("{url}: {error:?}"));
    }
    let long = format!("https://example.com/{}", "a".repeat(2_000));
    let refused = super::World::with(WebhookOptions::default()).await;
    let refused = refused.webhooks.create(&refused.owner, refused.session, to(long)).await.unwrap_err();
    assert_eq!(refused.code(), Code::ValidationLengthExceeded);
}

#[tokio::test]
async fn a_name_that_leads_to_a_private_address_is_refused_at_each_connection() {
    let receiver = Receiver::with(&[200]).await;
    let url = format!("http://localhost:{}/", receiver.port());
    let public = WebhookOptions { allow_http: true, ..WebhookOptions::default() };
    let sent = HttpSender::new(&public).unwrap().send(request(&url)).await;
    assert_eq!(sent, Sent::Failed(FailureReason::AddressRefused));
    assert!(receiver.got().is_empty(), "it was connected to");

    // Where the network is allowed, the name is as good as the address.
    let both = ["127.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()];
    let here = WebhookOptions { allowed_networks: both.to_vec(), ..public.clone() };
    let sent = HttpSender::new(&here).unwrap().send(request(&url)).await;
    assert_eq!(sent, Sent::Answered { status: 200, retry_after: None });

    // Another network is not.
    let other = WebhookOptions { allowed_networks: vec!["10.0.0.0/8".parse().unwrap()], ..public };
    let sender = HttpSender::new(&other).unwrap();
    assert_eq!(sender.send(request(&url)).await, Sent::Failed(FailureReason::AddressRefused));
    assert_eq!(sender.send(request(&receiver.url())).await, Sent::Failed(FailureReason::AddressRefused));
    assert_eq!(receiver.got().len(), 1);
}

#[tokio::test]
async fn redirects_are_not_followed_and_are_failures() {
    let (world, target) = (World::new().await, Receiver::with(&[200]).await);
    let location = format!("location: {}\r\n", target.url());
    let mut left = vec![301, 302, 303, 307, 308];
    let receiver = Receiver::answering(move |_| match left.pop() {
        Some(status) => (status, location.clone()),
        None => (200, String::new()),
    })
    .await;
    let webhook = world.hook(&receiver).await.webhook;
    let worker = start(&world.webhooks);
    receiver.has(6).await;
    world.drained(webhook.id).await;
    assert!(target.got().is_empty(), "a redirect was followed");
    let failure = world.shown(webhook.id).await.queue.last_failure.unwrap();
    assert_eq!((failure.reason, failure.status), (FailureReason::BadStatus, Some(301)));
    worker.stop().await;
}

#[tokio::test]
async fn a_request_has_no_credentials_of_the_server() {
    let receiver = Receiver::with(&[200]).await;
    let sender = HttpSender::new(&options()).unwrap();
    let sent = sender.send(request(&receiver.url())).await;
    assert_eq!(sent, Sent::Answered { status: 200, retry_after: None });
    let head = receiver.got()[0].head.to_lowercase();
    for name in ["cookie", "authorization", "referer", "proxy"] {
        assert!(!head.contains(name), "{head}");
    }
}
