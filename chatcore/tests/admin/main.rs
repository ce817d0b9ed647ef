//! The administration, by example, on the in-memory store.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail by panicking"
)]

mod audit;
mod forms;
#[allow(dead_code, reason = "shared with other tests")]
#[path = "../kit/hooked.rs"]
mod hooked;
#[path = "../kit/mod.rs"]
mod kit;
mod meanwhile;
mod notices;
mod reports;
mod roles;
mod sessions;
mod statistics;
mod users;

use chatcore::{
    Administration, Chat, MemoryStore, Principal,
    admin::{AuditEntry, AuditFilter, AuditOrigin, BanUser},
    identity::SystemRole,
};
use kit::{uncounted, user};

/// A caller with the system role, as a host makes one.
fn root() -> Principal {
    Principal { system_role: SystemRole::Admin, ..user("root") }
}

fn origin() -> AuditOrigin {
    AuditOrigin { address: Some("192.0.2.7".parse().unwrap()), request_id: Some("r-1".into()) }
}

fn spam() -> BanUser {
    BanUser { reason: "Spam".into(), until: None }
}

/// A chat in which these users were seen.
async fn world(names: &[&str]) -> (Chat, Administration) {
    let admin = Administration::new(uncounted(MemoryStore::new()));
    seen(&admin, names).await;
    (admin.chat().clone(), admin)
}

async fn seen(admin: &Administration, names: &[&str]) {
    for name in names {
        admin.chat().me(&user(name)).await.unwrap();
    }
}

/// The whole audit log, the newest entry first.
async fn log(admin: &Administration) -> Vec<AuditEntry> {
    admin.audit(&root(), &AuditFilter::default(), None, Some(100)).await.unwrap().entries
}
