//! What is measured, and that it is documented.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod counted;
mod document;
#[path = "../kit/mod.rs"]
mod kit;
#[cfg(feature = "accounts")]
mod logins;
mod named;
#[cfg(feature = "webhooks")]
mod webhooks;
