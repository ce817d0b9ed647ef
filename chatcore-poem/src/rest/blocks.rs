//! Operations about blocked users.

use chatcore::model::BlockedUser;
use poem::Request;
use poem_openapi::{
    OpenApi,
    param::{Path, Query},
};

use super::{Api, Group, listed, no_idempotency_key, page};
use crate::{
    extract::{Bodyless, Caller, NoBody, UserParam},
    reply::{Answer, Body, Done, NoUser, Paged, Params},
};

pub(crate) struct Blocks(pub(super) Api);

#[OpenApi(tag = "Group::Participants")]
impl Blocks {
    /// Block a user
    ///
    /// The user can neither start a direct session with the caller, nor write in an existing direct session (403 `DIRECT_REFUSED`). In
    /// other sessions the user's messages have `sender_blocked`. The server notifies nobody of a block. A user can block 1,000 users.
    #[oai(path = "/blocks/:user_id", method = "put", operation_id = "blockUser")]
    async fn block(
        &self,
        request: &Request,
        caller: Caller,
        user_id: Path<UserParam>,
        _body: NoBody,
    ) -> Answer<Done, (NoUser, Body)> {
        no_idempotency_key(request)?;
        self.0.chat.block_user(&caller.0, &user_id.0.0).await?;
        Ok(Done)
    }

    /// End the block of a user
    ///
    /// Without a block, nothing changes.
    #[oai(path = "/blocks/:user_id", method = "delete", operation_id = "unblockUser")]
    async fn unblock(
        &self,
        request: &Request,
        caller: Caller,
        user_id: Path<UserParam>,
        _body: Bodyless,
    ) -> Answer<Done, Body> {
        no_idempotency_key(request)?;
        self.0.chat.unblock_user(&caller.0, &user_id.0.0).await?;
        Ok(Done)
    }

    /// List the users whom the caller has blocked
    ///
    /// In the order of their ids. The header `Link` names the next page.
    #[oai(path = "/blocks", method = "get", operation_id = "listBlocks")]
    async fn list(
        &self,
        request: &Request,
        caller: Caller,
        /// The id of the user after which the list begins.
        after: Query<Option<UserParam>>,
        /// Number of entries to skip where `after` is not given; 0 where not given.
        skip: Query<Option<i64>>,
        /// Maximum number of entries: 1 to 100; 50 where not given.
        limit: Query<Option<i64>>,
    ) -> Answer<Paged<Vec<BlockedUser>>, Params> {
        let page = page(after.0.map(|UserParam(id)| id), skip.0, limit.0)?;
        Ok(listed(self.0.chat.blocks(&caller.0, page).await?, request))
    }
}
