//! Use cases about incoming webhooks. Each has a secret token, and whoever has the token posts messages into the session of the webhook.
//!
//! A token is random, and kept as its digest, so one read finds the place of a token's webhook. The webhook itself belongs to its session,
//! and each change of it governs. So the number of webhooks is exact, and no message is numbered after the deletion of its webhook: a post reads the
//! webhook after the facts that it is decided on, so a deletion that the post does not see makes the post stale.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, SubsecRound as _, TimeDelta, Utc};
use rand::{TryRng as _, rngs::SysRng};
use sha2::{Digest as _, Sha256};

use super::{
    Chat, MAX_AVATAR_URL_CHARS, SendMessage,
    decide::{govern::Known, policy::Operation, turns::behind, validate::Faults},
    emojis::is_https,
    read::profiles,
    send::{Right, Saying},
};
use crate::{
    error::{Code, Error, Result},
    identity::Principal,
    limits::{Origin, Use},
    model::{
        ClientId, Content, CreatedIncomingWebhook, EventKind, IncomingToken, IncomingWebhook, Message, MessageBody,
        NewEvent, Profile, SessionEvent, SessionId, SpeakerRole, UserId, WebhookId,
    },
    permission::{Action, Denial},
    store::{
        Bots, Change, ChatStoreExt as _, Found, Freshness, IncomingPlace, IncomingRecord, IncomingTokens,
        IncomingWebhooks, KeyPart as _, StoreError, TypedKey as _, WebhookAuthor, WebhookAuthors, Write,
    },
    trace::use_case,
};

/// Maximum number of incoming webhooks of a session.
pub const MAX_INCOMING_WEBHOOKS: usize = 10;

/// Maximum length of the name of an incoming webhook, in characters.
pub const MAX_WEBHOOK_NAME_CHARS: usize = 100;

/// Random bytes of a token.
const TOKEN_BYTES: usize = 32;

/// How old the noted time of the last use may be.
const NOTED_EVERY: TimeDelta = TimeDelta::minutes(1);

/// The settings of a new incoming webhook.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CreateIncomingWebhook {
    /// The author name of the webhook's messages: a line of 1 to [`MAX_WEBHOOK_NAME_CHARS`] characters. The name need not be unique.
    pub name: String,
    /// The address of the author's picture: `https://…`, at most [`MAX_AVATAR_URL_CHARS`] characters.
    pub avatar_url: Option<String>,
}

/// Changes of an incoming webhook. A field with `None` does not change.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[allow(clippy::option_option, reason = "the two levels mean different things")]
pub struct UpdateIncomingWebhook {
    /// As [`CreateIncomingWebhook::name`]. The new name applies to all messages of the webhook.
    pub name: Option<String>,
    /// As [`CreateIncomingWebhook::avatar_url`]; `Some(None)` removes it.
    pub avatar_url: Option<Option<String>>,
}

/// A message of an incoming webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostToWebhook {
    /// The content.
    pub content: Content,
    /// The speaker.
    pub role: SpeakerRole,
    /// The idempotency key of the message, unique for each webhook, as for [`SendMessage::client_id`].
    pub client_id: Option<ClientId>,
}

impl PostToWebhook {
    /// A text.
    pub fn text(text: impl Into<String>) -> Self {
        Self { content: Content::Text(text.into()), role: SpeakerRole::default(), client_id: None }
    }

    /// Sets the client id.
    #[must_use]
    pub fn with_client_id(self, client_id: ClientId) -> Self {
        Self { client_id: Some(client_id), ..self }
    }
}

/// A holder of a token that [`Chat::admit_webhook`] admitted for one message.
#[derive(Debug)]
pub struct IncomingCaller {
    key: IncomingTokens,
    place: Found<IncomingPlace>,
    /// Who answers for the webhook: its creator, or the owner of the bot that created it.
    creator: UserId,
}

impl IncomingCaller {
    /// The webhook that posts.
    #[must_use]
    pub fn webhook(&self) -> WebhookId {
        self.place.value.webhook
    }

    /// The session into which the webhook posts.
    #[must_use]
    pub fn session(&self) -> SessionId {
        self.place.value.session
    }

    /// The author of the message. No user has this id.
    #[must_use]
    pub fn author(&self) -> UserId {
        self.webhook().author()
    }
}

