//! Direct sessions and groups, which are found by their users.

use chatcore::{
    chat::{BanAccount, CreateInvite, GROUP_USERS_MAX, Started},
    model::{SessionDetails, UserId},
    store::Sessions,
};

use super::*;
use crate::hooked::Hooked;

async fn seen(chat: &Chat, names: &[&str]) -> Vec<Principal> {
    let users: Vec<_> = names.iter().map(|name| user(name)).collect();
    for user in &users {
        chat.me(user).await.unwrap();
    }
    users
}

fn ids(names: &[&str]) -> Vec<UserId> {
    names.iter().map(|name| user_id(name)).collect()
}

async fn direct(chat: &Chat, who: &Principal, other: &str) -> SessionDetails {
    chat.start_direct(who, &user_id(other)).await.unwrap().session
}

#[tokio::test]
async fn a_pair_has_one_direct_session_whoever_starts_it() {
    let chat = Chat::in_memory();
    let users = seen(&chat, &["alice", "bob", "carol"]).await;
    let (alice, bob, carol) = (&users[0], &users[1], &users[2]);
    let Started { session, is_new } = chat.start_direct(alice, &bob.user_id).await.unwrap();
    let id = id_of(&session);
    assert!(is_new);
    assert_eq!(session.summary.session.session_type, SessionType::Direct);
    assert_eq!((session.summary.session.max_participants, session.summary.session.participant_count), (2, 2));
    assert_eq!(session.summary.session.needs, 1, "a process that knows no blocks must not decide about it");
    assert_eq!(roles(&chat, alice, id).await, [("alice".to_owned(), MEMBER), ("bob".to_owned(), MEMBER)]);
    for (who, other) in [(alice, "bob"), (bob, "alice")] {
        let again = chat.start_direct(who, &user_id(other)).await.unwrap();
        assert_eq!((id_of(&again.session), again.is_new, again.session.seq), (id, false, 2));
        assert_eq!(chat.sessions(who, Page::FIRST).await.unwrap()[0].session.id, id);
    }
    say(&chat, alice, id, "hello").await;
    say(&chat, bob, id, "hello").await;
    let other = direct(&chat, alice, "carol").await;
    assert_ne!(id_of(&other), id);
    assert_ne!(id_of(&direct(&chat, bob, "carol").await), id_of(&other));
    assert_denied(chat.session(carol, id).await, Denial::Hidden);
    assert_eq!(chat.public_sessions(carol, Page::FIRST).await.unwrap().total, 0);
}

#[tokio::test]
async fn nobody_else_comes_into_a_direct_session_and_nothing_of_it_changes() {
    let chat = Chat::in_memory();
    let users = seen(&chat, &["alice", "bob", "carol"]).await;
    let (alice, bob, carol) = (&users[0], &users[1], &users[2]);
    let id = id_of(&direct(&chat, alice, "bob").await);
    for who in [alice, bob] {
        let denied = Denial::RoleInsufficient;
        assert_denied(chat.add_participant(who, id, add("carol", None)).await, denied);
        assert_denied(chat.create_invite(who, id, CreateInvite::default()).await, denied);
        assert_denied(chat.change_role(who, id, &bob.user_id, ADMIN).await, denied);
        assert_denied(chat.remove_participant(who, id, &bob.user_id).await, denied);
        assert_denied(chat.update_session(who, id, titled("Ours")).await, denied);
        assert_denied(chat.update_session(who, id, to_type(SessionType::Public)).await, denied);
        assert_denied(chat.delete_session(who, id).await, Denial::OwnerRequired);
    }
    assert_denied(chat.join(carol, id).await, Denial::Hidden);
    assert_eq!(head(&chat, alice, id).await, 2);
    let new = CreateSession::titled("Mine").of_type(SessionType::Direct);
    assert_fault(chat.create_session(alice, new).await, "session_type", Code::ValidationInvalidValue);
    let group = session(&chat, alice, SessionType::InviteOnly).await;
    let to_direct = chat.update_session(alice, group, to_type(SessionType::Direct)).await;
    assert_fault(to_direct, "session_type", Code::ValidationInvalidValue);
}

#[tokio::test]
async fn a_direct_session_with_oneself_or_with_nobody_is_refused() {
    let chat = Chat::in_memory();
    let users = seen(&chat, &["alice", "bob"]).await;
    let (alice, bob) = (&users[0], &users[1]);
    assert_fault(chat.start_direct(alice, &alice.user_id).await, "user_id", Code::ValidationInvalidValue);
    assert_eq!(chat.start_direct(alice, &user_id("nobody")).await.unwrap_err(), Error::UserNotFound);
    let ban = BanAccount { reason: "spam".to_owned(), by: user_id("host"), until: None };
    chat.ban_account(&bob.user_id, ban).await.unwrap();
    assert_eq!(chat.start_direct(alice, &bob.user_id).await.unwrap_err(), Error::UserBanned);
    assert!(chat.sessions(alice, Page::FIRST).await.unwrap().is_empty());
    chat.unban_account(&bob.user_id).await.unwrap();
    assert!(chat.start_direct(alice, &bob.user_id).await.unwrap().is_new);
}

