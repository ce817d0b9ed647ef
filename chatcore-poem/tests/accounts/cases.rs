//! What every frontend answers about accounts: one table of cases, which each frontend runs through its own [`Face`].

use std::{sync::Arc, time::Duration};

use chatcore::{
    Accounts, Authenticator as _, Chat, JwtAuthenticator, JwtIssuer, RateLimits, TestClock,
    accounts::{AccountSettings, AccountsBuilder, Argon2Cost, Mail, MailError, MailKind, Mailer},
    async_trait,
    chat::{BanAccount, CreateSession},
};
use chrono::TimeDelta;
use serde_json::{Value, json};
use tokio::{
    sync::{Mutex, mpsc},
    time::timeout,
};

use super::yielding::Yielding;

const SECRET: &[u8] = b"a secret that is only for the tests of accounts";
pub(crate) const PASSWORD: &str = "correct horse battery staple";

/// What a frontend answered.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Answer {
    /// The code of the error, or nothing.
    pub(crate) code: Option<String>,
    /// The data, with names in snake case, or the error without what differs from request to request.
    pub(crate) body: Value,
    pub(crate) retry_after: Option<u64>,
    /// Each byte of an error that a client gets, with the status and the headers where there are any, without what differs from request to
    /// request.
    pub(crate) told: String,
}

/// A frontend.
pub(crate) trait Face {
    /// Calls an operation with the fields of its input, ids and parameters among them.
    async fn call(&self, operation: &str, token: Option<&str>, input: Value) -> Answer;
}

/// Keeps mails for the test.
struct Inbox(mpsc::UnboundedSender<Mail>);

#[async_trait]
impl Mailer for Inbox {
    async fn send(&self, mail: Mail) -> Result<(), MailError> {
        let _ = self.0.send(mail);
        Ok(())
    }
}

/// What a frontend is made of.
pub(crate) struct World {
    pub(crate) clock: TestClock,
    pub(crate) store: Arc<Yielding>,
    pub(crate) chat: Chat,
    pub(crate) accounts: Accounts,
    mails: Mutex<mpsc::UnboundedReceiver<Mail>>,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(|builder| builder)
    }

    pub(crate) fn with(adjust: impl FnOnce(AccountsBuilder) -> AccountsBuilder) -> Self {
        Self::with_rates(RateLimits { registrations: None, ..RateLimits::default() }, adjust)
    }

    pub(crate) fn with_rates(rates: RateLimits, adjust: impl FnOnce(AccountsBuilder) -> AccountsBuilder) -> Self {
        let clock = TestClock::default();
        let store = Arc::new(Yielding::default());
        let chat = Chat::builder(Arc::clone(&store)).clock(clock.clone()).rates(rates).build();
        let (sender, mails) = mpsc::unbounded_channel();
        // Hashes cost next to nothing.
        let settings =
            AccountSettings { argon2: Argon2Cost { memory_kib: 8, passes: 1, lanes: 1 }, ..AccountSettings::default() };
        let issuer = JwtIssuer::hs256(SECRET).unwrap();
        let builder = Accounts::builder(chat.clone(), issuer).settings(settings).mailer(Inbox(sender));
        let accounts = adjust(builder).build().unwrap();
        Self { clock, store, chat, accounts, mails: Mutex::new(mails) }
    }

    pub(crate) fn authenticator(&self) -> JwtAuthenticator {
        JwtAuthenticator::hs256(SECRET).unwrap().clock(self.clock.clone())
    }

    /// The next mail. One that does not come fails the test.
    async fn mail(&self) -> Mail {
        let mut mails = self.mails.lock().await;
        timeout(Duration::from_secs(30), mails.recv()).await.unwrap().unwrap()
    }

    pub(crate) async fn code(&self) -> String {
        self.mail().await.code
    }

    /// The code of the next mail of a kind to an address.
    pub(crate) async fn code_for(&self, kind: MailKind, address: &str) -> String {
        loop {
            let mail = self.mail().await;
            if (mail.kind, mail.to.as_str()) == (kind, address) {
                return mail.code;
            }
        }
    }

    pub(crate) fn later(&self, seconds: i64) {
        self.clock.advance(TimeDelta::seconds(seconds));
    }
}

impl Answer {
    #[track_caller]
    pub(crate) fn ok(self) -> Value {
        assert_eq!(self.code, None, "{}", self.body);
        self.body
    }

    #[track_caller]
    pub(crate) fn refused(self, code: &str) -> Value {
        assert_eq!(self.code.as_deref(), Some(code), "{}", self.body);
        self.body
    }
}

