//! The decision.

use chrono::SecondsFormat;

use super::{Action, ActionKind, Facts, PermissionTable, SessionState, action::Condition, table};
use crate::model::{ParticipantRole, SessionType, Standing, Term};

/// The result of [`decide`].
pub type Decision = Result<(), Denial>;

/// The reason of a denial. [`Denial::Hidden`] hides the existence of the session, all other reasons reveal the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Denial {
    /// There is no such session, or the session is hidden from the caller.
    #[error("there is no such session")]
    Hidden,
    /// The caller is not in the session, and the session is visible to the caller.
    #[error("you are not a participant of this session; join it first")]
    NotParticipant,
    /// The caller is banned from the session, and the session is visible to the caller.
    #[error("you are banned from this session{}", until(.0))]
    Banned(Term),
    /// The caller is muted.
    #[error("you are muted in this session{}", until(.0))]
    Muted(Term),
    /// The caller's role does not allow the action.
    #[error("your role in this session does not allow this")]
    RoleInsufficient,
    /// The message has another author, and only the author may edit a message.
    #[error("only the author of a message may edit the message")]
    NotAuthor,
    /// The message has another author, and the caller does not moderate the session.
    #[error("only the author of a message and users who manage the session may delete the message")]
    NotModerator,
    /// The caller wants to report themselves.
    #[error("nobody can report themselves")]
    OwnReport,
    /// Only the owner may perform the action.
    #[error("only the owner of this session may do this")]
    OwnerRequired,
    /// The action would make a second owner, or change or remove the owner.
    #[error("only a transfer makes another user the owner, and the owner can be neither changed nor removed")]
    OwnerProtected,
    /// The owner wants to leave.
    #[error("the owner cannot leave the session; transfer or delete it instead")]
    OwnerCannotLeave,
    /// The user is in the session already.
    #[error("already a participant of this session")]
    AlreadyParticipant,
    /// The target user is not in the session.
    #[error("that user is not a participant of this session")]
    TargetNotParticipant,
    /// The target user is banned from the session.
    #[error("that user is banned from this session; lift the ban first")]
    TargetBanned,
    /// The session is archived.
    #[error("the session is archived; the owner can unarchive the session")]
    Archived,
    /// The session is private, so only its owner may be in it.
    #[error("the session is private: only its owner may be in it; change its type first")]
    PrivateSession,
    /// The change would make the session private, and other users are in the session.
    #[error("others are in the session; remove them before making it private")]
    OthersPresent,
    /// The session is full.
    #[error("the session is full")]
    Full,
    /// The cap would be below the head count.
    #[error("more people are in the session than the new max_participants allows")]
    CapBelowCount,
}

/// The end of a ban or a mute, as a part of a sentence.
fn until(term: &Term) -> String {
    term.end().map_or_else(String::new, |end| format!(" until {}", end.to_rfc3339_opts(SecondsFormat::Secs, true)))
}

/// Decides by the default table whether an action is allowed. The function is pure and total, and does not allocate.
///
/// # Errors
/// The [`Denial`] with the reason.
#[inline]
pub fn decide(facts: &Facts, action: Action) -> Decision {
    decide_with(&table::DEFAULT, facts, action)
}

pub(super) fn decide_with(table: &PermissionTable, facts: &Facts, action: Action) -> Decision {
    let (Some(session), Some(actor)) = (facts.session, facts.actor) else { return Err(Denial::Hidden) };
    if !session.is_active {
        let is_owner = actor == Standing::Active(ParticipantRole::Owner);
        let restores = action == Action::Restore && table.allows(ParticipantRole::Owner, ActionKind::Restore);
        return if is_owner && restores && session.is_restorable { Ok(()) } else { Err(Denial::Hidden) };
    }
    match actor {
        Standing::Active(role) => decide_participant(table, &session, facts, role, action),
        Standing::Banned(term) => decide_banned(&session, term),
        Standing::Stranger | Standing::Former(_) => decide_outsider(&session, action),
    }
}