impl IncomingToken {
    fn random() -> Result<Self> {
        let mut bytes = [0; TOKEN_BYTES];
        SysRng.try_fill_bytes(&mut bytes).map_err(|error| {
            tracing::error!(%error, "the operating system gives no random bytes");
            Error::Internal
        })?;
        Ok(Self::new(format!("{}{}", Self::PREFIX, URL_SAFE_NO_PAD.encode(bytes))))
    }

    /// The key of its record; `None` for a text that was never a token.
    fn key(&self) -> Option<IncomingTokens> {
        let random = self.as_str().strip_prefix(Self::PREFIX)?;
        let is_whole = URL_SAFE_NO_PAD.decode(random).is_ok_and(|bytes| bytes.len() == TOKEN_BYTES);
        is_whole.then(|| IncomingTokens { digest: URL_SAFE_NO_PAD.encode(Sha256::digest(self.as_str())) })
    }
}

type Entry = (IncomingWebhooks, Found<IncomingRecord>);

/// What a change does, and its answer. Without writes nothing changes.
type Planned<T> = (Vec<Write>, T);

fn entry(found: &[Entry], webhook: WebhookId) -> Result<&Entry> {
    found.iter().find(|(key, _)| key.webhook == webhook).ok_or(Error::WebhookNotFound)
}

fn author(webhook: WebhookId, record: &IncomingRecord, updated_at: DateTime<Utc>) -> Write {
    let (name, avatar_url) = (record.name.clone(), record.avatar_url.clone());
    WebhookAuthors { webhook }.put(WebhookAuthor { name, avatar_url, updated_at })
}

fn check(name: Option<&str>, avatar_url: Option<&str>) -> Result<()> {
    let mut faults = Faults::default();
    if let Some(name) = name {
        faults.line("name", name, MAX_WEBHOOK_NAME_CHARS);
    }
    if let Some(url) = avatar_url {
        faults.text("avatar_url", url, MAX_AVATAR_URL_CHARS, false);
        if !is_https(url) {
            faults.add("avatar_url", Code::ValidationInvalidValue, "an address that begins with https://".to_owned());
        }
    }
    faults.finish()
}

fn shown(
    &IncomingWebhooks { session, webhook }: &IncomingWebhooks,
    record: &IncomingRecord,
    creator: Profile,
    last_used_at: Option<DateTime<Utc>>,
) -> IncomingWebhook {
    let IncomingRecord { digest: _, name, avatar_url, by: _, created_at } = record.clone();
    let created_by = profiles::public(creator);
    IncomingWebhook { id: webhook, session_id: session, name, avatar_url, created_by, created_at, last_used_at }
}

impl Chat {
    /// Creates an incoming webhook. Only this answer contains the token: the chat stores the digest of the token.
    ///
    /// # Errors
    /// [`Denied`](Error::Denied) when the caller may not; [`Invalid`](Error::Invalid) for a name or an address that is not acceptable;
    /// [`LimitExceeded`](Error::LimitExceeded) for one more than [`MAX_INCOMING_WEBHOOKS`].
    pub async fn create_incoming_webhook(
        &self,
        principal: &Principal,
        session: SessionId,
        new: CreateIncomingWebhook,
    ) -> Result<CreatedIncomingWebhook> {
        use_case!("create_incoming_webhook", session, async move {
            self.enter(principal, Use::Request).await?;
            let CreateIncomingWebhook { name, avatar_url } = new;
            check(Some(&name), avatar_url.as_deref())?;
            let (webhook, token, by) =
                (WebhookId(self.inner.clock.new_id()), IncomingToken::random()?, &principal.user_id);
            let place = token.key().ok_or(Error::Internal)?;
            // Before the commit, because an error after it would say that nothing was changed.
            let creator = self.inner.profiles.one(by).await?;
            let plan = |found: &[Entry], now| {
                if found.len() >= MAX_INCOMING_WEBHOOKS {
                    let limit = MAX_INCOMING_WEBHOOKS as u64;
                    return Err(Error::LimitExceeded { what: "the number of incoming webhooks of one session", limit });
                }
                let (key, digest) = (IncomingWebhooks { session, webhook }, place.digest.clone());
                let (name, avatar_url) = (name.clone(), avatar_url.clone());
                let record = IncomingRecord { digest, name, avatar_url, by: by.clone(), created_at: now };
                let webhook_of_token = IncomingPlace { session, webhook, used_at: None };
                let shown = shown(&key, &record, creator.clone(), None);
                let author = author(webhook, &record, now);
                let writes = vec![key.put(record).absent(), place.put(webhook_of_token).absent(), author];
                Ok((writes, CreatedIncomingWebhook { webhook: shown, token: token.clone() }))
            };
            self.change_incoming(principal, session, webhook, plan).await
        })
    }

