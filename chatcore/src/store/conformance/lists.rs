//! Participants of a session, sessions of a user, sessions that can be joined.

use super::kit::{Room, Store, everything, new_session_id, participants_of, session, user, users};
use crate::{
    model::{
        EventKind, ParticipantEvent, ParticipantId, ParticipantRole, Session, SessionChanges, SessionId, SessionType,
        Standing, UserId,
    },
    store::{Head, ParticipantRecord, ParticipantsQuery, PublicSessions, Slice, Write},
};

/// Slices of lists of some ten entries, each with the part of the list that it is.
fn slices<T: Clone, K: Copy>(all: &[T], id: impl Fn(&T) -> K) -> Vec<(Slice<K>, Vec<T>)> {
    let mut slices = Vec::new();
    let mut add = |(after, rest): (Option<K>, &[T]), skip, limit| {
        let entries = rest.iter().skip(usize::try_from(skip).unwrap_or(usize::MAX));
        let part = entries.take(usize::try_from(limit).unwrap_or(usize::MAX)).cloned().collect();
        slices.push((Slice { after, skip, limit }, part));
    };
    for skip in [0, 1, 3, all.len() as u64 - 1, all.len() as u64, 1000, u64::MAX] {
        for limit in [0, 1, 4, all.len() as u64, 1000, u64::MAX] {
            add((None, all), skip, limit);
        }
    }
    for place in [0, 4, all.len() - 2, all.len() - 1] {
        for (skip, limit) in [(0, 0), (0, 1), (0, 4), (0, u64::MAX), (2, 3), (1000, 1)] {
            add((Some(id(&all[place])), &all[place + 1..]), skip, limit);
        }
    }
    slices
}

/// A list in pages of three, of which each begins after the last entry of the one before.
struct Walk<K> {
    pages: Vec<Vec<K>>,
    /// The page that comes next.
    slice: Slice<K>,
}

impl<K: Copy> Walk<K> {
    fn new() -> Self {
        Self { pages: Vec::new(), slice: Slice::first(3) }
    }

    fn take(&mut self, page: Vec<K>) {
        self.slice.after = page.last().copied();
        self.pages.push(page);
    }
}

fn session_ids(found: Vec<(Session, Head)>) -> Vec<SessionId> {
    found.into_iter().map(|(session, _)| session.id).collect()
}

async fn sessions_of(store: &Store, user: &UserId) -> Vec<SessionId> {
    let found = store.sessions_of(user, everything()).await.expect("sessions of a user");
    found.iter().map(|(session, _)| session.id).collect()
}

async fn public(store: &Store, user: &UserId) -> Vec<SessionId> {
    let found = store.public_sessions(user, everything()).await.expect("public sessions");
    assert_eq!(found.total, found.sessions.len() as u64, "there are fewer than a page");
    found.sessions.iter().map(|(session, _)| session.id).collect()
}

/// A session with what a list tells of it.
async fn listed(room: &Room) -> (Session, Head) {
    let facts = room.facts(&[]).await;
    (facts.session.expect("it was made"), facts.head)
}

pub(super) async fn participants_come_in_the_order_of_their_stays(store: Store) {
    let room = Room::public(&store).await;
    // Not the order of their names.
    let names = ["mia", "ana", "zoe", "bob", "Zed", "42", "eve"];
    for user in users(names) {
        room.join(&user).await;
        Room::public(&store).await.join(&user).await;
    }
    let expected: Vec<UserId> = std::iter::once(room.owner.clone()).chain(users(names)).collect();
    assert_eq!(room.participants().await, expected);
    // A new role is no new stay.
    let record = room.record(&expected[3]).await.expect("they are in it");
    let (previous, role) = (ParticipantRole::Member, ParticipantRole::Admin);
    let admin = ParticipantRecord { standing: Standing::Active(role), ..record };
    let kind = EventKind::Participant(ParticipantEvent::RoleChanged { user_id: expected[3].clone(), previous, role });
    room.put(&room.owner, vec![kind], vec![Write::Participant(admin.clone())]).await;
    let found = participants_of(&store, room.id, everything()).await;
    assert_eq!(found.iter().map(|record| record.user_id.clone()).collect::<Vec<_>>(), expected);
    assert_eq!(found[3], admin);
    let facts = room.facts(&expected).await.participants;
    assert_eq!(found.into_iter().map(Some).collect::<Vec<_>>(), facts, "a list tells what facts tell");
}

