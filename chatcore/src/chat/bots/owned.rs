//! Use cases of the users who own bots.

use std::time::Duration;

use crate::{
    chat::{
        Chat,
        decide::{departures::Departed, policy::Operation, validate::Faults},
        read::profiles,
    },
    error::{Error, Result},
    identity::Principal,
    limits::Use,
    model::{Bot, LoginId, UserId},
    store::{
        BotCommands, BotRecord, BotTokenUses, BotTokens, Bots, Change, ChatStoreExt as _, Found, OwnedBot,
        OwnedBotList, OwnedBots, ProfilePart, ProfileRecord, Profiles, StoreError, TypedKey as _, Write,
    },
    trace::use_case,
};
use chrono::SubsecRound as _;

/// Maximum number of bots of one owner.
pub const MAX_BOTS: usize = 20;

/// Maximum length of the name of a bot, in characters.
pub const MAX_BOT_NAME_CHARS: usize = 50;

/// The write of the list of an owner's bots, at the version that was read.
fn relisted(owner: &UserId, found: Option<&Found<OwnedBotList>>, list: OwnedBotList) -> Write {
    let key = OwnedBots { owner: owner.clone() };
    let write = if list.bots.is_empty() { key.remove() } else { key.put(list) };
    match found {
        Some(found) => write.at(found.version),
        None => write.absent(),
    }
}

/// The writes that forget a token.
pub(super) fn forgotten(bot: &UserId, token: LoginId, digest: &str) -> [Write; 2] {
    [BotTokens { digest: digest.to_owned() }.remove(), BotTokenUses { bot: bot.clone(), token }.remove()]
}

impl Chat {
    /// Whether the caller may manage bots: no bot owns bots.
    pub(super) async fn enter_owner(&self, principal: &Principal) -> Result<()> {
        self.enter(principal, Use::Request).await?;
        if self.is_bot(&principal.user_id).await? {
            return Err(Error::OutOfScope);
        }
        self.permit(principal, Operation::ManageBots).await
    }

    /// Whether a user is a bot.
    pub(in crate::chat) async fn is_bot(&self, user: &UserId) -> Result<bool> {
        let standings = &self.inner.standings;
        Ok(standings.get(user).await?.standing.is_bot || standings.fresh(user).await?.standing.is_bot)
    }

    /// Creates a bot, which the caller owns. A bot joins sessions like any user. The name need not be unique.
    ///
    /// # Errors
    /// [`Invalid`](Error::Invalid) for a name that is not one line of 1 to [`MAX_BOT_NAME_CHARS`] characters;
    /// [`LimitExceeded`](Error::LimitExceeded) for one more than [`MAX_BOTS`]; [`OutOfScope`](Error::OutOfScope) for a caller who is a bot.
    pub async fn create_bot(&self, principal: &Principal, name: &str) -> Result<Bot> {
        use_case!("create_bot", async move {
            self.enter_owner(principal).await?;
            let mut faults = Faults::default();
            faults.line("name", name, MAX_BOT_NAME_CHARS);
            faults.finish()?;
            let owner = &principal.user_id;
            let bot = UserId::new(format!("bot-{}", self.inner.clock.new_id())).map_err(|_| Error::Internal)?;
            let now = self.inner.clock.now().trunc_subsecs(6);
            let part = ProfilePart { text: name.trim().to_owned(), as_of: now };
            let profile = ProfileRecord {
                username: Some(part.clone()),
                name: Some(part),
                is_bot: true,
                ..ProfileRecord::unknown(bot.clone())
            };
            for _ in self.turns() {
                let found = self.inner.store.get(&OwnedBots { owner: owner.clone() }).await?;
                let mut list = found.as_ref().map(|found| OwnedBotList::clone(&found.value)).unwrap_or_default();
                if list.bots.len() >= MAX_BOTS {
                    return Err(Error::LimitExceeded { what: "the number of your bots", limit: MAX_BOTS as u64 });
                }
                list.bots.push(OwnedBot { id: bot.clone() });
                let record = BotRecord { owner: owner.clone(), created_at: now, tokens: Vec::new() };
                let mut writes = vec![
                    relisted(owner, found.as_ref(), list),
                    Bots { bot: bot.clone() }.put(record).absent(),
                    Profiles { user: bot.clone() }.put(profile.clone()).absent(),
                ];
                // Otherwise the deletion of the owner, which lists the bots, could miss this one.
                writes.push(self.hold(principal, owner, true).await?);
                writes.extend(self.standing_draft(&bot).await?.of_a_bot().writes());
                if self.try_commit(Change::of_records(writes)).await?.is_some() {
                    #[cfg(feature = "admin")]
                    self.inner.counts.add(crate::chat::Counted::Users, 1);
                    self.inner.profiles.forget(&bot);
                    self.inner.standings.changed(&bot).await;
                    return Ok(Bot { profile: profile.profile(), created_at: now });
                }
            }
            Err(Error::Unavailable)
        })
    }

