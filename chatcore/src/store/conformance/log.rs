//! Reading logs.

use super::kit::{Room, Store, new_session_id, text};
use crate::store::LogRange;

pub(super) async fn ranges_are_answered_one_by_one_in_their_order(store: Store) {
    let (one, other) = (Room::public(&store).await, Room::public(&store).await);
    for n in 0..9 {
        one.say(&one.owner, format!("one {n}")).await;
        other.say(&other.owner, format!("other {n}")).await;
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
    assert_eq!(found, expected);
    assert!(store.log(&[]).await.expect("nothing").is_empty());
}

pub(super) async fn a_range_gives_what_there_is_of_it(store: Store) {
    let room = Room::public(&store).await;
    for n in 0..4 {
        room.say(&room.owner, format!("{n}")).await;
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
    for (from, to, expected) in ranges {
        let found: Vec<u64> = room.range(from, to).await.iter().map(|event| event.seq).collect();
        assert_eq!(found, expected, "from {from} to {to}");
    }
    let unknown = LogRange { session_id: new_session_id(), from: 0, to: u64::MAX };
    assert_eq!(store.log(&[unknown]).await.expect("nothing"), [vec![]]);
}

pub(super) async fn a_log_is_read_at_any_depth(store: Store) {
    let room = Room::public(&store).await;
    for part in 0..12 {
        room.put(&room.owner, (0..25).map(|n| text(format!("{part}/{n}"))).collect(), vec![]).await;
    }
    let log = room.log().await;
    assert_eq!(log.len(), 301);
    for from in (1..=301).step_by(7) {
        for length in [1, 2, 50, 128, 301] {
            let found = room.range(from as u64, from as u64 + length - 1).await;
            let to = 301.min(from - 1 + usize::try_from(length).expect("a length"));
            assert_eq!(found, log[from - 1..to], "{length} from {from}");
        }
    }
}
