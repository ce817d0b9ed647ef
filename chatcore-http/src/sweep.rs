//! One task that keeps all WebSockets of a server: it pings them, and ends those that are gone, slow or expired. So none of
//! them has a timer of its own.

use std::{
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use tokio::{
    task::{JoinHandle, yield_now},
    time::{Instant, sleep},
};

use crate::{Options, Outbox, outbox::WeakOutbox};

/// Sockets that are looked at before other tasks get their turn.
const AT_ONCE: usize = 64;

/// The shortest and the longest pause between two looks.
const PAUSE: (Duration, Duration) = (Duration::from_millis(5), Duration::from_millis(250));

/// The sockets that are kept.
#[derive(Default)]
pub(crate) struct Sweep(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    sockets: Vec<WeakOutbox>,
    task: Option<JoinHandle<()>>,
}

impl Sweep {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a socket as long as it is there.
    pub(crate) fn add(self: &Arc<Self>, outbox: &Outbox, options: &Options) {
        let mut kept = self.kept();
        kept.sockets.push(outbox.downgrade());
        // It ends with the last socket, and with its runtime.
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
    let shortest = options.ping_interval.min(options.pong_time).min(options.write_time);
    let (least, most) = PAUSE;
    let pause = (shortest / 8).clamp(least, most);
    loop {
        sleep(pause).await;
        let Some(sweep) = sweep.upgrade() else { return };
        let mut sockets = mem::take(&mut sweep.kept().sockets);
        for some in sockets.chunks(AT_ONCE) {
            let now = Instant::now();
            some.iter().filter_map(WeakOutbox::upgrade).for_each(|outbox| outbox.keep(now, &options));
            yield_now().await;
        }
        sockets.retain(WeakOutbox::is_open);
        let mut kept = sweep.kept();
        // Those that came meanwhile.
        sockets.append(&mut kept.sockets);
        kept.sockets = sockets;
        if kept.sockets.is_empty() {
            kept.task = None;
            return;
        }
    }
}
