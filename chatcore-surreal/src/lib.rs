//! The [`chatcore`] store on SurrealDB: in memory, in a folder on disk, or on a server.
//!
//! ```
//! use chatcore_surreal::{ConnectError, SurrealStore};
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), ConnectError> {
//! // Or `surrealkv:///var/lib/chat` for a folder.
//! let store = SurrealStore::connect("mem://").await?;
//! // … give `Arc::new(store)` to `chatcore::Chat`, and in the end:
//! store.close().await;
//! # Ok(())
//! # }
//! ```
//!
//! # How it works
//! A session's log is the table `log`, keyed by session and position; inserting at a position that is taken fails, so
//! the database itself keeps two processes from numbering two events alike. What arrives while a commit is under
//! way goes into the next one, so the cost of a durable commit is shared by all who wait for it. Queries run on
//! threads of the store's own, with deep stacks, whatever runtime the program uses.
//!
//! SurrealDB is under the Business Source License 1.1: free to use in production, except to offer it as a database
//! service.

mod cache;
mod commit;
mod compact;
mod connect;
mod disk;
mod engine;
mod failure;
#[cfg(test)]
#[allow(clippy::expect_used, clippy::panic, reason = "tests panic on purpose")]
mod faults;
mod inspect;
mod keys;
mod link;
mod read;
mod records;
mod rows;
mod schema;
mod snapshot;
mod store;
mod tls;
mod upgrade;

pub use compact::Compaction;
pub use connect::{ConnectError, Credentials, SurrealOptions};
pub use inspect::Inspection;
pub use schema::{Upgrade, UpgradeStep};
pub use store::SurrealStore;
