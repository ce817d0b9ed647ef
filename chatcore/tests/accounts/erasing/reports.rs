//! Reports that a deleted account leaves behind.

use chatcore::{
    chat::ResolveReport,
    model::{ParticipantRole, ReportState},
    store::OpenReports,
};

use super::*;

#[tokio::test]
async fn a_deleted_moderator_leaves_no_note_and_no_open_report() {
    let world = World::new();
    let (ada, bob, eve) = (world.register("ada").await, world.register("bob").await, world.register("eve").await);
    let (by_ada, by_bob, by_eve) = (world.caller(&ada).await, world.caller(&bob).await, world.caller(&eve).await);
    let id = kit::room(&world.chat, &by_eve, &[&by_ada, &by_bob]).await;
    world.chat.change_role(&by_eve, id, &by_ada.user_id, ParticipantRole::Admin).await.unwrap();
    let report = |text: &str| FileReport { reason: ReportReason::Other, text: Some(text.into()) };
    let of_eve = world.chat.report_participant(&by_eve, id, &by_bob.user_id, report("eve says")).await.unwrap();
    world.later(1);
    world.chat.report_participant(&by_ada, id, &by_bob.user_id, report("secret-report")).await.unwrap();
    let note = ResolveReport { state: ReportState::InReview, note: Some("secret-note".to_owned()), revision: None };
    world.chat.resolve_report(&by_ada, id, of_eve.id, note).await.unwrap();
    let open = async || {
        let all = Prefix { table: OpenReports::TABLE, parts: Vec::new() };
        world.store.count(&[all]).await.unwrap()
    };
    assert_eq!(open().await, [2]);
    world.accounts.delete_account(&by_ada, &here(), PASSWORD).await.unwrap();
    erased(&world).await;
    assert_eq!(open().await, [1], "the report of eve is in review");
    let reports = world.chat.reports(&by_eve, id, None, Page::FIRST).await.unwrap().entries;
    let texts: Vec<_> = reports.iter().map(|report| report.text.as_deref()).collect();
    assert_eq!(texts, [None, Some("eve says")]);
    let handling = reports[1].handling.clone().unwrap();
    assert_eq!((handling.by.name.as_str(), handling.note), ("Deleted user", None));
    assert!(!everything(&world, &[id]).await.contains("secret-"));
}
