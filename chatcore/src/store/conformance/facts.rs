//! What decisions are taken from.

use std::collections::BTreeMap;

use super::{
    kit::{
        Room, Store, assert_stale, change, everything, facts_of, head_of, new_session_id, participants_of, text, user,
        users,
    },
    samples::tricky_texts,
};
use crate::{
    model::{EventKind, ParticipantEvent, ParticipantRole, SessionType, Standing, UserId},
    store::{FactsQuery, Freshness, Head, ParticipantRecord, SessionFacts, Write},
};

const BOTH: [Freshness; 2] = [Freshness::Cached, Freshness::Fresh];

pub(super) async fn an_unknown_session_has_head_zero_and_nobody(store: Store) {
    let room = Room::public(&store).await;
    let nobody = |count| SessionFacts { head: Head::default(), session: None, participants: vec![None; count] };
    for freshness in BOTH {
        let id = new_session_id();
        let asked = [room.owner.clone(), user("stranger"), room.owner.clone()];
        assert_eq!(facts_of(&store, id, &asked, freshness).await, nobody(3));
        assert_eq!(facts_of(&store, id, &[], freshness).await, nobody(0));
        assert!(participants_of(&store, id, everything()).await.is_empty());
    }
}

pub(super) async fn users_are_answered_in_the_order_asked_for(store: Store) {
    let room = Room::public(&store).await;
    let [ana, bob, eve] = users(["ana", "bob", "eve"]);
    room.join(&bob).await;
    room.join(&ana).await;
    let asked = [&eve, &ana, &room.owner, &ana, &bob, &eve, &ana].map(Clone::clone);
    for freshness in BOTH {
        // What is cached was asked for before in another order.
        for asked in [&asked[..], &asked[3..4], &asked[1..3], &asked[..], &[]] {
            let facts = facts_of(&store, room.id, asked, freshness).await;
            assert_eq!(facts.participants.len(), asked.len());
            for (user, found) in asked.iter().zip(&facts.participants) {
                let found = found.as_ref().map(|record| &record.user_id);
                // What is cached may be from before they came.
                let is_early = freshness == Freshness::Cached && facts.head != room.head().await;
                let expected = Some(user).filter(|user| **user != eve);
                assert!(found == expected || (is_early && found.is_none()), "asked for {asked:?}, got {facts:?}");
            }
        }
    }
}

pub(super) async fn facts_of_many_sessions_are_answered_one_by_one_in_their_order(store: Store) {
    let [ana, bob] = users(["ana", "bob"]);
    let (first, second) = (Room::public(&store).await, Room::public(&store).await);
    first.join(&ana).await;
    second.join(&bob).await;
    second.join(&ana).await;
    second.leave(&ana).await;
    let unknown = new_session_id();
    let (one, both, turned, owner) =
        ([ana.clone()], [ana.clone(), bob.clone()], [bob.clone(), ana.clone()], [second.owner.clone()]);
    // Against the order of their ids, some more than once and each time about others.
    let queries = [
        (second.id, &both[..]),
        (first.id, &one[..]),
        (unknown, &both[..]),
        (second.id, &turned[..]),
        (second.id, &[]),
        (first.id, &owner[..]),
        (unknown, &one[..]),
        (first.id, &one[..]),
    ]
    .map(|(session_id, users)| FactsQuery { session_id, users });
    for freshness in BOTH {
        for part in [&queries[..], &queries[3..], &queries[1..3], &[]] {
            let found = store.facts(part, freshness).await.expect("facts");
            assert_eq!(found.len(), part.len());
            for (query, found) in part.iter().zip(&found) {
                let expected = facts_of(&store, query.session_id, query.users, Freshness::Fresh).await;
                // What is cached may be older; it is of the same session and users all the same.
                let is_older = freshness == Freshness::Cached && found.head.seq < expected.head.seq;
                let mut records = found.participants.iter().zip(query.users);
                let of_them = records.all(|(record, user)| {
                    record
                        .as_ref()
                        .is_none_or(|record| record.user_id == *user && record.session_id == query.session_id)
                });
                assert!(*found == expected || (is_older && of_them), "{query:?} gave {found:?}, not {expected:?}");
            }
        }
    }
}

pub(super) async fn fresh_facts_include_everything_committed(store: Store) {
    let room = Room::public(&store).await;
    let ana = user("ana");
    let asked = std::slice::from_ref(&ana);
    // Whatever was kept for cached facts must not be what fresh ones are taken from.
    for n in 1..=10 {
        facts_of(&store, room.id, asked, Freshness::Cached).await;
        let said = room.say(&room.owner, format!("{n}")).await;
        assert_eq!(room.head().await, head_of(&[said]));
        facts_of(&store, room.id, asked, Freshness::Cached).await;
        let changed = room.retitle(&format!("Title {n}")).await;
        let facts = room.facts(&[]).await;
        assert_eq!(facts.head, head_of(&[changed]));
        assert_eq!(facts.session.expect("a session").title, format!("Title {n}"));
        facts_of(&store, room.id, asked, Freshness::Cached).await;
        room.join(&ana).await;
        assert_eq!(room.record(&ana).await.map(|r| r.standing), Some(Standing::Active(ParticipantRole::Member)));
        facts_of(&store, room.id, asked, Freshness::Cached).await;
        let left = room.leave(&ana).await;
        let facts = room.facts(&[ana.clone(), room.owner.clone()]).await;
        assert_eq!(facts.head, head_of(&[left]));
        assert_eq!(facts.session.expect("a session").participant_count, 1);
        let standings: Vec<_> = facts.participants.into_iter().flatten().map(|record| record.standing).collect();
        assert_eq!(standings, [Standing::Former(ParticipantRole::Member), Standing::Active(ParticipantRole::Owner)]);
    }
}

