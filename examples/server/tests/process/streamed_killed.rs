//! A hundred messages that are written in parts at once, with readers on every transport, while the server is killed.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use chatcore_tests::{Client, Events, Graphql, GraphqlEvents, GraphqlSocket, Socket};
use futures_util::future::join_all;
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::kit::{PATIENCE, Server, folder};

const AUTHORS: usize = 10;
/// As many as a user may write at once in a session.
const EACH: usize = 10;
/// Parts of a message, but for its last one.
const PARTS: usize = 8;

const EVENTS: &str = "subscription($id: ID!, $after: Long!) { sessionEvents(sessionId: $id, after: $after) { __typename
    ... on SessionEvent { seq } ... on MessageSent { message { id content stream { state reason } } }
    ... on MessageFinished { message { id content stream { state reason } } }
    ... on MessagePart { messageId offset text } } }";

const APPEND: &str = "mutation($id: ID!, $offset: Long!, $text: String!) {
    appendToMessage(input: { messageId: $id, offset: $offset, text: $text }) { length } }";

/// A message as a client keeps it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Kept {
    text: String,
    state: String,
}

impl Kept {
    /// From a message of REST, of a frame or of GraphQL: each calls these fields the same.
    fn of(message: &Value) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_else(|| panic!("{message}")).to_owned();
        Self { text: text(&message["content"]), state: text(&message["stream"]["state"]) }
    }
}

/// The messages that a reader knows, by their ids, and the position of its last event.
#[derive(Debug, Clone, Default)]
struct Known {
    messages: BTreeMap<String, Kept>,
    /// Messages that were sent at once.
    marks: usize,
    seq: u64,
}

impl Known {
    /// Does what the documents ask of a client. Gives the id of a message of which a part was missed.
    fn take(&mut self, frame: &Value) -> Option<String> {
        let (name, data) = match &frame["event"] {
            Value::String(name) => (name.as_str(), &frame["data"]),
            _ => (frame["__typename"].as_str().unwrap(), frame),
        };
        let seq = [&frame["seq"], &data["seq"]].into_iter().find_map(Value::as_u64);
        self.seq = self.seq.max(seq.unwrap_or(0));
        match name {
            "message_received" | "MessageSent" | "message_finished" | "MessageFinished" => {
                let message = &data["message"];
                if message["stream"].is_null() {
                    self.marks += 1;
                    return None;
                }
                self.messages.insert(message["id"].as_str().unwrap().to_owned(), Kept::of(message));
            }
            "message_part" | "MessagePart" => {
                let id = [&data["message_id"], &data["messageId"]].into_iter().find_map(Value::as_str).unwrap();
                let kept = self.messages.get_mut(id).unwrap_or_else(|| panic!("a part before its message: {frame}"));
                let offset = usize::try_from(data["offset"].as_u64().unwrap()).unwrap();
                let part = data["text"].as_str().unwrap();
                // All texts here are ASCII.
                if kept.state != "STREAMING" || kept.text.get(offset..).is_some_and(|end| end.starts_with(part)) {
                    return None;
                }
                if offset > kept.text.len() {
                    return Some(id.to_owned());
                }
                kept.text.truncate(offset);
                kept.text.push_str(part);
            }
            _ => {}
        }
        None
    }
}

enum Transport {
    Socket(Box<Socket>),
    Events(Box<Events>),
    GraphqlSocket(Box<GraphqlSocket>),
    GraphqlEvents(Box<GraphqlEvents>),
}

struct Reader {
    transport: Transport,
    client: Client,
    session: String,
    known: Known,
}

impl Reader {
    /// One reader on each transport, after what is known.
    async fn on_each_transport(client: &Client, session: &str, known: [Known; 4]) -> Vec<Self> {
        let (address, token) = (client.address(), client.token().unwrap());
        let after = |place: usize| known[place].seq;
        let variables = |place: usize| json!({ "id": session, "after": after(place) });
        let mut socket = Socket::open(address, "", Some(token)).await;
        socket.join(session, Some(after(0))).await;
        let events = Events::open(client.stream_of(session, &format!("?after={}", after(1)))).await.unwrap();
        let mut graphql = GraphqlSocket::admitted(address, token).await;
        graphql.subscribe("events", EVENTS, variables(2)).await;
        let stream = Graphql::new(address, Some(token.to_owned())).stream(EVENTS, variables(3));
        let stream = GraphqlEvents::open(stream).await.unwrap();
        let transports = [
            Transport::Socket(socket.into()),
            Transport::Events(events.into()),
            Transport::GraphqlSocket(graphql.into()),
            Transport::GraphqlEvents(stream.into()),
        ];
        let reader =
            |(transport, known)| Self { transport, client: client.clone(), session: session.to_owned(), known };
        transports.into_iter().zip(known).map(reader).collect()
    }

