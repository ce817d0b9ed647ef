//! GraphQL: queries and mutations over HTTP, subscriptions over graphql-transport-ws.

use std::sync::Arc;

use async_trait::async_trait;
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Map, Value, json};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Error, Message, client::IntoClientRequest as _, http::HeaderValue},
};

use super::{
    PATIENCE,
    action::{Action, Actor, Which, Window},
    canon::{Fault, Outcome, tidy},
    coverage::Coverage,
    room::Cast,
    transport::{Call, Deliveries, Subscribed, Transport},
};
use crate::http::http;

const USER: &str = "{ id username name picture email }";

/// A user in an event. No event shows an address, and a page of a hundred events must stay within the limit of complexity.
const PERSON: &str = "{ id username name picture }";

fn message_fields() -> String {
    format!(
        "{{ id sessionId seq number sender {USER} role messageType content \
         encryptedContent {{ encryptedData iv keyVersion }} createdAt revision editedAt deletedAt deletedBy }}"
    )
}

fn participant_fields() -> String {
    format!("{{ id sessionId user {USER} role isOwner isActive joinedAt createdAt }}")
}

fn summary_fields() -> String {
    format!(
        "id title description sessionType maxParticipants participantCount owner {USER} isActive createdAt updatedAt \
         messageCount"
    )
}

fn session_fields() -> String {
    format!(
        "{{ {} seq cursor participants(first: 50) {{ nodes {} }} messages(last: 50) {{ nodes {} }} }}",
        summary_fields(),
        participant_fields(),
        message_fields()
    )
}

/// A connection, its nodes both without cursors and with, there perhaps with less.
fn connection(beside: &str, node: &str, with_cursor: &str) -> String {
    let page_info = "pageInfo { hasNextPage hasPreviousPage startCursor endCursor }";
    format!("{{ {beside} edges {{ cursor node {with_cursor} }} nodes {node} {page_info} }}")
}

/// The nodes of a connection, which must tell one thing in all its ways.
fn nodes(page: &Value) -> Vec<Value> {
    let (edges, nodes, info) =
        (page["edges"].as_array().unwrap(), page["nodes"].as_array().unwrap(), &page["pageInfo"]);
    assert_eq!(edges.len(), nodes.len(), "{page}");
    for (edge, node) in edges.iter().zip(nodes) {
        assert!(edge["node"].as_object().unwrap().iter().all(|(name, value)| node[name] == *value), "{page}");
    }
    let cursor = |edge: Option<&Value>| edge.map_or(Value::Null, |edge| edge["cursor"].clone());
    assert_eq!((&info["startCursor"], &info["endCursor"]), (&cursor(edges.first()), &cursor(edges.last())), "{page}");
    nodes.clone()
}

/// What is asked of an event. Fields that two kinds have with different types go by different names.
fn event_fields() -> String {
    format!(
        "__typename ... on SessionEvent {{ sessionId seq cursor createdAt actor {PERSON} }} \
         ... on SessionCreated {{ title description sessionType maxParticipants participantId }} \
         ... on SessionUpdated {{ changed changes {{ title description sessionType maxParticipants }} }} \
         ... on ParticipantJoined {{ participantId role }} \
         ... on ParticipantAdded {{ user {PERSON} participantId role }} \
         ... on ParticipantRemoved {{ user {PERSON} }} \
         ... on ParticipantRoleChanged {{ user {PERSON} previousRole role }} \
         ... on MessageSent {{ message {message} clientId }} \
         ... on MessageEdited {{ messageId editedMessage: message {message} }} \
         ... on MessageDeleted {{ messages }} \
         ... on MessagePinned {{ messageId }} \
         ... on MessageUnpinned {{ messageId }}",
        message = message_fields()
    )
}

/// What is asked of a delivery.
#[must_use]
pub fn delivery_fields() -> String {
    format!(
        "{{ ... on Subscribed {{ sessionId after cursor }} ... on SubscriptionEnded {{ sessionId code detail }} \
         ... on SessionsLeftOut {{ sessions }} \
         ... on Typing {{ sessionId user {USER} isTyping }} {} }}",
        event_fields()
    )
}

