//! The position from which on a participant sees the history, and the setting.

use super::*;
use chatcore::store::{ActiveThreads, Newest, ThreadEntry};

#[tokio::test]
async fn the_position_is_that_of_the_last_admission_whatever_becomes_of_the_role() {
    let (chat, [alice, bob, carol]) = (uncounted(MemoryStore::new()), ["alice", "bob", "carol"].map(user));
    let id = id_of(&chat.create_session(&alice, hiding("Roles")).await.unwrap());
    say(&chat, &alice, id, "secret").await;
    chat.me(&carol).await.unwrap();
    chat.join(&bob, id).await.unwrap();
    say(&chat, &alice, id, "one").await;
    chat.add_participant(&alice, id, add("carol", None)).await.unwrap();
    say(&chat, &bob, id, "two").await;
    // The first message of a user who was added writes the user's record, as a role, a mute and a transfer do.
    say(&chat, &carol, id, "three").await;
    chat.mute_participant(&alice, id, &bob.user_id, SanctionUser::ENDLESS).await.unwrap();
    chat.unmute_participant(&alice, id, &bob.user_id).await.unwrap();
    for role in [VIEWER, ADMIN] {
        chat.change_role(&alice, id, &bob.user_id, role).await.unwrap();
    }
    let read = async |who| texts(&chat, who, id, MessageWindow::Newest).await;
    assert_eq!(read(&alice).await, ["secret", "one", "two", "three"]);
    assert_eq!(read(&bob).await, ["one", "two", "three"]);
    assert_eq!(read(&carol).await, ["two", "three"]);
    chat.transfer_ownership(&alice, id, &bob.user_id).await.unwrap();
    assert_eq!(read(&bob).await, ["one", "two", "three"], "an owner sees no more than others");
    assert_eq!(read(&alice).await.len(), 4);
    chat.leave(&alice, id).await.unwrap();
    say(&chat, &bob, id, "four").await;
    chat.join(&alice, id).await.unwrap();
    assert_eq!(read(&alice).await.len(), 5, "who made the session sees all, also after a return");
    chat.ban_participant(&bob, id, &carol.user_id, SanctionUser::ENDLESS).await.unwrap();
    chat.unban_participant(&bob, id, &carol.user_id).await.unwrap();
    chat.join(&carol, id).await.unwrap();
    assert_eq!(read(&carol).await, [""; 0]);
    let code = chat.create_invite(&bob, id, chatcore::chat::CreateInvite::default()).await.unwrap().code;
    let dave = user("dave");
    chat.join_by_invite(&dave, &code).await.unwrap();
    say(&chat, &bob, id, "five").await;
    assert_eq!((read(&carol).await, read(&dave).await), (vec!["five".to_owned()], vec!["five".to_owned()]));
}

#[tokio::test]
async fn who_founds_a_group_is_there_from_the_start_and_comes_back_later() {
    let (chat, [alice, bob, carol]) = (uncounted(MemoryStore::new()), ["alice", "bob", "carol"].map(user));
    for who in [&bob, &carol] {
        chat.me(who).await.unwrap();
    }
    let started = chat.start_group(&alice, &[bob.user_id.clone(), carol.user_id.clone()]).await.unwrap();
    let id = id_of(&started.session);
    chat.update_session(&alice, id, seeing(SinceJoining)).await.unwrap();
    say(&chat, &alice, id, "one").await;
    assert_eq!(chat.events(&bob, id, Start::Beginning, None).await.unwrap().events[0].event.seq, 1);
    chat.leave(&bob, id).await.unwrap();
    chat.add_participant(&alice, id, add("bob", None)).await.unwrap();
    say(&chat, &alice, id, "two").await;
    assert_eq!(texts(&chat, &bob, id, MessageWindow::Newest).await, ["two"]);
    assert_eq!(texts(&chat, &carol, id, MessageWindow::Newest).await, ["one", "two"]);
}

async fn stored(store: &impl ChatStore, id: SessionId) -> chatcore::model::Session {
    let keys = [Sessions { session: id }.key()];
    let query = FactsQuery { session_id: id, records: &keys };
    let facts = store.facts(&[query], Freshness::Fresh).await.unwrap().remove(0);
    facts.records[0].as_ref().unwrap().value.get::<chatcore::model::Session>().unwrap().clone()
}