pub(crate) fn text(value: &Value, field: &str) -> String {
    value[field].as_str().unwrap_or_else(|| panic!("no {field} in {value}")).to_owned()
}

pub(crate) async fn register(face: &impl Face, name: &str) -> Value {
    let new = json!({ "username": name, "email": format!("{name}@example.org"), "password": PASSWORD });
    face.call("register", None, new).await.ok()
}

pub(crate) async fn log_in(face: &impl Face, name: &str, password: &str) -> Answer {
    face.call("logIn", None, json!({ "username": name, "password": password })).await
}

/// Runs the table.
pub(crate) async fn all(face: &impl Face, world: &World) {
    registering(face, world).await;
    logging_in(face).await;
    refreshing(face, world).await;
    logging_out(face).await;
    logins(face).await;
    passwords_and_addresses(face, world).await;
    users(face).await;
    guessing(face).await;
    inputs(face).await;
    tokens_needed(face).await;
    deleting(face).await;
}

async fn registering(face: &impl Face, world: &World) {
    let new = json!({
        "username": "Ada", "email": "ada@example.org", "password": PASSWORD, "display_name": "Ada L.", "device": "phone",
    });
    let ada = face.call("register", None, new.clone()).await.ok();
    let user = &ada["user"];
    let shown = json!([user["username"], user["email"], user["display_name"], user["is_verified"], ada["token_type"]]);
    assert_eq!(shown, json!(["Ada", "ada@example.org", "Ada L.", false, "Bearer"]));
    assert_eq!(ada["expires_in"], 1_800);
    let me = face.call("getMe", Some(&text(&ada, "access_token")), json!({})).await.ok();
    assert_eq!(&me, user);
    face.call("register", None, new.clone()).await.refused("USERNAME_TAKEN");
    let mut other = new.clone();
    other["username"] = "lovelace".into();
    face.call("register", None, other.clone()).await.refused("EMAIL_TAKEN");
    (other["email"], other["password"]) = ("lovelace@example.org".into(), "password1".into());
    let weak = face.call("register", None, other).await;
    assert_eq!(weak.body["details"]["fields"][0]["field"], "password", "{}", weak.body);
    assert_eq!(weak.body["details"]["fields"][0]["code"], "PASSWORD_TOO_WEAK");
    assert!(weak.body["details"]["fields"][0]["message"].as_str().unwrap().contains("too easy to guess"));
    face.call("verifyEmail", None, json!({ "code": "wrong" })).await.refused("AUTH_CODE_INVALID");
    face.call("verifyEmail", None, json!({ "code": world.code().await })).await.ok();
    let me = face.call("getMe", Some(&text(&ada, "access_token")), json!({})).await.ok();
    assert_eq!(me["is_verified"], true);
}

async fn logging_in(face: &impl Face) {
    for name in ["ada", "ADA@example.org"] {
        assert_eq!(log_in(face, name, PASSWORD).await.ok()["user"]["username"], "Ada");
    }
    let wrong = log_in(face, "ada", "wrong").await;
    assert_eq!(wrong, log_in(face, "nobody", "wrong").await);
    wrong.refused("AUTH_INVALID_CREDENTIALS");
}

async fn refreshing(face: &impl Face, world: &World) {
    let eve = register(face, "eve").await;
    world.code().await;
    let first = json!({ "refresh_token": eve["refresh_token"] });
    let tokens = face.call("refresh", None, first.clone()).await.ok();
    assert_ne!(tokens["refresh_token"], eve["refresh_token"]);
    let (old, new) = (text(&eve, "access_token"), text(&tokens, "access_token"));
    // Two tabs of a browser.
    face.call("refresh", None, first.clone()).await.refused("AUTH_REFRESH_TOKEN_INVALID");
    face.call("getMe", Some(&new), json!({})).await.ok();
    world.later(11);
    face.call("refresh", None, first).await.refused("AUTH_REFRESH_TOKEN_INVALID");
    for token in [&old, &new] {
        face.call("getMe", Some(token), json!({})).await.refused("AUTH_TOKEN_INVALID");
        face.call("listSessions", Some(token), json!({})).await.refused("AUTH_TOKEN_INVALID");
    }
    let second = json!({ "refresh_token": tokens["refresh_token"] });
    face.call("refresh", None, second).await.refused("AUTH_REFRESH_TOKEN_INVALID");
    face.call("refresh", None, json!({ "refresh_token": "x" })).await.refused("AUTH_REFRESH_TOKEN_INVALID");
}