/// Asks a GraphQL endpoint.
pub struct GraphQl {
    http: reqwest::Client,
    address: String,
    coverage: Arc<Coverage>,
    name: String,
}

impl GraphQl {
    /// Of the server at this address.
    #[must_use]
    pub fn new(address: &str, coverage: Arc<Coverage>) -> Self {
        Self { http: http(), address: address.to_owned(), coverage, name: String::new() }
    }

    /// The data of an answer without errors.
    async fn post(&self, token: Option<&str>, query: &str, variables: Value) -> Result<Value, Fault> {
        let mut request = self.http.post(format!("http://{}/graphql", self.address));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        let request = request.json(&json!({ "query": query, "variables": variables }));
        let response = timeout(PATIENCE, request.send()).await.expect("no answer").unwrap();
        let body: Value = response.json().await.unwrap();
        match body["errors"].as_array().and_then(|errors| errors.first()) {
            Some(error) => Err(fault(error)),
            None => {
                self.coverage.answered(query, &variables, &body["data"], &self.name);
                Ok(tidy(body["data"].clone()))
            }
        }
    }

    /// One root field. The document is `kind(declared) { field(arguments) selection }`.
    async fn root(
        &self,
        token: Option<&str>,
        kind: &str,
        field: &str,
        arguments: &[(&str, &str, Value)],
        selection: &str,
    ) -> Result<Value, Fault> {
        let (query, variables) = document(kind, field, arguments, selection);
        let data = self.post(token, &query, variables).await?;
        Ok(data[field].clone())
    }

    async fn query(&self, call: &Call<'_>, field: &str, arguments: &[(&str, &str, Value)], selection: &str) -> Outcome {
        self.root(call.token(), "query", field, arguments, selection).await
    }

    async fn mutate(&self, call: &Call<'_>, field: &str, kind: &str, input: Value, selection: &str) -> Outcome {
        self.root(call.token(), "mutation", field, &[("input", kind, input)], selection).await
    }

    /// All pages of a connection, in one, with the last page for what stands beside the nodes.
    async fn all(
        &self,
        call: &Call<'_>,
        field: &str,
        arguments: &[(&str, &str, Value)],
        limit: Option<i64>,
        (beside, node): (&str, &str),
    ) -> Result<(Vec<Value>, Value), Fault> {
        let (mut found, mut after) = (Vec::new(), Value::Null);
        loop {
            let (mut arguments, is_first) = (arguments.to_vec(), after.is_null());
            arguments.extend([("first", "Int", json!(limit)), ("after", "String", after)]);
            let fields = connection(beside, node, node);
            let page = self.query(call, field, &arguments, &fields).await?;
            if field == "participants" {
                self.within_session(call, field, &arguments, &fields, &page).await;
            }
            assert_eq!(page["pageInfo"]["hasPreviousPage"], !is_first, "{page}");
            found.extend(nodes(&page));
            if page["pageInfo"]["hasNextPage"] == false {
                return Ok((found, page));
            }
            after = page["pageInfo"]["endCursor"].clone();
            assert!(after.is_string(), "{page}");
        }
    }

    /// What can also be found by its id alone.
    async fn as_node(&self, call: &Call<'_>, id: &str, kind: &str) {
        let fields = "{ __typename id ... on Message { session { id } } }";
        let mut expected = json!({ "__typename": kind, "id": id });
        if kind == "Message" {
            expected["session"] = json!({ "id": call.session() });
        }
        let one = self.query(call, "node", &[("id", "ID!", json!(id))], fields).await;
        assert_eq!(one, Ok(expected.clone()));
        let many = self.query(call, "nodes", &[("ids", "[ID!]!", json!([id, id]))], fields).await;
        assert_eq!(many, Ok(json!([expected, expected])));
    }

