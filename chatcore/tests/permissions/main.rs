//! The permission engine, compared with a plain retelling of the rules on every combination there is, and pinned by a
//! golden file.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail by panicking")]

mod matrix;

use std::{fmt::Write as _, path::Path};

use chatcore::{
    identity::SystemRole,
    model::{ParticipantRole, SessionType, Standing, Term},
    permission::{
        Action, ActionKind, AddressFacts, Denial, Facts, PermissionTable, SessionState, decide, may_see_address,
    },
};
use proptest::prelude::*;

const DOCUMENT: &str = include_str!("../../src/permission/matrix.md");

/// The rules as a person would tell them, one sentence after the other.
fn told(facts: &Facts, action: Action) -> Result<(), Denial> {
    let (Some(session), Some(actor)) = (facts.session, facts.actor) else { return Err(Denial::Hidden) };
    let is_owner = actor == Standing::Active(ParticipantRole::Owner);
    let is_admin = actor == Standing::Active(ParticipantRole::Admin);
    let is_member = actor == Standing::Active(ParticipantRole::Member);
    let is_viewer = actor == Standing::Active(ParticipantRole::Viewer);
    let is_outside = !is_owner && !is_admin && !is_member && !is_viewer;
    let is_full = session.participant_count >= session.max_participants;

    // A deleted session is gone for everybody, unless its owner deleted it and wants it back.
    if !session.is_active {
        let comes_back = is_owner && session.is_restorable && action == Action::Restore;
        return if comes_back { Ok(()) } else { Err(Denial::Hidden) };
    }
    // Who is banned knows of public sessions only, whatever code they hold.
    if matches!(actor, Standing::Banned(_)) && session.session_type != SessionType::Public {
        return Err(Denial::Hidden);
    }
    // Whoever holds a code knows of the session. The code does not open a private session, and no direct one has codes.
    if is_outside && action == Action::JoinByInvite && session.session_type == SessionType::Private {
        return Err(Denial::PrivateSession);
    }
    if is_outside && action == Action::JoinByInvite && session.session_type == SessionType::InviteOnly {
        return match (session.is_archived, is_full) {
            (true, _) => Err(Denial::Archived),
            (false, true) => Err(Denial::Full),
            (false, false) => Ok(()),
        };
    }
    // Who is outside knows of public sessions only, and can only join.
    if is_outside && session.session_type != SessionType::Public {
        return Err(Denial::Hidden);
    }
    // Who is banned is told so, whatever is tried.
    if let Standing::Banned(term) = actor {
        return Err(Denial::Banned(term));
    }
    if is_outside && action != Action::Join && action != Action::JoinByInvite {
        return Err(Denial::NotParticipant);
    }
    if is_outside && session.is_archived {
        return Err(Denial::Archived);
    }
    if is_outside && is_full {
        return Err(Denial::Full);
    }
    if is_outside {
        return Ok(());
    }
    // A private session is its owner's alone.
    if session.session_type == SessionType::Private && !is_owner {
        return Err(Denial::Hidden);
    }
    // All participants read. All but viewers write.
    if action == Action::View {
        return Ok(());
    }
    // What says something to the others is taken from viewers, and for a while from those who are muted.
    let speaks = matches!(
        action,
        Action::Send
            | Action::EditMessage { .. }
            | Action::ContinueMessage { .. }
            | Action::DeleteOwnMessage
            | Action::React
    );
    if speaks && is_viewer {
        return Err(Denial::RoleInsufficient);
    }
    // What the role would be refused in any case is refused for that. Then nothing changes in an archived session.
    let stays_open = matches!(
        action,
        Action::View
            | Action::ViewRevisions
            | Action::ManageBans
            | Action::ManageInvites
            | Action::ManageWebhooks
            | Action::ReportMessage { .. }
            | Action::ReportParticipant { .. }
            | Action::ManageReports
            | Action::ViewModerationLog
            | Action::ReviewMessages
            | Action::Delete
            | Action::Archive
            | Action::Restore
            | Action::Leave
    );
    let Standing::Active(role) = actor else { return Err(Denial::NotParticipant) };
    if session.is_archived && !stays_open && action != Action::Join && is_documented(role, action.kind()) {
        return Err(Denial::Archived);
    }
    let calls_all = action == Action::MentionEverybody && (is_owner || is_admin);
    if let Some(term) = facts.muted
        && (speaks || calls_all)
    {
        return Err(Denial::Muted(term));
    }
    if action == Action::Send {
        return Ok(());
    }
    // Authors change what they said, as long as they may still speak. Nobody edits for others.
    if let Action::EditMessage { own } | Action::ContinueMessage { own } = action {
        return if own { Ok(()) } else { Err(Denial::NotAuthor) };
    }
    if action == Action::DeleteOwnMessage {
        return Ok(());
    }
    // Those who manage the session delete what others said.
    if action == Action::DeleteMessage {
        return if is_owner || is_admin { Ok(()) } else { Err(Denial::NotModerator) };
    }
    // All at once, too, but not the owner's, unless they are the owner.
    if action == Action::DeleteMessagesOf {
        if !is_owner && !is_admin {
            return Err(Denial::NotModerator);
        }
        return match facts.target {
            None | Some(Standing::Stranger) => Err(Denial::TargetNotParticipant),
            Some(Standing::Active(role) | Standing::Former(role)) if role == ParticipantRole::Owner && !is_owner => {
                Err(Denial::OwnerProtected)
            }
            Some(_) => Ok(()),
        };
    }
    // Everybody reports, but nobody themselves, and nobody who never was there.
    if let Action::ReportMessage { own } = action {
        return if own { Err(Denial::OwnReport) } else { Ok(()) };
    }
    if let Action::ReportParticipant { own } = action {
        return match facts.target {
            _ if own => Err(Denial::OwnReport),
            None | Some(Standing::Stranger) => Err(Denial::TargetNotParticipant),
            Some(_) => Ok(()),
        };
    }
    // They also see what was said before.
    if action == Action::ViewRevisions {
        return if is_owner || is_admin { Ok(()) } else { Err(Denial::RoleInsufficient) };
    }
    // Nobody joins twice. All but the owner may leave. Only the owner deletes.
    if action == Action::Join || action == Action::JoinByInvite {
        return Err(Denial::AlreadyParticipant);
    }
    if action == Action::Leave {
        return if is_owner { Err(Denial::OwnerCannotLeave) } else { Ok(()) };
    }
    if action == Action::Delete {
        return if is_owner { Ok(()) } else { Err(Denial::OwnerRequired) };
    }
    // Only the owner puts it away and takes it back.
    if action == Action::Archive || action == Action::Restore {
        return if is_owner { Ok(()) } else { Err(Denial::OwnerRequired) };
    }
    // Only the owner gives the session away, to somebody who is in it.
    if action == Action::Transfer {
        if !is_owner {
            return Err(Denial::OwnerRequired);
        }
        return match (session.session_type, facts.target) {
            (SessionType::Private, _) => Err(Denial::PrivateSession),
            (SessionType::Direct, _) | (_, Some(Standing::Active(ParticipantRole::Owner))) => {
                Err(Denial::OwnerProtected)
            }
            (_, Some(Standing::Active(_))) => Ok(()),
            (_, _) => Err(Denial::TargetNotParticipant),
        };
    }
    // Managing the session is for owner and admins.
    let kinds = [
        ActionKind::Update,
        ActionKind::Unmute,
        ActionKind::CreateInvite,
        ActionKind::ManageInvites,
        ActionKind::ManageWebhooks,
        ActionKind::AnswerJoinRequests,
        ActionKind::SetMetadata,
        ActionKind::ReviewMessages,
    ];
    let manages = needs_target(action.kind()) || kinds.contains(&action.kind());
    if manages && (is_member || is_viewer) {
        return Err(Denial::RoleInsufficient);
    }
    // A direct session has its two users for ever, and its settings.
    let is_upon_other = needs_target(action.kind()) && action != Action::SetMetadata;
    let stays = is_upon_other || matches!(action.kind(), ActionKind::Update | ActionKind::CreateInvite);
    if session.session_type == SessionType::Direct && stays {
        return Err(Denial::RoleInsufficient);
    }
    if let Action::Update { session_type, max_participants } = action {
        if session_type == Some(SessionType::Private) && session.participant_count > 1 {
            return Err(Denial::OthersPresent);
        }
        if let Some(cap) = max_participants
            && cap < session.participant_count
        {
            return Err(Denial::CapBelowCount);
        }
        return Ok(());
    }
    // Nobody becomes an owner, however it is tried.
    let owner = ParticipantRole::Owner;
    if action == (Action::Invite { role: owner }) || action == (Action::ChangeRole { role: owner }) {
        return Err(Denial::OwnerProtected);
    }
    // A code grants what an invitation can.
    if let Action::CreateInvite { role } = action {
        if role == owner {
            return Err(Denial::OwnerProtected);
        }
        return if session.session_type == SessionType::Private { Err(Denial::PrivateSession) } else { Ok(()) };
    }
    // Inviting is for who is not in yet, and needs a place to invite into.
    if let Action::Invite { .. } = action {
        let Some(target) = facts.target else { return Err(Denial::TargetNotParticipant) };
        if target.role().is_some() {
            return Err(Denial::AlreadyParticipant);
        }
        if matches!(target, Standing::Banned(_)) {
            return Err(Denial::TargetBanned);
        }
        if session.session_type == SessionType::Private {
            return Err(Denial::PrivateSession);
        }
        return if is_full { Err(Denial::Full) } else { Ok(()) };
    }
    // Everybody but the owner can be banned, in the session or not.
    if action == Action::Ban {
        return match facts.target {
            None => Err(Denial::TargetNotParticipant),
            Some(Standing::Active(role) | Standing::Former(role)) if role == owner => Err(Denial::OwnerProtected),
            Some(_) => Ok(()),
        };
    }
    // Nobody unmutes themselves.
    if let Action::Unmute { own } = action {
        let why = facts.muted.map_or(Denial::RoleInsufficient, Denial::Muted);
        return if own { Err(why) } else { Ok(()) };
    }
    // Metadata are of whoever is in, the owner included.
    if action == Action::SetMetadata {
        let is_in = matches!(facts.target, Some(Standing::Active(_)));
        return if is_in { Ok(()) } else { Err(Denial::TargetNotParticipant) };
    }
    // Removing, muting and changing is for who is in, and never touches the owner.
    if action == Action::Remove || action == Action::Mute || matches!(action, Action::ChangeRole { .. }) {
        let Some(Standing::Active(target)) = facts.target else { return Err(Denial::TargetNotParticipant) };
        return if target == owner { Err(Denial::OwnerProtected) } else { Ok(()) };
    }
    // What is left depends on nothing but the role, as the documented matrix has it.
    let Standing::Active(role) = actor else { return Err(Denial::NotParticipant) };
    if is_documented(role, action.kind()) { Ok(()) } else { Err(Denial::RoleInsufficient) }
}

