//! Proof that the frontends hold no rules: one table of attempts, made through each transport, and what each came to
//! compared.
//!
//! An attempt is somebody ([`Actor`]) trying something ([`Action`]) on a [`Stage`]. Each transport has users and sessions of
//! its own on the same store, made in the same way, so that everything about an attempt can be compared: the verdict, the
//! result, the state that it left, and the events that tell of it. The core's own answer is the yardstick.

mod action;
mod attempts;
mod canon;
mod compare;
mod core;
mod coverage;
mod declined;
mod fields;
mod graphql;
mod model;
mod normal;
mod presence;
mod receipts;
mod rest;
mod resume;
mod room;
mod run;
mod stage;
mod transport;
mod walk;
mod websocket;
mod wire;
mod world;

use std::time::Duration;

pub use action::{Action, Attempt, Level, Target, Which};
pub use attempts::{attempts, listings};
pub use canon::{Fault, Outcome};
pub use compare::difference;
pub use coverage::Coverage;
pub use declined::declined_everywhere;
pub use graphql::{GraphQl, GraphQlSocket, delivery};
pub use model::Model;
pub use presence::presence_everywhere;
pub use rest::EventStream;
pub use resume::{follow_all_sessions, resume_everywhere};
pub use run::{Problem, Record, Report, run_lists, run_table};
pub use stage::{Actor, Stage, State, stages};
pub use walk::walk;
pub use world::World;

/// How long anything that must come may take, on a slow machine.
const PATIENCE: Duration = Duration::from_secs(30);
