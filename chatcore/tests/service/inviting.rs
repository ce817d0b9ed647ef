//! How many users may be added at once.

use super::*;

/// Users who were seen before, by number.
async fn known(chat: &Chat, numbers: std::ops::Range<u32>) -> Vec<String> {
    let names: Vec<String> = numbers.map(|n| format!("user {n}")).collect();
    for name in &names {
        chat.me(&user(name)).await.unwrap();
    }
    names
}

/// An invite-only session with room for everybody.
async fn hall(chat: &Chat, owner: &Principal) -> SessionId {
    let new = CreateSession::titled("A hall").of_type(SessionType::InviteOnly);
    id_of(&chat.create_session(owner, CreateSession { max_participants: Some(10_000), ..new }).await.unwrap())
}

/// Seconds to wait, for a refusal of that kind.
#[track_caller]
fn wait<T: std::fmt::Debug>(result: Result<T, Error>) -> u64 {
    match result.unwrap_err() {
        Error::RateLimited { retry_after } => retry_after,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn by_default_one_inviter_cannot_add_a_crowd_at_once() {
    let (chat, mallory) = (Chat::in_memory(), user("mallory"));
    let id = hall(&chat, &mallory).await;
    let names = known(&chat, 0..400).await;
    let mut added = 0;
    let refusal = loop {
        match chat.add_participant(&mallory, id, add(&names[added], None)).await {
            Ok(_) => added += 1,
            Err(error) => break error,
        }
        assert!(added < names.len(), "one inviter added {added} users without a pause");
    };
    assert!(added >= 200, "only {added} users");
    assert!(wait::<()>(Err(refusal.clone())) >= 1);
    assert_eq!((refusal.code().status(), refusal.code().as_str()), (429, "RATE_LIMIT_EXCEEDED"));
    let session = chat.session(&mallory, id).await.unwrap();
    assert_eq!((session.summary.session.participant_count as usize, session.seq as usize), (added + 1, added + 1));
}

#[tokio::test]
async fn by_default_one_inviter_cannot_add_a_user_to_session_after_session() {
    let (chat, mallory) = (Chat::in_memory(), user("mallory"));
    known(&chat, 0..2).await;
    let mut added = 0;
    loop {
        let id = hall(&chat, &mallory).await;
        match chat.add_participant(&mallory, id, add("user 0", None)).await {
            Ok(_) => added += 1,
            Err(error) => break assert!(wait::<()>(Err(error)) >= 1),
        }
        assert!(added < 200, "one inviter added a user to {added} sessions without a pause");
    }
    assert!(added >= 50, "only {added} sessions");
    // Another inviter is not locked out, and neither is another user.
    let alice = user("alice");
    chat.add_participant(&alice, hall(&chat, &alice).await, add("user 0", None)).await.unwrap();
    chat.add_participant(&mallory, hall(&chat, &mallory).await, add("user 1", None)).await.unwrap();
}

/// A chat whose clock stands still, with these limits on adding: per inviter, per invited user, per pair. One more is allowed
/// after an hour.
fn limited(rates: [Option<u32>; 3]) -> (Chat, TestClock) {
    let [adds_per_inviter, adds_per_invited, adds_per_pair] =
        rates.map(|at_once| at_once.map(|at_once| Rate::new(at_once, std::time::Duration::from_secs(3_600))));
    let limits = Limits { adds_per_inviter, adds_per_invited, adds_per_pair, ..Limits::default() };
    let clock = TestClock::default();
    (Chat::builder(MemoryStore::new()).rates(RateLimits::off()).limits(limits).clock(clock.clone()).build(), clock)
}

#[tokio::test]
async fn only_adds_that_succeed_are_charged_and_a_refused_one_changes_nothing() {
    let (chat, clock) = limited([Some(2), None, None]);
    let alice = user("alice");
    known(&chat, 0..5).await;
    let (id, private) = (hall(&chat, &alice).await, session(&chat, &alice, SessionType::Private).await);
    chat.add_participant(&alice, id, add("user 0", None)).await.unwrap();
    for _ in 0..5 {
        assert_denied(chat.add_participant(&alice, id, add("user 0", None)).await, Denial::AlreadyParticipant);
        assert_denied(chat.add_participant(&alice, id, add("user 1", Some(OWNER))).await, Denial::OwnerProtected);
        assert_denied(chat.add_participant(&alice, private, add("user 1", None)).await, Denial::PrivateSession);
        assert_denied(chat.add_participant(&user("user 0"), id, add("user 1", None)).await, Denial::RoleInsufficient);
    }
    chat.add_participant(&alice, id, add("user 1", None)).await.unwrap();
    let before = chat.session(&alice, id).await.unwrap();
    clock.advance(TimeDelta::seconds(600));
    assert_eq!(wait(chat.add_participant(&alice, id, add("user 2", None)).await), 3_000);
    assert_eq!(chat.session(&alice, id).await.unwrap(), before);
    assert!(chat.sessions(&user("user 2"), Page::FIRST).await.unwrap().is_empty());
    // What is denied is denied as before.
    assert_denied(chat.add_participant(&alice, id, add("user 0", None)).await, Denial::AlreadyParticipant);
    // Other users may still add, and one more comes back with time.
    chat.change_role(&alice, id, &user_id("user 0"), ADMIN).await.unwrap();
    chat.add_participant(&user("user 0"), id, add("user 2", None)).await.unwrap();
    clock.advance(TimeDelta::seconds(3_000));
    chat.add_participant(&alice, id, add("user 3", None)).await.unwrap();
    assert_eq!(wait(chat.add_participant(&alice, id, add("user 4", None)).await), 3_600);
}

#[tokio::test]
async fn a_user_is_added_only_so_often_whoever_does_it() {
    let (chat, clock) = limited([Some(2), Some(2), None]);
    let managers = ["alice", "bob", "carol"].map(user);
    known(&chat, 0..2).await;
    let mut halls = Vec::new();
    for manager in &managers {
        halls.push(hall(&chat, manager).await);
    }
    for (manager, id) in managers.iter().zip(&halls).take(2) {
        chat.add_participant(manager, *id, add("user 0", None)).await.unwrap();
    }
    let [_, _, carol] = &managers;
    for _ in 0..5 {
        assert_eq!(wait(chat.add_participant(carol, halls[2], add("user 0", None)).await), 3_600);
    }
    // Carol was charged nothing, and the user still joins.
    let next = hall(&chat, carol).await;
    chat.add_participant(carol, halls[2], add("user 1", None)).await.unwrap();
    chat.add_participant(carol, next, add("user 1", None)).await.unwrap();
    let open = room(&chat, carol, &[&user("user 0")]).await;
    assert_eq!(role_of(&chat, carol, open, "user 0").await, Some(MEMBER));
    // Coming back by being added counts, too.
    clock.advance(TimeDelta::seconds(3_600));
    chat.remove_participant(&managers[0], halls[0], &user_id("user 0")).await.unwrap();
    chat.add_participant(&managers[0], halls[0], add("user 0", None)).await.unwrap();
    chat.leave(&user("user 0"), halls[0]).await.unwrap();
    assert_eq!(wait(chat.add_participant(carol, next, add("user 0", None)).await), 3_600);
}

#[tokio::test]
async fn one_inviter_leaves_some_of_a_users_allowance_to_others() {
    let (chat, _) = limited([None, Some(3), Some(2)]);
    let (mallory, alice) = (user("mallory"), user("alice"));
    known(&chat, 0..1).await;
    for _ in 0..2 {
        let id = hall(&chat, &mallory).await;
        chat.add_participant(&mallory, id, add("user 0", None)).await.unwrap();
    }
    for _ in 0..5 {
        wait(chat.add_participant(&mallory, hall(&chat, &mallory).await, add("user 0", None)).await);
    }
    chat.add_participant(&alice, hall(&chat, &alice).await, add("user 0", None)).await.unwrap();
}

#[tokio::test]
async fn ids_cannot_be_tried_without_end() {
    let (chat, _) = limited([Some(3), None, None]);
    let mallory = user("mallory");
    known(&chat, 0..1).await;
    let id = hall(&chat, &mallory).await;
    for n in 0..3 {
        let unknown = chat.add_participant(&mallory, id, add(&format!("nobody {n}"), None)).await;
        assert_eq!(unknown.unwrap_err(), Error::UserNotFound);
    }
    // From now on a user and nobody look the same.
    for name in ["nobody", "user 0"] {
        assert_eq!(wait(chat.add_participant(&mallory, id, add(name, None)).await), 3_600);
    }
}

#[tokio::test]
async fn a_limit_tells_nothing_of_a_hidden_session() {
    let (chat, _) = limited([Some(0), None, None]);
    let (alice, mallory) = (user("alice"), user("mallory"));
    let id = hall(&chat, &alice).await;
    chat.me(&mallory).await.unwrap();
    let never = SessionId(uuid::Uuid::nil());
    for id in [id, never] {
        assert_denied(chat.add_participant(&mallory, id, add("alice", None)).await, Denial::Hidden);
    }
    assert_denied(
        chat.add_participant(&mallory, room(&chat, &alice, &[]).await, add("alice", None)).await,
        Denial::NotParticipant,
    );
    assert!(wait(chat.add_participant(&alice, id, add("mallory", None)).await) >= 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_adds_of_one_user_at_once_one_is_charged() {
    let (chat, _) = limited([Some(2), Some(2), Some(2)]);
    let alice = user("alice");
    known(&chat, 0..2).await;
    let id = hall(&chat, &alice).await;
    let tries: Vec<_> = (0..50)
        .map(|_| {
            let (chat, alice) = (chat.clone(), alice.clone());
            tokio::spawn(async move { chat.add_participant(&alice, id, add("user 0", None)).await })
        })
        .collect();
    let mut added = 0;
    for one in tries {
        match one.await.unwrap() {
            Ok(_) => added += 1,
            Err(error) => assert_eq!(error, Error::Denied(Denial::AlreadyParticipant)),
        }
    }
    assert_eq!(added, 1);
    chat.add_participant(&alice, id, add("user 1", None)).await.unwrap();
}

#[tokio::test]
async fn each_limit_can_be_switched_off() {
    let (chat, _) = limited([None; 3]);
    let alice = user("alice");
    known(&chat, 0..1).await;
    let id = hall(&chat, &alice).await;
    for _ in 0..400 {
        chat.add_participant(&alice, id, add("user 0", None)).await.unwrap();
        chat.remove_participant(&alice, id, &user_id("user 0")).await.unwrap();
    }
}