    async fn next(&mut self) -> Value {
        let answer = match &mut self.transport {
            Transport::Socket(socket) => return socket.event().await,
            Transport::Events(events) => return events.next().await,
            Transport::GraphqlSocket(socket) => socket.next("events").await,
            Transport::GraphqlEvents(events) => events.next().await.expect("it ended"),
        };
        let data = if answer["data"].is_null() { &answer["payload"]["data"] } else { &answer["data"] };
        assert!(data["sessionEvents"].is_object(), "{answer}");
        data["sessionEvents"].clone()
    }

    async fn until(&mut self, is_done: impl Fn(&Known) -> bool) {
        while !is_done(&self.known) {
            let frame = self.next().await;
            if let Some(id) = self.known.take(&frame) {
                let message = message(&self.client, &self.session, &id).await;
                self.known.messages.insert(id, message);
            }
        }
    }
}

async fn message(client: &Client, session: &str, id: &str) -> Kept {
    Kept::of(&client.get(&format!("/sessions/{session}/messages/{id}")).await.expect(200))
}

async fn all_until(readers: &mut [Reader], is_done: impl Fn(&Known) -> bool) {
    join_all(readers.iter_mut().map(|reader| reader.until(&is_done))).await;
}

/// An author with the messages that it writes, over a transport of its own.
struct Author {
    client: Client,
    /// The path of the session's messages.
    path: String,
    socket: Option<Socket>,
    graphql: Option<Graphql>,
    messages: Vec<String>,
}

impl Author {
    async fn new(client: Client, number: usize, session: &str) -> Self {
        let path = format!("/sessions/{session}/messages");
        let mut messages = Vec::new();
        for _ in 0..EACH {
            let begun = client.post(&format!("{path}/stream"), json!({})).await.expect(201);
            messages.push(begun["id"].as_str().unwrap().to_owned());
        }
        let token = client.token().unwrap().to_owned();
        let socket = if number % 3 == 1 { Some(Socket::open(client.address(), "", Some(&token)).await) } else { None };
        let graphql = (number % 3 == 2).then(|| Graphql::new(client.address(), Some(token)));
        Self { client, path, socket, graphql, messages }
    }

    async fn append(&mut self, id: &str, offset: usize, text: &str) {
        if let Some(socket) = &mut self.socket {
            let part = json!({ "message_id": id, "offset": offset, "text": text });
            let answer = socket.ask("append_to_message", part).await;
            assert_eq!(answer["event"], "ack", "{answer}");
        } else if let Some(graphql) = &self.graphql {
            graphql.data(APPEND, json!({ "id": id, "offset": offset, "text": text })).await;
        } else {
            let path = format!("{}/{id}/parts", self.path);
            self.client.post(&path, json!({ "offset": offset, "text": text })).await.expect(200);
        }
    }

    /// Adds some parts to each of its messages, in turn.
    async fn write(&mut self, parts: std::ops::Range<usize>) {
        for number in parts {
            for id in self.messages.clone() {
                self.append(&id, text_of(&id, number).len(), &part(&id, number)).await;
            }
        }
    }

    async fn finish(&self, id: &str) {
        let length = text_of(id, PARTS).len();
        self.client.post(&format!("{}/{id}/finish", self.path), json!({ "length": length })).await.expect(200);
    }
}

fn part(id: &str, number: usize) -> String {
    format!("part {number} of {id}; ")
}

