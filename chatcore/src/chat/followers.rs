//! The users who begin to follow a thread because a message names them.

use std::collections::BTreeSet;

use super::{Chat, mentions::Addressed, threads::Place};
use crate::{
    error::Result,
    model::{Event, MessageBody, MessageId, SessionId, UserId},
    store::{ChatStoreExt as _, FollowRecord, Follows, Threads, TypedKey as _, Write},
};

/// The followers whom the writes of an edit add.
pub(super) fn added(writes: &[Write]) -> Vec<(UserId, MessageId)> {
    let follower = |write: &Write| {
        let Follows { user, session, root } =
            write.key.table.is(Follows::TABLE).then(|| Follows::from_parts(&write.key.parts)).flatten()?;
        Some((user, MessageId { session_id: session, seq: root }))
    };
    writes.iter().filter_map(follower).collect()
}

impl Chat {
    /// The place of a reply that names users: those who have no record follow the thread from then on. The first reply does the same for those
    /// whom the message that began the thread names.
    pub(super) async fn with_named(
        &self,
        mut place: Place,
        session: SessionId,
        author: &UserId,
        addressed: &Addressed,
    ) -> Result<Place> {
        let mut named: BTreeSet<UserId> = addressed.named().cloned().collect();
        if let Some(began) = &place.began {
            let users: Vec<UserId> = began.mentions.iter().filter_map(|mention| mention.user.clone()).collect();
            named.extend(self.participating(session, &users).await?);
        }
        named.remove(author);
        let root = MessageId { session_id: session, seq: place.reply.root };
        let writes = self.following(root, place.by.as_ref(), named, place.begins).await?;
        place.followers.extend(added(&writes).into_iter().map(|(user, _)| user));
        place.writes.extend(writes);
        Ok(place)
    }

    /// The writes that make users follow a thread whom an edit of one of its messages names for the first time.
    pub(super) async fn named_by_edit(
        &self,
        message: &Event,
        body: &MessageBody,
        new: &Addressed,
    ) -> Result<Vec<Write>> {
        let is_new = |user: &&UserId| !body.mentions.iter().any(|mention| mention.user.as_ref() == Some(*user));
        let mut named: BTreeSet<UserId> = new.named().filter(is_new).cloned().collect();
        named.remove(&message.actor);
        if named.is_empty() {
            return Ok(Vec::new());
        }
        let (session, root) = (message.session_id, body.reply.map_or(message.seq, |reply| reply.root));
        // A message without replies is followed by those whom it names once it has one.
        let Some(thread) = self.inner.store.get(&Threads { session, root }).await? else { return Ok(Vec::new()) };
        let begins = FollowRecord { follows: true, since: message.seq, number: 0 };
        self.following(MessageId { session_id: session, seq: root }, thread.value.by.as_ref(), named, begins).await
    }

    /// The records of those of the users who have none and did not begin the thread.
    async fn following(
        &self,
        MessageId { session_id: session, seq: root }: MessageId,
        by: Option<&UserId>,
        users: BTreeSet<UserId>,
        record: FollowRecord,
    ) -> Result<Vec<Write>> {
        let users = users.into_iter().filter(|user| by != Some(user));
        let keys: Vec<Follows> = users.map(|user| Follows { user, session, root }).collect();
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let found = self.inner.store.get_all(&keys).await?;
        let missing = keys.into_iter().zip(found).filter(|(_, found)| found.is_none());
        Ok(missing.map(|(key, _)| key.put(record).absent()).collect())
    }
}
