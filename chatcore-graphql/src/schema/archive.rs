//! Archived and deleted sessions.

use std::sync::Arc;

use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};

use super::{
    Fallible as _, Use,
    connection::{List, SessionConnection, listed},
    scalar::session_id,
    session::Session,
};

/// A session to archive.
#[derive(InputObject)]
struct ArchiveSessionInput {
    /// The session.
    session_id: ID,
}

/// A session to take out of the archive.
#[derive(InputObject)]
struct UnarchiveSessionInput {
    /// The session.
    session_id: ID,
}

/// A deleted session to restore.
#[derive(InputObject)]
struct RestoreSessionInput {
    /// The session.
    session_id: ID,
}

/// The session that is archived.
#[derive(SimpleObject)]
struct ArchiveSessionPayload {
    /// The id of the session.
    session_id: ID,
}

/// The session that is not archived.
#[derive(SimpleObject)]
struct UnarchiveSessionPayload {
    /// The id of the session.
    session_id: ID,
}

/// The session that is restored.
#[derive(SimpleObject)]
struct RestoreSessionPayload {
    /// The id of the session.
    session_id: ID,
}

/// Mutations of archived and deleted sessions.
#[derive(Default)]
pub(super) struct ArchiveMutation;

/// Mutations of archived and deleted sessions.
#[Object]
impl ArchiveMutation {
    /// Archive a session. For its owner. Users can read, leave and delete an archived session, and nothing in the session changes. A
    /// repeated call changes nothing.
    async fn archive_session(
        &self,
        context: &Context<'_>,
        input: ArchiveSessionInput,
    ) -> Result<Option<ArchiveSessionPayload>> {
        let call = Use::of(context)?;
        let id = session_id(&input.session_id).or_field_error()?;
        call.chat.archive_session(call.principal, id).await.or_field_error()?;
        Ok(Some(ArchiveSessionPayload { session_id: input.session_id }))
    }

    /// Unarchive a session. For its owner. For a session that is not archived, nothing changes.
    async fn unarchive_session(
        &self,
        context: &Context<'_>,
        input: UnarchiveSessionInput,
    ) -> Result<Option<UnarchiveSessionPayload>> {
        let call = Use::of(context)?;
        let id = session_id(&input.session_id).or_field_error()?;
        call.chat.unarchive_session(call.principal, id).await.or_field_error()?;
        Ok(Some(UnarchiveSessionPayload { session_id: input.session_id }))
    }

    /// Restore a deleted session with all its contents. For its owner, if the owner deleted the session, for 30 days by default. A repeated
    /// call changes nothing.
    async fn restore_session(
        &self,
        context: &Context<'_>,
        input: RestoreSessionInput,
    ) -> Result<Option<RestoreSessionPayload>> {
        let call = Use::of(context)?;
        let id = session_id(&input.session_id).or_field_error()?;
        call.chat.restore_session(call.principal, id).await.or_field_error()?;
        Ok(Some(RestoreSessionPayload { session_id: input.session_id }))
    }
}

/// Queries of archived and deleted sessions.
#[derive(Default)]
pub(super) struct ArchiveQuery;

/// Queries of archived and deleted sessions.
#[Object]
impl ArchiveQuery {
    /// The caller's deleted sessions that the caller may restore, newest first. At most 100 at a time, 50 by default. A page reads at most
    /// 2,000 of the caller's sessions, so a page can have fewer entries than requested.
    #[graphql(complexity = "listed(first, None, child_complexity)")]
    async fn deleted_sessions(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The maximum number of entries.")] first: Option<i32>,
        #[graphql(desc = "The cursor of the entry after which to begin.")] after: Option<String>,
    ) -> Result<Option<SessionConnection>> {
        let call = Use::of(context)?;
        let list = List::deleted_sessions();
        let page = list.page(first, after.as_deref()).or_field_error()?;
        let found = call.chat.deleted_sessions(call.principal, page).await.or_field_error()?;
        let loads = call.loads();
        let node = |summary| Session::listed(summary, Arc::clone(&loads));
        Ok(Some(list.of_sessions(&page, found, node)))
    }
}
