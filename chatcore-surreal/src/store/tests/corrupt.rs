//! What cannot be read of one session leaves the others alone.

use chatcore::{
    model::{ParticipantId, ParticipantRole, SessionType, Standing},
    store::Write,
};

use super::*;

fn user(name: &str) -> UserId {
    UserId::new(name).expect("a user id")
}

/// A public session of these people, with two messages.
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
    };
    let stay = |name: &&str| {
        let standing = Standing::Active(ParticipantRole::Member);
        let (stay, user_id) = (ParticipantId(Uuid::now_v7()), user(name));
        let record = ParticipantRecord {
            id: stay,
            session_id: id,
            user_id,
            standing,
            is_engaged: true,
            joined_at: now,
            created_at: now,
        };
        Write::Participant(record)
    };
    let writes = [Write::Session(session)].into_iter().chain(people.iter().map(stay)).collect();
    store.commit(Change { writes, ..message(id, "one") }).await.expect("a session");
    for text in ["two", "three"] {
        // The change before this one was decided last.
        store.commit(Change { decided_at: 1, ..message(id, text) }).await.expect("a message");
    }
    id
}

/// Damages a row.
async fn damage(store: &SurrealStore, text: &'static str, id: RecordId) {
    store.engine.write(text, bind("id", id)).await.expect("a row to damage");
}

const NO_EVENT: &str = "UPDATE $id SET data = '{\"kind\":\"of_a_later_version\"}'";
const NO_NUMBER: &str = "UPDATE $id SET number = 'three'";
const NO_TYPE: &str = "UPDATE $id SET session_type = 'OF_A_LATER_VERSION'";
const NO_ROLE: &str = "UPDATE $id SET role = 'OF_A_LATER_VERSION'";
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
async fn a_session_that_cannot_be_read_spoils_no_facts_and_no_lists_of_others() {
    let damages: [Damage; 3] = [
        (NO_TYPE, keys::session),
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
        let users = [user("ana")];
        let facts = |session_id| FactsQuery { session_id, users: &users };
        let found = store.facts(&[facts(spoiled), facts(whole)], Freshness::Fresh).await.expect("facts");
        let seen: Vec<_> =
            found.iter().map(|one| (one.head.seq, one.session.is_some(), one.participants[0].is_some())).collect();
        assert_eq!(seen, [(0, false, false), (3, true, true)], "{text}");
        is_corrupt(store.facts(&[facts(spoiled)], Freshness::Fresh).await);

        let ids = |sessions: &[(Session, Head)]| sessions.iter().map(|(session, _)| session.id).collect::<Vec<_>>();
        assert_eq!(
            ids(&store.sessions_of(&user("ana"), Slice::first(100)).await.expect("sessions")),
            [whole],
            "{text}"
        );
        assert_eq!(
            ids(&store.public_sessions(&user("bob"), Slice::first(100)).await.expect("sessions").sessions),
            [whole],
            "{text}"
        );
    }
}

#[tokio::test]
async fn a_participant_that_cannot_be_read_spoils_no_list() {
    let store = in_memory().await;
    let (whole, spoiled) = (room(&store, &["ana"]).await, room(&store, &["ana", "bob", "cyd", "dan"]).await);
    damage(&store, NO_ROLE, keys::participant(spoiled, &user("bob"))).await;
    damage(&store, GONE, keys::participant(spoiled, &user("cyd"))).await;
    let query = |session_id| ParticipantsQuery { session_id, slice: Slice::first(100) };
    let names = |list: &[ParticipantRecord]| list.iter().map(|one| one.user_id.to_string()).collect::<Vec<_>>();
    let found = store.participants(&[query(spoiled), query(whole)]).await.expect("lists");
    assert_eq!(found.iter().map(|list| names(list)).collect::<Vec<_>>(), [vec!["ana", "dan"], vec!["ana"]]);
    assert_eq!(names(&store.participants(&[query(spoiled)]).await.expect("a list")[0]), ["ana", "dan"]);
    // A part is full where there are enough that can be read.
    let two = ParticipantsQuery { session_id: spoiled, slice: Slice::first(2) };
    assert_eq!(names(&store.participants(&[two]).await.expect("a list")[0]), ["ana", "dan"]);
    // What somebody may do is not guessed.
    let users = [user("bob")];
    let asked = FactsQuery { session_id: spoiled, users: &users };
    is_corrupt(store.beside().facts(&[asked], Freshness::Fresh).await);
}

#[tokio::test]
async fn a_profile_that_cannot_be_read_is_none() {
    let store = in_memory().await;
    let names = ["ana", "bob"].map(user);
    for name in &names {
        let profile = ProfileRecord { version: 1, ..ProfileRecord::unknown(name.clone()) };
        store.put_profile(profile).await.expect("a profile");
    }
    store
        .engine
        .write("DEFINE FIELD OVERWRITE version ON profile TYPE any", Variables::new())
        .await
        .expect("another schema");
    damage(&store, "UPDATE $id SET version = 'none'", keys::profile(&user("bob"))).await;
    let found = store.profiles(&names).await.expect("profiles");
    assert_eq!(found.iter().map(Option::is_some).collect::<Vec<_>>(), [true, false]);
}

#[tokio::test]
async fn a_session_that_cannot_be_read_spoils_no_batch() {
    let writer = in_memory().await;
    let (whole, spoiled) = (room(&writer, &["ana"]).await, room(&writer, &["ana"]).await);
    damage(&writer, GONE, keys::log(spoiled, 2)).await;
    let store = Arc::new(writer.beside());
    // Both wait while another change is written, and so are in one batch.
    fail(&store, &[Fault::SlowDisk]);
    let commit = |id| {
        let store = Arc::clone(&store);
        tokio::spawn(async move { store.commit(Change { decided_at: 1, ..message(id, "another") }).await })
    };
    let first = commit(new_id());
    store.engine.faults.visible.acquire().await.expect("a permit").forget();
    let both = [commit(spoiled), commit(whole)];
    while store.waiting() < both.len() {
        tokio::task::yield_now().await;
    }
    store.engine.faults.synced.add_permits(1);
    first.await.expect("a commit").expect("a message");
    let [spoiled, whole] = both;
    is_corrupt(spoiled.await.expect("a commit"));
    assert_eq!(whole.await.expect("a commit").expect("a message").events[0].seq, 4);
}