    /// What a connection of a session gives must be the same where it is asked for within the session.
    async fn within_session(
        &self,
        call: &Call<'_>,
        field: &str,
        arguments: &[(&str, &str, Value)],
        selection: &str,
        page: &Value,
    ) {
        let arguments = arguments.iter().filter(|(name, ..)| *name != "sessionId").cloned();
        let arguments: Vec<_> = arguments.chain([("id", "ID!", json!(call.session()))]).collect();
        let (declared, passed, variables) = given(&arguments);
        let passed: Vec<_> = passed.into_iter().filter(|passed| !passed.starts_with("id:")).collect();
        let query = format!(
            "query{} {{ session(id: $id) {{ {field}{} {selection} }} }}",
            brackets(&declared),
            brackets(&passed)
        );
        let data = self.post(call.token(), &query, variables).await.unwrap();
        assert_eq!(data["session"][field], *page, "{query}");
    }

    async fn pin(&self, call: &Call<'_>, field: &str, kind: &str, which: Which) -> Outcome {
        let id = call.message(which);
        let done = self.mutate(call, field, kind, json!({ "messageId": id }), "{ messageId }").await;
        done.map(|done| {
            assert_eq!(done, json!({ "messageId": id }));
            json!({})
        })
    }

    async fn act(&self, call: &Call<'_>) -> Option<Outcome> {
        let session = || ("sessionId", "ID!", json!(call.session()));
        let nothing = |_| json!({});
        Some(match call.action {
            Action::Subscribe { .. } => return None,
            Action::Me => self
                .query(call, "me", &[], USER)
                .await
                .map(|user| json!({ "person": person(&user), "email": user["email"] })),
            Action::Session => {
                let found =
                    self.query(call, "session", &[("id", "ID!", json!(call.session()))], &session_fields()).await;
                if found.is_ok() {
                    self.as_node(call, call.session(), "Session").await;
                }
                found.map(|found| whole_session(&found))
            }
            Action::Sessions { limit } => {
                let node = format!("{{ {} }}", summary_fields());
                let found = self.all(call, "sessions", &[], *limit, ("", &node)).await;
                found.map(|(found, _)| found.iter().map(summary).collect())
            }
            Action::PublicSessions { limit } => {
                let node = format!("{{ {} }}", summary_fields());
                let found = self.all(call, "publicSessions", &[], *limit, ("totalCount", &node)).await;
                found.map(|(found, last)| {
                    let sessions: Value = found.iter().map(summary).collect();
                    json!({ "sessions": sessions, "total": last["totalCount"] })
                })
            }
            Action::Participants { limit, email } => {
                let arguments = [session(), ("includeEmail", "Boolean", json!(email))];
                let found = self.all(call, "participants", &arguments, *limit, ("", &participant_fields())).await;
                found.map(|(found, _)| found.iter().map(participant).collect())
            }
            Action::Messages { window, limit } => self.messages(call, *window, *limit).await,
            Action::Message(which) => {
                let id = call.message(*which);
                let found = self.query(call, "message", &[("id", "ID!", json!(id))], &message_fields()).await;
                if found.is_ok() {
                    self.as_node(call, &id, "Message").await;
                }
                found.map(|found| message(&found))
            }
            Action::Events { after, limit } => {
                let after = json!(after.to_string());
                let arguments = [session(), ("first", "Int", json!(limit)), ("after", "String", after)];
                let fields = connection("head", &format!("{{ {} }}", event_fields()), "{ __typename seq }");
                let page = self.query(call, "events", &arguments, &fields).await;
                page.map(|page| {
                    let events: Value = nodes(&page).iter().map(event).collect();
                    json!({ "events": events, "head": page["head"] })
                })
            }
            Action::Create(input) => {
                let fields = format!("{{ session {} }}", session_fields());
                let made = self.mutate(call, "createSession", "CreateSessionInput!", camel(input), &fields).await;
                made.map(|made| whole_session(&made["session"]))
            }
            Action::Update(input) => {
                let fields = format!("{{ session {} }}", session_fields());
                let input = on(call, camel(input));
                let done = self.mutate(call, "updateSession", "UpdateSessionInput!", input, &fields).await;
                done.map(|done| whole_session(&done["session"]))
            }
            Action::Delete => {
                let input = on(call, json!({}));
                self.mutate(call, "deleteSession", "DeleteSessionInput!", input, "{ sessionId }").await.map(nothing)
            }
            Action::Join => {
                let fields = format!("{{ session {{ id }} participant {} }}", participant_fields());
                let joined = self.mutate(call, "joinSession", "JoinSessionInput!", on(call, json!({})), &fields).await;
                joined.map(|joined| super::core::joined_as(&participant(&joined["participant"])))
            }
            Action::Leave => {
                let input = on(call, json!({}));
                self.mutate(call, "leaveSession", "LeaveSessionInput!", input, "{ sessionId }").await.map(nothing)
            }
            Action::Add(input) => {
                let fields = format!("{{ session {{ id }} participant {} }}", participant_fields());
                let input = on(call, camel(&call.input(input)));
                let added = self.mutate(call, "addParticipant", "AddParticipantInput!", input, &fields).await;
                added.map(|added| participant(&added["participant"]))
            }
            Action::ChangeRole { user, input } => {
                let mut input = on(call, camel(input));
                input["userId"] = json!(call.cast.user(user));
                let fields = format!("{{ participant {} }}", participant_fields());
                let changed = self.mutate(call, "changeRole", "ChangeRoleInput!", input, &fields).await;
                changed.map(|changed| participant(&changed["participant"]))
            }
            Action::Remove(user) => {
                let input = on(call, json!({ "userId": call.cast.user(user) }));
                let removed =
                    self.mutate(call, "removeParticipant", "RemoveParticipantInput!", input, "{ sessionId userId }");
                removed.await.map(nothing)
            }
            Action::Send(input) => {
                let fields = format!("{{ message {} }}", message_fields());
                let sent =
                    self.mutate(call, "sendMessage", "SendMessageInput!", on(call, spoken(input)), &fields).await;
                sent.map(|sent| message(&sent["message"]))
            }
            Action::Edit { which, input } => {
                let fields = format!("{{ message {} }}", message_fields());
                let mut input = spoken(input);
                input["messageId"] = json!(call.message(*which));
                let edited = self.mutate(call, "editMessage", "EditMessageInput!", input, &fields).await;
                edited.map(|edited| message(&edited["message"]))
            }
            Action::DeleteMessage { which, revision } => {
                let fields = format!("{{ message {} }}", message_fields());
                let input = json!({ "messageId": call.message(*which), "revision": revision });
                let deleted = self.mutate(call, "deleteMessage", "DeleteMessageInput!", input, &fields).await;
                deleted.map(|deleted| message(&deleted["message"]))
            }
            Action::Revisions(which) => {
                let fields =
                    "{ revisions { revision content encryptedContent { encryptedData iv keyVersion } since } }";
                let id = ("id", "ID!", json!(call.message(*which)));
                let found = self.query(call, "message", &[id], fields).await;
                found.map(|found| list(&found["revisions"], revision))
            }
            Action::Pin(which) => self.pin(call, "pinMessage", "PinMessageInput!", *which).await,
            Action::Unpin(which) => self.pin(call, "unpinMessage", "UnpinMessageInput!", *which).await,
            Action::Pins => {
                let fields = format!("{{ message {} pinnedBy {USER} pinnedAt }}", message_fields());
                self.query(call, "pins", &[session()], &fields).await.map(|found| list(&found, pinned))
            }
            Action::Typing(is_typing) => {
                let input = on(call, json!({ "isTyping": is_typing }));
                let told = self.mutate(call, "setTyping", "SetTypingInput!", input, "{ sessionId isTyping }").await;
                told.map(|told| {
                    assert_eq!(told, json!({ "sessionId": call.session(), "isTyping": is_typing }));
                    json!({})
                })
            }
        })
    }

