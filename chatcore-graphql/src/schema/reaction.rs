//! Reactions to messages and emojis of sessions, with their queries and mutations.

use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};
use chatcore::{
    Error,
    chat::MAX_EMOJIS,
    model::{self, Emoji, EmojiName},
};

use super::{
    Fallible as _, Use,
    connection::{List, ReactorConnection, listed},
    scalar::{DateTime, Long, message_id, session_id},
    user::User,
};

/// The reactions of one kind to a message.
#[derive(Debug, Clone)]
pub(super) struct Reaction(pub(super) model::Reaction);

/// The reactions of one kind to a message.
#[Object]
impl Reaction {
    /// The emoji.
    async fn emoji(&self) -> &str {
        self.0.emoji.as_str()
    }

    /// The number of users who reacted with the emoji.
    async fn count(&self) -> Long {
        Long(self.0.count)
    }

    /// Whether the caller reacted with the emoji.
    async fn me(&self) -> bool {
        self.0.mine
    }
}

/// A user who reacted to a message.
#[derive(Debug, Clone)]
pub(super) struct Reactor(pub(super) model::Reactor);

/// A user who reacted to a message.
#[Object]
impl Reactor {
    /// The user.
    async fn user(&self) -> User {
        User(self.0.user.clone())
    }

    /// When the user reacted.
    async fn reacted_at(&self) -> DateTime {
        DateTime(self.0.reacted_at)
    }
}

/// A reaction to add.
#[derive(InputObject)]
struct AddReactionInput {
    /// The message.
    message_id: ID,
    /// Exactly one emoji of Unicode, or `:name:` where the session has an emoji of that name.
    emoji: String,
}

/// A reaction to remove.
#[derive(InputObject)]
struct RemoveReactionInput {
    /// The message.
    message_id: ID,
    /// The emoji of the reaction.
    emoji: String,
}

/// The message that has the reaction.
#[derive(SimpleObject)]
struct AddReactionPayload {
    /// Its id.
    message_id: ID,
}

/// The message that does not have the reaction.
#[derive(SimpleObject)]
struct RemoveReactionPayload {
    /// Its id.
    message_id: ID,
}

/// A custom emoji of a session.
#[derive(SimpleObject)]
struct SessionEmoji {
    /// The name, without colons. Users react with `:name:`.
    name: String,
    /// The address of the picture; null where the server does not know the address.
    url: Option<String>,
}

/// An emoji to add to a session.
#[derive(InputObject)]
struct AddEmojiInput {
    /// The session.
    session_id: ID,
    /// The name: 2 to 32 of the characters `a` to `z`, `0` to `9`, `_`, `+` and `-`.
    name: String,
    /// The address of the picture: at most 2,048 characters, beginning with `https://`.
    url: Option<String>,
}

/// An emoji to remove from a session.
#[derive(InputObject)]
struct RemoveEmojiInput {
    /// The session.
    session_id: ID,
    /// The name of the emoji.
    name: String,
}

/// The session that has the emoji.
#[derive(SimpleObject)]
struct AddEmojiPayload {
    /// Its id.
    session_id: ID,
}

/// The session that does not have the emoji.
#[derive(SimpleObject)]
struct RemoveEmojiPayload {
    /// Its id.
    session_id: ID,
}

fn emoji(text: &str) -> chatcore::Result<Emoji> {
    text.parse().map_err(|error: model::InvalidId| Error::malformed("emoji", error.expected))
}

fn emoji_name(text: &str) -> chatcore::Result<EmojiName> {
    text.parse().map_err(|error: model::InvalidId| Error::malformed("name", error.expected))
}

/// Mutations of reactions.
#[derive(Default)]
pub(super) struct ReactionMutation;

/// Mutations of reactions.
#[Object]
impl ReactionMutation {
    /// React to a message. For everybody in the session but viewers. A message has at most 20 kinds of reactions. Reacting again with
    /// the same emoji changes nothing.
    async fn add_reaction(&self, context: &Context<'_>, input: AddReactionInput) -> Result<Option<AddReactionPayload>> {
        let call = Use::of(context)?;
        let id = message_id(&input.message_id).or_field_error()?;
        let emoji = emoji(&input.emoji).or_field_error()?;
        call.chat.add_reaction(call.principal, id, &emoji).await.or_field_error()?;
        Ok(Some(AddReactionPayload { message_id: input.message_id }))
    }

