//! Readers who go from one transport to another, and one of all their sessions.

use std::{collections::BTreeMap, sync::Arc};

use chatcore::{
    Chat, Error, Limits,
    chat::{AddParticipant, SendMessage},
    model::{ParticipantRole, SessionId, SessionType, UserId},
};
use serde_json::{Value, json};
use tokio::{sync::Semaphore, task::JoinHandle};

use super::{
    canon::{self, tidy},
    compare::difference,
    coverage::Coverage,
    graphql::{GraphQlSocket, delivery, subscription},
    rest::EventStream,
    room::{Cast, Room},
    stage::{Actor, Stage, State},
    wire,
    world::World,
};
use crate::{Backend, Client, Graphql, GraphqlEvents, Socket, crowded};

/// How many events a reader takes on each transport before it is cut.
const SHARE: usize = 40;

/// A reader who keeps what they saw, and for each event lets somebody act once more.
struct Reader {
    seen: Vec<Value>,
    turns: Arc<Semaphore>,
}

impl Reader {
    fn last(&self) -> u64 {
        self.seen.len() as u64
    }

    /// The cursor to continue after: of the last event, or the start.
    fn cursor(&self) -> String {
        self.seen.last().map_or("0".to_owned(), |event| event["cursor"].as_str().unwrap().to_owned())
    }

    fn see(&mut self, event: Value) {
        assert_eq!(event["seq"], self.last() + 1, "a hole or a double: {event}");
        self.seen.push(event);
        self.turns.add_permits(1);
    }
}

/// Acts on and on, once for each turn that is given: says something, and now and then changes a role.
fn act(
    chat: &Chat,
    cast: &Arc<Cast>,
    session: SessionId,
    name: &'static str,
    turns: &Arc<Semaphore>,
) -> JoinHandle<()> {
    let (chat, cast, turns) = (chat.clone(), Arc::clone(cast), Arc::clone(turns));
    tokio::spawn(async move {
        let viewer = UserId::new(cast.user("viewer")).unwrap();
        let roles = [ParticipantRole::Member, ParticipantRole::Viewer];
        for n in 0.. {
            let Ok(turn) = turns.acquire().await else { return };
            turn.forget();
            let by = cast.principal(name);
            let done = if name == "owner" && n % 5 == 0 {
                chat.change_role(by, session, &viewer, roles[n / 5 % 2]).await.map(|_| ())
            } else {
                chat.send(by, session, SendMessage::text(format!("{name} {n}"))).await.map(|_| ())
            };
            done.unwrap();
        }
    })
}