#[tokio::test]
async fn a_user_who_left_is_out_until_either_of_the_two_starts_it_again() {
    let chat = Chat::in_memory();
    let users = seen(&chat, &["alice", "bob"]).await;
    let (alice, bob) = (&users[0], &users[1]);
    let id = id_of(&direct(&chat, alice, "bob").await);
    for starter in [alice, bob] {
        let other = if starter.user_id == alice.user_id { "bob" } else { "alice" };
        chat.leave(bob, id).await.unwrap();
        assert!(chat.sessions(bob, Page::FIRST).await.unwrap().is_empty());
        assert_denied(chat.session(bob, id).await, Denial::Hidden);
        say(&chat, alice, id, "are you there?").await;
        let back = chat.start_direct(starter, &user_id(other)).await.unwrap();
        assert_eq!((id_of(&back.session), back.is_new), (id, false));
        assert_eq!(back.session.summary.session.participant_count, 2);
        assert_eq!(text_of(chat.session(bob, id).await.unwrap().messages.last().unwrap()), "are you there?");
        assert_eq!(role_of(&chat, alice, id, "bob").await, Some(MEMBER));
    }
}

#[tokio::test]
async fn starting_sessions_counts_as_adding_users() {
    let rate = Some(Rate::new(1, std::time::Duration::from_secs(3_600)));
    let limits = Limits { adds_per_inviter: rate, ..Limits::default() };
    let chat = Chat::builder(MemoryStore::new()).limits(limits).build();
    let users = seen(&chat, &["alice", "bob", "carol"]).await;
    let id = id_of(&direct(&chat, &users[0], "bob").await);
    let refused = chat.start_direct(&users[0], &user_id("carol")).await.unwrap_err();
    assert_eq!(refused.code(), Code::RateLimitExceeded);
    assert_eq!(id_of(&direct(&chat, &users[1], "alice").await), id);
}

#[tokio::test]
async fn a_start_that_is_refused_uses_no_allowance_up() {
    let rate = Some(Rate::new(1, std::time::Duration::from_secs(3_600)));
    let limits = Limits { adds_per_invited: rate, ..Limits::default() };
    let chat = Chat::builder(MemoryStore::new()).limits(limits).build();
    let users = seen(&chat, &["alice", "bob", "carol", "dave"]).await;
    let (alice, dave) = (&users[0], &users[3]);
    direct(&chat, dave, "carol").await;
    // Nobody may add carol again, so bob is not added either.
    let refused = chat.start_group(alice, &ids(&["bob", "carol"])).await.unwrap_err();
    assert_eq!(refused.code(), Code::RateLimitExceeded);
    direct(&chat, alice, "bob").await;
}

#[tokio::test]
async fn a_group_is_found_by_its_users_while_they_are_in_it() {
    let chat = Chat::in_memory();
    let users = seen(&chat, &["alice", "bob", "carol", "dave"]).await;
    let (alice, bob) = (&users[0], &users[1]);
    let Started { session, is_new } = chat.start_group(alice, &ids(&["bob", "carol"])).await.unwrap();
    let id = id_of(&session);
    assert!(is_new);
    assert_eq!(session.summary.session.session_type, SessionType::InviteOnly);
    let expected = [("alice", OWNER), ("bob", MEMBER), ("carol", MEMBER)].map(|(name, role)| (name.to_owned(), role));
    assert_eq!(roles(&chat, alice, id).await, expected);
    // Whoever starts it, in whatever order, and however often somebody is named.
    let same = chat.start_group(bob, &ids(&["carol", "alice", "carol", "bob"])).await.unwrap();
    assert_eq!((id_of(&same.session), same.is_new), (id, false));
    let other = chat.start_group(alice, &ids(&["bob", "carol", "dave"])).await.unwrap();
    assert!(other.is_new && id_of(&other.session) != id);

    chat.add_participant(alice, id, add("dave", None)).await.unwrap();
    let next = chat.start_group(bob, &ids(&["alice", "carol"])).await.unwrap();
    assert!(next.is_new && id_of(&next.session) != id);
    chat.leave(alice, id_of(&next.session)).await.unwrap();
    chat.remove_participant(alice, id, &user_id("dave")).await.unwrap();
    // The first one has exactly these users again.
    assert_eq!(id_of(&chat.start_group(alice, &ids(&["bob", "carol"])).await.unwrap().session), id);
    chat.delete_session(alice, id).await.unwrap();
    assert!(chat.start_group(alice, &ids(&["bob", "carol"])).await.unwrap().is_new);
}