/// Whether the document says that a role may do such a thing.
fn is_documented(role: ParticipantRole, kind: ActionKind) -> bool {
    let row = format!("| {} |", kind.title());
    let mut cells = DOCUMENT.lines().find_map(|line| line.strip_prefix(&row)).unwrap().split('|');
    let column = ParticipantRole::ALL.into_iter().position(|other| other == role).unwrap();
    cells.nth(column).unwrap().trim() == "yes"
}

/// Whether the action is done to a participant.
fn needs_target(kind: ActionKind) -> bool {
    matches!(
        kind,
        ActionKind::Invite
            | ActionKind::Remove
            | ActionKind::ChangeRole
            | ActionKind::Ban
            | ActionKind::Mute
            | ActionKind::SetMetadata
            | ActionKind::DeleteMessagesOf
            | ActionKind::ReportParticipant
            | ActionKind::Transfer
    )
}

/// How somebody can stand to a session. Lists by way of a match, so that a new standing has to be thought of.
fn standings() -> Vec<Standing> {
    let example = Standing::Stranger;
    match example {
        Standing::Stranger | Standing::Former(_) | Standing::Active(_) | Standing::Banned(_) => {}
    }
    let former = ParticipantRole::ALL.map(Standing::Former);
    let active = ParticipantRole::ALL.map(Standing::Active);
    let banned = Standing::Banned(Term::Endless);
    [Standing::Stranger].into_iter().chain(former).chain(active).chain([banned]).collect()
}

