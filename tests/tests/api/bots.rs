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

/// The code of an answer of REST.
fn of_reply(reply: &Reply) -> String {
    match reply.status {
        200..300 => "OK".to_owned(),
        _ => reply.body["code"].as_str().unwrap_or_else(|| panic!("{:#}", reply.body)).to_owned(),
    }
}

/// The code of errors of GraphQL.
fn of_errors(errors: &Value) -> String {
    errors[0]["extensions"]["code"].as_str().unwrap_or("OK").to_owned()
}

/// The code of an answer to a frame.
fn of_frame(frame: &Value) -> String {
    if frame["event"] == "ack" { "OK".to_owned() } else { code(frame).to_owned() }
}

/// The code of the first result of an operation, which the socket goes on with where it is a subscription.
async fn of_operation(socket: &mut GraphqlSocket, document: &str, variables: Value) -> String {
    socket.subscribe("one", document, variables).await;
    let message = socket.message().await;
    match message["type"].as_str() {
        Some("next") => {
            if !document.starts_with("subscription") {
                socket.completed("one").await;
            }
            of_errors(&message["payload"]["errors"])
        }
        Some("error") => of_errors(&message["payload"]),
        _ => panic!("{message}"),
    }
}

/// What each transport says of a session to a token: the codes of a look, of a message and of a subscription.
async fn told(server: &Server, token: &str, session: &str) -> Vec<[String; 3]> {
    let rest = server.stranger().with_token(token);
    let path = format!("/sessions/{session}");
    let looked = of_reply(&rest.get(&path).await);
    let sent = of_reply(&rest.post(&format!("{path}/messages"), json!({ "content": "hi" })).await);
    let read = of_reply(&rest.get(&format!("{path}/events")).await);
    let waited = of_reply(&rest.get(&format!("{path}/events?after=0&wait=60")).await);
    let streamed = match Events::open(rest.stream_of(session, "")).await {
        Ok(_) => "OK".to_owned(),
        Err(_) => of_reply(&rest.send(rest.stream_of(session, "")).await),
    };
    let mut all = [read, waited, streamed].map(|followed| [looked.clone(), sent.clone(), followed]).to_vec();

    let graphql = Graphql::new(&server.address, Some(token.to_owned()));
    let id = || json!({ "id": session });
    let first = |answer: Answer| of_errors(&answer.body["errors"]);
    let looked = first(graphql.ask(VIEW, id()).await);
    let sent = first(graphql.ask(SEND, id()).await);
    let mut stream = GraphqlEvents::open(graphql.stream(EVENTS, id())).await.unwrap();
    let begun = stream.next().await.unwrap();
    let followed = of_errors(&begun["errors"]);
    all.push([looked, sent, followed]);
    let mut by_socket = Vec::new();
    let mut socket = GraphqlSocket::admitted(&server.address, token).await;
    // What follows the session comes last: the socket goes on with it.
    for document in [VIEW, SEND, EVENTS] {
        by_socket.push(of_operation(&mut socket, document, id()).await);
    }
    all.push(by_socket.try_into().unwrap());

    let mut socket = Socket::open(&server.address, "", Some(token)).await;
    let sent = of_frame(&socket.ask("send_message", json!({ "session_id": session, "content": "hi" })).await);
    let followed = of_frame(&socket.ask("join_session", json!({ "session_id": session })).await);
    // No frame looks at a session.
    let looked = all[0][0].clone();
    all.push([looked, sent, followed]);
    all
}

