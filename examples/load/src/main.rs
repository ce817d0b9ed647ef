//! Puts load on a chat server.
fn main() {}
