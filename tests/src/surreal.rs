//! A SurrealDB server in a process of its own.

use std::{
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

use chatcore_surreal::{Credentials, SurrealOptions, SurrealStore};

use crate::http::{http, unpooled};

/// How long a start may take on a slow machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// A running SurrealDB server; it is killed when dropped.
pub struct Surreal {
    program: PathBuf,
    storage: String,
    /// The files of the certificate and the key, where it speaks TLS.
    tls: Option<[PathBuf; 2]>,
    port: u16,
    child: Child,
    http: reqwest::Client,
    databases: AtomicU32,
}

impl Surreal {
    /// Starts one on a free port; the storage is `memory` or `surrealkv://folder`.
    pub async fn start(program: impl AsRef<Path>, storage: &str) -> Self {
        Self::start_with(program.as_ref(), storage, None).await
    }

    /// The same within TLS, with a certificate that is its own authority and a key, as PEM files. The certificate is for 127.0.0.1.
    pub async fn start_secure(program: impl AsRef<Path>, storage: &str, certificate: &Path, key: &Path) -> Self {
        let tls = [certificate, key].map(Path::to_owned);
        Self::start_with(program.as_ref(), storage, Some(tls)).await
    }

    async fn start_with(program: &Path, storage: &str, tls: Option<[PathBuf; 2]>) -> Self {
        let program = program.to_owned();
        assert!(program.is_file(), "{} is missing: `cargo build -p chatcore-remote-tests` makes it", program.display());
        let http = match &tls {
            None => http(),
            Some([certificate, _]) => {
                let trusted = reqwest::Certificate::from_pem(&std::fs::read(certificate).unwrap()).unwrap();
                unpooled().tls_certs_only([trusted]).build().unwrap()
            }
        };
        // It cannot be told to choose a port itself, and somebody may take the one that was just free.
        for _ in 0..5 {
            let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
            let child = launch(&program, storage, port, tls.as_ref());
            let mut server = Self {
                program: program.clone(),
                storage: storage.to_owned(),
                tls: tls.clone(),
                port,
                child,
                http: http.clone(),
                databases: AtomicU32::new(0),
            };
            if server.is_up().await {
                return server;
            }
        }
        panic!("the database server does not start");
    }

    /// `ws://127.0.0.1:port`, or `wss://127.0.0.1:port`.
    pub fn url(&self) -> String {
        format!("{}://127.0.0.1:{}", if self.tls.is_some() { "wss" } else { "ws" }, self.port)
    }

    fn http_url(&self, path: &str) -> String {
        format!("{}://127.0.0.1:{}{path}", if self.tls.is_some() { "https" } else { "http" }, self.port)
    }

    /// A new empty database with a user of its own, and how to open it.
    pub async fn database(&self) -> SurrealOptions {
        let database = format!("db_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        let credentials = Credentials { username: "chat".to_owned(), password: "a password".to_owned() };
        let options = SurrealOptions {
            namespace: "tests".to_owned(),
            database,
            credentials: Some(credentials),
            ..SurrealOptions::default()
        };
        self.define(&options).await;
        options
    }

    /// Makes the database and the user that these name, as an administrator does once.
    pub async fn define(&self, options: &SurrealOptions) {
        let SurrealOptions { namespace, database, credentials, .. } = options;
        let Credentials { username, password } = credentials.clone().unwrap();
        let text = format!(
            "DEFINE NAMESPACE IF NOT EXISTS {namespace}; USE NS {namespace};\
             DEFINE DATABASE IF NOT EXISTS {database}; USE DB {database};\
             DEFINE USER IF NOT EXISTS {username} ON DATABASE PASSWORD '{password}' ROLES EDITOR"
        );
        let request = self.http.post(self.http_url("/sql")).body(text);
        let request = request.basic_auth("root", Some("root")).header("accept", "application/json");
        let answer = request.send().await.unwrap().text().await.unwrap();
        assert!(!answer.contains("\"ERR\"") && answer.contains("\"OK\""), "{answer}");
    }

    /// A store on a database of this server: what one process has.
    pub async fn store(&self, options: &SurrealOptions) -> SurrealStore {
        SurrealStore::connect_with(&self.url(), options.clone()).await.unwrap()
    }

    /// Kills it, as an accident would.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again where it was.
    pub async fn restart(&mut self) {
        self.child = launch(&self.program, &self.storage, self.port, self.tls.as_ref());
        assert!(self.is_up().await, "the database server does not start again");
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    async fn is_up(&mut self) -> bool {
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            if self.child.try_wait().unwrap().is_some() {
                return false;
            }
            let asked = self.http.get(self.http_url("/health")).send().await;
            if asked.is_ok_and(|answer| answer.status().is_success()) {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        false
    }
}

fn launch(program: &Path, storage: &str, port: u16, tls: Option<&[PathBuf; 2]>) -> Child {
    let mut command = Command::new(program);
    if let Some([certificate, key]) = tls {
        command.env("SURREAL_WEB_CRT", certificate).env("SURREAL_WEB_KEY", key);
    }
    command
        .args(["start", "--bind", &format!("127.0.0.1:{port}"), "--user", "root", "--pass", "root"])
        .args(["--no-banner", "--log", "error", storage])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

impl Drop for Surreal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
