//! Searches of sessions, and the orders of the public list.

use chatcore::{
    chat::{FindPublicSessions, FindSessions, FoundSessions, MAX_SEARCHED, PublicOrder, SessionOrder},
    model::PublicCursor,
    store::{Directory, Listed, Memberships, Newest},
};

use super::*;

fn looking(search: &str, order: PublicOrder) -> FindPublicSessions {
    FindPublicSessions { search: Some(search.to_owned()), order }
}

fn own(search: &str) -> FindSessions {
    FindSessions { search: Some(search.to_owned()), ..FindSessions::default() }
}

/// A public session with a title, a description and tags.
async fn public(chat: &Chat, owner: &Principal, title: &str, description: &str, tags: &[&str]) -> SessionId {
    let description = Some(description.to_owned()).filter(|text| !text.is_empty());
    let new = CreateSession { description, ..CreateSession::titled(title) }.of_type(SessionType::Public);
    let id = id_of(&chat.create_session(owner, new).await.unwrap());
    let tags = Some(tags.iter().map(|tag| (*tag).to_owned()).collect());
    chat.update_session(owner, id, UpdateSession { tags, ..UpdateSession::default() }).await.unwrap();
    id
}

fn ids(page: &FoundSessions) -> Vec<SessionId> {
    page.sessions.iter().map(|one| one.session.id).collect()
}

async fn found(chat: &Chat, who: &Principal, search: &str) -> Vec<SessionId> {
    let page = chat.find_public_sessions(who, &looking(search, PublicOrder::Newest), Page::FIRST).await.unwrap();
    assert_eq!((page.next.clone(), page.total), (None, None), "a search does not look at all");
    ids(&page)
}

#[tokio::test]
async fn a_public_session_is_found_by_its_title_its_description_and_its_tags() {
    let (chat, alice, bob) = (Chat::in_memory(), user("alice"), user("bob"));
    let rust = public(&chat, &alice, "Learning R\u{dc}ST", "Ferris helps", &[]).await;
    let chess = public(&chat, &alice, "Club", "Sunday evenings", &["Chess", "c++"]).await;
    let wide = public(&chat, &alice, "\u{ff32}\u{ff55}\u{ff53}\u{ff54} Stra\u{df}e", "", &[]).await;
    for (search, expected) in [
        ("r\u{fc}st", vec![rust]),
        ("FERRIS learning", vec![rust]),
        ("rust", vec![wide]),
        ("STRASSE", vec![wide]),
        ("chess  sunday\tclub", vec![chess]),
        ("chess ferris", vec![]),
        ("C++", vec![chess]),
        ("l", vec![chess, rust]),
        ("%", vec![]),
        ("*", vec![]),
        ("a\u{7}", vec![]),
        ("lub", vec![chess]),
    ] {
        assert_eq!(found(&chat, &bob, search).await, expected, "{search:?}");
    }
    // A search shows nothing that the list does not show.
    assert_eq!(found(&chat, &alice, "rust").await, []);
    chat.join(&bob, wide).await.unwrap();
    chat.update_session(&alice, rust, to_type(SessionType::InviteOnly)).await.unwrap();
    chat.update_session(&alice, chess, to_cap(1)).await.unwrap();
    for search in ["rust", "ferris", "chess"] {
        assert_eq!(found(&chat, &bob, search).await, [], "{search}");
    }
}

#[tokio::test]
async fn what_cannot_be_searched_is_refused() {
    let (chat, alice) = (Chat::in_memory(), user("alice"));
    let invalid = Code::ValidationInvalidValue;
    for search in ["", "  ", "\t\n", "\u{200b}", "\u{7}\u{0}", &"x".repeat(101)] {
        for order in PublicOrder::ALL {
            let refused = chat.find_public_sessions(&alice, &looking(search, order), Page::FIRST).await;
            assert_fault(refused, "search", invalid);
        }
        for order in SessionOrder::ALL {
            let refused = chat.find_sessions(&alice, &FindSessions { order, ..own(search) }, Page::FIRST).await;
            assert_fault(refused, "search", invalid);
        }
    }
    let skip = || Page { skip: 1, ..Page::FIRST };
    let public = looking(&"x".repeat(100), PublicOrder::Newest);
    assert!(chat.find_public_sessions(&alice, &public, Page::FIRST).await.unwrap().sessions.is_empty());
    assert_fault(chat.find_public_sessions(&alice, &public, skip()).await, "skip", invalid);
    assert_fault(chat.find_sessions(&alice, &own("x"), Page { skip: 1, ..Page::FIRST }).await, "skip", invalid);
    // A place of another order.
    let session = SessionId(uuid::Uuid::nil());
    let places = [
        PublicCursor::Newest(session),
        PublicCursor::Title { title: "x".to_owned(), session },
        PublicCursor::Participants { number: 1, session },
        PublicCursor::Activity { at: 1, session },
    ];
    for (order, own) in PublicOrder::ALL.into_iter().zip(0..) {
        for (n, place) in places.iter().enumerate() {
            let wanted = FindPublicSessions { search: None, order };
            let answer = chat.find_public_sessions(&alice, &wanted, Page::after(place.clone())).await;
            if n == own { drop(answer.unwrap()) } else { assert_fault(answer, "after", invalid) }
        }
    }
}

