//! Settings of accounts and of other parties' tokens.

use std::{ffi::OsStr, fs, os::unix::fs::PermissionsExt as _, path::Path};

use chatcore_tests::{Client, Graphql, Socket};
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::{
    kit::{Server, folder},
    settings::refuses,
};

#[allow(dead_code, unreachable_pub, reason = "each test file uses a part of it")]
#[path = "../../../../chatcore/tests/kit/tokens.rs"]
pub(crate) mod tokens;

const PARTY: &str = "[[issuers]]\niss = \"https://id.example.com\"\naudience = \"chat\"\njwks = \"keys.json\"\n";

fn party(data: &Path, rest: &str) {
    let keys = ["rsa", "ec", "ed"].map(|name| tokens::key(name)["jwk"].clone());
    fs::write(data.join("keys.json"), json!({ "keys": keys }).to_string()).unwrap();
    fs::write(data.join("chat-server.toml"), format!("{PARTY}{rest}")).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_of_other_parties_are_accepted_beside_its_own() {
    let folder = folder();
    let data = folder.path();
    party(data, "user_prefix = \"corp:\"\nclaims = { name = \"nick\" }\n");
    let server = Server::start_with(data, &["--database", "mem://"]);
    let other = tokens::token(json!({}), json!({ "nick": "Alice of Corp" }));
    let (alice, own) = (Client::new(&server.address, Some(other.clone())), server.client(data, "alice"));
    let id = alice.session("PUBLIC").await;
    own.post(&format!("/sessions/{id}/join"), json!({})).await.expect(200);
    let seated = own.get(&format!("/sessions/{id}/participants")).await.expect(200);
    let seat = |n: usize| (&seated[n]["user_id"], &seated[n]["name"]);
    assert_eq!(seat(0), (&json!("corp:alice"), &json!("Alice of Corp")));
    assert_eq!(seat(1).0, &json!("alice"));
    let mut socket = Socket::open(&server.address, "", Some(&other)).await;
    socket.join(&id, Some(0)).await;
    let asked = Graphql::new(&server.address, Some(other)).ask("{ sessions { nodes { id } } }", json!({})).await;
    assert_eq!(asked.body["data"]["sessions"]["nodes"][0]["id"], json!(id), "{}", asked.text);
    for (what, token) in tokens::bad() {
        let refused = alice.with_token(&token).get("/sessions").await;
        assert_eq!(refused.status, 401, "{what}");
        let asked = Graphql::new(&server.address, Some(token)).ask("{ sessions { nodes { id } } }", json!({})).await;
        assert!(asked.body["data"].is_null(), "{what}: {}", asked.text);
    }
    assert_eq!(server.stop(Signal::SIGTERM), 0);
}

#[test]
fn settings_of_accounts_and_parties_that_cannot_be_used_are_refused_by_name() {
    let folder = folder();
    let data = folder.path();
    for (rest, why) in [
        ("", "user_prefix"),
        ("user_prefix = \"\"\n", "user_prefix"),
        ("user_prefix = \"a/\"\n", "user_prefix"),
        ("user_prefix = \"corp:\"\nkeys = \"x\"\n", "keys"),
        ("user_prefix = \"corp:\"\nclaims = { nick = \"x\" }\n", "nick"),
        ("user_prefix = \"corp:\"\nclaims = { admin = { claim = \"roles\" } }\n", "value"),
    ] {
        party(data, rest);
        refuses(data, &[], &[], &["issuers", why]);
    }
    let good = format!("{PARTY}user_prefix = \"corp:\"\n");
    fs::write(data.join("no-keys.json"), "{\"keys\": 1}").unwrap();
    for (text, why) in [
        (good.replace("keys.json", "nowhere.json"), "nowhere.json"),
        (good.replace("keys.json", "no-keys.json"), "no-keys.json"),
        (good.replace("keys.json", "http://id.example.com/keys"), "https"),
        (good.replace("keys.json", "https://"), "jwks"),
        (format!("{good}{good}"), "two issuers"),
        (format!("issuer = \"https://id.example.com\"\n{good}"), "--issuer"),
    ] {
        fs::write(data.join("chat-server.toml"), text).unwrap();
        refuses(data, &[], &[], &["issuers", why]);
    }
    fs::remove_file(data.join("chat-server.toml")).unwrap();
    let url = |url: &'static str| [("CHAT_SMTP_URL", OsStr::new(url))];
    refuses(data, &url("smtps://u:hidden@example.org"), &[], &["CHAT_SMTP_URL", "--smtp-from"]);
    refuses(data, &[], &["--smtp-from", "a@example.org"], &["CHAT_SMTP_URL", "--smtp-from"]);
    refuses(data, &url("http://example.org"), &["--smtp-from", "a@example.org"], &["CHAT_SMTP_URL"]);
    refuses(data, &url("smtps://example.org"), &["--smtp-from", "nobody"], &["sender"]);
    refuses(data, &url("smtps://example.org"), &["--accounts", "off"], &["CHAT_SMTP_URL", "--accounts"]);
    refuses(data, &[], &["--accounts", "off", "--files", "x"], &["--files", "--accounts"]);
    refuses(data, &[], &["--files", ""], &["--files"]);
    for (flag, value) in [("--access-lifetime", "0s"), ("--access-lifetime", "2days"), ("--refresh-lifetime", "2years")]
    {
        refuses(data, &[], &[flag, value], &[flag, "from 1s to"]);
    }
    refuses(data, &[], &["--access-lifetime", "2h", "--refresh-lifetime", "1h"], &["--refresh-lifetime"]);
}

/// A form with a GIF of one pixel.
const FORM: &[u8] = b"--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.gif\"\r\n\r\nGIF89a\x01\x00\x01\x00\x80\x00\x00\xff\x00\x00\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;\r\n--x--\r\n";

async fn upload(address: &str, token: &str) -> (u16, Value) {
    let request = reqwest::Client::new().post(format!("http://{address}/api/v1/users/me/avatar")).bearer_auth(token);
    let request = request.header("content-type", "multipart/form-data; boundary=x").body(FORM);
    let response = request.send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap())
}