    /// The incoming webhooks of a session in the order of creation, without their tokens.
    ///
    /// # Errors
    /// [`Denied`](Error::Denied) when the caller may not.
    pub async fn incoming_webhooks(&self, principal: &Principal, session: SessionId) -> Result<Vec<IncomingWebhook>> {
        use_case!("incoming_webhooks", session, async move {
            self.enter(principal, Use::Request).await?;
            for _ in self.turns() {
                let Some((_, found)) = self.managed(principal, session).await? else { continue };
                let key = |(_, found): &Entry| IncomingTokens { digest: found.value.digest.clone() };
                let places = self.inner.store.get_all(&found.iter().map(key).collect::<Vec<_>>()).await?;
                let creators = found.iter().map(|(_, found)| &found.value.by).collect();
                let creators = self.inner.profiles.find(creators).await?;
                let show = |((key, found), place): (&Entry, Option<Found<IncomingPlace>>)| {
                    let creator = profiles::of(&creators, &found.value.by);
                    shown(key, &found.value, creator, place.and_then(|place| place.value.used_at))
                };
                return Ok(found.iter().zip(places).map(show).collect());
            }
            Err(behind(session, "a list of incoming webhooks"))
        })
    }

    /// Changes the name or the picture of an incoming webhook. The change applies to all messages of the webhook. A repeated call changes
    /// nothing.
    ///
    /// # Errors
    /// [`Denied`](Error::Denied) when the caller may not; [`WebhookNotFound`](Error::WebhookNotFound) where the session has no such webhook;
    /// [`Invalid`](Error::Invalid) for a name or an address that is not acceptable.
    pub async fn update_incoming_webhook(
        &self,
        principal: &Principal,
        session: SessionId,
        webhook: WebhookId,
        changes: UpdateIncomingWebhook,
    ) -> Result<IncomingWebhook> {
        use_case!("update_incoming_webhook", session, async move {
            self.enter(principal, Use::Request).await?;
            let UpdateIncomingWebhook { name, avatar_url } = changes;
            check(name.as_deref(), avatar_url.as_ref().and_then(Option::as_deref))?;
            let plan = |found: &[Entry], now| {
                let (key, before) = entry(found, webhook)?;
                let mut record = (*before.value).clone();
                record.name = name.clone().unwrap_or(record.name);
                record.avatar_url = avatar_url.clone().unwrap_or(record.avatar_url);
                if record == *before.value {
                    return Ok((Vec::new(), record));
                }
                let writes = vec![author(webhook, &record, now), key.put(record.clone()).at(before.version)];
                Ok((writes, record))
            };
            let record = self.change_incoming(principal, session, webhook, plan).await?;
            let place = IncomingTokens { digest: record.digest.clone() };
            let place = self.inner.store.get(&place).await.map_err(|_| Error::OutcomeUnknown)?;
            let creator = self.inner.profiles.one(&record.by).await.map_err(|_| Error::OutcomeUnknown)?;
            let used_at = place.and_then(|place| place.value.used_at);
            Ok(shown(&IncomingWebhooks { session, webhook }, &record, creator, used_at))
        })
    }

    /// Deletes an incoming webhook: the token accepts no further post. The messages of the webhook stay, with the webhook's name.
    ///
    /// # Errors
    /// [`Denied`](Error::Denied) when the caller may not; [`WebhookNotFound`](Error::WebhookNotFound) where the session has no such webhook.
    pub async fn delete_incoming_webhook(
        &self,
        principal: &Principal,
        session: SessionId,
        webhook: WebhookId,
    ) -> Result<()> {
        use_case!("delete_incoming_webhook", session, async move {
            self.enter(principal, Use::Request).await?;
            let plan = |found: &[Entry], _| {
                let (key, found) = entry(found, webhook)?;
                let token = IncomingTokens { digest: found.value.digest.clone() };
                Ok((vec![key.remove().at(found.version), token.remove()], ()))
            };
            self.change_incoming(principal, session, webhook, plan).await
        })
    }

