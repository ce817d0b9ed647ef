//! What a server answers, over real HTTP and WebSockets, on every store.
#![allow(missing_docs, reason = "tests")]

mod bad_input;
mod bots;
mod browsers;
mod documents;
mod events;
mod history;
mod matrix;
mod newer;
mod presence;
mod races;
mod rates;
mod rest;
mod store_away;
