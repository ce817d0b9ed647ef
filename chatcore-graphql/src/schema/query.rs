//! Queries.

use std::sync::Arc;

use async_graphql::{Context, ID, Interface, MergedObject, Object, ObjectType, PathSegment, Result};
use chatcore::{
    Error,
    chat::{FindPublicSessions, FindSessions, Start},
    model::{MessageId, SessionId},
};

use super::{
    Fallible as _, Use,
    archive::ArchiveQuery,
    block::BlockQuery,
    bot::BotQuery,
    connection::{
        self, EventConnection, List, ParticipantConnection, PublicSessionConnection, SessionConnection, listed,
    },
    event::SessionEvent,
    held::HeldQuery,
    incoming::IncomingQuery,
    invite::InviteQuery,
    join_request::JoinRequestQuery,
    later::LaterQuery,
    load::Loads,
    mention::MentionQuery,
    message::{Message, MessageQuery},
    presence::PresenceQuery,
    reaction::ReactionQuery,
    reading::{PublicSessionOrder, SessionOrder},
    receipt::ReceiptQuery,
    report::ReportQuery,
    sanction::SanctionQuery,
    scalar::{natural, session_id},
    session::Session,
    thread::ThreadQuery,
    user::User,
};

/// An object that a query can fetch by its id.
#[derive(Debug, Clone, Interface)]
#[graphql(field(name = "id", ty = "ID", desc = "The id, the same on every transport."))]
pub(super) enum Node {
    Session(Session),
    Message(Message),
}

/// Queries of sessions and their participants.
#[derive(Default, MergedObject)]
pub(crate) struct MembershipQuery(
    SessionQuery,
    InviteQuery,
    IncomingQuery,
    JoinRequestQuery,
    ArchiveQuery,
    PresenceQuery,
);

/// Queries for moderators, of a user's own blocks, and of bots.
#[derive(Default, MergedObject)]
pub(crate) struct ModerationQuery(SanctionQuery, ReportQuery, HeldQuery, BlockQuery, BotQuery);

/// Queries of messages.
#[derive(Default, MergedObject)]
pub(crate) struct MessagesQuery(MessageQuery, ThreadQuery, MentionQuery, ReactionQuery, LaterQuery, ReceiptQuery);

/// Queries of conversations.
#[derive(Default, MergedObject)]
pub(crate) struct ConversationQuery(MembershipQuery, ModerationQuery, MessagesQuery);

/// The queries. The parts belong to the services of the schema.
#[derive(Default, MergedObject)]
pub(crate) struct Query<P: ObjectType>(P);

/// The queries.
#[cfg(feature = "accounts")]
#[derive(Default, MergedObject)]
#[graphql(name = "QueryWithAccounts")]
pub(crate) struct WithAccounts(ConversationQuery, super::account::AccountQuery);

/// The queries.
#[derive(Default, MergedObject)]
#[graphql(name = "QueryWithAdmin")]
pub(crate) struct WithAdmin(ConversationQuery, super::admin::AdminQuery);

/// The queries.
#[cfg(feature = "accounts")]
#[derive(Default, MergedObject)]
#[graphql(name = "QueryWithBoth")]
pub(crate) struct WithBoth(ConversationQuery, super::account::AccountQuery, super::admin::AdminQuery);

/// Queries of the caller, sessions, participants and events.
#[derive(Default)]
pub(super) struct SessionQuery;

/// Queries of the caller, sessions, participants and events.
#[Object]
impl SessionQuery {
    /// A session or a message by its id.
    async fn node(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The id of a session or of a message.")] id: ID,
    ) -> Result<Option<Node>> {
        let call = Use::of(context)?;
        node(&id, &call.loads()).await.map(Some)
    }

    /// Sessions and messages by their ids, in that order; null, with an error, for an unknown id.
    #[graphql(complexity = "ids.len().saturating_mul(child_complexity).saturating_add(1)")]
    async fn nodes(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Ids of sessions and of messages.")] ids: Vec<ID>,
    ) -> Result<Option<Vec<Option<Node>>>> {
        let call = Use::of(context)?;
        let most = call.chat.limits().batch_max;
        if ids.len() > most {
            let error = Error::LimitExceeded { what: "the number of ids", limit: most as u64 };
            return Err(crate::field_error(&error));
        }
        let loads = call.loads();
        let found = futures_util::future::join_all(ids.iter().map(|id| node(id, &loads))).await;
        let shown = |(index, found): (usize, Result<Node>)| match found {
            Ok(node) => Some(node),
            Err(error) => {
                context.add_error(at_index(context, index, error));
                None
            }
        };
        Ok(Some(found.into_iter().enumerate().map(shown).collect()))
    }

    /// The caller.
    async fn me(&self, context: &Context<'_>) -> Result<Option<User>> {
        let call = Use::of(context)?;
        Ok(Some(User(call.chat.me(call.principal).await.or_field_error()?)))
    }

    /// A session.
    async fn session(&self, context: &Context<'_>, #[graphql(desc = "The id.")] id: ID) -> Result<Option<Session>> {
        let call = Use::of(context)?;
        let id = session_id(&id).or_field_error()?;
        let loads = call.loads();
        let details = loads.details(id).await.or_field_error()?;
        Ok(Some(Session::whole(details, loads)))
    }

