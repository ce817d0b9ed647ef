//! What the server logs, and what it tells browsers of its transport.

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::kit::{Server, folder};

const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_request_is_a_line_and_health_checks_are_none() {
    let folder = folder();
    let data = folder.path();
    let flags = ["--database", "mem://", "--log-format", "json", "--hsts", "365days"];
    let server = Server::start_with(data, &flags);
    let (http, url) = (reqwest::Client::new(), |path: &str| format!("http://{}{path}", server.address));
    let ready = http.get(url("/ready")).send().await.unwrap();
    assert_eq!(
        (ready.status().as_u16(), &ready.headers()["strict-transport-security"]),
        (200, &"max-age=31536000".parse().unwrap())
    );
    let (rest, graphql) = ("/api/v1/chat/sessions?token=a-secret", "/graphql");
    let token = server.client(data, "a").token().unwrap().to_owned();
    let asked = http.get(url(rest)).header("traceparent", PARENT).send().await.unwrap();
    let query = json!({ "query": "query ByTheClient { own: me { id } }" });
    let queried = http.post(url(graphql)).bearer_auth(&token).json(&query).send().await.unwrap();
    assert_eq!((asked.status().as_u16(), queried.status().as_u16()), (401, 200));
    let ids = [&asked, &queried].map(|answer| answer.headers()["x-request-id"].to_str().unwrap().to_owned());
    assert_eq!(server.stop(Signal::SIGTERM), 0);
    let log = std::fs::read_to_string(data.join("log")).unwrap();
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let requests: Vec<_> = lines.iter().filter(|line| line["fields"]["message"] == "request").collect();
    assert_eq!(requests.len(), 2, "{log}");
    for (line, id) in requests.iter().zip(&ids) {
        assert_eq!((&line["level"], &line["span"]["request_id"]), (&json!("INFO"), &json!(id)), "{line}");
    }
    let (asked, queried) = (&requests[0]["span"], &requests[1]["span"]);
    assert_eq!((&asked["operation"], &asked["transport"]), (&json!("listSessions"), &json!("http")));
    assert_eq!((&asked["trace_id"], &asked["code"]), (&json!(&PARENT[3..35]), &json!("AUTH_REQUIRED")));
    assert_eq!((&queried["operation"], &queried["transport"]), (&json!("me"), &json!("graphql")));
    assert_eq!((&queried["user"], &queried["method"]), (&json!("a"), &json!("POST")));
    for secret in ["a-secret", "ByTheClient", "own", token.rsplit('.').next().unwrap()] {
        assert!(!requests.iter().any(|line| line.to_string().contains(secret)), "{secret}");
    }
}
