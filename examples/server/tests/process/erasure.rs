//! What a deleted account leaves on the disk: nothing by which the user is known, and no text.
//!
//! A user id stays, in sessions and in the list of the sessions that the user was in: it is random, and names nobody once the account is gone.

use std::{
    fs,
    net::{IpAddr, Ipv4Addr},
    path::Path,
    sync::Arc,
};

use chatcore::{
    Accounts, Authenticator as _, Chat, ChatStore as _, JwtAuthenticator, JwtIssuer,
    accounts::{self, AccountSettings, Argon2Cost, Erasures, LoggedIn, Register, UpdateAccount},
    chat::{CreateSession, EditMessage, SendMessage},
    model::SessionType,
    store::{Prefix, Scan, TypedKey as _},
};
use chatcore_surreal::{SurrealOptions, SurrealStore};
use chatcore_tests::{Client, SECRET, Socket};
use object_store::local::LocalFileSystem;
use reqwest::Method;
use serde_json::json;

use super::{
    Signal,
    accounts::{PASSWORD, User, register},
    kit::{Server, folder, run},
};

/// The contents of all files below a folder, in small letters, since keys are folded. What is no text matters to nobody.
fn contents(folder: &Path) -> Vec<String> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(contents(&path));
        } else {
            files.push(String::from_utf8_lossy(&fs::read(&path).unwrap()).to_ascii_lowercase());
        }
    }
    files
}

/// Which of the traces stand in a file below a folder.
fn found<'a>(folder: &Path, traces: &[&'a str]) -> Vec<&'a str> {
    let files = contents(folder);
    let is_in = |trace: &str| files.iter().any(|file| file.contains(&trace.to_ascii_lowercase()));
    traces.iter().copied().filter(|trace| is_in(trace)).collect()
}

/// How often a text stands in the files below a folder.
fn times(folder: &Path, text: &str) -> usize {
    contents(folder).iter().map(|file| file.matches(text).count()).sum()
}

async fn open(folder: &Path) -> SurrealStore {
    SurrealStore::open(folder, SurrealOptions::default()).await.unwrap()
}

/// The names of the tables of the accounts, each once for each record, without the work that is left.
async fn records(store: &SurrealStore) -> Vec<&'static str> {
    let tables: Vec<_> = accounts::TABLES.iter().filter(|table| table.name != Erasures::TABLE.name).collect();
    let all = |table| Scan { table, prefix: Vec::new(), after: None, skip: 0, limit: 1_000, shows_unreadable: false };
    let scans: Vec<Scan> = tables.iter().map(|table| all(table)).collect();
    let found = store.scan(&scans).await.unwrap();
    tables.iter().zip(found).flat_map(|(table, found)| vec![table.name; found.len()]).collect()
}

/// A session of a user, which others may join.
async fn room(owner: &Client) -> String {
    let body = json!({ "title": "A room", "session_type": "PUBLIC" });
    owner.post("/sessions", body).await.expect(201)["id"].as_str().unwrap().to_owned()
}

async fn join(client: &Client, session: &str) {
    client.post(&format!("/sessions/{session}/join"), json!({})).await.expect(200);
}

/// Says something short and something long, which the engine keeps apart, and edits both. Each text and each client id is a trace.
async fn speak(client: &Client, session: &str) {
    let path = format!("/sessions/{session}/messages");
    for (index, length) in [1, 300].into_iter().enumerate() {
        let text = |trace: &str| format!("{trace} ").repeat(length);
        let body = json!({ "content": text("said-vzqy"), "client_id": format!("once-wkjx-{index}") });
        let sent = client.post(&path, body).await.expect(201);
        let message = format!("{path}/{}", sent["id"].as_str().unwrap());
        for trace in ["edited-qzvw", "latest-xjkz"] {
            client.put(&message, json!({ "content": text(trace) })).await.expect(200);
        }
    }
}

/// Everything about the user by which the disk could tell of the user. `wirnberley` is how `wimberley` looks.
const TRACES: [&str; 17] = [
    "said-vzqy",
    "edited-qzvw",
    "latest-xjkz",
    "once-wkjx",
    "wimberley",
    "wirnberley",
    "Former Quillfeather",
    "Shown Hollyoak",
    "former-mail@trace.example",
    "latest-mail@trace.example",
    "bio-jqxv",
    "picture-zvkq",
    "key-kvzj",
    "device-yqzk",
    "127.83.64.201",
    "127.83.64.202",
    "127.83.64.203",
];

