use super::*;

#[tokio::test]
async fn a_user_logs_in_by_name_or_by_address() {
    let world = World::new();
    let ada = world.register("Ada").await.account.user_id;
    world.later(60);
    for name in ["Ada", "ada", " ADA ", "ada@EXAMPLE.org"] {
        let again = world.log_in(name, PASSWORD).await.unwrap();
        assert_eq!((&again.account.user_id, again.account.last_login), (&ada, Some(world.chat.now())), "{name}");
    }
}

#[tokio::test]
async fn an_unknown_user_and_a_wrong_password_look_the_same() {
    let world = World::new();
    world.register("ada").await;
    let wrong = world.log_in("ada", "wrong password").await.unwrap_err();
    assert_eq!((wrong.code().as_str(), wrong.code().status()), ("AUTH_INVALID_CREDENTIALS", 401));
    for unknown in ["eve", "eve@example.org", "", "@", &"x".repeat(100_000)] {
        let error = world.log_in(unknown, "wrong password").await.unwrap_err();
        assert_eq!((error.to_string(), error.details()), (wrong.to_string(), wrong.details()), "{unknown:.9}");
    }
    assert_eq!(world.log_in("ada", &"x".repeat(100_000)).await.unwrap_err(), wrong);
    assert_eq!(world.log_in("ada", "").await.unwrap_err(), wrong);
}

#[tokio::test]
async fn a_token_of_a_login_that_ended_is_refused_and_others_are_not() {
    let world = World::new();
    let phone = world.register("ada").await;
    world.later(5);
    let laptop = world.log_in("ada", PASSWORD).await.unwrap();
    let (by_phone, by_laptop) = (world.caller(&phone).await, world.caller(&laptop).await);

    let logins = world.accounts.logins(&by_laptop).await.unwrap();
    let seen: Vec<_> = logins.iter().map(|login| (login.id, login.is_current)).collect();
    assert_eq!(seen, [(laptop.login_id, true), (phone.login_id, false)]);
    assert_eq!((logins[0].device.as_deref(), logins[0].address), (Some("A test"), here().address));

    world.accounts.log_out(&by_phone).await.unwrap();
    assert_eq!(world.chat.me(&by_phone).await.unwrap_err(), Error::TokenInvalid);
    assert_eq!(world.accounts.logins(&by_phone).await.unwrap_err(), Error::TokenInvalid);
    let refreshed = world.accounts.refresh(&here(), &phone.tokens.refresh_token).await;
    assert_eq!(refreshed.unwrap_err(), Error::RefreshTokenInvalid);
    world.chat.me(&by_laptop).await.unwrap();
    assert_eq!(world.accounts.logins(&by_laptop).await.unwrap().len(), 1);
    // Another process refuses the token, too.
    assert_eq!(world.restarted(settings()).me(&by_phone).await.unwrap_err(), Error::TokenInvalid);
}

#[tokio::test]
async fn a_user_ends_one_of_their_own_logins_and_no_other() {
    let world = World::new();
    let (ada, eve) = (world.register("ada").await, world.register("eve").await);
    let second = world.log_in("ada", PASSWORD).await.unwrap();
    let (by_ada, by_eve) = (world.caller(&ada).await, world.caller(&eve).await);
    assert_eq!(world.accounts.end_login(&by_eve, second.login_id).await.unwrap_err(), Error::LoginNotFound);
    world.chat.me(&world.caller(&second).await).await.unwrap();
    let gone = world.caller(&second).await;
    world.accounts.end_login(&by_ada, second.login_id).await.unwrap();
    assert_eq!(world.chat.me(&gone).await.unwrap_err(), Error::TokenInvalid);
    assert_eq!(world.accounts.end_login(&by_ada, second.login_id).await.unwrap_err(), Error::LoginNotFound);
    world.chat.me(&by_ada).await.unwrap();
}

