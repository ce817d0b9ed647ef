//! Bots over every transport: what a token is good for, when it ends, and which commands reach a bot.

use chatcore_tests::{
    Client, Events, Graphql, GraphqlEvents, GraphqlSocket, Reply, Server, Socket,
    graphql::{Answer, codes},
    on_every_store,
};
use serde_json::{Value, json};

const SEND: &str = "mutation($id: ID!) { sendMessage(input: {sessionId: $id, content: \"hi\"}) { message { id } } }";
const VIEW: &str = "query($id: ID!) { session(id: $id) { id } }";
const EVENTS: &str = "subscription($id: ID!) { sessionEvents(sessionId: $id) { __typename } }";

/// A bot of a user.
async fn bot(owner: &Client) -> String {
    owner.post("/bots", json!({ "name": "A bot" })).await.expect(201)["id"].as_str().unwrap().to_owned()
}

/// A new token of a bot, with its id.
async fn token(owner: &Client, bot: &str, new: Value) -> (String, String) {
    let created = owner.post(&format!("/bots/{bot}/tokens"), new).await.expect(201);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    (text(&created["secret"]), text(&created["token"]["id"]))
}

async fn add(owner: &Client, session: &str, user: &str) {
    owner.post(&format!("/sessions/{session}/participants"), json!({ "user_id": user })).await.expect(201);
}

fn code(frame: &Value) -> &str {
    frame["data"]["code"].as_str().unwrap_or_else(|| panic!("{frame}"))
}

/// What each transport says of a session to a token: the codes of a look, of a message and of a subscription.
async fn told(server: &Server, token: &str, session: &str) -> Vec<[String; 3]> {
    let rest = server.stranger().with_token(token);
    let of = |reply: Reply| match reply.status {
        200..300 => "OK".to_owned(),
        _ => reply.body["code"].as_str().unwrap().to_owned(),
    };
    let path = format!("/sessions/{session}");
    let looked = of(rest.get(&path).await);
    let sent = of(rest.post(&format!("{path}/messages"), json!({ "content": "hi" })).await);
    let followed = of(rest.get(&format!("{path}/events")).await);
    let by_rest = [looked, sent, followed];

    let graphql = Graphql::new(&server.address, Some(token.to_owned()));
    let code_of = |errors: &Value| errors[0]["extensions"]["code"].as_str().unwrap_or("OK").to_owned();
    let first = |answer: Answer| code_of(&answer.body["errors"]);
    let looked = first(graphql.ask(VIEW, json!({ "id": session })).await);
    let sent = first(graphql.ask(SEND, json!({ "id": session })).await);
    let mut stream = GraphqlEvents::open(graphql.stream(EVENTS, json!({ "id": session }))).await.unwrap();
    let begun = stream.next().await.unwrap();
    let followed = code_of(&begun["errors"]);
    let by_graphql = [looked.clone(), sent, followed];

    let mut socket = Socket::open(&server.address, "", Some(token)).await;
    let ask = |frame: Value| if frame["event"] == "ack" { "OK".to_owned() } else { code(&frame).to_owned() };
    let sent = ask(socket.ask("send_message", json!({ "session_id": session, "content": "hi" })).await);
    let followed = ask(socket.ask("join_session", json!({ "session_id": session })).await);
    vec![by_rest, by_graphql, [looked, sent, followed]]
}

