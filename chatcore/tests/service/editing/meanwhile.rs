//! Changes that come while a message is edited, deleted or read.

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_racing_edits_of_one_revision_one_succeeds() {
    for _ in 0..20 {
        let (chat, alice) = (Chat::in_memory(), user("alice"));
        let id = room(&chat, &alice, &[]).await;
        let message = say(&chat, &alice, id, "start").await;
        let racers = (0..8).map(|n| {
            let (chat, alice) = (chat.clone(), alice.clone());
            tokio::spawn(async move { chat.edit_message(&alice, message.id, to(&n.to_string()).of_revision(1)).await })
        });
        let mut won = Vec::new();
        for racer in racers.collect::<Vec<_>>() {
            match racer.await.unwrap() {
                Ok(message) => won.push(message),
                Err(error) => assert_eq!(error, Error::RevisionConflict { current: 2 }),
            }
        }
        assert_eq!(won.len(), 1);
        assert_eq!(chat.message(&alice, message.id).await.unwrap(), won[0]);
        assert_eq!(head(&chat, &alice, id).await, 3);
    }
}

#[tokio::test]
async fn many_edits_of_one_message_at_once_wait_for_each_other() {
    let (store, alice) = (Hooked::default(), user("alice"));
    let chat = Chat::new(store.clone());
    let id = room(&chat, &alice, &[]).await;
    let message = say(&chat, &alice, id, "start").await;
    store.yields.store(true, Ordering::SeqCst);
    let texts: Vec<String> = (0..200).map(|n| n.to_string()).collect();
    let edits = texts.iter().map(|text| chat.edit_message(&alice, message.id, to(text)));
    let answers = futures_util::future::join_all(edits).await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 100);
    for answer in answers {
        assert!(matches!(answer, Ok(_) | Err(Error::LimitExceeded { limit: 100, .. })), "{answer:?}");
    }
    let deletions = (0..200).map(|_| chat.delete_message(&alice, message.id, None));
    for answer in futures_util::future::join_all(deletions).await {
        answer.unwrap();
    }
    assert_eq!(head(&chat, &alice, id).await, message.seq + 101);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn racing_edits_and_a_deletion_leave_one_history() {
    for _ in 0..20 {
        let store = MemoryStore::new();
        let (chat, alice) = (Chat::new(store.clone()), user("alice"));
        let id = room(&chat, &alice, &[]).await;
        let message = say(&chat, &alice, id, "start").await;
        let racers = (0..6).map(|n| {
            // Two processes.
            let chat = if n % 2 == 0 { chat.clone() } else { Chat::new(store.clone()) };
            let alice = alice.clone();
            tokio::spawn(async move {
                match n {
                    5 => chat.delete_message(&alice, message.id, None).await,
                    n => chat.edit_message(&alice, message.id, to(&n.to_string())).await,
                }
            })
        });
        for racer in racers.collect::<Vec<_>>() {
            match racer.await.unwrap() {
                Ok(_) | Err(Error::MessageDeleted) => {}
                Err(error) => panic!("{error:?}"),
            }
        }
        let page = chat.events(&alice, id, 2, None).await.unwrap();
        let mut revision = 1;
        for (place, view) in page.events.iter().enumerate() {
            let is_last = place + 1 == page.events.len();
            revision += 1;
            match &view.event.kind {
                EventKind::Message(MessageEvent::Edited { revision: made, .. }) if !is_last => {
                    assert_eq!(*made, revision)
                }
                EventKind::Message(MessageEvent::Deleted { .. }) if is_last => {}
                other => panic!("{other:?} at {place}"),
            }
        }
        let gone = chat.message(&alice, message.id).await.unwrap();
        assert_eq!((gone.revision, gone.body.content), (revision, Content::Deleted));
        assert!(store.list::<Revisions>(Revisions::under(vec![])).await.unwrap().is_empty(), "an earlier text is left");
    }
}

/// A room whose cached facts stay as they are now.
async fn remembering(bob: &Principal) -> (Hooked, Chat, Chat, SessionId, Message) {
    let store = Hooked::default();
    let (chat, elsewhere) = (Chat::new(store.clone()), Chat::new(store.intact()));
    let alice = user("alice");
    let id = room(&elsewhere, &alice, &[bob]).await;
    let message = say(&elsewhere, bob, id, "one").await;
    store.remembers.store(true, Ordering::SeqCst);
    chat.send(bob, id, SendMessage::text("so that facts are cached")).await.unwrap();
    (store, chat, elsewhere, id, message)
}

