//! A session's events over HTTP: pages, waiting for news, streams.

use std::time::Duration;

use chatcore::{Limits, identity::Claims};
use chatcore_poem::Options;
use chatcore_tests::{Backend, Client, Copied, Events, Reply, Server, Socket, on_every_store, token, token_with};
use futures_util::StreamExt as _;
use reqwest::Method;
use serde_json::{Value, json};

/// The names of a page's events, and its `Link`.
fn names(reply: Reply) -> (Vec<String>, String) {
    assert_eq!(reply.headers["cache-control"], "no-store");
    let link = reply.headers["link"].to_str().unwrap().to_owned();
    let body = reply.expect(200);
    let name = |event: &Value| event["event"].as_str().unwrap().to_owned();
    // The link has a cursor, which begins with the position.
    let (position, epoch) = link.split_once('-').unwrap();
    let link = position.to_owned() + epoch.trim_start_matches(|c: char| c.is_ascii_hexdigit());
    (body["events"].as_array().unwrap().iter().map(name).collect(), link)
}

/// Asks with `wait` in the background, and comes back once the server has the request waiting.
async fn waiting(server: &Server, client: &Client, path: String) -> tokio::task::JoinHandle<Reply> {
    let (open, client) = (server.open_sockets(), client.clone());
    let asking = tokio::spawn(async move { client.get(&path).await });
    until(server, open + 1).await;
    asking
}

async fn until(server: &Server, open: usize) {
    while server.open_sockets() != open {
        tokio::task::yield_now().await;
    }
}

async fn stream(client: &Client, session: &str, query: &str) -> Events {
    Events::open(client.stream_of(session, query)).await.unwrap()
}

