//! A complete, real-time, multi-user chat to embed into any program.
//!
//! Everything is a method of one cloneable handle, [`Chat`], and takes the calling [`Principal`] first. Where data lives is
//! behind [`ChatStore`], how readers learn of news behind [`Notifier`]; this crate brings an in-memory store and
//! an in-process notifier, so that this is a complete program:
//!
//! ```
//! use chatcore::chat::{CreateSession, SendMessage};
//! use chatcore::model::{SessionType, UserId};
//! use chatcore::{Chat, Principal};
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let chat = Chat::in_memory();
//!     let alice = Principal::new(UserId::new("alice")?).with_name("Alice");
//!     let bob = Principal::new(UserId::new("bob")?).with_name("Bob");
//!
//!     let room = chat.create_session(&alice, CreateSession::titled("Lobby").of_type(SessionType::Public)).await?;
//!     let id = room.summary.session.id;
//!     chat.join(&bob, id).await?;
//!
//!     let mut events = chat.subscribe(&alice, id, Some(room.seq)).await?;
//!     chat.send(&bob, id, SendMessage::text("Hello, Alice!")).await?;
//!     while let Some(event) = events.next_event().await {
//!         if let Some(message) = event?.message() {
//!             println!("{}: {:?}", message.sender.name, message.body.content);
//!             break;
//!         }
//!     }
//!     Ok(())
//! }
//! ```
//!
//! # Features
//! | feature | what for |
//! |---|---|
//! | `jwt` (default) | [`JwtAuthenticator`], and with it a cryptographic library in C: without this feature the crate is all Rust |
//! | `accounts` | [`accounts`]: users of the chat's own, with registration, logins, tokens and profiles |
//! | `admin` | [`admin`]: administration of the whole system, with an audit log and statistics |
//! | `avatars` | pictures of these users, in an object store |
//! | `smtp` | mail to these users by SMTP |
//! | `jwks` | `Jwks::url`: key sets at an address, with an HTTP client and TLS |
//! | `backup` | [`backup`]: backup and restore of a whole store, in a portable format |
//! | `bot` | [`bot`]: bots that run inside the host |
//! | `webhooks` | [`webhooks`]: events of sessions, sent to other systems over HTTP |
//! | `metrics` | `metrics`: counters and times of what the chat does, for any recorder of the `metrics` crate |
//! | `conformance` | the test suites for implementors of [`ChatStore`] and of [`Notifier`] |
//! | `schema` | JSON Schemas of the forms in [`wire`] |

#[cfg(feature = "accounts")]
pub mod accounts;
#[cfg(feature = "admin")]
pub mod admin;
#[cfg(feature = "backup")]
pub mod backup;
#[cfg(feature = "bot")]
pub mod bot;
pub mod chat;
pub mod clock;
pub mod error;
pub mod identity;
pub mod json;
pub mod limits;
#[cfg(feature = "metrics")]
pub mod metrics;
pub mod model;
pub mod notify;
pub mod permission;
pub mod store;
pub mod stored;
pub mod trace;
#[cfg(feature = "webhooks")]
pub mod webhooks;
pub mod wire;

#[cfg(feature = "accounts")]
pub use accounts::Accounts;
#[cfg(feature = "admin")]
pub use admin::Administration;
/// For implementors of the traits of this crate.
pub use async_trait::async_trait;
#[cfg(feature = "bot")]
pub use bot::Bot;
pub use chat::{Chat, ChatBuilder, Policy};
pub use clock::{Clock, SystemClock, TestClock};
pub use error::{Code, Error, FieldError, Refusal, Result};
pub use identity::{Authenticator, Principal};
#[cfg(feature = "jwt")]
pub use identity::{IssuersAuthenticator, JwtAuthenticator, JwtIssuer};
pub use limits::{Limiter, Limits, Origin, Rate, RateLimits};
pub use notify::{InProcessNotifier, Notifier};
pub use store::{ChatStore, MemoryStore, StoreError};
#[cfg(feature = "webhooks")]
pub use webhooks::Webhooks;