fn known_or_not() -> Vec<Option<Standing>> {
    std::iter::once(None).chain(standings().into_iter().map(Some)).collect()
}

/// Every action with every particular; caps are below, at and above the head count.
fn actions(count: u32) -> Vec<Action> {
    let particulars = |kind: ActionKind| -> Vec<Action> {
        if let Some(action) = kind.plain() {
            return vec![action];
        }
        match kind {
            ActionKind::ReportMessage => [true, false].map(|own| Action::ReportMessage { own }).to_vec(),
            ActionKind::ReportParticipant => [true, false].map(|own| Action::ReportParticipant { own }).to_vec(),
            ActionKind::EditMessage => [true, false].map(|own| Action::EditMessage { own }).to_vec(),
            ActionKind::ContinueMessage => [true, false].map(|own| Action::ContinueMessage { own }).to_vec(),
            ActionKind::Update => {
                let types = std::iter::once(None).chain(SessionType::ALL.map(Some));
                let caps = [None, Some(0), Some(count - 1), Some(count), Some(count + 1), Some(u32::MAX)];
                types
                    .flat_map(|session_type| {
                        caps.map(|max_participants| Action::Update { session_type, max_participants })
                    })
                    .collect()
            }
            ActionKind::Unmute => [true, false].map(|own| Action::Unmute { own }).to_vec(),
            ActionKind::Invite => ParticipantRole::ALL.map(|role| Action::Invite { role }).to_vec(),
            ActionKind::CreateInvite => ParticipantRole::ALL.map(|role| Action::CreateInvite { role }).to_vec(),
            ActionKind::ChangeRole => ParticipantRole::ALL.map(|role| Action::ChangeRole { role }).to_vec(),
            other => panic!("{other:?} has particulars; list them"),
        }
    };
    ActionKind::ALL.into_iter().flat_map(particulars).collect()
}