#[tokio::test]
async fn cached_rights_that_no_longer_hold_allow_nothing() {
    let (alice, bob) = (user("alice"), user("bob"));
    let (_, chat, elsewhere, id, message) = remembering(&bob).await;
    elsewhere.remove_participant(&alice, id, &bob.user_id).await.unwrap();
    let before = head(&elsewhere, &alice, id).await;
    let denial = Denial::NotParticipant;
    for edit in [to("two"), to("one"), to("two").of_revision(7)] {
        assert_denied(chat.edit_message(&bob, message.id, edit).await, denial);
    }
    for revision in [None, Some(7)] {
        assert_denied(chat.delete_message(&bob, message.id, revision).await, denial);
    }
    elsewhere.delete_message(&alice, message.id, None).await.unwrap();
    assert_denied(chat.edit_message(&bob, message.id, to("two")).await, denial);
    assert_denied(chat.delete_message(&bob, message.id, None).await, denial);
    assert_eq!(head(&elsewhere, &alice, id).await, before + 1);
}

#[tokio::test]
async fn a_denial_from_cached_facts_is_decided_again() {
    let (alice, bob) = (user("alice"), user("bob"));
    let (store, chat, elsewhere, id, message) = remembering(&bob).await;
    // A message beyond the cached head.
    let late = say(&elsewhere, &bob, id, "late").await;
    assert_eq!(chat.edit_message(&bob, late.id, to("later")).await.unwrap().revision, 2);
    // Carol's cached facts are from before she became an admin.
    let carol = user("carol");
    elsewhere.join(&carol, id).await.unwrap();
    assert_denied(chat.delete_message(&carol, message.id, None).await, Denial::NotModerator);
    elsewhere.change_role(&alice, id, &carol.user_id, ParticipantRole::Admin).await.unwrap();
    assert_eq!(chat.delete_message(&carol, message.id, None).await.unwrap().body.content, Content::Deleted);
    drop(store);
}

#[tokio::test]
async fn a_change_that_comes_between_is_seen() {
    let (store, alice) = (Hooked::default(), user("alice"));
    let (chat, elsewhere) = (Chat::new(store.clone()), Chat::new(store.intact()));
    let id = room(&chat, &alice, &[]).await;
    let message = say(&chat, &alice, id, "one").await;
    let meanwhile = |text: &'static str| {
        let (elsewhere, alice) = (elsewhere.clone(), alice.clone());
        store.before_commit.once(async move {
            elsewhere.edit_message(&alice, message.id, to(text)).await.unwrap();
        });
    };
    meanwhile("two");
    let refused = chat.edit_message(&alice, message.id, to("three").of_revision(1)).await.unwrap_err();
    assert_eq!(refused, Error::RevisionConflict { current: 2 });
    meanwhile("four");
    assert_eq!(chat.edit_message(&alice, message.id, to("five")).await.unwrap().revision, 4);
    meanwhile("six");
    let refused = chat.delete_message(&alice, message.id, Some(4)).await.unwrap_err();
    assert_eq!(refused, Error::RevisionConflict { current: 5 });
    meanwhile("seven");
    assert_eq!(chat.delete_message(&alice, message.id, None).await.unwrap().revision, 7);
    let kept = store.intact().list::<Revisions>(Revisions::under(vec![])).await.unwrap();
    assert!(kept.is_empty(), "{kept:?}");
}

