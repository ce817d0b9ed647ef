//! Backups by the administration, while the chat is in use.

use super::*;
use crate::hooked::Hooked;
use chatcore::{
    Error,
    admin::{Administrators, AuditAction, AuditFilter},
    backup::{BackupOptions, stream},
    model::UserId,
    store::{Profiles, Value, Write, WriteKind},
};
use futures_util::{StreamExt as _, TryStreamExt as _};

fn root() -> Principal {
    Principal { system_role: SystemRole::Admin, ..user("root") }
}

async fn actions(admin: &Administration) -> Vec<AuditAction> {
    let log = admin.audit(&root(), &AuditFilter::default(), None, None).await.unwrap();
    log.entries.iter().map(|entry| entry.record.action).collect()
}

#[tokio::test]
async fn a_stream_is_a_file() {
    let store = lived_in().await;
    let parts: Vec<Vec<u8>> =
        stream(Arc::new(store.clone()), BackupOptions::default(), moment()).try_collect().await.unwrap();
    assert!(parts.len() > 10);
    let copy = restored(&parts.concat()).await;
    assert_eq!(comparable(everything(&copy).await), comparable(everything(&store).await));
}

#[tokio::test]
async fn a_stream_reads_at_the_pace_of_its_reader() {
    let store = Hooked::default();
    let chat = uncounted(store.intact());
    let (alice, mut ids) = (user("alice"), Vec::new());
    for _ in 0..20 {
        ids.push(session(&chat, &alice, SessionType::Private).await);
    }
    let reads = 60;
    for _ in 0..reads {
        store.before_read.once(async {});
    }
    let mut blocks = stream(Arc::new(store.clone()), BackupOptions::default(), moment());
    assert!(blocks.next().await.unwrap().is_ok());
    assert!(!store.before_read.is_done());
    // The rest is read by whoever takes it.
    assert!(blocks.try_collect::<Vec<_>>().await.is_ok());
    assert!(store.before_read.is_done());
}

#[tokio::test]
async fn an_administrator_takes_one_backup_at_a_time() {
    let store = lived_in().await;
    let admin = Administration::new(uncounted(store.clone()));
    let origin = AuditOrigin { request_id: Some("r-1".into()), ..AuditOrigin::default() };
    let refused = admin.back_up(&user("alice"), &origin, false).await.err().unwrap();
    assert!(matches!(refused, Error::AdminRequired), "{refused:?}");
    assert_eq!(actions(&admin).await, []);
    let mut first = admin.back_up(&root(), &origin, false).await.unwrap();
    assert!(first.next().await.unwrap().is_ok());
    // The entry is there before the first part, and says who took it and from where.
    let log = admin.audit(&root(), &AuditFilter::default(), None, None).await.unwrap();
    let entry = &log.entries[0].record;
    assert_eq!((entry.action, &entry.actor), (AuditAction::BackupTaken, &root().user_id));
    assert_eq!(entry.request_id.as_deref(), Some("r-1"));
    let second = admin.back_up(&root(), &origin, false).await.err().unwrap();
    assert!(matches!(second, Error::BackupRunning), "{second:?}");
    assert_eq!((second.code().status(), actions(&admin).await.len()), (409, 1));
    // A reader who goes away makes room.
    drop(first);
    let parts: Vec<Vec<u8>> = admin.back_up(&root(), &origin, false).await.unwrap().try_collect().await.unwrap();
    let copy = restored(&parts.concat()).await;
    assert_eq!(comparable(everything(&copy).await), comparable(everything(&store).await));
    drop(admin.back_up(&root(), &origin, false).await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_backup_ends_with_the_role() {
    let store = lived_in().await;
    let admin = Administration::new(uncounted(store.clone()));
    let (alice, origin) = (user("alice"), AuditOrigin::default());
    admin.set_role(&root(), &origin, &alice.user_id, SystemRole::Admin, None).await.unwrap();
    let mut file = admin.back_up(&alice, &origin, false).await.unwrap();
    assert!(file.next().await.unwrap().is_ok());
    admin.set_role(&root(), &origin, &alice.user_id, SystemRole::User, None).await.unwrap();
    tokio::time::advance(std::time::Duration::from_secs(6)).await;
    let ended = file.next().await.unwrap().unwrap_err();
    assert!(matches!(ended, Error::AdminRequired), "{ended:?}");
    assert!(file.next().await.is_none());
}

#[tokio::test]
async fn a_failure_stands_in_the_file() {
    let store = lived_in().await;
    let key = Profiles { user: UserId::new("bob").unwrap() }.key();
    let value = Value::unreadable(key.table, "a fault".to_owned());
    let write = Write { key, expect: chatcore::store::Expect::Anything, kind: WriteKind::Put(value) };
    store.commit(Change::of_records(vec![write])).await.unwrap();
    let admin = Administration::new(uncounted(store.clone()));
    let mut file = admin.back_up(&root(), &AuditOrigin::default(), false).await.unwrap();
    let (mut bytes, mut failed) = (Vec::new(), None);
    while let Some(part) = file.next().await {
        match part {
            Ok(part) => bytes.extend(part),
            Err(error) => failed = Some(error),
        }
    }
    assert!(matches!(failed, Some(Error::Internal)), "{failed:?}");
    let refused = Backup::of(&store).verify(Cursor::new(&bytes), &mut |_| ()).unwrap_err();
    assert!(matches!(&refused, BackupError::Failed(why) if why.contains("profile[\"bob\"]")), "{refused:?}");
    let parts: Vec<Vec<u8>> =
        admin.back_up(&root(), &AuditOrigin::default(), true).await.unwrap().try_collect().await.unwrap();
    let contents = Backup::of(&store).verify(Cursor::new(parts.concat()), &mut |_| ()).unwrap();
    assert_eq!(contents.left_out[0].record, "profile[\"bob\"]");
    assert!(store.get(&Administrators::all()).await.unwrap().is_none());
}
