//! Bringing people in, changing what they are, taking them out.

use super::*;

#[tokio::test]
async fn owners_and_admins_bring_people_in() {
    let (chat, alice, bob) = (Chat::in_memory(), user("alice"), user("bob"));
    let id = session(&chat, &alice, SessionType::InviteOnly).await;
    chat.me(&bob).await.unwrap();
    let added = chat.add_participant(&alice, id, add("bob", None)).await.unwrap().participant;
    assert_eq!((added.role, added.is_active, added.profile.user_id.as_str()), (MEMBER, true, "bob"));
    chat.change_role(&alice, id, &bob.user_id, ADMIN).await.unwrap();
    for (name, role) in [("carol", ADMIN), ("dave", MEMBER), ("erin", VIEWER)] {
        chat.me(&user(name)).await.unwrap();
        assert_eq!(chat.add_participant(&bob, id, add(name, Some(role))).await.unwrap().participant.role, role);
    }
    let expected = [("alice", OWNER), ("bob", ADMIN), ("carol", ADMIN), ("dave", MEMBER), ("erin", VIEWER)];
    assert_eq!(roles(&chat, &alice, id).await, expected.map(|(name, role)| (name.to_owned(), role)));
    chat.me(&user("frank")).await.unwrap();
    for name in ["dave", "erin"] {
        let refused = chat.add_participant(&user(name), id, add("frank", None)).await;
        assert_denied(refused, Denial::RoleInsufficient);
    }
}

