//! People.

use async_graphql::{ID, Object};
use chatcore::model::Profile;

/// A user with the current names.
#[derive(Debug, Clone)]
pub(super) struct User(pub(super) Profile);

/// A user with the current names.
#[Object]
impl User {
    /// The id that the tokens of this user name.
    async fn id(&self) -> ID {
        ID(self.0.user_id.to_string())
    }

    /// A short handle; the id for a user without a handle.
    async fn username(&self) -> &str {
        &self.0.username
    }

    /// The name to show.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// Whether the user is a bot.
    async fn is_bot(&self) -> bool {
        self.0.is_bot
    }

    /// The address of a picture.
    async fn picture(&self) -> Option<&str> {
        self.0.picture.as_deref()
    }

    /// The e-mail address: the caller's own address, or an address that was requested and that the caller may see.
    async fn email(&self) -> Option<&str> {
        self.0.email.as_deref()
    }
}