fn states() -> Vec<SessionState> {
    let mut states = Vec::new();
    for session_type in SessionType::ALL {
        for is_active in [true, false] {
            for participant_count in [1, 2, 5] {
                // One seat too few, full, one seat left, many left.
                let caps = [participant_count - 1, participant_count, participant_count + 1, 1_000];
                // What was put away is so whatever the number of those in it is.
                let away = [(true, false), (false, true)].into_iter().filter(|_| participant_count == 2);
                for (is_archived, is_restorable) in std::iter::once((false, false)).chain(away) {
                    states.extend(caps.map(|max_participants| SessionState {
                        session_type,
                        is_active,
                        is_archived,
                        is_restorable,
                        participant_count,
                        max_participants,
                    }));
                }
            }
        }
    }
    states
}

#[test]
fn the_engine_decides_every_combination_as_the_rules_are_told() {
    let mut compared = 0_u32;
    for state in states() {
        for actor in known_or_not() {
            for target in known_or_not() {
                for action in actions(state.participant_count) {
                    // A mute matters only to the actor, whoever the target is.
                    let mutes = std::iter::once(None).chain(target.is_none().then_some(Some(Term::Endless)));
                    for muted in mutes {
                        let facts = Facts { session: Some(state), actor, target, muted };
                        assert_eq!(decide(&facts, action), told(&facts, action), "{action:?} with {facts:?}");
                        compared += 1;
                    }
                }
            }
        }
    }
    let actions = u32::try_from(actions(1).len()).unwrap();
    assert!(actions >= 60, "some actions are missing");
    assert_eq!(compared, 4 * 2 * (12 + 2 * 4) * 11 * (11 + 1) * actions, "some combinations are missing");
}

#[test]
fn the_default_table_decides_as_decide_does() {
    let table = PermissionTable::default();
    for state in states() {
        for actor in known_or_not() {
            for action in actions(state.participant_count) {
                let facts = Facts { session: Some(state), actor, target: Some(Standing::Stranger), muted: None };
                assert_eq!(table.decide(&facts, action), decide(&facts, action));
            }
        }
    }
}

