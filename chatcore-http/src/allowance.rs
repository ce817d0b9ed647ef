//! What a caller has left, in the head of an answer.

use chatcore::limits::Allowance;

/// The headers that tell a caller what is left of the caller's uses, by name: how many there are at once, how many are left, and at which
/// second since the Unix epoch all of them are there again.
#[must_use]
pub fn allowance_headers(left: &Allowance) -> [(&'static str, String); 3] {
    let Allowance { bucket: _, limit, remaining, reset } = left;
    // A client that comes back at that second must not be early.
    let reset = reset.timestamp().saturating_add(i64::from(reset.timestamp_subsec_nanos() > 0));
    [
        ("X-RateLimit-Limit", limit.to_string()),
        ("X-RateLimit-Remaining", remaining.to_string()),
        ("X-RateLimit-Reset", reset.to_string()),
    ]
}

/// Puts these headers into an answer, where they are not there already.
#[cfg(feature = "poem")]
pub fn show_allowance(response: &mut poem::Response, left: Option<&Allowance>) {
    for (name, value) in left.iter().flat_map(|left| allowance_headers(left)) {
        if let (false, Ok(value)) = (response.headers().contains_key(name), poem::http::HeaderValue::try_from(value)) {
            response.headers_mut().insert(name, value);
        }
    }
}

/// From where a request comes, by the address of its peer.
#[cfg(feature = "poem")]
#[must_use]
pub fn origin(request: &poem::Request) -> chatcore::Origin {
    crate::ClientAddress::of(request).map(Into::into).unwrap_or_default()
}
