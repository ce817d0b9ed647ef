//! Users and bans.

use chatcore::{
    Code, Error,
    admin::{AuditAction, BanUser, UserFilter, UserStatus},
    identity::SystemRole,
    model::{SessionType, UserId},
};
use chrono::{TimeDelta, Utc};

use super::{kit, log, origin, root, spam, world};
use kit::{room, say, user, user_id};

#[tokio::test]
async fn a_ban_refuses_the_user_everywhere_and_is_recorded() {
    let (chat, admin) = world(&["bob"]).await;
    let (ann, bob) = (user("ann"), user("bob"));
    let id = room(&chat, &ann, &[&bob]).await;
    say(&chat, &bob, id, "Buy this").await;
    let until = Utc::now() + TimeDelta::hours(1);
    let ban = BanUser { until: Some(until), ..spam() };
    let banned = admin.ban(&root(), &origin(), &bob.user_id, ban).await.unwrap();
    assert_eq!(banned.status, UserStatus::Banned);
    let ban = banned.ban.unwrap();
    assert_eq!((ban.reason.as_str(), &ban.by), ("Spam", &root().user_id));
    assert!(matches!(chat.me(&bob).await, Err(Error::AccountBanned(_))));
    let log = log(&admin).await;
    let record = &log[0].record;
    assert_eq!((log.len(), record.action, record.target.as_deref()), (1, AuditAction::UserBanned, Some("bob")));
    assert_eq!((&record.actor, record.reason.as_deref()), (&root().user_id, Some("Spam")));
    assert_eq!((record.address, record.request_id.clone()), (origin().address, origin().request_id));
    assert_eq!((record.before.is_banned, record.after.is_banned), (Some(false), Some(true)));
    assert_eq!(record.after.banned_until, ban.until);
    let unbanned = admin.unban(&root(), &origin(), &bob.user_id, Some("A mistake".into())).await.unwrap();
    assert_eq!((unbanned.status, unbanned.ban), (UserStatus::Active, None));
    chat.me(&bob).await.unwrap();
    let log = super::log(&admin).await;
    let record = &log[0].record;
    assert_eq!((log.len(), record.action, record.reason.as_deref()), (2, AuditAction::UserUnbanned, Some("A mistake")));
    assert_eq!(record.before.ban_reason.as_deref(), Some("Spam"));
}

#[tokio::test]
async fn what_changes_nothing_is_not_recorded() {
    let (_, admin) = world(&["bob"]).await;
    let bob = user_id("bob");
    let nobody = user_id("nobody");
    admin.unban(&root(), &origin(), &bob, None).await.unwrap();
    admin.set_role(&root(), &origin(), &bob, SystemRole::User, None).await.unwrap();
    let long = BanUser { reason: "x".repeat(501), until: None };
    let past = BanUser { until: Some(Utc::now() - TimeDelta::hours(1)), ..spam() };
    for ban in [BanUser { reason: " ".into(), until: None }, long, past] {
        assert!(matches!(admin.ban(&root(), &origin(), &bob, ban).await, Err(Error::Invalid(_))));
    }
    let refused = admin.unban(&root(), &origin(), &bob, Some(String::new())).await;
    assert!(matches!(refused, Err(Error::Invalid(_))));
    assert_eq!(admin.ban(&root(), &origin(), &nobody, spam()).await, Err(Error::UserNotFound));
    assert_eq!(admin.unban(&root(), &origin(), &nobody, None).await, Err(Error::UserNotFound));
    assert_eq!(admin.set_role(&root(), &origin(), &nobody, SystemRole::Admin, None).await, Err(Error::UserNotFound));
    assert_eq!(admin.user(&root(), &nobody).await, Err(Error::UserNotFound));
    let own = admin.ban(&root(), &origin(), &root().user_id, spam()).await;
    assert_eq!(own.unwrap_err().code(), Code::ValidationInvalidValue);
    assert!(log(&admin).await.is_empty());
}

