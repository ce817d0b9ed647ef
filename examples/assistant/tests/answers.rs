//! The assistant with fakes of a model.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::time::Duration;

use assistant::{
    Endpoint, assistant,
    fake::{self, Behaviour},
};
use chatcore::{
    Chat, Principal,
    bot::RunningBot,
    chat::{CreateSession, Delivery, SendMessage, Subscription},
    model::{
        Content, EventKind, Message, MessageEvent, SessionId, SessionType, Signal, SpeakerRole, StreamFailure,
        StreamState, UserId,
    },
};
use futures_util::StreamExt as _;
use tokio::time::timeout;

struct World {
    chat: Chat,
    alice: Principal,
    helper: Principal,
    session: SessionId,
    bot: RunningBot,
}

/// What a reader was shown of an answer.
struct Shown {
    parts: Vec<String>,
    message: Message,
}

impl Shown {
    fn text(&self) -> &str {
        match &self.message.body.content {
            Content::Text(text) => text,
            Content::Encrypted(_) | Content::Deleted => panic!("no text"),
        }
    }

    /// The event of the end may overtake the last parts, and has the whole text.
    #[track_caller]
    fn follows_its_parts(&self) {
        assert!(self.text().starts_with(&self.parts.concat()), "{:?}", self.parts);
    }

    #[track_caller]
    fn failed(&self, detail: &str) {
        let failed = StreamState::Failed { reason: StreamFailure::Aborted, detail: Some(detail.to_owned()) };
        assert_eq!(self.message.body.stream, Some(failed));
    }
}

impl World {
    async fn new(base: String, context: u64) -> Self {
        let chat = Chat::in_memory();
        let [alice, helper] =
            ["Alice", "Helper"].map(|name| Principal::new(UserId::new(name.to_lowercase()).unwrap()).with_name(name));
        let room = CreateSession::titled("Room").of_type(SessionType::Public);
        let session = chat.create_session(&alice, room).await.unwrap().summary.session.id;
        chat.join(&helper, session).await.unwrap();
        let endpoint = Endpoint::new(&base, "a-model", Some("a-key".into()), Duration::from_millis(300)).unwrap();
        let bot = assistant(chat.clone(), helper.clone(), endpoint, context).start();
        Self { chat, alice, helper, session, bot }
    }

    async fn with(behaviour: Behaviour) -> Self {
        let address = fake::start(behaviour).await.unwrap();
        Self::new(format!("http://{address}/v1"), 3).await
    }

    async fn ask(&self, text: &str) -> Shown {
        let mut events = self.chat.subscribe(&self.alice, self.session, None).await.unwrap();
        let question = SendMessage::text(text).mentioning([self.helper.user_id.clone()]);
        self.chat.send(&self.alice, self.session, question).await.unwrap();
        timeout(Duration::from_secs(30), shown(&mut events)).await.expect("no answer in half a minute")
    }
}

/// What comes up to the end of an answer.
async fn shown(events: &mut Subscription) -> Shown {
    let mut parts = Vec::new();
    loop {
        match events.next().await.unwrap().unwrap() {
            Delivery::Signal(view) => {
                if let Signal::MessagePart { offset, text, .. } = &view.signal {
                    // A reader puts the parts together by their offsets.
                    assert_eq!(*offset, parts.iter().map(|part: &String| part.chars().count() as u64).sum::<u64>());
                    parts.push(text.clone());
                }
            }
            Delivery::Event(view) => {
                if let EventKind::Message(MessageEvent::Finished { .. }) = view.event.kind {
                    return Shown { parts, message: view.message().unwrap() };
                }
            }
        }
    }
}

#[tokio::test]
async fn an_answer_comes_in_parts_and_ends_as_it_was_shown() {
    let world = World::with(Behaviour::Answers(Duration::from_millis(2))).await;
    let first = world.ask("Hello, how are you?").await;
    assert_eq!(first.text(), "After 2 messages you said: Alice: Hello, how are you?");
    assert!(!first.parts.is_empty());
    first.follows_its_parts();
    assert_eq!(
        (first.message.body.role, &first.message.body.stream),
        (SpeakerRole::Assistant, &Some(StreamState::Complete))
    );
    assert_eq!(first.message.sender.name, "Helper");
    // The question, the first answer and the second question, besides the instructions. Later there are no more than three.
    for (text, turns) in [("Second", 4), ("Third", 4)] {
        let next = world.ask(text).await;
        assert_eq!(next.text(), format!("After {turns} messages you said: Alice: {text}"));
        next.follows_its_parts();
    }
    world.bot.stop().await.unwrap();
}

#[tokio::test]
async fn an_endpoint_that_fails_ends_the_answer_as_failed() {
    let world = World::with(Behaviour::Fails).await;
    let shown = world.ask("Hello").await;
    shown.failed("the model answered with the status 500");
    assert_eq!((shown.text(), shown.parts.len()), ("", 0));

    let world = World::new("http://127.0.0.1:1/v1".to_owned(), 3).await;
    world.ask("Hello").await.failed("the model cannot be reached");
}

#[tokio::test]
async fn an_answer_that_breaks_off_keeps_what_was_shown() {
    let world = World::with(Behaviour::Breaks).await;
    let shown = world.ask("Hello").await;
    shown.failed("the answer of the model broke off");
    assert_eq!(shown.text(), "After 2 messages ");
    shown.follows_its_parts();
}

#[tokio::test]
async fn a_model_that_hangs_is_given_up() {
    let world = World::with(Behaviour::Hangs).await;
    let shown = world.ask("Hello").await;
    shown.failed("the model said nothing for too long");
    assert_eq!(shown.text(), "After 2 messages ");
    let world = World::with(Behaviour::Ignores).await;
    world.ask("Hello").await.failed("the model said nothing for too long");
}

#[tokio::test]
async fn a_stop_in_the_middle_ends_the_answer_and_the_next_start_answers() {
    let world = World::with(Behaviour::Answers(Duration::from_millis(200))).await;
    let World { chat, alice, helper, session, bot } = world;
    let mut events = chat.subscribe(&alice, session, None).await.unwrap();
    let question = SendMessage::text("Hello").mentioning([helper.user_id.clone()]);
    chat.send(&alice, session, question).await.unwrap();
    let part = |delivery: &Delivery| matches!(delivery, Delivery::Signal(view) if matches!(view.signal, Signal::MessagePart { .. }));
    while !part(&events.next().await.unwrap().unwrap()) {}
    bot.stop().await.unwrap();
    let shown_first = shown_from(&mut events).await;
    assert!(matches!(shown_first.body.stream, Some(StreamState::Failed { .. })));
    let address = fake::start(Behaviour::Answers(Duration::from_millis(1))).await.unwrap();
    let endpoint = Endpoint::new(&format!("http://{address}/v1"), "m", None, Duration::from_secs(5)).unwrap();
    let bot = assistant(chat.clone(), helper, endpoint, 10).start();
    let answer = timeout(Duration::from_secs(30), shown(&mut events)).await.unwrap();
    assert_eq!(answer.text(), "After 2 messages you said: Alice: Hello");
    bot.stop().await.unwrap();
}

/// The message of the next answer that ends.
async fn shown_from(events: &mut Subscription) -> Message {
    loop {
        let event = events.next_event().await.unwrap().unwrap();
        if let EventKind::Message(MessageEvent::Finished { .. }) = event.event.kind {
            return event.message().unwrap();
        }
    }
}