    async fn messages(&self, call: &Call<'_>, window: Window, limit: Option<i64>) -> Outcome {
        let limit = json!(limit);
        let (first, last, skip) = (("first", "Int"), ("last", "Int"), ("skip", "Long"));
        let (before, after) = (("before", "String"), ("after", "String"));
        let given = match window {
            Window::Skip(skipped) => vec![(first, limit), (skip, json!(skipped))],
            Window::Newest => vec![(last, limit)],
            Window::Before(place) => vec![(last, limit), (before, json!(call.place(place)))],
            Window::After(place) => vec![(first, limit), (after, json!(call.place(place)))],
        };
        let mut arguments = vec![("sessionId", "ID!", json!(call.session()))];
        arguments.extend(given.into_iter().map(|((name, kind), value)| (name, kind, value)));
        let fields = connection("totalCount", &message_fields(), &message_fields());
        let page = self.query(call, "messages", &arguments, &fields).await?;
        self.within_session(call, "messages", &arguments, &fields, &page).await;
        let info = &page["pageInfo"];
        let place = |has: &str, cursor: &str| (info[has] == true).then(|| info[cursor].clone());
        let messages: Value = nodes(&page).iter().map(message).collect();
        Ok(json!({
            "messages": messages, "previous": place("hasPreviousPage", "startCursor"),
            "next": place("hasNextPage", "endCursor"), "?total": page["totalCount"],
        }))
    }
}

