//! stdout and stderr, written to in such a way that neither can stop the server.
//!
//! The reader of a pipe can be gone, or read nothing any more; a disk can be full. `println!` and `eprintln!` panic in the first
//! case and wait in the second. Here a thread writes, and nobody waits for it: a line that cannot be written is lost, and counted.

use std::{
    io::{self, Write},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{self, Receiver, SyncSender},
    },
    thread,
    time::Duration,
};

use tracing_subscriber::fmt::MakeWriter;

/// How many lines may wait to be written; further ones are lost.
const QUEUE: usize = 16_384;
/// How long the end of the program waits for the lines that it said last.
const PATIENCE: Duration = Duration::from_secs(1);

enum Order {
    Write(Vec<u8>),
    /// To be answered once everything before it is written.
    Flush(SyncSender<()>),
}

/// Lines on their way to stdout or stderr. A clone writes to the same place.
#[derive(Clone)]
pub(crate) struct Output {
    queue: SyncSender<Order>,
    lost: Arc<AtomicU64>,
}

impl Output {
    pub(crate) fn stdout() -> Self {
        Self::to("stdout", io::stdout())
    }

    pub(crate) fn stderr() -> Self {
        Self::to("stderr", io::stderr())
    }

    fn to(name: &str, to: impl Write + Send + 'static) -> Self {
        let (queue, orders) = mpsc::sync_channel(QUEUE);
        let lost = Arc::default();
        let counter = Arc::clone(&lost);
        // Without the thread every line is lost, which is no reason not to serve.
        let _ = thread::Builder::new().name(name.to_owned()).spawn(move || write(to, &orders, &counter));
        Self { queue, lost }
    }

    /// Prints what came of a command on stdout, before the process ends.
    pub(crate) fn print(line: &str) {
        let stdout = Self::stdout();
        stdout.say(line);
        stdout.flush();
    }

    /// Says a line. Never fails, and never waits.
    pub(crate) fn say(&self, line: &str) {
        self.hand_over(format!("{line}\n").into_bytes());
    }

    /// Waits until everything is written, for a second at the most.
    pub(crate) fn flush(&self) {
        let (done, is_done) = mpsc::sync_channel(1);
        if self.queue.try_send(Order::Flush(done)).is_ok() {
            let _ = is_done.recv_timeout(PATIENCE);
        }
    }

    fn hand_over(&self, bytes: Vec<u8>) {
        if self.queue.try_send(Order::Write(bytes)).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn write(mut to: impl Write, orders: &Receiver<Order>, lost: &AtomicU64) {
    for order in orders {
        match order {
            Order::Write(bytes) if to.write_all(&bytes).is_err() => {
                lost.fetch_add(1, Ordering::Relaxed);
            }
            Order::Write(_) => {
                let lines = lost.swap(0, Ordering::Relaxed);
                if lines > 0 {
                    tracing::warn!(lines, "log lines were lost, because they could not be written or came too fast");
                }
            }
            Order::Flush(done) => {
                let _ = to.flush();
                let _ = done.try_send(());
            }
        }
    }
}

/// A whole log line in each call of `write`, which is how tracing-subscriber calls it.
impl Write for Output {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.hand_over(line.to_vec());
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Output {
    type Writer = Self;

    fn make_writer(&'a self) -> Self::Writer {
        self.clone()
    }
}