pub(super) async fn only_who_is_in_it_is_a_participant(store: Store) {
    let room = Room::public(&store).await;
    let [ana, bob, eve] = users(["ana", "bob", "eve"]);
    for user in [&ana, &bob, &eve] {
        room.join(user).await;
    }
    room.leave(&ana).await;
    assert_eq!(room.participants().await, [room.owner.clone(), bob.clone(), eve.clone()]);
    room.remove(&eve).await;
    assert_eq!(room.participants().await, [room.owner.clone(), bob.clone()]);
    assert!(participants_of(&store, new_session_id(), everything()).await.is_empty());
    room.delete().await;
    assert_eq!(room.participants().await, [room.owner.clone(), bob], "deleting a session makes nobody leave");
}

pub(super) async fn who_comes_back_takes_a_new_place(store: Store) {
    let room = Room::public(&store).await;
    let [ana, bob, eve] = users(["ana", "bob", "eve"]);
    for user in [&ana, &bob, &eve] {
        room.join(user).await;
    }
    let first = room.record(&ana).await.expect("ana is in it");
    room.leave(&ana).await;
    room.join(&ana).await;
    let second = room.record(&ana).await.expect("ana is in it again");
    assert!(second.id > first.id && second.created_at == first.created_at);
    assert_eq!(room.participants().await, [room.owner.clone(), bob.clone(), eve.clone(), ana.clone()]);
    // A new stay may also begin without the end of the one before having been written.
    room.join(&bob).await;
    assert_eq!(room.participants().await, [room.owner.clone(), eve, ana, bob]);
}

pub(super) async fn participants_are_paged(store: Store) {
    let room = Room::public(&store).await;
    for n in 0..12 {
        room.join(&user(format!("user {n}"))).await;
    }
    for n in [1, 4, 5] {
        room.leave(&user(format!("user {n}"))).await;
    }
    let all = participants_of(&store, room.id, everything()).await;
    assert_eq!(all.len(), 10);
    for (slice, part) in slices(&all, |record| record.id) {
        assert_eq!(participants_of(&store, room.id, slice).await, part, "{slice:?}");
    }
}

pub(super) async fn participants_come_and_go_between_pages(store: Store) {
    let room = Room::public(&store).await;
    let names: Vec<UserId> = (0..11).map(|n| user(format!("user {n}"))).collect();
    for name in &names {
        room.join(name).await;
        // Its keys stand between those of others.
        Room::public(&store).await.join(name).await;
    }
    let ids = async |slice| -> Vec<ParticipantId> {
        participants_of(&store, room.id, slice).await.into_iter().map(|record| record.id).collect()
    };
    let before = ids(everything()).await;
    let mut walk = Walk::new();
    walk.take(ids(walk.slice).await);
    // The last entry of the page goes, one before it, and one that was not read yet.
    for n in [0, 1, 6] {
        room.leave(&names[n]).await;
    }
    walk.take(ids(walk.slice).await);
    // Who comes, comes to the end; so does who comes back.
    room.join(&user("late")).await;
    room.join(&names[1]).await;
    walk.take(ids(walk.slice).await);
    // Everybody who was on the page goes.
    for n in [5, 7, 8] {
        room.leave(&names[n]).await;
    }
    walk.take(ids(walk.slice).await);
    walk.take(ids(walk.slice).await);
    let after = ids(everything()).await;
    let new = &after[after.len() - 2..];
    let rest: Vec<_> = before[10..].iter().chain(new).copied().collect();
    let third = [before[6], before[8], before[9]];
    assert_eq!(walk.pages, [&before[..3], &before[3..6], &third, &rest[..3], &rest[3..]]);
}