/// A document with one root field and its variables. Variables that are null are left out.
#[must_use]
pub fn document(kind: &str, field: &str, arguments: &[(&str, &str, Value)], selection: &str) -> (String, Value) {
    let (declared, passed, variables) = given(arguments);
    (format!("{kind}{} {{ {field}{} {selection} }}", brackets(&declared), brackets(&passed)), variables)
}

/// Arguments as variables: how they are declared, how they are passed, and their values.
fn given(arguments: &[(&str, &str, Value)]) -> (Vec<String>, Vec<String>, Value) {
    let given: Vec<_> = arguments.iter().filter(|(_, _, value)| !value.is_null()).collect();
    let declared = given.iter().map(|(name, kind, _)| format!("${name}: {kind}")).collect();
    let passed = given.iter().map(|(name, _, _)| format!("{name}: ${name}")).collect();
    let variables: Map<_, _> = given.iter().map(|(name, _, value)| ((*name).to_owned(), value.clone())).collect();
    (declared, passed, Value::Object(variables))
}

fn brackets(list: &[String]) -> String {
    if list.is_empty() { String::new() } else { format!("({})", list.join(", ")) }
}

/// An error's code and details. Names of fields come as GraphQL has them.
fn fault(error: &Value) -> Fault {
    let extensions = &error["extensions"];
    let code = extensions["code"].as_str().map_or_else(|| format!("no code: {}", error["message"]), str::to_owned);
    let mut details = if extensions["details"].is_null() { json!({}) } else { extensions["details"].clone() };
    for field in details.get_mut("fields").and_then(Value::as_array_mut).into_iter().flatten() {
        let name = field["field"].as_str().unwrap_or_default();
        field["field"] = json!(snake(name.strip_prefix("input.").unwrap_or(name)));
    }
    Fault { code, details }
}

fn snake(name: &str) -> String {
    match name {
        "first" | "last" => "limit".to_owned(),
        "encryptedContent.encryptedData" => "content.encrypted_data".to_owned(),
        "encryptedContent.iv" => "content.iv".to_owned(),
        other => {
            let letter =
                |c: char| if c.is_ascii_uppercase() { format!("_{}", c.to_ascii_lowercase()) } else { c.to_string() };
            other.chars().map(letter).collect()
        }
    }
}

/// An input with the names that GraphQL has.
fn camel(input: &Value) -> Value {
    let Value::Object(fields) = input else { return input.clone() };
    let name = |name: &str| {
        let mut words = name.split('_');
        let mut text = words.next().unwrap_or_default().to_owned();
        for word in words {
            let mut word = word.to_owned();
            word[..1].make_ascii_uppercase();
            text += &word;
        }
        text
    };
    Value::Object(fields.iter().map(|(field, value)| (name(field), camel(value))).collect())
}

