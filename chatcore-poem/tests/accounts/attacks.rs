//! Attacks on accounts, which every frontend runs through its own [`Face`].

use std::time::Duration;

use chatcore::accounts::{AccountRecords, AccountSettings, Argon2Cost, Client, ImportAccount, LogIn, MailKind};
use chatcore::{chat::BanAccount, model::UserId, store::ChatStoreExt as _};
use serde_json::{Value, json};

use super::{
    cases::{Face, PASSWORD, World, log_in, register, text},
    yielding::Fault,
};

/// Hashes of bcrypt of [`PASSWORD`] with cost 4, and of another password with cost 12, which takes a processor for a while.
const BCRYPT: &str = "$2b$04$abcdefghijklmnopqrstuu7EJV7kdjBBQxyb0HjTh9KS7.Lah/6CG";
const SLOW_BCRYPT: &str = "$2b$12$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy";

const NEW_PASSWORD: &str = "purple elephants dance at midnight";

/// Runs the table.
pub(crate) async fn all(face: &impl Face, world: &World) {
    refused_logins(face, world).await;
    racing(face).await;
    confused_tokens(face).await;
    confused_codes(face, world).await;
    imported(face, world).await;
    new_passwords(face, world).await;
    cut_passwords(face).await;
    checks_of_the_password(face).await;
    fields_that_raise(face).await;
    causes(face, world).await;
    stolen_records(face, world).await;
}

/// A thief of all records can neither log in nor refresh with them.
async fn stolen_records(face: &impl Face, world: &World) {
    let user = register(face, "stolen").await;
    let verification = world.code_for(MailKind::Verification, "stolen@example.org").await;
    face.call("requestPasswordReset", None, json!({ "email": "stolen@example.org" })).await.ok();
    let reset = world.code_for(MailKind::PasswordReset, "stolen@example.org").await;
    let tokens = face.call("refresh", None, json!({ "refresh_token": user["refresh_token"] })).await.ok();
    let secrets = [&user["refresh_token"], &user["access_token"], &tokens["refresh_token"], &tokens["access_token"]];
    let secrets = secrets.map(|token| token.as_str().unwrap().to_owned());
    for secret in secrets.iter().chain([&verification, &reset]).map(String::as_str).chain([PASSWORD]) {
        assert!(!world.store.holds(secret), "a record holds {secret}");
    }
    assert!(world.store.holds("stolen@example.org") && world.store.holds("$argon2id$"));
    // 128 random bits are 22 characters of Base64.
    for secret in [&secrets[0], &secrets[2], &verification, &reset] {
        assert!(secret.len() >= 22, "{secret}");
    }
}

/// Whatever is wrong with a login, its answer is the same to the byte.
async fn refused_logins(face: &impl Face, world: &World) {
    for name in ["present", "barred", "gone"] {
        let user = register(face, name).await;
        let token = text(&user, "access_token");
        match name {
            "gone" => drop(face.call("deleteAccount", Some(&token), json!({ "password": PASSWORD })).await.ok()),
            "barred" => {
                let id = UserId::new(text(&user["user"], "id")).unwrap();
                let ban = BanAccount { reason: "Spam".to_owned(), by: id.clone(), until: None };
                world.chat.ban_account(&id, ban).await.unwrap();
            }
            _ => {}
        }
    }
    world.accounts.import(import("imported", BCRYPT)).await.unwrap();
    let first = log_in(face, "present", "wrong").await;
    for (name, password) in [
        ("PRESENT", "wrong"),
        ("present@example.org", "wrong"),
        ("present", ""),
        ("nobody", PASSWORD),
        ("nobody@example.org", PASSWORD),
        ("", PASSWORD),
        (&"x".repeat(8_000), PASSWORD),
        ("gone", PASSWORD),
        ("gone@example.org", PASSWORD),
        ("barred", "wrong"),
        ("barred@example.org", "wrong"),
        ("imported", "wrong"),
    ] {
        assert_eq!(log_in(face, name, password).await, first, "{name:.20}");
    }
    assert!(!first.told.is_empty());
    first.refused("AUTH_INVALID_CREDENTIALS");
    // A ban is told to the user whose password it is.
    let banned = log_in(face, "barred", PASSWORD).await.refused("ACCOUNT_BANNED");
    assert_eq!(banned["details"]["reason"], "Spam", "{banned}");
    log_in(face, "present", PASSWORD).await.ok();
}

