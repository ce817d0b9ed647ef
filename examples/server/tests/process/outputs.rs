//! stdout and stderr that are gone, full or closed: the server serves and stops all the same.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::Path,
    process::{self, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

use nix::{
    fcntl::{FcntlArg, OFlag, fcntl},
    sys::signal::Signal,
};
use serde_json::json;

use crate::kit::{PATIENCE, Server, command, command_by, folder};

/// Every level, without the database's own lines.
const TALKATIVE: &str = "trace,surrealdb=warn,surrealkv=error";

/// What is wrong with stderr.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stderr {
    ReaderGone,
    NobodyReads,
    FullDisk,
    Closed,
}

/// A command that closes one of its outputs, and then becomes the server.
fn closing(redirection: &str, data: &Path) -> Command {
    let script = format!("exec \"$@\" {redirection}");
    command_by(&["sh".to_owned(), "-c".to_owned(), script, "sh".to_owned()], data)
}

/// A session, and as many messages: each is acknowledged, and is there.
async fn is_served(server: &Server, data: &Path, messages: usize) {
    let a = server.client(data, "a");
    let id = a.session("PUBLIC").await;
    for n in 0..messages {
        a.say(&id, &n.to_string()).await;
    }
    let path = format!("/sessions/{id}");
    assert_eq!(a.get(&path).await.expect(200)["message_count"], json!(messages));
    // A refused request logs more than an accepted one.
    assert!(a.get("/sessions/nonsense").await.status >= 400);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_is_lost_holds_nothing_up() {
    let cases = [
        (Stderr::ReaderGone, "info"),
        (Stderr::ReaderGone, "debug"),
        (Stderr::NobodyReads, TALKATIVE),
        (Stderr::FullDisk, "debug"),
        (Stderr::Closed, "debug"),
    ];
    for (stderr, level) in cases {
        let folder = folder();
        let data = folder.path();
        let flags = ["--database", "mem://", "--log", level];
        let (mut reader, writer) = io::pipe().unwrap();
        let server = match stderr {
            Stderr::ReaderGone => {
                drop(reader);
                reader = io::pipe().unwrap().0;
                Server::start_logging_to(writer.into(), command(data), data, &flags)
            }
            Stderr::NobodyReads => Server::start_logging_to(writer.into(), command(data), data, &flags),
            // Only Linux has it.
            Stderr::FullDisk if cfg!(not(target_os = "linux")) => continue,
            Stderr::FullDisk => {
                let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
                Server::start_logging_to(full.into(), command(data), data, &flags)
            }
            Stderr::Closed => Server::start_by(closing("2>&-", data), data, &flags),
        };
        is_served(&server, data, if stderr == Stderr::NobodyReads { 100 } else { 5 }).await;
        assert_eq!(server.stop(Signal::SIGTERM), 0, "{stderr:?} at {level}");
        if stderr == Stderr::NobodyReads {
            let mut said = Vec::new();
            reader.read_to_end(&mut said).unwrap();
            assert!(said.len() >= 40_000, "the pipe was not full: {} bytes", said.len());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_connections_without_a_log_is_outlived() {
    let folder = folder();
    let data = folder.path();
    let script = "ulimit -n 100; exec \"$@\"".to_owned();
    let limited = command_by(&["sh".to_owned(), "-c".to_owned(), script, "sh".to_owned()], data);
    let (reader, writer) = io::pipe().unwrap();
    drop(reader);
    // The address of the flood may have as many connections as there are.
    let flags = ["--database", "mem://", "--trusted-proxies", "127.0.0.1"];
    let mut server = Server::start_logging_to(writer.into(), limited, data, &flags);
    // More than the server takes at once, and less than what may wait to be accepted as well.
    let flood: Vec<_> = (0..120).map(|_| TcpStream::connect(&server.address)).collect();
    assert!(flood.iter().any(Result::is_ok));
    // All places are taken, so nothing is answered before the flood has gone.
    let mut asked = TcpStream::connect(&server.address).unwrap();
    asked.write_all(b"GET /openapi.json HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    asked.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
    assert!(asked.read(&mut [0; 12]).is_err());
    drop(flood);
    asked.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut answer = [0; 12];
    asked.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
    assert!(!server.has_ended());
    is_served(&server, data, 1).await;
    assert_eq!(server.stop(Signal::SIGTERM), 0);
}

/// An address at which nobody listens. Systems hand out ports above 32767: one of those could be taken by another test,
/// and a connection to a free one of those can connect to itself.
fn free_address() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let ports = std::iter::repeat_with(|| 20_000 + (process::id() + NEXT.fetch_add(1, Ordering::Relaxed)) % 10_000);
    let mut addresses = ports.map(|port| format!("127.0.0.1:{port}"));
    addresses.find(|address| TcpListener::bind(address).is_ok()).unwrap()
}

/// Waits until a server answers: it accepts connections before it has its secret.
fn wait_for(address: &str) {
    let end = Instant::now() + PATIENCE;
    let is_live = || {
        let mut connection = TcpStream::connect(address)?;
        connection.set_read_timeout(Some(PATIENCE))?;
        connection.write_all(b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        connection.read_to_string(&mut answer)?;
        Ok::<_, io::Error>(answer.starts_with("HTTP/1.1 200"))
    };
    while !is_live().unwrap_or(false) {
        assert!(Instant::now() < end, "it does not answer");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_whose_stdout_is_lost_serves() {
    for case in ["reader gone", "closed", "full, and stderr the same"] {
        let folder = folder();
        let data = folder.path();
        let address = free_address();
        let (reader, mut writer) = io::pipe().unwrap();
        let mut command = if case == "closed" { closing(">&-", data) } else { command(data) };
        command.args(["--listen", &address, "--database", "mem://", "--log", "debug"]);
        let reader = (case == "full, and stderr the same").then_some(reader);
        if reader.is_some() {
            // As much as fits.
            fcntl(&writer, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).unwrap();
            while writer.write(&[b'x'; 4_096]).is_ok() {}
            fcntl(&writer, FcntlArg::F_SETFL(OFlag::empty())).unwrap();
            command.stderr(writer.try_clone().unwrap());
        } else {
            command.stderr(File::create(data.join("log")).unwrap());
        }
        command.stdout(writer);
        let child = command.spawn().unwrap();
        drop(command);
        let server = Server::started(child, data, &address);
        wait_for(&address);
        is_served(&server, data, 3).await;
        assert_eq!(server.stop(Signal::SIGTERM), 0, "{case}");
        drop(reader);
    }
}

#[test]
fn a_failure_that_cannot_be_told_is_a_failure_all_the_same() {
    let folder = folder();
    let data = folder.path();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let secret = "x".repeat(32);
    for args in [
        &["--listen", &address][..],
        &["--log", "a=b=c"],
        &["--config", "nowhere.toml"],
        &["token", "--user", ""],
        // Here stdout is what matters.
        &["token", "--user", "a"],
    ] {
        let gone = || Stdio::from(io::pipe().unwrap().1);
        let mut command = command(data);
        command.env("CHAT_SECRET", &secret).args(args).stdout(gone()).stderr(gone());
        assert_eq!(command.status().unwrap().code(), Some(1), "{args:?}");
    }
}