/// What others wrote and are called.
const KEPT: [&str; 4] = ["text-of-another", "brockhurst", "brockhurst@example.org", "$argon2id$"];

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_account_is_in_no_file_after_the_command() {
    let folder = folder();
    let data = folder.path();
    let (server, database) = (Server::start(data), data.join("data/db"));
    let other = register(&server, "brockhurst").await.client;

    // All of 127.0.0.0/8 is this machine.
    let at = |last| Client::new(&server.address, None).calling_from(Ipv4Addr::new(127, 83, 64, last));
    let body = json!({
        "username": "Wimberley", "email": "Former-Mail@trace.example", "password": PASSWORD,
        "display_name": "Former Quillfeather", "public_key": "key-kvzj", "device": "device-yqzk",
    });
    let user = User::of(&at(201), &at(201).post("//api/v1/auth/register", body).await.expect(201));
    let client = user.client.clone();
    let profile = json!({
        "display_name": "Shown Hollyoak", "bio": "bio-jqxv", "avatar_url": "https://pictures.example/picture-zvkq.png",
    });
    client.put("//api/v1/users/me", profile).await.expect(200);
    let address = json!({ "password": PASSWORD, "email": "Latest-Mail@trace.example" });
    client.put("//api/v1/auth/email", address.clone()).await.expect(200);
    // Another login, a wrong password, a refresh, and a code to set a new password.
    let log_in = |password| json!({ "username": "wimberley", "password": password, "device": "device-yqzk" });
    at(202).post("//api/v1/auth/login", log_in(PASSWORD)).await.expect(200);
    at(202).post("//api/v1/auth/login", log_in("a wrong one")).await.problem(401, "AUTH_INVALID_CREDENTIALS");
    let token = json!({ "refresh_token": user.refresh_token });
    at(203).post("//api/v1/auth/refresh", token).await.expect(200);
    at(203).post("//api/v1/auth/password-reset", json!({ "email": address["email"] })).await.expect(204);

    // A session of the user's own, and others: one that the user left, one that is deleted, and one that the user is in.
    let (own, left, gone, last) = (room(&client).await, room(&other).await, room(&other).await, room(&other).await);
    for session in [&left, &gone, &last] {
        join(&client, session).await;
    }
    join(&other, &own).await;
    for session in [&own, &left, &gone, &last] {
        speak(&client, session).await;
        other.say(session, "text-of-another").await;
    }
    client.post(&format!("/sessions/{left}/leave"), json!({})).await.expect(200);
    other.delete(&format!("/sessions/{gone}")).await.expect(204);

    let mut socket = Socket::open(&server.address, "", other.token()).await;
    socket.join(&last, None).await;
    let delete = client.request(Method::DELETE, "//api/v1/users/me").json(&json!({ "password": PASSWORD }));
    client.send(delete).await.expect(204);
    // The sessions are done in the order in which they were made.
    socket.expect("participant_removed").await;
    socket.expect("message_deleted").await;
    assert_eq!(server.stop(Signal::SIGTERM), 0);

    assert_eq!(found(&database, &TRACES), TRACES, "the search does not find what is there");
    let store = open(&database).await;
    let of_another = ["account", "account_name", "account_look", "account_email", "login", "refresh", "mail_code"];
    assert_eq!(records(&store).await, of_another);
    store.close().await;
    let output = run(data, &["compact"]);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(found(&database, &TRACES), [""; 0]);
    assert_eq!(found(&database, &KEPT), KEPT);
    assert_eq!((times(&database, "$argon2id$"), times(&database, "text-of-another")), (1, 4));

    let server = Server::start(data);
    let (login, stranger) =
        (json!({ "username": "brockhurst", "password": PASSWORD }), Client::new(&server.address, None));
    let other = User::of(&stranger, &stranger.post("//api/v1/auth/login", login).await.expect(200)).client;
    let messages = other.get(&format!("/sessions/{last}/messages")).await.expect(200);
    let content = |index: usize| messages[index]["content"].as_str();
    assert_eq!([content(0), content(1), content(2)], [None, None, Some("text-of-another")]);
    assert_eq!(server.stop(Signal::SIGTERM), 0);
}

