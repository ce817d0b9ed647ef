//! How long a message takes to the readers of the server that took it, and to those of another server: figures, and nothing that fails.
//!
//! ```sh
//! cargo test --workspace --test remote delays -- --ignored --nocapture
//! ```
//!
//! `CHATCORE_SERVER` and `CHATCORE_SURREAL` name other programs than those of this build, `CHATCORE_ROUNDS` the number of messages.

use std::{
    env,
    path::PathBuf,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use chatcore_tests::{Client, Socket, Surreal, token};
use serde_json::json;

use super::{
    kit::{self, Server, folder, rounds},
    nats, start_by, surreal,
};

/// So far apart that no message waits for another one.
const PACE: Duration = Duration::from_millis(15);

/// The delays of messages that are sent at one server, for a reader there and for one at the other.
async fn delays(servers: &[Server; 2], count: usize) -> [Vec<Duration>; 2] {
    let owner = Client::new(&servers[0].address, Some(token("owner")));
    let session = owner.session("PUBLIC").await;
    let sent: Arc<Mutex<Vec<Instant>>> = Arc::default();
    let mut readers = Vec::new();
    for (n, server) in servers.iter().enumerate() {
        let reader = token(&format!("reader-{n}"));
        owner.with_token(&reader).post(&format!("/sessions/{session}/join"), json!({})).await.expect(200);
        let mut socket = Socket::open(&server.address, "", Some(&reader)).await;
        socket.join(&session, None).await;
        let sent = Arc::clone(&sent);
        readers.push(tokio::spawn(async move {
            let mut delays = Vec::new();
            while delays.len() < count {
                let frame = socket.event().await;
                let now = Instant::now();
                if let Some(n) =
                    frame["data"]["message"]["content"].as_str().and_then(|text| text.parse::<usize>().ok())
                {
                    delays.push(now.saturating_duration_since(sent.lock().unwrap()[n]));
                }
            }
            delays
        }));
    }
    let mut sender = Socket::open(&servers[0].address, "", Some(&token("owner"))).await;
    for n in 0..count {
        sent.lock().unwrap().push(Instant::now());
        let answer = sender.ask("send_message", json!({ "session_id": session, "content": n.to_string() })).await;
        assert_eq!(answer["event"], "ack", "{answer}");
        tokio::time::sleep(PACE).await;
    }
    let mut all = Vec::new();
    for reader in readers {
        all.push(reader.await.unwrap());
    }
    all.try_into().unwrap()
}

fn percentiles(mut delays: Vec<Duration>) -> (f64, f64) {
    delays.sort_unstable();
    let at = |percent: usize| delays[(delays.len() - 1) * percent / 100].as_secs_f64() * 1e3;
    (at(50), at(99))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it measures"]
async fn delays_within_a_server_and_across_servers() {
    let Some(bus) = nats::Server::start() else { return };
    let database = match env::var_os("CHATCORE_SURREAL") {
        Some(program) => Surreal::start(program, "memory").await,
        None => surreal("memory").await,
    };
    let options = database.database().await;
    let program = env::var_os("CHATCORE_SERVER").map(PathBuf::from);
    let count = usize::try_from(rounds(500)).unwrap();
    let url = bus.url();
    for (name, flags) in [("with a bus", vec!["--bus", url.as_str(), "--bus-required", "true"]), ("by polling", vec![])]
    {
        let folders = [folder(), folder()];
        let servers = folders.each_ref().map(|folder| {
            let folder = folder.path();
            let command =
                program.as_ref().map_or_else(|| kit::command(folder), |program| kit::command_of(program, folder));
            start_by(command, folder, &database.url(), &options, &flags)
        });
        let [here, there] = delays(&servers, count).await.map(percentiles);
        println!("{name}: {count} messages, from the send to the reader");
        println!("  of the same server:  p50 {:.2} ms, p99 {:.2} ms", here.0, here.1);
        println!("  of the other server: p50 {:.2} ms, p99 {:.2} ms", there.0, there.1);
        println!("  added by the second process: p50 {:.2} ms, p99 {:.2} ms", there.0 - here.0, there.1 - here.1);
    }
}
