//! What clients choose is in no label.

use chatcore_tests::{Client, Graphql, GraphqlSocket, Socket};
use reqwest::Method;
use serde_json::json;

use crate::{
    kit::{Server, folder, token},
    scrape::Scraper,
};

/// Stands in everything that the hostile client chooses.
const MARK: &str = "hostile";

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_a_client_chooses_makes_a_series() {
    let folder = folder();
    let data = folder.path();
    let server = Server::start_with(data, &["--database", "mem://", "--metrics-listen", "127.0.0.1:0"]);
    let scraper = Scraper::of(&server);
    let before = scraper.scrape().await.unwrap();
    let user = format!("{MARK}-user");
    let client = server.client(data, &user);
    let id = client.session("PUBLIC").await;
    client.say(&id, MARK).await;
    paths(&client, &id, &user).await;
    graphql(&server, &token(data, &user), &id).await;
    frames(&server, &token(data, &user), &id).await;
    let login = json!({ "username_or_email": format!("{MARK}@example.org"), "password": MARK });
    client.post("//api/v1/auth/login", login).await.expect(401);

    let after = scraper.scrape().await.unwrap();
    for chosen in [MARK, id.as_str()] {
        assert!(!after.text.contains(chosen), "{chosen} is in the metrics:\n{}", after.text);
    }
    let new: Vec<_> = after.series.keys().filter(|series| !before.series.contains_key(*series)).collect();
    assert_eq!(new, [""; 0], "series that were not there at the start");
    // It was counted all the same. A document that cannot be parsed never comes to the schema, and counts as a request over HTTP alone.
    let counted = |series: &str| after.value(series) - before.value(series);
    assert_eq!(counted(r#"chatcore_requests_total{code="4xx",operation="other",transport="websocket"}"#), 2.0);
    assert_eq!(counted(r#"chatcore_requests_total{code="4xx",operation="join_session",transport="websocket"}"#), 1.0);
    assert_eq!(counted(r#"chatcore_requests_total{code="4xx",operation="other",transport="graphql"}"#), 4.0);
    assert_eq!(counted(r#"chatcore_requests_total{code="2xx",operation="session",transport="graphql"}"#), 1.0);
    assert_eq!(counted(r#"chatcore_requests_total{code="4xx",operation="getSession",transport="http"}"#), 2.0);
    assert_eq!(counted(r#"chatcore_requests_total{code="2xx",operation="getSession",transport="http"}"#), 1.0);
    assert_eq!(counted(r#"chatcore_requests_total{code="2xx",operation="sendMessage",transport="http"}"#), 1.0);
    assert!(counted(r#"chatcore_requests_total{code="4xx",operation="other",transport="http"}"#) >= 4.0);
    assert_eq!(counted(r#"chatcore_logins_total{outcome="failed"}"#), 1.0);
}

async fn paths(client: &Client, id: &str, user: &str) {
    client.get(&format!("/sessions/{id}")).await.expect(200);
    for path in [
        format!("/sessions/{MARK}"),
        "/sessions/019ad5a0-0000-7000-8000-000000000000".to_owned(),
        format!("/sessions/{id}/{MARK}"),
        format!("/{MARK}"),
        format!("/sessions/{id}/participants/{user}/{MARK}"),
        format!("//{MARK}/{id}?{MARK}={MARK}"),
    ] {
        let status = client.request(Method::GET, &path).send().await.unwrap().status().as_u16();
        assert!([400, 404].contains(&status), "{path}: {status}");
    }
    let method = Method::from_bytes(MARK.to_uppercase().as_bytes()).unwrap();
    client.request(method, &format!("/sessions/{id}")).send().await.unwrap();
    let request = client.request(Method::GET, "/sessions").header("x-request-id", MARK).header("user-agent", MARK);
    assert_eq!(request.send().await.unwrap().status(), 200);
}

async fn graphql(server: &Server, token: &str, id: &str) {
    let graphql = Graphql::new(&server.address, Some(token.to_owned()));
    graphql.ask(&format!("{{ {MARK} }}"), json!({})).await;
    graphql.ask(&format!("mutation {MARK} {{ {MARK}(id: \"{id}\") {{ id }} }}"), json!({})).await;
    graphql.ask(&format!("{{ {MARK}"), json!({})).await;
    graphql.data(&format!("query {MARK} {{ {MARK}: session(id: \"{id}\") {{ {MARK}: id }} }}"), json!({})).await;
    let mut socket = GraphqlSocket::admitted(&server.address, token).await;
    socket.subscribe(MARK, &format!("subscription {{ {MARK} {{ id }} }}"), json!({})).await;
    socket.failed(MARK).await;
    socket
        .subscribe(MARK, &format!("subscription {MARK} {{ sessionEvents(sessionId: 5) {{ {MARK} }} }}"), json!({}))
        .await;
    socket.failed(MARK).await;
}

async fn frames(server: &Server, token: &str, id: &str) {
    let mut socket = Socket::open(&server.address, "", Some(token)).await;
    for (event, data) in [(MARK, json!({})), (id, json!({ MARK: id })), ("join_session", json!({ "session_id": MARK }))]
    {
        assert_eq!(socket.ask(event, data).await["event"], "error");
    }
}
