//! Operations about reactions to messages, and about the emojis of sessions.

use chatcore::{
    model::{Reactor, SessionEmoji},
    wire::AddEmoji,
};
use poem::Request;
use poem_openapi::{
    OpenApi,
    param::{Path, Query},
};

use super::{Api, Group, listed, no_idempotency_key, page};
use crate::{
    extract::{
        Bodyless, Caller, EmojiNameParam, EmojiParam, MessageParam, NoBody, SessionParam, StrictJson, UserParam,
    },
    reply::{Answer, Body, Conflict, Done, OfSession, Paged, Params, Reply},
};

pub(crate) struct Reactions(pub(super) Api);

#[OpenApi(tag = "Group::Messages")]
impl Reactions {
    /// React to a message
    ///
    /// For everybody in the session but viewers. `emoji` is exactly one emoji of Unicode, percent-encoded, or `:name:` where the session
    /// has a custom emoji of that name. A message has at most 20 kinds of reactions. A repeated reaction with the same emoji changes
    /// nothing.
    #[oai(
        path = "/sessions/:session_id/messages/:message_id/reactions/:emoji",
        method = "put",
        operation_id = "addReaction"
    )]
    async fn add(
        &self,
        request: &Request,
        caller: Caller,
        session_id: Path<SessionParam>,
        message_id: Path<MessageParam>,
        emoji: Path<EmojiParam>,
        _body: NoBody,
    ) -> Answer<Done, (OfSession, Body, Conflict)> {
        no_idempotency_key(request)?;
        self.0.chat.add_reaction(&caller.0, message_id.within(&session_id)?, &emoji.0.0).await?;
        Ok(Done)
    }

    /// Remove a reaction
    ///
    /// The caller's own reaction. Without a reaction, nothing changes.
    #[oai(
        path = "/sessions/:session_id/messages/:message_id/reactions/:emoji",
        method = "delete",
        operation_id = "removeReaction"
    )]
    async fn remove(
        &self,
        request: &Request,
        caller: Caller,
        session_id: Path<SessionParam>,
        message_id: Path<MessageParam>,
        emoji: Path<EmojiParam>,
        _body: Bodyless,
    ) -> Answer<Done, (OfSession, Body)> {
        no_idempotency_key(request)?;
        self.0.chat.remove_reaction(&caller.0, message_id.within(&session_id)?, &emoji.0.0).await?;
        Ok(Done)
    }

    /// List the users who reacted to a message with an emoji
    ///
    /// In the order of their ids; empty for a deleted message. The header `Link` names the next page.
    #[oai(
        path = "/sessions/:session_id/messages/:message_id/reactions/:emoji",
        method = "get",
        operation_id = "listReactors"
    )]
    #[expect(clippy::too_many_arguments, reason = "one for each parameter of the request")]
    async fn list(
        &self,
        request: &Request,
        caller: Caller,
        session_id: Path<SessionParam>,
        message_id: Path<MessageParam>,
        emoji: Path<EmojiParam>,
        /// The id of the user after which the list begins.
        after: Query<Option<UserParam>>,
        /// Number of entries to skip where `after` is not given; 0 where not given.
        skip: Query<Option<i64>>,
        /// Maximum number of entries: 1 to 100; 50 where not given.
        limit: Query<Option<i64>>,
    ) -> Answer<Paged<Vec<Reactor>>, (OfSession, Params)> {
        let page = page(after.0.map(|UserParam(id)| id), skip.0, limit.0)?;
        let id = message_id.within(&session_id)?;
        Ok(listed(self.0.chat.reactors(&caller.0, id, &emoji.0.0, page).await?, request))
    }

    /// List the custom emojis of a session
    ///
    /// In the order of their names; at most 100.
    #[oai(path = "/sessions/:session_id/emojis", method = "get", operation_id = "listEmojis")]
    async fn emojis(
        &self,
        caller: Caller,
        session_id: Path<SessionParam>,
    ) -> Answer<Reply<Vec<SessionEmoji>>, (OfSession, Params)> {
        Ok(Reply::new(self.0.chat.emojis(&caller.0, session_id.0.0).await?))
    }

    /// Add a custom emoji to a session
    ///
    /// For owners and admins. Users react with `:name:`. The name has 2 to 32 of the characters `a` to `z`, `0` to `9`, `_`, `+` and `-`.
    /// For an existing name, the call replaces the address. A session has at most 100 custom emojis.
    #[oai(path = "/sessions/:session_id/emojis/:name", method = "put", operation_id = "addEmoji")]
    async fn add_emoji(
        &self,
        request: &Request,
        caller: Caller,
        session_id: Path<SessionParam>,
        name: Path<EmojiNameParam>,
        body: StrictJson<AddEmoji>,
    ) -> Answer<Done, (OfSession, Body, Conflict)> {
        no_idempotency_key(request)?;
        self.0.chat.add_emoji(&caller.0, session_id.0.0, &name.0.0, body.0.url).await?;
        Ok(Done)
    }

    /// Remove a custom emoji of a session
    ///
    /// For owners and admins. Reactions with the emoji stay, and users can remove these reactions; new reactions with the emoji are
    /// refused. Without an emoji of the name, nothing changes.
    #[oai(path = "/sessions/:session_id/emojis/:name", method = "delete", operation_id = "removeEmoji")]
    async fn remove_emoji(
        &self,
        request: &Request,
        caller: Caller,
        session_id: Path<SessionParam>,
        name: Path<EmojiNameParam>,
        _body: Bodyless,
    ) -> Answer<Done, (OfSession, Body)> {
        no_idempotency_key(request)?;
        self.0.chat.remove_emoji(&caller.0, session_id.0.0, &name.0.0).await?;
        Ok(Done)
    }
}
