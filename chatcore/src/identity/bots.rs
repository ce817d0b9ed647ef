//! Tokens of bots.

use async_trait::async_trait;

use super::{Authenticator, Principal};
use crate::{chat::Chat, error::Result, model::BotSecret};

/// Accepts the tokens of a chat's bots ([`Chat::create_bot_token`]), and leaves all other tokens to another authenticator. A token that begins
/// with [`BotSecret::PREFIX`] is never shown to the other one.
///
/// The frontends of chatcore put it before the authenticator of the host. A host that reads tokens itself does the same.
///
/// ```
/// use chatcore::{Authenticator, Chat, JwtAuthenticator, Principal};
/// use chatcore::chat::CreateBotToken;
/// use chatcore::identity::BotAuthenticator;
/// use chatcore::model::UserId;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let chat = Chat::in_memory();
/// let alice = Principal::new(UserId::new("alice")?);
/// let bot = chat.create_bot(&alice, "Deployer").await?.profile.user_id;
/// let token = chat.create_bot_token(&alice, &bot, CreateBotToken::named("for the server")).await?;
///
/// let tokens = BotAuthenticator::new(chat, JwtAuthenticator::hs256(&[7; 32])?);
/// assert_eq!(tokens.authenticate(token.secret.as_str()).await?.user_id, bot);
/// # Ok(())
/// # }
/// ```
pub struct BotAuthenticator<A> {
    chat: Chat,
    other: A,
}

impl<A> std::fmt::Debug for BotAuthenticator<A> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BotAuthenticator").finish_non_exhaustive()
    }
}

impl<A: Authenticator> BotAuthenticator<A> {
    /// Accepts the tokens of the chat's bots, and whatever the other one accepts.
    pub const fn new(chat: Chat, other: A) -> Self {
        Self { chat, other }
    }
}

#[async_trait]
impl<A: Authenticator> Authenticator for BotAuthenticator<A> {
    async fn authenticate(&self, token: &str) -> Result<Principal> {
        if token.starts_with(BotSecret::PREFIX) {
            self.chat.bot_of_token(token).await
        } else {
            self.other.authenticate(token).await
        }
    }
}
