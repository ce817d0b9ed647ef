//! Pages: which part of a list is wanted, and what came.

use chrono::{DateTime, Utc};

use super::{Message, Seq};

/// A part of a list that is counted from its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Page {
    /// How many to leave out at the start.
    pub skip: u64,
    /// How many at the most; `None` for the default. The bounds are in [`crate::Limits`].
    pub limit: Option<u64>,
}

impl Page {
    /// The first page of the default size.
    pub const FIRST: Self = Self { skip: 0, limit: None };
}

/// A place in a log: a position, or a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Bound {
    /// A position.
    Seq(Seq),
    /// A time; an event at exactly that time is neither before nor after it.
    Time(DateTime<Utc>),
}

/// Which messages are wanted. A page ascends whichever way it was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MessageWindow {
    /// From the oldest on, leaving out this many.
    Skip(u64),
    /// The newest.
    Newest,
    /// The last ones before a place.
    Before(Bound),
    /// The first ones after a place.
    After(Bound),
}

/// Messages with where to go on.
#[derive(Debug, Clone, PartialEq)]
pub struct MessagePage {
    /// The messages, oldest first.
    pub messages: Vec<Message>,
    /// Ask before this position for older ones; `None` where there are none.
    pub previous: Option<Seq>,
    /// Ask after this position for newer ones; `None` where there were none.
    pub next: Option<Seq>,
    /// How many messages the session has.
    pub total: u64,
}
