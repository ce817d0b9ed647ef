//! Names and addresses.

use chatcore::chat::CreateInvite;

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
    let mut people = vec![chat.join(&dave, id).await.unwrap().participant];
    people.push(chat.change_role(&alice, id, &carol.user_id, VIEWER).await.unwrap());
    people.extend(chat.session(&alice, id).await.unwrap().participants);
    people.extend(chat.create_session(&alice, CreateSession::titled("Other")).await.unwrap().participants);
    chat.remove_participant(&alice, id, &carol.user_id).await.unwrap();
    people.push(chat.add_participant(&alice, id, add("carol", None)).await.unwrap().participant);
    assert!(people.iter().all(|one| one.profile.email.is_none()), "{people:?}");
}

/// The addresses that a reader is shown in a session.
async fn addresses(chat: &Chat, reader: &Principal, id: SessionId) -> Vec<String> {
    let participants = chat.participants(reader, id, Page::FIRST, true).await.unwrap();
    participants.into_iter().filter_map(|one| one.profile.email).collect()
}

#[tokio::test]
async fn who_joins_by_an_invite_or_asks_to_join_shows_the_address() {
    let chat = Chat::in_memory();
    let [alice, bob, carol] = ["alice", "bob", "carol"].map(with_email);
    let id = session(&chat, &alice, SessionType::InviteOnly).await;
    let code = async |needs_approval| {
        let new = CreateInvite { needs_approval, ..CreateInvite::default() };
        chat.create_invite(&alice, id, new).await.unwrap().code
    };
    chat.join_by_invite(&bob, &code(false).await).await.unwrap();
    assert_eq!(addresses(&chat, &alice, id).await, ["alice@example.com", "bob@example.com"]);
    chat.request_to_join(&carol, &code(true).await, None).await.unwrap();
    chat.approve_join_request(&alice, id, &carol.user_id, None).await.unwrap();
    let all = ["alice@example.com", "bob@example.com", "carol@example.com"];
    assert_eq!(addresses(&chat, &alice, id).await, all);
}

#[tokio::test]
async fn adding_somebody_shows_no_address_until_the_user_joins_or_posts() {
    let chat = Chat::in_memory();
    let [mallory, alice, bob] = ["mallory", "alice", "bob"].map(with_email);
    let [at_mallory, at_alice, at_bob] = ["mallory", "alice", "bob"].map(|name| format!("{name}@example.com"));
    // Alice's id stands in the public list.
    room(&chat, &alice, &[&bob]).await;
    let id = session(&chat, &mallory, SessionType::InviteOnly).await;
    for name in ["alice", "bob"] {
        chat.add_participant(&mallory, id, add(name, Some(ADMIN))).await.unwrap();
    }
    assert_eq!(addresses(&chat, &mallory, id).await, [&*at_mallory]);
    // The owner has created the session. Other people's mere presence shows an admin nothing, either.
    assert_eq!(addresses(&chat, &alice, id).await, [at_mallory.clone(), at_alice.clone()]);
    // Nothing that a manager can do with an added user shows the address.
    chat.change_role(&mallory, id, &alice.user_id, VIEWER).await.unwrap();
    chat.update_session(&mallory, id, to_type(SessionType::Public)).await.unwrap();
    chat.remove_participant(&mallory, id, &alice.user_id).await.unwrap();
    chat.add_participant(&mallory, id, add("alice", Some(MEMBER))).await.unwrap();
    chat.typing(&bob, id, true).await.unwrap();
    assert_eq!(addresses(&chat, &mallory, id).await, [&*at_mallory]);
    let asked = [ParticipantsOf { session_id: id, page: Page::FIRST, with_email: true }; 2];
    for list in chat.participants_of(&mallory, &asked).await.unwrap() {
        assert_eq!(list.unwrap().into_iter().filter_map(|one| one.profile.email).collect::<Vec<_>>(), [&*at_mallory]);
    }
    // Bob posts, and alice leaves and joins.
    say(&chat, &bob, id, "who are you?").await;
    assert_eq!(addresses(&chat, &mallory, id).await, [at_mallory.clone(), at_bob.clone()]);
    chat.leave(&alice, id).await.unwrap();
    chat.join(&alice, id).await.unwrap();
    assert_eq!(addresses(&chat, &mallory, id).await, [&*at_mallory, &*at_bob, &*at_alice]);
    // The consent outlasts a removal, as the posts do.
    for name in ["bob", "alice"] {
        chat.change_role(&mallory, id, &user_id(name), VIEWER).await.unwrap();
        chat.remove_participant(&mallory, id, &user_id(name)).await.unwrap();
        chat.add_participant(&mallory, id, add(name, None)).await.unwrap();
    }
    assert_eq!(addresses(&chat, &mallory, id).await, [at_mallory, at_bob, at_alice.clone()]);
    // A member sees the member's own address only.
    assert_eq!(addresses(&chat, &alice, id).await, [at_alice]);
}

