use super::*;

const NEW: &str = "a quite different pass-phrase";

#[tokio::test]
async fn a_new_password_ends_the_other_logins() {
    let world = World::new();
    let first = world.register("ada").await;
    let second = world.log_in("ada", PASSWORD).await.unwrap();
    let (by_first, by_second) = (world.caller(&first).await, world.caller(&second).await);
    world.later(1);
    world.accounts.change_password(&by_second, &here(), PASSWORD, NEW).await.unwrap();
    assert_eq!(world.chat.me(&by_first).await.unwrap_err(), Error::TokenInvalid);
    let refreshed = world.accounts.refresh(&here(), &first.tokens.refresh_token).await;
    assert_eq!(refreshed.unwrap_err(), Error::RefreshTokenInvalid);
    world.chat.me(&by_second).await.unwrap();
    world.accounts.refresh(&here(), &second.tokens.refresh_token).await.unwrap();
    assert_eq!(world.log_in("ada", PASSWORD).await.unwrap_err(), Error::InvalidCredentials);
    world.log_in("ada", NEW).await.unwrap();
}

#[tokio::test]
async fn a_weak_or_wrong_password_changes_nothing() {
    let world = World::new();
    let ada = world.register("ada").await;
    let caller = world.caller(&ada).await;
    let change = |old: &'static str, new: &'static str| {
        let (accounts, caller) = (world.accounts.clone(), caller.clone());
        async move { accounts.change_password(&caller, &here(), old, new).await.unwrap_err() }
    };
    assert_eq!(change("wrong password", NEW).await, Error::InvalidCredentials);
    for weak in ["ada", "password", "ada@example.org"] {
        assert_eq!(faults(&change(PASSWORD, weak).await), [("new_password", Code::PasswordTooWeak)], "{weak}");
    }
    world.log_in("ada", PASSWORD).await.unwrap();
}

#[tokio::test]
async fn a_password_counts_to_its_last_character() {
    let world = World::new();
    let long = format!("{}{}", "Tr0ub4dor&3 ".repeat(21), "last");
    assert_eq!(long.chars().count(), 256);
    let new = Register { password: long.clone(), ..new("ada") };
    world.accounts.register(&here(), new).await.unwrap();
    world.log_in("ada", &long).await.unwrap();
    assert_eq!(world.log_in("ada", &long[..255]).await.unwrap_err(), Error::InvalidCredentials);
    assert_eq!(world.log_in("ada", &format!("{long}x")).await.unwrap_err(), Error::InvalidCredentials);
}

#[tokio::test]
async fn a_login_with_the_old_password_does_not_outlive_its_change() {
    // Whatever order they take, after the change only logins with the new password and the one that changed it are left.
    for _ in 0..50 {
        let world = World::new();
        let ada = world.register("ada").await;
        let caller = world.caller(&ada).await;
        world.later(1);
        let (accounts, other) = (world.accounts.clone(), world.accounts.clone());
        let change = tokio::spawn({
            let caller = caller.clone();
            async move { accounts.change_password(&caller, &here(), PASSWORD, NEW).await }
        });
        let login = tokio::spawn(async move { other.log_in(&here(), credentials("ada", PASSWORD)).await });
        change.await.unwrap().unwrap();
        if let Ok(late) = login.await.unwrap() {
            let caller = world.caller(&late).await;
            assert_eq!(world.chat.me(&caller).await.unwrap_err(), Error::TokenInvalid);
            assert!(world.accounts.refresh(&here(), &late.tokens.refresh_token).await.is_err());
        }
        world.accounts.refresh(&here(), &ada.tokens.refresh_token).await.unwrap();
    }
}
