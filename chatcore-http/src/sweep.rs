//! One task that keeps all WebSockets and event streams of a server: it pings them, and ends those that are gone, slow or expired.
//! So none of them has a timer of its own.

use std::{
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use tokio::{
    task::{JoinHandle, yield_now},
    time::{Instant, sleep},
};

use crate::Options;

/// A connection that is kept.
pub(crate) trait Kept: Send + Sync {
    /// Does what is due, and ends the connection where its time is over.
    fn keep(&self, now: Instant, options: &Options);
}

/// Connections that are looked at before other tasks get their turn.
const AT_ONCE: usize = 64;

/// The shortest and the longest pause between two looks.
const PAUSE: (Duration, Duration) = (Duration::from_millis(5), Duration::from_millis(250));

/// The connections that are kept.
#[derive(Default)]
pub(crate) struct Sweep(Mutex<List>);

#[derive(Default)]
struct List {
    connections: Vec<Weak<dyn Kept>>,
    task: Option<JoinHandle<()>>,
}

impl Sweep {
    fn kept(&self) -> MutexGuard<'_, List> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a connection as long as it is there.
    pub(crate) fn add(self: &Arc<Self>, connection: &Arc<dyn Kept>, options: &Options) {
        let mut kept = self.kept();
        kept.connections.push(Arc::downgrade(connection));
        // It ends with the last connection, and with its runtime.
        if kept.task.as_ref().is_none_or(JoinHandle::is_finished) {
            kept.task = Some(tokio::spawn(sweep(Arc::downgrade(self), options.clone())));
        }
    }
}

impl Drop for Sweep {
    fn drop(&mut self) {
        if let Some(task) = self.kept().task.take() {
            task.abort();
        }
    }
}

async fn sweep(sweep: Weak<Sweep>, options: Options) {
    let shortest = options.ping_interval.min(options.pong_time).min(options.write_time).min(options.heartbeat);
    let (least, most) = PAUSE;
    let pause = (shortest / 8).clamp(least, most);
    loop {
        sleep(pause).await;
        let Some(sweep) = sweep.upgrade() else { return };
        let mut connections = mem::take(&mut sweep.kept().connections);
        for some in connections.chunks(AT_ONCE) {
            let now = Instant::now();
            some.iter().filter_map(Weak::upgrade).for_each(|connection| connection.keep(now, &options));
            yield_now().await;
        }
        connections.retain(|connection| connection.strong_count() > 0);
        let mut kept = sweep.kept();
        // Those that came meanwhile.
        connections.append(&mut kept.connections);
        kept.connections = connections;
        if kept.connections.is_empty() {
            kept.task = None;
            return;
        }
    }
}