#[tokio::test]
async fn the_setting_is_one_of_those_of_a_session() {
    let store = MemoryStore::new();
    let chat = uncounted(store.clone());
    let [alice, bob, carol] = ["alice", "bob", "carol"].map(user);
    let id = room(&chat, &alice, &[&bob, &carol]).await;
    assert_eq!(stored(&store, id).await.settings.history_visibility, HistoryVisibility::All);
    assert_eq!(stored(&store, id).await.needs, 0);
    assert_denied(chat.update_session(&bob, id, seeing(SinceJoining)).await, Denial::RoleInsufficient);
    chat.change_role(&alice, id, &bob.user_id, ADMIN).await.unwrap();
    let mut events = chat.subscribe(&carol, id, None).await.unwrap();
    let changed = chat.update_session(&bob, id, seeing(SinceJoining)).await.unwrap();
    assert_eq!(changed.summary.session.settings.history_visibility, SinceJoining);
    let changes = seeing(SinceJoining);
    assert_eq!(next(&mut events).await.event.kind, EventKind::Session(SessionEvent::Updated { changes }));
    // An older process would show the past, so it must refuse the session.
    assert_eq!(stored(&store, id).await.needs, 1);
    let before = head(&chat, &alice, id).await;
    chat.update_session(&bob, id, seeing(SinceJoining)).await.unwrap();
    assert_eq!(head(&chat, &alice, id).await, before, "the same again changes nothing");
    chat.update_session(&alice, id, seeing(HistoryVisibility::All)).await.unwrap();
    assert_eq!(stored(&store, id).await.needs, 1, "once it was set");
    // With a client id it is part of what a retry must repeat.
    let once = ClientId::new("once").unwrap();
    let made = id_of(&chat.create_session_once(&alice, &once, hiding("Once")).await.unwrap());
    assert_eq!(stored(&store, made).await.needs, 1);
    assert_eq!(id_of(&chat.create_session_once(&alice, &once, hiding("Once")).await.unwrap()), made);
    let other = CreateSession { history_visibility: HistoryVisibility::All, ..hiding("Once") };
    assert_eq!(chat.create_session_once(&alice, &once, other).await.unwrap_err(), Error::ClientIdReused);
}

#[tokio::test]
async fn a_session_with_all_of_its_history_costs_what_it_did() {
    let store = Breakable::default();
    let chat = uncounted(store.clone());
    let [alice, bob, carol] = ["alice", "bob", "carol"].map(user);
    let id = room(&chat, &alice, &[&carol]).await;
    for n in 0..60 {
        say(&chat, &alice, id, &n.to_string()).await;
    }
    chat.join(&bob, id).await.unwrap();
    let counted = async |who: &Principal| {
        let mut counts = Vec::new();
        for window in [MessageWindow::Newest, MessageWindow::Skip(10), MessageWindow::Before(Bound::Seq(40))] {
            let before = store.reads.load(Ordering::SeqCst);
            chat.messages(who, id, window, Some(10)).await.unwrap();
            counts.push(store.reads.load(Ordering::SeqCst) - before);
        }
        let before = store.reads.load(Ordering::SeqCst);
        say(&chat, who, id, "more").await;
        counts.push(store.reads.load(Ordering::SeqCst) - before);
        counts
    };
    // The first ones find what is kept in memory then.
    for who in [&alice, &bob, &carol] {
        counted(who).await;
    }
    let all = [counted(&alice).await, counted(&bob).await];
    assert_eq!(counted(&carol).await, all[1], "it does not matter when a reader came");
    chat.update_session(&alice, id, seeing(SinceJoining)).await.unwrap();
    let (of_alice, of_bob) = (counted(&alice).await, counted(&bob).await);
    assert_eq!(of_alice, all[0], "who made the session sees all at no cost");
    assert_eq!(of_bob[3], all[1][3], "a send asks for no history");
    assert!(of_bob.iter().zip(&all[1]).all(|(hides, shows)| *hides <= shows + 1), "{of_bob:?} {all:?}");
}

