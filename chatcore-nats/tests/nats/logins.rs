//! Servers that let in only who may come, and that speak TLS.

use std::{fs, path::Path};

use chatcore::model::{Notice, NoticeId};
use chatcore_nats::{NatsError, NatsLogin, NatsOptions, NatsTls};

use super::{certificates::Certificates, server::free_port, *};

fn password(password: &str) -> NatsLogin {
    NatsLogin::Password { user: "chat".to_owned(), password: password.to_owned() }
}

fn required(server: &Server, login: NatsLogin) -> NatsOptions {
    NatsOptions { login, required: true, ..NatsOptions::at([server.url()]) }
}

/// Two processes with these options hear each other.
async fn hear_each_other(options: &NatsOptions) {
    let store = Arc::new(MemoryStore::new());
    let mut chats = Vec::new();
    for _ in 0..2 {
        let notifier = NatsNotifier::open(options.clone()).await.unwrap();
        assert!(notifier.is_connected());
        chats.push(chat(&store, notifier, NEVER));
    }
    let (alice, bob) = (user("alice"), user("bob"));
    let id = room(&chats[0], &alice, &[&bob]).await;
    let mut events = in_time(chats[1].subscribe(&bob, id, None)).await.unwrap();
    let sent = say(&chats[0], &alice, id, "hello").await;
    assert_eq!(take(&mut events, 1).await[0].seq, sent.seq);
}

