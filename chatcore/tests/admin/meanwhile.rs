//! What another administrator does between the decision of a change and its commit.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use chatcore::{
    Administration, Error,
    admin::{Administrators, AuditAction, AuditEntries},
    clock::{Clock as _, SystemClock},
    identity::SystemRole,
    model::{LoginId, SessionId, SessionType},
    store::{ChatStoreExt as _, Sessions, Standings, TypedKey as _},
};
use futures_util::{FutureExt as _, future::BoxFuture};

use super::{hooked::Hooked, kit, log, origin, root, seen, spam};
use kit::{session, uncounted, user, user_id};

/// A change by ann: of bob, of cid, or of a session.
type Deed = fn(&Administration, SessionId) -> BoxFuture<'_, Result<(), Error>>;

const DEEDS: [(&str, Deed); 5] = [
    ("ban", |admin, _| async { admin.ban(&user("ann"), &origin(), &user_id("bob"), spam()).await.map(drop) }.boxed()),
    ("unban", |admin, _| async { admin.unban(&user("ann"), &origin(), &user_id("cid"), None).await.map(drop) }.boxed()),
    ("close", |admin, id| {
        async move { admin.close_session(&user("ann"), &origin(), id, None).await.map(drop) }.boxed()
    }),
    ("notice", |admin, _| {
        async { admin.broadcast(&user("ann"), &origin(), "Hi".into(), None).await.map(drop) }.boxed()
    }),
    ("grant", |admin, _| {
        async { admin.set_role(&user("ann"), &origin(), &user_id("bob"), SystemRole::Admin, None).await.map(drop) }
            .boxed()
    }),
];

/// Another process of the same store, in which ann is an administrator, bob is a user, and cid is banned.
async fn world() -> (Hooked, Administration, Administration, SessionId) {
    let store = Hooked::default();
    let (admin, there) =
        (Administration::new(uncounted(store.clone())), Administration::new(uncounted(store.intact())));
    seen(&there, &["ann", "bob", "cid", "dan"]).await;
    there.set_role(&root(), &origin(), &user_id("ann"), SystemRole::Admin, None).await.unwrap();
    there.ban(&root(), &origin(), &user_id("cid"), spam()).await.unwrap();
    let id = session(there.chat(), &user("bob"), SessionType::Public).await;
    (store, admin, there, id)
}

#[tokio::test]
async fn a_change_whose_author_loses_the_authority_before_the_commit_is_not_made() {
    for (name, deed) in DEEDS {
        for bans in [false, true] {
            let (store, admin, there, id) = world().await;
            let other = there.clone();
            store.before_commit.once(async move {
                if bans {
                    other.ban(&root(), &origin(), &user_id("ann"), spam()).await.unwrap();
                } else {
                    other.set_role(&root(), &origin(), &user_id("ann"), SystemRole::User, None).await.unwrap();
                }
            });
            let refused = deed(&admin, id).await.unwrap_err();
            assert!(matches!(refused, Error::AdminRequired | Error::AccountBanned(_)), "{name}: {refused:?}");
            assert!(store.before_commit.is_done());
            // Neither the change nor its entry is there.
            let log = log(&there).await;
            assert!(log.iter().all(|entry| entry.record.actor != user_id("ann")), "{name}: {log:?}");
            assert!(there.chat().standing(&user_id("bob")).await.unwrap().ban.is_none());
            assert!(there.chat().standing(&user_id("cid")).await.unwrap().ban.is_some());
            assert!(there.session(&root(), id).await.unwrap().session.is_active);
        }
    }
}

/// What outdates the authority of ann and leaves it: somebody else's role, or the end of one of ann's logins.
async fn outdate(there: &Administration, round: usize) {
    match round % 3 {
        0 => there.chat().end_login(&user_id("ann"), LoginId(SystemClock.new_id()), SystemClock.now()).await.unwrap(),
        round => {
            let role = [SystemRole::Admin, SystemRole::User][round - 1];
            there.set_role(&root(), &origin(), &user_id("dan"), role, None).await.map(drop).unwrap();
        }
    }
}

