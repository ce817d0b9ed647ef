//! The actions in a session: one declaration of all of them.

use super::Denial;
use crate::model::{ParticipantRole, SessionType};

/// Declares the actions: docs, name, particulars, the row's title in the matrix, the roles that may do it by default, and what decides:
/// `table` where the table alone decides, `conditions` where `decide` has conditions besides. `else` names the [`Denial`] of the roles
/// that the table refuses; it is [`Denial::RoleInsufficient`] otherwise.
macro_rules! actions {
    ($(
        $(#[$doc:meta])*
        $name:ident $({ $($(#[$field_doc:meta])* $field:ident: $type:ty),+ $(,)? })?, $title:literal, [$($role:ident),*],
        $decides:ident $(else $denial:ident)?;
    )*) => {
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

            /// The name of the variant.
            const fn variant(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name)),*
                }
            }

            /// The action, where the kind has no particulars.
            #[must_use]
            pub const fn plain(self) -> Option<Action> {
                match self {
                    $(Self::$name => plain!($name $({ $($field)+ })?)),*
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

            /// The denial of a role that the table refuses.
            pub(super) const fn refusal(self) -> Denial {
                match self {
                    $(Self::$name => refusal!($($denial)?)),*
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

        conditions! { [] [] $($decides $name { $($($field: $type),+)? })* }
    };
}

macro_rules! plain {
    ($name:ident) => {
        Some(Action::$name)
    };
    ($name:ident { $($field:ident)+ }) => {
        None
    };
}

macro_rules! refusal {
    () => {
        Denial::RoleInsufficient
    };
    ($denial:ident) => {
        Denial::$denial
    };
}

/// Takes the actions one by one. Those with conditions become variants of [`Condition`], so a new one of them does not compile until its
/// conditions are written.
macro_rules! conditions {
    ([$($name:ident { $($field:ident: $type:ty),* })*] [$($by_table:ident)*]) => {
        /// What decides about an action after the table.
        #[derive(Debug, Clone, Copy)]
        pub(super) enum Condition {
            /// Nothing.
            Table,
            $($name { $($field: $type),* },)*
        }

        impl Action {
            /// What decides after the table.
            pub(super) const fn condition(self) -> Condition {
                match self {
                    $(Self::$by_table { .. } => Condition::Table,)*
                    $(Self::$name { $($field),* } => Condition::$name { $($field),* },)*
                }
            }
        }
    };
    ([$($conditions:tt)*] [$($by_table:ident)*] table $name:ident { $($particulars:tt)* } $($rest:tt)*) => {
        conditions! { [$($conditions)*] [$($by_table)* $name] $($rest)* }
    };
    ([$($conditions:tt)*] [$($by_table:ident)*] conditions $name:ident { $($particulars:tt)* } $($rest:tt)*) => {
        conditions! { [$($conditions)* $name { $($particulars)* }] [$($by_table)*] $($rest)* }
    };
}

actions! {
    /// Read the session, its messages, events and participants; be told what happens.
    View, "View messages", [Owner, Admin, Member, Viewer], table;
    /// Send a message, or show that one is being typed.
    Send, "Send messages", [Owner, Admin, Member], table;
    /// Mention everybody in a message. Without the right, `@all` stays plain text.
    MentionEverybody, "Mention everybody", [Owner, Admin], table;
    /// Give a message another text. Only its author may, and only while they may send.
    EditMessage {
        /// Whether the actor is the author.
        own: bool,
    }, "Edit own messages", [Owner, Admin, Member], conditions;
    /// Write on a streamed message, and end it. Only its author may, and only while they may send.
    ContinueMessage {
        /// Whether the actor is the author.
        own: bool,
    }, "Continue own streamed messages", [Owner, Admin, Member], conditions;
    /// Delete a message that the actor is the author of. Only while they may send.
    DeleteOwnMessage, "Delete own messages", [Owner, Admin, Member], conditions;
    /// Delete a message of somebody else.
    DeleteMessage, "Delete messages of others", [Owner, Admin], table else NotModerator;
    /// Delete all messages of the target.
    DeleteMessagesOf, "Delete all messages of a user", [Owner, Admin], conditions else NotModerator;
    /// Report a message to those who moderate.
    ReportMessage {
        /// Whether the actor is the author.
        own: bool,
    }, "Report messages", [Owner, Admin, Member, Viewer], conditions;
    /// Report the target to those who moderate.
    ReportParticipant {
        /// Whether the actor is the target.
        own: bool,
    }, "Report participants", [Owner, Admin, Member, Viewer], conditions;
    /// See the reports of the session, but for those of the actor, and change their states.
    ManageReports, "See and resolve reports", [Owner, Admin], table;
    /// See what moderators did in the session.
    ViewModerationLog, "View moderation log", [Owner, Admin], table;
    /// Read the earlier texts of messages that were edited.
    ViewRevisions, "View earlier texts", [Owner, Admin], table;
    /// See the messages that wait for approval, and approve or reject them.
    ReviewMessages, "Review held messages", [Owner, Admin], table;
    /// Pin or unpin a message.
    PinMessage, "Pin messages", [Owner, Admin], table;
    /// React to a message, or take the own reaction back.
    React, "React to messages", [Owner, Admin, Member], table;
    /// Add or remove an emoji of the session's own.
    ManageEmojis, "Manage emojis", [Owner, Admin], table;
    /// Change settings.
    Update {
        /// The new type, where it changes.
        session_type: Option<SessionType>,
        /// The new cap, where it changes.
        max_participants: Option<u32>,
    }, "Update session", [Owner, Admin], conditions;
    /// Delete the session.
    Delete, "Delete session", [Owner], table else OwnerRequired;
    /// Bring the target in.
    Invite {
        /// As what.
        role: ParticipantRole,
    }, "Invite users", [Owner, Admin], conditions;
    /// Create a code that lets its holder into the session.
    CreateInvite {
        /// As what.
        role: ParticipantRole,
    }, "Create invites", [Owner, Admin], conditions;
    /// See the invites of the session, and revoke them.
    ManageInvites, "List and revoke invites", [Owner, Admin], table;
    /// See, create, change and delete the webhooks of the session, those that send events and those that post messages.
    ManageWebhooks, "Manage webhooks", [Owner, Admin], table;
    /// See the requests to join, and answer them. To let a user in is [`Invite`](Self::Invite) as well.
    AnswerJoinRequests, "Answer requests to join", [Owner, Admin], table;
    /// Come in, or ask to, by the code of an invite. Its row is empty, since it is for users who are not in the session.
    JoinByInvite, "Join by invite", [], conditions else AlreadyParticipant;
    /// Take the target out.
    Remove, "Remove participants", [Owner, Admin], conditions;
    /// Change the target's role.
    ChangeRole {
        /// To what.
        role: ParticipantRole,
    }, "Change roles", [Owner, Admin], conditions;
    /// Ban the target, whether or not the target is in the session.
    Ban, "Ban users", [Owner, Admin], conditions;
    /// See who is banned, and lift bans.
    ManageBans, "See and lift bans", [Owner, Admin], table;
    /// Mute the target.
    Mute, "Mute participants", [Owner, Admin], conditions;
    /// End the mute of the target.
    Unmute {
        /// Whether the actor is the target.
        own: bool,
    }, "Unmute participants", [Owner, Admin], conditions;
    /// Change the metadata of the actor's own stay.
    SetOwnMetadata, "Change own metadata", [Owner, Admin, Member, Viewer], table;
    /// Change the metadata of the target.
    SetMetadata, "Change metadata of others", [Owner, Admin], conditions;
    /// Archive the session, or end that.
    Archive, "Archive session", [Owner], table else OwnerRequired;
    /// Restore the deleted session.
    Restore, "Restore deleted session", [Owner], conditions else OwnerRequired;
    /// Make the target the owner, and the actor an admin.
    Transfer, "Transfer ownership", [Owner], conditions else OwnerRequired;
    /// Go.
    Leave, "Leave session", [Admin, Member, Viewer], conditions;
    /// Come in without being invited. Its row is empty, since it is for users who are not in the session.
    Join, "Join session", [], conditions else AlreadyParticipant;
}

impl ActionKind {
    /// The name by which a scope has the action, as `EDIT_MESSAGE`.
    #[must_use]
    pub fn name(self) -> String {
        let mut name = String::new();
        for c in self.variant().chars() {
            if c.is_ascii_uppercase() && !name.is_empty() {
                name.push('_');
            }
            name.push(c.to_ascii_uppercase());
        }
        name
    }

    /// The action of a [`name`](Self::name); `None` where no action has it.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}