    /// Admits the holder of a token for one message, before the message is read. The message counts against the webhook, and against all
    /// webhooks of its creator together. A wrong token counts against the caller of the request, or against its address.
    ///
    /// # Errors
    /// [`WebhookNotFound`](Error::WebhookNotFound) for a wrong token, for the token of a deleted webhook or session, and while the account
    /// of the webhook's creator is banned; [`RateLimited`](Error::RateLimited) for a message or a wrong token beyond the limit.
    pub async fn admit_webhook(&self, origin: Origin, token: &IncomingToken) -> Result<IncomingCaller> {
        use_case!("admit_webhook", async move {
            match self.webhook_of(token).await? {
                Some(caller) => {
                    self.charge_webhook(&caller.author(), &caller.creator).await?;
                    Ok(caller)
                }
                None => {
                    self.enter_open(origin).await?;
                    Err(Error::WebhookNotFound)
                }
            }
        })
    }

    /// Posts a message into the session of a webhook. The author of the message is the webhook, which is not a participant. The message
    /// mentions nobody, and slow mode does not apply; the host's policies check the message.
    ///
    /// # Errors
    /// [`Invalid`](Error::Invalid) for content outside of the limits; [`WebhookNotFound`](Error::WebhookNotFound) where the webhook or the
    /// session was deleted meanwhile, or the account of the creator was banned; [`Denied`](Error::Denied) while the session is archived; [`ClientIdReused`](Error::ClientIdReused) when
    /// the client id stands for a different message; [`MessageHeld`](Error::MessageHeld) and those of the host's policies.
    pub async fn post_to_webhook(&self, caller: IncomingCaller, post: PostToWebhook) -> Result<Message> {
        use_case!("post_to_webhook", caller.session(), async move {
            let PostToWebhook { content, role, client_id } = post;
            let mut faults = Faults::default();
            faults.content(&content, &self.inner.limits);
            faults.finish()?;
            let body = MessageBody { role, ..MessageBody::new(content) };
            let message = SendMessage { client_id, ..SendMessage::new(body) };
            let saying = Saying::new(message, Right::Webhook(caller.webhook()))?;
            let sent = self.say(&Principal::new(caller.author()), caller.session(), saying).await?;
            self.note_use(caller).await;
            Ok(sent)
        })
    }

    /// Facts on which a webhook may post a message.
    pub(super) async fn postable(
        &self,
        (session, webhook): (SessionId, WebhookId),
        author: &Principal,
        body: &MessageBody,
        freshness: Freshness,
    ) -> Result<Known> {
        let is_archived = |known: &Known| known.session.as_ref().is_some_and(|found| found.archived_at.is_some());
        let mut known = self.active(session, &author.user_id, freshness).await.map_err(gone)?;
        if is_archived(&known) && freshness == Freshness::Cached {
            known = self.active(session, &author.user_id, Freshness::Fresh).await.map_err(gone)?;
        }
        let Some(found) = self.inner.store.get(&IncomingWebhooks { session, webhook }).await? else {
            return Err(Error::WebhookNotFound);
        };
        // Also for a message that waited for its approval meanwhile.
        if self.answerable(&found.value.by).await?.is_none() {
            return Err(Error::WebhookNotFound);
        }
        if is_archived(&known) {
            return Err(Error::Denied(Denial::Archived));
        }
        if self.must_permit(author) {
            let (session, body) = (known.session()?, Some(body));
            let send = Operation::InSession { session, participant: None, action: Action::Send, target: None, body };
            self.permit(author, send).await?;
        }
        Ok(known)
    }

