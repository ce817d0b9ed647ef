//! Backups while the chat is in use.

use super::*;
use crate::hooked::Hooked;
use chatcore::store::Been;

const SENDERS: usize = 16;

/// A chat in use: three rooms with sixteen users.
#[derive(Clone)]
struct Town {
    chat: Chat,
    people: Vec<Principal>,
    rooms: Vec<SessionId>,
}

impl Town {
    async fn new(store: MemoryStore) -> Self {
        let chat = uncounted(store);
        let people: Vec<_> = (0..SENDERS).map(|number| user(&format!("user-{number}"))).collect();
        let mut rooms = Vec::new();
        for _ in 0..3 {
            let others: Vec<&Principal> = people.iter().skip(1).collect();
            rooms.push(kit::room(&chat, &people[0], &others).await);
        }
        Self { chat, people, rooms }
    }

    async fn send(&self, number: usize) -> Message {
        let (who, room) = (&self.people[number % SENDERS], self.rooms[number % 3]);
        self.chat.send(who, room, named(&format!("text {number}"), &format!("id-{number}"))).await.unwrap()
    }

    /// Something happens, depending on the number; mostly a message.
    async fn step(&self, number: usize, sent: &[Message], governs: bool) {
        let author = |message: &Message| user(message.sender.user_id.as_str());
        match number % 7 {
            0 => {
                let message = &sent[number * 31 % sent.len()];
                let edit = EditMessage::text(format!("edited by {number}"));
                // It may be deleted already.
                let _ = self.chat.edit_message(&author(message), message.id, edit).await;
            }
            1 => {
                let message = &sent[number * 17 % sent.len()];
                let _ = self.chat.delete_message(&self.people[0], message.id, None).await;
            }
            2 => {
                let message = &sent[number * 13 % sent.len()];
                let _ = self.chat.pin_message(&self.people[0], message.id).await;
            }
            3 if governs => {
                // The owner of none of the rooms.
                let (who, room) = (&self.people[1 + number % (SENDERS - 1)], self.rooms[number % 3]);
                if self.chat.leave(who, room).await.is_err() {
                    self.chat.join(who, room).await.unwrap();
                }
            }
            _ => {
                let (who, room) = (&self.people[number % SENDERS], self.rooms[number % 3]);
                let text = named(&format!("later {number}"), &format!("later-{number}"));
                let _ = self.chat.send(who, room, text).await;
            }
        }
    }
}

/// What holds for a backup that was taken while `original` went on.
async fn compare(copy: &MemoryStore, original: &MemoryStore, before: &Everything) {
    let (copied, now) = (everything(copy).await, everything(original).await);
    for (id, log) in &before.logs {
        let (copy_of, all) = (&copied.logs[id], &now.logs[id]);
        let position = copy_of.len() as Seq;
        assert!(copy_of.len() >= log.len(), "what was acknowledged before is missing");
        for (row, current) in copy_of.iter().zip(all) {
            assert!(row.revised <= position, "a row is newer than the log");
            if current.revised <= position {
                assert_eq!(row, current);
            } else {
                assert_eq!((row.seq, row.number, row.created_at), (current.seq, current.number, current.created_at));
                assert!(row.revision < current.revision);
            }
        }
        for (key, record) in now.records.iter().filter(|(key, _)| key.session() == Some(*id)) {
            if record.at <= position {
                assert_eq!(copied.records.get(key), Some(record), "{key:?}");
            }
        }
        for (key, record) in copied.records.iter().filter(|(key, _)| key.session() == Some(*id)) {
            assert!(record.at <= position, "{key:?} is newer than the log");
        }
        client_ids(copy, *id, copy_of).await;
        participants(copy, &copied, *id).await;
    }
}

