//! The audit log.

use chatcore::{
    Error,
    admin::{AuditAction, AuditFilter},
    identity::SystemRole,
};
use futures_util::TryStreamExt as _;
use serde_json::Value;

use super::{kit, origin, root, spam, world};
use kit::{room, say, user, user_id};

#[tokio::test]
async fn the_log_is_paged_and_filtered_newest_first() {
    let (_, admin) = world(&["ann", "bob", "cid"]).await;
    admin.set_role(&root(), &origin(), &user_id("ann"), SystemRole::Admin, None).await.unwrap();
    for name in ["bob", "cid"] {
        admin.ban(&user("ann"), &origin(), &user_id(name), spam()).await.unwrap();
        admin.unban(&root(), &origin(), &user_id(name), None).await.unwrap();
    }
    let read = async |filter: AuditFilter, limit| {
        let (mut all, mut after) = (Vec::new(), None);
        loop {
            let page = admin.audit(&root(), &filter, after, Some(limit)).await.unwrap();
            after = page.next;
            all.extend(page.entries);
            if after.is_none() {
                return all;
            }
        }
    };
    let all = read(AuditFilter::default(), 100).await;
    assert_eq!(all.len(), 5);
    assert!(all.windows(2).all(|pair| pair[0].id > pair[1].id && pair[0].record.at >= pair[1].record.at));
    assert_eq!(read(AuditFilter::default(), 2).await, all);
    let of_ann = read(AuditFilter { actor: Some(user_id("ann")), ..AuditFilter::default() }, 1).await;
    assert_eq!(of_ann.iter().map(|entry| entry.record.target.clone().unwrap()).collect::<Vec<_>>(), ["cid", "bob"]);
    let of_bob = read(AuditFilter { target: Some("bob".into()), ..AuditFilter::default() }, 100).await;
    let actions: Vec<_> = of_bob.iter().map(|entry| entry.record.action).collect();
    assert_eq!(actions, [AuditAction::UserUnbanned, AuditAction::UserBanned]);
    let action = Some(AuditAction::RoleGranted);
    assert_eq!(read(AuditFilter { action, ..AuditFilter::default() }, 100).await.len(), 1);
}

#[tokio::test]
async fn an_export_has_every_entry_and_an_end_and_no_text_of_a_message() {
    let (chat, admin) = world(&["bob"]).await;
    let (ann, bob) = (user("ann"), user("bob"));
    for number in 0..205 {
        let id = room(&chat, &ann, &[]).await;
        say(&chat, &ann, id, "A secret").await;
        let reason = Some(format!("Reason {number}"));
        admin.close_session(&root(), &origin(), id, reason).await.unwrap();
    }
    admin.ban(&root(), &origin(), &bob.user_id, spam()).await.unwrap();
    let export =
        async |filter| -> String { admin.export_audit(&root(), filter).await.unwrap().try_collect().await.unwrap() };
    let text = export(AuditFilter::default()).await;
    assert!(!text.contains("secret"));
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((lines.len(), &lines[0]["action"], &lines[0]["type"]), (207, &"USER_BANNED".into(), &"entry".into()));
    assert_eq!(lines[206], serde_json::json!({ "type": "end", "entries": 206 }));
    assert_eq!((&lines[1]["reason"], &lines[205]["reason"]), (&"Reason 204".into(), &"Reason 0".into()));
    let filtered = export(AuditFilter { target: Some("bob".into()), ..AuditFilter::default() }).await;
    assert_eq!(filtered.lines().count(), 2);
    assert!(admin.export_audit(&bob, AuditFilter::default()).await.is_err());
}

#[tokio::test]
async fn an_export_ends_with_the_role() {
    use futures_util::StreamExt as _;
    let (_, admin) = world(&["ann", "bob"]).await;
    admin.set_role(&root(), &origin(), &user_id("ann"), SystemRole::Admin, None).await.unwrap();
    let ann = super::kit::user("ann");
    let mut lines = admin.export_audit(&ann, AuditFilter::default()).await.unwrap();
    lines.next().await.unwrap().unwrap();
    admin.set_role(&root(), &origin(), &user_id("ann"), SystemRole::User, None).await.unwrap();
    assert_eq!(lines.next().await.unwrap().unwrap_err(), Error::AdminRequired);
    assert!(lines.next().await.is_none());
}
