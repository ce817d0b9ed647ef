//! Operations about bans, mutes, and the transfer of a session.

use chatcore::{
    model::{Participant, SessionBan},
    wire::Sanction,
};
use poem::Request;
use poem_openapi::{
    OpenApi,
    param::{Path, Query},
};

use super::{Api, Group, listed, no_idempotency_key, page};
use crate::{
    extract::{Bodyless, Caller, NoBody, SessionParam, StrictJson, UserParam},
    reply::{Answer, Body, Conflict, Done, OfSession, Paged, Params, Reply},
};

pub(crate) struct Sanctions(pub(super) Api);

#[OpenApi(tag = "Group::Participants")]
impl Sanctions {
    /// Ban a user from a session
    ///
    /// For owners and admins; never the owner. The ban removes a participant at once, and prevents a join of the user. The ban ends at
    /// `until`, or when a user lifts the ban. Another ban replaces the previous ban.
    #[oai(path = "/sessions/:session_id/bans/:user_id", method = "put", operation_id = "banParticipant")]
    async fn ban(
        &self,
        request: &Request,
        caller: Caller,
        session_id: Path<SessionParam>,
        user_id: Path<UserParam>,
        body: StrictJson<Sanction>,
    ) -> Answer<Done, (OfSession, Body)> {
        no_idempotency_key(request)?;
        self.0.chat.ban_participant(&caller.0, session_id.0.0, &user_id.0.0, body.0.command()).await?;
        Ok(Done)
    }

    /// Lift a ban
    ///
    /// For owners and admins. Where there is no ban, nothing changes. The user does not rejoin automatically.
    #[oai(path = "/sessions/:session_id/bans/:user_id", method = "delete", operation_id = "unbanParticipant")]
    async fn unban(
        &self,
        request: &Request,
        caller: Caller,
        session_id: Path<SessionParam>,
        user_id: Path<UserParam>,
        _body: Bodyless,
    ) -> Answer<Done, (OfSession, Body)> {
        no_idempotency_key(request)?;
        self.0.chat.unban_participant(&caller.0, session_id.0.0, &user_id.0.0).await?;
        Ok(Done)
    }

    /// List the users who are banned from a session
    ///
    /// For owners and admins. In the order of the users' ids; without expired bans. A page before other pages may be shorter than requested.
    /// The header `Link` names the next page.
    #[oai(path = "/sessions/:session_id/bans", method = "get", operation_id = "listBans")]
    async fn list(
        &self,
        request: &Request,
        caller: Caller,
        session_id: Path<SessionParam>,
        /// The id of the user after which the list begins.
        after: Query<Option<UserParam>>,
        /// Number of entries to skip where `after` is not given; 0 where not given.
        skip: Query<Option<i64>>,
        /// Maximum number of entries: 1 to 100; 50 where not given.
        limit: Query<Option<i64>>,
    ) -> Answer<Paged<Vec<SessionBan>>, (OfSession, Params)> {
        let page = page(after.0.map(|UserParam(id)| id), skip.0, limit.0)?;
        Ok(listed(self.0.chat.bans(&caller.0, session_id.0.0, page).await?, request))
    }

    /// Mute a participant
    ///
    /// For owners and admins; never the owner. The participant reads, and neither sends, edits, reacts nor types, until `until` or until a
    /// user ends the mute. The mute survives a leave and a rejoin. Another mute replaces the previous mute.
    #[oai(path = "/sessions/:session_id/participants/:user_id/mute", method = "put", operation_id = "muteParticipant")]
    async fn mute(
        &self,
        request: &Request,
        caller: Caller,
        session_id: Path<SessionParam>,
        user_id: Path<UserParam>,
        body: StrictJson<Sanction>,
    ) -> Answer<Done, (OfSession, Body)> {
        no_idempotency_key(request)?;
        self.0.chat.mute_participant(&caller.0, session_id.0.0, &user_id.0.0, body.0.command()).await?;
        Ok(Done)
    }

    /// End a mute
    ///
    /// For owners and admins, of others. Where there is no mute, nothing changes.
    #[oai(
        path = "/sessions/:session_id/participants/:user_id/mute",
        method = "delete",
        operation_id = "unmuteParticipant"
    )]
    async fn unmute(
        &self,
        request: &Request,
        caller: Caller,
        session_id: Path<SessionParam>,
        user_id: Path<UserParam>,
        _body: Bodyless,
    ) -> Answer<Done, (OfSession, Body)> {
        no_idempotency_key(request)?;
        self.0.chat.unmute_participant(&caller.0, session_id.0.0, &user_id.0.0).await?;
        Ok(Done)
    }

    /// Transfer the ownership to a participant
    ///
    /// For the owner, who becomes an admin, and can leave. A mute of the new owner ends.
    #[oai(
        path = "/sessions/:session_id/participants/:user_id/owner",
        method = "put",
        operation_id = "transferOwnership"
    )]
    async fn transfer(
        &self,
        request: &Request,
        caller: Caller,
        session_id: Path<SessionParam>,
        user_id: Path<UserParam>,
        _body: NoBody,
    ) -> Answer<Reply<Participant>, (OfSession, Body, Conflict)> {
        no_idempotency_key(request)?;
        Ok(Reply::new(self.0.chat.transfer_ownership(&caller.0, session_id.0.0, &user_id.0.0).await?))
    }
}
