//! A NATS server of the test's own.

use std::{
    io::{BufRead, BufReader, ErrorKind, Write},
    net::TcpListener,
    process::{Child, Command, Stdio},
    sync::{
        atomic::{AtomicU16, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

/// A `nats-server` process on 127.0.0.1, killed when this is dropped.
pub(crate) struct Server {
    process: Child,
    port: u16,
    flags: Vec<String>,
}

impl Server {
    /// Starts one on a free port; `None`, and a word about it, where the program is not installed.
    pub(crate) fn start() -> Option<Self> {
        Self::start_with(&[])
    }

    /// The same with more flags.
    pub(crate) fn start_with(flags: &[&str]) -> Option<Self> {
        for _ in 0..100 {
            match Self::try_start(free_port(), flags)? {
                Some(server) => return Some(server),
                // Somebody else was faster with the port.
                None => continue,
            }
        }
        panic!("nats-server does not start");
    }

    /// Starts one on this port.
    pub(crate) fn start_at(port: u16) -> Option<Self> {
        Self::start_at_with(port, &[])
    }

    /// The same with more flags.
    pub(crate) fn start_at_with(port: u16, flags: &[&str]) -> Option<Self> {
        Self::try_start(port, flags).map(|started| started.expect("nats-server does not start there"))
    }

    fn try_start(port: u16, flags: &[&str]) -> Option<Option<Self>> {
        let spawn = |program: &str| {
            Command::new(program)
                .args(["--addr", "127.0.0.1", "--port", &port.to_string()])
                .args(flags)
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::piped())
                .spawn()
        };
        // Debian puts it where only the administrator's PATH looks.
        let process = ["nats-server", "/usr/sbin/nats-server"].into_iter().find_map(|program| match spawn(program) {
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            spawned => Some(spawned.expect("nats-server cannot be run")),
        });
        let Some(process) = process else {
            not_installed();
            return None;
        };
        let mut server = Self { process, port, flags: flags.iter().map(|flag| (*flag).to_owned()).collect() };
        let log = BufReader::new(server.process.stderr.take().expect("its stderr is ours"));
        let (ready, is_ready) = mpsc::channel();
        // Reads on after that, so that the server never waits for somebody to read its log.
        thread::spawn(move || {
            for line in log.lines().map_while(Result::ok) {
                if line.contains("Server is ready") {
                    let _ = ready.send(());
                }
            }
        });
        // An error means that the log ended: the server did.
        let started = match is_ready.recv_timeout(Duration::from_secs(60)) {
            Ok(()) => Some(server),
            Err(mpsc::RecvTimeoutError::Disconnected) => None,
            Err(mpsc::RecvTimeoutError::Timeout) => panic!("nats-server is not ready after a minute"),
        };
        Some(started)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn url(&self) -> String {
        url(self.port)
    }

    /// Kills it, and waits until it is gone.
    pub(crate) fn kill(self) {}

    /// Kills it, lets something happen without it, and starts it again where it was.
    pub(crate) async fn away_for(self, meanwhile: impl Future<Output = ()>) -> Self {
        let (port, flags) = (self.port, self.flags.clone());
        self.kill();
        meanwhile.await;
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        Self::start_at_with(port, &flags).expect("it was there before")
    }

    /// Stops it where it is: connections stay, and nothing is read from them.
    pub(crate) fn freeze(&self) {
        self.signal("-STOP");
    }

    pub(crate) fn thaw(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let status = Command::new("kill").args([signal, &self.process.id().to_string()]).status();
        assert!(status.expect("kill cannot be run").success());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // An error means that it has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

pub(crate) fn url(port: u16) -> String {
    format!("nats://127.0.0.1:{port}")
}

/// A port that nobody listens on. Below the ports that systems give out to outgoing connections: who tries to connect to
/// one of those again and again while nobody listens there is one day connected to themselves.
pub(crate) fn free_port() -> u16 {
    static TAKEN: AtomicU16 = AtomicU16::new(0);
    let start = u16::try_from(std::process::id() % 10_000).expect("less than 10,000");
    for _ in 0..10_000 {
        let port = 20_000 + (start + TAKEN.fetch_add(1, Ordering::SeqCst) % 1_000) % 10_000;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("no free port");
}

fn not_installed() {
    const SAY: &str = "nats-server is not installed (apt install nats-server)";
    assert!(std::env::var("CI").as_deref() != Ok("true"), "{SAY}");
    // Not by `eprintln!`, which is not shown for a test that passes.
    let _ = writeln!(std::io::stderr(), "\n*** NOT TESTED: {SAY} ***\n");
}
