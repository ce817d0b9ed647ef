use chatcore::accounts::MailKind;

use super::*;

const NEW: &str = "a quite different pass-phrase";

#[tokio::test]
async fn an_address_is_verified_by_the_code_that_was_sent_to_it() {
    let mut world = World::new();
    let ada = world.register("ada").await;
    let caller = world.caller(&ada).await;
    let mail = world.mail().await;
    assert_eq!((mail.kind, mail.to.as_str()), (MailKind::Verification, "ada@example.org"));
    assert!(mail.text.contains(&mail.code) && !mail.text.contains("ada"), "{mail:?}");
    assert_eq!(world.accounts.verify_email("wrong").await.unwrap_err(), Error::CodeInvalid);
    world.accounts.verify_email(&format!(" {}\n", mail.code)).await.unwrap();
    assert!(world.accounts.me(&caller).await.unwrap().is_verified);
    let error = world.accounts.verify_email(&mail.code).await.unwrap_err();
    assert_eq!((error.code().as_str(), error.code().status()), ("AUTH_CODE_INVALID", 422));
}

#[tokio::test]
async fn a_code_ends_with_its_time_with_a_use_and_after_three_more() {
    let mut world = World::new();
    let caller = world.caller(&world.register("ada").await).await;
    let mut codes = vec![world.mail().await.code];
    for _ in 0..3 {
        world.accounts.request_verification(&caller, &here()).await.unwrap();
        codes.push(world.mail().await.code);
    }
    assert_eq!(world.accounts.verify_email(&codes[0]).await.unwrap_err(), Error::CodeInvalid);
    // One that was on its way when the last one was asked for.
    world.accounts.verify_email(&codes[1]).await.unwrap();
    for code in &codes {
        assert_eq!(world.accounts.verify_email(code).await.unwrap_err(), Error::CodeInvalid);
    }
    world.accounts.change_email(&caller, &here(), PASSWORD, "new@example.org").await.unwrap();
    let code = world.mail().await.code;
    world.later(24 * 3_600);
    assert_eq!(world.accounts.verify_email(&code).await.unwrap_err(), Error::CodeInvalid);
}

#[tokio::test]
async fn who_asks_for_resets_of_others_takes_no_mail_from_them() {
    let mut world = World::new();
    let caller = world.caller(&world.register("ada").await).await;
    world.mail().await;
    let attacker = client("198.51.100.1");
    for _ in 0..5 {
        world.accounts.request_password_reset(&attacker, "ada@example.org").await.unwrap();
        world.mail().await;
    }
    // The owner, elsewhere: a reset, a verification, another address.
    world.accounts.request_password_reset(&here(), "ada@example.org").await.unwrap();
    let reset = world.mail().await;
    assert_eq!(reset.kind, MailKind::PasswordReset);
    world.accounts.request_verification(&caller, &here()).await.unwrap();
    world.mail().await;
    world.accounts.change_email(&caller, &here(), PASSWORD, "new@example.org").await.unwrap();
    world.mail().await;
}

#[tokio::test]
async fn a_forgotten_password_is_replaced_and_all_logins_end() {
    let mut world = World::new();
    let ada = world.register("ada").await;
    let caller = world.caller(&ada).await;
    let verification = world.mail().await;
    world.later(1);
    world.accounts.request_password_reset(&here(), " ADA@example.org ").await.unwrap();
    let mail = world.mail().await;
    assert_eq!((mail.kind, mail.to.as_str()), (MailKind::PasswordReset, "ada@example.org"));
    // One kind of code does not work for the other use.
    assert_eq!(world.accounts.verify_email(&mail.code).await.unwrap_err(), Error::CodeInvalid);
    assert_eq!(world.accounts.reset_password(&verification.code, NEW).await.unwrap_err(), Error::CodeInvalid);
    // A weak password does not use it up.
    let error = world.accounts.reset_password(&mail.code, "password").await.unwrap_err();
    assert_eq!(faults(&error), [("new_password", Code::PasswordTooWeak)]);
    world.accounts.reset_password(&mail.code, NEW).await.unwrap();
    assert_eq!(world.accounts.reset_password(&mail.code, PASSWORD).await.unwrap_err(), Error::CodeInvalid);
    assert_eq!(world.chat.me(&caller).await.unwrap_err(), Error::TokenInvalid);
    assert_eq!(world.log_in("ada", PASSWORD).await.unwrap_err(), Error::InvalidCredentials);
    assert!(world.log_in("ada", NEW).await.unwrap().account.is_verified);
}

#[tokio::test]
async fn nobody_learns_whether_an_address_has_an_account() {
    let mut world = World::new();
    world.register("ada").await;
    world.mail().await;
    for address in ["nobody@example.org", "", "ada", &"x".repeat(100_000)] {
        world.accounts.request_password_reset(&here(), address).await.unwrap();
    }
    // The limit is that of the one who asks, whatever they ask for.
    world.accounts.request_password_reset(&here(), "ada@example.org").await.unwrap();
    assert_eq!(world.mail().await.kind, MailKind::PasswordReset);
    for address in ["nobody@example.org", "ada@example.org"] {
        let error = world.accounts.request_password_reset(&here(), address).await.unwrap_err();
        assert_eq!(error, Error::RateLimited { retry_after: 180 });
    }
}

#[tokio::test]
async fn a_new_address_is_not_verified_and_takes_codes_of_the_old_one_back() {
    let mut world = World::new();
    let ada = world.register("ada").await;
    world.register("eve").await;
    let caller = world.caller(&ada).await;
    let (one, other) = (world.mail().await, world.mail().await);
    let old = if one.to.starts_with("ada") { one } else { other };
    let change = |password: &'static str, email: &'static str| {
        let (accounts, caller) = (world.accounts.clone(), caller.clone());
        async move { accounts.change_email(&caller, &here(), password, email).await }
    };
    assert_eq!(change("wrong one", "new@example.org").await.unwrap_err(), Error::InvalidCredentials);
    assert_eq!(change(PASSWORD, "EVE@example.org").await.unwrap_err(), Error::EmailTaken);
    assert_eq!(faults(&change(PASSWORD, "nowhere").await.unwrap_err()), [("email", Code::ValidationInvalidValue)]);
    let account = change(PASSWORD, "new@example.org").await.unwrap();
    assert_eq!((account.email.as_str(), account.is_verified), ("new@example.org", false));
    assert_eq!(world.accounts.verify_email(&old.code).await.unwrap_err(), Error::CodeInvalid);
    let mail = world.mail().await;
    assert_eq!(mail.to, "new@example.org");
    world.accounts.verify_email(&mail.code).await.unwrap();
    assert!(world.accounts.me(&caller).await.unwrap().is_verified);
    world.log_in("new@example.org", PASSWORD).await.unwrap();
    assert_eq!(world.log_in("ada@example.org", PASSWORD).await.unwrap_err(), Error::InvalidCredentials);
    // The old address is free.
    let new = Register { email: "ada@example.org".into(), ..new("other") };
    world.accounts.register(&here(), new).await.unwrap();
}

#[tokio::test]
async fn changes_of_the_address_are_limited_as_mails_are() {
    let world = World::new();
    let caller = world.caller(&world.register("ada").await).await;
    for number in 0..5 {
        let email = format!("new{number}@example.org");
        world.accounts.change_email(&caller, &here(), PASSWORD, &email).await.unwrap();
    }
    let error = world.accounts.change_email(&caller, &here(), PASSWORD, "last@example.org").await.unwrap_err();
    assert_eq!(error, Error::RateLimited { retry_after: 180 });
}
