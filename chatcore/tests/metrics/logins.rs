//! Attempts to log in, by what became of them.

use chatcore::{
    Accounts, Chat, Error, JwtIssuer, MemoryStore, RateLimits,
    accounts::{AccountSettings, Argon2Cost, Client, LogIn, Register},
};

use crate::counted::Measured;

const PASSWORD: &str = "correct horse battery staple";

#[tokio::test]
async fn attempts_to_log_in_are_counted_by_their_outcomes() {
    let measured = Measured::new();
    let argon2 = Argon2Cost { memory_kib: 8, passes: 1, lanes: 1 };
    let settings = AccountSettings { argon2, ..AccountSettings::default() };
    let accounts = measured.make(|| {
        let chat = Chat::builder(MemoryStore::new()).rates(RateLimits::off()).build();
        Accounts::builder(chat, JwtIssuer::hs256(&[7; 32]).unwrap()).settings(settings).build().unwrap()
    });
    let client = Client { address: Some("192.0.2.1".parse().unwrap()), device: None };
    accounts.register(&client, Register::new("ada", "ada@example.org", PASSWORD)).await.unwrap();
    let log_in = async |password: &str| {
        let attempt = LogIn { username_or_email: "ada".to_owned(), password: password.to_owned() };
        accounts.log_in(&client, attempt).await.map(drop)
    };
    let counted = || {
        let series = |outcome| measured.value(&format!("chatcore_logins_total{{outcome=\"{outcome}\"}}"));
        ["ok", "failed", "refused"].map(series)
    };
    assert_eq!(counted(), [0.0; 3]);
    for _ in 0..2 {
        log_in(PASSWORD).await.unwrap();
    }
    for _ in 0..5 {
        assert_eq!(log_in("wrong password").await, Err(Error::InvalidCredentials));
    }
    assert_eq!(counted(), [2.0, 5.0, 0.0]);
    for _ in 0..3 {
        assert!(matches!(log_in(PASSWORD).await, Err(Error::RateLimited { .. })));
    }
    assert_eq!(counted(), [2.0, 5.0, 3.0]);
}
