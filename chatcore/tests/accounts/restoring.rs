use super::*;
use chatcore::backup::Backup;
use std::io::Cursor;

#[tokio::test]
async fn users_log_in_again_after_a_restore() {
    let mut world = World::new();
    let ada = world.register("Ada").await;
    let mut file = Vec::new();
    let taken = Backup::of(&*world.store).take(&mut file, world.chat.now(), &mut |_| ()).await.unwrap();
    assert!(taken.records > 0);
    let copy = Arc::new(MemoryStore::new());
    Backup::of(&*copy).restore(Cursor::new(file), &mut |_| ()).await.unwrap();
    world.store = copy;
    let accounts = world.restarted(settings());
    let again = accounts.log_in(&here(), credentials("ada", PASSWORD)).await.unwrap();
    assert_eq!(again.account.user_id, ada.account.user_id);
    let wrong = accounts.log_in(&here(), credentials("ada", "wrong password")).await.unwrap_err();
    assert_eq!(wrong.code().as_str(), "AUTH_INVALID_CREDENTIALS");
    // The login of before goes on, and the name and the address are still taken.
    accounts.refresh(&here(), &ada.tokens.refresh_token).await.unwrap();
    let taken = accounts.register(&here(), new("ADA")).await.unwrap_err();
    assert!(
        faults(&taken).iter().any(|(_, code)| code.as_str() == "USERNAME_TAKEN")
            || taken.code().as_str() == "USERNAME_TAKEN"
    );
}