#[tokio::test]
async fn a_change_is_decided_again_where_its_author_keeps_the_authority() {
    for (name, deed) in DEEDS {
        let (store, admin, there, id) = world().await;
        for round in 0..3 {
            let there = there.clone();
            store.before_commit.once(async move { outdate(&there, round).await });
        }
        deed(&admin, id).await.unwrap_or_else(|error| panic!("{name}: {error:?}"));
        assert!(store.before_commit.is_done(), "{name}");
        let by_ann = log(&there).await.into_iter().filter(|entry| entry.record.actor == user_id("ann"));
        assert_eq!(by_ann.count(), 1, "{name}");
    }
}

#[tokio::test]
async fn a_change_that_others_outdate_each_time_gives_up() {
    for (name, deed) in DEEDS {
        let (store, admin, there, id) = world().await;
        for round in 0..admin.chat().limits().commit_attempts {
            let there = there.clone();
            store.before_commit.once(async move { outdate(&there, round as usize).await });
        }
        let refused = deed(&admin, id).await.unwrap_err();
        assert_eq!((refused.clone(), refused.code().status()), (Error::Unavailable, 503), "{name}");
        assert!(store.before_commit.is_done(), "{name}");
        assert!(log(&there).await.iter().all(|entry| entry.record.actor != user_id("ann")), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_and_roles_that_change_at_once_all_succeed() {
    let (_, admin, there, _) = world().await;
    let names: Vec<String> = (0..20).map(|n| format!("user-{n}")).collect();
    let mut sessions = Vec::new();
    for name in &names {
        sessions.push(session(admin.chat(), &user(name), SessionType::Public).await);
    }
    let has_ended = Arc::new(AtomicBool::new(false));
    let roles = tokio::spawn({
        let (there, has_ended) = (there.clone(), Arc::clone(&has_ended));
        async move {
            let mut changes = 0;
            while !has_ended.load(Ordering::SeqCst) || changes < 100 {
                let role = [SystemRole::Admin, SystemRole::User][changes % 2];
                there.set_role(&root(), &origin(), &user_id("dan"), role, None).await.unwrap();
                changes += 1;
                tokio::task::yield_now().await;
            }
        }
    });
    for (name, id) in names.iter().zip(sessions) {
        let ann = user("ann");
        admin.ban(&ann, &origin(), &user_id(name), spam()).await.unwrap();
        admin.unban(&ann, &origin(), &user_id(name), None).await.unwrap();
        admin.close_session(&ann, &origin(), id, None).await.unwrap();
        admin.broadcast(&ann, &origin(), "Hi".into(), None).await.unwrap();
    }
    has_ended.store(true, Ordering::SeqCst);
    roles.await.unwrap();
}

#[tokio::test]
async fn of_a_change_that_is_decided_again_there_is_one_entry() {
    let (store, admin, there, id) = world().await;
    let chat = there.chat().clone();
    // The session changes before it is closed.
    store.before_commit.once(async move {
        chat.join(&user("dan"), id).await.unwrap();
    });
    admin.close_session(&user("ann"), &origin(), id, None).await.unwrap();
    let actions: Vec<_> = log(&there).await.iter().map(|entry| entry.record.action).collect();
    assert_eq!(actions, [AuditAction::SessionClosed, AuditAction::UserBanned, AuditAction::RoleGranted]);
}

#[tokio::test]
async fn an_entry_is_written_by_the_change_that_it_records() {
    let (hooked, admin, _, id) = world().await;
    let store = hooked.intact();
    // The version of a record is the id of the change that wrote it.
    let entry = async || {
        let scan = AuditEntries::under(Vec::new()).limit(1);
        store.list::<AuditEntries>(scan).await.unwrap()[0].1.version
    };
    let standing = async |name| store.get(&Standings { user: user_id(name) }).await.unwrap().unwrap().version;
    admin.ban(&user("ann"), &origin(), &user_id("bob"), spam()).await.unwrap();
    assert_eq!(entry().await, standing("bob").await);
    admin.unban(&user("ann"), &origin(), &user_id("cid"), None).await.unwrap();
    assert_eq!(entry().await, standing("cid").await);
    admin.close_session(&user("ann"), &origin(), id, None).await.unwrap();
    let closed = store.get(&Sessions { session: id }).await.unwrap().unwrap();
    assert_eq!((entry().await, closed.value.is_active), (closed.version, false));
    for role in [SystemRole::Admin, SystemRole::User] {
        admin.set_role(&user("ann"), &origin(), &user_id("cid"), role, None).await.unwrap();
        assert_eq!(entry().await, store.get(&Administrators::all()).await.unwrap().unwrap().version);
    }
}
