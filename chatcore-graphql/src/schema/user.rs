//! People.

use async_graphql::{ID, Object};
use chatcore::model::Profile;

/// A user, as they are shown now.
#[derive(Debug, Clone)]
pub(super) struct User(pub(super) Profile);

/// A user, as they are shown now.
#[Object]
impl User {
    /// The id that the tokens of this user name.
    async fn id(&self) -> ID {
        ID(self.0.user_id.to_string())
    }

    /// A short handle; the id where nothing else is known.
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

    /// The e-mail address: one's own, or where it was asked for and may be seen.
    async fn email(&self) -> Option<&str> {
        self.0.email.as_deref()
    }
}
