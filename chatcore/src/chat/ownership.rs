//! The transfer of a session to another owner.

use super::{
    Chat,
    decide::govern::{Plan, Tried, answer},
    read::lists::{put_participant, put_session},
};
use crate::{
    error::{Error, Result},
    identity::Principal,
    limits::Use,
    model::{EventKind, Participant, ParticipantEvent, ParticipantRole, Session, SessionId, Standing, UserId},
    permission::Action,
    store::ParticipantRecord,
    trace::use_case,
};

impl Chat {
    /// Transfers the ownership to a participant. The caller, who was the owner, becomes an admin. A mute of the new owner ends.
    ///
    /// # Errors
    /// [`Denied`](Error::Denied) when the caller is not the owner, the user is not in the session, the user is the owner already, or the
    /// type of the session allows no transfer.
    pub async fn transfer_ownership(
        &self,
        principal: &Principal,
        id: SessionId,
        user_id: &UserId,
    ) -> Result<Participant> {
        use_case!("transfer_ownership", id, async move {
            self.enter(principal, Use::Request).await?;
            let transfer = self.govern(id, principal, Tried::upon(user_id, Action::Transfer), |known, _| {
                let before = known.actor.as_deref().ok_or(Error::Internal)?;
                let after = known.target.as_deref().ok_or(Error::Internal)?;
                let previous = after.standing.role().ok_or(Error::Internal)?;
                let active = Standing::Active;
                let former = ParticipantRecord { standing: active(ParticipantRole::Admin), ..before.clone() };
                let owner = ParticipantRecord { standing: active(ParticipantRole::Owner), mute: None, ..after.clone() };
                let session = Session { owner: user_id.clone(), ..known.session()?.clone() };
                let mut writes = Vec::from(put_session(session));
                writes.extend(put_participant(Some(before), former));
                writes.extend(put_participant(Some(after), owner));
                let changed = ParticipantEvent::OwnerChanged { user_id: user_id.clone(), previous };
                Ok(Plan { events: vec![EventKind::Participant(changed)], writes })
            });
            let done = transfer.await?;
            answer(done.as_ref(), self.seated(id, user_id).await)
        })
    }
}