#[tokio::test]
async fn who_was_never_seen_cannot_be_brought_in() {
    let (chat, alice, bob) = (Chat::in_memory(), user("alice"), user("bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    assert_eq!(chat.add_participant(&alice, id, add("nobody", None)).await.unwrap_err(), Error::UserNotFound);
    // Who may not invite does not learn who is known.
    for name in ["nobody", "alice"] {
        assert_denied(chat.add_participant(&bob, id, add(name, None)).await, Denial::RoleInsufficient);
        assert_denied(chat.add_participant(&user("carol"), id, add(name, None)).await, Denial::NotParticipant);
    }
    assert_eq!(head(&chat, &alice, id).await, 2);
}

#[tokio::test]
async fn who_is_in_cannot_be_brought_in_again() {
    let (chat, alice, bob) = (Chat::in_memory(), user("alice"), user("bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    for name in ["alice", "bob"] {
        let refused = chat.add_participant(&alice, id, add(name, Some(ADMIN))).await;
        assert_denied(refused, Denial::AlreadyParticipant);
    }
    assert_eq!(role_of(&chat, &alice, id, "bob").await, Some(MEMBER));
}

#[tokio::test]
async fn nobody_is_made_an_owner() {
    let (chat, alice, bob, carol) = (Chat::in_memory(), user("alice"), user("bob"), user("carol"));
    chat.me(&carol).await.unwrap();
    let id = room(&chat, &alice, &[&bob]).await;
    chat.change_role(&alice, id, &bob.user_id, ADMIN).await.unwrap();
    for manager in [&alice, &bob] {
        let owner = Some(OWNER);
        assert_denied(chat.add_participant(manager, id, add("carol", owner)).await, Denial::OwnerProtected);
        assert_denied(chat.add_participant(manager, id, add("nobody", owner)).await, Denial::OwnerProtected);
        for target in [&alice.user_id, &bob.user_id] {
            assert_denied(chat.change_role(manager, id, target, OWNER).await, Denial::OwnerProtected);
        }
    }
}

#[tokio::test]
async fn the_owner_is_neither_changed_nor_removed() {
    let (chat, alice, bob) = (Chat::in_memory(), user("alice"), user("bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    chat.change_role(&alice, id, &bob.user_id, ADMIN).await.unwrap();
    for manager in [&alice, &bob] {
        for role in [ADMIN, MEMBER, VIEWER] {
            assert_denied(chat.change_role(manager, id, &alice.user_id, role).await, Denial::OwnerProtected);
        }
        assert_denied(chat.remove_participant(manager, id, &alice.user_id).await, Denial::OwnerProtected);
    }
    assert_eq!(role_of(&chat, &bob, id, "alice").await, Some(OWNER));
}

#[tokio::test]
async fn nobody_can_be_brought_into_a_private_session() {
    let (chat, alice, bob) = (Chat::in_memory(), user("alice"), user("bob"));
    chat.me(&bob).await.unwrap();
    let id = session(&chat, &alice, SessionType::Private).await;
    assert_denied(chat.add_participant(&alice, id, add("bob", None)).await, Denial::PrivateSession);
    chat.update_session(&alice, id, to_type(SessionType::InviteOnly)).await.unwrap();
    assert!(chat.add_participant(&alice, id, add("bob", None)).await.is_ok());
}

#[tokio::test]
async fn roles_change_and_the_same_role_changes_nothing() {
    let (chat, alice, bob) = (Chat::in_memory(), user("alice"), user("bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    for role in [ADMIN, VIEWER, MEMBER] {
        assert_eq!(chat.change_role(&alice, id, &bob.user_id, role).await.unwrap().role, role);
        let before = head(&chat, &alice, id).await;
        assert_eq!(chat.change_role(&alice, id, &bob.user_id, role).await.unwrap().role, role);
        assert_eq!(head(&chat, &alice, id).await, before);
    }
    let events = chat.events(&alice, id, 2, None).await.unwrap().events;
    let changes: Vec<_> = events
        .iter()
        .map(|view| match &view.event.kind {
            EventKind::Participant(ParticipantEvent::RoleChanged { previous, role, .. }) => (*previous, *role),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(changes, [(MEMBER, ADMIN), (ADMIN, VIEWER), (VIEWER, MEMBER)]);
}

#[tokio::test]
async fn an_admin_manages_admins_and_can_step_down() {
    let (chat, alice, bob, carol) = (Chat::in_memory(), user("alice"), user("bob"), user("carol"));
    let id = room(&chat, &alice, &[&bob, &carol]).await;
    for name in ["bob", "carol"] {
        chat.change_role(&alice, id, &user_id(name), ADMIN).await.unwrap();
    }
    assert_eq!(chat.change_role(&bob, id, &carol.user_id, VIEWER).await.unwrap().role, VIEWER);
    chat.remove_participant(&bob, id, &carol.user_id).await.unwrap();
    assert_eq!(chat.change_role(&bob, id, &bob.user_id, MEMBER).await.unwrap().role, MEMBER);
    assert_denied(chat.change_role(&bob, id, &bob.user_id, ADMIN).await, Denial::RoleInsufficient);
}

#[tokio::test]
async fn members_and_viewers_manage_nothing() {
    let (chat, alice, bob, carol) = (Chat::in_memory(), user("alice"), user("bob"), user("carol"));
    let id = room(&chat, &alice, &[&bob, &carol]).await;
    for role in [MEMBER, VIEWER] {
        chat.change_role(&alice, id, &bob.user_id, role).await.unwrap();
        let before = head(&chat, &alice, id).await;
        assert_denied(chat.change_role(&bob, id, &carol.user_id, VIEWER).await, Denial::RoleInsufficient);
        assert_denied(chat.change_role(&bob, id, &bob.user_id, ADMIN).await, Denial::RoleInsufficient);
        assert_denied(chat.remove_participant(&bob, id, &carol.user_id).await, Denial::RoleInsufficient);
        assert_denied(chat.remove_participant(&bob, id, &bob.user_id).await, Denial::RoleInsufficient);
        assert_denied(chat.update_session(&bob, id, titled("Mine")).await, Denial::RoleInsufficient);
        assert_denied(chat.delete_session(&bob, id).await, Denial::OwnerRequired);
        assert_eq!(head(&chat, &alice, id).await, before);
    }
    assert_denied(chat.send(&bob, id, SendMessage::text("hi")).await, Denial::RoleInsufficient);
    assert!(chat.messages(&bob, id, MessageWindow::Newest, None).await.is_ok(), "a viewer reads");
}

#[tokio::test]
async fn who_is_not_in_can_be_neither_changed_nor_removed() {
    let (chat, alice, bob) = (Chat::in_memory(), user("alice"), user("bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    chat.leave(&bob, id).await.unwrap();
    for target in ["bob", "nobody"].map(user_id) {
        assert_denied(chat.change_role(&alice, id, &target, ADMIN).await, Denial::TargetNotParticipant);
        assert_denied(chat.remove_participant(&alice, id, &target).await, Denial::TargetNotParticipant);
    }
}

#[tokio::test]
async fn the_removed_are_out_at_once() {
    let (chat, alice, bob) = (Chat::in_memory(), user("alice"), user("bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    let message = say(&chat, &bob, id, "mine").await;
    chat.remove_participant(&alice, id, &bob.user_id).await.unwrap();
    assert_denied(chat.send(&bob, id, SendMessage::text("hi")).await, Denial::NotParticipant);
    assert_denied(chat.session(&bob, id).await, Denial::NotParticipant);
    assert_denied(chat.message(&bob, message.id).await, Denial::NotParticipant);
    assert!(chat.sessions(&bob, Page::FIRST).await.unwrap().is_empty());
    assert_eq!(roles(&chat, &alice, id).await, [("alice".to_owned(), OWNER)]);
    assert_eq!(chat.session(&alice, id).await.unwrap().summary.session.participant_count, 1);
    assert_eq!(chat.message(&alice, message.id).await.unwrap(), message, "what they said stays");
}
