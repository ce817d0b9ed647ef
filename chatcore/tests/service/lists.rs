//! Lists and their pages.

use chatcore::model::{ParticipantId, SessionSummary};

use super::*;

#[tokio::test]
async fn the_public_list_shows_what_can_be_joined() {
    let (chat, alice, bob) = (Chat::in_memory(), user("alice").with_name("Alice"), user("bob"));
    let public = |cap| CreateSession { max_participants: Some(cap), ..CreateSession::titled("Public") };
    let public = |cap| public(cap).of_type(SessionType::Public);
    let mut open = Vec::new();
    for _ in 0..5 {
        open.push(id_of(&chat.create_session(&alice, public(5)).await.unwrap()));
    }
    open.reverse();
    for session_type in [SessionType::Private, SessionType::InviteOnly] {
        session(&chat, &alice, session_type).await;
    }
    chat.create_session(&alice, public(1)).await.unwrap();
    let joined = room(&chat, &alice, &[&bob]).await;
    let deleted = room(&chat, &alice, &[]).await;
    chat.delete_session(&alice, deleted).await.unwrap();
    let own = session(&chat, &bob, SessionType::Public).await;

    let list = chat.public_sessions(&bob, Page::FIRST).await.unwrap();
    let ids: Vec<_> = list.sessions.iter().map(|summary| summary.session.id).collect();
    assert_eq!((&ids, list.total), (&open, 5), "newest first");
    assert_eq!(list.sessions[0].owner.name, "Alice");
    let page = chat.public_sessions(&bob, Page { skip: 2, limit: Some(2), ..Page::FIRST }).await.unwrap();
    let ids: Vec<_> = page.sessions.iter().map(|summary| summary.session.id).collect();
    assert_eq!((ids, page.total), (open[2..4].to_vec(), 5));

    chat.leave(&bob, joined).await.unwrap();
    assert_eq!(chat.public_sessions(&bob, Page::FIRST).await.unwrap().total, 6, "what was left can be joined again");
    let list = chat.public_sessions(&alice, Page::FIRST).await.unwrap();
    assert_eq!((list.sessions[0].session.id, list.total), (own, 1));
    for summary in chat.public_sessions(&user("carol"), Page::FIRST).await.unwrap().sessions {
        assert!(chat.join(&user("carol"), summary.session.id).await.is_ok());
    }
}

#[tokio::test]
async fn the_list_of_sessions_has_those_in_which_one_is() {
    let (chat, alice, bob) = (Chat::in_memory(), user("alice"), user("bob"));
    let private = session(&chat, &alice, SessionType::Private).await;
    let shared = room(&chat, &bob, &[&alice]).await;
    let left = room(&chat, &bob, &[&alice]).await;
    chat.leave(&alice, left).await.unwrap();
    room(&chat, &bob, &[]).await;
    say(&chat, &alice, shared, "one").await;
    say(&chat, &bob, shared, "two").await;
    let list = chat.sessions(&alice, Page::FIRST).await.unwrap();
    let list: Vec<_> =
        list.iter().map(|one| (one.session.id, one.session.participant_count, one.message_count)).collect();
    assert_eq!(list, [(shared, 2, 2), (private, 1, 0)], "newest first");
    assert_eq!(
        chat.sessions(&alice, Page { skip: 1, limit: Some(1), ..Page::FIRST }).await.unwrap()[0].session.id,
        private
    );
    assert!(chat.sessions(&alice, Page { skip: 2, ..Page::FIRST }).await.unwrap().is_empty());
}

