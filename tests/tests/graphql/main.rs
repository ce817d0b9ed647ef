//! GraphQL under attack, on every transport: what is refused gets its documented answer, changes nothing, and somebody else's
//! subscription goes on.
#![allow(missing_docs, reason = "tests")]

mod documents;
mod ends;
mod hidden;
mod requests;
mod sockets;

use chatcore::{
    JwtIssuer, Limits,
    identity::Claims,
    model::{MessageId, SessionId},
};
use chatcore_poem::Options;
use chatcore_tests::{
    Backend, Client, Graphql, GraphqlEvents, GraphqlSocket, SECRET, Server, Socket,
    graphql::{PROTOCOL, codes, subscribe},
    on_every_store, patient, token, token_with,
};
use futures_util::stream;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tokio_tungstenite::tungstenite::{
    Message,
    protocol::frame::{
        Frame,
        coding::{Data, OpCode},
    },
};

/// A session that never was.
const NOWHERE: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

const EVENTS: &str = "subscription($id: ID!, $after: Long) { sessionEvents(sessionId: $id, after: $after) { __typename
    ... on Subscribed { after } ... on SessionEvent { seq } ... on MessageSent { message { content } } } }";

const ALL_EVENTS: &str = "subscription($after: [PositionInput!]) { allSessionEvents(after: $after) { __typename
    ... on Subscribed { sessionId after } ... on SubscriptionEnded { sessionId code detail }
    ... on SessionEvent { sessionId seq } ... on MessageSent { message { content } } } }";

const SEND: &str = "mutation($id: ID!, $text: String = \"attack\") { sendMessage(input: { sessionId: $id, content: $text }) { message { seq } } }";

/// Somebody with a session that they read while others attack: what comes there is all that happens.
struct Witness {
    owner: Client,
    id: String,
    socket: GraphqlSocket,
    seq: u64,
}

impl Witness {
    /// The attacker, `mallory`, may write there, so that it shows when what was refused has been done.
    async fn of(server: &Server) -> Self {
        let owner = server.client("witness").await;
        let id = owner.session("PUBLIC").await;
        server.client("mallory").await.post(&format!("/sessions/{id}/join"), json!({})).await.expect(200);
        let mut socket = server.graphql_socket("witness").await;
        socket.subscribe("w", EVENTS, json!({ "id": id })).await;
        assert_eq!(socket.next("w").await["data"]["sessionEvents"], json!({ "__typename": "Subscribed", "after": 2 }));
        Self { owner, id, socket, seq: 2 }
    }

    /// Shows that nothing was written, and that what is written now comes.
    async fn untouched(&mut self) {
        self.owner.say(&self.id, "still here").await;
        self.seq += 1;
        let event = json!({ "__typename": "MessageSent", "seq": self.seq, "message": { "content": "still here" } });
        assert_eq!(self.socket.next("w").await, json!({ "data": { "sessionEvents": event } }));
    }
}

/// Waits until so many WebSockets and event streams are open.
async fn until_open(server: &Server, count: usize) {
    let end = Instant::now() + Duration::from_secs(20);
    while server.open_sockets() != count {
        assert!(Instant::now() < end, "{} are open", server.open_sockets());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

/// Tokens that are not acceptable, with the codes of their errors.
fn bad_tokens() -> Vec<(String, &'static str)> {
    let claims = || Claims { sub: "mallory".into(), ..Claims::default() };
    let other = JwtIssuer::hs256(b"another secret, also long enough for it").unwrap();
    let other = other.issue(claims(), Duration::from_secs(60)).unwrap();
    let good = token_with(claims(), 60);
    // {"alg":"none"} with the claims of a good token.
    let none = format!("eyJhbGciOiJub25lIn0.{}.", good.split('.').nth(1).unwrap());
    let expired = JwtIssuer::hs256(SECRET).unwrap().sign(&Claims { exp: 1, ..claims() }).unwrap();
    let invalid = ["x".to_owned(), other, none, good[..good.len() - 2].to_owned(), "x".repeat(5_000)];
    let mut tokens: Vec<_> = invalid.into_iter().map(|token| (token, "AUTH_TOKEN_INVALID")).collect();
    tokens.push((expired, "AUTH_TOKEN_EXPIRED"));
    tokens
}

fn around(open: &str, middle: &str, close: &str, depth: usize) -> String {
    format!("{}{middle}{}", open.repeat(depth), close.repeat(depth))
}
