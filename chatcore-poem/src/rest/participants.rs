//! Operations about participants.

use chatcore::{
    model::Participant,
    wire::{AddParticipant, ChangeRole, Confirmation, SetParticipantMetadata},
};
use poem::Request;
use poem_openapi::{
    OpenApi,
    param::{Path, Query},
};

use super::{Api, Group, listed, no_idempotency_key, page};
use crate::{
    extract::{Bodyless, Caller, ParticipantParam, SessionParam, StrictJson, UserParam},
    reply::{Adding, Answer, Body, OfSession, Paged, Params, Reply},
};

pub(crate) struct Participants(pub(super) Api);

#[OpenApi(tag = "Group::Participants")]
impl Participants {
    /// List a session's participants
    ///
    /// The active participants, in the order of joining. The header `Link` names the next page, which begins after the last participant of
    /// this page: the pages miss and repeat no participant while users join and leave. A user who left and came back is another
    /// participant.
    #[oai(path = "/sessions/:session_id/participants", method = "get", operation_id = "listParticipants")]
    #[expect(clippy::too_many_arguments, reason = "one for each parameter of the request")]
    async fn list(
        &self,
        request: &Request,
        caller: Caller,
        session_id: Path<SessionParam>,
        /// The id of the participant (not of the user) after which the list begins. The participant may have left.
        after: Query<Option<ParticipantParam>>,
        /// Number of entries to skip where `after` is not given; 0 where not given.
        skip: Query<Option<i64>>,
        /// Maximum number of entries: 1 to 100; 50 where not given.
        limit: Query<Option<i64>>,
        /// Whether to show e-mail addresses: for every caller the caller's own address, for owners and admins also the addresses of users
        /// who joined by themselves or have posted here.
        include_email: Query<Option<bool>>,
    ) -> Answer<Paged<Vec<Participant>>, (OfSession, Params)> {
        let page = page(after.0.map(|ParticipantParam(id)| id), skip.0, limit.0)?;
        let with_email = include_email.0.unwrap_or(false);
        Ok(listed(self.0.chat.participants(&caller.0, session_id.0.0, page, with_email).await?, request))
    }

    /// Add a user to a session
    ///
    /// For owners and admins. Equal to inviting. The rate of adds by a user and the rate of adds of a user are limited; only successful
    /// adds and adds of unknown ids count.
    #[oai(path = "/sessions/:session_id/participants", method = "post", operation_id = "addParticipant")]
    async fn add(
        &self,
        request: &Request,
        caller: Caller,
        session_id: Path<SessionParam>,
        body: StrictJson<AddParticipant>,
    ) -> Answer<Reply<Participant, 201>, (OfSession, Body, Adding)> {
        no_idempotency_key(request)?;
        self.bring_in(caller, session_id.0, body.0).await
    }

    /// Invite a user into a session
    ///
    /// For owners and admins. The user joins the session at once. The rate limit of adding users applies.
    #[oai(path = "/sessions/:session_id/invite", method = "post", operation_id = "inviteUser")]
    async fn invite(
        &self,
        request: &Request,
        caller: Caller,
        session_id: Path<SessionParam>,
        body: StrictJson<AddParticipant>,
    ) -> Answer<Reply<Participant, 201>, (OfSession, Body, Adding)> {
        no_idempotency_key(request)?;
        self.bring_in(caller, session_id.0, body.0).await
    }

    /// Change a participant's role
    ///
    /// For owners and admins. No participant becomes owner, and the owner's role stays.
    #[oai(path = "/sessions/:session_id/participants/:user_id/role", method = "put", operation_id = "changeRole")]
    async fn change_role(
        &self,
        request: &Request,
        caller: Caller,
        session_id: Path<SessionParam>,
        user_id: Path<UserParam>,
        body: StrictJson<ChangeRole>,
    ) -> Answer<Reply<Participant>, (OfSession, Body)> {
        no_idempotency_key(request)?;
        let role = body.0.role;
        Ok(Reply::new(self.0.chat.change_role(&caller.0, session_id.0.0, &user_id.0.0, role).await?))
    }

    /// Change a participant's metadata
    ///
    /// The complete custom data of the host or the client. For owners and admins, and for each participant's own metadata. The metadata end
    /// with the stay: a user who comes back has no metadata. Equal metadata change nothing.
    #[oai(
        path = "/sessions/:session_id/participants/:user_id/metadata",
        method = "put",
        operation_id = "setParticipantMetadata"
    )]
    async fn set_metadata(
        &self,
        request: &Request,
        caller: Caller,
        session_id: Path<SessionParam>,
        user_id: Path<UserParam>,
        body: StrictJson<SetParticipantMetadata>,
    ) -> Answer<Reply<Participant>, (OfSession, Body)> {
        no_idempotency_key(request)?;
        let (chat, metadata) = (&self.0.chat, body.0.metadata);
        Ok(Reply::new(chat.set_participant_metadata(&caller.0, session_id.0.0, &user_id.0.0, metadata).await?))
    }

    /// Remove a participant from a session
    ///
    /// For owners and admins. The owner cannot be removed.
    #[oai(path = "/sessions/:session_id/participants/:user_id", method = "delete", operation_id = "removeParticipant")]
    async fn remove(
        &self,
        request: &Request,
        caller: Caller,
        session_id: Path<SessionParam>,
        user_id: Path<UserParam>,
        _body: Bodyless,
    ) -> Answer<Reply<Confirmation>, (OfSession, Body)> {
        no_idempotency_key(request)?;
        self.0.chat.remove_participant(&caller.0, session_id.0.0, &user_id.0.0).await?;
        Ok(Reply::new(Confirmation::REMOVED))
    }
}

impl Participants {
    async fn bring_in<P>(
        &self,
        Caller(principal): Caller,
        SessionParam(session_id): SessionParam,
        request: AddParticipant,
    ) -> Answer<Reply<Participant, 201>, P> {
        Ok(Reply::new(self.0.chat.add_participant(&principal, session_id, request.command()?).await?.participant))
    }
}