#[tokio::test]
async fn a_block_during_a_start_stops_it() {
    let store = Hooked::default();
    let (chat, other) = (uncounted(store.clone()), uncounted(store.intact()));
    let users = seen(&chat, &["alice", "bob"]).await;
    let (alice, bob) = (users[0].clone(), users[1].clone());
    *store.commits_of.lock().unwrap() = Some(Sessions::TABLE.name);
    let blocked = alice.user_id.clone();
    store.before_commit.once(async move { other.block_user(&bob, &blocked).await.unwrap() });
    assert_eq!(chat.start_direct(&alice, &user_id("bob")).await.unwrap_err(), Error::DirectRefused);
    assert!(store.before_commit.is_done());
    assert!(chat.sessions(&alice, Page::FIRST).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_group_has_three_to_twenty_users_who_are_known() {
    let chat = uncounted(MemoryStore::new());
    let names: Vec<_> = (0..GROUP_USERS_MAX).map(|n| format!("u{n}")).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    seen(&chat, &names).await;
    let alice = user("alice");
    for few in [&[][..], &["u1"], &["u1", "alice", "u1"], &names] {
        let refused = chat.start_group(&alice, &ids(few)).await;
        assert_fault(refused, "user_ids", Code::ValidationInvalidValue);
    }
    assert_eq!(chat.start_group(&alice, &ids(&["u1", "nobody"])).await.unwrap_err(), Error::UserNotFound);
    let most = chat.start_group(&alice, &ids(&names[1..])).await.unwrap().session;
    assert_eq!(most.summary.session.participant_count as usize, GROUP_USERS_MAX);
}

#[tokio::test]
async fn a_group_is_within_the_limits_of_sessions_and_has_room_for_its_users() {
    let limits =
        Limits { max_participants: 10, default_participants: 4, rates: RateLimits::off(), ..Limits::default() };
    let chat = Chat::builder(MemoryStore::new()).limits(limits).build();
    let names: Vec<_> = (0..10).map(|n| format!("u{n}")).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    seen(&chat, &names).await;
    let alice = user("alice");
    let refused = chat.start_group(&alice, &ids(&names)).await;
    assert_fault(refused, "user_ids", Code::ValidationInvalidValue);
    // With the caller.
    for (others, cap) in [(9, 10), (4, 5), (3, 4), (2, 4)] {
        let started = chat.start_group(&alice, &ids(&names[..others])).await.unwrap().session;
        assert_eq!(started.summary.session.max_participants, cap, "{others}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whoever_starts_at_once_in_whatever_process_starts_one_session() {
    for round in 0..60 {
        let store = MemoryStore::new();
        let chats = [uncounted(store.clone()), uncounted(store)];
        let names = ["alice", "bob", "carol"];
        seen(&chats[0], &names).await;
        let is_group = round % 2 == 1;
        let starts: Vec<_> = (0..6)
            .map(|n: usize| {
                let (chat, caller) = (chats[n % 2].clone(), names[(n / 2) % if is_group { 3 } else { 2 }]);
                tokio::spawn(async move {
                    if is_group {
                        return chat.start_group(&user(caller), &ids(&names)).await.unwrap();
                    }
                    let other = if caller == "alice" { "bob" } else { "alice" };
                    chat.start_direct(&user(caller), &user_id(other)).await.unwrap()
                })
            })
            .collect();
        let mut started = Vec::new();
        for start in starts {
            started.push(start.await.unwrap());
        }
        let id = id_of(&started[0].session);
        assert!(started.iter().all(|one| id_of(&one.session) == id));
        assert_eq!(started.iter().filter(|one| one.is_new).count(), 1);
        let users = if is_group { 3 } else { 2 };
        assert_eq!(started[0].session.summary.session.participant_count, users);
        assert_eq!(head(&chats[1], &user("bob"), id).await, u64::from(users));
        assert_eq!(chats[0].sessions(&user("alice"), Page::FIRST).await.unwrap().len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_that_ended_after_its_reservation_is_gone_on_with() {
    let store = Breakable::default();
    let chat = uncounted(store.clone());
    let users = seen(&chat, &["alice", "bob"]).await;
    // The first commit reserves the id; the reads after it fail.
    store.reads_fail_after_commit.store(true, Ordering::SeqCst);
    assert_eq!(chat.start_direct(&users[0], &user_id("bob")).await.unwrap_err(), Error::Unavailable);
    store.reads_fail_after_commit.store(false, Ordering::SeqCst);
    store.reads_fail.store(false, Ordering::SeqCst);
    assert!(chat.sessions(&users[1], Page::FIRST).await.unwrap().is_empty());
    let started = uncounted(store.intact()).start_direct(&users[1], &user_id("alice")).await.unwrap();
    assert!(started.is_new);
    let again = chat.start_direct(&users[0], &user_id("bob")).await.unwrap();
    assert_eq!((id_of(&again.session), again.is_new), (id_of(&started.session), false));
}