/// Of two refreshes at once exactly one succeeds, and nothing else happens.
async fn racing(face: &impl Face) {
    let mut tokens = register(face, "racer").await;
    for round in 0..20 {
        let used = json!({ "refresh_token": tokens["refresh_token"] });
        let (one, other) =
            tokio::join!(face.call("refresh", None, used.clone()), face.call("refresh", None, used.clone()));
        let (won, lost) = if one.code.is_none() { (one, other) } else { (other, one) };
        lost.refused("AUTH_REFRESH_TOKEN_INVALID");
        tokens = won.ok();
        face.call("getMe", Some(&text(&tokens, "access_token")), json!({})).await.ok();
        assert_ne!(tokens["refresh_token"], used["refresh_token"], "round {round}");
    }
}

/// A refresh token is no access token, and an access token is no refresh token.
async fn confused_tokens(face: &impl Face) {
    let user = register(face, "confused").await;
    let (access, refresh) = (text(&user, "access_token"), text(&user, "refresh_token"));
    for operation in ["getMe", "listSessions"] {
        face.call(operation, Some(&refresh), json!({})).await.refused("AUTH_TOKEN_INVALID");
    }
    let as_refresh = face.call("refresh", None, json!({ "refresh_token": access })).await;
    as_refresh.refused("AUTH_REFRESH_TOKEN_INVALID");
    face.call("refresh", None, json!({ "refresh_token": refresh })).await.ok();
}

/// A code of one mail serves its own purpose only.
async fn confused_codes(face: &impl Face, world: &World) {
    let user = register(face, "mailed").await;
    let verification = world.code_for(MailKind::Verification, "mailed@example.org").await;
    let reset = |code: &str| json!({ "code": code, "new_password": NEW_PASSWORD });
    face.call("resetPassword", None, reset(&verification)).await.refused("AUTH_CODE_INVALID");
    face.call("requestPasswordReset", None, json!({ "email": "mailed@example.org" })).await.ok();
    let code = world.code_for(MailKind::PasswordReset, "mailed@example.org").await;
    face.call("verifyEmail", None, json!({ "code": code })).await.refused("AUTH_CODE_INVALID");
    // A new address takes both codes back.
    let change = json!({ "password": PASSWORD, "email": "elsewhere@example.org" });
    face.call("changeEmail", Some(&text(&user, "access_token")), change).await.ok();
    face.call("verifyEmail", None, json!({ "code": verification })).await.refused("AUTH_CODE_INVALID");
    face.call("resetPassword", None, reset(&code)).await.refused("AUTH_CODE_INVALID");
}

/// An account with a hash of bcrypt.
fn import(name: &str, hash: &str) -> ImportAccount {
    ImportAccount {
        user_id: None,
        username: name.to_owned(),
        email: format!("{name}@example.org"),
        password_hash: hash.to_owned(),
        display_name: None,
        is_verified: true,
        created_at: None,
    }
}

/// An imported hash lets in, and the login replaces the hash.
async fn imported(face: &impl Face, world: &World) {
    let user = world.accounts.import(import("olga", BCRYPT)).await.unwrap();
    log_in(face, "olga", "wrong").await.refused("AUTH_INVALID_CREDENTIALS");
    assert_eq!(hash_of(world, &user).await, BCRYPT);
    for _ in 0..2 {
        assert_eq!(log_in(face, "olga", PASSWORD).await.ok()["user"]["id"], user.as_str());
        assert!(hash_of(world, &user).await.starts_with("$argon2id$v=19$"));
    }
}

async fn hash_of(world: &World, user: &UserId) -> String {
    let found = world.store.get(&AccountRecords { user: user.clone() }).await.unwrap();
    found.unwrap().value.password.clone()
}

