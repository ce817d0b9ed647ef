//! An attack on a server that has few descriptors: guesses of a password by one address, and connections that do nothing by another one.
//!
//! `cargo test --workspace --test process attack -- --nocapture` prints what it costs others.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    time::{Duration, Instant},
};

use chatcore_tests::Client;
use reqwest::Method;
use serde_json::json;
use tokio::{
    io::AsyncWriteExt as _,
    net::{TcpSocket, TcpStream},
    task::JoinSet,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use super::{
    Signal,
    accounts::{PASSWORD, User},
    kit::{PATIENCE, Server, command_by, computed, errors, folder},
};

/// Connections of the attack that do nothing, or too slowly.
const SLOW: usize = 1_000;

/// Clients that guess a password at the same time.
const GUESSING: usize = 16;

/// Messages of somebody else during the attack.
const SENDS: usize = 50;

/// How long somebody else waits for an answer. The slow connections take their places for longer: the server ends them after 30 seconds.
const WAIT: Duration = Duration::from_secs(20);

/// An address of this machine: all of 127.0.0.0/8 are.
fn address(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(127, 0, 0, last)
}

/// Opens connections from an address that end no request. Some of them send a line of a head now and then.
async fn slow(server: &str, from: Ipv4Addr) -> Vec<TcpStream> {
    let server: SocketAddr = server.parse().unwrap();
    let mut streams = Vec::new();
    for number in 0..SLOW {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::from((from, 0))).unwrap();
        // A server that accepts nothing more is attacked enough.
        let Ok(Ok(mut stream)) = timeout(Duration::from_secs(3), socket.connect(server)).await else { break };
        let begun: &[u8] = match number % 4 {
            0 => b"",
            1 => b"POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\n",
            2 => b"POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 90\r\n\r\n{",
            _ => b"POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
        };
        // One that is too many may be closed already.
        let _ = stream.write_all(begun).await;
        streams.push(stream);
    }
    streams
}

/// Keeps some heads going on, a line at a time, until the token is cancelled.
async fn trickle(mut streams: Vec<TcpStream>, stop: CancellationToken) -> Vec<TcpStream> {
    while !stop.is_cancelled() {
        for stream in streams.iter_mut().skip(1).step_by(4).take(50) {
            let _ = stream.write_all(b"X-More: x\r\n").await;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    streams
}

/// Guesses a password until the token is cancelled, and gives the number of answers.
async fn guess(client: Client, name: &str, stop: CancellationToken) -> usize {
    let body = json!({ "username": name, "password": "a wrong password" });
    let mut answers = 0;
    while !stop.is_cancelled() {
        let asked = client.request(Method::POST, "//api/v1/auth/login").json(&body).send().await;
        // A connection that is one too many may end without an answer.
        let Ok(answer) = asked else { continue };
        assert!([401, 429, 503].contains(&answer.status().as_u16()), "{answer:?}");
        answers += 1;
    }
    answers
}

/// Sends messages one after the other, and gives how long each took, the shortest first.
async fn send(client: &Client, session: &str) -> Vec<Duration> {
    let mut times = Vec::new();
    for number in 0..SENDS {
        let began = Instant::now();
        let text = format!("message {number}");
        timeout(WAIT, client.say(session, &text)).await.expect("a message is not answered");
        times.push(began.elapsed());
    }
    times.sort();
    times
}

fn limited(data: &Path, descriptors: u32) -> std::process::Command {
    let script = format!("ulimit -n {descriptors}; exec \"$@\"");
    command_by(&["sh".to_owned(), "-c".to_owned(), script, "sh".to_owned()], data)
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_attack_by_two_addresses_leaves_room_for_others() {
    let folder = folder();
    let data = folder.path();
    let server = Server::start_by(limited(data, 256), data, &["--rate-limits", "default"]);
    let at = |last| Client::new(&server.address, None).calling_from(address(last));
    let body = json!({ "username": "ada", "email": "ada@example.org", "password": PASSWORD });
    let ada = User::of(&at(2), &at(2).post("//api/v1/auth/register", body).await.expect(201)).client;
    let session = ada.session("PUBLIC").await;
    let quiet = send(&ada, &session).await;

    let stop = CancellationToken::new();
    let slow = tokio::spawn(trickle(slow(&server.address, address(8)).await, stop.clone()));
    let mut guesses = JoinSet::new();
    for _ in 0..GUESSING {
        let (client, stop) = (at(9), stop.clone());
        guesses.spawn(async move { guess(client, "ada", stop).await });
    }
    // The storm does not lock the user out who is attacked.
    let login = json!({ "username": "ada", "password": PASSWORD });
    let (client, path) = (at(2), "//api/v1/auth/login");
    let answer = timeout(WAIT, client.post(path, login)).await.expect("a login is not answered");
    let ada = User::of(&client, &answer.expect(200)).client;
    let (began, before) = (Instant::now(), computed(server.id()));
    let attacked = send(&ada, &session).await;
    let (took, used) = (began.elapsed(), computed(server.id()) - before);
    stop.cancel();
    let answers: usize = guesses.join_all().await.into_iter().sum();
    let slow = slow.await.unwrap();
    // The connections stay open and do nothing. Only the figures are of interest: other work on the machine moves them.
    let before = computed(server.id());
    tokio::time::sleep(Duration::from_secs(1)).await;
    let idle = computed(server.id()) - before;
    let shown = |times: &[Duration]| (times[SENDS / 2], times[SENDS - 1]);
    eprintln!(
        "sends, median and slowest: {:?}, under attack {:?}; {used} hundredths of a second of the processor in {took:?}; {answers} guesses \
         answered; then idle with {} connections: {idle} hundredths in a second",
        shown(&quiet),
        shown(&attacked),
        slow.len(),
    );

    drop(slow);
    // The addresses of the attack are served again.
    for last in [8, 9] {
        let end = Instant::now() + PATIENCE;
        while !at(last).request(Method::GET, "//openapi.json").send().await.is_ok_and(|answer| answer.status() == 200) {
            assert!(Instant::now() < end, "127.0.0.{last} is not served");
        }
    }
    let messages = ada.get(&format!("/sessions/{session}/messages?limit=100")).await.expect(200);
    assert_eq!(messages.as_array().unwrap().len(), 2 * SENDS);
    assert_eq!(errors(&server.log()), [""; 0]);
    assert_eq!(server.stop(Signal::SIGTERM), 0);
}