on_every_store! {
    async fn a_scope_holds_on_every_transport(server) {
        let a = server.client("a").await;
        let (here, there, hidden) =
            (a.session("INVITE_ONLY").await, a.session("INVITE_ONLY").await, a.session("INVITE_ONLY").await);
        let id = bot(&a).await;
        for session in [&here, &there] {
            add(&a, session, &id).await;
        }
        let (whole, _) = token(&a, &id, json!({ "name": "whole" })).await;
        let (in_here, _) = token(&a, &id, json!({ "name": "here", "sessions": [here] })).await;
        let (reader, _) = token(&a, &id, json!({ "name": "reader", "actions": ["VIEW"] })).await;
        let (sender, _) = token(&a, &id, json!({ "name": "sender", "actions": ["SEND"], "sessions": [here] })).await;
        let (ok, out, no) = ("OK", "OUT_OF_SCOPE", "SESSION_NOT_FOUND");
        for (token, session, expected) in [
            (&whole, &there, [ok, ok, ok]),
            (&in_here, &here, [ok, ok, ok]),
            (&in_here, &there, [out, out, out]),
            (&in_here, &hidden, [no, no, no]),
            (&reader, &there, [ok, out, ok]),
            (&reader, &hidden, [no, no, no]),
            (&sender, &here, [out, ok, out]),
            (&sender, &there, [out, out, out]),
        ] {
            for answers in told(&server, token, session).await {
                assert_eq!(answers, expected.map(str::to_owned));
            }
        }
        let scoped = server.stranger().with_token(&*in_here);
        let sessions = scoped.get("/sessions").await.expect(200);
        assert_eq!(sessions.as_array().unwrap().iter().map(|one| &one["id"]).collect::<Vec<_>>(), [&json!(here)]);
        scoped.post("/sessions", json!({ "title": "x" })).await.problem(403, "OUT_OF_SCOPE");
        scoped.get("/bots").await.problem(403, "OUT_OF_SCOPE");
        scoped.get("/blocks").await.problem(403, "OUT_OF_SCOPE");
        scoped.put("/bots/me/commands", json!({ "commands": [] })).await.problem(403, "OUT_OF_SCOPE");
    }

    async fn a_revoked_token_ends_everything_that_is_open(server) {
        let a = server.client("a").await;
        let session = a.session("INVITE_ONLY").await;
        let id = bot(&a).await;
        add(&a, &session, &id).await;
        let (text, token_id) = token(&a, &id, json!({ "name": "one", "sessions": [session] })).await;
        let client = server.stranger().with_token(&*text);
        let mut stream = Events::open(client.stream_of(&session, "")).await.unwrap();
        let mut socket = Socket::open(&server.address, "", Some(&text)).await;
        socket.join(&session, None).await;
        let mut graphql = GraphqlSocket::admitted(&server.address, &text).await;
        graphql.subscribe("one", EVENTS, json!({ "id": session })).await;
        graphql.next("one").await;
        a.say(&session, "before").await;
        stream.expect("message_received").await;
        socket.expect("message_received").await;
        graphql.next("one").await;
        a.delete(&format!("/bots/{id}/tokens/{token_id}")).await.expect(204);
        a.say(&session, "after").await;
        let ended = stream.next().await;
        assert_eq!((&ended["event"], code(&ended)), (&json!("error"), "AUTH_TOKEN_INVALID"));
        while let Some(frame) = socket.received().await {
            assert_ne!(frame["data"]["message"]["content"], "after", "{frame}");
        }
        assert_eq!(graphql.closed().await, (4403, "AUTH_TOKEN_INVALID".to_owned()));
        client.get(&format!("/sessions/{session}")).await.problem(401, "AUTH_TOKEN_INVALID");
        let answer = Graphql::new(&server.address, Some(text)).ask(VIEW, json!({ "id": session })).await;
        answer.refused(401, "AUTH_TOKEN_INVALID");
        a.delete(&format!("/bots/{id}/tokens/{token_id}")).await.problem(404, "BOT_TOKEN_NOT_FOUND");
        // A token that there never was looks the same.
        server.stranger().with_token("cbot_wrong").get("/sessions").await.problem(401, "AUTH_TOKEN_INVALID");
    }

    async fn limits_and_owners_of_bots(server) {
        let (a, b) = (server.client("a").await, server.client("b").await);
        let id = bot(&a).await;
        for n in 0..10 {
            token(&a, &id, json!({ "name": format!("{n}") })).await;
        }
        let path = format!("/bots/{id}/tokens");
        a.post(&path, json!({ "name": "11th" })).await.problem(422, "RESOURCE_LIMIT_EXCEEDED");
        assert_eq!(a.get(&path).await.expect(200).as_array().unwrap().len(), 10);
        for _ in 1..20 {
            bot(&a).await;
        }
        a.post("/bots", json!({ "name": "21st" })).await.problem(422, "RESOURCE_LIMIT_EXCEEDED");
        b.get(&path).await.problem(404, "BOT_NOT_FOUND");
        b.post(&path, json!({ "name": "mine" })).await.problem(404, "BOT_NOT_FOUND");
        b.delete(&format!("/bots/{id}")).await.problem(404, "BOT_NOT_FOUND");
        a.delete(&format!("/bots/{id}")).await.expect(204);
        a.delete(&format!("/bots/{id}")).await.problem(404, "BOT_NOT_FOUND");
        for body in [json!({}), json!({ "name": 5 }), json!({ "name": "" }), json!({ "name": "x", "owner": "b" })] {
            let refused = a.post("/bots", body).await;
            assert_eq!(refused.status, 422, "{:#}", refused.body);
        }
    }

    async fn commands_reach_the_bot_that_they_name(server) {
        let (a, b) = (server.client("a").await, server.client("b").await);
        let session = a.session("INVITE_ONLY").await;
        add(&a, &session, "b").await;
        let mut bots = Vec::new();
        for _ in 0..2 {
            let id = bot(&a).await;
            let (text, _) = token(&a, &id, json!({ "name": "one" })).await;
            let client = server.stranger().with_token(text);
            let offered = json!({ "commands": [{ "name": "deploy", "description": "Deploys" }] });
            client.put("/bots/me/commands", offered).await.expect(200);
            bots.push((id, client));
        }
        b.put("/bots/me/commands", json!({ "commands": [] })).await.problem(403, "BOT_REQUIRED");
        let path = format!("/sessions/{session}/commands");
        let invoke = json!({ "name": "deploy", "arguments": "api" });
        b.post(&path, invoke.clone()).await.problem(404, "COMMAND_NOT_FOUND");
        add(&a, &session, &bots[0].0).await;
        let mut socket = Socket::open(&server.address, "", bots[0].1.token()).await;
        socket.join(&session, None).await;
        let sent = b.post(&path, invoke.clone()).await.expect(201);
        let command = json!({ "name": "deploy", "bot_id": bots[0].0 });
        assert_eq!((&sent["content"], &sent["command"]), (&json!("/deploy api"), &command));
        assert_eq!(socket.expect("message_received").await["data"]["message"]["command"], command);
        add(&a, &session, &bots[1].0).await;
        // Events and messages tell a bot from a person.
        let came = socket.expect("user_joined").await["data"]["user"].clone();
        assert_eq!((&came["id"], &came["is_bot"]), (&json!(bots[1].0), &json!(true)));
        let path_of_messages = format!("/sessions/{session}/messages");
        let answered = bots[1].1.post(&path_of_messages, json!({ "content": "Done" })).await.expect(201);
        assert_eq!((&answered["is_bot"], &sent["is_bot"]), (&json!(true), &json!(false)));
        assert_eq!(socket.expect("message_received").await["data"]["message"]["is_bot"], json!(true));
        let ambiguous = b.post(&path, invoke.clone()).await.problem(409, "COMMAND_AMBIGUOUS");
        let mut ids: Vec<&str> = bots.iter().map(|(id, _)| id.as_str()).collect();
        ids.sort_unstable();
        assert_eq!(ambiguous["details"]["bot_ids"], json!(ids));
        let mut by_socket = server.socket("b").await;
        let mut data = invoke.clone();
        data["session_id"] = json!(session);
        let refused = by_socket.ask("invoke_command", data.clone()).await;
        assert_eq!((code(&refused), &refused["data"]["details"]["bot_ids"]), ("COMMAND_AMBIGUOUS", &json!(ids)));
        data["bot_id"] = json!(bots[1].0);
        let done = by_socket.ask("invoke_command", data).await;
        assert_eq!(done["data"]["message"]["command"]["bot_id"], json!(bots[1].0), "{done}");
        let mutation = "mutation($input: InvokeCommandInput!) {
            invokeCommand(input: $input) { message { content command { name botId } } } }";
        let input = |bot: Value| json!({ "input": { "sessionId": session, "name": "deploy", "botId": bot } });
        let graphql = server.graphql("b");
        let refused = graphql.ask(mutation, input(Value::Null)).await;
        assert_eq!(codes(&refused.body["errors"]), ["COMMAND_AMBIGUOUS"]);
        let done = graphql.data(mutation, input(json!(bots[0].0))).await;
        assert_eq!(done["invokeCommand"]["message"]["command"]["botId"], json!(bots[0].0));
        a.delete(&format!("/sessions/{session}/participants/{}", bots[0].0)).await.expect(200);
        let gone = json!({ "name": "deploy", "bot_id": bots[0].0 });
        b.post(&path, gone).await.problem(404, "COMMAND_NOT_FOUND");
        let left = b.get(&path).await.expect(200);
        assert_eq!(left.as_array().unwrap().len(), 1);
        assert_eq!((&left[0]["name"], &left[0]["bot_id"]), (&json!("deploy"), &json!(bots[1].0)));
        let people = b.get(&format!("/sessions/{session}/participants")).await.expect(200);
        let is_bot: Vec<&Value> = people.as_array().unwrap().iter().map(|one| &one["is_bot"]).collect();
        assert_eq!(is_bot, [&json!(false), &json!(false), &json!(true)]);
    }
}
