use chatcore::accounts::{ImportAccount, UpdateAccount};

use super::*;

fn imported(name: &str, hash: &str) -> ImportAccount {
    ImportAccount {
        user_id: None,
        username: name.to_owned(),
        email: format!("{name}@example.org"),
        password_hash: hash.to_owned(),
        display_name: Some("Imported".to_owned()),
        is_verified: true,
        created_at: None,
    }
}

#[tokio::test]
async fn a_registered_user_is_logged_in_and_known_to_the_chat() {
    let world = World::new();
    let new = Register { display_name: Some(" Ada L. ".into()), public_key: Some("a key".into()), ..new("Ada") };
    let ada = world.accounts.register(&here(), new).await.unwrap();
    assert_eq!((ada.account.username.as_str(), ada.account.display_name.as_str()), ("Ada", "Ada L."));
    assert_eq!((ada.account.email.as_str(), ada.account.is_verified), ("Ada@example.org", false));
    assert_eq!((ada.account.public_key.as_deref(), ada.account.last_login), (Some("a key"), Some(world.chat.now())));
    assert_eq!(ada.tokens.expires_in, 1_800);

    let caller = world.caller(&ada).await;
    assert_eq!((caller.user_id.clone(), caller.login_id), (ada.account.user_id.clone(), Some(ada.login_id)));
    assert_eq!(world.accounts.me(&caller).await.unwrap(), ada.account);
    let profile = world.chat.me(&caller).await.unwrap();
    assert_eq!((profile.username.as_str(), profile.name.as_str()), ("Ada", "Ada L."));
    // Another process knows it, too.
    assert_eq!(world.restarted(settings()).me(&caller).await.unwrap(), ada.account);
}

#[tokio::test]
async fn names_and_addresses_are_unique_in_whatever_way_they_are_written() {
    let world = World::new();
    world.register("bobo").await;
    for name in ["bobo", "BOBO", "ｂｏｂｏ", "bob0"] {
        let new = Register { email: "other@example.org".into(), ..new(name) };
        assert_eq!(world.accounts.register(&here(), new).await.unwrap_err(), Error::UsernameTaken, "{name}");
    }
    let new = Register { email: " BoBo@Example.ORG ".into(), ..new("other") };
    let error = world.accounts.register(&here(), new).await.unwrap_err();
    assert_eq!((error.code().as_str(), error.code().status()), ("EMAIL_TAKEN", 409));
}

#[tokio::test]
async fn of_many_registrations_of_one_name_at_once_one_succeeds() {
    let world = World::new();
    let register = |number: usize| {
        let accounts = world.accounts.clone();
        let new = Register { email: format!("user{number}@example.org"), ..new("ada") };
        tokio::spawn(async move { accounts.register(&here(), new).await })
    };
    let tasks: Vec<_> = (0..16).map(register).collect();
    let mut registered = 0;
    for task in tasks {
        match task.await.unwrap() {
            Ok(_) => registered += 1,
            Err(error) => assert_eq!(error, Error::UsernameTaken),
        }
    }
    assert_eq!(registered, 1);
}

#[tokio::test]
async fn a_refusal_names_every_field() {
    let world = World::new();
    let bad = Register { display_name: Some("\u{200b}".into()), ..Register::new("a b", "nobody", "short") };
    let error = world.accounts.register(&here(), bad).await.unwrap_err();
    let expected = [
        ("username", Code::ValidationInvalidValue),
        ("email", Code::ValidationInvalidValue),
        ("display_name", Code::ValidationRequiredField),
        ("password", Code::PasswordTooWeak),
    ];
    assert_eq!(faults(&error), expected);
    let error = world.accounts.register(&here(), new("admin")).await.unwrap_err();
    assert_eq!(faults(&error), [("username", Code::UsernameReserved)]);
    for bad in ["password1", "ada@example.org", "aaaaaaaaaaaa"] {
        let new = Register { password: bad.into(), ..new("ada") };
        let error = world.accounts.register(&here(), new).await.unwrap_err();
        assert_eq!(faults(&error), [("password", Code::PasswordTooWeak)], "{bad}");
        assert!(error.fields()[0].message.len() > "too easy to guess".len(), "{error:?}");
    }
    let new = Register { password: "x9".repeat(129), ..new("ada") };
    let error = world.accounts.register(&here(), new).await.unwrap_err();
    assert_eq!(faults(&error), [("password", Code::ValidationLengthExceeded)]);
    // Nothing of a refused registration stays.
    world.register("ada").await;
}

#[tokio::test]
async fn registrations_from_one_address_are_limited() {
    let world = World::with_rates(settings(), RateLimits::default());
    for number in 0..10 {
        world.register(&format!("name{}", char::from(b'a' + number))).await;
    }
    let error = world.accounts.register(&here(), new("other")).await.unwrap_err();
    assert_eq!(error, Error::RateLimited { retry_after: 360 });
    world.accounts.register(&client("192.0.2.2"), new("other")).await.unwrap();
}