#[tokio::test]
async fn the_public_list_is_sorted_by_title_by_the_number_of_participants_and_by_activity() {
    let clock = TestClock::default();
    let chat = Chat::builder(MemoryStore::new()).clock(clock.clone()).rates(RateLimits::off()).build();
    let (alice, bob) = (user("alice"), user("bob"));
    let mut made = Vec::new();
    for title in ["beta", "Alpha", "\u{c4}ther", "ALPHA", "gamma"] {
        made.push(public(&chat, &alice, title, "", &[]).await);
    }
    let [beta, alpha, aether, upper, gamma] = made[..] else { panic!("{made:?}") };
    for (id, count) in [(beta, 2), (gamma, 2), (aether, 1)] {
        for n in 0..count {
            clock.advance(TimeDelta::microseconds(1));
            chat.join(&user(&format!("guest {n}")), id).await.unwrap();
        }
    }
    let by_title = [upper, alpha, beta, gamma, aether];
    let by_number = [gamma, beta, aether, upper, alpha];
    // The times of the last events of the last two are the same.
    let by_activity = [aether, gamma, beta, upper, alpha];
    for (order, expected) in
        [(PublicOrder::Title, by_title), (PublicOrder::Participants, by_number), (PublicOrder::Activity, by_activity)]
    {
        let wanted = FindPublicSessions { search: None, order };
        let page = chat.find_public_sessions(&bob, &wanted, Page::FIRST).await.unwrap();
        assert_eq!((ids(&page), page.next, page.total), (expected.to_vec(), None, Some(5)));
        let page = Page { skip: 1, limit: Some(2), ..Page::FIRST };
        let page = chat.find_public_sessions(&bob, &wanted, page).await.unwrap();
        assert_eq!((ids(&page), page.total), (expected[1..3].to_vec(), Some(5)));
        // A search is sorted, too, and counts what it finds.
        let page = Page { limit: Some(1), ..Page::FIRST };
        let page = chat.find_public_sessions(&bob, &looking("alpha", order), page).await.unwrap();
        assert_eq!((ids(&page), page.total), (vec![upper], Some(2)));
    }
    clock.advance(TimeDelta::microseconds(1));
    say(&chat, &alice, alpha, "news").await;
    let wanted = FindPublicSessions { search: None, order: PublicOrder::Activity };
    let page = chat.find_public_sessions(&bob, &wanted, Page::FIRST).await.unwrap();
    assert_eq!(ids(&page), [alpha, aether, gamma, beta, upper]);
}

#[tokio::test]
async fn a_walk_through_a_sorted_list_shows_what_stays_exactly_once() {
    for order in [PublicOrder::Title, PublicOrder::Participants, PublicOrder::Activity] {
        let (chat, alice, bob) = (uncounted(MemoryStore::new()), user("alice"), user("bob"));
        let mut made = Vec::new();
        for n in 0..6 {
            let id = public(&chat, &alice, &format!("Title {n}"), "", &[]).await;
            for guest in n..6 {
                chat.join(&user(&format!("guest {guest}")), id).await.unwrap();
            }
            made.push(id);
        }
        if order == PublicOrder::Activity {
            made.reverse();
        }
        let wanted = FindPublicSessions { search: None, order };
        let (mut page, mut walked) = (Page { limit: Some(2), ..Page::FIRST }, Vec::new());
        loop {
            let part = chat.find_public_sessions(&bob, &wanted, page.clone()).await.unwrap();
            walked.extend(ids(&part));
            let Some(next) = part.next else { break };
            // The session of the cursor leaves the list, and another one comes to its start.
            chat.join(&bob, *walked.last().unwrap()).await.unwrap();
            public(&chat, &alice, "A new one", "", &[]).await;
            let told: PublicCursor = next.to_string().parse().unwrap();
            assert_eq!(told, next);
            page.after = Some(told);
        }
        // Nobody but the owner is in the new ones, so they stand at the end of the list by participants.
        assert_eq!(walked[..6], made, "{order:?}");
    }
}

