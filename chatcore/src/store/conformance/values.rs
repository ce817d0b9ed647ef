//! What is put comes back to the character and to the microsecond.

use uuid::Uuid;

use super::{
    kit::{Room, Store, at, change, content, creation, everything, participants_of, session, stay, text, user},
    samples::{every_kind, tricky_texts},
};
use crate::{
    model::{
        ClientId, Content, EncryptedContent, EventKind, MessageBody, MessageEvent, MessageType, NewEvent,
        ParticipantEvent, ParticipantId, ParticipantRole, Session, SessionChanges, SessionEvent, SessionType,
        SpeakerRole, Standing,
    },
    store::{Change, ParticipantRecord, ProfilePart, ProfileRecord, Write},
};

/// Appends these and looks whether the commit and the log give them as they are.
async fn round_trip(room: &Room, kinds: Vec<EventKind>) {
    for kind in kinds {
        let event = room.put(&room.owner, vec![kind.clone()], vec![]).await.remove(0);
        let kept = room.range(event.seq, event.seq).await;
        assert_eq!((&event.kind, &event.actor), (&kind, &room.owner));
        assert_eq!(kept, [event]);
    }
}

pub(super) async fn every_kind_of_event_comes_back_as_it_was_put(store: Store) {
    let room = Room::public(&store).await;
    let kinds = every_kind(&room.session().await);
    round_trip(&room, kinds.clone()).await;
    let log = room.log().await;
    assert!(log[1..].iter().map(|event| &event.kind).eq(&kinds));
}

/// Texts for places where lines break, and long ones.
fn long_texts() -> Vec<String> {
    let texts = ["", "\n", "two\nlines", "two\r\nlines", "\ta tab", "ends with one\n", "`SELECT` \"a\\nb\"\n-- 'c'"];
    let long = ["long ".repeat(1_600), "😀".repeat(8_000), "\\\"'\n".repeat(2_000)];
    texts.into_iter().map(str::to_owned).chain(long).chain(tricky_texts()).collect()
}

pub(super) async fn texts_survive_to_the_character(store: Store) {
    let room = Room::public(&store).await;
    round_trip(&room, long_texts().into_iter().map(text).collect()).await;
    let settings = |text: &String| SessionChanges {
        title: Some(text.clone()),
        description: Some(Some(text.clone())),
        ..SessionChanges::default()
    };
    for text in tricky_texts() {
        room.update(settings(&text)).await;
        let session = room.session().await;
        assert_eq!((session.title, session.description), (text.clone(), Some(text)));
    }
    let body = MessageBody {
        role: SpeakerRole::User,
        message_type: MessageType::Text,
        content: Content::Text("a message".into()),
    };
    for id in tricky_texts() {
        // An id is kept wherever it occurs: as who acts, as whom it is about, as the sender's own name for it.
        let client_id = Some(ClientId::new(&id).expect("a valid client id"));
        let about = EventKind::Participant(ParticipantEvent::Removed { user_id: user(&id) });
        let kinds = vec![EventKind::Message(MessageEvent::Sent { body: body.clone(), client_id }), about];
        let events = room.put(&user(&id), kinds.clone(), vec![]).await;
        let kept = room.range(events[0].seq, events[1].seq).await;
        assert!(kept.iter().map(|event| &event.kind).eq(&kinds), "{kept:?}");
        assert!(kept.iter().all(|event| event.actor == user(&id)), "{kept:?}");
    }
    for (version, text) in (1..).zip(long_texts()) {
        let user_id = user("ana");
        let part = Some(ProfilePart { text: text.chars().take(256).collect(), as_of: at(0) });
        let (username, name, email, picture) = (part.clone(), part.clone(), part.clone(), part);
        let profile = ProfileRecord { user_id: user_id.clone(), username, name, email, picture, version };
        assert!(store.put_profile(profile.clone()).await.expect("kept"));
        assert_eq!(store.profiles(&[user_id]).await.expect("profiles"), [Some(profile)]);
    }
}

