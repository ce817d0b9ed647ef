//! The system role of accounts.

use chatcore::{Error, admin::AuditAction, admin::UserFilter, identity::SystemRole};

use super::{kit, log, origin, root, spam, world};
use kit::{user, user_id};

#[tokio::test]
async fn a_granted_role_counts_until_it_is_revoked() {
    let (_, admin) = world(&["ann", "bob"]).await;
    let (ann, bob) = (user("ann"), user("bob"));
    let all = UserFilter::default();
    assert_eq!(admin.users(&ann, &all, None, None).await, Err(Error::AdminRequired));
    let granted = admin.grant(&root(), &origin(), &ann.user_id, Some("On duty".into())).await.unwrap();
    assert_eq!(granted.system_role, SystemRole::Admin);
    admin.users(&ann, &all, None, None).await.unwrap();
    // A role that was granted grants.
    admin.grant(&ann, &origin(), &bob.user_id, None).await.unwrap();
    admin.revoke(&bob, &origin(), &ann.user_id, None).await.unwrap();
    assert_eq!(admin.users(&ann, &all, None, None).await, Err(Error::AdminRequired));
    let log = log(&admin).await;
    let actions: Vec<_> = log.iter().map(|entry| (entry.record.actor.as_str(), entry.record.action)).collect();
    let (granted, revoked) = (AuditAction::RoleGranted, AuditAction::RoleRevoked);
    assert_eq!(actions, [("bob", revoked), ("ann", granted), ("root", granted)]);
    let states = (log[0].record.before.system_role, log[0].record.after.system_role);
    assert_eq!(states, (Some(SystemRole::Admin), Some(SystemRole::User)));
}

#[tokio::test]
async fn the_only_administrator_keeps_the_role() {
    let (_, admin) = world(&["ann", "bob"]).await;
    let (ann, bob) = (user("ann"), user("bob"));
    admin.grant(&root(), &origin(), &ann.user_id, None).await.unwrap();
    let refused = admin.revoke(&ann, &origin(), &ann.user_id, None).await.unwrap_err();
    assert_eq!((refused.clone(), refused.code().status()), (Error::LastAdministrator, 409));
    admin.grant(&ann, &origin(), &bob.user_id, None).await.unwrap();
    admin.revoke(&ann, &origin(), &ann.user_id, None).await.unwrap();
    assert_eq!(admin.revoke(&bob, &origin(), &bob.user_id, None).await, Err(Error::LastAdministrator));
}

#[tokio::test]
async fn of_two_administrators_who_give_up_the_role_at_once_one_keeps_it() {
    for _ in 0..20 {
        let (_, admin) = world(&["ann", "bob"]).await;
        let (ann, bob) = (user("ann"), user("bob"));
        for user in [&ann, &bob] {
            admin.grant(&root(), &origin(), &user.user_id, None).await.unwrap();
        }
        let (from, now) = (origin(), origin());
        let both =
            tokio::join!(admin.revoke(&ann, &from, &ann.user_id, None), admin.revoke(&bob, &now, &bob.user_id, None));
        assert_eq!(usize::from(both.0.is_ok()) + usize::from(both.1.is_ok()), 1, "{both:?}");
    }
}

#[tokio::test]
async fn a_banned_administrator_can_do_nothing() {
    let (_, admin) = world(&["ann"]).await;
    admin.grant(&root(), &origin(), &user_id("ann"), None).await.unwrap();
    admin.ban(&root(), &origin(), &user_id("ann"), spam()).await.unwrap();
    let refused = admin.unban(&user("ann"), &origin(), &user_id("ann"), None).await;
    assert!(matches!(refused, Err(Error::AccountBanned(_))));
}
