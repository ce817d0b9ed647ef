//! The GraphQL schema in an axum app.
fn main() {}