#[test]
fn missing_facts_deny() {
    for action in actions(3) {
        assert_eq!(decide(&Facts::default(), action), Err(Denial::Hidden), "{action:?} with nothing known");
        for actor in known_or_not() {
            for target in known_or_not() {
                let facts = Facts { session: None, actor, target, muted: None };
                assert_eq!(decide(&facts, action), Err(Denial::Hidden), "{action:?} without a session");
            }
        }
        for state in states() {
            let facts = Facts { session: Some(state), actor: None, target: Some(Standing::Stranger), muted: None };
            assert_eq!(decide(&facts, action), Err(Denial::Hidden), "{action:?} by nobody knows whom");
            for actor in standings() {
                let facts = Facts { session: Some(state), actor: Some(actor), target: None, muted: None };
                assert!(
                    !needs_target(action.kind()) || decide(&facts, action).is_err(),
                    "{action:?} upon nobody by {actor:?}"
                );
            }
        }
    }
}

#[test]
fn what_the_target_is_matters_only_to_what_is_done_to_them() {
    for state in states() {
        for actor in standings() {
            let others = actions(state.participant_count).into_iter().filter(|action| !needs_target(action.kind()));
            for action in others {
                let with =
                    |target| decide(&Facts { session: Some(state), actor: Some(actor), target, muted: None }, action);
                assert!(known_or_not().into_iter().all(|target| with(target) == with(None)), "{action:?}");
            }
        }
    }
}

#[test]
fn a_hidden_session_is_hidden_whatever_is_tried() {
    for state in states() {
        let outside = [Standing::Stranger, Standing::Banned(Term::Endless)];
        for actor in outside.into_iter().chain(ParticipantRole::ALL.map(Standing::Former)) {
            let facts =
                Facts { session: Some(state), actor: Some(actor), target: Some(Standing::Stranger), muted: None };
            // The holder of a code knows of the session.
            let tried = actions(state.participant_count).into_iter();
            for action in tried.filter(|action| *action != Action::JoinByInvite || !state.is_active) {
                if state.session_type != SessionType::Public || !state.is_active {
                    assert_eq!(decide(&facts, action), Err(Denial::Hidden), "{action:?} with {facts:?}");
                }
            }
        }
    }
}

