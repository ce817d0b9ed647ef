//! Accounts of the chat's own: registration, logins, the caller's account, and other users.

use async_graphql::{Context, ID, InputObject, MaybeUndefined, Object, Result, SimpleObject};
use chatcore::{Accounts, Code, Error, accounts, accounts::Client, model::LoginId};

use super::{
    Fallible as _, Use,
    connection::listed,
    mutation::present,
    scalar::{DateTime, Long, natural, user_id},
};

/// The type of access tokens (RFC 6750).
const BEARER: &str = "Bearer";

/// The mutations that need no token.
#[cfg(feature = "poem")]
pub(crate) const OPEN: [&str; 7] =
    ["register", "logIn", "refresh", "verifyEmail", "requestPasswordReset", "resetPassword", super::incoming::POST];

/// A new account.
#[derive(InputObject)]
struct RegisterInput {
    /// 3 to 32 characters by default: letters and digits, and between them `_`, `-` and `.`. Must be unique, also among names that look
    /// alike.
    username: String,
    /// The e-mail address, which must be unique.
    email: String,
    /// 8 to 256 characters by default, and hard to guess.
    password: String,
    /// The name to show: 1 to 100 characters by default; the user name where not given.
    display_name: Option<String>,
    /// A public key for encrypted messages: at most 8,192 characters by default.
    public_key: Option<String>,
    /// The name of the device, for the list of logins: the first 100 characters; the header `User-Agent` where not given.
    device: Option<String>,
}

/// A user name or an e-mail address, with the password.
#[derive(InputObject)]
struct LogInInput {
    /// The user name or the e-mail address.
    username: String,
    /// The password.
    password: String,
    /// The name of the device, for the list of logins: the first 100 characters; the header `User-Agent` where not given.
    device: Option<String>,
}

/// A refresh token, which can be used once.
#[derive(InputObject)]
struct RefreshInput {
    /// The token.
    refresh_token: String,
}

/// One of the caller's logins.
#[derive(InputObject)]
struct EndLoginInput {
    /// The login.
    login_id: ID,
}

/// A new password.
#[derive(InputObject)]
struct ChangePasswordInput {
    /// The current password. A wrong password counts as a guess.
    old_password: String,
    /// 8 to 256 characters by default, and hard to guess.
    new_password: String,
}

/// A new e-mail address.
#[derive(InputObject)]
struct ChangeEmailInput {
    /// The current password. A wrong password counts as a guess.
    password: String,
    /// The new address. Must be unique.
    email: String,
}

/// The code that was sent to an e-mail address.
#[derive(InputObject)]
struct VerifyEmailInput {
    /// The code of the mail.
    code: String,
}

/// The e-mail address of an account whose password is forgotten.
#[derive(InputObject)]
struct RequestPasswordResetInput {
    /// The address of the account.
    email: String,
}

/// A new password, with the code that was sent by mail.
#[derive(InputObject)]
struct ResetPasswordInput {
    /// The code of the mail.
    code: String,
    /// 8 to 256 characters by default, and hard to guess.
    new_password: String,
}

/// New values of the caller's profile. An omitted field does not change.
#[derive(InputObject)]
struct UpdateMeInput {
    /// The name to show: 1 to 100 characters by default.
    display_name: MaybeUndefined<String>,
    /// At most 500 characters by default; null removes it.
    bio: MaybeUndefined<String>,
    /// The address of a picture, `http` or `https`; null removes it.
    avatar_url: MaybeUndefined<String>,
    /// A public key for encrypted messages; null removes it.
    public_key: MaybeUndefined<String>,
}

/// The proof that the caller may delete the account.
#[derive(InputObject)]
struct DeleteAccountInput {
    /// The current password. A wrong password counts as a guess.
    password: String,
}

/// The caller's account.
#[derive(SimpleObject)]
struct Account {
    /// The id of the user.
    id: ID,
    /// The user name.
    username: String,
    /// The e-mail address.
    email: String,
    /// Whether the user has used a code that was sent to the address.
    is_verified: bool,
    /// The name to show.
    display_name: String,
    /// A text about the user.
    bio: Option<String>,
    /// The address of a picture.
    avatar_url: Option<String>,
    /// A public key for encrypted messages.
    public_key: Option<String>,
    /// The time of creation of the account.
    created_at: DateTime,
    /// The time of the last change.
    updated_at: DateTime,
    /// The time of the last login. A refresh is not a login.
    last_login: Option<DateTime>,
}

