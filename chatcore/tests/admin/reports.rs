//! Reports of all sessions, and the deletion of all messages of a user, by administrators.

use chatcore::{
    Error,
    admin::{AuditAction, ReportFilter},
    chat::{FileReport, ResolveReport},
    identity::SystemRole,
    model::{
        Content, EventKind, MessageEvent, MessageId, ModerationAction, Page, ParticipantRole, ReportReason,
        ReportState, SessionId, SessionType,
    },
    permission::Denial,
    store::{Purges, TypedKey as _},
};

use super::{Administration, Chat, Principal, hooked::Hooked, kit, log, origin, root, world};
use kit::{assert_denied, room, say, uncounted, user, user_id};

fn spam() -> FileReport {
    FileReport { reason: ReportReason::Spam, text: Some("Look".into()) }
}

fn to(state: ReportState) -> ResolveReport {
    ResolveReport { state, note: Some("Seen".into()), revision: None }
}

async fn all(admin: &Administration, filter: ReportFilter) -> Vec<chatcore::model::Report> {
    admin.reports(&root(), &filter, None, Some(100)).await.unwrap().entries
}

/// A session of ann with bob, who reports her.
async fn scene(chat: &Chat) -> (SessionId, Principal, Principal) {
    let (ann, bob) = (user("ann"), user("bob"));
    (room(chat, &ann, &[&bob]).await, ann, bob)
}

#[tokio::test]
async fn administrators_see_what_nobody_in_the_session_may_see() {
    let (chat, admin) = world(&["ann", "bob"]).await;
    let (id, ann, bob) = scene(&chat).await;
    let of_owner = chat.report_participant(&bob, id, &ann.user_id, spam()).await.unwrap();
    assert_eq!(chat.reports(&ann, id, None, Page::FIRST).await.unwrap().entries, []);
    // In a direct session nobody moderates.
    let direct = kit::id_of(&chat.start_direct(&ann, &bob.user_id).await.unwrap().session);
    let message = say(&chat, &bob, direct, "hidden").await;
    let of_message = chat.report_message(&ann, message.id, spam()).await.unwrap();
    for one in [&ann, &bob] {
        assert_denied(chat.reports(one, direct, None, Page::FIRST).await, Denial::RoleInsufficient);
    }
    let shown = all(&admin, ReportFilter::default()).await;
    assert_eq!(shown.iter().map(|report| report.id).collect::<Vec<_>>(), [of_message.id, of_owner.id]);
    assert_eq!(kit::text_of(shown[0].message.as_ref().unwrap()), "hidden");
    assert_eq!((shown[1].reporter.user_id.as_str(), shown[1].user.user_id.as_str()), ("bob", "ann"));
    let one = ReportFilter { session: Some(id), state: Some(ReportState::Open) };
    assert_eq!(all(&admin, one).await.len(), 1);
    let page = admin.reports(&root(), &ReportFilter::default(), None, Some(1)).await.unwrap();
    let rest = admin.reports(&root(), &ReportFilter::default(), page.next, Some(1)).await.unwrap();
    assert_eq!((page.entries[0].id, rest.entries[0].id), (of_message.id, of_owner.id));
    for other in [&ann, &bob] {
        let refused = admin.reports(other, &ReportFilter::default(), None, None).await;
        assert_eq!(refused.unwrap_err(), Error::AdminRequired);
        let refused = admin.resolve_report(other, &origin(), id, of_owner.id, to(ReportState::Resolved)).await;
        assert_eq!(refused.unwrap_err(), Error::AdminRequired);
        let refused = admin.delete_messages_of(other, &origin(), id, &bob.user_id, None).await;
        assert_eq!(refused.unwrap_err(), Error::AdminRequired);
    }
}

#[tokio::test]
async fn an_administrator_does_not_see_a_report_of_themselves() {
    let (chat, admin) = world(&["ann", "bob"]).await;
    let (ann, bob, reported) = (user("ann"), user("bob"), root());
    let id = room(&chat, &ann, &[&bob, &reported]).await;
    let filed = chat.report_participant(&bob, id, &reported.user_id, spam()).await.unwrap().id;
    for state in [None, Some(ReportState::Open)] {
        assert_eq!(all(&admin, ReportFilter { session: None, state }).await, []);
        assert_eq!(all(&admin, ReportFilter { session: Some(id), state }).await, []);
    }
    let refused = admin.resolve_report(&reported, &origin(), id, filed, to(ReportState::Dismissed)).await;
    assert_eq!(refused.unwrap_err(), Error::ReportNotFound, "as one that does not exist");
    let other = Principal { system_role: SystemRole::Admin, ..user("other") };
    let shown = admin.reports(&other, &ReportFilter::default(), None, None).await.unwrap().entries;
    assert_eq!(shown.iter().map(|report| report.id).collect::<Vec<_>>(), [filed]);
}

