//! What bots inside the host use of sessions: the log as the bot's user sees it, without counting it as a use.

use super::{
    Chat,
    messages::EventPage,
    stream::{inbox::memberships, subscribe::Start},
};
use crate::{
    error::Result,
    identity::Principal,
    limits::Use,
    model::{ClientId, Cursor, MessageId, Seq, SessionId, UserId},
    permission::Action,
    store::{ChatStoreExt as _, ClientIds, Freshness},
};

impl Chat {
    /// The next events of a session for a bot, at most `limit`. Without a position it begins with the event that brought the bot's user in, and
    /// so does a position from before that.
    ///
    /// # Errors
    /// As [`events`](Self::events).
    pub(crate) async fn page_for_bot(
        &self,
        principal: &Principal,
        id: SessionId,
        after: Option<Cursor>,
        limit: u64,
    ) -> Result<EventPage> {
        self.enter(principal, Use::Free).await?;
        let known = self.allowed(id, principal, Action::View, Freshness::Fresh).await?;
        let sight = known.sight()?;
        let since = known.actor.as_deref().and_then(|record| record.since);
        let came = since.map_or(sight.head.seq, |since| since.saturating_sub(1));
        let earliest = came.max(sight.start());
        let after = after.filter(|after| after.seq >= earliest).unwrap_or_else(|| Cursor::from(earliest));
        self.page_from(principal, sight, Start::After(after), limit).await
    }

    /// The sessions that a user is in, with the ends of their logs.
    pub(crate) async fn ends_for_bot(&self, user: &UserId) -> Result<Vec<(SessionId, Seq)>> {
        let all = memberships(&*self.inner.store, user).await?;
        Ok(all.into_iter().map(|(id, head)| (id, head.seq)).collect())
    }

    /// The message that a user sent with a client id.
    pub(crate) async fn sent_with(
        &self,
        user: &UserId,
        session: SessionId,
        client_id: ClientId,
    ) -> Result<Option<MessageId>> {
        let used = self.inner.store.get(&ClientIds { session, user: user.clone(), client_id }).await?;
        Ok(used.map(|used| MessageId { session_id: session, seq: used.value.seq.unwrap_or(used.at) }))
    }
}
