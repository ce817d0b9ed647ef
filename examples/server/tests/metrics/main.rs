//! What the server tells of itself: to whom, how much of it, whether it is right, and which alerts it sets off.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod alerts;
mod bounded;
#[path = "../kit/mod.rs"]
#[allow(dead_code, reason = "each test file uses a part of it")]
mod kit;
mod load;
#[cfg(target_os = "linux")]
#[path = "../disk/mount.rs"]
#[allow(dead_code, reason = "each test file uses a part of it")]
mod mount;
mod operations;
mod promtool;
mod scrape;

use chatcore_tests::Client;
use reqwest::Method;
use scrape::{Scraped, Scraper};

use kit::{Server, folder, token};

#[tokio::test(flavor = "multi_thread")]
async fn metrics_are_for_administrators_and_for_a_listener_of_their_own() {
    let folder = folder();
    let data = folder.path();
    let server = Server::start_with(data, &["--database", "mem://", "--metrics-listen", "127.0.0.1:0"]);
    let a = server.client(data, "a");
    a.without_token().get("//metrics").await.problem(401, "AUTH_REQUIRED");
    a.get("//metrics").await.problem(403, "ADMIN_REQUIRED");
    a.post("//metrics", serde_json::json!({})).await.problem(405, "METHOD_NOT_ALLOWED");
    kit::run(data, &["admin", "--server", &format!("http://{}", server.address), "grant", "a"]);
    let reply = a.request(Method::GET, "//metrics").send().await.unwrap();
    assert_eq!(reply.status(), 200);
    assert_eq!(reply.headers()["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    assert_eq!(reply.headers()["cache-control"], "no-store");
    let shown = Scraped::read(&reply.text().await.unwrap());
    let scraped = Scraper::of(&server).scrape().await.unwrap();
    assert_eq!(shown.names(), scraped.names());
    assert_eq!((scraped.value("chatcore_ready"), scraped.value("chatcore_store_up")), (1.0, 1.0));
    assert!(scraped.value("chatcore_uptime_seconds") > 0.0);
    // There is nothing else at the listener.
    let other = Client::new(Scraper::of(&server).address(), Some(token(data, "a")));
    assert_eq!(other.request(Method::GET, "/sessions").send().await.unwrap().status(), 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_setting_there_is_no_listener() {
    let folder = folder();
    let server = Server::start_with(folder.path(), &["--database", "mem://"]);
    assert!(!server.log().contains("metrics for everybody"), "{}", server.log());
    let taken = Server::start_with(folder.path(), &["--database", "mem://", "--metrics-listen", "127.0.0.1:0"]);
    let address = Scraper::of(&taken).address().to_owned();
    let output =
        kit::run(folder.path(), &["--database", "mem://", "--listen", "127.0.0.1:0", "--metrics-listen", &address]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains("--metrics-listen"), "{said}");
}