/// Each message's client id is claimed, and no other one.
async fn client_ids(store: &MemoryStore, session: SessionId, log: &[Arc<Event>]) {
    let mut claimed = 0;
    for event in log {
        let EventKind::Message(MessageEvent::Sent { client_id: Some(client_id), .. }) = &event.kind else { continue };
        let key = ClientIds { session, user: event.actor.clone(), client_id: client_id.clone() };
        let used = store.get(&key).await.unwrap().expect("a client id is not claimed");
        assert_eq!(used.value.seq.unwrap_or(used.at), event.seq);
        claimed += 1;
    }
    let scan = ClientIds::under(vec![chatcore::store::KeyPart::part(&session)]);
    assert_eq!(store.scan(&[scan]).await.unwrap()[0].len(), claimed);
}

/// The participants are those of the log, and their lists name the session.
async fn participants(store: &MemoryStore, all: &Everything, session: SessionId) {
    let mut inside = std::collections::BTreeSet::new();
    for event in &all.logs[&session] {
        match &event.kind {
            EventKind::Session(_) => drop(inside.insert(event.actor.clone())),
            EventKind::Participant(chatcore::model::ParticipantEvent::Joined { .. }) => {
                inside.insert(event.actor.clone());
            }
            EventKind::Participant(chatcore::model::ParticipantEvent::Left) => {
                inside.remove(&event.actor);
            }
            _ => {}
        }
    }
    for (key, record) in all.records.iter().filter(|(key, _)| key.table.is(Participants::TABLE)) {
        let Some(Participants { session: of, user }) = Participants::from_parts(&key.parts) else { panic!() };
        if of != session {
            continue;
        }
        let is_active = record.typed::<chatcore::store::ParticipantRecord>().unwrap().value.standing.role().is_some();
        assert_eq!(is_active, inside.contains(&user), "{user:?}");
        let listed = Memberships { user: user.clone(), session: chatcore::store::Newest(session) };
        assert_eq!(store.get(&listed).await.unwrap().is_some(), is_active, "{user:?}");
        assert!(store.get(&Been { user, session }).await.unwrap().is_some());
    }
    assert!(store.get(&Sessions { session }).await.unwrap().is_some());
}

#[tokio::test]
async fn something_happens_before_each_read() {
    for first in [0, 1_000, 2_000] {
        let store = Hooked::default();
        let town = Town::new(store.intact()).await;
        let mut sent = Vec::new();
        // A log is longer than one read.
        for number in 0..2_100 {
            sent.push(town.send(number).await);
        }
        let (before, sent) = (everything(&store.intact()).await, Arc::new(sent));
        for number in first..first + 300 {
            let (town, sent) = (town.clone(), Arc::clone(&sent));
            store.before_read.once(async move { town.step(number, &sent, true).await });
        }
        let file = taken(&store).await.unwrap();
        compare(&restored(&file).await, &store.intact(), &before).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sixteen_users_go_on_meanwhile() {
    let store = MemoryStore::new();
    let town = Town::new(store.clone()).await;
    let mut sent = Vec::new();
    for number in 0..900 {
        sent.push(town.send(number).await);
    }
    let (before, sent) = (everything(&store).await, Arc::new(sent));
    let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let users: Vec<_> = (0..SENDERS)
        .map(|who| {
            let (town, sent, stop) = (town.clone(), Arc::clone(&sent), Arc::clone(&stop));
            tokio::spawn(async move {
                let mut number = who;
                let mut joins = 0;
                while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    // Now and then somebody comes or goes.
                    joins += usize::from(number % 7 == 3);
                    town.step(number, &sent, joins % 50 == 49).await;
                    number += SENDERS;
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    let file = taken(&store).await.unwrap();
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    for user in users {
        user.await.unwrap();
    }
    compare(&restored(&file).await, &store, &before).await;
}

#[tokio::test]
async fn a_session_that_never_rests_is_an_error() {
    let store = Hooked::default();
    let town = Town::new(store.intact()).await;
    for _ in 0..1_000 {
        let town = town.clone();
        store.before_read.once(async move {
            let (who, room) = (&town.people[1], town.rooms[0]);
            if town.chat.leave(who, room).await.is_err() {
                town.chat.join(who, room).await.unwrap();
            }
        });
    }
    let refused = taken(&store).await.unwrap_err();
    assert!(matches!(refused, BackupError::Restless { session } if session == town.rooms[0]), "{refused:?}");
}