    /// The webhook of a token; `None` where there is none, its session was deleted, or the account of its creator is banned. A webhook stays
    /// when its creator leaves the session, and after the deletion of the account. The owner of a bot counts as the creator, too.
    async fn webhook_of(&self, token: &IncomingToken) -> Result<Option<IncomingCaller>> {
        let Some(key) = token.key() else { return Ok(None) };
        let Some(place) = self.inner.store.get(&key).await? else { return Ok(None) };
        let IncomingPlace { session, webhook, used_at: _ } = *place.value;
        let Some(record) = self.inner.store.get(&IncomingWebhooks { session, webhook }).await? else { return Ok(None) };
        let Some(creator) = self.answerable(&record.value.by).await? else { return Ok(None) };
        let caller = IncomingCaller { key, place, creator };
        match self.active(caller.session(), &caller.author(), Freshness::Cached).await {
            Ok(_) => Ok(Some(caller)),
            Err(Error::Denied(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Who answers for a webhook that a user created: this user, or the owner of this bot. `None` while the account of one of them is banned.
    async fn answerable(&self, by: &UserId) -> Result<Option<UserId>> {
        let bot = self.inner.store.get(&Bots { bot: by.clone() }).await?;
        let creator = bot.map_or_else(|| by.clone(), |bot| bot.value.owner.clone());
        for user in [by, &creator] {
            let standing = self.inner.standings.get(user).await?.standing;
            if standing.banned_at(self.inner.clock.now()).is_some() {
                return Ok(None);
            }
        }
        Ok(Some(creator))
    }

    /// Notes the time of a post. The message is sent, so a failure is not told.
    async fn note_use(&self, IncomingCaller { key, place, creator: _ }: IncomingCaller) {
        let now = self.inner.clock.now().trunc_subsecs(6);
        if place.value.used_at.is_some_and(|at| profiles::is_younger(at, now, NOTED_EVERY)) {
            return;
        }
        let used = key.put(IncomingPlace { used_at: Some(now), ..*place.value }).at(place.version);
        match self.inner.store.commit(Change::of_records(vec![used])).await {
            // Another post has noted its time, or the webhook was deleted.
            Ok(_) | Err(StoreError::Conflict { .. }) => {}
            Err(error) => tracing::warn!(%error, "the use of an incoming webhook is not noted"),
        }
    }

    /// The facts on which somebody manages the incoming webhooks of a session, and the webhooks; `None` where the webhooks changed after the
    /// decision.
    async fn managed(&self, principal: &Principal, session: SessionId) -> Result<Option<(Known, Vec<Entry>)>> {
        let known = self.allowed(session, principal, Action::ManageWebhooks, Freshness::Fresh).await?;
        let limit = (MAX_INCOMING_WEBHOOKS as u64).saturating_add(1);
        let scan = IncomingWebhooks::under(vec![session.part()]).limit(limit);
        let found = self.inner.store.list::<IncomingWebhooks>(scan).await?;
        let is_later = found.iter().any(|(_, found)| found.at > known.head.seq);
        Ok((!is_later).then_some((known, found)))
    }

    /// Changes an incoming webhook of a session, and tells the participants that it changed.
    async fn change_incoming<T>(
        &self,
        principal: &Principal,
        session: SessionId,
        webhook_id: WebhookId,
        plan: impl Fn(&[Entry], DateTime<Utc>) -> Result<Planned<T>> + Send + Sync,
    ) -> Result<T> {
        let gate = self.inner.gates.pass(session).await;
        for _ in self.turns() {
            let Some((known, found)) = self.managed(principal, session).await? else { continue };
            let now = self.inner.clock.now().max(known.head.at).trunc_subsecs(6);
            let (writes, answer) = plan(&found, now)?;
            if writes.is_empty() {
                return Ok(answer);
            }
            let kind = EventKind::Session(SessionEvent::WebhookChanged { webhook_id });
            let event = NewEvent { actor: principal.user_id.clone(), created_at: now, kind };
            let change = Change::of(session, known.head.seq, vec![event], writes);
            let Some(committed) = self.try_commit(change).await? else { continue };
            drop(gate);
            self.inner.profiles.forget(&webhook_id.author());
            self.tell(session, &committed.events).await;
            return Ok(answer);
        }
        Err(behind(session, "a change of an incoming webhook"))
    }
}

/// Of a deleted session its webhooks tell nothing.
fn gone(error: Error) -> Error {
    if matches!(error, Error::Denied(_)) { Error::WebhookNotFound } else { error }
}