impl From<accounts::Account> for Account {
    fn from(account: accounts::Account) -> Self {
        Self {
            id: ID(account.user_id.to_string()),
            username: account.username,
            email: account.email,
            is_verified: account.is_verified,
            display_name: account.display_name,
            bio: account.bio,
            avatar_url: account.avatar_url,
            public_key: account.public_key,
            created_at: DateTime(account.created_at),
            updated_at: DateTime(account.updated_at),
            last_login: account.last_login.map(DateTime),
        }
    }
}

/// A user with an account, as every other user may see them.
#[derive(SimpleObject)]
struct PublicUser {
    /// The id of the user.
    id: ID,
    /// The user name.
    username: String,
    /// The name to show.
    display_name: String,
    /// A text about the user.
    bio: Option<String>,
    /// The address of a picture.
    avatar_url: Option<String>,
    /// A public key for encrypted messages.
    public_key: Option<String>,
    /// The time of creation of the account.
    created_at: DateTime,
}

impl From<accounts::User> for PublicUser {
    fn from(user: accounts::User) -> Self {
        let accounts::User { user_id, username, display_name, bio, avatar_url, public_key, created_at } = user;
        let (id, created_at) = (ID(user_id.to_string()), DateTime(created_at));
        Self { id, username, display_name, bio, avatar_url, public_key, created_at }
    }
}

/// Users, sorted by their names.
#[derive(SimpleObject)]
struct UserPage {
    /// The users.
    users: Vec<PublicUser>,
    /// The name after which the next page begins; null for the last page.
    next: Option<String>,
}

/// One of the caller's logins.
#[derive(SimpleObject)]
struct Login {
    /// The id of the login.
    id: ID,
    /// The name of the device.
    device: Option<String>,
    /// The network address of the last use; for IPv6, the first 64 bits.
    address: Option<String>,
    /// The time of the login.
    created_at: DateTime,
    /// The time of the login or of the last refresh.
    last_used_at: DateTime,
    /// The time at which an unused login ends.
    expires_at: DateTime,
    /// Whether the caller's token belongs to this login.
    is_current: bool,
}

impl From<accounts::Login> for Login {
    fn from(login: accounts::Login) -> Self {
        let accounts::Login { id, device, address, created_at, last_used_at, expires_at, is_current } = login;
        Self {
            id: ID(id.to_string()),
            device,
            address: address.map(|address| address.to_string()),
            created_at: DateTime(created_at),
            last_used_at: DateTime(last_used_at),
            expires_at: DateTime(expires_at),
            is_current,
        }
    }
}

/// New tokens.
#[derive(SimpleObject)]
struct Tokens {
    /// The access token for the header `Authorization: Bearer`.
    access_token: String,
    /// Always `Bearer`.
    token_type: &'static str,
    /// Seconds until the access token expires.
    expires_in: Long,
    /// The refresh token, which is valid for one use.
    refresh_token: String,
    /// When the refresh token expires.
    refresh_expires_at: DateTime,
}

impl From<accounts::Tokens> for Tokens {
    fn from(tokens: accounts::Tokens) -> Self {
        let accounts::Tokens { access_token, refresh_token, expires_in, refresh_expires_at } = tokens;
        let (expires_in, refresh_expires_at) = (Long(expires_in), DateTime(refresh_expires_at));
        Self { access_token, token_type: BEARER, expires_in, refresh_token, refresh_expires_at }
    }
}

/// The account of a user who has just logged in, with the tokens of the login.
#[derive(SimpleObject)]
struct LoggedIn {
    /// The account.
    user: Account,
    /// The login.
    login_id: ID,
    /// The access token for the header `Authorization: Bearer`.
    access_token: String,
    /// Always `Bearer`.
    token_type: &'static str,
    /// Seconds until the access token expires.
    expires_in: Long,
    /// The refresh token, which is valid for one use.
    refresh_token: String,
    /// When the refresh token expires.
    refresh_expires_at: DateTime,
}

impl From<accounts::LoggedIn> for LoggedIn {
    fn from(logged_in: accounts::LoggedIn) -> Self {
        let accounts::LoggedIn { account, login_id, tokens } = logged_in;
        let Tokens { access_token, token_type, expires_in, refresh_token, refresh_expires_at } = tokens.into();
        let (user, login_id) = (account.into(), ID(login_id.to_string()));
        Self { user, login_id, access_token, token_type, expires_in, refresh_token, refresh_expires_at }
    }
}

/// The answer to a mutation without a result.
#[derive(SimpleObject)]
struct Confirmation {
    /// A text that confirms the operation.
    message: &'static str,
}

