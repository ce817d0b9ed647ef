//! What cannot be read of one session leaves the others alone.

use chatcore::{
    model::{ParticipantRole, Session, SessionType, Standing},
    store::{Key, Memberships, Newest, Seat, Sessions},
};

use super::*;

fn user(name: &str) -> UserId {
    UserId::new(name).expect("a user id")
}

fn session_of(session: SessionId) -> Key {
    Sessions { session }.key()
}

fn participant_of(session: SessionId, name: &str) -> Key {
    Participants { session, user: user(name) }.key()
}

/// A session of these people, with two messages.
async fn room(store: &SurrealStore, people: &[&str]) -> SessionId {
    let (id, now) = (new_id(), Utc::now());
    let session = Session {
        id,
        title: "A room".to_owned(),
        description: None,
        session_type: SessionType::Public,
        max_participants: 10,
        participant_count: 1,
        owner: user("ana"),
        is_active: true,
        created_at: now,
        updated_at: now,
        settings: chatcore::model::SessionSettings::default(),
        archived_at: None,
        deletion: None,
        needs: 0,
    };
    let mut writes = vec![Sessions { session: id }.put(session)];
    for name in people {
        let (stay, user) = (ParticipantId(Uuid::now_v7()), user(name));
        let role = Standing::Active(ParticipantRole::Member);
        let record = ParticipantRecord::new(stay, id, user.clone(), role, now);
        let record = ParticipantRecord { is_engaged: true, ..record };
        writes.push(Participants { session: id, user: user.clone() }.put(record));
        writes.push(Memberships { user: user.clone(), session: Newest(id) }.put(chatcore::store::Listed));
        writes.push(Seats { session: id, stay }.put(Seat { user }));
    }
    store.commit(with(message(id, "one"), writes)).await.expect("a session");
    for text in ["two", "three"] {
        // The change before this one was decided last.
        store.commit(decided_at(message(id, text), 1)).await.expect("a message");
    }
    id
}

/// Damages a row.
async fn damage(store: &SurrealStore, text: &'static str, id: RecordId) {
    store.engine.write(text, bind("id", id)).await.expect("a row to damage");
}

const NO_EVENT: &str = "UPDATE $id SET data = '{\"kind\":\"message_sent\"}'";
const NO_NUMBER: &str = "UPDATE $id SET number = 'three'";
const NO_TYPE: &str = "UPDATE $id SET session_type = 7";
const NO_ROLE: &str = "UPDATE $id SET role = 7";
const GONE: &str = "DELETE $id";

