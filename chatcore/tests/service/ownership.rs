//! The transfer of a session to another owner.

use chatcore::{chat::SanctionUser, model::Event, store::LogRange};

use super::*;

async fn give(chat: &Chat, by: &Principal, id: SessionId, to: &str) -> Result<ParticipantRole, Error> {
    chat.transfer_ownership(by, id, &user_id(to)).await.map(|owner| owner.role)
}

#[tokio::test]
async fn the_owner_gives_the_session_away_and_can_leave() {
    let (chat, alice, bob) = (Chat::in_memory(), user("alice"), user("bob").with_name("Bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    assert_denied(chat.leave(&alice, id).await, Denial::OwnerCannotLeave);
    chat.mute_participant(&alice, id, &bob.user_id, SanctionUser::ENDLESS).await.unwrap();
    assert_eq!(give(&chat, &alice, id, "bob").await, Ok(OWNER));
    let shown = chat.session(&bob, id).await.unwrap();
    assert_eq!((shown.summary.session.owner.as_str(), shown.summary.owner.name.as_str()), ("bob", "Bob"));
    assert_eq!(roles(&chat, &bob, id).await, [("alice".to_owned(), ADMIN), ("bob".to_owned(), OWNER)]);
    let page = chat.events(&bob, id, 3, None).await.unwrap();
    let told = ParticipantEvent::OwnerChanged { user_id: user_id("bob"), previous: MEMBER };
    assert_eq!(page.events[0].event.kind, EventKind::Participant(told));
    assert_eq!(page.events.len(), 1, "one commit, one event");
    say(&chat, &bob, id, "the mute is over").await;
    assert_denied(give(&chat, &alice, id, "alice").await, Denial::OwnerRequired);
    chat.leave(&alice, id).await.unwrap();
    assert_denied(chat.leave(&bob, id).await, Denial::OwnerCannotLeave);
    assert_eq!(chat.join(&alice, id).await.unwrap().participant.role, MEMBER);
}

#[tokio::test]
async fn only_the_owner_gives_it_and_only_to_who_is_in() {
    let (chat, alice, bob, carol) = (Chat::in_memory(), user("alice"), user("bob"), user("carol"));
    let id = room(&chat, &alice, &[&bob, &carol]).await;
    chat.change_role(&alice, id, &bob.user_id, ADMIN).await.unwrap();
    for by in [&bob, &carol] {
        assert_denied(give(&chat, by, id, "bob").await, Denial::OwnerRequired);
    }
    assert_denied(give(&chat, &alice, id, "alice").await, Denial::OwnerProtected);
    chat.leave(&carol, id).await.unwrap();
    for name in ["carol", "dave", "nobody"] {
        assert_denied(give(&chat, &alice, id, name).await, Denial::TargetNotParticipant);
    }
    chat.ban_participant(&alice, id, &carol.user_id, SanctionUser::ENDLESS).await.unwrap();
    assert_denied(give(&chat, &alice, id, "carol").await, Denial::TargetNotParticipant);
    let private = session(&chat, &alice, SessionType::Private).await;
    assert_denied(give(&chat, &alice, private, "bob").await, Denial::PrivateSession);
    assert_denied(give(&chat, &bob, private, "bob").await, Denial::Hidden);
    // Also a viewer: the owner could change the role first.
    chat.change_role(&alice, id, &bob.user_id, VIEWER).await.unwrap();
    assert_eq!(give(&chat, &alice, id, "bob").await, Ok(OWNER));
}

/// Follows the owners through a log, and gives them at its end.
fn owner_of(log: &[Arc<Event>]) -> String {
    let (mut people, mut owner) = (std::collections::BTreeSet::new(), String::new());
    for event in log {
        match &event.kind {
            EventKind::Session(SessionEvent::Created { .. }) => {
                owner = event.actor.to_string();
                people.insert(owner.clone());
            }
            EventKind::Participant(ParticipantEvent::Left) => assert!(people.remove(event.actor.as_str())),
            EventKind::Participant(
                ParticipantEvent::Removed { user_id, .. } | ParticipantEvent::Banned { user_id, .. },
            ) => {
                people.remove(user_id.as_str());
            }
            EventKind::Participant(ParticipantEvent::OwnerChanged { user_id, .. }) => {
                assert_eq!(owner, event.actor.as_str(), "only the owner gives it away");
                owner = user_id.to_string();
            }
            _ => people.extend(event.kind.admitted(&event.actor).map(ToString::to_string)),
        }
        assert!(people.contains(&owner), "no owner after {event:?}");
    }
    owner
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn there_is_one_owner_whoever_leaves_or_is_removed_at_that_moment() {
    // How often the user was the owner already, and how often the user went before.
    let (mut given, mut gone) = (0, 0);
    let mut round = 0;
    while round < 30 || given == 0 || gone == 0 {
        round += 1;
        assert!(round < 1_000, "one of the two always comes first: {given} and {gone}");
        let store = MemoryStore::new();
        let chats = [&store, &store].map(|store| Chat::builder(store.clone()).rates(RateLimits::off()).build());
        let (alice, bob, carol) = (user("alice"), user("bob"), user("carol"));
        let id = room(&chats[0], &alice, &[&bob, &carol]).await;
        chats[0].change_role(&alice, id, &carol.user_id, ADMIN).await.unwrap();
        let (chat, by) = (chats[0].clone(), alice.clone());
        let transfers = ["bob", "carol"].map(|to| {
            let (chat, by) = (chat.clone(), by.clone());
            tokio::spawn(async move { give(&chat, &by, id, to).await })
        });
        let (chat, who, admin) = (chats[1].clone(), bob.clone(), carol.clone());
        let going = tokio::spawn(async move {
            match round % 3 {
                0 => chat.leave(&who, id).await,
                1 => chat.remove_participant(&admin, id, &who.user_id).await,
                _ => chat.ban_participant(&admin, id, &who.user_id, SanctionUser::ENDLESS).await,
            }
        });
        let mut done = Vec::new();
        for transfer in transfers {
            done.push(transfer.await.unwrap());
        }
        assert!(done.iter().filter(|done| done.is_ok()).count() >= 1, "{done:?}");
        let went = going.await.unwrap();
        let range = LogRange { session_id: id, from: 1, to: 100 };
        let log = store.log(&[range]).await.unwrap().remove(0);
        let owner = owner_of(&log);
        let reader = user(&owner);
        for chat in &chats {
            let shown = chat.session(&reader, id).await.unwrap();
            let owners: Vec<_> = shown.participants.iter().filter(|one| one.role == OWNER).collect();
            assert_eq!(owners.len(), 1);
            assert_eq!((owners[0].profile.user_id.as_str(), shown.summary.session.owner.as_str()), (&*owner, &*owner));
        }
        match went {
            Ok(()) => gone += 1,
            Err(Error::Denied(Denial::OwnerCannotLeave | Denial::OwnerProtected)) => given += 1,
            Err(error) => panic!("{error:?}"),
        }
    }
}
