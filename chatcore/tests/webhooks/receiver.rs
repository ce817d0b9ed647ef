//! A receiver of webhooks on this machine: a server of HTTP/1.1 that knows nothing of the code that it tests.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Got {
    pub(crate) id: String,
    pub(crate) timestamp: i64,
    pub(crate) signature: String,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
    pub(crate) status: u16,
    pub(crate) at: std::time::Instant,
}

impl Got {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn seq(&self) -> u64 {
        self.json()["seq"].as_u64().unwrap()
    }

    pub(crate) fn is_accepted(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Whether a signature is by this secret, by the text of Standard Webhooks: `v1,` and the base64 of HMAC-SHA256 over the id, the timestamp
    /// and the body, with a full stop between them. The key is what stands after `whsec_`, in base64.
    pub(crate) fn is_signed_by(&self, secret: &str) -> bool {
        let key = STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
        let signed = [format!("{}.{}.", self.id, self.timestamp).as_bytes(), &self.body].concat();
        let wanted = format!("v1,{}", STANDARD.encode(hmac(&key, &signed)));
        self.signature.split(' ').any(|signature| signature == wanted)
    }
}

/// HMAC-SHA256 as RFC 2104 defines it.
fn hmac(key: &[u8], text: &[u8]) -> Vec<u8> {
    let mut block = [0_u8; 64];
    if key.len() > 64 {
        block[..32].copy_from_slice(&Sha256::digest(key));
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    let padded = |pad: u8| block.map(|byte| byte ^ pad).to_vec();
    let inner = Sha256::digest([padded(0x36), text.to_vec()].concat());
    Sha256::digest([padded(0x5c), inner.to_vec()].concat()).to_vec()
}

/// What it answers: a status, and lines of its head.
type Answer = Box<dyn FnMut(&Got) -> (u16, String) + Send>;

/// A receiver, until it is dropped.
pub(crate) struct Receiver {
    address: SocketAddr,
    got: Arc<Mutex<Vec<Got>>>,
    answer: Arc<Mutex<Answer>>,
    task: JoinHandle<()>,
}

impl Receiver {
    /// Answers with what this says.
    pub(crate) async fn answering(answer: impl FnMut(&Got) -> (u16, String) + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, got) = (listener.local_addr().unwrap(), Arc::new(Mutex::new(Vec::new())));
        let answer: Arc<Mutex<Answer>> = Arc::new(Mutex::new(Box::new(answer)));
        let task = tokio::spawn(serve(listener, Arc::clone(&got), Arc::clone(&answer)));
        Self { address, got, answer, task }
    }

    #[allow(dead_code, reason = "the test of the server that is killed shares this file")]
    /// Cuts all connections, refuses new ones for a while, and goes on at the same address.
    pub(crate) async fn restart(&mut self, pause: Duration) {
        self.task.abort();
        let _ = (&mut self.task).await;
        tokio::time::sleep(pause).await;
        let listener = TcpListener::bind(self.address).await.unwrap();
        self.task = tokio::spawn(serve(listener, Arc::clone(&self.got), Arc::clone(&self.answer)));
    }

    /// Answers with these statuses, one after the other, and then with the last one.
    pub(crate) async fn with(statuses: &[u16]) -> Self {
        let (mut left, last) = (statuses.to_vec(), *statuses.last().unwrap());
        Self::answering(move |_| (if left.is_empty() { last } else { left.remove(0) }, String::new())).await
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    pub(crate) fn got(&self) -> Vec<Got> {
        self.got.lock().unwrap().clone()
    }

    pub(crate) fn accepted(&self) -> Vec<Got> {
        self.got().into_iter().filter(Got::is_accepted).collect()
    }

    /// Waits for so many requests.
    pub(crate) async fn has(&self, count: usize) -> Vec<Got> {
        until("requests", || self.got().len() >= count).await;
        self.got()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Waits until something is so. Says nothing about how fast it is.
pub(crate) async fn until(what: &str, is_so: impl Fn() -> bool) {
    for _ in 0..6_000 {
        if is_so() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("no {what} in a minute");
}

/// Takes connections. They end with it.
async fn serve(listener: TcpListener, all: Arc<Mutex<Vec<Got>>>, answer: Arc<Mutex<Answer>>) {
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        connections.spawn(connection(stream, Arc::clone(&all), Arc::clone(&answer)));
    }
}

/// Reads one request after the other. It hangs where the status is 0.
async fn connection(mut stream: TcpStream, all: Arc<Mutex<Vec<Got>>>, answer: Arc<Mutex<Answer>>) {
    let mut read = Vec::new();
    loop {
        let Some(end) = read.windows(4).position(|bytes| bytes == b"\r\n\r\n") else {
            if !more(&mut stream, &mut read).await {
                return;
            }
            continue;
        };
        let head = String::from_utf8(read[..end].to_vec()).unwrap().to_lowercase();
        let field = |name: &str| {
            let line = head.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")).map(str::to_owned));
            line.unwrap_or_default()
        };
        let length: usize = field("content-length").parse().unwrap_or(0);
        while read.len() < end + 4 + length {
            if !more(&mut stream, &mut read).await {
                return;
            }
        }
        let rest = read.split_off(end + 4 + length);
        // Names of fields have no case, and values do.
        let exact = String::from_utf8(read[..end].to_vec()).unwrap();
        let exact_field = |name: &str| {
            let found = exact.lines().find(|line| line.to_lowercase().starts_with(&format!("{name}: ")));
            found.map(|line| line[name.len() + 2..].to_owned()).unwrap_or_default()
        };
        let mut got = Got {
            id: exact_field("webhook-id"),
            timestamp: field("webhook-timestamp").parse().unwrap_or(0),
            signature: exact_field("webhook-signature"),
            head: exact.clone(),
            body: read.split_off(end + 4),
            status: 0,
            at: std::time::Instant::now(),
        };
        read = rest;
        let (status, lines) = (answer.lock().unwrap())(&got);
        got.status = status;
        all.lock().unwrap().push(got);
        if status == 0 {
            std::future::pending::<()>().await;
        }
        let text = format!("HTTP/1.1 {status} Status\r\n{lines}content-length: 2\r\n\r\nok");
        if stream.write_all(text.as_bytes()).await.is_err() {
            return;
        }
    }
}

async fn more(stream: &mut TcpStream, into: &mut Vec<u8>) -> bool {
    let mut part = [0; 8_192];
    match stream.read(&mut part).await {
        Ok(0) | Err(_) => false,
        Ok(count) => {
            into.extend_from_slice(&part[..count]);
            true
        }
    }
}
