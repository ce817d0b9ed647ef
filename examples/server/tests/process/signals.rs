//! What signals do.

use std::{io::Read as _, net::TcpListener};

use nix::sys::signal::Signal;

use crate::kit::{Server, command, command_by, folder};

/// Whether this process ignores SIGHUP: a set of bits in its status, the first one for SIGHUP.
fn is_hangup_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    ignored.and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok()).is_some_and(|bits| bits & 1 == 1)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_signal_that_asks_for_an_end_stops_it_in_order() {
    let folder = folder();
    let data = folder.path();
    for signal in [Signal::SIGHUP, Signal::SIGINT, Signal::SIGQUIT, Signal::SIGTERM] {
        if signal == Signal::SIGHUP && is_hangup_ignored() {
            eprintln!(
                "SKIPPED: SIGHUP is ignored here, as under nohup, and a server that is started here inherits that"
            );
            continue;
        }
        let server = Server::start_with(data, &["--database", "mem://"]);
        server.client(data, "a").session("PUBLIC").await;
        let mut silent = std::net::TcpStream::connect(&server.address).unwrap();
        assert_eq!(server.stop(signal), 0, "{signal}");
        assert_eq!(silent.read(&mut [0]).unwrap_or(0), 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hangup_after_the_first_signal_changes_nothing() {
    let folder = folder();
    let data = folder.path();
    let mut server = Server::start(data);
    server.client(data, "a").session("PUBLIC").await;
    // systemd can send both, and a terminal that closes the latter twice.
    for signal in [Signal::SIGTERM, Signal::SIGHUP, Signal::SIGHUP] {
        server.signal(signal);
    }
    assert_eq!(server.ended().code(), Some(0));
    let log = std::fs::read_to_string(data.join("log")).unwrap();
    assert!(log.contains("stopped"), "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hangup_that_was_ignored_at_the_start_stays_ignored() {
    if cfg!(not(target_os = "linux")) {
        return;
    }
    let folder = folder();
    let data = folder.path();
    // What nohup does.
    let script = "trap '' HUP; exec \"$@\"".to_owned();
    let nohup = command_by(&["sh".to_owned(), "-c".to_owned(), script, "sh".to_owned()], data);
    let mut server = Server::start_by(nohup, data, &["--database", "mem://"]);
    server.signal(Signal::SIGHUP);
    for _ in 0..10 {
        server.client(data, "a").session("PUBLIC").await;
    }
    assert!(!server.has_ended());
    assert_eq!(server.stop(Signal::SIGTERM), 0);
}

#[test]
fn a_server_that_is_still_starting_can_be_stopped() {
    let folder = folder();
    let data = folder.path();
    // A database that takes the connection and says nothing.
    let database = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}", database.local_addr().unwrap());
    let mut command = command(data);
    let log = std::fs::File::create(data.join("log")).unwrap();
    let child = command.args(["--listen", "127.0.0.1:0", "--database", &url]).stderr(log).spawn().unwrap();
    let server = Server::started(child, data, "");
    let connection = database.accept().unwrap();
    assert_eq!(server.stop(Signal::SIGTERM), 0);
    drop(connection);
}