    /// The caller's bots, the oldest first.
    ///
    /// # Errors
    /// [`OutOfScope`](Error::OutOfScope) for a caller who is a bot.
    pub async fn bots(&self, principal: &Principal) -> Result<Vec<Bot>> {
        use_case!("bots", async move {
            self.enter_owner(principal).await?;
            let bots = self.bots_of(&principal.user_id).await?;
            let keys: Vec<Bots> = bots.iter().map(|bot| Bots { bot: bot.clone() }).collect();
            let records = if keys.is_empty() { Vec::new() } else { self.inner.store.get_all(&keys).await? };
            let users = self.inner.profiles.find(bots.iter().collect()).await?;
            let one = |(bot, record): (&UserId, Option<Found<BotRecord>>)| {
                Some(Bot { profile: profiles::of(&users, bot), created_at: record?.value.created_at })
            };
            Ok(bots.iter().zip(records).filter_map(one).collect())
        })
    }

    /// Deletes a bot: the tokens of the bot end at once, the bot leaves all sessions, and the commands are removed. The messages stay, with
    /// the name of the bot.
    ///
    /// # Errors
    /// [`BotNotFound`](Error::BotNotFound) where the caller owns no such bot; [`OutcomeUnknown`](Error::OutcomeUnknown) where the bot has
    /// not left all sessions yet, or is still in the list of the caller's bots: a repeated call continues.
    pub async fn delete_bot(&self, principal: &Principal, bot: &UserId) -> Result<()> {
        use_case!("delete_bot", async move {
            self.enter_owner(principal).await?;
            self.own_bot(principal, bot).await?;
            self.remove_bot(&principal.user_id, bot).await
        })
    }

    /// Deletes a bot of an owner who wants that, or whose account is deleted. The same again goes on.
    pub(in crate::chat) async fn remove_bot(&self, owner: &UserId, bot: &UserId) -> Result<()> {
        // First, so that the bot is never without an owner. A bot cannot own another one, so this goes no deeper.
        if self.inner.standings.fresh(bot).await?.standing.deleted_at.is_none() {
            Box::pin(self.delete_account(bot, owner)).await?;
        } else {
            match Box::pin(self.depart(bot, None, Duration::ZERO)).await {
                Ok(Departed::Done) => {}
                // Deleting the bot again would take the work from the process that has it. After an error, the bot may have left sessions.
                Ok(Departed::Elsewhere) | Err(_) => return Err(Error::OutcomeUnknown),
            }
        }
        // The bot is deleted: an error must not say that nothing was changed.
        self.forget_bot(owner, bot).await.map_err(|_| Error::OutcomeUnknown)
    }

    /// Removes the records of a deleted bot.
    async fn forget_bot(&self, owner: &UserId, bot: &UserId) -> Result<()> {
        for _ in self.turns() {
            let found = self.inner.store.get(&OwnedBots { owner: owner.clone() }).await?;
            let record = self.inner.store.get(&Bots { bot: bot.clone() }).await?;
            let mut list = found.as_ref().map(|found| OwnedBotList::clone(&found.value)).unwrap_or_default();
            list.bots.retain(|owned| owned.id != *bot);
            let mut writes = vec![relisted(owner, found.as_ref(), list), BotCommands { bot: bot.clone() }.remove()];
            if let Some(record) = record {
                let tokens = record.value.tokens.iter();
                writes.extend(tokens.flat_map(|token| forgotten(bot, token.id, &token.digest)));
                writes.push(Bots { bot: bot.clone() }.remove().at(record.version));
            }
            if self.try_commit(Change::of_records(writes)).await?.is_some() {
                return Ok(());
            }
        }
        Err(Error::Unavailable)
    }

    /// A bot of the caller.
    pub(super) async fn own_bot(&self, principal: &Principal, bot: &UserId) -> Result<Found<BotRecord>> {
        let found = self.inner.store.get(&Bots { bot: bot.clone() }).await?;
        found.filter(|found| found.value.owner == principal.user_id).ok_or(Error::BotNotFound)
    }

    pub(in crate::chat) async fn bots_of(&self, owner: &UserId) -> Result<Vec<UserId>, StoreError> {
        let found = self.inner.store.get(&OwnedBots { owner: owner.clone() }).await?;
        Ok(found.map(|found| found.value.bots.iter().map(|owned| owned.id.clone()).collect()).unwrap_or_default())
    }

    /// A user's bots, for the export of the user's data.
    ///
    /// # Errors
    /// Those of the store.
    #[cfg(feature = "accounts")]
    pub(crate) async fn bots_for_export(&self, owner: &UserId) -> Result<Vec<(UserId, std::sync::Arc<BotRecord>)>> {
        let bots = self.bots_of(owner).await?;
        let keys: Vec<Bots> = bots.iter().map(|bot| Bots { bot: bot.clone() }).collect();
        let records = if keys.is_empty() { Vec::new() } else { self.inner.store.get_all(&keys).await? };
        Ok(bots.into_iter().zip(records).filter_map(|(bot, record)| Some((bot, record?.value))).collect())
    }
}
