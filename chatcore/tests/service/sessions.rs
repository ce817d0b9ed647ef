//! Creating, updating and deleting sessions.

use super::*;

#[tokio::test]
async fn a_session_needs_only_a_title() {
    let clock = TestClock::default();
    let chat = Chat::builder(MemoryStore::new()).clock(clock.clone()).build();
    let alice = user("alice").with_name("Alice");
    let made = chat.create_session(&alice, CreateSession::titled("A title")).await.unwrap();
    let session = &made.summary.session;
    assert_eq!((session.title.as_str(), &session.description), ("A title", &None));
    assert_eq!((session.session_type, session.max_participants), (SessionType::Private, 100));
    assert_eq!((session.participant_count, session.is_active), (1, true));
    assert_eq!((session.owner.as_str(), made.summary.owner.name.as_str()), ("alice", "Alice"));
    assert_eq!((made.summary.message_count, made.seq), (0, 1));
    let now = chatcore::Clock::now(&clock);
    assert_eq!((session.created_at, session.updated_at), (now, now));
    let [owner] = &made.participants[..] else { panic!("{:?}", made.participants) };
    assert_eq!((owner.role, owner.is_active, owner.joined_at, owner.created_at), (OWNER, true, now, now));
    assert!(made.messages.is_empty());
    assert_eq!(chat.session(&alice, id_of(&made)).await.unwrap(), made, "what is answered is what is there");
}

#[tokio::test]
async fn settings_are_taken_as_given() {
    let (chat, alice) = (Chat::in_memory(), user("alice"));
    let new = CreateSession {
        title: "  spaces, <b>markup</b> and 🦀 stay ".to_owned(),
        description: Some("Lines\nand\ttabs".to_owned()),
        session_type: SessionType::InviteOnly,
        max_participants: Some(7),
        history_visibility: HistoryVisibility::All,
        metadata: None,
        receipts: true,
    };
    let made = chat.create_session(&alice, new.clone()).await.unwrap().summary.session;
    let taken = (made.title, made.description, made.session_type, Some(made.max_participants));
    assert_eq!(taken, (new.title, new.description, new.session_type, new.max_participants));
}

#[tokio::test]
async fn a_title_has_one_to_the_limit_of_characters() {
    let (chat, alice) = (Chat::in_memory(), user("alice"));
    let id = session(&chat, &alice, SessionType::Public).await;
    // Invisible characters stay where there is something to see, as in a flag, a family and a word of Persian.
    let joined =
        ["\u{1f3f4}\u{e0067}\u{e007f}", "👩\u{200d}👩\u{200d}👧", "\u{645}\u{6cc}\u{200c}\u{62e}", "\u{5e9}\u{200f}"];
    for good in ["x", &"ü".repeat(100)].into_iter().chain(joined) {
        assert!(chat.create_session(&alice, CreateSession::titled(good)).await.is_ok());
        assert!(chat.update_session(&alice, id, titled(good)).await.is_ok());
    }
    for (bad, code) in [
        ("", Code::ValidationRequiredField),
        ("   ", Code::ValidationRequiredField),
        ("\u{2003}\u{a0}", Code::ValidationRequiredField),
        ("\u{200b}", Code::ValidationRequiredField),
        ("\u{3164}", Code::ValidationRequiredField),
        ("\u{2800}", Code::ValidationRequiredField),
        ("\u{ad}", Code::ValidationRequiredField),
        (" \u{feff}\u{fe0f}\u{e0020}\u{115f}\u{200e} ", Code::ValidationRequiredField),
        ("\u{202e}live", Code::ValidationInvalidValue),
        ("\u{2066}isolated\u{2069}", Code::ValidationInvalidValue),
        ("two\u{2028}lines", Code::ValidationInvalidValue),
        (&"ü".repeat(101), Code::ValidationLengthExceeded),
        ("two\nlines", Code::ValidationInvalidValue),
        ("nul\0", Code::ValidationInvalidValue),
        ("escape\u{1b}[31m", Code::ValidationInvalidValue),
        ("c1 \u{85}", Code::ValidationInvalidValue),
    ] {
        assert_fault(chat.create_session(&alice, CreateSession::titled(bad)).await, "title", code);
        assert_fault(chat.update_session(&alice, id, titled(bad)).await, "title", code);
    }
}