/// A reader who is cut again and again, and goes on elsewhere each time while others act, sees one log.
pub async fn resume_everywhere(backend: Backend) {
    let world = World::start(backend, &Arc::default()).await;
    let (address, chat) = (&world.server.address, &world.server.chat);
    let cast = Arc::new(Cast::new(chat, "resume.".to_owned()).await);
    let room = Room::make(&world, &cast, Stage { session_type: SessionType::Public, state: State::Fresh }).await;
    let token = cast.token(Actor::Viewer);
    let turns = Arc::new(Semaphore::new(20));
    let writers = ["owner", "admin", "member"].map(|name| act(chat, &cast, room.session, name, &turns));
    let mut reader = Reader { seen: Vec::new(), turns: Arc::clone(&turns) };

    for round in 0..2 {
        let mut socket = Socket::open(address, "", token).await;
        socket.join(&room.id, Some(reader.last())).await;
        for _ in 0..SHARE {
            reader.see(wire::frame(&socket.event().await));
        }
        socket.cut();

        {
            let arguments = [("sessionId", json!(room.id)), ("cursor", json!(reader.cursor()))];
            let coverage = (Arc::default(), "resuming");
            let mut socket = GraphQlSocket::open(address, token, "sessionEvents", &arguments, coverage).await.unwrap();
            let first = socket.delivery().await.unwrap().unwrap();
            assert_eq!(first["after"], reader.last(), "{first}");
            for _ in 0..SHARE {
                reader.see(delivery(&socket.delivery().await.unwrap().unwrap()));
            }
            socket.cut();
        }

        {
            // The same over server-sent events.
            let arguments = [("sessionId", json!(room.id)), ("after", json!(reader.last()))];
            let (query, variables) = subscription("sessionEvents", &arguments);
            let client = Graphql::new(address, token.map(str::to_owned));
            let mut stream = GraphqlEvents::open(client.stream(&query, variables)).await.unwrap_or_else(|_| panic!());
            let first = stream.next().await.unwrap();
            assert_eq!(first["data"]["sessionEvents"]["after"], reader.last(), "{first}");
            for _ in 0..SHARE {
                reader.see(delivery(&tidy(stream.next().await.unwrap()["data"]["sessionEvents"].clone())));
            }
        }

        {
            let client = Client::new(address, token.map(str::to_owned));
            // The header goes before the parameter.
            let after = (round == 1).then_some(1);
            let mut stream = EventStream::open(&client, &room.id, after, Some(reader.last())).await.unwrap();
            for _ in 0..SHARE {
                reader.see(wire::frame(&stream.frame().await.unwrap()));
            }
            drop(stream);

            let path = format!("/sessions/{}/events", room.id);
            let mut query = format!("?after={}&limit=7&wait=20", reader.cursor());
            let wanted = reader.seen.len() + SHARE;
            while reader.seen.len() < wanted {
                let reply = client.get(&format!("{path}{query}")).await;
                let link = reply.headers["link"].to_str().unwrap().to_owned();
                let body = reply.expect(200);
                let events = body["events"].as_array().unwrap();
                assert!((1..=7).contains(&events.len()), "{body}");
                events.iter().for_each(|frame| reader.see(wire::frame(frame)));
                query = link.trim_start_matches('<').split_once('>').unwrap().0.to_owned();
            }
        }
    }

    turns.close();
    for writer in writers {
        writer.await.unwrap();
    }
    let head = room.again(&*world.store, &cast).await.head();
    let mut socket = Socket::open(address, "", token).await;
    socket.join(&room.id, Some(reader.last())).await;
    while reader.last() < head {
        reader.see(wire::frame(&socket.event().await));
    }
    socket.silent().await;
    same_as_log(chat, &cast, &room, &reader.seen).await;
}

/// Holds what was seen of a session against its log.
async fn same_as_log(chat: &Chat, cast: &Cast, room: &Room, seen: &[Value]) {
    let mut after = seen.first().map_or(0, |event| event["seq"].as_u64().unwrap() - 1);
    for part in seen.chunks(100) {
        let page = chat.events(cast.principal("owner"), room.session, after, Some(part.len() as u64)).await.unwrap();
        assert_eq!(page.events.len(), part.len());
        for (view, seen) in page.events.iter().zip(part) {
            assert_eq!(difference(&canon::event(view), seen), None);
            after = view.event.seq;
        }
    }
}