pub(super) async fn participants_of_many_sessions_are_answered_one_by_one_in_their_order(store: Store) {
    let (first, second, unknown) = (Room::public(&store).await, Room::public(&store).await, new_session_id());
    for n in 0..4 {
        first.join(&user(format!("user {n}"))).await;
        second.join(&user(format!("user {}", 3 - n))).await;
    }
    second.leave(&user("user 2")).await;
    // Against the order of their ids, each session with several parts.
    let mut queries = Vec::new();
    let stay = first.record(&user("user 1")).await.expect("they are in it").id;
    for (after, skip, limit) in [
        (None, 1, 2),
        (None, 0, 100),
        (Some(stay), 0, 2),
        (None, 0, 0),
        (None, 3, u64::MAX),
        (None, 1, 2),
        (Some(ParticipantId(new_session_id().0)), 0, 100),
        (None, 100, 1),
    ] {
        let slice = Slice { after, skip, limit };
        queries.extend([second.id, unknown, first.id].map(|session_id| ParticipantsQuery { session_id, slice }));
    }
    for part in [&queries[..], &queries[5..7], &[]] {
        let found = store.participants(part).await.expect("participants");
        assert_eq!(found.len(), part.len());
        for (query, found) in part.iter().zip(found) {
            assert_eq!(found, participants_of(&store, query.session_id, query.slice).await, "{query:?}");
        }
    }
}

pub(super) async fn the_sessions_of_a_user_come_newest_first(store: Store) {
    let [ana, bob] = users(["ana", "bob"]);
    let mut rooms = Vec::new();
    for session_type in SessionType::ALL.into_iter().chain(SessionType::ALL) {
        rooms.push(Room::open(&store, session_type, 10).await);
    }
    // What counts is when a session was made, not when the user came nor when something was said.
    for room in [3, 0, 6, 2, 7].map(|n: usize| &rooms[n]) {
        room.join(&ana).await;
    }
    rooms[3].join(&bob).await;
    rooms[0].say(&ana, "a message").await;
    rooms[2].retitle("Changed").await;
    let mut expected = Vec::new();
    for room in [7, 6, 3, 2, 0].map(|n: usize| &rooms[n]) {
        expected.push(listed(room).await);
    }
    assert_eq!(store.sessions_of(&ana, everything()).await.expect("sessions"), expected);
    assert_eq!(sessions_of(&store, &bob).await, [rooms[3].id]);
    assert_eq!(sessions_of(&store, &user("nobody")).await, []);
    assert_eq!(store.sessions_of(&rooms[2].owner, everything()).await.expect("sessions"), [listed(&rooms[2]).await]);
}

pub(super) async fn left_and_deleted_sessions_are_not_listed(store: Store) {
    let ana = user("ana");
    let mut rooms = Vec::new();
    for _ in 0..5 {
        let room = Room::public(&store).await;
        room.join(&ana).await;
        rooms.push(room);
    }
    rooms[0].leave(&ana).await;
    rooms[2].remove(&ana).await;
    rooms[3].delete().await;
    assert_eq!(sessions_of(&store, &ana).await, [rooms[4].id, rooms[1].id]);
    assert_eq!(sessions_of(&store, &rooms[3].owner).await, []);
    rooms[0].join(&ana).await;
    assert_eq!(sessions_of(&store, &ana).await, [rooms[4].id, rooms[1].id, rooms[0].id]);
    rooms[0].leave(&ana).await;
    rooms[0].delete().await;
    assert_eq!(sessions_of(&store, &ana).await, [rooms[4].id, rooms[1].id]);
}

