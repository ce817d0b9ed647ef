//! Finds webhooks with something to do: by what the worker heard, and by a look at the records.

use std::{collections::HashMap, iter, sync::Arc};

use chrono::{DateTime, Utc};

use super::{
    DeadLetters, Deliveries, Delivery, DeliveryState, Endpoint, Endpoints, Replays, ServerDeliveries, ServerWebhooks,
    SessionWebhooks, Unsent, UnsentMark, WebhookList, Webhooks, target::Target,
};
use crate::{
    error::Result,
    model::{SessionId, WebhookId},
    store::{Change, ChatStoreExt as _, Found, KeyPart as _, Part, Scan, StoreError, TypedKey, Version, Write},
};

/// Records that are read at once.
const PAGE: u64 = 200;

/// Deliveries of webhooks of the server that a sweep begins. The next one begins others.
const BEGUN: usize = 1_000;

/// Records of a deleted webhook of the server that a sweep removes, in parts of a [`PAGE`].
const PARTS: usize = 20;

/// Whether it may be worked on, and it is no other process' turn.
fn is_free(delivery: &Delivery, now: DateTime<Utc>) -> bool {
    let is_alive = match delivery.state {
        DeliveryState::Active | DeliveryState::Removed => true,
        DeliveryState::Paused | DeliveryState::Gone | DeliveryState::Unknown => false,
    };
    let times = [delivery.leased_until, delivery.next_attempt_at];
    is_alive && times.into_iter().flatten().all(|time| time <= now)
}

/// How often the next event of a session was tried, and when an event of the session last failed. Of the sessions that may ask whether a
/// receiver is back, the one with the least does, so that no event which alone fails asks each time.
type Turn = (u32, Option<DateTime<Utc>>);

/// A webhook of the server that is asked now.
struct Due {
    webhook: WebhookId,
    /// Whether one session asks if the receiver is back.
    is_probed: bool,
}

impl Webhooks {
    /// The webhooks of sessions in which something was committed.
    pub(super) async fn rung(&self, sessions: &[SessionId]) -> Result<Vec<Target>> {
        let keys: Vec<_> = sessions.iter().map(|session| SessionWebhooks { session: *session }).collect();
        let found = self.store().get_all(&keys).await?;
        let of = |(key, found): (SessionWebhooks, Option<Found<WebhookList>>)| {
            let webhooks = found.map(|found| found.value.webhooks.iter().map(|webhook| webhook.id).collect::<Vec<_>>());
            webhooks.unwrap_or_default().into_iter().map(move |webhook| Target::of_session(webhook, key.session))
        };
        let mut targets: Vec<Target> = keys.into_iter().zip(found).flat_map(of).collect();
        if self.chat().bell().marker().is_on() {
            let (list, _) = self.of_server().await?;
            let of = |session: &SessionId| {
                let session = *session;
                list.webhooks.iter().map(move |webhook| Target::of_server(webhook.id, session))
            };
            targets.extend(sessions.iter().flat_map(of));
        }
        Ok(targets)
    }

    /// The webhooks of the server, and the version of their record.
    pub(super) async fn of_server(&self) -> Result<(Arc<WebhookList>, Option<Version>)> {
        let found = self.store().get(&ServerWebhooks::all()).await?;
        Ok(found.map(|found| (found.value, Some(found.version))).unwrap_or_default())
    }

    /// The webhooks with something to do.
    pub(super) async fn swept(&self) -> Result<Vec<Target>> {
        let mut due = Vec::new();
        let mut after = None;
        loop {
            let scan = Deliveries::under(Vec::new()).after(after.take()).limit(PAGE);
            let found = self.store().list::<Deliveries>(scan).await?;
            let is_last = (found.len() as u64) < PAGE;
            after = found.last().map(|(key, _)| key.parts());
            for (key, _) in &found {
                self.chat().bell().watch(key.session);
            }
            due.extend(self.behind(found).await?);
            if is_last {
                break;
            }
        }
        let (list, version) = self.of_server().await?;
        due.extend(self.swept_of_server(&list, version).await?);
        due.extend(self.replayed(&list).await?);
        Ok(due)
    }

