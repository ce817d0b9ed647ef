//! A session as the plain model has it.

use super::*;

/// What a session is, in the simplest terms.
#[derive(Debug, Clone)]
pub(super) struct Modelled {
    pub(super) title: String,
    pub(super) session_type: SessionType,
    pub(super) cap: u32,
    pub(super) is_deleted: bool,
    pub(super) is_archived: bool,
    /// Who is in it, with their roles.
    pub(super) inside: BTreeMap<usize, ParticipantRole>,
    /// Who was in it and is not now, with what they were.
    pub(super) outside: BTreeMap<usize, ParticipantRole>,
    pub(super) banned: BTreeSet<usize>,
    pub(super) muted: BTreeSet<usize>,
    /// In the order in which they came.
    pub(super) order: Vec<usize>,
    pub(super) messages: Vec<(usize, String)>,
    pub(super) events: Seq,
}

impl Modelled {
    fn is_full(&self) -> bool {
        self.inside.len() >= self.cap as usize
    }

    /// What keeps somebody from doing something; the rules in words are in `permissions.rs`.
    pub(super) fn verdict(&self, who: usize, step: &Step) -> Result<(), Denial> {
        let role = self.inside.get(&who).copied();
        if self.is_deleted && matches!(step, Step::Restore) && role == Some(ParticipantRole::Owner) {
            return Ok(());
        }
        let knows = role.is_some() || self.session_type == SessionType::Public;
        if self.is_deleted || !knows {
            return Err(Denial::Hidden);
        }
        if self.banned.contains(&who) {
            return Err(Denial::Banned(Term::Endless));
        }
        let Some(role) = role else {
            return match step {
                Step::Join if self.is_archived => Err(Denial::Archived),
                Step::Join if self.is_full() => Err(Denial::Full),
                Step::Join => Ok(()),
                _ => Err(Denial::NotParticipant),
            };
        };
        let is_owner = role == ParticipantRole::Owner;
        let allowed = match step {
            Step::Send { .. } => role > ParticipantRole::Viewer,
            Step::Transfer { .. } => is_owner,
            Step::Create { .. }
            | Step::Delete
            | Step::Archive { .. }
            | Step::Restore
            | Step::Join
            | Step::Leave
            // The table alone decides who lifts bans.
            | Step::Unban { .. } => false,
            _ => role >= ParticipantRole::Admin,
        };
        if self.is_archived && allowed {
            return Err(Denial::Archived);
        }
        let manages = is_owner || role == ParticipantRole::Admin;
        let owner = ParticipantRole::Owner;
        match step {
            Step::Join => Err(Denial::AlreadyParticipant),
            Step::Leave if is_owner => Err(Denial::OwnerCannotLeave),
            Step::Create { .. } | Step::Leave => Ok(()),
            Step::Send { .. } if role == ParticipantRole::Viewer => Err(Denial::RoleInsufficient),
            Step::Send { .. } if self.muted.contains(&who) => Err(Denial::Muted(Term::Endless)),
            Step::Send { .. } => Ok(()),
            Step::Transfer { .. } if !is_owner => Err(Denial::OwnerRequired),
            Step::Transfer { .. } if self.session_type == SessionType::Private => Err(Denial::PrivateSession),
            Step::Delete | Step::Archive { .. } | Step::Restore if is_owner => Ok(()),
            Step::Delete | Step::Archive { .. } | Step::Restore => Err(Denial::OwnerRequired),
            _ if !manages => Err(Denial::RoleInsufficient),
            Step::Retype { session_type: SessionType::Private } if self.inside.len() > 1 => Err(Denial::OthersPresent),
            Step::Recap { cap } if (*cap as usize) < self.inside.len() => Err(Denial::CapBelowCount),
            Step::Retype { .. } | Step::Recap { .. } | Step::Retitle { .. } => Ok(()),
            Step::Add { role, .. } | Step::ChangeRole { role, .. } if *role == owner => Err(Denial::OwnerProtected),
            Step::Add { whom, .. } if self.inside.contains_key(whom) => Err(Denial::AlreadyParticipant),
            Step::Add { whom, .. } if self.banned.contains(whom) => Err(Denial::TargetBanned),
            Step::Add { .. } if self.session_type == SessionType::Private => Err(Denial::PrivateSession),
            Step::Add { .. } if self.is_full() => Err(Denial::Full),
            Step::Add { .. } => Ok(()),
            Step::Ban { whom } if self.inside.get(whom) == Some(&owner) => Err(Denial::OwnerProtected),
            Step::Unmute { whom } if *whom == who && self.muted.contains(&who) => Err(Denial::Muted(Term::Endless)),
            Step::Unmute { whom } if *whom == who => Err(Denial::RoleInsufficient),
            Step::Ban { .. } | Step::Unban { .. } | Step::Unmute { .. } => Ok(()),
            Step::Remove { whom } | Step::ChangeRole { whom, .. } | Step::Mute { whom } | Step::Transfer { whom } => {
                match self.inside.get(whom) {
                    None => Err(Denial::TargetNotParticipant),
                    Some(ParticipantRole::Owner) => Err(Denial::OwnerProtected),
                    Some(_) => Ok(()),
                }
            }
        }
    }

    /// What an allowed use case makes of it.
    pub(super) fn apply(&mut self, who: usize, step: &Step) {
        let before = self.clone();
        match step {
            Step::Create { .. } => {}
            Step::Retitle { title } => self.title = title.to_string(),
            Step::Retype { session_type } => self.session_type = *session_type,
            Step::Recap { cap } => self.cap = *cap,
            Step::Delete => self.is_deleted = true,
            Step::Archive { is_archived } => self.is_archived = *is_archived,
            Step::Restore => self.is_deleted = false,
            Step::Join => {
                let last = self.outside.remove(&who).unwrap_or(ParticipantRole::Member);
                self.inside.insert(who, last.min(ParticipantRole::Member));
                self.order.push(who);
            }
            Step::Add { whom, role } => {
                self.outside.remove(whom);
                self.inside.insert(*whom, *role);
                self.order.push(*whom);
            }
            Step::Leave => self.dismiss(who),
            Step::Remove { whom } => self.dismiss(*whom),
            Step::ChangeRole { whom, role } => {
                self.inside.insert(*whom, *role);
            }
            Step::Ban { whom } => {
                if self.inside.contains_key(whom) {
                    self.dismiss(*whom);
                }
                self.banned.insert(*whom);
            }
            Step::Unban { whom } => {
                self.banned.remove(whom);
            }
            Step::Mute { whom } => {
                self.muted.insert(*whom);
            }
            Step::Unmute { whom } => {
                self.muted.remove(whom);
            }
            Step::Transfer { whom } => {
                self.inside.insert(who, ParticipantRole::Admin);
                self.inside.insert(*whom, ParticipantRole::Owner);
                self.muted.remove(whom);
            }
            Step::Send { text } => self.messages.push((who, text.to_string())),
        }
        let changed = (&self.title, self.session_type, self.cap, self.is_deleted, &self.inside, self.messages.len())
            != (
                &before.title,
                before.session_type,
                before.cap,
                before.is_deleted,
                &before.inside,
                before.messages.len(),
            );
        let changed = changed
            || self.is_archived != before.is_archived
            || (&self.banned, &self.muted) != (&before.banned, &before.muted);
        self.events += u64::from(changed);
    }

    fn dismiss(&mut self, whom: usize) {
        let role = self.inside.remove(&whom).unwrap();
        self.outside.insert(whom, role);
        self.order.retain(|one| *one != whom);
    }
}
