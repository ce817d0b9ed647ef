//! The server as a process of its own: started, asked, stopped, killed.

use std::{
    fs::File,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    sync::mpsc,
    time::{Duration, Instant},
};

use chatcore_tests::Client;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tempfile::TempDir;

/// How long a start may take on a slow machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// The program, in a folder without a chat-server.toml, and with none of the machine's settings.
pub(crate) fn command(data: &Path) -> Command {
    prepared(Command::new(env!("CARGO_BIN_EXE_chat-server")), data)
}

/// Another release of the program, likewise.
pub(crate) fn command_of(program: &Path, data: &Path) -> Command {
    prepared(Command::new(program), data)
}

fn prepared(mut command: Command, data: &Path) -> Command {
    // Nor the tests' stack size: the server needs none.
    command.current_dir(data).env_clear();
    // Tests ask more than people do.
    command.env("CHAT_RATE_LIMITS", "off");
    command
}

/// The program under another one, that ends by becoming it.
pub(crate) fn command_by(by: &[String], data: &Path) -> Command {
    let mut command = Command::new(&by[0]);
    command.args(&by[1..]).arg(env!("CARGO_BIN_EXE_chat-server"));
    let mut command = prepared(command, data);
    if let Some(path) = std::env::var_os("PATH") {
        command.env("PATH", path);
    }
    command
}

/// A running server; it is killed when dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: String,
    log: PathBuf,
}

impl Server {
    pub(crate) fn start(data: &Path) -> Self {
        Self::start_with(data, &[])
    }

    pub(crate) fn start_with(data: &Path, flags: &[&str]) -> Self {
        Self::start_by(command(data), data, flags)
    }

    /// Starts it by a command of the test's own, that ends by becoming the server.
    pub(crate) fn start_by(command: Command, data: &Path, flags: &[&str]) -> Self {
        let log = File::create(data.join("log")).unwrap();
        Self::start_logging_to(log.into(), command, data, flags)
    }

    /// Starts it by a command of the test's own, with a stderr of the test's own.
    pub(crate) fn start_logging_to(stderr: Stdio, mut command: Command, data: &Path, flags: &[&str]) -> Self {
        let log = data.join("log");
        let mut child = command
            .args(["--listen", "127.0.0.1:0"])
            .args(flags)
            .stdout(Stdio::piped())
            .stderr(stderr)
            .spawn()
            .unwrap();
        // A pipe's end that the test holds as well would keep the pipe open.
        drop(command);
        let stdout = child.stdout.take().unwrap();
        let (tell, told) = mpsc::channel();
        std::thread::spawn(move || {
            let mut line = String::new();
            let _ = BufReader::new(stdout).read_line(&mut line);
            let _ = tell.send(line);
        });
        // Whoever is dropped from here on takes the process along.
        let mut server = Self { child, address: String::new(), log };
        let line = told.recv_timeout(PATIENCE);
        let line = line.unwrap_or_else(|_| panic!("the server did not start: {}", server.log()));
        let address = line.trim().strip_prefix("listening on ");
        let address = address.and_then(|url| url.strip_prefix("http://").or_else(|| url.strip_prefix("https://")));
        server.address = address.unwrap_or_else(|| panic!("no address: {}", server.log())).to_owned();
        server
    }

    /// A server that the test started itself.
    pub(crate) fn started(child: Child, data: &Path, address: &str) -> Self {
        Self { child, address: address.to_owned(), log: data.join("log") }
    }

    pub(crate) fn client(&self, data: &Path, user: &str) -> Client {
        Client::new(&self.address, Some(token(data, user)))
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it has said on stderr.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_else(|error| format!("no log: {error}"))
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(i32::try_from(self.child.id()).unwrap()), signal).unwrap();
    }

    /// Stops it as an operator would, and gives its exit status.
    pub(crate) fn stop(mut self, signal: Signal) -> i32 {
        self.signal(signal);
        let status = wait(&mut self.child, PATIENCE).expect("it did not stop");
        status.code().expect("it was killed")
    }

    /// The status with which it ends by itself.
    pub(crate) fn ended(&mut self) -> ExitStatus {
        wait(&mut self.child, PATIENCE).expect("it did not end")
    }

    /// Whether it has ended by itself.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn wait(child: &mut Child, time: Duration) -> Option<ExitStatus> {
    let end = Instant::now() + time;
    while Instant::now() < end {
        if let Some(status) = child.try_wait().unwrap() {
            return Some(status);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    None
}

/// The lines on stderr that tell of an error.
pub(crate) fn errors(log: &str) -> Vec<&str> {
    log.lines().filter(|line| line.contains(" ERROR ") || line.contains("panicked")).collect()
}

pub(crate) fn run(data: &Path, args: &[&str]) -> Output {
    command(data).args(args).output().unwrap()
}

pub(crate) fn token(data: &Path, user: &str) -> String {
    let output = run(data, &["token", "--user", user, "--name", &format!("Name of {user}")]);
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let token = text.strip_suffix('\n').unwrap();
    assert_eq!(token.split('.').count(), 3, "only a token on stdout: {text}");
    assert!(!token.contains(char::is_whitespace));
    token.to_owned()
}

/// The processor time of a process, in hundredths of a second (proc(5): utime and stime, USER_HZ).
pub(crate) fn computed(process: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let fields: Vec<_> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

/// How many rounds a test has: `CHATCORE_ROUNDS`, or this many.
pub(crate) fn rounds(usual: u32) -> u32 {
    std::env::var("CHATCORE_ROUNDS").map_or(usual, |rounds| rounds.parse().unwrap())
}

pub(crate) fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}
