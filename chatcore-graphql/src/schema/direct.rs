//! Direct sessions and groups, which the chat finds by their users.

use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};

use super::{
    Fallible as _, Use,
    scalar::{named_user, named_users},
    session::Session,
};

/// A direct session to start.
#[derive(InputObject)]
struct StartDirectInput {
    /// A user other than the caller, who was seen before.
    user_id: ID,
}

/// A group to start.
#[derive(InputObject)]
struct StartGroupInput {
    /// 2 to 19 users besides the caller, who were seen before.
    user_ids: Vec<ID>,
}

/// The direct session of the two users.
#[derive(SimpleObject)]
struct StartDirectPayload {
    /// The session.
    session: Session,
}

/// The group of the users.
#[derive(SimpleObject)]
struct StartGroupPayload {
    /// The session.
    session: Session,
}

/// Mutations of direct sessions and groups.
#[derive(Default)]
pub(super) struct DirectMutation;

/// Mutations of direct sessions and groups.
#[Object]
impl DirectMutation {
    /// Find or create the direct session of the caller and another user. A pair of users has one direct session, and either user can start
    /// the session.
    async fn start_direct(&self, context: &Context<'_>, input: StartDirectInput) -> Result<Option<StartDirectPayload>> {
        let call = Use::of(context)?;
        let user = named_user(&input.user_id).or_field_error()?;
        let started = call.chat.start_direct(call.principal, &user).await.or_field_error()?;
        Ok(Some(StartDirectPayload { session: Session::whole(started.session, call.loads()) }))
    }

    /// Find or create the group of the caller and other users: an `INVITE_ONLY` session that has exactly these users. After a join or a
    /// leave, the session is no longer the group of these users.
    async fn start_group(&self, context: &Context<'_>, input: StartGroupInput) -> Result<Option<StartGroupPayload>> {
        let call = Use::of(context)?;
        let users = named_users("user_ids", &input.user_ids).or_field_error()?;
        let started = call.chat.start_group(call.principal, &users).await.or_field_error()?;
        Ok(Some(StartGroupPayload { session: Session::whole(started.session, call.loads()) }))
    }
}
