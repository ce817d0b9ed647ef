//! The schema over an in-memory chat, without a transport.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail by panicking"
)]

mod answers;
mod batches;
mod editing;
mod expiring;
mod history;
mod limits;
mod matrix;
mod pins;
mod roots;
mod shapes;
mod streams;
mod strings;
mod types;
mod variables;

use chatcore::{Chat, Principal, model::UserId};
use chatcore_graphql::{
    Caller, ChatSchema, SchemaOptions,
    async_graphql::{Executor as _, Request, Variables},
    schema,
};
use futures_util::{StreamExt as _, stream::BoxStream};
use serde_json::{Value, json};

fn user(name: &str) -> Principal {
    Principal::new(UserId::new(name).unwrap())
}

/// A schema with everything by default, and its chat.
fn graph() -> (Chat, ChatSchema) {
    let chat = Chat::in_memory();
    (chat.clone(), schema(chat, SchemaOptions::default()))
}

fn request(who: &Principal, query: &str, variables: Value) -> Request {
    Request::new(query).variables(Variables::from_json(variables)).data(Caller(who.clone()))
}

async fn ask(schema: &ChatSchema, who: &Principal, query: &str, variables: Value) -> Value {
    serde_json::to_value(schema.execute(request(who, query, variables)).await).unwrap()
}

/// The data of an answer that must have no errors.
async fn data(schema: &ChatSchema, who: &Principal, query: &str, variables: Value) -> Value {
    let answer = ask(schema, who, query, variables).await;
    assert_eq!(answer["errors"], Value::Null, "{answer:#}");
    answer["data"].clone()
}

/// The codes of the errors of an answer.
fn codes(answer: &Value) -> Vec<&str> {
    let errors = answer["errors"].as_array().map(Vec::as_slice).unwrap_or_default();
    errors.iter().map(|error| error["extensions"]["code"].as_str().expect("an error without a code")).collect()
}

type Stream = BoxStream<'static, chatcore_graphql::async_graphql::Response>;

fn follow(schema: &ChatSchema, who: &Principal, query: &str, variables: Value) -> Stream {
    schema.execute_stream(request(who, query, variables), None)
}

/// The next of a stream, which must come.
async fn next(stream: &mut Stream) -> Value {
    let response = tokio::time::timeout(std::time::Duration::from_secs(20), stream.next()).await;
    serde_json::to_value(response.expect("nothing came").expect("the stream ended")).unwrap()
}

async fn make(schema: &ChatSchema, who: &Principal, session_type: &str) -> String {
    let query = "mutation($type: SessionType) {
        createSession(input: {title: \"A room\", sessionType: $type}) { session { id } }
    }";
    let made = data(schema, who, query, json!({ "type": session_type })).await;
    made["createSession"]["session"]["id"].as_str().unwrap().to_owned()
}

async fn join(schema: &ChatSchema, who: &Principal, id: &str) {
    let query = "mutation($id: ID!) { joinSession(input: {sessionId: $id}) { participant { role } } }";
    assert_eq!(data(schema, who, query, json!({ "id": id })).await["joinSession"]["participant"]["role"], "MEMBER");
}

async fn say(schema: &ChatSchema, who: &Principal, id: &str, text: &str) -> Value {
    let query = "mutation($id: ID!, $text: String) {
        sendMessage(input: {sessionId: $id, content: $text}) { message { id seq content } }
    }";
    data(schema, who, query, json!({ "id": id, "text": text })).await["sendMessage"]["message"].clone()
}