/// Puts entries into the public list that are newer than each session.
async fn crowd(store: &impl ChatStore, count: u64) {
    let id = |n: u64| SessionId(uuid::Uuid::from_u128((0xffff_ffff_ffff_7000 << 64) | u128::from(n)));
    let write = |n| Directory { session: Newest(id(n)) }.put(Listed);
    store.commit(Change::of_records((0..count).map(write).collect())).await.unwrap();
}

#[tokio::test]
async fn a_search_looks_at_a_bounded_number_of_sessions_and_says_where_to_go_on() {
    let store = Breakable::default();
    let chat = uncounted(store.clone());
    let (alice, bob) = (user("alice"), user("bob"));
    let id = public(&chat, &alice, "Needle", "", &[]).await;
    let sorted = FindPublicSessions { search: None, order: PublicOrder::Title };
    crowd(&store.intact(), MAX_SEARCHED - 1).await;
    let page = chat.find_public_sessions(&bob, &sorted, Page::FIRST).await.unwrap();
    assert_eq!((ids(&page), page.total), (vec![id], Some(1)));
    crowd(&store.intact(), 2 * MAX_SEARCHED).await;

    let wanted = looking("needle", PublicOrder::Newest);
    let (mut page, mut pages, mut found) = (Page::FIRST, 0, Vec::new());
    loop {
        let before = store.facts_read.load(Ordering::SeqCst);
        let part = chat.find_public_sessions(&bob, &wanted, page.clone()).await.unwrap();
        let read = store.facts_read.load(Ordering::SeqCst) - before;
        assert!(read <= MAX_SEARCHED, "facts of {read} sessions");
        pages += 1;
        found.extend(ids(&part));
        let Some(next) = part.next else { break };
        page.after = Some(next);
    }
    assert_eq!((pages, found), (3, vec![id]));
    let many = Error::LimitExceeded { what: "the number of public sessions that are sorted", limit: MAX_SEARCHED };
    for order in [PublicOrder::Title, PublicOrder::Participants, PublicOrder::Activity] {
        let refused = chat.find_public_sessions(&bob, &looking("needle", order), Page::FIRST).await;
        assert_eq!(refused.unwrap_err(), many);
    }
}

/// The lists of a user's own sessions without a search.
#[tokio::test]
async fn a_list_of_own_sessions_reads_a_bounded_number_of_sessions_and_says_where_to_go_on() {
    let store = Breakable::default();
    let (chat, alice) = (uncounted(store.clone()), user("alice"));
    let open = room(&chat, &alice, &[]).await;
    let archived = room(&chat, &alice, &[]).await;
    chat.archive_session(&alice, archived).await.unwrap();
    let deleted = room(&chat, &alice, &[]).await;
    chat.delete_session(&alice, deleted).await.unwrap();
    // Newer sessions, of which none belongs to a list.
    let newer = |n: u64| SessionId(uuid::Uuid::from_u128((0xffff_ffff_ffff_7000 << 64) | u128::from(n)));
    let write = |n| Memberships { user: alice.user_id.clone(), session: Newest(newer(n)) }.put(Listed);
    let writes = (0..MAX_SEARCHED + 100).map(write).collect();
    store.intact().commit(Change::of_records(writes)).await.unwrap();
    for (list, expected) in [("open", open), ("archived", archived), ("deleted", deleted)] {
        let page = async |page: Page<SessionId>| match list {
            "archived" => chat.archived_sessions(&alice, page, SessionOrder::Newest).await,
            "deleted" => chat.deleted_sessions(&alice, page).await,
            _ => chat.sessions(&alice, page).await,
        };
        let before = store.facts_read.load(Ordering::SeqCst);
        let first = page(Page::FIRST).await.unwrap();
        let read = store.facts_read.load(Ordering::SeqCst) - before;
        assert!(read <= MAX_SEARCHED, "facts of {read} sessions for {list}");
        assert_eq!((first.len(), first.next.is_some()), (0, true), "{list}");
        let rest = page(Page { after: first.next, ..Page::FIRST }).await.unwrap();
        assert_eq!(rest.iter().map(|one| one.session.id).collect::<Vec<_>>(), [expected], "{list}");
        assert_eq!(rest.next, None, "{list}");
        assert_fault(page(Page { skip: 1, ..Page::FIRST }).await, "skip", Code::ValidationInvalidValue);
    }
}

