//! The id of a request.

use poem::Request;

/// The id under which a request is logged and answered. A frontend or a middleware puts it into the extensions of the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId(pub String);

impl RequestId {
    /// The id in the request's extensions; else a short and plain header `X-Request-Id`; else a new id.
    #[must_use]
    pub fn of(request: &Request) -> Self {
        if let Some(outer) = request.data::<Self>() {
            return outer.clone();
        }
        let plain = |id: &&str| {
            (1..=128).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.:".contains(&b))
        };
        let given = request.header("x-request-id").filter(plain);
        Self(given.map_or_else(|| uuid::Uuid::now_v7().to_string(), str::to_owned))
    }
}
