//! Operations about sessions.

use chatcore::{
    chat::{FindPublicSessions, FindSessions, FoundSessions},
    model::{SessionDetails, SessionSummary},
    wire::{Confirmation, CreateSession, Joined, UpdateSession},
};
use poem::Request;
use poem_openapi::{
    OpenApi,
    param::{Header, Path, Query},
};

use super::{Api, Group, Links, idempotency_key, listed, no_idempotency_key, page};
use crate::{
    extract::{Bodyless, Caller, NoBody, PublicParam, PublicSortParam, SessionParam, SortParam, StrictJson},
    reply::{Answer, Body, Conflict, Done, Gone, OfSession, Paged, Params, Reply},
};

pub(crate) struct Sessions(pub(super) Api);

#[OpenApi(tag = "Group::Sessions")]
impl Sessions {
    /// Create a session
    ///
    /// The caller becomes the owner and first participant. A retry with the same client id and body returns the current state of the same
    /// session.
    #[oai(path = "/sessions", method = "post", operation_id = "createSession")]
    async fn create(
        &self,
        request: &Request,
        caller: Caller,
        /// The client id, where the body has none.
        #[oai(name = "Idempotency-Key")]
        _idempotency_key: Header<Option<String>>,
        body: StrictJson<CreateSession>,
    ) -> Answer<Reply<SessionDetails, 201>, (Body, Gone, Conflict)> {
        let (chat, (new, client_id)) = (&self.0.chat, body.0.command(idempotency_key(request)?)?);
        Ok(Reply::new(match client_id {
            Some(client_id) => chat.create_session_once(&caller.0, &client_id, new).await?,
            None => chat.create_session(&caller.0, new).await?,
        }))
    }

    /// List the caller's sessions
    ///
    /// The sessions in which the caller is, newest first, each with its last message and the number of unread messages. The header `Link`
    /// names the next page, which begins after the last session of this page: the pages miss and repeat no session while the list changes.
    /// In the order `activity`, the next page begins at the current place of that session, and the caller may be in at most 1,000 sessions.
    /// `archived=true` shows only the archived sessions.
    ///
    /// A page in the order `newest` reads at most 2,000 sessions, so a page of a search or of archived sessions can have fewer entries than
    /// requested. The list continues while the header `Link` names a next page. A `skip` beyond these sessions is refused. A search takes no
    /// `skip`.
    #[oai(path = "/sessions", method = "get", operation_id = "listSessions")]
    #[expect(clippy::too_many_arguments, reason = "one for each parameter of the request")]
    async fn list(
        &self,
        request: &Request,
        caller: Caller,
        /// Whether to list the archived sessions; `false` where not given.
        archived: Query<Option<bool>>,
        /// The id of the session after which to begin, even if the entry is no longer in the list.
        after: Query<Option<SessionParam>>,
        /// Number of entries to skip where `after` is not given; 0 where not given.
        skip: Query<Option<i64>>,
        /// Maximum number of entries: 1 to 100; 50 where not given.
        limit: Query<Option<i64>>,
        /// Words, together 1 to 100 characters. Each word is a part of the title, or in a direct session of the other user's name or user name.
        /// The case of letters makes no difference.
        search: Query<Option<String>>,
        /// The order: `newest` where not given, or `activity` for the session with the latest event first.
        sort: Query<Option<SortParam>>,
    ) -> Answer<Paged<Vec<SessionSummary>>, Params> {
        let page = page(after.0.map(|SessionParam(id)| id), skip.0, limit.0)?;
        let order = sort.0.map(|SortParam(order)| order).unwrap_or_default();
        let wanted = FindSessions { search: search.0, order, archived: archived.0.unwrap_or(false) };
        Ok(listed(self.0.chat.find_sessions(&caller.0, &wanted, page).await?, request))
    }

    /// List the deleted sessions that the caller may restore
    ///
    /// The caller's own sessions that the caller deleted, newest first, for 30 days by default. A page reads at most 2,000 of the caller's
    /// sessions, so a page can have fewer entries than requested. The list continues while the header `Link` names a next page. A `skip` beyond
    /// these sessions is refused.
    #[oai(path = "/sessions/deleted", method = "get", operation_id = "listDeletedSessions")]
    async fn deleted(
        &self,
        request: &Request,
        caller: Caller,
        /// The id of the session after which to begin, even if the entry is no longer in the list.
        after: Query<Option<SessionParam>>,
        /// Number of entries to skip where `after` is not given; 0 where not given.
        skip: Query<Option<i64>>,
        /// Maximum number of entries: 1 to 100; 50 where not given.
        limit: Query<Option<i64>>,
    ) -> Answer<Paged<Vec<SessionSummary>>, Params> {
        let page = page(after.0.map(|SessionParam(id)| id), skip.0, limit.0)?;
        Ok(listed(self.0.chat.deleted_sessions(&caller.0, page).await?, request))
    }

