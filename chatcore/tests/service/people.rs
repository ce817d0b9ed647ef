//! Names and addresses.

use super::*;

fn with_email(name: &str) -> Principal {
    Principal { email: Some(format!("{name}@example.com")), ..user(name) }
}

#[tokio::test]
async fn addresses_are_shown_to_managers_and_oneself_when_asked_for() {
    let chat = Chat::in_memory();
    let [alice, bob, carol, dave] = ["alice", "bob", "carol", "dave"].map(with_email);
    let id = room(&chat, &alice, &[&bob, &carol, &dave]).await;
    chat.change_role(&alice, id, &bob.user_id, ADMIN).await.unwrap();
    chat.change_role(&alice, id, &dave.user_id, VIEWER).await.unwrap();
    let shown = async |who: &Principal, asked: bool| -> Vec<String> {
        let participants = chat.participants(who, id, Page::FIRST, asked).await.unwrap();
        participants.into_iter().filter_map(|one| one.profile.email).collect()
    };
    let all = ["alice", "bob", "carol", "dave"].map(|name| format!("{name}@example.com"));
    assert_eq!(shown(&alice, true).await, all);
    assert_eq!(shown(&bob, true).await, all);
    assert_eq!(shown(&carol, true).await, all[2..3]);
    assert_eq!(shown(&dave, true).await, all[3..4]);
    for who in [&alice, &bob, &carol, &dave] {
        assert!(shown(who, false).await.is_empty());
    }
    assert_eq!(chat.me(&carol).await.unwrap().email, Some(all[2].clone()));
    // Nowhere else.
    chat.leave(&dave, id).await.unwrap();
    let mut people = vec![chat.join(&dave, id).await.unwrap()];
    people.push(chat.change_role(&alice, id, &carol.user_id, VIEWER).await.unwrap());
    people.extend(chat.session(&alice, id).await.unwrap().participants);
    people.extend(chat.create_session(&alice, CreateSession::titled("Other")).await.unwrap().participants);
    chat.remove_participant(&alice, id, &carol.user_id).await.unwrap();
    people.push(chat.add_participant(&alice, id, add("carol", None)).await.unwrap());
    assert!(people.iter().all(|one| one.profile.email.is_none()), "{people:?}");
}

#[tokio::test]
async fn a_list_shows_no_addresses_of_owners() {
    let (chat, alice, bob) = (Chat::in_memory(), with_email("alice"), user("bob"));
    let open = room(&chat, &alice, &[]).await;
    let public = chat.public_sessions(&bob, Page::FIRST).await.unwrap();
    assert_eq!((public.sessions[0].session.id, &public.sessions[0].owner.email), (open, &None));
    chat.join(&bob, open).await.unwrap();
    assert_eq!(chat.sessions(&bob, Page::FIRST).await.unwrap()[0].owner.email, None);
    assert_eq!(chat.session(&bob, open).await.unwrap().summary.owner.email, None);
}

fn called(id: &str, name: &str, issued_at: i64) -> Principal {
    let issued_at = chrono::DateTime::from_timestamp(issued_at, 0).unwrap();
    Principal { issued_at, ..user(id).with_name(name) }
}

#[tokio::test]
async fn a_rename_shows_everywhere() {
    let (chat, bob) = (Chat::in_memory(), user("bob"));
    let alice = called("alice", "Alice", 100);
    let id = room(&chat, &alice, &[&bob]).await;
    let message = say(&chat, &alice, id, "hello").await;
    chat.me(&called("alice", "Alicia", 200)).await.unwrap();

    assert_eq!(chat.message(&bob, message.id).await.unwrap().sender.name, "Alicia");
    let details = chat.session(&bob, id).await.unwrap();
    assert_eq!(details.summary.owner.name, "Alicia");
    assert_eq!(
        (details.messages[0].sender.name.as_str(), details.participants[0].profile.name.as_str()),
        ("Alicia", "Alicia")
    );
    assert_eq!(chat.sessions(&bob, Page::FIRST).await.unwrap()[0].owner.name, "Alicia");
    assert_eq!(chat.participants(&bob, id, Page::FIRST, false).await.unwrap()[0].profile.name, "Alicia");
    assert_eq!(chat.events(&bob, id, 0, None).await.unwrap().events[2].actor.name, "Alicia");
    let mut events = chat.subscribe(&bob, id, Some(0)).await.unwrap();
    assert_eq!(kit::next(&mut events).await.actor.name, "Alicia");
}

#[tokio::test]
async fn older_claims_never_replace_newer_ones() {
    let chat = Chat::in_memory();
    let name = async |principal: Principal| chat.me(&principal).await.unwrap().name;
    assert_eq!(name(called("alice", "Second", 200)).await, "Second");
    assert_eq!(name(called("alice", "First", 100)).await, "Second");
    assert_eq!(name(called("alice", "First", 200)).await, "Second", "as old is not newer");
    assert_eq!(name(called("alice", "Third", 300)).await, "Third");
    assert_eq!(name(called("alice", "Second", 200)).await, "Third");
    assert_eq!(name(called("alice", "Third", 300)).await, "Third");
    // What a newer token confirms, an older one cannot change.
    assert_eq!(name(called("alice", "Third", 500)).await, "Third");
    assert_eq!(name(called("alice", "In between", 400)).await, "Third");
    assert_eq!(name(called("alice", "Third", 300)).await, "Third");
    assert_eq!(name(called("alice", "In between", 400)).await, "Third");
    assert_eq!(name(called("alice", "Last", 600)).await, "Last");
}

#[tokio::test]
async fn names_fall_back_to_handles_and_ids_and_are_bounded() {
    let chat = Chat::builder(MemoryStore::new()).limits(Limits { profile_chars: 10, ..Limits::default() }).build();
    let profile = chat.me(&user("alice")).await.unwrap();
    assert_eq!((profile.username.as_str(), profile.name.as_str()), ("alice", "alice"));
    let bob = Principal { username: Some("  bobby  ".to_owned()), name: Some(" \n ".to_owned()), ..user("bob") };
    let profile = chat.me(&bob).await.unwrap();
    assert_eq!((profile.username.as_str(), profile.name.as_str()), ("bobby", "bobby"));
    let carol = user("carol").with_name(format!("\u{1b}[31m{}", "ü".repeat(20)));
    assert_eq!(chat.me(&carol).await.unwrap().name, "[31müüüüüü");
}