/// Who is banned can do nothing, and learns why only where the session may be known of.
const fn decide_banned(session: &SessionState, term: Term) -> Decision {
    match session.session_type {
        SessionType::Private | SessionType::InviteOnly | SessionType::Direct => Err(Denial::Hidden),
        SessionType::Public => Err(Denial::Banned(term)),
    }
}

/// Who is not in the session can join a public one, and any one that is not private by an invite. Of the others they cannot know.
fn decide_outsider(session: &SessionState, action: Action) -> Decision {
    match session.session_type {
        // The holder of the code knows of the session.
        SessionType::Private if action == Action::JoinByInvite => Err(Denial::PrivateSession),
        SessionType::InviteOnly if action == Action::JoinByInvite && session.is_archived => Err(Denial::Archived),
        SessionType::InviteOnly if action == Action::JoinByInvite => seat_left(session),
        SessionType::Private | SessionType::InviteOnly | SessionType::Direct => Err(Denial::Hidden),
        SessionType::Public => match action.condition() {
            Condition::Join {} | Condition::JoinByInvite {} if session.is_archived => Err(Denial::Archived),
            Condition::Join {} | Condition::JoinByInvite {} => seat_left(session),
            Condition::Table
            | Condition::EditMessage { .. }
            | Condition::ContinueMessage { .. }
            | Condition::DeleteOwnMessage {}
            | Condition::DeleteMessagesOf {}
            | Condition::ReportMessage { .. }
            | Condition::ReportParticipant { .. }
            | Condition::Update { .. }
            | Condition::Invite { .. }
            | Condition::CreateInvite { .. }
            | Condition::Remove {}
            | Condition::ChangeRole { .. }
            | Condition::Ban {}
            | Condition::Mute {}
            | Condition::Unmute { .. }
            | Condition::SetMetadata {}
            | Condition::Transfer {}
            | Condition::Restore {}
            | Condition::Leave {} => Err(Denial::NotParticipant),
        },
    }
}

fn decide_participant(
    table: &PermissionTable,
    session: &SessionState,
    facts: &Facts,
    role: ParticipantRole,
    action: Action,
) -> Decision {
    let Facts { session: _, actor: _, target, muted } = *facts;
    // INVARIANT: only the owner is in a private session. Should the data ever say otherwise, the others see nothing.
    if session.session_type == SessionType::Private && role != ParticipantRole::Owner {
        return Err(Denial::Hidden);
    }
    if !table.allows(role, action.kind()) {
        let is_leaving_owner = role == ParticipantRole::Owner && action == Action::Leave;
        return Err(if is_leaving_owner { Denial::OwnerCannotLeave } else { action.kind().refusal() });
    }
    if session.is_archived && changes(action.kind()) {
        return Err(Denial::Archived);
    }
    if let Some(term) = muted.filter(|_| speaks(action.kind())) {
        return Err(Denial::Muted(term));
    }
    match action.condition() {
        Condition::Table => Ok(()),
        // An author who may no longer speak changes nothing that was said.
        Condition::EditMessage { .. } | Condition::ContinueMessage { .. } | Condition::DeleteOwnMessage {}
            if !table.allows(role, ActionKind::Send) =>
        {
            Err(Denial::RoleInsufficient)
        }
        Condition::EditMessage { own: false } | Condition::ContinueMessage { own: false } => Err(Denial::NotAuthor),
        Condition::EditMessage { own: true }
        | Condition::ContinueMessage { own: true }
        | Condition::DeleteOwnMessage {} => Ok(()),
        Condition::ReportMessage { own: true } | Condition::ReportParticipant { own: true } => Err(Denial::OwnReport),
        Condition::ReportMessage { own: false } => Ok(()),
        Condition::ReportParticipant { own: false } => was_there(target),
        // Of the owner's messages only the owner deletes all.
        Condition::DeleteMessagesOf {} => match target {
            Some(Standing::Active(ParticipantRole::Owner) | Standing::Former(ParticipantRole::Owner))
                if role != ParticipantRole::Owner =>
            {
                Err(Denial::OwnerProtected)
            }
            target => was_there(target),
        },
        Condition::Leave {} if role == ParticipantRole::Owner => Err(Denial::OwnerCannotLeave),
        Condition::Leave {} => Ok(()),
        Condition::Join {} | Condition::JoinByInvite {} => Err(Denial::AlreadyParticipant),
        // Two users have a direct session. Nobody else comes in, neither is put out, and both are members.
        Condition::Update { .. }
        | Condition::Invite { .. }
        | Condition::CreateInvite { .. }
        | Condition::Remove {}
        | Condition::ChangeRole { .. }
        | Condition::Ban {}
        | Condition::Mute {}
            if session.session_type == SessionType::Direct =>
        {
            Err(Denial::RoleInsufficient)
        }
        Condition::Update { session_type, max_participants } => decide_update(session, session_type, max_participants),
        Condition::Invite { role } => decide_invite(session, target, role),
        Condition::CreateInvite { role } => decide_admissible(session, role),
        Condition::Remove {} => protect_owner(target),
        Condition::ChangeRole { role: ParticipantRole::Owner } => Err(Denial::OwnerProtected),
        Condition::ChangeRole { role: ParticipantRole::Admin | ParticipantRole::Member | ParticipantRole::Viewer } => {
            protect_owner(target)
        }
        Condition::Ban {} => match target {
            Some(Standing::Active(_)) => protect_owner(target),
            // An owner who was taken out with the account comes back as the owner.
            Some(Standing::Former(ParticipantRole::Owner)) => Err(Denial::OwnerProtected),
            Some(Standing::Former(_) | Standing::Stranger | Standing::Banned(_)) => Ok(()),
            None => Err(Denial::TargetNotParticipant),
        },
        Condition::Mute {} => protect_owner(target),
        // Otherwise no mute would hold an admin.
        Condition::Unmute { own: true } => Err(muted.map_or(Denial::RoleInsufficient, Denial::Muted)),
        Condition::Unmute { own: false } => Ok(()),
        // The owner's, too: metadata give no right.
        Condition::SetMetadata {} => match target {
            Some(Standing::Active(_)) => Ok(()),
            Some(Standing::Former(_) | Standing::Stranger | Standing::Banned(_)) | None => {
                Err(Denial::TargetNotParticipant)
            }
        },
        Condition::Transfer {} if role != ParticipantRole::Owner => Err(Denial::OwnerRequired),
        Condition::Transfer {} => decide_transfer(session, target),
        // It is there already.
        Condition::Restore {} => Ok(()),
    }
}