    /// Remove a reaction of the caller. Without a reaction, nothing changes.
    async fn remove_reaction(
        &self,
        context: &Context<'_>,
        input: RemoveReactionInput,
    ) -> Result<Option<RemoveReactionPayload>> {
        let call = Use::of(context)?;
        let id = message_id(&input.message_id).or_field_error()?;
        let emoji = emoji(&input.emoji).or_field_error()?;
        call.chat.remove_reaction(call.principal, id, &emoji).await.or_field_error()?;
        Ok(Some(RemoveReactionPayload { message_id: input.message_id }))
    }

    /// Add a custom emoji to a session. For owners and admins. For an existing name, the call replaces the address. A session has at most
    /// 100 custom emojis.
    async fn add_emoji(&self, context: &Context<'_>, input: AddEmojiInput) -> Result<Option<AddEmojiPayload>> {
        let call = Use::of(context)?;
        let AddEmojiInput { session_id: session, name, url } = input;
        let id = session_id(&session).or_field_error()?;
        let name = emoji_name(&name).or_field_error()?;
        call.chat.add_emoji(call.principal, id, &name, url).await.or_field_error()?;
        Ok(Some(AddEmojiPayload { session_id: session }))
    }

    /// Remove a custom emoji of a session. For owners and admins. Reactions with the emoji stay, and users can remove these reactions.
    /// Without an emoji of the name, nothing changes.
    async fn remove_emoji(&self, context: &Context<'_>, input: RemoveEmojiInput) -> Result<Option<RemoveEmojiPayload>> {
        let call = Use::of(context)?;
        let RemoveEmojiInput { session_id: session, name } = input;
        let id = session_id(&session).or_field_error()?;
        let name = emoji_name(&name).or_field_error()?;
        call.chat.remove_emoji(call.principal, id, &name).await.or_field_error()?;
        Ok(Some(RemoveEmojiPayload { session_id: session }))
    }
}

/// Queries of reactions.
#[derive(Default)]
pub(super) struct ReactionQuery;

/// Queries of reactions.
#[Object]
impl ReactionQuery {
    /// The users who reacted to a message with an emoji, in the order of their ids; empty for a deleted message. At most 100 at a
    /// time, 50 by default.
    #[graphql(complexity = "listed(first, None, child_complexity)")]
    async fn reactors(
        &self,
        context: &Context<'_>,
        #[graphql(name = "messageId", desc = "The message.")] message: ID,
        #[graphql(desc = "The emoji.")] emoji: String,
        #[graphql(desc = "The maximum number of entries.")] first: Option<i32>,
        #[graphql(desc = "The cursor of the entry after which to begin.")] after: Option<String>,
    ) -> Result<Option<ReactorConnection>> {
        let call = Use::of(context)?;
        let id = message_id(&message).or_field_error()?;
        let emoji = self::emoji(&emoji).or_field_error()?;
        let list = List::reactors(id, &emoji);
        let page = list.page(first, after.as_deref()).or_field_error()?;
        let found = call.chat.reactors(call.principal, id, &emoji, page.clone()).await.or_field_error()?;
        Ok(Some(list.of_reactors(&page, found)))
    }

    /// The custom emojis of a session, in the order of their names; at most 100.
    #[graphql(complexity = "MAX_EMOJIS.saturating_mul(child_complexity).saturating_add(1)")]
    async fn emojis(
        &self,
        context: &Context<'_>,
        #[graphql(name = "sessionId", desc = "The session.")] session: ID,
    ) -> Result<Option<Vec<SessionEmoji>>> {
        let call = Use::of(context)?;
        let id = session_id(&session).or_field_error()?;
        let found = call.chat.emojis(call.principal, id).await.or_field_error()?;
        let shown = |emoji: model::SessionEmoji| {
            let model::SessionEmoji { name, url } = emoji;
            SessionEmoji { name: name.to_string(), url }
        };
        Ok(Some(found.into_iter().map(shown).collect()))
    }
}