/// What to say, as GraphQL has it.
fn spoken(input: &Value) -> Value {
    let mut input = camel(input);
    for name in ["role", "messageType"] {
        if let Some(text) = input[name].as_str() {
            input[name] = json!(text.to_uppercase());
        } else if input[name].is_null() {
            input.as_object_mut().unwrap().remove(name);
        }
    }
    if input["content"].is_object() {
        let content = input.as_object_mut().unwrap().remove("content").unwrap();
        input["encryptedContent"] = content;
    }
    input
}

fn on(call: &Call<'_>, mut input: Value) -> Value {
    input["sessionId"] = json!(call.session());
    input
}

fn list(items: &Value, one: fn(&Value) -> Value) -> Value {
    items.as_array().unwrap_or_else(|| panic!("no list: {items}")).iter().map(one).collect()
}

fn person(user: &Value) -> Value {
    json!({ "id": user["id"], "?username": user["username"], "?name": user["name"], "?picture": user["picture"] })
}

fn lower(name: &Value) -> Value {
    name.as_str().map_or(Value::Null, |name| json!(name.to_lowercase()))
}

fn content(node: &Value) -> Value {
    let encrypted = &node["encryptedContent"];
    if encrypted.is_null() {
        return node["content"].clone();
    }
    assert!(node["content"].is_null(), "{node}");
    json!({
        "encrypted_data": encrypted["encryptedData"], "iv": encrypted["iv"], "key_version": encrypted["keyVersion"],
    })
}

fn revision(node: &Value) -> Value {
    json!({ "revision": node["revision"], "content": content(node), "since": node["since"] })
}

fn pinned(node: &Value) -> Value {
    json!({
        "message": message(&node["message"]), "pinned_by": person(&node["pinnedBy"]), "pinned_at": node["pinnedAt"],
    })
}

fn message(node: &Value) -> Value {
    json!({
        "id": node["id"], "session_id": node["sessionId"], "seq": node["seq"], "number": node["number"],
        "sender": person(&node["sender"]), "role": lower(&node["role"]), "message_type": lower(&node["messageType"]),
        "content": content(node), "created_at": node["createdAt"], "revision": node["revision"],
        "edited_at": node["editedAt"], "deleted_at": node["deletedAt"], "deleted_by": node["deletedBy"],
    })
}

fn participant(node: &Value) -> Value {
    json!({
        "id": node["id"], "session_id": node["sessionId"], "person": person(&node["user"]),
        "email": node["user"]["email"], "role": node["role"], "is_owner": node["isOwner"],
        "is_active": node["isActive"], "joined_at": node["joinedAt"], "created_at": node["createdAt"],
    })
}

fn summary(node: &Value) -> Value {
    json!({
        "id": node["id"], "title": node["title"], "description": node["description"],
        "session_type": node["sessionType"], "max_participants": node["maxParticipants"],
        "owner": person(&node["owner"]), "?is_active": node["isActive"], "created_at": node["createdAt"],
        "updated_at": node["updatedAt"], "participant_count": node["participantCount"],
        "message_count": node["messageCount"],
    })
}

fn whole_session(node: &Value) -> Value {
    let mut value = summary(node);
    value["participants"] = list(&node["participants"]["nodes"], participant);
    value["messages"] = list(&node["messages"]["nodes"], message);
    value["seq"] = node["seq"].clone();
    value["cursor"] = node["cursor"].clone();
    value
}