/// Each operation that takes a new password refuses the same ones.
async fn new_passwords(face: &impl Face, world: &World) {
    let token = text(&register(face, "chooser").await, "access_token");
    face.call("requestPasswordReset", None, json!({ "email": "chooser@example.org" })).await.ok();
    let code = world.code_for(MailKind::PasswordReset, "chooser@example.org").await;
    // 256 characters.
    let digits = (1_000..).map(|number: u64| (number * number).to_string()).take(64).collect::<String>();
    let longest: String = format!("{NEW_PASSWORD} {digits}").chars().take(256).collect();
    for (password, fault) in [
        ("", "PASSWORD_TOO_WEAK"),
        ("aB3$xY9", "PASSWORD_TOO_WEAK"),
        ("password1", "PASSWORD_TOO_WEAK"),
        ("Password1", "PASSWORD_TOO_WEAK"),
        (&format!("{longest}x"), "VALIDATION_LENGTH_EXCEEDED"),
        (&"ü".repeat(257), "VALIDATION_LENGTH_EXCEEDED"),
    ] {
        let new = json!({ "username": "chosen", "email": "chosen@example.org", "password": password });
        let change = json!({ "old_password": PASSWORD, "new_password": password });
        let reset = json!({ "code": code, "new_password": password });
        for (operation, token, input) in
            [("register", None, new), ("changePassword", Some(&token), change), ("resetPassword", None, reset)]
        {
            let answer = face.call(operation, token.map(String::as_str), input).await;
            let field = &answer.body["details"]["fields"][0];
            assert_eq!(field["code"], fault, "{operation} {password:.20}: {}", answer.body);
        }
    }
    // Nothing was changed, and the code is not used up.
    log_in(face, "chooser", PASSWORD).await.ok();
    face.call("resetPassword", None, json!({ "code": code, "new_password": longest })).await.ok();
    log_in(face, "chooser", &longest).await.ok();
}

/// A password counts to its last character.
async fn cut_passwords(face: &impl Face) {
    let long = format!("{PASSWORD} {}", "ö".repeat(120));
    let new = json!({ "username": "longest", "email": "longest@example.org", "password": long });
    face.call("register", None, new).await.ok();
    for wrong in [&long[..long.len() - 2], &format!("{long}ö"), PASSWORD] {
        log_in(face, "longest", wrong).await.refused("AUTH_INVALID_CREDENTIALS");
    }
    log_in(face, "longest", &long).await.ok();
}

