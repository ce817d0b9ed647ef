//! The scope of the caller's token. It is asked where the core asks the host's policy: after the permission table has allowed an attempt, so it
//! tells nothing of sessions that the caller may not know of.

use super::policy::Operation;
use crate::{
    chat::Chat,
    error::{Error, Result},
    identity::{Principal, Scope},
    limits::Uses,
    model::SessionId,
    permission::{Action, ActionKind},
};

/// The scope of a caller; `None` where it forbids nothing.
fn restricting(principal: &Principal) -> Option<&Scope> {
    principal.scope.as_deref().filter(|scope| scope.is_restricted())
}

/// Whether the caller has a scope that forbids something.
pub(in crate::chat) fn is_scoped(principal: &Principal) -> bool {
    restricting(principal).is_some()
}

/// Whether the scope of the caller lets the caller see a session.
pub(in crate::chat) fn sees(principal: &Principal, session: SessionId) -> bool {
    restricting(principal).is_none_or(|scope| scope.allows(session, ActionKind::View))
}

/// Refuses a session that is not in the caller's scope, before anything in the session is looked for.
pub(in crate::chat) fn reaches(principal: &Principal, session: SessionId) -> Result<()> {
    let is_within = restricting(principal).is_none_or(|scope| scope.has(session));
    if is_within { Ok(()) } else { Err(Error::OutOfScope) }
}

/// Refuses an action that is not in the caller's scope.
pub(in crate::chat) fn may(principal: &Principal, session: SessionId, action: Action) -> Result<()> {
    let is_within = restricting(principal).is_none_or(|scope| scope.allows(session, action.kind()));
    if is_within { Ok(()) } else { Err(Error::OutOfScope) }
}

/// Refuses an operation that is not in the caller's scope.
pub(in crate::chat) fn within(principal: &Principal, operation: &Operation<'_>) -> Result<()> {
    match operation {
        Operation::InSession { session, action, .. } => may(principal, session.id, *action),
        // Their answers leave out what is not in the scope. A caller may always know who the caller is, and a socket begins with that.
        Operation::ListSessions | Operation::ListMentions | Operation::FollowSessions | Operation::ReadOwnProfile => {
            Ok(())
        }
        Operation::CreateSession(_)
        | Operation::ListPublicSessions
        | Operation::ManageBlocks
        | Operation::ManageBots
        | Operation::SetCommands
        | Operation::ListOwnJoinRequests
        | Operation::SeePresence
        | Operation::SetPresence
        | Operation::ManageSettings
        | Operation::Administer => unscoped(principal),
    }
}

fn unscoped(principal: &Principal) -> Result<()> {
    if is_scoped(principal) { Err(Error::OutOfScope) } else { Ok(()) }
}

impl Chat {
    /// The beginning of a use case that no scope allows, such as those about the caller's own data, of which no policy is asked:
    /// [`enter`](Self::enter), without a scope.
    ///
    /// # Errors
    /// [`OutOfScope`](Error::OutOfScope) for a caller with a scope; those of [`enter`](Self::enter).
    pub(crate) async fn enter_unscoped(&self, principal: &Principal, uses: impl Into<Uses>) -> Result<()> {
        self.enter(principal, uses).await?;
        unscoped(principal)
    }
}
