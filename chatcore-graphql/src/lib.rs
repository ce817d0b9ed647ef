//! GraphQL frontend of [`chatcore`].

mod wire;

pub use wire::{
    ALLOW, Caller, Close, Frame, HttpBody, HttpHead, HttpReply, PROTOCOL, WireOptions, graphiql, serve_socket,
};
