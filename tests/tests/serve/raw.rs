//! Bytes to a server, and what comes back.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

/// How long a connection may last, on a slow machine. A connection that lasts longer hangs.
const PATIENCE: Duration = Duration::from_secs(30);

/// One response.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    /// The header lines, with their names in lower case.
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Response {
    /// The value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(found, _)| *found == name).map(|(_, value)| value)
    }

    /// Whether it answers the HEAD request that follows each row.
    pub(crate) fn is_probe(&self) -> bool {
        self.header("x-request-id") == Some("probe")
    }

    /// The first response in the bytes; `of_head` for one that has no body, whatever its head says.
    fn read(bytes: &mut &[u8], of_head: bool) -> Option<Self> {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        *bytes = &bytes[end + 4..];
        let (line, lines) = head.split_once("\r\n").unwrap_or((&head, ""));
        let status = line.strip_prefix("HTTP/1.1 ").or(line.strip_prefix("HTTP/1.0 "))?[..3].parse().ok()?;
        let lowered = lines.lines().map(|line| match line.split_once(": ") {
            Some((name, value)) => format!("{}: {value}\n", name.to_ascii_lowercase()),
            None => format!("{line}\n"),
        });
        let mut response = Self { status, head: lowered.collect(), body: Vec::new() };
        let bodiless = of_head || response.is_probe() || status < 200 || status == 204 || status == 304;
        if response.header("transfer-encoding") == Some("chunked") && !bodiless {
            response.body = chunks(bytes)?;
        } else if let (Some(length), false) = (response.header("content-length"), bodiless) {
            let length: usize = length.parse().ok()?;
            response.body = bytes.get(..length)?.to_vec();
            *bytes = &bytes[length..];
        }
        Some(response)
    }
}

fn chunks(bytes: &mut &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = bytes.windows(2).position(|window| window == b"\r\n")?;
        let size = usize::from_str_radix(std::str::from_utf8(&bytes[..end]).ok()?, 16).ok()?;
        body.extend_from_slice(bytes.get(end + 2..end + 2 + size)?);
        *bytes = bytes.get(end + 4 + size..)?;
        if size == 0 {
            return Some(body);
        }
    }
}

/// The responses in the bytes, and what stands behind them. The first has no body where it answers HEAD.
pub(crate) fn responses(mut bytes: &[u8], first_of_head: bool) -> (Vec<Response>, &[u8]) {
    let mut all = Vec::new();
    loop {
        let of_head = first_of_head && all.iter().all(|response: &Response| response.status < 200);
        match Response::read(&mut bytes, of_head) {
            Some(response) if response.status == 101 => {
                all.push(response);
                return (all, bytes);
            }
            Some(response) => all.push(response),
            None => return (all, bytes),
        }
    }
}

/// How a client ends what it says.
pub(crate) enum Last<'a> {
    /// With these bytes.
    Bytes(&'a [u8]),
    /// With the end of its side of the connection.
    Half,
}

/// Sends bytes, and the last ones when `enough` has come; gives everything that comes until the server ends the connection.
pub(crate) async fn exchange(address: &str, bytes: &[u8], last: Last<'_>, enough: impl Fn(&[u8]) -> bool) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let mut come = Vec::new();
    let exchanged = timeout(PATIENCE, async {
        let (mut source, mut sink) = stream.split();
        // A server that refuses the beginning need not read the rest, and a reset is an end as well.
        let _ = sink.write_all(bytes).await;
        while !enough(&come) && source.read_buf(&mut come).await.is_ok_and(|read| read > 0) {}
        let write = async {
            match last {
                Last::Bytes(bytes) => drop(sink.write_all(bytes).await),
                Last::Half => drop(sink.shutdown().await),
            }
        };
        let _ = tokio::join!(write, source.read_to_end(&mut come));
    });
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(200)]);
    exchanged.await.unwrap_or_else(|_| panic!("the connection hangs after {text:?}"));
    come
}