#[tokio::test]
async fn a_record_without_a_position_begins_where_it_was_written() {
    // Records of earlier versions have no position: what they show is less, and never more.
    let store = MemoryStore::new();
    let chat = uncounted(store.clone());
    let [alice, bob] = ["alice", "bob"].map(user);
    let id = id_of(&chat.create_session(&alice, hiding("Old")).await.unwrap());
    chat.join(&bob, id).await.unwrap();
    say(&chat, &alice, id, "one").await;
    let key = Participants { session: id, user: bob.user_id.clone() };
    let found: Option<Record> = store.records(&[key.key()]).await.unwrap().remove(0);
    let record = found.unwrap().value.get::<chatcore::store::ParticipantRecord>().unwrap().clone();
    assert_eq!((record.since, record.is_creator), (None, false), "a new stay is where its record is");
    let left = EventKind::Participant(ParticipantEvent::Unmuted { user_id: bob.user_id.clone() });
    let event = NewEvent { actor: alice.user_id.clone(), created_at: Utc::now(), kind: left };
    let rewritten = key.put(chatcore::store::ParticipantRecord { since: None, ..record });
    store.commit(Change::of(id, 3, vec![event], vec![rewritten])).await.unwrap();
    say(&chat, &alice, id, "two").await;
    assert_eq!(texts(&chat, &bob, id, MessageWindow::Newest).await, ["two"]);
    // The next change of the record keeps that position.
    chat.change_role(&alice, id, &bob.user_id, VIEWER).await.unwrap();
    assert_eq!(texts(&chat, &bob, id, MessageWindow::Newest).await, ["two"]);
}