pub(super) async fn facts_remember_who_was_in_it(store: Store) {
    let room = Room::open(&store, SessionType::InviteOnly, 10).await;
    let [ana, bob] = users(["ana", "bob"]);
    room.join(&ana).await;
    room.join(&bob).await;
    let record = room.record(&ana).await.expect("ana is in it");
    for role in ParticipantRole::ALL {
        let former = ParticipantRecord { standing: Standing::Former(role), ..record.clone() };
        room.put(&ana, vec![EventKind::Participant(ParticipantEvent::Left)], vec![Write::Participant(former.clone())])
            .await;
        assert_eq!(room.record(&ana).await, Some(former));
    }
    room.delete().await;
    assert!(!room.session().await.is_active);
    assert!(room.record(&ana).await.is_some() && room.record(&bob).await.is_some(), "deleting keeps the records");
}

/// Users of a session and what facts said of them, by the positions at which the log ended.
struct Past(BTreeMap<u64, SessionFacts>);

impl Past {
    async fn note(&mut self, room: &Room, asked: &[UserId]) {
        let facts = room.facts(asked).await;
        self.0.insert(facts.head.seq, facts);
    }
}

pub(super) async fn cached_facts_held_at_their_head(store: Store) {
    let room = Room::public(&store).await;
    let asked = users(["ana", "bob"]);
    let mut past =
        Past(BTreeMap::from([(0, SessionFacts { head: Head::default(), session: None, participants: vec![None; 2] })]));
    past.note(&room, &asked).await;
    for n in 0..12 {
        match n % 4 {
            0 => {
                room.join(&asked[0]).await;
            }
            1 => {
                room.put(
                    &room.owner,
                    vec![EventKind::Participant(ParticipantEvent::Left), text("two at once")],
                    vec![],
                )
                .await;
            }
            2 => {
                room.leave(&asked[0]).await;
            }
            _ => {
                room.say(&room.owner, "a message").await;
            }
        }
        past.note(&room, &asked).await;
        for _ in 0..2 {
            let cached = facts_of(&store, room.id, &asked, Freshness::Cached).await;
            let then = past.0.get(&cached.head.seq);
            assert_eq!(Some(&cached), then, "the log never ended there with these facts");
            // A part of what was asked for before must not bring another position together with older records.
            let part = facts_of(&store, room.id, &asked[1..], Freshness::Cached).await;
            let then = past.0.get(&part.head.seq).expect("the log ended there once");
            assert_eq!((part.session, &part.participants[..]), (then.session.clone(), &then.participants[1..]));
        }
    }
}

pub(super) async fn a_change_decided_on_outdated_cached_facts_is_stale(store: Store) {
    let room = Room::public(&store).await;
    let ana = user("ana");
    let asked = [ana.clone()];
    for n in 0..5 {
        room.join(&ana).await;
        let old = facts_of(&store, room.id, &asked, Freshness::Cached).await;
        room.say(&ana, format!("{n}")).await;
        room.remove(&ana).await;
        room.say(&room.owner, format!("{n}")).await;
        assert_stale(store.commit(room.message(old.head.seq, &ana, "decided before")).await);
        // What is cached now knows of the removal, or its position makes the commit notice.
        for _ in 0..3 {
            let cached = facts_of(&store, room.id, &asked, Freshness::Cached).await;
            let is_in = cached.participants[0].as_ref().is_some_and(|record| record.standing.role().is_some());
            let outcome = store.commit(room.message(cached.head.seq, &room.owner, "a message")).await;
            if is_in {
                assert_stale(outcome);
            }
        }
        // Also for a change of governance.
        let changed =
            change(room.id, old.head.seq, &room.owner, vec![EventKind::Participant(ParticipantEvent::Left)], vec![]);
        assert_stale(store.commit(changed).await);
    }
}

pub(super) async fn user_ids_are_told_apart_by_every_character(store: Store) {
    let all: Vec<UserId> = tricky_texts().iter().map(user).collect();
    // Any two of them differ in one bit of their places, so some session has one of them and not the other.
    let mut rooms = Vec::new();
    for bit in 0..all.len().ilog2() + 1 {
        let room = Room::open(&store, SessionType::Public, 1000).await;
        let is_in = |place: usize| place >> bit & 1 == 1;
        let inside: Vec<_> = all.iter().enumerate().filter(|(place, _)| is_in(*place)).map(|(_, user)| user).collect();
        for user in &inside {
            assert!(room.join(user).await);
        }
        let facts = room.facts(&all).await;
        for (place, (user, found)) in all.iter().zip(&facts.participants).enumerate() {
            let expected = Some(user).filter(|_| is_in(place));
            assert_eq!(found.as_ref().map(|record| &record.user_id), expected, "{user:?}");
        }
        assert!(room.participants().await.iter().eq(std::iter::once(&room.owner).chain(inside)));
        rooms.push((room.id, bit));
    }
    for (place, user) in all.iter().enumerate() {
        let expected = rooms.iter().rev().filter(|(_, bit)| place >> bit & 1 == 1).map(|(id, _)| *id);
        let found = store.sessions_of(user, everything()).await.expect("sessions of a user");
        assert!(found.iter().map(|(session, _)| session.id).eq(expected), "{user:?}");
    }
}