/// A picture of one point.
const PICTURE: &[u8] =
    b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\xff\xff\xff!\xf9\x04\x01\0\0\0\0,\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0;";

/// The accounts of a host that keeps texts, and pictures in a folder beside the database.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn texts_that_a_host_keeps_are_all_that_a_deleted_account_leaves() {
    let folder = folder();
    let data = folder.path();
    let (database, pictures) = (data.join("data/db"), data.join("pictures"));
    fs::create_dir_all(&database).unwrap();
    fs::create_dir(&pictures).unwrap();
    let store = Arc::new(open(&database).await);
    let chat = Chat::new(Arc::clone(&store));
    let settings = AccountSettings {
        argon2: Argon2Cost { memory_kib: 8, passes: 1, lanes: 1 },
        erases_messages: false,
        ..AccountSettings::default()
    };
    let kept = Arc::new(LocalFileSystem::new_with_prefix(&pictures).unwrap());
    let accounts = Accounts::builder(chat.clone(), JwtIssuer::hs256(SECRET).unwrap())
        .settings(settings)
        .avatars(kept, "https://chat.example/pictures/")
        .build()
        .unwrap();
    let client =
        accounts::Client { address: Some(IpAddr::from([127, 83, 64, 201])), device: Some("device-yqzk".into()) };
    let caller = async |user: &LoggedIn| {
        let tokens = JwtAuthenticator::hs256(SECRET).unwrap();
        tokens.authenticate(&user.tokens.access_token).await.unwrap()
    };
    let new = Register {
        display_name: Some("Shown Hollyoak".into()),
        public_key: Some("key-kvzj".into()),
        ..Register::new("wimberley", "latest-mail@trace.example", PASSWORD)
    };
    let user = caller(&accounts.register(&client, new).await.unwrap()).await;
    let new = Register::new("brockhurst", "brockhurst@example.org", PASSWORD);
    let other = caller(&accounts.register(&accounts::Client::default(), new).await.unwrap()).await;
    let profile = UpdateAccount { bio: Some(Some("bio-jqxv".into())), ..UpdateAccount::default() };
    accounts.update_me(&user, profile).await.unwrap();
    let picture = accounts.upload_avatar(&user, PICTURE.into()).await.unwrap().avatar_url.unwrap();
    let picture = picture.rsplit('/').next().unwrap();
    assert_eq!(contents(&pictures).len(), 3);
    let room = chat.create_session(&other, CreateSession::titled("A room").of_type(SessionType::Public)).await.unwrap();
    let id = room.summary.session.id;
    chat.join(&user, id).await.unwrap();
    let message = chat.send(&user, id, SendMessage::text("said-vzqy")).await.unwrap();
    chat.edit_message(&user, message.id, EditMessage::text("latest-xjkz")).await.unwrap();
    chat.send(&other, id, SendMessage::text("text-of-another")).await.unwrap();

    accounts.delete_account(&user, &client, PASSWORD).await.unwrap();
    let is_left =
        || async { store.count(&[Prefix { table: Erasures::TABLE, parts: Vec::new() }]).await.unwrap() != [0] };
    while is_left().await {
        tokio::task::yield_now().await;
    }
    drop((accounts, chat));
    store.close().await;

    let of_user = [
        "wimberley",
        "wirnberley",
        "Shown Hollyoak",
        "latest-mail@trace.example",
        "bio-jqxv",
        "key-kvzj",
        "device-yqzk",
        "127.83.64.201",
        picture,
    ];
    assert_eq!(found(&database, &of_user), of_user, "the search does not find what is there");
    assert_eq!(contents(&pictures).len(), 0);
    let output = run(data, &["compact"]);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(found(data, &of_user), [""; 0]);
    let texts = ["said-vzqy", "latest-xjkz", "text-of-another", "brockhurst", "Deleted user"];
    assert_eq!(found(&database, &texts), texts);
}