#[tokio::test]
async fn threads_from_before_take_no_place_in_a_page() {
    let (chat, [alice, bob]) = (uncounted(MemoryStore::new()), ["alice", "bob"].map(user));
    let id = id_of(&chat.create_session(&alice, hiding("Threads")).await.unwrap());
    let mut roots = Vec::new();
    for n in 0..6 {
        roots.push(say(&chat, &alice, id, &format!("secret {n}")).await.id);
    }
    chat.join(&bob, id).await.unwrap();
    let mut seen = Vec::new();
    for (n, past) in roots.into_iter().enumerate() {
        let root = say(&chat, &alice, id, &format!("open {n}")).await.id;
        reply(&chat, &alice, root, "an answer").await;
        reply(&chat, &alice, past, "an answer to the past").await;
        seen.insert(0, root);
    }
    let ids = |page: &[Message]| page.iter().map(|root| root.id).collect::<Vec<_>>();
    let all = chat.threads(&bob, id, Page::FIRST).await.unwrap();
    assert_eq!((ids(&all), all.next), (seen.clone(), None));
    assert_eq!(chat.threads(&alice, id, Page::FIRST).await.unwrap().len(), 12);
    let (mut walked, mut after) = (Vec::new(), None);
    loop {
        let page = chat.threads(&bob, id, Page { after, skip: 0, limit: Some(2) }).await.unwrap();
        assert_eq!(page.len(), 2, "a page is as long as asked for");
        walked.extend(ids(&page));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(walked, seen);
    let skipped = chat.threads(&bob, id, Page { after: None, skip: 4, limit: Some(5) }).await.unwrap();
    assert_eq!((ids(&skipped), skipped.next), (seen[4..].to_vec(), None));
}

#[tokio::test]
async fn a_page_of_threads_reads_a_bounded_number_whatever_it_leaves_out() {
    let store = MemoryStore::new();
    let (chat, [alice, bob]) = (uncounted(store.clone()), ["alice", "bob"].map(user));
    let id = id_of(&chat.create_session(&alice, hiding("Threads")).await.unwrap());
    let root = say(&chat, &alice, id, "secret").await.seq;
    chat.join(&bob, id).await.unwrap();
    // Threads that Bob does not see, and does not follow.
    let past = |n: u64| ActiveThreads { session: id, last: Newest(1_000 + n) }.put(ThreadEntry { root, by: None });
    let kind = EventKind::Participant(ParticipantEvent::Unmuted { user_id: bob.user_id.clone() });
    let event = NewEvent { actor: alice.user_id.clone(), created_at: Utc::now(), kind };
    store.commit(Change::of(id, 3, vec![event], (0..1_200).map(past).collect())).await.unwrap();
    for skip in [1, 1_000_000] {
        let page = Page { skip, ..Page::FIRST };
        assert_fault(chat.threads(&bob, id, page).await, "skip", Code::ValidationInvalidValue);
        assert_fault(chat.followed_threads(&bob, id, page).await, "skip", Code::ValidationInvalidValue);
    }
    let mut after = None;
    for next in [Some(1_200), None] {
        let page = Page { after, ..Page::FIRST };
        let threads = chat.threads(&bob, id, page).await.unwrap();
        let followed = chat.followed_threads(&bob, id, page).await.unwrap();
        assert_eq!((threads.len(), threads.next.map(|next| next.seq)), (0, next));
        assert_eq!((followed.len(), followed.next.map(|next| next.seq)), (0, next));
        after = threads.next;
    }
}

#[tokio::test]
async fn a_copy_names_its_origin_only_to_readers_who_see_the_origin() {
    let (chat, [alice, bob]) = (uncounted(MemoryStore::new()), ["alice", "bob"].map(user));
    let id = id_of(&chat.create_session(&alice, hiding("Origin")).await.unwrap());
    let old = say(&chat, &alice, id, "said before").await.id;
    chat.join(&bob, id).await.unwrap();
    let new = say(&chat, &alice, id, "said since").await.id;
    let to = room(&chat, &alice, &[&bob]).await;
    for (message, is_seen) in [(old, false), (new, true)] {
        let copy = chat.forward_message(&alice, message, to, None).await.unwrap().id;
        let place = async |who| chat.message(who, copy).await.unwrap().body.origin.unwrap().message;
        assert_eq!(place(&alice).await, Some(message));
        assert_eq!(place(&bob).await, is_seen.then_some(message));
    }
    chat.subscribe(&bob, to, Start::Beginning).await.unwrap();
}

#[tokio::test]
async fn a_message_from_before_names_no_newcomer() {
    let (chat, [alice, bob, carol]) = (uncounted(MemoryStore::new()), ["alice", "bob", "carol"].map(user));
    let id = id_of(&chat.create_session(&alice, hiding("Names")).await.unwrap());
    chat.join(&carol, id).await.unwrap();
    let old = say(&chat, &alice, id, "old").await.id;
    let streamed = chat.start_streamed_message(&alice, id, chatcore::chat::StartMessage::of_assistant()).await.unwrap();
    chat.join(&bob, id).await.unwrap();
    let new = say(&chat, &alice, id, "new").await.id;
    // Bob's name in the text, and Bob beside the text.
    let edits = [
        EditMessage::text("for @bob and @carol"),
        EditMessage {
            mentions: Some(vec![bob.user_id.clone(), carol.user_id.clone()]),
            ..EditMessage::text("for both")
        },
    ];
    let named = |message: &Message| {
        let users = message.body.mentions.iter().map(|mention| mention.user.clone());
        users.map(|user| user.map_or_else(|| "all".to_owned(), |user| user.to_string())).collect::<Vec<_>>()
    };
    for edit in &edits {
        assert_eq!(named(&chat.edit_message(&alice, old, edit.clone()).await.unwrap()), ["carol"], "{edit:?}");
        assert_eq!(named(&chat.message(&carol, old).await.unwrap()), ["carol"], "{edit:?}");
        assert_eq!(named(&chat.edit_message(&alice, new, edit.clone()).await.unwrap()), ["bob", "carol"], "{edit:?}");
    }
    let length = chat.append_to_message(&alice, streamed.id, 0, "for @bob and @carol").await.unwrap().length;
    assert_eq!(named(&chat.finish_message(&alice, streamed.id, length).await.unwrap()), ["carol"]);
    // A message names everybody, and nobody by this.
    let all =
        EditMessage { mentions_everybody: Some(true), mentions: Some(Vec::new()), ..EditMessage::text("for all") };
    assert_eq!(named(&chat.edit_message(&alice, old, all).await.unwrap()), ["all"]);
    let listed = async |who| {
        let page = chat.mentions(who, Page::FIRST, ListMentions::default()).await.unwrap();
        page.iter().map(|one| one.message.id).collect::<Vec<_>>()
    };
    assert_eq!(listed(&bob).await, [new]);
    assert_eq!(listed(&carol).await, [new, streamed.id, old]);
    // Once Bob sees the past, an edit can name Bob.
    chat.update_session(&alice, id, seeing(HistoryVisibility::All)).await.unwrap();
    let both = EditMessage { mentions_everybody: Some(false), ..edits[0].clone() };
    assert_eq!(named(&chat.edit_message(&alice, old, both).await.unwrap()), ["bob", "carol"]);
}
