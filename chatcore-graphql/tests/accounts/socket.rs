//! The same table over graphql-transport-ws. A socket has a user, so what needs no token is asked by a bystander.

use std::{net::SocketAddr, time::Duration};

use chatcore::{
    accounts::{Client, Register},
    chat::BanAccount,
    model::UserId,
};
use chatcore_http::{ServeOptions, TrustedProxies};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Message, client::IntoClientRequest as _},
};

use super::*;

/// A server that hangs is noticed, also on a slow machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// The mutations that need no token.
const OPEN: [&str; 7] =
    ["register", "logIn", "refresh", "verifyEmail", "requestPasswordReset", "resetPassword", "postToIncomingWebhook"];

/// A server whose clients open a socket for each operation.
#[derive(Clone)]
pub(super) struct Wired {
    address: SocketAddr,
    bystander: String,
    /// Behind a proxy, the address of the client.
    client: &'static str,
}

impl Wired {
    async fn new(world: &World) -> Self {
        Self::over(world, schema_with_accounts(world.accounts.clone(), SchemaOptions::default())).await
    }

    pub(super) async fn over(world: &World, schema: chatcore_graphql::ChatSchema) -> Self {
        let new = Register::new("bystander", "bystander@example.org", PASSWORD);
        let bystander = world.accounts.register(&Client::default(), new).await.unwrap();
        world.code().await;
        let trusted_proxies = TrustedProxies::listed(&["127.0.0.1"]).unwrap();
        let address = ends::served_with(world, schema, ServeOptions { trusted_proxies, ..Default::default() }).await;
        Self { address, bystander: bystander.tokens.access_token, client: "192.0.2.1" }
    }
}

pub(super) type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// The next message, or the reason for which the server closed the socket.
async fn next(socket: &mut Socket) -> Result<Value, String> {
    // Pings come for ever.
    let message = async {
        loop {
            match socket.next().await {
                Some(Ok(Message::Text(text))) => {
                    assert!(!text.contains("730411"), "{text}");
                    return Ok(serde_json::from_str(&text).unwrap());
                }
                Some(Ok(Message::Close(Some(frame)))) => return Err(frame.reason.as_str().to_owned()),
                Some(Ok(Message::Ping(_))) => {}
                other => panic!("{other:?}"),
            }
        }
    };
    timeout(PATIENCE, message).await.unwrap()
}

impl Wired {
    /// A socket of the caller with this token, or the reason for which the server closed it.
    pub(super) async fn admitted(&self, token: Option<&str>) -> Result<Socket, String> {
        let mut request = format!("ws://{}/graphql", self.address).into_client_request().unwrap();
        request.headers_mut().append("Sec-WebSocket-Protocol", "graphql-transport-ws".parse().unwrap());
        request.headers_mut().append("X-Forwarded-For", self.client.parse().unwrap());
        let mut socket = connect_async(request).await.unwrap().0;
        let payload = token.map_or(json!({}), |token| json!({ "token": token }));
        socket.send(Message::text(json!({ "type": "connection_init", "payload": payload }).to_string())).await.unwrap();
        assert_eq!(next(&mut socket).await?["type"], "connection_ack");
        Ok(socket)
    }
}

/// The first message of an operation, or the reason for which the server closed the socket.
pub(super) async fn ask(socket: &mut Socket, query: &str, variables: Value) -> Result<Value, String> {
    let payload = json!({ "query": query, "variables": variables });
    let subscribe = json!({ "type": "subscribe", "id": "1", "payload": payload });
    socket.send(Message::text(subscribe.to_string())).await.unwrap();
    next(socket).await
}