const LOGGED_OUT: Confirmation = Confirmation { message: "Logged out successfully" };
const DONE: Confirmation = Confirmation { message: "Done" };
const SENT: Confirmation = Confirmation { message: "A mail is sent where the address has an account" };

/// The accounts of the schema.
fn accounts_of<'c>(context: &Context<'c>) -> Result<&'c Accounts> {
    context.data_opt().ok_or_else(|| crate::field_error(&Error::Internal))
}

fn client_of(context: &Context<'_>, device: Option<String>) -> Client {
    context.data_opt::<Client>().cloned().unwrap_or_default().named(device)
}

/// The accounts, and the caller.
fn own<'c>(context: &Context<'c>) -> Result<(&'c Accounts, Use<'c>)> {
    Ok((accounts_of(context)?, Use::of(context)?))
}

/// Queries of accounts.
#[derive(Default)]
pub(super) struct AccountQuery;

/// Queries of accounts.
#[Object]
impl AccountQuery {
    /// The caller's account.
    async fn account(&self, context: &Context<'_>) -> Result<Option<Account>> {
        let (accounts, call) = own(context)?;
        Ok(Some(accounts.me(call.principal).await.or_field_error()?.into()))
    }

    /// The caller's logins, the latest one first.
    async fn logins(&self, context: &Context<'_>) -> Result<Option<Vec<Login>>> {
        let (accounts, call) = own(context)?;
        let logins = accounts.logins(call.principal).await.or_field_error()?;
        Ok(Some(logins.into_iter().map(Into::into).collect()))
    }

    /// A user with an account.
    async fn user(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The id of the user.")] id: ID,
    ) -> Result<Option<PublicUser>> {
        let (accounts, call) = own(context)?;
        let id = user_id(&id).or_field_error()?;
        Ok(Some(accounts.user(call.principal, &id).await.or_field_error()?.into()))
    }

    /// Users by the beginning of their names, sorted by their names. At most 100 at a time, 50 by default.
    #[graphql(complexity = "listed(first, None, child_complexity)")]
    async fn users(
        &self,
        context: &Context<'_>,
        #[graphql(
            desc = "The beginning of the user name: at least 1 character. The case of letters makes no difference."
        )]
        q: String,
        #[graphql(desc = "The maximum number of entries.")] first: Option<i32>,
        #[graphql(desc = "The name after which to begin.")] after: Option<String>,
    ) -> Result<Option<UserPage>> {
        let (accounts, call) = own(context)?;
        let too_many = |_| Error::invalid("limit", Code::ValidationInvalidValue, "too large");
        let limit = natural("limit", first).or_field_error()?.map(u32::try_from);
        let limit = limit.transpose().map_err(too_many).or_field_error()?;
        let page = accounts.search_users(call.principal, &q, after.as_deref(), limit).await.or_field_error()?;
        Ok(Some(UserPage { users: page.users.into_iter().map(Into::into).collect(), next: page.next }))
    }
}

/// Mutations of accounts.
#[derive(Default)]
pub(super) struct AccountMutation;

/// Mutations of accounts.
#[Object]
impl AccountMutation {
    /// Register an account. The new user is logged in. A code to verify the address is sent by mail. No token is needed.
    async fn register(&self, context: &Context<'_>, input: RegisterInput) -> Result<Option<LoggedIn>> {
        let accounts = accounts_of(context)?;
        let RegisterInput { username, email, password, display_name, public_key, device } = input;
        let new = accounts::Register { username, email, password, display_name, public_key };
        Ok(Some(accounts.register(&client_of(context, device), new).await.or_input_error()?.into()))
    }

    /// Log in. The answer to an unknown user is the answer to a wrong password. Wrong passwords are counted for each account and network
    /// address (`RATE_LIMIT_EXCEEDED`). No token is needed.
    async fn log_in(&self, context: &Context<'_>, input: LogInInput) -> Result<Option<LoggedIn>> {
        let accounts = accounts_of(context)?;
        let LogInInput { username, password, device } = input;
        let log_in = accounts::LogIn { username_or_email: username, password };
        Ok(Some(accounts.log_in(&client_of(context, device), log_in).await.or_input_error()?.into()))
    }

    /// Get new tokens. A refresh token can be used once. Its second use more than 10 seconds later ends the login. No access token is
    /// needed.
    async fn refresh(&self, context: &Context<'_>, input: RefreshInput) -> Result<Option<Tokens>> {
        let accounts = accounts_of(context)?;
        let tokens = accounts.refresh(&client_of(context, None), &input.refresh_token).await;
        Ok(Some(tokens.or_input_error()?.into()))
    }