#[tokio::test]
async fn an_imported_hash_of_bcrypt_lets_in_and_is_made_anew() {
    let world = World::new();
    let hash = bcrypt::hash(PASSWORD, 4).unwrap();
    let user = world.accounts.import(imported("olga", &hash)).await.unwrap();
    assert_eq!(world.log_in("olga", "wrong horse").await.unwrap_err(), Error::InvalidCredentials);
    let stored = world.hash_of(&user).await;
    assert_eq!(stored, hash);
    for _ in 0..2 {
        let olga = world.log_in("olga", PASSWORD).await.unwrap();
        assert_eq!((&olga.account.user_id, olga.account.is_verified), (&user, true));
        assert!(world.hash_of(&user).await.starts_with("$argon2id$v=19$m=8,t=1,p=1$"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn first_logins_at_once_of_an_imported_user_all_get_in() {
    let world = World::new();
    let hash = bcrypt::hash(PASSWORD, 4).unwrap();
    for round in 0..20 {
        let name = format!("olga{round}");
        world.accounts.import(imported(&name, &hash)).await.unwrap();
        let logins: Vec<_> = (0..4)
            .map(|_| {
                let (accounts, name) = (world.accounts.clone(), name.clone());
                tokio::spawn(async move { accounts.log_in(&here(), credentials(&name, PASSWORD)).await })
            })
            .collect();
        for login in logins {
            login.await.unwrap().unwrap();
        }
    }
}

#[tokio::test]
async fn what_bcrypt_did_not_read_of_a_password_is_not_hashed_anew() {
    let world = World::new();
    let long = format!("{PASSWORD} {}", "x".repeat(80));
    let hash = bcrypt::hash(&long, 4).unwrap();
    let user = world.accounts.import(imported("olga", &hash)).await.unwrap();
    world.log_in("olga", &format!("{long} mistyped")).await.unwrap();
    assert_eq!(world.hash_of(&user).await, hash);
    world.log_in("olga", &long).await.unwrap();
}

#[tokio::test]
async fn a_name_that_looks_like_another_one_is_taken() {
    let world = World::new();
    world.register("paypal").await;
    for name in ["paypaI", "PayPaI", "раураӏ", "paypa1"] {
        let error = world.accounts.register(&here(), Register::new(name, "p@example.org", PASSWORD)).await.unwrap_err();
        assert_eq!(error, Error::UsernameTaken, "{name}");
    }
    // A deleted account gives both of its looks back.
    let ida = Register::new("Ida", "ida@example.org", PASSWORD);
    let caller = world.caller(&world.accounts.register(&here(), ida.clone()).await.unwrap()).await;
    world.accounts.delete_account(&caller, &here(), PASSWORD).await.unwrap();
    world.accounts.register(&here(), Register::new("lda", "lda@example.org", PASSWORD)).await.unwrap();
    let error = world.accounts.register(&here(), ida).await.unwrap_err();
    assert_eq!(error, Error::UsernameTaken);
}

#[tokio::test]
async fn a_hash_of_another_cost_is_made_anew_at_the_next_login() {
    let world = World::new();
    let ada = world.register("ada").await.account.user_id;
    let first = world.hash_of(&ada).await;
    world.log_in("ada", PASSWORD).await.unwrap();
    assert_eq!(world.hash_of(&ada).await, first);
    let argon2 = Argon2Cost { memory_kib: 16, passes: 2, lanes: 1 };
    let stronger = world.restarted(AccountSettings { argon2, ..settings() });
    stronger.log_in(&here(), credentials("ada", PASSWORD)).await.unwrap();
    assert!(world.hash_of(&ada).await.starts_with("$argon2id$v=19$m=16,t=2,p=1$"));
    // Without a setting, the least cost that OWASP's Password Storage Cheat Sheet recommends.
    let plain = world.restarted(AccountSettings::default());
    plain.log_in(&here(), credentials("ada", PASSWORD)).await.unwrap();
    assert!(world.hash_of(&ada).await.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
}

#[tokio::test]
async fn a_hash_that_cannot_be_used_is_not_imported() {
    let world = World::new();
    let costly = "$argon2id$v=19$m=1048576,t=1,p=1$c29tZXNhbHQxMjM$aGFzaGhhc2hoYXNoaGFzaA";
    for hash in [
        "",
        "plain",
        "$2b$31$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy",
        "$2b$10$short",
        "$argon2id$v=19$m=8,t=1,p=1",
        costly,
    ] {
        let error = world.accounts.import(imported("olga", hash)).await.unwrap_err();
        assert_eq!(faults(&error), [("password_hash", Code::ValidationInvalidValue)], "{hash}");
    }
    let hash = bcrypt::hash(PASSWORD, 4).unwrap();
    let user_id = kit::user_id("olga@old.example");
    let import = ImportAccount { user_id: Some(user_id.clone()), ..imported("olga", &hash) };
    assert_eq!(world.accounts.import(import).await.unwrap(), user_id);
    assert_eq!(world.accounts.import(imported("olga", &hash)).await.unwrap_err(), Error::UsernameTaken);
    let olga = world.log_in("olga", PASSWORD).await.unwrap();
    let update = UpdateAccount { bio: Some(Some("From afar".into())), ..UpdateAccount::default() };
    let caller = world.caller(&olga).await;
    assert_eq!(world.accounts.update_me(&caller, update).await.unwrap().bio.as_deref(), Some("From afar"));
}
