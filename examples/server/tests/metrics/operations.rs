//! Each operation is counted under its name, on each transport that has it.

use chatcore_tests::{Graphql, Socket};
use reqwest::Method;
use serde_json::json;

use crate::{
    kit::{self, Server, folder, token},
    scrape::Scraper,
};

const THUMB: &str = "\u{1f44d}";

#[tokio::test(flavor = "multi_thread")]
async fn reactions_and_backups_are_counted_under_their_names() {
    let folder = folder();
    let data = folder.path();
    let server = Server::start_with(data, &["--database", "mem://", "--metrics-listen", "127.0.0.1:0"]);
    let a = server.client(data, "a");
    let session = a.session("PUBLIC").await;
    let message = a.say(&session, "to react to").await["id"].as_str().unwrap().to_owned();

    let reaction = format!("/sessions/{session}/messages/{message}/reactions/%F0%9F%91%8D");
    a.send(a.request(Method::PUT, &reaction)).await.expect(204);
    a.get(&reaction).await.expect(200);
    a.delete(&reaction).await.expect(204);
    a.without_token().get(&reaction).await.expect(401);

    let mut socket = Socket::open(&server.address, "", Some(&token(data, "a"))).await;
    let react = json!({ "message_id": message, "emoji": THUMB });
    for event in ["add_reaction", "remove_reaction"] {
        assert_eq!(socket.ask(event, react.clone()).await["event"], "ack", "{event}");
    }

    let graphql = Graphql::new(&server.address, Some(token(data, "a")));
    let variables = json!({ "input": { "messageId": message, "emoji": THUMB } });
    for (field, input) in [("addReaction", "AddReactionInput"), ("removeReaction", "RemoveReactionInput")] {
        let query = format!("mutation ($input: {input}!) {{ {field}(input: $input) {{ messageId }} }}");
        graphql.data(&query, variables.clone()).await;
    }

    a.get("//api/v1/admin/backup").await.expect(403);
    kit::run(data, &["admin", "--server", &format!("http://{}", server.address), "grant", "a"]);
    let backup = a.request(Method::GET, "//api/v1/admin/backup").send().await.unwrap();
    assert_eq!(backup.status(), 200);
    backup.bytes().await.unwrap();

    let scraped = Scraper::of(&server).scrape().await.unwrap();
    for (transport, operation, code, times) in [
        ("http", "addReaction", "2xx", 1.0),
        ("http", "listReactors", "2xx", 1.0),
        ("http", "listReactors", "4xx", 1.0),
        ("http", "removeReaction", "2xx", 1.0),
        ("http", "adminTakeBackup", "4xx", 1.0),
        ("http", "adminTakeBackup", "2xx", 1.0),
        ("http", "webSocket", "1xx", 1.0),
        ("http", "graphql", "2xx", 2.0),
        ("websocket", "add_reaction", "2xx", 1.0),
        ("websocket", "remove_reaction", "2xx", 1.0),
        ("graphql", "addReaction", "2xx", 1.0),
        ("graphql", "removeReaction", "2xx", 1.0),
    ] {
        let series =
            format!(r#"chatcore_requests_total{{code="{code}",operation="{operation}",transport="{transport}"}}"#);
        assert_eq!(scraped.value(&series), times, "{series}");
    }
}
