//! Tails, subscriptions and signals: what every stream runs on.

pub(super) mod fan_out;
mod feed;
mod finder;
pub(super) mod follow;
pub(super) mod inbox;
mod login;
#[cfg(feature = "metrics")]
pub(super) mod measures;
pub(super) mod notices;
pub(super) mod own;
pub(super) mod presence;
mod queue;
pub(super) mod receipts;
pub(super) mod rewrites;
pub(super) mod rights;
pub(super) mod ring;
pub(super) mod seat;
pub(super) mod standings;
pub(super) mod subscribe;
pub(super) mod subscribe_all;
pub(super) mod tail;
pub(super) mod task;