/// GraphQL's one stream of all of a user's sessions: each is announced, brings its events without hole or double, and ends by
/// itself.
pub async fn follow_all_sessions(backend: Backend, coverage: &Arc<Coverage>) {
    // Room for the two that are named, and for one more.
    let world = World::start_with(backend, Limits { stream_sessions: 3, ..crowded() }, coverage).await;
    let (address, chat) = (&world.server.address, &world.server.chat);
    let cast = Cast::new(chat, "all.".to_owned()).await;
    let public = Stage { session_type: SessionType::Public, state: State::Fresh };
    let _left_out = Room::make(&world, &cast, public).await;
    let (one, two) = (Room::make(&world, &cast, public).await, Room::make(&world, &cast, public).await);
    let hidden = Stage { session_type: SessionType::Private, state: State::Fresh };
    let (hidden, later) = (Room::make(&world, &cast, hidden).await, Room::make(&world, &cast, public).await);
    let owner = cast.principal("owner");
    let reader = UserId::new(cast.user("peer")).unwrap();
    chat.remove_participant(owner, later.session, &reader).await.unwrap();
    let later = later.again(&*world.store, &cast).await;

    let third = chat.events(owner, two.session, 2, Some(1)).await.unwrap().next();
    let after = json!([{ "sessionId": two.id, "cursor": third }, { "sessionId": hidden.id, "seq": 0 }]);
    let arguments = [("after", after)];
    let coverage = (Arc::clone(coverage), "all sessions");
    {
        let arguments = [("sessionId", json!(two.id)), ("cursor", json!(third))];
        let token = Some(cast.token_of("peer"));
        let mut one = GraphQlSocket::open(address, token, "sessionEvents", &arguments, coverage.clone()).await.unwrap();
        assert_eq!(one.delivery().await.unwrap().unwrap()["cursor"], json!(third));
    }
    let mut stream =
        GraphQlSocket::open(address, Some(cast.token_of("peer")), "allSessionEvents", &arguments, coverage)
            .await
            .unwrap();

    let mut begun: BTreeMap<String, u64> = BTreeMap::new();
    let mut seen: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    let mut read = async |begun: &mut BTreeMap<String, u64>, seen: &mut BTreeMap<String, Vec<Value>>| {
        let delivered = stream.delivery().await.expect("it ended").unwrap();
        let session = delivered["sessionId"].as_str().unwrap_or_default().to_owned();
        match delivered["__typename"].as_str().unwrap() {
            "Subscribed" => {
                let before = begun.insert(session, delivered["after"].as_u64().unwrap());
                assert_eq!(before, None, "announced twice: {delivered}");
            }
            "SubscriptionEnded" => {
                let expected = json!([hidden.id, "SESSION_NOT_FOUND"]);
                assert_eq!(json!([delivered["sessionId"], delivered["code"]]), expected);
                seen.entry(session).or_default();
            }
            "SessionsLeftOut" => assert_eq!(delivered["sessions"], 1),
            "Typing" => assert!(delivered["isTyping"].is_boolean()),
            _ => {
                let events = seen.entry(session.clone()).or_default();
                let next = begun[&session] + events.len() as u64 + 1;
                assert_eq!(delivered["seq"], next, "a hole or a double: {delivered}");
                events.push(delivery(&delivered));
            }
        }
    };
    // Two announcements, one refusal, how many were left out, and what the one that was named has after its position.
    for _ in 0..(4 + two.head() - 3) {
        read(&mut begun, &mut seen).await;
    }
    assert_eq!(begun, BTreeMap::from([(one.id.clone(), one.head()), (two.id.clone(), 3)]));
    assert!(seen.contains_key(&hidden.id));

    let add = AddParticipant { user_id: reader.clone(), role: None };
    chat.add_participant(owner, later.session, add).await.unwrap();
    read(&mut begun, &mut seen).await;
    read(&mut begun, &mut seen).await;
    assert_eq!(begun[&later.id], later.head());
    assert_eq!(seen[&later.id][0]["kind"], "ParticipantAdded");

    chat.remove_participant(owner, one.session, &reader).await.unwrap();
    read(&mut begun, &mut seen).await;
    chat.send(owner, one.session, SendMessage::text("unheard")).await.unwrap();
    for room in [&two, &later] {
        chat.typing(owner, room.session, true).await.unwrap();
        read(&mut begun, &mut seen).await;
        // A message ends the typing.
        chat.send(owner, room.session, SendMessage::text("heard")).await.unwrap();
        read(&mut begun, &mut seen).await;
        read(&mut begun, &mut seen).await;
    }
    assert_eq!(seen[&one.id].last().unwrap()["kind"], "ParticipantRemoved");
    for room in [&one, &two, &later] {
        same_as_log(chat, &cast, room, &seen[&room.id]).await;
    }
    let gone = chat.events(cast.principal("peer"), one.session, 0, None).await;
    assert!(matches!(gone, Err(Error::Denied(_))), "{gone:?}");
}
