//! The server: one that is started for this, or one that runs.

use std::{fs, process::Stdio, time::Duration};

use chatcore::{JwtIssuer, identity::Claims};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
    time::timeout,
};

use crate::{Failure, Target};

/// How long a server may take to start.
const START: Duration = Duration::from_secs(60);

/// How long tokens are good for.
const LIFETIME: Duration = Duration::from_secs(24 * 3_600);

/// A server, with what makes tokens for it. One that was started here ends with this.
pub(crate) struct Server {
    /// `host:port`.
    pub(crate) address: String,
    pub(crate) pid: Option<u32>,
    issuer: JwtIssuer,
    _started: Option<(Child, TempDir)>,
}

impl Server {
    pub(crate) async fn of(target: &Target) -> Result<Self, Failure> {
        match (&target.chat_server, &target.server, &target.secret_file) {
            (Some(_), _, _) => Self::start(target).await,
            (None, Some(url), Some(file)) => {
                let address = url.strip_prefix("http://").ok_or("--server is a URL like http://127.0.0.1:8000")?;
                let address = address.trim_end_matches('/').to_owned();
                let secret = fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
                let issuer = JwtIssuer::hs256(secret.trim().as_bytes())?;
                Ok(Self { address, pid: target.pid, issuer, _started: None })
            }
            _ => Err("name a server: --chat-server PATH, or --server URL --secret-file FILE".into()),
        }
    }

    async fn start(target: &Target) -> Result<Self, Failure> {
        let program = target.chat_server.as_deref().ok_or("there is no program to start")?;
        let cannot = |error| format!("cannot start {}: {error}", program.display());
        let program = program.canonicalize().map_err(cannot)?;
        let folder = tempfile::tempdir()?;
        let data = folder.path().join("data");
        let mut command = Command::new(&program);
        // None of the machine's settings: a run is the same wherever it is started.
        command.env_clear().current_dir(folder.path()).kill_on_drop(true);
        command.args(["--listen", "127.0.0.1:0", "--log", "warn", "--data"]).arg(&data);
        // It asks as much as the server can answer.
        command.args(["--rate-limits", "off"]);
        if let Some(database) = &target.database {
            command.args(["--database", database]);
        }
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().map_err(cannot)?;
        let stdout = child.stdout.take().ok_or("the server has no stdout")?;
        let mut lines = BufReader::new(stdout).lines();
        let line = timeout(START, lines.next_line()).await.map_err(|_| "the server did not start in time")??;
        let line = line.ok_or("the server did not start")?;
        let address = line.strip_prefix("listening on http://").ok_or("the server did not say where it listens")?;
        let secret = fs::read_to_string(data.join("secret"))?;
        let issuer = JwtIssuer::hs256(secret.trim().as_bytes())?;
        Ok(Self { address: address.to_owned(), pid: child.id(), issuer, _started: Some((child, folder)) })
    }

    /// A token for a user.
    pub(crate) fn token(&self, user: &str) -> Result<String, Failure> {
        let name = Some(format!("Name of {user}"));
        Ok(self.issuer.issue(Claims { sub: user.to_owned(), name, ..Claims::default() }, LIFETIME)?)
    }
}
