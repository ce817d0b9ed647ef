//! Operations about participants.

use chatcore::{Error, chat::AddParticipant};
use poem::Request;
use poem_openapi::{
    OpenApi,
    param::{Path, Query},
};

use super::{Api, Group, listed, no_idempotency_key, page};
use crate::{
    extract::{Caller, SessionParam, StrictJson, UserParam},
    reply::{Answer, Body, Conflict, OfSession, Paged, Params, Reply},
    wire::{AddParticipantRequest, MessageOnly, ParticipantResponse, RoleRequest},
};

pub(crate) struct Participants(pub(super) Api);

#[OpenApi(tag = "Group::Participants")]
impl Participants {
    /// List a session's participants
    ///
    /// The active ones, in the order in which they came.
    #[oai(path = "/sessions/:session_id/participants", method = "get", operation_id = "listParticipants")]
    async fn list(
        &self,
        caller: Caller,
        session_id: Path<SessionParam>,
        /// How many to leave out; 0 where not given.
        skip: Query<Option<i64>>,
        /// How many at the most: 1 to 100; 50 where not given.
        limit: Query<Option<i64>>,
        /// Whether to show e-mail addresses: to owners and admins all, to others their own.
        include_email: Query<Option<bool>>,
    ) -> Answer<Paged<Vec<ParticipantResponse>>, (OfSession, Params)> {
        let (page, with_email) = (page(skip.0, limit.0)?, include_email.0.unwrap_or(false));
        let found = self.0.chat.participants(&caller.0, session_id.0.0, page, with_email).await?;
        Ok(listed(found, page, &self.0.chat))
    }

    /// Bring somebody into a session
    ///
    /// For owners and admins. The same as inviting.
    #[oai(path = "/sessions/:session_id/participants", method = "post", operation_id = "addParticipant")]
    async fn add(
        &self,
        request: &Request,
        caller: Caller,
        session_id: Path<SessionParam>,
        body: StrictJson<AddParticipantRequest>,
    ) -> Answer<Reply<ParticipantResponse, 201>, (OfSession, Body, Conflict)> {
        no_idempotency_key(request)?;
        self.bring_in(caller, session_id.0, body.0).await
    }

    /// Invite somebody into a session
    ///
    /// For owners and admins. They are in at once.
    #[oai(path = "/sessions/:session_id/invite", method = "post", operation_id = "inviteUser")]
    async fn invite(
        &self,
        request: &Request,
        caller: Caller,
        session_id: Path<SessionParam>,
        body: StrictJson<AddParticipantRequest>,
    ) -> Answer<Reply<ParticipantResponse, 201>, (OfSession, Body, Conflict)> {
        no_idempotency_key(request)?;
        self.bring_in(caller, session_id.0, body.0).await
    }

    /// Change a participant's role
    ///
    /// For owners and admins. Nobody becomes owner, and the owner's role stays.
    #[oai(path = "/sessions/:session_id/participants/:user_id/role", method = "put", operation_id = "changeRole")]
    async fn change_role(
        &self,
        caller: Caller,
        session_id: Path<SessionParam>,
        user_id: Path<UserParam>,
        body: StrictJson<RoleRequest>,
    ) -> Answer<Reply<ParticipantResponse>, (OfSession, Body)> {
        let role = body.0.role.into();
        Ok(Reply::new(self.0.chat.change_role(&caller.0, session_id.0.0, &user_id.0.0, role).await?))
    }

    /// Remove a participant from a session
    ///
    /// For owners and admins. The owner cannot be removed.
    #[oai(path = "/sessions/:session_id/participants/:user_id", method = "delete", operation_id = "removeParticipant")]
    async fn remove(
        &self,
        caller: Caller,
        session_id: Path<SessionParam>,
        user_id: Path<UserParam>,
    ) -> Answer<Reply<MessageOnly>, OfSession> {
        self.0.chat.remove_participant(&caller.0, session_id.0.0, &user_id.0.0).await?;
        Ok(Reply::new(MessageOnly { message: "Participant removed successfully".to_owned() }))
    }
}

impl Participants {
    async fn bring_in<P>(
        &self,
        Caller(principal): Caller,
        SessionParam(session_id): SessionParam,
        request: AddParticipantRequest,
    ) -> Answer<Reply<ParticipantResponse, 201>, P> {
        let add: AddParticipant = request.try_into().map_err(|error| unacceptable("user_id", &error))?;
        Ok(Reply::new(self.0.chat.add_participant(&principal, session_id, add).await?))
    }
}

/// An id in a body that is text, as it must be, and no id.
fn unacceptable(field: &str, error: &chatcore::model::InvalidId) -> Error {
    Error::invalid(field, chatcore::Code::ValidationInvalidValue, error.expected)
}
