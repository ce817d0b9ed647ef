//! The transports, for every server: GraphQL over HTTP ([`HttpHead`]), graphql-sse in its distinct connections mode (the same, with
//! `Accept: text/event-stream`), and graphql-transport-ws ([`serve_socket`]).
//!
//! The transports depend on no web framework and on no kind of token. The server reads bodies within limits, authenticates the caller, and
//! passes an [`Admitted`].

mod admitted;
mod clock;
mod execution;
mod graphiql;
mod http;
mod line;
mod message;
mod operations;
mod options;
mod request;
mod response;
mod socket;
mod sse;
mod talk;
mod upkeep;

pub use admitted::Admitted;
pub(crate) use admitted::Expiry;
pub use graphiql::{graphiql, graphiql_file};
pub use http::{ALLOW, HttpBody, HttpHead, HttpReply};
pub use options::WireOptions;
#[cfg(feature = "poem")]
pub(crate) use socket::converse;
pub use socket::{Close, Frame, PROTOCOL, serve_socket, token_of};
#[cfg(feature = "poem")]
pub(crate) use upkeep::Upkeep;