#[tokio::test]
async fn a_system_admin_sees_addresses_in_any_role() {
    let (chat, alice, bob) = (Chat::in_memory(), with_email("alice"), with_email("bob"));
    let id = session(&chat, &alice, SessionType::InviteOnly).await;
    chat.me(&bob).await.unwrap();
    chat.me(&user("root")).await.unwrap();
    for (name, role) in [("bob", MEMBER), ("root", VIEWER)] {
        chat.add_participant(&alice, id, add(name, Some(role))).await.unwrap();
    }
    let root = Principal { system_role: SystemRole::Admin, ..user("root") };
    assert_eq!(addresses(&chat, &root, id).await, ["alice@example.com", "bob@example.com"]);
    assert_eq!(addresses(&chat, &user("root"), id).await, [""; 0]);
    // The role of the system admits nobody to a session.
    let outside = Principal { system_role: SystemRole::Admin, ..user("other root") };
    assert_denied(chat.participants(&outside, id, Page::FIRST, true).await, Denial::Hidden);
}

#[tokio::test]
async fn the_first_message_of_an_added_user_replaces_the_users_record_and_later_ones_do_not() {
    let store = MemoryStore::new();
    let (chat, other) = (Chat::new(store.clone()), Chat::new(store.clone()));
    let (alice, bob) = (user("alice"), with_email("bob"));
    chat.me(&bob).await.unwrap();
    let id = session(&chat, &alice, SessionType::InviteOnly).await;
    chat.add_participant(&alice, id, add("bob", None)).await.unwrap();
    // A message that was refused shows nothing.
    chat.change_role(&alice, id, &bob.user_id, VIEWER).await.unwrap();
    assert_denied(chat.send(&bob, id, SendMessage::text("hi")).await, Denial::RoleInsufficient);
    assert_eq!(addresses(&chat, &alice, id).await, [""; 0]);
    chat.change_role(&alice, id, &bob.user_id, MEMBER).await.unwrap();

    let once = SendMessage::text("hi").with_client_id(ClientId::new("once").unwrap());
    let first = chat.send(&bob, id, once.clone()).await.unwrap();
    for chat in [&chat, &other] {
        assert_eq!(chat.send(&bob, id, once.clone()).await.unwrap(), first, "a retry is the same message");
        assert_eq!(addresses(chat, &alice, id).await, ["bob@example.com"]);
    }
    let second = say(&chat, &bob, id, "one more").await;
    assert_eq!(second.seq, first.seq + 1);
    // A change that was decided before the first message would put the older record back, so it is stale. The second message
    // replaces no record and makes nothing stale.
    let message = |decided_at| {
        let (body, status) = (SendMessage::text("x").body, MessageStatus::AsSent);
        let kind = EventKind::Message(MessageEvent::Sent { body, client_id: None, status });
        let events = vec![NewEvent { actor: bob.user_id.clone(), created_at: Utc::now(), kind }];
        Change::of(id, decided_at, events, Vec::new())
    };
    assert!(matches!(store.commit(message(first.seq - 1)).await, Err(StoreError::Stale)));
    store.commit(message(first.seq)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_added_users_post_for_the_first_time_at_once() {
    let chat = Chat::in_memory();
    let alice = user("alice");
    let id = session(&chat, &alice, SessionType::InviteOnly).await;
    let people: Vec<Principal> = (0..60).map(|n| with_email(&format!("user {n}"))).collect();
    for one in &people {
        chat.me(one).await.unwrap();
        let user_id = one.user_id.clone();
        chat.add_participant(&alice, id, AddParticipant { user_id, role: None }).await.unwrap();
    }
    let posts: Vec<_> = people
        .iter()
        .map(|one| {
            let (chat, one) = (chat.clone(), one.clone());
            tokio::spawn(async move { say(&chat, &one, id, "hello").await })
        })
        .collect();
    for post in posts {
        post.await.unwrap();
    }
    let asked =
        ParticipantsOf { session_id: id, page: Page { after: None, skip: 0, limit: Some(100) }, with_email: true };
    let shown = chat.participants_of(&alice, &[asked]).await.unwrap().remove(0).unwrap();
    assert_eq!(shown.iter().filter(|one| one.profile.email.is_some()).count(), people.len());
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

/// The parts that the next claims must not lose.
fn full(issued_at: i64) -> Principal {
    Principal {
        username: Some("al".to_owned()),
        email: Some("alice@example.com".to_owned()),
        picture: Some("https://example.com/alice.png".to_owned()),
        ..called("alice", "Alice", issued_at)
    }
}

async fn shown(chat: &Chat, principal: Principal) -> [Option<String>; 4] {
    let profile = chat.me(&principal).await.unwrap();
    [Some(profile.username), Some(profile.name), profile.email, profile.picture]
}

fn texts(texts: [&str; 4]) -> [Option<String>; 4] {
    texts.map(|text| Some(text.to_owned()).filter(|text| !text.is_empty()))
}

const ALICE: [&str; 4] = ["al", "Alice", "alice@example.com", "https://example.com/alice.png"];

#[tokio::test]
async fn claims_that_are_absent_keep_what_is_known() {
    let chat = Chat::in_memory();
    assert_eq!(shown(&chat, full(100)).await, texts(ALICE));
    let silent = Principal { issued_at: full(200).issued_at, ..user("alice") };
    let blank = |text: &str| Principal {
        username: Some(text.to_owned()),
        name: Some(text.to_owned()),
        email: Some(text.to_owned()),
        picture: Some(text.to_owned()),
        ..silent.clone()
    };
    let mut silent_ones = vec![silent.clone(), user("alice"), Principal::new(user_id("alice"))];
    silent_ones.extend(["", " ", "\n\t", "\u{200b}", "\u{3164}", "\u{2800}", "\u{202e}\u{2069}"].map(blank));
    for silent in silent_ones {
        assert_eq!(shown(&chat, silent.clone()).await, texts(ALICE), "{silent:?}");
    }
    // Each part by itself.
    let [handle, name, email, picture] = ["handle", "name", "email", "picture"].map(|text| Some(text.to_owned()));
    let of = |second: i64| Principal { issued_at: full(second).issued_at, ..user("alice") };
    assert_eq!(shown(&chat, Principal { name, ..of(300) }).await, texts(["al", "name", ALICE[2], ALICE[3]]));
    assert_eq!(shown(&chat, Principal { email, ..of(400) }).await, texts(["al", "name", "email", ALICE[3]]));
    assert_eq!(
        shown(&chat, Principal { username: handle, ..of(500) }).await[..2],
        texts(["handle", "name", "", ""])[..2]
    );
    let all = texts(["handle", "name", "email", "picture"]);
    assert_eq!(shown(&chat, Principal { picture, ..of(600) }).await, all);
}

#[tokio::test]
async fn the_newest_claim_of_each_part_counts_in_whatever_order_claims_come() {
    let name = |second: i64, name: &str| called("alice", name, second);
    let email = |second: i64, email: &str| {
        let email = Some(email.to_owned());
        Principal { email, issued_at: full(second).issued_at, ..user("alice") }
    };
    let claims = [name(100, "old"), email(200, "old"), name(400, "new"), email(300, "new")];
    for order in [[0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1], [0, 2, 1, 3], [2, 3, 0, 1]] {
        let (store, chats) = (MemoryStore::new(), 2);
        // One process, and two that take turns.
        for processes in 1..=chats {
            let store = if processes == 1 { MemoryStore::new() } else { store.clone() };
            let chats: Vec<Chat> = (0..processes).map(|_| Chat::new(store.clone())).collect();
            for (turn, claim) in order.iter().enumerate() {
                chats[turn % chats.len()].me(&claims[*claim]).await.unwrap();
            }
            let shown = shown(&Chat::new(store), user("alice")).await;
            assert_eq!(shown, texts(["alice", "new", "new", ""]), "{order:?}, {processes}");
        }
    }
}

#[tokio::test]
async fn a_handle_that_comes_later_stands_for_a_name_that_is_not_known() {
    let chat = Chat::in_memory();
    let handle = |second: i64, handle: &str| {
        let username = Some(handle.to_owned());
        Principal { username, issued_at: full(second).issued_at, ..user("alice") }
    };
    assert_eq!(shown(&chat, user("alice")).await, texts(["alice", "alice", "", ""]));
    assert_eq!(shown(&chat, handle(100, "al")).await, texts(["al", "al", "", ""]));
    assert_eq!(shown(&chat, handle(200, "ali")).await, texts(["ali", "ali", "", ""]));
    assert_eq!(shown(&chat, called("alice", "ali", 300)).await, texts(["ali", "ali", "", ""]));
    assert_eq!(shown(&chat, handle(400, "alice")).await, texts(["alice", "ali", "", ""]), "a name that is known stays");
}

#[tokio::test]
async fn no_time_of_a_token_freezes_a_profile() {
    let now = chrono::Utc::now();
    let (unknown, millis) = (chrono::DateTime::UNIX_EPOCH, now + TimeDelta::days(365 * 50_000));
    for odd in [unknown, millis, now + TimeDelta::days(1), chrono::DateTime::<chrono::Utc>::MAX_UTC] {
        let chat = Chat::in_memory();
        let name = async |name: &str, issued_at| {
            let principal = Principal { issued_at, ..user("alice").with_name(name) };
            chat.me(&principal).await.unwrap().name
        };
        assert_eq!(name("First", odd).await, "First");
        assert_eq!(name("Second", odd).await, "Second", "{odd}: such a token updates");
        assert_eq!(name("Second", odd).await, "Second");
        assert_eq!(name("Stale", now - TimeDelta::days(1)).await, "Second");
        let later = chrono::Utc::now();
        // A token that tells no age is shown all the time, and does not shut out the one that was issued meanwhile.
        assert_eq!(name("Second", odd).await, "Second");
        assert_eq!(name("Third", later).await, "Third", "{odd}: such a token freezes nothing");
        assert_eq!(name("Fourth", odd).await, "Fourth", "{odd}: and is not shut out");
    }
}

#[tokio::test]
async fn a_profile_that_an_earlier_version_froze_thaws() {
    let far = chrono::Utc::now() + TimeDelta::days(365 * 50_000);
    let part = |text: &str| Some(chatcore::store::ProfilePart { text: text.to_owned(), as_of: far });
    let frozen = chatcore::store::ProfileRecord {
        name: part("Frozen"),
        email: part("frozen@example.com"),
        ..chatcore::store::ProfileRecord::unknown(user_id("alice"))
    };
    let store = MemoryStore::new();
    let profile = Profiles { user: user_id("alice") }.put(frozen);
    store.commit(Change::of_records(vec![profile])).await.unwrap();
    let chat = Chat::new(store);
    assert_eq!(shown(&chat, user("alice")).await, texts(["alice", "Frozen", "frozen@example.com", ""]));
    let thawed = shown(&chat, called("alice", "Alice", 100)).await;
    assert_eq!(thawed, texts(["alice", "Alice", "frozen@example.com", ""]));
    assert_eq!(chat.me(&called("alice", "Older", 50)).await.unwrap().name, "Alice", "from then on its age counts");
}

#[tokio::test]
async fn processes_that_update_a_profile_at_once_lose_nothing() {
    for round in 0..20 {
        let store = kit::Breakable::default();
        let parts = [
            Principal { username: Some("al".to_owned()), ..user("alice") },
            user("alice").with_name("Alice"),
            Principal { email: Some(ALICE[2].to_owned()), ..user("alice") },
            Principal { picture: Some(ALICE[3].to_owned()), ..user("alice") },
        ];
        let calls = parts.map(|part| {
            let chat = Chat::new(store.clone());
            tokio::spawn(async move { chat.me(&part).await })
        });
        for call in calls {
            call.await.unwrap().unwrap();
        }
        assert_eq!(shown(&Chat::new(store), user("alice")).await, texts(ALICE), "round {round}");
    }
}

#[tokio::test]
async fn names_keep_nothing_that_turns_or_breaks_a_line() {
    let chat = Chat::in_memory();
    for (said, expected) in [
        ("\u{202e}moc.elpmaxe\u{202c}", "moc.elpmaxe"),
        ("\u{2067}a\u{2069}", "a"),
        ("two\u{2028}lines\u{2029}", "twolines"),
        // Marks and joiners belong to the text.
        ("\u{5e9}\u{200f}", "\u{5e9}\u{200f}"),
        ("\u{1f469}\u{200d}\u{1f4bb}", "\u{1f469}\u{200d}\u{1f4bb}"),
    ] {
        assert_eq!(chat.me(&user("alice").with_name(said)).await.unwrap().name, expected, "{said:?}");
    }
    let (invisible, long) = ("\u{200b}".repeat(10_000) + "late", format!("{} end", "x".repeat(255)));
    assert_eq!(chat.me(&user("bob").with_name(invisible)).await.unwrap().name, "bob", "nothing to see is left of it");
    assert_eq!(chat.me(&user("carol").with_name(long)).await.unwrap().name, "x".repeat(255));
}

#[tokio::test]
async fn a_profile_that_cannot_be_read_spoils_no_list() {
    let store = Breakable::default();
    let [alice, bob, carol] = ["Alice", "Bob", "Carol"].map(|name| user(&name.to_lowercase()).with_name(name));
    let id = room(&Chat::new(store.clone()), &alice, &[&bob, &carol]).await;
    *store.damaged.lock().unwrap() = Some(bob.user_id.clone());
    // One that remembers nothing.
    let chat = Chat::new(store.clone());
    let people = chat.participants(&alice, id, Page::FIRST, false).await.unwrap();
    let names: Vec<_> = people.iter().map(|one| one.profile.name.as_str()).collect();
    assert_eq!(names, ["Alice", "bob", "Carol"], "the id stands for a name that cannot be read");
    assert_eq!(say(&chat, &bob, id, "hello").await.sender.user_id, bob.user_id);
    let shown = chat.session(&carol, id).await.unwrap();
    assert_eq!((text_of(&shown.messages[0]), shown.participants.len()), ("hello", 3));
}