async fn logging_out(face: &impl Face) {
    let (one, other) = (log_in(face, "ada", PASSWORD).await.ok(), log_in(face, "ada", PASSWORD).await.ok());
    let (token, kept) = (text(&one, "access_token"), text(&other, "access_token"));
    let said = face.call("logOut", Some(&token), json!({})).await.ok();
    assert_eq!(said["message"], "Logged out successfully");
    face.call("listSessions", Some(&token), json!({})).await.refused("AUTH_TOKEN_INVALID");
    face.call("logOut", Some(&token), json!({})).await.refused("AUTH_TOKEN_INVALID");
    let refresh = json!({ "refresh_token": one["refresh_token"] });
    face.call("refresh", None, refresh).await.refused("AUTH_REFRESH_TOKEN_INVALID");
    face.call("listSessions", Some(&kept), json!({})).await.ok();
    face.call("logOutEverywhere", Some(&kept), json!({})).await.ok();
    face.call("getMe", Some(&kept), json!({})).await.refused("AUTH_TOKEN_INVALID");
}

async fn logins(face: &impl Face) {
    let body = json!({ "username": "ada", "password": PASSWORD, "device": "a\u{7}phone" });
    let phone = face.call("logIn", None, body).await.ok();
    let laptop = text(&log_in(face, "ada", PASSWORD).await.ok(), "access_token");
    let list = face.call("listLogins", Some(&laptop), json!({})).await.ok();
    let list = list.as_array().unwrap();
    let ids: Vec<_> = list.iter().map(|login| login["is_current"].as_bool().unwrap()).collect();
    assert_eq!(ids, [true, false]);
    assert_eq!((&list[1]["id"], &list[1]["device"]), (&phone["login_id"], &json!("aphone")));
    let id = json!({ "login_id": phone["login_id"] });
    let stranger = text(&register(face, "mallory").await, "access_token");
    face.call("endLogin", Some(&stranger), id.clone()).await.refused("LOGIN_NOT_FOUND");
    face.call("getMe", Some(&text(&phone, "access_token")), json!({})).await.ok();
    face.call("endLogin", Some(&laptop), id.clone()).await.ok();
    face.call("getMe", Some(&text(&phone, "access_token")), json!({})).await.refused("AUTH_TOKEN_INVALID");
    face.call("endLogin", Some(&laptop), id).await.refused("LOGIN_NOT_FOUND");
    face.call("endLogin", Some(&laptop), json!({ "login_id": "x" })).await.refused("VALIDATION_INVALID_FORMAT");
}

async fn passwords_and_addresses(face: &impl Face, world: &World) {
    world.code().await;
    let bob = register(face, "bob").await;
    world.code().await;
    let token = text(&bob, "access_token");
    let other = text(&log_in(face, "bob", PASSWORD).await.ok(), "access_token");
    let change = |old: &str, new: &str| json!({ "old_password": old, "new_password": new });
    let (better, best) = ("purple elephants dance at midnight", "seven quiet lighthouses of the north");
    let wrong = face.call("changePassword", Some(&token), change("wrong", better)).await;
    wrong.refused("AUTH_INVALID_CREDENTIALS");
    face.call("changePassword", Some(&token), change(PASSWORD, better)).await.ok();
    face.call("getMe", Some(&other), json!({})).await.refused("AUTH_TOKEN_INVALID");
    let email = |email: &str| json!({ "password": better, "email": email });
    face.call("changeEmail", Some(&token), email("ada@example.org")).await.refused("EMAIL_TAKEN");
    let account = face.call("changeEmail", Some(&token), email("robert@example.org")).await.ok();
    assert_eq!((&account["email"], &account["is_verified"]), (&json!("robert@example.org"), &json!(false)));
    world.code().await;
    face.call("requestVerification", Some(&token), json!({})).await.ok();
    world.code().await;
    let ask = |email: &str| json!({ "email": email });
    let nobody = face.call("requestPasswordReset", None, ask("nobody@example.org")).await;
    assert_eq!(face.call("requestPasswordReset", None, ask("robert@example.org")).await, nobody);
    let code = world.code().await;
    let reset = |code: &str, password: &str| json!({ "code": code, "new_password": password });
    face.call("resetPassword", None, reset("x", best)).await.refused("AUTH_CODE_INVALID");
    let weak = face.call("resetPassword", None, reset(&code, "password1")).await;
    assert_eq!(weak.body["details"]["fields"][0]["code"], "PASSWORD_TOO_WEAK", "{}", weak.body);
    face.call("resetPassword", None, reset(&code, best)).await.ok();
    face.call("resetPassword", None, reset(&code, best)).await.refused("AUTH_CODE_INVALID");
    face.call("getMe", Some(&token), json!({})).await.refused("AUTH_TOKEN_INVALID");
    log_in(face, "bob", best).await.ok();
}

