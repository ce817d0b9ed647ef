//! The actions in a session: one declaration of all of them.

use crate::model::{ParticipantRole, SessionType};

/// Declares the actions: docs, name, particulars, the row's title in the matrix, and the roles that may do it by default.
macro_rules! actions {
    ($($(#[$doc:meta])* $name:ident $({ $($(#[$field_doc:meta])* $field:ident: $type:ty),+ $(,)? })?, $title:literal, [$($role:ident),*];)*) => {
        /// Something that somebody wants to do in a session, with what the decision depends on.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Action {
            $($(#[$doc])* $name $({ $($(#[$field_doc])* $field: $type),+ })?,)*
        }

        /// An [`Action`] without its particulars: a row of the table.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum ActionKind {
            $(#[doc = concat!("[`Action::", stringify!($name), "`]")] $name,)*
        }

        impl ActionKind {
            /// Every kind, in the order of the matrix.
            pub const ALL: [Self; [$(stringify!($name)),*].len()] = [$(Self::$name),*];

            /// The row's name in the matrix.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self {
                    $(Self::$name => $title),*
                }
            }

            /// The place of the row in the matrix.
            pub(super) const fn row(self) -> usize {
                self as usize
            }

            /// The roles that may do it by default.
            pub(super) const fn default_roles(self) -> &'static [ParticipantRole] {
                match self {
                    $(Self::$name => &[$(ParticipantRole::$role),*]),*
                }
            }
        }

        impl Action {
            /// The row of the table.
            #[must_use]
            pub const fn kind(self) -> ActionKind {
                match self {
                    $(Self::$name { .. } => ActionKind::$name),*
                }
            }
        }
    };
}

actions! {
    /// Read the session, its messages, events and participants; be told what happens.
    View, "View messages", [Owner, Admin, Member, Viewer];
    /// Send a message, or show that one is being typed.
    Send, "Send messages", [Owner, Admin, Member];
    /// Give a message another text. Only its author may, and only while they may send.
    EditMessage {
        /// Whether the actor is the author.
        own: bool,
    }, "Edit own messages", [Owner, Admin, Member];
    /// Delete a message that the actor is the author of. Only while they may send.
    DeleteOwnMessage, "Delete own messages", [Owner, Admin, Member];
    /// Delete a message of somebody else.
    DeleteMessage, "Delete messages of others", [Owner, Admin];
    /// Read the earlier texts of messages that were edited.
    ViewRevisions, "View earlier texts", [Owner, Admin];
    /// Change settings.
    Update {
        /// The new type, where it changes.
        session_type: Option<SessionType>,
        /// The new cap, where it changes.
        max_participants: Option<u32>,
    }, "Update session", [Owner, Admin];
    /// Delete the session.
    Delete, "Delete session", [Owner];
    /// Bring the target in.
    Invite {
        /// As what.
        role: ParticipantRole,
    }, "Invite users", [Owner, Admin];
    /// Take the target out.
    Remove, "Remove participants", [Owner, Admin];
    /// Change the target's role.
    ChangeRole {
        /// To what.
        role: ParticipantRole,
    }, "Change roles", [Owner, Admin];
    /// Go.
    Leave, "Leave session", [Admin, Member, Viewer];
    /// Come in without being invited. Its row is empty, since it is for users who are not in the session.
    Join, "Join session", [];
}