fn event(node: &Value) -> Value {
    let kind = node["__typename"].as_str().unwrap_or_default();
    let mut value = match kind {
        "SessionCreated" => json!({
            "title": node["title"], "description": node["description"], "session_type": node["sessionType"],
            "max_participants": node["maxParticipants"], "participant_id": node["participantId"],
        }),
        "SessionUpdated" => json!({ "changes": changes(node) }),
        "SessionDeleted" | "ParticipantLeft" => json!({}),
        "ParticipantJoined" => json!({ "participant_id": node["participantId"], "role": node["role"] }),
        "ParticipantAdded" => json!({
            "user": person(&node["user"]), "participant_id": node["participantId"], "role": node["role"],
        }),
        "ParticipantRemoved" => json!({ "user": person(&node["user"]) }),
        "ParticipantRoleChanged" => json!({
            "user": person(&node["user"]), "previous_role": node["previousRole"], "role": node["role"],
        }),
        "MessageSent" => json!({ "message": message(&node["message"]), "client_id": node["clientId"] }),
        "MessageEdited" => {
            json!({ "message_id": node["messageId"], "message": message(&node["editedMessage"]) })
        }
        "MessageDeleted" => json!({ "messages": node["messages"] }),
        "MessagePinned" | "MessageUnpinned" => json!({ "message_id": node["messageId"] }),
        "UnknownEvent" => json!({}),
        other => panic!("an event `{other}`: {node}"),
    };
    value["kind"] = json!(kind);
    value["session_id"] = node["sessionId"].clone();
    value["seq"] = node["seq"].clone();
    value["cursor"] = node["cursor"].clone();
    value["at"] = node["createdAt"].clone();
    value["actor"] = person(&node["actor"]);
    tidy(value)
}

fn changes(node: &Value) -> Value {
    let names = [
        ("TITLE", "title", "title"),
        ("DESCRIPTION", "description", "description"),
        ("SESSION_TYPE", "session_type", "sessionType"),
        ("MAX_PARTICIPANTS", "max_participants", "maxParticipants"),
    ];
    let changed = node["changed"].as_array().unwrap();
    let mut changes = Map::new();
    for (setting, name, field) in names {
        if changed.iter().any(|changed| changed == setting) {
            changes.insert(name.to_owned(), node["changes"][field].clone());
        } else {
            assert!(node["changes"][field].is_null(), "{setting} did not change: {node}");
        }
    }
    Value::Object(changes)
}

/// A delivery in canonical form, but for those that begin or end a session.
#[must_use]
pub fn delivery(node: &Value) -> Value {
    if node["__typename"] == "Typing" {
        let user = person(&node["user"]);
        return json!({
            "kind": "Typing", "session_id": node["sessionId"], "user": user, "is_typing": node["isTyping"],
        });
    }
    event(node)
}

#[async_trait]
impl Transport for GraphQl {
    fn name(&self) -> &'static str {
        "GraphQL"
    }

    async fn perform(&mut self, call: &Call<'_>) -> Option<Outcome> {
        call.name.clone_into(&mut self.name);
        self.act(call).await.map(|outcome| outcome.map(tidy))
    }

    async fn subscribe(&mut self, call: &Call<'_>, after: Option<u64>) -> Option<Result<Subscribed, Fault>> {
        let arguments = [("sessionId", "ID!", json!(call.session())), ("after", "Long", json!(after))];
        let coverage = (Arc::clone(&self.coverage), call.name);
        let opened = GraphQlSocket::open(&self.address, call.token(), "sessionEvents", &arguments, coverage).await;
        let mut socket = match opened {
            Ok(socket) => socket,
            Err(fault) => return Some(Err(fault)),
        };
        Some(match socket.delivery().await {
            Some(Ok(first)) => {
                assert_eq!((&first["__typename"], &first["sessionId"]), (&json!("Subscribed"), &json!(call.session())));
                Ok(Subscribed { after: first["after"].as_u64(), deliveries: Box::new(socket) })
            }
            Some(Err(fault)) => Err(fault),
            None => panic!("it ended at once"),
        })
    }

    async fn since(&mut self, cast: &Cast, reader: Actor, session: &str, span: (u64, u64)) -> Option<Vec<Value>> {
        let after = json!(span.0.to_string());
        let arguments = [("sessionId", "ID!", json!(session)), ("first", "Int", json!(50)), ("after", "String", after)];
        let fields = format!("{{ head nodes {{ {} }} }}", event_fields());
        match self.root(cast.token(reader), "query", "events", &arguments, &fields).await {
            Ok(page) => Some(page["nodes"].as_array().unwrap().iter().map(event).collect()),
            Err(fault) if fault.code == "SESSION_NOT_FOUND" => None,
            Err(fault) => panic!("{fault:?}"),
        }
    }
}