pub(super) async fn the_sessions_of_a_user_are_paged(store: Store) {
    let ana = user("ana");
    for n in 0..13 {
        let room = Room::public(&store).await;
        room.join(&ana).await;
        match n {
            3 | 7 => room.delete().await,
            8 => {
                room.leave(&ana).await;
            }
            _ => {}
        }
    }
    let all = store.sessions_of(&ana, everything()).await.expect("sessions");
    assert_eq!(all.len(), 10);
    for (slice, part) in slices(&all, |(session, _)| session.id) {
        assert_eq!(store.sessions_of(&ana, slice).await.expect("a page"), part, "{slice:?}");
    }
}

/// Some public sessions, the newest first.
async fn public_rooms(store: &Store, count: usize) -> Vec<Room> {
    let mut rooms = Vec::new();
    for _ in 0..count {
        rooms.insert(0, Room::open(store, SessionType::Public, 2).await);
    }
    rooms
}

fn ids_of(rooms: &[Room]) -> Vec<SessionId> {
    rooms.iter().map(|room| room.id).collect()
}

pub(super) async fn the_sessions_of_a_user_come_and_go_between_pages(store: Store) {
    let ana = user("ana");
    let rooms = public_rooms(&store, 13).await;
    // The oldest is not among them at first.
    for room in &rooms[..12] {
        room.join(&ana).await;
    }
    let page = async |slice| session_ids(store.sessions_of(&ana, slice).await.expect("a page"));
    let mut walk = Walk::new();
    walk.take(page(walk.slice).await);
    // New ones stand before the first page, whichever way they came in.
    for room in public_rooms(&store, 4).await {
        room.join(&ana).await;
    }
    rooms[0].leave(&ana).await;
    rooms[2].leave(&ana).await;
    walk.take(page(walk.slice).await);
    for n in [3, 4, 5, 7] {
        rooms[n].delete().await;
    }
    rooms[2].join(&ana).await;
    walk.take(page(walk.slice).await);
    rooms[12].join(&ana).await;
    rooms[10].leave(&ana).await;
    walk.take(page(walk.slice).await);
    let ids = ids_of(&rooms);
    assert_eq!(walk.pages, [&ids[..3], &ids[3..6], &[ids[6], ids[8], ids[9]], &ids[11..]]);
}

pub(super) async fn public_sessions_are_those_that_can_be_joined(store: Store) {
    let [ana, bob] = users(["ana", "bob"]);
    let open = Room::public(&store).await;
    let joined = Room::public(&store).await;
    joined.join(&ana).await;
    let full = Room::open(&store, SessionType::Public, 2).await;
    full.join(&bob).await;
    let deleted = Room::public(&store).await;
    deleted.delete().await;
    for session_type in SessionType::ALL.into_iter().filter(|session_type| *session_type != SessionType::Public) {
        Room::open(&store, session_type, 10).await;
    }
    let left = Room::public(&store).await;
    left.join(&ana).await;
    left.leave(&ana).await;
    let last = Room::open(&store, SessionType::Public, 2).await;
    last.say(&last.owner, "a message").await;

    let mut expected = Vec::new();
    for room in [&last, &left, &open] {
        expected.push(listed(room).await);
    }
    let found = store.public_sessions(&ana, everything()).await.expect("public sessions");
    assert_eq!(found, PublicSessions { sessions: expected, total: 3 });
    assert_eq!(public(&store, &bob).await, [last.id, left.id, joined.id, open.id]);
    assert_eq!(public(&store, &open.owner).await, [last.id, left.id, joined.id]);
}