async fn users(face: &impl Face) {
    let ada = log_in(face, "ada", PASSWORD).await.ok();
    let token = text(&ada, "access_token");
    let update = json!({ "bio": "numbers", "avatar_url": "https://example.org/ada.png" });
    let me = face.call("updateMe", Some(&token), update).await.ok();
    assert_eq!((&me["bio"], &me["display_name"]), (&json!("numbers"), &json!("Ada L.")));
    let me = face.call("updateMe", Some(&token), json!({ "bio": null })).await.ok();
    assert_eq!((&me["bio"], &me["avatar_url"]), (&Value::Null, &json!("https://example.org/ada.png")));
    let bad = face.call("updateMe", Some(&token), json!({ "display_name": " ", "avatar_url": "javascript:1" })).await;
    assert_eq!(bad.body["details"]["fields"].as_array().unwrap().len(), 2, "{}", bad.body);
    for name in ["amber", "amelie", "amos"] {
        register(face, name).await;
    }
    let stranger = text(&log_in(face, "mallory", PASSWORD).await.ok(), "access_token");
    let shown = face.call("getUser", Some(&stranger), json!({ "user_id": ada["user"]["id"] })).await.ok();
    assert_eq!(shown["username"], "Ada");
    assert!(shown.get("email").is_none());
    face.call("getUser", Some(&stranger), json!({ "user_id": "nobody" })).await.refused("USER_NOT_FOUND");
    let names = |page: &Value| page.as_array().unwrap().iter().map(|user| text(user, "username")).collect::<Vec<_>>();
    let page = face.call("searchUsers", Some(&token), json!({ "q": "AM", "limit": 2 })).await.ok();
    assert_eq!(names(&page), ["amber", "amelie"]);
    let page = face.call("searchUsers", Some(&token), json!({ "q": "am", "after": "amelie" })).await.ok();
    assert_eq!(names(&page), ["amos"]);
    for bad in [json!({ "q": "" }), json!({ "q": "a", "limit": 0 }), json!({ "q": "a", "limit": 101 })] {
        face.call("searchUsers", Some(&token), bad).await.refused("VALIDATION_INVALID_VALUE");
    }
}

async fn guessing(face: &impl Face) {
    register(face, "victim").await;
    for _ in 0..5 {
        log_in(face, "victim", "wrong").await.refused("AUTH_INVALID_CREDENTIALS");
    }
    let limited = log_in(face, "victim", PASSWORD).await;
    assert!(limited.retry_after.is_some_and(|seconds| (1..=180).contains(&seconds)), "{limited:?}");
    limited.refused("RATE_LIMIT_EXCEEDED");
    log_in(face, "ada", PASSWORD).await.ok();
}

/// The limit on guesses, without anything else.
pub(crate) async fn guessing_alone(face: &impl Face) {
    register(face, "ada").await;
    guessing(face).await;
}

async fn inputs(face: &impl Face) {
    for body in [
        json!({ "username": "ada", "password": 730_411 }),
        json!({ "username": "ada", "password": ["730411"] }),
        json!({ "username": "ada", "password": null }),
        json!({ "username": "ada" }),
        json!({ "username": "ada", "password": PASSWORD, "unknown": 1 }),
    ] {
        let answer = face.call("logIn", None, body.clone()).await;
        assert!(answer.code.as_deref().is_some_and(|code| code.starts_with("VALIDATION_")), "{body} {answer:?}");
    }
    let huge = "x".repeat(8_000);
    log_in(face, &huge, "wrong").await.refused("AUTH_INVALID_CREDENTIALS");
    log_in(face, "ada", &huge).await.refused("AUTH_INVALID_CREDENTIALS");
    let new = json!({ "username": huge, "email": huge, "password": huge });
    let answer = face.call("register", None, new).await;
    assert_eq!(answer.body["details"]["fields"].as_array().unwrap().len(), 3, "{}", answer.body);
}