    /// The webhooks with dead letters that somebody wants to be tried again.
    async fn replayed(&self, of_server: &WebhookList) -> Result<Vec<Target>> {
        let mut found = Vec::new();
        let mut after = None;
        loop {
            let scan = Replays::under(Vec::new()).after(after.take()).limit(1);
            let Some((Replays { webhook, session, .. }, _)) = self.store().list::<Replays>(scan).await?.pop() else {
                return Ok(found);
            };
            found.push(match of_server.find(webhook) {
                Some(_) => Target::of_server(webhook, session),
                None => Target::of_session(webhook, session),
            });
            // The next webhook.
            after = Some(Replays { webhook, session, seq: Part::MAX_NUMBER }.parts());
        }
    }

    /// Those of webhooks that are behind the log, and not another process' turn.
    async fn behind(&self, found: Vec<(Deliveries, Found<Delivery>)>) -> Result<Vec<Target>> {
        let now = self.now();
        let found: Vec<_> = found.into_iter().filter(|(_, found)| is_free(&found.value, now)).collect();
        if found.is_empty() {
            return Ok(Vec::new());
        }
        let sessions: Vec<SessionId> = found.iter().map(|(key, _)| key.session).collect();
        let ends = self.chat().ends_of(&sessions).await?;
        let behind = found
            .into_iter()
            .zip(ends)
            .filter(|((_, found), end)| found.value.state == DeliveryState::Removed || *end > found.value.upto);
        Ok(behind.map(|((key, _), _)| Target::of_session(key.webhook, key.session)).collect())
    }

    /// The sessions with something to do for webhooks of the server. It also switches the marks, and removes what deleted webhooks left.
    async fn swept_of_server(&self, list: &WebhookList, version: Option<Version>) -> Result<Vec<Target>> {
        let (bell, is_on) = (self.chat().bell(), !list.webhooks.is_empty());
        let was_on = bell.marker().switch(is_on);
        let unmarked = bell.unmarked();
        if is_on && !was_on {
            self.mark(&unmarked).await?;
        }
        let now = self.now();
        let mut due = Vec::new();
        for (Endpoints { webhook }, found) in self.store().list::<Endpoints>(Endpoints::under(Vec::new())).await? {
            let Endpoint { state, failures, .. } = *found.value;
            if state == DeliveryState::Removed {
                self.clean(webhook, found.version).await?;
            } else if found.value.is_due(now) {
                due.push(Due { webhook, is_probed: failures > 0 });
            }
        }
        if !is_on {
            // A webhook that is created meanwhile keeps its marks.
            let held = version.map(|version| ServerWebhooks::all().hold(version));
            if held.is_some() {
                self.remove_all::<Unsent>(Vec::new(), held).await?;
            }
            return Ok(Vec::new());
        }
        if due.is_empty() { Ok(Vec::new()) } else { self.unsent(list, &due).await }
    }

    /// Marks sessions in which something was committed before this process knew of the first webhook of the server.
    async fn mark(&self, sessions: &[SessionId]) -> Result<()> {
        for part in sessions.chunks(usize::try_from(PAGE).unwrap_or(usize::MAX)) {
            let writes = part.iter().map(|session| Unsent { session: *session }.put(UnsentMark {})).collect();
            self.store().commit(Change::of_records(writes)).await?;
        }
        Ok(())
    }

