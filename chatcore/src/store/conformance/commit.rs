//! What a commit does, and what it refuses.

use super::{
    kit::{
        Room, Store, assert_dense, assert_stale, at, change, claim, conflict, creation, facts_of, head_of, session,
        stay, text, text_of, user, users,
    },
    samples::every_kind,
};
use crate::{
    model::{
        EventKind, NewEvent, ParticipantEvent, ParticipantRole, Session, SessionChanges, SessionEvent, SessionType,
        Standing,
    },
    store::{Change, Freshness, ParticipantRecord, Write},
};

pub(super) async fn a_log_is_numbered_from_one_without_holes(store: Store) {
    let session = session(&user("ana"), SessionType::Public, 10);
    let committed = store.commit(creation(&session)).await.expect("a session is made");
    assert_eq!(committed.events.iter().map(|event| event.seq).collect::<Vec<_>>(), [1]);
    let room = Room { store, id: session.id, owner: session.owner };
    let mut answered = committed.events;
    for round in 0..5 {
        answered.push(room.say(&room.owner, format!("{round}")).await);
        answered.extend(
            room.put(&room.owner, vec![text("a"), EventKind::Participant(ParticipantEvent::Left), text("b")], vec![])
                .await,
        );
    }
    assert_dense(room.id, &answered);
    assert_eq!(answered.len(), 21);
    assert_eq!(room.log().await, answered, "what was answered is what is kept");
    assert_eq!(room.head().await, head_of(&answered));
}

pub(super) async fn only_messages_take_a_number(store: Store) {
    let room = Room::public(&store).await;
    let mut number = 0;
    for kind in every_kind(&room.session().await) {
        let is_message = kind.is_message();
        let events = room.put(&room.owner, vec![kind, text("a message")], vec![]).await;
        assert_eq!(events[0].number, number + u64::from(is_message), "{:?}", events[0]);
        assert_eq!(events[1].number, events[0].number + 1);
        number = events[1].number;
    }
    assert_eq!(room.head().await.number, number);
    assert_dense(room.id, &room.log().await);
}

pub(super) async fn the_time_of_an_event_is_never_below_the_one_before(store: Store) {
    let session = session(&user("ana"), SessionType::Public, 10);
    let said = |time: i64| NewEvent { actor: user("ana"), created_at: at(time), kind: text("a message") };
    let mut made = creation(&session);
    made.events[0].created_at = at(0);
    store.commit(made).await.expect("a session is made");
    let room = Room { store, id: session.id, owner: session.owner };
    let empty = room.message(1, &room.owner, "");
    // Each change: the times that its callers' clocks gave, and the times that are kept.
    let changes: [(&[i64], &[i64]); 6] = [
        (&[5], &[5]),
        (&[4], &[5]),
        (&[-3_600_000_000], &[5]),
        (&[7, 6, 9, 8], &[7, 7, 9, 9]),
        (&[9], &[9]),
        (&[2, 10, 3], &[9, 10, 10]),
    ];
    let mut expected = vec![at(0)];
    for (given, kept) in changes {
        let events = given.iter().copied().map(said).collect();
        let committed = room.store.commit(Change { events, ..empty.clone() }).await.expect("messages");
        let times: Vec<_> = committed.events.iter().map(|event| event.created_at).collect();
        assert_eq!(times, kept.iter().copied().map(at).collect::<Vec<_>>(), "given {given:?}");
        expected.extend(times);
        assert_eq!(room.head().await.at, committed.events.last().expect("an event").created_at);
    }
    assert_eq!(room.log().await.iter().map(|event| event.created_at).collect::<Vec<_>>(), expected);
}

pub(super) async fn the_events_of_a_change_stand_together_in_their_order(store: Store) {
    let room = Room::public(&store).await;
    let texts: Vec<String> = (0..20).map(|n| format!("part {n}")).collect();
    let events = room.put(&room.owner, texts.iter().map(text).collect(), vec![]).await;
    assert_eq!(events.iter().map(|event| text_of(event)).collect::<Vec<_>>(), texts);
    assert_eq!(events.iter().map(|event| event.seq).collect::<Vec<_>>(), (2..22).collect::<Vec<_>>());
    assert_eq!(room.range(2, 21).await, events);
}

pub(super) async fn every_kind_of_governance_event_makes_older_decisions_stale(store: Store) {
    let room = Room::public(&store).await;
    for kind in every_kind(&room.session().await) {
        let before = room.head().await.seq;
        let is_governance = kind.is_governance();
        let event = room.put(&room.owner, vec![kind], vec![]).await.remove(0);
        let outcome = store.commit(room.message(before, &room.owner, "decided before")).await;
        if is_governance {
            assert_stale(outcome);
            store.commit(room.message(event.seq, &room.owner, "decided again")).await.expect("not stale");
        } else {
            outcome.expect("a message makes nothing stale");
        }
    }
    let last = room.retitle("The last governance event").await.seq;
    for old in 0..last {
        assert_stale(store.commit(room.message(old, &room.owner, "too old")).await);
    }
}

