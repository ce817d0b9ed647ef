//! Reviews that panic, hang or answer late.

use std::sync::{Mutex, mpsc};

use futures_util::future::join_all;

use super::{super::kit::in_time, *};

/// A time limit that no review of these tests reaches.
const LONG: Duration = Duration::from_secs(60);

fn hangs(draft: &MessageDraft) -> bool {
    draft.body.content == Content::Text("hang".to_owned())
}

/// A policy whose function hangs until the sender is dropped, where the text says so. It answers then, late.
fn hanging() -> (mpsc::Sender<()>, BlockingPolicy<impl Fn(&MessageDraft) -> Verdict + Clone + Send + Sync + 'static>) {
    let (release, released) = mpsc::channel();
    let released = Arc::new(Mutex::new(released));
    let policy = BlockingPolicy::new(move |draft: &MessageDraft| {
        if !hangs(draft) {
            return Verdict::Allow;
        }
        assert!(released.lock().unwrap().recv().is_err(), "nobody sends");
        Verdict::Change(Content::Text("late".to_owned()))
    });
    (release, policy)
}

/// A policy whose future hangs where the text says so.
struct Hanging;

#[chatcore::async_trait]
impl MessagePolicy for Hanging {
    async fn review(&self, draft: &MessageDraft) -> Verdict {
        if hangs(draft) { std::future::pending().await } else { Verdict::Allow }
    }
}

/// A policy whose future panics where the text says so.
struct Obedient;

#[chatcore::async_trait]
impl MessagePolicy for Obedient {
    async fn review(&self, draft: &MessageDraft) -> Verdict {
        obedient(draft)
    }
}

#[tokio::test]
async fn a_review_that_fails_has_the_stated_outcome() {
    let modes = [
        (OnFailure::Refuse, Some(Error::Unavailable)),
        (OnFailure::Allow, None),
        (OnFailure::Hold, Some(Error::MessageHeld)),
    ];
    join_all(modes.map(|(on_failure, outcome)| async move {
        let (release, hanging) = hanging();
        let late = chat_by(hanging.at_once(1), on_failure);
        for (case, chat, said) in [
            ("a function panics", chat_by(BlockingPolicy::new(obedient), on_failure), "panic"),
            ("a future panics", chat_by(Obedient, on_failure), "panic"),
            ("a future hangs", chat_by(Hanging, on_failure), "hang"),
            ("a function hangs", late.clone(), "hang"),
        ] {
            let (alice, bob) = (user("alice"), user("bob"));
            let id = room(&chat, &alice, &[&bob]).await;
            let sent = chat.send(&bob, id, text(said)).await;
            assert_eq!(sent.err(), outcome, "{case}, {on_failure:?}");
            let is_held = on_failure == OnFailure::Hold;
            assert_eq!(held(&chat, &alice, id).await.len(), usize::from(is_held), "{case}");
            let shown = if outcome.is_none() { vec![said] } else { Vec::new() };
            assert_eq!(texts(&chat, &bob, id).await, shown, "{case}, {on_failure:?}");
        }
        // The late answer changes nothing, and the function is free for the next message.
        drop(release);
        let alice = user("alice");
        let id = room(&late, &alice, &[]).await;
        let sent = late.send(&alice, id, text("hang")).await;
        assert_eq!(sent.as_ref().map(text_of), Ok("late"), "{on_failure:?}");
        for summary in late.sessions(&alice, Page::FIRST).await.unwrap().entries {
            let other = summary.session.id;
            let shown = if outcome.is_none() { vec!["hang"] } else { Vec::new() };
            assert!(other == id || texts(&late, &alice, other).await == shown, "{on_failure:?}");
        }
    }))
    .await;
}

/// Whatever hangs is in one session.
async fn assert_alone(chat: &Chat, release: impl FnOnce(), outcome: Result<&str, Error>) {
    let alice = user("alice");
    let (slow, quick) = (room(chat, &alice, &[]).await, room(chat, &alice, &[]).await);
    let hanging = (0..50).map(|_| chat.send(&alice, slow, text("hang")).boxed());
    let mut hanging = join_all(hanging);
    let others = async {
        for n in 0..200 {
            say(chat, &alice, quick, &n.to_string()).await;
        }
    };
    // All of these are over before one of the others is.
    tokio::select! {
        biased;
        answers = &mut hanging => panic!("{answers:?}"),
        () = others => {}
    }
    release();
    let answers = in_time(hanging).await;
    assert!(answers.iter().all(|answer| answer.as_ref().map(text_of) == outcome.as_ref().copied()), "{answers:?}");
    let kept = if outcome.is_ok() { 50 } else { 0 };
    assert_eq!(texts(chat, &alice, slow).await.len(), kept);
}

#[tokio::test]
async fn a_future_that_hangs_keeps_no_other_session_waiting() {
    let chat = chat_by(Hanging, OnFailure::Refuse);
    assert_alone(&chat, || {}, Err(Error::Unavailable)).await;
}

#[tokio::test]
async fn a_function_that_hangs_keeps_no_other_session_waiting() {
    let (release, hanging) = hanging();
    let chat = chat_within(LONG, hanging, OnFailure::Refuse);
    assert_alone(&chat, || drop(release), Ok("late")).await;
}

#[test]
fn functions_that_hang_leave_threads_for_other_work() {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().max_blocking_threads(3).build().unwrap();
    runtime.block_on(async {
        let (release, hanging) = hanging();
        let chat = chat_by(hanging.at_once(2), OnFailure::Refuse);
        let alice = user("alice");
        let (slow, quick) = (room(&chat, &alice, &[]).await, room(&chat, &alice, &[]).await);
        let hung = join_all((0..10).map(|_| chat.send(&alice, slow, text("hang")).boxed())).await;
        assert!(hung.iter().all(|answer| *answer == Err(Error::Unavailable)), "{hung:?}");
        // Passwords are hashed there, too.
        in_time(tokio::task::spawn_blocking(|| ())).await.unwrap();
        // No call is free for another session. Its messages have the stated outcome.
        assert_eq!(chat.send(&alice, quick, text("fine")).await, Err(Error::Unavailable));
        drop(release);
        say(&chat, &alice, quick, "fine").await;
        assert_eq!(texts(&chat, &alice, slow).await, [""; 0]);
    });
}
