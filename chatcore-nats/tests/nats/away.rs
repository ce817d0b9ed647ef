//! Servers that are not there yet, go away, come back, or take nothing.

use async_nats::Event as Connection;
use chatcore_nats::ConnectOptions;
use tokio::sync::mpsc;

use super::{
    server::{free_port, url},
    *,
};

/// Options that connect again quickly and tell what becomes of the connection.
fn told() -> (ConnectOptions, mpsc::UnboundedReceiver<Connection>) {
    let (tell, told) = mpsc::unbounded_channel();
    let options =
        ConnectOptions::new().reconnect_delay_callback(|_| Duration::from_millis(20)).event_callback(move |event| {
            let _ = tell.send(event);
            std::future::ready(())
        });
    (options, told)
}

async fn wait_for(event: Connection, told: &mut mpsc::UnboundedReceiver<Connection>) {
    while in_time(told.recv()).await.expect("the connection is there") != event {}
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_while_the_server_is_away_and_hints_come_again_after_it() {
    let Some(server) = Server::start() else { return };
    let port = server.port();
    let store = Arc::new(MemoryStore::new());
    let poll = Duration::from_millis(50);
    let ((options, mut here_told), (there_options, mut there_told)) = (told(), told());
    let here = chat(&store, NatsNotifier::connect_with(server.url(), options).await.unwrap(), poll);
    let there = chat(&store, NatsNotifier::connect_with(server.url(), there_options).await.unwrap(), poll);
    let (alice, bob) = (user("alice"), user("bob"));
    let id = room(&here, &alice, &[&bob]).await;
    let mut events = there.subscribe(&bob, id, None).await.unwrap();
    let mut all = Vec::new();
    for n in 0..20 {
        say(&here, &alice, id, format!("before {n}")).await;
    }
    all.extend(take(&mut events, 10).await);

    // Senders go on while it happens.
    let sending = tokio::spawn({
        let (here, alice) = (here.clone(), alice.clone());
        async move {
            for n in 0..200 {
                say(&here, &alice, id, format!("meanwhile {n}")).await;
                tokio::task::yield_now().await;
            }
        }
    });
    server.kill();
    wait_for(Connection::Disconnected, &mut here_told).await;
    wait_for(Connection::Disconnected, &mut there_told).await;
    sending.await.unwrap();
    for n in 0..20 {
        say(&here, &alice, id, format!("away {n}")).await;
    }
    all.extend(take(&mut events, 10 + 200 + 20).await);

    let _server = Server::start_at(port).unwrap();
    wait_for(Connection::Connected, &mut here_told).await;
    wait_for(Connection::Connected, &mut there_told).await;
    // Polling finds no signals.
    type_until_heard(&here, &alice, id, &mut events).await;
    let sent = say(&here, &alice, id, "after").await;
    all.extend(take(&mut events, 1).await);
    assert!(all.iter().zip(3..).all(|(event, seq)| event.seq == seq));
    assert_eq!(all.last().unwrap().seq, sent.seq);
}

#[tokio::test]
async fn without_a_server_nobody_waits_and_neighbours_hear_each_other() {
    let Some(server) = Server::start() else { return };
    let (options, mut told) = told();
    let options = options.client_capacity(16);
    let notifier = NatsNotifier::connect_with(server.url(), options).await.unwrap();
    let here = chat(&Arc::new(MemoryStore::new()), notifier, NEVER);
    let (alice, bob) = (user("alice"), user("bob"));
    let id = room(&here, &alice, &[&bob]).await;
    let mut early = here.subscribe(&bob, id, None).await.unwrap();
    server.kill();
    wait_for(Connection::Disconnected, &mut told).await;

    // Many more than the client would keep.
    for n in 0..100 {
        say(&here, &alice, id, n.to_string()).await;
    }
    let told = take(&mut early, 100).await;
    assert!(told.iter().zip(3..).all(|(event, seq)| event.seq == seq));
    // More subscriptions than the client's queue has room for, too.
    let mut readers = Vec::new();
    for _ in 0..40 {
        let id = room(&here, &alice, &[&bob]).await;
        readers.push((id, in_time(here.subscribe(&bob, id, None)).await.unwrap()));
    }
    for (id, mut events) in readers {
        in_time(here.typing(&alice, id, true)).await.unwrap();
        assert_eq!(signal(&mut events).await, (alice.user_id.clone(), true));
        say(&here, &alice, id, "hello").await;
        take(&mut events, 1).await;
    }
}

#[tokio::test]
async fn what_was_typed_while_the_server_was_away_is_not_told_later() {
    let Some(server) = Server::start() else { return };
    let port = server.port();
    // One connects when the test lets it: the first time at once.
    let gate = Arc::new(tokio::sync::Semaphore::new(1));
    let ((options, mut here_told), (there_options, mut there_told)) = (told(), told());
    let options = options.reconnect_to_server_callback({
        let gate = Arc::clone(&gate);
        move |_, _| {
            let gate = Arc::clone(&gate);
            async move {
                gate.acquire_owned().await.unwrap().forget();
                None
            }
        }
    });
    let store = Arc::new(MemoryStore::new());
    let here = chat(&store, NatsNotifier::connect_with(server.url(), options).await.unwrap(), NEVER);
    let there = chat(&store, NatsNotifier::connect_with(server.url(), there_options).await.unwrap(), NEVER);
    let (alice, bob, carol) = (user("alice"), user("bob"), user("carol"));
    let id = room(&here, &alice, &[&bob, &carol]).await;
    let mut events = there.subscribe(&bob, id, None).await.unwrap();
    server.kill();
    wait_for(Connection::Disconnected, &mut here_told).await;
    wait_for(Connection::Disconnected, &mut there_told).await;
    here.typing(&alice, id, false).await.unwrap();

    let server = Server::start_at(port).unwrap();
    let other = chat(&store, NatsNotifier::connect(server.url()).await.unwrap(), NEVER);
    type_until_heard(&other, &carol, id, &mut events).await;
    gate.add_permits(tokio::sync::Semaphore::MAX_PERMITS / 2);
    type_until_heard(&here, &alice, id, &mut events).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_takes_nothing_holds_nobody_up() {
    let Some(server) = Server::start() else { return };
    let store = Arc::new(MemoryStore::new());
    let options = ConnectOptions::new().client_capacity(16);
    let notifier = NatsNotifier::connect_with(server.url(), options).await.unwrap();
    let here = chat(&store, notifier, NEVER);
    let there = chat(&store, NatsNotifier::connect(server.url()).await.unwrap(), NEVER);
    let (alice, bob) = (user("alice"), user("bob"));
    let id = room(&here, &alice, &[&bob]).await;
    let mut near = here.subscribe(&bob, id, None).await.unwrap();

    server.freeze();
    // Enough to fill what lies between: the socket's buffers are some megabytes.
    let text = "x".repeat(8_000);
    for _ in 0..3_000 {
        say(&here, &alice, id, text.as_str()).await;
    }
    take(&mut near, 3_000).await;
    let other = room(&here, &alice, &[&bob]).await;
    let mut late = in_time(here.subscribe(&bob, other, None)).await.unwrap();
    say(&here, &alice, other, "hello").await;
    take(&mut late, 1).await;

    // The subscription for which there was no room is made when there is.
    server.thaw();
    type_until_heard(&there, &alice, other, &mut late).await;
}

#[tokio::test]
async fn a_program_may_start_before_its_server() {
    let port = free_port();
    let store = Arc::new(MemoryStore::new());
    let options = || told().0.retry_on_initial_connect();
    let here = chat(&store, in_time(NatsNotifier::connect_with(url(port), options())).await.unwrap(), NEVER);
    let there = chat(&store, in_time(NatsNotifier::connect_with(url(port), options())).await.unwrap(), NEVER);
    let (alice, bob) = (user("alice"), user("bob"));
    let id = room(&here, &alice, &[&bob]).await;
    let mut near = in_time(here.subscribe(&bob, id, None)).await.unwrap();
    let mut far = in_time(there.subscribe(&bob, id, None)).await.unwrap();
    say(&here, &alice, id, "hello").await;
    take(&mut near, 1).await;

    let Some(server) = Server::start_at(port) else { return };
    type_until_heard(&here, &alice, id, &mut far).await;
    // The next hint tells of what was said before it.
    let sent = say(&here, &alice, id, "are you there?").await;
    let told = take(&mut far, 2).await;
    assert_eq!(told[1].seq, sent.seq);
    drop(server);
}

#[tokio::test]
async fn neighbours_hear_each_other_when_the_connection_is_gone_for_good() {
    let Some(server) = Server::start() else { return };
    let (options, mut told) = told();
    let notifier = NatsNotifier::connect_with(server.url(), options.max_reconnects(1)).await.unwrap();
    let here = chat(&Arc::new(MemoryStore::new()), notifier, NEVER);
    let (alice, bob) = (user("alice"), user("bob"));
    let (id, other) = (room(&here, &alice, &[&bob]).await, room(&here, &alice, &[&bob]).await);
    let mut early = here.subscribe(&bob, id, None).await.unwrap();
    server.kill();
    wait_for(Connection::ClientError(async_nats::ClientError::MaxReconnects), &mut told).await;
    let mut late = in_time(here.subscribe(&bob, other, None)).await.unwrap();
    for (id, events) in [(id, &mut early), (other, &mut late)] {
        for is_typing in [true, false] {
            in_time(here.typing(&alice, id, is_typing)).await.unwrap();
            assert_eq!(signal(events).await, (alice.user_id.clone(), is_typing));
        }
    }
}

#[tokio::test]
async fn no_server_is_an_error_at_once() {
    let refused = in_time(NatsNotifier::connect(url(free_port()))).await;
    assert_eq!(refused.unwrap_err().kind(), async_nats::ConnectErrorKind::Io);
}
