//! A ban against sends through two servers, which are told by nothing but the database.
//!
//! `CHATCORE_ROUNDS=1000 cargo test --workspace --test remote banned` runs more rounds.

use std::sync::Arc;

use chatcore::{
    Chat, Principal, RateLimits,
    chat::{BanAccount, CreateSession},
    model::{Event, EventKind, ParticipantEvent, SessionId, SessionType, UserId},
    store::{ChatStore as _, LogRange},
};
use chatcore_surreal::SurrealStore;
use chatcore_tests::{Client, token};
use serde_json::json;
use tokio::{sync::mpsc, task::JoinSet};

use super::{kit::rounds, start, surreal};

const SENDERS: usize = 16;

/// What a server answers a banned user: that of the account, or, for a moment, that of the sessions from which it was removed.
const REFUSALS: [&str; 3] = ["ACCOUNT_BANNED", "SESSION_ACCESS_DENIED", "SESSION_NOT_FOUND"];

async fn log(store: &SurrealStore, session_id: SessionId) -> Vec<Arc<Event>> {
    store.log(&[LogRange { session_id, from: 1, to: 100_000 }]).await.unwrap().remove(0)
}

/// Sends until it is refused. Gives the number of messages that were acknowledged.
async fn send(client: Client, session: SessionId, tell: mpsc::UnboundedSender<()>) -> usize {
    let mut sent = 0;
    loop {
        let reply = client.post(&format!("/sessions/{session}/messages"), json!({ "content": "again" })).await;
        match (reply.status, reply.body["code"].as_str()) {
            (201, _) => sent += 1,
            // Others were faster each time; nothing was changed.
            (503, Some("SERVICE_UNAVAILABLE")) => {}
            (_, Some(code)) => {
                assert!(REFUSALS.contains(&code), "{reply:?}");
                return sent;
            }
            _ => panic!("{reply:?}"),
        }
        let _ = tell.send(());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_message_of_a_banned_user_stands_after_the_ban_through_two_servers() {
    let (database, folder) = (surreal("memory").await, tempfile::tempdir().unwrap());
    let options = database.database().await;
    let servers = [(); 2].map(|()| start(folder.path(), &database.url(), &options));
    let clients = servers.each_ref().map(|server| Client::new(&server.address, None));
    // The administrator's process, which serves nobody.
    let store = Arc::new(database.store(&options).await);
    let chat = Chat::builder(Arc::clone(&store)).rates(RateLimits::off()).build();
    let admin = UserId::new("admin").unwrap();
    let rounds = rounds(4);
    for round in 0..rounds {
        let name = format!("bob-{round}");
        let [alice, bob] = ["alice", &name].map(|name| Principal::new(UserId::new(name).unwrap()));
        let mut ids = Vec::new();
        for _ in 0..2 {
            let new = CreateSession::titled("A room").of_type(SessionType::Public);
            let id = chat.create_session(&alice, new).await.unwrap().summary.session.id;
            chat.join(&bob, id).await.unwrap();
            ids.push(id);
        }
        let (tell, mut told) = mpsc::unbounded_channel();
        let mut senders = JoinSet::new();
        for n in 0..SENDERS {
            // Each server has senders in each session.
            let client = clients[n % 2].with_token(token(&name));
            senders.spawn(send(client, ids[n / 2 % 2], tell.clone()));
        }
        drop(tell);
        // After some messages, so that the ban comes in the middle of them.
        for _ in 0..round % 9 * 4 {
            told.recv().await;
        }
        let ban = BanAccount { reason: "spam".to_owned(), by: admin.clone(), until: None };
        chat.ban_account(&bob.user_id, ban).await.unwrap();
        let heads = [log(&store, ids[0]).await.len(), log(&store, ids[1]).await.len()];
        let sent: usize = senders.join_all().await.into_iter().sum();
        let mut found = 0;
        for (id, head) in ids.into_iter().zip(heads) {
            let log = log(&store, id).await;
            let is_removal =
                |event: &Arc<Event>| matches!(event.kind, EventKind::Participant(ParticipantEvent::Removed { .. }));
            let removal = log.iter().position(is_removal).unwrap();
            assert!(removal < head, "the ban returned before it was done");
            let is_message = |event: &&Arc<Event>| event.kind.is_message();
            assert_eq!(log[removal..].iter().filter(is_message).count(), 0, "a message after the ban");
            found += log.iter().filter(is_message).count();
        }
        assert_eq!(found, sent, "every message that was acknowledged stands there, and no other");
        if round % 100 == 99 {
            eprintln!("{} of {rounds} rounds", round + 1);
        }
    }
}
