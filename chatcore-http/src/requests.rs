//! Requests of a user that are answered at once.

use std::sync::{Arc, OnceLock};

use chatcore::{Error, Result, model::UserId};
use poem::Request;

use crate::{Sockets, counts::Counted};

/// A request of a user that is being answered; its place is given back when dropped.
#[derive(Debug)]
pub struct RequestPlace {
    pub(crate) _place: Counted<UserId>,
}

/// Keeps the place of a request whose user becomes known on the way to its handler. A middleware [puts it](Self::begin) into the request
/// and keeps its own clone until there is a response.
#[derive(Debug, Clone, Default)]
pub struct HeldRequest(Arc<OnceLock<RequestPlace>>);

impl HeldRequest {
    /// The place that a request holds. The first call stores an empty one in the request; later calls return the same one.
    #[must_use]
    pub fn begin(request: &mut Request) -> Self {
        request.extensions_mut().get_or_insert_default::<Self>().clone()
    }

    /// Takes the user's place, of [`Options::requests_per_user`](crate::Options::requests_per_user), where a middleware holds it. A request
    /// has one place, however often its user is found.
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
    /// Room for one more request of this user, of [`Options::requests_per_user`](crate::Options::requests_per_user).
    ///
    /// # Errors
    /// [`RateLimited`](Error::RateLimited).
    pub fn take_request(&self, user: &UserId) -> Result<RequestPlace> {
        let place = self.requests().take(user, self.options().requests_per_user);
        place.map(|place| RequestPlace { _place: place }).ok_or(Error::RateLimited { retry_after: 1 })
    }
}
