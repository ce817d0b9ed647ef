//! `chat-server check`: whether a start would work here, a line for each check.

mod database;

use std::{
    fmt::Display,
    fs,
    io::{self, ErrorKind},
    net::{SocketAddr, TcpListener},
    path::Path,
};

use chrono::Utc;

use crate::{
    accounts, bus,
    cli::{self, Settings},
    config::{Config, Failure, Switch, sample},
    issuers, lists,
    output::Output,
    run, secret,
    tls::{self, Validity},
    webhooks,
};
use database::Found;

/// What is told of the checks.
struct Report {
    stdout: Output,
    checks: usize,
    failed: usize,
}

impl Report {
    fn line(&mut self, verdict: &str, name: &str, text: &str) {
        self.checks += 1;
        // Causes can have lines of their own, and a check has one.
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        self.stdout.say(&format!("{verdict:<4} {name}: {text}"));
    }

    fn ok(&mut self, name: &str, text: impl Display) {
        self.line("ok", name, &text.to_string());
    }

    fn warn(&mut self, name: &str, text: impl Display) {
        self.line("WARN", name, &text.to_string());
    }

    fn fail(&mut self, name: &str, text: impl Display) {
        self.failed += 1;
        self.line("FAIL", name, &text.to_string());
    }

    /// Tells of an outcome; gives what came of it.
    fn outcome<T>(&mut self, name: &str, outcome: Result<T, Failure>, good: impl FnOnce(&T) -> String) -> Option<T> {
        match outcome {
            Ok(value) => {
                let text = good(&value);
                self.ok(name, text);
                Some(value)
            }
            Err(error) => {
                self.fail(name, chain(&*error));
                None
            }
        }
    }
}

/// An error with its causes.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}

/// Checks everything that can be checked. `checked` is what was found in the environment.
pub(crate) fn check(settings: Settings, checked: Result<Vec<String>, Failure>) -> Result<(), Failure> {
    let mut report = Report { stdout: Output::stdout(), checks: 0, failed: 0 };
    check_all(settings, checked, &mut report)?;
    report.stdout.flush();
    match report {
        Report { failed: 0, .. } => Ok(()),
        Report { failed, checks, .. } => Err(format!("{failed} of {checks} checks failed").into()),
    }
}

fn check_all(settings: Settings, checked: Result<Vec<String>, Failure>, report: &mut Report) -> Result<(), Failure> {
    let mut told = match checked {
        Ok(told) => told,
        Err(error) => {
            report.fail("environment", error);
            Vec::new()
        }
    };
    let loaded = cli::given_once(std::env::args_os()).and_then(|()| settings.load(&mut told));
    for line in told {
        report.warn("environment", line);
    }
    let Some(config) = report.outcome("settings", loaded, |_| "they go together".to_owned()) else {
        report.warn("other checks", "left out, since they need valid settings");
        return Ok(());
    };
    values(&config, report);
    secret(&config, report);
    certificate(&config, report);
    folders(&config, report);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(keys(&config, report));
    runtime.block_on(bus(&config, report));
    let found = runtime.block_on(database::check(&config, report));
    // Held, since a server needs all places at once.
    let _held = listen("listen", config.listen, found, report);
    let _held_too = config.metrics_listen.map(|address| listen("metrics-listen", address, found, report));
    Ok(())
}

/// Values that only those who use them can judge.
fn values(config: &Config, report: &mut Report) {
    for (name, checked) in [
        ("log", run::log_filter(config).map(drop)),
        ("trusted-proxies", run::serving(config).map(drop)),
        ("allowed-origins", run::options(config).map(drop)),
        ("webhook-networks", webhooks::options(config).map(drop)),
    ] {
        if let Err(error) = checked {
            report.fail(name, error);
        }
    }
    if config.accounts == Switch::On {
        let mailer = accounts::mailer(config).map(drop);
        let text = match &config.smtp_from {
            Some(from) => format!("mails are sent from {from}; the mail server is asked first when a mail is due"),
            None => "mails with codes are written to the log; CHAT_SMTP_URL and --smtp-from send them".to_owned(),
        };
        report.outcome("mails", mailer, |()| text);
    }
    match lists::policy(config) {
        Ok(None) => {}
        Ok(Some(_)) => report.ok("lists", "each entry can be used"),
        Err(error) => report.fail("lists", error),
    }
    if !config.issuers.is_empty() {
        let text = format!("their settings can be used: {}", config.issuers.len());
        report.outcome("issuers", issuers::issuers(config).map(drop), |()| text);
    }
}

