//! One participant, and where in the log an admission stands.

use chatcore::{Clock as _, chat::Start, model::Stay};

use super::*;

#[tokio::test]
async fn an_admission_says_where_its_event_stands() {
    let (chat, alice, bob) = (Chat::in_memory(), user("alice"), user("bob"));
    chat.me(&user("carol")).await.unwrap();
    let id = room(&chat, &alice, &[]).await;
    let joined = chat.join(&bob, id).await.unwrap();
    let added = chat.add_participant(&alice, id, add("carol", None)).await.unwrap();
    say(&chat, &alice, id, "after that").await;

    let events = chat.events(&alice, id, 0, None).await.unwrap().events;
    for (admission, n, name) in [(joined, 1, "bob"), (added, 2, "carol")] {
        assert_eq!(admission.cursor, events[n].event.cursor(), "{name}");
        assert_eq!(admission.participant.profile.user_id, user_id(name));
        let mut stream = chat.subscribe(&alice, id, Start::After(admission.cursor)).await.unwrap();
        assert_eq!(kit::next(&mut stream).await.event.seq, events[n].event.seq + 1, "{name}");
    }
}

#[tokio::test]
async fn a_participant_can_be_read_alone() {
    let (chat, alice) = (Chat::in_memory(), user("alice"));
    let bob = Principal { email: Some("bob@example.com".to_owned()), ..user("bob").with_name("Bob") };
    let id = room(&chat, &alice, &[&bob, &user("carol")]).await;
    let list = chat.participants(&alice, id, Page::FIRST, true).await.unwrap();
    for listed in list.iter() {
        let one = chat.participant(&alice, id, &listed.profile.user_id, true).await.unwrap();
        assert_eq!(one, *listed);
    }
    // Addresses are for the same readers as in the list.
    let email = |reader: &'static str, asks| {
        let (chat, reader) = (chat.clone(), user(reader));
        async move { chat.participant(&reader, id, &user_id("bob"), asks).await.unwrap().profile.email }
    };
    assert_eq!(email("alice", true).await.as_deref(), Some("bob@example.com"));
    assert_eq!(email("bob", true).await.as_deref(), Some("bob@example.com"));
    assert_eq!(email("alice", false).await, None);
    assert_eq!(email("carol", true).await, None);
    // A user who left is shown as such.
    chat.leave(&bob, id).await.unwrap();
    let left = chat.participant(&alice, id, &bob.user_id, false).await.unwrap();
    assert_eq!((left.is_active, left.role, left.profile.name.as_str()), (false, MEMBER, "Bob"));
}

#[tokio::test]
async fn a_participant_is_for_readers_of_the_session() {
    let (chat, alice, eve) = (Chat::in_memory(), user("alice"), user("eve"));
    chat.me(&eve).await.unwrap();
    let (open, hidden) =
        (room(&chat, &alice, &[&user("bob")]).await, session(&chat, &alice, SessionType::InviteOnly).await);
    for never in ["eve", "nobody"] {
        let refused = chat.participant(&alice, open, &user_id(never), true).await;
        assert_denied(refused, Denial::TargetNotParticipant);
    }
    assert_denied(chat.participant(&eve, open, &alice.user_id, true).await, Denial::NotParticipant);
    for name in ["alice", "nobody"] {
        assert_denied(chat.participant(&eve, hidden, &user_id(name), true).await, Denial::Hidden);
    }
    assert_denied(chat.participant(&eve, open, &eve.user_id, true).await, Denial::NotParticipant);
}

#[tokio::test]
async fn a_session_and_the_lists_show_each_reader_the_own_role_and_the_time_of_the_stay() {
    let clock = TestClock::default();
    let chat = Chat::builder(MemoryStore::new()).clock(clock.clone()).rates(RateLimits::off()).build();
    let (alice, bob) = (user("alice"), user("bob"));
    let start = clock.now();
    let made = chat.create_session(&alice, CreateSession::titled("Ours").of_type(SessionType::Public)).await.unwrap();
    let (id, second) = (id_of(&made), TimeDelta::seconds(1));
    let shown = async |who: &Principal| {
        let details = chat.session(who, id).await.unwrap().stay;
        let listed = chat.sessions(who, Page::FIRST).await.unwrap().entries.remove(0).overview.unwrap().stay;
        let by_id = chat.overviews_by_id(who, &[id]).await.unwrap().remove(0).unwrap().unwrap().stay;
        assert_eq!([listed, by_id], [details; 2]);
        details
    };
    clock.advance(second);
    chat.join(&bob, id).await.unwrap();
    assert_eq!(shown(&bob).await, Stay { role: MEMBER, joined_at: start + second });
    chat.change_role(&alice, id, &bob.user_id, ADMIN).await.unwrap();
    assert_eq!(shown(&bob).await, Stay { role: ADMIN, joined_at: start + second });
    // Another stay has another time.
    chat.leave(&bob, id).await.unwrap();
    clock.advance(second);
    chat.join(&bob, id).await.unwrap();
    assert_eq!(shown(&bob).await, Stay { role: MEMBER, joined_at: start + second * 2 });
    // The owner's stay is the same as at the start.
    let own = Stay { role: OWNER, joined_at: start };
    assert_eq!((made.stay, shown(&alice).await), (own, own));
    // Where nobody stays, no stay is shown.
    let public = chat.public_sessions(&user("carol"), Page::FIRST).await.unwrap().sessions;
    assert_eq!(public.iter().map(|one| one.overview.is_none()).collect::<Vec<_>>(), [true]);
}
