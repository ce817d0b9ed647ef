//! Where a user ever was. The list is apart from the other tables: stores define it when it is first used.

use super::Listed;
use crate::{
    model::{SessionId, UserId},
    tables,
};

tables! {
    /// The sessions that a user is or was in. An entry is never removed, so that the user's export and erasure find each session.
    shared plain Been = "been" [
        /// The user.
        user: UserId,
        /// The session.
        session: SessionId,
    ] -> Listed = 1;
}