async fn register(address: &str, name: &str) -> String {
    let body = json!({ "username": name, "email": format!("{name}@example.org"), "password": "correct horse battery" });
    let request = reqwest::Client::new().post(format!("http://{address}/api/v1/auth/register")).json(&body);
    let registered: Value = request.send().await.unwrap().json().await.unwrap();
    registered["access_token"].as_str().unwrap_or_else(|| panic!("{registered}")).to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pictures_are_kept_with_the_data_or_where_the_settings_say() {
    let folder = folder();
    let data = folder.path();
    let server = Server::start(data);
    let token = register(&server.address, "ada").await;
    let (status, account) = upload(&server.address, &token).await;
    assert_eq!(status, 200, "{account}");
    let path = account["avatar_url"].as_str().unwrap();
    assert_eq!(server.stop(Signal::SIGTERM), 0);
    assert!(data.join("data/files/avatars").is_dir());
    for folder in ["data", "data/db", "data/files"] {
        let mode = fs::metadata(data.join(folder)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700, "{folder}");
    }
    let server = Server::start(data);
    let shown = reqwest::get(format!("http://{}{path}", server.address)).await.unwrap();
    assert_eq!((shown.status().as_u16(), &shown.headers()["content-type"]), (200, &"image/png".parse().unwrap()));
    assert_eq!(server.stop(Signal::SIGTERM), 0);

    let memory = ["--database", "mem://"];
    let server = Server::start_with(data, &memory);
    let (status, problem) = upload(&server.address, &register(&server.address, "ada").await).await;
    assert_eq!((status, &problem["code"]), (501, &json!("NOT_IMPLEMENTED")), "{problem}");
    assert_eq!(server.stop(Signal::SIGTERM), 0);
    let server = Server::start_with(data, &[&memory[..], &["--files", "pictures"]].concat());
    let (status, account) = upload(&server.address, &register(&server.address, "ada").await).await;
    assert_eq!(status, 200, "{account}");
    assert!(data.join("pictures/avatars").is_dir());
    assert_eq!(server.stop(Signal::SIGTERM), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_goes_on_after_its_token_has_expired() {
    let folder = folder();
    let data = folder.path();
    let server = Server::start_with(data, &["--database", "mem://", "--access-lifetime", "1s"]);
    let auth = |path: &str| format!("http://{}/api/v1/auth/{path}", server.address);
    let http = reqwest::Client::new();
    let token = register(&server.address, "ada").await;
    let login = json!({ "username": "ada@example.org", "password": "correct horse battery" });
    let login: Value = http.post(auth("login")).json(&login).send().await.unwrap().json().await.unwrap();
    assert_eq!(login["expires_in"], 1);
    let ada = Client::new(&server.address, Some(token));
    // A fast machine passes the rate within this second.
    let ended = loop {
        let reply = ada.get("/sessions").await;
        if !matches!(reply.status, 200 | 429) {
            break reply;
        }
    };
    ended.problem(401, "AUTH_TOKEN_EXPIRED");
    let refresh = json!({ "refresh_token": login["refresh_token"] });
    let again: Value = http.post(auth("refresh")).json(&refresh).send().await.unwrap().json().await.unwrap();
    let ada = ada.with_token(again["access_token"].as_str().unwrap());
    let id = ada.session("PUBLIC").await;
    ada.say(&id, "still here").await;
    assert_eq!(server.stop(Signal::SIGTERM), 0);
}
