//! Which signals stop the server, and which makes it read its certificate again.

use std::{io, sync::Arc};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// What signals have asked for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Signals {
    /// The end, in order.
    pub(crate) stopping: CancellationToken,
    /// The end, at once.
    pub(crate) at_once: CancellationToken,
    /// A look at the files that are followed.
    pub(crate) reload: Arc<Notify>,
}

impl Signals {
    /// Listens from now on. The first signal that asks for the end stops the server, and a second one ends it at once.
    ///
    /// With `reloads`, SIGHUP asks for a look at files. Otherwise it asks for the end, and then never for an end at once: systemd sends
    /// SIGHUP right after SIGTERM, and a terminal that closes sends it twice.
    #[cfg(unix)]
    pub(crate) fn listen(reloads: bool) -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};

        let [mut interrupt, mut terminate, mut quit] =
            [signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?, signal(SignalKind::quit())?];
        // `nohup` asks for this signal to end nothing, and installing a handler that ends the server would undo that.
        let mut hangup = if !reloads && is_hangup_ignored() { None } else { Some(signal(SignalKind::hangup())?) };
        let told = Self::default();
        let signals = told.clone();
        tokio::spawn(async move {
            loop {
                let hung_up = async {
                    match hangup.as_mut() {
                        Some(hangup) => hangup.recv().await,
                        None => std::future::pending().await,
                    }
                };
                // A signal that came with SIGHUP counts first, whichever of them woke the task.
                let is_hangup = tokio::select! {
                    biased;
                    _ = interrupt.recv() => false,
                    _ = terminate.recv() => false,
                    _ = quit.recv() => false,
                    _ = hung_up => true,
                };
                if is_hangup && reloads {
                    told.reload.notify_one();
                } else {
                    told.end(is_hangup);
                }
            }
        });
        Ok(signals)
    }

    #[cfg(not(unix))]
    pub(crate) fn listen(_: bool) -> io::Result<Self> {
        let told = Self::default();
        let signals = told.clone();
        tokio::spawn(async move {
            while tokio::signal::ctrl_c().await.is_ok() {
                told.end(false);
            }
        });
        Ok(signals)
    }

    fn end(&self, is_hangup: bool) {
        if !self.stopping.is_cancelled() {
            tracing::info!("stopping");
            self.stopping.cancel();
        } else if !is_hangup {
            self.at_once.cancel();
        }
    }
}

/// Whether the program was started with SIGHUP ignored. Only Linux tells without unsafe code.
#[cfg(unix)]
fn is_hangup_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    // SIGHUP is signal 1, which is bit 0.
    ignored & 1 == 1
}