pub(super) async fn encrypted_content_stays_encrypted_content(store: Store) {
    let room = Room::public(&store).await;
    let mut kinds = Vec::new();
    for (data, key_version) in long_texts().into_iter().zip([0, 1, u32::MAX].into_iter().cycle()) {
        let iv = data.chars().rev().take(256).collect();
        kinds.push(content(Content::Encrypted(EncryptedContent { encrypted_data: data, iv, key_version })));
    }
    // Text that looks like it, next to it.
    kinds.push(text(r#"{"encrypted_data":"x","iv":"y","key_version":1}"#));
    round_trip(&room, kinds).await;
}

pub(super) async fn times_keep_their_microseconds(store: Store) {
    // `at` adds 654321 of them.
    let micros = [-654_321, -654_320, -554_321, 0, 1, 345_678, 345_679, 4_000_000_000_000_000 - 654_321];
    for (micros, n) in micros.into_iter().zip(0..) {
        let owner = user(format!("owner {n}"));
        let (created_at, updated_at) = (at(micros), at(micros + 1));
        let session = Session { created_at, updated_at, ..session(&owner, SessionType::Public, 10) };
        let record =
            ParticipantRecord { joined_at: updated_at, created_at, ..stay(session.id, &owner, ParticipantRole::Owner) };
        let kind = EventKind::Session(SessionEvent::Created { session: session.clone(), participant_id: record.id });
        let events = vec![
            NewEvent { actor: owner.clone(), created_at, kind },
            NewEvent { actor: owner.clone(), created_at: updated_at, kind: text("a message") },
        ];
        let writes = vec![Write::Session(session.clone()), Write::Participant(record.clone())];
        let change = Change { session_id: session.id, decided_at: 0, events, writes, claim: None };
        let committed = store.commit(change).await.expect("a session is made").events;
        assert_eq!(committed.iter().map(|event| event.created_at).collect::<Vec<_>>(), [created_at, updated_at]);
        let room = Room { store: store.clone(), id: session.id, owner: owner.clone() };
        assert_eq!(room.log().await, committed);
        let facts = room.facts(std::slice::from_ref(&owner)).await;
        assert_eq!((facts.head.at, facts.session.as_ref()), (updated_at, Some(&session)));
        assert_eq!(facts.participants, [Some(record.clone())]);
        assert_eq!(participants_of(&store, session.id, everything()).await, [record]);
        assert_eq!(store.sessions_of(&owner, everything()).await.expect("sessions"), [(session, facts.head)]);
        let part = |as_of| Some(ProfilePart { text: "a text".to_owned(), as_of });
        let (username, name, email, picture) = (part(created_at), part(updated_at), part(at(micros + 2)), None);
        let profile = ProfileRecord { user_id: owner.clone(), username, name, email, picture, version: 1 };
        assert!(store.put_profile(profile.clone()).await.expect("kept"));
        assert_eq!(store.profiles(&[owner]).await.expect("profiles"), [Some(profile)]);
    }
}

pub(super) async fn records_come_back_as_they_were_put(store: Store) {
    for session_type in SessionType::ALL {
        for (max_participants, description) in [(1, None), (u32::MAX, Some(String::new())), (7, Some("x".into()))] {
            let owner = user(format!("{session_type} of {max_participants}"));
            let session = Session { description, ..session(&owner, session_type, max_participants) };
            store.commit(creation(&session)).await.expect("a session is made");
            let room = Room { store: store.clone(), id: session.id, owner };
            assert_eq!(room.session().await, session);
            // The counts are the caller's: the store counts nobody.
            let session = Session { participant_count: max_participants, updated_at: at(3), ..session };
            let write = vec![Write::Session(session.clone())];
            let deleted = change(session.id, 1, &room.owner, vec![EventKind::Session(SessionEvent::Deleted)], write);
            store.commit(deleted).await.expect("not stale");
            assert_eq!(room.session().await, session);
        }
    }
    let room = Room::public(&store).await;
    for role in ParticipantRole::ALL {
        for standing in [Standing::Active(role), Standing::Former(role)] {
            let ana = user(format!("{standing:?}"));
            let is_engaged = role > ParticipantRole::Member;
            let record = ParticipantRecord { standing, created_at: at(0), is_engaged, ..stay(room.id, &ana, role) };
            let added = EventKind::Participant(ParticipantEvent::Added {
                user_id: ana.clone(),
                participant_id: record.id,
                role,
            });
            room.put(&room.owner, vec![added], vec![Write::Participant(record.clone())]).await;
            assert_eq!(room.record(&ana).await, Some(record.clone()));
            // Ids are the caller's as well, also when they do not ascend.
            let (first, last) = record.id.0.as_u64_pair();
            let id = ParticipantId(Uuid::from_u64_pair(first >> 8, last));
            let record = ParticipantRecord { id, is_engaged: !is_engaged, ..record };
            room.put(
                &room.owner,
                vec![EventKind::Participant(ParticipantEvent::Left)],
                vec![Write::Participant(record.clone())],
            )
            .await;
            assert_eq!(room.record(&ana).await, Some(record));
        }
    }
}
