//! Who keeps a WebSocket: pings it, and ends it when it is gone, slow or expired.

use futures_util::{FutureExt as _, future::BoxFuture};

use super::{Close, Expiry};

/// Keeps a socket in the place of the timers that the driver has for a socket of any library.
pub(crate) trait Upkeep: Sync {
    /// Keeps the socket from now on, and ends it at `expiry` with this; `false` where the driver is to do it.
    fn begin(&self, expiry: Option<Expiry>, expired: &'static str) -> bool;

    /// Nothing is read, so that no pong is heard.
    fn set_busy(&self, is_busy: bool);

    /// Done when the socket is to end; says why, or `None` where the other side is gone.
    fn ended(&self) -> BoxFuture<'_, Option<Close>>;
}

/// Leaves it to the driver.
pub(crate) struct OwnTimers;

impl Upkeep for OwnTimers {
    fn begin(&self, _: Option<Expiry>, _: &'static str) -> bool {
        false
    }

    fn set_busy(&self, _: bool) {}

    fn ended(&self) -> BoxFuture<'_, Option<Close>> {
        std::future::pending().boxed()
    }
}
