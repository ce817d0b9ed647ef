//! The system role of accounts.

use std::sync::Arc;

use chatcore::{
    Administration, Error, MemoryStore,
    admin::{AuditAction, UserFilter},
    identity::SystemRole,
};

use tokio::sync::Barrier;

use super::{kit, log, origin, root, seen, spam, world};
use kit::{user, user_id};

#[tokio::test]
async fn a_granted_role_counts_until_it_is_revoked() {
    let (_, admin) = world(&["ann", "bob"]).await;
    let (ann, bob) = (user("ann"), user("bob"));
    let all = UserFilter::default();
    assert_eq!(admin.users(&ann, &all, None, None).await, Err(Error::AdminRequired));
    let granted =
        admin.set_role(&root(), &origin(), &ann.user_id, SystemRole::Admin, Some("On duty".into())).await.unwrap();
    assert_eq!(granted.system_role, SystemRole::Admin);
    admin.users(&ann, &all, None, None).await.unwrap();
    // A role that was granted grants.
    admin.set_role(&ann, &origin(), &bob.user_id, SystemRole::Admin, None).await.unwrap();
    admin.set_role(&bob, &origin(), &ann.user_id, SystemRole::User, None).await.unwrap();
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
    admin.set_role(&root(), &origin(), &ann.user_id, SystemRole::Admin, None).await.unwrap();
    let refused = admin.set_role(&ann, &origin(), &ann.user_id, SystemRole::User, None).await.unwrap_err();
    assert_eq!((refused.clone(), refused.code().status()), (Error::LastAdministrator, 409));
    admin.set_role(&ann, &origin(), &bob.user_id, SystemRole::Admin, None).await.unwrap();
    admin.set_role(&ann, &origin(), &ann.user_id, SystemRole::User, None).await.unwrap();
    assert_eq!(
        admin.set_role(&bob, &origin(), &bob.user_id, SystemRole::User, None).await,
        Err(Error::LastAdministrator)
    );
}

#[tokio::test]
async fn of_two_administrators_who_give_up_the_role_at_once_one_keeps_it() {
    for _ in 0..20 {
        let (_, admin) = world(&["ann", "bob"]).await;
        let (ann, bob) = (user("ann"), user("bob"));
        for user in [&ann, &bob] {
            admin.set_role(&root(), &origin(), &user.user_id, SystemRole::Admin, None).await.unwrap();
        }
        let (from, now) = (origin(), origin());
        let both = tokio::join!(
            admin.set_role(&ann, &from, &ann.user_id, SystemRole::User, None),
            admin.set_role(&bob, &now, &bob.user_id, SystemRole::User, None)
        );
        assert_eq!(usize::from(both.0.is_ok()) + usize::from(both.1.is_ok()), 1, "{both:?}");
    }
}

#[tokio::test]
async fn a_banned_administrator_can_do_nothing() {
    let (_, admin) = world(&["ann"]).await;
    admin.set_role(&root(), &origin(), &user_id("ann"), SystemRole::Admin, None).await.unwrap();
    admin.ban(&root(), &origin(), &user_id("ann"), spam()).await.unwrap();
    let refused = admin.unban(&user("ann"), &origin(), &user_id("ann"), None).await;
    assert!(matches!(refused, Err(Error::AccountBanned(_))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_administrators_who_dismiss_each_other_at_once_one_keeps_the_role() {
    for _ in 0..300 {
        let (_, admin) = world(&["ann", "bob"]).await;
        let (ann, bob) = (user("ann"), user("bob"));
        for user in [&ann, &bob] {
            admin.set_role(&root(), &origin(), &user.user_id, SystemRole::Admin, None).await.unwrap();
        }
        let start = Arc::new(Barrier::new(2));
        let [one, other] = [(ann.clone(), bob.user_id.clone()), (bob, ann.user_id)].map(|(by, whom)| {
            let (admin, start) = (admin.clone(), Arc::clone(&start));
            tokio::spawn(async move {
                start.wait().await;
                admin.set_role(&by, &origin(), &whom, SystemRole::User, None).await
            })
        });
        let both = [one.await.unwrap(), other.await.unwrap()];
        assert_eq!(both.iter().filter(|done| done.is_ok()).count(), 1, "{both:?}");
        assert!(both.contains(&Err(Error::AdminRequired)), "{both:?}");
    }
}

#[tokio::test]
async fn of_two_administrators_who_ban_each_other_at_once_in_two_processes_one_stays() {
    for _ in 0..20 {
        let store = Arc::new(MemoryStore::new());
        let [admin, there] = [(); 2].map(|()| Administration::new(kit::uncounted(Arc::clone(&store))));
        seen(&admin, &["ann", "bob"]).await;
        let (ann, bob) = (user("ann"), user("bob"));
        for user in [&ann, &bob] {
            admin.set_role(&root(), &origin(), &user.user_id, SystemRole::Admin, None).await.unwrap();
            there.user(user, &ann.user_id).await.unwrap();
        }
        let (from, now) = (origin(), origin());
        let both =
            tokio::join!(admin.ban(&ann, &from, &bob.user_id, spam()), there.ban(&bob, &now, &ann.user_id, spam()));
        assert_eq!(usize::from(both.0.is_ok()) + usize::from(both.1.is_ok()), 1, "{both:?}");
    }
}

#[tokio::test]
async fn an_administrator_who_was_banned_by_another_process_a_moment_ago_cannot_end_the_ban() {
    let store = Arc::new(MemoryStore::new());
    // Each has a notifier of its own, so the other process knows the standing of before.
    let [admin, there] = [(); 2].map(|()| Administration::new(kit::uncounted(Arc::clone(&store))));
    seen(&admin, &["bob"]).await;
    let bob = user("bob");
    admin.set_role(&root(), &origin(), &bob.user_id, SystemRole::Admin, None).await.unwrap();
    there.user(&bob, &bob.user_id).await.unwrap();
    admin.ban(&root(), &origin(), &bob.user_id, spam()).await.unwrap();
    let refused = there.unban(&bob, &origin(), &bob.user_id, None).await;
    assert!(matches!(refused, Err(Error::AccountBanned(_))), "{refused:?}");
    assert!(admin.chat().standing(&bob.user_id).await.unwrap().ban.is_some());
}

#[tokio::test]
async fn banned_administrators_do_not_count_and_the_operator_is_not_banned() {
    let (_, admin) = world(&["ann", "bob", "operator"]).await;
    let (ann, bob) = (user("ann"), user("bob"));
    for user in [&ann, &bob] {
        admin.set_role(&root(), &origin(), &user.user_id, SystemRole::Admin, None).await.unwrap();
    }
    admin.ban(&ann, &origin(), &bob.user_id, spam()).await.unwrap();
    let left = admin.set_role(&ann, &origin(), &ann.user_id, SystemRole::User, None).await;
    assert_eq!(left, Err(Error::LastAdministrator));
    admin.protect(user_id("operator"));
    let refused = admin.ban(&ann, &origin(), &user_id("operator"), spam()).await.unwrap_err();
    assert_eq!(refused.code().status(), 422);
}