pub(super) async fn no_message_makes_a_decision_stale(store: Store) {
    let room = Room::public(&store).await;
    let decided_at = room.head().await.seq;
    for n in 0..30 {
        store.commit(room.message(decided_at, &room.owner, &format!("{n}"))).await.expect("not stale");
    }
    // The same for what is itself governance.
    let left = change(room.id, decided_at, &room.owner, vec![EventKind::Participant(ParticipantEvent::Left)], vec![]);
    store.commit(left).await.expect("not stale");
    assert_stale(store.commit(room.message(decided_at, &room.owner, "now")).await);
}

pub(super) async fn a_message_that_replaces_a_record_makes_older_decisions_stale(store: Store) {
    let room = Room::public(&store).await;
    let ana = user("ana");
    room.join(&ana).await;
    for n in 0..4 {
        let before = room.head().await.seq;
        let record = room.record(&ana).await.expect("ana is in it");
        let replaced = ParticipantRecord { is_engaged: !record.is_engaged, ..record };
        let said = room.put(&ana, vec![text("a"), text("b")], vec![Write::Participant(replaced.clone())]).await;
        assert_eq!(room.record(&ana).await, Some(replaced.clone()));
        assert_eq!(room.participants().await, [room.owner.clone(), ana.clone()], "the stay is the same");
        room.say(&room.owner, format!("{n}")).await;
        // Who decided on the older record would put it back.
        assert_stale(store.commit(room.message(before, &room.owner, "too old")).await);
        let left = change(room.id, before, &ana, vec![EventKind::Participant(ParticipantEvent::Left)], vec![]);
        assert_stale(store.commit(left).await);
        store.commit(room.message(said[1].seq, &room.owner, "still good")).await.expect("not stale");
        for freshness in [Freshness::Cached, Freshness::Fresh] {
            let facts = facts_of(&store, room.id, std::slice::from_ref(&ana), freshness).await;
            assert!(facts.head.seq < said[1].seq || facts.participants[0] == Some(replaced.clone()), "{facts:?}");
        }
    }
}

pub(super) async fn a_decision_taken_at_the_governance_event_is_not_stale(store: Store) {
    let room = Room::public(&store).await;
    // The governance event stands first, in the middle and last among those of its change.
    for place in 0..3 {
        let mut kinds = vec![text("a"), text("b")];
        kinds.insert(place, EventKind::Participant(ParticipantEvent::Left));
        let events = room.put(&room.owner, kinds, vec![]).await;
        assert_stale(store.commit(room.message(events[place].seq - 1, &room.owner, "just before")).await);
        store.commit(room.message(events[place].seq, &room.owner, "just at it")).await.expect("not stale");
    }
}

pub(super) async fn a_governance_event_is_noticed_behind_many_messages(store: Store) {
    let room = Room::public(&store).await;
    let old = room.head().await.seq;
    let removal = room.retitle("Changed").await.seq;
    for _ in 0..6 {
        room.put(&room.owner, (0..50).map(|n| text(format!("{n}"))).collect(), vec![]).await;
    }
    assert_stale(store.commit(room.message(old, &room.owner, "too old")).await);
    store.commit(room.message(removal, &room.owner, "still good")).await.expect("not stale");
    assert_eq!(room.head().await.seq, removal + 301);
}

pub(super) async fn a_session_is_created_once(store: Store) {
    let first = session(&user("ana"), SessionType::Public, 10);
    let second = Session { title: "Another".into(), owner: user("bob"), ..first.clone() };
    store.commit(creation(&first)).await.expect("a session is made");
    assert_stale(store.commit(creation(&second)).await);
    let room = Room { store, id: first.id, owner: first.owner.clone() };
    assert_eq!(room.session().await, first);
    assert_eq!(room.participants().await, [user("ana")]);
    assert_eq!(room.log().await.len(), 1);
}

pub(super) async fn sessions_do_not_make_each_other_stale(store: Store) {
    let (one, other) = (Room::public(&store).await, Room::public(&store).await);
    let decided_at = one.head().await.seq;
    other.retitle("Changed").await;
    other.say(&other.owner, "a message").await;
    let committed = store.commit(one.message(decided_at, &one.owner, "a message")).await.expect("not stale");
    assert_eq!((committed.events[0].seq, committed.events[0].number), (2, 1), "every log has its own numbers");
    assert_dense(one.id, &one.log().await);
    assert_dense(other.id, &other.log().await);
}