#[tokio::test]
async fn a_resolution_is_in_the_audit_log_in_the_same_change() {
    let (chat, admin) = world(&["ann", "bob"]).await;
    let (id, ann, bob) = scene(&chat).await;
    let filed = chat.report_participant(&bob, id, &ann.user_id, spam()).await.unwrap();
    let resolved = admin.resolve_report(&root(), &origin(), id, filed.id, to(ReportState::Resolved)).await.unwrap();
    assert_eq!(resolved.handling.clone().unwrap().by.user_id, user_id("root"));
    let again = admin.resolve_report(&root(), &origin(), id, filed.id, to(ReportState::Resolved)).await.unwrap();
    assert_eq!(again, resolved);
    let late = admin.resolve_report(&root(), &origin(), id, filed.id, to(ReportState::Dismissed)).await.unwrap_err();
    assert_eq!(late, Error::ReportConflict { state: ReportState::Resolved, revision: 2 });
    let nowhere = MessageId { session_id: id, seq: 1 }.session_id;
    let unknown = chatcore::model::ReportId(uuid::Uuid::now_v7());
    let unknown = admin.resolve_report(&root(), &origin(), nowhere, unknown, to(ReportState::Resolved)).await;
    assert_eq!(unknown.unwrap_err(), Error::ReportNotFound);
    let entries = log(&admin).await;
    assert_eq!(entries.len(), 1, "what changes nothing has no entry");
    let record = &entries[0].record;
    assert_eq!((record.action, record.session), (AuditAction::ReportHandled, Some(id)));
    assert_eq!(record.target, Some(filed.id.to_string()));
    let states = (record.before.report_state, record.after.report_state);
    assert_eq!(states, (Some(ReportState::Open), Some(ReportState::Resolved)));
    assert_eq!(record.address, origin().address);
    // The reported owner learns nothing of it in the session either.
    assert_eq!(chat.moderation_log(&ann, id, Page::FIRST).await.unwrap().entries, []);
}

#[tokio::test]
async fn an_administrator_deletes_all_messages_also_of_an_owner_and_in_a_hidden_session() {
    let (chat, admin) = world(&["ann", "bob", "cid"]).await;
    let ann = user("ann");
    let id = kit::session(&chat, &ann, SessionType::Private).await;
    let said = say(&chat, &ann, id, "illegal").await;
    let before = chat.session(&ann, id).await.unwrap().seq;
    let stranger = admin.delete_messages_of(&root(), &origin(), id, &user_id("cid"), None).await;
    assert_denied(stranger, Denial::TargetNotParticipant);
    let nowhere: SessionId = "01890a5d-ac96-774b-bcce-b302099a8057".parse().unwrap();
    assert_denied(admin.delete_messages_of(&root(), &origin(), nowhere, &ann.user_id, None).await, Denial::Hidden);
    let reason = Some("A court says so".to_owned());
    let done = admin.delete_messages_of(&root(), &origin(), id, &ann.user_id, reason.clone()).await.unwrap();
    assert_eq!((done.deleted, done.is_done), (1, true));
    assert_eq!(chat.message(&ann, said.id).await.unwrap().body.content, Content::Deleted);
    let events = chat.events(&ann, id, before, None).await.unwrap().events;
    let told = EventKind::Message(MessageEvent::Deleted { messages: vec![said.seq], expired: false });
    assert_eq!((&events[0].event.kind, events[0].event.actor.as_str()), (&told, "root"));
    let entries = log(&admin).await;
    assert_eq!(entries.len(), 1);
    let record = &entries[0].record;
    assert_eq!(
        (record.action, record.session, record.reason.clone()),
        (AuditAction::MessagesDeleted, Some(id), reason)
    );
    assert_eq!(record.target.as_deref(), Some("ann"));
    assert!(!format!("{entries:?}").contains("illegal"));
}

/// The right of a moderator can end before the work does, that of the administration does not.
#[tokio::test]
async fn a_moderator_who_asks_for_the_same_does_not_take_the_deletion_over() {
    let store = Hooked::default();
    let (admin, there) = (Administration::new(uncounted(store.clone())), uncounted(store.intact()));
    let (ann, adam, bob) = (user("ann"), user("adam"), user("bob"));
    let id = room(&there, &ann, &[&adam, &bob]).await;
    there.change_role(&ann, id, &adam.user_id, ParticipantRole::Admin).await.unwrap();
    for _ in 0..450 {
        say(&there, &bob, id, "x").await;
    }
    *store.commits_of.lock().unwrap() = Some(Purges::TABLE.name);
    // The wish, and the first part.
    store.before_commit.once(async {});
    store.before_commit.once(async {});
    let owner = ann.clone();
    store.before_commit.once(async move {
        let asked = there.delete_messages_of(&adam, id, &bob.user_id).await.unwrap();
        assert!(!asked.is_done && (100..450).contains(&asked.deleted), "{asked:?}");
        there.change_role(&owner, id, &adam.user_id, ParticipantRole::Member).await.unwrap();
    });
    let done = admin.delete_messages_of(&root(), &origin(), id, &user_id("bob"), None).await.unwrap();
    assert!(store.before_commit.is_done());
    assert_eq!((done.deleted, done.is_done), (450, true));
    let log = admin.chat().moderation_log(&ann, id, Page::FIRST).await.unwrap().entries;
    let told: Vec<_> = log.iter().map(|entry| (entry.actor.user_id.as_str(), entry.action, entry.count)).collect();
    assert_eq!(told, [("root", ModerationAction::MessagesDeleted, Some(450))]);
}
