//! Blocked users, with their queries and mutations.

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

    /// The time of the block.
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

/// Mutations of blocks.
#[derive(Default)]
pub(super) struct BlockMutation;

/// Mutations of blocks.
#[Object]
impl BlockMutation {
    /// Block a user: the user can neither start a direct session with the caller, nor write in an existing direct session. At most 1,000.
    async fn block_user(&self, context: &Context<'_>, input: BlockUserInput) -> Result<Option<BlockUserPayload>> {
        let call = Use::of(context)?;
        let user = user_id(&input.user_id).or_field_error()?;
        call.chat.block_user(call.principal, &user).await.or_field_error()?;
        Ok(Some(BlockUserPayload { user_id: input.user_id }))
    }

    /// End a block. Without a block, nothing changes.
    async fn unblock_user(&self, context: &Context<'_>, input: UnblockUserInput) -> Result<Option<UnblockUserPayload>> {
        let call = Use::of(context)?;
        let user = user_id(&input.user_id).or_field_error()?;
        call.chat.unblock_user(call.principal, &user).await.or_field_error()?;
        Ok(Some(UnblockUserPayload { user_id: input.user_id }))
    }
}

/// Queries of blocks.
#[derive(Default)]
pub(super) struct BlockQuery;

/// Queries of blocks.
#[Object]
impl BlockQuery {
    /// The users that the caller has blocked, in the order of their ids. At most 100 at a time, 50 by default.
    #[graphql(complexity = "listed(first, None, child_complexity)")]
    async fn blocks(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The maximum number of entries.")] first: Option<i32>,
        #[graphql(desc = "The cursor of the entry after which to begin.")] after: Option<String>,
    ) -> Result<Option<BlockedUserConnection>> {
        let call = Use::of(context)?;
        let list = List::blocks();
        let page = list.page(first, after.as_deref()).or_field_error()?;
        let found = call.chat.blocks(call.principal, page.clone()).await.or_field_error()?;
        Ok(Some(list.of_blocks(&page, found)))
    }
}