#[tokio::test]
async fn logging_out_everywhere_ends_all_logins_and_the_next_one_works() {
    let world = World::new();
    let first = world.register("ada").await;
    let second = world.log_in("ada", PASSWORD).await.unwrap();
    let (by_first, by_second) = (world.caller(&first).await, world.caller(&second).await);
    world.later(1);
    world.accounts.log_out_everywhere(&by_first).await.unwrap();
    for caller in [&by_first, &by_second] {
        assert_eq!(world.chat.me(caller).await.unwrap_err(), Error::TokenInvalid);
    }
    for login in [&first, &second] {
        let refreshed = world.accounts.refresh(&here(), &login.tokens.refresh_token).await;
        assert_eq!(refreshed.unwrap_err(), Error::RefreshTokenInvalid);
    }
    world.later(1);
    let third = world.log_in("ada", PASSWORD).await.unwrap();
    assert_eq!(world.accounts.logins(&world.caller(&third).await).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_stream_ends_when_its_login_does() {
    let world = World::new();
    let ada = world.register("ada").await;
    let (caller, other) = (world.caller(&ada).await, world.log_in("ada", PASSWORD).await.unwrap());
    let id = kit::session(&world.chat, &caller, chatcore::model::SessionType::Public).await;
    let mut events = world.chat.subscribe(&caller, id, None).await.unwrap();
    world.accounts.end_login(&world.caller(&other).await, ada.login_id).await.unwrap();
    let end = kit::in_time(events.next_event()).await.unwrap().unwrap_err();
    assert_eq!(end, Error::TokenInvalid);
}

#[tokio::test]
async fn the_login_that_was_not_used_for_the_longest_time_gives_way() {
    let world = World::with(AccountSettings { logins: 2, ..settings() });
    let first = world.register("ada").await;
    world.later(1);
    let second = world.log_in("ada", PASSWORD).await.unwrap();
    world.later(1);
    let first_again = world.accounts.refresh(&here(), &first.tokens.refresh_token).await.unwrap();
    world.later(1);
    let by_second = world.caller(&second).await;
    let third = world.log_in("ada", PASSWORD).await.unwrap();
    assert_eq!(world.chat.me(&by_second).await.unwrap_err(), Error::TokenInvalid);
    world.accounts.refresh(&here(), &first_again.refresh_token).await.unwrap();
    assert_eq!(world.accounts.logins(&world.caller(&third).await).await.unwrap().len(), 2);
}

#[tokio::test]
async fn an_access_token_ends_and_a_login_that_is_not_used_is_forgotten() {
    let world = World::new();
    let ada = world.register("ada").await;
    let caller = world.caller(&ada).await;
    world.later(1_800);
    assert_eq!(world.accounts.me(&caller).await.unwrap_err(), Error::TokenExpired);
    world.later(7 * 24 * 3_600);
    let refreshed = world.accounts.refresh(&here(), &ada.tokens.refresh_token).await;
    assert_eq!(refreshed.unwrap_err(), Error::RefreshTokenInvalid);
    let again = world.log_in("ada", PASSWORD).await.unwrap();
    assert_eq!(world.accounts.logins(&world.caller(&again).await).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_banned_user_cannot_log_in_or_refresh() {
    let world = World::new();
    let ada = world.register("ada").await;
    let ban = chatcore::chat::BanAccount { reason: "spam".into(), by: kit::user_id("root"), until: None };
    world.chat.ban_account(&ada.account.user_id, ban).await.unwrap();
    let banned = |error: Error| matches!(error, Error::AccountBanned(_));
    assert!(banned(world.log_in("ada", PASSWORD).await.unwrap_err()));
    assert!(banned(world.accounts.refresh(&here(), &ada.tokens.refresh_token).await.unwrap_err()));
    // Who does not know the password learns nothing.
    assert_eq!(world.log_in("ada", "wrong password").await.unwrap_err(), Error::InvalidCredentials);
}
