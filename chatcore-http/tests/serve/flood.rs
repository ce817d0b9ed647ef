//! Many connections that do nothing, or too slowly.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
    time::Duration,
};

use chatcore_http::ServeOptions;
use tokio::{
    io::AsyncWriteExt as _,
    net::TcpStream,
    time::{Instant, timeout},
};

use crate::{PATIENCE, REQUEST, answer, body, rest, served};

/// Names the child process of a test to itself.
const CHILD: &str = "CHATCORE_TEST_SERVER";

#[tokio::test]
async fn a_thousand_slow_connections_leave_room_for_others() {
    let address = served(ServeOptions::default()).await;
    let mut slow = Vec::new();
    for number in 0..1_000 {
        let mut stream = TcpStream::connect(&address).await.unwrap();
        // Nothing at all, half of a head, a whole head without its body, half of a body.
        let begun: &[u8] = match number % 4 {
            0 => b"",
            1 => b"GET / HTTP/1.1\r\nHost: x\r\nX-More: ",
            2 => b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 20\r\n\r\n",
            _ => b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
        };
        stream.write_all(begun).await.unwrap();
        slow.push(stream);
    }
    for _ in 0..20 {
        assert_eq!(body(&answer(&address, REQUEST.as_bytes()).await), "127.0.0.1");
    }
    drop(slow);
}

#[tokio::test]
async fn a_head_that_never_ends_ends_the_connection() {
    let options = ServeOptions { header_time: Duration::from_millis(100), ..ServeOptions::default() };
    let address = served(options).await;
    let mut stream = TcpStream::connect(&address).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n").await.unwrap();
    let (mut reading, mut writing) = stream.into_split();
    let trickle = tokio::spawn(async move {
        // One more line at a time, for as long as the server takes it.
        while writing.write_all(b"X-More: x\r\n").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    let mut text = Vec::new();
    let read = tokio::io::AsyncReadExt::read_to_end(&mut reading, &mut text);
    let _ = timeout(PATIENCE, read).await.unwrap();
    timeout(PATIENCE, trickle).await.unwrap().unwrap();
    assert!(!String::from_utf8_lossy(&text).contains("200"));
    // A head without an end in size, at once.
    let endless = format!("GET / HTTP/1.1\r\nHost: x\r\nX-More: {}", "x".repeat(200 << 10));
    let refused = answer(&served(ServeOptions::default()).await, endless.as_bytes()).await;
    assert!(refused.is_empty() || refused.starts_with("HTTP/1.1 431"), "{refused}");
}

/// The server of the next test, in a process of its own; nothing where the test runner calls it.
#[tokio::test]
async fn serves_in_a_process_of_its_own() {
    if std::env::var_os(CHILD).is_none() {
        return;
    }
    let address = served(ServeOptions { idle_time: Duration::from_millis(300), ..ServeOptions::default() }).await;
    println!("\nlistening on {address}");
    std::future::pending().await
}

/// A process, which ends with the test.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Process {
    /// The time that it has computed, in hundredths of a second (proc(5): utime and stime, USER_HZ).
    fn computed(&self) -> u64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.0.id())).unwrap();
        let fields: Vec<_> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
        fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_process_without_descriptors_waits_and_recovers() {
    let program = std::env::current_exe().unwrap();
    let mut child = Command::new("sh")
        .args(["-c", "ulimit -n 64; exec \"$@\"", "sh"])
        .arg(program)
        .args(["--exact", "flood::serves_in_a_process_of_its_own", "--nocapture"])
        .env(CHILD, "1")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let process = Process(child);
    let address = loop {
        let line = lines.next().expect("the server did not start").unwrap();
        if let Some(address) = line.strip_prefix("listening on ") {
            break address.to_owned();
        }
    };
    // More than it has descriptors for: the rest waits in the kernel's queue.
    let mut flood = Vec::new();
    for _ in 0..120 {
        flood.push(TcpStream::connect(&address).await.unwrap());
    }
    // One that was accepted is served on.
    let mut first = flood.swap_remove(0);
    first.write_all(REQUEST.as_bytes()).await.unwrap();
    assert_eq!(body(&rest(&mut first).await), "127.0.0.1");

    let (began, before) = (Instant::now(), process.computed());
    let mut last = TcpStream::connect(&address).await.unwrap();
    last.write_all(REQUEST.as_bytes()).await.unwrap();
    // It has to wait: nobody gives a descriptor back.
    assert!(timeout(Duration::from_secs(2), last.readable()).await.is_err());
    let (elapsed, computed) = (began.elapsed(), process.computed() - before);
    // A loop without a pause computes all the time that it gets; one with a pause nearly none.
    assert!(u128::from(computed) * 10 * 5 < elapsed.as_millis(), "{computed} of {elapsed:?}");

    drop(flood);
    assert_eq!(body(&rest(&mut last).await), "127.0.0.1");
    assert_eq!(body(&answer(&address, REQUEST.as_bytes()).await), "127.0.0.1");
}
