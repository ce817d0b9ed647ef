//! Servers of the release before this one are replaced by servers of this one, one after the other, while clients use both.

use std::path::Path;

use chatcore_tests::{Client, Socket, token};
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use super::{
    kit::{self, Server, errors, folder},
    previous, start_by, surreal,
    traffic::Traffic,
};

/// What is said at each server the readers of the other one see, with the same position and number; each edits what was said at the other.
async fn serve_each_other(one: &Server, other: &Server) {
    let servers = [one, other];
    let owner = Client::new(&one.address, Some(token("owner")));
    let session = owner.session("PUBLIC").await;
    let guest = Client::new(&other.address, Some(token("guest")));
    guest.post(&format!("/sessions/{session}/join"), json!({})).await.expect(200);
    let clients = [owner, guest];
    let mut sockets = Vec::new();
    for (server, user) in servers.into_iter().zip(["owner", "guest"]) {
        let mut socket = Socket::open(&server.address, "", Some(&token(user))).await;
        socket.join(&session, Some(0)).await;
        for event in ["session_created", "user_joined"] {
            socket.expect(event).await;
        }
        sockets.push(socket);
    }
    let path = format!("/sessions/{session}/messages");
    for n in 0..4 {
        let said = clients[n % 2].say(&session, &format!("message {n}")).await;
        let edited = format!("edited {n}");
        let id = said["id"].as_str().unwrap();
        // Through the other server, by the user who said it.
        let there = Client::new(&servers[(n + 1) % 2].address, clients[n % 2].token().map(str::to_owned));
        there.put(&format!("{path}/{id}"), json!({ "content": edited })).await.expect(200);
        for socket in &mut sockets {
            let frame = socket.expect("message_received").await;
            let message = &frame["data"]["message"];
            assert_eq!((&message["seq"], &message["number"]), (&said["seq"], &said["number"]));
            let frame = socket.expect("message_edited").await;
            assert_eq!(frame["seq"].as_u64(), said["seq"].as_u64().map(|seq| seq + 1));
        }
    }
    let pages: Vec<Value> = [clients[0].get(&path).await.expect(200), clients[1].get(&path).await.expect(200)].into();
    let texts = |page: &Value| -> Vec<(Value, Value)> {
        let messages = page.as_array().unwrap().iter();
        messages.map(|message| (message["content"].clone(), message["seq"].clone())).collect()
    };
    assert_eq!(texts(&pages[0]), texts(&pages[1]));
    assert_eq!(texts(&pages[0]).len(), 4);
    // A removal through one server ends the reading at the other.
    clients[0].delete(&format!("/sessions/{session}/participants/guest")).await.expect(200);
    sockets[1].expect("participant_removed").await;
    assert_eq!(clients[1].get(&path).await.status, 403);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_are_replaced_one_after_the_other_and_nothing_is_lost() {
    let Some(previous) = previous::program() else { return };
    let database = surreal("memory").await;
    let options = database.database().await;
    let folders = [(); 4].map(|()| folder());
    let start = |program: Option<&Path>, folder: usize| {
        let folder = folders[folder].path();
        let command = program.map_or_else(|| kit::command(folder), |program| kit::command_of(program, folder));
        start_by(command, folder, &database.url(), &options, &[])
    };
    let [first, second] = [0, 1].map(|folder| start(Some(&previous), folder));
    serve_each_other(&first, &second).await;
    let mut traffic = Traffic::start(&[&first.address, &second.address], 2).await;
    traffic.go_on(50).await;

    traffic.places.set(0, None);
    assert_eq!(first.stop(Signal::SIGTERM), 0);
    traffic.go_on(25).await;
    let new = start(None, 2);
    traffic.places.set(0, Some(&new.address));
    traffic.go_on(50).await;
    serve_each_other(&second, &new).await;
    serve_each_other(&new, &second).await;
    traffic.go_on(25).await;

    traffic.places.set(1, None);
    let old = second.log();
    assert_eq!(second.stop(Signal::SIGTERM), 0);
    let newer = start(None, 3);
    traffic.places.set(1, Some(&newer.address));
    traffic.go_on(50).await;
    serve_each_other(&new, &newer).await;
    let count = traffic.end(&[]).await;
    assert!(count >= 200);
    for log in [old, new.log(), newer.log()] {
        assert_eq!(errors(&log), Vec::<&str>::new());
    }
}