/// What happens to which row of a session.
type Damage = (&'static str, fn(SessionId) -> RecordId);

fn is_corrupt<T: std::fmt::Debug>(outcome: Result<T, StoreError>) {
    assert!(matches!(outcome, Err(StoreError::Corrupt(_))), "{outcome:?}");
}

#[tokio::test]
async fn an_event_that_cannot_be_read_spoils_no_other_log() {
    for text in [NO_EVENT, NO_NUMBER] {
        let store = in_memory().await;
        let (whole, spoiled) = (room(&store, &["ana"]).await, room(&store, &["ana"]).await);
        damage(&store, text, keys::log(spoiled, 2)).await;
        let range = |session_id| LogRange { session_id, from: 1, to: 100 };
        for others in [1, 20] {
            let mut ranges = vec![range(whole); others];
            ranges.push(range(spoiled));
            let found = store.log(&ranges).await.expect("the others can be read");
            let lengths: Vec<_> = found.iter().map(Vec::len).collect();
            assert_eq!(lengths, [vec![3; others], vec![0]].concat());
        }
        is_corrupt(store.log(&[range(spoiled)]).await);
        // Nor what stands before it.
        let before = LogRange { session_id: spoiled, from: 1, to: 1 };
        assert_eq!(store.log(&[before]).await.expect("a part")[0].len(), 1);
    }
}

#[tokio::test]
async fn an_event_of_a_later_version_is_passed_on() {
    const LATER: &str = "UPDATE $id SET data = '{\"kind\":\"of_a_later_version\",\"with\":1}', governance = true";

    let store = in_memory().await;
    let id = room(&store, &["ana"]).await;
    damage(&store, LATER, keys::log(id, 3)).await;
    let found = store.log(&[LogRange { session_id: id, from: 1, to: 100 }]).await.expect("a log").remove(0);
    assert_eq!((found.len(), &found[2].kind, found[2].governs), (3, &EventKind::Unknown, true));
    // What it governs is obeyed, though it is not known what that is.
    let other = store.beside();
    let outcome = other.commit(decided_at(message(id, "four"), 2)).await;
    assert!(matches!(outcome, Err(StoreError::Stale)), "{outcome:?}");
    assert_eq!(other.commit(decided_at(message(id, "four"), 3)).await.expect("a message").events[0].seq, 4);
}

#[tokio::test]
async fn a_session_that_cannot_be_read_spoils_no_facts_of_others() {
    let damages: [Damage; 3] = [
        (NO_TYPE, |id| keys::record(&session_of(id))),
        // Its log has a hole, or a row without a number.
        (GONE, |id| keys::log(id, 2)),
        (NO_NUMBER, |id| keys::log(id, 3)),
    ];
    for (text, row) in damages {
        let writer = in_memory().await;
        let (whole, spoiled) = (room(&writer, &["ana"]).await, room(&writer, &["ana"]).await);
        damage(&writer, text, row(spoiled)).await;
        // One that remembers nothing of them.
        let store = writer.beside();
        let keys = [spoiled, whole].map(|id| [session_of(id), participant_of(id, "ana")]);
        let [spoiled, whole] =
            [(spoiled, &keys[0]), (whole, &keys[1])].map(|(session_id, records)| FactsQuery { session_id, records });
        let found = store.facts(&[spoiled, whole], Freshness::Fresh).await.expect("facts");
        let seen: Vec<_> =
            found.iter().map(|one| (one.head.seq, one.records[0].is_some(), one.records[1].is_some())).collect();
        assert_eq!(seen, [(0, false, false), (3, true, true)], "{text}");
        is_corrupt(store.facts(&[spoiled], Freshness::Fresh).await);
    }
}

#[tokio::test]
async fn a_record_that_cannot_be_read_spoils_no_list() {
    let store = in_memory().await;
    let id = room(&store, &["ana", "bob", "cyd", "dan"]).await;
    damage(&store, NO_ROLE, keys::record(&participant_of(id, "bob"))).await;
    let names = |found: Vec<(Participants, Found<ParticipantRecord>)>| {
        found.into_iter().map(|(key, _)| key.user.to_string()).collect::<Vec<_>>()
    };
    let all = Participants::under(vec![id.part()]).limit(100);
    assert_eq!(names(store.list(all.clone()).await.expect("a list")), ["ana", "cyd", "dan"]);
    // A scan is full where there are enough records that can be read.
    assert_eq!(names(store.list(all.clone().limit(2)).await.expect("a list")), ["ana", "cyd"]);
    let keys = ["ana", "bob"].map(|name| participant_of(id, name));
    let found = store.records(&keys).await.expect("records");
    assert_eq!(found.iter().map(Option::is_some).collect::<Vec<_>>(), [true, false]);
    // A scan that asks for it names the record, and why it cannot be read.
    let shown = store.scan(&[all.showing_unreadable()]).await.expect("a list").remove(0);
    let faults: Vec<_> = shown.iter().filter_map(|(key, record)| Some((key, record.value.fault()?))).collect();
    assert_eq!((shown.len(), faults.len(), faults[0].0), (4, 1, &keys[1]));
    assert!(faults[0].1.contains("participant"), "{faults:?}");
    // What somebody may do is not guessed.
    let asked = FactsQuery { session_id: id, records: &keys[1..] };
    is_corrupt(store.beside().facts(&[asked], Freshness::Fresh).await);
}

#[tokio::test]
async fn a_record_of_a_newer_format_cannot_be_read() {
    let store = in_memory().await;
    let id = room(&store, &["ana"]).await;
    damage(&store, "UPDATE $id SET _format = 2", keys::record(&session_of(id))).await;
    let asked = FactsQuery { session_id: id, records: &[session_of(id)] };
    is_corrupt(store.beside().facts(&[asked], Freshness::Fresh).await);
}

#[tokio::test]
async fn a_session_that_cannot_be_read_spoils_no_batch() {
    let writer = in_memory().await;
    let (whole, spoiled) = (room(&writer, &["ana"]).await, room(&writer, &["ana"]).await);
    damage(&writer, GONE, keys::log(spoiled, 2)).await;
    let store = Arc::new(writer.beside());
    let commit = |id| decided_at(message(id, "another"), 1);
    let [spoiled, whole] = in_one_batch(&store, [commit(spoiled), commit(whole)]).await;
    is_corrupt(spoiled);
    assert_eq!(whole.expect("a message").events[0].seq, 4);
}

/// Commits both in one batch: they wait while another change is written.
async fn in_one_batch(store: &Arc<SurrealStore>, changes: [Change; 2]) -> [Result<Committed, StoreError>; 2] {
    fail(store, &[Fault::SlowDisk]);
    let commit = |change| {
        let store = Arc::clone(store);
        tokio::spawn(async move { store.commit(change).await })
    };
    let first = commit(message(new_id(), "the first"));
    store.engine.faults.visible.acquire().await.expect("a permit").forget();
    let both = changes.map(commit);
    while store.waiting() < both.len() {
        tokio::task::yield_now().await;
    }
    store.engine.faults.synced.add_permits(1);
    first.await.expect("a commit").expect("a message");
    let [one, other] = both;
    [one.await.expect("a commit"), other.await.expect("a commit")]
}

#[tokio::test]
async fn a_profile_that_cannot_be_read_spoils_no_send_of_its_batch() {
    let store = Arc::new(in_memory().await);
    let id = room(&store, &["ana"]).await;
    let profile = Profiles { user: user("ana") };
    let put = || profile.put(ProfileRecord::unknown(user("ana")));
    store.commit(Change::of_records(vec![put()])).await.expect("a profile");
    damage(&store, "UPDATE $id SET _format = 2", keys::record(&profile.key())).await;
    // Since the version is another one, the batch is planned again on what can be read.
    let changes = [Change::of_records(vec![put().at(Version(1))]), decided_at(message(id, "four"), 1)];
    let [profile, sent] = in_one_batch(&store, changes).await;
    is_corrupt(profile);
    assert_eq!(sent.expect("a message").events[0].seq, 4);
}
