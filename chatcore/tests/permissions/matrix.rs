//! The matrix as the documents and the golden file have it.

use super::*;

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/matrix.txt");

fn standing_name(standing: Standing) -> String {
    match standing {
        Standing::Stranger => "stranger".to_owned(),
        Standing::Former(role) => format!("former {role}"),
        Standing::Active(role) => role.to_string(),
        Standing::Banned(_) => "banned".to_owned(),
    }
}

fn action_name(action: Action) -> String {
    let title = action.kind().title();
    match action {
        Action::Update { session_type: Some(session_type), .. } => format!("{title} to {session_type}"),
        Action::Update { max_participants: Some(cap), .. } => format!("{title} to a cap of {cap}"),
        Action::Invite { role } | Action::CreateInvite { role } | Action::ChangeRole { role } => {
            format!("{title}: {role}")
        }
        Action::Unmute { own: true } => format!("{title}: oneself"),
        Action::ReportMessage { own: true } | Action::ReportParticipant { own: true } => format!("{title}: oneself"),
        Action::EditMessage { own: false } | Action::ContinueMessage { own: false } => {
            format!("{title}: somebody else's")
        }
        _ => title.to_owned(),
    }
}

/// Every cell: who, in which kind of session, does what, to whom. Sessions have two in them and one seat left, unless
/// the row says otherwise.
fn matrix(table: &PermissionTable) -> String {
    let active = ParticipantRole::ALL.map(Standing::Active);
    // Which role somebody had before changes nothing, as the comparison of all combinations shows.
    let former = Standing::Former(ParticipantRole::Member);
    let actors: Vec<Standing> =
        active.into_iter().chain([Standing::Stranger, former, Standing::Banned(Term::Endless)]).collect();
    let targets: Vec<Option<Standing>> = std::iter::once(None).chain(actors.iter().copied().map(Some)).collect();
    let mut text = String::new();
    for session_type in SessionType::ALL {
        let open = SessionState {
            session_type,
            is_active: true,
            is_archived: false,
            is_restorable: false,
            participant_count: 2,
            max_participants: 3,
        };
        let _ = writeln!(text, "# {session_type}, two in it, one seat left");
        let mut header = format!("{:<36} {:<16}", "action", "target");
        for actor in &actors {
            let _ = write!(header, " {:<20}", standing_name(*actor));
        }
        let _ = writeln!(text, "{}", header.trim_end());
        let mut row =
            |name: &str, state: SessionState, target: Option<Standing>, muted: Option<Term>, action: Action| {
                let mut line = format!("{name:<36} {:<16}", target.map_or_else(|| "-".to_owned(), standing_name));
                for actor in &actors {
                    let facts = Facts { session: Some(state), actor: Some(*actor), target, muted };
                    let cell =
                        table.decide(&facts, action).map_or_else(|denial| format!("{denial:?}"), |()| "allow".into());
                    let _ = write!(line, " {cell:<20}");
                }
                let _ = writeln!(text, "{}", line.trim_end());
            };
        let update = |session_type, max_participants| Action::Update { session_type, max_participants };
        let updates = std::iter::once(update(None, None))
            .chain(SessionType::ALL.map(|session_type| update(Some(session_type), None)))
            .chain([1, 2].map(|cap| update(None, Some(cap))));
        for kind in ActionKind::ALL {
            let targets = if needs_target(kind) { &targets[..] } else { &targets[..1] };
            let mut of_kind = actions(2);
            of_kind.retain(|action| action.kind() == kind);
            let actions = if kind == ActionKind::Update { updates.clone().collect() } else { of_kind };
            for action in actions {
                for target in targets {
                    row(&action_name(action), open, *target, None, action);
                }
            }
        }
        let alone = SessionState { participant_count: 1, ..open };
        let full = SessionState { max_participants: 2, ..open };
        let deleted = SessionState { is_active: false, ..open };
        let member = ParticipantRole::Member;
        row("alone: Update session to PRIVATE", alone, None, None, update(Some(SessionType::Private), None));
        row("full: Invite users: MEMBER", full, Some(Standing::Stranger), None, Action::Invite { role: member });
        row("full: Join session", full, None, None, Action::Join);
        row("deleted: View messages", deleted, None, None, Action::View);
        row("deleted: Join session", deleted, None, None, Action::Join);
        let (archived, restorable) =
            (SessionState { is_archived: true, ..open }, SessionState { is_restorable: true, ..deleted });
        row("deleted by its owner: Restore", restorable, None, None, Action::Restore);
        for action in [Action::View, Action::Send, Action::PinMessage, Action::Leave, Action::Join, Action::Archive] {
            row(&format!("archived: {}", action_name(action)), archived, None, None, action);
        }
        let muted = Some(Term::Endless);
        for action in [Action::View, Action::Send, Action::React, Action::Leave, Action::Unmute { own: true }] {
            row(&format!("muted: {}", action_name(action)), open, None, muted, action);
        }
        text.push('\n');
    }
    text
}

#[test]
fn the_matrix_is_the_one_in_the_golden_file() {
    let matrix = matrix(&PermissionTable::default());
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::create_dir_all(Path::new(GOLDEN).parent().unwrap()).unwrap();
        std::fs::write(GOLDEN, &matrix).unwrap();
    }
    let golden = std::fs::read_to_string(GOLDEN).unwrap_or_default().replace("\r\n", "\n");
    let changed: Vec<String> = matrix
        .lines()
        .zip(golden.lines().chain(std::iter::repeat("")))
        .filter(|(now, before)| now != before)
        .map(|(now, before)| format!("-{before}\n+{now}"))
        .collect();
    assert!(
        matrix == golden,
        "somebody may now do something else than {GOLDEN} says. If that is wanted, run the tests with \
         UPDATE_GOLDEN=1 and commit the file.\n{}",
        changed.join("\n")
    );
}

#[test]
fn the_documented_matrix_is_the_default_table() {
    let document = DOCUMENT.replace("\r\n", "\n");
    let table: String = document.lines().filter(|line| line.starts_with('|')).map(|line| format!("{line}\n")).collect();
    assert_eq!(table, PermissionTable::default().to_markdown(), "bring src/permission/matrix.md up to date");
}