/// Who has a token only guesses no faster than others.
async fn checks_of_the_password(face: &impl Face) {
    let change = |password: &str| json!({ "old_password": password, "new_password": NEW_PASSWORD });
    let email = |password: &str| json!({ "password": password, "email": "thief@example.org" });
    let delete = |password: &str| json!({ "password": password });
    type Input<'a> = &'a dyn Fn(&str) -> Value;
    let ways: [(&str, Input<'_>); 3] =
        [("changePassword", &change), ("changeEmail", &email), ("deleteAccount", &delete)];
    for (operation, input) in ways {
        let name = format!("robbed-{}", operation.to_lowercase());
        let token = text(&register(face, &name).await, "access_token");
        for _ in 0..5 {
            face.call(operation, Some(&token), input("wrong")).await.refused("AUTH_INVALID_CREDENTIALS");
        }
        let limited = face.call(operation, Some(&token), input(PASSWORD)).await;
        assert!(limited.retry_after.is_some_and(|seconds| (1..=180).contains(&seconds)), "{limited:?}");
        limited.refused("RATE_LIMIT_EXCEEDED");
        face.call("getMe", Some(&token), json!({})).await.ok();
    }
}

/// An attack on an account from one address locks the owner out nowhere else.
pub(crate) async fn elsewhere(attacker: &impl Face, owner: &impl Face) {
    let token = text(&register(attacker, "attacked").await, "access_token");
    for _ in 0..5 {
        log_in(attacker, "attacked", "wrong").await.refused("AUTH_INVALID_CREDENTIALS");
    }
    // A thief of a token guesses by other operations, too.
    let delete = |password: &str| json!({ "password": password });
    for _ in 0..5 {
        let guess = attacker.call("deleteAccount", Some(&token), delete("wrong")).await;
        guess.refused("AUTH_INVALID_CREDENTIALS");
    }
    log_in(attacker, "attacked", PASSWORD).await.refused("RATE_LIMIT_EXCEEDED");
    attacker.call("deleteAccount", Some(&token), delete(PASSWORD)).await.refused("RATE_LIMIT_EXCEEDED");
    let own = text(&log_in(owner, "attacked", PASSWORD).await.ok(), "access_token");
    let change = json!({ "old_password": PASSWORD, "new_password": NEW_PASSWORD });
    owner.call("changePassword", Some(&own), change).await.ok();
    owner.call("deleteAccount", Some(&own), delete(NEW_PASSWORD)).await.ok();
}

/// No field of a body makes its sender anything.
async fn fields_that_raise(face: &impl Face) {
    let raising = [
        ("role", json!("ADMIN")),
        ("system_role", json!("ADMIN")),
        ("user_id", json!("root")),
        ("is_verified", json!(true)),
        ("is_admin", json!(true)),
    ];
    let climber = register(face, "climber").await;
    let token = text(&climber, "access_token");
    for (field, value) in raising {
        let new = json!({ "username": "raised", "email": "raised@example.org", "password": PASSWORD });
        let log_in = json!({ "username": "climber", "password": PASSWORD });
        for (operation, token, mut input) in
            [("register", None, new), ("logIn", None, log_in), ("updateMe", Some(&token), json!({ "bio": "x" }))]
        {
            input[field] = value.clone();
            let answer = face.call(operation, token.map(String::as_str), input).await;
            let code = answer.code.as_deref().unwrap_or_default();
            assert!(code.starts_with("VALIDATION_"), "{operation} {field}: {answer:?}");
        }
    }
    assert_eq!(face.call("getMe", Some(&token), json!({})).await.ok(), climber["user"]);
}

/// No answer tells the cause of a failure. The face looks for it in each answer.
async fn causes(face: &impl Face, world: &World) {
    let user = register(face, "unlucky").await;
    let token = text(&user, "access_token");
    let new = json!({ "username": "late", "email": "late@example.org", "password": PASSWORD });
    let change = json!({ "old_password": PASSWORD, "new_password": NEW_PASSWORD });
    for fault in Fault::ALL {
        for (operation, token, input) in [
            ("getMe", Some(&token), json!({})),
            ("listSessions", Some(&token), json!({})),
            ("listLogins", Some(&token), json!({})),
            ("getUser", Some(&token), json!({ "user_id": "somebody" })),
            ("searchUsers", Some(&token), json!({ "q": "a" })),
            ("updateMe", Some(&token), json!({ "bio": "x" })),
            ("changePassword", Some(&token), change.clone()),
            ("logOut", Some(&token), json!({})),
            ("register", None, new.clone()),
            ("logIn", None, json!({ "username": "unlucky", "password": PASSWORD })),
            ("refresh", None, json!({ "refresh_token": user["refresh_token"] })),
            ("verifyEmail", None, json!({ "code": "x" })),
            ("resetPassword", None, json!({ "code": "x", "new_password": NEW_PASSWORD })),
        ] {
            // Nothing is known from before.
            world.later(1);
            world.store.fail(Some(fault));
            let answer = face.call(operation, token.map(String::as_str), input).await;
            world.store.fail(None);
            let code = answer.code.as_deref().unwrap_or_default();
            assert!(["INTERNAL_ERROR", "SERVICE_UNAVAILABLE"].contains(&code), "{operation} {fault:?}: {answer:?}");
        }
    }
    face.call("getMe", Some(&token), json!({})).await.ok();
}

/// Settings under which one hash is computed at once, and nobody waits.
pub(crate) fn one_hash_at_once() -> AccountSettings {
    AccountSettings {
        argon2: Argon2Cost { memory_kib: 8, passes: 1, lanes: 1 },
        hashes: 1,
        hash_wait: Duration::ZERO,
        ..AccountSettings::default()
    }
}

/// The login of a user who is not known takes the turn of a hash, as the login of a known user does: while another login has the only
/// turn, both are refused as too much work. That they are answered at all meanwhile shows that hashing blocks no async thread.
pub(crate) async fn turns(face: &impl Face, world: &World) {
    world.accounts.import(import("slow", SLOW_BCRYPT)).await.unwrap();
    register(face, "known").await;
    let mut open = vec!["known", "unknown", "unknown@example.org"];
    // A hash that ends too early is computed again.
    for attempt in 0..5_u8 {
        let accounts = world.accounts.clone();
        let client = Client { address: Some([198, 51, 100, attempt].into()), device: None };
        let slow = LogIn { username_or_email: "slow".to_owned(), password: "wrong".to_owned() };
        let holder = tokio::spawn(async move { accounts.log_in(&client, slow).await });
        // Until the login has come to its hash.
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        while !holder.is_finished() {
            // An answer that waits for nothing leaves no turn to the holder.
            tokio::task::yield_now().await;
            let Some(name) = open.last().copied() else { break };
            let answer = log_in(face, name, "wrong").await;
            if answer.code.as_deref() == Some("SERVICE_UNAVAILABLE") {
                open.pop();
            }
        }
        assert!(holder.await.unwrap().is_err());
    }
    assert!(open.is_empty(), "logins that computed no hash: {open:?}");
}