    /// Log out. The login of the caller's token ends, with all of its tokens, streams and sockets.
    async fn log_out(&self, context: &Context<'_>) -> Result<Option<Confirmation>> {
        let (accounts, call) = own(context)?;
        accounts.log_out(call.principal).await.or_field_error()?;
        Ok(Some(LOGGED_OUT))
    }

    /// End all of the caller's logins.
    async fn log_out_everywhere(&self, context: &Context<'_>) -> Result<Option<Confirmation>> {
        let (accounts, call) = own(context)?;
        accounts.log_out_everywhere(call.principal).await.or_field_error()?;
        Ok(Some(LOGGED_OUT))
    }

    /// End one of the caller's logins.
    async fn end_login(&self, context: &Context<'_>, input: EndLoginInput) -> Result<Option<Confirmation>> {
        let (accounts, call) = own(context)?;
        let login = input.login_id.parse::<LoginId>();
        let login = login.map_err(|error| Error::malformed("login_id", error.expected)).or_field_error()?;
        accounts.end_login(call.principal, login).await.or_field_error()?;
        Ok(Some(DONE))
    }

    /// Change the password. The caller's other logins end.
    async fn change_password(&self, context: &Context<'_>, input: ChangePasswordInput) -> Result<Option<Confirmation>> {
        let (accounts, call) = own(context)?;
        let ChangePasswordInput { old_password, new_password } = input;
        let client = client_of(context, None);
        accounts.change_password(call.principal, &client, &old_password, &new_password).await.or_field_error()?;
        Ok(Some(DONE))
    }

    /// Change the e-mail address. A code to verify the new address is sent to it.
    async fn change_email(&self, context: &Context<'_>, input: ChangeEmailInput) -> Result<Option<Account>> {
        let (accounts, call) = own(context)?;
        let ChangeEmailInput { password, email } = input;
        let account = accounts.change_email(call.principal, &client_of(context, None), &password, &email).await;
        Ok(Some(account.or_field_error()?.into()))
    }

    /// Ask for a code to verify the e-mail address. The server sends the code by mail, unless the address is verified.
    async fn request_verification(&self, context: &Context<'_>) -> Result<Option<Confirmation>> {
        let (accounts, call) = own(context)?;
        accounts.request_verification(call.principal, &client_of(context, None)).await.or_field_error()?;
        Ok(Some(DONE))
    }

    /// Verify the e-mail address. No token is needed.
    async fn verify_email(&self, context: &Context<'_>, input: VerifyEmailInput) -> Result<Option<Confirmation>> {
        accounts_of(context)?.verify_email(&input.code).await.or_input_error()?;
        Ok(Some(DONE))
    }

    /// Ask for a code to set a new password. The server sends the code by mail where an account has the address. The answer does not tell
    /// whether such an account exists. No token is needed.
    async fn request_password_reset(
        &self,
        context: &Context<'_>,
        input: RequestPasswordResetInput,
    ) -> Result<Option<Confirmation>> {
        let accounts = accounts_of(context)?;
        accounts.request_password_reset(&client_of(context, None), &input.email).await.or_input_error()?;
        Ok(Some(SENT))
    }

    /// Set a new password with a code. All logins of the account end. No token is needed.
    async fn reset_password(&self, context: &Context<'_>, input: ResetPasswordInput) -> Result<Option<Confirmation>> {
        let ResetPasswordInput { code, new_password } = input;
        accounts_of(context)?.reset_password(&code, &new_password).await.or_input_error()?;
        Ok(Some(DONE))
    }

    /// Change the caller's profile.
    async fn update_me(&self, context: &Context<'_>, input: UpdateMeInput) -> Result<Option<Account>> {
        let (accounts, call) = own(context)?;
        let UpdateMeInput { display_name, bio, avatar_url, public_key } = input;
        let named = |value: MaybeUndefined<String>| value.as_opt_ref().map(|value| value.cloned());
        let update = accounts::UpdateAccount {
            display_name: present("display_name", display_name).or_field_error()?,
            bio: named(bio),
            avatar_url: named(avatar_url),
            public_key: named(public_key),
        };
        Ok(Some(accounts.update_me(call.principal, update).await.or_field_error()?.into()))
    }

    /// Delete the caller's account. All logins end at once. The user is removed from all sessions, and the messages are deleted, in the
    /// background.
    async fn delete_account(&self, context: &Context<'_>, input: DeleteAccountInput) -> Result<Option<Confirmation>> {
        let (accounts, call) = own(context)?;
        let client = client_of(context, None);
        accounts.delete_account(call.principal, &client, &input.password).await.or_field_error()?;
        Ok(Some(DONE))
    }
}
