//! Blocked users, and what may be asked and changed about them.

use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};
use chatcore::model;

use super::{
    Fallible as _, Use,
    connection::{BlockedUserConnection, List, listed},
    scalar::{DateTime, user_id},
    user::User,
};

/// A user that the caller has blocked.
#[derive(Debug, Clone)]
pub(super) struct BlockedUser(pub(super) model::BlockedUser);

/// A user that the caller has blocked.
#[Object]
impl BlockedUser {
    /// The user.
    async fn user(&self) -> User {
        User(self.0.user.clone())
    }

    /// Since when.
    async fn blocked_at(&self) -> DateTime {
        DateTime(self.0.blocked_at)
    }
}

/// A user to block.
#[derive(InputObject)]
struct BlockUserInput {
    /// The user.
    user_id: ID,
}

/// A block to end.
#[derive(InputObject)]
struct UnblockUserInput {
    /// The user.
    user_id: ID,
}

/// The user who is blocked.
#[derive(SimpleObject)]
struct BlockUserPayload {
    /// The user's id.
    user_id: ID,
}

/// The user who is not blocked.
#[derive(SimpleObject)]
struct UnblockUserPayload {
    /// The user's id.
    user_id: ID,
}

/// What may be changed about blocks.
#[derive(Default)]
pub(super) struct BlockMutation;

/// What may be changed about blocks.
#[Object]
impl BlockMutation {
    /// Block a user: the user starts no direct session with the caller, and writes nothing more in the one that there is. At most 1,000.
    async fn block_user(&self, context: &Context<'_>, input: BlockUserInput) -> Result<Option<BlockUserPayload>> {
        let call = Use::of(context)?;
        let user = user_id(&input.user_id).or_field_error()?;
        call.chat.block_user(call.principal, &user).await.or_field_error()?;
        Ok(Some(BlockUserPayload { user_id: input.user_id }))
    }

    /// End a block. Where there is none, nothing changes.
    async fn unblock_user(&self, context: &Context<'_>, input: UnblockUserInput) -> Result<Option<UnblockUserPayload>> {
        let call = Use::of(context)?;
        let user = user_id(&input.user_id).or_field_error()?;
        call.chat.unblock_user(call.principal, &user).await.or_field_error()?;
        Ok(Some(UnblockUserPayload { user_id: input.user_id }))
    }
}

/// What may be asked about blocks.
#[derive(Default)]
pub(super) struct BlockQuery;

/// What may be asked about blocks.
#[Object]
impl BlockQuery {
    /// The users that the caller has blocked, in the order of their ids. At most 100 at a time, 50 by default.
    #[graphql(complexity = "listed(first, None, child_complexity)")]
    async fn blocks(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "How many at the most.")] first: Option<i32>,
        #[graphql(desc = "The cursor of the entry after which to begin.")] after: Option<String>,
    ) -> Result<Option<BlockedUserConnection>> {
        let call = Use::of(context)?;
        let list = List::blocks();
        let page = list.page(first, after.as_deref()).or_field_error()?;
        let found = call.chat.blocks(call.principal, page.clone()).await.or_field_error()?;
        Ok(Some(list.of_blocks(&page, found)))
    }
}