    /// List the sessions that can be joined
    ///
    /// Public sessions with a free seat, without the sessions of the caller. The header `Link` names the next page.
    ///
    /// A search reads at most 2,000 sessions, so a page of a search can have fewer entries than requested. The list continues while the
    /// header `Link` names a next page. A search takes no `skip`. In the orders `title`, `participants` and `activity`, a list of at most
    /// 2,000 sessions is sorted.
    #[oai(path = "/sessions/public", method = "get", operation_id = "listPublicSessions")]
    #[expect(clippy::too_many_arguments, reason = "one for each parameter of the request")]
    async fn public(
        &self,
        request: &Request,
        caller: Caller,
        /// The place after which to begin, from the header `Link`. In the order `newest`, the place is the id of a session, even if the
        /// session is no longer in the list.
        after: Query<Option<PublicParam>>,
        /// Number of entries to skip where `after` is not given; 0 where not given.
        skip: Query<Option<i64>>,
        /// Maximum number of entries: 1 to 100; 50 where not given.
        limit: Query<Option<i64>>,
        /// Words, together 1 to 100 characters. Each word is a part of the title, of the description, or of a tag. The case of letters makes no
        /// difference.
        search: Query<Option<String>>,
        /// The order: `newest` where not given, `title`, `participants` for the session with the most participants first, or `activity` for
        /// the session with the latest event first.
        sort: Query<Option<PublicSortParam>>,
    ) -> Answer<Paged<FoundSessions>, Params> {
        let page = page(after.0.map(|PublicParam(place)| place), skip.0, limit.0)?;
        let order = sort.0.map(|PublicSortParam(order)| order).unwrap_or_default();
        let wanted = FindPublicSessions { search: search.0, order };
        let found = self.0.chat.find_public_sessions(&caller.0, &wanted, page).await?;
        let link = Links::of(request).with("next", "after", found.next.as_ref()).value();
        Ok(Paged::linked(found, link))
    }

    /// Show a session
    ///
    /// With its first 50 participants and its newest 50 messages.
    #[oai(path = "/sessions/:session_id", method = "get", operation_id = "getSession")]
    async fn show(
        &self,
        caller: Caller,
        session_id: Path<SessionParam>,
    ) -> Answer<Reply<SessionDetails>, (OfSession, Params)> {
        Ok(Reply::new(self.0.chat.session(&caller.0, session_id.0.0).await?))
    }

    /// Change a session's settings
    ///
    /// For owners and admins. An omitted setting does not change.
    #[oai(path = "/sessions/:session_id", method = "put", operation_id = "updateSession")]
    async fn update(
        &self,
        request: &Request,
        caller: Caller,
        session_id: Path<SessionParam>,
        body: StrictJson<UpdateSession>,
    ) -> Answer<Reply<SessionDetails>, (OfSession, Body, Conflict)> {
        no_idempotency_key(request)?;
        Ok(Reply::new(self.0.chat.update_session(&caller.0, session_id.0.0, body.0.command()).await?))
    }

    /// Delete a session
    ///
    /// For its owner.
    #[oai(path = "/sessions/:session_id", method = "delete", operation_id = "deleteSession")]
    async fn delete(
        &self,
        request: &Request,
        caller: Caller,
        session_id: Path<SessionParam>,
        _body: Bodyless,
    ) -> Answer<Done, (OfSession, Body)> {
        no_idempotency_key(request)?;
        self.0.chat.delete_session(&caller.0, session_id.0.0).await?;
        Ok(Done)
    }

    /// Archive a session
    ///
    /// For its owner. Users can read, leave and delete an archived session, and nothing in the session changes. A repeated call changes
    /// nothing.
    #[oai(path = "/sessions/:session_id/archive", method = "put", operation_id = "archiveSession")]
    async fn archive(
        &self,
        request: &Request,
        caller: Caller,
        session_id: Path<SessionParam>,
        _body: NoBody,
    ) -> Answer<Done, (OfSession, Body)> {
        no_idempotency_key(request)?;
        self.0.chat.archive_session(&caller.0, session_id.0.0).await?;
        Ok(Done)
    }

    /// Unarchive a session
    ///
    /// For its owner. For a session that is not archived, nothing changes.
    #[oai(path = "/sessions/:session_id/archive", method = "delete", operation_id = "unarchiveSession")]
    async fn unarchive(
        &self,
        request: &Request,
        caller: Caller,
        session_id: Path<SessionParam>,
        _body: Bodyless,
    ) -> Answer<Done, (OfSession, Body)> {
        no_idempotency_key(request)?;
        self.0.chat.unarchive_session(&caller.0, session_id.0.0).await?;
        Ok(Done)
    }

    /// Restore a deleted session
    ///
    /// For its owner, if the owner deleted the session, for 30 days by default. The session has all its contents again. A repeated call
    /// changes nothing.
    #[oai(path = "/sessions/:session_id/restore", method = "post", operation_id = "restoreSession")]
    async fn restore(
        &self,
        request: &Request,
        caller: Caller,
        session_id: Path<SessionParam>,
        _body: NoBody,
    ) -> Answer<Done, (OfSession, Body)> {
        no_idempotency_key(request)?;
        self.0.chat.restore_session(&caller.0, session_id.0.0).await?;
        Ok(Done)
    }

    /// Join a public session
    #[oai(path = "/sessions/:session_id/join", method = "post", operation_id = "joinSession")]
    async fn join(
        &self,
        request: &Request,
        caller: Caller,
        session_id: Path<SessionParam>,
        _body: NoBody,
    ) -> Answer<Reply<Joined>, (OfSession, Body, Conflict)> {
        no_idempotency_key(request)?;
        Ok(Reply::new(self.0.chat.join(&caller.0, session_id.0.0).await?.participant))
    }

    /// Leave a session
    ///
    /// The owner cannot leave.
    #[oai(path = "/sessions/:session_id/leave", method = "post", operation_id = "leaveSession")]
    async fn leave(
        &self,
        request: &Request,
        caller: Caller,
        session_id: Path<SessionParam>,
        _body: NoBody,
    ) -> Answer<Reply<Confirmation>, (OfSession, Body, Conflict)> {
        no_idempotency_key(request)?;
        self.0.chat.leave(&caller.0, session_id.0.0).await?;
        Ok(Reply::new(Confirmation::LEFT))
    }
}
