//! Declined requests to join on every transport: each connection of the user who asked is told in the same way.

use std::sync::Arc;

use chatcore::{
    chat::{CreateInvite, CreateSession},
    model::SessionType,
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
    room::Cast,
    stage::Actor,
    wire,
    world::World,
};
use crate::{Backend, Client, Socket};

/// A request is declined, and the user hears the same of it on each transport, without being told who declined.
pub async fn declined_everywhere(backend: Backend, coverage: &Arc<Coverage>) {
    let world = World::start(backend, coverage).await;
    let (address, chat) = (&world.server.address, &world.server.chat);
    let cast = Cast::new(chat, "declined.".to_owned()).await;
    let (owner, stranger, token) = (cast.principal("owner"), cast.principal("stranger"), cast.token(Actor::Stranger));
    let new = |title: &str, session_type| CreateSession::titled(title).of_type(session_type);
    let guarded = chat.create_session(owner, new("Guarded", SessionType::InviteOnly)).await.unwrap();
    let guarded = guarded.summary.session.id;
    let invite = CreateInvite { needs_approval: true, ..CreateInvite::default() };
    let code = chat.create_invite(owner, guarded, invite).await.unwrap().code;
    chat.request_to_join(stranger, &code, None).await.unwrap();
    let own = chat.create_session(stranger, new("Own", SessionType::Private)).await.unwrap().summary.session.id;

    let mut core = chat.own_signals(stranger).await;
    // The socket follows no session.
    let mut socket = Socket::open(address, "", token).await;
    let left = socket.ask("leave_session", json!({ "session_id": own })).await;
    assert_eq!(left["event"], "ack", "{left}");
    let client = Client::new(address, token.map(str::to_owned));
    let mut stream = EventStream::open(&client, &own.to_string(), None, None).await.unwrap();
    let used = || (Arc::clone(coverage), "declined");
    let arguments = [("sessionId", json!(own))];
    let mut one = GraphQlSocket::open(address, token, "sessionEvents", &arguments, used()).await.unwrap();
    let mut all = GraphQlSocket::open(address, token, "allSessionEvents", &[], used()).await.unwrap();
    for events in [&mut one, &mut all] {
        let first = events.delivery().await.unwrap().unwrap();
        assert_eq!(first["__typename"], "Subscribed", "{first}");
    }

    chat.decline_join_request(owner, guarded, &stranger.user_id).await.unwrap();
    let view = timeout(PATIENCE, core.next()).await.expect("nothing came").unwrap();
    let expected = tidy(canon::signal(&view));
    assert_eq!(expected, json!({ "kind": "JoinRequestDeclined", "session_id": guarded }));
    let frame = socket.event().await;
    assert_eq!(frame, json!({ "event": "join_request_declined", "data": { "session_id": guarded } }));
    coverage.used(coverage::server("join_request_declined"), "declined");
    let told: [Value; 4] = [
        wire::frame(&frame),
        wire::frame(&stream.frame().await.unwrap()),
        delivery(&one.delivery().await.unwrap().unwrap()),
        delivery(&all.delivery().await.unwrap().unwrap()),
    ];
    for told in told {
        assert_eq!(difference(&expected, &tidy(told)), None);
    }
}
