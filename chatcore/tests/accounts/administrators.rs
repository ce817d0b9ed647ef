//! Administrators who delete their accounts.

use chatcore::{
    Administration,
    admin::{Administrators, AuditAction, AuditFilter, AuditOrigin},
    identity::SystemRole,
};

use super::*;

fn root() -> Principal {
    Principal { system_role: SystemRole::Admin, ..kit::user("root") }
}

/// Accounts of administrators, each with a caller.
async fn administrators<const N: usize>(world: &World, names: [&str; N]) -> (Administration, Vec<Principal>) {
    let admin = Administration::new(world.chat.clone());
    let mut callers = Vec::new();
    for name in names {
        let caller = world.caller(&world.register(name).await).await;
        admin.set_role(&root(), &AuditOrigin::default(), &caller.user_id, SystemRole::Admin, None).await.unwrap();
        callers.push(caller);
    }
    (admin, callers)
}

#[tokio::test]
async fn the_only_administrator_keeps_the_account() {
    let world = World::new();
    let (admin, callers) = administrators(&world, ["ada", "eve"]).await;
    let (ada, eve) = (&callers[0], &callers[1]);
    world.accounts.delete_account(ada, &here(), PASSWORD).await.unwrap();
    // What the deletion did to the role is recorded in the same change.
    let log = admin.audit(&root(), &AuditFilter::default(), None, None).await.unwrap();
    let record = &log.entries[0].record;
    assert_eq!(
        (record.action, &record.actor, record.address),
        (AuditAction::RoleRevoked, &ada.user_id, here().address)
    );
    assert_eq!(record.target.as_deref(), Some(ada.user_id.as_str()));
    assert_eq!(
        (record.before.system_role, record.after.system_role),
        (Some(SystemRole::Admin), Some(SystemRole::User))
    );
    let held = world.store.get(&Administrators::all()).await.unwrap().unwrap().value;
    assert!(held.holds(&eve.user_id) && !held.holds(&ada.user_id));

    let refused = world.accounts.delete_account(eve, &here(), PASSWORD).await.unwrap_err();
    assert_eq!(refused, Error::LastAdministrator);
    assert!(world.log_in("eve", PASSWORD).await.is_ok());
    // Whoever does not know the password learns nothing of the role.
    let refused = world.accounts.delete_account(eve, &here(), "another password").await.unwrap_err();
    assert_eq!(refused, Error::InvalidCredentials);
    let ban = chatcore::admin::BanUser { reason: "Spam".into(), until: None };
    let bob = world.caller(&world.register("bob").await).await;
    let origin = AuditOrigin::default();
    admin.set_role(&root(), &origin, &bob.user_id, SystemRole::Admin, None).await.unwrap();
    admin.ban(&root(), &origin, &bob.user_id, ban).await.unwrap();
    // One who is banned does not count.
    assert_eq!(world.accounts.delete_account(eve, &here(), PASSWORD).await, Err(Error::LastAdministrator));
    admin.unban(&root(), &origin, &bob.user_id, None).await.unwrap();
    world.accounts.delete_account(eve, &here(), PASSWORD).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_administrators_who_go_at_once_one_stays() {
    for round in 0..30 {
        let world = World::new();
        let (admin, callers) = administrators(&world, ["ada", "eve"]).await;
        let (ada, eve) = (callers[0].clone(), callers[1].clone());
        let accounts = world.accounts.clone();
        let deletion = tokio::spawn(async move { accounts.delete_account(&ada, &here(), PASSWORD).await });
        let going = eve.user_id.clone();
        let other = if round % 2 == 0 {
            world.accounts.delete_account(&eve, &here(), PASSWORD).await
        } else {
            let origin = AuditOrigin::default();
            admin.set_role(&eve, &origin, &going, SystemRole::User, None).await.map(|_| ())
        };
        let both = [deletion.await.unwrap(), other];
        assert_eq!(both.iter().filter(|done| done.is_ok()).count(), 1, "{both:?}");
        assert!(both.contains(&Err(Error::LastAdministrator)), "{both:?}");
        assert_eq!(world.store.get(&Administrators::all()).await.unwrap().unwrap().value.grants.len(), 1);
    }
}

#[tokio::test]
async fn an_administrator_who_became_the_last_one_before_the_commit_stays() {
    let store = hooked::Hooked::default();
    let (chat, intact) = (kit::uncounted(store.clone()), store.intact());
    let accounts = Accounts::builder(chat, JwtIssuer::hs256(SECRET).unwrap()).settings(settings()).build().unwrap();
    let admin = Administration::new(kit::uncounted(intact.clone()));
    let tokens = JwtAuthenticator::hs256(SECRET).unwrap();
    let mut callers = Vec::new();
    for name in ["ada", "eve"] {
        let made = accounts.register(&here(), new(name)).await.unwrap();
        let caller = tokens.authenticate(&made.tokens.access_token).await.unwrap();
        admin.set_role(&root(), &AuditOrigin::default(), &caller.user_id, SystemRole::Admin, None).await.unwrap();
        callers.push(caller);
    }
    let (ada, eve) = (callers[0].user_id.clone(), callers[1].user_id.clone());
    // The deletion is the one commit that makes an erasure.
    *store.commits_of.lock().unwrap() = Some("erasure");
    store.before_commit.once(async move {
        admin.set_role(&root(), &AuditOrigin::default(), &ada, SystemRole::User, None).await.unwrap();
    });
    let outcome = accounts.delete_account(&callers[1], &here(), PASSWORD).await;
    assert_eq!(outcome, Err(Error::LastAdministrator));
    assert!(store.before_commit.is_done());
    let held = intact.get(&Administrators::all()).await.unwrap().unwrap().value;
    assert_eq!(held.grants.iter().map(|grant| &grant.user).collect::<Vec<_>>(), [&eve]);
}