#[tokio::test]
async fn descriptions_caps_and_types_have_limits() {
    let (chat, alice) = (Chat::in_memory(), user("alice"));
    let new = CreateSession::titled("A title");
    let described = |text: String| CreateSession { description: Some(text), ..new.clone() };
    assert!(chat.create_session(&alice, described("d".repeat(500))).await.is_ok());
    assert!(chat.create_session(&alice, described(String::new())).await.is_ok());
    let too_long = chat.create_session(&alice, described("d".repeat(501))).await;
    assert_fault(too_long, "description", Code::ValidationLengthExceeded);
    let control = chat.create_session(&alice, described("\u{8}".to_owned())).await;
    assert_fault(control, "description", Code::ValidationInvalidValue);

    let capped = |cap| CreateSession { max_participants: Some(cap), ..new.clone() };
    for good in [1, 10_000] {
        assert!(chat.create_session(&alice, capped(good)).await.is_ok());
    }
    for bad in [0, 10_001, u32::MAX] {
        assert_fault(chat.create_session(&alice, capped(bad)).await, "max_participants", Code::ValidationInvalidValue);
    }
    let direct = chat.create_session(&alice, new.clone().of_type(SessionType::Direct)).await;
    assert_fault(direct, "session_type", Code::ValidationInvalidValue);

    let id = session(&chat, &alice, SessionType::Public).await;
    let invalid = Code::ValidationInvalidValue;
    assert_fault(chat.update_session(&alice, id, to_cap(0)).await, "max_participants", invalid);
    assert_fault(chat.update_session(&alice, id, to_cap(10_001)).await, "max_participants", invalid);
    assert_fault(chat.update_session(&alice, id, to_type(SessionType::Direct)).await, "session_type", invalid);
    let description = Some(Some("d".repeat(501)));
    let too_long = chat.update_session(&alice, id, UpdateSession { description, ..UpdateSession::default() }).await;
    assert_fault(too_long, "description", Code::ValidationLengthExceeded);
    assert_eq!(head(&chat, &alice, id).await, 1, "what was refused changed nothing");
}

#[tokio::test]
async fn everything_that_is_wrong_is_told_at_once() {
    let (chat, alice) = (Chat::in_memory(), user("alice"));
    let all_wrong = CreateSession {
        title: String::new(),
        description: Some("d".repeat(501)),
        session_type: SessionType::Direct,
        max_participants: Some(0),
        history_visibility: HistoryVisibility::All,
        metadata: None,
        receipts: true,
    };
    let fields: Vec<String> =
        faults(chat.create_session(&alice, all_wrong).await).into_iter().map(|(field, _)| field).collect();
    assert_eq!(fields, ["title", "description", "session_type", "max_participants"]);
}

#[tokio::test]
async fn an_update_changes_what_it_names_and_nothing_else() {
    let clock = TestClock::default();
    let chat = Chat::builder(MemoryStore::new()).clock(clock.clone()).build();
    let alice = user("alice");
    let new = CreateSession {
        description: Some("About".to_owned()),
        max_participants: Some(9),
        ..CreateSession::titled("Before").of_type(SessionType::Public)
    };
    let before = chat.create_session(&alice, new).await.unwrap().summary.session;
    clock.advance(TimeDelta::minutes(1));
    let after = chat.update_session(&alice, before.id, titled("After")).await.unwrap().summary.session;
    assert_eq!(after.updated_at, before.updated_at + TimeDelta::minutes(1));
    let expected =
        chatcore::model::Session { title: "After".to_owned(), updated_at: after.updated_at, ..before.clone() };
    assert_eq!(after, expected);
    let no_description = UpdateSession { description: Some(None), ..UpdateSession::default() };
    let after = chat.update_session(&alice, before.id, no_description).await.unwrap().summary.session;
    assert_eq!((after.title.as_str(), after.description), ("After", None));
    let after = chat.update_session(&alice, before.id, to_type(SessionType::InviteOnly)).await.unwrap();
    assert_eq!(after.summary.session.session_type, SessionType::InviteOnly);
    let after = chat.update_session(&alice, before.id, to_cap(3)).await.unwrap();
    assert_eq!((after.summary.session.max_participants, after.seq), (3, 5));
}

