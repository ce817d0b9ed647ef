//! Who may do what: one pure function over plain facts.
//!
//! [`decide`] looks the actor's role and the action up in a [`PermissionTable`] and then applies the conditions that no
//! table can lift: nobody makes or alters an owner, the owner cannot leave, and so on. Missing facts deny.
#![doc = include_str!("matrix.md")]

mod action;
mod address;
mod decide;
mod facts;
mod table;

pub use action::{Action, ActionKind};
pub use address::{AddressFacts, may_see_address};
pub use decide::{Decision, Denial, decide};
pub use facts::{Facts, SessionState};
pub use table::PermissionTable;
