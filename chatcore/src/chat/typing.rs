//! Signals that callers give.

use super::Chat;
use crate::{
    error::Result,
    identity::Principal,
    limits::Use,
    model::{SessionId, Signal},
    notify::Hint,
    permission::Action,
    store::Freshness,
    trace::use_case,
};

impl Chat {
    /// Tells who listens at the moment that the caller started or stopped typing. Nothing is kept.
    ///
    /// # Errors
    /// [`Denied`](crate::Error::Denied) when the caller may not send.
    pub async fn typing(&self, principal: &Principal, session_id: SessionId, is_typing: bool) -> Result<()> {
        use_case!("typing", session_id, async move {
            self.enter(principal, Use::Signal).await?;
            // Fresh, because nothing is committed that would notice an old permission.
            let known = self.allowed(session_id, principal, Action::Send, Freshness::Fresh).await?;
            self.may_write_to(principal, &known).await?;
            let user_id = principal.user_id.clone();
            self.publish(Hint::Signal(Signal::Typing { session_id, user_id, is_typing })).await;
            Ok(())
        })
    }
}