#[tokio::test]
async fn an_update_that_changes_nothing_is_no_event() {
    let clock = TestClock::default();
    let chat = Chat::builder(MemoryStore::new()).clock(clock.clone()).build();
    let alice = user("alice");
    let before = chat.create_session(&alice, CreateSession::titled("Same")).await.unwrap();
    clock.advance(TimeDelta::minutes(1));
    for nothing in [UpdateSession::default(), titled("Same"), to_type(SessionType::Private), to_cap(100)] {
        assert_eq!(chat.update_session(&alice, id_of(&before), nothing).await.unwrap(), before);
    }
    // The event of a change names only what changed.
    let both = UpdateSession { title: Some("Same".to_owned()), ..to_cap(5) };
    chat.update_session(&alice, id_of(&before), both).await.unwrap();
    let events = chat.events(&alice, id_of(&before), 1, None).await.unwrap().events;
    assert_eq!(events[0].event.kind, EventKind::Session(SessionEvent::Updated { changes: to_cap(5) }));
}

#[tokio::test]
async fn a_session_with_others_in_it_cannot_become_private() {
    let (chat, alice, bob) = (Chat::in_memory(), user("alice"), user("bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    let before = head(&chat, &alice, id).await;
    let both = UpdateSession { title: Some("Mine".to_owned()), ..to_type(SessionType::Private) };
    assert_denied(chat.update_session(&alice, id, both).await, Denial::OthersPresent);
    assert_eq!(head(&chat, &alice, id).await, before, "all or nothing");
    chat.remove_participant(&alice, id, &bob.user_id).await.unwrap();
    let made = chat.update_session(&alice, id, to_type(SessionType::Private)).await.unwrap();
    assert_eq!(made.summary.session.session_type, SessionType::Private);
    assert_denied(chat.session(&bob, id).await, Denial::Hidden);
}

#[tokio::test]
async fn a_cap_cannot_go_below_the_head_count() {
    let (chat, alice, bob, carol) = (Chat::in_memory(), user("alice"), user("bob"), user("carol"));
    let id = room(&chat, &alice, &[&bob, &carol]).await;
    for cap in [1, 2] {
        assert_denied(chat.update_session(&alice, id, to_cap(cap)).await, Denial::CapBelowCount);
    }
    assert!(chat.update_session(&alice, id, to_cap(3)).await.is_ok());
    chat.leave(&bob, id).await.unwrap();
    assert!(chat.update_session(&alice, id, to_cap(2)).await.is_ok());
}

#[tokio::test]
async fn only_the_owner_deletes_and_then_it_is_gone_for_all() {
    let (chat, alice, bob) = (Chat::in_memory(), user("alice"), user("bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    chat.change_role(&alice, id, &bob.user_id, ADMIN).await.unwrap();
    assert_denied(chat.delete_session(&bob, id).await, Denial::OwnerRequired);
    assert_denied(chat.delete_session(&user("carol"), id).await, Denial::NotParticipant);
    chat.delete_session(&alice, id).await.unwrap();
    assert_denied(chat.delete_session(&alice, id).await, Denial::Hidden);
    for who in [&alice, &bob] {
        assert!(chat.sessions(who, Page::FIRST).await.unwrap().is_empty());
        assert_denied(chat.session(who, id).await, Denial::Hidden);
    }
    assert_eq!(chat.public_sessions(&user("carol"), Page::FIRST).await.unwrap().total, 0);
}

#[tokio::test]
async fn a_retried_creation_is_one_session() {
    let chat = Chat::in_memory();
    let (alice, bob, key) = (user("alice"), user("bob"), ClientId::new("k").unwrap());
    let new = || CreateSession { description: Some("About".to_owned()), ..CreateSession::titled("Once") };
    let first = chat.create_session_once(&alice, &key, new()).await.unwrap();
    assert_eq!(chat.create_session_once(&alice, &key, new()).await.unwrap(), first);
    // Settings that are given count as those by default.
    let spelt = CreateSession { max_participants: Some(100), ..new() };
    assert_eq!(chat.create_session_once(&alice, &key, spelt).await.unwrap(), first);
    for other in [
        CreateSession::titled("Once"),
        CreateSession { title: "Twice".to_owned(), ..new() },
        CreateSession { max_participants: Some(99), ..new() },
        new().of_type(SessionType::Public),
    ] {
        assert_eq!(chat.create_session_once(&alice, &key, other).await, Err(Error::ClientIdReused));
    }
    // What was changed since then is no other use, and is shown.
    chat.update_session(&alice, id_of(&first), titled("Renamed")).await.unwrap();
    let again = chat.create_session_once(&alice, &key, new()).await.unwrap();
    assert_eq!((id_of(&again), again.summary.session.title.as_str()), (id_of(&first), "Renamed"));
    // The id is one user's own, and another id is another session.
    let of_bob = chat.create_session_once(&bob, &key, new()).await.unwrap();
    let second = chat.create_session_once(&alice, &ClientId::new("l").unwrap(), new()).await.unwrap();
    assert!(id_of(&of_bob) != id_of(&first) && id_of(&second) != id_of(&first));
    let ids = |found: chatcore::model::ListPage<chatcore::model::SessionSummary, SessionId>| {
        found.into_iter().map(|found| found.session.id).collect::<Vec<_>>()
    };
    assert_eq!(ids(chat.sessions(&alice, Page::FIRST).await.unwrap()), [id_of(&second), id_of(&first)]);
    // What is gone is not made again.
    chat.delete_session(&alice, id_of(&first)).await.unwrap();
    let gone = chat.create_session_once(&alice, &key, new()).await;
    assert_eq!(gone, Err(Error::Denied(Denial::Hidden)));
}

#[tokio::test]
async fn a_refused_creation_uses_no_client_id_up() {
    let (chat, alice, key) = (Chat::in_memory(), user("alice"), ClientId::new("k").unwrap());
    let refused = chat.create_session_once(&alice, &key, CreateSession::titled("")).await;
    assert!(matches!(refused, Err(Error::Invalid(_))));
    let made = chat.create_session_once(&alice, &key, CreateSession::titled("A title")).await.unwrap();
    assert_eq!(made.summary.session.title, "A title");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_creations_with_one_client_id_one_makes_the_session() {
    let (chat, alice, key) = (Chat::in_memory(), user("alice"), ClientId::new("k").unwrap());
    let tries = (0..16).map(|n| {
        let (chat, alice, key) = (chat.clone(), alice.clone(), key.clone());
        let title = if n % 4 == 0 { "Other" } else { "Same" };
        tokio::spawn(async move { chat.create_session_once(&alice, &key, CreateSession::titled(title)).await })
    });
    let mut made = Vec::new();
    for attempt in tries.collect::<Vec<_>>() {
        match attempt.await.unwrap() {
            Ok(session) => made.push(id_of(&session)),
            Err(error) => assert_eq!(error, Error::ClientIdReused),
        }
    }
    made.dedup();
    assert_eq!(made.len(), 1);
    assert_eq!(chat.sessions(&alice, Page::FIRST).await.unwrap().len(), 1);
}
