//! Operations about users.

use chatcore::{
    Accounts, Code, Error,
    accounts::{Account, User},
    wire::{DeleteAccount, UpdateAccount},
};
use poem::Request;
use poem_openapi::{
    OpenApi,
    param::{Path, Query},
};

use super::{AccountGroup, Links, natural, no_idempotency_key};
use crate::{
    accounts::client_of,
    extract::{Caller, StrictJson, UserParam},
    reply::{Answer, Body, Conflict, Done, Lines, Nobody, Paged, Params, Reply, Tried},
};

pub(crate) struct Users(pub(crate) Accounts);

#[OpenApi(tag = "AccountGroup::Users")]
impl Users {
    /// Show the caller's account
    #[oai(path = "/me", method = "get", operation_id = "getMe")]
    async fn me(&self, caller: Caller) -> Answer<Reply<Account>, (Params, Nobody)> {
        Ok(Reply::new(self.0.me(&caller.0).await?))
    }

    /// Change the caller's profile
    ///
    /// An omitted field does not change.
    #[oai(path = "/me", method = "put", operation_id = "updateMe")]
    async fn update(
        &self,
        request: &Request,
        caller: Caller,
        body: StrictJson<UpdateAccount>,
    ) -> Answer<Reply<Account>, (Body, Nobody)> {
        no_idempotency_key(request)?;
        Ok(Reply::new(self.0.update_me(&caller.0, body.0.command()).await?))
    }

    /// Delete the caller's account
    ///
    /// All logins end at once. The user is removed from all sessions, and the messages are deleted, in the background. The
    /// only administrator of the system cannot delete the account.
    #[oai(path = "/me", method = "delete", operation_id = "deleteAccount")]
    async fn delete(
        &self,
        request: &Request,
        caller: Caller,
        body: StrictJson<DeleteAccount>,
    ) -> Answer<Done, (Body, Nobody, Tried, Conflict)> {
        no_idempotency_key(request)?;
        self.0.delete_account(&caller.0, &client_of(request), body.0.password.as_ref()).await?;
        Ok(Done)
    }

    /// Export the data of the caller
    ///
    /// All messages and data of the caller: a JSON object in each line. The `type` is `account`, `profile`, `login`, `session`, `message`
    /// or `progress`, and `end` in the last line. An export without `end` is not complete.
    #[oai(path = "/me/export", method = "get", operation_id = "exportAccount")]
    async fn export(&self, caller: Caller) -> Answer<Lines, Params> {
        Ok(Lines(self.0.export(&caller.0).await?))
    }

    /// Show a user
    #[oai(path = "/:user_id", method = "get", operation_id = "getUser")]
    async fn show(&self, caller: Caller, user_id: Path<UserParam>) -> Answer<Reply<User>, (Params, Nobody)> {
        Ok(Reply::new(self.0.user(&caller.0, &user_id.0.0).await?))
    }

    /// Search users by the beginning of their names
    ///
    /// Sorted by their names. The header `Link` names the next page.
    #[oai(path = "/", method = "get", operation_id = "searchUsers")]
    async fn search(
        &self,
        request: &Request,
        caller: Caller,
        /// The beginning of the user name: at least 1 character. The case of letters makes no difference.
        q: Query<String>,
        /// The name after which to begin.
        after: Query<Option<String>>,
        /// Maximum number of entries: 1 to 100; 50 where not given.
        limit: Query<Option<i64>>,
    ) -> Answer<Paged<Vec<User>>, Params> {
        let too_many = |_| Error::invalid("limit", Code::ValidationInvalidValue, "too large");
        let limit = natural("limit", limit.0)?.map(u32::try_from).transpose().map_err(too_many)?;
        let page = self.0.search_users(&caller.0, &q.0, after.0.as_deref(), limit).await?;
        let link = Links::of(request).with("next", "after", page.next).value();
        Ok(Paged::linked(page.users, link))
    }
}
