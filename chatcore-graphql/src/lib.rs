//! GraphQL frontend of [`chatcore`]: queries, mutations and subscriptions for any host.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use async_graphql::{Executor, Request};
//! use chatcore::{Chat, Principal, model::UserId};
//! use chatcore_graphql::{Caller, SchemaOptions, schema};
//!
//! let schema = schema(Chat::in_memory(), SchemaOptions::default());
//! let alice = Principal::new(UserId::new("alice")?);
//! let request = Request::new(r#"mutation { createSession(input: {title: "Lobby"}) { session { id } } }"#);
//! let response = schema.execute(request.data(Caller(alice))).await;
//! assert!(response.is_ok());
//! # Ok(())
//! # }
//! ```
//!
//! [`protocols`] describes the protocols for clients. With the feature `poem`, `GraphqlFrontend` serves all protocols at `/graphql`; for
//! any other server, use [`HttpHead`] and [`serve_socket`].
//!
//! With the feature `accounts`, `schema_with_accounts` is the same schema with registration, logins and users. [`schema_with`] also adds the
//! administration of the system.
//!
//! The [`Caller`] in the request's data is the user who calls. Without a caller every field answers `AUTH_REQUIRED`, except introspection
//! and the mutations of accounts that need no token. Every error has the stable `code` and the `details` of the other transports in its
//! `extensions`.

mod error;
#[cfg(feature = "poem")]
mod glue;
mod guard;
mod options;
mod schema;
mod source;
mod wire;

pub mod protocols {
    #![doc = include_str!("wire/protocols.md")]
}

pub use async_graphql;

pub use error::{field_error, request_error};
#[cfg(feature = "poem")]
pub use glue::GraphqlFrontend;
pub use options::SchemaOptions;
#[cfg(feature = "accounts")]
pub use schema::schema_with_accounts;
pub use schema::{Caller, ChatSchema, Services, schema, schema_with};
pub use wire::{
    ALLOW, Admitted, Close, Frame, HttpBody, HttpHead, HttpReply, PROTOCOL, WireOptions, graphiql, graphiql_file,
    serve_socket, token_of,
};