async fn listed(admin: &chatcore::Administration, filter: &UserFilter) -> Vec<String> {
    let page = admin.users(&root(), filter, None, None).await.unwrap();
    page.entries.into_iter().map(|user| user.profile.user_id.to_string()).collect()
}

#[tokio::test]
async fn users_are_found_by_texts_status_and_role() {
    let (chat, admin) = world(&["ann", "bob", "cid", "dan"]).await;
    let named = chatcore::Principal { email: Some("Eve@Example.org".into()), ..user("eve").with_name("Eva Ötz") };
    chat.me(&named).await.unwrap();
    admin.ban(&root(), &origin(), &user_id("bob"), spam()).await.unwrap();
    admin.set_role(&root(), &origin(), &user_id("cid"), SystemRole::Admin, None).await.unwrap();
    chat.delete_account(&user_id("dan"), &user_id("dan")).await.unwrap();
    let all = UserFilter::default();
    assert_eq!(listed(&admin, &all).await, ["ann", "bob", "cid", "dan", "eve", "root"]);
    for (status, expected) in [
        (UserStatus::Active, vec!["ann", "cid", "eve", "root"]),
        (UserStatus::Banned, vec!["bob"]),
        (UserStatus::Deleted, vec!["dan"]),
    ] {
        assert_eq!(listed(&admin, &UserFilter { status: Some(status), ..all.clone() }).await, expected);
    }
    let role = Some(SystemRole::Admin);
    assert_eq!(listed(&admin, &UserFilter { role, ..all.clone() }).await, ["cid"]);
    for text in ["EVE@example", "ötz", "VE", " eve "] {
        let filter = UserFilter { search: Some(text.into()), ..all.clone() };
        assert_eq!(listed(&admin, &filter).await, ["eve"], "{text}");
    }
    for text in ["", " ", &"x".repeat(101)] {
        let filter = UserFilter { search: Some(text.into()), ..all.clone() };
        assert!(matches!(admin.users(&root(), &filter, None, None).await, Err(Error::Invalid(_))));
    }
    assert!(matches!(admin.users(&root(), &all, None, Some(101)).await, Err(Error::Invalid(_))));
}

#[tokio::test]
async fn a_walk_through_pages_shows_each_user_once() {
    let names: Vec<String> = (0..450).map(|number| format!("u{number:03}")).collect();
    let (_, admin) = world(&names.iter().map(String::as_str).collect::<Vec<_>>()).await;
    for (search, limit) in [("u", 100), ("7", 3), ("nothing", 50)] {
        let filter = UserFilter { search: Some(search.into()), ..UserFilter::default() };
        let (mut seen, mut after): (Vec<UserId>, Option<UserId>) = (Vec::new(), None);
        loop {
            let page = admin.users(&root(), &filter, after, Some(limit)).await.unwrap();
            assert!(page.entries.len() as u64 <= limit);
            seen.extend(page.entries.into_iter().map(|user| user.profile.user_id));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        let expected: Vec<&String> = names.iter().filter(|name| name.contains(search)).collect();
        assert_eq!(seen.iter().map(UserId::as_str).collect::<Vec<_>>(), expected);
    }
}

#[tokio::test]
async fn everybody_else_is_refused_before_anything_is_looked_at() {
    let (chat, admin) = world(&["bob"]).await;
    let owner = user("ann");
    kit::session(&chat, &owner, SessionType::Public).await;
    for caller in [owner, user("bob"), user("stranger")] {
        let nobody = user_id("nobody");
        let long = BanUser { reason: String::new(), until: None };
        let refused = Error::AdminRequired;
        assert_eq!((refused.code().as_str(), refused.code().status()), ("ADMIN_REQUIRED", 403));
        assert_eq!(admin.ban(&caller, &origin(), &nobody, long).await, Err(refused.clone()));
        let id = chatcore::model::SessionId(uuid::Uuid::nil());
        assert_eq!(admin.session(&caller, id).await, Err(refused.clone()));
        assert_eq!(admin.users(&caller, &UserFilter::default(), None, Some(0)).await, Err(refused));
    }
    assert!(log(&admin).await.is_empty());
}