/// One subscription over graphql-transport-ws, on a socket of its own.
pub struct GraphQlSocket {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
    field: String,
    query: String,
    variables: Value,
    coverage: Arc<Coverage>,
    name: String,
}

impl GraphQlSocket {
    /// Subscribes.
    ///
    /// # Errors
    /// Why it was refused before the first delivery.
    pub async fn open(
        address: &str,
        token: Option<&str>,
        field: &str,
        arguments: &[(&str, &str, Value)],
        coverage: (Arc<Coverage>, &str),
    ) -> Result<Self, Fault> {
        let mut request = format!("ws://{address}/graphql").into_client_request().unwrap();
        request.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static("graphql-transport-ws"));
        if let Some(token) = token {
            request.headers_mut().insert("authorization", HeaderValue::from_str(&format!("Bearer {token}")).unwrap());
        }
        let stream = match connect_async(request).await {
            Ok((stream, _)) => stream,
            Err(Error::Http(response)) => {
                let body: Value = serde_json::from_slice(response.body().as_deref().unwrap_or_default()).unwrap();
                // Before the upgrade it is an answer like any other over HTTP.
                let error = body["errors"].get(0);
                return Err(error.map_or_else(|| super::rest::fault(response.status().as_u16(), &body), fault));
            }
            Err(error) => panic!("{error}"),
        };
        let (coverage, name) = (coverage.0, coverage.1.to_owned());
        let (query, variables) = document("subscription", field, arguments, &delivery_fields());
        let payload = json!({ "query": query, "variables": variables });
        let mut socket = Self { stream, field: field.to_owned(), query, variables, coverage, name };
        socket.send(json!({ "type": "connection_init" })).await;
        match socket.message().await {
            Ok(ack) => assert_eq!(ack["type"], "connection_ack", "{ack}"),
            // Without a token there is no code to be told, only that of the end.
            Err(4403) if token.is_none() => {
                return Err(Fault { code: "AUTH_REQUIRED".to_owned(), details: json!({}) });
            }
            Err(code) => panic!("closed with {code}"),
        }
        socket.send(json!({ "id": "1", "type": "subscribe", "payload": payload })).await;
        Ok(socket)
    }

    async fn send(&mut self, message: Value) {
        self.stream.send(Message::text(message.to_string())).await.unwrap();
    }

    /// The next message, or the code with which the socket was closed.
    async fn message(&mut self) -> Result<Value, u16> {
        loop {
            match timeout(PATIENCE, self.stream.next()).await.expect("nothing came") {
                Some(Ok(Message::Text(text))) => {
                    let message: Value = serde_json::from_str(&text).unwrap();
                    match message["type"].as_str() {
                        Some("ping") => self.send(json!({ "type": "pong" })).await,
                        Some("pong") => {}
                        _ => return Ok(message),
                    }
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(Message::Close(Some(frame)))) => return Err(frame.code.into()),
                other => panic!("{other:?}"),
            }
        }
    }

    /// The next delivery, or the error that ended the subscription, or its end.
    pub async fn delivery(&mut self) -> Option<Result<Value, Fault>> {
        let message = self.message().await.unwrap_or_else(|code| panic!("closed with {code}"));
        match message["type"].as_str() {
            Some("next") => {
                let payload = tidy(message["payload"].clone());
                if let Some(error) = payload["errors"].get(0) {
                    return Some(Err(fault(error)));
                }
                self.coverage.answered(&self.query, &self.variables, &payload["data"], &self.name);
                Some(Ok(payload["data"][&self.field].clone()))
            }
            Some("error") => Some(Err(fault(&message["payload"][0]))),
            Some("complete") => None,
            _ => panic!("{message}"),
        }
    }

    /// Cuts the connection without a word.
    pub fn cut(self) {
        drop(self.stream);
    }
}

#[async_trait]
impl Deliveries for GraphQlSocket {
    async fn next(&mut self) -> Value {
        tidy(delivery(&self.delivery().await.expect("it ended").unwrap()))
    }

    async fn end(mut self: Box<Self>) {
        let next = self.delivery().await;
        assert!(next.is_none(), "{next:?}");
    }
}
