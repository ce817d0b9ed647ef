//! `surreal`: the SurrealDB server as its crates make it, for tests; there is no package of it on the registries.

use std::process::ExitCode;

fn main() -> ExitCode {
    surrealdb_server::init(surrealdb_core::CommunityComposer())
}