async fn tokens_needed(face: &impl Face) {
    for (operation, input) in [
        ("logOut", json!({})),
        ("logOutEverywhere", json!({})),
        ("listLogins", json!({})),
        ("endLogin", json!({ "login_id": "0190a000-0000-7000-8000-000000000000" })),
        ("changePassword", json!({ "old_password": PASSWORD, "new_password": PASSWORD })),
        ("changeEmail", json!({ "password": PASSWORD, "email": "x@example.org" })),
        ("requestVerification", json!({})),
        ("getMe", json!({})),
        ("updateMe", json!({ "bio": "x" })),
        ("deleteAccount", json!({ "password": PASSWORD })),
        ("getUser", json!({ "user_id": "ada" })),
        ("searchUsers", json!({ "q": "a" })),
    ] {
        face.call(operation, None, input.clone()).await.refused("AUTH_REQUIRED");
    }
}

async fn deleting(face: &impl Face) {
    let carl = register(face, "carl").await;
    let token = text(&carl, "access_token");
    face.call("deleteAccount", Some(&token), json!({ "password": "wrong" })).await.refused("AUTH_INVALID_CREDENTIALS");
    face.call("deleteAccount", Some(&token), json!({ "password": PASSWORD })).await.ok();
    let answer = face.call("getMe", Some(&token), json!({})).await;
    assert!(answer.code.is_some(), "{answer:?}");
    log_in(face, "carl", PASSWORD).await.refused("AUTH_INVALID_CREDENTIALS");
}

/// The operations that end a login, each with the code that closes the sockets and streams of the login.
pub(crate) const ENDINGS: [(&str, &str); 8] = [
    ("logOut", "AUTH_TOKEN_INVALID"),
    ("logOutEverywhere", "AUTH_TOKEN_INVALID"),
    ("endLogin", "AUTH_TOKEN_INVALID"),
    ("changePassword", "AUTH_TOKEN_INVALID"),
    ("refresh", "AUTH_TOKEN_INVALID"),
    ("resetPassword", "AUTH_TOKEN_INVALID"),
    ("deleteAccount", "ACCOUNT_DELETED"),
    ("ban", "ACCOUNT_BANNED"),
];

/// A user with two logins: one that has a session open, and another one.
pub(crate) struct Twofold {
    name: String,
    first: Value,
    other: String,
    pub(crate) session: String,
}

impl Twofold {
    pub(crate) async fn new(face: &impl Face, world: &World, name: &str) -> Self {
        let first = register(face, name).await;
        world.code().await;
        let other = text(&log_in(face, name, PASSWORD).await.ok(), "access_token");
        let caller = world.authenticator().authenticate(&other).await.unwrap();
        let session = world.chat.create_session(&caller, CreateSession::titled("t")).await.unwrap();
        Self { name: name.to_owned(), first, other, session: session.summary.session.id.to_string() }
    }

    /// The token of the first login.
    pub(crate) fn token(&self) -> String {
        text(&self.first, "access_token")
    }

    /// Ends the first login, one of [`ENDINGS`].
    pub(crate) async fn end(&self, face: &impl Face, world: &World, how: &str) {
        let Self { name, first, other, .. } = self;
        let (first_token, other) = (self.token(), Some(other.as_str()));
        let new_password = "purple elephants dance at midnight";
        let (token, input) = match how {
            "logOut" => (Some(first_token.as_str()), json!({})),
            "logOutEverywhere" => (other, json!({})),
            "endLogin" => (other, json!({ "login_id": first["login_id"] })),
            "changePassword" => (other, json!({ "old_password": PASSWORD, "new_password": new_password })),
            "deleteAccount" => (other, json!({ "password": PASSWORD })),
            "resetPassword" => {
                let email = json!({ "email": format!("{name}@example.org") });
                face.call("requestPasswordReset", None, email).await.ok();
                (None, json!({ "code": world.code().await, "new_password": new_password }))
            }
            "refresh" => {
                let used = json!({ "refresh_token": first["refresh_token"] });
                face.call("refresh", None, used.clone()).await.ok();
                // Later than two tabs of a browser would use it.
                world.later(11);
                face.call("refresh", None, used).await.refused("AUTH_REFRESH_TOKEN_INVALID");
                return;
            }
            _ => {
                let caller = world.authenticator().authenticate(&first_token).await.unwrap();
                let ban = BanAccount { reason: "Spam".to_owned(), by: caller.user_id.clone(), until: None };
                world.chat.ban_account(&caller.user_id, ban).await.unwrap();
                return;
            }
        };
        face.call(how, token, input).await.ok();
    }
}
