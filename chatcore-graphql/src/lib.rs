//! GraphQL frontend of [`chatcore`].

#[cfg(feature = "poem")]
mod glue;
mod wire;

#[cfg(feature = "poem")]
pub use glue::GraphqlFrontend;
pub use wire::{
    ALLOW, Caller, Close, Frame, HttpBody, HttpHead, HttpReply, PROTOCOL, WireOptions, graphiql, serve_socket, token_of,
};
