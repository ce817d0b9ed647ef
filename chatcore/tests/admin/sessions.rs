//! Sessions under administration.

use chatcore::{
    Error,
    admin::{AuditAction, SessionFilter, SessionStatus},
    chat::{CreateSession, Start},
    model::{EventKind, Page, SessionEvent, SessionId, SessionType},
    permission::Denial,
};

use super::{kit, log, origin, root, world};
use kit::{assert_denied, in_time, next, room, say, session, user};

#[tokio::test]
async fn sessions_of_every_type_are_found_and_messages_are_not_shown() {
    let (chat, admin) = world(&[]).await;
    let ann = user("ann");
    let private = session(&chat, &ann, SessionType::Private).await;
    let named = CreateSession { description: Some("About Cats".into()), ..CreateSession::titled("Pets") };
    let pets = kit::id_of(&chat.create_session(&user("bob"), named.of_type(SessionType::InviteOnly)).await.unwrap());
    let gone = session(&chat, &ann, SessionType::Public).await;
    say(&chat, &ann, private, "A secret").await;
    chat.delete_session(&ann, gone).await.unwrap();
    let all = SessionFilter::default();
    let listed = async |filter: SessionFilter| -> Vec<SessionId> {
        let page = admin.sessions(&root(), &filter, None, None).await.unwrap();
        assert!(!format!("{page:?}").contains("A secret"));
        page.entries.into_iter().map(|managed| managed.session.id).collect()
    };
    assert_eq!(listed(all.clone()).await, [private, pets, gone]);
    let status = |status| SessionFilter { status: Some(status), ..SessionFilter::default() };
    assert_eq!(listed(status(SessionStatus::Deleted)).await, [gone]);
    assert_eq!(listed(status(SessionStatus::Active)).await, [private, pets]);
    let session_type = Some(SessionType::InviteOnly);
    assert_eq!(listed(SessionFilter { session_type, ..all.clone() }).await, [pets]);
    for text in ["pets", "CATS", "bob"] {
        assert_eq!(listed(SessionFilter { search: Some(text.into()), ..all.clone() }).await, [pets], "{text}");
    }
    let first = admin.sessions(&root(), &all, None, Some(1)).await.unwrap();
    let rest = admin.sessions(&root(), &all, first.next, Some(2)).await.unwrap();
    assert_eq!(rest.entries.iter().map(|managed| managed.session.id).collect::<Vec<_>>(), [pets, gone]);
    let shown = admin.session(&root(), private).await.unwrap();
    assert_eq!((shown.message_count, shown.session.owner.as_str()), (1, "ann"));
}

#[tokio::test]
async fn the_participants_of_a_session_are_shown_with_their_addresses() {
    let (chat, admin) = world(&[]).await;
    let bob = chatcore::Principal { email: Some("bob@example.org".into()), ..user("bob") };
    let id = room(&chat, &user("ann"), &[&bob]).await;
    let found = admin.participants(&root(), id, Page::FIRST).await.unwrap();
    let shown: Vec<_> =
        found.iter().map(|found| (found.profile.user_id.as_str(), found.profile.email.clone())).collect();
    assert_eq!(shown, [("ann", None), ("bob", Some("bob@example.org".into()))]);
    // The role of the system admits nobody to the session.
    assert_denied(
        chat.messages(&root(), id, chatcore::model::MessageWindow::Newest, None).await,
        Denial::NotParticipant,
    );
    let unknown = SessionId(uuid::Uuid::now_v7());
    assert_denied(admin.participants(&root(), unknown, Page::FIRST).await, Denial::Hidden);
}

#[tokio::test]
async fn a_closed_session_ends_its_streams_and_names_the_administrator() {
    let (chat, admin) = world(&[]).await;
    let (ann, bob) = (user("ann"), user("bob"));
    let id = room(&chat, &ann, &[&bob]).await;
    let mut events = chat.subscribe(&bob, id, Start::Now).await.unwrap();
    let closed = admin.close_session(&root(), &origin(), id, Some("Illegal".into())).await.unwrap();
    assert!(!closed.session.is_active);
    let last = next(&mut events).await;
    assert_eq!(last.event.kind, EventKind::Session(SessionEvent::Deleted));
    assert_eq!(last.event.actor, root().user_id);
    assert!(in_time(events.next_event()).await.is_none());
    assert_denied(chat.session(&ann, id).await, Denial::Hidden);
    assert!(chat.public_sessions(&user("cid"), Page::FIRST).await.unwrap().sessions.is_empty());
    // Closed again, it stays as it is, and nothing is recorded.
    admin.close_session(&root(), &origin(), id, None).await.unwrap();
    let log = log(&admin).await;
    assert_eq!((log.len(), log[0].record.action), (1, AuditAction::SessionClosed));
    assert_eq!(
        (log[0].record.target.clone(), log[0].record.reason.as_deref()),
        (Some(id.to_string()), Some("Illegal"))
    );
    assert_eq!((log[0].record.before.is_active, log[0].record.after.is_active), (Some(true), Some(false)));
    let unknown = SessionId(uuid::Uuid::now_v7());
    let refused = admin.close_session(&root(), &origin(), unknown, None).await;
    assert_eq!(refused, Err(Error::Denied(Denial::Hidden)));
}

#[tokio::test]
async fn a_session_that_its_owner_deleted_is_closed_for_good() {
    let (chat, admin) = world(&[]).await;
    let ann = user("ann");
    let id = session(&chat, &ann, SessionType::Public).await;
    chat.delete_session(&ann, id).await.unwrap();
    assert_eq!(chat.deleted_sessions(&ann, Page::FIRST).await.unwrap().len(), 1);
    for _ in 0..2 {
        let closed = admin.close_session(&root(), &origin(), id, Some("Illegal".into())).await.unwrap();
        assert_eq!((closed.session.is_active, closed.session.deletion), (false, None));
    }
    assert_denied(chat.restore_session(&ann, id).await, Denial::Hidden);
    assert!(chat.deleted_sessions(&ann, Page::FIRST).await.unwrap().is_empty());
    let log = log(&admin).await;
    assert_eq!((log.len(), log[0].record.action), (1, AuditAction::SessionClosed));
    assert_eq!((log[0].record.before.is_active, log[0].record.after.is_active), (Some(false), Some(false)));
}