/// The first parts of a message.
fn text_of(id: &str, parts: usize) -> String {
    (0..parts).map(|number| part(id, number)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_messages_in_parts_agree_for_readers_on_every_transport_although_the_server_is_killed() {
    let folder = folder();
    let data = folder.path();
    let server = Server::start(data);
    let owner = server.client(data, "owner");
    let session = owner.session("INVITE_ONLY").await;
    let mut authors = Vec::new();
    for number in 0..AUTHORS {
        let name = format!("author-{number}");
        let client = server.client(data, &name);
        // A user exists once the server has seen their token.
        client.get("/sessions").await.expect(200);
        owner.post(&format!("/sessions/{session}/participants"), json!({ "user_id": name })).await.expect(201);
        authors.push(Author::new(client, number, &session).await);
    }
    let ids: Vec<String> = authors.iter().flat_map(|author| author.messages.clone()).collect();
    assert_eq!(ids.len(), AUTHORS * EACH);

    // A user has only so many streams at once.
    let mut parties = vec![owner.clone()];
    for name in ["late", "later"] {
        let client = server.client(data, name);
        client.get("/sessions").await.expect(200);
        owner.post(&format!("/sessions/{session}/participants"), json!({ "user_id": name })).await.expect(201);
        parties.push(client);
    }

    // Half of each message, while readers read. A reader that is slow misses parts, and the last part of a message may be among them.
    let mut readers = Reader::on_each_transport(&parties[0], &session, Default::default()).await;
    let write = async |authors: &mut Vec<Author>, parts: std::ops::Range<usize>| {
        join_all(authors.iter_mut().map(|author| author.write(parts.clone()))).await;
        owner.say(&session, "a mark").await;
    };
    let is_part_of =
        |known: &Known, parts: usize| ids.iter().all(|id| text_of(id, parts).starts_with(&known.messages[id].text));
    tokio::join!(write(&mut authors, 0..PARTS / 2), all_until(&mut readers, |known| known.marks == 1));
    assert!(readers.iter().all(|reader| is_part_of(&reader.known, PARTS / 2)));

    // Readers in the middle have the parts so far, and then the rest.
    let mut late = Reader::on_each_transport(&parties[1], &session, Default::default()).await;
    all_until(&mut late, |known| known.marks == 1).await;
    for id in &ids {
        let so_far = Kept { text: text_of(id, PARTS / 2), state: "STREAMING".to_owned() };
        assert_eq!(message(&owner, &session, id).await, so_far);
        assert!(late.iter().all(|reader| reader.known.messages[id] == so_far), "{id}");
    }
    readers.append(&mut late);
    tokio::join!(write(&mut authors, PARTS / 2..PARTS), all_until(&mut readers, |known| known.marks == 2));
    assert!(readers.iter().all(|reader| is_part_of(&reader.known, PARTS)));

    // Half of the messages are completed: each reader was shown the text that is stored.
    let is_finished = |id: &String| ids.iter().position(|other| other == id).unwrap().is_multiple_of(2);
    let (finished, open): (Vec<&String>, Vec<&String>) = ids.iter().partition(|id| is_finished(id));
    let finish = join_all(authors.iter().flat_map(|author| {
        let of_author = author.messages.iter().filter(|id| is_finished(id));
        of_author.map(|id| author.finish(id)).collect::<Vec<_>>()
    }));
    let ended = |ids: &[&String]| {
        let ids: Vec<String> = ids.iter().map(|id| (*id).clone()).collect();
        move |known: &Known| ids.iter().all(|id| known.messages.get(id).is_some_and(|kept| kept.state != "STREAMING"))
    };
    tokio::join!(finish, all_until(&mut readers, ended(&finished)));
    for id in &finished {
        let complete = Kept { text: text_of(id, PARTS), state: "COMPLETE".to_owned() };
        assert_eq!(message(&owner, &session, id).await, complete);
        assert!(readers.iter().all(|reader| reader.known.messages[*id] == complete), "{id}");
    }

    // The server is killed while the others are written. What had four kilobytes is recorded.
    let long = "x".repeat(4_096);
    let recorded = |id: &str| text_of(id, PARTS) + &long;
    for author in &mut authors {
        author.messages.retain(|id| !is_finished(id));
        for id in author.messages.clone() {
            author.append(&id, text_of(&id, PARTS).len(), &long).await;
            author.append(&id, recorded(&id).len(), "and more").await;
        }
    }
    owner.say(&session, "a mark").await;
    all_until(&mut readers, |known| known.marks == 3).await;
    for (reader, id) in readers.iter().flat_map(|reader| open.iter().map(move |id| (reader, *id))) {
        assert!((recorded(id) + "and more").starts_with(&reader.known.messages[id].text), "{id}");
    }
    server.kill();
    let known: Vec<Known> = readers.into_iter().map(|reader| reader.known).collect();

    // Readers go on where they were; a new one begins at the beginning.
    let server = Server::start(data);
    let owner = owner.at(&server.address);
    let mut readers = Vec::new();
    let known = known.chunks(4).map(|known| known.to_vec().try_into().unwrap()).chain([Default::default()]);
    for (client, known) in parties.iter().zip(known) {
        readers.extend(Reader::on_each_transport(&client.at(&server.address), &session, known).await);
    }
    // No part comes for 30 seconds: the authors are gone.
    let end = Instant::now() + PATIENCE;
    while message(&owner, &session, open[open.len() - 1]).await.state == "STREAMING" {
        assert!(Instant::now() < end, "a message whose author is gone does not end");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    all_until(&mut readers, ended(&open)).await;
    for id in &ids {
        let stored = message(&owner, &session, id).await;
        if is_finished(id) {
            assert_eq!(stored, Kept { text: text_of(id, PARTS), state: "COMPLETE".to_owned() });
        } else {
            assert_eq!(stored.state, "FAILED");
            let is_prefix = (recorded(id) + "and more").starts_with(&stored.text);
            assert!(stored.text.starts_with(&recorded(id)) && is_prefix, "{stored:?}");
        }
        for reader in &readers {
            assert_eq!(reader.known.messages[id], stored, "what a reader was shown is what is stored");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_stops_in_order_records_the_parts_of_the_last_second() {
    let folder = folder();
    let data = folder.path();
    let server = Server::start(data);
    let client = server.client(data, "author");
    let session = client.session("PUBLIC").await;
    let mut author = Author::new(client.clone(), 0, &session).await;
    author.write(0..2).await;
    assert_eq!(server.stop(Signal::SIGTERM), 0);
    let server = Server::start(data);
    let client = client.at(&server.address);
    for id in &author.messages {
        let kept = message(&client, &session, id).await;
        assert_eq!(kept, Kept { text: text_of(id, 2), state: "STREAMING".to_owned() });
    }
}
