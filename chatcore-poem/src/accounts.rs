//! The accounts of the chat's own within an app.

use std::net::IpAddr;

use chatcore::{Accounts, Error, accounts::Client};
use chatcore_http::{ClientAddress, check_conditions};
use poem::{IntoEndpoint as _, Request, RequestBody, Route, http::header::USER_AGENT};
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};
use serde_json::Value;

#[cfg(feature = "avatars")]
use crate::rest::Avatars;
use crate::{
    ChatFrontend, MountError, SERVER, document,
    extract::check_query,
    problem::ApiError,
    rest::{Auth, Users},
    routes::Routes,
    separate,
    state::State,
};

/// The places of the two families of operations. The app may have other paths beside them.
const AUTH: &str = "/auth";
const USERS: &str = "/users";
const AUTH_BASE: &str = "/api/v1/auth";
const USERS_BASE: &str = "/api/v1/users";

/// The operations below [`USERS_BASE`].
#[cfg(not(feature = "avatars"))]
fn users(accounts: &Accounts) -> Users {
    Users(accounts.clone())
}

#[cfg(feature = "avatars")]
fn users(accounts: &Accounts) -> (Users, Avatars) {
    (Users(accounts.clone()), Avatars(accounts.clone()))
}

/// The document and the routes with the operations of accounts.
pub(crate) fn documented(mut document: Value, routes: &mut Routes, accounts: &Accounts) -> Value {
    let (auth, users) = (separate(Auth(accounts.clone())).spec(), separate(users(accounts)).spec());
    for (spec, place, base) in [(auth, AUTH, AUTH_BASE), (users, USERS, USERS_BASE)] {
        let own = serde_json::from_str(&spec).unwrap_or_default();
        routes.add(&own, &[base]);
        document = document::joined(document, own, SERVER, place);
    }
    document
}

impl ChatFrontend {
    /// Adds accounts: the operations below `/api/v1/auth` and `/api/v1/users`, also in the OpenAPI document. Without accounts these paths
    /// do not exist.
    ///
    /// With the feature `avatars`, the frontend serves uploaded pictures below `/api/v1/users/avatars/`: the address for
    /// `AccountsBuilder::avatars`, below the prefix of the app.
    ///
    /// The authenticator has to accept the tokens that the accounts issue, and the accounts have to be in the store of the same chat.
    /// Limits against guessing count the network address of the client. Behind a proxy,
    /// [`ServeOptions::trusted_proxies`](crate::ServeOptions::trusted_proxies) determine that address.
    #[must_use]
    pub fn with_accounts(self, accounts: Accounts) -> Self {
        Self { accounts: Some(accounts), ..self }.documented()
    }

    /// Adds the operations of the accounts, where there are any.
    pub(crate) fn account_operations(&self, app: Route) -> Result<Route, MountError> {
        let Some(accounts) = &self.accounts else { return Ok(app) };
        let (auth, users) = (separate(Auth(accounts.clone())), separate(users(accounts)));
        app.try_nest(AUTH_BASE, self.wrap(AUTH_BASE, auth.into_endpoint()))?
            .try_nest(USERS_BASE, self.wrap(USERS_BASE, users.into_endpoint()))
    }
}

/// The client of a request. The header `User-Agent` names its device where the body does not.
pub(crate) fn client_of(request: &Request) -> Client {
    let device = request.headers().get(USER_AGENT).and_then(|agent| agent.to_str().ok());
    Client { address: ClientAddress::of(request).map(IpAddr::from), device: device.map(str::to_owned) }
}

/// A client that needs no token.
pub(crate) struct Visitor(pub(crate) Client);

impl<'a> ApiExtractor<'a> for Visitor {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::PoemExtractor];

    type ParamType = ();
    type ParamRawType = ();

    async fn from_request(request: &'a Request, _: &mut RequestBody, _: ExtractParamOptions<()>) -> poem::Result<Self> {
        State::of(request).map_err(ApiError)?.visitor(request).await.map_err(ApiError)?;
        Ok(Self(checked_client(request).map_err(ApiError)?))
    }
}

/// The client of a request whose conditions and parameters are acceptable.
pub(crate) fn checked_client(request: &Request) -> Result<Client, Error> {
    check_conditions(request)?;
    check_query(request)?;
    Ok(client_of(request))
}
