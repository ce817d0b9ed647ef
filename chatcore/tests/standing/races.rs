//! Bans against everything that runs at the same time, through two chats on one store that hear nothing of each other.

use super::*;

/// How often a race is run: `CHATCORE_ROUNDS`, or a few times.
fn rounds() -> usize {
    std::env::var("CHATCORE_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(20)
}

/// Without rates, which would stop a sender before the ban does.
fn pair() -> (MemoryStore, [Chat; 2]) {
    let store = MemoryStore::new();
    let chats = [(), ()].map(|()| kit::uncounted(store.clone()));
    (store, chats)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_message_of_a_banned_user_stands_after_the_ban() {
    const SENDERS: usize = 16;
    for round in 0..rounds() {
        let (store, chats) = pair();
        let (alice, bob) = (user("alice"), user("bob"));
        let ids = [room(&chats[0], &alice, &[&bob]).await, room(&chats[1], &bob, &[&alice]).await];
        let senders = (0..SENDERS).map(|n| {
            let (chat, bob, id) = (chats[n % 2].clone(), bob.clone(), ids[n / 2 % 2]);
            tokio::spawn(async move {
                let mut sent = 0;
                loop {
                    match chat.send(&bob, id, SendMessage::text("again")).await {
                        Ok(_) => sent += 1,
                        // A session that changes all the time may ask to try again.
                        Err(Error::Unavailable) => {}
                        Err(error) => return (sent, error),
                    }
                    tokio::task::yield_now().await;
                }
            })
        });
        let senders: Vec<_> = senders.collect();
        for _ in 0..round % 7 * 20 {
            tokio::task::yield_now().await;
        }
        in_time(chats[0].ban_account(&bob.user_id, ban())).await.unwrap();
        let heads = [log(&store, ids[0]).await.len(), log(&store, ids[1]).await.len()];
        let mut sent = 0;
        for (count, error) in in_time(join_all(senders)).await.into_iter().map(Result::unwrap) {
            assert!(is_banned(&error) || matches!(error, Error::Denied(_)), "{error:?}");
            sent += count;
        }
        let mut found = 0;
        for (id, head) in ids.into_iter().zip(heads) {
            let log = log(&store, id).await;
            let is_removal =
                |event: &Arc<Event>| matches!(event.kind, EventKind::Participant(ParticipantEvent::Removed { .. }));
            let removal = log.iter().position(is_removal).expect("the ban is done in every session");
            assert!(removal < head, "the ban returned before it was done");
            let is_message = |event: &&Arc<Event>| event.kind.is_message();
            assert_eq!(log[removal..].iter().filter(is_message).count(), 0, "a message after the ban");
            found += log.iter().filter(is_message).count();
        }
        assert_eq!(found, sent, "every message that was acknowledged stands there, and no other");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_admission_slips_past_a_ban() {
    for round in 0..rounds() {
        let (_, chats) = pair();
        let (alice, bob) = (user("alice"), user("bob"));
        // So both processes know the user's standing of before.
        for chat in &chats {
            chat.me(&bob).await.unwrap();
        }
        let mut ids = Vec::new();
        for n in 0..6 {
            ids.push(room(&chats[n % 2], &alice, &[]).await);
        }
        let join = |n: usize| {
            let (chat, bob, id) = (chats[n % 2].clone(), bob.clone(), ids[n]);
            tokio::spawn(async move { chat.join(&bob, id).await.map(|_| ()) })
        };
        let add = |n: usize| {
            let (chat, alice, id) = (chats[n % 2].clone(), alice.clone(), ids[n]);
            let add = AddParticipant { user_id: bob.user_id.clone(), role: None };
            tokio::spawn(async move { chat.add_participant(&alice, id, add).await.map(|_| ()) })
        };
        let create = |n: usize| {
            let (chat, bob) = (chats[n % 2].clone(), bob.clone());
            tokio::spawn(async move { chat.create_session(&bob, CreateSession::titled("mine")).await.map(|_| ()) })
        };
        let tries = [join(0), add(1), create(0), join(3), add(4), create(1)];
        for _ in 0..round % 5 * 3 {
            tokio::task::yield_now().await;
        }
        in_time(chats[round % 2].ban_account(&bob.user_id, ban())).await.unwrap();
        for tried in in_time(join_all(tries)).await {
            match tried.unwrap() {
                Ok(()) | Err(Error::UserBanned) => {}
                Err(error) => assert!(is_banned(&error), "{error:?}"),
            }
        }
        for id in &ids {
            let people = chats[0].session(&alice, *id).await.unwrap().participants;
            let people: Vec<&UserId> = people.iter().map(|person| &person.profile.user_id).collect();
            assert_eq!(people, [&alice.user_id]);
        }
        // What the user owned is all that comes back.
        chats[0].unban_account(&bob.user_id).await.unwrap();
        let sessions = chats[0].sessions(&bob, chatcore::model::Page::FIRST).await.unwrap();
        assert!(sessions.entries.iter().all(|summary| summary.session.owner == bob.user_id));
    }
}
