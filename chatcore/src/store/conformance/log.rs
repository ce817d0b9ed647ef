//! Reading logs.

use super::kit::{Room, Store, new_session_id, said, same};
use crate::store::LogRange;

pub(super) async fn ranges_are_answered_one_by_one_in_their_order(store: Store) {
    let (one, other) = (Room::open(&store).await, Room::open(&store).await);
    for n in 0..9 {
        one.commit(1, vec![said(format!("one {n}"))], vec![]).await.expect("a message");
        other.commit(1, vec![said(format!("other {n}"))], vec![]).await.expect("a message");
    }
    let (log, other_log) = (one.log().await, other.log().await);
    let ask = |room: &Room, from, to| LogRange { session_id: room.id, from, to };
    let nowhere = LogRange { session_id: new_session_id(), from: 1, to: 10 };
    let ranges = [
        ask(&other, 8, 10),
        ask(&one, 1, 3),
        nowhere,
        ask(&one, 1, 3),
        ask(&one, 2, 5),
        ask(&other, 1, 10),
        ask(&one, 7, 6),
        ask(&one, 9, 9),
        ask(&other, 100, 200),
    ];
    let found = store.log(&ranges).await.expect("parts of logs");
    let expected = [&other_log[7..10], &log[..3], &[], &log[..3], &log[1..5], &other_log[..], &[], &log[8..9], &[]];
    same("the ranges", found, expected);
    assert!(store.log(&[]).await.expect("nothing").is_empty());
}

pub(super) async fn a_range_gives_what_there_is_of_it(store: Store) {
    let room = Room::open(&store).await;
    for n in 0..4 {
        room.commit(1, vec![said(format!("{n}"))], vec![]).await.expect("a message");
    }
    let whole = [1, 2, 3, 4, 5];
    let ranges: [(u64, u64, &[u64]); 19] = [
        (1, 5, &whole),
        (1, 6, &whole),
        (1, 1000, &whole),
        (1, u64::MAX, &whole),
        (0, 5, &whole),
        (0, u64::MAX, &whole),
        (0, 0, &[]),
        (0, 1, &[1]),
        (1, 1, &[1]),
        (1, 0, &[]),
        (2, 4, &[2, 3, 4]),
        (5, 5, &[5]),
        (5, 9, &[5]),
        (5, 4, &[]),
        (6, 6, &[]),
        (6, u64::MAX, &[]),
        (u64::MAX, u64::MAX, &[]),
        (u64::MAX - 1, u64::MAX, &[]),
        (u64::MAX, 1, &[]),
    ];
    let asked = ranges.map(|(from, to, _)| LogRange { session_id: room.id, from, to });
    let together = store.log(&asked).await.expect("parts of the log");
    for ((from, to, expected), together) in ranges.into_iter().zip(together) {
        for found in [room.range(from, to).await, together] {
            let found: Vec<u64> = found.iter().map(|event| event.seq).collect();
            same(format!("from {from} to {to}"), found, expected);
        }
    }
    let unknown = LogRange { session_id: new_session_id(), from: 0, to: u64::MAX };
    same("an unknown session", store.log(&[unknown]).await.expect("nothing"), [vec![]]);
}

pub(super) async fn a_log_is_read_at_any_depth(store: Store) {
    let room = Room::open(&store).await;
    for part in 0..12 {
        room.put((0..25).map(|n| said(format!("{part}/{n}"))).collect(), vec![]).await;
    }
    let log = room.log().await;
    assert_eq!(log.len(), 301);
    for from in (1..=301).step_by(23) {
        for length in [1, 2, 50, 301] {
            let found = room.range(from as u64, (from + length - 1) as u64).await;
            same(format!("{length} from {from}"), &found[..], &log[from - 1..301.min(from - 1 + length)]);
        }
    }
}
