//! Presence on every transport: who comes and goes is told in the same way.

use std::{sync::Arc, time::Duration};

use chatcore::{
    Limits,
    chat::{Delivery, SetPresence},
    model::{Availability, SessionType, Signal, StatusText},
};
use futures_util::StreamExt as _;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::{
    PATIENCE,
    canon::{self, tidy},
    compare::difference,
    coverage::{self, Coverage},
    graphql::{GraphQlSocket, delivery},
    rest::EventStream,
    room::{Cast, Room},
    stage::{Actor, Stage, State},
    wire,
    world::World,
};
use crate::{Backend, Client, Graphql, Socket, crowded};

/// A user says something, comes and goes, and a reader on each transport hears the same of it.
pub async fn presence_everywhere(backend: Backend, coverage: &Arc<Coverage>) {
    let limits = Limits { presence_linger: Duration::from_millis(1), ..crowded() };
    let world = World::start_with(backend, limits, coverage).await;
    let (address, chat) = (&world.server.address, &world.server.chat);
    let cast = Cast::new(chat, "presence.".to_owned()).await;
    let room = Room::make(&world, &cast, Stage { session_type: SessionType::Public, state: State::Fresh }).await;
    let (reader, token) = (cast.principal("viewer"), cast.token(Actor::Viewer));

    let mut core = chat.subscribe(reader, room.session, None).await.unwrap();
    core.show_presence().await;
    let mut socket = Socket::open(address, "", token).await;
    let joined = socket.ask("join_session", json!({ "session_id": room.id, "presence": true })).await;
    assert_eq!(joined["event"], "ack", "{joined}");
    let client = Client::new(address, token.map(str::to_owned));
    let mut stream = EventStream::with_presence(&client, &room.id).await.unwrap();
    let used = || (Arc::clone(coverage), "presence");
    let arguments = [("sessionId", json!(room.id)), ("presence", json!(true))];
    let mut one = GraphQlSocket::open(address, token, "sessionEvents", &arguments, used()).await.unwrap();
    let arguments = [("presence", json!(true))];
    let mut all = GraphQlSocket::open(address, token, "allSessionEvents", &arguments, used()).await.unwrap();
    for events in [&mut one, &mut all] {
        let first = events.delivery().await.unwrap().unwrap();
        assert_eq!(first["__typename"], "Subscribed", "{first}");
    }

    let owner = cast.principal("owner");
    let until = chat.now() + chrono::TimeDelta::days(1);
    let text = Some(Some(StatusText { text: "Lunch".to_owned(), until: Some(until) }));
    let set = SetPresence { availability: Some(Availability::Away), text, is_hidden: None };
    chat.set_presence(owner, set).await.unwrap();
    let device = chat.device(owner);
    let mut device = Some(device);
    loop {
        let next = timeout(PATIENCE, core.next()).await.expect("nothing came").unwrap().unwrap();
        let Delivery::Signal(view) = &next else { panic!("{next:?}") };
        let Signal::Presence { state, .. } = &view.signal else { panic!("{next:?}") };
        let expected = tidy(canon::delivery(&next));
        let frame = socket.event().await;
        coverage.used(coverage::server(frame["event"].as_str().unwrap()), "presence");
        let told: [Value; 4] = [
            wire::frame(&frame),
            wire::frame(&stream.frame().await.unwrap()),
            delivery(&one.delivery().await.unwrap().unwrap()),
            delivery(&all.delivery().await.unwrap().unwrap()),
        ];
        for told in told {
            assert_eq!(difference(&expected, &tidy(told)), None);
        }
        if state.last_seen.is_some() {
            break;
        }
        if expected["status"] == "away" {
            device = None;
        }
    }
    assert!(device.is_none());

    // What the owner sees of it.
    let query = "{ ownPresence { user { id } status lastSeen text textUntil availability isHidden } }";
    let client = Graphql::new(address, cast.token(Actor::Owner).map(str::to_owned));
    let data = client.data(query, json!({})).await;
    coverage.answered(query, &json!({}), &data, "presence");
    let own = &data["ownPresence"];
    assert_eq!(
        (&own["status"], &own["text"], &own["availability"]),
        (&json!("OFFLINE"), &json!("Lunch"), &json!("AWAY"))
    );
    assert!(own["lastSeen"].is_string(), "{own}");
}