impl Face for Wired {
    async fn call(&self, operation: &str, token: Option<&str>, input: Value) -> Answer {
        let closed =
            |reason: String| Answer { told: reason.clone(), code: Some(reason), body: Value::Null, retry_after: None };
        let token = token.or_else(|| OPEN.contains(&operation).then_some(self.bystander.as_str()));
        let mut socket = match self.admitted(token).await {
            Ok(socket) => socket,
            Err(reason) => return closed(reason),
        };
        let (field, query) = document(operation);
        let answer = match ask(&mut socket, &query, variables(&query, input)).await {
            Ok(answer) => answer,
            Err(reason) => return closed(reason),
        };
        let told = answer.to_string();
        let answer = match answer["type"].as_str().unwrap() {
            "error" => json!({ "errors": answer["payload"] }),
            _ => answer["payload"].clone(),
        };
        // The place of the socket is free again before the next one asks for it.
        socket.close(None).await.unwrap();
        while timeout(PATIENCE, socket.next()).await.unwrap().is_some_and(|message| message.is_ok()) {}
        answer_of(operation, field, &answer, told)
    }
}

#[tokio::test]
async fn the_operations_of_accounts_answer_over_a_socket_as_on_every_transport() {
    let world = World::new();
    cases::all(&Wired::new(&world).await, &world).await;
}

#[tokio::test]
async fn attacks_on_accounts_fail_over_a_socket_as_on_every_transport() {
    let world = World::new();
    attacks::all(&Wired::new(&world).await, &world).await;
}

#[tokio::test]
async fn an_attack_on_an_account_from_one_address_locks_nobody_out_elsewhere() {
    for client in ["192.0.2.2", "2001:db8::1"] {
        let world = World::new();
        let attacker = Wired::new(&world).await;
        attacks::elsewhere(&attacker, &Wired { client, ..attacker.clone() }).await;
    }
}

#[tokio::test]
async fn the_login_of_an_unknown_user_takes_the_turn_of_a_hash() {
    let world = World::with(|builder| builder.settings(attacks::one_hash_at_once()));
    attacks::turns(&Wired::new(&world).await, &world).await;
}

#[tokio::test]
async fn each_alias_of_one_message_is_one_guess() {
    let world = World::new();
    let wired = Wired::new(&world).await;
    register(&wired, "ada").await;
    let guess = |number: usize| {
        format!("a{number}: logIn(input: {{username: \"ada\", password: \"guess{number}\"}}) {{ accessToken }} ")
    };
    let guesses: String = (0..20).map(guess).collect();
    let mut socket = wired.admitted(Some(&wired.bystander)).await.unwrap();
    let answer = ask(&mut socket, &format!("mutation {{ {guesses} }}"), json!({})).await.unwrap();
    let codes = uses::codes(&answer["payload"]);
    let count = |wanted: &str| codes.iter().filter(|code| **code == wanted).count();
    assert_eq!((count("AUTH_INVALID_CREDENTIALS"), count("RATE_LIMIT_EXCEEDED")), (5, 15), "{answer}");
}

#[tokio::test]
async fn an_account_that_is_refused_closes_nobody_elses_socket() {
    let world = World::new();
    let wired = Wired::new(&world).await;
    let mallory = register(&wired, "mallory").await;
    let id = UserId::new(text(&mallory["user"], "id")).unwrap();
    let ban = BanAccount { reason: "Spam".to_owned(), by: id.clone(), until: None };
    world.chat.ban_account(&id, ban).await.unwrap();
    let mut socket = wired.admitted(Some(&wired.bystander)).await.unwrap();
    for (operation, input) in [
        ("logIn", json!({ "username": "mallory", "password": PASSWORD })),
        ("refresh", json!({ "refresh_token": mallory["refresh_token"] })),
    ] {
        let (_, query) = document(operation);
        let refused = ask(&mut socket, &query, variables(&query, input)).await.unwrap();
        assert_eq!(uses::codes(&refused["payload"]), ["ACCOUNT_BANNED"], "{operation}");
        assert_eq!(next(&mut socket).await.unwrap()["type"], "complete", "{operation}");
    }
    let me = ask(&mut socket, "{ account { username } }", json!({})).await.unwrap();
    assert_eq!(me["payload"]["data"]["account"]["username"], "bystander", "{me}");
}