/// Whether an action changes the session or something in it. An archived session refuses these, whatever the table says.
const fn changes(kind: ActionKind) -> bool {
    match kind {
        ActionKind::View
        | ActionKind::ViewRevisions
        | ActionKind::ManageBans
        | ActionKind::ManageInvites
        | ActionKind::ManageWebhooks
        // Reports stand beside the session.
        | ActionKind::ReportMessage
        | ActionKind::ReportParticipant
        | ActionKind::ManageReports
        | ActionKind::ViewModerationLog
        // An approved message is sent with the author's right to send.
        | ActionKind::ReviewMessages
        | ActionKind::Delete
        | ActionKind::Archive
        | ActionKind::Restore
        | ActionKind::Leave => false,
        ActionKind::Send
        | ActionKind::MentionEverybody
        | ActionKind::EditMessage
        | ActionKind::ContinueMessage
        | ActionKind::DeleteOwnMessage
        | ActionKind::DeleteMessage
        | ActionKind::DeleteMessagesOf
        | ActionKind::PinMessage
        | ActionKind::React
        | ActionKind::ManageEmojis
        | ActionKind::Update
        | ActionKind::Invite
        | ActionKind::CreateInvite
        | ActionKind::AnswerJoinRequests
        | ActionKind::Remove
        | ActionKind::ChangeRole
        | ActionKind::Ban
        | ActionKind::Mute
        | ActionKind::Unmute
        | ActionKind::SetOwnMetadata
        | ActionKind::SetMetadata
        | ActionKind::Transfer
        | ActionKind::Join
        | ActionKind::JoinByInvite => true,
    }
}

