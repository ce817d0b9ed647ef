//! Concurrent requests of a user.

use std::sync::{Arc, OnceLock};

use chatcore::{Error, Result, model::UserId};
use poem::Request;

use crate::{Sockets, counts::Counted};

/// The place of a running request of a user. A drop releases the place.
#[derive(Debug)]
pub struct RequestPlace {
    pub(crate) _place: Counted<UserId>,
}

/// Holds the place of a request whose user is authenticated after the middleware. A middleware [puts](Self::begin) this value into the
/// request, and keeps a clone until the response.
#[derive(Debug, Clone, Default)]
pub struct HeldRequest(Arc<OnceLock<RequestPlace>>);

impl HeldRequest {
    /// The place of a request. The first call stores an empty place in the request; later calls return the same place.
    #[must_use]
    pub fn begin(request: &mut Request) -> Self {
        request.extensions_mut().get_or_insert_default::<Self>().clone()
    }

    /// Takes a place of the user, within [`Options::requests_per_user`](crate::Options::requests_per_user), if a middleware holds the
    /// places of requests. A request has one place, also after repeated authentication.
    ///
    /// # Errors
    /// [`RateLimited`](Error::RateLimited) where the user has no place left.
    pub fn take(request: &Request, sockets: &Sockets, user: &UserId) -> Result<()> {
        if let Some(Self(held)) = request.extensions().get::<Self>().filter(|Self(held)| held.get().is_none()) {
            // One request has one user, and is looked at by one task: nobody else sets it meanwhile.
            let _ = held.set(sockets.take_request(user)?);
        }
        Ok(())
    }
}

impl Sockets {
    /// Takes a place for one more request of this user, within [`Options::requests_per_user`](crate::Options::requests_per_user).
    ///
    /// # Errors
    /// [`RateLimited`](Error::RateLimited).
    pub fn take_request(&self, user: &UserId) -> Result<RequestPlace> {
        let place = self.requests().take(user, self.options().requests_per_user);
        place.map(|place| RequestPlace { _place: place }).ok_or(Error::RateLimited { retry_after: 1 })
    }
}