    /// Looks at the sessions with marks.
    async fn unsent(&self, list: &WebhookList, due: &[Due]) -> Result<Vec<Target>> {
        let mut targets: Vec<Target> = Vec::new();
        let mut probes: HashMap<WebhookId, (Turn, Target)> = HashMap::new();
        let mut after = None;
        loop {
            let scan = Unsent::under(Vec::new()).after(after.take()).limit(PAGE);
            let marks = self.store().list::<Unsent>(scan).await?;
            let is_last = (marks.len() as u64) < PAGE;
            after = marks.last().map(|(key, _)| key.parts());
            for (target, turn) in self.waiting(list, marks).await? {
                let due = due.iter().find(|due| due.webhook == target.webhook);
                let (Some(due), Some(turn)) = (due, turn) else { continue };
                if due.is_probed {
                    let probe = probes.entry(due.webhook).or_insert((turn, target));
                    if turn < probe.0 {
                        *probe = (turn, target);
                    }
                } else {
                    targets.push(target);
                }
            }
            if is_last || targets.len() >= BEGUN {
                targets.extend(probes.into_values().map(|(_, target)| target));
                return Ok(targets);
            }
        }
    }

    /// What is not delivered in sessions, each with its turn where it may be worked on now. A session in which everything is loses its mark.
    async fn waiting(
        &self,
        list: &WebhookList,
        marks: Vec<(Unsent, Found<UnsentMark>)>,
    ) -> Result<Vec<(Target, Option<Turn>)>> {
        let now = self.now();
        let sessions: Vec<SessionId> = marks.iter().map(|(key, _)| key.session).collect();
        let of = |session: &SessionId| {
            let session = *session;
            list.webhooks.iter().map(move |webhook| ServerDeliveries { webhook: webhook.id, session })
        };
        let keys: Vec<ServerDeliveries> = sessions.iter().flat_map(of).collect();
        let mut found = keys.iter().zip(self.store().get_all(&keys).await?);
        let ends = self.chat().ends_of(&sessions).await?;
        let mut waiting = Vec::new();
        for ((mark, marked), end) in marks.into_iter().zip(ends) {
            let before = waiting.len();
            for (key, delivery) in found.by_ref().take(list.webhooks.len()) {
                let target = Target::of_server(key.webhook, key.session);
                match delivery {
                    None => waiting.push((target, Some((0, None)))),
                    Some(delivery) if delivery.value.upto < end => {
                        let Delivery { attempts, last_failure, .. } = *delivery.value;
                        let turn = (attempts, last_failure.map(|failure| failure.at));
                        waiting.push((target, is_free(&delivery.value, now).then_some(turn)));
                    }
                    Some(_) => {}
                }
            }
            if waiting.len() == before {
                self.try_commit(vec![mark.remove().at(marked.version)]).await?;
            }
        }
        Ok(waiting)
    }

    /// Removes what a deleted webhook of the server left; the rest with the next sweep.
    async fn clean(&self, webhook: WebhookId, version: Version) -> Result<()> {
        let of = || vec![webhook.part()];
        let is_empty = self.remove_all::<ServerDeliveries>(of(), None).await?
            && self.remove_all::<DeadLetters>(of(), None).await?
            && self.remove_all::<Replays>(of(), None).await?;
        if is_empty {
            self.try_commit(vec![Endpoints { webhook }.remove().at(version)]).await?;
        }
        Ok(())
    }

    /// Removes the records under a prefix, while something is held. Gives whether none is left.
    async fn remove_all<K: TypedKey>(&self, prefix: Vec<Part>, held: Option<Write>) -> Result<bool> {
        let scans = iter::repeat_with(|| -> Scan { K::under(prefix.clone()).limit(PAGE) });
        for scan in scans.take(PARTS) {
            let found = self.store().list::<K>(scan).await?;
            if found.is_empty() {
                return Ok(true);
            }
            let writes = found.iter().map(|(key, _)| key.remove()).chain(held.clone()).collect();
            self.try_commit(writes).await?;
        }
        Ok(false)
    }

    /// Writes records, unless somebody else wrote them meanwhile.
    async fn try_commit(&self, writes: Vec<Write>) -> Result<()> {
        match self.store().commit(Change::of_records(writes)).await {
            Ok(_) | Err(StoreError::Conflict { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}