async fn named(chat: &Chat, who: &Principal, wanted: FindSessions) -> Vec<SessionId> {
    chat.find_sessions(who, &wanted, Page::FIRST).await.unwrap().iter().map(|one| one.session.id).collect()
}

#[tokio::test]
async fn own_sessions_are_found_by_title_and_direct_ones_by_the_other_user() {
    let store = MemoryStore::new();
    let (chat, elsewhere) = (uncounted(store.clone()), uncounted(store));
    let alice = user("alice").with_name("Alice Liddell");
    let bob = user("bob").with_name("Bob J\u{f6}rgensen");
    for who in [&alice, &bob] {
        chat.me(who).await.unwrap();
    }
    let plans = public(&chat, &alice, "Plans of Bob", "about J\u{f6}rgensen", &["tag"]).await;
    let direct = id_of(&chat.start_direct(&bob, &alice.user_id).await.unwrap().session);
    let hidden = session(&chat, &bob, SessionType::Private).await;
    chat.update_session(&bob, hidden, titled("Bob alone")).await.unwrap();
    for chat in [&chat, &elsewhere] {
        for (search, of_alice, of_bob) in [
            ("BOB", vec![direct, plans], vec![hidden]),
            ("j\u{d6}rgensen", vec![direct], vec![]),
            ("liddell", vec![], vec![direct]),
            ("plans", vec![plans], vec![]),
            ("tag", vec![], vec![]),
            ("bob plans", vec![plans], vec![]),
        ] {
            for order in SessionOrder::ALL {
                let wanted = || FindSessions { order, ..own(search) };
                assert_eq!(named(chat, &alice, wanted()).await, of_alice, "{search}");
                assert_eq!(named(chat, &bob, wanted()).await, of_bob, "{search}");
            }
        }
    }
    // The order of activity, and the archive.
    say(&chat, &alice, plans, "news").await;
    let active = FindSessions { order: SessionOrder::Activity, ..own("bob") };
    assert_eq!(named(&chat, &alice, active).await, [plans, direct]);
    chat.archive_session(&alice, plans).await.unwrap();
    assert_eq!(named(&chat, &alice, own("bob")).await, [direct]);
    assert_eq!(named(&chat, &alice, FindSessions { archived: true, ..own("bob") }).await, [plans]);
    let all = chat.find_sessions(&alice, &FindSessions::default(), Page::FIRST).await.unwrap();
    assert_eq!(all, chat.sessions(&alice, Page::FIRST).await.unwrap());
    let archived = FindSessions { archived: true, ..FindSessions::default() };
    let archived = chat.find_sessions(&alice, &archived, Page::FIRST).await.unwrap();
    assert_eq!(archived, chat.archived_sessions(&alice, Page::FIRST, SessionOrder::Newest).await.unwrap());
}

#[tokio::test]
async fn a_walk_through_own_sessions_that_a_search_finds_is_complete() {
    let (chat, alice) = (uncounted(MemoryStore::new()), user("alice"));
    let mut made = Vec::new();
    for n in 0..450 {
        let title = if n % 50 == 0 { "Wanted" } else { "Other" };
        let id = id_of(&chat.create_session(&alice, CreateSession::titled(title)).await.unwrap());
        if title == "Wanted" {
            made.insert(0, id);
        }
    }
    for order in SessionOrder::ALL {
        let wanted = FindSessions { order, ..own("wanted") };
        let (mut page, mut walked) = (Page { limit: Some(2), ..Page::FIRST }, Vec::new());
        loop {
            let part = chat.find_sessions(&alice, &wanted, page).await.unwrap();
            walked.extend(part.iter().map(|one| one.session.id));
            let Some(next) = part.next else { break };
            page.after = Some(next);
        }
        assert_eq!(walked, made, "{order:?}");
    }
}