    /// The sessions that the caller is in: either the sessions that are not archived, or the archived sessions. At most 100 at a time, 50
    /// by default. A page in the order `NEWEST` reads at most 2,000 sessions, so a page of a search or of archived sessions can have fewer
    /// entries than requested.
    #[graphql(complexity = "listed(first, None, child_complexity)")]
    async fn sessions(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The maximum number of entries.")] first: Option<i32>,
        #[graphql(desc = "The cursor of the entry after which to begin.")] after: Option<String>,
        #[graphql(
            desc = "Words, together 1 to 100 characters. Each word is a part of the title, or in a direct session of the other user's name or user name. The case of letters makes no difference."
        )]
        search: Option<String>,
        #[graphql(desc = "The order; `NEWEST` where not given.")] sort: Option<SessionOrder>,
        #[graphql(desc = "Whether to list the archived sessions.")] archived: Option<bool>,
    ) -> Result<Option<SessionConnection>> {
        let call = Use::of(context)?;
        let archived = archived.unwrap_or(false);
        let list = List::sessions(archived);
        let page = list.page(first, after.as_deref()).or_field_error()?;
        let order = sort.map(Into::into).unwrap_or_default();
        let wanted = FindSessions { search, order, archived };
        let found = call.chat.find_sessions(call.principal, &wanted, page).await.or_field_error()?;
        let loads = call.loads();
        Ok(Some(list.of_sessions(&page, found, |summary| Session::listed(summary, Arc::clone(&loads)))))
    }

    /// The sessions that the caller could join: public, with a seat left, without the caller. At most 100 at a time, 50 by default. A
    /// search reads at most 2,000 sessions, so a page of a search can have fewer entries than requested. A list of at most 2,000 sessions
    /// is sorted by `TITLE`, `PARTICIPANTS` or `ACTIVITY`.
    #[graphql(complexity = "listed(first, None, child_complexity)")]
    async fn public_sessions(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The maximum number of entries.")] first: Option<i32>,
        #[graphql(desc = "The cursor of the entry after which to begin.")] after: Option<String>,
        #[graphql(
            desc = "Words, together 1 to 100 characters. Each word is a part of the title, of the description, or of a tag. The case of letters makes no difference."
        )]
        search: Option<String>,
        #[graphql(desc = "The order; `NEWEST` where not given.")] sort: Option<PublicSessionOrder>,
    ) -> Result<Option<PublicSessionConnection>> {
        let call = Use::of(context)?;
        let list = List::public_sessions();
        let page = list.page(first, after.as_deref()).or_field_error()?;
        let order = sort.map(Into::into).unwrap_or_default();
        let wanted = FindPublicSessions { search, order };
        let found = call.chat.find_public_sessions(call.principal, &wanted, page.clone()).await.or_field_error()?;
        let loads = call.loads();
        Ok(Some(list.of_public(&page, found, order, |summary| Session::listed(summary, Arc::clone(&loads)))))
    }

    /// The participants of a session, in the order of joining. At most 100 at a time, 50 by default.
    #[graphql(complexity = "listed(first, None, child_complexity)")]
    async fn participants(
        &self,
        context: &Context<'_>,
        #[graphql(name = "sessionId", desc = "The session.")] session: ID,
        #[graphql(desc = "The maximum number of entries.")] first: Option<i32>,
        #[graphql(desc = "The cursor of the entry after which to begin.")] after: Option<String>,
        #[graphql(
            desc = "Whether to show e-mail addresses: for every caller the caller's own address, for owners and admins also the addresses of users who joined by themselves or have posted here."
        )]
        include_email: Option<bool>,
    ) -> Result<Option<ParticipantConnection>> {
        let call = Use::of(context)?;
        let session_id = session_id(&session).or_field_error()?;
        let list = List::participants(session_id);
        let page = list.page(first, after.as_deref()).or_field_error()?;
        let with_email = include_email.unwrap_or(false);
        let found = call.chat.participants(call.principal, session_id, page, with_email).await.or_field_error()?;
        Ok(Some(list.of_participants(&page, found)))
    }

    /// A session's events, oldest first; the cursor of an event is its `cursor`. At most 100 at a time, 50 by default.
    #[graphql(complexity = "listed(first, None, child_complexity)")]
    async fn events(
        &self,
        context: &Context<'_>,
        #[graphql(name = "sessionId", desc = "The session.")] session: ID,
        #[graphql(desc = "The maximum number of entries.")] first: Option<i32>,
        #[graphql(desc = "The cursor or position after which to begin; the first event where not given.")]
        after: Option<String>,
    ) -> Result<Option<EventConnection>> {
        let call = Use::of(context)?;
        let id = session_id(&session).or_field_error()?;
        let unknown =
            |_| crate::field_error(&Error::malformed("after", "a position in the session's log, or a cursor"));
        let start = Start::or_beginning(after.map(|after| after.parse()).transpose().map_err(unknown)?);
        let limit = natural("limit", first).or_field_error()?;
        let page = call.chat.events(call.principal, id, start, limit).await.or_field_error()?;
        let loads = call.loads();
        let event = |view| SessionEvent::new(view, || Arc::clone(&loads));
        connection::events(page, event).map(Some)
    }
}

/// An id says itself what it is of.
async fn node(id: &ID, loads: &Arc<Loads>) -> Result<Node> {
    if let Ok(id) = id.parse::<SessionId>() {
        let summary = loads.session(id).await.or_field_error()?;
        return Ok(Session::listed(summary, Arc::clone(loads)).into());
    }
    let id: MessageId =
        id.parse().map_err(|_| crate::field_error(&Error::malformed("id", "the id of a session or of a message")))?;
    let message = loads.message(id).await.or_field_error()?;
    Ok(Message { message, loads: Arc::clone(loads) }.into())
}

/// An error of one entry of a list that is there all the same. The list is a root field's.
fn at_index(context: &Context<'_>, index: usize, error: async_graphql::Error) -> async_graphql::ServerError {
    let name = context.field().alias().unwrap_or_else(|| context.field().name());
    let path = vec![PathSegment::Field(name.to_owned()), PathSegment::Index(index)];
    error.into_server_error(context.item.pos).with_path(path)
}