/// What can be done upon a message, or beside it.
struct Deed {
    /// The name of its action in a scope.
    action: &'static str,
    /// The method, the path and the body.
    rest: [&'static str; 3],
    mutation: &'static str,
    /// The name and the data, where there is such a frame.
    frame: Option<[&'static str; 2]>,
}

const DEEDS: [Deed; 7] = [
    Deed {
        action: "SEND",
        rest: ["POST", "/messages", r#"{ "content": "hi" }"#],
        mutation: r#"sendMessage(input: { sessionId: $session, content: "hi" }) { message { id } }"#,
        frame: Some(["send_message", r#"{ "session_id": "{session}", "content": "hi" }"#]),
    },
    Deed {
        action: "EDIT_MESSAGE",
        rest: ["PUT", "/messages/{message}", r#"{ "content": "edited" }"#],
        mutation: r#"editMessage(input: { messageId: $message, content: "edited" }) { message { id } }"#,
        frame: Some(["edit_message", r#"{ "message_id": "{message}", "content": "edited" }"#]),
    },
    Deed {
        action: "PIN_MESSAGE",
        rest: ["PUT", "/messages/{message}/pin", "null"],
        mutation: "pinMessage(input: { messageId: $message }) { messageId }",
        frame: Some(["pin_message", r#"{ "message_id": "{message}" }"#]),
    },
    Deed {
        action: "REACT",
        rest: ["PUT", "/messages/{message}/reactions/%F0%9F%91%8D", "null"],
        mutation: "addReaction(input: { messageId: $message, emoji: \"\u{1f44d}\" }) { messageId }",
        frame: Some(["add_reaction", "{ \"message_id\": \"{message}\", \"emoji\": \"\u{1f44d}\" }"]),
    },
    Deed {
        action: "MANAGE_EMOJIS",
        rest: ["PUT", "/emojis/party", "{}"],
        mutation: r#"addEmoji(input: { sessionId: $session, name: "party" }) { sessionId }"#,
        frame: None,
    },
    Deed {
        action: "INVITE",
        rest: ["POST", "/participants", r#"{ "user_id": "{user}" }"#],
        mutation: "addParticipant(input: { sessionId: $session, userId: $user }) { participant { id } }",
        frame: None,
    },
    Deed {
        action: "DELETE_OWN_MESSAGE",
        rest: ["DELETE", "/messages/{message}", "null"],
        mutation: "deleteMessage(input: { messageId: $message }) { message { id } }",
        frame: Some(["delete_message", r#"{ "message_id": "{message}" }"#]),
    },
];

/// What a deed is done upon.
struct Upon<'a> {
    session: &'a str,
    message: String,
    user: String,
}

impl Upon<'_> {
    fn fill(&self, text: &str) -> String {
        let Self { session, message, user } = self;
        text.replace("{session}", session).replace("{message}", message).replace("{user}", user)
    }

    fn json(&self, text: &str) -> Value {
        serde_json::from_str(&self.fill(text)).unwrap()
    }

    /// A document of a mutation, and its variables.
    fn document(&self, mutation: &str) -> (String, Value) {
        let Self { session, message, user } = self;
        let variables = json!({ "session": session, "message": message, "user": user });
        let used = ["$session", "$message", "$user"].into_iter().filter(|name| mutation.contains(*name));
        let declared = used.map(|name| format!("{name}: ID!")).collect::<Vec<_>>().join(", ");
        (format!("mutation({declared}) {{ {mutation} }}"), variables)
    }
}

/// A token at each transport.
struct Ways {
    rest: Client,
    graphql: Graphql,
    graphql_socket: GraphqlSocket,
    socket: Socket,
}

impl Ways {
    async fn of(server: &Server, token: &str) -> Self {
        Self {
            rest: server.stranger().with_token(token),
            graphql: Graphql::new(&server.address, Some(token.to_owned())),
            graphql_socket: GraphqlSocket::admitted(&server.address, token).await,
            socket: Socket::open(&server.address, "", Some(token)).await,
        }
    }

    /// Does something by the transport of this number; `None` where that transport does not express it.
    async fn act(&mut self, way: usize, deed: &Deed, upon: &Upon<'_>) -> Option<String> {
        let (document, variables) = upon.document(deed.mutation);
        Some(match way {
            0 => {
                let [method, path, body] = deed.rest;
                let path = format!("/sessions/{}{}", upon.session, upon.fill(path));
                let request = self.rest.request(method.parse().unwrap(), &path);
                let body = upon.json(body);
                of_reply(&self.rest.send(if body.is_null() { request } else { request.json(&body) }).await)
            }
            1 => of_errors(&self.graphql.ask(&document, variables).await.body["errors"]),
            2 => of_operation(&mut self.graphql_socket, &document, variables).await,
            _ => {
                let [event, data] = deed.frame?;
                of_frame(&self.socket.ask(event, upon.json(data)).await)
            }
        })
    }
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

    async fn each_action_needs_its_place_in_the_scope_on_every_transport(server) {
        let a = server.client("a").await;
        let session = a.session("INVITE_ONLY").await;
        let id = bot(&a).await;
        add(&a, &session, &id).await;
        a.put(&format!("/sessions/{session}/participants/{id}/role"), json!({ "role": "ADMIN" })).await.expect(200);
        let (text, _) = token(&a, &id, json!({ "name": "whole" })).await;
        let whole = server.stranger().with_token(text);
        let mut users = 0;
        for Deed { action: named, .. } in &DEEDS {
            let (text, _) = token(&a, &id, json!({ "name": named, "actions": [named] })).await;
            let mut ways = Ways::of(&server, &text).await;
            let before = a.get(&format!("/sessions/{session}")).await.expect(200)["seq"].as_u64().unwrap();
            let mut steps = 0;
            for deed in &DEEDS {
                for way in 0..4 {
                    // Each attempt is upon a message and a user of its own.
                    let message = whole.say(&session, "upon this").await["id"].as_str().unwrap().to_owned();
                    let user = format!("user{users}");
                    if deed.action == "INVITE" {
                        server.client(&user).await;
                        users += 1;
                    }
                    let upon = Upon { session: &session, message, user };
                    let told = ways.act(way, deed, &upon).await;
                    let expected = if deed.action == *named { "OK" } else { "OUT_OF_SCOPE" };
                    let place = || format!("{} by transport {way} with a token for {named}", deed.action);
                    assert!(told.as_deref().is_none_or(|told| told == expected), "{}: {told:?}", place());
                    // The message, and what was allowed.
                    steps += 1 + u64::from(told.is_some_and(|told| told == "OK"));
                }
            }
            let after = a.get(&format!("/sessions/{session}")).await.expect(200)["seq"].as_u64().unwrap();
            // An emoji that is there already is not added again.
            let again = if *named == "MANAGE_EMOJIS" { 2 } else { 0 };
            assert_eq!(after - before, steps - again, "something out of the scope for {named} was done");
        }
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
