//! Bans and mutes, and the transfer of a session, with their queries and mutations.

use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};
use chatcore::{chat::SanctionUser, model};

use super::{
    Fallible as _, Use,
    connection::{BanConnection, List, listed},
    participant::Participant,
    scalar::{DateTime, session_id, user_id},
    user::User,
};

/// A ban of a user from a session.
#[derive(Debug, Clone)]
pub(super) struct SessionBan(pub(super) model::SessionBan);

/// A ban of a user from a session.
#[Object]
impl SessionBan {
    /// The banned user.
    async fn user(&self) -> User {
        User(self.0.user.clone())
    }

    /// The user who banned.
    async fn banned_by(&self) -> User {
        User(self.0.banned_by.clone())
    }

    /// The reason, in the words of that user.
    async fn reason(&self) -> Option<&str> {
        self.0.reason.as_deref()
    }

    /// When the ban began.
    async fn banned_at(&self) -> DateTime {
        DateTime(self.0.banned_at)
    }

    /// The end of the ban; null for no end.
    async fn until(&self) -> Option<DateTime> {
        self.0.until.map(DateTime)
    }
}

macro_rules! inputs {
    ($($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty),* $(,)? })*) => {$(
        $(#[$doc])*
        #[derive(InputObject)]
        struct $name { $($(#[$field_doc])* $field: $type),* }
    )*};
}

inputs! {
    /// A user to ban from a session.
    BanParticipantInput {
        /// The session.
        session_id: ID,
        /// The user, who need not be in the session.
        user_id: ID,
        /// The reason: at most 500 characters. Users who manage the session see the reason.
        reason: Option<String>,
        /// When the ban ends; never where not given.
        until: Option<DateTime>,
    }
    /// A ban to lift.
    UnbanParticipantInput {
        /// The session.
        session_id: ID,
        /// The banned user.
        user_id: ID,
    }
    /// A participant to mute.
    MuteParticipantInput {
        /// The session.
        session_id: ID,
        /// The participant.
        user_id: ID,
        /// The reason: at most 500 characters.
        reason: Option<String>,
        /// When the mute ends; never where not given.
        until: Option<DateTime>,
    }
    /// A mute to end.
    UnmuteParticipantInput {
        /// The session.
        session_id: ID,
        /// The muted user.
        user_id: ID,
    }
    /// The new owner of a session.
    TransferOwnershipInput {
        /// The session.
        session_id: ID,
        /// The participant who is to be the owner.
        user_id: ID,
    }
}

macro_rules! payloads {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        #[derive(SimpleObject)]
        struct $name {
            /// The session.
            session_id: ID,
            /// The user.
            user_id: ID,
        }
    )*};
}

payloads! {
    /// The user who is banned.
    BanParticipantPayload
    /// The user who is not banned.
    UnbanParticipantPayload
    /// The participant who is muted.
    MuteParticipantPayload
    /// The user who is not muted.
    UnmuteParticipantPayload
}

/// The new owner.
#[derive(SimpleObject)]
struct TransferOwnershipPayload {
    /// The participant.
    participant: Participant,
}

fn sanction(reason: Option<String>, until: Option<DateTime>) -> SanctionUser {
    SanctionUser { reason, until: until.map(|DateTime(until)| until) }
}

/// Mutations of bans, mutes and ownership.
#[derive(Default)]
pub(super) struct SanctionMutation;

/// Mutations of bans, mutes and ownership.
#[Object]
impl SanctionMutation {
    /// Ban a user from a session. For owners and admins; never the owner. The ban removes a participant at once, and prevents a join of the
    /// user. The ban ends at `until`, or when a user lifts the ban. Another ban replaces the previous ban.
    async fn ban_participant(
        &self,
        context: &Context<'_>,
        input: BanParticipantInput,
    ) -> Result<Option<BanParticipantPayload>> {
        let call = Use::of(context)?;
        let BanParticipantInput { session_id: session, user_id: target, reason, until } = input;
        let id = session_id(&session).or_field_error()?;
        let user = user_id(&target).or_field_error()?;
        call.chat.ban_participant(call.principal, id, &user, sanction(reason, until)).await.or_field_error()?;
        Ok(Some(BanParticipantPayload { session_id: session, user_id: target }))
    }

    /// Lift a ban. For owners and admins. Where there is no ban, nothing changes. The user does not rejoin automatically.
    async fn unban_participant(
        &self,
        context: &Context<'_>,
        input: UnbanParticipantInput,
    ) -> Result<Option<UnbanParticipantPayload>> {
        let call = Use::of(context)?;
        let UnbanParticipantInput { session_id: session, user_id: target } = input;
        let id = session_id(&session).or_field_error()?;
        let user = user_id(&target).or_field_error()?;
        call.chat.unban_participant(call.principal, id, &user).await.or_field_error()?;
        Ok(Some(UnbanParticipantPayload { session_id: session, user_id: target }))
    }

    /// Mute a participant. For owners and admins; never the owner. The participant reads, and neither sends, edits, reacts nor types, until
    /// `until` or until a user ends the mute. The mute survives a leave and a rejoin. Another mute replaces the previous mute.
    async fn mute_participant(
        &self,
        context: &Context<'_>,
        input: MuteParticipantInput,
    ) -> Result<Option<MuteParticipantPayload>> {
        let call = Use::of(context)?;
        let MuteParticipantInput { session_id: session, user_id: target, reason, until } = input;
        let id = session_id(&session).or_field_error()?;
        let user = user_id(&target).or_field_error()?;
        call.chat.mute_participant(call.principal, id, &user, sanction(reason, until)).await.or_field_error()?;
        Ok(Some(MuteParticipantPayload { session_id: session, user_id: target }))
    }

    /// End a mute. For owners and admins, of others. Where there is no mute, nothing changes.
    async fn unmute_participant(
        &self,
        context: &Context<'_>,
        input: UnmuteParticipantInput,
    ) -> Result<Option<UnmuteParticipantPayload>> {
        let call = Use::of(context)?;
        let UnmuteParticipantInput { session_id: session, user_id: target } = input;
        let id = session_id(&session).or_field_error()?;
        let user = user_id(&target).or_field_error()?;
        call.chat.unmute_participant(call.principal, id, &user).await.or_field_error()?;
        Ok(Some(UnmuteParticipantPayload { session_id: session, user_id: target }))
    }

    /// Transfer the ownership to a participant. For the owner, who becomes an admin, and can leave. A mute of the new owner ends.
    async fn transfer_ownership(
        &self,
        context: &Context<'_>,
        input: TransferOwnershipInput,
    ) -> Result<Option<TransferOwnershipPayload>> {
        let call = Use::of(context)?;
        let id = session_id(&input.session_id).or_field_error()?;
        let user = user_id(&input.user_id).or_field_error()?;
        let participant = call.chat.transfer_ownership(call.principal, id, &user).await.or_field_error()?;
        Ok(Some(TransferOwnershipPayload { participant: Participant(participant) }))
    }
}

/// Queries of bans.
#[derive(Default)]
pub(super) struct SanctionQuery;

/// Queries of bans.
#[Object]
impl SanctionQuery {
    /// The users who are banned from a session, in the order of their ids; without expired bans. For owners and admins. A page before other
    /// pages may be shorter than requested. At most 100 at a time, 50 by default.
    #[graphql(complexity = "listed(first, None, child_complexity)")]
    async fn bans(
        &self,
        context: &Context<'_>,
        #[graphql(name = "sessionId", desc = "The session.")] session: ID,
        #[graphql(desc = "The maximum number of entries.")] first: Option<i32>,
        #[graphql(desc = "The cursor of the entry after which to begin.")] after: Option<String>,
    ) -> Result<Option<BanConnection>> {
        let call = Use::of(context)?;
        let id = session_id(&session).or_field_error()?;
        let list = List::bans(id);
        let page = list.page(first, after.as_deref()).or_field_error()?;
        let found = call.chat.bans(call.principal, id, page.clone()).await.or_field_error()?;
        Ok(Some(list.of_bans(&page, found)))
    }
}