fn tables() -> impl Strategy<Value = PermissionTable> {
    let cells = ParticipantRole::ALL.len() * ActionKind::ALL.len();
    proptest::collection::vec(any::<bool>(), cells).prop_map(|cells| {
        let mut cells = cells.into_iter();
        let mut table = PermissionTable::default();
        for role in ParticipantRole::ALL {
            for kind in ActionKind::ALL {
                table = table.with(role, kind, cells.next().unwrap());
            }
        }
        table
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_table_touches_the_owner_or_opens_a_session(table in tables()) {
        for state in states() {
            for actor in standings() {
                for target in known_or_not() {
                    for action in actions(state.participant_count) {
                        let facts = Facts { session: Some(state), actor: Some(actor), target, muted: None };
                        if table.decide(&facts, action).is_err() {
                            continue;
                        }
                        let owner = ParticipantRole::Owner;
                        let upon_owner = target == Some(Standing::Active(owner));
                        let makes_owner = action == Action::Invite { role: owner }
                            || action == Action::CreateInvite { role: owner }
                            || action == Action::ChangeRole { role: owner };
                        let leaves = action == Action::Leave && actor == Standing::Active(owner);
                        // A report changes nothing for the reported user.
                        let is_own = action == Action::DeleteMessagesOf && actor == Standing::Active(owner);
                        let is_harmless = is_own || matches!(action, Action::SetMetadata | Action::ReportParticipant { .. });
                        let touches_owner = leaves || (needs_target(action.kind()) && upon_owner && !is_harmless);
                        prop_assert!(action != (Action::EditMessage { own: false }), "{actor:?} edited for somebody else");
                        prop_assert!(action != (Action::ContinueMessage { own: false }), "{actor:?} wrote for somebody else");
                        let changes_own = matches!(action, Action::EditMessage { .. } | Action::ContinueMessage { .. } | Action::DeleteOwnMessage);
                        let speaks = table.decide(&facts, Action::Send).is_ok();
                        prop_assert!(!changes_own || speaks, "{action:?} by {actor:?}, who may not send");
                        prop_assert!(action != Action::Transfer || actor == Standing::Active(owner), "{actor:?} gave a session away");
                        prop_assert!(!makes_owner, "{action:?} made a second owner: {facts:?}");
                        prop_assert!(!touches_owner, "{action:?} touched the owner: {facts:?}");
                        prop_assert!(state.is_active || action == Action::Restore, "{action:?} in a deleted session");
                        let by_invite = action == Action::JoinByInvite;
                        let joins = action == Action::Join || by_invite;
                        let outside = actor.role().is_none();
                        prop_assert!(joins == outside, "{action:?} by {actor:?}");
                        let has_code = by_invite && state.session_type == SessionType::InviteOnly;
                        prop_assert!(!outside || has_code || state.session_type == SessionType::Public);
                        let enters = joins || action.kind() == ActionKind::Invite;
                        prop_assert!(!enters || state.participant_count < state.max_participants);
                        let private = state.session_type == SessionType::Private;
                        prop_assert!(!private || (actor == Standing::Active(owner) && !enters));
                    }
                }
            }
        }
    }

    #[test]
    fn a_cell_that_is_taken_away_is_denied(
        role in proptest::sample::select(ParticipantRole::ALL.to_vec()),
        kind in proptest::sample::select(ActionKind::ALL.to_vec()),
    ) {
        let table = PermissionTable::default().with(role, kind, false);
        prop_assert!(!table.allows(role, kind));
        for state in states() {
            for target in known_or_not() {
                let facts = Facts { session: Some(state), actor: Some(Standing::Active(role)), target, muted: None };
                for action in actions(state.participant_count).into_iter().filter(|action| action.kind() == kind) {
                    prop_assert!(table.decide(&facts, action).is_err());
                }
            }
        }
    }
}

#[test]
fn every_denial_has_its_own_text_and_hides_itself_only_when_hidden() {
    let denials = [
        Denial::Hidden,
        Denial::NotParticipant,
        Denial::Banned(Term::Endless),
        Denial::Muted(Term::Endless),
        Denial::RoleInsufficient,
        Denial::NotAuthor,
        Denial::NotModerator,
        Denial::OwnReport,
        Denial::OwnerRequired,
        Denial::OwnerProtected,
        Denial::OwnerCannotLeave,
        Denial::AlreadyParticipant,
        Denial::TargetNotParticipant,
        Denial::TargetBanned,
        Denial::Archived,
        Denial::PrivateSession,
        Denial::OthersPresent,
        Denial::Full,
        Denial::CapBelowCount,
    ];
    let texts: std::collections::BTreeSet<String> = denials.iter().map(ToString::to_string).collect();
    let codes: std::collections::BTreeSet<&str> = denials.iter().map(|denial| denial.code().as_str()).collect();
    assert_eq!((texts.len(), codes.len()), (denials.len(), denials.len()));
    assert_eq!((Denial::Hidden.code().as_str(), Denial::Hidden.code().status()), ("SESSION_NOT_FOUND", 404));
}

#[test]
fn an_address_is_for_its_user_for_the_system_and_for_managers_of_who_is_engaged() {
    let roles = ParticipantRole::ALL.into_iter();
    let standings: Vec<Standing> =
        roles.flat_map(|role| [Standing::Active(role), Standing::Former(role)]).chain([Standing::Stranger]).collect();
    let mut seen = 0;
    for reader in standings {
        for system_role in [SystemRole::User, SystemRole::Admin] {
            for (is_own, is_engaged) in [(false, false), (false, true), (true, false), (true, true)] {
                let manages = [ParticipantRole::Owner, ParticipantRole::Admin].map(Standing::Active).contains(&reader);
                let expected = is_own || system_role == SystemRole::Admin || (manages && is_engaged);
                let facts = AddressFacts { system_role, reader, is_own, is_engaged };
                assert_eq!(may_see_address(&facts), expected, "{facts:?}");
                seen += usize::from(expected);
            }
        }
    }
    // Of 9 readers: the system sees 4 cases each, a user the 2 own ones, and each of 2 managers one more.
    assert_eq!(seen, 9 * 4 + 9 * 2 + 2);
}
