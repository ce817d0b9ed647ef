//! A complete, real-time, multi-user chat to embed into any program.
//!
//! Everything is a method of one cloneable handle, [`Chat`], and takes the calling [`Principal`] first. Where data lives is
//! behind [`ChatStore`], how readers learn of news behind [`Notifier`]; this crate brings an in-memory store and
//! an in-process notifier, so that this is a complete program:
//!
//! ```
#![doc = include_str!("../../examples/embed/src/main.rs")]
//! ```
//!
//! # Features
//! | feature | what for |
//! |---|---|
//! | `conformance` | the test suite for implementors of [`ChatStore`] |

pub mod chat;
pub mod clock;
pub mod error;
pub mod identity;
pub mod limits;
pub mod model;
pub mod notify;
pub mod permission;
pub mod store;

pub use chat::{Chat, ChatBuilder};
pub use clock::{Clock, SystemClock};
pub use error::{Code, Error, FieldError, Result};
pub use identity::{Authenticator, JwtAuthenticator, JwtIssuer, Principal};
pub use limits::Limits;
pub use notify::{InProcessNotifier, Notifier};
pub use store::{ChatStore, MemoryStore, StoreError};