pub(super) async fn public_sessions_come_and_go_with_their_settings(store: Store) {
    let [ana, bob, eve] = users(["ana", "bob", "eve"]);
    let other = Room::public(&store).await.id;
    let room = Room::open(&store, SessionType::Private, 3).await;
    let change_type = async |session_type| {
        room.update(SessionChanges { session_type: Some(session_type), ..SessionChanges::default() }).await;
    };
    let cap = async |cap| {
        room.update(SessionChanges { max_participants: Some(cap), ..SessionChanges::default() }).await;
    };
    assert_eq!(public(&store, &ana).await, [other]);
    for session_type in SessionType::ALL {
        change_type(SessionType::Public).await;
        assert_eq!(public(&store, &ana).await, [room.id, other]);
        change_type(session_type).await;
        let expected = if session_type == SessionType::Public { vec![room.id, other] } else { vec![other] };
        assert_eq!(public(&store, &ana).await, expected, "{session_type}");
    }
    change_type(SessionType::Public).await;
    room.join(&bob).await;
    assert_eq!((public(&store, &ana).await, public(&store, &bob).await), (vec![room.id, other], vec![other]));
    room.join(&eve).await;
    assert_eq!(public(&store, &ana).await, [other], "it is full");
    cap(4).await;
    assert_eq!(public(&store, &ana).await, [room.id, other], "there is a seat again");
    cap(3).await;
    assert_eq!(public(&store, &ana).await, [other], "there is none again");
    room.remove(&bob).await;
    for user in [&ana, &bob] {
        assert_eq!(public(&store, user).await, [room.id, other]);
    }
    room.retitle("Changed").await;
    let found = store.public_sessions(&ana, everything()).await.expect("public sessions").sessions;
    assert_eq!(found[0], listed(&room).await);
    room.delete().await;
    assert_eq!(public(&store, &ana).await, [other]);
}

pub(super) async fn public_sessions_are_paged_and_counted(store: Store) {
    let ana = user("ana");
    let none = PublicSessions { sessions: vec![], total: 0 };
    assert_eq!(
        store.public_sessions(&ana, everything()).await.expect("public sessions"),
        none,
        "the store must be empty"
    );
    for n in 0..14 {
        let room = Room::of(&store, session(&user(format!("{n}")), SessionType::Public, 2)).await;
        match n {
            2 => room.delete().await,
            5 | 6 => {
                room.join(&user("bob")).await;
            }
            9 => {
                room.join(&ana).await;
            }
            _ => {}
        }
    }
    let all = store.public_sessions(&ana, everything()).await.expect("public sessions").sessions;
    assert_eq!(all.len(), 10);
    for (slice, sessions) in slices(&all, |(session, _)| session.id) {
        let page = store.public_sessions(&ana, slice).await.expect("a page");
        assert_eq!(page, PublicSessions { sessions, total: 10 }, "{slice:?}");
    }
}

pub(super) async fn public_sessions_come_and_go_between_pages(store: Store) {
    let [ana, bob] = users(["ana", "bob"]);
    let rooms = public_rooms(&store, 14).await;
    // Full at first.
    rooms[13].join(&bob).await;
    let page = async |slice| session_ids(store.public_sessions(&ana, slice).await.expect("a page").sessions);
    let mut walk = Walk::new();
    walk.take(page(walk.slice).await);
    public_rooms(&store, 4).await;
    rooms[0].join(&ana).await;
    rooms[1].delete().await;
    rooms[2].join(&bob).await;
    // Not read yet.
    rooms[4].join(&ana).await;
    rooms[6].join(&bob).await;
    walk.take(page(walk.slice).await);
    // They are in the list again, where they were.
    rooms[2].leave(&bob).await;
    rooms[4].leave(&ana).await;
    rooms[7].update(SessionChanges { session_type: Some(SessionType::Private), ..SessionChanges::default() }).await;
    walk.take(page(walk.slice).await);
    rooms[13].leave(&bob).await;
    walk.take(page(walk.slice).await);
    walk.take(page(walk.slice).await);
    let ids = ids_of(&rooms);
    assert_eq!(walk.pages, [&ids[..3], &[ids[3], ids[5], ids[7]], &ids[8..11], &ids[11..14], &[]]);
}