/// A connection that is required and refused says why, and repeats no secret.
async fn refused(options: NatsOptions, why: &str) {
    match NatsNotifier::open(NatsOptions { required: true, ..options }).await {
        Err(error @ NatsError::Connect { .. }) => {
            let text = format!("{error} {error:?}");
            assert!(text.contains(why) && !text.contains("sesame"), "{text}");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_password_or_a_token_lets_in_and_a_wrong_one_does_not() {
    let Some(server) = Server::start_with(&["--user", "chat", "--pass", "open sesame"]) else { return };
    hear_each_other(&required(&server, password("open sesame"))).await;
    refused(required(&server, password("sesame")), "refuses the login").await;
    refused(required(&server, NatsLogin::Nobody), "refuses the login").await;
    let server = Server::start_with(&["--auth", "a-sesame"]).unwrap();
    hear_each_other(&required(&server, NatsLogin::Token("a-sesame".to_owned()))).await;
    refused(required(&server, NatsLogin::Token("sesame".to_owned())), "refuses the login").await;
}

fn config(folder: &Path, text: &str) -> String {
    let file = folder.join("nats.conf");
    fs::write(&file, text).unwrap();
    file.to_str().unwrap().to_owned()
}

#[tokio::test]
async fn an_nkey_lets_in() {
    let folder = tempfile::tempdir().unwrap();
    let (key, other) = (nkeys::KeyPair::new_user(), nkeys::KeyPair::new_user());
    let text = format!("authorization {{ users = [ {{ nkey: {} }} ] }}", key.public_key());
    let Some(server) = Server::start_with(&["--config", &config(folder.path(), &text)]) else { return };
    hear_each_other(&required(&server, NatsLogin::Nkey(key.seed().unwrap()))).await;
    refused(required(&server, NatsLogin::Nkey(other.seed().unwrap())), "refuses the login").await;
    refused(required(&server, NatsLogin::Nkey("sesame".to_owned())), "cannot be used").await;
}

/// A JWT as NATS has them, with the claims that it must have.
fn jwt(issuer: &nkeys::KeyPair, subject: &str, kind: &str, claims: serde_json::Value) -> String {
    let encode = |bytes: &[u8]| base64::Engine::encode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, bytes);
    let mut nats = claims;
    nats["type"] = kind.into();
    nats["version"] = 2.into();
    let claims =
        json!({ "jti": subject, "iat": 1, "iss": issuer.public_key(), "sub": subject, "name": kind, "nats": nats });
    let head = json!({ "typ": "JWT", "alg": "ed25519-nkey" });
    let signed = format!("{}.{}", encode(head.to_string().as_bytes()), encode(claims.to_string().as_bytes()));
    let signature = encode(&issuer.sign(signed.as_bytes()).unwrap());
    format!("{signed}.{signature}")
}

#[tokio::test]
async fn a_file_of_credentials_lets_in() {
    let folder = tempfile::tempdir().unwrap();
    let keys = (nkeys::KeyPair::new_operator(), nkeys::KeyPair::new_account(), nkeys::KeyPair::new_user());
    let (operator, account, user) = &keys;
    let own = jwt(operator, &operator.public_key(), "operator", json!({}));
    let unlimited = json!({ "limits": {
        "subs": -1, "data": -1, "payload": -1, "conn": -1, "leaf": -1, "imports": -1, "exports": -1, "wildcards": true
    } });
    let of_account = jwt(operator, &account.public_key(), "account", unlimited);
    let text =
        format!("operator: {own}\nresolver: MEMORY\nresolver_preload: {{ {}: {of_account} }}", account.public_key());
    let Some(server) = Server::start_with(&["--config", &config(folder.path(), &text)]) else { return };
    let of_user = json!({ "subs": -1, "data": -1, "payload": -1 });
    let file = |user: &nkeys::KeyPair, issuer: &nkeys::KeyPair| {
        format!(
            "-----BEGIN NATS USER JWT-----\n{}\n------END NATS USER JWT------\n\n\
            -----BEGIN USER NKEY SEED-----\n{}\n------END USER NKEY SEED------\n",
            jwt(issuer, &user.public_key(), "user", of_user.clone()),
            user.seed().unwrap()
        )
    };
    hear_each_other(&required(&server, NatsLogin::Credentials(file(user, account)))).await;
    let stranger = nkeys::KeyPair::new_account();
    refused(required(&server, NatsLogin::Credentials(file(user, &stranger))), "refuses the login").await;
    let nonsense = required(&server, NatsLogin::Credentials("sesame".to_owned()));
    assert!(matches!(NatsNotifier::open(nonsense).await, Err(NatsError::Credentials(_))));
}

#[tokio::test]
async fn connections_are_encrypted_with_certificates_that_are_checked() {
    let folder = tempfile::tempdir().unwrap();
    let certificates = Certificates::made_in(folder.path());
    let Some(server) = Server::start_with(&certificates.flags()) else { return };
    let encrypted = |server: &Server| server.url().replace("nats://", "tls://");
    let authorities = Some(certificates.authority.clone());
    let trusting = NatsTls { authorities: authorities.clone(), client: None };
    let options = NatsOptions { tls: trusting.clone(), ..NatsOptions::at([encrypted(&server)]) };
    hear_each_other(&NatsOptions { required: true, ..options.clone() }).await;
    // The file alone is enough.
    hear_each_other(&NatsOptions { servers: vec![server.url()], required: true, ..options.clone() }).await;
    // The system's authorities did not sign for it.
    refused(NatsOptions { tls: NatsTls::default(), ..options.clone() }, "NATS at tls://").await;
    let away = folder.path().join("away");
    let tls = NatsTls { authorities: Some(away.clone()), client: None };
    match NatsNotifier::open(NatsOptions { tls, ..options.clone() }).await {
        Err(NatsError::File { path, .. }) => assert_eq!(path, away),
        other => panic!("{other:?}"),
    }
    // A server without TLS gets nothing in clear text.
    let open = Server::start().unwrap();
    refused(NatsOptions { servers: vec![open.url()], ..options.clone() }, "NATS at").await;

    let server = Server::start_with(&certificates.mutual_flags()).unwrap();
    let options = NatsOptions { servers: vec![encrypted(&server)], required: true, ..options };
    let client = Some(certificates.client.clone());
    hear_each_other(&NatsOptions { tls: NatsTls { authorities, client }, ..options.clone() }).await;
    refused(options, "NATS at").await;
}

#[tokio::test]
async fn any_server_of_the_list_will_do_and_prefixes_keep_chats_apart() {
    let Some(server) = Server::start() else { return };
    let dead = format!("nats://127.0.0.1:{}", free_port());
    let options = |prefix: &str| NatsOptions {
        servers: vec![dead.clone(), server.url()],
        prefix: prefix.to_owned(),
        required: true,
        ..NatsOptions::at([""; 0])
    };
    hear_each_other(&options("one")).await;
    assert!(matches!(NatsNotifier::open(options("one.*")).await, Err(NatsError::Prefix(_))));

    let mut notifiers = Vec::new();
    for prefix in ["one", "one", "two", "two"] {
        notifiers.push(NatsNotifier::open(options(prefix)).await.unwrap());
    }
    let session_id = SessionId(uuid::Uuid::from_u128(1));
    let committed = |head| Hint::Committed { session_id, head, events: Vec::new() };
    let user_id = user("alice").user_id;
    let arrived =
        |n| Hint::Arrived { user_id: user_id.clone(), session_id: SessionId(uuid::Uuid::from_u128(n)), is_own: true };
    let notice = |n| {
        let created_at = "2026-01-01T00:00:00Z".parse().unwrap();
        Hint::Notice(Notice { id: NoticeId(uuid::Uuid::from_u128(n)), text: "Hi".to_owned(), created_at })
    };
    for [first, second] in [[committed(1), committed(2)], [arrived(1), arrived(2)], [notice(1), notice(2)]] {
        let mut same = notifiers[1].listen(first.topic()).await;
        let mut other = notifiers[2].listen(first.topic()).await;
        notifiers[0].publish(first.clone()).await;
        assert_eq!(in_time(same.next()).await, Some(first));
        // The server has sent the first one to all who listen, so it comes before the second one, which another process of the other chat publishes.
        notifiers[3].publish(second.clone()).await;
        assert_eq!(in_time(other.next()).await, Some(second));
    }
}

#[tokio::test]
async fn a_login_that_is_refused_at_first_counts_once_the_server_takes_it() {
    let Some(server) = Server::start_with(&["--user", "chat", "--pass", "another"]) else { return };
    let login = password("open sesame");
    let pauses = (Duration::from_millis(20), Duration::from_millis(20));
    let options = NatsOptions { login, pauses, ..NatsOptions::at([server.url()]) };
    let store = Arc::new(MemoryStore::new());
    let mut chats = Vec::new();
    let mut notifiers = Vec::new();
    for _ in 0..2 {
        let notifier = in_time(NatsNotifier::open(options.clone())).await.unwrap();
        assert!(!notifier.is_connected());
        notifiers.push(notifier.clone());
        // The notifier carries no hints here, so the reader finds the message by polling.
        chats.push(chat(&store, notifier, Duration::from_millis(50)));
    }
    let (alice, bob) = (user("alice"), user("bob"));
    let id = room(&chats[0], &alice, &[&bob]).await;
    let mut events = in_time(chats[1].subscribe(&bob, id, None)).await.unwrap();
    let sent = say(&chats[0], &alice, id, "hello").await;
    assert_eq!(take(&mut events, 1).await[0].seq, sent.seq);
    assert!(notifiers[0].lost() > 0);

    let port = server.port();
    server.kill();
    let _server = Server::start_at_with(port, &["--user", "chat", "--pass", "open sesame"]).unwrap();
    type_until_heard(&chats[0], &alice, id, &mut events).await;
    assert!(notifiers.iter().all(NatsNotifier::is_connected));
}

#[tokio::test]
async fn where_the_server_takes_little_hints_go_without_events() {
    let folder = tempfile::tempdir().unwrap();
    let Some(server) = Server::start_with(&["--config", &config(folder.path(), "max_payload: 400")]) else { return };
    let (here, there) = two_chats(&server).await;
    let (alice, bob) = (user("alice"), user("bob"));
    let id = room(&here, &alice, &[&bob]).await;
    let mut events = in_time(there.subscribe(&bob, id, None)).await.unwrap();
    for n in 0..10 {
        let sent = say(&here, &alice, id, format!("{n}: {}", "x".repeat(1_000))).await;
        assert_eq!(take(&mut events, 1).await[0].seq, sent.seq);
    }
}

#[tokio::test]
async fn an_encrypted_connection_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let certificates = Certificates::made_in(folder.path());
    let Some(server) = Server::start_with(&certificates.flags()) else { return };
    let tls = NatsTls { authorities: Some(certificates.authority.clone()), client: None };
    let pauses = (Duration::from_millis(20), Duration::from_millis(20));
    let options = NatsOptions { tls, pauses, required: true, ..NatsOptions::at([server.url()]) };
    let notifier = NatsNotifier::open(options.clone()).await.unwrap();
    let _server = server
        .away_for(in_time(async {
            while notifier.is_connected() {
                tokio::task::yield_now().await
            }
        }))
        .await;
    in_time(async {
        while !notifier.is_connected() {
            tokio::task::yield_now().await
        }
    })
    .await;
    hear_each_other(&options).await;
}