/// The keys of other parties, each set read once.
async fn keys(config: &Config, report: &mut Report) {
    for found in issuers::probe(config).await {
        report.outcome("keys", found, String::clone);
    }
}

/// The settings of the bus, and the bus itself where a start needs it.
async fn bus(config: &Config, report: &mut Report) {
    let settings = config.bus();
    let Some(server) = settings.servers.first().cloned() else {
        // A password without a bus is a mistake, too.
        if let Err(error) = bus::Options::of(&settings) {
            report.fail("bus", error);
        }
        return;
    };
    let options = bus::Options::of(&settings);
    if !settings.required {
        let text = format!("its settings can be used; the server connects to {server} when it can");
        report.outcome("bus", options, |_| text);
        return;
    }
    let opened = async { options?.open().await };
    report.outcome("bus", opened.await, |_| format!("{server} lets the server in"));
}

fn secret(config: &Config, report: &mut Report) {
    match secret::find(config) {
        Ok(None) => report.ok("secret", "there is none yet, and the first start makes one in the data folder"),
        Ok(Some(secret)) => match secret.warning {
            Some(warning) => report.warn("secret", warning),
            None => report.ok("secret", "it is there, and long enough"),
        },
        Err(error) => report.fail("secret", error),
    }
}

fn certificate(config: &Config, report: &mut Report) {
    match tls::load(config) {
        Ok(None) if config.listen.ip().is_loopback() => {
            report.ok("tls", "the server speaks HTTP without TLS, to this machine alone");
        }
        Ok(None) => report.warn(
            "tls",
            "the server speaks HTTP without TLS to other machines: set --tls-cert and --tls-key, or have a proxy in front that speaks TLS",
        ),
        Ok(Some((_, Some(warning)))) => report.warn("tls", warning),
        Ok(Some((_, None))) => report.ok("tls", "the certificate and the private key belong together"),
        // Its certificate is not asked for its time.
        Err(error) => return report.fail("tls", error),
    }
    match tls::validity(config, Utc::now()) {
        Ok(None) => {}
        Ok(Some(Validity::Good(text))) => report.ok("certificate", text),
        Ok(Some(Validity::EndsSoon(text))) => report.warn("certificate", text),
        Err(error) => report.fail("certificate", error),
    }
}

fn folders(config: &Config, report: &mut Report) {
    let mut folders = Vec::new();
    if config.database.is_none() {
        folders.push(("data", config.data.clone()));
    }
    if config.accounts == Switch::On
        && let Some(files) = accounts::pictures(config)
    {
        folders.push(("files", files));
    }
    for (name, folder) in folders {
        let shown = folder.display().to_string();
        match writable(&folder) {
            Ok(true) => report.ok(name, format!("{shown} can be written to")),
            Ok(false) => report.ok(name, format!("{shown} is not there yet, and the first start makes it")),
            Err(error) => report.fail(
                name,
                format!(
                    "{shown} cannot be written to: {error}; let the server's user write there, or choose another folder"
                ),
            ),
        }
    }
}

/// Whether a folder is there and can be written to; `false` where it is not there and can be made.
fn writable(folder: &Path) -> io::Result<bool> {
    if folder.is_dir() {
        let probe = folder.join(format!(".writable-{:016x}", rand::random::<u64>()));
        fs::File::options().write(true).create_new(true).open(&probe)?;
        fs::remove_file(probe)?;
        return Ok(true);
    }
    if folder.symlink_metadata().is_ok() {
        return Err(io::Error::new(ErrorKind::NotADirectory, "it is no folder"));
    }
    let parent = folder.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    writable(parent).map(|_| false)
}

/// Whether a place to listen at, which the setting of this name gives, is free. A server that has the database open most likely has it.
fn listen(name: &str, address: SocketAddr, found: Found, report: &mut Report) -> Option<TcpListener> {
    match TcpListener::bind(address) {
        Ok(listener) => {
            report.ok(name, format!("{address} is free"));
            return Some(listener);
        }
        Err(error) if error.kind() == ErrorKind::AddrInUse && found == Found::InUse => {
            report.warn(name, format!("{address} is in use, most likely by the server that runs"));
        }
        Err(error) => {
            report.fail(name, format!("cannot listen on {address}: {error}; choose another place with --{name}"));
        }
    }
    None
}

/// The database in words, without a password.
fn named(config: &Config) -> String {
    match &config.database {
        Some(database) => sample::without_password(database),
        None => config.data.join("db").display().to_string(),
    }
}