pub(super) async fn staleness_is_looked_for_before_conflicts(store: Store) {
    let room = Room::public(&store).await;
    let claim = Some(claim(&room.owner, "once", "a message"));
    let first = Change { claim, ..room.message(1, &room.owner, "a message") };
    store.commit(first.clone()).await.expect("the client id is free");
    let governed = room.retitle("Changed").await.seq;
    // A retry is decided again before it learns that it was one: its sender may not be allowed to know any more.
    assert_stale(store.commit(first.clone()).await);
    conflict(store.commit(Change { decided_at: governed, ..first }).await);
}

/// A change that writes everything that a change can write.
async fn everything(room: &Room, decided_at: u64, client_id: &str) -> Change {
    let [ana, newcomer] = users(["ana", "newcomer"]);
    let record = room.record(&ana).await.expect("ana was in it");
    let left = ParticipantRecord { standing: Standing::Former(ParticipantRole::Member), ..record };
    let session = Session { title: "Never".into(), session_type: SessionType::Private, ..room.session().await };
    let writes = vec![
        Write::Session(session),
        Write::Participant(left),
        Write::Participant(stay(room.id, &newcomer, ParticipantRole::Admin)),
    ];
    let kinds = vec![
        EventKind::Session(SessionEvent::Updated {
            changes: SessionChanges { title: Some("Never".into()), ..Default::default() },
        }),
        EventKind::Participant(ParticipantEvent::Removed { user_id: ana }),
        text("never"),
    ];
    let claim = Some(claim(&room.owner, client_id, "never"));
    Change { claim, ..change(room.id, decided_at, &room.owner, kinds, writes) }
}

pub(super) async fn a_stale_change_leaves_no_trace(store: Store) {
    let room = Room::public(&store).await;
    let known = users(["ana", "newcomer", "stranger"]);
    let old = room.head().await.seq;
    room.join(&known[0]).await;
    let before = room.picture(&known).await;
    assert_stale(store.commit(everything(&room, old, "free").await).await);
    assert_eq!(room.picture(&known).await, before);
    room.say(&room.owner, "the log goes on").await;
    assert_dense(room.id, &room.log().await);
    let again = everything(&room, room.head().await.seq, "free").await;
    store.commit(again).await.expect("the client id is still free");
}

pub(super) async fn a_conflicting_change_leaves_no_trace(store: Store) {
    let room = Room::public(&store).await;
    let known = users(["ana", "newcomer", "stranger"]);
    room.join(&known[0]).await;
    let claim = Some(claim(&room.owner, "taken", "a message"));
    let head = room.head().await.seq;
    store.commit(Change { claim, ..room.message(head, &room.owner, "a message") }).await.expect("it is free");
    let before = room.picture(&known).await;
    for _ in 0..2 {
        let (seq, fingerprint) = conflict(store.commit(everything(&room, head, "taken").await).await);
        assert_eq!((seq, fingerprint.as_str()), (head + 1, "a message"));
        assert_eq!(room.picture(&known).await, before);
    }
    room.say(&room.owner, "the log goes on").await;
    assert_dense(room.id, &room.log().await);
}

pub(super) async fn a_record_is_replaced_as_a_whole(store: Store) {
    let ana = user("ana");
    let room = Room::public(&store).await;
    let first = Session { description: Some("Something".into()), ..room.session().await };
    room.put(&ana, vec![EventKind::Participant(ParticipantEvent::Left)], vec![Write::Session(first.clone())]).await;
    assert_eq!(room.session().await, first);
    let second = Session { description: None, title: "Other".into(), updated_at: at(1), ..first };
    let one = stay(room.id, &ana, ParticipantRole::Admin);
    let writes = vec![Write::Session(second.clone()), Write::Participant(one.clone())];
    room.put(&ana, vec![EventKind::Participant(ParticipantEvent::Left)], writes).await;
    assert_eq!((room.session().await, room.record(&ana).await), (second.clone(), Some(one.clone())));
    // What is not written stays.
    room.say(&ana, "a message").await;
    assert_eq!((room.session().await, room.record(&ana).await), (second, Some(one)));
    let two = ParticipantRecord {
        standing: Standing::Former(ParticipantRole::Viewer),
        ..stay(room.id, &ana, ParticipantRole::Viewer)
    };
    room.put(&ana, vec![EventKind::Participant(ParticipantEvent::Left)], vec![Write::Participant(two.clone())]).await;
    assert_eq!(room.record(&ana).await, Some(two));
}
