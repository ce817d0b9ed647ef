//! Notices to all users.

use std::sync::Arc;

use chatcore::{
    Administration, Chat, Clock as _, Error, InProcessNotifier, MemoryStore, Principal, RateLimits, TestClock,
    admin::{AuditAction, AuditState},
};
use chrono::TimeDelta;
use futures_util::StreamExt as _;

use super::{kit, log, origin, root, spam};
use kit::{in_time, user, user_id};

#[tokio::test]
async fn a_notice_reaches_the_connections_of_each_process_and_is_not_stored() {
    let (store, bus) = (Arc::new(MemoryStore::new()), InProcessNotifier::new());
    let chat = || Chat::builder(Arc::clone(&store)).notifier(bus.clone()).rates(RateLimits::off()).build();
    let (here, there) = (chat(), chat());
    let admin = Administration::new(here.clone());
    let mut streams = vec![here.notices().await, here.notices().await, there.notices().await];
    for text in ["Maintenance at noon", "It is over"] {
        let sent = admin.broadcast(&root(), &origin(), text.into(), Some("Planned".into())).await.unwrap();
        for stream in &mut streams {
            assert_eq!(*in_time(stream.next()).await.unwrap(), sent);
        }
        assert_eq!(sent.text, text);
    }
    let log = log(&admin).await;
    assert_eq!((log.len(), log[0].record.action), (2, AuditAction::NoticeBroadcast));
    assert_eq!((&log[0].record.before, log[0].record.reason.as_deref()), (&AuditState::default(), Some("Planned")));
    assert!(!format!("{log:?}").contains("It is over"));
    // Who connects later does not hear of it.
    let mut later = here.notices().await;
    let last = admin.broadcast(&root(), &origin(), "A last one".into(), None).await.unwrap();
    assert_eq!(*in_time(later.next()).await.unwrap(), last);
}

#[tokio::test]
async fn a_text_that_is_not_acceptable_and_a_caller_without_the_role_are_refused() {
    let (_, admin) = super::world(&["ann"]).await;
    for text in [String::new(), " ".into(), "x".repeat(501)] {
        assert!(matches!(admin.broadcast(&root(), &origin(), text, None).await, Err(Error::Invalid(_))));
    }
    let refused = admin.broadcast(&user("ann"), &origin(), "Hello".into(), None).await;
    assert_eq!(refused, Err(Error::AdminRequired));
    assert!(log(&admin).await.is_empty());
}

#[tokio::test]
async fn a_stream_of_notices_ends_with_its_login() {
    let clock = TestClock::default();
    let chat = Chat::builder(MemoryStore::new()).clock(clock.clone()).build();
    let admin = Administration::new(chat.clone());
    let ann = Principal { expires_at: Some(clock.now() + TimeDelta::minutes(1)), ..user("ann") };
    let mut expiring = chat.follow_notices(&ann).await.unwrap();
    let mut banned = chat.follow_notices(&user("bob")).await.unwrap();
    let sent = admin.broadcast(&root(), &origin(), "Hello".into(), None).await.unwrap();
    for stream in [&mut expiring, &mut banned] {
        assert_eq!(*in_time(stream.next()).await.unwrap().unwrap(), sent);
    }
    admin.ban(&root(), &origin(), &user_id("bob"), spam()).await.unwrap();
    assert!(matches!(in_time(banned.next()).await, Some(Err(Error::AccountBanned(_)))));
    assert!(in_time(banned.next()).await.is_none());
    clock.advance(TimeDelta::minutes(1));
    assert_eq!(in_time(expiring.next()).await, Some(Err(Error::TokenExpired)));
}
