//! What decisions are taken on.

use super::kit::{Room, Store, add, assert_stale, governing, head_of, new_session_id, only, said, same, sheet};
use crate::store::{FactsQuery, Freshness, Head, Key, SessionFacts, TypedKey};

const BOTH: [Freshness; 2] = [Freshness::Cached, Freshness::Fresh];

pub(super) async fn an_unknown_session_is_empty(store: Store) {
    let room = Room::open(&store).await;
    let nothing = |count| SessionFacts { head: Head::default(), governance: 0, records: vec![None; count] };
    for freshness in BOTH {
        let unknown = Room { id: new_session_id(), ..room.clone() };
        let asked = [unknown.law("a").key(), unknown.law("b").key(), unknown.law("a").key()];
        same("facts", unknown.facts(&asked, freshness).await, nothing(3));
        same("facts without records", unknown.facts(&[], freshness).await, nothing(0));
        let picture = unknown.picture().await;
        same("the rest", (picture.log.len(), picture.records.len()), (0, 0));
    }
}

pub(super) async fn facts_are_answered_one_by_one_in_their_order(store: Store) {
    let (one, other) = (Room::open(&store).await, Room::open(&store).await);
    let unknown = Room { id: new_session_id(), ..one.clone() };
    one.put(vec![governing()], vec![one.decree("a", 1), one.decree("b", 2)]).await;
    other.put(vec![said("a"), governing(), said("b")], vec![other.decree("b", 3), other.decree("c", 4)]).await;
    other.put(vec![said("c")], vec![other.law("c").remove()]).await;
    let keys = |room: &Room, names: &[&str]| names.iter().map(|name| room.law(*name).key()).collect::<Vec<Key>>();
    // Against the order of the ids, some more than once and each time about other records.
    let asked = [
        (other.id, keys(&other, &["a", "b"])),
        (one.id, keys(&one, &["b", "a", "b"])),
        (unknown.id, keys(&unknown, &["a"])),
        (other.id, keys(&other, &["c", "b", "a"])),
        (other.id, vec![]),
        (one.id, keys(&one, &["c"])),
        (one.id, keys(&one, &["b", "a", "b"])),
    ];
    let says = [
        (5, 5, vec![None, Some(3)]),
        (2, 2, vec![Some(2), Some(1), Some(2)]),
        (0, 0, vec![None]),
        (5, 5, vec![None, Some(3), None]),
        (5, 5, vec![]),
        (2, 2, vec![None]),
        (2, 2, vec![Some(2), Some(1), Some(2)]),
    ];
    let queries: Vec<_> =
        asked.iter().map(|(session_id, records)| FactsQuery { session_id: *session_id, records }).collect();
    // Fresh facts come first, so that what is cached is as recent in a store that keeps what it read.
    for part in [0..7, 3..7, 1..3, 5..5] {
        let found = store.facts(&queries[part.clone()], Freshness::Fresh).await.expect("facts");
        let shown = |facts: &SessionFacts| {
            let value = |record: &crate::store::Record| record.value.encode()["says"].as_i64().expect("a law");
            let records: Vec<_> = facts.records.iter().map(|record| record.as_ref().map(value)).collect();
            (facts.head.seq, facts.governance, records)
        };
        same("fresh facts", found.iter().map(shown).collect::<Vec<_>>(), &says[part.clone()]);
        let cached = store.facts(&queries[part.clone()], Freshness::Cached).await.expect("facts");
        same("the number of cached answers", cached.len(), found.len());
        for ((cached, fresh), query) in cached.iter().zip(&found).zip(&queries[part]) {
            let is_older = cached.head.seq < fresh.head.seq && cached.records.len() == query.records.len();
            assert!(cached == fresh || is_older, "{query:?}\n   store: {cached:?}\nexpected: {fresh:?}");
        }
    }
}

pub(super) async fn fresh_facts_include_everything_committed(store: Store) {
    let room = Room::open(&store).await;
    let law = [room.law("a").key()];
    // Fresh facts must not be taken from what was kept for cached ones.
    for n in 1..=10 {
        room.facts(&law, Freshness::Cached).await;
        let event = room.put(vec![said("a")], vec![]).await;
        same("the head", room.head().await, head_of(&event));
        room.facts(&law, Freshness::Cached).await;
        let event = room.put(vec![said("b")], vec![room.decree("a", n)]).await;
        let facts = room.facts(&law, Freshness::Fresh).await;
        same("the head and the position that governs", (facts.head, facts.governance), (head_of(&event), event[0].seq));
        let found = facts.records[0].as_ref().map(|record| record.value.encode());
        same("the record", found, Some(serde_json::json!({ "says": n })));
    }
    room.put(vec![governing()], vec![room.law("a").remove()]).await;
    same("a record that was removed", room.facts(&law, Freshness::Fresh).await.records, [None]);
}

pub(super) async fn cached_facts_held_at_their_head(store: Store) {
    let room = Room::open(&store).await;
    let keys = [room.law("a").key(), room.law("b").key(), room.law("never").key()];
    let mut past = vec![room.facts(&keys, Freshness::Fresh).await];
    for n in 0..24 {
        let writes = match n % 4 {
            0 => vec![room.decree("a", n)],
            1 => vec![room.note("a").put(sheet(n)), add(&room.tally("a"), 1)],
            2 => vec![room.decree("b", n), room.decree("a", -n)],
            _ => vec![room.law("b").remove()],
        };
        room.put(vec![said("a"), said("b")], writes).await;
        past.push(room.facts(&keys, Freshness::Fresh).await);
        for asked in [&[0, 1, 2][..], &[1], &[2, 0, 2], &[]] {
            let names: Vec<Key> = asked.iter().map(|n: &usize| keys[*n].clone()).collect();
            let query = FactsQuery { session_id: room.id, records: &names };
            let cached = only(store.facts(&[query], Freshness::Cached).await);
            let then = past.iter().find(|facts| facts.head.seq == cached.head.seq).cloned();
            let records = then.iter().flat_map(|then| asked.iter().map(|n| then.records[*n].clone())).collect();
            same("cached facts", Some(cached), then.map(|then| SessionFacts { records, ..then }));
        }
    }
}

pub(super) async fn a_change_decided_on_outdated_cached_facts_is_stale(store: Store) {
    let room = Room::open(&store).await;
    let law = [room.law("a").key()];
    for n in 0..10 {
        let cached = room.facts(&law, Freshness::Cached).await;
        room.put(vec![said("a")], vec![room.decree("a", n)]).await;
        assert_stale(room.commit(cached.head.seq, vec![said("decided before")], vec![]).await);
        let cached = room.facts(&law, Freshness::Cached).await;
        let fresh = room.facts(&law, Freshness::Fresh).await;
        let outcome = room.commit(cached.head.seq, vec![said("decided now")], vec![]).await;
        if cached.records == fresh.records {
            outcome.expect("what was cached holds");
        } else {
            assert_stale(outcome);
        }
    }
}