on_every_store! {
    async fn pages(server) {
        let (a, b) = (server.client("a").await, server.client("b").await);
        let id = a.session("PUBLIC").await;
        b.post(&format!("/sessions/{id}/join"), json!({})).await.expect(200);
        a.say(&id, "x").await;
        let path = format!("/sessions/{id}/events");
        let page = async |query: &str| names(b.get(&format!("{path}{query}")).await);
        let next = |link: &str| link.to_owned() + "; rel=\"next\"";
        let all = ["session_created", "user_joined", "message_received"].map(str::to_owned);
        assert_eq!(page("").await, (all.to_vec(), next("<?after=3>")));
        assert_eq!(page("?limit=2").await, (all[..2].to_vec(), next("<?after=2&limit=2>")));
        assert_eq!(page("?after=2&limit=2").await, (all[2..].to_vec(), next("<?after=3&limit=2>")));
        assert_eq!(page("?after=3").await, (Vec::new(), next("<?after=3>")));
        assert_eq!(b.get(&format!("{path}?limit=1")).await.expect(200)["head"], 3);

        // Whichever way they come, they are the same.
        let page = a.get(&path).await.expect(200);
        let mut socket = server.socket("b").await;
        socket.join(&id, Some(0)).await;
        let mut stream = stream(&b, &id, "?after=0").await;
        for event in page["events"].as_array().unwrap() {
            assert_eq!(&socket.event().await, event);
            assert_eq!(&stream.next().await, event);
        }
    }

    async fn waiting_for_news(server) {
        let (a, b) = (server.client("a").await, server.client("b").await);
        let id = a.session("PUBLIC").await;
        b.post(&format!("/sessions/{id}/join"), json!({})).await.expect(200);
        let path = format!("/sessions/{id}/events");
        // What is there is not waited for, and nothing does not come.
        assert_eq!(names(b.get(&format!("{path}?wait=60&limit=1")).await).0, ["session_created"]);
        let nothing = b.get(&format!("{path}?after=2&wait=1")).await;
        assert_eq!(nothing.body, json!({ "events": [], "head": 2 }));
        assert_eq!(names(nothing).1, "<?after=2&wait=1>; rel=\"next\"");

        let asking = waiting(&server, &b, format!("{path}?after=2&wait=60")).await;
        a.say(&id, "news").await;
        let reply = asking.await.unwrap();
        let news = reply.body.clone();
        assert_eq!((&news["events"][0]["data"]["message"]["content"], &news["head"]), (&json!("news"), &json!(3)));
        assert_eq!(names(reply).1, "<?after=3&wait=60>; rel=\"next\"");
        until(&server, 0).await;

        // Who loses the right to read is told so, and then what everybody else is told who has none.
        let asking = waiting(&server, &b, format!("{path}?after=3&wait=60")).await;
        a.delete(&format!("/sessions/{id}/participants/b")).await.expect(200);
        assert_eq!(names(asking.await.unwrap()).0, ["participant_removed"]);
        b.get(&format!("{path}?after=4&wait=60")).await.problem(403, "SESSION_ACCESS_DENIED");
    }

    async fn a_stream_replays_and_goes_on_live(server) {
        let (a, b) = (server.client("a").await, server.client("b").await);
        let id = a.session("PUBLIC").await;
        b.post(&format!("/sessions/{id}/join"), json!({})).await.expect(200);
        let mut replayed = stream(&b, &id, "?after=0").await;
        let mut live = stream(&b, &id, "").await;
        assert_eq!(replayed.expect("session_created").await["seq"], 1);
        assert_eq!(replayed.expect("user_joined").await["seq"], 2);
        a.say(&id, "live").await;
        for stream in [&mut replayed, &mut live] {
            let frame = stream.expect("message_received").await;
            assert_eq!((&frame["seq"], &frame["data"]["message"]["content"]), (&json!(3), &json!("live")));
        }
        // A signal is told, and is no position.
        let mut socket = server.socket("a").await;
        socket.ask("typing_start", json!({ "session_id": id })).await;
        let typing = live.expect("typing_indicator").await;
        assert_eq!((&typing["data"]["user_id"], &typing["seq"]), (&json!("a"), &Value::Null));

        // One breaks off, and comes back with what it has seen, whatever its URL says.
        let last = replayed.last_id.clone();
        drop(replayed);
        a.say(&id, "missed").await;
        // The message ends the typing, of which the next stream is not told any more.
        live.expect("message_received").await;
        live.expect("typing_indicator").await;
        let again = b.stream_of(&id, "?after=0").header("Last-Event-ID", last);
        let mut again = Events::open(again).await.unwrap();
        assert_eq!(again.expect("message_received").await["seq"], 4);
        a.say(&id, "after").await;
        assert_eq!(again.expect("message_received").await["seq"], 5);
    }

    async fn nothing_is_missed_or_doubled_over_many_streams(server) {
        let a = server.client("a").await;
        let id = a.session("PRIVATE").await;
        let reader = tokio::spawn({
            let (a, id) = (a.clone(), id.clone());
            async move {
                let (mut seen, mut last_id) = (0, "0".to_owned());
                while seen < 101 {
                    let request = a.stream_of(&id, "").header("Last-Event-ID", &last_id);
                    // The place of the one before may not be free yet.
                    let Ok(mut stream) = Events::open(request).await else { continue };
                    for _ in 0..7.min(101 - seen) {
                        seen += 1;
                        assert_eq!(stream.next().await["seq"], seen);
                    }
                    last_id = stream.last_id;
                }
            }
        });
        for n in 0..100 {
            a.say(&id, &n.to_string()).await;
        }
        reader.await.unwrap();
    }

    async fn a_stream_ends_with_the_right_to_read(server) {
        let (a, b) = (server.client("a").await, server.client("b").await);
        let id = a.session("PUBLIC").await;
        b.post(&format!("/sessions/{id}/join"), json!({})).await.expect(200);
        let (mut of_a, mut of_b) = (stream(&a, &id, "").await, stream(&b, &id, "").await);
        a.delete(&format!("/sessions/{id}/participants/b")).await.expect(200);
        a.say(&id, "without b").await;
        of_b.expect("participant_removed").await;
        of_b.ended().await;
        a.send(b.stream_of(&id, "?after=3")).await.problem(403, "SESSION_ACCESS_DENIED");
        of_a.expect("participant_removed").await;
        of_a.expect("message_received").await;

        // Who comes back reads the old removal as history.
        b.post(&format!("/sessions/{id}/join"), json!({})).await.expect(200);
        let mut of_b = stream(&b, &id, "?after=2").await;
        for event in ["participant_removed", "message_received", "user_joined"] {
            of_b.expect(event).await;
        }
        of_a.expect("user_joined").await;
        a.delete(&format!("/sessions/{id}")).await.expect(204);
        for mut stream in [of_a, of_b] {
            stream.expect("session_deleted").await;
            stream.ended().await;
        }
        a.send(a.stream_of(&id, "")).await.problem(404, "SESSION_NOT_FOUND");
    }

    async fn who_may_not_read_is_told_as_everywhere(server) {
        let (a, b) = (server.client("a").await, server.client("b").await);
        let never = "01890a5d-ac96-774b-bcce-b302099a8057";
        for (id, status, code) in [
            (a.session("PUBLIC").await.as_str(), 403, "SESSION_ACCESS_DENIED"),
            (a.session("PRIVATE").await.as_str(), 404, "SESSION_NOT_FOUND"),
            (a.session("INVITE_ONLY").await.as_str(), 404, "SESSION_NOT_FOUND"),
            (never, 404, "SESSION_NOT_FOUND"),
        ] {
            b.get(&format!("/sessions/{id}/events")).await.problem(status, code);
            b.get(&format!("/sessions/{id}/events?wait=60")).await.problem(status, code);
            b.send(b.stream_of(id, "")).await.problem(status, code);
        }
        assert_eq!(server.open_sockets(), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_accepted_decides_what_is_sent() {
    let server = Server::start(Backend::Memory).await;
    let a = server.client("a").await;
    let path = format!("/sessions/{}/events", a.session("PRIVATE").await);
    let accepting = |accept: &str| a.request(Method::GET, &path).header("Accept", accept);
    for accept in [
        "*/*",
        "application/json",
        "Application/*;q=0.1",
        "text/html, */*;q=0.8",
        "application/json, text/event-stream",
        "text/event-stream;q=0.5, application/json",
        "text/event-stream;q=0, */*",
        "",
    ] {
        assert_eq!(names(a.send(accepting(accept)).await).0, ["session_created"], "{accept}");
    }
    for accept in [
        "text/event-stream",
        "text/*",
        "text/event-stream, */*",
        "application/json;q=0.5, TEXT/event-stream",
        "*/*, application/json;q=0",
    ] {
        let request = accepting(accept).header("Last-Event-ID", "0");
        Events::open(request).await.unwrap_or_else(|_| panic!("{accept}")).expect("session_created").await;
    }
    for accept in ["text/html", "application/xml, image/*", "*/*;q=0", "application/json;q=0"] {
        a.send(accepting(accept)).await.problem(406, "NOT_ACCEPTABLE");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_in_the_query_are_for_streams_only() {
    let server = Server::start(Backend::Memory).await;
    let a = server.client("a").await;
    let id = a.session("PRIVATE").await;
    let stranger = server.stranger();
    let query = format!("?after=0&token={}", token("a"));
    stream(&stranger, &id, &query).await.expect("session_created").await;
    stranger.get(&format!("/sessions/{id}/events{query}")).await.problem(401, "AUTH_REQUIRED");
    stranger.get(&format!("/sessions/{id}{query}")).await.problem(401, "AUTH_REQUIRED");
    stranger.send(stranger.stream_of(&id, "")).await.problem(401, "AUTH_REQUIRED");
    stranger.send(stranger.stream_of(&id, "?token=x")).await.problem(401, "AUTH_TOKEN_INVALID");
    // The header counts where both are there.
    let wrong = stranger.with_token("x");
    wrong.send(wrong.stream_of(&id, &query)).await.problem(401, "AUTH_TOKEN_INVALID");
    // Who cannot be let in is not told what they could accept.
    let html = stranger.request(Method::GET, &format!("/sessions/{id}/events")).header("Accept", "text/html");
    stranger.send(html).await.problem(401, "AUTH_REQUIRED");
}

#[tokio::test(flavor = "multi_thread")]
async fn parameters_that_are_not_acceptable() {
    let server = Server::start(Backend::Memory).await;
    let a = server.client("a").await;
    let id = a.session("PRIVATE").await;
    let path = format!("/sessions/{id}/events");
    for (query, status, code) in [
        ("after=x", 400, "VALIDATION_INVALID_FORMAT"),
        ("after=-1", 422, "VALIDATION_INVALID_VALUE"),
        ("after=2", 410, "RESYNC"),
        ("after=2&wait=60", 410, "RESYNC"),
        ("limit=x", 400, "VALIDATION_INVALID_FORMAT"),
        ("limit=0", 422, "VALIDATION_INVALID_VALUE"),
        ("limit=101", 422, "VALIDATION_INVALID_VALUE"),
        ("wait=x", 400, "VALIDATION_INVALID_FORMAT"),
        ("wait=-1", 422, "VALIDATION_INVALID_VALUE"),
        ("wait=61", 422, "VALIDATION_INVALID_VALUE"),
        ("after=1&limit=0&wait=60", 422, "VALIDATION_INVALID_VALUE"),
    ] {
        a.get(&format!("{path}?{query}")).await.problem(status, code);
    }
    let gone = a.send(a.stream_of(&id, "?after=2")).await.problem(410, "RESYNC");
    assert_eq!(gone["details"], json!({ "oldest": 0, "head": 1 }));
    a.send(a.stream_of(&id, "?after=-1")).await.problem(422, "VALIDATION_INVALID_VALUE");
    let last = |id: &str| a.stream_of(id, "?after=0");
    a.send(last(&id).header("Last-Event-ID", "x")).await.problem(400, "VALIDATION_INVALID_FORMAT");
    a.send(last(&id).header("Last-Event-ID", "-1")).await.problem(400, "VALIDATION_INVALID_FORMAT");
    a.send(last(&id).header("Last-Event-ID", "2")).await.problem(410, "RESYNC");
    let twice = last(&id).header("Last-Event-ID", "1").header("Last-Event-ID", "0");
    a.send(twice).await.problem(400, "VALIDATION_INVALID_FORMAT");
    a.send(last("1")).await.problem(400, "VALIDATION_INVALID_FORMAT");
    Events::open(last(&id).header("Last-Event-ID", "")).await.unwrap().expect("session_created").await;
    a.post(&path, json!({})).await.problem(405, "METHOD_NOT_ALLOWED");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_says_where_it_begins_and_that_it_is_there() {
    let options = Options { heartbeat: Duration::from_millis(50), ..Options::default() };
    let server = Server::start_with(Backend::Memory, Limits::default(), options).await;
    let a = server.client("a").await;
    let id = a.session("PRIVATE").await;
    let response = a.stream_of(&id, "").send().await.unwrap();
    for (name, value) in [("cache-control", "no-store"), ("x-accel-buffering", "no"), ("vary", "Accept")] {
        assert_eq!(response.headers()[name], value);
    }
    let (mut bytes, mut text) = (response.bytes_stream(), String::new());
    while !text.ends_with("\n:\n\n") {
        text += std::str::from_utf8(&bytes.next().await.unwrap().unwrap()).unwrap();
    }
    assert!(text.starts_with("retry: 2000\n\nid: 1-"), "{text}");
    assert_eq!(text.split("\n\n").nth(2), Some(":"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_and_waits_end_with_their_token() {
    let server = Server::start(Backend::Memory).await;
    let id = server.client("a").await.session("PRIVATE").await;
    let short = server.stranger().with_token(token_with(Claims { sub: "a".into(), ..Claims::default() }, 12));
    let mut stream = stream(&short, &id, "").await;
    let reply = short.get(&format!("/sessions/{id}/events?after=1&wait=60")).await;
    reply.problem(401, "AUTH_TOKEN_EXPIRED");
    let data = stream.expect("error").await["data"].clone();
    assert_eq!((&data["code"], &data["session_id"]), (&json!("AUTH_TOKEN_EXPIRED"), &json!(id)));
    assert!(data["message"].is_string() && data["details"].is_object(), "{data}");
    stream.ended().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_and_waits_end_with_the_server() {
    let mut server = Server::start(Backend::Memory).await;
    let a = server.client("a").await;
    let id = a.session("PRIVATE").await;
    let mut stream = stream(&a, &id, "?after=0").await;
    stream.expect("session_created").await;
    let asking = waiting(&server, &a, format!("/sessions/{id}/events?after=1&wait=60")).await;
    server.stop().await;
    stream.ended().await;
    assert_eq!(names(asking.await.unwrap()).0, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_and_waits_are_counted_with_the_sockets() {
    let options = Options { sockets_per_user: 3, sockets: 4, ..Options::default() };
    let server = Server::start_with(Backend::Memory, Limits::default(), options).await;
    let (a, b) = (server.client("a").await, server.client("b").await);
    let id = a.session("PUBLIC").await;
    let path = format!("/sessions/{id}/events");
    b.post(&format!("/sessions/{id}/join"), json!({})).await.expect(200);
    let mut streamed = stream(&a, &id, "?after=0").await;
    streamed.expect("session_created").await;
    let asking = waiting(&server, &a, format!("{path}?after=2&wait=60")).await;
    let socket = server.socket("a").await;
    // One user's are taken, whichever they are; what does not last is not concerned.
    a.send(a.stream_of(&id, "")).await.problem(429, "CONNECTION_LIMIT_EXCEEDED");
    a.get(&format!("{path}?after=2&wait=60")).await.problem(429, "CONNECTION_LIMIT_EXCEEDED");
    let refused = Socket::try_open(&server.address, "", Some(&token("a")), None).await.err().unwrap();
    assert_eq!(refused, (429, "CONNECTION_LIMIT_EXCEEDED".to_owned()));
    a.get(&path).await.expect(200);
    // And then all of them.
    let other = stream(&b, &id, "").await;
    b.send(b.stream_of(&id, "")).await.problem(429, "CONNECTION_LIMIT_EXCEEDED");

    // Who goes away gives their place back, however they were there.
    assert_eq!(server.open_sockets(), 4);
    drop(streamed);
    until(&server, 3).await;
    asking.abort();
    until(&server, 2).await;
    socket.cut();
    drop(other);
    until(&server, 0).await;
    // Whether there is a stream can be asked without having it.
    let head = a.request(Method::HEAD, &path).header("Accept", "text/event-stream");
    assert_eq!(head.send().await.unwrap().status(), 200);
    until(&server, 0).await;
    for _ in 0..3 {
        stream(&a, &id, "?after=0").await.expect("session_created").await;
        until(&server, 0).await;
    }
}

/// A database is replaced by an older copy of itself: live readers on every transport are told, and so is each that comes back with a
/// cursor of the lost history, although the position exists again.
#[tokio::test(flavor = "multi_thread")]
async fn a_replaced_database_is_noticed_on_every_transport() {
    let store = Copied::new();
    let mut server = Server::over(chatcore::Chat::new(store.clone())).await;
    let (a, b) = (server.client("a").await, server.client("b").await);
    let id = a.session("PUBLIC").await;
    b.post(&format!("/sessions/{id}/join"), json!({})).await.expect(200);
    let copy = store.freeze();
    a.say(&id, "lost").await;
    a.say(&id, "lost, too").await;
    let lost = b.get(&format!("/sessions/{id}")).await.expect(200)["cursor"].as_str().unwrap().to_owned();
    assert!(lost.starts_with("4-"), "{lost}");

    let mut socket = server.socket("b").await;
    assert_eq!(socket.ask("join_session", json!({ "session_id": id, "after": lost })).await["cursor"], lost);
    let mut stream = stream(&b, &id, &format!("?after={lost}")).await;
    let query =
        "subscription ($id: ID!, $cursor: String) { sessionEvents(sessionId: $id, cursor: $cursor) { __typename } }";
    let variables = json!({ "id": id, "cursor": lost });
    let mut graphql = server.graphql_socket("b").await;
    graphql.subscribe("1", query, variables.clone()).await;
    graphql.next("1").await;
    let asking = waiting(&server, &b, format!("/sessions/{id}/events?after={lost}&wait=60")).await;

    store.replace(copy);
    let frame = socket.event().await;
    assert_eq!((&frame["data"]["code"], &frame["data"]["session_id"]), (&json!("RESYNC"), &json!(id)), "{frame}");
    assert_eq!(frame["data"]["details"], json!({ "oldest": 0, "head": 2 }));
    assert_eq!(stream.expect("error").await["data"]["code"], "RESYNC");
    stream.ended().await;
    let told = graphql.message().await;
    assert_eq!(told["payload"]["errors"][0]["extensions"]["code"], "RESYNC", "{told}");
    graphql.completed("1").await;
    asking.await.unwrap().problem(410, "RESYNC");

    // The new history reaches the position of the lost one, and passes it.
    for text in ["instead", "instead, too", "more"] {
        a.say(&id, text).await;
    }
    let answer = socket.ask("join_session", json!({ "session_id": id, "after": lost })).await;
    assert_eq!(answer["data"]["code"], "RESYNC", "{answer}");
    let path = format!("/sessions/{id}/events");
    for query in [format!("?after={lost}"), format!("?after={lost}&wait=60")] {
        b.get(&format!("{path}{query}")).await.problem(410, "RESYNC");
    }
    for query in [format!("?after={lost}"), format!("?before={lost}"), format!("?after={lost}&limit=1")] {
        b.get(&format!("/sessions/{id}/messages{query}")).await.problem(410, "RESYNC");
    }
    let page = b.get(&format!("/sessions/{id}/messages?limit=1")).await;
    let kept = page.headers["link"].to_str().unwrap().trim_start_matches("<?").split('>').next().unwrap().to_owned();
    assert_eq!(b.get(&format!("/sessions/{id}/messages?{kept}")).await.expect(200)[0]["content"], "instead, too");
    b.send(b.stream_of(&id, &format!("?after={lost}"))).await.problem(410, "RESYNC");
    b.send(b.stream_of(&id, "").header("Last-Event-ID", &lost)).await.problem(410, "RESYNC");
    let token = token("b");
    let (status, code) =
        Socket::try_open(&server.address, &format!("?session_id={id}&after={lost}"), Some(&token), None)
            .await
            .err()
            .unwrap();
    assert_eq!((status, code.as_str()), (410, "RESYNC"));
    graphql.subscribe("2", query, variables).await;
    let told = graphql.message().await;
    assert!(told["payload"].to_string().contains("\"RESYNC\""), "{told}");
    for list in [
        "events(sessionId: $id, after: $at)",
        "messages(sessionId: $id, after: $at)",
        "messages(sessionId: $id, before: $at)",
    ] {
        let query = format!("query ($id: ID!, $at: String) {{ {list} {{ nodes {{ __typename }} }} }}");
        let answer = server.graphql("b").ask(&query, json!({ "id": id, "at": lost })).await;
        assert_eq!(answer.body["errors"][0]["extensions"]["code"], "RESYNC", "{list}");
    }

    // A cursor of what both histories have, and a position alone, go on.
    let second = b.get(&format!("{path}?after=1&limit=1")).await.expect(200)["events"][0]["cursor"].clone();
    for after in [second, json!(2), json!("2")] {
        assert_eq!(socket.ask("join_session", json!({ "session_id": id, "after": after })).await["seq"], 2, "{after}");
        for seq in 3..=5 {
            assert_eq!(socket.event().await["seq"], seq, "{after}");
        }
        socket.ask("leave_session", json!({ "session_id": id })).await;
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cursors_that_are_none() {
    let server = Server::start(Backend::Memory).await;
    let a = server.client("a").await;
    let id = a.session("PRIVATE").await;
    let mut socket = server.socket("a").await;
    for bad in ["", "x", "1-", "1-x", "-", "1-A", "1-1-1", "1 ", "+1", "1.0", "99999999999999999999"] {
        let escaped = bad.replace(' ', "%20").replace('+', "%2B");
        a.get(&format!("/sessions/{id}/events?after={escaped}")).await.problem(400, "VALIDATION_INVALID_FORMAT");
        let answer = socket.ask("join_session", json!({ "session_id": id, "after": bad })).await;
        assert_eq!(answer["data"]["code"], "VALIDATION_INVALID_VALUE", "{bad}: {answer}");
        assert_eq!(answer["data"]["details"]["fields"][0]["field"], "data.after", "{bad}: {answer}");
        let query = "query ($id: ID!, $after: String) { events(sessionId: $id, after: $after) { head } }";
        let answer = server.graphql("a").ask(query, json!({ "id": id, "after": bad })).await;
        assert_eq!(answer.body["errors"][0]["extensions"]["code"], "VALIDATION_INVALID_FORMAT", "{bad}");
    }
    // Epochs that no event has.
    for strange in ["1-0", "1-ffffffffffffffff"] {
        a.get(&format!("/sessions/{id}/events?after={strange}")).await.problem(410, "RESYNC");
    }
}