#[tokio::test]
async fn pages_have_limits() {
    let (chat, alice) = (Chat::in_memory(), user("alice"));
    let id = session(&chat, &alice, SessionType::Public).await;
    let invalid = Code::ValidationInvalidValue;
    for limit in [0, 101, u64::MAX] {
        let page = Page { limit: Some(limit), ..Page::FIRST };
        assert_fault(chat.sessions(&alice, page).await, "limit", invalid);
        assert_fault(chat.public_sessions(&alice, page).await, "limit", invalid);
        let page = Page { limit: Some(limit), ..Page::FIRST };
        assert_fault(chat.participants(&alice, id, page, false).await, "limit", invalid);
        assert_fault(chat.events(&alice, id, 0, Some(limit)).await, "limit", invalid);
        assert_fault(chat.messages(&alice, id, MessageWindow::Newest, Some(limit)).await, "limit", invalid);
        assert_fault(chat.messages(&alice, id, MessageWindow::Skip(0), Some(limit)).await, "limit", invalid);
    }
    let skip = chat.limits().skip_max + 1;
    let after = SessionId(uuid::Uuid::nil());
    for wrong in [Page { skip, ..Page::FIRST }, Page { skip: 1, ..Page::after(after) }] {
        assert_fault(chat.sessions(&alice, wrong).await, "skip", invalid);
        assert_fault(chat.public_sessions(&alice, wrong).await, "skip", invalid);
    }
    let (too_deep, after) = (Page { skip, ..Page::FIRST }, Page::after(ParticipantId(uuid::Uuid::nil())));
    assert_fault(chat.participants(&alice, id, Page { skip: 1, ..after }, false).await, "skip", invalid);
    assert_fault(chat.participants(&alice, id, too_deep, false).await, "skip", invalid);
    assert_fault(chat.messages(&alice, id, MessageWindow::Skip(u64::MAX), None).await, "skip", invalid);
    let (skip, limit) = (chat.limits().skip_max, Some(100));
    assert!(chat.sessions(&alice, Page { skip, limit, ..Page::FIRST }).await.unwrap().is_empty());
    assert!(chat.participants(&alice, id, Page { skip, limit, ..Page::FIRST }, false).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_walk_by_next_shows_what_stays_exactly_once() {
    let (chat, alice, bob) = (Chat::in_memory(), user("alice"), user("bob"));
    let mut made = Vec::new();
    for _ in 0..6 {
        made.insert(0, room(&chat, &alice, &[]).await);
    }
    let page = |after| Page { after, limit: Some(2), ..Page::FIRST };
    let (mut own, mut public, mut walked) = (page(None), page(None), Vec::new());
    for round in 0..3 {
        let mine = chat.sessions(&alice, own).await.unwrap();
        let open = chat.public_sessions(&bob, public).await.unwrap();
        let bare = |one: &SessionSummary| SessionSummary { overview: None, ..one.clone() };
        let bare: Vec<_> = mine.iter().map(bare).collect();
        assert_eq!((bare, mine.next, mine.len()), (open.sessions, open.next, 2));
        walked.extend(mine.iter().map(|summary| summary.session.id));
        assert_eq!(mine.next, (round < 2).then(|| walked[walked.len() - 1]), "a full last page has no next one");
        (own.after, public.after) = (mine.next, open.next);
        // The list changes at its start, so the entry of the cursor goes, too.
        room(&chat, &alice, &[]).await;
        for id in &made[2 * round..2 * round + 2] {
            chat.delete_session(&alice, *id).await.unwrap();
        }
    }
    assert_eq!(walked, made);
}

#[tokio::test]
async fn a_session_tells_whether_it_has_more_participants_than_it_came_with() {
    let (chat, alice) = (Chat::in_memory(), user("alice"));
    let id = room(&chat, &alice, &[]).await;
    for n in 1..50 {
        chat.join(&user(&format!("user {n:02}")), id).await.unwrap();
    }
    let first = chat.session(&alice, id).await.unwrap().first_participants();
    assert_eq!(first, chat.participants(&alice, id, Page::FIRST, false).await.unwrap());
    assert_eq!((first.len(), first.next), (50, None));
    let last = chat.join(&user("user 50"), id).await.unwrap().participant.id;
    let first = chat.session(&alice, id).await.unwrap().first_participants();
    assert_eq!(first, chat.participants(&alice, id, Page::FIRST, false).await.unwrap());
    let rest = chat.participants(&alice, id, Page::after(first.next.unwrap()), false).await.unwrap();
    assert_eq!((rest[0].id, rest.len(), rest.next), (last, 1, None));
}

#[tokio::test]
async fn a_session_comes_with_the_first_participants_and_the_newest_messages() {
    let (chat, alice) = (Chat::in_memory(), user("alice"));
    let id = room(&chat, &alice, &[]).await;
    for n in 0..60 {
        chat.join(&user(&format!("user {n:02}")), id).await.unwrap();
        say(&chat, &alice, id, &n.to_string()).await;
    }
    let details = chat.session(&alice, id).await.unwrap();
    assert_eq!((details.participants.len(), details.messages.len(), details.seq), (50, 50, 121));
    assert_eq!((details.summary.session.participant_count, details.summary.message_count), (61, 60));
    assert_eq!(details.participants[49].profile.user_id, user_id("user 48"));
    assert_eq!((text_of(&details.messages[0]), text_of(&details.messages[49])), ("10", "59"));
    let page = chat.participants(&alice, id, Page { skip: 50, limit: Some(100), ..Page::FIRST }, false).await.unwrap();
    assert_eq!((page.len(), page[0].profile.user_id.as_str()), (11, "user 49"));
}
