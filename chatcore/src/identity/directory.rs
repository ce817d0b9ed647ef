//! Users whom the host knows and the chat has not seen yet.

use std::error::Error;

use async_trait::async_trait;

use crate::model::UserId;

/// What a directory tells of a user. A part that is absent says nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DirectoryUser {
    /// A short handle to show.
    pub username: Option<String>,
    /// The name to show.
    pub name: Option<String>,
    /// The e-mail address.
    pub email: Option<String>,
    /// An address of a picture.
    pub picture: Option<String>,
}

/// The host's list of users. The chat asks it about ids that it has not seen: so a user can be added to a session before the user's
/// first sign-in, and is shown by name.
///
/// # Contract
/// Answers are as current as the directory likes; the chat keeps them for [`Limits::directory_age`]. An attempt that takes longer
/// than [`Limits::directory_timeout`] is dropped. A failure adds nobody: the answer is
/// [`Unavailable`](crate::Error::Unavailable). Where names are shown, the id stands for the name after a failure.
///
/// [`Limits::directory_age`]: crate::Limits::directory_age
/// [`Limits::directory_timeout`]: crate::Limits::directory_timeout
#[async_trait]
pub trait UserDirectory: Send + Sync + 'static {
    /// The users with these ids, in the same order; `None` where there is no such user.
    ///
    /// # Errors
    /// Any. It is logged, and clients never see it.
    async fn find(&self, users: &[UserId]) -> Result<Vec<Option<DirectoryUser>>, Box<dyn Error + Send + Sync>>;
}
