//! Coming in and going.

use super::*;

#[tokio::test]
async fn joining_makes_a_member() {
    let (chat, alice, bob) = (Chat::in_memory(), user("alice"), user("bob").with_name("Bob"));
    let id = session(&chat, &alice, SessionType::Public).await;
    let joined = chat.join(&bob, id).await.unwrap().participant;
    assert_eq!((joined.session_id, joined.role, joined.is_active), (id, MEMBER, true));
    assert_eq!((joined.profile.user_id.as_str(), joined.profile.name.as_str()), ("bob", "Bob"));
    assert_eq!(joined.joined_at, joined.created_at);
    let details = chat.session(&bob, id).await.unwrap();
    assert_eq!((details.summary.session.participant_count, details.seq), (2, 2));
    assert_eq!(details.participants[1], joined);
    assert_eq!(chat.sessions(&bob, Page::FIRST).await.unwrap()[0].session.id, id);
}

#[tokio::test]
async fn joining_twice_is_refused() {
    let (chat, alice, bob) = (Chat::in_memory(), user("alice"), user("bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    for who in [&alice, &bob] {
        assert_denied(chat.join(who, id).await, Denial::AlreadyParticipant);
    }
    assert_eq!(head(&chat, &alice, id).await, 2);
}

#[tokio::test]
async fn a_full_session_takes_nobody_until_somebody_goes() {
    let (chat, alice, bob, carol) = (Chat::in_memory(), user("alice"), user("bob"), user("carol"));
    chat.me(&carol).await.unwrap();
    let id = room(&chat, &alice, &[&bob]).await;
    chat.update_session(&alice, id, to_cap(2)).await.unwrap();
    assert_denied(chat.join(&carol, id).await, Denial::Full);
    assert_denied(chat.add_participant(&alice, id, add("carol", None)).await, Denial::Full);
    assert_denied(chat.join(&bob, id).await, Denial::AlreadyParticipant);
    chat.leave(&bob, id).await.unwrap();
    assert!(chat.join(&carol, id).await.is_ok());
    assert_denied(chat.join(&bob, id).await, Denial::Full);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_last_seat_is_given_once() {
    for _ in 0..20 {
        let (chat, alice) = (Chat::in_memory(), user("alice"));
        let new = CreateSession { max_participants: Some(4), ..CreateSession::titled("Small") };
        let id = id_of(&chat.create_session(&alice, new.of_type(SessionType::Public)).await.unwrap());
        let joins: Vec<_> = (0..10)
            .map(|n| {
                let chat = chat.clone();
                tokio::spawn(async move { chat.join(&user(&n.to_string()), id).await })
            })
            .collect();
        let mut seated = 0;
        for join in joins {
            match join.await.unwrap() {
                Ok(_) => seated += 1,
                Err(error) => assert_eq!(error, Error::Denied(Denial::Full)),
            }
        }
        assert_eq!((seated, roles(&chat, &alice, id).await.len()), (3, 4));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn joining_in_parallel_seats_one_person_once() {
    let (chat, alice, bob) = (Chat::in_memory(), user("alice"), user("bob"));
    let id = room(&chat, &alice, &[]).await;
    let joins: Vec<_> = (0..10)
        .map(|_| {
            let (chat, bob) = (chat.clone(), bob.clone());
            tokio::spawn(async move { chat.join(&bob, id).await })
        })
        .collect();
    let mut seated = 0;
    for join in joins {
        match join.await.unwrap() {
            Ok(_) => seated += 1,
            Err(error) => assert_eq!(error, Error::Denied(Denial::AlreadyParticipant)),
        }
    }
    assert_eq!((seated, chat.session(&alice, id).await.unwrap().summary.session.participant_count), (1, 2));
}

#[tokio::test]
async fn who_comes_back_gets_the_lower_of_member_and_what_they_were() {
    let (chat, alice, bob) = (Chat::in_memory(), user("alice"), user("bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    let first = chat.participants(&alice, id, Page::FIRST, false).await.unwrap()[1].clone();
    for (last, back) in [(ADMIN, MEMBER), (MEMBER, MEMBER), (VIEWER, VIEWER)] {
        for removed in [false, true] {
            chat.change_role(&alice, id, &bob.user_id, last).await.unwrap();
            if removed {
                chat.remove_participant(&alice, id, &bob.user_id).await.unwrap();
            } else {
                chat.leave(&bob, id).await.unwrap();
            }
            assert_eq!(role_of(&chat, &alice, id, "bob").await, None);
            let again = chat.join(&bob, id).await.unwrap().participant;
            assert_eq!(again.role, back, "was {last}");
            assert!(again.id > first.id, "a new stay");
            assert_eq!(again.created_at, first.created_at, "of the same person");
        }
    }
}

#[tokio::test]
async fn who_is_invited_back_gets_what_the_invitation_says() {
    let (chat, alice, bob) = (Chat::in_memory(), user("alice"), user("bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    chat.change_role(&alice, id, &bob.user_id, VIEWER).await.unwrap();
    chat.leave(&bob, id).await.unwrap();
    assert_eq!(chat.add_participant(&alice, id, add("bob", Some(ADMIN))).await.unwrap().participant.role, ADMIN);
}

#[tokio::test]
async fn only_a_public_session_can_be_joined() {
    let (chat, alice, bob) = (Chat::in_memory(), user("alice"), user("bob"));
    for session_type in [SessionType::Private, SessionType::InviteOnly] {
        let id = session(&chat, &alice, session_type).await;
        assert_denied(chat.join(&bob, id).await, Denial::Hidden);
    }
    let id = room(&chat, &alice, &[&bob]).await;
    chat.leave(&bob, id).await.unwrap();
    chat.update_session(&alice, id, to_type(SessionType::InviteOnly)).await.unwrap();
    assert_denied(chat.join(&bob, id).await, Denial::Hidden);
    chat.update_session(&alice, id, to_type(SessionType::Public)).await.unwrap();
    chat.delete_session(&alice, id).await.unwrap();
    assert_denied(chat.join(&bob, id).await, Denial::Hidden);
}

#[tokio::test]
async fn the_owner_cannot_leave_and_the_others_can() {
    let (chat, alice, bob, carol) = (Chat::in_memory(), user("alice"), user("bob"), user("carol"));
    let id = room(&chat, &alice, &[&bob]).await;
    assert_denied(chat.leave(&alice, id).await, Denial::OwnerCannotLeave);
    assert_denied(chat.leave(&carol, id).await, Denial::NotParticipant);
    for role in [ADMIN, MEMBER, VIEWER] {
        chat.change_role(&alice, id, &bob.user_id, role).await.unwrap();
        chat.leave(&bob, id).await.unwrap();
        assert_denied(chat.leave(&bob, id).await, Denial::NotParticipant);
        chat.add_participant(&alice, id, add("bob", None)).await.unwrap();
    }
}
