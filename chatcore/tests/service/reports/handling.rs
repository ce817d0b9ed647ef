//! Changes of a report, and what a moderator is shown of its message.

use super::*;

const IN_REVIEW: ReportState = ReportState::InReview;

#[tokio::test]
async fn a_moderator_changes_the_own_note_and_names_the_revision() {
    let chat = uncounted(MemoryStore::new());
    let (id, [alice, adam, bob, carl, _]) = staffed(&chat).await;
    let filed = chat.report_participant(&carl, id, &bob.user_id, spam(None)).await.unwrap();
    let change = |state, note: Option<&str>, revision| ResolveReport { state, note: note.map(str::to_owned), revision };
    for (revision, note) in [(2, Some("one")), (3, Some("two")), (4, None)] {
        // The second time is a retry.
        for _ in 0..2 {
            let report = chat.resolve_report(&adam, id, filed.id, change(IN_REVIEW, note, None)).await.unwrap();
            let handling = report.handling.unwrap();
            assert_eq!((report.revision, handling.note.as_deref()), (revision, note));
        }
    }
    for seen in [1, 3, 5] {
        let refused = chat.resolve_report(&alice, id, filed.id, change(RESOLVED, None, Some(seen))).await;
        assert_eq!(refused.unwrap_err(), Error::ReportConflict { state: IN_REVIEW, revision: 4 }, "{seen}");
    }
    let done = chat.resolve_report(&alice, id, filed.id, change(RESOLVED, None, Some(4))).await.unwrap();
    assert_eq!((done.state, done.revision), (RESOLVED, 5));
}

/// Unlike the end of a report, a review writes no record beside the report that could notice the other moderator.
#[tokio::test]
async fn of_two_moderators_who_take_a_report_at_once_one_has_it() {
    let store = Hooked::default();
    let (chat, other) = (uncounted(store.clone()), uncounted(store.intact()));
    let (id, [alice, adam, bob, carl, _]) = staffed(&chat).await;
    let report = chat.report_participant(&carl, id, &bob.user_id, spam(None)).await.unwrap().id;
    *store.commits_of.lock().unwrap() = Some(Reports::TABLE.name);
    store.before_commit.once(async move {
        other.resolve_report(&adam, id, report, to(IN_REVIEW)).await.unwrap();
    });
    let refused = chat.resolve_report(&alice, id, report, to(IN_REVIEW)).await.unwrap_err();
    assert_eq!(refused, Error::ReportConflict { state: IN_REVIEW, revision: 2 });
    assert!(store.before_commit.is_done());
    let shown = queue(&chat, &alice, id, Some(IN_REVIEW)).await.remove(0);
    assert_eq!(shown.handling.unwrap().by.user_id, user_id("adam"));
    assert_eq!(chat.moderation_log(&alice, id, Page::FIRST).await.unwrap().entries.len(), 1);
}

#[tokio::test]
async fn a_report_shows_no_message_from_before_the_moderator_came() {
    let chat = uncounted(MemoryStore::new());
    let [alice, adam, bob, carl] = ["alice", "adam", "bob", "carl"].map(user);
    let hiding = CreateSession {
        history_visibility: HistoryVisibility::SinceJoining,
        ..CreateSession::titled("A past").of_type(SessionType::Public)
    };
    let id = id_of(&chat.create_session(&alice, hiding).await.unwrap());
    for who in [&bob, &carl] {
        chat.join(who, id).await.unwrap();
    }
    let before = say(&chat, &bob, id, "secret").await.id;
    chat.join(&adam, id).await.unwrap();
    chat.change_role(&alice, id, &adam.user_id, ADMIN).await.unwrap();
    let since = say(&chat, &bob, id, "open").await.id;
    let first = chat.report_message(&carl, before, spam(None)).await.unwrap().id;
    chat.report_message(&carl, since, spam(None)).await.unwrap();
    for (moderator, text) in [(&alice, Some("secret")), (&adam, None)] {
        let shown = queue(&chat, moderator, id, None).await;
        let texts: Vec<_> = shown.iter().map(|report| report.message.as_ref().map(text_of)).collect();
        assert_eq!(texts, [Some("open"), text]);
        assert_eq!((shown[1].id, shown[1].message_id), (first, Some(before)));
    }
    let taken = chat.resolve_report(&adam, id, first, to(IN_REVIEW)).await.unwrap();
    assert_eq!((taken.state, taken.message), (IN_REVIEW, None));
}
