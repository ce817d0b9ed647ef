//! Use cases about dead letters: events that could not be delivered.

use chrono::SubsecRound as _;

use super::{DeadLetter, DeadLetterRecord, DeadLetters, Replay, Replays, Webhooks, secret::delivery_id};
use crate::{
    error::{Error, Result},
    identity::Principal,
    limits::Use,
    model::{ListPage, Seq, SessionId, WebhookId},
    store::{Change, ChatStoreExt as _, Found, KeyPart as _, Scan, StoreError, TypedKey as _, Write},
    trace::use_case,
};

fn shown(key: &DeadLetters, record: &DeadLetterRecord, is_requested: bool) -> DeadLetter {
    let DeadLetters { webhook: webhook_id, session: session_id, seq } = *key;
    let DeadLetterRecord { failure, attempts } = *record;
    let delivery_id = delivery_id(webhook_id, session_id, seq);
    DeadLetter { webhook_id, session_id, seq, delivery_id, failure, attempts, is_requested }
}

impl Webhooks {
    /// Refuses a caller who does not manage the session, and a webhook that it does not have.
    async fn manages(&self, principal: &Principal, session: SessionId, webhook: WebhookId) -> Result<()> {
        let (_, found) = self.chat().webhooks_of(principal, session).await?;
        let is_there = found.is_some_and(|found| found.value.find(webhook).is_some());
        if is_there { Ok(()) } else { Err(Error::WebhookNotFound) }
    }

    /// The dead letters of a webhook, in the order of their positions.
    ///
    /// # Errors
    /// As [`get`](Self::get); [`Invalid`](Error::Invalid) for a page outside of the limits.
    pub async fn dead_letters(
        &self,
        principal: &Principal,
        session: SessionId,
        webhook: WebhookId,
        after: Option<Seq>,
        limit: Option<u64>,
    ) -> Result<ListPage<DeadLetter, Seq>> {
        use_case!("webhooks.dead_letters", session, async move {
            self.chat().enter(principal, Use::Request).await?;
            let limit = self.chat().limits().page_limit(limit)?;
            self.manages(principal, session, webhook).await?;
            let prefix = vec![webhook.part(), session.part()];
            let after = after.map(|seq| vec![seq.part()]);
            let scan = DeadLetters::under(prefix).after(after).limit(limit.saturating_add(1));
            let page = self.letters(scan, limit).await?;
            Ok(ListPage { next: page.next.map(|key| key.seq), entries: page.entries })
        })
    }

    /// A page of the dead letters that a scan finds.
    pub(super) async fn letters(&self, scan: Scan, limit: u64) -> Result<ListPage<DeadLetter, DeadLetters>> {
        let found = self.store().list::<DeadLetters>(scan).await?;
        let page = ListPage::cut(found, limit, |(key, _)| key.clone());
        let asked = page.iter().map(|(key, _)| Replays { webhook: key.webhook, session: key.session, seq: key.seq });
        let asked = asked.collect::<Vec<_>>();
        let replays = self.store().get_all(&asked).await?;
        let requested: Vec<bool> = replays.iter().map(Option::is_some).collect();
        let one = |((key, found), is_requested): ((DeadLetters, Found<DeadLetterRecord>), bool)| {
            shown(&key, &found.value, is_requested)
        };
        Ok(page.map(|found| found.into_iter().zip(requested).map(one).collect()))
    }

    /// Requests a retry of a dead letter, beside the queue, as soon as the webhook is active. After a successful delivery, the event is no
    /// longer a dead letter. Two requests cause one attempt.
    ///
    /// # Errors
    /// As [`get`](Self::get); [`DeadLetterNotFound`](Error::DeadLetterNotFound) for an unknown dead letter.
    pub async fn retry_dead_letter(
        &self,
        principal: &Principal,
        session: SessionId,
        webhook: WebhookId,
        seq: Seq,
    ) -> Result<DeadLetter> {
        use_case!("webhooks.retry_dead_letter", session, async move {
            self.chat().enter(principal, Use::Request).await?;
            let key = DeadLetters { webhook, session, seq };
            for _ in 0..self.chat().limits().commit_attempts {
                self.manages(principal, session, webhook).await?;
                if let Some(letter) = self.wish(&key, Vec::new()).await? {
                    return Ok(letter);
                }
            }
            Err(Error::Unavailable)
        })
    }

    /// Writes the wish to try an event once more, with other writes; `None` where one of them does not hold.
    pub(super) async fn wish(&self, key: &DeadLetters, mut writes: Vec<Write>) -> Result<Option<DeadLetter>> {
        let DeadLetters { webhook, session, seq } = *key;
        let found = self.store().get(key).await?.ok_or(Error::DeadLetterNotFound)?;
        let replay = Replay { at: self.now().trunc_subsecs(6) };
        // Held, so that the wish does not outlive the event.
        writes.extend([key.hold(found.version), Replays { webhook, session, seq }.put(replay)]);
        match self.store().commit(Change::of_records(writes)).await {
            Ok(_) => {
                self.chat().bell().ring(session);
                Ok(Some(shown(key, &found.value, true)))
            }
            Err(StoreError::Conflict { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}
