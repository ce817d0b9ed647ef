//! Which role may do which action, before the conditions.

use std::fmt::Write as _;

use super::{Action, ActionKind, Denial, Facts, decide::decide_with};
use crate::model::ParticipantRole;

/// `ParticipantRole × ActionKind`. The default is the permission matrix of the "Enhanced Multi-User Chat System API";
/// an embedder may pass an adjusted one to [`crate::ChatBuilder::permissions`]. The conditions of [`super::decide`]
/// hold over any table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PermissionTable {
    // One bit set of roles for each kind of action, in the order of `ActionKind::ALL`.
    allowed: [u8; ActionKind::ALL.len()],
}

const fn bit(role: ParticipantRole) -> u8 {
    1 << match role {
        ParticipantRole::Owner => 0,
        ParticipantRole::Admin => 1,
        ParticipantRole::Member => 2,
        ParticipantRole::Viewer => 3,
    }
}

/// The declared defaults: the specification's matrix, and the rows that it does not have.
pub(super) static DEFAULT: PermissionTable = PermissionTable { allowed: default_rows() };

#[allow(clippy::indexing_slicing, reason = "the compiler runs it, and each index is below its length")]
const fn default_rows() -> [u8; ActionKind::ALL.len()] {
    let mut rows = [0; ActionKind::ALL.len()];
    let mut row = 0;
    while row < rows.len() {
        let roles = ActionKind::ALL[row].default_roles();
        let mut place = 0;
        while place < roles.len() {
            rows[row] |= bit(roles[place]);
            place += 1;
        }
        row += 1;
    }
    rows
}

impl Default for PermissionTable {
    fn default() -> Self {
        DEFAULT.clone()
    }
}

impl PermissionTable {
    /// Whether the table lets the role do such a thing.
    #[must_use]
    pub fn allows(&self, role: ParticipantRole, kind: ActionKind) -> bool {
        self.allowed.get(kind.row()).is_some_and(|roles| roles & bit(role) != 0)
    }

    /// The same table with one cell set.
    #[must_use]
    pub fn with(mut self, role: ParticipantRole, kind: ActionKind, allowed: bool) -> Self {
        if let Some(roles) = self.allowed.get_mut(kind.row()) {
            *roles = if allowed { *roles | bit(role) } else { *roles & !bit(role) };
        }
        self
    }

    /// Decides by this table; see [`super::decide`].
    ///
    /// # Errors
    /// The [`Denial`] that says why not.
    pub fn decide(&self, facts: &Facts, action: Action) -> Result<(), Denial> {
        decide_with(self, facts, action)
    }

    /// The table as Markdown, for documents.
    #[must_use]
    pub fn to_markdown(&self) -> String {
        let mut text = String::from("| Action | Owner | Admin | Member | Viewer |\n|---|---|---|---|---|\n");
        for kind in ActionKind::ALL {
            let _ = write!(text, "| {} |", kind.title());
            for role in ParticipantRole::ALL {
                text.push_str(if self.allows(role, kind) { " yes |" } else { " no |" });
            }
            text.push('\n');
        }
        text
    }
}
