//! The cost of lists, and the entries of the public list that are older than their sessions.

use chatcore::{
    TestClock,
    chat::PublicSessionPage,
    store::{Directory, Listed, Newest},
};

use super::{hooked::Hooked, *};

const PAGE: Page<SessionId> = Page { limit: Some(50), ..Page::FIRST };

/// So many public sessions of a user, the newest first.
async fn rooms(chat: &Chat, owner: &Principal, count: usize) -> Vec<SessionId> {
    let mut ids = Vec::new();
    for _ in 0..count {
        ids.insert(0, room(chat, owner, &[]).await);
    }
    ids
}

fn ids(page: &PublicSessionPage) -> Vec<SessionId> {
    page.sessions.iter().map(|one| one.session.id).collect()
}

/// The public list with the number of reads, and the number of sessions of which facts were read.
async fn listed(
    store: &Breakable,
    chat: &Chat,
    who: &Principal,
    page: Page<SessionId>,
) -> (PublicSessionPage, u64, u64) {
    let read = || (store.reads.load(Ordering::SeqCst), store.facts_read.load(Ordering::SeqCst));
    let before = read();
    let found = chat.public_sessions(who, page).await.unwrap();
    let after = read();
    (found, after.0 - before.0, after.1 - before.1)
}

#[tokio::test]
async fn lists_cost_few_reads() {
    let store = Breakable::default();
    let before = Chat::new(store.intact());
    let (alice, bob) = (user("alice"), user("bob"));
    let made = rooms(&before, &alice, 120).await;
    let clock = TestClock::default();
    let chat = Chat::builder(store.clone()).clock(clock.clone()).build();
    // The first call makes the profile and the standing, the second one reads the standing.
    for who in [&alice, &bob, &alice, &bob] {
        chat.me(who).await.unwrap();
    }

    // The list with the user's sessions, its length, the sessions. The owner's name is known.
    let (page, reads, facts) = listed(&store, &chat, &bob, PAGE).await;
    assert_eq!((ids(&page), page.total, reads, facts), (made[..50].to_vec(), 120, 3, 51));
    // The length is known.
    let (page, reads, facts) = listed(&store, &chat, &bob, Page { after: page.next, ..PAGE }).await;
    assert_eq!((ids(&page), page.total, reads, facts), (made[50..100].to_vec(), 120, 2, 51));
    // Nothing is read of sessions that are skipped.
    let (page, reads, facts) = listed(&store, &chat, &bob, Page { skip: 110, ..PAGE }).await;
    assert_eq!((ids(&page), page.total, reads, facts), (made[110..].to_vec(), 120, 2, 10));
    // And which of the user's own are in the list.
    chat.join(&bob, made[0]).await.unwrap();
    let (page, reads, facts) = listed(&store, &chat, &bob, PAGE).await;
    assert_eq!((ids(&page), page.total, reads, facts), (made[1..51].to_vec(), 119, 3, 51));
    let (page, reads, facts) = listed(&store, &chat, &alice, PAGE).await;
    assert_eq!((ids(&page), page.total, reads, facts), (Vec::new(), 0, 3, 0), "the list in two parts");

    let reads = store.reads.load(Ordering::SeqCst);
    assert_eq!(chat.sessions(&alice, PAGE).await.unwrap().len(), 50);
    assert_eq!(
        store.reads.load(Ordering::SeqCst) - reads,
        4,
        "the list, the sessions, the user's marks, and the ends of the logs"
    );
}

#[tokio::test]
async fn the_length_of_the_list_is_at_most_two_seconds_old() {
    let (store, clock) = (MemoryStore::new(), TestClock::default());
    let chat = || Chat::builder(store.clone()).clock(clock.clone()).build();
    let (one, other) = (chat(), chat());
    let (alice, bob) = (user("alice"), user("bob"));
    let total = async |chat: &Chat| chat.public_sessions(&bob, PAGE).await.unwrap().total;
    let id = room(&one, &alice, &[]).await;
    assert_eq!((total(&one).await, total(&other).await), (1, 1));
    room(&one, &alice, &[]).await;
    assert_eq!(total(&one).await, 2, "a process knows its own changes");
    clock.advance(TimeDelta::seconds(2));
    assert_eq!(total(&other).await, 2);
    one.update_session(&alice, id, to_cap(1)).await.unwrap();
    assert_eq!(total(&one).await, 1);
    one.delete_session(&alice, id).await.unwrap();
    clock.advance(TimeDelta::seconds(2));
    assert_eq!((total(&one).await, total(&other).await), (1, 1));
}

/// Puts an entry into the public list.
async fn list(store: &impl ChatStore, id: SessionId) {
    let write = Directory { session: Newest(id) }.put(Listed);
    store.commit(Change::of_records(vec![write])).await.unwrap();
}

#[tokio::test]
async fn an_entry_that_is_older_than_its_session_is_removed() {
    let store = MemoryStore::new();
    let chat = Chat::new(store.clone());
    let (alice, bob) = (user("alice"), user("bob"));
    let private = session(&chat, &alice, SessionType::Private).await;
    let open = room(&chat, &alice, &[]).await;
    list(&store, private).await;
    let page = chat.public_sessions(&bob, PAGE).await.unwrap();
    assert_eq!(ids(&page), [open]);
    let page = chat.public_sessions(&bob, PAGE).await.unwrap();
    assert_eq!((ids(&page), page.total), (vec![open], 1));
}

#[tokio::test]
async fn an_entry_that_is_written_meanwhile_stays() {
    let store = Hooked::default();
    let (chat, beside) = (Chat::new(store.clone()), Chat::new(store.intact()));
    let (alice, bob) = (user("alice"), user("bob"));
    let id = session(&chat, &alice, SessionType::Private).await;
    list(&store.intact(), id).await;
    chat.me(&bob).await.unwrap();
    store.before_commit.once(async move {
        beside.update_session(&alice, id, to_type(SessionType::Public)).await.unwrap();
    });
    assert_eq!(ids(&chat.public_sessions(&bob, PAGE).await.unwrap()), []);
    assert!(store.before_commit.is_done());
    assert_eq!(ids(&chat.public_sessions(&bob, PAGE).await.unwrap()), [id]);
}
