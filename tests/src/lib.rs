//! What the tests that cross crates share: a server in this process on a free port, and clients for it.

/// Writes each test three times: over the in-memory store, and over SurrealDB in memory and on disk.
#[macro_export]
macro_rules! on_every_store {
    ($(async fn $name:ident($server:ident) $body:block)*) => {$(
        mod $name {
            use super::*;

            async fn case(backend: $crate::Backend) {
                #[allow(unused_mut, reason = "not every test stops its server")]
                let mut $server = $crate::Server::start(backend).await;
                $body
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn memory() {
                case($crate::Backend::Memory).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn surreal_memory() {
                case($crate::Backend::SurrealMemory).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn surreal_disk() {
                case($crate::Backend::SurrealDisk).await;
            }
        }
    )*};
}

#[path = "../../chatcore/tests/kit/copied.rs"]
mod copied;
mod document;
mod events;
pub mod graphql;
mod http;
pub mod parity;
pub mod races;
mod server;
mod socket;
mod surreal;
mod template;

pub use copied::Copied;
pub use document::Document;
pub use events::Events;
pub use graphql::{Graphql, GraphqlEvents, GraphqlSocket};
pub use http::{Client, Reply};
pub use server::{Backend, SECRET, Server, crowded, patient, token, token_with};
pub use socket::Socket;
pub use surreal::Surreal;
pub use template::Template;
