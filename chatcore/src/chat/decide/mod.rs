//! From facts to a commit: what every change goes through.

pub(super) mod adding;
pub(super) mod caller;
pub(super) mod departures;
pub(super) mod due;
pub(super) mod govern;
pub(super) mod history;
pub(super) mod metering;
pub(super) mod policy;
pub(super) mod reserve;
pub(super) mod review;
pub(super) mod scope;
pub(super) mod target;
pub(super) mod turns;
pub(super) mod validate;
