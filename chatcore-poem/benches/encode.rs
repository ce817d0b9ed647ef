//! What it costs to put an event into a WebSocket frame: `cargo bench -p chatcore-poem`.

#![allow(missing_docs, reason = "criterion's macros make public functions without any")]
#![allow(clippy::expect_used, reason = "a bench that cannot be set up has nothing to say")]

use std::sync::Arc;

use chatcore::{
    Chat, Principal,
    chat::{CreateSession, Encoding, EventView, SendMessage},
    model::{SessionType, UserId},
};
use chatcore_poem::encode_event;
use criterion::{Criterion, criterion_group, criterion_main};
use tokio::runtime::Runtime;

/// A hundred bytes, as in all figures.
const TEXT: &str =
    "A message of a hundred bytes: that is as long as what people say to one another in a chat, or so...!";

/// What a frontend keeps of an event.
struct Text;

impl Encoding for Text {
    type Output = Arc<str>;

    fn encode(view: &EventView) -> Arc<str> {
        encode_event(view).into()
    }
}

/// The creation of a session, and a message in it.
async fn events() -> [Arc<EventView>; 2] {
    let chat = Chat::in_memory();
    let owner = Principal::new(UserId::new("owner").expect("a user id")).with_name("A name to show");
    let new = CreateSession::titled("A session").of_type(SessionType::Public);
    let id = chat.create_session(&owner, new).await.expect("a session").summary.session.id;
    chat.send(&owner, id, SendMessage::text(TEXT)).await.expect("a message");
    let mut events = chat.subscribe(&owner, id, Some(0)).await.expect("a subscription");
    let created = events.next_event().await.expect("an event").expect("an event");
    let sent = events.next_event().await.expect("an event").expect("an event");
    [created, sent]
}

fn encoding(c: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let [created, sent] = runtime.block_on(events());
    let mut group = c.benchmark_group("encode");
    group.bench_function("a message", |b| b.iter(|| encode_event(&sent)));
    group.bench_function("a session's creation", |b| b.iter(|| encode_event(&created)));
    // What every further reader of the same event costs.
    group.bench_function("a message, kept", |b| b.iter(|| sent.encoded::<Text>()));
    group.finish();
}

criterion_group!(benches, encoding);
criterion_main!(benches);