/// Whether an action says something to the others. A mute takes these away, whatever the table says.
const fn speaks(kind: ActionKind) -> bool {
    match kind {
        ActionKind::Send
        | ActionKind::MentionEverybody
        | ActionKind::EditMessage
        | ActionKind::ContinueMessage
        | ActionKind::DeleteOwnMessage
        | ActionKind::React => true,
        ActionKind::View
        | ActionKind::DeleteMessage
        | ActionKind::DeleteMessagesOf
        | ActionKind::ReviewMessages
        // A muted participant may still report.
        | ActionKind::ReportMessage
        | ActionKind::ReportParticipant
        | ActionKind::ManageReports
        | ActionKind::ViewModerationLog
        | ActionKind::ViewRevisions
        | ActionKind::PinMessage
        | ActionKind::ManageEmojis
        | ActionKind::Update
        | ActionKind::Delete
        | ActionKind::Invite
        | ActionKind::CreateInvite
        | ActionKind::ManageInvites
        | ActionKind::ManageWebhooks
        | ActionKind::AnswerJoinRequests
        | ActionKind::Remove
        | ActionKind::ChangeRole
        | ActionKind::Ban
        | ActionKind::ManageBans
        | ActionKind::Mute
        | ActionKind::Unmute
        | ActionKind::SetOwnMetadata
        | ActionKind::SetMetadata
        | ActionKind::Archive
        | ActionKind::Restore
        | ActionKind::Transfer
        | ActionKind::Leave
        | ActionKind::Join
        | ActionKind::JoinByInvite => false,
    }
}

/// A user who never was in the session has no message there and cannot be reported.
const fn was_there(target: Option<Standing>) -> Decision {
    match target {
        Some(Standing::Active(_) | Standing::Former(_) | Standing::Banned(_)) => Ok(()),
        Some(Standing::Stranger) | None => Err(Denial::TargetNotParticipant),
    }
}

/// Anybody who is in the session can become its owner, also a viewer: the owner could change the role first.
const fn decide_transfer(session: &SessionState, target: Option<Standing>) -> Decision {
    match session.session_type {
        SessionType::Private => return Err(Denial::PrivateSession),
        SessionType::Direct => return Err(Denial::OwnerProtected),
        SessionType::Public | SessionType::InviteOnly => {}
    }
    protect_owner(target)
}

fn decide_update(session: &SessionState, session_type: Option<SessionType>, cap: Option<u32>) -> Decision {
    if session_type == Some(SessionType::Private) && session.participant_count > 1 {
        return Err(Denial::OthersPresent);
    }
    if cap.is_some_and(|cap| cap < session.participant_count) {
        return Err(Denial::CapBelowCount);
    }
    Ok(())
}

/// Whether users may be brought into the session with this role at all.
fn decide_admissible(session: &SessionState, role: ParticipantRole) -> Decision {
    if role == ParticipantRole::Owner {
        return Err(Denial::OwnerProtected);
    }
    if session.session_type == SessionType::Private { Err(Denial::PrivateSession) } else { Ok(()) }
}

fn decide_invite(session: &SessionState, target: Option<Standing>, role: ParticipantRole) -> Decision {
    if role == ParticipantRole::Owner {
        return Err(Denial::OwnerProtected);
    }
    match target {
        None => return Err(Denial::TargetNotParticipant),
        Some(Standing::Active(_)) => return Err(Denial::AlreadyParticipant),
        Some(Standing::Banned(_)) => return Err(Denial::TargetBanned),
        Some(Standing::Stranger | Standing::Former(_)) => {}
    }
    if session.session_type == SessionType::Private {
        return Err(Denial::PrivateSession);
    }
    seat_left(session)
}

/// A removal and a change of a role need a target who is in the session and is not the owner.
const fn protect_owner(target: Option<Standing>) -> Decision {
    match target {
        Some(Standing::Active(ParticipantRole::Owner)) => Err(Denial::OwnerProtected),
        Some(Standing::Active(ParticipantRole::Admin | ParticipantRole::Member | ParticipantRole::Viewer)) => Ok(()),
        Some(Standing::Former(_) | Standing::Stranger | Standing::Banned(_)) | None => {
            Err(Denial::TargetNotParticipant)
        }
    }
}

fn seat_left(session: &SessionState) -> Decision {
    if session.participant_count < session.max_participants { Ok(()) } else { Err(Denial::Full) }
}
