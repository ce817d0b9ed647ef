use super::*;

#[tokio::test]
async fn five_wrong_passwords_and_the_next_attempt_waits_also_with_the_right_one() {
    let world = World::new();
    world.register("ada").await;
    for name in ["ada", "ADA", " ada ", "ada", "Ada"] {
        assert_eq!(world.log_in(name, "wrong password").await.unwrap_err(), Error::InvalidCredentials);
    }
    let error = world.log_in("ada", PASSWORD).await.unwrap_err();
    assert_eq!((&error, error.code().status()), (&Error::RateLimited { retry_after: 180 }, 429));
    // The owner elsewhere is not locked out.
    world.accounts.log_in(&client("198.51.100.7"), credentials("ada", PASSWORD)).await.unwrap();
    // Other accounts can be logged in to from here.
    world.register("eve").await;
    world.log_in("eve", PASSWORD).await.unwrap();
    world.later(180);
    world.log_in("ada", PASSWORD).await.unwrap();
}

#[tokio::test]
async fn no_sequence_of_names_and_addresses_tells_whether_there_is_an_account() {
    let world = World::new();
    let (store, accounts) = world.breakable(settings());
    world.register("known").await;
    let attempts = async |name: &str| {
        let mut answers = Vec::new();
        for attempt in 0..14 {
            let text = if attempt % 2 == 0 { name.to_owned() } else { format!("{name}@example.org") };
            let before = store.reads.load(std::sync::atomic::Ordering::SeqCst);
            let error = accounts.log_in(&here(), credentials(&text, "wrong password")).await.unwrap_err();
            let reads = store.reads.load(std::sync::atomic::Ordering::SeqCst) - before;
            answers.push((error.to_string(), error.details(), reads));
        }
        answers
    };
    let (known, unknown) = (attempts("known").await, attempts("other").await);
    assert_eq!(known, unknown);
    assert!(known.iter().any(|(_, details, _)| details["retry_after"] == 180), "{known:?}");
}

#[tokio::test]
async fn unknown_users_are_limited_as_known_ones_are() {
    let world = World::new();
    for _ in 0..5 {
        assert_eq!(world.log_in("nobody.here", "wrong password").await.unwrap_err(), Error::InvalidCredentials);
    }
    let error = world.log_in("NoBody.Here", "wrong password").await.unwrap_err();
    assert_eq!(error, Error::RateLimited { retry_after: 180 });
}

#[tokio::test]
async fn right_passwords_use_nothing_up() {
    let world = World::new();
    world.register("ada").await;
    for _ in 0..20 {
        world.log_in("ada", PASSWORD).await.unwrap();
    }
    for _ in 0..4 {
        world.log_in("ada", "wrong password").await.unwrap_err();
        world.log_in("ada", PASSWORD).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_storm_of_attempts_at_once_gets_five_guesses() {
    let world = World::new();
    world.register("ada").await;
    let attempt = |_| {
        let accounts = world.accounts.clone();
        tokio::spawn(async move { accounts.log_in(&client("203.0.113.5"), credentials("ada", "wrong password")).await })
    };
    let tasks: Vec<_> = (0..200).map(attempt).collect();
    let mut guesses = 0;
    for task in tasks {
        match task.await.unwrap().unwrap_err() {
            Error::InvalidCredentials => guesses += 1,
            error => assert!(matches!(error, Error::RateLimited { .. }), "{error:?}"),
        }
    }
    assert_eq!(guesses, 5);
    // The owner is served meanwhile.
    world.log_in("ada", PASSWORD).await.unwrap();
}

#[tokio::test]
async fn one_address_cannot_try_many_accounts() {
    let world = World::new();
    for number in 0..50 {
        let name = format!("unknown{number}");
        assert_eq!(world.log_in(&name, "wrong password").await.unwrap_err(), Error::InvalidCredentials);
    }
    let error = world.log_in("another", "wrong password").await.unwrap_err();
    assert_eq!(error, Error::RateLimited { retry_after: 18 });
}

#[tokio::test]
async fn a_network_of_ipv6_is_one_address() {
    let world = World::new();
    world.register("ada").await;
    for host in 1..=5 {
        let there = client(&format!("2001:db8:0:1::{host}"));
        let error = world.accounts.log_in(&there, credentials("ada", "wrong password")).await.unwrap_err();
        assert_eq!(error, Error::InvalidCredentials);
    }
    let attempt = |address: &str| {
        let there = client(address);
        let accounts = world.accounts.clone();
        async move { accounts.log_in(&there, credentials("ada", PASSWORD)).await }
    };
    assert!(matches!(attempt("2001:db8:0:1:ffff::9").await.unwrap_err(), Error::RateLimited { .. }));
    attempt("2001:db8:0:2::1").await.unwrap();
}

#[tokio::test]
async fn a_stolen_token_does_not_help_to_guess_the_password() {
    let world = World::new();
    let caller = world.caller(&world.register("ada").await).await;
    for _ in 0..3 {
        let error = world.accounts.change_password(&caller, &here(), "wrong one", "another strong pass-phrase").await;
        assert_eq!(error.unwrap_err(), Error::InvalidCredentials);
    }
    for _ in 0..2 {
        let error = world.accounts.change_email(&caller, &here(), "wrong one", "new@example.org").await.unwrap_err();
        assert_eq!(error, Error::InvalidCredentials);
    }
    let error = world.accounts.delete_account(&caller, &here(), PASSWORD).await.unwrap_err();
    assert_eq!(error, Error::RateLimited { retry_after: 180 });
}
