//! Notices to all users who are connected.

use chrono::SubsecRound as _;

use super::{Administration, AuditAction, AuditOrigin, audit::Deed};
use crate::{
    error::{Code, Error, Result},
    identity::Principal,
    model::{Notice, NoticeId, visible::is_visible},
    trace::use_case,
};

impl Administration {
    /// Sends a notice to all connected users, on every process that the notifier reaches. The text is not stored: the audit log has the id
    /// of the notice.
    ///
    /// # Errors
    /// [`AdminRequired`](Error::AdminRequired); [`Invalid`](Error::Invalid) for a text that is empty or longer than
    /// [`description_chars`](crate::Limits::description_chars), and for a reason that is not acceptable.
    pub async fn broadcast(
        &self,
        principal: &Principal,
        origin: &AuditOrigin,
        text: String,
        reason: Option<String>,
    ) -> Result<Notice> {
        use_case!("admin.broadcast", async move {
            self.enter(principal).await?;
            let (chat, max) = (&self.inner.chat, self.inner.chat.limits().description_chars);
            if !is_visible(&text) || text.chars().nth(max).is_some() {
                let message = format!("1 to {max} characters");
                return Err(Error::invalid("text", Code::ValidationInvalidValue, message));
            }
            let id = NoticeId(chat.clock().new_id());
            let (action, target) = (AuditAction::NoticeBroadcast, Some(id.to_string()));
            let deed = Deed { principal, origin, action, target, session: None, reason: self.reason(reason)? };
            self.note(&deed).await?;
            let notice = Notice { id, text, created_at: chat.now().trunc_subsecs(6) };
            chat.tell_everybody(notice.clone()).await;
            Ok(notice)
        })
    }
}
