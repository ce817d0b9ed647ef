//! The span of a group commit.
#![allow(missing_docs, reason = "tests")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by panicking")]

#[path = "../../chatcore/tests/kit/spans.rs"]
#[allow(unreachable_pub, dead_code, reason = "shared with other tests")]
mod spans;

use chatcore::{
    Chat, Principal,
    chat::{CreateSession, SendMessage},
    model::UserId,
};
use chatcore_surreal::SurrealStore;
use futures_util::future::join_all;
use spans::Spans;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::{Layer as _, filter::Targets, layer::SubscriberExt as _, util::SubscriberInitExt as _};

#[tokio::test(flavor = "multi_thread")]
async fn a_group_commit_is_one_span_that_follows_from_those_of_its_changes() {
    // The committer has a thread of its own, so the subscriber is that of the process, whose only test this is.
    let spans = Spans::default();
    let own = Targets::new().with_target("chatcore", LevelFilter::DEBUG);
    tracing_subscriber::registry().with(spans.clone().with_filter(own)).init();
    let chat = Chat::new(SurrealStore::connect("mem://").await.unwrap());
    let a = Principal::new(UserId::new("a").unwrap());
    let id = chat.create_session(&a, CreateSession::titled("x")).await.unwrap().summary.session.id;
    chat.send(&a, id, SendMessage::text("the first")).await.unwrap();
    let before = spans.all().len();
    for sent in join_all((0..50).map(|n| chat.send(&a, id, SendMessage::text(n.to_string())))).await {
        sent.unwrap();
    }
    let all = spans.all().split_off(before);
    let commits: Vec<u64> = all.iter().filter(|span| span.name == "store.commit").map(|span| span.id).collect();
    let groups: Vec<_> = all.iter().filter(|span| span.name == "store.group_commit").collect();
    assert_eq!(commits.len(), 50);
    assert!(groups.len() < 50, "nothing was committed together: {}", groups.len());
    let changes = |span: &spans::Seen| span.field("changes").unwrap().parse::<usize>().unwrap();
    assert_eq!(groups.iter().map(|span| changes(span)).sum::<usize>(), 50);
    for group in groups {
        assert_eq!((group.parent, group.follows.len()), (None, changes(group)), "{group:?}");
        assert!(group.follows.iter().all(|follows| commits.contains(follows)), "{group:?}");
    }
}
