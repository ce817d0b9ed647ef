//! Operations about logins.

use chatcore::{
    Accounts,
    accounts::{Account, LoggedIn, Login, Tokens},
    wire::{
        ChangeEmail, ChangePassword, Confirmation, LogIn, Refresh, Register, RequestPasswordReset, ResetPassword,
        VerifyEmail,
    },
};
use poem::Request;
use poem_openapi::{OpenApi, param::Path};

use super::{AccountGroup, no_idempotency_key};
use crate::{
    accounts::{Visitor, client_of},
    extract::{Bodyless, Caller, LoginParam, NoBody, StrictJson},
    reply::{Answer, Body, Conflict, Done, Nobody, Params, Reply, Tried},
};

pub(crate) struct Auth(pub(crate) Accounts);

#[OpenApi(tag = "AccountGroup::Accounts")]
impl Auth {
    /// Register an account
    ///
    /// The new user is logged in. A code to verify the address is sent by mail.
    #[oai(path = "/register", method = "post", operation_id = "register")]
    async fn register(
        &self,
        request: &Request,
        visitor: Visitor,
        body: StrictJson<Register>,
    ) -> Answer<Reply<LoggedIn, 201>, (Body, Conflict, Tried)> {
        no_idempotency_key(request)?;
        let (client, new) = body.0.command(visitor.0);
        Ok(Reply::new(self.0.register(&client, new).await?))
    }

    /// Log in
    ///
    /// The answer to an unknown user is the answer to a wrong password. Wrong passwords are counted for each account and network address.
    #[oai(path = "/login", method = "post", operation_id = "logIn")]
    async fn log_in(
        &self,
        request: &Request,
        visitor: Visitor,
        body: StrictJson<LogIn>,
    ) -> Answer<Reply<LoggedIn>, (Body, Tried)> {
        no_idempotency_key(request)?;
        let (client, log_in) = body.0.command(visitor.0);
        Ok(Reply::new(self.0.log_in(&client, log_in).await?))
    }

    /// Get new tokens
    ///
    /// A refresh token can be used once. Its second use more than 10 seconds later ends the login.
    #[oai(path = "/refresh", method = "post", operation_id = "refresh")]
    async fn refresh(
        &self,
        request: &Request,
        visitor: Visitor,
        body: StrictJson<Refresh>,
    ) -> Answer<Reply<Tokens>, Body> {
        no_idempotency_key(request)?;
        Ok(Reply::new(self.0.refresh(&visitor.0, body.0.refresh_token.as_ref()).await?))
    }

    /// Log out
    ///
    /// The login of the caller's token ends, with all of its tokens, streams and sockets.
    #[oai(path = "/logout", method = "post", operation_id = "logOut")]
    async fn log_out(
        &self,
        request: &Request,
        caller: Caller,
        _body: NoBody,
    ) -> Answer<Reply<Confirmation>, (Body, Nobody)> {
        no_idempotency_key(request)?;
        self.0.log_out(&caller.0).await?;
        Ok(Reply::new(Confirmation::LOGGED_OUT))
    }

    /// Log out everywhere
    ///
    /// All of the caller's logins end.
    #[oai(path = "/logout-everywhere", method = "post", operation_id = "logOutEverywhere")]
    async fn log_out_everywhere(
        &self,
        request: &Request,
        caller: Caller,
        _body: NoBody,
    ) -> Answer<Reply<Confirmation>, Body> {
        no_idempotency_key(request)?;
        self.0.log_out_everywhere(&caller.0).await?;
        Ok(Reply::new(Confirmation::LOGGED_OUT))
    }

    /// List the caller's logins
    ///
    /// The latest one first.
    #[oai(path = "/logins", method = "get", operation_id = "listLogins")]
    async fn logins(&self, caller: Caller) -> Answer<Reply<Vec<Login>>, Params> {
        Ok(Reply::new(self.0.logins(&caller.0).await?))
    }

    /// End one of the caller's logins
    #[oai(path = "/logins/:login_id", method = "delete", operation_id = "endLogin")]
    async fn end_login(
        &self,
        request: &Request,
        caller: Caller,
        login_id: Path<LoginParam>,
        _body: Bodyless,
    ) -> Answer<Done, (Body, Nobody)> {
        no_idempotency_key(request)?;
        self.0.end_login(&caller.0, login_id.0.0).await?;
        Ok(Done)
    }

    /// Change the password
    ///
    /// The caller's other logins end.
    #[oai(path = "/password", method = "put", operation_id = "changePassword")]
    async fn change_password(
        &self,
        request: &Request,
        caller: Caller,
        body: StrictJson<ChangePassword>,
    ) -> Answer<Done, (Body, Nobody, Tried)> {
        no_idempotency_key(request)?;
        let ChangePassword { old_password, new_password } = body.0;
        let (old, new) = (old_password.as_ref(), new_password.as_ref());
        self.0.change_password(&caller.0, &client_of(request), old, new).await?;
        Ok(Done)
    }

    /// Change the e-mail address
    ///
    /// The server sends a code to verify the new address to that address.
    #[oai(path = "/email", method = "put", operation_id = "changeEmail")]
    async fn change_email(
        &self,
        request: &Request,
        caller: Caller,
        body: StrictJson<ChangeEmail>,
    ) -> Answer<Reply<Account>, (Body, Nobody, Conflict, Tried)> {
        no_idempotency_key(request)?;
        let ChangeEmail { password, email } = body.0;
        Ok(Reply::new(self.0.change_email(&caller.0, &client_of(request), password.as_ref(), &email).await?))
    }

    /// Ask for a code to verify the e-mail address
    ///
    /// The server sends the code by mail, unless the address is verified.
    #[oai(path = "/verification", method = "post", operation_id = "requestVerification")]
    async fn request_verification(
        &self,
        request: &Request,
        caller: Caller,
        _body: NoBody,
    ) -> Answer<Done, (Body, Nobody, Tried)> {
        no_idempotency_key(request)?;
        self.0.request_verification(&caller.0, &client_of(request)).await?;
        Ok(Done)
    }

    /// Verify the e-mail address
    #[oai(path = "/verification/confirm", method = "post", operation_id = "verifyEmail")]
    async fn verify_email(
        &self,
        request: &Request,
        _visitor: Visitor,
        body: StrictJson<VerifyEmail>,
    ) -> Answer<Done, Body> {
        no_idempotency_key(request)?;
        self.0.verify_email(body.0.code.as_ref()).await?;
        Ok(Done)
    }

    /// Ask for a code to set a new password
    ///
    /// The server sends the code by mail where an account has the address. The answer does not tell whether such an account exists.
    #[oai(path = "/password-reset", method = "post", operation_id = "requestPasswordReset")]
    async fn request_password_reset(
        &self,
        request: &Request,
        visitor: Visitor,
        body: StrictJson<RequestPasswordReset>,
    ) -> Answer<Done, (Body, Tried)> {
        no_idempotency_key(request)?;
        self.0.request_password_reset(&visitor.0, &body.0.email).await?;
        Ok(Done)
    }

    /// Set a new password with a code
    ///
    /// All logins of the account end.
    #[oai(path = "/password-reset/confirm", method = "post", operation_id = "resetPassword")]
    async fn reset_password(
        &self,
        request: &Request,
        _visitor: Visitor,
        body: StrictJson<ResetPassword>,
    ) -> Answer<Done, Body> {
        no_idempotency_key(request)?;
        let ResetPassword { code, new_password } = body.0;
        self.0.reset_password(code.as_ref(), new_password.as_ref()).await?;
        Ok(Done)
    }
}
