//! Notices of the administration.

use chatcore::{Administration, admin::AuditOrigin, identity::SystemRole};

use super::*;

#[tokio::test]
async fn every_socket_shows_a_notice_once_whatever_it_has_joined() {
    let chat = Chat::builder(MemoryStore::default()).rates(RateLimits::off()).build();
    let admin = Administration::new(chat.clone());
    let authenticator = JwtAuthenticator::hs256(SECRET).unwrap();
    let frontend = ChatFrontend::with_options(chat.clone(), authenticator, patient()).with_admin(admin.clone());
    let server = Server::serving(chat, frontend).await;
    let (one, two) = (server.session().await, server.session().await);
    let mut joined = server.reader("bob", one).await;
    server.chat.join(&user("bob"), two).await.unwrap();
    joined.ask(json!({ "event": "join_session", "id": 2, "data": { "session_id": two } })).await;
    let mut silent = server.connect(&format!("token={}", token("cid", PATIENCE))).await;
    // The answer comes from a socket that listens already.
    silent.ask(json!({ "event": "leave_session", "id": 1, "data": { "session_id": one } })).await;
    let root = Principal { system_role: SystemRole::Admin, ..user("root") };
    let sent = admin.broadcast(&root, &AuditOrigin::default(), "Maintenance".into(), None).await.unwrap();
    for client in [&mut joined, &mut silent] {
        let frame = client.next().await;
        assert_eq!((&frame["event"], &frame["data"]["text"]), (&json!("notice"), &json!("Maintenance")), "{frame}");
        assert_eq!(frame["data"]["id"], sent.id.to_string());
        client.silent(one).await;
    }
}
