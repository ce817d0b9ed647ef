//! Headers of rate limits.

use chatcore::limits::Allowance;

/// The headers of a caller's allowance, by name: the burst, the remaining uses, and the second since the Unix epoch at which the full burst
/// is available again.
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

/// Adds these headers to an answer without them.
#[cfg(feature = "poem")]
pub fn show_allowance(response: &mut poem::Response, left: Option<&Allowance>) {
    for (name, value) in left.iter().flat_map(|left| allowance_headers(left)) {
        if let (false, Ok(value)) = (response.headers().contains_key(name), poem::http::HeaderValue::try_from(value)) {
            response.headers_mut().insert(name, value);
        }
    }
}

/// The origin of a request, by the address of its peer.
#[cfg(feature = "poem")]
#[must_use]
pub fn origin(request: &poem::Request) -> chatcore::Origin {
    crate::ClientAddress::of(request).map(Into::into).unwrap_or_default()
}