/// What every read answers while, before it reads the log, its reader is removed and a message gets another text.
#[tokio::test]
async fn a_text_that_came_after_the_reader_was_removed_is_not_shown() {
    type Read =
        for<'a> fn(&'a Chat, &'a Principal, MessageId) -> futures_util::future::BoxFuture<'a, Result<String, Error>>;
    let reads: [Read; 5] = [
        |chat, who, id| Box::pin(async move { chat.message(who, id).await.map(|found| format!("{found:?}")) }),
        |chat, who, id| {
            Box::pin(async move {
                let page = chat.messages(who, id.session_id, MessageWindow::Newest, None).await;
                page.map(|found| format!("{found:?}"))
            })
        },
        |chat, who, id| {
            Box::pin(async move { chat.session(who, id.session_id).await.map(|found| format!("{found:?}")) })
        },
        |chat, who, id| {
            Box::pin(async move { chat.events(who, id.session_id, 0, None).await.map(|found| format!("{found:?}")) })
        },
        |chat, who, id| {
            Box::pin(async move {
                chat.send(who, id.session_id, named("mine", "k")).await.map(|found| format!("{found:?}"))
            })
        },
    ];
    for (place, read) in reads.into_iter().enumerate() {
        for removes in [true, false] {
            let (store, alice, bob) = (Hooked::default(), user("alice"), user("bob"));
            let (chat, elsewhere) = (Chat::new(store.clone()), Chat::new(store.intact()));
            let id = session(&chat, &alice, SessionType::InviteOnly).await;
            chat.me(&bob).await.unwrap();
            let invited = AddParticipant { user_id: bob.user_id.clone(), role: None };
            chat.add_participant(&alice, id, invited).await.unwrap();
            // The retry of a send shows the sender's own message.
            let (author, edited) = match place {
                4 => (bob.clone(), chat.send(&bob, id, named("mine", "k")).await.unwrap()),
                _ => (alice.clone(), say(&chat, &alice, id, "harmless").await),
            };
            store.before_log.once({
                let (alice, bob) = (alice.clone(), bob.clone());
                async move {
                    let meanwhile = Meanwhile { elsewhere, author, bob, alice };
                    meanwhile.comes(edited.id, removes).await;
                }
            });
            let answer = read(&chat, &bob, edited.id).await;
            assert!(store.before_log.is_done());
            match (removes, answer) {
                (true, Err(Error::Denied(Denial::Hidden) | Error::MessageNotFound)) => {}
                (false, Ok(shown)) => assert!(shown.contains("secret"), "{place}: {shown}"),
                (_, answer) => panic!("{place}: {answer:?}"),
            }
        }
    }
}

/// What happens in another process.
struct Meanwhile {
    elsewhere: Chat,
    author: Principal,
    bob: Principal,
    alice: Principal,
}

impl Meanwhile {
    async fn comes(self, message: MessageId, removes: bool) {
        let Self { elsewhere, author, bob, alice } = self;
        let removal = async || {
            elsewhere.remove_participant(&alice, message.session_id, &bob.user_id).await.unwrap();
        };
        // An author who is to be removed edits first, and the row is beyond the reader's facts in any case.
        if author == bob {
            elsewhere.edit_message(&author, message, to("secret")).await.unwrap();
        }
        if removes {
            removal().await;
        }
        if author != bob {
            elsewhere.edit_message(&author, message, to("secret")).await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_removed_author_is_not_told_how_the_message_is_now() {
    let (store, alice, bob) = (Hooked::default(), user("alice"), user("bob"));
    let (chat, elsewhere) = (Chat::new(store.clone()), Chat::new(store.intact()));
    let id = room(&chat, &alice, &[&bob]).await;
    let message = say(&chat, &bob, id, "one").await;
    // The first read is decided on cached facts, so another one follows.
    store.before_log.once(async {});
    let (owner, author) = (alice.clone(), bob.clone());
    store.before_log.once(async move {
        elsewhere.edit_message(&author, message.id, to("two")).await.unwrap();
        elsewhere.remove_participant(&owner, id, &author.user_id).await.unwrap();
    });
    assert_denied(chat.edit_message(&bob, message.id, to("three").of_revision(9)).await, Denial::NotParticipant);
    assert!(store.before_log.is_done());
}

#[tokio::test]
async fn earlier_texts_are_for_those_who_moderate_when_they_are_read() {
    let (store, alice, bob) = (Hooked::default(), user("alice"), user("bob"));
    let (chat, elsewhere) = (Chat::new(store.clone()), Chat::new(store.intact()));
    let id = room(&chat, &alice, &[&bob]).await;
    chat.change_role(&alice, id, &bob.user_id, ParticipantRole::Admin).await.unwrap();
    let message = say(&chat, &alice, id, "one").await;
    let (owner, admin) = (alice.clone(), bob.clone());
    store.before_log.once(async move {
        elsewhere.change_role(&owner, id, &admin.user_id, ParticipantRole::Member).await.unwrap();
        elsewhere.edit_message(&owner, message.id, to("two")).await.unwrap();
    });
    assert_denied(chat.message_revisions(&bob, message.id).await, Denial::RoleInsufficient);
    assert_eq!(text_of(&chat.message(&bob, message.id).await.unwrap()), "two");
}
